/* A model as an ONNX graph: LSTM operators, or the cell written out in basic operators for a number of steps (docs/onnx-models.md).
 * SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "format/config_json.h"
#include "format/onnx_cell.h"
#include "format/onnx_encode.h"
#include "model/params.h"

#include <stdio.h>
#include <string.h>

typedef weir__label label;

enum { GATES = WEIR__GATES, PEEPHOLES = WEIR__PEEPHOLES, MOST_UNROLLED = 1 << 16 };

typedef struct exporter {
    const weir_model *model;
    const weir_config *config;
    weir_onnx_options options;
    struct weir__params params;
    weir__encoder encoder;
    float *room; /* for the numbers of the largest tensor */
    size_t room_size;
    label h0, c0;             /* the initial state of all layers, "" for 0 */
    label *finals_h, *finals_c; /* of each layer (LSTM), or of each layer and direction (unrolled) */
    label *steps;             /* unrolled: h of each step of a layer, one direction */
    size_t finals_size, steps_size;
} exporter;

/* ---- Nodes ---- */

static label apply_since(exporter *e, int opset, const char *type, const label *in, size_t ins, const weir__onnx_attribute *attribute)
{
    label out = weir__encode_label(&e->encoder, type);
    weir__encode_node(&e->encoder, type, opset, in, ins, &out, 1, attribute, attribute != NULL);
    return out;
}

static label apply(exporter *e, const char *type, const label *in, size_t ins, const weir__onnx_attribute *attribute)
{
    return apply_since(e, 1, type, in, ins, attribute);
}

static label unary(exporter *e, const char *type, label x)
{
    return apply(e, type, &x, 1, NULL);
}

static label binary(exporter *e, const char *type, label a, label b)
{
    return apply(e, type, (label[]){a, b}, 2, NULL);
}

static label named(const char *text)
{
    label name;
    snprintf(name.text, sizeof name.text, "%s", text);
    return name;
}

/* The value under another name: an output of the graph. */
static void name_output(exporter *e, label x, const char *name)
{
    label out = named(name);
    weir__encode_node(&e->encoder, "Identity", 1, &x, 1, &out, 1, NULL, 0);
}

static label integers(exporter *e, const int64_t *values, size_t count)
{
    label name = weir__encode_label(&e->encoder, "integers");
    weir__encode_ints(&e->encoder, name, values, count, 1);
    return name;
}

static label integer(exporter *e, int64_t value)
{
    return integers(e, &value, 1);
}

/* One number without dimensions, as an index. */
static label scalar(exporter *e, int64_t value)
{
    label name = weir__encode_label(&e->encoder, "index");
    weir__encode_ints(&e->encoder, name, &value, 1, 0);
    return name;
}

static label floats(exporter *e, const char *stem, const float *values, size_t count)
{
    label name = weir__encode_label(&e->encoder, stem);
    unsigned char *to = weir__encode_floats(&e->encoder, name, (int64_t[]){(int64_t)count}, 1);
    if (to)
        memcpy(to, values, count * sizeof *values);
    return name;
}

static label real(exporter *e, float value)
{
    label name = weir__encode_label(&e->encoder, "number");
    unsigned char *to = weir__encode_floats(&e->encoder, name, NULL, 0);
    if (to)
        memcpy(to, &value, sizeof value);
    return name;
}

static label slice(exporter *e, label x, int64_t axis, size_t begin, size_t end)
{
    label in[] = {x, integer(e, (int64_t)begin), integer(e, (int64_t)end), integer(e, axis)};
    return apply(e, "Slice", in, 4, NULL);
}

static label squeeze(exporter *e, label x, int64_t axis)
{
    return binary(e, "Squeeze", x, integer(e, axis));
}

static label unsqueeze(exporter *e, label x, int64_t axis)
{
    return binary(e, "Unsqueeze", x, integer(e, axis));
}

static label transpose(exporter *e, label x, const int64_t *order, size_t rank)
{
    weir__onnx_attribute a = weir__encode_attribute_ints("perm", order, rank);
    return apply(e, "Transpose", &x, 1, &a);
}

static label concat(exporter *e, const label *parts, size_t count, int64_t axis)
{
    weir__onnx_attribute a = weir__encode_attribute_int("axis", axis);
    return count == 1 ? *parts : apply(e, "Concat", parts, count, &a);
}

