# SPDX-License-Identifier: MIT
"""Forward, loss, gradients and optimiser steps without peepholes against PyTorch's nn.LSTM in float64.

Outputs and losses are at most 1e-5 apart. A gradient differs by at most 1e-5 of the largest entry of its tensor, or 1e-7: the terms
of a gradient's sums are near 1 and cancel, so float32 leaves noise near 6e-8 however small the sum. The double reference leaves no
such noise and is held to 1e-6 of the largest entry. Adam and RMSprop divide the noise by the gradient, so most of their cases
have an epsilon above it."""

import math
import sys

import libweir as weir
import numpy as np

try:
    import torch
except ImportError as missing:
    weir.skip(missing)

LIMIT = 1e-5
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class Network(torch.nn.Module):
    """nn.LSTM, dense layers with tanh, and a linear output; loss as weir_output says."""

    def __init__(self, config):
        super().__init__()
        both, projection = config["direction"] == "both", config.get("projection", 0)
        self.output, self.final = config["output"], config.get("readout") == "final_state"
        self.class_weights = torch.tensor(config["class_weights"]) if "class_weights" in config else None
        self.lstm = torch.nn.LSTM(config["inputs"], config["hidden"], config["layers"], bidirectional=both, proj_size=projection)
        width, n = (2 if both else 1) * (projection or config["hidden"]), config["outputs"]
        sizes = [width, *[units for units, _ in config.get("dense", [])], n * {"gaussian": 2, "student_t": 3, "negative_binomial": 2}.get(self.output, 1)]
        self.head = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        for name, parameter in self.named_parameters():
            if "bias_hh" in name:  # Weir has one bias
                parameter.data.zero_()
                parameter.requires_grad_(False)

    def weights(self):
        return {name: value.detach().numpy() for name, value in self.named_parameters() if "bias_hh" not in name}

    def forward(self, x, lengths, state):
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, (hn, cn) = self.lstm(packed, state)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=len(x))
        if self.final:
            D = 2 if self.lstm.bidirectional else 1
            y = torch.cat(list(hn[-D:]), dim=-1)
        for k, linear in enumerate(self.head):
            y = linear(torch.tanh(y) if k else y)
        return y, hn, cn

    def meaning(self, z):
        if self.output == "softmax":
            return torch.softmax(z, -1)
        if self.output == "logistic":
            return torch.sigmoid(z)
        if self.output == "gaussian":
            mean, spread = z.chunk(2, -1)
            return torch.cat([mean, torch.nn.functional.softplus(spread) + 1e-4], -1)
        if self.output == "student_t":
            location, scale, freedom = z.chunk(3, -1)
            positive = torch.nn.functional.softplus
            return torch.cat([location, positive(scale) + 1e-4, positive(freedom) + 2.01], -1)
        if self.output == "negative_binomial":
            return torch.nn.functional.softplus(z) + 1e-4
        return z

    def loss(self, z, target):
        """z and target of the counted steps only."""
        if self.output == "softmax":
            return torch.nn.functional.cross_entropy(z, target, weight=self.class_weights)
        if self.output == "logistic":
            return torch.nn.functional.binary_cross_entropy_with_logits(z, target, pos_weight=self.class_weights)
        if self.output == "gaussian":
            mean, spread = self.meaning(z).chunk(2, -1)
            return torch.nn.functional.gaussian_nll_loss(mean, target, spread**2, eps=0) + 0.5 * math.log(2 * math.pi)
        if self.output == "student_t":
            location, scale, freedom = self.meaning(z).chunk(3, -1)
            return -torch.distributions.StudentT(freedom, location, scale).log_prob(target).mean()
        if self.output == "negative_binomial":
            mean, shape = self.meaning(z).chunk(2, -1)
            return -torch.distributions.NegativeBinomial(1 / shape, logits=torch.log(shape * mean)).log_prob(target).mean()
        return torch.nn.functional.mse_loss(z, target)


