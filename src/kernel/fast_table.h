/* The fast forms on arrays for one instruction set: whole vectors, and the rest in a buffer, so that a value's bits never depend on its place.
 *
 * SPDX-License-Identifier: MIT */

/* One NaN for all: operations keep different bits of a NaN on different instruction sets. */
static ALWAYS_INLINE vec one_nan(vec x)
{
    return v_select(v_le(x, x), x, v_set((real)NAN));
}

/* to[i] = result for all i < n, where result is an expression in x = from[i] and dy = from_dy[i]. */
#define ARRAY(result)                                                          \
    {                                                                          \
        const vec alpha = v_set((real)a->alpha), beta = v_set((real)a->beta);  \
        for (;;) {                                                             \
            for (size_t i = 0; i < count; i += LANES) {                        \
                vec x = v_load(from + i), dy = v_load(from_dy + i);            \
                v_store(to + i, one_nan(result));                              \
                (void)dy;                                                      \
            }                                                                  \
            if (to == rest || whole == n)                                      \
                break;                                                         \
            memset(rest, 0, sizeof rest);                                      \
            memset(rest_dy, 0, sizeof rest_dy);                                \
            memcpy(rest, from + whole, (n - whole) * sizeof *rest);            \
            memcpy(rest_dy, from_dy + whole, (n - whole) * sizeof *rest);      \
            end = to + whole;                                                  \
            from = to = rest;                                                  \
            from_dy = rest_dy;                                                 \
            count = LANES;                                                     \
        }                                                                      \
        (void)alpha;                                                           \
        (void)beta;                                                            \
    }                                                                          \
    break;

static void fast_apply(const weir_activation *a, size_t n, const void *x_array, void *y_array)
{
    const real *from = x_array, *from_dy = x_array;
    real rest[LANES], rest_dy[LANES], *to = y_array, *end = to;
    size_t whole = n - n % LANES, count = whole;
    switch (a->id) {
#define ACTIVATION(ID, name, onnx, a_, b_, value, slope, ...) \
    case WEIR_##ID:                                           \
        ARRAY(value)
#include "activation.def"
    case WEIR_ACTIVATION_DEFAULT:
        break;
    }
    if (to == rest)
        memcpy(end, rest, (n - whole) * sizeof *rest);
}

static void fast_grad(const weir_activation *a, size_t n, const void *x_array, const void *dy_array, void *dx_array)
{
    const real *from = x_array, *from_dy = dy_array;
    real rest[LANES], rest_dy[LANES], *to = dx_array, *end = to;
    size_t whole = n - n % LANES, count = whole;
    switch (a->id) {
#define ACTIVATION(ID, name, onnx, a_, b_, value, slope, ...) \
    case WEIR_##ID:                                           \
        ARRAY(v_mul(dy, slope))
#include "activation.def"
    case WEIR_ACTIVATION_DEFAULT:
        break;
    }
    if (to == rest)
        memcpy(end, rest, (n - whole) * sizeof *rest);
}
#undef ARRAY

const struct weir__fast FAST = {.apply = fast_apply, .grad = fast_grad};
