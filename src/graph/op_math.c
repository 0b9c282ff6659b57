/* Operators that compute: activations, arithmetic with broadcasting, products, reductions, softmax. Results are float32 rounded once from the
 * library's exact functions or from float operations; sums are in double, in order.
 * SPDX-License-Identifier: MIT */
#include "format/onnx_cell.h"
#include "graph/graph.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Activations ---- */

/* A parameter of 0 means the default in weir_activation; this stands for 0. */
static float or_tiny(float x)
{
    return x == 0 ? 0x1p-149f : x;
}

bool weir__activation_of(const char *name, float alpha, float beta, weir_activation *out)
{
    bool zero = alpha == 0;
    if (!isfinite(alpha) || !isfinite(beta))
        return false;
    /* Slope 0 for negative numbers, or a threshold of 0: that is Relu. */
    if (zero && (strcmp(name, "leakyrelu") == 0 || strcmp(name, "elu") == 0 || strcmp(name, "thresholdedrelu") == 0))
        name = "relu";
    const weir__cell_activation *record = weir__cell_activation_find((weir__text){name, strlen(name)});
    if (!record)
        return false;
    if (record->id == WEIR_IDENTITY) { /* Affine */
        *out = (weir_activation){.id = WEIR_IDENTITY};
        return alpha == 1 && beta == 0;
    }
    *out = (weir_activation){record->id, record->takes_alpha ? alpha : 0, record->takes_beta ? or_tiny(beta) : 0};
    return !(record->takes_alpha && zero) && !(record->id == WEIR_SCALED_TANH && beta == 0);
}

/* activation: the function. */
weir_status weir__prepare_activation(weir__build *b, weir__step *s)
{
    static const struct {
        const char *op, *name;
        float alpha, beta;
    } usual[] = {{"LeakyRelu", "leakyrelu", 0.01f, 0}, {"Elu", "elu", 1, 0}, {"HardSigmoid", "hardsigmoid", 0.2f, 0.5f}};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strcmp(s->op->name, usual[i].op) == 0) {
            float alpha = weir__attribute_float(b, "alpha", usual[i].alpha), beta = weir__attribute_float(b, "beta", usual[i].beta);
            if (!weir__activation_of(usual[i].name, alpha, beta, &s->s.activation))
                return WEIR__REFUSE(b, "has alpha %g and beta %g, which cannot be computed here", (double)alpha, (double)beta);
            return WEIR_OK;
        }
    for (size_t id = 1; id <= weir_activation_count(); id++)
        if (strcmp(weir_activation_get((weir_activation_id)id)->onnx, s->op->name) == 0) {
            s->s.activation.id = (weir_activation_id)id;
            return WEIR_OK;
        }
    return WEIR__REFUSE(b, "is no activation");
}

weir_status weir__prepare_gelu(weir__build *b, weir__step *s)
{
    const weir__onnx_attribute *a = weir__onnx_find(b->node, "approximate");
    bool tanh_form = a && weir__text_is(a->is.s, "tanh");
    if (a && !tanh_form && !weir__text_is(a->is.s, "none"))
        return WEIR__BREAKS(b, "must have none or tanh in its attribute approximate");
    s->s.activation.id = tanh_form ? WEIR_GELU_TANH : WEIR_GELU;
    return WEIR_OK;
}

/* alpha; of ThresholdedRelu, Celu, Swish. */
weir_status weir__prepare_alpha(weir__build *b, weir__step *s)
{
    s->s.alpha = weir__attribute_float(b, "alpha", 1);
    if (!isfinite(s->s.alpha) || (s->s.alpha == 0 && strcmp(s->op->name, "Celu") == 0))
        return WEIR__REFUSE(b, "has alpha %g, which cannot be computed here", (double)s->s.alpha);
    return WEIR_OK;
}

static weir_status want(const weir__run *r, const weir__step *s, uint32_t k, weir_element element)
{
    const weir__data *d = weir__in(r, s, k);
    if (d->element == element)
        return WEIR_OK;
    return weir__stop(r, s, WEIR_E_ARGUMENT, "has %s in input %u, but works on %s", weir_element_name(d->element), (unsigned)k,
                      weir_element_name(element));
}

