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
#include "activation.def"
#undef ACTIVATION
    case WEIR_ACTIVATION_DEFAULT:
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
#include "activation.def"
#undef ACTIVATION
    case WEIR_ACTIVATION_DEFAULT:
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

/* ---- Arrays: whole vectors, then one vector in a buffer, so that a value's bits never depend on its place ---- */

static NEVER_INLINE vec value_of(const weir_activation *a, vec x, vec alpha)
{
    return activation_value(a->id, x, alpha, v_set((real)a->beta));
}

static NEVER_INLINE void pair_of(const weir_activation *a, vec x, vec alpha, vec *y, vec *d)
{
    activation_pair(a->id, x, alpha, v_set((real)a->beta), y, d);
}

static NEVER_INLINE vec slope_of(const weir_activation *a, vec x, vec alpha)
{
    return activation_slope(a->id, x, alpha, v_set((real)a->beta));
}

/* One NaN for all: operations keep different bits of a NaN on different instruction sets. */
static inline vec one_nan(vec x)
{
    return v_select(v_le(x, x), x, v_set((real)NAN));
}

static void activate(const weir_activation *a, size_t n, const void *x, void *y)
{
    const real *in = x;
    real *out = y, tail[LANES];
    vec alpha = v_set((real)a->alpha);
    for (; n >= LANES; n -= LANES, in += LANES, out += LANES)
        v_store(out, one_nan(value_of(a, v_load(in), alpha)));
    if (n) {
        memset(tail, 0, sizeof tail);
        memcpy(tail, in, n * sizeof *tail);
        v_store(tail, one_nan(value_of(a, v_load(tail), alpha)));
        memcpy(out, tail, n * sizeof *tail);
    }
}

static void activate_grad(const weir_activation *a, size_t n, const void *x, const void *dy, void *dx)
{
    const real *in = x, *up = dy;
    real *out = dx, tail[LANES], tail_up[LANES];
    vec alpha = v_set((real)a->alpha);
    for (; n >= LANES; n -= LANES, in += LANES, up += LANES, out += LANES)
        v_store(out, one_nan(v_mul(v_load(up), slope_of(a, v_load(in), alpha))));
    if (n) {
        memset(tail, 0, sizeof tail);
        memset(tail_up, 0, sizeof tail_up);
        memcpy(tail, in, n * sizeof *tail);
        memcpy(tail_up, up, n * sizeof *tail_up);
        v_store(tail, one_nan(v_mul(v_load(tail_up), slope_of(a, v_load(tail), alpha))));
        memcpy(out, tail, n * sizeof *tail);
    }
}
