/* Operators that move numbers, or make them from shapes.
 * SPDX-License-Identifier: MIT */
#include "graph/graph.h"

#include <math.h>
#include <string.h>

/* ---- Attributes ---- */

/* list: a copy of the whole numbers of an attribute; has_list: it is there. */
static weir_status keep_list(weir__build *b, weir__step *s, const char *name)
{
    const weir__onnx_attribute *a = weir__onnx_find(b->node, name);
    s->s.has_list = a != NULL;
    if (!a)
        return WEIR_OK;
    s->s.list_count = a->count;
    s->s.list = weir__keep(b, a->count * sizeof *s->s.list);
    if (!s->s.list)
        return b->err->status;
    if (a->count)
        memcpy(s->s.list, a->is.ints, a->count * sizeof *s->s.list);
    return WEIR_OK;
}

weir_status weir__prepare_axes(weir__build *b, weir__step *s)
{
    return keep_list(b, s, "axes");
}

/* axis. */
weir_status weir__prepare_axis(weir__build *b, weir__step *s)
{
    if (strcmp(s->op->name, "Concat") == 0 && !weir__onnx_find(b->node, "axis"))
        return WEIR__BREAKS(b, "lacks its attribute axis");
    s->s.axis = weir__attribute_int(b, "axis", strcmp(s->op->name, "Flatten") == 0);
    return WEIR_OK;
}

/* ---- Copies ---- */

/* The elements of an output from those of an input that lie `steps` numbers apart, dimension by dimension, from number `first` on. */
static void copy_steps(const weir__data *in, ptrdiff_t first, const ptrdiff_t *steps, weir__data *out)
{
    size_t at[WEIR_MAX_RANK] = {0}, width = weir_element_size(out->element);
    ptrdiff_t from = first;
    for (size_t i = 0; i < out->count; i++) {
        memcpy((char *)out->data + i * width, (const char *)in->data + from * (ptrdiff_t)width, width);
        for (uint32_t d = out->rank; d-- > 0;) {
            from += steps[d];
            if (++at[d] < out->dims[d])
                break;
            from -= steps[d] * (ptrdiff_t)out->dims[d];
            at[d] = 0;
        }
    }
}

/* How far apart neighbours in each dimension lie. */
static void steps_of(const weir__data *d, ptrdiff_t steps[WEIR_MAX_RANK])
{
    ptrdiff_t step = 1;
    for (uint32_t i = d->rank; i-- > 0; step *= (ptrdiff_t)d->dims[i])
        steps[i] = step;
}

/* Output 0 has the numbers of input 0 in other dimensions of the same product. */
static weir_status copy_as(weir__run *r, const weir__step *s, uint32_t rank, const size_t *dims)
{
    const weir__data *in = weir__in(r, s, 0);
    TRY(weir__make(r, s, 0, in->element, rank, dims));
    weir__data *out = weir__out(r, s, 0);
    if (in->count)
        memcpy(out->data, in->data, weir__data_bytes(in));
    return WEIR_OK;
}

weir_status weir__run_identity(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    return copy_as(r, s, in->rank, in->dims);
}

/* ---- Dropout: nothing is dropped when a network runs ---- */

weir_status weir__prepare_dropout(weir__build *b, weir__step *s)
{
    const weir__data *training = s->in_count > 2 ? weir__known(b, s->in[2]) : NULL;
    if (s->in_count > 2 && s->in[2] != WEIR__ONNX_NONE &&
        (!training || training->element != WEIR_BOOL || training->count != 1 || weir__int_at(training, 0)))
        return WEIR__REFUSE(b, "is to drop numbers as in training; export the model for inference");
    if (weir__wants(s, 1) && b->file->opset < 10)
        return WEIR__REFUSE(b, "is to give its mask, which is known from opset 10 on only");
    return WEIR_OK;
}

