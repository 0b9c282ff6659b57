# SPDX-License-Identifier: MIT
"""Exceptions: one class for each status of the library, all of them Error."""

from __future__ import annotations

from typing import NoReturn

from weir import _core


class Error(Exception):
    """What the library refused, as one sentence that names the thing and says what to do.

    status: the library's name of the status, such as "out of memory"; the same for all of a class.
    offset: the byte of a file where reading stopped, else 0.
    """

    status: str = ""
    offset: int = 0


class OutOfMemoryError(Error, MemoryError):
    """There was no memory."""


class ArgumentError(Error, ValueError):
    """A value or a shape is out of its range."""


class FileError(Error, OSError):
    """The operating system refused to read or write."""


class FormatError(Error, ValueError):
    """A file breaks the rules of its format; offset says where."""


class UnsupportedError(Error, NotImplementedError):
    """Valid, but not something that this model, this build or this CPU can do."""


class NonfiniteError(Error, ArithmeticError):
    """A NaN or an infinity where a finite number is needed."""


# The statuses of weir.h.
_classes = {-1: OutOfMemoryError, -2: ArgumentError, -3: FileError, -4: FormatError, -5: UnsupportedError, -6: NonfiniteError}
for _number, _class in _classes.items():
    _class.status = _core.status_name(_number)


def _raise(number: int, sentence: str, offset: int) -> NoReturn:
    """For the extension."""
    error = _classes[number](sentence)
    error.offset = offset
    raise error
