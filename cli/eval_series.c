/* SPDX-License-Identifier: MIT */
#include "eval_series.h"

#include <math.h>
#include <string.h>

#include "cli.h"
#include "data/series.h"
#include "plot.h"

static const char *const forecasters[FORECASTERS] = {"weir", "last value", "season before"};

/* ---- JSON ---- */

static json_t *score_json(const series_score *s, size_t horizon, bool rolling)
{
    json_t *o = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "horizon", (json_int_t)horizon, "points",
                          (json_int_t)s->points, "rmse", number_json(s->rmse[OF_MODEL]), "mae", number_json(s->mae[OF_MODEL]),
                          "last_rmse", number_json(s->rmse[OF_LAST]), "last_mae", number_json(s->mae[OF_LAST]), "seasonal_rmse",
                          number_json(s->rmse[OF_SEASON]), "seasonal_mae", number_json(s->mae[OF_SEASON]), "coverage",
                          number_json(s->coverage), "loss", number_json(s->loss));
    if (!horizon)
        json_object_del(o, "horizon");
    if (!rolling)
        return o;
    static const char *const prefix[FORECASTERS] = {"", "last_", "seasonal_"};
    for (int which = 0; which < FORECASTERS; which++) {
        char key[32];
        snprintf(key, sizeof key, "%scrps", prefix[which]);
        json_object_set_new(o, key, number_json(s->crps[which]));
        snprintf(key, sizeof key, "%smase", prefix[which]);
        json_object_set_new(o, key, number_json(s->mase[which]));
    }
    json_object_set_new(o, "pinball", number_json(s->pinball));
    json_t *levels = json_object();
    for (size_t l = 0; l < SERIES_LEVELS; l++) {
        char key[16];
        snprintf(key, sizeof key, "%g", series_level[l]);
        json_object_set_new(levels, key, number_json(s->level_coverage[l]));
    }
    json_object_set_new(o, "coverages", levels);
    return o;
}

static json_t *result_json(const series_backtest_result *r, bool rolling)
{
    json_t *all = json_array();
    for (size_t i = 0; i < r->targets; i++) {
        json_t *scores = json_array();
        const series_score *score = r->score + i * (r->horizon + 1);
        for (size_t h = 1; h <= r->horizon; h++)
            json_array_append_new(scores, score_json(score + h - 1, h, rolling));
        json_t *target = json_pack("{s:s, s:o}", "target", r->target[i], "scores", scores);
        if (rolling)
            json_object_set_new(target, "overall", score_json(score + r->horizon, 0, true));
        json_array_append_new(all, target);
    }
    json_t *o = json_pack("{s:s, s:I, s:I, s:b, s:i, s:o}", "task", "series", "first", (json_int_t)r->first, "rows",
                          (json_int_t)r->rows, "held_out", r->held_out, "period", (int)r->period, "targets", all);
    if (rolling) {
        json_object_set_new(o, "origins", json_integer((json_int_t)r->origins));
        json_object_set_new(o, "series", json_integer((json_int_t)r->series));
    }
    return o;
}

/* ---- Tables ---- */

static void print_score(const series_score *s, size_t horizon)
{
    printf("%7zu %7zu %11.4g %11.4g %11.4g %11.4g %8.1f %%\n", horizon, s->points, s->rmse[OF_MODEL], s->mae[OF_MODEL],
           s->rmse[OF_LAST], s->rmse[OF_SEASON], 100 * s->coverage);
}

static void print_rolling_row(const series_score *s, const char *horizon)
{
    printf("%7s %7zu %10.4g %10.4g %10.4g %8.3g %8.3g %8.3g %10.4g %7.1f %%\n", horizon, s->points, s->crps[OF_MODEL],
           s->crps[OF_LAST], s->crps[OF_SEASON], s->mase[OF_MODEL], s->mase[OF_LAST], s->mase[OF_SEASON], s->rmse[OF_MODEL],
           100 * s->level_coverage[2]);
}

static void print_rolling(const series_backtest_result *r, size_t i)
{
    const series_score *score = r->score + i * (r->horizon + 1), *all = score + r->horizon;
    printf("horizon  points       CRPS  last val.     season     MASE     last   season       rmse  in 90 %%\n");
    for (size_t h = 1; h <= r->horizon; h++) {
        char text[24];
        snprintf(text, sizeof text, "%zu", h);
        print_rolling_row(score + h - 1, text);
    }
    print_rolling_row(all, "all");
    printf("\n%-14s %10s %10s %10s %10s\n", "all horizons", "CRPS", "MASE", "rmse", "mae");
    for (int which = 0; which < FORECASTERS; which++)
        if (isfinite(all->rmse[which]))
            printf("%-14s %10.4g %10.4g %10.4g %10.4g\n", forecasters[which], all->crps[which], all->mase[which],
                   all->rmse[which], all->mae[which]);
    printf("inside the intervals of");
    for (size_t l = 0; l < SERIES_LEVELS; l++)
        printf("%s %g %%: %.1f %%", l ? "," : "", 100 * series_level[l], 100 * all->level_coverage[l]);
    printf("; pinball loss %.4g\n", all->pinball);
}

