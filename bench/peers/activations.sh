#!/bin/sh
# SPDX-License-Identifier: MIT
# Weir's activations against a copy, and against the peers that are installed (Debian: libdnnl-dev, libxnnpack-dev, libsleef-dev,
# python3-torch), one thread, in turn in one process: sh bench/peers/activations.sh [BUILD [FOLDER [FLOATS...]]]. Writes FOLDER/peers.csv
# and prints the tables of docs/performance.md. WEIR_BENCH_LOCK names a file to be locked meanwhile, for machines that are shared.
set -eu
if [ -n "${WEIR_BENCH_LOCK:-}" ] && [ -z "${WEIR_BENCH_LOCKED:-}" ]; then
    WEIR_BENCH_LOCKED=1 exec flock "$WEIR_BENCH_LOCK" sh "$0" "$@"
fi
build=${1:-build/release}
folder=${2:-build/bench}
[ $# -lt 2 ] || shift 2
[ $# -gt 0 ] || set -- 65536 67108864
here=$(dirname "$0")
root=$here/../..
python=/usr/bin/python3
mkdir -p "$folder"
echo "peer,function,of,floats,peer_ns,exact_ns,fast_ns,exact_ratio,fast_ratio" >"$folder/times.csv"
export OMP_NUM_THREADS=1

skipped() { echo "$1: skipped: $2" >&2; }

# timed NAME COMMAND...: takes its rows only when it ends well
timed() {
    timed_name=$1
    shift
    if "$@" >"$folder/rows.csv" 2>"$folder/$timed_name.log"; then
        cat "$folder/rows.csv" >>"$folder/times.csv"
    else
        skipped "$timed_name" "it failed ($folder/$timed_name.log)"
    fi
}

# peer NAME FLAGS... -- LIBRARIES...: compiles, or says why not
peer() {
    name=$1
    shift
    flags=""
    libraries=""
    while [ "$1" != -- ]; do flags="$flags $1" && shift; done
    shift
    libraries=$*
    # shellcheck disable=SC2086 # lists of words
    if cc -std=gnu11 -O2 -mavx2 -mfma -I "$root/include" $flags "$here/activations.c" "$build/libweir.a" $libraries -lm \
        -o "$folder/$name" 2>"$folder/$name.log"; then
        built="$built $name"
    else
        skipped "$name" "it does not build here ($folder/$name.log)"
    fi
}

built=""
peer onednn -DWITH_ONEDNN -- -ldnnl
peer xnnpack -DWITH_XNNPACK -- -lXNNPACK -lpthreadpool
peer sleef -DWITH_SLEEF -- -lsleef
cc -O3 -mavx2 -mfma -ffast-math -c "$here/formulas.c" -o "$folder/libmvec.o"
peer libmvec '-DWITH_FORMULAS="libmvec"' -- "$folder/libmvec.o" -lmvec
cc -O2 -fno-tree-vectorize -c "$here/formulas.c" -o "$folder/glibc.o"
peer glibc '-DWITH_FORMULAS="glibc"' -- "$folder/glibc.o"

sizes=$(echo "$*" | tr ' ' ,)
"$build/weir" bench activations --size "$sizes" --csv "$folder/copies.csv" >"$folder/copies.txt"
for floats; do
    for name in $built; do
        timed "$name" "$folder/$name" "$floats"
    done
    if $python -c 'import torch' 2>/dev/null && [ -e "$build/libweir.so" ]; then
        timed pytorch $python "$here/activations.py" "$build/libweir.so" "$floats"
    else
        skipped pytorch "$python has no torch, or there is no $build/libweir.so"
    fi
done
$python "$here/table.py" "$folder/times.csv" "$folder/copies.csv" "$folder/peers.csv"
