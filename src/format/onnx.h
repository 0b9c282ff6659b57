/* Layer 5: an ONNX file as a graph in memory: nodes, values and constant tensors, checked, with every name looked up. What an operator means
 * is not known here.
 *
 * The file's bytes must outlive the graph: names, strings and the numbers of tensors are read where they stand. The graph's own memory is at
 * most the file's size and 1/2 MiB. Source of the format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, any IR version.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_H
#define WEIR_ONNX_H

#include "base/base.h"

enum {
    WEIR__ONNX_RANK = 8,  /* most dimensions of a tensor */
    WEIR__ONNX_NONE = -1, /* index of nothing: an input that was left out, a value without a producer ... */
    WEIR__SHOWN = 64      /* bytes of a name in a message */
};

/* A piece of the file: no 0 at its end. */
typedef struct weir__text {
    const char *bytes;
    size_t size;
} weir__text;

bool weir__text_is(weir__text text, const char *word);
bool weir__text_equal(weir__text a, weir__text b);
/* The beginning of a text for a message, in `room`: what is not printable becomes '?'. */
const char *weir__text_show(char room[WEIR__SHOWN], weir__text text);

/* TensorProto.DataType; the others are refused. */
typedef enum weir__onnx_type {
    WEIR__ONNX_UNTYPED = 0, /* a graph's input or output that does not say */
    WEIR__ONNX_F32 = 1,
    WEIR__ONNX_I32 = 6,
    WEIR__ONNX_I64 = 7,
    WEIR__ONNX_BOOL = 9,
    WEIR__ONNX_F16 = 10,
    WEIR__ONNX_F64 = 11,
    WEIR__ONNX_BF16 = 16
} weir__onnx_type;

/* "float32", ... or NULL for a type that is not read. */
const char *weir__onnx_type_name(weir__onnx_type type);

/* A constant: an initializer, or the tensor of an attribute. Its size was checked against its dims. */
typedef struct weir__onnx_tensor {
    weir__text name;
    weir__onnx_type type;
    uint32_t rank;
    const int64_t *dims; /* each 0 or more */
    size_t count;        /* of numbers: the product of dims, 1 for rank 0 */
    weir__text message;  /* the whole TensorProto */
    const void *raw;     /* its numbers, little-endian, at any alignment, if they stand in one piece; else NULL */
} weir__onnx_tensor;

/* Writes the numbers of a float16, bfloat16, float32 or float64 tensor, rounded to float32; false for the other types. */
bool weir__onnx_floats(const weir__onnx_tensor *tensor, float *out);
/* Writes the numbers of an int32, int64 or bool tensor; false for the other types. */
bool weir__onnx_ints(const weir__onnx_tensor *tensor, int64_t *out);

typedef enum weir__onnx_kind {
    WEIR__ONNX_FLOAT = 1,
    WEIR__ONNX_INT = 2,
    WEIR__ONNX_STRING = 3,
    WEIR__ONNX_TENSOR = 4,
    WEIR__ONNX_FLOATS = 6,
    WEIR__ONNX_INTS = 7,
    WEIR__ONNX_STRINGS = 8,
    WEIR__ONNX_OTHER = 0 /* a sub-graph, sparse tensor or type: no operator that is known here has one */
} weir__onnx_kind;

typedef struct weir__onnx_attribute {
    weir__text name;
    weir__onnx_kind kind;
    uint32_t count; /* of a list */
    union {
        float f;
        int64_t i;
        weir__text s;
        const weir__onnx_tensor *tensor;
        const float *floats;
        const int64_t *ints;
        const weir__text *strings;
    } is;
} weir__onnx_attribute;

