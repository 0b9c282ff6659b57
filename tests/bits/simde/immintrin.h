/* AVX-512 on a CPU that has AVX2 and FMA only: the operations that Weir's AVX-512 kernels use, through SIMDe.
 * Found before the compiler's own header when the kernels are compiled for the test.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TEST_IMMINTRIN_H
#define TEST_IMMINTRIN_H

#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#endif
