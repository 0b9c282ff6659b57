# SPDX-License-Identifier: MIT
"""Models written as ONNX files: the checker accepts them, and ONNX Runtime computes what Weir computes, to 1e-5. Random models of everything
that LSTM operators can express, of everything else unrolled to basic operators, and a refusal for each thing that LSTM operators lack.

ONNX Runtime's clip does not reach the argument of the output activation, as ONNX says it does: with LSTM operators, clipped cases keep the
cells within the clip."""

import os
import sys

import libweir as weir
import numpy as np
from libconfigs import BEYOND, distance, name_of, session, some_config

if weir.files is None:
    weir.skip("this build has no libweir-format")
try:
    import onnx
    import onnxruntime  # noqa: F401: libconfigs needs it
except ImportError as missing:
    weir.skip(missing)

LIMIT, CASES, UNROLLED = 1e-5, 150, 90
OPSET = {"gelu": 20, "gelu_tanh": 20, "mish": 18}


def check_file(path, config, unrolled):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    names = [name_of(activation) for _, activation in config.get("dense", [])]
    if unrolled:
        names += [name_of(config.get(place, "tanh")) for place in ("gate", "candidate", "output_activation")]
    opset = max([OPSET.get(name, 14) for name in names] + [14])
    assert [(o.domain, o.version) for o in model.opset_import] == [("", opset)], (opset, model.opset_import)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("LSTM") == (0 if unrolled else config["layers"])


def largest_cell(model, config, batch, T):
    """The largest |c| of any step: the final states of all beginnings, and for the reverse direction of all ends."""
    x, rest = batch["x" if "x" in batch else "tokens"], {k: v for k, v in batch.items() if k in ("h0", "c0")}
    key, most = "x" if "x" in batch else "tokens", 0.0
    for t in range(1, T + 1):
        first, last = (model.run(**{key: part}, **rest)[2] for part in (x[:t], x[T - t:]))
        lanes = {"forward": first, "reverse": last, "both": np.concatenate([first[:1], last[1:]])}[config["direction"]]
        most = max(most, float(np.abs(lanes).max()))
    return most


worst, failed, clipped = 0.0, 0, 0
for k in range(CASES + UNROLLED):
    random, unrolled = np.random.default_rng(9000 + k), k >= CASES
    config = some_config(random, k, unrolled)
    T, B, states = int(random.integers(1, 10)), int(random.integers(1, 5)), bool(random.integers(2))
    lanes, H = config["layers"] * (2 if config["direction"] == "both" else 1), config["hidden"]
    if config.get("tokens"):  # some of them outside the vocabulary
        batch = {"tokens": random.integers(0, config["tokens"] + 3, (T, B))}
        feeds = {"tokens": batch["tokens"].astype(np.int64)}
    else:
        batch = {"x": random.uniform(-1, 1, (T, B, config["inputs"])).astype(np.float32)}
        feeds = dict(batch)
    if states:
        batch["h0"] = random.uniform(-0.1, 0.1, (lanes, B, config.get("projection", H))).astype(np.float32)
        batch["c0"] = random.uniform(-0.1, 0.1, (lanes, B, H)).astype(np.float32)
        feeds.update(h0=batch["h0"], c0=batch["c0"])
    weights = {name: random.uniform(-0.6, 0.6, value.shape).astype(np.float32) for name, value in weir.Model(**config).weights().items()}
    clip = config.get("activation_clip", 0) if not unrolled else 0
    while True:  # smaller weights until the recurrence stays bounded
        model = weir.Model(weights, **config)
        expected = model.run(**batch)
        if max(float(np.abs(part).max()) for part in expected) <= 3 and (not clip or largest_cell(model, config, batch, T) <= clip):
            break
        weights = {name: value * np.float32(0.8) for name, value in weights.items()}
    if clip:
        free = weir.Model(weights, **{**config, "activation_clip": 0}).run(**batch)
        clipped += distance(free, expected) > 1e-4
    path = f"case-{k}.onnx"
    model.save_onnx(path, unroll=T if unrolled else 0, states=states)
    try:
        check_file(path, config, unrolled)
        runner = session(path)
        assert [i.name for i in runner.get_inputs()] == list(feeds), [i.name for i in runner.get_inputs()]
        difference = distance(runner.run(["y", "hn", "cn"], feeds), expected)
        if not unrolled:  # T and B are free
            again = {name: np.concatenate([value, value]) for name, value in feeds.items() if name in ("x", "tokens")}
            rest = {name: value for name, value in batch.items() if name in ("h0", "c0")}
            key = "x" if "x" in batch else "tokens"
            longer = model.run(**{key: np.concatenate([batch[key], batch[key]])}, **rest)
            if not clip and max(float(np.abs(part).max()) for part in longer) <= 3:
                difference = max(difference, distance(runner.run(["y", "hn", "cn"], {**feeds, **again}), longer))
    except Exception as error:
        failed += 1
        print(f"case {k}: {config}: {type(error).__name__}: {error}")
        continue
    worst = max(worst, difference)
    if not difference <= LIMIT:
        failed += 1
        print(f"case {k}: {difference:.3g} apart: {config}, T {T}, B {B}")
    os.unlink(path)
