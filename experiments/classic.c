/* The papers' learning, on weir_tape: an output layer, half the summed squared error, stochastic gradient descent with momentum.
 *
 * The truncated gradient comes from a second tape. The first one runs the network, which gives h at every step. To the second one, h' is
 * an input like x, and it has no recurrent weights: with (W R) for W and 0 for R its states are the same, and its gradient does not flow back
 * through h'.
 *
 * SPDX-License-Identifier: MIT */
#include "learner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Arrays of weights, in the order of weir_tape_tensor and then the output layer's. */
enum { W, R, BIAS, PEEPHOLE, OUT, OUT_BIAS, ARRAYS };
enum { I_GATE, F_GATE, CANDIDATE, O_GATE };

typedef struct weights {
    size_t count;
    float *value; /* as the network reads them */
    float *gradient;
    double *exact; /* what small steps add up in */
    double *velocity;
} weights;

struct classic {
    learner_config config;
    size_t inputs, hidden, outputs, steps;
    weights of[ARRAYS];
    weir_tape *runs, *learns;
    bool stale;             /* the weights have changed since `runs` has read them */
    float *h, *y, *dy, *dh; /* (T, H), (T, n), (T, n), (T, H) */
    float *joined;          /* (T, I + H): x_t and h_{t-1} */
    float *joined_weights, *joined_gradient, *no_recurrence, *no_gradient; /* (4H, I + H) twice, (4H, H) twice */
    float *h0, *c0, *h_last, *c_last;                                      /* (H): the states before and after the last pass */
    bool diverged;
};

/* ---- Making one ---- */

static size_t block_of(const classic *l, size_t cell)
{
    return cell / l->config.block;
}

/* All uniform in +-init_scale, but the gates' biases as given. */
static void start_weights(classic *l, uint64_t seed)
{
    draws d = draws_of(seed, FOR_WEIGHTS);
    float scale = l->config.model.init_scale;
    for (size_t a = 0; a < ARRAYS; a++)
        for (size_t i = 0; i < l->of[a].count; i++)
            l->of[a].exact[i] = (double)draw_between(&d, -scale, scale);
    double *bias = l->of[BIAS].exact;
    for (size_t j = 0; j < l->hidden; j++) {
        bias[I_GATE * l->hidden + j] = (double)l->config.i_bias[block_of(l, j)];
        bias[F_GATE * l->hidden + j] = (double)l->config.f_bias[block_of(l, j)];
        bias[O_GATE * l->hidden + j] = (double)l->config.o_bias[block_of(l, j)];
        if (l->config.no_cell_bias)
            bias[CANDIDATE * l->hidden + j] = 0;
    }
}

/* The gates of a block's cells are those of its first one. */
static void share_gates(const classic *l, double *rows, size_t width)
{
    for (size_t g = 0; g < 4; g++)
        for (size_t j = 0; g != CANDIDATE && j < l->hidden; j++)
            memcpy(rows + (g * l->hidden + j) * width, rows + (g * l->hidden + block_of(l, j) * l->config.block) * width,
                   width * sizeof *rows);
}

/* Gradients of shared weights add up. */
static void add_shared(const classic *l, float *rows, size_t width)
{
    for (size_t g = 0; g < 4; g++)
        for (size_t j = 0; g != CANDIDATE && j < l->hidden; j++) {
            size_t first = block_of(l, j) * l->config.block;
            for (size_t i = 0; j != first && i < width; i++)
                rows[(g * l->hidden + first) * width + i] += rows[(g * l->hidden + j) * width + i];
        }
}

static void round_weights(classic *l)
{
    share_gates(l, l->of[W].exact, l->inputs);
    share_gates(l, l->of[R].exact, l->hidden);
    share_gates(l, l->of[BIAS].exact, 1);
    for (size_t a = 0; a < ARRAYS; a++)
        for (size_t i = 0; i < l->of[a].count; i++)
            l->of[a].value[i] = (float)l->of[a].exact[i];
    l->stale = true;
}

static weir_tape *new_tape(const classic *l, size_t inputs, bool run_only)
{
    weir_config c = l->config.model;
    c.inputs = (uint32_t)inputs;
    c.outputs = 0;
    c.output = WEIR_LINEAR;
    weir_tape_config t = {.steps = (uint32_t)l->steps, .rows = 1, .run_only = run_only, .no_input_gradient = true};
    weir_tape *tape;
    weir_error err;
    check(weir_tape_new(&tape, &c, &t, &err), &err);
    return tape;
}

