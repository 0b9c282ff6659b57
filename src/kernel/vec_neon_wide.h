/* Two doubles of AArch64 NEON, for the exact forms; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef double real;
typedef float64x2_t vec;
typedef uint64x2_t mask;
#define LANES 2
#define REAL(c) c

static inline vec v_load(const real *p)
{
    return vld1q_f64(p);
}
static inline void v_store(real *p, vec x)
{
    vst1q_f64(p, x);
}
static inline vec v_set(real s)
{
    return vdupq_n_f64(s);
}
static inline vec v_add(vec a, vec b)
{
    return vaddq_f64(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return vsubq_f64(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return vmulq_f64(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return vdivq_f64(a, b);
}
static inline vec v_sqrt(vec x)
{
    return vsqrtq_f64(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return vfmaq_f64(c, a, b);
}
static inline vec v_neg(vec x)
{
    return vnegq_f64(x);
}
static inline vec v_abs(vec x)
{
    return vabsq_f64(x);
}
static inline vec v_copysign(vec m, vec s)
{
    return vbslq_f64(vdupq_n_u64(0x8000000000000000u), s, m);
}
static inline mask v_lt(vec a, vec b)
{
    return vcltq_f64(a, b);
}
static inline mask v_le(vec a, vec b)
{
    return vcleq_f64(a, b);
}
static inline vec v_select(mask m, vec a, vec b)
{
    return vbslq_f64(m, a, b);
}
static inline vec v_min(vec a, vec b)
{
    return vbslq_f64(vcltq_f64(a, b), a, b);
}
static inline vec v_max(vec a, vec b)
{
    return vbslq_f64(vcgtq_f64(a, b), a, b);
}
static inline vec v_rint(vec x)
{
    return vrndnq_f64(x);
}
static inline vec v_pow2_shifted(vec t)
{
    uint64x2_t bits = vshlq_n_u64(vreinterpretq_u64_f64(t), 52);
    return vreinterpretq_f64_u64(vaddq_u64(bits, vdupq_n_u64(0x3FF0000000000000u)));
}
static inline vec v_split(vec x, vec *m)
{
    uint64x2_t bits = vreinterpretq_u64_f64(x);
    uint64x2_t k = vshrq_n_u64(vaddq_u64(bits, vdupq_n_u64(0x3FF0000000000000u - 0x3FE6A09E667F3BCDu)), 52);
    *m = vreinterpretq_f64_u64(vsubq_u64(bits, vshlq_n_u64(vsubq_u64(k, vdupq_n_u64(1023)), 52)));
    return vsubq_f64(vcvtq_f64_u64(k), vdupq_n_f64(1023));
}
static inline vec v_load_float(const float *p)
{
    return vcvt_f64_f32(vld1_f32(p));
}
static inline void v_store_float(float *p, vec x)
{
    vst1_f32(p, vcvt_f32_f64(x));
}
static inline bool v_same_float(vec a, vec b)
{
    uint32x2_t same = vceq_f32(vcvt_f32_f64(a), vcvt_f32_f64(b));
    return (vget_lane_u32(same, 0) & vget_lane_u32(same, 1)) != 0;
}
