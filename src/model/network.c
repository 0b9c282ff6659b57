/* SPDX-License-Identifier: MIT */
#include "network.h"

#include "narrow.h"
#include "pack.h"

#include <string.h>

/* ---- Places of the packed arrays ---- */

static const struct weir__param *find(const struct weir__network *net, enum weir__param_kind kind, size_t layer, size_t d)
{
    return weir__params_find(&net->params, kind, layer, d);
}

/* Adds an array to the list, and gives its place; NULL while sizes are only being counted. */
static const void *add(struct weir__network *net, struct weir__packed a)
{
    a.at = net->packed_size;
    net->arrays[net->array_count++] = a;
    net->packed_size += weir__packed_size(net->k, &a);
    return net->packed ? weir__at(net->k, net->packed, a.at) : NULL;
}

static const void *add_matrix(struct weir__network *net, const struct weir__param *w, uint32_t hidden)
{
    return add(net, (struct weir__packed){.shape = WEIR__MATRIX, .v = w, .hidden = hidden, .form = weir__form_of(&net->config, w)});
}

static const void *add_transposed(struct weir__network *net, const struct weir__param *w, uint32_t hidden)
{
    return add(net, (struct weir__packed){.shape = WEIR__TRANSPOSED, .v = w, .hidden = hidden});
}

static const void *add_slots(struct weir__network *net, const struct weir__param *v, uint32_t hidden, uint16_t groups, uint16_t slots)
{
    return add(net, (struct weir__packed){.shape = WEIR__UNIT_SLOTS, .v = v, .hidden = hidden, .groups = groups, .slots = slots});
}

static const void *add_vector(struct weir__network *net, const struct weir__param *v)
{
    return add(net, (struct weir__packed){.shape = WEIR__VECTOR, .v = v});
}


static void place_lstm(struct weir__network *net, size_t layer, size_t d)
{
    struct weir__lstm *l = net->lstm + layer * weir__directions(&net->config) + d;
    uint32_t H = net->config.hidden;
    l->wx = add_matrix(net, find(net, WEIR__WEIGHT_IH, layer, d), H);
    l->wh = add_matrix(net, find(net, WEIR__WEIGHT_HH, layer, d), H);
    l->bias = add(net, (struct weir__packed){.shape = WEIR__GATES, .v = find(net, WEIR__BIAS, layer, d), .hidden = H});
    if (l->peepholes)
        l->peephole = add_slots(net, find(net, WEIR__PEEPHOLE, layer, d), H, 3, 3);
    if (weir__cell_has_slopes(&net->config))
        l->slope = add_slots(net, find(net, WEIR__SLOPE, layer, d), H, 5, WEIR__SLOPES / WEIR__UNITS);
    if (l->project)
        l->wr = add_matrix(net, find(net, WEIR__WEIGHT_HR, layer, d), 0);
}

static void place_lstm_transposed(struct weir__network *net, size_t layer, size_t d)
{
    struct weir__lstm *l = net->lstm + layer * weir__directions(&net->config) + d;
    uint32_t H = net->config.hidden;
    if (layer > 0 || (net->uses & WEIR__FOR_INPUT && !l->tokens))
        l->wx_t = add_transposed(net, find(net, WEIR__WEIGHT_IH, layer, d), H);
    l->wh_t = add_transposed(net, find(net, WEIR__WEIGHT_HH, layer, d), H);
    if (l->project)
        l->wr_t = add_transposed(net, find(net, WEIR__WEIGHT_HR, layer, d), 0);
}

static void place_dense(struct weir__network *net, size_t i)
{
    struct weir__dense *d = net->head + i;
    d->w = add_matrix(net, find(net, WEIR__DENSE_WEIGHT, i, 0), 0);
    d->bias = add_vector(net, find(net, WEIR__DENSE_BIAS, i, 0));
    if (d->activation.id == WEIR_PRELU)
        d->slope = add_vector(net, find(net, WEIR__DENSE_SLOPE, i, 0));
}

