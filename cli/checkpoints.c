/* SPDX-License-Identifier: MIT */
#include "checkpoints.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/fail.h"

/* ---- When ---- */

void checkpoints_start(checkpoints *c)
{
    c->last = progress_clock();
    c->updates = 0;
}

bool checkpoints_due(checkpoints *c)
{
    c->updates++;
    return (c->steps && c->updates >= c->steps) || (c->every > 0 && progress_clock() - c->last >= c->every);
}

/* ---- Writing ---- */

/* path.N; NULL without memory. Free with free(). */
static char *name_older(const char *path, uint32_t n)
{
    size_t size = strlen(path) + 16;
    char *name = malloc(size);
    if (name)
        snprintf(name, size, "%s.%u", path, (unsigned)n);
    return name;
}

/* Gives the file at `from` the name `to` too; where a file cannot have two names it gets another one. */
static void move_on(const char *from, const char *to, bool keeps_name)
{
    unlink(to);
    if (!keeps_name || link(from, to))
        rename(from, to);
}

/* path.1 becomes path.2, and so on; `path` becomes path.1 and keeps its name until the new file takes it. If that one cannot be written, both
 * are the same file, and the next time there is nothing to move. */
static void rotate(const checkpoints *c)
{
    char *newer = NULL;
    for (uint32_t n = c->keep - 1; n > 0; n--) {
        char *older = name_older(c->path, n);
        free(newer);
        newer = n > 1 ? name_older(c->path, n - 1) : strdup(c->path);
        if (older && newer && access(newer, F_OK) == 0)
            move_on(newer, older, n == 1);
        free(older);
    }
    free(newer);
}

static bool is_rotated(const checkpoints *c)
{
    char *older = name_older(c->path, 1);
    bool same = older && same_file(c->path, older);
    free(older);
    return same;
}

static char *make_notes(const checkpoints *c, const progress *p)
{
    json_t *notes = json_pack("{s:s, s:O, s:O, s:o}", "program", "weir train", "arguments", c->arguments, "data", c->data,
                              "progress", progress_to_json(p));
    char *text = notes ? json_dumps(notes, JSON_COMPACT) : NULL;
    json_decref(notes);
    return text;
}

int checkpoints_write(checkpoints *c, const weir_trainer *trainer, const progress *p)
{
    weir_error err = {.text = "there is no memory left"};
    char *notes = make_notes(c, p);
    if (notes && c->keep > 1 && !is_rotated(c))
        rotate(c);
    bool written = notes && weir_trainer_save(trainer, c->path, notes, &err) == WEIR_OK;
    free(notes);
    checkpoints_start(c);
    if (!written && !c->failed)
        complain("no checkpoint: %s%s", err.text, c->ours ? "; the one before is as it was" : "");
    c->failed = !written;
    c->ours |= written;
    return written ? DONE : FAILED;
}

void checkpoints_end(checkpoints *c)
{
    if (c->ours && !c->keep && unlink(c->path) && errno != ENOENT)
        complain("%s is not needed any more, but cannot be removed: %s", c->path, strerror(errno));
}

/* Whether this is PATH.PID-N.tmp of a process that is no more. */
static bool is_leftover(const char *name, const char *base)
{
    size_t n = strlen(base);
    long pid;
    unsigned attempt;
    int end = 0;
    return strncmp(name, base, n) == 0 && sscanf(name + n, ".%ld-%u.tmp%n", &pid, &attempt, &end) == 2 && end &&
           !name[n + (size_t)end] && pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH;
}

void checkpoints_tidy(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(base - path)) : strdup(".");
    DIR *d = folder ? opendir(folder) : NULL;
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (is_leftover(entry->d_name, base))
            unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
    free(folder);
}

/* ---- The command line ---- */

/* Length of "--hidden" in "--hidden=64". */
static size_t name_length(const char *option)
{
    return strcspn(option, "=");
}

void arguments_keep(json_t *arguments, json_t *option, bool repeated)
{
    const char *given = json_string_value(option);
    size_t length = name_length(given);
    for (size_t i = 0; !repeated && i < json_array_size(arguments); i++) {
        const char *kept = json_string_value(json_array_get(arguments, i));
        if (name_length(kept) == length && memcmp(kept, given, length) == 0) {
            json_array_set(arguments, i, option);
            return;
        }
    }
    json_array_append(arguments, option);
}

