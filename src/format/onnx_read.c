/* The reader of ONNX files: protocol buffers by nanopb's functions for the wire, the rules of ONNX here.
 *
 * Each message is walked twice: check_fields holds it to its list of fields and counts them, then it is read into arrays of just that
 * size. So a broken or surprising file is refused before its numbers can ask for memory.
 * SPDX-License-Identifier: MIT */
#include "format/onnx.h"

#include <pb_decode.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if !defined __BYTE_ORDER__ || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "ONNX files hold little-endian numbers, which are read as they stand: this needs a little-endian machine"
#endif

enum {
    FILE_LIMIT = 0x7FFFFFFF,      /* that of protocol buffers */
    GRAPH_SPARE = 512 << 10,      /* the graph's memory is at most the file's size and this */
    CHUNK = 8 << 10,
    TAGS = 32,
};

/* ---- Texts ---- */

bool weir__text_is(weir__text text, const char *word)
{
    return text.size == strlen(word) && !memcmp(text.bytes, word, text.size);
}

bool weir__text_equal(weir__text a, weir__text b)
{
    return a.size == b.size && (!a.size || !memcmp(a.bytes, b.bytes, a.size));
}

const char *weir__text_show(char room[WEIR__SHOWN], weir__text text)
{
    size_t n = text.size < WEIR__SHOWN ? text.size : WEIR__SHOWN - 1;
    for (size_t i = 0; i < n; i++)
        room[i] = text.bytes[i];
    for (size_t i = 0; i < n; i++)
        if (room[i] < ' ' || room[i] > '~')
            room[i] = '?';
    room[n] = 0;
    return room;
}

/* ---- The wire ---- */

/* A message being walked field by field. */
typedef struct walk {
    pb_istream_t stream;
    weir__text message;
    bool broken; /* ended by something that is no field */
} walk;

typedef struct field {
    uint32_t tag;
    pb_wire_type_t wire;
    uint64_t number;  /* of a varint, or the bits of a fixed one */
    weir__text bytes; /* of a string, a message or packed numbers */
} field;

static walk walk_over(weir__text message)
{
    return (walk){.stream = pb_istream_from_buffer((const pb_byte_t *)message.bytes, message.size), .message = message};
}

static bool read_string(walk *w, field *f)
{
    uint64_t size;
    if (!pb_decode_varint(&w->stream, &size) || size > w->stream.bytes_left)
        return false;
    f->bytes = (weir__text){w->message.bytes + (w->message.size - w->stream.bytes_left), (size_t)size};
    return pb_read(&w->stream, NULL, (size_t)size);
}

static bool read_fixed32(pb_istream_t *stream, uint64_t *bits)
{
    uint32_t word;
    bool good = pb_decode_fixed32(stream, &word);
    *bits = good ? word : 0;
    return good;
}

static bool read_payload(walk *w, field *f)
{
    switch (f->wire) {
    case PB_WT_VARINT:
        return pb_decode_varint(&w->stream, &f->number);
    case PB_WT_64BIT:
        return pb_decode_fixed64(&w->stream, &f->number);
    case PB_WT_32BIT:
        return read_fixed32(&w->stream, &f->number);
    case PB_WT_STRING:
        return read_string(w, f);
    default:
        return false;
    }
}

/* The next field; false at the end of the message, and where it is broken. */
static bool next_field(walk *w, field *f)
{
    bool end;
    *f = (field){.tag = 0};
    if (!pb_decode_tag(&w->stream, &f->wire, &f->tag, &end)) {
        w->broken = w->stream.bytes_left != 0 || !end;
        return false;
    }
    w->broken = !f->tag || !read_payload(w, f);
    return !w->broken;
}

/* The numbers of a repeated field, one by one: each field holds one of them, or, packed, many. */
typedef struct numbers {
    walk fields;
    uint32_t tag;
    pb_wire_type_t wire;
    pb_istream_t packed;
} numbers;

static numbers numbers_of(weir__text message, uint32_t tag, pb_wire_type_t wire)
{
    return (numbers){.fields = walk_over(message), .tag = tag, .wire = wire, .packed = pb_istream_from_buffer(NULL, 0)};
}

static bool read_packed(pb_istream_t *packed, pb_wire_type_t wire, uint64_t *bits)
{
    return wire == PB_WT_VARINT ? pb_decode_varint(packed, bits)
           : wire == PB_WT_64BIT ? pb_decode_fixed64(packed, bits)
                                 : read_fixed32(packed, bits);
}

static bool next_number(numbers *n, uint64_t *bits)
{
    field f;
    while (!n->packed.bytes_left && next_field(&n->fields, &f)) {
        if (f.tag != n->tag)
            continue;
        if (f.wire == n->wire) {
            *bits = f.number;
            return true;
        }
        n->packed = pb_istream_from_buffer((const pb_byte_t *)f.bytes.bytes, f.bytes.size);
    }
    return n->packed.bytes_left && read_packed(&n->packed, n->wire, bits);
}

/* ---- Messages: their fields ---- */

typedef struct rule {
    uint32_t tag;
    pb_wire_type_t wire;
    bool many;
    const char *name;
} rule;

typedef struct kind_of_message {
    const char *name;
    const rule *rules;
    size_t count;
} kind_of_message;