/* Lists all packed arrays; with net->packed set, points the layers at them. */
static void place_all(struct weir__network *net)
{
    size_t D = weir__directions(&net->config), L = net->config.layers, heads = weir__dense_count(&net->config);
    net->array_count = net->packed_size = 0;
    for (size_t layer = 0; layer < L; layer++)
        for (size_t d = 0; d < D; d++)
            place_lstm(net, layer, d);
    for (size_t i = 0; i < heads; i++)
        place_dense(net, i);
    net->forward_count = net->array_count;
    net->forward_size = net->packed_size;
    bool transposed = net->uses & WEIR__FOR_GRADIENTS;
    for (size_t layer = 0; transposed && layer < L; layer++)
        for (size_t d = 0; d < D; d++)
            place_lstm_transposed(net, layer, d);
    for (size_t i = 0; transposed && i < heads; i++)
        net->head[i].w_t = add_transposed(net, find(net, WEIR__DENSE_WEIGHT, i, 0), 0);
}

static void describe_layers(struct weir__network *net)
{
    const weir_config *c = &net->config;
    size_t D = weir__directions(c);
    for (size_t i = 0; i < c->layers * D; i++)
        net->lstm[i] = (struct weir__lstm){
            .inputs = weir__layer_inputs(c, i / D),
            .hidden = c->hidden,
            .projected = weir__projected(c),
            .panels = (c->hidden + WEIR__UNITS - 1) / WEIR__UNITS,
            .tokens = c->tokens && i / D == 0,
            .peepholes = !c->no_peepholes,
            .no_forget_gate = c->no_forget_gate,
            .coupled = c->coupled,
            .project = c->projection > 0,
            .form = weir__form_held(net->k, c->weights),
            .gate = c->gate,
            .candidate = c->candidate,
            .output = c->output_activation,
            .activation_clip = (double)c->activation_clip,
            .cell_clip = (double)c->cell_clip,
        };
    for (size_t i = 0; i < weir__dense_count(c); i++)
        net->head[i] = (struct weir__dense){
            .inputs = weir__dense_inputs(c, i),
            .units = weir__dense_units(c, i),
            .form = weir__form_held(net->k, weir__form_of(c, find(net, WEIR__DENSE_WEIGHT, i, 0))),
            .activation = i < c->dense_layers ? c->dense[i].activation : (weir_activation){.id = WEIR_IDENTITY},
        };
}

/* 1 for each unit, 0 for the padding of the last panel, behind the packed weights. */
static void place_keep(struct weir__network *net)
{
    static const float one = 1.0f;
    void *keep = weir__at(net->k, net->packed, net->packed_size);
    for (size_t i = 0; i < net->config.hidden; i++)
        net->k->from_float(1, &one, weir__at(net->k, keep, i));
    for (size_t i = 0; i < net->config.layers * weir__directions(&net->config); i++)
        net->lstm[i].keep = keep;
}

size_t weir__network_packed_bytes(const struct weir__network *net)
{
    return (net->packed_size + weir__round_up(net->config.hidden, WEIR__UNITS)) * net->k->real_size;
}

static size_t lstm_bytes(const struct weir__network *net)
{
    return net->config.layers * weir__directions(&net->config) * sizeof *net->lstm;
}

static size_t array_bytes(const struct weir__network *net)
{
    size_t lanes = net->config.layers * weir__directions(&net->config), of_lane = 6, of_head = 3; /* at most */
    if (net->uses & WEIR__FOR_GRADIENTS) {
        of_lane += 3;
        of_head++;
    }
    return (of_lane * lanes + of_head * weir__dense_count(&net->config)) * sizeof *net->arrays;
}

size_t weir__network_bytes(const struct weir__network *net)
{
    return weir__network_packed_bytes(net) + lstm_bytes(net) + array_bytes(net) + net->params.count * sizeof *net->params.list;
}

static weir_status refuse(struct weir__network *net, weir_error *err)
{
    size_t weights = net->params.weights;
    weir__network_free(net);
    return weir__fail(err, WEIR_E_NOMEM, "no memory for the network's %zu weights", weights);
}

weir_status weir__network_plan(struct weir__network *net, const weir_config *resolved, const struct weir__kernels *k, unsigned uses,
                               weir_error *err)
{
    *net = (struct weir__network){.k = k, .config = *resolved, .uses = uses};
    net->allocator = weir__allocator(resolved->allocator);
    const weir_allocator *a = &net->allocator;
    weir_status status = weir__params_new(&net->params, resolved, a, err);
    if (status) {
        net->k = NULL;
        return status;
    }
    net->lstm = weir__alloc(a, lstm_bytes(net));
    net->arrays = weir__alloc(a, array_bytes(net));
    if (!net->lstm || !net->arrays)
        return refuse(net, err);
    describe_layers(net);
    place_all(net);
    return WEIR_OK;
}

