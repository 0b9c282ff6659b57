/* Forecasting the rows after a table.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

/* What outlives the call: the names that a result points to. */
typedef struct owner {
    recipe r;
    view v;
    size_t *present; /* the series that the table has rows of */
    const char **name;
} owner;

/* A known column needs a value in each row to forecast. */
static weir_status check_known(const recipe *r, const view *v, size_t horizon, weir_error *err)
{
    for (size_t s = 0; r->known_count && s < r->series; s++) {
        const span *p = v->span + s;
        bool many = r->series > 1;
        if (p->begin == p->end)
            continue;
        if (p->future - p->end < horizon)
            return data_fail(err, WEIR_E_FORMAT,
                             "%s%s%.60s has %zu rows after the last value of \"%.60s\", but the model needs \"%.60s\" of the "
                             "next %zu rows; add rows, "
                             "or forecast fewer with --horizon",
                             v->t->path, many ? ": series " : "", many ? r->series_name[s] : "", p->future - p->end,
                             r->target[0].name, r->known[0].name, horizon);
        for (size_t k = 0; k < r->known_count; k++)
            for (size_t row = p->end; row < p->end + horizon; row++)
                if (!isfinite(v->t->column[r->known[k].column].number[row]))
                    return data_fail(err, WEIR_E_FORMAT, "%s:%zu: column \"%s\" has no value, which must be known in advance",
                                     v->t->path, table_line(v->t, row), r->known[k].name);
    }
    return WEIR_OK;
}

/* The p-quantile of n ordered numbers, between neighbours by a straight line. */
static double sample_quantile(const double *x, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;
    return x[low] + (at - (double)low) * (x[high] - x[low]);
}

/* Path number `sample` of target i: normal scores that follow each other as a chain, z_h = c_h z_(h-1) + sqrt(1 - c_h^2) e, each then the value
 * with that score in the distribution of its horizon. `lane` counts series and targets. */
static void draw_path(const recipe *r, const target *t, const outcome *o, size_t horizon, uint64_t seed, size_t lane,
                      size_t sample, double *x)
{
    double z = 0;
    for (size_t h = 1; h <= horizon; h++) {
        double e = weir_random_normal(seed, lane, sample * r->horizon + h - 1), c = h > 1 ? t->chain[h - 1] : 0;
        z = c * z + sqrt(1 - c * c) * e;
        x[h - 1] = value_of_score(r, t, o[h - 1], h, z);
    }
}

static weir_status draw_paths(series_forecast_result *f, const recipe *r, const series_forecast_options *options,
                              const outcome *o, weir_error *err)
{
    size_t lanes = f->series * f->targets, all = lanes * f->horizon;
    double *column = malloc((f->samples + 1) * sizeof *column);
    f->path = malloc(f->samples * all * sizeof *f->path);
    if (!column || !f->path) {
        free(column);
        return data_no_memory(err);
    }
    for (size_t n = 0; n < f->samples; n++)
        for (size_t lane = 0; lane < lanes; lane++)
            draw_path(r, r->target + lane % f->targets, o + lane * r->horizon, f->horizon, options->seed, lane, n,
                      f->path + n * all + lane * f->horizon);
    for (size_t at = 0; at < all; at++) {
        for (size_t n = 0; n < f->samples; n++)
            column[n] = f->path[n * all + at];
        qsort(column, f->samples, sizeof *column, ascending);
        for (size_t q = 0; q < f->quantiles; q++)
            f->quantile[at * f->quantiles + q] = sample_quantile(column, f->samples, options->quantile[q]);
    }
    free(column);
    return WEIR_OK;
}

/* Mean, interval and quantiles of one target of one series. */
static void fill_lane(series_forecast_result *f, const recipe *r, const series_forecast_options *options, const outcome *o,
                      size_t lane)
{
    const target *t = r->target + lane % f->targets;
    double z = normal_quantile(0.5 + 0.5 * options->interval);
    for (size_t h = 1; h <= f->horizon; h++) {
        outcome at = o[lane * r->horizon + h - 1];
        size_t to = lane * f->horizon + h - 1;
        f->mean[to] = mean_of(r, t, at);
        if (r->distribution == GAUSSIAN) {
            f->lower[to] = own_units(t, at.mean - z * t->width[h - 1] * at.deviation);
            f->upper[to] = own_units(t, at.mean + z * t->width[h - 1] * at.deviation);
        } else {
            f->lower[to] = quantile_of(r, t, at, h, 0.5 - 0.5 * options->interval);
            f->upper[to] = quantile_of(r, t, at, h, 0.5 + 0.5 * options->interval);
        }
        for (size_t q = 0; q < f->quantiles; q++)
            f->quantile[to * f->quantiles + q] = quantile_of(r, t, at, h, options->quantile[q]);
    }
}

/* Dates of the rows to forecast: those of the rows with known columns, else continued. */
static weir_status fill_labels(series_forecast_result *f, const recipe *r, const owner *own, weir_error *err)
{
    for (size_t s = 0; s < f->series; s++) {
        const view *v = &own->v;
        const span *p = v->span + own->present[s];
        table one;
        if (!span_table(v, own->present[s], &one))
            return data_no_memory(err);
        bool good = true;
        for (size_t h = 0; h < f->horizon && good; h++) {
            bool there = r->inputs.label != SIZE_MAX && p->end + h < p->future;
            char *label =
                there ? strdup(table_text(v->t, r->inputs.label, p->end + h)) : columns_next_label(&r->inputs, &one, h + 1);
            f->label[s * f->horizon + h] = label;
            good = label;
        }
        free(one.column);
        if (!good)
            return data_no_memory(err);
    }
    return WEIR_OK;
}

