/* SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "format/bias.h"
#include "format/checkpoint.h"
#include "format/config_json.h"
#include "format/onnx.h"
#include "format/onnx_model.h"
#include "format/safetensors.h"
#include "model/narrow.h"
#include "model/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES_LIMIT = 1 << 20, TENSOR_NAME = sizeof((weir_tensor *)0)->name };

/* ---- PyTorch's second bias ---- */

static bool is_first_bias(const char *name)
{
    return !strncmp(name, "lstm.bias_ih_", 13);
}

/* "lstm.bias_ih_l0" -> "lstm.bias_hh_l0" */
static void name_second_bias(char second[TENSOR_NAME], const char *first)
{
    strcpy(second, first);
    second[10] = 'h';
}

/* ---- Narrow weights ---- */

static weir__dtype dtype_of(weir_weights form)
{
    static const weir__dtype of[] = {WEIR__F32, WEIR__BF16, WEIR__I8};
    return of[form];
}

/* "lstm.weight_ih_l0" -> "lstm.weight_ih_l0_step" */
static void name_steps(char steps[TENSOR_NAME], const char *matrix)
{
    snprintf(steps, TENSOR_NAME, "%.41s_step", matrix);
}

/* ---- Reading ---- */

/* What a checked file holds: everything that weir_model_new needs. */
typedef struct contents {
    weir_allocator allocator;
    weir__safetensors file;
    weir_config config;
    struct weir__params params;
    weir_tensor *tensors; /* as params; data in the file's bytes, in `aligned`, or in `made` */
    float *aligned;       /* a copy of the data if a float cannot be read where it stands, else NULL */
    float *made;          /* what the file has in another form: the sums bias_ih + bias_hh, and narrow weights */
    size_t data_size, made_count;
    bool taken[WEIR__TENSOR_LIMIT]; /* which of the file's tensors have found their place */
} contents;

static void close_contents(contents *c)
{
    const weir_allocator *a = &c->allocator;
    weir__free(a, c->tensors, c->params.count * sizeof *c->tensors);
    weir__free(a, c->aligned, c->data_size);
    weir__free(a, c->made, c->made_count * sizeof(float));
    weir__params_free(&c->params, a);
    weir__safetensors_close(&c->file);
}

/* The same error as one of the file, at the place of `name`. */
static weir_status blame_file(const contents *c, const char *name, weir_status status, weir_error *err)
{
    if (err)
        err->offset = weir__safetensors_where(&c->file, name);
    if (status == WEIR_E_ARGUMENT) {
        status = WEIR_E_FORMAT;
        if (err)
            err->status = status;
    }
    return status;
}

static weir_status read_metadata(contents *c, weir_isa isa, weir_error *err)
{
    const char *config = json_string_value(json_object_get(c->file.metadata, "weir")),
               *notes = json_string_value(json_object_get(c->file.metadata, "notes"));
    if (!config)
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "__metadata__ has no configuration under the key weir: not a model of Weir");
    const char *layout = json_string_value(json_object_get(c->file.metadata, "layout"));
    if (layout)
        return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, "layout"),
                             "the file holds weights in the layout %.40s, no model; weir convert --layout makes one of it", layout);
    if (json_object_size(c->file.metadata) != 1u + (notes != NULL))
        return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, "__metadata__"),
                             "__metadata__ may hold the keys weir and notes only");
    if (notes && strlen(notes) > NOTES_LIMIT)
        return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, "notes"), "notes has more than 1 MiB");
    char field[WEIR__FIELD_SIZE];
    weir_status status = weir__config_from_text(&c->config, config, strlen(config), field, err);
    if (status)
        return blame_file(c, *field ? field : "weir", status, err);
    weir_config given = c->config;
    given.notes = notes;
    given.isa = isa;
    given.allocator = &c->allocator;
    status = weir__config_resolve(&given, &c->config, err);
    return status ? blame_file(c, "weir", status, err) : WEIR_OK;
}

static const void *data_of(const contents *c, const weir__entry *entry)
{
    if (c->aligned)
        return (const unsigned char *)c->aligned + (entry->begin - 8 - c->file.header_size);
    return c->file.bytes + entry->begin;
}

static weir_status check_finite(const weir__entry *entry, const float *data, size_t count, weir_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(data[i]))
            return weir__fail_at(err, WEIR_E_NONFINITE, entry->begin + i * sizeof(float),
                                 "tensor %s holds a number that is not finite", entry->name);
    return WEIR_OK;
}

