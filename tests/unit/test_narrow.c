/* Weights of bfloat16 and of 8 bits: what they are rounded to, and that running with them is what weir.h says.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#include "model/model.h"
#include "tensors.h"

enum { I = 7, H = 19, O = 3, T = 9, B = 5, MOST_TENSORS = 32 };

static weir_model *model_of(weir_config c)
{
    weir_model *m;
    weir_error err;
    if (weir_model_new(&m, &c, NULL, 0, &err))
        fail_msg("%s", err.text);
    return m;
}

struct tensors {
    size_t count;
    weir_tensor list[MOST_TENSORS];
};

static struct tensors tensors_of(const weir_model *m)
{
    struct tensors t = {.count = weir_model_tensor_count(m)};
    assert_true(t.count <= MOST_TENSORS);
    for (size_t i = 0; i < t.count; i++)
        t.list[i] = whole_tensor(m, i);
    return t;
}

static void free_tensors(struct tensors *t)
{
    for (size_t i = 0; i < t->count; i++)
        free_tensor(t->list[i]);
}

/* The model's weights in another form, on an instruction set. */
static weir_model *in_form(const weir_model *m, weir_weights weights, weir_isa isa)
{
    struct tensors t = tensors_of(m);
    weir_config c = *weir_model_config(m);
    c.weights = weights;
    c.isa = isa;
    c.allocator = NULL;
    weir_model *made;
    weir_error err;
    if (weir_model_new(&made, &c, t.list, t.count, &err))
        fail_msg("%s", err.text);
    free_tensors(&t);
    return made;
}

static const weir_config shapes[] = {
    {.inputs = I, .hidden = H, .layers = 2, .outputs = O, .init = WEIR_INIT_UNIFORM, .init_scale = 0.7f},
    {.inputs = I, .hidden = H, .projection = 6, .layers = 2, .direction = WEIR_BOTH, .dense_layers = 1, .dense = {{.units = 5}}, .outputs = O},
    {.tokens = I, .hidden = H, .layers = 2, .no_peepholes = true, .outputs = O, .output = WEIR_SOFTMAX},
    {.inputs = 1, .hidden = 1, .candidate = {.id = WEIR_RELU}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static float x[T * B * I];
static uint32_t tokens[T * B];
static const uint32_t lengths[B] = {T, 3, T, 0, 1};

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < T * B * I; i++)
        x[i] = 3 * sinf((float)(i * i % 1000));
    for (size_t i = 0; i < T * B; i++)
        tokens[i] = (uint32_t)(i * 5 % (I + 1)); /* one is outside the vocabulary */
    return 0;
}

struct results {
    float y[T * B * 2 * H], h[4 * B * H], c[4 * B * H];
};

static void run(const weir_model *m, struct results *r)
{
    memset(r, 0, sizeof *r);
    weir_error err;
    weir_batch b = {.steps = T, .rows = B, .lengths = lengths};
    if (weir_model_config(m)->tokens)
        b.tokens = tokens;
    else
        b.x = x;
    if (weir_model_run(m, &b, r->y, r->h, r->c, NULL, &err))
        fail_msg("%s", err.text);
}

/* Which of both neighbours with 8 bits of fraction is nearer; of two equally near the even one. */
static float nearest_bf16(float w)
{
    int exponent;
    double m = ldexp(frexp((double)w, &exponent), 8), low = floor(m), step;
    if (exponent < -125) { /* a subnormal: the same distance for all */
        m = ldexp((double)w, 133);
        low = floor(m);
        exponent = -125;
    }
    step = m - low;
    if (step > 0.5 || (step == 0.5 && fmod(low, 2) != 0))
        low++;
    return (float)ldexp(low, exponent - 8);
}

static bool is_matrix(const weir_tensor *t)
{
    return strstr(t->name, "weight") != NULL;
}

