/* Training: optimisers, schedules, dropout, fitting by epochs, and every way to fail.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#include "../../src/train/trainer.h"
#include "tensors.h"

enum { T = 12, B = 4, MOST = 8192 };

static uint32_t noise = 3;

static float real(void)
{
    noise = noise * 1664525 + 1013904223;
    return (float)(noise >> 8) / 8388608 - 1;
}

static weir_model *model_of(weir_config c)
{
    weir_model *m;
    weir_error err;
    if (weir_model_new(&m, &c, NULL, 0, &err))
        fail_msg("%s", err.text);
    return m;
}

static weir_trainer *trainer_of(const weir_model *m, weir_train_config c)
{
    weir_trainer *t;
    weir_error err;
    c.rows = c.rows ? c.rows : B;
    c.steps = c.steps ? c.steps : T;
    if (weir_trainer_new(&t, m, &c, &err))
        fail_msg("%s", err.text);
    return t;
}

/* All weights of a trainer, one after the other. */
static size_t weights_of(const weir_trainer *t, float *out)
{
    weir_model *m;
    size_t n = 0;
    assert_int_equal(weir_trainer_model(t, &m, NULL, NULL), WEIR_OK);
    for (size_t i = 0; i < weir_model_tensor_count(m); i++) {
        weir_tensor w = weir_model_tensor(m, i);
        assert_true(n + numbers(&w) <= MOST);
        weir_model_weights(m, i, out + n);
        n += numbers(&w);
    }
    weir_model_free(m);
    return n;
}

/* ---- A tiny task: say the token of one step before ---- */

static uint32_t tokens[T * B], classes[T * B];

static int make_echo(void **state)
{
    (void)state;
    for (size_t i = 0; i < T * B; i++) {
        tokens[i] = (uint32_t)((real() + 1) * 2);
        classes[i] = i < B ? UINT32_MAX : tokens[i - B];
    }
    return 0;
}

static const weir_batch echo = {.steps = T, .rows = B, .tokens = tokens, .classes = classes};
static const weir_config echo_config = {.tokens = 4, .hidden = 16, .outputs = 4, .output = WEIR_SOFTMAX};

static double mean(weir_loss loss)
{
    return loss.sum / loss.weight;
}

static double train(weir_trainer *t, const weir_batch *b, int updates)
{
    weir_loss loss;
    weir_error err;
    for (int i = 0; i < updates; i++)
        if (weir_trainer_step(t, b, NULL, &err))
            fail_msg("update %d: %s", i, err.text);
    assert_int_equal(weir_trainer_evaluate(t, b, &loss, NULL), WEIR_OK);
    return mean(loss);
}

static void every_optimizer_overfits_a_tiny_task(void **state)
{
    (void)state;
    const weir_train_config ways[] = {
        {.optimizer = WEIR_ADAM, .rate = 0.02f},
        {.optimizer = WEIR_ADAMW, .rate = 0.02f, .weight_decay = 0.001f},
        {.optimizer = WEIR_RMSPROP, .rate = 0.01f},
        {.optimizer = WEIR_RMSPROP, .rate = 0.002f, .momentum = 0.9f},
        {.optimizer = WEIR_SGD, .rate = 0.3f, .momentum = 0.9f},
        {.optimizer = WEIR_ADAM, .rate = 0.03f, .schedule = WEIR_COSINE, .warmup = 20, .total_updates = 200},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        weir_model *m = model_of(echo_config);
        weir_trainer *t = trainer_of(m, ways[i]);
        weir_loss start;
        assert_int_equal(weir_trainer_evaluate(t, &echo, &start, NULL), WEIR_OK);
        assert_int_equal(start.count, (T - 1) * B);
        double end = train(t, &echo, 200);
        if (mean(start) < 1 || end > 0.05)
            fail_msg("way %zu: loss from %g to %g", i, mean(start), end);
        weir_trainer_free(t);
        weir_model_free(m);
    }
}

static void other_losses_are_overfitted_too(void **state)
{
    (void)state;
    float x[T * B * 2], targets[T * B * 2];
    for (int output = WEIR_LINEAR; output <= WEIR_NEGATIVE_BINOMIAL; output++)
        for (int readout = WEIR_EVERY_STEP; readout <= WEIR_FINAL_STATE; readout++) {
            if (output == WEIR_SOFTMAX)
                continue;
            for (size_t i = 0; i < T * B * 2; i++) {
                x[i] = real();
                targets[i] = output == WEIR_LOGISTIC ? (float)(x[i] > 0)
                             : i == 5                        ? NAN
                             : output == WEIR_NEGATIVE_BINOMIAL ? (float)(int)(20 + 20 * x[i])
                                                             : 0.5f * x[i];
            }
            weir_model *m = model_of((weir_config){
                .inputs = 2, .hidden = 16, .outputs = 2, .output = (weir_output)output, .readout = (weir_readout)readout});
            weir_trainer *t = trainer_of(m, (weir_train_config){.rate = output >= WEIR_GAUSSIAN ? 0.01f : 0.02f});
            weir_batch b = {.steps = T, .rows = B, .x = x, .targets = targets};
            weir_loss start;
            assert_int_equal(weir_trainer_evaluate(t, &b, &start, NULL), WEIR_OK);
            assert_int_equal(start.count, (readout ? B : T * B) * 2 - (output != WEIR_LOGISTIC));
            double end = train(t, &b, 250);
            if (!(output >= WEIR_GAUSSIAN ? end < mean(start) - 1 : end < 0.1 * mean(start)))
                fail_msg("output %d, readout %d: loss from %g to %g", output, readout, mean(start), end);
            weir_trainer_free(t);
            weir_model_free(m);
        }
}

