/* The rules of operators that move values about: their axes change, and which of them are left, but no number.
 * SPDX-License-Identifier: MIT */
#include "format/onnx_match.h"

#include <string.h>

/* Ends that mean "to the end": what exporters write. */
enum { TO_THE_END = INT32_MAX };

void weir__match_sizes(const weir__matcher *m, const weir__flow *data, weir__extent sizes[WEIR__ATOMS])
{
    memcpy(sizes, m->sizes, sizeof m->sizes);
    sizes[WEIR__ATOM_LANES] = weir__extent_of(data->lane_count);
    sizes[WEIR__ATOM_UNITS] = weir__extent_of(data->stage ? data->stage->units : data->lane_count ? (int64_t)data->lanes[0]->hidden : 1);
    if (data->cut != WEIR__ATOMS)
        sizes[data->cut] = weir__extent_of(data->end - data->begin);
}

bool weir__match_is_features(const weir__flow *d, uint32_t axis)
{
    uint8_t expected[2];
    uint32_t count = 0;
    if (d->kind != WEIR__FLOW_HEAD && d->lane_count > 1)
        expected[count++] = WEIR__ATOM_LANES;
    if ((d->kind == WEIR__FLOW_HEAD ? d->stage->units : (int64_t)d->lanes[0]->hidden) > 1)
        expected[count++] = WEIR__ATOM_UNITS;
    return weir__axes_are(&d->axes, axis, expected, count);
}

static weir_status refuse_kind(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    char room[WEIR__SHOWN];
    if (weir__match_is(in, WEIR__OPEN))
        return REFUSE(m, "needs what %s computes, which conversion cannot follow; " AS_IT_IS,
                      weir__text_show(room, in->is.node->type));
    return REFUSE(m, "acts on something that no model of Weir has; " AS_IT_IS);
}

/* Input 0, if it is a tensor of one repeated number or unknown, passes every move. */
static bool passes(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    if (!weir__match_is(in, WEIR__FILL) && !weir__match_is(in, WEIR__OPEN))
        return false;
    for (uint32_t i = 0; i < m->node->output_count; i++)
        weir__match_set(m, i, *in);
    return true;
}

/* ---- Order and grouping ---- */

weir_status weir__rule_transpose(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    const weir__onnx_attribute *a = weir__onnx_find(m->node, "perm");
    if (passes(m))
        return WEIR_OK;
    bool data = weir__match_is(in, WEIR__FLOW);
    if (!data && !weir__match_is(in, WEIR__CONSTANT))
        return refuse_kind(m);
    uint32_t rank = data ? in->is.flow->axes.rank : in->is.constant->rank, order[WEIR__ONNX_RANK], seen = 0;
    if (a && (a->kind != WEIR__ONNX_INTS || a->count != rank))
        return REFUSE(m, "must have %u axes in its perm", (unsigned)rank);
    for (uint32_t i = 0; i < rank; i++) {
        TRY(weir__match_axis(m, a ? a->is.ints[i] : (int64_t)(rank - 1 - i), rank, &order[i]));
        seen |= 1u << order[i];
    }
    if (seen != (1u << rank) - 1)
        return REFUSE(m, "has a perm that names an axis twice");
    if (!data)
        return weir__match_set_constant(m, 0, weir__constant_permute(m->graph, in->is.constant, order));
    weir__flow out = *in->is.flow;
    weir__axes_permute(&out.axes, order);
    return weir__match_set_flow(m, 0, &out);
}

static weir_status reshape_constant(weir__matcher *m, const weir__constant *c, const weir__shape *shape, uint32_t rest)
{
    int64_t dims[WEIR__ONNX_RANK], known = 1, count = (int64_t)weir__constant_count(c);
    for (uint32_t i = 0; i < shape->count; i++) {
        dims[i] = shape->sizes[i].n;
        if (shape->sizes[i].free || shape->sizes[i].unknown || (i != rest && (dims[i] < 0 || dims[i] > count)))
            return REFUSE(m, "gives constants a shape that cannot be followed");
        known = i == rest ? known : weir__extent_mul(weir__extent_of(known), weir__extent_of(dims[i])).n;
    }
    if (rest < shape->count)
        dims[rest] = known ? count / known : 0;
    if (known * (rest < shape->count ? dims[rest] : 1) != count)
        return REFUSE(m, "gives %lld numbers a shape of another size", (long long)count);
    return weir__match_set_constant(m, 0, weir__constant_reshape(m->graph, c, dims, shape->count));
}