static void bfloat16_weights_are_rounded_and_then_used_as_floats(void **state)
{
    (void)state;
    static struct results wide, narrow;
    for (size_t s = 0; s < SHAPES; s++) {
        weir_model *m = model_of(shapes[s]);
        struct tensors t = tensors_of(m);
        for (size_t i = 0; i < t.count; i++)
            for (size_t j = 0; is_matrix(&t.list[i]) && j < numbers(&t.list[i]); j++)
                ((float *)(uintptr_t)t.list[i].data)[j] = nearest_bf16(t.list[i].data[j]);
        weir_model *rounded, *half = in_form(m, WEIR_WEIGHTS_BF16, WEIR_ISA_BEST);
        assert_int_equal(weir_model_new(&rounded, &shapes[s], t.list, t.count, NULL), WEIR_OK);
        struct tensors held = tensors_of(half);
        for (size_t i = 0; i < t.count; i++)
            assert_memory_equal(held.list[i].data, t.list[i].data, numbers(&t.list[i]) * sizeof(float));
        run(rounded, &wide);
        run(half, &narrow);
        assert_memory_equal(&wide, &narrow, sizeof wide);
        weir_model *reference = in_form(m, WEIR_WEIGHTS_BF16, WEIR_ISA_REF64);
        run(reference, &narrow); /* sums of doubles, the same weights */
        for (size_t i = 0; i < T * B * O; i++)
            assert_true(fabsf(wide.y[i] - narrow.y[i]) <= 1e-5f * (1 + fabsf(wide.y[i])));
        weir_model_free(reference);
        free_tensors(&held);
        free_tensors(&t);
        weir_model_free(rounded);
        weir_model_free(half);
        weir_model_free(m);
    }
}

/* Every float whose rounding is delicate, in one row of weights. */
static void delicate_floats_round_to_the_even_bfloat16(void **state)
{
    (void)state;
    static const uint32_t lows[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF}, highs[] = {0x0000, 0x0001, 0x007F, 0x0080, 0x3F80,
                                                                                     0x3F81, 0x3FFF, 0x7F7E, 0x8000, 0x8001, 0xBF81};
    enum { N = 6 * 11 };
    float w[4 * N] = {0}, h[4] = {0}, bias[4] = {0}, out[4 * N];
    for (size_t i = 0; i < N; i++) {
        uint32_t bits = highs[i / 6] << 16 | lows[i % 6];
        memcpy(w + i, &bits, sizeof bits);
    }
    weir_tensor list[] = {{"lstm.weight_ih_l0", 4, N, w}, {"lstm.weight_hh_l0", 4, 1, h}, {"lstm.bias_ih_l0", 0, 4, bias}};
    weir_config c = {.inputs = N, .hidden = 1, .no_peepholes = true, .weights = WEIR_WEIGHTS_BF16};
    weir_model *m;
    assert_int_equal(weir_model_new(&m, &c, list, 3, NULL), WEIR_OK);
    weir_model_weights(m, 0, out);
    for (size_t i = 0; i < N; i++)
        assert_true(out[i] == nearest_bf16(w[i]) && !signbit(out[i]) == !signbit(w[i]));
    weir_model_free(m);
}

static void rounding_twice_changes_nothing(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++)
        for (int form = WEIR_WEIGHTS_BF16; form <= WEIR_WEIGHTS_INT8; form++) {
            weir_model *m = model_of(shapes[s]), *once = in_form(m, (weir_weights)form, WEIR_ISA_BEST),
                       *twice = in_form(once, (weir_weights)form, WEIR_ISA_SCALAR);
            struct tensors a = tensors_of(once), b = tensors_of(twice);
            for (size_t i = 0; i < a.count; i++)
                assert_memory_equal(a.list[i].data, b.list[i].data, numbers(&a.list[i]) * sizeof(float));
            free_tensors(&a);
            free_tensors(&b);
            weir_model_free(m);
            weir_model_free(once);
            weir_model_free(twice);
        }
}

