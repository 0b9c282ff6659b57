# SPDX-License-Identifier: MIT
"""The scripts of tools/import: a model made in the framework, written by its script, and read by weir convert, gives the framework's own
outputs to 1e-5. Frameworks that are not installed are named and left out; oneDNN's and Kaldi's scripts need none, and their outputs come from
the equations in liblayouts.py. Keras and TensorFlow are tested where PYTHON_FRAMEWORKS names a Python that has them, else in this one."""

import os
import subprocess
import sys

from liblayouts import B, H, I, T, draw, kaldi_step, np, onednn_case, read, sequence, stack, verified, weir, wide, write

LIMIT = 1e-5
SCRIPTS = os.path.join(os.environ["WEIR_SOURCE_DIR"], "tools", "import")
other = os.environ.get("PYTHON_FRAMEWORKS", sys.executable)


def python(*arguments):
    run = subprocess.run([other, *map(str, arguments)], capture_output=True, text=True, timeout=600,
                         env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"})
    return run.returncode, run.stdout, run.stderr


def script(name, *arguments, fails=""):
    status, out, err = python(os.path.join(SCRIPTS, name), *arguments)
    assert (status != 0) == bool(fails) and fails in err, (name, arguments, out, err[-2000:])


def has(module):
    return python("-c", f"import {module}")[0] == 0


def compare(what, layout, *options):
    """weights.safetensors carries its check."""
    difference = verified("weights.safetensors", "model.weir", "--layout", layout, *options)
    assert difference <= LIMIT, (what, difference)
    print(f"{what}: largest difference {difference:.1e}")


# ---- oneDNN ----

for L, D, peepholes, projected in (1, 1, True, False), (3, 2, True, True):
    tensors, x, y = onednn_case(L, D, I, peepholes, projected)
    np.savez("arrays.npz", x=x, y=y, **{name.removeprefix("lstm/"): value for name, value in tensors.items()})
    script("from_onednn.py", "arrays.npz", "weights.safetensors")
    compare(f"oneDNN, {L} layers, {D} directions", "onednn")
np.savez("arrays.npz", weights_layers=draw(1, 1, I, 4, H))
script("from_onednn.py", "arrays.npz", "none.safetensors", fails="weights_layers is none of")

# ---- Kaldi ----


def matrix(value):
    return "[\n" + "\n".join("  " + " ".join(repr(float(n)) for n in row) for row in np.atleast_2d(value)) + " ]\n"


def vector(value):
    return "[ " + " ".join(repr(float(n)) for n in value) + " ]\n"


def kaldi_component(inputs, units, directions):
    """Text of a component, and its cells' steps."""
    name, text, steps = ("<LstmProjected>", "<BlstmProjected>")[directions - 1], "", []
    for _ in range(directions):
        own = [draw(4 * H, inputs), draw(4 * H, units), draw(4 * H), draw(H), draw(H), draw(H), draw(units, H)]
        text += "".join(matrix(a) if a.ndim == 2 else vector(a) for a in own)
        steps.append(kaldi_step(*[a.astype(float) for a in own], clip=0.25))
    head = f"{name} {units * directions} {inputs} \n<CellDim> {H} <LearnRateCoef> 1 <BiasLearnRateCoef> 1 <CellClip> 0.25 <DiffClip> 1 "
    return head + "<CellDiffClip> 0 <GradClip> 250 \n" + text, tuple(steps) if directions == 2 else steps[0]


for directions, units in (1, 3), (2, 2), (1, 1):
    first, step = kaldi_component(I, units, directions)
    second, above = kaldi_component(units * directions, units, directions)
    W, b = draw(4, units * directions), draw(4)
    affine = f"<AffineTransform> 4 {units * directions} \n<LearnRateCoef> 1 <BiasLearnRateCoef> 1 <MaxNorm> 0 {matrix(W)}{vector(b)}"
    with open("nnet.txt", "w") as file:
        file.write(f"<Nnet> \n{first}<!EndOfComponent> \n{second}<!EndOfComponent> \n{affine}<!EndOfComponent> \n</Nnet> \n")
    x = draw(T, B, I)
    y = stack([step, above], x.astype(float), H, units) @ W.T.astype(float) + b
    script("from_kaldi.py", "nnet.txt", "weights.safetensors")
    tensors, metadata = read("weights.safetensors")
    write("weights.safetensors", tensors | {"check.x": x, "check.y": y}, metadata)
    compare(f"Kaldi, {directions} directions, {units} projected", "kaldi-nnet1")
    run = weir("weights.safetensors", "model.weir", "--layout", "kaldi-nnet1", "--cell-clip", "9", "--verify")
    assert run.returncode == 1 and "differs by" in run.stderr  # the clip came from the file
with open("nnet.txt", "w") as file:
    file.write("<Nnet> \n<Sigmoid> 3 3 \n</Nnet> \n")
script("from_kaldi.py", "nnet.txt", "none.safetensors", fails="does not read <Sigmoid>")

# ---- PyTorch ----

MAKE_PYTORCH = """
import torch
torch.manual_seed(1)
class Model(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.lstm = torch.nn.LSTM(4, 5, **options)
        self.fc = torch.nn.Linear((options.get("proj_size") or 5) * (1 + options.get("bidirectional", 0)), 2)
torch.save(Model(num_layers=2, bidirectional=True, proj_size=3).state_dict(), "plain.pt")
torch.save({"epoch": 3, "model": Model(bias=False).half().state_dict()}, "nested.pt")
torch.save(Model().bfloat16().state_dict(), "narrow.pt")
"""
if has("torch"):
    status, _, err = python("-c", MAKE_PYTORCH)
    assert status == 0, err
    for name, options in ("plain", ()), ("nested", ("--key", "model")), ("narrow", ()), ("plain", ("--prefix", "lstm.")):
        script("from_pytorch.py", name + ".pt", "weights.safetensors", *options)
        compare(f"PyTorch, {name} {' '.join(options)}", "pytorch")
else:
    print("PyTorch is not installed: its script was not tested")

# ---- Keras ----

MAKE_KERAS = """
import keras, numpy as np
from keras import layers
keras.utils.set_random_seed(1)
def save(name, *stack):
    model = keras.Sequential([keras.Input((6, 4)), *stack])
    for w in model.weights:  # biases that are not 0 and 1
        w.assign(np.random.default_rng(2).uniform(-0.7, 0.7, w.shape))
    model.save(name + ".keras")
    model.save_weights(name + ".weights.h5")
L, Bi = layers.LSTM, layers.Bidirectional
save("one", L(5, return_sequences=True))
save("classes", L(5, return_sequences=True), layers.Dropout(0.5), L(5), layers.Dense(3, activation="softmax"))
save("both", Bi(L(5, return_sequences=True)), Bi(L(5, return_sequences=True)), layers.Dense(2))
save("last", Bi(L(5)))
save("hard", L(5, return_sequences=True, recurrent_activation="hard_sigmoid", activation="relu"))
save("backwards", L(5, return_sequences=True, go_backwards=True))
save("backwards2", L(5, return_sequences=True, go_backwards=True), layers.Dense(1, activation="sigmoid"))
save("nobias", L(5, return_sequences=True, use_bias=False))
save("sum", Bi(L(5), merge_mode="sum"))
save("conv", layers.Conv1D(4, 2), L(5))
"""
if has("keras"):
    status, _, err = python("-c", MAKE_KERAS)
    assert status == 0, err[-2000:]
    for name in "one", "classes", "both", "last", "hard", "backwards", "backwards2", "nobias":
        script("from_keras.py", name + ".keras", "weights.safetensors")
        compare(f"Keras, {name}", "keras")
    script("from_keras.py", "sum.keras", "none.safetensors", fails="merges its directions by sum")
    script("from_keras.py", "conv.keras", "none.safetensors", fails="is no stack of LSTM layers")
    for name in "one", "classes", "both", "last":  # the same weights from the file that has them alone
        script("from_keras.py", name + ".keras", "model.safetensors")
        script("from_keras.py", name + ".weights.h5", "alone.safetensors")
        whole, alone = read("model.safetensors")[0], read("alone.safetensors")[0]
        assert set(alone) == {n for n in whole if not n.startswith("check.")}, (name, set(alone))
        assert all((whole[n] == value).all() for n, value in alone.items()), name
else:
    print("Keras is not installed: its script was not tested")

# ---- TensorFlow 1 and its block operations ----

MAKE_TF1 = """
import os
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np, tensorflow as tf
v1, cells = tf.compat.v1, tf.compat.v1.nn.rnn_cell
x = np.random.default_rng(3).uniform(-1, 1, (6, 2, 4)).astype(np.float32)
def save(name, cell):
    with tf.Graph().as_default():
        y, _ = v1.nn.dynamic_rnn(cell, tf.constant(x), time_major=True, dtype=tf.float32)
        with v1.Session() as session:
            for v in v1.global_variables():
                session.run(v.assign(np.random.default_rng(len(v.name)).uniform(-0.7, 0.7, v.shape)))
            np.savez(name + ".npz", x=x, y=session.run(y))
            v1.train.Saver().save(session, "./" + name + ".ckpt")
save("basic", cells.BasicLSTMCell(5))
save("peep", cells.LSTMCell(5, use_peepholes=True, cell_clip=0.25))
save("projected", cells.LSTMCell(5, use_peepholes=True, num_proj=3))
save("zero", cells.LSTMCell(5, forget_bias=0.0))
save("deep", cells.MultiRNNCell([cells.LSTMCell(5) for _ in range(3)]))
"""
MAKE_BLOCKS = """
import numpy as np, tensorflow as tf
random = np.random.default_rng(4)
u = lambda *shape: random.uniform(-0.7, 0.7, shape).astype(np.float32)
for version, run, more in (1, tf.raw_ops.BlockLSTM, {"forget_bias": 1.0}), (2, tf.raw_ops.BlockLSTMV2, {}):
    a = dict(w=u(9, 20), wci=u(5), wcf=u(5), wco=u(5), b=u(20))
    x, zeros = u(6, 2, 4), np.zeros((2, 5), np.float32)
    done = run(seq_len_max=6, x=x, cs_prev=zeros, h_prev=zeros, cell_clip=0.25, use_peephole=True, **a, **more)
    np.savez(f"block{version}.npz", x=x, y=done.h.numpy(), **a)
"""
if has("tensorflow"):
    status, _, err = python("-c", MAKE_BLOCKS)
    assert status == 0, err[-2000:]
    for layout, name in ("tf-block", "block1.npz"), ("tf-block-v2", "block2.npz"):
        arrays = dict(np.load(name))
        check = {"check." + n: arrays.pop(n) for n in ("x", "y")}
        write("weights.safetensors", {"lstm/" + n: value for n, value in arrays.items()} | check)
        compare(f"TensorFlow, {name[:-4]}", layout, "--cell-clip", "0.25")
else:
    print("TensorFlow is not installed: its block operations were not tested")
if has("tensorflow, tf_keras"):
    status, _, err = python("-c", MAKE_TF1)
    assert status == 0, err[-2000:]
    for name, own, options in [("basic", (), ()), ("peep", ("--cell-clip", "0.25"), ()), ("projected", (), ()),
                               ("zero", ("--forget-bias", "0"), ("--forget-bias", "0")), ("deep", (), ())]:
        script("from_tf1.py", name + ".ckpt", "weights.safetensors", *own)
        tensors, metadata = read("weights.safetensors")
        if "check.y" in tensors:
            compare(f"TensorFlow 1, {name}, by BlockLSTM", "tf1", *options)
        made = np.load(name + ".npz")
        write("weights.safetensors", tensors | {"check.x": made["x"], "check.y": made["y"]}, metadata)
        compare(f"TensorFlow 1, {name}", "tf1", *options)
else:
    print("TensorFlow or tf_keras is not installed: LSTMCell was not tested")

# ---- TFLite ----

MAKE_TFLITE = """
import os
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np, tensorflow as tf
from tf_keras import Sequential, layers
random = np.random.default_rng(6)
def save(name, *stack, narrow=None):
    model = Sequential([layers.Input((6, 4), batch_size=1), *stack])
    for w in model.weights:
        w.assign(random.uniform(-0.7, 0.7, w.shape))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if narrow:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [narrow]
    open(name + ".tflite", "wb").write(converter.convert())
save("one", layers.LSTM(5, return_sequences=True))
save("deep", layers.LSTM(5, return_sequences=True), layers.LSTM(5, return_sequences=True), layers.Dense(3))
save("half", layers.LSTM(5, return_sequences=True), narrow=tf.float16)
"""
if has("tensorflow, tf_keras"):
    status, _, err = python("-c", MAKE_TFLITE)
    assert status == 0, err[-2000:]
    for name in "one", "deep", "half":
        script("from_tflite.py", name + ".tflite", "weights.safetensors")
        compare(f"TFLite, {name}", "tflite")
else:
    print("TensorFlow or tf_keras is not installed: TFLite was not tested")
