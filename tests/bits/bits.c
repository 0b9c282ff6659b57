/* One hash over everything that must have the same bits everywhere.
 *
 *     bits SIZE forward ISA THREADS GROUP CHUNK    outputs and final states; 64 rows run in groups of GROUP, CHUNK steps at a time
 *     bits SIZE bf16|int8 ISA THREADS GROUP CHUNK  the same with narrow weights, and the weights themselves
 *     bits SIZE train ISA THREADS                  weights and losses after an epoch of training
 *
 * SIZE is "small" or "full"; CHUNK 1 steps a stream, 0 runs whole sequences. Exits with 77 if this CPU lacks ISA.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#include "../unit/tensors.h"

enum { ROWS = 64, MOST_THREADS = 8 };

static void check(weir_status status, const weir_error *err)
{
    if (status) {
        fprintf(stderr, "bits: %s\n", err->text);
        exit(1);
    }
}

static void *need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "bits: no memory\n");
        exit(1);
    }
    return memory;
}

/* ---- Hash and inputs ---- */

static uint64_t hash = 14695981039346656037U; /* FNV-1a */

static void add(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * 1099511628211U;
}

static uint32_t noise = 12345;

static uint32_t below(uint32_t n)
{
    noise = noise * 1664525 + 1013904223;
    return (noise >> 8) % n;
}

static float real(void)
{
    return ((float)below(1 << 20) - 524288) / 262144; /* in [-2, 2) */
}

/* ---- Threads: all of them take task after task ---- */

struct work {
    void (*task)(void *arg, size_t i);
    void *arg;
    size_t n;
    atomic_size_t next;
};

static void *take_tasks(void *p)
{
    struct work *w = p;
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->n;)
        w->task(w->arg, i);
    return NULL;
}

static void run_tasks(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    unsigned threads = *(const unsigned *)ctx;
    pthread_t others[MOST_THREADS];
    struct work w = {.task = task, .arg = arg, .n = n};
    unsigned started = 0;
    while (started + 1 < threads && started + 1 < n && !pthread_create(&others[started], NULL, take_tasks, &w))
        started++;
    take_tasks(&w);
    for (unsigned i = 0; i < started; i++)
        pthread_join(others[i], NULL);
}

/* ---- Models ---- */

#define PRELU            \
    {                    \
        .id = WEIR_PRELU \
    }

static const weir_config models[] = {
    {.inputs = 3, .hidden = 5, .outputs = 2},
    {.tokens = 12, .hidden = 16, .layers = 2, .outputs = 12, .output = WEIR_SOFTMAX},
    {.inputs = 7, .hidden = 33, .projection = 9, .layers = 2, .outputs = 3, .output = WEIR_GAUSSIAN},
    {.inputs = 4,
     .hidden = 20,
     .no_peepholes = true,
     .coupled = true,
     .gate = {.id = WEIR_HARD_SIGMOID},
     .candidate = {.id = WEIR_SOFTSIGN},
     .output_activation = PRELU,
     .activation_clip = 2,
     .cell_clip = 1.5f},
    {.inputs = 2,
     .hidden = 12,
     .no_forget_gate = true,
     .candidate = {.id = WEIR_SCALED_TANH},
     .cell_clip = 3,
     .dense_layers = 6,
     .dense = {{11, {.id = WEIR_GELU}},
               {10, {.id = WEIR_SELU}},
               {9, {.id = WEIR_MISH}},
               {8, PRELU},
               {7, {.id = WEIR_SOFTPLUS}},
               {6, {.id = WEIR_ELU}}},
     .outputs = 5,
     .output = WEIR_LOGISTIC},
    {.inputs = 3,
     .hidden = 17,
     .direction = WEIR_BOTH,
     .layers = 2,
     .dense_layers = 3,
     .dense = {{9, {.id = WEIR_GELU_TANH}}, {9, {.id = WEIR_SILU}}, {4, {.id = WEIR_LEAKY_RELU}}},
     .outputs = 2},
    {.tokens = 5,
     .hidden = 8,
     .direction = WEIR_REVERSE,
     .readout = WEIR_FINAL_STATE,
     .outputs = 3,
     .output = WEIR_SOFTMAX,
     .dense_layers = 1,
     .dense = {{6, {.id = WEIR_RELU}}}},
    {.tokens = 30, .hidden = 64, .layers = 2, .outputs = 30, .output = WEIR_SOFTMAX},
};
enum { MODELS = sizeof models / sizeof *models, SMALL_MODELS = MODELS - 1 };

