/* SPDX-License-Identifier: MIT */
#include "format/onnx_model.h"

#include <string.h>

#include "format/bias.h"
#include "format/config_json.h"
#include "format/onnx_cell.h"
#include "format/onnx_match.h"
#include "model/params.h"

#define ALIKE "all layers of a model of Weir are alike; " AS_IT_IS

/* A graph's stages as those of a model. */
typedef struct plan {
    weir__onnx *graph;
    weir_error *err;
    const weir__stage *input, *layers[WEIR_MAX_LAYERS]; /* the lowest first */
    const weir__stage *dense[WEIR_MAX_DENSE + 1], *activations[WEIR_MAX_DENSE + 1]; /* the lowest first; NULL: identity */
    const weir__stage *end;                             /* softmax or Gaussian, or NULL */
    uint32_t layer_count, dense_count;
    bool final;
    weir_config config;
    struct weir__params params;
} plan;

/* Fails by the node of a stage. */
#define REFUSE_STAGE(p, stage, ...) weir__onnx_refuse((p)->graph, (stage)->node, WEIR_E_UNSUPPORTED, (p)->err, __VA_ARGS__)

/* ---- From the output down to the input ---- */

static void turn_round(const weir__stage **list, uint32_t count)
{
    for (uint32_t i = 0; i < count / 2; i++) {
        const weir__stage *other = list[count - 1 - i];
        list[count - 1 - i] = list[i];
        list[i] = other;
    }
}

/* One stage of the head; *activation waits for the dense layer that it belongs to. */
static weir_status take_head_stage(plan *p, const weir__stage *stage, const weir__stage **activation)
{
    bool first = p->dense_count == 0 && !*activation && !p->end;
    switch (stage->kind) {
    case WEIR__STAGE_LAST:
        p->final = true;
        return WEIR_OK;
    case WEIR__STAGE_SOFTMAX:
    case WEIR__STAGE_GAUSSIAN:
        if (!first)
            return REFUSE_STAGE(p, stage, "must be the end of the graph, to be the output of a model of Weir");
        p->end = stage;
        return WEIR_OK;
    case WEIR__STAGE_ACTIVATION:
        if (*activation)
            return REFUSE_STAGE(p, *activation, "is a second activation of one dense layer; a model of Weir has one; " AS_IT_IS);
        *activation = stage;
        return WEIR_OK;
    default:
        if (p->dense_count > WEIR_MAX_DENSE)
            return REFUSE_STAGE(p, stage, "is one of more than %d dense layers", (int)WEIR_MAX_DENSE + 1);
        p->activations[p->dense_count] = *activation;
        p->dense[p->dense_count++] = stage;
        *activation = NULL;
        return WEIR_OK;
    }
}

static weir_status list_stages(plan *p, const weir__stage *stage)
{
    const weir__stage *activation = NULL;
    for (; stage->kind != WEIR__STAGE_LAYER; stage = stage->below)
        TRY(take_head_stage(p, stage, &activation));
    for (; stage->kind == WEIR__STAGE_LAYER; stage = stage->below) {
        if (p->layer_count == WEIR_MAX_LAYERS)
            return REFUSE_STAGE(p, stage, "is one of more than %d layers", (int)WEIR_MAX_LAYERS);
        p->layers[p->layer_count++] = stage;
    }
    p->input = stage;
    turn_round(p->layers, p->layer_count);
    turn_round(p->dense, p->dense_count);
    turn_round(p->activations, p->dense_count);
    return WEIR_OK;
}

/* ---- Configuration ---- */

static size_t lanes_of(const weir__stage *layer)
{
    return layer->lanes[1] ? 2 : 1;
}

static const weir__lane *lane_at(const plan *p, size_t layer, size_t direction)
{
    return p->layers[layer]->lanes[direction];
}

static bool same_activation(const weir_activation *a, const weir_activation *b)
{
    return a->id == b->id && a->alpha == b->alpha && a->beta == b->beta;
}

/* Every lane beside the first one. */
static weir_status check_alike(const plan *p)
{
    const weir__lane *first = lane_at(p, 0, 0);
    for (size_t layer = 0; layer < p->layer_count; layer++)
        for (size_t d = 0; d < lanes_of(p->layers[layer]); d++) {
            const weir__lane *lane = lane_at(p, layer, d);
            if (lane->hidden != first->hidden)
                return REFUSE_STAGE(p, lane, "has %u hidden units, the lowest layer %u; " ALIKE, (unsigned)lane->hidden, (unsigned)first->hidden);
            if (lanes_of(p->layers[layer]) != lanes_of(p->layers[0]) || (d == 0 && lane->reverse != first->reverse))
                return REFUSE_STAGE(p, lane, "has another direction than the lowest layer; " ALIKE);
            if (!same_activation(&lane->gate, &first->gate) || !same_activation(&lane->candidate, &first->candidate) ||
                !same_activation(&lane->output, &first->output))
                return REFUSE_STAGE(p, lane, "has other activations than the lowest layer; " ALIKE);
            if (lane->clip != first->clip || lane->coupled != first->coupled)
                return REFUSE_STAGE(p, lane, "has another clip or input_forget than the lowest layer; " ALIKE);
            if (lane->lengths != first->lengths)
                return REFUSE_STAGE(p, lane, "has other sequence_lens than the lowest layer; " ALIKE);
        }
    return WEIR_OK;
}

