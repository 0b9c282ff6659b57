/* SPDX-License-Identifier: MIT */
#include "params.h"

#include <stdio.h>
#include <string.h>

enum { TENSORS_OF_LSTM = 6, TENSORS_OF_DENSE = 3, PLACE = 16 };

/* Adds a tensor; false if there are 2^32 weights or more. */
static bool push(struct weir__params *ps, enum weir__param_kind kind, size_t layer, size_t direction, size_t rows, size_t cols)
{
    static const char *const stems[] = {"weight_ih", "weight_hh", "bias_ih", "peephole", "slope", "weight_hr", "weight", "bias", "slope"};
    struct weir__param *p = ps->list + ps->count++;
    *p = (struct weir__param){.kind = kind, .layer = layer, .direction = direction, .rows = rows, .cols = cols, .offset = ps->size};
    if (kind < WEIR__DENSE_WEIGHT)
        snprintf(p->name, sizeof p->name, "lstm.%s_l%u%s", stems[kind], (unsigned)layer, direction ? "_reverse" : "");
    else
        snprintf(p->name, sizeof p->name, "head.%u.%s", (unsigned)layer, stems[kind]);
    size_t size;
    if (!weir__size_mul(&p->count, rows ? rows : 1, cols) || !weir__size_add(&size, ps->size, p->count) || size > UINT32_MAX - PLACE)
        return false;
    ps->size = weir__round_up(size, PLACE);
    ps->weights += p->count;
    return true;
}

static bool push_lstm(struct weir__params *ps, const weir_config *c, size_t layer, size_t d)
{
    size_t H = c->hidden, P = weir__projected(c), I = weir__layer_inputs(c, layer);
    return push(ps, WEIR__WEIGHT_IH, layer, d, 4 * H, I) && push(ps, WEIR__WEIGHT_HH, layer, d, 4 * H, P) &&
           push(ps, WEIR__BIAS, layer, d, 0, 4 * H) && (c->no_peepholes || push(ps, WEIR__PEEPHOLE, layer, d, 3, H)) &&
           (!weir__cell_has_slopes(c) || push(ps, WEIR__SLOPE, layer, d, 5, H)) &&
           (!c->projection || push(ps, WEIR__WEIGHT_HR, layer, d, P, H));
}

static bool push_dense(struct weir__params *ps, const weir_config *c, size_t i)
{
    size_t units = weir__dense_units(c, i);
    bool slope = i < c->dense_layers && c->dense[i].activation.id == WEIR_PRELU;
    return push(ps, WEIR__DENSE_WEIGHT, i, 0, units, weir__dense_inputs(c, i)) && push(ps, WEIR__DENSE_BIAS, i, 0, 0, units) &&
           (!slope || push(ps, WEIR__DENSE_SLOPE, i, 0, 0, units));
}

static size_t list_bytes(const weir_config *c)
{
    size_t most = c->layers * weir__directions(c) * TENSORS_OF_LSTM + weir__dense_count(c) * TENSORS_OF_DENSE;
    return most * sizeof(struct weir__param);
}

weir_status weir__params_new(struct weir__params *ps, const weir_config *c, const weir_allocator *a, weir_error *err)
{
    *ps = (struct weir__params){0};
    size_t bytes = list_bytes(c);
    struct weir__param *room = weir__alloc(a, bytes);
    if (!room)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for the list of tensors");
    ps->list = room;
    bool fits = true;
    for (size_t layer = 0; fits && layer < c->layers; layer++)
        for (size_t d = 0; fits && d < weir__directions(c); d++)
            fits = push_lstm(ps, c, layer, d);
    for (size_t i = 0; fits && i < weir__dense_count(c); i++)
        fits = push_dense(ps, c, i);
    struct weir__param *list = fits ? weir__alloc(a, ps->count * sizeof *list) : NULL;
    if (list)
        memcpy(list, room, ps->count * sizeof *list);
    weir__free(a, room, bytes);
    ps->list = list;
    if (!fits)
        return weir__fail(err, WEIR_E_ARGUMENT, "the network has more than 2^32 weights; make hidden, inputs or outputs smaller");
    return list ? WEIR_OK : weir__fail(err, WEIR_E_NOMEM, "no memory for the list of tensors");
}

void weir__params_free(struct weir__params *ps, const weir_allocator *a)
{
    if (ps->list)
        weir__free(a, ps->list, ps->count * sizeof *ps->list);
    *ps = (struct weir__params){0};
}

const struct weir__param *weir__params_find(const struct weir__params *ps, enum weir__param_kind kind, size_t layer, size_t direction)
{
    for (size_t i = 0; i < ps->count; i++) {
        const struct weir__param *p = ps->list + i;
        if (p->kind == kind && p->layer == layer && p->direction == direction)
            return p;
    }
    return NULL;
}

weir_tensor weir__param_tensor(const struct weir__param *p)
{
    weir_tensor t = {.rows = p->rows, .cols = p->cols};
    memcpy(t.name, p->name, sizeof t.name);
    return t;
}
