/* Roundings that double leaves in doubt, decided with 107 bits.
 * SPDX-License-Identifier: MIT */
#include "settle.h"

#include <math.h>
#include <string.h>

#include "inline.h"
#include "twofold.h"
#include "exact.h"

/* To the nearest float, ties to even. Rounding to double first would round twice, so the double is rounded to odd (Boldo & Melquiond
 * 2008). What is below 2^-98 is the error of a tie. */
static float round_to_float(vec y)
{
    uint64_t bits;
    if (fabs(y.lo) < 0x1p-98 * fabs(y.hi))
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

float weir__settle_grad(const weir_activation *a, float at, float dy)
{
    vec alpha = v_set((double)a->alpha), beta = v_set((double)a->beta), extra, *doubt = &extra, x, d;
    /* The slope just beside 0 may be a tie in itself: then the side of x decides, so keep it within sight. */
    double scale = a->beta != 0 ? fabs((double)a->beta) : 1;
    bool tiny = at != 0 && fabs((double)at) * scale < 0x1p-60;
    d = x = v_set(tiny ? copysign(0x1p-60, (double)at) / scale : (double)at);
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
    return round_to_float(v_mul(v_set((double)dy), d));
}
