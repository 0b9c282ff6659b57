/* What training and use of labelled sequences share: the sequences of a table, and what its labels say.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_LABELS_DATA_H
#define WEIR_CLI_LABELS_DATA_H

#include "data/labels.h"

/* Rows that follow each other. */
typedef struct run {
    size_t first, rows;
} run;

/* Rows of one id, in the order of the file. */
typedef struct sequence {
    const char *id;
    const run *run;
    size_t runs, rows;
} sequence;

/* In the order of their first rows. */
typedef struct sequences {
    sequence *list;
    size_t count, longest;
    run *runs; /* of all, sequence by sequence */
} sequences;

weir_status sequences_find(sequences *s, const table *t, size_t id, weir_error *err);
void sequences_free(sequences *s);
/* x (steps, count, width) and lengths of the sequences list[pick[0 .. count - 1]]; data holds the inputs of all rows. */
void sequences_put(const sequence *list, const size_t *pick, size_t count, size_t steps, const float *data, size_t width,
                   float *x, uint32_t *lengths);

/* The columns of labels; SIZE_MAX: the table does not have it. */
typedef struct label_columns {
    size_t *column;
    char **name;
    size_t count;
} label_columns;

/* By the option (NULL: by the usual names), or by a model's notes. */
weir_status label_columns_find(label_columns *c, const table *t, const char *wanted, weir_error *err);
bool label_columns_add(label_columns *c, const table *t, const char *name);
void label_columns_free(label_columns *c);
size_t labels_find_id(const table *t, const char *wanted);
/* Fails if the table has no column `wanted`, or, where that is NULL, none of the usual names. */
weir_status labels_need_column(const table *t, size_t column, const char *wanted, const char *what, weir_error *err);

/* Classes, or labels of a multi-label head, in the order of their names, or columns in the order asked for. */
typedef struct class_names {
    char **name;
    size_t count, room;
} class_names;

void class_names_free(class_names *c);

/* What a table says. Items are the sequences, or with each_row the table's rows. */
typedef struct truth {
    labels_head head;
    bool each_row;
    class_names names;
    label_columns columns;
    uint32_t *class;   /* (items) UINT32_MAX: none that is known; of a multi-label head all are so */
    signed char *flag; /* (items, names) 1, 0, or -1 for nothing; of a multi-label head */
    big class_memory, flag_memory;
    size_t unknown; /* labels that are none of the names */
    const char *first_unknown;
} truth;

/* Decides on the head where it is LABELS_AUTO, and finds the names; `columns`, `each_row` and `head` are set. */
weir_status truth_names(truth *y, const table *t, const sequences *s, weir_error *err);
/* Reads the labels of all items; the names are known. */
weir_status truth_read(truth *y, const table *t, const sequences *s, weir_error *err);
void truth_free(truth *y);

#endif
