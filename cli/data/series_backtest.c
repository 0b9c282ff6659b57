/* Measuring a model on a table.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "data/fail.h"
#include "data/series_private.h"

static series_score score_of(const recipe *r, const view *v, size_t i, size_t h, const outcome *o, size_t origin0, size_t first, double z)
{
    const target *t = r->target + i;
    series_score s = {0};
    double error = 0, absolute = 0, last = 0, last_absolute = 0, season = 0, season_absolute = 0, inside = 0, loss = 0;
    size_t n = r->targets * r->horizon, seasons = (h + r->period - 1) / r->period * r->period;
    bool any_season = r->period > 1;
    for (size_t row = first > h ? first : h; row < v->rows; row++) {
        if (!isfinite(v->value[i][row]))
            continue;
        size_t origin = row - h;
        outcome at = o[(origin - origin0) * n + i * r->horizon + h - 1];
        double x = own_units(t, v->value[i][row]), d = x - mean_of(t, at), u = (v->value[i][row] - at.mean) / at.deviation;
        double from_last = x - own_units(t, v->known[i][origin]);
        error += d * d;
        absolute += fabs(d);
        last += from_last * from_last;
        last_absolute += fabs(from_last);
        if (row >= seasons) {
            double from_season = x - own_units(t, v->known[i][row - seasons]);
            season += from_season * from_season;
            season_absolute += fabs(from_season);
        } else
            any_season = false;
        inside += x >= edge_of(t, at, h, -z) && x <= edge_of(t, at, h, z);
        loss += log(at.deviation / t->scale[h - 1]) + 0.5 * u * u + 0.91893853320467274178;
        s.points++;
    }
    double m = (double)s.points;
    s.rmse = sqrt(error / m);
    s.mae = absolute / m;
    s.last_rmse = sqrt(last / m);
    s.last_mae = last_absolute / m;
    s.seasonal_rmse = any_season ? sqrt(season / m) : (double)NAN;
    s.seasonal_mae = any_season ? season_absolute / m : (double)NAN;
    s.coverage = inside / m;
    s.loss = loss / m;
    return s;
}

static weir_status backtest(series_backtest_result *b, const recipe *r, const view *v, const weir_model *model, const table *t,
                            double interval, weir_error *err)
{
    size_t origin0 = b->first > r->horizon ? b->first - r->horizon : 0, count = v->rows - 1 - origin0;
    outcome *o = malloc((count + 1) * r->targets * r->horizon * sizeof *o);
    b->target = calloc(r->targets, sizeof *b->target);
    b->score = calloc(r->targets * r->horizon, sizeof *b->score);
    weir_status status = o && b->target && b->score ? run_origins(r, v, model, origin0, count, o, err) : data_no_memory(err);
    double z = normal_quantile(0.5 + 0.5 * interval);
    for (size_t i = 0; i < r->targets && !status; i++) {
        b->target[i] = t->column[r->target[i].column].name;
        for (size_t h = 1; h <= r->horizon; h++)
            b->score[i * r->horizon + h - 1] = score_of(r, v, i, h, o, origin0, b->first, z);
    }
    free(o);
    return status;
}

weir_status series_backtest(series_backtest_result **out, const weir_model *model, const table *t, size_t first, double interval,
                            weir_error *err)
{
    *out = NULL;
    recipe r;
    view v;
    weir_status status = open_model(&r, &v, model, t, err);
    if (status)
        return status;
    series_backtest_result *b = calloc(1, sizeof *b);
    if (!b)
        status = data_no_memory(err);
    else {
        bool rest = r.trained_rows < t->rows;
        b->first = first != SIZE_MAX ? first : rest ? r.trained_rows : 0;
        b->held_out = rest && b->first >= r.trained_rows;
        b->rows = t->rows - b->first;
        b->period = (uint32_t)r.period;
        b->targets = r.targets;
        b->horizon = r.horizon;
        if (t->rows < 2 || b->first >= t->rows)
            status = data_fail(err, WEIR_E_FORMAT, "%s has no rows to measure", t->path);
        else
            status = backtest(b, &r, &v, model, t, interval, err);
    }
    view_free(&v);
    recipe_free(&r);
    if (status)
        series_backtest_free(b);
    else
        *out = b;
    return status;
}

void series_backtest_free(series_backtest_result *b)
{
    if (!b)
        return;
    free(b->target);
    free(b->score);
    free(b);
}
