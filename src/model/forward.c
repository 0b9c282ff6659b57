/* The forward pass: sorts the rows, runs the stack layer by layer, and runs the head.
 * SPDX-License-Identifier: MIT */
#include "network.h"

#include <math.h>
#include <string.h>

/* ---- Memory, planned once ---- */

/* Carves arrays from one block: first counts (memory NULL), then points. */
struct carver {
    char *memory;
    size_t used;
    bool overflow;
};

static void *carve(struct carver *c, size_t a, size_t b, size_t size)
{
    size_t bytes, end;
    if (!weir__size_mul(&bytes, a, b) || !weir__size_mul(&bytes, bytes, size) || !weir__size_add(&bytes, bytes, WEIR__ALIGN) ||
        !weir__size_add(&end, c->used, bytes)) {
        c->overflow = true;
        return NULL;
    }
    void *at = c->memory ? c->memory + c->used : NULL;
    c->used += weir__round_up(bytes - WEIR__ALIGN, WEIR__ALIGN);
    return at;
}

enum { PARKED_ROWS = 64 }; /* rows of input product done at once when nothing has to be kept */

/* Whether a layer above the first reads h of the one below where it stands: not past a row's end, where a gradient would see it. */
static bool reads_below(const struct weir__work *w)
{
    return w->net->config.direction == WEIR_FORWARD && !w->tape;
}

/* Whether the head does so. */
static bool reads_top(const struct weir__work *w)
{
    return reads_below(w) && w->net->config.readout == WEIR_EVERY_STEP;
}

static bool is_bare(const struct weir__work *w)
{
    return w->net->uses & WEIR__BARE;
}

static void plan_lane(struct weir__work *w, struct carver *c, const struct weir__lstm *l, bool first, struct weir__lane *lane)
{
    size_t real = w->net->k->real_size, SB = w->steps * w->rows, units = weir__units_row(l);
    size_t kept = w->tape ? w->steps : 1;
    struct weir__lane plan = {0};
    if (l->tokens)
        plan.tokens = carve(c, SB, 1, sizeof *plan.tokens);
    else if (first || !reads_below(w))
        plan.x = carve(c, SB, l->inputs, real);
    plan.h = carve(c, SB + w->rows, weir__hidden_row(l), real);
    plan.c = carve(c, w->tape ? SB + w->rows : w->rows, units, real);
    if (l->project)
        plan.m = carve(c, kept * w->rows, units, real);
    plan.z = carve(c, w->z_steps * w->rows, weir__gates_row(l), real);
    if (l->form == WEIR_WEIGHTS_INT8) {
        plan.q.x = carve(c, w->rows, l->tokens ? 0 : weir__round_up(l->inputs, 4), 1);
        plan.q.h = carve(c, w->rows, weir__round_up(l->projected, 4), 1);
        plan.q.x_step = carve(c, w->rows, 1, real);
        plan.q.h_step = carve(c, w->rows, 1, real);
    }
    if (lane)
        *lane = plan;
}

static void plan_head(struct weir__work *w, struct carver *c, bool dropout)
{
    const struct weir__network *net = w->net;
    size_t real = net->k->real_size, R = net->config.readout == WEIR_FINAL_STATE ? w->rows : w->steps * w->rows;
    if (!reads_top(w) && !is_bare(w))
        w->top_memory = carve(c, R, weir__dense_inputs(&net->config, 0), real);
    for (size_t i = 0; i < weir__dense_count(&net->config); i++) {
        const struct weir__dense *d = net->head + i;
        size_t row = weir__columns_row(d->units), in = i ? weir__columns_row(d->inputs) : d->inputs;
        w->head_z[i] = carve(c, R, row, real);
        w->head_y[i] = d->activation.id == WEIR_IDENTITY ? w->head_z[i] : carve(c, R, row, real);
        if (dropout) {
            w->head_in[i] = carve(c, R, in, real);
            w->head_factor[i] = carve(c, R, in, real);
        }
    }
}

