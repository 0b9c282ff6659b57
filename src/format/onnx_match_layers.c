/* The rules of operators that compute: LSTM, dense layers, activations.
 * SPDX-License-Identifier: MIT */
#include "format/onnx_cell.h"
#include "format/onnx_match.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Stages ---- */

/* The layers made so far, so that each is one object, however often its output is used. */
struct weir__layer_list {
    struct weir__layer_list *next;
    const weir__stage *stage;
};

const weir__stage *weir__stage_layer(const weir__stage *stage)
{
    while (stage->kind != WEIR__STAGE_LAYER)
        stage = stage->below;
    return stage;
}

static weir_status make_layer(weir__matcher *m, const weir__lane *first, const weir__lane *second, const weir__stage **stage)
{
    for (const struct weir__layer_list *l = m->layers; l; l = l->next)
        if (l->stage->lanes[0] == first && l->stage->lanes[1] == second) {
            *stage = l->stage;
            return WEIR_OK;
        }
    weir__stage layer = {.kind = WEIR__STAGE_LAYER, .below = first->below, .node = first->node, .lanes = {first, second},
                         .units = (second ? 2 : 1) * (int64_t)first->hidden};
    struct weir__layer_list *entry = weir__onnx_take(m->graph, sizeof *entry);
    TRY(weir__match_stage(m, &layer, stage));
    if (!entry)
        return weir__match_no_room(m);
    *entry = (struct weir__layer_list){m->layers, *stage};
    m->layers = entry;
    return WEIR_OK;
}

weir_status weir__match_layer(weir__matcher *m, const weir__flow *d, const weir__stage **stage)
{
    const weir__lane *first = d->lanes[0], *second = d->lane_count == 2 ? d->lanes[1] : NULL;
    if (d->kind == WEIR__FLOW_FINAL_C)
        return REFUSE(m, "reads the state of cells, where a model of Weir reads the hidden state; " AS_IT_IS);
    if (d->lane_count > 2)
        return REFUSE(m, "reads the states of more than one layer; " AS_IT_IS);
    if (second && (first->reverse || !second->reverse || first->below != second->below || first->steps != second->steps))
        return REFUSE(m, "reads two directions that are not the forward and the reverse one of a layer, in this order; " AS_IT_IS);
    TRY(make_layer(m, first, second, stage));
    if (d->kind != WEIR__FLOW_FINAL_H)
        return WEIR_OK;
    weir__stage last = {.kind = WEIR__STAGE_LAST, .below = *stage, .node = m->node, .units = (*stage)->units};
    return weir__match_stage(m, &last, stage);
}

weir_status weir__match_settle(weir__matcher *m, const weir__flow *d, const weir__stage **stage)
{
    weir__stage made = {.kind = WEIR__STAGE_ACTIVATION, .below = d->stage, .node = m->node, .units = d->stage->units};
    *stage = d->stage;
    if (!weir__term_activation(&d->term, &made.activation, &made.slope))
        return REFUSE(m, "takes the result of elementwise operators that are no activation of Weir; " AS_IT_IS);
    return made.activation.id == WEIR_IDENTITY ? WEIR_OK : weir__match_stage(m, &made, stage);
}

/* ---- LSTM ---- */

typedef struct lstm {
    weir__lane lane; /* what both directions share */
    uint32_t directions, layout;
    bool reverse;
    const weir__constant *w, *r, *b, *p;
} lstm;

static weir_status check_attributes(weir__matcher *m)
{
    static const char *const known[] = {"activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "input_forget",
                                        "layout"};
    char room[WEIR__SHOWN];
    for (uint32_t i = 0; i < m->node->attribute_count; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found = found || weir__text_is(m->node->attributes[i].name, known[k]);
        if (!found)
            return REFUSE(m, "has an attribute %s, which is not known", weir__text_show(room, m->node->attributes[i].name));
    }
    return WEIR_OK;
}

static weir_status read_direction(weir__matcher *m, lstm *l)
{
    const weir__onnx_attribute *a = weir__onnx_find(m->node, "direction");
    weir__text word = a && a->kind == WEIR__ONNX_STRING ? a->is.s : (weir__text){"forward", 7};
    l->reverse = weir__text_is(word, "reverse");
    l->directions = weir__text_is(word, "bidirectional") ? 2 : 1;
    if ((a && a->kind != WEIR__ONNX_STRING) || (!l->reverse && l->directions == 1 && !weir__text_is(word, "forward")))
        return REFUSE(m, "has a direction that is none of forward, reverse and bidirectional");
    return WEIR_OK;
}

/* A list of an attribute's numbers; each activation that takes one takes the next. */
typedef struct number_list {
    const char *attribute;
    const float *floats;
    uint32_t count, used;
} number_list;

