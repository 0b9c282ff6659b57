/* The LSTM cell, forward and backward (Gers, Schraudolph, Schmidhuber 2002; equations at weir_config in weir.h).
 *
 * SPDX-License-Identifier: MIT */

/* A cell whose gates are sigmoids, whose candidate and output are tanh, with nothing clipped, coupled or left out. */
static bool cell_is_plain(const struct weir__lstm *l)
{
    return l->gate.id == WEIR_SIGMOID && l->candidate.id == WEIR_TANH && l->output.id == WEIR_TANH && l->activation_clip == 0 &&
           l->cell_clip == 0 && !l->coupled && !l->no_forget_gate;
}

static ALWAYS_INLINE vec clamp(vec x, vec limit)
{
    return v_max(v_min(x, limit), v_neg(limit));
}

static inline vec within(vec x, vec limit, vec value) /* value where |x| <= limit, else 0: the derivative of clamp, times value */
{
    return v_select(v_le(v_abs(x), limit), value, v_set(0));
}

/* Slot of a slope in weir__lstm.slope. */
enum { SLOPE_I, SLOPE_F, SLOPE_G, SLOPE_O, SLOPE_OUTPUT };

/* The parts of a cell that belong to one block of LANES units. */
typedef struct units {
    const struct weir__lstm *l;
    vec p_i, p_f, p_o, keep, clip;
    const real *slope; /* of these units, slots 16 apart; NULL without PReLU */
} units;

static ALWAYS_INLINE units units_of(const struct weir__lstm *l, size_t q)
{
    units u = {.l = l, .clip = v_set((real)l->activation_clip)};
    u.keep = v_load((const real *)l->keep + units_at(q, 1));
    u.slope = l->slope ? (const real *)l->slope + units_at(q, 8) : NULL;
    u.p_i = u.p_f = u.p_o = v_set(0);
    if (l->peepholes) {
        const real *p = (const real *)l->peephole + units_at(q, 3);
        u.p_i = v_load(p);
        u.p_f = v_load(p + 16);
        u.p_o = v_load(p + 32);
    }
    return u;
}

static inline vec alpha_of(const units *u, const weir_activation *a, int slot)
{
    return a->id == WEIR_PRELU ? v_load(u->slope + slot * WEIR__UNITS) : v_set((real)a->alpha);
}

static ALWAYS_INLINE vec value(const units *u, bool plain, weir_activation_id id, const weir_activation *a, int slot, vec x)
{
    if (plain)
        return activation_value(id, x, v_set(0), v_set(0));
    if (u->l->activation_clip > 0)
        x = clamp(x, u->clip);
    return value_of(a, x, alpha_of(u, a, slot));
}

static ALWAYS_INLINE void pair(const units *u, bool plain, weir_activation_id id, const weir_activation *a, int slot, vec x, vec *y,
                               vec *d)
{
    if (plain) {
        activation_pair(id, x, v_set(0), v_set(0), y, d);
        return;
    }
    bool clipped = u->l->activation_clip > 0;
    pair_of(a, clipped ? clamp(x, u->clip) : x, alpha_of(u, a, slot), y, d);
    if (clipped)
        *d = within(x, u->clip, *d);
}

/* ---- Forward ---- */

/* a b, as a multiply-add: some processors take several times as long for a product that is subnormal, but not for such a sum. */
static ALWAYS_INLINE vec times(vec a, vec b)
{
    return v_fma(a, b, v_set(REAL(-0.0)));
}

