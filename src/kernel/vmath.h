/* Exponentials and their relatives in vector operations, for arguments that the activations need. NaN in, NaN out.
 *
 * Float targets: x = n ln 2 + r, |r| <= ln 2 / 2, and e^r - 1 = r + r^2 P(r). The polynomials come from tools/polynomials.sollya.
 * Arguments are held where no scaling leaves the exponent's range. An exponential that is to be multiplied on is kept times UP = 2^48
 * ("raised") and lowered at the very end, so that a subnormal result is rounded once. Where an error of the argument would be
 * multiplied by the steepness of the exponential, the argument comes in two parts, x + low.
 *
 * The largest errors of all activations, measured: docs/activations.md.
 *
 * SPDX-License-Identifier: MIT */

#define V(c) v_set(REAL(c))

/* (a + a_low) / (d + d_low) - q, where q is near a / d, and r near 1 / d */
static inline vec quotient_low(vec q, vec a, vec a_low, vec d, vec d_low, vec r)
{
    return v_mul(v_sub(v_add(v_fma(v_neg(q), d, a), a_low), v_mul(q, d_low)), r);
}

#ifdef REFERENCE

#define HELD V(1e100) /* arguments are held here where a factor that vanishes at infinity needs a finite partner */

static inline vec v_exp(vec x)
{
    return exp(x);
}
static inline vec v_exp_raised(vec x)
{
    return exp(x);
}
static inline vec v_exp_raised_low(vec x, vec low)
{
    return exp(x + low);
}
static inline vec v_lower(vec x)
{
    return x;
}
static inline vec v_expm1(vec x)
{
    return expm1(x);
}
static inline vec v_expm1_left(vec x)
{
    return expm1(x);
}
static inline vec v_log1p(vec x)
{
    return log1p(x);
}
static inline vec v_erf(vec x)
{
    return erf(x);
}
static inline vec v_erfc(vec x)
{
    return erfc(x);
}
static inline vec v_erf_slope(vec x)
{
    return 1.1283791670955125739 * exp(-x * x);
}
static inline void v_exp_raised_expm1(vec x, vec *e, vec *m)
{
    *e = exp(x);
    *m = expm1(x);
}
static inline vec v_log1p_unit(vec e)
{
    return log1p(e);
}
static inline void v_normal_tail(vec a, vec *area, vec *shape)
{
    a = v_min(HELD, a);
    double e = exp(-0.5 * a * a), tail = 0.5 * erfc(a * 0.70710678118654752440);
    *area = a * tail;
    *shape = tail - 0.39894228040143267794 * a * e;
}

/* 2 sqrt(2/pi) (a + 0.044715 a^3) */
static inline vec v_cubic(vec a, vec *low)
{
    *low = 0;
    a = v_min(HELD, a);
    return 1.5957691216057307118 * (a + 0.044715 * a * a * a);
}
/* 2 sqrt(2/pi) (a + 3 * 0.044715 a^3) */
static inline vec v_cubic_slope(vec a, vec *low)
{
    *low = 0;
    a = v_max(v_neg(HELD), v_min(HELD, a));
    return 1.5957691216057307118 * (a + 0.134145 * a * a * a);
}

#else

#define HELD V(120.0) /* arguments are held here where a factor that vanishes at infinity needs a finite partner */

/* r and n of x = n ln 2 + r; |x| < 2^15 ln 2 */
static inline vec reduce(vec x, vec *n)
{
    *n = v_rint(v_mul(x, V(0x1.715476p+0)));
    vec r =
        v_fma(*n, V(-0x1.62e43p-1), x); /* ln 2 in two parts: the product with the first is exact, and so is this difference */
    return v_fma(*n, V(0x1.05c61p-29), r);
}
/* e^r - 1 */
static inline vec expm1_reduced(vec r)
{
    vec p = V(0x1.6d3074p-10);
    p = v_fma(V(0x1.a2d982p-13), r, p);
    p = v_fma(p, r, V(0x1.110fc2p-7));
    p = v_fma(p, r, V(0x1.5555p-5));
    p = v_fma(p, r, V(0x1.555556p-3));
    p = v_fma(p, r, V(0.5));
    return v_fma(v_mul(r, r), p, r);
}
static inline vec raised_pow2(vec n)
{
    return v_pow2(v_add(n, V(48.0)));
}
static inline vec v_lower(vec x)
{
    return v_mul(x, V(0x1p-48));
}

