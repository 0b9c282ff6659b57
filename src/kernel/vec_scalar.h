/* One lane of float in portable C; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef float real;
typedef float vec;
typedef bool mask;
#define LANES 1
#define REAL(c) c##f

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
    return sqrtf(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return fmaf(a, b, c);
}
static inline uint32_t bits_of(vec x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline vec of_bits(uint32_t bits)
{
    vec x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline vec v_neg(vec x)
{
    return of_bits(bits_of(x) ^ 0x80000000u);
}
static inline vec v_abs(vec x)
{
    return of_bits(bits_of(x) & 0x7FFFFFFFu);
}
static inline vec v_copysign(vec m, vec s)
{
    return of_bits((bits_of(m) & 0x7FFFFFFFu) | (bits_of(s) & 0x80000000u));
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
    return rintf(x);
}
static inline vec v_pow2_shifted(vec t)
{
    return of_bits((bits_of(t) << 23) + 0x3F800000u);
}
static inline vec v_split(vec x, vec *m)
{
    uint32_t bits = bits_of(x), k = (bits + (0x3F800000u - 0x3F3504F3u)) >> 23;
    *m = of_bits(bits - ((k - 127) << 23));
    return (float)((int)k - 127);
}
