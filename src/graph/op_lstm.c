/* ONNX's LSTM: one model for each direction. Constant weights become models when the graph is loaded, others at each run.
 *
 * ONNX has the gates in the order i, o, f, c and the peepholes i, o, f; a model has i, f, g, o and i, f, o. Of two biases a model has the sum.
 * SPDX-License-Identifier: MIT */
#include "format/onnx_cell.h"
#include "graph/graph.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { X, W, R, B, LENGTHS, H0, C0, P, INPUTS };
enum { Y, Y_H, Y_C };
enum { FUNCTIONS = 3, DIRECTIONS = 2, FUNCTION_NAME = 24 };

typedef struct weir__lstm {
    uint32_t directions;
    weir_direction direction[DIRECTIONS];
    weir_activation function[DIRECTIONS][FUNCTIONS]; /* of gates, candidate, output */
    float clip;
    bool coupled, batch_first;
    uint32_t hidden; /* 0: the node does not say */
    weir_model *models[DIRECTIONS]; /* NULL: made at each run */
} weir__lstm;

void weir__lstm_free(weir__lstm *lstm)
{
    for (size_t d = 0; lstm && d < DIRECTIONS; d++) {
        weir_model_free(lstm->models[d]);
        lstm->models[d] = NULL;
    }
}

bool weir__lstm_packed(const weir__step *s)
{
    return s->s.lstm->models[0] != NULL;
}

/* ---- Attributes ---- */

/* ONNX Runtime does not tell capitals from small letters, so neither does this. */
static bool lower_case(weir__text text, char name[FUNCTION_NAME])
{
    if (text.size >= FUNCTION_NAME)
        return false;
    for (size_t i = 0; i < text.size; i++)
        name[i] = (char)tolower((unsigned char)text.bytes[i]);
    name[text.size] = 0;
    return true;
}

/* Parameters are taken from the node's lists in order, by the functions that have them; defaults are ONNX's. */
static const struct {
    const char *name;
    int parameters;
    bool defaults;
    float alpha, beta;
} functions[] = {{"relu", 0, true, 0, 0},           {"tanh", 0, true, 0, 0},        {"sigmoid", 0, true, 0, 0},
                 {"softsign", 0, true, 0, 0},       {"softplus", 0, true, 0, 0},    {"leakyrelu", 1, true, 0.01f, 0},
                 {"thresholdedrelu", 1, true, 1, 0}, {"elu", 1, true, 1, 0},         {"hardsigmoid", 2, true, 0.2f, 0.5f},
                 {"affine", 2, false, 0, 0},        {"scaledtanh", 2, false, 0, 0}};

typedef struct parameters {
    const weir__onnx_attribute *alphas, *betas;
    uint32_t alpha, beta; /* taken */
} parameters;

static bool take_one(const weir__onnx_attribute *list, uint32_t *taken, float *value)
{
    if (!list || *taken >= list->count)
        return false;
    *value = list->is.floats[(*taken)++];
    return true;
}

static weir_status read_function(const weir__build *b, weir__text text, parameters *p, weir_activation *out)
{
    char name[FUNCTION_NAME], shown[WEIR__SHOWN];
    size_t i = 0, known = sizeof functions / sizeof *functions;
    weir__text_show(shown, text);
    if (!lower_case(text, name))
        return WEIR__REFUSE(b, "has the activation %s, which is not known", shown);
    while (i < known && strcmp(functions[i].name, name) != 0)
        i++;
    if (i == known)
        return WEIR__REFUSE(b, "has the activation %s, which is not known", shown);
    float alpha = functions[i].alpha, beta = functions[i].beta;
    bool given = functions[i].parameters < 1 || take_one(p->alphas, &p->alpha, &alpha);
    given = (functions[i].parameters < 2 || take_one(p->betas, &p->beta, &beta)) && given;
    if (!given && !functions[i].defaults)
        return WEIR__BREAKS(b, "has the activation %s without its alpha and beta", shown);
    if (!weir__activation_of(name, alpha, beta, out))
        return WEIR__REFUSE(b, "has the activation %s with alpha %g and beta %g, which no cell here can compute", shown, (double)alpha, (double)beta);
    return WEIR_OK;
}

