# SPDX-License-Identifier: MIT
"""Ctrl-C at a terminal while training: the best model so far is kept, the command says so and exits with 130."""
import os
import pty
import subprocess
import time

WEIR = os.environ["WEIR"]


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's end of a terminal whose program has ended
        return b""


def train_until(mark, model, hidden):
    """Types Ctrl-C once `mark` is on the screen; returns exit status and screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(WEIR, ["weir", "train", "text.txt", "-o", model, "--hidden", hidden, "--layers", "1", "--batch", "8",
                        "--steps", "32", "--epochs", "100000"])
    screen, typed, start = b"", False, time.monotonic()
    while piece := read(terminal):
        screen += piece
        assert time.monotonic() - start < 300, screen[-500:]
        if mark in screen and not typed:
            os.write(terminal, b"\x03")
            typed = True
    _, status = os.waitpid(pid, 0)
    assert typed, screen
    return os.waitstatus_to_exitcode(status), screen


def check(mark, sentence, model, hidden):
    status, screen = train_until(mark, model, hidden)
    assert status == 130, (status, screen[-500:])
    assert sentence in screen, screen[-500:]
    subprocess.run([WEIR, "info", model], check=True, stdout=subprocess.DEVNULL)
    assert not [name for name in os.listdir() if name.endswith(".tmp")], os.listdir()


for name in os.listdir():
    os.remove(name)
with open("text.txt", "w") as text:
    text.write("the weir decides how much of the river goes on\n" * 2000)
check(b"epoch 3/", b"interrupted; the best model so far is kept", "kept.weir", "16")
check(b"epoch 1/", b"interrupted; no epoch was done: the weights so far are kept", "early.weir", "256")  # an epoch of seconds
print("2 of 2 cases passed")
