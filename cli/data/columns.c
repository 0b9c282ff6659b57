/* SPDX-License-Identifier: MIT */
#include "data/columns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "data/fail.h"

enum { MOST_VALUES = 16 };

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

static bool is_counter(const table_column *c, size_t rows)
{
    for (size_t i = 1; i < rows; i++)
        if (c->number[i] != c->number[i - 1] + 1)
            return false;
    return rows > 1;
}

/* Columns that only grow: useless as inputs, for the future has values that training never saw. */
static bool only_grows(const table *t, size_t j)
{
    static const char *const names[] = {"no", "index", "row", "year", "timestamp", NULL};
    return is_one_of(t->column[j].name, names) || is_counter(t->column + j, t->rows);
}

bool columns_is_calendar(const table *t, size_t j)
{
    static const char *const names[] = {"month", "week", "weekday", "day", "hour", "minute", "second", "time", NULL};
    return only_grows(t, j) || is_one_of(t->column[j].name, names);
}

static bool all_different(const table *t, size_t column)
{
    size_t rows = t->rows;
    if (t->column[column].missing)
        return false;
    for (size_t i = 1; i < rows; i++) /* dates differ from their neighbours; a full comparison of the first rows settles the rest */
        if (strcmp(table_text(t, column, i), table_text(t, column, i - 1)) == 0)
            return false;
    for (size_t i = 0; i < rows && i < 1000; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(table_text(t, column, i), table_text(t, column, j)) == 0)
                return false;
    return true;
}

/* Dates, other text that never repeats, or a counter such as a year. */
static bool labels_rows(const table *t, size_t j)
{
    const table_column *c = t->column + j;
    return c->kind == TABLE_TEXT ? all_different(t, j) : c->kind == TABLE_NUMBER && is_counter(c, t->rows);
}

size_t columns_label(const table *t)
{
    for (size_t j = 0; j < t->columns; j++)
        if (labels_rows(t, j))
            return j;
    return SIZE_MAX;
}

static void push(columns *c, column_input input)
{
    c->input[c->count++] = input;
    c->width += input.value ? input.values : 1 + (size_t)input.flag;
}

static void choose_number(columns *c, const table *t, size_t j, const bool *trains)
{
    const table_column *col = t->column + j;
    double n = 0, mean = 0, square = 0;
    bool missing = false;
    for (size_t i = 0; i < t->rows; i++) {
        if (!trains[i])
            continue;
        missing |= isnan(col->number[i]);
        if (isnan(col->number[i]))
            continue;
        n++;
        double d = col->number[i] - mean;
        mean += d / n;
        square += d * (col->number[i] - mean);
    }
    if (n > 1 && square > 0)
        push(c, (column_input){.name = strdup(col->name), .column = j, .flag = missing, .mean = mean, .deviation = sqrt(square / n)});
}

static weir_status choose_text(columns *c, const table *t, size_t j, const bool *trains, weir_error *err)
{
    const table_column *col = t->column + j;
    column_input in = {.column = j};
    const char *value[MOST_VALUES];
    for (size_t i = 0; i < t->rows; i++) {
        const char *text = trains[i] ? table_text(t, j, i) : "";
        if (!*text)
            continue;
        size_t k = 0;
        while (k < in.values && strcmp(value[k], text) != 0)
            k++;
        if (k == MOST_VALUES)
            return WEIR_OK;
        if (k == in.values)
            value[in.values++] = text;
    }
    if (in.values < 2)
        return WEIR_OK;
    in.name = strdup(col->name);
    in.value = calloc(in.values, sizeof *in.value);
    for (size_t k = 0; in.value && k < in.values; k++)
        in.value[k] = strdup(value[k]);
    if (!in.name || !in.value)
        return data_no_memory(err);
    push(c, in);
    return WEIR_OK;
}

static bool skipped(size_t j, const size_t *skip, size_t skips)
{
    for (size_t i = 0; i < skips; i++)
        if (skip[i] == j)
            return true;
    return false;
}

