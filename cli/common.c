/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <pthreadpool.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

const char *const direction_names[] = {"forward", "reverse", "both", NULL};
const char *const output_names[] = {"linear", "softmax", "logistic", "gaussian", NULL};
const char *const init_names[] = {"glorot", "pytorch", "lecun", "he", "uniform", NULL};
const char *const optimizer_names[] = {"adam", "adamw", "rmsprop", "sgd", NULL};
const char *const schedule_names[] = {"constant", "cosine", "plateau", NULL};
const char *const isa_names[] = {"best", "scalar", "avx2", "avx512", "neon", "ref64", NULL};

int complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fputs("weir: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return FAILED;
}

void say(bool quiet, const char *format, ...)
{
    if (quiet)
        return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int finish_output(void)
{
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) || failed)
        return complain("standard output cannot be written: %s", strerror(errno));
    return DONE;
}

/* ---- Options ---- */

double option_number(const struct argp_state *state, const char *option, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most))
        argp_error(state, "--%s takes a number from %g to %g, not \"%s\"", option, least, most, text);
    return value;
}

uint32_t option_count(const struct argp_state *state, const char *option, const char *text, uint32_t least, uint32_t most)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < (long long)least || value > (long long)most)
        argp_error(state, "--%s takes a whole number from %u to %u, not \"%s\"", option, least, most, text);
    return (uint32_t)value;
}

weir_activation option_activation(const struct argp_state *state, const char *option, const char *text)
{
    weir_activation a = {.id = weir_activation_find(text)};
    if (a.id == WEIR_ACTIVATION_DEFAULT)
        argp_error(state, "--%s: there is no activation \"%s\"; weir activations lists them", option, text);
    return a;
}

int option_name(const struct argp_state *state, const char *option, const char *text, const char *const *names)
{
    char all[200] = "";
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    argp_error(state, "--%s takes one of %s, not \"%s\"", option, all, text);
    return 0;
}

weir_isa option_isa(const struct argp_state *state, const char *text)
{
    weir_isa isa = (weir_isa)option_name(state, "isa", text, isa_names);
    if (!weir_isa_available(isa))
        argp_error(state, "--isa: this CPU or this build has no %s", text);
    return isa;
}

/* ---- Threads ---- */

struct call {
    void (*task)(void *arg, size_t i);
    void *arg;
};

static void run_one(void *context, size_t i)
{
    const struct call *c = context;
    c->task(c->arg, i);
}

static void run_all(void *pool, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    struct call c = {task, arg};
    pthreadpool_parallelize_1d(pool, run_one, &c, n, 0);
}

threads threads_start(unsigned count)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (!count)
        count = processors > 0 ? (unsigned)processors : 1;
    threads t = {.pool = count > 1 ? pthreadpool_create(count) : NULL};
    if (t.pool)
        t.parallel = (weir_parallel){run_all, t.pool, (unsigned)pthreadpool_get_threads_count(t.pool)};
    return t;
}

void threads_stop(threads *t)
{
    if (t->pool)
        pthreadpool_destroy(t->pool);
    t->pool = NULL;
}

/* ---- Files ---- */

int load_model(const char *path, weir_isa isa, const char *task, weir_model **model, json_t **notes)
{
    weir_error err;
    *notes = NULL;
    if (weir_model_load(model, path, isa, NULL, &err)) {
        if (err.offset)
            return complain("%s (byte %zu)", err.text, err.offset);
        return complain("%s", err.text);
    }
    *notes = json_loads(weir_model_config(*model)->notes, 0, NULL);
    const char *has = json_string_value(json_object_get(*notes, "task"));
    if (!task || (has && strcmp(has, task) == 0))
        return DONE;
    complain("%s is a %s model, but a %s model is needed here", path, has ? has : "plain", task);
    weir_model_free(*model);
    json_decref(*notes);
    *model = NULL;
    return FAILED;
}

int write_file(const char *path, void (*write)(FILE *f, const void *what), const void *what)
{
    size_t length = strlen(path) + 8;
    char *temporary = malloc(length);
    if (!temporary)
        return complain("there is no memory left");
    snprintf(temporary, length, "%s.new", path);
    FILE *f = fopen(temporary, "w");
    bool good = f != NULL;
    if (f) {
        write(f, what);
        good = !ferror(f) && fflush(f) == 0 && fsync(fileno(f)) == 0;
        good = fclose(f) == 0 && good;
        good = good && rename(temporary, path) == 0;
    }
    int reason = errno;
    if (f && !good)
        unlink(temporary);
    free(temporary);
    return good ? DONE : complain("%s cannot be written: %s", path, strerror(reason));
}
