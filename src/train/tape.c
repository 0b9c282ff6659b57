/* Gradients inside other frameworks: the stack's forward and backward pass on the caller's arrays.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "stack.h"

struct weir_tape {
    weir_allocator allocator;
    weir_tape_config config;
    struct weir__network net;
    struct weir__work work;
    struct weir__stack stack; /* without arrays where no backward pass will come */
    weir_memory memory;
    bool has_weights, recorded, dropped; /* the last forward pass waits for its backward pass; it had dropout */
};

/* ---- Configuration ---- */

static weir_status check_field(bool good, const char *field, const char *range, weir_error *err)
{
    return good ? WEIR_OK : weir__fail(err, WEIR_E_ARGUMENT, "%s must be %s", field, range);
}

static weir_status check_tape(const weir_tape_config *c, weir_error *err)
{
    TRY(check_field(c->rows > 0, "rows", "at least 1: memory is planned from it", err));
    TRY(check_field(c->steps > 0, "steps", "at least 1: memory is planned from it", err));
    TRY(check_field(c->dropout >= 0 && c->dropout < 1, "dropout", "from 0 to below 1", err));
    for (size_t i = 0; i < sizeof c->reserved / sizeof *c->reserved; i++)
        TRY(check_field(c->reserved[i] == 0, "reserved fields of weir_tape_config", "0", err));
    return WEIR_OK;
}

static weir_status check_stack(const weir_config *c, weir_error *err)
{
    TRY(check_field(c->outputs == 0, "outputs", "0: a tape has no head", err));
    TRY(check_field(c->readout == WEIR_EVERY_STEP, "readout", "WEIR_EVERY_STEP: a tape gives every step and the final states",
                    err));
    if (c->weights != WEIR_WEIGHTS_F32)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "narrow weights have no gradient; set weights to WEIR_WEIGHTS_F32");
    return WEIR_OK;
}

/* Notes stay with models. */
static weir_status resolve(const weir_config *config, const weir_tape_config *tape, weir_config *c,
                           const struct weir__kernels **k, weir_error *err)
{
    TRY(check_tape(tape, err));
    TRY(weir__config_resolve(config, c, err));
    TRY(check_stack(c, err));
    *k = weir__kernels_for_units(c->isa, c->hidden);
    if (!*k)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "this CPU or this build has no %s; use \"best\"", weir_isa_name(c->isa));
    c->isa = (*k)->isa;
    c->notes = "";
    return WEIR_OK;
}

static unsigned uses_of(const weir_tape_config *c)
{
    if (c->run_only)
        return WEIR__BARE;
    return WEIR__BARE | WEIR__FOR_GRADIENTS | (c->no_input_gradient ? 0 : WEIR__FOR_INPUT);
}

/* ---- Memory ---- */

/* A tape that only runs keeps its steps where it has dropout, whose masks are applied to whole layers. */
static bool keeps_steps(const weir_tape_config *c)
{
    return !c->run_only || c->dropout > 0;
}

static struct weir__room room_of(const weir_tape_config *c)
{
    return (struct weir__room){.steps = c->steps, .rows = c->rows, .tape = keeps_steps(c), .dropout = c->dropout > 0};
}

static size_t list_arrays(weir_tape *t, struct weir__array list[WEIR__STACK_ARRAYS])
{
    return t->config.run_only ? 0 : weir__stack_arrays(&t->stack, &t->work, list);
}

static bool count_memory(weir_tape *t)
{
    struct weir__array list[WEIR__STACK_ARRAYS];
    size_t packed = weir__network_packed_bytes(&t->net), parts[WEIR__PARTS] = {[WEIR__PACKED] = packed};
    if (!weir__arrays_count(list, list_arrays(t, list), parts))
        return false;
    t->memory = (weir_memory){
        .packed = parts[WEIR__PACKED],
        .tape = t->work.bytes,
        .backward = parts[WEIR__BACKWARD],
        .rest = sizeof *t + weir__network_bytes(&t->net) - packed,
    };
    const size_t all[] = {t->memory.packed, t->memory.tape, t->memory.backward, t->memory.rest};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!weir__size_add(&t->memory.total, t->memory.total, all[i]))
            return false;
    return true;
}

