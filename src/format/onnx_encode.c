/* SPDX-License-Identifier: MIT */
#include "format/onnx_encode.h"

#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

/* Numbers of fields: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_PROPERTY = 14 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_CONSTANT = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4, ATTRIBUTE_FLOATS = 7, ATTRIBUTE_INTS = 8,
       ATTRIBUTE_STRINGS = 9, ATTRIBUTE_KIND = 20 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { PORT_NAME = 1, PORT_TYPE = 2, TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1, DIM_SIZE = 1, DIM_NAME = 2 };
enum { OPSET_VERSION = 2, PROPERTY_KEY = 1, PROPERTY_VALUE = 2 };

/* ---- Bytes ---- */

static bool reserve(weir__bytes *b, size_t room)
{
    if (room <= b->room)
        return true;
    if (room < 2 * b->room)
        room = 2 * b->room;
    unsigned char *data = b->failed ? NULL : weir__alloc(b->allocator, room);
    if (!data) {
        b->failed = true;
        return false;
    }
    if (b->size)
        memcpy(data, b->data, b->size);
    weir__free(b->allocator, b->data, b->room);
    b->data = data;
    b->room = room;
    return true;
}

/* Room for `count` more bytes at the end; NULL without memory. */
static unsigned char *extend(weir__bytes *b, size_t count)
{
    size_t size;
    if (!weir__size_add(&size, b->size, count) || !reserve(b, size)) {
        b->failed = true;
        return NULL;
    }
    unsigned char *end = b->data + b->size;
    b->size = size;
    return end;
}

static bool append(pb_ostream_t *stream, const pb_byte_t *bytes, size_t count)
{
    unsigned char *end = extend(stream->state, count);
    if (end)
        memcpy(end, bytes, count);
    return end;
}

static pb_ostream_t stream_to(weir__bytes *b)
{
    return (pb_ostream_t){.callback = append, .state = b, .max_size = SIZE_MAX};
}

/* ---- Fields; what fails is remembered by the bytes ---- */

static void put_int(weir__bytes *b, uint32_t field, int64_t value)
{
    pb_ostream_t s = stream_to(b);
    if (pb_encode_tag(&s, PB_WT_VARINT, field))
        pb_encode_varint(&s, (uint64_t)value);
}

static void put_float(weir__bytes *b, uint32_t field, float value)
{
    pb_ostream_t s = stream_to(b);
    if (pb_encode_tag(&s, PB_WT_32BIT, field))
        pb_encode_fixed32(&s, &value);
}

static void put_bytes(weir__bytes *b, uint32_t field, const void *bytes, size_t size)
{
    pb_ostream_t s = stream_to(b);
    if (pb_encode_tag(&s, PB_WT_STRING, field))
        pb_encode_string(&s, bytes, size);
}

static void put_text(weir__bytes *b, uint32_t field, const char *text)
{
    put_bytes(b, field, text, strlen(text));
}

/* Begins a message inside another; returns where its fields begin. */
static size_t open_message(weir__bytes *b, uint32_t field)
{
    pb_ostream_t s = stream_to(b);
    pb_encode_tag(&s, PB_WT_STRING, field);
    return b->size;
}

/* Ends it: its length belongs in front of its fields, and is known only now. */
static void close_message(weir__bytes *b, size_t begin)
{
    pb_byte_t length[10];
    pb_ostream_t s = pb_ostream_from_buffer(length, sizeof length);
    size_t size = b->size - begin;
    pb_encode_varint(&s, size);
    if (extend(b, s.bytes_written)) {
        memmove(b->data + begin + s.bytes_written, b->data + begin, size);
        memcpy(b->data + begin, length, s.bytes_written);
    }
}

/* ---- Attributes ---- */

weir__text weir__text_of(const char *word)
{
    return (weir__text){word, strlen(word)};
}

weir__onnx_attribute weir__encode_attribute_int(const char *name, int64_t value)
{
    return (weir__onnx_attribute){.name = weir__text_of(name), .kind = WEIR__ONNX_INT, .is.i = value};
}

weir__onnx_attribute weir__encode_attribute_ints(const char *name, const int64_t *values, size_t count)
{
    return (weir__onnx_attribute){.name = weir__text_of(name), .kind = WEIR__ONNX_INTS, .count = (uint32_t)count, .is.ints = values};
}

weir__onnx_attribute weir__encode_attribute_float(const char *name, float value)
{
    return (weir__onnx_attribute){.name = weir__text_of(name), .kind = WEIR__ONNX_FLOAT, .is.f = value};
}

