/* The operations of vec.h on one lane in portable C, for vec_scalar.h and vec_scalar_wide.h, which define real, LIBM(name), and of the
 * format: pattern (an integer as wide), FRACTION (its bits), SIGN, ONE and SQRT_HALF (bits of -0, 1 and the root of 1/2).
 * SPDX-License-Identifier: MIT */
typedef real vec;
typedef bool mask;
#define LANES 1

static inline vec v_load(const real *p)
{
    return *p;
}
static inline void v_store(real *p, vec x)
{
    *p = x;
}
static inline vec v_set(real s)
{
    return s;
}
static inline vec v_add(vec a, vec b)
{
    return a + b;
}
static inline vec v_sub(vec a, vec b)
{
    return a - b;
}
static inline vec v_mul(vec a, vec b)
{
    return a * b;
}
static inline vec v_div(vec a, vec b)
{
    return a / b;
}
static inline vec v_sqrt(vec x)
{
    return LIBM(sqrt)(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return LIBM(fma)(a, b, c);
}
static inline pattern bits_of(vec x)
{
    pattern bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline vec of_bits(pattern bits)
{
    vec x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline vec v_neg(vec x)
{
    return of_bits(bits_of(x) ^ SIGN);
}
static inline vec v_abs(vec x)
{
    return of_bits(bits_of(x) & ~SIGN);
}
static inline vec v_copysign(vec m, vec s)
{
    return of_bits((bits_of(m) & ~SIGN) | (bits_of(s) & SIGN));
}
static inline mask v_lt(vec a, vec b)
{
    return a < b;
}
static inline mask v_le(vec a, vec b)
{
    return a <= b;
}
static inline vec v_select(mask m, vec a, vec b)
{
    return m ? a : b;
}
static inline vec v_min(vec a, vec b)
{
    return a < b ? a : b;
}
static inline vec v_max(vec a, vec b)
{
    return a > b ? a : b;
}
static inline vec v_rint(vec x)
{
    return LIBM(rint)(x);
}
static inline vec v_pow2_shifted(vec t)
{
    return of_bits((bits_of(t) << FRACTION) + ONE);
}
static inline vec v_split(vec x, vec *m)
{
    pattern bits = bits_of(x), k = (bits + (ONE - SQRT_HALF)) >> FRACTION;
    *m = of_bits(bits - ((k - (ONE >> FRACTION)) << FRACTION));
    return (real)(int)k - (real)(ONE >> FRACTION);
}

#undef LIBM
#undef FRACTION
#undef SIGN
#undef ONE
#undef SQRT_HALF

static inline vec v_load_even(const uint16_t *p)
{
    uint32_t bits = (uint32_t)p[0] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return (vec)x;
}
static inline vec v_load_odd(const uint16_t *p)
{
    return v_load_even(p + 1);
}

typedef int32_t ivec;

static inline ivec i_zero(void)
{
    return 0;
}
static inline ivec i_dot(ivec s, const int8_t *w, const int8_t *x)
{
    return s + w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3];
}
static inline vec i_float(ivec s)
{
    return (vec)s;
}
