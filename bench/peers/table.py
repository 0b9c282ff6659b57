# SPDX-License-Identifier: MIT
"""The table of docs/performance.md from peers.csv: python3 table.py peers.csv

Each cell: Weir's time over the peer's, exact / fast; below 1 Weir is faster.
"""
import csv
import sys

rows = list(csv.DictReader(open(sys.argv[1])))
peers = list(dict.fromkeys(r["peer"] for r in rows))
functions = list(dict.fromkeys((r["function"], r["of"]) for r in rows))
functions.sort(key=lambda f: (min(i for i, r in enumerate(rows) if r["function"] == f[0]), f[1] == "slope"))
cells = {(r["function"], r["of"], r["peer"]): r for r in rows}
print("| Function | Exact, ns | Fast, ns | " + " | ".join(peers) + " |")
print("|" + "---|" * (3 + len(peers)))
for name, of in functions:
    mine = [cells[name, of, p] for p in peers if (name, of, p) in cells]
    line = ["`%s%s`" % (name, "'" if of == "slope" else "")]
    for key in ("exact_ns", "fast_ns"):
        values = sorted(float(r[key]) for r in mine)
        line.append("%.2f" % values[len(values) // 2])
    for p in peers:
        r = cells.get((name, of, p))
        line.append("%.2f / %.2f" % (float(r["exact_ratio"]), float(r["fast_ratio"])) if r else "")
    print("| " + " | ".join(line) + " |")
