/* Every operation of every vector header against its rule: all triples of special values, and random bits.
 * Built with WEIR_SIMDE (tests/simde.sh) it runs the AVX-512 header on a CPU without AVX-512.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include <weir.h>

#include "kernel/inline.h"

#if defined __x86_64__
#include <immintrin.h>
#elif defined __aarch64__
#include <arm_neon.h>
#endif

enum operation { ADD, SUB, MUL, DIV, SQRT, FMA, RINT, NEG, ABS, COPYSIGN, LESS, LESS_EQUAL, SELECT, MIN, MAX, OPERATIONS };
static const char *const operation_name[OPERATIONS] = {"add", "sub",      "mul",  "div",        "sqrt",   "fma", "rint", "neg",
                                                       "abs", "copysign", "less", "less_equal", "select", "min", "max"};

static const float special_floats[] = {
    0.0f,
    -0.0f,
    0x1p-149f,
    -0x1p-149f,
    0x1.fffffcp-127f,
    0x1p-126f,
    -0x1p-126f,
    0x1.000002p-75f,
    0.5f,
    -0.5f,
    1.0f,
    -1.0f,
    1.5f,
    2.5f,
    -2.5f,
    0x1.fffffep-1f,
    3.0f,
    0x1p23f,
    0x1.000002p23f,
    8388607.5f,
    -0x1p24f,
    0x1p64f,
    0x1.8p127f,
    -0x1p127f,
    INFINITY,
    -INFINITY,
    NAN,
    -NAN,
    0x1.fffffep127f,
};
static const double special_doubles[] = {
    0.0, -0.0, 0x1p-1074, -0x1p-1074,         0x1p-1022, -0x1p-1022, 0.5,      -0.5,      1.0, -1.0, 1.5,
    2.5, -2.5, 0x1p52,    4503599627370495.5, 0x1p1023,  -0x1p1023,  INFINITY, -INFINITY, NAN, -NAN, 0x1.fffffffffffffp1023,
};

/* The names of a vector header, with TARGET in front. */
#define GLUE_(a, b) a##_##b
#define GLUE(a, b) GLUE_(a, b)
#define NAME(x) GLUE(TARGET, x)
#define real NAME(real)
#define vec NAME(vec)
#define mask NAME(mask)
#define pattern NAME(pattern_type)
#define bits_of NAME(bits_of)
#define of_bits NAME(of_bits)
#define v_load NAME(v_load)
#define v_store NAME(v_store)
#define v_set NAME(v_set)
#define v_add NAME(v_add)
#define v_sub NAME(v_sub)
#define v_mul NAME(v_mul)
#define v_div NAME(v_div)
#define v_sqrt NAME(v_sqrt)
#define v_fma NAME(v_fma)
#define v_neg NAME(v_neg)
#define v_abs NAME(v_abs)
#define v_copysign NAME(v_copysign)
#define v_lt NAME(v_lt)
#define v_le NAME(v_le)
#define v_select NAME(v_select)
#define v_min NAME(v_min)
#define v_max NAME(v_max)
#define v_rint NAME(v_rint)
#define v_pow2_shifted NAME(v_pow2_shifted)
#define v_split NAME(v_split)
#define v_load_even NAME(v_load_even)
#define v_load_odd NAME(v_load_odd)
#define ivec NAME(ivec)
#define i_zero NAME(i_zero)
#define i_dot NAME(i_dot)
#define i_float NAME(i_float)
#define v_load_float NAME(v_load_float)
#define v_store_float NAME(v_store_float)
#define v_same_float NAME(v_same_float)

#define FLOAT_MATH(name) name##f
#define DOUBLE_MATH(name) name

#define TARGET scalar
#define BITS uint32_t
#define SPECIAL special_floats
#define MATH FLOAT_MATH
#include "kernel/vec_scalar.h"
#include "vec_rules.h"

#define TARGET scalar_wide
#define WIDE
#define BITS uint64_t
#define SPECIAL special_doubles
#define MATH DOUBLE_MATH
#include "kernel/vec_scalar_wide.h"
#include "vec_rules.h"

#if defined __x86_64__

#if defined __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define TARGET avx2
#define BITS uint32_t
#define SPECIAL special_floats
#define MATH FLOAT_MATH
#include "kernel/vec_avx2.h"
#include "vec_rules.h"
#define TARGET avx2_wide
#define WIDE
#define BITS uint64_t
#define SPECIAL special_doubles
#define MATH DOUBLE_MATH
#include "kernel/vec_avx2_wide.h"
#include "vec_rules.h"
#if defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined WEIR_SIMDE
#elif defined __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif
#define TARGET avx512
#define BITS uint32_t
#define SPECIAL special_floats
#define MATH FLOAT_MATH
#include "kernel/vec_avx512.h"
#include "vec_rules.h"
#define TARGET avx512_wide
#define WIDE
#define BITS uint64_t
#define SPECIAL special_doubles
#define MATH DOUBLE_MATH
#include "kernel/vec_avx512_wide.h"
#include "vec_rules.h"
#if defined WEIR_SIMDE
#elif defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#elif defined __aarch64__

#define TARGET neon
#define BITS uint32_t
#define SPECIAL special_floats
#define MATH FLOAT_MATH
#include "kernel/vec_neon.h"
#include "vec_rules.h"
#define TARGET neon_wide
#define WIDE
#define BITS uint64_t
#define SPECIAL special_doubles
#define MATH DOUBLE_MATH
#include "kernel/vec_neon_wide.h"
#include "vec_rules.h"

#endif

/* Outside the pragmas: nothing here may need more than the CPU has. */
static void test_if(weir_isa isa, void (*test)(void))
{
    if (weir_isa_available(isa))
        test();
    else
        print_message("SKIPPED: this CPU has no %s\n", weir_isa_name(isa));
}

static void scalar(void **state)
{
    (void)state;
    scalar_test();
}
static void scalar_wide(void **state)
{
    (void)state;
    scalar_wide_test();
}
#if defined __x86_64__
static void avx2(void **state)
{
    (void)state;
    test_if(WEIR_ISA_AVX2, avx2_test);
    test_if(WEIR_ISA_AVX2, avx2_wide_test);
}
static void avx512(void **state)
{
    (void)state;
#if defined WEIR_SIMDE
    test_if(WEIR_ISA_AVX2, avx512_test);
    test_if(WEIR_ISA_AVX2, avx512_wide_test);
#else
    test_if(WEIR_ISA_AVX512, avx512_test);
    test_if(WEIR_ISA_AVX512, avx512_wide_test);
#endif
}
#elif defined __aarch64__
static void neon(void **state)
{
    (void)state;
    test_if(WEIR_ISA_NEON, neon_test);
    test_if(WEIR_ISA_NEON, neon_wide_test);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar),
        cmocka_unit_test(scalar_wide),
#if defined __x86_64__
        cmocka_unit_test(avx2),
        cmocka_unit_test(avx512),
#elif defined __aarch64__
        cmocka_unit_test(neon),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
