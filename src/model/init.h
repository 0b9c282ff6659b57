/* SPDX-License-Identifier: MIT */
#ifndef WEIR_INIT_H
#define WEIR_INIT_H

#include "params.h"

/* Fills the array of all weights as config->init, gate_bias and seed say: the same numbers on every machine. */
weir_status weir__init_weights(const weir_config *resolved, const struct weir__params *params, float *weights, const weir_allocator *a,
                               weir_error *err);

#endif
