/* Everything beside the cell and the products: copies, outputs and losses, optimisers.
 *
 * SPDX-License-Identifier: MIT */

/* ---- Copies ---- */

static void from_float(size_t n, const float *x, void *y)
{
    real *out = y;
    for (size_t i = 0; i < n; i++)
        out[i] = (real)x[i];
}

static void to_float(size_t n, const void *x, float *y)
{
    const real *in = x;
    for (size_t i = 0; i < n; i++)
        y[i] = (float)in[i];
}

static void add(size_t n, const void *x, void *y)
{
    const real *in = x;
    real *out = y;
    for (size_t i = 0; i < n; i++)
        out[i] += in[i];
}

static void affine(size_t n, const void *x, const void *factor, const void *plus, void *y)
{
    const real *in = x, *f = factor, *p = plus;
    real *out = y;
    for (size_t i = 0; i < n; i++)
        out[i] = p ? in[i] * f[i] + p[i] : in[i] * f[i];
}

static void scale(size_t n, double factor, void *x)
{
    real *v = x, f = (real)factor;
    for (size_t i = 0; i < n; i++)
        v[i] *= f;
}

/* Sixteen running sums, added in order at the end: one fixed order for every target. */
static double sum_of_squares(size_t n, const void *x)
{
    const real *v = x;
    double part[16] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        part[i % 16] += (double)v[i] * (double)v[i];
    for (size_t i = 0; i < 16; i++)
        sum += part[i];
    return sum;
}

/* ---- Activations on rows; n is a multiple of LANES ---- */

static vec slope_at(const weir_activation *a, const real *slope, size_t j)
{
    return a->id == WEIR_PRELU ? v_load(slope + j) : v_set((real)a->alpha);
}

static void activate_rows(const weir_activation *a, const void *slope, size_t rows, size_t n, const void *x, void *y)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j += LANES)
            v_store((real *)y + r * n + j, value_of(a, v_load((const real *)x + r * n + j), slope_at(a, slope, j)));
}

static void activate_rows_grad(const weir_activation *a, const void *slope, size_t rows, size_t n, const void *x, void *dy, void *slopes)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j += LANES) {
            real *d = (real *)dy + r * n + j;
            vec in = v_load((const real *)x + r * n + j), g = v_load(d), y, dydx;
            pair_of(a, in, slope_at(a, slope, j), &y, &dydx);
            if (slopes)
                v_store((real *)slopes + r * n + j, v_mul(g, v_min(in, v_set(0))));
            v_store(d, v_mul(g, dydx));
        }
}

/* ---- Outputs and losses ---- */

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

/* ---- Optimisers, as PyTorch 1.13 writes them; n is a multiple of LANES ---- */

static void update(const struct weir__update *u, size_t n, void *weights, const void *gradient, void *moment1, void *moment2)
{
    const vec rate = v_set((real)u->rate), factor = v_set((real)u->scale), decay = v_set((real)u->decay);
    const vec momentum = v_set((real)u->momentum), beta1 = v_set((real)u->beta1), beta2 = v_set((real)u->beta2);
    const vec rest1 = v_set((real)(1 - u->beta1)), rest2 = v_set((real)(1 - u->beta2)), epsilon = v_set((real)u->epsilon);
    const vec step1 = v_set((real)(u->rate / u->correction1)), root2 = v_sqrt(v_set((real)u->correction2));
    const vec shrink = v_set((real)(1 - u->rate * u->decay));
    for (size_t i = 0; i < n; i += LANES) {
        real *pw = (real *)weights + i, *pm = (real *)moment1 + i, *pv = (real *)moment2 + i;
        vec w = v_load(pw), g = v_mul(v_load((const real *)gradient + i), factor), m = v_load(pm), v = v_load(pv);
        if (u->optimizer == WEIR_ADAMW)
            w = v_mul(w, shrink);
        else
            g = v_fma(decay, w, g);
        switch (u->optimizer) {
        case WEIR_SGD: /* m = momentum m + g;  w -= rate m */
            m = v_fma(momentum, m, g);
            w = v_fma(v_neg(rate), m, w);
            break;
        case WEIR_RMSPROP: /* v = beta2 v + (1 - beta2) g^2;  m = momentum m + g / (sqrt v + epsilon);  w -= rate m */
            v = v_fma(beta2, v, v_mul(rest2, v_mul(g, g)));
            m = v_fma(momentum, m, v_div(g, v_add(v_sqrt(v), epsilon)));
            w = v_fma(v_neg(rate), m, w);
            break;
        case WEIR_ADAM:
        case WEIR_ADAMW: /* m, v: running means of g, g^2;  w -= rate/c1 m / (sqrt v / sqrt c2 + epsilon) */
            m = v_fma(beta1, m, v_mul(rest1, g));
            v = v_fma(beta2, v, v_mul(rest2, v_mul(g, g)));
            w = v_fma(v_neg(step1), v_div(m, v_add(v_div(v_sqrt(v), root2), epsilon)), w);
            break;
        }
        v_store(pw, w);
        v_store(pm, m);
        v_store(pv, v);
    }
}