weir_status weir__run_dropout(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    if (weir__wants(s, 0))
        TRY(weir__run_identity(r, s));
    if (weir__wants(s, 1)) {
        TRY(weir__make(r, s, 1, WEIR_BOOL, in->rank, in->dims));
        memset(weir__out(r, s, 1)->data, 1, in->count);
    }
    return WEIR_OK;
}

/* ---- Transpose ---- */

weir_status weir__prepare_transpose(weir__build *b, weir__step *s)
{
    TRY(keep_list(b, s, "perm"));
    bool seen[WEIR_MAX_RANK] = {false};
    for (uint32_t i = 0; i < s->s.list_count; i++) {
        int64_t axis = s->s.list[i];
        if (s->s.list_count > WEIR_MAX_RANK || axis < 0 || axis >= (int64_t)s->s.list_count || seen[axis])
            return WEIR__BREAKS(b, "has a perm that is no order of dimensions");
        seen[axis] = true;
    }
    return WEIR_OK;
}

weir_status weir__run_transpose(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    ptrdiff_t steps[WEIR_MAX_RANK], turned[WEIR_MAX_RANK] = {0};
    size_t dims[WEIR_MAX_RANK] = {0};
    if (s->s.has_list && s->s.list_count != in->rank)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "turns %u dimensions, but its input has %u", (unsigned)s->s.list_count, (unsigned)in->rank);
    steps_of(in, steps);
    for (uint32_t i = 0; i < in->rank; i++) {
        size_t from = s->s.has_list ? (size_t)s->s.list[i] : in->rank - 1 - i;
        dims[i] = in->dims[from];
        turned[i] = steps[from];
    }
    TRY(weir__make(r, s, 0, in->element, in->rank, dims));
    copy_steps(in, 0, turned, weir__out(r, s, 0));
    return WEIR_OK;
}

/* ---- Dimensions in and out ---- */

/* Whole numbers from an input, or from the attribute. */
typedef struct whole {
    const weir__data *input;
    const int64_t *list;
    size_t count;
} whole;

static int64_t whole_at(const whole *w, size_t i)
{
    return w->input ? weir__int_at(w->input, i) : w->list[i];
}

static weir_status whole_input(const weir__run *r, const weir__step *s, uint32_t k, whole *w)
{
    const weir__data *d = weir__in(r, s, k);
    *w = (whole){.input = d, .count = d ? d->count : 0};
    if (d && (d->rank > 1 || (d->element != WEIR_INT64 && d->element != WEIR_INT32)))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "needs a list of whole numbers in input %u", (unsigned)k);
    return WEIR_OK;
}

static weir_status axes_of(const weir__run *r, const weir__step *s, whole *w)
{
    TRY(whole_input(r, s, 1, w));
    if (!w->input)
        *w = (whole){.list = s->s.list, .count = s->s.list_count};
    return WEIR_OK;
}

weir_status weir__run_squeeze(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    whole axes;
    bool out[WEIR_MAX_RANK] = {false};
    size_t dims[WEIR_MAX_RANK];
    uint32_t rank = 0;
    TRY(axes_of(r, s, &axes));
    for (size_t i = 0; i < axes.count; i++) {
        uint32_t axis;
        if (!weir__axis(whole_at(&axes, i), in->rank, &axis) || in->dims[axis] != 1)
            return weir__stop(r, s, WEIR_E_ARGUMENT, "takes out dimension %lld, which is not there or not 1", (long long)whole_at(&axes, i));
        out[axis] = true;
    }
    for (uint32_t i = 0; i < in->rank; i++)
        if (axes.count ? !out[i] : in->dims[i] != 1)
            dims[rank++] = in->dims[i];
    return copy_as(r, s, rank, dims);
}

