/* What a model of series keeps in its notes: free, write, read.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

const char *const base_names[] = {"line", "season"};
const char *const transform_names[] = {"none", "log", "sqrt"};
const char *const distribution_names[] = {"gaussian", "student-t", "negative-binomial"};
static const char *const cycle_names[] = {"hour", "weekday", "yearday", "month"};

void recipe_free(recipe *r)
{
    for (size_t i = 0; r->target && i < r->targets; i++) {
        target *t = r->target + i;
        void *const all[] = {t->name, t->line, t->offset, t->scale, t->effect, t->level, t->spread, t->width, t->chain};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
    }
    free(r->target);
    for (size_t k = 0; k < r->known_count; k++)
        free(r->known[k].name);
    free(r->known);
    for (size_t s = 0; r->series_name && s < r->series; s++)
        free(r->series_name[s]);
    free(r->series_name);
    free(r->series_column);
    free(r->trained);
    columns_free(&r->inputs);
    *r = (recipe){0};
}

/* ---- Writing ---- */

static json_t *numbers_json(const double *x, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_real(x[i]));
    return a;
}

static json_t *target_json(const recipe *r, const target *t)
{
    size_t n = r->series * r->horizon;
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", t->name, "transform", transform_names[t->transform],
                          "base", base_names[t->base], "line", numbers_json(t->line, n), "offset", numbers_json(t->offset, n),
                          "scale", numbers_json(t->scale, n), "width", numbers_json(t->width, r->horizon), "chain",
                          numbers_json(t->chain, r->horizon));
    if (r->series > 1 || r->distribution == NEGATIVE_BINOMIAL) {
        json_object_set_new(o, "level", numbers_json(t->level, r->series));
        json_object_set_new(o, "spread", numbers_json(t->spread, r->series));
    }
    if (r->known_count)
        json_object_set_new(o, "effect", numbers_json(t->effect, r->series * r->known_count));
    return o;
}

json_t *recipe_json(const recipe *r)
{
    json_t *targets = json_array(), *known = json_array(), *cycles = json_array();
    for (size_t i = 0; i < r->targets; i++)
        json_array_append_new(targets, target_json(r, r->target + i));
    for (size_t k = 0; k < r->known_count; k++)
        json_array_append_new(known, json_pack("{s:s, s:f, s:f}", "name", r->known[k].name, "mean", r->known[k].mean, "deviation",
                                               r->known[k].deviation));
    for (size_t c = 0; c < CYCLES; c++)
        if (r->cycle[c])
            json_array_append_new(cycles, json_string(cycle_names[c]));
    json_t *all = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "task", "series", "distribution",
                            distribution_names[r->distribution], "horizon", (json_int_t)r->horizon, "steps", (json_int_t)r->steps,
                            "period", (json_int_t)r->period, "trained_rows", (json_int_t)r->trained_rows, "targets", targets,
                            "inputs", columns_json(&r->inputs), "known", known, "calendar", cycles);
    if (r->series_column) {
        json_t *names = json_array(), *trained = json_array();
        for (size_t s = 0; s < r->series; s++) {
            json_array_append_new(names, json_string(r->series_name[s]));
            json_array_append_new(trained, json_integer((json_int_t)r->trained[s]));
        }
        json_object_set_new(all, "series",
                            json_pack("{s:s, s:o, s:o}", "column", r->series_column, "names", names, "trained_rows", trained));
    }
    return all;
}

/* ---- Reading; what earlier versions did not write has the value that they worked with ---- */

/* n finite numbers, or NULL; `missing` n times if there are none and that is not NaN. */
static double *numbers_read(const json_t *a, size_t n, double missing)
{
    bool none = !a && !isnan(missing);
    double *x = none || json_array_size(a) == n ? malloc((n + 1) * sizeof *x) : NULL;
    for (size_t i = 0; x && i < n; i++) {
        x[i] = none ? missing : json_number_value(json_array_get(a, i));
        if ((!none && !json_is_number(json_array_get(a, i))) || !isfinite(x[i])) {
            free(x);
            x = NULL;
        }
    }
    return x;
}

size_t name_index(const char *name, const char *const *names, size_t n)
{
    size_t i = 0;
    while (i < n && !(name && strcmp(name, names[i]) == 0))
        i++;
    return i;
}

static bool target_read(const recipe *r, target *t, const json_t *o, const table *from)
{
    const char *name = json_string_value(json_object_get(o, "name"));
    size_t b = name_index(json_string_value(json_object_get(o, "base")), base_names, 2), n = r->series * r->horizon;
    size_t f = name_index(json_string_value(json_object_get(o, "transform")), transform_names, 3);
    if (!name || b == 2 || f == 3)
        return false;
    *t = (target){.name = strdup(name), .transform = (transform)f, .base = (base)b, .column = table_find(from, name)};
    t->line = numbers_read(json_object_get(o, "line"), n, NAN);
    t->offset = numbers_read(json_object_get(o, "offset"), n, NAN);
    t->scale = numbers_read(json_object_get(o, "scale"), n, NAN);
    t->width = numbers_read(json_object_get(o, "width"), r->horizon, NAN);
    t->chain = numbers_read(json_object_get(o, "chain"), r->horizon, 0);
    t->level = numbers_read(json_object_get(o, "level"), r->series, 0);
    t->spread = numbers_read(json_object_get(o, "spread"), r->series, 1);
    t->effect = numbers_read(json_object_get(o, "effect"), r->series * r->known_count, r->known_count ? (double)NAN : 0);
    return t->name && t->line && t->offset && t->scale && t->width && t->chain && t->level && t->spread && t->effect;
}

