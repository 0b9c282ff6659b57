/* oneDNN's LSTM beside Weir's on the problems of weir bench, in turn in one process:
 *     networks THREADS PROBLEM...         (networks.sh builds it)
 * prints peer,problem,threads,peer_us,weir_us,ratio: medians, microseconds a step; the ratio is the median of Weir's time over the
 * peer's, block by block. Weights are brought into the peer's layout beforehand, as Weir's are packed beforehand; a pass of training
 * clears the peer's gradients, which it adds to. oneDNN 2 and 3.
 *
 * SPDX-License-Identifier: MIT */
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "problem.h"

enum { BLOCKS = 11, MOST = 32 };

static void check(dnnl_status_t status, int line)
{
    if (status != dnnl_success) {
        fprintf(stderr, "networks.c:%d: oneDNN's status is %d\n", line, (int)status);
        exit(1);
    }
}
#define OK(call) check(call, __LINE__)

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout;
#else
typedef dnnl_memory_desc_t *layout;
#endif

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static layout plain(int dimensions, const dnnl_dims_t sizes, dnnl_format_tag_t tag)
{
    layout l;
#if DNNL_VERSION_MAJOR >= 3
    OK(dnnl_memory_desc_create_with_tag(&l, dimensions, sizes, dnnl_f32, tag));
#else
    l = malloc(sizeof *l);
    OK(dnnl_memory_desc_init_by_tag(l, dimensions, sizes, dnnl_f32, tag));
#endif
    return l;
}

static const_dnnl_primitive_desc_t described(dnnl_primitive_t p)
{
    const_dnnl_primitive_desc_t d;
    OK(dnnl_primitive_get_primitive_desc(p, &d));
    return d;
}

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t layout_of_array;
#else
typedef const dnnl_memory_desc_t *layout_of_array;
#endif

/* An array of a primitive, filled with numbers in +-scale. */
typedef struct array {
    int id;
    layout_of_array layout;
    dnnl_memory_t memory;
    size_t bytes;
    float *data;
} array;

static array fill_array(int id, layout_of_array l, float scale)
{
    array a = {.id = id, .layout = l, .bytes = dnnl_memory_desc_get_size(l)};
    OK(dnnl_memory_create(&a.memory, l, engine, DNNL_MEMORY_ALLOCATE));
    void *data;
    OK(dnnl_memory_get_data_handle(a.memory, &data));
    a.data = data;
    for (size_t i = 0; i < a.bytes / sizeof(float); i++)
        a.data[i] = scale * (2 * (float)rand() / (float)RAND_MAX - 1);
    return a;
}

/* In the layout that the primitive asks for. */
static array make_array(dnnl_primitive_t p, int id, float scale)
{
    return fill_array(id, dnnl_primitive_desc_query_md(described(p), dnnl_query_exec_arg_md, id), scale);
}

/* Weights in the primitive's own layout, which is more than numbers: only oneDNN's reorder can write it. */
static array make_weights(dnnl_primitive_t p, int id, layout given)
{
    array from = fill_array(id, given, 0.1f), to = make_array(p, id, 0);
    dnnl_primitive_desc_t d;
    dnnl_primitive_t reorder;
    OK(dnnl_reorder_primitive_desc_create(&d, from.layout, engine, to.layout, engine, NULL));
    OK(dnnl_primitive_create(&reorder, d));
    dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, from.memory}, {DNNL_ARG_TO, to.memory}};
    OK(dnnl_primitive_execute(reorder, stream, 2, args));
    OK(dnnl_stream_wait(stream));
    return to;
}

typedef struct pass {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[MOST];
    int count;
} pass;

static void give(pass *p, int id, dnnl_memory_t memory)
{
    p->args[p->count++] = (dnnl_exec_arg_t){.arg = id, .memory = memory};
}

typedef struct peer {
    pass forward, backward;
    array gradients[MOST];
    int gradient_count;
} peer;

/* The arrays of an LSTM, in oneDNN's order of arguments. */
enum { X, H0, C0, WX, WH, PEEPHOLES, BIAS, Y, HN, CN, ARRAYS };
static const int ids[ARRAYS] = {DNNL_ARG_SRC_LAYER,        DNNL_ARG_SRC_ITER, DNNL_ARG_SRC_ITER_C, DNNL_ARG_WEIGHTS_LAYER,
                                DNNL_ARG_WEIGHTS_ITER,     DNNL_ARG_WEIGHTS_PEEPHOLE, DNNL_ARG_BIAS, DNNL_ARG_DST_LAYER,
                                DNNL_ARG_DST_ITER,         DNNL_ARG_DST_ITER_C};

