/* Settings by the amount of data, for what no option has set, and why: pure functions. docs/tuning.md has the measurements behind them.
 *
 * SPDX-License-Identifier: MIT
 *
 * The recipes of series and labels stand with their data (series_configure, labels_configure); here they are told.
 */
#ifndef WEIR_CLI_DEFAULTS_H
#define WEIR_CLI_DEFAULTS_H

#include "training.h"

/* Sets what is open in `t`, for a text of which so many bytes train: layers, hidden, batch, steps, epochs, rate, schedule, dropouts. */
void defaults_text(training *t, double bytes);

/* Tells what `given` left open and `picked` has: a line for each reason, "hidden 128, layers 2: ...", without a newline after the last; "" if all
 * was given. `amount` is in bytes of text, rows or sequences that train, by the task. */
void defaults_explain(char *out, size_t size, enum task task, double amount, const training *given, const training *picked);

#endif
