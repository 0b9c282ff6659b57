/* weir train
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "data/labels.h"
#include "data/series.h"
#include "data/text.h"
#include "progress.h"

enum task { TASK_GUESS, TASK_TEXT, TASK_SERIES, TASK_LABELS };
static const char *const task_names[] = {"guess", "text", "series", "labels", NULL};

typedef struct options {
    char **paths;
    size_t count;
    const char *output, *log, *plot;
    enum task task;
    bool quiet;
    unsigned threads;
    double split;
    uint32_t batch, steps, epochs, patience;
    uint64_t seed;
    weir_config model;
    weir_train_config train;
    bool set_forget_bias;
    float forget_bias;
    series_options series;
    labels_options labels;
} options;

/* ---- Options ---- */

enum {
    KEY_TASK = 256, KEY_HIDDEN, KEY_LAYERS, KEY_NO_PEEPHOLES, KEY_BATCH, KEY_STEPS, KEY_OPTIMIZER, KEY_RATE, KEY_CLIP, KEY_EPOCHS,
    KEY_DROPOUT, KEY_SPLIT, KEY_SEED, KEY_INIT, KEY_TARGET, KEY_THREADS, KEY_ISA, KEY_LOG, KEY_PLOT, KEY_QUIET, KEY_SCHEDULE, KEY_WARMUP,
    KEY_DECAY, KEY_MOMENTUM, KEY_PATIENCE, KEY_FORGET_BIAS, KEY_GATE, KEY_CANDIDATE, KEY_OUT_ACTIVATION, KEY_DENSE, KEY_DIRECTION,
    KEY_PROJECTION, KEY_CELL_CLIP, KEY_ACT_CLIP, KEY_COUPLED, KEY_NO_FORGET, KEY_HEAD_DROPOUT, KEY_PERIOD, KEY_TRANSFORM, KEY_HORIZON,
    KEY_HOLDOUT, KEY_ID, KEY_LABEL, KEY_INIT_SCALE,
    KEY_DISTRIBUTION, KEY_SERIES, KEY_KNOWN, KEY_NO_CALENDAR
};

