/* Stepping: the same bits as whole sequences, state in and out, and no allocation at all.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

/* ---- Every allocation of this process is counted ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *ptr);

static volatile unsigned long allocations;

#if defined __SANITIZE_ADDRESS__
#define COUNTS 0
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define COUNTS 0
#endif
#endif
#if !defined COUNTS && defined __GLIBC__
#define COUNTS 1

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    allocations++;
    return __libc_realloc(ptr, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    allocations++;
    return __libc_memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    allocations++;
    *out = __libc_memalign(align, size);
    return *out ? 0 : 12;
}

void free(void *ptr)
{
    allocations++;
    __libc_free(ptr);
}
#endif

/* ---- Models and inputs ---- */

enum { STEPS = 300, ROWS = 3, INPUTS = 6, TOKENS = 11 };

static uint32_t noise = 1;

static float real(void)
{
    noise = noise * 1664525 + 1013904223;
    return (float)(noise >> 8) / 8388608 - 1;
}

static weir_model *model_of(weir_config c)
{
    weir_model *m;
    weir_error err;
    if (weir_model_new(&m, &c, NULL, 0, &err))
        fail_msg("%s", err.text);
    return m;
}

/* Stacks that differ in everything stepping has to treat. */
static const weir_config configs[] = {
    {.inputs = INPUTS, .hidden = 5},
    {.inputs = INPUTS, .hidden = 40, .layers = 2},
    {.inputs = INPUTS, .hidden = 33, .layers = 2, .outputs = 4},
    {.tokens = TOKENS, .hidden = 17, .layers = 3, .outputs = TOKENS, .output = WEIR_SOFTMAX},
    {.inputs = INPUTS, .hidden = 20, .projection = 7, .layers = 2, .outputs = 2, .output = WEIR_GAUSSIAN},
    {.tokens = TOKENS, .hidden = 16, .projection = 15, .outputs = 3, .output = WEIR_LOGISTIC},
    {.inputs = INPUTS, .hidden = 9, .no_peepholes = true, .coupled = true, .activation_clip = 0.5f, .cell_clip = 0.3f},
    {.inputs = INPUTS,
     .hidden = 12,
     .no_forget_gate = true,
     .candidate = {.id = WEIR_SOFTSIGN},
     .output_activation = {.id = WEIR_PRELU},
     .dense_layers = 2,
     .dense = {{.units = 19, .activation = {.id = WEIR_SELU}}, {.units = 3, .activation = {.id = WEIR_PRELU}}},
     .outputs = 2},
    {.inputs = INPUTS, .hidden = 8, .layers = 2, .outputs = 3, .isa = WEIR_ISA_REF64},
};
enum { CONFIGS = sizeof configs / sizeof *configs, FLOAT_CONFIGS = CONFIGS - 1 }; /* a double state does not fit into floats */

struct input {
    float x[STEPS * ROWS * INPUTS];
    uint32_t tokens[STEPS * ROWS];
};

static void fill(struct input *in)
{
    for (size_t i = 0; i < sizeof in->x / sizeof *in->x; i++)
        in->x[i] = real();
    for (size_t i = 0; i < STEPS * ROWS; i++)
        in->tokens[i] = (uint32_t)((real() + 1) * (TOKENS + 1) / 2); /* up to TOKENS, which is outside the vocabulary */
}

static weir_stream *stream_of(const weir_model *m, uint32_t rows, void **memory)
{
    weir_stream *s;
    weir_error err;
    size_t size = weir_stream_size(m, rows);
    *memory = malloc(size + 1);
    assert_non_null(*memory);
    if (weir_stream_init(&s, (char *)*memory + 1, size, m, rows, &err)) /* + 1: any alignment will do */
        fail_msg("%s", err.text);
    return s;
}

static void step(weir_stream *s, const weir_config *c, const struct input *in, size_t t, float *y)
{
    if (c->tokens)
        weir_stream_step_tokens(s, in->tokens + t * ROWS, y);
    else
        weir_stream_step(s, in->x + t * ROWS * INPUTS, y);
}

static size_t projected(const weir_config *c)
{
    return c->projection ? c->projection : c->hidden;
}

