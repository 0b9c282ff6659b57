/* weir info and weir activations
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct options {
    const char *model;
    bool json, memory;
    uint32_t rows, steps; /* 0: the default */
} options;

enum { KEY_JSON = 256, KEY_MEMORY, KEY_ROWS, KEY_STEPS };

static const struct argp_option option_list[] = {
    {"json", KEY_JSON, 0, 0, "Print JSON", 0},
    {"memory", KEY_MEMORY, 0, 0, "Print the bytes that the model takes to run and to train instead", 0},
    {"rows", KEY_ROWS, "B", 0, "Sequences side by side, for --memory (1 to run, 50 to train)", 0},
    {"steps", KEY_STEPS, "T", 0, "Steps of a sequence, for --memory (64)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_JSON: o->json = true; break;
    case KEY_MEMORY: o->memory = true; break;
    case KEY_ROWS: o->rows = option_count(state, "rows", arg, 1, 1 << 20); break;
    case KEY_STEPS: o->steps = option_count(state, "steps", arg, 1, 1 << 30); break;
    case ARGP_KEY_END:
        if ((o->rows || o->steps) && !o->memory)
            argp_error(state, "--rows and --steps go with --memory");
        break;
    case ARGP_KEY_ARG:
        if (o->model)
            argp_error(state, "one model is enough");
        o->model = arg;
        break;
    case ARGP_KEY_NO_ARGS: argp_error(state, "name the model"); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int print_json(json_t *object)
{
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
    return finish_output();
}

/* ---- weir info ---- */

static const char *activation_text(const weir_activation *a, char *text, size_t size)
{
    const weir_activation_info *info = weir_activation_get(a->id);
    if (info->alpha == 0)
        snprintf(text, size, "%s", info->name);
    else if (info->beta == 0)
        snprintf(text, size, "%s(%g)", info->name, (double)a->alpha);
    else
        snprintf(text, size, "%s(%g, %g)", info->name, (double)a->alpha, (double)a->beta);
    return text;
}

/* The settings as pairs of texts: one list for the table and for JSON. */
static json_t *settings(const weir_config *c, size_t parameters)
{
    char text[128];
    json_t *s = json_object();
#define SET(key, ...) (snprintf(text, sizeof text, __VA_ARGS__), json_object_set_new(s, key, json_string(text)))
    if (c->tokens)
        SET("input", "tokens, %u different", (unsigned)c->tokens);
    else
        SET("input", "%u numbers a step", (unsigned)c->inputs);
    SET("layers", "%u", (unsigned)c->layers);
    SET("hidden", "%u", (unsigned)c->hidden);
    if (c->projection)
        SET("projection", "%u", (unsigned)c->projection);
    SET("direction", "%s", direction_names[c->direction]);
    SET("peepholes", "%s", c->no_peepholes ? "no" : "yes");
    if (c->no_forget_gate || c->coupled)
        SET("forget gate", "%s", c->coupled ? "coupled, f = 1 - i" : "none, f = 1");
    char name[64];
    SET("gates", "%s", activation_text(&c->gate, name, sizeof name));
    SET("candidate", "%s", activation_text(&c->candidate, name, sizeof name));
    SET("cell output", "%s", activation_text(&c->output_activation, name, sizeof name));
    if (c->activation_clip > 0)
        SET("activation clip", "%g", (double)c->activation_clip);
    if (c->cell_clip > 0)
        SET("cell clip", "%g", (double)c->cell_clip);
    for (uint32_t i = 0; i < c->dense_layers; i++) {
        char key[32];
        snprintf(key, sizeof key, "dense %u", (unsigned)i);
        SET(key, "%u, %s", (unsigned)c->dense[i].units, activation_text(&c->dense[i].activation, name, sizeof name));
    }
    if (c->outputs)
        SET("output", "%u, %s, %s", (unsigned)c->outputs, output_names[c->output],
            c->readout == WEIR_FINAL_STATE ? "once per sequence" : "every step");
    SET("initialisation", "%s, seed %llu, gate biases %g %g %g %g", init_names[c->init], (unsigned long long)c->seed,
        (double)c->gate_bias[0], (double)c->gate_bias[1], (double)c->gate_bias[2], (double)c->gate_bias[3]);
    static const char *const forms[] = {"float32", "bfloat16", "8 bits (weight_ih and weight_hh)"};
    SET("weights", "%s", forms[c->weights]);
    SET("instruction set", "%s", weir_isa_name(c->isa));
    SET("parameters", "%zu", parameters);
#undef SET
    return s;
}

static json_t *tensors_json(const weir_model *model)
{
    json_t *all = json_array();
    for (size_t i = 0; i < weir_model_tensor_count(model); i++) {
        weir_tensor t = weir_model_tensor(model, i);
        json_t *shape = json_array();
        if (t.rows)
            json_array_append_new(shape, json_integer((json_int_t)t.rows));
        json_array_append_new(shape, json_integer((json_int_t)t.cols));
        json_array_append_new(all, json_pack("{s:s, s:o}", "name", t.name, "shape", shape));
    }
    return all;
}

static int print_tensors(const weir_model *model)
{
    float *data = malloc(weir_model_parameters(model) * sizeof *data);
    if (!data)
        return complain("there is no memory left");
    printf("\n%-32s %16s %10s %10s %10s\n", "tensor", "shape", "size", "mean", "deviation");
    for (size_t i = 0; i < weir_model_tensor_count(model); i++) {
        weir_tensor t = weir_model_tensor(model, i);
        weir_model_weights(model, i, data);
        size_t n = (t.rows ? t.rows : 1) * t.cols;
        double sum = 0, squares = 0;
        for (size_t j = 0; j < n; j++) {
            sum += (double)data[j];
            squares += (double)data[j] * (double)data[j];
        }
        double mean = sum / (double)n;
        char shape[48];
        if (t.rows)
            snprintf(shape, sizeof shape, "%zu x %zu", t.rows, t.cols);
        else
            snprintf(shape, sizeof shape, "%zu", t.cols);
        printf("%-32s %16s %10zu %10.4f %10.4f\n", t.name, shape, n, mean, sqrt(fmax(0, squares / (double)n - mean * mean)));
    }
    free(data);
    return 0;
}

/* A table of names and values; what is nested is indented, what is long is cut. */
static void print_pairs(json_t *object, int indent)
{
    enum { LONGEST = 100 };
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (json_is_object(value)) {
            printf("%*s%s\n", indent, "", key);
            print_pairs(value, indent + 2);
            continue;
        }
        if (json_is_object(json_array_get(value, 0))) {
            for (size_t i = 0; i < json_array_size(value); i++) {
                printf("%*s%s %zu\n", indent, "", key, i + 1);
                print_pairs(json_array_get(value, i), indent + 2);
            }
            continue;
        }
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        const char *shown = json_is_string(value) ? json_string_value(value) : text ? text : "";
        printf("%*s%-*s %.*s%s\n", indent, "", 16 - indent, key, LONGEST, shown, strlen(shown) > LONGEST ? "..." : "");
        free(text);
    }
}

/* ---- weir info --memory ---- */

static json_t *bytes_json(size_t bytes)
{
    return bytes ? json_integer((json_int_t)bytes) : json_null();
}

static json_t *training_json(const weir_model *model, uint32_t rows, uint32_t steps)
{
    weir_train_config config = {.rows = rows, .steps = steps};
    weir_memory m;
    weir_error err;
    if (weir_trainer_plan(&m, model, &config, &err))
        return json_pack("{s:s}", "refused", err.text);
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rows", (json_int_t)rows, "steps", (json_int_t)steps, "weights",
                     bytes_json(m.weights), "packed", bytes_json(m.packed), "tape", bytes_json(m.tape), "backward",
                     bytes_json(m.backward), "head", bytes_json(m.head), "rest", bytes_json(m.rest), "total", bytes_json(m.total),
                     "model", bytes_json(m.model));
}

