/* SPDX-License-Identifier: MIT */
#include "format/onnx_match.h"

#include <math.h>
#include <string.h>

/* ---- Inputs of a node ---- */

weir_status weir__match_no_room(weir__matcher *m)
{
    return weir__onnx_lacks(m->graph, m->err);
}

const weir__meaning *weir__match_input(const weir__matcher *m, uint32_t i)
{
    bool there = i < m->node->input_count && m->node->inputs[i] != WEIR__ONNX_NONE;
    return there ? m->meanings + m->node->inputs[i] : NULL;
}

bool weir__match_is(const weir__meaning *meaning, enum weir__meaning_kind kind)
{
    return meaning && meaning->kind == kind;
}

/* A constant of up to WEIR__ONNX_RANK integers. */
static bool small_integers(const weir__meaning *meaning, weir__shape *shape)
{
    const weir__constant *c = weir__match_is(meaning, WEIR__CONSTANT) ? meaning->is.constant : NULL;
    if (!c || c->type != WEIR__ONNX_I64 || c->rank > 1 || weir__constant_count(c) > WEIR__ONNX_RANK)
        return false;
    int64_t values[WEIR__ONNX_RANK];
    weir__constant_ints(c, values);
    *shape = (weir__shape){.vector = c->rank == 1, .count = (uint32_t)weir__constant_count(c)};
    for (uint32_t i = 0; i < shape->count; i++)
        shape->sizes[i] = weir__extent_of(values[i]);
    return true;
}

weir_status weir__match_shape(weir__matcher *m, uint32_t i, weir__shape *shape)
{
    const weir__meaning *meaning = weir__match_input(m, i);
    if (weir__match_is(meaning, WEIR__SHAPE)) {
        *shape = *meaning->is.shape;
        return WEIR_OK;
    }
    if (small_integers(meaning, shape))
        return WEIR_OK;
    char room[WEIR__SHOWN];
    if (weir__match_is(meaning, WEIR__OPEN))
        return REFUSE(m, "needs a shape that %s computes, which conversion cannot follow; " AS_IT_IS,
                      weir__text_show(room, meaning->is.node->type));
    return REFUSE(m, "must have a constant or a shape as its input %u", (unsigned)i);
}

weir_status weir__match_integers(weir__matcher *m, const char *attribute, int until, uint32_t i, int64_t *values, uint32_t *count)
{
    *count = 0;
    if (m->graph->opset < until) {
        const weir__onnx_attribute *a = weir__onnx_find(m->node, attribute);
        if (!a)
            return WEIR_OK;
        if (a->kind != WEIR__ONNX_INTS || a->count > WEIR__ONNX_RANK)
            return REFUSE(m, "has an attribute %s that is no list of up to %d integers", attribute, (int)WEIR__ONNX_RANK);
        *count = a->count;
        memcpy(values, a->is.ints, a->count * sizeof *values);
        return WEIR_OK;
    }
    weir__shape shape;
    if (!weir__match_input(m, i))
        return WEIR_OK;
    TRY(weir__match_shape(m, i, &shape));
    *count = shape.count;
    for (uint32_t k = 0; k < shape.count; k++) {
        if (shape.sizes[k].unknown || shape.sizes[k].free)
            return REFUSE(m, "must have constants as its input %u", (unsigned)i);
        values[k] = shape.sizes[k].n;
    }
    return WEIR_OK;
}

weir_status weir__match_weight(weir__matcher *m, uint32_t i, const char *what, const weir__constant **constant)
{
    const weir__meaning *meaning = weir__match_input(m, i);
    if (!weir__match_is(meaning, WEIR__CONSTANT))
        return REFUSE(m, "has a %s (its input %u) that is not a constant of the file, so it can be no weight of a model; " AS_IT_IS, what,
                      (unsigned)i);
    *constant = meaning->is.constant;
    if ((*constant)->type != WEIR__ONNX_F32)
        return REFUSE(m, "has a %s of type %s; weights must be float32", what, weir__onnx_type_name((*constant)->type));
    return WEIR_OK;
}

