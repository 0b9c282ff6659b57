/* Memory: what the library says it takes is what its allocator gave, and what docs/memory.md states.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#include "tensors.h"

/* ---- An allocator that counts ---- */

struct count {
    size_t live, peak;
};

static void *counting_alloc(void *ctx, size_t size, size_t align)
{
    struct count *c = ctx;
    c->live += size;
    c->peak = c->live > c->peak ? c->live : c->peak;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void counting_free(void *ctx, void *p, size_t size)
{
    ((struct count *)ctx)->live -= size;
    free(p);
}

/* ---- The formulas of docs/memory.md, in the same order: a second source on purpose ---- */

/* Bytes of objects and names: at all, for each tensor, for each direction of each layer. */
struct constant {
    size_t object, tensor, lane;
};
static const struct constant of_model = {2048, 176, 384}, of_run = {448, 0, 224}, of_trainer = {4096, 192, 928}, of_tape = {2048, 176, 928}, of_list = {0, 80, 0};

struct shape {
    size_t L, D, H, P, H16, P64, Hrow; /* Hrow: a row of h */
    size_t heads, peepholes, slopes, projected, turns, final;
    size_t tensors;
    const weir_config *c;
};

static size_t up(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

static struct shape shape_of(const weir_model *m)
{
    const weir_config *c = weir_model_config(m);
    struct shape s = {.L = c->layers, .D = c->direction == WEIR_BOTH ? 2 : 1, .H = c->hidden, .c = c};
    s.P = c->projection ? c->projection : s.H;
    s.H16 = up(s.H, 16);
    s.P64 = up(s.P, 64);
    s.Hrow = c->projection ? s.P64 : s.H16;
    s.heads = c->outputs ? c->dense_layers + 1 : 0;
    s.peepholes = !c->no_peepholes;
    s.slopes = c->gate.id == WEIR_PRELU || c->candidate.id == WEIR_PRELU || c->output_activation.id == WEIR_PRELU;
    s.projected = c->projection > 0;
    s.turns = c->direction != WEIR_FORWARD;
    s.final = c->readout == WEIR_FINAL_STATE;
    s.tensors = weir_model_tensor_count(m);
    return s;
}

static size_t constant(const struct shape *s, const struct constant *k)
{
    return k->object + k->tensor * s->tensors + k->lane * s->L * s->D;
}

static size_t inputs_of(const struct shape *s, size_t layer)
{
    return layer ? s->D * s->P : s->c->tokens ? s->c->tokens : s->c->inputs;
}

static size_t units_of(const struct shape *s, size_t head)
{
    return head < s->c->dense_layers ? s->c->dense[head].units : s->c->outputs * (s->c->output == WEIR_STUDENT_T ? 3 : s->c->output >= WEIR_GAUSSIAN ? 2 : 1);
}

static size_t head_inputs(const struct shape *s, size_t head)
{
    return head ? units_of(s, head - 1) : s->D * s->P;
}

static weir_activation_id head_activation(const struct shape *s, size_t head)
{
    return head < s->c->dense_layers ? s->c->dense[head].activation.id : WEIR_IDENTITY;
}

/* F: numbers of the packed weights. */
static size_t forward_numbers(const struct shape *s)
{
    size_t sum = s->H16;
    for (size_t l = 0; l < s->L; l++)
        sum += s->D * (4 * s->H16 * (inputs_of(s, l) + s->P + 1) + 3 * s->H16 * s->peepholes + 8 * s->H16 * s->slopes +
                       s->P64 * s->H * s->projected);
    for (size_t i = 0; i < s->heads; i++)
        sum += up(units_of(s, i), 64) * (head_inputs(s, i) + 1 + (head_activation(s, i) == WEIR_PRELU));
    return sum;
}

/* X: those of the transposed ones. */
static size_t transposed_numbers(const struct shape *s)
{
    size_t sum = 0;
    for (size_t l = 0; l < s->L; l++)
        sum += s->D * (4 * s->H16 * ((l ? up(inputs_of(s, l), 64) : 0) + s->P64) + up(s->H, 64) * s->P * s->projected);
    for (size_t i = 0; i < s->heads; i++)
        sum += up(head_inputs(s, i), 64) * units_of(s, i);
    return sum;
}

static size_t stated_model(const weir_model *m)
{
    struct shape s = shape_of(m);
    return 4 * forward_numbers(&s) + constant(&s, &of_model);
}

/* The head's arrays for R rows: its input, and what each dense layer gives before and after its activation. */
static size_t head_numbers(const struct shape *s, size_t R, bool tape)
{
    size_t sum = tape || s->turns || s->final ? R * s->D * s->P : 0;
    for (size_t i = 0; i < s->heads; i++)
        sum += R * up(units_of(s, i), 64) * (head_activation(s, i) == WEIR_IDENTITY ? 1 : 2);
    return sum;
}

/* The stack's arrays for S steps, of which z is kept for Z; with a tape c and m for all. */
static size_t stack_numbers(const struct shape *s, size_t S, size_t B, size_t Z, bool tape)
{
    size_t C = tape ? S : 0, M = tape ? S : 1;
    size_t sum = s->L * s->D * B * (s->P + s->H) + (s->turns && s->L > 1 ? S * B * s->D * s->P : 0);
    for (size_t l = 0; l < s->L; l++)
        sum += s->D * B * (S * (!l && s->c->tokens ? 1 : l && !s->turns && !tape ? 0 : inputs_of(s, l)) + (S + 1) * s->Hrow + (C + 1) * s->H16 +
                           M * s->H16 * s->projected + Z * 4 * s->H16);
    return sum;
}

static size_t stated_list(const weir_model *m)
{
    struct shape s = shape_of(m);
    return constant(&s, &of_list);
}

static size_t stated_run(const weir_model *m, size_t T, size_t B)
{
    struct shape s = shape_of(m);
    size_t piece = 512 / B > 8 ? 512 / B : 8, S = s.turns || T < piece ? T : piece, Z = 64 / B > 1 ? 64 / B : 1;
    size_t R = s.final ? B : S * B;
    return 4 * (stack_numbers(&s, S, B, Z < S ? Z : S, false) + head_numbers(&s, R, false)) + 20 * B + 16 * S + constant(&s, &of_run);
}

static size_t stated_trainer(const weir_model *m, size_t T, size_t B)
{
    struct shape s = shape_of(m);
    size_t W = weir_model_parameters(m), F = forward_numbers(&s), X = transposed_numbers(&s), R = s.final ? B : T * B, row = up(s.D * s.P, 64);
    size_t head = head_numbers(&s, R, true) + R * (4 + (s.c->output == WEIR_SOFTMAX ? 1 : s.c->outputs * (s.c->output == WEIR_NEGATIVE_BINOMIAL ? 2 : 1))), widest = 0;
    for (size_t i = 0; i < s.heads; i++) {
        head += R * up(head_inputs(&s, i), 64);
        if (head_activation(&s, i) == WEIR_PRELU && up(units_of(&s, i), 64) > widest)
            widest = up(units_of(&s, i), 64);
    }
    size_t backward = T * B * (row * ((s.turns || s.final) + s.turns + (s.L > 1) * s.D) + s.P64 * s.projected + 8 * s.H16 * s.slopes) +
                      B * (s.P64 + s.H16 + up(s.H, 64) * s.projected + s.L * s.D * (s.P + s.H));
    return 4 * (5 * W + 2 * F + X + stack_numbers(&s, T, B, T, true) + backward + head + R * widest) + 16 * (B + T) +
           constant(&s, &of_trainer);
}

/* A tape of a stack alone; dropout between layers keeps the factors of each layer's input. */
static size_t stated_tape(const weir_model *m, const weir_tape_config *how)
{
    struct shape s = shape_of(m);
    size_t T = how->steps, B = how->rows, first = how->run_only || how->no_input_gradient || s.c->tokens ? 0 : up(s.c->inputs, 64);
    size_t top = up(s.D * s.P, 64), row = first > top ? first : top, Z = 64 / B > 1 ? 64 / B : 1, F = forward_numbers(&s);
    bool keeps = !how->run_only || how->dropout > 0;
    size_t sum = F + stack_numbers(&s, T, B, keeps || Z > T ? T : Z, keeps) + (how->dropout > 0 ? (s.L - 1) * T * B * s.D * s.P : 0);
    if (!how->run_only)
        sum += F + transposed_numbers(&s) + s.D * 4 * s.H16 * first +
               T * B * (row * (2 * s.turns + s.D) + s.P64 * s.projected + 8 * s.H16 * s.slopes) + B * (s.P64 + s.H16 + up(s.H, 64) * s.projected);
    return 4 * sum + 16 * (B + T) + constant(&s, &of_tape);
}

/* ---- Shapes ---- */

static const weir_config configs[] = {
    {.inputs = 6, .hidden = 20, .outputs = 3},
    {.inputs = 128, .hidden = 128, .layers = 2, .outputs = 1, .output = WEIR_GAUSSIAN},
    {.inputs = 7, .hidden = 24, .outputs = 3, .output = WEIR_STUDENT_T},
    {.inputs = 7, .hidden = 24, .outputs = 3, .output = WEIR_NEGATIVE_BINOMIAL},
    {.tokens = 65, .hidden = 128, .layers = 2, .no_peepholes = true, .outputs = 65, .output = WEIR_SOFTMAX},
    {.inputs = 9, .hidden = 650, .outputs = 4},
    {.tokens = 300, .hidden = 20, .layers = 3, .outputs = 300, .output = WEIR_SOFTMAX},
    {.inputs = 40, .hidden = 128, .projection = 50, .layers = 2, .outputs = 2},
    {.inputs = 7, .hidden = 20, .layers = 2, .direction = WEIR_BOTH, .outputs = 2, .output = WEIR_LOGISTIC},
    {.inputs = 5, .hidden = 128, .direction = WEIR_REVERSE, .outputs = 3, .output = WEIR_SOFTMAX, .readout = WEIR_FINAL_STATE},
    {.tokens = 30,
     .hidden = 20,
     .projection = 9,
     .layers = 2,
     .direction = WEIR_BOTH,
     .cell_clip = 1,
     .gate = {.id = WEIR_PRELU},
     .dense_layers = 2,
     .dense = {{.units = 70, .activation = {.id = WEIR_PRELU}}, {.units = 20, .activation = {.id = WEIR_RELU}}},
     .outputs = 4,
     .readout = WEIR_FINAL_STATE},
};
enum { CONFIGS = sizeof configs / sizeof *configs };
static const struct {
    uint32_t T, B;
} batches[] = {{1, 1}, {1, 20}, {35, 3}, {35, 20}, {100, 1}, {100, 20}, {7, 100}};
enum { BATCHES = sizeof batches / sizeof *batches, MOST_ROWS = 100, MOST_CELLS = 2000, MOST_VALUES = 300 };

static float x[MOST_CELLS * 128], targets[MOST_CELLS * 8];
static uint32_t tokens[MOST_CELLS];
static float y[MOST_CELLS * MOST_VALUES];

static weir_batch batch_of(const weir_config *c, size_t T, size_t B)
{
    return (weir_batch){.steps = T,
                        .rows = B,
                        .x = c->tokens ? NULL : x,
                        .tokens = c->tokens ? tokens : NULL,
                        .targets = c->output == WEIR_SOFTMAX ? NULL : targets,
                        .classes = c->output == WEIR_SOFTMAX ? tokens : NULL};
}

static weir_model *model_of(weir_config c, const weir_allocator *a)
{
    weir_model *m;
    weir_error err;
    c.allocator = a;
    c.init = WEIR_INIT_UNIFORM;
    if (weir_model_new(&m, &c, NULL, 0, &err))
        fail_msg("%s", err.text);
    return m;
}

/* A formula that states much too much would be no better than one that states too little. */
static void assert_near(const char *what, size_t config, size_t bytes, size_t stated)
{
    double ratio = (double)bytes / (double)stated;
    if (!(ratio <= 1.1 && ratio >= 0.9))
        fail_msg("shape %zu: %s takes %zu bytes, but the formula gives %zu", config, what, bytes, stated);
}

/* ---- Tests ---- */

/* From the caller's arrays: weights once, packed, and nothing else of their size, not even for a moment. */
static void a_model_takes_its_weights_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++) {
        struct count count = {0};
        weir_allocator a = {counting_alloc, counting_free, &count};
        weir_model *first = model_of(configs[i], NULL), *m;
        weir_tensor list[64];
        size_t n = weir_model_tensor_count(first), weights;
        for (size_t j = 0; j < n; j++)
            list[j] = whole_tensor(first, j);
        weir_config c = *weir_model_config(first);
        c.allocator = &a;
        assert_int_equal(weir_model_new(&m, &c, list, n, NULL), WEIR_OK);
        assert_int_equal(weir_model_memory(m, &weights), count.live);
        assert_int_equal(weir_model_memory(m, NULL), count.live);
        struct shape s = shape_of(m);
        assert_int_equal(weights, 4 * forward_numbers(&s));
        assert_true(count.peak <= weights + constant(&s, &of_model));
        assert_near("a model", i, count.peak, stated_model(m));
        weir_model_free(m);
        weir_model_free(first);
        for (size_t j = 0; j < n; j++)
            free_tensor(list[j]);
        assert_int_equal(count.live, 0);
    }
}