static void a_negative_binomial_counts(void **state)
{
    (void)state;
    float x[3] = {0.5f, -0.5f, 1}, counts[3] = {4, NAN, 0}, halves[3] = {8, NAN, 0}, twos[3] = {2, 2, 2}, bad[] = {-1, 0.5f, INFINITY};
    weir_model *m = model_of((weir_config){.inputs = 1, .hidden = 4, .outputs = 1, .output = WEIR_NEGATIVE_BINOMIAL});
    weir_trainer *t = trainer_of(m, (weir_train_config){.rate = 0.01f});
    weir_batch b = {.steps = 3, .rows = 1, .x = x, .targets = counts};
    weir_error err;
    weir_loss plain, scaled;
    assert_int_equal(weir_trainer_evaluate(t, &b, &plain, &err), WEIR_OK);
    assert_int_equal(plain.count, 2);
    b.scales = twos;
    b.targets = halves;
    assert_int_equal(weir_trainer_evaluate(t, &b, &scaled, &err), WEIR_OK);
    assert_true(fabs(plain.sum - scaled.sum) > 1e-3); /* another mean, another count */
    for (size_t i = 0; i < 3; i++) {
        counts[2] = bad[i];
        b.targets = counts;
        assert_int_equal(weir_trainer_step(t, &b, NULL, &err), WEIR_E_ARGUMENT);
        assert_non_null(strstr(err.text, "negative binomial counts"));
    }
    counts[2] = 0;
    twos[0] = 0;
    assert_int_equal(weir_trainer_step(t, &b, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "scale 0 of row 0"));
    weir_trainer_free(t);
    weir_model_free(m);
}

static void distributions_train_to_the_same_bits_everywhere(void **state)
{
    (void)state;
    float x[T * B * 2], targets[T * B * 2], weights[2][MOST];
    for (size_t i = 0; i < T * B * 2; i++) {
        x[i] = real();
        targets[i] = (float)(int)(50 + 50 * x[i]);
    }
    for (int output = WEIR_STUDENT_T; output <= WEIR_NEGATIVE_BINOMIAL; output++) {
        size_t n = 0;
        for (int i = 0; i < 2; i++) {
            weir_model *m = model_of((weir_config){
                .inputs = 2, .hidden = 20, .outputs = 2, .output = (weir_output)output, .isa = i ? WEIR_ISA_BEST : WEIR_ISA_SCALAR});
            weir_trainer *t = trainer_of(m, (weir_train_config){.rate = 0.01f});
            train(t, &(weir_batch){.steps = T, .rows = B, .x = x, .targets = targets}, 20);
            n = weights_of(t, weights[i]);
            weir_trainer_free(t);
            weir_model_free(m);
        }
        assert_memory_equal(weights[0], weights[1], n * sizeof **weights);
    }
}

/* ---- Schedules ---- */

/* How far an update moves the weights. */
static double update_size(weir_trainer *t)
{
    static float before[MOST], after[MOST];
    size_t n = weights_of(t, before);
    double sum = 0;
    assert_int_equal(weir_trainer_step(t, &echo, NULL, NULL), WEIR_OK);
    weights_of(t, after);
    for (size_t i = 0; i < n; i++)
        sum += ((double)after[i] - (double)before[i]) * ((double)after[i] - (double)before[i]);
    return sqrt(sum);
}

static void the_cosine_schedule_warms_up_and_ends_at_0(void **state)
{
    (void)state;
    weir_model *m = model_of(echo_config);
    /* the gradient is clipped to norm 1e-3 at every update, so that a step is rate * 1e-3 long */
    weir_trainer *t = trainer_of(
        m, (weir_train_config){
               .optimizer = WEIR_SGD, .rate = 1, .clip = 1e-3f, .schedule = WEIR_COSINE, .warmup = 4, .total_updates = 12});
    for (int i = 0; i < 14; i++) {
        double rate = i < 4 ? (i + 1) / 4.0 : i < 12 ? 0.5 * (1 + cos(3.14159265358979 * (i - 4) / 8)) : 0;
        assert_true(fabs(update_size(t) - rate * 1e-3) < 2e-6);
    }
    weir_trainer_free(t);
    weir_model_free(m);
}

static void the_constant_schedule_is_constant_and_clip_holds(void **state)
{
    (void)state;
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){.optimizer = WEIR_SGD, .rate = 0.5f, .clip = 1e-3f});
    for (int i = 0; i < 5; i++)
        assert_true(fabs(update_size(t) - 0.5e-3) < 2e-6);
    weir_trainer_free(t);
    t = trainer_of(m, (weir_train_config){.optimizer = WEIR_SGD, .rate = 0.5f, .clip = INFINITY});
    assert_true(update_size(t) > 1e-2);
    weir_trainer_free(t);
    weir_model_free(m);
}