/* e^x, infinity from 88.73 on, 0 below -104. 2^n in two factors, since n may be outside the exponents of normal numbers. */
static inline vec v_exp(vec x)
{
    vec n, q = expm1_reduced(reduce(v_max(V(-105.0), v_min(V(89.0), x)), &n));
    vec half = v_rint(v_mul(n, V(0.5))), s = v_pow2(half);
    return v_mul(v_fma(s, q, s), v_pow2(v_sub(n, half)));
}
/* 2^48 e^x, x <= 20; below -120 as there */
static inline vec v_exp_raised(vec x)
{
    vec n, q = expm1_reduced(reduce(v_max(V(-120.0), x), &n)), s = raised_pow2(n);
    return v_fma(s, q, s);
}
static inline vec v_exp_raised_low(vec x, vec low)
{
    vec n, q = expm1_reduced(v_add(reduce(v_max(V(-120.0), x), &n), low)), s = raised_pow2(n);
    return v_fma(s, q, s);
}
/* e^x - 1; infinity from 88.73 on. 2^(n - 1), since 2^n may be outside the exponents */
static inline vec v_expm1(vec x)
{
    vec n, q = expm1_reduced(reduce(v_max(V(-20.0), v_min(V(89.0), x)), &n)), s = v_pow2(v_sub(n, V(1.0)));
    vec y = v_fma(s, q, v_sub(s, V(0.5)));
    return v_copysign(v_add(y, y), x);
}
/* e^x - 1, x <= 0 */
static inline vec v_expm1_left(vec x)
{
    vec n, q = expm1_reduced(reduce(v_max(V(-20.0), x), &n)), s = v_pow2(n);
    return v_fma(s, q, v_sub(s, V(1.0)));
}
/* Both, x <= 0; the second with the bits of v_expm1_left */
static inline void v_exp_raised_expm1(vec x, vec *e, vec *m)
{
    vec n, q = expm1_reduced(reduce(v_max(V(-120.0), x), &n)), s = raised_pow2(n);
    *e = v_fma(s, q, s);
    s = v_lower(s);
    *m = v_fma(s, q, v_sub(s, V(1.0)));
}

/* log(1 + e), -1/2 <= e <= 1: 2 atanh(t), t = e / (e + 2), t^2 <= 1/9 */
static inline vec v_log1p_unit(vec e)
{
    vec t = v_div(e, v_add(e, V(2.0))), z = v_mul(t, t), p = V(0x1.f06946p-4);
    p = v_fma(p, z, V(0x1.b733f4p-4));
    p = v_fma(p, z, V(0x1.2504bep-3));
    p = v_fma(p, z, V(0x1.9996dap-3));
    p = v_fma(p, z, V(0x1.555558p-2));
    t = v_add(t, t);
    return v_fma(v_mul(t, z), p, t);
}

/* log(1 + x) = k log 2 + log(1 + f), 1 + x = 2^k (1 + f); f = x exactly where k = 0 */
static inline vec v_log1p(vec x)
{
    vec u = v_add(V(1.0), x), m, k = v_split(u, &m), half = v_rint(v_mul(k, V(0.5)));
    vec low = v_select(v_lt(x, V(1.0)), v_sub(x, v_sub(u, V(1.0))), v_sub(V(1.0), v_sub(u, x)));
    low = v_mul(v_mul(low, v_pow2(v_neg(half))), v_pow2(v_sub(half, k)));
    vec f = v_select(v_lt(v_abs(k), V(0.5)), x, v_add(v_sub(m, V(1.0)), low));
    vec y = v_fma(k, V(-0x1.05c61p-29), v_log1p_unit(f));
    y = v_copysign(v_fma(k, V(0x1.62e43p-1), y), x);
    y = v_select(v_lt(V(-1.0), x), y, v_select(v_lt(x, V(-1.0)), v_set(NAN), v_set(-INFINITY)));
    return v_select(v_lt(x, v_set(INFINITY)), y, x);
}

