/* The public functions over arrays. No network needs them.
 * SPDX-License-Identifier: MIT */
#include "activation_info.h"

#include <math.h>

#include "kernel.h"

static const bool linear[] = {
#define ACTIVATION(ID, ...) false,
#define LINEAR(ID, ...) true,
#include "activation.def"
};

struct forms {
    const struct weir__fast *fast;
    const struct weir__exact *exact; /* NULL: the reference, where the fast form is near enough */
};

/* isa is one that weir__isa_resolve gives */
static struct forms forms_of(weir_isa isa)
{
    switch (isa) {
#if WEIR__HAS_AVX2
    case WEIR_ISA_AVX2:
        return (struct forms){&weir__fast_avx2, &weir__exact_avx2};
#endif
#if WEIR__HAS_AVX512
    case WEIR_ISA_AVX512:
        return (struct forms){&weir__fast_avx512, &weir__exact_avx512};
#endif
#if WEIR__HAS_NEON
    case WEIR_ISA_NEON:
        return (struct forms){&weir__fast_neon, &weir__exact_neon};
#endif
#if WEIR__HAS_REF64
    case WEIR_ISA_REF64:
        return (struct forms){&weir__fast_ref64, NULL};
#endif
    default:
        return (struct forms){&weir__fast_scalar, &weir__exact_scalar};
    }
}

static weir_status resolve(const weir_activation *a, weir_form form, weir_isa isa, weir_activation *resolved, struct forms *forms,
                           weir_error *err)
{
    TRY(weir__activation_check(a, "activation", err));
    if (form != WEIR_EXACT && form != WEIR_FAST)
        return weir__fail(err, WEIR_E_ARGUMENT, "there is no form number %d; use WEIR_EXACT or WEIR_FAST", (int)form);
    if (!weir_isa_available(isa))
        return weir__fail(err, WEIR_E_UNSUPPORTED, "this CPU or this build has no such instruction set; use WEIR_ISA_BEST");
    *forms = forms_of(weir__isa_resolve(isa));
    *resolved = weir__activation_resolve(*a, a->id);
    return WEIR_OK;
}

enum { PIECE = 256 }; /* numbers converted to double at a time for the reference */

static void widen(size_t n, const float *x, double *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (double)x[i];
}

static void narrow(size_t n, const double *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)x[i];
}

static void apply(struct forms forms, weir_form form, const weir_activation *a, size_t n, const float *x, float *y)
{
    if (forms.exact && (form == WEIR_FAST || linear[a->id - 1]))
        forms.fast->apply(a, n, x, y);
    else if (forms.exact)
        forms.exact->apply(a, n, x, y);
    else
        for (size_t at = 0; at < n; at += PIECE) {
            double wide[PIECE];
            size_t some = n - at < PIECE ? n - at : PIECE;
            widen(some, x + at, wide);
            forms.fast->apply(a, some, wide, wide);
            narrow(some, wide, y + at);
        }
}

static void grad(struct forms forms, weir_form form, const weir_activation *a, size_t n, const float *x, const float *dy, float *dx)
{
    if (forms.exact && (form == WEIR_FAST || linear[a->id - 1]))
        forms.fast->grad(a, n, x, dy, dx);
    else if (forms.exact)
        forms.exact->grad(a, n, x, dy, dx);
    else
        for (size_t at = 0; at < n; at += PIECE) {
            double wide[PIECE], up[PIECE];
            size_t some = n - at < PIECE ? n - at : PIECE;
            widen(some, x + at, wide);
            widen(some, dy + at, up);
            forms.fast->grad(a, some, wide, up, wide);
            narrow(some, wide, dx + at);
        }
}

weir_status weir_activation_apply(const weir_activation *a, weir_form form, weir_isa isa, size_t n, const float *x, float *y,
                                  weir_error *err)
{
    weir_activation f;
    struct forms forms;
    TRY(resolve(a, form, isa, &f, &forms, err));
    apply(forms, form, &f, n, x, y);
    return weir__ok(err);
}

weir_status weir_activation_grad(const weir_activation *a, weir_form form, weir_isa isa, size_t n, const float *x, const float *dy,
                                 float *dx, weir_error *err)
{
    weir_activation f;
    struct forms forms;
    TRY(resolve(a, form, isa, &f, &forms, err));
    grad(forms, form, &f, n, x, dy, dx);
    return weir__ok(err);
}

/* ---- By name ---- */

