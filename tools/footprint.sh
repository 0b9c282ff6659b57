#!/bin/bash
# SPDX-License-Identifier: MIT
# What running a network takes in a program: the tables of docs/footprint.md, from the part of the library that runs (WEIR_INFERENCE_ONLY) and a
# program that makes a model of arrays and steps it (tests/package/consumer/step.c), linked with --gc-sections and stripped. Every such
# program must print the same hash, and take at most 200 KiB for each instruction set in it.
#
#     bash tools/footprint.sh           this machine's instruction sets, gcc
#     bash tools/footprint.sh --all     clang, musl, AArch64, WebAssembly and Cortex-M4 too, where their compilers are installed
set -eu
source_dir=$(cd "$(dirname "$0")/.." && pwd)
work=${WEIR_FOOTPRINT_DIR:-$source_dir/build/footprint}
consumer=$source_dir/tests/package/consumer/step.c
hash=be1cc1ba limit=$((200 * 1024)) failed=0
common="-std=c11 -DNDEBUG -ffp-contract=off -ffunction-sections -fdata-sections -w -I $source_dir/include -I $source_dir/src"

fail() { echo "footprint: $*" >&2; failed=1; }

# compile FOLDER "FILES" COMPILER FLAGS...
compile() {
    local folder=$1 files=$2
    shift 2
    mkdir -p "$folder"
    printf '%s\n' $files | xargs -P 2 -I '{}' sh -c 'file=$1 folder=$2; shift 2; "$@" -c "$file" -o "$folder/$(basename "$file" .c).o"' \
        sh '{}' "$folder" "$@" $common
}

