/* SPDX-License-Identifier: MIT */
#include "base/io.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tensors.h"

/* ---- Files as bytes ---- */

typedef struct file {
    unsigned char *bytes;
    size_t size;
} file;

static size_t header_size(const file *f)
{
    uint64_t size;
    memcpy(&size, f->bytes, sizeof size);
    return (size_t)size;
}

static file compose(const char *header, size_t header_length, const void *data, size_t data_size)
{
    file f = {malloc(8 + header_length + data_size), 8 + header_length + data_size};
    uint64_t length = header_length;
    memcpy(f.bytes, &length, sizeof length);
    memcpy(f.bytes + 8, header, header_length);
    if (data_size)
        memcpy(f.bytes + 8 + header_length, data, data_size);
    return f;
}

/* The same data behind the header in which the first `from` is replaced by `to`. */
static file edit(const file *f, const char *from, const char *to)
{
    size_t length = header_size(f);
    char *old = strndup((const char *)f->bytes + 8, length), *new = malloc(length + strlen(to) + 1), *at = strstr(old, from);
    if (!at)
        fail_msg("the header has no %s", from);
    int n = sprintf(new, "%.*s%s%s", (int)(at - old), old, to, at + strlen(from));
    file edited = compose(new, (size_t)n, f->bytes + 8 + length, f->size - 8 - length);
    free(old);
    free(new);
    return edited;
}

static file read_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    file f = {malloc(4 << 20), 0};
    f.size = fread(f.bytes, 1, 4 << 20, in);
    fclose(in);
    return f;
}

static weir_model *make(const weir_config *config)
{
    weir_model *model;
    weir_error err;
    if (weir_model_new(&model, config, NULL, 0, &err))
        fail_msg("%s", err.text);
    return model;
}

static file saved(const weir_config *config)
{
    weir_model *model = make(config);
    weir_error err;
    if (weir_model_save(model, "model.weir", &err))
        fail_msg("%s", err.text);
    weir_model_free(model);
    return read_file("model.weir");
}

static const weir_config small = {.inputs = 2, .hidden = 3, .projection = 2, .outputs = 1, .notes = "{\"scale\": 2}"};

static weir_status parse(const file *f, weir_model **model, weir_error *err)
{
    return weir_model_parse(model, f->bytes, f->size, WEIR_ISA_BEST, NULL, err);
}

/* ---- Round trips ---- */

static const weir_config all_sorts[] = {
    {.inputs = 1, .hidden = 1},
    {.inputs = 3, .hidden = 5, .layers = 3, .direction = WEIR_BOTH, .projection = 2, .outputs = 2, .output = WEIR_GAUSSIAN},
    {.inputs = 2, .hidden = 4, .direction = WEIR_REVERSE, .coupled = true, .no_peepholes = true, .init = WEIR_INIT_PYTORCH},
    {.tokens = 7,
     .hidden = 4,
     .layers = 2,
     .candidate = {.id = WEIR_PRELU, .alpha = 0.1f},
     .dense_layers = 2,
     .dense = {{.units = 6, .activation = {.id = WEIR_PRELU}}, {.units = 3, .activation = {.id = WEIR_SELU}}},
     .outputs = 5,
     .output = WEIR_SOFTMAX,
     .readout = WEIR_FINAL_STATE,
     .init = WEIR_INIT_UNIFORM,
     .init_scale = 0.3f,
     .seed = UINT64_MAX,
     .notes = "Zeile 1\nline \"2\" \xc3\xa9\xf0\x9f\x98\x80\t\x01 end"},
    {.inputs = 2,
     .hidden = 4,
     .no_forget_gate = true,
     .gate = {.id = WEIR_HARD_SIGMOID, .alpha = 0.3f},
     .output_activation = {.id = WEIR_SCALED_TANH, .alpha = 1.5f, .beta = 0.7f},
     .activation_clip = 3.3f,
     .cell_clip = 1.1f,
     .outputs = 3,
     .output = WEIR_LOGISTIC,
     .init = WEIR_INIT_HE,
     .set_gate_bias = true,
     .gate_bias = {-0.1f, 2.5f, 0, 1e-30f}},
    {.inputs = 2, .hidden = 4, .init = WEIR_INIT_LECUN},
    {.inputs = 3, .hidden = 5, .layers = 2, .direction = WEIR_BOTH, .projection = 2, .outputs = 2, .weights = WEIR_WEIGHTS_BF16},
    {.tokens = 7, .hidden = 17, .layers = 2, .projection = 3, .outputs = 2, .weights = WEIR_WEIGHTS_INT8},
};

static void assert_same_activation(const weir_activation *a, const weir_activation *b)
{
    assert_int_equal(a->id, b->id);
    assert_memory_equal(&a->alpha, &b->alpha, sizeof a->alpha);
    assert_memory_equal(&a->beta, &b->beta, sizeof a->beta);
}

