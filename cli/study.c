/* weir study
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "dense_net.h"

enum { MOST_NAMES = 64, KEY_SEED = 256, KEY_QUICK, KEY_JSON, SAMPLE = 1 << 20, CACHED = 1 << 16 };

typedef struct options {
    weir_activation functions[MOST_NAMES];
    const char *names[MOST_NAMES];
    size_t count;
    uint32_t seed;
    bool quick, json;
} options;

static const struct argp_option option_list[] = {
    {"seed", KEY_SEED, "N", 0, "Seed of the random numbers (1)", 0},
    {"quick", KEY_QUICK, 0, 0, "Fewer seeds, layers and updates: seconds", 0},
    {"json", KEY_JSON, 0, 0, "Print JSON", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_SEED: o->seed = option_count(state, "seed", arg, 0, 1000000); break;
    case KEY_QUICK: o->quick = true; break;
    case KEY_JSON: o->json = true; break;
    case ARGP_KEY_ARG:
        if (o->count == MOST_NAMES)
            argp_error(state, "%d functions are the most", MOST_NAMES);
        o->names[o->count++] = arg;
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int find_functions(options *o)
{
    for (size_t i = 0; i < o->count; i++) {
        weir_error err;
        if (!find_activation(o->names[i], &o->functions[i], &err))
            return complain("%s", err.text);
    }
    bool all = o->count == 0;
    for (size_t i = 1; all && i <= weir_activation_count(); i++) {
        const weir_activation_info *info = weir_activation_get((weir_activation_id)i);
        if (!info->block) {
            o->names[o->count] = info->name;
            o->functions[o->count++] = (weir_activation){.id = info->id};
        }
    }
    return DONE;
}

/* ---- The tables: claims with columns and rows ---- */

static json_t *new_claim(json_t *all, const char *name, const char *what, const char *columns)
{
    json_t *claim = json_pack("{s:s, s:s, s:s, s:[]}", "claim", name, "what", what, "columns", columns, "rows");
    json_array_append_new(all, claim);
    return json_object_get(claim, "rows");
}

static void add_row(json_t *rows, const char *name, size_t n, const double *values)
{
    json_t *row = json_array();
    json_array_append_new(row, json_string(name));
    for (size_t i = 0; i < n; i++)
        json_array_append_new(row, isfinite(values[i]) ? json_real(values[i]) : json_null());
    json_array_append_new(rows, row);
}
#define ADD_ROW(rows, name, ...) add_row(rows, name, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

static void print_claim(const json_t *claim)
{
    printf("\n%s: %s\n", json_string_value(json_object_get(claim, "claim")), json_string_value(json_object_get(claim, "what")));
    char columns[256];
    snprintf(columns, sizeof columns, "%s", json_string_value(json_object_get(claim, "columns")));
    printf("%-22s", "");
    for (char *rest, *column = strtok_r(columns, ",", &rest); column; column = strtok_r(NULL, ",", &rest))
        printf(" %14s", column);
    putchar('\n');
    size_t i, k;
    json_t *row, *value;
    json_array_foreach(json_object_get(claim, "rows"), i, row) {
        json_array_foreach(row, k, value)
            if (k == 0)
                printf("%-22s", json_string_value(value));
            else if (json_is_real(value))
                printf(" %14.5g", json_real_value(value));
            else
                printf(" %14s", "-");
        putchar('\n');
    }
}

/* ---- Small tools ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(size_t n, double *values)
{
    qsort(values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static float value_at(const weir_activation *a, float x)
{
    float y = 0;
    weir_activation_apply(a, WEIR_EXACT, WEIR_ISA_BEST, 1, &x, &y, NULL);
    return y;
}

static float slope_at(const weir_activation *a, float x)
{
    float one = 1, y = 0;
    weir_activation_grad(a, WEIR_EXACT, WEIR_ISA_BEST, 1, &x, &one, &y, NULL);
    return y;
}

/* ---- Cost ---- */

static double time_of(const weir_activation *a, weir_form form, bool grad, const float *x, float *y)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    if (grad)
        weir_activation_grad(a, form, WEIR_ISA_BEST, CACHED, x, x, y, NULL);
    else
        weir_activation_apply(a, form, WEIR_ISA_BEST, CACHED, x, y, NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
}

