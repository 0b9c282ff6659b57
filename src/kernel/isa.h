/* The instruction sets of this build: scalar, and those that the compiler's CPU may have, less the ones that WEIR_NO_AVX2, WEIR_NO_AVX512,
 * WEIR_NO_NEON and WEIR_NO_REF64 leave out (CMake: WEIR_ISAS).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ISA_H
#define WEIR_ISA_H

#include <weir.h>

#if defined __x86_64__ && !defined WEIR_NO_AVX2
#define WEIR__HAS_AVX2 1
#endif
#if defined __x86_64__ && !defined WEIR_NO_AVX512
#define WEIR__HAS_AVX512 1
#endif
#if defined __aarch64__ && !defined WEIR_NO_NEON
#define WEIR__HAS_NEON 1
#endif
#if !defined WEIR_NO_REF64
#define WEIR__HAS_REF64 1
#endif

/* The instruction set itself, for WEIR_ISA_BEST the fastest; WEIR_ISA_BEST if this build or CPU lacks it. */
weir_isa weir__isa_resolve(weir_isa isa);

#endif
