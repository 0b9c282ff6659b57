# SPDX-License-Identifier: MIT
"""Weir's activations against PyTorch's, on the same arrays, in turn, in one process: activations.py LIBWEIR FLOATS

Prints CSV: peer,function,of,floats,peer_ns,exact_ns,fast_ns,exact_ratio,fast_ratio. PyTorch's derivatives of sigmoid and tanh take the
saved output, which spares them the exponential. All write into an array that is there, but for Mish', which PyTorch can only
allocate: it is left out of arrays in memory, where that would be what is timed.
"""
import ctypes
import statistics
import sys
import time

import torch


class Activation(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("alpha", ctypes.c_float), ("beta", ctypes.c_float)]


weir = ctypes.CDLL(sys.argv[1])
n = int(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(1)
x, dy, y = torch.randn(n) * 2, torch.rand(n) * 2 - 1, torch.empty(n)
A = torch.ops.aten
slope = torch.full((1,), 0.25)
SELU = 1.6732632423543772, 1.0507009873554805

# function: value, derivative
FUNCTIONS = {
    "relu": (lambda: A.relu.out(x, out=y), lambda: A.threshold_backward.grad_input(dy, x, 0, grad_input=y)),
    "leaky_relu": (lambda: A.leaky_relu.out(x, 0.01, out=y), lambda: A.leaky_relu_backward.grad_input(dy, x, 0.01, False, grad_input=y)),
    "prelu": (lambda: A.prelu.out(x, slope, out=y), None),
    "sigmoid": (lambda: torch.sigmoid(x, out=y), lambda: A.sigmoid_backward.grad_input(dy, saved["sigmoid"], grad_input=y)),
    "tanh": (lambda: torch.tanh(x, out=y), lambda: A.tanh_backward.grad_input(dy, saved["tanh"], grad_input=y)),
    "elu": (lambda: A.elu.out(x, out=y), lambda: A.elu_backward.grad_input(dy, 1, 1, 1, False, x, grad_input=y)),
    "selu": (lambda: A.elu.out(x, *SELU, 1, out=y), lambda: A.elu_backward.grad_input(dy, *SELU, 1, False, x, grad_input=y)),
    "gelu": (lambda: A.gelu.out(x, out=y), lambda: A.gelu_backward.grad_input(dy, x, grad_input=y)),
    "gelu_tanh": (lambda: A.gelu.out(x, approximate="tanh", out=y), lambda: A.gelu_backward.grad_input(dy, x, approximate="tanh", grad_input=y)),
    "silu": (lambda: A.silu.out(x, out=y), lambda: A.silu_backward.grad_input(dy, x, grad_input=y)),
    "mish": (lambda: A.mish.out(x, out=y), (lambda: A.mish_backward(dy, x)) if n <= 1 << 20 else None),
    "softplus": (lambda: A.softplus.out(x, 1, 20, out=y), lambda: A.softplus_backward.grad_input(dy, x, 1, 20, grad_input=y)),
    "exp": (lambda: torch.exp(x, out=y), None),
    "erf": (lambda: torch.erf(x, out=y), None),
}
saved = {"sigmoid": torch.sigmoid(x), "tanh": torch.tanh(x)}


def pointer(t):
    return ctypes.c_void_p(t.data_ptr())


def weir_call(name, form, grad):
    a = Activation(weir.weir_activation_find(name.encode()), 0, 0)
    arrays = (pointer(x), pointer(dy), pointer(y)) if grad else (pointer(x), pointer(y))
    f = weir.weir_activation_grad if grad else weir.weir_activation_apply
    return lambda: f(ctypes.byref(a), form, 0, ctypes.c_size_t(n), *arrays, None)


def clocked(f, rounds):
    start = time.perf_counter()
    for _ in range(rounds):
        f()
    return (time.perf_counter() - start) / rounds / n * 1e9


for name, pair in FUNCTIONS.items():
    for grad, peer in enumerate(pair):
        if peer is None:
            continue
        exact, fast = weir_call(name, 0, grad), weir_call(name, 1, grad)
        for f in (peer, exact, fast):
            f()
        rounds, repeats = (1, 5) if n > 1 << 20 else (4, 31)
        times = [[clocked(f, rounds) for f in (peer, exact, fast)] for _ in range(repeats)]
        p, e, f = (statistics.median(t[k] for t in times) for k in range(3))
        ratios = [statistics.median(t[k] / t[0] for t in times) for k in (1, 2)]
        print("pytorch,%s,%s,%d,%.4f,%.4f,%.4f,%.3f,%.3f" % (name, "slope" if grad else "value", n, p, e, f, *ratios), flush=True)
