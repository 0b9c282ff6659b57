/* oneDNN's LSTM beside Weir's on the problems of weir bench, in turn in one process (beside.h):
 *     networks                              prints oneDNN's name and version
 *     networks THREADS SECONDS PROBLEM...   prints a line of CSV for each problem
 * Weights are brought into the peer's layout beforehand, as Weir's are packed beforehand; a pass of training clears the peer's gradients,
 * which it adds to. bf16: the activations are bfloat16 too. int8: u8 activations with one fixed scale, s8 weights. oneDNN 2 and 3.
 *
 * SPDX-License-Identifier: MIT */
#include <dnnl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

#include "beside.h"

enum { MOST = 32 };

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
typedef const_dnnl_memory_desc_t layout_of_array;
#else
typedef dnnl_memory_desc_t *layout;
typedef const dnnl_memory_desc_t *layout_of_array;
#endif

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_attr_t scales; /* of 8 bits */
static dnnl_memory_t memories[4 * MOST]; /* of the problem at hand */
static int memory_count;

static layout typed(dnnl_data_type_t type, int dimensions, const dnnl_dims_t sizes, dnnl_format_tag_t tag)
{
    layout l;
#if DNNL_VERSION_MAJOR >= 3
    OK(dnnl_memory_desc_create_with_tag(&l, dimensions, sizes, type, tag));
#else
    l = malloc(sizeof *l);
    OK(dnnl_memory_desc_init_by_tag(l, dimensions, sizes, type, tag));
#endif
    return l;
}

static layout plain(int dimensions, const dnnl_dims_t sizes, dnnl_format_tag_t tag)
{
    return typed(dnnl_f32, dimensions, sizes, tag);
}

static dnnl_data_type_t type_of(layout_of_array l)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_data_type_t type;
    OK(dnnl_memory_desc_query(l, dnnl_query_data_type, &type));
    return type;
#else
    return l->data_type;
#endif
}

static const_dnnl_primitive_desc_t described(dnnl_primitive_t p)
{
    const_dnnl_primitive_desc_t d;
    OK(dnnl_primitive_get_primitive_desc(p, &d));
    return d;
}

/* An array of a primitive, filled with numbers in +-scale. */
typedef struct array {
    int id;
    layout_of_array layout;
    dnnl_memory_t memory;
    size_t bytes;
    void *data;
} array;

/* In -1 to 1. */
static float random_number(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 32) * 0x1p-31f;
}

/* The i-th number of an array of this type. */
static void put_number(void *data, dnnl_data_type_t type, size_t i, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (type == dnnl_f32)
        ((float *)data)[i] = x;
    else if (type == dnnl_bf16)
        ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
    else
        ((uint8_t *)data)[i] = (uint8_t)(128 + 100 * x);
}

