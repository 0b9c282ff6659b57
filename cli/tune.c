/* weir tune
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "tune_command.h"
#include "tune_report.h"

/* ---- A trial ---- */

typedef struct search {
    tune_options *o;
    tune_log log;
    training base; /* as weir train would have it */
    enum task task;
    threads pool;
    double start; /* when this call began, less what calls before it spent */
    bool interrupted, late, terminal;
} search;

/* Whether the search has come to its end; says in `s` by what. */
static bool over(search *s)
{
    s->interrupted = progress_interrupted() != 0;
    s->late = progress_clock() - s->start > s->o->minutes * 60;
    return s->interrupted || s->late;
}

typedef struct watch {
    search *s;
    tune_trial *trial;
    bool redo; /* a trial that is in the log: it is run to the same end */
    bool cut;
} watch;

static void show(const search *s, const tune_trial *t, const weir_progress *now)
{
    if (s->terminal)
        fprintf(stderr, "\rtrial %u  epoch %u/%u  valid %.4f\033[K", (unsigned)t->number, (unsigned)now->epoch, (unsigned)now->epochs,
                now->valid_loss);
}

/* weir_fit.report */
static bool watch_trial(void *ctx, const weir_progress *now)
{
    watch *w = ctx;
    tune_trial *t = w->trial;
    w->cut = w->redo ? progress_interrupted() != 0 : over(w->s);
    if (!now->epoch_done || w->cut)
        return !w->cut;
    double *more = realloc(t->curve, (t->epochs + (size_t)1) * sizeof *more);
    if (!more) {
        w->cut = true;
        return false;
    }
    t->curve = more;
    t->curve[t->epochs++] = now->valid_loss;
    show(w->s, t, now);
    if (!w->redo)
        t->stopped = now->epoch < now->epochs && tune_poor(&w->s->log, t->curve, t->epochs, now->epochs);
    return !t->stopped;
}

typedef struct run {
    training training;
    data data;
    weir_model *model;
    weir_trainer *trainer;
    weir_progress best;
} run;

static void run_end(run *r)
{
    weir_trainer_free(r->trainer);
    weir_model_free(r->model);
    training_close(&r->data);
}

/* Opens the data and configures the training as the command of a trial says. */
static int run_begin(run *r, search *s, command *c, const tune_draw *draw)
{
    if (!command_make(c, s->o, draw))
        return complain("there is no memory left");
    r->training = command_settings(c);
    r->training.model.isa = s->o->train.training.model.isa;
    int status = training_open(&r->data, &r->training);
    if (status == DONE)
        training_configure(&r->data, &r->training);
    if (s->pool.pool)
        r->training.train.parallel = &s->pool.parallel;
    return status;
}

/* The model and its trainer; the rate too, where a range test finds it. */
static bool run_make(run *r, weir_error *err)
{
    if (weir_model_new(&r->model, &r->training.model, NULL, 0, err))
        return false;
    range test;
    if (r->training.find_rate && training_find_rate(&r->data, &r->training, r->model, &test) != DONE)
        return false;
    return weir_trainer_new(&r->trainer, r->model, &r->training.train, err) == WEIR_OK;
}

/* Trains; what came out is in the trial. A trial that cannot be trained has failed, which ends no search. */
static void run_fit(run *r, watch *w)
{
    weir_error err = {.text = "the range test failed"};
    tune_trial *t = w->trial;
    t->valid = t->train = (double)NAN;
    bool made = run_make(r, &err);
    tune_values(t->values, &r->training);
    if (!made) {
        snprintf(t->failed, sizeof t->failed, "%.199s", err.text);
        return;
    }
    r->data.fit.report = watch_trial;
    r->data.fit.ctx = w;
    weir_status status = weir_trainer_fit(r->trainer, &r->data.fit, &r->best, &err);
    t->valid = r->best.valid_loss;
    t->train = r->best.train_loss;
    t->best_epoch = r->best.epoch;
    if (status)
        snprintf(t->failed, sizeof t->failed, "%.199s", err.text);
    else if (!isfinite(t->valid))
        snprintf(t->failed, sizeof t->failed, "its validation loss is not a finite number");
}

static int save_if_best(search *s, run *r, tune_trial *t)
{
    const tune_trial *best = tune_log_best(&s->log);
    if (*t->failed || (best && best->number != t->number && best->valid <= t->valid))
        return DONE;
    int status = training_save(&r->data, &r->training, r->trainer, &r->best, s->o->train.output);
    json_t *file = status == DONE ? data_describe(&s->o->output, 1) : NULL;
    if (file)
        snprintf(t->model, sizeof t->model, "%s", json_string_value(json_object_get(json_array_get(file, 0), "sum")));
    json_decref(file);
    return status;
}

