/* Rules for a new recipe, from the training part alone.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

void moments_add(moments *m, double x) /* Welford 1962 */
{
    if (!isfinite(x))
        return;
    m->n++;
    double d = x - m->mean;
    m->mean += d / m->n;
    m->square += d * (x - m->mean);
}

double variance(const moments *m)
{
    return m->n > 1 ? m->square / m->n : 0;
}

/* Variance of the difference against `lag` rows before, over the training parts. */
static double variance_of_step(const view *v, const double *x, size_t lag)
{
    moments m = {0};
    for (size_t s = 0; s < v->r->series; s++)
        for (size_t i = v->span[s].begin + lag; i < v->span[s].train_end; i++)
            moments_add(&m, x[i] - x[i - lag]);
    return variance(&m);
}

/* Correlation of the level and the spread of a season's length: does the swing grow with the level? */
static bool swings_with_level(const double *x, size_t n, size_t block)
{
    moments level = {0}, spread = {0};
    double both = 0, count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t at = 0; at + block <= n; at += block) {
            moments m = {0};
            for (size_t i = at; i < at + block; i++)
                moments_add(&m, x[i]);
            double deviation = sqrt(variance(&m));
            if (pass == 0) {
                moments_add(&level, m.mean);
                moments_add(&spread, deviation);
            } else {
                both += (m.mean - level.mean) * (deviation - spread.mean);
                count++;
            }
        }
    double scale = sqrt(variance(&level) * variance(&spread));
    return count >= 4 && scale > 0 && both / count / scale > 0.7;
}

/* `asked`: a transform, or 3 for the rule: where the swing grows with the level in at least half of the series, the logarithm if all values are
 * positive, the square root if some are 0. Refuses targets that cannot be learned. */
weir_status choose_transform(target *t, const view *v, size_t i, size_t asked, size_t period, weir_error *err)
{
    const char *path = v->t->path;
    double least = INFINITY;
    size_t swinging = 0, S = v->r->series;
    for (size_t s = 0; s < S; s++) {
        const span *p = v->span + s;
        const char *of = S > 1 ? v->r->series_name[s] : "", *kind = S > 1 ? " of series " : "";
        moments m = {0};
        for (size_t row = p->begin; row < p->train_end; row++) {
            double x = v->value[i][row];
            moments_add(&m, x);
            least = x < least ? x : least;
        }
        if (m.n < 8)
            return data_fail(err, WEIR_E_FORMAT, "%s: column \"%s\"%s%s has only %.0f values in the training part", path, t->name,
                             kind, of, m.n);
        if (variance(&m) <= 0)
            return data_fail(err, WEIR_E_FORMAT,
                             "%s: column \"%s\"%s%s is constant in the training part; there is nothing to learn", path, t->name,
                             kind, of);
        size_t n = p->train_end - p->begin, block = period > 3 ? period : n / 8;
        swinging += swings_with_level(v->known[i] + p->begin, n, block);
    }
    if ((asked == TRANSFORM_LOG && !(least > 0)) || (asked == TRANSFORM_SQRT && !(least >= 0)))
        return data_fail(err, WEIR_E_ARGUMENT, "%s: column \"%s\" has values that have no %s", path, t->name,
                         transform_names[asked]);
    bool swings = asked == 3 && least >= 0 && 2 * swinging >= S && swinging;
    t->transform = asked < 3 ? (transform)asked : !swings ? TRANSFORM_NONE : least > 0 ? TRANSFORM_LOG : TRANSFORM_SQRT;
    return WEIR_OK;
}

size_t period_of_values(const double *x, size_t n)
{
    enum { MOST = 400 };
    size_t best = 1, most = n / 4 < MOST ? n / 4 : MOST;
    double top = 0.3, zero = 0;
    for (size_t i = 1; i < n; i++)
        zero += (x[i] - x[i - 1]) * (x[i] - x[i - 1]);
    double before = 1, last = 1;
    for (size_t lag = 2; lag <= most + 1 && zero > 0; lag++) {
        double sum = 0;
        for (size_t i = lag + 1; i < n; i++)
            sum += (x[i] - x[i - 1]) * (x[i - lag] - x[i - lag - 1]);
        double now = sum / zero;
        if (lag > 3 && last > before && last >= now && last > top) {
            top = last;
            best = lag - 1;
        }
        before = last;
        last = now;
    }
    return best;
}

/* Seasons where differences against the season before have less than 0.3 of the variance of the values, within each series. */
void choose_base(target *t, const view *v, size_t i, size_t period)
{
    double all = 0, rows = 0;
    bool seasons = period > 1;
    for (size_t s = 0; s < v->r->series; s++) {
        const span *p = v->span + s;
        moments m = {0};
        for (size_t row = p->begin; row < p->train_end; row++)
            moments_add(&m, v->level[i][row]);
        all += m.square;
        rows += m.n;
        seasons &= p->train_end - p->begin >= 3 * period;
    }
    t->base = seasons && variance_of_step(v, v->level[i], period) < 0.3 * (all / rows) ? BASE_SEASON : BASE_LINE;
}

/* Least squares of the value h rows later against the last known value. */
static double slope_of(const view *v, size_t i, size_t s, size_t h)
{
    moments x = {0}, y = {0};
    double both = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t row = v->span[s].begin + h; row < v->span[s].train_end; row++) {
            double later = v->value[i][row] - v->effect[i][row], now = v->level[i][row - h];
            if (!isfinite(later))
                continue;
            if (pass)
                both += (now - x.mean) * (later - y.mean);
            else {
                moments_add(&x, now);
                moments_add(&y, later);
            }
        }
    return x.square > 0 ? both / x.square : 0;
}

weir_status measure(recipe *r, const view *v, size_t i, weir_error *err)
{
    target *t = r->target + i;
    size_t n = r->series * r->horizon;
    t->line = calloc(n, sizeof(double));
    t->offset = calloc(n, sizeof(double));
    t->scale = calloc(n, sizeof(double));
    t->width = calloc(r->horizon, sizeof(double));
    t->chain = calloc(r->horizon, sizeof(double));
    if (!t->line || !t->offset || !t->scale || !t->width || !t->chain)
        return data_no_memory(err);
    for (size_t s = 0; s < r->series; s++)
        for (size_t h = 1; h <= r->horizon; h++) {
            moments m = {0};
            size_t at = s * r->horizon + h - 1, first = v->span[s].begin + (t->base == BASE_SEASON ? r->period : 0);
            t->line[at] = t->base == BASE_LINE ? slope_of(v, i, s, h) : 0;
            for (size_t origin = first; origin + h < v->span[s].train_end; origin++)
                if (isfinite(v->value[i][origin + h]))
                    moments_add(&m, v->value[i][origin + h] - v->effect[i][origin + h] - base_at(r, v, i, origin, h));
            t->offset[at] = m.mean;
            t->scale[at] = variance(&m) > 0 ? sqrt(variance(&m)) : 1;
            t->width[h - 1] = 1;
        }
    return WEIR_OK;
}
