"""A model of Weir in ONNX Runtime.

    weir convert model.weir model.onnx
    python3 weir_to_onnxruntime.py model.onnx <inputs.txt

Reads the numbers of a step per line and prints the outputs of each step.

SPDX-License-Identifier: MIT
"""
import sys

import numpy
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
x = numpy.loadtxt(sys.stdin, dtype=numpy.float32, ndmin=2)[:, None]  # (T, B, I)
y = session.run(["y"], {"x": x})[0]
for row in y[:, 0]:
    print(*(f"{number:.9g}" for number in row))
