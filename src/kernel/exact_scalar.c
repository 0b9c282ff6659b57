/* Exact forms for any CPU: one double, fma.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <math.h>
#include <string.h>

#define EXACT weir__exact_scalar
#include "vec_scalar_wide.h"
#include "exact_table.h"
