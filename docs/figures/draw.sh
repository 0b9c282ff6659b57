#!/bin/sh
# SPDX-License-Identifier: MIT
# Draws the figures of docs/activations.md into a folder (this one): sh docs/figures/draw.sh [WEIR [FOLDER]]
set -eu
weir=${1:-build/release/weir}
folder=${2:-$(dirname "$0")}
all="relu leaky_relu prelu sigmoid tanh elu selu gelu gelu_tanh silu mish softplus"
mkdir -p "$folder"
for name in $all scaled_tanh hard_sigmoid softsign; do
    "$weir" plot "$name" --grad --points 201 -o "$folder/$name.svg"
done
# shellcheck disable=SC2086 # names, one by one
"$weir" plot $all --from -4 --to 4 --points 201 -o "$folder/all.svg"
"$weir" plot gelu gelu_tanh --against gelu_tanh --points 401 -o "$folder/gelu-gap.svg"
