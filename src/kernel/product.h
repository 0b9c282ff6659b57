/* Panel products: the one place where weights meet inputs, for the step, the batch, the sequence and all gradients.
 *
 * A block is four vectors side by side in a panel: the four gates of LANES units, or 4 LANES outputs. BLOCK_ROWS rows of one block, or
 * one row of SOLO_BLOCKS blocks, are in registers at a time: enough independent chains to hide the latency of the multiply-add.
 *
 * SPDX-License-Identifier: MIT */

#define BLOCKS_PER_PANEL (WEIR__UNITS / LANES)
#define MOST_CHAINS (BLOCK_ROWS > SOLO_BLOCKS ? BLOCK_ROWS : SOLO_BLOCKS)

typedef struct chains {
    vec v[MOST_CHAINS][4];
} chains;

/* Where block q begins in an array of panels of columns. */
static inline size_t block_at(size_t q, size_t panel_stride)
{
    return q / BLOCKS_PER_PANEL * panel_stride + q % BLOCKS_PER_PANEL * 4 * LANES;
}

/* Where its units begin in an array of `slots` numbers for each unit, [panels][slots][16]. */
static inline size_t units_at(size_t q, size_t slots)
{
    return q / BLOCKS_PER_PANEL * slots * WEIR__UNITS + q % BLOCKS_PER_PANEL * LANES;
}

/* Continues rows * blocks groups of four chains: v[r * blocks + b] += sum over k of a[r][k] w[block q + b][k]. */
static ALWAYS_INLINE void continue_chains(chains *s, size_t rows, size_t blocks, size_t K, const real *w, size_t w_panel, size_t w_k,
                                          size_t q, const real *a, size_t a_row, size_t a_k)
{
    const real *block[SOLO_BLOCKS];
    for (size_t b = 0; b < blocks; b++)
        block[b] = w + block_at(q + b, w_panel);
    for (size_t k = 0; k < K; k++)
        UNROLL for (size_t b = 0; b < blocks; b++)
        {
            const real *wk = block[b] + k * w_k;
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
static ALWAYS_INLINE void continue_over_gates(chains *s, size_t rows, size_t blocks, size_t K, const real *w, size_t w_panel, size_t w_k,
                                              size_t q, const real *a, size_t a_row)
{
    for (size_t panel = 0; panel < K / WEIR__COLUMNS; panel++)
        for (size_t run = 0; run < WEIR__COLUMNS / LANES; run++) {
            size_t gate = run / BLOCKS_PER_PANEL, block = run % BLOCKS_PER_PANEL, at = panel * WEIR__COLUMNS;
            continue_chains(s, rows, blocks, LANES, w + (at + run * LANES) * w_k, w_panel, w_k, q, a + at + (4 * block + gate) * LANES,
                            a_row, 1);
        }
}

static ALWAYS_INLINE void product_block(const struct weir__product *p, size_t row, size_t rows, size_t q, size_t blocks)
{
    chains s;
    const real *start = p->start;
    UNROLL for (size_t i = 0; i < rows * blocks; i++)
    {
        size_t at = (row + i / blocks) * p->start_row + block_at(q + i % blocks, p->start_panel);
        UNROLL for (size_t g = 0; g < 4; g++) s.v[i][g] = start ? v_load(start + at + g * LANES) : v_set(0);
    }
    const real *a = (const real *)p->a + row * p->a_row;
    if (p->gates && BLOCKS_PER_PANEL > 1)
        continue_over_gates(&s, rows, blocks, p->K, p->w, p->w_panel, p->w_k, q, a, p->a_row);
    else
        continue_chains(&s, rows, blocks, p->K, p->w, p->w_panel, p->w_k, q, a, p->a_row, p->a_k);
    UNROLL for (size_t i = 0; i < rows * blocks; i++)
    {
        size_t at = (row + i / blocks) * p->c_row + block_at(q + i % blocks, p->c_panel);
        UNROLL for (size_t g = 0; g < 4; g++) v_store((real *)p->c + at + g * LANES, s.v[i][g]);
    }
}

/* Calls block(context..., row, rows, q, blocks) with constant rows and blocks over all rows and the blocks of some panels: weights
 * outside, rows inside, so that a block of weights is read from the nearest cache for all rows. An odd BLOCK_ROWS leaves no row alone,
 * for one row has too few chains: two rows, twice, end such a batch. */
#define FOR_EACH_BLOCK(block, context, total_rows, first_panel, end_panel)                                                       \
    do {                                                                                                                         \
        size_t row_, q_ = (first_panel) * BLOCKS_PER_PANEL, n_ = (total_rows), all_ = (end_panel) * BLOCKS_PER_PANEL;            \
        if (n_ == 1)                                                                                                             \
            for (; q_ + SOLO_BLOCKS <= all_; q_ += SOLO_BLOCKS)                                                                  \
                block(context, 0, 1, q_, SOLO_BLOCKS);                                                                           \
        for (; q_ < all_; q_++) {                                                                                                \
            for (row_ = 0; row_ + BLOCK_ROWS <= n_ && (BLOCK_ROWS % 2 == 0 || n_ - row_ != BLOCK_ROWS + 1); row_ += BLOCK_ROWS)  \
                block(context, row_, BLOCK_ROWS, q_, 1);                                                                         \
            for (; row_ + 2 <= n_; row_ += 2)                                                                                    \
                block(context, row_, 2, q_, 1);                                                                                  \
            if (row_ < n_)                                                                                                       \
                block(context, row_, 1, q_, 1);                                                                                  \
        }                                                                                                                        \
    } while (0)

static void product(const struct weir__product *p)
{
    FOR_EACH_BLOCK(product_block, p, p->rows, 0, p->panels);
}
