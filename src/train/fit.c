/* Training by epochs: validation, plateau, early stopping, the best weights kept. Where a fit stands is in the trainer, so that one that
 * was stopped, or came out of a checkpoint, goes on at its next batch.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "trainer.h"

struct fitting {
    weir_trainer *t;
    const weir_fit *fit;
    bool stopped;
};

static bool report(struct fitting *f)
{
    if (f->fit->report && !f->fit->report(f->fit->ctx, &f->t->fit.now))
        f->stopped = true;
    return !f->stopped;
}

static double mean(weir_loss sum)
{
    return sum.count ? sum.sum / (double)sum.count : (double)NAN;
}

static void add(weir_loss *sum, weir_loss loss)
{
    sum->sum += loss.sum;
    sum->count += loss.count;
}

static weir_status get_batch(const struct fitting *f, const weir_source *source, size_t index, weir_batch *batch, weir_error *err)
{
    *batch = (weir_batch){0};
    return source->get(source->ctx, f->t->fit.now.epoch, index, batch, err);
}

static weir_status agree(struct fitting *f, weir_status status, weir_error *err)
{
    return weir_cluster_agree(&f->t->exchange.cluster, status, &f->stopped, err);
}

/* The batches that the epoch has left. Before each one, and after the last, all ranks agree whether to go on. */
static weir_status train(struct fitting *f, weir_error *err)
{
    struct weir__fit_state *at = &f->t->fit;
    for (;;) {
        weir_batch batch;
        weir_loss loss;
        bool over = at->now.batch == at->now.batches;
        TRY(agree(f, over || f->stopped ? WEIR_OK : get_batch(f, f->fit->train, at->now.batch, &batch, err), err));
        if (over || f->stopped)
            return WEIR_OK;
        TRY(weir_trainer_step(f->t, &batch, &loss, err));
        add(&at->sum, loss);
        at->now.batch++;
        at->now.train_loss = mean(at->sum);
        at->now.rate = weir__rate(f->t);
        report(f);
    }
}

static weir_status validate(struct fitting *f, weir_error *err)
{
    weir_loss sum = {0};
    for (size_t i = 0; i < f->fit->valid->batches; i++) {
        weir_batch batch;
        weir_loss loss;
        TRY(agree(f, get_batch(f, f->fit->valid, i, &batch, err), err));
        TRY(weir_trainer_evaluate(f->t, &batch, &loss, err));
        add(&sum, loss);
    }
    f->t->fit.now.valid_loss = mean(sum);
    return WEIR_OK;
}

static void judge(struct fitting *f)
{
    weir_trainer *t = f->t;
    struct weir__fit_state *at = &t->fit;
    double loss = f->fit->valid ? at->now.valid_loss : at->now.train_loss;
    at->now.best = loss < at->best_loss || (!at->any_best && loss == loss);
    at->since_best = at->now.best ? 0 : at->since_best + 1;
    if (at->now.best) {
        at->any_best = true;
        at->best_loss = loss;
        at->best = at->now;
        memcpy(t->best, t->weights, t->net.params.size * t->net.k->real_size);
    } else if (t->config.schedule == WEIR_PLATEAU && at->since_best % t->config.plateau == 0)
        t->plateau_factor *= 0.5;
}

static void begin_epoch(struct weir__fit_state *at)
{
    at->now.epoch++;
    at->now.batch = 0;
    at->now.valid_loss = (double)NAN;
    at->now.best = at->now.epoch_done = false;
    at->sum = (weir_loss){0};
}

static weir_status epoch(struct fitting *f, weir_error *err)
{
    struct weir__fit_state *at = &f->t->fit;
    if (at->now.epoch_done || !at->now.epoch)
        begin_epoch(at);
    TRY(train(f, err));
    if (f->stopped)
        return WEIR_OK;
    if (f->fit->valid)
        TRY(validate(f, err));
    at->now.epoch_done = true;
    judge(f);
    report(f);
    return agree(f, WEIR_OK, err);
}

