/* Weights of fewer bits: which matrices have them, and how a float is rounded (weir_weights in weir.h).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_NARROW_H
#define WEIR_NARROW_H

#include "params.h"

/* The form of a tensor of this configuration. */
weir_weights weir__form_of(const weir_config *config, const struct weir__param *p);
/* The largest size of a weight that this form can hold. */
float weir__largest_weight(weir_weights form);

/* To the nearest bfloat16, ties to even. */
uint16_t weir__to_bf16(float w);
float weir__from_bf16(uint16_t bits);

/* The step of a row in 8 bits: max |w| / 127, rounded up to 16 bits of fraction. So step times [-127, 127] is exact, and weights that have
 * been rounded once are not changed again. */
float weir__int8_step(const float *row, size_t n);
/* The nearest multiple of the step, ties to even. */
int8_t weir__to_int8(float w, float step);

#endif
