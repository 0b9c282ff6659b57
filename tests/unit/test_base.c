/* SPDX-License-Identifier: MIT */
#include "base/base.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void errors_carry_status_offset_and_sentence(void **state)
{
    (void)state;
    weir_error err;
    assert_int_equal(weir__fail(&err, WEIR_E_ARGUMENT, "hidden is %d", 7), WEIR_E_ARGUMENT);
    assert_int_equal(err.status, WEIR_E_ARGUMENT);
    assert_int_equal(err.offset, 0);
    assert_string_equal(err.text, "hidden is 7");

    assert_int_equal(weir__fail_at(&err, WEIR_E_FORMAT, 123, "%s", "bad"), WEIR_E_FORMAT);
    assert_int_equal(err.offset, 123);
    assert_int_equal(weir__fail(NULL, WEIR_E_IO, "nobody asks"), WEIR_E_IO);

    assert_int_equal(weir__ok(&err), WEIR_OK);
    assert_string_equal(err.text, "");
}

static void a_long_sentence_is_cut_and_ended(void **state)
{
    (void)state;
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    weir_error err;
    weir__fail(&err, WEIR_E_IO, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    for (int a = WEIR_E_NONFINITE; a <= 0; a++) {
        assert_string_not_equal(weir_status_name((weir_status)a), weir_status_name((weir_status)1));
        for (int b = WEIR_E_NONFINITE; b < a; b++)
            assert_string_not_equal(weir_status_name((weir_status)a), weir_status_name((weir_status)b));
    }
}

static void the_version_is_the_header_s(void **state)
{
    (void)state;
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH);
    assert_string_equal(weir_version(), version);
}

static void memory_is_aligned_and_zero(void **state)
{
    (void)state;
    weir_allocator a = weir__allocator(NULL);
    for (size_t size = 0; size < 300; size++) {
        unsigned char *p = weir__alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % WEIR__ALIGN, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xFF, size);
        weir__free(&a, p, size);
    }
    assert_null(weir__alloc(&a, SIZE_MAX));
    weir__free(&a, NULL, 5);
}

typedef struct ledger {
    size_t allocated, freed;
} ledger;

static unsigned char arena[1024];

static void *ledger_alloc(void *ctx, size_t size, size_t align)
{
    ((ledger *)ctx)->allocated += size;
    return arena + (align - (uintptr_t)arena % align) % align;
}

static void ledger_free(void *ctx, void *ptr, size_t size)
{
    (void)ptr;
    ((ledger *)ctx)->freed += size;
}

static void the_user_s_allocator_gets_the_same_size_back(void **state)
{
    (void)state;
    ledger l = {0, 0};
    weir_allocator user = {ledger_alloc, ledger_free, &l}, a = weir__allocator(&user);
    for (size_t size = 0; size < 100; size += 7)
        weir__free(&a, weir__alloc(&a, size), size);
    assert_true(l.allocated > 0);
    assert_int_equal(l.allocated, l.freed);
}

static void size_arithmetic_refuses_to_wrap(void **state)
{
    (void)state;
    size_t r = 42;
    assert_true(weir__size_mul(&r, SIZE_MAX / 3, 3));
    assert_int_equal(r, SIZE_MAX / 3 * 3);
    assert_true(weir__size_mul(&r, SIZE_MAX, 0));
    assert_int_equal(r, 0);
    assert_true(weir__size_add(&r, SIZE_MAX - 1, 1));
    assert_int_equal(r, SIZE_MAX);
    assert_false(weir__size_mul(&r, SIZE_MAX / 2 + 1, 2));
    assert_false(weir__size_add(&r, SIZE_MAX, 1));
    assert_int_equal(weir__round_up(0, 16), 0);
    assert_int_equal(weir__round_up(17, 16), 32);
}

/* Known answers of Random123's own test (kat_vectors, philox4x32 with 10 rounds). */
static void philox_gives_the_published_words(void **state)
{
    (void)state;
    static const struct {
        uint64_t counter, stream, key;
        uint32_t words[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x85a308d3243f6a88, 0x0370734413198a2e, 0x299f31d0a4093822, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        weir__random r = {known[i].key, known[i].stream};
        uint32_t words[4];
        weir__random_block(&r, known[i].counter, words);
        assert_memory_equal(words, known[i].words, sizeof words);
    }
}

enum { DRAWS = 200000 };

/* Standard errors: mean 1/sqrt(12 n), second moment sqrt(4/45 / n) for uniforms; bounds are five of them. */
static void uniforms_are_uniform(void **state)
{
    (void)state;
    weir__random r = {7, 3};
    double sum = 0, square = 0, lag = 0, before = 0.5;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u = weir__random_uniform(&r, i);
        assert_true(u > 0 && u < 1);
        sum += u;
        square += u * u;
        lag += (u - 0.5) * (before - 0.5);
        before = u;
    }
    assert_true(fabs(sum / DRAWS - 1.0 / 2) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(square / DRAWS - 1.0 / 3) < 5 * sqrt(4.0 / 45 / DRAWS));
    assert_true(fabs(lag / DRAWS) < 5 * (1.0 / 12) / sqrt(DRAWS));
    assert_true(weir__random_uniform(&r, 5) == weir__random_uniform(&r, 5));
    weir__random other = {7, 4};
    assert_true(weir__random_uniform(&r, 5) != weir__random_uniform(&other, 5));
}

