/* weir bench activations
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

/* ---- One measurement ---- */

typedef struct arrays {
    float *x, *dy, *y;
    size_t n;
} arrays;

typedef struct job {
    const arrays *v;
    weir_activation a;
    weir_form form;
    weir_isa isa;
    bool grad, copy;
    size_t parts;
} job;

static void run_part(void *arg, size_t part)
{
    const job *j = arg;
    size_t begin = j->v->n / 16 * part / j->parts * 16, end = part + 1 == j->parts ? j->v->n : j->v->n / 16 * (part + 1) / j->parts * 16;
    const float *x = j->v->x + begin, *dy = j->v->dy + begin;
    float *y = j->v->y + begin;
    if (j->copy)
        memcpy(y, x, (end - begin) * sizeof *y);
    else if (j->grad)
        weir_activation_grad(&j->a, j->form, j->isa, end - begin, x, dy, y, NULL);
    else
        weir_activation_apply(&j->a, j->form, j->isa, end - begin, x, y, NULL);
}

/* Nanoseconds an element. */
static double time_of(job *j, const weir_parallel *parallel)
{
    size_t rounds = j->v->n < NEAR ? NEAR / j->v->n : 1;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (size_t i = 0; i < rounds; i++)
        if (parallel->run)
            parallel->run(parallel->ctx, j->parts, run_part, j);
        else
            run_part(j, 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / (double)(rounds * j->v->n);
}

/* Nanoseconds an element, and the median of the ratios to a copy, measured in turn. */
static figures measure(job *j, uint32_t repeats, const weir_parallel *parallel, double *copies)
{
    double times[MOST_REPEATS], ratios[MOST_REPEATS];
    job copy = *j;
    copy.copy = true;
    time_of(j, parallel); /* warm */
    for (uint32_t i = 0; i < repeats; i++) {
        double c = time_of(&copy, parallel);
        times[i] = time_of(j, parallel);
        ratios[i] = times[i] / c;
    }
    *copies = figures_of(ratios, repeats).median;
    return figures_of(times, repeats);
}

/* ---- All of them ---- */

static int make_arrays(arrays *v, size_t n)
{
    *v = (arrays){malloc(n * sizeof(float)), malloc(n * sizeof(float)), malloc(n * sizeof(float)), n};
    if (!v->x || !v->dy || !v->y)
        return complain("there is no memory for arrays of %zu floats", n);
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) { /* x about normal with deviation 2, dy in (-1, 1), all 24 bits in use */
        double sum = 0;
        for (int k = 0; k < 4; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(state >> 40) / 16777216 - 0.5;
        }
        v->x[i] = (float)(sum * 3.46410162);
        v->dy[i] = (float)((double)(int64_t)(state << 8) / 9.3e18);
        v->y[i] = 0;
    }
    return DONE;
}

static void free_arrays(arrays *v)
{
    free(v->x);
    free(v->dy);
    free(v->y);
}

static void report(bool quiet, const job *j, const figures *f, double copies, json_t *all)
{
    const char *name = weir_activation_get(j->a.id)->name, *form = form_names[j->form];
    double rate = (j->grad ? 12 : 8) / f->median;
    json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:I, s:i, s:f, s:f, s:f, s:f, s:f}", "function", name, "of",
                                         j->grad ? "slope" : "value", "form", form, "floats", (json_int_t)j->v->n, "threads",
                                         (int)j->parts, "ns", f->median, "ns_low", f->low, "ns_high", f->high, "gb_per_s", rate,
                                         "copies", copies));
    if (quiet)
        return;
    printf("%-14s%-2s %-6s %9zu %9.3f  %7.3f to %7.3f %9.1f %8.2f\n", name, j->grad ? "'" : "", form, j->v->n, f->median, f->low, f->high, rate,
           copies);
    fflush(stdout);
}

static int find_functions(const bench_options *o, weir_activation *functions, size_t *count)
{
    *count = o->count;
    for (size_t i = 0; i < o->count; i++) {
        weir_error err;
        if (!find_activation(o->names[i], &functions[i], &err))
            return complain("%s", err.text);
    }
    if (o->count == 0)
        for (; *count < weir_activation_count() && *count < MOST_NAMES; ++*count)
            functions[*count] = (weir_activation){.id = (weir_activation_id)(*count + 1)};
    return DONE;
}

static int bench_size(const bench_options *o, bool quiet, size_t n, const weir_parallel *parallel, json_t *all)
{
    weir_activation functions[MOST_NAMES];
    size_t count;
    arrays v = {0};
    int status = find_functions(o, functions, &count);
    if (status == DONE)
        status = make_arrays(&v, n);
    uint32_t repeats = o->repeats ? o->repeats : n > NEAR ? 5 : 21;
    for (size_t i = 0; status == DONE && i < count; i++)
        for (int form = 0; form < 2; form++)
            for (int grad = 0; grad < 2; grad++) {
                if (o->form < 2 && o->form != form)
                    continue;
                job j = {.v = &v, .a = functions[i], .form = (weir_form)form, .isa = o->isa, .grad = grad, .parts = o->threads};
                double copies;
                figures f = measure(&j, repeats, parallel, &copies);
                report(quiet, &j, &f, copies, all);
            }
    free_arrays(&v);
    return status;
}

int bench_activations(const bench_options *o, bool quiet, const weir_parallel *parallel, json_t *all)
{
    if (!quiet)
        printf("%-16s %-6s %9s %9s  %18s %9s %8s\n", "function", "form", "floats", "ns each", "quartiles", "GB/s", "copies");
    int status = DONE;
    for (size_t i = 0; status == DONE && i < o->size_count; i++)
        status = bench_size(o, quiet, o->sizes[i], parallel, all);
    return status;
}
