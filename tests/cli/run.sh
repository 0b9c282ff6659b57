#!/bin/sh
# SPDX-License-Identifier: MIT
# weir run: models of Weir and ONNX files on arrays of NumPy, the files that it reads and writes, what it refuses.
. "$(dirname "$0")/lib.sh"

if ! "$PYTHON" -c 'import numpy' 2>/dev/null; then
    echo "skipped: $PYTHON has no numpy"
    exit 77
fi
make_text >text.txt
make_series >series.csv
make_labels >labels.csv
train="$WEIR train --quiet --threads 1 --epochs 1"
expect 0 "" $train text.txt -o text.weir --hidden 8 --layers 2 --batch 8 --steps 32
expect 0 "" $train series.csv -o series.weir --hidden 8
expect 0 "" $train labels.csv -o labels.weir --hidden 6 --direction both

# ---- A plain model ----

"$PYTHON" -c '
import numpy as np
rng = np.random.default_rng(1)
np.save("tokens.npy", rng.integers(0, 20, (7, 3)))
np.save("h0.npy", rng.uniform(-1, 1, (2, 3, 8)).astype(np.float32))
np.save("c0.npy", rng.uniform(-1, 1, (2, 3, 8)))
np.save("lengths.npy", np.array([7, 0, 4], np.int32))
np.save("flat.npy", np.zeros((7, 3), np.float32))
np.save("fortran.npy", np.asfortranarray(np.zeros((7, 3, 8), np.float32)))
np.save("short.npy", np.zeros((7, 3), np.int16))
np.save("strings.npy", np.array(["a"]))
np.lib.format.write_array(open("second.npy", "wb"), np.load("tokens.npy"), version=(2, 0))
np.lib.format.write_array(open("third.npy", "wb"), np.load("tokens.npy"), version=(3, 0))'
expect 0 "y  float32 (7, 3, " "$WEIR" run text.weir --input tokens=tokens.npy
expect 0 "hn  float32 (2, 3, 8)" "$WEIR" run text.weir -i tokens=second.npy
expect 0 "" "$WEIR" run text.weir --input tokens=tokens.npy --input h0=h0.npy --input c0=c0.npy --input lengths=lengths.npy \
    --output y=y.npy --output hn=hn.npy --output cn=cn.npy
check "nothing is printed when outputs are written" test ! -s out.txt
check "shapes, types, and what lengths mean" "$PYTHON" -c '
import numpy as np
y, hn, cn, h0, c0 = (np.load(name + ".npy") for name in ("y", "hn", "cn", "h0", "c0"))
assert y.dtype == hn.dtype == cn.dtype == np.float32 and y.shape[:2] == (7, 3) and hn.shape == cn.shape == (2, 3, 8)
assert (y[:, 1] == 0).all() and (y[4:, 2] == 0).all() and np.allclose(y[:, 0].sum(-1), 1, atol=1e-5)
assert (hn[:, 1] == h0[:, 1]).all() and (cn[:, 1] == c0[:, 1].astype(np.float32)).all()'
expect 0 "" "$WEIR" run text.weir --threads 1 --isa scalar --input tokens=tokens.npy --input h0=h0.npy --input c0=c0.npy --input lengths=lengths.npy \
    --output y=again.npy
check "threads and instruction set change no bit" cmp y.npy again.npy
check "the series' model takes x" "$PYTHON" -c '
import json, numpy as np, subprocess, sys
info = json.loads(subprocess.run([sys.argv[1], "info", "series.weir", "--json"], capture_output=True).stdout)
np.save("x.npy", np.zeros((5, 2, int(info["settings"]["input"].split()[0])), np.float32))' "$WEIR"
expect 0 "y  float32 (5, 2, " "$WEIR" run series.weir --input x=x.npy

