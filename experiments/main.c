/* Runs trials and writes a line of JSON for each seed. Usage: below, and experiments/README.md.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: weir-experiments [NAME...] [OPTION...]\n"
    "Trains the networks of the papers on their tasks; prints a line of JSON for each trial and seed. NAME is a task, such as\n"
    "adding; without one, all run.\n"
    "  --list            print tasks, variants, settings and budgets, and end\n"
    "  --quick           the short version of the trials that have one; fails if one does not learn\n"
    "  --settings NAME   only those of the papers (paper) or of today (adam)\n"
    "  --variant NAME    only this variant\n"
    "  --seeds N         seeds 1 to N; default 10, with --quick 1\n"
    "  --first N         begin with seed N\n"
    "  --trace           print the cell of a network that counts, step by step, and end\n"
    "  --budget N        N training sequences at most, for every trial\n";

typedef struct options {
    bool list, quick;
    const char *settings, *variant;
    uint64_t seeds, first, budget;
    int names; /* of tasks, in front of argv */
    char **name;
} options;

static const trial *const papers[] = {gers2002_trials, hochreiter1997_trials, gers2000_trials, gers2001_trials, greff2017_trials};

_Noreturn static void misuse(const char *what)
{
    fprintf(stderr, "weir-experiments: %s\n%s", what, usage);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long n = text ? strtoull(text, &end, 10) : 0;
    if (n == 0 || *end)
        misuse("--seeds, --first and --budget take a number of at least 1");
    return n;
}

static options read_options(int argc, char **argv)
{
    options o = {.name = argv, .first = 1};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-')
            o.name[o.names++] = argv[i];
        else if (strcmp(argv[i], "--list") == 0)
            o.list = true;
        else if (strcmp(argv[i], "--quick") == 0)
            o.quick = true;
        else if (strcmp(argv[i], "--settings") == 0 && next && i++)
            o.settings = next;
        else if (strcmp(argv[i], "--variant") == 0 && next && i++)
            o.variant = next;
        else if (strcmp(argv[i], "--seeds") == 0 && next && i++)
            o.seeds = number(next);
        else if (strcmp(argv[i], "--first") == 0 && next && i++)
            o.first = number(next);
        else if (strcmp(argv[i], "--budget") == 0 && next && i++)
            o.budget = number(next);
        else if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        } else if (strcmp(argv[i], "--trace") == 0) {
            gers2001_trace();
            exit(0);
        } else
            misuse("an option is unknown or lacks its value");
    }
    if (o.seeds == 0)
        o.seeds = o.quick ? 1 : 10;
    return o;
}

static bool wanted(const options *o, const trial *t)
{
    bool named = o->names == 0;
    for (int i = 0; i < o->names; i++)
        named |= strcmp(o->name[i], t->experiment) == 0;
    return named && !(o->settings && strcmp(o->settings, t->settings)) && !(o->variant && strcmp(t->variant, o->variant)) &&
           !(o->quick && !t->quick);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* False if the quick version has not learned. */
static bool run_trial(const options *o, const trial *t, uint64_t seed)
{
    uint64_t budget = o->budget ? o->budget : o->quick ? t->quick : t->budget;
    double start = seconds();
    outcome r = t->run(t, seed, budget);
    printf("{\"task\": \"%s\", \"variant\": \"%s\", \"settings\": \"%s\", \"seed\": %llu, \"weights\": %zu, \"budget\": %llu, "
           "\"solved\": %s, \"sequences\": %llu, \"measure\": \"%s\", \"value\": %.9g, \"seconds\": %.2f}\n",
           t->experiment, t->variant, t->settings, (unsigned long long)seed, r.weights, (unsigned long long)budget,
           r.solved ? "true" : "false", (unsigned long long)r.sequences, t->measure, r.measure, seconds() - start);
    fflush(stdout);
    bool learned = !o->quick || (t->more ? r.measure >= t->quick_bound : r.measure <= t->quick_bound);
    if (!learned)
        fprintf(stderr, "weir-experiments: %s, %s, %s: after %llu sequences %s is %g, worse than %g\n", t->experiment, t->variant,
                t->settings, (unsigned long long)r.sequences, t->measure, r.measure, t->quick_bound);
    return learned;
}

int main(int argc, char **argv)
{
    options o = read_options(argc, argv);
    bool good = true, any = false;
    for (size_t p = 0; p < sizeof papers / sizeof *papers; p++)
        for (const trial *t = papers[p]; t->experiment; t++) {
            if (!wanted(&o, t))
                continue;
            any = true;
            if (o.list)
                printf("%-16s %-28s %-6s at most %llu sequences, quick %llu\n", t->experiment, t->variant, t->settings,
                       (unsigned long long)t->budget, (unsigned long long)t->quick);
            for (uint64_t seed = o.first; !o.list && seed <= o.seeds; seed++)
                good &= run_trial(&o, t, seed);
        }
    if (!any)
        misuse("there is no such trial");
    return good ? 0 : 1;
}
