/* Hochreiter & Schmidhuber 1997, "Long short-term memory", Neural Computation 9(8):1735-1780: no forget gate, no peepholes. Adding (experiment 4),
 * multiplication (5) and temporal order (6a, 6b): what counts stands in long sequences, the target is at the end. Embedded Reber grammar
 * (1): reber.h.
 * SPDX-License-Identifier: MIT */
#include "lab.h"
#include "reber.h"
#include "sequences.h"

#include <math.h>
#include <string.h>

/* ---- Adding and multiplication: x is a number and a mark ---- */

static size_t number_sequence(const sequence_task *task, draws *d, float *x, float *target)
{
    size_t steps = task->steps + draw_below(d, (uint32_t)task->steps / 10 + 1);
    for (size_t t = 0; t < steps; t++) {
        x[2 * t] = draw_between(d, task->product ? 0 : -1, 1);
        x[2 * t + 1] = t == 0 || t == steps - 1 ? -1 : 0;
    }
    size_t first = draw_below(d, 10), second;
    do
        second = draw_below(d, (uint32_t)task->steps / 2 - 1);
    while (second == first);
    if (first == 0 || second == 0)
        x[0] = task->product ? 1 : 0; /* as in the paper */
    x[2 * first + 1] = x[2 * second + 1] = 1;
    float a = x[2 * first], b = x[2 * second];
    *target = task->product ? a * b : 0.5f + (a + b) / 4;
    return steps;
}

/* ---- Temporal order: symbols a b c d (distractors), X, Y, B, E; which of X and Y stood at two or three places, in order? ---- */

enum { DISTRACTORS = 4, X_SYMBOL = 4, BEGIN = 6, END = 7, SYMBOLS = 8 };

static size_t order_sequence(const sequence_task *task, draws *d, float *x, float *target)
{
    static const uint32_t two[] = {10, 50}, three[] = {10, 33, 66}; /* each place is one of 11 */
    const uint32_t *from = task->places == 2 ? two : three;
    size_t steps = 100 + draw_below(d, 11), answer = 0;
    memset(x, 0, steps * SYMBOLS * sizeof *x);
    for (size_t t = 1; t + 1 < steps; t++)
        x[t * SYMBOLS + draw_below(d, DISTRACTORS)] = 1;
    x[BEGIN] = x[(steps - 1) * SYMBOLS + END] = 1;
    for (size_t p = 0; p < task->places; p++) {
        size_t t = from[p] + draw_below(d, 11), which = draw_below(d, 2);
        memset(x + t * SYMBOLS, 0, SYMBOLS * sizeof *x);
        x[t * SYMBOLS + X_SYMBOL + which] = 1;
        answer = 2 * answer + which;
    }
    memset(target, 0, ((size_t)1 << task->places) * sizeof *target);
    target[answer] = 1;
    return steps;
}

/* ---- The table ---- */

/* clang-format off */
#define CELL_1997                                                                                                          \
    .no_peepholes = true, .no_forget_gate = true, .candidate = {WEIR_SCALED_TANH, 2, 0.5f},                                \
    .output_activation = {WEIR_SCALED_TANH, 1, 0.5f}, .output = WEIR_LOGISTIC
#define NUMBERS_PAPER(T, rate_)                                                                                            \
    {.model = {.inputs = 2, .hidden = 4, .outputs = 1, CELL_1997, .init_scale = 0.1f},                                     \
     .train = {.rows = 1, .steps = T + T / 10, .rate = rate_}, .classic = true, .block = 2, .i_bias = {-3, -6}}
#define NUMBERS_ADAM(T)                                                                                                    \
    {.model = {.inputs = 2, .hidden = 8, .outputs = 1, .set_gate_bias = true, .gate_bias = {-3, 5, 0, 0}},                 \
     .train = {.rows = 32, .steps = T + T / 10, .rate = 0.01f, .clip = 1, .schedule = WEIR_COSINE, .total_updates = 4000}}
#define ORDER_PAPER(n, H, rate_)                                                                                           \
    {.model = {.inputs = 8, .hidden = H, .outputs = n, CELL_1997, .init_scale = 0.1f},                                     \
     .train = {.rows = 1, .steps = 110, .rate = rate_}, .classic = true, .block = 2, .i_bias = {-2, -4, -6}}
#define ORDER_ADAM(n)                                                                                                      \
    {.model = {.inputs = 8, .hidden = 8, .outputs = n, .output = WEIR_LOGISTIC},                                           \
     .train = {.rows = 32, .steps = 110, .rate = 0.005f, .clip = 1}}