static json_t *memory_json(const weir_model *model, const options *o)
{
    uint32_t rows = o->rows ? o->rows : 1, steps = o->steps ? o->steps : 64;
    size_t weights, total = weir_model_memory(model, &weights);
    return json_pack("{s:{s:o, s:o, s:o}, s:{s:I, s:I, s:o, s:o}, s:o}", "model", "weights", bytes_json(weights), "rest",
                     bytes_json(total - weights), "total", bytes_json(total), "running", "rows", (json_int_t)rows, "steps",
                     (json_int_t)steps, "stream", bytes_json(weir_stream_size(model, rows)), "run",
                     bytes_json(weir_run_memory(model, steps, rows)), "training", training_json(model, o->rows ? o->rows : 50, steps));
}

static void print_bytes(json_t *of, const char *key, const char *label)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    json_t *bytes = json_object_get(of, key);
    double shown = (double)json_integer_value(bytes);
    int unit = 0;
    for (; shown >= 1024; shown /= 1024)
        unit++;
    if (!json_is_integer(bytes))
        printf("  %-58s %15s\n", label, "impossible");
    else if (unit)
        printf("  %-58s %15lld %8.1f %s\n", label, (long long)json_integer_value(bytes), shown, units[unit]);
    else
        printf("  %-58s %15lld\n", label, (long long)json_integer_value(bytes));
}

