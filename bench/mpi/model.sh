#!/bin/bash
# SPDX-License-Identifier: MIT
# The cost model of docs/mpi.md: measures an exchange and an update at 1 and 2 ranks here, predicts 1 to 256 ranks, writes the table to standard
# output and docs/figures/mpi-model.{dat,gp,svg}. Wants an idle machine: bash bench/mpi/model.sh [BUILD [openmpi|mpich]]
set -eu
build=$(cd "${1:-build/release}" && pwd) mpi=${2:-openmpi} root=$(cd "$(dirname "$0")/../.." && pwd)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
hidden=512 batch=64 shards=16 steps=32

launch() {
    ranks=$1
    shift
    case $mpi in openmpi) mpirun.openmpi --oversubscribe -n "$ranks" "$@" ;; *) mpirun.mpich -n "$ranks" "$@" ;; esac
}

# Least seconds of an update: of epochs of 12 updates, 1 % of validation in them.
update_of() {
    awk '{ match($0, /"seconds": [0-9.e-]*/); t = substr($0, RSTART + 11, RLENGTH - 11) / 12; if (!best || t < best) best = t } END { print best }' "$1"
}

${CC:-cc} -O2 -D_GNU_SOURCE -I "$root/include" -I "$root/mpi" "$root/bench/mpi/exchange.c" -ldl -o exchange
launch 2 ./exchange "$build/libweir-mpi-$mpi.so" >exchanges
awk 'BEGIN { srand(1); for (i = 0; i < 12 * '$((batch * steps))' / 0.99 + 100; i++) printf "%c", 97 + int(rand() * 26) }' >text.txt
train="train text.txt --hidden $hidden --layers 2 --batch $batch --steps $steps --shards $shards --epochs 3 --split 0.99 --threads 1 --checkpoint-every 0"
# shellcheck disable=SC2086 # options, one by one
{
    "$build/weir" $train -o a.weir --log one.jsonl 2>said
    launch 2 "$build/weir" $train -o b.weir --log two.jsonl 2>>said
}
cmp a.weir b.weir
weights=$(sed -n 's/^model:.* \([0-9]*\) weights,.*/\1/p' said | head -n 1)
one=$(update_of one.jsonl) two=$(update_of two.jsonl)
latency=$(awk 'NR == 1 { print $2 }' exchanges)
bandwidth=$(awk '{ size = $1; t = $2 } END { print size / t }' exchanges)

# Rows: ranks, then seconds: shards, what every rank does for all weights, exchange on a fast and on a slow network, the update on each.
awk -v W="$weights" -v one="$one" -v two="$two" -v S=256 -v shard="$(awk "BEGIN { print $one / $shards }")" -v a="$latency" -v b="$bandwidth" \
    -v of="$shards" '
    function ceil(x) { return x == int(x) ? x : int(x) + 1 }
    function rounds(R, n) { for (n = 0; 2 ^ n < R; n++); return n }
    function exchange(R, alpha, beta) { return R > 1 ? 2 * rounds(R) * alpha + 3 * (alpha + (R - 1) * 0.5e-6) + 8 * W * (R - 1) / R / beta : 0 }
    BEGIN {
        memory = 10e9; all = 48 * W / memory
        printf "# measured here: %d weights, %d shards of %.3g s; 1 rank %.4g s, 2 ranks %.4g s an update; latency %.2g s, %.3g bytes/s\n", W, of, shard, one, two, a, b
        printf "# model of 2 ranks here: %.4g s\n", one / 2 + exchange(2, a, b)
        print "# ranks shards all fast_exchange slow_exchange fast slow"
        for (R = 1; R <= 256; R *= 2) {
            compute = ceil(S / R) * shard; fast = exchange(R, 2e-6, 11e9); slow = exchange(R, 20e-6, 1.1e9)
            printf "%d %.4g %.4g %.4g %.4g %.4g %.4g\n", R, compute, all, fast, slow, compute + all + fast, compute + all + slow
        }
    }' >mpi-model.dat
cat >mpi-model.gp <<'GP'
# Draws 'mpi-model.svg': gnuplot mpi-model.gp, in this folder
set terminal svg size 960,540 dynamic background '#ffffff' font 'sans-serif,14'
set output 'mpi-model.svg'
set border 3 lc rgb '#888888'
set tics nomirror textcolor rgb '#333333'
set grid xtics ytics lc rgb '#e4e4e4'
set key top right Left reverse spacing 1.2 samplen 2
set logscale x 2
set logscale y 10
set xlabel 'ranks'
set ylabel 'seconds an update'
plot 'mpi-model.dat' using 1:6 with linespoints pt 7 ps 0.6 lw 2 lc rgb '#0072b2' title 'InfiniBand, 2 us and 11 GB/s', \
     '' using 1:7 with linespoints pt 7 ps 0.6 lw 2 lc rgb '#d55e00' title '10 Gbit Ethernet, 20 us and 1.1 GB/s', \
     '' using 1:2 with lines lw 2 dt 2 lc rgb '#888888' title 'the shards alone'
GP
cp mpi-model.dat mpi-model.gp "$root/docs/figures"
(cd "$root/docs/figures" && gnuplot mpi-model.gp)
cat exchanges mpi-model.dat
