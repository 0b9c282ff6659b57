/* Labelling the sequences of a table with a model.
 * SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "data/columns.h"
#include "data/fail.h"
#include "data/labels_data.h"

/* A table as a model reads it. */
typedef struct reading {
    columns inputs;
    sequences s;
    truth y;
    float *data; /* [table rows][width] */
    big data_memory;
} reading;

static void reading_free(reading *r)
{
    columns_free(&r->inputs);
    sequences_free(&r->s);
    truth_free(&r->y);
    big_free(&r->data_memory);
}

/* ---- The model's notes ---- */

static labels_head head_of(const json_t *notes)
{
    const char *name = json_string_value(json_object_get(notes, "head"));
    return !name ? LABELS_SOFTMAX : strcmp(name, "binary") == 0 ? LABELS_BINARY : LABELS_MULTI;
}

static bool fits(const truth *y, const weir_config *c)
{
    size_t n = y->names.count;
    if (y->head == LABELS_SOFTMAX)
        return c->output == WEIR_SOFTMAX && c->outputs == n;
    return c->output == WEIR_LOGISTIC && (y->head == LABELS_BINARY ? n == 2 && c->outputs == 1 : n > 0 && c->outputs == n);
}

static weir_status broken(weir_error *err)
{
    return data_fail(err, WEIR_E_FORMAT, "the model's notes do not fit its network");
}

/* Copies the strings of a list; false without memory, or if one is no string. */
static bool copy_names(class_names *names, const json_t *list)
{
    names->name = calloc(json_array_size(list) + 1, sizeof *names->name);
    for (size_t i = 0; names->name && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !(names->name[names->count] = strdup(text)))
            return false;
        names->count++;
    }
    return names->name != NULL;
}

static bool sorted(const class_names *names)
{
    for (size_t i = 1; i < names->count; i++)
        if (strcmp(names->name[i - 1], names->name[i]) >= 0)
            return false;
    return true;
}

static weir_status read_notes(truth *y, const json_t *notes, const weir_config *c, const table *t, weir_error *err)
{
    const json_t *label = json_object_get(notes, "label");
    y->head = head_of(notes);
    y->each_row = c->readout == WEIR_EVERY_STEP;
    if (!copy_names(&y->names, json_object_get(notes, "classes")) || !fits(y, c))
        return broken(err);
    for (size_t k = 0; k < (json_is_array(label) ? json_array_size(label) : 1); k++) {
        const char *name = json_string_value(json_is_array(label) ? json_array_get(label, k) : label);
        if (!name)
            return broken(err);
        if (!label_columns_add(&y->columns, t, name))
            return data_no_memory(err);
    }
    bool named = y->columns.count > 1 ? y->columns.count == y->names.count : sorted(&y->names);
    return named ? WEIR_OK : broken(err);
}

static weir_status reading_open(reading *r, const json_t *notes, const weir_model *model, const table *t, weir_error *err)
{
    const weir_config *c = weir_model_config(model);
    const char *id_name = json_string_value(json_object_get(notes, "id"));
    weir_status status = id_name ? read_notes(&r->y, notes, c, t, err) : broken(err);
    size_t id = status ? SIZE_MAX : table_find(t, id_name);
    if (!status)
        status = labels_need_column(t, id, id_name, "id", err);
    if (!status)
        status = columns_read(&r->inputs, json_object_get(notes, "inputs"), t, err);
    if (!status && r->inputs.width != c->inputs)
        status = broken(err);
    if (!status)
        status = sequences_find(&r->s, t, id, err);
    if (!status)
        status = truth_read(&r->y, t, &r->s, err);
    if (!status)
        status = big_zeros(&r->data_memory, t->rows * r->inputs.width * sizeof *r->data, t->path, err);
    r->data = r->data_memory.data;
    if (!status)
        columns_fill(&r->inputs, t, false, r->data, r->inputs.width);
    return status;
}

/* ---- The result ---- */

static weir_status make_result(labels_result *out, const reading *r, size_t skip, weir_error *err)
{
    const truth *y = &r->y;
    size_t n = y->names.count, items = 0;
    for (size_t i = skip; i < r->s.count; i++)
        items += y->each_row ? r->s.list[i].rows : 1;
    out->head = y->head;
    out->each_row = y->each_row;
    out->by_columns = y->columns.count > 1;
    out->sequences = r->s.count - skip;
    out->items = items;
    out->classes = n;
    out->unknown = y->unknown;
    out->first_unknown = y->first_unknown;
    bool multi = y->head == LABELS_MULTI;
    out->id = calloc(items + 1, sizeof *out->id);
    out->step = calloc(items + 1, sizeof *out->step);
    out->class_name = calloc(n + 1, sizeof *out->class_name);
    out->best = calloc(items + 1, sizeof *out->best);
    out->truth = calloc(items + 1, sizeof *out->truth);
    out->answer = calloc(multi ? items * n + 1 : 1, 1);
    out->given = calloc(multi ? items * n + 1 : 1, 1);
    out->probability = calloc(items * n + 1, sizeof *out->probability);
    out->memory = calloc(1, sizeof(class_names));
    bool good =
        out->id && out->step && out->class_name && out->best && out->truth && out->answer && out->given && out->probability;
    return good && out->memory ? WEIR_OK : data_no_memory(err);
}

