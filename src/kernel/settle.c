/* Roundings that double leaves in doubt, decided with 107 bits.
 * SPDX-License-Identifier: MIT */
#include "settle.h"

#include <math.h>
#include <string.h>

#include "inline.h"
#include "twofold.h"
#include "exact.h"

static bool is_tie(vec y) /* what is below 2^-98 is the error of a tie, or too small to tell */
{
    return fabs(y.lo) < 0x1p-98 * fabs(y.hi);
}

/* To the nearest float, ties to even. Rounding to double first would round twice, so the double is rounded to odd (Boldo & Melquiond
 * 2008). */
static float round_to_float(vec y)
{
    uint64_t bits;
    if (is_tie(y))
        y.lo = 0;
    memcpy(&bits, &y.hi, sizeof bits);
    if (y.lo != 0 && !(bits & 1))
        bits += signbit(y.lo) == signbit(y.hi) ? 1 : (uint64_t)-1;
    memcpy(&y.hi, &bits, sizeof bits);
    return (float)y.hi;
}

float weir__settle_value(const weir_activation *a, float at)
{
    vec x = v_set((double)at), alpha = v_set((double)a->alpha), beta = v_set((double)a->beta), y = x;
    switch (a->id) {
#define ACTIVATION(ID, name, onnx, a, b, value, slope, exact, ...) \
    case WEIR_##ID:                                                \
        y = exact;                                                 \
        break;
#define LINEAR(ID, ...)
#include "activation.def"
    default:
        break;
    }
    return round_to_float(y);
}

static vec slope_of(const weir_activation *a, vec x)
{
    vec alpha = v_set((double)a->alpha), beta = v_set((double)a->beta), extra, *doubt = &extra, d = x;
    switch (a->id) {
#define ACTIVATION(ID, name, onnx, a, b, value, slope, exact, exact_slope, ...) \
    case WEIR_##ID:                                                             \
        d = exact_slope;                                                        \
        break;
#define LINEAR(ID, ...)
#include "activation.def"
    default:
        break;
    }
    return d;
}

float weir__settle_grad(const weir_activation *a, float at, float dy)
{
    double x = (double)at, scale = a->beta != 0 ? fabs((double)a->beta) : 1;
    vec d = slope_of(a, v_set(x)), y = v_mul(v_set((double)dy), d);
    if (is_tie(y) && x != 0 && fabs(x) * scale < 0x1p-40) {
        /* A tie but for an x too small to tell: the slope further out, on the same side, shows where it leans. */
        vec lean = v_mul(v_set((double)dy), v_sub(slope_of(a, v_set(copysign(0x1p-40, x) / scale)), d));
        y.lo = copysign(0x1p-97 * y.hi, lean.hi);
    }
    return round_to_float(y);
}
