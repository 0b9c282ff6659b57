/* Opening a table, and its batches.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"
#include "data/splitmix.h"

/* ---- Opening ---- */

/* Whether a column is among names with commas between them. */
static bool among(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = names; at; at = strchr(at, ','), at += at != NULL)
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == 0))
            return true;
    return false;
}

/* The first column of numbers that is neither a date nor a counter of a series, nor has another part to play. */
static size_t default_target(const view *v, const series_options *o)
{
    table first;
    size_t j = SIZE_MAX;
    if (!span_table(v, 0, &first))
        return j;
    for (size_t k = 0; k < first.columns && j == SIZE_MAX; k++)
        if (first.column[k].kind == TABLE_NUMBER && !columns_is_calendar(&first, k) && !among(o->series, first.column[k].name) &&
            !among(o->known, first.column[k].name))
            j = k;
    free(first.column);
    return j;
}

static weir_status choose_targets(recipe *r, const view *v, const series_options *o, weir_error *err)
{
    const table *t = v->t;
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
            status = data_fail(err, WEIR_E_FORMAT, "%s: column \"%s\" is no column of numbers, so it cannot be forecast", t->path,
                               name);
        else if (r->targets == most)
            status = data_fail(err, WEIR_E_FORMAT, "a column is named twice among the targets");
        else
            r->target[r->targets++] = (target){.name = strdup(name), .column = j};
    }
    free(names);
    size_t first = o->targets || status ? SIZE_MAX : default_target(v, o);
    if (first != SIZE_MAX)
        r->target[r->targets++] = (target){.name = strdup(t->column[first].name), .column = first};
    if (!status && !r->targets) {
        size_t j = t->columns - 1;
        status = t->column[j].kind == TABLE_MISSING
                     ? data_fail(err, WEIR_E_FORMAT, "%s: all values of column \"%s\" are missing", t->path, t->column[j].name)
                     : data_fail(err, WEIR_E_FORMAT, "%s has no column of numbers to forecast", t->path);
    }
    return status;
}

/* Rows of the parts of each series. */
static weir_status split_rows(series *s, const series_options *o, weir_error *err)
{
    enum { LEAST_ROWS = 30 };
    double hold = o->no_holdout ? 0 : o->holdout > 0 ? o->holdout : 0.2;
    size_t least = SIZE_MAX;
    if (!(s->r.trained = calloc(s->r.series, sizeof *s->r.trained)))
        return data_no_memory(err);
    for (size_t k = 0; k < s->r.series; k++) {
        span *p = s->v.span + k;
        size_t rows = p->end - p->begin, held = hold < 1 ? (size_t)(hold * (double)rows) : (size_t)hold;
        if (rows < LEAST_ROWS || held + LEAST_ROWS > rows)
            return data_fail(err, WEIR_E_FORMAT,
                             "%s%s%s has %zu rows, of which %zu are kept away; at least %d must be left to learn from",
                             s->v.t->path, s->r.series > 1 ? ": series " : "", s->r.series > 1 ? s->r.series_name[k] : "", rows,
                             held, (int)LEAST_ROWS);
        p->valid_end = p->begin + rows - held;
        s->r.trained[k] = rows - held;
        p->train_end = p->begin + (size_t)((o->split > 0 ? o->split : 0.8) * (double)(rows - held));
        least = p->train_end - p->begin < least ? p->train_end - p->begin : least;
    }
    s->r.trained_rows = s->r.trained[0];
    size_t most = least / 4, horizon = o->horizon ? o->horizon : 24;
    if (o->horizon > most)
        return data_fail(err, WEIR_E_ARGUMENT, "a horizon of %u rows needs at least %u rows of training; here are %zu",
                         (unsigned)o->horizon, 4 * (unsigned)o->horizon, least);
    s->r.horizon = horizon < most ? horizon : most;
    return WEIR_OK;
}

