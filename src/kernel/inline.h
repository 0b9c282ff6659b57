/* SPDX-License-Identifier: MIT */
#ifndef WEIR_INLINE_H
#define WEIR_INLINE_H

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))
/* The compiler knows nothing more of this pointer's value. */
#define OPAQUE(pointer) __asm__("" : "+r"(pointer))
#if defined __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_TWICE _Pragma("clang loop unroll_count(2)")
#elif defined __GNUC__
#define UNROLL _Pragma("GCC unroll 32")
#define UNROLL_TWICE _Pragma("GCC unroll 2")
#endif

#endif
