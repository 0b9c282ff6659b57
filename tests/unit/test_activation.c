/* The activations against the truth (MPFR checks the double reference, which then judges the floats), their rules at the edges, and
 * the same bits on every instruction set and at every place of an array.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <mpfr.h>
#include <stdlib.h>
#include <string.h>

#include <float.h>

#include "kernel/activation_info.h"
#include "kernel/kernel.h"

enum { SAMPLE = 1 << 21, PIECE = 4096, CHECKED = 400, BITS = 400 };

/* Largest errors in units in the last place of value and derivative (docs/activations.md has the measured ones). `zero`: within 1/4 of
 * this zero of the derivative the error is at most NEAR_ZERO instead. */
static const double NEAR_ZERO = 4e-8;
static const struct bound {
    weir_activation_id id;
    double value, derivative, zero;
} bounds[] = {
    {WEIR_IDENTITY, 0, 0, 0},        {WEIR_RELU, 0, 0, 0},
    {WEIR_LEAKY_RELU, 0.5, 0, 0},    {WEIR_PRELU, 0.5, 0, 0},
    {WEIR_SIGMOID, 2.5, 2.5, 0},     {WEIR_TANH, 2.5, 2.5, 0},
    {WEIR_ELU, 1, 1.1, 0},           {WEIR_SELU, 2.2, 2.2, 0},
    {WEIR_GELU, 1.6, 3.5, -0.75179}, {WEIR_GELU_TANH, 3.5, 3.5, -0.75246},
    {WEIR_SILU, 3.4, 3.4, -1.27846},   {WEIR_MISH, 3.2, 3.6, -1.19243},
    {WEIR_SOFTPLUS, 2.8, 2.5, 0},    {WEIR_SCALED_TANH, 3.7, 3.5, 0},
    {WEIR_HARD_SIGMOID, 0.5, 0, 0},  {WEIR_SOFTSIGN, 1.6, 3.6, 0},
};

static float x[SAMPLE], y[SAMPLE], z[SAMPLE], ones[SAMPLE];

static float of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Floats spread evenly over all bit patterns with a large odd step: every exponent and both signs, NaN and infinity left out. */
static void fill_sample(void)
{
    uint32_t bits = 12345;
    for (size_t i = 0; i < SAMPLE; i++) {
        do
            bits += 2654435769u;
        while (!isfinite(of_bits(bits)));
        /* half of them where the functions bend */
        x[i] = i % 2 ? of_bits(bits) : ldexpf(of_bits((bits & 0x807FFFFFu) | 0x3F800000u), (int)(bits >> 8 & 15) - 8);
        ones[i] = 1;
    }
}

static double ulp(double truth)
{
    int e;
    frexp(truth, &e);
    return ldexp(1, (e < -125 ? -125 : e) - 24);
}

/* ---- Truth ---- */

