#!/bin/sh
# SPDX-License-Identifier: MIT
# A model file with any single bit of its header flipped is refused in one sentence or, where the bit does not matter, read.
. "$(dirname "$0")/lib.sh"

make_text >text.txt
make_series >flow.csv
make_labels >labels.csv
train="$WEIR train --quiet --epochs 1 --hidden 4 --layers 1 --threads 1"
expect 0 "" $train text.txt -o text.weir
expect 0 "" $train flow.csv -o flow.weir --horizon 3
expect 0 "" $train labels.csv -o labels.weir

cat >flips.py <<'END_OF_PROGRAM'
import random, struct, subprocess, sys
weir, command, model, *rest = sys.argv[1:]
whole = open(model, "rb").read()
header = 8 + struct.unpack("<Q", whole[:8])[0]
random.seed(1)
bits = random.sample(range(8 * header), 400)
refused = 0
for bit in bits:
    broken = bytearray(whole)
    broken[bit // 8] ^= 1 << bit % 8
    open("flip.weir", "wb").write(broken)
    p = subprocess.run([weir, command, "flip.weir", *rest], capture_output=True, timeout=60)
    clear = p.returncode == 1 and p.stderr.startswith(b"weir: ") and p.stderr.count(b"\n") == 1
    assert p.returncode == 0 or clear, (bit, p.returncode, p.stderr[-500:])
    refused += clear
assert refused > len(bits) / 2, refused
END_OF_PROGRAM
check "generate with a flipped bit" "$PYTHON" flips.py "$WEIR" generate text.weir -n 2
check "eval of a text with a flipped bit" "$PYTHON" flips.py "$WEIR" eval text.weir text.txt --threads 1
check "forecast with a flipped bit" "$PYTHON" flips.py "$WEIR" forecast flow.weir flow.csv --horizon 2
check "classify with a flipped bit" "$PYTHON" flips.py "$WEIR" classify labels.weir labels.csv
check "info with a flipped bit" "$PYTHON" flips.py "$WEIR" info labels.weir

# A name in the notes that the command does not know
sed 's/transform\\":\\"/transform\\":\\"X/; s/\(X[a-z]*\)[a-z]\\"/\1\\"/' flow.weir >transform.weir
check "the notes differ and the length does not" sh -c '! cmp -s flow.weir transform.weir && [ $(wc -c <flow.weir) = $(wc -c <transform.weir) ]'
expect 1 "weir: the model's notes are broken: they do not tell how to forecast" "$WEIR" forecast transform.weir flow.csv
finish