# The final step of a run in two parts is that of a run in one.
"$PYTHON" -c '
import numpy as np
t = np.load("tokens.npy")
np.save("first.npy", t[:3]); np.save("rest.npy", t[3:])'
expect 0 "" "$WEIR" run text.weir -i tokens=tokens.npy -o y=whole.npy -o hn=hn.npy
expect 0 "" "$WEIR" run text.weir -i tokens=first.npy -o hn=h1.npy -o cn=c1.npy
expect 0 "" "$WEIR" run text.weir -i tokens=rest.npy -i h0=h1.npy -i c0=c1.npy -o y=part.npy -o hn=h2.npy
check "a run in two parts" "$PYTHON" -c '
import numpy as np
assert (np.load("whole.npy")[3:] == np.load("part.npy")).all() and (np.load("hn.npy") == np.load("h2.npy")).all()'

# ---- Refusals ----

refuse() { # PATTERN ARGUMENTS...
    pattern=$1
    shift
    expect 1 "$pattern" "$WEIR" run "$@"
    check "one sentence: $pattern" sh -c 'grep -q "^weir: " out.txt && [ "$(wc -l <out.txt)" = 1 ]'
}
expect 2 "name the model" "$WEIR" run
expect 2 "--input takes NAME=FILE" "$WEIR" run text.weir --input tokens.npy
expect 2 "--input takes NAME=FILE" "$WEIR" run text.weir --input =tokens.npy
expect 2 "names tokens twice" "$WEIR" run text.weir -i tokens=a -i tokens=b
expect 2 "one model is enough" "$WEIR" run a b
refuse "give the model its input: --input tokens=FILE.npy" text.weir
refuse "none.npy cannot be read: No such file" text.weir -i tokens=none.npy
refuse "has no input x" text.weir -i x=tokens.npy
refuse "has no output z" text.weir -i tokens=tokens.npy -o z=z.npy
refuse "input tokens must be of whole numbers and of shape (any, any)" text.weir -i tokens=flat.npy
refuse "input h0 must be of real numbers and of shape (2, 3, 8)" text.weir -i tokens=tokens.npy -i h0=flat.npy
refuse "input lengths must be of whole numbers and of shape (3)" text.weir -i tokens=tokens.npy -i lengths=tokens.npy
refuse "fortran.npy is in Fortran order" text.weir -i tokens=tokens.npy -i h0=fortran.npy
refuse "short.npy has numbers of type <i2" text.weir -i tokens=short.npy
refuse "strings.npy has numbers of type <U1" text.weir -i tokens=strings.npy
refuse "third.npy is no array of NumPy" text.weir -i tokens=third.npy
refuse "text.txt is no array of NumPy" text.weir -i tokens=text.txt
refuse ". is a folder" text.weir -i tokens=.
refuse "missing.weir" missing.weir -i tokens=tokens.npy
refuse "tokens.npy is an input; it is not overwritten" text.weir -i tokens=tokens.npy -o y=tokens.npy
refuse "text.weir is the model; it is not overwritten" text.weir -i tokens=tokens.npy -o y=text.weir
refuse "y.npy is named for two outputs" text.weir -i tokens=tokens.npy -o y=y.npy -o hn=y.npy
refuse "no/such/y.npy cannot be written" text.weir -i tokens=tokens.npy -o y=no/such/y.npy
expect 1 "standard output cannot be written" sh -c '"$0" run text.weir -i tokens=tokens.npy >/dev/full' "$WEIR"

# Headers that are wrong in one place, and a file cut off at every byte of its header.
check "bad .npy files are refused in one sentence" "$PYTHON" -c '
import subprocess, sys
good = open("tokens.npy", "rb").read()
head = good[10:10 + good[8]].decode()
def file(text, tail=good[10 + good[8]:]):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1") + tail
bad = [file(head.replace(a, b)) for a, b in [
    ("(7, 3)", "(7, 4)"), ("(7, 3)", "(7, -3)"), ("(7, 3)", "(99999999999999999999, 3)"), ("(7, 3)", "(4294967296, 4294967296)"), ("(7, 3)", "(7 3)"),
    ("(7, 3)", "7"), ("(7, 3)", "(7, 3"), ("(7, 3)", "(1,1,1,1,1,1,1,21,1)"), ("<i8", "<i16"), ("<i8", "O"), ("<i8", ""), ("False", "Maybe"),
    ("descr", "describe"), ("\x27shape\x27", "\x27descr\x27"), ("{", "["), ("}", "]"), ("}", "} x"), ("(7, 3)", "(7,, 3)"), (", }", ", \x27more\x27: 1}")]]