static void print_tables(const series_backtest_result *r, const char *data, bool rolling)
{
    const char *unseen = r->held_out ? ", which training did not see" : "";
    if (r->series > 1)
        printf("%zu rows of %zu series of %s%s\n", r->rows, r->series, data, unseen);
    else
        printf("rows %zu to %zu of %s%s\n", r->first + 1, r->first + r->rows, data, unseen);
    if (rolling)
        printf("forecasts from %zu rows, %zu rows ahead\n", r->origins, r->horizon);
    for (size_t i = 0; i < r->targets; i++) {
        printf("\n%s (season of %u rows)\n", r->target[i], (unsigned)r->period);
        if (rolling) {
            print_rolling(r, i);
            continue;
        }
        printf("horizon  points        rmse         mae   last rmse seasonal r. coverage\n");
        for (size_t h = 1; h <= r->horizon; h++)
            print_score(r->score + i * (r->horizon + 1) + h - 1, h);
    }
}

/* ---- Picture ---- */

static void write_data(FILE *f, const void *what)
{
    const series_backtest_result *r = what;
    fprintf(f, "# row value mean and quantiles 0.05 0.25 0.5 0.75 0.95: forecasts of %s, a blank line between origins\n",
            r->target[0]);
    for (size_t k = 0; k < r->fans; k++) {
        const series_fan *p = r->fan + k;
        fprintf(f, "%s%zu %.9g %.9g", p->begins && k ? "\n" : "", p->row + 1, p->value, p->mean);
        for (size_t q = 0; q < SERIES_QUANTILES; q++)
            fprintf(f, " %.9g", p->quantile[q]);
        fputc('\n', f);
    }
    fprintf(f, "\n\n# horizon, CRPS of weir, last value, season before\n");
    for (size_t h = 1; h <= r->horizon; h++)
        fprintf(f, "%zu %.9g %.9g %.9g\n", h, r->score[h - 1].crps[0], r->score[h - 1].crps[1], r->score[h - 1].crps[2]);
}

static void write_script(FILE *f, const char *data, const void *what)
{
    const series_backtest_result *r = what;
    bool season = r->horizon && isfinite(r->score[0].crps[OF_SEASON]);
    char target[80];
    snprintf(target, sizeof target, "%s", r->target[0]);
    for (char *p = target; *p; p++)
        if (*p == '"' || *p == '\\')
            *p = '_';
    fprintf(f,
            "set multiplot layout 2, 1\nset ylabel \"%s\" noenhanced\nset xlabel 'row'\nset key top left horizontal\nset offsets "
            "0, 0, graph 0.15, graph 0.02\n"
            "plot %s index 0 using 1:4:8 with filledcurves fc rgb '#f8e2cf' title '90 %%', \\\n"
            "     '' index 0 using 1:5:7 with filledcurves fc rgb '#f0bf97' title '50 %%', \\\n"
            "     '' index 0 using 1:6 with lines lw 1.5 lc rgb '#d1691f' title 'median', \\\n"
            "     '' index 0 using 1:2 with lines lw 1 lc rgb '#1f6fb4' title 'what came'\n",
            target, data);
    fprintf(f,
            "set ylabel 'CRPS'\nset xlabel 'rows ahead'\nset yrange [0:*]\nset offsets 0, 0, 0, 0\n"
            "plot %s index 1 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#d1691f' title 'weir', \\\n"
            "     '' index 1 using 1:3 with lines lw 2 lc rgb '#777777' title 'last value'",
            data);
    if (season)
        fprintf(f, ", \\\n     '' index 1 using 1:4 with lines lw 2 dt 2 lc rgb '#777777' title 'season before'");
    fprintf(f, "\nunset multiplot\n");
}

int eval_series(const eval_series_options *o, const weir_model *model, const char *data, bool json, double from, double interval)
{
    table *t = NULL;
    series_backtest_result *r = NULL;
    weir_error err;
    series_backtest_options options = {.from = from, .interval = interval, .origins = o->origins, .every = o->every};
    if (o->rolling && !options.origins && !options.every)
        options.every = 1;
    int status = DONE;
    if (o->plot && (same_file(o->plot, data) || check_output(o->plot)))
        return same_file(o->plot, data) ? complain("%s is the data; it is not overwritten", o->plot) : FAILED;
    if (table_read(&t, data, &err) || series_backtest(&r, model, t, &options, &err))
        status = complain("%s", err.text);
    else if (json)
        status = finish_json(result_json(r, o->rolling));
    else {
        print_tables(r, data, o->rolling);
        status = finish_output();
    }
    if (status == DONE && o->plot)
        status = plot_draw(o->plot, false, write_data, write_script, r);
    series_backtest_free(r);
    table_free(t);
    return status;
}
