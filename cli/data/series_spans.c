/* Which rows of a table are a series.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

static size_t series_find(const recipe *r, const char *name)
{
    size_t s = 0;
    while (s < r->series && strcmp(r->series_name[s], name) != 0)
        s++;
    return s;
}

weir_status series_names(recipe *r, const table *t, const char *column, weir_error *err)
{
    size_t j = table_find(t, column);
    if (j == SIZE_MAX)
        return data_fail(err, WEIR_E_FORMAT, "%s has no column \"%s\", which --series names", t->path, column);
    r->series_column = strdup(column);
    r->series_name = calloc(MOST_SERIES, sizeof *r->series_name);
    if (!r->series_column || !r->series_name)
        return data_no_memory(err);
    for (size_t row = 0; row < t->rows; row++) {
        const char *name = table_text(t, j, row);
        if (!*name)
            return data_fail(err, WEIR_E_FORMAT, "%s:%zu: column \"%s\" does not name the row's series", t->path,
                             table_line(t, row), column);
        if (series_find(r, name) < r->series)
            continue;
        if (r->series == MOST_SERIES)
            return data_fail(err, WEIR_E_FORMAT, "%s: column \"%s\" names more than %d series", t->path, column,
                             (int)MOST_SERIES);
        if (!(r->series_name[r->series] = strdup(name)))
            return data_no_memory(err);
        r->series++;
    }
    return WEIR_OK;
}

/* Sorts by series, rows of one in their order; counting sort. */
static weir_status group(view *v, const table *t, weir_error *err)
{
    const recipe *r = v->r;
    size_t j = table_find(t, r->series_column);
    if (j == SIZE_MAX)
        return data_fail(err, WEIR_E_FORMAT, "%s has no column \"%s\", which tells the model the series", t->path,
                         r->series_column);
    size_t *of_row = malloc(t->rows * sizeof *of_row), *order = malloc(t->rows * sizeof *order);
    weir_status status = of_row && order ? WEIR_OK : data_no_memory(err);
    for (size_t row = 0; row < t->rows && !status; row++) {
        of_row[row] = series_find(r, table_text(t, j, row));
        if (of_row[row] == r->series)
            status =
                data_fail(err, WEIR_E_FORMAT, "%s:%zu: the model does not know the series \"%.60s\"; it was not in its training",
                          t->path, table_line(t, row), table_text(t, j, row));
        else
            v->span[of_row[row]].future++;
    }
    size_t at = 0;
    for (size_t s = 0; s < r->series && !status; s++) {
        v->span[s].begin = v->span[s].end = at;
        at += v->span[s].future;
        v->span[s].future = at;
    }
    for (size_t row = 0; row < t->rows && !status; row++) {
        size_t to = v->span[of_row[row]].end++;
        order[to] = row;
        v->series[to] = (uint32_t)of_row[row];
    }
    if (!status)
        status = table_in_order(&v->own, t, order, err);
    v->t = v->own;
    free(of_row);
    free(order);
    return status;
}

weir_status view_spans(view *v, const recipe *r, const table *t, weir_error *err)
{
    *v = (view){.r = r, .t = t, .rows = t->rows};
    v->span = calloc(r->series, sizeof *v->span);
    if (!v->span)
        return data_no_memory(err);
    weir_status status = big_zeros(&v->series_memory, t->rows * sizeof *v->series, t->path, err);
    if (status)
        return status;
    v->series = v->series_memory.data;
    if (r->series_column)
        return group(v, t, err);
    v->span[0] = (span){.end = t->rows, .future = t->rows};
    return WEIR_OK;
}

void view_cut_future(view *v)
{
    for (size_t s = 0; v->r->known_count && s < v->r->series; s++) {
        span *p = v->span + s;
        for (bool any = false; !any && p->end > p->begin; p->end -= !any)
            for (size_t i = 0; i < v->r->targets; i++)
                any |= isfinite(v->t->column[v->r->target[i].column].number[p->end - 1]);
    }
}

bool span_table(const view *v, size_t s, table *out)
{
    const span *p = v->span + s;
    return table_slice(out, v->t, p->begin, p->end);
}
