/* SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "format/config_json.h"
#include "format/safetensors.h"
#include "model/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 8 << 10, NOTES_LIMIT = 1 << 20, TENSOR_NAME = sizeof((weir_tensor *)0)->name };

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

/* ---- Reading ---- */

/* What a checked file holds: everything that weir_model_new needs. */
typedef struct contents {
    weir_allocator allocator;
    weir__safetensors file;
    weir_config config;
    struct weir__params params;
    weir_tensor *tensors; /* as params; data in the file's bytes, in `aligned`, or in `sums` */
    float *aligned;       /* a copy of the data if a float cannot be read where it stands, else NULL */
    float *sums;          /* bias_ih + bias_hh, one after the other */
    size_t data_size, sums_count;
    bool taken[WEIR__TENSOR_LIMIT]; /* which of the file's tensors have found their place */
} contents;

static void close_contents(contents *c)
{
    const weir_allocator *a = &c->allocator;
    weir__free(a, c->tensors, c->params.count * sizeof *c->tensors);
    weir__free(a, c->aligned, c->data_size);
    weir__free(a, c->sums, c->sums_count * sizeof(float));
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

static weir_status read_config_text(contents *c, const char *text, weir_error *err)
{
    size_t where = weir__safetensors_where(&c->file, "weir");
    if (strlen(text) > CONFIG_LIMIT)
        return weir__fail_at(err, WEIR_E_FORMAT, where, "the configuration has more than 8 KiB");
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return weir__fail_at(err, WEIR_E_FORMAT, where, "the configuration is no valid JSON: %s", error.text);
    const char *field;
    weir_status status = weir__config_from_json(&c->config, json, &field, err);
    if (status)
        status = blame_file(c, field, status, err);
    json_decref(json);
    return status;
}

static weir_status read_metadata(contents *c, weir_isa isa, weir_error *err)
{
    const char *config = json_string_value(json_object_get(c->file.metadata, "weir")),
               *notes = json_string_value(json_object_get(c->file.metadata, "notes"));
    if (!config)
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "__metadata__ has no configuration under the key weir: not a model of Weir");
    if (json_object_size(c->file.metadata) != 1u + (notes != NULL))
        return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, "__metadata__"),
                             "__metadata__ may hold the keys weir and notes only");
    if (notes && strlen(notes) > NOTES_LIMIT)
        return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, "notes"), "notes has more than 1 MiB");
    weir_status status = read_config_text(c, config, err);
    if (status)
        return status;
    weir_config given = c->config;
    given.notes = notes;
    given.isa = isa;
    given.allocator = &c->allocator;
    status = weir__config_resolve(&given, &c->config, err);
    return status ? blame_file(c, "weir", status, err) : WEIR_OK;
}

static const float *data_of(const contents *c, const weir__entry *entry)
{
    size_t begin = entry->begin - 8 - c->file.header_size;
    if (c->aligned)
        return c->aligned + begin / sizeof(float);
    return (const float *)(const void *)(c->file.bytes + entry->begin);
}

static weir_status check_finite(const weir__entry *entry, const float *data, size_t count, weir_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(data[i]))
            return weir__fail_at(err, WEIR_E_NONFINITE, entry->begin + i * sizeof(float),
                                 "tensor %s holds a number that is not finite", entry->name);
    return WEIR_OK;
}

static weir_status fail_shape(const contents *c, const char *name, size_t rows, size_t cols, weir_error *err)
{
    char shape[64];
    if (rows)
        snprintf(shape, sizeof shape, "(%zu, %zu)", rows, cols);
    else
        snprintf(shape, sizeof shape, "(%zu)", cols);
    return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(&c->file, name), "tensor %s must have the shape %s", name,
                         shape);
}

/* The data of a tensor that the configuration asks for. */
static weir_status take_tensor(contents *c, const char *name, const struct weir__param *param, const float **data,
                               weir_error *err)
{
    const weir__entry *entry = weir__safetensors_find(&c->file, name);
    if (!entry)
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "the configuration needs a tensor %s, which the file lacks", name);
    if (entry->rows != param->rows || entry->cols != param->cols)
        return fail_shape(c, name, param->rows, param->cols, err);
    c->taken[entry - c->file.entries] = true;
    *data = data_of(c, entry);
    return check_finite(entry, *data, param->count, err);
}

