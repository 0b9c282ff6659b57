/* A table seen through a recipe: values, inputs, and what the network has to learn.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "data/fail.h"
#include "data/series_private.h"

static double forward_transform(const target *t, double x)
{
    switch (t->transform) {
    case TRANSFORM_LOG:
        return x > 0 ? log(x) : (double)NAN;
    case TRANSFORM_SQRT:
        return x >= 0 ? sqrt(x) : (double)NAN;
    case TRANSFORM_NONE:
        break;
    }
    return x;
}

double base_at(const recipe *r, const view *v, size_t i, size_t origin, size_t h)
{
    const target *t = r->target + i;
    size_t s = v->series[origin], begin = v->span[s].begin;
    if (t->base == BASE_LINE)
        return t->line[s * r->horizon + h - 1] * v->level[i][origin];
    size_t seasons = (h + r->period - 1) / r->period * r->period;
    return origin + h >= begin + seasons ? v->level[i][origin + h - seasons] : v->level[i][origin];
}

/* The effect of known columns h rows after `origin`; 0 behind the last row. */
static double effect_at(const view *v, size_t i, size_t origin, size_t h)
{
    return origin + h < v->span[v->series[origin]].future ? v->effect[i][origin + h] : 0;
}

double count_scale(const recipe *r, const view *v, size_t i, size_t origin, size_t h)
{
    const target *t = r->target + i;
    size_t s = v->series[origin];
    double about = base_at(r, v, i, origin, h) + t->offset[s * r->horizon + h - 1] + effect_at(v, i, origin, h);
    double least = 0.25 * t->level[s];
    return about > least ? about : least;
}

void view_free(view *v)
{
    double **const lists[] = {v->value, v->known, v->effect, v->level};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        free(lists[k]);
    big_free(&v->x_memory);
    big_free(&v->list_memory);
    big_free(&v->series_memory);
    free(v->span);
    table_free(v->own);
    *v = (view){0};
}

static weir_status make_lists(view *v, weir_error *err)
{
    enum { LISTS = 4 };
    double ***const lists[LISTS] = {&v->value, &v->known, &v->effect, &v->level};
    if (v->value)
        return WEIR_OK;
    weir_status status = big_zeros(&v->list_memory, LISTS * v->r->targets * v->rows * sizeof(double), v->t->path, err);
    double *next = v->list_memory.data;
    for (size_t k = 0; k < LISTS && !status; k++) {
        *lists[k] = calloc(v->r->targets, sizeof **lists[k]);
        if (!*lists[k])
            return data_no_memory(err);
        for (size_t i = 0; i < v->r->targets; i++, next += v->rows)
            (*lists[k])[i] = next;
    }
    return status;
}

weir_status view_values(view *v, weir_error *err)
{
    weir_status status = make_lists(v, err);
    if (status)
        return status;
    for (size_t i = 0; i < v->r->targets; i++) {
        double *value = v->value[i], *known = v->known[i];
        const target *g = v->r->target + i;
        const double *from = v->t->column[g->column].number;
        for (size_t s = 0; s < v->r->series; s++) {
            const span *p = v->span + s;
            size_t first = p->begin;
            while (first < p->end && !isfinite(forward_transform(g, from[first])))
                first++;
            double last = first < p->end ? forward_transform(g, from[first]) : 0;
            for (size_t row = p->begin; row < p->future; row++) {
                value[row] = forward_transform(g, from[row]);
                last = isfinite(value[row]) ? value[row] : last;
                known[row] = last;
            }
        }
    }
    return WEIR_OK;
}

weir_status view_columns_table(const view *v, table *out, double **made, weir_error *err)
{
    const recipe *r = v->r;
    *out = *v->t;
    *made = NULL;
    out->column = malloc(v->t->columns * sizeof *out->column);
    if (!out->column)
        return data_no_memory(err);
    for (size_t j = 0; j < v->t->columns; j++)
        out->column[j] = v->t->column[j];
    if (r->series == 1)
        return WEIR_OK;
    if (!(*made = malloc((r->targets * v->rows + 1) * sizeof **made))) {
        free(out->column);
        return data_no_memory(err);
    }
    for (size_t i = 0; i < r->targets; i++) {
        const target *g = r->target + i;
        for (size_t row = 0; row < v->rows; row++) {
            size_t s = v->series[row];
            (*made)[i * v->rows + row] = (v->t->column[g->column].number[row] - g->level[s]) / g->spread[s];
        }
        out->column[g->column].number = *made + i * v->rows;
    }
    return WEIR_OK;
}

/* The inputs that come from columns, series by series, so that nothing is carried from one into the next. */
static weir_status fill_columns(view *v, weir_error *err)
{
    table all;
    double *made;
    weir_status status = view_columns_table(v, &all, &made, err);
    if (status)
        return status;
    view seen = *v;
    seen.t = &all;
    for (size_t s = 0; s < v->r->series && !status; s++) {
        table one;
        if (!span_table(&seen, s, &one))
            status = data_no_memory(err);
        else
            columns_fill(&v->r->inputs, &one, true, v->x + v->span[s].begin * v->width, v->width);
        free(one.column);
    }
    free(all.column);
    free(made);
    return status;
}

static size_t input_width(const recipe *r)
{
    size_t cycles = 0;
    for (size_t c = 0; c < CYCLES; c++)
        cycles += 2 * (size_t)r->cycle[c];
    return r->inputs.width + r->targets + (r->period > 1 ? 2 : 0) + cycles + r->known_count * r->horizon +
           (r->series > 1 ? r->series : 0);
}

/* Inputs of a row: the columns, what moved against the season (or the last row), the place in the season, the calendar of the next row, the
 * known columns of the rows to forecast, and which series it is: a one-hot, whose weights in the first layer are the learned embedding. */
weir_status view_inputs(view *v, weir_error *err)
{
    const recipe *r = v->r;
    v->width = input_width(r);
    weir_status status = big_zeros(&v->x_memory, v->rows * v->width * sizeof *v->x, v->t->path, err);
    v->x = v->x_memory.data;
    if (!status)
        status = fill_columns(v, err);
    for (size_t row = 0; row < v->rows && !status; row++) {
        float *x = v->x + row * v->width + r->inputs.width;
        size_t s = v->series[row], at = row - v->span[s].begin;
        for (size_t i = 0; i < r->targets; i++) {
            const target *g = r->target + i;
            size_t back = g->base == BASE_SEASON ? r->period : 1;
            double moved = at >= back ? v->level[i][row] - v->level[i][row - back] : 0;
            *x++ = (float)((moved - (g->base == BASE_SEASON ? g->offset[s * r->horizon] : 0)) / g->scale[s * r->horizon]);
        }
        double angle = 6.283185307179586 * (double)(at % r->period) / (double)r->period;
        if (r->period > 1) {
            *x++ = (float)sin(angle);
            *x++ = (float)cos(angle);
        }
        x += calendar_put(r, v, row, x);
        x += known_put(r, v, row, x);
        if (r->series > 1)
            x[s] = 1;
    }
    return status;
}

float left_over(const view *v, size_t i, size_t origin, size_t h, size_t begin, size_t end)
{
    const recipe *r = v->r;
    const target *t = r->target + i;
    size_t row = origin + h, at = v->series[origin] * r->horizon + h - 1;
    if (row < begin || row >= end || !isfinite(v->value[i][row]))
        return NAN;
    if (r->distribution == NEGATIVE_BINOMIAL)
        return (float)v->value[i][row];
    return (float)((v->value[i][row] - v->effect[i][row] - base_at(r, v, i, origin, h) - t->offset[at]) / t->scale[at]);
}
