/* Layer 1: all arithmetic on weights and activations, once per instruction set.
 *
 * `real` is float, or double in the reference target; outside src/kernel it is void, and sizes come from `real_size`. Strides and
 * lengths count elements.
 *
 * Panels and blocks: outputs are grouped in panels of 64 columns, the four gates of 16 units or 64 outputs of a plain matrix, and a panel
 * in blocks of 4 vectors. In a block of an LSTM the four gates of as many units as a vector has lanes stand side by side. A row of
 * columns is [panels][16 / lanes][4][lanes], short [panels][64]. A matrix of weights or of their gradients is
 * [panels][16 / lanes][K][4][lanes], short [panels][K][64]: the weights of a block lie together. So do the gates' arguments of all
 * steps and rows, [panels][S B][64], which as weights meet the inputs in the gradient. Missing units and columns are zero.
 *
 * Order of every sum: one chain of fused multiply-adds per output, sequential in k; many outputs at once, never a split sum. No order
 * depends on the number of lanes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_KERNEL_H
#define WEIR_KERNEL_H

#include "../base/base.h"
#include "isa.h"

enum {
    WEIR__UNITS = 16, /* units of a panel of an LSTM */
    WEIR__COLUMNS = 64, /* columns of a panel: 4 gates x 16 units, or 64 outputs */
    WEIR__SLOPES = 128  /* columns of slope gradients of 16 units: i, f, g, o, output, and 3 unused, x 16 */
};

/* C[row][block] = start[row][block] + sum over k of A[row][k] W[block][k], for the blocks of some panels. */
struct weir__product {
    size_t rows, panels, K;
    const void *w;
    weir_weights form; /* float32 or bfloat16 */
    size_t w_block;
    const void *a;
    size_t a_row, a_k;
    size_t a_block; /* not 0: a is [panels][rows][64], its blocks so far apart, and summed in the order [panel][4][16] of any table */
    const void *start; /* NULL: 0; may be c: continue the chains */
    size_t start_row, start_block;
    void *c;
    size_t c_row, c_block;
};

/* Forms of a matrix, beside float32 and double as above. bfloat16: the vectors of a block are paired, and their numbers interleaved, so that
 * one word holds lane i of the even vector and, above it, of the odd one. 8 bits: first the columns' steps, [panels][64] reals, then
 * [panels][16 / lanes][K / 4][4][lanes][4] numbers of 8 bits, four k's together, K rounded up to a multiple of 4. */

/* The inputs of a step in 8 bits. */
struct weir__quantized {
    int8_t *x, *h;          /* [rows][I rounded up to 4], [rows][P rounded up to 4] */
    void *x_step, *h_step;  /* [rows] */
};

/* One direction of one layer: settings and packed weights. I inputs, H hidden, P projected units (P = H without projection). */
struct weir__lstm {
    size_t inputs, hidden, projected, panels; /* panels = ceil(H / 16) */
    bool tokens, peepholes, no_forget_gate, coupled, project;
    weir_activation gate, candidate, output; /* resolved: no defaults left */
    double activation_clip, cell_clip;       /* 0: none */
    weir_weights form;    /* of wx, wh and wr; below */
    const void *wx;       /* [panels][I][64] */
    const void *wh;       /* [panels][P][64] */
    const void *bias;     /* [panels][64] */
    const void *peephole; /* [panels][3][16] i, f, o; NULL without */
    const void *slope;    /* [panels][8][16] PReLU slopes of i, f, g, o, output; NULL without */
    const void *keep;     /* [panels][16] 1 for a unit, 0 for padding */
    const void *wr;       /* [ceil(P / 64)][H][64]; NULL without projection */
    const void *wx_t;     /* [ceil(I / 64)][panels * 64][64]: transposed, for the gradient of x; only when training */
    const void *wh_t;     /* [ceil(P / 64)][panels * 64][64] */
    const void *wr_t;     /* [ceil(H / 64)][P][64] */
};

/* One time step of `rows` rows, forward, of the units of the panels [panel, panel_end). m = o * output(c) is h before projection. */
struct weir__cell_forward {
    size_t rows, panel, panel_end;
    const struct weir__quantized *q; /* x and h in 8 bits; only with weights of 8 bits */
    const void *z; /* chains to continue: the bias (row stride 0) or a parked input product [panels][rows][64] */
    size_t z_row, z_block;
    const void *x; /* [rows][I] or NULL when z already holds the input product */
    size_t x_row;
    const void *h; /* [rows][P] hidden state of the step before */
    size_t h_row;
    const void *c_old;
    void *c; /* [rows][panels * 16]; may be c_old */
    size_t c_row;
    void *m; /* [rows][panels * 16]; not h */
    size_t m_row;
    void *m_too; /* [rows][H]: once more, dense; may be NULL */
    void *tape; /* arguments of the four gates, kept for the backward pass, [panels][rows][64]; may be z; may be NULL */
    size_t tape_block;
};

/* One time step of `rows` rows, backward: the gradients of m and c become those of the gates' arguments and of the old c. */
struct weir__cell_backward {
    size_t rows;
    void *z; /* in: the tape; out: the gradient by the gates' arguments */
    size_t z_block;
    const void *c_old, *c;
    size_t c_row;
    const void *dm;
    size_t dm_row;
    void *dc; /* in: gradient by c from later steps; out: by c_old. [rows][panels * 16] */
    size_t dc_row;
    void *slopes; /* out: [rows][panels][128] products whose sum is the gradient by the slopes; NULL without PReLU */
    size_t slopes_row;
};