/* Element `index` of axis 0, which is then gone. */
static label element(exporter *e, label x, size_t index)
{
    weir__onnx_attribute a = weir__encode_attribute_int("axis", 0);
    return apply(e, "Gather", (label[]){x, scalar(e, (int64_t)index)}, 2, &a);
}

/* ---- Activations ---- */

static label with_alpha(exporter *e, const char *type, label x, float alpha)
{
    weir__onnx_attribute a = weir__encode_attribute_float("alpha", alpha);
    return apply(e, type, &x, 1, &a);
}

static label with_alpha_and(exporter *e, const char *type, label x, float alpha, const char *second, float value)
{
    label out = weir__encode_label(&e->encoder, type);
    weir__onnx_attribute a[] = {weir__encode_attribute_float("alpha", alpha), weir__encode_attribute_float(second, value)};
    weir__encode_node(&e->encoder, type, 1, &x, 1, &out, 1, a, 2);
    return out;
}

static label gelu(exporter *e, label x, const char *approximate)
{
    weir__onnx_attribute a = weir__encode_attribute_string("approximate", approximate);
    return apply_since(e, 20, "Gelu", &x, 1, &a);
}

static label softplus(exporter *e, label x, float beta)
{
    if (beta == 1)
        return unary(e, "Softplus", x);
    label scale = real(e, beta);
    return binary(e, "Div", unary(e, "Softplus", binary(e, "Mul", x, scale)), scale);
}

/* `slope`: of PReLU, one for each value of the last axis. */
static label activate(exporter *e, const weir_activation *a, label x, label slope)
{
    switch (a->id) {
    case WEIR_IDENTITY:
        return x;
    case WEIR_LEAKY_RELU:
    case WEIR_ELU:
        return with_alpha(e, weir_activation_get(a->id)->onnx, x, a->alpha);
    case WEIR_PRELU:
        return binary(e, "PRelu", x, slope);
    case WEIR_SELU:
        return with_alpha_and(e, "Selu", x, a->alpha, "gamma", a->beta);
    case WEIR_HARD_SIGMOID:
        return with_alpha_and(e, "HardSigmoid", x, a->alpha, "beta", a->beta);
    case WEIR_GELU:
        return gelu(e, x, "none");
    case WEIR_GELU_TANH:
        return gelu(e, x, "tanh");
    case WEIR_SILU:
        return binary(e, "Mul", x, unary(e, "Sigmoid", x));
    case WEIR_MISH:
        return apply_since(e, 18, "Mish", &x, 1, NULL);
    case WEIR_SOFTPLUS:
        return softplus(e, x, a->beta);
    case WEIR_SCALED_TANH:
        return binary(e, "Mul", real(e, a->alpha), unary(e, "Tanh", binary(e, "Mul", real(e, a->beta), x)));
    default: /* Relu, Sigmoid, Tanh, Softsign: without parameters */
        return unary(e, weir_activation_get(a->id)->onnx, x);
    }
}

/* ---- Weights ---- */

/* The numbers of a tensor of the model, until the next call. */
static const float *numbers(exporter *e, enum weir__param_kind kind, size_t layer, size_t direction)
{
    const struct weir__param *p = weir__params_find(&e->params, kind, layer, direction);
    weir_model_weights(e->model, (size_t)(p - e->params.list), e->room);
    return e->room;
}

/* A constant (D, size + padding): for each direction the tensor's blocks in ONNX's order, then zeros. dims[0] is D. */
static label gates_constant(exporter *e, const char *stem, enum weir__param_kind kind, size_t layer, const size_t *places, size_t blocks,
                            const int64_t *dims, size_t rank, size_t padding)
{
    label name;
    snprintf(name.text, sizeof name.text, "%s_l%zu", stem, layer);
    unsigned char *to = weir__encode_floats(&e->encoder, name, dims, rank);
    for (size_t d = 0; to && d < (size_t)dims[0]; d++) {
        const float *from = numbers(e, kind, layer, d);
        size_t block = weir__params_find(&e->params, kind, layer, d)->count / blocks;
        for (size_t k = 0; k < blocks; k++, to += block * sizeof(float))
            memcpy(to, from + places[k] * block, block * sizeof(float));
        to += padding * sizeof(float);
    }
    return name;
}

