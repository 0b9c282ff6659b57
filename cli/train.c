/* weir train
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoints.h"
#include "cluster.h"
#include "progress.h"
#include "train.h"

typedef train_options options;

static const struct argp argp = {train_option_list, train_parse, "DATA...\n--resume CHECKPOINT",
                                 "Trains a stacked LSTM on a text or a CSV and writes the best model.", 0, 0, 0};

/* Of several processes the first one alone speaks of wrong usage. */
static void parse_options(int argc, char **argv, options *o)
{
    int silence = cluster_follows() ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (silence < 0) {
        argp_parse(&argp, argc, argv, 0, NULL, o);
        return;
    }
    int out = dup(STDOUT_FILENO), errors = dup(STDERR_FILENO);
    dup2(silence, STDOUT_FILENO);
    dup2(silence, STDERR_FILENO);
    argp_parse(&argp, argc, argv, 0, NULL, o);
    dup2(out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    close(silence);
    close(out);
    close(errors);
}

/* ---- Going on ---- */

/* Reads the options of a checkpoint, and those of the command line over them. */
static int take_up(options *o, stopped *s, int argc, char **argv)
{
    const char *path = o->resume;
    cluster *c = o->cluster;
    if (cluster_agree(c, stopped_open(s, path)))
        return FAILED;
    json_decref(o->arguments);
    *o = (options){.training = training_defaults(), .arguments = json_array(), .cluster = c, .resume = path};
    parse_options(s->argc, s->argv, o);
    o->going_on = true;
    parse_options(argc, argv, o);
    return DONE;
}

/* The network and the batches must be those of the checkpoint, which has the last word on all other settings. */
static int take_settings(training *t, const data *d, const stopped *s, const char *path)
{
    weir_checkpoint_info then;
    weir_checkpoint_get(s->checkpoint, &then);
    if (then.train->rows != t->train.rows || then.train->steps != t->train.steps || then.model->inputs != t->model.inputs ||
        then.model->tokens != t->model.tokens || then.model->outputs != t->model.outputs || then.now.batches != d->fit.train->batches)
        return complain("this weir makes another training of the options in %s than the one that wrote it; train anew, or go on with that weir",
                        path);
    weir_isa isa = t->model.isa;
    t->train = *then.train;
    t->model = *then.model;
    t->model.isa = isa;
    return DONE;
}

/* ---- Output ---- */

/* What is written at the end must be possible at the start, and must not be the data. */
static int check_outputs(const options *o)
{
    const char *outputs[] = {o->output, o->plot, o->checkpoints.path, o->log};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        if (!outputs[i])
            continue;
        if (training_spare_data(&o->training, outputs[i]) || (outputs[i] != o->log && check_output(outputs[i])))
            return FAILED;
    }
    return DONE;
}

char *train_default_output(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *point = strrchr(name, '.');
    size_t stem = point && point > name ? (size_t)(point - name) : strlen(name);
    char *output = malloc(stem + sizeof ".weir");
    if (!output) {
        complain("there is no memory left");
        return NULL;
    }
    snprintf(output, stem + sizeof ".weir", "%.*s.weir", (int)stem, name);
    weir_model *old = NULL;
    weir_error err;
    if (access(output, F_OK) == 0 && weir_model_load(&old, output, WEIR_ISA_BEST, NULL, &err)) {
        complain("%s is there and is no model of Weir; name another file with -o", output);
        free(output);
        return NULL;
    }
    weir_model_free(old);
    return output;
}

static int plot(const progress *p, const options *o)
{
    if (!p->epochs)
        return DONE;
    size_t length = strlen(o->output) + 16;
    char *beside = malloc(length);
    if (!beside)
        return complain("there is no memory left");
    snprintf(beside, length, "%s.loss.svg", o->output);
    char title[200];
    snprintf(title, sizeof title, "%s", o->output);
    for (char *c = title; *c; c++)
        if (*c == '"' || *c == '\\')
            *c = '_';
    int status = progress_plot(p, o->plot ? o->plot : beside, title);
    free(beside);
    return status;
}

/* ---- Training ---- */

