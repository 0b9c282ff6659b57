/* SPDX-License-Identifier: MIT */
#include "data/labels.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/columns.h"
#include "data/fail.h"

/* One sequence: its rows in the order of the file. */
typedef struct sequence {
    const char *id;
    size_t *row, rows;
    size_t class; /* SIZE_MAX: none */
} sequence;

/* All sequences of a table. */
typedef struct sequences {
    sequence *list;
    size_t count, longest;
    size_t *rows; /* all rows, sequence by sequence */
} sequences;

struct labels {
    columns inputs;
    char *id_name, *label_name;
    char **class_name;
    size_t classes;
    sequences s;
    float *data; /* [table rows][width] */
    size_t train, batch;
    uint64_t seed;
    size_t *order; /* of the training sequences; each epoch shuffles that of the epoch before, the first one that of the file */
    uint32_t shuffled; /* epochs that did so */
    float *x;
    uint32_t *lengths, *truth;
    weir_source train_source, valid_source;
    char summary[1024];
};

/* ---- Finding columns and sequences ---- */

static size_t find_column(const table *t, const char *wanted, const char *const *usual)
{
    if (wanted)
        return table_find(t, wanted);
    for (; *usual; usual++)
        for (size_t j = 0; j < t->columns; j++)
            if (strcasecmp(t->column[j].name, *usual) == 0)
                return j;
    return SIZE_MAX;
}

static size_t find_id(const table *t, const char *wanted)
{
    static const char *const usual[] = {"id", "sequence", "sequence_id", "series", "series_id", NULL};
    return find_column(t, wanted, usual);
}

static size_t find_label(const table *t, const char *wanted)
{
    static const char *const usual[] = {"label", "class", "target", "category", NULL};
    return find_column(t, wanted, usual);
}

bool labels_match(const table *t, const labels_options *o)
{
    return find_id(t, o->id) != SIZE_MAX && find_label(t, o->label) != SIZE_MAX;
}

static weir_status need_column(const table *t, size_t j, const char *wanted, const char *what, weir_error *err)
{
    if (j != SIZE_MAX)
        return WEIR_OK;
    if (wanted)
        return data_fail(err, WEIR_E_FORMAT, "%s has no column \"%s\"", t->path, wanted);
    return data_fail(err, WEIR_E_FORMAT, "%s has no column of %ss; name it with --%s", t->path, what, what);
}

typedef struct tagged {
    const char *id;
    size_t row;
} tagged;

