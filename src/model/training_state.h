/* Where a training stands, as plain numbers and arrays: layer 3 gives and takes it, layer 5 keeps it in checkpoints.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_TRAINING_STATE_H
#define WEIR_TRAINING_STATE_H

#include "params.h"

/* A fit that is under way or was stopped. */
struct weir__fit_state {
    bool begun;   /* there is one */
    bool planned; /* its epochs gave the cosine schedule its total_updates */
    bool any_best;
    weir_progress now, best;
    weir_loss sum;       /* of the running epoch's batches */
    double best_loss;    /* INFINITY before there is one */
    uint32_t since_best; /* epochs */
};

/* The arrays that hold a number for each weight. */
enum weir__slot { WEIR__SLOT_WEIGHTS, WEIR__SLOT_MOMENT1, WEIR__SLOT_MOMENT2, WEIR__SLOT_BEST, WEIR__SLOTS };

struct weir__training_state {
    const weir_config *model;
    const char *notes;       /* the first model's */
    weir_train_config train; /* with defaults filled in, without pointers */
    size_t real_size;        /* of the numbers in the arrays: floats, or with WEIR_ISA_REF64 doubles */
    uint64_t updates;        /* random numbers are counted by it */
    double power1, power2;   /* beta1^updates, beta2^updates */
    double plateau_factor;
    size_t carried_rows; /* rows of state_h and state_c; 0: no state is carried */
    struct weir__fit_state fit;
    const struct weir__params *params;
    void *slots[WEIR__SLOTS]; /* [params->size] in the order of the list; `weights` are the newest, not the best */
    void *state_h, *state_c;  /* [L * D][carried_rows][P], [L * D][carried_rows][H] */
};

/* Both are of src/train. What the state points to lives in the trainer. */
WEIR_API void weir__trainer_state(const weir_trainer *trainer, struct weir__training_state *state);
/* Takes the numbers of a state into a new trainer, whose own arrays (those that weir__trainer_state gave) were filled in before. */
WEIR_API void weir__trainer_restore(weir_trainer *trainer, const struct weir__training_state *state);

/* Checks the ranges of a training's settings; WEIR_E_ARGUMENT. Of src/train. */
WEIR_API weir_status weir__train_config_resolve(const weir_train_config *config, weir_train_config *resolved, weir_error *err);

#endif
