/* SPDX-License-Identifier: MIT */
#include "eval_labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "data/labels.h"
#include "plot.h"

/* What is told of an evaluation. */
typedef struct evaluation {
    const labels_result *r;
    const labels_score *s;
} evaluation;

static bool multi(const labels_result *r)
{
    return r->head == LABELS_MULTI;
}

/* ---- JSON ---- */

static json_t *row_json(const size_t *row, size_t n)
{
    json_t *numbers = json_array();
    for (size_t j = 0; j < n; j++)
        json_array_append_new(numbers, json_integer((json_int_t)row[j]));
    return numbers;
}

/* Rows: truth, columns: answer; of a multi-label head two by two for each label. */
static json_t *confusion_json(const evaluation *e)
{
    size_t n = e->r->classes;
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        if (multi(e->r))
            json_array_append_new(
                all, json_pack("[o, o]", row_json(e->s->confusion + 4 * i, 2), row_json(e->s->confusion + 4 * i + 2, 2)));
        else
            json_array_append_new(all, row_json(e->s->confusion + i * n, n));
    return all;
}

static json_t *scores_json(const evaluation *e)
{
    json_t *all = json_array();
    for (size_t j = 0; j < e->r->classes; j++) {
        const labels_class_score *c = e->s->of + j;
        json_array_append_new(all, json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "name", e->r->class_name[j], "support",
                                             (json_int_t)c->support, "precision", number_json(c->precision), "recall",
                                             number_json(c->recall), "f1", number_json(c->f1), "auc", number_json(c->auc)));
    }
    return all;
}

static int print_as_json(const evaluation *e)
{
    json_t *names = json_array();
    for (size_t i = 0; i < e->r->classes; i++)
        json_array_append_new(names, json_string(e->r->class_name[i]));
    json_t *all =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "task", "labels", "head", labels_heads[e->r->head],
                  e->r->each_row ? "rows" : "sequences", (json_int_t)e->s->items, "unlabelled", (json_int_t)e->r->unlabelled,
                  "unknown", (json_int_t)e->r->unknown, "loss", number_json(e->s->loss), "accuracy", number_json(e->s->accuracy),
                  "balanced_accuracy", number_json(e->s->balanced_accuracy), "macro_f1", number_json(e->s->macro_f1), "micro_f1",
                  number_json(e->s->micro_f1), "auc", number_json(e->s->auc));
    if (multi(e->r))
        json_object_set_new(all, "label_accuracy", number_json(e->s->label_accuracy));
    json_object_set_new(all, "classes", names);
    json_object_set_new(all, "scores", scores_json(e));
    json_object_set_new(all, "confusion", confusion_json(e));
    return finish_json(all);
}

/* ---- Text ---- */

static void print_share(const char *name, double x)
{
    if (isfinite(x))
        printf("%-18s %.4f\n", name, x);
    else
        printf("%-18s -\n", name);
}

static void print_cell(double x)
{
    if (isfinite(x))
        printf(" %9.4f", x);
    else
        printf(" %9s", "-");
}

static void print_classes(const evaluation *e)
{
    printf("\n%16s %9s %9s %9s %9s %9s\n", multi(e->r) ? "label" : "class", "support", "precision", "recall", "f1", "auc");
    for (size_t j = 0; j < e->r->classes; j++) {
        const labels_class_score *c = e->s->of + j;
        printf("%16.16s %9zu", e->r->class_name[j], c->support);
        print_cell(c->precision);
        print_cell(c->recall);
        print_cell(c->f1);
        print_cell(c->auc);
        putchar('\n');
    }
}

