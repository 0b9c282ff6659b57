# SPDX-License-Identifier: MIT
"""Training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Protocol, Union

from weir import _core


class BatchSource(Protocol):
    """Batches that depend on the epoch, which counts from 1; they are asked for in order."""

    def __len__(self) -> int: ...

    def batch(self, epoch: int, index: int) -> Mapping[str, Any]: ...


# Each batch is a dictionary of arguments of Trainer.step.
Batches = Union[Sequence[Mapping[str, Any]], BatchSource]


class Trainer(_core.Trainer):
    """Trains a copy of a model's weights; the model is not changed. Serves one thread at a time.

    >>> trainer = weir.Trainer(model, rows=32, steps=100)
    >>> trainer.fit([{"x": x, "targets": targets}], epochs=20, report=lambda now: print(now.train_loss))
    >>> trained = trainer.model()
    """

    def __init__(
        self,
        model: _core.Model,
        *,
        rows: int,
        steps: int,
        optimizer: str = "adam",
        rate: float = 0.002,
        momentum: float = 0.0,
        beta1: float = 0.9,
        beta2: Optional[float] = None,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        clip: float = 5.0,
        schedule: str = "constant",
        warmup: int = 0,
        total_updates: int = 0,
        plateau: int = 2,
        dropout: float = 0.0,
        head_dropout: float = 0.0,
        seed: int = 1,
        class_weights: Optional[Sequence[float]] = None,
        shards: int = 1,
        threads: int = 1,
    ) -> None:
        """Everywhere 0 means the default, as in weir.h.

        rows, steps: the largest batch that will come, B and T; memory is planned from them.
        optimizer: "adam", "adamw", "rmsprop" or "sgd". rate: the learning rate. momentum: of SGD and RMSprop.
        beta1, beta2: Adam's; beta2 is RMSprop's smoothing too. Default of beta2: 0.999, of RMSprop 0.99.
        weight_decay: on weight matrices only. clip: the largest norm of the whole gradient; math.inf: none.
        schedule: "constant", "cosine" (warm-up over `warmup` updates, 0 at `total_updates`, which fit fills in) or "plateau"
        (halved when the validation loss has not improved for `plateau` epochs).
        dropout: share of h dropped between layers; head_dropout: before each dense and output layer. seed: of dropout.
        class_weights: one for each output, softmax as PyTorch's CrossEntropyLoss(weight=), logistic as BCEWithLogitsLoss(pos_weight=).
        shards: parts of a batch that are summed apart; memory is planned for one of them, and other numbers give other bits.
        threads: 0 is one for each processor. The results never depend on it.

        Raises ArgumentError for a value out of its range, UnsupportedError for a model without output or with narrow weights.
        """
        super().__init__(model, _settings(locals()), threads)

    @staticmethod
    def plan(
        model: _core.Model, *, rows: int, steps: int, dropout: float = 0.0, head_dropout: float = 0.0, shards: int = 1
    ) -> dict[str, int]:
        """The bytes that a trainer would hold, by what they are for; `total` is their sum. Allocates nothing."""
        return _core.plan(model, _settings(locals()))


def _settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    others = ("self", "__class__", "model", "threads")
    return {name: value for name, value in arguments.items() if name not in others and value is not None}
