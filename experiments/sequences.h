/* Learning the target at the end of a sequence: until the last 2000 training sequences were right, before the network learned from
 * them, or the budget is spent; then a test on 2560 (Hochreiter & Schmidhuber 1997, experiments 4 to 6).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_SEQUENCES_H
#define WEIR_SEQUENCES_H

#include "lab.h"

typedef struct sequence_task sequence_task;
struct sequence_task {
    /* Writes x (steps, inputs) and the target (outputs) at its end; returns steps, at most those of the learner. */
    size_t (*make)(const sequence_task *task, draws *d, float *x, float *target);
    size_t steps;      /* T */
    bool product;      /* of two numbers, not their sum */
    size_t places;     /* of the symbols to remember */
    float tolerance;   /* a sequence is right if no output is further off */
    double mean_error; /* and the mean of |error| over the last 2000 must be below */
    unsigned may_miss; /* of the last 2000 */
};

/* outcome.measure: wrong test sequences of 2560. */
outcome run_sequences(const trial *row, uint64_t seed, uint64_t budget);
/* outcome.measure: mean squared error on 2560 test sequences; always trains for the whole budget. */
outcome run_for_error(const trial *row, uint64_t seed, uint64_t budget);

#endif
