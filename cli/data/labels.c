/* SPDX-License-Identifier: MIT */
#include "data/labels.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/columns.h"
#include "data/fail.h"
#include "data/labels_data.h"
#include "data/splitmix.h"

struct labels {
    columns inputs;
    char *id_name;
    truth y;
    sequences s;
    float *data; /* [table rows][width] */
    big data_memory;
    size_t train, batch;
    uint64_t seed;
    size_t *order;     /* of the training sequences, shuffled anew each epoch */
    uint32_t shuffled; /* the epoch whose order it is */
    float *x;
    uint32_t *lengths, *classes;
    float *targets;
    float *class_weights; /* [outputs]; NULL: none */
    weir_source train_source, valid_source;
    char summary[2048];
};

bool labels_match(const table *t, const labels_options *o)
{
    label_columns c = {0};
    weir_error err;
    bool found = labels_find_id(t, o->id) != SIZE_MAX && !label_columns_find(&c, t, o->label, &err);
    label_columns_free(&c);
    return found;
}

static size_t outputs_of(const labels *l)
{
    return l->y.head == LABELS_BINARY ? 1 : l->y.names.count;
}

/* ---- Batches ---- */

/* What the labels of an item are to the network, at row `to` of the batch's targets. */
static void put_truth(labels *l, size_t item, size_t to)
{
    size_t n = l->y.names.count;
    if (l->y.head == LABELS_SOFTMAX)
        l->classes[to] = l->y.class[item];
    else if (l->y.head == LABELS_BINARY)
        l->targets[to] = l->y.class[item] == UINT32_MAX ? (float)NAN : (float)l->y.class[item];
    else
        for (size_t j = 0; j < n; j++)
            l->targets[to * n + j] = l->y.flag[item * n + j] < 0 ? (float)NAN : (float)l->y.flag[item * n + j];
}

static void get_sequences(labels *l, const size_t *pick, size_t count, weir_batch *batch)
{
    sequences_put(l->s.list, pick, count, l->s.longest, l->data, l->inputs.width, l->x, l->lengths);
    for (size_t w = 0; w < count; w++) {
        const sequence *s = l->s.list + pick[w];
        size_t step = 0;
        if (!l->y.each_row)
            put_truth(l, pick[w], w);
        for (size_t i = 0; l->y.each_row && i < s->runs; i++)
            for (size_t k = 0; k < s->run[i].rows; k++, step++)
                put_truth(l, s->run[i].first + k, step * count + w);
    }
    *batch = (weir_batch){.steps = l->s.longest, .rows = count, .x = l->x, .lengths = l->lengths};
    if (l->y.head == LABELS_SOFTMAX)
        batch->classes = l->classes;
    else
        batch->targets = l->targets;
}

static size_t some_of(size_t all, size_t index, size_t batch)
{
    size_t left = all - index * batch;
    return left < batch ? left : batch;
}

/* Fisher & Yates 1938; each epoch shuffles the order of the one before. */
static void shuffle(labels *l, uint32_t epoch)
{
    for (size_t i = l->train; i-- > 1;) {
        uint64_t place = l->seed * 0x9E3779B97F4A7C15u + ((uint64_t)epoch << 40) + i;
        size_t j = (size_t)(splitmix(place) % (i + 1)), swap = l->order[i];
        l->order[i] = l->order[j];
        l->order[j] = swap;
    }
}

/* The order of an epoch, whatever was asked for before. */
static void order_of(labels *l, uint32_t epoch)
{
    if (epoch < l->shuffled) {
        l->shuffled = 0;
        for (size_t i = 0; i < l->train; i++)
            l->order[i] = i;
    }
    while (l->shuffled < epoch)
        shuffle(l, ++l->shuffled);
}

static weir_status train_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)err;
    labels *l = ctx;
    order_of(l, epoch);
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

/* ---- Class weights ---- */

/* Adds the labels of an item to yes[name] and no[name]. */
static void count_item(const truth *y, size_t item, double *yes, double *no)
{
    for (size_t j = 0; j < y->names.count; j++) {
        int flag = y->head == LABELS_MULTI        ? y->flag[item * y->names.count + j]
                   : y->class[item] == UINT32_MAX ? -1
                                                  : (int)(y->class[item] == j);
        yes[j] += flag == 1;
        no[j] += flag == 0;
    }
}