if clipped < 5:
    failed += 1
    print(f"the clip changed the output in {clipped} cases only")
print(f"{CASES} models with LSTM operators, {UNROLLED} unrolled: largest difference {worst:.3g}, {failed} failed")

# ---- Narrow weights are written as the numbers that they stand for ----

random = np.random.default_rng(1)
config = {"inputs": 5, "hidden": 16, "layers": 2, "outputs": 3}
full = weir.Model({name: random.uniform(-0.5, 0.5, value.shape) for name, value in weir.Model(**config).weights().items()}, **config)
x = random.uniform(-1, 1, (7, 3, 5)).astype(np.float32)
for form, limit in (("bf16", LIMIT), ("int8", 0.05)):  # 8 bits round x and h too, which ONNX does not
    narrow = full.narrowed(form)
    narrow.save_onnx("narrow.onnx")
    initializers = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load("narrow.onnx").graph.initializer}
    i, f, g, o = np.split(narrow.weights()["lstm.weight_ih_l1"], 4)
    assert np.array_equal(initializers["W_l1"][0], np.concatenate([i, o, f, g])), form
    difference = distance(session("narrow.onnx").run(None, {"x": x}), narrow.run(x=x))
    print(f"{form}: {difference:.3g} apart")
    failed += not difference <= limit

# ---- What LSTM operators lack ----

REFUSED = [
    ({"projection": 2}, "no projection"), ({"no_forget_gate": True}, "no cell without a forget gate"), ({"cell_clip": 1.0}, "no clip of the cell"),
    *[({place: spec}, f"no {name_of(spec)}") for place in ("gate", "candidate", "output_activation") for spec in BEYOND],
]


def expect(sentence, **options):
    global failed
    try:
        model.save_onnx("refused.onnx", **options)
        failed += 1
        print(f"{config}: not refused, though '{sentence}' was expected")
    except weir.WeirError as error:
        if sentence not in str(error) or os.path.exists("refused.onnx"):
            failed += 1
            print(f"{config}: '{error}' instead of '{sentence}'")


for fields, sentence in REFUSED:
    config = {"inputs": 3, "hidden": 4, **fields}
    model = weir.Model(**config)
    expect(f"ONNX's LSTM operator has {sentence}; unroll the model")
config = {"inputs": 3, "hidden": 4, "layers": 2, "direction": "both"}
model = weir.Model(**config)
expect("unroll is 16385, but at most 16384 steps of this model can be unrolled", unroll=16385)
config["notes"] = b"\xff"
model = weir.Model(**config)
expect("no valid UTF-8")
try:
    weir.Model(inputs=3, hidden=4).save_onnx("no-folder/model.onnx")
    failed += 1
except weir.WeirError as error:
    failed += "no-folder/model.onnx" not in str(error)
print(f"{len(REFUSED) + 3} refusals, {failed} failed")
sys.exit(failed > 0)
