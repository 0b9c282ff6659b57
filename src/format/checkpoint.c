/* Checkpoints of a training: the model's tensors, each with its moments and its best weights, the carried state, and the numbers that say
 * where the training stands (docs/format.md).
 * SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "format/checkpoint.h"
#include "format/checkpoint_json.h"
#include "format/checksum.h"
#include "format/config_json.h"
#include "format/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES_LIMIT = 8 << 20, DIGITS = WEIR__CHECKSUM_DIGITS, STATES = 2 };

struct weir_checkpoint {
    weir_allocator allocator;
    unsigned char *bytes; /* of the file */
    size_t size, data;    /* where the arrays begin */
    weir_config config;   /* resolved; its notes are the model's */
    char *notes, *model_notes;
    struct weir__params params;
    struct weir__training_state state; /* its arrays stay NULL: they are read from the bytes */
};

/* ---- The list of arrays ---- */

static const char *const state_names[STATES] = {"state.h", "state.c"};

/* Numbers of one row of a carried state: P of h, H of c. */
static size_t state_width(const weir_config *c, size_t which)
{
    return which ? c->hidden : weir__projected(c);
}

static size_t state_count(const struct weir__training_state *s, size_t which)
{
    return s->model->layers * weir__directions(s->model) * s->carried_rows * state_width(s->model, which);
}

static size_t array_count(const struct weir__training_state *s)
{
    return s->params->count + (s->carried_rows ? STATES : 0) + s->weighted;
}

/* The last array, if there is one, holds the class weights: floats, whatever the others are. */
static bool is_class_weights(const struct weir__training_state *s, size_t i)
{
    return s->weighted && i + 1 == array_count(s);
}

/* Name, shape and dtype of array `i`. */
static weir__array describe(const struct weir__training_state *s, size_t i)
{
    weir__array a = {.dtype = s->real_size == sizeof(double) ? WEIR__F64 : WEIR__F32};
    if (i < s->params->count) {
        const struct weir__param *p = s->params->list + i;
        strcpy(a.name, p->name);
        a.dims[a.rank++] = WEIR__SLOTS;
        if (p->rows)
            a.dims[a.rank++] = p->rows;
        a.dims[a.rank++] = p->cols;
    } else if (is_class_weights(s, i)) {
        strcpy(a.name, "class_weights");
        a.dtype = WEIR__F32;
        a.dims[a.rank++] = s->model->outputs;
    } else {
        size_t which = i - s->params->count;
        strcpy(a.name, state_names[which]);
        a.rank = 3;
        a.dims[0] = s->model->layers * weir__directions(s->model);
        a.dims[1] = s->carried_rows;
        a.dims[2] = state_width(s->model, which);
    }
    return a;
}

/* ---- Numbers ---- */

static bool is_finite(size_t real_size, const void *numbers, size_t count)
{
    const float *single = numbers;
    const double *wide = numbers;
    bool good = true;
    for (size_t i = 0; i < count; i++)
        good &= real_size == sizeof *wide ? isfinite(wide[i]) != 0 : isfinite(single[i]) != 0;
    return good;
}

static weir_status check_numbers(const struct weir__training_state *s, size_t i, const void *numbers, size_t count,
                                 weir_error *err)
{
    weir__array a = describe(s, i);
    if (is_finite(weir__dtype_size(a.dtype), numbers, count))
        return WEIR_OK;
    return weir__fail(err, WEIR_E_NONFINITE, "array %s of the checkpoint holds a number that is not finite", a.name);
}

/* ---- Checksum: over the whole file, its own digits taken as zeros ---- */

static void checksum_front(weir__checksum *sum, const unsigned char *front, size_t size, size_t digits)
{
    static const char zeros[] = "0000000000000000";
    weir__checksum_begin(sum);
    weir__checksum_add(sum, front, digits);
    weir__checksum_add(sum, zeros, DIGITS);
    weir__checksum_add(sum, front + digits + DIGITS, size - digits - DIGITS);
}

static void write_checksum(weir__checksum *sum, char digits[DIGITS + 1])
{
    snprintf(digits, DIGITS + 1, "%016llx", (unsigned long long)weir__checksum_end(sum));
}

/* ---- Reading ---- */

