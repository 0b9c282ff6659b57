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
typedef enum distribution { GAUSSIAN, STUDENT_T, NEGATIVE_BINOMIAL, DISTRIBUTIONS } distribution;

enum { MOST_HORIZON = 10000, MOST_SERIES = 1000, MOST_KNOWN = 16, WARM_UP = 4 /* the first quarter of a window only fills the state */ };

/* Cycles of the calendar, each two inputs: sine and cosine of the place in it. */
typedef enum cycle { CYCLE_HOUR, CYCLE_WEEKDAY, CYCLE_YEARDAY, CYCLE_MONTH, CYCLES } cycle;

/* One column to forecast. Values are transformed, what known columns explain is taken away, and the rest compared with the base. Arrays of
 * [series][horizon], unless another shape is given. */
typedef struct target {
    char *name;
    size_t column;
    transform transform;
    base base;
    double *line;           /* slope of the straight line */
    double *offset, *scale; /* mean and deviation of what is left at each horizon, in the training part */
    double *effect;         /* [series][known] of a known column's step of 1 */
    double *level, *spread; /* [series] mean and deviation in the training part; of one series alone not used */
    double *width;          /* [horizon] factor of the standard deviation that makes intervals true on the validation part */
    double *chain;          /* [horizon] correlation of the normal scores at this horizon and the one before */
} target;

/* A column whose values are known in advance. */
typedef struct known_column {
    char *name;
    size_t column;
    double mean, deviation;
} known_column;

/* Everything that turns rows into inputs and outputs into forecasts: the notes of a model. */
typedef struct recipe {
    distribution distribution;
    size_t targets, horizon, steps, period, trained_rows;
    target *target;
    columns inputs;
    size_t known_count;
    known_column *known;
    bool cycle[CYCLES];
    char *series_column; /* NULL: the table is one series */
    size_t series;       /* 1, or their number */
    char **series_name;
    size_t *trained; /* [series] rows that trained and validated */
} recipe;

/* The rows of one series in a table. */
typedef struct span {
    size_t begin, end;           /* end: behind the last row that may have a target */
    size_t future;               /* behind the last row; rows from end on have known columns only */
    size_t train_end, valid_end; /* rows [begin, train_end) train, [train_end, valid_end) validate */
} span;

/* A table seen through a recipe. */
typedef struct view {
    const recipe *r;
    const table *t;    /* rows of a series lie together */
    table *own;        /* that table, if it had to be made */
    span *span;        /* [series] */
    uint32_t *series;  /* [rows] which one */
    size_t rows, width;
    float *x;        /* [rows][width] inputs */
    double **value;  /* [targets][rows] transformed, NaN where missing */
    double **known;  /* [targets][rows] the same with the last known value carried on */
    double **effect; /* [targets][rows] what the known columns explain */
    double **level;  /* [targets][rows] value - effect, carried on */
    big x_memory, list_memory, series_memory; /* of x, of the four lists, of series */
} view;

struct series {
    recipe r;
    view v;
    size_t least_row; /* of a series: before it there is no season to compare with */
    uint32_t batch, batches;
    uint64_t seed;
    float *x, *targets, *scales; /* of the batch at work */
    size_t *valid_first;         /* [valid_windows] rows that windows of the validation part start with */
    size_t valid_windows;
    weir_source train_source, valid_source;
    char summary[2048];
};

/* The parameters of a distribution: mean and standard deviation; location, scale and degrees of freedom; mean and shape. Of the transformed
 * value; `deviation` is not yet stretched by the target's width. */
typedef struct outcome {
    double mean, deviation, freedom;
} outcome;

/* ---- series_spans.c: which rows are a series ---- */

/* Names the series of a new recipe: the different values of a column, in the order in which they come. */
weir_status series_names(recipe *r, const table *t, const char *column, weir_error *err);
/* Sorts the table's rows by series, if it has several; every series of the table must be one of the recipe's. */
weir_status view_spans(view *v, const recipe *r, const table *t, weir_error *err);
/* Cuts off the rows behind the last target of each series, if there are known columns. */
void view_cut_future(view *v);
/* The rows of one series as a table; nothing is to be freed but `column`. False without memory. */
bool span_table(const view *v, size_t series, table *out);

/* ---- series_calendar.c ---- */

/* Finds the cycles of the calendar that the rows' dates go through twice in the training part and that tell something of what the bases leave; not the
 * one that is the season. */
