/* Loss and gradient of one batch, truncated at its first step: back through the head, then through the stack.
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "trainer.h"

/* ---- Loss ---- */

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
    return WEIR_OK;
}

/* Targets of a negative binomial are counts, and their scales are positive. */
static weir_status check_counts(const weir_trainer *t, const weir_batch *b, weir_error *err)
{
    size_t n = t->net.config.outputs;
    for (size_t r = 0; r < weir__head_rows(&t->work); r++) {
        size_t from = weir__caller_row(&t->work, r);
        for (size_t j = 0; j < n && from != SIZE_MAX; j++) {
            double count = (double)b->targets[from * n + j], scale = b->scales ? (double)b->scales[from * n + j] : 1;
            if (isnan(count))
                continue;
            if (!(count >= 0) || count != rint(count) || isinf(count))
                return weir__fail(err, WEIR_E_ARGUMENT, "target %zu of row %zu is %g, but a negative binomial counts: 0, 1, 2, ...", j, from, count);
            if (!(scale > 0) || isinf(scale))
                return weir__fail(err, WEIR_E_ARGUMENT, "scale %zu of row %zu is %g, but must be positive and finite", j, from, scale);
        }
    }
    return WEIR_OK;
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

/* Forward pass and loss; the output's arguments become the gradient of the sum of losses. Sums run over the rows in order. */
static weir_status forward_and_loss(weir_trainer *t, const weir_batch *b, const struct weir__dropout *dropout, weir_loss *loss,
                                    weir_error *err)
{
    weir_status status = check(t, b, err);
    if (status)
        return status;
    if (t->net.config.output == WEIR_NEGATIVE_BINOMIAL && (status = check_counts(t, b, err)))
        return status;
    weir__state_begin(&t->work, b);
    weir__forward(&t->work, b, dropout, weir__trainer_parallel(t));
    t->carried_rows = b->rows;
    take_targets(t, b);
    size_t R = weir__head_rows(&t->work);
    weir__parallel_for(weir__trainer_parallel(t), (R + LOSS_ROWS - 1) / LOSS_ROWS, loss_rows, t);
    *loss = (weir_loss){0};
    for (size_t r = 0; r < R; r++) {
        loss->sum += t->losses[r];
        loss->count += t->counts[r];
        loss->weight += weight_of_row(t, r);
    }
    return WEIR_OK;
}

weir_status weir__loss(weir_trainer *t, const weir_batch *batch, weir_loss *loss, weir_error *err)
{
    return forward_and_loss(t, batch, NULL, loss, err);
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

weir_status weir__loss_and_gradient(weir_trainer *t, const weir_batch *batch, bool dropped, weir_loss *loss, weir_error *err)
{
    const struct weir__kernels *k = t->net.k;
    struct weir__dropout dropout = {
        .between_layers = (double)t->config.dropout,
        .head = (double)t->config.head_dropout,
        .random = {.key = t->config.seed},
        .update = t->updates,
    };
    weir_status status = forward_and_loss(t, batch, dropped ? &dropout : NULL, loss, err);
    if (status)
        return status;
    size_t row;
    void *dz = weir__head_out(&t->work, &row);
    k->scale(weir__head_rows(&t->work) * row, loss->weight > 0 ? 1 / loss->weight : 0, dz);
    head_backward(t, dropped);
    stack_backward(t, dropped);
    weir__network_unpack(&t->net, t->stack.packed_gradient, t->gradient, weir__trainer_parallel(t));
    return WEIR_OK;
}