static const struct argp_option option_list[] = {
    {0, 0, 0, 0, "Data and output", 1},
    {"output", 'o', "MODEL", 0, "The model file to write (needed)", 0},
    {"task", KEY_TASK, "KIND", 0, "text, series or labels; default: guessed from the data", 0},
    {"split", KEY_SPLIT, "SHARE", 0, "Share of the data, from its start, that trains; the rest validates (text 0.9, CSV 0.8)", 0},
    {"target", KEY_TARGET, "COLUMNS", 0, "Columns to forecast, by commas (series)", 0},
    {"period", KEY_PERIOD, "ROWS", 0, "Rows of a season; 1: none (series; default: found)", 0},
    {"transform", KEY_TRANSFORM, "NAME", 0, "auto, none, log or sqrt (series)", 0},
    {"horizon", KEY_HORIZON, "ROWS", 0, "Rows ahead that the network learns to forecast (series; default 24)", 0},
    {"holdout", KEY_HOLDOUT, "N", 0, "Last rows kept away from training, a share or a number; 0: none (series; default 0.2)", 0},
    {"distribution", KEY_DISTRIBUTION, "NAME", 0, "gaussian, student-t or negative-binomial (series; gaussian)", 0},
    {"series", KEY_SERIES, "COLUMN", 0, "Column that names each row's series: several in one model (series)", 0},
    {"known", KEY_KNOWN, "COLUMNS", 0, "Columns whose values are known in advance, by commas (series)", 0},
    {"no-calendar", KEY_NO_CALENDAR, 0, 0, "Make no inputs of the dates (series)", 0},
    {"id", KEY_ID, "COLUMN", 0, "Column of sequence ids (labels)", 0},
    {"label", KEY_LABEL, "COLUMN", 0, "Column of labels (labels)", 0},
    {0, 0, 0, 0, "Network", 2},
    {"hidden", KEY_HIDDEN, "N", 0, "Units of a layer (128; less for small series)", 0},
    {"layers", KEY_LAYERS, "N", 0, "Layers (2)", 0},
    {"no-peepholes", KEY_NO_PEEPHOLES, 0, 0, "Leave the peephole connections out", 0},
    {"projection", KEY_PROJECTION, "N", 0, "Project each layer's output to N units", 0},
    {"direction", KEY_DIRECTION, "NAME", 0, "forward, reverse or both (labels)", 0},
    {"coupled", KEY_COUPLED, 0, 0, "Tie the forget gate: f = 1 - i", 0},
    {"no-forget-gate", KEY_NO_FORGET, 0, 0, "The cell of 1997: f = 1", 0},
    {"gate", KEY_GATE, "NAME", 0, "Activation of the gates (sigmoid)", 0},
    {"candidate", KEY_CANDIDATE, "NAME", 0, "Activation of the candidate (tanh)", 0},
    {"output-activation", KEY_OUT_ACTIVATION, "NAME", 0, "Activation of the cell's output (tanh)", 0},
    {"activation-clip", KEY_ACT_CLIP, "X", 0, "Hold the activations' arguments in +-X", 0},
    {"cell-clip", KEY_CELL_CLIP, "X", 0, "Hold the cell state in +-X", 0},
    {"dense", KEY_DENSE, "UNITS:NAME", 0, "Add a dense layer with this activation to the head; may be repeated", 0},
    {"init", KEY_INIT, "NAME", 0, "Start of the weights: glorot, pytorch, lecun, he or uniform", 0},
    {"init-scale", KEY_INIT_SCALE, "X", 0, "Range of uniform weights (0.1)", 0},
    {"forget-bias", KEY_FORGET_BIAS, "X", 0, "Start of the forget gate's bias (1)", 0},
    {0, 0, 0, 0, "Training", 3},
    {"batch", KEY_BATCH, "N", 0, "Sequences side by side (50)", 0},
    {"steps", KEY_STEPS, "N", 0, "Steps of truncated back-propagation (64)", 0},
    {"epochs", KEY_EPOCHS, "N", 0, "Passes over the data (10; more for small series)", 0},
    {"optimizer", KEY_OPTIMIZER, "NAME", 0, "adam, adamw, rmsprop or sgd", 0},
    {"rate", KEY_RATE, "X", 0, "Learning rate (0.002)", 0},
    {"momentum", KEY_MOMENTUM, "X", 0, "Momentum of sgd and rmsprop (0)", 0},
    {"schedule", KEY_SCHEDULE, "NAME", 0, "constant, cosine or plateau", 0},
    {"warmup", KEY_WARMUP, "UPDATES", 0, "Linear warm-up of the cosine schedule (0)", 0},
    {"clip", KEY_CLIP, "X", 0, "Largest norm of the gradient (5)", 0},
    {"weight-decay", KEY_DECAY, "X", 0, "Weight decay (0)", 0},
    {"dropout", KEY_DROPOUT, "SHARE", 0, "Dropout between layers (0)", 0},
    {"head-dropout", KEY_HEAD_DROPOUT, "SHARE", 0, "Dropout in the head (0)", 0},
    {"patience", KEY_PATIENCE, "EPOCHS", 0, "Stop after so many epochs without a better validation loss", 0},
    {"seed", KEY_SEED, "N", 0, "Fixes everything that is random (1)", 0},
    {0, 0, 0, 0, "Running", 4},
    {"threads", KEY_THREADS, "N", 0, "Threads; the result does not depend on it (all processors)", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set: best, scalar, avx2, avx512, neon or ref64", 0},
    {"log", KEY_LOG, "FILE.jsonl", 0, "Write one JSON line per epoch", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "The loss curves (default: beside the model)", 0},
    {"quiet", KEY_QUIET, 0, 0, "Say nothing but errors", 0},
    {0},
};

static void add_dense(options *o, const struct argp_state *state, const char *layer)
{
    char *end;
    unsigned long units = strtoul(layer, &end, 10);
    if (o->model.dense_layers == WEIR_MAX_DENSE || units < 1 || units > WEIR_MAX_UNITS || *end != ':')
        argp_error(state, "--dense takes UNITS:ACTIVATION, at most %d times, not \"%s\"", (int)WEIR_MAX_DENSE, layer);
    weir_dense d = {.units = (uint32_t)units, .activation = option_activation(state, "dense", end + 1)};
    o->model.dense[o->model.dense_layers++] = d;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
#define NUMBER(name, least, most) option_number(state, name, arg, least, most)
#define COUNT(name, least, most) option_count(state, name, arg, least, most)
#define NAME(name, names) option_name(state, name, arg, names)
    switch (key) {
    case 'o': o->output = arg; break;
    case KEY_TASK: o->task = (enum task)NAME("task", task_names); break;
    case KEY_SPLIT: o->split = NUMBER("split", 0.01, 0.99); break;
    case KEY_TARGET: o->series.targets = arg; break;
    case KEY_PERIOD: o->series.period = COUNT("period", 1, 1000000); break;
    case KEY_TRANSFORM: o->series.transform = arg; break;
    case KEY_HORIZON: o->series.horizon = COUNT("horizon", 1, 10000); break;
    case KEY_HOLDOUT:
        o->series.holdout = NUMBER("holdout", 0, 1e9);
        o->series.no_holdout = o->series.holdout == 0;
        break;
    case KEY_DISTRIBUTION: o->series.distribution = arg; break;
    case KEY_SERIES: o->series.series = arg; break;
    case KEY_KNOWN: o->series.known = arg; break;
    case KEY_NO_CALENDAR: o->series.no_calendar = true; break;
    case KEY_ID: o->labels.id = arg; break;
    case KEY_LABEL: o->labels.label = arg; break;
    case KEY_HIDDEN: o->model.hidden = COUNT("hidden", 1, WEIR_MAX_UNITS); break;
    case KEY_LAYERS: o->model.layers = COUNT("layers", 1, WEIR_MAX_LAYERS); break;
    case KEY_NO_PEEPHOLES: o->model.no_peepholes = true; break;
    case KEY_PROJECTION: o->model.projection = COUNT("projection", 1, WEIR_MAX_UNITS); break;
    case KEY_DIRECTION: o->model.direction = (weir_direction)NAME("direction", direction_names); break;
    case KEY_COUPLED: o->model.coupled = true; break;
    case KEY_NO_FORGET: o->model.no_forget_gate = true; break;
    case KEY_GATE: o->model.gate = option_activation(state, "gate", arg); break;
    case KEY_CANDIDATE: o->model.candidate = option_activation(state, "candidate", arg); break;
    case KEY_OUT_ACTIVATION: o->model.output_activation = option_activation(state, "output-activation", arg); break;
    case KEY_ACT_CLIP: o->model.activation_clip = (float)NUMBER("activation-clip", 1e-6, 1e30); break;
    case KEY_CELL_CLIP: o->model.cell_clip = (float)NUMBER("cell-clip", 1e-6, 1e30); break;
    case KEY_DENSE: add_dense(o, state, arg); break;
    case KEY_INIT: o->model.init = (weir_init)NAME("init", init_names); break;
    case KEY_INIT_SCALE: o->model.init_scale = (float)NUMBER("init-scale", 1e-9, 1e9); break;
    case KEY_FORGET_BIAS:
        o->set_forget_bias = true;
        o->forget_bias = (float)NUMBER("forget-bias", -1e6, 1e6);
        break;
    case KEY_BATCH: o->batch = COUNT("batch", 1, 65536); break;
    case KEY_STEPS: o->steps = COUNT("steps", 1, 1000000); break;
    case KEY_EPOCHS: o->epochs = COUNT("epochs", 1, 1000000); break;
    case KEY_OPTIMIZER: o->train.optimizer = (weir_optimizer)NAME("optimizer", optimizer_names); break;
    case KEY_RATE: o->train.rate = (float)NUMBER("rate", 1e-12, 1e6); break;
    case KEY_MOMENTUM: o->train.momentum = (float)NUMBER("momentum", 0, 0.99999); break;
    case KEY_SCHEDULE: o->train.schedule = (weir_schedule)NAME("schedule", schedule_names); break;
    case KEY_WARMUP: o->train.warmup = COUNT("warmup", 0, 1000000000); break;
    case KEY_CLIP: o->train.clip = (float)NUMBER("clip", 1e-12, 1e30); break;
    case KEY_DECAY: o->train.weight_decay = (float)NUMBER("weight-decay", 0, 1e6); break;
    case KEY_DROPOUT: o->train.dropout = (float)NUMBER("dropout", 0, 0.99); break;
    case KEY_HEAD_DROPOUT: o->train.head_dropout = (float)NUMBER("head-dropout", 0, 0.99); break;
    case KEY_PATIENCE: o->patience = COUNT("patience", 1, 1000000); break;
    case KEY_SEED: o->seed = COUNT("seed", 1, UINT32_MAX); break;
    case KEY_THREADS: o->threads = COUNT("threads", 1, 1024); break;
    case KEY_ISA: o->model.isa = option_isa(state, arg); break;
    case KEY_LOG: o->log = arg; break;
    case KEY_PLOT: o->plot = option_picture(state, "plot", arg); break;
    case KEY_QUIET: o->quiet = true; break;
    case ARGP_KEY_ARGS:
        o->paths = state->argv + state->next;
        o->count = (size_t)(state->argc - state->next);
        break;
    case ARGP_KEY_NO_ARGS: argp_error(state, "name the data to train on"); break;
    case ARGP_KEY_END:
        if (!o->output)
            argp_error(state, "name the model to write: -o MODEL");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
#undef NUMBER
#undef COUNT
#undef NAME
    return 0;
}

/* ---- The data of a task ---- */

typedef struct data {
    enum task task;
    text *text;
    table *table;
    series *series;
    labels *labels;
    weir_fit fit;
    double symbols;
    const char *unit, *summary;
} data;

static bool is_csv(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcasecmp(path + n - 4, ".csv") == 0;
}

static weir_status open_table(data *d, const options *o, weir_error *err)
{
    weir_status status = table_read(&d->table, o->paths[0], err);
    if (status)
        return status;
    if (d->task == TASK_GUESS)
        d->task = labels_match(d->table, &o->labels) ? TASK_LABELS : TASK_SERIES;
    if (d->task == TASK_LABELS)
        return labels_open(&d->labels, d->table, &o->labels, err);
    return series_open(&d->series, d->table, &o->series, err);
}

static int open_data(data *d, options *o)
{
    weir_error err = {0};
    d->task = o->task;
    if (d->task == TASK_GUESS && !is_csv(o->paths[0]))
        d->task = TASK_TEXT;
    o->series.split = o->labels.split = o->split;
    o->series.steps = o->steps;
    o->series.batch = o->labels.batch = o->batch;
    o->series.seed = o->labels.seed = o->model.seed = o->train.seed = o->seed;
    if (d->task != TASK_TEXT && o->count > 1)
        return complain("a CSV is trained on alone; %zu files were named", o->count);
    weir_status status = d->task == TASK_TEXT
                             ? text_open(&d->text, o->paths, o->count, &(text_options){o->split, o->batch, o->steps}, &err)
                             : open_table(d, o, &err);
    if (status)
        return complain("%s", err.text);
    if (d->task != TASK_LABELS && o->model.direction != WEIR_FORWARD)
        return complain("--direction %s would show the network the future; only labelled sequences allow it",
                        direction_names[o->model.direction]);
    return DONE;
}

/* Options for which 0 is a wish, not the default, are NOT_GIVEN until they are given. */
enum { NOT_GIVEN = -1 };

/* What neither an option nor the task has set. */
static void settle(weir_train_config *t)
{
    float *const settings[] = {&t->dropout, &t->head_dropout, &t->weight_decay};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (*settings[i] < 0)
            *settings[i] = 0;
    if ((int)t->schedule == NOT_GIVEN)
        t->schedule = WEIR_CONSTANT;
}

static void configure(data *d, options *o)
{
    d->fit = (weir_fit){.epochs = o->epochs, .patience = o->patience};
    if (d->task == TASK_TEXT) {
        text_configure(d->text, &o->model, &o->train, &d->fit);
        d->symbols = text_symbols(d->text);
        d->summary = text_summary(d->text);
        d->unit = "characters";
    } else if (d->task == TASK_SERIES) {
        series_configure(d->series, &o->model, &o->train, &d->fit);
        d->summary = series_summary(d->series);
    } else {
        labels_configure(d->labels, &o->model, &o->train, &d->fit);
        d->summary = labels_summary(d->labels);
    }
    if (d->task != TASK_TEXT) {
        d->symbols = (double)d->fit.train->batches * o->train.rows * o->train.steps;
        d->unit = "steps";
    }
    if (!o->model.layers)
        o->model.layers = 2;
    if (o->train.rate == 0)
        o->train.rate = 0.002f;
    settle(&o->train);
    if (o->set_forget_bias) {
        o->model.set_gate_bias = true;
        o->model.gate_bias[1] = o->forget_bias;
    }
}

/* The data's notes and how it was trained. Free with free(). */
static char *make_notes(data *d, const options *o, const weir_model *model, const weir_progress *best, weir_error *err)
{
    char *own = NULL;
    json_t *notes = NULL;
    if (d->task == TASK_TEXT)
        notes = text_notes(d->text);
    else if (d->task == TASK_SERIES ? !series_notes(d->series, model, &own, err) : !labels_notes(d->labels, &own, err))
        notes = json_loads(own, 0, NULL);
    free(own);
    if (!notes)
        return NULL;
    json_t *training = json_pack("{s:s, s:f, s:i, s:i, s:i, s:i, s:s, s:f, s:f, s:I}", "optimizer", optimizer_names[o->train.optimizer],
                                 "rate", (double)o->train.rate, "batch", (int)o->train.rows, "steps", (int)o->train.steps, "epochs",
                                 (int)best->epochs, "best_epoch", (int)best->epoch, "schedule", schedule_names[o->train.schedule],
                                 "dropout", (double)o->train.dropout, "weight_decay", (double)o->train.weight_decay, "seed",
                                 (json_int_t)o->model.seed);
    if (isfinite(best->train_loss))
        json_object_set_new(training, "train_loss", json_real(best->train_loss));
    if (isfinite(best->valid_loss))
        json_object_set_new(training, "valid_loss", json_real(best->valid_loss));
    json_object_set_new(notes, "training", training);
    char *dump = json_dumps(notes, JSON_COMPACT);
    json_decref(notes);
    return dump;
}

static void close_data(data *d)
{
    text_free(d->text);
    series_free(d->series);
    labels_free(d->labels);
    table_free(d->table);
}

/* ---- Output ---- */

/* What is written at the end must be possible at the start, and must not be the data. */
static int check_outputs(const options *o)
{
    const char *outputs[] = {o->output, o->plot, o->log};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        if (!outputs[i])
            continue;
        for (size_t j = 0; j < o->count; j++)
            if (same_file(outputs[i], o->paths[j]))
                return complain("%s is the data; it is not overwritten", outputs[i]);
        if (outputs[i] != o->log && check_output(outputs[i]))
            return FAILED;
    }
    return DONE;
}

static int save(data *d, const options *o, weir_trainer *trainer, const weir_progress *best)
{
    weir_error err = {.text = "there is no memory left"};
    weir_model *plain = NULL, *model = NULL;
    weir_status status = weir_trainer_model(trainer, &plain, NULL, &err);
    char *notes = status ? NULL : make_notes(d, o, plain, best, &err);
    if (!status && notes)
        status = weir_trainer_model(trainer, &model, notes, &err);
    if (!status && notes)
        status = weir_model_save(model, o->output, &err);
    bool saved = !status && notes;
    weir_model_free(plain);
    weir_model_free(model);
    free(notes);
    return saved ? DONE : complain("%s", err.text);
}

static int plot(const progress *p, const options *o)
{
    if (!p->epochs)
        return DONE;
    size_t length = strlen(o->output) + 16;
    char *beside = malloc(length);
    if (!beside)
        return complain("there is no memory left");
    snprintf(beside, length, "%s.loss.svg", o->output);
    char title[200];
    snprintf(title, sizeof title, "%s", o->output);
    for (char *c = title; *c; c++)
        if (*c == '"' || *c == '\\')
            *c = '_';
    int status = progress_plot(p, o->plot ? o->plot : beside, title);
    free(beside);
    return status;
}

/* ---- Training ---- */

/* *usable: the trainer holds weights worth keeping, which it may even after a failure. */
static int fit(data *d, const options *o, weir_trainer *trainer, progress *p, weir_progress *best, bool *usable)
{
    weir_error err;
    d->fit.report = progress_report;
    d->fit.ctx = p;
    progress_start(p);
    weir_status status = weir_trainer_fit(trainer, &d->fit, best, &err);
    progress_end(p);
    bool none = !best->epoch_done;
    *usable = !status || !none;
    if (status)
        return complain("%s%s", err.text, none ? "" : "; the best model so far is kept");
    if (progress_interrupted())
        fprintf(stderr, "weir: interrupted; %s\n",
                none ? "no epoch was done: the weights so far are kept" : "the best model so far is kept");
    else
        say(o->quiet, "best: epoch %u, train %.4f, valid %.4f", (unsigned)best->epoch, best->train_loss, best->valid_loss);
    return DONE;
}

static int train(data *d, options *o, progress *p)
{
    weir_error err;
    weir_model *model = NULL;
    weir_trainer *trainer = NULL;
    weir_progress best = {0};
    bool usable = false;
    threads pool = threads_start(o->threads, false);
    if (pool.pool)
        o->train.parallel = &pool.parallel;
    int status = DONE;
    if (weir_model_new(&model, &o->model, NULL, 0, &err) || weir_trainer_new(&trainer, model, &o->train, &err))
        status = complain("%s", err.text);
    else {
        say(o->quiet, "%s", d->summary);
        say(o->quiet, "model: %u x %u, %zu weights, %s; %.0f MiB to train", (unsigned)weir_model_config(model)->layers,
            (unsigned)weir_model_config(model)->hidden, weir_model_parameters(model), weir_isa_name(weir_model_config(model)->isa),
            (double)weir_trainer_memory(trainer) / 1048576);
        status = fit(d, o, trainer, p, &best, &usable);
    }
    int saved = usable ? save(d, o, trainer, &best) : FAILED;
    if (saved == DONE)
        say(o->quiet, "model: %s", o->output);
    else
        status = FAILED;
    weir_trainer_free(trainer);
    weir_model_free(model);
    threads_stop(&pool);
    if (status == DONE)
        status = plot(p, o);
    return status == DONE && progress_interrupted() ? 128 + progress_interrupted() : status;
}

int cmd_train(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "DATA...",
                                     "Trains a stacked LSTM on a text or a CSV and writes the best model.", 0, 0, 0};
    options o = {.seed = 1};
    o.train.dropout = o.train.head_dropout = o.train.weight_decay = NOT_GIVEN;
    o.train.schedule = (weir_schedule)NOT_GIVEN;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    data d = {0};
    int status = check_outputs(&o);
    if (status == DONE)
        status = open_data(&d, &o);
    if (status == DONE) {
        configure(&d, &o);
        progress p = {.quiet = o.quiet, .symbols = d.symbols, .unit = d.unit};
        p.log = o.log ? fopen(o.log, "w") : NULL;
        if (o.log && !p.log)
            status = complain("%s cannot be written: %s", o.log, strerror(errno));
        else
            status = train(&d, &o, &p);
        if (p.log && (ferror(p.log) | fclose(p.log)) && status == DONE)
            status = complain("%s cannot be written: %s", o.log, strerror(errno));
        progress_free(&p);
    }
    close_data(&d);
    return status;
}
