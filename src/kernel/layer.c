/* SPDX-License-Identifier: MIT */
#include "layer.h"
#include "inline.h"

#include <string.h>

/* ---- Cutting work ---- */

struct slice {
    size_t begin, end;
};

enum { LEAST_ROWS = 2 }; /* one row alone has too few chains to hide the latency of its multiply-adds */

static size_t slice_rows(size_t rows, const weir_parallel *parallel)
{
    size_t threads = weir__parallel_threads(parallel), each = (rows + threads - 1) / threads;
    return weir__round_up(each, LEAST_ROWS);
}

static size_t slice_count(size_t rows, const weir_parallel *parallel)
{
    size_t each = slice_rows(rows, parallel);
    return (rows + each - 1) / each;
}

static struct slice slice_of(size_t rows, const weir_parallel *parallel, size_t i)
{
    size_t each = slice_rows(rows, parallel), begin = i * each, end = begin + each;
    return (struct slice){begin, end < rows ? end : rows};
}

static size_t recurrent_weights(const struct weir__lstm *l)
{
    return 4 * l->hidden * l->projected;
}

bool weir__is_wide(const struct weir__lstm *l)
{
    enum { MOST_WEIGHTS = 1 << 20 };
    return recurrent_weights(l) > MOST_WEIGHTS;
}

static bool rows_suffice(size_t rows, const weir_parallel *parallel)
{
    enum { ROWS_EACH = 4 };
    return rows >= ROWS_EACH * weir__parallel_threads(parallel);
}

bool weir__shares_rows(const struct weir__lstm *l, size_t rows, const weir_parallel *parallel)
{
    return rows_suffice(rows, parallel) && !weir__is_wide(l);
}

/* Rows of the slice that are alive at step s. */
static size_t alive(const struct weir__lstm_run *run, struct slice rows, size_t s)
{
    size_t n = run->active[s];
    return n <= rows.begin ? 0 : (n < rows.end ? n : rows.end) - rows.begin;
}

struct job {
    const void *what;
    const void *grad;
    const weir_parallel *parallel;
};

/* Columns of a block. */
static size_t block_columns(const struct weir__kernels *k)
{
    return 4 * k->lanes;
}

/* From a block of z to the next. */
static size_t z_block(const struct weir__lstm_run *run)
{
    return run->z_steps * run->rows * block_columns(run->k);
}

/* Block q of z at a row of some step. */
static void *z_at(const struct weir__lstm_run *run, size_t q, size_t step, size_t row)
{
    return weir__at(run->k, run->z, q * z_block(run) + (step * run->rows + row) * block_columns(run->k));
}

/* ---- LSTM, forward ---- */

/* Where z holds step s of a piece of time that begins at `first`: a tape keeps the steps of all pieces. */
static size_t z_step(const struct weir__lstm_run *run, size_t first, size_t s)
{
    return run->tape ? s : s - first;
}

/* z = bias + W x for the steps [first, end) of these rows and the panels [panel, panel_end). A single row takes its steps as the
 * product's rows. */
static void input_product(const struct weir__lstm_run *run, struct slice rows, size_t first, size_t end, size_t panel, size_t panel_end)
{
    const struct weir__kernels *k = run->k;
    const struct weir__lstm *l = run->l;
    size_t n = rows.end - rows.begin, steps = end - first, block = block_columns(k);
    bool along_time = n < steps;
    for (size_t i = 0; i < (along_time ? n : steps); i++) {
        size_t row = along_time ? rows.begin + i : rows.begin, step = along_time ? 0 : i;
        size_t at = (first + step) * run->rows + row;
        struct weir__product p = {
            .rows = along_time ? steps : n,
            .panels = panel_end - panel,
            .K = l->inputs,
            .w = weir__weights_at(k, l->form, l->wx, panel * l->inputs * WEIR__COLUMNS),
            .form = l->form,
            .w_block = l->inputs * block,
            .a = weir__at(k, run->x, at * run->x_row),
            .a_row = along_time ? run->rows * run->x_row : run->x_row,
            .a_k = 1,
            .start = weir__at(k, l->bias, panel * WEIR__COLUMNS),
            .start_block = block,
            .c = z_at(run, panel * WEIR__COLUMNS / block, z_step(run, first, first + step), row),
            .c_row = along_time ? run->rows * block : block,
            .c_block = z_block(run),
        };
        k->product(&p);
    }
}