weir__onnx_attribute weir__encode_attribute_floats(const char *name, const float *values, size_t count)
{
    return (weir__onnx_attribute){.name = weir__text_of(name), .kind = WEIR__ONNX_FLOATS, .count = (uint32_t)count, .is.floats = values};
}

weir__onnx_attribute weir__encode_attribute_string(const char *name, const char *value)
{
    return (weir__onnx_attribute){.name = weir__text_of(name), .kind = WEIR__ONNX_STRING, .is.s = weir__text_of(value)};
}

weir__onnx_attribute weir__encode_attribute_strings(const char *name, const weir__text *values, size_t count)
{
    return (weir__onnx_attribute){.name = weir__text_of(name), .kind = WEIR__ONNX_STRINGS, .count = (uint32_t)count, .is.strings = values};
}

static void put_attribute(weir__bytes *b, const weir__onnx_attribute *a)
{
    size_t begin = open_message(b, NODE_ATTRIBUTE);
    put_bytes(b, ATTRIBUTE_NAME, a->name.bytes, a->name.size);
    switch (a->kind) {
    case WEIR__ONNX_FLOAT:
        put_float(b, ATTRIBUTE_F, a->is.f);
        break;
    case WEIR__ONNX_INT:
        put_int(b, ATTRIBUTE_I, a->is.i);
        break;
    case WEIR__ONNX_STRING:
        put_bytes(b, ATTRIBUTE_S, a->is.s.bytes, a->is.s.size);
        break;
    default:
        for (uint32_t i = 0; i < a->count; i++)
            if (a->kind == WEIR__ONNX_FLOATS)
                put_float(b, ATTRIBUTE_FLOATS, a->is.floats[i]);
            else if (a->kind == WEIR__ONNX_INTS)
                put_int(b, ATTRIBUTE_INTS, a->is.ints[i]);
            else
                put_bytes(b, ATTRIBUTE_STRINGS, a->is.strings[i].bytes, a->is.strings[i].size);
    }
    put_int(b, ATTRIBUTE_KIND, a->kind);
    close_message(b, begin);
}

/* ---- Parts of the graph ---- */

/* What ONNX called version 14: the first LSTM of today's form. */
enum { LEAST_OPSET = 14 };

void weir__encoder_init(weir__encoder *e, const weir_allocator *a, size_t constant_bytes)
{
    weir__bytes empty = {.allocator = a};
    *e = (weir__encoder){.nodes = empty, .constants = empty, .ports = empty, .properties = empty, .opset = LEAST_OPSET};
    reserve(&e->constants, constant_bytes);
}

void weir__encoder_free(weir__encoder *e)
{
    weir__bytes *all[] = {&e->nodes, &e->constants, &e->ports, &e->properties};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        weir__free(all[i]->allocator, all[i]->data, all[i]->room);
        all[i]->data = NULL;
    }
}

weir__label weir__encode_label(weir__encoder *e, const char *stem)
{
    weir__label label;
    snprintf(label.text, sizeof label.text, "%.32s_%u", stem, ++e->labels);
    return label;
}

void weir__encode_node(weir__encoder *e, const char *type, int opset, const weir__label *in, size_t ins, const weir__label *out, size_t outs,
                       const weir__onnx_attribute *attributes, size_t count)
{
    weir__bytes *b = &e->nodes;
    size_t begin = open_message(b, GRAPH_NODE);
    for (size_t i = 0; i < ins; i++)
        put_text(b, NODE_INPUT, in[i].text);
    for (size_t i = 0; i < outs; i++)
        put_text(b, NODE_OUTPUT, out[i].text);
    put_text(b, NODE_NAME, out[*out->text ? 0 : 1].text);
    put_text(b, NODE_TYPE, type);
    for (size_t i = 0; i < count; i++)
        put_attribute(b, attributes + i);
    close_message(b, begin);
    if (opset > e->opset)
        e->opset = opset;
}

/* A tensor of zeroed numbers; where they begin. */
static unsigned char *put_tensor(weir__encoder *e, weir__label name, weir__onnx_type type, const int64_t *dims, size_t rank, size_t bytes)
{
    weir__bytes *b = &e->constants;
    size_t begin = open_message(b, GRAPH_CONSTANT);
    for (size_t i = 0; i < rank; i++)
        put_int(b, TENSOR_DIM, dims[i]);
    put_int(b, TENSOR_TYPE, type);
    put_text(b, TENSOR_NAME, name.text);
    size_t raw = open_message(b, TENSOR_RAW);
    extend(b, bytes);
    close_message(b, raw);
    close_message(b, begin);
    return b->failed ? NULL : b->data + b->size - bytes;
}