/* z: the chains of i, f, g, o; on return with the peepholes added. Gives c and m = o * output(c). */
static ALWAYS_INLINE void cell(const units *u, bool plain, vec z[4], vec c_old, vec *c, vec *m)
{
    const struct weir__lstm *l = u->l;
    if (l->peepholes) {
        z[0] = v_fma(u->p_i, c_old, z[0]);
        z[1] = v_fma(u->p_f, c_old, z[1]);
    }
    vec i = value(u, plain, WEIR_SIGMOID, &l->gate, SLOPE_I, z[0]);
    vec g = value(u, plain, WEIR_TANH, &l->candidate, SLOPE_G, z[2]), f;
    if (plain)
        f = value(u, plain, WEIR_SIGMOID, &l->gate, SLOPE_F, z[1]);
    else if (l->no_forget_gate)
        f = v_set(1);
    else if (l->coupled)
        f = v_sub(v_set(1), i);
    else
        f = value(u, plain, WEIR_SIGMOID, &l->gate, SLOPE_F, z[1]);
    vec s = v_fma(f, c_old, times(i, g));
    if (!plain && l->cell_clip > 0)
        s = clamp(s, v_set((real)l->cell_clip));
    s = v_select(v_lt(v_set(0), u->keep), s, v_set(0));
    if (l->peepholes)
        z[3] = v_fma(u->p_o, s, z[3]);
    vec o = value(u, plain, WEIR_SIGMOID, &l->gate, SLOPE_O, z[3]);
    *c = s;
    *m = times(o, value(u, plain, WEIR_TANH, &l->output, SLOPE_OUTPUT, s));
}

static ALWAYS_INLINE void store_some(real *p, size_t n, vec x) /* the first n */
{
    if (n >= LANES) {
        v_store(p, x);
        return;
    }
    real all[LANES];
    v_store(all, x);
    for (size_t i = 0; i < n; i++)
        p[i] = all[i];
}

/* Row `row` of block q from its chains to c, m and the tape. */
static ALWAYS_INLINE void update_units(const units *u, bool plain, const struct weir__cell_forward *s, size_t row, size_t q, vec z[4])
{
    size_t unit = q * LANES;
    vec c, m;
    cell(u, plain, z, v_load((const real *)s->c_old + row * s->c_row + unit), &c, &m);
    v_store((real *)s->c + row * s->c_row + unit, c);
    v_store((real *)s->m + row * s->m_row + unit, m);
    if (s->m_too)
        store_some((real *)s->m_too + row * u->l->hidden + unit, u->l->hidden - unit, m);
    if (s->tape) {
        real *tape = (real *)s->tape + q * s->tape_block + row * BLOCK_COLUMNS;
        for (size_t g = 0; g < 4; g++)
            v_store(tape + g * LANES, z[g]);
    }
}

typedef struct forward_step {
    const struct weir__lstm *l;
    const struct weir__cell_forward *s;
    bool plain;
} forward_step;

/* One row stays in registers from its first chain to its cell state. */
static ALWAYS_INLINE void forward_row(forward_step t, weir_weights form, size_t q, size_t blocks)
{
    const struct weir__lstm *l = t.l;
    const struct weir__cell_forward *s = t.s;
    size_t x_block = l->inputs * BLOCK_COLUMNS, h_block = l->projected * BLOCK_COLUMNS;
    chains z;
    ahead none = {0, 0};
    UNROLL for (size_t i = 0; i < 4 * blocks; i++) z.v[i] = v_load((const real *)s->z + q * s->z_block + column_at(i, s->z_block));
    if (s->x)
        continue_chains(&z, 1, (columns){0, 4 * blocks, x_block}, l->inputs, form, weights_at(form, l->wx, q * x_block), s->x, 0, 1, none);
    continue_chains(&z, 1, (columns){0, 4 * blocks, h_block}, l->projected, form, weights_at(form, l->wh, q * h_block), s->h, 0, 1, none);
    UNROLL for (size_t b = 0; b < blocks; b++)
    {
        units u = units_of(l, q + b);
        update_units(&u, t.plain, s, 0, q + b, z.v + 4 * b);
    }
}

/* part[row][block] = start + W a for the rows [row, end) of block q. */
static void part_product(const struct weir__lstm *l, size_t K, const void *w, const void *a, size_t a_row, const real *start,
                         size_t start_row, size_t row, size_t end, size_t q, real *part)
{
    struct weir__product p = {
        .rows = end - row,
        .panels = l->panels,
        .K = K,
        .w = weights_at(l->form, w, q * K * BLOCK_COLUMNS),
        .form = l->form,
        .w_block = K * BLOCK_COLUMNS,
        .a = (const real *)a + row * a_row,
        .a_row = a_row,
        .a_k = 1,
        .start = start,
        .start_row = start_row,
        .c = part,
        .c_row = BLOCK_COLUMNS,
    };
    product_rows(&p, 0);
}

