/* Weir's activations against a peer's, on the same arrays, in turn, in one process:
 *
 *     activations FLOATS            prints CSV: peer,function,of,floats,peer_ns,exact_ns,fast_ns,exact_ratio,fast_ratio
 *
 * Ratios are medians of Weir's time over the peer's: below 1 Weir is faster. Built with one of WITH_ONEDNN, WITH_XNNPACK, WITH_SLEEF or
 * WITH_FORMULAS (formulas.c, compiled for libmvec or for scalar calls).
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir.h>

#if defined WITH_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#define PEER "onednn"
#elif defined WITH_XNNPACK
#include <xnnpack.h>
#define PEER "xnnpack"
#elif defined WITH_SLEEF
#include <immintrin.h>
#include <sleef.h>
#define PEER "sleef"
#elif defined WITH_FORMULAS
#include "formulas.h"
#define PEER WITH_FORMULAS
#endif

enum { REPEATS = 31 };

static size_t n;
static float *x, *dy, *y;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static void weir(weir_activation_id id, weir_form form, int grad)
{
    weir_activation a = {.id = id};
    if (grad)
        weir_activation_grad(&a, form, WEIR_ISA_BEST, n, x, dy, y, NULL);
    else
        weir_activation_apply(&a, form, WEIR_ISA_BEST, n, x, y, NULL);
}

/* ---- The peer: run(entry) computes y from x (and dy) ---- */

#if defined WITH_ONEDNN

typedef struct entry {
    weir_activation_id id;
    dnnl_alg_kind_t kind;
    float alpha;
} entry;

static const entry entries[] = {
    {WEIR_RELU, dnnl_eltwise_relu, 0},          {WEIR_LEAKY_RELU, dnnl_eltwise_relu, 0.01f}, {WEIR_SIGMOID, dnnl_eltwise_logistic, 0},
    {WEIR_TANH, dnnl_eltwise_tanh, 0},          {WEIR_ELU, dnnl_eltwise_elu, 1},             {WEIR_GELU, dnnl_eltwise_gelu_erf, 0},
    {WEIR_GELU_TANH, dnnl_eltwise_gelu_tanh, 0}, {WEIR_SILU, dnnl_eltwise_swish, 1},         {WEIR_MISH, dnnl_eltwise_mish, 0},
    {WEIR_SOFTPLUS, dnnl_eltwise_soft_relu, 0}, {WEIR_EXP, dnnl_eltwise_exp, 0},
};
static const int grads = 1;

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t primitive;
static dnnl_exec_arg_t args[3];
static int arg_count;

static void check(dnnl_status_t status)
{
    if (status != dnnl_success) {
        fprintf(stderr, "oneDNN: status %d\n", (int)status);
        exit(1);
    }
}

static dnnl_memory_t memory_of(const dnnl_memory_desc_t *form, float *data)
{
    dnnl_memory_t memory;
    check(dnnl_memory_create(&memory, form, engine, data));
    return memory;
}

static void prepare(const entry *e, int grad)
{
    dnnl_memory_desc_t form;
    dnnl_dims_t dims = {(dnnl_dim_t)n};
    dnnl_eltwise_desc_t what;
    dnnl_primitive_desc_t forward, backward;
    if (!engine) {
        check(dnnl_engine_create(&engine, dnnl_cpu, 0));
        check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    }
    check(dnnl_memory_desc_init_by_tag(&form, 1, dims, dnnl_f32, dnnl_a));
    check(dnnl_eltwise_forward_desc_init(&what, grad ? dnnl_forward_training : dnnl_forward_inference, e->kind, &form, e->alpha, 0));
    check(dnnl_primitive_desc_create(&forward, &what, NULL, engine, NULL));
    if (grad) {
        check(dnnl_eltwise_backward_desc_init(&what, e->kind, &form, &form, e->alpha, 0));
        check(dnnl_primitive_desc_create(&backward, &what, NULL, engine, forward));
        check(dnnl_primitive_create(&primitive, backward));
    } else
        check(dnnl_primitive_create(&primitive, forward));
    arg_count = 0;
    args[arg_count++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, memory_of(&form, x)};
    if (grad)
        args[arg_count++] = (dnnl_exec_arg_t){DNNL_ARG_DIFF_DST, memory_of(&form, dy)};
    args[arg_count++] = (dnnl_exec_arg_t){grad ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST, memory_of(&form, y)};
}