static int by_id(const void *a, const void *b)
{
    const tagged *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static int by_first_row(const void *a, const void *b)
{
    const sequence *x = a, *y = b;
    return (x->row[0] > y->row[0]) - (x->row[0] < y->row[0]);
}

static void sequences_free(sequences *s)
{
    free(s->list);
    free(s->rows);
    *s = (sequences){0};
}

/* Groups rows by id; sequences stand in the order of their first rows. */
static weir_status sequences_find(sequences *s, const table *t, size_t id, weir_error *err)
{
    tagged *all = malloc(t->rows * sizeof *all);
    s->list = calloc(t->rows, sizeof *s->list);
    s->rows = malloc(t->rows * sizeof *s->rows);
    if (!all || !s->list || !s->rows) {
        free(all);
        return data_no_memory(err);
    }
    for (size_t i = 0; i < t->rows; i++)
        all[i] = (tagged){t->column[id].text[i], i};
    qsort(all, t->rows, sizeof *all, by_id);
    for (size_t i = 0; i < t->rows; i++) {
        s->rows[i] = all[i].row;
        if (i == 0 || strcmp(all[i].id, all[i - 1].id) != 0)
            s->list[s->count++] = (sequence){.id = all[i].id, .row = s->rows + i, .class = SIZE_MAX};
        sequence *last = s->list + s->count - 1;
        last->rows++;
        if (last->rows > s->longest)
            s->longest = last->rows;
    }
    free(all);
    qsort(s->list, s->count, sizeof *s->list, by_first_row);
    return WEIR_OK;
}

/* The label of a sequence, the same in all its rows; NULL: missing. */
static weir_status label_of(const table *t, const sequence *s, size_t label, const char **text, weir_error *err)
{
    *text = NULL;
    for (size_t i = 0; i < s->rows; i++) {
        const char *now = t->column[label].text[s->row[i]];
        if (*now && *text && strcmp(now, *text) != 0)
            return data_fail(err, WEIR_E_FORMAT, "%s, line %zu: sequence \"%s\" has the label \"%s\" here and \"%s\" before", t->path,
                             t->line[s->row[i]], s->id, now, *text);
        if (*now)
            *text = now;
    }
    return WEIR_OK;
}

static size_t class_of(char *const *names, size_t n, const char *text)
{
    for (size_t i = 0; text && i < n; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return SIZE_MAX;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The classes in the order of their names, found in all labelled sequences. */
static weir_status find_classes(labels *l, const table *t, size_t label, weir_error *err)
{
    enum { MOST_CLASSES = 1000 };
    l->class_name = calloc(MOST_CLASSES + 1, sizeof *l->class_name);
    if (!l->class_name)
        return data_no_memory(err);
    for (size_t i = 0; i < l->s.count; i++) {
        const char *text;
        weir_status status = label_of(t, l->s.list + i, label, &text, err);
        if (status)
            return status;
        if (!text || class_of(l->class_name, l->classes, text) != SIZE_MAX)
            continue;
        if (l->classes == MOST_CLASSES)
            return data_fail(err, WEIR_E_FORMAT, "%s has more than %d different labels in column \"%s\"", t->path, (int)MOST_CLASSES,
                             t->column[label].name);
        if (!(l->class_name[l->classes++] = strdup(text)))
            return data_no_memory(err);
    }
    if (l->classes < 2)
        return data_fail(err, WEIR_E_FORMAT, "%s has %zu different labels in column \"%s\"; at least 2 are needed", t->path, l->classes,
                         t->column[label].name);
    qsort(l->class_name, l->classes, sizeof *l->class_name, by_name);
    for (size_t i = 0; i < l->s.count; i++) {
        const char *text;
        label_of(t, l->s.list + i, label, &text, err);
        l->s.list[i].class = class_of(l->class_name, l->classes, text);
    }
    return WEIR_OK;
}

/* ---- Batches ---- */

/* x[steps][count][width] and lengths of some sequences. */
static void put_sequences(const sequence *list, const size_t *pick, size_t count, size_t steps, const float *data, size_t width, float *x,
                          uint32_t *lengths)
{
    memset(x, 0, steps * count * width * sizeof *x);
    for (size_t w = 0; w < count; w++) {
        const sequence *s = list + pick[w];
        lengths[w] = (uint32_t)s->rows;
        for (size_t step = 0; step < s->rows; step++)
            memcpy(x + (step * count + w) * width, data + s->row[step] * width, width * sizeof *x);
    }
}

static void get_sequences(labels *l, const size_t *pick, size_t count, weir_batch *batch)
{
    put_sequences(l->s.list, pick, count, l->s.longest, l->data, l->inputs.width, l->x, l->lengths);
    for (size_t w = 0; w < count; w++) {
        size_t class = l->s.list[pick[w]].class;
        l->truth[w] = class == SIZE_MAX ? UINT32_MAX : (uint32_t)class;
    }
    *batch = (weir_batch){.steps = l->s.longest, .rows = count, .x = l->x, .lengths = l->lengths, .classes = l->truth};
}

static size_t some_of(size_t all, size_t index, size_t batch)
{
    size_t left = all - index * batch;
    return left < batch ? left : batch;
}

/* Fisher & Yates 1938, with splitmix64's finaliser. */
static void shuffle(labels *l, uint32_t epoch)
{
    for (size_t i = l->train; i-- > 1;) {
        uint64_t z = l->seed * 0x9E3779B97F4A7C15u + ((uint64_t)epoch << 40) + i;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        size_t j = (size_t)((z ^ (z >> 31)) % (i + 1)), swap = l->order[i];
        l->order[i] = l->order[j];
        l->order[j] = swap;
    }
}

/* The order of an epoch, whatever was asked before: a training may go on in its middle. */
static void order_epoch(labels *l, uint32_t epoch)
{
    for (size_t i = 0; epoch < l->shuffled && i < l->train; i++)
        l->order[i] = i;
    l->shuffled = epoch < l->shuffled ? 0 : l->shuffled;
    while (l->shuffled < epoch)
        shuffle(l, ++l->shuffled);
}

static weir_status train_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)err;
    labels *l = ctx;
    order_epoch(l, epoch);
    get_sequences(l, l->order + index * l->batch, some_of(l->train, index, l->batch), batch);
    return WEIR_OK;
}

static weir_status valid_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)epoch;
    (void)err;
    labels *l = ctx;
    get_sequences(l, l->order + l->train + index * l->batch, some_of(l->s.count - l->train, index, l->batch), batch);
    return WEIR_OK;
}