weir_status weir__run_unsqueeze(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    whole axes;
    bool added[WEIR_MAX_RANK] = {false};
    size_t dims[WEIR_MAX_RANK];
    TRY(axes_of(r, s, &axes));
    if (axes.count > WEIR_MAX_RANK - in->rank)
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "would make an array of more than %d dimensions", WEIR_MAX_RANK);
    uint32_t rank = in->rank + (uint32_t)axes.count, from = 0;
    for (size_t i = 0; i < axes.count; i++) {
        uint32_t axis;
        if (!weir__axis(whole_at(&axes, i), rank, &axis) || added[axis])
            return weir__stop(r, s, WEIR_E_ARGUMENT, "adds dimension %lld, which cannot be added, or is twice", (long long)whole_at(&axes, i));
        added[axis] = true;
    }
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = added[i] ? 1 : in->dims[from++];
    return copy_as(r, s, rank, dims);
}

/* flag: a 0 means 0, else that the input's dimension is kept. */
weir_status weir__prepare_reshape(weir__build *b, weir__step *s)
{
    s->s.flag = weir__attribute_int(b, "allowzero", 0) != 0;
    return WEIR_OK;
}

weir_status weir__run_reshape(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    whole shape;
    size_t dims[WEIR_MAX_RANK], product = 1, open = SIZE_MAX;
    TRY(whole_input(r, s, 1, &shape));
    if (shape.count > WEIR_MAX_RANK)
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "would make an array of more than %d dimensions", WEIR_MAX_RANK);
    for (size_t i = 0; i < shape.count; i++) {
        int64_t size = whole_at(&shape, i);
        bool kept = size == 0 && !s->s.flag;
        if (size < -1 || (kept && i >= in->rank) || (size == -1 && open != SIZE_MAX))
            return weir__stop(r, s, WEIR_E_ARGUMENT, "has the shape of its output's dimension %zu as %lld, which has no meaning there", i,
                              (long long)size);
        dims[i] = size == -1 ? 1 : kept ? in->dims[i] : (size_t)size;
        open = size == -1 ? i : open;
        if (!weir__size_mul(&product, product, dims[i]))
            return weir__stop(r, s, WEIR_E_ARGUMENT, "has an output of more numbers than can be counted");
    }
    if (open != SIZE_MAX && product)
        product *= dims[open] = in->count / product;
    if (product != in->count)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "cannot put %zu numbers into its output's dimensions", in->count);
    return copy_as(r, s, (uint32_t)shape.count, dims);
}

weir_status weir__run_flatten(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    uint32_t axis = in->rank;
    size_t dims[] = {1, 1};
    if (s->s.axis != (int64_t)in->rank && !weir__axis(s->s.axis, in->rank, &axis))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has axis %lld for an input of %u dimensions", (long long)s->s.axis, (unsigned)in->rank);
    for (uint32_t i = 0; i < in->rank; i++)
        dims[i >= axis] *= in->dims[i];
    return copy_as(r, s, 2, dims);
}

/* ---- Joining and cutting ---- */

/* Numbers in a block of all dimensions from `from` on. */
static size_t block(const weir__data *d, uint32_t from)
{
    size_t n = 1;
    for (uint32_t i = from; i < d->rank; i++)
        n *= d->dims[i];
    return n;
}

weir_status weir__run_concat(weir__run *r, const weir__step *s)
{
    const weir__data *first = weir__in(r, s, 0);
    size_t dims[WEIR_MAX_RANK] = {0}, done = 0;
    uint32_t axis;
    if (!weir__axis(s->s.axis, first->rank, &axis))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has axis %lld for inputs of %u dimensions", (long long)s->s.axis, (unsigned)first->rank);
    memcpy(dims, first->dims, first->rank * sizeof *dims);
    dims[axis] = 0;
    for (uint32_t k = 0; k < s->in_count; k++) {
        const weir__data *in = weir__in(r, s, k);
        bool fits = in->rank == first->rank && in->element == first->element && weir__size_add(&dims[axis], dims[axis], in->dims[axis]);
        for (uint32_t i = 0; fits && i < in->rank; i++)
            fits = i == axis || in->dims[i] == dims[i];
        if (!fits)
            return weir__stop(r, s, WEIR_E_ARGUMENT, "joins inputs of different shapes or types: number %u is not like the first", (unsigned)k);
    }
    TRY(weir__make(r, s, 0, first->element, first->rank, dims));
    weir__data *out = weir__out(r, s, 0);
    size_t width = weir_element_size(out->element), row = block(out, axis) * width;
    for (uint32_t k = 0; k < s->in_count; k++) {
        const weir__data *in = weir__in(r, s, k);
        size_t part = block(in, axis) * width;
        for (size_t i = 0; out->count && part && i < out->count * width / row; i++)
            memcpy((char *)out->data + i * row + done, (const char *)in->data + i * part, part);
        done += part;
    }
    return WEIR_OK;
}

