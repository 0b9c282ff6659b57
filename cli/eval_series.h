/* The part of weir eval that measures series.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_EVAL_SERIES_H
#define WEIR_CLI_EVAL_SERIES_H

#include <stdbool.h>
#include <weir.h>

typedef struct eval_series_options {
    bool rolling;
    uint32_t origins, every;
    const char *plot;
} eval_series_options;

/* `from`: a share, or below 0. DONE or FAILED. */
int eval_series(const eval_series_options *o, const weir_model *model, const char *data, bool json, double from, double interval);

#endif
