/* Gradients inside other frameworks: against differences in the double reference, against the trainer to the bit, and every way to fail.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/train/trainer.h"

#ifdef __SANITIZE_ADDRESS__
enum { CONFIGS = 16 }; /* here only memory is looked at */
#else
enum { CONFIGS = 72 };
#endif
enum { MOST = 1 << 15, TENSORS = 40 };

/* ---- Random configurations and arrays ---- */

static uint64_t seed;

static uint32_t below(uint32_t n)
{
    weir__random r = {.key = 7};
    uint32_t words[4];
    weir__random_block(&r, seed++, words);
    return words[0] % n;
}

static double real_in(double limit)
{
    return ((double)below(20001) - 10000) / 10000 * limit;
}

static weir_config config_number(uint32_t i)
{
    weir_config c = {
        .inputs = 1 + below(4),
        .layers = 1 + i % 3,
        .hidden = 2 + below(4),
        .direction = (weir_direction)(i / 3 % 3),
        .no_peepholes = i % 5 == 4,
        .no_forget_gate = i % 11 == 7,
        .coupled = i % 11 == 3,
        .isa = WEIR_ISA_REF64,
    };
    if (i % 4 == 1)
        c.projection = 1 + below(c.hidden - 1);
    if (i % 8 == 3)
        c.activation_clip = 0.7f;
    if (i % 8 == 6)
        c.cell_clip = 0.3f;
    if (i % 9 == 5)
        c.candidate.id = WEIR_PRELU;
    if (i % 9 == 7)
        c.output_activation.id = WEIR_GELU;
    return c;
}

/* What goes in and out of a tape: room for doubles, which are floats where the tape's numbers are. */
struct arrays {
    size_t real, T, B, I, lanes, H, P, O;
    double x[MOST], h0[MOST], c0[MOST], y[MOST], hn[MOST], cn[MOST];
    double dx[MOST], dh0[MOST], dc0[MOST], dy[MOST], dhn[MOST], dcn[MOST];
    double weights[TENSORS][MOST / 8], gradients[TENSORS][MOST / 8];
    size_t count[TENSORS];
    const void *weight_list[TENSORS];
    void *gradient_list[TENSORS];
    uint32_t lengths[64];
    weir_tape_batch batch;
    weir_tape_gradients ends;
};

static double get(const struct arrays *a, const void *array, size_t i)
{
    return a->real == sizeof(double) ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static void set(const struct arrays *a, void *array, size_t i, double value)
{
    if (a->real == sizeof(double))
        ((double *)array)[i] = value;
    else
        ((float *)array)[i] = (float)value;
}

static void fill(const struct arrays *a, void *array, size_t n, double limit)
{
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++)
        set(a, array, i, real_in(limit));
}

static weir_tape *tape_of(const weir_config *c, weir_tape_config t)
{
    weir_tape *tape;
    weir_error err;
    if (weir_tape_new(&tape, c, &t, &err))
        fail_msg("%s", err.text);
    return tape;
}