static void weights_of_8_bits_are_within_half_a_step(void **state)
{
    (void)state;
    weir_model *m = model_of(shapes[1]), *narrow = in_form(m, WEIR_WEIGHTS_INT8, WEIR_ISA_BEST);
    struct tensors a = tensors_of(m), b = tensors_of(narrow);
    size_t rounded = 0;
    for (size_t i = 0; i < a.count; i++) {
        const weir_tensor *w = &a.list[i], *q = &b.list[i];
        if (!strstr(w->name, "weight_ih") && !strstr(w->name, "weight_hh")) {
            assert_memory_equal(w->data, q->data, numbers(w) * sizeof(float));
            continue;
        }
        rounded++;
        for (size_t row = 0; row < w->rows; row++) {
            float most = 0;
            for (size_t k = 0; k < w->cols; k++)
                most = fmaxf(most, fabsf(w->data[row * w->cols + k]));
            float step = most / 127 * (1 + 0x1p-15f);
            for (size_t k = 0; k < w->cols; k++)
                assert_true(fabsf(w->data[row * w->cols + k] - q->data[row * w->cols + k]) <= step * 0.50001f);
        }
    }
    assert_int_equal(rounded, 8); /* two layers of two directions */
    free_tensors(&a);
    free_tensors(&b);
    weir_model_free(m);
    weir_model_free(narrow);
}

/* ---- The cell with x and h of 8 bits, in double ---- */

static void quantized(size_t n, const double *in, double *out)
{
    double most = 0;
    for (size_t k = 0; k < n; k++)
        most = fmax(most, fabs(in[k]));
    for (size_t k = 0; k < n; k++)
        out[k] = most > 0 ? nearbyint(in[k] * 127 / most) * most / 127 : 0;
}

static double logistic(double v)
{
    return 1 / (1 + exp(-v));
}

static void running_with_8_bits_is_the_documented_formula(void **state)
{
    (void)state;
    enum { N = 3, W = 5, STEPS = 6 };
    weir_model *m = model_of((weir_config){.inputs = N, .hidden = W, .init = WEIR_INIT_UNIFORM, .init_scale = 0.9f}),
               *narrow = in_form(m, WEIR_WEIGHTS_INT8, WEIR_ISA_BEST);
    struct tensors t = tensors_of(narrow); /* weight_ih, weight_hh, bias, peephole: as rounded */
    float y[STEPS * W];
    weir_batch b = {.steps = STEPS, .rows = 1, .x = x};
    assert_int_equal(weir_model_run(narrow, &b, y, NULL, NULL, NULL, NULL), WEIR_OK);
    double h[W] = {0}, c[W] = {0};
    for (size_t s = 0; s < STEPS; s++) {
        double in[N], qx[N], qh[W], z[4][W];
        for (size_t k = 0; k < N; k++)
            in[k] = (double)x[s * N + k];
        quantized(N, in, qx);
        quantized(W, h, qh);
        for (size_t r = 0; r < 4 * W; r++) {
            double sum = (double)t.list[2].data[r];
            for (size_t k = 0; k < N; k++)
                sum += (double)t.list[0].data[r * N + k] * qx[k];
            for (size_t k = 0; k < W; k++)
                sum += (double)t.list[1].data[r * W + k] * qh[k];
            z[r / W][r % W] = sum;
        }
        for (size_t u = 0; u < W; u++) {
            const float *p = t.list[3].data;
            double i = logistic(z[0][u] + (double)p[u] * c[u]), f = logistic(z[1][u] + (double)p[W + u] * c[u]);
            c[u] = f * c[u] + i * tanh(z[2][u]);
            h[u] = logistic(z[3][u] + (double)p[2 * W + u] * c[u]) * tanh(c[u]);
            assert_true(fabs(h[u] - (double)y[s * W + u]) < 3e-6);
            h[u] = (double)y[s * W + u]; /* both round the same numbers */
        }
    }
    free_tensors(&t);
    weir_model_free(m);
    weir_model_free(narrow);
}

static void narrow_results_are_near(void **state)
{
    (void)state;
    static struct results wide, narrow;
    static const float near[] = {0, 0.02f, 0.06f};
    for (size_t s = 0; s < SHAPES - 1; s++)
        for (int form = WEIR_WEIGHTS_BF16; form <= WEIR_WEIGHTS_INT8; form++) {
            weir_model *m = model_of(shapes[s]), *n = in_form(m, (weir_weights)form, WEIR_ISA_BEST);
            run(m, &wide);
            run(n, &narrow);
            float worst = 0;
            for (size_t i = 0; i < sizeof wide.h / sizeof *wide.h; i++)
                worst = fmaxf(worst, fabsf(wide.h[i] - narrow.h[i]));
            assert_true(worst > 0 && worst < near[form]);
            weir_model_free(m);
            weir_model_free(n);
        }
}