/* Many rows share a block's weights; their chains wait in `part` for the cell. */
static ALWAYS_INLINE void forward_rows(forward_step t, size_t row, size_t end, size_t q)
{
    const struct weir__lstm *l = t.l;
    const struct weir__cell_forward *s = t.s;
    real part[GROUP_ROWS * BLOCK_COLUMNS];
    const real *start = (const real *)s->z + q * s->z_block + row * s->z_row;
    size_t start_row = s->z_row;
    if (s->x) {
        part_product(l, l->inputs, l->wx, s->x, s->x_row, start, start_row, row, end, q, part);
        start = part;
        start_row = BLOCK_COLUMNS;
    }
    part_product(l, l->projected, l->wh, s->h, s->h_row, start, start_row, row, end, q, part);
    units u = units_of(l, q);
    for (size_t r = row; r < end; r++) {
        const real *at = part + (r - row) * BLOCK_COLUMNS;
        vec z[4] = {v_load(at), v_load(at + LANES), v_load(at + 2 * LANES), v_load(at + 3 * LANES)};
        update_units(&u, t.plain, s, r, q, z);
    }
}

/* ---- Weights and inputs of 8 bits ---- */

/* A row of smaller numbers, whose inverse would overflow, counts as zeros. */
#define LEAST_QUANTIZED REAL(1e-30)

static ALWAYS_INLINE vec load_some(const real *p, size_t n) /* zeros beyond the first n */
{
    if (n >= LANES)
        return v_load(p);
    real some[LANES] = {0};
    memcpy(some, p, n * sizeof *p);
    return v_load(some);
}

/* The largest |x|, or NaN if a number is NaN or infinite. */
static real largest(size_t n, const real *x)
{
    vec most = v_set(0), odd = v_set(0);
    for (size_t i = 0; i < n; i += LANES) {
        vec v = load_some(x + i, n - i);
        most = v_max(v_abs(v), most);
        odd = v_add(odd, v_sub(v, v));
    }
    real lanes[LANES], result = 0;
    v_store(lanes, v_add(most, odd));
    for (size_t i = 0; i < LANES; i++)
        result = lanes[i] <= result || result != result ? result : lanes[i];
    return result;
}

static void quantize(size_t rows, size_t n, const void *x, size_t x_row, int8_t *q, void *step)
{
    size_t padded = weir__round_up(n, 4);
    for (size_t r = 0; r < rows; r++) {
        const real *in = (const real *)x + r * x_row;
        real most = largest(n, in), lanes[LANES];
        bool some = most >= LEAST_QUANTIZED; /* not for NaN */
        vec inverse = v_set(some ? 127 / most : 0);
        for (size_t i = 0; i < padded; i += LANES) {
            v_store(lanes, v_rint(v_mul(load_some(in + i, n > i ? n - i : 0), inverse)));
            for (size_t lane = 0; lane < LANES && i + lane < padded; lane++)
                q[r * padded + i + lane] = some ? (int8_t)lanes[lane] : 0;
        }
        ((real *)step)[r] = most < LEAST_QUANTIZED ? 0 : most / 127;
    }
}

/* z[v] += step step[column] * (the exact sum over k of q[k] w[k][column]) for the four vectors of `blocks` blocks. */
static ALWAYS_INLINE void continue_8bit(chains *z, size_t blocks, size_t K, const void *w, size_t panels, size_t q, const int8_t *x,
                                        real step)
{
    size_t block = weir__round_up(K, 4) * BLOCK_COLUMNS;
    const real *steps = (const real *)w + q * BLOCK_COLUMNS;
    const int8_t *first = (const int8_t *)((const real *)w + panels * WEIR__COLUMNS) + q * block;
    ivec sum[4 * SOLO_BLOCKS];
    UNROLL for (size_t i = 0; i < 4 * blocks; i++) sum[i] = i_zero();
    for (size_t k = 0; k < K; k += 4)
        UNROLL for (size_t i = 0; i < 4 * blocks; i++)
            sum[i] = i_dot(sum[i], first + i / 4 * block + k * BLOCK_COLUMNS + i % 4 * 4 * LANES, x + k);
    UNROLL for (size_t i = 0; i < 4 * blocks; i++)
        z->v[i] = v_fma(i_float(sum[i]), v_mul(v_set(step), v_load(steps + i * LANES)), z->v[i]);
}

