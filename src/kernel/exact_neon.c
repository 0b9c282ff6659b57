/* Exact forms for AArch64: 2 doubles.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <math.h>
#include <string.h>

#if WEIR__HAS_NEON
#include <arm_neon.h>

#define EXACT weir__exact_neon
#include "vec_neon_wide.h"
#include "exact_table.h"

#else
typedef int weir__not_in_this_build; /* ISO C wants a declaration */
#endif
