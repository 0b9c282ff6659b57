/* Where each weight lies in the arrays that the kernels read: the one definition of the layout.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_PACK_H
#define WEIR_PACK_H

#include "../kernel/kernel.h"
#include "params.h"

/* hidden 0: a plain matrix or vector of n rows. */
enum weir__packed_shape {
    WEIR__MATRIX,     /* W (n, cols) -> [panels][cols][64] in its form; a table of doubles rounds the weights but keeps them as its reals */
    WEIR__TRANSPOSED, /* W^T -> [ceil(cols / 64)][rows of W, of gates in the order [panel][4][16] with padding][64] */
    WEIR__GATES,      /* the bias of the gates (4H) -> [panels][64] */
    WEIR__UNIT_SLOTS, /* vectors (groups, n) -> [ceil(n / 16)][slots][16] */
    WEIR__VECTOR      /* a vector (n) -> [round up to 64] */
};

/* One tensor's array. */
struct weir__packed {
    const struct weir__param *v;
    size_t at; /* where it begins among all packed arrays, in reals */
    enum weir__packed_shape shape;
    weir_weights form; /* of WEIR__MATRIX */
    uint32_t hidden;
    uint16_t groups, slots;
};

/* How many reals of the table it takes. */
size_t weir__packed_size(const struct weir__kernels *k, const struct weir__packed *a);
/* Sets the array at `packed` from the tensor's numbers, and gives these back. Padding is left as it is: 0. */
void weir__packed_write(const struct weir__kernels *k, const struct weir__packed *a, const float *from, void *packed);
void weir__packed_read(const struct weir__kernels *k, const struct weir__packed *a, const void *packed, float *to);
/* The same from and to reals of the table, float32 weights only; of a matrix, part `part` of `parts`. */
void weir__pack(const struct weir__kernels *k, const struct weir__packed *a, const void *reals, void *packed, size_t part, size_t parts);
void weir__unpack(const struct weir__kernels *k, const struct weir__packed *a, const void *packed, void *reals, size_t part, size_t parts);

/* The form in which a table of kernels can hold a matrix. */
weir_weights weir__form_held(const struct weir__kernels *k, weir_weights form);

#endif
