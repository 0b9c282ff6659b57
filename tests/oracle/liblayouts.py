# SPDX-License-Identifier: MIT
# Part of the other tests here; not a test of its own.
"""Weights of other frameworks on random numbers, and the equations that each framework documents, in NumPy, float64.

Sources: Keras, keras/src/layers/rnn/lstm.py; TensorFlow 1, python/ops/rnn_cell_impl.py and core/kernels/lstm_ops.cc; TFLite,
kernels/lstm_eval.cc; oneDNN, developer guide, RNN; Kaldi, nnet/nnet-lstm-projected.h."""

import json
import os
import struct
import subprocess
import sys


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


try:
    import numpy as np
except ImportError as missing:
    skip(missing)
if "WEIR" not in os.environ:
    skip("this build has no command")

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
random = np.random.default_rng(5)


# ---- Files ----


def write(path, tensors, metadata=None):
    """tensors: arrays by name, or (dtype, array) for BF16, whose array holds the bits."""
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, value in tensors.items():
        dtype, value = value if isinstance(value, tuple) else (next(d for d, t in DTYPES.items() if value.dtype == t), value)
        raw = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read(path):
    with open(path, "rb") as file:
        whole = file.read()
    size = struct.unpack("<Q", whole[:8])[0]
    header, data = json.loads(whole[8 : 8 + size]), whole[8 + size :]
    metadata = header.pop("__metadata__", {})
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], DTYPES[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items()}, metadata


def weir(*arguments):
    return subprocess.run([os.environ["WEIR"], "convert", *map(str, arguments)], capture_output=True, text=True, timeout=60)


def verified(*arguments):
    """The largest difference that --verify prints."""
    run = weir(*arguments, "--verify", "--json", "--tolerance", 1e9)
    assert run.returncode == 0, (arguments, run.stderr)
    return json.loads(run.stdout)["verify"]["difference"]


# ---- Equations ----


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def hard_sigmoid(x):  # of Keras 3: relu6(x + 3) / 6
    return np.clip(x + 3, 0, 6) / 6


def sequence(step, x, H, P, reverse=False):
    """h of each step, in the order in which they were computed."""
    h, c, out = np.zeros((x.shape[1], P)), np.zeros((x.shape[1], H)), []
    for x_t in x[::-1] if reverse else x:
        h, c = step(x_t, h, c)
        out.append(h)
    return np.array(out)


def stack(steps, x, H, P):
    """steps: for each layer one step, or a pair for two directions."""
    for step in steps:
        if isinstance(step, tuple):
            x = np.concatenate([sequence(step[0], x, H, P), sequence(step[1], x, H, P, True)[::-1]], axis=-1)
        else:
            x = sequence(step, x, H, P)
    return x


def keras_step(kernel, recurrent_kernel, bias, gate=sigmoid, activation=np.tanh):
    def step(x, h, c):
        i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
        c = gate(f) * c + gate(i) * activation(g)
        return gate(o) * activation(c), c

    return step


def tf1_step(kernel, bias, diag=(0, 0, 0), projection=None, forget_bias=1.0, clip=None):
    """LSTMCell; BasicLSTMCell without the rest. diag: w_i_diag, w_f_diag, w_o_diag."""

    def step(x, m, c):
        i, j, f, o = np.split(np.concatenate([x, m], axis=1) @ kernel + bias, 4, axis=1)
        c = sigmoid(f + forget_bias + diag[1] * c) * c + sigmoid(i + diag[0] * c) * np.tanh(j)
        if clip:
            c = np.clip(c, -clip, clip)
        m = sigmoid(o + diag[2] * c) * np.tanh(c)
        return (m if projection is None else m @ projection), c

    return step


def block_step(w, b, wci, wcf, wco, order, forget_bias, clip=0):
    """BlockLSTM (order icfo) and BlockLSTMV2 (ifco)."""

    def step(x, h_prev, cs_prev):
        parts = dict(zip(order, np.split(np.concatenate([x, h_prev], axis=1) @ w + b, 4, axis=1)))
        i = sigmoid(cs_prev * wci + parts["i"])
        f = sigmoid(cs_prev * wcf + parts["f"] + forget_bias)
        cs = np.tanh(parts["c"]) * i + cs_prev * f
        if clip > 0:
            cs = np.clip(cs, -clip, clip)
        return np.tanh(cs) * sigmoid(cs * wco + parts["o"]), cs

    return step


