/* SPDX-License-Identifier: MIT */
#include "data/csv.h"

#include <csv.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/fail.h"

/* What libcsv's callbacks gather. */
typedef struct reader {
    const char *path;
    char *text; /* the fields, one behind the other, each with its 0 */
    size_t used, room;
    size_t *field; /* offsets into text */
    size_t fields, field_room;
    size_t columns, in_row, rows; /* rows: finished ones, the header among them */
    size_t line, *line_of, line_room;
    weir_error *err;
    weir_status status;
} reader;

/* Makes room for one more item of `size` bytes. */
static bool grow(void **array, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return true;
    size_t more = *room ? 2 * *room : 1024;
    while (more < needed)
        more *= 2;
    void *bigger = realloc(*array, more * size);
    if (!bigger)
        return false;
    *array = bigger;
    *room = more;
    return true;
}

static void on_field(void *bytes, size_t size, void *context)
{
    reader *r = context;
    if (r->status)
        return;
    void *text = r->text, *field = r->field;
    bool good = grow(&text, &r->room, r->used + size + 1, 1) && grow(&field, &r->field_room, r->fields + 1, sizeof *r->field);
    r->text = text;
    r->field = field;
    if (!good) {
        r->status = data_no_memory(r->err);
        return;
    }
    r->field[r->fields++] = r->used;
    if (size)
        memcpy(r->text + r->used, bytes, size);
    r->text[r->used + size] = 0;
    r->used += size + 1;
    r->in_row++;
}

static void on_row(int terminator, void *context)
{
    reader *r = context;
    (void)terminator;
    if (r->status)
        return;
    size_t n = r->in_row;
    r->in_row = 0;
    if (n == 1 && r->columns != 1 && !r->text[r->field[r->fields - 1]]) { /* a line of blanks */
        r->fields--;
        return;
    }
    if (r->rows == 0)
        r->columns = n;
    if (n != r->columns) {
        r->status = data_fail(r->err, WEIR_E_FORMAT, "%s, line %zu: %zu fields where the header has %zu", r->path, r->line, n, r->columns);
        return;
    }
    void *lines = r->line_of;
    if (!grow(&lines, &r->line_room, r->rows + 1, sizeof *r->line_of)) {
        r->status = data_no_memory(r->err);
        return;
    }
    r->line_of = lines;
    r->line_of[r->rows++] = r->line;
}

/* Line by line, so that an error can name its line; a quoted field may run over several. */
static weir_status parse(reader *r, const unsigned char *bytes, size_t size)
{
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI))
        return data_no_memory(r->err);
    for (size_t at = 0; at < size && !r->status;) {
        const unsigned char *end = memchr(bytes + at, '\n', size - at);
        size_t n = end ? (size_t)(end - bytes) + 1 - at : size - at;
        r->line++;
        if (csv_parse(&parser, bytes + at, n, on_field, on_row, r) != n && !r->status)
            r->status = data_fail(r->err, WEIR_E_FORMAT, "%s, line %zu: a quote stands in the middle of a field", r->path, r->line);
        at += n;
    }
    if (!r->status && csv_fini(&parser, on_field, on_row, r) && !r->status)
        r->status = data_fail(r->err, WEIR_E_FORMAT, "%s: a quoted field does not end", r->path);
    csv_free(&parser);
    return r->status;
}

static bool is_missing(const char *text)
{
    static const char *const marks[] = {"", "na", "n/a", "nan", "null", "none", "?"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strcasecmp(text, marks[i]) == 0)
            return true;
    return false;
}

/* A finite number in the C notation, whatever the locale. */
static bool parse_number(const char *text, locale_t c_locale, double *value)
{
    char *end;
    if (text[strspn(text, "+-.0123456789eE")])
        return false; /* hexadecimal, infinities and words are text */
    *value = strtod_l(text, &end, c_locale);
    return end != text && !*end && isfinite(*value);
}

