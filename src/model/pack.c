/* SPDX-License-Identifier: MIT */
#include "pack.h"

#include <string.h>

#include "../kernel/layer.h"
#include "narrow.h"

weir_weights weir__form_held(const struct weir__kernels *k, weir_weights form)
{
    return k->real_size == sizeof(float) ? form : WEIR_WEIGHTS_F32;
}

/* ---- The layout ---- */

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

/* A matrix as the kernels see it: [columns / block][K][4][lanes]. */
struct matrix {
    size_t columns, K;
};

static struct matrix matrix_of(const struct weir__packed *a)
{
    if (a->shape == WEIR__TRANSPOSED)
        return (struct matrix){weir__columns_row(a->v->cols), a->hidden ? columns_of(a->hidden, 0) : a->v->rows};
    return (struct matrix){columns_of(a->hidden, a->v->rows), a->v->cols};
}

static bool is_matrix(const struct weir__packed *a)
{
    return a->shape == WEIR__MATRIX || a->shape == WEIR__TRANSPOSED;
}

/* Place of W[column][k] in its form: in reals, bfloat16s or bytes. */
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

static size_t matrix_size(const struct weir__kernels *k, const struct weir__packed *a)
{
    struct matrix m = matrix_of(a);
    switch (weir__form_held(k, a->form)) {
    case WEIR_WEIGHTS_BF16:
        return m.columns * m.K / 2;
    case WEIR_WEIGHTS_INT8:
        return m.columns + m.columns * weir__round_up(m.K, 4) / 4;
    default:
        return m.columns * m.K;
    }
}

size_t weir__packed_size(const struct weir__kernels *k, const struct weir__packed *a)
{
    if (is_matrix(a))
        return matrix_size(k, a);
    if (a->shape == WEIR__UNIT_SLOTS)
        return weir__round_up(a->hidden, WEIR__UNITS) * a->slots;
    return columns_of(a->hidden, a->v->count);
}

/* Which number of a vector stands at a place, or SIZE_MAX for padding. */
static size_t number_at(const struct weir__kernels *k, const struct weir__packed *a, size_t place)
{
    if (a->shape != WEIR__UNIT_SLOTS)
        return row_of_column(k->lanes, a->hidden, a->v->count, place);
    size_t row = a->slots * WEIR__UNITS, unit = place / row * WEIR__UNITS + place % WEIR__UNITS, group = place % row / WEIR__UNITS;
    return unit < a->hidden && group < a->groups ? group * a->hidden + unit : SIZE_MAX;
}

/* ---- From and to the numbers of a tensor ---- */

static void write_matrix(const struct weir__kernels *k, const struct weir__packed *a, const float *from, void *packed)
{
    struct matrix m = matrix_of(a);
    weir_weights held = weir__form_held(k, a->form);
    float *steps = packed;
    for (size_t column = 0; column < m.columns; column++) {
        size_t row = row_of_column(k->lanes, a->hidden, a->v->rows, column);
        if (row == SIZE_MAX)
            continue;
        const float *w = from + row * m.K;
        if (held == WEIR_WEIGHTS_INT8)
            steps[column] = weir__int8_step(w, m.K);
        for (size_t i = 0; i < m.K; i++) {
            size_t place = place_of(k->lanes, held, m.K, column, i);
            float rounded = a->form == WEIR_WEIGHTS_BF16 ? weir__from_bf16(weir__to_bf16(w[i])) : w[i];
            if (held == WEIR_WEIGHTS_BF16)
                ((uint16_t *)packed)[place] = weir__to_bf16(w[i]);
            else if (held == WEIR_WEIGHTS_INT8)
                ((int8_t *)(steps + m.columns))[place] = weir__to_int8(w[i], steps[column]);
            else
                k->from_float(1, &rounded, weir__at(k, packed, place));
        }
    }
}

static void read_matrix(const struct weir__kernels *k, const struct weir__packed *a, const void *packed, float *to)
{
    struct matrix m = matrix_of(a);
    weir_weights held = weir__form_held(k, a->form);
    const float *steps = packed;
    for (size_t column = 0; column < m.columns; column++) {
        size_t row = row_of_column(k->lanes, a->hidden, a->v->rows, column);
        for (size_t i = 0; row != SIZE_MAX && i < m.K; i++) {
            size_t place = place_of(k->lanes, held, m.K, column, i);
            float *w = to + row * m.K + i;
            if (held == WEIR_WEIGHTS_BF16)
                *w = weir__from_bf16(((const uint16_t *)packed)[place]);
            else if (held == WEIR_WEIGHTS_INT8)
                *w = steps[column] * (float)((const int8_t *)(steps + m.columns))[place];
            else
                k->to_float(1, weir__at(k, packed, place), w);
        }
    }
}

