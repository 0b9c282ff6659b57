/* Exponentials and their relatives in vector operations, for arguments that the activations need. NaN in, NaN out.
 *
 * Float targets: x = n ln 2 + r, |r| <= ln 2 / 2, e^r - 1 = r + r^2 P(r) with the Taylor coefficients to r^7 (truncation below 1.5e-8
 * of e^r - 1). Arguments are clamped so that no scaling leaves the exponent's range; subnormal results are kept.
 *
 * SPDX-License-Identifier: MIT */

#define V(c) v_set(REAL(c))

#ifdef REFERENCE

static inline vec v_exp(vec x)
{
    return exp(x);
}
/* x <= 0 */
static inline void v_exp_expm1(vec x, vec *e, vec *m)
{
    *e = exp(x);
    *m = expm1(x);
}
/* log(1 + e), 0 <= e <= 1 */
static inline vec v_log1p(vec e)
{
    return log1p(e);
}
/* The standard normal distribution left of -a, and its density at a, a >= 0. */
static inline void v_normal_tail(vec a, vec *tail, vec *density)
{
    *tail = 0.5 * erfc(a * 0.70710678118654752440);
    *density = 0.39894228040143267794 * exp(-0.5 * a * a);
}

#else

/* q = e^r - 1 and n with x + low = n ln 2 + r; low is a correction far smaller than x. */
static inline vec reduce(vec x, vec low, vec *n)
{
    *n = v_rint(v_mul(x, V(0x1.715476p+0)));
    vec r = v_fma(*n, V(-0x1.62e43p-1), x); /* ln 2 in two parts; this product is exact in the fma */
    r = v_add(v_fma(*n, V(0x1.05c61p-29), r), low);
    vec p = V(1.98412698e-4);
    p = v_fma(p, r, V(1.38888889e-3));
    p = v_fma(p, r, V(8.33333333e-3));
    p = v_fma(p, r, V(4.16666667e-2));
    p = v_fma(p, r, V(1.66666667e-1));
    p = v_fma(p, r, V(0.5));
    return v_fma(v_mul(r, r), p, r);
}

/* 2^n (1 + q) in two factors, since n may be outside the exponents of normal numbers. */
static inline vec rescale(vec q, vec n)
{
    vec half = v_rint(v_mul(n, V(0.5))), s = v_pow2(half);
    return v_mul(v_fma(s, q, s), v_pow2(v_sub(n, half)));
}

/* Infinity from 88.73 on, 0 below -104. */
static inline vec v_exp(vec x)
{
    vec n, q = reduce(v_max(V(-105.0), v_min(V(89.0), x)), V(0.0), &n);
    return rescale(q, n);
}

/* x <= 0: *e = e^x, *m = e^x - 1 without cancellation. */
static inline void v_exp_expm1(vec x, vec *e, vec *m)
{
    vec n, q = reduce(v_max(V(-105.0), x), V(0.0), &n);
    vec half = v_rint(v_mul(n, V(0.5))), s = v_mul(v_pow2(half), v_pow2(v_sub(n, half)));
    *e = v_fma(s, q, s);
    *m = v_fma(s, q, v_sub(s, V(1.0)));
}

/* log(1 + e), 0 <= e <= 1: 2 atanh(t), t = e / (e + 2), t^2 <= 1/9, Taylor to t^15 (truncation below 2e-9). */
static inline vec v_log1p(vec e)
{
    vec t = v_div(e, v_add(e, V(2.0))), z = v_mul(t, t), p = V(6.66666667e-2);
    p = v_fma(p, z, V(7.69230769e-2));
    p = v_fma(p, z, V(9.09090909e-2));
    p = v_fma(p, z, V(1.11111111e-1));
    p = v_fma(p, z, V(1.42857143e-1));
    p = v_fma(p, z, V(2.0e-1));
    p = v_fma(p, z, V(3.33333333e-1));
    t = v_add(t, t);
    return v_fma(v_mul(t, z), p, t);
}

/* The standard normal distribution left of -a, and its density at a, a >= 0.
 *
 * tail = e^(-a^2/2) H(t) / (a + 4), t = (a - 4) / (a + 4), with H(t) = erfcx(a / sqrt 2) (a + 4) / 2 (scaled complementary error
 * function: Shepherd & Laframboise 1981) as a Chebyshev fit of degree 10 on 0 <= a <= 15, relative error 2.1e-8. The square of a is
 * carried in two floats, for its error would be multiplied by e^(-a^2/2)'s steepness. */