static void assert_same_config(const weir_config *a, const weir_config *b)
{
    assert_int_equal(a->inputs, b->inputs);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->layers, b->layers);
    assert_int_equal(a->hidden, b->hidden);
    assert_int_equal(a->projection, b->projection);
    assert_int_equal(a->direction, b->direction);
    assert_int_equal(a->no_peepholes, b->no_peepholes);
    assert_int_equal(a->no_forget_gate, b->no_forget_gate);
    assert_int_equal(a->coupled, b->coupled);
    assert_same_activation(&a->gate, &b->gate);
    assert_same_activation(&a->candidate, &b->candidate);
    assert_same_activation(&a->output_activation, &b->output_activation);
    assert_memory_equal(&a->activation_clip, &b->activation_clip, sizeof(float));
    assert_memory_equal(&a->cell_clip, &b->cell_clip, sizeof(float));
    assert_int_equal(a->dense_layers, b->dense_layers);
    for (size_t i = 0; i < a->dense_layers; i++) {
        assert_int_equal(a->dense[i].units, b->dense[i].units);
        assert_same_activation(&a->dense[i].activation, &b->dense[i].activation);
    }
    assert_int_equal(a->outputs, b->outputs);
    assert_int_equal(a->output, b->output);
    assert_int_equal(a->readout, b->readout);
    assert_int_equal(a->init, b->init);
    assert_memory_equal(&a->init_scale, &b->init_scale, sizeof(float));
    assert_int_equal(a->set_gate_bias, b->set_gate_bias);
    assert_memory_equal(a->gate_bias, b->gate_bias, sizeof a->gate_bias);
    assert_true(a->seed == b->seed);
    assert_int_equal(a->weights, b->weights);
    assert_string_equal(a->notes, b->notes);
}

static void assert_same_model(const weir_model *a, const weir_model *b)
{
    assert_same_config(weir_model_config(a), weir_model_config(b));
    assert_int_equal(weir_model_tensor_count(a), weir_model_tensor_count(b));
    for (size_t i = 0; i < weir_model_tensor_count(a); i++) {
        weir_tensor s = whole_tensor(a, i), t = whole_tensor(b, i);
        assert_string_equal(s.name, t.name);
        assert_int_equal(s.rows, t.rows);
        assert_int_equal(s.cols, t.cols);
        assert_memory_equal(s.data, t.data, numbers(&s) * sizeof(float));
        free_tensor(s);
        free_tensor(t);
    }
}

static void a_saved_model_loads_with_every_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_sorts / sizeof *all_sorts; i++) {
        weir_model *model = make(&all_sorts[i]), *loaded = NULL;
        weir_error err;
        if (weir_model_save(model, "model.weir", &err) || weir_model_load(&loaded, "model.weir", WEIR_ISA_SCALAR, NULL, &err))
            fail_msg("%s", err.text);
        assert_same_model(model, loaded);
        assert_int_equal(weir_model_config(loaded)->isa, WEIR_ISA_SCALAR);

        file first = read_file("model.weir");
        assert_int_equal(weir_model_save(loaded, "model.weir", NULL), WEIR_OK);
        file second = read_file("model.weir");
        assert_int_equal(first.size, second.size);
        assert_memory_equal(first.bytes, second.bytes, first.size);
        free(first.bytes);
        free(second.bytes);
        weir_model_free(model);
        weir_model_free(loaded);
    }
}

/* Negative zeros, subnormals and the largest numbers, in every tensor. */
static void odd_numbers_keep_their_bits(void **state)
{
    (void)state;
    static const float odd[] = {-0.0f, 0.0f, 1e-45f, -1e-45f, 1.17549421e-38f, 3.40282347e38f, -3.40282347e38f, 1.0f};
    weir_model *model = make(&small);
    weir_tensor tensors[16];
    float *data[16];
    size_t count = weir_model_tensor_count(model);
    for (size_t i = 0; i < count; i++) {
        tensors[i] = weir_model_tensor(model, i);
        data[i] = malloc(numbers(&tensors[i]) * sizeof(float));
        for (size_t k = 0; k < numbers(&tensors[i]); k++)
            data[i][k] = odd[(i + k) % 8];
        tensors[i].data = data[i];
    }
    weir_model *strange, *loaded;
    assert_int_equal(weir_model_new(&strange, &small, tensors, count, NULL), WEIR_OK);
    assert_int_equal(weir_model_save(strange, "model.weir", NULL), WEIR_OK);
    assert_int_equal(weir_model_load(&loaded, "model.weir", WEIR_ISA_BEST, NULL, NULL), WEIR_OK);
    assert_same_model(strange, loaded);
    for (size_t i = 0; i < count; i++) {
        weir_tensor t = whole_tensor(loaded, i);
        assert_memory_equal(t.data, data[i], numbers(&t) * sizeof(float));
        free_tensor(t);
        free(data[i]);
    }
    weir_model_free(model);
    weir_model_free(strange);
    weir_model_free(loaded);
}

