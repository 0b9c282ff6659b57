/* The double reference against MPFR, the rules at the edges, and the same bits on every instruction set and at every place of an array.
 * How near the floats are to the truth is tests/proof.
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

#include "kernel/activation_info.h"
#include "kernel/kernel.h"
#include "proof/truth.h"

enum { SAMPLE = 1 << 19, CHECKED = 2000 };

#define EACH_FUNCTION(id) for (weir_activation_id id = WEIR_IDENTITY; weir_activation_get(id); id++)

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

/* ---- The reference ---- */

static void reference_is_the_truth(void **state)
{
    (void)state;
    static double wide[SAMPLE], error[SAMPLE];
    EACH_FUNCTION(id)
        for (int slope = 0; slope < 2; slope++) {
            weir_activation a = weir__activation_resolve((weir_activation){.id = id}, id);
            truth_array(&a, slope, SAMPLE, x, wide, error);
            for (size_t j = 0; j < SAMPLE; j += SAMPLE / CHECKED) {
                if (fabsf(x[j]) > 1e6f && !isnan(wide[j])) /* everything is saturated, and MPFR's exponentials leave its range */
                    continue;
                double t = truth_double(&a, slope, x[j]);
                bool beyond_floats = fabs(t) < 0x1p-300; /* even times the largest float */
                if (!beyond_floats && !(fabs(wide[j] - t) <= error[j]) && !(isnan(t) && isnan(wide[j])))
                    fail_msg("%s%s(%a): %a, not %a", weir_activation_get(id)->name, slope ? "'" : "", (double)x[j], wide[j], t);
            }
        }
    mpfr_free_cache();
}

/* ---- Edges ---- */

static float value_at(weir_activation_id id, weir_form form, float at)
{
    weir_activation a = {.id = id};
    float out;
    weir_activation_apply(&a, form, WEIR_ISA_BEST, 1, &at, &out, NULL);
    return out;
}

static float slope_at(weir_activation_id id, weir_form form, float at)
{
    weir_activation a = {.id = id};
    float out, one = 1;
    weir_activation_grad(&a, form, WEIR_ISA_BEST, 1, &at, &one, &out, NULL);
    return out;
}

static bool same(float got, float want)
{
    return got == want || fabsf(got - want) < 1e-6f || (isnan(got) && isnan(want));
}

static void edges_follow_the_rules(void **state)
{
    (void)state;
    static const struct edge {
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
        {WEIR_EXP, 0, 1, INFINITY, 0, INFINITY},
        {WEIR_EXPM1, -1, -0.0f, INFINITY, 0, INFINITY},
        {WEIR_LOG1P, NAN, -0.0f, INFINITY, NAN, 0},
        {WEIR_ERF, -1, -0.0f, 1, 0, 0},
        {WEIR_ERFC, 2, 1, 0, -0.0f, -0.0f},
    };
    assert_int_equal(sizeof edges / sizeof *edges, weir_activation_count());
    for (size_t i = 0; i < 2 * sizeof edges / sizeof *edges; i++) {
        struct edge e = edges[i / 2];
        weir_activation_id id = e.id;
        weir_form form = i % 2 ? WEIR_FAST : WEIR_EXACT;
        const char *name = weir_activation_get(id)->name;
        float low = value_at(id, form, -INFINITY), zero = value_at(id, form, -0.0f), high = value_at(id, form, INFINITY);
        if (!same(low, e.minus_infinity) || !same(high, e.plus_infinity) ||
            bits_of(zero) != bits_of(e.minus_zero))
            fail_msg("%s: %g at -infinity, %g at -0, %g at infinity", name, (double)low, (double)zero, (double)high);
        float left = slope_at(id, form, -INFINITY), right = slope_at(id, form, INFINITY);
        if (!same(left, e.slope_minus) || !same(right, e.slope_plus))
            fail_msg("%s: derivative %g at -infinity, %g at infinity", name, (double)left, (double)right);
        if (!isnan(value_at(id, form, NAN)) || !isnan(slope_at(id, form, NAN)))
            fail_msg("%s loses NaN: %g, derivative %g", name, (double)value_at(id, form, NAN), (double)slope_at(id, form, NAN));
    }
}