static weir_status check_sum(weir_checkpoint *c, weir_error *err)
{
    if (!weir__checkpoint_is(c->bytes, c->size))
        return weir__fail_at(err, WEIR_E_UNSUPPORTED, 0,
                             "the file is no checkpoint of a training, or its first bytes are damaged");
    size_t front = weir__safetensors_head(c->bytes, c->size), digits = weir__checkpoint_digits(c->bytes, front);
    weir__checksum sum;
    char expected[DIGITS + 1];
    checksum_front(&sum, c->bytes, front, digits);
    weir__checksum_add(&sum, c->bytes + front, c->size - front);
    write_checksum(&sum, expected);
    if (memcmp(expected, c->bytes + digits, DIGITS))
        return weir__fail_at(err, WEIR_E_FORMAT, digits,
                             "the checkpoint's checksum is not that of its bytes: it was damaged or cut off");
    if (front % sizeof(double))
        return weir__fail_at(err, WEIR_E_FORMAT, 0, "the header's length must be a multiple of 8");
    c->data = front;
    return WEIR_OK;
}

static weir_status copy_text(const weir_allocator *a, const char *text, size_t limit, const char *what, char **copy,
                             weir_error *err)
{
    size_t size = (text ? strlen(text) : 0) + 1;
    if (size > limit + 1)
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "%s of the checkpoint have more than %zu bytes", what, limit);
    *copy = weir__alloc(a, size);
    if (!*copy)
        return weir__fail(err, WEIR_E_NOMEM, "no memory to read a checkpoint");
    if (text)
        memcpy(*copy, text, size);
    return WEIR_OK;
}

static weir_status read_model(weir_checkpoint *c, const char *text, weir_error *err)
{
    char field[WEIR__FIELD_SIZE];
    weir_config given;
    TRY(weir__config_from_text(&given, text, strlen(text), field, err));
    given.notes = c->model_notes;
    given.allocator = &c->allocator;
    return weir__config_resolve(&given, &c->config, err);
}

static weir_status read_metadata(weir_checkpoint *c, const json_t *metadata, weir_error *err)
{
    static const char *const keys[] = {"checksum", "checkpoint", "model", "notes", "model_notes"};
    enum { KEYS = sizeof keys / sizeof *keys };
    const char *values[KEYS];
    for (size_t i = 0; i < KEYS; i++) {
        values[i] = json_string_value(json_object_get(metadata, keys[i]));
        if (!values[i])
            return weir__fail_at(err, WEIR_E_FORMAT, 8, "__metadata__ of the checkpoint lacks the key %s", keys[i]);
    }
    if (json_object_size(metadata) != KEYS)
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "__metadata__ of the checkpoint has more keys than the %d of a checkpoint",
                             KEYS);
    TRY(copy_text(&c->allocator, values[3], NOTES_LIMIT, "notes", &c->notes, err));
    TRY(copy_text(&c->allocator, values[4], NOTES_LIMIT, "model_notes", &c->model_notes, err));
    TRY(weir__state_from_text(&c->state, values[1], err));
    TRY(read_model(c, values[2], err));
    weir_train_config resolved;
    TRY(weir__train_config_resolve(&c->state.train, &resolved, err));
    c->state.train = resolved;
    return weir__state_check(&c->state, err);
}

/* The arrays must be those of the list, in its order. */
static weir_status check_arrays(const weir_checkpoint *c, const weir__safetensors *st, weir_error *err)
{
    const struct weir__training_state *s = &c->state;
    size_t count = array_count(s);
    if (st->count != count)
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "the checkpoint must have %zu arrays, not %zu", count, st->count);
    for (size_t i = 0; i < count; i++) {
        const weir__entry *e = st->entries + i;
        weir__array a = describe(s, i);
        char shape[WEIR__SHAPE_SIZE];
        if (strcmp(e->name, a.name) || e->dtype != a.dtype || e->rank != a.rank ||
            memcmp(e->dims, a.dims, a.rank * sizeof *a.dims))
            return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(st, e->name),
                                 "array %zu of the checkpoint must be %s, %s of shape %s", i, a.name, weir__dtype_name(a.dtype),
                                 weir__shape_text(a.rank, a.dims, shape));
        TRY(check_numbers(s, i, c->bytes + e->begin, (e->end - e->begin) / weir__dtype_size(a.dtype), err));
    }
    return WEIR_OK;
}

