/* A table seen through a recipe: values, inputs, and what the network has to learn.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "data/fail.h"
#include "data/series_private.h"

/* ---- The parts of a forecast ---- */

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

/* Base of the value h rows after row `origin`. */
double base_at(const recipe *r, const view *v, size_t i, size_t origin, size_t h)
{
    const target *t = r->target + i;
    if (t->base == BASE_LINE)
        return t->line[h - 1] * v->known[i][origin];
    size_t seasons = (h + r->period - 1) / r->period * r->period;
    return origin + h >= seasons ? v->known[i][origin + h - seasons] : v->known[i][origin];
}

/* ---- Views ---- */

void view_free(view *v)
{
    for (size_t i = 0; v->r && i < v->r->targets; i++) {
        free(v->value ? v->value[i] : NULL);
        free(v->known ? v->known[i] : NULL);
    }
    free(v->value);
    free(v->known);
    free(v->x);
    *v = (view){0};
}

weir_status view_values(view *v, const recipe *r, const table *t, weir_error *err)
{
    *v = (view){.r = r, .rows = t->rows};
    v->value = calloc(r->targets, sizeof *v->value);
    v->known = calloc(r->targets, sizeof *v->known);
    if (!v->value || !v->known)
        return data_no_memory(err);
    for (size_t i = 0; i < r->targets; i++) {
        double *value = v->value[i] = malloc(t->rows * sizeof *value), *known = v->known[i] = malloc(t->rows * sizeof *known);
        if (!value || !known)
            return data_no_memory(err);
        const double *from = t->column[r->target[i].column].number;
        size_t first = 0;
        while (first < t->rows && !isfinite(forward_transform(r->target + i, from[first])))
            first++;
        double last = first < t->rows ? forward_transform(r->target + i, from[first]) : 0;
        for (size_t row = 0; row < t->rows; row++) {
            value[row] = forward_transform(r->target + i, from[row]);
            last = isfinite(value[row]) ? value[row] : last;
            known[row] = last;
        }
    }
    return WEIR_OK;
}

/* Inputs of a row: the columns, what moved against the season (or the last row), and the place in the season. */
static size_t input_width(const recipe *r)
{
    return r->inputs.width + r->targets + (r->period > 1 ? 2 : 0);
}

weir_status view_inputs(view *v, const recipe *r, const table *t, weir_error *err)
{
    v->width = input_width(r);
    v->x = malloc(v->rows * v->width * sizeof *v->x);
    if (!v->x)
        return data_no_memory(err);
    columns_fill(&r->inputs, t, true, v->x, v->width);
    for (size_t row = 0; row < v->rows; row++) {
        float *x = v->x + row * v->width + r->inputs.width;
        for (size_t i = 0; i < r->targets; i++) {
            const target *g = r->target + i;
            size_t back = g->base == BASE_SEASON ? r->period : 1;
            double moved = row >= back ? v->known[i][row] - v->known[i][row - back] : 0;
            *x++ = (float)((moved - (g->base == BASE_SEASON ? g->offset[0] : 0)) / g->scale[0]);
        }
        double angle = 6.283185307179586 * (double)(row % r->period) / (double)r->period;
        if (r->period > 1) {
            *x++ = (float)sin(angle);
            *x++ = (float)cos(angle);
        }
    }
    return WEIR_OK;
}

/* What is left of the value h rows after `origin`, in the network's units; NaN if it is missing or not before `end`. */
float left_over(const view *v, size_t i, size_t origin, size_t h, size_t begin, size_t end)
{
    const target *t = v->r->target + i;
    size_t row = origin + h;
    if (row < begin || row >= end || !isfinite(v->value[i][row]))
        return NAN;
    return (float)((v->value[i][row] - base_at(v->r, v, i, origin, h) - t->offset[h - 1]) / t->scale[h - 1]);
}
