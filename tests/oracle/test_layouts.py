# SPDX-License-Identifier: MIT
"""The layouts of weir convert against other frameworks: PyTorch where it is installed, and for each layout the equations that its
framework documents (liblayouts.py), on random weights in that framework's own arrays. Each file carries its input and output as check.x and
check.y; weir convert --verify has to agree to 1e-6. Then the weights go back, bit for bit, and a wrong order of gates or of peepholes is
noticed."""

import os
import sys

from liblayouts import (B, H, I, P, T, DTYPES, block_case, draw, hard_sigmoid, kaldi_case, keras_case, np, onednn_case, random, read, tf1_case,
                        tflite_case, verified, weir, with_head, write)

try:
    import torch
except ImportError:
    torch = None

LIMIT = 1e-6


CASES = [("keras", keras_case(L, D), ()) for L in (1, 2) for D in (1, 2)]
CASES += [
    ("keras", keras_case(1, 1, hard_sigmoid), ("--gate", "hard_sigmoid(0.16666667, 0.5)")),
    ("keras", keras_case(1, 1, reverse=True), ("--direction", "reverse")),
    ("keras", with_head(keras_case(2, 2), "dense/kernel", "dense/bias", False), ()),
]
CASES += [("tf1", tf1_case(L, D, peepholes, projected), ()) for L in (1, 2) for D in (1, 2) for peepholes in (0, 1) for projected in (0, 1)]
CASES += [
    ("tf1", tf1_case(1, 1, True, False, clip=0.125), ("--cell-clip", "0.125")),
    ("tf1", tf1_case(2, 1, True, True, forget_bias=0.0), ("--forget-bias", "0")),
    ("tf1", tf1_case(1, 1, False, False, forget_bias=-2.5), ("--forget-bias", "-2.5")),
    ("tf1", with_head(tf1_case(1, 1, True, False), "dense/kernel", "dense/bias", False), ()),
    ("tf-block", block_case(1, False), ()),
    ("tf-block", block_case(1, True, clip=0.125), ("--cell-clip", "0.125")),
    ("tf-block", with_head(block_case(1, True), "dense/kernel", "dense/bias", False), ()),
    ("tf-block-v2", block_case(2, False), ()),
    ("tf-block-v2", block_case(2, True), ()),
]
CASES += [("tflite", tflite_case(L, D, peepholes, projected), ()) for L in (1, 2) for D in (1, 2) for peepholes in (0, 1) for projected in (0, 1)]
CASES += [
    ("tflite", tflite_case(1, 1, True, False, clip=0.125), ("--cell-clip", "0.125")),
    ("tflite", with_head(tflite_case(1, 1, False, False), "dense/weights", "dense/bias", True), ()),
]
CASES += [("onednn", onednn_case(L, D, n, peepholes, projected), ()) for L in (1, 3) for D in (1, 2) for n in (I, D * H, D * P)
          for peepholes in (0, 1) for projected in (0, 1)]
CASES += [("onednn", with_head(onednn_case(2, 1, I, True, True), "dense/weights", "dense/bias", True), ())]
CASES += [("kaldi-nnet1", kaldi_case(L, D, projected), ()) for L in (1, 2) for D in (1, 2) for projected in (0, 1)]
CASES += [
    ("kaldi-nnet1", kaldi_case(1, 1, True, clip=0.125), ("--cell-clip", "0.125")),
    ("kaldi-nnet1", with_head(kaldi_case(2, 1, True), "affine/linearity_", "affine/bias_", True), ()),
]


def same_arrays(path, expected):
    got, _ = read(path)
    assert set(got) == set(expected), set(got) ^ set(expected)
    for name, value in expected.items():
        assert got[name].dtype == np.float32 and got[name].shape == value.shape and got[name].tobytes() == value.tobytes(), name


def check_case(layout, case, options):
    """There, back, and there again."""
    t, x, y = case
    write("in.safetensors", t | {"check.x": x, "check.y": y})
    difference = verified("in.safetensors", "model.weir", "--layout", layout, *options)
    assert difference <= LIMIT, (layout, options, difference)
    forget = options if "--forget-bias" in options else ()
    run = weir("model.weir", "back.safetensors", "--layout", layout, *forget)
    assert run.returncode == 0, run.stderr
    same_arrays("back.safetensors", t)
    assert verified("back.safetensors", "again.weir", "--layout", layout, *forget) == difference
    with open("model.weir", "rb") as one, open("again.weir", "rb") as two:
        assert one.read() == two.read()
    return difference


worst = {}
for layout, case, options in CASES:
    worst[layout] = max(worst.get(layout, 0), check_case(layout, case, options))
for layout, difference in worst.items():
    print(f"{layout}: {sum(c[0] == layout for c in CASES)} cases, largest difference from its equations {difference:.1e}")


# ---- The traps ----


