/* weir train
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoints.h"
#include "cluster.h"
#include "progress.h"
#include "training.h"

typedef struct options {
    training training;
    const char *output, *log, *plot, *checkpoint, *resume;
    checkpoints checkpoints;
    bool quiet, set_every;
    unsigned threads;
    int mpi;
    cluster *cluster;
    json_t *arguments; /* the options that a checkpoint keeps: "--hidden=64" */
    bool going_on;     /* those of a checkpoint are set already; these must not contradict them */
} options;

/* ---- Options ---- */

enum {
    KEY_TASK = 256, KEY_HIDDEN, KEY_LAYERS, KEY_NO_PEEPHOLES, KEY_BATCH, KEY_STEPS, KEY_OPTIMIZER, KEY_RATE, KEY_CLIP, KEY_EPOCHS,
    KEY_DROPOUT, KEY_SPLIT, KEY_SEED, KEY_INIT, KEY_TARGET, KEY_THREADS, KEY_ISA, KEY_LOG, KEY_PLOT, KEY_QUIET, KEY_SCHEDULE, KEY_WARMUP,
    KEY_DECAY, KEY_MOMENTUM, KEY_PATIENCE, KEY_FORGET_BIAS, KEY_GATE, KEY_CANDIDATE, KEY_OUT_ACTIVATION, KEY_DENSE, KEY_DIRECTION,
    KEY_PROJECTION, KEY_CELL_CLIP, KEY_ACT_CLIP, KEY_COUPLED, KEY_NO_FORGET, KEY_HEAD_DROPOUT, KEY_PERIOD, KEY_TRANSFORM, KEY_HORIZON,
    KEY_HOLDOUT, KEY_ID, KEY_LABEL, KEY_INIT_SCALE, KEY_CHECKPOINT, KEY_EVERY, KEY_CHECKPOINT_STEPS, KEY_KEEP, KEY_RESUME,
    KEY_SHARDS, KEY_MPI
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
    {"shards", KEY_SHARDS, "N", 0, "Parts of a batch that are summed apart; the processes of mpirun share them (1)", 0},
    {"mpi", KEY_MPI, "NAME", 0, "MPI of the processes: auto, openmpi, mpich or none (auto: by the launcher)", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads; the result does not depend on it (all processors)", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set: best, scalar, avx2, avx512, neon or ref64", 0},
    {"log", KEY_LOG, "FILE.jsonl", 0, "Write one JSON line per epoch", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "The loss curves (default: beside the model)", 0},
    {"quiet", KEY_QUIET, 0, 0, "Say nothing but errors", 0},
    {0, 0, 0, 0, "Checkpoints", 5},
    {"resume", KEY_RESUME, "FILE", 0, "Go on with a training from its checkpoint, which has the other options and the names of the data", 0},
    {"checkpoint", KEY_CHECKPOINT, "FILE", 0, "Where checkpoints go (MODEL.checkpoint)", 0},
    {"checkpoint-every", KEY_EVERY, "MINUTES", 0, "Time between two; 0: none by the clock (10; 0 with --checkpoint-steps)", 0},
    {"checkpoint-steps", KEY_CHECKPOINT_STEPS, "UPDATES", 0, "Updates between two (none)", 0},
    {"keep", KEY_KEEP, "N", 0, "Keep the last N, FILE, FILE.1, ..., after the end too (one, removed at the end)", 0},
    {0},
};

static void add_dense(options *o, const struct argp_state *state, const char *layer)
{
    char *end;
    unsigned long units = strtoul(layer, &end, 10);
    if (o->training.model.dense_layers == WEIR_MAX_DENSE || units < 1 || units > WEIR_MAX_UNITS || *end != ':')
        argp_error(state, "--dense takes UNITS:ACTIVATION, at most %d times, not \"%s\"", (int)WEIR_MAX_DENSE, layer);
    weir_dense d = {.units = (uint32_t)units, .activation = option_activation(state, "dense", end + 1)};
    o->training.model.dense[o->training.model.dense_layers++] = d;
}

