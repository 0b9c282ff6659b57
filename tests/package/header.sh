#!/bin/bash
# SPDX-License-Identifier: MIT
# weir.h alone compiles without a warning as C and as C++, in every standard in use, with gcc and with clang. Header, library, CMake, pkg-config
# and the command tell one version.
set -eu
fail() { echo "header: $*" >&2; exit 1; }

tried=0
try() { # COMPILER LANGUAGE STANDARD
    command -v "$1" >/dev/null || return 0
    echo '#include <weir.h>' | "$1" -x "$2" -std="$3" -fsyntax-only -Wall -Wextra -Wpedantic -Werror -I "$WEIR_SOURCE_DIR/include" - ||
        fail "weir.h alone does not compile with $1 -std=$3"
    tried=$((tried + 1))
}
for standard in c11 c17 c2x; do
    try gcc c $standard
    try clang c $standard
done
for standard in c++11 c++17 c++20; do
    try g++ c++ $standard
    try clang++ c++ $standard
done
[ $tried -ge 6 ] || fail "there are compilers for $tried standards only; install gcc, g++ and clang"

cat >version.c <<'C'
#include <stdio.h>
#include <weir.h>
int main(void)
{
    printf("%d.%d.%d\n%s\n", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH, weir_version());
    return 0;
}
C
"$CC" -I "$WEIR_SOURCE_DIR/include" version.c ${WEIR_LIBRARY:-"$WEIR_BUILD_DIR/libweir.a"} -lm -o version
LD_LIBRARY_PATH=$WEIR_BUILD_DIR ./version >versions.txt
{
    sed -n 's/^set(PACKAGE_VERSION "\(.*\)")$/\1/p' "$WEIR_BUILD_DIR/weir-config-version.cmake"
    for package in weir weir-format; do
        PKG_CONFIG_PATH=$WEIR_BUILD_DIR pkg-config --modversion $package
    done
    if [ -n "${WEIR:-}" ]; then "$WEIR" --version | sed 's/^weir //'; fi
} >>versions.txt
[ "$(sort -u versions.txt | wc -l)" = 1 ] && [ "$(wc -l <versions.txt)" -ge 5 ] || fail "there are several versions: $(paste -sd' ' versions.txt)"
echo "header: $tried compilers and standards, version $(head -n 1 versions.txt) in $(wc -l <versions.txt) places"
