/* Gers, Schmidhuber & Cummins 2000, "Learning to forget: continual prediction with LSTM", Neural Computation 12(10):2451-2471: embedded Reber
 * strings one after the other, and nobody says where one ends. Without a forget gate the cells fill up.
 * SPDX-License-Identifier: MIT */
#include "reber.h"

/* clang-format off */
/* 424 weights with forget gates. */
#define PAPER(without)                                                                                                     \
    {.model = {.inputs = REBER_SYMBOLS, .hidden = 8, .outputs = REBER_SYMBOLS, .output = WEIR_LOGISTIC,                    \
               .no_peepholes = true, .no_forget_gate = without, .candidate = {WEIR_SCALED_TANH, 2, 0.5f},                  \
               .output_activation = {WEIR_SCALED_TANH, 1, 0.5f}, .init_scale = 0.2f},                                      \
     .train = {.rows = 1, .steps = 128, .rate = 0.5f}, .classic = true, .block = 2, .shortcut = true, .no_cell_bias = true,\
     .i_bias = {-0.5f, -1, -1.5f, -2}, .f_bias = {0.5f, 1, 1.5f, 2}, .o_bias = {-0.5f, -1, -1.5f, -2}}
#define ADAM(without)                                                                                                      \
    {.model = {.inputs = REBER_SYMBOLS, .hidden = 16, .outputs = REBER_SYMBOLS, .output = WEIR_LOGISTIC,                   \
               .no_peepholes = true, .no_forget_gate = without},                                                           \
     .train = {.rows = 8, .steps = 60, .rate = 0.01f, .clip = 1}}
#define RIGHT "symbols right before an error"

const trial gers2000_trials[] = {
    {"continual-reber", "forget gate", "paper", RIGHT, run_reber_streams, NULL, PAPER(false), 1000000, 0, 0, true},
    {"continual-reber", "no forget gate", "paper", RIGHT, run_reber_streams, NULL, PAPER(true), 1000000, 0, 0, true},
    {"continual-reber", "forget gate", "adam", RIGHT, run_reber_streams, NULL, ADAM(false), 2000000, 1500000, 1000, true},
    {"continual-reber", "no forget gate", "adam", RIGHT, run_reber_streams, NULL, ADAM(true), 2000000, 0, 0, true},
    {0},
};
/* clang-format on */