bool arguments_have(const json_t *arguments, const json_t *option)
{
    for (size_t i = 0; i < json_array_size(arguments); i++)
        if (json_equal(json_array_get(arguments, i), option))
            return true;
    return false;
}

/* argv is ended by NULL; false if the notes have no such texts, or without memory. */
static bool make_command(stopped *s)
{
    const json_t *options = json_object_get(s->notes, "arguments"), *files = json_object_get(s->notes, "data");
    size_t n = 0, o = json_array_size(options), f = json_array_size(files);
    s->argv = calloc(o + f + 3, sizeof *s->argv);
    if (!s->argv)
        return false;
    s->argv[n++] = (char *)(uintptr_t) "weir train"; /* argp does not write into them */
    for (size_t i = 0; i < o; i++)
        s->argv[n++] = (char *)(uintptr_t)json_string_value(json_array_get(options, i));
    s->argv[n++] = (char *)(uintptr_t) "--";
    for (size_t i = 0; i < f; i++)
        s->argv[n++] = (char *)(uintptr_t)json_string_value(json_object_get(json_array_get(files, i), "path"));
    s->argc = (int)n;
    while (n > 0 && s->argv[n - 1])
        n--;
    return n == 0 && f > 0;
}

int stopped_open(stopped *s, const char *path)
{
    weir_error err;
    weir_checkpoint_info info;
    if (weir_checkpoint_load(&s->checkpoint, path, NULL, &err))
        return complain("%s", err.text);
    weir_checkpoint_get(s->checkpoint, &info);
    s->notes = json_loads(info.notes, 0, NULL);
    const char *program = json_string_value(json_object_get(s->notes, "program"));
    if (!program || strcmp(program, "weir train") != 0 || !info.fitting || !make_command(s))
        return complain("%s is a checkpoint, but not one of weir train", path);
    return DONE;
}

void stopped_free(stopped *s)
{
    weir_checkpoint_free(s->checkpoint);
    json_decref(s->notes);
    free(s->argv);
    *s = (stopped){0};
}

/* ---- Data ---- */

/* FNV-1a over words of 8 bytes, each mixed on; a file's last word is filled up with zeros. */
static uint64_t add_to_sum(uint64_t sum, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, size - i < 8 ? size - i : 8);
        sum = (sum ^ word) * 0x100000001B3u;
        sum ^= sum >> 29;
    }
    return sum;
}

static json_t *describe_file(const char *path)
{
    enum { WINDOW = 1 << 16 };
    static const uint64_t basis = 0xCBF29CE484222325u;
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return json_pack("{s:s}", "path", path);
    weir_error err;
    uint64_t sum = basis, bytes = 0, size;
    unsigned char *window = malloc(WINDOW);
    int fd = window ? data_open(path, &size, &err) : -1;
    weir_status status = !window ? data_no_memory(&err) : fd < 0 ? err.status : WEIR_OK;
    for (size_t got = WINDOW; got == WINDOW && !status; bytes += got) {
        status = data_read(fd, path, window, WINDOW, &got, &err);
        sum = add_to_sum(sum, window, got);
    }
    if (fd >= 0)
        close(fd);
    free(window);
    if (status) {
        complain("%s", err.text);
        return NULL;
    }
    char digits[20];
    snprintf(digits, sizeof digits, "%016" PRIx64, sum);
    return json_pack("{s:s, s:I, s:s}", "path", path, "bytes", (json_int_t)bytes, "sum", digits);
}

json_t *data_describe(char *const *paths, size_t count)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < count; i++)
        if (json_array_append_new(all, describe_file(paths[i]))) {
            json_decref(all);
            all = NULL;
        }
    return all;
}

int data_compare(const json_t *then, const json_t *now)
{
    if (json_array_size(then) != json_array_size(now))
        return complain("the checkpoint's training read %zu files; name as many, or none", json_array_size(then));
    for (size_t i = 0; i < json_array_size(then); i++) {
        const json_t *a = json_array_get(then, i), *b = json_array_get(now, i);
        const json_t *sum = json_object_get(a, "sum");
        if (!sum ||
            (json_equal(sum, json_object_get(b, "sum")) && json_equal(json_object_get(a, "bytes"), json_object_get(b, "bytes"))))
            continue;
        return complain("%s is not what %s was when the training began; put that back, or train anew",
                        json_string_value(json_object_get(b, "path")), json_string_value(json_object_get(a, "path")));
    }
    return DONE;
}
