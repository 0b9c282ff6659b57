# SPDX-License-Identifier: MIT
"""Errors: a class for each status, the library's sentence, its status and offset."""

import numpy as np
import pytest

import weir
from weir import errors


def test_a_class_for_each_status():
    assert sorted(errors._classes) == list(range(-6, 0))
    assert len({c.status for c in errors._classes.values()}) == 6
    bases = (MemoryError, ValueError, OSError, ValueError, NotImplementedError, ArithmeticError)
    for (number, cls), base in zip(sorted(errors._classes.items(), reverse=True), bases):
        assert issubclass(cls, weir.Error) and issubclass(cls, base) and cls.__doc__
        with pytest.raises(cls, match="^why$") as caught:
            errors._raise(number, "why", 3)
        assert caught.value.status == weir._core.status_name(number) and caught.value.offset == 3


def test_files(tmp_path):
    with pytest.raises(weir.FileError, match="No such file") as caught:
        weir.load(tmp_path / "none.weir")
    assert "none.weir" in str(caught.value) and isinstance(caught.value, OSError)
    with pytest.raises(weir.FileError):
        weir.LSTM(inputs=1).save(tmp_path / "no" / "folder.weir")
    weir.LSTM(inputs=1, hidden=2).save(tmp_path / "m.weir")
    whole = (tmp_path / "m.weir").read_bytes()
    for end in range(0, len(whole), 7):
        with pytest.raises(weir.FormatError):
            weir.parse(whole[:end])
    broken = whole.replace(b'hidden', b'hiddem')
    assert broken != whole
    with pytest.raises(weir.FormatError, match="hid"):
        weir.parse(broken)
    bad_type = whole.replace(b"F32", b"F33", 1)
    with pytest.raises(weir.FormatError) as caught:
        weir.parse(bad_type)
    assert 0 < caught.value.offset < len(whole)
    for wrong in (3, None, "a\0b"):
        with pytest.raises((TypeError, ValueError)):
            weir.load(wrong)


@pytest.mark.parametrize("fields, sentence", [
    (dict(), "inputs and tokens"), (dict(inputs=1, tokens=1), "inputs and tokens"), (dict(inputs=1, hidden=10**6), "hidden"),
    (dict(inputs=-1), "inputs must be a whole number"), (dict(inputs=1, hidden="3"), "hidden must be a whole number"),
    (dict(inputs=1, gate="thanh"), "gate must be the name of an activation"), (dict(inputs=1, gate=("elu", 1, 2, 3)), "gate must be"),
    (dict(inputs=1, gate="exp"), "gate"), (dict(inputs=1, direction="up"), "direction must be one of forward, reverse, both"),
    (dict(inputs=1, dense=[(3,)]), "dense must be a list"), (dict(inputs=1, dense=[3]), "dense must be a list"),
    (dict(inputs=1, dense=9 * [(3, "relu")]), "dense has more than 8"), (dict(inputs=1, gate_bias=[1, 2]), "gate_bias must be None or four"),
    (dict(inputs=1, notes=b"x"), "notes must be a text"), (dict(inputs=1, weights="f16"), "weights must be one of"),
    (dict(inputs=1, isa="mmx"), "isa must be one of"), (dict(inputs=1, cell_clip=float("nan")), "cell_clip"),
    (dict(inputs=1, peepholes="no"), "peepholes must be True or False"), (dict(inputs=1, seed=-1), "seed must be a whole number"),
])
def test_configurations(fields, sentence):
    with pytest.raises(weir.ArgumentError, match=sentence):
        weir.LSTM(**fields)


def test_tensors():
    model = weir.LSTM(inputs=2, hidden=3)
    good = model.tensors()
    changes = [
        {"lstm.bias_ih_l0": None}, {"lstm.bias_ih_l0": np.zeros(13)}, {"lstm.bias_ih_l0": np.full(12, np.nan)}, {"more": np.zeros(3)},
        {"lstm.bias_ih_l0": np.zeros((2, 2, 3))}, {"x" * 60: np.zeros(3)}, {"lstm.bias_ih_l0": np.float32(1)},
    ]
    for change in changes:
        tensors = {name: array for name, array in {**good, **change}.items() if array is not None}
        with pytest.raises((weir.ArgumentError, weir.NonfiniteError)):
            weir.LSTM(inputs=2, hidden=3, tensors=tensors)
    with pytest.raises(weir.ArgumentError):
        weir.LSTM(inputs=2, hidden=3, tensors={})


def test_shapes(numbers):
    model = weir.LSTM(inputs=2, hidden=3)
    x = numbers(5, 4, 2)
    for wrong, sentence in ((x[0], r"x has the shape \(4, 2\), but must have \(T, B, 2\)"), (x[:, :, :1], r"\(5, 4, 1\)"),
                            (numbers(5, 4, 2, 1), r"\(5, 4, 2, 1\)"), (x[:0], "no steps"), (x[:, :0], "no rows"), ([None], "x holds object")):
        with pytest.raises(weir.ArgumentError, match=sentence):
            model(wrong)
    for given, sentence in ((dict(h0=numbers(4, 3)), r"h0 has the shape \(4, 3\), but must have \(1, 4, 3\)"), (dict(c0=numbers(1, 3, 3)), "c0"),
                            (dict(lengths=[1, 2, 3]), "lengths has the shape"), (dict(lengths=[1, 2, 3, 6]), r"lengths\[3\] is 6"),
                            (dict(lengths=[1, 2, 3, -1]), r"lengths\[3\]"), (dict(threads=5000), "threads is 5000")):
        with pytest.raises(weir.ArgumentError, match=sentence):
            model(x, **given)
    for wrong in (lambda: model(x, threads=-1), lambda: model(None), lambda: model(x, None, None, None, 1, 2)):
        with pytest.raises(TypeError):
            wrong()
    assert model(x, h0=None, c0=None, lengths=None)[0].shape == (5, 4, 3)


def test_memory_that_is_not_there():
    model = weir.LSTM(inputs=1, hidden=1, outputs=1)
    with pytest.raises(weir.OutOfMemoryError) as caught:
        weir.Trainer(model, rows=2**20, steps=2**31)
    assert isinstance(caught.value, MemoryError)
