/* Products: the one place where weights meet inputs, for the step, the batch, the sequence and all gradients.
 *
 * MOST_CHAINS vectors of sums are in registers at a time: of up to MOST_ROWS rows of one block of weights, or of one row of SOLO_BLOCKS
 * blocks. They are independent, and so many hide the latency of the multiply-add. A block's weights are read in pieces of DEPTH that
 * stay in the nearest caches for all rows.
 *
 * SPDX-License-Identifier: MIT */

#define BLOCK_COLUMNS ((size_t)4 * LANES)
#define BLOCKS_PER_PANEL ((size_t)WEIR__UNITS / LANES)

enum {
    FULL_ROWS = MOST_CHAINS / 4,               /* rows whose sums fit with all four vectors of a block */
    MOST_ROWS = FULL_ROWS > 4 ? FULL_ROWS : 4, /* rows at once; with two of the vectors, if the sums of four do not fit */
    DEPTH = 65536 / (16 * LANES),              /* 64 KiB of floats; a multiple of a panel of gates */
    GROUP_ROWS = 64,                           /* rows that share one visit of a piece of weights */
    TURNED_DEPTH = 128,                        /* pieces where the rows of a are its columns in memory */
    NEAR_WEIGHTS = 1 << 18,                    /* a matrix of more weights is called for ahead of time, */
    LINE = 64                                  /* in lines of so many bytes */
};

typedef struct chains {
    vec v[MOST_CHAINS];
} chains;

/* How many of the last rows, fewer than 2 FULL_ROWS, to take at once: none is left alone, for one row has too few chains. */
static inline size_t last_rows(size_t left)
{
    return left <= MOST_ROWS ? left : (left + 1) / 2;
}

/* Where the units of block q begin in an array of `slots` numbers for each unit, [panels][slots][16]. */
static inline size_t units_at(size_t q, size_t slots)
{
    return q / BLOCKS_PER_PANEL * slots * WEIR__UNITS + q % BLOCKS_PER_PANEL * LANES;
}

static ALWAYS_INLINE size_t weight_size(weir_weights form)
{
    return form == WEIR_WEIGHTS_BF16 ? sizeof(uint16_t) : sizeof(real);
}

static ALWAYS_INLINE const void *weights_at(weir_weights form, const void *w, size_t i)
{
    return (const char *)w + i * weight_size(form);
}

/* Vector i of the four in a block's row of weights. */
static ALWAYS_INLINE vec load_weights(weir_weights form, const void *w, size_t i)
{
    if (form == WEIR_WEIGHTS_F32)
        return v_load((const real *)w + i * LANES);
    const uint16_t *pair = (const uint16_t *)w + i / 2 * 2 * LANES;
    return i % 2 ? v_load_odd(pair) : v_load_even(pair);
}

/* The vectors of columns [first, first + count) of a block, and on into the blocks after it, each w_block after the other. */
typedef struct columns {
    size_t first, count, w_block;
} columns;

static ALWAYS_INLINE size_t column_at(size_t i, size_t block)
{
    return i / 4 * block + i % 4 * LANES;
}

/* Vector i of the columns, in row k of the weights. */
static ALWAYS_INLINE vec weight_vector(weir_weights form, const void *w, size_t k, columns n, size_t i)
{
    i += n.first;
    return load_weights(form, weights_at(form, w, k * BLOCK_COLUMNS + i / 4 * n.w_block), i % 4);
}

/* Bytes that later work will want: two lines from the address `at` on, and again `step` bytes on for each k. A number, for it may lie behind the
 * last weight. */
typedef struct ahead {
    uintptr_t at; /* 0: none */
    size_t step;
} ahead;

static ALWAYS_INLINE void call_for(ahead soon, size_t k)
{
    if (!soon.at)
        return;
    __builtin_prefetch((const void *)(soon.at + k * soon.step), 0, 2);
    __builtin_prefetch((const void *)(soon.at + k * soon.step + LINE), 0, 2);
}

/* Continues chains: v[r][i] += sum over k of a[r][k] w[k][vector i of the columns]. Two pointers lead to six rows: more would not stay in
 * registers, so the compiler must not see that they are parts of one array. */
