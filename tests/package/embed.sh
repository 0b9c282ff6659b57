#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs with Weir's sources in them, by add_subdirectory, and by FetchContent under musl where its compiler is there: the part that runs, with
# the scalar kernels alone. The outputs' hash is that of every other machine, and the library takes at most 200 KiB (docs/footprint.md).
set -eu
fail() { echo "embed: $*" >&2; exit 1; }
source=$WEIR_SOURCE_DIR/tests/package/consumer/embedded
hash=$(sed -n 's/^hash=\([0-9a-f]*\) .*/\1/p' "$WEIR_SOURCE_DIR/tools/footprint.sh")

# build FOLDER TARGET OPTIONS...: and run the program in C
build() {
    local folder=$1 target=$2
    shift 2
    rm -rf "$folder"
    cmake -S "$source" -B "$folder" -DCMAKE_BUILD_TYPE=RelWithDebInfo "$@" >"$folder.log" 2>&1 && cmake --build "$folder" --target "$target" -j 2 >>"$folder.log" 2>&1 || fail "$(tail -n 30 "$folder.log")"
    ! grep -i warning "$folder.log" || fail "there are warnings"
    printed=$("$folder/step")
    [ "$printed" = "$hash" ] || fail "$folder: the program printed $printed, not $hash"
}

build subdirectory all -DWEIR="$WEIR_SOURCE_DIR"
subdirectory/consumer-cc
bytes=$(size subdirectory/step | awk 'NR == 2 { print $1 + $2 }')
[ "$bytes" -le $((200 * 1024)) ] || fail "the program takes $bytes bytes, more than 200 KiB"
! nm subdirectory/step | grep -E 'weir_(trainer|tape)|weir__(exact|fast|settle)' || fail "the program has parts that it does not use"

if command -v musl-gcc >/dev/null; then
    tar -C "$WEIR_SOURCE_DIR" -czf weir.tar.gz CMakeLists.txt cmake include src LICENSE
    build fetched step -DWEIR="$PWD/weir.tar.gz" -DFETCH=ON -DCMAKE_C_COMPILER=musl-gcc -DCMAKE_EXE_LINKER_FLAGS=-static
    echo "embed: $bytes bytes, and the same hash under musl"
else
    echo "embed: $bytes bytes; musl left out: there is no musl-gcc"
fi
rm -rf subdirectory fetched weir.tar.gz
