/* The checkpoints of weir train: when one is written, the older ones that are kept, and what it says of the command and its data.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_CHECKPOINTS_H
#define WEIR_CLI_CHECKPOINTS_H

#include "cli.h"
#include "progress.h"

typedef struct checkpoints {
    const char *path;
    double every;   /* seconds between two; 0: the clock asks for none */
    uint32_t steps; /* updates between two; 0: they ask for none */
    uint32_t keep;  /* how many are kept: path, path.1, path.2, ...; 0: one, which goes when the training has ended */
    const json_t *arguments, *data; /* of the command, to be kept */
    double last;                    /* the clock when the last one was tried */
    uint32_t updates;               /* since then */
    bool ours;                      /* the file at path is of this training */
    bool failed;                    /* the last one could not be written */
} checkpoints;

void checkpoints_start(checkpoints *c);
/* To be asked after every update: is it time for one? */
bool checkpoints_due(checkpoints *c);
/* Writes one and moves the older ones on, so that at every instant `path` is a whole one, if there was any. On failure one sentence is
 * printed, at the first of several in a row; the file at `path` is as before. */
int checkpoints_write(checkpoints *c, const weir_trainer *trainer, const progress *p);
/* The training has ended: takes the file away, unless files are to be kept. */
void checkpoints_end(checkpoints *c);
/* Removes what a killed process has left of a checkpoint that it was writing to this path. */
void checkpoints_tidy(const char *path);

/* The options that a checkpoint keeps are a list of texts: "--hidden=64", "--coupled". Keeps one; of those with one name the last one counts,
 * unless it may be repeated. */
void arguments_keep(json_t *arguments, json_t *option, bool repeated);
/* Whether just this one is there. */
bool arguments_have(const json_t *arguments, const json_t *option);

/* A stopped training: its checkpoint with the notes {"program": "weir train", "arguments": [...], "data": [...], "progress": {...}}, and the
 * command line that began it, whose texts are those of the notes. */
typedef struct stopped {
    weir_checkpoint *checkpoint;
    json_t *notes;
    char **argv;
    int argc;
} stopped;
/* Begins as {0}. DONE or FAILED; stopped_free in any case. */
int stopped_open(stopped *s, const char *path);
void stopped_free(stopped *s);

/* Path, size and checksum of each file: [{"path": ..., "bytes": ..., "sum": "16 digits"}, ...]; of what is no plain file the path alone. NULL after
 * a complaint. */
json_t *data_describe(char *const *paths, size_t count);
/* Whether these are the files that were described, wherever they are now: DONE or FAILED. */
int data_compare(const json_t *then, const json_t *now);

#endif
