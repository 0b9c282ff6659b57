# SPDX-License-Identifier: MIT
"""Activations: every record of the library has its four functions, with the library's bits."""

import ctypes

import numpy as np
import pytest

import weir
from conftest import same_bits
from weir import activations

X = np.concatenate([np.linspace(-20, 20, 1001), [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40]]).astype(np.float32)


def c_function(c_library, name, *arrays):
    out = np.empty_like(X)
    getattr(c_library.library, f"weir_{name}")(ctypes.c_size_t(X.size), *[ctypes.c_void_p(a.ctypes.data) for a in (*arrays, out)])
    return out


def test_every_function_has_the_bits_of_the_c_library(c_library):
    c_library.library.weir_activation_count.restype = ctypes.c_size_t
    assert len(activations.names) == c_library.library.weir_activation_count()
    dy = np.linspace(-2, 2, X.size, dtype=np.float32)
    for name in activations.names:
        for suffix in ("", "_fast"):
            assert same_bits(getattr(activations, name + suffix)(X), c_function(c_library, name + suffix, X))
            assert same_bits(getattr(activations, f"{name}_grad{suffix}")(X, dy), c_function(c_library, f"{name}_grad{suffix}", X, dy))


@pytest.mark.parametrize("name", activations.names)
def test_documents_and_records(name):
    record = activations.records[name]
    for function, formula in ((name, "formula"), (name + "_grad", "derivative")):
        text = getattr(activations, function).__doc__
        assert record[formula] in text and record["source"] in text and "correctly rounded" in text
        assert f"{record['error' if formula == 'formula' else 'grad_error']:.3g} units" in getattr(activations, function + "_fast").__doc__
    assert getattr(activations, name).__name__ == name and name in activations.__all__


def test_shapes_and_scalars():
    x = np.ones((2, 0, 3), np.float32)
    assert activations.gelu(x).shape == x.shape
    assert isinstance(activations.relu(-1.5), np.float32) and activations.relu(-1.5) == 0
    assert same_bits(activations.tanh_grad([[0.0, 0.0]]), np.ones((1, 2), np.float32))
    y = X.copy()
    assert activations.elu_grad(X, y, out=y) is y


def test_parameters():
    assert same_bits(activations.elu(X, alpha=2), activations.elu(X, alpha=2, isa="scalar"))
    assert activations.leaky_relu(-1.0, alpha=0.25) == -0.25
    assert activations.scaled_tanh_fast(0.0, alpha=2, beta=0.5) == 0
    with pytest.raises(weir.ArgumentError):
        activations.softplus(X, beta=-1)


def test_refusals():
    for wrong in (lambda: activations.relu(X, out=X[:5].copy()), lambda: activations.relu_grad(X, X[:5]), lambda: activations.relu("a"),
                  lambda: activations.relu(1, isa="mmx"), lambda: activations.relu(1j)):
        with pytest.raises(weir.ArgumentError):
            wrong()


def test_prelu_with_slopes():
    x = np.array([[1, -2, -3], [-1, 4, -8]], np.float32)
    slope = np.array([0.5, 0.25, 2], np.float32)
    assert same_bits(activations.prelu_rows(x, slope), np.where(x > 0, x, x * slope))
    dx, dslope = activations.prelu_rows_grad(x, np.ones_like(x), slope)
    assert same_bits(dx, np.where(x > 0, 1, slope).astype(np.float32)) and same_bits(dslope, np.minimum(x, 0).sum(0))
    dx, dslope = activations.prelu_rows_grad(x, np.ones_like(x), [0.5])
    assert same_bits(dslope, np.array([-14], np.float32))
    with pytest.raises(weir.ArgumentError, match="slope has the shape"):
        activations.prelu_rows(x, slope[:2])
