/* Layer 5: the cell of ONNX's LSTM operator beside that of Weir: the order of its gates, and the activations that it can name.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_CELL_H
#define WEIR_ONNX_CELL_H

#include "format/onnx.h"

/* Where each of ONNX's gates i, o, f, c stands among Weir's i, f, g, o, and each of its peepholes i, o, f among i, f, o. */
enum { WEIR__GATES = 4, WEIR__PEEPHOLES = 3 };
extern const size_t weir__onnx_gates[WEIR__GATES], weir__onnx_peepholes[WEIR__PEEPHOLES];

/* https://github.com/onnx/onnx/blob/main/docs/Operators.md#LSTM. The lists activation_alpha and activation_beta hold one number for each
 * activation that takes it, in the order of the activations. */
typedef struct weir__cell_activation {
    const char *name;
    weir_activation_id id;
    bool takes_alpha, takes_beta;
    bool defaults;     /* whether the lists may be without them; then */
    float alpha, beta;
} weir__cell_activation;

/* The record of `id`, or NULL: a cell of ONNX cannot have it. */
const weir__cell_activation *weir__cell_activation_get(weir_activation_id id);
/* The record of a name, in whatever letters (ONNX Runtime does not tell capitals from small ones), or NULL: no cell of Weir has it. */
const weir__cell_activation *weir__cell_activation_find(weir__text name);
/* Can a cell of ONNX have it, with these parameters? */
bool weir__cell_activation_fits(const weir_activation *a);

#endif
