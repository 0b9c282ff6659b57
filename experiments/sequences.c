/* SPDX-License-Identifier: MIT */
#include "sequences.h"

#include <math.h>
#include <stdlib.h>

enum { RECENT = 2000, TESTED = 2560 };

/* A batch of sequences, and what a network says at their ends. */
typedef struct pupil {
    const sequence_task *task;
    learner *learner;
    size_t steps, rows, inputs, outputs;
    float *x, *targets, *y, *one; /* (T, B, I), (T, B, n) twice, (T, I) */
    uint32_t *lengths;
    float worst[64]; /* largest error of each row */
    double squares;  /* sum over rows and outputs */
} pupil;

static pupil pupil_new(const trial *row, uint64_t seed)
{
    const learner_config *c = &row->net;
    pupil p = {.task = row->task,
               .learner = learner_new(c, seed),
               .steps = c->train.steps,
               .rows = c->train.rows,
               .inputs = c->model.inputs,
               .outputs = c->model.outputs};
    p.x = room(p.steps * p.rows * p.inputs, sizeof *p.x);
    p.targets = room(p.steps * p.rows * p.outputs, sizeof *p.targets);
    p.y = room(p.steps * p.rows * p.outputs, sizeof *p.y);
    p.one = room(p.steps * p.inputs, sizeof *p.one);
    p.lengths = room(p.rows, sizeof *p.lengths);
    return p;
}

static void pupil_free(pupil *p)
{
    learner_free(p->learner);
    free(p->x);
    free(p->targets);
    free(p->y);
    free(p->one);
    free(p->lengths);
}

/* New sequences; the batch is as long as the longest. */
static weir_batch new_batch(pupil *p, draws *d)
{
    size_t B = p->rows, n = p->outputs, longest = 0;
    for (size_t i = 0; i < p->steps * B * n; i++)
        p->targets[i] = NAN;
    for (size_t r = 0; r < B; r++) {
        float target[64];
        size_t steps = p->task->make(p->task, d, p->one, target);
        for (size_t t = 0; t < steps; t++)
            for (size_t i = 0; i < p->inputs; i++)
                p->x[(t * B + r) * p->inputs + i] = p->one[t * p->inputs + i];
        for (size_t k = 0; k < n; k++)
            p->targets[((steps - 1) * B + r) * n + k] = target[k];
        p->lengths[r] = (uint32_t)steps;
        longest = steps > longest ? steps : longest;
    }
    return (weir_batch){.steps = longest, .rows = B, .x = p->x, .lengths = B == 1 ? NULL : p->lengths, .targets = p->targets};
}

static void mark(pupil *p)
{
    p->squares = 0;
    for (size_t r = 0; r < p->rows; r++) {
        size_t last = ((p->lengths[r] - 1) * p->rows + r) * p->outputs;
        p->worst[r] = 0;
        for (size_t k = 0; k < p->outputs; k++) {
            float error = fabsf(p->y[last + k] - p->targets[last + k]);
            p->worst[r] = error > p->worst[r] ? error : p->worst[r];
            p->squares += (double)error * (double)error;
        }
    }
}

/* ---- The last 2000 training sequences ---- */

typedef struct record {
    float worst[RECENT];
    uint64_t count;
} record;

static bool is_learned(const record *r, const sequence_task *task)
{
    if (r->count < RECENT)
        return false;
    unsigned missed = 0;
    double sum = 0;
    for (size_t i = 0; i < RECENT; i++) {
        missed += r->worst[i] > task->tolerance;
        sum += (double)r->worst[i];
    }
    return missed <= task->may_miss && sum / RECENT < task->mean_error;
}

/* True if what the last sequences showed is enough. */
static bool train_once(pupil *p, draws *d, record *r)
{
    weir_batch batch = new_batch(p, d);
    learner_train(p->learner, &batch, NULL, NULL, p->y);
    mark(p);
    bool all_right = true;
    for (size_t i = 0; i < p->rows; i++) {
        r->worst[r->count++ % RECENT] = p->worst[i];
        all_right &= p->worst[i] <= p->task->tolerance;
    }
    /* Counting is needed only now and then. */
    return (all_right || p->task->may_miss) && r->count % (p->rows * 10) == 0 && is_learned(r, p->task);
}

typedef struct result {
    unsigned wrong;
    double mean_square;
} result;

static result test(pupil *p, uint64_t seed)
{
    draws d = draws_of(seed, FOR_TEST);
    result r = {0, 0};
    for (size_t done = 0; done < TESTED; done += p->rows) {
        weir_batch batch = new_batch(p, &d);
        learner_run(p->learner, &batch, p->y, NULL);
        mark(p);
        r.mean_square += p->squares / (double)(TESTED * p->outputs);
        for (size_t i = 0; i < p->rows; i++)
            r.wrong += !(p->worst[i] <= p->task->tolerance);
    }
    return r;
}

outcome run_sequences(const trial *row, uint64_t seed, uint64_t budget)
{
    pupil p = pupil_new(row, seed);
    record *r = room(1, sizeof *r);
    draws d = draws_of(seed, FOR_TRAINING);
    outcome o = {.weights = learner_weights(p.learner)};
    while (r->count < budget && !o.solved && !learner_diverged(p.learner))
        o.solved = train_once(&p, &d, r);
    o.sequences = r->count;
    o.measure = test(&p, seed).wrong;
    free(r);
    pupil_free(&p);
    return o;
}

outcome run_for_error(const trial *row, uint64_t seed, uint64_t budget)
{
    pupil p = pupil_new(row, seed);
    draws d = draws_of(seed, FOR_TRAINING);
    outcome o = {.weights = learner_weights(p.learner)};
    for (; o.sequences < budget && !learner_diverged(p.learner); o.sequences += p.rows) {
        weir_batch batch = new_batch(&p, &d);
        learner_train(p.learner, &batch, NULL, NULL, NULL);
    }
    o.measure = test(&p, seed).mean_square;
    pupil_free(&p);
    return o;
}
