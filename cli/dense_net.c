/* SPDX-License-Identifier: MIT */
#include "dense_net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/splitmix.h"

/* ---- Random numbers ---- */

double dice_uniform(dice *d)
{
    d->state += 0x9E3779B97F4A7C15u;
    return ((double)(splitmix(d->state) >> 11) + 0.5) * 0x1p-53;
}

double dice_normal(dice *d)
{
    double radius = sqrt(-2 * log(dice_uniform(d)));
    return radius * cos(6.283185307179586 * dice_uniform(d)); /* Box & Muller 1958 */
}

/* ---- Memory ---- */

static float *zeros(size_t n)
{
    return calloc(n, sizeof(float));
}

bool dense_net_new(dense_net *net, weir_activation a, bool linear_end, size_t depth, const size_t *sizes, size_t rows, double gain, dice *d)
{
    *net = (dense_net){.activation = a, .linear_end = linear_end, .depth = depth, .rows = rows};
    bool good = depth <= MOST_DEPTH;
    for (size_t k = 0; good && k < depth; k++) {
        dense_layer *l = &net->layers[k];
        size_t I = l->inputs = sizes[k], U = l->units = sizes[k + 1];
        float **const all[] = {&l->w, &l->dw, &l->vw, &l->b, &l->db, &l->vb, &l->slope, &l->dslope, &l->vslope, &l->z, &l->a, &l->dz};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            good &= (*all[i] = zeros(i < 3 ? I * U : i < 9 ? U : rows * U)) != NULL;
        for (size_t i = 0; good && i < I * U; i++)
            l->w[i] = (float)(dice_normal(d) * sqrt(gain / (double)I));
        for (size_t i = 0; good && i < U; i++)
            l->slope[i] = 0.25f;
    }
    if (!good)
        dense_net_free(net);
    return good;
}

void dense_net_free(dense_net *net)
{
    for (size_t k = 0; k < net->depth && k < MOST_DEPTH; k++) {
        dense_layer *l = &net->layers[k];
        float *const all[] = {l->w, l->dw, l->vw, l->b, l->db, l->vb, l->slope, l->dslope, l->vslope, l->z, l->a, l->dz};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
    *net = (dense_net){0};
}

/* ---- Forward and backward ---- */

static bool is_linear(const dense_net *net, size_t k)
{
    return net->linear_end && k + 1 == net->depth;
}

void dense_layer_forward(const dense_net *net, size_t k, size_t rows, const float *x)
{
    const dense_layer *l = &net->layers[k];
    for (size_t r = 0; r < rows; r++)
        for (size_t u = 0; u < l->units; u++) {
            float sum[8] = {0}, z = l->b[u];
            size_t i = 0;
            for (; i + 8 <= l->inputs; i += 8)
                for (size_t j = 0; j < 8; j++)
                    sum[j] += l->w[u * l->inputs + i + j] * x[r * l->inputs + i + j];
            for (; i < l->inputs; i++)
                z += l->w[u * l->inputs + i] * x[r * l->inputs + i];
            for (size_t j = 0; j < 8; j++)
                z += sum[j];
            l->z[r * l->units + u] = z;
        }
    size_t n = rows * l->units;
    if (is_linear(net, k))
        memcpy(l->a, l->z, n * sizeof *l->a);
    else if (net->activation.id == WEIR_PRELU)
        weir_prelu_rows(rows, l->units, l->slope, false, l->z, l->a);
    else
        weir_activation_apply(&net->activation, WEIR_EXACT, WEIR_ISA_BEST, n, l->z, l->a, NULL);
}

void dense_net_forward(dense_net *net, size_t rows, const float *x)
{
    for (size_t k = 0; k < net->depth; k++) {
        dense_layer_forward(net, k, rows, x);
        x = net->layers[k].a;
    }
}

static void through_activation(const dense_net *net, size_t k, size_t rows, const float *dy)
{
    const dense_layer *l = &net->layers[k];
    size_t n = rows * l->units;
    if (is_linear(net, k))
        memmove(l->dz, dy, n * sizeof *l->dz);
    else if (net->activation.id == WEIR_PRELU)
        weir_prelu_rows_grad(rows, l->units, l->slope, false, l->z, dy, l->dz, l->dslope);
    else
        weir_activation_grad(&net->activation, WEIR_EXACT, WEIR_ISA_BEST, n, l->z, dy, l->dz, NULL);
}

/* dx = dz w */
static void through_weights(const dense_layer *l, size_t rows, float *dx)
{
    memset(dx, 0, rows * l->inputs * sizeof *dx);
    for (size_t r = 0; r < rows; r++)
        for (size_t u = 0; u < l->units; u++) {
            float g = l->dz[r * l->units + u];
            for (size_t i = 0; i < l->inputs; i++)
                dx[r * l->inputs + i] += g * l->w[u * l->inputs + i];
        }
}

static void weight_gradients(const dense_layer *l, size_t rows, const float *x)
{
    memset(l->dw, 0, l->inputs * l->units * sizeof *l->dw);
    memset(l->db, 0, l->units * sizeof *l->db);
    for (size_t r = 0; r < rows; r++)
        for (size_t u = 0; u < l->units; u++) {
            float g = l->dz[r * l->units + u];
            l->db[u] += g;
            for (size_t i = 0; i < l->inputs; i++)
                l->dw[u * l->inputs + i] += g * x[r * l->inputs + i];
        }
}

void dense_net_backward(dense_net *net, size_t rows, const float *x, const float *dy, float *dx)
{
    for (size_t k = net->depth; k-- > 0;) {
        const dense_layer *l = &net->layers[k];
        through_activation(net, k, rows, k + 1 == net->depth ? dy : l->dz);
        weight_gradients(l, rows, k ? net->layers[k - 1].a : x);
        float *below = k ? net->layers[k - 1].dz : dx;
        if (below)
            through_weights(l, rows, below);
    }
}

static void step(size_t n, float *w, float *v, const float *g, float rate, float momentum)
{
    for (size_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + g[i];
        w[i] -= rate * v[i];
    }
}

void dense_net_update(dense_net *net, float rate, float momentum)
{
    for (size_t k = 0; k < net->depth; k++) {
        dense_layer *l = &net->layers[k];
        step(l->inputs * l->units, l->w, l->vw, l->dw, rate, momentum);
        step(l->units, l->b, l->vb, l->db, rate, momentum);
        step(l->units, l->slope, l->vslope, l->dslope, rate, momentum);
    }
}
