# SPDX-License-Identifier: MIT
"""ONNX files read as models: those that Weir wrote come back bit for bit; those that PyTorch exports, with its old and its new exporter, and
graphs in the manner of tf2onnx and Keras, compute what they computed, to 1e-5; every graph that is no model is refused by its node's name.

PyTorch 2 is another Python's: WEIR_TORCH2_PYTHON names it, else build/peers-venv. It needs the packages onnx and onnxscript."""

import glob
import os
import subprocess
import sys

import libweir as weir
import numpy as np

if weir.files is None:
    weir.skip("this build has no libweir-format")
try:
    import libexporters
    import onnx
    import onnxruntime  # noqa: F401: libconfigs needs it
    import torch
    from libconfigs import distance, session, some_config
    from libnodes import Graph
    from onnx import TensorProto
except ImportError as missing:
    weir.skip(missing)

LIMIT, ROUND_TRIPS = 1e-5, 120
failed, worst = 0, 0.0


def fail(sentence):
    global failed
    failed += 1
    print(sentence)


# ---- What Weir wrote ----


def plain(value):
    """Of ctypes' structures, their fields; of others, themselves."""
    if hasattr(value, "_fields_"):
        return {name: plain(getattr(value, name)) for name, *_ in value._fields_ if name not in ("isa", "allocator")}
    return [plain(part) for part in value] if hasattr(value, "_length_") else value


for k in range(ROUND_TRIPS):
    random = np.random.default_rng(700 + k)
    config = some_config(random, k, False)
    if k % 5 == 0:
        config.update(init="uniform", init_scale=0.25, gate_bias=[0, 2, 0, -1])
    model = weir.Model({name: random.normal(size=value.shape) for name, value in weir.Model(**config).weights().items()}, **config)
    model.save_onnx("again.onnx", states=bool(k % 2))
    if config.get("output") in ("student_t", "negative_binomial"):
        try:
            weir.load("again.onnx")
            fail(f"round trip {k}: the {config['output']} output of an ONNX file was taken for another")
        except weir.WeirError:
            continue
    again = weir.load("again.onnx")
    for (name, value), found in zip(plain(model.config).items(), plain(again.config).values()):
        if value != found:
            fail(f"round trip {k}: {name} {value} became {found}")
    for (name, value), (other, found) in zip(model.weights().items(), again.weights().items(), strict=True):
        if name != other or value.tobytes() != found.tobytes():
            fail(f"round trip {k}: {name} changed in {config}")
print(f"{ROUND_TRIPS} round trips, {failed} failed")

# ---- What PyTorch exported ----


def back_to_torch(model, expected, case, title):
    """nn.LSTM takes the model's weights by name, and they are those that it had."""
    found = model.weights()
    for name, value in expected.items():
        kind, _, rest = name.partition(".")
        if kind == "lstm" and rest.startswith("weight") and not (case_tokens(expected) and rest.startswith("weight_ih_l0")):
            if not np.array_equal(found[f"lstm.{rest}"], value):
                fail(f"{title}: {name} is another")
        if kind == "lstm" and rest.startswith("bias_ih") and not np.array_equal(found[f"lstm.{rest}"], value + expected[name.replace("_ih", "_hh")]):
            fail(f"{title}: {name} is another")


def case_tokens(expected):
    return expected["x"].ndim == 2


def check_torch(title, path, expected):
    global worst
    try:
        model = weir.load(path)
    except weir.WeirError as error:
        return fail(f"{title}: {error}")
    batch = {"tokens" if case_tokens(expected) else "x": expected["x"], **{name: expected[name] for name in ("h0", "c0") if name in expected}}
    difference = distance(model.run(**batch), [expected[name] for name in ("y", "hn", "cn")])
    worst = max(worst, difference)
    if not difference <= LIMIT:
        fail(f"{title}: {difference:.3g} apart")
    back_to_torch(model, expected, None, title)
    return model


