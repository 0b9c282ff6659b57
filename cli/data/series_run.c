/* Running a model over origins, and its calibration.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

/* ---- Running a model over origins ---- */

/* out[origin][targets][horizon] for `count` origins from `first` on, each from the `steps` rows that end with it. */
weir_status run_origins(const recipe *r, const view *v, const weir_model *model, size_t first, size_t count, outcome *out,
                               weir_error *err)
{
    enum { WINDOWS = 128 };
    size_t n = r->targets * r->horizon, S = r->steps;
    float *x = malloc(S * WINDOWS * v->width * sizeof *x), *y = malloc(S * WINDOWS * 2 * n * sizeof *y);
    weir_status status = x && y ? WEIR_OK : data_no_memory(err);
    for (size_t done = 0; done < count && !status; done += WINDOWS) {
        size_t B = count - done < WINDOWS ? count - done : WINDOWS;
        uint32_t lengths[WINDOWS];
        memset(x, 0, S * B * v->width * sizeof *x);
        for (size_t w = 0; w < B; w++) {
            size_t origin = first + done + w, length = origin + 1 < S ? origin + 1 : S;
            lengths[w] = (uint32_t)length;
            for (size_t step = 0; step < length; step++)
                memcpy(x + (step * B + w) * v->width, v->x + (origin + 1 - length + step) * v->width, v->width * sizeof *x);
        }
        weir_batch batch = {.steps = S, .rows = B, .x = x, .lengths = lengths};
        status = weir_model_run(model, &batch, y, NULL, NULL, NULL, err);
        for (size_t w = 0; w < B && !status; w++) {
            const float *at = y + ((lengths[w] - 1) * B + w) * 2 * n;
            for (size_t i = 0; i < r->targets; i++)
                for (size_t h = 1; h <= r->horizon; h++) {
                    const target *t = r->target + i;
                    size_t j = i * r->horizon + h - 1;
                    out[(done + w) * n + j] = (outcome){
                        .mean = base_at(r, v, i, first + done + w, h) + t->offset[h - 1] + t->scale[h - 1] * (double)at[j],
                        .deviation = t->scale[h - 1] * (double)at[n + j],
                    };
                }
        }
    }
    free(x);
    free(y);
    return status;
}

/* ---- Calibration ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* z with Phi(z) = p, 0.5 <= p < 1: bisection on erfc. */
double normal_quantile(double p)
{
    double low = 0, high = 9;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (1 - 0.5 * erfc(middle / sqrt(2)) < p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The 90 % quantile of n ratios over that of the normal distribution. */
static double factor_of(double *ratio, size_t n)
{
    qsort(ratio, n, sizeof *ratio, ascending);
    return ratio[(size_t)(0.9 * (double)(n - 1) + 0.5)] / normal_quantile(0.95);
}

/* Series change: of up to 4 stretches of the validation part, each of at least 100 rows, the one that needs the widest interval counts
 * for three quarters, all rows together for the rest. */
static double cautious_factor(double *ratio, size_t n)
{
    enum { STRETCH = 100, MOST_STRETCHES = 4 };
    size_t stretches = n / STRETCH < 1 ? 1 : n / STRETCH > MOST_STRETCHES ? MOST_STRETCHES : n / STRETCH;
    double widest = 0;
    for (size_t i = 0; i < stretches; i++)
        widest = fmax(widest, factor_of(ratio + i * n / stretches, (i + 1) * n / stretches - i * n / stretches));
    return 0.75 * widest + 0.25 * factor_of(ratio, n);
}

/* The standard deviations by which the model misses each known row of the validation part at horizon h, in the order of the rows. */
static size_t misses(const series *s, const outcome *o, size_t first, size_t count, size_t i, size_t h, double *ratio)
{
    size_t m = 0, n = s->r.targets * s->r.horizon;
    for (size_t k = 0; k < count; k++) {
        size_t row = first + k + h;
        const outcome *at = o + k * n + i * s->r.horizon + h - 1;
        if (row >= s->train_end && row < s->valid_end && isfinite(s->v.value[i][row]))
            ratio[m++] = fabs(s->v.value[i][row] - at->mean) / at->deviation;
    }
    return m;
}

/* The factor that lets the 90 % interval hold 90 % of the validation part's rows at each horizon, drawn towards the mean factor of all
 * horizons, the more the fewer rows there are (as if PRIOR rows had told it). */
static weir_status calibrate(series *s, const outcome *o, size_t first, size_t count, weir_error *err)
{
    enum { PRIOR = 20 };
    double *ratio = malloc(count * sizeof *ratio);
    if (!ratio)
        return data_no_memory(err);
    for (size_t i = 0; i < s->r.targets; i++) {
        double *width = s->r.target[i].width, common = 0;
        size_t rows = 0;
        for (size_t h = 1; h <= s->r.horizon; h++) {
            size_t m = misses(s, o, first, count, i, h, ratio);
            width[h - 1] = m ? cautious_factor(ratio, m) : 1;
            common += width[h - 1] / (double)s->r.horizon;
            rows = m;
        }
        for (size_t h = 1; h <= s->r.horizon; h++)
            width[h - 1] = ((double)rows * width[h - 1] + PRIOR * common) / (double)(rows + PRIOR);
    }
    free(ratio);
    return WEIR_OK;
}

weir_status series_notes(series *s, const weir_model *model, char **notes, weir_error *err)
{
    *notes = NULL;
    size_t first = s->train_end > s->r.horizon ? s->train_end - s->r.horizon : 0, count = s->valid_end - first;
    outcome *o = malloc(count * s->r.targets * s->r.horizon * sizeof *o);
    weir_status status = o ? run_origins(&s->r, &s->v, model, first, count, o, err) : data_no_memory(err);
    if (!status)
        status = calibrate(s, o, first, count, err);
    if (!status) {
        json_t *json = recipe_json(&s->r);
        *notes = json_dumps(json, JSON_COMPACT);
        json_decref(json);
        if (!*notes)
            status = data_no_memory(err);
    }
    free(o);
    return status;
}

/* ---- A model and a table ---- */

weir_status open_model(recipe *r, view *v, const weir_model *model, const table *t, weir_error *err)
{
    *v = (view){0};
    weir_status status = recipe_read(r, model, t, err);
    if (status)
        return status;
    status = view_values(v, r, t, err);
    if (!status)
        status = view_inputs(v, r, t, err);
    if (!status && v->width != weir_model_config(model)->inputs)
        status = data_fail(err, WEIR_E_FORMAT, "the model's notes do not fit its network");
    if (status) {
        view_free(v);
        recipe_free(r);
    }
    return status;
}

double own_units(const target *t, double x)
{
    switch (t->transform) {
    case TRANSFORM_LOG:
        return exp(x);
    case TRANSFORM_SQRT:
        return x > 0 ? x * x : 0;
    case TRANSFORM_NONE:
        break;
    }
    return x;
}

/* The mean in the column's own units: of the log-normal distribution, or of the square of a normal variable. */
double mean_of(const target *t, outcome o)
{
    double variance_of_it = o.deviation * o.deviation;
    if (t->transform == TRANSFORM_LOG)
        return exp(o.mean + 0.5 * variance_of_it);
    return t->transform == TRANSFORM_SQRT ? o.mean * o.mean + variance_of_it : o.mean;
}

double edge_of(const target *t, outcome o, size_t h, double z)
{
    return own_units(t, o.mean + z * t->width[h - 1] * o.deviation);
}