static void the_file_has_pytorch_s_names_and_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t rank, rows, cols;
    } expected[] = {
        /* weight_ih (4H, I), weight_hh (4H, P), bias_ih and bias_hh (4H), weight_hr (P, H) of torch.nn.LSTM(2, 3, 2, proj_size=2,
         * bidirectional=True) */
        {"lstm.weight_ih_l0", 2, 12, 2}, {"lstm.weight_hh_l0", 2, 12, 2},       {"lstm.bias_ih_l0", 1, 12, 0},
        {"lstm.bias_hh_l0", 1, 12, 0},   {"lstm.weight_hr_l0", 2, 2, 3},        {"lstm.weight_ih_l0_reverse", 2, 12, 2},
        {"lstm.weight_ih_l1", 2, 12, 4}, {"lstm.bias_hh_l1_reverse", 1, 12, 0},
    };
    weir_config config = {.inputs = 2, .hidden = 3, .layers = 2, .projection = 2, .direction = WEIR_BOTH, .no_peepholes = true};
    file f = saved(&config);
    json_t *header = json_loadb((const char *)f.bytes + 8, header_size(&f), 0, NULL);
    assert_int_equal(json_object_size(header), 1 + 2 * 2 * 5);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const json_t *shape = json_object_get(json_object_get(header, expected[i].name), "shape");
        assert_int_equal(json_array_size(shape), expected[i].rank);
        assert_int_equal(json_integer_value(json_array_get(shape, 0)), expected[i].rows);
        assert_int_equal(json_integer_value(json_array_get(shape, 1)), expected[i].cols);
    }
    json_decref(header);
    free(f.bytes);
}

static weir_tensor find_tensor(const weir_model *model, const char *name)
{
    for (size_t i = 0; i < weir_model_tensor_count(model); i++)
        if (!strcmp(weir_model_tensor(model, i).name, name))
            return whole_tensor(model, i);
    fail_msg("no tensor %s", name);
    return (weir_tensor){0};
}

/* Byte of the file where the data of a tensor begins. */
static size_t place_of(const file *f, const char *name)
{
    json_t *header = json_loadb((const char *)f->bytes + 8, header_size(f), 0, NULL);
    const json_t *record = json_object_get(header, name);
    assert_non_null(record);
    size_t begin = (size_t)json_integer_value(json_array_get(json_object_get(record, "data_offsets"), 0));
    json_decref(header);
    return 8 + header_size(f) + begin;
}

static void two_biases_are_added(void **state)
{
    (void)state;
    file f = saved(&small);
    float first[12], second[12];
    for (int i = 0; i < 12; i++) {
        first[i] = 0.1f * (float)i;
        second[i] = i % 3 ? 1.0f / (float)i : 0;
    }
    memcpy(f.bytes + place_of(&f, "lstm.bias_ih_l0"), first, sizeof first);
    memcpy(f.bytes + place_of(&f, "lstm.bias_hh_l0"), second, sizeof second);
    weir_model *model;
    assert_int_equal(parse(&f, &model, NULL), WEIR_OK);
    weir_tensor bias = find_tensor(model, "lstm.bias_ih_l0");
    for (int i = 0; i < 12; i++)
        assert_true(bias.data[i] == first[i] + second[i]);
    free_tensor(bias);
    weir_model_free(model);

    float large = 3e38f;
    weir_error err;
    memcpy(f.bytes + place_of(&f, "lstm.bias_ih_l0"), &large, sizeof large);
    memcpy(f.bytes + place_of(&f, "lstm.bias_hh_l0"), &large, sizeof large);
    assert_int_equal(parse(&f, &model, &err), WEIR_E_NONFINITE);
    assert_non_null(strstr(err.text, "lstm.bias_ih_l0"));
    free(f.bytes);
}

static void any_alignment_is_read(void **state)
{
    (void)state;
    file f = saved(&small);
    weir_model *straight;
    assert_int_equal(parse(&f, &straight, NULL), WEIR_OK);
    for (int spaces = 0; spaces < 4; spaces++) {
        char padding[] = "{    ";
        padding[1 + spaces] = 0;
        file padded = edit(&f, "{", padding);
        unsigned char *moved = malloc(padded.size + 3);
        for (size_t shift = 0; shift < 4; shift++) {
            weir_model *model;
            memcpy(moved + shift, padded.bytes, padded.size);
            assert_int_equal(weir_model_parse(&model, moved + shift, padded.size, WEIR_ISA_BEST, NULL, NULL), WEIR_OK);
            assert_same_model(straight, model);
            weir_model_free(model);
        }
        free(moved);
        free(padded.bytes);
    }
    weir_model_free(straight);
    free(f.bytes);
}

static void absent_fields_are_defaults(void **state)
{
    (void)state;
    file f = saved(&small);
    char *header = strndup((const char *)f.bytes + 8, header_size(&f)), text[4096];
    char *tensors = strstr(header, "},\"lstm.");
    assert_non_null(tensors);
    int n = snprintf(text, sizeof text,
                     "{\"__metadata__\":{\"weir\":\"{\\\"format\\\":1,\\\"inputs\\\":2,\\\"hidden\\\":3,\\\"projection\\\":2,"
                     "\\\"outputs\\\":1}\"%s",
                     tensors);
    file shorter = compose(text, (size_t)n, f.bytes + 8 + header_size(&f), f.size - 8 - header_size(&f));
    weir_config plain = small;
    plain.notes = NULL;
    weir_model *model, *expected = make(&plain);
    weir_error err;
    if (parse(&shorter, &model, &err))
        fail_msg("%s", err.text);
    assert_same_model(model, expected);
    weir_model_free(model);
    weir_model_free(expected);
    free(header);
    free(shorter.bytes);
    free(f.bytes);
}

/* ---- Broken files ---- */