static void the_rate_can_be_set_between_updates(void **state)
{
    (void)state;
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){.optimizer = WEIR_SGD, .rate = 0.5f, .clip = 1e-3f});
    const float refused[] = {0, -1, NAN, INFINITY};
    assert_true(fabs(update_size(t) - 0.5e-3) < 2e-6);
    assert_int_equal(weir_trainer_set_rate(t, 0.125f, NULL), WEIR_OK);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(weir_trainer_set_rate(t, refused[i], NULL), WEIR_E_ARGUMENT);
    assert_true(fabs(update_size(t) - 0.125e-3) < 2e-6);
    weir_trainer_free(t);
    t = trainer_of(m, (weir_train_config){.optimizer = WEIR_SGD, .rate = 1, .clip = 1e-3f, .schedule = WEIR_COSINE, .warmup = 2, .total_updates = 4});
    assert_int_equal(weir_trainer_set_rate(t, 0.5f, NULL), WEIR_OK); /* what the schedule multiplies */
    assert_true(fabs(update_size(t) - 0.25e-3) < 2e-6);
    weir_trainer_free(t);
    weir_model_free(m);
}

static void a_cosine_without_an_end_is_refused(void **state)
{
    (void)state;
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){.schedule = WEIR_COSINE});
    weir_error err;
    assert_int_equal(weir_trainer_step(t, &echo, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "total_updates"));
    weir_trainer_free(t);
    weir_model_free(m);
}

/* ---- What changes and what does not ---- */

static void only_a_step_changes_the_weights(void **state)
{
    (void)state;
    static float start[MOST], now[MOST];
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){0});
    weir_loss a, b, c;
    size_t n = weights_of(t, start);
    assert_int_equal(n, weir_model_parameters(m));
    assert_int_equal(weir_trainer_evaluate(t, &echo, &a, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_evaluate(t, &echo, &b, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_backward(t, &echo, &c, NULL), WEIR_OK);
    assert_true(a.sum == b.sum && a.sum == c.sum && a.count == c.count);
    weights_of(t, now);
    assert_memory_equal(start, now, n * sizeof *now);
    assert_int_equal(weir_trainer_step(t, &echo, &b, NULL), WEIR_OK);
    assert_true(a.sum == b.sum); /* the loss before the update */
    weights_of(t, now);
    assert_memory_not_equal(start, now, n * sizeof *now);
    for (size_t i = 0, at = 0; i < weir_model_tensor_count(m); i++) { /* the model itself is untouched */
        weir_tensor w = whole_tensor(m, i);
        assert_memory_equal(w.data, start + at, numbers(&w) * sizeof *start);
        at += numbers(&w);
        free_tensor(w);
    }
    assert_true(weir_trainer_memory(t) > n * 4 * sizeof(float));
    weir_trainer_free(t);
    weir_model_free(m);
}

static void nothing_counted_gives_no_loss_and_no_gradient(void **state)
{
    (void)state;
    static const uint32_t none[T * B] = {[0] = 9};
    static uint32_t outside[T * B];
    for (size_t i = 0; i < T * B; i++)
        outside[i] = 4 + none[i];
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){0});
    weir_batch b = echo;
    b.classes = outside;
    weir_loss loss;
    float gradient[4 * 16 * 4];
    assert_int_equal(weir_trainer_backward(t, &b, &loss, NULL), WEIR_OK);
    assert_true(loss.count == 0 && loss.sum == 0);
    weir_trainer_gradient(t, 0, gradient);
    for (size_t i = 0; i < 4 * 16 * 4; i++)
        assert_true(gradient[i] == 0);
    weir_trainer_free(t);
    weir_model_free(m);
}