/* Value and derivative in high precision, straight from the definitions. */
static void truth(const weir_activation_info *info, double at, mpfr_t f, mpfr_t d)
{
    mpfr_t v, e, s, t, u;
    mpfr_inits2(BITS, v, e, s, t, u, (mpfr_ptr)0);
    mpfr_set_d(v, at, MPFR_RNDN);
    double a = (double)info->alpha, b = (double)info->beta;
    mpfr_exp(e, v, MPFR_RNDN);       /* e^x */
    mpfr_add_ui(t, e, 1, MPFR_RNDN); /* 1 + e^x */
    mpfr_div(s, e, t, MPFR_RNDN);    /* sigmoid */
    mpfr_ui_div(u, 1, t, MPFR_RNDN); /* 1 - sigmoid */
    bool right = at > 0;
    switch (info->id) {
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
        mpfr_mul_d(v, v, info->id == WEIR_TANH ? 1 : b, MPFR_RNDN);
        mpfr_tanh(f, v, MPFR_RNDN);
        mpfr_sech(d, v, MPFR_RNDN);
        mpfr_sqr(d, d, MPFR_RNDN);
        mpfr_mul_d(f, f, info->id == WEIR_TANH ? 1 : a, MPFR_RNDN);
        mpfr_mul_d(d, d, info->id == WEIR_TANH ? 1 : a * b, MPFR_RNDN);
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
        mpfr_mul_d(f, f, info->id == WEIR_ELU ? 1 : b, MPFR_RNDN);
        mpfr_mul_d(d, d, info->id == WEIR_ELU ? 1 : b, MPFR_RNDN);
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
        mpfr_mul_d(t, t, 0.044715, MPFR_RNDN);
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
    case WEIR_MISH: /* w = tanh(log(1 + e^x)) = ((1 + e^x)^2 - 1) / ((1 + e^x)^2 + 1);  w + x (1 - w^2) sigmoid */
        mpfr_sqr(t, t, MPFR_RNDN);
        mpfr_add_ui(u, t, 1, MPFR_RNDN);
        mpfr_sub_ui(t, t, 1, MPFR_RNDN);
        mpfr_div(t, t, u, MPFR_RNDN);
        mpfr_mul(f, v, t, MPFR_RNDN);
        mpfr_sqr(u, t, MPFR_RNDN);
        mpfr_ui_sub(u, 1, u, MPFR_RNDN);
        mpfr_mul(u, u, s, MPFR_RNDN);
        mpfr_fma(d, u, v, t, MPFR_RNDN);
        break;
    case WEIR_SOFTPLUS:
        mpfr_log1p(f, e, MPFR_RNDN);
        mpfr_set(d, s, MPFR_RNDN);
        break;
    case WEIR_HARD_SIGMOID:
        mpfr_set_d(f, fmin(1, fmax(0, a * at + b)), MPFR_RNDN);
        mpfr_set_d(d, a * at + b > 0 && a * at + b < 1 ? a : 0, MPFR_RNDN);
        break;
    case WEIR_SOFTSIGN:
        mpfr_abs(t, v, MPFR_RNDN);
        mpfr_add_ui(t, t, 1, MPFR_RNDN);
        mpfr_div(f, v, t, MPFR_RNDN);
        mpfr_sqr(t, t, MPFR_RNDN);
        mpfr_ui_div(d, 1, t, MPFR_RNDN);
        break;
    default:
        fail();
    }
    mpfr_clears(v, e, s, t, u, (mpfr_ptr)0);
}

/* Error of a float against MPFR, in units in the last place, or within `absolute`: 0. */
static double error_of(float got, const mpfr_t want, double absolute)
{
    double t = mpfr_get_d(want, MPFR_RNDN), off = fabs((double)got - t);
    return off <= absolute ? 0 : off / ulp(t);
}

static void reference_is_the_truth(void **state)
{
    (void)state;
    mpfr_t f, d;
    mpfr_inits2(BITS, f, d, (mpfr_ptr)0);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        const weir_activation_info *info = weir_activation_get(bounds[i].id);
        weir_activation a = {.id = bounds[i].id};
        assert_int_equal(weir_activation_apply(&a, WEIR_FAST, WEIR_ISA_REF64, SAMPLE, x, y, NULL), WEIR_OK);
        assert_int_equal(weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_REF64, SAMPLE, x, ones, z, NULL), WEIR_OK);
        for (size_t j = 0; j < SAMPLE; j += SAMPLE / CHECKED) {
            bool rational = info->id <= WEIR_PRELU || info->id == WEIR_HARD_SIGMOID || info->id == WEIR_SOFTSIGN;
            if (!rational && fabsf(x[j]) > 1e6f) /* beyond, everything is saturated and MPFR's exponentials leave its range */
                continue;
            truth(info, (double)x[j], f, d);
            double e = error_of(y[j], f, 1e-44), g = error_of(z[j], d, 1e-13);
            if (!(e <= 0.51) || !(g <= 0.51))
                fail_msg("%s(%a): value off by %.3g, derivative by %.3g units", info->name, (double)x[j], e, g);
        }
    }
    mpfr_clears(f, d, (mpfr_ptr)0);
    mpfr_free_cache();
}

/* ---- Floats against the reference, in double ---- */

static double wide_x[PIECE], wide_y[PIECE], wide_z[PIECE], wide_ones[PIECE];

static void raise_to(double *worst, double error) /* NaN counts as the largest */
{
    if (!(error <= *worst))
        *worst = isnan(error) ? INFINITY : error;
}

