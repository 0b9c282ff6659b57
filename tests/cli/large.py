# SPDX-License-Identifier: MIT
"""Data larger than memory, in small: a text of 300 MB and a table of 80 MB in the memory of a small one, the weights that texts gave
before they were read by windows, pipes, files that change, disks that are full."""

import hashlib
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

WEIR = os.environ["WEIR"]
SMALL = ["--hidden", "8", "--layers", "1", "--threads", "1"]
failed = 0
shutil.rmtree("work", ignore_errors=True) # what a run that failed left
os.mkdir("work")
os.chdir("work")


def check(what, good, *more):
    global failed
    if not good:
        failed += 1
        print("FAILED:", what, *more)


def run(*arguments, status=0, **how):
    done = subprocess.run([WEIR, *arguments], capture_output=True, text=True, check=False, **how)
    check(f"status {status} of weir {' '.join(arguments)}", done.returncode == status, done.returncode, done.stderr)
    return done


def says(sentence, *arguments, **how):
    done = run(*arguments, status=1, **how)
    check(f'"{sentence}" from weir {" ".join(arguments)}', sentence in done.stderr and done.stderr.count("\n") == 1, done.stderr)


def tensors(path):
    with open(path, "rb") as f:
        data = f.read()
    return hashlib.sha256(data[8 + struct.unpack("<Q", data[:8])[0]:]).hexdigest()


def limited():
    """Heap, stacks and all other private memory in 100 MiB; mapped files do not count."""
    resource.setrlimit(resource.RLIMIT_DATA, (100 << 20, 100 << 20))


def train_a_while(*arguments):
    """Lets it train for a second and stops it; its largest memory in MiB, and what it said the trainer takes."""
    p = subprocess.Popen([WEIR, "train", *arguments], stderr=subprocess.PIPE, text=True, preexec_fn=limited)
    said = []
    for line in p.stderr:
        said.append(line)
        if line.startswith("model:"):
            threading.Timer(1, p.send_signal, [signal.SIGTERM]).start()
            break
    said += p.stderr.readlines()
    _, status, used = os.wait4(p.pid, 0)
    check(f"training on {arguments[0]} works until it is stopped", os.waitstatus_to_exitcode(status) in (0, 143), status, said)
    trainer = [float(line.split("; ")[1].split()[0]) for line in said if "MiB to train" in line]
    return used.ru_maxrss / 1024, trainer[0] if trainer else 0


# ---- The same weights as by the release that kept all tokens in memory

with open("text.txt", "w", encoding="utf-8") as f:
    f.writelines(f"the weir decides how much of the river goes on, {i * 7919 % 1000} times\n" for i in range(3000))
SETTINGS = ["--hidden", "24", "--layers", "2", "--batch", "40", "--steps", "30", "--epochs", "1", "--rate", "0.01", "--split", "0.8", "--optimizer",
            "adam", "--clip", "5", "--dropout", "0", "--head-dropout", "0", "--schedule", "constant", "--seed", "1", "--quiet"]
run("train", "text.txt", "-o", "m.weir", *SETTINGS)
check("the weights are those of before", tensors("m.weir") == "ab8ada2996c23196d811d6c28ead4caed9ec07b118820d0cc1530db2cd6acb43", tensors("m.weir"))
with open("text.txt", "rb") as f:
    data = f.read()
for name, part in (("a.txt", data[:50001]), ("b.txt", data[50001:])):
    with open(name, "wb") as f:
        f.write(part)
run("train", "a.txt", "b.txt", "-o", "joined.weir", *SETTINGS)
run("train", "/dev/stdin", "-o", "piped.weir", *SETTINGS, input=data.decode())
check("two files joined give the same model", open("joined.weir", "rb").read() == open("m.weir", "rb").read())
check("a pipe gives the same model", open("piped.weir", "rb").read() == open("m.weir", "rb").read())

# ---- A text of 300 MB, most of it a hole in the file

