/* Loss and gradient of one batch, truncated at its first step: back through the head, then through the stack.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "trainer.h"

/* ---- Loss ---- */

/* Value j of row `at` of the targets. */
static weir_status check_count(const weir_batch *b, size_t at, size_t n, size_t j, weir_error *err)
{
    double count = (double)b->targets[at * n + j], scale = b->scales ? (double)b->scales[at * n + j] : 1;
    if (isnan(count))
        return WEIR_OK;
    if (!(count >= 0) || count != rint(count) || isinf(count))
        return weir__fail(err, WEIR_E_ARGUMENT, "target %zu of row %zu is %g, but a negative binomial counts: 0, 1, 2, ...", j, at, count);
    if (!(scale > 0) || isinf(scale))
        return weir__fail(err, WEIR_E_ARGUMENT, "scale %zu of row %zu is %g, but must be positive and finite", j, at, scale);
    return WEIR_OK;
}

/* Targets of a negative binomial are counts, and their scales are positive. */
static weir_status check_counts(const weir_config *c, const weir_batch *b, weir_error *err)
{
    bool final = c->readout == WEIR_FINAL_STATE;
    for (size_t step = 0; step < (final ? 1 : b->steps); step++)
        for (size_t row = 0; row < b->rows; row++)
            for (size_t j = 0; j < c->outputs && (final || !b->lengths || step < b->lengths[row]); j++)
                TRY(check_count(b, step * b->rows + row, c->outputs, j, err));
    return WEIR_OK;
}

static weir_status check(const weir_trainer *t, const weir_batch *b, weir_error *err)
{
    const weir_config *c = &t->net.config;
    weir_status status = weir__batch_check(&t->work, b, err);
    if (status)
        return status;
    if (c->output == WEIR_SOFTMAX ? !b->classes : !b->targets)
        return weir__fail(err, WEIR_E_ARGUMENT, "the batch has no %s, which the loss compares with",
                          c->output == WEIR_SOFTMAX ? "classes" : "targets");
    if (b->carry && t->carried_rows && t->carried_rows != b->rows)
        return weir__fail(err, WEIR_E_ARGUMENT, "the batch carries the state on, but has %zu rows where the one before had %zu", b->rows,
                          t->carried_rows);
    return c->output == WEIR_NEGATIVE_BINOMIAL ? check_counts(c, b, err) : WEIR_OK;
}

/* Targets in the order of the head's rows; none past a row's end. */
static void take_targets(weir_trainer *t, const weir_batch *b)
{
    const struct weir__work *w = &t->work;
    size_t n = t->net.config.outputs;
    for (size_t r = 0; r < weir__head_rows(w); r++) {
        size_t from = weir__caller_row(w, r);
        if (t->net.config.output == WEIR_SOFTMAX)
            t->classes[r] = from == SIZE_MAX ? UINT32_MAX : b->classes[from];
        else
            for (size_t j = 0; j < n; j++)
                t->targets[r * n + j] = from == SIZE_MAX ? NAN : b->targets[from * n + j];
        for (size_t j = 0; t->net.config.output == WEIR_NEGATIVE_BINOMIAL && j < n; j++)
            t->scales[r * n + j] = from == SIZE_MAX || !b->scales ? 1 : b->scales[from * n + j];
    }
}

enum { LOSS_ROWS = 64 };

static void loss_rows(void *arg, size_t i)
{
    weir_trainer *t = arg;
    size_t R = weir__head_rows(&t->work), at = i * LOSS_ROWS, n = R - at < LOSS_ROWS ? R - at : LOSS_ROWS, row;
    void *z = weir__at(t->net.k, weir__head_out(&t->work, &row), 0);
    struct weir__targets targets = {
        .output = t->net.config.output,
        .n = t->net.config.outputs,
        .values = t->targets + at * t->net.config.outputs,
        .scales = t->net.config.output == WEIR_NEGATIVE_BINOMIAL ? t->scales + at * t->net.config.outputs : NULL,
        .classes = t->classes + at,
        .class_weights = t->config.class_weights,
    };
    z = weir__at(t->net.k, z, at * row);
    t->net.k->loss(&targets, n, z, row, t->losses + at, t->counts + at, z);
}

/* What the counted targets of a row of the head weigh in the mean. */
static double weight_of_row(const weir_trainer *t, size_t r)
{
    bool weighted = t->counts[r] && t->config.class_weights && t->net.config.output == WEIR_SOFTMAX;
    return weighted ? (double)t->config.class_weights[t->classes[r]] : (double)t->counts[r];
}

/* Forward pass and loss of some rows; the output's arguments become the gradient of the sum of losses. Sums run over the rows in order. */
static weir_loss forward_and_loss(weir_trainer *t, const weir_batch *b, struct weir__rows rows, const struct weir__dropout *dropout)
{
    weir_loss loss = {0};
    weir__forward(&t->work, b, rows, dropout, weir__trainer_parallel(t));
    take_targets(t, b);
    size_t R = weir__head_rows(&t->work);
    weir__parallel_for(weir__trainer_parallel(t), (R + LOSS_ROWS - 1) / LOSS_ROWS, loss_rows, t);
    for (size_t r = 0; r < R; r++) {
        loss.sum += t->losses[r];
        loss.count += t->counts[r];
        loss.weight += weight_of_row(t, r);
    }
    return loss;
}

/* ---- Backward through the head ---- */

