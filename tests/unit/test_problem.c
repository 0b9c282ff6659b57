/* Problems of weir bench: what their strings mean, and that tiny ones have subnormal states.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "problem.h"

enum { MOST = 2 * 3 * 128 };

static problem read(const char *text)
{
    problem p;
    weir_error err;
    if (!problem_read(text, &p, &err))
        fail_msg("%s", err.text);
    return p;
}

static void words_come_in_any_order_and_defaults_are_filled_in(void **state)
{
    (void)state;
    assert_string_equal(read("R2-tiny-H256").text, "R2-f32-L2-H256-T1-B1-tiny");
    assert_string_equal(read("R1-peep-tiny-bf16").text, "R1-bf16-L1-H128-T1-B1-peep-tiny");
    assert_string_equal(read("R4-I3-peep").text, "R4-f32-L2-H128-I3-T64-B16-peep");
    assert_true(read("R3-tiny").tiny && !read("R3").tiny);
    problem p;
    weir_error err;
    assert_false(problem_read("R4-tiny", &p, &err));
    assert_non_null(strstr(err.text, "only what runs can be tiny"));
}

/* How many of the problem's h and c are of this class, and how many there are, after some passes. */
static size_t count_states(const problem *p, weir_isa isa, int passes, int class, size_t *all)
{
    float h[MOST], c[MOST];
    weir_error err;
    workload *w = workload_new(p, isa, NULL, &err);
    if (!w)
        fail_msg("%s: %s", p->text, err.text);
    for (int i = 0; i < passes; i++)
        workload_pass(w);
    weir_stream_get_state(workload_stream(w), h, c);
    workload_free(w);
    size_t n = (size_t)p->layers * p->rows * p->hidden, count = 0;
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++)
        count += (size_t)(fpclassify(h[i]) == class) + (size_t)(fpclassify(c[i]) == class);
    *all = 2 * n;
    return count;
}

static void tiny_states_are_subnormal_and_stay_so(void **state)
{
    (void)state;
    static const char *const texts[] = {"R1-H16-tiny-peep", "R1-H1-tiny", "R2-H128-tiny-peep", "R2-H50-B3-tiny-peep",
                                        "R2-H128-bf16-tiny-peep", "R2-H128-int8-tiny-peep"};
    static const int passes[] = {1, 2, 100};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int isa = WEIR_ISA_BEST; isa < WEIR_ISA_REF64; isa++)
            for (size_t j = 0; j < 3 && weir_isa_available((weir_isa)isa); j++) {
                problem p = read(texts[i]), usual = p;
                usual.tiny = false;
                size_t all, tiny = count_states(&p, (weir_isa)isa, passes[j], FP_SUBNORMAL, &all);
                if (tiny != all)
                    fail_msg("%s, %d passes: %zu of %zu states are subnormal", texts[i], passes[j], tiny, all);
                assert_int_equal(count_states(&usual, (weir_isa)isa, passes[j], FP_NORMAL, &all), all);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_come_in_any_order_and_defaults_are_filled_in),
        cmocka_unit_test(tiny_states_are_subnormal_and_stay_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
