/* SPDX-License-Identifier: MIT */
#include "tune_log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "data/fail.h"

/* ---- Trials as JSON ---- */

static json_t *trial_json(const tune_trial *t)
{
    json_t *arguments = json_array(), *settings = json_object(), *curve = json_array();
    for (size_t i = 0; i < t->draw.count; i++)
        json_array_append_new(arguments, json_string(t->draw.argument[i]));
    for (size_t i = 0; i < TUNE_SETTINGS; i++)
        json_object_set_new(settings, tune_settings[i].name, number_json(t->values[i]));
    for (uint32_t i = 0; i < t->epochs; i++)
        json_array_append_new(curve, number_json(t->curve[i]));
    json_t *o = json_pack("{s:i, s:o, s:o, s:o, s:o, s:i, s:b, s:f, s:o, s:s}", "trial", (int)t->number, "arguments", arguments, "settings",
                          settings, "valid_loss", number_json(t->valid), "train_loss", number_json(t->train), "best_epoch", (int)t->best_epoch,
                          "stopped", (int)t->stopped, "seconds", t->seconds, "curve", curve, "model", t->model);
    if (*t->failed)
        json_object_set_new(o, "failed", json_string(t->failed));
    return o;
}

static double real_at(const json_t *o, const char *key)
{
    return json_number(json_object_get(o, key));
}

static const char *string_at(const json_t *o, const char *key)
{
    const char *word = json_string_value(json_object_get(o, key));
    return word ? word : "";
}

static bool read_curve(tune_trial *t, const json_t *curve)
{
    t->epochs = (uint32_t)json_array_size(curve);
    t->curve = calloc(t->epochs + (size_t)1, sizeof *t->curve);
    for (uint32_t i = 0; t->curve && i < t->epochs; i++)
        t->curve[i] = json_number(json_array_get(curve, i));
    return t->curve != NULL;
}

/* False if it is no trial of this number. */
static bool read_trial(tune_trial *t, const json_t *o, size_t wanted)
{
    const json_t *arguments = json_object_get(o, "arguments"), *settings = json_object_get(o, "settings"), *n = json_object_get(o, "trial");
    *t = (tune_trial){.number = (uint32_t)wanted, .draw.count = json_array_size(arguments)};
    if (!json_is_integer(n) || json_integer_value(n) != (json_int_t)wanted || t->draw.count > TUNE_ARGUMENTS)
        return false;
    for (size_t i = 0; i < t->draw.count; i++) {
        const char *argument = json_string_value(json_array_get(arguments, i));
        snprintf(t->draw.argument[i], TUNE_ARGUMENT, "%s", argument ? argument : "");
    }
    for (size_t i = 0; i < TUNE_SETTINGS; i++)
        t->values[i] = real_at(settings, tune_settings[i].name);
    t->valid = real_at(o, "valid_loss");
    t->train = real_at(o, "train_loss");
    t->best_epoch = (uint32_t)json_integer_value(json_object_get(o, "best_epoch"));
    t->stopped = json_is_true(json_object_get(o, "stopped"));
    t->seconds = real_at(o, "seconds");
    snprintf(t->model, sizeof t->model, "%s", string_at(o, "model"));
    snprintf(t->failed, sizeof t->failed, "%s", string_at(o, "failed"));
    if (!isfinite(t->valid) && !*t->failed)
        return false;
    return isfinite(t->seconds) && t->seconds >= 0 && read_curve(t, json_object_get(o, "curve"));
}

/* ---- The file ---- */

static int complain_errno(const tune_log *l, const char *what)
{
    return complain("%s cannot be %s: %s", l->path, what, strerror(errno));
}

/* A whole line, on the disk before it returns. */
static int write_line(tune_log *l, const json_t *o)
{
    char *line = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!line)
        return complain("there is no memory left");
    size_t n = strlen(line);
    line[n++] = '\n'; /* in place of its end */
    bool done = data_write(l->file, line, n);
    free(line);
    return done && fsync(l->file) == 0 ? DONE : complain_errno(l, "written");
}

static int keep(tune_log *l, const tune_trial *t)
{
    tune_trial *more = realloc(l->trials, (l->count + 1) * sizeof *more);
    if (!more)
        return complain("there is no memory left");
    l->trials = more;
    l->trials[l->count++] = *t;
    return DONE;
}

static int complain_foreign(const tune_log *l)
{
    return complain("%s is no log of weir tune; name another file with --log", l->path);
}