static weir_status open_list(weir__matcher *m, const char *attribute, number_list *list)
{
    const weir__onnx_attribute *a = weir__onnx_find(m->node, attribute);
    if (a && a->kind != WEIR__ONNX_FLOATS)
        return REFUSE(m, "has an attribute %s that is no list of numbers", attribute);
    *list = (number_list){attribute, a ? a->is.floats : NULL, a ? a->count : 0, 0};
    return WEIR_OK;
}

/* False if there is none left. */
static bool next_number(number_list *list, float *number)
{
    if (list->used == list->count)
        return false;
    *number = list->floats[list->used++];
    return true;
}

static weir_status read_activation(weir__matcher *m, weir__text name, number_list *alphas, number_list *betas, weir_activation *out)
{
    char room[WEIR__SHOWN];
    const weir__cell_activation *record = weir__cell_activation_find(name);
    if (!record)
        return REFUSE(m, "has the activation %s, which no cell of Weir has", weir__text_show(room, name));
    float alpha = record->alpha, beta = record->beta;
    bool given = !record->takes_alpha || next_number(alphas, &alpha);
    given = (!record->takes_beta || next_number(betas, &beta)) && given;
    if (!given && !record->defaults)
        return REFUSE(m, "has the activation %s without its alpha and beta", record->name);
    if (!weir__activation_from_onnx(record->id, alpha, beta, out))
        return REFUSE(m, "has the activation %s with alpha %g and beta %g, which no cell of Weir has; " AS_IT_IS, record->name, (double)alpha,
                      (double)beta);
    return WEIR_OK;
}

static bool same_activation(const weir_activation *a, const weir_activation *b)
{
    return a->id == b->id && a->alpha == b->alpha && a->beta == b->beta;
}

static weir_status read_activations(weir__matcher *m, lstm *l)
{
    static const weir__text usual[] = {{"Sigmoid", 7}, {"Tanh", 4}, {"Tanh", 4}, {"Sigmoid", 7}, {"Tanh", 4}, {"Tanh", 4}};
    const weir__onnx_attribute *a = weir__onnx_find(m->node, "activations");
    weir_activation *places[] = {&l->lane.gate, &l->lane.candidate, &l->lane.output};
    number_list alphas, betas;
    if (a && (a->kind != WEIR__ONNX_STRINGS || a->count != 3 * l->directions))
        return REFUSE(m, "must have three activations for each direction");
    TRY(open_list(m, "activation_alpha", &alphas));
    TRY(open_list(m, "activation_beta", &betas));
    for (uint32_t i = 0; i < 3 * l->directions; i++) {
        weir_activation one;
        TRY(read_activation(m, a ? a->is.strings[i] : usual[i], &alphas, &betas, &one));
        if (i >= 3 && !same_activation(&one, places[i % 3]))
            return REFUSE(m, "has other activations in its reverse direction; a model of Weir has the same in all cells; " AS_IT_IS);
        *places[i % 3] = one;
    }
    for (int i = 0; i < 2; i++) {
        const number_list *list = i ? &betas : &alphas;
        if (list->used < list->count)
            return REFUSE(m, "has %u numbers in %s, but its activations take %u", (unsigned)list->count, list->attribute, (unsigned)list->used);
    }
    return WEIR_OK;
}

static weir_status read_settings(weir__matcher *m, lstm *l)
{
    int64_t coupled, layout;
    TRY(weir__match_int(m, "input_forget", 0, &coupled));
    TRY(weir__match_int(m, "layout", 0, &layout));
    TRY(weir__match_float(m, "clip", 0, &l->lane.clip));
    if (coupled < 0 || coupled > 1 || layout < 0 || layout > 1)
        return REFUSE(m, "has an attribute input_forget or layout that is neither 0 nor 1");
    if (weir__onnx_find(m->node, "clip") && !(l->lane.clip > 0 && isfinite(l->lane.clip)))
        return REFUSE(m, "has a clip that is no positive number");
    l->lane.coupled = coupled == 1;
    l->layout = (uint32_t)layout;
    return WEIR_OK;
}

static weir_status check_weight(weir__matcher *m, const weir__constant *c, const char *name, uint32_t rank, const int64_t *dims)
{
    bool fits = c->rank == rank;
    for (uint32_t i = 0; fits && i < rank; i++)
        fits = c->dims[i] == dims[i];
    if (fits)
        return WEIR_OK;
    char shape[64] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < rank; i++)
        at += (size_t)snprintf(shape + at, sizeof shape - at, "%s%lld", i ? ", " : "", (long long)dims[i]);
    return REFUSE(m, "has %s of another shape than (%s)", name, shape);
}

