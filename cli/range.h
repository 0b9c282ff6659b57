/* A range test of the learning rate (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_RANGE_H
#define WEIR_CLI_RANGE_H

#include <weir.h>

enum { RANGE_A_DECADE = 30, RANGE_DECADES = 5, RANGE_MOST = RANGE_A_DECADE * RANGE_DECADES + 1 };

typedef struct range {
    size_t updates;            /* made until the loss diverged or the rate was 1 */
    double rate[RANGE_MOST];   /* 1e-5 to 1, in equal ratios */
    double loss[RANGE_MOST];   /* mean over the targets of the batch */
    double smooth[RANGE_MOST]; /* of the losses around it */
    bool diverged;
    size_t begin, lowest; /* from where on the smoothed loss has fallen by a tenth of its whole fall; where it is lowest */
    float pick;           /* the rate to train with, two digits; 0: no loss fell */
} range;

/* Trains a trainer that is thrown away, from the model's weights, one batch of the source at each rate, without a schedule, and picks a rate
 * (range_pick). Numbers do not depend on threads. Returns what weir_trainer_new and the source may fail with. */
weir_status range_test(range *out, const weir_model *model, const weir_train_config *config, const weir_source *source, weir_error *err);

/* From rate, loss and updates: smooths the losses and picks the geometric mean of the rates at `begin` and at `lowest`; none if the loss never fell
 * by 2 %. A tenth of the rate at the lowest loss, a common pick, is too high here: the loss of an LSTM goes on falling, slowly, at rates with
 * which it will never fall far. */
void range_pick(range *r);

/* What came out, as one sentence, with the rate that is used. Returns `text`. */
const char *range_sentence(const range *r, double rate, char *text, size_t size);

/* Draws loss over rate, with the pick. */
int range_plot(const range *r, const char *picture, bool quiet);

#endif
