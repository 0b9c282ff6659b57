/* Today's learning, by weir_trainer, and the choice between it and the papers'.
 * SPDX-License-Identifier: MIT */
#include "learner.h"

#include <stdlib.h>
#include <string.h>

struct learner {
    classic *classic; /* or the rest */
    weir_trainer *trainer;
    weir_model *model; /* of the trainer's weights; NULL: not made since the last update */
    size_t weights;
    float *h, *c; /* of the last run: (B, H) */
    bool diverged;
};

/* Holds a gate (0: input, 3: output) at 1: no weights but a bias of 40, whose sigmoid is 1 and has no slope. */
static void open_gate(size_t gate, size_t hidden, const weir_tensor *t, float *data)
{
    bool bias = strncmp(t->name, "lstm.bias", 9) == 0;
    if (t->rows != 4 * hidden && !bias)
        return;
    size_t width = bias ? 1 : t->cols;
    for (size_t i = gate * hidden * width; i < (gate + 1) * hidden * width; i++)
        data[i] = bias ? 40 : 0;
}

/* The same model with gates that are always open. Their peepholes start at 0, and have no gradient. */
static weir_model *without_gates(weir_model *model, const learner_config *config)
{
    weir_error err;
    weir_tensor tensors[8];
    size_t count = weir_model_tensor_count(model);
    for (size_t i = 0; i < count; i++) {
        tensors[i] = weir_model_tensor(model, i);
        float *data = room((tensors[i].rows ? tensors[i].rows : 1) * tensors[i].cols, sizeof *data);
        weir_model_weights(model, i, data);
        if (config->no_input_gate)
            open_gate(0, config->model.hidden, tensors + i, data);
        if (config->no_output_gate)
            open_gate(3, config->model.hidden, tensors + i, data);
        tensors[i].data = data;
    }
    weir_model *changed;
    check(weir_model_new(&changed, weir_model_config(model), tensors, count, &err), &err);
    for (size_t i = 0; i < count; i++)
        free((void *)tensors[i].data);
    weir_model_free(model);
    return changed;
}

static void start_trainer(learner *l, const learner_config *config, uint64_t seed)
{
    weir_error err;
    weir_config c = config->model;
    c.seed = seed;
    check(weir_model_new(&l->model, &c, NULL, 0, &err), &err);
    l->weights = weir_model_parameters(l->model);
    if (config->no_input_gate || config->no_output_gate) {
        l->model = without_gates(l->model, config);
        l->weights -= config->model.hidden * (config->model.inputs + config->model.hidden + 1 + !config->model.no_peepholes);
    }
    check(weir_trainer_new(&l->trainer, l->model, &config->train, &err), &err);
    size_t states = (size_t)config->train.rows * config->model.hidden;
    l->h = room(states, sizeof *l->h);
    l->c = room(states, sizeof *l->c);
}

learner *learner_new(const learner_config *config, uint64_t seed)
{
    learner *l = room(1, sizeof *l);
    if (config->classic)
        l->classic = classic_new(config, seed);
    else
        start_trainer(l, config, seed);
    return l;
}

void learner_free(learner *l)
{
    classic_free(l->classic);
    weir_trainer_free(l->trainer);
    weir_model_free(l->model);
    free(l->h);
    free(l->c);
    free(l);
}

size_t learner_weights(const learner *l)
{
    return l->classic ? classic_weights(l->classic) : l->weights;
}

bool learner_diverged(const learner *l)
{
    return l->classic ? classic_diverged(l->classic) : l->diverged;
}

size_t learner_train(learner *l, const weir_batch *batch, judge *ends, void *ctx, float *y)
{
    if (l->classic)
        return classic_train(l->classic, batch, ends, ctx, y);
    if (y)
        learner_run(l, batch, y, NULL);
    weir_model_free(l->model);
    l->model = NULL;
    weir_error err;
    weir_loss loss;
    weir_status status = weir_trainer_step(l->trainer, batch, &loss, &err);
    if (status == WEIR_E_NONFINITE)
        l->diverged = true;
    else
        check(status, &err);
    return batch->steps;
}

void learner_run(learner *l, const weir_batch *batch, float *y, float *c)
{
    if (l->classic) {
        classic_run(l->classic, batch, y, c);
        return;
    }
    weir_error err;
    if (!l->model)
        check(weir_trainer_model(l->trainer, &l->model, NULL, &err), &err);
    weir_batch b = *batch;
    if (batch->carry) {
        b.h0 = l->h;
        b.c0 = l->c;
        b.carry = false;
    }
    check(weir_model_run(l->model, &b, y, l->h, l->c, NULL, &err), &err);
    if (c)
        for (size_t i = 0; i < batch->rows * weir_model_config(l->model)->hidden; i++)
            c[i] = l->c[i];
}
