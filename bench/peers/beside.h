/* A peer beside Weir on a problem of weir bench, in turn in one process: for networks.c and rtneural.cpp (networks.py does the same).
 *
 * A measurement is some blocks of the peer and of Weir, one after the other, as many as the seconds allow. Before a block go passes that
 * are not timed: caches hold the other side's arrays. With more than one thread there is more to it. Workers spin on after a call, Weir's
 * for 20 ms, OpenMP's for 8, ONNX Runtime's for 40, and would take the processors of the other side's block: Weir's are sent to sleep,
 * the peer's get what Weir leaves (SCHED_IDLE). The process never sleeps, which on a virtual machine costs it a processor for a while.
 * And the first thread keeps to the first processor, all others to the rest: Linux is apt to wake a worker on its caller's.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BESIDE_H
#define BESIDE_H

#include <dirent.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif
#include "cli.h"
#include "park.h"
#include "problem.h"
#ifdef __cplusplus
}
#endif

enum { LEAST_BLOCKS = 2, MOST_BLOCKS = 7, MOST_WORKERS = 256 };
#define BLOCK_SECONDS 0.012
#define LONG_PASS 0.05
/* Passes before a block: how long, and which need none; with one thread, with more. */
static const double settle_seconds[] = {0.001, 0.02}, short_pass[] = {0.005, 0.25};

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

/* From the first pass where that is long, or else from the next ones. */
static void estimate(side *s)
{
    if (s->seconds < LONG_PASS)
        s->seconds = seconds_of(s, 1);
    for (long passes = 2; passes < 1000 && s->seconds * (double)passes < BLOCK_SECONDS / 2; passes *= 4)
        s->seconds = seconds_of(s, passes);
    s->passes = 1 + (long)(BLOCK_SECONDS / s->seconds);
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
    threads pool;         /* Weir's */
    double seconds;       /* for the blocks of one problem */
    cpu_set_t processors; /* of the process when it began */
    pid_t workers[MOST_WORKERS];
    int worker_count; /* Weir's */
} bench;

static bool pins = true; /* a peer whose first thread only waits wants none */

/* The threads of this process but for the first; at most MOST_WORKERS. */
static int list_workers(pid_t *ids)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && count < MOST_WORKERS && (entry = readdir(tasks));) {
        pid_t id = atoi(entry->d_name);
        if (id && id != getpid())
            ids[count++] = id;
    }
    if (tasks)
        closedir(tasks);
    return count;
}

static bool is_of_weir(const bench *b, pid_t id)
{
    for (int i = 0; i < b->worker_count; i++)
        if (b->workers[i] == id)
            return true;
    return false;
}

/* Gives the processors to one side's workers. */
static void let_work(const bench *b, bool weir)
{
    pid_t ids[MOST_WORKERS];
    static const struct sched_param none = {};
    static bool warned;
    if (!weir)
        park(&b->pool);
    for (int i = list_workers(ids); b->count > 1 && i-- > 0;)
        if (!is_of_weir(b, ids[i]) && sched_setscheduler(ids[i], weir ? SCHED_IDLE : SCHED_OTHER, &none) && !warned)
            warned = fprintf(stderr, "the peer's workers spin on in Weir's turn: taking them the processors needs root\n") > 0;
}

/* The threads there are: the first on the first processor, the others on the others. */
static void pin(const bench *b)
{
    pid_t ids[MOST_WORKERS];
    cpu_set_t first, others = b->processors;
    int i = 0;
    while (!CPU_ISSET(i, &others))
        i++;
    CPU_ZERO(&first);
    CPU_SET(i, &first);
    CPU_CLR(i, &others);
    if (!CPU_COUNT(&others))
        return;
    sched_setaffinity(0, sizeof first, &first);
    for (i = list_workers(ids); i-- > 0;)
        sched_setaffinity(ids[i], sizeof others, &others);
}

/* The first pass pays for memory and threads. */
static void get_ready(const bench *b, side *theirs, side *ours)
{
    let_work(b, false);
    theirs->seconds = seconds_of(theirs, 1);
    ours->seconds = seconds_of(ours, 1);
    if (b->count > 1 && pins)
        pin(b);
    let_work(b, true);
    estimate(ours);
    let_work(b, false);
    estimate(theirs);
}

static double take_block(const bench *b, side *s, bool weir)
{
    bool workers = b->count > 1;
    let_work(b, weir);
    if (s->seconds < short_pass[workers])
        seconds_of(s, 1 + (long)(settle_seconds[workers] / s->seconds));
    return seconds_of(s, s->passes);
}

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
    get_ready(b, &theirs, &ours);
    double both = theirs.seconds * (double)theirs.passes + ours.seconds * (double)ours.passes, ratios[MOST_BLOCKS];
    int count = (int)fmax(LEAST_BLOCKS, fmin(MOST_BLOCKS, b->seconds / both));
    for (int i = 0; i < count; i++) {
        theirs.blocks[i] = take_block(b, &theirs, false);
        ours.blocks[i] = take_block(b, &ours, true);
        ratios[i] = ours.blocks[i] / theirs.blocks[i];
    }
    double us = 1e6 / p->steps, theirs_median = median(theirs.blocks, count), ours_median = median(ours.blocks, count);
    printf("%s,%s,%u,%d,%.4f,%.4f,%.3f,%.3f,%.3f\n", b->name, p->text, b->count, count, theirs_median * us, ours_median * us,
           median(ratios, count), peer_flops / theirs_median * 1e-9, problem_flops(p) / ours_median * 1e-9);
    fflush(stdout);
    workload_free(w);
    sched_setaffinity(0, sizeof b->processors, &b->processors); /* for the threads that the next problem starts */
}

/* Weir's workers are those that this call brings. */
static void start_weir(bench *b)
{
    pid_t before[MOST_WORKERS], after[MOST_WORKERS];
    int old = list_workers(before);
    b->pool = threads_start(b->count, true);
    for (int i = list_workers(after); i-- > 0;) {
        bool known = false;
        for (int k = 0; k < old; k++)
            known |= before[k] == after[i];
        if (!known)
            b->workers[b->worker_count++] = after[i];
    }
}

/* Reads THREADS SECONDS PROBLEM... of the command line and hands each problem to `measure`. */
static int for_each_problem(int argc, char **argv, const char *name, void (*measure)(const bench *b, const problem *p))
{
    if (argc < 4)
        return fprintf(stderr, "usage: %s THREADS SECONDS PROBLEM...\n", argv[0]), 2;
    bench b = {};
    b.name = name, b.count = (unsigned)atoi(argv[1]), b.seconds = atof(argv[2]);
    sched_getaffinity(0, sizeof b.processors, &b.processors);
    start_weir(&b);
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
