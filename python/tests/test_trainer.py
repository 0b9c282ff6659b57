# SPDX-License-Identifier: MIT
"""Training: the bits of the C library, callbacks, and what is refused."""

import os
import signal
import threading

import numpy as np
import pytest

import weir
from conftest import same_bits

FIELDS = dict(inputs=3, hidden=18, layers=2, outputs=2)
HOW = dict(rows=4, steps=10, dropout=0.2, head_dropout=0.1, seed=5)


def batches(numbers, count=3):
    """A task that can be learned: the running means of two inputs."""
    out = []
    for _ in range(count):
        x = numbers(10, 4, 3)
        out.append({"x": x, "targets": np.cumsum(x[:, :, :2], 0, dtype=np.float32) / np.arange(1, 11, dtype=np.float32)[:, None, None]})
    return out


@pytest.mark.parametrize("how", [
    {}, dict(optimizer="adamw", weight_decay=0.01), dict(optimizer="rmsprop", momentum=0.5, rate=0.001),
    dict(optimizer="sgd", rate=0.1, momentum=0.9, clip=float("inf")), dict(schedule="cosine", warmup=2, total_updates=9), dict(threads=2), dict(shards=3),
])
def test_steps_give_the_bits_of_the_c_library(c_library, numbers, how):
    ours = weir.Trainer(weir.LSTM(**FIELDS), **HOW, **how)
    theirs = c_library.Trainer(c_library.Model(**FIELDS), **HOW, **{k: v for k, v in how.items() if k != "threads"})
    for batch in batches(numbers):
        assert ours.evaluate(**batch).mean == theirs.evaluate(**batch)
        assert ours.step(**batch).mean == theirs.step(**batch)
        assert ours.step(**batch, carry=True, lengths=[10, 3, 0, 7]).mean == theirs.step(**batch, carry=True, lengths=[10, 3, 0, 7])
    loss, gradients = theirs.backward(**batch)
    assert ours.backward(**batch).mean == loss
    assert all(same_bits(a, gradients[name]) for name, a in ours.gradients().items())
    weights = theirs.weights().weights() if not isinstance(theirs.weights(), dict) else theirs.weights()
    assert all(same_bits(a, weights[name]) for name, a in ours.model().tensors().items())


def test_defaults_are_those_of_the_c_library(c_library, numbers):
    ours, theirs = weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10), c_library.Trainer(c_library.Model(**FIELDS), rows=4, steps=10)
    for optimizer in ("adam", "adamw", "rmsprop", "sgd"):
        ours = weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10, optimizer=optimizer)
        theirs = c_library.Trainer(c_library.Model(**FIELDS), rows=4, steps=10, optimizer=optimizer)
        for batch in batches(numbers):
            assert ours.step(**batch).mean == theirs.step(**batch)


def test_fit_is_steps_and_reduces_the_loss(numbers):
    train = batches(numbers)
    fitted, stepped = (weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10) for _ in range(2))
    told = []
    best = fitted.fit(train, epochs=20, report=told.append)
    for _ in range(20):
        for batch in train:
            stepped.step(**batch)
    assert [p.epoch_done for p in told] == 20 * [False, False, False, True]
    assert best.epoch == 20 and best.best and best.train_loss == told[-1].train_loss < told[3].train_loss / 2
    assert np.isnan(best.valid_loss) and best.rate == pytest.approx(0.002) and best.batches == 3 and best.epochs == 20
    assert all(same_bits(a, stepped.model().tensors()[name]) for name, a in fitted.model(notes="new").tensors().items())
    assert fitted.model(notes="new").notes == "new"


def test_softmax_and_final_states(numbers):
    model = weir.LSTM(tokens=4, hidden=16, outputs=4, output="softmax", readout="final_state")
    tokens = np.random.default_rng(3).integers(0, 4, (6, 32))
    trainer = weir.Trainer(model, rows=32, steps=6, rate=0.02)
    first = trainer.evaluate(tokens, tokens[0]).mean
    for _ in range(60):
        trainer.step(tokens, tokens[0])
    assert trainer.evaluate(tokens, tokens[0]).mean < first / 4
    classes = np.where(np.arange(32) < 8, tokens[0], -1)
    loss = trainer.evaluate(tokens, classes)
    assert loss.count == 8 and loss.mean == float(loss) == loss.sum / 8


def test_report_stops(numbers):
    told = []

    def report(now):
        told.append((now.epoch, now.batch))
        return len(told) < 5

    trainer = weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10)
    trainer.fit(batches(numbers), epochs=50, report=report)
    assert told == [(1, 1), (1, 2), (1, 3), (1, 3), (2, 1)]


