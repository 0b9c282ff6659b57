/* Four doubles of AVX2 with FMA, for the exact forms; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef double real;
typedef __m256d vec;
typedef __m256d mask;
#define LANES 4
#define REAL(c) c

static inline vec v_load(const real *p)
{
    return _mm256_loadu_pd(p);
}
static inline void v_store(real *p, vec x)
{
    _mm256_storeu_pd(p, x);
}
static inline vec v_set(real s)
{
    return _mm256_set1_pd(s);
}
static inline vec v_add(vec a, vec b)
{
    return _mm256_add_pd(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_pd(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_pd(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm256_div_pd(a, b);
}
static inline vec v_sqrt(vec x)
{
    return _mm256_sqrt_pd(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_pd(a, b, c);
}
static inline vec v_neg(vec x)
{
    return _mm256_xor_pd(x, _mm256_set1_pd(-0.0));
}
static inline vec v_abs(vec x)
{
    return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x);
}
static inline vec v_copysign(vec m, vec s)
{
    return _mm256_or_pd(v_abs(m), _mm256_and_pd(_mm256_set1_pd(-0.0), s));
}
static inline mask v_lt(vec a, vec b)
{
    return _mm256_cmp_pd(a, b, _CMP_LT_OQ);
}
static inline mask v_le(vec a, vec b)
{
    return _mm256_cmp_pd(a, b, _CMP_LE_OQ);
}
static inline vec v_select(mask m, vec a, vec b)
{
    return _mm256_blendv_pd(b, a, m);
}
static inline vec v_min(vec a, vec b)
{
    return _mm256_min_pd(a, b);
}
static inline vec v_max(vec a, vec b)
{
    return _mm256_max_pd(a, b);
}
static inline vec v_rint(vec x)
{
    return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_pow2_shifted(vec t)
{
    __m256i bits = _mm256_slli_epi64(_mm256_castpd_si256(t), 52);
    return _mm256_castsi256_pd(_mm256_add_epi64(bits, _mm256_set1_epi64x(0x3FF0000000000000)));
}
static inline vec v_split(vec x, vec *m)
{
    __m256i bits = _mm256_castpd_si256(x);
    __m256i k = _mm256_srli_epi64(_mm256_add_epi64(bits, _mm256_set1_epi64x(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)), 52);
    *m = _mm256_castsi256_pd(_mm256_sub_epi64(bits, _mm256_slli_epi64(_mm256_sub_epi64(k, _mm256_set1_epi64x(1023)), 52)));
    __m256d shifted = _mm256_castsi256_pd(_mm256_or_si256(k, _mm256_set1_epi64x(0x4330000000000000))); /* 2^52 + k */
    return _mm256_sub_pd(shifted, _mm256_set1_pd(0x1p52 + 1023));
}
static inline vec v_load_float(const float *p)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
}
static inline void v_store_float(float *p, vec x)
{
    _mm_storeu_ps(p, _mm256_cvtpd_ps(x));
}
static inline bool v_same_float(vec a, vec b)
{
    return _mm_movemask_ps(_mm_cmpeq_ps(_mm256_cvtpd_ps(a), _mm256_cvtpd_ps(b))) == 15;
}
