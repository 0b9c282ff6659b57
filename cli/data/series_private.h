/* What the parts of data/series.h share: the recipe of a forecast, and a table seen through it.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_SERIES_PRIVATE_H
#define WEIR_CLI_SERIES_PRIVATE_H

#include <jansson.h>

#include "data/columns.h"
#include "data/series.h"

/* What a forecast starts from; the network learns what is left: a straight line in the last known value, fitted for each horizon (for
 * noise that is the mean, for a random walk the last value), or the value at the same place of the last known season. */
typedef enum base { BASE_LINE, BASE_SEASON } base;

typedef enum transform { TRANSFORM_NONE, TRANSFORM_LOG, TRANSFORM_SQRT } transform;

enum { MOST_HORIZON = 10000, WARM_UP = 4 /* the first quarter of a window only fills the state */ };

/* One column to forecast. Values are transformed, then compared with the base. */
typedef struct target {
    char *name;
    size_t column;
    transform transform;
    base base;
    double *line;           /* [horizon] slope of the straight line */
    double *offset, *scale; /* [horizon] mean and deviation of what is left at each horizon, in the training part */
    double *width;          /* [horizon] factor of the standard deviation that makes intervals true on the validation part */
} target;

/* Everything that turns rows into inputs and outputs into forecasts: the notes of a model. */
typedef struct recipe {
    size_t targets, horizon, steps, period, trained_rows;
    target *target;
    columns inputs;
} recipe;

/* A table seen through a recipe. */
typedef struct view {
    const recipe *r;
    size_t rows, width;
    float *x;       /* [rows][width] inputs */
    double **value; /* [targets][rows] transformed, NaN where missing */
    double **known; /* [targets][rows] the same with the last known value carried on */
} view;

struct series {
    recipe r;
    view v;
    size_t train_end, valid_end, least_row; /* rows [0, train_end) train, [train_end, valid_end) validate */
    uint32_t batch, batches;
    uint64_t seed;
    float *x, *targets; /* of the batch at work */
    size_t valid_windows;
    weir_source train_source, valid_source;
    char summary[1024];
};

/* ---- series_view.c ---- */

/* Base of the value h rows after row `origin`. */
double base_at(const recipe *r, const view *v, size_t i, size_t origin, size_t h);
void view_free(view *v);
weir_status view_values(view *v, const recipe *r, const table *t, weir_error *err);
weir_status view_inputs(view *v, const recipe *r, const table *t, weir_error *err);
/* What is left of the value h rows after `origin`, in the network's units; NaN if it is missing or not in [begin, end). */
float left_over(const view *v, size_t i, size_t origin, size_t h, size_t begin, size_t end);

/* ---- series_recipe.c ---- */

extern const char *const base_names[], *const transform_names[];
void recipe_free(recipe *r);
json_t *recipe_json(const recipe *r);
weir_status recipe_read(recipe *r, const weir_model *model, const table *t, weir_error *err);

/* ---- series_rules.c ---- */

typedef struct moments {
    double n, mean, square;
} moments;

void moments_add(moments *m, double x);
double variance(const moments *m);
double variance_of_step(const double *x, size_t n, size_t lag);
bool swings_with_level(const double *x, size_t n, size_t block);
size_t period_of_dates(const table *t, const columns *c);
size_t period_of_values(const double *x, size_t n);
void choose_base(target *t, const double *known, size_t n, size_t period);
/* Mean and deviation of what is left at each horizon. */
weir_status measure(recipe *r, const view *v, size_t i, size_t end, weir_error *err);

/* ---- series_run.c ---- */

typedef struct outcome {
    double mean, deviation; /* of the transformed value */
} outcome;

/* out[origin][targets][horizon] for `count` origins from `first` on, each from the `steps` rows that end with it. */
weir_status run_origins(const recipe *r, const view *v, const weir_model *model, size_t first, size_t count, outcome *out, weir_error *err);
/* z with Phi(z) = p, 0.5 <= p < 1. */
double normal_quantile(double p);
weir_status open_model(recipe *r, view *v, const weir_model *model, const table *t, weir_error *err);
double own_units(const target *t, double x);
/* The mean in the column's own units. */
double mean_of(const target *t, outcome o);
double edge_of(const target *t, outcome o, size_t h, double z);

#endif
