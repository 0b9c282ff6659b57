# SPDX-License-Identifier: MIT
# Part of the other tests here; not a test of its own.
"""A thin mirror of weir.h through ctypes, for the oracle tests only. WEIR_LIBRARY names the shared library."""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_size_t, c_uint32, c_uint64, c_void_p


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


try:
    import numpy as np
except ImportError as missing:
    skip(missing)
if "WEIR_LIBRARY" not in os.environ:
    skip("WEIR_LIBRARY does not name a shared library")
library = ctypes.CDLL(os.environ["WEIR_LIBRARY"], mode=ctypes.RTLD_GLOBAL)
files = ctypes.CDLL(os.environ["WEIR_FORMAT_LIBRARY"]) if "WEIR_FORMAT_LIBRARY" in os.environ else None

ACTIVATIONS = ["default", "identity", "relu", "leaky_relu", "prelu", "sigmoid", "tanh", "elu", "selu", "gelu", "gelu_tanh", "silu",
               "mish", "softplus", "scaled_tanh", "hard_sigmoid", "softsign"]
DIRECTIONS = ["forward", "reverse", "both"]
OUTPUTS = ["linear", "softmax", "logistic", "gaussian", "student_t", "negative_binomial"]
READOUTS = ["every_step", "final_state"]
INITS = ["glorot", "pytorch", "lecun", "he", "uniform"]
OPTIMIZERS = ["adam", "adamw", "rmsprop", "sgd"]
SCHEDULES = ["constant", "cosine", "plateau"]
ISAS = ["best", "scalar", "avx2", "avx512", "neon", "ref64"]


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("offset", c_size_t), ("text", c_char * 256)]


class Activation(ctypes.Structure):
    _fields_ = [("id", c_int), ("alpha", c_float), ("beta", c_float)]


class Dense(ctypes.Structure):
    _fields_ = [("units", c_uint32), ("activation", Activation)]


class Config(ctypes.Structure):
    _fields_ = [
        ("inputs", c_uint32), ("tokens", c_uint32), ("layers", c_uint32), ("hidden", c_uint32), ("projection", c_uint32),
        ("direction", c_int), ("no_peepholes", c_bool), ("no_forget_gate", c_bool), ("coupled", c_bool),
        ("gate", Activation), ("candidate", Activation), ("output_activation", Activation),
        ("activation_clip", c_float), ("cell_clip", c_float), ("dense_layers", c_uint32), ("dense", Dense * 8),
        ("outputs", c_uint32), ("output", c_int), ("readout", c_int), ("init", c_int), ("init_scale", c_float),
        ("set_gate_bias", c_bool), ("gate_bias", c_float * 4), ("seed", c_uint64), ("notes", c_char_p), ("isa", c_int),
        ("allocator", c_void_p), ("reserved", c_uint64 * 4),
    ]


class Tensor(ctypes.Structure):
    _fields_ = [("name", c_char * 48), ("rows", c_size_t), ("cols", c_size_t), ("data", POINTER(c_float))]


class Batch(ctypes.Structure):
    _fields_ = [("steps", c_size_t), ("rows", c_size_t)] + [
        (name, c_void_p) for name in ("x", "tokens", "lengths", "h0", "c0")
    ] + [("carry", c_bool), ("targets", c_void_p), ("classes", c_void_p), ("scales", c_void_p)]


class TrainConfig(ctypes.Structure):
    _fields_ = [
        ("rows", c_uint32), ("steps", c_uint32), ("optimizer", c_int), ("rate", c_float), ("momentum", c_float),
        ("beta1", c_float), ("beta2", c_float), ("epsilon", c_float), ("weight_decay", c_float), ("clip", c_float),
        ("schedule", c_int), ("warmup", c_uint64), ("total_updates", c_uint64), ("plateau", c_uint32), ("dropout", c_float),
        ("head_dropout", c_float), ("seed", c_uint64), ("shards", c_uint32), ("cluster", c_void_p), ("parallel", c_void_p),
        ("allocator", c_void_p), ("class_weights", POINTER(c_float)), ("reserved", c_uint64 * 4),
    ]


class Loss(ctypes.Structure):
    _fields_ = [("sum", c_double), ("count", c_uint64), ("weight", c_double)]