static void assert_refused(const file *f, weir_status status, const char *says)
{
    weir_error err;
    weir_model *model = (weir_model *)f->bytes;
    weir_status got = parse(f, &model, &err);
    if (got != status)
        fail_msg("status %d instead of %d, where '%s' is wrong", got, status, says);
    assert_null(model);
    assert_int_equal(err.status, status);
    assert_true(err.offset <= f->size);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    for (const char *p = err.text; *p; p++)
        assert_true(*p >= ' ' && *p <= '~');
    assert_int_equal(parse(f, &model, NULL), status);
}

/* Numbers of 8 bits and their steps are taken only as the writer would give them. */
static void strange_rows_of_8_bits_are_refused(void **state)
{
    (void)state;
    weir_config narrow = small;
    narrow.weights = WEIR_WEIGHTS_INT8;
    file f = saved(&narrow);
    size_t q = place_of(&f, "lstm.weight_ih_l0"), steps = place_of(&f, "lstm.weight_ih_l0_step");
    weir_model *model;
    assert_int_equal(parse(&f, &model, NULL), WEIR_OK);
    weir_model_free(model);
    static const float odd[] = {NAN, -1, 3e38f, 0.1f, 0, -0.0f}; /* 0.1 has more than 16 bits */
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        float keep;
        memcpy(&keep, f.bytes + steps, sizeof keep);
        memcpy(f.bytes + steps, odd + i, sizeof *odd);
        assert_refused(&f, i ? WEIR_E_FORMAT : WEIR_E_NONFINITE, i ? "row 0 of tensor lstm.weight_ih_l0" : "not finite");
        memcpy(f.bytes + steps, &keep, sizeof keep);
    }
    memset(f.bytes + q + 2, 0x80, 2); /* -128 in the second row */
    assert_refused(&f, WEIR_E_FORMAT, "row 1 of tensor lstm.weight_ih_l0");
    memset(f.bytes + q + 2, 5, 2); /* the step is too large for such numbers */
    assert_refused(&f, WEIR_E_FORMAT, "row 1 of tensor lstm.weight_ih_l0");
    free(f.bytes);
}

static void a_narrow_file_is_smaller(void **state)
{
    (void)state;
    static const size_t percent[] = {100, 51, 28};
    size_t whole = 0;
    for (int form = WEIR_WEIGHTS_F32; form <= WEIR_WEIGHTS_INT8; form++) {
        file f = saved(&(weir_config){.inputs = 64, .hidden = 128, .outputs = 1, .weights = (weir_weights)form});
        whole = form ? whole : f.size;
        assert_true(f.size * 100 <= whole * percent[form] + 400000);
        free(f.bytes);
    }
}

#define JSON(field) "\\\"" field "\\\""

