#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Arrays of oneDNN's LSTM in a NumPy archive, as weights for weir convert --layout onednn:

    python3 tools/import/from_onednn.py arrays.npz weights.safetensors

The archive has weights_layer (l, d, i, 4, o), weights_iter (l, d, h, 4, o), bias (l, d, 4, o) and, if wanted, weights_peephole (l, d, 3, o) and
weights_projection (l, d, o, p): plain row-major arrays, as a reorder to ldigo, ldgo and ldio gives them. For a primitive above another one its
arrays are called lstm_1/weights_layer, and so on. x (T, B, i) and y are kept as the check. Needs NumPy."""

import argparse

import numpy as np
import weights

PARTS = ("weights_layer", "weights_iter", "bias", "weights_peephole", "weights_projection")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("arrays")
    parser.add_argument("out")
    options = parser.parse_args()
    arrays = dict(np.load(options.arrays))
    check = {name: arrays.pop(name) for name in ("x", "y", "h0", "c0", "lengths") if name in arrays}
    for name in arrays:
        if name.rsplit("/", 1)[-1] not in PARTS:
            raise SystemExit(f"{options.arrays}: {name} is none of {', '.join(PARTS)}")
    tensors = {name if "/" in name else "lstm/" + name: value for name, value in arrays.items()}
    weights.write(options.out, "onednn", tensors, check=check or None)


if __name__ == "__main__":
    main()
