/* weir bench
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

enum { MOST_NAMES = 64, MOST_SIZES = 8, MOST_REPEATS = 101, KEY_FORM = 256, KEY_SIZE, KEY_THREADS, KEY_ISA, KEY_JSON, KEY_CSV, KEY_REPEATS };
enum { NEAR = 1 << 16, FAR = 1 << 26 }; /* floats of an array: 256 KiB stay in the second cache, 256 MiB in none */

static const char *const form_names[] = {"exact", "fast", "both", NULL};

typedef struct options {
    const char *problem, *names[MOST_NAMES], *csv;
    size_t count, sizes[MOST_SIZES], size_count;
    int form;
    uint32_t threads, repeats;
    weir_isa isa;
    bool json;
} options;

static const struct argp_option option_list[] = {
    {"form", KEY_FORM, "NAME", 0, "exact, fast or both (the default)", 0},
    {"size", KEY_SIZE, "N,...", 0, "Floats of an array, K and M for 1024 and its square (64K,64M: in the second cache, and in memory)", 0},
    {"repeats", KEY_REPEATS, "N", 0, "Measurements of each, of which the median counts (21; 5 in memory)", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads (1)", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set", 0},
    {"json", KEY_JSON, 0, 0, "Print JSON", 0},
    {"csv", KEY_CSV, "FILE", 0, "Write a CSV too", 0},
    {0},
};

static size_t option_size(const struct argp_state *state, const char *text, size_t length)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    long long unit = *end == 'K' ? 1024 : *end == 'M' ? 1024 * 1024 : 1;
    if (end == text || end + (unit > 1) != text + length || errno || value < 1 || value > FAR / unit)
        argp_error(state, "--size takes a whole number from 1 to 64M, or several with commas between, not \"%.*s\"", (int)length, text);
    return (size_t)(value * unit);
}

static void option_sizes(const struct argp_state *state, const char *text, options *o)
{
    o->size_count = 0;
    for (bool more = true; more;) {
        size_t length = strcspn(text, ",");
        if (o->size_count == MOST_SIZES)
            argp_error(state, "--size takes %d sizes at most", MOST_SIZES);
        o->sizes[o->size_count++] = option_size(state, text, length);
        more = text[length] == ',';
        text += length + 1;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_FORM: o->form = option_name(state, "form", arg, form_names); break;
    case KEY_SIZE: option_sizes(state, arg, o); break;
    case KEY_REPEATS: o->repeats = option_count(state, "repeats", arg, 1, MOST_REPEATS); break;
    case KEY_THREADS: o->threads = option_count(state, "threads", arg, 1, 1024); break;
    case KEY_ISA: o->isa = option_isa(state, arg); break;
    case KEY_JSON: o->json = true; break;
    case KEY_CSV: o->csv = arg; break;
    case ARGP_KEY_ARG:
        if (!o->problem) {
            if (strcmp(arg, "activations") != 0)
                argp_error(state, "there is no problem \"%s\"; there is activations", arg);
            o->problem = arg;
        } else if (o->count == MOST_NAMES)
            argp_error(state, "%d functions are the most", MOST_NAMES);
        else
            o->names[o->count++] = arg;
        break;
    case ARGP_KEY_END:
        if (!o->problem)
            argp_error(state, "name the problem: activations");
        if (o->size_count == 0) {
            o->sizes[o->size_count++] = NEAR;
            o->sizes[o->size_count++] = FAR;
        }
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

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

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct figures {
    double median, low, high; /* quartiles */
    double copies;            /* median of the ratios to a copy, measured in turn */
} figures;

static figures measure(job *j, uint32_t repeats, const weir_parallel *parallel)
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
    qsort(times, repeats, sizeof *times, compare);
    qsort(ratios, repeats, sizeof *ratios, compare);
    return (figures){times[repeats / 2], times[repeats / 4], times[repeats * 3 / 4], ratios[repeats / 2]};
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

static void report(const options *o, const job *j, const figures *f, json_t *all)
{
    const char *name = weir_activation_get(j->a.id)->name, *form = form_names[j->form];
    double rate = (j->grad ? 12 : 8) / f->median;
    json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:I, s:i, s:f, s:f, s:f, s:f, s:f}", "function", name, "of", j->grad ? "slope" : "value",
                                         "form", form, "floats", (json_int_t)j->v->n, "threads", (int)j->parts, "ns", f->median, "ns_low",
                                         f->low, "ns_high", f->high, "gb_per_s", rate, "copies", f->copies));
    if (o->json)
        return;
    printf("%-14s%-2s %-6s %9zu %9.3f  %7.3f to %7.3f %9.1f %8.2f\n", name, j->grad ? "'" : "", form, j->v->n, f->median, f->low, f->high, rate,
           f->copies);
    fflush(stdout);
}

static void write_table(FILE *f, const void *what)
{
    size_t i;
    json_t *row;
    fprintf(f, "function,of,form,floats,threads,ns,ns_low,ns_high,gb_per_s,copies\n");
    json_array_foreach(what, i, row)
        fprintf(f, "%s,%s,%s,%lld,%lld,%.4f,%.4f,%.4f,%.2f,%.3f\n", json_string_value(json_object_get(row, "function")),
                json_string_value(json_object_get(row, "of")), json_string_value(json_object_get(row, "form")),
                (long long)json_integer_value(json_object_get(row, "floats")), (long long)json_integer_value(json_object_get(row, "threads")),
                json_real_value(json_object_get(row, "ns")), json_real_value(json_object_get(row, "ns_low")),
                json_real_value(json_object_get(row, "ns_high")), json_real_value(json_object_get(row, "gb_per_s")),
                json_real_value(json_object_get(row, "copies")));
}

static int find_functions(const options *o, weir_activation *functions, size_t *count)
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

static int bench_size(const options *o, size_t n, const weir_parallel *parallel, json_t *all)
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
                figures f = measure(&j, repeats, parallel);
                report(o, &j, &f, all);
            }
    free_arrays(&v);
    return status;
}

int cmd_bench(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "activations [NAME...]",
                                     "Measures speed: nanoseconds an element, median and quartiles; bytes read and written a second; and "
                                     "how many copies of the array could have been made in that time, measured in turn.",
                                     0, 0, 0};
    options o = {.form = 2, .threads = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    threads t = threads_start(o.threads);
    if (t.parallel.threads)
        o.threads = t.parallel.threads;
    json_t *all = json_array();
    if (!o.json)
        printf("%-16s %-6s %9s %9s  %18s %9s %8s\n", "function", "form", "floats", "ns each", "quartiles", "GB/s", "copies");
    int status = DONE;
    for (size_t i = 0; status == DONE && i < o.size_count; i++)
        status = bench_size(&o, o.sizes[i], &t.parallel, all);
    threads_stop(&t);
    if (status == DONE && o.json)
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)), putchar('\n');
    if (status == DONE && o.csv)
        status = write_file(o.csv, write_table, all);
    json_decref(all);
    return status == DONE ? finish_output() : status;
}