class OnnxOptions(ctypes.Structure):
    _fields_ = [("unroll", c_uint32), ("states", c_bool), ("reserved", c_uint64 * 4)]


library.weir_model_config.restype = POINTER(Config)
library.weir_model_tensor.restype = Tensor
for name in ("weir_model_tensor_count", "weir_model_outputs", "weir_model_parameters", "weir_stream_size"):
    getattr(library, name).restype = c_size_t
library.weir_model_tensor.argtypes = [c_void_p, c_size_t]
library.weir_model_weights.argtypes = [c_void_p, c_size_t, c_void_p]
library.weir_model_weights.restype = None
library.weir_trainer_gradient.argtypes = [c_void_p, c_size_t, c_void_p]
library.weir_stream_init.argtypes = [POINTER(c_void_p), c_void_p, c_size_t, c_void_p, c_uint32, POINTER(Error)]
for name in ("weir_model_free", "weir_trainer_free", "weir_stream_reset"):
    getattr(library, name).argtypes = [c_void_p]
    getattr(library, name).restype = None


class WeirError(Exception):
    pass


def call(function, *arguments):
    error = Error()
    if function(*arguments, byref(error)):
        raise WeirError(error.text.decode())


def activation(spec):
    """'tanh', or ('elu', alpha), or ('scaled_tanh', alpha, beta)."""
    name, *parameters = (spec,) if isinstance(spec, str) else spec
    return Activation(ACTIVATIONS.index(name), *parameters)


NAMED = {"direction": DIRECTIONS, "output": OUTPUTS, "readout": READOUTS, "init": INITS, "isa": ISAS, "optimizer": OPTIMIZERS,
         "schedule": SCHEDULES}


def fill(structure, fields):
    for key, value in fields.items():
        if key in ("gate", "candidate", "output_activation"):
            value = activation(value)
        elif key == "dense":
            structure.dense_layers = len(value)
            value = (Dense * 8)(*[Dense(units, activation(spec)) for units, spec in value])
        elif key == "gate_bias":
            structure.set_gate_bias, value = True, (c_float * 4)(*value)
        elif key == "class_weights":
            value = (c_float * len(value))(*value)
        elif key in NAMED and isinstance(value, str):
            value = NAMED[key].index(value)
        setattr(structure, key, value)
    return structure


def floats(array):
    return np.ascontiguousarray(array, np.float32)


def batch(x=None, tokens=None, lengths=None, h0=None, c0=None, carry=False, targets=None, classes=None):
    """A weir_batch; it keeps its arrays alive."""
    arrays = {"x": x, "h0": h0, "c0": c0, "targets": targets}
    arrays = {k: floats(v) for k, v in arrays.items() if v is not None}
    whole = {"tokens": tokens, "lengths": lengths, "classes": classes}
    arrays.update({k: np.ascontiguousarray(v, np.uint32) for k, v in whole.items() if v is not None})
    steps, rows = (x if x is not None else tokens).shape[:2]
    made = Batch(steps, rows, carry=carry, **{k: v.ctypes.data for k, v in arrays.items()})
    made.arrays = arrays
    return made