/* Median ratio of the time to ReLU's, measured in turn. */
static double cost_of(const weir_activation *a, weir_form form, bool grad, const float *x, float *y)
{
    enum { REPEATS = 21 };
    const weir_activation relu = {.id = WEIR_RELU};
    double ratios[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        double base = time_of(&relu, form, grad, x, y);
        ratios[i] = time_of(a, form, grad, x, y) / base;
    }
    return median(REPEATS, ratios);
}

static void study_cost(const options *o, const float *x, float *y, json_t *all)
{
    json_t *rows = new_claim(all, "cost", "time relative to ReLU, 65536 floats in the second cache",
                             "exact,fast,exact slope,fast slope");
    for (size_t i = 0; i < o->count; i++) {
        const weir_activation *a = &o->functions[i];
        ADD_ROW(rows, o->names[i], cost_of(a, WEIR_EXACT, false, x, y), cost_of(a, WEIR_FAST, false, x, y),
                cost_of(a, WEIR_EXACT, true, x, y), cost_of(a, WEIR_FAST, true, x, y));
    }
}

/* ---- A standard normal input ---- */

static void study_normal(const options *o, const float *x, float *y, json_t *all)
{
    json_t *rows = new_claim(all, "normal", "output for a standard normal input, 2^20 samples",
                             "zeros,zero slopes,mean,deviation,mean slope^2");
    for (size_t i = 0; i < o->count; i++) {
        double zeros = 0, flat = 0, sum = 0, squares = 0, slopes = 0;
        weir_activation_apply(&o->functions[i], WEIR_EXACT, WEIR_ISA_BEST, SAMPLE, x, y, NULL);
        for (size_t k = 0; k < SAMPLE; k++) {
            zeros += y[k] == 0;
            sum += (double)y[k];
            squares += (double)y[k] * (double)y[k];
            y[k] = 1;
        }
        weir_activation_grad(&o->functions[i], WEIR_EXACT, WEIR_ISA_BEST, SAMPLE, x, y, y, NULL);
        for (size_t k = 0; k < SAMPLE; k++) {
            flat += y[k] == 0;
            slopes += (double)y[k] * (double)y[k];
        }
        double mean = sum / SAMPLE;
        ADD_ROW(rows, o->names[i], zeros / SAMPLE, flat / SAMPLE, mean, sqrt(squares / SAMPLE - mean * mean), slopes / SAMPLE);
    }
}

/* ---- Saturation and smoothness ---- */

/* The x furthest out on one side where |f'| is still 1e-3; infinite if it stays, 0 if that whole side is flat. */
static double saturation(const weir_activation *a, float side)
{
    float in = 0, out = 1000 * side;
    if (fabsf(slope_at(a, out)) >= 1e-3f)
        return (double)(side * INFINITY);
    for (float x = 0; fabsf(x) < 1000; x += 0.125f * side) /* past dips through 0 */
        if (fabsf(slope_at(a, x)) >= 1e-3f)
            in = x;
    out = in + 0.25f * side;
    for (int i = 0; i < 60; i++) {
        float middle = in + (out - in) / 2;
        *(fabsf(slope_at(a, middle)) >= 1e-3f ? &in : &out) = middle;
    }
    return (double)in;
}

static void study_shape(const options *o, json_t *all)
{
    json_t *rows = new_claim(all, "saturation", "where |slope| falls below 1e-3 for good (- : never; 0: flat on that whole side)", "left,right");
    for (size_t i = 0; i < o->count; i++)
        ADD_ROW(rows, o->names[i], saturation(&o->functions[i], -1), saturation(&o->functions[i], 1));
    rows = new_claim(all, "smoothness", "jump of the slope at 0, and of its own slope (differences over 2^-10)", "slope,second");
    for (size_t i = 0; i < o->count; i++) {
        const weir_activation *a = &o->functions[i];
        const float tiny = 0x1p-126f, h = 0x1p-10f;
        double left = (double)slope_at(a, -tiny), right = (double)slope_at(a, tiny);
        double bend_left = (left - (double)slope_at(a, -h)) / (double)h, bend_right = ((double)slope_at(a, h) - right) / (double)h;
        ADD_ROW(rows, o->names[i], right - left, bend_right - bend_left);
    }
}

