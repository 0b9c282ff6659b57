/* What a model of series keeps in its notes: free, write, read.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

const char *const base_names[] = {"line", "season"};
const char *const transform_names[] = {"none", "log", "sqrt"};

void recipe_free(recipe *r)
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

json_t *recipe_json(const recipe *r)
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

weir_status recipe_read(recipe *r, const weir_model *model, const table *t, weir_error *err)
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
