/* SPDX-License-Identifier: MIT */
#include "defaults.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- Text ---- */

static uint32_t between(double least, double x, double most)
{
    return (uint32_t)rint(x < least ? least : x > most ? most : x);
}

static void set(uint32_t *setting, uint32_t value)
{
    if (!*setting)
        *setting = value;
}

/* Batches and passes both follow the square root of the text, so that texts of 100 kB to 1 MB get about the same number of updates. */
void defaults_text(training *t, double bytes)
{
    double size = sqrt(bytes / 1e6);
    float dropout = bytes < 5e5 ? 0.2f : 0;
    set(&t->model.layers, 2);
    set(&t->model.hidden, 128);
    set(&t->batch, between(8, 50 * size, 64));
    set(&t->steps, 64);
    set(&t->epochs, between(1, 10 / size, 30));
    if (t->train.rate == 0)
        t->train.rate = 0.004f;
    if ((int)t->train.schedule < 0)
        t->train.schedule = WEIR_COSINE;
    if (t->train.dropout < 0)
        t->train.dropout = dropout;
    if (t->train.head_dropout < 0)
        t->train.head_dropout = dropout;
}

/* ---- What was picked ---- */

/* A line in the making: settings by commas, then the reason. */
typedef struct line {
    char *text;
    size_t size, settings;
} line;

static void add(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(line *l, const char *format, ...)
{
    size_t used = strlen(l->text);
    va_list args;
    va_start(args, format);
    vsnprintf(l->text + used, l->size - used, format, args);
    va_end(args);
}

static void begin_setting(line *l)
{
    add(l, "%s", l->settings++ ? ", " : *l->text ? "\n" : "");
}

static void count(line *l, const char *name, uint32_t given, uint32_t picked)
{
    if (given || !picked)
        return;
    begin_setting(l);
    add(l, "%s %u", name, (unsigned)picked);
}

static void number(line *l, const char *name, bool open, float picked)
{
    if (!open)
        return;
    begin_setting(l);
    add(l, "%s %g", name, (double)picked);
}

static void schedule(line *l, const training *given, const training *picked)
{
    if ((int)given->train.schedule >= 0)
        return;
    begin_setting(l);
    add(l, "schedule %s", schedule_names[picked->train.schedule]);
}

static void because(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void because(line *l, const char *format, ...)
{
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (l->settings)
        add(l, ": %s", reason);
    l->settings = 0;
}

static void sizes(line *l, const training *given, const training *picked)
{
    count(l, "hidden", given->model.hidden, picked->model.hidden);
    count(l, "layers", given->model.layers, picked->model.layers);
}

static void length(line *l, const training *given, const training *picked)
{
    count(l, "batch", given->batch, picked->train.rows);
    count(l, "steps", given->steps, picked->train.steps);
    count(l, "epochs", given->epochs, picked->epochs);
    count(l, "patience", given->patience, picked->patience);
}

static void rates(line *l, const training *given, const training *picked)
{
    number(l, "rate", given->train.rate == 0 && !given->find_rate, picked->train.rate);
    schedule(l, given, picked);
}

static void regularisation(line *l, const training *given, const training *picked)
{
    number(l, "dropout", given->train.dropout < 0, picked->train.dropout);
    number(l, "head-dropout", given->train.head_dropout < 0, picked->train.head_dropout);
    number(l, "weight-decay", given->train.weight_decay < 0 && picked->train.weight_decay > 0, picked->train.weight_decay);
}

static void explain_text(line *l, double bytes, const training *given, const training *picked)
{
    double kilobytes = bytes / 1000;
    sizes(l, given, picked);
    because(l, "more units gained little for their time on texts of 20 kB to 1 MB");
    length(l, given, picked);
    because(l, "batch and epochs follow the square root of the %.0f kB that train, so that short texts get enough updates", kilobytes);
    rates(l, given, picked);
    because(l, "half of this rate learned more slowly, twice was hardly better; the cosine is at 0 with the last update");
    regularisation(l, given, picked);
    because(l, picked->train.dropout > 0 ? "%.0f kB can be learned by heart; dropping units hinders that"
                                         : "%.0f kB are too many to be learned by heart in so few epochs",
            kilobytes);
}

static void explain_recipe(line *l, const training *given, const training *picked)
{
    sizes(l, given, picked);
    length(l, given, picked);
    rates(l, given, picked);
    regularisation(l, given, picked);
}

void defaults_explain(char *out, size_t size, enum task task, double amount, const training *given, const training *picked)
{
    line l = {.text = out, .size = size};
    *out = 0;
    if (task == TASK_TEXT) {
        explain_text(&l, amount, given, picked);
        return;
    }
    explain_recipe(&l, given, picked);
    if (task == TASK_SERIES)
        because(&l, "the recipe for %.0f rows, measured on four series (docs/forecasting.md)", amount);
    else
        because(&l, "a small network with an early stop, for %.0f sequences", amount);
}
