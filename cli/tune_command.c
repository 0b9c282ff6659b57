/* SPDX-License-Identifier: MIT */
#include "tune_command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MINUTES = 1024, KEY_TRIALS, KEY_RANGE, KEY_LOG, KEY_PLOT, KEY_QUIET, KEY_THREADS };

/* ---- Options ---- */

static const struct argp_option own_options[] = {
    {"minutes", KEY_MINUTES, "M", 0, "Try for so long, over all calls of this search together (10, or no end with --trials)", 0},
    {"trials", KEY_TRIALS, "N", 0, "Try so many settings (as many as the time allows)", 0},
    {"range", KEY_RANGE, 0, 0, "Only test which learning rates make the loss fall", 0},
    {"output", 'o', "MODEL", 0, "The best model (the data's name with .weir, in this folder)", 0},
    {"log", KEY_LOG, "FILE.jsonl", 0, "The trials, a JSON line each (MODEL.tune.jsonl)", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "The picture (MODEL.tune.svg; none for --range)", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads; the result does not depend on it (all processors)", 0},
    {"quiet", KEY_QUIET, 0, 0, "Print the table alone", 0},
    {0},
};

static error_t parse_own(int key, char *arg, struct argp_state *state)
{
    tune_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->train; break;
    case KEY_MINUTES: o->minutes = option_number(state, "minutes", arg, 0.001, 1e6); break;
    case KEY_TRIALS: o->trials = option_count(state, "trials", arg, 1, 1000000); break;
    case KEY_RANGE: o->range = true; break;
    case 'o': o->train.output = arg; break;
    case KEY_LOG: o->train.log = arg; break;
    case KEY_PLOT: o->train.plot = option_picture(state, "plot", arg); break;
    case KEY_THREADS: o->train.threads = option_count(state, "threads", arg, 1, 1024); break;
    case KEY_QUIET: o->train.quiet = true; break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Options of weir train that mean another thing here, or nothing. */
static bool is_left_out(const struct argp_option *option)
{
    static const char *const others[] = {"resume", "checkpoint", "checkpoint-every", "checkpoint-steps", "keep", "mpi"};
    for (size_t i = 0; option->name && i < sizeof others / sizeof *others; i++)
        if (strcmp(option->name, others[i]) == 0)
            return true;
    for (const struct argp_option *own = own_options; own->name || own->doc; own++)
        if (own->name && option->name && strcmp(own->name, option->name) == 0)
            return true;
    return false;
}

void tune_options_parse(tune_options *o, int argc, char **argv)
{
    enum { MOST = 96 };
    struct argp_option rest[MOST] = {{0}};
    size_t n = 0;
    for (const struct argp_option *option = train_option_list; (option->name || option->doc) && n + 1 < MOST; option++)
        if (!is_left_out(option))
            rest[n++] = *option;
    const struct argp given = {rest, train_parse, "DATA...", 0, 0, 0, 0};
    const struct argp_child children[] = {{&given, 0, NULL, 0}, {0}};
    const struct argp argp = {own_options, parse_own, NULL, "Tries settings of weir train at random and keeps the best model.\v"
                              "The options under the headings are those of weir train: they hold for all trials.", children, 0, 0};
    *o = (tune_options){.train = {.training = training_defaults(), .arguments = json_array()}};
    argp_parse(&argp, argc, argv, 0, NULL, o);
    if (o->minutes == 0)
        o->minutes = o->trials ? (double)INFINITY : 10;
    if (!o->trials)
        o->trials = UINT32_MAX;
}

void tune_options_free(tune_options *o)
{
    json_decref(o->train.arguments);
}

/* ---- The command of a trial ---- */

/* A name that no parser takes for an option. */
static char *plain_path(const char *path)
{
    size_t size = strlen(path) + 3;
    char *word = malloc(size);
    if (word)
        snprintf(word, size, "%s%s", *path == '-' ? "./" : "", path);
    return word;
}

void command_free(command *c)
{
    for (int i = 0; i < c->argc; i++)
        free(c->argv[i]);
    free(c->argv);
}

/* weir train with this trial's options. What was given comes last, so that it holds. */
bool command_make(command *c, const tune_options *o, const tune_draw *draw)
{
    const training *t = &o->train.training;
    size_t given = json_array_size(o->train.arguments);
    *c = (command){.argv = calloc(t->count + draw->count + given + 4, sizeof *c->argv)};
    if (!c->argv)
        return false;
    c->argv[c->argc++] = strdup("weir train");
    for (size_t i = 0; i < t->count; i++)
        c->argv[c->argc++] = plain_path(t->paths[i]);
    c->argv[c->argc++] = strdup("-o");
    c->argv[c->argc++] = plain_path(o->train.output);
    for (size_t i = 0; i < draw->count; i++)
        c->argv[c->argc++] = strdup(draw->argument[i]);
    for (size_t i = 0; i < given; i++)
        c->argv[c->argc++] = strdup(json_string_value(json_array_get(o->train.arguments, i)));
    for (int i = 0; i < c->argc; i++)
        if (!c->argv[i])
            return false;
    return true;
}

void command_print(const command *c)
{
    fputs("    weir train", stdout);
    for (int i = 1; i < c->argc; i++) {
        putchar(' ');
        write_quoted(stdout, c->argv[i]);
    }
    putchar('\n');
}

training command_settings(const command *c)
{
    static const struct argp argp = {train_option_list, train_parse, "DATA...", 0, 0, 0, 0};
    train_options o = {.training = training_defaults()};
    argp_parse(&argp, c->argc, c->argv, ARGP_NO_HELP, NULL, &o);
    return o.training;
}