static void look_up(const struct weir__lstm_run *run, struct slice rows, size_t first, size_t end)
{
    for (size_t s = first; s < end; s++)
        run->k->look_up(run->l, rows.end - rows.begin, run->tokens + s * run->rows + rows.begin,
                        z_at(run, 0, z_step(run, first, s), rows.begin), z_block(run));
}

void weir__lstm_project(const struct weir__kernels *k, const struct weir__lstm *l, size_t rows, const void *m, void *h)
{
    size_t h_row = weir__hidden_row(l);
    struct weir__product p = {
        .rows = rows,
        .panels = h_row / WEIR__COLUMNS,
        .K = l->hidden,
        .w = l->wr,
        .form = l->form == WEIR_WEIGHTS_BF16 ? WEIR_WEIGHTS_BF16 : WEIR_WEIGHTS_F32,
        .w_block = l->hidden * block_columns(k),
        .a = m,
        .a_row = weir__units_row(l),
        .a_k = 1,
        .c = h,
        .c_row = h_row,
        .c_block = block_columns(k),
    };
    k->product(&p);
}

/* ---- Units shared among threads ---- */

/* Multiply-adds that make it worth while to wake another thread, which costs one to two microseconds. */
enum { SHARED_WORK = 1 << 18 };

static bool shares_units(const struct weir__lstm *l, size_t rows, const weir_parallel *parallel)
{
    return weir__parallel_threads(parallel) > 1 && recurrent_weights(l) * rows >= SHARED_WORK;
}

struct share {
    const struct weir__kernels *k;
    const struct weir__lstm *l;
    const struct weir__cell_forward *step;
    const struct weir__lstm_run *run;
    struct slice rows;
    size_t first, end, count;
};

static void step_share(void *arg, size_t i)
{
    const struct share *share = arg;
    struct weir__cell_forward step = *share->step;
    step.panel = share->l->panels * i / share->count;
    step.panel_end = share->l->panels * (i + 1) / share->count;
    share->k->cell_forward(share->l, &step);
}

static NEVER_INLINE void share_step(const struct weir__kernels *k, const struct weir__lstm *l, const struct weir__cell_forward *step,
                                    const weir_parallel *parallel)
{
    struct share share = {.k = k, .l = l, .step = step, .count = weir__parallel_threads(parallel)};
    weir__parallel_for(parallel, share.count, step_share, &share);
}

void weir__cell_step(const struct weir__kernels *k, const struct weir__lstm *l, struct weir__cell_forward *step,
                     const weir_parallel *parallel)
{
    if (l->form == WEIR_WEIGHTS_INT8) {
        if (step->x)
            k->quantize(step->rows, l->inputs, step->x, step->x_row, step->q->x, step->q->x_step);
        k->quantize(step->rows, l->projected, step->h, step->h_row, step->q->h, step->q->h_step);
    }
    if (shares_units(l, step->rows, parallel))
        share_step(k, l, step, parallel);
    else
        k->cell_forward(l, step);
}

static void input_share(void *arg, size_t i)
{
    const struct share *share = arg;
    size_t panels = share->run->l->panels;
    input_product(share->run, share->rows, share->first, share->end, panels * i / share->count, panels * (i + 1) / share->count);
}

/* ---- Steps ---- */

/* Rows that make it worth while to read the weights of the input at every step, rather than to park a product of many steps. */
enum { ROWS_AT_ONCE = 16 };

static bool parks_input(const struct weir__lstm_run *run, struct slice rows)
{
    return run->l->tokens || (run->l->form != WEIR_WEIGHTS_INT8 && rows.end - rows.begin < ROWS_AT_ONCE);
}

/* The part of these rows. */
static struct weir__quantized quantized_rows(const struct weir__lstm_run *run, size_t row)
{
    const struct weir__quantized *q = &run->q;
    if (!q->h)
        return (struct weir__quantized){0};
    return (struct weir__quantized){
        .x = q->x + row * weir__round_up(run->l->inputs, 4),
        .h = q->h + row * weir__round_up(run->l->projected, 4),
        .x_step = weir__at(run->k, q->x_step, row),
        .h_step = weir__at(run->k, q->h_step, row),
    };
}

