/* Layer 5: the two biases of other frameworks' LSTM layers, of which only the sum matters.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_BIAS_H
#define WEIR_BIAS_H

/* The very bits of the first where the second is 0. */
static inline float weir__bias_sum(float first, float second)
{
    return second == 0 ? first : first + second;
}

#endif
