/* The AVX-512 kernels under the name of the AVX2 kernels: linked instead of src/kernel/k_avx2.c, WEIR_ISA_AVX2 runs the AVX-512
 * source through SIMDe, with the tiling of src/kernel/k_avx512.c.
 * SPDX-License-Identifier: MIT */
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include <immintrin.h>

#define ISA WEIR_ISA_AVX2
#define KERNELS weir__kernels_avx2
#define FAST weir__fast_avx2
#define MOST_CHAINS 24
#define SOLO_BLOCKS 2
#include "kernel/vec_avx512.h"
#include "kernel/table.h"