static weir_status read_functions(const weir__build *b, weir__lstm *lstm)
{
    const weir__onnx_attribute *names = weir__onnx_find(b->node, "activations");
    parameters p = {weir__onnx_find(b->node, "activation_alpha"), weir__onnx_find(b->node, "activation_beta"), 0, 0};
    static const char usual[FUNCTIONS][FUNCTION_NAME] = {"Sigmoid", "Tanh", "Tanh"};
    if (names && names->count != lstm->directions * FUNCTIONS)
        return WEIR__BREAKS(b, "has %u activations; it needs three for each of its directions", (unsigned)names->count);
    for (uint32_t d = 0; d < lstm->directions; d++)
        for (uint32_t k = 0; k < FUNCTIONS; k++)
            TRY(read_function(b, names ? names->is.strings[d * FUNCTIONS + k] : (weir__text){usual[k], strlen(usual[k])}, &p, &lstm->function[d][k]));
    if ((p.alphas && p.alpha < p.alphas->count) || (p.betas && p.beta < p.betas->count))
        return WEIR__BREAKS(b, "has more values of activation_alpha or activation_beta than its activations take");
    return WEIR_OK;
}

static weir_status read_direction(const weir__build *b, weir__lstm *lstm)
{
    const weir__onnx_attribute *a = weir__onnx_find(b->node, "direction");
    char shown[WEIR__SHOWN];
    bool both = a && weir__text_is(a->is.s, "bidirectional"), reverse = a && weir__text_is(a->is.s, "reverse");
    if (a && !both && !reverse && !weir__text_is(a->is.s, "forward"))
        return WEIR__BREAKS(b, "has the direction %s; there are forward, reverse and bidirectional", weir__text_show(shown, a->is.s));
    lstm->directions = both ? 2 : 1;
    lstm->direction[0] = reverse ? WEIR_REVERSE : WEIR_FORWARD;
    lstm->direction[1] = WEIR_REVERSE;
    return WEIR_OK;
}

/* A number that is 0 or 1. */
static weir_status read_switch(const weir__build *b, const char *name, bool *on)
{
    int64_t value = weir__attribute_int(b, name, 0);
    *on = value == 1;
    return value == 0 || value == 1 ? WEIR_OK : WEIR__BREAKS(b, "has %lld in its attribute %s; there are 0 and 1", (long long)value, name);
}

/* lstm. */
weir_status weir__prepare_lstm(weir__build *b, weir__step *s)
{
    weir__lstm *lstm = weir__keep(b, sizeof *lstm);
    if (!lstm)
        return b->err->status;
    const weir__onnx_attribute *clip = weir__onnx_find(b->node, "clip");
    int64_t hidden = weir__attribute_int(b, "hidden_size", 0);
    if (hidden < 0 || hidden > WEIR_MAX_UNITS || (!hidden && weir__onnx_find(b->node, "hidden_size")))
        return WEIR__BREAKS(b, "has the hidden_size %lld; it must be from 1 to %d", (long long)hidden, WEIR_MAX_UNITS);
    lstm->hidden = (uint32_t)hidden;
    lstm->clip = clip ? clip->is.f : 0;
    if (clip && !(lstm->clip > 0 && isfinite(lstm->clip)))
        return WEIR__BREAKS(b, "has the clip %g; it must be a positive number", (double)lstm->clip);
    TRY(read_direction(b, lstm));
    TRY(read_functions(b, lstm));
    TRY(read_switch(b, "input_forget", &lstm->coupled));
    TRY(read_switch(b, "layout", &lstm->batch_first));
    s->s.lstm = lstm;
    return WEIR_OK;
}

/* ---- Weights ---- */

typedef struct weights {
    const weir__data *w, *r, *b, *p; /* (D, 4H, I), (D, 4H, H), (D, 8H) or NULL, (D, 3H) or NULL */
    size_t H, I;
} weights;