bool weir__match_number(const weir__meaning *meaning, double *number)
{
    if (weir__match_is(meaning, WEIR__FILL)) {
        *number = meaning->is.fill;
        return true;
    }
    const weir__constant *c = weir__match_is(meaning, WEIR__CONSTANT) ? meaning->is.constant : NULL;
    if (!c || weir__constant_count(c) != 1)
        return false;
    float real;
    int64_t integer;
    if (c->type == WEIR__ONNX_I64) {
        weir__constant_ints(c, &integer);
        *number = (double)integer;
    } else {
        weir__constant_floats(c, &real);
        *number = (double)real;
    }
    return true;
}

weir_status weir__match_int(weir__matcher *m, const char *attribute, int64_t fallback, int64_t *value)
{
    const weir__onnx_attribute *a = weir__onnx_find(m->node, attribute);
    if (a && a->kind != WEIR__ONNX_INT)
        return REFUSE(m, "has an attribute %s that is no integer", attribute);
    *value = a ? a->is.i : fallback;
    return WEIR_OK;
}

weir_status weir__match_float(weir__matcher *m, const char *attribute, float fallback, float *value)
{
    const weir__onnx_attribute *a = weir__onnx_find(m->node, attribute);
    if (a && a->kind != WEIR__ONNX_FLOAT)
        return REFUSE(m, "has an attribute %s that is no number", attribute);
    *value = a ? a->is.f : fallback;
    return WEIR_OK;
}

weir_status weir__match_axis(weir__matcher *m, int64_t given, uint32_t rank, uint32_t *axis)
{
    if (given < -(int64_t)rank || given >= (int64_t)rank)
        return REFUSE(m, "names axis %lld of a tensor of %u axes", (long long)given, (unsigned)rank);
    *axis = (uint32_t)(given < 0 ? given + rank : given);
    return WEIR_OK;
}

/* ---- Outputs of a node ---- */

void weir__match_set(weir__matcher *m, uint32_t output, weir__meaning meaning)
{
    if (output < m->node->output_count && m->node->outputs[output] != WEIR__ONNX_NONE)
        m->meanings[m->node->outputs[output]] = meaning;
}

static void *keep(weir__matcher *m, const void *thing, size_t size)
{
    void *kept = weir__onnx_take(m->graph, size);
    return kept ? memcpy(kept, thing, size) : NULL;
}

weir_status weir__match_set_flow(weir__matcher *m, uint32_t output, const weir__flow *data)
{
    const weir__flow *kept = keep(m, data, sizeof *data);
    weir__match_set(m, output, (weir__meaning){.kind = WEIR__FLOW, .is.flow = kept});
    return kept ? WEIR_OK : weir__match_no_room(m);
}

weir_status weir__match_set_shape(weir__matcher *m, uint32_t output, const weir__shape *shape)
{
    const weir__shape *kept = keep(m, shape, sizeof *shape);
    weir__match_set(m, output, (weir__meaning){.kind = WEIR__SHAPE, .is.shape = kept});
    return kept ? WEIR_OK : weir__match_no_room(m);
}

weir_status weir__match_set_constant(weir__matcher *m, uint32_t output, const weir__constant *constant)
{
    weir__match_set(m, output, (weir__meaning){.kind = WEIR__CONSTANT, .is.constant = constant});
    return constant ? WEIR_OK : weir__match_no_room(m);
}

weir_status weir__match_stage(weir__matcher *m, const weir__stage *stage, const weir__stage **made)
{
    *made = keep(m, stage, sizeof *stage);
    return *made ? WEIR_OK : weir__match_no_room(m);
}

weir_status weir__match_pass(weir__matcher *m)
{
    const weir__meaning *meaning = weir__match_input(m, 0);
    if (!meaning)
        return REFUSE(m, "has no input");
    weir__match_set(m, 0, *meaning);
    return WEIR_OK;
}

/* ---- Rules for values that are known, and for shapes ---- */

