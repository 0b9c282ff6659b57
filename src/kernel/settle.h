/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SETTLE_H
#define WEIR_SETTLE_H

#include <weir.h>

/* The correctly rounded f(x) and dy f'(x), for the inputs where double leaves a doubt: x and the result are finite, x is not 0 for
 * a value. a is resolved. The product with dy is rounded once. */
float weir__settle_value(const weir_activation *a, float x);
float weir__settle_grad(const weir_activation *a, float x, float dy);

#endif
