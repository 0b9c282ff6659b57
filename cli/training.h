/* A training as its settings say it: the data of a task opened and configured, its notes, its best model saved. Nothing here is kept
 * between calls, so that one process can go through many settings.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_TRAINING_H
#define WEIR_CLI_TRAINING_H

#include "cli.h"
#include "data/labels.h"
#include "data/series.h"
#include "data/text.h"
#include "range.h"

enum task { TASK_GUESS, TASK_TEXT, TASK_SERIES, TASK_LABELS };
extern const char *const task_names[]; /* "guess", "text", "series", "labels", NULL */

typedef struct training {
    char **paths; /* of the data; [count] */
    size_t count;
    enum task task;
    double split;
    uint32_t batch, steps, epochs, patience;
    uint64_t seed;
    weir_config model;
    weir_train_config train;
    bool find_rate; /* by a range test: training_find_rate */
    bool set_forget_bias;
    float forget_bias;
    void (*reading)(double share); /* told how much of a long text is looked through; may be NULL */
    series_options series;
    labels_options labels;
} training;

/* Nothing set: what stays so, the task chooses. */
training training_defaults(void);

/* The data of a task, ready to train on. Begins as {0}. */
typedef struct data {
    enum task task;
    text *text;
    table *table;
    series *series;
    labels *labels;
    weir_fit fit;
    double symbols;   /* of one epoch */
    const char *unit; /* "characters" */
    const char *summary;
    training given;    /* the settings before anything was filled in */
    char picked[1024]; /* what was filled in, and why: defaults_explain */
} data;

/* Complains if the file is one of the data, which would be overwritten: DONE or FAILED. */
int training_spare_data(const training *t, const char *file);
/* Reads the data, guesses the task, and hands the settings on to it: DONE or FAILED. training_close in any case. */
int training_open(data *d, training *t);
void training_close(data *d);
/* Fills in what neither a setting nor the task has set in t->model and t->train, and d->fit. */
void training_configure(data *d, training *t);
/* Runs a range test on the training data and sets the rate that it picks; where no rate made the loss fall, the default stays. A model of
 * t->model; what is known of the test is in *r, also after a failure: DONE or FAILED. */
int training_find_rate(data *d, training *t, const weir_model *model, range *r);
/* Writes the trainer's weights as a model with the data's notes and how it was trained: DONE or FAILED. */
int training_save(data *d, const training *t, weir_trainer *trainer, const weir_progress *best, const char *path);

#endif
