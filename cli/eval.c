/* weir eval
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "cli.h"
#include "eval_series.h"
#include "data/text.h"
#include "eval_labels.h"

typedef struct options {
    const char *model, *data, *plot;
    bool json;
    double from, interval, threshold;
    bool set_from;
    unsigned threads;
    weir_isa isa;
    eval_series_options series;
} options;

enum {
    KEY_JSON = 256, KEY_FROM, KEY_INTERVAL, KEY_THRESHOLD, KEY_PLOT, KEY_THREADS, KEY_ISA, KEY_BACKTEST, KEY_ORIGINS, KEY_EVERY
};

static const struct argp_option option_list[] = {
    {"json", KEY_JSON, 0, 0, "Print JSON", 0},
    {"from", KEY_FROM, "SHARE", 0,
     "Leave out this share of the data, from its start (text and labels: 0; series: what training saw)", 0},
    {"interval", KEY_INTERVAL, "SHARE", 0, "Width of the interval whose coverage is counted (0.9; series)", 0},
    {"threshold", KEY_THRESHOLD, "P", 0, "A sigmoid says yes from this probability on (0.5; labels)", 0},
    {"backtest", KEY_BACKTEST, 0, 0, "Rolling back-test: forecast from one row after the other, with CRPS, MASE and coverage (series)", 0},
    {"origins", KEY_ORIGINS, "N", 0, "Rows to forecast from, evenly spread (series, --backtest; default: every row)", 0},
    {"every", KEY_EVERY, "ROWS", 0, "Rows from one forecast to the next (series, --backtest; 1)", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0,
     "Draw the confusion matrix and the ROC curves (labels); the forecasts over the rows, and the CRPS (series, --backtest)", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_JSON: o->json = true; break;
    case KEY_FROM:
        o->from = option_number(state, "from", arg, 0, 0.9999);
        o->set_from = true;
        break;
    case KEY_INTERVAL: o->interval = option_number(state, "interval", arg, 0.01, 0.999); break;
    case KEY_THRESHOLD: o->threshold = option_number(state, "threshold", arg, 0, 1); break;
    case KEY_PLOT: o->plot = option_picture(state, "plot", arg); break;
    case KEY_BACKTEST: o->series.rolling = true; break;
    case KEY_ORIGINS: o->series.origins = option_count(state, "origins", arg, 1, 1000000000); break;
    case KEY_EVERY: o->series.every = option_count(state, "every", arg, 1, 1000000000); break;
    case KEY_THREADS: o->threads = option_count(state, "threads", arg, 1, 1024); break;
    case KEY_ISA: o->isa = option_isa(state, arg); break;
    case ARGP_KEY_ARG:
        if (o->data)
            argp_error(state, "one model and one file of data are enough");
        *(o->model ? &o->data : &o->model) = arg;
        break;
    case ARGP_KEY_END:
        if (!o->data)
            argp_error(state, "name the model and the data");
        if (o->series.origins && o->series.every)
            argp_error(state, "--origins and --every exclude each other");
        if (!o->series.rolling && (o->series.origins || o->series.every || o->series.plot))
            argp_error(state, "--origins, --every and --plot belong to --backtest");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int eval_text(const options *o, const weir_model *model, const json_t *notes, const weir_parallel *parallel)
{
    text_result r;
    weir_error err;
    if (text_evaluate(model, notes, o->data, o->from, parallel, &r, &err))
        return complain("%s", err.text);
    if (r.unknown)
        fprintf(stderr, "weir: %llu bytes (one is 0x%02x) did not occur in the training text; they are not counted\n",
                (unsigned long long)r.unknown, r.an_unknown);
    double loss = r.loss.sum / (double)r.loss.count;
    if (o->json)
        return finish_json(json_pack("{s:s, s:o, s:o, s:o, s:I, s:I}", "task", "text", "loss", number_json(loss), "bits",
                                     number_json(loss / log(2)), "perplexity", number_json(exp(loss)), "count",
                                     (json_int_t)r.loss.count, "unknown", (json_int_t)r.unknown));
    printf("loss        %.4f nats a byte\nbits        %.4f a byte\nperplexity  %.3f\ncounted     %llu bytes\n", loss, loss / log(2), exp(loss),
           (unsigned long long)r.loss.count);
    return finish_output();
}

int cmd_eval(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "MODEL DATA", "Measures a model on data.", 0, 0, 0};
    options o = {.interval = 0.9, .threshold = 0.5};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    weir_model *model;
    json_t *notes;
    if (load_model(o.model, o.isa, NULL, &model, &notes))
        return FAILED;
    const char *task = json_string_value(json_object_get(notes, "task"));
    o.series.plot = o.plot;
    threads pool = threads_start(o.threads, false);
    int status;
    if (task && strcmp(task, "text") == 0)
        status = eval_text(&o, model, notes, pool.pool ? &pool.parallel : NULL);
    else if (task && strcmp(task, "series") == 0)
        status = eval_series(&o.series, model, o.data, o.json, o.set_from ? o.from : -1, o.interval);
    else if (task && strcmp(task, "labels") == 0)
        status = eval_labels(&(eval_labels_options){o.data, o.plot, o.json, o.from, o.threshold}, model);
    else
        status = complain("%s does not say what data it was trained on, so it cannot be measured", o.model);
    threads_stop(&pool);
    weir_model_free(model);
    json_decref(notes);
    return status;
}
