#!/bin/bash
# SPDX-License-Identifier: MIT
# The number contract: outputs, states, trained weights and activation functions have the same bits on every instruction set, with any
# number of threads, rows and steps at a time, from every compiler at every level of optimisation. The bits themselves are written in
# golden.txt, those of the functions in functions.txt: a change there changes every user's results, and belongs into the change log.
# To write them anew, for a reason:
#     bash tests/bits/same_bits.sh --golden > golden.txt && mv golden.txt tests/bits/
#     bash tests/bits/same_bits.sh --golden-functions > functions.txt && mv functions.txt tests/bits/
set -u
source_dir=${WEIR_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
here=$source_dir/tests/bits
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-bits.XXXXXX")
trap 'rm -rf "$work"' EXIT
failures=0 compared=0
kinds="small-forward small-bf16 small-int8 small-train small-shards full-forward full-bf16 full-int8 full-train"

# compile NAME COMPILER FLAGS...: the core with bits.c and functions.c to $work/NAME/bits and $work/NAME/functions
compile() {
    local name=$1 compiler=$2 file
    shift 2
    mkdir -p "$work/$name"
    for file in "$here/bits.c" "$here/functions.c" "${core[@]}"; do
        echo "$file"
    done | xargs -P 2 -I '{}' sh -c 'file=$1; name=$2; shift 2; "$@" -c "$file" -o "$name/$(basename "$file" .c).o"' sh '{}' \
        "$work/$name" "$compiler" -std=c11 -ffp-contract=off -w -I "$source_dir/include" -I "$source_dir/src/kernel" "$@" &&
        mv "$work/$name/functions.o" "$work/$name/functions" && mv "$work/$name/bits.o" "$work/$name/bits" &&
        for program in bits functions; do
            mv "$work/$name/$program" "$work/$name/main.o" &&
                "$compiler" "$@" "$work/$name"/*.o -lm -lpthread -o "$work/$name/$program" || return 1
        done
}

expected() { # of a kind
    sed -n "s/^$1 //p" "$here/golden.txt"
}

# compare LABEL COMMAND... SIZE forward|bf16|int8|train|shards REST: one run against the golden hash of its kind
compare() {
    local label=$1 hash status kind want
    shift
    kind=$(printf '%s\n' "$@" | grep -x -A1 -E 'small|full' | paste -sd-)
    want=$(expected "$kind")
    hash=$("$@")
    status=$?
    [ $status = 77 ] && return 77
    compared=$((compared + 1))
    if [ $status != 0 ] || [ "$hash" != "$want" ]; then
        failures=$((failures + 1))
        echo "FAILED: $label: $*: $hash, not $want"
    fi
}

# compare_functions LABEL COMMAND... SIZE ISA: all functions against their golden hashes
compare_functions() {
    local label=$1 status
    shift
    "$@" >"$work/functions.out"
    status=$?
    [ $status = 77 ] && return 77
    compared=$((compared + 1))
    if [ $status != 0 ] || ! grep "^${*: -2:1} " "$here/functions.txt" | diff - "$work/functions.out" >"$work/functions.diff"; then
        failures=$((failures + 1))
        echo "FAILED: $label: $*:"
        head -n 6 "$work/functions.diff"
    fi
}

core=("$source_dir"/src/{base,kernel,model,infer,train}/*.c)
main=$work/main/bits functions=$work/main/functions
mkdir "$work/main"
for program in bits functions; do
    ${CC:-cc} -std=c11 -O2 -ffp-contract=off -I "$source_dir/include" "$here/$program.c" "${WEIR_BUILD_DIR:-.}/libweir.a" -lm -lpthread \
        -o "$work/main/$program" 2>/dev/null || { # no build to test, or one with sanitizers
        compile main "${CC:-cc}" -O2 || exit 1
        break
    }
done

if [ "${1:-}" = --golden-functions ]; then
    for size in small full; do
        "$functions" $size best
    done
    exit
fi

if [ "${1:-}" = --golden ]; then
    for kind in $kinds; do
        case $kind in
        *train | *shards) echo "$kind $("$main" ${kind/-/ } scalar 1)" ;;
        *) echo "$kind $("$main" ${kind/-/ } scalar 1 64 0)" ;;
        esac
    done
    exit
fi

# ---- This CPU: instruction sets, threads, rows and steps at a time ----

native_avx512=no
for isa in scalar avx2 avx512 neon; do
    size=full
    compare "this build" "$main" small forward $isa 1 64 0
    [ $? = 77 ] && continue
    [ $isa = avx512 ] && native_avx512=yes
    for threads in 1 2; do
        for group in 1 2 5 64; do
            for chunk in 1 7 0; do
                compare "this build" "$main" $size forward $isa $threads $group $chunk
            done
        done
    done
    for form in bf16 int8; do
        for how in "1 1 1" "1 5 7" "1 64 0" "2 1 0" "2 64 0" "2 64 1"; do
            compare "this build" "$main" $size $form $isa $how
        done
    done
    for threads in 1 2 3; do
        compare "this build" "$main" $size train $isa $threads
        compare "this build" "$main" small shards $isa $threads
    done
    if [ $isa = scalar ]; then # its fused multiply-adds are calls
        compare_functions "this build" "$functions" small $isa
    else
        compare_functions "this build" "$functions" full $isa
    fi
done
echo "this build and CPU: $compared runs compared"

# ---- Other builds, each run a few ways ----

# build LABEL ISA RUNNER -- COMPILER FLAGS...
build() {
    local label=$1 isa=$2 runner=$3 before=$compared
    shift 4
    if ! command -v "$1" >/dev/null || { [ -n "$runner" ] && ! command -v "$runner" >/dev/null; }; then
        echo "$label: not compared: there is no $1${runner:+ or no $runner}"
        return
    fi
    if ! compile other "$@"; then
        failures=$((failures + 1))
        echo "FAILED: $label does not compile"
        return
    fi
    compare "$label" $runner "$work/other/bits" small forward $isa 1 5 7 &&
        compare "$label" $runner "$work/other/bits" small forward $isa 2 64 0 &&
        compare "$label" $runner "$work/other/bits" small forward $isa 1 2 1 &&
        compare "$label" $runner "$work/other/bits" small bf16 $isa 1 5 1 &&
        compare "$label" $runner "$work/other/bits" small bf16 $isa 2 64 0 &&
        compare "$label" $runner "$work/other/bits" small int8 $isa 1 5 1 &&
        compare "$label" $runner "$work/other/bits" small int8 $isa 2 64 0 &&
        compare "$label" $runner "$work/other/bits" small train $isa 2 &&
        compare "$label" $runner "$work/other/bits" small shards $isa 2
    if [ -n "$runner" ] || [ $isa = avx512 ]; then # emulated, and slow
        compare_functions "$label" $runner "$work/other/functions" small $isa
    else
        compare_functions "$label" "$work/other/functions" full $isa
    fi
    echo "$label: $((compared - before)) runs compared"
    rm -rf "$work/other"
}

build "gcc -O0" best "" -- gcc -O0
build "gcc -O1" best "" -- gcc -O1
build "gcc -O3" best "" -- gcc -O3
build "clang -O0" best "" -- clang -O0
build "clang -O2" best "" -- clang -O2
build "clang -O3" best "" -- clang -O3
build "NEON, under qemu" neon qemu-aarch64-static -- aarch64-linux-gnu-gcc -O2 -static

# AVX-512 through SIMDe: k_avx512.c compiled for AVX2, and the question whether the CPU has AVX-512 answered with yes.
if [ $native_avx512 = yes ]; then
    echo "AVX-512: compared natively"
elif ! "$main" small forward avx2 1 64 0 >/dev/null; then
    echo "AVX-512: not compared: this CPU has neither it nor AVX2"
elif ! echo '#include <simde/x86/avx512.h>' | gcc -std=c11 -mavx2 -mfma -E - >/dev/null 2>&1; then
    echo "AVX-512: not compared: this CPU lacks it, and there are no headers of SIMDe"
else
    for part in k_avx512 exact_avx512; do
        sed 's/avx512f,avx512dq,avx512bw,avx512vl,//' "$source_dir/src/kernel/$part.c" >"$work/$part.c"
    done
    for part in isa select; do
        sed 's/__builtin_cpu_supports("avx512vnni")/false/; s/__builtin_cpu_supports("avx512[a-z]*")/true/g' "$source_dir/src/kernel/$part.c" >"$work/$part.c"
    done
    others=()
    for file in "${core[@]}"; do
        case $file in
        */k_avx512.c | */exact_avx512.c | */isa.c | */select.c) others+=("$work/$(basename "$file")") ;;
        *) others+=("$file") ;;
        esac
    done
    core=("${others[@]}")
    build "AVX-512, through SIMDe" avx512 "" -- gcc -O2 -mavx2 -mfma -Wno-psabi -I "$source_dir/tests/simde"
fi

echo "$compared runs compared in all, $failures failed"
[ $failures = 0 ]
