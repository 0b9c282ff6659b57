"""weir.torch.LSTM beside torch.nn.LSTM, forward and backward, in turn in one process:

    python3 torch_lstm.py [--threads 1] [--steps 64] [--seconds 1] [--peephole] [--csv FILE] [HIDDEN...]

One layer of as many inputs as units, B = 1, 16, 64 rows; x is a leaf that wants no gradient, as data are, unless --input-gradient. Each pair of a
pass of one and a pass of the other gives a ratio of times, Weir's over PyTorch's; printed are the medians. Below 1 Weir is faster. Needs PyTorch
and the package weir.

SPDX-License-Identifier: MIT
"""

import argparse
import csv
import statistics
import sys
import time

import torch

import weir.torch

ROWS = (1, 16, 64)


def once(lstm, x, backward):
    """Seconds of one pass."""
    begin = time.perf_counter()
    y, _ = lstm(x)
    if backward:
        y.backward(y.detach())
    return time.perf_counter() - begin


def measure(theirs, ours, x, backward, seconds):
    """Medians of their time, of ours, and of the ratios of neighbours."""
    for _ in range(3):
        once(theirs, x, backward), once(ours, x, backward)
    pairs, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(pairs) < 7:
        first = once(theirs, x, backward)
        pairs.append((first, once(ours, x, backward)))
    return [statistics.median(v) for v in ([a for a, _ in pairs], [b for _, b in pairs], [b / a for a, b in pairs])]


def rows_of(args):
    for hidden in args.hidden:
        for rows in ROWS:
            torch.manual_seed(1)
            theirs, ours = torch.nn.LSTM(hidden, hidden), weir.torch.LSTM(hidden, hidden, peephole=args.peephole)
            ours.load_state_dict(theirs.state_dict(), strict=False)
            x = torch.randn(args.steps, rows, hidden, requires_grad=args.input_gradient)
            with torch.no_grad():
                forward = measure(theirs, ours, x, False, args.seconds)
            both = measure(theirs, ours, x, True, args.seconds)
            yield [hidden, rows, *forward, *both]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hidden", nargs="*", type=int, default=[64, 128, 256, 512])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--peephole", action="store_true", help="ours with peepholes, which theirs lack")
    parser.add_argument("--input-gradient", action="store_true")
    parser.add_argument("--csv", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"PyTorch {torch.__version__}, {args.threads} thread(s), T = {args.steps}, {'with' if args.peephole else 'without'} peepholes")
    print("   H    B   forward us: torch     weir  ratio   forward + backward us: torch     weir  ratio")
    file = open(args.csv, "w", newline="") if args.csv else None
    out = csv.writer(file) if file else None
    if out:
        out.writerow("hidden,rows,forward_torch_us,forward_weir_us,forward_ratio,both_torch_us,both_weir_us,both_ratio".split(","))
    for hidden, rows, *figures in rows_of(args):
        us = [f * (1 if i % 3 == 2 else 1e6) for i, f in enumerate(figures)]
        print(f"{hidden:4d} {rows:4d} {us[0]:19.0f} {us[1]:8.0f} {us[2]:6.2f} {us[3]:29.0f} {us[4]:8.0f} {us[5]:6.2f}", flush=True)
        if out:
            out.writerow([hidden, rows, *(f"{v:.4g}" for v in us)])
    if file:
        file.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
