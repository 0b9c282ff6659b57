# SPDX-License-Identifier: MIT
"""Random models of one ONNX LSTM node, with every attribute and every input there and not there, against the equations in float64 (at most 1e-6
apart, of states above 1 that part of the largest) and against ONNX Runtime (1e-5).

ONNX Runtime does not run opset 22 in the version that is installed, nor layout 1, nor without hidden_size, and without steps it does not write
the states; such models are compared with the equations alone. Where a
model has a clip, ONNX Runtime leaves the argument of the output activation free, against ONNX's text: it is compared with the equations in that form,
and with Weir where both forms agree."""

import sys

import libequations as equations
import libgraph
import libweir as weir
import numpy as np

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    weir.skip(missing)

CASES, EXACT, LIMIT = 480, 1e-6, 1e-5
# ONNX's name: Weir's, and the parameters that it takes, as choices; () leaves them out.
FUNCTIONS = {
    "Affine": ("identity", [(1.0, 0.0)]), "Relu": ("relu", [()]), "Tanh": ("tanh", [()]), "Sigmoid": ("sigmoid", [()]),
    "Softsign": ("softsign", [()]), "Softplus": ("softplus", [()]), "LeakyRelu": ("leaky_relu", [(0.01,), (0.2,), (-0.3,)]),
    "Elu": ("elu", [(1.0,), (0.6,)]), "HardSigmoid": ("hard_sigmoid", [(0.2, 0.5), (0.3, 0.4)]),
    "ScaledTanh": ("scaled_tanh", [(1.7159, 0.66666667), (2.0, 0.5)]),
}
# Slopes and thresholds of 0 are Relu.
ZEROS = {"LeakyRelu": (0.0,), "ThresholdedRelu": (0.0,)}
DEFAULTS = {"LeakyRelu": (0.01,), "Elu": (1.0,), "HardSigmoid": (0.2, 0.5)}
GATES = [0, 2, 3, 1]  # i, f, g, o among ONNX's i, o, f, c


def some_functions(random, D):
    """Names and parameters for the node, and Weir's activations, direction by direction."""
    if random.random() < 0.3:
        return None, [{} for _ in range(D)]
    names, alphas, betas, specs = [], [], [], []
    plain = random.random() < 0.3  # leave out all parameters
    pool = ["Sigmoid", "Tanh", "Relu", "Softsign", "LeakyRelu", "Elu", "HardSigmoid"] if plain else list(FUNCTIONS)
    same = [random.choice(pool, 3) for _ in range(D)] if random.random() < 0.5 else [random.choice(pool, 3)] * D
    for d in range(D):
        spec = {}
        for place, name in zip(("gate", "candidate", "output_activation"), same[d]):
            weirs, choices = FUNCTIONS[name]
            if plain:
                parameters = DEFAULTS.get(name, ())
            elif name in ZEROS and random.random() < 0.1:
                weirs, parameters = "relu", ()
                alphas.append(ZEROS[name][0])
            else:
                parameters = choices[random.integers(len(choices))]
                alphas += parameters[:1]
                betas += parameters[1:]
            names.append(name if random.random() < 0.8 else name.lower())
            spec[place] = weirs if name == "Affine" else (weirs, *parameters)
        specs.append(spec)
    return (names, [] if plain else alphas, [] if plain else betas), specs


