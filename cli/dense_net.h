/* A small fully connected network in floats, for weir study only: models are the library's.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_DENSE_NET_H
#define WEIR_CLI_DENSE_NET_H

#include <weir.h>

enum { MOST_DEPTH = 65, MOST_ROWS = 512 };

/* Random numbers of a seed: splitmix64. */
typedef struct dice {
    uint64_t state;
} dice;
double dice_uniform(dice *d); /* in (0, 1) */
double dice_normal(dice *d);

typedef struct dense_layer {
    size_t inputs, units;
    float *w, *b, *slope;    /* [units][inputs], [units]; slope[units] of PReLU */
    float *z, *a, *dz;       /* [rows][units]: arguments, outputs, gradients by the arguments */
    float *dw, *db, *dslope; /* of the last backward pass */
    float *vw, *vb, *vslope; /* momentum */
} dense_layer;

typedef struct dense_net {
    weir_activation activation; /* of all layers but the last if `linear_end` */
    bool linear_end;
    size_t depth, rows;
    dense_layer layers[MOST_DEPTH];
} dense_net;

/* sizes[0] inputs, then units; weights normal with variance gain / inputs, biases 0. False without memory. */
bool dense_net_new(dense_net *net, weir_activation a, bool linear_end, size_t depth, const size_t *sizes, size_t rows, double gain, dice *d);
void dense_net_free(dense_net *net);
/* x (rows, sizes[0]); the result is layers[depth - 1].a */
void dense_net_forward(dense_net *net, size_t rows, const float *x);
/* One layer alone, from `x` */
void dense_layer_forward(const dense_net *net, size_t k, size_t rows, const float *x);
/* From the gradient by the last outputs, (rows, units), to all dz, dw, db. dx (rows, sizes[0]) may be NULL. */
void dense_net_backward(dense_net *net, size_t rows, const float *x, const float *dy, float *dx);
/* w -= rate * (momentum of dw) */
void dense_net_update(dense_net *net, float rate, float momentum);

#endif
