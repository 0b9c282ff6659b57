#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A PyTorch checkpoint with an nn.LSTM and at most one nn.Linear behind it, as weights for weir convert --layout pytorch:

    python3 tools/import/from_pytorch.py checkpoint.pt weights.safetensors [--prefix encoder.lstm.] [--key state_dict]

Needs PyTorch. The check is what torch.nn.LSTM and torch.nn.Linear compute with these weights."""

import argparse

import torch
import weights


def network(state):
    """An nn.LSTM and an nn.Linear (or None) with the weights of a state_dict."""
    names = [name for name in state if name.endswith("weight_ih_l0")]
    if len(names) != 1:
        raise SystemExit(f"the checkpoint has {len(names)} LSTMs, not one ({', '.join(names)}); choose one with --prefix")
    prefix = names[0][: -len("weight_ih_l0")]
    mine = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    own = {name: value for name, value in mine.items() if "_l" in name}
    W, R = own["weight_ih_l0"], own["weight_hh_l0"]
    layers = sum(name.startswith("weight_ih_l") and not name.endswith("_reverse") for name in own)
    lstm = torch.nn.LSTM(W.shape[1], W.shape[0] // 4, layers, bias="bias_ih_l0" in own, bidirectional="weight_ih_l0_reverse" in own,
                         proj_size=R.shape[1] if "weight_hr_l0" in own else 0)
    lstm.load_state_dict(own)
    rest = {name: value for name, value in state.items() if name not in {prefix + n for n in own}}
    heads = [name[: -len("weight")] for name, value in rest.items() if name.endswith("weight") and value.dim() == 2]
    if set(rest) != {h + part for h in heads for part in ("weight", "bias")} or len(heads) > 1:
        raise SystemExit(f"beside the LSTM there is more than one linear layer ({', '.join(rest)}); leave it out with --prefix {prefix}")
    if not heads:
        return lstm, None
    head = torch.nn.Linear(*reversed(rest[heads[0] + "weight"].shape))
    head.load_state_dict({part: rest[heads[0] + part] for part in ("weight", "bias")})
    return lstm, head


def numpy_of(tensor):
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--prefix", default="", help="read only what begins so")
    parser.add_argument("--key", help="where in the checkpoint the state_dict is, if not at its top")
    options = parser.parse_args()
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    state = state[options.key] if options.key else state
    state = {name: value.detach() for name, value in state.items() if name.startswith(options.prefix)}
    lstm, head = network({name: value.double() for name, value in state.items()})
    x = weights.draw_input(lstm.input_size)
    with torch.no_grad():
        y = lstm.double()(torch.tensor(x).double())[0]
        y = head.double()(y) if head else y
    weights.write(options.out, "pytorch", {name: numpy_of(value) for name, value in state.items()}, check={"x": x, "y": y.numpy()})


if __name__ == "__main__":
    main()
