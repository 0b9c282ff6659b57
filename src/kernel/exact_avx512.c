/* Exact forms for x86-64 with AVX-512: 8 doubles.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <math.h>
#include <string.h>

#if WEIR__HAS_AVX512
#include <immintrin.h>

#if defined __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif

#define EXACT weir__exact_avx512
#include "vec_avx512_wide.h"
#include "exact_table.h"

#if defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else
typedef int weir__not_in_this_build; /* ISO C wants a declaration */
#endif
