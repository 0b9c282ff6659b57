"""A PyTorch model that a C program will step: an nn.LSTM with a linear head, exported to ONNX.

    python3 pytorch_to_c.py                   writes model.onnx, inputs.txt, and what PyTorch makes of them, outputs.txt
    weir convert model.onnx model.weir
    ./step model.weir <inputs.txt             the same outputs, to 1e-5 (step.c)

SPDX-License-Identifier: MIT
"""
import warnings

import torch

STEPS, INPUTS, HIDDEN, OUTPUTS = 30, 3, 24, 2


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(INPUTS, HIDDEN, num_layers=2)
        self.head = torch.nn.Linear(HIDDEN, OUTPUTS)

    def forward(self, x):  # (T, B, INPUTS) -> (T, B, OUTPUTS)
        return self.head(self.lstm(x)[0])


def write_rows(path, rows):
    with open(path, "w") as f:
        for row in rows:
            print(*(f"{number:.9g}" for number in row.tolist()), file=f)


torch.manual_seed(1)
network = Network().eval()
x = torch.randn(STEPS, 1, INPUTS)
with torch.no_grad(), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the exporter warns of LSTMs with a batch of one
    y = network(x)
    old_exporter = {"dynamo": False} if torch.__version__ >= "2.5" else {}
    torch.onnx.export(network, x, "model.onnx", input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "T", 1: "B"}}, **old_exporter)
write_rows("inputs.txt", x[:, 0])
write_rows("outputs.txt", y[:, 0])