/* A matrix (rows, cols) of the model as the constant (cols, rows), for MatMul. */
static label transposed(exporter *e, enum weir__param_kind kind, size_t layer, size_t direction)
{
    const struct weir__param *p = weir__params_find(&e->params, kind, layer, direction);
    const float *from = numbers(e, kind, layer, direction);
    label name = named(p->name);
    int64_t dims[] = {(int64_t)p->cols, (int64_t)p->rows};
    unsigned char *to = weir__encode_floats(&e->encoder, name, dims, 2);
    for (size_t i = 0; to && i < p->cols; i++)
        for (size_t j = 0; j < p->rows; j++, to += sizeof(float))
            memcpy(to, from + j * p->cols + i, sizeof(float));
    return name;
}

/* Row `row` of a tensor of `size` columns, or a whole vector. */
static label vector(exporter *e, enum weir__param_kind kind, size_t layer, size_t direction, size_t row, size_t size)
{
    return floats(e, "vector", numbers(e, kind, layer, direction) + row * size, size);
}

/* y = x W + b over the last axis. */
static label affine(exporter *e, label x, enum weir__param_kind weight, enum weir__param_kind bias, size_t layer, size_t direction)
{
    const struct weir__param *p = weir__params_find(&e->params, bias, layer, direction);
    label product = binary(e, "MatMul", x, transposed(e, weight, layer, direction));
    return binary(e, "Add", product, vector(e, bias, layer, direction, 0, p->count));
}

/* ---- Layers as LSTM operators ---- */

/* The three activations, D times over, with the lists of their parameters; returns how many attributes were written. */
typedef struct cell_attributes {
    weir__text names[6];
    float alphas[6], betas[6];
    weir__onnx_attribute list[8];
    size_t count;
} cell_attributes;

static void add_attribute(cell_attributes *c, weir__onnx_attribute a)
{
    c->list[c->count++] = a;
}

static void add_activations(cell_attributes *c, const weir_config *config)
{
    const weir_activation *places[] = {&config->gate, &config->candidate, &config->output_activation};
    size_t D = weir__directions(config), names = 0, alphas = 0, betas = 0;
    for (size_t i = 0; i < 3 * D; i++) {
        const weir_activation *a = places[i % 3];
        const weir__cell_activation *record = weir__cell_activation_get(a->id);
        c->names[names++] = weir__text_of(record->name);
        bool identity = a->id == WEIR_IDENTITY; /* its parameters mean something in ONNX alone */
        if (record->takes_alpha)
            c->alphas[alphas++] = identity ? record->alpha : a->alpha;
        if (record->takes_beta)
            c->betas[betas++] = identity ? record->beta : a->beta;
    }
    add_attribute(c, weir__encode_attribute_strings("activations", c->names, names));
    if (alphas)
        add_attribute(c, weir__encode_attribute_floats("activation_alpha", c->alphas, alphas));
    if (betas)
        add_attribute(c, weir__encode_attribute_floats("activation_beta", c->betas, betas));
}

static void fill_attributes(cell_attributes *c, const weir_config *config)
{
    static const char *const directions[] = {"forward", "reverse", "bidirectional"};
    *c = (cell_attributes){0};
    add_attribute(c, weir__encode_attribute_int("hidden_size", config->hidden));
    add_attribute(c, weir__encode_attribute_string("direction", directions[config->direction]));
    add_activations(c, config);
    if (config->activation_clip > 0)
        add_attribute(c, weir__encode_attribute_float("clip", config->activation_clip));
    if (config->coupled)
        add_attribute(c, weir__encode_attribute_int("input_forget", 1));
}

/* The rows of the initial state that belong to a layer: (D, B, H). */
static label state_of_layer(exporter *e, label all, size_t layer)
{
    size_t D = weir__directions(e->config);
    return !*all.text || e->config->layers == 1 ? all : slice(e, all, 0, layer * D, (layer + 1) * D);
}

