/* Dates of rows: the season they suggest, and their places in the cycles of the calendar.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/fail.h"
#include "data/series_private.h"

static const double hours_of[CYCLES] = {24, 7 * 24, 365.25 * 24, 365.25 * 24};

/* "2010-01", "2010-01-31", "2010-01-31 23:00" or with a T between. */
static bool read_text(const char *text, struct tm *when)
{
    int y, m, d = 1, hour = 0, minute = 0, end = 0;
    size_t n = strlen(text);
    bool good = n == 7 ? sscanf(text, "%4d-%2d%n", &y, &m, &end) == 2 && end == 7
                       : n >= 10 && sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &end) == 3 && end == 10;
    if (good && n > 10)
        good = (text[10] == ' ' || text[10] == 'T') && sscanf(text + 11, "%2d:%2d", &hour, &minute) == 2;
    if (!good || m < 1 || m > 12 || d < 1 || d > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59)
        return false;
    *when = (struct tm){.tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d, .tm_hour = hour, .tm_min = minute};
    return true;
}

/* The row's date in *when and, as hours, in *hours. */
static bool date_of(const view *v, size_t row, struct tm *when, double *hours)
{
    size_t label = v->r->inputs.label;
    if (label == SIZE_MAX || v->t->column[label].kind != TABLE_TEXT || !read_text(table_text(v->t, label, row), when))
        return false;
    time_t seconds = timegm(when); /* fills in weekday and day of the year */
    gmtime_r(&seconds, when);
    *hours = (double)seconds / 3600;
    return true;
}

/* The date after a row: the next row's, or as far after it as it is after the one before. */
static bool next_date(const view *v, size_t row, struct tm *when)
{
    const span *p = v->span + v->series[row];
    double now, before;
    if (row + 1 < p->future)
        return date_of(v, row + 1, when, &now);
    if (row == p->begin || !date_of(v, row - 1, when, &before) || !date_of(v, row, when, &now))
        return false;
    if (now - before >= 28 * 24) /* the same day of each month */
        when->tm_mon++;
    else
        when->tm_hour += (int)(now - before);
    time_t seconds = timegm(when);
    return gmtime_r(&seconds, when) != NULL;
}

/* Where a date stands in a cycle, from 0 to 1. */
static double place_in(cycle c, const struct tm *when)
{
    switch (c) {
    case CYCLE_HOUR:
        return (when->tm_hour + when->tm_min / 60.0) / 24;
    case CYCLE_WEEKDAY:
        return (when->tm_wday + when->tm_hour / 24.0) / 7;
    case CYCLE_YEARDAY:
        return when->tm_yday / 365.25;
    case CYCLE_MONTH:
        return when->tm_mon / 12.0;
    case CYCLES:
        break;
    }
    return 0;
}

/* The share of the variance of what the base leaves h rows ahead that a sine and cosine of the cycle explain, in the training part, times the
 * number of rows that do not overlap: for noise chi-squared with two degrees of freedom. places: [rows] in the cycle, NaN where unknown. */
static double told_by(const view *v, size_t i, size_t h, const double *places)
{
    double n = 0, sum[3] = {0}, s[3][3] = {{0}}; /* of sine, cosine, value */
    for (size_t k = 0; k < v->r->series; k++)
        for (size_t row = v->span[k].begin; row + h < v->span[k].train_end; row++) {
            double y = (double)left_over(v, i, row, h, 0, v->span[k].train_end), angle = 6.283185307179586 * places[row + h];
            if (!isfinite(y) || !isfinite(angle))
                continue;
            const double x[3] = {sin(angle), cos(angle), y};
            n++;
            for (int a = 0; a < 3; a++) {
                sum[a] += x[a];
                for (int b = 0; b < 3; b++)
                    s[a][b] += x[a] * x[b];
            }
        }
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            s[a][b] -= n > 0 ? sum[a] * sum[b] / n : 0;
    double both = s[0][0] * s[1][1] - s[0][1] * s[0][1];
    if (!(both > 1e-9 * s[0][0] * s[1][1]) || !(s[2][2] > 0))
        return 0;
    double explained = (s[1][1] * s[0][2] * s[0][2] - 2 * s[0][1] * s[0][2] * s[1][2] + s[0][0] * s[1][2] * s[1][2]) / both;
    return explained / s[2][2] * n / (double)h;
}

static bool tells(const view *v, cycle c, double *places)
{
    enum { BEYOND_CHANCE = 14 }; /* of noise once in a thousand */
    struct tm when;
    double hours;
    for (size_t row = 0; row < v->rows; row++)
        places[row] = date_of(v, row, &when, &hours) ? place_in(c, &when) : (double)NAN;
    for (size_t i = 0; i < v->r->targets; i++)
        if (told_by(v, i, 1, places) > BEYOND_CHANCE || told_by(v, i, v->r->horizon, places) > BEYOND_CHANCE)
            return true;
    return false;
}

weir_status calendar_choose(recipe *r, const view *v, weir_error *err)
{
    double most = 0, step = 0, hours[2];
    struct tm when;
    for (size_t s = 0; s < r->series; s++) {
        const span *p = v->span + s;
        if (p->train_end < p->begin + 2 || !date_of(v, p->begin, &when, hours) || !date_of(v, p->begin + 1, &when, hours + 1))
            return WEIR_OK;
        step = hours[1] - hours[0];
        double length = step * (double)(p->train_end - p->begin);
        most = length > most ? length : most;
    }
    double *places = malloc((v->rows + 1) * sizeof *places);
    if (!places)
        return data_no_memory(err);
    for (cycle c = 0; c < CYCLES; c++) {
        bool monthly = step >= 28 * 24, seen = step > 0 && 2 * step < hours_of[c] && 2 * hours_of[c] <= most;
        bool season = fabs((double)r->period * step - hours_of[c]) < 0.03 * hours_of[c];
        r->cycle[c] = seen && !season && (c == CYCLE_MONTH) == monthly && tells(v, c, places);
    }
    free(places);
    return WEIR_OK;
}

size_t calendar_put(const recipe *r, const view *v, size_t row, float *x)
{
    struct tm when;
    bool dated = next_date(v, row, &when);
    size_t n = 0;
    for (cycle c = 0; c < CYCLES; c++) {
        if (!r->cycle[c])
            continue;
        double angle = 6.283185307179586 * (dated ? place_in(c, &when) : 0);
        x[n++] = dated ? (float)sin(angle) : 0;
        x[n++] = dated ? (float)cos(angle) : 0;
    }
    return n;
}

size_t calendar_period(const table *t, size_t label)
{
    if (label == SIZE_MAX || t->column[label].kind != TABLE_TEXT)
        return 0;
    const char *text = table_text(t, label, 0);
    size_t digits = strspn(text, "0123456789"), length = strlen(text);
    bool hours = strchr(text, ':') != NULL;
    if (digits == 4 && length == 7 && text[4] == '-')
        return 12;
    if (digits == 4 && length == 10 && text[4] == '-' && text[7] == '-') {
        const char *next = t->rows > 1 ? table_text(t, label, 1) : "";
        return strncmp(text, next, 7) == 0 ? 365 : 12; /* days, or the first of each month */
    }
    return hours && digits == 4 ? 24 : 0;
}