typedef struct running {
    options *o;
    data *d;
    progress *p;
    weir_trainer *trainer;
    weir_progress best;
    bool usable; /* the trainer holds weights worth keeping, which it may even after a failure */
} running;

/* All processes bring what they have; the first one writes. */
static bool write_checkpoint(running *r)
{
    weir_error err;
    if (weir_trainer_gather(r->trainer, &err))
        return false;
    bool written = !cluster_leads(r->o->cluster) || checkpoints_write(&r->o->checkpoints, r->trainer, r->p) == DONE;
    cluster_speak(r->o->cluster);
    return written;
}

/* The first process's clock says for all when it is time for a checkpoint. */
static bool report(void *ctx, const weir_progress *now)
{
    running *r = ctx;
    bool go_on = progress_report(r->p, now), last = now->epoch_done && now->epoch == now->epochs;
    bool due = !now->epoch_done && checkpoints_due(&r->o->checkpoints) && go_on && !last;
    if (cluster_any(r->o->cluster, due && cluster_leads(r->o->cluster)))
        write_checkpoint(r);
    return go_on;
}

/* A signal to one process stops all of them; each then knows of it. */
static void share_interrupt(cluster *c)
{
    if (cluster_any(c, progress_interrupted() != 0) && !progress_interrupted())
        progress_interrupt(SIGTERM);
}

/* Writes a checkpoint, and a line on stderr with how to go on. */
static void say_how_to_go_on(running *r)
{
    checkpoints *c = &r->o->checkpoints;
    c->failed = false;
    bool written = write_checkpoint(r);
    if (!cluster_leads(r->o->cluster) || !c->ours)
        return;
    fprintf(stderr, "weir: to go on%s: weir train --resume ", written ? "" : " from an earlier batch");
    write_quoted(stderr, c->path);
    fputc('\n', stderr);
}

static int fit(running *r)
{
    weir_error err;
    r->d->fit.report = report;
    r->d->fit.ctx = r;
    progress_start(r->p);
    checkpoints_start(&r->o->checkpoints);
    weir_status status = weir_trainer_fit(r->trainer, &r->d->fit, &r->best, &err);
    progress_end(r->p);
    bool none = !r->best.epoch_done;
    r->usable = !status || !none;
    if (status) {
        complain("%s%s", err.text, none ? "" : "; the best model so far is kept");
        cluster_speak(r->o->cluster);
    } else
        share_interrupt(r->o->cluster);
    bool interrupted = !status && progress_interrupted();
    if (interrupted && cluster_leads(r->o->cluster))
        fprintf(stderr, "weir: interrupted; %s\n", none ? "no epoch was done: the weights so far are kept" : "the best model so far is kept");
    if (interrupted || status == WEIR_E_IO) /* what could not be read may be read another time */
        say_how_to_go_on(r);
    if (status)
        return FAILED;
    if (!interrupted)
        say(r->o->quiet, "best: epoch %u, train %.4f, valid %.4f", (unsigned)r->best.epoch, r->best.train_loss, r->best.valid_loss);
    return DONE;
}

/* The lines of what was picked, under one heading. */
static void say_picked(bool quiet, const char *lines)
{
    if (*lines)
        say(quiet, "picked, since no option says otherwise:");
    for (size_t n; *lines; lines += n + (lines[n] != 0)) {
        n = strcspn(lines, "\n");
        say(quiet, "    %.*s", (int)n, lines);
    }
}

static int find_rate(data *d, options *o, const weir_model *model)
{
    range *r = malloc(sizeof *r);
    int status = r ? training_find_rate(d, &o->training, model, r) : complain("there is no memory left");
    char sentence[256];
    if (status == DONE)
        say(o->quiet, "%s", range_sentence(r, (double)o->training.train.rate, sentence, sizeof sentence));
    free(r);
    return status;
}

static int save(running *r)
{
    const options *o = r->o;
    if (!r->usable)
        return FAILED;
    int saved = cluster_leads(o->cluster) ? training_save(r->d, &o->training, r->trainer, &r->best, o->output) : DONE;
    saved = cluster_agree(o->cluster, saved);
    if (saved == DONE)
        say(o->quiet, "model: %s", o->output);
    return saved;
}

