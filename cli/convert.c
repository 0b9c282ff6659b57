/* weir convert
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "cli.h"
#include "data/fail.h"
#include "data/labels.h"
#include "data/series.h"
#include "data/text.h"

typedef struct options {
    const char *in, *out, *data;
    int weights; /* weir_weights, or -1 */
    double from;
    bool set_from, json;
    unsigned threads;
    weir_layout layout;      /* without name: none */
    weir_config config;      /* what the weights of a layout do not tell */
    const char *of_import;   /* an option that only reading a layout has a use for, or NULL */
    weir_onnx_options onnx;
    bool verify;
    double tolerance;
} options;

enum {
    KEY_WEIGHTS = 256,
    KEY_DATA,
    KEY_FROM,
    KEY_JSON,
    KEY_THREADS,
    KEY_LAYOUT,
    KEY_PREFIX,
    KEY_FORGET_BIAS,
    KEY_DIRECTION,
    KEY_GATE,
    KEY_CANDIDATE,
    KEY_OUTPUT_ACTIVATION,
    KEY_ACTIVATION_CLIP,
    KEY_CELL_CLIP,
    KEY_TOKENS,
    KEY_OUTPUT,
    KEY_READOUT,
    KEY_UNROLL,
    KEY_VERIFY,
    KEY_TOLERANCE
};

static const char *const form_names[] = {"f32", "bf16", "int8", NULL};
static const char *const readout_names[] = {"every_step", "final_state", NULL};