/* Layouts; weights in any, so that the primitive chooses. NULL for what the problem does not have. */
static void describe(const problem *p, layout l[ARRAYS])
{
    const dnnl_dim_t L = p->layers, I = p->inputs, H = p->hidden, T = p->steps, B = p->rows;
    bool stateful = p->kind < 3;
    l[X] = plain(3, (dnnl_dims_t){T, B, I}, dnnl_tnc);
    l[Y] = plain(3, (dnnl_dims_t){T, B, H}, dnnl_tnc);
    for (int i = 0; i < 2; i++) {
        l[H0 + i] = stateful ? plain(4, (dnnl_dims_t){L, 1, B, H}, dnnl_ldnc) : NULL;
        l[HN + i] = stateful ? plain(4, (dnnl_dims_t){L, 1, B, H}, dnnl_ldnc) : NULL;
    }
    l[WX] = plain(5, (dnnl_dims_t){L, 1, I, 4, H}, dnnl_format_tag_any);
    l[WH] = plain(5, (dnnl_dims_t){L, 1, H, 4, H}, dnnl_format_tag_any);
    l[PEEPHOLES] = p->peepholes ? plain(4, (dnnl_dims_t){L, 1, 3, H}, dnnl_ldgo) : NULL;
    l[BIAS] = plain(4, (dnnl_dims_t){L, 1, 4, H}, dnnl_ldgo);
}

static dnnl_primitive_t make_forward(layout l[ARRAYS], bool training)
{
    dnnl_prop_kind_t kind = training ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_primitive_desc_t d;
    dnnl_primitive_t p;
#if DNNL_VERSION_MAJOR >= 3
    OK(dnnl_lstm_forward_primitive_desc_create(&d, engine, kind, dnnl_unidirectional_left2right, l[X], l[H0], l[C0], l[WX], l[WH],
                                               l[PEEPHOLES], NULL, l[BIAS], l[Y], l[HN], l[CN], dnnl_rnn_flags_undef, NULL));
#else
    dnnl_rnn_desc_t lstm;
    OK(dnnl_lstm_forward_desc_init_v3(&lstm, kind, dnnl_unidirectional_left2right, l[X], l[H0], l[C0], l[WX], l[WH], l[PEEPHOLES], NULL,
                                      l[BIAS], l[Y], l[HN], l[CN], 0));
    OK(dnnl_primitive_desc_create(&d, &lstm, NULL, engine, NULL));
#endif
    OK(dnnl_primitive_create(&p, d));
    return p;
}

static dnnl_primitive_t make_backward(layout l[ARRAYS], dnnl_primitive_t forward)
{
    dnnl_primitive_desc_t d, hint = (dnnl_primitive_desc_t)described(forward);
    dnnl_primitive_t p;
#if DNNL_VERSION_MAJOR >= 3
    OK(dnnl_lstm_backward_primitive_desc_create(&d, engine, dnnl_backward, dnnl_unidirectional_left2right, l[X], l[H0], l[C0], l[WX], l[WH],
                                                l[PEEPHOLES], NULL, l[BIAS], l[Y], l[HN], l[CN], l[X], l[H0], l[C0], l[WX], l[WH],
                                                l[PEEPHOLES], NULL, l[BIAS], l[Y], l[HN], l[CN], dnnl_rnn_flags_undef, hint, NULL));
#else
    dnnl_rnn_desc_t lstm;
    OK(dnnl_lstm_backward_desc_init_v3(&lstm, dnnl_backward, dnnl_unidirectional_left2right, l[X], l[H0], l[C0], l[WX], l[WH], l[PEEPHOLES],
                                       NULL, l[BIAS], l[Y], l[HN], l[CN], l[X], l[H0], l[C0], l[WX], l[WH], l[PEEPHOLES], NULL, l[BIAS],
                                       l[Y], l[HN], l[CN], 0));
    OK(dnnl_primitive_desc_create(&d, &lstm, NULL, engine, hint));
#endif
    OK(dnnl_primitive_create(&p, d));
    return p;
}

/* WX or WH as (L, 1, inputs, 4, H) */
static array weights_of(const problem *p, dnnl_primitive_t primitive, int which)
{
    const dnnl_dim_t L = p->layers, K = which == WX ? p->inputs : p->hidden, H = p->hidden;
    return make_weights(primitive, ids[which], plain(5, (dnnl_dims_t){L, 1, K, 4, H}, dnnl_ldigo));
}