with open("big.txt", "wb") as f:
    f.write(data)
    f.seek(300_000_000)
    f.write(data)
used, trainer = train_a_while("big.txt", "-o", "big.weir", *SMALL)
print(f"text of 300 MB: {used:.0f} MiB, of which the trainer takes {trainer:.0f}")
check("a text of 300 MB trains in 40 MiB beside the trainer", used < trainer + 40, used)
run("eval", "big.weir", "big.txt", "--from", "0.9995", preexec_fn=limited)
os.remove("big.txt")

# ---- Files that change

shutil.copy("text.txt", "growing.txt")
p = subprocess.Popen([WEIR, "train", "growing.txt", "-o", "growing.weir", *SMALL, "--epochs", "100000"], stderr=subprocess.PIPE, text=True)
for line in p.stderr:
    if line.startswith("epoch 2/"):
        with open("growing.txt", "a", encoding="utf-8") as f:
            f.write("more")
        break
rest = [line for line in p.stderr if line.startswith("weir:")]
check("a text that grows ends the training with one sentence", p.wait() == 1 and rest[:1] == [
    f"weir: growing.txt has changed from {len(data)} to {len(data) + 4} bytes while it is read; start again when it stays as it is; "
    "the best model so far is kept\n"], rest)
check("and the best model is kept", os.path.exists("growing.weir"))

# ---- A table of 80 MB

rows = ["".join(f"%s,{(i * 37 + j * 11) % 201 / 10},{(i * j) % 17},{'NS'[i % 2]},{i * j % 997 / 7:.4f},{'up' if j % 2 else 'down'}\n"
                for i in range(100)) for j in range(50)]
size = 0
with open("big.csv", "w", encoding="utf-8") as f:
    f.write("id,a,b,wind,c,label\n")
    for s in range(10**9):
        size += f.write(rows[s * 7 % 50].replace("%s", f"s{s}"))
        if size > 80_000_000:
            break
used, _ = train_a_while("big.csv", "-o", "big.weir", *SMALL, "--batch", "256")
print(f"table of 80 MB: {used:.0f} MiB with mapped files, less than 100 without")
says("there can be no temporary file for big.csv in /nowhere: No such file or directory; set TMPDIR to another folder",
     "train", "big.csv", "-o", "x.weir", env={**os.environ, "TMPDIR": "/nowhere"})
os.mkdir("tmp")
traced = ["strace", "-f", "-o", "trace.txt", "-e", "trace=fallocate", "-e", "inject=fallocate:error=ENOSPC:when=2+",
          WEIR, "train", "big.csv", "-o", "x.weir"]
if shutil.which("strace") and subprocess.run(["strace", "-o", "trace.txt", "true"], check=False, capture_output=True).returncode == 0:
    done = subprocess.run(traced, capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": "tmp"})
    check("a full disk is one sentence", done.returncode == 1
          and "MiB in tmp: No space left on device; set TMPDIR to a folder with room\n" in done.stderr
          and done.stderr.startswith("weir: the temporary file for big.csv cannot hold ") and done.stderr.count("\n") == 1, done.stderr)
check("no temporary file stays", os.listdir("tmp") == [] and not os.path.exists("x.weir"))

# ---- A table through a pipe

with open("big.csv", encoding="utf-8") as f:
    head = "".join(f.readline() for _ in range(4001))
os.remove("big.csv")
with open("small.csv", "w", encoding="utf-8") as f:
    f.write(head)
os.mkfifo("pipe.csv")
feeder = threading.Thread(target=lambda: open("pipe.csv", "w", encoding="utf-8").write(head))
feeder.start()
run("train", "pipe.csv", "-o", "piped.weir", *SMALL, "--epochs", "1")
feeder.join()
run("train", "small.csv", "-o", "small.weir", *SMALL, "--epochs", "1")
check("a table through a pipe gives the same model", open("piped.weir", "rb").read() == open("small.weir", "rb").read())

print("failed:", failed)
sys.exit(failed > 0)
