/* Eight lanes of AVX2 with FMA; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef float real;
typedef __m256 vec;
typedef __m256 mask;
#define LANES 8
#define REAL(c) c##f

static inline vec v_load(const real *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(real *p, vec x)
{
    _mm256_storeu_ps(p, x);
}
static inline vec v_set(real s)
{
    return _mm256_set1_ps(s);
}
static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}
static inline vec v_sqrt(vec x)
{
    return _mm256_sqrt_ps(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec v_neg(vec x)
{
    return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f));
}
static inline vec v_abs(vec x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
static inline vec v_copysign(vec m, vec s)
{
    return _mm256_or_ps(v_abs(m), _mm256_and_ps(_mm256_set1_ps(-0.0f), s));
}
static inline mask v_lt(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline mask v_le(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
static inline vec v_select(mask m, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, m);
}
static inline vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
static inline vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
static inline vec v_rint(vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_pow2_shifted(vec t)
{
    __m256i bits = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_set1_epi32(0x3F800000)));
}
static inline vec v_split(vec x, vec *m)
{
    __m256i bits = _mm256_castps_si256(x), k = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(0x3F3504F3)), 23);
    *m = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(k, 23)));
    return _mm256_cvtepi32_ps(k);
}

static inline vec v_load_even(const uint16_t *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p), 16));
}
static inline vec v_load_odd(const uint16_t *p)
{
    __m256i upper = _mm256_set1_epi32((int)0xFFFF0000u);
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)p), upper));
}

typedef __m256i ivec;

static inline ivec i_zero(void)
{
    return _mm256_setzero_si256();
}
static inline ivec i_dot(ivec s, const int8_t *w, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    __m256i v = _mm256_set1_epi32(four), signed_w = _mm256_sign_epi8(_mm256_loadu_si256((const __m256i *)(const void *)w), v);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(v), signed_w); /* at most 2 * 127 * 127 < 2^15 */
    return _mm256_add_epi32(s, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
static inline vec i_float(ivec s)
{
    return _mm256_cvtepi32_ps(s);
}
