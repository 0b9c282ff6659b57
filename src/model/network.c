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

/* The place of a packed array; NULL while sizes are only being counted. */
static const void *place(const struct weir__network *net, size_t position)
{
    return net->packed ? weir__at(net->k, net->packed, position) : NULL;
}

/* The place of a matrix in its form. */
static const void *place_matrix(const struct weir__network *net, struct weir__packer *p, const struct weir__param *w, size_t hidden)
{
    return place(net, weir__pack_matrix(p, w, hidden, weir__form_of(&net->config, w)));
}

static void place_lstm(struct weir__network *net, struct weir__packer *p, size_t layer, size_t d)
{
    struct weir__lstm *l = net->lstm + layer * weir__directions(&net->config) + d;
    size_t H = l->hidden;
    l->wx = place_matrix(net, p, find(net, WEIR__WEIGHT_IH, layer, d), H);
    l->wh = place_matrix(net, p, find(net, WEIR__WEIGHT_HH, layer, d), H);
    l->bias = place(net, weir__pack_bias(p, find(net, WEIR__BIAS, layer, d), H));
    if (l->peepholes)
        l->peephole = place(net, weir__pack_units(p, find(net, WEIR__PEEPHOLE, layer, d), 3, H, 3));
    if (weir__cell_has_slopes(&net->config))
        l->slope = place(net, weir__pack_units(p, find(net, WEIR__SLOPE, layer, d), 5, H, WEIR__SLOPES / WEIR__UNITS));
    if (l->project)
        l->wr = place_matrix(net, p, find(net, WEIR__WEIGHT_HR, layer, d), 0);
}

static void place_lstm_transposed(struct weir__network *net, struct weir__packer *p, size_t layer, size_t d)
{
    struct weir__lstm *l = net->lstm + layer * weir__directions(&net->config) + d;
    if (layer > 0)
        l->wx_t = place(net, weir__pack_transposed(p, find(net, WEIR__WEIGHT_IH, layer, d), l->hidden));
    l->wh_t = place(net, weir__pack_transposed(p, find(net, WEIR__WEIGHT_HH, layer, d), l->hidden));
    if (l->project)
        l->wr_t = place(net, weir__pack_transposed(p, find(net, WEIR__WEIGHT_HR, layer, d), 0));
}

static void place_dense(struct weir__network *net, struct weir__packer *p, size_t i)
{
    struct weir__dense *d = net->head + i;
    d->w = place_matrix(net, p, find(net, WEIR__DENSE_WEIGHT, i, 0), 0);
    d->bias = place(net, weir__pack_columns(p, find(net, WEIR__DENSE_BIAS, i, 0)));
    if (d->activation.id == WEIR_PRELU)
        d->slope = place(net, weir__pack_columns(p, find(net, WEIR__DENSE_SLOPE, i, 0)));
}

