# SPDX-License-Identifier: MIT
# Part of the other tests here; not a test of its own.
"""weir_graph through ctypes. WEIR_FORMAT_LIBRARY names the shared library."""

import ctypes
import os
from ctypes import POINTER, byref, c_bool, c_char_p, c_int, c_int64, c_size_t, c_void_p

import libweir as weir
import numpy as np

if "WEIR_FORMAT_LIBRARY" not in os.environ:
    weir.skip("WEIR_FORMAT_LIBRARY does not name a shared library")
library = ctypes.CDLL(os.environ["WEIR_FORMAT_LIBRARY"])
TYPES = [None, np.float32, np.int32, np.int64, np.bool_]


class Array(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("element", c_int), ("rank", c_size_t), ("dims", c_size_t * 8), ("data", c_void_p)]


class Port(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("element", c_int), ("optional", c_bool), ("ranked", c_bool), ("rank", c_size_t), ("dims", c_int64 * 8)]


for name in "inputs", "outputs":
    getattr(library, f"weir_graph_{name}").restype = c_size_t
    getattr(library, f"weir_graph_{name}").argtypes = [c_void_p]
library.weir_graph_free.argtypes = [c_void_p]
library.weir_graph_free.restype = None
library.weir_graph_release.argtypes = [c_void_p, POINTER(Array)]
library.weir_graph_release.restype = None


class Graph:
    def __init__(self, data, isa="best"):
        self.handle = c_void_p()
        weir.call(library.weir_graph_parse, byref(self.handle), c_char_p(data), c_size_t(len(data)), weir.ISAS.index(isa), None)
        self.outputs = library.weir_graph_outputs(self.handle)

    def __del__(self):
        library.weir_graph_free(self.handle)

    def run(self, **inputs):
        """Outputs by name."""
        given, kept = (Array * len(inputs))(), []
        for slot, (name, value) in zip(given, inputs.items()):
            kept.append(np.ascontiguousarray(value).reshape(value.shape))
            slot.name, slot.element, slot.rank = name.encode(), TYPES.index(value.dtype), value.ndim
            slot.dims[:value.ndim] = value.shape
            slot.data = kept[-1].ctypes.data
        made = (Array * self.outputs)()
        weir.call(library.weir_graph_run, self.handle, given, c_size_t(len(inputs)), made, None)
        out = {}
        for a in made:
            shape, kind = tuple(a.dims[:a.rank]), np.dtype(TYPES[a.element])
            size = int(np.prod(shape)) * kind.itemsize
            out[a.name.decode()] = np.frombuffer(ctypes.string_at(a.data, size), kind).reshape(shape)
        library.weir_graph_release(self.handle, made)
        return out