static double off_by(float got, double want)
{
    return (double)got == want || (fabs(want) > (double)FLT_MAX && isinf(got)) ? 0 : fabs((double)got - want);
}

static void floats_are_within_their_bounds(void **state)
{
    (void)state;
    const struct weir__kernels *reference = weir__kernels_for(WEIR_ISA_REF64);
    int wrong = 0;
    for (size_t i = 0; i < PIECE; i++)
        wide_ones[i] = 1;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        struct bound b = bounds[i];
        weir_activation a = {.id = b.id}, resolved = weir__activation_resolve(a, b.id);
        weir_activation_apply(&a, WEIR_FAST, WEIR_ISA_BEST, SAMPLE, x, y, NULL);
        weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_BEST, SAMPLE, x, ones, z, NULL);
        double value = 0, derivative = 0, near_zero = 0;
        for (size_t j = 0; j < SAMPLE; j++) {
            size_t k = j % PIECE;
            if (k == 0) {
                reference->from_float(PIECE, x + j, wide_x);
                reference->activate(&resolved, PIECE, wide_x, wide_y);
                reference->activate_grad(&resolved, PIECE, wide_x, wide_ones, wide_z);
            }
            raise_to(&value, off_by(y[j], wide_y[k]) / ulp(wide_y[k]));
            if (b.zero != 0 && fabs((double)x[j] - b.zero) < 0.25)
                raise_to(&near_zero, off_by(z[j], wide_z[k]));
            else
                raise_to(&derivative, off_by(z[j], wide_z[k]) / ulp(wide_z[k]));
        }
        print_message("%-12s value %.2f, derivative %.2f units in the last place; derivative near its zero %.1e\n",
                      weir_activation_get(b.id)->name, value, derivative, near_zero);
        wrong += value > b.value || derivative > b.derivative || near_zero > NEAR_ZERO;
    }
    assert_int_equal(wrong, 0);
}

/* ---- Edges ---- */

static float value_at(weir_activation_id id, float at)
{
    weir_activation a = {.id = id};
    float out;
    weir_activation_apply(&a, WEIR_FAST, WEIR_ISA_BEST, 1, &at, &out, NULL);
    return out;
}

static float slope_at(weir_activation_id id, float at)
{
    weir_activation a = {.id = id};
    float out, one = 1;
    weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_BEST, 1, &at, &one, &out, NULL);
    return out;
}

static bool same(float got, float want)
{
    return got == want || fabsf(got - want) < 1e-6f;
}

static void edges_follow_the_rules(void **state)
{
    (void)state;
    static const struct {
        weir_activation_id id;
        float minus_infinity, minus_zero, plus_infinity, slope_minus, slope_plus;
    } edges[] = {
        {WEIR_IDENTITY, -INFINITY, -0.0f, INFINITY, 1, 1},
        {WEIR_RELU, 0, -0.0f, INFINITY, 0, 1},
        {WEIR_LEAKY_RELU, -INFINITY, -0.0f, INFINITY, 0.01f, 1},
        {WEIR_PRELU, -INFINITY, -0.0f, INFINITY, 0.25f, 1},
        {WEIR_SIGMOID, 0, 0.5f, 1, 0, 0},
        {WEIR_TANH, -1, -0.0f, 1, 0, 0},
        {WEIR_ELU, -1, -0.0f, INFINITY, 0, 1},
        {WEIR_SELU, -1.7580993f, -0.0f, INFINITY, 0, 1.050701f},
        {WEIR_GELU, -0.0f, -0.0f, INFINITY, -0.0f, 1},
        {WEIR_GELU_TANH, -0.0f, -0.0f, INFINITY, -0.0f, 1},
        {WEIR_SILU, -0.0f, -0.0f, INFINITY, -0.0f, 1},
        {WEIR_MISH, -0.0f, -0.0f, INFINITY, -0.0f, 1},
        {WEIR_SOFTPLUS, 0, 0.6931472f, INFINITY, 0, 1},
        {WEIR_SCALED_TANH, -1.7159f, -0.0f, 1.7159f, 0, 0},
        {WEIR_HARD_SIGMOID, 0, 0.5f, 1, 0, 0},
        {WEIR_SOFTSIGN, -1, -0.0f, 1, 0, 0},
    };
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        weir_activation_id id = edges[i].id;
        const char *name = weir_activation_get(id)->name;
        float low = value_at(id, -INFINITY), zero = value_at(id, -0.0f), high = value_at(id, INFINITY);
        if (!same(low, edges[i].minus_infinity) || !same(high, edges[i].plus_infinity) ||
            bits_of(zero) != bits_of(edges[i].minus_zero))
            fail_msg("%s: %g at -infinity, %g at -0, %g at infinity", name, (double)low, (double)zero, (double)high);
        float left = slope_at(id, -INFINITY), right = slope_at(id, INFINITY);
        if (!same(left, edges[i].slope_minus) || !same(right, edges[i].slope_plus))
            fail_msg("%s: derivative %g at -infinity, %g at infinity", name, (double)left, (double)right);
        if (!isnan(value_at(id, NAN)) || !isnan(slope_at(id, NAN)))
            fail_msg("%s loses NaN: %g, derivative %g", name, (double)value_at(id, NAN), (double)slope_at(id, NAN));
    }
}

