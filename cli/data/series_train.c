/* Opening a table, and its batches.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

/* ---- Opening ---- */

static weir_status choose_targets(recipe *r, const table *t, const series_options *o, weir_error *err)
{
    char *names = o->targets ? strdup(o->targets) : NULL;
    size_t most = t->columns;
    r->target = calloc(most + 1, sizeof *r->target);
    if (!r->target || (o->targets && !names)) {
        free(names);
        return data_no_memory(err);
    }
    weir_status status = WEIR_OK;
    char *rest = names;
    for (const char *name = names ? strtok_r(names, ",", &rest) : NULL; name && !status; name = strtok_r(NULL, ",", &rest)) {
        size_t j = table_find(t, name);
        if (j == SIZE_MAX)
            status = data_fail(err, WEIR_E_FORMAT, "%s has no column \"%s\"", t->path, name);
        else if (t->column[j].kind == TABLE_MISSING)
            status = data_fail(err, WEIR_E_FORMAT, "%s: all values of column \"%s\" are missing", t->path, name);
        else if (t->column[j].kind != TABLE_NUMBER)
            status = data_fail(err, WEIR_E_FORMAT, "%s: column \"%s\" is no column of numbers, so it cannot be forecast", t->path, name);
        else if (r->targets == most)
            status = data_fail(err, WEIR_E_FORMAT, "a column is named twice among the targets");
        else
            r->target[r->targets++] = (target){.name = strdup(name), .column = j};
    }
    free(names);
    for (size_t j = 0; j < t->columns && !o->targets && !r->targets; j++)
        if (t->column[j].kind == TABLE_NUMBER && !columns_is_calendar(t, j))
            r->target[r->targets++] = (target){.name = strdup(t->column[j].name), .column = j};
    if (!status && !r->targets) {
        size_t j = t->columns - 1;
        status = t->column[j].kind == TABLE_MISSING
                     ? data_fail(err, WEIR_E_FORMAT, "%s: all values of column \"%s\" are missing", t->path, t->column[j].name)
                     : data_fail(err, WEIR_E_FORMAT, "%s has no column of numbers to forecast", t->path);
    }
    return status;
}

/* Rows of the parts. */
static weir_status split_rows(series *s, const table *t, const series_options *o, weir_error *err)
{
    enum { LEAST_ROWS = 30 };
    double hold = o->no_holdout ? 0 : o->holdout > 0 ? o->holdout : 0.2;
    size_t held = hold < 1 ? (size_t)(hold * (double)t->rows) : (size_t)hold;
    if (t->rows < LEAST_ROWS || held + LEAST_ROWS > t->rows)
        return data_fail(err, WEIR_E_FORMAT, "%s has %zu rows, of which %zu are kept away; at least %d must be left to learn from",
                         t->path, t->rows, held, (int)LEAST_ROWS);
    s->valid_end = t->rows - held;
    s->train_end = (size_t)((o->split > 0 ? o->split : 0.8) * (double)s->valid_end);
    s->r.trained_rows = s->valid_end;
    size_t most = s->train_end / 4, horizon = o->horizon ? o->horizon : 24;
    if (o->horizon > most)
        return data_fail(err, WEIR_E_ARGUMENT, "a horizon of %u rows needs at least %u rows of training; here are %zu",
                         (unsigned)o->horizon, 4 * (unsigned)o->horizon, s->train_end);
    s->r.horizon = horizon < most ? horizon : most;
    return WEIR_OK;
}

