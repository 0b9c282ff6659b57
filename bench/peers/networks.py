"""ONNX Runtime's or PyTorch's LSTM beside Weir's on the problems of weir bench, in turn in one process:

    python3 networks.py libproblem.so PEER                               prints the peer's name and version
    python3 networks.py libproblem.so PEER THREADS SECONDS PROBLEM...    prints a line of CSV for each problem, as networks.c does

ONNX Runtime runs R1 to R3 with arrays bound beforehand; int8 is its own dynamic quantisation. PyTorch has no peepholes and no int8 here;
it steps with the state that the step before gave; in R4 its input asks for no gradient, as Weir's does not.

SPDX-License-Identifier: MIT
"""

import ctypes
import os
import statistics
import sys
import tempfile
import time

import numpy as np

from problems import Shape, Weir

# As in beside.h.
LEAST_BLOCKS, MOST_BLOCKS, BLOCK_SECONDS, LONG_PASS = 2, 7, 0.012, 0.05
SETTLE_SECONDS, SHORT_PASS = (0.001, 0.02), (0.005, 0.25)


RANDOM = np.random.default_rng(1)


def floats(scale, *shape):
    return (2 * RANDOM.random(shape, np.float32) - 1) * np.float32(scale)


# ---- ONNX Runtime ----


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
    return model


def quantised(model):
    import logging

    import onnx
    from onnxruntime.quantization import quantize_dynamic

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        given, made = os.path.join(folder, "f32.onnx"), os.path.join(folder, "int8.onnx")
        onnx.save(model, given)
        quantize_dynamic(given, made, op_types_to_quantize=["LSTM"])
        model = onnx.load(made)
    if any(node.op_type == "LSTM" for node in model.graph.node):
        raise NotImplementedError("ONNX Runtime left the LSTM as it was")
    return model


def onnxruntime_name():
    import onnx  # noqa: F401, to be missed here and not at each problem
    import onnxruntime

    return f"onnxruntime-{onnxruntime.__version__}"


def onnxruntime_pass(p, threads):
    import onnxruntime as ort

    if p.kind == 4 or p.weights == "bf16":
        return None
    model = onnx_model(p)
    if p.weights == "int8":
        model = quantised(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for what in session.get_inputs():
        binding.bind_ortvalue_input(what.name, ort.OrtValue.ortvalue_from_numpy(floats(1, *what.shape)))
    for what in session.get_outputs():
        binding.bind_ortvalue_output(what.name, ort.OrtValue.ortvalue_from_numpy(floats(0, *what.shape)))
    return lambda: session.run_with_iobinding(binding)


# ---- PyTorch ----


def pytorch_name():
    import torch

    return f"pytorch-{torch.__version__.split('+')[0]}"


def pytorch_training(lstm, x, dy):
    def train():
        lstm.zero_grad()
        lstm(x)[0].backward(dy)

    return train


def pytorch_pass(p, threads):
    import torch

    if p.peepholes or p.weights == "int8":
        return None
    torch.set_num_threads(threads)
    number = torch.bfloat16 if p.weights == "bf16" else torch.float32
    lstm = torch.nn.LSTM(p.inputs, p.hidden, p.layers).to(number)
    x = torch.from_numpy(floats(1, p.steps, p.rows, p.inputs)).to(number)
    if p.kind == 4:
        return pytorch_training(lstm, x, torch.from_numpy(floats(1e-3, p.steps, p.rows, p.hidden)))
    state, stateful = None, p.kind < 3 or p.steps == 1

    def run():
        nonlocal state
        with torch.inference_mode():
            _, after = lstm(x, state)
        if stateful:
            state = after

    return run


# ---- In turn ----


def workers_now():
    return {int(name) for name in os.listdir("/proc/self/task")} - {os.getpid()}


class Turns:
    """Who has the processors, as in beside.h: Weir's workers sleep in the peer's turn, the peer's get what Weir leaves in its turn."""

    def __init__(self, weir, threads):
        before = workers_now()
        self.several, self.pool = threads > 1, weir.start(threads)
        self.park = lambda: weir.lib.park(ctypes.byref(self.pool))
        self.processors, self.weir = os.sched_getaffinity(0), workers_now() - before

    def let_work(self, weir):
        if not weir:
            self.park()
        for worker in workers_now() - self.weir if self.several else ():
            try:
                os.sched_setscheduler(worker, os.SCHED_IDLE if weir else os.SCHED_OTHER, os.sched_param(0))
            except PermissionError:
                print("the peer's workers spin on in Weir's turn: taking them the processors needs root", file=sys.stderr)
                return

    def pin(self):
        first, *others = sorted(self.processors)
        if self.several and others:
            os.sched_setaffinity(0, [first])
            for worker in workers_now():
                os.sched_setaffinity(worker, others)

    def unpin(self):
        """For the threads that the next problem starts."""
        os.sched_setaffinity(0, self.processors)


class Side:
    """measure(passes) gives seconds a pass."""

    def __init__(self, measure, turns, weir, first):
        self.measure, self.turns, self.weir, passes = measure, turns, weir, 2
        turns.let_work(weir)
        self.seconds = first if first > LONG_PASS else measure(1)
        while passes < 1000 and self.seconds * passes < BLOCK_SECONDS / 2:
            self.seconds = measure(passes)
            passes *= 4
        self.passes = 1 + int(BLOCK_SECONDS / self.seconds)

    def block(self):
        self.turns.let_work(self.weir)
        if self.seconds < SHORT_PASS[self.turns.several]:
            self.measure(1 + int(SETTLE_SECONDS[self.turns.several] / self.seconds))
        return self.measure(self.passes)


def timer(run):
    def measure(passes):
        begin = time.perf_counter()
        for _ in range(passes):
            run()
        return (time.perf_counter() - begin) / passes

    return measure


def put_beside(name, p, threads, seconds, turns, run, weir_measure, flops):
    peer_measure = timer(run)
    firsts = peer_measure(1), weir_measure(1)
    turns.pin()
    ours = Side(weir_measure, turns, True, firsts[1])
    theirs = Side(peer_measure, turns, False, firsts[0])
    both = theirs.seconds * theirs.passes + ours.seconds * ours.passes
    count = max(LEAST_BLOCKS, min(MOST_BLOCKS, int(seconds / both)))
    blocks = [(theirs.block(), ours.block()) for _ in range(count)]
    turns.unpin()
    their, our = (statistics.median(b[i] for b in blocks) for i in (0, 1))
    us = 1e6 / p.steps
    print(f"{name},{p.text},{threads},{count},{their * us:.4f},{our * us:.4f},{statistics.median(o / t for t, o in blocks):.3f},"
          f"{flops / their * 1e-9:.3f},{flops / our * 1e-9:.3f}", flush=True)


def main():
    path, peer = sys.argv[1:3]
    name_of, make = {"onnxruntime": (onnxruntime_name, onnxruntime_pass), "pytorch": (pytorch_name, pytorch_pass)}[peer]
    name = name_of()
    if len(sys.argv) == 3:
        return print(name)
    weir, threads, seconds = Weir(path), int(sys.argv[3]), float(sys.argv[4])
    turns = Turns(weir, threads)
    for text in sys.argv[5:]:
        c = weir.read(text)
        p = Shape(c.value.decode())
        run = make(p, threads)
        if run:
            work = weir.workload(c, turns.pool)
            put_beside(name, p, threads, seconds, turns, run, lambda passes: weir.lib.workload_time(work, passes),
                       weir.lib.problem_flops(c))
            weir.lib.workload_free(work)
    return None


main()
