/* SPDX-License-Identifier: MIT */
#include "data/series.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/columns.h"
#include "data/fail.h"

/* What a forecast starts from; the network learns what is left: a straight line in the last known value, fitted for each horizon (for
 * noise that is the mean, for a random walk the last value), or the value at the same place of the last known season. */
typedef enum base { BASE_LINE, BASE_SEASON } base;
static const char *const base_names[] = {"line", "season"};

typedef enum transform { TRANSFORM_NONE, TRANSFORM_LOG, TRANSFORM_SQRT } transform;
static const char *const transform_names[] = {"none", "log", "sqrt"};

enum { MOST_HORIZON = 10000, WARM_UP = 4 /* the first quarter of a window only fills the state */ };

/* One column to forecast. Values are transformed, then compared with the base. */
typedef struct target {
    char *name;
    size_t column;
    transform transform;
    base base;
    double *line;           /* [horizon] slope of the straight line */
    double *offset, *scale; /* [horizon] mean and deviation of what is left at each horizon, in the training part */
    double *width;          /* [horizon] factor of the standard deviation that makes intervals true on the validation part */
} target;

/* Everything that turns rows into inputs and outputs into forecasts: the notes of a model. */
typedef struct recipe {
    size_t targets, horizon, steps, period, trained_rows;
    target *target;
    columns inputs;
} recipe;

/* A table seen through a recipe. */
typedef struct view {
    const recipe *r;
    size_t rows, width;
    float *x;       /* [rows][width] inputs */
    double **value; /* [targets][rows] transformed, NaN where missing */
    double **known; /* [targets][rows] the same with the last known value carried on */
} view;

struct series {
    recipe r;
    view v;
    size_t train_end, valid_end, least_row; /* rows [0, train_end) train, [train_end, valid_end) validate */
    uint32_t batch, batches;
    uint64_t seed;
    float *x, *targets; /* of the batch at work */
    size_t valid_windows;
    weir_source train_source, valid_source;
    char summary[1024];
};

/* ---- The parts of a forecast ---- */

static double forward_transform(const target *t, double x)
{
    switch (t->transform) {
    case TRANSFORM_LOG:
        return x > 0 ? log(x) : (double)NAN;
    case TRANSFORM_SQRT:
        return x >= 0 ? sqrt(x) : (double)NAN;
    case TRANSFORM_NONE:
        break;
    }
    return x;
}

/* Base of the value h rows after row `origin`. */
static double base_at(const recipe *r, const view *v, size_t i, size_t origin, size_t h)
{
    const target *t = r->target + i;
    if (t->base == BASE_LINE)
        return t->line[h - 1] * v->known[i][origin];
    size_t seasons = (h + r->period - 1) / r->period * r->period;
    return origin + h >= seasons ? v->known[i][origin + h - seasons] : v->known[i][origin];
}

/* ---- Recipes: free, write, read ---- */

static void recipe_free(recipe *r)
{
    for (size_t i = 0; r->target && i < r->targets; i++) {
        free(r->target[i].name);
        free(r->target[i].line);
        free(r->target[i].offset);
        free(r->target[i].scale);
        free(r->target[i].width);
    }
    free(r->target);
    columns_free(&r->inputs);
    *r = (recipe){0};
}

static json_t *numbers_json(const double *x, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_real(x[i]));
    return a;
}

static json_t *recipe_json(const recipe *r)
{
    json_t *targets = json_array();
    for (size_t i = 0; i < r->targets; i++) {
        const target *t = r->target + i;
        json_array_append_new(targets, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "name", t->name, "transform",
                                                 transform_names[t->transform], "base", base_names[t->base], "line",
                                                 numbers_json(t->line, r->horizon), "offset", numbers_json(t->offset, r->horizon), "scale",
                                                 numbers_json(t->scale, r->horizon), "width", numbers_json(t->width, r->horizon)));
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "task", "series", "horizon", (json_int_t)r->horizon, "steps",
                     (json_int_t)r->steps, "period", (json_int_t)r->period, "trained_rows", (json_int_t)r->trained_rows, "targets",
                     targets, "inputs", columns_json(&r->inputs));
}

/* n finite numbers, or NULL. */
static double *numbers_read(const json_t *a, size_t n)
{
    double *x = json_array_size(a) == n ? malloc((n + 1) * sizeof *x) : NULL;
    for (size_t i = 0; x && i < n; i++) {
        x[i] = json_number_value(json_array_get(a, i));
        if (!json_is_number(json_array_get(a, i)) || !isfinite(x[i])) {
            free(x);
            x = NULL;
        }
    }
    return x;
}