/* X (T, B, I) to Y (T, D, B, H). */
static label lstm_node(exporter *e, label x, size_t layer)
{
    const weir_config *c = e->config;
    int64_t D = (int64_t)weir__directions(c), H = c->hidden, I = (int64_t)weir__layer_inputs(c, layer);
    label none = named(""), peepholes = none;
    label w = gates_constant(e, "W", WEIR__WEIGHT_IH, layer, weir__onnx_gates, GATES, (int64_t[]){D, GATES * H, I}, 3, 0);
    label r = gates_constant(e, "R", WEIR__WEIGHT_HH, layer, weir__onnx_gates, GATES, (int64_t[]){D, GATES * H, H}, 3, 0);
    label b = gates_constant(e, "B", WEIR__BIAS, layer, weir__onnx_gates, GATES, (int64_t[]){D, 2 * GATES * H}, 2, GATES * (size_t)H);
    if (!c->no_peepholes)
        peepholes = gates_constant(e, "P", WEIR__PEEPHOLE, layer, weir__onnx_peepholes, PEEPHOLES, (int64_t[]){D, PEEPHOLES * H}, 2, 0);
    label in[] = {x, w, r, b, none, state_of_layer(e, e->h0, layer), state_of_layer(e, e->c0, layer), peepholes};
    size_t ins = !c->no_peepholes ? 8 : *e->h0.text ? 7 : 4;
    bool top_unused = layer + 1 == c->layers && c->readout == WEIR_FINAL_STATE;
    label y = weir__encode_label(&e->encoder, "Y"), yh = weir__encode_label(&e->encoder, "Y_h"), yc = weir__encode_label(&e->encoder, "Y_c");
    label out[] = {top_unused ? none : y, yh, yc};
    cell_attributes attributes;
    fill_attributes(&attributes, c);
    weir__encode_node(&e->encoder, "LSTM", 14, in, ins, out, 3, attributes.list, attributes.count);
    e->finals_h[layer] = yh;
    e->finals_c[layer] = yc;
    return y;
}

/* (T, D, B, H) to (T, B, D H). */
static label join_directions(exporter *e, label y)
{
    if (weir__directions(e->config) == 1)
        return squeeze(e, y, 1);
    return binary(e, "Reshape", transpose(e, y, (int64_t[]){0, 2, 1, 3}, 4), integers(e, (int64_t[]){0, 0, -1}, 3));
}

/* The top layer's last hidden states: (D, B, H) to (B, D H). */
static label join_final(exporter *e, label yh)
{
    if (weir__directions(e->config) == 1)
        return squeeze(e, yh, 0);
    return binary(e, "Reshape", transpose(e, yh, (int64_t[]){1, 0, 2}, 3), integers(e, (int64_t[]){0, -1}, 2));
}

static bool reads_final_state(const weir_config *c)
{
    return c->readout == WEIR_FINAL_STATE;
}

/* The input of the head; hn and cn are named. */
static label lstm_stack(exporter *e, label x)
{
    size_t layers = e->config->layers;
    for (size_t layer = 0; layer < layers; layer++) {
        label y = lstm_node(e, x, layer);
        x = layer + 1 == layers && reads_final_state(e->config) ? join_final(e, e->finals_h[layer]) : join_directions(e, y);
    }
    name_output(e, concat(e, e->finals_h, layers, 0), "hn");
    name_output(e, concat(e, e->finals_c, layers, 0), "cn");
    return x;
}

/* ---- Layers in basic operators ---- */

/* The constants of one direction of one layer, and its state. */
typedef struct cell {
    label recurrent, projection, peepholes[PEEPHOLES], slopes[5]; /* of i, f, o; of i, f, g, o, output */
    label inputs;                                                 /* W x + b of all steps (T, B, 4H) */
    label h, c;                                                   /* "" while they are 0 */
    label least, most, cell_least, cell_most;                     /* of the clips */
} cell;

static void clip_limits(exporter *e, float clip, label *least, label *most)
{
    if (clip > 0) {
        *least = real(e, -clip);
        *most = real(e, clip);
    }
}

static cell open_cell(exporter *e, label x, size_t layer, size_t direction)
{
    const weir_config *c = e->config;
    size_t lane = layer * weir__directions(c) + direction;
    cell k = {.h = e->h0, .c = e->c0};
    k.inputs = affine(e, x, WEIR__WEIGHT_IH, WEIR__BIAS, layer, direction);
    k.recurrent = transposed(e, WEIR__WEIGHT_HH, layer, direction);
    if (c->projection)
        k.projection = transposed(e, WEIR__WEIGHT_HR, layer, direction);
    for (size_t i = 0; !c->no_peepholes && i < PEEPHOLES; i++)
        k.peepholes[i] = vector(e, WEIR__PEEPHOLE, layer, direction, i, c->hidden);
    for (size_t i = 0; weir__cell_has_slopes(c) && i < 5; i++)
        k.slopes[i] = vector(e, WEIR__SLOPE, layer, direction, i, c->hidden);
    clip_limits(e, c->activation_clip, &k.least, &k.most);
    clip_limits(e, c->cell_clip, &k.cell_least, &k.cell_most);
    if (*e->h0.text) {
        k.h = element(e, e->h0, lane);
        k.c = element(e, e->c0, lane);
    }
    return k;
}