def tflite_step(t, projection=None, clip=0):
    def gate(name, x, h, bias):
        return x @ t[f"input_to_{name}_weights"].T + h @ t[f"recurrent_to_{name}_weights"].T + t[bias]

    def peephole(name, c):
        return t.get(f"cell_to_{name}_weights", 0) * c

    def step(x, h, c):
        i = sigmoid(gate("input", x, h, "input_gate_bias") + peephole("input", c))
        f = sigmoid(gate("forget", x, h, "forget_gate_bias") + peephole("forget", c))
        c = f * c + i * np.tanh(gate("cell", x, h, "cell_gate_bias"))
        if clip > 0:
            c = np.clip(c, -clip, clip)
        h = sigmoid(gate("output", x, h, "output_gate_bias") + peephole("output", c)) * np.tanh(c)
        return (h if projection is None else h @ projection.T), c

    return step


def onednn_step(layer, iteration, bias, peephole=None, projection=None):
    """ldigo without l and d: (i, 4, o), (h, 4, o), (4, o), (3, o), (o, p)."""
    p = np.zeros((3, bias.shape[1])) if peephole is None else peephole

    def step(x, h, c):
        a = np.einsum("bi,igo->gbo", x, layer) + np.einsum("bh,hgo->gbo", h, iteration) + bias[:, None]
        i, f = sigmoid(a[0] + p[0] * c), sigmoid(a[1] + p[1] * c)
        c = f * c + i * np.tanh(a[2])
        h = sigmoid(a[3] + p[2] * c) * np.tanh(c)
        return (h if projection is None else h @ projection), c

    return step


def kaldi_step(w_x, w_r, bias, i_c, f_c, o_c, w_m=None, clip=0):
    def step(x, r, c):
        g, i, f, o = np.split(x @ w_x.T + r @ w_r.T + bias, 4, axis=1)
        c = np.tanh(g) * sigmoid(i + c * i_c) + c * sigmoid(f + c * f_c)
        if clip > 0:
            c = np.clip(c, -clip, clip)
        m = np.tanh(c) * sigmoid(o + c * o_c)
        return (m if w_m is None else m @ w_m.T), c

    return step


# ---- Weights ----


def draw(*shape):
    """Multiples of 2^-12 below 1: exact in float32, and so is 1 more."""
    return (random.integers(-2800, 2800, shape) / 4096).astype(np.float32)


def wide(tensors):
    return {name: value.astype(np.float64) for name, value in tensors.items()}


def inputs_of(layer, I, D, P):
    return D * P if layer else I


T, B, I, H, P = 6, 3, 4, 5, 3


def keras_case(L, D, gate=sigmoid, reverse=False):
    t, steps = {}, []
    for k in range(L):
        number, pair = f"_{k}" if k else "", []
        for d in range(D):
            way = ("forward_", "backward_")[d]
            stem = f"bidirectional{number}/{way}lstm{number}/lstm_cell/" if D == 2 else f"lstm{number}/lstm_cell/"
            t[stem + "kernel"], t[stem + "recurrent_kernel"] = draw(inputs_of(k, I, D, H), 4 * H), draw(H, 4 * H)
            t[stem + "bias"] = draw(4 * H)
            pair.append(keras_step(*[t[stem + n].astype(float) for n in ("kernel", "recurrent_kernel", "bias")], gate))
        steps.append(tuple(pair) if D == 2 else pair[0])
    x = draw(T, B, I)
    # go_backwards gives the steps in the order of processing; Weir gives them in the order of time
    y = sequence(steps[0], x.astype(float), H, H, True)[::-1] if reverse else stack(steps, x.astype(float), H, H)
    return t, x, y


def tf1_case(L, D, peepholes, projected, clip=None, forget_bias=1.0):
    t, steps, width = {}, [], P if projected else H
    for k in range(L):
        pair = []
        for d in range(D):
            stem = f"rnn/multi_rnn_cell/cell_{k}/lstm_cell/"
            if D == 2:
                stem = f"stack_bidirectional_rnn/cell_{k}/bidirectional_rnn/{('fw', 'bw')[d]}/lstm_cell/"
            mine = {"kernel": draw(inputs_of(k, I, D, width) + width, 4 * H), "bias": draw(4 * H)}
            if peepholes:
                mine |= {f"w_{g}_diag": draw(H) for g in "ifo"}
            if projected:
                mine["projection/kernel"] = draw(H, P)
            t |= {stem + n: v for n, v in mine.items()}
            m = wide(mine)
            diag = [m.get(f"w_{g}_diag", 0) for g in "ifo"]
            pair.append(tf1_step(m["kernel"], m["bias"], diag, m.get("projection/kernel"), forget_bias, clip))
        steps.append(tuple(pair) if D == 2 else pair[0])
    x = draw(T, B, I)
    return t, x, stack(steps, x.astype(float), H, width)