static void every_rule_of_the_header_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"F32\"", "\"F16\"", "dtype F32, BF16 or I8"},
        {"\"F32\"", "32", "dtype F32, BF16 or I8"},
        {"\"F32\"", "\"BF16\"", "a shape of 48 bytes"},
        {JSON("weights") ":" JSON("f32"), JSON("weights") ":" JSON("f16"), "field weights"},
        {JSON("weights") ":" JSON("f32"), JSON("weights") ":" JSON("bf16"), "lstm.weight_ih_l0 must have the dtype BF16"},
        {JSON("weights") ":" JSON("f32"), JSON("weights") ":" JSON("int8"), "lstm.weight_ih_l0 must have the dtype I8"},
        {"\"dtype\":\"F32\",", "", "just dtype, shape and data_offsets"},
        {"\"dtype\":\"F32\",", "\"dtype\":\"F32\",\"more\":1,", "just dtype, shape and data_offsets"},
        {"\"shape\":[12,2]", "\"shape\":[2,12]", "lstm.weight_ih_l0 must have the shape (12, 2)"},
        {"\"shape\":[12,2]", "\"shape\":[24]", "lstm.weight_ih_l0 must have the shape (12, 2)"},
        {"\"shape\":[12]", "\"shape\":[1,12]", "lstm.bias_ih_l0 must have the shape (12)"},
        {"\"shape\":[12,2]", "\"shape\":[12,2,1]", "one or two positive"},
        {"\"shape\":[12,2]", "\"shape\":[]", "one or two positive"},
        {"\"shape\":[12,2]", "\"shape\":24", "one or two positive"},
        {"\"shape\":[12,2]", "\"shape\":[0,2]", "one or two positive"},
        {"\"shape\":[12,2]", "\"shape\":[-12,-2]", "one or two positive"},
        {"\"shape\":[12,2]", "\"shape\":[12.0,2]", "one or two positive"},
        {"\"shape\":[12,2]", "\"shape\":[4611686018427387904,4]", "one or two positive"},
        {"\"shape\":[12,2]", "\"shape\":[4611686018427387910,4]", "one or two positive"},
        {"\"shape\":[12,2]", "\"shape\":[9223372036854775808,2]", "no valid JSON"},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[4,100]", "must begin at byte 0"},
        {"\"data_offsets\":[96,192]", "\"data_offsets\":[0,96]", "must begin at byte 96"},
        {"\"data_offsets\":[96,192]", "\"data_offsets\":[100,196]", "must begin at byte 96"},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0,92]", "a shape of 96 bytes"},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0,-96]", "two data_offsets"},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0,96,96]", "two data_offsets"},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":96", "two data_offsets"},
        {"lstm.weight_hh_l0", "lstm.weight_ih_l0", "duplicate object key"},
        {"lstm.weight_hh_l0", "lstm.weight_xx_l0", "lacks"},
        {"lstm.weight_hh_l0", "\\u001b[2J", "lacks"},
        {"lstm.weight_hh_l0\":{", "\\u001b[2J\":{\"more\":1,", "tensor ?[2J must have just"},
        {"__metadata__", "__metadate__", "just dtype"},
        {"\"notes\"", "\"nodes\"", "keys weir and notes only"},
        {"\"notes\"", "\"more\":\"\",\"notes\"", "keys weir and notes only"},
        {"\"notes\"", "\"weir\"", "duplicate object key"},
        {"\"notes\":\"", "\"notes\":1,\"x\":\"", "strings only"},
        {"\"weir\":\"", "\"wear\":\"", "not a model of Weir"},
        {"\"notes\":\"", "\"notes\":\"\xff", "unable to decode byte 0xff"},
        {"\"notes\":\"", "\"notes\":\"\\u0000", "NUL"},
        {"\"weir\":\"{", "\"weir\":\"[]\",\"notes\":\"{", "duplicate object key"},
        {"lstm.weight_hh_l0", "lstm.a_name_that_is_longer_than_any_tensor_s_name_is", "longer name than any model's"},
        {"\"weir\":\"{", "\"weir\":\"[", "configuration is no valid JSON"},
        {"\"weir\":\"{", "\"weir\":\"[] {", "configuration is no valid JSON"},
        {JSON("format") ":1", JSON("format") ":2", "format must be 1"},
        {JSON("format") ":1,", "", "format must be 1"},
        {JSON("layers") ":1", JSON("layerz") ":1", "unknown field layerz"},
        {JSON("layers") ":1", JSON("hidden") ":3", "duplicate object key"},
        {JSON("layers") ":1", JSON("layers") ":" JSON("1"), "field layers"},
        {JSON("layers") ":1", JSON("layers") ":1.0", "field layers"},
        {JSON("layers") ":1", JSON("layers") ":-1", "field layers"},
        {JSON("layers") ":1", JSON("layers") ":4294967297", "field layers"},
        {JSON("layers") ":1", JSON("layers") ":65", "layers"},
        {JSON("layers") ":1", JSON("layers") ":2", "lacks"},
        {JSON("hidden") ":3", JSON("hidden") ":4", "must have the shape (16, 2)"},
        {JSON("hidden") ":3", JSON("hidden") ":65537", "hidden"},
        {JSON("hidden") ":3", JSON("hidden") ":65536", "more than the file can hold"},
        {JSON("projection") ":2", JSON("projection") ":3", "projection"},
        {JSON("tokens") ":0", JSON("tokens") ":5", "tokens"},
        {JSON("no_peepholes") ":false", JSON("no_peepholes") ":true", "lstm.peephole_l0 has no place"},
        {JSON("no_peepholes") ":false", JSON("no_peepholes") ":0", "field no_peepholes"},
        {JSON("forward"), JSON("sideways"), "field direction"},
        {JSON("direction") ":" JSON("forward"), JSON("direction") ":0", "field direction"},
        {JSON("name") ":" JSON("sigmoid"), JSON("name") ":" JSON("sigmoidal"), "field gate"},
        {JSON("name") ":" JSON("sigmoid"), JSON("id") ":5", "field gate"},
        {JSON("cell_clip") ":0.0", JSON("cell_clip") ":1e39", "field cell_clip"},
        {JSON("cell_clip") ":0.0", JSON("cell_clip") ":-1.0", "cell_clip"},
        {JSON("cell_clip") ":0.0", JSON("cell_clip") ":NaN", "no valid JSON"},
        {JSON("gate_bias") ":[", JSON("gate_bias") ":[1,", "field gate_bias"},
        {JSON("dense") ":[]", JSON("dense") ":[{}]", "field dense"},
        {JSON("dense") ":[]", JSON("dense") ":{}", "field dense"},
        {JSON("dense") ":[]", JSON("dense") ":[{" JSON("units") ":0}]", "units"},
        {JSON("dense") ":[]", JSON("dense") ":[1,1,1,1,1,1,1,1,1]", "field dense"},
        {JSON("seed") ":" JSON("1"), JSON("seed") ":1", "field seed"},
        {JSON("seed") ":" JSON("1"), JSON("seed") ":" JSON("-1"), "field seed"},
        {JSON("seed") ":" JSON("1"), JSON("seed") ":" JSON("18446744073709551616"), "field seed"},
    };
    file f = saved(&small);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file broken = edit(&f, cases[i].from, cases[i].to);
        assert_refused(&broken, WEIR_E_FORMAT, cases[i].says);
        free(broken.bytes);
    }
    free(f.bytes);
}