static weir_status read_weights(weir__matcher *m, lstm *l)
{
    int64_t given, D = l->directions;
    TRY(weir__match_weight(m, 1, "W", &l->w));
    TRY(weir__match_weight(m, 2, "R", &l->r));
    if (l->w->rank != 3 || l->r->rank != 3 || l->r->dims[2] < 1 || l->r->dims[2] > WEIR_MAX_UNITS || l->w->dims[2] < 1)
        return REFUSE(m, "must have W and R of three axes, with 1 to %d hidden units", (int)WEIR_MAX_UNITS);
    int64_t H = l->r->dims[2], I = l->w->dims[2];
    TRY(weir__match_int(m, "hidden_size", H, &given));
    if (given != H)
        return REFUSE(m, "has hidden_size %lld, but R of %lld columns", (long long)given, (long long)H);
    TRY(check_weight(m, l->w, "W", 3, (int64_t[]){D, 4 * H, I}));
    TRY(check_weight(m, l->r, "R", 3, (int64_t[]){D, 4 * H, H}));
    if (weir__match_input(m, 3)) {
        TRY(weir__match_weight(m, 3, "B", &l->b));
        TRY(check_weight(m, l->b, "B", 2, (int64_t[]){D, 8 * H}));
    }
    if (weir__match_input(m, 7)) {
        TRY(weir__match_weight(m, 7, "P", &l->p));
        TRY(check_weight(m, l->p, "P", 2, (int64_t[]){D, 3 * H}));
    }
    l->lane.hidden = (uint32_t)H;
    l->lane.inputs = (size_t)I;
    return WEIR_OK;
}

static weir_status read_lengths(weir__matcher *m, lstm *l)
{
    const weir__meaning *in = weir__match_input(m, 4);
    l->lane.lengths = WEIR__ONNX_NONE;
    if (!in)
        return WEIR_OK;
    if (in->kind != WEIR__FLOW || in->is.flow->kind != WEIR__FLOW_INPUT || in->is.flow->cut != WEIR__ATOMS)
        return REFUSE(m, "has sequence_lens that are no input of the graph; in Weir the lengths come with each batch; " AS_IT_IS);
    l->lane.lengths = in->is.flow->stage->input;
    return WEIR_OK;
}

/* Of zeros, or an input of the graph. */
static weir_status read_state(weir__matcher *m, uint32_t i, const char *name, weir__state_source *source)
{
    const weir__meaning *in = weir__match_input(m, i);
    *source = (weir__state_source){.input = WEIR__ONNX_NONE};
    if (!in || (in->kind == WEIR__FILL && in->is.fill == 0) || (in->kind == WEIR__CONSTANT && weir__constant_is(in->is.constant, 0)))
        return WEIR_OK;
    const weir__flow *d = in->kind == WEIR__FLOW && in->is.flow->kind == WEIR__FLOW_INPUT ? in->is.flow : NULL;
    if (!d || d->stage->kind != WEIR__STAGE_INPUT || d->axes.rank != 3)
        return REFUSE(m, "has an %s that is neither 0 nor an input of the graph; in Weir the initial state comes with each batch; " AS_IT_IS, name);
    *source = (weir__state_source){d->stage->input, d->cut == WEIR__ATOMS ? 0 : d->begin, d->cut != WEIR__ATOMS};
    return WEIR_OK;
}

/* The features of the last axis: known to be as many as W has columns. */
static weir_status check_features(weir__matcher *m, const weir__flow *d, int64_t inputs)
{
    weir__extent sizes[WEIR__ATOMS];
    weir__match_sizes(m, d, sizes);
    weir__extent size = weir__axes_extent(&d->axes, sizes, 2);
    bool open = size.free && weir__axes_atom(&d->axes, 2) < WEIR__ATOM_INPUTS; /* an input that does not tell */
    if (!open && !weir__extent_equal(size, weir__extent_of(inputs)))
        return REFUSE(m, "has W of %lld columns, for data of another size", (long long)inputs);
    return WEIR_OK;
}

/* The stage that the operator reads; steps, rows and features must be the axes 0, 1 (layout 1: 1, 0) and 2. */
static weir_status read_input(weir__matcher *m, lstm *l)
{
    const weir__meaning *in = weir__match_input(m, 0);
    weir__lane *lane = &l->lane;
    if (!weir__match_is(in, WEIR__FLOW))
        return REFUSE(m, "has an X that does not come from an input of the graph");
    const weir__flow *d = in->is.flow;
    if (d->kind == WEIR__FLOW_HEAD)
        return REFUSE(m, "stands above a dense layer or an activation, which a model of Weir has above its LSTM layers only; " AS_IT_IS);
    if (d->axes.rank != 3 || d->axes.count[0] > 1 || d->axes.count[1] > 1 || d->cut != WEIR__ATOMS)
        return REFUSE(m, "has an X whose axes are not steps, rows and features");
    lane->steps = weir__axes_atom(&d->axes, l->layout);
    lane->rows = weir__axes_atom(&d->axes, 1 - l->layout);
    TRY(check_features(m, d, (int64_t)lane->inputs));
    lane->below = d->stage;
    if (d->kind == WEIR__FLOW_INPUT) {
        weir__onnx_type type = m->graph->inputs[d->stage->input].type;
        if (d->stage->kind == WEIR__STAGE_INPUT && type != WEIR__ONNX_F32 && type != WEIR__ONNX_UNTYPED)
            return REFUSE(m, "reads an input of type %s; a model of Weir reads float32", weir__onnx_type_name(type));
        return WEIR_OK;
    }
    if (d->kind != WEIR__FLOW_STEPS || !weir__match_is_features(d, 2) || lane->steps != d->lanes[0]->steps || lane->rows != d->lanes[0]->rows)
        return REFUSE(m, "reads the layer below other than step by step, row by row, with the forward direction's units first; " AS_IT_IS);
    return weir__match_layer(m, d, &lane->below);
}