static void say_trial(const search *s, const tune_trial *t, bool best)
{
    if (s->terminal)
        fputs("\r\033[K", stderr);
    if (*t->failed) {
        say(s->o->train.quiet, "trial %u: failed: %s", (unsigned)t->number, t->failed);
        return;
    }
    char options_text[TUNE_ARGUMENTS * TUNE_ARGUMENT] = "the defaults";
    for (size_t i = 0, used = 0; i < t->draw.count; i++)
        used += (size_t)snprintf(options_text + used, sizeof options_text - used, "%s%s", i ? " " : "", t->draw.argument[i]);
    say(s->o->train.quiet, "trial %u: valid %.4f, epoch %u of %u, %.1f s%s%s: %s", (unsigned)t->number, t->valid, (unsigned)t->best_epoch,
        (unsigned)t->epochs, t->seconds, t->stopped ? ", stopped" : "", best ? ", best" : "", options_text);
}

/* Trains with a trial's settings, and writes the model if it is the best. */
static int try_settings(search *s, watch *w)
{
    run r = {0};
    command c;
    int status = run_begin(&r, s, &c, &w->trial->draw);
    if (status == DONE)
        run_fit(&r, w);
    if (status == DONE && !w->cut)
        status = save_if_best(s, &r, w->trial);
    run_end(&r);
    command_free(&c);
    return status;
}

/* Runs the next trial and logs it, the model first: a search that is killed between them does the trial once more, to the same model. */
static int run_trial(search *s)
{
    tune_trial t = {.number = (uint32_t)s->log.count};
    watch w = {.s = s, .trial = &t};
    double begin = progress_clock();
    tune_draw_trial(&t.draw, s->o->train.training.seed, t.number, s->task, &s->o->train.training, &s->base);
    int status = try_settings(s, &w);
    t.seconds = progress_clock() - begin;
    if (status != DONE || w.cut) {
        free(t.curve);
        return status == DONE ? tune_log_cut(&s->log, t.seconds) : status;
    }
    status = tune_log_add(&s->log, &t);
    if (status == DONE)
        say_trial(s, &t, tune_log_best(&s->log) && tune_log_best(&s->log)->number == t.number);
    return status;
}

/* ---- The search ---- */

/* What must be the same for a search to go on: the data, wherever they are, and the options. NULL after a complaint. */
static json_t *describe(const tune_options *o)
{
    const training *t = &o->train.training;
    json_t *files = data_describe(t->paths, t->count);
    if (!files)
        return NULL;
    for (size_t i = 0; i < t->count; i++)
        json_object_del(json_array_get(files, i), "path");
    return json_pack("{s:s, s:o, s:O}", "weir", weir_version(), "data", files, "options", o->train.arguments);
}

/* The settings that weir train would use, which also shows that the data can be used. */
static int find_base(search *s)
{
    run r = {0};
    command c;
    int status = run_begin(&r, s, &c, &(tune_draw){0});
    s->base = r.training;
    s->task = r.data.task;
    if (status == DONE)
        say(s->o->train.quiet, "%s", r.data.summary);
    run_end(&r);
    command_free(&c);
    return status;
}

/* Whether the file is the model that this trial wrote. */
static bool is_model_of(const tune_trial *t, char *path)
{
    json_t *file = access(path, R_OK) == 0 ? data_describe(&path, 1) : NULL;
    const char *sum = json_string_value(json_object_get(json_array_get(file, 0), "sum"));
    bool same = sum && strcmp(sum, t->model) == 0;
    json_decref(file);
    return same;
}

/* Trains the best trial again if its model is not where it was written. */
static int restore_best(search *s)
{
    const tune_trial *best = tune_log_best(&s->log);
    if (!best || is_model_of(best, s->o->output))
        return DONE;
    say(s->o->train.quiet, "%s is not the model of trial %u any more; it is trained again", s->o->train.output, (unsigned)best->number);
    tune_trial t = *best;
    t.curve = NULL;
    t.epochs = 0;
    watch w = {.s = s, .trial = &t, .redo = true};
    int status = try_settings(s, &w);
    free(t.curve);
    return status;
}

static char *with_ending(const char *name, const char *ending)
{
    size_t size = strlen(name) + strlen(ending) + 1;
    char *word = malloc(size);
    if (word)
        snprintf(word, size, "%s%s", name, ending);
    return word;
}