static void the_offset_shows_the_place(void **state)
{
    (void)state;
    file f = saved(&small), broken = edit(&f, "\"shape\":[12,2],\"data_offsets\":[96", "\"shape\":[12,2],\"data_offsets\":[97");
    weir_error err;
    weir_model *model;
    assert_int_equal(parse(&broken, &model, &err), WEIR_E_FORMAT);
    assert_memory_equal(broken.bytes + err.offset, "lstm.weight_hh_l0\"", 18);
    free(broken.bytes);

    broken = edit(&f, JSON("layers") ":1", JSON("layerz") ":1");
    assert_int_equal(parse(&broken, &model, &err), WEIR_E_FORMAT);
    assert_memory_equal(broken.bytes + err.offset, "layerz", 6);
    free(broken.bytes);

    broken = edit(&f, ",\"lstm.weight_hh_l0", ",?lstm.weight_hh_l0");
    assert_int_equal(parse(&broken, &model, &err), WEIR_E_FORMAT);
    assert_true(err.offset >= 8 && broken.bytes[err.offset - 1] == '?');
    free(broken.bytes);
    free(f.bytes);
}

static void headers_that_are_no_header(void **state)
{
    (void)state;
    static const struct {
        const char *header, *says;
    } cases[] = {
        {"", "no valid JSON"},          {"[]", "no JSON object"},          {"{} {}", "no valid JSON"},
        {"{", "no valid JSON"},         {"no sense!", "no valid JSON"},     {"{}", "not a model of Weir"},
        {"{\"a\":[[[[]]]]}", "deeper"}, {"{\"a\":[[]]}", "tensor a must"}, {"{\"__metadata__\":1}", "no JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = compose(cases[i].header, strlen(cases[i].header), NULL, 0);
        assert_refused(&f, WEIR_E_FORMAT, cases[i].says);
        free(f.bytes);
    }
    file f = compose("{}", 2, "data", 4);
    assert_refused(&f, WEIR_E_FORMAT, "the tensors need 0 bytes");
    f.bytes[7] = 0x80;
    assert_refused(&f, WEIR_E_FORMAT, "cut off");
    free(f.bytes);
}

/* `head`, `count` times `each` (where # becomes the number), `tail`. */
static file repeat(const char *head, const char *each, size_t count, const char *tail)
{
    char *text = malloc(strlen(head) + count * (strlen(each) + 20) + strlen(tail) + 1), *at = stpcpy(text, head);
    for (size_t i = 0; i < count; i++) {
        const char *hole = strchr(each, '#');
        at += hole ? sprintf(at, "%.*s%zx%s", (int)(hole - each), each, i, hole + 1) : sprintf(at, "%s", each);
    }
    at = stpcpy(at, tail);
    file f = compose(text, (size_t)(at - text), NULL, 0);
    free(text);
    return f;
}

static void metadata_has_largest_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *head, *each;
        size_t count;
        const char *tail, *says;
    } cases[] = {
        {"{\"__metadata__\":{\"weir\":\"", " ", 8193, "\"}}", "more than 8 KiB"},
        {"{\"__metadata__\":{\"weir\":\"", "[", 8192, "\"}}", "configuration is no valid JSON"},
        {"{\"__metadata__\":{\"weir\":\"[]\",\"notes\":\"", " ", 1 << 20, "\"}}", "configuration is no JSON object"},
        {"{\"__metadata__\":{\"weir\":\"[]\",\"notes\":\"", " ", (1 << 20) + 1, "\"}}", "notes has more than 1 MiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = repeat(cases[i].head, cases[i].each, cases[i].count, cases[i].tail);
        assert_refused(&f, WEIR_E_FORMAT, cases[i].says);
        free(f.bytes);
    }
}

static void a_header_has_a_largest_size(void **state)
{
    (void)state;
    size_t size = (16 << 20) + 1;
    char *spaces = malloc(size);
    memset(spaces, ' ', size);
    memcpy(spaces, "{}", 2);
    file f = compose(spaces, size, NULL, 0);
    assert_refused(&f, WEIR_E_FORMAT, "16 MiB");
    free(f.bytes);
    f = compose(spaces, size - 1, NULL, 0);
    assert_refused(&f, WEIR_E_FORMAT, "not a model of Weir");
    free(f.bytes);
    free(spaces);
}

static void every_number_must_be_finite(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    file f = saved(&small);
    size_t begin = 8 + header_size(&f);
    for (size_t at = begin; at < f.size; at += sizeof(float)) {
        unsigned char before[sizeof(float)];
        memcpy(before, f.bytes + at, sizeof before);
        memcpy(f.bytes + at, &bad[at / sizeof(float) % 3], sizeof(float));
        weir_error err;
        weir_model *model;
        assert_int_equal(parse(&f, &model, &err), WEIR_E_NONFINITE);
        assert_int_equal(err.offset, at);
        assert_non_null(strstr(err.text, "tensor "));
        memcpy(f.bytes + at, before, sizeof before);
    }
    free(f.bytes);
}

/* Memory of just the right size, so that a sanitizer sees a read behind it. */
static weir_status parse_exactly(const unsigned char *bytes, size_t size, weir_model **model)
{
    unsigned char *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    weir_status status = weir_model_parse(model, copy, size, WEIR_ISA_SCALAR, NULL, NULL);
    free(copy);
    return status;
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    file f = saved(&small);
    for (size_t size = 0; size < f.size; size++) {
        weir_model *model;
        assert_int_equal(parse_exactly(f.bytes, size, &model), WEIR_E_FORMAT);
        assert_null(model);
    }
    unsigned char *longer = malloc(f.size + 64);
    memcpy(longer, f.bytes, f.size);
    memset(longer + f.size, 0, 64);
    for (size_t more = 1; more <= 64; more++) {
        weir_model *model;
        assert_int_equal(parse_exactly(longer, f.size + more, &model), WEIR_E_FORMAT);
    }
    free(longer);
    free(f.bytes);
}