static void run(const entry *e, int grad)
{
    (void)e;
    (void)grad;
    check(dnnl_primitive_execute(primitive, stream, arg_count, args));
    check(dnnl_stream_wait(stream));
}

#elif defined WITH_XNNPACK

typedef struct entry {
    weir_activation_id id;
} entry;

static const entry entries[] = {{WEIR_LEAKY_RELU}, {WEIR_SIGMOID}, {WEIR_ELU}};
static const int grads = 0;
static xnn_operator_t operator;

static void check(enum xnn_status status)
{
    if (status != xnn_status_success) {
        fprintf(stderr, "XNNPACK: status %d\n", (int)status);
        exit(1);
    }
}

static void prepare(const entry *e, int grad)
{
    (void)grad;
    check(xnn_initialize(NULL));
    if (e->id == WEIR_SIGMOID) {
        check(xnn_create_sigmoid_nc_f32(1, 1, 1, 0, &operator));
        check(xnn_setup_sigmoid_nc_f32(operator, n, x, y, NULL));
    } else if (e->id == WEIR_ELU) {
        check(xnn_create_elu_nc_f32(1, 1, 1, 1.0f, 0, &operator));
        check(xnn_setup_elu_nc_f32(operator, n, x, y, NULL));
    } else {
        check(xnn_create_leaky_relu_nc_f32(1, 1, 1, 0.01f, 0, &operator));
        check(xnn_setup_leaky_relu_nc_f32(operator, n, x, y, NULL));
    }
}

static void run(const entry *e, int grad)
{
    (void)e;
    (void)grad;
    check(xnn_run_operator(operator, NULL));
}

#elif defined WITH_SLEEF

typedef __m256 vec;
typedef struct entry {
    weir_activation_id id;
    vec (*f)(vec);
} entry;

#define SET(c) _mm256_set1_ps(c)
static vec sigmoid(vec v) { return _mm256_div_ps(SET(1), _mm256_add_ps(SET(1), Sleef_expf8_u10(_mm256_sub_ps(SET(0), v)))); }
static vec tanh_(vec v) { return Sleef_tanhf8_u10(v); }
static vec elu(vec v) { return _mm256_blendv_ps(v, Sleef_expm1f8_u10(v), v); }
static vec gelu(vec v) { return _mm256_mul_ps(_mm256_mul_ps(SET(0.5f), v), _mm256_add_ps(SET(1), Sleef_erff8_u10(_mm256_mul_ps(v, SET(0.70710678f))))); }
static vec gelu_tanh(vec v)
{
    vec u = _mm256_mul_ps(SET(0.7978845608f), _mm256_fmadd_ps(_mm256_mul_ps(SET(0.044715f), v), _mm256_mul_ps(v, v), v));
    return _mm256_mul_ps(_mm256_mul_ps(SET(0.5f), v), _mm256_add_ps(SET(1), Sleef_tanhf8_u10(u)));
}
static vec silu(vec v) { return _mm256_mul_ps(v, sigmoid(v)); }
static vec softplus(vec v) { return Sleef_log1pf8_u10(Sleef_expf8_u10(v)); }
static vec mish(vec v) { return _mm256_mul_ps(v, Sleef_tanhf8_u10(softplus(v))); }
static vec exp_(vec v) { return Sleef_expf8_u10(v); }
static vec erf_(vec v) { return Sleef_erff8_u10(v); }
static vec erfc_(vec v) { return Sleef_erfcf8_u15(v); }