static weir_status reshape(weir__matcher *m, weir__shape *shape, uint32_t rest)
{
    const weir__meaning *in = weir__match_input(m, 0);
    if (weir__match_is(in, WEIR__CONSTANT))
        return reshape_constant(m, in->is.constant, shape, rest);
    if (weir__match_is(in, WEIR__SHAPE) && in->is.shape->count == 1 && shape->count <= 1) {
        weir__shape out = *in->is.shape;
        out.vector = shape->count == 1;
        return weir__match_set_shape(m, 0, &out);
    }
    if (!weir__match_is(in, WEIR__FLOW))
        return refuse_kind(m);
    weir__extent sizes[WEIR__ATOMS];
    weir__flow out = *in->is.flow;
    weir__match_sizes(m, &out, sizes);
    if (!weir__axes_regroup(&out.axes, sizes, shape->sizes, shape->count, rest))
        return REFUSE(m, "gives data a shape in which steps, rows and units cannot be told apart; " AS_IT_IS);
    return weir__match_set_flow(m, 0, &out);
}

static uint32_t rank_of(const weir__meaning *in)
{
    return weir__match_is(in, WEIR__FLOW) ? in->is.flow->axes.rank : weir__match_is(in, WEIR__CONSTANT) ? in->is.constant->rank : 1;
}

/* The size of an axis of input 0. */
static weir__extent size_of(const weir__matcher *m, const weir__meaning *in, uint32_t axis)
{
    weir__extent sizes[WEIR__ATOMS];
    if (weir__match_is(in, WEIR__CONSTANT))
        return weir__extent_of(in->is.constant->dims[axis]);
    if (!weir__match_is(in, WEIR__FLOW))
        return weir__extent_of(1);
    weir__match_sizes(m, in->is.flow, sizes);
    return weir__axes_extent(&in->is.flow->axes, sizes, axis);
}

/* 0 is the size that the axis had, unless allowzero (since version 14) says that it is none; -1 is what is left. */
weir_status weir__rule_reshape(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    weir__shape shape;
    int64_t allowzero;
    if (passes(m))
        return WEIR_OK;
    TRY(weir__match_shape(m, 1, &shape));
    TRY(weir__match_int(m, "allowzero", 0, &allowzero));
    uint32_t rest = shape.count;
    for (uint32_t i = 0; i < shape.count; i++) {
        weir__extent *size = shape.sizes + i;
        if (size->unknown)
            return REFUSE(m, "gives data a shape that is computed in a way that conversion cannot follow; " AS_IT_IS);
        if (size->n == 0 && !size->free && !allowzero) {
            if (i >= rank_of(in))
                return REFUSE(m, "copies the size of an axis that is not there");
            *size = size_of(m, in, i);
        } else if (size->n == -1 && !size->free) {
            if (rest < shape.count)
                return REFUSE(m, "leaves two sizes open");
            rest = i;
        }
    }
    return reshape(m, &shape, rest);
}

/* To two axes: those in front of `axis`, and the others. */
weir_status weir__rule_flatten(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    int64_t given;
    uint32_t axis = rank_of(in);
    if (passes(m))
        return WEIR_OK;
    TRY(weir__match_int(m, "axis", 1, &given));
    if (given != (int64_t)rank_of(in))
        TRY(weir__match_axis(m, given, rank_of(in), &axis));
    weir__shape shape = {.vector = true, .count = 2, .sizes = {weir__extent_of(1)}};
    for (uint32_t i = 0; i < axis; i++)
        shape.sizes[0] = weir__extent_mul(shape.sizes[0], size_of(m, in, i));
    return reshape(m, &shape, 1);
}

/* The axes as a set, counted in a tensor of `rank` axes. */
static weir_status axes_given(weir__matcher *m, uint32_t rank, bool *axes, uint32_t *count)
{
    int64_t values[WEIR__ONNX_RANK];
    TRY(weir__match_integers(m, "axes", 13, 1, values, count));
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t axis;
        TRY(weir__match_axis(m, values[i], rank, &axis));
        if (axes[axis])
            return REFUSE(m, "names axis %u twice", (unsigned)axis);
        axes[axis] = true;
    }
    return WEIR_OK;
}

static weir_status set_vector(weir__matcher *m, const weir__meaning *in, bool vector)
{
    weir__shape out = *in->is.shape;
    out.vector = vector;
    return out.count == 1 ? weir__match_set_shape(m, 0, &out) : REFUSE(m, "acts on a shape of more than one number");
}

