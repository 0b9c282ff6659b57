/* ONNX files as models: damaged ones, memory, allocations that fail. What they compute is tested in tests/oracle.
 * SPDX-License-Identifier: MIT */
#include "base/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>


typedef struct file {
    unsigned char *bytes;
    size_t size;
} file;

static const weir_config small = {.inputs = 2,
                                  .layers = 2,
                                  .hidden = 2,
                                  .direction = WEIR_BOTH,
                                  .gate = {.id = WEIR_HARD_SIGMOID},
                                  .activation_clip = 2,
                                  .dense_layers = 2,
                                  .dense = {{3, {.id = WEIR_SILU}}, {2, {.id = WEIR_PRELU}}},
                                  .outputs = 2,
                                  .output = WEIR_GAUSSIAN,
                                  .readout = WEIR_FINAL_STATE,
                                  .notes = "of a test"};

static weir_model *make(const weir_config *config)
{
    weir_model *model;
    weir_error err;
    if (weir_model_new(&model, config, NULL, 0, &err))
        fail_msg("%s", err.text);
    return model;
}

static file read_file(const char *path)
{
    weir_allocator a = weir__allocator(NULL);
    void *bytes;
    file f;
    assert_int_equal(weir__file_read(&a, path, SIZE_MAX / 4, &bytes, &f.size, NULL), WEIR_OK);
    f.bytes = bytes;
    return f;
}

static file saved(const weir_config *config, const weir_onnx_options *options)
{
    weir_model *model = make(config);
    weir_error err;
    if (weir_model_save_onnx(model, "model.onnx", options, &err))
        fail_msg("%s", err.text);
    weir_model_free(model);
    return read_file("model.onnx");
}

/* ---- Damage ---- */

/* A model or an error with a sentence, from bytes that end where their memory does, so that a sanitizer sees what reads on. */
static weir_status parse(const unsigned char *bytes, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    weir_model *model;
    weir_error err;
    weir_status status = weir_model_parse(&model, copy, size, WEIR_ISA_SCALAR, NULL, &err);
    assert_true((status == WEIR_OK) == (model != NULL));
    assert_int_equal(err.status, status);
    assert_true((status == WEIR_OK) == (err.text[0] == 0));
    weir_model_free(model);
    free(copy);
    return status;
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    file f = saved(&small, NULL);
    size_t properties = 0; /* which begin with this key; without them the rest is a model too */
    while (memcmp(f.bytes + properties, "\n\4weir", 6))
        properties++;
    for (size_t size = 0; size < f.size; size++) {
        weir_status status = parse(f.bytes, size);
        assert_true(status != WEIR_OK || size > properties - 6);
    }
    assert_int_equal(parse(f.bytes, f.size), WEIR_OK);
    free(f.bytes);
}

