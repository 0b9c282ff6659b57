# SPDX-License-Identifier: MIT
"""The forward pass against ONNX Runtime's LSTM operator, with peepholes: at most 1e-5 apart.

The gates stand in the order i, o, f, c there (peepholes i, o, f). Two things are done otherwise there and not compared: a row of length
0 loses its initial state, and the clip does not reach the argument of the output activation, so clipped cases keep |c| within it."""

import sys

import libweir as weir
import numpy as np

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    weir.skip(missing)

LIMIT, CASES = 1e-5, 180
# ONNX's name, and the parameters to pass explicitly: those of Weir's default, or others.
ACTIVATIONS = {
    "identity": ("Affine", [(1.0, 0.0)]), "relu": ("Relu", [()]), "tanh": ("Tanh", [()]), "sigmoid": ("Sigmoid", [()]),
    "leaky_relu": ("LeakyRelu", [(0.01,), (0.2,)]), "elu": ("Elu", [(1.0,), (0.6,)]), "softplus": ("Softplus", [()]),
    "scaled_tanh": ("ScaledTanh", [(1.7159, 0.66666667), (2.0, 0.5)]), "hard_sigmoid": ("HardSigmoid", [(0.2, 0.5), (0.3, 0.4)]),
    "softsign": ("Softsign", [()]),
}
FEATURES = ["plain", "no_peepholes", "lengths", "state", "clip", "coupled", "activations", "everything"]


def to_onnx_order(gates):
    """Rows of i, f, g, o to i, o, f, c."""
    i, f, g, o = np.split(gates, 4)
    return np.concatenate([i, o, f, g])