static bool has_shape(const weir__data *d, uint32_t rank, size_t first, size_t second, size_t third)
{
    return d->element == WEIR_FLOAT32 && d->rank == rank && d->dims[0] == first && d->dims[1] == second && (rank < 3 || d->dims[2] == third);
}

/* Finds H and I, and wants all arrays of their shapes; *what: the one at fault, and its right shape. */
static bool check_weights(const weir__lstm *lstm, weights *w, char what[96])
{
    size_t D = lstm->directions;
    w->H = w->r->rank == 3 ? w->r->dims[2] : 0;
    w->I = w->w->rank == 3 ? w->w->dims[2] : 0;
    if (!w->H || w->H > WEIR_MAX_UNITS || (lstm->hidden && lstm->hidden != w->H) || !has_shape(w->r, 3, D, 4 * w->H, w->H))
        snprintf(what, 96, "needs R of float32 and shape (%zu, 4 H, H), H %s", D, lstm->hidden ? "as hidden_size" : "up to 65536");
    else if (!w->I || w->I > WEIR_MAX_UNITS || !has_shape(w->w, 3, D, 4 * w->H, w->I))
        snprintf(what, 96, "needs W of float32 and shape (%zu, %zu, I), I up to %d", D, 4 * w->H, WEIR_MAX_UNITS);
    else if (w->b && !has_shape(w->b, 2, D, 8 * w->H, 0))
        snprintf(what, 96, "needs B of float32 and shape (%zu, %zu)", D, 8 * w->H);
    else if (w->p && !has_shape(w->p, 2, D, 3 * w->H, 0))
        snprintf(what, 96, "needs P of float32 and shape (%zu, %zu)", D, 3 * w->H);
    else
        return true;
    return false;
}

/* Blocks of `block` numbers in another order: to[order[k]] = from[k]. */
static void reorder(const float *from, size_t block, const size_t *order, size_t count, float *to)
{
    for (size_t k = 0; k < count; k++)
        memcpy(to + order[k] * block, from + k * block, block * sizeof *to);
}

/* The arrays of a model of one direction, in `room`, as the model names them; its count. */
static size_t lay_out(const weights *w, uint32_t d, float *room, weir_tensor tensors[4])
{
    size_t H = w->H, I = w->I, n = 0;
    float *bias = room + 4 * H * (I + H), *second = bias + 4 * H;
    reorder((const float *)w->w->data + d * 4 * H * I, H * I, weir__onnx_gates, WEIR__GATES, room);
    reorder((const float *)w->r->data + d * 4 * H * H, H * H, weir__onnx_gates, WEIR__GATES, room + 4 * H * I);
    if (w->b) {
        reorder((const float *)w->b->data + d * 8 * H, H, weir__onnx_gates, WEIR__GATES, bias);
        reorder((const float *)w->b->data + d * 8 * H + 4 * H, H, weir__onnx_gates, WEIR__GATES, second);
        for (size_t i = 0; i < 4 * H; i++)
            bias[i] = second[i] == 0 ? bias[i] : bias[i] + second[i];
    }
    tensors[n++] = (weir_tensor){"lstm.weight_ih_l0", 4 * H, I, room};
    tensors[n++] = (weir_tensor){"lstm.weight_hh_l0", 4 * H, H, room + 4 * H * I};
    tensors[n++] = (weir_tensor){"lstm.bias_ih_l0", 0, 4 * H, bias};
    if (w->p) {
        reorder((const float *)w->p->data + d * 3 * H, H, weir__onnx_peepholes, WEIR__PEEPHOLES, second);
        tensors[n++] = (weir_tensor){"lstm.peephole_l0", 3, H, second};
    }
    return n;
}

