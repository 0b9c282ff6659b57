# SPDX-License-Identifier: MIT
"""Kills a training at random instants, again and again, and goes on from its checkpoint with another number of threads and another
instruction set; at the end model, log and curves are those of a training that was never killed. Argument: how many kills (100)."""
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

WEIR = os.environ["WEIR"]
KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SETTINGS = ["--hidden", "24", "--layers", "2", "--batch", "8", "--steps", "32", "--dropout", "0.1", "--rate", "0.003", "--quiet"]
CHECKPOINT = "killed.weir.checkpoint"


def isas():
    """Those of this CPU that are fast enough to get anywhere between two kills."""
    with open("/proc/cpuinfo") as info:
        flags = info.read().split()
    return ["best"] + ["avx2"] * ("avx2" in flags) + ["avx512"] * ("avx512bw" in flags and "avx512dq" in flags)


def command(epochs, dice):
    run = ["--threads", str(dice.choice([1, 2, 3])), "--isa", dice.choice(isas()), "--epochs", str(epochs)]
    if os.path.exists(CHECKPOINT):
        return [WEIR, "train", "--resume", CHECKPOINT, "--quiet", *run]
    return [WEIR, "train", "text.txt", "-o", "killed.weir", "--log", "killed.jsonl", "--checkpoint-steps", "7", *SETTINGS, *run]


def fail(why, process):
    out = process.stderr.read().decode(errors="replace")
    sys.exit(f"{why}: status {process.returncode}: {out[-500:]}")


def kill_at_random(dice):
    """One run that is killed; it must not end before."""
    process = subprocess.Popen(command(1000000, dice), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    time.sleep(dice.uniform(0.005, 0.25))
    if process.poll() is not None:
        fail("the training ended by itself", process)
    process.kill()
    process.wait()
    process.stderr.close()


def epochs_of(log):
    with open(log) as lines:
        return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def hash_of(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def main():
    shutil.rmtree("kills", ignore_errors=True)
    os.mkdir("kills")
    os.chdir("kills")
    with open("text.txt", "w") as text:
        text.write("the weir decides how much of the river goes on\n" * 400)
    dice = random.Random(6)
    for _ in range(KILLS):
        kill_at_random(dice)
    # However far it came: one more epoch, and it ends.
    info = json.loads(subprocess.run([WEIR, "info", CHECKPOINT, "--json"], check=True, capture_output=True).stdout)
    epochs = info["checkpoint"]["now"]["epoch"] + 1
    updates = info["checkpoint"]["updates"]
    subprocess.run(command(epochs, dice), check=True)
    subprocess.run([WEIR, "train", "text.txt", "-o", "whole.weir", "--log", "whole.jsonl", *SETTINGS, "--epochs", str(epochs)], check=True)
    assert hash_of("killed.weir") == hash_of("whole.weir"), "the models differ"
    assert epochs_of("killed.jsonl") == epochs_of("whole.jsonl"), "the logs differ"
    assert hash_of("killed.weir.loss.dat") == hash_of("whole.weir.loss.dat"), "the curves differ"
    left = [name for name in os.listdir() if "checkpoint" in name or name.endswith(".tmp")]
    assert not left, left
    assert 4 * updates > KILLS, f"only {updates} updates were done between {KILLS} kills"
    print(f"{KILLS} kills in {updates} updates, {epochs} epochs; sha256 of the model {hash_of('whole.weir')}")


main()
