"""Writes the tables of docs/experiments.md from docs/experiments/*.jsonl, which weir-experiments has printed.

    python3 experiments/tables.py           writes them
    python3 experiments/tables.py --check   fails if the document does not have them

SPDX-License-Identifier: MIT
"""

import glob
import json
import math
import os
import re
import statistics
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENT = os.path.join(ROOT, "docs", "experiments.md")
RESULTS = os.path.join(ROOT, "docs", "experiments", "*.jsonl")

# What the papers report for a task and variant. Beside each table the document says which numbers are second-hand or from memory.
REPORTED = {
    ("gts", "peepholes F=10"): "41,000 ± 4,000, all solved (m)",
    ("gts", "no peepholes F=10"): "not possible (s)",
    ("gts", "peepholes F=20"): "67,000 ± 8,000, all solved (m)",
    ("pfg", "peepholes cos F=10"): "149,000 ± 7,000 (m)",
    ("pfg", "no peepholes cos F=10"): "solved, slowly (s)",
    ("pfg", "peepholes triangle F=10"): "869,000 ± 134,000 (m)",
    ("pfg", "no peepholes triangle F=10"): "not solved (s)",
    ("pfg", "peepholes rectangle F=10"): "1,107,000 ± 97,000, 80 % solved (m)",
    ("pfg", "no peepholes rectangle F=10"): "not solved (s)",
    ("pfg", "peepholes cos F=25"): "RMSE 0.17 ± 0.019 (s)",
    ("msd", "peepholes F=10 I=0,1"): "20 % solved (m)",
    ("msd", "no peepholes F=10 I=0,1"): "10 % solved (m)",
    ("reber", "4 blocks of 1, rate 0.1"): "39,740, all of 30 solved, 264 weights",
    ("reber", "3 blocks of 2, rate 0.5"): "8,440, all of 30 solved, 276 weights",
    ("adding", "T=100"): "74,000; 1 wrong of 2560; 93 weights",
    ("adding", "T=500"): "209,000; 0 wrong of 2560; 93 weights",
    ("adding", "T=1000"): "853,000; 1 wrong of 2560; 93 weights",
    ("multiplication", "T=100, 140 of 2000"): "482,000; 139 wrong; 93 weights",
    ("multiplication", "T=100, 13 of 2000"): "1,273,000; 14 wrong; 93 weights",
    ("temporal-order", "2 places"): "31,390; 1 wrong of 2560; 156 weights",
    ("temporal-order", "3 places"): "571,100; 2 wrong of 2560; 308 weights",
    ("continual-reber", "forget gate"): "18 % solved, 62 % with a decaying rate; 424 weights (s)",
    ("continual-reber", "no forget gate"): "none solved (s)",
    ("anbn", "peepholes"): "largest n 118 on average, 1000 at best (m)",
    ("anbncn", "peepholes"): "largest n 18 on average, 52 at best (m)",
}

# 97.5 % points of Student's t for 1 .. 29 degrees of freedom
T_975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
         2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045]


def read():
    """{task: {(variant, settings): [results by seed]}}, in the order of the files."""
    tasks = {}
    for path in sorted(glob.glob(RESULTS)):
        with open(path) as f:
            for line in f:
                r = json.loads(line)
                tasks.setdefault(r["task"], {}).setdefault((r["variant"], r["settings"]), {})[r["seed"]] = r
    return tasks


def number(x):
    return f"{x:,.0f}" if x == int(x) or abs(x) >= 1000 else f"{x:.3g}"


def spread(values):
    """Median, least and largest."""
    middle = statistics.median(values)
    return number(middle) if min(values) == max(values) else f"{number(middle)} ({number(min(values))} to {number(max(values))})"


def needed(runs):
    """Training sequences of those that solved the task: median, mean and its standard error."""
    counts = [r["sequences"] for r in runs if r["solved"]]
    if not counts:
        return "-"
    text = f"{statistics.median(counts):,.0f}; {statistics.mean(counts):,.0f}"
    return text + (f" ± {statistics.stdev(counts) / math.sqrt(len(counts)):,.0f}" if len(counts) > 1 else "")


def solved(runs):
    return f"{sum(r['solved'] for r in runs)} of {len(runs)}"


def table(task, rows):
    unit = "symbols" if task == "continual-reber" else "sequences"
    measure = next(iter(next(iter(rows.values())).values()))["measure"]
    out = [f"| Variant | Settings | Weights | At most | Solved | {unit.capitalize()} needed: median; mean | "
           f"{measure[0].upper() + measure[1:]}: median (range) | s a seed | The paper |",
           "|---|---|---|---|---|---|---|---|---|"]
    for (variant, settings), by_seed in rows.items():
        runs = list(by_seed.values())
        seconds = statistics.mean(r["seconds"] for r in runs)
        out.append(f"| {variant} | {settings} | {runs[0]['weights']} | {runs[0]['budget']:,} | {solved(runs)} | {needed(runs)} | "
                   f"{spread([r['value'] for r in runs])} | {seconds:.1f} | {REPORTED.get((task, variant), '')} |")
    return out


def ratio(rows, variant, base="V"):
    """The variant's error over the base's, paired by seed: geometric mean with its 95 % interval (Student's t on the logarithms)."""
    a, b = rows[(variant, "adam")], rows[(base, "adam")]
    logs = [math.log(a[s]["value"] / b[s]["value"]) for s in sorted(a.keys() & b.keys())]
    if len(logs) < 2:
        return "-"
    middle, wide = statistics.mean(logs), T_975[len(logs) - 2] * statistics.stdev(logs) / math.sqrt(len(logs))
    return f"{math.exp(middle):.2f} ({math.exp(middle - wide):.2f} to {math.exp(middle + wide):.2f})"


def variants_table(rows):
    out = ["| Variant | Seeds | Mean squared error: median (range) | Ratio to V: mean (95 % interval) | s a seed |", "|---|---|---|---|---|"]
    for (variant, _), by_seed in rows.items():
        runs = list(by_seed.values())
        compared = "1" if variant == "V" else ratio(rows, variant)
        out.append(f"| {variant} | {len(runs)} | {spread([r['value'] for r in runs])} | {compared} | "
                   f"{statistics.mean(r['seconds'] for r in runs):.1f} |")
    return out


def fill(text, tasks):
    def replacement(match):
        task = match.group(1)
        if task not in tasks:
            return match.group(0)
        lines = variants_table(tasks[task]) if task == "greff" else table(task, tasks[task])
        return f"<!-- table {task} -->\n\n" + "\n".join(lines) + "\n\n<!-- end -->"

    return re.sub(r"<!-- table ([a-z-]+) -->.*?<!-- end -->", replacement, text, flags=re.S)


def main():
    with open(DOCUMENT) as f:
        text = f.read()
    tasks = read()
    missing = [task for task in tasks if f"<!-- table {task} -->" not in text]
    if missing:
        sys.exit(f"docs/experiments.md has no place for the table of {', '.join(missing)}")
    filled = fill(text, tasks)
    if "--check" in sys.argv[1:]:
        if filled != text:
            sys.exit("docs/experiments.md is not what experiments/tables.py makes of docs/experiments/*.jsonl; run it")
        return
    with open(DOCUMENT, "w") as f:
        f.write(filled)


main()