#define VARINT PB_WT_VARINT
#define STRING PB_WT_STRING
#define KIND(kind, name, ...)                       \
    static const rule kind##_rules[] = {__VA_ARGS__}; \
    static const kind_of_message kind = {name, kind##_rules, sizeof kind##_rules / sizeof *kind##_rules};

enum { MODEL_IR = 1, MODEL_GRAPH = 7, MODEL_OPSETS = 8 };
KIND(model_kind, "model", {MODEL_IR, VARINT, false, "ir_version"}, {MODEL_GRAPH, STRING, false, "graph"},
     {MODEL_OPSETS, STRING, true, "opset_import"})

enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
KIND(opset_import_kind, "opset_import", {OPSET_DOMAIN, STRING, false, "domain"}, {OPSET_VERSION, VARINT, false, "version"})

enum { GRAPH_NODES = 1, GRAPH_TENSORS = 5, GRAPH_INPUTS = 11, GRAPH_OUTPUTS = 12, GRAPH_SPARSE = 15 };
KIND(graph_kind, "graph", {GRAPH_NODES, STRING, true, "node"}, {GRAPH_TENSORS, STRING, true, "initializer"}, {GRAPH_INPUTS, STRING, true, "input"},
     {GRAPH_OUTPUTS, STRING, true, "output"}, {GRAPH_SPARSE, STRING, true, "sparse_initializer"})

enum { NODE_INPUTS = 1, NODE_OUTPUTS = 2, NODE_NAME = 3, NODE_TYPE = 4, NODE_ATTRIBUTES = 5, NODE_DOMAIN = 7 };
KIND(node_kind, "node", {NODE_INPUTS, STRING, true, "input"}, {NODE_OUTPUTS, STRING, true, "output"}, {NODE_NAME, STRING, false, "name"},
     {NODE_TYPE, STRING, false, "op_type"}, {NODE_ATTRIBUTES, STRING, true, "attribute"}, {NODE_DOMAIN, STRING, false, "domain"})

enum {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F = 2,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_S = 4,
    ATTRIBUTE_T = 5,
    ATTRIBUTE_G = 6,
    ATTRIBUTE_FLOATS = 7,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_STRINGS = 9,
    ATTRIBUTE_TENSORS = 10,
    ATTRIBUTE_GRAPHS = 11,
    ATTRIBUTE_TP = 14,
    ATTRIBUTE_TYPES = 15,
    ATTRIBUTE_KIND = 20,
    ATTRIBUTE_REFERENCE = 21,
    ATTRIBUTE_SPARSE = 22,
    ATTRIBUTE_SPARSES = 23
};
KIND(attribute_kind, "attribute", {ATTRIBUTE_NAME, STRING, false, "name"}, {ATTRIBUTE_F, PB_WT_32BIT, false, "f"}, {ATTRIBUTE_I, VARINT, false, "i"},
     {ATTRIBUTE_S, STRING, false, "s"}, {ATTRIBUTE_T, STRING, false, "t"}, {ATTRIBUTE_FLOATS, PB_WT_32BIT, true, "floats"},
     {ATTRIBUTE_INTS, VARINT, true, "ints"}, {ATTRIBUTE_STRINGS, STRING, true, "strings"}, {ATTRIBUTE_KIND, VARINT, false, "type"},
     {ATTRIBUTE_REFERENCE, STRING, false, "ref_attr_name"}, {ATTRIBUTE_G, STRING, false, "g"}, {ATTRIBUTE_TENSORS, STRING, true, "tensors"},
     {ATTRIBUTE_GRAPHS, STRING, true, "graphs"}, {ATTRIBUTE_TP, STRING, false, "tp"}, {ATTRIBUTE_TYPES, STRING, true, "type_protos"},
     {ATTRIBUTE_SPARSE, STRING, false, "sparse_tensor"}, {ATTRIBUTE_SPARSES, STRING, true, "sparse_tensors"})

enum {
    TENSOR_DIMS = 1,
    TENSOR_TYPE = 2,
    TENSOR_SEGMENT = 3,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_STRINGS = 6,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_UINT64S = 11,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14
};
KIND(tensor_kind, "tensor", {TENSOR_DIMS, VARINT, true, "dims"}, {TENSOR_TYPE, VARINT, false, "data_type"},
     {TENSOR_SEGMENT, STRING, false, "segment"}, {TENSOR_FLOATS, PB_WT_32BIT, true, "float_data"}, {TENSOR_INT32S, VARINT, true, "int32_data"},
     {TENSOR_STRINGS, STRING, true, "string_data"}, {TENSOR_INT64S, VARINT, true, "int64_data"}, {TENSOR_NAME, STRING, false, "name"},
     {TENSOR_RAW, STRING, false, "raw_data"}, {TENSOR_DOUBLES, PB_WT_64BIT, true, "double_data"}, {TENSOR_UINT64S, VARINT, true, "uint64_data"},
     {TENSOR_EXTERNAL, STRING, true, "external_data"}, {TENSOR_LOCATION, VARINT, false, "data_location"})

enum { PORT_NAME = 1, PORT_TYPE = 2 };
KIND(value_info_kind, "value_info", {PORT_NAME, STRING, false, "name"}, {PORT_TYPE, STRING, false, "type"})

enum { TYPE_TENSOR = 1, TYPE_SEQUENCE = 4, TYPE_MAP = 5, TYPE_OPAQUE = 7, TYPE_SPARSE = 8, TYPE_OPTIONAL = 9 };
KIND(type_kind, "type", {TYPE_TENSOR, STRING, false, "tensor_type"}, {TYPE_SEQUENCE, STRING, false, "sequence_type"},
     {TYPE_MAP, STRING, false, "map_type"}, {TYPE_OPAQUE, STRING, false, "opaque_type"}, {TYPE_SPARSE, STRING, false, "sparse_tensor_type"},
     {TYPE_OPTIONAL, STRING, false, "optional_type"})

enum { TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2 };
KIND(tensor_type_kind, "tensor_type", {TENSOR_TYPE_ELEMENT, VARINT, false, "elem_type"}, {TENSOR_TYPE_SHAPE, STRING, false, "shape"})

enum { SHAPE_DIMS = 1 };
KIND(shape_kind, "shape", {SHAPE_DIMS, STRING, true, "dim"})

enum { DIM_VALUE = 1 };
KIND(dim_kind, "dim", {DIM_VALUE, VARINT, false, "dim_value"})

/* ---- Reading: what it needs ---- */

typedef struct reader {
    weir__onnx *graph;
    weir_error *err;
    /* The graph's arrays while they are filled. */
    weir__onnx_node *nodes;
    weir__onnx_value *values;
    weir__onnx_tensor *tensors;
    uint32_t *order; /* the values, sorted by their names */
} reader;

static weir_status refuse(const reader *r, weir__text where, weir_status status, const char *format, ...) WEIR__PRINTF(4, 5);

static weir_status refuse(const reader *r, weir__text where, weir_status status, const char *format, ...)
{
    char sentence[sizeof r->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return weir__fail_at(r->err, status, (size_t)(where.bytes - r->graph->file.bytes), "%s", sentence);
}

static const rule *find_rule(const kind_of_message *kind, uint32_t tag)
{
    for (size_t i = 0; i < kind->count; i++)
        if (kind->rules[i].tag == tag)
            return &kind->rules[i];
    return NULL;
}

/* How many numbers a packed field has; false if it is broken. */
static bool count_packed(const field *f, pb_wire_type_t wire, uint32_t *count)
{
    pb_istream_t packed = pb_istream_from_buffer((const pb_byte_t *)f->bytes.bytes, f->bytes.size);
    uint64_t bits;
    size_t width = wire == PB_WT_64BIT ? 8 : 4;
    if (wire != PB_WT_VARINT) {
        *count += (uint32_t)(f->bytes.size / width);
        return f->bytes.size % width == 0;
    }
    for (; packed.bytes_left; ++*count)
        if (!pb_decode_varint(&packed, &bits))
            return false;
    return true;
}

/* Holds a message to its kind and counts its fields, packed numbers each for itself: counts[tag]. Unknown fields are passed over, as protocol
 * buffers want it. */
static weir_status check_fields(const reader *r, const kind_of_message *kind, weir__text message, uint32_t counts[TAGS])
{
    field f;
    walk w = walk_over(message);
    memset(counts, 0, TAGS * sizeof *counts);
    while (next_field(&w, &f)) {
        const rule *known = find_rule(kind, f.tag);
        if (!known)
            continue;
        bool packed = known->many && known->wire != PB_WT_STRING && f.wire == PB_WT_STRING;
        if (packed ? !count_packed(&f, known->wire, &counts[f.tag]) : f.wire != known->wire)
            return refuse(r, message, WEIR_E_FORMAT, "the field %s of a message of %s is not encoded as it must be", known->name, kind->name);
        if (!packed && counts[f.tag]++ && !known->many)
            return refuse(r, message, WEIR_E_FORMAT, "the field %s of a message of %s is there twice", known->name, kind->name);
    }
    if (w.broken)
        return refuse(r, message, WEIR_E_FORMAT, "a message of %s ends inside a field, or is none: the file is cut off or damaged", kind->name);
    return WEIR_OK;
}

weir__text weir__onnx_property(const weir__onnx *graph, const char *key)
{
    enum { MODEL_PROPERTY = 14, PROPERTY_KEY = 1, PROPERTY_VALUE = 2 };
    walk model = walk_over(graph->file);
    for (field entry; next_field(&model, &entry);) {
        weir__text name = {"", 0}, value = {"", 0};
        walk property = walk_over(entry.bytes);
        for (field f; entry.tag == MODEL_PROPERTY && next_field(&property, &f);)
            *(f.tag == PROPERTY_KEY ? &name : &value) = f.bytes;
        if (entry.tag == MODEL_PROPERTY && weir__text_is(name, key))
            return value;
    }
    return (weir__text){NULL, 0};
}

/* ---- Memory ---- */

struct weir__onnx_chunk {
    struct weir__onnx_chunk *next;
    size_t size, used; /* bytes, this header included */
};

static size_t chunk_header(void)
{
    return weir__round_up(sizeof(struct weir__onnx_chunk), 16);
}

static weir_status add_chunk(const reader *r, size_t bytes)
{
    weir__onnx *g = r->graph;
    size_t size = chunk_header() + bytes;
    if (size < CHUNK && CHUNK <= g->room)
        size = CHUNK;
    if (bytes >= FILE_LIMIT || size > g->room)
        return weir__fail(r->err, WEIR_E_UNSUPPORTED, "the graph's nodes and names need more memory than the file's %zu bytes and %d KiB; "
                          "it has too many for a file of its size", g->file.size, GRAPH_SPARE >> 10);
    struct weir__onnx_chunk *chunk = weir__alloc(&g->allocator, size);
    if (!chunk)
        return weir__fail(r->err, WEIR_E_NOMEM, "no memory for the graph of an ONNX file");
    *chunk = (struct weir__onnx_chunk){g->chunks, size, chunk_header()};
    g->chunks = chunk;
    g->room -= size;
    return WEIR_OK;
}

/* *out = room for n things of `size` bytes, zeroed. */
static weir_status take(const reader *r, size_t n, size_t size, void *out)
{
    weir__onnx *g = r->graph;
    size_t bytes;
    bytes = weir__size_mul(&bytes, n, size) && bytes < FILE_LIMIT ? weir__round_up(bytes, 8) : FILE_LIMIT;
    if (!g->chunks || g->chunks->size - g->chunks->used < bytes)
        TRY(add_chunk(r, bytes));
    void *place = (char *)g->chunks + g->chunks->used;
    g->chunks->used += bytes;
    memcpy(out, &place, sizeof place);
    return WEIR_OK;
}

void *weir__onnx_take(weir__onnx *graph, size_t bytes)
{
    void *place = NULL;
    weir_status status = take(&(reader){.graph = graph}, 1, bytes, &place);
    if (status)
        graph->lack = status;
    return place;
}

weir_status weir__onnx_lacks(const weir__onnx *graph, weir_error *err)
{
    if (graph->lack == WEIR_E_NOMEM)
        return weir__fail(err, WEIR_E_NOMEM, "no memory to make a model of an ONNX file");
    return weir__fail(err, WEIR_E_UNSUPPORTED, "to make a model of the graph takes more memory than there may be for a file of %zu bytes; "
                      "layers that share weights and large tables of tokens are not unfolded; weir run can run the file as it is", graph->file.size);
}

void weir__onnx_close(weir__onnx *graph)
{
    for (struct weir__onnx_chunk *chunk = graph->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        weir__free(&graph->allocator, chunk, chunk->size);
    }
    graph->chunks = NULL;
}

/* ---- Tensors ---- */

static const struct {
    weir__onnx_type type;
    const char *name;
    size_t width;        /* bytes of a number in raw_data */
    uint32_t field;      /* or the field of its numbers */
    pb_wire_type_t wire; /* of that field */
} types[] = {
    {WEIR__ONNX_F32, "float32", 4, TENSOR_FLOATS, PB_WT_32BIT}, {WEIR__ONNX_I32, "int32", 4, TENSOR_INT32S, PB_WT_VARINT},
    {WEIR__ONNX_I64, "int64", 8, TENSOR_INT64S, PB_WT_VARINT},  {WEIR__ONNX_BOOL, "bool", 1, TENSOR_INT32S, PB_WT_VARINT},
    {WEIR__ONNX_F16, "float16", 2, TENSOR_INT32S, PB_WT_VARINT}, {WEIR__ONNX_F64, "float64", 8, TENSOR_DOUBLES, PB_WT_64BIT},
    {WEIR__ONNX_BF16, "bfloat16", 2, TENSOR_INT32S, PB_WT_VARINT},
};
enum { TYPES = sizeof types / sizeof *types };

/* Place in `types`, or TYPES. */
static size_t find_type(uint64_t type)
{
    size_t i = 0;
    while (i < TYPES && (uint64_t)types[i].type != type)
        i++;
    return i;
}

const char *weir__onnx_type_name(weir__onnx_type type)
{
    size_t i = find_type((uint64_t)type);
    return i < TYPES ? types[i].name : NULL;
}

/* dims, and count = their product. */
static weir_status read_dims(const reader *r, weir__onnx_tensor *t, uint32_t rank, const char *label)
{
    if (rank > WEIR__ONNX_RANK)
        return refuse(r, t->message, WEIR_E_UNSUPPORTED, "tensor %s has %u dimensions; at most %d can be read", label, (unsigned)rank,
                      WEIR__ONNX_RANK);
    int64_t *dims;
    TRY(take(r, rank, sizeof *dims, &dims));
    numbers n = numbers_of(t->message, TENSOR_DIMS, PB_WT_VARINT);
    t->rank = rank;
    t->dims = dims;
    t->count = 1;
    for (uint64_t bits; next_number(&n, &bits); dims++) {
        *dims = (int64_t)bits;
        if (*dims < 0)
            return refuse(r, t->message, WEIR_E_FORMAT, "tensor %s has a dimension of %lld; it must not be negative", label, (long long)*dims);
        if (!weir__size_mul(&t->count, t->count, (size_t)*dims) || t->count > SIZE_MAX / 16)
            return refuse(r, t->message, WEIR_E_FORMAT, "tensor %s has more numbers than can be counted", label);
    }
    return WEIR_OK;
}

/* The bytes of float_data or double_data if they are one packed field. */
static const void *one_piece(weir__text message, uint32_t tag)
{
    const void *piece = NULL;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);) {
        if (f.tag != tag)
            continue;
        if (piece || f.wire != PB_WT_STRING)
            return NULL;
        piece = f.bytes.bytes;
    }
    return piece;
}