/* ---- Parameters ---- */

static void parameters_are_used(void **state)
{
    (void)state;
    static const weir_activation cases[] = {
        {WEIR_LEAKY_RELU, 0.3f, 0}, {WEIR_PRELU, -1.5f, 0},      {WEIR_ELU, 2, 0},         {WEIR_SELU, 1.5f, 0.5f},
        {WEIR_SOFTPLUS, 0, 3},      {WEIR_SCALED_TANH, 2, 0.5f}, {WEIR_SCALED_TANH, 1, 7}, {WEIR_HARD_SIGMOID, 1.0f / 6, 0.5f},
    };
    static const double at[] = {-7.5, -2, -0.25, 0.25, 2, 7.5};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < sizeof at / sizeof *at; j++) {
            double v = at[j], a = (double)cases[i].alpha, b = (double)cases[i].beta, want = 0, slope = 0;
            switch (cases[i].id) {
            case WEIR_LEAKY_RELU:
            case WEIR_PRELU:
                want = v > 0 ? v : a * v, slope = v > 0 ? 1 : a;
                break;
            case WEIR_ELU:
                want = v > 0 ? v : a * expm1(v), slope = v > 0 ? 1 : a * exp(v);
                break;
            case WEIR_SELU:
                want = b * (v > 0 ? v : a * expm1(v)), slope = b * (v > 0 ? 1 : a * exp(v));
                break;
            case WEIR_SOFTPLUS:
                want = log1p(exp(b * v)) / b, slope = 1 / (1 + exp(-b * v));
                break;
            case WEIR_SCALED_TANH:
                want = a * tanh(b * v), slope = a * b / (cosh(b * v) * cosh(b * v));
                break;
            default:
                want = fmax(0, fmin(1, a * v + b)), slope = a * v + b > 0 && a * v + b < 1 ? a : 0;
            }
            float in = (float)v, one = 1, value, derivative;
            weir_activation_apply(&cases[i], WEIR_FAST, WEIR_ISA_BEST, 1, &in, &value, NULL);
            weir_activation_grad(&cases[i], WEIR_FAST, WEIR_ISA_BEST, 1, &in, &one, &derivative, NULL);
            if (fabs((double)value - want) > 4 * ulp(want) || fabs((double)derivative - slope) > 4 * ulp(slope))
                fail_msg("%s(%g) with %g, %g: %.9g, %.9g, not %.9g, %.9g", weir_activation_get(cases[i].id)->name, v, a, b,
                         (double)value, (double)derivative, want, slope);
        }
}

/* ---- Same bits ---- */

static float any[SAMPLE]; /* the sample, with infinities and all sorts of NaN in between */
static float slopes[SAMPLE];

static void fill_any(void)
{
    memcpy(any, x, sizeof any);
    for (uint32_t i = 0; i < SAMPLE; i += 97)
        any[i] = i % 5 ? of_bits(0x7F800001u + i + (i % 2 << 31)) : i % 2 ? INFINITY : -INFINITY;
    for (size_t i = 0; i < SAMPLE; i++)
        slopes[i] = 0.25f;
}

