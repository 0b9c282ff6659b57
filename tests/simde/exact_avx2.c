/* The exact forms of AVX-512 under the name of AVX2's, as k_avx2.c here.
 * SPDX-License-Identifier: MIT */
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

#include <immintrin.h>

#define EXACT weir__exact_avx2
#include "kernel/vec_avx512_wide.h"
#include "kernel/exact_table.h"
