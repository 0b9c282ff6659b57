/* Forecasting the rows after a table.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "data/fail.h"
#include "data/series_private.h"

static weir_status forecast(series_forecast_result *f, const recipe *r, const view *v, const weir_model *model, const table *t,
                            double interval, weir_error *err)
{
    size_t all = r->targets * f->horizon;
    outcome *o = malloc(r->targets * r->horizon * sizeof *o);
    f->target = calloc(r->targets, sizeof *f->target);
    f->column = calloc(r->targets, sizeof *f->column);
    f->label = calloc(f->horizon, sizeof *f->label);
    f->mean = malloc(all * sizeof *f->mean);
    f->lower = malloc(all * sizeof *f->lower);
    f->upper = malloc(all * sizeof *f->upper);
    bool room = o && f->target && f->column && f->label && f->mean && f->lower && f->upper;
    weir_status status = room ? run_origins(r, v, model, t->rows - 1, 1, o, err) : data_no_memory(err);
    double z = normal_quantile(0.5 + 0.5 * interval);
    for (size_t i = 0; i < r->targets && !status; i++) {
        f->column[i] = r->target[i].column;
        f->target[i] = t->column[f->column[i]].name;
        for (size_t h = 1; h <= f->horizon; h++) {
            outcome at = o[i * r->horizon + h - 1];
            f->mean[i * f->horizon + h - 1] = mean_of(r->target + i, at);
            f->lower[i * f->horizon + h - 1] = edge_of(r->target + i, at, h, -z);
            f->upper[i * f->horizon + h - 1] = edge_of(r->target + i, at, h, z);
        }
    }
    for (size_t h = 0; h < f->horizon && !status; h++)
        if (!(f->label[h] = columns_next_label(&r->inputs, t, h + 1)))
            status = data_no_memory(err);
    free(o);
    return status;
}

weir_status series_forecast(series_forecast_result **out, const weir_model *model, const table *t, size_t horizon, double interval,
                            weir_error *err)
{
    *out = NULL;
    recipe r;
    view v;
    weir_status status = open_model(&r, &v, model, t, err);
    if (status)
        return status;
    series_forecast_result *f = calloc(1, sizeof *f);
    if (!f)
        status = data_no_memory(err);
    else if (horizon > r.horizon)
        status = data_fail(err, WEIR_E_ARGUMENT, "the model has learned to forecast %zu rows, not %zu; train it with --horizon %zu", r.horizon,
                           horizon, horizon);
    else {
        f->targets = r.targets;
        f->horizon = horizon ? horizon : r.horizon;
        f->label_column = r.inputs.label;
        status = forecast(f, &r, &v, model, t, interval, err);
    }
    view_free(&v);
    recipe_free(&r);
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
    for (size_t h = 0; f->label && h < f->horizon; h++)
        free(f->label[h]);
    free(f->label);
    free(f->target);
    free(f->column);
    free(f->mean);
    free(f->lower);
    free(f->upper);
    free(f);
}