static const entry entries[] = {{WEIR_SIGMOID, sigmoid}, {WEIR_TANH, tanh_}, {WEIR_ELU, elu},   {WEIR_GELU, gelu}, {WEIR_GELU_TANH, gelu_tanh},
                                {WEIR_SILU, silu},       {WEIR_MISH, mish},  {WEIR_SOFTPLUS, softplus}, {WEIR_EXP, exp_},  {WEIR_ERF, erf_},
                                {WEIR_ERFC, erfc_}};
static const int grads = 0;

static void prepare(const entry *e, int grad)
{
    (void)e;
    (void)grad;
}

static void run(const entry *e, int grad)
{
    (void)grad;
    for (size_t i = 0; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, e->f(_mm256_loadu_ps(x + i)));
}

#elif defined WITH_FORMULAS

typedef struct entry {
    weir_activation_id id;
    void (*f)(size_t, const float *, float *);
} entry;

static const entry entries[] = {{WEIR_SIGMOID, formula_sigmoid}, {WEIR_TANH, formula_tanh}, {WEIR_ELU, formula_elu}, {WEIR_GELU, formula_gelu},
                                {WEIR_GELU_TANH, formula_gelu_tanh}, {WEIR_SILU, formula_silu}, {WEIR_MISH, formula_mish},
                                {WEIR_SOFTPLUS, formula_softplus}, {WEIR_EXP, formula_exp}, {WEIR_ERF, formula_erf}};
static const int grads = 0;

static void prepare(const entry *e, int grad)
{
    (void)e;
    (void)grad;
}

static void run(const entry *e, int grad)
{
    (void)grad;
    e->f(n, x, y);
}

#endif

/* ---- In turn ---- */

static void compare_one(const entry *e, int grad)
{
    double peer[REPEATS], exact[REPEATS], fast[REPEATS], exact_ratio[REPEATS], fast_ratio[REPEATS];
    int repeats = n > 1 << 20 ? 5 : REPEATS;
    size_t rounds = n < 1 << 16 ? (1 << 16) / n : 1;
    prepare(e, grad);
    run(e, grad);
    for (int i = 0; i < repeats; i++) {
        double t0 = now();
        for (size_t k = 0; k < rounds; k++)
            run(e, grad);
        double t1 = now();
        for (size_t k = 0; k < rounds; k++)
            weir(e->id, WEIR_EXACT, grad);
        double t2 = now();
        for (size_t k = 0; k < rounds; k++)
            weir(e->id, WEIR_FAST, grad);
        double t3 = now(), scale = 1 / (double)(n * rounds);
        peer[i] = (t1 - t0) * scale;
        exact[i] = (t2 - t1) * scale;
        fast[i] = (t3 - t2) * scale;
        exact_ratio[i] = exact[i] / peer[i];
        fast_ratio[i] = fast[i] / peer[i];
    }
    printf("%s,%s,%s,%zu,%.4f,%.4f,%.4f,%.3f,%.3f\n", PEER, weir_activation_get(e->id)->name, grad ? "slope" : "value", n,
           median(peer, repeats), median(exact, repeats), median(fast, repeats), median(exact_ratio, repeats), median(fast_ratio, repeats));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    n = argc > 1 ? strtoul(argv[1], NULL, 10) : 65536;
    x = aligned_alloc(64, n * sizeof *x);
    dy = aligned_alloc(64, n * sizeof *dy);
    y = aligned_alloc(64, n * sizeof *y);
    if (n < 64 || n % 16 || !x || !dy || !y) {
        fprintf(stderr, "usage: activations FLOATS, a multiple of 16\n");
        return 2;
    }
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) { /* x about normal with deviation 2, dy in (-1, 1) */
        double sum = 0;
        for (int k = 0; k < 4; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(state >> 40) / 16777216 - 0.5;
        }
        x[i] = (float)(sum * 3.46410162);
        dy[i] = (float)((double)(int64_t)(state << 8) / 9.3e18);
        y[i] = 0;
    }
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        for (int grad = 0; grad <= grads; grad++)
            compare_one(&entries[i], grad);
    return 0;
}
