/* SPDX-License-Identifier: MIT */
#include "data/csv.h"

#include <csv.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "data/fail.h"

/* A row's values stand behind each other in table.values, each with its 0. */
typedef struct table_place {
    uint64_t text; /* where its first value begins */
    uint64_t line; /* in the file, from 1 */
} table_place;

/* What libcsv's callbacks gather. */
typedef struct reader {
    table *t;
    locale_t c_locale;
    size_t in_row, rows; /* values of the row at work; finished rows, the header among them */
    size_t row_text;     /* where the row at work begins */
    bool blank;          /* it has no character so far */
    size_t line;
    weir_error *err;
    weir_status status;
} reader;

/* ---- Values ---- */

static bool is_missing(const char *text)
{
    static const char *const marks[] = {"", "na", "n/a", "nan", "null", "none", "?"};
    if (*text && !strchr("nN?", *text))
        return false;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strcasecmp(text, marks[i]) == 0)
            return true;
    return false;
}

/* Sign, digits, point, digits: at most 15 digits that count and 22 places, where the quotient of two exact numbers is the nearest one
 * (Clinger 1990). False for all other texts, numbers or not. */
static bool parse_decimal(const char *text, double *value)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool minus = *text == '-', point = false;
    size_t digits = 0, places = 0;
    uint64_t whole = 0;
    for (text += minus || *text == '+'; *text; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || digits == 15)
            return false;
        whole = 10 * whole + (uint64_t)(*text - '0');
        digits++;
        places += point;
    }
    *value = (double)whole / power[places];
    if (minus)
        *value = -*value;
    return digits > 0;
}

/* A finite number in the C notation, whatever the locale. */
static bool parse_number(const char *text, locale_t c_locale, double *value)
{
    char *end;
    if (parse_decimal(text, value))
        return true;
    if (text[strspn(text, "+-.0123456789eE")])
        return false; /* hexadecimal, infinities and words are text */
    *value = strtod_l(text, &end, c_locale);
    return end != text && !*end && isfinite(*value);
}

/* ---- Rows ---- */

/* What a value says of the kind of its column. A missing one becomes "". */
static void judge_value(reader *r, char *text)
{
    table *t = r->t;
    double value;
    if (r->rows == 0 || r->in_row >= t->columns)
        return;
    table_column *c = t->column + r->in_row;
    if (is_missing(text)) {
        *text = 0;
        c->missing++;
    } else if (c->kind != TABLE_TEXT)
        c->kind = parse_number(text, r->c_locale, &value) ? TABLE_NUMBER : TABLE_TEXT;
}

static void on_field(void *bytes, size_t size, void *context)
{
    reader *r = context;
    table *t = r->t;
    if (r->status || (r->status = big_reserve(&t->text, size + 1, t->path, r->err)) != WEIR_OK)
        return;
    char *text = (char *)t->text.data + t->text.size;
    if (size)
        memcpy(text, bytes, size);
    text[size] = 0;
    r->blank &= !*text;
    judge_value(r, text);
    t->text.size += strlen(text) + 1;
    r->in_row++;
}

static weir_status begin_columns(table *t, size_t columns, weir_error *err)
{
    t->columns = columns;
    t->column = calloc(columns, sizeof *t->column);
    for (size_t j = 0; t->column && j < columns; j++)
        t->column[j].kind = TABLE_MISSING;
    return t->column ? WEIR_OK : data_no_memory(err);
}

static weir_status take_row(reader *r)
{
    table *t = r->t;
    weir_status status = r->rows == 0 ? begin_columns(t, r->in_row, r->err) : WEIR_OK;
    if (!status && r->in_row != t->columns)
        return data_fail(r->err, WEIR_E_FORMAT, "%s, line %zu: %zu fields where the header has %zu", t->path, r->line, r->in_row,
                         t->columns);
    table_place p = {r->row_text, r->line};
    if (!status)
        status = big_append(&t->places, &p, sizeof p, t->path, r->err);
    r->rows++;
    return status;
}

static void on_row(int terminator, void *context)
{
    reader *r = context;
    (void)terminator;
    if (r->status)
        return;
    if (r->in_row == 1 && r->blank && r->t->columns != 1) /* a line of blanks */
        r->t->text.size = r->row_text;
    else
        r->status = take_row(r);
    r->row_text = r->t->text.size;
    r->in_row = 0;
    r->blank = true;
}

/* ---- Files ---- */

/* Gives the parser a piece line by line, so that an error can name its line; a quoted field may run over several. */
static void parse_piece(reader *r, struct csv_parser *parser, const char *bytes, size_t size)
{
    if (memchr(bytes, 0, size)) {
        r->status = data_fail(r->err, WEIR_E_FORMAT, "%s holds binary data, not a table in text", r->t->path);
        return;
    }
    for (size_t at = 0; at < size && !r->status;) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t n = end ? (size_t)(end - bytes) + 1 - at : size - at;
        if (csv_parse(parser, bytes + at, n, on_field, on_row, r) != n && !r->status)
            r->status =
                data_fail(r->err, WEIR_E_FORMAT, "%s, line %zu: a quote stands in the middle of a field", r->t->path, r->line);
        r->line += end != NULL;
        at += n;
    }
}

