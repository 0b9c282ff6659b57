/* SPDX-License-Identifier: MIT */
#include "reber.h"

#include <stdlib.h>
#include <string.h>

/* ---- The grammar ---- */

enum { B, T, P, S, X, V, E };
enum { START = 0, SECOND = 1, LAST_BUT_ONE = 9, MOST_STEPS = 128 };

typedef struct arc {
    int symbol, node;
} arc;

/* The two ways from each node; the last but one takes what came second. */
static const arc ways[][2] = {
    {{B, 1}, {B, 1}}, {{T, 2}, {P, 2}},                                                                 /* outside */
    {{B, 3}, {B, 3}}, {{T, 4}, {P, 5}}, {{S, 4}, {X, 6}},   {{T, 5}, {V, 7}},         {{X, 5}, {S, 8}}, /* inside */
    {{P, 6}, {V, 8}}, {{E, 9}, {E, 9}}, {{T, 10}, {P, 10}}, {{E, START}, {E, START}},
};

typedef struct walk {
    int node, second; /* the way that was taken from SECOND */
} walk;

static bool may_follow(const walk *w, int symbol)
{
    if (w->node == LAST_BUT_ONE)
        return ways[SECOND][w->second].symbol == symbol;
    return ways[w->node][0].symbol == symbol || ways[w->node][1].symbol == symbol;
}

static int step(walk *w, draws *d)
{
    int way = w->node == LAST_BUT_ONE ? w->second : (int)draw_below(d, 2);
    if (w->node == SECOND)
        w->second = way;
    arc a = ways[w->node][way];
    w->node = a.node;
    return a.symbol;
}

/* A piece of a stream: x, target and what may follow each symbol. */
typedef struct piece {
    size_t steps;
    float x[MOST_STEPS][REBER_SYMBOLS], target[MOST_STEPS][REBER_SYMBOLS];
    bool may[MOST_STEPS][REBER_SYMBOLS];
} piece;

/* Adds a symbol and what follows it. */
static void put(piece *p, const walk *w, int symbol, int next)
{
    for (int k = 0; k < REBER_SYMBOLS; k++) {
        p->x[p->steps][k] = k == symbol;
        p->target[p->steps][k] = k == next;
        p->may[p->steps][k] = may_follow(w, k);
    }
    p->steps++;
}

/* The symbols up to the E of a string, with what follows each; or as many as fit. `symbol` is the first one, and becomes the first one of the next
 * piece. A single string is not asked what follows its E. */
static void next_string(piece *p, walk *w, int *symbol, draws *d, bool single)
{
    p->steps = 0;
    for (bool done = false; !done && p->steps < MOST_STEPS;) {
        walk here = *w;
        int next = step(w, d);
        put(p, &here, *symbol, next);
        *symbol = next;
        done = w->node == (single ? START : SECOND); /* E or B was said just now */
    }
}

static bool right_at(const piece *p, size_t t, const float *y)
{
    float least = 2, most = -1;
    for (int k = 0; k < REBER_SYMBOLS; k++) {
        if (p->may[t][k] && y[k] < least)
            least = y[k];
        if (!p->may[t][k] && y[k] > most)
            most = y[k];
    }
    return least > most;
}

/* ---- Single strings ---- */

enum { STRINGS = 256 };

static piece *new_strings(uint64_t seed, uint64_t purpose)
{
    draws d = draws_of(seed, purpose);
    piece *all = room(STRINGS, sizeof *all);
    for (size_t i = 0; i < STRINGS; i++) {
        walk w = {START, 0};
        int symbol = step(&w, &d);
        next_string(all + i, &w, &symbol, &d, true);
    }
    return all;
}

static unsigned wrong_strings(learner *l, const piece *all)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < STRINGS; i++) {
        const piece *p = all + i;
        float y[MOST_STEPS][REBER_SYMBOLS];
        learner_run(l, &(weir_batch){.steps = p->steps, .rows = 1, .x = p->x[0]}, y[0], NULL);
        bool right = true;
        for (size_t t = 0; t < p->steps; t++)
            right &= right_at(p, t, y[t]);
        wrong += !right;
    }
    return wrong;
}

/* A batch of strings drawn from all. */
static void train_strings(learner *l, const piece *all, draws *d, size_t rows, float *x, float *target)
{
    uint32_t lengths[64];
    size_t longest = 0;
    for (size_t r = 0; r < rows; r++) {
        const piece *p = all + draw_below(d, STRINGS);
        for (size_t t = 0; t < p->steps; t++) {
            memcpy(x + (t * rows + r) * REBER_SYMBOLS, p->x[t], sizeof p->x[t]);
            memcpy(target + (t * rows + r) * REBER_SYMBOLS, p->target[t], sizeof p->target[t]);
        }
        lengths[r] = (uint32_t)p->steps;
        longest = p->steps > longest ? p->steps : longest;
    }
    learner_train(l,
                  &(weir_batch){.steps = longest, .rows = rows, .x = x, .targets = target, .lengths = rows > 1 ? lengths : NULL},
                  NULL, NULL, NULL);
}

