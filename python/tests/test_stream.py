# SPDX-License-Identifier: MIT
"""Streams: steps give the bits of whole sequences."""

import numpy as np
import pytest

import weir
from conftest import same_bits

CASES = [
    dict(inputs=3, hidden=20, layers=2, outputs=2),
    dict(inputs=3, hidden=24, projection=5, dense=[(6, "mish")], outputs=2, output="gaussian"),
    dict(inputs=3, hidden=300),
    dict(inputs=3, hidden=20, layers=2, outputs=2, weights="int8"),
]


@pytest.mark.parametrize("fields", CASES)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_steps_give_the_bits_of_sequences(numbers, fields, rows, threads):
    model, x = weir.LSTM(**fields), numbers(12, rows, 3)
    y, (hn, cn) = model(x)
    stream = model.stream(rows, threads=threads)
    assert stream.batch == rows
    assert same_bits(np.stack([stream.step(step) for step in x]), y)
    h, c = stream.state
    assert same_bits(h, hn) and same_bits(c, cn)
    stream.reset()
    assert same_bits(stream.step(x[0]), y[0])


def test_tokens(numbers):
    model = weir.LSTM(tokens=7, hidden=9, outputs=7, output="softmax")
    ids = np.array([3, 1, 6, 6, 200], np.uint32)
    y = model(ids[:, None])[0]
    one, rows = model.stream(), model.stream(1)
    for i, token in enumerate(ids):
        assert same_bits(one.step(int(token)), y[i, 0]) and same_bits(rows.step([token]), y[i])


def test_the_state_moves_to_another_stream(numbers):
    model, x = weir.LSTM(inputs=3, hidden=6, projection=2, layers=2), numbers(4, 2, 3)
    first, second = model.stream(2), model.stream(2)
    first.step(x[0])
    second.state = first.state
    assert same_bits(first.step(x[1]), second.step(x[1]))
    h, c = first.state
    assert h.shape == (2, 2, 2) and c.shape == (2, 2, 6)
    for wrong in ((h, h), (h[:1], c), (h, c, c)):
        with pytest.raises(weir.ArgumentError):
            second.state = wrong


def test_one_row_without_its_dimension(numbers):
    model, x = weir.LSTM(inputs=3, hidden=5), numbers(3)
    y = model.stream().step(x)
    assert y.shape == (5,) and same_bits(y, model.stream().step(x[None])[0])
    out = np.empty(5, np.float32)
    assert same_bits(model.stream().step(x, out), y)


def test_input_may_be_output(numbers):
    model, x = weir.LSTM(inputs=5, hidden=5), numbers(1, 5)
    y = model.stream().step(x)
    assert same_bits(model.stream().step(x, out=x), y)


def test_a_stream_keeps_its_model_alive(numbers):
    stream, x = weir.LSTM(inputs=5, hidden=5).stream(), numbers(1, 5)
    y = stream.step(x)
    for _ in range(100):
        weir.LSTM(inputs=5, hidden=5, seed=3)
    stream.reset()
    assert same_bits(stream.step(x), y)


def test_refusals(numbers):
    stream = weir.LSTM(inputs=3, hidden=4).stream(2)
    for x, out in ((numbers(3), None), (numbers(2, 4), None), (numbers(1, 3), None), (numbers(2, 3), numbers(2, 5)),
                   (numbers(2, 3), np.empty((2, 4))), (numbers(2, 3), np.empty((4, 2), np.float32).T)):
        with pytest.raises(weir.ArgumentError):
            stream.step(x, out)
    with pytest.raises(weir.UnsupportedError, match="reads the sequence backwards"):
        weir.LSTM(inputs=3, direction="both").stream()
    with pytest.raises(weir.UnsupportedError, match="answers once per sequence"):
        weir.LSTM(inputs=3, outputs=1, readout="final_state").stream()
    with pytest.raises(weir.ArgumentError, match="rows"):
        weir.LSTM(inputs=3).stream(0)