static void add_backward(peer *n, const problem *p, layout l[ARRAYS], const array *values, dnnl_memory_t tape)
{
    pass *b = &n->backward;
    b->primitive = make_backward(l, n->forward.primitive);
    give(b, DNNL_ARG_WORKSPACE, tape);
    for (int i = 0; i < ARRAYS; i++) {
        if (!l[i])
            continue;
        bool weights = i == WX || i == WH;
        give(b, ids[i], weights ? weights_of(p, b->primitive, i).memory : values[i].memory);
        array g = make_array(b->primitive, ids[i] + (DNNL_ARG_DIFF_SRC_LAYER - DNNL_ARG_SRC_LAYER), i == Y ? 1e-3f : 0);
        give(b, g.id, g.memory);
        if (weights || i == PEEPHOLES || i == BIAS)
            n->gradients[n->gradient_count++] = g;
    }
}

static peer make_peer(const problem *p)
{
    static const float scales[ARRAYS] = {[X] = 1, [PEEPHOLES] = 0.1f, [BIAS] = 0.1f};
    bool training = p->kind == 4;
    peer n = {0};
    layout l[ARRAYS];
    array values[ARRAYS] = {0};
    describe(p, l);
    n.forward.primitive = make_forward(l, training);
    for (int i = 0; i < ARRAYS; i++) {
        if (!l[i])
            continue;
        if (i == HN || i == CN)
            values[i] = values[i - HN + H0]; /* the final state is the next pass's initial one */
        else
            values[i] = i == WX || i == WH ? weights_of(p, n.forward.primitive, i) : make_array(n.forward.primitive, ids[i], scales[i]);
        give(&n.forward, ids[i], values[i].memory);
    }
    if (training) {
        array tape = make_array(n.forward.primitive, DNNL_ARG_WORKSPACE, 0);
        give(&n.forward, DNNL_ARG_WORKSPACE, tape.memory);
        add_backward(&n, p, l, values, tape.memory);
    }
    return n;
}

static void run(const peer *n)
{
    OK(dnnl_primitive_execute(n->forward.primitive, stream, n->forward.count, n->forward.args));
    if (n->backward.primitive) {
        for (int i = 0; i < n->gradient_count; i++)
            memset(n->gradients[i].data, 0, n->gradients[i].bytes);
        OK(dnnl_primitive_execute(n->backward.primitive, stream, n->backward.count, n->backward.args));
    }
    OK(dnnl_stream_wait(stream));
}

static double peer_time(const peer *n, long passes)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < passes; i++)
        run(n);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9) / (double)passes;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, BLOCKS, sizeof *values, compare);
    return values[BLOCKS / 2];
}

static void measure(const problem *p, const threads *t, unsigned count, const char *name)
{
    weir_error err;
    workload *w = workload_new(p, WEIR_ISA_BEST, &t->parallel, &err);
    if (!w) {
        fprintf(stderr, "%s: %s\n", p->text, err.text);
        exit(1);
    }
    peer n = make_peer(p);
    double theirs[BLOCKS], ours[BLOCKS], ratios[BLOCKS];
    workload_time(w, 2);
    peer_time(&n, 2);
    long passes = 1 + (long)(0.03 / peer_time(&n, 3)), our_passes = 1 + (long)(0.03 / workload_time(w, 3));
    for (int i = 0; i < BLOCKS; i++) {
        theirs[i] = peer_time(&n, passes);
        ours[i] = workload_time(w, our_passes);
        ratios[i] = ours[i] / theirs[i];
    }
    double us = 1e6 / p->steps;
    printf("%s,%s,%u,%.4f,%.4f,%.3f\n", name, p->text, count, median(theirs) * us, median(ours) * us, median(ratios));
    fflush(stdout);
    workload_free(w);
}

int main(int argc, char **argv)
{
    char name[32];
    if (argc < 3)
        return fprintf(stderr, "usage: networks THREADS PROBLEM...\n"), 2;
    unsigned count = (unsigned)atoi(argv[1]);
    const dnnl_version_t *v = dnnl_version();
    snprintf(name, sizeof name, "onednn-%d.%d.%d", v->major, v->minor, v->patch);
    OK(dnnl_engine_create(&engine, dnnl_cpu, 0));
    OK(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    threads t = threads_start(count, true);
    for (int i = 2; i < argc; i++) {
        problem p;
        weir_error err;
        if (!problem_read(argv[i], &p, &err))
            return fprintf(stderr, "%s\n", err.text), 2;
        measure(&p, &t, count, name);
    }
    threads_stop(&t);
    return 0;
}