struct weir__update {
    weir_optimizer optimizer;
    double rate, scale; /* scale: factor of the gradient, from clipping */
    double momentum, beta1, beta2, epsilon, decay;
    double correction1, correction2; /* 1 - beta1^t, 1 - beta2^t */
};

/* Values that an output gives for each of its n: the parameters of a distribution. */
static inline size_t weir__values_each(weir_output output)
{
    return output == WEIR_STUDENT_T ? 3 : output == WEIR_GAUSSIAN || output == WEIR_NEGATIVE_BINOMIAL ? 2 : 1;
}

struct weir__targets {
    weir_output output;
    size_t n;               /* outputs of the configuration */
    const float *values;    /* [rows][n] */
    const float *scales;    /* [rows][n] of WEIR_NEGATIVE_BINOMIAL */
    const uint32_t *classes; /* [rows] */
    const float *class_weights; /* [n], softmax and logistic; NULL: unweighted */
};

/* Activations on arrays; a->id is not a default. Results may be stored over x or dy. No table of kernels points to these, so that a program
 * that runs networks, whose activations are in their kernels, links none of them. */

/* The exact forms, of all that are not LINEAR (activation.def). */
struct weir__exact {
    void (*apply)(const weir_activation *a, size_t n, const float *x, float *y);
    void (*grad)(const weir_activation *a, size_t n, const float *x, const float *dy, float *dx);
};

/* The fast forms, on reals. */
struct weir__fast {
    void (*apply)(const weir_activation *a, size_t n, const void *x, void *y);
    void (*grad)(const weir_activation *a, size_t n, const void *x, const void *dy, void *dx);
};

struct weir__kernels {
    weir_isa isa;
    size_t real_size, lanes;

    /* The fast forms of activations on rows of n values whose PReLU slopes stand in slope[n]; `slopes` gets dy * min(x, 0). Either may be NULL. */
    void (*activate_rows)(const weir_activation *a, const void *slope, size_t rows, size_t n, const void *x, void *y);
    void (*activate_rows_grad)(const weir_activation *a, const void *slope, size_t rows, size_t n, const void *x, void *dy,
                               void *slopes);

    void (*from_float)(size_t n, const float *x, void *y);
    void (*to_float)(size_t n, const void *x, float *y);

    void (*product)(const struct weir__product *p);
    /* q [rows][round up to 4] = x / step, rounded, step[rows] = max |x| / 127; a row that is not finite gets the step NaN. */
    void (*quantize)(size_t rows, size_t n, const void *x, size_t x_row, int8_t *q, void *step);
    void (*cell_forward)(const struct weir__lstm *l, const struct weir__cell_forward *s);
    void (*cell_backward)(const struct weir__lstm *l, const struct weir__cell_backward *s);
    /* z[row] = bias + wx[token]; the one-hot product, as a look-up. Tokens outside [0, I) add nothing. */
    void (*look_up)(const struct weir__lstm *l, size_t rows, const uint32_t *tokens, void *z, size_t z_block);
    /* dw[panel][token][64] += dz[row], rows in order, for one panel */
    void (*look_up_grad)(const struct weir__lstm *l, size_t panel, size_t rows, const uint32_t *tokens, const void *dz, size_t dz_block,
                         void *dw);
    /* dp[panel][3][16] = sums over rows of dz_i c_old, dz_f c_old, dz_o c, for one panel */
    void (*peephole_grad)(size_t panel, size_t rows, const void *dz, size_t dz_block, const void *c_old, const void *c, size_t c_row,
                          void *dp);

    void (*add)(size_t n, const void *x, void *y);                                     /* y += x */
    void (*affine)(size_t n, const void *x, const void *factor, const void *add, void *y); /* y = factor x + add; add may be NULL */

    /* The output function: z [rows][z_row] arguments -> y [rows][O]. */
    void (*output)(weir_output output, size_t n, size_t rows, void *z, size_t z_row, float *y);
    /* losses[row] = sum of the row's losses, by class weights, counts[row] = how many counted; dz (may be z) gets the gradient of the sum. */
    void (*loss)(const struct weir__targets *t, size_t rows, const void *z, size_t z_row, double *losses, uint64_t *counts, void *dz);

    double (*sum_of_squares)(size_t n, const void *x);
    void (*scale)(size_t n, double factor, void *x);
    /* One optimiser step on n weights; m and v are the optimiser's two moments. */
    void (*update)(const struct weir__update *u, size_t n, void *w, const void *g, void *m, void *v);
};

/* The table of an instruction set, or NULL if this build or CPU has none. WEIR_ISA_BEST gives the fastest. */
const struct weir__kernels *weir__kernels_for(weir_isa isa);
/* The same for layers of so many units: the best for few is the set whose vectors they fill. */
const struct weir__kernels *weir__kernels_for_units(weir_isa isa, size_t units);

extern const struct weir__exact weir__exact_scalar, weir__exact_avx2, weir__exact_avx512, weir__exact_neon;
extern const struct weir__fast weir__fast_scalar, weir__fast_avx2, weir__fast_avx512, weir__fast_neon, weir__fast_ref64;
extern const struct weir__kernels weir__kernels_scalar, weir__kernels_avx2, weir__kernels_avx512, weir__kernels_avx512_vnni,
    weir__kernels_neon, weir__kernels_ref64;

#endif
