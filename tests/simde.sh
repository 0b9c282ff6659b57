#!/bin/bash
# SPDX-License-Identifier: MIT
# The AVX-512 source on a CPU without AVX-512: SIMDe plays its intrinsics on AVX2, under the name of the AVX2 kernels. Every vector
# operation follows its rule, and every activation has the scalar target's bits.   ctest: full
set -eu
skip() {
    echo "skipped: $1"
    exit 77
}
[ -e /usr/include/simde/x86/avx512.h ] || skip "there is no SIMDe (Debian: libsimde-dev)"
grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo || skip "this CPU has no AVX2 and FMA"

flags="-std=gnu11 -O2 -ffp-contract=off -mavx2 -mfma -Wno-psabi -DWEIR_SIMDE"
paths="-I$WEIR_SOURCE_DIR/tests/simde -I$WEIR_SOURCE_DIR/include -I$WEIR_SOURCE_DIR/src -I$WEIR_SOURCE_DIR/tests/unit -I$WEIR_SOURCE_DIR/tests"
for part in k_avx2 exact_avx2; do
    "$CC" $flags $paths -c "$WEIR_SOURCE_DIR/tests/simde/$part.c" -o $part.o
done
for test in test_vec test_activation; do
    "$CC" $flags $paths "$WEIR_SOURCE_DIR/tests/unit/$test.c" "$WEIR_SOURCE_DIR/tests/proof/truth.c" k_avx2.o exact_avx2.o "$WEIR_BUILD_DIR/libweir.a" -lcmocka -lmpfr -lgmp -lm -o "$test"
    "./$test"
done