/* They are read from the file's bytes when the training goes on. */
static weir_status find_class_weights(weir_checkpoint *c, const weir__safetensors *st, weir_error *err)
{
    if (!c->state.weighted)
        return WEIR_OK;
    const float *weights = (const float *)(const void *)(c->bytes + st->entries[st->count - 1].begin);
    bool good = c->config.output == WEIR_SOFTMAX || c->config.output == WEIR_LOGISTIC;
    for (size_t i = 0; i < c->config.outputs; i++)
        good &= weights[i] >= 0;
    c->state.train.class_weights = weights;
    return good ? WEIR_OK : weir__fail_at(err, WEIR_E_FORMAT, 8, "the checkpoint's class_weights are none that a training has");
}

static weir_status read_arrays(weir_checkpoint *c, const weir__safetensors *st, weir_error *err)
{
    c->state.model = &c->config;
    c->state.params = &c->params;
    c->state.notes = c->model_notes;
    c->state.real_size = st->count && st->entries[0].dtype == WEIR__F64 ? sizeof(double) : sizeof(float);
    TRY(weir__params_new(&c->params, &c->config, &c->allocator, err));
    TRY(check_arrays(c, st, err));
    return find_class_weights(c, st, err);
}

static weir_status read_contents(weir_checkpoint *c, weir_error *err)
{
    TRY(check_sum(c, err));
    weir__safetensors *st = weir__alloc(&c->allocator, sizeof *st);
    if (!st)
        return weir__fail(err, WEIR_E_NOMEM, "no memory to read a checkpoint");
    weir_status status = weir__safetensors_open(st, c->bytes, c->size, WEIR__OF_SAFETENSORS, err);
    if (!status)
        status = read_metadata(c, st->metadata, err);
    if (!status)
        status = read_arrays(c, st, err);
    weir__safetensors_close(st);
    weir__free(&c->allocator, st, sizeof *st);
    return status;
}

/* A wrong number in a file is the file's fault. */
static weir_status blame_file(weir_status status, weir_error *err)
{
    weir__make_printable(err);
    if (status != WEIR_E_ARGUMENT)
        return status;
    if (err)
        err->status = WEIR_E_FORMAT;
    return WEIR_E_FORMAT;
}

/* Takes the bytes over. */
static weir_status open_bytes(weir_checkpoint **out, const weir_allocator *a, void *bytes, size_t size, weir_error *err)
{
    weir_checkpoint *c = weir__alloc(a, sizeof *c);
    if (!c) {
        weir__free(a, bytes, size);
        return weir__fail(err, WEIR_E_NOMEM, "no memory to read a checkpoint");
    }
    *c = (weir_checkpoint){.allocator = *a, .bytes = bytes, .size = size};
    weir_status status = read_contents(c, err);
    if (status) {
        weir_checkpoint_free(c);
        return blame_file(status, err);
    }
    *out = c;
    return weir__ok(err);
}

weir_status weir_checkpoint_parse(weir_checkpoint **out, const void *bytes, size_t size, const weir_allocator *allocator,
                                  weir_error *err)
{
    *out = NULL;
    weir_allocator a = weir__allocator(allocator);
    void *copy = weir__alloc(&a, size);
    if (!copy)
        return weir__fail(err, WEIR_E_NOMEM, "no memory to read a checkpoint");
    memcpy(copy, bytes, size);
    return open_bytes(out, &a, copy, size, err);
}

weir_status weir_checkpoint_load(weir_checkpoint **out, const char *path, const weir_allocator *allocator, weir_error *err)
{
    *out = NULL;
    weir_allocator a = weir__allocator(allocator);
    void *bytes;
    size_t size;
    TRY(weir__file_read(&a, path, SIZE_MAX / 4, &bytes, &size, err));
    weir_error why;
    weir_status status = open_bytes(out, &a, bytes, size, &why);
    return status ? weir__fail_at(err, status, why.offset, "%s: %s", path, why.text) : weir__ok(err);
}

void weir_checkpoint_free(weir_checkpoint *c)
{
    if (!c)
        return;
    weir_allocator a = c->allocator;
    weir__params_free(&c->params, &a);
    if (c->notes)
        weir__free(&a, c->notes, strlen(c->notes) + 1);
    if (c->model_notes)
        weir__free(&a, c->model_notes, strlen(c->model_notes) + 1);
    weir__free(&a, c->bytes, c->size);
    weir__free(&a, c, sizeof *c);
}