static void head_backward(weir_trainer *t, bool dropped)
{
    const struct weir__kernels *k = t->net.k;
    struct weir__work *w = &t->work;
    const weir_parallel *parallel = weir__trainer_parallel(t);
    size_t R = weir__head_rows(w), n = weir__dense_count(&t->net.config);
    for (size_t i = n; i-- > 0;) {
        const struct weir__dense *d = t->net.head + i;
        bool drop = dropped && t->config.head_dropout > 0;
        const void *x = drop ? w->head_in[i] : i ? w->head_y[i - 1] : w->top;
        size_t x_row = i ? weir__columns_row(d->inputs) : d->inputs;
        void *dz = i + 1 == n ? w->head_z[i] : t->head_d[i + 1];
        void *slopes = d->activation.id == WEIR_PRELU ? t->head_slopes : NULL;
        weir__dense_backward(k, d, R, w->head_z[i], dz, slopes, t->head_d[i], parallel);
        struct weir__dense_grad grad = {
            .w = weir__gradient_of(&t->stack, d->w),
            .bias = weir__gradient_of(&t->stack, d->bias),
            .slope = weir__gradient_of(&t->stack, d->slope),
        };
        weir__dense_weights(k, d, R, x, x_row, dz, slopes, &grad, parallel);
        if (drop)
            weir__undrop(k, R, d->inputs, w->head_factor[i], x_row, t->head_d[i], weir__columns_row(d->inputs));
    }
}

/* ---- Backward through all ---- */

static void stack_backward(weir_trainer *t, bool dropped)
{
    const weir_config *c = &t->net.config;
    bool final = c->readout == WEIR_FINAL_STATE;
    size_t row = weir__columns_row(weir__dense_inputs(c, 0));
    struct weir__stack_ends ends = {
        .dy = final ? NULL : t->head_d[0],
        .dy_row = row,
        .last = final ? t->head_d[0] : NULL,
        .last_row = row,
        .dropped = dropped && t->config.dropout > 0,
        .weights = true,
    };
    weir__stack_backward(&t->stack, &ends, weir__trainer_parallel(t));
}

/* With one shard dz is divided by the weight at once; with several, their sum is divided, when the weight is known. */
static void backward(weir_trainer *t, bool dropped, weir_loss loss, void *gradient)
{
    const struct weir__kernels *k = t->net.k;
    size_t row;
    void *dz = weir__head_out(&t->work, &row);
    if (t->config.shards == 1)
        k->scale(weir__head_rows(&t->work) * row, loss.weight > 0 ? 1 / loss.weight : 0, dz);
    head_backward(t, dropped);
    stack_backward(t, dropped);
    weir__network_unpack(&t->net, t->stack.packed_gradient, gradient, weir__trainer_parallel(t));
}

/* ---- Shards ---- */

/* A shard without rows gives a loss and a gradient of 0. */
static struct weir__sum take_shard(weir_trainer *t, const weir_batch *b, size_t shard, struct weir__dropout *dropout, void *gradient)
{
    struct weir__rows rows = weir__part(b->rows, t->config.shards, shard);
    struct weir__sum sum = {.first = shard, .count = 1, .gradient = gradient};
    if (dropout)
        dropout->shard = (uint32_t)shard;
    if (rows.count)
        sum.loss = forward_and_loss(t, b, rows, dropout);
    if (rows.count && gradient)
        backward(t, dropout, sum.loss, gradient);
    else if (gradient)
        memset(gradient, 0, t->net.params.size * t->net.k->real_size);
    return sum;
}

/* Where the gradient of the next shard goes: the place that it keeps if nothing joins it. */
static void *gradient_place(const weir_trainer *t, size_t waiting)
{
    return waiting ? weir__at(t->net.k, t->exchange.spare, (waiting - 1) * t->net.params.size) : t->gradient;
}

/* This rank's shards one after another, then all ranks' together. */
static weir_status take_shards(weir_trainer *t, const weir_batch *b, struct weir__dropout *dropout, bool gradient, weir_loss *loss, weir_error *err)
{
    struct weir__adder adder = {t->net.k, t->net.params.size, weir__trainer_parallel(t)};
    struct weir__sums sums = {0};
    TRY(check(t, b, err));
    weir__state_begin(&t->work, b);
    for (size_t i = 0; i < t->exchange.shards.count; i++) {
        void *place = gradient ? gradient_place(t, sums.n) : NULL;
        weir__sums_add(&adder, &sums, take_shard(t, b, t->exchange.shards.first + i, dropout, place));
    }
    t->carried_rows = b->rows;
    if (t->config.shards > 1)
        return weir__exchange_join(&t->exchange, &adder, &sums, gradient ? t->gradient : NULL, loss, err);
    *loss = sums.list[0].loss;
    return WEIR_OK;
}

weir_status weir__loss(weir_trainer *t, const weir_batch *batch, weir_loss *loss, weir_error *err)
{
    return take_shards(t, batch, NULL, false, loss, err);
}

weir_status weir__loss_and_gradient(weir_trainer *t, const weir_batch *batch, bool dropped, weir_loss *loss, weir_error *err)
{
    struct weir__dropout dropout = {
        .between_layers = (double)t->config.dropout,
        .head = (double)t->config.head_dropout,
        .random = {.key = t->config.seed},
        .update = t->updates,
    };
    return take_shards(t, batch, dropped ? &dropout : NULL, true, loss, err);
}

weir_status weir_trainer_gather(weir_trainer *t, weir_error *err)
{
    const weir_config *c = &t->net.config;
    size_t lanes = c->layers * weir__directions(c), rows = t->paused ? t->paused_rows : t->carried_rows, real = t->net.k->real_size;
    void *h = t->paused ? t->kept_h : t->work.state_h, *cells = t->paused ? t->kept_c : t->work.state_c;
    if (!rows)
        return weir__ok(err);
    TRY(weir__exchange_rows(&t->exchange, t->config.shards, lanes, rows, weir__projected(c) * real, h, err));
    TRY(weir__exchange_rows(&t->exchange, t->config.shards, lanes, rows, c->hidden * real, cells, err));
    return weir__ok(err);
}