static ALWAYS_INLINE void continue_chains(chains *s, size_t rows, columns n, size_t K, weir_weights form, const void *w, const real *a,
                                          size_t a_row, size_t a_k, ahead soon)
{
    const real *low = a, *high = a + 3 * a_row;
#define ROW(r) ((r) < 3 ? low[(r) * a_row] : high[((r) - 3) * a_row])
    UNROLL_TWICE for (size_t k = 0; k < K; k++, low += a_k, high += a_k)
    {
        OPAQUE(low);
        OPAQUE(high);
        call_for(soon, k);
        vec one, all[MOST_ROWS];
        if (rows > n.count) { /* the fewer stay in registers while the others pass by */
            UNROLL for (size_t i = 0; i < n.count; i++) all[i] = weight_vector(form, w, k, n, i);
            UNROLL for (size_t r = 0; r < rows; r++)
            {
                one = v_set(ROW(r));
                UNROLL for (size_t i = 0; i < n.count; i++) s->v[r * n.count + i] = v_fma(one, all[i], s->v[r * n.count + i]);
            }
        } else {
            UNROLL for (size_t r = 0; r < rows; r++) all[r] = v_set(ROW(r));
            UNROLL for (size_t i = 0; i < n.count; i++)
            {
                one = weight_vector(form, w, k, n, i);
                UNROLL for (size_t r = 0; r < rows; r++) s->v[r * n.count + i] = v_fma(all[r], one, s->v[r * n.count + i]);
            }
        }
    }
#undef ROW
}

/* The same where a's columns are gates: those of a panel, [4][16], stand in its blocks, a run after the other. */
static ALWAYS_INLINE void continue_over_gates(chains *s, size_t rows, columns n, size_t K, const real *w, const real *a, size_t a_block,
                                              ahead soon)
{
    enum { RUN = LANES == WEIR__UNITS ? WEIR__COLUMNS : LANES };
    for (size_t k = 0; k < K; k += RUN) {
        size_t gate = k % WEIR__COLUMNS / WEIR__UNITS, unit = k % WEIR__UNITS, block = k / WEIR__COLUMNS * BLOCKS_PER_PANEL + unit / LANES;
        continue_chains(s, rows, n, RUN, WEIR_WEIGHTS_F32, w + k * BLOCK_COLUMNS, a + block * a_block + gate * LANES, BLOCK_COLUMNS, 1,
                        soon);
        soon.at += soon.at ? RUN * soon.step : 0;
    }
}

/* A piece of a product: k in [first, end). */
typedef struct piece {
    const struct weir__product *p;
    size_t first, end;
    ahead soon; /* the piece after it */
} piece;

/* The columns n of block q and of the blocks after it. */
static ALWAYS_INLINE void product_block(const piece *t, weir_weights form, size_t row, size_t rows, size_t q, columns n)
{
    const struct weir__product *p = t->p;
    chains s;
    const real *start = t->first ? p->c : p->start;
    size_t start_row = t->first ? p->c_row : p->start_row, start_block = t->first ? p->c_block : p->start_block;
    start = start ? start + row * start_row + q * start_block : NULL;
    UNROLL for (size_t j = 0; j < rows * n.count; j++)
        s.v[j] = start ? v_load(start + j / n.count * start_row + column_at(n.first + j % n.count, start_block)) : v_set(0);
    const void *w = weights_at(form, p->w, q * p->w_block + t->first * BLOCK_COLUMNS);
    const real *a = (const real *)p->a + row * p->a_row;
    n.w_block = p->w_block;
    ahead soon = {0, t->soon.step};
    size_t line = row / FULL_ROWS * 2 * LINE; /* the first rows call for two lines each */
    if (t->soon.at && line < soon.step)
        soon.at = t->soon.at + line;
    if (form == WEIR_WEIGHTS_F32 && p->a_block)
        continue_over_gates(&s, rows, n, t->end - t->first, w, a + t->first / WEIR__COLUMNS * BLOCKS_PER_PANEL * p->a_block, p->a_block, soon);
    else
        continue_chains(&s, rows, n, t->end - t->first, form, w, a + t->first * p->a_k, p->a_row, p->a_k, soon);
    real *c = (real *)p->c + row * p->c_row + q * p->c_block;
    UNROLL for (size_t j = 0; j < rows * n.count; j++)
        v_store(c + j / n.count * p->c_row + column_at(n.first + j % n.count, p->c_block), s.v[j]);
}

/* Calls block(context, form, q, blocks) with a constant number of blocks for the blocks [first, end) of one row. */
#define FOR_ONE_ROW(block, context, form, first_block, end_block)              \
    do {                                                                       \
        size_t q_ = (first_block), all_ = (end_block);                         \
        for (; q_ + SOLO_BLOCKS <= all_; q_ += SOLO_BLOCKS)                    \
            block(context, form, q_, SOLO_BLOCKS);                             \
        for (; q_ < all_; q_++)                                                \
            block(context, form, q_, 1);                                       \
    } while (0)

static ALWAYS_INLINE void product_of_row(const piece *t, weir_weights form, size_t q, size_t blocks)
{
    product_block(t, form, 0, 1, q, (columns){0, 4 * blocks, 0});
}