/* Random numbers for a tape of this configuration, set as its weights too. */
static void fill_all(struct arrays *a, weir_tape *tape, const weir_config *c, size_t T, size_t B, bool with_lengths)
{
    size_t D = c->direction == WEIR_BOTH ? 2 : 1;
    memset(a, 0, sizeof *a);
    a->real = c->isa == WEIR_ISA_REF64 ? sizeof(double) : sizeof(float);
    a->T = T;
    a->B = B;
    a->I = c->inputs;
    a->H = c->hidden;
    a->lanes = c->layers * D;
    a->P = c->projection ? c->projection : c->hidden;
    a->O = D * a->P;
    fill(a, a->x, T * B * a->I, 1.5);
    fill(a, a->h0, a->lanes * B * a->P, 0.5);
    fill(a, a->c0, a->lanes * B * a->H, 0.5);
    fill(a, a->dy, T * B * a->O, 1);
    fill(a, a->dhn, a->lanes * B * a->P, 1);
    fill(a, a->dcn, a->lanes * B * a->H, 1);
    for (size_t i = 0; i < weir_tape_tensor_count(tape); i++) {
        weir_tensor w = weir_tape_tensor(tape, i);
        a->count[i] = (w.rows ? w.rows : 1) * w.cols;
        assert_true(i < TENSORS && a->count[i] <= MOST / 8);
        fill(a, a->weights[i], a->count[i], 0.6);
        a->weight_list[i] = a->weights[i];
        a->gradient_list[i] = a->gradients[i];
    }
    for (size_t r = 0; r < B; r++)
        a->lengths[r] = below((uint32_t)T + 1);
    a->lengths[B / 2] = (uint32_t)T;
    a->batch = (weir_tape_batch){.steps = T, .rows = B, .x = a->x, .h0 = a->h0, .c0 = a->c0, .seed = 5, .counter = 3};
    a->batch.lengths = with_lengths ? a->lengths : NULL;
    a->ends = (weir_tape_gradients){.dy = a->dy, .dhn = a->dhn, .dcn = a->dcn, .dx = a->dx, .dh0 = a->dh0, .dc0 = a->dc0};
    a->ends.tensors = a->gradient_list;
    assert_int_equal(weir_tape_weights(tape, a->weight_list, NULL, NULL), WEIR_OK);
}

static void forward(weir_tape *tape, struct arrays *a, const weir_parallel *parallel)
{
    weir_error err;
    if (weir_tape_forward(tape, &a->batch, a->y, a->hn, a->cn, parallel, &err))
        fail_msg("%s", err.text);
}

static void backward(weir_tape *tape, struct arrays *a, const weir_parallel *parallel)
{
    weir_error err;
    if (weir_tape_backward(tape, &a->ends, parallel, &err))
        fail_msg("%s", err.text);
}

/* ---- Differences ---- */

/* The loss whose gradients by y, hn and cn are dy, dhn and dcn. */
static double loss_of(weir_tape *tape, struct arrays *a)
{
    double sum = 0;
    forward(tape, a, NULL);
    for (size_t i = 0; i < a->T * a->B * a->O; i++)
        sum += a->y[i] * (a->ends.dy ? a->dy[i] : 0);
    for (size_t i = 0; i < a->lanes * a->B * a->P; i++)
        sum += a->hn[i] * (a->ends.dhn ? a->dhn[i] : 0);
    for (size_t i = 0; i < a->lanes * a->B * a->H; i++)
        sum += a->cn[i] * (a->ends.dcn ? a->dcn[i] : 0);
    return sum;
}

static double loss_at(weir_tape *tape, struct arrays *a, double *number, double value, bool weight)
{
    double before = *number;
    *number = value;
    if (weight)
        weir_tape_weights(tape, a->weight_list, NULL, NULL);
    double loss = loss_of(tape, a);
    *number = before;
    if (weight)
        weir_tape_weights(tape, a->weight_list, NULL, NULL);
    return loss;
}

/* Relative error of a gradient against central differences of fourth order. Corners make some differences wrong: a smaller step misses them. */
static double error_of(weir_tape *tape, struct arrays *a, double *number, double gradient, bool weight)
{
    double at = *number, least = INFINITY;
    for (double step = 1e-3; step > 0.5e-6 && !(least <= 1e-6); step /= 10) {
        double near = loss_at(tape, a, number, at + step, weight) - loss_at(tape, a, number, at - step, weight);
        double far = loss_at(tape, a, number, at + 2 * step, weight) - loss_at(tape, a, number, at - 2 * step, weight);
        double wanted = (8 * near - far) / (12 * step), size = fmax(fmax(fabs(gradient), fabs(wanted)), 1e-3);
        least = fmin(least, fabs(gradient - wanted) / size);
    }
    return least;
}

static double worst;
static size_t checked;

static void check_array(weir_tape *tape, struct arrays *a, const char *name, double *numbers, const double *gradient, size_t n,
                        bool weight)
{
    for (size_t i = 0; i < n; i++, checked++) {
        double e = error_of(tape, a, numbers + i, gradient[i], weight);
        worst = fmax(worst, e);
        if (!(e <= 1e-6))
            fail_msg("gradient of %s[%zu] is off by %.2g", name, i, e);
    }
}