/* An output of the shape of input 0, of floats; x and y are their numbers. */
static weir_status like_input(weir__run *r, const weir__step *s, const float **x, float **y, size_t *count)
{
    TRY(want(r, s, 0, WEIR_FLOAT32));
    const weir__data *in = weir__in(r, s, 0);
    TRY(weir__make(r, s, 0, WEIR_FLOAT32, in->rank, in->dims));
    *x = in->data;
    *y = weir__out(r, s, 0)->data;
    *count = in->count;
    return WEIR_OK;
}

static weir_status apply(const weir__run *r, const weir_activation *a, size_t n, const float *x, float *y)
{
    return weir_activation_apply(a, WEIR_EXACT, r->isa, n, x, y, r->err);
}

weir_status weir__run_activation(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    return apply(r, &s->s.activation, n, x, y);
}

/* alpha, and beta for gamma. */
weir_status weir__prepare_selu(weir__build *b, weir__step *s)
{
    s->s.alpha = weir__attribute_float(b, "alpha", 1.67326319217681884765625f);
    s->s.beta = weir__attribute_float(b, "gamma", 1.05070102214813232421875f);
    if (!isfinite(s->s.alpha) || !isfinite(s->s.beta))
        return WEIR__REFUSE(b, "has alpha %g and gamma %g, which must be finite", (double)s->s.alpha, (double)s->s.beta);
    return WEIR_OK;
}

/* gamma x for x > 0, else gamma alpha (exp(x) - 1) */
weir_status weir__run_selu(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    if (s->s.alpha != 0 && s->s.beta > 0)
        return apply(r, &(weir_activation){WEIR_SELU, s->s.alpha, s->s.beta}, n, x, y);
    TRY(apply(r, &(weir_activation){.id = WEIR_EXPM1}, n, x, y));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? s->s.beta * x[i] : (float)((double)s->s.beta * (double)s->s.alpha * (double)y[i]);
    return WEIR_OK;
}

/* x sigmoid(alpha x); 0 in the far tail, also for infinities. */
weir_status weir__run_swish(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    if (s->s.alpha == 1)
        return apply(r, &(weir_activation){.id = WEIR_SILU}, n, x, y);
    for (size_t i = 0; i < n; i++)
        y[i] = s->s.alpha == 0 ? 0 : s->s.alpha * x[i];
    TRY(apply(r, &(weir_activation){.id = WEIR_SIGMOID}, n, y, y));
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] == 0 ? copysignf(0, x[i]) : x[i] * y[i];
    return WEIR_OK;
}

/* x max(0, min(1, x / 6 + 1/2)) */
weir_status weir__run_hard_swish(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        y[i] = v >= 3 ? x[i] : v <= -3 ? copysignf(0, x[i]) : (float)(v * (v / 6 + 0.5));
    }
    return WEIR_OK;
}

/* x for x > 0, else alpha (exp(x / alpha) - 1); ONNX: max(0, x) + min(0, alpha (exp(x / alpha) - 1)) */
weir_status weir__run_celu(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y, alpha = s->s.alpha;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / alpha;
    TRY(apply(r, &(weir_activation){.id = WEIR_EXPM1}, n, y, y));
    for (size_t i = 0; i < n; i++) {
        float curve = alpha * y[i];
        y[i] = (x[i] < 0 ? 0 : x[i]) + (curve > 0 ? 0 : curve);
    }
    return WEIR_OK;
}

weir_status weir__run_thresholded(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > s->s.alpha || isnan(x[i]) ? x[i] : 0;
    return WEIR_OK;
}

weir_status weir__run_abs(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    for (size_t i = 0; i < n; i++)
        y[i] = fabsf(x[i]);
    return WEIR_OK;
}

weir_status weir__run_neg(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    for (size_t i = 0; i < n; i++)
        y[i] = -x[i];
    return WEIR_OK;
}

