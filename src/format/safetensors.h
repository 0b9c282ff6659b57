/* Layer 5: safetensors, a container of named arrays and a table of strings (docs/format.md).
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
    WEIR__TENSOR_LIMIT = 9 * 2 * WEIR_MAX_LAYERS + 3 * (WEIR_MAX_DENSE + 1),
    WEIR__RANK_LIMIT = 5,
    WEIR__NAME_SIZE = 128 /* of an array's name, with the 0 at its end */
};

typedef enum weir__dtype {
    WEIR__F32,
    WEIR__BF16,
    WEIR__I8,
    WEIR__F16,
    WEIR__F64,
    WEIR__DTYPES /* how many; and an array of another type or of more dimensions, which is not looked into */
} weir__dtype;

const char *weir__dtype_name(weir__dtype dtype);
/* Bytes of a number. */
size_t weir__dtype_size(weir__dtype dtype);

/* An array to be written. */
typedef struct weir__array {
    char name[WEIR__NAME_SIZE];
    size_t rank, dims[WEIR__RANK_LIMIT];
    weir__dtype dtype;
    const void *data;
} weir__array;

typedef struct weir__entry {
    char name[WEIR__NAME_SIZE];
    size_t rank, dims[WEIR__RANK_LIMIT];
    weir__dtype dtype;
    size_t begin, end; /* bytes of the file where its data stand */
} weir__entry;

/* Whose rules a file must follow: those of docs/format.md, for a model; or those of safetensors alone, by which arrays may have any type and
 * rank and stand in any order. */
typedef enum weir__rules { WEIR__OF_MODELS, WEIR__OF_SAFETENSORS } weir__rules;

/* A container that was checked whole. */
typedef struct weir__safetensors {
    const unsigned char *bytes;
    size_t header_size; /* the data begins at byte 8 + header_size */
    json_t *metadata;   /* object of strings, or NULL */
    size_t count;
    weir__entry entries[WEIR__TENSOR_LIMIT];
} weir__safetensors;

/* Accepts just the files that follow the rules; the entries are in the order of their data, which they cover without holes or overlaps.
 * Of the `size` bytes only those of the header need to be there. Memory is bounded by `size`. weir__safetensors_close in any case. */
weir_status weir__safetensors_open(weir__safetensors *st, const void *bytes, size_t size, weir__rules rules, weir_error *err);
/* Bytes in front of the data, which a file that begins with these 8 says it has: more than `size` if that is broken. */
size_t weir__safetensors_head(const void *eight, size_t size);
void weir__safetensors_close(weir__safetensors *st);

/* The entry of this name, or NULL. */
const weir__entry *weir__safetensors_find(const weir__safetensors *st, const char *name);
/* The byte of the file where the key `name` stands in the header, or that of the header. For error messages. */
size_t weir__safetensors_where(const weir__safetensors *st, const char *name);

/* Numbers of any dtype but I8, at any alignment; widening is exact. */
void weir__to_doubles(weir__dtype dtype, const unsigned char *from, size_t count, double *to);
/* "(3, 4)" */
enum { WEIR__SHAPE_SIZE = 24 * WEIR__RANK_LIMIT };
const char *weir__shape_text(size_t rank, const size_t *dims, char text[WEIR__SHAPE_SIZE]);
/* Names from a file may hold anything; a terminal shall not obey them. */
void weir__make_printable(weir_error *err);

/* Bytes of the file with this table of strings and these arrays, in this order; allocated by `a`. */
weir_status weir__safetensors_write(const weir_allocator *a, json_t *metadata, const weir__array *arrays, size_t count,
                                    void **bytes, size_t *size, weir_error *err);

/* The bytes in front of the data of such a file, a multiple of 8, and how many bytes of data follow; with `room` there is
 * room for these behind them. Allocated by `a`. */
weir_status weir__safetensors_front(const weir_allocator *a, json_t *metadata, const weir__array *arrays, size_t count, bool room,
                                    void **bytes, size_t *front, size_t *data, weir_error *err);

#endif