def onnx_model(config, weights):
    suffixes = ["l0", "l0_reverse"] if config["direction"] == "both" else ["l0"]
    D, H = len(suffixes), config["hidden"]

    def stacked(part, order):
        return np.stack([order(weights[f"lstm.{part}_{suffix}"]) for suffix in suffixes])

    constants = {
        "W": stacked("weight_ih", to_onnx_order),
        "R": stacked("weight_hh", to_onnx_order),
        "B": stacked("bias_ih", lambda b: np.concatenate([to_onnx_order(b), np.zeros_like(b)])),
    }
    if not config.get("no_peepholes"):
        constants["P"] = stacked("peephole", lambda p: p[[0, 2, 1]].reshape(-1))
    names, alphas, betas = [], [], []
    for place, usual in (("gate", "sigmoid"), ("candidate", "tanh"), ("output_activation", "tanh")):
        name, *parameters = config.get(place, (usual,))
        names.append(ACTIVATIONS[name][0])
        alphas += parameters[:1]
        betas += parameters[1:]
    attributes = {"hidden_size": H, "activations": names * D, "input_forget": int(config.get("coupled", False)),
                  "direction": {"forward": "forward", "reverse": "reverse", "both": "bidirectional"}[config["direction"]]}
    if alphas:
        attributes["activation_alpha"] = alphas * D
    if betas:
        attributes["activation_beta"] = betas * D
    if config.get("activation_clip"):
        attributes["clip"] = config["activation_clip"]
    inputs = ["X", "W", "R", "B", "lengths", "h0", "c0", "P" if "P" in constants else ""]
    node = helper.make_node("LSTM", inputs, ["Y", "Y_h", "Y_c"], **attributes)

    def value(name, kind, rank):
        return helper.make_tensor_value_info(name, kind, [None] * rank)

    graph = helper.make_graph(
        [node], "lstm",
        [value("X", TensorProto.FLOAT, 3), value("lengths", TensorProto.INT32, 1), value("h0", TensorProto.FLOAT, 3),
         value("c0", TensorProto.FLOAT, 3)],
        [value("Y", TensorProto.FLOAT, 4), value("Y_h", TensorProto.FLOAT, 3), value("Y_c", TensorProto.FLOAT, 3)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def some_config(random, k):
    feature = FEATURES[k % len(FEATURES)]
    every = feature == "everything"
    config = {"inputs": int(random.integers(1, 30)), "hidden": int(random.integers(1, 50)), "seed": k + 1,
              "direction": weir.DIRECTIONS[k // len(FEATURES) % 3]}
    if feature == "no_peepholes":
        config["no_peepholes"] = True
    clipped = feature == "clip"
    if clipped:
        config["activation_clip"] = float(np.float32(random.uniform(0.5, 1.5)))
    if feature == "coupled" or every or (clipped and random.random() < 0.3):
        config["coupled"] = True
    if feature == "activations" or every or (clipped and random.random() < 0.5):
        for place in ("gate", "candidate", "output_activation"):
            name = random.choice(list(ACTIVATIONS))
            config[place] = (str(name), *random.choice(ACTIVATIONS[name][1]).tolist())
    return config, feature == "lengths" or every, feature in ("state", "clip") or every


def largest_cell(config, weights, x, state):
    """The largest |c| of any step: the final states of all beginnings, and for the reverse direction of all ends."""
    model, T, reverse = weir.Model(weights, **config), len(x), {"forward": [False], "reverse": [True], "both": [False, True]}
    return max(float(np.abs(model.run(x=x[T - t:] if backward else x[:t], **state)[2][lane]).max())
               for lane, backward in enumerate(reverse[config["direction"]]) for t in range(1, T + 1))


worst, failed, clips_felt, by_feature = 0.0, 0, 0, dict.fromkeys(FEATURES, 0.0)
for k in range(CASES):
    random = np.random.default_rng(5000 + k)
    config, with_lengths, with_state = some_config(random, k)
    T, B, H, D = int(random.integers(1, 20)), int(random.integers(1, 9)), config["hidden"], 2 if config["direction"] == "both" else 1
    spread, clip = 0.3, config.get("activation_clip")
    if clip:
        spread = 1.0
    weights = {name: random.uniform(-spread, spread, value.shape).astype(np.float32)
               for name, value in weir.Model(**config).weights().items()}
    x = random.uniform(-1, 1, (T, B, config["inputs"])).astype(np.float32)
    lengths = random.integers(1, T + 1, B) if with_lengths else np.full(B, T)
    h0, c0 = (random.uniform(-0.8, 0.8, (D, B, H)).astype(np.float32) * with_state for _ in range(2))
    feeds = {"X": x, "lengths": lengths.astype(np.int32), "h0": h0, "c0": c0}
    if clip:
        h0, c0 = h0 * np.float32(0.1), c0 * np.float32(0.1)
        feeds.update(h0=h0, c0=c0)
    state = {"h0": h0, "c0": c0} if with_state else {}
    while True:  # smaller weights until the recurrence stays bounded
        y, hn, cn = onnx_model(config, weights).run(None, feeds)
        if max(np.abs(y).max(), np.abs(cn).max()) <= 3 and not (clip and largest_cell(config, weights, x, state) > clip):
            break
        weights = {name: value / 2 if name.startswith("lstm.weight_hh") or not clip else value * np.float32(0.8)
                   for name, value in weights.items()}
    expected = y.transpose(0, 2, 1, 3).reshape(T, B, D * H), hn, cn
    model = weir.Model(weights, **config)
    got = model.run(x=x, lengths=lengths if with_lengths else None, **state)
    if clip:
        free = weir.Model(weights, **{**config, "activation_clip": 0}).run(x=x, **state)
        clips_felt += float(np.abs(free[0] - got[0]).max()) > 1e-3
    difference = max(float(np.abs(a - b).max()) for a, b in zip(got, expected))
    worst, feature = max(worst, difference), FEATURES[k % len(FEATURES)]
    by_feature[feature] = max(by_feature[feature], difference)
    if not difference <= LIMIT:
        failed += 1
        print(f"case {k}: {difference:.3g} apart: {config}, T {T}, B {B}, parts "
              + ", ".join(f"{np.abs(a - b).max():.3g}" for a, b in zip(got, expected)))
print(", ".join(f"{feature} {difference:.2g}" for feature, difference in by_feature.items()))
if clips_felt < CASES // len(FEATURES) // 2:
    failed += 1
    print(f"the clip changed the output in {clips_felt} cases only")
print(f"{CASES} cases, largest difference {worst:.3g}, {failed} failed")
sys.exit(failed > 0)
