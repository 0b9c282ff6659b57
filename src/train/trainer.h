/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRAINER_H
#define WEIR_TRAINER_H

#include "../model/model.h"
#include "../model/training_state.h"
#include "cluster.h"
#include "stack.h"

struct weir_trainer {
    weir_allocator allocator;
    weir_train_config config; /* with defaults filled in; its pointers stay in this object */
    weir_parallel parallel;
    char *notes;
    struct weir__network net;
    struct weir__work work; /* of the largest shard */
    struct weir__exchange exchange;
    /* [net.params.size] reals each, in the order of the list of tensors */
    void *weights, *gradient, *moment1, *moment2, *best;
    double *squares;       /* [net.params.count] sums of squares of each tensor's gradient */

    /* the backward pass; R rows of the head in a shard */
    double *losses;    /* [R] */
    uint64_t *counts;  /* [R] */
    float *targets;    /* [R][n] */
    float *scales;     /* [R][n] of a negative binomial, else none */
    uint32_t *classes; /* [R] */
    float *class_weights; /* [n]; config.class_weights is it, or NULL */
    void *head_d[WEIR__MAX_HEAD]; /* [R][columns row of inputs] gradient by the input of each dense layer */
    void *head_slopes;            /* [R][widest columns row] */
    struct weir__stack stack;

    weir_memory memory;
    uint64_t updates;
    size_t carried_rows; /* rows whose final state the work holds; 0: none */
    void *kept_h, *kept_c; /* that state as it was before a step, in case the step fails */
    double plateau_factor;
    double power1, power2; /* beta1^updates, beta2^updates */

    struct weir__fit_state fit;
    bool fitting; /* inside of weir_trainer_fit */
    /* A fit was stopped: `weights` and `best` have changed places if there is a best, and the carried state is kept in kept_h and kept_c. */
    bool paused;
    size_t paused_rows; /* carried_rows then */
};

/* The loss of the batch and the gradient of its mean in `gradient`; dropout only if wanted. */
weir_status weir__loss_and_gradient(weir_trainer *t, const weir_batch *batch, bool dropout, weir_loss *loss, weir_error *err);
/* Forward and loss alone. */
weir_status weir__loss(weir_trainer *t, const weir_batch *batch, weir_loss *loss, weir_error *err);
/* The learning rate of the next update. */
double weir__rate(const weir_trainer *t);
/* Puts a fit that has begun aside: the best weights and the carried state stay, whatever is done with the trainer before it goes on. */
void weir__fit_pause(weir_trainer *t);
/* Gives up a fit that was put aside: another update comes between. */
void weir__fit_forget(weir_trainer *t);
/* Copies the carried state away, or back. */
void weir__keep_state(weir_trainer *t, bool back);

static inline const weir_parallel *weir__trainer_parallel(const weir_trainer *t)
{
    return t->parallel.run ? &t->parallel : NULL;
}

#endif
