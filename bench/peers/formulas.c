/* SPDX-License-Identifier: MIT */
#include "formulas.h"

#include <math.h>

#define FORMULA(name, value)                                                           \
    void formula_##name(size_t n, const float *restrict x_array, float *restrict y)    \
    {                                                                                  \
        for (size_t i = 0; i < n; i++) {                                               \
            float x = x_array[i];                                                      \
            y[i] = (value);                                                            \
        }                                                                              \
    }
FORMULA(sigmoid, 1 / (1 + expf(-x)))
FORMULA(tanh, tanhf(x))
FORMULA(elu, x > 0 ? x : expm1f(x))
FORMULA(gelu, 0.5f * x * (1 + erff(x * 0.70710678f)))
FORMULA(gelu_tanh, 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x))))
FORMULA(silu, x / (1 + expf(-x)))
FORMULA(mish, x *tanhf(log1pf(expf(x))))
FORMULA(softplus, log1pf(expf(x)))
FORMULA(exp, expf(x))
FORMULA(erf, erff(x))