static void running_takes_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++) {
        struct count count = {0};
        weir_allocator a = {counting_alloc, counting_free, &count};
        weir_model *m = model_of(configs[i], &a);
        for (size_t j = 0; j < BATCHES; j++) {
            size_t before = count.peak = count.live;
            weir_batch b = batch_of(weir_model_config(m), batches[j].T, batches[j].B);
            assert_int_equal(weir_model_run(m, &b, y, NULL, NULL, NULL, NULL), WEIR_OK);
            assert_int_equal(weir_run_memory(m, batches[j].T, batches[j].B), count.peak - before);
            assert_int_equal(count.live, before);
            assert_near("a run", i, count.peak - before, stated_run(m, batches[j].T, batches[j].B));
        }
        assert_int_equal(weir_run_memory(m, 0, 1), 0);
        assert_int_equal(weir_run_memory(m, 1, 0), 0);
        weir_model_free(m);
    }
}

static void training_takes_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++)
        for (size_t j = 0; j < BATCHES; j++) {
            size_t T = batches[j].T, B = batches[j].B;
            if (configs[i].hidden > 500 && T * B > 100)
                continue; /* too slow for a quick test, and nothing new */
            struct count count = {0};
            weir_allocator a = {counting_alloc, counting_free, &count};
            weir_model *m = model_of(configs[i], NULL), *made;
            weir_train_config how = {.rows = (uint32_t)B, .steps = (uint32_t)T, .allocator = &a};
            weir_batch b = batch_of(weir_model_config(m), T, B);
            weir_memory plan;
            assert_int_equal(weir_trainer_plan(&plan, m, &how, NULL), WEIR_OK);
            assert_int_equal(count.live, 0);
            assert_true(count.peak < 64 << 10); /* planning makes a list of tensors, and no array */
            weir_trainer *t;
            assert_int_equal(weir_trainer_new(&t, m, &how, NULL), WEIR_OK);
            assert_int_equal(plan.total, count.live);
            assert_int_equal(plan.total, plan.weights + plan.packed + plan.tape + plan.backward + plan.head + plan.rest);
            assert_int_equal(weir_trainer_memory(t), count.live);
            assert_true(count.peak <= plan.total + plan.model);
            assert_int_equal(weir_trainer_step(t, &b, NULL, NULL), WEIR_OK);
            assert_int_equal(plan.total, count.live);
            assert_near("a trainer", i, count.live, stated_trainer(m, T, B));
            assert_int_equal(weir_trainer_model(t, &made, NULL, NULL), WEIR_OK);
            assert_int_equal(count.peak, plan.total + plan.model);
            assert_near("training to a model", i, count.peak,
                        stated_trainer(m, T, B) + stated_model(m) + 4 * weir_model_parameters(m) + stated_list(m));
            weir_model_free(made);
            weir_trainer_free(t);
            weir_model_free(m);
            assert_int_equal(count.live, 0);
        }
}