static int report(search *s)
{
    const tune_trial *best = tune_log_best(&s->log);
    if (!best)
        return complain(s->interrupted ? "interrupted before a trial was done; the same command begins again"
                        : s->late      ? "no trial was done in the time; give more --minutes, or fewer --epochs"
                                       : "no trial has succeeded; the log says why");
    int status = tune_print(&s->log);
    command c;
    bool made = command_make(&c, s->o, &best->draw);
    if (made && status == DONE) {
        printf("\n%s is the model of trial %u, validation loss %.4f. The same bytes again:\n", s->o->train.output, (unsigned)best->number,
               best->valid);
        command_print(&c);
        status = finish_output();
    }
    command_free(&c);
    char *picture = s->o->train.plot ? strdup(s->o->train.plot) : with_ending(s->o->train.output, ".tune.svg");
    if (status == DONE)
        status = picture ? tune_plot(&s->log, picture, s->o->train.quiet) : complain("there is no memory left");
    free(picture);
    return status;
}

static int run_search(search *s)
{
    tune_options *o = s->o;
    progress p = {.quiet = true};
    s->terminal = !o->train.quiet && isatty(STDERR_FILENO);
    s->start = progress_clock() - tune_log_seconds(&s->log);
    if (s->log.count)
        say(o->train.quiet, "going on after %zu trials in %.1f minutes", s->log.count, tune_log_seconds(&s->log) / 60);
    progress_start(&p);
    int status = DONE;
    while (status == DONE && s->log.count < o->trials && !over(s))
        status = run_trial(s);
    if (status == DONE && !progress_interrupted())
        status = restore_best(s);
    progress_end(&p);
    if (s->terminal)
        fputs("\r\033[K", stderr);
    if (status == DONE)
        status = report(s);
    if (!progress_interrupted())
        return status;
    say(false, "weir: interrupted; the same command goes on after %zu trials", s->log.count);
    return 128 + progress_interrupted();
}

static int search_settings(search *s)
{
    tune_options *o = s->o;
    char *log = o->train.log ? strdup(o->train.log) : with_ending(o->train.output, ".tune.jsonl");
    if (!log)
        return complain("there is no memory left");
    s->log.file = -1;
    const char *outputs[] = {o->train.output, o->train.plot, log};
    int status = DONE;
    for (size_t i = 0; status == DONE && i < sizeof outputs / sizeof *outputs; i++)
        status = outputs[i] ? training_spare_data(&o->train.training, outputs[i]) : DONE;
    if (status == DONE)
        status = check_output(o->train.output);
    if (status == DONE && o->train.plot)
        status = check_output(o->train.plot);
    if (status == DONE)
        status = find_base(s);
    if (status == DONE) {
        json_t *description = describe(o);
        status = description ? tune_log_open(&s->log, log, description) : FAILED;
        json_decref(description);
    }
    if (status == DONE)
        status = run_search(s);
    tune_log_close(&s->log);
    free(log);
    return status;
}

/* ---- The range test alone ---- */

static void print_range(const range *r, double rate)
{
    char sentence[256];
    printf("%10s  %10s\n", "rate", "loss");
    for (size_t i = 0; i < r->updates; i += 5)
        printf("%10.2g  %10.4f\n", r->rate[i], r->smooth[i]);
    printf("\n%s\n", range_sentence(r, rate, sentence, sizeof sentence));
}

static int test_range(search *s)
{
    const tune_options *o = s->o;
    run r = {0};
    command c;
    weir_error err;
    range test;
    int status = run_begin(&r, s, &c, &(tune_draw){0});
    if (status == DONE && weir_model_new(&r.model, &r.training.model, NULL, 0, &err))
        status = complain("%s", err.text);
    if (status == DONE)
        status = training_find_rate(&r.data, &r.training, r.model, &test);
    if (status == DONE) {
        print_range(&test, (double)r.training.train.rate);
        status = finish_output();
    }
    if (status == DONE && o->train.plot)
        status = range_plot(&test, o->train.plot, o->train.quiet);
    run_end(&r);
    command_free(&c);
    return status;
}

/* The name of the model; one that is never written for a range test. */
static char *find_output(const tune_options *o)
{
    if (!o->train.output && !o->range)
        return train_default_output(o->train.training.paths[0]);
    char *output = strdup(o->train.output ? o->train.output : "none.weir");
    if (!output)
        complain("there is no memory left");
    return output;
}

int cmd_tune(int argc, char **argv)
{
    tune_options o;
    tune_options_parse(&o, argc, argv);
    char *output = o.output = find_output(&o);
    int status = FAILED;
    if (output) {
        o.train.output = output;
        search s = {.o = &o, .pool = threads_start(o.train.threads, false)};
        status = o.range ? test_range(&s) : search_settings(&s);
        threads_stop(&s.pool);
    }
    tune_options_free(&o);
    free(output);
    return status;
}
