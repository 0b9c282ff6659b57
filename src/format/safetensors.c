/* SPDX-License-Identifier: MIT */
#include "format/safetensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Header: from bytes to JSON ---- */

/* The largest model's header has so many of each; counting them first bounds the memory of the JSON tree. */
static const struct {
    char character;
    size_t limit;
} structure_limits[] = {
    {'{', WEIR__TENSOR_LIMIT + 2},
    {'[', 2 * WEIR__TENSOR_LIMIT},
    {':', 4 * WEIR__TENSOR_LIMIT + 8},
    {',', 5 * WEIR__TENSOR_LIMIT + 8},
};
enum { STRUCTURE_LIMITS = sizeof structure_limits / sizeof *structure_limits, DEPTH_LIMIT = 3 };

/* True if the text is nested and filled no more than a model's header can be; else *at is where that ends. */
static bool has_bounded_structure(const char *text, size_t size, size_t *at)
{
    size_t seen[STRUCTURE_LIMITS] = {0}, depth = 0;
    bool in_string = false;
    for (*at = 0; *at < size; ++*at) {
        char c = text[*at];
        if (in_string) {
            if (c == '\\')
                ++*at;
            in_string = c != '"';
            continue;
        }
        in_string = c == '"';
        depth += c == '{' || c == '[';
        if ((c == '}' || c == ']') && depth)
            depth--;
        for (size_t k = 0; k < STRUCTURE_LIMITS; k++)
            if (c == structure_limits[k].character && ++seen[k] > structure_limits[k].limit)
                return false;
        if (depth > DEPTH_LIMIT)
            return false;
    }
    return true;
}

static uint64_t little_endian_64(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static weir_status parse_header(weir__safetensors *st, size_t size, json_t **header, weir_error *err)
{
    if (size < 8)
        return weir__fail_at(err, WEIR_E_FORMAT, size, "the file ends inside the 8 bytes of the header's length");
    uint64_t header_size = little_endian_64(st->bytes);
    if (header_size > size - 8)
        return weir__fail_at(err, WEIR_E_FORMAT, 0,
                             "the header should have %llu bytes, but only %zu follow: not a model file, or cut off",
                             (unsigned long long)header_size, size - 8);
    if (header_size > WEIR__HEADER_LIMIT)
        return weir__fail_at(err, WEIR_E_FORMAT, 0, "the header has %llu bytes; at most 16 MiB are allowed",
                             (unsigned long long)header_size);
    st->header_size = (size_t)header_size;
    const char *text = (const char *)st->bytes + 8;
    size_t at;
    if (!has_bounded_structure(text, st->header_size, &at))
        return weir__fail_at(err, WEIR_E_FORMAT, 8 + at, "the header holds more values, or deeper ones, than any model's");
    json_error_t error;
    *header = json_loadb(text, st->header_size, JSON_REJECT_DUPLICATES, &error);
    if (!*header)
        return weir__fail_at(err, WEIR_E_FORMAT, 8 + (size_t)(error.position > 0 ? error.position : 0),
                             "the header is no valid JSON: %s", error.text);
    if (!json_is_object(*header))
        return weir__fail_at(err, WEIR_E_FORMAT, 8, "the header is no JSON object");
    return WEIR_OK;
}

/* ---- Header: from JSON to entries ---- */

static bool get_size(const json_t *value, size_t *out)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uintmax_t)number > SIZE_MAX)
        return false;
    *out = (size_t)number;
    return true;
}

static bool get_shape(const json_t *shape, weir__entry *entry)
{
    switch (json_array_size(shape)) { /* 0 for what is no array */
    case 1:
        return get_size(json_array_get(shape, 0), &entry->cols) && entry->cols;
    case 2:
        return get_size(json_array_get(shape, 0), &entry->rows) && get_size(json_array_get(shape, 1), &entry->cols) &&
               entry->rows && entry->cols;
    default:
        return false;
    }
}

