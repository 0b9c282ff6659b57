/* Forecast distributions: shares, quantiles and scores against their definitions.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "../../cli/data/series_private.h"

static double width[] = {1.3};
static const target plain = {.width = width}, logarithm = {.width = width, .transform = TRANSFORM_LOG},
                    root = {.width = width, .transform = TRANSFORM_SQRT};

static const struct {
    recipe r;
    const target *t;
    outcome o;
} cases[] = {
    {{.distribution = GAUSSIAN}, &plain, {2, 3, 0}},
    {{.distribution = GAUSSIAN}, &logarithm, {1, 0.4, 0}},
    {{.distribution = GAUSSIAN}, &root, {5, 0.7, 0}},
    {{.distribution = STUDENT_T}, &plain, {-1, 0.5, 2.01}},
    {{.distribution = STUDENT_T}, &plain, {0, 2, 7.5}},
    {{.distribution = STUDENT_T}, &logarithm, {1, 0.1, 30}},
    {{.distribution = NEGATIVE_BINOMIAL}, &plain, {8, 0.3, 0}},
    {{.distribution = NEGATIVE_BINOMIAL}, &plain, {0.4, 2, 0}},
    {{.distribution = NEGATIVE_BINOMIAL}, &plain, {3000, 0.0001, 0}},
};
enum { CASES = sizeof cases / sizeof *cases };

/* Integral of (F(y) - [x <= y])^2 by midpoints, from the share alone. */
static double crps_by_definition(const recipe *r, const target *t, outcome o, double x)
{
    double low = fmin(quantile_of(r, t, o, 1, 1e-6), x), high = fmax(quantile_of(r, t, o, 1, 1 - 1e-6), x), sum = 0;
    size_t pieces = r->distribution == NEGATIVE_BINOMIAL ? (size_t)(high - low) : 400000;
    double step = (high - low) / (double)pieces;
    for (size_t i = 0; i < pieces; i++) {
        double y = low + ((double)i + (r->distribution == NEGATIVE_BINOMIAL ? 0 : 0.5)) * step,
               d = share_below(r, t, o, 1, y) - (y >= x);
        sum += d * d * step;
    }
    return sum;
}

static void quantiles_invert_shares(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++)
        for (double p = 0.01; p < 1; p += 0.07) {
            double x = quantile_of(&cases[c].r, cases[c].t, cases[c].o, 1, p),
                   q = share_below(&cases[c].r, cases[c].t, cases[c].o, 1, x);
            if (cases[c].r.distribution == NEGATIVE_BINOMIAL)
                assert_true(q >= p && (x == 0 || share_below(&cases[c].r, cases[c].t, cases[c].o, 1, x - 1) < p));
            else
                assert_true(fabs(q - p) < 1e-9);
        }
}

static void counts_add_up(void **state)
{
    (void)state;
    const recipe r = {.distribution = NEGATIVE_BINOMIAL};
    outcome o = {8, 0.3, 0};
    double before = 0, mean = 0, square = 0;
    for (double k = 0; k < 400; k++) { /* the share's steps are the probabilities that the loss measures */
        double now = share_below(&r, &plain, o, 1, k), p = now - before;
        assert_true(fabs(p - exp(-surprise(&r, &plain, o, 1, k))) < 1e-12);
        mean += p * k;
        square += p * k * k;
        before = now;
    }
    assert_true(fabs(mean - 8) < 1e-9 && fabs(square - mean * mean - (8 + 0.3 * 64)) < 1e-6);
}

static void student_is_the_known_one(void **state)
{
    (void)state;
    const recipe r = {.distribution = STUDENT_T};
    double one[] = {1};
    const target t = {.width = one};
    /* two-sided 90 and 99 % points of published tables */
    assert_true(fabs(quantile_of(&r, &t, (outcome){0, 1, 5}, 1, 0.95) - 2.015048) < 1e-6);
    assert_true(fabs(quantile_of(&r, &t, (outcome){0, 1, 30}, 1, 0.995) - 2.749996) < 1e-6);
    assert_true(fabs(quantile_of(&r, &t, (outcome){0, 1, 3}, 1, 0.05) + 2.353363) < 1e-6);
}

static void scores_are_integrals(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        const recipe *r = &cases[c].r;
        double low = quantile_of(r, cases[c].t, cases[c].o, 1, 0.02), high = quantile_of(r, cases[c].t, cases[c].o, 1, 0.999);
        const double x[] = {low, 0.5 * (low + high), high, high + (high - low)};
        for (size_t i = 0; i < 4; i++) {
            double at = r->distribution == NEGATIVE_BINOMIAL ? floor(x[i]) : x[i];
            double own = crps_of(r, cases[c].t, cases[c].o, 1, at), truth = crps_by_definition(r, cases[c].t, cases[c].o, at);
            if (!(fabs(own - truth) < 2e-3 * truth))
                fail_msg("case %zu: CRPS at %g is %g, not %g", c, at, own, truth);
        }
    }
}

static void scores_of_values_return(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++)
        for (double z = -2.5; z <= 2.5; z += 0.5) {
            double x = value_of_score(&cases[c].r, cases[c].t, cases[c].o, 1, z),
                   back = score_of_value(&cases[c].r, cases[c].t, cases[c].o, 1, x);
            assert_true(cases[c].r.distribution == NEGATIVE_BINOMIAL ? x >= 0 : fabs(back - z) < 1e-6);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_invert_shares),  cmocka_unit_test(counts_add_up),
        cmocka_unit_test(student_is_the_known_one), cmocka_unit_test(scores_are_integrals),
        cmocka_unit_test(scores_of_values_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
