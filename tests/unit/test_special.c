/* The special functions of the losses against MPFR.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <mpfr.h>

#include "../../src/base/base.h"
#include "../../src/kernel/special.h"

enum { SAMPLES = 4000, BITS = 200 };

/* x from 1e-6 to 1e12, and half of them whole numbers or halves, where counts lead. */
static double sample(uint64_t i)
{
    weir__random r = {.key = 7};
    double u = weir__random_uniform(&r, i), x = exp(log(1e-6) + u * log(1e18));
    return i % 2 && x > 1 && x < 1e9 ? rint(2 * x) / 2 : x;
}

static void true_log_gamma(mpfr_t y, double x, double plus)
{
    int sign;
    mpfr_set_d(y, x, MPFR_RNDN);
    mpfr_add_d(y, y, plus, MPFR_RNDN);
    mpfr_lgamma(y, &sign, y, MPFR_RNDN);
}

static void true_digamma(mpfr_t y, double x, double plus)
{
    mpfr_set_d(y, x, MPFR_RNDN);
    mpfr_add_d(y, y, plus, MPFR_RNDN);
    mpfr_digamma(y, y, MPFR_RNDN);
}

/* f, or its step of 1/2, against `own`: the largest error, as a multiple of absolute + relative |f|. */
static double worst_of(double (*own)(double), void (*truth)(mpfr_t, double, double), bool step, double absolute, double relative)
{
    mpfr_t y, z;
    mpfr_inits2(BITS, y, z, (mpfr_ptr)NULL);
    double worst = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        double x = sample(i), got = own(x);
        truth(y, x, step ? 0.5 : 0);
        if (step) {
            truth(z, x, 0);
            mpfr_sub(y, y, z, MPFR_RNDN);
        }
        double limit = absolute + relative * fabs(mpfr_get_d(y, MPFR_RNDN));
        mpfr_sub_d(y, y, got, MPFR_RNDN);
        double error = fabs(mpfr_get_d(y, MPFR_RNDN)) / limit;
        worst = error > worst || error != error ? error : worst;
    }
    mpfr_clears(y, z, (mpfr_ptr)NULL);
    return worst;
}

static void true_log1p(mpfr_t y, double x, double plus)
{
    (void)plus;
    mpfr_set_d(y, x, MPFR_RNDN);
    mpfr_log1p(y, y, MPFR_RNDN);
}

static void errors_are_as_stated(void **state)
{
    (void)state;
    const struct {
        const char *name;
        double worst;
    } all[] = {
        {"log1p", worst_of(weir__log1p, true_log1p, false, 0, 1e-15)},
        {"log gamma", worst_of(weir__log_gamma, true_log_gamma, false, 1e-14, 5e-16)},
        {"digamma", worst_of(weir__digamma, true_digamma, false, 1e-14, 1e-15)},
        {"half step", worst_of(weir__half_step, true_log_gamma, true, 3e-15, 5e-16)},
        {"slope of it", worst_of(weir__half_step_slope, true_digamma, true, 0, 1e-14)},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        print_message("%s: %.3g of what is stated\n", all[i].name, all[i].worst);
        assert_true(all[i].worst <= 1);
    }
}

static void edges_are_finite(void **state)
{
    (void)state;
    assert_true(weir__log1p(0) == 0 && weir__log1p(1e300) > 690);
    assert_true(isfinite(weir__log_gamma(1e-300)) && isfinite(weir__digamma(1e-300)));
    assert_true(isfinite(weir__log_gamma(3e38)) && weir__half_step(1e300) > 345 && weir__half_step_slope(1e300) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_as_stated),
        cmocka_unit_test(edges_are_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