weir_status columns_choose(columns *c, const table *t, const size_t *skip, size_t skips, const bool *trains, weir_error *err)
{
    *c = (columns){.label = SIZE_MAX};
    c->input = calloc(t->columns + 1, sizeof *c->input);
    weir_status status = c->input ? WEIR_OK : data_no_memory(err);
    for (size_t j = 0; j < t->columns && !status; j++) {
        if (skipped(j, skip, skips))
            continue;
        if (c->label == SIZE_MAX && labels_rows(t, j))
            c->label = j;
        else if (t->column[j].kind == TABLE_NUMBER && !only_grows(t, j))
            choose_number(c, t, j, trains);
        else if (t->column[j].kind == TABLE_TEXT)
            status = choose_text(c, t, j, trains, err);
    }
    return status;
}

void columns_free(columns *c)
{
    for (size_t i = 0; c->input && i < c->count; i++) {
        for (size_t k = 0; c->input[i].value && k < c->input[i].values; k++)
            free(c->input[i].value[k]);
        free(c->input[i].value);
        free(c->input[i].name);
    }
    free(c->input);
    *c = (columns){0};
}

json_t *columns_json(const columns *c)
{
    json_t *all = json_array();
    for (size_t i = 0; i < c->count; i++) {
        const column_input *in = c->input + i;
        json_t *o = json_pack("{s:s}", "name", in->name);
        if (in->value) {
            json_t *values = json_array();
            for (size_t k = 0; k < in->values; k++)
                json_array_append_new(values, json_string(in->value[k]));
            json_object_set_new(o, "values", values);
        } else {
            json_object_set_new(o, "mean", json_real(in->mean));
            json_object_set_new(o, "deviation", json_real(in->deviation));
            json_object_set_new(o, "missing", json_boolean(in->flag));
        }
        json_array_append_new(all, o);
    }
    return all;
}

static bool read_values(column_input *in, const json_t *values)
{
    in->value = calloc(json_array_size(values) + 1, sizeof *in->value);
    for (size_t k = 0; in->value && k < json_array_size(values); k++) {
        const char *text = json_string_value(json_array_get(values, k));
        if (!text || !(in->value[k] = strdup(text)))
            return false;
        in->values++;
    }
    return in->value && in->values;
}

static bool read_input(column_input *in, const json_t *o, const table *t)
{
    const char *name = json_string_value(json_object_get(o, "name"));
    if (!name || !(in->name = strdup(name)))
        return false;
    in->column = table_find(t, name);
    if (json_object_get(o, "values"))
        return read_values(in, json_object_get(o, "values"));
    in->mean = json_number_value(json_object_get(o, "mean"));
    in->deviation = json_number_value(json_object_get(o, "deviation"));
    in->flag = json_is_true(json_object_get(o, "missing"));
    return isfinite(in->mean) && isfinite(in->deviation) && in->deviation > 0;
}

weir_status columns_read(columns *c, const json_t *notes, const table *t, weir_error *err)
{
    *c = (columns){.label = SIZE_MAX};
    size_t n = json_array_size(notes);
    c->input = calloc(n + 1, sizeof *c->input);
    if (!c->input)
        return data_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        column_input *in = c->input + c->count++;
        if (!read_input(in, json_array_get(notes, i), t))
            return data_fail(err, WEIR_E_FORMAT, "the model's notes are broken: they do not tell its inputs");
        if (in->column == SIZE_MAX)
            return data_fail(err, WEIR_E_FORMAT, "%s has no column \"%s\", which the model reads", t->path, in->name);
        if (!in->value && t->column[in->column].kind == TABLE_TEXT)
            return data_fail(err, WEIR_E_FORMAT, "%s: column \"%s\" is text, but the model reads numbers there", t->path, in->name);
        c->width += in->value ? in->values : 1 + (size_t)in->flag;
    }
    c->label = columns_label(t);
    return WEIR_OK;
}

/* The rows [from, end) of one input at its place in x. *last: the last known value, carried on. */
static void fill_input(const column_input *in, const table *t, size_t from, size_t end, bool carry, double *last, float *x, size_t stride)
{
    const double *number = t->column[in->column].number;
    for (size_t row = from; row < end; row++) {
        float *out = x + row * stride;
        if (in->value) {
            const char *text = table_text(t, in->column, row);
            for (size_t k = 0; k < in->values; k++)
                out[k] = strcmp(in->value[k], text) == 0;
            continue;
        }
        double now = number ? number[row] : (double)NAN;
        bool missing = isnan(now);
        *last = missing ? (carry ? *last : in->mean) : now;
        out[0] = (float)((*last - in->mean) / in->deviation);
        if (in->flag)
            out[1] = missing;
    }
}

