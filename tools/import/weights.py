# SPDX-License-Identifier: MIT
"""What the scripts here share: a safetensors file of a layout of weir convert, with what its weights do not tell and a check."""

import json
import struct

import numpy as np

NAMES = {"float64": "F64", "float32": "F32", "float16": "F16"}
MOST_NUMBERS = 400  # of a check's input


def write(path, layout, tensors, settings=None, check=None):
    """tensors: arrays by name; settings: fields of the configuration (docs/format.md); check: x, y and, if wanted, h0, c0, lengths."""
    metadata = {"layout": layout, "weir": json.dumps({"format": 1} | (settings or {}))}
    header, data = {"__metadata__": metadata}, []
    arrays = dict(tensors) | {f"check.{name}": np.asarray(value, np.float32) for name, value in (check or {}).items()}
    at = 0
    for name, value in arrays.items():
        value = np.ascontiguousarray(value)
        if value.dtype.name not in NAMES:
            value = value.astype(np.float32)
        header[name] = {"dtype": NAMES[value.dtype.name], "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        data.append(value.tobytes())
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))
    told = "with the source's output to verify" if check else "without an output to verify: the source was not run"
    print(f"{path}: {len(tensors)} arrays, {told}. Next: weir convert {path} model.weir --layout {layout}{' --verify' if check else ''}")


def numbered(stem, number, separator="_"):
    """lstm, lstm_1, lstm_2, ..."""
    return f"{stem}{separator}{number}" if number else stem


def draw_input(inputs, steps=6, rows=2):
    """A small input (T, B, I); fewer rows and steps where there are many inputs."""
    while steps * rows * inputs > MOST_NUMBERS and steps * rows > 1:
        rows, steps = (1, steps) if rows > 1 else (1, steps - 1)
    return np.random.default_rng(1).uniform(-1, 1, (steps, rows, inputs)).astype(np.float32)


def activation(name, where):
    """The field of a configuration for a framework's activation."""
    known = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu", "linear": "identity", "elu": "elu", "selu": "selu", "softplus": "softplus",
             "softsign": "softsign", "silu": "silu", "swish": "silu", "mish": "mish", "gelu": "gelu"}
    if name == "hard_sigmoid":  # of Keras 3: relu6(x + 3) / 6
        return {"name": "hard_sigmoid", "alpha": 1 / 6, "beta": 0.5}
    if name not in known:
        raise SystemExit(f"{where}: Weir has no activation {name}")
    return {"name": known[name]}
