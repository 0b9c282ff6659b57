# SPDX-License-Identifier: MIT
"""Arrays: read where they stand if they are contiguous float32, else converted; the interpreter lock is released meanwhile."""

import os
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest

import weir
from conftest import same_bits


def peak_of(work):
    """The most bytes that NumPy and Python took while `work` ran. NumPy tells tracemalloc of its arrays; the library's memory is not told."""
    work()
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_contiguous_float32_is_not_copied(numbers):
    x = numbers(500, 16, 256)
    model = weir.LSTM(inputs=256, hidden=4, outputs=1)
    trainer = weir.Trainer(model, rows=16, steps=500)
    targets = np.zeros((500, 16, 1), np.float32)
    assert peak_of(lambda: model(x)) < x.nbytes / 50
    assert peak_of(lambda: trainer.evaluate(x, targets)) < x.nbytes / 50
    assert peak_of(lambda: weir.activations.relu(x, out=x)) < x.nbytes / 50
    # The same measure sees a copy where there is one.
    assert peak_of(lambda: model(x.astype(np.float64))) > x.nbytes
    assert peak_of(lambda: model(x[:, ::-1])) > x.nbytes


def test_results_lie_where_they_are_wanted(numbers):
    stream = weir.LSTM(inputs=3, hidden=8).stream(2)
    x, out = numbers(2, 3), np.empty((2, 8), np.float32)
    place = out.ctypes.data
    assert stream.step(x, out) is out and stream.step(x, out=out) is out and out.ctypes.data == place
    assert peak_of(lambda: all(stream.step(x, out) is out for _ in range(1000))) < 1024
    assert peak_of(lambda: [stream.step(x) for _ in range(1000)]) > 1000 * out.nbytes
    y = numbers(4)
    assert weir.activations.tanh(y, out=y) is y


@pytest.mark.parametrize("change", [
    lambda x: x.astype(np.float64), lambda x: np.asfortranarray(x), lambda x: x[::-1][::-1], lambda x: x.tolist(),
    lambda x: x.astype(">f4"), lambda x: np.repeat(x, 2, axis=1)[:, ::2], lambda x: memoryview(x),
    lambda x: np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
])
def test_other_arrays_are_converted(numbers, change):
    x = numbers(6, 3, 4)
    model = weir.LSTM(inputs=4, hidden=5)
    assert same_bits(model(change(x))[0], model(x)[0])


def test_whole_numbers(numbers):
    model = weir.LSTM(tokens=5, hidden=4)
    tokens = np.array([[0, 4, 7]], np.uint32)
    y = model(tokens)[0]
    for kind in (np.int64, np.int8, np.uint16, ">i4"):
        assert same_bits(model(tokens.astype(kind))[0], y)
    for outside in (-1, 2**32, 2**32 + 4, -(2**63)):
        assert same_bits(model(np.array([[0, 4, outside]]))[0], y)
    for wrong in ([[0.0, 1.0]], [["a"]]):
        with pytest.raises(weir.ArgumentError, match="whole numbers"):
            model(wrong)


def test_read_only_input_and_output(numbers):
    x = numbers(2, 1, 3)
    x.flags.writeable = False
    model = weir.LSTM(inputs=3, hidden=3)
    stream = model.stream()
    assert same_bits(stream.step(x[0]), model(x)[0][0])
    with pytest.raises(weir.ArgumentError, match="out must be"):
        stream.step(x[0], out=x[0])


def share_of_waiting(work):
    """The longest time in which another thread of Python could not run while `work` computes in this one, as a share of work's time."""
    stop, ticks = False, []

    def tick():
        while not stop:
            ticks.append(time.perf_counter())
            time.sleep(0)

    other = threading.Thread(target=tick)
    other.start()
    while not ticks:
        time.sleep(0.001)
    start = time.perf_counter()
    work()
    end = time.perf_counter()
    stop = True
    other.join()
    inside = [start] + [t for t in ticks if start < t < end] + [end]
    return max(b - a for a, b in zip(inside, inside[1:])) / (end - start)


def test_the_lock_is_released(numbers):
    model = weir.LSTM(inputs=64, hidden=256, outputs=1)
    x, targets = numbers(400, 32, 64), np.zeros((400, 32, 1), np.float32)
    trainer = weir.Trainer(model, rows=32, steps=400)
    stream = weir.LSTM(inputs=64, hidden=512, init="uniform").stream(512)
    many = numbers(5_000_000)
    held = many[:500_000].tolist()
    # A busy machine may keep the other thread waiting too, but not at each of several trials.
    for work in (lambda: model(x), lambda: trainer.step(x, targets), lambda: trainer.fit([dict(x=x, targets=targets)], epochs=1),
                 lambda: stream.step(numbers(512, 64)), lambda: weir.activations.mish(many, out=many)):
        assert any(share_of_waiting(work) < 0.5 for _ in range(5))
    # The same measure sees a lock that is held.
    assert any(share_of_waiting(lambda: sorted(held)) > 0.5 for _ in range(5))


def test_threads_share_a_model(numbers):
    model, x = weir.LSTM(inputs=8, hidden=64), numbers(50, 8, 8)
    expected, wrong = model(x)[0], []

    def run(threads):
        for _ in range(20):
            if not same_bits(model(x, threads=threads)[0], expected):
                wrong.append(threads)

    all_threads = [threading.Thread(target=run, args=(n,)) for n in (1, 2, 2, 3)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    assert not wrong


def test_one_thread_at_a_time_has_a_stream(numbers):
    model = weir.LSTM(inputs=8, hidden=512)
    stream, x = model.stream(16), numbers(16, 8)
    stop = threading.Event()

    def steps():
        while not stop.is_set():
            try:
                stream.step(x)
            except weir.ArgumentError:
                pass

    other = threading.Thread(target=steps)
    other.start()
    refused, end = False, time.monotonic() + 20
    while not refused and time.monotonic() < end:
        try:
            stream.reset()
        except weir.ArgumentError as error:
            refused = "give each thread one of its own" in str(error)
    stop.set()
    other.join()
    assert refused


def test_a_forked_child_computes_alone(numbers):
    """The pool's threads do not live in a child of fork(); there its work is done by the one thread, not waited for."""
    model, x = weir.LSTM(inputs=8, hidden=64), numbers(50, 8, 8)
    stream = weir.LSTM(inputs=8, hidden=300).stream(8, threads=2)
    expected, step = model(x, threads=2)[0], stream.step(x[0])
    stream.reset()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        good = same_bits(model(x, threads=2)[0], expected) and same_bits(stream.step(x[0]), step)
        del model, stream
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