static weir_status make_model(const weir__lstm *lstm, const weights *w, uint32_t d, weir_isa isa, const weir_allocator *a, weir_model **out,
                              weir_error *err)
{
    weir_tensor tensors[4];
    size_t size = (4 * w->H * (w->I + w->H) + 8 * w->H) * sizeof(float); /* at most 2^36 */
    float *room = weir__alloc(a, size);
    if (!room)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for its weights");
    size_t count = lay_out(w, d, room, tensors);
    weir_config config = {.inputs = (uint32_t)w->I,
                          .hidden = (uint32_t)w->H,
                          .direction = lstm->direction[d],
                          .no_peepholes = !w->p,
                          .coupled = lstm->coupled,
                          .gate = lstm->function[d][0],
                          .candidate = lstm->function[d][1],
                          .output_activation = lstm->function[d][2],
                          .activation_clip = lstm->clip,
                          .isa = isa,
                          .allocator = a};
    weir_status status = weir_model_new(out, &config, tensors, count, err);
    weir__free(a, room, size);
    return status;
}

static weir_status make_models(const weir__lstm *lstm, const weights *w, weir_isa isa, const weir_allocator *a, weir_model *models[DIRECTIONS],
                               weir_error *err)
{
    weir_status status = WEIR_OK;
    for (uint32_t d = 0; !status && d < lstm->directions; d++)
        status = make_model(lstm, w, d, isa, a, &models[d], err);
    for (uint32_t d = 0; status && d < lstm->directions; d++) {
        weir_model_free(models[d]);
        models[d] = NULL;
    }
    return status;
}

/* ---- Loading ---- */

static bool known_or_absent(const weir__build *b, const weir__step *s, uint32_t k, const weir__data **out)
{
    int32_t slot = k < s->in_count ? s->in[k] : WEIR__ONNX_NONE;
    *out = weir__known(b, slot);
    return *out || slot == WEIR__ONNX_NONE;
}

weir_status weir__lstm_load(weir__build *b, weir__step *s)
{
    weights w = {0};
    char what[96];
    weir_error why;
    weir__lstm *lstm = s->s.lstm;
    bool known = known_or_absent(b, s, W, &w.w) && known_or_absent(b, s, R, &w.r) && known_or_absent(b, s, B, &w.b) && known_or_absent(b, s, P, &w.p);
    if (!known)
        return WEIR_OK;
    if (!check_weights(lstm, &w, what))
        return weir__fail(b->err, WEIR_E_FORMAT, "%.110s %s", s->label, what);
    weir_status status = make_models(lstm, &w, weir__build_isa(b), weir__build_allocator(b), lstm->models, &why);
    if (!status)
        return WEIR_OK;
    return weir__fail(b->err, status == WEIR_E_ARGUMENT ? WEIR_E_UNSUPPORTED : status, "%.110s cannot be run: %.120s", s->label, why.text);
}

/* ---- Running ---- */

/* The arrays of a run, in a model's order: steps first. */
typedef struct sizes {
    size_t T, B, H, D;
} sizes;

/* Rows of `n` numbers from (first, second) to (second, first). */
static void turn(const float *from, size_t first, size_t second, size_t n, float *to)
{
    for (size_t i = 0; i < first; i++)
        for (size_t j = 0; j < second; j++)
            memcpy(to + (j * first + i) * n, from + (i * second + j) * n, n * sizeof *to);
}

/* A state for all directions: (D, B, H), or (B, D, H) with the batch first. */
static weir_status check_state(const weir__run *r, const weir__step *s, uint32_t k, const sizes *z, const weir__data **out)
{
    const weir__data *d = *out = weir__in(r, s, k);
    bool first = s->s.lstm->batch_first;
    if (!d || has_shape(d, 3, first ? z->B : z->D, first ? z->D : z->B, z->H))
        return WEIR_OK;
    return weir__stop(r, s, WEIR_E_ARGUMENT, "needs an initial state of float32 and shape (%zu, %zu, %zu)", first ? z->B : z->D,
                      first ? z->D : z->B, z->H);
}