/* The caller's weights are copied; those of 1 change nothing, others what the loss and its mean count. */
static void class_weights_are_counted(void **state)
{
    (void)state;
    float w[4] = {1, 1, 1, 1};
    double count[4] = {0};
    weir_model *m = model_of(echo_config);
    weir_trainer *plain = trainer_of(m, (weir_train_config){0}), *same = trainer_of(m, (weir_train_config){.class_weights = w});
    w[0] = 0;
    w[1] = 2.5f;
    weir_trainer *t = trainer_of(m, (weir_train_config){.class_weights = w});
    w[1] = NAN;
    weir_loss by_plain, by_same, by;
    assert_int_equal(weir_trainer_evaluate(plain, &echo, &by_plain, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_evaluate(same, &echo, &by_same, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_evaluate(t, &echo, &by, NULL), WEIR_OK);
    for (size_t i = 0; i < T * B; i++)
        if (classes[i] < 4)
            count[classes[i]]++;
    assert_true(by_plain.sum == by_same.sum && by_plain.weight == (double)by_plain.count && by_same.weight == by_plain.weight);
    assert_int_equal(by.count, by_plain.count);
    assert_true(by.weight == 2.5 * count[1] + count[2] + count[3]);
    assert_true(by.sum != by_plain.sum);
    static float g[2][4 * 16 * 4];
    assert_int_equal(weir_trainer_backward(plain, &echo, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_backward(same, &echo, NULL, NULL), WEIR_OK);
    weir_trainer_gradient(plain, 0, g[0]);
    weir_trainer_gradient(same, 0, g[1]);
    assert_memory_equal(g[0], g[1], sizeof g[0]);
    weir_trainer_free(plain);
    weir_trainer_free(same);
    weir_trainer_free(t);
    weir_model_free(m);
}

/* Two halves with the state carried have the loss of the whole, and rows keep their own state. */
static void the_state_is_carried(void **state)
{
    (void)state;
    for (int layers = 1; layers <= 2; layers++) {
        weir_config c = echo_config;
        c.layers = (uint32_t)layers;
        c.projection = layers == 2 ? 5 : 0;
        weir_model *m = model_of(c);
        weir_trainer *t = trainer_of(m, (weir_train_config){0});
        weir_loss whole, first, second, cold;
        assert_int_equal(weir_trainer_evaluate(t, &echo, &whole, NULL), WEIR_OK);
        weir_batch b = {.steps = 5, .rows = B, .tokens = tokens, .classes = classes, .carry = true};
        weir_batch rest = {.steps = T - 5, .rows = B, .tokens = tokens + 5 * B, .classes = classes + 5 * B};
        b.carry = false;
        assert_int_equal(weir_trainer_evaluate(t, &b, &first, NULL), WEIR_OK);
        rest.carry = true;
        assert_int_equal(weir_trainer_evaluate(t, &rest, &second, NULL), WEIR_OK);
        rest.carry = false;
        assert_int_equal(weir_trainer_evaluate(t, &rest, &cold, NULL), WEIR_OK);
        assert_int_equal(first.count + second.count, whole.count);
        assert_true(fabs(first.sum + second.sum - whole.sum) < 1e-6 * whole.sum);
        assert_true(fabs(cold.sum - second.sum) > 1e-4);
        /* a training step carries too: a tiny rate leaves the weights as they are */
        weir_trainer_free(t);
        t = trainer_of(m, (weir_train_config){.optimizer = WEIR_SGD, .rate = 1e-20f});
        rest.carry = true;
        assert_int_equal(weir_trainer_step(t, &b, NULL, NULL), WEIR_OK);
        assert_int_equal(weir_trainer_step(t, &rest, &first, NULL), WEIR_OK);
        assert_true(first.sum == second.sum);
        weir_trainer_free(t);
        weir_model_free(m);
    }
}

static void input_that_is_not_finite_leaves_the_weights(void **state)
{
    (void)state;
    static float x[T * B], targets[T * B], before[MOST], after[MOST];
    weir_model *m = model_of((weir_config){.inputs = 1, .hidden = 8, .outputs = 1});
    weir_batch b = {.steps = T, .rows = B, .x = x, .targets = targets};
    for (size_t i = 0; i < T * B; i++) {
        x[i] = real();
        targets[i] = real();
    }
    const float broken[] = {NAN, INFINITY, 3e38f};
    for (size_t i = 0; i < 3; i++) {
        weir_trainer *t = trainer_of(m, (weir_train_config){0}), *twin = trainer_of(m, (weir_train_config){0});
        weir_error err;
        assert_int_equal(weir_trainer_step(t, &b, NULL, NULL), WEIR_OK);
        assert_int_equal(weir_trainer_step(twin, &b, NULL, NULL), WEIR_OK);
        size_t n = weights_of(t, before);
        float good = *(i == 2 ? &targets[7] : &x[7]);
        *(i == 2 ? &targets[7] : &x[7]) = broken[i];
        weir_status status = weir_trainer_step(t, &b, NULL, &err);
        *(i == 2 ? &targets[7] : &x[7]) = good;
        assert_int_equal(status, WEIR_E_NONFINITE);
        assert_non_null(strstr(err.text, "finite"));
        weights_of(t, after);
        assert_memory_equal(before, after, n * sizeof *after);
        /* nor has it touched the moments or the carried state: both go on alike */
        b.carry = true;
        assert_int_equal(weir_trainer_step(t, &b, NULL, NULL), WEIR_OK);
        assert_int_equal(weir_trainer_step(twin, &b, NULL, NULL), WEIR_OK);
        weights_of(t, before);
        weights_of(twin, after);
        assert_memory_equal(before, after, n * sizeof *after);
        b.carry = false;
        weir_trainer_free(t);
        weir_trainer_free(twin);
    }
    weir_model_free(m);
}

static void weight_decay_is_for_matrices_only(void **state)
{
    (void)state;
    static uint32_t outside[T * B];
    memset(outside, 0xff, sizeof outside);
    weir_config c = echo_config;
    c.init = WEIR_INIT_UNIFORM;
    c.init_scale = 0.5f;
    c.candidate.id = WEIR_PRELU;
    weir_model *m = model_of(c), *end;
    weir_trainer *t =
        trainer_of(m, (weir_train_config){.optimizer = WEIR_SGD, .rate = 0.5f, .weight_decay = 0.5f, .clip = INFINITY});
    weir_batch b = echo;
    b.classes = outside; /* no gradient: what changes is the decay */
    assert_int_equal(weir_trainer_step(t, &b, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_model(t, &end, NULL, NULL), WEIR_OK);
    for (size_t i = 0; i < weir_model_tensor_count(m); i++) {
        weir_tensor from = whole_tensor(m, i), to = whole_tensor(end, i);
        bool decays = strstr(from.name, "weight") != NULL;
        for (size_t j = 0; j < numbers(&from); j++)
            assert_true(fabsf(to.data[j] - from.data[j] * (decays ? 0.75f : 1.0f)) < 1e-7f);
        free_tensor(from);
        free_tensor(to);
    }
    weir_model_free(end);
    weir_trainer_free(t);
    weir_model_free(m);
}

/* ---- Dropout ---- */

static void dropout_follows_its_seed(void **state)
{
    (void)state;
    static float a[MOST], b[MOST];
    weir_config c = echo_config;
    c.layers = 2;
    weir_model *m = model_of(c);
    for (int i = 0; i < 3; i++) {
        weir_train_config one = {.dropout = 0.3f, .head_dropout = 0.2f}, two = one;
        two.seed = i == 2 ? 5 : 1;
        weir_trainer *t = trainer_of(m, one), *u = trainer_of(m, two);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(weir_trainer_step(t, &echo, NULL, NULL), WEIR_OK);
            if (i == 1)
                assert_int_equal(weir_trainer_evaluate(u, &echo, NULL, NULL), WEIR_OK); /* draws no random number */
            assert_int_equal(weir_trainer_step(u, &echo, NULL, NULL), WEIR_OK);
        }
        size_t n = weights_of(t, a);
        weights_of(u, b);
        assert_int_equal(memcmp(a, b, n * sizeof *a) == 0, i < 2);
        weir_trainer_free(t);
        weir_trainer_free(u);
    }
    weir_model_free(m);
}

/* Mean and variance of a dense layer's input after dropout, over many updates' masks. */
static void moments_of_dropout(bool selu, float rate, double *before, double *variance_before, double *after,
                               double *variance_after, double *dropped)
{
    enum { UNITS = 256, STEPS = 64, ROWS = 8 };
    static float x[STEPS * ROWS * 4], targets[STEPS * ROWS];
    for (size_t i = 0; i < STEPS * ROWS * 4; i++)
        x[i] = 3 * real();
    weir_activation first = {.id = selu ? WEIR_SELU : WEIR_SOFTPLUS};
    weir_model *m = model_of((weir_config){.inputs = 4,
                                           .hidden = 32,
                                           .dense_layers = 1,
                                           .init = WEIR_INIT_LECUN,
                                           .dense = {{.units = UNITS, .activation = first}},
                                           .outputs = 1,
                                           .output_activation = {.id = WEIR_IDENTITY}});
    weir_trainer *t = trainer_of(m, (weir_train_config){.rows = ROWS, .steps = STEPS, .head_dropout = rate, .rate = 1e-20f});
    weir_batch b = {.steps = STEPS, .rows = ROWS, .x = x, .targets = targets};
    assert_int_equal(weir_trainer_step(t, &b, NULL, NULL), WEIR_OK);
    const float *plain = t->work.head_y[0], *masked = t->work.head_in[1], *factor = t->work.head_factor[1];
    double sums[5] = {0}, n = (double)STEPS * ROWS * UNITS;
    for (size_t i = 0; i < (size_t)STEPS * ROWS * UNITS; i++) {
        sums[0] += (double)plain[i];
        sums[1] += (double)plain[i] * (double)plain[i];
        sums[2] += (double)masked[i];
        sums[3] += (double)masked[i] * (double)masked[i];
        sums[4] += factor[i] == 0;
    }
    *before = sums[0] / n;
    *variance_before = sums[1] / n - *before * *before;
    *after = sums[2] / n;
    *variance_after = sums[3] / n - *after * *after;
    *dropped = sums[4] / n;
    weir_trainer_free(t);
    weir_model_free(m);
}

static void dropout_keeps_the_mean(void **state)
{
    (void)state;
    double before, variance, after, variance_after, dropped;
    moments_of_dropout(false, 0.3f, &before, &variance, &after, &variance_after, &dropped);
    assert_true(fabs(dropped - 0.3) < 0.01);
    assert_true(before > 0.3 && fabs(after - before) < 0.02 * before);
    assert_true(variance_after > variance + 0.1 * before * before);
}

/* With mask q = 1 - p: mean a (q mu + p low) + b and variance a^2 (q var + p q (mu - low)^2), low = -1.7580993; this maps
 * mean 0, variance 1 to itself. */
static void alpha_dropout_keeps_mean_and_variance(void **state)
{
    (void)state;
    const double low = -1.7580993408473766;
    for (int i = 0; i < 3; i++) {
        float rate = (float[]){0.05f, 0.1f, 0.5f}[i];
        double p = (double)rate, q = 1 - p, mean_before, variance, after, variance_after, dropped;
        moments_of_dropout(true, rate, &mean_before, &variance, &after, &variance_after, &dropped);
        assert_true(fabs(dropped - p) < 0.01);
        const double a = (double[]){0.95484448, 0.92128452, 0.88640489}[i],
                     add = (double[]){0.08393557, 0.16197097, 0.77919393}[i];
        assert_true(fabs(after - (a * (q * mean_before + p * low) + add)) < 0.02);
        assert_true(fabs(variance_after - a * a * (q * variance + p * q * (mean_before - low) * (mean_before - low))) < 0.02);
    }
}

/* ---- Fitting ---- */

struct diary {
    int reports, epochs_done, stop_after; /* stop_after: reports, 0: never */
    double valid[64], rate[64];
    bool best[64];
};

static bool write_down(void *ctx, const weir_progress *now)
{
    struct diary *d = ctx;
    d->reports++;
    if (now->epoch_done && d->epochs_done < 64) {
        d->valid[d->epochs_done] = now->valid_loss;
        d->rate[d->epochs_done] = now->rate;
        d->best[d->epochs_done] = now->best;
        d->epochs_done++;
    }
    return d->reports != d->stop_after;
}

static weir_status get_echo(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)epoch;
    (void)index;
    (void)err;
    *batch = *(const weir_batch *)ctx;
    return WEIR_OK;
}

static uint32_t wrong[T * B];

/* Validation on the opposite of what is trained: it gets worse with each epoch after the first few. */
static weir_batch contrary(void)
{
    for (size_t i = 0; i < T * B; i++)
        wrong[i] = classes[i] < 4 ? (classes[i] + 1) % 4 : UINT32_MAX;
    weir_batch b = echo;
    b.classes = wrong;
    return b;
}

static void fitting_stops_early_and_keeps_the_best(void **state)
{
    (void)state;
    weir_batch train_batch = echo, valid_batch = contrary();
    weir_source source = {.batches = 10, .get = get_echo, .ctx = &train_batch},
                valid = {.batches = 1, .get = get_echo, .ctx = &valid_batch};
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){.rate = 0.01f});
    struct diary d = {0};
    weir_progress best;
    weir_fit fit = {.epochs = 40, .patience = 3, .train = &source, .valid = &valid, .report = write_down, .ctx = &d};
    assert_int_equal(weir_trainer_fit(t, &fit, &best, NULL), WEIR_OK);
    assert_true(d.epochs_done < 40);
    assert_int_equal(d.reports, d.epochs_done * 11);
    int least = 0;
    for (int e = 0; e < d.epochs_done; e++) {
        assert_int_equal(d.best[e], e == 0 || d.valid[e] < d.valid[least]);
        if (d.valid[e] < d.valid[least])
            least = e;
    }
    assert_int_equal(d.epochs_done, least + 4);
    assert_int_equal(best.epoch, least + 1);
    assert_true(best.valid_loss == d.valid[least]);
    weir_loss now;
    assert_int_equal(weir_trainer_evaluate(t, &valid_batch, &now, NULL), WEIR_OK);
    assert_true(mean(now) == best.valid_loss); /* the best weights are back */
    weir_trainer_free(t);
    weir_model_free(m);
}