static void every_gradient_equals_differences(void **state)
{
    (void)state;
    static struct arrays a;
    for (uint32_t i = 0; i < CONFIGS; i++) {
        seed = 1000000ull * i;
        weir_config c = config_number(i);
        uint32_t T = 2 + below(3), B = 1 + below(3);
        weir_tape *tape = tape_of(&c, (weir_tape_config){.steps = T, .rows = B, .dropout = i % 7 == 2 ? 0.4f : 0});
        fill_all(&a, tape, &c, T, B, i % 2);
        if (i % 10 == 3)
            a.ends.dy = NULL;
        if (i % 10 == 6)
            a.ends.dhn = a.ends.dcn = NULL;
        forward(tape, &a, NULL);
        backward(tape, &a, NULL);
        check_array(tape, &a, "x", a.x, a.dx, T * B * a.I, false);
        check_array(tape, &a, "h0", a.h0, a.dh0, a.lanes * B * a.P, false);
        check_array(tape, &a, "c0", a.c0, a.dc0, a.lanes * B * a.H, false);
        for (size_t p = 0; p < weir_tape_tensor_count(tape); p++)
            check_array(tape, &a, weir_tape_tensor(tape, p).name, a.weights[p], a.gradients[p], a.count[p], true);
        weir_tape_free(tape);
    }
    print_message("%d configurations, %zu gradients, largest relative error %.2g\n", CONFIGS, checked, worst);
}

/* ---- Beside the trainer ---- */

/* The gradient by the stack's outputs that a trainer's head came to, as the caller's dy. */
static void take_dy(const weir_trainer *t, struct arrays *a)
{
    size_t row = weir__columns_row(a->O);
    memset(a->dy, 0, sizeof a->dy);
    for (size_t r = 0; r < weir__head_rows(&t->work); r++) {
        size_t to = weir__caller_row(&t->work, r);
        if (to != SIZE_MAX)
            memcpy((char *)a->dy + to * a->O * a->real, (char *)t->head_d[0] + r * row * a->real, a->O * a->real);
    }
}

static weir_model *model_with(const struct arrays *a, weir_tape *tape, weir_config c, uint32_t outputs)
{
    static float numbers[TENSORS][MOST / 8];
    weir_tensor tensors[TENSORS];
    weir_model *seeded, *m;
    c.outputs = outputs;
    assert_int_equal(weir_model_new(&seeded, &c, NULL, 0, NULL), WEIR_OK);
    size_t n = weir_model_tensor_count(seeded);
    for (size_t i = 0; i < n; i++) {
        tensors[i] = weir_model_tensor(seeded, i);
        weir_model_weights(seeded, i, numbers[i]);
        tensors[i].data = numbers[i];
        for (size_t j = 0; i < weir_tape_tensor_count(tape) && j < a->count[i]; j++)
            numbers[i][j] = (float)get(a, a->weights[i], j);
    }
    weir_model_free(seeded);
    assert_int_equal(weir_model_new(&m, &c, tensors, n, NULL), WEIR_OK);
    return m;
}

static void to_floats(struct arrays *a, double *array, size_t n)
{
    for (size_t i = 0; i < n; i++)
        set(a, array, i, (double)(float)get(a, array, i));
}