void weir_checkpoint_get(const weir_checkpoint *c, weir_checkpoint_info *info)
{
    const struct weir__fit_state *fit = &c->state.fit;
    *info = (weir_checkpoint_info){
        .model = &c->config,
        .train = &c->state.train,
        .notes = c->notes,
        .parameters = c->params.weights,
        .updates = c->state.updates,
        .doubles = c->state.real_size == sizeof(double),
        .fitting = fit->begun,
        .now = fit->now,
        .best = fit->any_best ? fit->best : (weir_progress){0},
    };
}

/* ---- Going on ---- */

/* The newest weights as floats, to make a model of: where they stand, or rounded into `room`. */
static void list_weights(const weir_checkpoint *c, weir_tensor *tensors, float *room)
{
    const unsigned char *at = c->bytes + c->data;
    for (size_t i = 0; i < c->params.count; i++) {
        const struct weir__param *p = c->params.list + i;
        tensors[i] = weir__param_tensor(p);
        tensors[i].data = room ? room : (const float *)(const void *)at;
        for (size_t j = 0; room && j < p->count; j++)
            *room++ = (float)((const double *)(const void *)at)[j];
        at += WEIR__SLOTS * p->count * c->state.real_size;
    }
}

static weir_status make_model(weir_model **model, const weir_checkpoint *c, weir_isa isa, weir_error *err)
{
    const weir_allocator *a = &c->allocator;
    bool wide = c->state.real_size == sizeof(double);
    size_t list = c->params.count * sizeof(weir_tensor), numbers = wide ? c->params.weights * sizeof(float) : 0;
    weir_tensor *tensors = weir__alloc(a, list);
    float *room = wide ? weir__alloc(a, numbers) : NULL;
    weir_config config = c->config;
    config.isa = isa;
    weir_status status = WEIR_E_NOMEM;
    if (tensors && (room || !wide)) {
        list_weights(c, tensors, room);
        status = weir_model_new(model, &config, tensors, c->params.count, err);
    } else
        weir__fail(err, status, "no memory to go on from a checkpoint");
    weir__free(a, room, numbers);
    weir__free(a, tensors, list);
    return status;
}

static void fill_trainer(weir_trainer *t, const weir_checkpoint *c)
{
    struct weir__training_state mine;
    weir__trainer_state(t, &mine);
    const unsigned char *at = c->bytes + c->data;
    for (size_t i = 0; i < c->params.count; i++) {
        const struct weir__param *p = c->params.list + i;
        size_t size = p->count * mine.real_size;
        for (size_t slot = 0; slot < WEIR__SLOTS; slot++, at += size)
            memcpy((char *)mine.slots[slot] + p->offset * mine.real_size, at, size);
    }
    void *const states[STATES] = {mine.state_h, mine.state_c};
    for (size_t which = 0; which < STATES; which++) {
        size_t size = state_count(&c->state, which) * mine.real_size;
        memcpy(states[which], at, size);
        at += size;
    }
    weir__trainer_restore(t, &c->state);
}

weir_status weir_trainer_resume(weir_trainer **out, const weir_checkpoint *c, weir_isa isa, const weir_parallel *parallel,
                                const weir_cluster *cluster, weir_error *err)
{
    *out = NULL;
    bool wide = c->state.real_size == sizeof(double);
    if (wide && isa == WEIR_ISA_BEST)
        isa = WEIR_ISA_REF64;
    if (wide != (isa == WEIR_ISA_REF64))
        return weir__fail(err, WEIR_E_UNSUPPORTED, "the checkpoint was written %s ref64, whose numbers are doubles; go on %s it",
                          wide ? "with" : "without", wide ? "with" : "without");
    weir_model *model;
    weir_train_config train = c->state.train;
    train.parallel = parallel;
    train.cluster = cluster;
    train.allocator = &c->allocator;
    TRY(make_model(&model, c, isa, err));
    weir_status status = weir_trainer_new(out, model, &train, err);
    weir_model_free(model);
    if (!status)
        fill_trainer(*out, c);
    return status;
}

/* ---- Writing ---- */

/* Everything that is a file's front and the pieces behind it. */
struct writing {
    const weir_allocator *a;
    struct weir__training_state state;
    weir__array *arrays;
    weir__piece *pieces;
    size_t array_count, piece_count;
};

static weir_status check_state(const struct weir__training_state *s, weir_error *err)
{
    TRY(weir__state_check(s, err));
    for (size_t i = 0; i < s->params->count; i++)
        for (size_t slot = 0; slot < WEIR__SLOTS; slot++) {
            const struct weir__param *p = s->params->list + i;
            TRY(check_numbers(s, i, (const char *)s->slots[slot] + p->offset * s->real_size, p->count, err));
        }
    const void *const states[STATES] = {s->state_h, s->state_c};
    for (size_t which = 0; which < STATES; which++)
        TRY(check_numbers(s, s->params->count + which, states[which], state_count(s, which), err));
    return WEIR_OK;
}

