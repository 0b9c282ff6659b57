/* SPDX-License-Identifier: MIT */
#include "tune_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot.h"

/* Settings that not all trials share. */
static size_t find_varying(const tune_log *l, size_t varying[TUNE_SETTINGS])
{
    size_t n = 0;
    for (size_t k = 0; k < TUNE_SETTINGS; k++)
        for (size_t i = 1; i < l->count; i++)
            if (l->trials[i].values[k] != l->trials[0].values[k]) {
                varying[n++] = k;
                break;
            }
    return n;
}

/* ---- The table ---- */

static double rank(const tune_trial *t)
{
    return *t->failed ? (double)INFINITY : t->valid;
}

/* By loss, then by number. */
static int compare(const void *a, const void *b)
{
    const tune_trial *const *x = a, *const *y = b;
    double p = rank(*x), q = rank(*y);
    return p < q ? -1 : p > q ? 1 : (*x)->number < (*y)->number ? -1 : 1;
}

static void print_value(size_t setting, double value)
{
    int width = (int)strlen(tune_settings[setting].name);
    width = width < 8 ? 8 : width;
    if (setting == TUNE_SCHEDULE)
        printf("  %*s", width, value >= 0 && value <= WEIR_PLATEAU ? schedule_names[(int)value] : "-");
    else if (setting == TUNE_PEEPHOLES)
        printf("  %*s", width, value != 0 ? "yes" : "no");
    else
        printf("  %*.4g", width, value);
}

static void print_row(const tune_trial *t, const size_t *varying, size_t n)
{
    char epochs[32];
    snprintf(epochs, sizeof epochs, "%u/%u%s", (unsigned)t->best_epoch, (unsigned)t->epochs, t->stopped ? "*" : " ");
    if (*t->failed)
        printf("%5u  %8s  %8s  %8s  %7.1f", (unsigned)t->number, "failed", "-", "- ", t->seconds);
    else
        printf("%5u  %8.4f  %8.4f  %8s  %7.1f", (unsigned)t->number, t->valid, t->train, epochs, t->seconds);
    for (size_t k = 0; k < n; k++)
        print_value(varying[k], t->values[varying[k]]);
    putchar('\n');
}

static void print_notes(const tune_log *l)
{
    bool stopped = false;
    for (size_t i = 0; i < l->count; i++) {
        stopped |= l->trials[i].stopped;
        if (*l->trials[i].failed)
            printf("trial %u failed: %s\n", (unsigned)l->trials[i].number, l->trials[i].failed);
    }
    if (stopped)
        puts("* stopped: at this epoch, more than half of the other trials had been better");
}

int tune_print(const tune_log *l)
{
    size_t varying[TUNE_SETTINGS], n = find_varying(l, varying);
    const tune_trial **sorted = malloc((l->count + 1) * sizeof *sorted);
    if (!sorted)
        return complain("there is no memory left");
    for (size_t i = 0; i < l->count; i++)
        sorted[i] = &l->trials[i];
    qsort(sorted, l->count, sizeof *sorted, compare);
    printf("%5s  %8s  %8s  %8s  %7s", "trial", "valid", "train", "epoch ", "seconds");
    for (size_t k = 0; k < n; k++)
        printf("  %8s", tune_settings[varying[k]].name);
    putchar('\n');
    for (size_t i = 0; i < l->count; i++)
        print_row(sorted[i], varying, n);
    free(sorted);
    print_notes(l);
    return finish_output();
}

/* ---- The picture ---- */

typedef struct picture {
    const tune_log *log;
    size_t varying[TUNE_SETTINGS], count, columns, rows;
    double from, to; /* of the losses shown */
} picture;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The lower three quarters of the losses with some room: one trial that went astray shall not press the others together. */
static bool find_span(picture *p)
{
    size_t n = 0;
    double *losses = malloc((p->log->count + 1) * sizeof *losses);
    for (size_t i = 0; losses && i < p->log->count; i++)
        if (!*p->log->trials[i].failed)
            losses[n++] = p->log->trials[i].valid;
    if (n) {
        qsort(losses, n, sizeof *losses, by_value);
        double least = losses[0], most = losses[(n - 1) * 3 / 4], room = most > least ? most - least : fabs(least) / 10 + 1e-3;
        p->from = least - room / 8;
        p->to = least + 1.6 * room;
    }
    free(losses);
    return n > 0;
}

static const double no_decay = 3e-4; /* where a logarithmic axis shows 0 */