static ALWAYS_INLINE void forward_8bit_row(forward_step t, size_t row, size_t q, size_t blocks)
{
    const struct weir__lstm *l = t.l;
    const struct weir__cell_forward *s = t.s;
    const struct weir__quantized *in = s->q;
    chains z;
    const real *start = (const real *)s->z + q * s->z_block + row * s->z_row;
    UNROLL for (size_t i = 0; i < 4 * blocks; i++) z.v[i] = v_load(start + column_at(i, s->z_block));
    if (s->x)
        continue_8bit(&z, blocks, l->inputs, l->wx, l->panels, q, in->x + row * weir__round_up(l->inputs, 4), ((const real *)in->x_step)[row]);
    continue_8bit(&z, blocks, l->projected, l->wh, l->panels, q, in->h + row * weir__round_up(l->projected, 4),
                  ((const real *)in->h_step)[row]);
    for (size_t b = 0; b < blocks; b++) {
        units u = units_of(l, q + b);
        update_units(&u, t.plain, s, row, q + b, z.v + 4 * b);
    }
}

/* All rows of a few blocks, whose weights stay in the nearest cache. */
static ALWAYS_INLINE void forward_8bit(forward_step t, weir_weights form, size_t q, size_t blocks)
{
    (void)form;
    for (size_t row = 0; row < t.s->rows; row++)
        forward_8bit_row(t, row, q, blocks);
}

/* ---- All units ---- */

static ALWAYS_INLINE void forward_all(const struct weir__lstm *l, const struct weir__cell_forward *s, bool plain)
{
    forward_step t = {l, s, plain};
    size_t first = s->panel * BLOCKS_PER_PANEL, end = s->panel_end * BLOCKS_PER_PANEL, used = (l->hidden + LANES - 1) / LANES;
    if (!s->tape && used < end)
        end = used; /* the rest is padding */
    if (l->form == WEIR_WEIGHTS_INT8)
        FOR_ONE_ROW(forward_8bit, t, WEIR_WEIGHTS_INT8, first, end);
    else if (s->rows == 1 && l->form == WEIR_WEIGHTS_BF16)
        FOR_ONE_ROW(forward_row, t, WEIR_WEIGHTS_BF16, first, end);
    else if (s->rows == 1)
        FOR_ONE_ROW(forward_row, t, WEIR_WEIGHTS_F32, first, end);
    else
        for (size_t row = 0; row < s->rows; row += GROUP_ROWS)
            for (size_t q = first; q < end; q++)
                forward_rows(t, row, group_end(row, s->rows), q);
}

static void cell_forward(const struct weir__lstm *l, const struct weir__cell_forward *s)
{
    if (cell_is_plain(l))
        forward_all(l, s, true);
    else
        forward_all(l, s, false);
}

/* ---- Backward ---- */

/* dL/dslope = dL/dy min(x, 0) of a PReLU's argument x; 0 for any other activation. */
static void store_slope(const units *u, const weir_activation *a, real *slopes, int slot, vec dy, vec x)
{
    if (u->l->activation_clip > 0)
        x = clamp(x, u->clip);
    v_store(slopes + slot * WEIR__UNITS, a->id == WEIR_PRELU ? v_mul(dy, v_min(x, v_set(0))) : v_set(0));
}

/* From dL/dm and dL/dc (through later steps) to dL/dz of the four gates and dL/dc_old:
 *     dL/do = dm output(c)                  dL/dc += dm o output'(c) + p_o dz_o
 *     dL/di = dc g     dL/dg = dc i     dL/df = dc c_old        dz = dL/dy y'(z)
 *     dL/dc_old = dc f + p_i dz_i + p_f dz_f */
