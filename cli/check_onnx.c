/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "data/fail.h"

/* Every dimension that the graph leaves open becomes this one, so that all shapes agree, whichever axis is time. */
enum { FREE_SIZE = 3, MOST_NUMBERS = 1024 };

/* A graph's inputs, and the one of them that is the model's x. */
typedef struct feed {
    weir_array *inputs;
    size_t count;
    weir_array *x;
} feed;

static size_t count_of(const weir_array *a)
{
    size_t n = 1;
    for (size_t i = 0; i < a->rank; i++)
        n *= a->dims[i];
    return n;
}

static void free_feed(feed *f)
{
    for (size_t i = 0; f->inputs && i < f->count; i++)
        free(f->inputs[i].data);
    free(f->inputs);
}

/* Numbers in [-1, 1), the same for every file. */
static void fill_uniform(float *x, size_t n)
{
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-23f - 1;
    }
}

static bool is_lengths(const weir_array *a)
{
    return a->rank == 1 && (a->element == WEIR_INT32 || a->element == WEIR_INT64);
}

/* Lengths: all steps. */
static void fill_lengths(const weir_array *x, weir_array *a)
{
    size_t steps = x->dims[a->dims[0] == x->dims[1] ? 0 : 1];
    for (size_t i = 0; i < a->dims[0]; i++)
        if (a->element == WEIR_INT32)
            ((int32_t *)a->data)[i] = (int32_t)steps;
        else
            ((int64_t *)a->data)[i] = (int64_t)steps;
}

/* False for inputs that are none of x (.., .., I), initial states and lengths, and for sizes too large for a check. */
static bool feed_input(weir_port port, size_t inputs, weir_array *a, bool *is_x)
{
    if (!port.ranked || port.rank > 3)
        return false;
    *a = (weir_array){.name = port.name, .element = port.element, .rank = port.rank};
    size_t n = 1;
    for (size_t i = 0; i < port.rank; i++) {
        a->dims[i] = port.dims[i] > 0 ? (size_t)port.dims[i] : FREE_SIZE;
        if (a->dims[i] > MOST_NUMBERS / n)
            return false;
        n *= a->dims[i];
    }
    *is_x = !port.optional && port.element == WEIR_FLOAT32 && port.rank == 3 && (port.dims[2] < 0 || (size_t)port.dims[2] == inputs);
    if (*is_x && port.dims[2] < 0) {
        n = n / FREE_SIZE * inputs;
        a->dims[2] = inputs;
    }
    if ((port.element != WEIR_FLOAT32 && !is_lengths(a)) || n > MOST_NUMBERS || !(a->data = calloc(n, weir_element_size(port.element))))
        return false;
    if (*is_x)
        fill_uniform(a->data, n);
    return true;
}

/* The first float input of a fitting shape is x; further ones are states, of zeros. */
static bool make_feed(const weir_graph *graph, size_t inputs, feed *f)
{
    size_t count = weir_graph_inputs(graph);
    f->inputs = calloc(count + 1, sizeof *f->inputs);
    for (size_t i = 0; f->inputs && i < count; i++) {
        weir_port port = weir_graph_input(graph, i);
        bool is_x;
        if (port.optional)
            continue;
        if (!feed_input(port, inputs, f->inputs + f->count, &is_x))
            return false;
        weir_array *a = f->inputs + f->count++;
        if (is_x && !f->x)
            f->x = a;
        else if (is_x)
            memset(a->data, 0, count_of(a) * sizeof(float));
    }
    for (size_t i = 0; f->x && i < f->count; i++)
        if (is_lengths(f->inputs + i))
            fill_lengths(f->x, f->inputs + i);
    return f->x != NULL;
}

/* to[j][i] = from[i][j] for rows of n numbers, or a plain copy. */
static void copy_turned(bool turned, size_t first, size_t second, size_t n, const float *from, float *to)
{
    for (size_t i = 0; i < first; i++)
        for (size_t j = 0; j < second; j++)
            memcpy(to + (turned ? j * first + i : i * second + j) * n, from + (i * second + j) * n, n * sizeof *to);
}