static weir_status no_memory(const weir_tape *t, weir_error *err)
{
    return weir__fail(err, WEIR_E_NOMEM, "no memory for a tape of %u steps of %u rows", (unsigned)t->config.steps,
                      (unsigned)t->config.rows);
}

static weir_status build(weir_tape *t, const weir_config *c, const struct weir__kernels *k, weir_error *err)
{
    struct weir__array list[WEIR__STACK_ARRAYS];
    TRY(weir__network_new(&t->net, c, k, uses_of(&t->config), err));
    struct weir__room room = room_of(&t->config);
    TRY(weir__work_new(&t->work, &t->net, &room, err));
    if (!count_memory(t) || !weir__arrays_make(list, list_arrays(t, list), &t->allocator))
        return no_memory(t, err);
    return WEIR_OK;
}

weir_status weir_tape_new(weir_tape **out, const weir_config *config, const weir_tape_config *tape, weir_error *err)
{
    *out = NULL;
    weir_config c;
    const struct weir__kernels *k;
    TRY(resolve(config, tape, &c, &k, err));
    weir_allocator a = weir__allocator(config->allocator);
    weir_tape *t = weir__alloc(&a, sizeof *t);
    if (!t)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for a tape");
    t->allocator = a;
    t->config = *tape;
    c.allocator = &t->allocator;
    weir_status status = build(t, &c, k, err);
    if (status) {
        weir_tape_free(t);
        return status;
    }
    *out = t;
    return weir__ok(err);
}

void weir_tape_free(weir_tape *t)
{
    if (!t)
        return;
    weir_allocator a = t->allocator;
    if (t->net.k) {
        struct weir__array list[WEIR__STACK_ARRAYS];
        weir__arrays_free(list, list_arrays(t, list), &a);
        weir__work_free(&t->work);
        weir__network_free(&t->net);
    }
    weir__free(&a, t, sizeof *t);
}

weir_status weir_tape_plan(weir_memory *out, const weir_config *config, const weir_tape_config *tape, weir_error *err)
{
    *out = (weir_memory){0};
    weir_tape t = {.allocator = weir__allocator(config->allocator), .config = *tape};
    weir_config c;
    const struct weir__kernels *k;
    TRY(resolve(config, tape, &c, &k, err));
    c.allocator = &t.allocator;
    TRY(weir__network_plan(&t.net, &c, k, uses_of(tape), err));
    struct weir__room room = room_of(tape);
    bool fits = weir__work_plan(&t.work, &t.net, &room) && count_memory(&t);
    weir_status status = fits ? weir__ok(err) : no_memory(&t, err);
    weir__network_free(&t.net);
    if (fits)
        *out = t.memory;
    return status;
}

size_t weir_tape_memory(const weir_tape *t)
{
    return t->memory.total;
}

size_t weir_tape_tensor_count(const weir_tape *t)
{
    return t->net.params.count;
}

weir_tensor weir_tape_tensor(const weir_tape *t, size_t index)
{
    return weir__param_tensor(t->net.params.list + index);
}

/* ---- Passes ---- */

weir_status weir_tape_weights(weir_tape *t, const void *const *tensors, const weir_parallel *parallel, weir_error *err)
{
    for (size_t i = 0; i < t->net.params.count; i++)
        if (!tensors[i])
            return weir__fail(err, WEIR_E_ARGUMENT, "tensor %s has no data", t->net.params.list[i].name);
    weir__network_pack_each(&t->net, tensors, parallel);
    t->has_weights = true;
    t->recorded = false;
    return weir__ok(err);
}

