/* Every weight's gradient against differences of the loss in the double reference, and float against double. ctest: full
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
enum { CONFIGS = 24 }; /* here only memory is looked at */
#else
enum { CONFIGS = 120 };
#endif
enum { MOST = 4096 };

/* ---- Random configurations ---- */

static uint64_t seed;

static uint32_t below(uint32_t n)
{
    weir__random r = {.key = 99};
    uint32_t words[4];
    weir__random_block(&r, seed++, words);
    return words[0] % n;
}

static float real_in(float limit)
{
    return ((float)below(20001) - 10000) / 10000 * limit;
}

static weir_activation any_activation(uint32_t i)
{
    uint32_t left = i;
    for (uint32_t id = 1;; id = id % (uint32_t)weir_activation_count() + 1)
        if (!weir_activation_get((weir_activation_id)id)->block && left-- == 0)
            return (weir_activation){.id = (weir_activation_id)id};
}

/* The first configurations go through all activations in each place, all outputs and all switches; the rest are mixed. */
static weir_config config_number(uint32_t i)
{
    weir_config c = {
        .layers = 1 + i % 3,
        .hidden = 2 + below(4),
        .direction = (weir_direction)(i / 3 % 3),
        .no_peepholes = i % 5 == 4,
        .no_forget_gate = i % 11 == 7,
        .coupled = i % 11 == 3,
        .outputs = 2 + below(2),
        .output = (weir_output)((i + i / 6) % 6),
        .readout = i % 7 == 2 ? WEIR_FINAL_STATE : WEIR_EVERY_STEP,
        .init = WEIR_INIT_UNIFORM,
        .init_scale = i % 3 ? 0.4f : 0.8f, /* gates without a bound would blow up under larger weights */
        .seed = i + 1,
        .isa = WEIR_ISA_REF64,
    };
    if (i % 6 == 1)
        c.tokens = 5;
    else
        c.inputs = 1 + below(3);
    if (i % 4 == 1)
        c.projection = 1 + below(c.hidden - 1);
    if (i % 8 == 3)
        c.activation_clip = 0.7f;
    if (i % 8 == 6)
        c.cell_clip = 0.3f;
    if (i % 3 != 0) {
        c.gate = any_activation(i);
        c.candidate = any_activation(i / 2);
        c.output_activation = any_activation(i / 4);
    }
    c.dense_layers = i % 3;
    for (uint32_t d = 0; d < c.dense_layers; d++)
        c.dense[d] = (weir_dense){.units = 2 + below(3), .activation = any_activation(i + 5 * d)};
    return c;
}

struct data {
    float x[MOST], h0[MOST], c0[MOST], targets[MOST], scales[MOST];
    uint32_t tokens[MOST], classes[MOST], lengths[16];
    weir_batch batch;
};

static void fill(struct data *d, const weir_config *c, uint32_t i)
{
    for (size_t j = 0; j < MOST; j++) {
        d->x[j] = real_in(1.5f);
        d->h0[j] = real_in(0.5f);
        d->c0[j] = real_in(0.5f);
        d->targets[j] = j % 13 == 5                           ? NAN
                        : c->output == WEIR_LOGISTIC          ? (float)below(2)
                        : c->output == WEIR_NEGATIVE_BINOMIAL ? (float)below(i % 7 ? 5 : 1000)
                                                              : real_in(i % 5 ? 1 : 20);
        d->scales[j] = 0.5f + (float)below(i % 7 ? 4 : 1000);
        d->tokens[j] = below(6); /* now and then one outside the vocabulary */
        d->classes[j] = below(c->outputs + (j % 9 == 0));
    }
    d->batch = (weir_batch){.steps = 2 + below(4), .rows = 1 + below(4), .targets = d->targets, .classes = d->classes};
    d->batch.scales = c->output == WEIR_NEGATIVE_BINOMIAL && i % 5 ? d->scales : NULL;
    for (size_t r = 0; r < d->batch.rows; r++)
        d->lengths[r] = below((uint32_t)d->batch.steps + 1);
    d->lengths[0] = (uint32_t)d->batch.steps;
    d->classes[0] = 0; /* something always counts */
    if (c->tokens)
        d->batch.tokens = d->tokens;
    else
        d->batch.x = d->x;
    if (i % 2)
        d->batch.lengths = d->lengths;
    if (i % 3) {
        d->batch.h0 = d->h0;
        d->batch.c0 = d->c0;
    }
}

static weir_trainer *trainer_of(const weir_config *c, const struct data *d)
{
    weir_error err;
    weir_model *model;
    weir_trainer *t;
    if (weir_model_new(&model, c, NULL, 0, &err))
        fail_msg("model: %s", err.text);
    static const float class_weights[] = {0.5f, 3, 1.25f};
    weir_train_config train = {.rows = (uint32_t)d->batch.rows, .steps = (uint32_t)d->batch.steps};
    if ((c->output == WEIR_SOFTMAX || c->output == WEIR_LOGISTIC) && c->seed % 3 == 0)
        train.class_weights = class_weights;
    if (weir_trainer_new(&t, model, &train, &err))
        fail_msg("trainer: %s", err.text);
    weir_model_free(model);
    return t;
}