static label clip(exporter *e, label x, label least, label most)
{
    return *least.text ? apply(e, "Clip", (label[]){x, least, most}, 3, NULL) : x;
}

static label gate(exporter *e, const cell *k, const weir_activation *a, label z, size_t slope)
{
    return activate(e, a, clip(e, z, k->least, k->most), k->slopes[slope]);
}

/* z + p * c, for peephole `which`. */
static label peep(exporter *e, const cell *k, label z, size_t which, label c)
{
    return *k->peepholes[which].text && *c.text ? binary(e, "Add", z, binary(e, "Mul", k->peepholes[which], c)) : z;
}

/* f * c', or "" while c' is 0. */
static label keep(exporter *e, const cell *k, label z, label input_gate)
{
    const weir_config *c = e->config;
    if (!*k->c.text || c->no_forget_gate)
        return k->c;
    label f = c->coupled ? binary(e, "Sub", real(e, 1), input_gate) : gate(e, k, &c->gate, peep(e, k, z, 1, k->c), 1);
    return binary(e, "Mul", f, k->c);
}

/* One step: h and c of the cell become those of time t. The equations are those of weir_config. */
static void step(exporter *e, cell *k, size_t t)
{
    const weir_config *c = e->config;
    label z = element(e, k->inputs, t), part[GATES]; /* of i, f, g, o */
    if (*k->h.text)
        z = binary(e, "Add", z, binary(e, "MatMul", k->h, k->recurrent));
    for (size_t i = 0; i < GATES; i++)
        part[i] = slice(e, z, 1, i * c->hidden, (i + 1) * c->hidden);
    label input_gate = gate(e, k, &c->gate, peep(e, k, part[0], 0, k->c), 0);
    label candidate = gate(e, k, &c->candidate, part[2], 2);
    label kept = keep(e, k, part[1], input_gate), news = binary(e, "Mul", input_gate, candidate);
    label state = clip(e, *kept.text ? binary(e, "Add", kept, news) : news, k->cell_least, k->cell_most);
    label output_gate = gate(e, k, &c->gate, peep(e, k, part[3], 2, state), 3);
    k->c = state;
    k->h = binary(e, "Mul", output_gate, gate(e, k, &c->output_activation, state, 4));
    if (c->projection)
        k->h = binary(e, "MatMul", k->h, k->projection);
}

/* (T, B, I) to (T, B, P). */
static label unrolled_direction(exporter *e, label x, size_t layer, size_t direction)
{
    const weir_config *c = e->config;
    bool reverse = c->direction == WEIR_REVERSE || direction == 1;
    cell k = open_cell(e, x, layer, direction);
    for (size_t i = 0, T = e->options.unroll; i < T; i++) {
        size_t t = reverse ? T - 1 - i : i;
        step(e, &k, t);
        e->steps[t] = unsqueeze(e, k.h, 0);
    }
    size_t lane = layer * weir__directions(c) + direction;
    e->finals_h[lane] = k.h;
    e->finals_c[lane] = k.c;
    return concat(e, e->steps, e->options.unroll, 0);
}

/* (B, ·) of each lane to (L D, B, ·). */
static void name_state(exporter *e, label *finals, size_t lanes, const char *name)
{
    for (size_t i = 0; i < lanes; i++)
        finals[i] = unsqueeze(e, finals[i], 0);
    name_output(e, concat(e, finals, lanes, 0), name);
}

static label unrolled_stack(exporter *e, label x)
{
    const weir_config *c = e->config;
    size_t D = weir__directions(c), lanes = c->layers * D;
    for (size_t layer = 0; layer < c->layers; layer++) {
        label ways[2];
        for (size_t d = 0; d < D; d++)
            ways[d] = unrolled_direction(e, x, layer, d);
        x = concat(e, ways, D, 2);
    }
    if (reads_final_state(c))
        x = concat(e, e->finals_h + lanes - D, D, 1);
    name_state(e, e->finals_h, lanes, "hn");
    name_state(e, e->finals_c, lanes, "cn");
    return x;
}

