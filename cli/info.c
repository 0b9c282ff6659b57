/* weir info and weir activations
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct options {
    const char *model;
    bool json;
} options;

enum { KEY_JSON = 256 };

static const struct argp_option option_list[] = {
    {"json", KEY_JSON, 0, 0, "Print JSON", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_JSON: o->json = true; break;
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
static json_t *settings(const weir_model *model)
{
    const weir_config *c = weir_model_config(model);
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
    SET("parameters", "%zu", weir_model_parameters(model));
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

int cmd_info(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "MODEL", "Shows a model's settings, notes and tensors.", 0, 0, 0};
    options o = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    weir_model *model;
    json_t *notes;
    if (load_model(o.model, WEIR_ISA_BEST, NULL, &model, &notes))
        return FAILED;
    int status;
    json_t *s = settings(model);
    if (o.json)
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
    static const struct argp argp = {option_list, parse_activations, "",
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
