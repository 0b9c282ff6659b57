/* One lane of double, for the exact forms and the reference; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef double real;
typedef uint64_t pattern;
#define REAL(c) c
#define LIBM(name) name
#define FRACTION 52
#define SIGN 0x8000000000000000u
#define ONE 0x3FF0000000000000u
#define SQRT_HALF 0x3FE6A09E667F3BCDu
#include "vec_one_lane.h"

static inline vec v_load_float(const float *p)
{
    return (double)*p;
}
static inline void v_store_float(float *p, vec x)
{
    *p = (float)x;
}
static inline bool v_same_float(vec a, vec b)
{
    return (float)a == (float)b;
}
