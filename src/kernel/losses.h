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

/* Standard deviation of WEIR_GAUSSIAN: the floor keeps the density finite when a network is sure of a constant. */
static real deviation_of(real x)
{
    return softplus_of(x) + (real)1e-4;
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
                y[r * 2 * n + j] = (float)deviation_of(z[j]);
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

/* log s + (t - mean)^2 / (2 s^2) + log(2 pi) / 2, s = deviation(z_s) */
static double gaussian_loss(real mean, real z_s, real t, real *dmean, real *dz_s)
{
    double s = (double)deviation_of(z_s), u = ((double)t - (double)mean) / s;
    *dmean = (real)(-u / s);
    *dz_s = (real)((1 - u * u) / s * (double)sigmoid_of(z_s));
    return log_of(s) + 0.5 * u * u + 0.91893853320467274178;
}

/* The loss of target j of a row whose outputs are not classes; a missing target (NaN) gives no loss and no gradient. */
static double value_loss(const struct weir__targets *t, float target, size_t j, const real *z, real *dz)
{
    size_t n = t->n;
    bool gaussian = t->output == WEIR_GAUSSIAN;
    if (target != target) {
        dz[j] = 0;
        if (gaussian)
            dz[n + j] = 0;
        return 0;
    }
    if (gaussian)
        return gaussian_loss(z[j], z[n + j], (real)target, dz + j, dz + n + j);
    if (t->output == WEIR_LINEAR)
        return squared_loss(z[j], (real)target, dz + j);
    return t->class_weights ? weighted_logistic_loss(z[j], (real)target, (real)t->class_weights[j], dz + j)
                            : logistic_loss(z[j], (real)target, dz + j);
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
    size_t n = t->n, used = t->output == WEIR_GAUSSIAN ? 2 * n : n;
    for (size_t r = 0; r < rows; r++) {
        const real *z = (const real *)arguments + r * z_row;
        real *dz = (real *)gradient + r * z_row;
        losses[r] = 0;
        counts[r] = 0;
        if (t->output != WEIR_SOFTMAX)
            for (size_t j = 0; j < n; j++) {
                float target = t->values[r * n + j];
                losses[r] += value_loss(t, target, j, z, dz);
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