static weir_status no_exchange(void *ctx, const weir_parcel *out, size_t outs, const weir_parcel *in, size_t ins, weir_error *err)
{
    (void)ctx, (void)out, (void)outs, (void)in, (void)ins, (void)err;
    return WEIR_E_IO;
}

/* The tape is a shard's; a level of the tree takes a gradient, and a rank the slices of the other's. */
static void shards_take_what_they_say(void **state)
{
    (void)state;
    enum { T = 35, B = 18, SHARDS = 4, ROWS = 5 };
    for (size_t i = 0; i < CONFIGS; i++)
        for (uint32_t ranks = 1; ranks <= 2; ranks++) {
            struct count count = {0};
            weir_allocator a = {counting_alloc, counting_free, &count};
            weir_model *m = model_of(configs[i], NULL);
            weir_cluster cluster = {.rank = ranks - 1, .ranks = ranks, .exchange = no_exchange};
            weir_train_config how = {.rows = B, .steps = T, .shards = SHARDS, .cluster = &cluster, .allocator = &a};
            weir_memory plan;
            weir_trainer *t;
            assert_int_equal(weir_trainer_plan(&plan, m, &how, NULL), WEIR_OK);
            assert_int_equal(weir_trainer_new(&t, m, &how, NULL), WEIR_OK);
            assert_int_equal(plan.total, count.live);
            struct shape s = shape_of(m);
            size_t gradients = ranks == 1 ? 2 * weir_model_parameters(m) : weir_model_parameters(m) * 3 / 2;
            assert_near("a trainer of shards", i, count.live, stated_trainer(m, T, ROWS) + 4 * gradients + 8 * s.L * s.D * (B - ROWS) * (s.P + s.H));
            weir_trainer_free(t);
            weir_model_free(m);
            assert_int_equal(count.live, 0);
        }
}