class Model:
    def __init__(self, weights=None, handle=None, **fields):
        """weights: a dict of arrays by name; those not named start as the configuration says."""
        self.handle = handle or c_void_p()
        if handle:
            return
        config = fill(Config(), fields)
        call(library.weir_model_new, byref(self.handle), byref(config), None, c_size_t(0))
        if weights:
            every = {name: floats(weights.get(name, value)) for name, value in self.weights().items()}
            unknown = set(weights) - set(every)
            if unknown:
                raise WeirError(f"no tensor is named {unknown}")
            tensors = (Tensor * len(every))(*[
                Tensor(name.encode(), value.shape[0] if value.ndim == 2 else 0, value.shape[-1],
                       value.ctypes.data_as(POINTER(c_float))) for name, value in every.items()])
            self.free()
            call(library.weir_model_new, byref(self.handle), byref(config), tensors, c_size_t(len(every)))

    def free(self):
        library.weir_model_free(self.handle)
        self.handle = c_void_p()

    def __del__(self):
        self.free()

    @property
    def config(self):
        return library.weir_model_config(self.handle).contents

    @property
    def outputs(self):
        return library.weir_model_outputs(self.handle)

    def weights(self):
        out = {}
        for i in range(library.weir_model_tensor_count(self.handle)):
            t = library.weir_model_tensor(self.handle, i)
            array = np.empty(max(t.rows, 1) * t.cols, np.float32)
            library.weir_model_weights(self.handle, i, array.ctypes.data)
            out[t.name.decode()] = array.reshape(t.rows, t.cols) if t.rows else array
        return out

    def save(self, path):
        call(files.weir_model_save, self.handle, os.fsencode(path))

    def save_onnx(self, path, unroll=0, states=False):
        call(files.weir_model_save_onnx, self.handle, os.fsencode(path), byref(OnnxOptions(unroll, states)))

    def narrowed(self, weights):
        """The same model with weights of another form: f32, bf16 or int8."""
        made = c_void_p()
        call(library.weir_model_convert, byref(made), self.handle, c_int(["f32", "bf16", "int8"].index(weights)))
        return Model(handle=made)

    def run(self, **arrays):
        """y, hn, cn."""
        b, c = batch(**arrays), self.config
        lanes, width = c.layers * (2 if c.direction == 2 else 1), c.projection or c.hidden
        shape = (b.rows, self.outputs) if c.readout else (b.steps, b.rows, self.outputs)
        y, hn = np.full(shape, np.nan, np.float32), np.full((lanes, b.rows, width), np.nan, np.float32)
        cn = np.full((lanes, b.rows, c.hidden), np.nan, np.float32)
        call(library.weir_model_run, self.handle, byref(b), *[a.ctypes.data_as(c_void_p) for a in (y, hn, cn)], None)
        return y, hn, cn


def load(path):
    made = c_void_p()
    call(files.weir_model_load, byref(made), os.fsencode(path), c_int(0), None)
    return Model(handle=made)


class Stream:
    def __init__(self, model, rows):
        self.model, self.rows, self.handle = model, rows, c_void_p()
        size = library.weir_stream_size(model.handle, c_uint32(rows))
        self.memory = ctypes.create_string_buffer(max(size, 1))
        call(library.weir_stream_init, byref(self.handle), self.memory, c_size_t(size), model.handle, c_uint32(rows))

    def step(self, x=None, tokens=None):
        y = np.empty((self.rows, self.model.outputs), np.float32)
        if tokens is not None:
            ids = np.ascontiguousarray(tokens, np.uint32)
            library.weir_stream_step_tokens(self.handle, c_void_p(ids.ctypes.data), c_void_p(y.ctypes.data))
        else:
            values = floats(x)
            library.weir_stream_step(self.handle, c_void_p(values.ctypes.data), c_void_p(y.ctypes.data))
        return y

    def reset(self):
        library.weir_stream_reset(self.handle)


class Trainer:
    def __init__(self, model, **fields):
        self.handle, self.names = c_void_p(), {k: v.shape for k, v in model.weights().items()}
        config = fill(TrainConfig(), fields)
        call(library.weir_trainer_new, byref(self.handle), model.handle, byref(config))

    def __del__(self):
        library.weir_trainer_free(self.handle)

    def pass_(self, function, arrays):
        b, loss = batch(**arrays), Loss()
        call(function, self.handle, byref(b), byref(loss))
        return loss.sum / loss.weight if loss.weight else float("nan")

    def step(self, **arrays):
        return self.pass_(library.weir_trainer_step, arrays)

    def evaluate(self, **arrays):
        return self.pass_(library.weir_trainer_evaluate, arrays)

    def backward(self, **arrays):
        """The mean loss, and the gradients by name."""
        loss, gradients = self.pass_(library.weir_trainer_backward, arrays), {}
        for i, (name, shape) in enumerate(self.names.items()):
            gradients[name] = np.empty(shape, np.float32)
            library.weir_trainer_gradient(self.handle, i, gradients[name].ctypes.data)
        return loss, gradients

    def weights(self):
        made = c_void_p()
        call(library.weir_trainer_model, self.handle, byref(made), None)
        return Model(handle=made).weights()