weir_status weir__rule_squeeze(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    bool axes[WEIR__ONNX_RANK] = {false}, data = weir__match_is(in, WEIR__FLOW);
    uint32_t count;
    if (passes(m))
        return WEIR_OK;
    if (weir__match_is(in, WEIR__SHAPE))
        return set_vector(m, in, false);
    if (!data && !weir__match_is(in, WEIR__CONSTANT))
        return refuse_kind(m);
    TRY(axes_given(m, rank_of(in), axes, &count));
    weir__flow out;
    const weir__constant *c = data ? NULL : in->is.constant;
    if (data)
        out = *in->is.flow;
    for (uint32_t i = rank_of(in); i-- > 0;) {
        bool one = weir__extent_equal(size_of(m, in, i), weir__extent_of(1));
        if (axes[i] && !one)
            return REFUSE(m, "takes away axis %u, whose size is not 1", (unsigned)i);
        if (!(count ? axes[i] : one))
            continue;
        if (data)
            weir__axes_remove(&out.axes, i);
        else if (!(c = weir__constant_remove(m->graph, c, i)))
            return weir__match_no_room(m);
    }
    return data ? weir__match_set_flow(m, 0, &out) : weir__match_set_constant(m, 0, c);
}

weir_status weir__rule_unsqueeze(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    bool axes[WEIR__ONNX_RANK] = {false}, data = weir__match_is(in, WEIR__FLOW);
    uint32_t count, given;
    int64_t values[WEIR__ONNX_RANK];
    if (passes(m))
        return WEIR_OK;
    if (weir__match_is(in, WEIR__SHAPE))
        return set_vector(m, in, true);
    if (!data && !weir__match_is(in, WEIR__CONSTANT))
        return refuse_kind(m);
    TRY(weir__match_integers(m, "axes", 13, 1, values, &given));
    if (!given || rank_of(in) + given > WEIR__ONNX_RANK)
        return REFUSE(m, "must add from 1 axis to as many as make %d", (int)WEIR__ONNX_RANK);
    TRY(axes_given(m, rank_of(in) + given, axes, &count));
    weir__flow out;
    const weir__constant *c = data ? NULL : in->is.constant;
    if (data)
        out = *in->is.flow;
    for (uint32_t i = 0; i < WEIR__ONNX_RANK; i++)
        if (axes[i] && data)
            weir__axes_insert(&out.axes, i);
        else if (axes[i] && !(c = weir__constant_insert(m->graph, c, i)))
            return weir__match_no_room(m);
    return data ? weir__match_set_flow(m, 0, &out) : weir__match_set_constant(m, 0, c);
}

/* ---- Parts of an axis ---- */

/* The sizes of the layer that the data comes from say which atom steps are. */
static const weir__lane *source_of(const weir__flow *d)
{
    return d->kind == WEIR__FLOW_HEAD ? weir__stage_layer(d->stage)->lanes[0] : d->kind == WEIR__FLOW_INPUT ? NULL : d->lanes[0];
}

/* Of all steps the one at the end: its output is the final state, if it is where each direction ends. */
static weir_status cut_steps(weir__matcher *m, weir__flow *d, bool last)
{
    const weir__stage *layer = d->kind == WEIR__FLOW_HEAD ? weir__stage_layer(d->stage) : NULL;
    uint32_t count = layer ? 1 + (layer->lanes[1] != NULL) : d->lane_count;
    for (uint32_t i = 0; i < count; i++) {
        const weir__lane *lane = layer ? layer->lanes[i] : d->lanes[i];
        if (lane->reverse == last)
            return REFUSE(m, "takes the output of the %s step of a direction that does not end there; a model of Weir reads the final states; "
                             AS_IT_IS, last ? "last" : "first");
        if (lane->lengths != WEIR__ONNX_NONE)
            return REFUSE(m, "takes the output of the last step, which is 0 for rows that end before; use the operator's final state Y_h");
    }
    weir__axes_drop(&d->axes, source_of(d)->steps);
    if (!layer) {
        d->kind = WEIR__FLOW_FINAL_H;
        return WEIR_OK;
    }
    weir__stage stage = {.kind = WEIR__STAGE_LAST, .below = d->stage, .node = m->node, .units = d->stage->units};
    return weir__match_stage(m, &stage, &d->stage);
}