/* Training items that have each label, and that are told not to. */
static void count_training(const labels *l, double *yes, double *no)
{
    for (size_t w = 0; w < l->train; w++) {
        const sequence *s = l->s.list + w;
        if (!l->y.each_row)
            count_item(&l->y, w, yes, no);
        for (size_t i = 0; l->y.each_row && i < s->runs; i++)
            for (size_t k = 0; k < s->run[i].rows; k++)
                count_item(&l->y, s->run[i].first + k, yes, no);
    }
}

/* Softmax: all / (n count), so that each class weighs the same in all. Sigmoids: no / yes, so that both answers do. A label that training
 * never or always sees has the weight 1. */
static void balance(const labels *l, const double *yes, const double *no, double *weight)
{
    size_t n = l->y.names.count;
    for (size_t j = 0; j < n; j++)
        if (yes[j] > 0 && no[j] > 0)
            weight[j] = l->y.head == LABELS_SOFTMAX ? (yes[j] + no[j]) / ((double)n * yes[j]) : no[j] / yes[j];
}

/* "a:2,b:0.5" */
static weir_status read_weights(const labels *l, const char *list, double *weight, weir_error *err)
{
    char *copy = strdup(list), *rest = copy, *part;
    weir_status status = copy ? WEIR_OK : data_no_memory(err);
    while (!status && (part = strsep(&rest, ",")) != NULL) {
        char *colon = strrchr(part, ':'), *end = part;
        double value = colon ? strtod(colon + 1, &end) : 0;
        size_t j = 0;
        if (!colon || end == colon + 1 || *end || !(value >= 0 && value <= 1e30))
            status = data_fail(
                err, WEIR_E_ARGUMENT,
                "--class-weights takes balanced, none, or a number from 0 to 1e30 for each label, as a:2,b:0.5; \"%s\" is none",
                part);
        else {
            *colon = 0;
            while (j < l->y.names.count && strcmp(l->y.names.name[j], part) != 0)
                j++;
            if (j == l->y.names.count)
                status = data_fail(err, WEIR_E_ARGUMENT, "--class-weights: the data has no label \"%s\"", part);
            else
                weight[j] = value;
        }
    }
    free(copy);
    return status;
}

static weir_status weigh(labels *l, const char *wish, const double *yes, const double *no, weir_error *err)
{
    size_t n = l->y.names.count;
    if (!wish || strcmp(wish, "none") == 0)
        return WEIR_OK;
    double *weight = malloc(n * sizeof *weight);
    l->class_weights = malloc(n * sizeof *l->class_weights);
    weir_status status = weight && l->class_weights ? WEIR_OK : data_no_memory(err);
    for (size_t j = 0; j < n && !status; j++)
        weight[j] = 1;
    if (!status && strcmp(wish, "balanced") == 0)
        balance(l, yes, no, weight);
    else if (!status)
        status = read_weights(l, wish, weight, err);
    if (!status && l->y.head == LABELS_BINARY &&
        strcmp(wish, "balanced") != 0) { /* one output: what counts is the second against the first */
        if (weight[0] > 0)
            weight[1] /= weight[0];
        else
            status = data_fail(err, WEIR_E_ARGUMENT, "--class-weights: the weight of \"%s\" must not be 0 in a binary head",
                               l->y.names.name[0]);
    }
    for (size_t j = 0; j < n && !status; j++)
        l->class_weights[j] = (float)weight[l->y.head == LABELS_BINARY ? 1 : j];
    free(weight);
    return status;
}

/* The training part must show more than one answer. */
static weir_status check_training(const labels *l, const table *t, const double *yes, const double *no, weir_error *err)
{
    size_t n = l->y.names.count, seen = 0, last = 0;
    bool told = false;
    for (size_t j = 0; j < n; j++) {
        if (yes[j] > 0) {
            seen++;
            last = j;
        }
        told |= yes[j] > 0 || no[j] > 0;
    }
    if (!told)
        return data_fail(err, WEIR_E_FORMAT,
                         "%s: none of the %zu sequences that train has a label; choose another --split or --label", t->path,
                         l->train);
    if (seen == 1 && l->y.head != LABELS_MULTI)
        return data_fail(err, WEIR_E_FORMAT,
                         "%s: the first %zu of its %zu sequences, which train, have one label only, \"%s\"; mix the order of the "
                         "sequences, or "
                         "choose another --split",
                         t->path, l->train, l->s.count, l->y.names.name[last]);
    return WEIR_OK;
}

static weir_status look_at_training(labels *l, const table *t, const char *weights, weir_error *err)
{
    double *yes = calloc(2 * l->y.names.count, sizeof *yes), *no = yes + l->y.names.count;
    if (!yes)
        return data_no_memory(err);
    count_training(l, yes, no);
    weir_status status = check_training(l, t, yes, no, err);
    if (!status)
        status = weigh(l, weights, yes, no, err);
    free(yes);
    return status;
}

