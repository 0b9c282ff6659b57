# SPDX-License-Identifier: MIT
"""Weir: stacked LSTM networks with peepholes, run and trained with the same bits everywhere.

    model = weir.load("model.weir")          or weir.LSTM(inputs=3, hidden=32, outputs=1)
    y, (hn, cn) = model(x)                   whole sequences, x (T, B, I)
    stream = model.stream(); stream.step(x)  one step at a time
    weir.Trainer(model, rows=32, steps=100)  training
    weir.activations.gelu(x)                 activations as functions of arrays

Errors are exceptions of weir.errors, all of them weir.Error.
"""


from weir import activations
from weir._core import Loss, Model, Progress, Stream, has_threads, load, parse
from weir._core import version as __version__
from weir._lstm import LSTM, Config
from weir._trainer import Trainer
from weir.errors import ArgumentError, Error, FileError, FormatError, NonfiniteError, OutOfMemoryError, UnsupportedError

__all__ = [
    "LSTM", "Model", "Config", "Stream", "Trainer", "Loss", "Progress", "activations", "load", "parse", "has_threads",
    "Error", "ArgumentError", "FileError", "FormatError", "NonfiniteError", "OutOfMemoryError", "UnsupportedError",
]
