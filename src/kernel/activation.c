/* The records as data, and the public functions over them.
 * SPDX-License-Identifier: MIT */
#include "activation_info.h"

#include <math.h>
#include <string.h>

#include "kernel.h"

#define RECORD(ID, block, name, onnx, alpha, beta, value, slope, exact, exact_slope, error, grad_error, ...) \
    {WEIR_##ID, name, onnx, block, alpha, beta, error, grad_error, __VA_ARGS__},
static const weir_activation_info records[] = {
#define ACTIVATION(ID, ...) RECORD(ID, false, __VA_ARGS__)
#define FUNCTION(ID, ...) RECORD(ID, true, __VA_ARGS__)
#include "activation.def"
};

static const bool linear[] = {
#define ACTIVATION(ID, ...) false,
#define LINEAR(ID, ...) true,
#include "activation.def"
};

enum {
    RECORDS = sizeof records / sizeof *records,
    ORDER_DEFAULT = 0, /* numbers the records as they stand */
#define ACTIVATION(ID, ...) ORDER_##ID,
#include "activation.def"
};

#define ACTIVATION(ID, ...) _Static_assert((int)ORDER_##ID == (int)WEIR_##ID, "activation.def is in another order than weir.h: " #ID);
#include "activation.def"

size_t weir_activation_count(void)
{
    return RECORDS;
}

const weir_activation_info *weir_activation_get(weir_activation_id id)
{
    return (size_t)id >= 1 && (size_t)id <= RECORDS ? records + (size_t)id - 1 : NULL;
}

weir_activation_id weir_activation_find(const char *name)
{
    for (size_t i = 0; i < RECORDS; i++)
        if (strcmp(records[i].name, name) == 0)
            return records[i].id;
    return WEIR_ACTIVATION_DEFAULT;
}

/* beta of these divides or scales the argument */
static bool needs_positive_beta(weir_activation_id id)
{
    return id == WEIR_SOFTPLUS || id == WEIR_SELU;
}

weir_status weir__activation_check(const weir_activation *a, const char *field, weir_error *err)
{
    const weir_activation_info *info = weir_activation_get(a->id);
    if (!info)
        return weir__fail(err, WEIR_E_ARGUMENT, "%s: there is no activation number %d; use a weir_activation_id", field, (int)a->id);
    if (!isfinite(a->alpha))
        return weir__fail(err, WEIR_E_ARGUMENT, "%s: alpha of %s is %g; it must be a finite number", field, info->name, (double)a->alpha);
    if (!isfinite(a->beta))
        return weir__fail(err, WEIR_E_ARGUMENT, "%s: beta of %s is %g; it must be a finite number", field, info->name, (double)a->beta);
    if (a->beta < 0 && needs_positive_beta(a->id))
        return weir__fail(err, WEIR_E_ARGUMENT, "%s: beta of %s is %g; it must be a positive number, or 0 for the default %g", field,
                          info->name, (double)a->beta, (double)info->beta);
    return WEIR_OK;
}

weir_activation weir__activation_resolve(weir_activation a, weir_activation_id fallback)
{
    if (a.id == WEIR_ACTIVATION_DEFAULT)
        a.id = fallback;
    const weir_activation_info *info = weir_activation_get(a.id);
    if (a.alpha == 0)
        a.alpha = info->alpha;
    if (a.beta == 0)
        a.beta = info->beta;
    return a;
}

static weir_status resolve(const weir_activation *a, weir_form form, weir_isa isa, weir_activation *resolved,
                           const struct weir__kernels **k, weir_error *err)
{
    TRY(weir__activation_check(a, "activation", err));
    if (form != WEIR_EXACT && form != WEIR_FAST)
        return weir__fail(err, WEIR_E_ARGUMENT, "there is no form number %d; use WEIR_EXACT or WEIR_FAST", (int)form);
    *k = weir__kernels_for(isa);
    if (!*k)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "this CPU or this build has no such instruction set; use WEIR_ISA_BEST");
    *resolved = weir__activation_resolve(*a, a->id);
    return WEIR_OK;
}

enum { PIECE = 256 }; /* numbers converted to double at a time for the reference */

static void apply(const struct weir__kernels *k, weir_form form, const weir_activation *a, size_t n, const float *x, float *y)
{
    if (k->exact && (form == WEIR_FAST || linear[a->id - 1]))
        k->activate(a, n, x, y);
    else if (k->exact)
        k->exact->apply(a, n, x, y);
    else
        for (size_t at = 0; at < n; at += PIECE) {
            double wide[PIECE];
            size_t some = n - at < PIECE ? n - at : PIECE;
            k->from_float(some, x + at, wide);
            k->activate(a, some, wide, wide);
            k->to_float(some, wide, y + at);
        }
}

static void grad(const struct weir__kernels *k, weir_form form, const weir_activation *a, size_t n, const float *x, const float *dy,
                 float *dx)
{
    if (k->exact && (form == WEIR_FAST || linear[a->id - 1]))
        k->activate_grad(a, n, x, dy, dx);
    else if (k->exact)
        k->exact->grad(a, n, x, dy, dx);
    else
        for (size_t at = 0; at < n; at += PIECE) {
            double wide[PIECE], up[PIECE];
            size_t some = n - at < PIECE ? n - at : PIECE;
            k->from_float(some, x + at, wide);
            k->from_float(some, dy + at, up);
            k->activate_grad(a, some, wide, up, wide);
            k->to_float(some, wide, dx + at);
        }
}

weir_status weir_activation_apply(const weir_activation *a, weir_form form, weir_isa isa, size_t n, const float *x, float *y,
                                  weir_error *err)
{
    weir_activation f;
    const struct weir__kernels *k = NULL;
    TRY(resolve(a, form, isa, &f, &k, err));
    apply(k, form, &f, n, x, y);
    return weir__ok(err);
}

weir_status weir_activation_grad(const weir_activation *a, weir_form form, weir_isa isa, size_t n, const float *x, const float *dy,
                                 float *dx, weir_error *err)
{
    weir_activation f;
    const struct weir__kernels *k = NULL;
    TRY(resolve(a, form, isa, &f, &k, err));
    grad(k, form, &f, n, x, dy, dx);
    return weir__ok(err);
}

/* ---- By name ---- */

static void by_name(weir_activation_id id, weir_form form, size_t n, const float *x, const float *dy, float *out)
{
    weir_activation a = weir__activation_resolve((weir_activation){.id = id}, id);
    const struct weir__kernels *k = weir__kernels_for(WEIR_ISA_BEST);
    if (dy)
        grad(k, form, &a, n, x, dy, out);
    else
        apply(k, form, &a, n, x, out);
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