def rebuild(model):
    """The same network in torch.nn, from the model's tensors by name."""
    c, weights = model.config, {name: torch.from_numpy(value) for name, value in model.weights().items()}
    lstm = torch.nn.LSTM(c.inputs, c.hidden, c.layers, bidirectional=c.direction == 2)
    state = {name[5:]: value for name, value in weights.items() if name.startswith("lstm.")}
    state |= {name.replace("bias_ih", "bias_hh"): torch.zeros_like(value) for name, value in state.items() if name.startswith("bias_ih")}
    lstm.load_state_dict(state)
    head = torch.nn.Linear(*reversed(weights["head.0.weight"].shape))
    head.load_state_dict({"weight": weights["head.0.weight"], "bias": weights["head.0.bias"]})
    return lstm, head


count = 0
for title, path, case, expected in libexporters.export_all(".", print):
    count += 1
    model = check_torch(title, path, expected)
    if model and case in ({"layers": 3, "dropout": 0.2}, {"layers": 2, "both": True}):
        lstm, head = rebuild(model)
        with torch.no_grad():
            y = head(lstm(torch.from_numpy(expected["x"]))[0]).numpy()
        if not np.abs(y - expected["y"]).max() <= LIMIT:
            fail(f"{title}: back in PyTorch it computes something else")
    os.unlink(path)
print(f"{count} files of PyTorch {torch.__version__}, largest difference {worst:.3g}, {failed} failed")
if count < 150:
    fail(f"PyTorch exported {count} files only")


def newer_torch():
    """A Python with PyTorch 2, onnx and onnxscript, or None with the reason."""
    python = os.environ.get("WEIR_TORCH2_PYTHON", os.path.join(os.environ.get("WEIR_SOURCE_DIR", "."), "build/peers-venv/bin/python"))
    try:
        asked = subprocess.run([python, "-c", "import torch, onnx, onnxscript; assert torch.__version__ >= '2'"], capture_output=True, text=True)
    except OSError as error:
        return None, error
    return (None, asked.stderr.strip().splitlines()[-1:]) if asked.returncode else (python, None)


python, reason = newer_torch()
if python:
    folder = "torch2"
    os.makedirs(folder, exist_ok=True)
    for file in os.listdir(folder):
        os.unlink(os.path.join(folder, file))
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libexporters.py")
    run = subprocess.run([python, program, folder], capture_output=True, text=True)
    if run.returncode:
        fail(f"PyTorch 2 ended with {run.returncode}: {run.stderr[-2000:]}")
    print(run.stdout, end="")
    files = sorted(glob.glob(f"{folder}/*.npz"))
    for file in files:
        with np.load(file) as arrays:
            expected = dict(arrays)
        check_torch(str(expected.pop("title")), file[:-4] + ".onnx", expected)
    print(f"{len(files)} files of PyTorch 2, largest difference {worst:.3g}, {failed} failed")
    if len(files) < 50:
        fail(f"PyTorch 2 exported {len(files)} files only")
else:
    print(f"PyTorch 2 was not asked: {reason}")

# ---- Graphs in the manner of other exporters ----

T, B, I, H = 6, 3, 4, 5
X = np.random.default_rng(2).uniform(-1, 1, (T, B, I)).astype(np.float32)


def turn(array):
    return array.swapaxes(0, 1)


def steps(array):
    """Y (T, D, B, H) as (T, B, D H)."""
    return array.transpose(0, 2, 1, 3).reshape(array.shape[0], array.shape[2], -1)


def check_graph(title, graph, feeds, batch=None, back=lambda y: y, states=None, opset=None, runner_opset=None, domains=()):
    """`back` makes Weir's y of the graph's first output; `states` says which outputs are hn and cn."""
    global worst
    graph.save("graph.onnx", opset, domains)
    try:
        model = weir.load("graph.onnx")
    except weir.WeirError as error:
        return fail(f"{title}: {error}")
    if runner_opset:
        graph.save("graph.onnx", runner_opset)
    found = session("graph.onnx").run(None, feeds)
    y, hn, cn = model.run(**(batch or {"x": feeds["x"]}))
    pairs = [(y, back(found[0])), *[((hn, cn)[which], found[output]) for output, which in (states or {}).items()]]
    difference = max(distance([a], [b]) for a, b in pairs)
    worst = max(worst, difference)
    if not difference <= LIMIT:
        fail(f"{title}: {difference:.3g} apart, shapes {[(a.shape, b.shape) for a, b in pairs]}")
    return model


