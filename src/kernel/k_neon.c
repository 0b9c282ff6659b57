/* Kernels for AArch64: 4 lanes, 32 registers.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined __aarch64__
#include <arm_neon.h>

#define ISA WEIR_ISA_NEON
#define KERNELS weir__kernels_neon
#define EXACT weir__exact_neon
#define MOST_CHAINS 24
#define SOLO_BLOCKS 4
#include "vec_neon.h"
#include "table.h"

#else
typedef int weir__not_this_cpu; /* ISO C wants a declaration */
#endif
