#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples of docs/interop.md, as it says to run them. The one that trains in PyTorch runs where the Python package is installed
# (tests/package/python.sh).
set -eu
skip() {
    echo "skipped: $1"
    exit 77
}
fail() { echo "examples: $*" >&2; exit 1; }
[ -n "${WEIR:-}" ] && [ -n "${WEIR_LIBRARY:-}" ] || skip "this build has no command or no shared libraries"
examples=$WEIR_SOURCE_DIR/examples/interop

# same FILE FILE: equal to 1e-5
same() {
    "$PYTHON" - "$1" "$2" <<'PYTHON_END'
import sys
rows = [[[float(n) for n in line.split()] for line in open(path)] for path in sys.argv[1:]]
assert len(rows[0]) > 5 and [len(r) for r in rows[0]] == [len(r) for r in rows[1]], "other shapes"
gap = max(abs(a - b) for r, s in zip(*rows) for a, b in zip(r, s))
print(f"largest difference {gap:.3g}")
sys.exit(not gap < 1e-5)
PYTHON_END
}

"${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$WEIR_SOURCE_DIR/include" "$examples/step.c" "$WEIR_FORMAT_LIBRARY" "$WEIR_LIBRARY" -o step
LD_LIBRARY_PATH=$(dirname "$WEIR_LIBRARY")
export LD_LIBRARY_PATH

if "$PYTHON" -c 'import torch' 2>/dev/null; then
    "$PYTHON" "$examples/pytorch_to_c.py"
    "$WEIR" convert model.onnx model.weir --verify
    ./step model.weir <inputs.txt >stepped.txt
    same stepped.txt outputs.txt || fail "a model from PyTorch gives other outputs in C"
    rm model.weir model.onnx
else
    echo "left out: PyTorch to C, for this Python has no torch"
fi

if "$PYTHON" -c 'import numpy, onnxruntime' 2>/dev/null; then
    "$PYTHON" -c '
from math import sin
print("a,b")
for t in range(300):
    print(f"{sin(t / 5):.4f},{sin(t / 7 + 1):.4f}")' >series.csv
    "$WEIR" train series.csv -o model.weir --target a --hidden 16 --epochs 1 --quiet
    "$WEIR" convert model.weir model.onnx
    inputs=$("$WEIR" info model.weir --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["tensors"][0]["shape"][1])')
    "$PYTHON" -c "
import random
random.seed(1)
for t in range(20):
    print(*(random.uniform(-1, 1) for i in range($inputs)))" >inputs.txt
    "$PYTHON" "$examples/weir_to_onnxruntime.py" model.onnx <inputs.txt >outputs.txt
    ./step model.weir <inputs.txt >stepped.txt
    same stepped.txt outputs.txt || fail "ONNX Runtime gives other outputs than Weir"
else
    echo "left out: Weir to ONNX Runtime, for this Python has no onnxruntime"
fi