/* ---- Differences ---- */

static double mean_loss_at(weir_trainer *t, const struct data *d, size_t weight, double value)
{
    weir_error err;
    weir_loss loss;
    double *w = (double *)t->weights + weight, before = *w;
    *w = value;
    weir__network_pack(&t->net, t->weights, NULL);
    if (weir_trainer_evaluate(t, &d->batch, &loss, &err))
        fail_msg("%s", err.text);
    *w = before;
    return loss.sum / loss.weight;
}

/* Central difference of fourth order. */
static double difference(weir_trainer *t, const struct data *d, size_t i, double step)
{
    double w = ((double *)t->weights)[i];
    double near = mean_loss_at(t, d, i, w + step) - mean_loss_at(t, d, i, w - step);
    double far = mean_loss_at(t, d, i, w + 2 * step) - mean_loss_at(t, d, i, w - 2 * step);
    return (8 * near - far) / (12 * step);
}

/* Relative error of one gradient. Activations with corners make some differences wrong: a smaller step then misses the corner. */
static double error_of(weir_trainer *t, const struct data *d, size_t i)
{
    double g = ((double *)t->gradient)[i], least = INFINITY;
    for (double step = 1e-3; step > 0.5e-6 && least > 1e-6; step /= 10) {
        double fd = difference(t, d, i, step), size = fmax(fmax(fabs(g), fabs(fd)), 1e-3);
        least = fmin(least, fabs(g - fd) / size);
    }
    return least;
}

static void gradients_equal_differences(void **state)
{
    (void)state;
    static struct data d;
    double worst = 0;
    size_t weights = 0;
    for (uint32_t i = 0; i < CONFIGS; i++) {
        seed = 1000000ull * i;
        weir_config c = config_number(i);
        fill(&d, &c, i);
        weir_trainer *t = trainer_of(&c, &d);
        weir_error err;
        if (weir_trainer_backward(t, &d.batch, NULL, &err))
            fail_msg("%s", err.text);
        for (size_t p = 0; p < t->net.params.count; p++)
            for (size_t j = 0; j < t->net.params.list[p].count; j++, weights++) {
                double e = error_of(t, &d, t->net.params.list[p].offset + j);
                worst = fmax(worst, e);
                if (!(e <= 1e-6))
                    fail_msg("configuration %u: gradient of %s[%zu] is off by %.2g", i, t->net.params.list[p].name, j, e);
            }
        weir_trainer_free(t);
    }
    print_message("%d configurations, %zu weights, largest relative error %.2g\n", CONFIGS, weights, worst);
}

/* ---- Float against double ---- */

static void float_is_near_double(void **state)
{
    (void)state;
    static struct data d;
    static float narrow[MOST], wide[MOST];
    double worst = 0;
    for (uint32_t i = 0; i < CONFIGS; i++) {
        seed = 1000000ull * i;
        weir_config c = config_number(i);
        fill(&d, &c, i);
        weir_trainer *reference = trainer_of(&c, &d);
        c.isa = WEIR_ISA_BEST;
        weir_trainer *t = trainer_of(&c, &d);
        weir_loss loss, wanted;
        assert_int_equal(weir_trainer_backward(reference, &d.batch, &wanted, NULL), WEIR_OK);
        assert_int_equal(weir_trainer_backward(t, &d.batch, &loss, NULL), WEIR_OK);
        assert_int_equal(loss.count, wanted.count);
        assert_true(fabs(loss.sum - wanted.sum) <= 2e-5 * (1 + fabs(wanted.sum)));
        double scale = 0, off = 0;
        for (size_t p = 0; p < t->net.params.count; p++) {
            weir_trainer_gradient(reference, p, wide);
            weir_trainer_gradient(t, p, narrow);
            for (size_t j = 0; j < t->net.params.list[p].count; j++) {
                scale = fmax(scale, fabs((double)wide[j]));
                off = fmax(off, fabs((double)wide[j] - (double)narrow[j]));
            }
        }
        worst = fmax(worst, off / (scale + 1e-3));
        if (off > 1e-4 * (scale + 1e-3)) /* cells with unbounded gates magnify rounding */
            fail_msg("configuration %u: float gradient is off by %.2g of %.2g", i, off, scale);
        weir_trainer_free(reference);
        weir_trainer_free(t);
    }
    print_message("largest float error of a gradient, relative to the largest: %.2g\n", worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_differences),
        cmocka_unit_test(float_is_near_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
