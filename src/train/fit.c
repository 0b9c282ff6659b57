/* Training by epochs: validation, plateau, early stopping, the best weights kept.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "trainer.h"

struct fitting {
    weir_trainer *t;
    const weir_fit *fit;
    weir_progress now, best;
    bool stopped, any_best;
    uint32_t since_best; /* epochs */
    double best_loss;
};

static bool report(struct fitting *f)
{
    if (f->fit->report && !f->fit->report(f->fit->ctx, &f->now))
        f->stopped = true;
    return !f->stopped;
}

static double mean(weir_loss sum)
{
    return sum.weight > 0 ? sum.sum / sum.weight : (double)NAN;
}

/* One pass over a source; trains, or only adds up the loss. */
static weir_status pass(struct fitting *f, const weir_source *source, bool train, weir_loss *sum, weir_error *err)
{
    *sum = (weir_loss){0};
    for (size_t i = 0; i < source->batches; i++) {
        weir_batch batch = {0};
        weir_loss loss;
        weir_status status = source->get(source->ctx, f->now.epoch, i, &batch, err);
        if (!status)
            status = train ? weir_trainer_step(f->t, &batch, &loss, err) : weir_trainer_evaluate(f->t, &batch, &loss, err);
        if (status)
            return status;
        sum->sum += loss.sum;
        sum->count += loss.count;
        sum->weight += loss.weight;
        if (!train)
            continue;
        f->now.batch = i + 1;
        f->now.train_loss = mean(*sum);
        f->now.rate = weir__rate(f->t);
        if (!report(f))
            break;
    }
    return WEIR_OK;
}

static void judge(struct fitting *f)
{
    weir_trainer *t = f->t;
    double loss = f->fit->valid ? f->now.valid_loss : f->now.train_loss;
    f->now.best = loss < f->best_loss || (!f->any_best && loss == loss);
    f->since_best = f->now.best ? 0 : f->since_best + 1;
    if (f->now.best) {
        f->any_best = true;
        f->best_loss = loss;
        f->best = f->now;
        memcpy(t->best, t->weights, t->net.params.size * t->net.k->real_size);
    } else if (t->config.schedule == WEIR_PLATEAU && f->since_best % t->config.plateau == 0)
        t->plateau_factor *= 0.5;
}

static weir_status epoch(struct fitting *f, weir_error *err)
{
    weir_loss train, valid;
    f->now.valid_loss = (double)NAN;
    f->now.best = f->now.epoch_done = false;
    weir_status status = pass(f, f->fit->train, true, &train, err);
    if (status || f->stopped)
        return status;
    if (f->fit->valid) {
        status = pass(f, f->fit->valid, false, &valid, err);
        if (status)
            return status;
        f->now.valid_loss = mean(valid);
    }
    f->now.epoch_done = true;
    judge(f);
    report(f);
    return WEIR_OK;
}

weir_status weir_trainer_fit(weir_trainer *t, const weir_fit *fit, weir_progress *best, weir_error *err)
{
    if (!fit->train || !fit->train->batches)
        return weir__fail(err, WEIR_E_ARGUMENT, "there are no batches to train on");
    struct fitting f = {.t = t, .fit = fit, .best_loss = (double)INFINITY};
    f.now.epochs = fit->epochs ? fit->epochs : 10;
    f.now.batches = fit->train->batches;
    if (t->config.schedule == WEIR_COSINE && !t->config.total_updates)
        t->config.total_updates = t->updates + (uint64_t)f.now.epochs * f.now.batches;
    weir_status status = WEIR_OK;
    for (uint32_t e = 1; e <= f.now.epochs && !status && !f.stopped; e++) {
        f.now.epoch = e;
        status = epoch(&f, err);
        if (fit->patience && f.since_best >= fit->patience)
            break;
    }
    if (f.any_best) {
        memcpy(t->weights, t->best, t->net.params.size * t->net.k->real_size);
        weir__network_pack(&t->net, t->weights, weir__trainer_parallel(t));
    }
    if (best)
        *best = f.any_best ? f.best : f.now;
    return status ? status : weir__ok(err);
}
