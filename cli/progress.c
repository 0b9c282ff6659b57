/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "plot.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

void progress_interrupt(int signal)
{
    interrupted = signal;
}

int progress_interrupted(void)
{
    return (int)interrupted;
}

double progress_clock(void)
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
    sigaction(SIGUSR1, &action, NULL); /* mpirun passes it on, where it answers SIGTERM with SIGKILL a second later */
    p->terminal = isatty(STDERR_FILENO) && !p->quiet;
    p->start = progress_clock();
    p->epoch_start = p->start - p->elapsed;
}

void progress_reading(double share)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (share < 1)
        fprintf(stderr, "\rreading: %.0f %%\033[K", 100 * share);
    else
        fputs("\r\033[K", stderr);
    fflush(stderr);
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
    double t = progress_clock(), share = (double)now->batch / (double)now->batches;
    if (t - p->drawn < 0.1 && now->batch < now->batches)
        return;
    p->drawn = t;
    double done = (double)(now->epoch - 1) + share,
           left = (t - p->start) / (done - p->before + 1e-9) * ((double)now->epochs - done);
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

/* ---- The log ---- */

static void write_number(FILE *f, const char *key, double value)
{
    if (isfinite(value))
        fprintf(f, ", \"%s\": %.9g", key, value);
    else
        fprintf(f, ", \"%s\": null", key);
}

static void log_epoch(progress *p, const epoch_record *e)
{
    if (!p->log || e->at.epoch <= p->logged)
        return;
    fprintf(p->log, "{\"epoch\": %u", (unsigned)e->at.epoch);
    write_number(p->log, "train_loss", e->at.train_loss);
    write_number(p->log, "valid_loss", e->at.valid_loss);
    write_number(p->log, "seconds", e->seconds);
    write_number(p->log, "rate", e->at.rate);
    fprintf(p->log, ", \"best\": %s}\n", e->at.best ? "true" : "false");
    fflush(p->log);
}

static int cannot_write(const char *path)
{
    return complain("%s cannot be written: %s", path, strerror(errno));
}

/* Whether a line's loss is that of the epoch, as far as a line tells it. */
static bool same_loss(const json_t *line, const char *key, double loss)
{
    char a[40], b[40];
    const json_t *value = json_object_get(line, key);
    if (!isfinite(loss))
        return json_is_null(value);
    snprintf(a, sizeof a, "%.9g", loss);
    snprintf(b, sizeof b, "%.9g", json_number_value(value));
    return json_is_number(value) && strcmp(a, b) == 0;
}

/* Whether the epoch of a line is known and another one. *next walks over the history. */
static bool contradicts(const progress *p, const json_t *line, uint32_t epoch, size_t *next)
{
    while (*next < p->epochs && p->history[*next].at.epoch < epoch)
        ++*next;
    if (*next == p->epochs || p->history[*next].at.epoch != epoch)
        return false;
    const weir_progress *at = &p->history[*next].at;
    return !same_loss(line, "train_loss", at->train_loss) || !same_loss(line, "valid_loss", at->valid_loss);
}

/* Reads the lines of a log and cuts off a last one that is not whole. */
static int check_log(progress *p, const char *path, FILE *f)
{
    char *text = NULL;
    size_t room = 0, next = 0;
    long good = 0;
    bool strange = false;
    for (ssize_t n; !strange && (n = getline(&text, &room, f)) > 0;) {
        json_t *line = text[n - 1] == '\n' ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
        json_int_t epoch = json_integer_value(json_object_get(line, "epoch"));
        if (!line && feof(f))
            break;
        strange = epoch <= (json_int_t)p->logged || epoch > UINT32_MAX || contradicts(p, line, (uint32_t)epoch, &next);
        if (!strange) {
            p->logged = (uint32_t)epoch;
            good = ftell(f);
        }
        json_decref(line);
    }
    free(text);
    if (strange)
        return complain("%s is not the log of this training; name another one with --log", path);
    return fflush(f) || ftruncate(fileno(f), good) || fseek(f, 0, SEEK_END) ? cannot_write(path) : DONE;
}

int progress_open_log(progress *p, const char *path, bool going_on)
{
    struct stat st;
    bool old = going_on && stat(path, &st) == 0 && S_ISREG(st.st_mode);
    p->log = fopen(path, old ? "r+" : "w");
    if (!p->log)
        return cannot_write(path);
    if (old && check_log(p, path, p->log))
        return FAILED;
    for (size_t i = 0; i < p->epochs; i++)
        log_epoch(p, p->history + i);
    return DONE;
}

int progress_close_log(progress *p, const char *path)
{
    FILE *log = p->log;
    p->log = NULL;
    return log && (ferror(log) | fclose(log)) ? cannot_write(path) : DONE;
}

