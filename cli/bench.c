/* weir bench
 * SPDX-License-Identifier: MIT */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_FORM = 256, KEY_SIZE, KEY_THREADS, KEY_ISA, KEY_JSON, KEY_CSV, KEY_REPEATS, KEY_PLOT };

const char *const form_names[] = {"exact", "fast", "both", NULL};

/* The problems of a kind that is named without sizes, and without any name all of them. */
static const char *const standard[] = {
    "R1-H8-peep",         "R1-H16-peep",        "R1-H32-peep",        "R1-H64-peep",        "R2-H128-peep",       "R2-H256-peep",
    "R2-H512-peep",       "R2-H1024-peep",      "R2-H128-T100-peep",  "R2-H256-T100-peep",  "R2-H512-T100-peep",  "R2-H1024-T100-peep",
    "R3-H128-B16-peep",   "R3-H128-B64-peep",   "R3-H256-B16-peep",   "R3-H256-B64-peep",   "R3-H512-B16-peep",   "R3-H512-B64-peep",
    "R3-H1024-B16-peep",  "R3-H1024-B64-peep",  "R4-H128-B16-peep",   "R4-H128-B64-peep",   "R4-H256-B16-peep",   "R4-H256-B64-peep",
    "R4-H512-B16-peep",   "R4-H512-B64-peep",   "R4-H1024-B16-peep",  "R4-H1024-B64-peep",
};

typedef struct options {
    bench_options bench;
    const char *csv;
    bool json;
} options;

static const struct argp_option option_list[] = {
    {"threads", KEY_THREADS, "N", 0, "Threads (1)", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set", 0},
    {"repeats", KEY_REPEATS, "N", 0, "Measurements of each, of which the median counts (9; of activations 21, 5 in memory)", 0},
    {"json", KEY_JSON, 0, 0, "Print JSON", 0},
    {"csv", KEY_CSV, "FILE", 0, "Write a CSV too", 0},
    {"plot", KEY_PLOT, "FILE", 0, "Draw problems beside the machine's limit: FILE.svg or FILE.png", 0},
    {"form", KEY_FORM, "NAME", 0, "Of activations: exact, fast or both (the default)", 0},
    {"size", KEY_SIZE, "N,...", 0,
     "Of activations: floats of an array, K and M for 1024 and its square (64K,64M: in the second cache, and in memory)", 0},
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

static void option_sizes(const struct argp_state *state, const char *text, bench_options *o)
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

static void add_problem(const struct argp_state *state, const char *text, bench_options *o)
{
    weir_error err;
    if (o->count == MOST_NAMES)
        argp_error(state, "%d problems are the most", MOST_NAMES);
    else if (!problem_read(text, o->problems + o->count++, &err))
        argp_error(state, "%s", err.text);
}

/* The standard problems whose names begin so. */
static void add_standard(const struct argp_state *state, const char *kind, bench_options *o)
{
    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++)
        if (strncmp(standard[i], kind, strlen(kind)) == 0)
            add_problem(state, standard[i], o);
}

static void take_name(const struct argp_state *state, const char *text, bench_options *o)
{
    if (!o->activations && o->count == 0 && strcmp(text, "activations") == 0)
        o->activations = true;
    else if (o->activations && o->count == MOST_NAMES)
        argp_error(state, "%d functions are the most", MOST_NAMES);
    else if (o->activations)
        o->names[o->count++] = text;
    else if (strlen(text) == 2 && text[0] == 'R' && text[1] >= '1' && text[1] <= '4')
        add_standard(state, text, o);
    else
        add_problem(state, text, o);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *all = state->input;
    bench_options *o = &all->bench;
    switch (key) {
    case KEY_FORM: o->form = option_name(state, "form", arg, form_names); break;
    case KEY_SIZE: option_sizes(state, arg, o); break;
    case KEY_REPEATS: o->repeats = option_count(state, "repeats", arg, 1, MOST_REPEATS); break;
    case KEY_THREADS: o->threads = option_count(state, "threads", arg, 1, 1024); break;
    case KEY_ISA: o->isa = option_isa(state, arg); break;
    case KEY_JSON: all->json = true; break;
    case KEY_CSV: all->csv = arg; break;
    case KEY_PLOT: o->plot = option_picture(state, "plot", arg); break;
    case ARGP_KEY_ARG: take_name(state, arg, o); break;
    case ARGP_KEY_END:
        if (!o->activations && o->count == 0)
            add_standard(state, "R", o);
        if (o->activations && o->plot)
            argp_error(state, "--plot draws problems, not activations");
        if (o->size_count == 0) {
            o->sizes[o->size_count++] = NEAR;
            o->sizes[o->size_count++] = FAR;
        }
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

figures figures_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return (figures){values[n / 2], values[n / 4], values[n * 3 / 4]};
}

/* One row per object, one column per key; no value needs quotes. */
static void write_table(FILE *f, const void *what)
{
    size_t i;
    json_t *row, *value;
    const char *key;
    json_object_foreach(json_array_get(what, 0), key, value)
        fprintf(f, "%s%s", value == json_object_iter_value(json_object_iter(json_array_get(what, 0))) ? "" : ",", key);
    json_array_foreach(what, i, row)
    {
        const char *between = "\n";
        json_object_foreach(row, key, value)
        {
            char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
            fprintf(f, "%s%s", between, text ? text : json_string_value(value));
            free(text);
            between = ",";
        }
    }
    fputc('\n', f);
}

int cmd_bench(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "[PROBLEM...]\nactivations [NAME...]",
                                     "Measures speed: of networks, by problems such as R2-f32-L2-H256-T1-B1-peep (or R1, R2, R3, R4: a "
                                     "table of each), beside what the machine could do at most; or of the activation functions, beside "
                                     "a copy.",
                                     0, 0, 0};
    options o = {.bench = {.form = 2, .threads = 1}};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    threads t = threads_start(o.bench.threads, true);
    if (t.parallel.threads)
        o.bench.threads = t.parallel.threads;
    json_t *all = json_array();
    int status = (o.bench.activations ? bench_activations : bench_problems)(&o.bench, o.json, &t.parallel, all);
    threads_stop(&t);
    if (status == DONE && o.json)
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)), putchar('\n');
    if (status == DONE && o.csv)
        status = write_file(o.csv, write_table, all);
    json_decref(all);
    return status == DONE ? finish_output() : status;
}
