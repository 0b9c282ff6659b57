/* The usual formulas over the C library's functions.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>

void formula_sigmoid(size_t n, const float *x, float *y);
void formula_tanh(size_t n, const float *x, float *y);
void formula_elu(size_t n, const float *x, float *y);
void formula_gelu(size_t n, const float *x, float *y);
void formula_gelu_tanh(size_t n, const float *x, float *y);
void formula_silu(size_t n, const float *x, float *y);
void formula_mish(size_t n, const float *x, float *y);
void formula_softplus(size_t n, const float *x, float *y);
void formula_exp(size_t n, const float *x, float *y);
void formula_erf(size_t n, const float *x, float *y);
