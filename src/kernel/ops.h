/* Everything beside the cell, the products and the losses: copies, activations of rows, optimisers.
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