/* 2 sqrt(2/pi) (a + 0.044715 a^3) in two floats, a >= 0; as at 12 from there on */
static inline vec v_cubic(vec a, vec *low)
{
    a = v_min(V(12.0), a);
    vec square = v_mul(a, a), rest = v_fma(a, a, v_neg(square));
    vec c = V(0x1.2444f2p-4), l = V(0x1.988454p0); /* the cubic and the linear coefficient, each with a second part below */
    vec b = v_mul(square, c), b_low = v_add(v_fma(square, c, v_neg(b)), v_fma(rest, c, v_mul(square, V(0x1.49b16ap-29))));
    vec k = v_add(b, l), from = v_sub(k, b), k_low = v_add(v_sub(b, v_sub(k, from)), v_sub(l, from));
    vec w = v_mul(a, k);
    *low = v_fma(a, v_add(k_low, v_add(b_low, V(-0x1.857936p-25))), v_fma(a, k, v_neg(w)));
    return w;
}
/* 2 sqrt(2/pi) (a + 3 * 0.044715 a^3), as at 12 from there on */
static inline vec v_cubic_slope(vec a, vec *low)
{
    a = v_max(V(-12.0), v_min(V(12.0), a));
    vec square = v_mul(a, a), l = V(0x1.988454p0), k = v_fma(square, V(0x1.b6676cp-3), l), t = v_mul(a, k);
    vec k_low = v_add(v_fma(square, V(0x1.b6676cp-3), v_sub(l, k)), V(-0x1.857936p-25));
    *low = v_fma(a, k_low, v_fma(a, k, v_neg(t)));
    return t;
}

/* e^-(w + w_low), raised, and g = H(t) / (a + 4), t = (a - 4) / (a + 4), each in two floats, for 0 <= a <= 15 and w = a^2 / 2: the standard
 * normal distribution left of -a is Phi(-a) = e^(-a^2/2) g. H(t) = erfcx(a / sqrt 2) (a + 4) / 2 (scaled complementary error
 * function: Shepherd & Laframboise 1981) has degree 10. */
typedef struct tail {
    vec e, e_low, g, g_low;
} tail;

static inline tail tail_parts(vec a, vec w, vec w_low)
{
    vec n, r = reduce(v_neg(w), &n), q = expm1_reduced(v_sub(r, w_low)), s = raised_pow2(n);
    vec e = v_fma(s, q, s), e_low = v_fma(s, q, v_sub(s, e));
    vec d = v_add(a, V(4.0)), d_low = v_sub(a, v_sub(d, V(4.0)));
    vec c = v_sub(a, V(4.0)), c_low = v_sub(a, v_add(c, V(4.0)));
    vec rd = v_div(V(1.0), d), t = v_mul(c, rd), t_low = quotient_low(t, c, c_low, d, d_low, rd);
    vec p = V(-0x1.0c75ap-15);
    p = v_fma(p, t, V(-0x1.8e3462p-13));
    p = v_fma(p, t, V(0x1.78cd1p-13));
    p = v_fma(p, t, V(0x1.a6d6e8p-10));
    p = v_fma(p, t, V(-0x1.cb5198p-9));
    p = v_fma(p, t, V(-0x1.eded26p-8));
    p = v_fma(p, t, V(0x1.eed0a2p-5));
    p = v_fma(p, t, V(-0x1.7dff5ap-3));
    p = v_fma(p, t, V(0x1.8c6d9cp-2));
    vec slope = v_fma(p, v_add(t, t), V(-0x1.373e3ap-1)); /* about H' */
    p = v_fma(p, t, V(-0x1.373e3ap-1));
    vec h = v_fma(p, t, V(0x1.82b4bcp-1)), h_low = v_fma(slope, t_low, v_fma(p, t, v_sub(V(0x1.82b4bcp-1), h)));
    vec g = v_mul(h, rd), g_low = quotient_low(g, h, h_low, d, d_low, rd);
    return (tail){e, e_low, g, g_low};
}

