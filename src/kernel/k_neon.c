/* Kernels for AArch64: 4 lanes, 32 registers.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if WEIR__HAS_NEON
#include <arm_neon.h>

#define ISA WEIR_ISA_NEON
#define KERNELS weir__kernels_neon
#define FAST weir__fast_neon
#define MOST_CHAINS 24
#define SOLO_BLOCKS 4
#include "vec_neon.h"
#include "table.h"

#else
typedef int weir__not_in_this_build; /* ISO C wants a declaration */
#endif