static void print_size(const char *what, json_t *of)
{
    int rows = (int)json_integer_value(json_object_get(of, "rows"));
    printf("%s, %d row%s, %d steps, bytes\n", what, rows, rows > 1 ? "s" : "", (int)json_integer_value(json_object_get(of, "steps")));
}

static void print_memory(json_t *memory)
{
    json_t *model = json_object_get(memory, "model"), *run = json_object_get(memory, "running"),
           *train = json_object_get(memory, "training");
    printf("the model, bytes\n");
    print_bytes(model, "weights", "weights, packed");
    print_bytes(model, "rest", "names, notes, objects");
    print_bytes(model, "total", "total");
    print_size("\nbeside it to run", run);
    print_bytes(run, "stream", "a stream, in the caller's memory: one step a call");
    print_bytes(run, "run", "a run of all steps, while it lasts");
    const char *refused = json_string_value(json_object_get(train, "refused"));
    if (refused) {
        printf("\nto train: impossible: %s\n", refused);
        return;
    }
    print_size("\nbeside it to train", train);
    print_bytes(train, "weights", "weights, gradient, two moments, best epoch");
    print_bytes(train, "packed", "packed: weights, transposed, gradient");
    print_bytes(train, "tape", "tape: inputs, h, c and gates of each step");
    print_bytes(train, "backward", "backward: gradients of the stack");
    print_bytes(train, "head", "head, forward and backward");
    print_bytes(train, "rest", "names, notes, objects");
    print_bytes(train, "total", "total");
    print_bytes(train, "model", "more, while a model is made of it");
}

static int show_memory(const weir_model *model, const options *o)
{
    json_t *memory = memory_json(model, o);
    if (o->json)
        return print_json(memory);
    print_memory(memory);
    json_decref(memory);
    return finish_output();
}

static int show_model(const weir_model *model, json_t *notes, const options *o)
{
    json_t *s = settings(weir_model_config(model), weir_model_parameters(model));
    int status;
    if (o->json)
        status = print_json(json_pack("{s:O, s:O?, s:o, s:I}", "settings", s, "notes", notes, "tensors", tensors_json(model), "parameters",
                                      (json_int_t)weir_model_parameters(model)));
    else {
        print_pairs(s, 0);
        if (notes) {
            printf("\n");
            print_pairs(notes, 0);
        }
        status = print_tensors(model);
        if (!status)
            status = finish_output();
    }
    json_decref(s);
    return status;
}

/* ---- Checkpoints ---- */

static json_t *progress_json(const weir_progress *p)
{
    json_t *json = json_pack("{s:I, s:I, s:I, s:I}", "epoch", (json_int_t)p->epoch, "epochs", (json_int_t)p->epochs, "batch",
                             (json_int_t)p->batch, "batches", (json_int_t)p->batches);
    if (isfinite(p->train_loss))
        json_object_set_new(json, "train_loss", json_real(p->train_loss));
    if (isfinite(p->valid_loss))
        json_object_set_new(json, "valid_loss", json_real(p->valid_loss));
    return json;
}

static json_t *training_so_far(const weir_checkpoint_info *c)
{
    const weir_train_config *t = c->train;
    json_t *json = json_pack("{s:I, s:s, s:s, s:f, s:I, s:I, s:I}", "updates", (json_int_t)c->updates, "optimizer",
                             optimizer_names[t->optimizer], "schedule", schedule_names[t->schedule], "rate", (double)t->rate, "rows",
                             (json_int_t)t->rows, "steps", (json_int_t)t->steps, "seed", (json_int_t)t->seed);
    if (c->fitting)
        json_object_set_new(json, "now", progress_json(&c->now));
    if (c->best.epoch)
        json_object_set_new(json, "best", progress_json(&c->best));
    return json;
}