static void the_plateau_schedule_halves_the_rate(void **state)
{
    (void)state;
    weir_batch train_batch = echo, valid_batch = contrary();
    weir_source source = {.batches = 5, .get = get_echo, .ctx = &train_batch},
                valid = {.batches = 1, .get = get_echo, .ctx = &valid_batch};
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){.rate = 0.02f, .schedule = WEIR_PLATEAU, .plateau = 3});
    struct diary d = {0};
    weir_fit fit = {.epochs = 20, .train = &source, .valid = &valid, .report = write_down, .ctx = &d};
    assert_int_equal(weir_trainer_fit(t, &fit, NULL, NULL), WEIR_OK);
    assert_int_equal(d.epochs_done, 20);
    double rate = (double)0.02f;
    int bad = 0, halved = 0;
    for (int e = 0; e < 20; e++) {
        assert_true(fabs(d.rate[e] - rate) < 1e-12);
        bad = d.best[e] ? 0 : bad + 1;
        if (bad == 3) {
            rate /= 2;
            halved++;
            bad = 0;
        }
    }
    assert_true(halved >= 3);
    weir_trainer_free(t);
    weir_model_free(m);
}

static void fitting_fills_in_the_end_of_the_cosine(void **state)
{
    (void)state;
    weir_batch b = echo;
    weir_source source = {.batches = 4, .get = get_echo, .ctx = &b};
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){.schedule = WEIR_COSINE});
    struct diary d = {0};
    weir_fit fit = {.epochs = 5, .train = &source, .report = write_down, .ctx = &d};
    assert_int_equal(weir_trainer_fit(t, &fit, NULL, NULL), WEIR_OK);
    for (int e = 0; e < 5; e++)
        assert_true(isnan(d.valid[e])); /* there is no validation */
    assert_true(d.rate[0] > d.rate[2] && d.rate[2] > d.rate[4] && d.rate[4] < 0.0002);
    weir_trainer_free(t);
    weir_model_free(m);
}

