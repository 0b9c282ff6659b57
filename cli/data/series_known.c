/* Columns known in advance: their effect on the targets, and their future values as inputs.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/series_private.h"

/* Mean and deviation of a known column over the training rows. */
static weir_status known_add(recipe *r, const view *v, const char *name, weir_error *err)
{
    const table *t = v->t;
    size_t j = table_find(t, name);
    if (j == SIZE_MAX)
        return data_fail(err, WEIR_E_FORMAT, "%s has no column \"%s\", which --known names", t->path, name);
    if (t->column[j].kind != TABLE_NUMBER)
        return data_fail(err, WEIR_E_FORMAT,
                         "%s: the known column \"%s\" is no column of numbers; write categories as columns of 0 and 1", t->path,
                         name);
    for (size_t i = 0; i < r->targets; i++)
        if (r->target[i].column == j)
            return data_fail(err, WEIR_E_ARGUMENT, "column \"%s\" is forecast, so it cannot be known in advance", name);
    if (r->known_count == MOST_KNOWN)
        return data_fail(err, WEIR_E_ARGUMENT, "--known takes at most %d columns", (int)MOST_KNOWN);
    moments m = {0};
    for (size_t s = 0; s < r->series; s++)
        for (size_t row = v->span[s].begin; row < v->span[s].train_end; row++)
            moments_add(&m, t->column[j].number[row]);
    if (variance(&m) <= 0)
        return data_fail(err, WEIR_E_FORMAT,
                         "%s: the known column \"%s\" is constant in the training part; nothing can be learned from it", t->path,
                         name);
    r->known[r->known_count] = (known_column){.name = strdup(name), .column = j, .mean = m.mean, .deviation = sqrt(variance(&m))};
    return r->known[r->known_count++].name ? WEIR_OK : data_no_memory(err);
}

weir_status known_choose(recipe *r, const view *v, const char *names, weir_error *err)
{
    char *list = strdup(names), *rest = list;
    r->known = calloc(MOST_KNOWN, sizeof *r->known);
    weir_status status = list && r->known ? WEIR_OK : data_no_memory(err);
    for (const char *name = list ? strtok_r(list, ",", &rest) : NULL; name && !status; name = strtok_r(NULL, ",", &rest))
        status = known_add(r, v, name, err);
    free(list);
    return status;
}

/* The normalised value of known column k in a row; NaN where missing. */
static double known_at(const recipe *r, const view *v, size_t k, size_t row)
{
    return (v->t->column[r->known[k].column].number[row] - r->known[k].mean) / r->known[k].deviation;
}

/* Solves a x = b for a symmetric, positive a [n][n] by Cholesky's factors; a and b are used up, b becomes x. */
static void solve(double *a, double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = i == j ? sqrt(sum > 1e-12 ? sum : 1e-12) : sum / a[j * n + j];
        }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            b[i] -= a[i * n + k] * b[k];
        b[i] /= a[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            b[i] -= a[k * n + i] * b[k];
        b[i] /= a[i * n + i];
    }
}

/* Adds the pairs of rows of one series to the normal equations. */
static void add_equations(const recipe *r, const view *v, size_t i, size_t s, double *a, double *b)
{
    size_t K = r->known_count;
    double step[MOST_KNOWN];
    for (size_t row = v->span[s].begin + 1; row < v->span[s].train_end; row++) {
        double moved = v->value[i][row] - v->value[i][row - 1], all = moved;
        for (size_t k = 0; k < K; k++)
            all += step[k] = known_at(r, v, k, row) - known_at(r, v, k, row - 1);
        if (!isfinite(all))
            continue;
        for (size_t k = 0; k < K; k++) {
            b[k] += step[k] * moved;
            for (size_t l = 0; l < K; l++)
                a[k * K + l] += step[k] * step[l];
        }
    }
}

weir_status known_fit(recipe *r, const view *v, size_t i, weir_error *err)
{
    size_t K = r->known_count;
    double *effect = r->target[i].effect = calloc(r->series * K + 1, sizeof *effect);
    if (!effect)
        return data_no_memory(err);
    for (size_t s = 0; s < r->series; s++) {
        double a[MOST_KNOWN * MOST_KNOWN] = {0};
        add_equations(r, v, i, s, a, effect + s * K);
        for (size_t k = 0; k < K; k++)
            a[k * K + k] += 1e-6 + 1e-6 * a[k * K + k]; /* columns that move together or not at all */
        solve(a, effect + s * K, K);
    }
    return WEIR_OK;
}

void known_apply(view *v)
{
    const recipe *r = v->r;
    for (size_t i = 0; i < r->targets; i++)
        for (size_t s = 0; s < r->series; s++) {
            const span *p = v->span + s;
            double last = 0;
            bool any = false;
            for (size_t row = p->begin; row < p->future; row++) {
                double sum = 0;
                for (size_t k = 0; k < r->known_count; k++) {
                    double x = known_at(r, v, k, row);
                    sum += isfinite(x) ? x * r->target[i].effect[s * r->known_count + k] : 0;
                }
                v->effect[i][row] = sum;
                bool here = isfinite(v->value[i][row]);
                if (here && !any) /* the first value stands for those before it */
                    for (size_t back = p->begin; back < row; back++)
                        v->level[i][back] = v->value[i][row] - sum;
                any |= here;
                last = here ? v->value[i][row] - sum : last;
                v->level[i][row] = last;
            }
        }
}

size_t known_put(const recipe *r, const view *v, size_t row, float *x)
{
    size_t n = 0, end = v->span[v->series[row]].future;
    for (size_t k = 0; k < r->known_count; k++)
        for (size_t h = 1; h <= r->horizon; h++) {
            double now = row + h < end ? known_at(r, v, k, row + h) : 0;
            x[n++] = isfinite(now) ? (float)now : 0;
        }
    return n;
}
