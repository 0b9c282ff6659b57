"""The problems of weir bench for the scripts beside this: the standard list, the odd shapes, and Weir at work on one of them.

SPDX-License-Identifier: MIT
"""

import ctypes
import re


def standard():
    """What docs/performance.md sets goals for."""
    r1 = [f"R1-H{h}" for h in (8, 16, 20, 32, 64)]
    sizes = (128, 256, 512, 1024)
    r2 = [f"R2-H{h}-T{t}" for t in (1, 100) for h in sizes]
    batches = [f"{r}-H{h}-B{b}" for r in ("R3", "R4") for b in (16, 64) for h in sizes]
    narrow = [f"R2-{form}-H{h}" for form in ("bf16", "int8") for h in (512, 1024)]
    return [name + peep for name in r1 + r2 + batches for peep in ("", "-peep")] + narrow


# Sizes that no vector and no panel divides.
ODD = """
    R1-H20-I3 R1-H20-I65-peep R1-H50 R1-H50-I40 R1-H100-peep R1-H200-I3
    R2-H20-I3-T35 R2-H50-I1-T100 R2-H100-I40-T1 R2-H100-I3-T100-peep R2-H200-I65-T35 R2-H200-I1-T1 R2-H650-T1 R2-H650-I65-T35
    R2-H650-I40-T100-peep
    R3-H20-I1-T100-B3 R3-H50-I40-T35-B20 R3-H100-I65-T100-B3 R3-H200-I3-T35-B20 R3-H200-T100-B3-peep R3-H650-T35-B20
    R3-H650-I65-T1-B3 R3-H200-I40-T1-B20
    R4-H20-I3-T35-B3 R4-H50-I1-T100-B20 R4-H100-I65-T35-B20 R4-H100-I40-T35-B3-peep R4-H100-I3-T100-B1 R4-H200-I65-T35-B20
    R4-H200-T35-B3 R4-H650-T35-B20 R4-H650-I65-T35-B1-peep
""".split()

FORM = re.compile(r"R(\d)-(f32|bf16|int8)-L(\d+)-H(\d+)(?:-I(\d+))?-T(\d+)-B(\d+)(.*)")


class Shape:
    """A canonical string, taken apart."""

    def __init__(self, text):
        found = FORM.fullmatch(text)
        self.text, self.weights = text, found[2]
        self.kind, self.layers, self.hidden, self.steps, self.rows = (int(found[i]) for i in (1, 3, 4, 6, 7))
        self.inputs = int(found[5] or (1 if self.kind == 1 else self.hidden))
        self.peepholes = "peep" in found[8]

    def input_gradient_flops(self):
        """The gradient by the network's input, which Weir leaves out."""
        return 8 * self.hidden * self.inputs * self.steps * self.rows if self.kind == 4 else 0


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("offset", ctypes.c_size_t), ("text", ctypes.c_char * 256)]


class Threads(ctypes.Structure):
    """weir_parallel, which stands first, and the pool."""

    _fields_ = [("run", ctypes.c_void_p), ("ctx", ctypes.c_void_p), ("threads", ctypes.c_uint), ("pool", ctypes.c_void_p)]


class Weir:
    """cli/problem.c, cli/common.c and park.c as a library (networks.sh builds it)."""

    def __init__(self, path):
        lib = self.lib = ctypes.CDLL(path)
        lib.problem_read.restype = ctypes.c_bool
        lib.problem_flops.restype = ctypes.c_double
        lib.workload_new.restype = ctypes.c_void_p
        lib.workload_time.restype = ctypes.c_double
        lib.workload_time.argtypes = [ctypes.c_void_p, ctypes.c_long]
        lib.workload_free.argtypes = [ctypes.c_void_p]
        lib.threads_start.restype = Threads

    def read(self, text):
        """The problem as C knows it, which begins with its canonical string."""
        p, error = ctypes.create_string_buffer(1024), Error()
        if not self.lib.problem_read(text.encode(), p, ctypes.byref(error)):
            raise SystemExit(error.text.decode())
        return p

    def canonical(self, text):
        return self.read(text).value.decode()

    def start(self, threads):
        return self.lib.threads_start(ctypes.c_uint(threads), ctypes.c_bool(True))

    def workload(self, p, threads):
        error = Error()
        made = self.lib.workload_new(p, 0, ctypes.byref(threads), ctypes.byref(error))
        if not made:
            raise SystemExit(error.text.decode())
        return made