/* ---- Opening ---- */

static weir_status split(labels *l, const table *t, const labels_options *o, weir_error *err)
{
    enum { LEAST_SEQUENCES = 4 };
    if (l->s.count < LEAST_SEQUENCES)
        return data_fail(err, WEIR_E_FORMAT, "%s has %zu sequences; at least %d are needed to train and to validate", t->path,
                         l->s.count, (int)LEAST_SEQUENCES);
    l->train = (size_t)((o->split > 0 ? o->split : 0.8) * (double)l->s.count);
    l->train = l->train < 1 ? 1 : l->train == l->s.count ? l->s.count - 1 : l->train;
    l->batch = o->batch ? o->batch : 32;
    l->batch = l->batch < l->train ? l->batch : l->train;
    l->seed = o->seed ? o->seed : 1;
    return WEIR_OK;
}

/* Inputs are chosen by the rows that train. */
static weir_status choose_inputs(labels *l, const table *t, size_t id, weir_error *err)
{
    size_t skips = 1 + l->y.columns.count, *skip = malloc(skips * sizeof *skip);
    big marks = {0};
    weir_status status = skip ? big_zeros(&marks, t->rows * sizeof(bool), t->path, err) : data_no_memory(err);
    bool *trains = marks.data;
    for (size_t w = 0; w < l->train && !status; w++)
        for (size_t i = 0; i < l->s.list[w].runs; i++)
            memset(trains + l->s.list[w].run[i].first, true, l->s.list[w].run[i].rows * sizeof *trains);
    if (!status) {
        skip[0] = id;
        memcpy(skip + 1, l->y.columns.column, l->y.columns.count * sizeof *skip);
        status = columns_choose(&l->inputs, t, skip, skips, trains, err);
    }
    free(skip);
    big_free(&marks);
    if (!status && !l->inputs.width)
        return data_fail(err, WEIR_E_FORMAT, "%s has no column of numbers beside id and label", t->path);
    return status;
}

static weir_status make_arrays(labels *l, const table *t, weir_error *err)
{
    size_t rows = l->batch * (l->y.each_row ? l->s.longest : 1);
    l->order = malloc(l->s.count * sizeof *l->order);
    l->x = malloc(l->s.longest * l->batch * l->inputs.width * sizeof *l->x);
    l->lengths = malloc(l->batch * sizeof *l->lengths);
    l->classes = malloc(rows * sizeof *l->classes);
    l->targets = malloc(rows * outputs_of(l) * sizeof *l->targets);
    if (!l->order || !l->x || !l->lengths || !l->classes || !l->targets)
        return data_no_memory(err);
    for (size_t i = 0; i < l->s.count; i++)
        l->order[i] = i;
    memset(l->classes, 0xff, rows * sizeof *l->classes); /* what is past the end of a row is looked at by nobody */
    memset(l->targets, 0, rows * outputs_of(l) * sizeof *l->targets);
    weir_status status = big_zeros(&l->data_memory, t->rows * l->inputs.width * sizeof *l->data, t->path, err);
    if (status)
        return status;
    l->data = l->data_memory.data;
    columns_fill(&l->inputs, t, false, l->data, l->inputs.width);
    l->train_source = (weir_source){(l->train + l->batch - 1) / l->batch, train_get, l};
    l->valid_source = (weir_source){(l->s.count - l->train + l->batch - 1) / l->batch, valid_get, l};
    return WEIR_OK;
}

static void describe_head(const labels *l, bool asked, char *text, size_t size)
{
    size_t n = l->y.names.count;
    const char *why = asked ? "as asked" : NULL, *item = l->y.each_row ? "row" : "sequence";
    if (l->y.head == LABELS_BINARY)
        snprintf(text, size, "head: binary, one sigmoid for \"%s\" against \"%s\": %s", l->y.names.name[1], l->y.names.name[0],
                 why ? why : "there are two labels");
    else if (l->y.head == LABELS_SOFTMAX)
        snprintf(text, size, "head: softmax, one of %zu classes for each %s: %s", n, item,
                 why ? why : "there are more than two labels");
    else
        snprintf(text, size, "head: multilabel, %zu sigmoids, any of %zu labels for each %s: %s", n, n, item,
                 why                      ? why
                 : l->y.columns.count > 1 ? "there are several columns of labels"
                                          : "some values hold ; or |");
}

