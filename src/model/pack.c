/* SPDX-License-Identifier: MIT */
#include "pack.h"

#include "../kernel/layer.h"
#include "narrow.h"

weir_weights weir__form_held(const struct weir__kernels *k, weir_weights form)
{
    return k->real_size == sizeof(float) ? form : WEIR_WEIGHTS_F32;
}

static float weight(const struct weir__packer *p, const struct weir__param *v, size_t i)
{
    return p->from[v - p->params->list][i];
}

/* The weight `i` of tensor v, or padding (SIZE_MAX), at this place. */
static void put_at(struct weir__packer *p, const struct weir__param *v, size_t i, size_t place, weir_weights form)
{
    bool padding = i == SIZE_MAX;
    void *packed = weir__at(p->k, p->packed, place);
    if (p->mode == WEIR__PACK_MAP)
        p->map[place] = padding ? (uint32_t)WEIR__NOWHERE : (uint32_t)(v->offset + i);
    else if (p->mode == WEIR__PACK_WRITE && !padding) {
        float w = weight(p, v, i);
        w = form == WEIR_WEIGHTS_BF16 ? weir__from_bf16(weir__to_bf16(w)) : w;
        p->k->from_float(1, &w, packed);
    } else if (p->mode == WEIR__PACK_READ && !padding)
        p->k->to_float(1, packed, p->to + i);
}

static void put(struct weir__packer *p, const struct weir__param *v, size_t i)
{
    put_at(p, v, i, p->at++, WEIR_WEIGHTS_F32);
}

/* True if the `count` places of a tensor's array are just stepped over. */
static bool skips(struct weir__packer *p, const struct weir__param *v, size_t count)
{
    bool skip = p->mode == WEIR__PACK_COUNT || (p->mode == WEIR__PACK_READ && v != p->only);
    p->at += skip ? count : 0;
    return skip;
}

/* Which row of a (4H, .) matrix a column of a row of panels is, or SIZE_MAX for padding. hidden 0: a plain matrix of n rows. */
static size_t row_of_column(size_t lanes, size_t hidden, size_t n, size_t column)
{
    if (!hidden)
        return column < n ? column : SIZE_MAX;
    size_t gate = column / lanes % 4, unit = column / (4 * lanes) * lanes + column % lanes;
    return unit < hidden ? gate * hidden + unit : SIZE_MAX;
}

static size_t columns_of(size_t hidden, size_t n)
{
    return hidden ? weir__round_up(hidden, WEIR__UNITS) * 4 : weir__columns_row(n);
}

/* Goes over a matrix of `columns` columns, a whole number of panels, as blocks of [K][4][lanes]. */
#define FOR_EACH_PLACE(p, columns, K, column, k)                                                 \
    for (size_t block_ = 4 * (p)->k->lanes, first_ = 0; first_ < (columns); first_ += block_)    \
        for (size_t k = 0; k < (K); k++)                                                         \
            for (size_t column = first_; column < first_ + block_; column++)

/* Place of W[column][k] in [columns / block][K][4][lanes], of its form: in reals, bfloat16s or bytes. */
static size_t place_of(size_t lanes, weir_weights form, size_t K, size_t column, size_t k)
{
    size_t columns = 4 * lanes, block = column / columns, c = column % columns, vector = c / lanes, lane = c % lanes;
    switch (form) {
    case WEIR_WEIGHTS_BF16:
        return (block * K + k) * columns + vector / 2 * 2 * lanes + lane * 2 + vector % 2;
    case WEIR_WEIGHTS_INT8:
        return (block * weir__round_up(K, 4) + k / 4 * 4) * columns + c * 4 + k % 4;
    default:
        return (block * K + k) * columns + c;
    }
}

static size_t reals_of(weir_weights form, size_t columns, size_t K)
{
    switch (form) {
    case WEIR_WEIGHTS_BF16:
        return columns * K / 2;
    case WEIR_WEIGHTS_INT8:
        return columns + columns * weir__round_up(K, 4) / 4;
    default:
        return columns * K;
    }
}

