/* Products: the one place where weights meet inputs, for the step, the batch, the sequence and all gradients.
 *
 * BLOCK_ROWS rows of one block of weights, or one row of SOLO_BLOCKS blocks, are in registers at a time: enough independent chains to
 * hide the latency of the multiply-add. A block's weights are read in pieces of DEPTH that stay in the nearest cache for all rows.
 *
 * SPDX-License-Identifier: MIT */

#define BLOCK_COLUMNS ((size_t)4 * LANES)
#define BLOCKS_PER_PANEL ((size_t)WEIR__UNITS / LANES)
#define MOST_CHAINS (BLOCK_ROWS > SOLO_BLOCKS ? BLOCK_ROWS : SOLO_BLOCKS)

enum {
    DEPTH = 128,    /* a multiple of a panel of gates */
    GROUP_ROWS = 48 /* rows that share one visit of a piece of weights */
};

typedef struct chains {
    vec v[MOST_CHAINS][4];
} chains;

/* Where the units of block q begin in an array of `slots` numbers for each unit, [panels][slots][16]. */
static inline size_t units_at(size_t q, size_t slots)
{
    return q / BLOCKS_PER_PANEL * slots * WEIR__UNITS + q % BLOCKS_PER_PANEL * LANES;
}

/* Continues rows * blocks groups of four chains: v[r * blocks + b] += sum over k of a[r][k] w[block b][k]. */
static ALWAYS_INLINE void continue_chains(chains *s, size_t rows, size_t blocks, size_t K, const real *w, size_t w_block, const real *a,
                                          size_t a_row, size_t a_k)
{
    for (size_t k = 0; k < K; k++)
        UNROLL for (size_t b = 0; b < blocks; b++)
        {
            const real *wk = w + b * w_block + k * BLOCK_COLUMNS;
            vec w0 = v_load(wk), w1 = v_load(wk + LANES), w2 = v_load(wk + 2 * LANES), w3 = v_load(wk + 3 * LANES);
            UNROLL for (size_t r = 0; r < rows; r++)
            {
                vec *v = s->v[r * blocks + b], x = v_set(a[r * a_row + k * a_k]);
                v[0] = v_fma(x, w0, v[0]);
                v[1] = v_fma(x, w1, v[1]);
                v[2] = v_fma(x, w2, v[2]);
                v[3] = v_fma(x, w3, v[3]);
            }
        }
}

/* The same where a's columns are gates: [panel][4][16] in this table's order, a run of LANES after the other. */
static ALWAYS_INLINE void continue_over_gates(chains *s, size_t rows, size_t blocks, size_t K, const real *w, size_t w_block,
                                              const real *a, size_t a_row)
{
    for (size_t panel = 0; panel < K; panel += WEIR__COLUMNS)
        for (size_t run = 0; run < WEIR__COLUMNS / LANES; run++) {
            size_t gate = run / BLOCKS_PER_PANEL, block = run % BLOCKS_PER_PANEL;
            continue_chains(s, rows, blocks, LANES, w + (panel + run * LANES) * BLOCK_COLUMNS, w_block,
                            a + panel + block * BLOCK_COLUMNS + gate * LANES, a_row, 1);
        }
}

/* A piece of a product: k in [first, end). */
typedef struct piece {
    const struct weir__product *p;
    size_t first, end;
} piece;

static ALWAYS_INLINE void product_block(const piece *t, size_t row, size_t rows, size_t q, size_t blocks)
{
    const struct weir__product *p = t->p;
    chains s;
    const real *start = t->first ? p->c : p->start;
    size_t start_row = t->first ? p->c_row : p->start_row, start_block = t->first ? p->c_block : p->start_block;
    UNROLL for (size_t i = 0; i < rows * blocks; i++)
    {
        size_t at = (row + i / blocks) * start_row + (q + i % blocks) * start_block;
        UNROLL for (size_t g = 0; g < 4; g++) s.v[i][g] = start ? v_load(start + at + g * LANES) : v_set(0);
    }
    const real *w = (const real *)p->w + q * p->w_block + t->first * BLOCK_COLUMNS;
    const real *a = (const real *)p->a + row * p->a_row + t->first * p->a_k;
    if (p->gates && BLOCKS_PER_PANEL > 1)
        continue_over_gates(&s, rows, blocks, t->end - t->first, w, p->w_block, a, p->a_row);
    else
        continue_chains(&s, rows, blocks, t->end - t->first, w, p->w_block, a, p->a_row, p->a_k);
    UNROLL for (size_t i = 0; i < rows * blocks; i++)
    {
        size_t at = (row + i / blocks) * p->c_row + (q + i % blocks) * p->c_block;
        UNROLL for (size_t g = 0; g < 4; g++) v_store((real *)p->c + at + g * LANES, s.v[i][g]);
    }
}

/* Calls block(context, row, rows, q, blocks) with constant rows and blocks for one row and the blocks [first, end). */
#define FOR_ONE_ROW(block, context, first_block, end_block)                    \
    do {                                                                       \
        size_t q_ = (first_block), all_ = (end_block);                         \
        for (; q_ + SOLO_BLOCKS <= all_; q_ += SOLO_BLOCKS)                    \
            block(context, 0, 1, q_, SOLO_BLOCKS);                             \
        for (; q_ < all_; q_++)                                                \
            block(context, 0, 1, q_, 1);                                       \
    } while (0)

/* The same for the rows [first, end) of block q. An odd BLOCK_ROWS leaves no row alone, for one row has too few chains: two rows,
 * twice, end such a batch. */
#define FOR_ROWS(block, context, first_row, end_row, q)                                                                      \
    do {                                                                                                                     \
        size_t row_ = (first_row), n_ = (end_row);                                                                           \
        for (; row_ + BLOCK_ROWS <= n_ && (BLOCK_ROWS % 2 == 0 || n_ - row_ != BLOCK_ROWS + 1); row_ += BLOCK_ROWS)          \
            block(context, row_, BLOCK_ROWS, q, 1);                                                                          \
        for (; row_ + 2 <= n_; row_ += 2)                                                                                    \
            block(context, row_, 2, q, 1);                                                                                   \
        if (row_ < n_)                                                                                                       \
            block(context, row_, 1, q, 1);                                                                                   \
    } while (0)

/* Rows [row, end) of block q. */
static NEVER_INLINE void product_rows(const struct weir__product *p, size_t row, size_t end, size_t q)
{
    piece t = {p, 0, 0};
    do {
        t.first = t.end;
        t.end = p->K - t.first < DEPTH ? p->K : t.first + DEPTH;
        FOR_ROWS(product_block, &t, row, end, q);
    } while (t.end < p->K);
}

static inline size_t group_end(size_t row, size_t rows)
{
    return rows - row < GROUP_ROWS ? rows : row + GROUP_ROWS;
}

static void product(const struct weir__product *p)
{
    size_t blocks = p->panels * BLOCKS_PER_PANEL;
    if (p->rows == 1) {
        piece t = {p, 0, p->K};
        FOR_ONE_ROW(product_block, &t, 0, blocks);
        return;
    }
    for (size_t row = 0; row < p->rows; row += GROUP_ROWS)
        for (size_t q = 0; q < blocks; q++)
            product_rows(p, row, group_end(row, p->rows), q);
}