static bool same_input(const weir__state_source *a, const weir__state_source *b)
{
    return a->input != WEIR__ONNX_NONE && a->input == b->input;
}

/* A layer's initial state is an input of its own, or its rows of one for all layers. */
static weir_status check_states(const plan *p)
{
    size_t D = lanes_of(p->layers[0]);
    for (size_t i = 0; i < p->layer_count * D; i++) {
        const weir__lane *lane = lane_at(p, i / D, i % D);
        const weir__state_source *sources[] = {&lane->h0, &lane->c0};
        for (int k = 0; k < 2; k++)
            if (sources[k]->cut && (size_t)sources[k]->begin + lane->direction != i)
                return REFUSE_STAGE(p, lane, "takes row %lld of its initial state, where a model of Weir takes row %zu; " AS_IT_IS,
                                    (long long)sources[k]->begin + lane->direction, i);
        for (size_t other = 0; other < i / D * D; other++) {
            const weir__lane *below = lane_at(p, other / D, other % D);
            if ((same_input(&lane->h0, &below->h0) && !lane->h0.cut) || (same_input(&lane->c0, &below->c0) && !lane->c0.cut))
                return REFUSE_STAGE(p, lane, "begins with the same initial state as a layer below; " AS_IT_IS);
        }
    }
    return WEIR_OK;
}

/* States that are outputs of the graph must be among those of the model, in its order. */
static weir_status check_state_outputs(const plan *p, const weir__matcher *m)
{
    size_t D = lanes_of(p->layers[0]), all = p->layer_count * D;
    for (uint32_t i = 0; i < p->graph->output_count; i++) {
        const weir__flow *d = m->meanings[p->graph->outputs[i].value].is.flow;
        if (d->kind != WEIR__FLOW_FINAL_H && d->kind != WEIR__FLOW_FINAL_C)
            continue;
        size_t at = 0;
        while (at < all && lane_at(p, at / D, at % D) != d->lanes[0])
            at++;
        for (uint32_t k = 0; k < d->lane_count; k++)
            if (at + k >= all || lane_at(p, (at + k) / D, (at + k) % D) != d->lanes[k])
                return REFUSE_STAGE(p, d->lanes[k], "gives a state that is none of the model's, or in another order; " AS_IT_IS);
    }
    return WEIR_OK;
}

static void set_cell(plan *p)
{
    const weir__lane *first = lane_at(p, 0, 0);
    weir_config *c = &p->config;
    c->layers = p->layer_count;
    c->hidden = first->hidden;
    c->direction = lanes_of(p->layers[0]) == 2 ? WEIR_BOTH : first->reverse ? WEIR_REVERSE : WEIR_FORWARD;
    c->gate = first->gate;
    c->candidate = first->candidate;
    c->output_activation = first->output;
    c->activation_clip = first->clip;
    c->coupled = first->coupled;
    c->no_peepholes = true;
    for (size_t layer = 0; layer < p->layer_count; layer++)
        for (size_t d = 0; d < lanes_of(p->layers[layer]); d++)
            c->no_peepholes = c->no_peepholes && !lane_at(p, layer, d)->p;
}

static weir_status set_input(plan *p)
{
    const weir__stage *in = p->input;
    bool tokens = in->kind == WEIR__STAGE_TOKENS;
    int64_t count = !tokens ? (int64_t)lane_at(p, 0, 0)->inputs : in->table ? in->table->dims[0] : in->units;
    int64_t most = tokens ? WEIR_MAX_TOKENS : WEIR_MAX_UNITS;
    if (count < 1 || count > most)
        return REFUSE_STAGE(p, p->layers[0], "reads %lld %s, but a model of Weir reads from 1 to %lld", (long long)count,
                            tokens ? "tokens" : "inputs", (long long)most);
    *(tokens ? &p->config.tokens : &p->config.inputs) = (uint32_t)count;
    return WEIR_OK;
}