/* Functions that are x near 0 are so down to the smallest floats, where halving on the way loses the result. */
static void smallest_floats_are_kept(void **state)
{
    (void)state;
    for (size_t i = 1; i <= weir_activation_count(); i++) {
        weir_activation_id id = (weir_activation_id)i;
        bool is_x = value_at(id, WEIR_EXACT, 0x1p-140f) == 0x1p-140f && value_at(id, WEIR_EXACT, -0x1p-140f) == -0x1p-140f;
        for (int units = -4; is_x && units <= 4; units++) {
            float at = (float)units * 0x1p-149f, exact = value_at(id, WEIR_EXACT, at), fast = value_at(id, WEIR_FAST, at);
            if (exact != at || fast != at)
                fail_msg("%s(%a) is %a, exact, and %a, fast", weir_activation_get(id)->name, (double)at, (double)exact, (double)fast);
        }
    }
}

/* ---- Parameters ---- */

static double ulp(double truth)
{
    int e;
    frexp(truth, &e);
    return ldexp(1, (e < -125 ? -125 : e) - 24);
}

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
            for (int form = 0; form < 2; form++) {
                weir_activation_apply(&cases[i], (weir_form)form, WEIR_ISA_BEST, 1, &in, &value, NULL);
                weir_activation_grad(&cases[i], (weir_form)form, WEIR_ISA_BEST, 1, &in, &one, &derivative, NULL);
                double most = form == WEIR_EXACT ? 0.5001 : 4;
                if (fabs((double)value - want) <= most * ulp(want) && fabs((double)derivative - slope) <= most * ulp(slope))
                    continue;
                fail_msg("%s(%g) with %g, %g: %.9g, %.9g, not %.9g, %.9g", weir_activation_get(cases[i].id)->name, v, a, b,
                         (double)value, (double)derivative, want, slope);
            }
        }
}

