/* Numbers of 107 bits as unevaluated sums of two doubles, and the functions of wide_math.h on them: what decides a rounding that double
 * leaves in doubt (Dekker 1971; Joldes, Muller & Popescu 2017). Under the names of vec.h, so that exact.h is one text for both. Needs
 * no speed: fewer than one input in ten thousand comes here. Relative errors are below 2^-96.
 *
 * SPDX-License-Identifier: MIT */

typedef struct twofold {
    double hi, lo; /* |lo| <= half a unit in the last place of hi */
} vec;
typedef bool mask;

static inline vec sum_of(double a, double b) /* |a| >= |b| or any a, b: exact */
{
    double s = a + b, t = s - a;
    return (vec){s, (a - (s - t)) + (b - t)};
}
static inline vec v_set(double c)
{
    return (vec){c, 0};
}
static inline vec v_neg(vec x)
{
    return (vec){-x.hi, -x.lo};
}
static inline vec v_abs(vec x)
{
    return signbit(x.hi) ? v_neg(x) : x;
}
static inline vec v_copysign(vec m, vec s)
{
    return signbit(m.hi) == signbit(s.hi) ? m : v_neg(m);
}
static inline vec v_add(vec a, vec b)
{
    vec s = sum_of(a.hi, b.hi), t = sum_of(a.lo, b.lo);
    s = sum_of(s.hi, s.lo + t.hi);
    return sum_of(s.hi, s.lo + t.lo);
}
static inline vec v_sub(vec a, vec b)
{
    return v_add(a, v_neg(b));
}
static inline vec v_mul(vec a, vec b)
{
    double p = a.hi * b.hi;
    return sum_of(p, fma(a.hi, b.hi, -p) + fma(a.hi, b.lo, a.lo * b.hi));
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return v_add(v_mul(a, b), c);
}
static inline vec v_div(vec a, vec b)
{
    vec q1 = v_set(a.hi / b.hi), r = v_sub(a, v_mul(q1, b));
    vec q2 = v_set(r.hi / b.hi), rest = v_sub(r, v_mul(q2, b));
    return v_add(v_add(q1, q2), v_set(rest.hi / b.hi));
}
static inline mask v_lt(vec a, vec b)
{
    return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}
static inline mask v_le(vec a, vec b)
{
    return !v_lt(b, a);
}
static inline vec v_select(mask m, vec a, vec b)
{
    return m ? a : b;
}
static inline vec v_min(vec a, vec b)
{
    return v_lt(a, b) ? a : b;
}
static inline vec v_max(vec a, vec b)
{
    return v_lt(b, a) ? a : b;
}
static inline vec v_split(vec x, vec *m)
{
    int k;
    double fraction = frexp(x.hi, &k); /* in [1/2, 1) */
    if (fraction < 0x1.6a09e667f3bcdp-1)
        k--;
    *m = (vec){ldexp(x.hi, -k), ldexp(x.lo, -k)};
    return v_set(k);
}

#define V(c) v_set(c)
#define V2(c, low) ((vec){c, low})
#define v_if_tiny(z, near, y) (fabs((z).hi) < 0x1p-60 ? (near) : (y))

/* e^x = s (1 + q): q = r (1 + r/2 (1 + r/3 (...))), |r| <= ln 2 / 2 */
static vec exp_parts(vec x, double *s)
{
    x = v_max(V(-700.0), x);
    double n = rint(x.hi * 0x1.71547652b82fep+0);
    vec ln2 = {n * 0x1.62e42fefa3800p-1, 0}, rest = {0x1.ef35793c76730p-45, 0x1.f97b57a079a19p-103}; /* the first product is exact */
    vec r = v_sub(v_sub(x, ln2), v_mul(v_set(n), rest)), p = v_set(1);
    for (int k = 26; k > 1; k--)
        p = v_add(v_set(1), v_mul(v_div(r, v_set(k)), p));
    *s = ldexp(1, (int)n);
    return v_mul(r, p);
}
static inline vec v_exp(vec x)
{
    double s;
    vec q = exp_parts(x, &s), y = v_add(v_set(1), q);
    return (vec){s * y.hi, s * y.lo};
}
static inline vec v_expm1(vec x)
{
    double s;
    vec q = exp_parts(x, &s);
    vec y = v_add((vec){s * q.hi, s * q.lo}, sum_of(s, -1));
    return v_if_tiny(x, v_mul(x, sum_of(1, copysign(0x1p-60, x.hi))), y);
}

static inline vec v_log1p(vec e)
{
    vec t = v_div(e, v_add(e, v_set(2))), z = v_mul(t, t), p = v_set(0);
    for (int k = 71; k > 0; k -= 2)
        p = v_add(v_div(v_set(1), v_set(k)), v_mul(z, p));
    return v_mul(v_add(t, t), p);
}