def keras(activate):
    """(B, T, I), LSTM, the last step, a dense layer with an activation, softmax."""
    g = Graph()
    y, _, _ = g.lstm(g.add("Transpose", g.input("x", ["B", "T", I]), perm=[1, 0, 2]), I, H)
    y = g.add("Transpose", g.squeeze(y, 1), perm=[1, 0, 2])
    y = g.squeeze(g.slice(y, 1, -1, 2**31 - 1), 1)
    g.output(g.add("Softmax", g.dense(activate(g, g.dense(y, H, 7)), 7, 3), axis=-1))
    return g


def number(g, value):
    return g.constant(np.float32(value))


ELEMENTWISE = {
    "silu": lambda g, x: g.add("Mul", x, g.add("Sigmoid", x)),
    "silu, the other way round": lambda g, x: g.add("Mul", g.add("Sigmoid", x), x),
    "gelu": lambda g, x: g.add("Mul", g.add("Mul", x, g.add("Add", g.add("Erf", g.add("Div", x, number(g, 2**0.5))), number(g, 1))), number(g, 0.5)),
    "gelu, halved first": lambda g, x: g.add("Mul", g.add("Mul", number(g, 0.5), x),
                                             g.add("Add", number(g, 1), g.add("Erf", g.add("Mul", x, number(g, 0.5**0.5))))),
    "gelu_tanh": lambda g, x: g.add("Mul", g.add("Mul", number(g, 0.5), x), g.add("Add", number(g, 1), g.add("Tanh", g.add(
        "Mul", number(g, (2 / np.pi)**0.5), g.add("Add", x, g.add("Mul", number(g, 0.044715), g.add("Pow", x, number(g, 3)))))))),
    "mish": lambda g, x: g.add("Mul", x, g.add("Tanh", g.add("Softplus", x))),
    "scaled_tanh": lambda g, x: g.add("Mul", number(g, 1.7159), g.add("Tanh", g.add("Mul", x, number(g, 0.6666667)))),
    "softplus": lambda g, x: g.add("Div", g.add("Softplus", g.add("Mul", x, number(g, 2))), number(g, 2)),
    "softplus, linear above 20": lambda g, x: g.add("Where", g.add("Greater", x, number(g, 20)), x, g.add("Softplus", x)),
    "hard_sigmoid": lambda g, x: g.add("HardSigmoid", x, alpha=0.25, beta=0.4),
    "leaky_relu": lambda g, x: g.add("LeakyRelu", x, alpha=0.3),
    "relu": lambda g, x: g.add("LeakyRelu", x, alpha=0.0),
    "elu": lambda g, x: g.add("Elu", x, alpha=0.5),
    "selu": lambda g, x: g.add("Selu", x),
    "softsign": lambda g, x: g.add("Softsign", x),
    "prelu": lambda g, x: g.add("PRelu", x, g.weights(7)),
    "prelu, shared": lambda g, x: g.add("PRelu", x, number(g, 0.3)),
    "tanh": lambda g, x: g.add("Tanh", g.add("Identity", g.add("Cast", x, to=1))),
    "identity": lambda g, x: g.add("Dropout", x),
}
for name, activate in ELEMENTWISE.items():
    model = check_graph(f"Keras, {name}", keras(activate), {"x": turn(X)}, {"x": X})
    if model and weir.ACTIVATIONS[model.config.dense[0].activation.id] != name.split(",")[0]:
        fail(f"Keras, {name}: became {weir.ACTIVATIONS[model.config.dense[0].activation.id]}")

