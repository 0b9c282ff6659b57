# SPDX-License-Identifier: MIT
# Part of the tests of ONNX files; not a test of its own.
"""Random configurations of models, as files of ONNX can have them, and a session of ONNX Runtime."""

import libweir as weir
import numpy as np

CELL = ["identity", "relu", "tanh", "sigmoid", ("leaky_relu", 0.2), ("elu", 0.6), "softplus", ("scaled_tanh", 1.2, 0.7), ("hard_sigmoid", 0.3, 0.4),
        "softsign"]
BEYOND = ["prelu", "selu", "gelu", "gelu_tanh", "silu", "mish", ("softplus", 0, 2.0)]
DENSE = CELL + BEYOND


def name_of(spec):
    return spec if isinstance(spec, str) else spec[0]


def choose(random, things):
    return things[int(random.integers(len(things)))]


def some_config(random, k, unrolled):
    config = {"hidden": int(random.integers(1, 20)), "layers": 1 + k % 3, "direction": weir.DIRECTIONS[k // 3 % 3], "seed": k + 1,
              "no_peepholes": bool(random.integers(2)), "coupled": random.random() < 0.2, "notes": f"case {k}".encode()}
    config["tokens" if k % 4 == 1 else "inputs"] = int(random.integers(2, 12))
    if random.random() < 0.5:
        for place in ("gate", "candidate", "output_activation"):
            config[place] = choose(random, CELL + BEYOND if unrolled else CELL)
    if random.random() < 0.2:
        config["activation_clip"] = float(np.float32(random.uniform(0.5, 1.5)))
        if not unrolled and config["direction"] == "both":
            config["layers"] = 1
    if unrolled:
        if random.random() < 0.3 and config["hidden"] > 1:
            config["projection"] = int(random.integers(1, config["hidden"]))
        if random.random() < 0.3:
            config["cell_clip"] = float(np.float32(random.uniform(0.2, 1)))
        if random.random() < 0.2:
            config["no_forget_gate"], config["coupled"] = True, False
    if random.random() < 0.8:
        config["outputs"] = int(random.integers(2, 6))
        config["output"] = weir.OUTPUTS[k // 2 % 6]
        config["dense"] = [(int(random.integers(1, 8)), choose(random, DENSE)) for _ in range(int(random.integers(0, 4)))]
    if random.random() < 0.3:
        config["readout"] = "final_state"
    return config


def session(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def distance(got, expected):
    return max(float(np.abs(a - b).max()) if a.shape == b.shape else float("inf") for a, b in zip(got, expected))