static vec v_scaled_tail(vec a)
{
    /* H of degree 46, by interpolation at Chebyshev's points of 0 <= a <= 15: relative error 2^-108 (tools/tail.py) */
    static const vec coefficients[] = {
        {0x1.aa169a7d917c5p-56, 0x1.997664473d8d0p-110},
        {0x1.4d5b6a30dc7b6p-52, -0x1.b2ac56883fc8fp-107},
        {0x1.c779569619edep-50, 0x1.b93d35328a3d9p-104},
        {0x1.4ffcc899a54bcp-48, -0x1.4f1f04ee4284ap-106},
        {0x1.d0b197c89461dp-48, -0x1.90a4812a9116bp-102},
        {-0x1.3a1b4daad5681p-48, -0x1.e27a02ea60d4cp-103},
        {-0x1.4e34d4c72d263p-45, -0x1.da24fbb7e8246p-100},
        {-0x1.1d7b8f1a3d0acp-44, 0x1.5b5685af2b76fp-98},
        {0x1.c48e6aed48147p-48, 0x1.8b8c586120d36p-102},
        {0x1.0923ad9a56c91p-42, -0x1.e5670d9e20a99p-98},
        {0x1.ddb39f54ca8b3p-42, 0x1.fe130f82d51f5p-97},
        {-0x1.cecb186fe2b32p-46, -0x1.0be6b3051d902p-100},
        {-0x1.ac3b093d9dd9bp-40, -0x1.0a2a7c090a0a4p-95},
        {-0x1.76f144d2db706p-39, 0x1.168b1cfe2c909p-95},
        {0x1.63cb2e60da4d8p-41, 0x1.b648c37fcc3b4p-95},
        {0x1.77a5cd6bedf23p-37, -0x1.dd8f22b5d2782p-92},
        {0x1.1d7df6398429ep-36, 0x1.a98f157789238p-91},
        {-0x1.9c117a2ddcbf6p-37, 0x1.a466727ddf490p-95},
        {-0x1.61c310320335cp-34, -0x1.a4877be51be93p-89},
        {-0x1.8107c152aa468p-34, -0x1.5ff9b5ec8ddacp-89},
        {0x1.772e9d71f0421p-33, -0x1.35dae33dbd689p-90},
        {0x1.5090b35b0cc4fp-31, 0x1.57bb03437b9b3p-87},
        {0x1.12c5becc45b89p-32, -0x1.690de919dacdfp-87},
        {-0x1.25205f6c2e92dp-29, 0x1.40a9ca9598d39p-83},
        {-0x1.1930e7477c63fp-28, -0x1.0d73fb97eacf0p-82},
        {0x1.dc3f8df1a4f6ap-29, 0x1.45f1c3c69c3bbp-83},
        {0x1.80d27333e9410p-26, -0x1.10c1e41f1fa4ap-81},
        {0x1.ac503013844a0p-27, -0x1.7863a4def7593p-81},
        {-0x1.7a5e8f1ba852ep-24, -0x1.0c633d1b48994p-79},
        {-0x1.4ca589187201dp-23, -0x1.6809305e74d2bp-78},
        {0x1.25976ba042b91p-22, 0x1.944d36bbb7e0bp-76},
        {0x1.1244922d2bc33p-20, 0x1.1e23a195ec5efp-74},
        {-0x1.526942f29f098p-21, 0x1.fc71d20b3a5edp-75},
        {-0x1.8d4dafa8e4a85p-18, 0x1.4f3666deefba3p-72},
        {0x1.80d91a5ff4683p-21, 0x1.803f11f51faddp-75},
        {0x1.26d0b565a9d63p-15, 0x1.9f05794541ac3p-71},
        {-0x1.00204275b0d06p-19, 0x1.9ab86509381f2p-73},
        {-0x1.e4a426c81848fp-13, 0x1.944fed3d66512p-69},
        {0x1.17a4af2dbee25p-13, 0x1.8cb1351fd9846p-68},
        {0x1.ab825fc5c350ap-10, 0x1.60a585b625cd2p-64},
        {-0x1.c81719d67e5f3p-9, 0x1.ca18d9ddb846bp-64},
        {-0x1.ee27610491223p-8, 0x1.a36c122ff4ed5p-65},
        {0x1.eec4cc3e4deeap-5, -0x1.25cd61d4f0a98p-61},
        {-0x1.7dff2bff6835ep-3, 0x1.f8adfa6e650c5p-58},
        {0x1.8c6dbf2cfc2aep-2, -0x1.c0d55d5c62d25p-59},
        {-0x1.373e3a893c28ap-1, -0x1.caae2cd64d40ap-56},
        {0x1.82b4bb8c94dcep-1, -0x1.990ea270aca77p-56},
    };
    a = v_min(V(14.5), a);
    vec r = v_div(V(1.0), v_add(a, V(4.0))), t = v_sub(V(1.0), v_mul(V(8.0), r)), p = v_set(0);
    for (size_t i = 0; i < sizeof coefficients / sizeof *coefficients; i++)
        p = v_add(v_mul(p, t), coefficients[i]);
    return v_mul(p, r);
}

/* erf(x) = 2 / sqrt(pi) (x - x^3 / 3 + x^5 / (2! 5) - ...), |x| <= 1/2 */
static vec v_erf_near_0(vec x)
{
    vec z = v_neg(v_mul(x, x)), term = v_mul(x, V2(0x1.20dd750429b6dp+0, 0x1.1ae3a914fed80p-56)), sum = v_set(0);
    for (int k = 0; k < 30; k++) {
        sum = v_add(sum, v_div(term, v_set(2 * k + 1)));
        term = v_div(v_mul(term, z), v_set(k + 1));
    }
    return sum;
}
