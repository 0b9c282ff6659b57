/* Forecast distributions: quantiles, shares, scores.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "data/series_private.h"

weir_output output_of(distribution d)
{
    return d == STUDENT_T ? WEIR_STUDENT_T : d == NEGATIVE_BINOMIAL ? WEIR_NEGATIVE_BINOMIAL : WEIR_GAUSSIAN;
}

/* ---- Standard distributions ---- */

/* Bisection on erfc. */
double normal_quantile(double p)
{
    double low = 0, high = 9;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (1 - 0.5 * erfc(middle / sqrt(2)) < p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static double normal_share(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

/* Any p in (0, 1). */
static double normal_score(double p)
{
    p = p < 1e-15 ? 1e-15 : p > 1 - 1e-15 ? 1 - 1e-15 : p;
    return p < 0.5 ? -normal_quantile(1 - p) : normal_quantile(p);
}

/* The continued fraction of the incomplete beta function (Abramowitz & Stegun 1964, 26.5.8), by Lentz's rule. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double value = d;
    for (int m = 1; m <= 10000; m++) {
        double part[2] = {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                          -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))};
        double step = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + part[i] * d;
            c = 1 + part[i] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            step = c * d;
            value *= step;
        }
        if (fabs(step - 1) < 1e-14)
            break;
    }
    return value;
}

/* The regularised incomplete beta function I_x(a, b). */
static double beta_share(double a, double b, double x)
{
    if (!(x > 0))
        return 0;
    if (!(x < 1))
        return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

static double student_share(double u, double nu)
{
    if (nu > 1e7)
        return normal_share(u);
    double tail = 0.5 * beta_share(0.5 * nu, 0.5, nu / (nu + u * u));
    return u < 0 ? tail : 1 - tail;
}

/* Any p in (0, 1); bisection. */
static double student_quantile(double p, double nu)
{
    if (p < 0.5)
        return -student_quantile(1 - p, nu);
    double low = 0, high = 1;
    while (student_share(high, nu) < p && high < 1e9)
        high *= 2;
    for (int i = 0; i < 50; i++) {
        double middle = 0.5 * (low + high);
        *(student_share(middle, nu) < p ? &low : &high) = middle;
    }
    return 0.5 * (low + high);
}

/* Share of counts up to k of the negative binomial of mean m and shape a: I_q(r, k + 1), r = 1 / a, q = 1 / (1 + a m) */
static double count_share(double k, double m, double a)
{
    return k < 0 ? 0 : beta_share(1 / a, floor(k) + 1, 1 / (1 + a * m));
}

/* The least count with a share of at least p up to it. */
static double count_quantile(double p, double m, double a)
{
    double low = -1, high = 2 * m + 1;
    while (count_share(high, m, a) < p && high < 1e15)
        high *= 2;
    high = floor(high);
    while (high - low > 1) {
        double middle = floor(0.5 * (low + high));
        *(count_share(middle, m, a) < p ? &low : &high) = middle;
    }
    return high;
}

/* ---- In the column's own units ---- */

double own_units(const target *t, double x)
{
    switch (t->transform) {
    case TRANSFORM_LOG:
        return exp(x);
    case TRANSFORM_SQRT:
        return x > 0 ? x * x : 0;
    case TRANSFORM_NONE:
        break;
    }
    return x;
}

/* The other way; -infinity for what no value is transformed to. */
static double transformed(const target *t, double x)
{
    switch (t->transform) {
    case TRANSFORM_LOG:
        return x > 0 ? log(x) : (double)-INFINITY;
    case TRANSFORM_SQRT:
        return x >= 0 ? sqrt(x) : (double)-INFINITY;
    case TRANSFORM_NONE:
        break;
    }
    return x;
}

/* The mean of the log-normal distribution, or of the square of a variable. */
double mean_of(const recipe *r, const target *t, outcome o)
{
    bool student = r->distribution == STUDENT_T;
    if (r->distribution == NEGATIVE_BINOMIAL)
        return o.mean;
    double variance_of_it = o.deviation * o.deviation * (student ? o.freedom / (o.freedom - 2) : 1);
    if (t->transform == TRANSFORM_LOG)
        return student ? exp(o.mean) : exp(o.mean + 0.5 * variance_of_it);
    return t->transform == TRANSFORM_SQRT ? o.mean * o.mean + variance_of_it : o.mean;
}

double quantile_of(const recipe *r, const target *t, outcome o, size_t h, double p)
{
    if (r->distribution == NEGATIVE_BINOMIAL)
        return count_quantile(p, o.mean, o.deviation);
    double z = r->distribution == STUDENT_T ? student_quantile(p, o.freedom) : normal_score(p);
    return own_units(t, o.mean + z * t->width[h - 1] * o.deviation);
}

double share_below(const recipe *r, const target *t, outcome o, size_t h, double x)
{
    if (r->distribution == NEGATIVE_BINOMIAL)
        return count_share(x, o.mean, o.deviation);
    double u = (transformed(t, x) - o.mean) / (t->width[h - 1] * o.deviation);
    return isinf(u) ? u > 0 : r->distribution == STUDENT_T ? student_share(u, o.freedom) : normal_share(u);
}

double score_of_value(const recipe *r, const target *t, outcome o, size_t h, double x)
{
    double p = share_below(r, t, o, h, x);
    if (r->distribution == NEGATIVE_BINOMIAL)
        p = 0.5 * (p + share_below(r, t, o, h, x - 1));
    return normal_score(p);
}

double value_of_score(const recipe *r, const target *t, outcome o, size_t h, double z)
{
    if (r->distribution == GAUSSIAN)
        return own_units(t, o.mean + z * t->width[h - 1] * o.deviation);
    double p = normal_share(z);
    return quantile_of(r, t, o, h, p < 1e-12 ? 1e-12 : p > 1 - 1e-12 ? 1 - 1e-12 : p);
}

double surprise(const recipe *r, const target *t, outcome o, double scale, double x)
{
    (void)t;
    if (r->distribution == NEGATIVE_BINOMIAL) {
        double a = o.deviation, n = 1 / a, am = a * o.mean;
        return lgamma(x + 1) + lgamma(n) - lgamma(x + n) + (n + x) * log1p(am) - x * log(am);
    }
    double u = (x - o.mean) / o.deviation;
    if (r->distribution == STUDENT_T) {
        double nu = o.freedom;
        return log(o.deviation / scale) + 0.5 * log(nu * 3.14159265358979323846) + lgamma(0.5 * nu) - lgamma(0.5 * (nu + 1)) +
               0.5 * (nu + 1) * log1p(u * u / nu);
    }
    return log(o.deviation / scale) + 0.5 * u * u + 0.91893853320467274178;
}

double edge_of_90(const recipe *r, outcome o)
{
    return r->distribution == STUDENT_T ? student_quantile(0.95, o.freedom) : normal_quantile(0.95);
}

/* ---- The continuous ranked probability score ---- */

/* s (u (2 Phi(u) - 1) + 2 phi(u) - 1 / sqrt(pi)) (Gneiting & Raftery 2007, equation 21) */
double crps_normal(double mean, double s, double x)
{
    if (!(s > 0))
        return fabs(x - mean);
    double u = (x - mean) / s;
    return s * (u * (2 * normal_share(u) - 1) + 0.79788456080286535588 * exp(-0.5 * u * u) - 0.56418958354775628695);
}

/* s (u (2 F(u) - 1) + 2 f(u) (nu + u^2) / (nu - 1) - 2 sqrt(nu) / (nu - 1) B(1/2, nu - 1/2) / B(1/2, nu / 2)^2)
 * (Jordan, Krueger & Lerch 2019, appendix A) */
static double crps_student(double location, double s, double nu, double x)
{
    if (nu > 1e5)
        return crps_normal(location, s, x);
    double u = (x - location) / s, half = lgamma(0.5 * nu + 0.5) - lgamma(0.5 * nu);
    double density = exp(half - 0.5 * (nu + 1) * log1p(u * u / nu)) / sqrt(nu * 3.14159265358979323846);
    double log_beta = 0.57236494292470008707 + lgamma(nu - 0.5) - lgamma(nu); /* log B(1/2, nu - 1/2) */
    double log_half = 0.57236494292470008707 - half;                          /* log B(1/2, nu / 2) */
    return s * (u * (2 * student_share(u, nu) - 1) + 2 * density * (nu + u * u) / (nu - 1) -
                2 * sqrt(nu) / (nu - 1) * exp(log_beta - 2 * log_half));
}

/* Sum of F^2 over the counts k in [low, x), and of (1 - F)^2 in [x, high); where there are very many, of every so many. */
static double count_integral(outcome o, double low, double high, bool above)
{
    enum { MOST = 1000 };
    double sum = 0, stride = fmax(1, floor((high - low) / MOST));
    for (double k = low; k < high; k += stride) {
        double wide = fmin(stride, high - k), d = count_share(floor(k + 0.5 * (wide - 1)), o.mean, o.deviation) - above;
        sum += wide * d * d;
    }
    return sum;
}

/* The same over transformed values, by midpoints of equal pieces. */
static double piece_integral(const recipe *r, const target *t, outcome o, size_t h, double low, double high, bool above)
{
    enum { PIECES = 200 };
    double sum = 0, step = (high - low) / PIECES;
    for (int i = 0; i < PIECES; i++) {
        double from = low + i * step, d = share_below(r, t, o, h, own_units(t, from + 0.5 * step)) - above;
        sum += d * d * (own_units(t, from + step) - own_units(t, from));
    }
    return sum;
}

/* The integral itself, between far quantiles. */
static double crps_integral(const recipe *r, const target *t, outcome o, size_t h, double x)
{
    if (r->distribution == NEGATIVE_BINOMIAL) {
        double low = fmin(count_quantile(1e-6, o.mean, o.deviation), x),
               high = fmax(count_quantile(1 - 1e-6, o.mean, o.deviation), x);
        return count_integral(o, low, x, false) + count_integral(o, x, high, true);
    }
    double z = r->distribution == STUDENT_T ? student_quantile(1 - 1e-6, o.freedom) : 4.75, s = t->width[h - 1] * o.deviation;
    double now = fmax(transformed(t, x), t->transform == TRANSFORM_LOG ? -700.0 : 0.0);
    return piece_integral(r, t, o, h, fmin(o.mean - z * s, now), now, false) +
           piece_integral(r, t, o, h, now, fmax(o.mean + z * s, now), true);
}

double crps_of(const recipe *r, const target *t, outcome o, size_t h, double x)
{
    if (r->distribution == NEGATIVE_BINOMIAL || t->transform != TRANSFORM_NONE)
        return crps_integral(r, t, o, h, x);
    double s = t->width[h - 1] * o.deviation;
    return r->distribution == STUDENT_T ? crps_student(o.mean, s, o.freedom, x) : crps_normal(o.mean, s, x);
}
