/* What weir tune tries: settings of weir train, drawn at random (Bergstra & Bengio 2012).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_TUNE_SPACE_H
#define WEIR_CLI_TUNE_SPACE_H

#include "training.h"

enum { TUNE_ARGUMENTS = 12, TUNE_ARGUMENT = 40 };

/* Options of one trial, as weir train reads them: "--rate=0.0031". */
typedef struct tune_draw {
    size_t count;
    char argument[TUNE_ARGUMENTS][TUNE_ARGUMENT];
} tune_draw;

/* The options of a trial, 0 on: a function of the search's seed and the trial's number alone, around `base`, the settings that weir train would
 * use. Nothing for trial 0, which tries those; nothing for what `given` has set. */
void tune_draw_trial(tune_draw *out, uint64_t seed, uint32_t trial, enum task task, const training *given, const training *base);

/* The settings of a trial as numbers, for tables and pictures. */
enum {
    TUNE_RATE, TUNE_HIDDEN, TUNE_LAYERS, TUNE_BATCH, TUNE_STEPS, TUNE_DROPOUT, TUNE_HEAD_DROPOUT, TUNE_DECAY, TUNE_SCHEDULE, TUNE_PEEPHOLES,
    TUNE_SETTINGS
};
extern const struct tune_setting {
    const char *name; /* the option's */
    bool logarithmic; /* drawn and shown so */
} tune_settings[TUNE_SETTINGS];
/* Of a configured training. The schedule is its weir_schedule, peepholes are 0 or 1. */
void tune_values(double out[TUNE_SETTINGS], const training *t);

#endif
