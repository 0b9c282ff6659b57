/* The kernels of k_avx512.c, with sums of 8-bit products in one operation (AVX-512 VNNI).
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if WEIR__HAS_AVX512
#include <immintrin.h>

#if defined __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma")
#endif

#define ISA WEIR_ISA_AVX512
#define VNNI
#define KERNELS weir__kernels_avx512_vnni
#define MOST_CHAINS 24
#define SOLO_BLOCKS 1
#include "vec_avx512.h"
#include "table.h"

#if defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else
typedef int weir__not_in_this_build; /* ISO C wants a declaration */
#endif