static inline void v_normal_tail(vec a, vec *tail, vec *density)
{
    a = v_min(V(15.0), a);
    vec square = v_mul(a, a), low = v_fma(a, a, v_neg(square));
    vec n, q = reduce(v_mul(square, V(-0.5)), v_mul(low, V(-0.5)), &n), e = rescale(q, n);
    vec d = v_add(a, V(4.0)), t = v_div(v_sub(a, V(4.0)), d), h = V(-0x1.b07cfp-15);
    h = v_fma(h, t, V(-0x1.e61df8p-13));
    h = v_fma(h, t, V(0x1.66ba3ep-13));
    h = v_fma(h, t, V(0x1.af48ccp-10));
    h = v_fma(h, t, V(-0x1.c95a1p-9));
    h = v_fma(h, t, V(-0x1.ee7c98p-8));
    h = v_fma(h, t, V(0x1.eec6cep-5));
    h = v_fma(h, t, V(-0x1.7dfedep-3));
    h = v_fma(h, t, V(0x1.8c6dbcp-2));
    h = v_fma(h, t, V(-0x1.373e3cp-1));
    h = v_fma(h, t, V(0x1.82b4bcp-1));
    *tail = v_mul(e, v_div(h, d));
    *density = v_mul(e, V(0x1.988454p-2));
}

#endif

/* ---- What follows is one text for every target ---- */

static inline vec positive_part(vec x) /* max(x, 0), NaN kept */
{
    return v_max(V(0.0), x);
}

/* 1 / (1 + e^-x) from e = e^-|x|: numerator 1 or e, so that no tail is lost. */
static inline vec sigmoid_from(vec x, vec e)
{
    return v_div(v_select(v_lt(x, V(0.0)), e, V(1.0)), v_add(V(1.0), e));
}
/* sigma' = e / (1 + e)^2, symmetric in x */
static inline vec sigmoid_slope_from(vec e)
{
    vec d = v_add(V(1.0), e);
    return v_div(e, v_mul(d, d));
}
static inline vec v_sigmoid(vec x)
{
    return sigmoid_from(x, v_exp(v_neg(v_abs(x))));
}
static inline vec v_sigmoid_slope(vec x)
{
    return sigmoid_slope_from(v_exp(v_neg(v_abs(x))));
}
static inline void v_sigmoid_pair(vec x, vec *y, vec *d)
{
    vec e = v_exp(v_neg(v_abs(x)));
    *y = sigmoid_from(x, e);
    *d = sigmoid_slope_from(e);
}

/* tanh |x| = -m / (m + 2), m = e^(-2|x|) - 1;  tanh' = 4 e / (1 + e)^2, e = e^(-2|x|) */
static inline void v_tanh_pair(vec x, vec *y, vec *d)
{
    vec e, m;
    v_exp_expm1(v_mul(V(-2.0), v_abs(x)), &e, &m);
    *y = v_copysign(v_div(m, v_add(m, V(2.0))), x);
    *d = v_mul(V(4.0), sigmoid_slope_from(e));
}
static inline vec v_tanh(vec x)
{
    vec y, d;
    v_tanh_pair(x, &y, &d);
    return y;
}
static inline vec v_tanh_slope(vec x)
{
    vec y, d;
    v_tanh_pair(x, &y, &d);
    return d;
}

static inline vec v_expm1_negative(vec x) /* e^min(x, 0) - 1, -0 kept */
{
    vec e, m;
    v_exp_expm1(v_min(V(0.0), x), &e, &m);
    return v_copysign(m, x);
}

/* a (e^x - 1) below 0, x above */
static inline vec v_elu(vec x, vec alpha)
{
    return v_select(v_lt(V(0.0), x), x, v_mul(alpha, v_expm1_negative(x)));
}
static inline vec v_elu_slope(vec x, vec alpha)
{
    return v_select(v_lt(V(0.0), x), V(1.0), v_mul(alpha, v_exp(v_min(V(0.0), x))));
}

/* x factor, where the factor vanishes as x goes to -infinity: x is held finite so that the product is -0 there, not NaN */
static inline vec v_silu(vec x)
{
    vec low = v_max(V(-1e4), x);
    return v_mul(low, v_sigmoid(x));
}
/* s (1 + x (1 - s)), both s and 1 - s from e = e^-|x| */
static inline vec v_silu_slope(vec x)
{
    vec a = v_abs(x), e = v_exp(v_neg(a)), d = v_add(V(1.0), e), held = v_min(V(1e4), v_max(V(-1e4), x));
    vec positive = v_fma(held, e, d), negative = v_mul(e, v_add(d, held));
    return v_div(v_select(v_lt(x, V(0.0)), negative, positive), v_mul(d, d));
}

