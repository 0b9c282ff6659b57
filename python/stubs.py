# SPDX-License-Identifier: MIT
"""Writes the type hints of weir.activations, whose functions come from the library's records. Part of the build."""

import sys

import _core

HEAD = '''from collections.abc import Mapping
from typing import Any

from numpy import float32
from numpy.typing import ArrayLike, NDArray

from weir._core import prelu_rows as prelu_rows
from weir._core import prelu_rows_grad as prelu_rows_grad

names: tuple[str, ...]
records: Mapping[str, Mapping[str, Any]]
'''
ENDING = "out: NDArray[float32] | None = None, *, alpha: float | None = None, beta: float | None = None, isa: str = 'best') -> Any: ..."

with open(sys.argv[1], "w", encoding="utf-8") as stub:
    print(HEAD, file=stub)
    for record in _core.activation_records():
        for form in ("", "_fast"):
            print(f"def {record['name']}{form}(x: ArrayLike, {ENDING}", file=stub)
            print(f"def {record['name']}_grad{form}(x: ArrayLike, dy: ArrayLike | None = None, {ENDING}", file=stub)
