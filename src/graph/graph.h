/* Layer 6: ONNX graphs that run: a list of steps over slots, one slot for each value of the file.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_GRAPH_H
#define WEIR_GRAPH_H

#include "format/onnx.h"

/* The array in a slot. */
typedef struct weir__data {
    weir_element element; /* WEIR_ELEMENT_ANY: nothing is there */
    uint32_t rank;
    size_t dims[WEIR_MAX_RANK];
    size_t count; /* of numbers */
    void *data;
    size_t size; /* bytes of the block that this record and its numbers lie in; 0: in memory of somebody else */
} weir__data;

static inline size_t weir__data_bytes(const weir__data *d)
{
    return d->count * weir_element_size(d->element);
}

struct weir__lstm;

/* What a step keeps of its node's attributes; what each field is to an operator stands at its prepare function. */
typedef struct weir__settings {
    int64_t axis, other; /* other: `to`, `end`, `mode` ... */
    float alpha, beta;
    bool flag, second_flag;
    int64_t *list;
    uint32_t list_count;
    bool has_list;
    weir_activation activation;
    struct weir__lstm *lstm;
} weir__settings;

struct weir__operator;

typedef struct weir__step {
    const struct weir__operator *op;
    const char *label;       /* "node NAME (OPERATOR)" */
    const int32_t *in, *out; /* slots, or WEIR__ONNX_NONE */
    uint32_t in_count, out_count;
    weir__settings s;
} weir__step;

/* ---- Running ---- */

typedef struct weir__run {
    const weir_allocator *allocator;
    const weir_parallel *parallel;
    weir_isa isa;
    weir_error *err;
    weir__data **slots; /* NULL: nothing is there */
    size_t room;        /* bytes that may yet be allocated */
} weir__run;

/* Input k of a step, or NULL if it was left out. */
const weir__data *weir__in(const weir__run *r, const weir__step *s, uint32_t k);
/* True if output k is wanted by anybody. */
bool weir__wants(const weir__step *s, uint32_t k);
/* Puts a zeroed array of this shape into the slot of output k. */
weir_status weir__make(weir__run *r, const weir__step *s, uint32_t k, weir_element element, uint32_t rank, const size_t *dims);
/* The array of output k, after weir__make. */
weir__data *weir__out(const weir__run *r, const weir__step *s, uint32_t k);
/* Fails with "node NAME (OPERATOR) ...". */
weir_status weir__stop(const weir__run *r, const weir__step *s, weir_status status, const char *format, ...) WEIR__PRINTF(4, 5);
/* Number i of an array of integers or bools. */
int64_t weir__int_at(const weir__data *d, size_t i);
/* An axis in [-rank, rank) as one in [0, rank); false outside. */
bool weir__axis(int64_t axis, uint32_t rank, uint32_t *out);


/* ---- Loading ---- */

typedef struct weir__build {
    struct weir_graph *graph;
    const weir__onnx *file;
    const weir__onnx_node *node; /* being prepared */
    weir_error *err;
    size_t room;                 /* bytes that may yet be kept */
} weir__build;

weir_isa weir__build_isa(const weir__build *b);
const weir_allocator *weir__build_allocator(const weir__build *b);
/* Zeroed memory that lives as long as the graph; NULL after an error was filled in. */
void *weir__keep(weir__build *b, size_t size);
/* Fails with "node NAME (OPERATOR) ...". */
#define WEIR__REFUSE(b, ...) weir__onnx_refuse((b)->file, (b)->node, WEIR_E_UNSUPPORTED, (b)->err, __VA_ARGS__)
#define WEIR__BREAKS(b, ...) weir__onnx_refuse((b)->file, (b)->node, WEIR_E_FORMAT, (b)->err, __VA_ARGS__)
/* Attributes with their defaults. That they have the right kind was checked by the operator's record. */
int64_t weir__attribute_int(const weir__build *b, const char *name, int64_t usual);
float weir__attribute_float(const weir__build *b, const char *name, float usual);
/* The array of a value that is constant at load, or NULL. */
const weir__data *weir__known(const weir__build *b, int32_t slot);
/* Puts the numbers of a tensor into a slot, as a constant. */
weir_status weir__set_constant(weir__build *b, int32_t slot, const weir__onnx_tensor *tensor);
/* Puts an array of zeros there. */
weir_status weir__new_constant(weir__build *b, int32_t slot, weir_element element, uint32_t rank, const size_t *dims);

/* ---- Operators ---- */

typedef weir_status weir__prepare(weir__build *b, weir__step *s);
typedef weir_status weir__perform(weir__run *r, const weir__step *s);

typedef struct weir__operator {
    const char *name;
    int32_t first, last; /* opsets; last 0: all later ones that are known */
    uint32_t least, most; /* inputs */
    uint32_t outputs;     /* most; 0: any number */
    const char *attributes; /* those allowed, " name:kind" each: f float, i int, s string, t tensor, F floats, I ints */
    weir__prepare *prepare; /* or NULL */
    weir__perform *run;
    bool moves; /* only moves or copies numbers: done at load where all inputs are constant */
} weir__operator;

enum { WEIR__NEWEST_OPSET = 25, WEIR__ANY = 1 << 30 /* inputs: none may be left out */ };

/* Record `i`, or NULL behind the last. */
const weir__operator *weir__operator_at(size_t i);

/* op_lstm.c: a constant-weight LSTM's models are made when all else was accepted. */
weir_status weir__lstm_load(weir__build *b, weir__step *s);
void weir__lstm_free(struct weir__lstm *lstm);
/* True if the step has its weights in models: it needs its inputs from the second to the fourth, and peepholes, no more. */
bool weir__lstm_packed(const weir__step *s);
weir__prepare weir__prepare_lstm;
weir__perform weir__run_lstm;

/* The library's activation for ONNX's function of this name (in lower case) and these parameters; false if there is none such. */
bool weir__activation_of(const char *name, float alpha, float beta, weir_activation *out);

/* op_math.c */
weir__prepare weir__prepare_activation, weir__prepare_gelu, weir__prepare_alpha, weir__prepare_softmax, weir__prepare_gemm, weir__prepare_reduce,
    weir__prepare_selu;
weir__perform weir__run_activation, weir__run_selu, weir__run_swish, weir__run_hard_swish, weir__run_celu, weir__run_thresholded, weir__run_prelu,
    weir__run_softmax, weir__run_gemm, weir__run_matmul, weir__run_reduce, weir__run_add, weir__run_sub, weir__run_mul, weir__run_div, weir__run_pow,
    weir__run_max, weir__run_min, weir__run_sum, weir__run_less, weir__run_where, weir__run_abs, weir__run_neg, weir__run_sqrt, weir__run_log;

/* op_shape.c */
weir__prepare weir__prepare_axis, weir__prepare_axes, weir__prepare_transpose, weir__prepare_reshape, weir__prepare_slice, weir__prepare_split,
    weir__prepare_one_hot, weir__prepare_shape, weir__prepare_cast, weir__prepare_constant, weir__prepare_constant_of_shape, weir__prepare_dropout;
weir__perform weir__run_identity, weir__run_transpose, weir__run_squeeze, weir__run_unsqueeze, weir__run_reshape, weir__run_flatten, weir__run_concat,
    weir__run_slice, weir__run_split, weir__run_gather, weir__run_one_hot, weir__run_shape, weir__run_expand, weir__run_constant_of_shape,
    weir__run_cast, weir__run_cast_like, weir__run_dropout;

#endif