static void a_row_that_is_not_finite_or_zero_or_tiny_stays_alone(void **state)
{
    (void)state;
    weir_model *m = model_of(shapes[0]), *n = in_form(m, WEIR_WEIGHTS_INT8, WEIR_ISA_BEST);
    float in[4 * I], y[4 * O], alone[O];
    memcpy(in, x, sizeof in);
    in[I + 2] = NAN;
    in[2 * I + 6] = INFINITY;
    for (size_t k = 0; k < I; k++)
        in[3 * I + k] = k % 2 ? 1e-38f : -1e-44f;
    weir_batch b = {.steps = 1, .rows = 4, .x = in};
    assert_int_equal(weir_model_run(n, &b, y, NULL, NULL, NULL, NULL), WEIR_OK);
    for (size_t o = 0; o < O; o++)
        assert_true(isfinite(y[o]) && isnan(y[O + o]) && isnan(y[2 * O + o]) && isfinite(y[3 * O + o]));
    b = (weir_batch){.steps = 1, .rows = 1, .x = in};
    assert_int_equal(weir_model_run(n, &b, alone, NULL, NULL, NULL, NULL), WEIR_OK);
    assert_memory_equal(alone, y, sizeof alone);
    memset(in, 0, sizeof in);
    assert_int_equal(weir_model_run(n, &b, alone, NULL, NULL, NULL, NULL), WEIR_OK);
    assert_memory_equal(alone, y + 3 * O, sizeof alone);
    weir_model_free(m);
    weir_model_free(n);
}

/* AVX-512 has two tables: one sums products of 8 bits in one operation. */
static void both_tables_of_avx512_give_the_same_bits(void **state)
{
    (void)state;
#if defined __x86_64__
    for (size_t i = 0; i < SHAPES && weir_isa_available(WEIR_ISA_AVX512); i++) {
        weir_config c = shapes[i];
        c.isa = WEIR_ISA_AVX512;
        c.weights = WEIR_WEIGHTS_INT8;
        weir_model *m = model_of(c);
        struct results best, plain;
        if (m->net.k == &weir__kernels_avx512)
            print_message("SKIPPED: this CPU has no VNNI\n");
        run(m, &best);
        m->net.k = &weir__kernels_avx512;
        run(m, &plain);
        assert_memory_equal(&best, &plain, sizeof best);
        weir_model_free(m);
    }
#endif
}

static void what_cannot_be_narrow_is_refused(void **state)
{
    (void)state;
    weir_error err;
    weir_model *m = model_of(shapes[0]), *made;
    struct tensors t = tensors_of(m);
    weir_config c = shapes[0];
    c.weights = (weir_weights)3;
    assert_int_equal(weir_model_new(&made, &c, t.list, t.count, &err), WEIR_E_ARGUMENT);
    c.weights = WEIR_WEIGHTS_INT8;
    c.isa = WEIR_ISA_REF64;
    assert_int_equal(weir_model_new(&made, &c, t.list, t.count, &err), WEIR_E_UNSUPPORTED);
    c.isa = WEIR_ISA_BEST;
    ((float *)(uintptr_t)t.list[0].data)[5] = FLT_MAX;
    for (int form = WEIR_WEIGHTS_BF16; form <= WEIR_WEIGHTS_INT8; form++) {
        c.weights = (weir_weights)form;
        assert_int_equal(weir_model_new(&made, &c, t.list, t.count, &err), WEIR_E_ARGUMENT);
        assert_non_null(strstr(err.text, "lstm.weight_ih_l0"));
        weir_model *narrow = in_form(m, (weir_weights)form, WEIR_ISA_BEST);
        weir_trainer *trainer;
        assert_int_equal(weir_trainer_new(&trainer, narrow, &(weir_train_config){.rows = B, .steps = T, .rate = 0.1f}, &err), WEIR_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, "float32"));
        weir_model_free(narrow);
    }
    free_tensors(&t);
    weir_model_free(m);
}