/* *area = a Phi(-a) and *shape = Phi(-a) - a phi(a), both raised, a >= 0 */
static inline void v_normal_tail(vec a, vec *area, vec *shape)
{
    a = v_min(V(15.0), a);
    vec square = v_mul(a, a), rest = v_fma(a, a, v_neg(square));
    tail t = tail_parts(a, v_mul(square, V(0.5)), v_mul(rest, V(0.5)));
    vec ag = v_mul(a, t.g), ag_low = v_fma(a, t.g_low, v_fma(a, t.g, v_neg(ag)));
    *area = v_fma(ag, t.e, v_fma(ag, t.e_low, v_mul(ag_low, t.e)));
    vec f = v_add(v_fma(a, V(-0x1.988454p-2), t.g), v_fma(a, V(0x1.857936p-27), t.g_low)); /* 1 / sqrt(2 pi) in two parts */
    *shape = v_fma(f, t.e, v_mul(f, t.e_low));
}

/* erfc(z) = 2 Phi(-z sqrt 2), z >= 0 */
static inline vec erfc_right(vec z)
{
    z = v_min(V(10.5), z);
    vec square = v_mul(z, z), rest = v_fma(z, z, v_neg(square));
    tail t = tail_parts(v_mul(z, V(0x1.6a09e6p+0)), square, rest);
    return v_lower(v_mul(V(2.0), v_fma(t.g, t.e, v_fma(t.g, t.e_low, v_mul(t.g_low, t.e)))));
}
static inline vec v_erfc(vec x)
{
    vec y = erfc_right(v_abs(x));
    return v_select(v_lt(x, V(0.0)), v_sub(V(2.0), y), y);
}
static inline vec v_erf(vec x)
{
    vec z = v_abs(x), h = v_min(V(1.0), z), w = v_mul(h, h);
    vec p = V(0x1.4c5cb4p-14);
    p = v_fma(p, w, V(-0x1.a5197ap-11));
    p = v_fma(p, w, V(0x1.542fecp-8));
    p = v_fma(p, w, V(-0x1.b7fec4p-6));
    p = v_fma(p, w, V(0x1.ce2d52p-4));
    p = v_fma(p, w, V(-0x1.81274p-2));
    p = v_fma(p, w, V(0x1.06eba8p-3)); /* erf(x) / x - 1 */
    vec near = v_fma(h, p, h);
    return v_copysign(v_select(v_lt(z, V(1.0)), near, v_sub(V(1.0), erfc_right(z))), x);
}
/* 2 / sqrt(pi) e^(-x^2) */
static inline vec v_erf_slope(vec x)
{
    vec z = v_min(V(10.5), v_abs(x)), square = v_mul(z, z), rest = v_fma(z, z, v_neg(square));
    vec e = v_exp_raised_low(v_neg(square), v_neg(rest));
    return v_lower(v_fma(e, V(0x1.06eba8p-3), e));
}

#endif

/* ---- What follows is one text for every target ---- */

static inline vec held(vec x) /* within +-HELD, NaN kept */
{
    return v_max(v_neg(HELD), v_min(HELD, x));
}

/* 1 / (1 + e^-x) from e = e^-|x|: numerator 1 or e, so that no tail is lost. */
static inline vec sigmoid_from(vec x, vec e)
{
    return v_div(v_select(v_lt(x, V(0.0)), e, V(1.0)), v_add(V(1.0), e));
}
/* sigma' = e / (1 + e)^2, symmetric in x; the numerator may be e or a multiple of it */
static inline vec sigmoid_slope_from(vec e, vec numerator)
{
    return v_div(numerator, v_fma(e, v_add(e, V(2.0)), V(1.0)));
}
static inline void v_sigmoid_pair(vec x, vec *y, vec *d)
{
    vec e = v_lower(v_exp_raised(v_neg(v_abs(x))));
    *y = sigmoid_from(x, e);
    *d = sigmoid_slope_from(e, e);
}
static inline vec v_sigmoid(vec x)
{
    vec e = v_lower(v_exp_raised(v_neg(v_abs(x))));
    return sigmoid_from(x, e);
}
static inline vec v_sigmoid_slope(vec x)
{
    vec e = v_lower(v_exp_raised(v_neg(v_abs(x))));
    return sigmoid_slope_from(e, e);
}

