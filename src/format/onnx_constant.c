/* SPDX-License-Identifier: MIT */
#include "format/onnx_constant.h"

#include <string.h>

static size_t number_size(const weir__constant *c)
{
    return c->type == WEIR__ONNX_I64 ? sizeof(int64_t) : sizeof(float);
}

size_t weir__constant_count(const weir__constant *c)
{
    size_t count = 1;
    for (uint32_t i = 0; i < c->rank; i++)
        count *= (size_t)c->dims[i];
    return count;
}

/* The strides of numbers that stand row by row. */
static void set_strides(weir__constant *c)
{
    int64_t stride = 1;
    for (uint32_t i = c->rank; i-- > 0; stride *= c->dims[i])
        c->strides[i] = stride;
}

static weir__constant *copy(weir__onnx *graph, const weir__constant *c)
{
    weir__constant *made = weir__onnx_take(graph, sizeof *made);
    if (made)
        *made = *c;
    return made;
}

/* ---- From a tensor ---- */

static bool is_integer(weir__onnx_type type)
{
    return type == WEIR__ONNX_I32 || type == WEIR__ONNX_I64 || type == WEIR__ONNX_BOOL;
}

/* Its numbers as float32 or int64, in the graph's memory. */
static const unsigned char *unpack(weir__onnx *graph, const weir__onnx_tensor *tensor, size_t number)
{
    size_t bytes;
    void *room = weir__size_mul(&bytes, tensor->count, number) ? weir__onnx_take(graph, bytes) : NULL;
    if (room && is_integer(tensor->type))
        weir__onnx_ints(tensor, room);
    else if (room)
        weir__onnx_floats(tensor, room);
    return room;
}

const weir__constant *weir__constant_new(weir__onnx *graph, const weir__onnx_tensor *tensor)
{
    weir__constant *c = weir__onnx_take(graph, sizeof *c);
    if (!c)
        return NULL;
    c->type = is_integer(tensor->type) ? WEIR__ONNX_I64 : tensor->type;
    c->rank = tensor->rank;
    memcpy(c->dims, tensor->dims, tensor->rank * sizeof *c->dims);
    set_strides(c);
    bool as_it_is = tensor->raw && (tensor->type == WEIR__ONNX_F32 || tensor->type == WEIR__ONNX_I64);
    c->base = as_it_is ? tensor->raw : unpack(graph, tensor, number_size(c));
    return c->base ? c : NULL;
}

/* ---- Views: each is made of a view of every part ---- */

/* A copy whose list of parts may be written; the parts are still the old ones. */
static weir__constant *copy_parts(weir__onnx *graph, const weir__constant *c, const weir__constant ***parts)
{
    weir__constant *made = copy(graph, c);
    *parts = NULL;
    if (!made || !c->parts)
        return made;
    const weir__constant **list = weir__onnx_take(graph, c->part_count * sizeof *list);
    if (!list)
        return NULL;
    memcpy(list, c->parts, c->part_count * sizeof *list);
    made->parts = *parts = list;
    return made;
}

const weir__constant *weir__constant_permute(weir__onnx *graph, const weir__constant *c, const uint32_t *order)
{
    const weir__constant **parts;
    weir__constant *made = copy_parts(graph, c, &parts);
    if (!made)
        return NULL;
    for (uint32_t i = 0; i < c->rank; i++) {
        made->dims[i] = c->dims[order[i]];
        made->strides[i] = c->strides[order[i]];
        if (order[i] == c->axis)
            made->axis = i;
    }
    for (uint32_t k = 0; parts && k < c->part_count; k++)
        if (!(parts[k] = weir__constant_permute(graph, parts[k], order)))
            return NULL;
    return made;
}

/* The same along the axis of the parts: those that it meets, the first and the last of them cut. */
static const weir__constant *cut_parts(weir__onnx *graph, const weir__constant *c, int64_t begin, int64_t count)
{
    const weir__constant **parts;
    weir__constant *made = copy_parts(graph, c, &parts);
    if (!made)
        return NULL;
    made->dims[c->axis] = count;
    made->part_count = 0;
    int64_t end = begin + count, at = 0;
    for (uint32_t k = 0; k < c->part_count; k++) {
        int64_t size = c->parts[k]->dims[c->axis], from = begin > at ? begin - at : 0, to = end < at + size ? end - at : size;
        if (from < to && !(parts[made->part_count++] = weir__constant_cut(graph, c->parts[k], c->axis, from, to - from)))
            return NULL;
        at += size;
    }
    return made;
}