static int read_line(tune_log *l, const char *line, size_t n, size_t number_of_line, const json_t *search)
{
    json_t *o = json_loadb(line, n, 0, NULL);
    const json_t *of = json_object_get(o, "search");
    tune_trial t = {0};
    int status = DONE;
    if (number_of_line == 1) {
        if (!of)
            status = complain_foreign(l);
        else if (!json_equal(of, search))
            status = complain("%s is the log of another search, of other data, options or seed; name another with --log, or remove it", l->path);
    } else if (json_object_get(o, "cut"))
        l->cut += fmax(real_at(o, "cut"), 0);
    else if (read_trial(&t, o, l->count))
        status = keep(l, &t);
    else {
        free(t.curve);
        status = complain("%s, line %zu: this is not trial %zu; remove the lines from there on", l->path, number_of_line, l->count);
    }
    json_decref(o);
    return status;
}

static json_t *first_line(const json_t *search)
{
    return json_pack("{s:O}", "search", search);
}

/* Whether these bytes are how the first line begins, so that they may be cut off. */
static bool begins_so(const json_t *search, const unsigned char *bytes, size_t size)
{
    json_t *o = first_line(search);
    char *line = json_dumps(o, JSON_COMPACT);
    bool same = line && size <= strlen(line) && memcmp(line, bytes, size) == 0;
    free(line);
    json_decref(o);
    return same;
}

/* Reads the whole lines, and cuts off what comes after them. */
static int read_lines(tune_log *l, const json_t *search)
{
    unsigned char *bytes;
    size_t size, begin = 0, lines = 0;
    weir_error err;
    if (data_read_file(l->path, &bytes, &size, &err))
        return complain("%s", err.text);
    int status = DONE;
    for (const unsigned char *end; status == DONE && (end = memchr(bytes + begin, '\n', size - begin)); begin = (size_t)(end - bytes) + 1)
        status = read_line(l, (const char *)bytes + begin, (size_t)(end - bytes) - begin, ++lines, search);
    if (status == DONE && lines == 0 && !begins_so(search, bytes, size))
        status = complain_foreign(l);
    free(bytes);
    if (status == DONE && begin < size && ftruncate(l->file, (off_t)begin))
        return complain_errno(l, "written");
    if (status == DONE && lines == 0) {
        json_t *o = first_line(search);
        status = write_line(l, o);
        json_decref(o);
    }
    return status;
}

int tune_log_open(tune_log *l, const char *path, const json_t *search)
{
    *l = (tune_log){.path = path};
    l->file = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (l->file < 0)
        return complain_errno(l, "opened");
    if (flock(l->file, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK ? complain("%s is being written by another weir tune; wait for it, or name another file with --log", path)
                                    : complain_errno(l, "locked");
    return read_lines(l, search);
}

int tune_log_add(tune_log *l, tune_trial *t)
{
    json_t *o = trial_json(t);
    int status = write_line(l, o);
    json_decref(o);
    if (status == DONE)
        status = keep(l, t);
    if (status != DONE)
        free(t->curve);
    return status;
}

int tune_log_cut(tune_log *l, double seconds)
{
    json_t *o = json_pack("{s:f}", "cut", seconds);
    int status = write_line(l, o);
    json_decref(o);
    l->cut += seconds;
    return status;
}

void tune_log_close(tune_log *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->trials[i].curve);
    free(l->trials);
    if (l->file >= 0)
        close(l->file);
}

/* ---- What it tells ---- */

const tune_trial *tune_log_best(const tune_log *l)
{
    const tune_trial *best = NULL;
    for (size_t i = 0; i < l->count; i++)
        if (!*l->trials[i].failed && (!best || l->trials[i].valid < best->valid))
            best = &l->trials[i];
    return best;
}

double tune_log_seconds(const tune_log *l)
{
    double sum = l->cut;
    for (size_t i = 0; i < l->count; i++)
        sum += l->trials[i].seconds;
    return sum;
}

static double lowest(const double *curve, uint32_t epochs)
{
    double least = (double)INFINITY;
    for (uint32_t i = 0; i < epochs; i++)
        least = curve[i] < least ? curve[i] : least;
    return least;
}

bool tune_poor(const tune_log *l, const double *curve, uint32_t epochs, uint32_t all)
{
    size_t others = 0, better = 0;
    double mine = lowest(curve, epochs);
    if (epochs < (all + 3) / 4)
        return false;
    for (size_t i = 0; i < l->count; i++) {
        const tune_trial *t = &l->trials[i];
        if (*t->failed || (t->stopped && t->epochs < epochs))
            continue;
        others++;
        better += lowest(t->curve, t->epochs < epochs ? t->epochs : epochs) < mine;
    }
    return others >= 3 && 2 * better > others;
}
