/* SPDX-License-Identifier: MIT */
#include "truth.h"

#include <math.h>
#include <mpfr.h>
#include <stdlib.h>

#include "kernel/kernel.h"

enum { BITS = 280 };

/* Value and derivative in high precision, straight from the definitions: nothing of src/ is in it. */
static void definition(const weir_activation *fn, double at, mpfr_t f, mpfr_t d)
{
    mpfr_t v, e, s, t, u;
    mpfr_inits2(BITS, v, e, s, t, u, (mpfr_ptr)0);
    mpfr_set_d(v, at, MPFR_RNDN);
    double a = (double)fn->alpha, b = (double)fn->beta;
    mpfr_exp(e, v, MPFR_RNDN);       /* e^x */
    mpfr_add_ui(t, e, 1, MPFR_RNDN); /* 1 + e^x */
    mpfr_div(s, e, t, MPFR_RNDN);    /* sigmoid */
    mpfr_ui_div(u, 1, t, MPFR_RNDN); /* 1 - sigmoid */
    bool right = at > 0;
    switch (fn->id) {
    case WEIR_IDENTITY:
        mpfr_set(f, v, MPFR_RNDN);
        mpfr_set_ui(d, 1, MPFR_RNDN);
        break;
    case WEIR_RELU:
    case WEIR_LEAKY_RELU:
    case WEIR_PRELU:
        mpfr_mul_d(f, v, right ? 1 : a, MPFR_RNDN);
        mpfr_set_d(d, right ? 1 : a, MPFR_RNDN);
        break;
    case WEIR_SIGMOID:
        mpfr_set(f, s, MPFR_RNDN);
        mpfr_mul(d, s, u, MPFR_RNDN);
        break;
    case WEIR_TANH:
    case WEIR_SCALED_TANH:
        mpfr_mul_d(v, v, fn->id == WEIR_TANH ? 1 : b, MPFR_RNDN);
        mpfr_tanh(f, v, MPFR_RNDN);
        mpfr_sech(d, v, MPFR_RNDN);
        mpfr_sqr(d, d, MPFR_RNDN);
        mpfr_mul_d(f, f, fn->id == WEIR_TANH ? 1 : a, MPFR_RNDN);
        mpfr_mul_d(d, d, fn->id == WEIR_TANH ? 1 : a * b, MPFR_RNDN);
        break;
    case WEIR_ELU:
    case WEIR_SELU:
        mpfr_expm1(f, v, MPFR_RNDN);
        mpfr_mul_d(f, f, a, MPFR_RNDN);
        mpfr_mul_d(d, e, a, MPFR_RNDN);
        if (right) {
            mpfr_set(f, v, MPFR_RNDN);
            mpfr_set_ui(d, 1, MPFR_RNDN);
        }
        mpfr_mul_d(f, f, fn->id == WEIR_ELU ? 1 : b, MPFR_RNDN);
        mpfr_mul_d(d, d, fn->id == WEIR_ELU ? 1 : b, MPFR_RNDN);
        break;
    case WEIR_GELU: /* Phi = erfc(-x / sqrt 2) / 2; phi = e^(-x^2 / 2) / sqrt(2 pi) */
        mpfr_sqrt_ui(t, 2, MPFR_RNDN);
        mpfr_div(t, v, t, MPFR_RNDN);
        mpfr_neg(t, t, MPFR_RNDN);
        mpfr_erfc(s, t, MPFR_RNDN);
        mpfr_div_ui(s, s, 2, MPFR_RNDN);
        mpfr_mul(f, v, s, MPFR_RNDN);
        mpfr_sqr(t, t, MPFR_RNDN);
        mpfr_neg(t, t, MPFR_RNDN);
        mpfr_exp(e, t, MPFR_RNDN);
        mpfr_const_pi(u, MPFR_RNDN);
        mpfr_mul_ui(u, u, 2, MPFR_RNDN);
        mpfr_sqrt(u, u, MPFR_RNDN);
        mpfr_div(e, e, u, MPFR_RNDN);
        mpfr_fma(d, v, e, s, MPFR_RNDN);
        break;
    case WEIR_GELU_TANH: /* x s, s = sigmoid(w), w = 2 sqrt(2/pi) (x + 0.044715 x^3);  s + x s (1 - s) w' */
        mpfr_const_pi(u, MPFR_RNDN);
        mpfr_ui_div(u, 8, u, MPFR_RNDN);
        mpfr_sqrt(u, u, MPFR_RNDN);
        mpfr_sqr(t, v, MPFR_RNDN);
        mpfr_set_str(s, "0.044715", 10, MPFR_RNDN);
        mpfr_mul(t, t, s, MPFR_RNDN);
        mpfr_mul_ui(s, t, 3, MPFR_RNDN);
        mpfr_add_ui(s, s, 1, MPFR_RNDN);
        mpfr_mul(s, s, u, MPFR_RNDN); /* w' */
        mpfr_add_ui(t, t, 1, MPFR_RNDN);
        mpfr_mul(t, t, v, MPFR_RNDN);
        mpfr_mul(t, t, u, MPFR_RNDN);
        mpfr_neg(t, t, MPFR_RNDN);
        mpfr_exp(e, t, MPFR_RNDN); /* e^-w */
        mpfr_add_ui(t, e, 1, MPFR_RNDN);
        mpfr_ui_div(u, 1, t, MPFR_RNDN); /* sigmoid(w) */
        mpfr_mul(f, v, u, MPFR_RNDN);
        mpfr_div(e, e, t, MPFR_RNDN); /* 1 - sigmoid(w) */
        mpfr_mul(e, e, s, MPFR_RNDN);
        mpfr_mul(e, e, f, MPFR_RNDN);
        mpfr_add(d, u, e, MPFR_RNDN);
        break;
    case WEIR_SILU:
        mpfr_mul(f, v, s, MPFR_RNDN);
        mpfr_mul(d, f, u, MPFR_RNDN);
        mpfr_add(d, d, s, MPFR_RNDN);
        break;
    case WEIR_MISH: /* w = tanh(log(1 + e^x)) = n / (n + 2), n = e^x (e^x + 2);  w + x (1 - w^2) sigmoid */
        mpfr_add_ui(t, e, 2, MPFR_RNDN);
        mpfr_mul(t, t, e, MPFR_RNDN);
        mpfr_add_ui(u, t, 2, MPFR_RNDN);
        mpfr_div(t, t, u, MPFR_RNDN);
        mpfr_mul(f, v, t, MPFR_RNDN);
        mpfr_sqr(u, t, MPFR_RNDN);
        mpfr_ui_sub(u, 1, u, MPFR_RNDN);
        mpfr_mul(u, u, s, MPFR_RNDN);
        mpfr_fma(d, u, v, t, MPFR_RNDN);
        break;
    case WEIR_SOFTPLUS:
        mpfr_mul_d(v, v, b, MPFR_RNDN);
        mpfr_exp(e, v, MPFR_RNDN);
        mpfr_log1p(f, e, MPFR_RNDN);
        mpfr_div_d(f, f, b, MPFR_RNDN);
        mpfr_add_ui(t, e, 1, MPFR_RNDN);
        mpfr_div(d, e, t, MPFR_RNDN);
        break;
    case WEIR_HARD_SIGMOID:
        mpfr_mul_d(f, v, a, MPFR_RNDN);
        mpfr_add_d(f, f, b, MPFR_RNDN);
        mpfr_set_d(d, mpfr_sgn(f) > 0 && mpfr_cmp_ui(f, 1) < 0 ? a : 0, MPFR_RNDN);
        if (mpfr_sgn(f) < 0)
            mpfr_set_ui(f, 0, MPFR_RNDN);
        if (mpfr_cmp_ui(f, 1) > 0)
            mpfr_set_ui(f, 1, MPFR_RNDN);
        break;
    case WEIR_EXP:
        mpfr_set(f, e, MPFR_RNDN);
        mpfr_set(d, e, MPFR_RNDN);
        break;
    case WEIR_EXPM1:
        mpfr_expm1(f, v, MPFR_RNDN);
        mpfr_set(d, e, MPFR_RNDN);
        break;
    case WEIR_LOG1P:
        mpfr_log1p(f, v, MPFR_RNDN);
        mpfr_add_ui(t, v, 1, MPFR_RNDN);
        mpfr_ui_div(d, 1, t, MPFR_RNDN);
        if (at < -1)
            mpfr_set_nan(d);
        break;
    case WEIR_ERF:
    case WEIR_ERFC:
        (fn->id == WEIR_ERF ? mpfr_erf : mpfr_erfc)(f, v, MPFR_RNDN);
        mpfr_sqr(t, v, MPFR_RNDN);
        mpfr_neg(t, t, MPFR_RNDN);
        mpfr_exp(d, t, MPFR_RNDN);
        mpfr_const_pi(u, MPFR_RNDN);
        mpfr_sqrt(u, u, MPFR_RNDN);
        mpfr_ui_div(u, 2, u, MPFR_RNDN);
        mpfr_mul(d, d, u, MPFR_RNDN);
        if (fn->id == WEIR_ERFC)
            mpfr_neg(d, d, MPFR_RNDN);
        break;
    case WEIR_SOFTSIGN:
        mpfr_abs(t, v, MPFR_RNDN);
        mpfr_add_ui(t, t, 1, MPFR_RNDN);
        mpfr_div(f, v, t, MPFR_RNDN);
        mpfr_sqr(t, t, MPFR_RNDN);
        mpfr_ui_div(d, 1, t, MPFR_RNDN);
        break;
    case WEIR_ACTIVATION_DEFAULT:
        abort();
    }
    mpfr_clears(v, e, s, t, u, (mpfr_ptr)0);
}