typedef struct weir__onnx_node {
    weir__text name;   /* may be empty */
    weir__text type;   /* the operator */
    weir__text domain; /* "" for ONNX's own, also where the file says ai.onnx */
    const int32_t *inputs, *outputs; /* indices of values, or WEIR__ONNX_NONE for one left out (by an empty name) */
    uint32_t input_count, output_count;
    const weir__onnx_attribute *attributes; /* their names differ */
    uint32_t attribute_count;
    bool used; /* some output of the graph depends on it */
} weir__onnx_node;

/* Everything that has a name: inputs of the graph, then initializers, then the outputs of nodes in their order. Names differ. */
typedef struct weir__onnx_value {
    weir__text name;
    int32_t producer; /* the node that makes it, or WEIR__ONNX_NONE */
    int32_t input;    /* which input of the graph it is, or WEIR__ONNX_NONE */
    int32_t tensor;   /* its initializer, or WEIR__ONNX_NONE. An input can have one, as its default. */
    uint32_t uses;    /* how often it is an input of a used node or an output of the graph */
} weir__onnx_value;

/* An input or an output of the graph, as the file declares it. */
typedef struct weir__onnx_port {
    int32_t value;
    weir__onnx_type type;
    int32_t rank;        /* WEIR__ONNX_NONE: not told */
    const int64_t *dims; /* -1: not told, or a name */
} weir__onnx_port;

typedef struct weir__onnx {
    weir_allocator allocator;
    weir__text file;
    int64_t opset; /* version of ONNX's own operators */
    uint32_t node_count, value_count, tensor_count, input_count, output_count;
    const weir__onnx_node *nodes; /* each after those that make its inputs */
    const weir__onnx_value *values;
    const weir__onnx_tensor *tensors; /* the initializers */
    const weir__onnx_port *inputs;    /* also those that have a default */
    const weir__onnx_port *outputs;
    struct weir__onnx_chunk *chunks; /* where all of it lies */
    size_t room;                     /* bytes that may yet be taken */
    weir_status lack;                /* why weir__onnx_take gave nothing */
} weir__onnx;

/* True if the bytes begin as ONNX files do, and model files of Weir do not. */
bool weir__onnx_is(const void *bytes, size_t size);
/* Accepts just the graphs that follow every rule. weir__onnx_close in any case. err->offset is the byte of the message at fault. Errors:
 * WEIR_E_FORMAT for what breaks a rule of ONNX, WEIR_E_UNSUPPORTED for what is allowed there, but not here: external data, sparse
 * initializers, other types of numbers, more than WEIR__ONNX_RANK dimensions, and more nodes and names than fit in the graph's memory. */
weir_status weir__onnx_open(weir__onnx *graph, const void *bytes, size_t size, const weir_allocator *allocator, weir_error *err);
void weir__onnx_close(weir__onnx *graph);
/* An entry of the file's table of strings (metadata_props); its bytes are NULL if there is none. */
weir__text weir__onnx_property(const weir__onnx *graph, const char *key);
/* `bytes` zeroed bytes of the graph's own memory, which live as long as it; NULL if no more may be taken, or there are none. */
void *weir__onnx_take(weir__onnx *graph, size_t bytes);
/* Fails after weir__onnx_take gave nothing: with WEIR_E_NOMEM, or WEIR_E_UNSUPPORTED where no more may be taken. */
weir_status weir__onnx_lacks(const weir__onnx *graph, weir_error *err);

/* The attribute of this name, or NULL. */
const weir__onnx_attribute *weir__onnx_find(const weir__onnx_node *node, const char *name);
/* The initializer behind a value, or NULL; also NULL if the value is an input of the graph, whose default the caller may replace. */
const weir__onnx_tensor *weir__onnx_constant(const weir__onnx *graph, int32_t value);
/* Fails with `node NAME (TYPE) ...`, for a node without a name `node number N (TYPE) ...`, counted from 0, the sentence's rest being the format. */
weir_status weir__onnx_refuse(const weir__onnx *graph, const weir__onnx_node *node, weir_status status, weir_error *err, const char *format, ...)
    WEIR__PRINTF(5, 6);

#endif