static weir_status set_output(plan *p)
{
    const weir__stage *activation = p->activations[p->dense_count - 1], *top = p->dense[p->dense_count - 1];
    weir_config *c = &p->config;
    c->output = p->end ? p->end->kind == WEIR__STAGE_SOFTMAX ? WEIR_SOFTMAX : WEIR_GAUSSIAN : activation ? WEIR_LOGISTIC : WEIR_LINEAR;
    if (activation && activation->activation.id != WEIR_SIGMOID)
        return REFUSE_STAGE(p, activation, "is an activation (%s) of the output, which in a model of Weir is linear, a softmax or a sigmoid; "
                            AS_IT_IS, weir_activation_get(activation->activation.id)->name);
    c->outputs = (uint32_t)(c->output == WEIR_GAUSSIAN ? top->units / 2 : top->units);
    return WEIR_OK;
}

static weir_status set_head(plan *p)
{
    weir_config *c = &p->config;
    c->readout = p->final ? WEIR_FINAL_STATE : WEIR_EVERY_STEP;
    for (uint32_t i = 0; i < p->dense_count; i++)
        if (p->dense[i]->units > WEIR_MAX_TOKENS)
            return REFUSE_STAGE(p, p->dense[i], "has more than %d units", (int)WEIR_MAX_TOKENS);
    if (!p->dense_count)
        return WEIR_OK;
    c->dense_layers = p->dense_count - 1;
    for (uint32_t i = 0; i < c->dense_layers; i++) {
        c->dense[i].units = (uint32_t)p->dense[i]->units;
        c->dense[i].activation = p->activations[i] ? p->activations[i]->activation : (weir_activation){.id = WEIR_IDENTITY};
    }
    return set_output(p);
}

/* ---- What a file of Weir says beside the graph ---- */

/* Does not change what is computed: how the weights once began, for whoever trains on. */
static void set_start(weir_config *c, const weir_config *stored)
{
    c->init = stored->init;
    c->init_scale = stored->init_scale;
    c->set_gate_bias = stored->set_gate_bias;
    memcpy(c->gate_bias, stored->gate_bias, sizeof c->gate_bias);
    c->seed = stored->seed;
}

static weir_status read_properties(plan *p)
{
    weir__text text = weir__onnx_property(p->graph, "weir"), notes = weir__onnx_property(p->graph, "notes");
    if (!text.bytes)
        return WEIR_OK;
    weir_config stored;
    char field[WEIR__FIELD_SIZE];
    TRY(weir__config_from_text(&stored, text.bytes, text.size, field, p->err));
    set_start(&p->config, &stored);
    if (!notes.bytes)
        return WEIR_OK;
    char *copy = weir__onnx_take(p->graph, notes.size + 1);
    if (!copy)
        return weir__onnx_lacks(p->graph, p->err);
    if (memchr(notes.bytes, 0, notes.size))
        return weir__fail(p->err, WEIR_E_FORMAT, "the property notes of the ONNX file has a zero byte");
    p->config.notes = memcpy(copy, notes.bytes, notes.size);
    return WEIR_OK;
}

/* ---- Weights ---- */

/* Blocks of rows (axis 1) in ONNX's order to blocks of `size` numbers in Weir's. */
static void read_blocks(const weir__constant *c, const size_t *places, size_t blocks, size_t rows, size_t size, float *to)
{
    for (size_t k = 0; k < blocks; k++)
        weir__constant_block(c, 1, (int64_t)(k * rows), (int64_t)rows, to + places[k] * size);
}

/* The sum of both biases, W's and R's. */
static weir_status read_bias(const plan *p, const weir__lane *lane, float *to)
{
    size_t H = lane->hidden;
    float *both = lane->b ? weir__onnx_take(p->graph, 8 * H * sizeof *both) : NULL;
    if (!lane->b)
        return WEIR_OK;
    if (!both)
        return weir__onnx_lacks(p->graph, p->err);
    weir__constant_floats(lane->b, both);
    for (size_t k = 0; k < WEIR__GATES; k++)
        for (size_t i = 0; i < H; i++)
            to[weir__onnx_gates[k] * H + i] = weir__bias_sum(both[k * H + i], both[(WEIR__GATES + k) * H + i]);
    return WEIR_OK;
}

/* Rows of W by rows of the table: the column of a token is what its row of the table contributes. Summed in double, rounded once. */
static weir_status fold_table(const plan *p, const weir__lane *lane, const weir__constant *table, float *to)
{
    size_t E = lane->inputs, rows = WEIR__GATES * (size_t)lane->hidden, V = (size_t)table->dims[0];
    float *w = weir__onnx_take(p->graph, rows * E * sizeof *w), *row = weir__onnx_take(p->graph, E * sizeof *row);
    if (!w || !row)
        return weir__onnx_lacks(p->graph, p->err);
    read_blocks(lane->w, weir__onnx_gates, WEIR__GATES, lane->hidden, lane->hidden * E, w);
    for (size_t v = 0; v < V; v++) {
        weir__constant_block(table, 0, (int64_t)v, 1, row);
        for (size_t i = 0; i < rows; i++) {
            double sum = 0;
            for (size_t k = 0; k < E; k++)
                sum += (double)w[i * E + k] * (double)row[k];
            to[i * V + v] = (float)sum;
        }
    }
    return WEIR_OK;
}

