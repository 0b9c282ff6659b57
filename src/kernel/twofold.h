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
#define v_if_tiny(z, limit, near, y) (fabs((z).hi) < limit ? (near) : (y))

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
    return v_if_tiny(x, 0x1p-60, v_mul(x, sum_of(1, copysign(0x1p-60, x.hi))), y);
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
    /* H of degree 46, by interpolation at Chebyshev's points of 0 <= a <= 20: relative error 2^-109 (tools/tail.py) */
    static const vec coefficients[] = {
        {-0x1.681cc66036c32p-56, -0x1.7d43837e74a15p-110},
        {-0x1.ac03a2d14e891p-54, 0x1.6fd267795ebf4p-108},
        {0x1.004dc42e70e2dp-52, 0x1.c345b9b363945p-106},
        {0x1.74e4b37e56f2ap-49, -0x1.df8b5a531640cp-108},
        {0x1.e027e5aceac25p-48, -0x1.754c2adaa85cdp-104},
        {0x1.49e2ecef18846p-50, -0x1.f5d5309b28eb6p-105},
        {-0x1.14e2788a72a6ap-45, 0x1.3afdce21cc929p-100},
        {-0x1.298a0022084f5p-44, 0x1.54b3939ce92edp-99},
        {-0x1.62476bee805c1p-48, 0x1.a6adf51248cd4p-104},
        {0x1.039e5fe88572dp-42, 0x1.2c00840383991p-96},
        {0x1.e75aea588d4b8p-42, -0x1.f45335b633714p-96},
        {-0x1.2b00e2594b10cp-46, -0x1.bd0a2a225cea1p-101},
        {-0x1.acf22d690b46bp-40, 0x1.b3bce57b048c0p-95},
        {-0x1.77feb2b7646f4p-39, 0x1.178a74883b84bp-95},
        {0x1.632524a356ffbp-41, -0x1.79d543c728c04p-95},
        {0x1.77c81bb62f747p-37, 0x1.fa1b5204fb0cbp-91},
        {0x1.1d8584594c29fp-36, 0x1.07c1c2355d265p-90},
        {-0x1.9c1cf5ba0b300p-37, -0x1.5c46c13d80f0cp-92},
        {-0x1.61c426f712cfdp-34, -0x1.68df5d0e912d9p-91},
        {-0x1.810775c86a586p-34, -0x1.bcc35766f2d21p-88},
        {0x1.772ed194a4d91p-33, 0x1.27440f6842e5bp-88},
        {0x1.5090b2bc25337p-31, 0x1.31b4eb8076187p-87},
        {0x1.12c5b7cab230ap-32, -0x1.c37ada0485f25p-86},
        {-0x1.25205f8014ba3p-29, 0x1.467971e768dc7p-88},
        {-0x1.1930e7310a1c1p-28, 0x1.7cb3f84526f22p-82},
        {0x1.dc3f8dfa09edap-29, -0x1.376477d2ce914p-84},
        {0x1.80d27333105eap-26, -0x1.6e0fc1ad98e6cp-80},
        {0x1.ac50301310815p-27, -0x1.159e306645883p-81},
        {-0x1.7a5e8f1ba2296p-24, -0x1.01c308f4f7fc5p-80},
        {-0x1.4ca5891870f63p-23, -0x1.2d1c7c06a5f19p-77},
        {0x1.25976ba04297cp-22, 0x1.341808fb5a91dp-78},
        {0x1.1244922d2bbfcp-20, 0x1.79e3b22715527p-74},
        {-0x1.526942f29f087p-21, -0x1.f3d8ca414c53ep-77},
        {-0x1.8d4dafa8e4a84p-18, 0x1.579d48acd610bp-72},
        {0x1.80d91a5ff4683p-21, -0x1.51c63b3e89dddp-75},
        {0x1.26d0b565a9d63p-15, 0x1.8451c6c77be15p-71},
        {-0x1.00204275b0d06p-19, 0x1.9fdbdf38f84efp-73},
        {-0x1.e4a426c81848fp-13, 0x1.948bee5e098bap-69},
        {0x1.17a4af2dbee25p-13, 0x1.8cb0812d8256cp-68},
        {0x1.ab825fc5c350ap-10, 0x1.60a57af8304eap-64},
        {-0x1.c81719d67e5f3p-9, 0x1.ca18d9f62271fp-64},
        {-0x1.ee27610491223p-8, 0x1.a36c12767e9e7p-65},
        {0x1.eec4cc3e4deeap-5, -0x1.25cd61d4f2536p-61},
        {-0x1.7dff2bff6835ep-3, 0x1.f8adfa6e64320p-58},
        {0x1.8c6dbf2cfc2aep-2, -0x1.c0d55d5c62d2cp-59},
        {-0x1.373e3a893c28ap-1, -0x1.caae2cd64d408p-56},
        {0x1.82b4bb8c94dcep-1, -0x1.990ea270aca77p-56},
    };
    a = v_min(V(20.0), a);
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
