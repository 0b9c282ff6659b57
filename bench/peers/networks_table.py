"""The table of docs/performance.md from the CSV of networks.sh: python3 networks_table.py FILE...

SPDX-License-Identifier: MIT
"""

import csv
import sys


def main():
    times, ratios, peers = {}, {}, []
    for path in sys.argv[1:]:
        for row in csv.DictReader(open(path)):
            key = row["problem"], row["threads"]
            times.setdefault(key, []).append(float(row["weir_us"]))
            ratios[key, row["peer"]] = float(row["peer_us"]), float(row["ratio"])
            if row["peer"] not in peers:
                peers.append(row["peer"])
    print("| Problem | Threads | Weir, us a step |", " | ".join(peers), "|")
    print("|---|---|---|" + "---|" * len(peers))
    for key, ours in times.items():
        cells = []
        for peer in peers:
            found = ratios.get((key, peer))
            cells.append(f"{found[0]:.4g} ({found[1]:.2f})" if found else "")
        print(f"| `{key[0]}` | {key[1]} | {sorted(ours)[len(ours) // 2]:.4g} |", " | ".join(cells), "|")


main()
