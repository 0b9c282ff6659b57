/* What all experiments share: random numbers, networks that learn in the papers' way or in today's, and the list of trials.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_LAB_H
#define WEIR_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir.h>

/* ---- Errors, memory: an experiment that cannot go on says why and ends ---- */

_Noreturn void die(const char *format, ...);
void check(weir_status status, const weir_error *err);
void *room(size_t count, size_t size); /* zeros */

/* ---- Random numbers: splitmix64 (Steele, Lea & Flood 2014), value number `counter` of the sequence `key` ---- */

typedef struct draws {
    uint64_t key, counter;
} draws;

/* A sequence of its own for each seed and purpose. */
draws draws_of(uint64_t seed, uint64_t purpose);
uint64_t draw(draws *d);
uint32_t draw_below(draws *d, uint32_t n);
float draw_between(draws *d, float low, float high); /* low + k (high - low) / 2^24 */

enum { FOR_TRAINING = 1, FOR_TEST, FOR_WEIGHTS, FOR_ORDER };

/* ---- Networks that learn ---- */

enum { MOST_BLOCKS = 8 };

typedef struct learner_config {
    weir_config model;       /* one layer, forward; outputs LINEAR or LOGISTIC, at every step */
    weir_train_config train; /* rows and steps: the largest batch */
    /* The papers' way of learning: stochastic gradient descent with momentum on half the summed squared error, an update for every
     * batch, which has one row; the gradient is truncated, it does not flow back through h' into gates and candidate (Hochreiter &
     * Schmidhuber 1997, A.1). Through peepholes it does. Else: weir_trainer, the loss of the output, the exact gradient. */
    bool classic;
    uint32_t block; /* classic: cells of a block share its gates; default 1 */
    bool shortcut;  /* classic: weights from the inputs to the outputs too */
    float i_bias[MOST_BLOCKS], f_bias[MOST_BLOCKS], o_bias[MOST_BLOCKS]; /* classic: where the gates of each block start */
    bool no_cell_bias;                                                   /* classic: the candidates' biases stay 0 */
    bool no_input_gate, no_output_gate;                                  /* not classic: i or o is always 1 */
} learner_config;

typedef struct learner learner;

learner *learner_new(const learner_config *config, uint64_t seed);
void learner_free(learner *l);
/* Weights: those that are shared count once; not classic: as the library holds them. */
size_t learner_weights(const learner *l);

/* Whether a stream ends at step t, where the network said y[n]. */
typedef bool judge(void *ctx, size_t t, const float *y);

/* One update. y (T, B, n), may be NULL: the outputs before it. Classic: only the steps up to the first one where `ends` (may be NULL)
 * says so count; returns their number. Else returns T. `carry` of the batch goes on from the state of the training batch before. */
size_t learner_train(learner *l, const weir_batch *batch, judge *ends, void *ctx, float *y);
/* Runs the network. `carry` goes on from the state of the run before. c (may be NULL): the last cell state (B, H). */
void learner_run(learner *l, const weir_batch *batch, float *y, float *c);
/* True once a gradient was not finite: the trial has failed. */
bool learner_diverged(const learner *l);

/* ---- Trials: the rows of the tables ---- */

typedef struct outcome {
    bool solved;
    uint64_t sequences; /* used for training */
    double measure;     /* as the trial says */
    size_t weights;
} outcome;

typedef struct trial trial;
struct trial {
    const char *experiment, *variant, *settings; /* "gts", "peepholes F=10", "paper" or "adam" */
    const char *measure;                         /* what outcome.measure is: "wrong of 2560" */
    outcome (*run)(const trial *t, uint64_t seed, uint64_t budget);
    const void *task; /* for run */
    learner_config net;
    uint64_t budget;    /* training sequences at most */
    uint64_t quick;     /* those of the quick version; 0: it has none */
    double quick_bound; /* the quick version has failed if its measure is worse */
    bool more;          /* a larger measure is better */
};

/* Prints the cell states of a network that counts, step by step, for the figure. */
void gers2001_trace(void);

/* Lists end with a trial without a name. */
extern const trial gers2002_trials[], hochreiter1997_trials[], gers2000_trials[], gers2001_trials[], greff2017_trials[];

#endif
