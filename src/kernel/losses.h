/* The output functions of a network and their losses.
 *
 * SPDX-License-Identifier: MIT */

static real value_at(weir_activation_id id, real x)
{
    real lanes[LANES];
    v_store(lanes, activation_value(id, v_set(x), v_set(0), v_set(1)));
    return lanes[0];
}

static real sigmoid_of(real x)
{
    return value_at(WEIR_SIGMOID, x);
}

static real softplus_of(real x)
{
    return value_at(WEIR_SOFTPLUS, x);
}

/* Standard deviations and scales, and the mean and shape of a negative binomial: the floor keeps the density finite when a network is sure of
 * a constant. */
static real positive_of(real x)
{
    return softplus_of(x) + (real)1e-4;
}

/* Degrees of freedom of WEIR_STUDENT_T: above 2, so that there is a variance. */
static real freedom_of(real x)
{
    return softplus_of(x) + (real)2.01;
}

static double log_of(double x)
{
    return x > 0 && x <= DBL_MAX ? weir__log(x) : (double)NAN;
}

/* z[j] <- exp(z[j] - max), j < n, summed in order; *most gets the maximum. The row is padded to whole vectors. */
static real exponentials(size_t n, real *z, real *most)
{
    real top = z[0], sum = 0;
    for (size_t j = 1; j < n; j++)
        top = z[j] > top ? z[j] : top;
    for (size_t j = 0; j < n; j += LANES)
        v_store(z + j, v_exp(v_sub(v_load(z + j), v_set(top))));
    for (size_t j = 0; j < n; j++)
        sum += z[j];
    *most = top;
    return sum;
}

static void output(weir_output kind, size_t n, size_t rows, void *arguments, size_t z_row, float *y)
{
    for (size_t r = 0; r < rows; r++) {
        real *z = (real *)arguments + r * z_row, most, sum;
        switch (kind) {
        case WEIR_LINEAR:
            to_float(n, z, y + r * n);
            break;
        case WEIR_SOFTMAX:
            sum = exponentials(n, z, &most);
            for (size_t j = 0; j < n; j++)
                y[r * n + j] = (float)(z[j] / sum);
            break;
        case WEIR_LOGISTIC:
            for (size_t j = 0; j < n; j++)
                y[r * n + j] = (float)sigmoid_of(z[j]);
            break;
        case WEIR_GAUSSIAN:
            to_float(n, z, y + r * 2 * n);
            for (size_t j = n; j < 2 * n; j++)
                y[r * 2 * n + j] = (float)positive_of(z[j]);
            break;
        case WEIR_STUDENT_T:
            to_float(n, z, y + r * 3 * n);
            for (size_t j = n; j < 3 * n; j++)
                y[r * 3 * n + j] = (float)(j < 2 * n ? positive_of(z[j]) : freedom_of(z[j]));
            break;
        case WEIR_NEGATIVE_BINOMIAL:
            for (size_t j = 0; j < 2 * n; j++)
                y[r * 2 * n + j] = (float)positive_of(z[j]);
            break;
        }
    }
}

/* -log softmax(z)[k]; gradient softmax(z) - onehot(k). */
static double softmax_loss(size_t n, const real *z, size_t k, real *dz)
{
    real most, at = z[k];
    if (dz != z)
        memcpy(dz, z, n * sizeof *z);
    real sum = exponentials(n, dz, &most);
    for (size_t j = 0; j < n; j++)
        dz[j] /= sum;
    dz[k] -= 1;
    return log_of((double)sum) - ((double)at - (double)most);
}

/* (z - t)^2 */
static double squared_loss(real z, real t, real *dz)
{
    double d = (double)z - (double)t;
    *dz = (real)(2 * d);
    return d * d;
}

/* -t log sigmoid(z) - (1 - t) log(1 - sigmoid(z)) = softplus(z) - t z */
static double logistic_loss(real z, real t, real *dz)
{
    *dz = sigmoid_of(z) - t;
    return (double)softplus_of(z) - (double)t * (double)z;
}

/* -w t log sigmoid(z) - (1 - t) log(1 - sigmoid(z)) = w t softplus(-z) + (1 - t) softplus(z) */
static double weighted_logistic_loss(real z, real t, real w, real *dz)
{
    *dz = (1 - t) * sigmoid_of(z) - w * t * sigmoid_of(-z);
    return (double)w * (double)t * (double)softplus_of(-z) + (1 - (double)t) * (double)softplus_of(z);
}

/* log s + (t - mean)^2 / (2 s^2) + log(2 pi) / 2, s = softplus(z_s) + 1e-4 */
static double gaussian_loss(real mean, real z_s, real t, real *dmean, real *dz_s)
{
    double s = (double)positive_of(z_s), u = ((double)t - (double)mean) / s;
    *dmean = (real)(-u / s);
    *dz_s = (real)((1 - u * u) / s * (double)sigmoid_of(z_s));
    return log_of(s) + 0.5 * u * u + 0.91893853320467274178;
}

