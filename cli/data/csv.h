/* Tables read from CSV files.
 *
 * SPDX-License-Identifier: MIT
 *
 * Rules: the first row names the columns; every other row has as many fields; a field may be quoted; the end of a line may be LF
 * or CRLF; a UTF-8 byte order mark is skipped; blank lines are skipped. Empty, NA, N/A, NaN, null, none and ? (in any case)
 * are missing. A column is a column of numbers if it has a value and all its values are finite numbers in the C notation
 * (decimal point, optional exponent), whatever the locale; of text otherwise; of nothing if all its values are missing.
 *
 * A file is read once, from its start to its end, so that it may be a pipe. A large table lies in temporary files (data/big.h).
 */
#ifndef WEIR_CLI_CSV_H
#define WEIR_CLI_CSV_H

#include "data/big.h"

typedef enum table_kind { TABLE_NUMBER, TABLE_TEXT, TABLE_MISSING } table_kind;

typedef struct table_column {
    const char *name;
    table_kind kind;
    size_t missing; /* values that are missing */
    double *number; /* (rows), NaN where missing; only in a column of numbers */
} table_column;

typedef struct table {
    char *path;
    size_t rows, columns;
    table_column *column;
    const char *values;              /* the rest is private */
    const struct table_place *place; /* (rows) */
    big text, places, numbers;
} table;

/* Reads a file. Fails with one sentence, which names the line, if it is empty, has a header only, is ragged or binary. */
weir_status table_read(table **out, const char *path, weir_error *err);
void table_free(table *t);
/* A table of the same rows in the order order[0], order[1] ...; `t` must outlive it. */
weir_status table_in_order(table **out, const table *t, const size_t *order, weir_error *err);
/* Makes *out the rows [begin, end) of `t`, which must outlive it. Nothing is to be freed but out->column, with free(). False without memory. */
bool table_slice(table *out, const table *t, size_t begin, size_t end);
/* A value as in the file; "" where missing. Belongs to the table. Costs a walk over the row's values before it. */
const char *table_text(const table *t, size_t column, size_t row);
/* The line of a row in the file, from 1. */
size_t table_line(const table *t, size_t row);
/* Index of the column with this name, or SIZE_MAX. */
size_t table_find(const table *t, const char *name);

#endif
