/* Layer 5: safetensors, a container of named arrays of one or two dimensions and a table of strings (docs/format.md).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_SAFETENSORS_H
#define WEIR_SAFETENSORS_H

#include <jansson.h>

#include "base/base.h"

#if !defined __BYTE_ORDER__ || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors holds little-endian numbers, and libweir-format copies them as they are: it needs a little-endian machine"
#endif

enum {
    WEIR__HEADER_LIMIT = 16 << 20,
    /* The largest model's tensors: 9 for each layer and direction, 3 for each dense layer and for the output. */
    WEIR__TENSOR_LIMIT = 9 * 2 * WEIR_MAX_LAYERS + 3 * (WEIR_MAX_DENSE + 1)
};

typedef enum weir__dtype { WEIR__F32, WEIR__BF16, WEIR__I8, WEIR__DTYPES } weir__dtype;

const char *weir__dtype_name(weir__dtype dtype);
/* Bytes of a number. */
size_t weir__dtype_size(weir__dtype dtype);

/* An array to be written. */
typedef struct weir__array {
    char name[sizeof((weir_tensor *)0)->name];
    size_t rows, cols; /* rows = 0: a vector */
    weir__dtype dtype;
    const void *data;
} weir__array;

typedef struct weir__entry {
    char name[sizeof((weir_tensor *)0)->name];
    size_t rows, cols; /* rows = 0: a vector */
    weir__dtype dtype;
    size_t begin;      /* byte of the file where its data begins */
} weir__entry;

/* A container that was checked whole. */
typedef struct weir__safetensors {
    const unsigned char *bytes;
    size_t header_size; /* the data begins at byte 8 + header_size */
    json_t *metadata;   /* object of strings, or NULL */
    size_t count;
    weir__entry entries[WEIR__TENSOR_LIMIT];
} weir__safetensors;

/* Accepts just the files that follow every rule of docs/format.md; the entries are in the order of their data, which they cover without
 * holes or overlaps. Memory is bounded by `size`. weir__safetensors_close in any case. */
weir_status weir__safetensors_open(weir__safetensors *st, const void *bytes, size_t size, weir_error *err);
void weir__safetensors_close(weir__safetensors *st);

/* The entry of this name, or NULL. */
const weir__entry *weir__safetensors_find(const weir__safetensors *st, const char *name);
/* The byte of the file where the key `name` stands in the header, or that of the header. For error messages. */
size_t weir__safetensors_where(const weir__safetensors *st, const char *name);

/* Bytes of the file with this table of strings and these arrays, in this order; allocated by `a`. */
weir_status weir__safetensors_write(const weir_allocator *a, json_t *metadata, const weir__array *arrays, size_t count,
                                    void **bytes, size_t *size, weir_error *err);

#endif
