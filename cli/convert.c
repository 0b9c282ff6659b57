/* weir convert
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

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
} options;

enum { KEY_WEIGHTS = 256, KEY_DATA, KEY_FROM, KEY_JSON, KEY_THREADS };

static const char *const form_names[] = {"f32", "bf16", "int8", NULL};

static const struct argp_option option_list[] = {
    {"weights", KEY_WEIGHTS, "FORM", 0, "f32, bf16 or int8", 0},
    {"data", KEY_DATA, "FILE", 0, "Measure both models on these data, as weir eval does", 0},
    {"from", KEY_FROM, "SHARE", 0, "Leave out this share of the data, from its start (text and labels: 0; series: what training saw)", 0},
    {"json", KEY_JSON, 0, 0, "Print JSON", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads", 0},
    {0},
};

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
    case ARGP_KEY_ARG:
        if (o->out)
            argp_error(state, "one model to read and one file to write are enough");
        *(o->in ? &o->out : &o->in) = arg;
        break;
    case ARGP_KEY_END:
        if (!o->out)
            argp_error(state, "name the model and the file to write");
        if (o->weights < 0)
            argp_error(state, "say with --weights what form the weights shall have: f32, bf16 or int8");
        break;
    default: return ARGP_ERR_UNKNOWN;
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
    weir_status status = series_backtest(&r, m, t, o->set_from ? (size_t)(o->from * (double)t->rows) : SIZE_MAX, 0.9, err);
    if (status)
        return status;
    double loss = 0, rmse = 0, n = 0;
    for (size_t i = 0; i < r->targets * r->horizon; i++)
        if (r->score[i].points) {
            loss += r->score[i].loss;
            rmse += r->score[i].rmse;
            n++;
        }
    *a = (accuracy){loss / n, rmse / n, "nats a value", "mean_rmse"};
    series_backtest_free(r);
    return n > 0 ? WEIR_OK : data_fail(err, WEIR_E_FORMAT, "%s has no row that can be measured", o->data);
}

static weir_status measure_labels(const options *o, const weir_model *m, const table *t, accuracy *a, weir_error *err)
{
    labels_result *r;
    weir_status status = labels_classify(&r, m, t, o->from, err);
    if (status)
        return status;
    *a = (accuracy){r->loss, r->accuracy, "nats a sequence", "accuracy"};
    bool labelled = r->labelled > 0;
    labels_result_free(r);
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
    weir_weights weights;
    double bytes;
    accuracy accuracy;
} side;

static double bytes_of(const char *path)
{
    struct stat s;
    return stat(path, &s) ? 0 : (double)s.st_size;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *side_json(const side *s)
{
    json_t *object = json_pack("{s:s, s:I}", "weights", form_names[s->weights], "bytes", (json_int_t)s->bytes);
    if (s->accuracy.unit) {
        json_object_set_new(object, "loss", number(s->accuracy.loss));
        json_object_set_new(object, s->accuracy.other_name, number(s->accuracy.other));
    }
    return object;
}

static int print_json(const side *before, const side *after)
{
    json_t *all = json_pack("{s:o, s:o}", "before", side_json(before), "after", side_json(after));
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(all);
    return finish_output();
}

static int print_table(const side *before, const side *after)
{
    const accuracy *a = &before->accuracy, *b = &after->accuracy;
    printf("%-12s %12s %12s %12s\n", "", form_names[before->weights], form_names[after->weights], "change");
    printf("%-12s %12.0f %12.0f %+10.1f %%\n", "bytes", before->bytes, after->bytes, 100 * (after->bytes / before->bytes - 1));
    if (a->unit) {
        printf("%-12s %12.6f %12.6f %+12.6f  %s\n", "loss", a->loss, b->loss, b->loss - a->loss, a->unit);
        printf("%-12s %12.6g %12.6g %+12.4g\n", a->other_name, a->other, b->other, b->other - a->other);
    }
    return finish_output();
}

static int convert(const options *o, const weir_model *model, const json_t *notes, const weir_parallel *parallel)
{
    weir_error err;
    weir_model *made;
    side before = {.weights = weir_model_config(model)->weights, .bytes = bytes_of(o->in)}, after = {.weights = (weir_weights)o->weights};
    if (weir_model_convert(&made, model, after.weights, &err))
        return complain("%s: %s", o->in, err.text);
    weir_status status = WEIR_OK;
    if (o->data)
        status = measure(o, model, notes, parallel, &before.accuracy, &err);
    if (o->data && !status)
        status = measure(o, made, notes, parallel, &after.accuracy, &err);
    if (!status)
        status = weir_model_save(made, o->out, &err);
    weir_model_free(made);
    if (status)
        return complain("%s", err.text);
    after.bytes = bytes_of(o->out); /* which may be the file that was read */
    return (o->json ? print_json : print_table)(&before, &after);
}

/* The data must not be overwritten; the model may be. */
static int check_places(const options *o)
{
    if (o->data && same_file(o->out, o->data))
        return complain("%s is the data; it is not overwritten", o->out);
    return check_output(o->out);
}

int cmd_convert(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "MODEL OUT",
                                     "Writes a model with its weights in another form, and says what that costs.", 0, 0, 0};
    options o = {.weights = -1};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    weir_model *model;
    json_t *notes;
    if (load_model(o.in, WEIR_ISA_BEST, NULL, &model, &notes))
        return FAILED;
    threads pool = threads_start(o.threads, false);
    int status = check_places(&o) ? FAILED : convert(&o, model, notes, pool.pool ? &pool.parallel : NULL);
    threads_stop(&pool);
    weir_model_free(model);
    json_decref(notes);
    return status;
}
