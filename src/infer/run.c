/* Whole sequences: the forward pass in pieces of time that stay in the cache, as far as the network allows it.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "../model/model.h"

/* Rows of all steps of a piece, and its fewest steps. */
enum { PIECE_ROWS = 512, LEAST_STEPS = 8 };

static size_t piece_steps(size_t rows)
{
    return PIECE_ROWS / rows < LEAST_STEPS ? LEAST_STEPS : PIECE_ROWS / rows;
}

/* All steps where some direction begins at the end, else those of a piece. */
static size_t steps_at_once(const weir_config *c, size_t steps, size_t rows)
{
    return c->direction != WEIR_FORWARD || steps <= piece_steps(rows) ? steps : piece_steps(rows);
}

/* The next `steps` steps of a batch whose first `done` steps have been run. */
static weir_batch piece_of(const weir_batch *b, const weir_config *c, size_t done, size_t steps, uint32_t *lengths)
{
    weir_batch piece = {.steps = steps, .rows = b->rows, .carry = true};
    if (b->x)
        piece.x = b->x + done * b->rows * c->inputs;
    if (b->tokens)
        piece.tokens = b->tokens + done * b->rows;
    if (b->lengths) {
        for (size_t r = 0; r < b->rows; r++) {
            size_t left = b->lengths[r] > done ? b->lengths[r] - done : 0;
            lengths[r] = (uint32_t)(left < steps ? left : steps);
        }
        piece.lengths = lengths;
    }
    return piece;
}

/* Writes the head's outputs in the caller's order; y [S][B][O] or [B][O]. */
static void write_outputs(const struct weir__work *w, float *y)
{
    const struct weir__network *net = w->net;
    size_t O = weir__output_values(&net->config), row;
    void *z = weir__head_out(w, &row);
    for (size_t r = 0; r < weir__head_rows(w); r++) {
        size_t to = weir__caller_row(w, r);
        void *from = weir__at(net->k, z, r * row);
        if (to == SIZE_MAX) /* past its row's end: the caller's row is the same step of the same row */
            memset(y + (r / w->B * w->B + w->order[r % w->B]) * O, 0, O * sizeof *y);
        else if (net->config.outputs)
            net->k->output(net->config.output, net->config.outputs, 1, from, row, y + to * O);
        else
            net->k->to_float(O, from, y + to * O);
    }
}

static void run_pieces(struct weir__work *w, const weir_batch *batch, uint32_t *lengths, float *y, const weir_parallel *parallel)
{
    const weir_config *c = &w->net->config;
    size_t O = weir__output_values(c);
    bool every = c->readout == WEIR_EVERY_STEP;
    weir__state_begin(w, batch);
    for (size_t done = 0; done < batch->steps; done += w->steps) {
        size_t left = batch->steps - done;
        weir_batch piece = piece_of(batch, c, done, left < w->steps ? left : w->steps, lengths);
        weir__forward(w, &piece, weir__all_rows(&piece), NULL, parallel);
        if (y && (every || left <= w->steps))
            write_outputs(w, every ? y + done * batch->rows * O : y);
    }
}

static weir_status check_whole(const struct weir__work *w, const weir_batch *batch, weir_error *err)
{
    struct weir__work room = *w;
    room.steps = batch->steps;
    return weir__batch_check(&room, batch, err);
}

weir_status weir_model_run(const weir_model *m, const weir_batch *batch, float *y, float *hn, float *cn, const weir_parallel *parallel,
                           weir_error *err)
{
    const weir_config *c = &m->config;
    struct weir__work w;
    struct weir__work shape = {.net = &m->net, .steps = batch->steps, .batch_rows = batch->rows};
    weir_status status = check_whole(&shape, batch, err);
    if (status)
        return status;
    struct weir__room room = {.steps = steps_at_once(c, batch->steps, batch->rows), .rows = batch->rows};
    status = weir__work_new(&w, &m->net, &room, err);
    if (status)
        return status;
    uint32_t *lengths = weir__alloc(&m->allocator, batch->rows * sizeof *lengths);
    if (lengths) {
        run_pieces(&w, batch, lengths, y, parallel);
        size_t lanes = c->layers * weir__directions(c) * batch->rows;
        if (hn)
            m->net.k->to_float(lanes * weir__projected(c), w.state_h, hn);
        if (cn)
            m->net.k->to_float(lanes * c->hidden, w.state_c, cn);
        weir__free(&m->allocator, lengths, batch->rows * sizeof *lengths);
    }
    weir__work_free(&w);
    return lengths ? weir__ok(err) : weir__fail(err, WEIR_E_NOMEM, "no memory for the lengths of %zu rows", batch->rows);
}

size_t weir_run_memory(const weir_model *m, uint32_t steps, uint32_t rows)
{
    struct weir__work w;
    size_t bytes;
    if (!steps || !rows)
        return 0;
    struct weir__room room = {.steps = steps_at_once(&m->config, steps, rows), .rows = rows};
    if (!weir__work_plan(&w, &m->net, &room))
        return 0;
    return weir__size_add(&bytes, w.bytes, rows * sizeof(uint32_t)) ? bytes : 0; /* with the lengths of a piece */
}