static int new_trainer(running *r, weir_model **model)
{
    weir_error err;
    training *t = &r->o->training;
    if (weir_model_new(model, &t->model, NULL, 0, &err))
        return complain("%s", err.text);
    if (t->find_rate && find_rate(r->d, r->o, *model))
        return FAILED;
    return weir_trainer_new(&r->trainer, *model, &t->train, &err) ? complain("%s", err.text) : DONE;
}

static int resumed_trainer(running *r, const weir_checkpoint *from, weir_model **model)
{
    weir_error err;
    training *t = &r->o->training;
    weir_checkpoint_info info;
    weir_checkpoint_get(from, &info);
    t->train.rate = info.train->rate; /* which a range test may have found */
    bool failed = weir_trainer_resume(&r->trainer, from, t->model.isa, t->train.parallel, t->train.cluster, &err) != WEIR_OK ||
                  weir_trainer_model(r->trainer, model, NULL, &err) != WEIR_OK;
    return failed ? complain("%s", err.text) : DONE;
}

static void say_start(const running *r, const weir_model *model, const weir_checkpoint *from)
{
    const weir_config *c = weir_model_config(model);
    bool quiet = r->o->quiet;
    say(quiet, "model: %u x %u, %zu weights, %s; %.0f MiB to train", (unsigned)c->layers, (unsigned)c->hidden, weir_model_parameters(model),
        weir_isa_name(c->isa), (double)weir_trainer_memory(r->trainer) / 1048576);
    if (from) {
        weir_checkpoint_info info;
        weir_checkpoint_get(from, &info);
        say(quiet, "going on in epoch %u, after %zu of %zu batches", (unsigned)info.now.epoch, info.now.batch, info.now.batches);
    }
}

static int train(data *d, options *o, progress *p, const weir_checkpoint *from)
{
    weir_model *model = NULL;
    running r = {.o = o, .d = d, .p = p};
    bool leads = cluster_leads(o->cluster);
    threads pool = threads_start(cluster_threads(o->cluster, o->threads), false);
    if (pool.pool)
        o->training.train.parallel = &pool.parallel;
    o->training.train.cluster = cluster_of(o->cluster);
    say(o->quiet, "%s", d->summary);
    say_picked(o->quiet, d->picked);
    /* the model with which the trainer begins, or to which it has come */
    int status = cluster_agree(o->cluster, from ? resumed_trainer(&r, from, &model) : new_trainer(&r, &model));
    if (status == DONE) {
        say_start(&r, model, from);
        status = fit(&r);
    }
    if (save(&r))
        status = FAILED;
    weir_trainer_free(r.trainer);
    weir_model_free(model);
    threads_stop(&pool);
    if (status == DONE && !progress_interrupted() && leads)
        checkpoints_end(&o->checkpoints);
    if (status == DONE && leads)
        status = plot(p, o);
    return status == DONE && progress_interrupted() ? 128 + progress_interrupted() : status;
}

/* Opens the log and trains. */
static int run(data *d, options *o, const stopped *s)
{
    progress p = {.quiet = o->quiet, .symbols = d->symbols, .unit = d->unit};
    int status = DONE;
    if (s->checkpoint) {
        weir_checkpoint_info info;
        weir_checkpoint_get(s->checkpoint, &info);
        if (!progress_from_json(&p, json_object_get(s->notes, "progress"), &info.now))
            status = complain("%s does not say how the training went so far", o->resume);
    }
    if (status == DONE && o->log && cluster_leads(o->cluster))
        status = progress_open_log(&p, o->log, s->checkpoint != NULL);
    status = cluster_agree(o->cluster, status);
    if (status == DONE)
        status = train(d, o, &p, s->checkpoint);
    int closed = progress_close_log(&p, o->log);
    progress_free(&p);
    return status == DONE ? closed : status;
}

/* The data as they are now, which must be those of the training that goes on. */
static int describe_data(options *o, const stopped *s, json_t **described)
{
    o->checkpoints.data = *described = data_describe(o->training.paths, o->training.count);
    if (!*described)
        return FAILED;
    return s->checkpoint ? data_compare(json_object_get(s->notes, "data"), *described) : DONE;
}

