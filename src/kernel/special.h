/* Special functions of double that the losses need: + - * / and weir__log, in one stated order, so the same bits everywhere.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_SPECIAL_H
#define WEIR_SPECIAL_H

/* log(1 + x) for x >= 0, finite. Relative error below 1e-15. */
double weir__log1p(double x);

/* log Gamma(x) and its derivative, for x > 0: Stirling's series from 10 on (Abramowitz & Stegun 1964, 6.1.41 and 6.3.18), below by the
 * recurrence. Errors: below 1e-14 + 5e-16 |log Gamma(x)|, 1e-14 + 1e-15 |psi(x)|. */
double weir__log_gamma(double x);
double weir__digamma(double x);

/* log Gamma(x + 1/2) - log Gamma(x) and its derivative, for x > 0, without the cancellation of large x: log(x) / 2 - 1/(8 x) + ... from 10 on
 * (Tricomi & Erdelyi 1951), below by the recurrence. Errors: below 3e-15 and 5e-16 of the value; relative below 1e-14. */
double weir__half_step(double x);
double weir__half_step_slope(double x);

#endif