static weir_status read_lengths(const weir__run *r, const weir__step *s, const sizes *z, uint32_t *lengths)
{
    const weir__data *d = weir__in(r, s, LENGTHS);
    if (d && (d->element != WEIR_INT32 || d->rank != 1 || d->dims[0] != z->B))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "needs sequence_lens of int32 and shape (%zu)", z->B);
    for (size_t i = 0; i < z->B; i++) {
        int64_t length = d ? weir__int_at(d, i) : (int64_t)z->T;
        if (length < 0 || (uint64_t)length > z->T)
            return weir__stop(r, s, WEIR_E_ARGUMENT, "has the length %lld for row %zu; it must be from 0 to %zu", (long long)length, i, z->T);
        lengths[i] = (uint32_t)length;
    }
    return WEIR_OK;
}

/* Working arrays of a run; each a part of one block. */
typedef struct work {
    float *x;          /* (T, B, I) where the batch came first, else unused */
    float *h0, *c0;    /* (D, B, H) */
    float *y, *hn, *cn; /* (D, T, B, H), (D, B, H) */
    uint32_t *lengths; /* (B) */
    void *block;
    size_t size;
} work;

static weir_status new_work(const weir__run *r, const weir__step *s, const sizes *z, size_t I, work *w)
{
    size_t states, inputs, outputs, total;
    bool fits = weir__size_mul(&states, z->D * z->H, z->B) && weir__size_mul(&inputs, z->B * I, s->s.lstm->batch_first ? z->T : 0) &&
                weir__size_mul(&outputs, states, z->T) && weir__size_add(&total, inputs, outputs) &&
                weir__size_add(&total, total, 4 * states + z->B) && weir__size_mul(&w->size, total, sizeof(float)) && w->size <= r->room;
    if (!fits)
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "would need more memory than what is allowed for such a graph and its inputs");
    float *at = w->block = weir__alloc(r->allocator, w->size);
    if (!at)
        return weir__stop(r, s, WEIR_E_NOMEM, "has no memory to run");
    w->x = at;
    w->h0 = w->x + inputs;
    w->c0 = w->h0 + states;
    w->hn = w->c0 + states;
    w->cn = w->hn + states;
    w->y = w->cn + states;
    w->lengths = (uint32_t *)(void *)(w->y + outputs);
    return WEIR_OK;
}

/* (D, B, H), whatever comes first in the file. */
static const float *steps_first(const weir__step *s, const weir__data *state, const sizes *z, float *room)
{
    if (!state)
        return NULL;
    if (!s->s.lstm->batch_first)
        return state->data;
    turn(state->data, z->B, z->D, z->H, room);
    return room;
}

static weir_status run_directions(const weir__run *r, const weir__step *s, weir_model *const models[DIRECTIONS], const sizes *z, const work *w,
                                  const float *x, const float *h0, const float *c0)
{
    size_t state = z->B * z->H;
    weir_error why;
    for (size_t d = 0; d < z->D; d++) {
        weir_batch batch = {.steps = z->T, .rows = z->B, .x = x, .lengths = w->lengths, .h0 = h0 ? h0 + d * state : NULL,
                            .c0 = c0 ? c0 + d * state : NULL};
        weir_status status =
            weir_model_run(models[d], &batch, w->y + d * z->T * state, w->hn + d * state, w->cn + d * state, r->parallel, &why);
        if (status)
            return weir__stop(r, s, status, "cannot be run: %.120s", why.text);
    }
    return WEIR_OK;
}

/* A row without steps ends in zeros, as in ONNX Runtime, even if it was given a state. */
static void clear_empty_rows(const sizes *z, const work *w)
{
    for (size_t i = 0; i < z->D * z->B; i++)
        if (!w->lengths[i % z->B]) {
            memset(w->hn + i * z->H, 0, z->H * sizeof *w->hn);
            memset(w->cn + i * z->H, 0, z->H * sizeof *w->cn);
        }
}

/* (D, T, B, H) to (T, D, B, H), or to (B, T, D, H). */
static void place_outputs(const sizes *z, const float *y, bool batch_first, float *to)
{
    for (size_t d = 0; d < z->D; d++)
        for (size_t t = 0; t < z->T; t++)
            for (size_t b = 0; b < z->B; b++) {
                size_t place = batch_first ? (b * z->T + t) * z->D + d : (t * z->D + d) * z->B + b;
                memcpy(to + place * z->H, y + ((d * z->T + t) * z->B + b) * z->H, z->H * sizeof *to);
            }
}

