# SPDX-License-Identifier: MIT
# Part of the tests of ONNX files; not a test of its own.
"""ONNX graphs written node by node."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    def __init__(self, opset=14, seed=1):
        self.opset, self.random = opset, np.random.default_rng(seed)
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def constant(self, value, kind=np.float32):
        """The name of an initializer."""
        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def integers(self, *values):
        return self.constant(values, np.int64)

    def weights(self, *shape, scale=0.5):
        return self.constant(self.random.uniform(-scale, scale, shape))

    def input(self, name, shape, kind=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, *names):
        self.outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]

    def add(self, operator, *inputs, outputs=1, domain="", **attributes):
        """The name of the node's output, or a list of them."""
        names = [f"{operator}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=f"n{len(self.nodes)}", domain=domain, **attributes))
        return names if outputs > 1 else names[0]

    def lstm(self, x, inputs, hidden, directions=1, bias=True, peepholes=False, lengths="", h0="", c0="", scale=0.5, **attributes):
        """Y, Y_h, Y_c."""
        if directions == 2:
            attributes["direction"] = "bidirectional"
        names = [x, self.weights(directions, 4 * hidden, inputs, scale=scale), self.weights(directions, 4 * hidden, hidden, scale=scale),
                 self.weights(directions, 8 * hidden, scale=scale) if bias else "", lengths, h0, c0,
                 self.weights(directions, 3 * hidden, scale=scale) if peepholes else ""]
        return self.add("LSTM", *names, outputs=3, hidden_size=hidden, **attributes)

    def squeeze(self, x, axis):
        return self.add("Squeeze", x, self.integers(axis)) if self.opset >= 13 else self.add("Squeeze", x, axes=[axis])

    def unsqueeze(self, x, axis):
        return self.add("Unsqueeze", x, self.integers(axis)) if self.opset >= 13 else self.add("Unsqueeze", x, axes=[axis])

    def slice(self, x, axis, begin, end):
        if self.opset < 10:
            return self.add("Slice", x, axes=[axis], starts=[begin], ends=[end])
        return self.add("Slice", x, self.integers(begin), self.integers(end), self.integers(axis))

    def dense(self, x, inputs, units):
        return self.add("Add", self.add("MatMul", x, self.weights(inputs, units)), self.weights(units))

    def save(self, path, opset=None, domains=()):
        graph = helper.make_graph(self.nodes, "graph", self.inputs, self.outputs, self.constants)
        opsets = [helper.make_opsetid("", opset or self.opset), *[helper.make_opsetid(domain, 1) for domain in domains]]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