static void a_tape_has_the_bits_of_a_trainer(void **state)
{
    (void)state;
    static struct arrays a;
    static float targets[MOST], x[MOST], h0[MOST], c0[MOST];
    for (uint32_t i = 0; i < 2 * 36; i++) {
        seed = 77000000ull + 1000000ull * i;
        weir_config c = config_number(i / 2);
        c.isa = i % 2 ? WEIR_ISA_BEST : WEIR_ISA_REF64;
        c.hidden += 7 * (i % 3); /* one panel or two */
        uint32_t T = 3 + below(6), B = 1 + below(9);
        weir_tape *tape = tape_of(&c, (weir_tape_config){.steps = T, .rows = B});
        fill_all(&a, tape, &c, T, B, i % 4 > 1);
        to_floats(&a, a.x, T * B * a.I);
        to_floats(&a, a.h0, a.lanes * B * a.P);
        to_floats(&a, a.c0, a.lanes * B * a.H);
        for (size_t p = 0; p < weir_tape_tensor_count(tape); p++)
            to_floats(&a, a.weights[p], a.count[p]);
        weir_tape_weights(tape, a.weight_list, NULL, NULL);
        for (size_t j = 0; j < MOST; j++) {
            targets[j] = (float)real_in(1);
            x[j] = (float)get(&a, a.x, j);
            h0[j] = (float)get(&a, a.h0, j);
            c0[j] = (float)get(&a, a.c0, j);
        }
        weir_model *m = model_with(&a, tape, c, 3);
        weir_trainer *t;
        assert_int_equal(weir_trainer_new(&t, m, &(weir_train_config){.rows = B, .steps = T}, NULL), WEIR_OK);
        weir_batch batch = {.steps = T, .rows = B, .x = x, .h0 = h0, .c0 = c0, .lengths = a.batch.lengths, .targets = targets};
        assert_int_equal(weir_trainer_backward(t, &batch, NULL, NULL), WEIR_OK);
        take_dy(t, &a);
        a.ends.dhn = a.ends.dcn = NULL;
        forward(tape, &a, NULL);
        backward(tape, &a, NULL);
        for (size_t p = 0; p < weir_tape_tensor_count(tape); p++)
            if (memcmp(a.gradients[p], (char *)t->gradient + t->net.params.list[p].offset * a.real, a.count[p] * a.real) != 0)
                fail_msg("configuration %u: the gradient of %s has other bits", i, t->net.params.list[p].name);
        weir_trainer_free(t);
        weir_model_free(m);
        weir_tape_free(tape);
    }
}

/* ---- Forward ---- */

static const weir_config wide = {.inputs = 20, .hidden = 37, .layers = 2, .direction = WEIR_BOTH, .projection = 9};
static const weir_config plain = {.inputs = 20, .hidden = 24, .layers = 3};

static void running_gives_what_a_model_gives(void **state)
{
    (void)state;
    static struct arrays a;
    static float y[MOST], hn[MOST], cn[MOST];
    for (int i = 0; i < 8; i++) {
        weir_config c = i % 2 ? wide : plain;
        weir_tape *tape = tape_of(&c, (weir_tape_config){.steps = 12, .rows = 7, .run_only = i / 2 % 2});
        fill_all(&a, tape, &c, 11, 5, i / 4);
        weir_model *m = model_with(&a, tape, c, 0);
        weir_batch batch = {
            .steps = 11, .rows = 5, .x = (float *)a.x, .h0 = (float *)a.h0, .c0 = (float *)a.c0, .lengths = a.batch.lengths};
        assert_int_equal(weir_model_run(m, &batch, y, hn, cn, NULL, NULL), WEIR_OK);
        forward(tape, &a, NULL);
        assert_memory_equal(a.y, y, 11 * 5 * a.O * sizeof *y);
        assert_memory_equal(a.hn, hn, a.lanes * 5 * a.P * sizeof *hn);
        assert_memory_equal(a.cn, cn, a.lanes * 5 * a.H * sizeof *cn);
        assert_int_equal(weir_tape_forward(tape, &a.batch, NULL, NULL, NULL, NULL, NULL), WEIR_OK);
        weir_model_free(m);
        weir_tape_free(tape);
    }
}