static const struct argp_option option_list[] = {
    {"weights", KEY_WEIGHTS, "FORM", 0, "f32, bf16 or int8", 0},
    {"data", KEY_DATA, "FILE", 0, "Measure both models on these data, as weir eval does", 0},
    {"from", KEY_FROM, "SHARE", 0, "Leave out this share of the data, from its start (text and labels: 0; series: what training saw)", 0},
    {"verify", KEY_VERIFY, 0, 0, "Run the check that the model carries, and print the largest difference", 0},
    {"tolerance", KEY_TOLERANCE, "NUMBER", 0, "A larger difference is a failure (1e-5)", 0},
    {"unroll", KEY_UNROLL, "STEPS", 0, "OUT.onnx: basic operators for so many steps, which can express every model", 0},
    {"json", KEY_JSON, 0, 0, "Print JSON", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads", 0},
    {0, 0, 0, 0, "Weights of other frameworks, in safetensors:", 1},
    {"layout", KEY_LAYOUT, "NAME", 0, "Read IN or, if OUT ends in .safetensors, write OUT in this layout: pytorch, keras, tf1, tf-block, ...", 1},
    {"forget-bias", KEY_FORGET_BIAS, "NUMBER", 0, "What the framework adds to the forget gate's bias (tf1, tf-block: 1; else 0)", 1},
    {0, 0, 0, 0, "What the weights read do not tell:", 2},
    {"prefix", KEY_PREFIX, "TEXT", 0, "Leave out arrays whose names begin otherwise (several: lstm.,fc.)", 2},
    {"direction", KEY_DIRECTION, "NAME", 0, "reverse: the one direction runs backwards", 2},
    {"gate", KEY_GATE, "NAME", 0, "Activation of the gates (sigmoid)", 2},
    {"candidate", KEY_CANDIDATE, "NAME", 0, "Activation of the candidate (tanh)", 2},
    {"output-activation", KEY_OUTPUT_ACTIVATION, "NAME", 0, "Activation of the cell's output (tanh)", 2},
    {"activation-clip", KEY_ACTIVATION_CLIP, "NUMBER", 0, "Hold the arguments of these within +-NUMBER", 2},
    {"cell-clip", KEY_CELL_CLIP, "NUMBER", 0, "Hold the cell within +-NUMBER", 2},
    {"tokens", KEY_TOKENS, "N", 0, "The N inputs are tokens, one-hot", 2},
    {"output", KEY_OUTPUT, "NAME", 0, "What the head's output means: linear, softmax, logistic, gaussian, student_t, negative_binomial", 2},
    {"readout", KEY_READOUT, "NAME", 0, "What the head reads: every_step, final_state", 2},
    {0},
};

/* The name of a layout. */
static const char *option_layout(const struct argp_state *state, const char *arg)
{
    const char *names[32] = {NULL};
    for (size_t i = 0; i < 31 && weir_layout_name(i); i++)
        names[i] = weir_layout_name(i);
    return names[option_name(state, "layout", arg, names)];
}

/* Options of what weights do not tell; false: `key` is none of them. */
static bool parse_setting(int key, const char *arg, struct argp_state *state)
{
    options *o = state->input;
    weir_config *c = &o->config;
    switch (key) {
    case KEY_PREFIX: o->layout.prefix = arg; break;
    case KEY_DIRECTION: c->direction = (weir_direction)option_name(state, "direction", arg, direction_names); break;
    case KEY_GATE: c->gate = option_activation(state, "gate", arg); break;
    case KEY_CANDIDATE: c->candidate = option_activation(state, "candidate", arg); break;
    case KEY_OUTPUT_ACTIVATION: c->output_activation = option_activation(state, "output-activation", arg); break;
    case KEY_ACTIVATION_CLIP: c->activation_clip = (float)option_number(state, "activation-clip", arg, 1e-30, 1e30); break;
    case KEY_CELL_CLIP: c->cell_clip = (float)option_number(state, "cell-clip", arg, 1e-30, 1e30); break;
    case KEY_TOKENS: c->tokens = option_count(state, "tokens", arg, 1, WEIR_MAX_TOKENS); break;
    case KEY_OUTPUT: c->output = (weir_output)option_name(state, "output", arg, output_names); break;
    case KEY_READOUT: c->readout = (weir_readout)option_name(state, "readout", arg, readout_names); break;
    default: return false;
    }
    for (const struct argp_option *option = option_list; option->name || option->doc; option++)
        if (option->key == key)
            o->of_import = option->name;
    return true;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

/* Is the layout that of the file to write? */
static bool writes_layout(const options *o)
{
    return o->layout.name && o->out && ends_in(o->out, ".safetensors");
}

static bool writes_onnx(const options *o)
{
    return o->out && ends_in(o->out, ".onnx");
}

static bool reads_layout(const options *o)
{
    return o->layout.name && !writes_layout(o);
}

static void check_usage(const options *o, const struct argp_state *state)
{
    if (!o->in || (!o->out && !o->verify))
        argp_error(state, "name the model and the file to write");
    if (o->of_import && !reads_layout(o))
        argp_error(state, "--%s goes with reading a --layout", o->of_import);
    if (o->onnx.unroll && !writes_onnx(o))
        argp_error(state, "--unroll goes with an OUT that ends in .onnx");
    if (o->layout.set_forget_bias && !o->layout.name)
        argp_error(state, "--forget-bias goes with --layout");
    if (o->data && !o->out)
        argp_error(state, "--data measures what is written; name the file to write");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_WEIGHTS: o->weights = option_name(state, "weights", arg, form_names); break;
    case KEY_DATA: o->data = arg; break;
    case KEY_FROM:
        o->from = option_number(state, "from", arg, 0, 0.9999);
        o->set_from = true;
        break;
    case KEY_JSON: o->json = true; break;
    case KEY_THREADS: o->threads = option_count(state, "threads", arg, 1, 1024); break;
    case KEY_LAYOUT: o->layout.name = option_layout(state, arg); break;
    case KEY_FORGET_BIAS:
        o->layout.forget_bias = (float)option_number(state, "forget-bias", arg, -1e30, 1e30);
        o->layout.set_forget_bias = true;
        break;
    case KEY_UNROLL: o->onnx.unroll = option_count(state, "unroll", arg, 1, 65536); break;
    case KEY_VERIFY: o->verify = true; break;
    case KEY_TOLERANCE: o->tolerance = option_number(state, "tolerance", arg, 0, 1e30); break;
    case ARGP_KEY_ARG:
        if (o->out)
            argp_error(state, "one model to read and one file to write are enough");
        *(o->in ? &o->out : &o->in) = arg;
        break;
    case ARGP_KEY_END: check_usage(o, state); break;
    default: return parse_setting(key, arg, state) ? 0 : ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- Accuracy ---- */

typedef struct accuracy {
    double loss, other;
    const char *unit, *other_name; /* unit of the loss; NULL: nothing was measured */
} accuracy;

static weir_status measure_text(const options *o, const weir_model *m, const json_t *notes, const weir_parallel *parallel, accuracy *a,
                                weir_error *err)
{
    text_result r;
    weir_status status = text_evaluate(m, notes, o->data, o->from, parallel, &r, err);
    if (status)
        return status;
    double loss = r.loss.sum / (double)r.loss.count;
    *a = (accuracy){loss, exp(loss), "nats a byte", "perplexity"};
    return WEIR_OK;
}

/* Means over the targets and horizons that have rows. */
static weir_status measure_series(const options *o, const weir_model *m, const table *t, accuracy *a, weir_error *err)
{
    series_backtest_result *r;
    weir_status status = series_backtest(&r, m, t, &(series_backtest_options){.from = o->set_from ? o->from : -1, .interval = 0.9}, err);
    if (status)
        return status;
    double loss = 0, rmse = 0, n = 0;
    for (size_t i = 0; i < r->targets * (r->horizon + 1); i++)
        if ((i + 1) % (r->horizon + 1) && r->score[i].points) { /* the last of a target is over all horizons */
            loss += r->score[i].loss;
            rmse += r->score[i].rmse[OF_MODEL];
            n++;
        }
    *a = (accuracy){loss / n, rmse / n, "nats a value", "mean_rmse"};
    series_backtest_free(r);
    return n > 0 ? WEIR_OK : data_fail(err, WEIR_E_FORMAT, "%s has no row that can be measured", o->data);
}

static weir_status measure_labels(const options *o, const weir_model *m, const table *t, accuracy *a, weir_error *err)
{
    labels_result *r;
    labels_score *s = NULL;
    weir_status status = labels_classify(&r, m, t, o->from, 0.5, err);
    if (!status)
        status = labels_measure(&s, r, err);
    bool labelled = !status && r->labelled > 0;
    if (labelled)
        *a = (accuracy){s->loss, s->accuracy, r->head == LABELS_MULTI ? "nats a label" : r->each_row ? "nats a row" : "nats a sequence", "accuracy"};
    labels_score_free(s);
    labels_result_free(r);
    if (status)
        return status;
    return labelled ? WEIR_OK : data_fail(err, WEIR_E_FORMAT, "%s has no labels that the model knows", o->data);
}

static weir_status measure(const options *o, const weir_model *m, const json_t *notes, const weir_parallel *parallel, accuracy *a,
                           weir_error *err)
{
    const char *task = json_string_value(json_object_get(notes, "task"));
    if (task && !strcmp(task, "text"))
        return measure_text(o, m, notes, parallel, a, err);
    if (!task || (strcmp(task, "series") && strcmp(task, "labels")))
        return data_fail(err, WEIR_E_UNSUPPORTED, "%s does not say what data it was trained on, so it cannot be measured", o->in);
    table *t;
    weir_status status = table_read(&t, o->data, err);
    if (!status)
        status = !strcmp(task, "series") ? measure_series(o, m, t, a, err) : measure_labels(o, m, t, a, err);
    table_free(t);
    return status;
}

/* ---- Report ---- */

/* A model before or after. */
typedef struct side {
    const char *form; /* of its weights, or its layout */
    double bytes;
    accuracy accuracy;
} side;

/* What is told of a conversion. */
typedef struct report {
    bool written;
    side before, after;
    bool verified;
    double difference;
    size_t numbers;
} report;

static double bytes_of(const char *path)
{
    struct stat s;
    return stat(path, &s) ? 0 : (double)s.st_size;
}

static json_t *side_json(const side *s)
{
    json_t *object = json_pack("{s:s, s:I}", "weights", s->form, "bytes", (json_int_t)s->bytes);
    if (s->accuracy.unit) {
        json_object_set_new(object, "loss", number_json(s->accuracy.loss));
        json_object_set_new(object, s->accuracy.other_name, number_json(s->accuracy.other));
    }
    return object;
}

static int print_json(const report *r, const options *o)
{
    json_t *all = json_object();
    if (r->written) {
        json_object_set_new(all, "before", side_json(&r->before));
        json_object_set_new(all, "after", side_json(&r->after));
    }
    if (r->verified)
        json_object_set_new(all, "verify", json_pack("{s:o, s:I, s:f}", "difference", number_json(r->difference), "numbers",
                                                     (json_int_t)r->numbers, "tolerance", o->tolerance));
    return finish_json(all);
}

static int print_table(const report *r, const options *o)
{
    const side *before = &r->before, *after = &r->after;
    const accuracy *a = &before->accuracy, *b = &after->accuracy;
    if (r->written) {
        printf("%-12s %12s %12s %12s\n", "", before->form, after->form, "change");
        printf("%-12s %12.0f %12.0f %+10.1f %%\n", "bytes", before->bytes, after->bytes, 100 * (after->bytes / before->bytes - 1));
    }
    if (a->unit) {
        printf("%-12s %12.6f %12.6f %+12.6f  %s\n", "loss", a->loss, b->loss, b->loss - a->loss, a->unit);
        printf("%-12s %12.6g %12.6g %+12.4g\n", a->other_name, a->other, b->other, b->other - a->other);
    }
    if (r->verified)
        printf("%-12s largest difference %.3g of %zu numbers, tolerance %g\n", "verify", r->difference, r->numbers, o->tolerance);
    return finish_output();
}

/* ---- Conversion ---- */

static weir_status measure_both(const options *o, const weir_model *before, const weir_model *after, const json_t *notes,
                                const weir_parallel *parallel, report *r, weir_error *err)
{
    weir_status status = o->data ? measure(o, before, notes, parallel, &r->before.accuracy, err) : WEIR_OK;
    return o->data && !status ? measure(o, after, notes, parallel, &r->after.accuracy, err) : status;
}

static weir_status save(const options *o, const weir_model *model, weir_error *err)
{
    if (writes_layout(o))
        return weir_model_export(model, o->out, &o->layout, err);
    return writes_onnx(o) ? weir_model_save_onnx(model, o->out, &o->onnx, err) : weir_model_save(model, o->out, err);
}

/* Writes after all else has worked. */
static int write_model(const options *o, const weir_model *before, const weir_model *after, const json_t *notes, const weir_parallel *parallel)
{
    weir_error err;
    report r = {.written = o->out, .before = {.bytes = bytes_of(o->in)}};
    r.before.form = reads_layout(o) ? o->layout.name : form_names[weir_model_config(before)->weights];
    r.after.form = writes_layout(o) ? o->layout.name : form_names[weir_model_config(after)->weights];
    weir_status status = measure_both(o, before, after, notes, parallel, &r, &err);
    if (!status && o->verify) {
        status = check_run(after, notes, parallel, &r.difference, &r.numbers, &err);
        r.verified = !status;
    }
    if (status)
        return complain("%s", err.text);
    bool good = !r.verified || r.difference <= o->tolerance;
    r.written = o->out && good;
    if (r.written && save(o, after, &err))
        return complain("%s", err.text);
    if (r.written)
        r.after.bytes = bytes_of(o->out); /* which may be the file that was read */
    int told = (o->json ? print_json : print_table)(&r, o);
    if (!good)
        return complain("%s: the model's output differs by %g from the source's, more than %g", o->in, r.difference, o->tolerance);
    return told;
}

static int convert(const options *o, const weir_model *model, const json_t *notes, const weir_parallel *parallel)
{
    weir_error err;
    weir_model *made = NULL;
    if (o->weights >= 0 && weir_model_convert(&made, model, (weir_weights)o->weights, &err))
        return complain("%s: %s", o->in, err.text);
    int status = write_model(o, model, made ? made : model, notes, parallel);
    weir_model_free(made);
    return status;
}

/* The data must not be overwritten; the model may be. */
static int check_places(const options *o)
{
    if (!o->out)
        return DONE;
    if (o->data && same_file(o->out, o->data))
        return complain("%s is the data; it is not overwritten", o->out);
    return check_output(o->out);
}

/* The same model with other notes. */
static weir_status change_notes(weir_model **model, const json_t *notes, weir_error *err)
{
    char *changed = json_dumps(notes, JSON_COMPACT);
    weir_model *old = *model;
    size_t count = weir_model_tensor_count(old), at = 0;
    weir_tensor *tensors = malloc(count * sizeof *tensors);
    float *numbers = malloc(weir_model_parameters(old) * sizeof *numbers);
    weir_config config = *weir_model_config(old);
    config.notes = changed;
    for (size_t i = 0; tensors && numbers && i < count; i++) {
        tensors[i] = weir_model_tensor(old, i);
        tensors[i].data = numbers + at;
        weir_model_weights(old, i, numbers + at);
        at += (tensors[i].rows ? tensors[i].rows : 1) * tensors[i].cols;
    }
    weir_status status = changed && tensors && numbers ? weir_model_new(model, &config, tensors, count, err) : data_no_memory(err);
    if (status)
        *model = old;
    else
        weir_model_free(old);
    free(changed);
    free(tensors);
    free(numbers);
    return status;
}

/* A model that was made of an ONNX graph carries what the graph gives for a small input. */
static int take_check(const options *o, weir_model **model, json_t **notes)
{
    double difference;
    weir_error err;
    if (!*notes && !*weir_model_config(*model)->notes)
        *notes = json_object();
    json_t *check = json_is_object(*notes) && !json_object_get(*notes, "check") ? check_of_onnx(o->in, *model, &difference) : NULL;
    if (!check)
        return DONE;
    if (!o->verify && difference > o->tolerance) {
        complain("warning: no output of %s confirms the model that was made of it; compare them with weir run", o->in);
        json_decref(check);
        return DONE;
    }
    json_object_set_new(*notes, "check", check);
    return change_notes(model, *notes, &err) ? complain("%s", err.text) : DONE;
}

static int load(const options *o, weir_model **model, json_t **notes)
{
    if (!reads_layout(o))
        return load_model(o->in, WEIR_ISA_BEST, NULL, model, notes) ? FAILED : take_check(o, model, notes);
    weir_error err;
    if (weir_model_import(model, o->in, &o->layout, &o->config, &err))
        return err.offset ? complain("%s (byte %zu)", err.text, err.offset) : complain("%s", err.text);
    *notes = json_loads(weir_model_config(*model)->notes, 0, NULL);
    return DONE;
}

int cmd_convert(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "IN [OUT]",
                                     "Writes a model with its weights in another form, in another file format, or from and to another framework's "
                                     "layout, and says what that costs.",
                                     0, 0, 0};
    options o = {.weights = -1, .tolerance = 1e-5};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    weir_model *model;
    json_t *notes;
    if (load(&o, &model, &notes))
        return FAILED;
    threads pool = threads_start(o.threads, false);
    int status = check_places(&o) ? FAILED : convert(&o, model, notes, pool.pool ? &pool.parallel : NULL);
    threads_stop(&pool);
    weir_model_free(model);
    json_decref(notes);
    return status;
}
