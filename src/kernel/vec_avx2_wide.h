/* Eight doubles of AVX2 with FMA in two registers, for the exact forms: two chains of operations side by side, since one waits for
 * itself most of the time. Operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef double real;
typedef struct vec {
    __m256d a, b;
} vec;
typedef vec mask;
#define LANES 8
#define REAL(c) c

static ALWAYS_INLINE vec v_load(const real *p)
{
    return (vec){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)};
}
static ALWAYS_INLINE void v_store(real *p, vec x)
{
    _mm256_storeu_pd(p, x.a);
    _mm256_storeu_pd(p + 4, x.b);
}
static ALWAYS_INLINE vec v_set(real s)
{
    __m256d all = _mm256_set1_pd(s);
    return (vec){all, all};
}
static ALWAYS_INLINE vec v_add(vec x, vec y)
{
    return (vec){_mm256_add_pd(x.a, y.a), _mm256_add_pd(x.b, y.b)};
}
static ALWAYS_INLINE vec v_sub(vec x, vec y)
{
    return (vec){_mm256_sub_pd(x.a, y.a), _mm256_sub_pd(x.b, y.b)};
}
static ALWAYS_INLINE vec v_mul(vec x, vec y)
{
    return (vec){_mm256_mul_pd(x.a, y.a), _mm256_mul_pd(x.b, y.b)};
}
static ALWAYS_INLINE vec v_div(vec x, vec y)
{
    return (vec){_mm256_div_pd(x.a, y.a), _mm256_div_pd(x.b, y.b)};
}
static ALWAYS_INLINE vec v_sqrt(vec x)
{
    return (vec){_mm256_sqrt_pd(x.a), _mm256_sqrt_pd(x.b)};
}
static ALWAYS_INLINE vec v_fma(vec x, vec y, vec z)
{
    return (vec){_mm256_fmadd_pd(x.a, y.a, z.a), _mm256_fmadd_pd(x.b, y.b, z.b)};
}
static ALWAYS_INLINE vec v_neg(vec x)
{
    const __m256d sign = _mm256_set1_pd(-0.0);
    return (vec){_mm256_xor_pd(x.a, sign), _mm256_xor_pd(x.b, sign)};
}
static ALWAYS_INLINE vec v_abs(vec x)
{
    const __m256d sign = _mm256_set1_pd(-0.0);
    return (vec){_mm256_andnot_pd(sign, x.a), _mm256_andnot_pd(sign, x.b)};
}
static ALWAYS_INLINE vec v_copysign(vec m, vec s)
{
    const __m256d sign = _mm256_set1_pd(-0.0);
    m = v_abs(m);
    return (vec){_mm256_or_pd(m.a, _mm256_and_pd(sign, s.a)), _mm256_or_pd(m.b, _mm256_and_pd(sign, s.b))};
}
static ALWAYS_INLINE mask v_lt(vec x, vec y)
{
    return (mask){_mm256_cmp_pd(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_pd(x.b, y.b, _CMP_LT_OQ)};
}
static ALWAYS_INLINE mask v_le(vec x, vec y)
{
    return (mask){_mm256_cmp_pd(x.a, y.a, _CMP_LE_OQ), _mm256_cmp_pd(x.b, y.b, _CMP_LE_OQ)};
}
static ALWAYS_INLINE vec v_select(mask m, vec x, vec y)
{
    return (vec){_mm256_blendv_pd(y.a, x.a, m.a), _mm256_blendv_pd(y.b, x.b, m.b)};
}
static ALWAYS_INLINE vec v_min(vec x, vec y)
{
    return (vec){_mm256_min_pd(x.a, y.a), _mm256_min_pd(x.b, y.b)};
}
static ALWAYS_INLINE vec v_max(vec x, vec y)
{
    return (vec){_mm256_max_pd(x.a, y.a), _mm256_max_pd(x.b, y.b)};
}
static ALWAYS_INLINE vec v_rint(vec x)
{
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    return (vec){_mm256_round_pd(x.a, NEAREST), _mm256_round_pd(x.b, NEAREST)};
}

static ALWAYS_INLINE __m256d half_pow2_shifted(__m256d t)
{
    __m256i bits = _mm256_slli_epi64(_mm256_castpd_si256(t), 52);
    return _mm256_castsi256_pd(_mm256_add_epi64(bits, _mm256_set1_epi64x(0x3FF0000000000000)));
}
static ALWAYS_INLINE vec v_pow2_shifted(vec t)
{
    return (vec){half_pow2_shifted(t.a), half_pow2_shifted(t.b)};
}

static ALWAYS_INLINE __m256d half_split(__m256d x, __m256d *m)
{
    __m256i bits = _mm256_castpd_si256(x);
    __m256i k = _mm256_srli_epi64(_mm256_add_epi64(bits, _mm256_set1_epi64x(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)), 52);
    *m = _mm256_castsi256_pd(_mm256_sub_epi64(bits, _mm256_slli_epi64(_mm256_sub_epi64(k, _mm256_set1_epi64x(1023)), 52)));
    __m256d shifted = _mm256_castsi256_pd(_mm256_or_si256(k, _mm256_set1_epi64x(0x4330000000000000))); /* 2^52 + k */
    return _mm256_sub_pd(shifted, _mm256_set1_pd(0x1p52 + 1023));
}
static ALWAYS_INLINE vec v_split(vec x, vec *m)
{
    __m256d a = half_split(x.a, &m->a), b = half_split(x.b, &m->b);
    return (vec){a, b};
}

static ALWAYS_INLINE vec v_load_float(const float *p)
{
    return (vec){_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
}
static ALWAYS_INLINE void v_store_float(float *p, vec x)
{
    _mm_storeu_ps(p, _mm256_cvtpd_ps(x.a));
    _mm_storeu_ps(p + 4, _mm256_cvtpd_ps(x.b));
}
static ALWAYS_INLINE bool v_same_float(vec x, vec y)
{
    __m128 a = _mm_cmpeq_ps(_mm256_cvtpd_ps(x.a), _mm256_cvtpd_ps(y.a)), b = _mm_cmpeq_ps(_mm256_cvtpd_ps(x.b), _mm256_cvtpd_ps(y.b));
    return _mm_movemask_ps(_mm_and_ps(a, b)) == 15;
}