/* A vector, or one number for all. */
static void read_vector(const weir__constant *c, size_t count, float *to)
{
    if (!c)
        return;
    weir__constant_floats(c, to);
    for (size_t i = weir__constant_count(c); i < count; i++)
        to[i] = to[0];
}

static weir_status read_param(const plan *p, const struct weir__param *param, float *to)
{
    bool cell = param->kind < WEIR__DENSE_WEIGHT;
    const weir__lane *lane = cell ? lane_at(p, param->layer, param->direction) : NULL;
    const weir__stage *dense = cell ? NULL : p->dense[param->layer];
    size_t H = p->config.hidden;
    const weir__constant *w;
    switch (param->kind) {
    case WEIR__WEIGHT_IH:
        if (param->layer == 0 && p->input->table)
            return fold_table(p, lane, p->input->table, to);
        read_blocks(lane->w, weir__onnx_gates, WEIR__GATES, H, H * param->cols, to);
        return WEIR_OK;
    case WEIR__WEIGHT_HH:
        read_blocks(lane->r, weir__onnx_gates, WEIR__GATES, H, H * param->cols, to);
        return WEIR_OK;
    case WEIR__BIAS:
        return read_bias(p, lane, to);
    case WEIR__PEEPHOLE:
        if (lane->p)
            read_blocks(lane->p, weir__onnx_peepholes, WEIR__PEEPHOLES, H, H, to);
        return WEIR_OK;
    case WEIR__DENSE_WEIGHT:
        w = weir__constant_permute(p->graph, dense->weight, (uint32_t[]){1, 0});
        if (w)
            weir__constant_floats(w, to);
        return w ? WEIR_OK : weir__onnx_lacks(p->graph, p->err);
    case WEIR__DENSE_BIAS:
        read_vector(dense->bias, param->count, to);
        return WEIR_OK;
    default:
        read_vector(p->activations[param->layer]->slope, param->count, to);
        return WEIR_OK;
    }
}

static weir_status make_model(plan *p, weir_model **out)
{
    size_t size, count = p->params.count;
    bool fits = weir__size_mul(&size, p->params.weights, sizeof(float));
    float *room = fits ? weir__onnx_take(p->graph, size) : NULL;
    weir_tensor *tensors = room ? weir__onnx_take(p->graph, count * sizeof *tensors) : NULL;
    if (!tensors)
        return weir__onnx_lacks(p->graph, p->err);
    for (size_t i = 0; i < count; i++) {
        const struct weir__param *param = p->params.list + i;
        tensors[i] = (weir_tensor){.rows = param->rows, .cols = param->cols, .data = room};
        memcpy(tensors[i].name, param->name, sizeof tensors[i].name);
        TRY(read_param(p, param, room));
        room += param->count;
    }
    return weir_model_new(out, &p->config, tensors, count, p->err);
}

/* A range of weir_config that the graph goes beyond is no mistake of the caller's. */
static weir_status resolve(plan *p, weir_isa isa, const weir_allocator *allocator)
{
    weir_config given = p->config;
    given.isa = isa;
    given.allocator = allocator;
    weir_status status = weir__config_resolve(&given, &p->config, p->err);
    if (status == WEIR_E_ARGUMENT) {
        status = WEIR_E_UNSUPPORTED;
        if (p->err)
            p->err->status = status;
    }
    return status;
}

static weir_status build(plan *p, const weir__match *match, weir_isa isa, weir_model **out)
{
    p->final = match->final;
    TRY(list_stages(p, match->top));
    TRY(check_alike(p));
    TRY(check_states(p));
    TRY(check_state_outputs(p, &match->matcher));
    set_cell(p);
    TRY(set_input(p));
    TRY(set_head(p));
    TRY(read_properties(p));
    TRY(resolve(p, isa, &p->graph->allocator));
    TRY(weir__params_new(&p->params, &p->config, &p->graph->allocator, p->err));
    return make_model(p, out);
}

weir_status weir__onnx_model(weir_model **out, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator, weir_error *err)
{
    weir__onnx graph;
    weir__match match;
    plan p = {.graph = &graph, .err = err};
    weir_status status = weir__onnx_open(&graph, bytes, size, allocator, err);
    if (!status)
        status = weir__match_graph(&graph, &match, err);
    if (!status)
        status = build(&p, &match, isa, out);
    if (status == WEIR_E_UNSUPPORTED && graph.lack == WEIR_E_NOMEM) /* a thing that was not made looks like one that cannot be */
        status = weir__onnx_lacks(&graph, err);
    weir__params_free(&p.params, &graph.allocator);
    weir__onnx_close(&graph);
    return status;
}