static array fill_array(int id, layout_of_array l, float scale)
{
    array a = {.id = id, .layout = l, .bytes = dnnl_memory_desc_get_size(l)};
    OK(dnnl_memory_create(&a.memory, l, engine, DNNL_MEMORY_ALLOCATE));
    OK(dnnl_memory_get_data_handle(a.memory, &a.data));
    memories[memory_count++] = a.memory;
    memset(a.data, 0, a.bytes);
    dnnl_data_type_t type = type_of(l);
    size_t count = a.bytes / (type == dnnl_f32 ? 4 : type == dnnl_bf16 ? 2 : 1);
    for (size_t i = 0; scale != 0 && i < count; i++)
        put_number(a.data, type, i, scale * random_number());
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
    OK(dnnl_reorder_primitive_desc_create(&d, from.layout, engine, to.layout, engine, type_of(to.layout) == dnnl_s8 ? scales : NULL));
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

/* Layers that oneDNN runs as one: it wants the first layer's input as wide as the state, so a first layer with another one stands alone. */
typedef struct stack {
    problem part;
    pass forward, backward;
    array gradients[MOST];
    int gradient_count;
    dnnl_memory_t below, above; /* input and output */
    dnnl_memory_t below_gradient;
} stack;

typedef struct peer {
    stack stacks[2];
    int count;
} peer;

/* The arrays of an LSTM, in oneDNN's order of arguments. */
enum { X, H0, C0, WX, WH, PEEPHOLES, BIAS, Y, HN, CN, ARRAYS };
static const int ids[ARRAYS] = {DNNL_ARG_SRC_LAYER,        DNNL_ARG_SRC_ITER, DNNL_ARG_SRC_ITER_C, DNNL_ARG_WEIGHTS_LAYER,
                                DNNL_ARG_WEIGHTS_ITER,     DNNL_ARG_WEIGHTS_PEEPHOLE, DNNL_ARG_BIAS, DNNL_ARG_DST_LAYER,
                                DNNL_ARG_DST_ITER,         DNNL_ARG_DST_ITER_C};

/* Layouts; weights in any, so that the primitive chooses. NULL for what the problem does not have. */
static void describe(const problem *p, layout l[ARRAYS])
{
    static const dnnl_data_type_t numbers[] = {dnnl_f32, dnnl_bf16, dnnl_u8}, weights[] = {dnnl_f32, dnnl_bf16, dnnl_s8};
    const dnnl_dim_t L = p->layers, I = p->inputs, H = p->hidden, T = p->steps, B = p->rows;
    dnnl_data_type_t x = numbers[p->weights], w = weights[p->weights];
    bool stateful = p->kind < 3 || (p->kind == 3 && T == 1);
    l[X] = typed(x, 3, (dnnl_dims_t){T, B, I}, dnnl_tnc);
    l[Y] = typed(x, 3, (dnnl_dims_t){T, B, H}, dnnl_tnc);
    l[H0] = stateful ? typed(x, 4, (dnnl_dims_t){L, 1, B, H}, dnnl_ldnc) : NULL;
    l[HN] = stateful ? typed(x, 4, (dnnl_dims_t){L, 1, B, H}, dnnl_ldnc) : NULL;
    l[C0] = stateful ? plain(4, (dnnl_dims_t){L, 1, B, H}, dnnl_ldnc) : NULL;
    l[CN] = stateful ? plain(4, (dnnl_dims_t){L, 1, B, H}, dnnl_ldnc) : NULL;
    l[WX] = typed(w, 5, (dnnl_dims_t){L, 1, I, 4, H}, dnnl_format_tag_any);
    l[WH] = typed(w, 5, (dnnl_dims_t){L, 1, H, 4, H}, dnnl_format_tag_any);
    l[PEEPHOLES] = p->peepholes ? plain(4, (dnnl_dims_t){L, 1, 3, H}, dnnl_ldgo) : NULL;
    l[BIAS] = plain(4, (dnnl_dims_t){L, 1, 4, H}, dnnl_ldgo);
}

/* NULL if oneDNN has no such LSTM. */
static dnnl_primitive_t make_forward(const problem *p, layout l[ARRAYS])
{
    dnnl_prop_kind_t kind = p->kind == 4 ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_primitive_attr_t attr = p->weights == WEIR_WEIGHTS_INT8 ? scales : NULL;
    dnnl_primitive_desc_t d;
    dnnl_primitive_t made;
    dnnl_status_t status;
#if DNNL_VERSION_MAJOR >= 3
    status = dnnl_lstm_forward_primitive_desc_create(&d, engine, kind, dnnl_unidirectional_left2right, l[X], l[H0], l[C0], l[WX], l[WH],
                                                     l[PEEPHOLES], NULL, l[BIAS], l[Y], l[HN], l[CN], dnnl_rnn_flags_undef, attr);
#else
    dnnl_rnn_desc_t lstm;
    status = dnnl_lstm_forward_desc_init_v3(&lstm, kind, dnnl_unidirectional_left2right, l[X], l[H0], l[C0], l[WX], l[WH], l[PEEPHOLES],
                                            NULL, l[BIAS], l[Y], l[HN], l[CN], 0);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&d, &lstm, attr, engine, NULL);
#endif
    if (status == dnnl_unimplemented)
        return NULL;
    OK(status);
    OK(dnnl_primitive_create(&made, d));
    return made;
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

/* `from_above`: the gradient by the output, NULL for one of its own. */
static void add_backward(stack *s, layout l[ARRAYS], const array *values, dnnl_memory_t tape, dnnl_memory_t from_above)
{
    pass *b = &s->backward;
    b->primitive = make_backward(l, s->forward.primitive);
    give(b, DNNL_ARG_WORKSPACE, tape);
    for (int i = 0; i < ARRAYS; i++) {
        if (!l[i])
            continue;
        bool weights = i == WX || i == WH;
        give(b, ids[i], weights ? weights_of(&s->part, b->primitive, i).memory : values[i].memory);
        array g = make_array(b->primitive, ids[i] + (DNNL_ARG_DIFF_SRC_LAYER - DNNL_ARG_SRC_LAYER), i == Y ? 1e-3f : 0);
        give(b, g.id, i == Y && from_above ? from_above : g.memory);
        if (weights || i == PEEPHOLES || i == BIAS)
            s->gradients[s->gradient_count++] = g;
        if (i == X)
            s->below_gradient = g.memory;
    }
}

/* False if oneDNN has none for the problem. */
static bool make_forward_stack(stack *s, layout l[ARRAYS], array values[ARRAYS])
{
    static const float sizes[ARRAYS] = {[X] = 1, [PEEPHOLES] = 0.1f, [BIAS] = 0.1f};
    s->forward.primitive = make_forward(&s->part, l);
    if (!s->forward.primitive)
        return false;
    for (int i = 0; i < ARRAYS; i++) {
        if (!l[i])
            continue;
        if (i == HN || i == CN)
            values[i] = values[i - HN + H0]; /* the final state is the next pass's initial one */
        else if (i == WX || i == WH)
            values[i] = weights_of(&s->part, s->forward.primitive, i);
        else
            values[i] = make_array(s->forward.primitive, ids[i], sizes[i]);
        if (i == X && s->below)
            values[i].memory = s->below;
        give(&s->forward, ids[i], values[i].memory);
    }
    s->above = values[Y].memory;
    return true;
}

static peer parts_of(const problem *p)
{
    peer n = {.count = 1, .stacks[0].part = *p};
    if (p->layers > 1 && p->inputs != p->hidden) {
        n.count = 2;
        n.stacks[1].part = *p;
        n.stacks[0].part.layers = 1;
        n.stacks[1].part.layers = p->layers - 1;
        n.stacks[1].part.inputs = p->hidden;
    }
    return n;
}

/* False if oneDNN has none for the problem. */
static bool make_peer(peer *n, const problem *p)
{
    layout l[2][ARRAYS];
    array values[2][ARRAYS] = {0}, tapes[2];
    *n = parts_of(p);
    for (int i = 0; i < n->count; i++) {
        stack *s = &n->stacks[i];
        describe(&s->part, l[i]);
        s->below = i ? n->stacks[i - 1].above : NULL;
        if (!make_forward_stack(s, l[i], values[i]))
            return false;
        if (p->kind == 4) {
            tapes[i] = make_array(s->forward.primitive, DNNL_ARG_WORKSPACE, 0);
            give(&s->forward, DNNL_ARG_WORKSPACE, tapes[i].memory);
        }
    }
    for (int i = n->count; p->kind == 4 && i-- > 0;)
        add_backward(&n->stacks[i], l[i], values[i], tapes[i].memory, i + 1 < n->count ? n->stacks[i + 1].below_gradient : NULL);
    return true;
}

static void execute(const pass *p)
{
    OK(dnnl_primitive_execute(p->primitive, stream, p->count, p->args));
}

static void run(void *what)
{
    const peer *n = what;
    for (int i = 0; i < n->count; i++)
        execute(&n->stacks[i].forward);
    for (int i = n->count; n->stacks[0].backward.primitive && i-- > 0;) {
        const stack *s = &n->stacks[i];
        for (int k = 0; k < s->gradient_count; k++)
            memset(s->gradients[k].data, 0, s->gradients[k].bytes);
        execute(&s->backward);
    }
    OK(dnnl_stream_wait(stream));
}

static void destroy(peer *n)
{
    for (int i = 0; i < n->count; i++) {
        if (n->stacks[i].forward.primitive)
            dnnl_primitive_destroy(n->stacks[i].forward.primitive);
        if (n->stacks[i].backward.primitive)
            dnnl_primitive_destroy(n->stacks[i].backward.primitive);
    }
    while (memory_count)
        dnnl_memory_destroy(memories[--memory_count]);
}

static void measure(const bench *b, const problem *p)
{
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_SYCL
    /* A call goes through SYCL's queue, which takes 25 us: it would hide the LSTM of a step. */
    if (p->steps == 1)
        return;
#endif
    peer n;
    if (make_peer(&n, p))
        put_beside(b, p, run, &n, problem_flops(p) + input_gradient_flops(p));
    else
        fprintf(stderr, "%s: skipped: %s has no such LSTM\n", p->text, b->name);
    destroy(&n);
}

/* oneTBB starts as many threads as the process may use processors, and has no variable for it: leaves it the first `count`. */
static void bind_to(int count)
{
    cpu_set_t given, kept;
    CPU_ZERO(&kept);
    sched_getaffinity(0, sizeof given, &given);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&kept) < count; i++)
        if (CPU_ISSET(i, &given))
            CPU_SET(i, &kept);
    sched_setaffinity(0, sizeof kept, &kept);
}

int main(int argc, char **argv)
{
    char name[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(name, sizeof name, "onednn-%d.%d.%d", v->major, v->minor, v->patch);
    if (argc == 1)
        return puts(name), 0;
    if (DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_TBB) {
        bind_to(atoi(argv[1]));
        pins = false;
    }
    OK(dnnl_engine_create(&engine, dnnl_cpu, 0));
    OK(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    const float weight_scale = 1000; /* weights in +-0.1 fill 8 bits */
    OK(dnnl_primitive_attr_create(&scales));
    OK(dnnl_primitive_attr_set_rnn_data_qparams(scales, 100, 128));
    OK(dnnl_primitive_attr_set_rnn_weights_qparams(scales, 1, 0, &weight_scale));
    return for_each_problem(argc, argv, name, measure);
}
