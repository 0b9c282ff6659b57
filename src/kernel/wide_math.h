/* Exponentials and their relatives in double lanes, each with a relative error below 2^-42 where the exact forms use it: far less than
 * a float shows, so that hardly any rounding is in doubt. The polynomials come from tools/polynomials.sollya. NaN in, NaN out.
 *
 * SPDX-License-Identifier: MIT */

#define V(c) v_set(c)
#define V2(c, low) v_set(c) /* a constant in two parts; one is enough here */

/* c0 + c1 x + c2 x^2 + c3 x^3, by Estrin's scheme: a chain of multiply-adds would be the longest wait. */
static ALWAYS_INLINE vec cubic_of(vec x, vec x2, double c0, double c1, double c2, double c3)
{
    return v_fma(v_fma(V(c3), x, V(c2)), x2, v_fma(V(c1), x, V(c0)));
}

/* Where the form for larger |z| loses what decides a tie: `near` for |z| < limit. Nothing to do here: doubles leave such ties in doubt. */
#define v_if_tiny(z, limit, near, y) (y)

/* e^x = s + s r p, |x| < 700; below -700 as there. Gives p. */
static ALWAYS_INLINE vec exp_parts(vec x, vec *s, vec *sr)
{
    x = v_max(V(-700.0), x);
    vec shifted = v_fma(x, V(0x1.71547652b82fep+0), V(0x1.8p52)), n = v_sub(shifted, V(0x1.8p52));
    vec r = v_fma(n, V(-0x1.62e42fefa39efp-1), x);
    *s = v_pow2_shifted(shifted);
    vec r2 = v_mul(r, r), r4 = v_mul(r2, r2);
    vec p = v_fma(r4, V(0x1.7211105766fa3p-19), cubic_of(r, r2, 0x1.111110ed0085ap-7, 0x1.6c164e395900dp-10, 0x1.a01a5661ec48fp-13, 0x1.a15a05fef93a9p-16));
    p = v_fma(p, r4, cubic_of(r, r2, 0x1p0, 0x1.fffffffff7303p-2, 0x1.5555555562d88p-3, 0x1.555555740436p-5));
    *sr = v_mul(*s, r);
    return p;
}
static ALWAYS_INLINE vec v_exp(vec x)
{
    vec s, sr, p = exp_parts(x, &s, &sr);
    return v_fma(sr, p, s);
}
static ALWAYS_INLINE vec v_expm1(vec x)
{
    vec s, sr, p = exp_parts(x, &s, &sr);
    return v_fma(sr, p, v_sub(s, V(1.0)));
}

/* log(1 + e), -1/2 <= e <= 1: 2 atanh(t), t = e / (e + 2), t^2 <= 1/9 */
static ALWAYS_INLINE vec v_log1p(vec e)
{
    vec t = v_div(e, v_add(e, V(2.0))), z = v_mul(t, t);
    vec z2 = v_mul(z, z);
    vec p = v_fma(cubic_of(z, z2, 0x1.c6fa6418db599p-4, 0x1.76e9c0db19f52p-4, 0x1.209df3a0f0faap-4, 0x1.99f209fd98ef2p-4), v_mul(z2, z2), cubic_of(z, z2, 0x1p0, 0x1.555555563ca09p-2, 0x1.99999803a24bp-3, 0x1.2492c20023cap-3));
    return v_mul(v_add(t, t), p);
}

/* Phi(-a) e^(a^2/2), a >= 0, up to 20 and from there on as at 20: H(t) / (a + 4), t = (a - 4) / (a + 4), with
 * H(t) = erfcx(a / sqrt 2) (a + 4) / 2 (scaled complementary error function: Shepherd & Laframboise 1981) */
static ALWAYS_INLINE vec v_scaled_tail(vec a)
{
    a = v_min(V(20.0), a);
    vec r = v_div(V(1.0), v_add(a, V(4.0))), t = v_fma(V(-8.0), r, V(1.0));
    vec t2 = v_mul(t, t), t4 = v_mul(t2, t2), t8 = v_mul(t4, t4);
    vec p = v_fma(t4, V(0x1.e76b67fdf1fd6p-23), cubic_of(t, t2, 0x1.b0c2a8304dd75p-21, -0x1.805edf73a1bebp-18, -0x1.762f15a150c4fp-21, 0x1.98b8ac1cd291fp-21));
    p = v_fma(p, t4, cubic_of(t, t2, 0x1.17aab14fe13d9p-13, -0x1.e49a5fe296144p-13, -0x1.060d0c7a27c8ap-19, 0x1.262a42c54ed72p-15));
    p = v_fma(p, t8, v_fma(cubic_of(t, t2, 0x1.eec4cc4ba3a1fp-5, -0x1.ee2760265c717p-8, -0x1.c81726b5583afp-9, 0x1.ab82342f54a8dp-10), t4, cubic_of(t, t2, 0x1.82b4bb8c94e2p-1, -0x1.373e3a893bee6p-1, 0x1.8c6dbf2cf1d03p-2, -0x1.7dff2bffaec7ep-3)));
    return v_mul(p, r);
}

/* erf(x), |x| <= 1/2 */
static ALWAYS_INLINE vec v_erf_near_0(vec x)
{
    vec z = v_mul(x, x);
    vec z2 = v_mul(z, z);
    vec p = v_fma(v_fma(V(0x1.c5d3fc107a882p-14), z2, v_fma(V(-0x1.bdfd3566de416p-11), z, V(0x1.564feea3c4f01p-8))), v_mul(z2, z2), cubic_of(z, z2, 0x1.20dd750429999p0, -0x1.812746af859dbp-2, 0x1.ce2f20eefef67p-4, -0x1.b82ca0b3f258bp-6));
    return v_mul(p, x);
}