/* Standard errors of the moments 1 to 4 of a normal: sqrt(1, 2, 15, 96 over n). */
static void normals_are_normal(void **state)
{
    (void)state;
    weir__random r = {11, 0};
    double m[5] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        double x = weir__random_normal(&r, i);
        for (int k = 1; k <= 4; k++)
            m[k] += pow(x, k) / DRAWS;
    }
    assert_true(fabs(m[1]) < 5 * sqrt(1.0 / DRAWS));
    assert_true(fabs(m[2] - 1) < 5 * sqrt(2.0 / DRAWS));
    assert_true(fabs(m[3]) < 5 * sqrt(15.0 / DRAWS));
    assert_true(fabs(m[4] - 3) < 5 * sqrt(96.0 / DRAWS));
}

/* long double has 64 bits or more of mantissa on every machine the tests run on: an oracle for a double. */
static void log_and_cospi_keep_their_bounds(void **state)
{
    (void)state;
    assert_true(LDBL_MANT_DIG >= 64);
    const long double pi = 3.14159265358979323846264338327950288L;
    weir__random r = {5, 5};
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u = weir__random_uniform(&r, i), x = i % 2 ? u : ldexp(1 + u, (int)(i % 120) - 60);
        long double truth = logl((long double)x);
        assert_true(fabsl((long double)weir__log(x) - truth) <= 4e-16L * fabsl(truth));
        assert_true(fabsl((long double)weir__cospi(2 * u) - cosl(pi * 2 * (long double)u)) <= 4e-16L);
    }
    assert_true(weir__log(1) == 0);
    for (int e = 1; e < 50; e++)
        for (int side = -1; side <= 1; side += 2) {
            double x = 1 + side * ldexp(1, -e);
            if (x > 0)
                assert_true(fabsl((long double)weir__log(x) - logl((long double)x)) <= 4e-16L * fabsl(logl((long double)x)));
        }
    assert_true(weir__cospi(0) == 1 && weir__cospi(0.5) == 0 && weir__cospi(1) == -1 && weir__cospi(1.5) == 0 &&
                weir__cospi(2) == 1);
}

static void count(void *arg, size_t i)
{
    ((int *)arg)[i]++;
}

/* A pool that runs its tasks backwards. */
static void run_backwards(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    ++*(int *)ctx;
    while (n--)
        task(arg, n);
}

static void parallel_for_runs_each_task_once(void **state)
{
    (void)state;
    int runs = 0;
    weir_parallel pool = {run_backwards, &runs, 3};
    const weir_parallel *pools[] = {NULL, &pool};
    for (size_t p = 0; p < 2; p++)
        for (size_t n = 0; n < 10; n++) {
            int counts[10] = {0};
            weir__parallel_for(pools[p], n, count, counts);
            for (size_t i = 0; i < 10; i++)
                assert_int_equal(counts[i], i < n);
        }
    assert_true(runs > 0);
    assert_int_equal(weir__parallel_threads(NULL), 1);
    assert_int_equal(weir__parallel_threads(&pool), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_carry_status_offset_and_sentence),
        cmocka_unit_test(a_long_sentence_is_cut_and_ended),
        cmocka_unit_test(every_status_has_a_name),
        cmocka_unit_test(the_version_is_the_header_s),
        cmocka_unit_test(memory_is_aligned_and_zero),
        cmocka_unit_test(the_user_s_allocator_gets_the_same_size_back),
        cmocka_unit_test(size_arithmetic_refuses_to_wrap),
        cmocka_unit_test(philox_gives_the_published_words),
        cmocka_unit_test(uniforms_are_uniform),
        cmocka_unit_test(normals_are_normal),
        cmocka_unit_test(log_and_cospi_keep_their_bounds),
        cmocka_unit_test(parallel_for_runs_each_task_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