for opset in (7, 14, 22):
    for title, settings in {
        "plain": {}, "reverse": {"direction": "reverse"}, "both": {"directions": 2}, "without biases": {"bias": False},
        "peepholes": {"peepholes": True}, "peepholes, both": {"peepholes": True, "directions": 2}, "coupled": {"input_forget": 1, "peepholes": True},
        "clip": {"clip": 0.5, "scale": 0.3, "activations": ["Sigmoid", "Tanh", "Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]},
        "activations": {"directions": 2, "activations": ["HardSigmoid", "ScaledTanh", "Elu"] * 2, "activation_alpha": [0.3, 1.2, 0.7] * 2,
                        "activation_beta": [0.4, 0.6] * 2},
        "defaults": {"activations": ["HardSigmoid", "LeakyRelu", "Softsign"]}, "small letters": {"activations": ["sigmoid", "tanh", "relu"]},
    }.items():
        g = Graph(opset)
        g.output(*g.lstm(g.input("x", [None, None, I]), I, H, **settings))
        check_graph(f"opset {opset}, {title}", g, {"x": X}, back=steps, states={1: 0, 2: 1}, runner_opset=14)

for directions in (1, 2):  # ONNX Runtime refuses layout 1
    g, other = Graph(seed=5), Graph(seed=5)
    shape = [None, None, I]
    y, yh, yc = g.lstm(g.input("x", shape), I, H, directions, peepholes=True, layout=1)
    g.output(g.dense(g.add("Reshape", y, g.integers(0, 0, -1)), directions * H, 2), yh)
    y, yh, yc = other.lstm(other.input("x", shape), I, H, directions, peepholes=True)
    other.output(other.dense(other.add("Reshape", other.add("Transpose", y, perm=[0, 2, 1, 3]), other.integers(0, 0, -1)), directions * H, 2), yh)
    g.save("layout.onnx")
    model = check_graph(f"layout 0 for layout 1, {directions}", other, {"x": X}, states={1: 0})
    if model and distance(model.run(x=X), weir.load("layout.onnx").run(x=X)) != 0:
        fail("layout 1 differs from layout 0")


def bidirectional_of_two(merge):
    g = Graph()
    x = g.input("x", [None, None, I])
    forward, backward = g.lstm(x, I, H)[0], g.lstm(x, I, H, direction="reverse")[0]
    g.output(merge(g, g.squeeze(forward, 1), g.squeeze(backward, 1)))
    return g


def distributed(g, x, units):
    """A dense layer over steps and rows in one axis, as Keras has it."""
    shape = g.add("Shape", x)
    flat = g.add("Reshape", x, g.integers(-1, units))
    flat = g.add("Gemm", flat, g.weights(2, units), g.weights(2), transB=1)
    sizes = [g.unsqueeze(g.add("Gather", shape, g.constant(i, np.int64), axis=0), 0) for i in range(2)]
    return g.add("Reshape", flat, g.add("Concat", *sizes, g.integers(2), axis=0))


check_graph("two operators", bidirectional_of_two(lambda g, a, b: g.add("Concat", a, b, axis=-1)), {"x": X})
check_graph("two operators, distributed", bidirectional_of_two(lambda g, a, b: distributed(g, g.add("Concat", a, b, axis=2), 2 * H)), {"x": X})

g = Graph()
halves = g.add("Split", g.lstm(g.input("x", [None, None, I]), I, H, 2)[0], g.integers(1, 1), outputs=2, axis=1)
y = g.add("Concat", *[g.squeeze(half, 1) for half in halves], axis=2)
y, yh, _ = g.lstm(y, 2 * H, H, 2)
g.output(g.dense(g.add("Flatten", g.add("Transpose", yh, perm=[1, 0, 2])), 2 * H, 2))
check_graph("split and flatten", g, {"x": X})

g = Graph()
lengths = g.input("lengths", [None], TensorProto.INT32)
states = [g.input(name, [4, None, H]) for name in ("h0", "c0")]
parts = [[g.slice(state, 0, 2 * layer, 2 * layer + 2) for state in states] for layer in range(2)]
y, h1, c1 = g.lstm(g.input("x", [None, None, I]), I, H, 2, lengths=lengths, h0=parts[0][0], c0=parts[0][1])
y = g.add("Reshape", g.add("Transpose", y, perm=[0, 2, 1, 3]), g.integers(0, 0, -1))
y, h2, c2 = g.lstm(y, 2 * H, H, 2, lengths=lengths, h0=parts[1][0], c0=parts[1][1])
y = g.add("Reshape", g.add("Transpose", y, perm=[0, 2, 1, 3]), g.integers(0, 0, -1))
g.output(y, g.add("Concat", h1, h2, axis=0), g.add("Concat", c1, c2, axis=0))
h0, c0 = (np.random.default_rng(seed).uniform(-0.5, 0.5, (4, B, H)).astype(np.float32) for seed in (1, 2))
given = np.array([6, 3, 1])
check_graph("lengths and states", g, {"x": X, "lengths": given.astype(np.int32), "h0": h0, "c0": c0},
            {"x": X, "lengths": given, "h0": h0, "c0": c0}, states={1: 0, 2: 1})

g = Graph()
y = g.lstm(g.unsqueeze(g.input("x", [None, I]), 1), I, H)[0]
g.output(g.dense(g.squeeze(g.squeeze(y, 1), 1), H, 2))
check_graph("one row", g, {"x": X[:, 0]}, {"x": X[:, :1]}, back=lambda y: y[:, None])

g = Graph()
y = g.squeeze(g.lstm(g.input("x", [T, B, I]), I, H)[0], 1)
y = g.squeeze(g.lstm(y, H, H, peepholes=True)[0], 1)
g.output(g.add("Sigmoid", g.dense(g.slice(y, 0, T - 1, T), H, 2)))
check_graph("sizes fixed, the last step by its number, peepholes in one layer", g, {"x": X}, back=lambda y: y[0])

g = Graph()
y = g.squeeze(g.lstm(g.input("x", [None, None, I]), I, H, direction="reverse")[0], 1)
g.output(g.dense(g.add("Gather", y, g.constant(0, np.int64), axis=0), H, 2))
check_graph("reverse, the first step", g, {"x": X})

g = Graph()
ids = g.input("ids", [None, None], TensorProto.INT64)
y = g.lstm(g.add("OneHot", ids, g.constant(7, np.int64), g.constant([0, 1]), axis=-1), 7, H)[0]
g.output(g.dense(g.squeeze(y, 1), H, 2))
tokens = np.random.default_rng(1).integers(0, 9, (T, B))
check_graph("one-hot", g, {"ids": tokens}, {"tokens": tokens})

g = Graph()
w, r = (g.random.uniform(-0.5, 0.5, (1, 4 * H, n)).astype(np.float16) for n in (I, H))
w, r = (g.add("Cast", g.constant(value, np.float16), to=1) for value in (w, r))
y = g.add("LSTM", g.input("x", [None, None, I]), w, r, hidden_size=H)
g.output(g.add("Cast", g.squeeze(y, 1), to=1))
check_graph("weights of 16 bits", g, {"x": X})

g = Graph(9)  # weights are inputs too, as IR version 3 wants them
y = g.lstm(g.input("x", [None, None, I]), I, H)[0]
g.output(g.squeeze(y, 1))
g.inputs += [onnx.helper.make_tensor_value_info(c.name, TensorProto.FLOAT, c.dims) for c in g.constants]
check_graph("weights as inputs", g, {"x": X})

g = Graph()  # a dead end, and an initial state by Expand, as exporters leave them
x = g.input("x", [None, None, I])
g.add("Abs", x)
zeros = g.add("Expand", number(g, 0), g.add("Concat", g.integers(1), g.add("Where", g.constant([True], bool), g.slice(
    g.add("Shape", x), 0, 1, 2), g.integers(1)), g.integers(H), axis=0))
g.output(g.squeeze(g.lstm(x, I, H, h0=zeros, c0=zeros)[0], 1))
check_graph("dead ends", g, {"x": X})
print(f"graphs in the manner of others: largest difference {worst:.3g}, {failed} failed")

# ---- Refusals ----


def graph(build, **options):
    g = Graph(**options)
    g.output(*build(g, g.input("x", ["T", "B", I])))
    return g


def over(change):
    """A change of the LSTM's output (T, B, H)."""
    return lambda g, x: [change(g, g.squeeze(g.lstm(x, I, H)[0], 1))]


def stacked(first={}, second={}):
    def build(g, x):
        y = g.squeeze(g.lstm(x, I, first.get("hidden", H), **{k: v for k, v in first.items() if k != "hidden"})[0], 1)
        return [g.squeeze(g.lstm(y, first.get("hidden", H), H, **second)[0], 1)]
    return build


def with_attributes(**attributes):
    return lambda g, x: [g.squeeze(g.lstm(x, I, H, **attributes)[0], 1)]


def head(change, units=4):
    return over(lambda g, y: change(g, g.dense(y, H, units)))


def two_outputs(g, x):
    y = g.squeeze(g.lstm(x, I, H)[0], 1)
    return [g.dense(y, H, 2), g.dense(y, H, 3)]


def both_last(g, x):
    y = g.add("Reshape", g.add("Transpose", g.lstm(x, I, H, 2)[0], perm=[0, 2, 1, 3]), g.integers(0, 0, -1))
    return [g.dense(g.add("Gather", y, g.constant(-1, np.int64), axis=0), 2 * H, 2)]


def swapped(g, x):
    a, b = (g.squeeze(g.lstm(x, I, H, direction=way)[0], 1) for way in ("reverse", "forward"))
    return [g.add("Concat", a, b, axis=2)]


def last_with_lengths(g, x):
    y = g.squeeze(g.lstm(x, I, H, lengths=g.input("lengths", ["B"], TensorProto.INT32))[0], 1)
    return [g.dense(g.add("Gather", y, g.constant(-1, np.int64), axis=0), H, 2)]


def shared_state(g, x):
    h0 = g.input("h0", [1, "B", H])
    y = g.squeeze(g.lstm(x, I, H, h0=h0)[0], 1)
    return [g.squeeze(g.lstm(y, H, H, h0=h0)[0], 1)]


def rows_of_state(g, x):
    h0 = g.input("h0", [2, "B", H])
    y = g.squeeze(g.lstm(x, I, H, h0=g.slice(h0, 0, 1, 2))[0], 1)
    return [g.squeeze(g.lstm(y, H, H, h0=g.slice(h0, 0, 0, 1))[0], 1)]


def second_layer_over_rows(g, x):
    y = g.add("Transpose", g.squeeze(g.lstm(x, I, H)[0], 1), perm=[1, 0, 2])
    return [g.squeeze(g.lstm(y, H, H)[0], 1)]


def shared_weights(g, x):
    w, r = g.weights(1, 4 * H, H), g.weights(1, 4 * H, H)
    y = g.dense(g.squeeze(g.lstm(x, I, H)[0], 1), H, H)
    for _ in range(64):
        y = g.squeeze(g.add("LSTM", y, w, r, outputs=1, hidden_size=H), 1)
    return [y]


def weights_from_input(g, x):
    return [g.squeeze(g.add("LSTM", x, g.input("w", [1, 4 * H, I]), g.weights(1, 4 * H, H), hidden_size=H), 1)]


REFUSED = {
    "hidden units": (stacked({"hidden": H + 1}), "node n2 (LSTM) has 5 hidden units, the lowest layer 6; all layers of a model of Weir are alike"),
    "directions": (stacked({}, {"direction": "reverse"}), "node n2 (LSTM) has another direction than the lowest layer"),
    "activations": (stacked({}, {"activations": ["Sigmoid", "Tanh", "Relu"]}), "node n2 (LSTM) has other activations than the lowest layer"),
    "clips": (stacked({}, {"clip": 1.0}), "node n2 (LSTM) has another clip or input_forget"),
    "coupling": (stacked({"input_forget": 1}), "node n2 (LSTM) has another clip or input_forget"),
    "activations of directions": (lambda g, x: g.lstm(x, I, H, 2, activations=["Sigmoid", "Tanh", "Tanh", "Sigmoid", "Tanh", "Relu"])[:1],
                                  "other activations in its reverse direction"),
    "ThresholdedRelu": (with_attributes(activations=["Sigmoid", "ThresholdedRelu", "Tanh"]), "has the activation ThresholdedRelu"),
    "Affine": (with_attributes(activations=["Sigmoid", "Affine", "Tanh"], activation_alpha=[2.0], activation_beta=[0.0]),
               "has the activation Affine with alpha 2 and beta 0"),
    "ScaledTanh alone": (with_attributes(activations=["Sigmoid", "ScaledTanh", "Tanh"]), "ScaledTanh without its alpha and beta"),
    "too many parameters": (with_attributes(activations=["Sigmoid", "Elu", "Tanh"], activation_alpha=[1.0, 2.0]),
                            "has 2 numbers in activation_alpha, but its activations take 1"),
    "two activations": (with_attributes(activations=["Sigmoid", "Tanh"]), "must have three activations for each direction"),
    "direction": (with_attributes(direction="sideways"), "has a direction that is none of"),
    "clip of 0": (with_attributes(clip=0.0), "has a clip that is no positive number"),
    "unknown attribute": (with_attributes(output_sequence=1), "has an attribute output_sequence, which is not known"),
    "hidden_size": (lambda g, x: [g.squeeze(g.add("LSTM", x, g.weights(1, 4 * H, I), g.weights(1, 4 * H, H), hidden_size=4), 1)],
                    "has hidden_size 4, but R of 5 columns"),
    "shape of W": (lambda g, x: [g.squeeze(g.add("LSTM", x, g.weights(1, 3 * H, I), g.weights(1, 4 * H, H)), 1)],
                   "has W of another shape than (1, 20, 4)"),
    "shape of B": (lambda g, x: [g.squeeze(g.add("LSTM", x, g.weights(1, 4 * H, I), g.weights(1, 4 * H, H), g.weights(1, 4 * H)), 1)],
                   "has B of another shape than (1, 40)"),
    "features": (lambda g, x: [g.squeeze(g.lstm(x, I + 1, H)[0], 1)], "has W of 5 columns, for data of another size"),
    "weights that are inputs": (weights_from_input, "has a W (its input 1) that is not a constant"),
    "initial state": (lambda g, x: [g.squeeze(g.lstm(x, I, H, h0=g.weights(1, B, H))[0], 1)], "initial_h that is neither 0 nor an input"),
    "lengths": (lambda g, x: [g.squeeze(g.lstm(x, I, H, lengths=g.constant([3, 3, 3], np.int32))[0], 1)], "sequence_lens that are no input"),
    "the same state twice": (shared_state, "begins with the same initial state as a layer below"),
    "rows of states": (rows_of_state, "takes row 1 of its initial state, where a model of Weir takes row 0"),
    "last step of lengths": (last_with_lengths, "which is 0 for rows that end before"),
    "last step of both": (both_last, "takes the output of the last step of a direction that does not end there"),
    "some steps": (over(lambda g, y: g.slice(y, 0, 1, 3)), "takes a part of an axis that a model of Weir takes whole, or, of steps, the last one"),
    "reversed steps": (over(lambda g, y: g.add("Slice", y, g.integers(-1), g.integers(-99), g.integers(0), g.integers(-1))),
                       "takes every -1th element"),
    "some units": (over(lambda g, y: g.slice(y, 2, 0, 2)), "takes a part of the hidden states"),
    "directions swapped": (swapped, "not the forward and the reverse one"),
    "rows as steps": (second_layer_over_rows, "reads the layer below other than step by step, row by row"),
    "activation of hidden states": (over(lambda g, y: g.dense(g.add("Relu", y), H, 2)), "acts on the output of an LSTM"),
    "residual": (over(lambda g, y: g.add("Add", y, y)), "acts on the output of an LSTM"),
    "scaled input": (lambda g, x: [g.squeeze(g.lstm(g.add("Mul", x, number(g, 2)), I, H)[0], 1)], "changes an input before the LSTM layers"),
    "dense layer below": (lambda g, x: [g.squeeze(g.lstm(g.dense(x, I, I), I, H)[0], 1)], "is a dense layer below the LSTM layers"),
    "dense layer between": (over(lambda g, y: g.squeeze(g.lstm(g.dense(y, H, H), H, H)[0], 1)), "stands above a dense layer or an activation"),
    "activation at the end": (head(lambda g, y: g.add("Tanh", y)), "is an activation (tanh) of the output"),
    "two activations of a layer": (head(lambda g, y: g.dense(g.add("Relu", g.add("Tanh", y)), 4, 2)), "no activation of Weir"),
    "unknown function": (head(lambda g, y: g.dense(g.add("Mul", y, y), 4, 2)), "takes the result of elementwise operators that are no activation"),
    "scaled": (head(lambda g, y: g.add("Mul", y, number(g, 2))), "no activation of Weir"),
    "softplus, linear above 1": (head(lambda g, y: g.dense(g.add("Where", g.add("Greater", y, number(g, 1)), y, g.add("Softplus", y)), 4, 2)),
                                 "no activation of Weir"),
    "vector product": (head(lambda g, y: g.add("Mul", y, g.weights(4))), "combines data with a tensor that is no bias"),
    "second bias": (head(lambda g, y: g.add("Add", y, g.weights(4))), "combines data with a tensor that is no bias"),
    "two branches": (over(lambda g, y: g.add("Add", g.dense(y, H, 2), g.dense(y, H, 2))), "combines two branches"),
    "Swish": (head(lambda g, y: g.dense(g.add("Swish", y, alpha=2.0), 4, 2)), "has alpha 2; Weir's SiLU has 1"),
    "softmax over steps": (head(lambda g, y: g.add("Softmax", y, axis=0)), "is no softmax over the units"),
    "softmax in the middle": (head(lambda g, y: g.dense(g.add("Softmax", y, axis=-1), 4, 2)), "must be the end of the graph"),
    "softmax of hidden states": (over(lambda g, y: g.add("Softmax", y, axis=-1)), "acts on the output of an LSTM"),
    "ten dense layers": (head(lambda g, y: [y := g.dense(y, 4, 4) for _ in range(9)][-1]), "is one of more than 9 dense layers"),
    "unknown operator": (over(lambda g, y: g.add("CumSum", y, g.constant(0, np.int64))), "(CumSum) is an operator that no model of Weir has"),
    "foreign operator": (head(lambda g, y: g.add("Gelu", y, domain="com.microsoft")), "(Gelu) is an operator that no model of Weir has"),
    "Gemm with alpha": (over(lambda g, y: g.add("Gemm", g.add("Reshape", y, g.integers(-1, H)), g.weights(H, 2), alpha=2.0)), "is no dense layer"),
    "units split": (over(lambda g, y: g.add("Reshape", y, g.integers(0, -1))), ""),
    "steps and units mixed": (over(lambda g, y: g.add("Reshape", y, g.integers(3, -1))), "steps, rows and units cannot be told apart"),
    "two outputs": (two_outputs, "is a second one"),
    "no LSTM": (lambda g, x: [g.add("Identity", x)], "is not computed by an LSTM"),
    "states of cells alone": (lambda g, x: g.lstm(x, I, H)[2:], "is the state of cells"),
    "head of the cells": (lambda g, x: [g.dense(g.squeeze(g.lstm(x, I, H)[2], 0), H, 2)], "reads the state of cells"),
    "dropout in training": (over(lambda g, y: g.add("Dropout", y, number(g, 0.5), g.constant(True, bool))), "drops values at random"),
    "half precision": (over(lambda g, y: g.add("Cast", y, to=10)), "changes the type of the numbers"),
    "layers sharing weights": (shared_weights, "stands above a dense layer"),
    "looked-up place": (over(lambda g, y: g.add("Gather", y, g.input("at", [1], TensorProto.INT64), axis=0)), "takes elements at computed places"),
    "OneHot of 2 and 3": (lambda g, x: [g.squeeze(g.lstm(g.add("OneHot", g.input("ids", ["T", "B"], TensorProto.INT64), g.constant(I, np.int64),
                                                             g.constant([2, 3])), I, H)[0], 1)], "has values other than 0 and 1"),
}
del REFUSED["units split"]
ways = 0
for title, (build, sentence) in REFUSED.items():
    graph(build, opset=24 if title == "Swish" else 14).save("refused.onnx", domains=["com.microsoft"] if title == "foreign operator" else ())
    try:
        weir.load("refused.onnx")
        fail(f"{title}: not refused, though '{sentence}' was expected")
    except weir.WeirError as error:
        ways += 1
        if sentence not in str(error) or not str(error).startswith("refused.onnx: "):
            fail(f"{title}: '{error}' instead of '{sentence}'")
print(f"{ways} refusals, {failed} failed")
sys.exit(failed > 0)