weir_status weir_tape_forward(weir_tape *t, const weir_tape_batch *batch, void *y, void *hn, void *cn,
                              const weir_parallel *parallel, weir_error *err)
{
    const weir_config *c = &t->net.config;
    size_t lanes = c->layers * weir__directions(c) * batch->rows, real = t->net.k->real_size;
    /* Its arrays hold the table's reals, as a bare network takes them. */
    weir_batch b = {
        .steps = batch->steps,
        .rows = batch->rows,
        .x = batch->x,
        .tokens = batch->tokens,
        .lengths = batch->lengths,
        .h0 = batch->h0,
        .c0 = batch->c0,
    };
    if (!t->has_weights)
        return weir__fail(err, WEIR_E_ARGUMENT, "the tape has no weights; set them by weir_tape_weights first");
    TRY(weir__batch_check(&t->work, &b, err));
    struct weir__dropout dropout = {
        .between_layers = (double)t->config.dropout,
        .random = {.key = batch->seed},
        .update = batch->counter,
    };
    t->dropped = t->config.dropout > 0;
    weir__state_begin(&t->work, &b);
    weir__forward(&t->work, &b, weir__all_rows(&b), t->dropped ? &dropout : NULL, parallel);
    t->recorded = !t->config.run_only;
    if (y)
        weir__work_outputs(&t->work, y);
    if (hn)
        memcpy(hn, t->work.state_h, lanes * weir__projected(c) * real);
    if (cn)
        memcpy(cn, t->work.state_c, lanes * c->hidden * real);
    return weir__ok(err);
}

static weir_status check_backward(const weir_tape *t, const weir_tape_gradients *g, weir_error *err)
{
    if (t->config.run_only)
        return weir__fail(err, WEIR_E_ARGUMENT, "a tape of run_only has no backward pass; plan it without");
    if (!t->recorded)
        return weir__fail(err, WEIR_E_ARGUMENT,
                          "there is no forward pass to go back through; the tape of one serves one backward pass");
    if (g->dx && !t->net.lstm->wx_t)
        return weir__fail(err, WEIR_E_ARGUMENT,
                          t->net.config.tokens ? "tokens have no gradient; set dx to NULL"
                                               : "the tape was planned with no_input_gradient; set dx to NULL");
    return WEIR_OK;
}

/* dy in the work's rows: where it stands, or copied where these are sorted. */
static void take_dy(weir_tape *t, const void *dy, struct weir__stack_ends *ends)
{
    const struct weir__work *w = &t->work;
    const struct weir__kernels *k = t->net.k;
    size_t n = weir__directions(&t->net.config) * weir__projected(&t->net.config);
    ends->dy = dy;
    ends->dy_row = n;
    if (!dy || !w->sorted)
        return;
    void *room = weir__stack_room(&t->stack);
    ends->dy = room;
    ends->dy_row = weir__columns_row(n);
    for (size_t s = 0; s < w->S; s++)
        for (size_t r = 0; r < w->B; r++)
            memcpy(weir__at(k, room, (s * w->B + r) * ends->dy_row), weir__at(k, dy, (s * w->B + w->order[r]) * n),
                   n * k->real_size);
}

static void give_dx(const weir_tape *t, const void *d, void *dx)
{
    const struct weir__work *w = &t->work;
    const struct weir__kernels *k = t->net.k;
    size_t I = t->net.config.inputs, row = weir__columns_row(I);
    for (size_t s = 0; s < w->S; s++)
        for (size_t r = 0; r < w->B; r++)
            memcpy(weir__at(k, dx, (s * w->B + w->order[r]) * I), weir__at(k, d, (s * w->B + r) * row), I * k->real_size);
}

weir_status weir_tape_backward(weir_tape *t, const weir_tape_gradients *g, const weir_parallel *parallel, weir_error *err)
{
    TRY(check_backward(t, g, err));
    t->recorded = false;
    struct weir__stack_ends ends = {
        .dhn = g->dhn,
        .dcn = g->dcn,
        .dh0 = g->dh0,
        .dc0 = g->dc0,
        .dropped = t->dropped,
        .weights = g->tensors,
    };
    take_dy(t, g->dy, &ends);
    const void *d = weir__stack_backward(&t->stack, &ends, parallel);
    if (g->dx)
        give_dx(t, d, g->dx);
    if (g->tensors)
        weir__network_unpack_each(&t->net, t->stack.packed_gradient, g->tensors, parallel);
    return weir__ok(err);
}
