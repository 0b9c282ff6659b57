# SPDX-License-Identifier: MIT
"""Type hints: mypy accepts them, accepts right calls, and finds wrong ones."""

import subprocess
import sys

import pytest

RIGHT = """
import numpy as np
import weir
from numpy.typing import NDArray

model: weir.Model = weir.LSTM(inputs=3, hidden=8, outputs=1, candidate=("elu", 1.5), dense=[(4, "relu")])
y, (hn, cn) = model(np.zeros((5, 2, 3)), lengths=[5, 2])
total: float = float(y.sum())
step: NDArray[np.float32] = model.stream(2).step(y[0], out=y[1])
trainer = weir.Trainer(model, rows=2, steps=5, rate=0.01)
best: weir.Progress = trainer.fit([{"x": y, "targets": y}], report=lambda now: now.train_loss > 0.1)
weir.activations.gelu_grad_fast(y, y, alpha=1.0)
hidden: int = model.config.hidden
status: str = weir.FormatError("").status
"""
WRONG = [
    "weir.LSTM(inputs='3')", "weir.load()", "weir.LSTM(3).strem()", "weir.LSTM(3).stream('a')", "weir.Trainer(weir.LSTM(3))",
    "weir.activations.glue(3)", "weir.activations.gelu(3, gamma=1)", "weir.LSTM(3)(3, threads='2')", "z: int = weir.LSTM(3)([[[1.0]]])",
]


def mypy(tmp_path, text):
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(text)
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "program.py"], cwd=tmp_path, capture_output=True, text=True).stdout


def test_hints(tmp_path):
    assert "Success" in mypy(tmp_path, RIGHT)
    found = mypy(tmp_path, "import weir\n" + "\n".join(WRONG))
    for line in range(2, len(WRONG) + 2):
        assert f"program.py:{line}: error" in found, (WRONG[line - 2], found)


def test_the_package_itself(tmp_path):
    pytest.importorskip("mypy")
    told = subprocess.run([sys.executable, "-m", "mypy", "--strict", "-p", "weir"], cwd=tmp_path, capture_output=True, text=True).stdout
    assert "Success" in told, told