static weir_status rule_dropout(weir__matcher *m)
{
    double training;
    const weir__meaning *mode = weir__match_input(m, 2);
    if (mode && (!weir__match_number(mode, &training) || training != 0))
        return REFUSE(m, "drops values at random (its training_mode is not false); export the model for inference");
    return weir__match_pass(m);
}

/* The tensor of numbers in an attribute. */
static const weir__constant *constant_of_list(weir__matcher *m, const void *numbers, weir__onnx_type type, uint32_t rank, int64_t count)
{
    weir__constant c = {.type = type, .rank = rank, .dims = {count}, .strides = {1}, .base = numbers};
    return keep(m, &c, sizeof c);
}

static weir_status rule_constant(weir__matcher *m)
{
    if (m->node->attribute_count != 1)
        return REFUSE(m, "must have just one attribute");
    const weir__onnx_attribute *a = m->node->attributes;
    switch (a->kind) {
    case WEIR__ONNX_TENSOR:
        return weir__match_set_constant(m, 0, weir__constant_new(m->graph, a->is.tensor));
    case WEIR__ONNX_FLOAT:
        return weir__match_set_constant(m, 0, constant_of_list(m, &a->is.f, WEIR__ONNX_F32, 0, 1));
    case WEIR__ONNX_FLOATS:
        return weir__match_set_constant(m, 0, constant_of_list(m, a->is.floats, WEIR__ONNX_F32, 1, a->count));
    case WEIR__ONNX_INT:
        return weir__match_set_constant(m, 0, constant_of_list(m, &a->is.i, WEIR__ONNX_I64, 0, 1));
    case WEIR__ONNX_INTS:
        return weir__match_set_constant(m, 0, constant_of_list(m, a->is.ints, WEIR__ONNX_I64, 1, a->count));
    default:
        return REFUSE(m, "is a constant of a kind that no model of Weir has");
    }
}

static bool is_integer_type(int64_t type)
{
    return type == WEIR__ONNX_I32 || type == WEIR__ONNX_I64;
}

static weir_status cast_data(weir__matcher *m, const weir__flow *data, int64_t to)
{
    bool tokens = data->kind == WEIR__FLOW_INPUT && is_integer_type(m->graph->inputs[data->stage->input].type);
    if (tokens ? !is_integer_type(to) : to != WEIR__ONNX_F32)
        return REFUSE(m, "changes the type of the numbers (to type %lld of ONNX), where a model of Weir computes in float32 throughout",
                      (long long)to);
    return weir__match_pass(m);
}

static weir_status rule_cast(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    int64_t to = 0;
    TRY(weir__match_int(m, "to", 0, &to));
    if (weir__match_is(in, WEIR__FLOW))
        return cast_data(m, in->is.flow, to);
    if (weir__match_is(in, WEIR__CONSTANT)) {
        const weir__constant *c = in->is.constant;
        bool integers = c->type == WEIR__ONNX_I64, widened = to == WEIR__ONNX_F32 && !integers && c->type != WEIR__ONNX_F64;
        if (widened)
            return weir__match_set_constant(m, 0, weir__constant_retype(m->graph, c, WEIR__ONNX_F32));
        if (integers && is_integer_type(to))
            return weir__match_pass(m);
    } else if (weir__match_is(in, WEIR__FILL) || (weir__match_is(in, WEIR__SHAPE) && is_integer_type(to)))
        return weir__match_pass(m);
    weir__match_set(m, 0, (weir__meaning){.kind = WEIR__OPEN, .is.node = m->node});
    return WEIR_OK;
}