/* ---- Conversion ---- */

static const weir_isa isas[] = {WEIR_ISA_SCALAR, WEIR_ISA_AVX2, WEIR_ISA_AVX512, WEIR_ISA_NEON, WEIR_ISA_REF64};
enum { ISAS = sizeof isas / sizeof *isas };

static void assert_same_model(const weir_model *a, const weir_model *b)
{
    static struct results ra, rb;
    weir_config ca = *weir_model_config(a), cb = *weir_model_config(b);
    assert_string_equal(ca.notes, cb.notes);
    assert_int_equal(ca.isa, cb.isa);
    assert_int_equal(ca.weights, cb.weights);
    assert_int_equal(ca.seed, cb.seed);
    assert_int_equal(weir_model_parameters(a), weir_model_parameters(b));
    struct tensors ta = tensors_of(a), tb = tensors_of(b);
    assert_int_equal(ta.count, tb.count);
    for (size_t i = 0; i < ta.count; i++) {
        assert_string_equal(ta.list[i].name, tb.list[i].name);
        assert_memory_equal(ta.list[i].data, tb.list[i].data, numbers(&ta.list[i]) * sizeof(float));
    }
    free_tensors(&ta);
    free_tensors(&tb);
    run(a, &ra);
    run(b, &rb);
    assert_memory_equal(&ra, &rb, sizeof ra);
}

/* From `from` to each form, compared with a model made of the same arrays; frees `from`, which a converted model must outlive. */
static void convert_to_each(weir_model *from)
{
    weir_model *made[3] = {NULL};
    weir_isa isa = weir_model_config(from)->isa;
    weir_error err;
    for (int form = WEIR_WEIGHTS_F32; form <= WEIR_WEIGHTS_INT8; form++)
        if (form == WEIR_WEIGHTS_INT8 && isa == WEIR_ISA_REF64) {
            made[form] = from;
            assert_int_equal(weir_model_convert(&made[form], from, (weir_weights)form, &err), WEIR_E_UNSUPPORTED);
            assert_null(made[form]);
            assert_non_null(strstr(err.text, "no reference in double precision"));
        } else
            assert_int_equal(weir_model_convert(&made[form], from, (weir_weights)form, &err), WEIR_OK);
    weir_model *anew[3];
    for (int form = WEIR_WEIGHTS_F32; form <= WEIR_WEIGHTS_INT8; form++)
        anew[form] = made[form] ? in_form(from, (weir_weights)form, isa) : NULL;
    weir_model_free(from);
    for (int form = WEIR_WEIGHTS_F32; form <= WEIR_WEIGHTS_INT8; form++) {
        if (made[form])
            assert_same_model(made[form], anew[form]);
        weir_model_free(made[form]);
        weir_model_free(anew[form]);
    }
}

static void converting_is_rounding_the_arrays(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++)
        for (size_t i = 0; i < ISAS; i++)
            for (int form = WEIR_WEIGHTS_F32; form <= WEIR_WEIGHTS_INT8; form++) {
                weir_config c = shapes[s];
                c.isa = isas[i];
                c.weights = (weir_weights)form;
                c.notes = "kept";
                c.seed = 5;
                if (weir_isa_available(isas[i]) && !(form == WEIR_WEIGHTS_INT8 && isas[i] == WEIR_ISA_REF64))
                    convert_to_each(model_of(c));
            }
}

