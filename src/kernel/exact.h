/* The exact forms: activations and derivatives without cancellation, one text for double lanes (wide_math.h) and for numbers of 107 bits
 * (twofold.h). The relative error of a value is below DOUBT. So is that of a derivative, except beside its zero: there a function
 * adds to *doubt what the absolute error may be.
 *
 * alpha and beta are the given floats, exactly: SELU's defaults are the floats nearest to the paper's constants, as in ONNX.
 *
 * SPDX-License-Identifier: MIT */

#define DOUBT 0x1p-41

/* Arguments whose effect is below that of any rounding, but which must stay on their side of a tie: the factor 1/2 of x / 2 is left by
 * the side of x. */
static inline vec at_least_tiny(vec x)
{
    return v_copysign(v_max(V(0x1p-30), v_abs(x)), x);
}

static inline vec exact_exp(vec x)
{
    return v_exp(v_min(V(200.0), x));
}
static inline vec exact_expm1(vec x)
{
    return v_copysign(v_expm1(v_min(V(200.0), x)), x);
}

/* log(1 + x) = k log 2 + log(1 + f), 1 + x = 2^k (1 + f); f = x exactly where k = 0 */
static inline vec exact_log1p(vec x)
{
    vec one_x = v_add(V(1.0), x), m, k = v_split(one_x, &m);
    vec near = v_log1p(v_select(v_lt(v_abs(k), V(0.5)), x, v_sub(m, V(1.0))));
    vec y = v_copysign(v_add(near, v_mul(k, V2(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56))), x);
    y = v_select(v_lt(V(-1.0), x), y, v_select(v_lt(x, V(-1.0)), V((double)NAN), V((double)-INFINITY)));
    return v_select(v_lt(x, V((double)INFINITY)), y, x);
}
static inline vec exact_log1p_slope(vec x)
{
    vec y = v_div(V(1.0), v_add(V(1.0), x));
    return v_select(v_lt(x, V(-1.0)), V((double)NAN), y);
}

/* erfc(z) = 2 Phi(-z sqrt 2) */
static inline vec erfc_right(vec z)
{
    vec e = v_exp(v_neg(v_mul(z, z)));
    return v_mul(v_add(e, e), v_scaled_tail(v_mul(z, V2(0x1.6a09e667f3bcdp+0, -0x1.bdd3413b26456p-54))));
}
static inline vec exact_erfc(vec x)
{
    vec z = v_min(V(20.0), v_abs(x)), y = erfc_right(z);
    return v_select(v_lt(x, V(0.0)), v_sub(V(2.0), y), y);
}
static inline vec exact_erf(vec x)
{
    vec z = v_min(V(20.0), v_abs(x));
    vec y = v_select(v_lt(z, V(0.5)), v_erf_near_0(v_min(V(0.5), z)), v_sub(V(1.0), erfc_right(z)));
    return v_copysign(y, x);
}
/* 2 / sqrt(pi) e^(-x^2) */
static inline vec exact_erf_slope(vec x)
{
    vec z = v_min(V(20.0), v_abs(x));
    return v_mul(V2(0x1.20dd750429b6dp+0, 0x1.1ae3a914fed80p-56), v_exp(v_neg(v_mul(z, z))));
}

/* 1 / (1 + e^-x) */
static inline vec exact_sigmoid(vec x)
{
    return v_div(V(1.0), v_add(V(1.0), v_exp(v_min(V(700.0), v_neg(x)))));
}
/* e / (1 + e)^2, e = e^-|x| */
static inline vec slope_from(vec e)
{
    vec d = v_add(e, V(1.0));
    return v_div(e, v_mul(d, d));
}
static inline vec exact_sigmoid_slope(vec x)
{
    return slope_from(v_exp(v_neg(v_abs(x))));
}

/* m / (m + 2), m = e^2x - 1 */
static inline vec exact_tanh(vec x)
{
    vec z = v_max(V(-20.0), v_min(V(20.0), x)), m = v_expm1(v_add(z, z)), y = v_div(m, v_add(m, V(2.0)));
    return v_copysign(v_if_tiny(z, 0x1p-45, v_mul(z, v_sub(V(1.0), V(0x1p-92))), y), x); /* z - z^3 / 3 */
}
/* 4 e / (1 + e)^2, e = e^-2|x| */
static inline vec exact_tanh_slope(vec x)
{
    return v_mul(V(4.0), slope_from(v_exp(v_mul(V(-2.0), v_abs(x)))));
}
static inline vec exact_scaled_tanh(vec x, vec alpha, vec beta)
{
    return v_mul(alpha, exact_tanh(v_mul(beta, x)));
}
static inline vec exact_scaled_tanh_slope(vec x, vec alpha, vec beta)
{
    return v_mul(v_mul(alpha, beta), exact_tanh_slope(v_mul(beta, x)));
}

static inline vec exact_elu(vec x, vec alpha)
{
    return v_select(v_lt(V(0.0), x), x, v_mul(alpha, v_copysign(v_expm1(v_min(V(0.0), x)), x)));
}
static inline vec exact_elu_slope(vec x, vec alpha)
{
    return v_select(v_lt(V(0.0), x), V(1.0), v_mul(alpha, v_exp(v_min(V(0.0), x))));
}

