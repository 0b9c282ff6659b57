/* Running a model over origins, and its calibration.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

/* What the network says of one value, in the units of the transformed column. y: the values of one row of outputs. */
static outcome outcome_of(const recipe *r, const view *v, size_t i, size_t origin, size_t h, const float *y)
{
    const target *t = r->target + i;
    size_t n = r->targets * r->horizon, j = i * r->horizon + h - 1, at = v->series[origin] * r->horizon + h - 1;
    if (r->distribution == NEGATIVE_BINOMIAL)
        return (outcome){.mean = count_scale(r, v, i, origin, h) * (double)y[j], .deviation = (double)y[n + j]};
    double effect = origin + h < v->span[v->series[origin]].future ? v->effect[i][origin + h] : 0;
    return (outcome){
        .mean = base_at(r, v, i, origin, h) + effect + t->offset[at] + t->scale[at] * (double)y[j],
        .deviation = t->scale[at] * (double)y[n + j],
        .freedom = r->distribution == STUDENT_T ? (double)y[2 * n + j] : 0,
    };
}

weir_status run_origins(const recipe *r, const view *v, const weir_model *model, const size_t *origins, size_t count,
                        outcome *out, weir_error *err)
{
    enum { WINDOWS = 128 };
    size_t n = r->targets * r->horizon, O = weir_model_outputs(model), S = r->steps;
    float *x = malloc(S * WINDOWS * v->width * sizeof *x), *y = malloc(S * WINDOWS * O * sizeof *y);
    weir_status status = x && y ? WEIR_OK : data_no_memory(err);
    for (size_t done = 0; done < count && !status; done += WINDOWS) {
        size_t B = count - done < WINDOWS ? count - done : WINDOWS;
        uint32_t lengths[WINDOWS];
        memset(x, 0, S * B * v->width * sizeof *x);
        for (size_t w = 0; w < B; w++) {
            size_t origin = origins[done + w], before = origin + 1 - v->span[v->series[origin]].begin,
                   length = before < S ? before : S;
            lengths[w] = (uint32_t)length;
            for (size_t step = 0; step < length; step++)
                memcpy(x + (step * B + w) * v->width, v->x + (origin + 1 - length + step) * v->width, v->width * sizeof *x);
        }
        weir_batch batch = {.steps = S, .rows = B, .x = x, .lengths = lengths};
        status = weir_model_run(model, &batch, y, NULL, NULL, NULL, err);
        for (size_t w = 0; w < B && !status; w++)
            for (size_t i = 0; i < r->targets; i++)
                for (size_t h = 1; h <= r->horizon; h++)
                    out[(done + w) * n + i * r->horizon + h - 1] =
                        outcome_of(r, v, i, origins[done + w], h, y + ((lengths[w] - 1) * B + w) * O);
    }
    free(x);
    free(y);
    return status;
}

/* ---- Calibration ---- */

int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
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

/* The origins from which rows of the validation parts are forecast, series by series. */
static size_t *calibration_origins(const series *s, size_t *count)
{
    size_t *origins = malloc((s->v.rows + 1) * sizeof *origins);
    *count = 0;
    for (size_t k = 0; origins && k < s->r.series; k++) {
        const span *p = s->v.span + k;
        for (size_t row = p->train_end - p->begin > s->r.horizon ? p->train_end - s->r.horizon : p->begin; row < p->valid_end;
             row++)
            origins[(*count)++] = row;
    }
    return origins;
}

/* Whether the row h after an origin is a known one of the validation part. */
static bool validates(const series *s, size_t i, size_t origin, size_t h)
{
    const span *p = s->v.span + s->v.series[origin];
    return origin + h >= p->train_end && origin + h < p->valid_end && isfinite(s->v.value[i][origin + h]);
}

/* By how much the model misses each known row of the validation part at horizon h, in half widths of the 90 % interval before it is
 * stretched, in the order of the rows. */
static size_t misses(const series *s, const outcome *o, const size_t *origins, size_t count, size_t i, size_t h, double *ratio)
{
    size_t m = 0, n = s->r.targets * s->r.horizon;
    double normal = normal_quantile(0.95);
    for (size_t k = 0; k < count; k++) {
        const outcome *at = o + k * n + i * s->r.horizon + h - 1;
        if (validates(s, i, origins[k], h))
            ratio[m++] = fabs(s->v.value[i][origins[k] + h] - at->mean) / at->deviation *
                         (s->r.distribution == GAUSSIAN ? 1 : normal / edge_of_90(&s->r, *at));
    }
    return m;
}

