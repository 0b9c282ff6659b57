#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Kaldi nnet1 model of LSTM layers with at most one affine layer behind them, as text (nnet-copy --binary=false), as weights for
weir convert --layout kaldi-nnet1:

    python3 tools/import/from_kaldi.py nnet.txt weights.safetensors

Reads <LstmProjected> (also under its old name <LstmProjectedStreams>), <BlstmProjected>, <AffineTransform> and <Softmax>. Needs NumPy; Kaldi is
not run, so there is no check."""

import argparse
import re

import numpy as np
import weights

PARTS = ("w_gifo_x_", "w_gifo_r_", "bias_", "peephole_i_c_", "peephole_f_c_", "peephole_o_c_", "w_r_m_")
LSTMS = {"<LstmProjected>": 1, "<LstmProjectedStreams>": 1, "<BlstmProjected>": 2, "<BlstmProjectedStreams>": 2}
# Settings of training, each with one number.
OF_TRAINING = {"<LearnRateCoef>", "<BiasLearnRateCoef>", "<DiffClip>", "<CellDiffClip>", "<GradClip>", "<ClipGradient>", "<MaxNorm>"}


def components(text):
    """The file as [name, numbers of settings by name, arrays] of each component."""
    out = []
    for token in re.findall(r"<[^>]*>|\[[^\]]*\]|[^\s\[<]+", text):
        if token in LSTMS or token in ("<AffineTransform>", "<Softmax>"):
            out.append([token, {}, []])
        elif token.startswith("["):
            rows = [[float(n) for n in row.split()] for row in token[1:-1].strip().split("\n")]
            out[-1][2].append(np.array(rows if len(rows) > 1 else rows[0], np.float32))
        elif token.startswith("<") and token not in ("<Nnet>", "</Nnet>", "<!EndOfComponent>"):
            if token != "<CellDim>" and token != "<CellClip>" and token not in OF_TRAINING:
                raise SystemExit(f"this script does not read {token}")
            out[-1][1][token] = None
        elif not token.startswith("<") and out and None in out[-1][1].values():
            out[-1][1][next(name for name, value in out[-1][1].items() if value is None)] = float(token)
    return out


def read_lstm(name, settings, arrays, number):
    """A projection of one unit is written as a row, and so is an input of one dimension."""
    directions = LSTMS[name]
    if len(arrays) != len(PARTS) * directions:
        raise SystemExit(f"{name} has {len(arrays)} arrays, not {len(PARTS) * directions}")
    tensors = {}
    for d in range(directions):
        mine = dict(zip(PARTS, arrays[d * len(PARTS) :]))
        H = int(settings["<CellDim>"])
        for part, shape in ("w_gifo_x_", (4 * H, -1)), ("w_gifo_r_", (4 * H, -1)), ("w_r_m_", (-1, H)):
            mine[part] = mine[part].reshape(shape)
        stem = weights.numbered("lstm", number) + "/" + (("forward/", "backward/")[d] if directions == 2 else "")
        tensors |= {stem + part: value for part, value in mine.items()}
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("nnet")
    parser.add_argument("out")
    options = parser.parse_args()
    with open(options.nnet) as file:
        found = components(file.read())
    tensors, clips, settings, layers = {}, set(), {}, 0
    for name, own, arrays in found:
        if name in LSTMS and "affine/bias_" not in tensors:
            tensors |= read_lstm(name, own, arrays, layers)
            clips.add(own.get("<CellClip>") or 0.0)
            layers += 1
        elif name == "<AffineTransform>" and layers and "affine/bias_" not in tensors:
            tensors["affine/linearity_"], tensors["affine/bias_"] = np.atleast_2d(arrays[0]), arrays[1]
        elif name == "<Softmax>" and "affine/bias_" in tensors:
            settings["output"] = "softmax"
        else:
            raise SystemExit(f"{options.nnet} is no stack of LSTM layers with at most one affine layer: {name} cannot stand here")
    if len(clips) != 1:
        raise SystemExit(f"{options.nnet} has {layers} LSTM layers, with the cell clips {sorted(clips)}; Weir's layers have one in common")
    if max(clips) > 0:
        settings["cell_clip"] = max(clips)
    weights.write(options.out, "kaldi-nnet1", tensors, settings)


if __name__ == "__main__":
    main()