/* What a run may set anew when it goes on. The first four are not even kept. */
static bool is_of_the_run(int key)
{
    static const int keys[] = {KEY_MPI, KEY_THREADS, KEY_ISA, KEY_QUIET, KEY_RESUME, 'o', KEY_LOG, KEY_PLOT, KEY_CHECKPOINT, KEY_EVERY,
                               KEY_CHECKPOINT_STEPS, KEY_KEEP, KEY_EPOCHS};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i] == key)
            return true;
    return false;
}

static bool is_kept(int key)
{
    return key != KEY_MPI && key != KEY_THREADS && key != KEY_ISA && key != KEY_QUIET && key != KEY_RESUME;
}

static const char *name_of(int key)
{
    for (const struct argp_option *option = option_list; option->name || option->doc; option++)
        if (option->name && option->key == key)
            return option->name;
    return NULL;
}

/* Keeps an option for checkpoints. A training that goes on takes no other options than it had. */
static void keep_option(options *o, const struct argp_state *state, int key, const char *arg)
{
    const char *name = name_of(key);
    if (!name || !is_kept(key))
        return;
    json_t *option = arg ? json_sprintf("--%s=%s", name, arg) : json_sprintf("--%s", name);
    if (!option)
        argp_error(state, "--%s: the text is no valid UTF-8, which a checkpoint needs", name);
    if (!o->going_on || is_of_the_run(key))
        arguments_keep(o->arguments, option, key == KEY_DENSE);
    else if (!arguments_have(o->arguments, option))
        argp_error(state, "%s is not what the training in %s began with; leave it out, or train anew", json_string_value(option), o->resume);
    json_decref(option);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    training *t = &o->training;
    keep_option(o, state, key, arg);
    if (o->going_on && name_of(key) && !is_of_the_run(key))
        return 0;
#define NUMBER(name, least, most) option_number(state, name, arg, least, most)
#define COUNT(name, least, most) option_count(state, name, arg, least, most)
#define NAME(name, names) option_name(state, name, arg, names)
    switch (key) {
    case 'o': o->output = arg; break;
    case KEY_TASK: t->task = (enum task)NAME("task", task_names); break;
    case KEY_SPLIT: t->split = NUMBER("split", 0.01, 0.99); break;
    case KEY_TARGET: t->series.targets = arg; break;
    case KEY_PERIOD: t->series.period = COUNT("period", 1, 1000000); break;
    case KEY_TRANSFORM: t->series.transform = arg; break;
    case KEY_HORIZON: t->series.horizon = COUNT("horizon", 1, 10000); break;
    case KEY_HOLDOUT:
        t->series.holdout = NUMBER("holdout", 0, 1e9);
        t->series.no_holdout = t->series.holdout == 0;
        break;
    case KEY_ID: t->labels.id = arg; break;
    case KEY_LABEL: t->labels.label = arg; break;
    case KEY_HIDDEN: t->model.hidden = COUNT("hidden", 1, WEIR_MAX_UNITS); break;
    case KEY_LAYERS: t->model.layers = COUNT("layers", 1, WEIR_MAX_LAYERS); break;
    case KEY_NO_PEEPHOLES: t->model.no_peepholes = true; break;
    case KEY_PROJECTION: t->model.projection = COUNT("projection", 1, WEIR_MAX_UNITS); break;
    case KEY_DIRECTION: t->model.direction = (weir_direction)NAME("direction", direction_names); break;
    case KEY_COUPLED: t->model.coupled = true; break;
    case KEY_NO_FORGET: t->model.no_forget_gate = true; break;
    case KEY_GATE: t->model.gate = option_activation(state, "gate", arg); break;
    case KEY_CANDIDATE: t->model.candidate = option_activation(state, "candidate", arg); break;
    case KEY_OUT_ACTIVATION: t->model.output_activation = option_activation(state, "output-activation", arg); break;
    case KEY_ACT_CLIP: t->model.activation_clip = (float)NUMBER("activation-clip", 1e-6, 1e30); break;
    case KEY_CELL_CLIP: t->model.cell_clip = (float)NUMBER("cell-clip", 1e-6, 1e30); break;
    case KEY_DENSE: add_dense(o, state, arg); break;
    case KEY_INIT: t->model.init = (weir_init)NAME("init", init_names); break;
    case KEY_INIT_SCALE: t->model.init_scale = (float)NUMBER("init-scale", 1e-9, 1e9); break;
    case KEY_FORGET_BIAS:
        t->set_forget_bias = true;
        t->forget_bias = (float)NUMBER("forget-bias", -1e6, 1e6);
        break;
    case KEY_BATCH: t->batch = COUNT("batch", 1, 65536); break;
    case KEY_STEPS: t->steps = COUNT("steps", 1, 1000000); break;
    case KEY_EPOCHS: t->epochs = COUNT("epochs", 1, 1000000); break;
    case KEY_OPTIMIZER: t->train.optimizer = (weir_optimizer)NAME("optimizer", optimizer_names); break;
    case KEY_RATE: t->train.rate = (float)NUMBER("rate", 1e-12, 1e6); break;
    case KEY_MOMENTUM: t->train.momentum = (float)NUMBER("momentum", 0, 0.99999); break;
    case KEY_SCHEDULE: t->train.schedule = (weir_schedule)NAME("schedule", schedule_names); break;
    case KEY_WARMUP: t->train.warmup = COUNT("warmup", 0, 1000000000); break;
    case KEY_CLIP: t->train.clip = (float)NUMBER("clip", 1e-12, 1e30); break;
    case KEY_DECAY: t->train.weight_decay = (float)NUMBER("weight-decay", 0, 1e6); break;
    case KEY_DROPOUT: t->train.dropout = (float)NUMBER("dropout", 0, 0.99); break;
    case KEY_HEAD_DROPOUT: t->train.head_dropout = (float)NUMBER("head-dropout", 0, 0.99); break;
    case KEY_PATIENCE: t->patience = COUNT("patience", 1, 1000000); break;
    case KEY_SEED: t->seed = COUNT("seed", 1, UINT32_MAX); break;
    case KEY_SHARDS: t->train.shards = COUNT("shards", 1, 65536); break;
    case KEY_MPI: o->mpi = NAME("mpi", mpi_names); break;
    case KEY_THREADS: o->threads = COUNT("threads", 1, 1024); break;
    case KEY_ISA: t->model.isa = option_isa(state, arg); break;
    case KEY_LOG: o->log = arg; break;
    case KEY_PLOT: o->plot = option_picture(state, "plot", arg); break;
    case KEY_QUIET: o->quiet = true; break;
    case KEY_RESUME: o->resume = arg; break;
    case KEY_CHECKPOINT: o->checkpoint = arg; break;
    case KEY_EVERY:
        o->checkpoints.every = 60 * NUMBER("checkpoint-every", 0, 1e6);
        o->set_every = true;
        break;
    case KEY_CHECKPOINT_STEPS: o->checkpoints.steps = COUNT("checkpoint-steps", 1, UINT32_MAX); break;
    case KEY_KEEP: o->checkpoints.keep = COUNT("keep", 1, 1000); break;
    case ARGP_KEY_ARGS:
        t->paths = state->argv + state->next;
        t->count = (size_t)(state->argc - state->next);
        break;
    case ARGP_KEY_NO_ARGS:
        if (!o->resume)
            argp_error(state, "name the data to train on");
        break;
    case ARGP_KEY_END:
        if (!o->output && !o->resume)
            argp_error(state, "name the model to write: -o MODEL");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
#undef NUMBER
#undef COUNT
#undef NAME
    return 0;
}

static const struct argp argp = {option_list, parse, "DATA...\n--resume CHECKPOINT",
                                 "Trains a stacked LSTM on a text or a CSV and writes the best model.", 0, 0, 0};

/* Of several processes the first one alone speaks of wrong usage. */
static void parse_options(int argc, char **argv, options *o)
{
    int silence = cluster_follows() ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (silence < 0) {
        argp_parse(&argp, argc, argv, 0, NULL, o);
        return;
    }
    int out = dup(STDOUT_FILENO), errors = dup(STDERR_FILENO);
    dup2(silence, STDOUT_FILENO);
    dup2(silence, STDERR_FILENO);
    argp_parse(&argp, argc, argv, 0, NULL, o);
    dup2(out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    close(silence);
    close(out);
    close(errors);
}

/* ---- Going on ---- */

/* Reads the options of a checkpoint, and those of the command line over them. */
static int take_up(options *o, stopped *s, int argc, char **argv)
{
    const char *path = o->resume;
    cluster *c = o->cluster;
    if (cluster_agree(c, stopped_open(s, path)))
        return FAILED;
    json_decref(o->arguments);
    *o = (options){.training = training_defaults(), .arguments = json_array(), .cluster = c, .resume = path};
    parse_options(s->argc, s->argv, o);
    o->going_on = true;
    parse_options(argc, argv, o);
    return DONE;
}

/* The network and the batches must be those of the checkpoint, which has the last word on all other settings. */
static int take_settings(training *t, const data *d, const stopped *s, const char *path)
{
    weir_checkpoint_info then;
    weir_checkpoint_get(s->checkpoint, &then);
    if (then.train->rows != t->train.rows || then.train->steps != t->train.steps || then.model->inputs != t->model.inputs ||
        then.model->tokens != t->model.tokens || then.model->outputs != t->model.outputs || then.now.batches != d->fit.train->batches)
        return complain("this weir makes another training of the options in %s than the one that wrote it; train anew, or go on with that weir",
                        path);
    weir_isa isa = t->model.isa;
    t->train = *then.train;
    t->model = *then.model;
    t->model.isa = isa;
    return DONE;
}

/* ---- Output ---- */

/* What is written at the end must be possible at the start, and must not be the data. */
static int check_outputs(const options *o)
{
    const char *outputs[] = {o->output, o->plot, o->checkpoints.path, o->log};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        if (!outputs[i])
            continue;
        for (size_t j = 0; j < o->training.count; j++)
            if (same_file(outputs[i], o->training.paths[j]))
                return complain("%s is the data; it is not overwritten", outputs[i]);
        if (outputs[i] != o->log && check_output(outputs[i]))
            return FAILED;
    }
    return DONE;
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

typedef struct running {
    options *o;
    data *d;
    progress *p;
    weir_trainer *trainer;
    weir_progress best;
    bool usable; /* the trainer holds weights worth keeping, which it may even after a failure */
} running;

/* All processes bring what they have; the first one writes. */
static bool write_checkpoint(running *r)
{
    weir_error err;
    if (weir_trainer_gather(r->trainer, &err))
        return false;
    bool written = !cluster_leads(r->o->cluster) || checkpoints_write(&r->o->checkpoints, r->trainer, r->p) == DONE;
    cluster_speak(r->o->cluster);
    return written;
}

/* The first process's clock says for all when it is time for a checkpoint. */
static bool report(void *ctx, const weir_progress *now)
{
    running *r = ctx;
    bool go_on = progress_report(r->p, now), last = now->epoch_done && now->epoch == now->epochs;
    bool due = !now->epoch_done && checkpoints_due(&r->o->checkpoints) && go_on && !last;
    if (cluster_any(r->o->cluster, due && cluster_leads(r->o->cluster)))
        write_checkpoint(r);
    return go_on;
}

/* A signal to one process stops all of them; each then knows of it. */
static void share_interrupt(cluster *c)
{
    if (cluster_any(c, progress_interrupted() != 0) && !progress_interrupted())
        progress_interrupt(SIGTERM);
}

/* Writes a checkpoint, and ends a line on stderr with how to go on. */
static void say_how_to_go_on(running *r)
{
    checkpoints *c = &r->o->checkpoints;
    c->failed = false;
    bool written = write_checkpoint(r);
    if (!c->ours || !cluster_leads(r->o->cluster))
        return;
    fprintf(stderr, "weir: to go on%s: weir train --resume ", written ? "" : " from an earlier batch");
    write_quoted(stderr, c->path);
    fputc('\n', stderr);
}

static int fit(running *r)
{
    weir_error err;
    r->d->fit.report = report;
    r->d->fit.ctx = r;
    progress_start(r->p);
    checkpoints_start(&r->o->checkpoints);
    weir_status status = weir_trainer_fit(r->trainer, &r->d->fit, &r->best, &err);
    progress_end(r->p);
    bool none = !r->best.epoch_done;
    r->usable = !status || !none;
    if (!status)
        share_interrupt(r->o->cluster);
    if (status) {
        complain("%s%s", err.text, none ? "" : "; the best model so far is kept");
        cluster_speak(r->o->cluster);
    } else if (progress_interrupted() && cluster_leads(r->o->cluster))
        fprintf(stderr, "weir: interrupted; %s\n", none ? "no epoch was done: the weights so far are kept" : "the best model so far is kept");
    if (status == WEIR_E_IO || (!status && progress_interrupted())) /* it may be another time */
        say_how_to_go_on(r);
    if (status)
        return FAILED;
    if (!progress_interrupted())
        say(r->o->quiet, "best: epoch %u, train %.4f, valid %.4f", (unsigned)r->best.epoch, r->best.train_loss, r->best.valid_loss);
    return DONE;
}

static int save(running *r)
{
    const options *o = r->o;
    if (!r->usable)
        return FAILED;
    int saved = cluster_leads(o->cluster) ? training_save(r->d, &o->training, r->trainer, &r->best, o->output) : DONE;
    saved = cluster_agree(o->cluster, saved);
    if (saved == DONE)
        say(o->quiet, "model: %s", o->output);
    return saved;
}

/* A new trainer, or that of a stopped training. *model: what it began with, or has come to. */
static int make_trainer(const training *t, const weir_checkpoint *from, weir_model **model, weir_trainer **trainer)
{
    weir_error err;
    weir_status status = from ? weir_trainer_resume(trainer, from, t->model.isa, t->train.parallel, t->train.cluster, &err)
                              : weir_model_new(model, &t->model, NULL, 0, &err);
    if (!status)
        status = from ? weir_trainer_model(*trainer, model, NULL, &err) : weir_trainer_new(trainer, *model, &t->train, &err);
    return status ? complain("%s", err.text) : DONE;
}

static void say_start(const running *r, const weir_model *model, const weir_checkpoint *from)
{
    const weir_config *c = weir_model_config(model);
    bool quiet = r->o->quiet;
    say(quiet, "%s", r->d->summary);
    say(quiet, "model: %u x %u, %zu weights, %s; %.0f MiB to train", (unsigned)c->layers, (unsigned)c->hidden, weir_model_parameters(model),
        weir_isa_name(c->isa), (double)weir_trainer_memory(r->trainer) / 1048576);
    if (from) {
        weir_checkpoint_info info;
        weir_checkpoint_get(from, &info);
        say(quiet, "going on in epoch %u, after %zu of %zu batches", (unsigned)info.now.epoch, info.now.batch, info.now.batches);
    }
}

static int train(data *d, options *o, progress *p, const weir_checkpoint *from)
{
    weir_model *model = NULL;
    running r = {.o = o, .d = d, .p = p};
    bool leads = cluster_leads(o->cluster);
    threads pool = threads_start(cluster_threads(o->cluster, o->threads), false);
    if (pool.pool)
        o->training.train.parallel = &pool.parallel;
    o->training.train.cluster = cluster_of(o->cluster);
    int status = cluster_agree(o->cluster, make_trainer(&o->training, from, &model, &r.trainer));
    if (status == DONE) {
        say_start(&r, model, from);
        status = fit(&r);
    }
    if (save(&r))
        status = FAILED;
    weir_trainer_free(r.trainer);
    weir_model_free(model);
    threads_stop(&pool);
    if (status == DONE && !progress_interrupted() && leads)
        checkpoints_end(&o->checkpoints);
    if (status == DONE && leads)
        status = plot(p, o);
    return status == DONE && progress_interrupted() ? 128 + progress_interrupted() : status;
}

/* Opens the log and trains. */
static int run(data *d, options *o, const stopped *s)
{
    progress p = {.quiet = o->quiet, .symbols = d->symbols, .unit = d->unit};
    int status = DONE;
    if (s->checkpoint) {
        weir_checkpoint_info info;
        weir_checkpoint_get(s->checkpoint, &info);
        if (!progress_from_json(&p, json_object_get(s->notes, "progress"), &info.now))
            status = complain("%s does not say how the training went so far", o->resume);
    }
    if (status == DONE && o->log && cluster_leads(o->cluster))
        status = progress_open_log(&p, o->log, s->checkpoint != NULL);
    status = cluster_agree(o->cluster, status);
    if (status == DONE)
        status = train(d, o, &p, s->checkpoint);
    int closed = progress_close_log(&p, o->log);
    progress_free(&p);
    return status == DONE ? closed : status;
}

/* The data as they are now, which must be those of the training that goes on. */
static int describe_data(options *o, const stopped *s, json_t **described)
{
    o->checkpoints.data = *described = data_describe(o->training.paths, o->training.count);
    if (!*described)
        return FAILED;
    return s->checkpoint ? data_compare(json_object_get(s->notes, "data"), *described) : DONE;
}

/* All processes must read the same. */
static int share_data(options *o, const stopped *s, json_t **described)
{
    int status = cluster_agree(o->cluster, describe_data(o, s, described));
    return status == DONE ? cluster_agree(o->cluster, cluster_same_data(o->cluster, *described)) : status;
}

static int open_and_run(options *o, const stopped *s)
{
    data d = {0};
    json_t *described = NULL;
    int status = share_data(o, s, &described);
    if (status == DONE)
        status = cluster_agree(o->cluster, training_open(&d, &o->training));
    if (status == DONE)
        training_configure(&d, &o->training);
    if (status == DONE && s->checkpoint)
        status = take_settings(&o->training, &d, s, o->resume);
    if (status == DONE)
        status = run(&d, o, s);
    training_close(&d);
    json_decref(described);
    return status;
}

/* MODEL.checkpoint, unless named; every 10 minutes, unless told. *room: to be freed. */
static int plan_checkpoints(options *o, char **room)
{
    enum { DEFAULT_SECONDS = 600 };
    checkpoints *c = &o->checkpoints;
    size_t size = strlen(o->output) + sizeof ".checkpoint";
    *room = malloc(size);
    if (!*room)
        return complain("there is no memory left");
    snprintf(*room, size, "%s.checkpoint", o->output);
    c->path = o->checkpoint ? o->checkpoint : *room;
    c->arguments = o->arguments;
    if (!o->set_every)
        c->every = c->steps ? 0 : DEFAULT_SECONDS;
    c->ours = o->resume && same_file(o->resume, c->path);
    if (cluster_leads(o->cluster))
        checkpoints_tidy(c->path);
    if (!o->resume && access(c->path, F_OK) == 0)
        say(o->quiet, "%s is of a training that was stopped and will be written over; weir train --resume goes on with it", c->path);
    return strcmp(c->path, o->output) ? DONE : complain("%s cannot be both the model and its checkpoint", c->path);
}

static int check_shards(const options *o)
{
    const weir_cluster *c = cluster_of(o->cluster);
    if (c && !o->training.train.shards)
        return complain("%u processes need --shards N, with N at least %u: the result depends on N, but not on the processes that share them",
                        (unsigned)c->ranks, (unsigned)c->ranks);
    return DONE;
}

/* By each of the processes. What one of them cannot do, none does: they agree on it. */
static int train_together(options *o, int argc, char **argv)
{
    stopped s = {0};
    char *room = NULL;
    int status = o->resume ? take_up(o, &s, argc, argv) : DONE;
    o->quiet |= !cluster_leads(o->cluster);
    if (status == DONE)
        status = cluster_agree(o->cluster, cluster_same_settings(o->cluster, o->arguments));
    if (status == DONE)
        status = check_shards(o);
    if (status == DONE)
        status = plan_checkpoints(o, &room);
    if (status == DONE)
        status = cluster_agree(o->cluster, cluster_leads(o->cluster) ? check_outputs(o) : DONE);
    if (status == DONE)
        status = open_and_run(o, &s);
    free(room);
    stopped_free(&s);
    return status;
}

int cmd_train(int argc, char **argv)
{
    cluster c;
    options o = {.training = training_defaults(), .arguments = json_array(), .cluster = &c};
    parse_options(argc, argv, &o);
    int status = cluster_start(&c, o.mpi);
    if (status == DONE) {
        status = train_together(&o, argc, argv);
        cluster_stop(&c);
    }
    json_decref(o.arguments);
    return status;
}