static weir_status choose_rules(series *s, const table *t, const series_options *o, weir_error *err)
{
    recipe *r = &s->r;
    const char *wanted = o->transform ? o->transform : "auto";
    size_t asked = 0;
    while (asked < 3 && strcmp(wanted, transform_names[asked]) != 0)
        asked++;
    if (asked == 3 && strcmp(wanted, "auto") != 0)
        return data_fail(err, WEIR_E_ARGUMENT, "--transform takes auto, none, log or sqrt, not \"%s\"", wanted);
    weir_status status = view_values(&s->v, r, t, err);
    if (status)
        return status;
    size_t n = s->train_end, dated = period_of_dates(t, &r->inputs);
    r->period = o->period ? o->period : dated && 2 * dated <= n ? dated : period_of_values(s->v.known[0], n);
    size_t block = r->period > 3 ? r->period : n / 8;
    for (size_t i = 0; i < r->targets; i++) {
        moments m = {0};
        double least = INFINITY;
        for (size_t row = 0; row < t->rows; row++) {
            double x = s->v.value[i][row];
            if (row < n)
                moments_add(&m, x);
            least = row < n && x < least ? x : least;
        }
        if (m.n < 8)
            return data_fail(err, WEIR_E_FORMAT, "%s: column \"%s\" has only %.0f values in the training part", t->path, r->target[i].name,
                             m.n);
        if (variance(&m) <= 0)
            return data_fail(err, WEIR_E_FORMAT, "%s: column \"%s\" is constant in the training part; there is nothing to learn", t->path,
                             r->target[i].name);
        if ((asked == TRANSFORM_LOG && !(least > 0)) || (asked == TRANSFORM_SQRT && !(least >= 0)))
            return data_fail(err, WEIR_E_ARGUMENT, "%s: column \"%s\" has values that have no %s", t->path, r->target[i].name, wanted);
        bool swings = asked == 3 && least >= 0 && swings_with_level(s->v.known[i], n, block);
        r->target[i].transform = asked < 3 ? (transform)asked : !swings ? TRANSFORM_NONE : least > 0 ? TRANSFORM_LOG : TRANSFORM_SQRT;
    }
    view_free(&s->v);
    status = view_values(&s->v, r, t, err); /* again, transformed */
    for (size_t i = 0; i < r->targets && !status; i++) {
        choose_base(r->target + i, s->v.known[i], n, r->period);
        status = measure(r, &s->v, i, n, err);
    }
    return status;
}

static weir_status choose_inputs(series *s, const table *t, weir_error *err)
{
    bool *trains = calloc(t->rows, sizeof *trains);
    if (!trains)
        return data_no_memory(err);
    memset(trains, 1, s->train_end * sizeof *trains);
    weir_status status = columns_choose(&s->r.inputs, t, NULL, 0, trains, err);
    free(trains);
    return status;
}

static weir_status train_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err);
static weir_status valid_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err);

static uint32_t smaller(size_t a, size_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static weir_status plan_windows(series *s, const series_options *o, weir_error *err)
{
    s->least_row = 0;
    for (size_t i = 0; i < s->r.targets; i++)
        if (s->r.target[i].base == BASE_SEASON)
            s->least_row = s->r.period; /* before it there is no season to compare with */
    size_t usable = s->train_end - s->least_row;
    if (s->train_end <= s->least_row + 8)
        return data_fail(err, WEIR_E_FORMAT, "the training part is shorter than two seasons; give --period 1");
    s->r.steps = o->steps ? smaller(o->steps, usable) : smaller(64, usable * 2 / 3);
    s->batch = o->batch ? o->batch : 16;
    s->seed = o->seed ? o->seed : 1;
    size_t cover = 3 * usable / (s->r.steps * s->batch);
    s->batches = (uint32_t)(cover < 8 ? 8 : cover > 120 ? 120 : cover);
    size_t stride = s->r.steps - s->r.steps / WARM_UP, from = s->train_end > s->r.horizon ? s->train_end - s->r.horizon : 0;
    s->valid_windows = (s->valid_end - from + stride - 1) / stride;
    size_t outputs = s->r.targets * s->r.horizon;
    s->x = malloc(s->r.steps * s->batch * s->v.width * sizeof *s->x);
    s->targets = malloc(s->r.steps * s->batch * outputs * sizeof *s->targets);
    s->train_source = (weir_source){s->batches, train_get, s};
    s->valid_source = (weir_source){(s->valid_windows + s->batch - 1) / s->batch, valid_get, s};
    return s->x && s->targets ? WEIR_OK : data_no_memory(err);
}

static void describe(series *s, const table *t)
{
    size_t used = 0;
    const recipe *r = &s->r;
    used += (size_t)snprintf(s->summary, sizeof s->summary, "series: %zu rows; %zu train, %zu validate, %zu are kept away; season of %zu rows",
                             t->rows, s->train_end, s->valid_end - s->train_end, t->rows - s->valid_end, r->period);
    for (size_t i = 0; i < r->targets && used < sizeof s->summary; i++)
        used += (size_t)snprintf(s->summary + used, sizeof s->summary - used, "\ntarget %s: transform %s, base %s", r->target[i].name,
                                 transform_names[r->target[i].transform], base_names[r->target[i].base]);
    if (used < sizeof s->summary)
        columns_describe(&r->inputs, t, s->summary + used, sizeof s->summary - used);
}

weir_status series_open(series **out, const table *t, const series_options *o, weir_error *err)
{
    *out = NULL;
    series *s = calloc(1, sizeof *s);
    if (!s)
        return data_no_memory(err);
    weir_status status = choose_targets(&s->r, t, o, err);
    if (!status)
        status = split_rows(s, t, o, err);
    if (!status)
        status = choose_inputs(s, t, err);
    if (!status)
        status = choose_rules(s, t, o, err);
    if (!status)
        status = view_inputs(&s->v, &s->r, t, err);
    if (!status)
        status = plan_windows(s, o, err);
    if (status)
        series_free(s);
    else {
        describe(s, t);
        *out = s;
    }
    return status;
}

void series_free(series *s)
{
    if (!s)
        return;
    view_free(&s->v);
    recipe_free(&s->r);
    free(s->x);
    free(s->targets);
    free(s);
}

const char *series_summary(const series *s)
{
    return s->summary;
}

/* ---- Batches ---- */

/* Writes window w of a batch: `steps` rows from `first` on; targets in [begin, end), from origins after the warm-up. */
static void put_window(series *s, size_t w, size_t windows, size_t first, size_t begin, size_t end)
{
    const recipe *r = &s->r;
    size_t outputs = r->targets * r->horizon;
    for (size_t step = 0; step < r->steps; step++) {
        size_t row = first + step, at = step * windows + w;
        float *targets = s->targets + at * outputs;
        bool inside = row < s->v.rows;
        if (inside)
            memcpy(s->x + at * s->v.width, s->v.x + row * s->v.width, s->v.width * sizeof *s->x);
        else
            memset(s->x + at * s->v.width, 0, s->v.width * sizeof *s->x);
        for (size_t i = 0; i < r->targets; i++)
            for (size_t h = 1; h <= r->horizon; h++)
                *targets++ = inside && step >= r->steps / WARM_UP ? left_over(&s->v, i, row, h, begin, end) : NAN;
    }
}

static weir_status train_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)err;
    series *s = ctx;
    size_t room = s->train_end - s->least_row - s->r.steps + 1;
    for (size_t w = 0; w < s->batch; w++) {
        uint64_t z = s->seed * 0x9E3779B97F4A7C15u + ((uint64_t)epoch << 40) + index * s->batch + w; /* hashed: splitmix64's finaliser */
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        put_window(s, w, s->batch, s->least_row + (size_t)((z ^ (z >> 31)) % room), 0, s->train_end);
    }
    *batch = (weir_batch){.steps = s->r.steps, .rows = s->batch, .x = s->x, .targets = s->targets};
    return WEIR_OK;
}