/* Of all axes, or from `start` to `end` since version 15. */
static weir_status rule_shape(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    weir__shape all = {.vector = true}, part = {.vector = true};
    if (weir__match_is(in, WEIR__FLOW)) {
        weir__extent sizes[WEIR__ATOMS];
        weir__match_sizes(m, in->is.flow, sizes);
        for (all.count = 0; all.count < in->is.flow->axes.rank; all.count++)
            all.sizes[all.count] = weir__axes_extent(&in->is.flow->axes, sizes, all.count);
    } else if (weir__match_is(in, WEIR__CONSTANT)) {
        for (all.count = 0; all.count < in->is.constant->rank; all.count++)
            all.sizes[all.count] = weir__extent_of(in->is.constant->dims[all.count]);
    } else {
        weir__match_set(m, 0, (weir__meaning){.kind = WEIR__OPEN, .is.node = m->node});
        return WEIR_OK;
    }
    int64_t start = 0, end = 0, rank = all.count;
    TRY(weir__match_int(m, "start", 0, &start));
    TRY(weir__match_int(m, "end", rank, &end));
    start = start < 0 ? start + rank : start;
    end = end < 0 ? end + rank : end < rank ? end : rank;
    for (int64_t i = start < 0 ? 0 : start; i < end; i++)
        part.sizes[part.count++] = all.sizes[i];
    return weir__match_set_shape(m, 0, &part);
}

static weir_status rule_constant_of_shape(weir__matcher *m)
{
    const weir__onnx_attribute *a = weir__onnx_find(m->node, "value");
    double fill = 0;
    if (a) {
        const weir__constant *c = a->kind == WEIR__ONNX_TENSOR ? weir__constant_new(m->graph, a->is.tensor) : NULL;
        if (a->kind == WEIR__ONNX_TENSOR && !c)
            return weir__match_no_room(m);
        if (!c || !weir__match_number(&(weir__meaning){.kind = WEIR__CONSTANT, .is.constant = c}, &fill))
            return REFUSE(m, "must have one number as its value");
    }
    weir__match_set(m, 0, (weir__meaning){.kind = WEIR__FILL, .is.fill = fill});
    return WEIR_OK;
}

/* Only tensors of one repeated number are expanded: the zeros of initial states. */
static weir_status rule_expand(weir__matcher *m)
{
    enum { MOST = 1 << 16 };
    const weir__meaning *in = weir__match_input(m, 0);
    double fill = 0;
    bool filled = weir__match_number(in, &fill);
    if (!filled && weir__match_is(in, WEIR__CONSTANT) && weir__constant_count(in->is.constant) <= MOST)
        filled = weir__constant_is(in->is.constant, 0);
    if (weir__match_is(in, WEIR__FLOW))
        return REFUSE(m, "repeats data along an axis, which no model of Weir does");
    weir__meaning out = {.kind = WEIR__OPEN, .is.node = m->node};
    if (filled)
        out = (weir__meaning){.kind = WEIR__FILL, .is.fill = fill};
    weir__match_set(m, 0, out);
    return WEIR_OK;
}

/* ---- The table ---- */

static const struct {
    const char *type;
    weir__rule *rule;
} rules[] = {
    {"Add", weir__rule_arithmetic},
    {"Cast", rule_cast},
    {"Concat", weir__rule_concat},
    {"Constant", rule_constant},
    {"ConstantOfShape", rule_constant_of_shape},
    {"Div", weir__rule_arithmetic},
    {"Dropout", rule_dropout},
    {"Elu", weir__rule_function},
    {"Erf", weir__rule_function},
    {"Expand", rule_expand},
    {"Flatten", weir__rule_flatten},
    {"Gather", weir__rule_gather},
    {"Gelu", weir__rule_gelu},
    {"Gemm", weir__rule_gemm},
    {"Greater", weir__rule_greater},
    {"HardSigmoid", weir__rule_function},
    {"Identity", weir__match_pass},
    {"LSTM", weir__rule_lstm},
    {"LeakyRelu", weir__rule_function},
    {"MatMul", weir__rule_matmul},
    {"Mish", weir__rule_function},
    {"Mul", weir__rule_arithmetic},
    {"OneHot", weir__rule_one_hot},
    {"PRelu", weir__rule_prelu},
    {"Pow", weir__rule_power},
    {"Relu", weir__rule_function},
    {"Reshape", weir__rule_reshape},
    {"Selu", weir__rule_function},
    {"Shape", rule_shape},
    {"Sigmoid", weir__rule_function},
    {"Slice", weir__rule_slice},
    {"Softmax", weir__rule_softmax},
    {"Softplus", weir__rule_function},
    {"Softsign", weir__rule_function},
    {"Split", weir__rule_split},
    {"Squeeze", weir__rule_squeeze},
    {"Sub", weir__rule_arithmetic},
    {"Swish", weir__rule_swish},
    {"Tanh", weir__rule_function},
    {"Transpose", weir__rule_transpose},
    {"Unsqueeze", weir__rule_unsqueeze},
    {"Where", weir__rule_where},
};

