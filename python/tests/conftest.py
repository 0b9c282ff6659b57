# SPDX-License-Identifier: MIT
"""What the tests share. tests/package/python.sh puts the C library through ctypes (tests/oracle/libweir.py) into their path."""

import os

import numpy as np
import pytest


@pytest.fixture(scope="session")
def c_library():
    if "WEIR_LIBRARY" not in os.environ:
        pytest.skip("WEIR_LIBRARY does not name the shared library")
    import libweir

    return libweir


@pytest.fixture
def numbers():
    """numbers(shape): the same normal numbers at each run, as float32."""
    generator = np.random.default_rng(1)
    return lambda *shape: generator.normal(size=shape).astype(np.float32)


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype == np.float32 and np.array_equal(a.view(np.uint32), b.view(np.uint32))