const weir__constant *weir__constant_cut(weir__onnx *graph, const weir__constant *c, uint32_t axis, int64_t begin, int64_t count)
{
    if (begin == 0 && count == c->dims[axis])
        return c;
    if (c->parts && axis == c->axis)
        return cut_parts(graph, c, begin, count);
    const weir__constant **parts;
    weir__constant *made = copy_parts(graph, c, &parts);
    if (!made)
        return NULL;
    made->dims[axis] = count;
    if (!parts)
        made->base += begin * made->strides[axis] * (int64_t)number_size(c);
    for (uint32_t k = 0; parts && k < c->part_count; k++)
        if (!(parts[k] = weir__constant_cut(graph, parts[k], axis, begin, count)))
            return NULL;
    return made;
}

const weir__constant *weir__constant_insert(weir__onnx *graph, const weir__constant *c, uint32_t at)
{
    const weir__constant **parts;
    weir__constant *made = copy_parts(graph, c, &parts);
    if (!made)
        return NULL;
    memmove(made->dims + at + 1, c->dims + at, (c->rank - at) * sizeof *c->dims);
    memmove(made->strides + at + 1, c->strides + at, (c->rank - at) * sizeof *c->strides);
    made->dims[at] = 1;
    made->strides[at] = 0;
    made->rank++;
    made->axis += at <= c->axis;
    for (uint32_t k = 0; parts && k < c->part_count; k++)
        if (!(parts[k] = weir__constant_insert(graph, parts[k], at)))
            return NULL;
    return made;
}

const weir__constant *weir__constant_remove(weir__onnx *graph, const weir__constant *c, uint32_t at)
{
    if (c->parts && c->axis == at) /* of size 1: there is one part */
        return weir__constant_remove(graph, c->parts[0], at);
    const weir__constant **parts;
    weir__constant *made = copy_parts(graph, c, &parts);
    if (!made)
        return NULL;
    made->rank--;
    memmove(made->dims + at, c->dims + at + 1, (made->rank - at) * sizeof *c->dims);
    memmove(made->strides + at, c->strides + at + 1, (made->rank - at) * sizeof *c->strides);
    made->axis -= at < c->axis;
    for (uint32_t k = 0; parts && k < c->part_count; k++)
        if (!(parts[k] = weir__constant_remove(graph, parts[k], at)))
            return NULL;
    return made;
}

const weir__constant *weir__constant_join(weir__onnx *graph, const weir__constant *const *parts, uint32_t count, uint32_t axis)
{
    const weir__constant **list = weir__onnx_take(graph, count * sizeof *list);
    weir__constant *made = list ? copy(graph, parts[0]) : NULL;
    if (!made)
        return NULL;
    made->dims[axis] = 0;
    made->axis = axis;
    made->part_count = 0;
    for (uint32_t k = 0; k < count; k++) {
        made->dims[axis] += parts[k]->dims[axis];
        if (parts[k]->dims[axis] > 0) /* so that whoever walks over parts walks over numbers */
            list[made->part_count++] = parts[k];
    }
    if (made->part_count < 2)
        return made->part_count ? list[0] : parts[0];
    made->parts = list;
    made->base = NULL;
    return made;
}

static bool stands_in_rows(const weir__constant *c)
{
    int64_t stride = 1;
    for (uint32_t i = c->rank; i-- > 0; stride *= c->dims[i])
        if (c->dims[i] != 1 && c->strides[i] != stride)
            return false;
    return !c->parts;
}

const weir__constant *weir__constant_reshape(weir__onnx *graph, const weir__constant *c, const int64_t *dims, uint32_t rank)
{
    weir__constant *made = copy(graph, c);
    if (!made)
        return NULL;
    if (!stands_in_rows(c)) {
        size_t bytes;
        void *room = weir__size_mul(&bytes, weir__constant_count(c), number_size(c)) ? weir__onnx_take(graph, bytes) : NULL;
        if (!room)
            return NULL;
        if (c->type == WEIR__ONNX_I64)
            weir__constant_ints(c, room);
        else
            weir__constant_floats(c, room);
        made->base = room;
        made->parts = NULL;
    }
    made->rank = rank;
    memcpy(made->dims, dims, rank * sizeof *dims);
    set_strides(made);
    return made;
}