static void dropout_is_the_mask_of_its_seed(void **state)
{
    (void)state;
    static struct arrays a, b;
    weir_tape *tape = tape_of(&plain, (weir_tape_config){.steps = 9, .rows = 4, .dropout = 0.5f});
    weir_tape *running = tape_of(&plain, (weir_tape_config){.steps = 9, .rows = 4, .dropout = 0.5f, .run_only = true});
    fill_all(&a, tape, &plain, 9, 4, false);
    weir_tape_weights(running, a.weight_list, NULL, NULL);
    forward(tape, &a, NULL);
    b = a;
    b.batch.x = a.x;
    forward(running, &b, NULL);
    assert_memory_equal(a.y, b.y, sizeof a.y);
    b.batch.counter++;
    forward(tape, &b, NULL);
    assert_memory_not_equal(a.y, b.y, 9 * 4 * a.O * sizeof(float));
    b.batch.counter--;
    b.batch.seed++;
    forward(tape, &b, NULL);
    assert_memory_not_equal(a.y, b.y, 9 * 4 * a.O * sizeof(float));
    b.batch.seed--;
    forward(tape, &b, NULL);
    assert_memory_equal(a.y, b.y, sizeof a.y);
    weir_tape_free(tape);
    weir_tape_free(running);
}

static void rows_end_where_their_lengths_say(void **state)
{
    (void)state;
    static struct arrays a;
    weir_tape *tape = tape_of(&wide, (weir_tape_config){.steps = 6, .rows = 3});
    fill_all(&a, tape, &wide, 6, 3, true);
    a.lengths[0] = 0;
    a.lengths[1] = 6;
    a.lengths[2] = 2;
    forward(tape, &a, NULL);
    backward(tape, &a, NULL);
    for (size_t s = 0; s < 6; s++)
        for (size_t r = 0; r < 3; r++) {
            for (size_t j = 0; j < a.O; j++)
                assert_true((get(&a, a.y, (s * 3 + r) * a.O + j) == 0) == (s >= a.lengths[r]));
            for (size_t j = 0; j < a.I; j++)
                assert_true((get(&a, a.dx, (s * 3 + r) * a.I + j) == 0) == (s >= a.lengths[r]));
        }
    for (size_t lane = 0; lane < a.lanes; lane++) { /* without a step the final state is the initial one */
        for (size_t j = 0; j < a.P; j++)
            assert_true(get(&a, a.dh0, lane * 3 * a.P + j) == get(&a, a.dhn, lane * 3 * a.P + j));
        for (size_t j = 0; j < a.H; j++)
            assert_true(get(&a, a.dc0, lane * 3 * a.H + j) == get(&a, a.dcn, lane * 3 * a.H + j));
    }
    weir_tape_free(tape);
}

/* ---- What changes nothing ---- */

static void run_backwards(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    (void)ctx;
    while (n-- > 0)
        task(arg, n);
}

static void assert_same_results(const struct arrays *a, const struct arrays *b)
{
    assert_memory_equal(a->y, b->y, sizeof a->y);
    assert_memory_equal(a->dx, b->dx, sizeof a->dx);
    assert_memory_equal(a->dh0, b->dh0, sizeof a->dh0);
    assert_memory_equal(a->dc0, b->dc0, sizeof a->dc0);
    assert_memory_equal(a->gradients, b->gradients, sizeof a->gradients);
}

static void threads_room_and_earlier_batches_change_no_bit(void **state)
{
    (void)state;
    static struct arrays a, b;
    for (int i = 0; i < 8; i++) { /* of one thread to four: rows, units and, in the plain stack, layers are shared */
        weir_config c = i % 2 ? wide : plain;
        weir_parallel parallel = {.run = run_backwards, .threads = 1 + (unsigned)i / 2};
        weir_tape *tight = tape_of(&c, (weir_tape_config){.steps = 21, .rows = 5}),
                  *roomy = tape_of(&c, (weir_tape_config){.steps = 23, .rows = 8});
        fill_all(&b, roomy, &c, 23, 8, false); /* NaN everywhere, left behind in the roomy tape */
        for (size_t j = 0; j < 23 * 8 * b.I; j++)
            set(&b, b.x, j, NAN);
        forward(roomy, &b, NULL);
        backward(roomy, &b, NULL);
        assert_true(isnan(get(&b, b.y, 0)) && isnan(get(&b, b.gradients[0], 0)));
        fill_all(&a, tight, &c, 21, 5, i > 1);
        b = a;
        for (size_t p = 0; p < TENSORS; p++)
            b.gradient_list[p] = b.gradients[p];
        b.ends.dx = b.dx;
        b.ends.dh0 = b.dh0;
        b.ends.dc0 = b.dc0;
        b.ends.tensors = b.gradient_list;
        weir_tape_weights(roomy, a.weight_list, &parallel, NULL);
        forward(tight, &a, NULL);
        backward(tight, &a, NULL);
        forward(roomy, &b, &parallel);
        backward(roomy, &b, &parallel);
        assert_same_results(&a, &b);
        weir_tape_free(tight);
        weir_tape_free(roomy);
    }
}