/* The entry of an array that the configuration asks for. */
static weir_status take_entry(contents *c, const char *name, size_t rows, size_t cols, weir__dtype dtype, const weir__entry **entry,
                              weir_error *err)
{
    const weir__entry *e = *entry = weir__safetensors_find(&c->file, name);
    if (!e)
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "the configuration needs a tensor %s, which the file lacks", name);
    size_t rank = rows ? 2 : 1, dims[] = {rows ? rows : cols, cols};
    if (e->rank != rank || memcmp(e->dims, dims, rank * sizeof *dims)) {
        char shape[WEIR__SHAPE_SIZE];
        return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, name), "tensor %s must have the shape %s", name,
                             weir__shape_text(rank, dims, shape));
    }
    if (e->dtype != dtype)
        return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, name), "tensor %s must have the dtype %s", name,
                             weir__dtype_name(dtype));
    c->taken[e - c->file.entries] = true;
    return WEIR_OK;
}

static weir_status take_tensor(contents *c, const char *name, size_t rows, size_t cols, const float **data, weir_error *err)
{
    const weir__entry *entry;
    weir_status status = take_entry(c, name, rows, cols, WEIR__F32, &entry, err);
    if (status)
        return status;
    *data = data_of(c, entry);
    return check_finite(entry, *data, (rows ? rows : 1) * cols, err);
}

static weir_status take_bf16(contents *c, const struct weir__param *param, float *to, weir_error *err)
{
    const weir__entry *entry;
    weir_status status = take_entry(c, param->name, param->rows, param->cols, WEIR__BF16, &entry, err);
    const uint16_t *from = status ? NULL : data_of(c, entry);
    for (size_t i = 0; !status && i < param->count; i++) {
        to[i] = weir__from_bf16(from[i]);
        if (!isfinite(to[i]))
            status = weir__fail_at(err, WEIR_E_NONFINITE, entry->begin + i * sizeof *from,
                                   "tensor %s holds a number that is not finite", entry->name);
    }
    return status;
}

/* Rows of 8 bits whose steps are not those that their weights would get again are refused: they would change when they are rounded. */
static weir_status take_int8(contents *c, const struct weir__param *param, float *to, weir_error *err)
{
    const weir__entry *entry;
    const float *steps = NULL;
    char name[TENSOR_NAME];
    name_steps(name, param->name);
    weir_status status = take_entry(c, param->name, param->rows, param->cols, WEIR__I8, &entry, err);
    if (!status)
        status = take_tensor(c, name, 0, param->rows, &steps, err);
    for (size_t row = 0; !status && row < param->rows; row++) {
        const int8_t *from = (const int8_t *)data_of(c, entry) + row * param->cols;
        float *w = to + row * param->cols;
        for (size_t k = 0; k < param->cols; k++)
            w[k] = steps[row] * (float)from[k];
        float step = weir__int8_step(w, param->cols);
        bool same = !memcmp(&step, steps + row, sizeof step);
        for (size_t k = 0; same && k < param->cols; k++)
            same = weir__to_int8(w[k], step) == from[k];
        if (!same)
            status = weir__fail_at(err, WEIR_E_FORMAT, entry->begin + row * param->cols,
                                   "row %zu of tensor %s and its step are not as Weir rounds them", row, entry->name);
    }
    return status;
}

static weir_status add_biases(const char *name, const float *first, const float *second, float *sum, size_t count,
                              weir_error *err)
{
    for (size_t i = 0; i < count; i++) {
        sum[i] = weir__bias_sum(first[i], second[i]);
        if (!isfinite(sum[i]))
            return weir__fail(err, WEIR_E_NONFINITE, "the sum of tensor %s and the second bias is not finite", name);
    }
    return WEIR_OK;
}

static weir_status take_bias(contents *c, const struct weir__param *param, float *sum, weir_error *err)
{
    char second_name[TENSOR_NAME];
    name_second_bias(second_name, param->name);
    const float *first, *second;
    weir_status status = take_tensor(c, param->name, 0, param->cols, &first, err);
    if (!status)
        status = take_tensor(c, second_name, 0, param->cols, &second, err);
    return status ? status : add_biases(param->name, first, second, sum, param->count, err);
}

/* True for what the file has in another form than the model is made from. */
static bool is_made(const contents *c, const struct weir__param *p)
{
    return p->kind == WEIR__BIAS || weir__form_of(&c->config, p) != WEIR_WEIGHTS_F32;
}

static weir_status take_param(contents *c, const struct weir__param *p, float *room, const float **data, weir_error *err)
{
    if (!is_made(c, p))
        return take_tensor(c, p->name, p->rows, p->cols, data, err);
    *data = room;
    if (p->kind == WEIR__BIAS)
        return take_bias(c, p, room, err);
    return weir__form_of(&c->config, p) == WEIR_WEIGHTS_BF16 ? take_bf16(c, p, room, err) : take_int8(c, p, room, err);
}