static weir_status cut_lanes(weir__matcher *m, weir__flow *d, int64_t begin, int64_t end)
{
    d->lanes += begin;
    d->lane_count = (uint32_t)(end - begin);
    if (d->lane_count == 0)
        return REFUSE(m, "takes no direction at all");
    if (d->lane_count == 1)
        weir__axes_drop(&d->axes, WEIR__ATOM_LANES);
    return WEIR_OK;
}

static weir_status cut_atom(weir__matcher *m, weir__flow *d, uint8_t atom, int64_t begin, int64_t end)
{
    if (d->cut != WEIR__ATOMS && d->cut != atom)
        return REFUSE(m, "takes a part of a part along another axis");
    int64_t from = d->cut == atom ? d->begin : 0;
    d->cut = atom;
    d->begin = from + begin;
    d->end = from + end;
    if (d->end - d->begin == 1)
        weir__axes_drop(&d->axes, atom);
    return WEIR_OK;
}

/* Along an axis of known size. */
static weir_status cut_known(weir__matcher *m, weir__flow *d, uint32_t axis, int64_t begin, int64_t end, int64_t size)
{
    const weir__lane *source = source_of(d);
    uint8_t atom = weir__axes_atom(&d->axes, axis);
    if (source && atom < WEIR__ATOMS && atom == source->steps && (d->kind == WEIR__FLOW_HEAD || d->kind == WEIR__FLOW_STEPS)) {
        if (end - begin != 1 || (begin != 0 && end != size))
            return REFUSE(m, "takes some of the steps, where a model of Weir can give all or the last one");
        return cut_steps(m, d, end == size);
    }
    if (atom == WEIR__ATOM_LANES)
        return cut_lanes(m, d, begin, end);
    bool joined = weir__axes_are(&d->axes, axis, (uint8_t[]){WEIR__ATOM_LANES, WEIR__ATOM_UNITS}, 2);
    int64_t units = joined ? (int64_t)d->lanes[0]->hidden : 1;
    if (joined && begin % units == 0 && end % units == 0)
        return cut_lanes(m, d, begin / units, end / units);
    if (d->kind == WEIR__FLOW_INPUT || (d->kind == WEIR__FLOW_HEAD && atom == WEIR__ATOM_UNITS))
        if (atom != WEIR__ATOMS)
            return cut_atom(m, d, atom, begin, end);
    return REFUSE(m, "takes a part of the hidden states, which no model of Weir does; " AS_IT_IS);
}

/* Along an axis whose size is free. */
static weir_status cut_free(weir__matcher *m, weir__flow *d, uint32_t axis, weir__extent begin, bool to_end, weir__extent end)
{
    const weir__lane *source = source_of(d);
    bool last = begin.n == -1 && !begin.free && to_end;
    bool first = begin.n == 0 && weir__extent_equal(end, weir__extent_of(1));
    bool steps = source && d->axes.count[axis] == 1 && d->axes.atoms[axis][0] == source->steps;
    if (steps && (last || first))
        return cut_steps(m, d, last);
    return REFUSE(m, "takes a part of an axis that a model of Weir takes whole%s; " AS_IT_IS,
                  steps ? ", or, of steps, the last one" : "");
}

weir_status weir__match_cut(weir__matcher *m, weir__flow *d, uint32_t axis, weir__extent begin, weir__extent end)
{
    weir__extent sizes[WEIR__ATOMS];
    weir__match_sizes(m, d, sizes);
    weir__extent size = weir__axes_extent(&d->axes, sizes, axis);
    bool to_end = !end.unknown && ((!end.free && end.n >= TO_THE_END) || weir__extent_equal(end, size));
    if (begin.unknown || end.unknown || size.unknown)
        return REFUSE(m, "takes a part whose place is computed in a way that conversion cannot follow; " AS_IT_IS);
    if (to_end && weir__extent_equal(begin, weir__extent_of(0)))
        return WEIR_OK;
    if (size.free)
        return cut_free(m, d, axis, begin, to_end, end);
    if (begin.free || end.free)
        return REFUSE(m, "takes a part of an axis by the size of another");
    int64_t from = begin.n < 0 ? begin.n + size.n : begin.n, to = to_end ? size.n : end.n < 0 ? end.n + size.n : end.n;
    from = from < 0 ? 0 : from;
    to = to > size.n ? size.n : to;
    if (from >= to)
        return REFUSE(m, "takes nothing of axis %u", (unsigned)axis);
    return from == 0 && to == size.n ? WEIR_OK : cut_known(m, d, axis, from, to, size.n);
}