def exchange(t, name, size, a, b, axis=-1):
    """Two blocks of an array change places."""
    blocks = np.split(t[name], t[name].shape[axis] // size, axis)
    blocks[a], blocks[b] = blocks[b], blocks[a]
    return t | {name: np.concatenate(blocks, axis)}


def swap(t, a, b):
    return t | {a: t[b], b: t[a]}


def noticed(layout, case, wrong, options=()):
    write("wrong.safetensors", wrong | {"check.x": case[1], "check.y": case[2]})
    run = weir("wrong.safetensors", "none.weir", "--layout", layout, "--verify", *options)
    assert run.returncode == 1 and "differs by" in run.stderr and not os.path.exists("none.weir"), (layout, run.stdout, run.stderr)


def refused(layout, t, says, options=()):
    write("wrong.safetensors", t)
    run = weir("wrong.safetensors", "none.weir", "--layout", layout, *options)
    assert run.returncode == 1 and says in run.stderr and run.stderr.count("\n") == 1, (says, run.stderr)
    assert not os.path.exists("none.weir")


case = keras_case(1, 1)
for a, b in (0, 1), (0, 2), (2, 3):
    noticed("keras", case, exchange(case[0], "lstm/lstm_cell/kernel", H, a, b))
backwards = keras_case(1, 1, reverse=True)
noticed("keras", backwards, backwards[0])  # go_backwards was not told
noticed("keras", (backwards[0], backwards[1], backwards[2][::-1]), backwards[0], ("--direction", "reverse"))  # nor turned
case = tf1_case(1, 1, True, False)
stem = "rnn/multi_rnn_cell/cell_0/lstm_cell/"
noticed("tf1", case, case[0], ("--forget-bias", "0"))
noticed("tf1", case, exchange(case[0], stem + "kernel", H, 1, 2))
for a, b in ("i", "f"), ("i", "o"), ("f", "o"):
    noticed("tf1", case, swap(case[0], f"{stem}w_{a}_diag", f"{stem}w_{b}_diag"))
t = dict(case[0])
t[stem + "kernel"] = np.concatenate([t[stem + "kernel"][I:], t[stem + "kernel"][:I]])  # h before x
noticed("tf1", case, t)
case = block_case(1, True)
noticed("tf-block-v2", case, case[0])
noticed("tf-block-v2", case, case[0], ("--forget-bias", "1"))  # the order of the gates differs too
case = onednn_case(1, 1, I, True, False)
for a, b in (0, 1), (1, 2):
    noticed("onednn", case, exchange(case[0], "lstm/weights_peephole", 1, a, b, 2))
case = tflite_case(1, 1, True, True)
noticed("tflite", case, swap(case[0], "lstm/cell_to_input_weights", "lstm/cell_to_output_weights"))
noticed("tflite", case, swap(case[0], "lstm/forget_gate_bias", "lstm/output_gate_bias"))
coupled = {name: value for name, value in case[0].items() if name not in ("lstm/input_to_input_weights", "lstm/recurrent_to_input_weights",
                                                                        "lstm/input_gate_bias", "lstm/cell_to_input_weights")}
refused("tflite", coupled, "input_to_input_weights is missing: without it TFLite computes i = 1 - f, but Weir's coupled gates are f = 1 - i")
refused("tflite", {name: value for name, value in case[0].items() if "cell_to_forget" not in name}, "lstm/cell_to_forget_weights is missing")
refused("tflite", case[0] | {"lstm/projection_bias": draw(P)}, "lstm/projection_bias cannot be read: Weir's projection has no bias")
refused("tflite", case[0] | {"lstm/input_layer_norm_coefficients": draw(H)}, "layer normalisation")
case = kaldi_case(1, 1, True)
noticed("kaldi-nnet1", case, swap(case[0], "lstm/peephole_i_c_", "lstm/peephole_f_c_"))
noticed("kaldi-nnet1", case, exchange(case[0], "lstm/w_gifo_r_", H, 0, 1, 0))
square = dict(case[0], **{"lstm/w_r_m_": draw(H, H), "lstm/w_gifo_r_": draw(4 * H, H)})
refused("kaldi-nnet1", square, "lstm/w_r_m_ projects to 5 units")

# A forget bias that float32 cannot add exactly is rounded once.
case = tf1_case(1, 1, False, False)
odd = dict(case[0], **{stem + "bias": random.uniform(-3, 3, 4 * H).astype(np.float32)})
write("odd.safetensors", odd)
assert weir("odd.safetensors", "odd.weir", "--layout", "tf1").returncode == 0
weights, _ = read("odd.weir")
assert (weights["lstm.bias_ih_l0"][H : 2 * H] == (odd[stem + "bias"][2 * H : 3 * H].astype(float) + 1).astype(np.float32)).all()
assert weir("odd.weir", "odd-back.safetensors", "--layout", "tf1").returncode == 0
back = read("odd-back.safetensors")[0][stem + "bias"]
assert np.abs(back - odd[stem + "bias"]).max() <= 2**-23
others = np.arange(4 * H) // H != 2
assert (back[others] == odd[stem + "bias"][others]).all()


# ---- PyTorch ----


def bits_of_bfloat16(tensor):
    return "BF16", tensor.to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)