/* A negative binomial counts; a column that counts is told apart from others. */
static bool counts(const view *v, size_t column, size_t *bad)
{
    const double *x = v->t->column[column].number;
    for (*bad = 0; *bad < v->rows; (*bad)++)
        if (isfinite(x[*bad]) && (x[*bad] < 0 || x[*bad] != rint(x[*bad]) || x[*bad] > 16777216))
            return false;
    return true;
}

static weir_status choose_distribution(recipe *r, const view *v, const series_options *o, weir_error *err)
{
    r->distribution = o->distribution ? (distribution)name_index(o->distribution, distribution_names, DISTRIBUTIONS) : GAUSSIAN;
    if (r->distribution == DISTRIBUTIONS)
        return data_fail(err, WEIR_E_ARGUMENT, "--distribution takes gaussian, student-t or negative-binomial, not \"%s\"",
                         o->distribution);
    size_t bad;
    for (size_t i = 0; i < r->targets && r->distribution == NEGATIVE_BINOMIAL; i++)
        if (!counts(v, r->target[i].column, &bad))
            return data_fail(err, WEIR_E_FORMAT,
                             "%s:%zu: column \"%s\" is %g, but a negative binomial counts: 0, 1, 2, ...; choose another "
                             "--distribution",
                             v->t->path, table_line(v->t, bad), r->target[i].name, v->t->column[r->target[i].column].number[bad]);
    if (r->distribution == NEGATIVE_BINOMIAL && o->transform && strcmp(o->transform, "none") != 0 &&
        strcmp(o->transform, "auto") != 0)
        return data_fail(err, WEIR_E_ARGUMENT, "--transform %s would not leave counts for a negative binomial", o->transform);
    return WEIR_OK;
}

/* Season, transform, effects of known columns, base and calendar, in that order: each is measured on what the ones before leave. */
static weir_status choose_rules(series *s, const series_options *o, weir_error *err)
{
    recipe *r = &s->r;
    view *v = &s->v;
    const char *wanted = o->transform ? o->transform : "auto";
    size_t asked = r->distribution == NEGATIVE_BINOMIAL ? (size_t)TRANSFORM_NONE : name_index(wanted, transform_names, 3);
    if (asked == 3 && strcmp(wanted, "auto") != 0)
        return data_fail(err, WEIR_E_ARGUMENT, "--transform takes auto, none, log or sqrt, not \"%s\"", wanted);
    weir_status status = view_values(v, err);
    if (status)
        return status;
    size_t n = v->span[0].train_end - v->span[0].begin;
    table first;
    if (!span_table(v, 0, &first))
        return data_no_memory(err);
    size_t dated = calendar_period(&first, r->inputs.label);
    free(first.column);
    r->period = o->period ? o->period : dated && 2 * dated <= n ? dated : period_of_values(v->known[0], n);
    for (size_t i = 0; i < r->targets && !status; i++)
        status = choose_transform(r->target + i, v, i, asked, r->period, err);
    if (!status)
        status = view_values(v, err); /* again, transformed */
    for (size_t i = 0; i < r->targets && !status; i++)
        status = known_fit(r, v, i, err);
    if (status)
        return status;
    known_apply(v);
    for (size_t i = 0; i < r->targets && !status; i++) {
        if (r->distribution == NEGATIVE_BINOMIAL)
            r->target[i].base = BASE_LINE;
        else
            choose_base(r->target + i, v, i, r->period);
        status = measure(r, v, i, err);
    }
    if (!status && !o->no_calendar)
        status = calendar_choose(r, v, err);
    return status;
}