static void stepping_gives_the_bits_of_whole_sequences(void **state)
{
    (void)state;
    static struct input in;
    fill(&in);
    for (size_t i = 0; i < CONFIGS; i++) {
        weir_model *m = model_of(configs[i]);
        const weir_config *c = weir_model_config(m);
        size_t O = weir_model_outputs(m), L = c->layers, P = projected(c), H = c->hidden;
        float *y = malloc(STEPS * ROWS * O * sizeof *y), *stepped = malloc(ROWS * O * sizeof *y);
        float *h = malloc(4 * L * ROWS * H * sizeof *h), *c_end = h + L * ROWS * H, *h_s = c_end + L * ROWS * H,
              *c_s = h_s + L * ROWS * H;
        assert_true(y && stepped && h);
        weir_batch b = {.steps = STEPS, .rows = ROWS, .x = c->tokens ? NULL : in.x, .tokens = c->tokens ? in.tokens : NULL};
        assert_int_equal(weir_model_run(m, &b, y, h, c_end, NULL, NULL), WEIR_OK);
        void *memory;
        weir_stream *s = stream_of(m, ROWS, &memory);
        for (size_t t = 0; t < STEPS; t++) {
            step(s, c, &in, t, t % 7 == 3 ? NULL : stepped);
            if (t % 7 != 3)
                assert_memory_equal(stepped, y + t * ROWS * O, ROWS * O * sizeof *y);
        }
        weir_stream_get_state(s, h_s, c_s);
        assert_memory_equal(h_s, h, L * ROWS * P * sizeof *h);
        assert_memory_equal(c_s, c_end, L * ROWS * H * sizeof *h);
        free(memory);
        free(y);
        free(stepped);
        free(h);
        weir_model_free(m);
    }
}

static void a_state_set_back_continues_alike(void **state)
{
    (void)state;
    static struct input in;
    fill(&in);
    for (size_t i = 0; i < FLOAT_CONFIGS; i++) {
        weir_model *m = model_of(configs[i]);
        const weir_config *c = weir_model_config(m);
        size_t O = weir_model_outputs(m), n = c->layers * ROWS * c->hidden;
        float *h = malloc(2 * n * sizeof *h), *y = malloc(2 * ROWS * O * sizeof *y), *again = y + ROWS * O;
        assert_true(h && y);
        void *memory, *other;
        weir_stream *s = stream_of(m, ROWS, &memory), *fresh = stream_of(m, ROWS, &other);
        for (size_t t = 0; t < 9; t++)
            step(s, c, &in, t, NULL);
        weir_stream_get_state(s, h, h + n);
        step(s, c, &in, 9, y);
        step(fresh, c, &in, 50, NULL); /* an odd number of steps before the state is replaced */
        weir_stream_set_state(fresh, h, h + n);
        step(fresh, c, &in, 9, again);
        assert_memory_equal(again, y, ROWS * O * sizeof *y);
        free(memory);
        free(other);
        free(h);
        free(y);
        weir_model_free(m);
    }
}

static void a_step_may_write_its_output_over_its_input(void **state)
{
    (void)state;
    enum { UNITS = 40 };
    weir_model *m = model_of((weir_config){.inputs = UNITS, .hidden = UNITS});
    for (uint32_t rows = 1; rows <= 3; rows++) {
        float x[3 * UNITS], y[3 * UNITS];
        void *memory, *other;
        weir_stream *in_place = stream_of(m, rows, &memory), *apart = stream_of(m, rows, &other);
        for (size_t i = 0; i < rows * UNITS; i++)
            x[i] = real();
        for (size_t t = 0; t < 5; t++) {
            weir_stream_step(apart, x, y);
            weir_stream_step(in_place, x, x);
            assert_memory_equal(x, y, rows * UNITS * sizeof *x);
        }
        free(memory);
        free(other);
    }
    weir_model_free(m);
}

