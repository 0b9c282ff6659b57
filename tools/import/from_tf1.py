#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A TensorFlow 1 checkpoint with LSTMCell, BasicLSTMCell or LSTMBlockCell, as weights for weir convert --layout tf1:

    python3 tools/import/from_tf1.py model.ckpt weights.safetensors [--forget-bias 1] [--cell-clip 3]

Needs TensorFlow. Optimizers' variables are left out; what else is left out is said. The check, for one layer of one direction without
projection, is what TensorFlow's operation BlockLSTM, which has the same order of gates, computes with these weights."""

import argparse
import re

import numpy as np
import tensorflow as tf
import weights

MINE = re.compile(r".*(lstm[^/]*/(kernel|bias|w_[fio]_diag|projection/kernel)|dense[^/]*/(kernel|bias))")


def run(tensors, forget_bias, cell_clip):
    """x and what TensorFlow makes of it, or None for what BlockLSTM cannot do."""
    parts = {re.sub(".*/", "", name): value for name, value in tensors.items()}
    if len(parts) != len(tensors) or any("projection" in name or "dense" in name or "/bw/" in name for name in tensors):
        return None
    H = len(parts["bias"]) // 4
    x = weights.draw_input(len(parts["kernel"]) - H)
    zeros, peepholes = np.zeros((x.shape[1], H), np.float32), "w_i_diag" in parts
    diag = [parts.get(f"w_{g}_diag", np.zeros(H, np.float32)) for g in "ifo"]
    done = tf.raw_ops.BlockLSTM(seq_len_max=len(x), x=x, cs_prev=zeros, h_prev=zeros, w=parts["kernel"], wci=diag[0], wcf=diag[1], wco=diag[2],
                                b=parts["bias"], forget_bias=forget_bias, cell_clip=cell_clip or -1.0, use_peephole=peepholes)
    return {"x": x, "y": done.h.numpy()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--forget-bias", type=float, default=1.0, help="the cell's argument of this name; give it to weir convert too if it is not 1")
    parser.add_argument("--cell-clip", type=float, default=0.0)
    options = parser.parse_args()
    reader = tf.train.load_checkpoint(options.checkpoint)
    names = sorted(reader.get_variable_to_shape_map())
    mine = [name for name in names if MINE.fullmatch(name)]
    for name in sorted(set(names) - set(mine)):
        print(f"left out: {name}")
    tensors = {name: reader.get_tensor(name) for name in mine}
    settings = {"cell_clip": options.cell_clip} if options.cell_clip else {}
    weights.write(options.out, "tf1", tensors, settings, run(tensors, options.forget_bias, options.cell_clip))


if __name__ == "__main__":
    main()