static void clear(const struct weir__kernels *k, void *array, size_t begin, size_t end)
{
    memset(weir__at(k, array, begin), 0, (end - begin) * k->real_size);
}

/* The states of rows past their ends. A gradient of 0 meets them, so none may be a NaN that an earlier batch left. */
static void clear_dead(const struct weir__lstm_run *run, struct slice rows, size_t s, size_t n)
{
    size_t begin = rows.begin + n, now = s * run->rows, next = now + run->rows, h_row = weir__hidden_row(run->l), c_row = weir__units_row(run->l);
    clear(run->k, run->h, (next + begin) * h_row, (next + rows.end) * h_row);
    clear(run->k, run->c, (next + begin) * c_row, (next + rows.end) * c_row);
    if (run->m)
        clear(run->k, run->m, (now + begin) * c_row, (now + rows.end) * c_row);
}

static void forward_step(const struct weir__lstm_run *run, struct slice rows, size_t s, size_t first, const weir_parallel *parallel)
{
    const struct weir__kernels *k = run->k;
    const struct weir__lstm *l = run->l;
    size_t n = alive(run, rows, s), B = run->rows, row = rows.begin;
    if (run->tape && n < rows.end - row)
        clear_dead(run, rows, s, n);
    if (n == 0)
        return;
    size_t h_row = weir__hidden_row(l), c_row = weir__units_row(l), block = block_columns(k);
    void *h_old = weir__at(k, run->h, (s * B + row) * h_row), *h = weir__at(k, run->h, ((s + 1) * B + row) * h_row);
    void *z = z_at(run, 0, z_step(run, first, s), row);
    size_t c_slot = run->tape ? s : 0;
    void *m = l->project ? weir__at(k, run->m, (c_slot * B + row) * c_row) : h;
    bool parked = parks_input(run, rows);
    struct weir__quantized q = quantized_rows(run, row);
    struct weir__cell_forward step = {
        .rows = n,
        .panel_end = l->panels,
        .q = &q,
        .z = parked ? z : l->bias,
        .z_row = parked ? block : 0,
        .z_block = parked ? z_block(run) : block,
        .x = parked ? NULL : weir__at(k, run->x, (s * B + row) * run->x_row),
        .x_row = run->x_row,
        .h = h_old,
        .h_row = h_row,
        .c_old = weir__at(k, run->c, (c_slot * B + row) * c_row),
        .c = weir__at(k, run->c, ((run->tape ? s + 1 : 0) * B + row) * c_row),
        .c_row = c_row,
        .m = m,
        .m_row = c_row,
        .tape = run->tape ? z : NULL,
        .tape_block = z_block(run),
    };
    weir__cell_step(k, l, &step, parallel);
    if (l->project)
        weir__lstm_project(k, l, n, m, h);
}

/* The steps of these rows; `parallel` shares the units. */
static void forward_rows(const struct weir__lstm_run *run, struct slice rows, const weir_parallel *parallel)
{
    struct share share = {.run = run, .rows = rows, .count = weir__parallel_threads(parallel)};
    for (size_t first = run->begin; first < run->end; first += run->z_steps) {
        size_t end = first + run->z_steps < run->end ? first + run->z_steps : run->end;
        share.first = first;
        share.end = end;
        if (run->l->tokens)
            look_up(run, rows, first, end);
        else if (parks_input(run, rows))
            weir__parallel_for(parallel, share.count, input_share, &share);
        for (size_t s = first; s < end; s++)
            forward_step(run, rows, s, first, parallel);
    }
}

static void forward_slice(void *arg, size_t i)
{
    const struct job *job = arg;
    const struct weir__lstm_run *run = job->what;
    forward_rows(run, slice_of(run->rows, job->parallel, i), NULL);
}

void weir__lstm_forward(const struct weir__lstm_run *run, const weir_parallel *parallel)
{
    struct job job = {run, NULL, parallel};
    if (!weir__shares_rows(run->l, run->rows, parallel) && shares_units(run->l, run->rows, parallel))
        forward_rows(run, (struct slice){0, run->rows}, parallel);
    else
        weir__parallel_for(parallel, slice_count(run->rows, parallel), forward_slice, &job);
}