/* Y (T, D, B, H), Y_h and Y_c (D, B, H); layout 1: (B, T, D, H), (B, D, H). */
static weir_status set_outputs(weir__matcher *m, const lstm *l, const weir__lane *const *lanes)
{
    weir__extent sizes[WEIR__ATOMS];
    weir__flow d = {.kind = WEIR__FLOW_STEPS, .lanes = lanes, .lane_count = l->directions, .cut = WEIR__ATOMS, .term = weir__term_x()};
    weir__match_sizes(m, &d, sizes);
    uint8_t steps = l->lane.steps, rows = l->lane.rows;
    weir__extent T = steps < WEIR__ATOMS ? sizes[steps] : weir__extent_of(1), B = rows < WEIR__ATOMS ? sizes[rows] : weir__extent_of(1);
    weir__extent D = weir__extent_of(l->directions), H = weir__extent_of(l->lane.hidden);
    const struct {
        uint8_t atom;
        weir__extent size;
    } order[2][4] = {{{steps, T}, {WEIR__ATOM_LANES, D}, {rows, B}, {WEIR__ATOM_UNITS, H}},
                     {{rows, B}, {steps, T}, {WEIR__ATOM_LANES, D}, {WEIR__ATOM_UNITS, H}}};
    for (uint32_t output = 0; output < 3; output++) {
        d.axes = (weir__axes){0};
        d.kind = output == 0 ? WEIR__FLOW_STEPS : output == 1 ? WEIR__FLOW_FINAL_H : WEIR__FLOW_FINAL_C;
        for (uint32_t i = 0; i < 4; i++)
            if (output == 0 || i != l->layout) /* where steps are */
                weir__axes_push(&d.axes, order[l->layout][i].atom, order[l->layout][i].size);
        TRY(weir__match_set_flow(m, output, &d));
    }
    return WEIR_OK;
}

static const weir__constant *of_direction(weir__matcher *m, const weir__constant *c, uint32_t direction)
{
    return c ? weir__constant_cut(m->graph, c, 0, direction, 1) : NULL;
}

weir_status weir__rule_lstm(weir__matcher *m)
{
    lstm l = {.lane = {.node = m->node}};
    TRY(check_attributes(m));
    TRY(read_direction(m, &l));
    TRY(read_activations(m, &l));
    TRY(read_settings(m, &l));
    TRY(read_weights(m, &l));
    TRY(read_lengths(m, &l));
    TRY(read_state(m, 5, "initial_h", &l.lane.h0));
    TRY(read_state(m, 6, "initial_c", &l.lane.c0));
    TRY(read_input(m, &l));
    const weir__lane **lanes = weir__onnx_take(m->graph, l.directions * sizeof *lanes);
    for (uint32_t d = 0; d < l.directions; d++) {
        weir__lane *lane = lanes ? weir__onnx_take(m->graph, sizeof *lane) : NULL;
        if (!lane)
            return weir__match_no_room(m);
        *lane = l.lane;
        lane->reverse = l.reverse || d == 1;
        lane->direction = d;
        lane->directions = l.directions;
        lane->w = of_direction(m, l.w, d);
        lane->r = of_direction(m, l.r, d);
        lane->b = of_direction(m, l.b, d);
        lane->p = of_direction(m, l.p, d);
        if (!lane->w || !lane->r || (l.b && !lane->b) || (l.p && !lane->p))
            return weir__match_no_room(m);
        lanes[d] = lane;
    }
    return set_outputs(m, &l, lanes);
}

/* ---- Tokens ---- */