static double gap(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* What the model makes of x, beside an output of the graph, the axes of both in one of their two orders. */
typedef struct trial {
    size_t steps, rows;
    float *x, *y, *theirs; /* (T, B, I), the model's (T, B, O) or (B, O), the graph's in that order */
    size_t numbers;        /* of y */
    double gap;
} trial;

static void free_trial(trial *t)
{
    free(t->x);
    free(t->y);
    free(t->theirs);
}

static bool run_trial(const weir_model *model, const weir_array *x, bool x_turned, const weir_array *output, bool y_turned, trial *t)
{
    size_t I = x->dims[2], O = weir_model_outputs(model), n = count_of(x);
    bool final = weir_model_config(model)->readout == WEIR_FINAL_STATE;
    *t = (trial){.steps = x->dims[x_turned], .rows = x->dims[!x_turned], .gap = INFINITY};
    t->numbers = (final ? 1 : t->steps) * t->rows * O;
    bool whole = output->element == WEIR_FLOAT32 && count_of(output) == t->numbers && !(output->rank == 4 && output->dims[1] != 1);
    if (!whole || t->numbers > MOST_NUMBERS || (final && y_turned))
        return false;
    t->x = malloc(n * sizeof *t->x);
    t->y = malloc(t->numbers * sizeof *t->y);
    t->theirs = malloc(t->numbers * sizeof *t->theirs);
    if (!t->x || !t->y || !t->theirs)
        return false;
    copy_turned(x_turned, x->dims[0], x->dims[1], I, x->data, t->x);
    copy_turned(y_turned, y_turned ? t->rows : t->steps, y_turned ? t->steps : t->rows, final ? 0 : O, output->data, t->theirs);
    if (final)
        memcpy(t->theirs, output->data, t->numbers * sizeof *t->theirs);
    weir_batch batch = {.steps = t->steps, .rows = t->rows, .x = t->x};
    if (weir_model_run(model, &batch, t->y, NULL, NULL, NULL, NULL))
        return false;
    t->gap = gap(t->y, t->theirs, t->numbers);
    return true;
}

static json_t *array_json(size_t rank, const size_t dims[3], const float *data)
{
    json_t *shape = json_array(), *numbers = json_array();
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) {
        json_array_append_new(shape, json_integer((json_int_t)dims[i]));
        n *= dims[i];
    }
    for (size_t i = 0; i < n; i++)
        json_array_append_new(numbers, json_real((double)data[i]));
    return json_pack("{s:o, s:o}", "shape", shape, "data", numbers);
}

static json_t *check_json(const weir_model *model, const trial *t)
{
    size_t I = weir_model_config(model)->inputs, O = weir_model_outputs(model);
    bool final = weir_model_config(model)->readout == WEIR_FINAL_STATE;
    json_t *x = array_json(3, (size_t[3]){t->steps, t->rows, I}, t->x);
    json_t *y = array_json(final ? 2 : 3, final ? (size_t[3]){t->rows, O} : (size_t[3]){t->steps, t->rows, O}, t->theirs);
    return json_pack("{s:o, s:o}", "x", x, "y", y);
}

/* Keeps the closer of the two. */
static void keep_closer(trial *best, trial *t)
{
    if (t->gap < best->gap) {
        free_trial(best);
        *best = *t;
    } else
        free_trial(t);
}

static json_t *compare_outputs(const weir_graph *graph, const weir_model *model, const weir_array *x, const weir_array *outputs, double *difference)
{
    trial best = {.gap = INFINITY};
    for (size_t i = 0; i < weir_graph_outputs(graph); i++)
        for (int order = 0; order < 4; order++) {
            trial t;
            run_trial(model, x, order & 1, outputs + i, order & 2, &t);
            keep_closer(&best, &t);
        }
    *difference = best.gap;
    json_t *check = best.y ? check_json(model, &best) : NULL;
    free_trial(&best);
    return check;
}

json_t *check_of_onnx(const char *path, const weir_model *model, double *difference)
{
    weir_graph *graph;
    feed f = {0};
    json_t *check = NULL;
    if (weir_model_config(model)->tokens || weir_graph_load(&graph, path, WEIR_ISA_BEST, NULL, NULL))
        return NULL;
    weir_array *outputs = calloc(weir_graph_outputs(graph), sizeof *outputs);
    if (outputs && make_feed(graph, weir_model_config(model)->inputs, &f) && !weir_graph_run(graph, f.inputs, f.count, outputs, NULL, NULL)) {
        check = compare_outputs(graph, model, f.x, outputs, difference);
        weir_graph_release(graph, outputs);
    }
    free(outputs);
    free_feed(&f);
    weir_graph_free(graph);
    return check;
}
