/* SPDX-License-Identifier: MIT */
#include "tune_space.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "data/splitmix.h"

const struct tune_setting tune_settings[TUNE_SETTINGS] = {
    [TUNE_RATE] = {"rate", true},
    [TUNE_HIDDEN] = {"hidden", false},
    [TUNE_LAYERS] = {"layers", false},
    [TUNE_BATCH] = {"batch", false},
    [TUNE_STEPS] = {"steps", false},
    [TUNE_DROPOUT] = {"dropout", false},
    [TUNE_HEAD_DROPOUT] = {"head-dropout", false},
    [TUNE_DECAY] = {"weight-decay", true},
    [TUNE_SCHEDULE] = {"schedule", false},
    [TUNE_PEEPHOLES] = {"peepholes", false},
};

void tune_values(double out[TUNE_SETTINGS], const training *t)
{
    out[TUNE_RATE] = (double)t->train.rate;
    out[TUNE_HIDDEN] = t->model.hidden;
    out[TUNE_LAYERS] = t->model.layers;
    out[TUNE_BATCH] = t->train.rows;
    out[TUNE_STEPS] = t->train.steps;
    out[TUNE_DROPOUT] = (double)t->train.dropout;
    out[TUNE_HEAD_DROPOUT] = (double)t->train.head_dropout;
    out[TUNE_DECAY] = (double)t->train.weight_decay;
    out[TUNE_SCHEDULE] = (double)t->train.schedule;
    out[TUNE_PEEPHOLES] = t->model.no_peepholes ? 0 : 1;
}

/* ---- Random numbers: each setting has its own, so that one that is given changes no other ---- */

typedef struct dice {
    uint64_t seed;
    uint32_t trial;
} dice;

/* In [0, 1): splitmix64's finaliser of where it is. */
static double roll(const dice *d, uint32_t setting)
{
    uint64_t z = d->seed * 0x9E3779B97F4A7C15u + ((uint64_t)d->trial << 8) + setting;
    return (double)(splitmix(splitmix(z)) >> 11) / 9007199254740992.0;
}

static uint32_t choose(const dice *d, uint32_t setting, uint32_t n)
{
    return (uint32_t)(roll(d, setting) * n);
}

/* least * ratio^u */
static double spread(const dice *d, uint32_t setting, double least, double ratio)
{
    return least * pow(ratio, roll(d, setting));
}

static void add(tune_draw *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(tune_draw *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out->argument[out->count++], TUNE_ARGUMENT, format, args);
    va_end(args);
}

/* ---- The settings ---- */

static void draw_sizes(tune_draw *out, const dice *d, const training *given, const training *base)
{
    static const double factors[] = {0.5, 0.75, 1, 1.5, 2};
    if (!given->model.hidden) {
        uint32_t units = (uint32_t)(base->model.hidden * factors[choose(d, TUNE_HIDDEN, 5)] / 4 + 0.5) * 4; /* a multiple of 4 */
        add(out, "--hidden=%u", units ? units : 4);
    }
    if (!given->model.layers)
        add(out, "--layers=%u", 1 + choose(d, TUNE_LAYERS, 3));
    if (!given->model.no_peepholes && choose(d, TUNE_PEEPHOLES, 2))
        add(out, "--no-peepholes");
}

/* A half, one, or two of the usual number. */
static uint32_t halved_or_doubled(const dice *d, uint32_t setting, uint32_t usual)
{
    uint32_t n = (usual << choose(d, setting, 3)) / 2;
    return n ? n : 1;
}

static void draw_batches(tune_draw *out, const dice *d, enum task task, const training *given, const training *base)
{
    if (!given->batch)
        add(out, "--batch=%u", halved_or_doubled(d, TUNE_BATCH, base->train.rows));
    if (!given->steps && task != TASK_LABELS)
        add(out, "--steps=%u", halved_or_doubled(d, TUNE_STEPS, base->train.steps));
}

static void draw_rates(tune_draw *out, const dice *d, const training *given, const training *base)
{
    if (given->train.rate == 0 && !given->find_rate)
        add(out, "--rate=%.2g", spread(d, TUNE_RATE, (double)base->train.rate / 6, 36));
    if ((int)given->train.schedule < 0)
        add(out, "--schedule=%s", schedule_names[choose(d, TUNE_SCHEDULE, 3)]);
}

static void draw_regularisation(tune_draw *out, const dice *d, const training *given)
{
    if (given->train.dropout < 0)
        add(out, "--dropout=%g", choose(d, TUNE_DROPOUT, 11) / 20.0);
    if (given->train.head_dropout < 0)
        add(out, "--head-dropout=%g", choose(d, TUNE_HEAD_DROPOUT, 11) / 20.0);
    if (given->train.weight_decay >= 0)
        return;
    if (given->train.optimizer == WEIR_ADAM)
        add(out, "--optimizer=adamw");
    if (roll(d, TUNE_DECAY) < 0.5)
        add(out, "--weight-decay=0");
    else
        add(out, "--weight-decay=%.2g", spread(d, TUNE_SETTINGS, 1e-3, 300));
}

void tune_draw_trial(tune_draw *out, uint64_t seed, uint32_t trial, enum task task, const training *given, const training *base)
{
    dice d = {seed, trial};
    *out = (tune_draw){0};
    if (trial == 0)
        return;
    draw_sizes(out, &d, given, base);
    draw_batches(out, &d, task, given, base);
    draw_rates(out, &d, given, base);
    draw_regularisation(out, &d, given);
}
