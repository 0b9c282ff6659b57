/* The options of weir train.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "train.h"

enum {
    KEY_TASK = 256, KEY_HIDDEN, KEY_LAYERS, KEY_NO_PEEPHOLES, KEY_BATCH, KEY_STEPS, KEY_OPTIMIZER, KEY_RATE, KEY_CLIP, KEY_EPOCHS,
    KEY_DROPOUT, KEY_SPLIT, KEY_SEED, KEY_INIT, KEY_TARGET, KEY_THREADS, KEY_ISA, KEY_LOG, KEY_PLOT, KEY_QUIET, KEY_SCHEDULE, KEY_WARMUP,
    KEY_DECAY, KEY_MOMENTUM, KEY_PATIENCE, KEY_FORGET_BIAS, KEY_GATE, KEY_CANDIDATE, KEY_OUT_ACTIVATION, KEY_DENSE, KEY_DIRECTION,
    KEY_PROJECTION, KEY_CELL_CLIP, KEY_ACT_CLIP, KEY_COUPLED, KEY_NO_FORGET, KEY_HEAD_DROPOUT, KEY_PERIOD, KEY_TRANSFORM, KEY_HORIZON,
    KEY_HOLDOUT, KEY_ID, KEY_LABEL, KEY_HEAD, KEY_EACH_ROW, KEY_CLASS_WEIGHTS, KEY_INIT_SCALE,
    KEY_CHECKPOINT, KEY_EVERY, KEY_CHECKPOINT_STEPS, KEY_KEEP, KEY_RESUME, KEY_SHARDS, KEY_MPI,
    KEY_DISTRIBUTION, KEY_SERIES, KEY_KNOWN, KEY_NO_CALENDAR
};

const struct argp_option train_option_list[] = {
    {0, 0, 0, 0, "Data and output", 1},
    {"output", 'o', "MODEL", 0, "The model file to write (the data's name with .weir, in this folder)", 0},
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
    {"label", KEY_LABEL, "COLUMNS", 0, "Column of labels, or several of 0 and 1 by commas (labels)", 0},
    {"head", KEY_HEAD, "NAME", 0, "auto, softmax, binary or multilabel (labels; default auto: by the labels)", 0},
    {"each-row", KEY_EACH_ROW, 0, 0, "Every row has a label of its own (labels)", 0},
    {"class-weights", KEY_CLASS_WEIGHTS, "WEIGHTS", 0, "none, balanced, or NAME:WEIGHT by commas (labels; default none)", 0},
    {0, 0, 0, 0, "Network", 2},
    {"hidden", KEY_HIDDEN, "N", 0, "Units of a layer (by the amount of data)", 0},
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
    {"batch", KEY_BATCH, "N", 0, "Sequences side by side (by the amount of data)", 0},
    {"steps", KEY_STEPS, "N", 0, "Steps of truncated back-propagation (64)", 0},
    {"epochs", KEY_EPOCHS, "N", 0, "Passes over the data (by the amount of data)", 0},
    {"optimizer", KEY_OPTIMIZER, "NAME", 0, "adam, adamw, rmsprop or sgd", 0},
    {"rate", KEY_RATE, "X", 0, "Learning rate (0.004 for a text, else less; auto: found by a range test)", 0},
    {"momentum", KEY_MOMENTUM, "X", 0, "Momentum of sgd and rmsprop (0)", 0},
    {"schedule", KEY_SCHEDULE, "NAME", 0, "constant, cosine or plateau (cosine for a text)", 0},
    {"warmup", KEY_WARMUP, "UPDATES", 0, "Linear warm-up of the cosine schedule (0)", 0},
    {"clip", KEY_CLIP, "X", 0, "Largest norm of the gradient (5)", 0},
    {"weight-decay", KEY_DECAY, "X", 0, "Weight decay (0)", 0},
    {"dropout", KEY_DROPOUT, "SHARE", 0, "Dropout between layers (by kind and amount of data)", 0},
    {"head-dropout", KEY_HEAD_DROPOUT, "SHARE", 0, "Dropout in the head (by kind and amount of data)", 0},
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

static void add_dense(train_options *o, const struct argp_state *state, const char *layer)
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
    for (const struct argp_option *option = train_option_list; option->name || option->doc; option++)
        if (option->name && option->key == key)
            return option->name;
    return NULL;
}

/* Keeps an option for checkpoints. A training that goes on takes no other options than it had. */
static void keep_option(train_options *o, const struct argp_state *state, int key, const char *arg)
{
    const char *name = name_of(key);
    if (!o->arguments || !name || !is_kept(key))
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

error_t train_parse(int key, char *arg, struct argp_state *state)
{
    train_options *o = state->input;
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
    case KEY_DISTRIBUTION: t->series.distribution = arg; break;
    case KEY_SERIES: t->series.series = arg; break;
    case KEY_KNOWN: t->series.known = arg; break;
    case KEY_NO_CALENDAR: t->series.no_calendar = true; break;
    case KEY_ID: t->labels.id = arg; break;
    case KEY_LABEL: t->labels.label = arg; break;
    case KEY_HEAD: t->labels.head = (labels_head)NAME("head", labels_heads); break;
    case KEY_EACH_ROW: t->labels.each_row = true; break;
    case KEY_CLASS_WEIGHTS: t->labels.class_weights = arg; break;
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
    case KEY_RATE:
        t->find_rate = strcmp(arg, "auto") == 0;
        t->train.rate = t->find_rate ? 0 : (float)NUMBER("rate", 1e-12, 1e6);
        break;
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
    default: return ARGP_ERR_UNKNOWN;
    }
#undef NUMBER
#undef COUNT
#undef NAME
    return 0;
}