static weir_status give_state(weir__run *r, const weir__step *s, uint32_t k, const sizes *z, const float *state)
{
    bool first = s->s.lstm->batch_first;
    const size_t dims[] = {first ? z->B : z->D, first ? z->D : z->B, z->H};
    if (!weir__wants(s, k))
        return WEIR_OK;
    TRY(weir__make(r, s, k, WEIR_FLOAT32, 3, dims));
    turn(state, first ? z->D : 1, first ? z->B : z->D * z->B, z->H, weir__out(r, s, k)->data);
    return WEIR_OK;
}

static weir_status give_outputs(weir__run *r, const weir__step *s, const sizes *z, const work *w)
{
    bool first = s->s.lstm->batch_first;
    const size_t steps_outside[] = {z->T, z->D, z->B, z->H}, rows_outside[] = {z->B, z->T, z->D, z->H};
    if (weir__wants(s, Y)) {
        TRY(weir__make(r, s, Y, WEIR_FLOAT32, 4, first ? rows_outside : steps_outside));
        place_outputs(z, w->y, first, weir__out(r, s, Y)->data);
    }
    TRY(give_state(r, s, Y_H, z, w->hn));
    return give_state(r, s, Y_C, z, w->cn);
}

static weir_status run_models(weir__run *r, const weir__step *s, weir_model *const models[DIRECTIONS], const sizes *z)
{
    const weir__data *x = weir__in(r, s, X), *h0, *c0;
    size_t I = weir_model_config(models[0])->inputs;
    work w;
    TRY(check_state(r, s, H0, z, &h0));
    TRY(check_state(r, s, C0, z, &c0));
    TRY(new_work(r, s, z, I, &w));
    weir_status status = read_lengths(r, s, z, w.lengths);
    const float *input = x->data;
    if (!status && s->s.lstm->batch_first) {
        turn(x->data, z->B, z->T, I, w.x);
        input = w.x;
    }
    if (!status && z->T && z->B)
        status = run_directions(r, s, models, z, &w, input, steps_first(s, h0, z, w.h0), steps_first(s, c0, z, w.c0));
    if (!status) {
        clear_empty_rows(z, &w);
        status = give_outputs(r, s, z, &w);
    }
    weir__free(r->allocator, w.block, w.size);
    return status;
}

weir_status weir__run_lstm(weir__run *r, const weir__step *s)
{
    weir__lstm *lstm = s->s.lstm;
    weir_model *made[DIRECTIONS] = {NULL, NULL}, **models = lstm->models;
    const weir__data *x = weir__in(r, s, X);
    char what[96];
    weir_error why;
    if (!lstm->models[0]) {
        weights w = {weir__in(r, s, W), weir__in(r, s, R), weir__in(r, s, B), weir__in(r, s, P), 0, 0};
        if (!check_weights(lstm, &w, what))
            return weir__stop(r, s, WEIR_E_ARGUMENT, "%s", what);
        weir_status status = make_models(lstm, &w, r->isa, r->allocator, made, &why);
        if (status)
            return weir__stop(r, s, status, "cannot be run: %.120s", why.text);
        models = made;
    }
    const weir_config *c = weir_model_config(models[0]);
    weir_status status = WEIR_OK;
    if (x->element != WEIR_FLOAT32 || x->rank != 3 || x->dims[2] != c->inputs)
        status = weir__stop(r, s, WEIR_E_ARGUMENT, "needs X of float32, three dimensions, the last of them %u", (unsigned)c->inputs);
    else if (x->dims[0] > UINT32_MAX || x->dims[1] > UINT32_MAX)
        status = weir__stop(r, s, WEIR_E_ARGUMENT, "has more steps or rows than can be counted");
    if (!status) {
        bool first = lstm->batch_first;
        sizes z = {x->dims[first], x->dims[!first], c->hidden, lstm->directions};
        status = run_models(r, s, models, &z);
    }
    weir_model_free(made[0]);
    weir_model_free(made[1]);
    return status;
}
