/* A model's tensor with its weights, for tests.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_TENSORS_H
#define WEIR_TEST_TENSORS_H

#include <stdlib.h>
#include <weir.h>

static inline size_t numbers(const weir_tensor *t)
{
    return (t->rows ? t->rows : 1) * t->cols;
}

/* Its data is the caller's: free_tensor. */
static inline weir_tensor whole_tensor(const weir_model *m, size_t index)
{
    weir_tensor t = weir_model_tensor(m, index);
    float *data = malloc(numbers(&t) * sizeof *data);
    weir_model_weights(m, index, data);
    t.data = data;
    return t;
}

static inline void free_tensor(weir_tensor t)
{
    free((void *)(uintptr_t)t.data);
}

#endif