weir_status weir__run_sqrt(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    for (size_t i = 0; i < n; i++)
        y[i] = sqrtf(x[i]);
    return WEIR_OK;
}

static double log_of(float x)
{
    if (x > 0 && x <= FLT_MAX)
        return weir__log((double)x);
    return x == 0 ? -(double)INFINITY : x > 0 ? (double)x : (double)NAN;
}

weir_status weir__run_log(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t n;
    TRY(like_input(r, s, &x, &y, &n));
    for (size_t i = 0; i < n; i++)
        y[i] = (float)log_of(x[i]);
    return WEIR_OK;
}

/* ---- Broadcasting ---- */

/* How to walk over several arrays with the dimensions of their broadcast: size, and for each array its step in numbers (0 where it is
 * repeated), dimension by dimension. */
typedef struct broadcast {
    uint32_t rank;
    size_t dims[WEIR_MAX_RANK], steps[3][WEIR_MAX_RANK];
} broadcast;

static size_t dim_from_end(const weir__data *d, uint32_t i)
{
    return i < d->rank ? d->dims[d->rank - 1 - i] : 1;
}

/* Joins the dimensions of `count` arrays, as NumPy. */
static weir_status broadcast_of(const weir__run *r, const weir__step *s, const weir__data *const *arrays, size_t count, broadcast *b)
{
    *b = (broadcast){.rank = 0};
    for (size_t a = 0; a < count; a++)
        b->rank = arrays[a]->rank > b->rank ? arrays[a]->rank : b->rank;
    for (uint32_t i = 0; i < b->rank; i++) {
        size_t *size = &b->dims[b->rank - 1 - i];
        *size = 1;
        for (size_t a = 0; a < count; a++) {
            size_t mine = dim_from_end(arrays[a], i);
            if (mine != 1 && *size != 1 && mine != *size)
                return weir__stop(r, s, WEIR_E_ARGUMENT, "has inputs that cannot be broadcast: %zu and %zu numbers in dimension -%u", *size, mine,
                                  (unsigned)i + 1);
            *size = *size == 1 ? mine : *size;
        }
    }
    for (size_t a = 0; a < count; a++) {
        size_t step = 1;
        for (uint32_t i = 0; i < b->rank; i++) {
            size_t mine = dim_from_end(arrays[a], i);
            b->steps[a][b->rank - 1 - i] = mine == 1 ? 0 : step;
            step *= mine;
        }
    }
    return WEIR_OK;
}

/* Where each array is; `at` counts through the dimensions. */
typedef struct place {
    size_t at[WEIR_MAX_RANK], of[3];
} place;

static void advance(const broadcast *b, place *p)
{
    for (uint32_t d = b->rank; d-- > 0;) {
        for (size_t a = 0; a < 3; a++)
            p->of[a] += b->steps[a][d];
        if (++p->at[d] < b->dims[d])
            return;
        for (size_t a = 0; a < 3; a++)
            p->of[a] -= b->steps[a][d] * b->dims[d];
        p->at[d] = 0;
    }
}

/* ---- Arithmetic ---- */

typedef struct arithmetic {
    float (*floats)(float x, float y);
    int64_t (*ints)(int64_t x, int64_t y); /* wraps around; NULL: floats only */
} arithmetic;

static void combine(const arithmetic *f, const broadcast *b, const weir__data *x, const weir__data *y, weir__data *z)
{
    place p = {{0}, {0}};
    for (size_t i = 0; i < z->count; i++, advance(b, &p))
        if (z->element == WEIR_FLOAT32)
            ((float *)z->data)[i] = f->floats(((const float *)x->data)[p.of[0]], ((const float *)y->data)[p.of[1]]);
        else if (z->element == WEIR_INT64)
            ((int64_t *)z->data)[i] = f->ints(((const int64_t *)x->data)[p.of[0]], ((const int64_t *)y->data)[p.of[1]]);
        else
            ((int32_t *)z->data)[i] = (int32_t)f->ints(((const int32_t *)x->data)[p.of[0]], ((const int32_t *)y->data)[p.of[1]]);
}

