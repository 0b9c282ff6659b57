/* Four lanes of AArch64 NEON; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef float real;
typedef float32x4_t vec;
typedef uint32x4_t mask;
#define LANES 4
#define REAL(c) c##f

static inline vec v_load(const real *p)
{
    return vld1q_f32(p);
}
static inline void v_store(real *p, vec x)
{
    vst1q_f32(p, x);
}
static inline vec v_set(real s)
{
    return vdupq_n_f32(s);
}
static inline vec v_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return vdivq_f32(a, b);
}
static inline vec v_sqrt(vec x)
{
    return vsqrtq_f32(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}
static inline vec v_neg(vec x)
{
    return vnegq_f32(x);
}
static inline vec v_abs(vec x)
{
    return vabsq_f32(x);
}
static inline vec v_copysign(vec m, vec s)
{
    return vbslq_f32(vdupq_n_u32(0x80000000u), s, m);
}
static inline mask v_lt(vec a, vec b)
{
    return vcltq_f32(a, b);
}
static inline mask v_le(vec a, vec b)
{
    return vcleq_f32(a, b);
}
static inline vec v_select(mask m, vec a, vec b)
{
    return vbslq_f32(m, a, b);
}
static inline vec v_min(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vec v_max(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vec v_rint(vec x)
{
    return vrndnq_f32(x);
}
static inline vec v_pow2_shifted(vec t)
{
    uint32x4_t bits = vshlq_n_u32(vreinterpretq_u32_f32(t), 23);
    return vreinterpretq_f32_u32(vaddq_u32(bits, vdupq_n_u32(0x3F800000u)));
}
static inline vec v_split(vec x, vec *m)
{
    int32x4_t bits = vreinterpretq_s32_f32(x), k = vshrq_n_s32(vsubq_s32(bits, vdupq_n_s32(0x3F3504F3)), 23);
    *m = vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(k, 23)));
    return vcvtq_f32_s32(k);
}

static inline vec v_load_even(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_u16(vld1q_u16(p)), 16));
}
static inline vec v_load_odd(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_u16(vld1q_u16(p)), vdupq_n_u32(0xFFFF0000u)));
}

typedef int32x4_t ivec;

static inline ivec i_zero(void)
{
    return vdupq_n_s32(0);
}
static inline ivec i_dot(ivec s, const int8_t *w, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    int8x16_t v = vreinterpretq_s8_s32(vdupq_n_s32(four)), u = vld1q_s8(w);
    int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(u), vget_low_s8(v))), high = vpaddlq_s16(vmull_high_s8(u, v));
    return vaddq_s32(s, vpaddq_s32(low, high));
}
static inline vec i_float(ivec s)
{
    return vcvtq_f32_s32(s);
}
