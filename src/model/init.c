/* SPDX-License-Identifier: MIT */
#include "init.h"

#include <math.h>

/* One tensor's random numbers: its own stream, so that adding a tensor changes no other. */
struct draw {
    weir__random random;
    uint64_t next;
};

static void fill_uniform(struct draw *d, size_t n, double limit, float *w)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (float)((2 * weir__random_uniform(&d->random, d->next++) - 1) * limit);
}

static void fill_normal(struct draw *d, size_t n, double deviation, float *w)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (float)(weir__random_normal(&d->random, d->next++) * deviation);
}

static void fill_constant(size_t n, float value, float *w)
{
    for (size_t i = 0; i < n; i++)
        w[i] = value;
}

/* Eight running sums in a fixed order. */
static double dot(size_t n, const double *x, const double *y)
{
    double part[8] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            part[j] += x[i + j] * y[i + j];
    for (size_t j = 0; i < n; i++, j++)
        part[j] += x[i] * y[i];
    for (size_t j = 0; j < 8; j++)
        sum += part[j];
    return sum;
}

/* Makes `rows` <= n vectors of length n orthonormal, one after the other (modified Gram-Schmidt). */
static void orthonormalise(size_t rows, size_t n, double *v)
{
    for (size_t i = 0; i < rows; i++) {
        double *x = v + i * n;
        for (size_t j = 0; j < i; j++) {
            const double *y = v + j * n;
            double part = dot(n, x, y);
            for (size_t k = 0; k < n; k++)
                x[k] -= part * y[k];
        }
        double norm = sqrt(dot(n, x, x));
        for (size_t k = 0; k < n; k++)
            x[k] /= norm;
    }
}

/* A random matrix (rows, cols) with orthonormal rows or columns, whichever are fewer (Saxe, McClelland, Ganguli 2014). */
static void fill_orthogonal(struct draw *d, size_t rows, size_t cols, double *room, float *w)
{
    size_t fewer = rows < cols ? rows : cols, more = rows < cols ? cols : rows;
    for (size_t i = 0; i < fewer * more; i++)
        room[i] = weir__random_normal(&d->random, d->next++);
    orthonormalise(fewer, more, room);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            w[r * cols + c] = (float)(rows < cols ? room[r * more + c] : room[c * more + r]);
}

static void fill_gate_bias(const weir_config *c, struct draw *d, float *w)
{
    size_t H = c->hidden;
    bool random = c->init == WEIR_INIT_PYTORCH || c->init == WEIR_INIT_UNIFORM;
    if (random)
        fill_uniform(d, 4 * H, c->init == WEIR_INIT_PYTORCH ? 1 / sqrt((double)H) : (double)c->init_scale, w);
    for (size_t g = 0; g < 4; g++)
        if (!random || c->set_gate_bias || g == 1) /* random biases keep the forget bias of 1 */
            fill_constant(H, c->gate_bias[g], w + g * H);
}

static void fill_slopes(const weir_config *c, float *w)
{
    const weir_activation *of[5] = {&c->gate, &c->gate, &c->candidate, &c->gate, &c->output_activation};
    for (size_t i = 0; i < 5; i++)
        fill_constant(c->hidden, of[i]->alpha, w + i * c->hidden);
}

/* Matrices of the input kind: fan_in inputs, fan_out units of one gate. */
static void fill_matrix(const weir_config *c, struct draw *d, size_t n, size_t fan_in, size_t fan_out, float *w)
{
    if (c->init == WEIR_INIT_LECUN || c->init == WEIR_INIT_HE)
        fill_normal(d, n, sqrt((c->init == WEIR_INIT_HE ? 2.0 : 1.0) / (double)fan_in), w);
    else
        fill_uniform(d, n, sqrt(6.0 / (double)(fan_in + fan_out)), w);
}

static void fill(const weir_config *c, const struct weir__param *p, struct draw *d, double *room, float *w)
{
    size_t H = c->hidden;
    bool head = p->kind >= WEIR__DENSE_WEIGHT;
    bool all_random = c->init == WEIR_INIT_PYTORCH || c->init == WEIR_INIT_UNIFORM;
    double limit = c->init == WEIR_INIT_UNIFORM ? (double)c->init_scale
                                                : 1 / sqrt((double)(head ? weir__dense_inputs(c, p->layer) : H));
    if (p->kind == WEIR__SLOPE)
        fill_slopes(c, w);
    else if (p->kind == WEIR__DENSE_SLOPE)
        fill_constant(p->count, c->dense[p->layer].activation.alpha, w);
    else if (p->kind == WEIR__BIAS)
        fill_gate_bias(c, d, w);
    else if (all_random)
        fill_uniform(d, p->count, limit, w);
    else if (p->kind == WEIR__PEEPHOLE || p->kind == WEIR__DENSE_BIAS)
        fill_constant(p->count, 0, w);
    else if (p->kind == WEIR__WEIGHT_HH)
        for (size_t g = 0; g < 4; g++)
            fill_orthogonal(d, H, p->cols, room, w + g * H * p->cols);
    else
        fill_matrix(c, d, p->count, p->cols, p->kind == WEIR__WEIGHT_IH ? H : p->rows, w);
}

weir_status weir__init_weights(const weir_config *c, const struct weir__params *params, float *weights, const weir_allocator *a,
                               weir_error *err)
{
    size_t bytes = (size_t)c->hidden * weir__projected(c) * sizeof(double);
    double *room = weir__alloc(a, bytes);
    if (!room)
        return weir__fail(err, WEIR_E_NOMEM, "no memory to make orthogonal weights");
    for (size_t i = 0; i < params->count; i++) {
        struct draw d = {.random = {.key = c->seed, .stream = i}};
        fill(c, params->list + i, &d, room, weights + params->list[i].offset);
    }
    weir__free(a, room, bytes);
    return WEIR_OK;
}