static weir_status check_pair(const weir__run *r, const weir__step *s, const arithmetic *f, const weir__data *x, const weir__data *y)
{
    if (x->element != y->element)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has inputs of %s and %s; they must be of one type", weir_element_name(x->element),
                          weir_element_name(y->element));
    if (x->element == WEIR_BOOL || (x->element != WEIR_FLOAT32 && !f->ints))
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "has inputs of %s, which it cannot work on", weir_element_name(x->element));
    return WEIR_OK;
}

static weir_status run_arithmetic(weir__run *r, const weir__step *s, const arithmetic *f)
{
    const weir__data *pair[] = {weir__in(r, s, 0), weir__in(r, s, 1)};
    broadcast b;
    TRY(check_pair(r, s, f, pair[0], pair[1]));
    TRY(broadcast_of(r, s, pair, 2, &b));
    TRY(weir__make(r, s, 0, pair[0]->element, b.rank, b.dims));
    combine(f, &b, pair[0], pair[1], weir__out(r, s, 0));
    return WEIR_OK;
}

/* The same over any number of inputs, from the first to the last. */
static weir_status run_many(weir__run *r, const weir__step *s, const arithmetic *f)
{
    weir__data *whole;
    for (uint32_t k = 0; k < s->in_count; k++) {
        const weir__data *sum = k ? weir__out(r, s, 0) : weir__in(r, s, 0), *next = weir__in(r, s, k);
        const weir__data *pair[] = {sum, next};
        broadcast b;
        TRY(check_pair(r, s, f, sum, next));
        TRY(broadcast_of(r, s, pair, 2, &b));
        TRY(weir__make(r, s, 0, next->element, b.rank, b.dims));
        whole = weir__out(r, s, 0);
        if (k)
            combine(f, &b, sum, next, whole);
        else if (whole->count)
            memcpy(whole->data, next->data, weir__data_bytes(whole));
        if (k) {
            r->room += sum->size;
            weir__free(r->allocator, (void *)(uintptr_t)sum, sum->size);
        }
    }
    return WEIR_OK;
}

static float add_floats(float x, float y) { return x + y; }
static float sub_floats(float x, float y) { return x - y; }
static float mul_floats(float x, float y) { return x * y; }
static float div_floats(float x, float y) { return x / y; }
static float max_floats(float x, float y) { return x > y || isnan(x) ? x : y; }
static float min_floats(float x, float y) { return x < y || isnan(x) ? x : y; }
static int64_t add_ints(int64_t x, int64_t y) { return (int64_t)((uint64_t)x + (uint64_t)y); }
static int64_t sub_ints(int64_t x, int64_t y) { return (int64_t)((uint64_t)x - (uint64_t)y); }
static int64_t mul_ints(int64_t x, int64_t y) { return (int64_t)((uint64_t)x * (uint64_t)y); }
static int64_t div_ints(int64_t x, int64_t y) { return y == -1 ? sub_ints(0, x) : x / y; }
static int64_t max_ints(int64_t x, int64_t y) { return x > y ? x : y; }
static int64_t min_ints(int64_t x, int64_t y) { return x < y ? x : y; }

/* Squares and cubes are products, as everywhere; other powers are libm's. */
static float pow_floats(float x, float y)
{
    return y == 2 ? x * x : y == 3 ? (float)((double)x * (double)x * (double)x) : y == 1 ? x : powf(x, y);
}