/* axis; list: the parts, where they are an attribute; other: num_outputs, or 0. */
weir_status weir__prepare_split(weir__build *b, weir__step *s)
{
    s->s.axis = weir__attribute_int(b, "axis", 0);
    s->s.other = weir__attribute_int(b, "num_outputs", 0);
    if (s->s.other && s->s.other != (int64_t)s->out_count)
        return WEIR__BREAKS(b, "has %u outputs, but num_outputs %lld", (unsigned)s->out_count, (long long)s->s.other);
    return keep_list(b, s, "split");
}

/* The size of part k of n. Without sizes all are the same; the last may be smaller from opset 18 on. */
static int64_t part_size(const weir__step *s, const whole *parts, size_t n, uint32_t k)
{
    if (parts->count)
        return whole_at(parts, k);
    size_t each = (n + s->out_count - 1) / s->out_count, before = each * k;
    return (int64_t)(before >= n ? 0 : n - before < each ? n - before : each);
}

weir_status weir__run_split(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    whole parts;
    uint32_t axis;
    size_t begin = 0, dims[WEIR_MAX_RANK] = {0};
    TRY(axes_of(r, s, &parts));
    if (!weir__axis(s->s.axis, in->rank, &axis))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has axis %lld for an input of %u dimensions", (long long)s->s.axis, (unsigned)in->rank);
    size_t n = in->dims[axis], width = weir_element_size(in->element), row = block(in, axis) * width, inner = block(in, axis + 1) * width;
    if ((parts.count && parts.count != s->out_count) || (!parts.count && !s->s.other && n % s->out_count))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "cannot split %zu into %u parts", n, (unsigned)s->out_count);
    memcpy(dims, in->dims, in->rank * sizeof *dims);
    for (uint32_t k = 0; k < s->out_count; k++) {
        int64_t size = part_size(s, &parts, n, k);
        if (size < 0 || (uint64_t)size > n - begin)
            return weir__stop(r, s, WEIR_E_ARGUMENT, "has parts that do not add up to %zu", n);
        dims[axis] = (size_t)size;
        if (weir__wants(s, k)) {
            TRY(weir__make(r, s, k, in->element, in->rank, dims));
            weir__data *out = weir__out(r, s, k);
            size_t part = dims[axis] * inner;
            for (size_t i = 0; part && i * part < out->count * width; i++)
                memcpy((char *)out->data + i * part, (const char *)in->data + i * row + begin * inner, part);
        }
        begin += (size_t)size;
    }
    return begin == n ? WEIR_OK : weir__stop(r, s, WEIR_E_ARGUMENT, "has parts that do not add up to %zu", n);
}