static int show_checkpoint(const weir_checkpoint *checkpoint, const options *o)
{
    weir_checkpoint_info c;
    weir_checkpoint_get(checkpoint, &c);
    if (o->memory)
        return complain("%s is a checkpoint; --memory is for models", o->model);
    json_t *notes = json_loads(c.notes, 0, NULL), *network = settings(c.model, c.parameters);
    json_object_set_new(network, "instruction set", json_string(c.doubles ? "ref64" : "any but ref64"));
    json_t *all = json_pack("{s:o, s:o, s:o?}", "checkpoint", training_so_far(&c), "settings", network, "notes", notes);
    if (o->json)
        return print_json(all);
    json_object_del(notes, "progress"); /* of every epoch */
    print_pairs(all, 0);
    json_decref(all);
    return finish_output();
}

/* True if the file is a checkpoint, sound or broken, which then was shown. */
static bool try_checkpoint(const options *o, int *status)
{
    weir_checkpoint *checkpoint;
    weir_error err;
    weir_status loaded = weir_checkpoint_load(&checkpoint, o->model, NULL, &err);
    if (loaded && loaded != WEIR_E_FORMAT && loaded != WEIR_E_NONFINITE)
        return false;
    *status = loaded ? complain("%s", err.text) : show_checkpoint(checkpoint, o);
    weir_checkpoint_free(checkpoint);
    return true;
}

int cmd_info(int argc, char **argv)
{
    static const struct argp argp = {
        option_list, parse, "MODEL", "Shows a model's settings, notes and tensors, or the memory that it takes; or where a training stands "
                                     "by its checkpoint.", 0, 0, 0};
    options o = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    int checkpoint;
    if (try_checkpoint(&o, &checkpoint))
        return checkpoint;
    weir_model *model;
    json_t *notes;
    if (load_model(o.model, WEIR_ISA_BEST, NULL, &model, &notes))
        return FAILED;
    int status = o.memory ? show_memory(model, &o) : show_model(model, notes, &o);
    json_decref(notes);
    weir_model_free(model);
    return status;
}

/* ---- weir activations ---- */

static error_t parse_activations(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    (void)arg;
    switch (key) {
    case KEY_JSON: o->json = true; break;
    case ARGP_KEY_ARG: argp_error(state, "nothing more is needed"); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int cmd_activations(int argc, char **argv)
{
    static const struct argp_option only_json[] = {{"json", KEY_JSON, 0, 0, "Print JSON", 0}, {0}};
    static const struct argp argp = {only_json, parse_activations, "",
                                     "Lists the activation functions: formula, derivative, what each is good and bad for.", 0, 0, 0};
    options o = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    json_t *all = json_array();
    for (size_t i = 1; i <= weir_activation_count(); i++) {
        const weir_activation_info *a = weir_activation_get((weir_activation_id)i);
        json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:f, s:f, s:f, s:f, s:s, s:s, s:s, s:s, s:s, s:s}", "name", a->name, "onnx",
                                             a->onnx, "block", (int)a->block, "alpha", (double)a->alpha, "beta", (double)a->beta, "error",
                                             (double)a->error, "grad_error", (double)a->grad_error, "formula", a->formula, "derivative",
                                             a->derivative, "pros", a->pros, "cons", a->cons, "use", a->use, "source", a->source));
        if (o.json)
            continue;
        printf("%s%s\n", i > 1 ? "\n" : "", a->name);
        printf("  formula     %s\n  derivative  %s\n", a->formula, a->derivative);
        if (a->alpha != 0)
            printf("  alpha       %g\n", (double)a->alpha);
        if (a->beta != 0)
            printf("  beta        %g\n", (double)a->beta);
        printf("  fast form   within %.2f units in the last place, derivative %.2f\n", (double)a->error, (double)a->grad_error);
        if (*a->pros)
            printf("  good        %s\n", a->pros);
        if (*a->cons)
            printf("  bad         %s\n", a->cons);
        printf("  use         %s\n", a->use);
        if (*a->source)
            printf("  source      %s\n", a->source);
    }
    if (o.json)
        return print_json(all);
    json_decref(all);
    return finish_output();
}
