/* Problems of weir bench: a network and how it is run, by a string, and the work of one pass over it. Needs <weir.h> alone, so the
 * programs in bench/peers time Weir with the same text.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_PROBLEM_H
#define WEIR_PROBLEM_H

#include <weir.h>

/* R1: one stream, one layer, one input. R2: one row, stepped (T = 1) or as a sequence. R3: a batch. R4: forward and backward. */
typedef struct problem {
    char text[64]; /* canonical: "R2-f32-L2-H256-T1-B1-peep"; I stands in it where it is not the default */
    uint32_t kind, layers, inputs, hidden, steps, rows;
    weir_weights weights;
    bool peepholes, tiny;
} problem;

/* Reads "R2-H256-T100-peep": the kind first, then in any order f32, bf16 or int8, L, H, I, T, B with a number, peep, and tiny; what is missing
 * takes the kind's default (H 128; I = H, for R1 1). False with a sentence in err->text. */
bool problem_read(const char *text, problem *p, weir_error *err);

/* Multiply-adds counted as two operations: 8 H (I + H) per cell step; for training three times that, less the gradient by the network's
 * input, which nobody asks for. */
double problem_flops(const problem *p);
/* Least seconds of a pass on a machine that does `flops` operations a second, and reads again and again an array of n bytes at
 * bandwidth(ctx, n) bytes a second: each product takes the larger of its arithmetic and the reading of its weights; the cell is free, and
 * so is arithmetic on 8 bits. */
double problem_limit(const problem *p, double flops, double (*bandwidth)(void *ctx, double bytes), void *ctx);

/* The problem on Weir, weights uniform in +-0.1. A pass steps a stream, runs a batch, or takes a gradient.
 *
 * tiny: inputs of 0, gates' biases of 0 but the candidate's of 1e-40, weights uniform in +-1/sqrt(H). Then f = i = o = 1/2, and c and h of every
 * unit settle at some 1e-40: subnormal, as are all the products and sums of a step. */
typedef struct workload workload;
workload *workload_new(const problem *p, weir_isa isa, const weir_parallel *parallel, weir_error *err);
void workload_pass(workload *w);
void workload_free(workload *w);
/* The stream that a pass steps; NULL if it does not. */
const weir_stream *workload_stream(const workload *w);
/* Seconds a pass, over `passes` of them. */
double workload_time(workload *w, long passes);

#endif
