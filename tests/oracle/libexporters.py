# SPDX-License-Identifier: MIT
# Part of test_onnx_import.py; not a test of its own.
"""PyTorch models with an LSTM, as their users write them, exported to ONNX in every way that the PyTorch at hand has.

As a program, `python libexporters.py FOLDER`, it is run by any PyTorch: it writes FOLDER/NAME.onnx and FOLDER/NAME.npz (inputs x, h0, c0, in the
layout of Weir; outputs y, hn, cn as PyTorch computes them, in that layout; and the state_dict under its names)."""

import os
import sys
import warnings

import numpy as np
import torch

ACTIVATIONS = {"relu": torch.nn.ReLU, "leaky": lambda: torch.nn.LeakyReLU(0.2), "prelu": torch.nn.PReLU, "sigmoid": torch.nn.Sigmoid,
               "tanh": torch.nn.Tanh, "elu": lambda: torch.nn.ELU(0.7), "selu": torch.nn.SELU, "gelu": torch.nn.GELU,
               "gelu_tanh": lambda: torch.nn.GELU(approximate="tanh"), "silu": torch.nn.SiLU, "mish": torch.nn.Mish,
               "softplus": torch.nn.Softplus, "prelu of each unit": lambda: torch.nn.PReLU(5)}


class Network(torch.nn.Module):
    """mode: what the head reads: every step, the last step, the final state of the top layer; or no head: output, final states."""

    def __init__(self, layers=1, both=False, batch_first=False, mode="steps", activation=None, output=None, states=False, tokens=False,
                 inputs=4, hidden=6, dropout=0.0):
        super().__init__()
        self.mode, self.both, self.batch_first, self.states = mode, both, batch_first, states
        self.embedding = torch.nn.Embedding(9, inputs) if tokens else None
        self.lstm = torch.nn.LSTM(inputs, hidden, layers, bidirectional=both, batch_first=batch_first, dropout=dropout)
        width = hidden * (2 if both else 1)
        last = {None: [], "softmax": [torch.nn.Softmax(-1)], "sigmoid": [torch.nn.Sigmoid()]}[output]
        if activation:
            middle = [torch.nn.Linear(width, 5), ACTIVATIONS[activation](), torch.nn.Dropout(0.1)]
            self.head = torch.nn.Sequential(*middle, torch.nn.Linear(5, 3), *last)
        else:
            self.head = torch.nn.Sequential(torch.nn.Linear(width, 3), *last)

    def forward(self, x, h0=None, c0=None):
        if self.embedding is not None:
            x = self.embedding(x)
        y, (h, c) = self.lstm(x, (h0, c0)) if self.states else self.lstm(x)
        if self.mode == "raw":
            return y, h, c
        if self.mode == "steps":
            return self.head(y)
        if self.mode == "states too":
            return self.head(y), h, c
        if self.mode == "last":
            return self.head(y[:, -1] if self.batch_first else y[-1])
        if self.mode == "head, then last":
            return self.head(y)[:, -1] if self.batch_first else self.head(y)[-1]
        if self.both:
            return self.head(torch.cat([h[-2], h[-1]], dim=1))
        return self.head(h[-1])


CASES = {
    "one layer": {}, "two layers": {"layers": 2}, "three layers": {"layers": 3, "dropout": 0.2},
    "bidirectional": {"both": True}, "bidirectional, two": {"layers": 2, "both": True}, "bidirectional, three": {"layers": 3, "both": True},
    "batch first": {"batch_first": True, "layers": 2}, "batch first, bidirectional": {"batch_first": True, "both": True, "layers": 2},
    "last": {"mode": "last", "layers": 2}, "last, batch first": {"mode": "last", "batch_first": True},
    "head, then last": {"mode": "head, then last", "batch_first": True},
    "final": {"mode": "final", "layers": 2}, "final, bidirectional": {"mode": "final", "both": True, "layers": 2, "batch_first": True},
    "raw": {"mode": "raw", "layers": 3}, "raw, bidirectional": {"mode": "raw", "layers": 2, "both": True, "batch_first": True},
    "states too": {"mode": "states too", "layers": 2, "both": True},
    "states": {"states": True, "layers": 2}, "states, bidirectional": {"states": True, "layers": 2, "both": True, "mode": "raw"},
    "softmax": {"output": "softmax"}, "sigmoid": {"output": "sigmoid", "mode": "last"},
    "tokens": {"tokens": True, "batch_first": True, "layers": 2, "output": "softmax"},
    "hidden 1": {"hidden": 1, "inputs": 1, "both": True, "layers": 2},
    **{f"head {name}": {"activation": name, "mode": "last" if i % 2 or "unit" in name else "steps", "batch_first": i % 3 == 0}
       for i, name in enumerate(ACTIVATIONS)},
}


