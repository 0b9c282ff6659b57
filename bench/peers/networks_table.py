"""The tables of docs/performance.md from the CSV of networks.sh: python3 networks_table.py [--csv SUMMARY.csv] FILE...

Two ratios stand for each peer and problem, Weir's time over the peer's: the median over the runs of what each run measured in turn, and
Weir's best run over the peer's best run, since two threads have modes that a process keeps. SUMMARY.csv has the least, median and largest
of both sides over the runs.

SPDX-License-Identifier: MIT
"""

import csv
import statistics
import sys

from problems import Shape

USUAL = {"hidden": {8, 16, 20, 32, 64, 128, 256, 512, 1024}, "steps": {1, 64, 100}, "rows": {1, 16, 64}}


def group_of(problem):
    p = Shape(problem)
    odd = "-I" in problem or any(getattr(p, what) not in sizes for what, sizes in USUAL.items()) or (p.kind > 1 and p.hidden < 128)
    return "odd" if odd else f"R{p.kind}" if p.weights == "f32" else "narrow"


# Group: heading, unit, how a summary's side is shown in it.
GROUPS = {
    "R1": ("One stream, one layer, one input", "ns a step", lambda s, side, which: s[f"{side}_{which}"] * 1e3),
    "R2": ("One row, two layers", "us a step", lambda s, side, which: s[f"{side}_{which}"]),
    "narrow": ("The same with weights of bfloat16 and of 8 bits", "us a step", lambda s, side, which: s[f"{side}_{which}"]),
    "R3": ("Batches, 64 steps", "GFLOP/s", lambda s, side, which: s[f"{side}_gflop"] / s[f"{side}_{which}"]),
    "R4": ("Training, 64 steps", "GFLOP/s, each side's own work", lambda s, side, which: s[f"{side}_gflop"] / s[f"{side}_{which}"]),
    "odd": ("Odd shapes", "us a step", lambda s, side, which: s[f"{side}_{which}"]),
}


def read(paths):
    """The rows of each peer, problem and number of threads."""
    rows = {}
    for path in paths:
        with open(path, newline="") as f:
            for row in csv.DictReader(f):
                rows.setdefault((row["peer"], row["problem"], int(row["threads"])), []).append(row)
    return rows


def summary_of(key, rows):
    peer, problem, threads = key
    s = {"peer": peer, "problem": problem, "threads": threads, "runs": len(rows)}
    for side in ("peer", "weir"):
        times = [float(row[f"{side}_us"]) for row in rows]
        s[f"{side}_min"], s[f"{side}_median"], s[f"{side}_max"] = min(times), statistics.median(times), max(times)
        # Operations a step, in thousands.
        s[f"{side}_gflop"] = float(rows[0][f"{side}_gflops"]) * float(rows[0][f"{side}_us"])
    s["ratio"] = statistics.median(float(row["ratio"]) for row in rows)
    s["best_ratio"] = s["weir_min"] / s["peer_min"]
    return s


def family(peer):
    """RTNeural's backends count as one peer, by the best of them."""
    return "rtneural" if peer.startswith("rtneural") else peer


def cells_of(summaries):
    cells = {}
    for s in summaries:
        key = s["problem"], family(s["peer"])
        if key not in cells or s["ratio"] > cells[key]["ratio"]:
            cells[key] = s
    return cells


def write_summaries(path, summaries):
    columns = [name for name in summaries[0] if not name.endswith("_gflop")]
    with open(path, "w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(columns + ["peer_best_gflops", "weir_best_gflops"])
        for s in summaries:
            rates = [s[f"{side}_gflop"] / s[f"{side}_min"] for side in ("peer", "weir")]
            writer.writerow([f"{v:.4f}" if isinstance(v, float) else v for v in [s[name] for name in columns] + rates])


def weir_median(rows, problem, threads):
    """Of all that stood beside a peer."""
    return statistics.median(float(row["weir_us"]) for key, found in rows.items() if key[1:] == (problem, threads) for row in found)


def number(x):
    return f"{x:.0f}" if x >= 1000 else f"{x:.3g}"


def ratio(x):
    return f"**{x:.2f}**" if x >= 1 else f"{x:.2f}"


def print_table(group, cells, weir_medians):
    heading, unit, show = GROUPS[group]
    problems = list(dict.fromkeys(problem for problem, _ in cells))
    peers = sorted({peer for _, peer in cells})
    print(f"\n{heading}, {unit}:\n")
    print("| Problem | Weir |", " | ".join(peers), "|")
    print("|---|---|" + "---|" * len(peers))
    for problem in problems:
        row = [cells.get((problem, peer)) for peer in peers]
        some = next(s for s in row if s)
        ours = [dict(some, weir_median=weir_medians[problem]), dict(some, weir_min=min(s["weir_min"] for s in row if s))]
        text = f"{number(show(ours[0], 'weir', 'median'))} ({number(show(ours[1], 'weir', 'min'))})"
        shown = [f"{number(show(s, 'peer', 'min'))}: {ratio(s['ratio'])} / {ratio(s['best_ratio'])}" if s else "" for s in row]
        print(f"| `{problem}` | {text} |", " | ".join(shown), "|")


def print_narrow_gain(medians):
    """Weir's time with narrow weights over that with float32, where both were measured."""
    for problem, ours in medians.items():
        whole = medians.get(problem.replace("-bf16-", "-f32-").replace("-int8-", "-f32-"))
        if whole and "-f32-" not in problem:
            print(f"`{problem}` takes {ours / whole:.2f} times Weir's time with float32 weights.")


def print_standing(summaries):
    """How many problems Weir is ahead in, and those where it is not."""
    worst = {}
    for s in summaries:
        worst.setdefault(s["problem"], []).append(s)
    for name, which in (("in the same run", "ratio"), ("best run against best run", "best_ratio")):
        ahead = sum(max(s[which] for s in found) < 1 for found in worst.values())
        print(f"Ahead of every peer in {ahead} of {len(worst)} problems, {name}.")
    behind = [max(found, key=lambda s: s["ratio"]) for found in worst.values()]
    lines = [f"- `{s['problem']}`: {s['ratio']:.2f} times the time of {s['peer']}" for s in behind if s["ratio"] >= 1]
    print("\n" + "\n".join(["Behind, in the same run:", ""] + lines) if lines else "")


def main():
    arguments = sys.argv[1:]
    where = arguments[1] if arguments[:1] == ["--csv"] else None
    rows = read(arguments[2:] if where else arguments)
    if not rows:
        sys.exit("networks_table.py: the files have no rows")
    summaries = [summary_of(key, found) for key, found in rows.items()]
    if where:
        write_summaries(where, summaries)
    for threads in sorted({s["threads"] for s in summaries}):
        here = [s for s in summaries if s["threads"] == threads]
        print(f"\n### {threads} thread{'s' * (threads > 1)}")
        for group in GROUPS:
            mine = [s for s in here if group_of(s["problem"]) == group]
            if mine:
                print_table(group, cells_of(mine), {s["problem"]: weir_median(rows, s["problem"], threads) for s in mine})
        print()
        print_narrow_gain({s["problem"]: weir_median(rows, s["problem"], threads) for s in here})
        print_standing(here)


main()