void weir__packed_write(const struct weir__kernels *k, const struct weir__packed *a, const float *from, void *packed)
{
    if (is_matrix(a)) {
        write_matrix(k, a, from, packed);
        return;
    }
    for (size_t place = 0; place < weir__packed_size(k, a); place++) {
        size_t i = number_at(k, a, place);
        if (i != SIZE_MAX)
            k->from_float(1, from + i, weir__at(k, packed, place));
    }
}

void weir__packed_read(const struct weir__kernels *k, const struct weir__packed *a, const void *packed, float *to)
{
    if (is_matrix(a)) {
        read_matrix(k, a, packed, to);
        return;
    }
    for (size_t place = 0; place < weir__packed_size(k, a); place++) {
        size_t i = number_at(k, a, place);
        if (i != SIZE_MAX)
            k->to_float(1, weir__at(k, packed, place), to + i);
    }
}

/* ---- From and to reals, at every update of a training ---- */

/* Rows of a block that are copied together: they fill lines of the plain matrix, and stay in the nearest cache. */
enum { TILE = 32, QUAD = 4 };

/* Turns four by four numbers: to[j][i] = from[i][j]. */
static inline void turn_double(const double *const from[QUAD], double *const to[QUAD])
{
    for (size_t j = 0; j < QUAD; j++)
        for (size_t i = 0; i < QUAD; i++)
            to[j][i] = from[i][j];
}

#ifdef __has_builtin
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif
#endif
#ifdef SHUFFLE /* in registers: two to four times as fast */
typedef float quad __attribute__((vector_size(16)));

static inline quad load_quad(const float *p)
{
    quad q;
    memcpy(&q, p, sizeof q);
    return q;
}

static inline void turn_float(const float *const from[QUAD], float *const to[QUAD])
{
    quad a = load_quad(from[0]), b = load_quad(from[1]), c = load_quad(from[2]), d = load_quad(from[3]);
    quad low_ab = SHUFFLE(a, b, 0, 4, 1, 5), high_ab = SHUFFLE(a, b, 2, 6, 3, 7);
    quad low_cd = SHUFFLE(c, d, 0, 4, 1, 5), high_cd = SHUFFLE(c, d, 2, 6, 3, 7);
    a = SHUFFLE(low_ab, low_cd, 0, 1, 4, 5);
    b = SHUFFLE(low_ab, low_cd, 2, 3, 6, 7);
    c = SHUFFLE(high_ab, high_cd, 0, 1, 4, 5);
    d = SHUFFLE(high_ab, high_cd, 2, 3, 6, 7);
    memcpy(to[0], &a, sizeof a);
    memcpy(to[1], &b, sizeof b);
    memcpy(to[2], &c, sizeof c);
    memcpy(to[3], &d, sizeof d);
}
#else
static inline void turn_float(const float *const from[QUAD], float *const to[QUAD])
{
    for (size_t j = 0; j < QUAD; j++)
        for (size_t i = 0; i < QUAD; i++)
            to[j][i] = from[i][j];
}
#endif

/* Whether none of four columns is padding. */
static bool is_whole(const size_t *rows)
{
    return rows[0] != SIZE_MAX && rows[1] != SIZE_MAX && rows[2] != SIZE_MAX && rows[3] != SIZE_MAX;
}

/* Block `block` of a matrix, [K][columns], from and to the rows of the plain one; those that are SIZE_MAX are padding. A tile is four columns of the
 * block's rows [k, end). */
#define COPY_BLOCK(real)                                                                                                          \
    static inline void pack_tile_##real(size_t K, size_t k, size_t end, size_t columns, const size_t *rows, const real *plain,     \
                                        real *packed)                                                                             \
    {                                                                                                                             \
        for (; is_whole(rows) && k + QUAD <= end; k += QUAD) {                                                                    \
            const real *p = plain + k;                                                                                            \
            real *q = packed + k * columns;                                                                                       \
            turn_##real((const real *const[]){p + rows[0] * K, p + rows[1] * K, p + rows[2] * K, p + rows[3] * K},                \
                        (real *const[]){q, q + columns, q + 2 * columns, q + 3 * columns});                                       \
        }                                                                                                                         \
        for (; k < end; k++)                                                                                                      \
            for (size_t c = 0; c < QUAD; c++)                                                                                     \
                if (rows[c] != SIZE_MAX)                                                                                          \
                    packed[k * columns + c] = plain[rows[c] * K + k];                                                             \
    }                                                                                                                             \
    static inline void unpack_tile_##real(size_t K, size_t k, size_t end, size_t columns, const size_t *rows, const real *packed,  \
                                          real *plain)                                                                            \
    {                                                                                                                             \
        for (; is_whole(rows) && k + QUAD <= end; k += QUAD) {                                                                    \
            real *p = plain + k;                                                                                                  \
            const real *q = packed + k * columns;                                                                                 \
            turn_##real((const real *const[]){q, q + columns, q + 2 * columns, q + 3 * columns},                                  \
                        (real *const[]){p + rows[0] * K, p + rows[1] * K, p + rows[2] * K, p + rows[3] * K});                     \
        }                                                                                                                         \
        for (; k < end; k++)                                                                                                      \
            for (size_t c = 0; c < QUAD; c++)                                                                                     \
                if (rows[c] != SIZE_MAX)                                                                                          \
                    plain[rows[c] * K + k] = packed[k * columns + c];                                                             \
    }                                                                                                                             \
    static void pack_block_##real(size_t K, size_t columns, const size_t *rows, const real *plain, real *packed)                  \
    {                                                                                                                             \
        for (size_t first = 0; first < K; first += TILE)                                                                          \
            for (size_t c = 0, end = K - first < TILE ? K : first + TILE; c < columns; c += QUAD)                                 \
                pack_tile_##real(K, first, end, columns, rows + c, plain, packed + c);                                            \
    }                                                                                                                             \
    static void unpack_block_##real(size_t K, size_t columns, const size_t *rows, const real *packed, real *plain)                \
    {                                                                                                                             \
        for (size_t first = 0; first < K; first += TILE)                                                                          \
            for (size_t c = 0, end = K - first < TILE ? K : first + TILE; c < columns; c += QUAD)                                 \
                unpack_tile_##real(K, first, end, columns, rows + c, packed + c, plain);                                          \
    }