/* list: at opset 9 and before starts, ends and axes, one after the other; list_count: of each. */
weir_status weir__prepare_slice(weir__build *b, weir__step *s)
{
    if (s->op->last == 0)
        return WEIR_OK;
    const weir__onnx_attribute *starts = weir__onnx_find(b->node, "starts"), *ends = weir__onnx_find(b->node, "ends"),
                               *axes = weir__onnx_find(b->node, "axes");
    if (!starts || !ends || starts->count != ends->count || (axes && axes->count != starts->count))
        return WEIR__BREAKS(b, "must have starts and ends, and axes of the same number if any");
    uint32_t n = s->s.list_count = starts->count;
    s->s.list = weir__keep(b, 3 * (size_t)n * sizeof *s->s.list);
    if (!s->s.list)
        return b->err->status;
    for (uint32_t i = 0; i < n; i++) {
        s->s.list[i] = starts->is.ints[i];
        s->s.list[n + i] = ends->is.ints[i];
        s->s.list[2 * n + i] = axes ? axes->is.ints[i] : i;
    }
    return WEIR_OK;
}

static int64_t clamp(int64_t x, int64_t least, int64_t most)
{
    return x < least ? least : x > most ? most : x;
}

/* Cuts dimension of n numbers, as Python: *first, and how many. */
static size_t cut(int64_t n, int64_t start, int64_t end, int64_t step, int64_t *first)
{
    start = clamp(start < 0 ? start + n : start, step < 0 ? -1 : 0, step < 0 ? n - 1 : n);
    end = clamp(end < 0 ? end + n : end, step < 0 ? -1 : 0, step < 0 ? n - 1 : n);
    *first = start;
    int64_t span = step < 0 ? start - end : end - start;
    /* |step| fits into uint64_t also for the least number */
    uint64_t stride = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
    return span <= 0 ? 0 : (size_t)(((uint64_t)span - 1) / stride + 1);
}

weir_status weir__run_slice(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    whole starts, ends, axes, strides;
    ptrdiff_t steps[WEIR_MAX_RANK], first = 0;
    size_t dims[WEIR_MAX_RANK] = {0};
    bool seen[WEIR_MAX_RANK] = {false};
    TRY(whole_input(r, s, 1, &starts));
    TRY(whole_input(r, s, 2, &ends));
    TRY(whole_input(r, s, 3, &axes));
    TRY(whole_input(r, s, 4, &strides));
    if (s->op->last) {
        starts = (whole){.list = s->s.list, .count = s->s.list_count};
        ends = (whole){.list = s->s.list + s->s.list_count, .count = s->s.list_count};
        axes = (whole){.list = s->s.list + 2 * s->s.list_count, .count = s->s.list_count};
    }
    if (starts.count != ends.count || (axes.count && axes.count != starts.count) || (strides.count && strides.count != starts.count))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has starts, ends, axes and steps of different numbers");
    steps_of(in, steps);
    memcpy(dims, in->dims, in->rank * sizeof *dims);
    for (size_t i = 0; i < starts.count; i++) {
        uint32_t axis;
        int64_t from, step = strides.count ? whole_at(&strides, i) : 1;
        if (!weir__axis(axes.count ? whole_at(&axes, i) : (int64_t)i, in->rank, &axis) || seen[axis] || !step)
            return weir__stop(r, s, WEIR_E_ARGUMENT, "cuts a dimension that is not there, twice, or with step 0");
        seen[axis] = true;
        dims[axis] = cut((int64_t)in->dims[axis], whole_at(&starts, i), whole_at(&ends, i), step, &from);
        if (dims[axis]) {
            first += steps[axis] * (ptrdiff_t)from;
            steps[axis] = dims[axis] > 1 ? steps[axis] * (ptrdiff_t)step : 0;
        }
    }
    TRY(weir__make(r, s, 0, in->element, in->rank, dims));
    copy_steps(in, first, steps, weir__out(r, s, 0));
    return WEIR_OK;
}