weir_status weir__rule_one_hot(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0), *values = weir__match_input(m, 2);
    double depth;
    float off_on[2];
    int64_t axis;
    TRY(weir__match_int(m, "axis", -1, &axis));
    const weir__flow *d = weir__match_is(in, WEIR__FLOW) ? in->is.flow : NULL;
    if (!d || d->kind != WEIR__FLOW_INPUT || d->stage->kind != WEIR__STAGE_INPUT || d->cut != WEIR__ATOMS || d->axes.rank >= WEIR__ONNX_RANK ||
        (axis != -1 && axis != d->axes.rank))
        return REFUSE(m, "must take an input of the graph, and put its new axis last, to be the tokens of a model of Weir");
    const weir__constant *c = weir__match_is(values, WEIR__CONSTANT) ? values->is.constant : NULL;
    if (!c || c->type != WEIR__ONNX_F32 || weir__constant_count(c) != 2)
        return REFUSE(m, "must have two constants of float32 as its values");
    weir__constant_floats(c, off_on);
    if (off_on[0] != 0 || off_on[1] != 1)
        return REFUSE(m, "has values other than 0 and 1");
    if (!weir__match_number(weir__match_input(m, 1), &depth) || !(depth >= 1 && depth <= WEIR_MAX_TOKENS))
        return REFUSE(m, "must have a constant depth of 1 to %d tokens", (int)WEIR_MAX_TOKENS);
    weir__stage stage = {.kind = WEIR__STAGE_TOKENS, .node = m->node, .units = (int64_t)depth, .input = d->stage->input};
    weir__flow out = *d;
    TRY(weir__match_stage(m, &stage, &out.stage));
    weir__axes_push(&out.axes, WEIR__ATOM_UNITS, weir__extent_of(stage.units));
    return weir__match_set_flow(m, 0, &out);
}

/* ---- Dense layers ---- */

/* y = x W + b over the last axis, with W of (inputs, units). */
static weir_status dense(weir__matcher *m, const weir__flow *d, const weir__constant *w, const weir__constant *b)
{
    uint32_t last = d->axes.rank - 1u;
    weir__stage stage = {.kind = WEIR__STAGE_DENSE, .node = m->node, .weight = w, .bias = b};
    if (d->kind == WEIR__FLOW_INPUT)
        return REFUSE(m, "is a dense layer below the LSTM layers, which no model of Weir has; " AS_IT_IS);
    if (!d->axes.rank || d->cut != WEIR__ATOMS || !weir__match_is_features(d, last))
        return REFUSE(m, "takes something else than all units as the last axis of its data; " AS_IT_IS);
    TRY(d->kind == WEIR__FLOW_HEAD ? weir__match_settle(m, d, &stage.below) : weir__match_layer(m, d, &stage.below));
    if (w->rank != 2 || w->dims[0] != stage.below->units || w->dims[1] < 1)
        return REFUSE(m, "has weights of another shape than (%lld, units)", (long long)stage.below->units);
    stage.units = w->dims[1];
    weir__flow out = {.kind = WEIR__FLOW_HEAD, .axes = d->axes, .cut = WEIR__ATOMS, .term = weir__term_x()};
    out.axes.count[last] = 0;
    TRY(weir__match_stage(m, &stage, &out.stage));
    if (stage.units > 1) {
        out.axes.count[last] = 1;
        out.axes.atoms[last][0] = WEIR__ATOM_UNITS;
    }
    return weir__match_set_flow(m, 0, &out);
}

weir_status weir__rule_matmul(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    const weir__constant *w;
    if (!weir__match_is(in, WEIR__FLOW))
        return REFUSE(m, "multiplies something else than data by constants; " AS_IT_IS);
    TRY(weir__match_weight(m, 1, "matrix", &w));
    return dense(m, in->is.flow, w, NULL);
}

/* A constant that is a vector along the last axis, or one number for all of `units`: as (units) or (1); NULL if it is neither. */
static const weir__constant *as_vector(weir__matcher *m, const weir__constant *c, int64_t units)
{
    int64_t count = (int64_t)weir__constant_count(c);
    bool fits = c->type == WEIR__ONNX_F32 && (count == 1 || (count == units && c->rank && c->dims[c->rank - 1] == units));
    return fits ? weir__constant_reshape(m->graph, c, &count, 1) : NULL;
}

weir_status weir__rule_gemm(weir__matcher *m)
{
    const weir__meaning *in = weir__match_input(m, 0);
    const weir__constant *w, *b = NULL;
    float alpha, beta;
    int64_t turn_data, turn_weights;
    TRY(weir__match_float(m, "alpha", 1, &alpha));
    TRY(weir__match_float(m, "beta", 1, &beta));
    TRY(weir__match_int(m, "transA", 0, &turn_data));
    TRY(weir__match_int(m, "transB", 0, &turn_weights));
    if (!weir__match_is(in, WEIR__FLOW) || turn_data || alpha != 1 || beta != 1)
        return REFUSE(m, "is no dense layer: it must multiply data by constants, with alpha 1, beta 1 and transA 0; " AS_IT_IS);
    TRY(weir__match_weight(m, 1, "matrix", &w));
    if (w->rank != 2 || in->is.flow->axes.rank != 2)
        return REFUSE(m, "must multiply two matrices");
    if (turn_weights && !(w = weir__constant_permute(m->graph, w, (uint32_t[]){1, 0})))
        return weir__match_no_room(m);
    if (weir__match_input(m, 2)) {
        TRY(weir__match_weight(m, 2, "bias", &b));
        b = as_vector(m, b, w->dims[1]);
        if (!b)
            return REFUSE(m, "has a bias of another shape than (%lld)", (long long)w->dims[1]);
    }
    return dense(m, in->is.flow, w, b);
}

