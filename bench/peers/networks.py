"""ONNX Runtime's and PyTorch's LSTM beside Weir's on the problems of weir bench, in turn in one process:

    python3 networks.py libproblem.so THREADS PROBLEM...        (networks.sh builds the library)

prints peer,problem,threads,peer_us,weir_us,ratio as networks.c does. ONNX Runtime runs (R1 to R3) with arrays bound beforehand; PyTorch,
which has no peepholes, takes part in the problems without.

SPDX-License-Identifier: MIT
"""

import ctypes
import statistics
import sys
import time

import numpy as np

BLOCKS = 11


class Problem(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char * 64)] + [
        (name, ctypes.c_uint32) for name in ("kind", "layers", "inputs", "hidden", "steps", "rows")
    ] + [("peepholes", ctypes.c_bool)]


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("offset", ctypes.c_size_t), ("text", ctypes.c_char * 256)]


class Threads(ctypes.Structure):
    """weir_parallel, which stands first, and the pool."""

    _fields_ = [("run", ctypes.c_void_p), ("ctx", ctypes.c_void_p), ("threads", ctypes.c_uint), ("pool", ctypes.c_void_p)]


def open_library(path):
    lib = ctypes.CDLL(path)
    lib.problem_read.restype = ctypes.c_bool
    lib.workload_new.restype = ctypes.c_void_p
    lib.workload_time.restype = ctypes.c_double
    lib.workload_time.argtypes = [ctypes.c_void_p, ctypes.c_long]
    lib.workload_free.argtypes = [ctypes.c_void_p]
    lib.threads_start.restype = Threads
    return lib


def floats(scale, *shape):
    return (scale * np.random.uniform(-1, 1, shape)).astype(np.float32)


def onnx_model(p):
    """The stack as one graph: an LSTM node and a Squeeze a layer, initial states in, final states out."""
    from onnx import TensorProto, helper, numpy_helper

    L, I, H, T, B = p.layers, p.inputs, p.hidden, p.steps, p.rows
    nodes, constants, below = [], [numpy_helper.from_array(np.array([1], np.int64), "direction")], "x"

    def constant(name, *shape):
        constants.append(numpy_helper.from_array(floats(0.1, *shape), name))
        return name

    def value(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs, outputs = [value("x", T, B, I)], [value("y", T, B, H)]
    for i in range(L):
        above = "y" if i + 1 == L else f"x{i}"
        peepholes = constant(f"P{i}", 1, 3 * H) if p.peepholes else ""
        given = [below, constant(f"W{i}", 1, 4 * H, I if i == 0 else H), constant(f"R{i}", 1, 4 * H, H), constant(f"B{i}", 1, 8 * H), "",
                 f"h{i}", f"c{i}", peepholes]
        nodes.append(helper.make_node("LSTM", given, [f"Y{i}", f"hn{i}", f"cn{i}"], hidden_size=H))
        nodes.append(helper.make_node("Squeeze", [f"Y{i}", "direction"], [above]))
        inputs += [value(f"h{i}", 1, B, H), value(f"c{i}", 1, B, H)]
        outputs += [value(f"hn{i}", 1, B, H), value(f"cn{i}", 1, B, H)]
        below = above
    graph = helper.make_graph(nodes, "lstm", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    return model.SerializeToString()


def onnxruntime_pass(p, threads):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(onnx_model(p), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for what in session.get_inputs():
        binding.bind_ortvalue_input(what.name, ort.OrtValue.ortvalue_from_numpy(floats(1, *what.shape)))
    for what in session.get_outputs():
        binding.bind_ortvalue_output(what.name, ort.OrtValue.ortvalue_from_numpy(floats(0, *what.shape)))
    return f"onnxruntime-{ort.__version__}", lambda: session.run_with_iobinding(binding)


def pytorch_pass(p, threads):
    import torch

    torch.set_num_threads(threads)
    lstm = torch.nn.LSTM(p.inputs, p.hidden, p.layers)
    x, name = torch.from_numpy(floats(1, p.steps, p.rows, p.inputs)), f"pytorch-{torch.__version__}"
    if p.kind < 4:

        def run():
            with torch.no_grad():
                lstm(x)

        return name, run
    dy = torch.from_numpy(floats(1e-3, p.steps, p.rows, p.hidden))

    def train():
        lstm.zero_grad()
        lstm(x)[0].backward(dy)

    return name, train


def time_of(run, passes):
    begin = time.perf_counter()
    for _ in range(passes):
        run()
    return (time.perf_counter() - begin) / passes


def passes_for(measure):
    measure(2)
    return 1 + int(0.03 / measure(3))


def compare(p, threads, make, workload, weir_time):
    name, run = make(p, threads)
    ours = lambda passes: weir_time(workload, passes)
    theirs = lambda passes: time_of(run, passes)
    our_passes, their_passes = passes_for(ours), passes_for(theirs)
    times = [(theirs(their_passes), ours(our_passes)) for _ in range(BLOCKS)]
    us = 1e6 / p.steps
    print(f"{name},{p.text.decode()},{threads},{statistics.median(t for t, _ in times) * us:.4f},"
          f"{statistics.median(o for _, o in times) * us:.4f},{statistics.median(o / t for t, o in times):.3f}", flush=True)


def main():
    lib, threads = open_library(sys.argv[1]), int(sys.argv[2])
    hook = lib.threads_start(ctypes.c_uint(threads), ctypes.c_bool(True))
    for text in sys.argv[3:]:
        p, error = Problem(), Error()
        if not lib.problem_read(text.encode(), ctypes.byref(p), ctypes.byref(error)):
            sys.exit(error.text.decode())
        workload = lib.workload_new(ctypes.byref(p), 0, ctypes.byref(hook), ctypes.byref(error))
        if not workload:
            sys.exit(error.text.decode())
        for make, takes_part in ((onnxruntime_pass, p.kind < 4), (pytorch_pass, not p.peepholes)):
            if takes_part:
                try:
                    compare(p, threads, make, workload, lib.workload_time)
                except ImportError as missing:
                    print(f"{make.__name__}: skipped: {missing}", file=sys.stderr)
        lib.workload_free(workload)


main()