static void study_gelu(json_t *all)
{
    json_t *rows = new_claim(all, "gelu_gap", "largest difference of GELU and its tanh form, on [-8, 0] in steps of 2^-14, where floats are fine; the same on the right",
                             "gap,at |x|");
    const weir_activation gelu = {.id = WEIR_GELU}, by_tanh = {.id = WEIR_GELU_TANH};
    double gap = 0, at = 0;
    for (float x = -8; x <= 0; x += 0x1p-14f) {
        double difference = fabs((double)value_at(&gelu, x) - (double)value_at(&by_tanh, x));
        if (difference > gap) {
            gap = difference;
            at = fabs((double)x);
        }
    }
    ADD_ROW(rows, "gelu", gap, at);
}

/* ---- Depth: gradients and moments ---- */

/* The gain of the initialisation that is customary: He for the rectifiers, LeCun for SELU, Glorot (as wide as long) for the others. */
static double customary_gain(weir_activation_id id)
{
    switch (id) {
    case WEIR_RELU:
    case WEIR_LEAKY_RELU:
    case WEIR_PRELU:
    case WEIR_ELU:
    case WEIR_GELU:
    case WEIR_GELU_TANH:
    case WEIR_SILU:
    case WEIR_MISH:
        return 2;
    default:
        return 1;
    }
}

static double norm(size_t n, const float *v)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

/* |gradient by the input| / |gradient by the output|, median over seeds; NaN without memory */
static double gradient_left(const options *o, const weir_activation *a, size_t depth)
{
    enum { WIDTH = 64, ROWS = 16, MOST_SEEDS = 9 };
    size_t sizes[MOST_DEPTH + 1], seeds = o->quick ? 3 : MOST_SEEDS;
    double ratios[MOST_SEEDS];
    static float x[ROWS * WIDTH], dy[ROWS * WIDTH], dx[ROWS * WIDTH];
    for (size_t k = 0; k <= depth; k++)
        sizes[k] = WIDTH;
    for (size_t s = 0; s < seeds; s++) {
        dice d = {o->seed * 1000u + s};
        dense_net net;
        if (!dense_net_new(&net, *a, false, depth, sizes, ROWS, customary_gain(a->id), &d))
            return NAN;
        for (size_t i = 0; i < ROWS * WIDTH; i++) {
            x[i] = (float)dice_normal(&d);
            dy[i] = (float)dice_normal(&d);
        }
        dense_net_forward(&net, ROWS, x);
        dense_net_backward(&net, ROWS, x, dy, dx);
        ratios[s] = norm(ROWS * WIDTH, dx) / norm(ROWS * WIDTH, dy);
        dense_net_free(&net);
    }
    return median(seeds, ratios);
}

static void study_depth(const options *o, json_t *all)
{
    json_t *rows = new_claim(all, "gradient", "gradient left after 10 and 50 layers of 64 units, relative to the output's (gain: variance of the weights times inputs)",
                             "gain,10 layers,50 layers");
    for (size_t i = 0; i < o->count; i++)
        ADD_ROW(rows, o->names[i], customary_gain(o->functions[i].id), gradient_left(o, &o->functions[i], 10),
                gradient_left(o, &o->functions[i], 50));
}

typedef enum noise { NO_DROPOUT, ALPHA_DROPOUT, PLAIN_DROPOUT } noise;

/* AlphaDropout (Klambauer et al. 2017): dropped units take SELU's lowest value; scale and shift keep mean 0 and variance 1. */
static void drop(noise kind, size_t n, float *a, dice *d)
{
    const double rate = 0.1, keep = 1 - rate, low = -1.7580993408473766;
    const double scale = 1 / sqrt(keep + low * low * keep * rate), shift = -scale * rate * low;
    for (size_t i = 0; kind != NO_DROPOUT && i < n; i++) {
        bool kept = dice_uniform(d) < keep;
        if (kind == PLAIN_DROPOUT)
            a[i] = kept ? a[i] / (float)keep : 0;
        else
            a[i] = (float)(scale * (kept ? (double)a[i] : low) + shift);
    }
}