static void print_confusion(const evaluation *e)
{
    size_t n = e->r->classes;
    if (multi(e->r)) {
        printf("\n%16s %10s %10s %10s %10s\n", "truth, answer", "no, no", "no, yes", "yes, no", "yes, yes");
        for (size_t i = 0; i < n; i++)
            printf("%16.16s %10zu %10zu %10zu %10zu\n", e->r->class_name[i], e->s->confusion[4 * i], e->s->confusion[4 * i + 1],
                   e->s->confusion[4 * i + 2], e->s->confusion[4 * i + 3]);
        return;
    }
    printf("\ntruth (rows), answer (columns)\n%16s", "");
    for (size_t j = 0; j < n; j++)
        printf(" %10.10s", e->r->class_name[j]);
    for (size_t i = 0; i < n; i++) {
        printf("\n%16.16s", e->r->class_name[i]);
        for (size_t j = 0; j < n; j++)
            printf(" %10zu", e->s->confusion[i * n + j]);
    }
    putchar('\n');
}

static int print_as_text(const evaluation *e)
{
    printf("%-18s %zu\n", e->r->each_row ? "rows" : "sequences", e->s->items);
    if (isfinite(e->s->loss))
        printf("%-18s %.4f nats\n", "loss", e->s->loss);
    print_share("accuracy", e->s->accuracy);
    if (multi(e->r))
        print_share("label accuracy", e->s->label_accuracy);
    print_share("balanced accuracy", e->s->balanced_accuracy);
    print_share("macro F1", e->s->macro_f1);
    print_share("micro F1", e->s->micro_f1);
    print_share("AUC", e->s->auc);
    print_classes(e);
    print_confusion(e);
    return finish_output();
}

/* ---- Plot: how the answers fall out, as colours, and the ROC curves ---- */

enum { MOST_CURVES = 10 };

static size_t columns_of(const labels_result *r)
{
    return multi(r) ? 4 : r->classes;
}

/* A binary head has one curve, that of its second class. */
static bool has_curve(const labels_result *r, size_t class)
{
    return r->head == LABELS_BINARY ? class == 1 : class < MOST_CURVES;
}

/* Block 0: the matrix as row, column, share of the row's truth, count. Then a block for each curve. */
static void write_data(FILE *f, const void *what)
{
    const evaluation *e = what;
    size_t n = e->r->classes, across = columns_of(e->r);
    fputs("# row column share count\n", f);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < across; j++) {
            const size_t *row = e->s->confusion + i * across;
            size_t all = 0;
            for (size_t k = 0; k < across; k++)
                all += !multi(e->r) || k / 2 == j / 2 ? row[k] : 0;
            fprintf(f, "%zu %zu %.6g %zu\n", i, j, all ? (double)row[j] / (double)all : 0, row[j]);
        }
    labels_roc_point *curve = malloc((e->r->items + 1) * sizeof *curve);
    for (size_t j = 0; curve && j < n; j++) {
        size_t points = has_curve(e->r, j) ? labels_roc(e->r, j, curve) : 0;
        if (points)
            fprintf(f, "\n\n# others own: class %zu\n", j);
        for (size_t i = 0; i < points; i++)
            fprintf(f, "%.6g %.6g\n", curve[i].others, curve[i].own);
    }
    free(curve);
}

/* A name inside double quotes of gnuplot. */
static void write_name(FILE *f, const char *name)
{
    for (; *name; name++)
        fputc(*name == '"' || *name == '\\' || *name == '\n' ? '_' : *name, f);
}

static void write_tics(FILE *f, const char *axis, char *const *names, size_t n)
{
    fprintf(f, "set %stics (", axis);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", \"" : "\"", f);
        write_name(f, names[i]);
        fprintf(f, "\" %zu", i);
    }
    fputs(") noenhanced\n", f);
}

