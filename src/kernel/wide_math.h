/* Exponentials and their relatives in double lanes, each with a relative error below 2^-42 where the exact forms use it: far less than
 * a float shows, so that hardly any rounding is in doubt. The polynomials come from tools/polynomials.sollya. NaN in, NaN out.
 *
 * SPDX-License-Identifier: MIT */

#define V(c) v_set(c)
#define V2(c, low) v_set(c) /* a constant in two parts; one is enough here */

/* Where the form for larger |z| loses what decides a tie: `near` for |z| < limit. Nothing to do here: doubles leave such ties in doubt. */
#define v_if_tiny(z, limit, near, y) (y)

/* e^x = s (1 + q), |x| < 700; below -700 as there */
static ALWAYS_INLINE vec exp_parts(vec x, vec *s)
{
    x = v_max(V(-700.0), x);
    vec shifted = v_fma(x, V(0x1.71547652b82fep+0), V(0x1.8p52)), n = v_sub(shifted, V(0x1.8p52));
    vec r = v_fma(n, V(-0x1.62e42fefa39efp-1), x);
    *s = v_pow2_shifted(shifted);
    vec p = V(0x1.7211105766fa3p-19);
    p = v_fma(p, r, V(0x1.a15a05fef93a9p-16));
    p = v_fma(p, r, V(0x1.a01a5661ec48fp-13));
    p = v_fma(p, r, V(0x1.6c164e395900dp-10));
    p = v_fma(p, r, V(0x1.111110ed0085ap-7));
    p = v_fma(p, r, V(0x1.555555740436p-5));
    p = v_fma(p, r, V(0x1.5555555562d88p-3));
    p = v_fma(p, r, V(0x1.fffffffff7303p-2));
    p = v_fma(p, r, V(0x1p0));
    return v_mul(p, r);
}
static ALWAYS_INLINE vec v_exp(vec x)
{
    vec s, q = exp_parts(x, &s);
    return v_fma(s, q, s);
}
static ALWAYS_INLINE vec v_expm1(vec x)
{
    vec s, q = exp_parts(x, &s);
    return v_fma(s, q, v_sub(s, V(1.0)));
}

/* log(1 + e), -1/2 <= e <= 1: 2 atanh(t), t = e / (e + 2), t^2 <= 1/9 */
static ALWAYS_INLINE vec v_log1p(vec e)
{
    vec t = v_div(e, v_add(e, V(2.0))), z = v_mul(t, t);
    vec p = V(0x1.99f209fd98ef2p-4);
    p = v_fma(p, z, V(0x1.209df3a0f0faap-4));
    p = v_fma(p, z, V(0x1.76e9c0db19f52p-4));
    p = v_fma(p, z, V(0x1.c6fa6418db599p-4));
    p = v_fma(p, z, V(0x1.2492c20023cap-3));
    p = v_fma(p, z, V(0x1.99999803a24bp-3));
    p = v_fma(p, z, V(0x1.555555563ca09p-2));
    p = v_fma(p, z, V(0x1p0));
    return v_mul(v_add(t, t), p);
}

/* Phi(-a) e^(a^2/2), a >= 0, up to 20 and from there on as at 20: H(t) / (a + 4), t = (a - 4) / (a + 4), with
 * H(t) = erfcx(a / sqrt 2) (a + 4) / 2 (scaled complementary error function: Shepherd & Laframboise 1981) */
static ALWAYS_INLINE vec v_scaled_tail(vec a)
{
    a = v_min(V(20.0), a);
    vec r = v_div(V(1.0), v_add(a, V(4.0))), t = v_fma(V(-8.0), r, V(1.0));
    vec p = V(0x1.e76b67fdf1fd6p-23);
    p = v_fma(p, t, V(0x1.98b8ac1cd291fp-21));
    p = v_fma(p, t, V(-0x1.762f15a150c4fp-21));
    p = v_fma(p, t, V(-0x1.805edf73a1bebp-18));
    p = v_fma(p, t, V(0x1.b0c2a8304dd75p-21));
    p = v_fma(p, t, V(0x1.262a42c54ed72p-15));
    p = v_fma(p, t, V(-0x1.060d0c7a27c8ap-19));
    p = v_fma(p, t, V(-0x1.e49a5fe296144p-13));
    p = v_fma(p, t, V(0x1.17aab14fe13d9p-13));
    p = v_fma(p, t, V(0x1.ab82342f54a8dp-10));
    p = v_fma(p, t, V(-0x1.c81726b5583afp-9));
    p = v_fma(p, t, V(-0x1.ee2760265c717p-8));
    p = v_fma(p, t, V(0x1.eec4cc4ba3a1fp-5));
    p = v_fma(p, t, V(-0x1.7dff2bffaec7ep-3));
    p = v_fma(p, t, V(0x1.8c6dbf2cf1d03p-2));
    p = v_fma(p, t, V(-0x1.373e3a893bee6p-1));
    p = v_fma(p, t, V(0x1.82b4bb8c94e2p-1));
    return v_mul(p, r);
}

/* erf(x), |x| <= 1/2 */
static ALWAYS_INLINE vec v_erf_near_0(vec x)
{
    vec z = v_mul(x, x);
    vec p = V(0x1.c5d3fc107a882p-14);
    p = v_fma(p, z, V(-0x1.bdfd3566de416p-11));
    p = v_fma(p, z, V(0x1.564feea3c4f01p-8));
    p = v_fma(p, z, V(-0x1.b82ca0b3f258bp-6));
    p = v_fma(p, z, V(0x1.ce2f20eefef67p-4));
    p = v_fma(p, z, V(-0x1.812746af859dbp-2));
    p = v_fma(p, z, V(0x1.20dd750429999p0));
    return v_mul(p, x);
}
