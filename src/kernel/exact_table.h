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

/* One vector with a doubt in it. y may be x or dy. */
static NEVER_INLINE void settle(const weir_activation *a, const float *x, const float *dy, vec low, vec high, float *y)
{
    float least[LANES], most[LANES];
    v_store_float(least, low);
    v_store_float(most, high);
    for (size_t i = 0; i < LANES; i++)
        if (least[i] == most[i])
            y[i] = least[i];
        else if (isnan(least[i]) || isnan(most[i]))
            y[i] = NAN; /* one NaN for all */
        else
            y[i] = dy ? weir__settle_grad(a, x[i], dy[i]) : weir__settle_value(a, x[i]);
}

/* Whole vectors, and then the rest in a buffer, so that a value's bits never depend on its place. */
static ALWAYS_INLINE void values(weir_activation_id id, const weir_activation *a, size_t n, const float *x, float *y)
{
    const vec alpha = v_set((double)a->alpha), beta = v_set((double)a->beta);
    float rest[LANES];
    size_t whole = n - n % LANES, count = whole;
    const float *from = x;
    float *to = y;
    for (;;) {
        for (size_t i = 0; i < count; i += LANES) {
            ends e = ends_of_value(id, v_load_float(from + i), alpha, beta);
            if (v_same_float(e.low, e.high))
                v_store_float(to + i, e.low);
            else
                settle(a, from + i, NULL, e.low, e.high, to + i);
        }
        if (to == rest || whole == n)
            break;
        memset(rest, 0, sizeof rest);
        memcpy(rest, x + whole, (n - whole) * sizeof *rest);
        from = to = rest;
        count = LANES;
    }
    if (to == rest)
        memcpy(y + whole, rest, (n - whole) * sizeof *rest);
}

static ALWAYS_INLINE void grads(weir_activation_id id, const weir_activation *a, size_t n, const float *x, const float *dy, float *dx)
{
    const vec alpha = v_set((double)a->alpha), beta = v_set((double)a->beta);
    float rest[LANES], rest_dy[LANES];
    size_t whole = n - n % LANES, count = whole;
    const float *from = x, *from_dy = dy;
    float *to = dx;
    for (;;) {
        for (size_t i = 0; i < count; i += LANES) {
            ends e = ends_of_grad(id, v_load_float(from + i), v_load_float(from_dy + i), alpha, beta);
            if (v_same_float(e.low, e.high))
                v_store_float(to + i, e.low);
            else
                settle(a, from + i, from_dy + i, e.low, e.high, to + i);
        }
        if (to == rest || whole == n)
            break;
        memset(rest, 0, sizeof rest);
        memset(rest_dy, 0, sizeof rest_dy);
        memcpy(rest, x + whole, (n - whole) * sizeof *rest);
        memcpy(rest_dy, dy + whole, (n - whole) * sizeof *rest);
        from = to = rest;
        from_dy = rest_dy;
        count = LANES;
    }
    if (to == rest)
        memcpy(dx + whole, rest, (n - whole) * sizeof *rest);
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
