/* SPDX-License-Identifier: MIT */
#include "training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "defaults.h"

/* ---- Settings ---- */

const char *const task_names[] = {"guess", "text", "series", "labels", NULL};

/* Options for which 0 is a wish, not the default, are NOT_GIVEN until they are given. */
enum { NOT_GIVEN = -1 };

training training_defaults(void)
{
    training t = {.seed = 1};
    t.train.dropout = t.train.head_dropout = t.train.weight_decay = NOT_GIVEN;
    t.train.schedule = (weir_schedule)NOT_GIVEN;
    return t;
}

/* ---- The data of a task ---- */

static bool is_csv(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcasecmp(path + n - 4, ".csv") == 0;
}

static weir_status open_table(data *d, const training *t, weir_error *err)
{
    weir_status status = table_read(&d->table, t->paths[0], err);
    if (status)
        return status;
    if (d->task == TASK_GUESS)
        d->task = labels_match(d->table, &t->labels) ? TASK_LABELS : TASK_SERIES;
    if (d->task == TASK_LABELS)
        return labels_open(&d->labels, d->table, &t->labels, err);
    return series_open(&d->series, d->table, &t->series, err);
}

/* Bytes of the files that train; 0 if that cannot be told before they are read. */
static double training_bytes(const training *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct stat st;
        if (stat(t->paths[i], &st) || !S_ISREG(st.st_mode))
            return 0;
        sum += (double)st.st_size;
    }
    return sum * (t->split > 0 ? t->split : 0.9);
}

int training_spare_data(const training *t, const char *file)
{
    for (size_t i = 0; i < t->count; i++)
        if (same_file(file, t->paths[i]))
            return complain("%s is the data; it is not overwritten", file);
    return DONE;
}

int training_open(data *d, training *t)
{
    weir_error err = {0};
    d->given = *t;
    d->task = t->task;
    if (d->task == TASK_GUESS && !is_csv(t->paths[0]))
        d->task = TASK_TEXT;
    if (d->task == TASK_TEXT)
        defaults_text(t, training_bytes(t));
    t->series.split = t->labels.split = t->split;
    t->series.steps = t->steps;
    t->series.batch = t->labels.batch = t->batch;
    t->series.seed = t->labels.seed = t->model.seed = t->train.seed = t->seed;
    if (d->task != TASK_TEXT && t->count > 1)
        return complain("a CSV is trained on alone; %zu files were named", t->count);
    weir_status status = d->task == TASK_TEXT
                             ? text_open(&d->text, t->paths, t->count, &(text_options){t->split, t->batch, t->steps, t->reading}, &err)
                             : open_table(d, t, &err);
    if (status)
        return complain("%s", err.text);
    if (d->task != TASK_LABELS && t->model.direction != WEIR_FORWARD)
        return complain("--direction %s would show the network the future; only labelled sequences allow it",
                        direction_names[t->model.direction]);
    return DONE;
}

/* What neither an option nor the task has set. */
static void settle(weir_train_config *c)
{
    float *const settings[] = {&c->dropout, &c->head_dropout, &c->weight_decay};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (*settings[i] < 0)
            *settings[i] = 0;
    if ((int)c->schedule == NOT_GIVEN)
        c->schedule = WEIR_CONSTANT;
}

