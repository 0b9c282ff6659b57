/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "plot.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

int progress_interrupted(void)
{
    return (int)interrupted;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_start(progress *p)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}; /* a second Ctrl-C ends at once */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    p->terminal = isatty(STDERR_FILENO) && !p->quiet;
    p->start = p->epoch_start = seconds();
}

static void time_left(double s, char *text, size_t size)
{
    if (s < 100)
        snprintf(text, size, "%.0f s", s);
    else if (s < 6000)
        snprintf(text, size, "%.0f min", s / 60);
    else
        snprintf(text, size, "%.1f h", s / 3600);
}

static int terminal_width(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

/* [####....] of at most so many characters */
static void make_bar(char *bar, int width, double share)
{
    enum { MOST = 24, LEAST = 4 };
    int inside = width - 2 < MOST ? width - 2 : MOST;
    int full = (int)(share * inside);
    *bar = 0;
    if (inside < LEAST)
        return;
    memset(bar + 1, '#', (size_t)full);
    memset(bar + 1 + full, '.', (size_t)(inside - full));
    bar[0] = '[';
    strcpy(bar + 1 + inside, "]");
}

static void draw_bar(progress *p, const weir_progress *now)
{
    double t = seconds(), share = (double)now->batch / (double)now->batches;
    if (t - p->drawn < 0.1 && now->batch < now->batches)
        return;
    p->drawn = t;
    double done = (double)(now->epoch - 1) + share, left = (t - p->start) / done * ((double)now->epochs - done);
    double speed = p->symbols * share / (t - p->epoch_start + 1e-9);
    char remaining[32], bar[32], before[48], after[128], line[256];
    time_left(left, remaining, sizeof remaining);
    int width = terminal_width() - 1; /* a line that fills the last column would wrap */
    int used = snprintf(before, sizeof before, "epoch %u/%u ", (unsigned)now->epoch, (unsigned)now->epochs);
    used += snprintf(after, sizeof after, " loss %.4f  %.0f %s/s  %s left", now->train_loss, speed, p->unit, remaining);
    make_bar(bar, width - used, share);
    snprintf(line, sizeof line, "%s%s%s", before, bar, after);
    fprintf(stderr, "\r%.*s\033[K", width, line);
    fflush(stderr);
}

static void write_number(FILE *f, const char *key, double value)
{
    if (isfinite(value))
        fprintf(f, ", \"%s\": %.9g", key, value);
    else
        fprintf(f, ", \"%s\": null", key);
}

static void log_epoch(progress *p, const weir_progress *now, double took)
{
    if (!p->log)
        return;
    fprintf(p->log, "{\"epoch\": %u", (unsigned)now->epoch);
    write_number(p->log, "train_loss", now->train_loss);
    write_number(p->log, "valid_loss", now->valid_loss);
    write_number(p->log, "seconds", took);
    write_number(p->log, "rate", now->rate);
    fprintf(p->log, ", \"best\": %s}\n", now->best ? "true" : "false");
    fflush(p->log);
}

static void end_epoch(progress *p, const weir_progress *now)
{
    double t = seconds(), took = t - p->epoch_start;
    p->epoch_start = t;
    weir_progress *more = realloc(p->history, (p->epochs + 1) * sizeof *more);
    if (more) {
        p->history = more;
        p->history[p->epochs++] = *now;
    }
    log_epoch(p, now, took);
    if (p->quiet)
        return;
    fprintf(stderr, "%sepoch %u/%u  train %.4f  valid %.4f  %.1f s%s\n", p->terminal ? "\r\033[K" : "", (unsigned)now->epoch,
            (unsigned)now->epochs, now->train_loss, now->valid_loss, took, now->best ? "  best" : "");
}

/* Once, when some updates have been timed: says how long all will take, if that is more than a minute. */
static void estimate(progress *p, const weir_progress *now)
{
    enum { LEAST_UPDATES = 4 };
    double update = (double)(now->epoch - 1) * (double)now->batches + (double)now->batch, took = seconds() - p->start;
    if (p->first_update == 0)
        p->first_update = update;
    double done = update - p->first_update + 1, all = (double)now->epochs * (double)now->batches;
    if (p->estimated || p->quiet || done < LEAST_UPDATES || took < 1)
        return;
    p->estimated = true;
    double left = took / done * (all - update);
    char text[32];
    time_left(left, text, sizeof text);
    if (took + left > 60)
        fprintf(stderr, "%sabout %s for %u epochs\n", p->terminal ? "\r\033[K" : "", text, (unsigned)now->epochs);
}

bool progress_report(void *ctx, const weir_progress *now)
{
    progress *p = ctx;
    estimate(p, now);
    if (now->epoch_done)
        end_epoch(p, now);
    else if (p->terminal)
        draw_bar(p, now);
    return !interrupted;
}

void progress_end(progress *p)
{
    if (p->terminal)
        fputs("\r\033[K", stderr);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

void progress_free(progress *p)
{
    free(p->history);
    p->history = NULL;
}

struct curves {
    const progress *p;
    const char *title;
};

static void write_curves(FILE *f, const void *what)
{
    const progress *p = ((const struct curves *)what)->p;
    fputs("# epoch train_loss valid_loss\n", f);
    for (size_t i = 0; i < p->epochs; i++)
        fprintf(f, "%u %.9g %.9g\n", (unsigned)p->history[i].epoch, p->history[i].train_loss, p->history[i].valid_loss);
}

static void write_curves_script(FILE *f, const char *data, const void *what)
{
    const struct curves *c = what;
    fprintf(f, "set title \"%s\" noenhanced\nset xlabel 'epoch'\nset ylabel 'loss'\nset key top right\nset offsets graph 0.02, 0.02, 0.05, 0.05\n",
            c->title);
    fprintf(f, "plot %s using 1:2 with linespoints pt 7 ps 0.5 lw 2 lc rgb '#1f6fb4' title 'training', \\\n"
               "     '' using 1:3 with linespoints pt 7 ps 0.5 lw 2 lc rgb '#d1691f' title 'validation'\n",
            data);
}

int progress_plot(const progress *p, const char *picture, const char *title)
{
    struct curves c = {p, title};
    return plot_draw(picture, p->quiet, write_curves, write_curves_script, &c);
}