static void a_stop_in_the_first_epoch_keeps_the_newest_weights(void **state)
{
    (void)state;
    static float a[MOST], b[MOST];
    weir_batch batch = echo;
    weir_source source = {.batches = 10, .get = get_echo, .ctx = &batch};
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){0}), *by_hand = trainer_of(m, (weir_train_config){0});
    struct diary d = {.stop_after = 3};
    weir_fit fit = {.train = &source, .report = write_down, .ctx = &d};
    weir_progress best;
    assert_int_equal(weir_trainer_fit(t, &fit, &best, NULL), WEIR_OK);
    assert_int_equal(d.reports, 3);
    assert_int_equal(best.batch, 3);
    train(by_hand, &echo, 3);
    size_t n = weights_of(t, a);
    weights_of(by_hand, b);
    assert_memory_equal(a, b, n * sizeof *a);
    weir_trainer_free(t);
    weir_trainer_free(by_hand);
    weir_model_free(m);
}

static weir_status get_nothing(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    *batch = *(const weir_batch *)ctx;
    if (epoch < 2 || index < 1)
        return WEIR_OK;
    err->status = WEIR_E_IO;
    strcpy(err->text, "the disk is gone");
    return WEIR_E_IO;
}

static void a_source_that_fails_ends_the_fitting(void **state)
{
    (void)state;
    weir_batch batch = echo;
    weir_source source = {.batches = 3, .get = get_nothing, .ctx = &batch};
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){0});
    weir_error err;
    weir_fit fit = {.train = &source};
    assert_int_equal(weir_trainer_fit(t, &fit, NULL, &err), WEIR_E_IO);
    assert_string_equal(err.text, "the disk is gone");
    fit.train = NULL;
    assert_int_equal(weir_trainer_fit(t, &fit, NULL, &err), WEIR_E_ARGUMENT);
    weir_trainer_free(t);
    weir_model_free(m);
}