static weir_status take_all_tensors(contents *c, weir_error *err)
{
    float *room = c->made;
    for (size_t i = 0; i < c->params.count; i++) {
        const struct weir__param *p = &c->params.list[i];
        weir_tensor *t = &c->tensors[i];
        *t = (weir_tensor){.rows = p->rows, .cols = p->cols};
        strcpy(t->name, p->name);
        weir_status status = take_param(c, p, room, &t->data, err);
        if (status)
            return status;
        room += is_made(c, p) ? p->count : 0;
    }
    for (size_t i = 0; i < c->file.count; i++)
        if (!c->taken[i]) {
            const char *name = c->file.entries[i].name;
            return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, name),
                                 "tensor %.60s has no place in the configuration", name);
        }
    return WEIR_OK;
}

static weir_status allocate_contents(contents *c, size_t size, weir_error *err)
{
    const weir_allocator *a = &c->allocator;
    const unsigned char *data = c->file.bytes + 8 + c->file.header_size;
    size_t needed = 0;
    for (size_t i = 0; i < c->params.count; i++) {
        const struct weir__param *p = &c->params.list[i];
        c->made_count += is_made(c, p) ? p->count : 0;
        needed += p->count * weir__dtype_size(dtype_of(weir__form_of(&c->config, p)));
    }
    /* No more numbers than the file has, whatever its configuration says. */
    if (needed > size)
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "the configuration needs %zu weights, more than the file can hold",
                             c->params.weights);
    c->tensors = weir__alloc(a, c->params.count * sizeof *c->tensors);
    c->made = weir__alloc(a, c->made_count * sizeof(float));
    if ((uintptr_t)data % _Alignof(float)) {
        c->data_size = size - 8 - c->file.header_size;
        c->aligned = weir__alloc(a, c->data_size);
        if (c->aligned)
            memcpy(c->aligned, data, c->data_size);
    }
    if (!c->tensors || !c->made || (c->data_size && !c->aligned))
        return weir__fail(err, WEIR_E_NOMEM, "no memory to read a model file");
    return WEIR_OK;
}

/* Checks everything that a file can break. close_contents in any case. */
static weir_status open_contents(contents *c, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator,
                                 weir_error *err)
{
    *c = (contents){.allocator = weir__allocator(allocator)};
    if (weir__checkpoint_is(bytes, size))
        return weir__fail(err, WEIR_E_UNSUPPORTED, "the file is a checkpoint of a training, no model; weir train --resume goes on with it");
    weir_status status = weir__safetensors_open(&c->file, bytes, size, WEIR__OF_MODELS, err);
    if (!status)
        status = read_metadata(c, isa, err);
    if (!status)
        status = weir__params_new(&c->params, &c->config, &c->allocator, err);
    if (!status)
        status = allocate_contents(c, size, err);
    if (!status)
        status = take_all_tensors(c, err);
    if (status)
        weir__make_printable(err);
    return status;
}

weir_status weir_model_parse(weir_model **out, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator,
                             weir_error *err)
{
    *out = NULL;
    if (weir__onnx_is(bytes, size))
        return weir__onnx_model(out, bytes, size, isa, allocator, err);
    contents c;
    weir_status status = open_contents(&c, bytes, size, isa, allocator, err);
    if (!status)
        status = weir_model_new(out, &c.config, c.tensors, c.params.count, err);
    close_contents(&c);
    return status;
}

weir_status weir_model_load(weir_model **out, const char *path, weir_isa isa, const weir_allocator *allocator, weir_error *err)
{
    *out = NULL;
    weir_allocator a = weir__allocator(allocator);
    void *bytes;
    size_t size;
    weir_status status = weir__file_read(&a, path, SIZE_MAX / 4, &bytes, &size, err);
    if (status)
        return status;
    weir_error why;
    status = weir_model_parse(out, bytes, size, isa, allocator, &why);
    weir__free(&a, bytes, size);
    return status ? weir__fail_at(err, status, why.offset, "%s: %s", path, why.text) : weir__ok(err);
}

/* ---- Writing ---- */

/* The arrays of a file in the making, those of float32 first, and room for their data. */
typedef struct listing {
    weir__array *list;
    size_t count;
    float *floats;
    unsigned char *bytes;
    const float *zeros;
} listing;

static weir__array *list_array(listing *l, const char *name, size_t rows, size_t cols, weir__dtype dtype, const void *data)
{
    weir__array *a = &l->list[l->count++];
    *a = (weir__array){.rank = rows ? 2 : 1, .dims = {rows ? rows : cols, rows ? cols : 0}, .dtype = dtype, .data = data};
    strcpy(a->name, name);
    return a;
}

