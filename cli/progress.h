/* What training shows: a bar on a terminal, a line per epoch elsewhere, a JSON line per epoch in the log, the curves at the end.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_PROGRESS_H
#define WEIR_CLI_PROGRESS_H

#include <stdio.h>
#include <weir.h>

typedef struct progress {
    bool quiet;
    double symbols;      /* of one epoch */
    const char *unit;    /* "characters" */
    FILE *log;           /* may be NULL */
    bool terminal;
    double start, epoch_start, drawn;
    bool estimated;      /* how long it will take was measured */
    double first_update; /* the one that was reported first */
    weir_progress *history; /* [epochs] */
    size_t epochs;
} progress;

void progress_start(progress *p);
/* weir_fit.report. Returns false after an interrupt. */
bool progress_report(void *ctx, const weir_progress *now);
/* Takes the bar away. */
void progress_end(progress *p);
void progress_free(progress *p);
/* Draws the loss curves. */
int progress_plot(const progress *p, const char *picture, const char *title);
/* The signal that asked to stop, or 0; progress_start begins to catch SIGINT and SIGTERM. */
int progress_interrupted(void);

#endif
