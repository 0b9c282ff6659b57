/* Gers & Schmidhuber 2001, "LSTM recurrent networks learn simple context free and context sensitive languages", IEEE Trans. Neural Networks
 * 12(6):1333-1340: a^n b^n and a^n b^n c^n. After each symbol the network says which ones may follow; a string is accepted if all of that
 * is right. Trained with n = 1 .. 10, tested with larger n.
 * SPDX-License-Identifier: MIT */
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SYMBOLS = 4, TRAINED = 10, TESTED = 1000, UPDATES_TO_TEST = 500 };

/* The symbols are the letters and, last, the mark before the first and after the last letter. */
static size_t symbols_of(size_t letters)
{
    return letters + 1;
}

static size_t steps_of(size_t letters, size_t n)
{
    return letters * n + 1;
}

/* Writes row r of `rows`: x one of the symbols, target 1 for those that may follow. */
static void write_string(size_t letters, size_t n, size_t rows, size_t r, float *x, float *target)
{
    size_t symbols = symbols_of(letters), end = letters, steps = steps_of(letters, n);
    for (size_t t = 0; t < steps; t++) {
        size_t at = (t * rows + r) * symbols, seen = t ? (t - 1) / n : end, next = t / n;
        memset(x + at, 0, symbols * sizeof *x);
        memset(target + at, 0, symbols * sizeof *target);
        x[at + seen] = 1;
        target[at + next] = 1; /* next == end behind the last letter */
        if (t > 0 && t <= n)
            target[at] = target[at + 1] = 1; /* of a there may be more */
    }
}

/* True if every output of the string is on the right side of 1/2. */
static bool accepts(learner *l, size_t letters, size_t n, float *x, float *target, float *y)
{
    size_t steps = steps_of(letters, n), symbols = symbols_of(letters);
    write_string(letters, n, 1, 0, x, target);
    learner_run(l, &(weir_batch){.steps = steps, .rows = 1, .x = x}, y, NULL);
    for (size_t i = 0; i < steps * symbols; i++)
        if (!((y[i] > 0.5f) == (target[i] > 0.5f)))
            return false;
    return true;
}

/* The largest n such that all strings of 1 .. n are accepted. */
static size_t largest_n(learner *l, size_t letters, size_t most, float *x, float *target, float *y)
{
    size_t n = 0;
    while (n < most && accepts(l, letters, n + 1, x, target, y))
        n++;
    return n;
}

/* ---- Training: classic takes a string with a random n at a time, today's way all ten ---- */

typedef struct desk {
    size_t letters;
    learner *learner;
    float *x, *target, *y;
    draws draws;
} desk;

static desk desk_new(const trial *row, uint64_t seed)
{
    size_t letters = *(const size_t *)row->task, count = steps_of(letters, TESTED) * MOST_SYMBOLS;
    return (desk){letters,
                  learner_new(&row->net, seed),
                  room(count, sizeof(float)),
                  room(count, sizeof(float)),
                  room(count, sizeof(float)),
                  draws_of(seed, FOR_TRAINING)};
}

static void desk_free(desk *d)
{
    learner_free(d->learner);
    free(d->x);
    free(d->target);
    free(d->y);
}

static void train_once(desk *d, bool classic)
{
    uint32_t lengths[TRAINED];
    size_t rows = classic ? 1 : TRAINED, longest = classic ? 1 + draw_below(&d->draws, TRAINED) : TRAINED;
    for (size_t r = 0; r < rows; r++) {
        size_t n = classic ? longest : r + 1;
        write_string(d->letters, n, rows, r, d->x, d->target);
        lengths[r] = (uint32_t)steps_of(d->letters, n);
    }
    weir_batch batch = {.steps = steps_of(d->letters, longest),
                        .rows = rows,
                        .x = d->x,
                        .targets = d->target,
                        .lengths = classic ? NULL : lengths};
    learner_train(d->learner, &batch, NULL, NULL, NULL);
}