/* What Slice takes: of axes[i] the elements begins[i] .. ends[i] - 1. */
typedef struct cuts {
    uint32_t count, axes[WEIR__ONNX_RANK];
    weir__shape begins, ends;
} cuts;

static weir_status read_ends(weir__matcher *m, const char *attribute, uint32_t i, weir__shape *shape)
{
    if (m->graph->opset >= 10)
        return weir__match_shape(m, i, shape);
    int64_t values[WEIR__ONNX_RANK];
    *shape = (weir__shape){.vector = true};
    TRY(weir__match_integers(m, attribute, 10, i, values, &shape->count));
    for (uint32_t k = 0; k < shape->count; k++)
        shape->sizes[k] = weir__extent_of(values[k]);
    return WEIR_OK;
}

static weir_status read_cuts(weir__matcher *m, uint32_t rank, cuts *c)
{
    int64_t axes[WEIR__ONNX_RANK], steps[WEIR__ONNX_RANK];
    uint32_t axis_count, step_count = 0;
    TRY(read_ends(m, "starts", 1, &c->begins));
    TRY(read_ends(m, "ends", 2, &c->ends));
    TRY(weir__match_integers(m, "axes", 10, 3, axes, &axis_count));
    if (m->graph->opset >= 10)
        TRY(weir__match_integers(m, "steps", 10, 4, steps, &step_count));
    c->count = c->begins.count;
    if (c->ends.count != c->count || (axis_count && axis_count != c->count) || (step_count && step_count != c->count) || c->count > rank)
        return REFUSE(m, "has lists of starts, ends, axes and steps that differ in length");
    for (uint32_t i = 0; i < c->count; i++) {
        if (step_count && steps[i] != 1)
            return REFUSE(m, "takes every %lldth element, which no model of Weir does; for a reversed sequence use an LSTM of direction reverse",
                          (long long)steps[i]);
        TRY(weir__match_axis(m, axis_count ? axes[i] : (int64_t)i, rank, &c->axes[i]));
    }
    return WEIR_OK;
}

/* A known range of an axis of `size`. */
static weir_status clamp(weir__matcher *m, weir__extent begin, weir__extent end, int64_t size, int64_t *from, int64_t *to)
{
    if (begin.unknown || begin.free || end.unknown || end.free)
        return REFUSE(m, "takes a part of a constant whose place is not known");
    *from = begin.n < 0 ? begin.n + size : begin.n;
    *to = end.n < 0 ? end.n + size : end.n;
    *from = *from < 0 ? 0 : *from > size ? size : *from;
    *to = *to > size ? size : *to < *from ? *from : *to;
    return WEIR_OK;
}

static weir_status slice_shape(weir__matcher *m, const weir__shape *shape, const cuts *c)
{
    weir__shape out = {.vector = true};
    int64_t from = 0, to = shape->count;
    if (c->count == 1)
        TRY(clamp(m, c->begins.sizes[0], c->ends.sizes[0], shape->count, &from, &to));
    for (int64_t i = from; i < to; i++)
        out.sizes[out.count++] = shape->sizes[i];
    return weir__match_set_shape(m, 0, &out);
}

static weir_status slice_constant(weir__matcher *m, const weir__constant *constant, const cuts *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        int64_t from = 0, to = 0;
        TRY(clamp(m, c->begins.sizes[i], c->ends.sizes[i], constant->dims[c->axes[i]], &from, &to));
        constant = weir__constant_cut(m->graph, constant, c->axes[i], from, to - from);
        if (!constant)
            return weir__match_no_room(m);
    }
    return weir__match_set_constant(m, 0, constant);
}

weir_status weir__rule_slice(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    cuts c;
    if (passes(m))
        return WEIR_OK;
    if (!in)
        return refuse_kind(m);
    TRY(read_cuts(m, rank_of(in), &c));
    if (in->kind == WEIR__SHAPE)
        return slice_shape(m, in->is.shape, &c);
    if (in->kind == WEIR__CONSTANT)
        return slice_constant(m, in->is.constant, &c);
    weir__flow out = *in->is.flow;
    for (uint32_t i = 0; i < c.count; i++)
        TRY(weir__match_cut(m, &out, c.axes[i], c.begins.sizes[i], c.ends.sizes[i]));
    return weir__match_set_flow(m, 0, &out);
}

/* ---- Gather: one element, or rows of a table ---- */

