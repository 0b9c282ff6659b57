/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthreadpool.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

const char *const direction_names[] = {"forward", "reverse", "both", NULL};
const char *const output_names[] = {"linear", "softmax", "logistic", "gaussian", "student_t", "negative_binomial", NULL};
const char *const init_names[] = {"glorot", "pytorch", "lecun", "he", "uniform", NULL};
const char *const optimizer_names[] = {"adam", "adamw", "rmsprop", "sgd", NULL};
const char *const schedule_names[] = {"constant", "cosine", "plateau", NULL};
const char *const isa_names[] = {"best", "scalar", "avx2", "avx512", "neon", "ref64", NULL};

static weir_error *held;

void complain_into(weir_error *err)
{
    held = err;
}

int complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (held) {
        if (!*held->text)
            vsnprintf(held->text, sizeof held->text, format, args);
    } else {
        fflush(stdout);
        fputs("weir: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
    }
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

json_t *number_json(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

double json_number(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

int finish_json(json_t *object)
{
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
    return finish_output();
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

/* The numbers of "name(1.5)" or "name(1.5, 2)" in the order alpha, beta, of those that the function has. */
static bool read_parameters(const char *text, weir_activation *a)
{
    const weir_activation_info *info = weir_activation_get(a->id);
    float *const places[] = {info->alpha != 0 ? &a->alpha : NULL, info->beta != 0 ? &a->beta : NULL};
    for (size_t i = 0; i < 2; i++) {
        if (!places[i])
            continue;
        char *end;
        *places[i] = strtof(text, &end);
        if (end == text)
            return false;
        text = end + strspn(end, " ");
        if (strcmp(text, ")") == 0)
            return true;
        if (*text++ != ',')
            return false;
    }
    return false;
}

bool find_activation(const char *text, weir_activation *a, weir_error *err)
{
    char name[32];
    size_t n = strcspn(text, "(");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), text);
    *a = (weir_activation){.id = weir_activation_find(name)};
    if (a->id == WEIR_ACTIVATION_DEFAULT)
        snprintf(err->text, sizeof err->text, "there is no activation \"%.100s\"; weir activations lists them", text);
    else if (text[n] && !read_parameters(text + n + 1, a))
        snprintf(err->text, sizeof err->text, "\"%.100s\" is not like elu(1.5): a number for each parameter of %s, %d in all", text, name,
                 (weir_activation_get(a->id)->alpha != 0) + (weir_activation_get(a->id)->beta != 0));
    else
        return weir_activation_apply(a, WEIR_EXACT, WEIR_ISA_BEST, 0, NULL, NULL, err) == WEIR_OK;
    return false;
}

weir_activation option_activation(const struct argp_state *state, const char *option, const char *text)
{
    weir_activation a;
    weir_error err;
    if (!find_activation(text, &a, &err))
        argp_error(state, "--%s: %s", option, err.text);
    return a;
}

const char *option_picture(const struct argp_state *state, const char *option, const char *text)
{
    size_t n = strlen(text);
    if (n < 5 || (strcmp(text + n - 4, ".svg") != 0 && strcmp(text + n - 4, ".png") != 0))
        argp_error(state, "--%s takes the name of a file that ends in .svg or .png, not \"%s\"", option, text);
    return text;
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
    /* Workers sleep between the calls: if they spun, a machine that is busy with something else would wait for them, not work. */
    pthreadpool_parallelize_1d(pool, run_one, &c, n, PTHREADPOOL_FLAG_YIELD_WORKERS);
}

/* Workers spin for up to PTHREADPOOL_SPIN_WAIT_ITERATIONS (a million) pauses, then sleep. */
static void run_all_spinning(void *pool, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    struct call c = {task, arg};
    pthreadpool_parallelize_1d(pool, run_one, &c, n, 0);
}

unsigned processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

threads threads_start(unsigned count, bool spin)
{
    if (!count)
        count = processors();
    threads t = {.pool = count > 1 ? pthreadpool_create(count) : NULL};
    if (t.pool)
        t.parallel = (weir_parallel){spin ? run_all_spinning : run_all, t.pool, (unsigned)pthreadpool_get_threads_count(t.pool)};
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

/* Creates a file with the permissions of a new one, or of the old one that it will replace. name ends in XXXXXX. */
static int create_beside(char *name, const struct stat *old)
{
    int fd = mkstemp(name);
    mode_t mask = umask(0);
    umask(mask);
    if (fd >= 0 && fchmod(fd, old ? old->st_mode & 0777 : 0666 & ~mask)) { /* some file systems have no permissions */
        if (errno != EPERM && errno != ENOSYS) {
            close(fd);
            unlink(name);
            return -1;
        }
    }
    return fd;
}

/* path.XXXXXX; NULL without memory. Free with free(). */
static char *name_beside(const char *path)
{
    size_t size = strlen(path) + sizeof ".XXXXXX";
    char *name = malloc(size);
    if (name)
        snprintf(name, size, "%s.XXXXXX", path);
    else
        complain("there is no memory left");
    return name;
}

bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino && S_ISREG(x.st_mode);
}

int check_output(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return complain("%s cannot be written: it is %s", path, S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
    char *name = name_beside(path);
    if (!name)
        return FAILED;
    size_t length = strlen(path);
    int fd = -1;
    errno = EISDIR;
    if (length && path[length - 1] != '/')
        fd = mkstemp(name);
    int reason = length ? errno : ENOENT;
    if (fd >= 0) {
        close(fd);
        unlink(name);
    }
    free(name);
    return fd >= 0 ? DONE : complain("%s cannot be written: %s", length ? path : "\"\"", strerror(reason));
}

static bool fill(FILE *f, bool sync, void (*write)(FILE *f, const void *what), const void *what)
{
    write(f, what);
    bool good = !ferror(f) && fflush(f) == 0 && (!sync || fsync(fileno(f)) == 0);
    int reason = errno;
    if (fclose(f) && good)
        return false;
    errno = reason;
    return good;
}

int write_file(const char *path, void (*write)(FILE *f, const void *what), const void *what)
{
    struct stat st;
    bool exists = lstat(path, &st) == 0, in_place = exists && !S_ISREG(st.st_mode);
    char *name = name_beside(path);
    if (!name)
        return FAILED;
    int fd = in_place ? open(path, O_WRONLY | O_TRUNC | O_CLOEXEC) : create_beside(name, exists ? &st : NULL);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    bool good = f && fill(f, !in_place, write, what) && (in_place || rename(name, path) == 0);
    int reason = errno;
    if (fd >= 0 && !good && !in_place)
        unlink(name);
    free(name);
    return good ? DONE : complain("%s cannot be written: %s", path, strerror(reason));
}

void write_field(FILE *f, const char *before, const char *text, const char *after)
{
    bool quote = strpbrk(text, ",\"\r\n") != NULL;
    fprintf(f, "%s%s", quote ? "\"" : "", before);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fprintf(f, "%s%s", after, quote ? "\"" : "");
}

void write_quoted(FILE *f, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./+,:@%=";
    if (*text && strspn(text, plain) == strlen(text)) {
        fputs(text, f);
        return;
    }
    fputc('\'', f);
    for (; *text; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, 0}, f);
    fputc('\'', f);
}