def arrays_of(network, case):
    """Inputs in PyTorch's layout."""
    generator = torch.Generator().manual_seed(3)
    shape = (3, 5) if case.get("batch_first") else (5, 3)
    if case.get("tokens"):
        x = torch.randint(0, 9, shape, generator=generator)
    else:
        x = torch.rand(*shape, case.get("inputs", 4), generator=generator) * 2 - 1
    if not case.get("states"):
        return (x,)
    lanes = network.lstm.num_layers * (2 if network.both else 1)
    return (x, *(torch.rand(lanes, 3, network.lstm.hidden_size, generator=generator) - 0.5 for _ in range(2)))


def expected_of(network, case, arrays):
    """What Weir is to be given and to give: steps first."""
    with torch.no_grad():
        out = network(*arrays)
        x = network.embedding(arrays[0]) if case.get("tokens") else arrays[0]
        states = network.lstm(x, arrays[1:]) if case.get("states") else network.lstm(x)
    y = out[0] if isinstance(out, tuple) else out
    turn = case.get("batch_first")
    found = {"x": arrays[0].transpose(0, 1) if turn else arrays[0], "y": y.transpose(0, 1) if turn and y.ndim == 3 else y,
             "hn": states[1][0], "cn": states[1][1], **dict(zip(("h0", "c0"), arrays[1:]))}
    found |= {name: value for name, value in network.state_dict().items()}
    return {name: value.detach().numpy() for name, value in found.items()}


def exporters():
    """name: function(network, arrays, path, names of inputs)."""
    old = {"dynamo": False} if int(torch.__version__.split(".")[0]) >= 2 else {}

    def by_trace(opset, free=True, **options):
        def export(network, arrays, path, names):
            first, second = ("B", "T") if network.batch_first else ("T", "B")
            axes = {names[0]: {0: first, 1: second}, **{name: {1: "B"} for name in names[1:]}} if free else {}
            torch.onnx.export(network, arrays, path, opset_version=opset, input_names=names, dynamic_axes=axes, **options, **old)
        return export

    found = {f"traced, opset {opset}": by_trace(opset) for opset in (9, 12, 14, 17)}
    found["traced, opset 15, sizes fixed"] = by_trace(15, free=False)
    found["traced, opset 13, not folded"] = by_trace(13, do_constant_folding=False)
    if not old:
        return found
    found = {"traced, opset 17": found["traced, opset 17"], "traced, opset 20": by_trace(20), "traced, sizes fixed": by_trace(14, free=False)}

    def by_dynamo(opset, free):
        def export(network, arrays, path, names):
            axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
            shapes = tuple([axes] + [{1: torch.export.Dim.DYNAMIC}] * (len(arrays) - 1)) if free else None
            torch.onnx.export(network, arrays, path, opset_version=opset, input_names=names, dynamic_shapes=shapes, dynamo=True,
                              external_data=False, verbose=False)
        return export

    return {**found, "dynamo, opset 18": by_dynamo(18, True), "dynamo, opset 22": by_dynamo(22, True), "dynamo, sizes fixed": by_dynamo(20, False)}


def export_all(folder, report):
    """Yields (title, path of the file, case, arrays)."""
    warnings.filterwarnings("ignore")
    for number, (name, case) in enumerate(CASES.items()):
        torch.manual_seed(number)
        network = Network(**case).eval()
        arrays = arrays_of(network, case)
        expected = expected_of(network, case, arrays)
        for way, export in exporters().items():
            if "dynamo" in way and name.startswith("head ") and case["activation"] not in ("gelu", "gelu_tanh", "silu"):
                continue  # the dynamo exporter takes seconds for each
            path = os.path.join(folder, f"{number}-{way.replace(' ', '-').replace(',', '')}.onnx")
            try:
                export(network, arrays, path, ["x", "h0", "c0"][:len(arrays)])
            except Exception as error:  # an exporter lacks an operator at this opset
                report(f"{name}, {way}: PyTorch {torch.__version__} does not export it: {type(error).__name__}: {str(error).splitlines()[0][:120]}")
                continue
            yield f"{name}, {way}", path, case, expected


if __name__ == "__main__":
    for title, path, _, expected in export_all(sys.argv[1], print):
        np.savez(path[:-5] + ".npz", title=title, **expected)