static weir_status parse_file(reader *r, struct csv_parser *parser, int fd)
{
    enum { PIECE = 1 << 20 };
    char *piece = malloc(PIECE);
    r->status = piece ? WEIR_OK : data_no_memory(r->err);
    r->line = 1;
    bool first = true;
    for (size_t got = PIECE; got == PIECE && !r->status; first = false) {
        r->status = data_read(fd, r->t->path, piece, PIECE, &got, r->err);
        size_t mark = first && got >= 3 && memcmp(piece, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        if (!r->status)
            parse_piece(r, parser, piece + mark, got - mark);
    }
    free(piece);
    if (!r->status && csv_fini(parser, on_field, on_row, r) && !r->status)
        r->status = data_fail(r->err, WEIR_E_FORMAT, "%s: a quoted field does not end", r->t->path);
    return r->status;
}

static weir_status read_rows(table *t, locale_t c_locale, weir_error *err)
{
    uint64_t size;
    int fd = data_open(t->path, &size, err);
    if (fd < 0)
        return err->status;
    reader r = {.t = t, .c_locale = c_locale, .err = err, .blank = true};
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI))
        r.status = data_no_memory(err);
    else {
        parse_file(&r, &parser, fd);
        csv_free(&parser);
    }
    close(fd);
    if (!r.status && r.rows == 0)
        return data_fail(err, WEIR_E_FORMAT, "%s is empty", t->path);
    if (!r.status && r.rows == 1)
        return data_fail(err, WEIR_E_FORMAT, "%s has one line only; a header and rows of data are needed", t->path);
    t->rows = r.rows ? r.rows - 1 : 0;
    return r.status;
}

/* ---- Tables ---- */

/* The first row that was read has the names. */
static weir_status name_columns(table *t, weir_error *err)
{
    big_finish(&t->text);
    big_finish(&t->places);
    const char *name = t->values = t->text.data;
    t->place = (const table_place *)t->places.data + 1;
    for (size_t j = 0; j < t->columns; j++, name += strlen(name) + 1) {
        t->column[j].name = name;
        if (table_find(t, name) != j)
            return data_fail(err, WEIR_E_FORMAT, "%s: two columns have the name \"%s\"", t->path, name);
    }
    return WEIR_OK;
}

/* Room for the numbers, column by column, now that their kinds are known. */
static weir_status make_numbers(table *t, weir_error *err)
{
    size_t count = 0;
    for (size_t j = 0; j < t->columns; j++)
        count += t->column[j].kind == TABLE_NUMBER;
    if (count && t->rows > SIZE_MAX / sizeof(double) / count)
        return data_no_memory(err);
    weir_status status = big_zeros(&t->numbers, count * t->rows * sizeof(double), t->path, err);
    double *next = t->numbers.data;
    for (size_t j = 0; j < t->columns && !status; j++)
        if (t->column[j].kind == TABLE_NUMBER) {
            t->column[j].number = next;
            next += t->rows;
        }
    return status;
}

static weir_status take_numbers(table *t, locale_t c_locale, weir_error *err)
{
    weir_status status = make_numbers(t, err);
    for (size_t i = 0; i < t->rows && t->numbers.size && !status; i++) {
        const char *text = table_text(t, 0, i);
        for (size_t j = 0; j < t->columns; j++, text += strlen(text) + 1) {
            double *number = t->column[j].number;
            if (number && (!*text || !parse_number(text, c_locale, number + i)))
                number[i] = (double)NAN;
        }
    }
    return status;
}

weir_status table_read(table **out, const char *path, weir_error *err)
{
    *out = NULL;
    table *t = calloc(1, sizeof *t);
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    weir_status status = t && c_locale && (t->path = strdup(path)) ? WEIR_OK : data_no_memory(err);
    if (!status)
        status = read_rows(t, c_locale, err);
    if (!status)
        status = name_columns(t, err);
    if (!status)
        status = take_numbers(t, c_locale, err);
    if (c_locale)
        freelocale(c_locale);
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
    big_free(&t->text);
    big_free(&t->places);
    big_free(&t->numbers);
    free(t->column);
    free(t->path);
    free(t);
}

weir_status table_in_order(table **out, const table *t, const size_t *order, weir_error *err)
{
    *out = calloc(1, sizeof **out);
    table *o = *out;
    weir_status status =
        o && (o->path = strdup(t->path)) && (o->column = calloc(t->columns, sizeof *o->column)) ? WEIR_OK : data_no_memory(err);
    if (!status) {
        o->rows = t->rows;
        o->columns = t->columns;
        o->values = t->values;
        memcpy(o->column, t->column, t->columns * sizeof *o->column);
        status = big_zeros(&o->places, t->rows * sizeof(table_place), t->path, err);
    }
    if (!status)
        status = make_numbers(o, err);
    table_place *place = status ? NULL : o->places.data;
    for (size_t i = 0; place && i < t->rows; i++) {
        place[i] = t->place[order[i]];
        for (size_t j = 0; j < t->columns; j++)
            if (o->column[j].kind == TABLE_NUMBER)
                o->column[j].number[i] = t->column[j].number[order[i]];
    }
    if (!status) {
        o->place = place;
        return WEIR_OK;
    }
    table_free(o);
    *out = NULL;
    return status;
}

bool table_slice(table *out, const table *t, size_t begin, size_t end)
{
    *out = *t;
    out->rows = end - begin;
    out->place = t->place + begin;
    out->column = malloc(t->columns * sizeof *out->column);
    for (size_t j = 0; out->column && j < t->columns; j++) {
        out->column[j] = t->column[j];
        if (out->column[j].number)
            out->column[j].number += begin;
    }
    return out->column != NULL;
}

const char *table_text(const table *t, size_t column, size_t row)
{
    const char *text = t->values + t->place[row].text;
    while (column--)
        text += strlen(text) + 1;
    return text;
}

size_t table_line(const table *t, size_t row)
{
    return t->place[row].line;
}

size_t table_find(const table *t, const char *name)
{
    for (size_t j = 0; j < t->columns; j++)
        if (strcmp(t->column[j].name, name) == 0)
            return j;
    return SIZE_MAX;
}