/* Finds the numbers, in raw_data or in the field of their type, and wants just as many as the dimensions say. */
static weir_status find_numbers(const reader *r, weir__onnx_tensor *t, size_t type, weir__text raw, const uint32_t counts[TAGS],
                                const char *label)
{
    static const uint32_t data[] = {TENSOR_FLOATS, TENSOR_INT32S, TENSOR_STRINGS, TENSOR_INT64S, TENSOR_DOUBLES, TENSOR_UINT64S};
    uint32_t right = types[type].field, has = counts[right];
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        if (counts[data[i]] && (data[i] != right || counts[TENSOR_RAW]))
            return refuse(r, t->message, WEIR_E_FORMAT, "tensor %s of %s has numbers in %s, where none belong", label, types[type].name,
                          find_rule(&tensor_kind, data[i])->name);
    if (counts[TENSOR_RAW]) {
        if (raw.size != t->count * types[type].width)
            return refuse(r, t->message, WEIR_E_FORMAT, "tensor %s has %zu bytes of data, but its dimensions need %zu", label, raw.size,
                          t->count * types[type].width);
        t->raw = raw.bytes;
    } else {
        if (has != t->count)
            return refuse(r, t->message, WEIR_E_FORMAT, "tensor %s has %u numbers, but its dimensions need %zu", label, (unsigned)has, t->count);
        if (types[type].wire != PB_WT_VARINT)
            t->raw = one_piece(t->message, right);
    }
    return WEIR_OK;
}

