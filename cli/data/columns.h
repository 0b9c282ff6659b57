/* Which columns of a table a network sees, and how: shared by series and labelled sequences.
 *
 * SPDX-License-Identifier: MIT
 *
 * A column of numbers is standardised by its training rows; one with missing values there gets a second input that says so. A column of
 * text with at most 16 different values is one-hot. Left out: columns without a value, constants, counters (each row one more than
 * the row before), years and row numbers by name, and other text. The first counter, or column of text whose values all differ, labels
 * the rows.
 */
#ifndef WEIR_CLI_COLUMNS_H
#define WEIR_CLI_COLUMNS_H

#include <jansson.h>

#include "data/csv.h"

typedef struct column_input {
    char *name;
    size_t column;
    bool flag;              /* a second input: 1 where the value is missing */
    double mean, deviation; /* of a column of numbers */
    char **value;           /* [values] of a one-hot column; NULL for numbers */
    size_t values;
} column_input;

typedef struct columns {
    size_t count, width; /* columns, inputs */
    column_input *input;
    size_t label; /* column that labels the rows, or SIZE_MAX */
} columns;

/* Chooses from the rows marked in `trains`; leaves out the columns skip[0 .. skips - 1]. */
weir_status columns_choose(columns *c, const table *t, const size_t *skip, size_t skips, const bool *trains, weir_error *err);
/* The column that labels the rows, or SIZE_MAX. */
size_t columns_label(const table *t);
void columns_free(columns *c);
json_t *columns_json(const columns *c);
/* From a model's notes; finds the columns in this table. */
weir_status columns_read(columns *c, const json_t *notes, const table *t, weir_error *err);
/* x[row][width], rows `stride` apart. Missing numbers: with carry the last known value, else the mean. */
void columns_fill(const columns *c, const table *t, bool carry, float *x, size_t stride);
/* Appends a sentence on inputs and columns left out. */
void columns_describe(const columns *c, const table *t, char *text, size_t size);
/* True for row numbers, years, months, days, hours: columns that tell when, and are no target by default. */
bool columns_is_calendar(const table *t, size_t column);
/* The label `ahead` rows after the last one: the next date or count, or "+ahead". Free with free(). */
char *columns_next_label(const columns *c, const table *t, size_t ahead);

#endif