bad += [good[:n] for n in range(len(good))] + [good + b"x", b"\x93NUMPY\x01\x00\xff\xff" + good[10:], file(head.replace(" ", "\0", 1))]
for b in bad:
    open("bad.npy", "wb").write(b)
    r = subprocess.run([sys.argv[1], "run", "text.weir", "--threads", "1", "--input", "tokens=bad.npy"], capture_output=True, text=True)
    assert r.returncode == 1 and r.stderr.startswith("weir: bad.npy ") and r.stderr.count("\n") == 1, (b, r)' "$WEIR"

# ---- ONNX ----

expect 0 "" "$WEIR" convert text.weir text.onnx
expect 0 "" "$WEIR" run text.weir --input tokens=tokens.npy --output y=own.npy
expect 0 "" "$WEIR" run text.onnx --input tokens=tokens.npy --output y=graph.npy
check "a model of tokens gives the same by its ONNX file" "$PYTHON" -c '
import numpy as np
own, graph = np.load("own.npy"), np.load("graph.npy")
assert own.shape == graph.shape and abs(own - graph).max() < 1e-6'

if "$PYTHON" -c 'import onnx' 2>/dev/null; then
    "$PYTHON" -c '
import numpy as np, onnx
from onnx import TensorProto as T, helper as h, numpy_helper
rng = np.random.default_rng(2)
w = {n: numpy_helper.from_array(rng.uniform(-1, 1, s).astype(np.float32), n) for n, s in (("W", (1, 16, 3)), ("R", (1, 16, 4)), ("M", (4, 2)))}
axes = numpy_helper.from_array(np.array([1]), "axes")
nodes = [h.make_node("LSTM", ["x", "W", "R"], ["h", "", "c"], hidden_size=4), h.make_node("Squeeze", ["h", "axes"], ["s"]),
         h.make_node("MatMul", ["s", "M"], ["y"])]
f = lambda name, shape: h.make_tensor_value_info(name, T.FLOAT, shape)
m = h.make_model(h.make_graph(nodes, "g", [f("x", ["T", "B", 3])], [f("y", None), f("c", None)], [*w.values(), axes]),
                 opset_imports=[h.make_opsetid("", 14)], ir_version=8)
onnx.save(m, "net.onnx")
m.graph.node[2].op_type = "Conv"
onnx.save(m, "conv.onnx")
np.save("x.npy", rng.uniform(-1, 1, (5, 2, 3)).astype(np.float32))
np.save("wide.npy", np.zeros((5, 2, 4), np.float32))'
    expect 0 "y  float32 (5, 2, 2)  least" "$WEIR" run net.onnx --input x=x.npy
    expect 0 "c  float32 (1, 2, 4)" "$WEIR" run net.onnx --input x=x.npy
    expect 0 "" "$WEIR" run net.onnx --input x=x.npy --output y=y1.npy --threads 1 --isa scalar
    expect 0 "" "$WEIR" run net.onnx --input x=x.npy --output y=y2.npy --threads 3
    check "threads and instruction set change no bit of an ONNX file's output" cmp y1.npy y2.npy
    refuse "input x is missing" net.onnx
    refuse "the graph has no input z" net.onnx -i x=x.npy -i z=x.npy
    refuse "input x has 4 in dimension 2, but must have 3" net.onnx -i x=wide.npy
    refuse "input x is of type int64, but must be of type float32" net.onnx -i x=tokens.npy
    refuse "net.onnx has no output z" net.onnx -i x=x.npy -o z=z.npy
    refuse "conv.onnx: node number 2 (Conv) is of an operator that is not known" conv.onnx -i x=x.npy
    head -c 100 net.onnx >cut.onnx
    refuse "cut.onnx: " cut.onnx -i x=x.npy
else
    echo "without onnx: the part on ONNX files was left out"
fi
finish
