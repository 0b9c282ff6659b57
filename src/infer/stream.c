/* One step at a time, in memory that the caller owns: no allocation, no lock, no failure.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "../model/model.h"

struct weir_stream {
    const weir_model *model;
    size_t rows, now;          /* which of the two h of each layer is the newest */
    weir_parallel parallel;
    void *x;                   /* [B][I]; only where reals are not floats */
    void *z;                   /* [panels][B][64]: chains of the first layer when tokens are looked up */
    void *m;                   /* [B][units row]: only with projection */
    struct weir__quantized q;  /* only with weights of 8 bits: for the widest layer */
    struct weir__cell_forward *step; /* [layers]: what is the same at every step */
    void *h[WEIR_MAX_LAYERS][2]; /* [B][hidden row] */
    void *c[WEIR_MAX_LAYERS];  /* [B][units row] */
    void *head[WEIR__MAX_HEAD]; /* [B][columns row] */
};

/* Lays the arrays out from `at`; returns the end. With s NULL it only counts. */
static size_t lay_out(weir_stream *s, const weir_model *m, size_t rows, char *base)
{
    size_t at = weir__round_up(sizeof *s, WEIR__ALIGN), real = m->net.k->real_size;
    const struct weir__lstm *first = m->net.lstm;
#define TAKE_BYTES(field, size)                    \
    do {                                           \
        if (s)                                     \
            (field) = (void *)(base + at);         \
        at += weir__round_up((size), WEIR__ALIGN); \
    } while (0)
#define TAKE(field, row) TAKE_BYTES(field, rows * (row)*real)
    TAKE_BYTES(s->step, m->config.layers * sizeof *s->step);
    TAKE(s->x, real == sizeof(float) ? 0 : m->config.inputs);
    TAKE(s->z, first->tokens ? weir__gates_row(first) : 0);
    TAKE(s->m, first->project ? weir__units_row(first) : 0);
    size_t narrow = m->config.weights == WEIR_WEIGHTS_INT8 ? sizeof(float) : 0; /* as many numbers of 8 bits as a float has bytes */
    TAKE(s->q.x, narrow ? weir__widest_input(&m->net) / narrow + 1 : 0);
    TAKE(s->q.h, narrow ? first->projected / narrow + 1 : 0);
    TAKE(s->q.x_step, narrow ? 1 : 0);
    TAKE(s->q.h_step, narrow ? 1 : 0);
    for (size_t i = 0; i < m->config.layers; i++) {
        TAKE(s->h[i][0], weir__hidden_row(m->net.lstm + i));
        TAKE(s->h[i][1], weir__hidden_row(m->net.lstm + i));
        TAKE(s->c[i], weir__units_row(m->net.lstm + i));
    }
    for (size_t i = 0; i < weir__dense_count(&m->config); i++)
        TAKE(s->head[i], weir__columns_row(m->net.head[i].units));
#undef TAKE
#undef TAKE_BYTES
    return at;
}

static void plan_step(weir_stream *s, size_t i)
{
    const struct weir__lstm *l = s->model->net.lstm + i;
    size_t block = 4 * s->model->net.k->lanes;
    s->step[i] = (struct weir__cell_forward){
        .rows = s->rows,
        .panel_end = l->panels,
        .q = &s->q,
        .z = l->tokens ? s->z : l->bias,
        .z_row = l->tokens ? block : 0,
        .z_block = (l->tokens ? s->rows : 1) * block,
        .x_row = i ? weir__hidden_row(l - 1) : l->inputs,
        .h_row = weir__hidden_row(l),
        .c_old = s->c[i],
        .c = s->c[i],
        .c_row = weir__units_row(l),
        .m = s->m,
        .m_row = weir__units_row(l),
    };
}

static bool can_step(const weir_model *m)
{
    return m->config.direction == WEIR_FORWARD && m->config.readout == WEIR_EVERY_STEP;
}

size_t weir_stream_size(const weir_model *m, uint32_t rows)
{
    enum { MOST_ROWS = 1 << 20 };
    if (!can_step(m) || rows == 0 || rows > MOST_ROWS)
        return 0;
    return lay_out(NULL, m, rows, NULL) + WEIR__ALIGN; /* to move the start to an aligned place */
}

weir_status weir_stream_init(weir_stream **out, void *memory, size_t size, const weir_model *m, uint32_t rows, weir_error *err)
{
    *out = NULL;
    if (!can_step(m))
        return weir__fail(err, WEIR_E_UNSUPPORTED, "this model cannot be stepped: it %s; run whole sequences instead",
                          m->config.direction != WEIR_FORWARD ? "reads the sequence backwards" : "answers once per sequence");
    size_t needed = weir_stream_size(m, rows);
    if (!needed)
        return weir__fail(err, WEIR_E_ARGUMENT, "a stream has from 1 to 1048576 rows, not %u", (unsigned)rows);
    if (!memory || size < needed)
        return weir__fail(err, WEIR_E_ARGUMENT, "the stream needs %zu bytes, but was given %zu", needed, memory ? size : 0);
    char *base = (char *)memory + (WEIR__ALIGN - (uintptr_t)memory % WEIR__ALIGN) % WEIR__ALIGN;
    weir_stream *s = (weir_stream *)(void *)base;
    memset(base, 0, needed - WEIR__ALIGN);
    s->model = m;
    s->rows = rows;
    lay_out(s, m, rows, base);
    for (size_t i = 0; i < m->config.layers; i++)
        plan_step(s, i);
    *out = s;
    return weir__ok(err);
}

