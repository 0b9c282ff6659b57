#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs into an empty prefix and uses what is there: by find_package, by pkg-config, from C and C++, shared and static.
set -eu
if [ -z "${WEIR_LIBRARY:-}" ]; then
    echo "skipped: this build has no shared libraries"
    exit 77
fi
consumer=$WEIR_SOURCE_DIR/tests/package/consumer
rm -rf prefix build && mkdir build
prefix=$PWD/prefix
fail() { echo "install: $*" >&2; exit 1; }

cmake --install "$WEIR_BUILD_DIR" --prefix "$prefix" >install.log
[ -f "$prefix/include/weir.h" ] || fail "weir.h was not installed"
lib=$(dirname "$(find "$prefix" -name libweir.so)")
export LD_LIBRARY_PATH="$lib" PKG_CONFIG_PATH="$lib/pkgconfig"
if command -v scdoc >/dev/null && ls "$WEIR_SOURCE_DIR"/docs/man/*.scd >/dev/null 2>&1; then
    [ -f "$prefix/share/man/man1/weir.1" ] || fail "weir.1 was not installed"
fi
[ -z "${WEIR:-}" ] || "$prefix/bin/weir" --version | grep -q "$(pkg-config --modversion weir)" || fail "the command was not installed, or does not say the package's version"

# The core needs the C library alone.
needed=$(objdump -p "$lib/libweir.so" | sed -n 's/ *NEEDED *//p')
for library in $needed; do
    case $library in
    libc.so.* | libm.so.* | ld-linux*) ;;
    *) fail "libweir.so needs $library" ;;
    esac
done

for kind in "" -static; do
    cmake -S "$consumer" -B "build/cmake$kind" -DCMAKE_PREFIX_PATH="$prefix" -DKIND="$kind" >cmake.log 2>&1 || fail "$(cat cmake.log)"
    cmake --build "build/cmake$kind" >>cmake.log 2>&1 || fail "$(cat cmake.log)"
    "build/cmake$kind/consumer-c" build/model.weir
    "build/cmake$kind/consumer-cc"
done

# shellcheck disable=SC2046 # the flags are split into words on purpose
{
    cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$consumer/consumer.c" $(pkg-config --cflags --libs weir-format weir) -o build/shared
    c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror "$consumer/consumer.cc" $(pkg-config --cflags --libs weir) -o build/shared-cc
    cc -std=c11 "$consumer/consumer.c" $(pkg-config --cflags weir-format) "$lib/libweir-format.a" "$lib/libweir.a" \
        $(pkg-config --libs jansson) -lprotobuf-nanopb -lm -o build/static
}
build/shared build/model.weir
build/shared-cc
build/static build/model.weir