weir_status calendar_choose(recipe *r, const view *v, weir_error *err);
/* Writes the places in the cycles of the row after `row`; returns how many numbers. */
size_t calendar_put(const recipe *r, const view *v, size_t row, float *x);
/* Rows of a season by the form of the dates: months 12, days 365, hours 24; 0 without dates. */
size_t calendar_period(const table *t, size_t label);

/* ---- series_known.c: columns known in advance ---- */

weir_status known_choose(recipe *r, const view *v, const char *names, weir_error *err);
/* Least squares of the differences from row to row of target i on those of the known columns, series by series. */
weir_status known_fit(recipe *r, const view *v, size_t i, weir_error *err);
/* Fills in effect and level. */
void known_apply(view *v);
/* Writes the known values of the rows after `row`, normalised; 0 where there are none. Returns how many numbers. */
size_t known_put(const recipe *r, const view *v, size_t row, float *x);

/* ---- series_view.c ---- */

/* Base of the value h rows after row `origin`, without the effect of known columns. */
double base_at(const recipe *r, const view *v, size_t i, size_t origin, size_t h);
/* The base and all that is learned in the training part, in the column's units; the unit of a count's mean. Always positive. */
double count_scale(const recipe *r, const view *v, size_t i, size_t origin, size_t h);
void view_free(view *v);
weir_status view_values(view *v, weir_error *err);
weir_status view_inputs(view *v, weir_error *err);
/* The inputs of the columns; the targets of several series are normalised by series first. */
weir_status view_columns_table(const view *v, table *out, double **made, weir_error *err);
/* What is left of the value h rows after `origin`, in the network's units; NaN if it is missing or not in [begin, end). */
float left_over(const view *v, size_t i, size_t origin, size_t h, size_t begin, size_t end);

/* ---- series_recipe.c ---- */

extern const char *const base_names[], *const transform_names[], *const distribution_names[];
void recipe_free(recipe *r);
json_t *recipe_json(const recipe *r);
weir_status recipe_read(recipe *r, const weir_model *model, const table *t, weir_error *err);
/* Index of a name among n, or n. */
size_t name_index(const char *name, const char *const *names, size_t n);

/* ---- series_rules.c ---- */

typedef struct moments {
    double n, mean, square;
} moments;

void moments_add(moments *m, double x);
double variance(const moments *m);
size_t period_of_values(const double *x, size_t n);
weir_status choose_transform(target *t, const view *v, size_t i, size_t asked, size_t period, weir_error *err);
void choose_base(target *t, const view *v, size_t i, size_t period);
/* Mean and deviation of what is left at each horizon. */
weir_status measure(recipe *r, const view *v, size_t i, weir_error *err);

/* ---- series_distribution.c ---- */

weir_output output_of(distribution d);
/* z with Phi(z) = p, 0.5 <= p < 1. */
double normal_quantile(double p);
double own_units(const target *t, double x);
/* The mean in the column's own units; of the exponential of a Student t, which has none, the median. */
double mean_of(const recipe *r, const target *t, outcome o);
/* In own units: the value below which a share p lies. */
double quantile_of(const recipe *r, const target *t, outcome o, size_t h, double p);
/* The share below or at x. */
double share_below(const recipe *r, const target *t, outcome o, size_t h, double x);
/* The normal score of x: Phi^-1 of the share below it, of counts in the middle of the step. */
double score_of_value(const recipe *r, const target *t, outcome o, size_t h, double x);
/* The value of a normal score. */
double value_of_score(const recipe *r, const target *t, outcome o, size_t h, double z);
/* -log density of the transformed value x, as the network's loss. */
double surprise(const recipe *r, const target *t, outcome o, double scale, double x);
/* Continuous ranked probability score (Gneiting & Raftery 2007): integral of (F(y) - [x <= y])^2 dy, in own units. */
double crps_of(const recipe *r, const target *t, outcome o, size_t h, double x);
double crps_normal(double mean, double deviation, double x);
/* The quantile of |u| of the standard distribution that the 90 % interval ends at. */
double edge_of_90(const recipe *r, outcome o);

/* ---- series_run.c ---- */

/* For qsort: doubles. */
int ascending(const void *a, const void *b);
/* out[origin][targets][horizon] for `count` origins, each from the `steps` rows of its series that end with it. */
weir_status run_origins(const recipe *r, const view *v, const weir_model *model, const size_t *origins, size_t count, outcome *out,
                        weir_error *err);
weir_status open_model(recipe *r, view *v, const weir_model *model, const table *t, weir_error *err);

#endif