COPY_BLOCK(float)
COPY_BLOCK(double)

static void pack_matrix_block(const struct weir__kernels *k, const struct weir__packed *a, size_t block, const void *plain, void *packed)
{
    size_t rows[WEIR__COLUMNS], columns = 4 * k->lanes, K = a->v->cols;
    for (size_t c = 0; c < columns; c++)
        rows[c] = row_of_column(k->lanes, a->hidden, a->v->rows, block * columns + c);
    void *at = weir__at(k, packed, block * K * columns);
    if (k->real_size == sizeof(float))
        pack_block_float(K, columns, rows, plain, at);
    else
        pack_block_double(K, columns, rows, plain, at);
}

static void unpack_matrix_block(const struct weir__kernels *k, const struct weir__packed *a, size_t block, const void *packed, void *plain)
{
    size_t rows[WEIR__COLUMNS], columns = 4 * k->lanes, K = a->v->cols;
    for (size_t c = 0; c < columns; c++)
        rows[c] = row_of_column(k->lanes, a->hidden, a->v->rows, block * columns + c);
    const void *at = weir__at(k, packed, block * K * columns);
    if (k->real_size == sizeof(float))
        unpack_block_float(K, columns, rows, at, plain);
    else
        unpack_block_double(K, columns, rows, at, plain);
}

/* Rows of the block are pieces of W's rows. */
static void pack_transposed_block(const struct weir__kernels *k, const struct weir__packed *a, size_t block, const void *plain, void *packed)
{
    size_t columns = 4 * k->lanes, K = matrix_of(a).K, first = block * columns, cols = a->v->cols;
    size_t n = cols <= first ? 0 : cols - first < columns ? cols - first : columns;
    for (size_t i = 0; n && i < K; i++) {
        size_t row = a->hidden ? row_of_column(WEIR__UNITS, a->hidden, 0, i) : i;
        if (row != SIZE_MAX)
            memcpy(weir__at(k, packed, (block * K + i) * columns), weir__at(k, plain, row * cols + first), n * k->real_size);
    }
}

static size_t blocks_of(const struct weir__kernels *k, const struct weir__packed *a)
{
    return matrix_of(a).columns / (4 * k->lanes);
}

void weir__pack(const struct weir__kernels *k, const struct weir__packed *a, const void *reals, void *packed, size_t part, size_t parts)
{
    if (is_matrix(a)) {
        size_t n = blocks_of(k, a);
        for (size_t block = n * part / parts; block < n * (part + 1) / parts; block++)
            (a->shape == WEIR__MATRIX ? pack_matrix_block : pack_transposed_block)(k, a, block, reals, packed);
        return;
    }
    for (size_t place = 0; !part && place < weir__packed_size(k, a); place++) {
        size_t i = number_at(k, a, place);
        if (i != SIZE_MAX)
            memcpy(weir__at(k, packed, place), weir__at(k, reals, i), k->real_size);
    }
}

void weir__unpack(const struct weir__kernels *k, const struct weir__packed *a, const void *packed, void *reals, size_t part, size_t parts)
{
    if (is_matrix(a)) {
        size_t n = blocks_of(k, a);
        for (size_t block = n * part / parts; block < n * (part + 1) / parts; block++)
            unpack_matrix_block(k, a, block, packed, reals);
        return;
    }
    for (size_t place = 0; !part && place < weir__packed_size(k, a); place++) {
        size_t i = number_at(k, a, place);
        if (i != SIZE_MAX)
            memcpy(weir__at(k, reals, i), weir__at(k, packed, place), k->real_size);
    }
}
