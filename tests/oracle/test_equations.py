# SPDX-License-Identifier: MIT
"""Outputs and states of random networks against the equations in float64: at most 1e-6 apart."""

import sys

import libweir as weir
import numpy as np

import libequations as equations

LIMIT, CASES = 1e-6, 240
NAMES = weir.ACTIVATIONS[1:]


def some_activation(random, name):
    parameters = {"leaky_relu": (0.2,), "elu": (0.7,), "softplus": (0, 2.0), "scaled_tanh": (1.3, 0.6), "hard_sigmoid": (0.3, 0.4)}
    return (name, *parameters[name]) if name in parameters and random.random() < 0.5 else name


def some_config(random, k):
    """Activations of each place and outputs in turn, the rest by chance."""
    config = {"layers": random.integers(1, 4), "hidden": random.integers(1, 40), "seed": k + 1, "init": "uniform", "init_scale": 0.3}
    config["tokens" if random.random() < 0.3 else "inputs"] = random.integers(1, 20)
    config["direction"] = random.choice(weir.DIRECTIONS)
    config["readout"] = "final_state" if random.random() < 0.3 else "every_step"
    for switch in ("no_peepholes", ["no_forget_gate", "coupled"][k % 2]):
        config[switch] = random.random() < 0.2
    if config["hidden"] > 1 and random.random() < 0.4:
        config["projection"] = random.integers(1, config["hidden"])
    if random.random() < 0.3:
        config["activation_clip"] = 0.5
    if random.random() < 0.3:
        config["cell_clip"] = 0.25
    if k % 2:
        place = ["gate", "candidate", "output_activation"][k // 2 % 3]
        config[place] = some_activation(random, NAMES[k // 6 % len(NAMES)])
    if k % 5:
        config["outputs"], config["output"] = random.integers(2, 12), weir.OUTPUTS[k % 4]
        config["dense"] = [(random.integers(1, 24), some_activation(random, NAMES[(k + j) % len(NAMES)]))
                           for j in range(random.integers(0, 4))]
    return {name: int(value) if isinstance(value, np.integer) else str(value) if isinstance(value, np.str_) else value
            for name, value in config.items()}


def some_batch(random, config):
    T, B = random.integers(1, 14), random.integers(1, 7)
    lanes = config["layers"] * (2 if config["direction"] == "both" else 1)
    arrays = {}
    if "tokens" in config:
        arrays["tokens"] = random.integers(0, config["tokens"] + 1, (T, B))  # one id is outside the vocabulary
    else:
        arrays["x"] = random.uniform(-1, 1, (T, B, config["inputs"])).astype(np.float32)
    if random.random() < 0.5:
        arrays["lengths"] = random.integers(0, T + 1, B)
        arrays["lengths"][0] = T
    if random.random() < 0.5:
        arrays["h0"] = random.uniform(-0.5, 0.5, (lanes, B, config.get("projection") or config["hidden"])).astype(np.float32)
        arrays["c0"] = random.uniform(-0.5, 0.5, (lanes, B, config["hidden"])).astype(np.float32)
    return arrays


def some_weights(random, model):
    return {name: random.uniform(-0.3, 0.3, value.shape).astype(np.float32) for name, value in model.weights().items()}


def tamed(random, config, arrays):
    """Weights with which no value leaves +-2, halved until it is so: unbounded gates can grow without end in a recurrence."""
    weights = some_weights(random, weir.Model(**config))
    while True:
        expected = equations.run(config, weights, **arrays)
        if max(float(np.abs(value).max(initial=0)) for value in expected) <= 2:
            return weights, expected
        weights = {name: value / 2 for name, value in weights.items()}


worst, failed = 0.0, 0
for k in range(CASES):
    random = np.random.default_rng(1000 + k)
    config = some_config(random, k)
    arrays = some_batch(random, config)
    weights, expected = tamed(random, config, arrays)
    config["isa"] = "scalar" if k % 7 == 0 else "best"
    got = weir.Model(weights, **config).run(**arrays)
    difference = max(float(np.abs(a - b).max(initial=0)) for a, b in zip(got, expected))
    worst = max(worst, difference)
    if not difference <= LIMIT:
        failed += 1
        print(f"case {k}: {difference:.3g} apart: {config}")
print(f"{CASES} cases, largest difference {worst:.3g}, {failed} failed")
sys.exit(failed > 0)