static void plan(struct weir__work *w, struct carver *c, bool dropout)
{
    const struct weir__network *net = w->net;
    size_t D = weir__directions(&net->config), L = net->config.layers, real = net->k->real_size;
    w->order = carve(c, w->rows, 1, sizeof *w->order);
    w->length = carve(c, w->rows, 1, sizeof *w->length);
    w->active = carve(c, w->steps, 1, sizeof *w->active);
    w->buckets = carve(c, w->steps + 2, 1, sizeof *w->buckets);
    struct weir__lane *lanes = w->lanes = carve(c, L, D, sizeof *w->lanes);
    void **below = w->below = carve(c, L, 1, sizeof *w->below);
    for (size_t i = 0; i < L * D; i++)
        plan_lane(w, c, net->lstm + i, i < D, lanes ? lanes + i : NULL);
    if (net->config.direction != WEIR_FORWARD && L > 1)
        w->turn = carve(c, w->steps * w->rows, weir__layer_inputs(&net->config, 1), real);
    for (size_t l = 1; dropout && l < L; l++) {
        void *factors = carve(c, w->steps * w->rows, weir__layer_inputs(&net->config, l), real);
        if (below)
            below[l] = factors;
    }
    size_t before = c->used;
    plan_head(w, c, dropout);
    w->head_bytes = c->used - before;
    w->state_h = carve(c, L * D * w->batch_rows, weir__projected(&net->config), real);
    w->state_c = carve(c, L * D * w->batch_rows, net->config.hidden, real);
}

bool weir__work_plan(struct weir__work *w, const struct weir__network *net, const struct weir__room *room)
{
    *w = (struct weir__work){.net = net, .steps = room->steps, .rows = room->rows, .batch_rows = room->batch_rows, .tape = room->tape};
    if (!w->batch_rows)
        w->batch_rows = w->rows;
    size_t parked = PARKED_ROWS / w->rows + (w->rows > PARKED_ROWS);
    w->z_steps = w->tape || w->steps < parked ? w->steps : parked;
    struct carver count = {0};
    plan(w, &count, room->dropout);
    w->bytes = count.used;
    return !count.overflow;
}

weir_status weir__work_new(struct weir__work *w, const struct weir__network *net, const struct weir__room *room, weir_error *err)
{
    if (weir__work_plan(w, net, room))
        w->memory = weir__alloc(&net->allocator, w->bytes);
    if (!w->memory)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for %zu steps of %zu rows", room->steps, room->rows);
    plan(w, &(struct carver){.memory = w->memory}, room->dropout);
    return WEIR_OK;
}

void weir__work_free(struct weir__work *w)
{
    if (w->memory)
        weir__free(&w->net->allocator, w->memory, w->bytes);
    w->memory = NULL;
}

/* ---- Batches ---- */

weir_status weir__batch_check(const struct weir__work *w, const weir_batch *b, weir_error *err)
{
    const weir_config *c = &w->net->config;
    if (!b->steps || !b->rows)
        return weir__fail(err, WEIR_E_ARGUMENT, "the batch has no %s", b->steps ? "rows" : "steps");
    if (b->steps > w->steps || b->rows > w->batch_rows)
        return weir__fail(err, WEIR_E_ARGUMENT, "the batch has %zu steps of %zu rows, but memory was planned for %zu of %zu", b->steps,
                          b->rows, w->steps, w->batch_rows);
    if (c->tokens ? !b->tokens : !b->x)
        return weir__fail(err, WEIR_E_ARGUMENT, "the batch has no %s, which this model reads", c->tokens ? "tokens" : "x");
    for (size_t r = 0; b->lengths && r < b->rows; r++)
        if (b->lengths[r] > b->steps)
            return weir__fail(err, WEIR_E_ARGUMENT, "lengths[%zu] is %u, more than the %zu steps of the batch", r,
                              (unsigned)b->lengths[r], b->steps);
    return WEIR_OK;
}

static size_t length_of(const weir_batch *b, size_t row)
{
    return b->lengths ? b->lengths[row] : b->steps;
}

/* Counting sort by length, longest first, stable; active[s] = how many rows are longer than s. */
static void sort_rows(struct weir__work *w, const weir_batch *b, struct weir__rows rows)
{
    size_t end = rows.first + rows.count;
    w->S = b->steps;
    w->B = rows.count;
    w->all = b->rows;
    memset(w->buckets, 0, (w->S + 2) * sizeof *w->buckets);
    for (size_t r = rows.first; r < end; r++)
        w->buckets[w->S - length_of(b, r) + 1]++;
    for (size_t i = 1; i <= w->S + 1; i++)
        w->buckets[i] += w->buckets[i - 1];
    for (size_t s = 0; s < w->S; s++) /* lengths above s fill the buckets 0 .. S - s - 1 */
        w->active[s] = w->buckets[w->S - s];
    for (size_t r = rows.first; r < end; r++) {
        size_t length = length_of(b, r), place = w->buckets[w->S - length]++;
        w->order[place] = r;
        w->length[place] = length;
    }
    w->sorted = w->active[w->S - 1] < w->B;
}

