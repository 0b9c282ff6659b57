# SPDX-License-Identifier: MIT
"""The equations of weir_config's comment in weir.h, written out in NumPy, float64."""

import math

import numpy as np

erf = np.vectorize(math.erf)


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def softplus(x, beta=1.0):
    return (np.maximum(beta * x, 0) + np.log1p(np.exp(-np.abs(beta * x)))) / beta


# name: (default alpha, default beta, f(x, alpha, beta)); the defaults are float32, as in the library
ACTIVATIONS = {
    "identity": (0, 0, lambda x, a, b: x),
    "relu": (0, 0, lambda x, a, b: np.maximum(x, 0)),
    "leaky_relu": (0.01, 0, lambda x, a, b: np.where(x > 0, x, a * x)),
    "prelu": (0.25, 0, lambda x, a, b: np.where(x > 0, x, a * x)),
    "sigmoid": (0, 0, lambda x, a, b: sigmoid(x)),
    "tanh": (0, 0, lambda x, a, b: np.tanh(x)),
    "elu": (1, 0, lambda x, a, b: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0)))),
    "selu": (1.6732632423543772, 1.0507009873554805, lambda x, a, b: b * np.where(x > 0, x, a * np.expm1(np.minimum(x, 0)))),
    "gelu": (0, 0, lambda x, a, b: 0.5 * x * (1 + erf(x / math.sqrt(2)))),
    "gelu_tanh": (0, 0, lambda x, a, b: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    "silu": (0, 0, lambda x, a, b: x * sigmoid(x)),
    "mish": (0, 0, lambda x, a, b: x * np.tanh(softplus(x))),
    "softplus": (0, 1, lambda x, a, b: softplus(x, b)),
    "scaled_tanh": (1.7159, 0.66666667, lambda x, a, b: a * np.tanh(b * x)),
    "hard_sigmoid": (0.2, 0.5, lambda x, a, b: np.clip(a * x + b, 0, 1)),
    "softsign": (0, 0, lambda x, a, b: x / (1 + np.abs(x))),
}


def apply(spec, x, slope=None):
    """spec: a name, or (name, alpha[, beta]); slope: the learned ones of a PReLU."""
    name, *given = (spec,) if isinstance(spec, str) else spec
    alpha, beta, f = ACTIVATIONS[name]
    given += [0, 0]
    alpha, beta = (float(np.float32(mine or usual)) for mine, usual in zip(given, (alpha, beta)))
    return f(x, alpha if slope is None else slope, beta)


def layer(config, weights, suffix, x, length, h, c):
    """One direction of one layer over one row: x (T, I) already in the direction's time. Gives the h of each step, and the state."""
    W, R, b = (weights[f"lstm.{part}_{suffix}"] for part in ("weight_ih", "weight_hh", "bias_ih"))
    H = b.size // 4
    p = weights.get(f"lstm.peephole_{suffix}", np.zeros((3, H)))
    slopes = weights.get(f"lstm.slope_{suffix}")
    clip = config.get("activation_clip", 0)

    def squash(place, default, z, slot):
        if clip and (place != "output_activation" or config.get("clip_output", True)):  # ONNX Runtime leaves the output's argument free
            z = np.clip(z, -clip, clip)
        spec = config.get(place, default)
        learned = slopes[slot] if (spec if isinstance(spec, str) else spec[0]) == "prelu" else None
        return apply(spec, z, learned)

    out = []
    for t in range(length):
        z_i, z_f, z_g, z_o = (W @ x[t] + R @ h + b).reshape(4, H)
        i = squash("gate", "sigmoid", z_i + p[0] * c, 0)
        f = squash("gate", "sigmoid", z_f + p[1] * c, 1)
        if config.get("no_forget_gate"):
            f = 1.0
        if config.get("coupled"):
            f = 1 - i
        g = squash("candidate", "tanh", z_g, 2)
        c = f * c + i * g
        if config.get("cell_clip"):
            c = np.clip(c, -config["cell_clip"], config["cell_clip"])
        o = squash("gate", "sigmoid", z_o + p[2] * c, 3)
        h = o * squash("output_activation", "tanh", c, 4)
        if config.get("projection"):
            h = weights[f"lstm.weight_hr_{suffix}"] @ h
        out.append(h)
    return out, h, c


def stack(config, weights, x, length, h0, c0):
    """One row through all layers: x (T, I); h0 (L*D, P), c0 (L*D, H)."""
    direction, h0, c0 = config.get("direction", "forward"), h0.copy(), c0.copy()
    ways = {"forward": [False], "reverse": [True], "both": [False, True]}[direction]
    for k in range(config.get("layers", 1)):
        joined = []
        for d, reverse in enumerate(ways):
            lane, suffix = k * len(ways) + d, f"l{k}" + ("_reverse" if d else "")
            turned = x[:length][::-1] if reverse else x[:length]
            out, h0[lane], c0[lane] = layer(config, weights, suffix, turned, length, h0[lane], c0[lane])
            joined.append(out[::-1] if reverse else out)
        x = np.array([np.concatenate(parts) for parts in zip(*joined)]).reshape(length, len(ways) * h0.shape[1])
    return x, h0, c0


def head(config, weights, x):
    """Rows of x through the dense layers, the output layer, and its meaning."""
    if not config.get("outputs"):
        return x
    dense = config.get("dense", [])
    for k in range(len(dense) + 1):
        x = x @ weights[f"head.{k}.weight"].T + weights[f"head.{k}.bias"]
        if k < len(dense):
            x = apply(dense[k][1], x, weights.get(f"head.{k}.slope"))
    output, n = config.get("output", "linear"), config["outputs"]
    if output == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    if output == "logistic":
        return sigmoid(x)
    if output == "gaussian":
        return np.concatenate([x[:, :n], softplus(x[:, n:]) + 1e-4], axis=1)
    if output == "student_t":
        return np.concatenate([x[:, :n], softplus(x[:, n : 2 * n]) + 1e-4, softplus(x[:, 2 * n :]) + 2.01], axis=1)
    if output == "negative_binomial":
        return softplus(x) + 1e-4
    return x


def run(config, weights, x=None, tokens=None, lengths=None, h0=None, c0=None):
    """y, hn, cn of a batch, as weir_model_run."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    if tokens is not None:
        x = (tokens[:, :, None] == np.arange(config["tokens"])).astype(np.float64)
    T, B = x.shape[:2]
    lanes = config.get("layers", 1) * (2 if config.get("direction") == "both" else 1)
    H = config["hidden"]
    P = config.get("projection") or H
    h0 = np.zeros((lanes, B, P)) if h0 is None else h0.astype(np.float64)
    c0 = np.zeros((lanes, B, H)) if c0 is None else c0.astype(np.float64)
    hn, cn, rows = np.empty_like(h0), np.empty_like(c0), []
    D = lanes // config.get("layers", 1)
    for r in range(B):
        length = T if lengths is None else int(lengths[r])
        top, hn[:, r], cn[:, r] = stack(config, weights, x[:, r].astype(np.float64), length, h0[:, r], c0[:, r])
        if config.get("readout") == "final_state":
            rows.append(head(config, weights, hn[-D:, r].reshape(1, -1))[0])
        else:
            y = head(config, weights, top) if length else np.zeros((0, 0))
            rows.append(np.concatenate([y, np.zeros((T - length, y.shape[1]))]) if length else None)
    if config.get("readout") == "final_state":
        return np.array(rows), hn, cn
    width = max(y.shape[1] for y in rows if y is not None)
    return np.stack([np.zeros((T, width)) if y is None else y for y in rows], axis=1), hn, cn