static bool is_over(const struct fitting *f)
{
    const struct weir__fit_state *at = &f->t->fit;
    bool patient = !f->fit->patience || at->since_best < f->fit->patience;
    return (at->now.epoch_done || !at->now.epoch) && (at->now.epoch >= at->now.epochs || !patient);
}

/* ---- Stopping and going on ---- */

static void swap_best(weir_trainer *t)
{
    if (!t->fit.any_best)
        return;
    void *best = t->best;
    t->best = t->weights;
    t->weights = best;
    weir__network_pack(&t->net, t->weights, weir__trainer_parallel(t));
}

void weir__fit_pause(weir_trainer *t)
{
    weir__keep_state(t, false);
    t->paused_rows = t->carried_rows;
    swap_best(t);
    t->paused = true;
}

static void go_on(weir_trainer *t)
{
    t->carried_rows = t->paused_rows;
    weir__keep_state(t, true);
    swap_best(t);
    t->paused = false;
}

void weir__fit_forget(weir_trainer *t)
{
    t->fit = (struct weir__fit_state){0};
    t->paused = false;
}

static void begin(weir_trainer *t, const weir_fit *fit)
{
    weir_progress now = {.epochs = fit->epochs ? fit->epochs : 10, .batches = fit->train->batches};
    bool plans = t->config.schedule == WEIR_COSINE && !t->config.total_updates;
    weir__fit_forget(t);
    t->fit = (struct weir__fit_state){.begun = true, .planned = plans, .now = now, .best_loss = (double)INFINITY};
    if (plans)
        t->config.total_updates = t->updates + (uint64_t)now.epochs * now.batches;
}

/* A stopped fit takes other epochs where that changes no rate that was used. */
static weir_status accept(weir_trainer *t, const weir_fit *fit, weir_error *err)
{
    weir_progress *now = &t->fit.now;
    if (fit->train->batches != now->batches)
        return weir__fail(err, WEIR_E_ARGUMENT,
                          "the fit that is to go on has %zu batches an epoch, not %zu; set fresh to begin a new one",
                          now->batches, fit->train->batches);
    uint32_t epochs = fit->epochs ? fit->epochs : now->epochs;
    if (epochs != now->epochs && t->fit.planned)
        return weir__fail(err, WEIR_E_ARGUMENT, "the cosine schedule was planned for %u epochs and cannot go on with %u",
                          (unsigned)now->epochs, (unsigned)epochs);
    if (epochs < now->epoch)
        return weir__fail(err, WEIR_E_ARGUMENT, "the fit that is to go on is in epoch %u already, and cannot have %u epochs",
                          (unsigned)now->epoch, (unsigned)epochs);
    now->epochs = t->fit.best.epochs = epochs;
    return WEIR_OK;
}

static weir_status run(struct fitting *f, weir_error *err)
{
    weir_status status = WEIR_OK;
    f->t->fitting = true;
    while (!status && !f->stopped && !is_over(f))
        status = epoch(f, err);
    f->t->fitting = false;
    return status;
}

weir_status weir_trainer_fit(weir_trainer *t, const weir_fit *fit, weir_progress *best, weir_error *err)
{
    if (!fit->train || !fit->train->batches)
        return weir__fail(err, WEIR_E_ARGUMENT, "there are no batches to train on");
    if (t->paused && !fit->fresh) {
        TRY(accept(t, fit, err));
        go_on(t);
    } else
        begin(t, fit);
    struct fitting f = {.t = t, .fit = fit};
    weir_status status = run(&f, err);
    if (best)
        *best = t->fit.any_best ? t->fit.best : t->fit.now;
    if (status || f.stopped)
        weir__fit_pause(t);
    else {
        swap_best(t);
        weir__fit_forget(t);
    }
    return status ? status : weir__ok(err);
}
