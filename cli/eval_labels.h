/* weir eval of labelled sequences.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_EVAL_LABELS_H
#define WEIR_CLI_EVAL_LABELS_H

#include <stdbool.h>
#include <weir.h>

typedef struct eval_labels_options {
    const char *data, *plot; /* plot: the picture, or NULL */
    bool json;
    double from, threshold;
} eval_labels_options;

int eval_labels(const eval_labels_options *o, const weir_model *model);

#endif