def state_of(module, prefix, kind="F32"):
    state = {prefix + name: value.detach() for name, value in module.state_dict().items()}
    if kind == "BF16":
        return {name: bits_of_bfloat16(value) for name, value in state.items()}
    return {name: value.numpy().astype(DTYPES[kind]) for name, value in state.items()}


def check_pytorch():
    torch.manual_seed(2)
    largest, count = 0, 0
    for L, both, projection in (1, False, 0), (2, True, 0), (3, True, 3), (2, False, 2):
        for kind in "F32", "F64", "F16", "BF16":
            for bias, prefix in (True, "rnn."), (False, ""), (True, "encoder.lstm."):
                lstm = torch.nn.LSTM(I, H, L, bias=bias, bidirectional=both, proj_size=projection).double()
                fc = torch.nn.Linear((2 if both else 1) * (projection or H), 2).double()
                for parameter in [*lstm.parameters(), *fc.parameters()]:  # what the file will hold
                    half = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}[kind]
                    parameter.data = parameter.data.to(half).double()
                x = torch.tensor(draw(T, B, I)).double()
                with torch.no_grad():
                    plain = lstm(x)[0]
                    y = fc(plain)
                head = state_of(fc, "fc.", kind)
                check = {"check.x": x.float().numpy(), "check.y": y.numpy()}
                write("torch.safetensors", state_of(lstm, prefix, kind) | head | check, {"format": "pt"})
                difference = verified("torch.safetensors", "torch.weir", "--layout", "pytorch")
                assert difference <= LIMIT, (L, both, projection, kind, bias, difference)
                largest, count = max(largest, difference), count + 1
                if prefix:  # the head is left out
                    write("torch.safetensors", state_of(lstm, prefix, kind) | head | {**check, "check.y": plain.numpy()})
                    assert verified("torch.safetensors", "none.weir", "--layout", "pytorch", "--prefix", prefix) <= LIMIT
                    os.remove("none.weir")
                # back: by name into PyTorch
                assert weir("torch.weir", "torch-back.safetensors", "--layout", "pytorch").returncode == 0
                state = {name: torch.tensor(value) for name, value in read("torch-back.safetensors")[0].items()}
                again = torch.nn.LSTM(I, H, L, bidirectional=both, proj_size=projection)
                again.load_state_dict({name[5:]: value for name, value in state.items() if name.startswith("lstm.")}, strict=True)
                fc.load_state_dict({name[7:]: value for name, value in state.items() if name.startswith("head.0.")}, strict=True)
                with torch.no_grad():
                    assert (fc(again.double()(x)[0]) - y).abs().max() <= LIMIT
    print(f"PyTorch {torch.__version__}: {count} models, largest difference {largest:.1e}")
    two = torch.nn.LSTM(I, H)
    state = state_of(two, "lstm.")
    sums = state["lstm.bias_ih_l0"] + state["lstm.bias_hh_l0"]
    write("two.safetensors", state)
    assert weir("two.safetensors", "two.weir", "--layout", "pytorch").returncode == 0
    assert weir("two.weir", "two-back.safetensors", "--layout", "pytorch").returncode == 0
    back, _ = read("two-back.safetensors")
    assert (back["lstm.bias_ih_l0"] == sums).all() and not back["lstm.bias_hh_l0"].any()


if torch:
    check_pytorch()
else:
    print("PyTorch is not installed: its layout was not compared with it")

# Heads that may be something else are refused.
lstm = {"lstm.weight_ih_l0": draw(4 * H, I), "lstm.weight_hh_l0": draw(4 * H, H)}
refused("pytorch", lstm | {"embedding.weight": draw(9, H)}, "embedding.weight has no bias beside it, so it is no linear head")
write("parts.safetensors", lstm | {"embedding.weight": draw(9, H), "fc.weight": draw(2, H), "fc.bias": draw(2)})
for prefix, count in ("lstm.", 4), ("lstm.,fc.", 6), ("fc.,lstm.,", 6):  # Weir writes two biases
    assert weir("parts.safetensors", "parts.weir", "--layout", "pytorch", "--prefix", prefix).returncode == 0, prefix
    assert len(read("parts.weir")[0]) == count, (prefix, list(read("parts.weir")[0]))
refused("pytorch", lstm | {"fc1.weight": draw(H, H), "fc1.bias": draw(H), "fc2.weight": draw(2, H), "fc2.bias": draw(2)}, "are two dense layers")
refused("pytorch", lstm | {"fc.weight": draw(2, H + 1), "fc.bias": draw(2)}, "fc.weight has the shape (2, 6), but must have (2, 5)")
refused("pytorch", lstm | {"gru.weight_ih_l0": draw(3 * H, I)}, "gru.weight_ih_l0")
refused("pytorch", lstm | {"norm.running_mean": draw(H)}, "norm.running_mean has no place in the layout pytorch")
sys.exit(0)