/* log s + log(pi nu) / 2 - log Gamma((nu + 1) / 2) + log Gamma(nu / 2) + (nu + 1) / 2 log(1 + u^2 / nu), u = (t - location) / s
 * (Lange, Little & Taylor 1989) */
static double student_loss(real location, real z_s, real z_nu, real t, real *dlocation, real *dz_s, real *dz_nu)
{
    double s = (double)positive_of(z_s), nu = (double)freedom_of(z_nu), u = ((double)t - (double)location) / s;
    double u2 = u * u, far = nu + u2, bend = weir__log1p(u2 / nu);
    *dlocation = (real)(-(nu + 1) * (u / far) / s);
    *dz_s = (real)(nu * ((1 - u2) / far) / s * (double)sigmoid_of(z_s));
    *dz_nu = (real)(0.5 * (1 / nu - weir__half_step_slope(0.5 * nu) + bend - (nu + 1) / nu * (u2 / far)) * (double)sigmoid_of(z_nu));
    return log_of(s) + 0.5 * (log_of(nu) + 1.1447298858494002) - weir__half_step(0.5 * nu) + 0.5 * (nu + 1) * bend;
}

/* -log of Gamma(t + r) / (t! Gamma(r)) (1 / (1 + a m))^r (a m / (1 + a m))^t, r = 1 / a, of the mean m = scale mean(z_m) and the shape
 * a = a(z_a): variance m + a m^2 (Salinas, Flunkert, Gasthaus & Januschowski 2020, section 3.1) */
static double count_loss(real z_m, real z_a, double t, double scale, real *dz_m, real *dz_a)
{
    double m = scale * (double)positive_of(z_m), a = (double)positive_of(z_a), r = 1 / a, am = a * m, more = weir__log1p(am);
    double away = (m - t) / (1 + am);
    *dz_m = (real)(away / m * scale * (double)sigmoid_of(z_m));
    *dz_a = (real)((r * r * (weir__digamma(t + r) - weir__digamma(r) - more) + r * away) * (double)sigmoid_of(z_a));
    double kept = weir__log_gamma(t + 1) + weir__log_gamma(r) - weir__log_gamma(t + r);
    return kept + (r + t) * more - t * log_of(am);
}

/* The loss of target j of a row whose outputs are not classes; a missing target (NaN) gives no loss and no gradient. */
static double value_loss(const struct weir__targets *t, size_t row, size_t j, const real *z, real *dz)
{
    size_t n = t->n;
    float target = t->values[row * n + j];
    if (target != target) {
        for (size_t i = 0; i < weir__values_each(t->output); i++)
            dz[i * n + j] = 0;
        return 0;
    }
    switch (t->output) {
    case WEIR_GAUSSIAN:
        return gaussian_loss(z[j], z[n + j], (real)target, dz + j, dz + n + j);
    case WEIR_STUDENT_T:
        return student_loss(z[j], z[n + j], z[2 * n + j], (real)target, dz + j, dz + n + j, dz + 2 * n + j);
    case WEIR_NEGATIVE_BINOMIAL:
        return count_loss(z[j], z[n + j], (double)target, (double)t->scales[row * n + j], dz + j, dz + n + j);
    case WEIR_LOGISTIC:
        return t->class_weights ? weighted_logistic_loss(z[j], (real)target, (real)t->class_weights[j], dz + j)
                                : logistic_loss(z[j], (real)target, dz + j);
    case WEIR_LINEAR:
    case WEIR_SOFTMAX: /* classes, not values */
        break;
    }
    return squared_loss(z[j], (real)target, dz + j);
}

/* w[k] softmax_loss */
static double class_loss(const struct weir__targets *t, size_t k, const real *z, real *dz)
{
    double loss = softmax_loss(t->n, z, k, dz);
    if (!t->class_weights)
        return loss;
    scale(t->n, (double)t->class_weights[k], dz);
    return (double)t->class_weights[k] * loss;
}

static void loss(const struct weir__targets *t, size_t rows, const void *arguments, size_t z_row, double *losses, uint64_t *counts,
                 void *gradient)
{
    size_t n = t->n, used = weir__values_each(t->output) * n;
    for (size_t r = 0; r < rows; r++) {
        const real *z = (const real *)arguments + r * z_row;
        real *dz = (real *)gradient + r * z_row;
        losses[r] = 0;
        counts[r] = 0;
        if (t->output != WEIR_SOFTMAX)
            for (size_t j = 0; j < n; j++) {
                float target = t->values[r * n + j];
                losses[r] += value_loss(t, r, j, z, dz);
                counts[r] += target == target;
            }
        else if (t->classes[r] < n) {
            losses[r] = class_loss(t, t->classes[r], z, dz);
            counts[r] = 1;
        } else
            memset(dz, 0, n * sizeof *dz);
        memset(dz + used, 0, (z_row - used) * sizeof *dz);
    }
}
