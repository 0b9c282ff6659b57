# SPDX-License-Identifier: MIT
"""What a step costs from Python: one layer, one input, one row, without peepholes, in nanoseconds.

    WEIR=build/release/weir python python/bench/step.py [REPEATS]

Prints for each size the C figure of `weir bench`, the package's step into an array of the caller and into a new one, and PyTorch's (if it is
installed) nn.LSTM and nn.LSTMCell with their state carried on, in inference mode, on one thread. In each of the repeats everything is measured once
for about 2 ms (C: at each fourth repeat for 20 ms), in turn; shown are the best repeat, which a busy machine spoils least, and the median.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import weir

SIZES = (16, 128)


def c_step(hidden):
    """Microseconds in weir bench's table."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as table:
        subprocess.run([os.environ["WEIR"], "bench", f"R1-H{hidden}", "--repeats", "1", "--csv", table.name], check=True, stdout=subprocess.DEVNULL)
        return 1000 * float(next(csv.DictReader(open(table.name)))["us_per_step"])


def nanoseconds(function):
    count, start = 0, time.perf_counter_ns()
    while True:
        for _ in range(20):
            function()
        count += 20
        taken = time.perf_counter_ns() - start
        if taken > 2_000_000:
            return taken / count


def weir_steps(hidden):
    stream = weir.LSTM(inputs=1, hidden=hidden, peepholes=False).stream()
    x, out = np.full((1, 1), 0.5, np.float32), np.empty((1, hidden), np.float32)
    step = stream.step
    return {"step(x, out)": lambda: step(x, out), "step(x)": lambda: step(x)}


def torch_steps(hidden):
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(1)
    x = torch.full((1, 1), 0.5)
    lstm, cell, state = torch.nn.LSTM(1, hidden), torch.nn.LSTMCell(1, hidden), {"lstm": None, "cell": None}

    def step_lstm():
        with torch.inference_mode():
            _, state["lstm"] = lstm(x, state["lstm"])

    def step_cell():
        with torch.inference_mode():
            state["cell"] = cell(x, state["cell"])

    return {f"torch {torch.__version__} nn.LSTM": step_lstm, f"torch {torch.__version__} nn.LSTMCell": step_cell}


def main():
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for hidden in SIZES:
        subjects = {**weir_steps(hidden), **torch_steps(hidden)}
        taken = {name: [] for name in ("C", *subjects)}
        for repeat in range(repeats):
            if "WEIR" in os.environ and repeat % 4 == 0:
                taken["C"].append(c_step(hidden))
            for name, function in subjects.items():
                taken[name].append(nanoseconds(function))
        for name, times in taken.items():
            if times:
                print(f"H={hidden:<4} {name:24} {min(times):8.0f} ns {statistics.median(times):8.0f} ns")


if __name__ == "__main__":
    main()