/* x Phi(x): x - a tail(a) right of 0, -a tail(a) left of it, a = |x| */
static inline vec v_gelu(vec x)
{
    vec a = v_abs(x), tail, density;
    v_normal_tail(a, &tail, &density);
    vec below = v_mul(v_min(V(15.0), a), tail);
    return v_select(v_lt(x, V(0.0)), v_neg(below), v_sub(x, below));
}
/* Phi(x) + x phi(x) */
static inline vec v_gelu_slope(vec x)
{
    vec a = v_abs(x), tail, density;
    v_normal_tail(a, &tail, &density);
    vec below = v_fma(v_neg(v_min(V(15.0), a)), density, tail);
    return v_select(v_lt(x, V(0.0)), below, v_sub(V(1.0), below));
}

/* x sigma(2u), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016: 0.5 x (1 + tanh u)); x held where u has long saturated */
static inline vec gelu_tanh_argument(vec held)
{
    return v_mul(held, v_fma(v_mul(held, held), V(0.071354816272600676), V(1.59576912160573071176)));
}
static inline vec v_gelu_tanh(vec x)
{
    vec held = v_min(V(12.0), v_max(V(-12.0), x));
    return v_mul(v_max(V(-12.0), x), v_sigmoid(gelu_tanh_argument(held)));
}
/* sigma(2u) + x sigma'(2u) (2u)' */
static inline vec v_gelu_tanh_slope(vec x)
{
    vec held = v_min(V(12.0), v_max(V(-12.0), x)), y, d;
    v_sigmoid_pair(gelu_tanh_argument(held), &y, &d);
    vec du = v_fma(v_mul(held, held), V(0.21406444881780203), V(1.59576912160573071176));
    return v_fma(v_mul(held, du), d, y);
}

/* x tanh(log(1 + e^x)) = x n / (n + 2), n = e (e + 2), e = e^x; above 20 that is x */
static inline vec v_mish(vec x)
{
    vec e = v_exp(v_min(V(20.0), x)), n = v_mul(e, v_add(e, V(2.0)));
    return v_mul(v_max(V(-1e4), x), v_div(n, v_add(n, V(2.0))));
}
/* (n (n + 2) + 4 x e (e + 1)) / (n + 2)^2 */
static inline vec v_mish_slope(vec x)
{
    vec held = v_min(V(20.0), v_max(V(-1e4), x)), e = v_exp(held), n = v_mul(e, v_add(e, V(2.0))), d = v_add(n, V(2.0));
    vec rest = v_mul(v_mul(V(4.0), held), v_mul(e, v_add(e, V(1.0))));
    return v_div(v_fma(n, d, rest), v_mul(d, d));
}

/* log(1 + e^(b x)) / b = (max(bx, 0) + log1p(e^-|bx|)) / b */
static inline vec v_softplus(vec x, vec beta)
{
    vec z = v_mul(beta, x);
    return v_div(v_add(positive_part(z), v_log1p(v_exp(v_neg(v_abs(z))))), beta);
}

static inline vec v_hard_sigmoid(vec x, vec alpha, vec beta)
{
    return v_max(V(0.0), v_min(V(1.0), v_fma(alpha, x, beta)));
}
static inline vec v_hard_sigmoid_slope(vec x, vec alpha, vec beta)
{
    vec z = v_fma(alpha, x, beta), outside = v_select(v_le(V(1.0), z), V(0.0), v_select(v_le(z, V(0.0)), V(0.0), z));
    return v_select(v_lt(V(0.0), z), v_select(v_lt(z, V(1.0)), alpha, outside), outside);
}

/* x / (1 + |x|), |x| held finite: 1 at infinity */
static inline vec v_softsign(vec x)
{
    vec a = v_min(V(0x1p60), v_abs(x));
    return v_copysign(v_div(a, v_add(V(1.0), a)), x);
}
static inline vec v_softsign_slope(vec x)
{
    vec d = v_add(V(1.0), v_min(V(0x1p60), v_abs(x)));
    return v_div(V(1.0), v_mul(d, d));
}

/* x above 0, slope x below */
static inline vec v_leaky(vec x, vec slope)
{
    return v_select(v_lt(V(0.0), x), x, v_mul(slope, x));
}
/* 1 above 0, slope at 0 and below; NaN kept */
static inline vec v_leaky_slope(vec x, vec slope)
{
    return v_select(v_lt(V(0.0), x), V(1.0), v_select(v_le(x, V(0.0)), slope, x));
}
