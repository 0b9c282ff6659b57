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

#define NEARLY_0 REAL(0x1p-60)

/* For functions that are x near 0. */
static inline vec v_or_tiny(vec x, vec y)
{
    return v_select(v_lt(v_abs(x), v_set(NEARLY_0)), x, y);
}

/* 1 / (d + d_low) = r (1 + more) */
static ALWAYS_INLINE vec reciprocal(vec d, vec d_low, vec *more)
{
    vec r = v_div(V(1.0), d);
    *more = v_fma(v_neg(r), d_low, v_fma(v_neg(r), d, V(1.0)));
    return r;
}
/* a / (d + d_low) */
static ALWAYS_INLINE vec quotient(vec a, vec d, vec d_low)
{
    vec more, y = v_mul(a, reciprocal(d, d_low, &more));
    return v_fma(y, more, y);
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
static inline vec v_decay_raised(vec x)
{
    return exp(-x);
}
static inline vec v_exp_raised_low(vec x, vec low)
{
    return exp(x + low);
}
static inline vec v_raise(vec x)
{
    return x;
}
static inline vec v_lower(vec x)
{
    return x;
}
static inline vec v_1_plus(vec raised)
{
    return 1 + raised;
}
static inline vec v_expm1(vec x)
{
    return expm1(x);
}
static inline vec v_expm1_left(vec x)
{
    return expm1(x);
}
static inline vec v_expm1_decay(vec x)
{
    return expm1(-2 * x);
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
static inline vec v_normal_area(vec a)
{
    a = v_min(HELD, a);
    return a * 0.5 * erfc(a * 0.70710678118654752440);
}
static inline vec v_normal_shape(vec a)
{
    a = v_min(HELD, a);
    return 0.5 * erfc(a * 0.70710678118654752440) - 0.39894228040143267794 * a * exp(-0.5 * a * a);
}
#define BESIDE_ZERO(x, y, ...) (y)

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

/* c0 + c1 x + c2 x^2 + c3 x^3, by Estrin's scheme: a chain of multiply-adds would be the longest wait. */
static ALWAYS_INLINE vec cubic_of(vec x, vec x2, real c0, real c1, real c2, real c3)
{
    return v_fma(v_fma(v_set(c3), x, v_set(c2)), x2, v_fma(v_set(c1), x, v_set(c0)));
}

/* m x = n ln 2 + r, |r| <= ln 2 / 2, |m x| < 2^15 ln 2, m a power of two or minus one; *s = 2^(n + raised) */
static ALWAYS_INLINE vec reduce_multiple(real m, vec x, real raised, vec *s)
{
    const vec shift = v_set(REAL(0x1.8p23) + raised); /* rounds to an integer */
    vec shifted = v_fma(x, v_set(m * REAL(0x1.715476p+0)), shift), n = v_sub(shifted, shift);
    *s = v_pow2_shifted(shifted);
    vec r = v_fma(n, V(-0x1.62e43p-1), v_mul(v_set(m), x)); /* ln 2 in two parts: the product with the first is exact, and so is this */
    return v_fma(n, V(0x1.05c61p-29), r);                   /* difference */
}
static ALWAYS_INLINE vec reduce(vec x, real raised, vec *s)
{
    return reduce_multiple(REAL(1.0), x, raised, s);
}
/* e^r - 1 */
static ALWAYS_INLINE vec expm1_reduced(vec r)
{
    vec r2 = v_mul(r, r);
    vec p = cubic_of(r, r2, REAL(0x1.5555p-5), REAL(0x1.110fc2p-7), REAL(0x1.6d3074p-10), REAL(0x1.a2d982p-13));
    p = v_fma(p, r2, v_fma(V(0x1.555556p-3), r, V(0.5)));
    return v_fma(r2, p, r);
}
static inline vec v_raise(vec x)
{
    return v_mul(x, V(0x1p48));
}
static inline vec v_lower(vec x)
{
    return v_mul(x, V(0x1p-48));
}
/* 1 + e from e raised: sooner than by lowering it first */
static inline vec v_1_plus(vec raised)
{
    return v_fma(raised, V(0x1p-48), V(1.0));
}

/* e^x, infinity from 88.73 on, 0 below -104. 2^n in two factors, since n may be outside the exponents of normal numbers. */
static inline vec v_exp(vec x)
{
    const vec shift = V(0x1.8p23);
    x = v_max(V(-105.0), v_min(V(89.0), x));
    vec s, q = expm1_reduced(reduce(x, REAL(0.0), &s));
    vec n = v_sub(v_fma(x, V(0x1.715476p+0), shift), shift), half = v_fma(n, V(0.5), shift);
    s = v_pow2_shifted(half);
    return v_mul(v_fma(s, q, s), v_pow2_shifted(v_sub(v_add(n, shift), v_sub(half, shift))));
}
/* 2^48 e^x, x <= 20; below -120 as there */
static inline vec v_exp_raised(vec x)
{
    vec s, q = expm1_reduced(reduce(v_max(V(-120.0), x), REAL(48.0), &s));
    return v_fma(s, q, s);
}
/* 2^48 e^-x, x >= 0 */
static inline vec v_decay_raised(vec x)
{
    vec s, q = expm1_reduced(reduce_multiple(REAL(-1.0), v_min(V(120.0), x), REAL(48.0), &s));
    return v_fma(s, q, s);
}
static inline vec v_exp_raised_low(vec x, vec low)
{
    vec s, q = expm1_reduced(v_add(reduce(v_max(V(-120.0), x), REAL(48.0), &s), low));
    return v_fma(s, q, s);
}

/* e^x - 1; infinity from 88.73 on. 2^(n - 1), since 2^n may be outside the exponents */
static inline vec v_expm1(vec x)
{
    vec s, q = expm1_reduced(reduce(v_max(V(-20.0), v_min(V(89.0), x)), REAL(-1.0), &s));
    vec y = v_fma(s, q, v_sub(s, V(0.5)));
    return v_or_tiny(x, v_copysign(v_add(y, y), x));
}
/* e^x - 1, x <= 0 */
static inline vec v_expm1_left(vec x)
{
    vec s, q = expm1_reduced(reduce(v_max(V(-20.0), x), REAL(0.0), &s));
    return v_fma(s, q, v_sub(s, V(1.0)));
}
/* e^-2x - 1, x >= 0 */
static inline vec v_expm1_decay(vec x)
{
    vec s, q = expm1_reduced(reduce_multiple(REAL(-2.0), v_min(V(10.0), x), REAL(0.0), &s));
    return v_fma(s, q, v_sub(s, V(1.0)));
}
/* Both, x <= 0; the second with the bits of v_expm1_left */
static inline void v_exp_raised_expm1(vec x, vec *e, vec *m)
{
    vec s, q = expm1_reduced(reduce(v_max(V(-120.0), x), REAL(48.0), &s));
    *e = v_fma(s, q, s);
    s = v_lower(s);
    *m = v_fma(s, q, v_sub(s, V(1.0)));
}

/* log(1 + e), -1/2 <= e <= 1: 2 atanh(t), t = e / (e + 2), t^2 <= 1/9 */
static inline vec v_log1p_unit(vec e)
{
    vec t = v_div(e, v_add(e, V(2.0))), z = v_mul(t, t), z2 = v_mul(z, z);
    vec p = v_fma(z2, V(0x1.f06946p-4), v_fma(V(0x1.b733f4p-4), z, V(0x1.2504bep-3)));
    p = v_fma(p, z2, v_fma(V(0x1.9996dap-3), z, V(0x1.555558p-2)));
    t = v_add(t, t);
    return v_fma(v_mul(t, z), p, t);
}
/* log(1 + x) = k log 2 + log(1 + f), 1 + x = 2^k (1 + f); f = x exactly where k = 0 */
static inline vec v_log1p(vec x)
{
    const vec shift = V(0x1.8p23);
    vec u = v_add(V(1.0), x), m, k = v_split(u, &m), half = v_fma(k, V(-0.5), shift); /* the rounding of 1 + x is made good: */
    vec low = v_select(v_lt(x, V(1.0)), v_sub(x, v_sub(u, V(1.0))), v_sub(V(1.0), v_sub(u, x)));
    low = v_mul(v_mul(low, v_pow2_shifted(half)), v_pow2_shifted(v_sub(shift, v_add(k, v_sub(half, shift)))));
    vec f = v_select(v_lt(v_abs(k), V(0.5)), x, v_add(v_sub(m, V(1.0)), low));
    vec y = v_fma(k, V(-0x1.05c61p-29), v_log1p_unit(f));
    y = v_copysign(v_fma(k, V(0x1.62e43p-1), y), x);
    y = v_select(v_lt(V(-1.0), x), y, v_select(v_lt(x, V(-1.0)), v_set(NAN), v_set(-INFINITY)));
    return v_or_tiny(x, v_select(v_lt(x, v_set(INFINITY)), y, x));
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

/* Of the standard normal distribution left of -a, Phi(-a) = e^(-a^2/2) g: g = H(t) / (a + 4), t = (a - 4) / (a + 4), 0 <= a <= 15, with
 * H(t) = erfcx(a / sqrt 2) (a + 4) / 2 (scaled complementary error function: Shepherd & Laframboise 1981) of degree 9 */
static ALWAYS_INLINE vec scaled_tail(vec a, vec *more)
{
    vec d = v_add(a, V(4.0)), r = reciprocal(d, v_sub(a, v_sub(d, V(4.0))), more);
    vec r8 = v_mul(V(-8.0), r), t = v_fma(r8, *more, v_add(V(1.0), r8));
    vec t2 = v_mul(t, t), t4 = v_mul(t2, t2);
    vec p = cubic_of(t, t2, REAL(-0x1.ccc8cep-9), REAL(0x1.9a4d1p-10), REAL(0x1.790b3ep-13), REAL(-0x1.1157ecp-13));
    p = v_fma(p, t4, cubic_of(t, t2, REAL(0x1.8c6d8ep-2), REAL(-0x1.7e0034p-3), REAL(0x1.eed73cp-5), REAL(-0x1.ed06fp-8)));
    return v_mul(v_fma(v_fma(p, t, V(-0x1.373e38p-1)), t, V(0x1.82b4bcp-1)), r);
}
/* 2^48 e^(more - w) m for w = a^2 / 2 or a^2, more small: no error of the square is multiplied by the exponential */
static ALWAYS_INLINE vec times_exp(vec m, vec more, vec a, real half)
{
    vec square = v_mul(a, a), rest = v_fma(a, a, v_neg(square)), s;
    vec q = expm1_reduced(v_add(reduce(v_mul(square, v_set(-half)), REAL(48.0), &s), v_fma(rest, v_set(-half), more)));
    return v_mul(s, v_fma(m, q, m));
}
/* a Phi(-a), raised, a >= 0 */
static inline vec v_normal_area(vec a)
{
    vec more, g = scaled_tail(a = v_min(V(15.0), a), &more);
    return times_exp(v_mul(a, g), more, a, REAL(0.5));
}
/* Phi(-a) - a phi(a), raised, a >= 0, but for the neighbourhood of its zero */
static inline vec v_normal_shape(vec a)
{
    vec more, g = scaled_tail(a = v_min(V(15.0), a), &more);
    return times_exp(v_fma(a, V(-0x1.988454p-2), v_fma(g, more, g)), V(0.0), a, REAL(0.5));
}

/* erfc(z) = 2 Phi(-z sqrt 2), z >= 0 */
static inline vec erfc_right(vec z)
{
    z = v_min(V(10.5), z);
    vec more, g = scaled_tail(v_mul(z, V(0x1.6a09e6p+0)), &more);
    return v_lower(times_exp(v_add(g, g), more, z, REAL(1.0)));
}
static inline vec v_erfc(vec x)
{
    vec y = erfc_right(v_abs(x));
    return v_select(v_lt(x, V(0.0)), v_sub(V(2.0), y), y);
}
static inline vec v_erf(vec x)
{
    vec z = v_abs(x), h = v_min(V(1.0), z), w = v_mul(h, h), w2 = v_mul(w, w); /* below 1: erf(x) / x - 1 of degree 12 */
    vec p = v_fma(v_fma(V(0x1.4c5cb4p-14), w2, v_fma(V(-0x1.a5197ap-11), w, V(0x1.542fecp-8))), v_mul(w2, w2),
                  cubic_of(w, w2, REAL(0x1.06eba8p-3), REAL(-0x1.81274p-2), REAL(0x1.ce2d52p-4), REAL(-0x1.b7fec4p-6)));
    return v_copysign(v_select(v_lt(z, V(1.0)), v_fma(h, p, h), v_sub(V(1.0), erfc_right(z))), x);
}
/* 2 / sqrt(pi) e^(-x^2) */
static inline vec v_erf_slope(vec x)
{
    vec z = v_min(V(10.5), v_abs(x));
    return v_lower(times_exp(V(0x1.20dd76p+0), V(0.0), z, REAL(1.0)));
}

/* y, but beside the zero `root` + `low` of a derivative (root - x) times a polynomial in it (tools/roots.py) */
static ALWAYS_INLINE vec beside_zero(vec x, vec y, real root, real low, const real c[10])
{
    vec d = v_sub(v_sub(x, v_set(root)), v_set(low)), d2 = v_mul(d, d), d4 = v_mul(d2, d2);
    vec p = v_fma(v_fma(v_set(c[9]), d, v_set(c[8])), d4, cubic_of(d, d2, c[4], c[5], c[6], c[7]));
    p = v_fma(p, d4, cubic_of(d, d2, c[0], c[1], c[2], c[3]));
    return v_select(v_lt(v_abs(d), V(0.5)), v_mul(d, p), y);
}
#define BESIDE_ZERO(x, y, root, low, ...) beside_zero(x, y, root, low, (const real[10]){__VA_ARGS__})

#endif

/* ---- What follows is one text for every target ---- */

static inline vec held(vec x) /* within +-HELD, NaN kept */
{
    return v_max(v_neg(HELD), v_min(HELD, x));
}

/* |x|, but not so near 0 that its square or a quotient would be subnormal, which takes some processors several times as long. A cell whose
 * state fades away would be slow. */
static inline vec aside(vec x)
{
    return v_max(v_set(NEARLY_0), v_abs(x));
}
/* 1 / (1 + e^-x) from e^-|x|, raised: numerator 1 or e^-|x|, so that no tail is lost. */
static inline vec sigmoid_from(vec x, vec raised)
{
    return v_div(v_select(v_lt(x, V(0.0)), v_lower(raised), V(1.0)), v_1_plus(raised));
}
/* sigma' = e / (1 + e)^2, symmetric in x; the numerator may be e or a multiple of it */
static inline vec sigmoid_slope_from(vec e, vec numerator)
{
    return v_div(numerator, v_fma(e, v_add(e, V(2.0)), V(1.0)));
}
static inline void v_sigmoid_pair(vec x, vec *y, vec *d)
{
    vec raised = v_decay_raised(aside(x)), e = v_lower(raised);
    *y = sigmoid_from(x, raised);
    *d = sigmoid_slope_from(e, e);
}
static inline vec v_sigmoid(vec x)
{
    return sigmoid_from(x, v_decay_raised(aside(x)));
}
static inline vec v_sigmoid_slope(vec x)
{
    vec e = v_lower(v_exp_raised(v_neg(v_abs(x))));
    return sigmoid_slope_from(e, e);
}

/* tanh |x| = -m / (m + 2), m = e^(-2|x|) - 1, and x beside 0;  tanh' = 4 e / (1 + e)^2, e = e^(-2|x|) */
static inline vec tanh_from(vec x, vec m)
{
    return v_or_tiny(x, v_div(v_copysign(m, x), v_add(m, V(2.0))));
}
static inline vec v_tanh(vec x)
{
    return tanh_from(x, v_expm1_decay(aside(x)));
}
static inline void v_tanh_pair(vec x, vec *y, vec *d)
{
    vec e, m;
    v_exp_raised_expm1(v_mul(V(-2.0), aside(x)), &e, &m);
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

static inline vec v_selu_slope(vec x, vec alpha, vec beta)
{
    return v_select(v_lt(V(0.0), x), beta, v_lower(v_mul(v_mul(alpha, beta), v_exp_raised(v_min(V(0.0), x)))));
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
static ALWAYS_INLINE vec gated_slope(vec x, vec t, vec t_low, vec e)
{
    mask left = v_lt(x, V(0.0));
    vec low = v_lower(e), d = v_fma(low, v_add(low, V(2.0)), V(1.0));
    vec from_right = v_fma(t, low, v_add(V(1.0), low)), from_left = v_add(v_add(V(1.0), t), v_add(low, t_low));
    vec a = v_select(left, v_mul(e, from_left), from_right);
    vec y = quotient(a, d, v_fma(low, low, v_fma(low, V(2.0), v_sub(V(1.0), d))));
    return v_select(left, v_lower(y), y);
}
static inline vec v_silu(vec x)
{
    return gated(x, v_exp_raised(v_neg(v_abs(x))));
}
static inline vec v_silu_slope(vec x)
{
    vec y = gated_slope(x, held(x), V(0.0), v_exp_raised(v_neg(v_abs(x))));
    return BESIDE_ZERO(x, y, REAL(-0x1.474974p+0), REAL(0x1.bdf6fap-27), REAL(0x1.be1410p-3), REAL(0x1.2c5634p-3), REAL(0x1.353eb6p-6),
                       REAL(-0x1.f2d0e6p-7), REAL(-0x1.b0f8acp-8), REAL(0x1.099dcep-13), REAL(0x1.a2d5acp-11),
                       REAL(0x1.84ca16p-13), REAL(-0x1.64ccecp-15), REAL(-0x1.da66e6p-16));
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
    vec y = gated_slope(x, t, low, gelu_tanh_exp(x));
    return BESIDE_ZERO(x, y, REAL(-0x1.8142a0p-1), REAL(0x1.85a06cp-27), REAL(0x1.b8bacep-2), REAL(0x1.8cd1a2p-2), REAL(-0x1.029646p-6),
                       REAL(-0x1.d2b770p-4), REAL(-0x1.10449cp-6), REAL(0x1.4277f8p-6), REAL(0x1.57bf76p-8),
                       REAL(-0x1.3cfab4p-9), REAL(-0x1.bf8d3ap-11), REAL(0x1.fea904p-13));
}

/* x Phi(x): x - a Phi(-a) right of 0, -a Phi(-a) left of it, a = |x| */
static inline vec v_gelu(vec x)
{
    vec area = v_lower(v_normal_area(v_abs(x)));
    return v_sub(v_max(V(-0.0), x), area);
}
/* Phi(x) + x phi(x) */
static inline vec v_gelu_slope(vec x)
{
    vec shape = v_lower(v_normal_shape(v_abs(x)));
    vec y = v_select(v_lt(x, V(0.0)), shape, v_sub(V(1.0), shape));
    return BESIDE_ZERO(x, y, REAL(-0x1.80ead2p-1), REAL(0x1.a03fd4p-27), REAL(0x1.b9d990p-2), REAL(0x1.8d9a94p-2), REAL(-0x1.2a2f1cp-6),
                       REAL(-0x1.d2fa4ap-4), REAL(-0x1.e40024p-7), REAL(0x1.3e33dep-6), REAL(0x1.28bf40p-8),
                       REAL(-0x1.25580cp-9), REAL(-0x1.6b4706p-11), REAL(0x1.785060p-13));
}

/* x tanh(log(1 + e^x)) = x n / (n + 2), n = e (e + 2), e = e^x; above 20 that is x. Left of 0 n is raised. */
static inline vec v_mish(vec x)
{
    mask left = v_lt(x, V(0.0));
    vec raised = v_exp_raised(v_min(V(20.0), x)), e = v_lower(raised);
    vec base = v_select(left, raised, e), scale = v_select(left, v_lower(V(1.0)), V(1.0));
    vec n = v_fma(base, e, v_add(base, base));
    return v_mul(v_mul(v_max(v_neg(HELD), x), v_div(n, v_fma(n, scale, V(2.0)))), scale);
}
/* e (4 (1 + x) + e (6 + 4 x + e (4 + e))) / (n + 2)^2 */
static inline vec v_mish_slope(vec x)
{
    mask left = v_lt(x, V(0.0));
    vec h = v_min(V(20.0), held(x)), raised = v_exp_raised(h), e = v_lower(raised), e2 = v_add(e, e), more;
    vec n = v_fma(e, e, e2), d = v_add(n, V(2.0)), d_low = v_fma(e, e, v_sub(e2, v_sub(d, V(2.0))));
    vec r = reciprocal(d, d_low, &more), rest = v_fma(h, V(4.0), V(4.0));
    vec f = v_fma(e, v_add(e, V(4.0)), v_fma(h, V(4.0), V(6.0)));
    f = v_fma(e, f, v_fma(v_add(more, more), v_fma(e, f, rest), rest)); /* times 1 + 2 more */
    vec y = v_mul(v_mul(v_select(left, raised, e), r), v_mul(f, r));
    y = v_select(left, v_lower(y), y);
    return BESIDE_ZERO(x, y, REAL(-0x1.31432cp+0), REAL(-0x1.a25b08p-29), REAL(0x1.115accp-2), REAL(0x1.a34a26p-3), REAL(0x1.574f1ep-5),
                       REAL(-0x1.4c222ap-6), REAL(-0x1.03396ep-6), REAL(-0x1.b88440p-9), REAL(0x1.2057cep-10),
                       REAL(0x1.0409fap-10), REAL(0x1.cc7546p-13), REAL(-0x1.b47ea8p-15));
}

/* log(1 + e^(b x)) / b = (x or 0) + log(1 + e^-|b x|) / b, x where b x > 0; and its derivative sigma(b x) */
static inline vec v_softplus(vec x, vec beta)
{
    vec raised = exp_raised_product(x, beta), e = v_lower(raised);
    vec bend = v_select(v_lt(e, V(0x1p-60)), raised, v_raise(v_log1p_unit(e)));
    return v_add(v_max(V(0.0), x), v_lower(v_mul(bend, v_div(V(1.0), beta))));
}
static inline vec v_softplus_slope(vec x, vec beta)
{
    return sigmoid_from(v_mul(beta, x), exp_raised_product(x, beta));
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
