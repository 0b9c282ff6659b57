/* Classifying labelled sequences: a table with a column of sequence ids and a column of labels.
 *
 * SPDX-License-Identifier: MIT
 *
 * Rows with the same id, in the order of the file, are one sequence; its label is the same in all of them. All other columns of
 * numbers are inputs, standardised by the training part; columns of text with at most 16 values are one-hot; others are left out.
 * The id column is the one asked for, or named id, sequence, sequence_id, series or series_id; the label column is the one asked for,
 * or named label, class, target or category (in any case).
 *
 * Use: as data/series.h. The notes are a JSON object with "task": "labels".
 */
#ifndef WEIR_CLI_LABELS_H
#define WEIR_CLI_LABELS_H

#include "data/csv.h"

typedef struct labels_options {
    const char *id, *label; /* column names; default as above */
    double split;           /* share of the sequences, in order of their first row, that train; the others validate; default 0.8 */
    uint32_t batch;         /* sequences in a batch; default 32 */
    uint64_t seed;          /* of the order of the sequences; default 1 */
} labels_options;

typedef struct labels labels;

/* True if the table has an id column and a label column by the rule above. */
bool labels_match(const table *t, const labels_options *options);

weir_status labels_open(labels **out, const table *t, const labels_options *options, weir_error *err);
void labels_free(labels *l);
/* As series_configure. */
void labels_configure(labels *l, weir_config *model, weir_train_config *train, weir_fit *fit);
/* One paragraph for the user. Belongs to `l`. */
const char *labels_summary(const labels *l);
/* The notes to be kept with the model: columns, normalisation, classes. Free with free(). */
weir_status labels_notes(const labels *l, char **notes, weir_error *err);

typedef struct labels_result {
    size_t sequences, classes;
    const char **id;           /* (sequences) */
    const char **class_name;   /* (classes) */
    size_t *best;              /* (sequences) the most probable class */
    size_t *truth;             /* (sequences) the label in the table; SIZE_MAX where missing or unknown to the model */
    float *probability;        /* (sequences, classes) */
    size_t labelled;           /* sequences with a known label: the next three are over them */
    double loss, accuracy;     /* nats; share */
    size_t *confusion;         /* (classes, classes) row: truth, column: best */
    void *memory;              /* private */
} labels_result;

/* Classifies every sequence of the table; the label column may be absent. `first` in [0, 1): the share of the sequences, from the start,
 * to leave out. */
weir_status labels_classify(labels_result **out, const weir_model *model, const table *t, double first, weir_error *err);
void labels_result_free(labels_result *r);

#endif
