/* Kernels for any CPU: one lane, fmaf.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ISA WEIR_ISA_SCALAR
#define KERNELS weir__kernels_scalar
#define FAST weir__fast_scalar
#define MOST_CHAINS 12
#define SOLO_BLOCKS 2
#include "vec_scalar.h"
#include "table.h"