static ALWAYS_INLINE void cell_gradient(const units *u, bool plain, vec z[4], vec c_old, vec c, vec dm, vec *dc, real *slopes)
{
    const struct weir__lstm *l = u->l;
    vec i, f, g, o, t, d_i, d_f, d_g, d_o, d_t;
    pair(u, plain, WEIR_SIGMOID, &l->gate, SLOPE_I, z[0], &i, &d_i);
    pair(u, plain, WEIR_TANH, &l->candidate, SLOPE_G, z[2], &g, &d_g);
    pair(u, plain, WEIR_SIGMOID, &l->gate, SLOPE_O, z[3], &o, &d_o);
    pair(u, plain, WEIR_TANH, &l->output, SLOPE_OUTPUT, c, &t, &d_t);
    bool own_forget = plain || (!l->no_forget_gate && !l->coupled);
    if (own_forget)
        pair(u, plain, WEIR_SIGMOID, &l->gate, SLOPE_F, z[1], &f, &d_f);
    else {
        f = l->no_forget_gate ? v_set(1) : v_sub(v_set(1), i);
        d_f = v_set(0);
    }

    vec dy_o = v_mul(dm, t), dy_t = v_mul(dm, o), dz_o = v_mul(dy_o, d_o);
    vec s = v_fma(dy_t, d_t, *dc);
    if (l->peepholes)
        s = v_fma(u->p_o, dz_o, s);
    if (!plain && l->cell_clip > 0)
        s = v_select(v_lt(v_abs(c), v_set((real)l->cell_clip)), s, v_set(0));
    vec dy_i = v_mul(s, !own_forget && l->coupled && !l->no_forget_gate ? v_sub(g, c_old) : g);
    vec dy_g = v_mul(s, i), dy_f = v_mul(s, c_old);
    if (slopes) {
        store_slope(u, &l->gate, slopes, SLOPE_I, dy_i, z[0]);
        store_slope(u, &l->gate, slopes, SLOPE_F, own_forget ? dy_f : v_set(0), z[1]);
        store_slope(u, &l->candidate, slopes, SLOPE_G, dy_g, z[2]);
        store_slope(u, &l->gate, slopes, SLOPE_O, dy_o, z[3]);
        store_slope(u, &l->output, slopes, SLOPE_OUTPUT, dy_t, c);
    }
    z[0] = v_mul(dy_i, d_i);
    z[1] = v_mul(dy_f, d_f);
    z[2] = v_mul(dy_g, d_g);
    z[3] = dz_o;
    vec old = v_mul(s, f);
    if (l->peepholes) {
        old = v_fma(u->p_i, z[0], old);
        old = v_fma(u->p_f, z[1], old);
    }
    *dc = old;
}

static ALWAYS_INLINE void cell_backward_all(const struct weir__lstm *l, const struct weir__cell_backward *s, bool plain)
{
    for (size_t q = 0; q < l->panels * BLOCKS_PER_PANEL; q++) {
        units u = units_of(l, q);
        size_t unit = q * LANES;
        for (size_t r = 0; r < s->rows; r++) {
            real *z = (real *)s->z + q * s->z_block + r * BLOCK_COLUMNS, *dc = (real *)s->dc + r * s->dc_row + unit;
            real *slopes = s->slopes ? (real *)s->slopes + r * s->slopes_row + units_at(q, WEIR__SLOPES / WEIR__UNITS) : NULL;
            vec v[4] = {v_load(z), v_load(z + LANES), v_load(z + 2 * LANES), v_load(z + 3 * LANES)}, d = v_load(dc);
            cell_gradient(&u, plain, v, v_load((const real *)s->c_old + r * s->c_row + unit),
                          v_load((const real *)s->c + r * s->c_row + unit), v_load((const real *)s->dm + r * s->dm_row + unit), &d,
                          slopes);
            for (size_t g = 0; g < 4; g++)
                v_store(z + g * LANES, v[g]);
            v_store(dc, d);
        }
    }
}