#define ARITHMETIC(name)                                                     \
    weir_status weir__run_##name(weir__run *r, const weir__step *s)          \
    {                                                                        \
        return run_arithmetic(r, s, &(arithmetic){name##_floats, name##_ints}); \
    }
ARITHMETIC(add)
ARITHMETIC(sub)
ARITHMETIC(mul)

weir_status weir__run_div(weir__run *r, const weir__step *s)
{
    const weir__data *by = weir__in(r, s, 1);
    for (size_t i = 0; by->element != WEIR_FLOAT32 && i < by->count; i++)
        if (weir__int_at(by, i) == 0)
            return weir__stop(r, s, WEIR_E_ARGUMENT, "divides whole numbers by 0");
    return run_arithmetic(r, s, &(arithmetic){div_floats, div_ints});
}

weir_status weir__run_pow(weir__run *r, const weir__step *s)
{
    return run_arithmetic(r, s, &(arithmetic){pow_floats, NULL});
}

weir_status weir__run_max(weir__run *r, const weir__step *s)
{
    return run_many(r, s, &(arithmetic){max_floats, max_ints});
}

weir_status weir__run_min(weir__run *r, const weir__step *s)
{
    return run_many(r, s, &(arithmetic){min_floats, min_ints});
}

weir_status weir__run_sum(weir__run *r, const weir__step *s)
{
    return run_many(r, s, &(arithmetic){add_floats, add_ints});
}

weir_status weir__run_less(weir__run *r, const weir__step *s)
{
    const weir__data *pair[] = {weir__in(r, s, 0), weir__in(r, s, 1)};
    broadcast b;
    place p = {{0}, {0}};
    TRY(check_pair(r, s, &(arithmetic){add_floats, add_ints}, pair[0], pair[1]));
    TRY(broadcast_of(r, s, pair, 2, &b));
    TRY(weir__make(r, s, 0, WEIR_BOOL, b.rank, b.dims));
    weir__data *z = weir__out(r, s, 0);
    unsigned char *to = z->data;
    for (size_t i = 0; i < z->count; i++, advance(&b, &p))
        to[i] = pair[0]->element == WEIR_FLOAT32 ? ((const float *)pair[0]->data)[p.of[0]] < ((const float *)pair[1]->data)[p.of[1]]
                                                 : weir__int_at(pair[0], p.of[0]) < weir__int_at(pair[1], p.of[1]);
    return WEIR_OK;
}

weir_status weir__run_where(weir__run *r, const weir__step *s)
{
    const weir__data *all[] = {weir__in(r, s, 1), weir__in(r, s, 2), weir__in(r, s, 0)};
    broadcast b;
    place p = {{0}, {0}};
    TRY(want(r, s, 0, WEIR_BOOL));
    if (all[0]->element != all[1]->element)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has a choice of %s and %s; they must be of one type", weir_element_name(all[0]->element),
                          weir_element_name(all[1]->element));
    TRY(broadcast_of(r, s, all, 3, &b));
    TRY(weir__make(r, s, 0, all[0]->element, b.rank, b.dims));
    weir__data *z = weir__out(r, s, 0);
    size_t width = weir_element_size(z->element);
    for (size_t i = 0; i < z->count; i++, advance(&b, &p)) {
        size_t which = weir__int_at(all[2], p.of[2]) ? 0 : 1;
        memcpy((char *)z->data + i * width, (const char *)all[which]->data + p.of[which] * width, width);
    }
    return WEIR_OK;
}

/* x for x >= 0, else slope x; the slope is broadcast to x, never x to the slope. */
weir_status weir__run_prelu(weir__run *r, const weir__step *s)
{
    const weir__data *pair[] = {weir__in(r, s, 0), weir__in(r, s, 1)};
    broadcast b;
    place p = {{0}, {0}};
    TRY(want(r, s, 0, WEIR_FLOAT32));
    TRY(want(r, s, 1, WEIR_FLOAT32));
    TRY(broadcast_of(r, s, pair, 2, &b));
    if (b.rank != pair[0]->rank || memcmp(b.dims, pair[0]->dims, b.rank * sizeof *b.dims) != 0)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has a slope that is larger than its input");
    TRY(weir__make(r, s, 0, WEIR_FLOAT32, b.rank, b.dims));
    const float *x = pair[0]->data, *slope = pair[1]->data;
    float *y = weir__out(r, s, 0)->data;
    for (size_t i = 0; i < pair[0]->count; i++, advance(&b, &p))
        y[i] = x[i] < 0 ? slope[p.of[1]] * x[i] : x[i];
    return WEIR_OK;
}

/* ---- Products ---- */

/* z (n, m) += x (n, k) y (k, m): each number's products are added in order. Steps between rows and columns stand for transposing. */
static void product(const float *x, size_t x_row, size_t x_col, const float *y, size_t y_row, size_t y_col, float *z, size_t n, size_t k, size_t m)
{
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < k; l++) {
            float left = x[i * x_row + l * x_col];
            for (size_t j = 0; j < m; j++)
                z[i * m + j] += left * y[l * y_row + j * y_col];
        }
}