/* ---- LSTM, backward ---- */

/* A product whose panels threads share. */
struct product_share {
    const struct weir__kernels *k;
    const struct weir__product *p;
    size_t count;
};

static void product_share(void *arg, size_t i)
{
    const struct product_share *share = arg;
    const struct weir__kernels *k = share->k;
    struct weir__product part = *share->p;
    size_t first = part.panels * i / share->count, end = part.panels * (i + 1) / share->count;
    size_t block = first * WEIR__COLUMNS / block_columns(k);
    part.panels = end - first;
    part.w = weir__at(k, part.w, block * part.w_block);
    part.c = weir__at(k, part.c, block * part.c_block);
    k->product(&part);
}

/* c[rows] = W^T a[rows] with packed W^T of K rows; a_block not 0: a holds panels of gates. */
static void transposed_product(const struct weir__kernels *k, size_t rows, const void *w_t, size_t K, size_t columns, const void *a,
                               size_t a_row, size_t a_block, void *c, size_t c_row, const weir_parallel *parallel)
{
    struct weir__product p = {
        .rows = rows,
        .panels = weir__columns_row(columns) / WEIR__COLUMNS,
        .K = K,
        .w = w_t,
        .w_block = K * block_columns(k),
        .a = a,
        .a_row = a_row,
        .a_k = 1,
        .a_block = a_block,
        .c = c,
        .c_row = c_row,
        .c_block = block_columns(k),
    };
    struct product_share share = {k, &p, weir__parallel_threads(parallel)};
    weir__parallel_for(parallel, share.count, product_share, &share);
}

/* `parallel` shares the product of the step. */
static void backward_step(const struct weir__lstm_back *back, struct slice rows, size_t s, const weir_parallel *parallel)
{
    const struct weir__lstm_run *run = back->run;
    const struct weir__kernels *k = run->k;
    const struct weir__lstm *l = run->l;
    size_t n = alive(run, rows, s), B = run->rows, row = rows.begin;
    size_t c_row = weir__units_row(l), d_row = weir__columns_row(l->projected), block = block_columns(k);
    size_t slopes_row = l->panels * WEIR__SLOPES, at = s * B + row, dead = at + n, end = s * B + rows.end;
    for (size_t q = 0; q < l->panels * WEIR__COLUMNS / block; q++)
        clear(k, z_at(run, q, s, row + n), 0, (end - dead) * block);
    if (back->slopes)
        clear(k, back->slopes, dead * slopes_row, end * slopes_row);
    if (back->dh_total)
        clear(k, back->dh_total, dead * d_row, end * d_row);
    if (n == 0)
        return;

    void *dh = weir__at(k, back->dh_state, row * d_row);
    for (size_t r = 0; r < n; r++)
        k->add(l->projected, weir__at(k, back->dh, (at + r) * back->dh_row), weir__at(k, dh, r * d_row));
    void *dm = dh;
    size_t dm_row = d_row;
    if (l->project) {
        memcpy(weir__at(k, back->dh_total, at * d_row), dh, n * d_row * k->real_size);
        dm_row = weir__columns_row(l->hidden);
        dm = weir__at(k, back->dm, row * dm_row);
        transposed_product(k, n, l->wr_t, l->projected, l->hidden, dh, d_row, 0, dm, dm_row, parallel);
    }
    void *z = z_at(run, 0, s, row);
    struct weir__cell_backward step = {
        .rows = n,
        .z = z,
        .z_block = z_block(run),
        .c_old = weir__at(k, run->c, at * c_row),
        .c = weir__at(k, run->c, (at + B) * c_row),
        .c_row = c_row,
        .dm = dm,
        .dm_row = dm_row,
        .dc = weir__at(k, back->dc_state, row * c_row),
        .dc_row = c_row,
        .slopes = back->slopes ? weir__at(k, back->slopes, at * slopes_row) : NULL,
        .slopes_row = slopes_row,
    };
    k->cell_backward(l, &step);
    transposed_product(k, n, l->wh_t, weir__gates_row(l), l->projected, z, block, z_block(run), dh, d_row, parallel);
}