static bool is_reverse(const weir_config *c, size_t d)
{
    return c->direction == WEIR_REVERSE || d == 1;
}

/* Step of the caller's time at which a direction's step s stands for row r. */
static size_t time_of(const struct weir__work *w, size_t d, size_t r, size_t s)
{
    return is_reverse(&w->net->config, d) ? w->length[r] - 1 - s : s;
}

/* Number i of the caller's x, and n numbers of the caller's as reals: floats, or the reals of a bare network. */
static const void *input_at(const struct weir__work *w, const weir_batch *b, size_t i)
{
    return is_bare(w) ? weir__at(w->net->k, b->x, i) : b->x + i;
}

static void take_reals(const struct weir__work *w, size_t n, const void *from, void *to)
{
    if (is_bare(w))
        memcpy(to, from, n * w->net->k->real_size);
    else
        w->net->k->from_float(n, from, to);
}

/* The first layer's input of one direction; past the end of a row it is 0, and no token. Reals that stand as they are read stay there. */
static void take_input(struct weir__work *w, const weir_batch *b, size_t d)
{
    const struct weir__network *net = w->net;
    struct weir__lane *lane = w->lanes + d;
    size_t I = net->config.inputs;
    bool reals = is_bare(w) || net->k->real_size == sizeof *b->x;
    bool in_place = !lane->tokens && !w->sorted && w->B == w->all && net->config.direction == WEIR_FORWARD && reals;
    w->input = in_place ? b->x : w->lanes[0].x;
    if (in_place)
        return;
    for (size_t s = 0; s < w->S; s++)
        for (size_t r = 0; r < w->B; r++) {
            bool alive = s < w->length[r];
            size_t from = alive ? time_of(w, d, r, s) * w->all + w->order[r] : 0, to = s * w->B + r;
            if (lane->tokens)
                lane->tokens[to] = alive ? b->tokens[from] : UINT32_MAX;
            else if (alive)
                take_reals(w, I, input_at(w, b, from * I), weir__at(net->k, lane->x, to * I));
            else
                memset(weir__at(net->k, lane->x, to * I), 0, I * net->k->real_size);
        }
}

/* ---- Dropout ---- */

struct mask_job {
    const struct weir__kernels *k;
    weir__random random;
    uint64_t stream, first; /* the first block of the sequence's numbers */
    uint32_t threshold; /* drop where a random word is below it */
    float kept, dropped, kept_add, dropped_add;
    size_t n;
    const void *x;
    void *factor, *y;
};

enum { MASK_PIECE = 1024, SHARD_BLOCKS = 44 }; /* bits that count the blocks of four numbers of a shard */

/* y = factor x + add, a random share of the factors being 0. */
static void mask_piece(void *arg, size_t i)
{
    const struct mask_job *job = arg;
    const struct weir__kernels *k = job->k;
    float factor[MASK_PIECE], add[MASK_PIECE];
    double plus[MASK_PIECE]; /* room for the reals of any table */
    size_t at = i * MASK_PIECE, n = job->n - at < MASK_PIECE ? job->n - at : MASK_PIECE;
    weir__random random = {job->random.key, job->stream};
    for (size_t j = 0; j < n; j += 4) {
        uint32_t words[4];
        weir__random_block(&random, job->first + (at + j) / 4, words);
        for (size_t q = 0; q < 4 && j + q < n; q++) {
            bool drop = words[q] < job->threshold;
            factor[j + q] = drop ? job->dropped : job->kept;
            add[j + q] = drop ? job->dropped_add : job->kept_add;
        }
    }
    void *f = weir__at(k, job->factor, at);
    k->from_float(n, factor, f);
    k->from_float(n, add, plus);
    k->affine(n, weir__at(k, job->x, at), f, plus, weir__at(k, job->y, at));
}