/* alpha, beta; flag: A is transposed, second_flag: B is. */
weir_status weir__prepare_gemm(weir__build *b, weir__step *s)
{
    s->s.alpha = weir__attribute_float(b, "alpha", 1);
    s->s.beta = weir__attribute_float(b, "beta", 1);
    s->s.flag = weir__attribute_int(b, "transA", 0) != 0;
    s->s.second_flag = weir__attribute_int(b, "transB", 0) != 0;
    return WEIR_OK;
}

/* z += beta C, C broadcast to z. */
static weir_status add_scaled(const weir__run *r, const weir__step *s, const weir__data *c, weir__data *z)
{
    const weir__data *pair[] = {z, c};
    broadcast b;
    place p = {{0}, {0}};
    TRY(want(r, s, 2, WEIR_FLOAT32));
    TRY(broadcast_of(r, s, pair, 2, &b));
    if (b.rank != z->rank || memcmp(b.dims, z->dims, b.rank * sizeof *b.dims) != 0)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has an input C that cannot be broadcast to its output");
    for (size_t i = 0; i < z->count; i++, advance(&b, &p))
        ((float *)z->data)[i] += s->s.beta * ((const float *)c->data)[p.of[1]];
    return WEIR_OK;
}

weir_status weir__run_gemm(weir__run *r, const weir__step *s)
{
    const weir__data *x = weir__in(r, s, 0), *y = weir__in(r, s, 1), *c = weir__in(r, s, 2);
    TRY(want(r, s, 0, WEIR_FLOAT32));
    TRY(want(r, s, 1, WEIR_FLOAT32));
    bool turn_x = s->s.flag, turn_y = s->s.second_flag;
    if (x->rank != 2 || y->rank != 2 || x->dims[!turn_x] != y->dims[turn_y])
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has matrices that cannot be multiplied");
    size_t k = y->dims[turn_y], dims[] = {x->dims[turn_x], y->dims[!turn_y]};
    TRY(weir__make(r, s, 0, WEIR_FLOAT32, 2, dims));
    weir__data *z = weir__out(r, s, 0);
    float *to = z->data;
    product(x->data, turn_x ? 1 : x->dims[1], turn_x ? x->dims[1] : 1, y->data, turn_y ? 1 : y->dims[1], turn_y ? y->dims[1] : 1, to, dims[0], k,
            dims[1]);
    for (size_t i = 0; s->s.alpha != 1 && i < z->count; i++)
        to[i] *= s->s.alpha;
    return c ? add_scaled(r, s, c, z) : WEIR_OK;
}

/* A vector is a matrix of one row on the left, of one column on the right; that dimension is taken out of the result. */
static weir__data as_matrix(const weir__data *d, bool left)
{
    weir__data m = *d;
    if (d->rank == 1) {
        m.rank = 2;
        m.dims[0] = left ? 1 : d->dims[0];
        m.dims[1] = left ? d->dims[0] : 1;
    }
    return m;
}

