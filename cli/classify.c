/* weir classify
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "cli.h"
#include "data/labels.h"

typedef struct options {
    const char *model, *data, *output;
    double threshold;
    weir_isa isa;
} options;

enum { KEY_ISA = 256, KEY_THRESHOLD };

static const struct argp_option option_list[] = {
    {"output", 'o', "FILE.csv", 0, "Where to write (standard output)", 0},
    {"threshold", KEY_THRESHOLD, "P", 0, "A sigmoid says yes from this probability on (0.5; binary and multi-label heads)", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; break;
    case KEY_THRESHOLD: o->threshold = option_number(state, "threshold", arg, 0, 1); break;
    case KEY_ISA: o->isa = option_isa(state, arg); break;
    case ARGP_KEY_ARG:
        if (o->data)
            argp_error(state, "one model and one file of data are enough");
        *(o->model ? &o->data : &o->model) = arg;
        break;
    case ARGP_KEY_END:
        if (!o->data)
            argp_error(state, "name the model and the data");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* The labels that an item got, as the data of a training has them. */
static void write_labels(FILE *f, const labels_result *r, size_t item)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    for (size_t j = 0, any = 0; memory && j < r->classes; j++)
        if (r->answer[item * r->classes + j])
            fprintf(memory, "%s%s", any++ ? ";" : "", r->class_name[j]);
    if (!memory || fclose(memory))
        complain("there is no memory left");
    else
        write_field(f, "", text, "");
    free(text);
}

static void write_csv(FILE *f, const void *what)
{
    const labels_result *r = what;
    fputs(r->each_row ? "id,row,label" : "id,label", f);
    for (size_t j = 0; j < r->classes; j++) {
        fputc(',', f);
        write_field(f, "p_", r->class_name[j], "");
    }
    fputc('\n', f);
    for (size_t i = 0; i < r->items; i++) {
        write_field(f, "", r->id[i], "");
        fputc(',', f);
        if (r->each_row)
            fprintf(f, "%zu,", r->step[i]);
        if (r->head == LABELS_MULTI)
            write_labels(f, r, i);
        else
            write_field(f, "", r->class_name[r->best[i]], "");
        for (size_t j = 0; j < r->classes; j++)
            fprintf(f, ",%.9g", (double)r->probability[i * r->classes + j]);
        fputc('\n', f);
    }
}

int cmd_classify(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "MODEL DATA.csv", "Labels every sequence of a CSV, with probabilities.", 0, 0, 0};
    options o = {.threshold = 0.5};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    weir_model *model;
    json_t *notes;
    if (load_model(o.model, o.isa, "labels", &model, &notes))
        return FAILED;
    table *t = NULL;
    labels_result *r = NULL;
    weir_error err;
    int status;
    if (table_read(&t, o.data, &err) || labels_classify(&r, model, t, 0, o.threshold, &err))
        status = complain("%s", err.text);
    else if (o.output)
        status = write_file(o.output, write_csv, r);
    else {
        write_csv(stdout, r);
        status = finish_output();
    }
    labels_result_free(r);
    table_free(t);
    weir_model_free(model);
    json_decref(notes);
    return status;
}