static void all_targets_give_the_same_bits(void **state)
{
    (void)state;
    static float want_y[SAMPLE], want_z[SAMPLE];
    static const weir_isa isas[] = {WEIR_ISA_AVX2, WEIR_ISA_AVX512, WEIR_ISA_NEON};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        weir_activation a = {.id = bounds[i].id};
        weir_activation_apply(&a, WEIR_FAST, WEIR_ISA_SCALAR, SAMPLE, any, want_y, NULL);
        weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_SCALAR, SAMPLE, any, ones, want_z, NULL);
        for (size_t q = 0; q < sizeof isas / sizeof *isas; q++) {
            if (!weir_isa_available(isas[q])) {
                if (i == 0)
                    print_message("SKIPPED: this CPU has no %s\n", weir_isa_name(isas[q]));
                continue;
            }
            weir_activation_apply(&a, WEIR_FAST, isas[q], SAMPLE, any, y, NULL);
            assert_memory_equal(want_y, y, sizeof y);
            weir_activation_grad(&a, WEIR_FAST, isas[q], SAMPLE, any, ones, z, NULL);
            assert_memory_equal(want_z, z, sizeof z);
        }
    }
}

static void place_and_length_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        weir_activation a = {.id = bounds[i].id};
        weir_activation_apply(&a, WEIR_FAST, WEIR_ISA_BEST, 1000, any, y, NULL);
        weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_BEST, 1000, any, ones, z, NULL);
        for (size_t n = 1; n < 40; n++) {
            float work[40], up[40];
            memcpy(work + 1, any + n, (n - 1) * sizeof *work); /* in place, any offset */
            weir_activation_apply(&a, WEIR_FAST, WEIR_ISA_BEST, n - 1, work + 1, work + 1, NULL);
            assert_memory_equal(work + 1, y + n, (n - 1) * sizeof *work);

            memcpy(work, any + n, n * sizeof *work);
            memcpy(up, ones, n * sizeof *up);
            weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_BEST, n, work, up, up, NULL); /* over dy */
            assert_memory_equal(up, z + n, n * sizeof *up);
            weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_BEST, n, work, ones, work, NULL); /* over x */
            assert_memory_equal(work, z + n, n * sizeof *work);
        }
    }
}

/* What training takes for the derivative, found together with the value, has the bits of the derivative alone. */
static void pairs_have_the_same_bits(void **state)
{
    (void)state;
    const struct weir__kernels *k = weir__kernels_for(WEIR_ISA_BEST);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        weir_activation a = weir__activation_resolve((weir_activation){.id = bounds[i].id}, bounds[i].id);
        weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_BEST, SAMPLE, x, ones, y, NULL);
        memcpy(z, ones, sizeof z);
        k->activate_rows_grad(&a, slopes, 1, SAMPLE, x, z, NULL);
        assert_memory_equal(y, z, sizeof z);
    }
}

static void records_are_complete(void **state)
{
    (void)state;
    
    for (size_t i = 1; i <= weir_activation_count(); i++) {
        const weir_activation_info *info = weir_activation_get((weir_activation_id)i);
        assert_int_equal(info->id, i);
        assert_int_equal(weir_activation_find(info->name), i);
        assert_true(*info->formula && *info->derivative && *info->use && (info->block || (*info->pros && *info->cons && *info->onnx)));
    }
    assert_null(weir_activation_get(WEIR_ACTIVATION_DEFAULT));
    assert_int_equal(weir_activation_find("nonsense"), WEIR_ACTIVATION_DEFAULT);
    weir_error err;
    assert_int_equal(weir_activation_apply(&(weir_activation){.id = (weir_activation_id)99}, WEIR_FAST, WEIR_ISA_BEST, 1, x, y, &err),
                     WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "99"));
}

int main(void)
{
    fill_sample();
    fill_any();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_the_truth),         cmocka_unit_test(floats_are_within_their_bounds),
        cmocka_unit_test(edges_follow_the_rules),         cmocka_unit_test(parameters_are_used),
        cmocka_unit_test(all_targets_give_the_same_bits), cmocka_unit_test(place_and_length_do_not_matter),
        cmocka_unit_test(pairs_have_the_same_bits),       cmocka_unit_test(records_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
