/* The list of a configuration's tensors: names, shapes, places. Everything that walks over weights walks over this list.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_PARAMS_H
#define WEIR_PARAMS_H

#include "config.h"

enum weir__param_kind {
    WEIR__WEIGHT_IH,    /* (4H, I) */
    WEIR__WEIGHT_HH,    /* (4H, P) */
    WEIR__BIAS,         /* (4H) */
    WEIR__PEEPHOLE,     /* (3, H) */
    WEIR__SLOPE,        /* (5, H) of i, f, g, o, output */
    WEIR__WEIGHT_HR,    /* (P, H) */
    WEIR__DENSE_WEIGHT, /* (units, inputs) */
    WEIR__DENSE_BIAS,   /* (units) */
    WEIR__DENSE_SLOPE   /* (units) */
};

struct weir__param {
    char name[sizeof((weir_tensor *)0)->name];
    enum weir__param_kind kind;
    size_t layer;     /* of the stack, or of the head */
    size_t direction; /* 0 forward (or the only one), 1 reverse */
    size_t rows, cols; /* a vector has rows = 0 */
    size_t count;      /* of numbers */
    size_t offset;     /* of its first number in the array of all weights; a multiple of 16 */
};

struct weir__params {
    size_t count;
    struct weir__param *list;
    size_t size;    /* numbers in the array of all weights, with the padding between tensors; a multiple of 16 */
    size_t weights; /* numbers without padding */
};

/* The list of a resolved configuration. Fails if the sizes cannot be held in memory. */
weir_status weir__params_new(struct weir__params *params, const weir_config *resolved, const weir_allocator *a, weir_error *err);
void weir__params_free(struct weir__params *params, const weir_allocator *a);
/* The tensor of this kind, or NULL. */
const struct weir__param *weir__params_find(const struct weir__params *params, enum weir__param_kind kind, size_t layer, size_t direction);
/* Its name and shape, without data. */
weir_tensor weir__param_tensor(const struct weir__param *p);
/* True for weight matrices: those that weight decay shrinks. */
static inline bool weir__param_is_matrix(const struct weir__param *p)
{
    return p->kind == WEIR__WEIGHT_IH || p->kind == WEIR__WEIGHT_HH || p->kind == WEIR__WEIGHT_HR || p->kind == WEIR__DENSE_WEIGHT;
}

#endif
