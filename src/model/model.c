/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <math.h>
#include <string.h>

#include "init.h"

static weir_status copy_tensor(const struct weir__param *p, const weir_tensor *t, float *weights, weir_error *err)
{
    if (t->rows != p->rows || t->cols != p->cols)
        return weir__fail(err, WEIR_E_ARGUMENT, "tensor %s has shape (%zu, %zu), but must have (%zu, %zu)", p->name, t->rows, t->cols,
                          p->rows, p->cols);
    if (!t->data)
        return weir__fail(err, WEIR_E_ARGUMENT, "tensor %s has no data", p->name);
    for (size_t i = 0; i < p->count; i++)
        if (!isfinite(t->data[i]))
            return weir__fail(err, WEIR_E_NONFINITE, "tensor %s holds a NaN or an infinity at place %zu", p->name, i);
    memcpy(weights + p->offset, t->data, p->count * sizeof *weights);
    return WEIR_OK;
}

static const weir_tensor *find_tensor(const weir_tensor *tensors, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(tensors[i].name, name, sizeof tensors[i].name) == 0)
            return tensors + i;
    return NULL;
}

static weir_status copy_tensors(const struct weir__params *ps, const weir_tensor *tensors, size_t count, float *weights, weir_error *err)
{
    for (size_t i = 0; i < ps->count; i++) {
        const weir_tensor *t = find_tensor(tensors, count, ps->list[i].name);
        if (!t)
            return weir__fail(err, WEIR_E_ARGUMENT, "tensor %s is missing", ps->list[i].name);
        weir_status status = copy_tensor(ps->list + i, t, weights, err);
        if (status)
            return status;
    }
    if (count != ps->count)
        return weir__fail(err, WEIR_E_ARGUMENT, "%zu tensors were given, but this configuration has just %zu", count, ps->count);
    return WEIR_OK;
}

weir_status weir__model_pack(struct weir__network *net, const float *weights, weir_error *err)
{
    const struct weir__kernels *k = net->k;
    size_t n = net->params.size, bytes;
    if (k->real_size == sizeof *weights) {
        weir__network_pack(net, weights, NULL);
        return WEIR_OK;
    }
    void *wide = weir__size_mul(&bytes, n, k->real_size) ? weir__alloc(&net->allocator, bytes) : NULL;
    if (!wide)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for the weights in double precision");
    k->from_float(n, weights, wide);
    weir__network_pack(net, wide, NULL);
    weir__free(&net->allocator, wide, bytes);
    return WEIR_OK;
}

static weir_status build(weir_model *m, const struct weir__kernels *k, const weir_tensor *tensors, size_t count, weir_error *err)
{
    const weir_allocator *a = &m->allocator;
    size_t notes = strlen(m->config.notes) + 1;
    m->notes = weir__alloc(a, notes);
    if (!m->notes)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for the notes");
    memcpy(m->notes, m->config.notes, notes);
    m->config.notes = m->notes;
    m->config.allocator = &m->allocator;
    weir_status status = weir__network_new(&m->net, &m->config, k, false, err);
    if (status)
        return status;
    m->weights = weir__alloc(a, m->net.params.size * sizeof *m->weights);
    if (!m->weights)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for %zu weights", m->net.params.weights);
    status = tensors ? copy_tensors(&m->net.params, tensors, count, m->weights, err)
                     : weir__init_weights(&m->config, &m->net.params, m->weights, a, err);
    return status ? status : weir__model_pack(&m->net, m->weights, err);
}

weir_status weir_model_new(weir_model **out, const weir_config *config, const weir_tensor *tensors, size_t count, weir_error *err)
{
    *out = NULL;
    weir_config resolved;
    weir_status status = weir__config_resolve(config, &resolved, err);
    if (status)
        return status;
    const struct weir__kernels *k = weir__kernels_for(resolved.isa);
    if (!k)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "this CPU or this build has no %s; use \"best\"", weir_isa_name(resolved.isa));
    resolved.isa = k->isa;
    weir_allocator a = weir__allocator(config->allocator);
    weir_model *m = weir__alloc(&a, sizeof *m);
    if (!m)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for a model");
    m->allocator = a;
    m->config = resolved;
    status = build(m, k, tensors, count, err);
    if (status) {
        weir_model_free(m);
        return status;
    }
    *out = m;
    return weir__ok(err);
}

void weir_model_free(weir_model *m)
{
    if (!m)
        return;
    weir_allocator a = m->allocator;
    if (m->weights)
        weir__free(&a, m->weights, m->net.params.size * sizeof *m->weights);
    weir__network_free(&m->net);
    if (m->notes)
        weir__free(&a, m->notes, strlen(m->notes) + 1);
    weir__free(&a, m, sizeof *m);
}

const weir_config *weir_model_config(const weir_model *m)
{
    return &m->config;
}

size_t weir_model_tensor_count(const weir_model *m)
{
    return m->net.params.count;
}

weir_tensor weir_model_tensor(const weir_model *m, size_t index)
{
    const struct weir__param *p = m->net.params.list + index;
    weir_tensor t = {.rows = p->rows, .cols = p->cols, .data = m->weights + p->offset};
    memcpy(t.name, p->name, sizeof t.name);
    return t;
}

size_t weir_model_outputs(const weir_model *m)
{
    return weir__output_values(&m->config);
}

size_t weir_model_parameters(const weir_model *m)
{
    return m->net.params.weights;
}