/* By blocks of rows, so that a table larger than memory is gone through once for some columns, not once for each. */
void columns_fill(const columns *c, const table *t, bool carry, float *x, size_t stride)
{
    enum { TOGETHER = 32, ROWS = 1024 };
    size_t at = 0;
    for (size_t first = 0; first < c->count; first += TOGETHER) {
        size_t some = c->count - first < TOGETHER ? c->count - first : TOGETHER, place[TOGETHER];
        double last[TOGETHER];
        for (size_t i = 0; i < some; i++) {
            const column_input *in = c->input + first + i;
            place[i] = at;
            last[i] = in->mean;
            at += in->value ? in->values : 1 + (size_t)in->flag;
        }
        for (size_t row = 0; row < t->rows; row += ROWS)
            for (size_t i = 0; i < some; i++)
                fill_input(c->input + first + i, t, row, row + ROWS < t->rows ? row + ROWS : t->rows, carry, last + i, x + place[i], stride);
    }
}

void columns_describe(const columns *c, const table *t, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "\ninputs:");
    for (size_t i = 0; i < c->count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, " %s%s", c->input[i].name, c->input[i].value ? " (one-hot)" : "");
    bool any = false;
    for (size_t j = 0; j < t->columns && used < size; j++) {
        bool taken = j == c->label;
        for (size_t i = 0; i < c->count; i++)
            taken |= c->input[i].column == j;
        if (!taken)
            used += (size_t)snprintf(text + used, size - used, "%s %s", any ? "," : "; left out:", t->column[j].name);
        any |= !taken;
    }
}

/* The date `ahead` steps after a date; the step is that between the table's last two rows. */
static bool next_date(const char *before, const char *last, size_t ahead, char *out, size_t size)
{
    int y, m, d, y0, m0, d0, end = 0;
    size_t n = strlen(last);
    if (n == 7 && sscanf(last, "%4d-%2d%n", &y, &m, &end) == 2 && end == 7 && m >= 1 && m <= 12) {
        size_t months = (size_t)(12 * y + m - 1) + ahead;
        return snprintf(out, size, "%04zu-%02zu", months / 12, months % 12 + 1) > 0;
    }
    if (n != 10 || strlen(before) != 10 || sscanf(last, "%4d-%2d-%2d", &y, &m, &d) != 3 || sscanf(before, "%4d-%2d-%2d", &y0, &m0, &d0) != 3)
        return false;
    struct tm a = {.tm_year = y0 - 1900, .tm_mon = m0 - 1, .tm_mday = d0}, b = {.tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d};
    time_t from = timegm(&a), to = timegm(&b), step = to - from;
    struct tm when;
    if (step >= 28 * 86400 && d == d0) { /* the same day of each month */
        when = (struct tm){.tm_year = y - 1900, .tm_mon = m - 1 + (int)ahead, .tm_mday = d};
        timegm(&when);
    } else {
        time_t then = to + step * (time_t)ahead;
        gmtime_r(&then, &when);
    }
    return step > 0 && strftime(out, size, "%Y-%m-%d", &when) > 0;
}

char *columns_next_label(const columns *c, const table *t, size_t ahead)
{
    char text[64];
    if (c->label != SIZE_MAX && t->column[c->label].kind == TABLE_NUMBER) {
        snprintf(text, sizeof text, "%.15g", t->column[c->label].number[t->rows - 1] + (double)ahead);
        return strdup(text);
    }
    bool dated = c->label != SIZE_MAX && t->rows > 1 &&
                 next_date(table_text(t, c->label, t->rows - 2), table_text(t, c->label, t->rows - 1), ahead, text, sizeof text);
    if (!dated)
        snprintf(text, sizeof text, "+%zu", ahead);
    return strdup(text);
}