enum { PRIOR = 20 };

/* The factor that lets the 90 % interval hold 90 % of the validation part's rows at each horizon, drawn towards the mean factor of all
 * horizons, the more the fewer rows there are (as if PRIOR rows had told it). */
static void calibrate_widths(series *s, const outcome *o, const size_t *origins, size_t count, size_t i, double *ratio)
{
    double *width = s->r.target[i].width, common = 0;
    size_t rows = 0;
    for (size_t h = 1; h <= s->r.horizon; h++) {
        size_t m = misses(s, o, origins, count, i, h, ratio);
        width[h - 1] = m ? cautious_factor(ratio, m) : 1;
        common += width[h - 1] / (double)s->r.horizon;
        rows = m;
    }
    for (size_t h = 1; h <= s->r.horizon; h++)
        width[h - 1] = ((double)rows * width[h - 1] + PRIOR * common) / (double)(rows + PRIOR);
}

/* The correlation of the normal scores of neighbouring horizons of one forecast (Pinson et al. 2009), drawn towards the mean of all horizons
 * like the widths. */
static void calibrate_chain(series *s, const outcome *o, const size_t *origins, size_t count, size_t i)
{
    const recipe *r = &s->r;
    const target *t = r->target + i;
    size_t n = r->targets * r->horizon, rows = 0;
    double common = 0;
    for (size_t h = 2; h <= r->horizon; h++) {
        double both = 0, square[2] = {0};
        rows = 0;
        for (size_t k = 0; k < count; k++) {
            if (!validates(s, i, origins[k], h) || !validates(s, i, origins[k], h - 1))
                continue;
            double z[2];
            for (size_t e = 0; e < 2; e++) {
                double x = own_units(t, s->v.value[i][origins[k] + h - 1 + e]);
                z[e] = score_of_value(r, t, o[k * n + i * r->horizon + h - 2 + e], h - 1 + e, x);
                z[e] = z[e] > 4 ? 4 : z[e] < -4 ? -4 : z[e];
                square[e] += z[e] * z[e];
            }
            both += z[0] * z[1];
            rows++;
        }
        t->chain[h - 1] = square[0] * square[1] > 0 ? both / sqrt(square[0] * square[1]) : 0;
        common += t->chain[h - 1] / (double)(r->horizon - 1);
    }
    for (size_t h = 2; h <= r->horizon; h++)
        t->chain[h - 1] = ((double)rows * t->chain[h - 1] + PRIOR * common) / (double)(rows + PRIOR);
}

weir_status series_notes(series *s, const weir_model *model, char **notes, weir_error *err)
{
    *notes = NULL;
    size_t count, *origins = calibration_origins(s, &count);
    outcome *o = malloc(count * s->r.targets * s->r.horizon * sizeof *o + 1);
    double *ratio = malloc(count * sizeof *ratio + 1);
    weir_status status = origins && o && ratio ? run_origins(&s->r, &s->v, model, origins, count, o, err) : data_no_memory(err);
    for (size_t i = 0; i < s->r.targets && !status; i++) {
        if (s->r.distribution != NEGATIVE_BINOMIAL) /* whose width follows from mean and shape */
            calibrate_widths(s, o, origins, count, i, ratio);
        calibrate_chain(s, o, origins, count, i);
    }
    if (!status) {
        json_t *json = recipe_json(&s->r);
        *notes = json_dumps(json, JSON_COMPACT);
        json_decref(json);
        if (!*notes)
            status = data_no_memory(err);
    }
    free(origins);
    free(ratio);
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
    status = view_spans(v, r, t, err);
    if (!status) {
        view_cut_future(v);
        status = view_values(v, err);
    }
    if (!status) {
        for (size_t s = 0; r->series > 1 && s < r->series; s++) { /* dates repeat from series to series */
            table one;
            if (v->span[s].end - v->span[s].begin < 2 || !span_table(v, s, &one))
                continue;
            r->inputs.label = columns_label(&one);
            free(one.column);
            break;
        }
        known_apply(v);
        status = view_inputs(v, err);
    }
    if (!status && v->width != weir_model_config(model)->inputs)
        status = data_fail(err, WEIR_E_FORMAT, "the model's notes do not fit its network");
    if (status) {
        view_free(v);
        recipe_free(r);
    }
    return status;
}
