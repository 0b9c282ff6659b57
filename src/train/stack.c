/* SPDX-License-Identifier: MIT */
#include "stack.h"

#include <string.h>

/* ---- Memory ---- */

static bool turns(const weir_config *c)
{
    return c->direction != WEIR_FORWARD;
}

static size_t top_row(const weir_config *c)
{
    return weir__columns_row(weir__directions(c) * weir__projected(c));
}

static size_t widest_row(const struct weir__network *net)
{
    size_t row = top_row(&net->config), first = weir__columns_row(net->config.inputs);
    return net->uses & WEIR__FOR_INPUT && first > row ? first : row;
}

size_t weir__stack_arrays(struct weir__stack *s, const struct weir__work *w, struct weir__array list[WEIR__STACK_ARRAYS])
{
    const struct weir__network *net = w->net;
    const weir_config *c = &net->config;
    const struct weir__lstm *l = net->lstm;
    size_t real = net->k->real_size, B = w->rows, SB = w->steps * B, row = widest_row(net), n = 0;
    bool final = c->readout == WEIR_FINAL_STATE, passes_down = c->layers > 1 || net->uses & WEIR__BARE;
    s->work = w;
#define ARRAY(field, elements) list[n++] = (struct weir__array){&(field), (elements), real, WEIR__BACKWARD}
    ARRAY(s->packed_gradient, net->forward_size);
    list[0].part = WEIR__PACKED;
    ARRAY(s->upper, turns(c) || final ? SB * row : 0);
    ARRAY(s->turned, turns(c) ? SB * row : 0);
    for (size_t d = 0; d < weir__directions(c) && passes_down; d++)
        ARRAY(s->dx[d], SB * row);
    ARRAY(s->dh_state, B * weir__columns_row(l->projected));
    ARRAY(s->dc_state, B * weir__units_row(l));
    if (l->project) {
        ARRAY(s->dh_total, SB * weir__columns_row(l->projected));
        ARRAY(s->dm, B * weir__columns_row(l->hidden));
    }
    if (weir__cell_has_slopes(c))
        ARRAY(s->slopes, SB * l->panels * WEIR__SLOPES);
#undef ARRAY
    return n;
}

void *weir__stack_room(const struct weir__stack *s)
{
    const weir_config *c = &s->work->net->config;
    return turns(c) || c->readout == WEIR_FINAL_STATE ? s->upper : s->dx[0];
}

/* ---- One direction of one layer ---- */

void *weir__gradient_of(const struct weir__stack *s, const void *packed)
{
    return packed ? (char *)s->packed_gradient + ((const char *)packed - (const char *)s->work->net->packed) : NULL;
}

/* The lane's rows of a caller's array [L * D][B][n]. */
static void take_state(const struct weir__work *w, size_t lane, size_t n, const void *callers, void *d, size_t d_row)
{
    const struct weir__kernels *k = w->net->k;
    for (size_t r = 0; callers && r < w->B; r++)
        memcpy(weir__at(k, d, r * d_row), weir__at(k, callers, (lane * w->all + w->order[r]) * n), n * k->real_size);
}

static void give_state(const struct weir__work *w, size_t lane, size_t n, const void *d, size_t d_row, void *callers)
{
    const struct weir__kernels *k = w->net->k;
    for (size_t r = 0; callers && r < w->B; r++)
        memcpy(weir__at(k, callers, (lane * w->all + w->order[r]) * n), weir__at(k, d, r * d_row), n * k->real_size);
}

/* The gradient by the final h of the top layer's direction d. */
static void take_last(const struct weir__stack *s, const struct weir__stack_ends *ends, size_t d, size_t P)
{
    const struct weir__kernels *k = s->work->net->k;
    for (size_t r = 0; r < s->work->B; r++)
        memcpy(weir__at(k, s->dh_state, r * weir__columns_row(P)), weir__at(k, ends->last, r * ends->last_row + d * P),
               P * k->real_size);
}

static void clear(const struct weir__kernels *k, void *array, size_t n)
{
    memset(array, 0, n * k->real_size);
}

static void begin_state(const struct weir__stack *s, const struct weir__stack_ends *ends, size_t layer, size_t d)
{
    const struct weir__work *w = s->work;
    const weir_config *c = &w->net->config;
    const struct weir__lstm *l = weir__network_lstm(w->net, layer, d);
    size_t lane = layer * weir__directions(c) + d, P = l->projected, h_row = weir__columns_row(P), c_row = weir__units_row(l);
    clear(w->net->k, s->dh_state, w->B * h_row);
    clear(w->net->k, s->dc_state, w->B * c_row);
    if (ends->last && layer + 1 == c->layers)
        take_last(s, ends, d, P);
    take_state(w, lane, P, ends->dhn, s->dh_state, h_row);
    take_state(w, lane, l->hidden, ends->dcn, s->dc_state, c_row);
}