static weir_model *model_number(size_t i, weir_isa isa)
{
    weir_config c = models[i];
    weir_model *m;
    weir_error err;
    c.isa = isa;
    c.seed = i + 1;
    c.init = (weir_init)(i % 5);
    check(weir_model_new(&m, &c, NULL, 0, &err), &err);
    return m;
}

/* Sequences for a model: (T, ROWS) of everything. */
struct data {
    size_t steps;
    float *x, *targets;
    uint32_t *tokens, *classes, lengths[ROWS];
};

static struct data make_data(const weir_config *c, size_t steps)
{
    struct data d = {.steps = steps};
    size_t n = steps * ROWS;
    d.x = need(calloc(n * c->inputs + 1, sizeof *d.x));
    d.targets = need(calloc(n * c->outputs + 1, sizeof *d.targets));
    d.tokens = need(calloc(n, sizeof *d.tokens));
    d.classes = need(calloc(n, sizeof *d.classes));
    for (size_t i = 0; i < n * c->inputs; i++)
        d.x[i] = real();
    for (size_t i = 0; i < n * c->outputs; i++)
        d.targets[i] = c->output == WEIR_LOGISTIC ? (float)below(2) : real() / 2;
    for (size_t i = 0; i < n; i++) {
        d.tokens[i] = below(c->tokens + 1);
        d.classes[i] = below(c->outputs ? c->outputs : 1);
    }
    for (size_t r = 0; r < ROWS; r++)
        d.lengths[r] = below((uint32_t)steps + 1);
    return d;
}

static void free_data(struct data *d)
{
    free(d->x);
    free(d->targets);
    free(d->tokens);
    free(d->classes);
}

/* Columns [row, row + rows) of from, which has `steps` steps of ROWS rows of `size` bytes. */
static void *take_rows(const void *from, size_t steps, size_t row, size_t rows, size_t size)
{
    char *to = need(malloc(steps * rows * size + 1));
    for (size_t t = 0; t < steps; t++)
        memcpy(to + t * rows * size, (const char *)from + (t * ROWS + row) * size, rows * size);
    return to;
}

static void put_rows(void *to, const void *from, size_t steps, size_t row, size_t rows, size_t size)
{
    for (size_t t = 0; t < steps; t++)
        memcpy((char *)to + (t * ROWS + row) * size, (const char *)from + t * rows * size, rows * size);
}

/* ---- Forward ---- */

struct group {
    size_t rows;
    float *x, *y, *h, *c;
    uint32_t *tokens, *lengths;
};

static void run_stream(const weir_model *m, size_t steps, struct group *g)
{
    const weir_config *c = weir_model_config(m);
    size_t size = weir_stream_size(m, (uint32_t)g->rows), O = weir_model_outputs(m);
    void *memory = need(malloc(size));
    weir_stream *s;
    weir_error err;
    check(weir_stream_init(&s, memory, size, m, (uint32_t)g->rows, &err), &err);
    for (size_t t = 0; t < steps; t++)
        if (c->tokens)
            weir_stream_step_tokens(s, g->tokens + t * g->rows, g->y + t * g->rows * O);
        else
            weir_stream_step(s, g->x + t * g->rows * c->inputs, g->y + t * g->rows * O);
    weir_stream_get_state(s, g->h, g->c);
    free(memory);
}

static void run_chunks(const weir_model *m, size_t steps, size_t chunk, struct group *g, const weir_parallel *parallel)
{
    const weir_config *c = weir_model_config(m);
    size_t O = weir_model_outputs(m);
    weir_error err;
    for (size_t t = 0; t < steps; t += chunk) {
        weir_batch b = {.steps = steps - t < chunk ? steps - t : chunk, .rows = g->rows, .lengths = g->lengths};
        if (c->tokens)
            b.tokens = g->tokens + t * g->rows;
        else
            b.x = g->x + t * g->rows * c->inputs;
        if (t) {
            b.h0 = g->h;
            b.c0 = g->c;
        }
        check(weir_model_run(m, &b, g->y + (c->readout ? 0 : t * g->rows * O), g->h, g->c, parallel, &err), &err);
    }
}

