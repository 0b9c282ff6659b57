/* The embedded Reber grammar: B, then T or P, a string of the Reber grammar, the same T or P again, E. Each of two ways is as likely.
 * Trials with single strings (Hochreiter & Schmidhuber 1997, experiment 1), and with an endless stream of them (Gers, Schmidhuber & Cummins
 * 2000).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_REBER_H
#define WEIR_REBER_H

#include "lab.h"

enum { REBER_SYMBOLS = 7 }; /* B T P S X V E */

/* 256 strings to learn, 256 to test; solved when every prediction in all of them is right, that is when what may follow has larger
 * outputs than what may not. outcome.measure: wrong test strings of 256. */
outcome run_reber_strings(const trial *row, uint64_t seed, uint64_t budget);

/* Budget and outcome.sequences count symbols. Solved: ten streams of 100000 symbols without an error. outcome.measure: the mean of
 * the symbols right before the first error, over the ten. */
outcome run_reber_streams(const trial *row, uint64_t seed, uint64_t budget);

#endif