/* A flipped bit in the names or numbers of the header breaks a rule; in the metadata it may give another valid value (a seed, a clip, a
 * letter of the notes). */
static void every_flipped_bit_of_the_header_is_safe(void **state)
{
    (void)state;
    file f = saved(&small);
    const char *text = (const char *)f.bytes + 8;
    size_t metadata_end = 8 + (size_t)(strstr(text, "},\"lstm.") - text), accepted = 0;
    for (size_t bit = 0; bit < 8 * (8 + header_size(&f)); bit++) {
        f.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        weir_model *model;
        weir_status status = parse_exactly(f.bytes, f.size, &model);
        if (status == WEIR_OK) {
            accepted++;
            if (bit / 8 > metadata_end && f.bytes[bit / 8] != '\t' && f.bytes[bit / 8] != '\n' && f.bytes[bit / 8] != '\r')
                fail_msg("bit %zu of byte %zu was flipped and not seen", bit % 8, bit / 8);
        } else if (status != WEIR_E_FORMAT) {
            fail_msg("status %d after flipping bit %zu of byte %zu", status, bit % 8, bit / 8);
        }
        assert_true((status == WEIR_OK) == (model != NULL));
        weir_model_free(model);
        f.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(accepted < header_size(&f));
    free(f.bytes);
}

/* ---- Memory ---- */

/* Bytes that are held now, and the most that were. */
static size_t held, peak;

static void *counting_alloc(size_t size)
{
    size_t *p = malloc(size + 64);
    if (!p)
        return NULL;
    *p = size;
    held += size;
    peak = held > peak ? held : peak;
    return (char *)p + 64;
}

static void counting_free(void *ptr)
{
    if (!ptr)
        return;
    size_t *p = (size_t *)(void *)((char *)ptr - 64);
    held -= *p;
    free(p);
}

static void *hook_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    void *p = aligned_alloc(align, weir__round_up(size, align));
    held += p ? size : 0;
    peak = held > peak ? held : peak;
    return p;
}

static void hook_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    held -= size;
    free(ptr);
}

/* The file, jansson's memory and the library's together, beyond the model. */
static void assert_bounded(const file *f, weir_status expected, size_t notes)
{
    const weir_allocator counting = {hook_alloc, hook_free, NULL};
    assert_int_equal(weir__file_write("bounded", f->bytes, f->size, NULL), WEIR_OK);
    json_set_alloc_funcs(counting_alloc, counting_free);
    held = peak = 0;
    weir_model *model;
    weir_error err;
    weir_status status = weir_model_load(&model, "bounded", WEIR_ISA_SCALAR, &counting, &err);
    if (status != expected)
        fail_msg("status %d instead of %d: %s", status, expected, err.text);
    size_t beyond = peak - held;
    weir_model_free(model);
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(held, 0);
    if (beyond > 2 * f->size + (1 << 20) + (notes > 256 << 10 ? 4 * notes : 0))
        fail_msg("a file of %zu bytes took %zu bytes", f->size, beyond);
}

static void memory_is_bounded_by_the_file(void **state)
{
    (void)state;
    file f = saved(&small);
    assert_bounded(&f, WEIR_OK, 0);
    free(f.bytes);

    weir_config largest = {.inputs = 1,
                           .hidden = 2,
                           .projection = 1,
                           .layers = WEIR_MAX_LAYERS,
                           .direction = WEIR_BOTH,
                           .gate = {.id = WEIR_PRELU},
                           .outputs = 1,
                           .dense_layers = WEIR_MAX_DENSE};
    for (size_t i = 0; i < WEIR_MAX_DENSE; i++)
        largest.dense[i] = (weir_dense){1, {.id = WEIR_PRELU}};
    f = saved(&largest);
    assert_bounded(&f, WEIR_OK, 0);
    free(f.bytes);

    static const size_t lengths[] = {250 << 10, 1 << 20};
    for (size_t i = 0; i < 2; i++) {
        weir_config talkative = small;
        char *notes = calloc(lengths[i] + 1, 1);
        memset(notes, '"', lengths[i]); /* two bytes each in the file */
        talkative.notes = notes;
        f = saved(&talkative);
        assert_bounded(&f, WEIR_OK, lengths[i]);
        free(f.bytes);
        free(notes);
    }

    static const size_t counts[] = {1, 100, 900, 1000, 2000, 3800, 5000, 13000, 100000, 1000000};
    static const struct {
        const char *head, *each, *tail;
    } shapes[] = {
        {"{\"a\":[", "0,", "0]}"},
        {"{\"a\":[", "\"\",", "0]}"},
        {"{\"a\":[", "[],", "0]}"},
        {"{\"a\":[", "{},", "0]}"},
        {"{", "\"#\":{},", "\"x\":0}"},
        {"{", "\"#\":[],", "\"x\":0}"},
        {"{", "\"#\":1,", "\"x\":0}"},
        {"{\"a\":{", "\"#\":\"\",", "\"x\":0}}"},
        {"{", "\"#\":{\"\":[0],\"a\":{}},", "\"x\":0}"},
        {"", "[", ""},
        {"{\"a\":", "[", "]}"},
        {"{", "\"#\":{\"\":{},\"a\":{}},", "\"x\":0}"},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            f = repeat(shapes[s].head, shapes[s].each, counts[i], shapes[s].tail);
            assert_bounded(&f, WEIR_E_FORMAT, 0);
            free(f.bytes);
        }
}

