/* Layer 5: an ONNX model in the making: its nodes, constants, inputs and outputs, written as protocol buffers as they come.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_ENCODE_H
#define WEIR_ONNX_ENCODE_H

#include "format/onnx.h"

/* A growing array of bytes. Without memory it stops growing and remembers that. */
typedef struct weir__bytes {
    const weir_allocator *allocator;
    unsigned char *data;
    size_t size, room;
    bool failed;
} weir__bytes;

/* Name of a value of the graph; "" is an input or output that is left out. */
typedef struct weir__label {
    char text[48];
} weir__label;

/* An axis of an input or output: a size, or the name of one that is free. */
typedef struct weir__axis {
    int64_t size;
    const char *name; /* NULL: size */
} weir__axis;

typedef struct weir__encoder {
    weir__bytes nodes, constants, ports; /* fields of a GraphProto */
    weir__bytes properties;              /* fields of a ModelProto */
    int opset;                           /* the least that has every operator so far */
    unsigned labels;
} weir__encoder;

/* `constant_bytes`: room to begin with. */
void weir__encoder_init(weir__encoder *e, const weir_allocator *a, size_t constant_bytes);
void weir__encoder_free(weir__encoder *e);

weir__onnx_attribute weir__encode_attribute_int(const char *name, int64_t value);
weir__onnx_attribute weir__encode_attribute_ints(const char *name, const int64_t *values, size_t count);
weir__onnx_attribute weir__encode_attribute_float(const char *name, float value);
weir__onnx_attribute weir__encode_attribute_floats(const char *name, const float *values, size_t count);
weir__onnx_attribute weir__encode_attribute_string(const char *name, const char *value);
weir__onnx_attribute weir__encode_attribute_strings(const char *name, const weir__text *values, size_t count);
weir__text weir__text_of(const char *word);

/* A name that no other value has: "stem_7". */
weir__label weir__encode_label(weir__encoder *e, const char *stem);
/* A node, named as its first output that is there. `opset`: the first version of the operator set that has this operator as it is used here. */
void weir__encode_node(weir__encoder *e, const char *type, int opset, const weir__label *in, size_t ins, const weir__label *out, size_t outs,
                       const weir__onnx_attribute *attributes, size_t count);
/* A constant of float32, 0 until the caller writes its numbers. Returns where they stand, at any alignment, until the next constant; NULL
 * without memory. */
unsigned char *weir__encode_floats(weir__encoder *e, weir__label name, const int64_t *dims, size_t rank);
/* A constant of int64: a vector, or with rank 0 one number. */
void weir__encode_ints(weir__encoder *e, weir__label name, const int64_t *values, size_t count, size_t rank);
void weir__encode_input(weir__encoder *e, const char *name, weir__onnx_type type, const weir__axis *axes, size_t rank);
void weir__encode_output(weir__encoder *e, const char *name, weir__onnx_type type, const weir__axis *axes, size_t rank);
/* An entry of the model's table of strings. */
void weir__encode_property(weir__encoder *e, const char *key, const char *value);

/* The bytes of the whole model; weir__free(a, *bytes, *size) when done. */
weir_status weir__encode_model(weir__encoder *e, void **bytes, size_t *size, weir_error *err);

#endif