/* ---- Training ---- */

static weir_status prepare(labels *l, const table *t, const labels_options *o, size_t id, size_t label, weir_error *err)
{
    enum { LEAST_SEQUENCES = 4 };
    if (l->s.count < LEAST_SEQUENCES)
        return data_fail(err, WEIR_E_FORMAT, "%s has %zu sequences; at least %d are needed to train and to validate", t->path, l->s.count,
                         (int)LEAST_SEQUENCES);
    l->train = (size_t)((o->split > 0 ? o->split : 0.8) * (double)l->s.count);
    l->train = l->train < 1 ? 1 : l->train == l->s.count ? l->s.count - 1 : l->train;
    l->batch = o->batch ? o->batch : 32;
    l->batch = l->batch < l->train ? l->batch : l->train;
    l->seed = o->seed ? o->seed : 1;
    bool *trains = calloc(t->rows, sizeof *trains);
    l->order = malloc(l->s.count * sizeof *l->order);
    if (!trains || !l->order) {
        free(trains);
        return data_no_memory(err);
    }
    for (size_t i = 0; i < l->s.count; i++) {
        l->order[i] = i;
        for (size_t k = 0; i < l->train && k < l->s.list[i].rows; k++)
            trains[l->s.list[i].row[k]] = true;
    }
    weir_status status = columns_choose(&l->inputs, t, id, label, trains, err);
    free(trains);
    if (status)
        return status;
    if (!l->inputs.width)
        return data_fail(err, WEIR_E_FORMAT, "%s has no column of numbers beside id and label", t->path);
    l->data = malloc(t->rows * l->inputs.width * sizeof *l->data);
    l->x = malloc(l->s.longest * l->batch * l->inputs.width * sizeof *l->x);
    l->lengths = malloc(l->batch * sizeof *l->lengths);
    l->truth = malloc(l->batch * sizeof *l->truth);
    if (!l->data || !l->x || !l->lengths || !l->truth)
        return data_no_memory(err);
    columns_fill(&l->inputs, t, false, l->data, l->inputs.width);
    l->train_source = (weir_source){(l->train + l->batch - 1) / l->batch, train_get, l};
    l->valid_source = (weir_source){(l->s.count - l->train + l->batch - 1) / l->batch, valid_get, l};
    return WEIR_OK;
}

weir_status labels_open(labels **out, const table *t, const labels_options *o, weir_error *err)
{
    *out = NULL;
    size_t id = find_id(t, o->id), label = find_label(t, o->label);
    weir_status status = need_column(t, id, o->id, "id", err);
    if (!status)
        status = need_column(t, label, o->label, "label", err);
    if (status)
        return status;
    labels *l = calloc(1, sizeof *l);
    if (!l)
        return data_no_memory(err);
    l->id_name = strdup(t->column[id].name);
    l->label_name = strdup(t->column[label].name);
    status = l->id_name && l->label_name ? sequences_find(&l->s, t, id, err) : data_no_memory(err);
    if (!status)
        status = find_classes(l, t, label, err);
    if (!status)
        status = prepare(l, t, o, id, label, err);
    if (status) {
        labels_free(l);
        return status;
    }
    size_t used = (size_t)snprintf(l->summary, sizeof l->summary, "labels: %zu sequences of up to %zu steps, %zu classes; %zu train, %zu validate",
                                   l->s.count, l->s.longest, l->classes, l->train, l->s.count - l->train);
    columns_describe(&l->inputs, t, l->summary + used, sizeof l->summary - used);
    *out = l;
    return WEIR_OK;
}