void training_configure(data *d, training *t)
{
    d->fit = (weir_fit){.epochs = t->epochs, .patience = t->patience};
    if (d->task == TASK_TEXT) {
        text_configure(d->text, &t->model, &t->train, &d->fit);
        d->symbols = text_symbols(d->text);
        d->summary = text_summary(d->text);
        d->unit = "characters";
    } else if (d->task == TASK_SERIES) {
        series_configure(d->series, &t->model, &t->train, &d->fit);
        d->summary = series_summary(d->series);
    } else {
        labels_configure(d->labels, &t->model, &t->train, &d->fit);
        d->summary = labels_summary(d->labels);
    }
    if (d->task != TASK_TEXT) {
        d->symbols = (double)d->fit.train->batches * t->train.rows * t->train.steps;
        d->unit = "steps";
    }
    if (!t->model.layers)
        t->model.layers = 2;
    if (t->train.rate == 0)
        t->train.rate = 0.002f;
    settle(&t->train);
    if (t->set_forget_bias) {
        t->model.set_gate_bias = true;
        t->model.gate_bias[1] = t->forget_bias;
    }
    t->epochs = d->fit.epochs;
    t->patience = d->fit.patience;
    double amount = d->task == TASK_TEXT ? d->symbols : (double)d->table->rows;
    defaults_explain(d->picked, sizeof d->picked, d->task, amount, &d->given, t);
}

int training_find_rate(data *d, training *t, const weir_model *model, range *r)
{
    weir_error err;
    if (range_test(r, model, &t->train, d->fit.train, &err))
        return complain("%s", err.text);
    if (r->pick > 0)
        t->train.rate = r->pick;
    return DONE;
}

void training_close(data *d)
{
    text_free(d->text);
    series_free(d->series);
    labels_free(d->labels);
    table_free(d->table);
    *d = (data){0};
}

/* ---- The model ---- */

/* The lines of defaults_explain. */
static json_t *picked_json(const char *lines)
{
    json_t *list = json_array();
    for (size_t n; *lines; lines += n + (lines[n] != 0)) {
        n = strcspn(lines, "\n");
        json_array_append_new(list, json_stringn(lines, n));
    }
    return list;
}

/* The data's notes and how it was trained. Free with free(). */
static char *make_notes(data *d, const training *t, const weir_model *model, const weir_progress *best, weir_error *err)
{
    char *own = NULL;
    json_t *notes = NULL;
    if (d->task == TASK_TEXT)
        notes = text_notes(d->text);
    else if (d->task == TASK_SERIES ? !series_notes(d->series, model, &own, err) : !labels_notes(d->labels, &own, err))
        notes = json_loads(own, 0, NULL);
    free(own);
    if (!notes)
        return NULL;
    json_t *how = json_pack("{s:s, s:f, s:i, s:i, s:i, s:i, s:s, s:f, s:f, s:I}", "optimizer", optimizer_names[t->train.optimizer],
                                 "rate", (double)t->train.rate, "batch", (int)t->train.rows, "steps", (int)t->train.steps, "epochs",
                                 (int)best->epochs, "best_epoch", (int)best->epoch, "schedule", schedule_names[t->train.schedule],
                                 "dropout", (double)t->train.dropout, "weight_decay", (double)t->train.weight_decay, "seed",
                                 (json_int_t)t->model.seed);
    if (t->train.shards > 1)
        json_object_set_new(how, "shards", json_integer((json_int_t)t->train.shards));
    if (isfinite(best->train_loss))
        json_object_set_new(how, "train_loss", json_real(best->train_loss));
    if (isfinite(best->valid_loss))
        json_object_set_new(how, "valid_loss", json_real(best->valid_loss));
    if (*d->picked)
        json_object_set_new(how, "picked", picked_json(d->picked));
    json_object_set_new(notes, "training", how);
    char *dump = json_dumps(notes, JSON_COMPACT);
    json_decref(notes);
    return dump;
}

int training_save(data *d, const training *t, weir_trainer *trainer, const weir_progress *best, const char *path)
{
    weir_error err = {.text = "there is no memory left"};
    weir_model *plain = NULL, *model = NULL;
    weir_status status = weir_trainer_model(trainer, &plain, NULL, &err);
    char *notes = status ? NULL : make_notes(d, t, plain, best, &err);
    if (!status && notes)
        status = weir_trainer_model(trainer, &model, notes, &err);
    if (!status && notes)
        status = weir_model_save(model, path, &err);
    bool saved = !status && notes;
    weir_model_free(plain);
    weir_model_free(model);
    free(notes);
    return saved ? DONE : complain("%s", err.text);
}