unsigned char *weir__encode_floats(weir__encoder *e, weir__label name, const int64_t *dims, size_t rank)
{
    size_t bytes = sizeof(float);
    for (size_t i = 0; i < rank; i++)
        if (!weir__size_mul(&bytes, bytes, (size_t)dims[i])) {
            e->constants.failed = true;
            return NULL;
        }
    return put_tensor(e, name, WEIR__ONNX_F32, dims, rank, bytes);
}

void weir__encode_ints(weir__encoder *e, weir__label name, const int64_t *values, size_t count, size_t rank)
{
    int64_t dims[] = {(int64_t)count};
    unsigned char *raw = put_tensor(e, name, WEIR__ONNX_I64, dims, rank, count * sizeof *values);
    if (raw)
        memcpy(raw, values, count * sizeof *values);
}

static void put_port(weir__bytes *b, uint32_t field, const char *name, weir__onnx_type type, const weir__axis *axes, size_t rank)
{
    size_t port = open_message(b, field);
    put_text(b, PORT_NAME, name);
    size_t port_type = open_message(b, PORT_TYPE), tensor = open_message(b, TYPE_TENSOR);
    put_int(b, TENSOR_TYPE_ELEMENT, type);
    size_t shape = open_message(b, TENSOR_TYPE_SHAPE);
    for (size_t i = 0; i < rank; i++) {
        size_t dim = open_message(b, SHAPE_DIM);
        if (axes[i].name)
            put_text(b, DIM_NAME, axes[i].name);
        else
            put_int(b, DIM_SIZE, axes[i].size);
        close_message(b, dim);
    }
    close_message(b, shape);
    close_message(b, tensor);
    close_message(b, port_type);
    close_message(b, port);
}

void weir__encode_input(weir__encoder *e, const char *name, weir__onnx_type type, const weir__axis *axes, size_t rank)
{
    put_port(&e->ports, GRAPH_INPUT, name, type, axes, rank);
}

void weir__encode_output(weir__encoder *e, const char *name, weir__onnx_type type, const weir__axis *axes, size_t rank)
{
    put_port(&e->ports, GRAPH_OUTPUT, name, type, axes, rank);
}

void weir__encode_property(weir__encoder *e, const char *key, const char *value)
{
    size_t begin = open_message(&e->properties, MODEL_PROPERTY);
    put_text(&e->properties, PROPERTY_KEY, key);
    put_text(&e->properties, PROPERTY_VALUE, value);
    close_message(&e->properties, begin);
}

/* ---- The whole ---- */

/* The file format that came with an operator set. */
static int ir_version(int opset)
{
    return opset < 20 ? 8 : 9;
}

static void put_raw(weir__bytes *b, const weir__bytes *part)
{
    unsigned char *end = part->size ? extend(b, part->size) : NULL;
    if (end)
        memcpy(end, part->data, part->size);
}

static void put_model(weir__bytes *b, const weir__encoder *e)
{
    put_int(b, MODEL_IR, ir_version(e->opset));
    put_text(b, MODEL_PRODUCER, "weir");
    put_text(b, MODEL_PRODUCER_VERSION, weir_version());
    size_t graph = open_message(b, MODEL_GRAPH);
    put_raw(b, &e->nodes);
    put_text(b, GRAPH_NAME, "weir");
    put_raw(b, &e->constants);
    put_raw(b, &e->ports);
    close_message(b, graph);
    size_t opset = open_message(b, MODEL_OPSET);
    put_int(b, OPSET_VERSION, e->opset);
    close_message(b, opset);
    put_raw(b, &e->properties);
}

weir_status weir__encode_model(weir__encoder *e, void **bytes, size_t *size, weir_error *err)
{
    enum { REST = 256 }; /* for all but the four parts */
    const weir_allocator *a = e->nodes.allocator;
    weir__bytes whole = {.allocator = a};
    reserve(&whole, e->nodes.size + e->constants.size + e->ports.size + e->properties.size + REST);
    put_model(&whole, e);
    bool failed = whole.failed || e->nodes.failed || e->constants.failed || e->ports.failed || e->properties.failed;
    if (!failed) {
        *size = whole.size;
        *bytes = weir__alloc(a, *size);
        failed = !*bytes;
    }
    if (!failed)
        memcpy(*bytes, whole.data, *size);
    weir__free(a, whole.data, whole.room);
    return failed ? weir__fail(err, WEIR_E_NOMEM, "no memory to write an ONNX file") : WEIR_OK;
}
