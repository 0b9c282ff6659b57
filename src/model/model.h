/* SPDX-License-Identifier: MIT */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include "network.h"

struct weir_model {
    weir_allocator allocator;
    weir_config config; /* resolved; notes and allocator point into this object */
    char *notes;
    float *weights; /* [net.params.size] in the order of the list */
    struct weir__network net;
};

/* Packs float weights into a network of any table. */
weir_status weir__model_pack(struct weir__network *net, const float *weights, weir_error *err);

#endif
