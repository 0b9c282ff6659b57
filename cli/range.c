/* SPDX-License-Identifier: MIT */
#include "range.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "plot.h"

enum { TRAILING = 10, AROUND = 5 };

/* 10^(1/30): multiplied up, so that no library's pow decides a bit of the training */
static const double least_rate = 1e-5, growth = 1.0797751623277096;

static double mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

/* Whether the mean of the last updates has risen from its lowest by half of what it had fallen, and by more than noise. */
static bool diverges(const range *r)
{
    if (r->updates < (size_t)TRAILING + 1)
        return false;
    double first = mean(r->loss, TRAILING), lowest = first, now = first;
    for (size_t i = 1; i + TRAILING <= r->updates; i++) {
        now = mean(r->loss + i, TRAILING);
        lowest = now < lowest ? now : lowest;
    }
    double fallen = (first - lowest) / 2, noise = fabs(first) / 10;
    return now > lowest + (fallen > noise ? fallen : noise);
}

/* Batches in the order of a training: epoch by epoch. */
static weir_status train_once(weir_trainer *t, const weir_source *source, size_t update, weir_loss *loss, weir_error *err)
{
    weir_batch batch = {0};
    weir_status status = source->get(source->ctx, (uint32_t)(update / source->batches) + 1, update % source->batches, &batch, err);
    return status ? status : weir_trainer_step(t, &batch, loss, err);
}

static weir_status climb(range *r, weir_trainer *t, const weir_source *source, weir_error *err)
{
    double rate = least_rate;
    for (size_t i = 0; i < RANGE_MOST && !r->diverged; i++, rate *= growth) {
        weir_loss loss;
        weir_status status = weir_trainer_set_rate(t, (float)rate, err);
        if (!status)
            status = train_once(t, source, i, &loss, err);
        r->diverged = status == WEIR_E_NONFINITE;
        if (status)
            return r->diverged ? WEIR_OK : status;
        if (!loss.count)
            continue;
        r->rate[r->updates] = rate;
        r->loss[r->updates++] = loss.sum / (double)loss.count;
        r->diverged = diverges(r);
    }
    return WEIR_OK;
}

weir_status range_test(range *out, const weir_model *model, const weir_train_config *config, const weir_source *source, weir_error *err)
{
    weir_trainer *t;
    weir_train_config steady = *config;
    steady.schedule = WEIR_CONSTANT;
    *out = (range){0};
    weir_status status = weir_trainer_new(&t, model, &steady, err);
    if (status)
        return status;
    status = climb(out, t, source, err);
    weir_trainer_free(t);
    range_pick(out);
    return status;
}

static float two_digits(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.1e", x);
    return strtof(text, NULL);
}

void range_pick(range *r)
{
    r->lowest = r->begin = 0;
    r->pick = 0;
    for (size_t i = 0; i < r->updates; i++) {
        size_t from = i < AROUND ? 0 : i - AROUND, to = i + AROUND + 1 < r->updates ? i + AROUND + 1 : r->updates;
        r->smooth[i] = mean(r->loss + from, to - from);
        if (r->smooth[i] < r->smooth[r->lowest])
            r->lowest = i;
    }
    double fall = r->updates ? r->smooth[0] - r->smooth[r->lowest] : 0;
    if (fall <= 0.02 * fabs(r->smooth[0]))
        return;
    for (size_t i = 0; i < r->lowest; i++)
        if (r->smooth[i] > r->smooth[0] - 0.1 * fall)
            r->begin = i;
    r->pick = two_digits(sqrt(r->rate[r->begin] * r->rate[r->lowest]));
}

const char *range_sentence(const range *r, double rate, char *text, size_t size)
{
    if (r->pick > 0)
        snprintf(text, size, "rate %g: between %.2g, where the loss begins to fall, and %.2g, where it is lowest; %zu updates from %g to %.2g%s",
                 rate, r->rate[r->begin], r->rate[r->lowest], r->updates, least_rate, r->rate[r->updates - 1],
                 r->diverged ? ", where it diverges" : "");
    else
        snprintf(text, size, "rate %g, the default: no rate from %g to 1 made the loss fall by 2 %% in %zu updates", rate, least_rate, r->updates);
    return text;
}

/* ---- The picture ---- */

static void write_data(FILE *f, const void *what)
{
    const range *r = what;
    fputs("# rate loss smoothed\n", f);
    for (size_t i = 0; i < r->updates; i++)
        fprintf(f, "%.9g %.9g %.9g\n", r->rate[i], r->loss[i], r->smooth[i]);
}

static void write_script(FILE *f, const char *data, const void *what)
{
    const range *r = what;
    fprintf(f, "set logscale x\nset format x '10^{%%T}'\nset xlabel 'learning rate'\nset ylabel 'loss of a batch'\nset key bottom left\n"
               "set offsets 0, 0, graph 0.05, graph 0.05\n");
    if (r->pick > 0)
        fprintf(f, "set arrow from %.9g, graph 0 to %.9g, graph 1 nohead dt 2 lw 1.5 lc rgb '#555555'\n"
                   "set label 'picked: %g' at %.9g, graph 0.95 right offset -1, 0 textcolor rgb '#333333'\n",
                (double)r->pick, (double)r->pick, (double)r->pick, (double)r->pick);
    fprintf(f, "plot %s using 1:2 with points pt 7 ps 0.4 lc rgb '#9db8d2' title 'each update', \\\n"
               "     '' using 1:3 with lines lw 2 lc rgb '#1f6fb4' title 'mean of 11 around'\n",
            data);
}

int range_plot(const range *r, const char *picture, bool quiet)
{
    return plot_draw(picture, quiet, write_data, write_script, r);
}
