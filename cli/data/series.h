/* Forecasting columns of a table with a network that tells distributions: docs/forecasting.md has the recipe.
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
    const char *distribution; /* "gaussian" (default), "student-t" or "negative-binomial" */
    const char *series;    /* column that names each row's series; default: the table is one series */
    const char *known;     /* columns, by commas, whose values are known in advance */
    bool no_calendar;      /* no inputs from the dates */
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

enum { SERIES_LEVELS = 4, SERIES_QUANTILES = 5 };
extern const double series_level[SERIES_LEVELS];       /* 0.5, 0.8, 0.9, 0.95: intervals whose coverage is counted */
extern const double series_quantile[SERIES_QUANTILES]; /* 0.05, 0.25, 0.5, 0.75, 0.95: quantiles whose pinball loss is measured */

/* Errors of the model, of the last known value, and of the value at the same place of the last known season. */
enum { OF_MODEL, OF_LAST, OF_SEASON, FORECASTERS };

/* At one horizon or over all, over all counted rows; NaN where there is none (no season, no row). */
typedef struct series_score {
    size_t points;                /* rows counted */
    double rmse[FORECASTERS], mae[FORECASTERS];
    double coverage;              /* share of the rows inside the interval asked for */
    double loss;                  /* -log density in nats, in the network's units */
    /* of a rolling back-test only */
    double mase[FORECASTERS];     /* absolute error over that of the seasonal naive forecast one step ahead, or last value's without a season,
                                     in the rows before the first one measured (Hyndman & Koehler 2006) */
    double crps[FORECASTERS];     /* continuous ranked probability score in the column's units (Gneiting & Raftery 2007); the two simple
                                     forecasts are normal, with the deviation of their errors in the rows before */
    double pinball;               /* mean over series_quantile of the loss whose expectation the quantile makes least (Koenker & Bassett 1978) */
    double level_coverage[SERIES_LEVELS];
} series_score;

/* A forecast and what came, for a picture: of the first target and series, from origins a horizon apart. */
typedef struct series_fan {
    bool begins; /* the first row after an origin */
    size_t row;
    double value, mean, quantile[SERIES_QUANTILES];
} series_fan;

typedef struct series_backtest_options {
    size_t every, origins; /* rolling: an origin each so many rows, or so many of them evenly; both 0: each row at each horizon, and no
                              CRPS, MASE, pinball loss and fans */
    double from;           /* begin after this share of each series; below 0: after the rows that trained and validated the model, or
                              with the first if there are none after them or the table begins elsewhere */
    double interval;       /* in (0, 1), such as 0.9 */
} series_backtest_options;

typedef struct series_backtest_result {
    size_t first, rows;      /* the rows evaluated; of several series their number, and the first's first row */
    size_t series, origins;  /* origins: of all series together */
    bool held_out;           /* true if training did not see them */
    uint32_t period;         /* of the seasonal naive forecast; 1: none */
    size_t targets, horizon; /* horizon: the largest that the model has learned */
    const char **target;     /* (targets) names, of the table */
    series_score *score;     /* (targets, horizon + 1): score[i * (horizon + 1) + h - 1]; the last one is over all horizons */
    series_fan *fan;         /* (fans) */
    size_t fans;
} series_backtest_result;

/* Forecasts the rows from the first one on, each from rows before it alone. */
weir_status series_backtest(series_backtest_result **out, const weir_model *model, const table *t, const series_backtest_options *options,
                            weir_error *err);
void series_backtest_free(series_backtest_result *r);

typedef struct series_forecast_options {
    size_t horizon;         /* 0: all that the model has learned */
    double interval;
    const double *quantile; /* (quantiles) in (0, 1) */
    size_t quantiles;
    size_t samples;         /* paths to draw, from which the quantiles then come; 0: from the distribution itself */
    uint64_t seed;          /* of the paths */
} series_forecast_options;

typedef struct series_forecast_result {
    size_t series, targets, horizon, quantiles, samples;
    const char **name;            /* (series) names; NULL if the table is one series */
    const char *series_column;
    const char **target;          /* (targets) names, of the table */
    size_t label_column;          /* column of dates in the table, or SIZE_MAX */
    char **label;                 /* (series, horizon) continued dates, or "+1", "+2", ... */
    double *mean, *lower, *upper; /* (series, targets, horizon) */
    double *quantile;             /* (series, targets, horizon, quantiles) */
    double *path;                 /* (samples, series, targets, horizon) */
    size_t history;               /* rows of the first series */
    const char **history_label;   /* (history); NULL if the rows have none */
    double *history_value;        /* (history) of the first target */
    void *own;                    /* private */
} series_forecast_result;

/* Forecasts the rows after each series' last one. Paths are drawn horizon by horizon, each depending on the one before, so that sums and
 * extremes over them have the right spread. Fails if the horizon is more than the model has learned, and if known columns have no value there. */
weir_status series_forecast(series_forecast_result **out, const weir_model *model, const table *t, const series_forecast_options *options,
                            weir_error *err);
void series_forecast_free(series_forecast_result *r);

#endif