static weir_status read_tensor(const reader *r, weir__onnx_tensor *t, weir__text message)
{
    uint32_t counts[TAGS];
    char label[WEIR__SHOWN];
    uint64_t type = 0, location = 0;
    weir__text raw = {NULL, 0};
    *t = (weir__onnx_tensor){.message = message, .name = {message.bytes, 0}};
    TRY(check_fields(r, &tensor_kind, message, counts));
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        switch (f.tag) {
        case TENSOR_NAME: t->name = f.bytes; break;
        case TENSOR_TYPE: type = f.number; break;
        case TENSOR_RAW: raw = f.bytes; break;
        case TENSOR_LOCATION: location = f.number; break;
        default: break;
        }
    weir__text_show(label, t->name);
    if (location || counts[TENSOR_EXTERNAL])
        return refuse(r, message, WEIR_E_UNSUPPORTED, "tensor %s has its numbers in another file; save the model as one file", label);
    if (counts[TENSOR_SEGMENT])
        return refuse(r, message, WEIR_E_UNSUPPORTED, "tensor %s is a segment of another one; save it whole", label);
    size_t known = find_type(type);
    if (known == TYPES)
        return refuse(r, message, type ? WEIR_E_UNSUPPORTED : WEIR_E_FORMAT,
                      "tensor %s has numbers of type %lld; float32, float64, float16, bfloat16, int32, int64 and bool can be read", label,
                      (long long)type);
    t->type = types[known].type;
    TRY(read_dims(r, t, counts[TENSOR_DIMS], label));
    return find_numbers(r, t, known, raw, counts, label);
}

/* A tensor's number `i` as it stands in the file, or the next one of its field. */
static uint64_t bits_of(const weir__onnx_tensor *t, size_t type, numbers *n, size_t i)
{
    uint64_t bits = 0;
    if (t->raw)
        memcpy(&bits, (const char *)t->raw + i * types[type].width, types[type].width);
    else
        next_number(n, &bits);
    return bits;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* All finite halves and the subnormal ones are floats: h = (-1)^s 2^(e - 15) (1 + m / 1024). */
static float float_of_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return float_of_bits(sign | 0x7F800000u | fraction << 13);
    if (exponent)
        return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float small = (float)fraction * 0x1p-24f;
    return sign ? -small : small;
}

static float float_of_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

bool weir__onnx_floats(const weir__onnx_tensor *t, float *out)
{
    size_t type = find_type((uint64_t)t->type);
    if (t->type != WEIR__ONNX_F32 && t->type != WEIR__ONNX_F64 && t->type != WEIR__ONNX_F16 && t->type != WEIR__ONNX_BF16)
        return false;
    if (t->type == WEIR__ONNX_F32 && t->raw) {
        memcpy(out, t->raw, t->count * sizeof *out);
        return true;
    }
    numbers n = numbers_of(t->message, types[type].field, types[type].wire);
    for (size_t i = 0; i < t->count; i++) {
        uint64_t bits = bits_of(t, type, &n, i);
        out[i] = t->type == WEIR__ONNX_F64    ? float_of_double(bits)
                 : t->type == WEIR__ONNX_F16  ? float_of_half((uint32_t)bits & 0xFFFF)
                 : t->type == WEIR__ONNX_BF16 ? float_of_bits((uint32_t)bits << 16)
                                              : float_of_bits((uint32_t)bits);
    }
    return true;
}