/* Whether the model's outputs are the floats that the last cell computes. */
static bool cell_gives_output(const weir_model *m)
{
    return m->net.k->real_size == sizeof(float) && !m->config.projection && !weir__dense_count(&m->config);
}

/* Gives the layer's new h. */
static const void *step_layer(weir_stream *s, size_t i, const void *x, float *y)
{
    const struct weir__kernels *k = s->model->net.k;
    const struct weir__lstm *l = s->model->net.lstm + i;
    struct weir__cell_forward *step = s->step + i;
    void *h = s->h[i][!s->now];
    step->x = l->tokens ? NULL : x;
    step->h = s->h[i][s->now];
    if (!l->project)
        step->m = h;
    step->m_too = y;
    weir__cell_step(k, l, step, &s->parallel);
    if (l->project)
        weir__lstm_project(k, l, s->rows, s->m, h);
    return h;
}

static void step_head(weir_stream *s, const void *x, size_t x_row, float *y)
{
    const struct weir__network *net = &s->model->net;
    const weir_config *c = &s->model->config;
    size_t n = weir__dense_count(c);
    for (size_t i = 0; i < n; i++) {
        weir__dense_forward(net->k, net->head + i, s->rows, x, x_row, s->head[i], s->head[i], NULL);
        x = s->head[i];
        x_row = weir__columns_row(net->head[i].units);
    }
    if (n)
        net->k->output(c->output, c->outputs, s->rows, s->head[n - 1], x_row, y);
    else
        for (size_t r = 0; r < s->rows; r++)
            net->k->to_float(weir__projected(c), weir__at(net->k, x, r * x_row), y + r * weir__projected(c));
}

static void step(weir_stream *s, const void *x, float *y)
{
    size_t last = s->model->config.layers - 1;
    float *from_cell = x != y && cell_gives_output(s->model) ? y : NULL; /* a cell reads x until it has written all of y */
    for (size_t i = 0; i < last; i++)
        x = step_layer(s, i, x, NULL);
    x = step_layer(s, last, x, from_cell);
    s->now = !s->now;
    if (y && !from_cell)
        step_head(s, x, weir__hidden_row(s->model->net.lstm + last), y);
}

void weir_stream_parallel(weir_stream *s, const weir_parallel *parallel)
{
    s->parallel = parallel ? *parallel : (weir_parallel){0};
}

void weir_stream_step(weir_stream *s, const float *x, float *y)
{
    const struct weir__kernels *k = s->model->net.k;
    if (k->real_size == sizeof *x) {
        step(s, x, y);
        return;
    }
    k->from_float(s->rows * s->model->config.inputs, x, s->x);
    step(s, s->x, y);
}

void weir_stream_step_tokens(weir_stream *s, const uint32_t *tokens, float *y)
{
    const struct weir__lstm *first = s->model->net.lstm;
    s->model->net.k->look_up(first, s->rows, tokens, s->z, s->rows * 4 * s->model->net.k->lanes);
    step(s, NULL, y);
}

void weir_stream_reset(weir_stream *s)
{
    size_t real = s->model->net.k->real_size;
    for (size_t i = 0; i < s->model->config.layers; i++) {
        const struct weir__lstm *l = s->model->net.lstm + i;
        memset(s->h[i][s->now], 0, s->rows * weir__hidden_row(l) * real);
        memset(s->c[i], 0, s->rows * weir__units_row(l) * real);
    }
}

void weir_stream_get_state(const weir_stream *s, float *h, float *c)
{
    const struct weir__kernels *k = s->model->net.k;
    for (size_t i = 0; i < s->model->config.layers; i++) {
        const struct weir__lstm *l = s->model->net.lstm + i;
        for (size_t r = 0; r < s->rows; r++) {
            k->to_float(l->projected, weir__at(k, s->h[i][s->now], r * weir__hidden_row(l)), h + (i * s->rows + r) * l->projected);
            k->to_float(l->hidden, weir__at(k, s->c[i], r * weir__units_row(l)), c + (i * s->rows + r) * l->hidden);
        }
    }
}

void weir_stream_set_state(weir_stream *s, const float *h, const float *c)
{
    const struct weir__kernels *k = s->model->net.k;
    for (size_t i = 0; i < s->model->config.layers; i++) {
        const struct weir__lstm *l = s->model->net.lstm + i;
        for (size_t r = 0; r < s->rows; r++) {
            k->from_float(l->projected, h + (i * s->rows + r) * l->projected, weir__at(k, s->h[i][s->now], r * weir__hidden_row(l)));
            k->from_float(l->hidden, c + (i * s->rows + r) * l->hidden, weir__at(k, s->c[i], r * weir__units_row(l)));
        }
    }
}