/* tanh |x| = -m / (m + 2), m = e^(-2|x|) - 1;  tanh' = 4 e / (1 + e)^2, e = e^(-2|x|) */
static inline vec tanh_from(vec x, vec m)
{
    return v_copysign(v_div(m, v_add(m, V(2.0))), x);
}
static inline vec v_tanh(vec x)
{
    return tanh_from(x, v_expm1_left(v_mul(V(-2.0), v_abs(x))));
}
static inline void v_tanh_pair(vec x, vec *y, vec *d)
{
    vec e, m;
    v_exp_raised_expm1(v_mul(V(-2.0), v_abs(x)), &e, &m);
    *y = tanh_from(x, m);
    *d = v_lower(sigmoid_slope_from(v_lower(e), v_mul(V(4.0), e)));
}
static inline vec v_tanh_slope(vec x)
{
    vec e = v_exp_raised(v_mul(V(-2.0), v_abs(x)));
    return v_lower(sigmoid_slope_from(v_lower(e), v_mul(V(4.0), e)));
}
/* 2^48 e^z, z = -|a b|, the product in two parts */
static inline vec exp_raised_product(vec a, vec b)
{
    vec z = v_neg(v_abs(v_mul(a, b))), exact = v_fma(v_abs(a), v_neg(v_abs(b)), v_neg(z));
    return v_exp_raised_low(z, v_select(v_lt(V(-200.0), z), exact, V(0.0)));
}
/* alpha beta tanh'(beta x) */
static inline vec v_scaled_tanh_slope(vec x, vec alpha, vec beta)
{
    vec e = exp_raised_product(x, v_add(beta, beta));
    return v_lower(v_mul(v_mul(alpha, beta), sigmoid_slope_from(v_lower(e), v_mul(V(4.0), e))));
}

/* a (e^x - 1) below 0, x above */
static inline vec v_elu(vec x, vec alpha)
{
    return v_select(v_lt(V(0.0), x), x, v_mul(alpha, v_copysign(v_expm1_left(v_min(V(0.0), x)), x)));
}
static inline vec v_elu_slope(vec x, vec alpha)
{
    return v_select(v_lt(V(0.0), x), V(1.0), v_lower(v_mul(alpha, v_exp_raised(v_min(V(0.0), x)))));
}

/* x sigma(w) and its derivative sigma(w) + t sigma'(w), t = x w', where w has the sign of x: with e = e^-|w|,
 * right of 0: x / (1 + e), (1 + e + t e) / (1 + e)^2; left of 0: x e / (1 + e), e (1 + e + t) / (1 + e)^2.
 * x is held finite where it is multiplied by e, so that the product vanishes at -infinity. */
static inline vec gated(vec x, vec e)
{
    mask left = v_lt(x, V(0.0));
    vec y = v_div(v_select(left, v_mul(held(x), e), x), v_add(V(1.0), v_lower(e)));
    return v_select(left, v_lower(y), y);
}
static inline vec gated_slope(vec x, vec t, vec t_low, vec e)
{
    mask left = v_lt(x, V(0.0));
    vec low = v_lower(e), from_right = v_fma(t, low, v_add(V(1.0), low)), from_left = v_add(v_add(V(1.0), t), v_add(low, t_low));
    vec a = v_select(left, v_mul(e, from_left), from_right);
    vec d = v_fma(low, v_add(low, V(2.0)), V(1.0)), d_low = v_fma(low, low, v_fma(low, V(2.0), v_sub(V(1.0), d)));
    vec r = v_div(V(1.0), d), y = v_mul(a, r);
    y = v_add(y, quotient_low(y, a, V(0.0), d, d_low, r));
    return v_select(left, v_lower(y), y);
}
static inline vec v_silu(vec x)
{
    return gated(x, v_exp_raised(v_neg(v_abs(x))));
}
static inline vec v_silu_slope(vec x)
{
    return gated_slope(x, held(x), V(0.0), v_exp_raised(v_neg(v_abs(x))));
}

/* x sigma(w), w = 2 sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016: 0.5 x (1 + tanh(w / 2))); x held where that has long
 * saturated */