static weir_status fill_history(series_forecast_result *f, const recipe *r, const owner *own, weir_error *err)
{
    const view *v = &own->v;
    const span *p = v->span + own->present[0];
    f->history = p->end - p->begin;
    f->history_value = malloc((f->history + 1) * sizeof *f->history_value);
    if (!f->history_value)
        return data_no_memory(err);
    memcpy(f->history_value, v->t->column[r->target[0].column].number + p->begin, f->history * sizeof *f->history_value);
    if (r->inputs.label == SIZE_MAX)
        return WEIR_OK;
    f->history_label = malloc((f->history + 1) * sizeof *f->history_label);
    for (size_t row = 0; f->history_label && row < f->history; row++)
        f->history_label[row] = table_text(v->t, r->inputs.label, p->begin + row);
    return f->history_label ? WEIR_OK : data_no_memory(err);
}

/* The series that the table has rows of. */
static weir_status find_present(series_forecast_result *f, owner *own, const table *t, weir_error *err)
{
    const recipe *r = &own->r;
    own->present = malloc(r->series * sizeof *own->present);
    own->name = malloc(r->series * sizeof *own->name);
    if (!own->present || !own->name)
        return data_no_memory(err);
    for (size_t s = 0; s < r->series; s++)
        if (own->v.span[s].end > own->v.span[s].begin) {
            own->name[f->series] = r->series_name ? r->series_name[s] : NULL;
            own->present[f->series++] = s;
        }
    f->name = r->series_name ? own->name : NULL;
    return f->series ? WEIR_OK
                     : data_fail(err, WEIR_E_FORMAT, "%s has no value of \"%.60s\" to forecast from", t->path, r->target[0].name);
}

static weir_status forecast(series_forecast_result *f, const recipe *r, const owner *own, const weir_model *model, const table *t,
                            const series_forecast_options *options, weir_error *err)
{
    const view *v = &own->v;
    size_t all = f->series * r->targets * f->horizon;
    outcome *o = malloc(f->series * r->targets * r->horizon * sizeof *o);
    size_t *origins = malloc(f->series * sizeof *origins);
    f->target = calloc(r->targets, sizeof *f->target);
    f->label = calloc(f->series * f->horizon, sizeof *f->label);
    f->mean = malloc(all * sizeof *f->mean);
    f->lower = malloc(all * sizeof *f->lower);
    f->upper = malloc(all * sizeof *f->upper);
    f->quantile = malloc((all * f->quantiles + 1) * sizeof *f->quantile);
    bool room = o && origins && f->target && f->label && f->mean && f->lower && f->upper && f->quantile;
    weir_status status = room ? WEIR_OK : data_no_memory(err);
    for (size_t s = 0; s < f->series && !status; s++)
        origins[s] = v->span[own->present[s]].end - 1;
    if (!status)
        status = run_origins(r, v, model, origins, f->series, o, err);
    for (size_t i = 0; i < r->targets && !status; i++)
        f->target[i] = t->column[r->target[i].column].name;
    for (size_t lane = 0; lane < f->series * r->targets && !status; lane++)
        fill_lane(f, r, options, o, lane);
    if (!status && f->samples)
        status = draw_paths(f, r, options, o, err);
    if (!status)
        status = fill_labels(f, r, own, err);
    if (!status)
        status = fill_history(f, r, own, err);
    free(o);
    free(origins);
    return status;
}

weir_status series_forecast(series_forecast_result **out, const weir_model *model, const table *t,
                            const series_forecast_options *options, weir_error *err)
{
    *out = NULL;
    series_forecast_result *f = calloc(1, sizeof *f);
    owner *own = f ? f->own = calloc(1, sizeof *own) : NULL;
    weir_status status = own ? open_model(&own->r, &own->v, model, t, err) : data_no_memory(err);
    if (status) {
        free(own);
        free(f);
        return status;
    }
    own->v.r = &own->r;
    const recipe *r = &own->r;
    *f = (series_forecast_result){.own = own,
                                  .targets = r->targets,
                                  .horizon = options->horizon ? options->horizon : r->horizon,
                                  .quantiles = options->quantiles,
                                  .samples = options->samples,
                                  .label_column = r->inputs.label,
                                  .series_column = r->series_column};
    status = find_present(f, own, t, err);
    if (!status && f->horizon > r->horizon)
        status =
            data_fail(err, WEIR_E_ARGUMENT, "the model has learned to forecast %zu rows, not %zu; train it with --horizon %zu",
                      r->horizon, f->horizon, f->horizon);
    if (!status)
        status = check_known(r, &own->v, f->horizon, err);
    if (!status)
        status = forecast(f, r, own, model, t, options, err);
    if (status)
        series_forecast_free(f);
    else
        *out = f;
    return status;
}

void series_forecast_free(series_forecast_result *f)
{
    if (!f)
        return;
    for (size_t k = 0; f->label && k < f->series * f->horizon; k++)
        free(f->label[k]);
    owner *own = f->own;
    view_free(&own->v);
    recipe_free(&own->r);
    free(own->present);
    free(own->name);
    free(own);
    void *const all[] = {f->label,    f->target, f->mean,          f->lower,        f->upper,
                         f->quantile, f->path,   f->history_value, f->history_label};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        free(all[k]);
    free(f);
}