/* sum = first + second, and the very bits of first where second is 0. */
static weir_status add_biases(const char *name, const float *first, const float *second, float *sum, size_t count,
                              weir_error *err)
{
    for (size_t i = 0; i < count; i++) {
        sum[i] = second[i] == 0 ? first[i] : first[i] + second[i];
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
    weir_status status = take_tensor(c, param->name, param, &first, err);
    if (!status)
        status = take_tensor(c, second_name, param, &second, err);
    return status ? status : add_biases(param->name, first, second, sum, param->count, err);
}

static weir_status take_all_tensors(contents *c, weir_error *err)
{
    float *sum = c->sums;
    for (size_t i = 0; i < c->params.count; i++) {
        const struct weir__param *p = &c->params.list[i];
        weir_tensor *t = &c->tensors[i];
        *t = (weir_tensor){.rows = p->rows, .cols = p->cols, .data = sum};
        strcpy(t->name, p->name);
        weir_status status = p->kind == WEIR__BIAS ? take_bias(c, p, sum, err) : take_tensor(c, p->name, p, &t->data, err);
        if (status)
            return status;
        sum += p->kind == WEIR__BIAS ? p->count : 0;
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
    for (size_t i = 0; i < c->params.count; i++)
        c->sums_count += c->params.list[i].kind == WEIR__BIAS ? c->params.list[i].count : 0;
    /* No more numbers than the file has, whatever its configuration says. */
    if (c->params.weights > size / sizeof(float))
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "the configuration needs %zu weights, more than the file can hold",
                             c->params.weights);
    c->tensors = weir__alloc(a, c->params.count * sizeof *c->tensors);
    c->sums = weir__alloc(a, c->sums_count * sizeof(float));
    if ((uintptr_t)data % _Alignof(float)) {
        c->data_size = size - 8 - c->file.header_size;
        c->aligned = weir__alloc(a, c->data_size);
        if (c->aligned)
            memcpy(c->aligned, data, c->data_size);
    }
    if (!c->tensors || !c->sums || (c->data_size && !c->aligned))
        return weir__fail(err, WEIR_E_NOMEM, "no memory to read a model file");
    return WEIR_OK;
}

/* Checks everything that a file can break. close_contents in any case. */
static weir_status open_contents(contents *c, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator,
                                 weir_error *err)
{
    *c = (contents){.allocator = weir__allocator(allocator)};
    weir_status status = weir__safetensors_open(&c->file, bytes, size, err);
    if (!status)
        status = read_metadata(c, isa, err);
    if (!status)
        status = weir__params_new(&c->params, &c->config, &c->allocator, err);
    if (!status)
        status = allocate_contents(c, size, err);
    if (!status)
        status = take_all_tensors(c, err);
    if (status && err) /* names from a file may hold anything; a terminal shall not obey them */
        for (char *p = err->text; *p; p++)
            if (*p < ' ' || *p > '~')
                *p = '?';
    return status;
}

weir_status weir_model_parse(weir_model **out, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator,
                             weir_error *err)
{
    *out = NULL;
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

static size_t numbers_of(const weir_tensor *t)
{
    return (t->rows ? t->rows : 1) * t->cols;
}

/* The model's tensors with their weights, and behind each first bias a second one of zeros. */
static size_t list_tensors(const weir_model *model, weir_tensor *list, float *weights, const float *zeros)
{
    size_t count = 0;
    for (size_t i = 0; i < weir_model_tensor_count(model); i++) {
        weir_tensor *t = &list[count++];
        *t = weir_model_tensor(model, i);
        weir_model_weights(model, i, weights);
        t->data = weights;
        weights += numbers_of(t);
        if (is_first_bias(t->name)) {
            list[count] = *t;
            list[count].data = zeros;
            name_second_bias(list[count++].name, t->name);
        }
    }
    return count;
}

/* {"weir": the configuration as text, "notes": ...}; NULL without memory, or if notes is no UTF-8. */
static json_t *build_metadata(const weir_config *config)
{
    json_t *json = weir__config_to_json(config), *metadata = NULL;
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text)
        metadata = json_pack("{ss}", "weir", text);
    if (metadata && *config->notes && json_object_set_new(metadata, "notes", json_string(config->notes))) {
        json_decref(metadata);
        metadata = NULL;
    }
    free(text);
    json_decref(json);
    return metadata;
}

static weir_status write_bytes(const weir_allocator *a, const weir_model *model, void **bytes, size_t *size, weir_error *err)
{
    const weir_config *config = weir_model_config(model);
    size_t most = 2 * weir_model_tensor_count(model), zeros_size = 4 * (size_t)config->hidden * sizeof(float);
    weir_tensor *list = weir__alloc(a, most * sizeof *list);
    size_t weights_size = weir_model_parameters(model) * sizeof(float);
    float *zeros = weir__alloc(a, zeros_size), *weights = weir__alloc(a, weights_size);
    json_t *metadata = build_metadata(config);
    weir_status status = WEIR_OK;
    if (!list || !zeros || !weights)
        status = weir__fail(err, WEIR_E_NOMEM, "no memory for a copy of the weights");
    else if (!metadata)
        status = weir__fail(err, WEIR_E_ARGUMENT, "the model's notes are no valid UTF-8, which a file needs");
    else
        status = weir__safetensors_write(a, metadata, list, list_tensors(model, list, weights, zeros), bytes, size, err);
    json_decref(metadata);
    weir__free(a, weights, weights_size);
    weir__free(a, zeros, zeros_size);
    weir__free(a, list, most * sizeof *list);
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