/* ---- Head ---- */

static label softplus_plus(exporter *e, label x, float plus)
{
    return binary(e, "Add", unary(e, "Softplus", x), real(e, plus));
}

/* The parameters of a distribution: of Gaussian and Student t the n means or locations as they are, then softplus + 1e-4, then degrees of
 * freedom; of a negative binomial all softplus + 1e-4. */
static label distribution(exporter *e, label x)
{
    size_t n = e->config->outputs;
    if (e->config->output == WEIR_NEGATIVE_BINOMIAL)
        return softplus_plus(e, x, 1e-4f);
    label scale = softplus_plus(e, slice(e, x, -1, n, 2 * n), 1e-4f);
    if (e->config->output == WEIR_GAUSSIAN)
        return concat(e, (label[]){slice(e, x, -1, 0, n), scale}, 2, -1);
    label freedom = softplus_plus(e, slice(e, x, -1, 2 * n, 3 * n), 2.01f);
    return concat(e, (label[]){slice(e, x, -1, 0, n), scale, freedom}, 3, -1);
}

static label head(exporter *e, label x)
{
    const weir_config *c = e->config;
    for (size_t i = 0; i < weir__dense_count(c); i++) {
        x = affine(e, x, WEIR__DENSE_WEIGHT, WEIR__DENSE_BIAS, i, 0);
        if (i == c->dense_layers)
            break;
        bool learned = c->dense[i].activation.id == WEIR_PRELU;
        x = activate(e, &c->dense[i].activation, x, learned ? vector(e, WEIR__DENSE_SLOPE, i, 0, 0, c->dense[i].units) : named(""));
    }
    weir__onnx_attribute last = weir__encode_attribute_int("axis", -1);
    if (!c->outputs || c->output == WEIR_LINEAR)
        return x;
    if (c->output == WEIR_SOFTMAX)
        return apply(e, "Softmax", &x, 1, &last);
    return c->output == WEIR_LOGISTIC ? unary(e, "Sigmoid", x) : distribution(e, x);
}

/* ---- The graph ---- */

/* The sequence that the first layer reads, (T, B, I). */
static label input(exporter *e, weir__axis steps, weir__axis rows)
{
    const weir_config *c = e->config;
    if (c->inputs) {
        weir__encode_input(&e->encoder, "x", WEIR__ONNX_F32, (weir__axis[]){steps, rows, {c->inputs, NULL}}, 3);
        return named("x");
    }
    weir__encode_input(&e->encoder, "tokens", WEIR__ONNX_I64, (weir__axis[]){steps, rows}, 2);
    weir__onnx_attribute last = weir__encode_attribute_int("axis", -1);
    label in[] = {named("tokens"), scalar(e, c->tokens), floats(e, "off_on", (float[]){0, 1}, 2)};
    return apply(e, "OneHot", in, 3, &last);
}

static void build(exporter *e)
{
    const weir_config *c = e->config;
    int64_t lanes = (int64_t)(c->layers * weir__directions(c)), P = (int64_t)weir__projected(c), H = c->hidden;
    weir__axis steps = e->options.unroll ? (weir__axis){e->options.unroll, NULL} : (weir__axis){0, "T"}, rows = {0, "B"};
    weir__axis h[] = {{lanes, NULL}, rows, {P, NULL}}, cells[] = {{lanes, NULL}, rows, {H, NULL}};
    weir__axis y[] = {steps, rows, {(int64_t)weir__output_values(c), NULL}};
    label x = input(e, steps, rows);
    if (e->options.states) {
        e->h0 = named("h0");
        e->c0 = named("c0");
        weir__encode_input(&e->encoder, "h0", WEIR__ONNX_F32, h, 3);
        weir__encode_input(&e->encoder, "c0", WEIR__ONNX_F32, cells, 3);
    }
    name_output(e, head(e, e->options.unroll ? unrolled_stack(e, x) : lstm_stack(e, x)), "y");
    size_t gone = reads_final_state(c); /* the axis of steps */
    weir__encode_output(&e->encoder, "y", WEIR__ONNX_F32, y + gone, 3 - gone);
    weir__encode_output(&e->encoder, "hn", WEIR__ONNX_F32, h, 3);
    weir__encode_output(&e->encoder, "cn", WEIR__ONNX_F32, cells, 3);
}

