/* The options of weir train, which weir tune takes too.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_TRAIN_H
#define WEIR_CLI_TRAIN_H

#include "checkpoints.h"
#include "cluster.h"
#include "training.h"

typedef struct train_options {
    training training;
    const char *output, *log, *plot, *checkpoint, *resume; /* NULL: not given */
    checkpoints checkpoints;
    bool quiet, set_every;
    unsigned threads;
    int mpi;           /* index in mpi_names */
    cluster *cluster;
    json_t *arguments; /* the options that a checkpoint keeps: "--hidden=64"; NULL: they are not collected */
    bool going_on;     /* those of a checkpoint are set already; these must not contradict them */
} train_options;

extern const struct argp_option train_option_list[]; /* ended by {0} */
/* An argp parser whose input is a train_options, which began with training_defaults(). */
error_t train_parse(int key, char *arg, struct argp_state *state);

/* The name of a model of this data when none is given: that of the file, in this folder, with .weir for what stands after its last point. NULL, said,
 * if such a file exists and is no model of Weir, or without memory. Free with free(). */
char *train_default_output(const char *path);

#endif