static void any_bit_may_be_another(void **state)
{
    (void)state;
    static const weir_onnx_options states = {.states = true};
    file f = saved(&small, &states);
    size_t accepted = 0;
    for (size_t i = 0; i < 8 * f.size; i++) {
        f.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        accepted += parse(f.bytes, f.size) == WEIR_OK;
        f.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    assert_true(accepted > 0 && accepted < 8 * f.size); /* a weight may be any number */
    free(f.bytes);
}

static void any_two_bytes_may_be_others(void **state)
{
    (void)state;
    enum { TRIES = 10000 };
    file f = saved(&small, NULL);
    weir__random random = {.key = 7};
    for (uint64_t i = 0; i < TRIES; i++) {
        uint32_t word[4];
        weir__random_block(&random, i, word);
        unsigned char old[2], *at[] = {f.bytes + word[0] % f.size, f.bytes + word[1] % f.size};
        for (int k = 0; k < 2; k++) {
            old[k] = *at[k];
            *at[k] = (unsigned char)word[2 + k];
        }
        parse(f.bytes, f.size);
        for (int k = 1; k >= 0; k--)
            *at[k] = old[k];
    }
    assert_int_equal(parse(f.bytes, f.size), WEIR_OK);
    free(f.bytes);
}

/* ---- Memory ---- */

static size_t held, peak, granted = SIZE_MAX;

static void *alloc_hook(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    void *p = granted && granted-- ? aligned_alloc(align, weir__round_up(size, align)) : NULL;
    held += p ? size : 0;
    peak = held > peak ? held : peak;
    return p;
}

static void free_hook(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    held -= size;
    free(ptr);
}

static const weir_allocator counting = {alloc_hook, free_hook, NULL};

static void memory_is_bounded_by_the_file(void **state)
{
    (void)state;
    weir_config large = {.inputs = 30, .hidden = 200, .layers = 4, .outputs = 10}, deep = {.inputs = 1, .hidden = 1, .layers = WEIR_MAX_LAYERS,
                                                                                           .direction = WEIR_BOTH};
    const weir_config *all[] = {&small, &large, &deep};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        file f = saved(all[i], NULL);
        free(f.bytes);
        held = peak = 0;
        weir_model *model;
        weir_error err;
        if (weir_model_load(&model, "model.onnx", WEIR_ISA_SCALAR, &counting, &err))
            fail_msg("%s", err.text);
        if (peak - held > 2 * f.size + (1 << 20))
            fail_msg("a file of %zu bytes took %zu", f.size, peak - held);
        weir_model_free(model);
        assert_int_equal(held, 0);
    }
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    file f = saved(&small, NULL);
    size_t failures = 0;
    for (weir_status status = WEIR_E_NOMEM; status != WEIR_OK; failures++) {
        weir_model *model;
        weir_error err;
        granted = failures;
        held = 0;
        status = weir_model_parse(&model, f.bytes, f.size, WEIR_ISA_SCALAR, &counting, &err);
        granted = SIZE_MAX;
        if (status && status != WEIR_E_NOMEM)
            fail_msg("status %d: %s", status, err.text);
        weir_model_free(model);
        assert_int_equal(held, 0);
    }
    assert_true(failures > 5);

    weir_config config = small;
    config.allocator = &counting;
    weir_model *model = make(&config);
    failures = 0;
    for (weir_status status = WEIR_E_NOMEM; status != WEIR_OK; failures++) {
        size_t before = held;
        granted = failures;
        status = weir_model_save_onnx(model, "again.onnx", NULL, NULL);
        granted = SIZE_MAX;
        assert_true(status == WEIR_OK || status == WEIR_E_NOMEM);
        assert_int_equal(held, before);
    }
    assert_true(failures > 5);
    weir_model_free(model);
    free(f.bytes);
}

/* ---- Ranges ---- */

static void options_are_checked(void **state)
{
    (void)state;
    weir_model *model = make(&small);
    weir_error err;
    weir_onnx_options options = {.reserved = {1}};
    assert_int_equal(weir_model_save_onnx(model, "never.onnx", &options, &err), WEIR_E_ARGUMENT);
    options = (weir_onnx_options){.unroll = (1 << 14) + 1};
    assert_int_equal(weir_model_save_onnx(model, "never.onnx", &options, &err), WEIR_E_ARGUMENT);
    assert_string_equal(err.text, "unroll is 16385, but at most 16384 steps of this model can be unrolled");
    weir_model_free(model);
    weir_config config = {.inputs = 2, .hidden = 4, .projection = 2};
    model = make(&config);
    assert_int_equal(weir_model_save_onnx(model, "never.onnx", NULL, &err), WEIR_E_UNSUPPORTED);
    weir_model_free(model);
    FILE *written = fopen("never.onnx", "rb");
    assert_null(written);
}

/* Unrolled graphs have no LSTM to make a model of. */
static void unrolled_graphs_are_no_models(void **state)
{
    (void)state;
    static const weir_onnx_options options = {.unroll = 3};
    file f = saved(&small, &options);
    weir_model *model;
    weir_error err;
    assert_int_equal(weir_model_parse(&model, f.bytes, f.size, WEIR_ISA_SCALAR, NULL, &err), WEIR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "weir run can run the file as it is"));
    free(f.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(any_bit_may_be_another),
        cmocka_unit_test(any_two_bytes_may_be_others),
        cmocka_unit_test(memory_is_bounded_by_the_file),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(unrolled_graphs_are_no_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
