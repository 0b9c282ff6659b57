/* The records as data.
 * SPDX-License-Identifier: MIT */
#include "activation_info.h"

#include <math.h>
#include <string.h>

#include "../base/base.h"

#define RECORD(ID, block, name, onnx, alpha, beta, value, slope, exact, exact_slope, error, grad_error, ...) \
    {WEIR_##ID, name, onnx, block, alpha, beta, error, grad_error, __VA_ARGS__},
static const weir_activation_info records[] = {
#define ACTIVATION(ID, ...) RECORD(ID, false, __VA_ARGS__)
#define FUNCTION(ID, ...) RECORD(ID, true, __VA_ARGS__)
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