/* Index of a name, or n. */
static size_t name_index(const json_t *text, const char *const *names, size_t n)
{
    const char *name = json_string_value(text);
    size_t i = 0;
    while (i < n && !(name && strcmp(name, names[i]) == 0))
        i++;
    return i;
}

static bool target_read(target *t, const json_t *o, size_t horizon, const table *from)
{
    const char *name = json_string_value(json_object_get(o, "name"));
    size_t b = name_index(json_object_get(o, "base"), base_names, 2), f = name_index(json_object_get(o, "transform"), transform_names, 3);
    if (!name || b == 2 || f == 3)
        return false;
    *t = (target){.name = strdup(name), .transform = (transform)f, .base = (base)b, .column = table_find(from, name)};
    t->line = numbers_read(json_object_get(o, "line"), horizon);
    t->offset = numbers_read(json_object_get(o, "offset"), horizon);
    t->scale = numbers_read(json_object_get(o, "scale"), horizon);
    t->width = numbers_read(json_object_get(o, "width"), horizon);
    return t->name && t->line && t->offset && t->scale && t->width;
}

static size_t size_read(const json_t *o, const char *key, size_t most)
{
    json_int_t n = json_integer_value(json_object_get(o, key));
    return n >= 0 && (size_t)n <= most ? (size_t)n : 0;
}

static weir_status recipe_read(recipe *r, const weir_model *model, const table *t, weir_error *err)
{
    enum { MOST_ROWS = 1 << 30 };
    *r = (recipe){0};
    const weir_config *c = weir_model_config(model);
    json_t *notes = json_loads(c->notes, 0, NULL);
    const json_t *targets = json_object_get(notes, "targets");
    r->horizon = size_read(notes, "horizon", MOST_HORIZON);
    r->steps = size_read(notes, "steps", MOST_ROWS);
    r->period = size_read(notes, "period", MOST_ROWS);
    r->trained_rows = size_read(notes, "trained_rows", MOST_ROWS);
    size_t n = json_array_size(targets);
    bool good = r->horizon && r->steps && r->period && n && (r->target = calloc(n, sizeof *r->target));
    r->targets = r->target ? n : 0;
    for (size_t i = 0; good && i < n; i++)
        good = target_read(r->target + i, json_array_get(targets, i), r->horizon, t);
    weir_status status = WEIR_OK;
    if (!good)
        status = data_fail(err, WEIR_E_FORMAT, "the model's notes are broken: they do not tell how to forecast");
    for (size_t i = 0; i < r->targets && !status; i++)
        if (r->target[i].column == SIZE_MAX || t->column[r->target[i].column].kind != TABLE_NUMBER)
            status = data_fail(err, WEIR_E_FORMAT, "%s has no column of numbers named \"%s\", which the model forecasts", t->path,
                               r->target[i].name);
    if (!status)
        status = columns_read(&r->inputs, json_object_get(notes, "inputs"), t, err);
    if (!status && (c->output != WEIR_GAUSSIAN || c->outputs != n * r->horizon))
        status = data_fail(err, WEIR_E_FORMAT, "the model's notes do not fit its network");
    json_decref(notes);
    if (status)
        recipe_free(r);
    return status;
}

/* ---- Views ---- */

static void view_free(view *v)
{
    for (size_t i = 0; v->r && i < v->r->targets; i++) {
        free(v->value ? v->value[i] : NULL);
        free(v->known ? v->known[i] : NULL);
    }
    free(v->value);
    free(v->known);
    free(v->x);
    *v = (view){0};
}

static weir_status view_values(view *v, const recipe *r, const table *t, weir_error *err)
{
    *v = (view){.r = r, .rows = t->rows};
    v->value = calloc(r->targets, sizeof *v->value);
    v->known = calloc(r->targets, sizeof *v->known);
    if (!v->value || !v->known)
        return data_no_memory(err);
    for (size_t i = 0; i < r->targets; i++) {
        double *value = v->value[i] = malloc(t->rows * sizeof *value), *known = v->known[i] = malloc(t->rows * sizeof *known);
        if (!value || !known)
            return data_no_memory(err);
        const double *from = t->column[r->target[i].column].number;
        size_t first = 0;
        while (first < t->rows && !isfinite(forward_transform(r->target + i, from[first])))
            first++;
        double last = first < t->rows ? forward_transform(r->target + i, from[first]) : 0;
        for (size_t row = 0; row < t->rows; row++) {
            value[row] = forward_transform(r->target + i, from[row]);
            last = isfinite(value[row]) ? value[row] : last;
            known[row] = last;
        }
    }
    return WEIR_OK;
}