static void drop(const struct weir__work *w, const struct weir__dropout *dropout, double rate, bool alpha, size_t site, size_t n,
                 const void *x, void *factor, void *y, const weir_parallel *parallel)
{
    double kept = 1 / (1 - rate), kept_add = 0, dropped_add = 0;
    if (alpha) { /* Klambauer et al. 2017, section 3: keeps mean 0 and variance 1 of SELU's outputs */
        const double low = -1.7580993408473766;
        kept = 1 / sqrt((1 - rate) * (1 + rate * low * low));
        kept_add = -kept * rate * low;
        dropped_add = kept * low + kept_add;
    }
    struct mask_job job = {
        .k = w->net->k,
        .random = dropout->random,
        .stream = dropout->update * 128 + site,
        .first = (uint64_t)dropout->shard << SHARD_BLOCKS,
        .threshold = (uint32_t)(rate * 4294967296.0),
        .kept = (float)kept,
        .kept_add = (float)kept_add,
        .dropped_add = (float)dropped_add,
        .n = n,
        .x = x,
        .factor = factor,
        .y = y,
    };
    weir__parallel_for(parallel, (n + MASK_PIECE - 1) / MASK_PIECE, mask_piece, &job);
}

/* ---- The stack ---- */

static struct weir__lstm_run run_of(const struct weir__work *w, size_t lane)
{
    const struct weir__lane *at = w->lanes + lane;
    const struct weir__lstm *l = w->net->lstm + lane;
    const void *x = lane ? at->x : w->input;
    size_t x_row = l->inputs;
    if (lane && reads_below(w)) {
        x_row = weir__hidden_row(l - 1);
        x = weir__at(w->net->k, w->lanes[lane - 1].h, w->B * x_row);
    }
    return (struct weir__lstm_run){
        .k = w->net->k,
        .l = l,
        .steps = w->S,
        .rows = w->B,
        .end = w->S,
        .active = w->active,
        .x = x,
        .x_row = x_row,
        .tokens = at->tokens,
        .h = at->h,
        .c = at->c,
        .m = at->m,
        .z = at->z,
        .q = at->q,
        .z_steps = w->z_steps,
        .tape = w->tape,
    };
}

struct weir__lstm_run weir__work_run(const struct weir__work *w, size_t layer, size_t direction)
{
    return run_of(w, layer * weir__directions(&w->net->config) + direction);
}

/* Slot of a lane's h or c, and back: the initial state goes in at 0, the final one comes out after the row's length. */
static void move_state(const struct weir__work *w, size_t lane, bool in)
{
    const struct weir__kernels *k = w->net->k;
    const struct weir__lstm *l = w->net->lstm + lane;
    size_t P = l->projected, H = l->hidden, h_row = weir__hidden_row(l), c_row = weir__units_row(l);
    for (size_t r = 0; r < w->B; r++) {
        size_t h_slot = in ? 0 : w->length[r], c_slot = w->tape ? h_slot : 0, caller = lane * w->all + w->order[r];
        void *h = weir__at(k, w->lanes[lane].h, (h_slot * w->B + r) * h_row), *mine_h = weir__at(k, w->state_h, caller * P);
        void *c = weir__at(k, w->lanes[lane].c, (c_slot * w->B + r) * c_row), *mine_c = weir__at(k, w->state_c, caller * H);
        memcpy(in ? h : mine_h, in ? mine_h : h, P * k->real_size);
        memcpy(in ? c : mine_c, in ? mine_c : c, H * k->real_size);
    }
}

/* Gathers the outputs of the layer below at its steps [begin, end), in the caller's time: to[S][B][D * P] of step t, row r or order[r].
 * Past the end of a row: 0. */
static void join_steps(const struct weir__work *w, size_t layer, size_t begin, size_t end, const size_t *order, void *to)
{
    const struct weir__kernels *k = w->net->k;
    size_t D = weir__directions(&w->net->config), P = weir__projected(&w->net->config);
    for (size_t d = 0; d < D; d++) {
        const struct weir__lstm *l = weir__network_lstm(w->net, layer, d);
        const void *h = w->lanes[layer * D + d].h;
        size_t h_row = weir__hidden_row(l);
        for (size_t s = begin; s < end; s++)
            for (size_t r = 0; r < w->B; r++) {
                bool alive = s < w->length[r];
                size_t t = alive ? time_of(w, d, r, s) : s;
                void *out = weir__at(k, to, ((t * w->B + (order ? order[r] : r)) * D + d) * P);
                if (alive)
                    memcpy(out, weir__at(k, h, ((s + 1) * w->B + r) * h_row), P * k->real_size);
                else
                    memset(out, 0, P * k->real_size);
            }
    }
}