static void backward_slice(void *arg, size_t i)
{
    const struct job *job = arg;
    const struct weir__lstm_back *back = job->what;
    const struct weir__lstm_run *run = back->run;
    struct slice rows = slice_of(run->rows, job->parallel, i);
    for (size_t s = run->steps; s-- > 0;)
        backward_step(back, rows, s, NULL);
}

/* dx of all steps is one product. */
static void dx_slice(void *arg, size_t i)
{
    const struct job *job = arg;
    const struct weir__lstm_back *back = job->what;
    const struct weir__lstm_run *run = back->run;
    const struct weir__lstm *l = run->l;
    struct slice some = slice_of(run->steps * run->rows, job->parallel, i);
    size_t x_row = weir__columns_row(l->inputs);
    transposed_product(run->k, some.end - some.begin, l->wx_t, weir__gates_row(l), l->inputs, z_at(run, 0, 0, some.begin),
                       block_columns(run->k), z_block(run), weir__at(run->k, back->dx, some.begin * x_row), x_row, NULL);
}

void weir__lstm_backward(const struct weir__lstm_back *back, const weir_parallel *parallel)
{
    const struct weir__lstm_run *run = back->run;
    struct job job = {back, NULL, parallel};
    if (!rows_suffice(run->rows, parallel) && shares_units(run->l, run->rows, parallel))
        for (size_t s = run->steps; s-- > 0;)
            backward_step(back, (struct slice){0, run->rows}, s, parallel);
    else
        weir__parallel_for(parallel, slice_count(run->rows, parallel), backward_slice, &job);
    if (back->dx)
        weir__parallel_for(parallel, slice_count(run->steps * run->rows, parallel), dx_slice, &job);
}

/* d [panels][K][64], the gradient that inputs a meet in dW[panel][row of a] = start + sum over k of a[k][row] d[panel][k], k in order. */
struct gradient {
    const struct weir__kernels *k;
    size_t K, panels;
    const void *d;
    size_t d_block;
};

static void weight_gradient(const struct gradient *g, const void *a, size_t a_row, size_t inputs, const void *start, void *dw)
{
    size_t block = block_columns(g->k);
    struct weir__product p = {
        .rows = inputs,
        .panels = g->panels,
        .K = g->K,
        .w = g->d,
        .w_block = g->d_block,
        .a = a,
        .a_row = 1,
        .a_k = a_row,
        .start = start,
        .start_row = block,
        .start_block = inputs * block,
        .c = dw,
        .c_row = block,
        .c_block = inputs * block,
    };
    g->k->product(&p);
}

/* The same for one panel of d [K][d_row], whose blocks are copied together piece by piece. */
static void weight_gradient_of_rows(const struct weir__kernels *k, size_t K, const void *d, size_t d_row, const void *a, size_t a_row,
                                    size_t inputs, void *dw)
{
    enum { PIECE = 64 };
    double piece[PIECE * WEIR__COLUMNS]; /* room for the reals of any table */
    size_t block = block_columns(k), blocks = WEIR__COLUMNS / block;
    for (size_t first = 0; first < K; first += PIECE) {
        size_t some = K - first < PIECE ? K - first : PIECE;
        for (size_t q = 0; q < blocks; q++)
            for (size_t i = 0; i < some; i++)
                memcpy(weir__at(k, piece, (q * some + i) * block), weir__at(k, d, (first + i) * d_row + q * block),
                       block * k->real_size);
        struct gradient g = {.k = k, .K = some, .panels = 1, .d = piece, .d_block = some * block};
        weight_gradient(&g, weir__at(k, a, first * a_row), a_row, inputs, first ? dw : NULL, dw);
    }
}

/* An input that is always 1: its weight gradients are sums. */
static const void *always_one(const struct weir__kernels *k, double *storage) /* room for one real of any table */
{
    static const float one = 1.0f;
    k->from_float(1, &one, storage);
    return storage;
}

/* sum[64] = sum over k of d[k][64] */
static void column_sums(const struct weir__kernels *k, size_t K, const void *d, size_t d_row, void *sum)
{
    double one;
    weight_gradient_of_rows(k, K, d, d_row, always_one(k, &one), 0, 1, sum);
}