#define REBER_PAPER(H, cells, rate_, ...)                                                                                  \
    {.model = {.inputs = REBER_SYMBOLS, .hidden = H, .outputs = REBER_SYMBOLS, CELL_1997, .init_scale = 0.2f},             \
     .train = {.rows = 1, .steps = 128, .rate = rate_}, .classic = true, .block = cells, .no_cell_bias = true,             \
     .o_bias = {__VA_ARGS__}}
#define REBER_ADAM                                                                                                         \
    {.model = {.inputs = REBER_SYMBOLS, .hidden = 8, .outputs = REBER_SYMBOLS, .output = WEIR_LOGISTIC},                   \
     .train = {.rows = 32, .steps = 128, .rate = 0.01f, .clip = 1}}

#define WRONG "wrong of 2560"
#define WRONG_STRINGS "wrong strings of 256"
#define ADDING(T) &(const sequence_task){.make = number_sequence, .steps = T, .tolerance = 0.04f, .mean_error = 0.01}
#define PRODUCT(n)                                                                                                         \
    &(const sequence_task){.make = number_sequence, .steps = 100, .product = true, .tolerance = 0.04f, .mean_error = INFINITY, .may_miss = n}
#define ORDER(n) &(const sequence_task){.make = order_sequence, .steps = 100, .places = n, .tolerance = 0.3f, .mean_error = 0.1}

const trial hochreiter1997_trials[] = {
    {"reber", "4 blocks of 1, rate 0.1", "paper", WRONG_STRINGS, run_reber_strings, NULL, REBER_PAPER(4, 1, 0.1f, -1, -2, -3, -4),
     100000, 0, 0, false},
    {"reber", "3 blocks of 2, rate 0.5", "paper", WRONG_STRINGS, run_reber_strings, NULL, REBER_PAPER(6, 2, 0.5f, -1, -2, -3),
     100000, 0, 0, false},
    {"reber", "8 cells", "adam", WRONG_STRINGS, run_reber_strings, NULL, REBER_ADAM, 100000, 64000, 5, false},
    {"adding", "T=100", "paper", WRONG, run_sequences, ADDING(100), NUMBERS_PAPER(100, 0.5f), 200000, 0, 0, false},
    {"adding", "T=100", "adam", WRONG, run_sequences, ADDING(100), NUMBERS_ADAM(100), 128000, 64000, 100, false},
    {"adding", "T=500", "paper", WRONG, run_sequences, ADDING(500), NUMBERS_PAPER(500, 0.5f), 220000, 0, 0, false},
    {"adding", "T=500", "adam", WRONG, run_sequences, ADDING(500), NUMBERS_ADAM(500), 128000, 0, 0, false},
    {"adding", "T=1000", "paper", WRONG, run_sequences, ADDING(1000), NUMBERS_PAPER(1000, 0.5f), 110000, 0, 0, false},
    {"adding", "T=1000", "adam", WRONG, run_sequences, ADDING(1000), NUMBERS_ADAM(1000), 128000, 0, 0, false},
    {"multiplication", "T=100, 140 of 2000", "paper", WRONG, run_sequences, PRODUCT(140), NUMBERS_PAPER(100, 0.1f), 500000, 0, 0,
     false},
    {"multiplication", "T=100, 140 of 2000", "adam", WRONG, run_sequences, PRODUCT(140), NUMBERS_ADAM(100), 128000, 48000, 600,
     false},
    {"multiplication", "T=100, 13 of 2000", "adam", WRONG, run_sequences, PRODUCT(13), NUMBERS_ADAM(100), 128000, 0, 0, false},
    {"temporal-order", "2 places", "paper", WRONG, run_sequences, ORDER(2), ORDER_PAPER(4, 4, 0.5f), 100000, 30000, 60, false},
    {"temporal-order", "2 places", "adam", WRONG, run_sequences, ORDER(2), ORDER_ADAM(4), 100000, 0, 0, false},
    {"temporal-order", "3 places", "paper", WRONG, run_sequences, ORDER(3), ORDER_PAPER(8, 6, 0.1f), 600000, 0, 0, false},
    {"temporal-order", "3 places", "adam", WRONG, run_sequences, ORDER(3), ORDER_ADAM(8), 100000, 0, 0, false},
    {0},
};
/* clang-format on */