/* Inputs of a row: the columns, what moved against the season (or the last row), and the place in the season. */
static size_t input_width(const recipe *r)
{
    return r->inputs.width + r->targets + (r->period > 1 ? 2 : 0);
}

static weir_status view_inputs(view *v, const recipe *r, const table *t, weir_error *err)
{
    v->width = input_width(r);
    v->x = malloc(v->rows * v->width * sizeof *v->x);
    if (!v->x)
        return data_no_memory(err);
    columns_fill(&r->inputs, t, true, v->x, v->width);
    for (size_t row = 0; row < v->rows; row++) {
        float *x = v->x + row * v->width + r->inputs.width;
        for (size_t i = 0; i < r->targets; i++) {
            const target *g = r->target + i;
            size_t back = g->base == BASE_SEASON ? r->period : 1;
            double moved = row >= back ? v->known[i][row] - v->known[i][row - back] : 0;
            *x++ = (float)((moved - (g->base == BASE_SEASON ? g->offset[0] : 0)) / g->scale[0]);
        }
        double angle = 6.283185307179586 * (double)(row % r->period) / (double)r->period;
        if (r->period > 1) {
            *x++ = (float)sin(angle);
            *x++ = (float)cos(angle);
        }
    }
    return WEIR_OK;
}

/* What is left of the value h rows after `origin`, in the network's units; NaN if it is missing or not before `end`. */
static float left_over(const view *v, size_t i, size_t origin, size_t h, size_t begin, size_t end)
{
    const target *t = v->r->target + i;
    size_t row = origin + h;
    if (row < begin || row >= end || !isfinite(v->value[i][row]))
        return NAN;
    return (float)((v->value[i][row] - base_at(v->r, v, i, origin, h) - t->offset[h - 1]) / t->scale[h - 1]);
}

/* ---- Rules for a new recipe, from the training part alone ---- */

typedef struct moments {
    double n, mean, square;
} moments;

static void moments_add(moments *m, double x) /* Welford 1962 */
{
    if (!isfinite(x))
        return;
    m->n++;
    double d = x - m->mean;
    m->mean += d / m->n;
    m->square += d * (x - m->mean);
}

static double variance(const moments *m)
{
    return m->n > 1 ? m->square / m->n : 0;
}

static double variance_of_step(const double *x, size_t n, size_t lag)
{
    moments m = {0};
    for (size_t i = lag; i < n; i++)
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

/* Rows of a season: from the form of the dates, else the strongest autocorrelation of the differences. */
static size_t period_of_dates(const table *t, const columns *c)
{
    if (c->label == SIZE_MAX)
        return 0;
    const char *text = t->column[c->label].text[0];
    size_t digits = strspn(text, "0123456789"), length = strlen(text);
    bool hours = strchr(text, ':') != NULL;
    if (digits == 4 && length == 7 && text[4] == '-')
        return 12;
    if (digits == 4 && length == 10 && text[4] == '-' && text[7] == '-') {
        const char *next = t->rows > 1 ? t->column[c->label].text[1] : "";
        return strncmp(text, next, 7) == 0 ? 365 : 12; /* days, or the first of each month */
    }
    return hours && digits == 4 ? 24 : 0;
}

static size_t period_of_values(const double *x, size_t n)
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

static void choose_base(target *t, const double *known, size_t n, size_t period)
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
static weir_status measure(recipe *r, const view *v, size_t i, size_t end, weir_error *err)
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
    weir_status status = columns_choose(&s->r.inputs, t, SIZE_MAX, SIZE_MAX, trains, err);
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

/* ---- Running a model over origins ---- */

typedef struct outcome {
    double mean, deviation; /* of the transformed value */
} outcome;

/* out[origin][targets][horizon] for `count` origins from `first` on, each from the `steps` rows that end with it. */
static weir_status run_origins(const recipe *r, const view *v, const weir_model *model, size_t first, size_t count, outcome *out,
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
static double normal_quantile(double p)
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

/* ---- Using a model ---- */

static weir_status open_model(recipe *r, view *v, const weir_model *model, const table *t, weir_error *err)
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

static double own_units(const target *t, double x)
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
static double mean_of(const target *t, outcome o)
{
    double variance_of_it = o.deviation * o.deviation;
    if (t->transform == TRANSFORM_LOG)
        return exp(o.mean + 0.5 * variance_of_it);
    return t->transform == TRANSFORM_SQRT ? o.mean * o.mean + variance_of_it : o.mean;
}

static double edge_of(const target *t, outcome o, size_t h, double z)
{
    return own_units(t, o.mean + z * t->width[h - 1] * o.deviation);
}

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