/* Of one panel, what costs little. */
static void lstm_vectors_panel(const struct weir__lstm_back *back, const struct weir__lstm_grad *grad, size_t p)
{
    const struct weir__lstm_run *run = back->run;
    const struct weir__kernels *k = run->k;
    const struct weir__lstm *l = run->l;
    size_t R = run->steps * run->rows, c_row = weir__units_row(l);
    if (l->tokens) {
        clear(k, grad->wx, p * l->inputs * WEIR__COLUMNS, (p + 1) * l->inputs * WEIR__COLUMNS);
        k->look_up_grad(l, p, R, run->tokens, run->z, z_block(run), grad->wx);
    }
    if (l->peepholes)
        k->peephole_grad(p, R, run->z, z_block(run), run->c, weir__at(k, run->c, run->rows * c_row), c_row, grad->peephole);
    for (size_t half = 0; back->slopes && half < WEIR__SLOPES; half += WEIR__COLUMNS)
        column_sums(k, R, weir__at(k, back->slopes, p * WEIR__SLOPES + half), l->panels * WEIR__SLOPES,
                    weir__at(k, grad->slope, p * WEIR__SLOPES + half));
}

enum { MOST_PANELS = 16 }; /* of a task */

static size_t panels_of_task(size_t panels, const weir_parallel *parallel)
{
    size_t threads = weir__parallel_threads(parallel), each = (panels + threads - 1) / threads;
    return each < MOST_PANELS ? each : MOST_PANELS;
}

static void lstm_weights_panels(void *arg, size_t i)
{
    const struct job *job = arg;
    const struct weir__lstm_back *back = job->what;
    const struct weir__lstm_grad *grad = job->grad;
    const struct weir__lstm_run *run = back->run;
    const struct weir__kernels *k = run->k;
    const struct weir__lstm *l = run->l;
    size_t each = panels_of_task(l->panels, job->parallel), p = i * each, n = l->panels - p < each ? l->panels - p : each;
    size_t R = run->steps * run->rows;
    double one;
    struct gradient g = {.k = k, .K = R, .panels = n, .d = z_at(run, p * WEIR__COLUMNS / block_columns(k), 0, 0), .d_block = z_block(run)};
    if (!l->tokens)
        weight_gradient(&g, run->x, run->x_row, l->inputs, NULL, weir__at(k, grad->wx, p * l->inputs * WEIR__COLUMNS));
    weight_gradient(&g, run->h, weir__hidden_row(l), l->projected, NULL, weir__at(k, grad->wh, p * l->projected * WEIR__COLUMNS));
    weight_gradient(&g, always_one(k, &one), 0, 1, NULL, weir__at(k, grad->bias, p * WEIR__COLUMNS));
    for (size_t panel = p; panel < p + n; panel++)
        lstm_vectors_panel(back, grad, panel);
}

static void projection_weights_panel(void *arg, size_t panel)
{
    const struct job *job = arg;
    const struct weir__lstm_back *back = job->what;
    const struct weir__lstm_grad *grad = job->grad;
    const struct weir__lstm_run *run = back->run;
    const struct weir__lstm *l = run->l;
    weight_gradient_of_rows(run->k, run->steps * run->rows, weir__at(run->k, back->dh_total, panel * WEIR__COLUMNS),
                            weir__columns_row(l->projected), run->m, weir__units_row(l), l->hidden,
                            weir__at(run->k, grad->wr, panel * l->hidden * WEIR__COLUMNS));
}

void weir__lstm_weights(const struct weir__lstm_back *back, const struct weir__lstm_grad *grad, const weir_parallel *parallel)
{
    const struct weir__lstm *l = back->run->l;
    struct job job = {back, grad, parallel};
    size_t each = panels_of_task(l->panels, parallel);
    weir__parallel_for(parallel, (l->panels + each - 1) / each, lstm_weights_panels, &job);
    if (l->project)
        weir__parallel_for(parallel, weir__columns_row(l->projected) / WEIR__COLUMNS, projection_weights_panel, &job);
}

/* ---- Dense layers ---- */

struct dense_job {
    const struct weir__kernels *k;
    const struct weir__dense *d;
    size_t rows;
    const void *x;
    size_t x_row;
    void *z, *y, *dz, *slopes, *dx;
    const struct weir__dense_grad *grad;
    const weir_parallel *parallel;
};