static weir_status gather_tokens(weir__matcher *m, const weir__meaning *table, const weir__flow *tokens)
{
    const weir__constant *c = weir__match_is(table, WEIR__CONSTANT) ? table->is.constant : NULL;
    int64_t axis;
    TRY(weir__match_int(m, "axis", 0, &axis));
    if (!c || c->type != WEIR__ONNX_F32 || c->rank != 2 || (axis != 0 && axis != -2) || tokens->kind != WEIR__FLOW_INPUT ||
        tokens->stage->kind != WEIR__STAGE_INPUT || tokens->cut != WEIR__ATOMS || tokens->axes.rank >= WEIR__ONNX_RANK)
        return REFUSE(m, "takes elements at computed places; a model of Weir can look up an input of tokens in a constant table of two axes only");
    weir__stage stage = {.kind = WEIR__STAGE_TOKENS, .node = m->node, .units = c->dims[1], .input = tokens->stage->input, .table = c};
    weir__flow out = *tokens;
    TRY(weir__match_stage(m, &stage, &out.stage));
    weir__axes_push(&out.axes, WEIR__ATOM_UNITS, weir__extent_of(stage.units));
    return weir__match_set_flow(m, 0, &out);
}

static weir_status gather_data(weir__matcher *m, const weir__flow *data, uint32_t axis, int64_t index, bool vector)
{
    weir__flow out = *data;
    TRY(weir__match_cut(m, &out, axis, weir__extent_of(index), weir__extent_of(index == -1 ? INT64_MAX : index + 1)));
    if (!vector)
        weir__axes_remove(&out.axes, axis);
    return weir__match_set_flow(m, 0, &out);
}

static weir_status gather_shape(weir__matcher *m, const weir__shape *shape, const weir__shape *indices)
{
    weir__shape out = {.vector = indices->vector, .count = indices->count};
    for (uint32_t i = 0; i < indices->count; i++) {
        int64_t at = indices->sizes[i].n < 0 ? indices->sizes[i].n + shape->count : indices->sizes[i].n;
        if (indices->sizes[i].free || indices->sizes[i].unknown || at < 0 || at >= shape->count)
            return REFUSE(m, "takes a size of an axis that is not there");
        out.sizes[i] = shape->sizes[at];
    }
    return weir__match_set_shape(m, 0, &out);
}

weir_status weir__rule_gather(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0), *at = weir__match_input(m, 1);
    weir__shape indices, shape;
    int64_t given;
    uint32_t axis;
    if (passes(m))
        return WEIR_OK;
    if (!in)
        return refuse_kind(m);
    if (weir__match_is(at, WEIR__FLOW))
        return gather_tokens(m, in, at->is.flow);
    TRY(weir__match_shape(m, 1, &indices));
    if (in->kind == WEIR__SHAPE || (in->kind == WEIR__CONSTANT && in->is.constant->type == WEIR__ONNX_I64)) {
        TRY(weir__match_shape(m, 0, &shape));
        return gather_shape(m, &shape, &indices);
    }
    TRY(weir__match_int(m, "axis", 0, &given));
    TRY(weir__match_axis(m, given, rank_of(in), &axis));
    weir__extent index = indices.sizes[0];
    if (indices.count != 1 || index.free || index.unknown)
        return REFUSE(m, "takes other than one element at a known place");
    if (in->kind == WEIR__FLOW)
        return gather_data(m, in->is.flow, axis, index.n, indices.vector);
    int64_t size = in->is.constant->dims[axis], from = index.n < 0 ? index.n + size : index.n;
    if (from < 0 || from >= size)
        return REFUSE(m, "takes an element of a constant that is not there");
    const weir__constant *c = weir__constant_cut(m->graph, in->is.constant, axis, from, 1);
    return weir__match_set_constant(m, 0, c && !indices.vector ? weir__constant_remove(m->graph, c, axis) : c);
}

/* ---- Concat and Split ---- */

static bool all_inputs_are(const weir__matcher *m, enum weir__meaning_kind kind)
{
    for (uint32_t i = 0; i < m->node->input_count; i++)
        if (!weir__match_is(weir__match_input(m, i), kind))
            return false;
    return m->node->input_count > 0;
}

static bool some_input_is(const weir__matcher *m, enum weir__meaning_kind kind)
{
    for (uint32_t i = 0; i < m->node->input_count; i++)
        if (weir__match_is(weir__match_input(m, i), kind))
            return true;
    return false;
}