/* ---- Epochs ---- */

static bool remember(progress *p, epoch_record record)
{
    epoch_record *more = realloc(p->history, (p->epochs + 1) * sizeof *more);
    if (!more)
        return false;
    p->history = more;
    p->history[p->epochs++] = record;
    return true;
}

static void end_epoch(progress *p, const weir_progress *now)
{
    double t = progress_clock();
    epoch_record record = {*now, t - p->epoch_start};
    p->epoch_start = t;
    remember(p, record);
    log_epoch(p, &record);
    if (p->quiet)
        return;
    fprintf(stderr, "%sepoch %u/%u  train %.4f  valid %.4f  %.1f s%s\n", p->terminal ? "\r\033[K" : "", (unsigned)now->epoch,
            (unsigned)now->epochs, now->train_loss, now->valid_loss, record.seconds, now->best ? "  best" : "");
}

/* Once, when some updates have been timed: says how long all will take, if that is more than a minute. */
static void estimate(progress *p, const weir_progress *now)
{
    enum { LEAST_UPDATES = 4 };
    double update = (double)(now->epoch - 1) * (double)now->batches + (double)now->batch, took = progress_clock() - p->start;
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
    signal(SIGUSR1, SIG_DFL);
}

void progress_free(progress *p)
{
    free(p->history);
    p->history = NULL;
}

/* ---- In a checkpoint ---- */

enum { MOST_KEPT = 1 << 16 };

json_t *progress_to_json(const progress *p)
{
    json_t *epochs = json_array();
    size_t stride = p->epochs / MOST_KEPT + 1;
    for (size_t i = p->epochs ? (p->epochs - 1) % stride : 0; i < p->epochs;
         i += stride) { /* the last one is always among them */
        const epoch_record *e = p->history + i;
        json_array_append_new(epochs, json_pack("[I o o o o b]", (json_int_t)e->at.epoch, number_json(e->at.train_loss),
                                                number_json(e->at.valid_loss), number_json(e->at.rate),
                                                number_json(e->seconds), (int)e->at.best));
    }
    return json_pack("{s:f, s:o}", "elapsed", progress_clock() - p->epoch_start, "epochs", epochs);
}

bool progress_from_json(progress *p, const json_t *json, const weir_progress *now)
{
    const json_t *epochs = json_object_get(json, "epochs");
    p->elapsed = json_number_value(json_object_get(json, "elapsed"));
    p->before = now->epoch_done ? now->epoch : now->epoch - 1 + (double)now->batch / (double)now->batches;
    if (!json_is_array(epochs) || !(p->elapsed >= 0))
        return false;
    for (size_t i = 0; i < json_array_size(epochs); i++) {
        const json_t *e = json_array_get(epochs, i);
        epoch_record record = {{.epoch = (uint32_t)json_integer_value(json_array_get(e, 0)),
                                .epochs = now->epochs,
                                .train_loss = json_number(json_array_get(e, 1)),
                                .valid_loss = json_number(json_array_get(e, 2)),
                                .rate = json_number(json_array_get(e, 3)),
                                .epoch_done = true,
                                .best = json_is_true(json_array_get(e, 5))},
                               json_number(json_array_get(e, 4))};
        if (json_array_size(e) != 6 || !remember(p, record))
            return false;
    }
    return true;
}

/* ---- Curves ---- */

struct curves {
    const progress *p;
    const char *title;
};

static void write_curves(FILE *f, const void *what)
{
    const progress *p = ((const struct curves *)what)->p;
    fputs("# epoch train_loss valid_loss\n", f);
    for (size_t i = 0; i < p->epochs; i++)
        fprintf(f, "%u %.9g %.9g\n", (unsigned)p->history[i].at.epoch, p->history[i].at.train_loss, p->history[i].at.valid_loss);
}

static void write_curves_script(FILE *f, const char *data, const void *what)
{
    const struct curves *c = what;
    fprintf(f,
            "set title \"%s\" noenhanced\nset xlabel 'epoch'\nset ylabel 'loss'\nset key top right\nset offsets graph 0.02, "
            "0.02, 0.05, 0.05\n",
            c->title);
    fprintf(f,
            "plot %s using 1:2 with linespoints pt 7 ps 0.5 lw 2 lc rgb '#1f6fb4' title 'training', \\\n"
            "     '' using 1:3 with linespoints pt 7 ps 0.5 lw 2 lc rgb '#d1691f' title 'validation'\n",
            data);
}

int progress_plot(const progress *p, const char *picture, const char *title)
{
    struct curves c = {p, title};
    return plot_draw(picture, p->quiet, write_curves, write_curves_script, &c);
}
