# SPDX-License-Identifier: MIT
"""What the extension asks for when an array is not yet as the library reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from weir.errors import ArgumentError

_NONE = np.uint32(0xFFFFFFFF)


def floats(source: Any, name: str) -> npt.NDArray[np.float32]:
    """source as contiguous float32; source itself where it is that."""
    array = np.asarray(source)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"{name} holds {array.dtype}, but must hold real numbers")
    return np.require(array, np.float32, ("C", "A"))


def whole(source: Any, name: str) -> npt.NDArray[np.uint32]:
    """source as contiguous uint32; what is not from 0 to 2^32 - 1 becomes 2^32 - 1."""
    array = np.asarray(source)
    if array.dtype.kind not in "iu":
        raise ArgumentError(f"{name} holds {array.dtype}, but must hold whole numbers")
    if array.dtype != np.uint32:
        array = np.where((array < 0) | (array > _NONE), _NONE, array)
    return np.require(array, np.uint32, ("C", "A"))