float truth_decide(const weir_activation *a, bool slope, float x, float dy)
{
    mpfr_t f, d;
    mpfr_inits2(BITS, f, d, (mpfr_ptr)0);
    definition(a, (double)x, f, d);
    mpfr_mul_d(d, d, (double)dy, MPFR_RNDN);
    float y = mpfr_get_flt(slope ? d : f, MPFR_RNDN);
    mpfr_clears(f, d, (mpfr_ptr)0);
    return y;
}

double truth_double(const weir_activation *a, bool slope, float x)
{
    mpfr_t f, d;
    mpfr_inits2(BITS, f, d, (mpfr_ptr)0);
    definition(a, (double)x, f, d);
    double y = mpfr_get_d(slope ? d : f, MPFR_RNDN);
    mpfr_clears(f, d, (mpfr_ptr)0);
    return y;
}

/* Derivatives that pass through 0 are differences there. */
static bool cancels(weir_activation_id id)
{
    return id == WEIR_GELU || id == WEIR_GELU_TANH || id == WEIR_SILU || id == WEIR_MISH;
}

void truth_array(const weir_activation *a, bool slope, size_t n, const float *x, double *y, double *error)
{
    double wide[TRUTH_PIECE], ones[TRUTH_PIECE];
    for (size_t i = 0; i < n; i += TRUTH_PIECE) {
        size_t some = n - i < TRUTH_PIECE ? n - i : TRUTH_PIECE;
        for (size_t j = 0; j < some; j++) {
            wide[j] = (double)x[i + j];
            ones[j] = 1;
        }
        if (slope)
            weir__fast_ref64.grad(a, some, wide, ones, y + i);
        else
            weir__fast_ref64.apply(a, some, wide, y + i);
        for (size_t j = i; j < i + some; j++) {
            if (y[j] == 0 && slope && cancels(a->id) && x[j] < 0)
                y[j] = -0.0; /* too small for a double, and negative */
            error[j] = 0x1p-43 * fabs(y[j]) + (slope && cancels(a->id) && fabsf(x[j]) < 2 ? 0x1p-47 : 0);
        }
    }
}
