/* Sixteen lanes of AVX-512 F and DQ; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef float real;
typedef __m512 vec;
typedef __mmask16 mask;
#define LANES 16
#define REAL(c) c##f

static inline vec v_load(const real *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(real *p, vec x)
{
    _mm512_storeu_ps(p, x);
}
static inline vec v_set(real s)
{
    return _mm512_set1_ps(s);
}
static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}
static inline vec v_sqrt(vec x)
{
    return _mm512_sqrt_ps(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec v_neg(vec x)
{
    return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f));
}
static inline vec v_abs(vec x)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}
static inline vec v_copysign(vec m, vec s)
{
    return _mm512_or_ps(v_abs(m), _mm512_and_ps(_mm512_set1_ps(-0.0f), s));
}
static inline mask v_lt(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline mask v_le(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
static inline vec v_select(mask m, vec a, vec b)
{
    return _mm512_mask_blend_ps(m, b, a);
}
static inline vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
static inline vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
static inline vec v_rint(vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_pow2_shifted(vec t)
{
    __m512i bits = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(0x3F800000)));
}
static inline vec v_split(vec x, vec *m)
{
    __m512i bits = _mm512_castps_si512(x);
    __m512i k = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x3F800000 - 0x3F3504F3)), 23);
    *m = _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(_mm512_sub_epi32(k, _mm512_set1_epi32(127)), 23)));
    __m512 shifted = _mm512_castsi512_ps(_mm512_or_si512(k, _mm512_set1_epi32(0x4B000000))); /* 2^23 + k */
    return _mm512_sub_ps(shifted, _mm512_set1_ps(0x1p23f + 127));
}

static inline vec v_load_even(const uint16_t *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}
static inline vec v_load_odd(const uint16_t *p)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32((int)0xFFFF0000u)));
}

typedef __m512i ivec;

static inline ivec i_zero(void)
{
    return _mm512_setzero_si512();
}
static inline ivec i_dot(ivec s, const int8_t *w, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    __m512i v = _mm512_set1_epi32(four), u = _mm512_loadu_si512(w);
    __m512i signed_w = _mm512_mask_sub_epi8(u, _mm512_movepi8_mask(v), _mm512_setzero_si512(), u);
#ifdef VNNI
    return _mm512_dpbusd_epi32(s, _mm512_abs_epi8(v), signed_w);
#else
    __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(v), signed_w); /* at most 2 * 127 * 127 < 2^15 */
    return _mm512_add_epi32(s, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
}
static inline vec i_float(ivec s)
{
    return _mm512_cvtepi32_ps(s);
}
