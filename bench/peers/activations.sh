#!/bin/sh
# SPDX-License-Identifier: MIT
# Weir's activations against the peers that are installed (Debian: libdnnl-dev, libxnnpack-dev, libsleef-dev, python3-torch), one thread, in
# turn in one process: sh bench/peers/activations.sh [BUILD [FOLDER [FLOATS]]]. Writes FOLDER/peers.csv and prints the table of
# docs/performance.md.
set -eu
build=${1:-build/release}
folder=${2:-build/bench}
floats=${3:-65536}
here=$(dirname "$0")
root=$here/../..
mkdir -p "$folder"
echo "peer,function,of,floats,peer_ns,exact_ns,fast_ns,exact_ratio,fast_ratio" >"$folder/peers.csv"
export OMP_NUM_THREADS=1

# peer NAME FLAGS... -- LIBRARIES...: compiles and runs, or says why not
peer() {
    name=$1
    shift
    flags= libraries=
    while [ "$1" != -- ]; do flags="$flags $1" && shift; done
    shift
    libraries=$*
    # shellcheck disable=SC2086 # lists of words
    if cc -std=gnu11 -O2 -mavx2 -mfma -I "$root/include" $flags "$here/activations.c" "$build/libweir.a" $libraries -lm \
        -o "$folder/$name" 2>"$folder/$name.log"; then
        "$folder/$name" "$floats" >>"$folder/peers.csv"
    else
        echo "$name: skipped: it does not build here ($folder/$name.log)" >&2
    fi
}

peer onednn -DWITH_ONEDNN -- -ldnnl
peer xnnpack -DWITH_XNNPACK -- -lXNNPACK -lpthreadpool
peer sleef -DWITH_SLEEF -- -lsleef
cc -O3 -mavx2 -mfma -ffast-math -c "$here/formulas.c" -o "$folder/libmvec.o" && peer libmvec '-DWITH_FORMULAS="libmvec"' -- "$folder/libmvec.o" -lmvec
cc -O2 -fno-tree-vectorize -c "$here/formulas.c" -o "$folder/glibc.o" && peer glibc '-DWITH_FORMULAS="glibc"' -- "$folder/glibc.o"
if /usr/bin/python3 -c 'import torch' 2>/dev/null && [ -e "$build/libweir.so" ]; then
    /usr/bin/python3 "$here/activations.py" "$build/libweir.so" "$floats" >>"$folder/peers.csv"
else
    echo "pytorch: skipped: /usr/bin/python3 has no torch, or there is no $build/libweir.so" >&2
fi
python3 "$here/table.py" "$folder/peers.csv"
