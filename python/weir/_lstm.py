# SPDX-License-Identifier: MIT
"""New models, and the configuration of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy.typing as npt

from weir import _core

# "tanh", ("elu", 1.5) or ("scaled_tanh", 2.0, 0.5): a name of weir.activations, alpha, beta. Left out or 0: the default.
Activation = Union[str, "tuple[str, float]", "tuple[str, float, float]"]


class Config(dict[str, Any]):
    """The keywords of weir.LSTM, as a dictionary and as attributes: config["hidden"] is config.hidden."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"a configuration has no {name}") from None


def LSTM(
    inputs: int = 0,
    *,
    tokens: int = 0,
    layers: int = 1,
    hidden: int = 128,
    projection: int = 0,
    direction: str = "forward",
    peepholes: bool = True,
    forget_gate: bool = True,
    coupled: bool = False,
    gate: Activation = "sigmoid",
    candidate: Activation = "tanh",
    output_activation: Activation = "tanh",
    activation_clip: float = 0.0,
    cell_clip: float = 0.0,
    dense: Sequence[tuple[int, Activation]] = (),
    outputs: int = 0,
    output: str = "linear",
    readout: str = "every_step",
    init: str = "glorot",
    init_scale: float = 0.1,
    gate_bias: Optional[Sequence[float]] = None,
    seed: int = 1,
    notes: str = "",
    isa: str = "best",
    weights: str = "f32",
    tensors: Optional[Mapping[str, npt.ArrayLike]] = None,
) -> _core.Model:
    """A new model: a stack of LSTM layers and, with `outputs`, a head. Everywhere 0 means the default, as in weir.h.

    The cell is that of Gers, Schraudolph and Schmidhuber (2002), c' and h' the state of the step before::

        i = gate(W_i x + R_i h' + p_i * c' + b_i)       f = gate(W_f x + R_f h' + p_f * c' + b_f)
        g = candidate(W_g x + R_g h' + b_g)             c = f * c' + i * g
        o = gate(W_o x + R_o h' + p_o * c + b_o)        h = o * output_activation(c)

    inputs: real inputs per step, I; or tokens: the size of the vocabulary, one token per step.
    layers, hidden, projection: L, H, and P if h is projected to fewer units.
    direction: "forward", "reverse" or "both".
    peepholes, forget_gate, coupled: without forget gate f = 1; coupled, f = 1 - i.
    gate, candidate, output_activation: names of weir.activations, or (name, alpha), or (name, alpha, beta).
    activation_clip, cell_clip: hold the activations' arguments, or the cell, in +-clip; 0: not.
    dense: layers between stack and output, each (units, activation).
    outputs, output: n and what it means, which fixes the loss: "linear", "softmax", "logistic", "gaussian" (2 n values per step),
    "student_t" (3 n) or "negative_binomial" (2 n).
    readout: "every_step", or "final_state": one output per sequence.
    init, init_scale, gate_bias, seed: how weights start ("glorot", "pytorch", "lecun", "he", "uniform"); gate_bias is for i, f, g, o,
    default 0, 1, 0, 0.
    notes: text that is kept with the model. isa: as in weir.load. weights: "f32", "bf16" or "int8".
    tensors: the weights, by the names and in the shapes of Model.tensors, all of them and finite; copied.

    Raises ArgumentError for a value out of its range.
    """
    config = {name: value for name, value in locals().items() if name != "tensors"}
    return _core.new_model(config, tensors)


def _rebuild(config: Mapping[str, Any], tensors: Mapping[str, npt.ArrayLike]) -> _core.Model:
    """For pickles, which may come from a CPU with other instruction sets; all but the reference give the same bits."""
    return _core.new_model({**config, "isa": "ref64" if config["isa"] == "ref64" else "best"}, tensors)
