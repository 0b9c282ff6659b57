/* Which kernels this CPU can run: a pure function, no state.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

const struct weir__kernels *weir__kernels_for(weir_isa isa)
{
    switch (weir__isa_resolve(isa)) {
    case WEIR_ISA_SCALAR:
        return &weir__kernels_scalar;
#if WEIR__HAS_REF64
    case WEIR_ISA_REF64:
        return &weir__kernels_ref64;
#endif
#if WEIR__HAS_AVX2
    case WEIR_ISA_AVX2:
        return &weir__kernels_avx2;
#endif
#if WEIR__HAS_AVX512
    case WEIR_ISA_AVX512:
        return __builtin_cpu_supports("avx512vnni") ? &weir__kernels_avx512_vnni : &weir__kernels_avx512;
#endif
#if WEIR__HAS_NEON
    case WEIR_ISA_NEON:
        return &weir__kernels_neon;
#endif
    default:
        return NULL;
    }
}

const struct weir__kernels *weir__kernels_for_units(weir_isa isa, size_t units)
{
    const struct weir__kernels *k = weir__kernels_for(isa), *narrow = weir__kernels_for(WEIR_ISA_AVX2);
    return isa == WEIR_ISA_BEST && narrow && 2 * units <= k->lanes ? narrow : k;
}
