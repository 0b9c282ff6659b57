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

double variance_of_step(const double *x, size_t n, size_t lag)
{
    moments m = {0};
    for (size_t i = lag; i < n; i++)
        moments_add(&m, x[i] - x[i - lag]);
    return variance(&m);
}

/* Correlation of the level and the spread of a season's length: does the swing grow with the level? */
bool swings_with_level(const double *x, size_t n, size_t block)
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

/* Rows of a season: from the form of the dates, else the strongest autocorrelation of the differences. */
size_t period_of_dates(const table *t, const columns *c)
{
    if (c->label == SIZE_MAX)
        return 0;
    const char *text = table_text(t, c->label, 0);
    size_t digits = strspn(text, "0123456789"), length = strlen(text);
    bool hours = strchr(text, ':') != NULL;
    if (digits == 4 && length == 7 && text[4] == '-')
        return 12;
    if (digits == 4 && length == 10 && text[4] == '-' && text[7] == '-') {
        const char *next = t->rows > 1 ? table_text(t, c->label, 1) : "";
        return strncmp(text, next, 7) == 0 ? 365 : 12; /* days, or the first of each month */
    }
    return hours && digits == 4 ? 24 : 0;
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

void choose_base(target *t, const double *known, size_t n, size_t period)
{
    moments m = {0};
    for (size_t i = 0; i < n; i++)
        moments_add(&m, known[i]);
    bool seasons = period > 1 && n >= 3 * period;
    t->base = seasons && variance_of_step(known, n, period) < 0.3 * variance(&m) ? BASE_SEASON : BASE_LINE;
}

/* Least squares of the value h rows later against the last known value. */
static double slope_of(const view *v, size_t i, size_t h, size_t end)
{
    moments x = {0}, y = {0};
    double both = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t row = h; row < end; row++) {
            double later = v->value[i][row], now = v->known[i][row - h];
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

/* Mean and deviation of what is left at each horizon. */
weir_status measure(recipe *r, const view *v, size_t i, size_t end, weir_error *err)
{
    target *t = r->target + i;
    t->line = calloc(r->horizon, sizeof(double));
    t->offset = calloc(r->horizon, sizeof(double));
    t->scale = calloc(r->horizon, sizeof(double));
    t->width = calloc(r->horizon, sizeof(double));
    if (!t->line || !t->offset || !t->scale || !t->width)
        return data_no_memory(err);
    for (size_t h = 1; h <= r->horizon; h++) {
        moments m = {0};
        t->line[h - 1] = t->base == BASE_LINE ? slope_of(v, i, h, end) : 0;
        for (size_t origin = t->base == BASE_SEASON ? r->period : 0; origin + h < end; origin++)
            if (isfinite(v->value[i][origin + h]))
                moments_add(&m, v->value[i][origin + h] - base_at(r, v, i, origin, h));
        t->offset[h - 1] = m.mean;
        t->scale[h - 1] = variance(&m) > 0 ? sqrt(variance(&m)) : 1;
        t->width[h - 1] = 1;
    }
    return WEIR_OK;
}