static void bad_parameters_are_named(void **state)
{
    (void)state;
    static const struct {
        weir_activation a;
        const char *says;
    } bad[] = {
        {{(weir_activation_id)99, 0, 0}, "99"},
        {{WEIR_LEAKY_RELU, NAN, 0}, "alpha of leaky_relu is nan"},
        {{WEIR_ELU, INFINITY, 0}, "alpha of elu is inf"},
        {{WEIR_SOFTPLUS, 0, -1}, "beta of softplus is -1; it must be a positive number"},
        {{WEIR_SELU, 0, -2}, "beta of selu is -2"},
        {{WEIR_SCALED_TANH, 1, NAN}, "beta of scaled_tanh is nan"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weir_error err;
        float in = 1, out = 7;
        assert_int_equal(weir_activation_apply(&bad[i].a, WEIR_EXACT, WEIR_ISA_BEST, 1, &in, &out, &err), WEIR_E_ARGUMENT);
        if (!strstr(err.text, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, bad[i].says);
        assert_int_equal(weir_activation_grad(&bad[i].a, WEIR_FAST, WEIR_ISA_BEST, 1, &in, &in, &out, &err), WEIR_E_ARGUMENT);
        assert_true(out == 7);
    }
    weir_model *m;
    weir_error err;
    float in = 1, out = 7;
    assert_int_equal(weir_activation_apply(&(weir_activation){.id = WEIR_TANH}, (weir_form)2, WEIR_ISA_BEST, 1, &in, &out, &err),
                     WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "form number 2"));
    weir_config c = {.inputs = 1, .hidden = 2, .candidate = {.id = WEIR_EXP}};
    assert_int_equal(weir_model_new(&m, &c, NULL, 0, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "exp is a building block"));
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
    for (size_t i = 0; i < 2 * weir_activation_count(); i++) {
        weir_activation a = {.id = (weir_activation_id)(i / 2 + 1)};
        weir_form form = i % 2 ? WEIR_FAST : WEIR_EXACT;
        weir_activation_apply(&a, form, WEIR_ISA_SCALAR, SAMPLE, any, want_y, NULL);
        weir_activation_grad(&a, form, WEIR_ISA_SCALAR, SAMPLE, any, ones, want_z, NULL);
        for (size_t q = 0; q < sizeof isas / sizeof *isas; q++) {
            if (!weir_isa_available(isas[q])) {
                if (i == 0)
                    print_message("SKIPPED: this CPU has no %s\n", weir_isa_name(isas[q]));
                continue;
            }
            weir_activation_apply(&a, form, isas[q], SAMPLE, any, y, NULL);
            assert_memory_equal(want_y, y, sizeof y);
            weir_activation_grad(&a, form, isas[q], SAMPLE, any, ones, z, NULL);
            assert_memory_equal(want_z, z, sizeof z);
        }
    }
}

static void place_and_length_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * weir_activation_count(); i++) {
        weir_activation a = {.id = (weir_activation_id)(i / 2 + 1)};
        weir_form form = i % 2 ? WEIR_FAST : WEIR_EXACT;
        weir_activation_apply(&a, form, WEIR_ISA_BEST, 1000, any, y, NULL);
        weir_activation_grad(&a, form, WEIR_ISA_BEST, 1000, any, ones, z, NULL);
        for (size_t n = 1; n < 40; n++) {
            float work[40], up[40];
            memcpy(work + 1, any + n, (n - 1) * sizeof *work); /* in place, any offset */
            weir_activation_apply(&a, form, WEIR_ISA_BEST, n - 1, work + 1, work + 1, NULL);
            assert_memory_equal(work + 1, y + n, (n - 1) * sizeof *work);

            memcpy(work, any + n, n * sizeof *work);
            memcpy(up, ones, n * sizeof *up);
            weir_activation_grad(&a, form, WEIR_ISA_BEST, n, work, up, up, NULL); /* over dy */
            assert_memory_equal(up, z + n, n * sizeof *up);
            weir_activation_grad(&a, form, WEIR_ISA_BEST, n, work, ones, work, NULL); /* over x */
            assert_memory_equal(work, z + n, n * sizeof *work);
        }
    }
}

/* What training takes for the derivative, found together with the value, has the bits of the derivative alone. */
static void pairs_have_the_same_bits(void **state)
{
    (void)state;
    const struct weir__kernels *k = weir__kernels_for(WEIR_ISA_BEST);
    EACH_FUNCTION(id)
    {
        if (weir_activation_get(id)->block)
            continue;
        weir_activation a = weir__activation_resolve((weir_activation){.id = id}, id);
        weir_activation_grad(&a, WEIR_FAST, WEIR_ISA_BEST, SAMPLE, x, ones, y, NULL);
        memcpy(z, ones, sizeof z);
        k->activate_rows_grad(&a, slopes, 1, SAMPLE, x, z, NULL);
        assert_memory_equal(y, z, sizeof z);
    }
}

/* ---- By name, and with learned slopes ---- */