static inline vec gelu_tanh_exp(vec x)
{
    vec low, w = v_cubic(v_abs(x), &low);
    return v_exp_raised_low(v_neg(w), v_neg(low));
}
static inline vec v_gelu_tanh(vec x)
{
    return gated(x, gelu_tanh_exp(x));
}
static inline vec v_gelu_tanh_slope(vec x)
{
    vec low, t = v_cubic_slope(x, &low);
    return gated_slope(x, t, low, gelu_tanh_exp(x));
}

/* x Phi(x): x - a tail(a) right of 0, -a tail(a) left of it, a = |x| */
static inline vec v_gelu(vec x)
{
    vec area, shape;
    v_normal_tail(v_abs(x), &area, &shape);
    area = v_lower(area);
    return v_select(v_lt(x, V(0.0)), v_neg(area), v_sub(x, area));
}
/* Phi(x) + x phi(x) */
static inline vec v_gelu_slope(vec x)
{
    vec area, shape;
    v_normal_tail(v_abs(x), &area, &shape);
    shape = v_lower(shape);
    return v_select(v_lt(x, V(0.0)), shape, v_sub(V(1.0), shape));
}

/* x tanh(log(1 + e^x)) = x n / (n + 2), n = e (e + 2), e = e^x; above 20 that is x.
 * Right of 0: x (1 - 2 / (n + 2)); left of it: x e (1 - e (e + 1) / (n + 2)). */
static inline vec v_mish(vec x)
{
    mask left = v_lt(x, V(0.0));
    vec raised = v_exp_raised(v_min(V(20.0), x)), e = v_lower(raised), d = v_fma(e, v_add(e, V(2.0)), V(2.0));
    vec q = v_div(v_select(left, v_fma(e, e, e), V(2.0)), d), k = v_select(left, raised, V(1.0));
    vec y = v_mul(v_max(v_neg(HELD), x), v_fma(v_neg(k), q, k));
    return v_select(left, v_lower(y), y);
}
/* e (4 (1 + x) + e (6 + 4 x + e (4 + e))) / (n + 2)^2, the denominator in two parts */
static inline vec v_mish_slope(vec x)
{
    mask left = v_lt(x, V(0.0));
    vec h = v_min(V(20.0), held(x)), raised = v_exp_raised(h), e = v_lower(raised), n = v_fma(e, e, v_add(e, e));
    vec f = v_fma(e, v_add(e, V(4.0)), v_fma(h, V(4.0), V(6.0)));
    f = v_fma(e, f, v_fma(h, V(4.0), V(4.0)));
    vec n_low = v_fma(e, e, v_sub(v_add(e, e), n)), d = v_fma(n, v_add(n, V(4.0)), V(4.0));
    vec d_low = v_fma(n_low, v_fma(n, V(2.0), V(4.0)), v_fma(n, n, v_fma(n, V(4.0), v_sub(V(4.0), d))));
    vec r = v_div(V(1.0), d), q = v_mul(f, r);
    vec y = v_mul(v_select(left, raised, e), v_add(q, quotient_low(q, f, V(0.0), d, d_low, r)));
    return v_select(left, v_lower(y), y);
}

/* log(1 + e^(b x)) / b = (x or 0) + log(1 + e^-|b x|) / b, x where b x > 0; and its derivative sigma(b x) */
static inline vec v_softplus(vec x, vec beta)
{
    vec bend = v_div(v_log1p_unit(v_lower(exp_raised_product(x, beta))), beta);
    return v_add(v_select(v_lt(V(0.0), v_mul(beta, x)), x, V(0.0)), bend);
}
static inline vec v_softplus_slope(vec x, vec beta)
{
    return sigmoid_from(v_mul(beta, x), v_lower(exp_raised_product(x, beta)));
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
    vec r = v_div(V(1.0), v_add(V(1.0), v_abs(x)));
    return v_mul(r, r);
}

static inline vec v_log1p_slope(vec x)
{
    return v_select(v_lt(x, V(-1.0)), v_set((real)NAN), v_div(V(1.0), v_add(V(1.0), x)));
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
