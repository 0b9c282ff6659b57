/* weir bench PROBLEM...
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "plot.h"
#include "roofline.h"

enum { REPEATS = 9 };

/* ---- The machine's limit ---- */

/* Bandwidths, measured once for each size. */
typedef struct machine {
    const weir_parallel *parallel;
    double flops;
    struct {
        double bytes, rate;
    } known[MOST_NAMES * 2];
    size_t count;
} machine;

static double bandwidth(void *ctx, double bytes)
{
    machine *m = ctx;
    for (size_t i = 0; i < m->count; i++)
        if (m->known[i].bytes == bytes)
            return m->known[i].rate;
    double rate = roofline_bandwidth(m->parallel, bytes);
    if (m->count < sizeof m->known / sizeof *m->known) {
        m->known[m->count].bytes = bytes;
        m->known[m->count++].rate = rate;
    }
    return rate;
}

/* ---- One problem ---- */

/* Passes that take about 20 ms together. */
static long passes_for(workload *w)
{
    long passes = 1;
    double seconds = 0;
    for (workload_pass(w); (seconds = workload_time(w, passes)) * (double)passes < 0.02; passes *= 2)
        ;
    passes = (long)(0.02 / seconds) + 1;
    return passes;
}

static workload *prepare(const bench_options *o, const problem *p, const weir_parallel *parallel, long *passes)
{
    weir_error err;
    workload *w = workload_new(p, o->isa, parallel, &err);
    if (w)
        *passes = passes_for(w);
    else
        complain("%s: %s", p->text, err.text);
    return w;
}

/* over: the time over that of the same problem with usual numbers, measured in turn; 1 where it is that problem. */
static int measure(const bench_options *o, const problem *p, const weir_parallel *parallel, figures *f, double *over)
{
    double times[MOST_REPEATS], ratios[MOST_REPEATS];
    uint32_t repeats = o->repeats ? o->repeats : REPEATS;
    problem usual = *p;
    usual.tiny = false;
    long passes, usual_passes = 0;
    workload *w = prepare(o, p, parallel, &passes), *other = w && p->tiny ? prepare(o, &usual, parallel, &usual_passes) : NULL;
    if (!w || (p->tiny && !other)) {
        workload_free(w);
        return FAILED;
    }
    for (uint32_t i = 0; i < repeats; i++) {
        times[i] = workload_time(w, passes);
        ratios[i] = other ? times[i] / workload_time(other, usual_passes) : 1;
    }
    workload_free(w);
    workload_free(other);
    *f = figures_of(times, repeats);
    *over = figures_of(ratios, repeats).median;
    return DONE;
}

/* ---- The table ---- */

static void report(const bench_options *o, bool quiet, const problem *p, const figures *f, double over, double limit,
                   json_t *all)
{
    double us = 1e6 / p->steps, rate = problem_flops(p) / f->median * 1e-9, share = limit / f->median;
    json_array_append_new(all, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "problem", p->text, "threads", (int)o->threads,
                                         "us_per_step", f->median * us, "us_low", f->low * us, "us_high", f->high * us, "gflops", rate,
                                         "us_limit", limit * us, "share", share, "over_usual", over));
    if (quiet)
        return;
    printf("%-28s %12.3f  %12.3f to %12.3f %9.1f %12.3f %6.0f %%", p->text, f->median * us, f->low * us, f->high * us, rate, limit * us,
           share * 100);
    if (p->tiny)
        printf("   %.2f x the usual numbers", over);
    putchar('\n');
    fflush(stdout);
}

/* ---- The picture: time a step over the problems, beside the limit ---- */

static void write_data(FILE *f, const void *what)
{
    size_t i;
    json_t *row;
    fprintf(f, "# problem, microseconds a step: median, quartiles, the machine's limit\n");
    json_array_foreach(what, i, row)
        fprintf(f, "%s %.6g %.6g %.6g %.6g\n", json_string_value(json_object_get(row, "problem")),
                json_real_value(json_object_get(row, "us_per_step")), json_real_value(json_object_get(row, "us_low")),
                json_real_value(json_object_get(row, "us_high")), json_real_value(json_object_get(row, "us_limit")));
}

static void write_script(FILE *f, const char *data, const void *what)
{
    (void)what;
    fprintf(f,
            "set logscale y\nset ylabel 'microseconds a step'\nset xtics rotate by 45 right font ',10'\nset key top left\n"
            "set offsets 0.5, 0.5, 0, 0\nset grid xtics ytics lc rgb '#e4e4e4'\n"
            "plot %s using 0:5 with points pt 9 lc rgb '#d95f02' title 'limit of the machine', \\\n"
            "     '' using 0:2:3:4:xtic(1) with yerrorbars pt 7 lc rgb '#1f78b4' title 'Weir'\n",
            data);
}

int bench_problems(const bench_options *o, bool quiet, const weir_parallel *parallel, json_t *all)
{
    machine m = {.parallel = parallel, .flops = roofline_flops(parallel)};
    int status = DONE;
    if (!quiet)
        printf("%u thread%s, at most %.1f GFLOP/s\n%-28s %12s  %28s %9s %12s %8s\n", (unsigned)o->threads, o->threads > 1 ? "s" : "",
               m.flops * 1e-9, "problem", "us a step", "quartiles", "GFLOP/s", "limit, us", "share");
    for (size_t i = 0; status == DONE && i < o->count; i++) {
        figures f;
        double over;
        status = measure(o, o->problems + i, parallel, &f, &over);
        if (status == DONE)
            report(o, quiet, o->problems + i, &f, over, m.flops > 0 ? problem_limit(o->problems + i, m.flops, bandwidth, &m) : 0, all);
    }
    return status == DONE && o->plot ? plot_draw(o->plot, quiet, write_data, write_script, all) : status;
}