static weir_status make_column(table *t, const reader *r, size_t j, locale_t c_locale, weir_error *err)
{
    table_column *c = t->column + j;
    c->name = t->bytes + r->field[j];
    c->text = malloc(t->rows * sizeof *c->text);
    c->number = malloc(t->rows * sizeof *c->number);
    if (!c->text || !c->number)
        return data_no_memory(err);
    bool numbers = true;
    for (size_t i = 0; i < t->rows; i++) {
        const char *text = t->bytes + r->field[(i + 1) * t->columns + j];
        bool missing = is_missing(text);
        c->text[i] = missing ? "" : text;
        c->number[i] = (double)NAN;
        c->missing += missing;
        if (!missing && numbers)
            numbers = parse_number(text, c_locale, c->number + i);
    }
    c->kind = c->missing == t->rows ? TABLE_MISSING : numbers ? TABLE_NUMBER : TABLE_TEXT;
    if (c->kind != TABLE_NUMBER) {
        free(c->number);
        c->number = NULL;
    }
    return WEIR_OK;
}

/* Takes over the reader's text. */
static weir_status make_table(table *t, reader *r, weir_error *err)
{
    if (r->rows == 0)
        return data_fail(err, WEIR_E_FORMAT, "%s is empty", r->path);
    if (r->rows == 1)
        return data_fail(err, WEIR_E_FORMAT, "%s has one line only; a header and rows of data are needed", r->path);
    t->rows = r->rows - 1;
    t->columns = r->columns;
    t->bytes = r->text;
    r->text = NULL;
    t->path = strdup(r->path);
    t->line = malloc(t->rows * sizeof *t->line);
    t->column = calloc(t->columns, sizeof *t->column);
    if (!t->path || !t->line || !t->column)
        return data_no_memory(err);
    memcpy(t->line, r->line_of + 1, t->rows * sizeof *t->line);
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    weir_status status = c_locale ? WEIR_OK : data_no_memory(err);
    for (size_t j = 0; j < t->columns && !status; j++)
        status = make_column(t, r, j, c_locale, err);
    if (c_locale)
        freelocale(c_locale);
    for (size_t j = 0; j < t->columns && !status; j++)
        if (table_find(t, t->column[j].name) != j)
            status = data_fail(err, WEIR_E_FORMAT, "%s: two columns have the name \"%s\"", r->path, t->column[j].name);
    return status;
}

weir_status table_read(table **out, const char *path, weir_error *err)
{
    *out = NULL;
    unsigned char *bytes;
    size_t size;
    weir_status status = data_read_file(path, &bytes, &size, err);
    if (status)
        return status;
    size_t mark = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    reader r = {.path = path, .err = err};
    table *t = calloc(1, sizeof *t);
    if (!t)
        status = data_no_memory(err);
    else if (memchr(bytes, 0, size))
        status = data_fail(err, WEIR_E_FORMAT, "%s holds binary data, not a table in text", path);
    if (!status)
        status = parse(&r, bytes + mark, size - mark);
    if (!status)
        status = make_table(t, &r, err);
    free(bytes);
    free(r.text);
    free(r.field);
    free(r.line_of);
    if (status)
        table_free(t);
    else
        *out = t;
    return status;
}

void table_free(table *t)
{
    if (!t)
        return;
    for (size_t j = 0; t->column && j < t->columns; j++) {
        free(t->column[j].text);
        free(t->column[j].number);
    }
    free(t->column);
    free(t->line);
    free(t->path);
    free(t->bytes);
    free(t);
}

const char *table_text(const table *t, size_t column, size_t row)
{
    return t->column[column].text[row];
}

size_t table_line(const table *t, size_t row)
{
    return t->line[row];
}

size_t table_find(const table *t, const char *name)
{
    for (size_t j = 0; j < t->columns; j++)
        if (strcmp(t->column[j].name, name) == 0)
            return j;
    return SIZE_MAX;
}