/* ---- Elementwise operators ---- */

/* Data that a function of its values may act on: that of the head. */
static weir_status head_data(weir__matcher *m, uint32_t i, const weir__flow **d)
{
    const weir__meaning *in = weir__match_input(m, i);
    if (!weir__match_is(in, WEIR__FLOW))
        return REFUSE(m, "acts on something that no model of Weir has; " AS_IT_IS);
    *d = in->is.flow;
    if ((*d)->kind == WEIR__FLOW_INPUT)
        return REFUSE(m, "changes an input before the LSTM layers, which no model of Weir does; " AS_IT_IS);
    if ((*d)->kind != WEIR__FLOW_HEAD)
        return REFUSE(m, "acts on the output of an LSTM, where a model of Weir has nothing but dense layers; " AS_IT_IS);
    return WEIR_OK;
}

static weir_status set_term(weir__matcher *m, const weir__flow *d, bool found, const weir__term *term)
{
    weir__flow out = *d;
    if (!found && m->graph->lack)
        return weir__match_no_room(m);
    if (!found)
        return REFUSE(m, "makes an elementwise function that is no activation of Weir; " AS_IT_IS);
    out.term = *term;
    return weir__match_set_flow(m, 0, &out);
}

/* The bias of a dense layer that has none yet. */
static bool is_bias(weir__matcher *m, const weir__flow *d, const weir__constant *c, const weir__constant **bias)
{
    weir_activation activation;
    const weir__constant *slope;
    bool bare = d->kind == WEIR__FLOW_HEAD && d->stage->kind == WEIR__STAGE_DENSE && !d->stage->bias && d->cut == WEIR__ATOMS &&
                weir__term_activation(&d->term, &activation, &slope) && activation.id == WEIR_IDENTITY;
    uint32_t last = d->axes.rank - 1u;
    bool units_last = bare && d->axes.rank && weir__match_is_features(d, last);
    *bias = units_last && (int64_t)weir__constant_count(c) == d->stage->units ? as_vector(m, c, d->stage->units) : NULL;
    return *bias;
}

static weir_status add_bias(weir__matcher *m, const weir__flow *d, const weir__constant *bias)
{
    weir__stage stage = *d->stage;
    weir__flow out = *d;
    stage.bias = bias;
    TRY(weir__match_stage(m, &stage, &out.stage));
    return weir__match_set_flow(m, 0, &out);
}

static bool combine(weir__matcher *m, const weir__term *a, const weir__term *b, weir__term *out)
{
    weir__text type = m->node->type;
    weir__term minus = weir__term_constant(-1);
    if (weir__text_is(type, "Mul"))
        return weir__term_multiply(a, b, out);
    if (weir__text_is(type, "Div"))
        return weir__term_divide(a, b, out);
    if (weir__text_is(type, "Add"))
        return weir__term_add(m->graph, a, b, out);
    return weir__term_multiply(b, &minus, out) && weir__term_add(m->graph, a, out, out);
}

static bool same_axes(const weir__flow *a, const weir__flow *b)
{
    bool same = a->axes.rank == b->axes.rank && a->cut == b->cut && a->begin == b->begin && a->end == b->end;
    for (uint32_t i = 0; same && i < a->axes.rank; i++)
        same = weir__axes_equal(&a->axes, &b->axes, i);
    return same;
}

/* Two functions of the same values. */
static weir_status combine_data(weir__matcher *m)
{
    const weir__flow *a, *b;
    weir__term term;
    TRY(head_data(m, 0, &a));
    TRY(head_data(m, 1, &b));
    if (a->stage != b->stage || !same_axes(a, b))
        return REFUSE(m, "combines two branches of the graph, which no model of Weir does; " AS_IT_IS);
    bool found = combine(m, &a->term, &b->term, &term);
    return set_term(m, a, found, &term);
}

/* Data and a constant, in the order of the inputs. */
static weir_status combine_constant(weir__matcher *m, uint32_t data, const weir__meaning *other)
{
    const weir__flow *d = NULL;
    const weir__constant *c = other->kind == WEIR__CONSTANT ? other->is.constant : NULL, *bias;
    double number;
    TRY(head_data(m, data, &d));
    if (c && weir__text_is(m->node->type, "Add") && is_bias(m, d, c, &bias))
        return add_bias(m, d, bias);
    if (!weir__match_number(other, &number))
        return REFUSE(m, "combines data with a tensor that is no bias of a dense layer; " AS_IT_IS);
    weir__term constant = weir__term_constant(number), term;
    bool found = combine(m, data ? &constant : &d->term, data ? &d->term : &constant, &term);
    return set_term(m, d, found, &term);
}

