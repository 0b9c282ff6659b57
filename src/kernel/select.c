/* Which kernels this CPU can run: a pure function, no state.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

static bool cpu_has(weir_isa isa)
{
    switch (isa) {
    case WEIR_ISA_SCALAR:
    case WEIR_ISA_REF64:
        return true;
#if defined __x86_64__
    case WEIR_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case WEIR_ISA_AVX512:
        return cpu_has(WEIR_ISA_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#elif defined __aarch64__
    case WEIR_ISA_NEON:
        return true;
#endif
    default:
        return false;
    }
}

static const struct weir__kernels *table(weir_isa isa)
{
    switch (isa) {
    case WEIR_ISA_SCALAR:
        return &weir__kernels_scalar;
    case WEIR_ISA_REF64:
        return &weir__kernels_ref64;
#if defined __x86_64__
    case WEIR_ISA_AVX2:
        return &weir__kernels_avx2;
    case WEIR_ISA_AVX512:
        return __builtin_cpu_supports("avx512vnni") ? &weir__kernels_avx512_vnni : &weir__kernels_avx512;
#elif defined __aarch64__
    case WEIR_ISA_NEON:
        return &weir__kernels_neon;
#endif
    default:
        return NULL;
    }
}

const struct weir__kernels *weir__kernels_for(weir_isa isa)
{
    static const weir_isa fastest_first[] = {WEIR_ISA_AVX512, WEIR_ISA_AVX2, WEIR_ISA_NEON, WEIR_ISA_SCALAR};
    if (isa != WEIR_ISA_BEST)
        return cpu_has(isa) ? table(isa) : NULL;
    for (size_t i = 0;; i++)
        if (cpu_has(fastest_first[i]))
            return table(fastest_first[i]);
}

const struct weir__kernels *weir__kernels_for_units(weir_isa isa, size_t units)
{
    const struct weir__kernels *k = weir__kernels_for(isa), *narrow = weir__kernels_for(WEIR_ISA_AVX2);
    return isa == WEIR_ISA_BEST && narrow && 2 * units <= k->lanes ? narrow : k;
}

bool weir_isa_available(weir_isa isa)
{
    return weir__kernels_for(isa) != NULL;
}

const char *weir_isa_name(weir_isa isa)
{
    static const char *const names[] = {"best", "scalar", "avx2", "avx512", "neon", "ref64"};
    return (size_t)isa < sizeof names / sizeof *names ? names[isa] : NULL;
}