/* Windows that follow each other over the validation part, each with its warm-up before it. */
static weir_status valid_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)epoch;
    (void)err;
    series *s = ctx;
    size_t warm = s->r.steps / WARM_UP, stride = s->r.steps - warm;
    size_t from = s->train_end > s->r.horizon ? s->train_end - s->r.horizon : 0, left = s->valid_windows - index * s->batch;
    size_t windows = left < s->batch ? left : s->batch;
    for (size_t w = 0; w < windows; w++) {
        size_t first = from + (index * s->batch + w) * stride;
        put_window(s, w, windows, first > warm ? first - warm : 0, s->train_end, s->valid_end);
    }
    *batch = (weir_batch){.steps = s->r.steps, .rows = windows, .x = s->x, .targets = s->targets};
    return WEIR_OK;
}

void series_configure(series *s, weir_config *model, weir_train_config *train, weir_fit *fit)
{
    bool small = s->train_end < 500;
    model->inputs = (uint32_t)s->v.width;
    model->outputs = (uint32_t)(s->r.targets * s->r.horizon);
    model->output = WEIR_GAUSSIAN;
    if (!model->hidden)
        model->hidden = small ? 24 : 32;
    if (!model->layers)
        model->layers = 2;
    train->rows = s->batch;
    train->steps = (uint32_t)s->r.steps;
    if (train->rate == 0)
        train->rate = 0.003f;
    if (train->weight_decay < 0) {
        train->weight_decay = 0.01f;
        train->optimizer = train->optimizer == WEIR_ADAM ? WEIR_ADAMW : train->optimizer;
    }
    if (train->dropout < 0)
        train->dropout = 0.1f;
    if (train->head_dropout < 0)
        train->head_dropout = 0.1f;
    if ((int)train->schedule < 0)
        train->schedule = WEIR_PLATEAU;
    train->plateau = 5;
    fit->train = &s->train_source;
    fit->valid = &s->valid_source;
    if (!fit->epochs)
        fit->epochs = 100;
    if (!fit->patience)
        fit->patience = 15;
}