static const struct {
    const char *name;
    size_t size;
} dtypes[WEIR__DTYPES] = {{"F32", 4}, {"BF16", 2}, {"I8", 1}};

const char *weir__dtype_name(weir__dtype dtype)
{
    return dtypes[dtype].name;
}

size_t weir__dtype_size(weir__dtype dtype)
{
    return dtypes[dtype].size;
}

static bool get_dtype(const json_t *value, weir__dtype *dtype)
{
    const char *name = json_string_value(value);
    for (int i = 0; name && i < WEIR__DTYPES; i++)
        if (!strcmp(name, dtypes[i].name)) {
            *dtype = (weir__dtype)i;
            return true;
        }
    return false;
}

static bool data_size(weir__dtype dtype, size_t rows, size_t cols, size_t *size)
{
    return weir__size_mul(size, rows ? rows : 1, cols) && weir__size_mul(size, *size, dtypes[dtype].size);
}

static weir_status refuse(const weir__safetensors *st, const char *name, weir_error *err, const char *format, ...)
    WEIR__PRINTF(4, 5);

static weir_status refuse(const weir__safetensors *st, const char *name, weir_error *err, const char *format, ...)
{
    char reason[160];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return weir__fail_at(err, WEIR_E_FORMAT, weir__safetensors_where(st, name), "tensor %.60s %s", name, reason);
}

/* Reads one tensor's record; its data has to begin at byte *end of the data, and *end moves behind it. */
static weir_status read_entry(const weir__safetensors *st, const char *name, const json_t *record, size_t *end,
                              weir__entry *entry, weir_error *err)
{
    const json_t *dtype = json_object_get(record, "dtype"), *shape = json_object_get(record, "shape"),
                 *offsets = json_object_get(record, "data_offsets");
    if (json_object_size(record) != 3 || !dtype || !shape || !offsets)
        return refuse(st, name, err, "must have just dtype, shape and data_offsets");
    if (strlen(name) >= sizeof entry->name)
        return refuse(st, name, err, "has a longer name than any model's");
    *entry = (weir__entry){.rows = 0};
    strcpy(entry->name, name);
    if (!get_dtype(dtype, &entry->dtype))
        return refuse(st, name, err, "must have the dtype F32, BF16 or I8");
    size_t from, to, size;
    if (!get_shape(shape, entry) || !data_size(entry->dtype, entry->rows, entry->cols, &size))
        return refuse(st, name, err, "must have a shape of one or two positive numbers");
    if (json_array_size(offsets) != 2 || !get_size(json_array_get(offsets, 0), &from) ||
        !get_size(json_array_get(offsets, 1), &to))
        return refuse(st, name, err, "must have two data_offsets");
    if (from != *end)
        return refuse(st, name, err, "must begin at byte %zu of the data, where the one before it ends", *end);
    if (from % dtypes[entry->dtype].size)
        return refuse(st, name, err, "must begin at a multiple of its numbers' size");
    if (to < from || to - from != size)
        return refuse(st, name, err, "has a shape of %zu bytes, but other data_offsets", size);
    entry->begin = 8 + st->header_size + from;
    *end = to;
    return WEIR_OK;
}

static weir_status check_metadata(const weir__safetensors *st, json_t *metadata, weir_error *err)
{
    size_t where = weir__safetensors_where(st, "__metadata__");
    if (!json_is_object(metadata))
        return weir__fail_at(err, WEIR_E_FORMAT, where, "__metadata__ is no JSON object");
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return weir__fail_at(err, WEIR_E_FORMAT, where, "__metadata__ must hold strings only");
    }
    return WEIR_OK;
}

static weir_status read_header(weir__safetensors *st, json_t *header, size_t *end, weir_error *err)
{
    const char *name;
    json_t *record;
    json_object_foreach(header, name, record)
    {
        weir_status status;
        if (!strcmp(name, "__metadata__")) {
            status = check_metadata(st, record, err);
            st->metadata = json_incref(record);
        } else if (st->count == WEIR__TENSOR_LIMIT) {
            status = weir__fail_at(err, WEIR_E_FORMAT, 8, "the file has more tensors than any model");
        } else {
            status = read_entry(st, name, record, end, &st->entries[st->count++], err);
        }
        if (status)
            return status;
    }
    return WEIR_OK;
}