static void a_tape_takes_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIGS * BATCHES * 8; i++) {
        struct count count = {0};
        weir_allocator a = {counting_alloc, counting_free, &count};
        weir_config c = configs[i % CONFIGS];
        c.outputs = c.dense_layers = 0;
        c.readout = WEIR_EVERY_STEP;
        size_t way = i / CONFIGS / BATCHES, batch = i / CONFIGS % BATCHES;
        weir_tape_config how = {.steps = batches[batch].T,
                                .rows = batches[batch].B,
                                .run_only = way & 1,
                                .no_input_gradient = way & 2,
                                .dropout = way & 4 ? 0.5f : 0};
        weir_model *m = model_of(c, NULL);
        c.allocator = &a;
        weir_memory plan;
        weir_tape *tape;
        assert_int_equal(weir_tape_plan(&plan, &c, &how, NULL), WEIR_OK);
        assert_int_equal(count.live, 0);
        assert_int_equal(weir_tape_new(&tape, &c, &how, NULL), WEIR_OK);
        assert_int_equal(plan.total, count.live);
        assert_near(how.run_only ? "a tape that runs" : "a tape", i % CONFIGS, count.live, stated_tape(m, &how));
        weir_tape_free(tape);
        weir_model_free(m);
        assert_int_equal(count.live, 0);
    }
}