static void write_matrix(FILE *f, const char *data, const evaluation *e)
{
    static char *const outcomes[] = {"no, no", "no, yes", "yes, no", "yes, yes"};
    size_t n = e->r->classes, across = columns_of(e->r);
    char *const *names = (char *const *)e->r->class_name;
    fputs("set origin 0, 0\nset size 0.52, 1\nunset key\nset border 0\nset tics scale 0\nunset grid\n", f);
    fputs("set palette defined (0 '#f4f8fc', 0.5 '#7fb2dc', 1 '#10508c')\nset cbrange [0:1]\nunset colorbox\n", f);
    fprintf(f, "set title '%s'\n", multi(e->r) ? "Truth, answer" : "Confusion matrix, shares of each truth");
    fprintf(f, "set xlabel '%s'\nset ylabel '%s'\n", multi(e->r) ? "" : "answer", multi(e->r) ? "" : "truth");
    write_tics(f, "x", multi(e->r) ? outcomes : names, across);
    write_tics(f, "y", names, n);
    fprintf(f, "set xrange [-0.5:%g]\nset yrange [%g:-0.5]\n", (double)across - 0.5, (double)n - 0.5);
    fprintf(f, "plot %s index 0 using 2:1:3 with image", data);
    if (n <= 12) /* more would not be read */
        fprintf(
            f,
            ", \\\n     '' index 0 using 2:1:(sprintf('%%d', $4)):($3 > 0.55 ? 0xffffff : 0x222222) with labels tc rgb variable");
    fputc('\n', f);
}

static void write_curves(FILE *f, const char *data, const evaluation *e)
{
    size_t index = 1;
    fputs("set origin 0.52, 0\nset size 0.48, 1\nset border 3\nset xtics auto\nset ytics auto\nset xtics 0.2\nset ytics 0.2\nset "
          "tics scale 0.5\n"
          "set grid ytics xtics lc rgb '#e4e4e4'\nset key bottom right noenhanced\n",
          f);
    fputs("set title 'ROC curves'\nset xlabel 'share of the others taken for it'\nset ylabel 'share found'\nset xrange "
          "[0:1]\nset yrange [0:1]\n"
          "plot x with lines lc rgb '#aaaaaa' dt 2 notitle",
          f);
    for (size_t j = 0; j < e->r->classes; j++) {
        if (!has_curve(e->r, j) || !isfinite(e->s->of[j].auc))
            continue;
        fprintf(f, ", \\\n     %s index %zu using 1:2 with lines lw 2 title \"", data, index++);
        write_name(f, e->r->class_name[j]);
        fprintf(f, ": AUC %.3f\"", e->s->of[j].auc);
    }
    fputc('\n', f);
}

static void write_script(FILE *f, const char *data, const void *what)
{
    fputs("set multiplot\n", f);
    write_matrix(f, data, what);
    write_curves(f, data, what);
    fputs("unset multiplot\n", f);
}

/* ---- The command ---- */

static void warn(const eval_labels_options *o, const labels_result *r)
{
    const char *items = r->each_row ? "rows" : "sequences";
    if (r->unknown)
        fprintf(stderr, "weir: %s has %zu labels that the model does not know, such as \"%s\"; they are not counted\n", o->data,
                r->unknown, r->first_unknown);
    if (r->unlabelled)
        fprintf(stderr, "weir: %s has %zu %s without a label; they are not counted\n", o->data, r->unlabelled, items);
}

static int tell(const eval_labels_options *o, const evaluation *e)
{
    warn(o, e->r);
    int status = o->json ? print_as_json(e) : print_as_text(e);
    if (status == DONE && o->plot)
        status = plot_draw(o->plot, o->json, write_data, write_script, e);
    return status;
}

int eval_labels(const eval_labels_options *o, const weir_model *model)
{
    table *t = NULL;
    labels_result *r = NULL;
    labels_score *s = NULL;
    weir_error err;
    int status;
    if (table_read(&t, o->data, &err) || labels_classify(&r, model, t, o->from, o->threshold, &err) ||
        labels_measure(&s, r, &err))
        status = complain("%s", err.text);
    else if (!r->labelled && r->unknown)
        status = complain("%s has no label that the model knows; one of its own is \"%s\"", o->data, r->first_unknown);
    else if (!r->labelled)
        status = complain("%s has no labels to measure by; weir classify needs none", o->data);
    else
        status = tell(o, &(evaluation){r, s});
    labels_score_free(s);
    labels_result_free(r);
    table_free(t);
    return status;
}