outcome run_reber_strings(const trial *row, uint64_t seed, uint64_t budget)
{
    enum { EVERY = 512 };
    size_t rows = row->net.train.rows, count = MOST_STEPS * rows * REBER_SYMBOLS;
    learner *l = learner_new(&row->net, seed);
    piece *train = new_strings(seed, FOR_TRAINING), *test = new_strings(seed, FOR_TEST);
    float *x = room(count, sizeof *x), *target = room(count, sizeof *target);
    draws d = draws_of(seed, FOR_ORDER);
    outcome r = {.weights = learner_weights(l)};
    while (r.sequences < budget && !r.solved && !learner_diverged(l)) {
        train_strings(l, train, &d, rows, x, target);
        r.sequences += rows;
        r.solved = r.sequences % EVERY == 0 && wrong_strings(l, test) + wrong_strings(l, train) == 0;
    }
    r.measure = wrong_strings(l, test);
    free(x);
    free(target);
    free(train);
    free(test);
    learner_free(l);
    return r;
}

/* ---- Endless streams ---- */

enum { STREAM = 100000, TEST_STREAMS = 10, SYMBOLS_TO_TEST = 100000, PIECES = 20 };

/* Symbols right before the first error. */
static uint64_t test_stream(learner *l, draws *d)
{
    walk w = {START, 0};
    int symbol = step(&w, d);
    piece p;
    uint64_t right = 0;
    for (bool first = true; right < STREAM; first = false) {
        float y[MOST_STEPS][REBER_SYMBOLS];
        next_string(&p, &w, &symbol, d, false);
        learner_run(l, &(weir_batch){.steps = p.steps, .rows = 1, .x = p.x[0], .carry = !first}, y[0], NULL);
        for (size_t t = 0; t < p.steps; t++, right++)
            if (!right_at(&p, t, y[t]))
                return right;
    }
    return STREAM;
}

static double test_streams(learner *l, uint64_t seed)
{
    draws d = draws_of(seed, FOR_TEST);
    double sum = 0;
    for (int i = 0; i < TEST_STREAMS; i++)
        sum += (double)test_stream(l, &d);
    return sum / TEST_STREAMS;
}

static bool is_wrong(void *ctx, size_t t, const float *y)
{
    return !right_at(ctx, t, y);
}

/* A stream up to its first error; an update for every string. Returns its symbols. */
static uint64_t train_stream(learner *l, draws *d)
{
    walk w = {START, 0};
    int symbol = step(&w, d);
    piece p;
    uint64_t done = 0;
    for (bool wrong = false; !wrong && done < STREAM;) {
        next_string(&p, &w, &symbol, d, false);
        weir_batch batch = {.steps = p.steps, .rows = 1, .x = p.x[0], .targets = p.target[0], .carry = done > 0};
        size_t steps = learner_train(l, &batch, is_wrong, &p, NULL);
        wrong = steps < p.steps;
        done += steps;
    }
    return done;
}

/* The next piece of each of many streams, of PIECES pieces each. */
typedef struct streams {
    walk walk[64];
    int symbol[64];
    unsigned pieces;
} streams;

static uint64_t train_pieces(learner *l, streams *s, draws *d, const weir_train_config *size, float *x, float *target)
{
    size_t rows = size->rows, steps = size->steps;
    for (size_t r = 0; r < rows; r++) {
        if (s->pieces == 0) {
            s->walk[r] = (walk){START, 0};
            s->symbol[r] = step(&s->walk[r], d);
        }
        for (size_t t = 0; t < steps; t++) {
            int next = step(&s->walk[r], d);
            for (int k = 0; k < REBER_SYMBOLS; k++) {
                x[(t * rows + r) * REBER_SYMBOLS + (size_t)k] = k == s->symbol[r];
                target[(t * rows + r) * REBER_SYMBOLS + (size_t)k] = k == next;
            }
            s->symbol[r] = next;
        }
    }
    learner_train(l, &(weir_batch){.steps = steps, .rows = rows, .x = x, .targets = target, .carry = s->pieces > 0}, NULL, NULL,
                  NULL);
    s->pieces = (s->pieces + 1) % PIECES;
    return rows * steps;
}

outcome run_reber_streams(const trial *row, uint64_t seed, uint64_t budget)
{
    size_t count = (size_t)row->net.train.rows * row->net.train.steps * REBER_SYMBOLS;
    learner *l = learner_new(&row->net, seed);
    float *x = room(count, sizeof *x), *target = room(count, sizeof *target);
    streams *s = room(1, sizeof *s);
    draws d = draws_of(seed, FOR_TRAINING);
    outcome r = {.weights = learner_weights(l)};
    uint64_t tested = 0;
    while (r.sequences < budget && !r.solved && !learner_diverged(l)) {
        r.sequences += row->net.classic ? train_stream(l, &d) : train_pieces(l, s, &d, &row->net.train, x, target);
        if (r.sequences / SYMBOLS_TO_TEST > tested) {
            tested = r.sequences / SYMBOLS_TO_TEST;
            r.solved = test_streams(l, seed) == STREAM;
        }
    }
    r.measure = test_streams(l, seed);
    free(s);
    free(x);
    free(target);
    learner_free(l);
    return r;
}
