# SPDX-License-Identifier: MIT
"""Model files between PyTorch and Weir, by name: a state_dict written as safetensors runs in Weir, what Weir saves loads into
torch.nn.LSTM, and both compute the same."""

import ctypes
import json
import os
import struct
import sys

try:
    import numpy as np
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
if "WEIR_FORMAT_LIBRARY" not in os.environ:
    print("skipped: this build has no shared libraries")
    sys.exit(77)

ctypes.CDLL(os.environ["WEIR_LIBRARY"], mode=ctypes.RTLD_GLOBAL)
weir = ctypes.CDLL(os.environ["WEIR_FORMAT_LIBRARY"], mode=ctypes.RTLD_GLOBAL)
core = ctypes.CDLL(os.environ["WEIR_LIBRARY"])


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("offset", ctypes.c_size_t), ("text", ctypes.c_char * 256)]


class Batch(ctypes.Structure):
    _fields_ = [("steps", ctypes.c_size_t), ("rows", ctypes.c_size_t)] + [
        (name, ctypes.c_void_p) for name in ("x", "tokens", "lengths", "h0", "c0")
    ] + [("carry", ctypes.c_bool), ("targets", ctypes.c_void_p), ("classes", ctypes.c_void_p)]


def check(status, error):
    if status:
        sys.exit(f"model_file: {error.text.decode()}")


def write_safetensors(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        raw = tensor.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    with open(path, "rb") as file:
        bytes_ = file.read()
    size = struct.unpack("<Q", bytes_[:8])[0]
    header, data = json.loads(bytes_[8 : 8 + size]), bytes_[8 + size :]
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, record in header.items():
        begin, end = record["data_offsets"]
        tensors[name] = torch.tensor(np.frombuffer(data[begin:end], np.float32).reshape(record["shape"]))
    return tensors, metadata


def run(model, x, outputs):
    y = np.empty(x.shape[:2] + (outputs,), np.float32)
    batch = Batch(steps=x.shape[0], rows=x.shape[1], x=x.ctypes.data)
    error = Error()
    check(core.weir_model_run(model, ctypes.byref(batch), y.ctypes.data_as(ctypes.c_void_p), None, None, None, ctypes.byref(error)), error)
    return y


torch.manual_seed(1)
for layers, both, projection in [(1, False, 0), (2, True, 0), (3, True, 5), (2, False, 3)]:
    inputs, hidden = 4, 7
    lstm = torch.nn.LSTM(inputs, hidden, layers, bidirectional=both, proj_size=projection)
    head = torch.nn.Linear((2 if both else 1) * (projection or hidden), 3)
    config = {"format": 1, "inputs": inputs, "layers": layers, "hidden": hidden, "no_peepholes": True, "outputs": 3,
              "projection": projection, "direction": "both" if both else "forward"}
    tensors = {"lstm." + name: value for name, value in lstm.state_dict().items()}
    tensors |= {"head.0." + name: value for name, value in head.state_dict().items()}
    write_safetensors("pytorch.weir", tensors, {"weir": json.dumps(config)})

    model, error = ctypes.c_void_p(), Error()
    check(weir.weir_model_load(ctypes.byref(model), b"pytorch.weir", 0, None, ctypes.byref(error)), error)
    x = torch.randn(11, 5, inputs)
    with torch.no_grad():
        expected = head(lstm(x)[0]).numpy()
    difference = np.abs(run(model, x.numpy(), 3) - expected).max()
    print(f"{layers} layers, both {both}, projection {projection}: largest difference {difference:.1e}")
    assert difference <= 1e-5

    check(weir.weir_model_save(model, b"weir.weir", ctypes.byref(error)), error)
    saved, metadata = read_safetensors("weir.weir")
    again = torch.nn.LSTM(inputs, hidden, layers, bidirectional=both, proj_size=projection)
    again.load_state_dict({name[5:]: value for name, value in saved.items() if name.startswith("lstm.")}, strict=True)
    with torch.no_grad():
        assert np.abs(head(again(x)[0]).numpy() - expected).max() <= 1e-6
    assert json.loads(metadata["weir"])["hidden"] == hidden and set(metadata) <= {"weir", "notes"}
    core.weir_model_free(model)
