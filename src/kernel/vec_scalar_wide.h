/* One lane of double in portable C, for the exact forms and the reference; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef double real;
typedef double vec;
typedef bool mask;
#define LANES 1
#define REAL(c) c

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
    return sqrt(x);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return fma(a, b, c);
}
static inline uint64_t bits_of(vec x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline vec of_bits(uint64_t bits)
{
    vec x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline vec v_neg(vec x)
{
    return of_bits(bits_of(x) ^ 0x8000000000000000u);
}
static inline vec v_abs(vec x)
{
    return of_bits(bits_of(x) & 0x7FFFFFFFFFFFFFFFu);
}
static inline vec v_copysign(vec m, vec s)
{
    return of_bits((bits_of(m) & 0x7FFFFFFFFFFFFFFFu) | (bits_of(s) & 0x8000000000000000u));
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
    return rint(x);
}
static inline vec v_pow2_shifted(vec t)
{
    return of_bits((bits_of(t) << 52) + 0x3FF0000000000000u);
}
static inline vec v_split(vec x, vec *m)
{
    uint64_t bits = bits_of(x), k = (bits + (0x3FF0000000000000u - 0x3FE6A09E667F3BCDu)) >> 52;
    *m = of_bits(bits - ((k - 1023) << 52));
    return (double)(int64_t)k - 1023;
}
static inline vec v_load_float(const float *p)
{
    return (double)*p;
}
static inline void v_store_float(float *p, vec x)
{
    *p = (float)x;
}
static inline bool v_same_float(vec a, vec b)
{
    return (float)a == (float)b;
}