static void dropout_is_planned_too(void **state)
{
    (void)state;
    struct count count = {0};
    weir_allocator a = {counting_alloc, counting_free, &count};
    weir_model *m = model_of(configs[1], NULL);
    weir_train_config how = {.rows = 3, .steps = 9, .allocator = &a}, drops = how;
    drops.dropout = 0.5f;
    weir_memory plan, plain;
    weir_trainer *t;
    assert_int_equal(weir_trainer_plan(&plain, m, &how, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_plan(&plan, m, &drops, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_new(&t, m, &drops, NULL), WEIR_OK);
    assert_int_equal(plan.total, count.live);
    assert_true(plan.tape >= plain.tape + 4 * 3 * 9 * 128 && plan.head > plain.head);
    weir_trainer_free(t);
    weir_model_free(m);
}

static void what_cannot_be_planned_is_refused(void **state)
{
    (void)state;
    weir_model *m = model_of(configs[0], NULL);
    weir_model *plain = model_of((weir_config){.inputs = 2, .hidden = 3}, NULL);
    weir_memory plan = {.total = 1};
    weir_error err;
    assert_int_equal(weir_trainer_plan(&plan, m, &(weir_train_config){.steps = 3}, &err), WEIR_E_ARGUMENT);
    assert_int_equal(plan.total, 0);
    assert_non_null(strstr(err.text, "rows"));
    assert_int_equal(weir_trainer_plan(&plan, plain, &(weir_train_config){.rows = 1, .steps = 3}, &err), WEIR_E_UNSUPPORTED);
    assert_int_equal(weir_trainer_plan(&plan, m, &(weir_train_config){.rows = UINT32_MAX, .steps = UINT32_MAX}, &err), WEIR_E_NOMEM);
    assert_int_equal(plan.total, 0);
    assert_int_equal(weir_trainer_plan(&plan, m, &(weir_train_config){.rows = 1, .steps = UINT32_MAX}, &err), WEIR_OK);
    assert_true(plan.total > (size_t)UINT32_MAX * 20 * 4 * 4);
    assert_true(weir_run_memory(m, UINT32_MAX, UINT32_MAX) == 0 || weir_run_memory(m, UINT32_MAX, UINT32_MAX) > UINT32_MAX);
    weir_model_free(m);
    weir_model_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_takes_its_weights_once),
        cmocka_unit_test(running_takes_what_it_says),
        cmocka_unit_test(training_takes_what_it_says),
        cmocka_unit_test(shards_take_what_they_say),
        cmocka_unit_test(a_tape_takes_what_it_says),
        cmocka_unit_test(dropout_is_planned_too),
        cmocka_unit_test(what_cannot_be_planned_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