bool weir__onnx_ints(const weir__onnx_tensor *t, int64_t *out)
{
    size_t type = find_type((uint64_t)t->type);
    if (t->type != WEIR__ONNX_I32 && t->type != WEIR__ONNX_I64 && t->type != WEIR__ONNX_BOOL)
        return false;
    numbers n = numbers_of(t->message, types[type].field, types[type].wire);
    for (size_t i = 0; i < t->count; i++) {
        uint64_t bits = bits_of(t, type, &n, i);
        out[i] = t->type == WEIR__ONNX_BOOL ? (uint32_t)bits != 0 : t->type == WEIR__ONNX_I32 ? (int32_t)(uint32_t)bits : (int64_t)bits;
    }
    return true;
}

/* ---- Attributes ---- */

/* AttributeProto.AttributeType, and the field that holds each. */
static const uint8_t field_of_kind[] = {
    0, ATTRIBUTE_F, ATTRIBUTE_I, ATTRIBUTE_S, ATTRIBUTE_T, ATTRIBUTE_G, ATTRIBUTE_FLOATS, ATTRIBUTE_INTS, ATTRIBUTE_STRINGS, ATTRIBUTE_TENSORS,
    ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES, ATTRIBUTE_TP, ATTRIBUTE_TYPES};
enum { KINDS = sizeof field_of_kind, ATTRIBUTES = 64 };

static weir_status refuse_attribute(const reader *r, const weir__onnx_node *node, const weir__onnx_attribute *a, const char *why)
{
    char label[WEIR__SHOWN];
    return weir__onnx_refuse(r->graph, node, WEIR_E_FORMAT, r->err, "has the attribute %s, which %s", weir__text_show(label, a->name), why);
}

/* Finds which kind it is, and wants no value of another one. Old files do not say; then its value tells. */
static weir_status find_kind(const reader *r, const weir__onnx_node *node, weir__onnx_attribute *a, uint64_t said, const uint32_t counts[TAGS])
{
    uint64_t kind = said;
    if (kind >= KINDS)
        return refuse_attribute(r, node, a, "is of no known type");
    for (uint32_t k = 1; k < KINDS; k++)
        if (counts[field_of_kind[k]]) {
            if (!said && !kind)
                kind = k;
            if (kind != k)
                return refuse_attribute(r, node, a, "has a value that is not of its type");
        }
    bool known = kind == WEIR__ONNX_FLOAT || kind == WEIR__ONNX_INT || kind == WEIR__ONNX_STRING || kind == WEIR__ONNX_TENSOR ||
                 kind == WEIR__ONNX_FLOATS || kind == WEIR__ONNX_INTS || kind == WEIR__ONNX_STRINGS;
    a->kind = known ? (weir__onnx_kind)kind : WEIR__ONNX_OTHER;
    a->count = known ? counts[field_of_kind[kind]] : 0;
    if (a->kind == WEIR__ONNX_TENSOR && !a->count)
        return refuse_attribute(r, node, a, "lacks its tensor");
    return WEIR_OK;
}

static weir_status read_floats(const reader *r, weir__onnx_attribute *a, weir__text message)
{
    float *list;
    TRY(take(r, a->count, sizeof *list, &list));
    a->is.floats = list;
    numbers n = numbers_of(message, ATTRIBUTE_FLOATS, PB_WT_32BIT);
    for (uint64_t bits; next_number(&n, &bits);)
        *list++ = float_of_bits((uint32_t)bits);
    return WEIR_OK;
}

static weir_status read_ints(const reader *r, weir__onnx_attribute *a, weir__text message)
{
    int64_t *list;
    TRY(take(r, a->count, sizeof *list, &list));
    a->is.ints = list;
    numbers n = numbers_of(message, ATTRIBUTE_INTS, PB_WT_VARINT);
    for (uint64_t bits; next_number(&n, &bits);)
        *list++ = (int64_t)bits;
    return WEIR_OK;
}

static weir_status read_strings(const reader *r, weir__onnx_attribute *a, weir__text message)
{
    weir__text *list;
    TRY(take(r, a->count, sizeof *list, &list));
    a->is.strings = list;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == ATTRIBUTE_STRINGS)
            *list++ = f.bytes;
    return WEIR_OK;
}

static weir_status read_attribute_tensor(const reader *r, weir__onnx_attribute *a, weir__text message)
{
    weir__onnx_tensor *t;
    TRY(take(r, 1, sizeof *t, &t));
    a->is.tensor = t;
    return read_tensor(r, t, message);
}

static weir_status read_attribute_value(const reader *r, weir__onnx_attribute *a, weir__text message)
{
    if (a->kind == WEIR__ONNX_FLOATS)
        return read_floats(r, a, message);
    if (a->kind == WEIR__ONNX_INTS)
        return read_ints(r, a, message);
    if (a->kind == WEIR__ONNX_STRINGS)
        return read_strings(r, a, message);
    if (a->kind == WEIR__ONNX_STRING)
        a->is.s = (weir__text){message.bytes, 0};
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (a->kind != WEIR__ONNX_OTHER && f.tag == field_of_kind[a->kind])
            switch (a->kind) {
            case WEIR__ONNX_FLOAT: a->is.f = float_of_bits((uint32_t)f.number); break;
            case WEIR__ONNX_INT: a->is.i = (int64_t)f.number; break;
            case WEIR__ONNX_STRING: a->is.s = f.bytes; break;
            default: return read_attribute_tensor(r, a, f.bytes);
            }
    return WEIR_OK;
}

static weir_status read_attribute(const reader *r, const weir__onnx_node *node, weir__onnx_attribute *a, weir__text message)
{
    uint32_t counts[TAGS];
    uint64_t kind = 0;
    a->name = (weir__text){message.bytes, 0};
    TRY(check_fields(r, &attribute_kind, message, counts));
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == ATTRIBUTE_NAME)
            a->name = f.bytes;
        else if (f.tag == ATTRIBUTE_KIND)
            kind = f.number;
    if (!a->name.size)
        return refuse_attribute(r, node, a, "has no name");
    if (counts[ATTRIBUTE_REFERENCE])
        return refuse_attribute(r, node, a, "refers to a function's attribute, but stands in no function");
    for (const weir__onnx_attribute *other = node->attributes; other < a; other++)
        if (weir__text_equal(other->name, a->name))
            return refuse_attribute(r, node, a, "is there twice");
    TRY(find_kind(r, node, a, kind, counts));
    return read_attribute_value(r, a, message);
}

/* ---- Ports ---- */

static weir_status read_dim(const reader *r, int64_t *size, weir__text message, const char *label)
{
    uint32_t counts[TAGS];
    TRY(check_fields(r, &dim_kind, message, counts));
    walk w = walk_over(message);
    *size = -1;
    for (field f; next_field(&w, &f);)
        if (f.tag == DIM_VALUE) {
            *size = (int64_t)f.number;
            if (*size < 0)
                return refuse(r, message, WEIR_E_FORMAT, "%s has a dimension of %lld; it must not be negative", label, (long long)*size);
        }
    return WEIR_OK;
}

