#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A TFLite model whose LSTMs are the operation UNIDIRECTIONAL_SEQUENCE_LSTM, with at most one FULLY_CONNECTED behind them, as weights for
weir convert --layout tflite:

    python3 tools/import/from_tflite.py model.tflite weights.safetensors

Needs TensorFlow, for TFLite's schema and interpreter. Weights of 8 bits become the float32 that they stand for; the interpreter also rounds
inputs and states of such models, so their check differs by as much."""

import argparse

import numpy as np
import tensorflow as tf
import weights
from tensorflow.lite.python import schema_py_generated as schema

# The operation's inputs by place.
SLOTS = {1: "input_to_input_weights", 2: "input_to_forget_weights", 3: "input_to_cell_weights", 4: "input_to_output_weights",
         5: "recurrent_to_input_weights", 6: "recurrent_to_forget_weights", 7: "recurrent_to_cell_weights", 8: "recurrent_to_output_weights",
         9: "cell_to_input_weights", 10: "cell_to_forget_weights", 11: "cell_to_output_weights", 12: "input_gate_bias",
         13: "forget_gate_bias", 14: "cell_gate_bias", 15: "output_gate_bias", 16: "projection_weights", 17: "projection_bias",
         20: "input_layer_norm_coefficients", 21: "forget_layer_norm_coefficients", 22: "cell_layer_norm_coefficients",
         23: "output_layer_norm_coefficients"}
TYPES = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16, schema.TensorType.INT8: np.int8,
         schema.TensorType.INT32: np.int32}
# What may stand between: it moves numbers or does nothing to them.
HARMLESS = {schema.BuiltinOperator.RESHAPE, schema.BuiltinOperator.TRANSPOSE, schema.BuiltinOperator.DEQUANTIZE,
            schema.BuiltinOperator.STRIDED_SLICE, schema.BuiltinOperator.SHAPE, schema.BuiltinOperator.PACK, schema.BuiltinOperator.FILL,
            schema.BuiltinOperator.SLICE, schema.BuiltinOperator.SQUEEZE, schema.BuiltinOperator.EXPAND_DIMS}


def values_of(model, graph, index):
    """A constant tensor as float32."""
    tensor = graph.tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None:
        raise SystemExit(f"{tensor.name.decode()} is computed, not constant: its weights cannot be read")
    value = np.frombuffer(bytes(data), TYPES[tensor.type]).reshape(tensor.shape)
    if value.dtype.kind == "i":
        q = tensor.quantization
        shape = [-1 if axis == (q.quantizedDimension or 0) and len(q.scale) > 1 else 1 for axis in range(value.ndim)]
        value = (value.astype(np.float64) - np.reshape(q.zeroPoint, shape)) * np.reshape(np.float64(q.scale), shape)
    return value.astype(np.float32)


def through_dequantize(graph, producers, index):
    """float16 weights stand in front of an operation that widens them."""
    op = producers.get(index)
    return op.inputs[0] if op is not None and graph.is_dequantize(op) else index


class Graph:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.model = schema.ModelT.InitFromPackedBuf(bytearray(file.read()), 0)
        if len(self.model.subgraphs) != 1:
            raise SystemExit(f"{path} has {len(self.model.subgraphs)} graphs; its LSTM was not fused into one operation")
        self.graph = self.model.subgraphs[0]
        self.producers = {out: op for op in self.graph.operators for out in op.outputs}

    def code(self, op):
        code = self.model.operatorCodes[op.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode)

    def is_dequantize(self, op):
        return self.code(op) == schema.BuiltinOperator.DEQUANTIZE

    def read(self, index):
        return values_of(self.model, self.graph, through_dequantize(self, self.producers, index))


def read_lstm(g, op, number):
    options = op.builtinOptions
    if options.projClip:
        raise SystemExit("the model clips its projection, which Weir's cell does not")
    if options.fusedActivationFunction != schema.ActivationFunctionType.TANH:
        raise SystemExit("the model's LSTM has another activation than tanh")
    stem = weights.numbered("lstm", number) + "/"
    tensors = {stem + name: g.read(op.inputs[slot]) for slot, name in SLOTS.items() if slot < len(op.inputs) and op.inputs[slot] >= 0}
    return tensors, options.cellClip


def read_model(path):
    """Tensors and settings."""
    g, tensors, clips, heads = Graph(path), {}, [], 0
    for op in g.graph.operators:
        code = g.code(op)
        if code == schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM:
            mine, clip = read_lstm(g, op, len(clips))
            tensors |= mine
            clips.append(clip)
        elif code == schema.BuiltinOperator.FULLY_CONNECTED and clips and not heads:
            if op.builtinOptions.fusedActivationFunction != schema.ActivationFunctionType.NONE:
                raise SystemExit("the dense layer has an activation, which Weir's output has not")
            heads, tensors["dense/weights"] = 1, g.read(op.inputs[1])
            tensors["dense/bias"] = g.read(op.inputs[2]) if len(op.inputs) > 2 and op.inputs[2] >= 0 else np.zeros(len(tensors["dense/weights"]))
        elif code not in HARMLESS:
            name = next(n for n, value in vars(schema.BuiltinOperator).items() if value == code)
            raise SystemExit(f"{path} has an operation {name}, which this script does not read")
    if not clips:
        raise SystemExit(f"{path} has no operation UNIDIRECTIONAL_SEQUENCE_LSTM")
    if len(set(clips)) > 1:
        raise SystemExit("the LSTM layers have different cell clips; Weir's layers have the same")
    return tensors, {"cell_clip": clips[0]} if clips[0] else {}


def run(path):
    """x and what the interpreter makes of it, both (T, B, ...); the model's input is (B, T, I)."""
    interpreter = tf.lite.Interpreter(model_path=path)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    B, T, I = source["shape"]
    x = np.random.default_rng(1).uniform(-1, 1, (B, T, I)).astype(np.float32)
    interpreter.set_tensor(source["index"], x)
    interpreter.invoke()
    y = interpreter.get_tensor(target["index"])
    final = y.ndim == 2
    return {"x": np.swapaxes(x, 0, 1), "y": y if final else np.swapaxes(y, 0, 1)}, final


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("out")
    options = parser.parse_args()
    tensors, settings = read_model(options.model)
    check, final = run(options.model)
    if final:
        settings["readout"] = "final_state"
    weights.write(options.out, "tflite", tensors, settings, check if check["x"].size + check["y"].size <= 4096 else None)


if __name__ == "__main__":
    main()
