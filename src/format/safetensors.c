/* SPDX-License-Identifier: MIT */
#include "format/safetensors.h"
#include "model/narrow.h"

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

size_t weir__safetensors_head(const void *eight, size_t size)
{
    uint64_t header = size < 8 ? UINT64_MAX : little_endian_64(eight);
    return header > WEIR__HEADER_LIMIT || header > size - 8 ? SIZE_MAX : 8 + (size_t)header;
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

/* False if it is no list of sizes; one of more dimensions than an entry can hold is left out. */
static bool get_shape(const json_t *shape, weir__entry *entry)
{
    if (!json_is_array(shape))
        return false;
    entry->rank = json_array_size(shape);
    for (size_t i = 0; i < entry->rank && i < WEIR__RANK_LIMIT; i++)
        if (!get_size(json_array_get(shape, i), &entry->dims[i]))
            return false;
    return true;
}

static const struct {
    const char *name;
    size_t size;
} dtypes[WEIR__DTYPES] = {{"F32", 4}, {"BF16", 2}, {"I8", 1}, {"F16", 2}, {"F64", 8}};

const char *weir__dtype_name(weir__dtype dtype)
{
    return dtype < WEIR__DTYPES ? dtypes[dtype].name : "another type";
}

size_t weir__dtype_size(weir__dtype dtype)
{
    return dtypes[dtype].size;
}

/* WEIR__DTYPES for an unknown one. */
static weir__dtype find_dtype(const char *name)
{
    int i = 0;
    while (i < WEIR__DTYPES && strcmp(name, dtypes[i].name))
        i++;
    return (weir__dtype)i;
}

static bool data_size(weir__dtype dtype, size_t rank, const size_t *dims, size_t *size)
{
    *size = dtypes[dtype].size;
    for (size_t i = 0; i < rank; i++)
        if (!weir__size_mul(size, *size, dims[i]))
            return false;
    return true;
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

/* A model's arrays are vectors and matrices of three types. */
static weir_status check_model_entry(const weir__safetensors *st, const weir__entry *entry, weir_error *err)
{
    if (entry->dtype > WEIR__I8)
        return refuse(st, entry->name, err, "must have the dtype F32, BF16 or I8");
    if (entry->rank < 1 || entry->rank > 2 || !entry->dims[0] || (entry->rank == 2 && !entry->dims[1]))
        return refuse(st, entry->name, err, "must have a shape of one or two positive numbers");
    return WEIR_OK;
}

/* Reads one tensor's record; its place is checked later. */
static weir_status read_entry(const weir__safetensors *st, const char *name, const json_t *record, weir__rules rules, weir__entry *entry,
                              weir_error *err)
{
    const json_t *dtype = json_object_get(record, "dtype"), *shape = json_object_get(record, "shape"),
                 *offsets = json_object_get(record, "data_offsets");
    if (json_object_size(record) != 3 || !dtype || !shape || !offsets)
        return refuse(st, name, err, "must have just dtype, shape and data_offsets");
    size_t most = rules == WEIR__OF_MODELS ? sizeof((weir_tensor *)0)->name : sizeof entry->name;
    if (strlen(name) >= most)
        return refuse(st, name, err, "has a longer name than any model's");
    *entry = (weir__entry){.rank = 0};
    strcpy(entry->name, name);
    entry->dtype = json_is_string(dtype) ? find_dtype(json_string_value(dtype)) : WEIR__DTYPES;
    bool sizes = get_shape(shape, entry);
    if (rules == WEIR__OF_MODELS && (sizes || entry->dtype > WEIR__I8))
        TRY(check_model_entry(st, entry, err));
    if (entry->rank > WEIR__RANK_LIMIT)
        entry->dtype = WEIR__DTYPES;
    size_t size = 0;
    if (!sizes || (entry->dtype < WEIR__DTYPES && !data_size(entry->dtype, entry->rank, entry->dims, &size)))
        return refuse(st, name, err, "must have a shape of %spositive numbers", rules == WEIR__OF_MODELS ? "one or two " : "");
    if (json_array_size(offsets) != 2 || !get_size(json_array_get(offsets, 0), &entry->begin) ||
        !get_size(json_array_get(offsets, 1), &entry->end))
        return refuse(st, name, err, "must have two data_offsets");
    if (entry->end < entry->begin || (entry->dtype < WEIR__DTYPES && entry->end - entry->begin != size))
        return refuse(st, name, err, "has a shape of %zu bytes, but other data_offsets", size);
    return WEIR_OK;
}

static int by_place(const void *a, const void *b)
{
    const weir__entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Data must follow data, from the header to the end of the file. Places become those in the file. */
static weir_status check_places(weir__safetensors *st, size_t size, weir__rules rules, weir_error *err)
{
    size_t end = 0, front = 8 + st->header_size, available = size - front;
    if (rules == WEIR__OF_SAFETENSORS)
        qsort(st->entries, st->count, sizeof *st->entries, by_place);
    for (size_t i = 0; i < st->count; i++) {
        weir__entry *entry = &st->entries[i];
        if (entry->begin != end)
            return refuse(st, entry->name, err, "must begin at byte %zu of the data, where the one before it ends", end);
        if (rules == WEIR__OF_MODELS && entry->begin % dtypes[entry->dtype].size)
            return refuse(st, entry->name, err, "must begin at a multiple of its numbers' size");
        end = entry->end;
        entry->begin += front;
        entry->end += front;
    }
    if (end != available)
        return weir__fail_at(err, WEIR_E_FORMAT, end < available ? front + end : size,
                             "the tensors need %zu bytes of data, but the file has %zu", end, available);
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

static weir_status read_header(weir__safetensors *st, json_t *header, weir__rules rules, weir_error *err)
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
            status = read_entry(st, name, record, rules, &st->entries[st->count++], err);
        }
        if (status)
            return status;
    }
    return WEIR_OK;
}

weir_status weir__safetensors_open(weir__safetensors *st, const void *bytes, size_t size, weir__rules rules, weir_error *err)
{
    *st = (weir__safetensors){.bytes = bytes};
    json_t *header = NULL;
    weir_status status = parse_header(st, size, &header, err);
    if (!status)
        status = read_header(st, header, rules, err);
    json_decref(header);
    return status ? status : check_places(st, size, rules, err);
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

void weir__make_printable(weir_error *err)
{
    for (char *p = err ? err->text : NULL; p && *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

const char *weir__shape_text(size_t rank, const size_t *dims, char text[WEIR__SHAPE_SIZE])
{
    int used = snprintf(text, WEIR__SHAPE_SIZE, "(");
    for (size_t i = 0; i < rank && i < WEIR__RANK_LIMIT; i++)
        used += snprintf(text + used, WEIR__SHAPE_SIZE - (size_t)used, "%s%zu", i ? ", " : "", dims[i]);
    snprintf(text + used, WEIR__SHAPE_SIZE - (size_t)used, ")");
    return text;
}

/* ---- Numbers ---- */

/* 1 bit of sign, 5 of exponent (bias 15), 10 of fraction. */
static float from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, bits;
    float value;
    if (exponent == 0) { /* zero or subnormal: fraction times 2^-24 */
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double to_double(weir__dtype dtype, const unsigned char *from)
{
    double wide;
    float single;
    uint16_t half;
    switch (dtype) {
    case WEIR__F64:
        memcpy(&wide, from, sizeof wide);
        return wide;
    case WEIR__F32:
        memcpy(&single, from, sizeof single);
        return (double)single;
    default:
        memcpy(&half, from, sizeof half);
        return (double)(dtype == WEIR__F16 ? from_half(half) : weir__from_bf16(half));
    }
}

void weir__to_doubles(weir__dtype dtype, const unsigned char *from, size_t count, double *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = to_double(dtype, from + i * dtypes[dtype].size);
}

/* ---- Writing ---- */

/* Of an array in memory. */
static size_t size_of(const weir__array *t)
{
    size_t size = dtypes[t->dtype].size;
    for (size_t i = 0; i < t->rank; i++)
        size *= t->dims[i];
    return size;
}

static json_t *build_shape(const weir__array *t)
{
    json_t *shape = json_array();
    for (size_t i = 0; shape && i < t->rank; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)t->dims[i]))) {
            json_decref(shape);
            shape = NULL;
        }
    return shape;
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
        json_t *record =
            json_pack("{ss so s[II]}", "dtype", dtypes[t->dtype].name, "shape", build_shape(t), "data_offsets", begin, (json_int_t)*data);
        if (json_object_set_new(header, t->name, record)) {
            json_decref(header);
            header = NULL;
        }
    }
    return header;
}

weir_status weir__safetensors_front(const weir_allocator *a, json_t *metadata, const weir__array *arrays, size_t count, bool room,
                                    void **bytes, size_t *front, size_t *data, weir_error *err)
{
    json_t *header = build_header(metadata, arrays, count, data);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    size_t length = text ? strlen(text) : 0, padded = weir__round_up(length, 8);
    unsigned char *file = text ? weir__alloc(a, 8 + padded + (room ? *data : 0)) : NULL;
    if (!file) {
        free(text);
        return weir__fail(err, WEIR_E_NOMEM, "no memory for the bytes of a model file");
    }
    for (size_t i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    memset(file + 8, ' ', padded);
    memcpy(file + 8, text, length);
    free(text);
    *bytes = file;
    *front = 8 + padded;
    return WEIR_OK;
}

weir_status weir__safetensors_write(const weir_allocator *a, json_t *metadata, const weir__array *arrays, size_t count,
                                    void **bytes, size_t *size, weir_error *err)
{
    size_t front, data;
    TRY(weir__safetensors_front(a, metadata, arrays, count, true, bytes, &front, &data, err));
    unsigned char *to = (unsigned char *)*bytes + front;
    for (size_t i = 0; i < count; i++) {
        memcpy(to, arrays[i].data, size_of(arrays + i));
        to += size_of(arrays + i);
    }
    *size = front + data;
    return WEIR_OK;
}
