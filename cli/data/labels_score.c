/* How good the labels are that a model gives.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/labels.h"

/* What the table says of an item and a class: 1, 0, or -1 for nothing. */
static int is_of(const labels_result *r, size_t item, size_t class)
{
    if (r->head == LABELS_MULTI)
        return r->given[item * r->classes + class];
    return r->truth[item] == SIZE_MAX ? -1 : r->truth[item] == class;
}

static bool answered(const labels_result *r, size_t item, size_t class)
{
    return r->head == LABELS_MULTI ? r->answer[item * r->classes + class] == 1 : r->best[item] == class;
}

/* ---- ROC curves: Fawcett 2006, An introduction to ROC analysis ---- */

typedef struct scored {
    float score;
    bool own;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

/* The labelled items from the highest score down. Free with free(); NULL without memory. */
static scored *sort_items(const labels_result *r, size_t class, size_t *count)
{
    scored *all = malloc((r->items + 1) * sizeof *all);
    *count = 0;
    for (size_t i = 0; all && i < r->items; i++) {
        int own = is_of(r, i, class);
        const float *p = r->probability + i * r->classes;
        if (own >= 0) /* 1 - p would round; its order is that of -p */
            all[(*count)++] = (scored){r->head == LABELS_BINARY && class == 0 ? -p[1] : p[class], own == 1};
    }
    if (all)
        qsort(all, *count, sizeof *all, by_score);
    return all;
}

/* Goes through groups of equal scores, and counts what of each kind is not below them. */
static bool next_group(const scored *all, size_t count, size_t *at, size_t *own, size_t *others)
{
    size_t first = *at;
    while (*at < count && all[*at].score == all[first].score) {
        *own += all[*at].own;
        *others += !all[*at].own;
        ++*at;
    }
    return *at > first;
}

/* The share of pairs, one item of the class and one other, whose scores are in the right order, ties counting half (Mann & Whitney 1947);
 * counted in whole numbers. NaN without a pair. */
static double area(const scored *all, size_t count)
{
    double twice = 0;
    size_t at = 0, own = 0, others = 0;
    for (size_t own_before = 0, others_before = 0; next_group(all, count, &at, &own, &others);
         own_before = own, others_before = others)
        twice += (double)(others - others_before) * (double)(own + own_before);
    return own && others ? twice / 2 / ((double)own * (double)others) : (double)NAN;
}

size_t labels_roc(const labels_result *r, size_t class, labels_roc_point *curve)
{
    size_t count, points = 0, at = 0, own = 0, others = 0;
    scored *all = sort_items(r, class, &count);
    if (all && isfinite(area(all, count))) {
        curve[points++] = (labels_roc_point){0, 0};
        while (next_group(all, count, &at, &own, &others))
            curve[points++] = (labels_roc_point){(double)others, (double)own};
        for (size_t i = 0; i < points; i++) {
            curve[i].others /= (double)others;
            curve[i].own /= (double)own;
        }
    }
    free(all);
    return points;
}

/* ---- Measures ---- */

/* What came out for a class: its own items, those answered, and those rightly answered. */
typedef struct tally {
    size_t own, said, right, counted;
} tally;

static tally count_class(const labels_result *r, size_t class)
{
    tally n = {0};
    for (size_t i = 0; i < r->items; i++) {
        int own = is_of(r, i, class);
        if (own < 0)
            continue;
        bool said = answered(r, i, class);
        n.counted++;
        n.own += own == 1;
        n.said += said;
        n.right += own == 1 && said;
    }
    return n;
}

static double share(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : (double)NAN;
}

/* A mean over what is defined. */
typedef struct mean {
    double sum, count;
} mean;

static void add(mean *m, double x)
{
    if (isfinite(x)) {
        m->sum += x;
        m->count++;
    }
}

static double of(const mean *m)
{
    return m->count > 0 ? m->sum / m->count : (double)NAN;
}

/* -log p, of at most 87: a float below 1e-38 is subnormal. */
static double nats(double p)
{
    return -log(fmax(p, 1e-38));
}

/* A float has no number between 1 - 2^-24 and 1: a p of 1 may have been 1 - 2^-25. */
static double nats_of_flag(double p, bool yes)
{
    return yes ? nats(p) : -log(fmax(1 - p, 0x1p-25));
}

static void measure_items(labels_score *s, const labels_result *r)
{
    mean loss = {0}, label = {0}, item = {0};
    for (size_t i = 0; i < r->items; i++) {
        const float *p = r->probability + i * r->classes;
        bool any = false, all = true;
        for (size_t j = 0; r->head == LABELS_MULTI && j < r->classes; j++) {
            int own = is_of(r, i, j);
            if (own < 0)
                continue;
            any = true;
            all &= answered(r, i, j) == (own == 1);
            add(&loss, nats_of_flag((double)p[j], own == 1));
            add(&label, answered(r, i, j) == (own == 1));
        }
        if (r->head != LABELS_MULTI && r->truth[i] != SIZE_MAX) {
            any = true;
            all = r->best[i] == r->truth[i];
            add(&loss, r->head == LABELS_BINARY ? nats_of_flag((double)p[1], r->truth[i] == 1) : nats((double)p[r->truth[i]]));
            s->confusion[r->truth[i] * r->classes + r->best[i]]++;
        }
        if (any)
            add(&item, all);
    }
    s->items = (size_t)item.count;
    s->loss = of(&loss);
    s->accuracy = of(&item);
    s->label_accuracy = of(&label);
}

static weir_status measure_classes(labels_score *s, const labels_result *r, weir_error *err)
{
    mean recall = {0}, f1 = {0}, auc = {0};
    tally every = {0};
    for (size_t j = 0; j < r->classes; j++) {
        tally n = count_class(r, j);
        labels_class_score *c = s->of + j;
        *c = (labels_class_score){n.own, share(n.right, n.said), share(n.right, n.own), share(2 * n.right, n.own + n.said),
                                  (double)NAN};
        size_t count;
        scored *all = sort_items(r, j, &count);
        if (!all)
            return data_no_memory(err);
        c->auc = area(all, count);
        free(all);
        add(&recall, c->recall);
        add(&f1, c->f1);
        if (r->head != LABELS_BINARY || j == 1)
            add(&auc, c->auc);
        every.own += n.own;
        every.said += n.said;
        every.right += n.right;
        if (r->head == LABELS_MULTI) {
            size_t no = n.counted - n.own, wrong_yes = n.said - n.right;
            add(&recall, share(no - wrong_yes, no));
            memcpy(s->confusion + 4 * j, (size_t[]){no - wrong_yes, wrong_yes, n.own - n.right, n.right},
                   4 * sizeof *s->confusion);
        }
    }
    s->balanced_accuracy = of(&recall);
    s->macro_f1 = of(&f1);
    s->micro_f1 = share(2 * every.right, every.own + every.said);
    s->auc = of(&auc);
    return WEIR_OK;
}

weir_status labels_measure(labels_score **out, const labels_result *r, weir_error *err)
{
    *out = NULL;
    labels_score *s = calloc(1, sizeof *s);
    if (!s)
        return data_no_memory(err);
    s->of = calloc(r->classes + 1, sizeof *s->of);
    s->confusion = calloc(r->classes * (r->head == LABELS_MULTI ? 4 : r->classes) + 1, sizeof *s->confusion);
    weir_status status = s->of && s->confusion ? WEIR_OK : data_no_memory(err);
    if (!status) {
        measure_items(s, r);
        status = measure_classes(s, r, err);
    }
    if (status)
        labels_score_free(s);
    else
        *out = s;
    return status;
}

void labels_score_free(labels_score *s)
{
    if (!s)
        return;
    free(s->of);
    free(s->confusion);
    free(s);
}