static weir_status read_shape(const reader *r, weir__onnx_port *port, weir__text message, const char *label)
{
    uint32_t counts[TAGS];
    TRY(check_fields(r, &shape_kind, message, counts));
    if (counts[SHAPE_DIMS] > WEIR__ONNX_RANK)
        return refuse(r, message, WEIR_E_UNSUPPORTED, "%s has %u dimensions; at most %d can be read", label, (unsigned)counts[SHAPE_DIMS],
                      WEIR__ONNX_RANK);
    int64_t *dims;
    TRY(take(r, counts[SHAPE_DIMS], sizeof *dims, &dims));
    port->dims = dims;
    port->rank = (int32_t)counts[SHAPE_DIMS];
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == SHAPE_DIMS)
            TRY(read_dim(r, dims++, f.bytes, label));
    return WEIR_OK;
}

static weir_status read_tensor_type(const reader *r, weir__onnx_port *port, weir__text message, const char *label)
{
    uint32_t counts[TAGS];
    TRY(check_fields(r, &tensor_type_kind, message, counts));
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == TENSOR_TYPE_SHAPE) {
            TRY(read_shape(r, port, f.bytes, label));
        } else if (f.tag == TENSOR_TYPE_ELEMENT && f.number) {
            size_t type = find_type(f.number);
            if (type == TYPES)
                return refuse(r, message, WEIR_E_UNSUPPORTED,
                              "%s has numbers of type %lld; float32, float64, float16, bfloat16, int32, int64 and bool can be read", label,
                              (long long)f.number);
            port->type = types[type].type;
        }
    return WEIR_OK;
}

static weir_status read_type(const reader *r, weir__onnx_port *port, weir__text message, const char *label)
{
    uint32_t counts[TAGS];
    TRY(check_fields(r, &type_kind, message, counts));
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == TYPE_TENSOR)
            TRY(read_tensor_type(r, port, f.bytes, label));
        else if (find_rule(&type_kind, f.tag))
            return refuse(r, message, WEIR_E_UNSUPPORTED, "%s is a %s; only tensors can be read", label, find_rule(&type_kind, f.tag)->name);
    return WEIR_OK;
}

/* Reads the declaration of an input or output; its name goes to *name. */
static weir_status read_port(const reader *r, weir__onnx_port *port, weir__text *name, const char *what, weir__text message)
{
    uint32_t counts[TAGS];
    weir__text of_type = {NULL, 0};
    *port = (weir__onnx_port){.value = WEIR__ONNX_NONE, .rank = WEIR__ONNX_NONE};
    *name = (weir__text){message.bytes, 0};
    TRY(check_fields(r, &value_info_kind, message, counts));
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == PORT_NAME)
            *name = f.bytes;
        else if (f.tag == PORT_TYPE)
            of_type = f.bytes;
    char shown[WEIR__SHOWN], label[WEIR__SHOWN + 16];
    snprintf(label, sizeof label, "%s %s", what, weir__text_show(shown, *name));
    if (!name->size)
        return refuse(r, message, WEIR_E_FORMAT, "an %s of the graph has no name", what);
    return of_type.bytes ? read_type(r, port, of_type, label) : WEIR_OK;
}

/* ---- Values and their names ---- */

static int compare_names(const reader *r, uint32_t a, uint32_t b)
{
    weir__text x = r->values[a].name, y = r->values[b].name;
    size_t n = x.size < y.size ? x.size : y.size;
    int order = n ? memcmp(x.bytes, y.bytes, n) : 0;
    return order ? order : (x.size > y.size) - (x.size < y.size);
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t other = *a;
    *a = *b;
    *b = other;
}

/* Ties go by the values' order. */
static bool is_before(const reader *r, uint32_t a, uint32_t b)
{
    int order = compare_names(r, a, b);
    return order ? order < 0 : a < b;
}

static void sift_down(const reader *r, size_t root, size_t count)
{
    uint32_t *heap = r->order;
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && is_before(r, heap[child], heap[child + 1]))
            child++;
        if (!is_before(r, heap[root], heap[child]))
            return;
        swap(&heap[root], &heap[child]);
    }
}

/* A heap sort: its time and memory do not depend on what the names are. */
static void sort_names(const reader *r)
{
    size_t count = r->graph->value_count;
    for (size_t i = 0; i < count; i++)
        r->order[i] = (uint32_t)i;
    for (size_t i = count / 2; i-- > 0;)
        sift_down(r, i, count);
    for (size_t last = count; last-- > 1;) {
        swap(&r->order[0], &r->order[last]);
        sift_down(r, 0, last);
    }
}

static int32_t find_value(const reader *r, weir__text name)
{
    size_t low = 0, high = r->graph->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        weir__text here = r->values[r->order[middle]].name;
        size_t n = here.size < name.size ? here.size : name.size;
        int order = n ? memcmp(here.bytes, name.bytes, n) : 0;
        if (!order && here.size == name.size)
            return (int32_t)r->order[middle];
        if (order < 0 || (!order && here.size < name.size))
            low = middle + 1;
        else
            high = middle;
    }
    return WEIR__ONNX_NONE;
}

static weir__onnx_value *add_value(const reader *r, weir__text name)
{
    weir__onnx_value *v = &r->values[r->graph->value_count++];
    *v = (weir__onnx_value){.name = name, .producer = WEIR__ONNX_NONE, .input = WEIR__ONNX_NONE, .tensor = WEIR__ONNX_NONE};
    return v;
}

/* Takes out the values without a name. */
static void close_ranks(const reader *r)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->graph->value_count; i++)
        if (r->values[i].name.size)
            r->values[kept++] = r->values[i];
    if (kept < r->graph->value_count) {
        r->graph->value_count = kept;
        sort_names(r);
    }
}

/* Each name may be given once; only an input's default has the name of the input. */
static weir_status join_names(const reader *r)
{
    sort_names(r);
    for (size_t i = 1; i < r->graph->value_count; i++) {
        weir__onnx_value *first = &r->values[r->order[i - 1]], *second = &r->values[r->order[i]];
        char label[WEIR__SHOWN];
        if (compare_names(r, r->order[i - 1], r->order[i]))
            continue;
        if (first->input == WEIR__ONNX_NONE || first->tensor != WEIR__ONNX_NONE || second->tensor == WEIR__ONNX_NONE)
            return refuse(r, second->name, WEIR_E_FORMAT, "the name %s is given to two values; each must have its own",
                          weir__text_show(label, second->name));
        first->tensor = second->tensor;
        r->order[i] = r->order[i - 1];
        second->name.size = 0;
    }
    close_ranks(r);
    return WEIR_OK;
}

