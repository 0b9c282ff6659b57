/* Activations and their derivatives for one instruction set, from the records.
 *
 * alpha is a vector because a PReLU's slope is one per lane.
 *
 * SPDX-License-Identifier: MIT */

static ALWAYS_INLINE vec activation_value(weir_activation_id id, vec x, vec alpha, vec beta)
{
    switch (id) {
#define ACTIVATION(ID, name, onnx, a, b, value, slope, ...) \
    case WEIR_##ID:                                         \
        return value;
#define FUNCTION(ID, ...)
#include "activation.def"
    default:
        break;
    }
    (void)alpha;
    (void)beta;
    return x;
}

static ALWAYS_INLINE vec activation_slope(weir_activation_id id, vec x, vec alpha, vec beta)
{
    switch (id) {
#define ACTIVATION(ID, name, onnx, a, b, value, slope, ...) \
    case WEIR_##ID:                                         \
        return slope;
#define FUNCTION(ID, ...)
#include "activation.def"
    default:
        break;
    }
    (void)alpha;
    (void)beta;
    return x;
}

/* Value and derivative at once; the two of the usual cell share their exponential. */
static ALWAYS_INLINE void activation_pair(weir_activation_id id, vec x, vec alpha, vec beta, vec *y, vec *d)
{
    if (id == WEIR_SIGMOID)
        v_sigmoid_pair(x, y, d);
    else if (id == WEIR_TANH)
        v_tanh_pair(x, y, d);
    else {
        *y = activation_value(id, x, alpha, beta);
        *d = activation_slope(id, x, alpha, beta);
    }
}

/* One call for all activations, for the places where speed is not everything. */
static NEVER_INLINE vec value_of(const weir_activation *a, vec x, vec alpha)
{
    return activation_value(a->id, x, alpha, v_set((real)a->beta));
}

static NEVER_INLINE void pair_of(const weir_activation *a, vec x, vec alpha, vec *y, vec *d)
{
    activation_pair(a->id, x, alpha, v_set((real)a->beta), y, d);
}