core() { # LAYER...: their sources
    for layer in "$@"; do echo "$source_dir/src/$layer"/*.c; done
}

# loaded FILE: bytes of code and data that a program takes
loaded() { ${size:-size} "$1" | awk 'NR == 2 { print $1 + $2 }'; }

kib() { awk "BEGIN { printf \"%.0f\", $1 / 1024 }"; }

# Links what is in a folder with the consumer and sets `bytes`: what the library adds to an empty program.
link() { # FOLDER LABEL COMPILER FLAGS...
    local folder=$1 label=$2 printed
    shift 2
    echo 'int main(void) { return 0; }' >"$folder/empty.c"
    "$@" -O2 "$folder/empty.c" ${link_with:-} -o "$folder/empty" -Wl,--gc-sections ${strip--Wl,-s}
    "$@" -O2 -ffunction-sections -I "$source_dir/include" "$consumer" ${link_with:-} "$folder"/*.o -lm -o "$folder/step" -Wl,--gc-sections ${strip--Wl,-s}
    printed=$(${runner:-} "$folder/step") || true
    [ "$printed" = $hash ] || fail "$label: the program printed '$printed', not $hash"
    if [ -n "${whole_file:-}" ]; then
        bytes=$(($(wc -c <"$folder/step") - $(wc -c <"$folder/empty")))
    else
        bytes=$(($(loaded "$folder/step") - $(loaded "$folder/empty")))
    fi
}

check() { # LABEL BYTES SETS
    [ "$2" -le $((limit * $3)) ] || fail "$1 takes $2 bytes, more than 200 KiB for each instruction set"
}

# ---- This machine ----

case $(uname -m) in
x86_64) others="avx2 avx512" ;;
aarch64) others=neon ;;
*) others= ;;
esac

# without SET...: the macros that leave out every other instruction set
without() {
    local isa
    for isa in avx2 avx512 neon ref64; do
        case " $* " in *" $isa "*) ;; *) echo "-DWEIR_NO_$(echo $isa | tr a-z A-Z)" ;; esac
    done
}

# row LABEL COUNT SETS...: a set of instruction sets at the three levels
row() {
    local label=$1 count=$2 level cells=
    shift 2
    for level in Os O2 O3; do
        rm -rf "$work/set" && mkdir "$work/set"
        cp "$work/$level"/*.o "$work/set"
        compile "$work/set" "$choosers" gcc -$level -DWEIR_INFERENCE_ONLY $(without "$@")
        link "$work/set" "$label -$level" gcc
        cells="$cells $(kib "$bytes") |"
        check "$label -$level" "$bytes" "$count"
    done
    echo "| $label |$cells"
}

choosers="$source_dir/src/kernel/isa.c $source_dir/src/kernel/select.c $source_dir/src/kernel/activation_array.c"
rm -rf "$work"
mkdir -p "$work"
for level in Os O2 O3; do
    compile "$work/$level" "$(core base kernel model infer)" gcc -$level -DWEIR_INFERENCE_ONLY
done
echo "KiB that the library adds to a program that makes a model of arrays and steps it, $(gcc --version | head -n 1):"
echo
echo "| Instruction sets | -Os | -O2 | -O3 |"
echo "|---|---|---|---|"
row "scalar" 1
for isa in $others; do
    row "scalar, $isa" 2 "$isa"
done
row "all" $((1 + $(echo $others | wc -w))) $others ref64
compile "$work/whole" "$(core base kernel model infer train)" gcc -O3
link "$work/whole" "everything" gcc
echo "| all, and training in the library | | | $(kib "$bytes") |"
[ "${1:-}" = --all ] || exit $failed

# ---- Elsewhere ----

echo
echo "Elsewhere, the scalar set, for AArch64 NEON too:"
echo
echo "| Target | -Os | -O2 | ran under |"
echo "|---|---|---|---|"

# elsewhere LABEL RAN COUNT "DEFINES" COMPILER FLAGS...
elsewhere() {
    local label=$1 ran=$2 count=$3 defines=$4 level cells=
    shift 4
    if ! command -v "$1" >/dev/null; then
        echo "footprint: $label: left out: there is no $1" >&2
        return
    fi
    for level in Os O2; do
        compile "$work/$label$level" "$(core base kernel model infer | tr ' ' '\n' | grep -v "${lacks:-^$}")" "$@" -$level -DWEIR_INFERENCE_ONLY $defines
        link "$work/$label$level" "$label -$level" "$@"
        cells="$cells $(kib "$bytes") |"
        check "$label -$level" "$bytes" "$count"
    done
    echo "| $label |$cells $ran |"
}

scalar_only=$(without)
elsewhere "x86-64, clang" "the machine itself" 1 "$scalar_only" clang
elsewhere "x86-64, musl, static" "the machine itself" 1 "$scalar_only" musl-gcc -static
runner=qemu-aarch64-static size=aarch64-linux-gnu-size elsewhere "AArch64, glibc, static" qemu-user 2 "$(without neon)" aarch64-linux-gnu-gcc -static

cat >"$work/run.mjs" <<'JS'
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';
const wasi = new WASI({ version: 'preview1' });
const module = await WebAssembly.compile(await readFile(process.argv[2]));
wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
JS
if command -v node >/dev/null && [ -e /usr/include/wasm32-wasi/stdio.h ]; then
    runner="node --no-warnings $work/run.mjs" whole_file=1 lacks=base/io.c \
        elsewhere "WebAssembly, WASI" "node $(node --version)" 1 "$scalar_only" clang --target=wasm32-wasi
else
    echo "footprint: WebAssembly: left out: there is no node or no wasi-libc" >&2
fi

board=$source_dir/tests/package/cortex-m
qemu_board() {
    timeout 120 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -semihosting -kernel "$1"
}
if command -v qemu-system-arm >/dev/null; then
    runner=qemu_board size=arm-none-eabi-size lacks=base/io.c link_with="$board/start.c -nostartfiles -T $board/mps2.ld --specs=rdimon.specs" \
        elsewhere "Cortex-M4 with FPU, newlib" "qemu, mps2-an386" 1 "$scalar_only" \
        arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard
else
    echo "footprint: Cortex-M4: left out: there is no qemu-system-arm" >&2
fi

# The whole core under musl, training included, against the hashes of tests/bits.
if command -v musl-gcc >/dev/null; then
    compile "$work/musl" "$source_dir/tests/bits/bits.c $(core base kernel model infer train)" musl-gcc -O2
    musl-gcc -static "$work/musl"/*.o -lm -lpthread -o "$work/bits"
    compared=0
    for isa in scalar $others; do
        for how in "forward $isa 1 64 0" "forward $isa 2 5 1" "bf16 $isa 1 5 1" "int8 $isa 1 5 1" "train $isa 2"; do
            status=0
            printed=$("$work/bits" small $how) || status=$?
            [ $status != 77 ] || continue # not on this CPU
            [ "$printed" = "$(sed -n "s/^small-${how%% *} //p" "$source_dir/tests/bits/golden.txt")" ] || fail "musl: bits small $how gives $printed"
            compared=$((compared + 1))
        done
    done
    echo
    echo "musl: $compared runs of tests/bits compared"
fi
exit $failed