static weir_status concat_shapes(weir__matcher *m)
{
    weir__shape out = {.vector = true}, part;
    for (uint32_t i = 0; i < m->node->input_count; i++) {
        TRY(weir__match_shape(m, i, &part));
        if (out.count + part.count > WEIR__ONNX_RANK)
            return REFUSE(m, "makes a shape of more than %d axes", (int)WEIR__ONNX_RANK);
        memcpy(out.sizes + out.count, part.sizes, part.count * sizeof *part.sizes);
        out.count += part.count;
    }
    return weir__match_set_shape(m, 0, &out);
}

static weir_status concat_constants(weir__matcher *m, int64_t given)
{
    uint32_t count = m->node->input_count, axis;
    const weir__constant *first = weir__match_input(m, 0)->is.constant,
                         **parts = weir__onnx_take(m->graph, count * sizeof *parts);
    TRY(weir__match_axis(m, given, first->rank, &axis));
    if (!parts)
        return weir__match_no_room(m);
    size_t numbers = 0;
    for (uint32_t i = 0; i < count; i++) {
        const weir__constant *c = parts[i] = weir__match_input(m, i)->is.constant;
        bool fits = c->type == first->type && c->rank == first->rank;
        for (uint32_t k = 0; fits && k < c->rank; k++)
            fits = k == axis || c->dims[k] == first->dims[k];
        if (!fits)
            return REFUSE(m, "joins constants of shapes that do not fit together");
        numbers += weir__constant_count(c);
        if (numbers > m->graph->file.size) /* so that joining what was joined ends */
            return weir__match_no_room(m);
    }
    return weir__match_set_constant(m, 0, weir__constant_join(m->graph, parts, count, axis));
}

/* All axes but `axis` are the same, and the kinds are. */
static bool fits_beside(const weir__flow *a, const weir__flow *b, uint32_t axis)
{
    bool fits = a->kind == b->kind && a->axes.rank == b->axes.rank;
    for (uint32_t i = 0; fits && i < a->axes.rank; i++)
        fits = i == axis || weir__axes_equal(&a->axes, &b->axes, i);
    return fits;
}

/* Lanes beside each other: along an axis of lanes, or of lanes and units. */
static weir_status concat_lanes(weir__matcher *m, uint32_t axis)
{
    const weir__flow *first = weir__match_input(m, 0)->is.flow;
    size_t all = 0;
    for (uint32_t i = 0; i < m->node->input_count; i++)
        all += weir__match_input(m, i)->is.flow->lane_count;
    if (all > WEIR__MOST_LANES)
        return REFUSE(m, "joins the states of more than %d layers", (int)WEIR_MAX_LAYERS);
    const weir__lane **lanes = weir__onnx_take(m->graph, all * sizeof *lanes);
    weir__flow out = *first;
    static const uint8_t lanes_units[] = {WEIR__ATOM_LANES, WEIR__ATOM_UNITS};
    const uint8_t *joined = NULL;
    uint32_t atoms = 0;
    out.lane_count = 0;
    out.lanes = lanes;
    if (!lanes)
        return weir__match_no_room(m);
    for (uint32_t i = 0; i < m->node->input_count; i++) {
        const weir__flow *d = weir__match_input(m, i)->is.flow;
        bool many = d->lane_count > 1, units = weir__axes_are(&d->axes, axis, lanes_units + !many, 1u + many);
        if (!i) {
            joined = lanes_units;
            atoms = units ? 2 : 1;
        }
        bool fits = fits_beside(first, d, axis) && d->kind != WEIR__FLOW_INPUT && d->kind != WEIR__FLOW_HEAD &&
                    (atoms == 2 ? units : weir__axes_are(&d->axes, axis, lanes_units, many)) && d->lanes[0]->hidden == first->lanes[0]->hidden;
        if (!fits)
            return REFUSE(m, "joins data that a model of Weir keeps apart: it joins the two directions of a layer, and the final states; "
                             AS_IT_IS);
        memcpy(lanes + out.lane_count, d->lanes, d->lane_count * sizeof *lanes);
        out.lane_count += d->lane_count;
    }
    if (out.lane_count > 1) {
        out.axes.count[axis] = (uint8_t)atoms;
        memcpy(out.axes.atoms[axis], joined, atoms);
    }
    return weir__match_set_flow(m, 0, &out);
}

