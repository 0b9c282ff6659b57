/* What the two benches of weir bench share.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_BENCH_H
#define WEIR_BENCH_H

#include "cli.h"
#include "problem.h"

enum { MOST_NAMES = 64, MOST_SIZES = 8, MOST_REPEATS = 101 };
enum { NEAR = 1 << 16, FAR = 1 << 26 }; /* floats of an array: 256 KiB stay in the second cache, 256 MiB in none */

typedef struct bench_options {
    bool activations;
    const char *names[MOST_NAMES]; /* of functions */
    problem problems[MOST_NAMES];
    size_t count, sizes[MOST_SIZES], size_count;
    int form; /* 2: both */
    uint32_t threads, repeats; /* repeats 0: as many as fit */
    weir_isa isa;
    const char *plot;
} bench_options;

extern const char *const form_names[];

typedef struct figures {
    double median, low, high; /* quartiles */
} figures;
/* Sorts the n values. */
figures figures_of(double *values, size_t n);

/* Measure, print a line each unless `quiet`, and append an object each to `all`. The keys are the columns of the CSV. */
int bench_activations(const bench_options *o, bool quiet, const weir_parallel *parallel, json_t *all);
int bench_problems(const bench_options *o, bool quiet, const weir_parallel *parallel, json_t *all);

#endif
