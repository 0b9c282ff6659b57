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

/* What Debian's SIMDe lacks. */
static inline __m512d weir_cvtps_pd(__m256 x)
{
    double wide[8];
    _mm256_storeu_pd(wide, _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
    _mm256_storeu_pd(wide + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
    return _mm512_loadu_pd(wide);
}
static inline __m256 weir_cvtpd_ps(__m512d x)
{
    double wide[8];
    _mm512_storeu_pd(wide, x);
    return _mm256_setr_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(wide)), _mm256_cvtpd_ps(_mm256_loadu_pd(wide + 4)));
}
static inline __m512 weir_cvtepi32_ps(__m512i x)
{
    int32_t whole[16];
    float wide[16];
    _mm512_storeu_si512(whole, x);
    for (int i = 0; i < 16; i += 8)
        _mm256_storeu_ps(wide + i, _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)(whole + i))));
    return _mm512_loadu_ps(wide);
}
#define _mm512_cvtepi32_ps weir_cvtepi32_ps
#define _mm512_cvtps_pd weir_cvtps_pd
#define _mm512_cvtpd_ps weir_cvtpd_ps

/* What it has wrong: a macro of four arguments in the place of this one's two. */
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16

#endif
