/* Layer 5: the activations that ONNX's LSTM operator can name.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_ACTIVATION_H
#define WEIR_ONNX_ACTIVATION_H

#include "base/base.h"

/* https://github.com/onnx/onnx/blob/main/docs/Operators.md#LSTM. The lists activation_alpha and activation_beta hold one number for each
 * activation that takes it, in the order of the activations. */
typedef struct weir__cell_activation {
    const char *name;
    weir_activation_id id;
    bool takes_alpha, takes_beta;
    float alpha, beta; /* where the lists are absent */
} weir__cell_activation;

/* The record of `id`, or NULL: a cell of ONNX cannot have it. */
const weir__cell_activation *weir__cell_activation_get(weir_activation_id id);
/* Can a cell of ONNX have it, with these parameters? */
bool weir__cell_activation_fits(const weir_activation *a);

#endif