weir_status weir__match_other(weir__matcher *m)
{
    for (uint32_t i = 0; i < m->node->input_count; i++) {
        const weir__meaning *in = weir__match_input(m, i);
        if (weir__match_is(in, WEIR__FLOW))
            return REFUSE(m, "is an operator that no model of Weir has; weir run can run the file as it is, if it knows the operator");
    }
    for (uint32_t i = 0; i < m->node->output_count; i++)
        weir__match_set(m, i, (weir__meaning){.kind = WEIR__OPEN, .is.node = m->node});
    return WEIR_OK;
}

static weir__rule *find_rule(const weir__onnx_node *node)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (node->domain.size == 0 && weir__text_is(node->type, rules[i].type))
            return rules[i].rule;
    return weir__match_other;
}

/* ---- The whole graph ---- */

static weir_status add_input(weir__matcher *m, int32_t index, weir__meaning *meaning)
{
    const weir__onnx_port *port = m->graph->inputs + index;
    char room[WEIR__SHOWN];
    const char *name = weir__text_show(room, m->graph->values[port->value].name);
    if (port->rank == WEIR__ONNX_NONE)
        return weir__fail(m->err, WEIR_E_UNSUPPORTED, "the input %s does not tell how many axes it has; export the graph with shapes", name);
    weir__stage stage = {.kind = WEIR__STAGE_INPUT, .input = index};
    weir__flow data = {.kind = WEIR__FLOW_INPUT, .cut = WEIR__ATOMS, .term = weir__term_x()};
    for (int32_t i = 0; i < port->rank; i++) {
        if (m->atoms == WEIR__ATOM_INPUTS)
            return weir__fail(m->err, WEIR_E_UNSUPPORTED, "the graph's inputs have more axes than a model of Weir can have, at %s", name);
        uint8_t atom = (uint8_t)m->atoms++;
        m->sizes[atom] = port->dims[i] < 0 ? (weir__extent){1, 1u << atom, false} : weir__extent_of(port->dims[i]);
        weir__axes_push(&data.axes, atom, m->sizes[atom]);
    }
    data.stage = keep(m, &stage, sizeof stage);
    *meaning = (weir__meaning){.kind = WEIR__FLOW, .is.flow = keep(m, &data, sizeof data)};
    return data.stage && meaning->is.flow ? WEIR_OK : weir__match_no_room(m);
}

/* What does not come from a node. */
static weir_status begin_values(weir__matcher *m)
{
    for (uint32_t i = 0; i < m->graph->value_count; i++) {
        const weir__onnx_value *v = m->graph->values + i;
        if (v->tensor != WEIR__ONNX_NONE) { /* files of IR version 3 list their weights as inputs too */
            const weir__constant *c = v->uses ? weir__constant_new(m->graph, m->graph->tensors + v->tensor) : NULL;
            if (v->uses && !c)
                return weir__match_no_room(m);
            m->meanings[i] = (weir__meaning){.kind = WEIR__CONSTANT, .is.constant = c};
        } else if (v->input != WEIR__ONNX_NONE && v->uses)
            TRY(add_input(m, v->input, m->meanings + i));
    }
    return WEIR_OK;
}

static uint32_t depth_of(const weir__stage *stage)
{
    uint32_t depth = 0;
    for (; stage; stage = stage->below)
        depth++;
    return depth;
}

static const weir__flow *output_data(const weir__matcher *m, uint32_t i)
{
    const weir__meaning *meaning = m->meanings + m->graph->outputs[i].value;
    return meaning->kind == WEIR__FLOW ? meaning->is.flow : NULL;
}