static void dense_forward_slice(void *arg, size_t i)
{
    const struct dense_job *job = arg;
    const struct weir__kernels *k = job->k;
    const struct weir__dense *d = job->d;
    struct slice rows = slice_of(job->rows, job->parallel, i);
    size_t n = rows.end - rows.begin, row = weir__columns_row(d->units);
    void *z = weir__at(k, job->z, rows.begin * row);
    struct weir__product p = {
        .rows = n,
        .panels = row / WEIR__COLUMNS,
        .K = d->inputs,
        .w = d->w,
        .form = d->form,
        .w_block = d->inputs * block_columns(k),
        .a = weir__at(k, job->x, rows.begin * job->x_row),
        .a_row = job->x_row,
        .a_k = 1,
        .start = d->bias,
        .start_block = block_columns(k),
        .c = z,
        .c_row = row,
        .c_block = block_columns(k),
    };
    k->product(&p);
    if (d->activation.id != WEIR_IDENTITY || job->y != job->z)
        k->activate_rows(&d->activation, d->slope, n, row, z, weir__at(k, job->y, rows.begin * row));
}

void weir__dense_forward(const struct weir__kernels *k, const struct weir__dense *d, size_t rows, const void *x, size_t x_row, void *z,
                         void *y, const weir_parallel *parallel)
{
    struct dense_job job = {.k = k, .d = d, .rows = rows, .x = x, .x_row = x_row, .z = z, .y = y, .parallel = parallel};
    weir__parallel_for(parallel, slice_count(rows, parallel), dense_forward_slice, &job);
}

static void dense_backward_slice(void *arg, size_t i)
{
    const struct dense_job *job = arg;
    const struct weir__kernels *k = job->k;
    const struct weir__dense *d = job->d;
    struct slice rows = slice_of(job->rows, job->parallel, i);
    size_t n = rows.end - rows.begin, row = weir__columns_row(d->units), x_row = weir__columns_row(d->inputs);
    void *dz = weir__at(k, job->dz, rows.begin * row);
    if (d->activation.id != WEIR_IDENTITY)
        k->activate_rows_grad(&d->activation, d->slope, n, row, weir__at(k, job->z, rows.begin * row), dz,
                              job->slopes ? weir__at(k, job->slopes, rows.begin * row) : NULL);
    transposed_product(k, n, d->w_t, d->units, d->inputs, dz, row, 0, weir__at(k, job->dx, rows.begin * x_row), x_row, NULL);
}

void weir__dense_backward(const struct weir__kernels *k, const struct weir__dense *d, size_t rows, const void *z, void *dz, void *slopes,
                          void *dx, const weir_parallel *parallel)
{
    struct dense_job job = {
        .k = k, .d = d, .rows = rows, .z = (void *)z, .dz = dz, .slopes = slopes, .dx = dx, .parallel = parallel};
    weir__parallel_for(parallel, slice_count(rows, parallel), dense_backward_slice, &job);
}

static void dense_weights_panel(void *arg, size_t p)
{
    const struct dense_job *job = arg;
    const struct weir__kernels *k = job->k;
    const struct weir__dense *d = job->d;
    size_t row = weir__columns_row(d->units), column = p * WEIR__COLUMNS;
    const void *dz = weir__at(k, job->dz, column);
    weight_gradient_of_rows(k, job->rows, dz, row, job->x, job->x_row, d->inputs, weir__at(k, job->grad->w, column * d->inputs));
    column_sums(k, job->rows, dz, row, weir__at(k, job->grad->bias, column));
    if (job->slopes)
        column_sums(k, job->rows, weir__at(k, job->slopes, column), row, weir__at(k, job->grad->slope, column));
}

void weir__dense_weights(const struct weir__kernels *k, const struct weir__dense *d, size_t rows, const void *x, size_t x_row,
                         const void *dz, const void *slopes, const struct weir__dense_grad *grad, const weir_parallel *parallel)
{
    struct dense_job job = {.k = k,
                            .d = d,
                            .rows = rows,
                            .x = x,
                            .x_row = x_row,
                            .dz = (void *)dz,
                            .slopes = (void *)slopes,
                            .grad = grad,
                            .parallel = parallel};
    weir__parallel_for(parallel, weir__columns_row(d->units) / WEIR__COLUMNS, dense_weights_panel, &job);
}