/* What the table says of an item. */
static void put_given(labels_result *out, const truth *y, size_t from, size_t item)
{
    size_t n = out->classes;
    out->truth[item] = y->class[from] == UINT32_MAX ? SIZE_MAX : y->class[from];
    bool known = y->class[from] != UINT32_MAX;
    for (size_t j = 0; out->head == LABELS_MULTI && j < n; j++) {
        out->given[item * n + j] = y->flag[from * n + j];
        known |= y->flag[from * n + j] >= 0;
    }
    out->labelled += known;
}

/* True if the table says nothing at all of an item. */
static bool says_nothing(const truth *y, const table *t, const sequence *s, size_t row)
{
    for (size_t k = 0; k < y->columns.count; k++) {
        size_t column = y->columns.column[k];
        if (column == SIZE_MAX)
            continue;
        if (y->each_row && *table_text(t, column, row))
            return false;
        for (size_t i = 0; !y->each_row && i < s->runs; i++)
            for (size_t at = s->run[i].first; at < s->run[i].first + s->run[i].rows; at++)
                if (*table_text(t, column, at))
                    return false;
    }
    return true;
}

static void put_items(labels_result *out, const reading *r, const table *t, size_t skip)
{
    size_t item = 0;
    for (size_t w = skip; w < r->s.count; w++) {
        const sequence *s = r->s.list + w;
        size_t step = 0;
        for (size_t i = 0; i < s->runs; i++)
            for (size_t k = 0; k < s->run[i].rows; k++, step++) {
                if (!r->y.each_row && step)
                    continue;
                out->id[item] = s->id;
                out->step[item] = step + 1;
                out->unlabelled += says_nothing(&r->y, t, s, s->run[i].first + k);
                put_given(out, &r->y, r->y.each_row ? s->run[i].first + k : w, item++);
            }
    }
    /* The names outlive the reading. */
    *(class_names *)out->memory = r->y.names;
    for (size_t j = 0; j < out->classes; j++)
        out->class_name[j] = r->y.names.name[j];
}

/* The probabilities of an item from the network's outputs. */
static void put_probability(labels_result *out, const float *y, size_t item)
{
    float *p = out->probability + item * out->classes;
    if (out->head == LABELS_BINARY) {
        p[1] = y[0];
        p[0] = 1 - y[0];
    } else
        memcpy(p, y, out->classes * sizeof *p);
}

static weir_status run_model(labels_result *out, const reading *r, const weir_model *model, size_t skip, weir_error *err)
{
    enum { BATCH = 64 };
    size_t width = r->inputs.width, n = weir_model_outputs(model), longest = r->s.longest, item = 0;
    float *x = malloc(longest * BATCH * width * sizeof *x), *y = malloc((out->each_row ? longest : 1) * BATCH * n * sizeof *y);
    weir_status status = x && y ? WEIR_OK : data_no_memory(err);
    for (size_t done = 0; done < out->sequences && !status; done += BATCH) {
        size_t count = out->sequences - done < BATCH ? out->sequences - done : BATCH, pick[BATCH];
        uint32_t lengths[BATCH];
        for (size_t w = 0; w < count; w++)
            pick[w] = skip + done + w;
        sequences_put(r->s.list, pick, count, longest, r->data, width, x, lengths);
        weir_batch batch = {.steps = longest, .rows = count, .x = x, .lengths = lengths};
        status = weir_model_run(model, &batch, y, NULL, NULL, NULL, err);
        for (size_t w = 0; w < count && !status; w++)
            for (size_t step = 0; step < (out->each_row ? lengths[w] : 1); step++)
                put_probability(out, y + (step * count + w) * n, item++);
    }
    free(x);
    free(y);
    return status;
}

static void decide(labels_result *out, double threshold)
{
    size_t n = out->classes;
    for (size_t i = 0; i < out->items; i++) {
        const float *p = out->probability + i * n;
        if (out->head == LABELS_BINARY)
            out->best[i] = (double)p[1] >= threshold;
        for (size_t j = 1; out->head == LABELS_SOFTMAX && j < n; j++)
            if (p[j] > p[out->best[i]])
                out->best[i] = j;
        for (size_t j = 0; out->head == LABELS_MULTI && j < n; j++)
            out->answer[i * n + j] = (double)p[j] >= threshold;
    }
}

weir_status labels_classify(labels_result **result, const weir_model *model, const table *t, double first, double threshold,
                            weir_error *err)
{
    *result = NULL;
    json_t *notes = json_loads(weir_model_config(model)->notes, 0, NULL);
    reading r = {0};
    labels_result *out = calloc(1, sizeof *out);
    weir_status status = out ? reading_open(&r, notes, model, t, err) : data_no_memory(err);
    size_t skip = (size_t)(first * (double)r.s.count);
    if (!status)
        status = make_result(out, &r, skip, err);
    if (!status)
        status = run_model(out, &r, model, skip, err);
    if (!status) {
        put_items(out, &r, t, skip);
        r.y.names = (class_names){0};
        decide(out, threshold);
        *result = out;
    } else
        labels_result_free(out);
    reading_free(&r);
    json_decref(notes);
    return status;
}

void labels_result_free(labels_result *r)
{
    if (!r)
        return;
    if (r->memory)
        class_names_free(r->memory);
    free(r->memory);
    free(r->id);
    free(r->step);
    free(r->class_name);
    free(r->best);
    free(r->truth);
    free(r->answer);
    free(r->given);
    free(r->probability);
    free(r);
}