static void end_state(const struct weir__stack *s, const struct weir__stack_ends *ends, size_t layer, size_t d)
{
    const struct weir__work *w = s->work;
    const struct weir__lstm *l = weir__network_lstm(w->net, layer, d);
    size_t lane = layer * weir__directions(&w->net->config) + d;
    give_state(w, lane, l->projected, s->dh_state, weir__columns_row(l->projected), ends->dh0);
    give_state(w, lane, l->hidden, s->dc_state, weir__units_row(l), ends->dc0);
}

static void lane_weights(const struct weir__stack *s, const struct weir__lstm *l, const struct weir__lstm_back *back,
                         const weir_parallel *parallel)
{
    struct weir__lstm_grad grad = {
        .wx = weir__gradient_of(s, l->wx),
        .wh = weir__gradient_of(s, l->wh),
        .bias = weir__gradient_of(s, l->bias),
        .peephole = weir__gradient_of(s, l->peephole),
        .slope = weir__gradient_of(s, l->slope),
        .wr = weir__gradient_of(s, l->wr),
    };
    weir__lstm_weights(back, &grad, parallel);
}

static void lane_backward(struct weir__stack *s, const struct weir__stack_ends *ends, size_t layer, size_t d, const void *upper,
                          size_t upper_row, const weir_parallel *parallel)
{
    const struct weir__network *net = s->work->net;
    const struct weir__lstm *l = weir__network_lstm(net, layer, d);
    begin_state(s, ends, layer, d);
    if (turns(&net->config)) {
        weir__work_turn(s->work, d, upper_row, upper, s->turned);
        upper = s->turned;
    }
    struct weir__lstm_run run = weir__work_run(s->work, layer, d);
    struct weir__lstm_back back = {
        .run = &run,
        .dh = weir__at(net->k, upper, d * l->projected),
        .dh_row = upper_row,
        .dh_state = s->dh_state,
        .dc_state = s->dc_state,
        .dh_total = s->dh_total,
        .dm = s->dm,
        .slopes = s->slopes,
        .dx = l->wx_t ? s->dx[d] : NULL,
    };
    weir__lstm_backward(&back, parallel);
    end_state(s, ends, layer, d);
    if (ends->weights)
        lane_weights(s, l, &back, parallel);
}

/* ---- The stack ---- */

void weir__undrop(const struct weir__kernels *k, size_t rows, size_t n, const void *factor, size_t factor_row, void *d,
                  size_t d_row)
{
    for (size_t r = 0; r < rows; r++) {
        void *at = weir__at(k, d, r * d_row);
        k->affine(n, at, weir__at(k, factor, r * factor_row), NULL, at);
    }
}

/* The gradient by the layer's input, in the caller's time: the sum over directions. */
static void *join_gradients(struct weir__stack *s, size_t layer, bool dropped)
{
    const struct weir__work *w = s->work;
    const struct weir__kernels *k = w->net->k;
    const weir_config *c = &w->net->config;
    size_t I = weir__layer_inputs(c, layer), row = weir__columns_row(I), rows = w->S * w->B;
    void *joined = turns(c) ? s->upper : s->dx[0];
    if (turns(c))
        weir__work_turn(w, 0, row, s->dx[0], joined);
    if (c->direction == WEIR_BOTH) {
        weir__work_turn(w, 1, row, s->dx[1], s->turned);
        k->add(rows * row, s->turned, joined);
    }
    if (layer && dropped)
        weir__undrop(k, rows, I, w->below[layer], I, joined, row);
    return joined;
}

const void *weir__stack_backward(struct weir__stack *s, const struct weir__stack_ends *ends, const weir_parallel *parallel)
{
    const struct weir__work *w = s->work;
    const weir_config *c = &w->net->config;
    const void *upper = ends->dy;
    size_t row = ends->dy_row;
    if (!upper) {
        row = top_row(c);
        upper = weir__stack_room(s);
        clear(w->net->k, weir__stack_room(s), w->S * w->B * row);
    }
    for (size_t layer = c->layers; layer-- > 0; row = top_row(c)) {
        for (size_t d = 0; d < weir__directions(c); d++)
            lane_backward(s, ends, layer, d, upper, row, parallel);
        upper = weir__network_lstm(w->net, layer, 0)->wx_t ? join_gradients(s, layer, ends->dropped) : NULL;
    }
    return upper;
}
