#!/bin/sh
# SPDX-License-Identifier: MIT
# Trains the network of docs/figures/counting.svg and draws it: sh experiments/counting.sh [WEIR-EXPERIMENTS]
set -eu
program=${1:-build/release/weir-experiments}
folder=$(dirname "$0")/../docs/figures
"$program" --trace >"$folder/counting.dat"
cd "$folder"
gnuplot counting.gp