/* ---- Nodes ---- */

/* Lists the values that the outputs of node `index` make. */
static void add_outputs(const reader *r, int32_t index, weir__text message)
{
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == NODE_OUTPUTS && f.bytes.size)
            add_value(r, f.bytes)->producer = index;
}

static weir_status find_input(const reader *r, const weir__onnx_node *node, weir__text name, int32_t *value)
{
    char label[WEIR__SHOWN];
    int32_t index = (int32_t)(node - r->nodes);
    *value = name.size ? find_value(r, name) : WEIR__ONNX_NONE;
    if (!name.size)
        return WEIR_OK;
    weir__text_show(label, name);
    if (*value == WEIR__ONNX_NONE)
        return weir__onnx_refuse(r->graph, node, WEIR_E_FORMAT, r->err, "needs the value %s, which nothing in the graph gives", label);
    if (r->values[*value].producer < index)
        return WEIR_OK;
    return weir__onnx_refuse(r->graph, node, WEIR_E_FORMAT, r->err,
                             r->values[*value].producer == index
                                 ? "needs the value %s, which it makes itself"
                                 : "needs the value %s, which only a later node makes: the nodes are out of order or go in a circle",
                             label);
}

static void read_node_words(weir__onnx_node *node, weir__text message)
{
    node->name = node->type = node->domain = (weir__text){message.bytes, 0};
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        switch (f.tag) {
        case NODE_NAME: node->name = f.bytes; break;
        case NODE_TYPE: node->type = f.bytes; break;
        case NODE_DOMAIN: node->domain = f.bytes; break;
        default: break;
        }
    if (weir__text_is(node->domain, "ai.onnx"))
        node->domain.size = 0;
}

static weir_status read_node(const reader *r, weir__onnx_node *node, weir__text message)
{
    int32_t *inputs, *outputs;
    weir__onnx_attribute *attributes;
    if (!node->type.size)
        return weir__onnx_refuse(r->graph, node, WEIR_E_FORMAT, r->err, "has no operator");
    if (node->attribute_count > ATTRIBUTES)
        return weir__onnx_refuse(r->graph, node, WEIR_E_UNSUPPORTED, r->err, "has %u attributes; at most %d can be read",
                                 (unsigned)node->attribute_count, ATTRIBUTES);
    TRY(take(r, node->input_count, sizeof *inputs, &inputs));
    TRY(take(r, node->output_count, sizeof *outputs, &outputs));
    TRY(take(r, node->attribute_count, sizeof *attributes, &attributes));
    node->inputs = inputs;
    node->outputs = outputs;
    node->attributes = attributes;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == NODE_INPUTS)
            TRY(find_input(r, node, f.bytes, inputs++));
        else if (f.tag == NODE_OUTPUTS)
            *outputs++ = f.bytes.size ? find_value(r, f.bytes) : WEIR__ONNX_NONE;
        else if (f.tag == NODE_ATTRIBUTES)
            TRY(read_attribute(r, node, attributes++, f.bytes));
    return WEIR_OK;
}

/* ---- Graph ---- */

/* Nodes are in order, so one pass from the last to the first finds what the outputs need. */
static void mark_used(const reader *r)
{
    const weir__onnx *g = r->graph;
    for (uint32_t i = 0; i < g->output_count; i++)
        r->values[g->outputs[i].value].uses++;
    for (uint32_t k = g->node_count; k-- > 0;) {
        weir__onnx_node *node = &r->nodes[k];
        for (uint32_t i = 0; i < node->output_count; i++)
            node->used = node->used || (node->outputs[i] != WEIR__ONNX_NONE && r->values[node->outputs[i]].uses);
        for (uint32_t i = 0; node->used && i < node->input_count; i++)
            if (node->inputs[i] != WEIR__ONNX_NONE)
                r->values[node->inputs[i]].uses++;
    }
}

static weir_status read_inputs(const reader *r, weir__text message)
{
    weir__onnx *g = r->graph;
    weir__onnx_port *port;
    int32_t index = 0;
    TRY(take(r, g->input_count, sizeof *port, &port));
    g->inputs = port;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);) {
        weir__text name;
        if (f.tag != GRAPH_INPUTS)
            continue;
        TRY(read_port(r, port, &name, "input", f.bytes));
        port++->value = index;
        add_value(r, name)->input = index++;
    }
    return WEIR_OK;
}

static weir_status read_initializers(const reader *r, weir__text message)
{
    weir__onnx_tensor *t = r->tensors;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);) {
        if (f.tag != GRAPH_TENSORS)
            continue;
        TRY(read_tensor(r, t, f.bytes));
        if (!t->name.size)
            return refuse(r, f.bytes, WEIR_E_FORMAT, "an initializer has no name");
        add_value(r, t->name)->tensor = (int32_t)(t - r->tensors);
        t++;
    }
    return WEIR_OK;
}

static weir_status read_outputs(const reader *r, weir__text message)
{
    weir__onnx *g = r->graph;
    weir__onnx_port *port;
    char label[WEIR__SHOWN];
    TRY(take(r, g->output_count, sizeof *port, &port));
    g->outputs = port;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);) {
        weir__text name;
        if (f.tag != GRAPH_OUTPUTS)
            continue;
        TRY(read_port(r, port, &name, "output", f.bytes));
        weir__text_show(label, name);
        port->value = find_value(r, name);
        if (port->value == WEIR__ONNX_NONE)
            return refuse(r, f.bytes, WEIR_E_FORMAT, "the output %s of the graph is made by nothing in it", label);
        if (r->values[port->value].uses++)
            return refuse(r, f.bytes, WEIR_E_FORMAT, "the output %s of the graph is there twice", label);
        port++;
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        r->values[g->outputs[i].value].uses = 0;
    return WEIR_OK;
}

/* Counts what the nodes have, and all values. */
static weir_status count_nodes(const reader *r, weir__text message, uint32_t *values)
{
    weir__onnx_node *node = r->nodes;
    uint32_t counts[TAGS];
    *values = r->graph->input_count + r->graph->tensor_count;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);) {
        if (f.tag != GRAPH_NODES)
            continue;
        TRY(check_fields(r, &node_kind, f.bytes, counts));
        *node =
            (weir__onnx_node){.input_count = counts[NODE_INPUTS], .output_count = counts[NODE_OUTPUTS], .attribute_count = counts[NODE_ATTRIBUTES]};
        read_node_words(node++, f.bytes);
        *values += counts[NODE_OUTPUTS];
    }
    return WEIR_OK;
}