static void make_arrays(classic *l)
{
    size_t I = l->inputs, H = l->hidden, T = l->steps;
    const size_t counts[ARRAYS] = {
        [W] = 4 * H * I,
        [R] = 4 * H * H,
        [BIAS] = 4 * H,
        [PEEPHOLE] = l->config.model.no_peepholes ? 0 : 3 * H,
        [OUT] = l->outputs * (H + (l->config.shortcut ? I : 0)),
        [OUT_BIAS] = l->outputs,
    };
    for (size_t a = 0; a < ARRAYS; a++)
        l->of[a] = (weights){counts[a], room(counts[a], sizeof(float)), room(counts[a], sizeof(float)),
                             room(counts[a], sizeof(double)), room(counts[a], sizeof(double))};
    l->h = room(T * H, sizeof(float));
    l->dh = room(T * H, sizeof(float));
    l->y = room(T * l->outputs, sizeof(float));
    l->dy = room(T * l->outputs, sizeof(float));
    l->joined = room(T * (I + H), sizeof(float));
    l->joined_weights = room(4 * H * (I + H), sizeof(float));
    l->joined_gradient = room(4 * H * (I + H), sizeof(float));
    l->no_recurrence = room(4 * H * H, sizeof(float));
    l->no_gradient = room(4 * H * H, sizeof(float));
    l->h0 = room(H, sizeof(float));
    l->c0 = room(H, sizeof(float));
    l->h_last = room(H, sizeof(float));
    l->c_last = room(H, sizeof(float));
}

classic *classic_new(const learner_config *config, uint64_t seed)
{
    classic *l = room(1, sizeof *l);
    l->config = *config;
    l->config.block = config->block ? config->block : 1;
    if (config->model.init_scale == 0)
        l->config.model.init_scale = 0.1f;
    l->inputs = config->model.inputs;
    l->hidden = config->model.hidden;
    l->outputs = config->model.outputs;
    l->steps = config->train.steps;
    make_arrays(l);
    l->runs = new_tape(l, l->inputs, true);
    l->learns = new_tape(l, l->inputs + l->hidden, false);
    start_weights(l, seed);
    round_weights(l);
    return l;
}

void classic_free(classic *l)
{
    if (!l)
        return;
    for (size_t a = 0; a < ARRAYS; a++) {
        free(l->of[a].value);
        free(l->of[a].gradient);
        free(l->of[a].exact);
        free(l->of[a].velocity);
    }
    float *all[] = {l->h,           l->y,  l->dy, l->dh,     l->joined, l->joined_weights, l->joined_gradient, l->no_recurrence,
                    l->no_gradient, l->h0, l->c0, l->h_last, l->c_last};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    weir_tape_free(l->runs);
    weir_tape_free(l->learns);
    free(l);
}

size_t classic_weights(const classic *l)
{
    const weir_config *m = &l->config.model;
    size_t I = l->inputs, H = l->hidden, blocks = H / l->config.block;
    size_t gates = blocks * (m->no_forget_gate ? 2 : 3);
    return (gates + H) * (I + H) + gates + (l->config.no_cell_bias ? 0 : H) + l->of[PEEPHOLE].count + l->of[OUT].count +
           l->outputs;
}

bool classic_diverged(const classic *l)
{
    return l->diverged;
}

/* ---- Running ---- */

static void output_step(const classic *l, const float *x, const float *h, float *y)
{
    size_t I = l->inputs, H = l->hidden, width = l->of[OUT].count / l->outputs;
    for (size_t k = 0; k < l->outputs; k++) {
        const float *w = l->of[OUT].value + k * width;
        y[k] = l->of[OUT_BIAS].value[k];
        for (size_t j = 0; j < H; j++)
            y[k] += w[j] * h[j];
        for (size_t i = 0; l->config.shortcut && i < I; i++)
            y[k] += w[H + i] * x[i];
    }
}

/* h, y and the state after T steps of one row. */
static void run(classic *l, const weir_batch *batch, float *y)
{
    weir_error err;
    if (batch->rows != 1 || batch->steps > l->steps)
        die("the papers' learning takes one row of at most %zu steps", l->steps);
    if (l->stale) {
        const void *const tensors[] = {l->of[W].value, l->of[R].value, l->of[BIAS].value, l->of[PEEPHOLE].value};
        check(weir_tape_weights(l->runs, tensors, NULL, &err), &err);
        l->stale = false;
    }
    size_t bytes = l->hidden * sizeof(float);
    if (batch->carry) {
        memcpy(l->h0, l->h_last, bytes);
        memcpy(l->c0, l->c_last, bytes);
    } else {
        memset(l->h0, 0, bytes);
        memset(l->c0, 0, bytes);
    }
    weir_tape_batch b = {.steps = batch->steps, .rows = 1, .x = batch->x, .h0 = l->h0, .c0 = l->c0};
    check(weir_tape_forward(l->runs, &b, l->h, l->h_last, l->c_last, NULL, &err), &err);
    for (size_t t = 0; t < batch->steps; t++)
        output_step(l, batch->x + t * l->inputs, l->h + t * l->hidden, y + t * l->outputs);
    if (l->config.model.output == WEIR_LOGISTIC)
        weir_sigmoid(batch->steps * l->outputs, y, y);
}

void classic_run(classic *l, const weir_batch *batch, float *y, float *c)
{
    run(l, batch, y);
    if (c)
        memcpy(c, l->c_last, l->hidden * sizeof(float));
}

/* ---- Learning ---- */

