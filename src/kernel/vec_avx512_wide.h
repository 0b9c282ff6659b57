/* Eight doubles of AVX-512 F, DQ and VL, for the exact forms; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef double real;
typedef __m512d vec;
typedef __mmask8 mask;
#define LANES 8
#define REAL(c) c

static inline vec v_load(const real *p)
{
    return _mm512_loadu_pd(p);
}
static inline void v_store(real *p, vec x)
{
    _mm512_storeu_pd(p, x);
}
static inline vec v_set(real s)
{
    return _mm512_set1_pd(s);
}
static inline vec v_add(vec a, vec b)
{
    return _mm512_add_pd(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_pd(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_pd(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm512_div_pd(a, b);
}
static inline vec v_sqrt(vec x)
{
    return _mm512_sqrt_pd(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_pd(a, b, c);
}
static inline vec v_neg(vec x)
{
    return _mm512_xor_pd(x, _mm512_set1_pd(-0.0));
}
static inline vec v_abs(vec x)
{
    return _mm512_andnot_pd(_mm512_set1_pd(-0.0), x);
}
static inline vec v_copysign(vec m, vec s)
{
    return _mm512_or_pd(v_abs(m), _mm512_and_pd(_mm512_set1_pd(-0.0), s));
}
static inline mask v_lt(vec a, vec b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}
static inline mask v_le(vec a, vec b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ);
}
static inline vec v_select(mask m, vec a, vec b)
{
    return _mm512_mask_blend_pd(m, b, a);
}
static inline vec v_min(vec a, vec b)
{
    return _mm512_min_pd(a, b);
}
static inline vec v_max(vec a, vec b)
{
    return _mm512_max_pd(a, b);
}
static inline vec v_rint(vec x)
{
    return _mm512_roundscale_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_pow2_shifted(vec t)
{
    __m512i bits = _mm512_slli_epi64(_mm512_castpd_si512(t), 52);
    return _mm512_castsi512_pd(_mm512_add_epi64(bits, _mm512_set1_epi64(0x3FF0000000000000)));
}
static inline vec v_split(vec x, vec *m)
{
    __m512i bits = _mm512_castpd_si512(x);
    __m512i k = _mm512_srli_epi64(_mm512_add_epi64(bits, _mm512_set1_epi64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)), 52);
    *m = _mm512_castsi512_pd(_mm512_sub_epi64(bits, _mm512_slli_epi64(_mm512_sub_epi64(k, _mm512_set1_epi64(1023)), 52)));
    __m512d shifted = _mm512_castsi512_pd(_mm512_or_si512(k, _mm512_set1_epi64(0x4330000000000000))); /* 2^52 + k */
    return _mm512_sub_pd(shifted, _mm512_set1_pd(0x1p52 + 1023));
}
static inline vec v_load_float(const float *p)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(p));
}
static inline void v_store_float(float *p, vec x)
{
    _mm256_storeu_ps(p, _mm512_cvtpd_ps(x));
}
static inline bool v_same_float(vec a, vec b)
{
    return _mm256_cmp_ps_mask(_mm512_cvtpd_ps(a), _mm512_cvtpd_ps(b), _CMP_EQ_OQ) == 0xFF;
}
