/* Intel's intrinsics with those of AVX-512 played by SIMDe (simd-everywhere, Debian's libsimde-dev) on AVX2 and FMA, so that the
 * AVX-512 source runs on a CPU without it. Put this folder first in the include path and compile with -mavx2 -mfma: without -mfma
 * SIMDe's fmadd would round twice. The file's own target pragma must not be seen: see k_avx2.c here.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_SIMDE_IMMINTRIN_H
#define WEIR_SIMDE_IMMINTRIN_H

#if !defined __AVX2__ || !defined __FMA__
#error "compile with -mavx2 -mfma: fused multiply-adds must stay fused"
#endif

#include_next <immintrin.h>
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#endif
