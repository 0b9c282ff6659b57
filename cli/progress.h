/* What training shows: a bar on a terminal, a line per epoch elsewhere, a JSON line per epoch in the log, the curves at the end.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_PROGRESS_H
#define WEIR_CLI_PROGRESS_H

#include <jansson.h>
#include <stdio.h>
#include <weir.h>

/* An epoch that has ended. */
typedef struct epoch_record {
    weir_progress at;
    double seconds;
} epoch_record;

typedef struct progress {
    bool quiet;
    double symbols;   /* of one epoch */
    const char *unit; /* "characters" */
    FILE *log;        /* may be NULL */
    uint32_t logged;  /* the last epoch that the log has */
    bool terminal;
    double start, epoch_start, drawn;
    double before;         /* epochs that were done before the start */
    double elapsed;        /* seconds of the running epoch before the start */
    epoch_record *history; /* [epochs] */
    size_t epochs;
} progress;

/* Opens the log: a new one, or with `going_on` the one that a stopped training has left. Of that what is right stays; a line that was cut
 * off goes, and lines that are missing are written. DONE or FAILED. */
int progress_open_log(progress *p, const char *path, bool going_on);
/* DONE, or FAILED if something could not be written. */
int progress_close_log(progress *p, const char *path);
void progress_start(progress *p);
/* weir_fit.report. Returns false after an interrupt. */
bool progress_report(void *ctx, const weir_progress *now);
/* Takes the bar away. */
void progress_end(progress *p);
void progress_free(progress *p);
/* Draws the loss curves. */
int progress_plot(const progress *p, const char *picture, const char *title);
/* The signal that asked to stop, or 0; progress_start begins to catch SIGINT, SIGTERM and SIGUSR1. */
int progress_interrupted(void);
/* As if this signal had come. */
void progress_interrupt(int signal);

/* What a checkpoint keeps of it: {"elapsed": seconds, "epochs": [[epoch, train loss, valid loss, rate, seconds, best], ...]}, at most
 * 65536 of them, evenly chosen. */
json_t *progress_to_json(const progress *p);
/* False if it is not so, or without memory. `now`: where the training stands. */
bool progress_from_json(progress *p, const json_t *json, const weir_progress *now);
/* Seconds of a clock that runs evenly. */
double progress_clock(void);

#endif