def some_case(random, k):
    config = {"inputs": int(random.integers(1, 12)), "hidden": int(random.integers(2, 36)), "layers": 1 + k % 3,
              "direction": ["forward", "both"][k // 3 % 2], "no_peepholes": True, "outputs": int(random.integers(2, 8)),
              "output": weir.OUTPUTS[k % 6], "readout": "final_state" if k % 5 == 3 else "every_step"}
    if k % 4 < 2 and k % 3:
        config["projection"] = int(random.integers(1, config["hidden"]))
    config["dense"] = [(int(random.integers(1, 16)), "tanh") for _ in range(k % 3)]
    T, B = int(random.integers(1, 16)), int(random.integers(1, 7))
    lanes = config["layers"] * (2 if config["direction"] == "both" else 1)
    arrays = {"x": random.uniform(-1, 1, (T, B, config["inputs"]))}
    if k % 2:
        arrays["lengths"] = random.integers(1, T + 1, B)
    if k % 3 == 1:
        arrays["h0"] = random.uniform(-0.5, 0.5, (lanes, B, config.get("projection") or config["hidden"]))
        arrays["c0"] = random.uniform(-0.5, 0.5, (lanes, B, config["hidden"]))
    shape = (B,) if config["readout"] == "final_state" else (T, B)
    if config["output"] == "softmax":
        arrays["classes"] = random.integers(0, config["outputs"], shape)
    elif config["output"] == "logistic":
        arrays["targets"] = random.integers(0, 2, shape + (config["outputs"],)).astype(float)
    elif config["output"] == "negative_binomial":
        arrays["targets"] = random.poisson(random.uniform(0, 20), shape + (config["outputs"],)).astype(float)
    else:
        arrays["targets"] = random.uniform(-1, 1, shape + (config["outputs"],))
    if config["output"] in ("softmax", "logistic") and k % 3 == 0:
        config["class_weights"] = weir.floats(random.uniform(0, 4, config["outputs"])).astype(float).tolist()
    return config, {name: weir.floats(value).astype(float) if value.dtype == float else value for name, value in arrays.items()}


def networks(config, k):
    """The same float32 weights in both."""
    torch.manual_seed(k)
    network = Network(config)
    for parameter in network.parameters():
        parameter.data = parameter.data.float().double()
    return network, weir.Model(network.weights(), **{name: value for name, value in config.items() if name != "class_weights"})


def trainer_of(model, config, arrays, **fields):
    T, B = arrays["x"].shape[:2]
    if "class_weights" in config:
        fields["class_weights"] = config["class_weights"]
    return weir.Trainer(model, rows=B, steps=T, **fields)


def counted(network, arrays):
    T, B = arrays["x"].shape[:2]
    lengths = torch.tensor(arrays.get("lengths", np.full(B, T)))
    alive = torch.arange(T)[:, None] < lengths
    targets = torch.tensor(arrays["classes"] if "classes" in arrays else arrays["targets"])
    return lengths, alive, targets if network.final else targets[alive]


def forward_and_loss(network, arrays):
    """The loss, and y, hn, cn as Weir gives them."""
    lengths, alive, targets = counted(network, arrays)
    state = (torch.tensor(arrays["h0"]), torch.tensor(arrays["c0"])) if "h0" in arrays else None
    z, hn, cn = network(torch.tensor(arrays["x"]), lengths, state)
    loss = network.loss(z if network.final else z[alive], targets)
    y = network.meaning(z)
    return loss, (y if network.final else y * alive[:, :, None], hn, cn)


def compare_passes(k):
    """The largest differences: outputs and states, loss, gradients, gradients of the double reference."""
    random = np.random.default_rng(9000 + k)
    config, arrays = some_case(random, k)
    network, model = networks(config, k)
    expected_loss, expected = forward_and_loss(network, arrays)
    expected_loss.backward()
    inputs = {name: value for name, value in arrays.items() if name not in ("classes", "targets")}
    outputs = max(float(np.abs(a - b.detach().numpy()).max()) for a, b in zip(model.run(**inputs), expected))
    loss, gradients = trainer_of(model, config, arrays).backward(**arrays)
    _, references = trainer_of(networks({**config, "isa": "ref64"}, k)[1], config, arrays).backward(**arrays)
    expected_gradients = {name: p.grad.numpy() for name, p in network.named_parameters() if p.requires_grad}
    gradient = max(float(np.abs(gradients[name] - g).max() / max(np.abs(g).max(), 0.01)) for name, g in expected_gradients.items())
    reference = max(float(np.abs(references[name] - g).max() / np.abs(g).max()) for name, g in expected_gradients.items() if g.any())
    return outputs, abs(loss - float(expected_loss.detach())), gradient, reference, config


# Name, Weir's fields, PyTorch's optimiser.
STEPS = [
    ("adam", {"optimizer": "adam", "rate": 0.01}, lambda p: torch.optim.Adam(p, 0.01)),
    ("adam, other betas", {"optimizer": "adam", "rate": 0.01, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3},
     lambda p: torch.optim.Adam(p, 0.01, (0.5, 0.9), 1e-3)),
    ("adam with decay", {"optimizer": "adam", "rate": 0.01, "weight_decay": 0.1}, lambda p: torch.optim.Adam(p, 0.01)),
    ("adamw", {"optimizer": "adamw", "rate": 0.01, "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, 0.01)),
    ("rmsprop", {"optimizer": "rmsprop", "rate": 0.003, "epsilon": 1e-4}, lambda p: torch.optim.RMSprop(p, 0.003, eps=1e-4)),
    ("rmsprop with momentum and decay",
     {"optimizer": "rmsprop", "rate": 0.001, "epsilon": 1e-4, "momentum": 0.9, "beta2": 0.95, "weight_decay": 0.05},
     lambda p: torch.optim.RMSprop(p, 0.001, alpha=0.95, eps=1e-4, momentum=0.9)),
    ("sgd", {"optimizer": "sgd", "rate": 0.5}, lambda p: torch.optim.SGD(p, 0.5)),
    ("sgd with momentum and decay", {"optimizer": "sgd", "rate": 0.1, "momentum": 0.9, "weight_decay": 0.05},
     lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    ("sgd, clipped", {"optimizer": "sgd", "rate": 0.5, "clip": 0.05}, lambda p: torch.optim.SGD(p, 0.5)),
    ("adam, clipped", {"optimizer": "adam", "rate": 0.01, "clip": 0.05}, lambda p: torch.optim.Adam(p, 0.01)),
]


def clip_gradient(parameters, limit):
    norm = math.sqrt(sum(float((p.grad**2).sum()) for p in parameters))
    for p in parameters:
        p.grad *= min(1.0, limit / norm)


def compare_updates(fields, optimizer, k):
    """The largest difference of a weight after 10 updates, and the largest change of a weight."""
    random = np.random.default_rng(77)
    config, arrays = some_case(random, k)
    network, model = networks(config, k)
    trainer = trainer_of(model, config, arrays, **fields)
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    start = {name: value.copy() for name, value in network.weights().items()}
    decay = np.float32(fields.get("weight_decay", 0))
    theirs = optimizer([{"params": [p for name, p in named if "bias" not in name], "weight_decay": float(decay)},
                        {"params": [p for name, p in named if "bias" in name], "weight_decay": 0.0}])
    for _ in range(10):
        theirs.zero_grad()
        forward_and_loss(network, arrays)[0].backward()
        clip_gradient([p for _, p in named], fields.get("clip", 5.0))
        theirs.step()
        trainer.step(**arrays)
    weights = trainer.weights()
    expected = network.weights()
    return (max(float(np.abs(weights[name] - value).max()) for name, value in expected.items()),
            max(float(np.abs(start[name] - value).max()) for name, value in expected.items()))


CASES, failed = 96, 0
worst, limits = np.zeros(4), np.array([LIMIT, LIMIT, LIMIT, 1e-6])
for k in range(CASES):
    *differences, config = compare_passes(k)
    worst = np.maximum(worst, differences)
    if not (differences <= limits).all():
        failed += 1
        print(f"case {k}: outputs, loss, gradients, reference gradients {differences} apart: {config}")
print(f"{CASES} cases, largest differences: outputs {worst[0]:.3g}, loss {worst[1]:.3g}, gradients {worst[2]:.3g}, in the reference"
      f" {worst[3]:.3g}")
worst_weight = 0.0
for name, fields, optimizer in STEPS:
    for k in (0, 5, 9):
        difference, change = compare_updates(fields, optimizer, k)
        worst_weight = max(worst_weight, difference)
        if not difference <= LIMIT or change < 1e-3:
            failed += 1
            print(f"{name}, case {k}: weights {difference:.3g} apart after 10 updates that changed them by up to {change:.3g}")
print(f"{3 * len(STEPS)} trainings of 10 updates, largest difference {worst_weight:.3g}; {failed} failed in all")
sys.exit(failed > 0)
