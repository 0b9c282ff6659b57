/* What activations and derivatives really are.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_TRUTH_H
#define WEIR_TRUTH_H

#include <weir.h>

enum { TRUTH_PIECE = 1024 };

/* f(x), or dy f'(x) with `slope`, as the correctly rounded float, by MPFR with 280 bits. a is resolved; x and dy are finite. */
float truth_decide(const weir_activation *a, bool slope, float x, float dy);
/* f(x) or f'(x) as the correctly rounded double, the same way. */
double truth_double(const weir_activation *a, bool slope, float x);
/* The same for many x, in double by the C library, with a bound of the absolute error (test_activation checks it against MPFR). */
void truth_array(const weir_activation *a, bool slope, size_t n, const float *x, double *y, double *error);

#endif