static void by_name(weir_activation_id id, weir_form form, size_t n, const float *x, const float *dy, float *out)
{
    weir_activation a = weir__activation_resolve((weir_activation){.id = id}, id);
    struct forms forms = forms_of(weir__isa_resolve(WEIR_ISA_BEST));
    if (dy)
        grad(forms, form, &a, n, x, dy, out);
    else
        apply(forms, form, &a, n, x, out);
}

/* clang-format off */
#define BY_NAME(ID, name)                                                                                                               \
    void weir_##name(size_t n, const float *x, float *y) { by_name(WEIR_##ID, WEIR_EXACT, n, x, NULL, y); }                               \
    void weir_##name##_fast(size_t n, const float *x, float *y) { by_name(WEIR_##ID, WEIR_FAST, n, x, NULL, y); }                         \
    void weir_##name##_grad(size_t n, const float *x, const float *dy, float *dx) { by_name(WEIR_##ID, WEIR_EXACT, n, x, dy, dx); }       \
    void weir_##name##_grad_fast(size_t n, const float *x, const float *dy, float *dx) { by_name(WEIR_##ID, WEIR_FAST, n, x, dy, dx); }
/* clang-format on */
BY_NAME(IDENTITY, identity)
BY_NAME(RELU, relu)
BY_NAME(LEAKY_RELU, leaky_relu)
BY_NAME(PRELU, prelu)
BY_NAME(SIGMOID, sigmoid)
BY_NAME(TANH, tanh)
BY_NAME(ELU, elu)
BY_NAME(SELU, selu)
BY_NAME(GELU, gelu)
BY_NAME(GELU_TANH, gelu_tanh)
BY_NAME(SILU, silu)
BY_NAME(MISH, mish)
BY_NAME(SOFTPLUS, softplus)
BY_NAME(SCALED_TANH, scaled_tanh)
BY_NAME(HARD_SIGMOID, hard_sigmoid)
BY_NAME(SOFTSIGN, softsign)
BY_NAME(EXP, exp)
BY_NAME(EXPM1, expm1)
BY_NAME(LOG1P, log1p)
BY_NAME(ERF, erf)
BY_NAME(ERFC, erfc)

/* ---- PReLU with learned slopes ---- */

/* Many chains of sums, so that one slope for all is no slower: entry j of a row adds to chain j, or with a shared slope to j mod CHAINS. */
enum { CHAINS = 64 };

void weir_prelu_rows(size_t rows, size_t n, const float *slope, bool shared, const float *x, float *y)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j++) {
            float in = x[r * n + j], out = in > 0 ? in : slope[shared ? 0 : j] * in;
            y[r * n + j] = out == out ? out : NAN;
        }
}

/* sums[j] += dy min(x, 0) of one row; the product of two floats is exact in double */
static void add_slopes(size_t n, const float *x, const float *dy, double *sums)
{
    for (size_t j = 0; j < n; j++)
        sums[j] += x[j] > 0 ? 0 : (double)dy[j] * (double)x[j];
}

static float shared_slope_grad(size_t count, const float *x, const float *dy)
{
    double sums[CHAINS] = {0};
    for (size_t i = 0; i < count; i += CHAINS)
        add_slopes(count - i < CHAINS ? count - i : CHAINS, x + i, dy + i, sums);
    for (size_t half = CHAINS / 2; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            sums[i] += sums[i + half];
    return (float)sums[0];
}

static void channel_slope_grads(size_t rows, size_t n, const float *x, const float *dy, float *dslope)
{
    for (size_t j = 0; j < n; j += CHAINS) {
        double sums[CHAINS] = {0};
        size_t some = n - j < CHAINS ? n - j : CHAINS;
        for (size_t r = 0; r < rows; r++)
            add_slopes(some, x + r * n + j, dy + r * n + j, sums);
        for (size_t i = 0; i < some; i++)
            dslope[j + i] = (float)sums[i];
    }
}

void weir_prelu_rows_grad(size_t rows, size_t n, const float *slope, bool shared, const float *x, const float *dy, float *dx,
                          float *dslope)
{
    if (dslope && shared)
        *dslope = shared_slope_grad(rows * n, x, dy);
    else if (dslope)
        channel_slope_grads(rows, n, x, dy, dslope);
    for (size_t r = 0; dx && r < rows; r++)
        for (size_t j = 0; j < n; j++) {
            float in = x[r * n + j], g = dy[r * n + j], d = in > 0 ? g : slope[shared ? 0 : j] * g;
            dx[r * n + j] = in == in && d == d ? d : NAN;
        }
}