static weir_status fail_output(const weir__matcher *m, uint32_t i, const char *why)
{
    char room[WEIR__SHOWN];
    return weir__fail(m->err, WEIR_E_UNSUPPORTED, "the output %s %s; " AS_IT_IS,
                      weir__text_show(room, m->graph->values[m->graph->outputs[i].value].name), why);
}

/* In one axis, the units of the first direction come before those of the second. */
static bool in_order(const weir__axes *a)
{
    for (uint32_t i = 0; i < a->rank; i++)
        for (uint32_t k = 0; k + 1 < a->count[i]; k++)
            if (a->atoms[i][k] == WEIR__ATOM_UNITS && a->atoms[i][k + 1] == WEIR__ATOM_LANES)
                return false;
    return true;
}

/* The output that is the model's: that of the head or of all steps; without one, the last hidden state of the highest layer. */
static weir_status choose_output(weir__matcher *m, uint32_t *chosen)
{
    const weir__flow *best = NULL;
    for (uint32_t i = 0; i < m->graph->output_count; i++) {
        const weir__flow *d = output_data(m, i);
        if (!d || d->kind == WEIR__FLOW_INPUT)
            return fail_output(m, i, "is not computed by an LSTM from the graph's input, so it is no output of a model of Weir");
        if (d->cut != WEIR__ATOMS || !in_order(&d->axes))
            return fail_output(m, i, "has only a part of the values that a model of Weir computes, or has them in another order");
        bool whole = d->kind == WEIR__FLOW_HEAD || d->kind == WEIR__FLOW_STEPS;
        bool better = !best || (best->kind != WEIR__FLOW_HEAD && best->kind != WEIR__FLOW_STEPS);
        if (whole && !better)
            return fail_output(m, i, "is a second one, beside the states; a model of Weir has one output");
        if (!whole && (d->kind != WEIR__FLOW_FINAL_H || (best && !better) ||
                       (best && depth_of(d->lanes[d->lane_count - 1]->below) <= depth_of(best->lanes[best->lane_count - 1]->below))))
            continue;
        best = d;
        *chosen = i;
    }
    return best ? WEIR_OK : fail_output(m, 0, "is the state of cells; a model of Weir has that beside an output of hidden states");
}

/* The last lanes of a final state: those of its highest layer. */
static weir__flow highest(const weir__flow *d)
{
    weir__flow top = *d;
    const weir__lane *last = d->lanes[d->lane_count - 1];
    bool two = d->lane_count > 1 && last->reverse && d->lanes[d->lane_count - 2]->below == last->below;
    top.lane_count = two ? 2 : 1;
    top.lanes += d->lane_count - top.lane_count;
    return top;
}

static weir_status end_match(weir__matcher *m, weir__match *match)
{
    uint32_t chosen = 0;
    TRY(choose_output(m, &chosen));
    const weir__flow *d = output_data(m, chosen);
    int32_t producer = m->graph->values[m->graph->outputs[chosen].value].producer;
    m->node = m->graph->nodes + producer;
    if (d->kind == WEIR__FLOW_HEAD)
        return weir__match_settle(m, d, &match->top);
    match->final = d->kind == WEIR__FLOW_FINAL_H;
    weir__flow top = match->final ? highest(d) : *d;
    return weir__match_layer(m, &top, &match->top);
}

weir_status weir__match_graph(weir__onnx *graph, weir__match *match, weir_error *err)
{
    enum { MOST_NODES = 4096 };
    *match = (weir__match){.matcher = {.graph = graph, .err = err}};
    weir__matcher *m = &match->matcher;
    if (graph->node_count > MOST_NODES)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "the graph has %u nodes, more than a model of Weir needs (%d); " AS_IT_IS,
                          (unsigned)graph->node_count, (int)MOST_NODES);
    m->meanings = weir__onnx_take(graph, graph->value_count * sizeof *m->meanings);
    if (!m->meanings)
        return weir__match_no_room(m);
    TRY(begin_values(m));
    for (uint32_t i = 0; i < graph->node_count; i++) {
        m->node = graph->nodes + i;
        if (m->node->used)
            TRY(find_rule(m->node)(m));
    }
    return end_match(m, match);
}