/* Allocations still granted before one fails. */
static size_t granted;

static void *scarce_alloc(size_t size)
{
    return granted && granted-- ? malloc(size) : NULL;
}

static void *scarce_hook(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return granted && granted-- ? aligned_alloc(align, weir__round_up(size, align)) : NULL;
}

static void plain_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)size;
    free(ptr);
}

/* A sanitizer sees what leaks. */
static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    const weir_allocator scarce = {scarce_hook, plain_free, NULL};
    weir_config config = small;
    config.allocator = &scarce;
    granted = SIZE_MAX;
    weir_model *model = make(&config), *loaded;
    assert_int_equal(weir_model_save(model, "model.weir", NULL), WEIR_OK);
    file old = read_file("model.weir");

    json_set_alloc_funcs(scarce_alloc, free);
    size_t failures = 0;
    weir_error err;
    for (weir_status status = WEIR_E_NOMEM; status != WEIR_OK; failures++) {
        granted = failures;
        status = weir_model_load(&loaded, "model.weir", WEIR_ISA_BEST, &scarce, &err);
        /* jansson without memory may say that the text is wrong */
        assert_true(status == WEIR_OK || status == WEIR_E_NOMEM || status == WEIR_E_FORMAT);
        assert_true((status == WEIR_OK) == (loaded != NULL));
    }
    weir_model_free(loaded);
    assert_true(failures > 100);

    failures = 0;
    for (weir_status status = WEIR_E_NOMEM; status != WEIR_OK; failures++) {
        granted = failures;
        status = weir_model_save(model, "model.weir", &err);
        file now = read_file("model.weir");
        assert_int_equal(now.size, old.size);
        assert_memory_equal(now.bytes, old.bytes, old.size);
        free(now.bytes);
    }
    assert_true(failures > 100);
    json_set_alloc_funcs(malloc, free);
    granted = SIZE_MAX;
    weir_model_free(model);
    free(old.bytes);
}

/* ---- Saving ---- */

static void notes_must_be_utf_8(void **state)
{
    (void)state;
    weir_config config = small;
    config.notes = "caf\xe9";
    weir_model *model = make(&config);
    weir_error err;
    assert_int_equal(weir_model_save(model, "latin1.weir", &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "UTF-8"));
    assert_int_not_equal(access("latin1.weir", F_OK), 0);
    weir_model_free(model);
}

static void a_failed_save_leaves_the_old_file(void **state)
{
    (void)state;
    file before = saved(&small);
    weir_config larger = small;
    larger.hidden = 100;
    weir_model *model = make(&larger);
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){before.size, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    weir_error err;
    weir_status status = weir_model_save(model, "model.weir", &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, WEIR_E_IO);
    assert_non_null(strstr(err.text, "model.weir"));
    assert_int_equal(weir_model_save(model, "no/such/folder/model.weir", &err), WEIR_E_IO);
    assert_int_equal(weir_model_save(model, "model.weir/below", &err), WEIR_E_IO);
    weir_model_free(model);
    file after = read_file("model.weir");
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.bytes, after.bytes, after.size);
    free(before.bytes);
    free(after.bytes);
}

static void loading_names_the_file(void **state)
{
    (void)state;
    weir_model *model;
    weir_error err;
    assert_int_equal(weir_model_load(&model, "missing.weir", WEIR_ISA_BEST, NULL, &err), WEIR_E_IO);
    assert_non_null(strstr(err.text, "missing.weir"));
    assert_int_equal(weir__file_write("text.weir", "just some text", 14, NULL), WEIR_OK);
    assert_int_equal(weir_model_load(&model, "text.weir", WEIR_ISA_BEST, NULL, &err), WEIR_E_FORMAT);
    assert_non_null(strstr(err.text, "text.weir"));
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_model_loads_with_every_bit),
        cmocka_unit_test(odd_numbers_keep_their_bits),
        cmocka_unit_test(the_file_has_pytorch_s_names_and_shapes),
        cmocka_unit_test(two_biases_are_added),
        cmocka_unit_test(any_alignment_is_read),
        cmocka_unit_test(absent_fields_are_defaults),
        cmocka_unit_test(strange_rows_of_8_bits_are_refused),
        cmocka_unit_test(a_narrow_file_is_smaller),
        cmocka_unit_test(every_rule_of_the_header_is_kept),
        cmocka_unit_test(the_offset_shows_the_place),
        cmocka_unit_test(headers_that_are_no_header),
        cmocka_unit_test(metadata_has_largest_sizes),
        cmocka_unit_test(a_header_has_a_largest_size),
        cmocka_unit_test(every_number_must_be_finite),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_of_the_header_is_safe),
        cmocka_unit_test(memory_is_bounded_by_the_file),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(notes_must_be_utf_8),
        cmocka_unit_test(a_failed_save_leaves_the_old_file),
        cmocka_unit_test(loading_names_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