static void list_outputs(const reader *r, weir__text message)
{
    int32_t index = 0;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == GRAPH_NODES)
            add_outputs(r, index++, f.bytes);
}

static weir_status read_nodes(const reader *r, weir__text message)
{
    weir__onnx_node *node = r->nodes;
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == GRAPH_NODES)
            TRY(read_node(r, node++, f.bytes));
    return WEIR_OK;
}

static weir_status read_graph(reader *r, weir__text message)
{
    weir__onnx *g = r->graph;
    uint32_t counts[TAGS], values;
    TRY(check_fields(r, &graph_kind, message, counts));
    if (counts[GRAPH_SPARSE])
        return refuse(r, message, WEIR_E_UNSUPPORTED, "the graph has sparse initializers; save them as plain tensors");
    if (!counts[GRAPH_OUTPUTS])
        return refuse(r, message, WEIR_E_FORMAT, "the graph has no output");
    g->node_count = counts[GRAPH_NODES];
    g->tensor_count = counts[GRAPH_TENSORS];
    g->input_count = counts[GRAPH_INPUTS];
    g->output_count = counts[GRAPH_OUTPUTS];
    TRY(take(r, g->node_count, sizeof *r->nodes, &r->nodes));
    TRY(take(r, g->tensor_count, sizeof *r->tensors, &r->tensors));
    g->nodes = r->nodes;
    g->tensors = r->tensors;
    TRY(count_nodes(r, message, &values));
    TRY(take(r, values, sizeof *r->values, &r->values));
    TRY(take(r, values, sizeof *r->order, &r->order));
    g->values = r->values;
    TRY(read_inputs(r, message));
    TRY(read_initializers(r, message));
    list_outputs(r, message);
    TRY(join_names(r));
    TRY(read_nodes(r, message));
    TRY(read_outputs(r, message));
    mark_used(r);
    return WEIR_OK;
}

/* ---- Model ---- */

static weir_status read_opset(const reader *r, weir__text message, bool *found)
{
    uint32_t counts[TAGS];
    weir__text domain = {message.bytes, 0};
    int64_t version = 0;
    TRY(check_fields(r, &opset_import_kind, message, counts));
    walk w = walk_over(message);
    for (field f; next_field(&w, &f);)
        if (f.tag == OPSET_DOMAIN)
            domain = f.bytes;
        else if (f.tag == OPSET_VERSION)
            version = (int64_t)f.number;
    if (domain.size && !weir__text_is(domain, "ai.onnx"))
        return WEIR_OK;
    if (*found)
        return refuse(r, message, WEIR_E_FORMAT, "the file imports ONNX's operators twice");
    if (version < 1)
        return refuse(r, message, WEIR_E_FORMAT, "the file imports version %lld of ONNX's operators; versions begin with 1", (long long)version);
    r->graph->opset = version;
    *found = true;
    return WEIR_OK;
}

static weir_status read_model(reader *r)
{
    uint32_t counts[TAGS];
    int64_t ir = 0;
    weir__text body = {NULL, 0}, file = r->graph->file;
    bool found = false;
    TRY(check_fields(r, &model_kind, file, counts));
    walk w = walk_over(file);
    for (field f; next_field(&w, &f);)
        if (f.tag == MODEL_IR)
            ir = (int64_t)f.number;
        else if (f.tag == MODEL_GRAPH)
            body = f.bytes;
        else if (f.tag == MODEL_OPSETS)
            TRY(read_opset(r, f.bytes, &found));
    if (ir < 1)
        return refuse(r, file, WEIR_E_FORMAT, "the file has no valid ir_version: not an ONNX model");
    if (!body.bytes)
        return refuse(r, file, WEIR_E_FORMAT, "the file has no graph: not an ONNX model");
    if (!found && ir >= 3)
        return refuse(r, file, WEIR_E_FORMAT, "the file does not say which version of ONNX's operators it uses (opset_import)");
    if (!found)
        r->graph->opset = 1;
    return read_graph(r, body);
}

bool weir__onnx_is(const void *bytes, size_t size)
{
    static const char keys[] = {MODEL_IR << 3, 2 << 3 | 2, 3 << 3 | 2, 4 << 3 | 2, 5 << 3, 6 << 3 | 2, MODEL_GRAPH << 3 | 2, MODEL_OPSETS << 3 | 2};
    const char *c = bytes;
    bool safetensors = size > 8 && c[8] == '{';
    return size && !safetensors && memchr(keys, c[0], sizeof keys);
}

weir_status weir__onnx_open(weir__onnx *g, const void *bytes, size_t size, const weir_allocator *allocator, weir_error *err)
{
    *g = (weir__onnx){.allocator = weir__allocator(allocator), .file = {bytes, size}, .room = size + GRAPH_SPARE};
    if (!size)
        return weir__fail(err, WEIR_E_FORMAT, "the file is empty");
    if (size > FILE_LIMIT)
        return weir__fail(err, WEIR_E_FORMAT, "the file has %zu bytes; an ONNX file has at most 2^31 - 1", size);
    reader r = {.graph = g, .err = err};
    TRY(read_model(&r));
    return weir__ok(err);
}

/* ---- For those who use the graph ---- */

const weir__onnx_attribute *weir__onnx_find(const weir__onnx_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->attribute_count; i++)
        if (weir__text_is(node->attributes[i].name, name))
            return &node->attributes[i];
    return NULL;
}

const weir__onnx_tensor *weir__onnx_constant(const weir__onnx *g, int32_t value)
{
    if (value == WEIR__ONNX_NONE || g->values[value].input != WEIR__ONNX_NONE || g->values[value].tensor == WEIR__ONNX_NONE)
        return NULL;
    return &g->tensors[g->values[value].tensor];
}

weir_status weir__onnx_refuse(const weir__onnx *g, const weir__onnx_node *node, weir_status status, weir_error *err, const char *format, ...)
{
    char sentence[160], name[WEIR__SHOWN], operator[WEIR__SHOWN];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (node->name.size)
        snprintf(name, sizeof name, "%.40s", weir__text_show(operator, node->name));
    else
        snprintf(name, sizeof name, "number %zu", (size_t)(node - g->nodes));
    weir__text_show(operator, node->type);
    return weir__fail_at(err, status, (size_t)(node->type.bytes - g->file.bytes), "node %s (%.30s) %s", name, operator, sentence);
}
