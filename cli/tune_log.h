/* The log of a search: a JSON line for the search, then one for each trial. What makes a search go on where it was ended.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_TUNE_LOG_H
#define WEIR_CLI_TUNE_LOG_H

#include "tune_space.h"

typedef struct tune_trial {
    uint32_t number;
    tune_draw draw;
    double values[TUNE_SETTINGS];
    double valid, train; /* losses of the best epoch */
    uint32_t best_epoch, epochs; /* epochs: done */
    double *curve;               /* [epochs] validation losses */
    bool stopped;                /* before its time, by tune_poor */
    double seconds;
    char model[20];    /* sum of the model's file, if it was the best so far; else "" */
    char failed[200];  /* why it has no loss; "" if it has */
} tune_trial;

typedef struct tune_log {
    const char *path;
    tune_trial *trials; /* by number, none left out */
    size_t count;
    double cut; /* seconds of trials that were ended before they were done */
    int file;   /* open to append to, and locked */
} tune_log;

/* Opens the log at `path`, or begins one, for the search that `search` describes. What was not written to its end is cut off. Complains of a
 * log of another search, and of one that another process writes: DONE or FAILED. */
int tune_log_open(tune_log *l, const char *path, const json_t *search);
/* Writes the trial to the disk and takes it, curve included: DONE or FAILED. */
int tune_log_add(tune_log *l, tune_trial *t);
/* Notes the seconds of a trial that was cut. */
int tune_log_cut(tune_log *l, double seconds);
void tune_log_close(tune_log *l);

/* The trial with the lowest loss, the first of equals; NULL if none has one. */
const tune_trial *tune_log_best(const tune_log *l);
/* All seconds spent. */
double tune_log_seconds(const tune_log *l);
/* The median rule (Golovin et al. 2017, "Google Vizier"): true if the best of `epochs` losses is above the median of what the other trials had
 * reached by then. Asks for three others, and for a quarter of all epochs to be done. */
bool tune_poor(const tune_log *l, const double *curve, uint32_t epochs, uint32_t all);

#endif