static void add_moments(const options *o, json_t *rows, const char *name, const weir_activation *a, double gain, noise kind)
{
    enum { WIDTH = 256, ROWS = 64 };
    size_t sizes[MOST_DEPTH + 1], depth = 64;
    static float x[ROWS * WIDTH];
    double results[4] = {NAN, NAN, NAN, NAN}; /* mean and variance after 8 and after 64 layers */
    for (size_t k = 0; k <= depth; k++)
        sizes[k] = WIDTH;
    dice d = {o->seed * 1000u + 77};
    dense_net net;
    if (!dense_net_new(&net, *a, false, depth, sizes, ROWS, gain, &d))
        return;
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        x[i] = (float)dice_normal(&d);
    const float *from = x;
    for (size_t k = 0; k < depth; k++) {
        dense_layer_forward(&net, k, ROWS, from);
        drop(kind, ROWS * WIDTH, net.layers[k].a, &d);
        from = net.layers[k].a;
        double sum = 0, squares = 0;
        for (size_t i = 0; i < ROWS * WIDTH; i++) {
            sum += (double)from[i];
            squares += (double)from[i] * (double)from[i];
        }
        double mean = sum / (ROWS * WIDTH), variance = squares / (ROWS * WIDTH) - mean * mean;
        if (k == 7)
            results[0] = mean, results[1] = variance;
        if (k == 63)
            results[2] = mean, results[3] = variance;
    }
    add_row(rows, name, 4, results);
    dense_net_free(&net);
}

static void study_moments(const options *o, json_t *all)
{
    json_t *rows = new_claim(all, "moments", "mean and variance of the outputs in a stack of 256 units, standard normal input",
                             "mean 8,variance 8,mean 64,variance 64");
    const weir_activation selu = {.id = WEIR_SELU}, relu = {.id = WEIR_RELU}, elu = {.id = WEIR_ELU}, tanh_ = {.id = WEIR_TANH};
    add_moments(o, rows, "selu, LeCun", &selu, 1, NO_DROPOUT);
    add_moments(o, rows, "selu, AlphaDropout", &selu, 1, ALPHA_DROPOUT);
    add_moments(o, rows, "selu, plain dropout", &selu, 1, PLAIN_DROPOUT);
    add_moments(o, rows, "selu, He", &selu, 2, NO_DROPOUT);
    add_moments(o, rows, "selu, variance 1/3n", &selu, 1.0 / 3, NO_DROPOUT);
    add_moments(o, rows, "elu, LeCun", &elu, 1, NO_DROPOUT);
    add_moments(o, rows, "relu, He", &relu, 2, NO_DROPOUT);
    add_moments(o, rows, "tanh, Glorot", &tanh_, 1, NO_DROPOUT);
}

/* ---- Training: dead units, learned slopes ---- */

enum { POINTS = 256, DIMENSIONS = 4, UNITS = 64, BATCH = 32 };

typedef struct outcome {
    double dead, loss;             /* share of dead units; mean squared error at the end, NaN if it diverged */
    double slopes[2 * UNITS];      /* PReLU's */
} outcome;

static void make_task(dice *d, float *x, float *y)
{
    for (size_t i = 0; i < POINTS; i++) {
        double s = 0;
        for (size_t k = 0; k < DIMENSIONS; k++) {
            double v = dice_normal(d);
            x[i * DIMENSIONS + k] = (float)v;
            s += v * (k % 2 ? -1 : 1);
        }
        y[i] = (float)sin(s);
    }
}

/* A unit is dead if its slope is below 1e-6 for every training input. */
static double dead_share(dense_net *net, const float *x)
{
    size_t dead = 0;
    static float ones[POINTS * UNITS];
    dense_net_forward(net, POINTS, x);
    for (size_t k = 0; k < 2; k++) {
        dense_layer *l = &net->layers[k];
        for (size_t i = 0; i < POINTS * UNITS; i++)
            ones[i] = 1;
        if (net->activation.id == WEIR_PRELU)
            weir_prelu_rows_grad(POINTS, UNITS, l->slope, false, l->z, ones, ones, NULL);
        else
            weir_activation_grad(&net->activation, WEIR_EXACT, WEIR_ISA_BEST, POINTS * UNITS, l->z, ones, ones, NULL);
        for (size_t u = 0; u < UNITS; u++) {
            bool alive = false;
            for (size_t r = 0; r < POINTS; r++)
                alive |= !(fabsf(ones[r * UNITS + u]) < 1e-6f);
            dead += !alive;
        }
    }
    return (double)dead / (2 * UNITS);
}