weir_status weir__run_matmul(weir__run *r, const weir__step *s)
{
    const weir__data *left = weir__in(r, s, 0), *right = weir__in(r, s, 1);
    TRY(want(r, s, 0, WEIR_FLOAT32));
    TRY(want(r, s, 1, WEIR_FLOAT32));
    if (!left->rank || !right->rank)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has a single number where a matrix must be");
    weir__data x = as_matrix(left, true), y = as_matrix(right, false);
    size_t n = x.dims[x.rank - 2], k = x.dims[x.rank - 1], m = y.dims[y.rank - 1];
    if (y.dims[y.rank - 2] != k)
        return weir__stop(r, s, WEIR_E_ARGUMENT, "multiplies rows of %zu numbers by columns of %zu", k, y.dims[y.rank - 2]);
    x.rank -= 2;
    y.rank -= 2;
    const weir__data *stacks[] = {&x, &y};
    broadcast b;
    place p = {{0}, {0}};
    TRY(broadcast_of(r, s, stacks, 2, &b));
    size_t matrices = 1, dims[WEIR_MAX_RANK + 2];
    for (uint32_t i = 0; i < b.rank; i++)
        matrices *= dims[i] = b.dims[i];
    uint32_t rank = b.rank;
    if (left->rank > 1)
        dims[rank++] = n;
    if (right->rank > 1)
        dims[rank++] = m;
    TRY(weir__make(r, s, 0, WEIR_FLOAT32, rank, dims));
    float *z = weir__out(r, s, 0)->data;
    for (size_t i = 0; n && k && m && i < matrices; i++, advance(&b, &p))
        product((const float *)x.data + p.of[0] * n * k, k, 1, (const float *)y.data + p.of[1] * k * m, m, 1, z + i * n * m, n, k, m);
    return WEIR_OK;
}

/* ---- Softmax ---- */

/* axis; other: 1 if the dimensions from it on are one (opset 12 and before). flag: the logarithm. */
weir_status weir__prepare_softmax(weir__build *b, weir__step *s)
{
    bool old = b->file->opset < 13;
    s->s.axis = weir__attribute_int(b, "axis", old ? 1 : -1);
    s->s.other = old;
    s->s.flag = s->op->name[0] == 'L';
    return WEIR_OK;
}

/* Over n numbers, `step` apart. Not finite: NaN, but for minus infinities beside finite ones. */
static weir_status soften(const weir__run *r, bool logarithm, size_t n, size_t step, const float *x, float *y)
{
    float most = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        most = x[i * step] > most || isnan(x[i * step]) ? x[i * step] : most;
    for (size_t i = 0; i < n; i++)
        y[i * step] = x[i * step] - most;
    for (size_t i = 0; i < n; i += step == 1 ? n : 1)
        TRY(apply(r, &(weir_activation){.id = WEIR_EXP}, step == 1 ? n : 1, y + i * step, y + i * step));
    for (size_t i = 0; i < n; i++)
        sum += (double)y[i * step];
    double shift = logarithm ? (isfinite(sum) ? weir__log(sum) : sum) : 0;
    for (size_t i = 0; i < n; i++)
        y[i * step] = logarithm ? (float)((double)x[i * step] - (double)most - shift) : (float)((double)y[i * step] / sum);
    return WEIR_OK;
}

weir_status weir__run_softmax(weir__run *r, const weir__step *s)
{
    const float *x;
    float *y;
    size_t count, n = 1, step = 1;
    uint32_t axis;
    const weir__data *in = weir__in(r, s, 0);
    if (!weir__axis(s->s.axis, in->rank, &axis) && !(s->s.other && s->s.axis == (int64_t)in->rank))
        return weir__stop(r, s, WEIR_E_ARGUMENT, "has axis %lld for an input of %u dimensions", (long long)s->s.axis, (unsigned)in->rank);
    TRY(like_input(r, s, &x, &y, &count));
    for (uint32_t i = axis; i < in->rank; i++)
        if (i == axis || s->s.other)
            n *= in->dims[i];
        else
            step *= in->dims[i];
    for (size_t block = 0; count && block < count; block += n * step)
        for (size_t i = 0; i < step; i++)
            TRY(soften(r, s->s.flag, n, step, x + block + i, y + block + i));
    return WEIR_OK;
}

/* ---- Reductions ---- */

