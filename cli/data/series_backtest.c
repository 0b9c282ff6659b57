/* Measuring a model on a table.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "data/fail.h"
#include "data/series_private.h"

const double series_level[SERIES_LEVELS] = {0.5, 0.8, 0.9, 0.95};
const double series_quantile[SERIES_QUANTILES] = {0.05, 0.25, 0.5, 0.75, 0.95};

typedef struct sums {
    double points, square[FORECASTERS], absolute[FORECASTERS], inside, loss, scaled[FORECASTERS], crps[FORECASTERS], pinball,
        level_inside[SERIES_LEVELS];
    bool any_season;
} sums;

/* What a rolling back-test compares with, of one target and series. */
typedef struct yardstick {
    double scale;                   /* of MASE */
    double *deviation[FORECASTERS]; /* [horizon] of the errors of last value and season before */
} yardstick;

typedef struct measurement {
    const recipe *r;
    const view *v;
    const series_backtest_options *options;
    bool rolling;
    size_t *first;   /* [series] first row measured */
    size_t *origins; /* of all series */
    size_t count;
    outcome *o;      /* [count][targets][horizon] */
    yardstick *yard; /* [targets][series] */
    double z;        /* half width of the interval of a normal distribution */
} measurement;

/* ---- Simple forecasts ---- */

/* The value h rows after an origin as the last known value, or as one season before. False if there is no season there. */
static bool simple_forecast(const view *v, size_t i, size_t origin, size_t h, int which, double *x)
{
    const recipe *r = v->r;
    size_t begin = v->span[v->series[origin]].begin, seasons = (h + r->period - 1) / r->period * r->period;
    bool there = which == OF_LAST || (r->period > 1 && origin + h >= begin + seasons);
    if (there)
        *x = own_units(r->target + i, v->known[i][which == OF_LAST ? origin : origin + h - seasons]);
    return there;
}

/* Root mean square error of a simple forecast in rows [begin, end). */
static double simple_error(const view *v, size_t i, size_t begin, size_t end, size_t h, int which)
{
    double sum = 0, n = 0, x;
    for (size_t origin = begin; origin + h < end; origin++)
        if (isfinite(v->value[i][origin + h]) && simple_forecast(v, i, origin, h, which, &x)) {
            double d = own_units(v->r->target + i, v->value[i][origin + h]) - x;
            sum += d * d;
            n++;
        }
    return n > 0 ? sqrt(sum / n) : (double)NAN;
}

static weir_status make_yardstick(measurement *m, size_t i, size_t s, weir_error *err)
{
    const view *v = m->v;
    const span *p = v->span + s;
    yardstick *y = m->yard + i * m->r->series + s;
    size_t lag = m->r->period > 1 ? m->r->period : 1, end = m->first[s] > p->begin + lag + 2 ? m->first[s] : p->end;
    double sum = 0, n = 0;
    for (size_t row = p->begin + lag; row < end; row++)
        if (isfinite(v->value[i][row])) {
            sum += fabs(own_units(m->r->target + i, v->value[i][row]) - own_units(m->r->target + i, v->known[i][row - lag]));
            n++;
        }
    y->scale = n > 0 && sum > 0 ? sum / n : (double)NAN;
    for (int which = OF_LAST; which < FORECASTERS; which++) {
        y->deviation[which] = malloc(m->r->horizon * sizeof *y->deviation[which]);
        if (!y->deviation[which])
            return data_no_memory(err);
        for (size_t h = 1; h <= m->r->horizon; h++)
            y->deviation[which][h - 1] = simple_error(v, i, p->begin, end, h, which);
    }
    return WEIR_OK;
}

/* ---- Adding up ---- */

static void add_rolling(const measurement *m, sums *a, size_t i, size_t h, outcome at, double x,
                        const double forecast[FORECASTERS], bool season, const yardstick *y)
{
    const recipe *r = m->r;
    const target *t = r->target + i;
    a->crps[OF_MODEL] += crps_of(r, t, at, h, x);
    for (int which = OF_MODEL; which < FORECASTERS; which++) {
        if (which == OF_SEASON && !season)
            continue;
        a->scaled[which] += fabs(x - forecast[which]) / y->scale;
        if (which != OF_MODEL)
            a->crps[which] += crps_normal(forecast[which], y->deviation[which][h - 1], x);
    }
    for (size_t q = 0; q < SERIES_QUANTILES; q++) {
        double p = series_quantile[q], d = x - quantile_of(r, t, at, h, p);
        a->pinball += (d >= 0 ? p * d : (p - 1) * d) / SERIES_QUANTILES;
    }
    for (size_t l = 0; l < SERIES_LEVELS; l++) {
        double low = quantile_of(r, t, at, h, 0.5 - 0.5 * series_level[l]),
               high = quantile_of(r, t, at, h, 0.5 + 0.5 * series_level[l]);
        a->level_inside[l] += x >= low && x <= high;
    }
}