static void what_is_not_wanted_changes_nothing_else(void **state)
{
    (void)state;
    static struct arrays a, b;
    weir_tape *tape = tape_of(&wide, (weir_tape_config){.steps = 7, .rows = 5});
    weir_tape *without = tape_of(&wide, (weir_tape_config){.steps = 7, .rows = 5, .no_input_gradient = true});
    fill_all(&a, tape, &wide, 7, 5, true);
    forward(tape, &a, NULL);
    backward(tape, &a, NULL);
    b = a;
    memset(b.dh0, 1, sizeof b.dh0);
    memset(b.gradients, 1, sizeof b.gradients);
    b.gradient_list[0] = NULL;
    for (size_t p = 1; p < TENSORS; p++)
        b.gradient_list[p] = b.gradients[p];
    b.ends = (weir_tape_gradients){.dy = a.dy, .dhn = a.dhn, .dcn = a.dcn, .dc0 = b.dc0, .tensors = b.gradient_list};
    weir_tape_weights(without, a.weight_list, NULL, NULL);
    forward(without, &b, NULL);
    backward(without, &b, NULL);
    assert_memory_equal(a.dc0, b.dc0, sizeof a.dc0);
    assert_true(((const char *)b.gradients[0])[0] == 1 && ((const char *)b.dh0)[0] == 1);
    for (size_t p = 1; p < weir_tape_tensor_count(tape); p++)
        assert_memory_equal(a.gradients[p], b.gradients[p], a.count[p] * a.real);
    b.ends.tensors = NULL;
    b.ends.dh0 = b.dh0;
    forward(without, &b, NULL);
    backward(without, &b, NULL);
    assert_memory_equal(a.dh0, b.dh0, a.lanes * a.B * a.P * a.real);
    weir_tape_free(tape);
    weir_tape_free(without);
}

/* ---- Memory and errors ---- */

struct budget {
    long left, live;
    size_t bytes;
};