/* A tensor of float32; behind a first bias comes a second one of zeros. */
static void list_floats(listing *l, const weir_model *model, size_t index, const struct weir__param *p)
{
    weir_model_weights(model, index, l->floats);
    list_array(l, p->name, p->rows, p->cols, WEIR__F32, l->floats);
    l->floats += p->count;
    if (is_first_bias(p->name))
        name_second_bias(list_array(l, p->name, p->rows, p->cols, WEIR__F32, l->zeros)->name, p->name);
}

static void list_steps(listing *l, const weir_model *model, size_t index, const struct weir__param *p)
{
    float *w = l->floats + p->rows;
    weir_model_weights(model, index, w);
    for (size_t row = 0; row < p->rows; row++)
        l->floats[row] = weir__int8_step(w + row * p->cols, p->cols);
    name_steps(list_array(l, p->name, 0, p->rows, WEIR__F32, l->floats)->name, p->name);
    l->floats += p->rows;
}

/* A matrix of fewer bits; its numbers are rounded already. `room` holds it as floats. */
static void list_narrow(listing *l, const weir_model *model, size_t index, const struct weir__param *p, weir__dtype dtype, float *room)
{
    weir_model_weights(model, index, room);
    list_array(l, p->name, p->rows, p->cols, dtype, l->bytes);
    for (size_t row = 0; row < p->rows; row++, room += p->cols) {
        float step = weir__int8_step(room, p->cols);
        for (size_t k = 0; k < p->cols; k++, l->bytes += weir__dtype_size(dtype)) {
            uint16_t half = weir__to_bf16(room[k]);
            if (dtype == WEIR__BF16)
                memcpy(l->bytes, &half, sizeof half);
            else
                *l->bytes = (unsigned char)weir__to_int8(room[k], step);
        }
    }
}

static void list_arrays(listing *l, const weir_model *model, const struct weir__params *params)
{
    const weir_config *config = weir_model_config(model);
    for (int narrow = 0; narrow < 2; narrow++)
        for (size_t i = 0; i < params->count; i++) {
            const struct weir__param *p = params->list + i;
            weir_weights form = weir__form_of(config, p);
            if (narrow && form != WEIR_WEIGHTS_F32)
                list_narrow(l, model, i, p, dtype_of(form), l->floats);
            else if (!narrow && form == WEIR_WEIGHTS_F32)
                list_floats(l, model, i, p);
            else if (!narrow && form == WEIR_WEIGHTS_INT8)
                list_steps(l, model, i, p);
        }
}

static weir_status write_bytes(const weir_allocator *a, const weir_model *model, void **bytes, size_t *size, weir_error *err)
{
    const weir_config *config = weir_model_config(model);
    struct weir__params params;
    weir_status status = weir__params_new(&params, config, a, err);
    if (status)
        return status;
    size_t list_size = 2 * params.count * sizeof(weir__array), zeros_size = 4 * (size_t)config->hidden * sizeof(float);
    size_t steps = params.count * 4 * (size_t)config->hidden, floats_size = (params.weights + steps) * sizeof(float);
    size_t narrow_size = config->weights == WEIR_WEIGHTS_F32 ? 0 : params.weights * sizeof(uint16_t);
    void *list = weir__alloc(a, list_size), *floats = weir__alloc(a, floats_size), *narrow = weir__alloc(a, narrow_size),
         *zeros = weir__alloc(a, zeros_size);
    listing l = {.list = list, .floats = floats, .bytes = narrow, .zeros = zeros};
    json_t *metadata = weir__metadata_to_json(config);
    if (!list || !floats || !narrow || !zeros)
        status = weir__fail(err, WEIR_E_NOMEM, "no memory for a copy of the weights");
    else if (!metadata)
        status = weir__fail(err, WEIR_E_ARGUMENT, "the model's notes are no valid UTF-8, which a file needs");
    else {
        list_arrays(&l, model, &params);
        status = weir__safetensors_write(a, metadata, l.list, l.count, bytes, size, err);
    }
    json_decref(metadata);
    weir__free(a, zeros, zeros_size);
    weir__free(a, narrow, narrow_size);
    weir__free(a, floats, floats_size);
    weir__free(a, list, list_size);
    weir__params_free(&params, a);
    return status;
}

weir_status weir_model_save(const weir_model *model, const char *path, weir_error *err)
{
    const weir_allocator *a = weir_model_config(model)->allocator;
    void *bytes;
    size_t size;
    weir_status status = write_bytes(a, model, &bytes, &size, err);
    if (status)
        return status;
    contents check;
    status = open_contents(&check, bytes, size, WEIR_ISA_BEST, a, err);
    close_contents(&check);
    if (!status)
        status = weir__file_write(path, bytes, size, err);
    weir__free(a, bytes, size);
    return status;
}