weir_status weir__run_gather(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0), *places = weir__in(r, s, 1);
    size_t dims[2 * WEIR_MAX_RANK];
    uint32_t axis, rank = 0;
    if (!weir__axis(s->s.axis, in->rank, &axis))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has axis %lld for an input of %u dimensions", (long long)s->s.axis, (unsigned)in->rank);
    if (places->element != WEIR_INT64 && places->element != WEIR_INT32)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "needs whole numbers in input 1");
    for (uint32_t i = 0; i < axis; i++)
        dims[rank++] = in->dims[i];
    for (uint32_t i = 0; i < places->rank; i++)
        dims[rank++] = places->dims[i];
    for (uint32_t i = axis + 1; i < in->rank; i++)
        dims[rank++] = in->dims[i];
    TRY(weir__make(r, s, 0, in->element, rank, dims));
    weir__data *out = weir__out(r, s, 0);
    int64_t n = (int64_t)in->dims[axis];
    size_t part = block(in, axis + 1) * weir_element_size(in->element);
    for (size_t i = 0; part && i * part < weir__data_bytes(out); i++) {
        int64_t place = weir__int_at(places, i % places->count);
        if (place < -n || place >= n)
            return weir__stop(r, s, WEIR_E_ARGUMENT, "gathers number %lld of a dimension of %lld", (long long)place, (long long)n);
        size_t row = i / places->count * (size_t)n + (size_t)(place < 0 ? place + n : place);
        memcpy((char *)out->data + i * part, (const char *)in->data + row * part, part);
    }
    return WEIR_OK;
}

weir_status weir__prepare_one_hot(weir__build *b, weir__step *s)
{
    s->s.axis = weir__attribute_int(b, "axis", -1);
    return WEIR_OK;
}

/* values = (off, on): a new dimension of `depth` places, on at the index, which below 0 counts from the end, and nowhere if it is outside. */
weir_status weir__run_one_hot(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0), *depth = weir__in(r, s, 1), *values = weir__in(r, s, 2);
    size_t dims[2 * WEIR_MAX_RANK];
    uint32_t axis, rank = in->rank + 1;
    if ((in->element != WEIR_INT64 && in->element != WEIR_INT32) || (depth->element != WEIR_INT64 && depth->element != WEIR_INT32))
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "needs whole numbers in inputs 0 and 1");
    if (depth->count != 1 || weir__int_at(depth, 0) < 1 || values->count != 2)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "needs one depth above 0, and two values");
    if (!weir__axis(s->s.axis, rank, &axis))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has axis %lld for an output of %u dimensions", (long long)s->s.axis, (unsigned)rank);
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = i == axis ? (size_t)weir__int_at(depth, 0) : in->dims[i < axis ? i : i - 1];
    TRY(weir__make(r, s, 0, values->element, rank, dims));
    weir__data *out = weir__out(r, s, 0);
    size_t n = dims[axis], inner = block(out, axis + 1), width = weir_element_size(out->element);
    const char *off = values->data, *on = off + width;
    for (size_t i = 0; i < out->count; i++) {
        int64_t place = weir__int_at(in, i / (n * inner) * inner + i % inner);
        bool here = (size_t)(place < 0 ? place + (int64_t)n : place) == i / inner % n;
        memcpy((char *)out->data + i * width, here ? on : off, width);
    }
    return WEIR_OK;
}

weir_status weir__run_expand(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    whole shape;
    size_t dims[WEIR_MAX_RANK];
    ptrdiff_t own[WEIR_MAX_RANK], steps[WEIR_MAX_RANK] = {0};
    TRY(whole_input(r, s, 1, &shape));
    if (shape.count > WEIR_MAX_RANK)
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "would make an array of more than %d dimensions", WEIR_MAX_RANK);
    uint32_t rank = shape.count > in->rank ? (uint32_t)shape.count : in->rank;
    steps_of(in, own);
    for (uint32_t i = 0; i < rank; i++) { /* from the last dimension */
        int64_t asked = i < shape.count ? whole_at(&shape, shape.count - 1 - i) : 1;
        size_t mine = i < in->rank ? in->dims[in->rank - 1 - i] : 1;
        if (asked < 0 || (mine != 1 && asked != 1 && (uint64_t)asked != mine))
            return weir__stop(r, s, WEIR_E_ARGUMENT, "cannot expand %zu numbers to %lld", mine, (long long)asked);
        dims[rank - 1 - i] = mine == 1 ? (size_t)asked : mine;
        steps[rank - 1 - i] = mine == 1 ? 0 : own[in->rank - 1 - i];
    }
    TRY(weir__make(r, s, 0, in->element, rank, dims));
    copy_steps(in, 0, steps, weir__out(r, s, 0));
    return WEIR_OK;
}