static void *limited_alloc(void *ctx, size_t size, size_t align)
{
    struct budget *b = ctx;
    if (b->left-- <= 0)
        return NULL;
    b->live++;
    b->bytes += size;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void limited_free(void *ctx, void *p, size_t size)
{
    struct budget *b = ctx;
    b->live--;
    b->bytes -= size;
    free(p);
}

static void every_failing_allocation_ends_cleanly(void **state)
{
    (void)state;
    struct budget budget = {0};
    weir_allocator a = {limited_alloc, limited_free, &budget};
    weir_config c = wide;
    c.allocator = &a;
    c.candidate.id = WEIR_PRELU;
    weir_tape_config how = {.steps = 4, .rows = 3, .dropout = 0.1f};
    long limit = 0;
    for (weir_status status = WEIR_E_NOMEM; status; limit++) {
        weir_error err;
        weir_tape *tape = (weir_tape *)&budget;
        budget.left = limit;
        status = weir_tape_new(&tape, &c, &how, &err);
        if (status) {
            assert_int_equal(status, WEIR_E_NOMEM);
            assert_null(tape);
            assert_true(strlen(err.text) > 10);
        } else
            weir_tape_free(tape);
        assert_int_equal(budget.live, 0);
        budget.left = limit;
        weir_memory plan;
        assert_true(weir_tape_plan(&plan, &c, &how, &err) == WEIR_OK || plan.total == 0);
        assert_int_equal(budget.live, 0);
    }
    assert_true(limit > 10);
}

static void a_tape_takes_what_its_plan_says(void **state)
{
    (void)state;
    static struct arrays a;
    for (int i = 0; i < 16; i++) {
        struct budget budget = {.left = 1000};
        weir_allocator allocator = {limited_alloc, limited_free, &budget};
        weir_config c = i % 2 ? wide : plain;
        c.allocator = &allocator;
        weir_tape_config how = {
            .steps = 6, .rows = 5, .dropout = i & 2 ? 0.5f : 0, .run_only = i & 4, .no_input_gradient = i & 8};
        weir_memory plan;
        assert_int_equal(weir_tape_plan(&plan, &c, &how, NULL), WEIR_OK);
        assert_int_equal(budget.bytes, 0);
        weir_tape *tape = tape_of(&c, how);
        assert_int_equal(plan.total, budget.bytes);
        assert_int_equal(plan.total, plan.packed + plan.tape + plan.backward + plan.rest);
        assert_int_equal(weir_tape_memory(tape), budget.bytes);
        budget.left = 0; /* passes allocate nothing */
        fill_all(&a, tape, &c, 6, 5, true);
        forward(tape, &a, NULL);
        a.ends.dx = i & 8 ? NULL : a.dx;
        if (!how.run_only)
            backward(tape, &a, NULL);
        weir_tape_free(tape);
        assert_int_equal(budget.bytes, 0);
    }
}

static void refuse(weir_config c, weir_tape_config t, weir_status status, const char *word)
{
    weir_error err;
    weir_tape *tape = (weir_tape *)&err;
    weir_memory plan;
    assert_int_equal(weir_tape_new(&tape, &c, &t, &err), status);
    assert_null(tape);
    assert_non_null(strstr(err.text, word));
    assert_int_equal(weir_tape_plan(&plan, &c, &t, &err), status);
    assert_non_null(strstr(err.text, word));
}

static void bad_configurations_are_refused(void **state)
{
    (void)state;
    const weir_tape_config how = {.steps = 2, .rows = 2};
    const weir_config c = {.inputs = 2, .hidden = 3};
    weir_config bad = c;
    weir_tape_config t = how;
    bad.outputs = 1;
    refuse(bad, how, WEIR_E_ARGUMENT, "outputs");
    bad = c;
    bad.readout = WEIR_FINAL_STATE;
    refuse(bad, how, WEIR_E_ARGUMENT, "readout");
    bad = c;
    bad.weights = WEIR_WEIGHTS_BF16;
    refuse(bad, how, WEIR_E_UNSUPPORTED, "narrow");
    bad = c;
    bad.inputs = 0;
    refuse(bad, how, WEIR_E_ARGUMENT, "inputs");
    bad = c;
    bad.isa = WEIR_ISA_NEON;
    if (!weir_isa_available(WEIR_ISA_NEON))
        refuse(bad, how, WEIR_E_UNSUPPORTED, "neon");
    t.steps = 0;
    refuse(c, t, WEIR_E_ARGUMENT, "steps");
    t = how;
    t.rows = 0;
    refuse(c, t, WEIR_E_ARGUMENT, "rows");
    t = how;
    t.dropout = 1;
    refuse(c, t, WEIR_E_ARGUMENT, "dropout");
    t.dropout = NAN;
    refuse(c, t, WEIR_E_ARGUMENT, "dropout");
    t = how;
    t.reserved[3] = 1;
    refuse(c, t, WEIR_E_ARGUMENT, "reserved");
    t = (weir_tape_config){.steps = UINT32_MAX, .rows = UINT32_MAX};
    refuse(c, t, WEIR_E_NOMEM, "memory");
}

static void bad_calls_are_refused(void **state)
{
    (void)state;
    static struct arrays a;
    weir_error err;
    weir_tape *tape = tape_of(&plain, (weir_tape_config){.steps = 4, .rows = 3});
    weir_tape_batch one = {.steps = 1, .rows = 1, .x = a.x};
    assert_int_equal(weir_tape_forward(tape, &one, NULL, NULL, NULL, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "weights"));
    fill_all(&a, tape, &plain, 4, 3, true);
    assert_int_equal(weir_tape_backward(tape, &a.ends, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "forward"));
    forward(tape, &a, NULL);
    backward(tape, &a, NULL);
    assert_int_equal(weir_tape_backward(tape, &a.ends, NULL, &err), WEIR_E_ARGUMENT); /* it is used up */
    forward(tape, &a, NULL);
    weir_tape_weights(tape, a.weight_list, NULL, NULL);
    assert_int_equal(weir_tape_backward(tape, &a.ends, NULL, &err), WEIR_E_ARGUMENT); /* other weights now */
    const weir_tape_batch bad[] = {
        {.steps = 0, .rows = 3, .x = a.x}, {.steps = 4, .rows = 0, .x = a.x},
        {.steps = 5, .rows = 3, .x = a.x}, {.steps = 4, .rows = 4, .x = a.x},
        {.steps = 4, .rows = 3},           {.steps = 3, .rows = 3, .x = a.x, .lengths = a.lengths},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_tape_forward(tape, bad + i, a.y, NULL, NULL, NULL, &err), WEIR_E_ARGUMENT);
    a.weight_list[2] = NULL;
    assert_int_equal(weir_tape_weights(tape, a.weight_list, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "lstm.bias_ih_l0"));
    weir_tape_free(tape);
    weir_tape_free(NULL);

    tape = tape_of(&plain, (weir_tape_config){.steps = 4, .rows = 3, .run_only = true});
    fill_all(&a, tape, &plain, 4, 3, false);
    forward(tape, &a, NULL);
    assert_int_equal(weir_tape_backward(tape, &a.ends, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "run_only"));
    weir_tape_free(tape);
    tape = tape_of(&plain, (weir_tape_config){.steps = 4, .rows = 3, .no_input_gradient = true});
    fill_all(&a, tape, &plain, 4, 3, false);
    forward(tape, &a, NULL);
    assert_int_equal(weir_tape_backward(tape, &a.ends, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "no_input_gradient"));
    a.ends.dx = NULL; /* the forward pass still waits */
    backward(tape, &a, NULL);
    weir_tape_free(tape);
}

static void tokens_have_weights_gradients_alone(void **state)
{
    (void)state;
    static struct arrays a;
    static const uint32_t tokens[12] = {0, 1, 2, 3, 4, 5, 0, 2, 9, 1, 1, 0};
    weir_config c = {.tokens = 6, .hidden = 5, .isa = WEIR_ISA_REF64};
    weir_tape *tape = tape_of(&c, (weir_tape_config){.steps = 4, .rows = 3});
    weir_error err;
    fill_all(&a, tape, &c, 4, 3, true);
    a.batch.x = NULL;
    a.batch.tokens = tokens;
    forward(tape, &a, NULL);
    assert_int_equal(weir_tape_backward(tape, &a.ends, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "tokens"));
    a.ends.dx = NULL;
    backward(tape, &a, NULL);
    for (size_t p = 0; p < weir_tape_tensor_count(tape); p++)
        check_array(tape, &a, weir_tape_tensor(tape, p).name, a.weights[p], a.gradients[p], a.count[p], true);
    weir_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gradient_equals_differences),
        cmocka_unit_test(a_tape_has_the_bits_of_a_trainer),
        cmocka_unit_test(running_gives_what_a_model_gives),
        cmocka_unit_test(dropout_is_the_mask_of_its_seed),
        cmocka_unit_test(rows_end_where_their_lengths_say),
        cmocka_unit_test(threads_room_and_earlier_batches_change_no_bit),
        cmocka_unit_test(what_is_not_wanted_changes_nothing_else),
        cmocka_unit_test(every_failing_allocation_ends_cleanly),
        cmocka_unit_test(a_tape_takes_what_its_plan_says),
        cmocka_unit_test(bad_configurations_are_refused),
        cmocka_unit_test(bad_calls_are_refused),
        cmocka_unit_test(tokens_have_weights_gradients_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
