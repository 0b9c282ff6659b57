/* Kernels for x86-64 with AVX2 and FMA: 8 lanes, 16 registers.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if WEIR__HAS_AVX2
#include <immintrin.h>

#if defined __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define ISA WEIR_ISA_AVX2
#define KERNELS weir__kernels_avx2
#define FAST weir__fast_avx2
#define MOST_CHAINS 12
#define SOLO_BLOCKS 2
#include "vec_avx2.h"
#include "table.h"

#if defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else
typedef int weir__not_in_this_build; /* ISO C wants a declaration */
#endif