static void reset_starts_anew(void **state)
{
    (void)state;
    static struct input in;
    fill(&in);
    for (size_t i = 0; i < CONFIGS; i++) {
        weir_model *m = model_of(configs[i]);
        const weir_config *c = weir_model_config(m);
        size_t O = weir_model_outputs(m), n = c->layers * ROWS * c->hidden;
        float *y = malloc((2 * ROWS * O + 2 * n) * sizeof *y), *again = y + ROWS * O, *h = again + ROWS * O;
        assert_non_null(y);
        void *memory;
        weir_stream *s = stream_of(m, ROWS, &memory);
        step(s, c, &in, 0, y);
        for (size_t t = 1; t < 6; t++)
            step(s, c, &in, t, NULL);
        weir_stream_reset(s);
        weir_stream_get_state(s, h, h + n);
        for (size_t j = 0; j < c->layers * ROWS * projected(c); j++)
            assert_true(h[j] == 0);
        for (size_t j = n; j < 2 * n; j++)
            assert_true(h[j] == 0);
        step(s, c, &in, 0, again);
        assert_memory_equal(again, y, ROWS * O * sizeof *y);
        free(memory);
        free(y);
        weir_model_free(m);
    }
}

static void models_that_cannot_be_stepped_say_so(void **state)
{
    (void)state;
    const weir_config cannot[] = {{.inputs = 2, .hidden = 3, .direction = WEIR_BOTH},
                                  {.inputs = 2, .hidden = 3, .direction = WEIR_REVERSE},
                                  {.inputs = 2, .hidden = 3, .outputs = 2, .readout = WEIR_FINAL_STATE}};
    char memory[1024];
    for (size_t i = 0; i < 3; i++) {
        weir_model *m = model_of(cannot[i]);
        weir_stream *s = (weir_stream *)memory;
        weir_error err;
        assert_int_equal(weir_stream_size(m, 1), 0);
        assert_int_equal(weir_stream_init(&s, memory, sizeof memory, m, 1, &err), WEIR_E_UNSUPPORTED);
        assert_null(s);
        assert_non_null(strstr(err.text, i < 2 ? "backwards" : "once per sequence"));
        weir_model_free(m);
    }
}

static void bad_memory_is_refused(void **state)
{
    (void)state;
    weir_model *m = model_of(configs[0]);
    size_t size = weir_stream_size(m, 2);
    char *memory = malloc(size);
    weir_stream *s = (weir_stream *)memory;
    weir_error err;
    assert_true(size > 0 && memory);
    assert_int_equal(weir_stream_init(&s, memory, size - 1, m, 2, &err), WEIR_E_ARGUMENT);
    assert_null(s);
    assert_non_null(strstr(err.text, "bytes"));
    assert_int_equal(weir_stream_init(&s, NULL, size, m, 2, &err), WEIR_E_ARGUMENT);
    assert_int_equal(weir_stream_init(&s, memory, size, m, 0, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "rows"));
    assert_int_equal(weir_stream_size(m, 0), 0);
    assert_int_equal(weir_stream_init(&s, memory, size, m, 2, NULL), WEIR_OK);
    free(memory);
    weir_model_free(m);
}

static void a_million_steps_allocate_nothing(void **state)
{
    (void)state;
    const weir_config tiny = {.inputs = 1, .hidden = 4, .outputs = 1};
    const weir_config tokens = {.tokens = 3, .hidden = 4, .outputs = 3, .output = WEIR_SOFTMAX};
#if !COUNTS
    skip(); /* the sanitizer has the allocator for itself */
#endif
    unsigned long start = allocations;
    weir_model *m = model_of(tiny), *t = model_of(tokens);
    void *memory, *more;
    weir_stream *s = stream_of(m, 1, &memory), *u = stream_of(t, 1, &more);
    assert_true(allocations > start); /* the counter sees the library's allocations */
    unsigned long before = allocations;
    float x = 0.5f, y[3];
    for (uint32_t i = 0; i < 1000000; i++) {
        weir_stream_step(s, &x, y);
        x = y[0];
    }
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t token = i % 4;
        weir_stream_step_tokens(u, &token, y);
    }
    weir_stream_reset(s);
    unsigned long after = allocations;
    assert_int_equal(after - before, 0);
    free(memory);
    free(more);
    weir_model_free(m);
    weir_model_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stepping_gives_the_bits_of_whole_sequences),
        cmocka_unit_test(a_state_set_back_continues_alike),
        cmocka_unit_test(a_step_may_write_its_output_over_its_input),
        cmocka_unit_test(reset_starts_anew),
        cmocka_unit_test(models_that_cannot_be_stepped_say_so),
        cmocka_unit_test(bad_memory_is_refused),
        cmocka_unit_test(a_million_steps_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