static void write_data(FILE *f, const void *what)
{
    const picture *p = what;
    double best = (double)INFINITY, seconds = 0;
    fputs("# trial valid_loss best_so_far minutes stopped", f);
    for (size_t k = 0; k < p->count; k++)
        fprintf(f, " %s", tune_settings[p->varying[k]].name);
    fputc('\n', f);
    for (size_t i = 0; i < p->log->count; i++) {
        const tune_trial *t = &p->log->trials[i];
        seconds += t->seconds;
        if (*t->failed)
            continue;
        best = t->valid < best ? t->valid : best;
        fprintf(f, "%u %.9g %.9g %.4f %d", (unsigned)t->number, fmin(t->valid, p->to), best, seconds / 60, (int)t->stopped);
        for (size_t k = 0; k < p->count; k++)
            fprintf(f, " %.9g", p->varying[k] == TUNE_DECAY ? fmax(t->values[TUNE_DECAY], no_decay) : t->values[p->varying[k]]);
        fputc('\n', f);
    }
}

/* A mark for each value, if they are few. */
static void write_marks(FILE *f, const tune_log *l, size_t setting)
{
    enum { MOST = 6 };
    double values[MOST];
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++) {
        size_t k = 0;
        while (k < n && values[k] != l->trials[i].values[setting])
            k++;
        if (k == MOST)
            return;
        if (k == n)
            values[n++] = l->trials[i].values[setting];
    }
    for (size_t k = 0; k < n; k++)
        fprintf(f, "%s%.9g%s", k ? ", " : "set xtics (", values[k], k + 1 == n ? ")\n" : "");
}

static void write_axis(FILE *f, const tune_log *l, size_t setting)
{
    fprintf(f, "unset logscale x\nset autoscale x\nset xtics autofreq\nset xlabel '%s' offset 0, 0.5\n", tune_settings[setting].name);
    switch (setting) {
    case TUNE_RATE: fputs("set logscale x\n", f); break;
    case TUNE_DROPOUT:
    case TUNE_HEAD_DROPOUT: fputs("set xrange [-0.03:0.53]\nset xtics 0.1\n", f); break;
    case TUNE_DECAY: fprintf(f, "set logscale x\nset xtics ('0' %g, '0.001' 0.001, '0.01' 0.01, '0.1' 0.1)\n", no_decay); break;
    case TUNE_SCHEDULE: fputs("set xrange [-0.5:2.5]\nset xtics ('constant' 0, 'cosine' 1, 'plateau' 2)\n", f); break;
    case TUNE_PEEPHOLES: fputs("set xrange [-0.5:1.5]\nset xtics ('without' 0, 'with' 1)\n", f); break;
    default: write_marks(f, l, setting);
    }
}

/* Stopped trials are hollow. */
static void write_panel(FILE *f, const char *file, size_t column)
{
    fprintf(f, "plot %s using %zu:($5 == 0 ? $2 : NaN) with points pt 7 ps 0.7 lc rgb '#1f6fb4', \\\n"
               "     '' using %zu:($5 == 1 ? $2 : NaN) with points pt 6 ps 0.7 lc rgb '#8a8a8a'\n",
            file, column, column);
}

static void write_script(FILE *f, const char *file, const void *what)
{
    const picture *p = what;
    fprintf(f, "set multiplot layout %zu, %zu\nunset key\nset offsets graph 0.06, graph 0.06, 0, 0\nset tics font ',10'\nset xlabel font ',12'\n"
               "set yrange [%.9g:%.9g]\n",
            p->rows, p->columns, p->from, p->to);
    fprintf(f, "set format x '%%g'\nset xrange [0:*]\nset xlabel 'minutes: the best so far' offset 0, 0.5\n"
               "plot %s using 4:3 with steps lw 2 lc rgb '#d1691f', \\\n"
               "     '' using 4:($5 == 0 ? $2 : NaN) with points pt 7 ps 0.7 lc rgb '#1f6fb4', \\\n"
               "     '' using 4:($5 == 1 ? $2 : NaN) with points pt 6 ps 0.7 lc rgb '#8a8a8a'\n",
            file);
    for (size_t k = 0; k < p->count; k++) {
        write_axis(f, p->log, p->varying[k]);
        write_panel(f, file, 6 + k);
    }
    fputs("unset multiplot\n", f);
}

int tune_plot(const tune_log *l, const char *svg, bool quiet)
{
    picture p = {.log = l};
    p.count = find_varying(l, p.varying);
    size_t panels = p.count + 1;
    p.columns = panels < 4 ? panels : 4;
    p.rows = (panels + p.columns - 1) / p.columns;
    unsigned width = 320 * (unsigned)p.columns, height = 260 * (unsigned)p.rows;
    return find_span(&p) ? plot_draw_sized(svg, width, height, quiet, write_data, write_script, &p) : DONE;
}