/* dy = (y - target) f'; the number of steps up to the end of the stream. */
static size_t output_errors(classic *l, const weir_batch *batch, judge *ends, void *ctx, const float *y)
{
    size_t n = l->outputs, t = 0;
    for (bool ended = false; t < batch->steps && !ended; t++) {
        for (size_t i = t * n; i < (t + 1) * n; i++) {
            float slope = l->config.model.output == WEIR_LOGISTIC ? y[i] * (1 - y[i]) : 1;
            l->dy[i] = isnan(batch->targets[i]) ? 0 : (y[i] - batch->targets[i]) * slope;
        }
        ended = ends && ends(ctx, t, y + t * n);
    }
    return t;
}

/* Gradients of the output layer, and dh. */
static void output_backward(classic *l, const float *x, size_t steps)
{
    size_t I = l->inputs, H = l->hidden, n = l->outputs, width = l->of[OUT].count / n;
    memset(l->of[OUT].gradient, 0, l->of[OUT].count * sizeof(float));
    memset(l->of[OUT_BIAS].gradient, 0, n * sizeof(float));
    memset(l->dh, 0, steps * H * sizeof(float));
    for (size_t t = 0; t < steps; t++)
        for (size_t k = 0; k < n; k++) {
            float d = l->dy[t * n + k], *gradient = l->of[OUT].gradient + k * width;
            const float *w = l->of[OUT].value + k * width;
            if (d == 0)
                continue;
            l->of[OUT_BIAS].gradient[k] += d;
            for (size_t j = 0; j < H; j++) {
                gradient[j] += d * l->h[t * H + j];
                l->dh[t * H + j] += d * w[j];
            }
            for (size_t i = 0; l->config.shortcut && i < I; i++)
                gradient[H + i] += d * x[t * I + i];
        }
}

/* Rows of a (4H, I) and of a (4H, H) as rows of a (4H, I + H), or back. */
static void join(const classic *l, float *joined, float *left, float *right, bool back)
{
    size_t I = l->inputs, H = l->hidden;
    for (size_t r = 0; r < 4 * H; r++, joined += I + H, left += I, right += H) {
        memcpy(back ? left : joined, back ? joined : left, I * sizeof(float));
        memcpy(back ? right : joined + I, back ? joined + I : right, H * sizeof(float));
    }
}

/* The truncated gradient of the cells. */
static void cell_backward(classic *l, const float *x, size_t steps)
{
    weir_error err;
    size_t I = l->inputs, H = l->hidden;
    for (size_t t = 0; t < steps; t++) {
        memcpy(l->joined + t * (I + H), x + t * I, I * sizeof(float));
        memcpy(l->joined + t * (I + H) + I, t ? l->h + (t - 1) * H : l->h0, H * sizeof(float));
    }
    join(l, l->joined_weights, l->of[W].value, l->of[R].value, false);
    const void *const tensors[] = {l->joined_weights, l->no_recurrence, l->of[BIAS].value, l->of[PEEPHOLE].value};
    void *const gradients[] = {l->joined_gradient, l->no_gradient, l->of[BIAS].gradient, l->of[PEEPHOLE].gradient};
    weir_tape_batch b = {.steps = steps, .rows = 1, .x = l->joined, .c0 = l->c0};
    weir_tape_gradients g = {.dy = l->dh, .tensors = gradients};
    check(weir_tape_weights(l->learns, tensors, NULL, &err), &err);
    check(weir_tape_forward(l->learns, &b, NULL, NULL, NULL, NULL, &err), &err);
    check(weir_tape_backward(l->learns, &g, NULL, &err), &err);
    join(l, l->joined_gradient, l->of[W].gradient, l->of[R].gradient, true);
    add_shared(l, l->of[W].gradient, I);
    add_shared(l, l->of[R].gradient, H);
    add_shared(l, l->of[BIAS].gradient, 1);
}

static void hold_cell_bias(classic *l)
{
    if (l->config.no_cell_bias)
        memset(l->of[BIAS].gradient + CANDIDATE * l->hidden, 0, l->hidden * sizeof(float));
}

static void update(classic *l)
{
    double rate = (double)l->config.train.rate, momentum = (double)l->config.train.momentum;
    for (size_t a = 0; a < ARRAYS; a++)
        for (size_t i = 0; i < l->of[a].count; i++) {
            weights *w = l->of + a;
            if (!isfinite(w->gradient[i]))
                l->diverged = true;
            w->velocity[i] = momentum * w->velocity[i] - rate * (double)w->gradient[i];
            w->exact[i] += w->velocity[i];
        }
    round_weights(l);
}

size_t classic_train(classic *l, const weir_batch *batch, judge *ends, void *ctx, float *y)
{
    float *said = y ? y : l->y;
    run(l, batch, said);
    size_t steps = output_errors(l, batch, ends, ctx, said);
    output_backward(l, batch->x, steps);
    cell_backward(l, batch->x, steps);
    hold_cell_bias(l);
    update(l);
    return steps;
}
