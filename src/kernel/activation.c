/* The records as data, and the public functions over them.
 * SPDX-License-Identifier: MIT */
#include "activation_info.h"

#include <math.h>
#include <string.h>

#include "kernel.h"

static const weir_activation_info records[] = {
#define ACTIVATION(ID, name, onnx, alpha, beta, value, slope, formula, derivative, pros, cons, use, source)                      \
    {WEIR_##ID, name, onnx, alpha, beta, formula, derivative, pros, cons, use, source},
#include "activation.def"
#undef ACTIVATION
};

enum {
    RECORDS = sizeof records / sizeof *records,
    ORDER_DEFAULT = 0, /* numbers the records as they stand */
#define ACTIVATION(ID, ...) ORDER_##ID,
#include "activation.def"
#undef ACTIVATION
};

#define ACTIVATION(ID, ...) _Static_assert((int)ORDER_##ID == (int)WEIR_##ID, "activation.def is in another order than weir.h: " #ID);
#include "activation.def"
#undef ACTIVATION

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

static weir_status resolve(const weir_activation *a, weir_isa isa, weir_activation *resolved, const struct weir__kernels **k,
                           weir_error *err)
{
    if (!weir_activation_get(a->id))
        return weir__fail(err, WEIR_E_ARGUMENT, "there is no activation number %d; use a weir_activation_id", (int)a->id);
    if (!isfinite(a->alpha) || !isfinite(a->beta))
        return weir__fail(err, WEIR_E_ARGUMENT, "%s: its parameters must be finite numbers", weir_activation_get(a->id)->name);
    *k = weir__kernels_for(isa);
    if (!*k)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "this CPU or this build has no such instruction set; use WEIR_ISA_BEST");
    *resolved = weir__activation_resolve(*a, a->id);
    return WEIR_OK;
}

enum { PIECE = 256 }; /* numbers converted to double at a time for the reference */

weir_status weir_activation_apply(const weir_activation *a, weir_isa isa, size_t n, const float *x, float *y, weir_error *err)
{
    weir_activation f;
    const struct weir__kernels *k;
    weir_status status = resolve(a, isa, &f, &k, err);
    if (status)
        return status;
    if (k->real_size == sizeof(float)) {
        k->activate(&f, n, x, y);
        return weir__ok(err);
    }
    for (size_t at = 0; at < n; at += PIECE) {
        double wide[PIECE];
        size_t some = n - at < PIECE ? n - at : PIECE;
        k->from_float(some, x + at, wide);
        k->activate(&f, some, wide, wide);
        k->to_float(some, wide, y + at);
    }
    return weir__ok(err);
}

weir_status weir_activation_grad(const weir_activation *a, weir_isa isa, size_t n, const float *x, const float *dy, float *dx,
                                 weir_error *err)
{
    weir_activation f;
    const struct weir__kernels *k;
    weir_status status = resolve(a, isa, &f, &k, err);
    if (status)
        return status;
    if (k->real_size == sizeof(float)) {
        k->activate_grad(&f, n, x, dy, dx);
        return weir__ok(err);
    }
    for (size_t at = 0; at < n; at += PIECE) {
        double wide[PIECE], up[PIECE];
        size_t some = n - at < PIECE ? n - at : PIECE;
        k->from_float(some, x + at, wide);
        k->from_float(some, dy + at, up);
        k->activate_grad(&f, some, wide, up, wide);
        k->to_float(some, wide, dx + at);
    }
    return weir__ok(err);
}
