/* Kernels for reference: double, one lane, libm.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if WEIR__HAS_REF64

#define ISA WEIR_ISA_REF64
#define REFERENCE 1 /* exponentials are libm's */
#define KERNELS weir__kernels_ref64
#define FAST weir__fast_ref64
#define MOST_CHAINS 12
#define SOLO_BLOCKS 2
#include "vec_scalar_wide.h"
#include "table.h"

#else
typedef int weir__not_in_this_build; /* ISO C wants a declaration */
#endif
