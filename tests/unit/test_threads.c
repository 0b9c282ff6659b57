/* Few rows on many threads: a step's units are shared, or layers run side by side, and no bit changes.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

enum { STEPS = 21, MOST_ROWS = 2, INPUTS = 5 };

/* A hook that runs its tasks from the last to the first and counts the calls that had several. */
static size_t shared;

static void run_backwards(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    (void)ctx;
    shared += n > 1;
    while (n-- > 0)
        task(arg, n);
}

static weir_model *model_of(weir_config c)
{
    weir_model *m;
    weir_error err;
    if (weir_model_new(&m, &c, NULL, 0, &err))
        fail_msg("%s", err.text);
    return m;
}

static const float *inputs(void)
{
    static float x[STEPS * MOST_ROWS * INPUTS];
    uint32_t noise = 7;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)((noise = noise * 1664525 + 1013904223) >> 8) / (1 << 23) - 1;
    return x;
}

static const weir_config configs[] = {
    {.inputs = INPUTS, .hidden = 20, .layers = 2},
    {.inputs = INPUTS, .hidden = 20, .layers = 5},
    {.inputs = INPUTS, .hidden = 20, .layers = 3, .projection = 7, .outputs = 3},
    {.inputs = INPUTS, .hidden = 260},
    {.inputs = INPUTS, .hidden = 260, .direction = WEIR_REVERSE},
    {.inputs = INPUTS, .hidden = 260, .direction = WEIR_BOTH, .layers = 2},
    {.inputs = INPUTS, .hidden = 300, .projection = 250, .layers = 2},
    {.inputs = INPUTS, .hidden = 260, .layers = 2, .readout = WEIR_FINAL_STATE, .outputs = 2},
};
enum { CONFIGS = sizeof configs / sizeof *configs };

struct result {
    float y[STEPS * MOST_ROWS * 600], h[5 * MOST_ROWS * 300], c[5 * MOST_ROWS * 300];
};

static void run(const weir_model *m, uint32_t rows, const uint32_t *lengths, const weir_parallel *parallel, struct result *r)
{
    weir_error err;
    weir_batch b = {.steps = STEPS, .rows = rows, .x = inputs(), .lengths = lengths};
    memset(r, 0, sizeof *r);
    if (weir_model_run(m, &b, r->y, r->h, r->c, parallel, &err))
        fail_msg("%s", err.text);
}

static void runs_have_the_same_bits(void **state)
{
    (void)state;
    static struct result one, many;
    static const uint32_t lengths[MOST_ROWS] = {4, 19};
    for (size_t i = 0; i < CONFIGS; i++) {
        weir_model *m = model_of(configs[i]);
        for (uint32_t rows = 1; rows <= MOST_ROWS; rows++)
            for (unsigned threads = 2; threads <= 5; threads++) {
                weir_parallel pool = {run_backwards, NULL, threads};
                const uint32_t *some = threads % 2 ? lengths : NULL;
                run(m, rows, some, NULL, &one);
                run(m, rows, some, &pool, &many);
                if (memcmp(&one, &many, sizeof one) != 0)
                    fail_msg("configuration %zu, %u rows: %u threads change the result", i, (unsigned)rows, threads);
            }
        weir_model_free(m);
    }
}

static void steps_have_the_same_bits(void **state)
{
    (void)state;
    static float one[600], many[600];
    for (size_t i = 0; i < CONFIGS; i++) {
        if (configs[i].direction || configs[i].readout)
            continue;
        weir_model *m = model_of(configs[i]);
        weir_parallel pool = {run_backwards, NULL, 3};
        weir_stream *s, *t;
        size_t size = weir_stream_size(m, 1), bytes = weir_model_outputs(m) * sizeof *one;
        void *memory = malloc(2 * size);
        assert_int_equal(weir_stream_init(&s, memory, size, m, 1, NULL), WEIR_OK);
        assert_int_equal(weir_stream_init(&t, (char *)memory + size, size, m, 1, NULL), WEIR_OK);
        weir_stream_parallel(t, &pool);
        shared = 0;
        for (size_t step = 0; step < STEPS; step++) {
            weir_stream_step(s, inputs() + step * INPUTS, one);
            weir_stream_step(t, inputs() + step * INPUTS, many);
            assert_memory_equal(one, many, bytes);
        }
        assert_int_equal(shared > 0, configs[i].hidden >= 256); /* small layers stay on one thread */
        weir_stream_parallel(t, NULL);
        shared = 0;
        weir_stream_step(t, inputs(), many);
        assert_int_equal(shared, 0);
        free(memory);
        weir_model_free(m);
    }
}

/* The loss, and the gradients of all tensors one after another. */
static double gradient(const weir_model *m, uint32_t rows, const weir_parallel *parallel, float *out)
{
    weir_trainer *t;
    weir_loss loss;
    weir_error err;
    weir_train_config how = {.rows = rows, .steps = STEPS, .parallel = parallel};
    weir_batch b = {.steps = STEPS, .rows = rows, .x = inputs(), .targets = inputs()};
    if (weir_trainer_new(&t, m, &how, &err) || weir_trainer_backward(t, &b, &loss, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < weir_model_tensor_count(m); i++) {
        weir_tensor tensor = weir_model_tensor(m, i);
        weir_trainer_gradient(t, i, out);
        out += (tensor.rows ? tensor.rows : 1) * tensor.cols;
    }
    weir_trainer_free(t);
    return loss.sum;
}

static void gradients_have_the_same_bits(void **state)
{
    (void)state;
    static const weir_config trained[] = {
        {.inputs = INPUTS, .hidden = 20, .layers = 2, .outputs = INPUTS},
        {.inputs = INPUTS, .hidden = 20, .layers = 5, .projection = 7, .outputs = INPUTS},
        {.inputs = INPUTS, .hidden = 70, .layers = 3, .candidate = {.id = WEIR_PRELU}, .outputs = INPUTS},
        {.inputs = INPUTS, .hidden = 20, .layers = 2, .direction = WEIR_BOTH, .outputs = INPUTS},
    };
    for (size_t i = 0; i < sizeof trained / sizeof *trained; i++) {
        weir_model *m = model_of(trained[i]);
        size_t bytes = weir_model_parameters(m) * sizeof(float);
        float *one = malloc(bytes), *many = malloc(bytes);
        for (uint32_t rows = 1; rows <= MOST_ROWS; rows++)
            for (unsigned threads = 2; threads <= 5; threads++) {
                weir_parallel pool = {run_backwards, NULL, threads};
                double loss = gradient(m, rows, NULL, one);
                assert_true(gradient(m, rows, &pool, many) == loss);
                if (memcmp(one, many, bytes) != 0)
                    fail_msg("configuration %zu, %u rows: %u threads change the gradient", i, (unsigned)rows, threads);
            }
        free(one);
        free(many);
        weir_model_free(m);
    }
}

static void small_stacks_use_the_threads_layer_by_layer(void **state)
{
    (void)state;
    static struct result r;
    weir_parallel pool = {run_backwards, NULL, 2};
    weir_model *stack = model_of(configs[0]), *single = model_of((weir_config){.inputs = INPUTS, .hidden = 20});
    shared = 0;
    run(stack, 1, NULL, &pool, &r);
    assert_true(shared > 0);
    shared = 0;
    run(single, 1, NULL, &pool, &r);
    assert_int_equal(shared, 0);
    weir_model_free(stack);
    weir_model_free(single);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_have_the_same_bits),
        cmocka_unit_test(steps_have_the_same_bits),
        cmocka_unit_test(gradients_have_the_same_bits),
        cmocka_unit_test(small_stacks_use_the_threads_layer_by_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
