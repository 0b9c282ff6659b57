/* Classifying labelled sequences: a table with a column of sequence ids and labels. docs/classification.md has the rules.
 *
 * SPDX-License-Identifier: MIT
 *
 * Rows with the same id, in the order of the file, are one sequence; its label is the same in all of them, unless each row has its
 * own. Labels are one column, whose values are classes or, with ; or | between them, several labels; or several columns of 0 and 1. All
 * other columns of numbers are inputs, standardised by the training part; columns of text with at most 16 values are one-hot; others are
 * left out. The id column is the one asked for, or named id, sequence, sequence_id, series or series_id; the label column is the one asked
 * for, or named label, class, target or category (in any case).
 *
 * Use: as data/series.h. The notes are a JSON object with "task": "labels".
 */
#ifndef WEIR_CLI_LABELS_H
#define WEIR_CLI_LABELS_H

#include "data/csv.h"

typedef enum labels_head {
    LABELS_AUTO = 0,
    LABELS_SOFTMAX, /* one of n classes: n probabilities that add up to 1 */
    LABELS_BINARY,  /* one of two classes: one sigmoid, the probability of the second in the order of names */
    LABELS_MULTI    /* any of n labels: n sigmoids */
} labels_head;
/* "auto", "softmax", "binary", "multilabel", NULL */
extern const char *const labels_heads[];

typedef struct labels_options {
    const char *id, *label;    /* column names; default as above. label: one, or several of 0 and 1 by commas */
    labels_head head;          /* LABELS_AUTO: by the labels */
    bool each_row;             /* every row has a label of its own */
    const char *class_weights; /* "balanced", "none" (default), or "NAME:WEIGHT,..." */
    double split;   /* share of the sequences, in order of their first row, that train; the others validate; default 0.8 */
    uint32_t batch; /* sequences in a batch; default 32 */
    uint64_t seed;  /* of the order of the sequences; default 1 */
} labels_options;

typedef struct labels labels;

/* True if the table has an id column and label columns by the rules above. */
bool labels_match(const table *t, const labels_options *options);

weir_status labels_open(labels **out, const table *t, const labels_options *options, weir_error *err);
void labels_free(labels *l);
/* As series_configure. */
void labels_configure(labels *l, weir_config *model, weir_train_config *train, weir_fit *fit);
/* One paragraph for the user. Belongs to `l`. */
const char *labels_summary(const labels *l);
/* The notes to be kept with the model: columns, normalisation, classes. Free with free(). */
weir_status labels_notes(const labels *l, char **notes, weir_error *err);

/* An item is a sequence, or with each_row a row of one. */
typedef struct labels_result {
    labels_head head;
    bool each_row, by_columns; /* by_columns: several columns of 0 and 1 */
    size_t sequences, items, classes;
    const char **class_name;     /* (classes) */
    const char **id;             /* (items) */
    size_t *step;                /* (items) row of its sequence, from 1 */
    float *probability;          /* (items, classes); of a binary head both */
    size_t *best;                /* (items) the answer; not of a multi-label head */
    size_t *truth;               /* (items) the label in the table; SIZE_MAX where missing or unknown to the model */
    signed char *answer;         /* (items, classes) 1 or 0; only of a multi-label head */
    signed char *given;          /* (items, classes) what the table says: 1, 0, or -1 for nothing */
    size_t labelled, unlabelled; /* items with a label that the model knows; without any label in the table */
    size_t unknown;              /* labels in the table that the model does not know */
    const char *first_unknown;   /* one of them */
    void *memory;                /* private */
} labels_result;

/* Classifies every sequence of the table; the label column may be absent. `first` in [0, 1): the share of the sequences, from the start,
 * to leave out. A sigmoid says yes from `threshold` on. */
weir_status labels_classify(labels_result **out, const weir_model *model, const table *t, double first, double threshold,
                            weir_error *err);
void labels_result_free(labels_result *r);

/* Of one class against all others, or of one label; NaN where it is not defined. */
typedef struct labels_class_score {
    size_t support;               /* items that have it */
    double precision, recall, f1; /* not defined if none was answered; none is there; neither */
    double auc;                   /* area under the ROC curve, ties counting half; not defined if all have it, or none */
} labels_class_score;

typedef struct labels_score {
    size_t items;             /* those with a label that the model knows */
    double loss;              /* nats an item; multi-label: nats a label */
    double accuracy;          /* share of the items with the right answer; multi-label: with all labels right */
    double label_accuracy;    /* multi-label: share of the labels that are right */
    double balanced_accuracy; /* mean recall of the classes that are there; multi-label: of yes and no, of each label */
    double macro_f1;          /* mean of the classes whose F1 is defined */
    double micro_f1;          /* over all classes together */
    double auc;               /* binary: of the second class; else the mean of the classes where it is defined */
    labels_class_score *of;   /* (classes) */
    size_t
        *confusion; /* (classes, classes) row: truth, column: answer; multi-label (classes, 4): of each label no said no, no said
                                 yes, yes said no, yes said yes */
} labels_score;

/* Measures of a result with labelled items. */
weir_status labels_measure(labels_score **out, const labels_result *r, weir_error *err);
void labels_score_free(labels_score *s);

/* A point of a ROC curve: shares of the other items, and of those of the class, whose score is not below some limit. */
typedef struct labels_roc_point {
    double others, own;
} labels_roc_point;
/* The curve of a class, from (0, 0) to (1, 1), at most items + 1 points, to `curve`; how many, 0 if it is not defined. */
size_t labels_roc(const labels_result *r, size_t class, labels_roc_point *curve);

#endif