/* Walks over all packed arrays; with net->packed set, points the layers at them. */
static void place_all(struct weir__network *net, struct weir__packer *p)
{
    size_t D = weir__directions(&net->config), L = net->config.layers, heads = weir__dense_count(&net->config);
    for (size_t layer = 0; layer < L; layer++)
        for (size_t d = 0; d < D; d++)
            place_lstm(net, p, layer, d);
    for (size_t i = 0; i < heads; i++)
        place_dense(net, p, i);
    net->forward_size = p->at;
    if (net->transposed) {
        for (size_t layer = 0; layer < L; layer++)
            for (size_t d = 0; d < D; d++)
                place_lstm_transposed(net, p, layer, d);
        for (size_t i = 0; i < heads; i++)
            net->head[i].w_t = place(net, weir__pack_transposed(p, find(net, WEIR__DENSE_WEIGHT, i, 0), 0));
    }
    net->packed_size = p->at;
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

static size_t packed_bytes(const struct weir__network *net)
{
    return (net->packed_size + weir__round_up(net->config.hidden, WEIR__UNITS)) * net->k->real_size;
}

static size_t map_bytes(const struct weir__network *net)
{
    return net->packed_size * sizeof *net->map;
}

static size_t lstm_bytes(const struct weir__network *net)
{
    return net->config.layers * weir__directions(&net->config) * sizeof *net->lstm;
}

size_t weir__network_packed_bytes(const struct weir__network *net)
{
    return packed_bytes(net) + (net->transposed ? map_bytes(net) : 0);
}

size_t weir__network_bytes(const struct weir__network *net)
{
    return weir__network_packed_bytes(net) + lstm_bytes(net) + net->params.count * sizeof *net->params.list;
}

static weir_status refuse(struct weir__network *net, weir_error *err)
{
    size_t weights = net->params.weights;
    weir__network_free(net);
    return weir__fail(err, WEIR_E_NOMEM, "no memory for the network's %zu weights", weights);
}

weir_status weir__network_plan(struct weir__network *net, const weir_config *resolved, const struct weir__kernels *k, bool training,
                               weir_error *err)
{
    *net = (struct weir__network){.k = k, .config = *resolved, .transposed = training};
    net->allocator = weir__allocator(resolved->allocator);
    const weir_allocator *a = &net->allocator;
    weir_status status = weir__params_new(&net->params, resolved, a, err);
    if (status) {
        net->k = NULL;
        return status;
    }
    net->lstm = weir__alloc(a, lstm_bytes(net));
    if (!net->lstm)
        return refuse(net, err);
    describe_layers(net);
    place_all(net, &(struct weir__packer){.mode = WEIR__PACK_COUNT, .k = k});
    return WEIR_OK;
}

weir_status weir__network_new(struct weir__network *net, const weir_config *resolved, const struct weir__kernels *k, bool training,
                              weir_error *err)
{
    TRY(weir__network_plan(net, resolved, k, training, err));
    net->packed = weir__alloc(&net->allocator, packed_bytes(net));
    net->map = net->packed && training ? weir__alloc(&net->allocator, map_bytes(net)) : NULL;
    if (!net->packed || (training && !net->map))
        return refuse(net, err);
    place_all(net, &(struct weir__packer){.mode = training ? WEIR__PACK_MAP : WEIR__PACK_COUNT, .k = k, .map = net->map});
    place_keep(net);
    return WEIR_OK;
}

void weir__network_free(struct weir__network *net)
{
    if (!net->k)
        return;
    const weir_allocator *a = &net->allocator;
    weir__free(a, net->map, map_bytes(net));
    weir__free(a, net->packed, packed_bytes(net));
    weir__free(a, net->lstm, lstm_bytes(net));
    weir__params_free(&net->params, a);
    net->k = NULL;
}

struct pack_job {
    const struct weir__network *net;
    size_t size; /* places */
    const void *from;
    void *to;
};

enum { PACK_PIECE = 1 << 15 };

static size_t piece_size(const struct pack_job *job, size_t at)
{
    return job->size - at < PACK_PIECE ? job->size - at : PACK_PIECE;
}

static void pack_piece(void *arg, size_t i)
{
    const struct pack_job *job = arg;
    const struct weir__kernels *k = job->net->k;
    size_t at = i * PACK_PIECE;
    k->gather(piece_size(job, at), job->from, job->net->map + at, weir__at(k, job->to, at));
}

static void unpack_piece(void *arg, size_t i)
{
    const struct pack_job *job = arg;
    const struct weir__kernels *k = job->net->k;
    size_t at = i * PACK_PIECE;
    k->scatter(piece_size(job, at), weir__at(k, job->from, at), job->net->map + at, job->to);
}

void weir__network_pack(struct weir__network *net, const void *weights, const weir_parallel *parallel)
{
    struct pack_job job = {net, net->packed_size, weights, net->packed};
    weir__parallel_for(parallel, (job.size + PACK_PIECE - 1) / PACK_PIECE, pack_piece, &job);
}

void weir__network_unpack(const struct weir__network *net, const void *packed, void *weights, const weir_parallel *parallel)
{
    struct pack_job job = {net, net->forward_size, packed, weights};
    weir__parallel_for(parallel, (job.size + PACK_PIECE - 1) / PACK_PIECE, unpack_piece, &job);
}

void weir__network_set(struct weir__network *net, const float *const *tensors)
{
    place_all(net, &(struct weir__packer){
                       .mode = WEIR__PACK_WRITE, .k = net->k, .params = &net->params, .packed = net->packed, .from = tensors});
}

void weir__network_get(const struct weir__network *net, size_t index, float *out)
{
    struct weir__network view = *net; /* placing the arrays anew finds them where they are */
    const struct weir__param *only = net->params.list + index;
    place_all(&view, &(struct weir__packer){.mode = WEIR__PACK_READ, .k = net->k, .packed = net->packed, .only = only, .to = out});
}