/* The two halves of a dense layer's units: means as they are, and deviations. */
static weir_status concat_head(weir__matcher *m, uint32_t axis)
{
    const weir__flow *a = weir__match_input(m, 0)->is.flow, *b = m->node->input_count == 2 ? weir__match_input(m, 1)->is.flow : a;
    int64_t units = a->stage->units;
    weir_activation activation;
    const weir__constant *slope;
    bool identity = weir__term_activation(&a->term, &activation, &slope) && activation.id == WEIR_IDENTITY;
    bool halves = a->cut == WEIR__ATOM_UNITS && b->cut == WEIR__ATOM_UNITS && a->begin == 0 && 2 * a->end == units && b->begin == a->end &&
                  b->end == units;
    if (a->stage != b->stage || a->stage->kind != WEIR__STAGE_DENSE || !fits_beside(a, b, axis) || !halves || !identity ||
        !weir__term_is_deviation(&b->term))
        return REFUSE(m, "joins values of the head in a way that no model of Weir does: only means with softplus + 1e-4 of the other half; "
                         AS_IT_IS);
    weir__stage stage = {.kind = WEIR__STAGE_GAUSSIAN, .below = a->stage, .node = m->node, .units = units};
    weir__flow out = *a;
    TRY(weir__match_stage(m, &stage, &out.stage));
    out.cut = WEIR__ATOMS;
    out.term = weir__term_x();
    out.axes.count[axis] = 1;
    out.axes.atoms[axis][0] = WEIR__ATOM_UNITS;
    return weir__match_set_flow(m, 0, &out);
}

weir_status weir__rule_concat(weir__matcher *m)
{
    int64_t given;
    uint32_t axis;
    TRY(weir__match_int(m, "axis", 1, &given)); /* required since version 4 */
    if (all_inputs_are(m, WEIR__FLOW)) {
        const weir__flow *first = weir__match_input(m, 0)->is.flow;
        TRY(weir__match_axis(m, given, first->axes.rank, &axis));
        bool head = first->kind == WEIR__FLOW_HEAD && weir__match_input(m, m->node->input_count - 1)->is.flow->kind == WEIR__FLOW_HEAD;
        return head ? concat_head(m, axis) : concat_lanes(m, axis);
    }
    if (some_input_is(m, WEIR__FLOW))
        return REFUSE(m, "joins data with something else, which no model of Weir does; " AS_IT_IS);
    if (some_input_is(m, WEIR__SHAPE))
        return some_input_is(m, WEIR__OPEN) ? (weir__match_set(m, 0, (weir__meaning){.kind = WEIR__OPEN, .is.node = m->node}), WEIR_OK)
                                            : concat_shapes(m);
    if (all_inputs_are(m, WEIR__CONSTANT))
        return concat_constants(m, given);
    double fill, other;
    bool same = weir__match_number(weir__match_input(m, 0), &fill);
    for (uint32_t i = 1; same && i < m->node->input_count; i++)
        same = weir__match_number(weir__match_input(m, i), &other) && other == fill;
    weir__match_set(m, 0, same ? (weir__meaning){.kind = WEIR__FILL, .is.fill = fill} : (weir__meaning){.kind = WEIR__OPEN, .is.node = m->node});
    return WEIR_OK;
}

/* Into parts of the sizes given, or into equal ones. */
weir_status weir__rule_split(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    int64_t given, parts[WEIR__ONNX_RANK], begin = 0;
    uint32_t axis, count, outputs = m->node->output_count;
    if (passes(m))
        return WEIR_OK;
    if (!weir__match_is(in, WEIR__FLOW) && !weir__match_is(in, WEIR__CONSTANT))
        return refuse_kind(m);
    TRY(weir__match_int(m, "axis", 0, &given));
    TRY(weir__match_axis(m, given, rank_of(in), &axis));
    TRY(weir__match_integers(m, "split", 13, 1, parts, &count));
    weir__extent size = size_of(m, in, axis);
    if (size.free || size.unknown || (count && count != outputs) || (!count && size.n % outputs))
        return REFUSE(m, "must split an axis of known size into a part for each output");
    for (uint32_t i = 0; i < outputs; i++) {
        int64_t part = count ? parts[i] : size.n / outputs;
        if (part < 1 || part > size.n - begin)
            return REFUSE(m, "splits an axis into parts that do not make it up");
        if (weir__match_is(in, WEIR__CONSTANT))
            TRY(weir__match_set_constant(m, i, weir__constant_cut(m->graph, in->is.constant, axis, begin, part)));
        else {
            weir__flow out = *in->is.flow;
            TRY(weir__match_cut(m, &out, axis, weir__extent_of(begin), weir__extent_of(begin + part)));
            TRY(weir__match_set_flow(m, i, &out));
        }
        begin += part;
    }
    return begin == size.n ? WEIR_OK : REFUSE(m, "splits an axis into parts that do not make it up");
}