/* All processes must read the same. */
static int share_data(options *o, const stopped *s, json_t **described)
{
    int status = cluster_agree(o->cluster, describe_data(o, s, described));
    return status == DONE ? cluster_agree(o->cluster, cluster_same_data(o->cluster, *described)) : status;
}

static int open_and_run(options *o, const stopped *s)
{
    data d = {0};
    json_t *described = NULL;
    o->training.reading = o->quiet ? NULL : progress_reading;
    int status = share_data(o, s, &described);
    if (status == DONE)
        status = cluster_agree(o->cluster, training_open(&d, &o->training));
    if (status == DONE)
        training_configure(&d, &o->training);
    if (status == DONE && s->checkpoint)
        status = take_settings(&o->training, &d, s, o->resume);
    if (status == DONE)
        status = run(&d, o, s);
    training_close(&d);
    json_decref(described);
    return status;
}

/* MODEL.checkpoint, unless named; every 10 minutes, unless told. *room: to be freed. */
static int plan_checkpoints(options *o, char **room)
{
    enum { DEFAULT_SECONDS = 600 };
    checkpoints *c = &o->checkpoints;
    size_t size = strlen(o->output) + sizeof ".checkpoint";
    *room = malloc(size);
    if (!*room)
        return complain("there is no memory left");
    snprintf(*room, size, "%s.checkpoint", o->output);
    c->path = o->checkpoint ? o->checkpoint : *room;
    c->arguments = o->arguments;
    if (!o->set_every)
        c->every = c->steps ? 0 : DEFAULT_SECONDS;
    c->ours = o->resume && same_file(o->resume, c->path);
    if (cluster_leads(o->cluster))
        checkpoints_tidy(c->path);
    if (!o->resume && access(c->path, F_OK) == 0)
        say(o->quiet, "%s is of a training that was stopped and will be written over; weir train --resume goes on with it", c->path);
    return strcmp(c->path, o->output) ? DONE : complain("%s cannot be both the model and its checkpoint", c->path);
}

static int check_shards(const options *o)
{
    const weir_cluster *c = cluster_of(o->cluster);
    if (c && !o->training.train.shards)
        return complain("%u processes need --shards N, with N at least %u: the result depends on N, but not on the processes that share them",
                        (unsigned)c->ranks, (unsigned)c->ranks);
    return DONE;
}

/* The data's name with .weir, unless named. *room: to be freed. */
static int plan_output(options *o, char **room)
{
    o->output = *room = train_default_output(o->training.paths[0]);
    if (!*room)
        return FAILED;
    say(o->quiet, "writing %s, since no -o names another file", o->output);
    return DONE;
}

/* By each of the processes. What one of them cannot do, none does: they agree on it. */
static int train_together(options *o, int argc, char **argv)
{
    stopped s = {0};
    char *room = NULL, *output = NULL;
    int status = o->resume ? take_up(o, &s, argc, argv) : DONE;
    o->quiet |= !cluster_leads(o->cluster);
    if (status == DONE && !o->output)
        status = plan_output(o, &output);
    if (status == DONE)
        status = cluster_agree(o->cluster, cluster_same_settings(o->cluster, o->arguments));
    if (status == DONE)
        status = check_shards(o);
    if (status == DONE)
        status = plan_checkpoints(o, &room);
    if (status == DONE)
        status = cluster_agree(o->cluster, cluster_leads(o->cluster) ? check_outputs(o) : DONE);
    if (status == DONE)
        status = open_and_run(o, &s);
    free(room);
    free(output);
    stopped_free(&s);
    return status;
}

int cmd_train(int argc, char **argv)
{
    cluster c;
    options o = {.training = training_defaults(), .arguments = json_array(), .cluster = &c};
    parse_options(argc, argv, &o);
    int status = cluster_start(&c, o.mpi);
    if (status == DONE) {
        status = train_together(&o, argc, argv);
        cluster_stop(&c);
    }
    json_decref(o.arguments);
    return status;
}