static void names_call_the_functions(void **state)
{
    (void)state;
    static const struct {
        weir_activation_id id;
        void (*apply[2])(size_t, const float *, float *);
        void (*grad[2])(size_t, const float *, const float *, float *);
    } named[] = {
#define NAMED(ID, name) {WEIR_##ID, {weir_##name, weir_##name##_fast}, {weir_##name##_grad, weir_##name##_grad_fast}}
        NAMED(IDENTITY, identity), NAMED(RELU, relu), NAMED(LEAKY_RELU, leaky_relu), NAMED(PRELU, prelu), NAMED(SIGMOID, sigmoid),
        NAMED(TANH, tanh), NAMED(ELU, elu), NAMED(SELU, selu), NAMED(GELU, gelu), NAMED(GELU_TANH, gelu_tanh), NAMED(SILU, silu),
        NAMED(MISH, mish), NAMED(SOFTPLUS, softplus), NAMED(SCALED_TANH, scaled_tanh), NAMED(HARD_SIGMOID, hard_sigmoid),
        NAMED(SOFTSIGN, softsign), NAMED(EXP, exp), NAMED(EXPM1, expm1), NAMED(LOG1P, log1p), NAMED(ERF, erf), NAMED(ERFC, erfc),
    };
    assert_int_equal(sizeof named / sizeof *named, weir_activation_count());
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        for (int form = 0; form < 2; form++) {
            weir_activation a = {.id = named[i].id};
            weir_activation_apply(&a, (weir_form)form, WEIR_ISA_BEST, 100, x, y, NULL);
            named[i].apply[form](100, x, z);
            assert_memory_equal(y, z, 100 * sizeof *y);
            weir_activation_grad(&a, (weir_form)form, WEIR_ISA_BEST, 100, x, ones, y, NULL);
            named[i].grad[form](100, x, ones, z);
            assert_memory_equal(y, z, 100 * sizeof *y);
        }
}

static void learned_slopes_get_their_gradient(void **state)
{
    (void)state;
    enum { ROWS = 37, N = 70 };
    static float in[ROWS * N], up[ROWS * N], out[ROWS * N], back[ROWS * N];
    float slope[N], dslope[N], shared = 0.3f, dshared;
    double want[N] = {0}, want_shared = 0, size = 0;
    for (size_t i = 0; i < ROWS * N; i++) {
        in[i] = (float)((int)(i * 7919 % 2001) - 1000) / 250;
        up[i] = (float)((int)(i * 104729 % 2001) - 1000) / 700;
        double part = in[i] > 0 ? 0 : (double)up[i] * (double)in[i];
        want[i % N] += part;
        want_shared += part;
        size += fabs(part);
    }
    for (size_t j = 0; j < N; j++)
        slope[j] = (float)j / 50 - 0.4f;
    weir_prelu_rows(ROWS, N, slope, false, in, out);
    weir_prelu_rows_grad(ROWS, N, slope, false, in, up, back, dslope);
    for (size_t i = 0; i < ROWS * N; i++) {
        assert_true(out[i] == (in[i] > 0 ? in[i] : slope[i % N] * in[i]));
        assert_true(back[i] == (in[i] > 0 ? up[i] : slope[i % N] * up[i]));
    }
    for (size_t j = 0; j < N; j++)
        assert_true(fabs((double)dslope[j] - want[j]) <= 0.5001 * ulp(want[j]));
    weir_prelu_rows(ROWS, N, &shared, true, in, out);
    weir_prelu_rows_grad(ROWS, N, &shared, true, in, up, up, &dshared); /* over dy, after the sum */
    for (size_t i = 0; i < ROWS * N; i++)
        assert_true(out[i] == (in[i] > 0 ? in[i] : shared * in[i]));
    assert_true(fabs((double)dshared - want_shared) <= 0.5001 * ulp(want_shared) + 1e-15 * size);
    in[0] = NAN;
    weir_prelu_rows(1, 1, &shared, true, in, out);
    assert_int_equal(bits_of(out[0]), 0x7FC00000u);
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
        cmocka_unit_test(reference_is_the_truth),         cmocka_unit_test(names_call_the_functions),
        cmocka_unit_test(bad_parameters_are_named),       cmocka_unit_test(learned_slopes_get_their_gradient),
        cmocka_unit_test(edges_follow_the_rules),         cmocka_unit_test(smallest_floats_are_kept),
        cmocka_unit_test(parameters_are_used),
        cmocka_unit_test(all_targets_give_the_same_bits), cmocka_unit_test(place_and_length_do_not_matter),
        cmocka_unit_test(pairs_have_the_same_bits),       cmocka_unit_test(records_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