/* flag: keep the dimensions; list: the axes, where they are an attribute; second_flag: without axes nothing is reduced. */
weir_status weir__prepare_reduce(weir__build *b, weir__step *s)
{
    s->s.flag = weir__attribute_int(b, "keepdims", 1) != 0;
    s->s.second_flag = weir__attribute_int(b, "noop_with_empty_axes", 0) != 0;
    return weir__prepare_axes(b, s);
}

typedef enum reduction { SUM, MEAN, MAX } reduction;

/* Marks the axes that are reduced. */
static weir_status reduced_axes(const weir__run *r, const weir__step *s, bool reduced[WEIR_MAX_RANK])
{
    const weir__data *in = weir__in(r, s, 0), *given = weir__in(r, s, 1);
    size_t count = given ? given->count : s->s.list_count;
    if (given)
        TRY(want(r, s, 1, WEIR_INT64));
    for (uint32_t i = 0; i < in->rank; i++)
        reduced[i] = !count && !s->s.second_flag;
    for (size_t i = 0; i < count; i++) {
        uint32_t axis;
        if (!weir__axis(given ? weir__int_at(given, i) : s->s.list[i], in->rank, &axis))
            return weir__stop(r, s, WEIR_E_ARGUMENT, "reduces a dimension that its input does not have");
        reduced[axis] = true;
    }
    return WEIR_OK;
}

static double joined(reduction how, double so_far, float x)
{
    return how != MAX ? so_far + (double)x : (double)x > so_far || isnan(x) ? (double)x : so_far;
}

/* The number at `start` of the input and all that are reduced with it; `dims` and `steps` of the reduced dimensions alone. */
static double reduce_one(reduction how, const float *x, uint32_t rank, const size_t *dims, const size_t *steps, size_t *count)
{
    broadcast b = {.rank = rank};
    place p = {{0}, {0}};
    double value = how == MAX ? -(double)INFINITY : 0;
    *count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        *count *= b.dims[i] = dims[i];
        b.steps[0][i] = steps[i];
    }
    for (size_t i = 0; i < *count; i++, advance(&b, &p))
        value = joined(how, value, x[p.of[0]]);
    return value;
}

weir_status weir__run_reduce(weir__run *r, const weir__step *s)
{
    const weir__data *in = weir__in(r, s, 0);
    bool reduced[WEIR_MAX_RANK];
    broadcast kept = {.rank = 0};
    size_t inner[WEIR_MAX_RANK], inner_steps[WEIR_MAX_RANK], dims[WEIR_MAX_RANK], step = 1, count;
    uint32_t inner_rank = 0, rank = 0;
    reduction how = strcmp(s->op->name, "ReduceMax") == 0 ? MAX : strcmp(s->op->name, "ReduceMean") == 0 ? MEAN : SUM;
    TRY(want(r, s, 0, WEIR_FLOAT32));
    TRY(reduced_axes(r, s, reduced));
    size_t steps[WEIR_MAX_RANK];
    for (uint32_t i = in->rank; i-- > 0; step *= in->dims[i])
        steps[i] = step;
    for (uint32_t i = 0; i < in->rank; i++) {
        if (reduced[i]) {
            inner[inner_rank] = in->dims[i];
            inner_steps[inner_rank++] = steps[i];
        } else {
            kept.dims[kept.rank] = in->dims[i];
            kept.steps[0][kept.rank++] = steps[i];
        }
        if (!reduced[i] || s->s.flag)
            dims[rank++] = reduced[i] ? 1 : in->dims[i];
    }
    TRY(weir__make(r, s, 0, WEIR_FLOAT32, rank, dims));
    weir__data *out = weir__out(r, s, 0);
    place p = {{0}, {0}};
    for (size_t i = 0; i < out->count; i++, advance(&kept, &p)) {
        double value = reduce_one(how, (const float *)in->data + p.of[0], inner_rank, inner, inner_steps, &count);
        ((float *)out->data)[i] = (float)(how == MEAN ? value / (double)count : value);
    }
    return WEIR_OK;
}