/* ---- Refusals ---- */

static void bad_training_configurations_are_refused(void **state)
{
    (void)state;
    static const float negative[] = {1, -1, 1, 1}, unbounded[] = {1, 0, 1, INFINITY};
    static const struct {
        weir_train_config config;
        const char *says;
    } bad[] = {
        {{.rows = 0, .steps = 1}, "rows"},
        {{.rows = 1, .steps = 0}, "steps"},
        {{.rows = 1, .steps = 1, .optimizer = (weir_optimizer)4}, "optimizer"},
        {{.rows = 1, .steps = 1, .schedule = (weir_schedule)3}, "schedule"},
        {{.rows = 1, .steps = 1, .rate = -1}, "rate"},
        {{.rows = 1, .steps = 1, .rate = NAN}, "rate"},
        {{.rows = 1, .steps = 1, .momentum = 1}, "momentum"},
        {{.rows = 1, .steps = 1, .beta1 = 1}, "beta1"},
        {{.rows = 1, .steps = 1, .beta2 = -0.5f}, "beta2"},
        {{.rows = 1, .steps = 1, .epsilon = -1}, "epsilon"},
        {{.rows = 1, .steps = 1, .weight_decay = -1}, "weight_decay"},
        {{.rows = 1, .steps = 1, .clip = -1}, "clip"},
        {{.rows = 1, .steps = 1, .clip = NAN}, "clip"},
        {{.rows = 1, .steps = 1, .dropout = 1}, "dropout"},
        {{.rows = 1, .steps = 1, .head_dropout = -0.1f}, "head_dropout"},
        {{.rows = 1, .steps = 1, .reserved = {1}}, "reserved"},
        {{.rows = 1, .steps = 1, .class_weights = negative}, "class_weights[1]"},
        {{.rows = 1, .steps = 1, .class_weights = unbounded}, "class_weights[3]"},
    };
    weir_model *m = model_of(echo_config), *headless = model_of((weir_config){.inputs = 1, .hidden = 2});
    weir_trainer *t;
    weir_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weir_status status = weir_trainer_new(&t, m, &bad[i].config, &err);
        if (status != WEIR_E_ARGUMENT || t || !strstr(err.text, bad[i].says))
            fail_msg("bad configuration %zu, which should be refused for \"%s\", gives %d: %s", i, bad[i].says, status, err.text);
    }
    weir_train_config good = {.rows = 1, .steps = 1};
    assert_int_equal(weir_trainer_new(&t, headless, &good, &err), WEIR_E_UNSUPPORTED);
    assert_null(t);
    weir_model *linear = model_of((weir_config){.inputs = 1, .hidden = 2, .outputs = 4});
    good.class_weights = unbounded;
    assert_int_equal(weir_trainer_new(&t, linear, &good, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "class_weights go with a softmax or a logistic output"));
    weir_model_free(m);
    weir_model_free(headless);
    weir_model_free(linear);
}

static void bad_batches_are_refused(void **state)
{
    (void)state;
    static const uint32_t too_long[B] = {T + 1};
    const struct {
        weir_batch batch;
        const char *says;
    } bad[] = {
        {{.steps = 0, .rows = B, .tokens = tokens, .classes = classes}, "steps"},
        {{.steps = T, .rows = 0, .tokens = tokens, .classes = classes}, "rows"},
        {{.steps = T + 1, .rows = B, .tokens = tokens, .classes = classes}, "steps"},
        {{.steps = T, .rows = B + 1, .tokens = tokens, .classes = classes}, "rows"},
        {{.steps = T, .rows = B, .classes = classes}, "tokens"},
        {{.steps = T, .rows = B, .tokens = tokens}, "classes"},
        {{.steps = T, .rows = B, .tokens = tokens, .classes = classes, .lengths = too_long}, "lengths[0]"},
        {{.steps = T, .rows = B - 1, .tokens = tokens, .classes = classes, .carry = true}, "rows"},
    };
    static float before[MOST], after[MOST];
    weir_model *m = model_of(echo_config);
    weir_trainer *t = trainer_of(m, (weir_train_config){0});
    assert_int_equal(weir_trainer_evaluate(t, &echo, NULL, NULL), WEIR_OK); /* so that there is something to carry */
    size_t n = weights_of(t, before);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weir_error err = {0};
        weir_status status = weir_trainer_step(t, &bad[i].batch, NULL, &err);
        if (status != WEIR_E_ARGUMENT || !strstr(err.text, bad[i].says))
            fail_msg("bad batch %zu, which should be refused for \"%s\", gives %d: %s", i, bad[i].says, status, err.text);
    }
    weights_of(t, after);
    assert_memory_equal(before, after, n * sizeof *after);
    weir_trainer_free(t);
    weir_model_free(m);
}

