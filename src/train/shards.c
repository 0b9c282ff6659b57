/* SPDX-License-Identifier: MIT */
#include "shards.h"

/* ---- Long arrays, in pieces for the threads ---- */

enum { PIECE = 1 << 14 };

struct pieces {
    const struct weir__adder *a;
    const void *x;
    double factor;
    void *y;
};

static size_t piece_of(const struct weir__adder *a, size_t i)
{
    return a->n - i * PIECE < PIECE ? a->n - i * PIECE : PIECE;
}

static void add_piece(void *arg, size_t i)
{
    const struct pieces *p = arg;
    const struct weir__kernels *k = p->a->k;
    k->add(piece_of(p->a, i), weir__at(k, p->x, i * PIECE), weir__at(k, p->y, i * PIECE));
}

static void scale_piece(void *arg, size_t i)
{
    const struct pieces *p = arg;
    p->a->k->scale(piece_of(p->a, i), p->factor, weir__at(p->a->k, p->y, i * PIECE));
}

static void in_pieces(struct pieces p, void (*task)(void *arg, size_t i))
{
    weir__parallel_for(p.a->parallel, (p.a->n + PIECE - 1) / PIECE, task, &p);
}

void weir__scale_all(const struct weir__adder *a, double factor, void *x)
{
    in_pieces((struct pieces){.a = a, .factor = factor, .y = x}, scale_piece);
}

/* ---- The tree ---- */

static bool siblings(const struct weir__sum *left, const struct weir__sum *right)
{
    return left->count == right->count && left->first % (2 * left->count) == 0;
}

/* left += right */
static void join(const struct weir__adder *a, struct weir__sum *left, const struct weir__sum *right)
{
    left->count += right->count;
    left->loss.sum += right->loss.sum;
    left->loss.count += right->loss.count;
    left->loss.weight += right->loss.weight;
    if (left->gradient)
        in_pieces((struct pieces){.a = a, .x = right->gradient, .y = left->gradient}, add_piece);
}

void weir__sums_add(const struct weir__adder *a, struct weir__sums *s, struct weir__sum sum)
{
    while (s->n && siblings(s->list + s->n - 1, &sum)) {
        struct weir__sum left = s->list[--s->n];
        join(a, &left, &sum);
        sum = left;
    }
    s->list[s->n++] = sum;
}

struct weir__sum weir__sums_root(const struct weir__adder *a, struct weir__sums *s)
{
    for (; s->n > 1; s->n--)
        join(a, s->list + s->n - 2, s->list + s->n - 1);
    return s->list[0];
}

size_t weir__sums_of(struct weir__rows shards, struct weir__sums *out)
{
    const struct weir__adder nothing = {0};
    size_t most = 0;
    *out = (struct weir__sums){0};
    for (size_t i = 0; i < shards.count; i++) {
        most = out->n + 1 > most ? out->n + 1 : most;
        weir__sums_add(&nothing, out, (struct weir__sum){.first = shards.first + i, .count = 1});
    }
    return most;
}