/* ---- What can be written ---- */

/* The first thing that LSTM operators do not have, or NULL. */
static const char *beyond_lstm(const weir_config *c)
{
    if (c->projection)
        return "projection";
    if (c->no_forget_gate)
        return "cell without a forget gate";
    if (c->cell_clip > 0)
        return "clip of the cell";
    const weir_activation *places[] = {&c->gate, &c->candidate, &c->output_activation};
    for (size_t i = 0; i < 3; i++)
        if (!weir__cell_activation_fits(places[i]))
            return weir_activation_get(places[i]->id)->name;
    return NULL;
}

static weir_status check(const weir_config *c, const weir_onnx_options *options, weir_error *err)
{
    for (size_t i = 0; i < sizeof options->reserved / sizeof *options->reserved; i++)
        if (options->reserved[i])
            return weir__fail(err, WEIR_E_ARGUMENT, "reserved fields of weir_onnx_options must be 0");
    size_t lanes = c->layers * weir__directions(c);
    if (options->unroll > MOST_UNROLLED / lanes)
        return weir__fail(err, WEIR_E_ARGUMENT, "unroll is %u, but at most %zu steps of this model can be unrolled", (unsigned)options->unroll,
                          MOST_UNROLLED / lanes);
    const char *lacking = options->unroll ? NULL : beyond_lstm(c);
    if (lacking)
        return weir__fail(err, WEIR_E_UNSUPPORTED,
                          "ONNX's LSTM operator has no %s; unroll the model to a number of steps, in basic operators", lacking);
    return WEIR_OK;
}

static weir_status describe(exporter *e, weir_error *err)
{
    json_t *metadata = weir__metadata_to_json(e->config);
    if (!metadata)
        return weir__fail(err, WEIR_E_ARGUMENT, "the model's notes are no valid UTF-8, which a file needs");
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
        weir__encode_property(&e->encoder, key, json_string_value(value));
    json_decref(metadata);
    return WEIR_OK;
}

static size_t largest_tensor(const struct weir__params *params)
{
    size_t most = 0;
    for (size_t i = 0; i < params->count; i++)
        most = params->list[i].count > most ? params->list[i].count : most;
    return most;
}

static weir_status open_exporter(exporter *e, const weir_allocator *a, weir_error *err)
{
    const weir_config *c = e->config;
    TRY(weir__params_new(&e->params, c, a, err));
    weir__encoder_init(&e->encoder, a, e->params.weights * sizeof(float));
    e->room_size = largest_tensor(&e->params) * sizeof(float);
    e->finals_size = c->layers * weir__directions(c) * sizeof(label);
    e->steps_size = e->options.unroll * sizeof(label);
    e->room = weir__alloc(a, e->room_size);
    e->finals_h = weir__alloc(a, e->finals_size);
    e->finals_c = weir__alloc(a, e->finals_size);
    e->steps = weir__alloc(a, e->steps_size);
    if (!e->room || !e->finals_h || !e->finals_c || !e->steps)
        return weir__fail(err, WEIR_E_NOMEM, "no memory to write an ONNX file");
    return WEIR_OK;
}

static void close_exporter(exporter *e, const weir_allocator *a)
{
    weir__free(a, e->steps, e->steps_size);
    weir__free(a, e->finals_c, e->finals_size);
    weir__free(a, e->finals_h, e->finals_size);
    weir__free(a, e->room, e->room_size);
    weir__encoder_free(&e->encoder);
    weir__params_free(&e->params, a);
}

weir_status weir_model_save_onnx(const weir_model *model, const char *path, const weir_onnx_options *options, weir_error *err)
{
    exporter e = {.model = model, .config = weir_model_config(model)};
    const weir_allocator *a = e.config->allocator;
    if (options)
        e.options = *options;
    TRY(check(e.config, &e.options, err));
    void *bytes = NULL;
    size_t size = 0;
    weir_status status = open_exporter(&e, a, err);
    if (!status) {
        build(&e);
        status = describe(&e, err);
    }
    if (!status)
        status = weir__encode_model(&e.encoder, &bytes, &size, err);
    close_exporter(&e, a);
    if (!status)
        status = weir__file_write(path, bytes, size, err);
    weir__free(a, bytes, size);
    return status;
}