static void describe(labels *l, const table *t, bool asked)
{
    char *text = l->summary;
    size_t size = sizeof l->summary;
    size_t used = (size_t)snprintf(text, size, "labels: %zu sequences of up to %zu steps, %zu %s; %zu train, %zu validate\n",
                                   l->s.count, l->s.longest, l->y.names.count, l->y.head == LABELS_MULTI ? "labels" : "classes",
                                   l->train, l->s.count - l->train);
    describe_head(l, asked, text + used, size - used);
    used = strlen(text);
    if (l->class_weights)
        used += (size_t)snprintf(text + used, size - used, "\nclass weights:");
    for (size_t j = 0; l->class_weights && j < outputs_of(l) && used < size; j++)
        used += (size_t)snprintf(text + used, size - used, " %s %.3g", l->y.names.name[l->y.head == LABELS_BINARY ? 1 : j],
                                 (double)l->class_weights[j]);
    if (used < size)
        columns_describe(&l->inputs, t, text + used, size - used);
}

static weir_status open_table(labels *l, const table *t, const labels_options *o, weir_error *err)
{
    size_t id = labels_find_id(t, o->id);
    weir_status status = labels_need_column(t, id, o->id, "id", err);
    if (!status)
        status = label_columns_find(&l->y.columns, t, o->label, err);
    if (!status && !(l->id_name = strdup(t->column[id].name)))
        status = data_no_memory(err);
    l->y.head = o->head;
    l->y.each_row = o->each_row;
    if (!status)
        status = sequences_find(&l->s, t, id, err);
    if (!status)
        status = truth_names(&l->y, t, &l->s, err);
    if (!status)
        status = truth_read(&l->y, t, &l->s, err);
    if (!status)
        status = split(l, t, o, err);
    if (!status)
        status = look_at_training(l, t, o->class_weights, err);
    if (!status)
        status = choose_inputs(l, t, id, err);
    return status ? status : make_arrays(l, t, err);
}

weir_status labels_open(labels **out, const table *t, const labels_options *o, weir_error *err)
{
    *out = NULL;
    labels *l = calloc(1, sizeof *l);
    if (!l)
        return data_no_memory(err);
    weir_status status = open_table(l, t, o, err);
    if (status) {
        labels_free(l);
        return status;
    }
    describe(l, t, o->head != LABELS_AUTO);
    *out = l;
    return WEIR_OK;
}

void labels_free(labels *l)
{
    if (!l)
        return;
    columns_free(&l->inputs);
    sequences_free(&l->s);
    truth_free(&l->y);
    free(l->id_name);
    big_free(&l->data_memory);
    free(l->order);
    free(l->x);
    free(l->lengths);
    free(l->classes);
    free(l->targets);
    free(l->class_weights);
    free(l);
}

/* ---- What the training needs to know ---- */

void labels_configure(labels *l, weir_config *model, weir_train_config *train, weir_fit *fit)
{
    model->inputs = (uint32_t)l->inputs.width;
    model->outputs = (uint32_t)outputs_of(l);
    model->output = l->y.head == LABELS_SOFTMAX ? WEIR_SOFTMAX : WEIR_LOGISTIC;
    model->readout = l->y.each_row ? WEIR_EVERY_STEP : WEIR_FINAL_STATE;
    if (!model->hidden)
        model->hidden = 32;
    train->rows = (uint32_t)l->batch;
    train->steps = (uint32_t)l->s.longest;
    train->class_weights = l->class_weights;
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

static json_t *names_json(char *const *name, size_t count)
{
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(names, json_string(name[i]));
    return names;
}

weir_status labels_notes(const labels *l, char **notes, weir_error *err)
{
    const label_columns *c = &l->y.columns;
    json_t *label = c->count > 1 ? names_json(c->name, c->count) : json_string(c->name[0]);
    json_t *o = json_pack("{s:s, s:s, s:o, s:o, s:o}", "task", "labels", "id", l->id_name, "label", label, "classes",
                          names_json(l->y.names.name, l->y.names.count), "inputs", columns_json(&l->inputs));
    if (l->y.head != LABELS_SOFTMAX)
        json_object_set_new(o, "head", json_string(labels_heads[l->y.head]));
    json_t *weights = l->class_weights ? json_array() : NULL;
    for (size_t j = 0; weights && j < outputs_of(l); j++)
        json_array_append_new(weights, json_real((double)l->class_weights[j]));
    if (weights)
        json_object_set_new(o, "class_weights", weights);
    *notes = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return *notes ? WEIR_OK : data_no_memory(err);
}