/* Mean and deviation of each series' targets as they are, for the inputs and for the unit of counts. */
static weir_status choose_levels(series *s, weir_error *err)
{
    for (size_t i = 0; i < s->r.targets; i++) {
        target *t = s->r.target + i;
        t->level = calloc(s->r.series, sizeof *t->level);
        t->spread = calloc(s->r.series, sizeof *t->spread);
        if (!t->level || !t->spread)
            return data_no_memory(err);
        for (size_t k = 0; k < s->r.series; k++) {
            moments m = {0};
            for (size_t row = s->v.span[k].begin; row < s->v.span[k].train_end; row++)
                moments_add(&m, s->v.t->column[t->column].number[row]);
            t->level[k] = m.mean;
            t->spread[k] = variance(&m) > 0 ? sqrt(variance(&m)) : 1;
        }
    }
    return WEIR_OK;
}

/* The columns that the network sees, and the one that labels the rows. */
static weir_status choose_inputs(series *s, weir_error *err)
{
    recipe *r = &s->r;
    view *v = &s->v;
    bool *trains = calloc(v->rows + 1, sizeof *trains);
    table all, first = {0};
    double *made = NULL;
    weir_status status = trains ? WEIR_OK : data_no_memory(err);
    for (size_t k = 0; k < r->series && !status; k++)
        memset(trains + v->span[k].begin, 1, (v->span[k].train_end - v->span[k].begin) * sizeof *trains);
    if (!status && !span_table(v, 0, &first))
        status = data_no_memory(err);
    if (!status) {
        size_t label = columns_label(&first), own = r->series_column ? table_find(v->t, r->series_column) : SIZE_MAX;
        status = view_columns_table(v, &all, &made, err);
        if (!status) {
            status = columns_choose(&r->inputs, &all, (size_t[]){own, label}, r->series_column ? 2 : 0, trains, err);
            free(all.column);
        }
        r->inputs.label = label;
    }
    free(first.column);
    free(made);
    free(trains);
    return status;
}

static weir_status train_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err);
static weir_status valid_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err);

static uint32_t smaller(size_t a, size_t b)
{
    return (uint32_t)(a < b ? a : b);
}

/* Where windows that cover the validation part begin, each with its warm-up before it, series by series. */
static weir_status plan_validation(series *s, weir_error *err)
{
    size_t warm = s->r.steps / WARM_UP, stride = s->r.steps - warm, most = 0;
    for (size_t k = 0; k < s->r.series; k++)
        most += (s->v.span[k].valid_end - s->v.span[k].begin) / stride + 2;
    if (!(s->valid_first = malloc(most * sizeof *s->valid_first)))
        return data_no_memory(err);
    for (size_t k = 0; k < s->r.series; k++) {
        const span *p = s->v.span + k;
        size_t from = p->train_end - p->begin > s->r.horizon ? p->train_end - s->r.horizon : p->begin;
        for (size_t first = from; first < p->valid_end; first += stride)
            s->valid_first[s->valid_windows++] = first > p->begin + warm ? first - warm : p->begin;
    }
    return WEIR_OK;
}

static weir_status plan_windows(series *s, const series_options *o, weir_error *err)
{
    s->least_row = 0;
    for (size_t i = 0; i < s->r.targets; i++)
        if (s->r.target[i].base == BASE_SEASON)
            s->least_row = s->r.period; /* before it there is no season to compare with */
    size_t usable = 0, all = 0;
    for (size_t k = 0; k < s->r.series; k++) {
        size_t rows = s->v.span[k].train_end - s->v.span[k].begin;
        if (rows <= s->least_row + 8)
            return data_fail(err, WEIR_E_FORMAT, "the training part is shorter than two seasons; give --period 1");
        usable = rows - s->least_row > usable ? rows - s->least_row : usable;
        all += rows - s->least_row;
    }
    s->r.steps = o->steps ? smaller(o->steps, usable) : smaller(64, usable * 2 / 3);
    s->batch = o->batch ? o->batch : 16;
    s->seed = o->seed ? o->seed : 1;
    size_t cover = 3 * all / (s->r.steps * s->batch);
    s->batches = (uint32_t)(cover < 8 ? 8 : cover > 120 ? 120 : cover);
    weir_status status = plan_validation(s, err);
    if (status)
        return status;
    size_t outputs = s->r.targets * s->r.horizon, cells = s->r.steps * s->batch;
    s->x = malloc(cells * s->v.width * sizeof *s->x);
    s->targets = malloc(cells * outputs * sizeof *s->targets);
    if (s->r.distribution == NEGATIVE_BINOMIAL)
        s->scales = malloc(cells * outputs * sizeof *s->scales);
    s->train_source = (weir_source){s->batches, train_get, s};
    s->valid_source = (weir_source){(s->valid_windows + s->batch - 1) / s->batch, valid_get, s};
    bool room = s->x && s->targets && (s->scales || s->r.distribution != NEGATIVE_BINOMIAL);
    return room ? WEIR_OK : data_no_memory(err);
}

