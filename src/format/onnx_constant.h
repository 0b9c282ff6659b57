/* Layer 5: constants of an ONNX graph as views: transposed, cut and joined without a copy of their numbers.
 *
 * Everything is allocated from the graph's own memory, and lives as long as it. A function that returns NULL found no room there.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_CONSTANT_H
#define WEIR_ONNX_CONSTANT_H

#include "format/onnx.h"

typedef struct weir__constant {
    weir__onnx_type type; /* WEIR__ONNX_F32, or a narrower type whose numbers became float32; or WEIR__ONNX_I64 for all integers */
    uint32_t rank;
    int64_t dims[WEIR__ONNX_RANK];
    /* Either numbers of four or eight bytes where they stand, at any alignment ... */
    const unsigned char *base;
    int64_t strides[WEIR__ONNX_RANK]; /* in numbers */
    /* ... or parts, one behind the other along `axis`. */
    const struct weir__constant *const *parts;
    uint32_t part_count, axis;
} weir__constant;

/* A view of a tensor, or a copy if its numbers do not stand in one piece. */
const weir__constant *weir__constant_new(weir__onnx *graph, const weir__onnx_tensor *tensor);
size_t weir__constant_count(const weir__constant *c);

/* order[i] is the axis that becomes axis i. */
const weir__constant *weir__constant_permute(weir__onnx *graph, const weir__constant *c, const uint32_t *order);
/* Elements begin .. begin + count - 1 of an axis. */
const weir__constant *weir__constant_cut(weir__onnx *graph, const weir__constant *c, uint32_t axis, int64_t begin, int64_t count);
/* An axis of size 1 more, in front of axis `at`; rank is below WEIR__ONNX_RANK. */
const weir__constant *weir__constant_insert(weir__onnx *graph, const weir__constant *c, uint32_t at);
/* An axis of size 1 less. */
const weir__constant *weir__constant_remove(weir__onnx *graph, const weir__constant *c, uint32_t at);
/* `parts` of the same type, rank and other dims; the list is copied. */
const weir__constant *weir__constant_join(weir__onnx *graph, const weir__constant *const *parts, uint32_t count, uint32_t axis);
/* The same numbers, row by row, in another shape of as many. */
const weir__constant *weir__constant_reshape(weir__onnx *graph, const weir__constant *c, const int64_t *dims, uint32_t rank);
/* The same numbers under another type; both are float types. */
const weir__constant *weir__constant_retype(weir__onnx *graph, const weir__constant *c, weir__onnx_type type);

/* Writes all numbers row by row: of a float type, or integers. */
void weir__constant_floats(const weir__constant *c, float *out);
void weir__constant_ints(const weir__constant *c, int64_t *out);
/* The same of elements begin .. begin + count - 1 of an axis. */
void weir__constant_block(const weir__constant *c, uint32_t axis, int64_t begin, int64_t count, float *out);
/* True if all numbers are `value`. */
bool weir__constant_is(const weir__constant *c, double value);

#endif