/* One known row, h rows after an origin. */
static void add_point(const measurement *m, sums *a, size_t i, size_t h, size_t origin, outcome at)
{
    const recipe *r = m->r;
    const view *v = m->v;
    const target *t = r->target + i;
    double value = v->value[i][origin + h], x = own_units(t, value), low, high, forecast[FORECASTERS] = {mean_of(r, t, at)};
    bool season = simple_forecast(v, i, origin, h, OF_SEASON, forecast + OF_SEASON);
    simple_forecast(v, i, origin, h, OF_LAST, forecast + OF_LAST);
    for (int which = OF_MODEL; which < FORECASTERS; which++) {
        double d = x - forecast[which];
        if (which == OF_SEASON && !season)
            continue;
        a->square[which] += d * d;
        a->absolute[which] += fabs(d);
    }
    a->any_season &= season;
    if (r->distribution == GAUSSIAN) {
        low = own_units(t, at.mean - m->z * t->width[h - 1] * at.deviation);
        high = own_units(t, at.mean + m->z * t->width[h - 1] * at.deviation);
    } else {
        low = quantile_of(r, t, at, h, 0.5 - 0.5 * m->options->interval);
        high = quantile_of(r, t, at, h, 0.5 + 0.5 * m->options->interval);
    }
    a->inside += x >= low && x <= high;
    a->loss += surprise(r, t, at, t->scale[v->series[origin] * r->horizon + h - 1], value);
    a->points++;
    if (m->rolling)
        add_rolling(m, a, i, h, at, x, forecast, season, m->yard + i * r->series + v->series[origin]);
}

static void add_sums(sums *a, const sums *b)
{
    a->points += b->points;
    a->inside += b->inside;
    a->loss += b->loss;
    a->pinball += b->pinball;
    a->any_season &= b->any_season || b->points == 0;
    for (int which = OF_MODEL; which < FORECASTERS; which++) {
        a->square[which] += b->square[which];
        a->absolute[which] += b->absolute[which];
        a->scaled[which] += b->scaled[which];
        a->crps[which] += b->crps[which];
    }
    for (size_t l = 0; l < SERIES_LEVELS; l++)
        a->level_inside[l] += b->level_inside[l];
}

static series_score score_of(const measurement *m, const sums *a)
{
    double n = a->points > 0 ? a->points : (double)NAN, rolling = m->rolling ? n : (double)NAN;
    series_score s = {
        .points = (size_t)a->points, .coverage = a->inside / n, .loss = a->loss / n, .pinball = a->pinball / rolling};
    for (int which = OF_MODEL; which < FORECASTERS; which++) {
        bool there = which != OF_SEASON || a->any_season;
        s.rmse[which] = there ? sqrt(a->square[which] / n) : (double)NAN;
        s.mae[which] = there ? a->absolute[which] / n : (double)NAN;
        s.mase[which] = there ? a->scaled[which] / rolling : (double)NAN;
        s.crps[which] = there ? a->crps[which] / rolling : (double)NAN;
    }
    for (size_t l = 0; l < SERIES_LEVELS; l++)
        s.level_coverage[l] = a->level_inside[l] / rolling;
    return s;
}

static void score_target(const measurement *m, size_t i, series_score *score)
{
    size_t H = m->r->horizon, n = m->r->targets * H;
    sums all = {.any_season = m->r->period > 1};
    for (size_t h = 1; h <= H; h++) {
        sums a = {.any_season = m->r->period > 1};
        for (size_t k = 0; k < m->count; k++) {
            size_t row = m->origins[k] + h, s = m->v->series[m->origins[k]];
            if (row >= m->first[s] && row < m->v->span[s].end && isfinite(m->v->value[i][row]))
                add_point(m, &a, i, h, m->origins[k], m->o[k * n + i * H + h - 1]);
        }
        score[h - 1] = score_of(m, &a);
        add_sums(&all, &a);
    }
    score[H] = score_of(m, &all);
}

/* ---- Origins ---- */

/* Rolling: from the row before the first measured one on. Else all rows from which one that is measured is forecast. */
static weir_status choose_origins(measurement *m, weir_error *err)
{
    const recipe *r = m->r;
    if (!(m->origins = malloc((m->v->rows + 1) * sizeof *m->origins)))
        return data_no_memory(err);
    for (size_t s = 0; s < r->series; s++) {
        const span *p = m->v->span + s;
        size_t first = m->first[s], back = m->rolling ? 1 : r->horizon, from = first - p->begin > back ? first - back : p->begin;
        size_t places = p->end > from + 1 ? p->end - 1 - from : 0, every = 1;
        if (m->options->every)
            every = m->options->every;
        else if (m->options->origins && places > m->options->origins)
            every = places / m->options->origins;
        for (size_t k = 0; k * every < places && !(m->options->origins && k == m->options->origins); k++)
            m->origins[m->count++] = from + k * every;
    }
    return WEIR_OK;
}