/* Numbers of shapes: products are followed, sums of known numbers too. */
static weir_status combine_shapes(weir__matcher *m)
{
    weir__shape a, b;
    weir__text type = m->node->type;
    TRY(weir__match_shape(m, 0, &a));
    TRY(weir__match_shape(m, 1, &b));
    weir__shape out = a.count >= b.count ? a : b;
    if (a.count != b.count && a.count != 1 && b.count != 1)
        return REFUSE(m, "combines shapes of different lengths");
    out.vector = a.vector || b.vector;
    for (uint32_t i = 0; i < out.count; i++) {
        weir__extent x = a.sizes[a.count == 1 ? 0 : i], y = b.sizes[b.count == 1 ? 0 : i], *z = out.sizes + i;
        bool known = !x.free && !y.free && !x.unknown && !y.unknown && x.n > INT32_MIN && x.n < INT32_MAX && y.n > INT32_MIN && y.n < INT32_MAX;
        if (weir__text_is(type, "Mul"))
            *z = weir__extent_mul(x, y);
        else if (known && weir__text_is(type, "Add"))
            *z = weir__extent_of(x.n + y.n);
        else if (known && weir__text_is(type, "Sub"))
            *z = weir__extent_of(x.n - y.n);
        else if (known && y.n > 0 && x.n >= 0)
            *z = weir__extent_of(x.n / y.n);
        else
            *z = (weir__extent){.unknown = true};
    }
    return weir__match_set_shape(m, 0, &out);
}

static bool is_shape(const weir__meaning *in)
{
    return in->kind == WEIR__SHAPE || (in->kind == WEIR__CONSTANT && in->is.constant->type == WEIR__ONNX_I64 && in->is.constant->rank <= 1 &&
                                       weir__constant_count(in->is.constant) <= WEIR__ONNX_RANK);
}

weir_status weir__rule_arithmetic(weir__matcher *m)
{
    const weir__meaning *a = weir__match_input(m, 0), *b = weir__match_input(m, 1);
    if (!a || !b)
        return REFUSE(m, "must have two inputs");
    if (a->kind == WEIR__FLOW && b->kind == WEIR__FLOW)
        return combine_data(m);
    if (a->kind == WEIR__FLOW || b->kind == WEIR__FLOW)
        return combine_constant(m, a->kind != WEIR__FLOW, a->kind == WEIR__FLOW ? b : a);
    if (is_shape(a) && is_shape(b))
        return combine_shapes(m);
    weir__match_set(m, 0, (weir__meaning){.kind = WEIR__OPEN, .is.node = m->node});
    return WEIR_OK;
}

weir_status weir__rule_power(weir__matcher *m)
{
    const weir__flow *d = NULL;
    double exponent;
    weir__term term;
    TRY(head_data(m, 0, &d));
    bool found = weir__match_number(weir__match_input(m, 1), &exponent) && (exponent == 2 || exponent == 3);
    term = d->term;
    for (int i = 1; found && i < (int)exponent; i++)
        found = weir__term_multiply(&term, &d->term, &term);
    return set_term(m, d, found, &term);
}

/* Of data and a number. */
weir_status weir__rule_greater(weir__matcher *m)
{
    const weir__flow *d = NULL;
    double number;
    weir__term term;
    if (!weir__match_is(weir__match_input(m, 0), WEIR__FLOW) || !weir__match_number(weir__match_input(m, 1), &number))
        return weir__match_other(m);
    TRY(head_data(m, 0, &d));
    bool found = weir__term_more_than(m->graph, &d->term, number, &term);
    return set_term(m, d, found, &term);
}

/* Of three functions of the same values. */
weir_status weir__rule_where(weir__matcher *m)
{
    const weir__flow *d[3];
    weir__term term;
    for (uint32_t i = 0; i < 3; i++)
        if (!weir__match_is(weir__match_input(m, i), WEIR__FLOW))
            return weir__match_other(m);
    for (uint32_t i = 0; i < 3; i++)
        TRY(head_data(m, i, &d[i]));
    if (d[0]->stage != d[1]->stage || d[0]->stage != d[2]->stage || !same_axes(d[0], d[1]) || !same_axes(d[0], d[2]))
        return REFUSE(m, "combines branches of the graph, which no model of Weir does; " AS_IT_IS);
    bool found = weir__term_choose(&d[0]->term, &d[1]->term, &d[2]->term, &term);
    return set_term(m, d[0], found, &term);
}