/* x sigma(w) = x / (1 + e^-w) */
static inline vec gated(vec x, vec minus_w)
{
    return v_div(v_max(V(-700.0), x), v_add(V(1.0), v_exp(minus_w)));
}
/* sigma(w) + t sigma'(w), t = x w', for w and t of the sign of x: with e = e^-|w|, left of 0 it is e (1 + e - |t|) / (1 + e)^2, and
 * the slopes at x and -x add up to 1. */
static inline vec gated_slope(vec x, vec abs_t, vec e, vec *doubt)
{
    vec a = slope_from(e), left = v_mul(a, v_sub(v_add(V(1.0), e), abs_t));
    *doubt = v_mul(a, V(4 * DOUBT));
    return v_select(v_lt(x, V(0.0)), left, v_sub(V(1.0), left));
}
static inline vec exact_silu(vec x)
{
    return gated(x, v_neg(v_max(V(-700.0), at_least_tiny(x))));
}
static inline vec exact_silu_slope(vec x, vec *doubt)
{
    vec a = v_min(V(700.0), v_abs(x));
    return gated_slope(x, a, v_exp(v_neg(a)), doubt);
}
/* 2 sqrt(2/pi) (x + c x^3) */
static inline vec cubic(vec x)
{
    return v_mul(x, v_fma(v_mul(x, x), V2(0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c70p-61), V2(0x1.9884533d43651p+0, -0x1.cbc0d30ebfd15p-54)));
}
static inline vec exact_gelu_tanh(vec x)
{
    return gated(x, v_neg(cubic(v_max(V(-20.0), v_min(V(20.0), at_least_tiny(x))))));
}
static inline vec exact_gelu_tanh_slope(vec x, vec *doubt)
{
    vec a = v_min(V(20.0), v_abs(x));
    vec t = v_mul(a, v_fma(v_mul(a, a), V2(0x1.b6676bf7450f0p-3, 0x1.bba7351828aabp-57), V2(0x1.9884533d43651p+0, -0x1.cbc0d30ebfd15p-54)));
    return gated_slope(x, t, v_exp(v_neg(cubic(a))), doubt);
}

/* x Phi(x) = max(x, 0) - a Phi(-a), a = |x| */
static inline vec exact_gelu(vec x)
{
    vec a = v_min(V(30.0), v_abs(x)), b = v_max(V(0x1p-30), a);
    vec tail = v_mul(v_exp(v_mul(V(-0.5), v_mul(b, b))), v_scaled_tail(b));
    return v_select(v_lt(x, V(0.0)), v_neg(v_mul(a, tail)), v_sub(x, v_mul(a, tail)));
}
/* Phi(x) + x phi(x); left of 0: e^(-a^2/2) (the scaled tail - a / sqrt(2 pi)), and the slopes at x and -x add up to 1 */
static inline vec exact_gelu_slope(vec x, vec *doubt)
{
    vec a = v_min(V(30.0), v_abs(x)), e = v_exp(v_mul(V(-0.5), v_mul(a, a)));
    vec left = v_mul(e, v_fma(a, V2(-0x1.9884533d43651p-2, 0x1.cbc0d30ebfd15p-56), v_scaled_tail(a)));
    *doubt = v_mul(e, V(DOUBT));
    return v_select(v_lt(x, V(0.0)), left, v_sub(V(1.0), left));
}

/* x n / (n + 2), n = e (e + 2), e = e^x */
static inline vec exact_mish(vec x)
{
    vec c = v_max(V(-700.0), x), e = v_exp(v_min(V(40.0), c)), n = v_mul(e, v_add(e, V(2.0)));
    return v_div(v_mul(c, n), v_add(n, V(2.0)));
}
/* e ((e + 2) (n + 2) + 4 x (e + 1)) / (n + 2)^2 */
static inline vec exact_mish_slope(vec x, vec *doubt)
{
    vec c = v_max(V(-700.0), v_min(V(40.0), x)), e = v_exp(c), d = v_fma(e, v_add(e, V(2.0)), V(2.0));
    vec a = v_div(e, v_mul(d, d));
    *doubt = v_mul(a, V(16 * DOUBT));
    return v_mul(a, v_fma(v_mul(V(4.0), c), v_add(e, V(1.0)), v_mul(v_add(e, V(2.0)), d)));
}

/* log(1 + e^(b x)) / b = (x where b x > 0) + log(1 + e^-|b x|) / b */
static inline vec exact_softplus(vec x, vec beta)
{
    vec bend = v_log1p(v_exp(v_neg(v_abs(v_mul(beta, x)))));
    return v_fma(bend, v_div(V(1.0), beta), v_max(V(0.0), x));
}

static inline vec exact_hard_sigmoid(vec x, vec alpha, vec beta)
{
    return v_max(V(0.0), v_min(V(1.0), v_fma(alpha, x, beta)));
}
static inline vec exact_hard_sigmoid_slope(vec x, vec alpha, vec beta)
{
    vec z = v_fma(alpha, x, beta), outside = v_select(v_le(z, z), V(0.0), z);
    return v_select(v_lt(V(0.0), z), v_select(v_lt(z, V(1.0)), alpha, outside), outside);
}

static inline vec exact_softsign(vec x)
{
    vec a = v_min(V(0x1p200), v_abs(x));
    return v_copysign(v_div(a, v_add(V(1.0), a)), x);
}
static inline vec exact_softsign_slope(vec x)
{
    vec d = v_add(V(1.0), v_min(V(0x1p200), v_abs(x)));
    return v_div(V(1.0), v_mul(d, d));
}