struct budget {
    long left, live; /* allocations until the failure; those not freed */
};

static void *limited_alloc(void *ctx, size_t size, size_t align)
{
    struct budget *b = ctx;
    if (b->left-- <= 0)
        return NULL;
    void *p = NULL;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size ? size : 1))
        return NULL;
    b->live++;
    return p;
}

static void limited_free(void *ctx, void *p, size_t size)
{
    (void)size;
    if (p)
        ((struct budget *)ctx)->live--;
    free(p);
}

static void every_failing_allocation_ends_cleanly(void **state)
{
    (void)state;
    struct budget budget = {0};
    weir_allocator a = {limited_alloc, limited_free, &budget};
    weir_model *m = model_of((weir_config){.tokens = 4,
                                           .hidden = 6,
                                           .projection = 3,
                                           .layers = 2,
                                           .direction = WEIR_BOTH,
                                           .gate = {.id = WEIR_PRELU},
                                           .dense_layers = 1,
                                           .dense = {{.units = 3, .activation = {.id = WEIR_PRELU}}},
                                           .outputs = 4,
                                           .output = WEIR_SOFTMAX,
                                           .notes = "text"});
    weir_train_config c = {.rows = B, .steps = T, .dropout = 0.1f, .head_dropout = 0.1f, .allocator = &a};
    weir_trainer *t = NULL;
    for (long n = 0; !t; n++) {
        budget.left = n;
        weir_error err;
        weir_status status = weir_trainer_new(&t, m, &c, &err);
        assert_true(n < 10000);
        assert_int_equal(status, t ? WEIR_OK : WEIR_E_NOMEM);
        if (!t)
            assert_int_equal(budget.live, 0);
    }
    long of_trainer = budget.live;
    budget.left = 0;
    assert_int_equal(weir_trainer_step(t, &echo, NULL, NULL), WEIR_OK); /* training itself needs no more memory */
    weir_model *made = NULL;
    for (long n = 0; !made; n++) {
        budget.left = n;
        weir_error err;
        weir_status status = weir_trainer_model(t, &made, "notes", &err);
        assert_true(n < 10000);
        assert_int_equal(status, made ? WEIR_OK : WEIR_E_NOMEM);
        if (!made)
            assert_int_equal(budget.live, of_trainer);
    }
    assert_string_equal(weir_model_config(made)->notes, "notes");
    weir_model_free(made);
    assert_int_equal(budget.live, of_trainer);
    weir_trainer_free(t);
    assert_int_equal(budget.live, 0);
    weir_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_optimizer_overfits_a_tiny_task),
        cmocka_unit_test(other_losses_are_overfitted_too),
        cmocka_unit_test(a_negative_binomial_counts),
        cmocka_unit_test(distributions_train_to_the_same_bits_everywhere),
        cmocka_unit_test(the_cosine_schedule_warms_up_and_ends_at_0),
        cmocka_unit_test(the_constant_schedule_is_constant_and_clip_holds),
        cmocka_unit_test(the_rate_can_be_set_between_updates),
        cmocka_unit_test(a_cosine_without_an_end_is_refused),
        cmocka_unit_test(only_a_step_changes_the_weights),
        cmocka_unit_test(nothing_counted_gives_no_loss_and_no_gradient),
        cmocka_unit_test(class_weights_are_counted),
        cmocka_unit_test(the_state_is_carried),
        cmocka_unit_test(input_that_is_not_finite_leaves_the_weights),
        cmocka_unit_test(weight_decay_is_for_matrices_only),
        cmocka_unit_test(dropout_follows_its_seed),
        cmocka_unit_test(dropout_keeps_the_mean),
        cmocka_unit_test(alpha_dropout_keeps_mean_and_variance),
        cmocka_unit_test(fitting_stops_early_and_keeps_the_best),
        cmocka_unit_test(the_plateau_schedule_halves_the_rate),
        cmocka_unit_test(fitting_fills_in_the_end_of_the_cosine),
        cmocka_unit_test(a_stop_in_the_first_epoch_keeps_the_newest_weights),
        cmocka_unit_test(a_source_that_fails_ends_the_fitting),
        cmocka_unit_test(bad_training_configurations_are_refused),
        cmocka_unit_test(bad_batches_are_refused),
        cmocka_unit_test(every_failing_allocation_ends_cleanly),
    };
    return cmocka_run_group_tests(tests, make_echo, NULL);
}