static outcome run_counting(const trial *row, uint64_t seed, uint64_t budget)
{
    desk d = desk_new(row, seed);
    size_t rows = row->net.classic ? 1 : TRAINED;
    outcome r = {.weights = learner_weights(d.learner), .sequences = budget};
    uint64_t updates = 0;
    while (updates * rows < budget && !learner_diverged(d.learner)) {
        train_once(&d, row->net.classic);
        updates++;
        if (!r.solved && updates % UPDATES_TO_TEST == 0 &&
            largest_n(d.learner, d.letters, TRAINED, d.x, d.target, d.y) == TRAINED) {
            r.solved = true;
            r.sequences = updates * rows;
        }
    }
    r.measure = (double)largest_n(d.learner, d.letters, TESTED, d.x, d.target, d.y);
    desk_free(&d);
    return r;
}

void gers2001_trace(void)
{
    enum { N = 20 };
    const trial *row = gers2001_trials;
    desk d = desk_new(row, 1);
    size_t symbols = symbols_of(d.letters), hidden = row->net.model.hidden;
    for (uint64_t done = 0; done < row->budget; done++)
        train_once(&d, true);
    write_string(d.letters, N, 1, 0, d.x, d.target);
    printf("# step symbol, cell state, outputs: %s, %s, seed 1, n = %d\n", row->variant, row->settings, N);
    for (size_t t = 0; t < steps_of(d.letters, N); t++) {
        float c[8];
        learner_run(d.learner, &(weir_batch){.steps = 1, .rows = 1, .x = d.x + t * symbols, .carry = t > 0}, d.y, c);
        printf("%zu\t%c", t, t ? "abc"[(t - 1) / N] : 'S');
        for (size_t j = 0; j < hidden; j++)
            printf("\t%.6g", (double)c[j]);
        for (size_t k = 0; k < symbols; k++)
            printf("\t%.6g", (double)d.y[k]);
        putchar('\n');
    }
    desk_free(&d);
}

/* ---- The table ---- */

static const size_t two = 2, three = 3;

/* clang-format off */
#define LARGEST "largest n"
#define CELL(letters, H, without)                                                                                          \
    .inputs = letters + 1, .hidden = H, .outputs = letters + 1, .output = WEIR_LOGISTIC, .no_peepholes = without,          \
    .output_activation = {WEIR_IDENTITY, 0, 0}
#define PAPER(letters, H, without)                                                                                         \
    {.model = {CELL(letters, H, without), .init_scale = 0.1f}, .classic = true, .shortcut = true,                          \
     .train = {.rows = 1, .steps = letters * TESTED + 1, .rate = 1e-3f, .momentum = 0.99f},                                \
     .i_bias = {-1, -1}, .f_bias = {2, 2}, .o_bias = {-2, -2}}
#define ADAM(letters, H, without)                                                                                          \
    {.model = {CELL(letters, H, without), .set_gate_bias = true, .gate_bias = {0, 4, 0, 0}},                               \
     .train = {.rows = TRAINED, .steps = letters * TRAINED + 1, .rate = 0.01f, .clip = 1, .schedule = WEIR_COSINE,         \
               .total_updates = 5000}}

const trial gers2001_trials[] = {
    {"anbn", "peepholes", "paper", LARGEST, run_counting, &two, PAPER(2, 1, false), 20000, 20000, 10, true},
    {"anbn", "no peepholes", "paper", LARGEST, run_counting, &two, PAPER(2, 1, true), 20000, 0, 0, true},
    {"anbn", "peepholes", "adam", LARGEST, run_counting, &two, ADAM(2, 2, false), 50000, 0, 0, true},
    {"anbn", "no peepholes", "adam", LARGEST, run_counting, &two, ADAM(2, 2, true), 50000, 0, 0, true},
    {"anbncn", "peepholes", "paper", LARGEST, run_counting, &three, PAPER(3, 2, false), 40000, 40000, 10, true},
    {"anbncn", "no peepholes", "paper", LARGEST, run_counting, &three, PAPER(3, 2, true), 40000, 0, 0, true},
    {"anbncn", "peepholes", "adam", LARGEST, run_counting, &three, ADAM(3, 3, false), 50000, 0, 0, true},
    {"anbncn", "no peepholes", "adam", LARGEST, run_counting, &three, ADAM(3, 3, true), 50000, 0, 0, true},
    {0},
};
/* clang-format on */
