/* SPDX-License-Identifier: MIT */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include "network.h"

struct weir_model {
    weir_allocator allocator;
    weir_config config; /* resolved; notes and allocator point into this object */
    char *notes;
    struct weir__network net;
};

#endif