static void what_cannot_be_converted_is_refused(void **state)
{
    (void)state;
    weir_error err;
    weir_model *m = model_of(shapes[0]), *made = m, *large;
    assert_int_equal(weir_model_convert(&made, m, (weir_weights)3, &err), WEIR_E_ARGUMENT);
    assert_null(made);
    assert_int_equal(weir_model_convert(&made, m, (weir_weights)3, NULL), WEIR_E_ARGUMENT);
    struct tensors t = tensors_of(m);
    ((float *)(uintptr_t)t.list[1].data)[4] = -FLT_MAX;
    assert_int_equal(weir_model_new(&large, &shapes[0], t.list, t.count, &err), WEIR_OK);
    for (int form = WEIR_WEIGHTS_BF16; form <= WEIR_WEIGHTS_INT8; form++) {
        assert_int_equal(weir_model_convert(&made, large, (weir_weights)form, &err), WEIR_E_ARGUMENT);
        assert_non_null(strstr(err.text, "lstm.weight_hh_l0"));
    }
    free_tensors(&t);
    weir_model_free(large);
    weir_model_free(m);
}

/* ---- Memory ---- */

struct memory {
    size_t bytes, left; /* in use; allocations that succeed yet */
};

static void *counting_alloc(void *ctx, size_t size, size_t align)
{
    struct memory *m = ctx;
    void *p = NULL;
    if (!m->left || posix_memalign(&p, align, size))
        return NULL;
    m->left--;
    m->bytes += size;
    return p;
}

static void counting_free(void *ctx, void *p, size_t size)
{
    ((struct memory *)ctx)->bytes -= p ? size : 0;
    free(p);
}

/* Fails the first, the second ... allocation until none fails. */
static void converting_without_memory_leaves_nothing(void **state)
{
    (void)state;
    for (int from = WEIR_WEIGHTS_F32; from <= WEIR_WEIGHTS_INT8; from++)
        for (int to = WEIR_WEIGHTS_F32; to <= WEIR_WEIGHTS_INT8; to++) {
            struct memory memory = {.left = SIZE_MAX};
            weir_allocator a = {counting_alloc, counting_free, &memory};
            weir_config c = shapes[1];
            c.weights = (weir_weights)from;
            c.allocator = &a;
            weir_model *m = model_of(c), *made = NULL;
            size_t before = memory.bytes, failures = 0;
            weir_error err;
            for (; !made; failures++) {
                memory.left = failures;
                weir_status status = weir_model_convert(&made, m, (weir_weights)to, &err);
                assert_int_equal(status, made ? WEIR_OK : WEIR_E_NOMEM);
                assert_true(made || (memory.bytes == before && err.text[0]));
            }
            assert_true(failures > 5);
            weir_model_free(m);
            weir_model_free(made);
            assert_int_equal(memory.bytes, 0);
        }
}

static void narrow_models_take_less_memory(void **state)
{
    (void)state;
    static const size_t bytes_of_100_weights[] = {400, 200, 105};
    for (int form = WEIR_WEIGHTS_F32; form <= WEIR_WEIGHTS_INT8; form++) {
        struct memory memory = {.left = SIZE_MAX};
        weir_allocator a = {counting_alloc, counting_free, &memory};
        weir_model *m = model_of(
            (weir_config){.inputs = 256, .hidden = 256, .layers = 2, .weights = (weir_weights)form, .allocator = &a});
        assert_true(memory.bytes < weir_model_parameters(m) * bytes_of_100_weights[form] / 100 + 20000);
        weir_model_free(m);
        assert_int_equal(memory.bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bfloat16_weights_are_rounded_and_then_used_as_floats),
        cmocka_unit_test(delicate_floats_round_to_the_even_bfloat16),
        cmocka_unit_test(rounding_twice_changes_nothing),
        cmocka_unit_test(weights_of_8_bits_are_within_half_a_step),
        cmocka_unit_test(running_with_8_bits_is_the_documented_formula),
        cmocka_unit_test(narrow_results_are_near),
        cmocka_unit_test(a_row_that_is_not_finite_or_zero_or_tiny_stays_alone),
        cmocka_unit_test(both_tables_of_avx512_give_the_same_bits),
        cmocka_unit_test(what_cannot_be_narrow_is_refused),
        cmocka_unit_test(converting_is_rounding_the_arrays),
        cmocka_unit_test(what_cannot_be_converted_is_refused),
        cmocka_unit_test(converting_without_memory_leaves_nothing),
        cmocka_unit_test(narrow_models_take_less_memory),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
