"""Runs the peers of networks.sh on the problems that their CSV still lacks, and appends each line as it comes:

    python3 networks_run.py OUT.csv PEERS libproblem.so THREADS RUNS SECONDS [PROBLEM...]

PEERS is a file with a command a line. Each run of a peer is a process of its own, since figures of two threads have modes that a process
keeps; passes of more than a quarter of a second are run once. SECONDS go to the blocks of one problem in one run. Stopped and started
again, it goes on; a CSV that another build of Weir made is moved to OUT-before.csv, unless KEEP is set.

SPDX-License-Identifier: MIT
"""

import csv
import hashlib
import os
import shlex
import subprocess
import sys
import time

from problems import ODD, Weir, standard

COLUMNS = "peer,problem,threads,blocks,peer_us,weir_us,ratio,peer_gflops,weir_gflops,run".split(",")
LONG_PASS = 0.25


def library_of(path):
    """What tells one build of Weir from another: the hash of the shared library that libproblem.so runs with."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    found = [line.split("=>")[1].split()[0] for line in listed.splitlines() if "libweir.so" in line]
    with open(found[0] if found else path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def begin(out, library):
    """Begins a CSV, or goes on with one of this build."""
    note = out + ".build"
    known = open(note).read() if os.path.exists(note) else ""
    if os.path.exists(out) and known != library and not os.environ.get("KEEP"):
        before = os.path.splitext(out)[0] + "-before.csv"
        print(f"{out} was measured with another build of Weir and is now {before}", file=sys.stderr)
        os.replace(out, before)
    if not os.path.exists(out):
        with open(out, "w") as f:
            f.write(",".join(COLUMNS) + "\n")
    with open(note, "w") as f:
        f.write(library)


def rows_of(out):
    with open(out, newline="") as f:
        reader = csv.DictReader(f)
        if reader.fieldnames != COLUMNS:
            sys.exit(f"{out} has other columns than {','.join(COLUMNS)}: move it away")
        return [row for row in reader if row["run"]]


class Runner:
    def __init__(self, out, threads, seconds, total):
        self.out, self.threads, self.seconds, self.total = out, threads, seconds, total
        self.done, self.begin = 0, time.time()

    def report(self, row):
        minutes, seconds = divmod(int(time.time() - self.begin), 60)
        print(f"[{self.done}/{self.total}, {minutes}:{seconds:02}] run {row['run']}, {row['peer']}, {row['problem']}: "
              f"{row['peer_us']} us a step, Weir {row['weir_us']}: {row['ratio']}", file=sys.stderr, flush=True)

    def process(self, command, problems, run):
        """One process over these problems; gives those that it had not come to when it failed."""
        given = command + [str(self.threads), str(self.seconds)] + problems
        left, before = list(problems), self.done
        with subprocess.Popen(given, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                values = line.strip().split(",")
                if len(values) != len(COLUMNS) - 1 or values[1] not in left:
                    print(line, end="", file=sys.stderr)
                    continue
                row = dict(zip(COLUMNS, values + [str(run)]))
                with open(self.out, "a") as f:
                    f.write(",".join(row.values()) + "\n")
                left = left[left.index(row["problem"]) + 1:]
                self.done = before + len(problems) - len(left)
                self.report(row)
        self.done = before + len(problems)
        return left if child.returncode else []

    def peer(self, command, problems, run):
        """A problem at which the process fails is left out."""
        while problems:
            left = self.process(command, problems, run)
            if left:
                print(f"{' '.join(command)}: failed at or after {left[0]}, which is left out", file=sys.stderr)
                self.done -= len(left) - 1
            problems = left[1:]


def peers_of(path):
    """Name and command of each peer that starts."""
    for line in open(path):
        command = shlex.split(line)
        asked = subprocess.run(command, capture_output=True, text=True)
        if asked.returncode == 0:
            yield asked.stdout.strip(), command
        else:
            why = asked.stderr.strip().splitlines()
            print(f"{line.strip()}: skipped: {why[-1] if why else 'it does not start'}", file=sys.stderr)


def main():
    out, peers_file, library = sys.argv[1:4]
    threads, runs, seconds = int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6])
    weir = Weir(library)
    problems = [weir.canonical(text) for text in sys.argv[7:] or standard() + ODD]
    begin(out, library_of(library))
    peers = list(peers_of(peers_file))
    runner = Runner(out, threads, seconds, runs * len(peers) * len(problems))
    for run in range(1, runs + 1):
        for name, command in peers:
            rows = [row for row in rows_of(out) if row["peer"] == name and row["threads"] == str(threads)]
            had = {row["problem"] for row in rows if row["run"] == str(run)}
            if run > 1:
                had |= {row["problem"] for row in rows if float(row["peer_us"]) * steps_of(row["problem"]) > LONG_PASS * 1e6}
            missing = [problem for problem in problems if problem not in had]
            runner.done += len(problems) - len(missing)
            runner.peer(command, missing, run)


def steps_of(problem):
    return int(problem.split("-T")[1].split("-")[0])


main()