/* Operators that are one function, with the defaults of their parameters. */
static const struct {
    const char *type;
    weir_activation_id id;
    const char *alpha, *beta; /* names of the attributes, or NULL */
    float alpha_default, beta_default;
} functions[] = {
    {"Relu", WEIR_RELU, NULL, NULL, 0, 0},
    {"LeakyRelu", WEIR_LEAKY_RELU, "alpha", NULL, 0.01f, 0},
    {"Sigmoid", WEIR_SIGMOID, NULL, NULL, 0, 0},
    {"Tanh", WEIR_TANH, NULL, NULL, 0, 0},
    {"Elu", WEIR_ELU, "alpha", NULL, 1, 0},
    {"Selu", WEIR_SELU, "alpha", "gamma", 1.67326319217681884765625f, 1.05070102214813232421875f},
    {"Softplus", WEIR_SOFTPLUS, NULL, NULL, 0, 1},
    {"Softsign", WEIR_SOFTSIGN, NULL, NULL, 0, 0},
    {"HardSigmoid", WEIR_HARD_SIGMOID, "alpha", "beta", 0.2f, 0.5f},
    {"Mish", WEIR_MISH, NULL, NULL, 0, 0},
    {"Erf", WEIR_ERF, NULL, NULL, 0, 0},
};

static weir_status apply(weir__matcher *m, weir_activation function, const weir__constant *slope)
{
    const weir__flow *d = NULL;
    weir__term term;
    TRY(head_data(m, 0, &d));
    bool found = weir__term_apply(m->graph, function, slope, &d->term, &term);
    return set_term(m, d, found, &term);
}

weir_status weir__rule_function(weir__matcher *m)
{
    size_t i = 0;
    while (!weir__text_is(m->node->type, functions[i].type))
        i++;
    float alpha = functions[i].alpha_default, beta = functions[i].beta_default;
    weir_activation activation;
    if (functions[i].alpha)
        TRY(weir__match_float(m, functions[i].alpha, alpha, &alpha));
    if (functions[i].beta)
        TRY(weir__match_float(m, functions[i].beta, beta, &beta));
    if (!weir__activation_from_onnx(functions[i].id, alpha, beta, &activation))
        return REFUSE(m, "has alpha %g and %s %g, which no activation of Weir has; " AS_IT_IS, (double)alpha,
                      functions[i].beta ? functions[i].beta : "beta", (double)beta);
    return apply(m, activation, NULL);
}

weir_status weir__rule_gelu(weir__matcher *m)
{
    const weir__onnx_attribute *a = weir__onnx_find(m->node, "approximate");
    bool tanh_form = a && a->kind == WEIR__ONNX_STRING && weir__text_is(a->is.s, "tanh");
    if (a && !tanh_form && !(a->kind == WEIR__ONNX_STRING && weir__text_is(a->is.s, "none")))
        return REFUSE(m, "has an attribute approximate that is neither none nor tanh");
    return apply(m, (weir_activation){.id = tanh_form ? WEIR_GELU_TANH : WEIR_GELU}, NULL);
}

/* x Sigmoid(alpha x) */
weir_status weir__rule_swish(weir__matcher *m)
{
    float alpha;
    TRY(weir__match_float(m, "alpha", 1, &alpha));
    if (alpha != 1)
        return REFUSE(m, "has alpha %g; Weir's SiLU has 1; " AS_IT_IS, (double)alpha);
    return apply(m, (weir_activation){.id = WEIR_SILU}, NULL);
}

/* The slopes of the head's units, or one for all. */
weir_status weir__rule_prelu(weir__matcher *m)
{
    const weir__flow *d = NULL;
    const weir__constant *slope;
    TRY(head_data(m, 0, &d));
    TRY(weir__match_weight(m, 1, "slope", &slope));
    bool units_last = d->axes.rank && weir__match_is_features(d, d->axes.rank - 1u);
    slope = as_vector(m, slope, d->stage->units);
    if (!slope || (!units_last && weir__constant_count(slope) != 1) || d->cut != WEIR__ATOMS)
        return REFUSE(m, "must have one slope for each unit of the last axis, or one for all");
    return apply(m, (weir_activation){.id = WEIR_PRELU}, slope);
}

weir_status weir__rule_softmax(weir__matcher *m)
{
    const weir__flow *d = NULL;
    const weir__stage *below;
    int64_t given;
    uint32_t axis;
    TRY(head_data(m, 0, &d));
    TRY(weir__match_settle(m, d, &below));
    TRY(weir__match_int(m, "axis", m->graph->opset < 13 ? 1 : -1, &given));
    TRY(weir__match_axis(m, given, d->axes.rank, &axis));
    bool units = weir__axes_atom(&d->axes, axis) == WEIR__ATOM_UNITS && (m->graph->opset >= 13 || axis + 1u == d->axes.rank);
    if (!units || below->kind != WEIR__STAGE_DENSE || d->cut != WEIR__ATOMS)
        return REFUSE(m, "is no softmax over the units of a dense layer; " AS_IT_IS);
    weir__stage stage = {.kind = WEIR__STAGE_SOFTMAX, .below = below, .node = m->node, .units = below->units};
    weir__flow out = *d;
    out.term = weir__term_x();
    TRY(weir__match_stage(m, &stage, &out.stage));
    return weir__match_set_flow(m, 0, &out);
}