static void cell_backward(const struct weir__lstm *l, const struct weir__cell_backward *s)
{
    if (cell_is_plain(l))
        cell_backward_all(l, s, true);
    else
        cell_backward_all(l, s, false);
}

/* Sums over rows, in order: dp_i = sum dz_i c_old, dp_f = sum dz_f c_old, dp_o = sum dz_o c. */
static void peephole_grad(size_t panel, size_t rows, const void *dz, size_t dz_block, const void *c_old, const void *c, size_t c_row,
                          void *dp)
{
    for (size_t q = panel * BLOCKS_PER_PANEL; q < (panel + 1) * BLOCKS_PER_PANEL; q++) {
        const real *z = (const real *)dz + q * dz_block, *old = (const real *)c_old + q * LANES,
                   *now = (const real *)c + q * LANES;
        vec i = v_set(0), f = v_set(0), o = v_set(0);
        for (size_t r = 0; r < rows; r++) {
            vec c0 = v_load(old + r * c_row);
            i = v_fma(v_load(z + r * BLOCK_COLUMNS), c0, i);
            f = v_fma(v_load(z + r * BLOCK_COLUMNS + LANES), c0, f);
            o = v_fma(v_load(z + r * BLOCK_COLUMNS + 3 * LANES), v_load(now + r * c_row), o);
        }
        real *out = (real *)dp + units_at(q, 3);
        v_store(out, i);
        v_store(out + 16, f);
        v_store(out + 32, o);
    }
}

/* ---- Tokens: the product with a one-hot vector is a look-up ---- */

/* Vector i of block q of the weights of 8 bits, row k, times their steps. */
static vec weights_of_8bit(const struct weir__lstm *l, size_t q, size_t k, size_t i)
{
    size_t block = weir__round_up(l->inputs, 4) * BLOCK_COLUMNS;
    const int8_t *w = (const int8_t *)((const real *)l->wx + l->panels * WEIR__COLUMNS) + q * block;
    real x[LANES];
    for (size_t lane = 0; lane < LANES; lane++)
        x[lane] = w[k / 4 * 4 * BLOCK_COLUMNS + (i * LANES + lane) * 4 + k % 4];
    return v_mul(v_load(x), v_load((const real *)l->wx + q * BLOCK_COLUMNS + i * LANES));
}

static vec weights_of_token(const struct weir__lstm *l, size_t q, size_t token, size_t i)
{
    if (l->form == WEIR_WEIGHTS_INT8)
        return weights_of_8bit(l, q, token, i);
    return load_weights(l->form, weights_at(l->form, l->wx, (q * l->inputs + token) * BLOCK_COLUMNS), i);
}

static void look_up(const struct weir__lstm *l, size_t rows, const uint32_t *tokens, void *z, size_t z_block)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t q = 0; q < l->panels * BLOCKS_PER_PANEL; q++) {
            const real *bias = (const real *)l->bias + q * BLOCK_COLUMNS;
            real *out = (real *)z + q * z_block + r * BLOCK_COLUMNS;
            for (size_t i = 0; i < 4; i++) {
                vec b = v_load(bias + i * LANES);
                v_store(out + i * LANES, tokens[r] < l->inputs ? v_add(b, weights_of_token(l, q, tokens[r], i)) : b);
            }
        }
}

static void look_up_grad(const struct weir__lstm *l, size_t panel, size_t rows, const uint32_t *tokens, const void *dz, size_t dz_block,
                         void *dw)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t q = panel * BLOCKS_PER_PANEL; tokens[r] < l->inputs && q < (panel + 1) * BLOCKS_PER_PANEL; q++) {
            const real *d = (const real *)dz + q * dz_block + r * BLOCK_COLUMNS;
            real *out = (real *)dw + (q * l->inputs + tokens[r]) * BLOCK_COLUMNS;
            for (size_t j = 0; j < BLOCK_COLUMNS; j += LANES)
                v_store(out + j, v_add(v_load(out + j), v_load(d + j)));
        }
}