weir_status weir__network_new(struct weir__network *net, const weir_config *resolved, const struct weir__kernels *k, unsigned uses,
                              weir_error *err)
{
    TRY(weir__network_plan(net, resolved, k, uses, err));
    net->packed = weir__alloc(&net->allocator, weir__network_packed_bytes(net));
    if (!net->packed)
        return refuse(net, err);
    place_all(net);
    place_keep(net);
    return WEIR_OK;
}

void weir__network_free(struct weir__network *net)
{
    if (!net->k)
        return;
    const weir_allocator *a = &net->allocator;
    weir__free(a, net->packed, weir__network_packed_bytes(net));
    weir__free(a, net->arrays, array_bytes(net));
    weir__free(a, net->lstm, lstm_bytes(net));
    weir__params_free(&net->params, a);
    net->k = NULL;
}

/* ---- Between arrays and tensors ---- */

void weir__network_set(struct weir__network *net, const float *const *tensors)
{
    for (size_t i = 0; i < net->forward_count; i++) {
        const struct weir__packed *a = net->arrays + i;
        weir__packed_write(net->k, a, tensors[a->v - net->params.list], weir__at(net->k, net->packed, a->at));
    }
}

void weir__network_get(const struct weir__network *net, size_t index, float *out)
{
    for (size_t i = 0; i < net->forward_count; i++) {
        const struct weir__packed *a = net->arrays + i;
        if (a->v == net->params.list + index)
            weir__packed_read(net->k, a, weir__at(net->k, net->packed, a->at), out);
    }
}

/* Between one array of all tensors and the packed ones, or between an array for each tensor and these. */
struct pack_job {
    const struct weir__network *net;
    size_t parts; /* of each array */
    const void *from, *const *from_each;
    void *to, *const *to_each;
};

static void pack_part(void *arg, size_t i)
{
    const struct pack_job *job = arg;
    const struct weir__kernels *k = job->net->k;
    const struct weir__packed *a = job->net->arrays + i / job->parts;
    const void *from = job->from_each ? job->from_each[a->v - job->net->params.list] : weir__at(k, job->from, a->v->offset);
    weir__pack(k, a, from, weir__at(k, job->to, a->at), i % job->parts, job->parts);
}

static void unpack_part(void *arg, size_t i)
{
    const struct pack_job *job = arg;
    const struct weir__kernels *k = job->net->k;
    const struct weir__packed *a = job->net->arrays + i / job->parts;
    void *to = job->to_each ? job->to_each[a->v - job->net->params.list] : weir__at(k, job->to, a->v->offset);
    if (to)
        weir__unpack(k, a, weir__at(k, job->from, a->at), to, i % job->parts, job->parts);
}

/* The threads, if there are weights enough to be worth another's waking. */
static const weir_parallel *packers(const struct weir__network *net, const weir_parallel *parallel)
{
    enum { LEAST_WEIGHTS = 1 << 16 };
    return net->params.weights < LEAST_WEIGHTS ? NULL : parallel;
}

static void pack(struct pack_job job, const weir_parallel *parallel)
{
    parallel = packers(job.net, parallel);
    job.parts = weir__parallel_threads(parallel);
    weir__parallel_for(parallel, job.net->array_count * job.parts, pack_part, &job);
}

static void unpack(struct pack_job job, const weir_parallel *parallel)
{
    parallel = packers(job.net, parallel);
    job.parts = weir__parallel_threads(parallel);
    weir__parallel_for(parallel, job.net->forward_count * job.parts, unpack_part, &job);
}

void weir__network_pack(struct weir__network *net, const void *weights, const weir_parallel *parallel)
{
    pack((struct pack_job){.net = net, .from = weights, .to = net->packed}, parallel);
}

void weir__network_pack_each(struct weir__network *net, const void *const *tensors, const weir_parallel *parallel)
{
    pack((struct pack_job){.net = net, .from_each = tensors, .to = net->packed}, parallel);
}

void weir__network_unpack(const struct weir__network *net, const void *packed, void *weights, const weir_parallel *parallel)
{
    unpack((struct pack_job){.net = net, .from = packed, .to = weights}, parallel);
}

void weir__network_unpack_each(const struct weir__network *net, const void *packed, void *const *tensors, const weir_parallel *parallel)
{
    unpack((struct pack_job){.net = net, .from = packed, .to_each = tensors}, parallel);
}
