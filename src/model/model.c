/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <math.h>
#include <string.h>

#include "init.h"
#include "narrow.h"

static weir_status check_tensor(const struct weir__param *p, const weir_tensor *t, weir_weights form, weir_error *err)
{
    if (t->rows != p->rows || t->cols != p->cols)
        return weir__fail(err, WEIR_E_ARGUMENT, "tensor %s has shape (%zu, %zu), but must have (%zu, %zu)", p->name, t->rows, t->cols,
                          p->rows, p->cols);
    if (!t->data)
        return weir__fail(err, WEIR_E_ARGUMENT, "tensor %s has no data", p->name);
    float most = weir__largest_weight(form);
    for (size_t i = 0; i < p->count; i++)
        if (!isfinite(t->data[i]))
            return weir__fail(err, WEIR_E_NONFINITE, "tensor %s holds a NaN or an infinity at place %zu", p->name, i);
        else if (fabsf(t->data[i]) > most)
            return weir__fail(err, WEIR_E_ARGUMENT, "tensor %s holds %g at place %zu, too large for narrow weights", p->name,
                              (double)t->data[i], i);
    return WEIR_OK;
}

static const weir_tensor *find_tensor(const weir_tensor *tensors, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(tensors[i].name, name, sizeof tensors[i].name) == 0)
            return tensors + i;
    return NULL;
}

/* The caller's tensors in the order of the list. */
static weir_status sort_tensors(const struct weir__params *ps, const weir_tensor *tensors, size_t count, const weir_config *config,
                                const float **sorted, weir_error *err)
{
    for (size_t i = 0; i < ps->count; i++) {
        const weir_tensor *t = find_tensor(tensors, count, ps->list[i].name);
        if (!t)
            return weir__fail(err, WEIR_E_ARGUMENT, "tensor %s is missing", ps->list[i].name);
        weir_status status = check_tensor(ps->list + i, t, weir__form_of(config, ps->list + i), err);
        if (status)
            return status;
        sorted[i] = t->data;
    }
    if (count != ps->count)
        return weir__fail(err, WEIR_E_ARGUMENT, "%zu tensors were given, but this configuration has just %zu", count, ps->count);
    return WEIR_OK;
}

static weir_status set_weights(weir_model *m, const weir_tensor *tensors, size_t count, weir_error *err)
{
    const weir_allocator *a = &m->allocator;
    const struct weir__params *ps = &m->net.params;
    const float **sorted = weir__alloc(a, ps->count * sizeof *sorted);
    float *fresh = tensors ? NULL : weir__alloc(a, ps->size * sizeof *fresh);
    weir_status status;
    if (!sorted || (!tensors && !fresh))
        status = weir__fail(err, WEIR_E_NOMEM, "no memory for %zu weights", ps->weights);
    else if (tensors)
        status = sort_tensors(ps, tensors, count, &m->config, sorted, err);
    else {
        status = weir__init_weights(&m->config, ps, fresh, a, err);
        for (size_t i = 0; i < ps->count; i++)
            sorted[i] = fresh + ps->list[i].offset;
    }
    if (!status)
        weir__network_set(&m->net, sorted);
    weir__free(a, fresh, ps->size * sizeof *fresh);
    weir__free(a, sorted, ps->count * sizeof *sorted);
    return status;
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
    weir_status status = weir__network_new(&m->net, &m->config, k, 0, err);
    return status ? status : set_weights(m, tensors, count, err);
}

weir_status weir_model_new(weir_model **out, const weir_config *config, const weir_tensor *tensors, size_t count, weir_error *err)
{
    *out = NULL;
    weir_config resolved;
    weir_status status = weir__config_resolve(config, &resolved, err);
    if (status)
        return status;
    const struct weir__kernels *k = weir__kernels_for_units(resolved.isa, resolved.hidden);
    if (!k)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "this CPU or this build has no %s; use \"best\"", weir_isa_name(resolved.isa));
    resolved.isa = k->isa;
    if (resolved.weights == WEIR_WEIGHTS_INT8 && k->isa == WEIR_ISA_REF64)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "weights of 8 bits have no reference in double precision; use another instruction set");
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

/* All tensors, with their numbers in `room`. */
static void read_tensors(const weir_model *m, weir_tensor *tensors, float *room)
{
    const struct weir__params *ps = &m->net.params;
    for (size_t i = 0; i < ps->count; i++) {
        float *data = room + ps->list[i].offset;
        weir_model_weights(m, i, data);
        tensors[i] = weir_model_tensor(m, i);
        tensors[i].data = data;
    }
}

weir_status weir_model_convert(weir_model **out, const weir_model *m, weir_weights weights, weir_error *err)
{
    *out = NULL;
    const weir_allocator *a = &m->allocator;
    const struct weir__params *ps = &m->net.params;
    size_t size, list_size = ps->count * sizeof(weir_tensor);
    bool fits = weir__size_mul(&size, ps->size, sizeof(float)); /* a narrow model may be one that memory could not hold in floats */
    weir_tensor *tensors = fits ? weir__alloc(a, list_size) : NULL;
    float *room = tensors ? weir__alloc(a, size) : NULL;
    weir_status status;
    if (room) {
        read_tensors(m, tensors, room);
        weir_config config = m->config;
        config.weights = weights;
        status = weir_model_new(out, &config, tensors, ps->count, err);
        weir__free(a, room, size);
    } else
        status = weir__fail(err, WEIR_E_NOMEM, "no memory for a copy of the weights");
    weir__free(a, tensors, list_size);
    return status;
}

void weir_model_free(weir_model *m)
{
    if (!m)
        return;
    weir_allocator a = m->allocator;
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
    return weir__param_tensor(m->net.params.list + index);
}

void weir_model_weights(const weir_model *m, size_t index, float *out)
{
    weir__network_get(&m->net, index, out);
}

size_t weir_model_outputs(const weir_model *m)
{
    return weir__output_values(&m->config);
}

size_t weir_model_parameters(const weir_model *m)
{
    return m->net.params.weights;
}

size_t weir_model_memory(const weir_model *m, size_t *weights)
{
    if (weights)
        *weights = weir__network_packed_bytes(&m->net);
    return sizeof *m + strlen(m->notes) + 1 + weir__network_bytes(&m->net);
}