const weir__constant *weir__constant_retype(weir__onnx *graph, const weir__constant *c, weir__onnx_type type)
{
    const weir__constant **parts;
    weir__constant *made = copy_parts(graph, c, &parts);
    if (!made)
        return NULL;
    made->type = type;
    for (uint32_t k = 0; parts && k < c->part_count; k++)
        if (!(parts[k] = weir__constant_retype(graph, parts[k], type)))
            return NULL;
    return made;
}

/* ---- Reading ---- */

/* Copies the numbers below `base` of axis `axis` and those behind it to `out`, whose rows have other strides. */
static void copy_strided(const weir__constant *c, uint32_t axis, const unsigned char *base, unsigned char *out, const int64_t *strides)
{
    int64_t number = (int64_t)number_size(c);
    if (axis == c->rank) {
        memcpy(out, base, (size_t)number);
        return;
    }
    bool whole = axis + 1 == c->rank && c->strides[axis] == 1 && strides[axis] == 1;
    if (whole)
        memcpy(out, base, (size_t)(c->dims[axis] * number));
    for (int64_t i = 0; !whole && i < c->dims[axis]; i++)
        copy_strided(c, axis + 1, base + i * c->strides[axis] * number, out + i * strides[axis] * number, strides);
}

/* Elements begin .. begin + count - 1 of `axis` to `out`, whose rows have these strides. */
static void copy_block(const weir__constant *c, uint32_t axis, int64_t begin, int64_t count, unsigned char *out, const int64_t *strides)
{
    int64_t number = (int64_t)number_size(c), at = 0;
    if (!c->parts) {
        weir__constant block = *c;
        block.dims[axis] = count;
        copy_strided(&block, 0, c->base + begin * c->strides[axis] * number, out, strides);
        return;
    }
    for (uint32_t k = 0; k < c->part_count; k++) {
        const weir__constant *part = c->parts[k];
        int64_t size = part->dims[c->axis], from = 0, to = size, place = at;
        if (axis == c->axis) {
            from = begin > at ? begin - at : 0;
            to = begin + count < at + size ? begin + count - at : size;
            place = at + from - begin;
        }
        if (axis != c->axis)
            copy_block(part, axis, begin, count, out + place * strides[c->axis] * number, strides);
        else if (from < to)
            copy_block(part, axis, from, to - from, out + place * strides[axis] * number, strides);
        at += size;
    }
}

static void read_block(const weir__constant *c, uint32_t axis, int64_t begin, int64_t count, void *out)
{
    weir__constant rows = *c;
    if (c->rank == 0) {
        memcpy(out, c->base, number_size(c));
        return;
    }
    rows.dims[axis] = count;
    set_strides(&rows);
    if (weir__constant_count(&rows))
        copy_block(c, axis, begin, count, out, rows.strides);
}

void weir__constant_floats(const weir__constant *c, float *out)
{
    read_block(c, 0, 0, c->dims[0], out);
}

void weir__constant_ints(const weir__constant *c, int64_t *out)
{
    read_block(c, 0, 0, c->dims[0], out);
}

void weir__constant_block(const weir__constant *c, uint32_t axis, int64_t begin, int64_t count, float *out)
{
    read_block(c, axis, begin, count, out);
}

static bool all_are(const weir__constant *c, uint32_t axis, const unsigned char *base, double value)
{
    if (axis < c->rank) {
        bool good = true;
        for (int64_t i = 0; good && i < c->dims[axis]; i++)
            good = all_are(c, axis + 1, base + i * c->strides[axis] * (int64_t)number_size(c), value);
        return good;
    }
    float real;
    int64_t integer;
    memcpy(c->type == WEIR__ONNX_I64 ? (void *)&integer : &real, base, number_size(c));
    return c->type == WEIR__ONNX_I64 ? (double)integer == value : (double)real == value;
}

bool weir__constant_is(const weir__constant *c, double value)
{
    if (!c->parts)
        return weir__constant_count(c) == 0 || all_are(c, 0, c->base, value);
    for (uint32_t k = 0; k < c->part_count; k++)
        if (!weir__constant_is(c->parts[k], value))
            return false;
    return true;
}
