#!/bin/sh
# SPDX-License-Identifier: MIT
# Weir's networks against the peers that are there, in turn in one process each:
#     sh bench/peers/networks.sh [BUILD [FOLDER [THREADS [PROBLEM...]]]]
# Appends to FOLDER/networks-THREADS.csv, a line for each peer, problem and run as it ends, then writes FOLDER/networks-THREADS-summary.csv
# and prints the tables of docs/performance.md. Stopped and started again, it goes on where it was. Without PROBLEM: the standard list and
# the odd shapes (problems.py). README.md beside this says where the peers come from. Variables:
#     PYTHON     the Python that has onnxruntime, onnx and torch (build/peers-venv/bin/python where it is, or Debian's)
#     ONEDNN     prefixes of oneDNN, by colons (/usr, and build/peers-venv where it has one)
#     RTNEURAL   the folder that has RTNeural/lstm/lstm.h
#     RUNS       processes for each peer and problem (3)
#     BUDGET     seconds of measuring for each problem in each run (0.2)
#     KEEP       go on with a CSV that another build of Weir made, which is moved away otherwise
#     WEIR_BENCH_LOCK   a file to be locked meanwhile, for machines that are shared
set -eu
if [ -n "${WEIR_BENCH_LOCK:-}" ] && [ -z "${WEIR_BENCH_LOCKED:-}" ]; then
    WEIR_BENCH_LOCKED=1 exec flock "$WEIR_BENCH_LOCK" sh "$0" "$@"
fi
build=${1:-build/release}
folder=${2:-build/bench}
threads=${3:-1}
if [ $# -lt 3 ]; then shift $#; else shift 3; fi
here=$(dirname "$0")
root=$here/../..
venv=$(cd "$root" && pwd)/build/peers-venv
mkdir -p "$folder"
peers=$folder/peers-$threads.txt
export OMP_NUM_THREADS="$threads"

if [ -z "${PYTHON:-}" ]; then
    PYTHON=/usr/bin/python3
    [ ! -x "$venv/bin/python" ] || PYTHON=$venv/bin/python
fi
if [ -z "${ONEDNN:-}" ]; then
    ONEDNN=/usr
    [ ! -e "$venv/include/dnnl.h" ] || ONEDNN=/usr:$venv
fi

libraries="-L$build -Wl,-rpath,$(cd "$build" && pwd) -lweir-format -lweir -ljansson -lpthreadpool -lm"
flags="-O2 -D_GNU_SOURCE -I$root/include -I$root/cli"
shared="$root/cli/problem.c $root/cli/common.c $here/park.c"
# shellcheck disable=SC2086 # lists of words
cc -std=gnu11 $flags -shared -fPIC $shared $libraries -o "$folder/libproblem.so"
: >"$peers"

skipped() { echo "$1: skipped: it does not build here ($2)" >&2; }

# onednn NAME PREFIX. Old dtags: what libdnnl.so itself needs lies beside it.
onednn() {
    from=
    [ -e "$2/include/dnnl.h" ] || { echo "oneDNN in $2: skipped: there is no include/dnnl.h" >&2 && return; }
    [ "$2" = /usr ] || from="-I$2/include -L$2/lib -Wl,--disable-new-dtags,-rpath,$2/lib"
    # shellcheck disable=SC2086
    if cc -std=gnu11 $flags $from "$here/networks.c" $shared -ldnnl $libraries -o "$folder/$1" 2>"$folder/$1.log"; then
        # The build for SYCL finds its processor through OpenCL.
        [ ! -e "$2/lib/libintelocl.so" ] || printf 'env OCL_ICD_FILENAMES=%s ' "$2/lib/libintelocl.so" >>"$peers"
        echo "$folder/$1" >>"$peers"
    else
        skipped "oneDNN in $2" "$folder/$1.log"
    fi
}

# rtneural BACKEND MACHINE ALIGNMENT: which backend and which vectors are the fastest differs from size to size; the table takes the best.
# With -ffast-math the program takes subnormal numbers for zero, on both sides.
rtneural() {
    name=rtneural-$1-$2
    backend=$(echo "$1" | tr '[:lower:]' '[:upper:]')
    # shellcheck disable=SC2086
    if c++ -std=gnu++17 $flags -O3 -ffast-math -march="$2" -DRTNEURAL_USE_"$backend"=1 -DRTNEURAL_DEFAULT_ALIGNMENT="$3" \
        -DWITH_NAME="\"$name\"" -isystem "$RTNEURAL" -isystem /usr/include/eigen3 "$here/rtneural.cpp" "$folder/problem.o" \
        "$folder/common.o" "$folder/park.o" $libraries -o "$folder/$name" 2>"$folder/$name.log"; then
        echo "$folder/$name" >>"$peers"
    else
        skipped "$name" "$folder/$name.log"
    fi
}

number=0
for prefix in $(echo "$ONEDNN" | tr : ' '); do
    number=$((number + 1))
    onednn "onednn-$number" "$prefix"
done
echo "$PYTHON $here/networks.py $folder/libproblem.so onnxruntime" >>"$peers"
echo "$PYTHON $here/networks.py $folder/libproblem.so pytorch" >>"$peers"
if [ -n "${RTNEURAL:-}" ]; then
    for part in $shared; do
        # shellcheck disable=SC2086
        cc -std=gnu11 $flags -c "$part" -o "$folder/$(basename "$part" .c).o"
    done
    rtneural eigen native 32
    rtneural xsimd native 64
    rtneural eigen x86-64-v3 32
    rtneural xsimd x86-64-v3 32
fi

out=$folder/networks-$threads
"$PYTHON" "$here/networks_run.py" "$out.csv" "$peers" "$folder/libproblem.so" "$threads" "${RUNS:-3}" "${BUDGET:-0.2}" "$@"
"$PYTHON" "$here/networks_table.py" --csv "$out-summary.csv" "$out.csv"
