#!/bin/bash
# SPDX-License-Identifier: MIT
# Instructions of one pass over small problems, counted by callgrind: speed that no other load on the machine can blur. A count more than
# 3 % above the recorded one fails; one more than 3 % below should be recorded anew. To record, into tests/speed/counts.txt:
#     bash tests/speed/counts.sh --record
# The core is compiled here by gcc with the flags below, whatever the build has, so presets and sanitizers do not matter; the instruction set is
# AVX2, since valgrind has no AVX-512. Counts hold for one compiler only: with another one than recorded the test is skipped.
set -u
source_dir=${WEIR_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
here=$source_dir/tests/speed
flags="-std=c11 -O3 -DNDEBUG -ffp-contract=off"
problems="R1-H16-peep R1-H64-peep R2-H256-peep R2-H64-T16-peep R3-H64-T4-B16-peep R4-H32-T16-B16-peep"
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-counts.XXXXXX")
trap 'rm -rf "$work"' EXIT

skip() {
    echo "skipped: $1"
    exit 77
}

command -v gcc >/dev/null || skip "there is no gcc"
command -v valgrind >/dev/null || skip "there is no valgrind"
compiler="$(gcc --version | head -n 1), $(gcc -dumpmachine), C library $(getconf GNU_LIBC_VERSION 2>/dev/null || echo unknown)"

recorded() { # of a word: the rest of its line
    sed -n "s/^$1 //p" "$here/counts.txt"
}

if [ "${1:-}" != --record ]; then
    [ "$(recorded compiler)" = "$compiler" ] || skip "counts were recorded for $(recorded compiler), but this is $compiler"
    [ "$(recorded flags)" = "$flags" ] || skip "counts were recorded for the flags $(recorded flags), but these are $flags"
fi

for file in "$source_dir"/src/{base,kernel,model,infer,train}/*.c "$source_dir/cli/problem.c" "$here/pass.c"; do
    echo "$file"
done | xargs -P 2 -I '{}' sh -c 'file=$1 out=$2; shift 2; gcc "$@" -w -c "$file" -o "$out/$(basename "$file" .c).o"' sh '{}' "$work" \
    $flags -D_GNU_SOURCE -I "$source_dir/include" -I "$source_dir/cli" && gcc "$work"/*.o -lm -o "$work/pass" || exit 1

# count PROBLEM: prints the instructions of its second pass
count() {
    valgrind --tool=callgrind --toggle-collect=counted_pass --callgrind-out-file="$work/out" "$work/pass" "$1" >"$work/log" 2>&1
    local status=$?
    [ $status = 0 ] || { tail -n 3 "$work/log" >&2; return $status; }
    sed -n 's/^totals: //p' "$work/out"
}

if [ "${1:-}" = --record ]; then
    {
        echo "# Instructions of one pass; to record them anew: bash tests/speed/counts.sh --record"
        echo "compiler $compiler"
        echo "flags $flags"
        for problem in $problems; do
            n=$(count "$problem") || exit 1
            echo "$problem $n"
        done
    } >"$work/counts.txt" || exit 1
    cp "$work/counts.txt" "$here/counts.txt"
    cat "$here/counts.txt"
    exit 0
fi

failed=0
for problem in $problems; do
    n=$(count "$problem")
    status=$?
    [ $status = 77 ] && skip "valgrind has no AVX2 here"
    want=$(recorded "$problem")
    if [ $status != 0 ] || [ -z "$n" ] || [ -z "$want" ]; then
        echo "FAILED: $problem: $([ -n "$want" ] && echo "it could not be counted" || echo "no count is recorded")"
        failed=$((failed + 1))
        continue
    fi
    if [ $((n * 100)) -gt $((want * 103)) ]; then
        echo "FAILED: $problem: $n instructions, but the recorded $want and 3 % are $((want * 103 / 100))"
        failed=$((failed + 1))
    elif [ $((n * 100)) -lt $((want * 97)) ]; then
        echo "$problem: $n instructions, fewer than the recorded $want: record them anew"
    else
        echo "$problem: $n instructions, recorded $want"
    fi
done
[ $failed = 0 ]