weir_status weir__safetensors_open(weir__safetensors *st, const void *bytes, size_t size, weir_error *err)
{
    *st = (weir__safetensors){.bytes = bytes};
    json_t *header = NULL;
    size_t end = 0;
    weir_status status = parse_header(st, size, &header, err);
    if (!status)
        status = read_header(st, header, &end, err);
    json_decref(header);
    if (status)
        return status;
    size_t available = size - 8 - st->header_size;
    if (end != available)
        return weir__fail_at(err, WEIR_E_FORMAT, end < available ? 8 + st->header_size + end : size,
                             "the tensors need %zu bytes of data, but the file has %zu", end, available);
    return WEIR_OK;
}

void weir__safetensors_close(weir__safetensors *st)
{
    json_decref(st->metadata);
    st->metadata = NULL;
}

const weir__entry *weir__safetensors_find(const weir__safetensors *st, const char *name)
{
    for (size_t i = 0; i < st->count; i++)
        if (!strcmp(st->entries[i].name, name))
            return &st->entries[i];
    return NULL;
}

size_t weir__safetensors_where(const weir__safetensors *st, const char *name)
{
    size_t length = strlen(name);
    const char *text = (const char *)st->bytes + 8;
    for (size_t i = 1; i + length < st->header_size; i++)
        if (text[i - 1] == '"' && !memcmp(text + i, name, length) && (text[i + length] == '"' || text[i + length] == '\\'))
            return 8 + i;
    return 8;
}

/* ---- Writing ---- */

/* Of an array in memory. */
static size_t size_of(const weir__array *t)
{
    return (t->rows ? t->rows : 1) * t->cols * dtypes[t->dtype].size;
}

/* {"__metadata__": {...}, NAME: {"dtype": "F32", "shape": [...], "data_offsets": [...]}, ...}; NULL without memory. */
static json_t *build_header(json_t *metadata, const weir__array *arrays, size_t count, size_t *data)
{
    json_t *header = json_pack("{sO}", "__metadata__", metadata);
    *data = 0;
    for (size_t i = 0; header && i < count; i++) {
        const weir__array *t = &arrays[i];
        json_int_t begin = (json_int_t)*data;
        *data += size_of(t);
        json_t *shape =
            t->rows ? json_pack("[II]", (json_int_t)t->rows, (json_int_t)t->cols) : json_pack("[I]", (json_int_t)t->cols);
        json_t *record = json_pack("{ss so s[II]}", "dtype", dtypes[t->dtype].name, "shape", shape, "data_offsets", begin, (json_int_t)*data);
        if (json_object_set_new(header, t->name, record)) {
            json_decref(header);
            header = NULL;
        }
    }
    return header;
}

weir_status weir__safetensors_write(const weir_allocator *a, json_t *metadata, const weir__array *arrays, size_t count,
                                    void **bytes, size_t *size, weir_error *err)
{
    size_t data;
    json_t *header = build_header(metadata, arrays, count, &data);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    size_t length = text ? strlen(text) : 0, padded = weir__round_up(length, 8);
    unsigned char *file = text ? weir__alloc(a, 8 + padded + data) : NULL;
    if (!file) {
        free(text);
        return weir__fail(err, WEIR_E_NOMEM, "no memory for the bytes of a model file");
    }
    for (size_t i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    memset(file + 8, ' ', padded);
    memcpy(file + 8, text, length);
    free(text);
    unsigned char *to = file + 8 + padded;
    for (size_t i = 0; i < count; i++) {
        memcpy(to, arrays[i].data, size_of(arrays + i));
        to += size_of(arrays + i);
    }
    *bytes = file;
    *size = 8 + padded + data;
    return WEIR_OK;
}