/* Appends to the summary. */
static void tell(series *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(series *s, const char *format, ...)
{
    size_t used = strlen(s->summary);
    va_list list;
    va_start(list, format);
    vsnprintf(s->summary + used, sizeof s->summary - used, format, list);
    va_end(list);
}

static void describe(series *s)
{
    static const char *const cycle_text[CYCLES] = {"hour", "day of the week", "day of the year", "month"};
    const recipe *r = &s->r;
    size_t train = 0, valid = 0, held = 0, bad;
    for (size_t k = 0; k < r->series; k++) {
        const span *p = s->v.span + k;
        train += p->train_end - p->begin;
        valid += p->valid_end - p->train_end;
        held += p->end - p->valid_end;
    }
    tell(s, "series: %zu rows; %zu train, %zu validate, %zu are kept away; season of %zu rows", train + valid + held, train,
         valid, held, r->period);
    if (r->series_column)
        tell(s, "\n%zu series by column %s, each with an embedding: its own weights in the first layer", r->series,
             r->series_column);
    for (size_t i = 0; i < r->targets; i++) {
        tell(s, "\ntarget %s: transform %s, base %s", r->target[i].name, transform_names[r->target[i].transform],
             base_names[r->target[i].base]);
        if (r->distribution == GAUSSIAN && counts(&s->v, r->target[i].column, &bad) && r->target[i].level[0] < 20)
            tell(s, "; small whole numbers: --distribution negative-binomial counts");
    }
    if (r->distribution != GAUSSIAN)
        tell(s, "\ndistribution: %s", distribution_names[r->distribution]);
    bool any = false;
    for (size_t c = 0; c < CYCLES; c++)
        if (r->cycle[c]) {
            tell(s, "%s%s", any ? ", " : "\ncalendar: ", cycle_text[c]);
            any = true;
        }
    for (size_t k = 0; k < r->known_count; k++)
        tell(s, "%s%s", k ? ", " : "\nknown in advance: ", r->known[k].name);
    size_t used = strlen(s->summary);
    columns_describe(&r->inputs, s->v.t, s->summary + used, sizeof s->summary - used);
}

/* Which rows are a series' own, which of them have targets, and which part they belong to. */
static weir_status open_rows(series *s, const table *t, const series_options *o, weir_error *err)
{
    s->r.series = o->series ? 0 : 1;
    weir_status status = o->series ? series_names(&s->r, t, o->series, err) : WEIR_OK;
    if (!status)
        status = view_spans(&s->v, &s->r, t, err);
    if (!status)
        status = choose_targets(&s->r, &s->v, o, err);
    s->r.known_count = o->known != NULL;
    if (!status)
        view_cut_future(&s->v);
    s->r.known_count = 0;
    if (!status)
        status = split_rows(s, o, err);
    if (!status && o->known)
        status = known_choose(&s->r, &s->v, o->known, err);
    return status ? status : choose_distribution(&s->r, &s->v, o, err);
}

weir_status series_open(series **out, const table *t, const series_options *o, weir_error *err)
{
    *out = NULL;
    series *s = calloc(1, sizeof *s);
    if (!s)
        return data_no_memory(err);
    weir_status status = open_rows(s, t, o, err);
    if (!status)
        status = choose_levels(s, err);
    if (!status)
        status = choose_inputs(s, err);
    if (!status)
        status = choose_rules(s, o, err);
    if (!status)
        status = view_inputs(&s->v, err);
    if (!status)
        status = plan_windows(s, o, err);
    if (status)
        series_free(s);
    else {
        describe(s);
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
    free(s->scales);
    free(s->valid_first);
    free(s);
}

const char *series_summary(const series *s)
{
    return s->summary;
}

/* ---- Batches ---- */

/* Writes window w of a batch: `steps` rows from `first` on; targets in the training or the validation part, from origins after the warm-up. */
static void put_window(series *s, size_t w, size_t windows, size_t first, bool trains)
{
    const recipe *r = &s->r;
    const span *p = s->v.span + s->v.series[first];
    size_t outputs = r->targets * r->horizon, begin = trains ? 0 : p->train_end, end = trains ? p->train_end : p->valid_end;
    for (size_t step = 0; step < r->steps; step++) {
        size_t row = first + step, at = step * windows + w, j = at * outputs;
        bool inside = row < p->end;
        if (inside)
            memcpy(s->x + at * s->v.width, s->v.x + row * s->v.width, s->v.width * sizeof *s->x);
        else
            memset(s->x + at * s->v.width, 0, s->v.width * sizeof *s->x);
        for (size_t i = 0; i < r->targets; i++)
            for (size_t h = 1; h <= r->horizon; h++, j++) {
                s->targets[j] = inside && step >= r->steps / WARM_UP ? left_over(&s->v, i, row, h, begin, end) : NAN;
                if (s->scales)
                    s->scales[j] = inside ? (float)count_scale(r, &s->v, i, row, h) : 1;
            }
    }
}

/* The row that window number `pick` of all that fit into the training parts begins with. */
static size_t train_first(const series *s, uint64_t pick)
{
    size_t rooms = 0;
    for (int pass = 0;; pass++)
        for (size_t k = 0; k < s->r.series; k++) {
            const span *p = s->v.span + k;
            size_t rows = p->train_end - p->begin - s->least_row, room = rows > s->r.steps ? rows - s->r.steps + 1 : 1;
            if (pass == 0) {
                rooms += room;
                if (k + 1 == s->r.series)
                    pick %= rooms;
            } else if (pick < room)
                return p->begin + s->least_row + (size_t)pick;
            else
                pick -= room;
        }
}

static weir_status train_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)err;
    series *s = ctx;
    for (size_t w = 0; w < s->batch; w++) {
        uint64_t place = s->seed * 0x9E3779B97F4A7C15u + ((uint64_t)epoch << 40) + index * s->batch + w;
        put_window(s, w, s->batch, train_first(s, splitmix(place)), true);
    }
    *batch = (weir_batch){.steps = s->r.steps, .rows = s->batch, .x = s->x, .targets = s->targets, .scales = s->scales};
    return WEIR_OK;
}

static weir_status valid_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)epoch;
    (void)err;
    series *s = ctx;
    size_t left = s->valid_windows - index * s->batch, windows = left < s->batch ? left : s->batch;
    for (size_t w = 0; w < windows; w++)
        put_window(s, w, windows, s->valid_first[index * s->batch + w], false);
    *batch = (weir_batch){.steps = s->r.steps, .rows = windows, .x = s->x, .targets = s->targets, .scales = s->scales};
    return WEIR_OK;
}

void series_configure(series *s, weir_config *model, weir_train_config *train, weir_fit *fit)
{
    size_t rows = 0;
    for (size_t k = 0; k < s->r.series; k++)
        rows += s->v.span[k].train_end - s->v.span[k].begin;
    bool small = rows < 500;
    model->inputs = (uint32_t)s->v.width;
    model->outputs = (uint32_t)(s->r.targets * s->r.horizon);
    model->output = output_of(s->r.distribution);
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
