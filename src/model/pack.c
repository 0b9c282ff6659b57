/* SPDX-License-Identifier: MIT */
#include "pack.h"

#include "../kernel/layer.h"

/* The weight `i` of tensor v, or padding (SIZE_MAX), at the next place. */
static void put(struct weir__packer *p, const struct weir__param *v, size_t i)
{
    bool padding = i == SIZE_MAX;
    void *packed = weir__at(p->k, p->packed, p->at);
    if (p->mode == WEIR__PACK_MAP)
        p->map[p->at] = padding ? (uint32_t)WEIR__NOWHERE : (uint32_t)(v->offset + i);
    else if (p->mode == WEIR__PACK_WRITE && !padding)
        p->k->from_float(1, p->from[v - p->params->list] + i, packed);
    else if (p->mode == WEIR__PACK_READ && !padding)
        p->k->to_float(1, packed, p->to + i);
    p->at++;
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

size_t weir__pack_matrix(struct weir__packer *p, const struct weir__param *w, size_t hidden)
{
    size_t begin = p->at, columns = columns_of(hidden, w->rows);
    if (skips(p, w, columns * w->cols))
        return begin;
    FOR_EACH_PLACE(p, columns, w->cols, column, k)
    {
        size_t row = row_of_column(p->k->lanes, hidden, w->rows, column);
        put(p, w, row == SIZE_MAX ? SIZE_MAX : row * w->cols + k);
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
