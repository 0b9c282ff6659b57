/* Forecasting columns of a table with a Gaussian network: docs/forecasting.md has the recipe.
 *
 * SPDX-License-Identifier: MIT
 *
 * Training:   table_read, series_open, series_configure, weir_model_new, weir_trainer_new, weir_trainer_fit with series_train
 *             and series_valid, weir_trainer_model, series_notes (calibrates the intervals), weir_trainer_model with these notes.
 * Afterwards: series_backtest and series_forecast need the model and a table with the columns that the model was trained on.
 *
 * The notes of such a model are a JSON object with "task": "series".
 */
#ifndef WEIR_CLI_SERIES_H
#define WEIR_CLI_SERIES_H

#include "data/csv.h"

/* How to read and split a table; 0 and NULL mean the default. */
typedef struct series_options {
    const char *targets;   /* columns to forecast, by commas; default: the first column of numbers that is no date and no counter */
    const char *transform; /* "auto" (default), "none", "log" or "sqrt" */
    uint32_t period;       /* rows of a season; default: found from the training part; 1: none */
    uint32_t horizon;      /* rows ahead that the network learns to forecast; default 24, and less than a quarter of the rows */
    double holdout;        /* the last rows, kept away from training: a share if below 1, else a number of rows; default 0.2 */
    bool no_holdout;       /* train on all rows */
    double split;          /* share of the other rows that trains, before those that validate; default 0.8 */
    uint32_t steps, batch; /* rows of a window and windows in a batch; default by the number of rows */
    uint64_t seed;         /* of the choice of windows; default 1 */
} series_options;

typedef struct series series; /* a table made ready for training; keeps its own copy of the data */

weir_status series_open(series **out, const table *t, const series_options *options, weir_error *err);
void series_free(series *s);

/* Sets inputs, outputs, output and readout of `model`; steps, rows of `train`; train and valid of `fit`; where the
 * field is 0, the recipe's layers, hidden, rate, epochs, patience; and where it is negative its weight_decay, dropout, head_dropout,
 * schedule. `s` must outlive the fit. */
void series_configure(series *s, weir_config *model, weir_train_config *train, weir_fit *fit);

/* One paragraph for the user: rows, targets, inputs, columns left out and why, transform, period, split. Belongs to `s`. */
const char *series_summary(const series *s);

/* Calibrates the intervals of the trained model on the validation part; *notes is to be kept with the model. Free with free(). */
weir_status series_notes(series *s, const weir_model *model, char **notes, weir_error *err);

/* Errors at one horizon, over all counted rows; NaN where there is none (no season, no row). */
typedef struct series_score {
    size_t points;                                /* rows counted */
    double rmse, mae;                             /* of the model's mean */
    double last_rmse, last_mae;                   /* of the last known value */
    double seasonal_rmse, seasonal_mae;           /* of the value at the same place of the last known season */
    double coverage;                              /* share of the rows inside the interval */
    double loss;                                  /* -log density in nats, in the network's units */
} series_score;

typedef struct series_backtest_result {
    size_t first, rows;      /* the rows evaluated */
    bool held_out;           /* true if training did not see them */
    uint32_t period;         /* of the seasonal naive forecast; 1: none */
    size_t targets, horizon; /* horizon: the largest that the model has learned */
    const char **target;     /* (targets) names */
    series_score *score;     /* (targets, horizon): score[i * horizon + h - 1] */
} series_backtest_result;

/* Forecasts every row from `first` on at every horizon h, each from the rows up to h before it. `first` SIZE_MAX: the rows after those
 * that trained and validated the model, or all rows if there are none after them or the table begins elsewhere.
 * `interval` in (0, 1), such as 0.9. */
weir_status series_backtest(series_backtest_result **out, const weir_model *model, const table *t, size_t first, double interval,
                            weir_error *err);
void series_backtest_free(series_backtest_result *r);

typedef struct series_forecast_result {
    size_t targets, horizon;
    const char **target;          /* (targets) names */
    size_t *column;               /* (targets) column in the table, for the history */
    size_t label_column;          /* column of dates in the table, or SIZE_MAX */
    char **label;                 /* (horizon) continued dates, or "+1", "+2", ... */
    double *mean, *lower, *upper; /* (targets, horizon) */
} series_forecast_result;

/* Forecasts the rows after the table's last one. Fails if `horizon` is more than the model has learned. `horizon` 0: all of it. */
weir_status series_forecast(series_forecast_result **out, const weir_model *model, const table *t, size_t horizon, double interval,
                            weir_error *err);
void series_forecast_free(series_forecast_result *r);

#endif
