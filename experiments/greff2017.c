/* Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber 2017, "LSTM: a search space odyssey", IEEE Trans. Neural Networks and Learning Systems
 * 28(10):2222-2232: what each part of the cell is good for, here on adding with T = 50. Full gate recurrence (FGR), gates that see the gates of
 * the step before, is not a setting of Weir's cell.
 * SPDX-License-Identifier: MIT */
#include "sequences.h"

static size_t numbers_to_add(const sequence_task *adding, draws *d, float *x, float *target)
{
    size_t half = adding->steps / 2, first = draw_below(d, (uint32_t)half), second = half + draw_below(d, (uint32_t)half);
    for (size_t t = 0; t < adding->steps; t++) {
        x[2 * t] = draw_between(d, 0, 1);
        x[2 * t + 1] = t == first || t == second;
    }
    *target = x[2 * first] + x[2 * second];
    return adding->steps;
}

/* clang-format off */
static const sequence_task task = {.make = numbers_to_add, .steps = 50, .tolerance = 0.04f};

#define ERROR "mean squared error"
#define BUDGET (32 * 3000)
#define NET .inputs = 2, .hidden = 12, .outputs = 1
#define TRAIN .train = {.rows = 32, .steps = 50, .rate = 0.005f, .clip = 1}
#define NETWORK(...) {.model = {NET, __VA_ARGS__}, TRAIN}
#define WITHOUT(gate) {.model = {NET}, TRAIN, .gate = true}

const trial greff2017_trials[] = {
    {"greff", "V", "adam", ERROR, run_for_error, &task, NETWORK(.layers = 1), BUDGET, BUDGET / 2, 0.03, false},
    {"greff", "NP", "adam", ERROR, run_for_error, &task, NETWORK(.no_peepholes = true), BUDGET, BUDGET / 2, 0.03, false},
    {"greff", "CIFG", "adam", ERROR, run_for_error, &task, NETWORK(.coupled = true), BUDGET, 0, 0, false},
    {"greff", "NFG", "adam", ERROR, run_for_error, &task, NETWORK(.no_forget_gate = true), BUDGET, 0, 0, false},
    {"greff", "NIAF", "adam", ERROR, run_for_error, &task, NETWORK(.candidate = {WEIR_IDENTITY, 0, 0}), BUDGET, 0, 0, false},
    {"greff", "NOAF", "adam", ERROR, run_for_error, &task, NETWORK(.output_activation = {WEIR_IDENTITY, 0, 0}), BUDGET, 0, 0, false},
    {"greff", "NIG", "adam", ERROR, run_for_error, &task, WITHOUT(no_input_gate), BUDGET, 0, 0, false},
    {"greff", "NOG", "adam", ERROR, run_for_error, &task, WITHOUT(no_output_gate), BUDGET, 0, 0, false},
    {0},
};
/* clang-format on */