def block_case(version, peepholes, clip=0):
    t, steps = {}, []
    for k in range(2):
        stem = "lstm" + (f"_{k}" if k else "") + "/"
        mine = {"w": draw(inputs_of(k, I, 1, H) + H, 4 * H), "b": draw(4 * H)}
        if peepholes:
            mine |= {name: draw(H) for name in ("wci", "wcf", "wco")}
        t |= {stem + n: v for n, v in mine.items()}
        m = wide(mine)
        order, forget_bias = ("icfo", 1.0) if version == 1 else ("ifco", 0.0)
        steps.append(block_step(m["w"], m["b"], *[m.get(n, 0) for n in ("wci", "wcf", "wco")], order, forget_bias, clip))
    x = draw(T, B, I)
    return t, x, stack(steps, x.astype(float), H, H)


def tflite_case(L, D, peepholes, projected, clip=0):
    t, steps, width = {}, [], P if projected else H
    for k in range(L):
        pair = []
        for d in range(D):
            mine = {}
            for g in ("input", "forget", "cell", "output"):
                mine |= {f"input_to_{g}_weights": draw(H, inputs_of(k, I, D, width)), f"recurrent_to_{g}_weights": draw(H, width),
                         f"{g}_gate_bias": draw(H)}
                if peepholes and g != "cell":
                    mine[f"cell_to_{g}_weights"] = draw(H)
            if projected:
                mine["projection_weights"] = draw(P, H)
            stem = "lstm" + (f"_{k}" if k else "") + "/" + (("fw_", "bw_")[d] if D == 2 else "")
            t |= {stem + n: v for n, v in mine.items()}
            pair.append(tflite_step(wide(mine), wide(mine).get("projection_weights"), clip))
        steps.append(tuple(pair) if D == 2 else pair[0])
    x = draw(T, B, I)
    return t, x, stack(steps, x.astype(float), H, width)


def onednn_case(L, D, inputs, peepholes, projected):
    """All layers in one array each, where their inputs are alike; else the first one apart."""
    t, steps, width = {}, [], P if projected else H
    parts = [(0, L)] if inputs == D * width or L == 1 else [(0, 1), (1, L)]
    for number, (first, last) in enumerate(parts):
        n, stem = last - first, "lstm" + (f"_{number}" if number else "") + "/"
        mine = {"weights_layer": draw(n, D, inputs_of(first, inputs, D, width), 4, H), "weights_iter": draw(n, D, width, 4, H),
                "bias": draw(n, D, 4, H)}
        if peepholes:
            mine["weights_peephole"] = draw(n, D, 3, H)
        if projected:
            mine["weights_projection"] = draw(n, D, H, P)
        t |= {stem + name: value for name, value in mine.items()}
        m = wide(mine)
        for k in range(n):
            pair = tuple(onednn_step(*[m[name][k, d] if name in m else None for name in
                                       ("weights_layer", "weights_iter", "bias", "weights_peephole", "weights_projection")]) for d in range(D))
            steps.append(pair if D == 2 else pair[0])
    x = draw(T, B, inputs)
    return t, x, stack(steps, x.astype(float), H, width)


def kaldi_case(L, D, projected, clip=0):
    t, steps, width = {}, [], P if projected else H
    for k in range(L):
        pair = []
        for d in range(D):
            mine = {"w_gifo_x_": draw(4 * H, inputs_of(k, I, D, width)), "w_gifo_r_": draw(4 * H, width), "bias_": draw(4 * H),
                    "peephole_i_c_": draw(H), "peephole_f_c_": draw(H), "peephole_o_c_": draw(H)}
            if projected:
                mine["w_r_m_"] = draw(P, H)
            stem = "lstm" + (f"_{k}" if k else "") + "/" + (("forward/", "backward/")[d] if D == 2 else "")
            t |= {stem + n: v for n, v in mine.items()}
            pair.append(kaldi_step(*wide(mine).values(), clip=clip))
        steps.append(tuple(pair) if D == 2 else pair[0])
    x = draw(T, B, I)
    return t, x, stack(steps, x.astype(float), H, width)


def with_head(case, weight, bias, units_first):
    t, x, y = case
    W, b = draw(2, y.shape[-1]) if units_first else draw(y.shape[-1], 2), draw(2)
    return t | {weight: W, bias: b}, x, y @ (W.T if units_first else W) + b
