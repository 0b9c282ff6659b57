/* What the parts of the reader of ONNX files share: walking over protocol buffers, messages as lists of fields, the graph's memory.
 *
 * Each message is walked twice: weir__check_fields holds it to its list of fields and counts them, then it is read into arrays of just that
 * size. So a broken or surprising file is refused before its numbers can ask for memory.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_READER_H
#define WEIR_ONNX_READER_H

#include <pb_decode.h>
#include <string.h>

#include "format/onnx.h"

enum {
    WEIR__ONNX_FILE_LIMIT = 0x7FFFFFFF, /* that of protocol buffers */
    WEIR__ONNX_SPARE = 512 << 10,       /* the graph's memory is at most the file's size and this */
    WEIR__TAGS = 32
};

/* ---- The wire ---- */

/* A message being walked field by field. */
typedef struct weir__walk {
    pb_istream_t stream;
    weir__text message;
    bool broken; /* ended by something that is no field */
} weir__walk;

typedef struct weir__field {
    uint32_t tag;
    pb_wire_type_t wire;
    uint64_t number;  /* of a varint, or the bits of a fixed one */
    weir__text bytes; /* of a string, a message or packed numbers */
} weir__field;

weir__walk weir__walk_over(weir__text message);
/* The next field; false at the end of the message, and where it is broken. */
bool weir__next_field(weir__walk *w, weir__field *f);

/* The numbers of a repeated field, one by one: each field holds one of them, or, packed, many. */
typedef struct weir__numbers {
    weir__walk fields;
    uint32_t tag;
    pb_wire_type_t wire;
    pb_istream_t packed;
} weir__numbers;

weir__numbers weir__numbers_of(weir__text message, uint32_t tag, pb_wire_type_t wire);
bool weir__next_number(weir__numbers *n, uint64_t *bits);

static inline float weir__float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- Messages: their fields ---- */

typedef struct weir__rule {
    uint32_t tag;
    pb_wire_type_t wire;
    bool many;
    const char *name;
} weir__rule;

typedef struct weir__message_kind {
    const char *name;
    const weir__rule *rules;
    size_t count;
} weir__message_kind;

/* Defines a message kind of the name and rules given. */
#define WEIR__MESSAGE(kind, name, ...)              \
    static const weir__rule kind##_rules[] = {__VA_ARGS__}; \
    static const weir__message_kind kind = {name, kind##_rules, sizeof kind##_rules / sizeof *kind##_rules};

/* The rule of a field, or NULL. */
const weir__rule *weir__find_rule(const weir__message_kind *kind, uint32_t tag);

/* ---- Reading ---- */

typedef struct weir__reader {
    weir__onnx *graph;
    weir_error *err;
    /* The graph's arrays while they are filled. */
    weir__onnx_node *nodes;
    weir__onnx_value *values;
    weir__onnx_tensor *tensors;
    uint32_t *order; /* the values, sorted by their names */
} weir__reader;

/* Fails at the place of `where`. */
weir_status weir__reader_refuse(const weir__reader *r, weir__text where, weir_status status, const char *format, ...) WEIR__PRINTF(4, 5);
/* Holds a message to its kind and counts its fields, packed numbers each for itself: counts[tag]. Unknown fields are passed over, as protocol
 * buffers want it. */
weir_status weir__check_fields(const weir__reader *r, const weir__message_kind *kind, weir__text message, uint32_t counts[WEIR__TAGS]);
/* *out = room for n things of `size` bytes, zeroed. */
weir_status weir__reader_take(const weir__reader *r, size_t n, size_t size, void *out);

/* ---- Tensors: onnx_tensor.c ---- */

/* The type of this number in files, or WEIR__ONNX_UNTYPED if it is not read. */
weir__onnx_type weir__onnx_known_type(uint64_t type);
weir_status weir__read_tensor(const weir__reader *r, weir__onnx_tensor *t, weir__text message);

#endif
