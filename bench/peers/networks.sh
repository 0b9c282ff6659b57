#!/bin/sh
# SPDX-License-Identifier: MIT
# Weir's networks against the peers that are installed: oneDNN (Debian: libdnnl-dev; or another one: ONEDNN=PREFIX), ONNX Runtime with
# onnx, and PyTorch (of the Python that PYTHON names), in turn in one process each:
#     sh bench/peers/networks.sh [BUILD [FOLDER [THREADS [PROBLEM...]]]]
# Writes FOLDER/networks.csv, a line for each peer and problem as it ends, and prints the table of docs/performance.md.
set -eu
build=${1:-build/release}
folder=${2:-build/bench}
threads=${3:-1}
[ $# -lt 3 ] || shift 3
here=$(dirname "$0")
root=$here/../..
python=${PYTHON:-/usr/bin/python3}
mkdir -p "$folder"
out=$folder/networks-$threads.csv
echo "peer,problem,threads,peer_us,weir_us,ratio" >"$out"
export OMP_NUM_THREADS="$threads"

if [ $# -eq 0 ]; then
    for hidden in 8 16 20 32 64; do set -- "$@" R1-H$hidden R1-H$hidden-peep; done
    for hidden in 128 256 512 1024; do
        for rest in R2-H$hidden R2-H$hidden-T100 R3-H$hidden-B16 R3-H$hidden-B64 R4-H$hidden-B16 R4-H$hidden-B64; do
            set -- "$@" $rest $rest-peep
        done
    done
fi

libraries="-L$build -Wl,-rpath,$(cd "$build" && pwd) -lweir-format -lweir -ljansson -lpthreadpool -lm"
flags="-std=gnu11 -O2 -D_GNU_SOURCE -I$root/include -I$root/cli"
shared="$root/cli/problem.c $root/cli/common.c"
prefix=${ONEDNN:-}
# shellcheck disable=SC2086 # lists of words
if cc $flags ${prefix:+"-I$prefix/include"} "$here/networks.c" $shared ${prefix:+"-L$prefix/lib" "-Wl,-rpath,$prefix/lib"} -ldnnl $libraries \
    -o "$folder/networks" 2>"$folder/networks.log"; then
    for problem; do
        "$folder/networks" "$threads" "$problem" | tee -a "$out" >&2
    done
else
    echo "onednn: skipped: it does not build here ($folder/networks.log)" >&2
fi
# shellcheck disable=SC2086
cc $flags -shared -fPIC $shared $libraries -o "$folder/libproblem.so"
for problem; do
    "$python" "$here/networks.py" "$folder/libproblem.so" "$threads" "$problem" | tee -a "$out" >&2
done
"$python" "$here/networks_table.py" "$out"