static void join_directions(const struct weir__work *w, size_t layer, void *to)
{
    join_steps(w, layer, 0, w->S, NULL, to);
}

void weir__work_outputs(const struct weir__work *w, void *y)
{
    join_steps(w, w->net->config.layers - 1, 0, w->S, w->order, y);
}

void weir__work_turn(const struct weir__work *w, size_t d, size_t I, const void *from, void *to)
{
    const struct weir__kernels *k = w->net->k;
    for (size_t s = 0; s < w->S; s++)
        for (size_t r = 0; r < w->B; r++) {
            size_t t = s < w->length[r] ? time_of(w, d, r, s) : s;
            memcpy(weir__at(k, to, (s * w->B + r) * I), weir__at(k, from, (t * w->B + r) * I), I * k->real_size);
        }
}

static void take_from_below(struct weir__work *w, size_t layer, const struct weir__dropout *dropout, const weir_parallel *parallel)
{
    const weir_config *c = &w->net->config;
    if (reads_below(w))
        return;
    size_t D = weir__directions(c), I = weir__layer_inputs(c, layer);
    bool turns = c->direction != WEIR_FORWARD;
    void *x = turns ? w->turn : w->lanes[layer].x;
    join_directions(w, layer - 1, x);
    if (dropout && dropout->between_layers > 0)
        drop(w, dropout, dropout->between_layers, false, layer, w->S * w->B * I, x, w->below[layer], x, parallel);
    for (size_t d = 0; turns && d < D; d++)
        weir__work_turn(w, d, I, x, w->lanes[layer * D + d].x);
}

/* ---- The head ---- */

static bool final_state(const struct weir__work *w)
{
    return w->net->config.readout == WEIR_FINAL_STATE;
}

size_t weir__head_rows(const struct weir__work *w)
{
    return final_state(w) ? w->B : w->S * w->B;
}

size_t weir__caller_row(const struct weir__work *w, size_t r)
{
    if (final_state(w))
        return w->order[r];
    return r / w->B < w->length[r % w->B] ? r / w->B * w->all + w->order[r % w->B] : SIZE_MAX;
}

void *weir__head_out(const struct weir__work *w, size_t *row)
{
    size_t n = weir__dense_count(&w->net->config);
    *row = n ? weir__columns_row(w->net->head[n - 1].units) : w->top_row;
    return n ? w->head_z[n - 1] : w->top;
}

/* The last hidden states of the top layer, [B][D * P]. */
static void take_final_state(struct weir__work *w)
{
    const struct weir__kernels *k = w->net->k;
    const weir_config *c = &w->net->config;
    size_t D = weir__directions(c), P = weir__projected(c), lane = (c->layers - 1) * D;
    for (size_t r = 0; r < w->B; r++)
        for (size_t d = 0; d < D; d++)
            memcpy(weir__at(k, w->top, (r * D + d) * P), weir__at(k, w->state_h, ((lane + d) * w->all + w->order[r]) * P),
                   P * k->real_size);
}

/* The input of the head, in the caller's time. */
static void take_top(struct weir__work *w)
{
    const weir_config *c = &w->net->config;
    w->top = w->top_memory;
    w->top_row = weir__dense_inputs(c, 0);
    if (final_state(w))
        take_final_state(w);
    else if (!reads_top(w))
        join_directions(w, c->layers - 1, w->top);
    else {
        w->top_row = weir__hidden_row(w->net->lstm + c->layers - 1);
        w->top = weir__at(w->net->k, w->lanes[c->layers - 1].h, w->B * w->top_row);
    }
}

static void run_head(struct weir__work *w, const struct weir__dropout *dropout, const weir_parallel *parallel)
{
    const struct weir__network *net = w->net;
    size_t R = weir__head_rows(w), x_row = w->top_row;
    const void *x = w->top;
    for (size_t i = 0; i < weir__dense_count(&net->config); i++) {
        const struct weir__dense *d = net->head + i;
        if (dropout && dropout->head > 0) {
            bool alpha = i && net->head[i - 1].activation.id == WEIR_SELU;
            drop(w, dropout, dropout->head, alpha, 64 + i, R * x_row, x, w->head_factor[i], w->head_in[i], parallel);
            x = w->head_in[i];
        }
        weir__dense_forward(net->k, d, R, x, x_row, w->head_z[i], w->head_y[i], parallel);
        x = w->head_y[i];
        x_row = weir__columns_row(d->units);
    }
}