static weir_status make_fans(const measurement *m, series_backtest_result *b, weir_error *err)
{
    const recipe *r = m->r;
    size_t H = r->horizon, n = r->targets * H, next = 0;
    b->fan = malloc((m->v->rows + H) * sizeof *b->fan);
    if (!b->fan)
        return data_no_memory(err);
    for (size_t k = 0; k < m->count && m->v->series[m->origins[k]] == m->v->series[m->origins[0]]; k++) {
        size_t origin = m->origins[k], end = m->v->span[m->v->series[origin]].end;
        for (size_t h = 1; origin >= next && h <= H && origin + h < end; h++) {
            outcome at = m->o[k * n + h - 1];
            series_fan *f = b->fan + b->fans++;
            *f = (series_fan){.begins = h == 1, .row = origin + h, .mean = mean_of(r, r->target, at)};
            f->value = isfinite(m->v->value[0][origin + h]) ? own_units(r->target, m->v->value[0][origin + h]) : (double)NAN;
            for (size_t q = 0; q < SERIES_QUANTILES; q++)
                f->quantile[q] = quantile_of(r, r->target, at, h, series_quantile[q]);
        }
        if (origin >= next)
            next = origin + H;
    }
    return WEIR_OK;
}

/* ---- All of it ---- */

static weir_status choose_first(measurement *m, series_backtest_result *b, weir_error *err)
{
    const recipe *r = m->r;
    if (!(m->first = calloc(r->series, sizeof *m->first)))
        return data_no_memory(err);
    b->held_out = true;
    for (size_t s = 0; s < r->series; s++) {
        const span *p = m->v->span + s;
        size_t rows = p->end - p->begin;
        bool rest = r->trained[s] < rows;
        m->first[s] = p->begin + (m->options->from >= 0 ? (size_t)(m->options->from * (double)rows) : rest ? r->trained[s] : 0);
        b->held_out &= rows == 0 || (rest && m->first[s] >= p->begin + r->trained[s]);
        b->rows += p->end - m->first[s];
    }
    b->first = m->first[0];
    size_t longest = 0;
    for (size_t s = 0; s < r->series; s++)
        longest = m->v->span[s].end - m->v->span[s].begin > longest ? m->v->span[s].end - m->v->span[s].begin : longest;
    return longest < 2 || !b->rows ? data_fail(err, WEIR_E_FORMAT, "%s has no rows to measure", m->v->t->path) : WEIR_OK;
}

static weir_status backtest(series_backtest_result *b, measurement *m, const weir_model *model, const table *t, weir_error *err)
{
    const recipe *r = m->r;
    weir_status status = choose_first(m, b, err);
    if (!status)
        status = choose_origins(m, err);
    if (status)
        return status;
    b->target = calloc(r->targets, sizeof *b->target);
    b->score = calloc(r->targets * (r->horizon + 1), sizeof *b->score);
    m->o = malloc((m->count * r->targets * r->horizon + 1) * sizeof *m->o);
    m->yard = calloc(r->targets * r->series, sizeof *m->yard);
    bool room = b->target && b->score && m->o && m->yard;
    status = room ? run_origins(r, m->v, model, m->origins, m->count, m->o, err) : data_no_memory(err);
    for (size_t i = 0; i < r->targets && m->rolling && !status; i++)
        for (size_t s = 0; s < r->series && !status; s++)
            status = make_yardstick(m, i, s, err);
    for (size_t i = 0; i < r->targets && !status; i++) {
        b->target[i] = t->column[r->target[i].column].name;
        score_target(m, i, b->score + i * (r->horizon + 1));
    }
    return !status && m->rolling ? make_fans(m, b, err) : status;
}

static void measurement_free(measurement *m)
{
    for (size_t k = 0; m->yard && k < m->r->targets * m->r->series; k++)
        for (int which = 0; which < FORECASTERS; which++)
            free(m->yard[k].deviation[which]);
    free(m->yard);
    free(m->first);
    free(m->origins);
    free(m->o);
}

weir_status series_backtest(series_backtest_result **out, const weir_model *model, const table *t,
                            const series_backtest_options *options, weir_error *err)
{
    *out = NULL;
    recipe r;
    view v;
    weir_status status = open_model(&r, &v, model, t, err);
    if (status)
        return status;
    measurement m = {.r = &r,
                     .v = &v,
                     .options = options,
                     .rolling = options->every || options->origins,
                     .z = normal_quantile(0.5 + 0.5 * options->interval)};
    series_backtest_result *b = calloc(1, sizeof *b);
    if (!b)
        status = data_no_memory(err);
    else {
        b->period = (uint32_t)r.period;
        b->series = r.series;
        b->targets = r.targets;
        b->horizon = r.horizon;
        status = backtest(b, &m, model, t, err);
        b->origins = m.count;
    }
    measurement_free(&m);
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
    free(b->fan);
    free(b);
}