static void bf16_at(struct weir__packer *p, const struct weir__param *w, size_t i, uint16_t *packed)
{
    if (p->mode == WEIR__PACK_WRITE)
        *packed = weir__to_bf16(weight(p, w, i));
    else
        p->to[i] = weir__from_bf16(*packed);
}

static void int8_at(struct weir__packer *p, const struct weir__param *w, size_t i, float step, int8_t *packed)
{
    if (p->mode == WEIR__PACK_WRITE)
        *packed = weir__to_int8(weight(p, w, i), step);
    else
        p->to[i] = step * (float)*packed;
}

size_t weir__pack_matrix(struct weir__packer *p, const struct weir__param *w, size_t hidden, weir_weights form)
{
    weir_weights held = weir__form_held(p->k, form);
    size_t begin = p->at, columns = columns_of(hidden, w->rows), K = w->cols, lanes = p->k->lanes;
    if (skips(p, w, reals_of(held, columns, K)))
        return begin;
    p->at += reals_of(held, columns, K);
    float *packed = p->packed ? (float *)weir__at(p->k, p->packed, begin) : NULL;
    for (size_t column = 0; column < columns; column++) {
        size_t row = row_of_column(lanes, hidden, w->rows, column);
        bool padding = row == SIZE_MAX;
        if (held == WEIR_WEIGHTS_INT8 && p->mode == WEIR__PACK_WRITE)
            packed[column] = padding ? 0 : weir__int8_step(p->from[w - p->params->list] + row * K, K);
        for (size_t k = 0; k < K; k++) {
            size_t i = padding ? SIZE_MAX : row * K + k, place = place_of(lanes, held, K, column, k);
            if (held == WEIR_WEIGHTS_F32)
                put_at(p, w, i, begin + place, form);
            else if (held == WEIR_WEIGHTS_BF16 && !padding)
                bf16_at(p, w, i, (uint16_t *)(void *)packed + place);
            else if (!padding)
                int8_at(p, w, i, packed[column], (int8_t *)(packed + columns) + place);
        }
    }
    return begin;
}

size_t weir__pack_transposed(struct weir__packer *p, const struct weir__param *w, size_t hidden)
{
    size_t begin = p->at, K = hidden ? columns_of(hidden, 0) : w->rows, columns = weir__columns_row(w->cols);
    if (skips(p, w, columns * K))
        return begin;
    FOR_EACH_PLACE(p, columns, K, column, k)
    {
        size_t row = hidden ? row_of_column(WEIR__UNITS, hidden, 0, k) : k;
        put(p, w, row == SIZE_MAX || column >= w->cols ? SIZE_MAX : row * w->cols + column);
    }
    return begin;
}

size_t weir__pack_bias(struct weir__packer *p, const struct weir__param *v, size_t hidden)
{
    size_t begin = p->at, columns = columns_of(hidden, 0);
    if (skips(p, v, columns))
        return begin;
    for (size_t i = 0; i < columns; i++)
        put(p, v, row_of_column(p->k->lanes, hidden, 0, i));
    return begin;
}

size_t weir__pack_units(struct weir__packer *p, const struct weir__param *v, size_t groups, size_t n, size_t slots)
{
    size_t begin = p->at, units = weir__round_up(n, WEIR__UNITS);
    if (skips(p, v, units * slots))
        return begin;
    for (size_t panel = 0; panel < units; panel += WEIR__UNITS)
        for (size_t i = 0; i < slots * WEIR__UNITS; i++) {
            size_t unit = panel + i % WEIR__UNITS, group = i / WEIR__UNITS;
            put(p, v, unit < n && group < groups ? group * n + unit : SIZE_MAX);
        }
    return begin;
}

size_t weir__pack_columns(struct weir__packer *p, const struct weir__param *v)
{
    size_t begin = p->at, columns = weir__columns_row(v->count);
    if (skips(p, v, columns))
        return begin;
    for (size_t i = 0; i < columns; i++)
        put(p, v, i < v->count ? i : SIZE_MAX);
    return begin;
}