/* ---- Shapes and constants ---- */

/* axis, other: the first dimension and the end. */
weir_status weir__prepare_shape(weir__build *b, weir__step *s)
{
    s->s.axis = weir__attribute_int(b, "start", 0);
    s->s.other = weir__attribute_int(b, "end", INT64_MAX);
    return WEIR_OK;
}

weir_status weir__run_shape(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    int64_t first;
    size_t n = cut((int64_t)in->rank, s->s.axis, s->s.other, 1, &first);
    TRY(weir__make(r, s, 0, WEIR_INT64, 1, &n));
    for (size_t i = 0; i < n; i++)
        ((int64_t *)weir__out(r, s, 0)->data)[i] = (int64_t)in->dims[(size_t)first + i];
    return WEIR_OK;
}

/* A list of numbers of an attribute as a constant of one dimension, or with rank 0 of one number. */
static weir_status constant_numbers(weir__build *b, int32_t slot, weir_element element, uint32_t rank, size_t count, const void *numbers)
{
    TRY(weir__new_constant(b, slot, element, rank, &count));
    if (count)
        memcpy(weir__known(b, slot)->data, numbers, count * weir_element_size(element));
    return WEIR_OK;
}

/* The output is a constant from now on; no step is left. */
weir_status weir__prepare_constant(weir__build *b, weir__step *s)
{
    const weir__onnx_attribute *a = b->node->attributes;
    if (b->node->attribute_count != 1)
        return WEIR__BREAKS(b, "has %u attributes; a constant has one, its value", (unsigned)b->node->attribute_count);
    int32_t slot = s->out[0];
    switch (a->kind) {
    case WEIR__ONNX_TENSOR: return weir__set_constant(b, slot, a->is.tensor);
    case WEIR__ONNX_FLOAT: return constant_numbers(b, slot, WEIR_FLOAT32, 0, 1, &a->is.f);
    case WEIR__ONNX_INT: return constant_numbers(b, slot, WEIR_INT64, 0, 1, &a->is.i);
    case WEIR__ONNX_FLOATS: return constant_numbers(b, slot, WEIR_FLOAT32, 1, a->count, a->is.floats);
    case WEIR__ONNX_INTS: return constant_numbers(b, slot, WEIR_INT64, 1, a->count, a->is.ints);
    default: return WEIR__REFUSE(b, "has no numbers as its value");
    }
}

/* other: the element; list: its bytes. */
weir_status weir__prepare_constant_of_shape(weir__build *b, weir__step *s)
{
    const weir__onnx_attribute *a = weir__onnx_find(b->node, "value");
    float number;
    s->s.other = WEIR_FLOAT32;
    s->s.list = weir__keep(b, sizeof *s->s.list);
    if (!s->s.list)
        return b->err->status;
    if (!a)
        return WEIR_OK;
    const weir__onnx_tensor *t = a->is.tensor;
    if (t->count != 1)
        return WEIR__BREAKS(b, "has a value of %zu numbers; it must be one", t->count);
    if (t->type == WEIR__ONNX_F32 && weir__onnx_floats(t, &number)) {
        memcpy(s->s.list, &number, sizeof number);
        return WEIR_OK;
    }
    s->s.other = t->type == WEIR__ONNX_I64 ? WEIR_INT64 : t->type == WEIR__ONNX_I32 ? WEIR_INT32 : WEIR_BOOL;
    if (!weir__onnx_ints(t, s->s.list))
        return WEIR__REFUSE(b, "has a value of %s; a graph runs on float32, int32, int64 and bool", weir__onnx_type_name(t->type));
    return WEIR_OK; /* little-endian: the first bytes of an int64 are the narrower number */
}