void labels_free(labels *l)
{
    if (!l)
        return;
    columns_free(&l->inputs);
    sequences_free(&l->s);
    for (size_t i = 0; i < l->classes; i++)
        free(l->class_name[i]);
    free(l->class_name);
    free(l->id_name);
    free(l->label_name);
    free(l->data);
    free(l->order);
    free(l->x);
    free(l->lengths);
    free(l->truth);
    free(l);
}

void labels_configure(labels *l, weir_config *model, weir_train_config *train, weir_fit *fit)
{
    model->inputs = (uint32_t)l->inputs.width;
    model->outputs = (uint32_t)l->classes;
    model->output = WEIR_SOFTMAX;
    model->readout = WEIR_FINAL_STATE;
    if (!model->hidden)
        model->hidden = 32;
    train->rows = (uint32_t)l->batch;
    train->steps = (uint32_t)l->s.longest;
    if (train->rate == 0)
        train->rate = 0.005f;
    fit->train = &l->train_source;
    fit->valid = &l->valid_source;
    if (!fit->epochs)
        fit->epochs = 40;
    if (!fit->patience)
        fit->patience = 10;
}

const char *labels_summary(const labels *l)
{
    return l->summary;
}

weir_status labels_notes(const labels *l, char **notes, weir_error *err)
{
    json_t *classes = json_array();
    for (size_t i = 0; i < l->classes; i++)
        json_array_append_new(classes, json_string(l->class_name[i]));
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o}", "task", "labels", "id", l->id_name, "label", l->label_name, "classes", classes,
                          "inputs", columns_json(&l->inputs));
    *notes = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return *notes ? WEIR_OK : data_no_memory(err);
}

/* ---- Using a model ---- */

typedef struct reading {
    columns inputs;
    sequences s;
    char **class_name;
    size_t classes, label;
    float *data;
} reading;

static void reading_free(reading *r)
{
    columns_free(&r->inputs);
    sequences_free(&r->s);
    free(r->data);
}

static weir_status reading_open(reading *r, const json_t *notes, const weir_model *model, const table *t, weir_error *err)
{
    const weir_config *c = weir_model_config(model);
    const char *id_name = json_string_value(json_object_get(notes, "id")), *label = json_string_value(json_object_get(notes, "label"));
    r->classes = json_array_size(json_object_get(notes, "classes"));
    if (!id_name || !label || r->classes != c->outputs || c->output != WEIR_SOFTMAX || c->readout != WEIR_FINAL_STATE)
        return data_fail(err, WEIR_E_FORMAT, "the model's notes do not fit its network");
    size_t id = table_find(t, id_name);
    r->label = table_find(t, label);
    weir_status status = need_column(t, id, id_name, "id", err);
    if (!status)
        status = columns_read(&r->inputs, json_object_get(notes, "inputs"), t, err);
    if (!status && r->inputs.width != c->inputs)
        status = data_fail(err, WEIR_E_FORMAT, "the model's notes do not fit its network");
    if (!status)
        status = sequences_find(&r->s, t, id, err);
    r->data = malloc(t->rows * (r->inputs.width + 1) * sizeof *r->data);
    if (!status && !r->data)
        status = data_no_memory(err);
    if (!status)
        columns_fill(&r->inputs, t, false, r->data, r->inputs.width);
    return status;
}

