# SPDX-License-Identifier: MIT
"""Activations as functions of arrays, each in two forms and with its derivative.

Of every record of the library there are four functions, such as

    gelu(x)             exact: correctly rounded for every float32
    gelu_fast(x)        within a few units in the last place (see its docstring); what networks run with
    gelu_grad(x, dy)    dy times the derivative at x, exact; dy is 1 if left out
    gelu_grad_fast(x, dy)

x: an array of any shape; contiguous float32 is read where it stands, anything else is converted. The result has its shape and is float32.
out: a contiguous array of float32 that receives the result and is returned; it may be x or dy.
alpha, beta: parameters, of the functions that have any; None or 0: the default.
isa: the instruction set, as in weir.load; the results are the same on all.

names: the names of all functions. records: what the library says about each, by name. prelu_rows and prelu_rows_grad: PReLU with learned
slopes.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Callable

import numpy as np

from weir import _core
from weir._core import prelu_rows, prelu_rows_grad

records = MappingProxyType({record["name"]: MappingProxyType(record) for record in _core.activation_records()})
names = tuple(records)
__all__ = ["names", "records", "prelu_rows", "prelu_rows_grad"]


def _apply(number: int, fast: bool) -> Callable[..., Any]:
    def function(x, out=None, *, alpha=None, beta=None, isa="best"):
        y = _core.activation_apply(number, alpha or 0.0, beta or 0.0, fast, isa, x, out)
        return y if y.ndim else y[()]

    return function


def _grad(number: int, fast: bool) -> Callable[..., Any]:
    def function(x, dy=None, out=None, *, alpha=None, beta=None, isa="best"):
        if dy is None:
            dy = np.ones(np.shape(x), np.float32)
        dx = _core.activation_grad(number, alpha or 0.0, beta or 0.0, fast, isa, x, dy, out)
        return dx if dx.ndim else dx[()]

    return function


def _rounding(fast: bool, error: float) -> str:
    return f"within {error:.3g} units in the last place" if fast else "correctly rounded"


def _parameters(record: Any) -> str:
    defaults = [f"{name} {record[name]:g}" for name in ("alpha", "beta") if record[name]]
    return f"Defaults: {', '.join(defaults)}.\n" if defaults else ""


def _document(record: Any, derivative: bool, fast: bool) -> str:
    formula = record["derivative"] if derivative else record["formula"]
    what = f"dy times the derivative of {record['name']}" if derivative else record["name"]
    rounding = _rounding(fast, record["grad_error" if derivative else "error"])
    good = "" if record["block"] else f"Good: {record['pros']}. Bad: {record['cons']}. Use: {record['use']}.\n"
    return f"{what}: {formula}; {rounding}.\n\n{_parameters(record)}{good}Source: {record['source']}.\n"


def _add(name: str, function: Callable[..., Any], document: str) -> None:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = document
    globals()[name] = function
    __all__.append(name)


for _record in records.values():
    for _fast, _suffix in ((False, ""), (True, "_fast")):
        _add(_record["name"] + _suffix, _apply(_record["id"], _fast), _document(_record, False, _fast))
        _add(_record["name"] + "_grad" + _suffix, _grad(_record["id"], _fast), _document(_record, True, _fast))
