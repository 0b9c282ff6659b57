/* Where each weight lies in the arrays that the kernels read: the one definition of the layout, used to pack weights, to read them
 * back and to make index maps.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_PACK_H
#define WEIR_PACK_H

#include "../kernel/kernel.h"
#include "params.h"

enum weir__pack_mode {
    WEIR__PACK_COUNT, /* only moves on */
    WEIR__PACK_MAP,   /* map[place] = number of the weight in the array of all weights */
    WEIR__PACK_WRITE, /* packed[place] = weight */
    WEIR__PACK_READ   /* weight = packed[place] */
};

/* Walks over packed arrays that lie one behind the other. */
struct weir__packer {
    enum weir__pack_mode mode;
    const struct weir__kernels *k;
    const struct weir__params *params;
    size_t at; /* place, in reals */
    uint32_t *map;
    void *packed;
    const float *const *from;       /* [params.count] the data of each tensor */
    const struct weir__param *only; /* the tensor to read, */
    float *to;                      /* and where to */
};

/* Each goes over the array of one tensor and gives the place where the array begins. hidden 0: a plain matrix. */

/* W (n, cols) -> [panels][cols][64] in its form; a table of doubles rounds the weights but keeps them as its reals */
size_t weir__pack_matrix(struct weir__packer *p, const struct weir__param *w, size_t hidden, weir_weights form);
/* W^T -> [ceil(cols / 64)][rows of W, of gates in the order [panel][4][16] with padding][64] */
size_t weir__pack_transposed(struct weir__packer *p, const struct weir__param *w, size_t hidden);
/* The bias of the gates (4H) -> [panels][64] */
size_t weir__pack_bias(struct weir__packer *p, const struct weir__param *v, size_t hidden);
/* Vectors (groups, n) -> [ceil(n / 16)][slots][16] */
size_t weir__pack_units(struct weir__packer *p, const struct weir__param *v, size_t groups, size_t n, size_t slots);
/* A vector (n) -> [round up to 64] */
size_t weir__pack_columns(struct weir__packer *p, const struct weir__param *v);

/* The form in which a table of kernels can hold a matrix. */
weir_weights weir__form_held(const struct weir__kernels *k, weir_weights form);

#endif
