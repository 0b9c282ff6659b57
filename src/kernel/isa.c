/* Which instruction sets this build and this CPU have: pure functions, no state.
 * SPDX-License-Identifier: MIT */
#include "isa.h"

static bool cpu_has(weir_isa isa)
{
    switch (isa) {
    case WEIR_ISA_SCALAR:
        return true;
#if WEIR__HAS_REF64
    case WEIR_ISA_REF64:
        return true;
#endif
#if WEIR__HAS_AVX2
    case WEIR_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
#if WEIR__HAS_AVX512
    case WEIR_ISA_AVX512:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
#if WEIR__HAS_NEON
    case WEIR_ISA_NEON:
        return true;
#endif
    default:
        return false;
    }
}

weir_isa weir__isa_resolve(weir_isa isa)
{
    static const weir_isa fastest_first[] = {WEIR_ISA_AVX512, WEIR_ISA_AVX2, WEIR_ISA_NEON, WEIR_ISA_SCALAR};
    if (isa != WEIR_ISA_BEST)
        return cpu_has(isa) ? isa : WEIR_ISA_BEST;
    for (size_t i = 0;; i++)
        if (cpu_has(fastest_first[i]))
            return fastest_first[i];
}

bool weir_isa_available(weir_isa isa)
{
    return weir__isa_resolve(isa) != WEIR_ISA_BEST;
}

const char *weir_isa_name(weir_isa isa)
{
    static const char *const names[] = {"best", "scalar", "avx2", "avx512", "neon", "ref64"};
    return (size_t)isa < sizeof names / sizeof *names ? names[isa] : NULL;
}