static size_t size_read(const json_t *o, const char *key, size_t most)
{
    json_int_t n = json_integer_value(json_object_get(o, key));
    return n >= 0 && (size_t)n <= most ? (size_t)n : 0;
}

static bool known_read(recipe *r, const json_t *known, const table *t)
{
    size_t n = json_array_size(known);
    r->known = calloc(n + 1, sizeof *r->known);
    for (size_t k = 0; r->known && k < n && n <= MOST_KNOWN; k++) {
        const json_t *o = json_array_get(known, k);
        const char *name = json_string_value(json_object_get(o, "name"));
        known_column *c = r->known + k;
        *c = (known_column){.name = name ? strdup(name) : NULL,
                            .column = name ? table_find(t, name) : SIZE_MAX,
                            .mean = json_number_value(json_object_get(o, "mean")),
                            .deviation = json_number_value(json_object_get(o, "deviation"))};
        r->known_count++;
        if (!c->name || !isfinite(c->mean) || !(c->deviation > 0))
            return false;
    }
    return r->known && n <= MOST_KNOWN;
}

static bool series_read(recipe *r, const json_t *o)
{
    if (!o) {
        r->series = 1;
        r->trained = malloc(sizeof *r->trained);
        if (r->trained)
            *r->trained = r->trained_rows;
        return r->trained;
    }
    const json_t *names = json_object_get(o, "names");
    const char *column = json_string_value(json_object_get(o, "column"));
    size_t n = json_array_size(names);
    if (!column || !n || n > MOST_SERIES || !(r->series_column = strdup(column)) ||
        !(r->series_name = calloc(n, sizeof *r->series_name)) || !(r->trained = calloc(n, sizeof *r->trained)))
        return false;
    r->series = n;
    for (size_t s = 0; s < n; s++) {
        const char *name = json_string_value(json_array_get(names, s));
        json_int_t rows = json_integer_value(json_array_get(json_object_get(o, "trained_rows"), s));
        r->trained[s] = rows > 0 ? (size_t)rows : 0;
        if (!name || !(r->series_name[s] = strdup(name)))
            return false;
    }
    return true;
}

static bool parts_read(recipe *r, const json_t *notes, const table *t)
{
    enum { MOST_ROWS = 1 << 30 };
    const json_t *targets = json_object_get(notes, "targets"), *cycles = json_object_get(notes, "calendar"), *name;
    const char *d = json_string_value(json_object_get(notes, "distribution"));
    r->distribution = d ? (distribution)name_index(d, distribution_names, DISTRIBUTIONS) : GAUSSIAN;
    r->horizon = size_read(notes, "horizon", MOST_HORIZON);
    r->steps = size_read(notes, "steps", MOST_ROWS);
    r->period = size_read(notes, "period", MOST_ROWS);
    r->trained_rows = size_read(notes, "trained_rows", MOST_ROWS);
    size_t n = json_array_size(targets), at;
    if (r->distribution == DISTRIBUTIONS || !r->horizon || !r->steps || !r->period || !n ||
        !(r->target = calloc(n, sizeof *r->target)))
        return false;
    r->targets = n;
    json_array_foreach((json_t *)cycles, at, name)
    {
        size_t c = name_index(json_string_value(name), cycle_names, CYCLES);
        if (c == CYCLES)
            return false;
        r->cycle[c] = true;
    }
    bool good = series_read(r, json_object_get(notes, "series")) && known_read(r, json_object_get(notes, "known"), t);
    for (size_t i = 0; good && i < n; i++)
        good = target_read(r, r->target + i, json_array_get(targets, i), t);
    return good;
}

static weir_status find_columns(const recipe *r, const table *t, weir_error *err)
{
    for (size_t i = 0; i < r->targets; i++)
        if (r->target[i].column == SIZE_MAX || t->column[r->target[i].column].kind != TABLE_NUMBER)
            return data_fail(err, WEIR_E_FORMAT, "%s has no column of numbers named \"%s\", which the model forecasts", t->path,
                             r->target[i].name);
    for (size_t k = 0; k < r->known_count; k++)
        if (r->known[k].column == SIZE_MAX || t->column[r->known[k].column].kind != TABLE_NUMBER)
            return data_fail(err, WEIR_E_FORMAT,
                             "%s has no column of numbers named \"%s\", whose values the model needs in advance", t->path,
                             r->known[k].name);
    return WEIR_OK;
}

weir_status recipe_read(recipe *r, const weir_model *model, const table *t, weir_error *err)
{
    *r = (recipe){0};
    const weir_config *c = weir_model_config(model);
    json_t *notes = json_loads(c->notes, 0, NULL);
    weir_status status = WEIR_OK;
    if (!parts_read(r, notes, t))
        status = data_fail(err, WEIR_E_FORMAT, "the model's notes are broken: they do not tell how to forecast");
    if (!status)
        status = find_columns(r, t, err);
    if (!status)
        status = columns_read(&r->inputs, json_object_get(notes, "inputs"), t, err);
    if (!status && (c->output != output_of(r->distribution) || c->outputs != r->targets * r->horizon))
        status = data_fail(err, WEIR_E_FORMAT, "the model's notes do not fit its network");
    json_decref(notes);
    if (status)
        recipe_free(r);
    return status;
}