/* Runs a model over its data and adds outputs and states to the hash. */
static void forward(const weir_model *m, const struct data *d, size_t group, size_t chunk, const weir_parallel *parallel)
{
    const weir_config *c = weir_model_config(m);
    size_t T = d->steps, O = weir_model_outputs(m), lanes = c->layers * (c->direction == WEIR_BOTH ? 2 : 1);
    size_t H = c->hidden, P = c->projection ? c->projection : H, out_steps = c->readout ? 1 : T;
    bool whole = c->direction != WEIR_FORWARD; /* backwards there are no pieces, but there are lengths */
    float *y = need(calloc(out_steps * ROWS * O, sizeof *y)), *h = need(calloc(lanes * ROWS * P, sizeof *h)),
          *cell = need(calloc(lanes * ROWS * H, sizeof *cell));
    for (size_t row = 0; row < ROWS; row += group) {
        struct group g = {.rows = ROWS - row < group ? ROWS - row : group};
        g.x = take_rows(d->x, T, row, g.rows, c->inputs * sizeof *d->x);
        g.tokens = take_rows(d->tokens, T, row, g.rows, sizeof *d->tokens);
        g.lengths = whole ? take_rows(d->lengths, 1, row, g.rows, sizeof *d->lengths) : NULL;
        g.y = need(calloc(out_steps * g.rows * O, sizeof *g.y));
        g.h = need(calloc(lanes * g.rows * P, sizeof *g.h));
        g.c = need(calloc(lanes * g.rows * H, sizeof *g.c));
        if (chunk == 1 && !whole)
            run_stream(m, T, &g);
        else
            run_chunks(m, T, chunk && !whole ? chunk : T, &g, parallel);
        put_rows(y, g.y, out_steps, row, g.rows, O * sizeof *y);
        put_rows(h, g.h, lanes, row, g.rows, P * sizeof *h);
        put_rows(cell, g.c, lanes, row, g.rows, H * sizeof *cell);
        free(g.x);
        free(g.tokens);
        free(g.lengths);
        free(g.y);
        free(g.h);
        free(g.c);
    }
    add(y, out_steps * ROWS * O * sizeof *y);
    add(h, lanes * ROWS * P * sizeof *h);
    add(cell, lanes * ROWS * H * sizeof *cell);
    free(y);
    free(h);
    free(cell);
}

/* ---- Training ---- */

enum { BATCH_STEPS = 6, BATCH_ROWS = 32 };

struct source {
    const struct data *data;
    const weir_config *config;
    float *x, *targets;
    uint32_t *tokens, *classes;
};

/* Batch 2k and 2k + 1: both halves of the rows, steps [6k, 6k + 6). */
static weir_status get_batch(void *ctx, uint32_t epoch, size_t index, weir_batch *b, weir_error *err)
{
    (void)epoch;
    (void)err;
    struct source *s = ctx;
    const struct data *d = s->data;
    size_t at = index / 2 * BATCH_STEPS * ROWS, row = index % 2 * BATCH_ROWS, n = s->config->outputs;
    free(s->x);
    free(s->tokens);
    free(s->targets);
    free(s->classes);
    s->x = take_rows(d->x + at * s->config->inputs, BATCH_STEPS, row, BATCH_ROWS, s->config->inputs * sizeof *s->x);
    s->tokens = take_rows(d->tokens + at, BATCH_STEPS, row, BATCH_ROWS, sizeof *s->tokens);
    s->targets = take_rows(d->targets + at * n, BATCH_STEPS, row, BATCH_ROWS, n * sizeof *s->targets);
    s->classes = take_rows(d->classes + at, BATCH_STEPS, row, BATCH_ROWS, sizeof *s->classes);
    bool tokens = s->config->tokens > 0, softmax = s->config->output == WEIR_SOFTMAX;
    *b = (weir_batch){.steps = BATCH_STEPS,
                      .rows = BATCH_ROWS,
                      .x = tokens ? NULL : s->x,
                      .tokens = tokens ? s->tokens : NULL,
                      .targets = softmax ? NULL : s->targets,
                      .classes = softmax ? s->classes : NULL,
                      .carry = index % 2 == 1};
    return WEIR_OK;
}

