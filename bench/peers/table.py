# SPDX-License-Identifier: MIT
"""The tables of docs/performance.md: python3 table.py TIMES.csv COPIES.csv PEERS.csv

TIMES.csv: of activations.c and activations.py. COPIES.csv: of `weir bench activations`, with the ratio to a copy. Writes PEERS.csv, which is
TIMES.csv with the peer's largest error (accuracy.csv), and prints a table for each array size, then the goals that are not reached.

The largest errors are in units in the last place, found on samples of the floats (so lower bounds), with an upstream gradient of 1; words
where the fault has no number. "1" in the column right: the error is at most 1 unit. Cells of the table: Weir's time over the peer's,
exact / fast; below 1 Weir is faster; * where the peer is right to 1 unit.
"""
import csv
import os
import sys

AHEAD_OF_PYTORCH = ("tanh", "mish", "softplus", "gelu_tanh")
RECTIFIERS = ("relu", "leaky_relu", "prelu")


def read(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def right(error):
    try:
        return float(error) <= 1
    except ValueError:
        return False


def print_table(rows, copies, peers):
    cells = {(r["function"], r["of"], r["peer"]): r for r in rows}
    functions = [k for k in copies if any(k + (p,) in cells for p in peers)]
    print("| Function | Exact, ns | Fast, ns | copies | " + " | ".join(peers) + " |")
    print("|" + "---|" * (4 + len(peers)))
    for name, of in functions:
        forms = copies[name, of]
        line = ["`%s%s`" % (name, "'" if of == "slope" else "")]
        line += ["%.2f" % float(forms[form]["ns"]) for form in ("exact", "fast")]
        line.append("%.2f / %.2f" % tuple(float(forms[form]["copies"]) for form in ("exact", "fast")))
        for p in peers:
            r = cells.get((name, of, p))
            line.append("%.2f / %.2f%s" % (float(r["exact_ratio"]), float(r["fast_ratio"]), "*" if r["right"] == "1" else "") if r else "")
        print("| " + " | ".join(line) + " |")


def missed(r):
    """The goals that this row does not reach."""
    exact, fast = float(r["exact_ratio"]), float(r["fast_ratio"])
    if r["peer"] == "onednn" and exact > 2:
        yield "exact takes %.2f times oneDNN's time, not 2" % exact
    if r["peer"] == "pytorch" and r["function"] in AHEAD_OF_PYTORCH and exact >= 1:
        yield "exact takes %.2f times PyTorch's time, not below 1" % exact
    if r["right"] == "1" and r["function"] not in RECTIFIERS and exact >= 1:
        yield "exact takes %.2f times the time of %s, which is right to 1 unit" % (exact, r["peer"])
    if r["peer"] in ("onednn", "pytorch") and r["function"] not in RECTIFIERS and fast >= 1:
        yield "fast takes %.2f times the time of %s, not below 1" % (fast, r["peer"])


def main(times, copies_file, out):
    errors = {(r["peer"], r["function"], r["of"]): r["max_ulp"] for r in read(os.path.join(os.path.dirname(__file__), "accuracy.csv"))}
    rows = read(times)
    for r in rows:
        r["max_ulp"] = errors.get((r["peer"], r["function"], r["of"]), "not measured")
        r["right"] = "1" if right(r["max_ulp"]) else "0"
    with open(out, "w", newline="") as f:
        writer = csv.DictWriter(f, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    peers = list(dict.fromkeys(r["peer"] for r in rows))
    for floats in dict.fromkeys(r["floats"] for r in rows):
        here = [r for r in rows if r["floats"] == floats]
        copies = {}
        for r in read(copies_file):
            if r["floats"] == floats:
                copies.setdefault((r["function"], r["of"]), {})[r["form"]] = r
        print("\n%s floats (%d KiB) an array\n" % (floats, int(floats) // 256))
        print_table(here, copies, peers)
        print("\nNot reached with %s floats:\n" % floats)
        lines = ["- `%s%s`: %s" % (r["function"], "'" if r["of"] == "slope" else "", what) for r in here for what in missed(r)]
        lines += ["- `%s%s`: %.2f copies, not 1" % (name, "'" if of == "slope" else "", float(forms["fast"]["copies"]))
                  for (name, of), forms in copies.items() if name in RECTIFIERS and of == "value" and float(forms["fast"]["copies"]) > 1.1]
        print("\n".join(lines) or "nothing")


main(*sys.argv[1:])