class Case:
    def __init__(self, k):
        self.random = random = np.random.default_rng(81000 + k)
        self.opset = [7, 14, 14, 22][k % 4]
        self.direction = ["forward", "reverse", "bidirectional"][k // 4 % 3]
        self.D = D = 2 if self.direction == "bidirectional" else 1
        self.layout = int(self.opset >= 14 and random.random() < 0.3)
        self.T = int(random.integers(0, 21)) if random.random() < 0.9 else 0
        self.B, self.I, self.H = int(random.integers(1, 6)), int(random.integers(1, 12)), int(random.integers(1, 20))
        self.clip = float(np.float32(random.uniform(0.3, 1.5))) if random.random() < 0.3 else 0.0
        self.coupled = random.random() < 0.25
        self.functions, self.specs = some_functions(random, D)
        has = {name: random.random() < 0.5 for name in ("B", "lengths", "h0", "c0", "P")}

        def some(*shape):
            return random.uniform(-0.5, 0.5, shape).astype(np.float32)

        H = self.H
        self.weights = {"W": some(D, 4 * H, self.I), "R": some(D, 4 * H, H)}
        if has["B"]:
            self.weights["B"] = some(D, 8 * H)
        if has["P"]:
            self.weights["P"] = some(D, 3 * H)
        self.inputs = {"X": some(self.T, self.B, self.I) * 2}
        if has["lengths"]:
            self.inputs["lengths"] = random.integers(0, self.T + 1, self.B).astype(np.int32)
        for name in "h0", "c0":
            if has[name]:
                self.inputs[name] = some(D, self.B, H) * (np.float32(0.2) if self.clip else 1)
        self.where = random.choice(["initializers", "nodes", "inputs"], p=[0.6, 0.2, 0.2])
        self.outputs = [name for name in ("Y", "Y_h", "Y_c") if random.random() < 0.7] or ["Y"]
        self.say_hidden = random.random() < 0.85  # ONNX Runtime wants it, ONNX does not

    def config(self, d):
        return {"hidden": self.H, "inputs": self.I, "direction": "reverse" if d or self.direction == "reverse" else "forward",
                "coupled": self.coupled, "activation_clip": self.clip, **self.specs[d]}

    def expected(self, clip_output=True):
        """Y (T, D, B, H), Y_h, Y_c (D, B, H), layout 0, in float64."""
        lengths = self.inputs.get("lengths", np.full(self.B, self.T))
        y, hn, cn = np.zeros((self.T, self.D, self.B, self.H)), *(np.zeros((self.D, self.B, self.H)) for _ in range(2))
        for d in range(self.D if lengths.any() else 0):
            b = self.weights.get("B", np.zeros((self.D, 8 * self.H), np.float32)).astype(np.float64)[d].reshape(2, 4, self.H).sum(0)
            named = {"lstm.weight_ih_l0": self.weights["W"][d].reshape(4, self.H, self.I)[GATES].reshape(4 * self.H, self.I),
                     "lstm.weight_hh_l0": self.weights["R"][d].reshape(4, self.H, self.H)[GATES].reshape(4 * self.H, self.H),
                     "lstm.bias_ih_l0": b[GATES].reshape(-1)}
            if "P" in self.weights:
                named["lstm.peephole_l0"] = self.weights["P"][d].reshape(3, self.H)[[0, 2, 1]]
            state = {name: self.inputs[name][d:d + 1] for name in ("h0", "c0") if name in self.inputs}
            y[:, d], hn[d:d + 1], cn[d:d + 1] = equations.run({**self.config(d), "clip_output": clip_output}, named, x=self.inputs["X"],
                                                              lengths=lengths, **state)
        hn[:, lengths == 0] = cn[:, lengths == 0] = 0
        return {"Y": y, "Y_h": hn, "Y_c": cn}

    def model(self):
        attributes = {"direction": self.direction} if self.direction != "forward" or self.random.random() < 0.5 else {}
        if self.say_hidden:
            attributes["hidden_size"] = self.H
        if self.coupled or self.random.random() < 0.3:
            attributes["input_forget"] = int(self.coupled)
        if self.opset >= 14 and (self.layout or self.random.random() < 0.3):
            attributes["layout"] = self.layout
        if self.clip:
            attributes["clip"] = self.clip
        if self.functions:
            names, alphas, betas = self.functions
            attributes["activations"] = names
            if alphas:
                attributes["activation_alpha"] = alphas
            if betas:
                attributes["activation_beta"] = betas
        names = ["X", "W", "R", *(name if name in self.weights or name in self.inputs else "" for name in ("B", "lengths", "h0", "c0", "P"))]
        while not names[-1]:
            names.pop()
        outs = [name if name in self.outputs else "" for name in ("Y", "Y_h", "Y_c")]
        while not outs[-1]:
            outs.pop()
        nodes = [helper.make_node("LSTM", names, outs, name="cell", **attributes)]
        constants = [numpy_helper.from_array(value, name) for name, value in self.weights.items()]
        ports = [(name, value) for name, value in self.inputs.items()]
        if self.where == "nodes":
            nodes = [helper.make_node("Constant", [], [t.name], value=t) for t in constants] + nodes
        elif self.where == "inputs":
            ports += list(self.weights.items())
        graph = helper.make_graph(
            nodes, "lstm",
            [helper.make_tensor_value_info(name, TensorProto.INT32 if name == "lengths" else TensorProto.FLOAT, [None] * value.ndim)
             for name, value in ports],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * (4 if name == "Y" else 3)) for name in self.outputs],
            constants if self.where == "initializers" else [])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8).SerializeToString()

    def feeds(self):
        feeds = dict(self.inputs)
        if self.layout:
            feeds.update({name: np.ascontiguousarray(feeds[name].swapaxes(0, 1)) for name in ("X", "h0", "c0") if name in feeds})
        if self.where == "inputs":
            feeds.update(self.weights)
        return feeds

    def laid_out(self, outputs):
        if not self.layout:
            return outputs
        return {name: value.transpose(2, 0, 1, 3) if name == "Y" else value.swapaxes(0, 1) for name, value in outputs.items()}