static void train(const weir_model *m, size_t number, const struct data *d, uint32_t shards, const weir_parallel *parallel)
{
    const weir_config *c = weir_model_config(m);
    struct source ctx = {.data = d, .config = c};
    weir_source source = {.batches = d->steps / BATCH_STEPS * 2, .get = get_batch, .ctx = &ctx};
    weir_train_config config = {.rows = BATCH_ROWS,
                                .steps = BATCH_STEPS,
                                .optimizer = (weir_optimizer)(number % 4),
                                .rate = 0.01f,
                                .momentum = 0.5f,
                                .weight_decay = 0.001f,
                                .clip = 0.5f,
                                .dropout = 0.1f,
                                .head_dropout = 0.1f,
                                .schedule = number % 2 ? WEIR_COSINE : WEIR_CONSTANT,
                                .warmup = 2,
                                .shards = shards,
                                .parallel = parallel};
    weir_fit fit = {.epochs = 1, .train = &source, .valid = &source};
    weir_trainer *t;
    weir_model *end;
    weir_error err;
    weir_progress best;
    check(weir_trainer_new(&t, m, &config, &err), &err);
    check(weir_trainer_fit(t, &fit, &best, &err), &err);
    check(weir_trainer_model(t, &end, NULL, &err), &err);
    add(&best.train_loss, sizeof best.train_loss);
    add(&best.valid_loss, sizeof best.valid_loss);
    for (size_t i = 0; i < weir_model_tensor_count(end); i++) {
        weir_tensor w = whole_tensor(end, i);
        add(w.data, numbers(&w) * sizeof *w.data);
        free_tensor(w);
    }
    weir_model_free(end);
    weir_trainer_free(t);
    free(ctx.x);
    free(ctx.tokens);
    free(ctx.targets);
    free(ctx.classes);
}

/* ---- Arguments ---- */

static weir_isa find_isa(const char *name)
{
    for (int i = 0; weir_isa_name((weir_isa)i); i++)
        if (!strcmp(weir_isa_name((weir_isa)i), name))
            return (weir_isa)i;
    fprintf(stderr, "bits: there is no instruction set %s\n", name);
    exit(2);
}

/* The same model with narrow weights, which are added to the hash. */
static weir_model *narrow(weir_model *m, weir_weights weights)
{
    enum { MOST_TENSORS = 64 };
    weir_config c = *weir_model_config(m);
    c.weights = weights;
    weir_tensor tensors[MOST_TENSORS];
    size_t n = weir_model_tensor_count(m);
    for (size_t i = 0; i < n; i++)
        tensors[i] = whole_tensor(m, i);
    weir_model *made;
    weir_error err;
    check(weir_model_new(&made, &c, tensors, n, &err), &err);
    weir_model_free(m);
    for (size_t i = 0; i < n; i++) {
        free_tensor(tensors[i]);
        weir_tensor w = whole_tensor(made, i);
        add(w.data, numbers(&w) * sizeof *w.data);
        free_tensor(w);
    }
    return made;
}

int main(int argc, char **argv)
{
    static const char *const forms[] = {"forward", "bf16", "int8"}; /* in the order of weir_weights */
    int form = 0;
    while (argc > 2 && form < 3 && strcmp(argv[2], forms[form]))
        form++;
    bool forwards = argc == 7 && form < 3;
    bool sharded = argc == 5 && !strcmp(argv[2], "shards");
    if (!forwards && !sharded && (argc != 5 || strcmp(argv[2], "train"))) {
        fprintf(stderr, "usage: bits small|full forward|bf16|int8 ISA THREADS GROUP CHUNK\n       bits small|full train|shards ISA THREADS\n");
        return 2;
    }
    bool small = !strcmp(argv[1], "small");
    weir_isa isa = find_isa(argv[3]);
    if (!weir_isa_available(isa))
        return 77;
    unsigned threads = (unsigned)strtoul(argv[4], NULL, 10);
    weir_parallel parallel = {.run = run_tasks, .ctx = &threads, .threads = threads};
    for (size_t i = 0; i < (small ? SMALL_MODELS : MODELS); i++) {
        weir_model *m = model_number(i, isa);
        if (forwards && form)
            m = narrow(m, (weir_weights)form);
        struct data d = make_data(weir_model_config(m), small ? 12 : 24);
        if (forwards)
            forward(m, &d, strtoul(argv[5], NULL, 10), strtoul(argv[6], NULL, 10), threads > 1 ? &parallel : NULL);
        else if (weir_model_config(m)->outputs)
            train(m, i, &d, sharded ? 5 : 1, threads > 1 ? &parallel : NULL);
        free_data(&d);
        weir_model_free(m);
    }
    printf("%016" PRIx64 "\n", hash);
    return 0;
}
