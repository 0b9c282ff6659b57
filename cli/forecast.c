/* weir forecast
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "data/series.h"
#include "plot.h"

enum { MOST_QUANTILES = 99 };

typedef struct options {
    const char *model, *data, *output, *plot, *paths;
    uint32_t horizon, samples, seed;
    double interval, quantile[MOST_QUANTILES];
    size_t quantiles;
    weir_isa isa;
} options;

enum { KEY_HORIZON = 256, KEY_INTERVAL, KEY_PLOT, KEY_ISA, KEY_QUANTILES, KEY_SAMPLES, KEY_SEED, KEY_PATHS };

static const struct argp_option option_list[] = {
    {"horizon", KEY_HORIZON, "ROWS", 0, "Rows to forecast (24, or what the model has learned)", 0},
    {"interval", KEY_INTERVAL, "SHARE", 0, "Width of the interval (0.9)", 0},
    {"quantiles", KEY_QUANTILES, "LIST", 0, "Write these quantiles too, such as 0.1,0.5,0.9", 0},
    {"samples", KEY_SAMPLES, "N", 0, "Draw N paths; the quantiles are then theirs", 0},
    {"paths", KEY_PATHS, "FILE.csv", 0, "Write the paths, a column each", 0},
    {"seed", KEY_SEED, "N", 0, "Seed of the paths (1)", 0},
    {"output", 'o', "FILE.csv", 0, "Where to write (standard output)", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "Draw history, forecast and interval", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set", 0},
    {0},
};

/* Numbers in (0, 1), by commas, ascending. */
static void take_quantiles(options *o, struct argp_state *state, const char *text)
{
    o->quantiles = 0;
    for (const char *at = text;; at++) {
        char *end;
        double p = strtod(at, &end);
        bool follows = *end == ',' || *end == 0;
        if (end == at || !follows || !(p > 0 && p < 1) || (o->quantiles && p <= o->quantile[o->quantiles - 1]) || o->quantiles == MOST_QUANTILES)
            argp_error(state, "--quantiles takes at most %d ascending numbers between 0 and 1, by commas, not \"%s\"", (int)MOST_QUANTILES, text);
        o->quantile[o->quantiles++] = p;
        if (!*end)
            return;
        at = end;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_HORIZON: o->horizon = option_count(state, "horizon", arg, 1, 1000000); break;
    case KEY_INTERVAL: o->interval = option_number(state, "interval", arg, 0.01, 0.999); break;
    case KEY_QUANTILES: take_quantiles(o, state, arg); break;
    case KEY_SAMPLES: o->samples = option_count(state, "samples", arg, 2, 1000000); break;
    case KEY_SEED: o->seed = option_count(state, "seed", arg, 1, UINT32_MAX); break;
    case KEY_PATHS: o->paths = arg; break;
    case 'o': o->output = arg; break;
    case KEY_PLOT: o->plot = option_picture(state, "plot", arg); break;
    case KEY_ISA: o->isa = option_isa(state, arg); break;
    case ARGP_KEY_ARG:
        if (o->data)
            argp_error(state, "one model and one file of data are enough");
        *(o->model ? &o->data : &o->model) = arg;
        break;
    case ARGP_KEY_END:
        if (!o->data)
            argp_error(state, "name the model and the data");
        if (o->paths && !o->samples)
            argp_error(state, "--paths needs the number of --samples");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

typedef struct forecast {
    const table *t;
    const series_forecast_result *r;
    const options *o;
} forecast;

static void write_head(FILE *f, const forecast *c)
{
    if (c->r->name) {
        write_field(f, "", c->r->series_column, "");
        fputc(',', f);
    }
    write_field(f, "", c->r->label_column == SIZE_MAX ? "step" : c->t->column[c->r->label_column].name, "");
}

static void write_label(FILE *f, const forecast *c, size_t s, size_t h)
{
    fputc('\n', f);
    if (c->r->name) {
        write_field(f, "", c->r->name[s], "");
        fputc(',', f);
    }
    write_field(f, "", c->r->label[s * c->r->horizon + h], "");
}

/* series, label, then mean, lower, upper and quantiles of each target */
static void write_csv(FILE *f, const void *what)
{
    const forecast *c = what;
    const series_forecast_result *r = c->r;
    static const char *const part[] = {"_mean", "_lower", "_upper"};
    write_head(f, c);
    for (size_t i = 0; i < r->targets; i++)
        for (size_t k = 0; k < 3 + r->quantiles; k++) {
            char name[32];
            fputc(',', f);
            snprintf(name, sizeof name, "_q%g", k < 3 ? 0 : c->o->quantile[k - 3]);
            write_field(f, "", r->target[i], k < 3 ? part[k] : name);
        }
    for (size_t s = 0; s < r->series; s++)
        for (size_t h = 0; h < r->horizon; h++) {
            write_label(f, c, s, h);
            for (size_t i = 0; i < r->targets; i++) {
                size_t at = (s * r->targets + i) * r->horizon + h;
                fprintf(f, ",%.7g,%.7g,%.7g", r->mean[at], r->lower[at], r->upper[at]);
                for (size_t q = 0; q < r->quantiles; q++)
                    fprintf(f, ",%.7g", r->quantile[at * r->quantiles + q]);
            }
        }
    fputc('\n', f);
}

/* series, label, then the paths of each target */
static void write_paths(FILE *f, const void *what)
{
    const forecast *c = what;
    const series_forecast_result *r = c->r;
    size_t all = r->series * r->targets * r->horizon;
    write_head(f, c);
    for (size_t i = 0; i < r->targets; i++)
        for (size_t n = 0; n < r->samples; n++) {
            char name[32];
            snprintf(name, sizeof name, "_%zu", n + 1);
            fputc(',', f);
            write_field(f, "", r->target[i], name);
        }
    for (size_t s = 0; s < r->series; s++)
        for (size_t h = 0; h < r->horizon; h++) {
            write_label(f, c, s, h);
            for (size_t i = 0; i < r->targets; i++)
                for (size_t n = 0; n < r->samples; n++)
                    fprintf(f, ",%.7g", r->path[n * all + (s * r->targets + i) * r->horizon + h]);
        }
    fputc('\n', f);
}

/* The form of the row labels on the horizontal axis: "" row numbers or counts, else a time format of gnuplot. */
static const char *time_format(const forecast *c)
{
    size_t j = c->r->label_column;
    if (j == SIZE_MAX || c->t->column[j].kind != TABLE_TEXT)
        return "";
    const char *text = c->r->history_label[0];
    size_t n = strlen(text);
    bool date = n >= 7 && strspn(text, "0123456789") == 4 && text[4] == '-';
    return date && n == 7 ? "%Y-%m" : date && n == 10 ? "%Y-%m-%d" : "";
}

static void print_place(FILE *f, const forecast *c, size_t row)
{
    size_t j = c->r->label_column, rows = c->r->history;
    if (*time_format(c) || (j != SIZE_MAX && c->t->column[j].kind == TABLE_NUMBER))
        fputs(row < rows ? c->r->history_label[row] : c->r->label[row - rows], f);
    else
        fprintf(f, "%zu", row + 1);
}

/* Blocks for gnuplot: the history's end, then the forecast, of the first target. */
static void write_data(FILE *f, const void *what)
{
    const forecast *c = what;
    const series_forecast_result *r = c->r;
    const double *history = r->history_value;
    size_t rows = r->history, shown = 6 * r->horizon < rows ? 6 * r->horizon : rows, last = rows - 1;
    fprintf(f, "# place value: history of %s\n", r->target[0]);
    for (size_t i = rows - shown; i < rows; i++) {
        if (isfinite(history[i])) {
            print_place(f, c, i);
            fprintf(f, " %.9g", history[i]);
        }
        fputc('\n', f);
    }
    while (last > 0 && !isfinite(history[last]))
        last--;
    fprintf(f, "\n\n# place mean lower upper: forecast, from the last known value on\n");
    print_place(f, c, last);
    fprintf(f, " %.9g %.9g %.9g\n", history[last], history[last], history[last]);
    for (size_t h = 0; h < r->horizon; h++) {
        print_place(f, c, rows + h);
        fprintf(f, " %.9g %.9g %.9g\n", r->mean[h], r->lower[h], r->upper[h]);
    }
}

static void write_script(FILE *f, const char *data, const void *what)
{
    const forecast *c = what;
    const char *format = time_format(c);
    char target[80];
    snprintf(target, sizeof target, "%s", c->r->target[0]);
    for (char *p = target; *p; p++)
        if (*p == '"' || *p == '\\')
            *p = '_';
    if (*format)
        fprintf(f, "set xdata time\nset timefmt '%s'\nset format x '%s'\n", format, format);
    fprintf(f, "set ylabel \"%s\" noenhanced\nset key top left\nset offsets graph 0.02, 0.02, 0.05, 0.05\n", target);
    fprintf(f, "plot %s index 1 using 1:3:4 with filledcurves fc rgb '#f3c9a8' title 'interval', \\\n"
               "     '' index 0 using 1:2 with lines lw 2 lc rgb '#1f6fb4' title 'history', \\\n"
               "     '' index 1 using 1:2 with lines lw 2 lc rgb '#d1691f' title 'forecast'\n",
            data);
}

static int deliver(const options *o, const forecast *f)
{
    int status = DONE;
    if (o->output)
        status = write_file(o->output, write_csv, f);
    else {
        write_csv(stdout, f);
        status = finish_output();
    }
    if (status == DONE && o->paths)
        status = write_file(o->paths, write_paths, f);
    return status == DONE && o->plot ? plot_draw(o->plot, false, write_data, write_script, f) : status;
}

int cmd_forecast(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "MODEL DATA.csv",
                                     "Forecasts the rows after the last one, with intervals.", 0, 0, 0};
    options o = {.interval = 0.9, .seed = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    weir_model *model;
    json_t *notes;
    if (load_model(o.model, o.isa, "series", &model, &notes))
        return FAILED;
    table *t = NULL;
    series_forecast_options wanted = {.horizon = o.horizon,
                                      .interval = o.interval,
                                      .quantile = o.quantile,
                                      .quantiles = o.quantiles,
                                      .samples = o.samples,
                                      .seed = o.seed};
    series_forecast_result *r = NULL;
    weir_error err;
    int status;
    if (table_read(&t, o.data, &err) || series_forecast(&r, model, t, &wanted, &err))
        status = complain("%s", err.text);
    else
        status = deliver(&o, &(forecast){t, r, &o});
    series_forecast_free(r);
    table_free(t);
    weir_model_free(model);
    json_decref(notes);
    return status;
}