/* ---- The state between batches ---- */

void weir__state_begin(struct weir__work *w, const weir_batch *b)
{
    const struct weir__kernels *k = w->net->k;
    const weir_config *c = &w->net->config;
    size_t lanes = c->layers * weir__directions(c) * b->rows, P = weir__projected(c);
    if (b->h0)
        take_reals(w, lanes * P, b->h0, w->state_h);
    else if (!b->carry)
        memset(w->state_h, 0, lanes * P * k->real_size);
    if (b->c0)
        take_reals(w, lanes * c->hidden, b->c0, w->state_c);
    else if (!b->carry)
        memset(w->state_c, 0, lanes * c->hidden * k->real_size);
}

/* ---- Layers side by side: where the rows are too few for the threads, each layer runs some steps behind the one below ---- */

enum { PIPE_STEPS = 8 };

struct pipe {
    const struct weir__work *w;
    size_t turn, lowest; /* turn n: layer i does its piece n - i */
};

static void pipe_layer(void *arg, size_t i)
{
    const struct pipe *pipe = arg;
    const struct weir__work *w = pipe->w;
    size_t layer = pipe->lowest + i;
    struct weir__lstm_run run = run_of(w, layer);
    run.begin = (pipe->turn - layer) * PIPE_STEPS;
    run.end = run.begin + PIPE_STEPS < w->S ? run.begin + PIPE_STEPS : w->S;
    if (layer && !reads_below(w))
        join_steps(w, layer - 1, run.begin, run.end, NULL, w->lanes[layer].x);
    weir__lstm_forward(&run, NULL);
}

static bool pipes(const struct weir__work *w, const struct weir__dropout *dropout, const weir_parallel *parallel)
{
    const weir_config *c = &w->net->config;
    size_t threads = weir__parallel_threads(parallel);
    return threads > 1 && c->direction == WEIR_FORWARD && c->layers >= threads && !(dropout && dropout->between_layers > 0) && w->S > PIPE_STEPS &&
           !weir__is_wide(w->net->lstm) && !weir__shares_rows(w->net->lstm, w->B, parallel);
}

static void pipe_layers(struct weir__work *w, const weir_batch *b, const weir_parallel *parallel)
{
    size_t L = w->net->config.layers, pieces = (w->S + PIPE_STEPS - 1) / PIPE_STEPS;
    take_input(w, b, 0);
    for (size_t layer = 0; layer < L; layer++)
        move_state(w, layer, true);
    for (size_t turn = 0; turn + 1 < pieces + L; turn++) {
        size_t lowest = turn < pieces ? 0 : turn - pieces + 1, highest = turn < L ? turn : L - 1;
        struct pipe pipe = {w, turn, lowest};
        weir__parallel_for(parallel, highest - lowest + 1, pipe_layer, &pipe);
    }
    for (size_t layer = 0; layer < L; layer++)
        move_state(w, layer, false);
}

/* ---- All of it ---- */

static void run_layers(struct weir__work *w, const weir_batch *b, const struct weir__dropout *dropout, const weir_parallel *parallel)
{
    const weir_config *c = &w->net->config;
    size_t D = weir__directions(c);
    for (size_t layer = 0; layer < c->layers; layer++) {
        if (layer)
            take_from_below(w, layer, dropout, parallel);
        for (size_t d = 0; d < D; d++) {
            if (!layer)
                take_input(w, b, d);
            move_state(w, layer * D + d, true);
            struct weir__lstm_run run = run_of(w, layer * D + d);
            weir__lstm_forward(&run, parallel);
            move_state(w, layer * D + d, false);
        }
    }
}

void weir__forward(struct weir__work *w, const weir_batch *b, struct weir__rows rows, const struct weir__dropout *dropout,
                   const weir_parallel *parallel)
{
    sort_rows(w, b, rows);
    if (pipes(w, dropout, parallel))
        pipe_layers(w, b, parallel);
    else
        run_layers(w, b, dropout, parallel);
    if (is_bare(w))
        return;
    take_top(w);
    run_head(w, dropout, parallel);
}
