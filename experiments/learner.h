/* The two ways of learning behind lab.h's learner.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_LEARNER_H
#define WEIR_LEARNER_H

#include "lab.h"

typedef struct classic classic;

classic *classic_new(const learner_config *config, uint64_t seed);
void classic_free(classic *l);
size_t classic_weights(const classic *l);
size_t classic_train(classic *l, const weir_batch *batch, judge *ends, void *ctx, float *y);
void classic_run(classic *l, const weir_batch *batch, float *y, float *c);
bool classic_diverged(const classic *l);

#endif