static weir_status make_result(labels_result *out, const json_t *notes, size_t count, size_t classes, weir_error *err)
{
    out->sequences = count;
    out->classes = classes;
    out->id = calloc(count + 1, sizeof *out->id);
    out->class_name = calloc(classes + 1, sizeof *out->class_name);
    out->best = calloc(count + 1, sizeof *out->best);
    out->truth = calloc(count + 1, sizeof *out->truth);
    out->probability = calloc(count * classes + 1, sizeof *out->probability);
    out->confusion = calloc(classes * classes + 1, sizeof *out->confusion);
    out->memory = json_deep_copy(json_object_get(notes, "classes")); /* holds the names */
    if (!out->id || !out->class_name || !out->best || !out->truth || !out->probability || !out->confusion || !out->memory)
        return data_no_memory(err);
    for (size_t i = 0; i < classes; i++) {
        out->class_name[i] = json_string_value(json_array_get(out->memory, i));
        if (!out->class_name[i])
            return data_fail(err, WEIR_E_FORMAT, "the model's notes are broken: a class has no name");
    }
    return WEIR_OK;
}

static weir_status run(labels_result *out, const reading *r, const weir_model *model, size_t skip, weir_error *err)
{
    enum { BATCH = 64 };
    size_t width = r->inputs.width;
    float *x = malloc(r->s.longest * BATCH * width * sizeof *x);
    weir_status status = x ? WEIR_OK : data_no_memory(err);
    for (size_t done = 0; done < out->sequences && !status; done += BATCH) {
        size_t count = some_of(out->sequences, done / BATCH, BATCH), pick[BATCH];
        uint32_t lengths[BATCH];
        for (size_t w = 0; w < count; w++)
            pick[w] = skip + done + w;
        put_sequences(r->s.list, pick, count, r->s.longest, r->data, width, x, lengths);
        weir_batch batch = {.steps = r->s.longest, .rows = count, .x = x, .lengths = lengths};
        status = weir_model_run(model, &batch, out->probability + done * out->classes, NULL, NULL, NULL, err);
    }
    free(x);
    return status;
}

static void score(labels_result *out)
{
    double loss = 0, right = 0;
    for (size_t i = 0; i < out->sequences; i++) {
        const float *p = out->probability + i * out->classes;
        for (size_t j = 1; j < out->classes; j++)
            if (p[j] > p[out->best[i]])
                out->best[i] = j;
        if (out->truth[i] == SIZE_MAX)
            continue;
        out->labelled++;
        loss -= log(fmax((double)p[out->truth[i]], 1e-38));
        right += out->best[i] == out->truth[i];
        out->confusion[out->truth[i] * out->classes + out->best[i]]++;
    }
    out->loss = out->labelled ? loss / (double)out->labelled : 0;
    out->accuracy = out->labelled ? right / (double)out->labelled : 0;
}

static weir_status take_truth(labels_result *out, const reading *r, const table *t, size_t skip, weir_error *err)
{
    for (size_t i = 0; i < out->sequences; i++) {
        const sequence *s = r->s.list + skip + i;
        const char *text = NULL;
        weir_status status = r->label == SIZE_MAX ? WEIR_OK : label_of(t, s, r->label, &text, err);
        if (status)
            return status;
        out->id[i] = s->id;
        out->truth[i] = class_of((char *const *)out->class_name, out->classes, text);
    }
    return WEIR_OK;
}

weir_status labels_classify(labels_result **result, const weir_model *model, const table *t, double first, weir_error *err)
{
    *result = NULL;
    json_t *notes = json_loads(weir_model_config(model)->notes, 0, NULL);
    reading r = {0};
    labels_result *out = calloc(1, sizeof *out);
    weir_status status = out ? reading_open(&r, notes, model, t, err) : data_no_memory(err);
    size_t skip = (size_t)(first * (double)r.s.count);
    if (!status)
        status = make_result(out, notes, r.s.count - skip, r.classes, err);
    if (!status)
        status = take_truth(out, &r, t, skip, err);
    if (!status)
        status = run(out, &r, model, skip, err);
    if (!status)
        score(out);
    reading_free(&r);
    json_decref(notes);
    if (status)
        labels_result_free(out);
    else
        *result = out;
    return status;
}

void labels_result_free(labels_result *r)
{
    if (!r)
        return;
    free(r->id);
    free(r->class_name);
    free(r->best);
    free(r->truth);
    free(r->probability);
    free(r->confusion);
    json_decref(r->memory);
    free(r);
}
