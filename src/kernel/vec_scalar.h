/* One lane of float; operations as in vec.h.
 * SPDX-License-Identifier: MIT */
typedef float real;
typedef uint32_t pattern;
#define REAL(c) c##f
#define LIBM(name) name##f
#define FRACTION 23
#define SIGN 0x80000000u
#define ONE 0x3F800000u
#define SQRT_HALF 0x3F3504F3u
#include "vec_one_lane.h"
