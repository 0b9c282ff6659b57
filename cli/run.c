/* weir run: any model or ONNX file on arrays of NumPy.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "data/npy.h"

enum { MOST = 64 };

/* NAME=FILE */
typedef struct named {
    const char *name, *path;
} named;

typedef struct options {
    const char *model;
    named inputs[MOST], outputs[MOST];
    size_t input_count, output_count;
    unsigned threads;
    weir_isa isa;
} options;

enum { KEY_THREADS = 256, KEY_ISA };

static const struct argp_option option_list[] = {
    {"input", 'i', "NAME=FILE", 0, "Array for this input, a .npy file; once for each input", 0},
    {"output", 'o', "NAME=FILE", 0, "Write this output to a .npy file; once for each that is wanted", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set", 0},
    {0},
};

static void add_named(const struct argp_state *state, const char *option, char *arg, named *list, size_t *count)
{
    char *equals = strchr(arg, '=');
    if (!equals || equals == arg || !equals[1])
        argp_error(state, "--%s takes NAME=FILE, not \"%s\"", option, arg);
    if (*count == MOST)
        argp_error(state, "--%s can be given at most %d times", option, MOST);
    *equals = 0;
    for (size_t i = 0; i < *count; i++)
        if (strcmp(list[i].name, arg) == 0)
            argp_error(state, "--%s names %s twice", option, arg);
    list[(*count)++] = (named){arg, equals + 1};
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'i': add_named(state, "input", arg, o->inputs, &o->input_count); break;
    case 'o': add_named(state, "output", arg, o->outputs, &o->output_count); break;
    case KEY_THREADS: o->threads = option_count(state, "threads", arg, 1, 1024); break;
    case KEY_ISA: o->isa = option_isa(state, arg); break;
    case ARGP_KEY_ARG:
        if (o->model)
            argp_error(state, "one model is enough");
        o->model = arg;
        break;
    case ARGP_KEY_END:
        if (!o->model)
            argp_error(state, "name the model");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- Arrays in and out ---- */

static int read_inputs(const options *o, weir_array *inputs)
{
    weir_error err;
    for (size_t i = 0; i < o->input_count; i++) {
        inputs[i].name = o->inputs[i].name;
        if (npy_read(o->inputs[i].path, &inputs[i], &err))
            return complain("%s", err.text);
    }
    return DONE;
}

static void free_inputs(const options *o, weir_array *inputs)
{
    for (size_t i = 0; i < o->input_count; i++)
        free(inputs[i].data);
}

static int check_outputs(const options *o)
{
    for (size_t i = 0; i < o->output_count; i++) {
        const char *path = o->outputs[i].path;
        for (size_t k = 0; k < o->input_count; k++)
            if (same_file(path, o->inputs[k].path))
                return complain("%s is an input; it is not overwritten", path);
        if (same_file(path, o->model))
            return complain("%s is the model; it is not overwritten", path);
        for (size_t k = 0; k < i; k++)
            if (strcmp(path, o->outputs[k].path) == 0)
                return complain("%s is named for two outputs", path);
        if (check_output(path))
            return FAILED;
    }
    return DONE;
}

static size_t count_numbers(const weir_array *a)
{
    size_t count = 1;
    for (size_t i = 0; i < a->rank; i++)
        count *= a->dims[i];
    return count;
}

static double number_at(const weir_array *a, size_t i)
{
    switch (a->element) {
    case WEIR_FLOAT32: return (double)((const float *)a->data)[i];
    case WEIR_INT32: return ((const int32_t *)a->data)[i];
    case WEIR_INT64: return (double)((const int64_t *)a->data)[i];
    default: return ((const unsigned char *)a->data)[i];
    }
}

/* name, type, shape, and the least, mean and largest number */
static void summarise(const weir_array *a)
{
    size_t count = count_numbers(a);
    double least = INFINITY, most = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) {
        double x = number_at(a, i);
        least = x < least ? x : least;
        most = x > most ? x : most;
        sum += x;
    }
    printf("%s  %s (", a->name, weir_element_name(a->element));
    for (size_t i = 0; i < a->rank; i++)
        printf(i ? ", %zu" : "%zu", a->dims[i]);
    if (count)
        printf(")  least %.6g, mean %.6g, largest %.6g\n", least, sum / (double)count, most);
    else
        printf(")  empty\n");
}

/* Writes the outputs that were asked for, or describes all. */
static int give_outputs(const options *o, const weir_array *outputs, size_t count)
{
    for (size_t i = 0; i < o->output_count; i++) {
        size_t k = 0;
        while (strcmp(outputs[k].name, o->outputs[i].name) != 0)
            k++;
        if (write_file(o->outputs[i].path, npy_write, &outputs[k]))
            return FAILED;
    }
    for (size_t k = 0; !o->output_count && k < count; k++)
        summarise(&outputs[k]);
    return finish_output();
}

static int find_outputs(const options *o, const char *const *names, size_t count)
{
    for (size_t i = 0; i < o->output_count; i++) {
        size_t k = 0;
        while (k < count && strcmp(names[k], o->outputs[i].name) != 0)
            k++;
        if (k == count)
            return complain("%s has no output %s; its first is %s", o->model, o->outputs[i].name, count ? names[0] : "missing");
    }
    return DONE;
}

/* ---- ONNX graphs ---- */

static int run_loaded(const options *o, const weir_graph *graph, const weir_array *inputs, weir_array *outputs, const char **names,
                      const weir_parallel *parallel)
{
    size_t count = weir_graph_outputs(graph);
    weir_error err;
    for (size_t k = 0; k < count; k++)
        names[k] = weir_graph_output(graph, k).name;
    if (find_outputs(o, names, count))
        return FAILED;
    if (weir_graph_run(graph, inputs, o->input_count, outputs, parallel, &err))
        return complain("%s", err.text);
    int status = give_outputs(o, outputs, count);
    weir_graph_release(graph, outputs);
    return status;
}

static int run_graph(const options *o, const weir_array *inputs, const weir_parallel *parallel)
{
    weir_graph *graph;
    weir_error err;
    if (weir_graph_load(&graph, o->model, o->isa, NULL, &err)) {
        if (err.offset)
            return complain("%s (byte %zu)", err.text, err.offset);
        return complain("%s", err.text);
    }
    size_t count = weir_graph_outputs(graph);
    weir_array *outputs = calloc(count, sizeof *outputs);
    const char **names = calloc(count, sizeof *names);
    int status = outputs && names ? run_loaded(o, graph, inputs, outputs, names, parallel) : complain("there is no memory left");
    free(names);
    free(outputs);
    weir_graph_free(graph);
    return status;
}

/* ---- Models of Weir ---- */

/* What a plain model takes; dims: its shape, 0 where any is right. */
typedef struct place {
    const char *name;
    size_t rank, dims[3];
    bool whole; /* of whole numbers */
    const weir_array *given;
} place;

static int check_place(const place *p)
{
    const weir_array *a = p->given;
    bool fits = a->rank == p->rank && (p->whole ? a->element == WEIR_INT32 || a->element == WEIR_INT64 : a->element == WEIR_FLOAT32);
    for (size_t i = 0; fits && i < p->rank; i++)
        fits = !p->dims[i] || a->dims[i] == p->dims[i];
    if (fits)
        return DONE;
    char shape[80] = "";
    for (size_t i = 0; i < p->rank; i++) {
        size_t n = strlen(shape);
        if (p->dims[i])
            snprintf(shape + n, sizeof shape - n, i ? ", %zu" : "%zu", p->dims[i]);
        else
            snprintf(shape + n, sizeof shape - n, i ? ", any" : "any");
    }
    return complain("input %s must be of %s numbers and of shape (%s)", p->name, p->whole ? "whole" : "real", shape);
}

static int find_places(const options *o, const weir_array *inputs, place *places, size_t count)
{
    for (size_t i = 0; i < o->input_count; i++) {
        size_t k = 0;
        while (k < count && strcmp(places[k].name, inputs[i].name) != 0)
            k++;
        if (k == count)
            return complain("%s has no input %s; a model takes %s, and if wanted h0, c0 and lengths", o->model, inputs[i].name, places[0].name);
        places[k].given = &inputs[i];
    }
    return DONE;
}

/* Whole numbers as a model takes them: out of range becomes the largest. NULL without memory. */
static uint32_t *whole_numbers(const weir_array *a)
{
    size_t count = count_numbers(a);
    uint32_t *list = malloc(count * sizeof *list + 1);
    for (size_t i = 0; list && i < count; i++) {
        double x = number_at(a, i);
        list[i] = x >= 0 && x < UINT32_MAX ? (uint32_t)x : UINT32_MAX;
    }
    return list;
}

typedef struct model_run {
    const weir_model *model;
    weir_batch batch;
    uint32_t *tokens, *lengths;
    weir_array outputs[3];
} model_run;

static bool shape_output(weir_array *a, const char *name, size_t rank, size_t d0, size_t d1, size_t d2)
{
    *a = (weir_array){.name = name, .element = WEIR_FLOAT32, .rank = rank, .dims = {d0, d1, d2}};
    a->data = calloc(count_numbers(a) + 1, sizeof(float));
    return a->data != NULL;
}

static int prepare_model(const options *o, const weir_array *inputs, model_run *m)
{
    const weir_config *c = weir_model_config(m->model);
    size_t lanes = c->layers * (c->direction == WEIR_BOTH ? 2u : 1u), P = c->projection ? c->projection : c->hidden, O = weir_model_outputs(m->model);
    place p[] = {{c->tokens ? "tokens" : "x", c->tokens ? 2 : 3, {0, 0, c->inputs}, c->tokens != 0, NULL},
                 {"h0", 3, {lanes, 0, P}, false, NULL},
                 {"c0", 3, {lanes, 0, c->hidden}, false, NULL},
                 {"lengths", 1, {0}, true, NULL}};
    size_t count = sizeof p / sizeof *p;
    if (find_places(o, inputs, p, count))
        return FAILED;
    if (!p[0].given)
        return complain("give the model its input: --input %s=FILE.npy", p[0].name);
    if (check_place(&p[0]))
        return FAILED;
    size_t T = p[0].given->dims[0], B = p[0].given->dims[1];
    p[1].dims[1] = p[2].dims[1] = p[3].dims[0] = B;
    for (size_t k = 1; k < count; k++)
        if (p[k].given && check_place(&p[k]))
            return FAILED;
    m->batch = (weir_batch){.steps = T, .rows = B, .x = c->tokens ? NULL : p[0].given->data, .h0 = p[1].given ? p[1].given->data : NULL,
                            .c0 = p[2].given ? p[2].given->data : NULL};
    m->batch.tokens = m->tokens = c->tokens ? whole_numbers(p[0].given) : NULL;
    m->batch.lengths = m->lengths = p[3].given ? whole_numbers(p[3].given) : NULL;
    bool final = c->readout == WEIR_FINAL_STATE;
    bool room = shape_output(&m->outputs[0], "y", final ? 2 : 3, final ? B : T, final ? O : B, O) &&
                shape_output(&m->outputs[1], "hn", 3, lanes, B, P) && shape_output(&m->outputs[2], "cn", 3, lanes, B, c->hidden);
    if (!room || (c->tokens && !m->tokens) || (p[3].given && !m->lengths))
        return complain("there is no memory left");
    return DONE;
}

static int run_prepared(const options *o, const weir_array *inputs, model_run *m, const weir_parallel *parallel)
{
    static const char *const names[] = {"y", "hn", "cn"};
    weir_error err;
    if (find_outputs(o, names, 3) || prepare_model(o, inputs, m))
        return FAILED;
    if (weir_model_run(m->model, &m->batch, m->outputs[0].data, m->outputs[1].data, m->outputs[2].data, parallel, &err))
        return complain("%s", err.text);
    return give_outputs(o, m->outputs, 3);
}

static int run_model(const options *o, const weir_array *inputs, const weir_parallel *parallel)
{
    weir_model *model;
    json_t *notes;
    if (load_model(o->model, o->isa, NULL, &model, &notes))
        return FAILED;
    model_run m = {.model = model};
    int status = run_prepared(o, inputs, &m, parallel);
    for (size_t k = 0; k < 3; k++)
        free(m.outputs[k].data);
    free(m.tokens);
    free(m.lengths);
    json_decref(notes);
    weir_model_free(model);
    return status;
}

/* ---- The command ---- */

/* Model files have 8 bytes and then the JSON of their header; what looks otherwise is taken for ONNX. */
static bool is_model_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char head[9];
    bool other = f && fread(head, 1, sizeof head, f) == sizeof head && head[8] != '{';
    if (f)
        fclose(f);
    return !other;
}

int cmd_run(int argc, char **argv)
{
    static const struct argp argp = {
        option_list,
        parse,
        "MODEL",
        "Runs a model or an ONNX file on arrays of NumPy and writes its outputs, or describes them.\v"
        "A model takes x (T, B, I) or tokens (T, B), and if wanted h0 (L*D, B, P), c0 (L*D, B, H) and lengths (B); it gives "
        "y (T, B, O), hn and cn. An ONNX file has its own names.",
        NULL,
        NULL,
        NULL};
    options o = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    weir_array inputs[MOST] = {{0}};
    int status = check_outputs(&o);
    if (!status)
        status = read_inputs(&o, inputs);
    if (!status) {
        threads t = threads_start(o.threads, false);
        const weir_parallel *parallel = t.pool ? &t.parallel : NULL;
        status = is_model_file(o.model) ? run_model(&o, inputs, parallel) : run_graph(&o, inputs, parallel);
        threads_stop(&t);
    }
    free_inputs(&o, inputs);
    return status;
}