def largest(a, b, names):
    return max(float(np.abs(a[name] - b[name]).max(initial=0)) for name in names)


def onnx_runtime(model, case):
    """Its outputs, or None and the reason."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return dict(zip(case.outputs, session.run(case.outputs, case.feeds()))), None
    except Exception as error:
        return None, str(error)


np.seterr(all="ignore")  # weights that are too large are made smaller
failed, compared, refusals, worst = 0, 0, {}, np.zeros(3)
for k in range(CASES):
    case = Case(k)
    expected = case.expected()
    for _ in range(20):  # smaller weights until the recurrence stays bounded
        size = max(np.abs(expected["Y"]).max(initial=0), np.abs(expected["Y_c"]).max())
        if size <= 2:
            break
        case.weights = {name: value * np.float32(0.7) for name, value in case.weights.items()}
        expected = case.expected()
    model = case.model()
    what = f"case {k}: opset {case.opset}, {case.direction}, layout {case.layout}, T {case.T}, B {case.B}, I {case.I}, H {case.H}, clip {case.clip}, " \
           f"coupled {case.coupled}, {case.functions}, weights in {case.where}, {list(case.weights)}, {list(case.inputs)}"
    try:
        got = libgraph.Graph(model).run(**case.feeds())
    except weir.WeirError as error:
        failed += 1
        print(f"{what}: {error}")
        continue
    laid_out = case.laid_out(expected)
    if set(got) != set(case.outputs) or any(got[name].shape != laid_out[name].shape for name in got):
        failed += 1
        print(f"{what}: shapes { {name: value.shape for name, value in got.items()} }")
        continue
    exact = largest(got, laid_out, case.outputs) / max(1, size)
    worst[0] = max(worst[0], exact)
    if not exact <= EXACT:
        failed += 1
        print(f"{what}: {exact:.3g} from the equations")
    theirs, reason = onnx_runtime(model, case)
    if theirs is not None and not case.T:
        theirs, reason = None, "no steps: it runs, but leaves Y_h and Y_c as they were in memory"
    if theirs is None:
        reason = ("opset 22" if case.opset == 22 else "layout 1" if case.layout else "no hidden_size" if "hidden_size" in reason else reason)
        refusals[reason] = refusals.get(reason, 0) + 1
        continue
    compared += 1
    free = case.laid_out(case.expected(clip_output=False)) if case.clip else laid_out
    difference, mine = largest(theirs, free, case.outputs), largest(theirs, got, case.outputs)
    worst[1] = max(worst[1], difference)
    if not difference <= LIMIT:
        failed += 1
        print(f"{what}: ONNX Runtime {difference:.3g} from the equations")
    if largest(free, laid_out, case.outputs) < EXACT:
        worst[2] = max(worst[2], mine)
        if not mine <= LIMIT:
            failed += 1
            print(f"{what}: {mine:.3g} from ONNX Runtime")
print(f"refused by ONNX Runtime {onnxruntime.__version__}: {refusals}")
print(f"{CASES} models, largest difference from the equations {worst[0]:.3g}; {compared} of them by ONNX Runtime, whose largest difference from the "
      f"equations is {worst[1]:.3g}, from Weir {worst[2]:.3g}; {failed} failed")
if compared < 150:
    failed += 1
    print("ONNX Runtime took too few of them")
sys.exit(failed > 0)
