/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONFIG_H
#define WEIR_CONFIG_H

#include "../kernel/kernel.h"

/* Checks a configuration and fills in every default. `notes` and `allocator` are copied as pointers. */
weir_status weir__config_resolve(const weir_config *config, weir_config *resolved, weir_error *err);

/* 1, or 2 for WEIR_BOTH. */
static inline size_t weir__directions(const weir_config *c)
{
    return c->direction == WEIR_BOTH ? 2 : 1;
}
/* P: units of one direction that leave a layer. */
static inline size_t weir__projected(const weir_config *c)
{
    return c->projection ? c->projection : c->hidden;
}
/* Inputs of LSTM layer `layer`. */
static inline size_t weir__layer_inputs(const weir_config *c, size_t layer)
{
    return layer ? weir__directions(c) * weir__projected(c) : c->tokens ? c->tokens : c->inputs;
}
/* Layers of the head, output layer included; 0 without a head. */
static inline size_t weir__dense_count(const weir_config *c)
{
    return c->outputs ? c->dense_layers + 1 : 0;
}
/* Units and inputs of layer `i` of the head; the last is the output layer. */
size_t weir__dense_units(const weir_config *c, size_t i);
size_t weir__dense_inputs(const weir_config *c, size_t i);
/* O: values per step of the output. */
size_t weir__output_values(const weir_config *c);
/* Does the cell learn slopes? */
bool weir__cell_has_slopes(const weir_config *c);

#endif