static bool train_small(const options *o, const weir_activation *a, uint64_t seed, float rate, outcome *result)
{
    static float x[POINTS * DIMENSIONS], y[POINTS], dy[POINTS];
    const size_t sizes[] = {DIMENSIONS, UNITS, UNITS, 1};
    dice d = {o->seed * 1000u + seed};
    dense_net net;
    make_task(&d, x, y);
    if (!dense_net_new(&net, *a, true, 3, sizes, POINTS, customary_gain(a->id), &d))
        return false;
    size_t updates = o->quick ? 300 : 3000;
    for (size_t i = 0; i < updates; i++) {
        size_t at = i % (POINTS / BATCH) * BATCH;
        dense_net_forward(&net, BATCH, x + at * DIMENSIONS);
        for (size_t r = 0; r < BATCH; r++)
            dy[r] = 2 * (net.layers[2].a[r] - y[at + r]) / BATCH;
        dense_net_backward(&net, BATCH, x + at * DIMENSIONS, dy, NULL);
        dense_net_update(&net, rate, 0.9f);
    }
    result->dead = dead_share(&net, x);
    result->loss = 0;
    for (size_t i = 0; i < POINTS; i++)
        result->loss += pow((double)net.layers[2].a[i] - (double)y[i], 2) / POINTS;
    if (!isfinite(result->loss))
        result->loss = NAN, result->dead = NAN;
    for (size_t i = 0; i < 2 * UNITS; i++)
        result->slopes[i] = (double)net.layers[i / UNITS].slope[i % UNITS];
    dense_net_free(&net);
    return true;
}

static void add_training(const options *o, const char *name, const weir_activation *a, float rate, json_t *rows, outcome *last)
{
    enum { MOST_SEEDS = 7 };
    size_t seeds = o->quick ? 1 : MOST_SEEDS, finished = 0;
    double dead[MOST_SEEDS], losses[MOST_SEEDS], most = 0;
    for (size_t s = 0; s < seeds; s++) {
        outcome r;
        if (train_small(o, a, s, rate, &r) && isfinite(r.loss)) {
            most = fmax(most, r.dead);
            dead[finished] = r.dead;
            losses[finished++] = r.loss;
            *last = r;
        }
    }
    ADD_ROW(rows, name, finished ? median(finished, dead) : NAN, finished ? most : NAN, finished ? median(finished, losses) : NAN,
            (double)(seeds - finished));
}

static void study_training(const options *o, json_t *all)
{
    static const float rates[] = {0.01f, 0.03f};
    outcome prelu = {0};
    for (size_t q = 0; q < 2; q++) {
        char what[128];
        snprintf(what, sizeof what, "dead units of 4-64-64-1 after %d updates, momentum 0.9, learning rate %g", o->quick ? 300 : 3000,
                 (double)rates[q]);
        json_t *rows = new_claim(all, q ? "dead_at_high_rate" : "dead_at_low_rate", what, "dead,most,loss,diverged");
        for (size_t i = 0; i < o->count; i++) {
            outcome last = {0};
            add_training(o, o->names[i], &o->functions[i], rates[q], rows, &last);
            if (o->functions[i].id == WEIR_PRELU && q == 0)
                prelu = last;
        }
    }
    if (prelu.loss > 0) {
        json_t *rows = new_claim(all, "prelu_slopes", "slopes of the 128 PReLU units after training at the low rate, from 0.25", "least,median,most");
        double middle = median(2 * UNITS, prelu.slopes);
        ADD_ROW(rows, "prelu", prelu.slopes[0], middle, prelu.slopes[2 * UNITS - 1]);
    }
}

int cmd_study(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "[NAME...]",
                                     "Measures what is said about activation functions: cost, sparsity, mean, saturation, smoothness, gradients in "
                                     "deep stacks, dead units, learned slopes, self-normalisation.",
                                     0, 0, 0};
    options o = {.seed = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    int status = find_functions(&o);
    if (status)
        return status;
    float *x = malloc(SAMPLE * sizeof *x), *y = malloc(SAMPLE * sizeof *y);
    if (!x || !y) {
        free(x);
        free(y);
        return complain("there is no memory left");
    }
    dice d = {o.seed};
    for (size_t i = 0; i < SAMPLE; i++)
        x[i] = (float)dice_normal(&d);
    json_t *all = json_array();
    say(o.json, "cost ...");
    study_cost(&o, x, y, all);
    study_normal(&o, x, y, all);
    study_shape(&o, all);
    study_gelu(all);
    say(o.json, "deep stacks ...");
    study_depth(&o, all);
    study_moments(&o, all);
    say(o.json, "training ...");
    study_training(&o, all);
    free(x);
    free(y);
    size_t i;
    json_t *claim;
    if (o.json)
        json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9)), putchar('\n');
    else
        json_array_foreach(all, i, claim)
            print_claim(claim);
    json_decref(all);
    return finish_output();
}
