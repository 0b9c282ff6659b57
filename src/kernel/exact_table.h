/* The exact forms on arrays for one instruction set: the files exact_<isa>.c choose the vector header of doubles and include this text.
 *
 * A result y is in doubt if the ends of [y - error, y + error] round to different floats (Ziv 1991); settle.h decides those.
 *
 * SPDX-License-Identifier: MIT */
#include "inline.h"
#include "settle.h"
#include "wide_math.h"
#include "exact.h"

/* The ends: what the result is if the error is as large as it can be, downwards and upwards. */
typedef struct ends {
    vec low, high;
} ends;

static ALWAYS_INLINE ends ends_of_value(weir_activation_id id, vec x, vec alpha, vec beta)
{
    vec y = x;
    switch (id) {
#define ACTIVATION(ID, name, onnx, a, b, value, slope, exact, ...) \
    case WEIR_##ID:                                                \
        y = exact;                                                 \
        break;
#define LINEAR(ID, ...)
#include "activation.def"
    default:
        break;
    }
    (void)alpha;
    (void)beta;
    return (ends){v_mul(y, V(1 - DOUBT)), v_mul(y, V(1 + DOUBT))};
}

static ALWAYS_INLINE ends ends_of_grad(weir_activation_id id, vec x, vec dy, vec alpha, vec beta)
{
    vec d = x, extra = V(0.0), *doubt = &extra;
    switch (id) {
#define ACTIVATION(ID, name, onnx, a, b, value, slope, exact, exact_slope, ...) \
    case WEIR_##ID:                                                             \
        d = exact_slope;                                                        \
        break;
#define LINEAR(ID, ...)
#include "activation.def"
    default:
        break;
    }
    (void)alpha;
    (void)beta;
    (void)doubt;
    return (ends){v_mul(dy, v_sub(v_mul(d, V(1 - DOUBT)), extra)), v_mul(dy, v_add(v_mul(d, V(1 + DOUBT)), extra))};
}

static NEVER_INLINE void settle(const weir_activation *a, vec x, const vec *dy, ends e, float *y)
{
    float at[LANES], up[LANES], low[LANES], high[LANES];
    v_store_float(at, x);
    v_store_float(low, e.low);
    v_store_float(high, e.high);
    if (dy)
        v_store_float(up, *dy);
    for (size_t i = 0; i < LANES; i++)
        if (low[i] == high[i])
            y[i] = low[i];
        else if (isnan(low[i]) || isnan(high[i]))
            y[i] = NAN; /* one NaN for all */
        else
            y[i] = dy ? weir__settle_grad(a, at[i], up[i]) : weir__settle_value(a, at[i]);
}

/* Whole vectors, and the rest in a buffer, so that a value's bits never depend on its place. */
static ALWAYS_INLINE void values(weir_activation_id id, const weir_activation *a, size_t n, const float *x, float *y)
{
    vec alpha = v_set((double)a->alpha), beta = v_set((double)a->beta);
    for (size_t i = 0; i < n; i += LANES) {
        float buffer[LANES] = {0};
        bool whole = n - i >= LANES;
        if (!whole)
            memcpy(buffer, x + i, (n - i) * sizeof *buffer);
        float *out = whole ? y + i : buffer;
        vec in = v_load_float(whole ? x + i : buffer);
        ends e = ends_of_value(id, in, alpha, beta);
        if (v_same_float(e.low, e.high))
            v_store_float(out, e.low);
        else
            settle(a, in, NULL, e, out);
        if (!whole)
            memcpy(y + i, buffer, (n - i) * sizeof *buffer);
    }
}

static ALWAYS_INLINE void grads(weir_activation_id id, const weir_activation *a, size_t n, const float *x, const float *dy, float *dx)
{
    vec alpha = v_set((double)a->alpha), beta = v_set((double)a->beta);
    for (size_t i = 0; i < n; i += LANES) {
        float buffer[LANES] = {0}, up[LANES] = {0};
        bool whole = n - i >= LANES;
        if (!whole) {
            memcpy(buffer, x + i, (n - i) * sizeof *buffer);
            memcpy(up, dy + i, (n - i) * sizeof *up);
        }
        float *out = whole ? dx + i : buffer;
        vec in = v_load_float(whole ? x + i : buffer), g = v_load_float(whole ? dy + i : up);
        ends e = ends_of_grad(id, in, g, alpha, beta);
        if (v_same_float(e.low, e.high))
            v_store_float(out, e.low);
        else
            settle(a, in, &g, e, out);
        if (!whole)
            memcpy(dx + i, buffer, (n - i) * sizeof *buffer);
    }
}

static void apply(const weir_activation *a, size_t n, const float *x, float *y)
{
    switch (a->id) {
#define ACTIVATION(ID, ...)                \
    case WEIR_##ID:                        \
        values(WEIR_##ID, a, n, x, y);     \
        break;
#define LINEAR(ID, ...)
#include "activation.def"
    default:
        break;
    }
}

static void grad(const weir_activation *a, size_t n, const float *x, const float *dy, float *dx)
{
    switch (a->id) {
#define ACTIVATION(ID, ...)                \
    case WEIR_##ID:                        \
        grads(WEIR_##ID, a, n, x, dy, dx); \
        break;
#define LINEAR(ID, ...)
#include "activation.def"
    default:
        break;
    }
}

const struct weir__exact EXACT = {.apply = apply, .grad = grad};
