/* Whole sequences through one LSTM layer and whole batches through one dense layer, forward and backward, on any kernel table.
 *
 * Rows are sorted by length, longest first: at step s the rows [0, active[s]) are alive. Work is cut by rows or by panels, never through a
 * sum, so no number of threads changes a bit.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_LAYER_H
#define WEIR_LAYER_H

#include "kernel.h"

/* Element i of an array of the table's reals. */
static inline void *weir__at(const struct weir__kernels *k, const void *array, size_t i)
{
    return (char *)array + i * k->real_size;
}

/* Weight i of a packed matrix of float32 or bfloat16, or of a table's reals. */
static inline const void *weir__weights_at(const struct weir__kernels *k, weir_weights form, const void *w, size_t i)
{
    return (const char *)w + i * (form == WEIR_WEIGHTS_BF16 ? sizeof(uint16_t) : k->real_size);
}

/* Rounded-up row lengths: a row of H units, a row of z, a row that a plain product writes. */
static inline size_t weir__units_row(const struct weir__lstm *l)
{
    return l->panels * WEIR__UNITS;
}
static inline size_t weir__gates_row(const struct weir__lstm *l)
{
    return l->panels * WEIR__COLUMNS;
}
static inline size_t weir__columns_row(size_t n)
{
    return weir__round_up(n, WEIR__COLUMNS);
}
static inline size_t weir__hidden_row(const struct weir__lstm *l)
{
    return l->project ? weir__columns_row(l->projected) : weir__units_row(l);
}

/* One direction of one layer over S steps of B rows. */
struct weir__lstm_run {
    const struct weir__kernels *k;
    const struct weir__lstm *l;
    size_t steps, rows;
    size_t begin, end;      /* which steps to do now: [0, S) at once, or in pieces, in order */
    const size_t *active;   /* [S] */
    const void *x;          /* [S][B][x_row], or */
    size_t x_row;           /* at least I */
    const uint32_t *tokens; /* [S][B] */
    void *h;                /* [S + 1][B][hidden row]; slot 0 is the initial state */
    void *c;                /* with tape [S + 1][B][units row], slot 0 initial; without [B][units row], in place */
    void *m;                /* o * output(c), only with projection: [S][B][units row], without tape [B][units row] */
    void *z;                /* [panels][z_steps][B][64] */
    struct weir__quantized q; /* with weights of 8 bits: one step's */
    size_t z_steps;         /* with tape S; without, how many steps of the input product are done at once */
    bool tape;              /* keep z (the arguments of the gates), c and m for the backward pass */
};

/* Threads share the rows, or, where there are too few, the units, if that saves more than it costs. */
void weir__lstm_forward(const struct weir__lstm_run *run, const weir_parallel *parallel);
/* Whether threads share the rows: each has some, and all its weights fit beside the others' in the caches. */
bool weir__shares_rows(const struct weir__lstm *l, size_t rows, const weir_parallel *parallel);
/* Whether a layer's recurrent weights are more than one thread alone should read at every step. */
bool weir__is_wide(const struct weir__lstm *l);
/* The cell_forward of one step, units shared among the threads if that saves more than it costs. With weights of 8 bits step->q has room
 * for the step's x and h. */
void weir__cell_step(const struct weir__kernels *k, const struct weir__lstm *l, struct weir__cell_forward *step,
                     const weir_parallel *parallel);

/* h = W_r m: rows [units row] -> [hidden row]. */
void weir__lstm_project(const struct weir__kernels *k, const struct weir__lstm *l, size_t rows, const void *m, void *h);

/* The backward pass over a run with tape. z becomes the gradient by the gates' arguments. */
struct weir__lstm_back {
    const struct weir__lstm_run *run;
    const void *dh; /* [S][B][dh_row] gradient by the layer's output */
    size_t dh_row;
    void *dh_state; /* [B][columns row of P]: in: gradient by the final h, out: by the initial h */
    void *dc_state; /* [B][units row]: the same for c */
    void *dh_total; /* [S][B][columns row of P]; only with projection */
    void *dm;       /* [B][columns row of H]; only with projection */
    void *slopes;   /* [S][B][panels][128]; only with PReLU */
    void *dx;       /* [S][B][columns row of I]; may be dh; NULL: not wanted */
};

void weir__lstm_backward(const struct weir__lstm_back *back, const weir_parallel *parallel);

/* Gradients of the weights, in the packed layout of weir__lstm. */
struct weir__lstm_grad {
    void *wx, *wh, *bias, *peephole, *slope /* [panels][128] */, *wr;
};

void weir__lstm_weights(const struct weir__lstm_back *back, const struct weir__lstm_grad *grad, const weir_parallel *parallel);

/* A dense layer: y = activation(W x + b), packed. */
struct weir__dense {
    size_t inputs, units;
    weir_activation activation; /* resolved */
    weir_weights form;          /* of w: float32 or bfloat16 */
    const void *w;              /* [ceil(units / 64)][inputs][64] */
    const void *bias;           /* [columns row of units] */
    const void *slope;          /* the same; NULL without PReLU */
    const void *w_t;            /* [ceil(inputs / 64)][units][64]; only when training */
};

/* x [R][x_row] -> z [R][columns row of units] arguments, y the same shape after the activation; y may be z. */
void weir__dense_forward(const struct weir__kernels *k, const struct weir__dense *d, size_t rows, const void *x, size_t x_row, void *z,
                         void *y, const weir_parallel *parallel);
/* dz: in: gradient by y, out: by z. slopes [R][columns row]: scratch, only with PReLU. dx [R][columns row of inputs]. */
void weir__dense_backward(const struct weir__kernels *k, const struct weir__dense *d, size_t rows, const void *z, void *dz, void *slopes,
                          void *dx, const weir_parallel *parallel);
struct weir__dense_grad {
    void *w, *bias, *slope;
};
void weir__dense_weights(const struct weir__kernels *k, const struct weir__dense *d, size_t rows, const void *x, size_t x_row,
                         const void *dz, const void *slopes, const struct weir__dense_grad *grad, const weir_parallel *parallel);

#endif