/* All pieces but the first, which is the front. */
static void list_pieces(struct writing *w)
{
    const struct weir__training_state *s = &w->state;
    for (size_t i = 0; i < w->array_count; i++)
        w->arrays[i] = describe(s, i);
    weir__piece *to = w->pieces + 1;
    for (size_t i = 0; i < s->params->count; i++)
        for (size_t slot = 0; slot < WEIR__SLOTS; slot++) {
            const struct weir__param *p = s->params->list + i;
            *to++ = (weir__piece){(const char *)s->slots[slot] + p->offset * s->real_size, p->count * s->real_size};
        }
    *to++ = (weir__piece){s->state_h, state_count(s, 0) * s->real_size};
    *to++ = (weir__piece){s->state_c, state_count(s, 1) * s->real_size};
    if (s->weighted)
        *to++ = (weir__piece){s->train.class_weights, s->model->outputs * sizeof(float)};
}

static json_t *make_metadata(const struct weir__training_state *s, const char *notes)
{
    json_t *config = weir__config_to_json(s->model);
    char *model = config ? json_dumps(config, JSON_COMPACT) : NULL, *state = weir__state_to_text(s);
    json_t *metadata = NULL;
    if (model && state)
        metadata = json_pack("{ss ss ss ss ss}", "checksum", "0000000000000000", "checkpoint", state, "model", model, "notes",
                             notes, "model_notes", s->notes);
    free(state);
    free(model);
    json_decref(config);
    return metadata;
}

static void put_checksum(struct writing *w)
{
    unsigned char *front = (unsigned char *)(uintptr_t)w->pieces[0].bytes;
    size_t size = w->pieces[0].size, at = weir__checkpoint_digits(front, size);
    weir__checksum sum;
    char digits[DIGITS + 1];
    checksum_front(&sum, front, size, at);
    for (size_t i = 1; i < w->piece_count; i++)
        weir__checksum_add(&sum, w->pieces[i].bytes, w->pieces[i].size);
    write_checksum(&sum, digits);
    memcpy(front + at, digits, DIGITS);
}

static weir_status write_file(struct writing *w, const char *path, const char *notes, weir_error *err)
{
    json_t *metadata = make_metadata(&w->state, notes);
    if (!metadata)
        return weir__fail(err, WEIR_E_ARGUMENT, "the checkpoint's notes are no valid UTF-8, or there is no memory for them");
    void *front;
    size_t size, data;
    weir_status status = weir__safetensors_front(w->a, metadata, w->arrays, w->array_count, false, &front, &size, &data, err);
    json_decref(metadata);
    if (status)
        return status;
    w->pieces[0] = (weir__piece){front, size};
    put_checksum(w);
    status = weir__file_write_pieces(path, w->pieces, w->piece_count, err);
    weir__free(w->a, front, size);
    return status;
}

weir_status weir_trainer_save(const weir_trainer *trainer, const char *path, const char *notes, weir_error *err)
{
    struct writing w = {.a = NULL};
    weir__trainer_state(trainer, &w.state);
    if (notes && strlen(notes) > NOTES_LIMIT)
        return weir__fail(err, WEIR_E_ARGUMENT, "notes of a checkpoint must have at most 8 MiB");
    TRY(check_state(&w.state, err));
    w.a = w.state.model->allocator;
    w.array_count = array_count(&w.state);
    w.piece_count = 1 + WEIR__SLOTS * w.state.params->count + STATES + w.state.weighted;
    w.arrays = weir__alloc(w.a, w.array_count * sizeof *w.arrays);
    w.pieces = weir__alloc(w.a, w.piece_count * sizeof *w.pieces);
    weir_status status;
    if (w.arrays && w.pieces) {
        list_pieces(&w);
        status = write_file(&w, path, notes ? notes : "", err);
    } else
        status = weir__fail(err, WEIR_E_NOMEM, "no memory to write a checkpoint");
    weir__free(w.a, w.pieces, w.piece_count * sizeof *w.pieces);
    weir__free(w.a, w.arrays, w.array_count * sizeof *w.arrays);
    return status;
}