static ALWAYS_INLINE void product_of_rows(const piece *t, weir_weights form, size_t row, size_t rows, size_t q)
{
    size_t count = rows <= FULL_ROWS ? 4 : 2;
    UNROLL for (size_t first = 0; first < 4; first += count)
        product_block(t, form, row, rows, q, (columns){first, count, 0});
}

static ALWAYS_INLINE void product_by_pieces(const struct weir__product *p, weir_weights form, size_t q)
{
    piece t = {.p = p, .soon.step = BLOCK_COLUMNS * weight_size(form)};
    bool far = p->panels * BLOCKS_PER_PANEL * p->w_block > NEAR_WEIGHTS;
    do {
        t.first = t.end;
        t.end = p->K - t.first < DEPTH ? p->K : t.first + DEPTH;
        if (far)
            t.soon.at = (uintptr_t)weights_at(form, p->w, t.end < p->K ? q * p->w_block + t.end * BLOCK_COLUMNS : (q + 1) * p->w_block);
        size_t row = 0;
        for (; p->rows - row >= 2 * FULL_ROWS || p->rows - row == FULL_ROWS; row += FULL_ROWS)
            product_of_rows(&t, form, row, FULL_ROWS, q);
        for (size_t rows; row < p->rows; row += rows)
            switch (rows = last_rows(p->rows - row)) {
            case 1: product_of_rows(&t, form, row, 1, q); break;
            case 2: product_of_rows(&t, form, row, 2, q); break;
            case 3: product_of_rows(&t, form, row, 3, q); break;
            case 4: product_of_rows(&t, form, row, 4, q); break;
            case 5: product_of_rows(&t, form, row, 5, q); break;
            default: product_of_rows(&t, form, row, 6, q);
            }
    } while (t.end < p->K);
}

static NEVER_INLINE void product_rows_f32(const struct weir__product *p, size_t q)
{
    product_by_pieces(p, WEIR_WEIGHTS_F32, q);
}

static NEVER_INLINE void product_rows_bf16(const struct weir__product *p, size_t q)
{
    product_by_pieces(p, WEIR_WEIGHTS_BF16, q);
}

/* All rows of block q. */
static void product_rows(const struct weir__product *p, size_t q)
{
    (p->form == WEIR_WEIGHTS_BF16 ? product_rows_bf16 : product_rows_f32)(p, q);
}

static void product_row(const struct weir__product *p)
{
    piece t = {.p = p, .end = p->K};
    size_t blocks = p->panels * BLOCKS_PER_PANEL;
    if (p->form == WEIR_WEIGHTS_BF16)
        FOR_ONE_ROW(product_of_row, &t, WEIR_WEIGHTS_BF16, 0, blocks);
    else
        FOR_ONE_ROW(product_of_row, &t, WEIR_WEIGHTS_F32, 0, blocks);
}

static inline size_t group_end(size_t row, size_t rows)
{
    return rows - row < GROUP_ROWS ? rows : row + GROUP_ROWS;
}

static struct weir__product group_of(const struct weir__product *p, size_t row)
{
    struct weir__product g = *p;
    g.rows = group_end(row, p->rows) - row;
    g.a = (const real *)p->a + row * p->a_row;
    g.start = p->start ? (const real *)p->start + row * p->start_row : NULL;
    g.c = (real *)p->c + row * p->c_row;
    return g;
}

static void product_blocks(const struct weir__product *p)
{
    for (size_t q = 0; q < p->panels * BLOCKS_PER_PANEL; q++)
        product_rows(p, q);
}

/* Rows of a that are columns in memory: a piece is copied together, for a's own stride may bring all of it to the same few lines of a
 * cache, and meets all blocks. */
static void product_turned(const struct weir__product *group)
{
    real turned[TURNED_DEPTH * GROUP_ROWS];
    struct weir__product part = *group;
    part.a = turned;
    part.a_k = group->rows;
    for (size_t first = 0; first < group->K; first += part.K) {
        part.K = group->K - first < TURNED_DEPTH ? group->K - first : TURNED_DEPTH;
        for (size_t k = 0; k < part.K; k++)
            memcpy(turned + k * group->rows, (const real *)group->a + (first + k) * group->a_k, group->rows * sizeof *turned);
        part.w = (const real *)group->w + first * BLOCK_COLUMNS;
        product_blocks(&part);
        part.start = part.c;
        part.start_row = part.c_row;
        part.start_block = part.c_block;
    }
}

static void product(const struct weir__product *p)
{
    if (p->rows == 1) {
        product_row(p);
        return;
    }
    for (size_t row = 0; row < p->rows; row += GROUP_ROWS) {
        struct weir__product group = group_of(p, row);
        if (p->a_row == 1)
            product_turned(&group);
        else
            product_blocks(&group);
    }
}
