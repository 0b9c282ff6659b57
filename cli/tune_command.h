/* The options of weir tune, and the commands of weir train that it tries.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_TUNE_COMMAND_H
#define WEIR_CLI_TUNE_COMMAND_H

#include "checkpoints.h"
#include "train.h"
#include "tune_space.h"

typedef struct tune_options {
    train_options train; /* its arguments: what is given to all trials */
    double minutes;  /* INFINITY: no end */
    uint32_t trials; /* UINT32_MAX: no end */
    bool range;
    char *output; /* train.output, or what stands for it */
} tune_options;

/* Ends the program with wrong usage if it is that. */
void tune_options_parse(tune_options *o, int argc, char **argv);
void tune_options_free(tune_options *o);

/* A command line of weir train. */
typedef struct command {
    char **argv; /* ended by NULL */
    int argc;
} command;

/* weir train on this data, with the options of a trial and then those that were given, so that these hold. False without memory; to be freed in
 * any case. */
bool command_make(command *c, const tune_options *o, const tune_draw *draw);
void command_free(command *c);
/* On a line of its own, for a shell. */
void command_print(const command *c);
/* The settings that weir train would read. */
training command_settings(const command *c);

#endif
