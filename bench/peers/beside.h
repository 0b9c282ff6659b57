/* A peer beside Weir on a problem of weir bench, in turn in one process: for networks.c and rtneural.cpp (networks.py does the same).
 *
 * A measurement is some blocks of the peer and of Weir, one after the other, as many as the seconds allow. Before a block all threads
 * have gone to sleep, those of the other side too: workers spin on after a call, OpenMP's for 8 ms, Weir's for 20, and would take the
 * processors of a block. Then goes, where passes are short, a pass or more that is not timed: caches hold the other side's arrays.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BESIDE_H
#define BESIDE_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif
#include "cli.h"
#include "problem.h"
#ifdef __cplusplus
}
#endif

enum { LEAST_BLOCKS = 2, MOST_BLOCKS = 7 };
#define BLOCK_SECONDS 0.012
#define SETTLE_SECONDS 0.001 /* before a block */
#define SHORT_PASS 0.005     /* longer ones need no settling */

/* One side of the comparison; a pass is a step of a stream, a batch or a gradient. */
typedef struct side {
    void (*pass)(void *what);
    void *what;
    double seconds; /* a pass, as first seen */
    long passes;    /* a block */
    double blocks[MOST_BLOCKS];
} side;

static double seconds_of(side *s, long passes)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < passes; i++)
        s->pass(s->what);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9) / (double)passes;
}

/* The first pass pays for memory and threads; where it is short, the next ones tell how long one is. */
static void get_ready(side *s)
{
    s->seconds = seconds_of(s, 1);
    for (long passes = 2; passes < 1000 && s->seconds * (double)passes < BLOCK_SECONDS / 2; passes *= 4)
        s->seconds = seconds_of(s, passes);
    s->passes = 1 + (long)(BLOCK_SECONDS / s->seconds);
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Until the whole process has used no processor for two milliseconds; a tenth of a second at most. */
static void wait_for_sleep(void)
{
    struct timespec millisecond = {0, 1000000};
    for (int quiet = 0, i = 0; quiet < 2 && i < 100; i++) {
        double before = processor_seconds();
        nanosleep(&millisecond, NULL);
        quiet = processor_seconds() - before < 0.0002 ? quiet + 1 : 0;
    }
}

static void take_block(side *s, int i, bool workers)
{
    if (workers)
        wait_for_sleep();
    if (s->seconds < SHORT_PASS)
        seconds_of(s, 1 + (long)(SETTLE_SECONDS / s->seconds));
    s->blocks[i] = seconds_of(s, s->passes);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void weir_pass(void *w)
{
    workload_pass((workload *)w);
}

/* The gradient by the network's input, which Weir leaves out. */
static double input_gradient_flops(const problem *p)
{
    return p->kind == 4 ? 8.0 * p->hidden * p->inputs * p->steps * p->rows : 0;
}

typedef struct bench {
    const char *name; /* of the peer */
    unsigned count;
    threads pool; /* Weir's */
    double seconds;  /* for the blocks of one problem */
} bench;

/* Prints peer,problem,threads,blocks,peer_us,weir_us,ratio,peer_gflops,weir_gflops: medians, microseconds a step; the ratio is the
 * median of Weir's time over the peer's, block by block; each side's own work counts in its GFLOP/s. */
static void put_beside(const bench *b, const problem *p, void (*pass)(void *), void *peer, double peer_flops)
{
    weir_error err;
    workload *w = workload_new(p, WEIR_ISA_BEST, &b->pool.parallel, &err);
    if (!w) {
        fprintf(stderr, "%s: %s\n", p->text, err.text);
        return;
    }
    side theirs = {}, ours = {};
    theirs.pass = pass, theirs.what = peer;
    ours.pass = weir_pass, ours.what = w;
    get_ready(&theirs);
    wait_for_sleep();
    get_ready(&ours);
    double both = theirs.seconds * (double)theirs.passes + ours.seconds * (double)ours.passes, ratios[MOST_BLOCKS];
    int count = (int)fmax(LEAST_BLOCKS, fmin(MOST_BLOCKS, b->seconds / both));
    for (int i = 0; i < count; i++) {
        take_block(&theirs, i, b->count > 1);
        take_block(&ours, i, b->count > 1);
        ratios[i] = ours.blocks[i] / theirs.blocks[i];
    }
    double us = 1e6 / p->steps, theirs_median = median(theirs.blocks, count), ours_median = median(ours.blocks, count);
    printf("%s,%s,%u,%d,%.4f,%.4f,%.3f,%.3f,%.3f\n", b->name, p->text, b->count, count, theirs_median * us, ours_median * us,
           median(ratios, count), peer_flops / theirs_median * 1e-9, problem_flops(p) / ours_median * 1e-9);
    fflush(stdout);
    workload_free(w);
}

/* Reads THREADS SECONDS PROBLEM... of the command line and hands each problem to `measure`. */
static int for_each_problem(int argc, char **argv, const char *name, void (*measure)(const bench *b, const problem *p))
{
    if (argc < 4)
        return fprintf(stderr, "usage: %s THREADS SECONDS PROBLEM...\n", argv[0]), 2;
    unsigned count = (unsigned)atoi(argv[1]);
    bench b = {name, count, threads_start(count, true), atof(argv[2])};
    for (int i = 3; i < argc; i++) {
        problem p;
        weir_error err;
        if (!problem_read(argv[i], &p, &err))
            return fprintf(stderr, "%s\n", err.text), 2;
        measure(&b, &p);
    }
    threads_stop(&b.pool);
    return 0;
}

#endif