weir_status weir__run_constant_of_shape(weir__run *r, const weir__step *s)
{
    whole shape;
    size_t dims[WEIR_MAX_RANK];
    weir_element element = (weir_element)s->s.other;
    TRY(whole_input(r, s, 0, &shape));
    if (shape.count > WEIR_MAX_RANK)
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "would make an array of more than %d dimensions", WEIR_MAX_RANK);
    for (size_t i = 0; i < shape.count; i++) {
        if (whole_at(&shape, i) < 0)
            return weir__stop(r, s, WEIR_E_ARGUMENT, "is to make a dimension of %lld", (long long)whole_at(&shape, i));
        dims[i] = (size_t)whole_at(&shape, i);
    }
    TRY(weir__make(r, s, 0, element, (uint32_t)shape.count, dims));
    weir__data *out = weir__out(r, s, 0);
    for (size_t i = 0, width = weir_element_size(element); i < out->count; i++)
        memcpy((char *)out->data + i * width, s->s.list, width);
    return WEIR_OK;
}

/* ---- Casts ---- */

/* other: the element. */
weir_status weir__prepare_cast(weir__build *b, weir__step *s)
{
    int64_t to = weir__attribute_int(b, "to", 0);
    const weir__onnx_type known[] = {
        [WEIR_FLOAT32] = WEIR__ONNX_F32, [WEIR_INT32] = WEIR__ONNX_I32, [WEIR_INT64] = WEIR__ONNX_I64, [WEIR_BOOL] = WEIR__ONNX_BOOL};
    for (int i = WEIR_FLOAT32; i <= WEIR_BOOL; i++)
        if ((int64_t)known[i] == to)
            s->s.other = i;
    if (!s->s.other)
        return WEIR__REFUSE(b, "casts to the type %lld; float32, int32, int64 and bool are known", (long long)to);
    return WEIR_OK;
}

/* Towards 0; what does not fit becomes the nearest that does, NaN 0. */
static int64_t int_of(float x, bool wide)
{
    if (isnan(x))
        return 0;
    if (wide)
        return x >= 0x1p63f ? INT64_MAX : x < -0x1p63f ? INT64_MIN : (int64_t)x;
    return x >= 0x1p31f ? INT32_MAX : x < -0x1p31f ? INT32_MIN : (int64_t)x;
}

static void cast_one(const weir__data *in, size_t i, weir__data *out)
{
    bool from_float = in->element == WEIR_FLOAT32;
    float number = from_float ? ((const float *)in->data)[i] : (float)weir__int_at(in, i);
    if (out->element == WEIR_FLOAT32)
        ((float *)out->data)[i] = number;
    else if (out->element == WEIR_BOOL)
        ((unsigned char *)out->data)[i] = from_float ? number != 0 : weir__int_at(in, i) != 0;
    else if (out->element == WEIR_INT64)
        ((int64_t *)out->data)[i] = from_float ? int_of(number, true) : weir__int_at(in, i);
    else
        ((int32_t *)out->data)[i] = (int32_t)(uint32_t)(uint64_t)(from_float ? int_of(number, false) : weir__int_at(in, i));
}

static weir_status cast(weir__run *r, const weir__step *s, weir_element to)
{
    const weir__data *in = weir__in(r, s, 0);
    TRY(weir__make(r, s, 0, to, in->rank, in->dims));
    weir__data *out = weir__out(r, s, 0);
    for (size_t i = 0; i < in->count; i++)
        cast_one(in, i, out);
    return WEIR_OK;
}

weir_status weir__run_cast(weir__run *r, const weir__step *s)
{
    return cast(r, s, (weir_element)s->s.other);
}

weir_status weir__run_cast_like(weir__run *r, const weir__step *s)
{
    return cast(r, s, weir__in(r, s, 1)->element);
}