def test_a_stopped_fit_goes_on_where_asked(numbers):
    train = batches(numbers)
    whole, stopped = (weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10) for _ in range(2))
    whole.fit(train, epochs=3)
    told = []

    def report(now):
        told.append((now.epoch, now.batch, now.epoch_done))
        return len(told) % 2 == 1

    while len(told) < 12:
        stopped.fit(train, epochs=3, report=report, resume=True)
    assert told == [(epoch, batch, done) for epoch in (1, 2, 3) for batch, done in ((1, False), (2, False), (3, False), (3, True))]
    assert all(same_bits(a, stopped.model().tensors()[name]) for name, a in whole.model().tensors().items())
    stopped.fit(train, epochs=1, report=told.append)
    assert told[12].epoch == 1 and told[12].batch == 1


def test_validation_and_patience(numbers):
    train = batches(numbers)
    valid = [{"x": b["x"], "targets": -10 * b["targets"]} for b in train]
    told = []
    trainer = weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10, rate=0.02)
    best = trainer.fit(train, valid, epochs=50, patience=2, report=lambda now: told.append(now) if now.epoch_done else None)
    assert len(told) == best.epoch + 2 < 50
    assert best.valid_loss == min(now.valid_loss for now in told)


def test_batches_by_epoch(numbers):
    asked = []

    class Source:
        every = batches(numbers, 2)

        def __len__(self):
            return 2

        def batch(self, epoch, index):
            asked.append((epoch, index))
            return self.every[(epoch + index) % 2]

    weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10).fit(Source(), epochs=2)
    assert asked == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_exceptions_come_out_of_callbacks(numbers):
    train = batches(numbers)
    trainer = weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10)

    def report(now):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trainer.fit(train, report=report)
    for wrong, sentence in (({"x": train[0]["x"]}, "needs x and targets"), ({**train[0], "y": 1}, "but no y"), (3, "is a dictionary"),
                            ({**train[0], "x": train[0]["x"][:, :2]}, "targets has the shape")):
        with pytest.raises(weir.ArgumentError, match=sentence):
            trainer.fit([train[0], wrong])
    with pytest.raises(weir.ArgumentError, match="no batches"):
        trainer.fit([])
    with pytest.raises(TypeError):
        trainer.fit(5)
    trainer.step(**train[0])


def test_a_callback_may_read_the_trainer_but_not_train(numbers):
    trainer = weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10)
    train, models, refused = batches(numbers), [], []

    def report(now):
        models.append(trainer.model())
        try:
            trainer.step(**train[0])
        except weir.ArgumentError as error:
            refused.append(str(error))

    trainer.fit(train, epochs=1, report=report)
    assert len(models) == len(refused) == 4
    assert same_bits(models[-1](train[0]["x"])[0], trainer.model()(train[0]["x"])[0])
    assert not same_bits(models[0](train[0]["x"])[0], models[1](train[0]["x"])[0])


def test_control_c(numbers):
    trainer = weir.Trainer(weir.LSTM(**FIELDS), rows=4, steps=10)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(batches(numbers), epochs=10**8)
    timer.join()


def test_plan_tells_the_bytes():
    model = weir.LSTM(**FIELDS)
    assert weir.Trainer.plan(model, rows=4, steps=10)["total"] == weir.Trainer(model, rows=4, steps=10).memory


def test_refusals(numbers):
    model, batch = weir.LSTM(**FIELDS), batches(numbers)[0]
    trainer = weir.Trainer(model, rows=4, steps=10)
    with pytest.raises(weir.NonfiniteError, match="not finite"):
        trainer.step(batch["x"] * np.float32(np.nan), batch["targets"])
    with pytest.raises(weir.ArgumentError, match="memory was planned"):
        trainer.step(np.repeat(batch["x"], 2, 0), np.repeat(batch["targets"], 2, 0))
    for name, shape in (("x", (10, 4, 2)), ("targets", (10, 4, 3)), ("h0", (2, 4, 17)), ("c0", (1, 4, 18)), ("lengths", (5,))):
        wrong = np.zeros(shape, np.uint32 if name == "lengths" else np.float32)
        with pytest.raises(weir.ArgumentError, match=f"{name} has the shape"):
            trainer.step(**{**batch, name: wrong})
    with pytest.raises(weir.ArgumentError, match="optimizer must be one of adam"):
        weir.Trainer(model, rows=4, steps=10, optimizer="lbfgs")
    with pytest.raises(weir.ArgumentError, match="dropout"):
        weir.Trainer(model, rows=4, steps=10, dropout=1)
    with pytest.raises(weir.UnsupportedError, match="no output"):
        weir.Trainer(weir.LSTM(inputs=3), rows=4, steps=10)
    with pytest.raises(weir.UnsupportedError, match="narrow"):
        weir.Trainer(model.convert("bf16"), rows=4, steps=10)
