/* Weights of other frameworks: every layout there and back, and files that are broken. tests/oracle/test_layouts.py has the numbers.
 * SPDX-License-Identifier: MIT */
#include "format/layout.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tensors.h"

/* ---- Memory: what is held beside the model ---- */

static size_t held, peak;

static void count(size_t size)
{
    held += size;
    peak = held > peak ? held : peak;
}

static void *counting_malloc(size_t size)
{
    size_t *p = malloc(size + 64);
    if (!p)
        return NULL;
    *p = size;
    count(size);
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
    count(p ? size : 0);
    return p;
}

static void hook_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    held -= size;
    free(ptr);
}

static const weir_allocator counting = {hook_alloc, hook_free, NULL};

/* ---- Files as bytes ---- */

typedef struct file {
    unsigned char *bytes;
    size_t size, header;
} file;

static file compose(const char *header, const void *data, size_t data_size)
{
    size_t length = strlen(header);
    file f = {malloc(8 + length + data_size), 8 + length + data_size, length};
    uint64_t little = length;
    memcpy(f.bytes, &little, sizeof little);
    memcpy(f.bytes + 8, header, length);
    if (data_size)
        memcpy(f.bytes + 8 + length, data, data_size);
    return f;
}

static file read_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    file f = {malloc(8 << 20), 0, 0};
    f.size = fread(f.bytes, 1, 8 << 20, in);
    fclose(in);
    uint64_t header;
    memcpy(&header, f.bytes, sizeof header);
    f.header = (size_t)header;
    return f;
}

/* The same data behind the header in which the first `from` is replaced by `to`. */
static file edit(const file *f, const char *from, const char *to)
{
    char *old = strndup((const char *)f->bytes + 8, f->header), *new = malloc(f->header + strlen(to) + 1), *at = strstr(old, from);
    if (!at)
        fail_msg("the header has no %s", from);
    sprintf(new, "%.*s%s%s", (int)(at - old), old, to, at + strlen(from));
    file edited = compose(new, f->bytes + 8 + f->header, f->size - 8 - f->header);
    free(old);
    free(new);
    return edited;
}

static int in_memory;

/* in.safetensors is a file in memory: some tests write it ten thousand times. */
static int place_file(void **state)
{
    (void)state;
    char path[32];
    in_memory = memfd_create("in.safetensors", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", in_memory);
    unlink("in.safetensors");
    return in_memory < 0 || symlink(path, "in.safetensors");
}

static void write_file(const file *f)
{
    assert_int_equal(ftruncate(in_memory, 0), 0);
    assert_int_equal(pwrite(in_memory, f->bytes, f->size, 0), f->size);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SLOWER = 10 };
#else
enum { SLOWER = 1 };
#endif

/* Imports, and holds time and memory to their limits. *model may be NULL: it is freed. */
static weir_status import(const file *f, const weir_layout *layout, const weir_config *config, weir_model **model, weir_error *err)
{
    weir_config c = config ? *config : (weir_config){0};
    c.allocator = &counting;
    c.isa = WEIR_ISA_SCALAR;
    write_file(f);
    json_set_alloc_funcs(counting_malloc, counting_free);
    held = peak = 0;
    weir_model *made = (weir_model *)f->bytes;
    double start = seconds();
    weir_status status = weir_model_import(&made, "in.safetensors", layout, &c, err);
    double took = seconds() - start;
    json_set_alloc_funcs(malloc, free);
    size_t beyond = peak - held;
    assert_true((status == WEIR_OK) == (made != NULL));
    if (beyond > 2 * f->size + (1 << 20))
        fail_msg("a file of %zu bytes took %zu bytes", f->size, beyond);
    if (took > 0.1 * SLOWER)
        fail_msg("a file of %zu bytes took %g s", f->size, took);
    if (model)
        *model = made;
    else
        weir_model_free(made);
    assert_true(model || !held);
    return status;
}

static void assert_refused(const file *f, const weir_layout *layout, weir_status status, const char *says)
{
    weir_error err;
    weir_status got = import(f, layout, NULL, NULL, &err);
    if (got != status)
        fail_msg("%s: status %d instead of %d, where '%s' is wrong: %s", layout->name, got, status, says, got ? err.text : "");
    assert_int_equal(err.status, status);
    assert_true(err.offset <= f->size);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    if (!strstr(err.text, "in.safetensors: "))
        fail_msg("'%s' does not name the file", err.text);
    for (const char *p = err.text; *p; p++)
        assert_true(*p >= ' ' && *p <= '~');
}

/* ---- Models ---- */

static weir_model *make(const weir_config *config)
{
    weir_model *model;
    weir_error err;
    weir_config c = *config;
    c.init = WEIR_INIT_PYTORCH; /* biases and peepholes are not 0 either */
    c.isa = WEIR_ISA_SCALAR;
    if (weir_model_new(&model, &c, NULL, 0, &err))
        fail_msg("%s", err.text);
    return model;
}

static file exported(const weir_config *config, const char *layout)
{
    weir_model *model = make(config);
    weir_error err;
    if (weir_model_export(model, "out.safetensors", &(weir_layout){.name = layout}, &err))
        fail_msg("%s", err.text);
    weir_model_free(model);
    return read_file("out.safetensors");
}

/* Without the metadata that the export wrote: the weights alone. */
static file without_metadata(const file *f)
{
    char *header = strndup((const char *)f->bytes + 8, f->header);
    json_t *json = json_loads(header, 0, NULL);
    json_object_del(json, "__metadata__");
    char *text = json_dumps(json, JSON_COMPACT);
    file plain = compose(text, f->bytes + 8 + f->header, f->size - 8 - f->header);
    free(text);
    json_decref(json);
    free(header);
    return plain;
}

/* `ulps`: how far forget gates' biases may be, in units of 2^-23. */
static void assert_same_weights(const weir_model *a, const weir_model *b, double ulps)
{
    assert_int_equal(weir_model_tensor_count(a), weir_model_tensor_count(b));
    size_t hidden = weir_model_config(a)->hidden;
    for (size_t i = 0; i < weir_model_tensor_count(a); i++) {
        weir_tensor s = whole_tensor(a, i), t = whole_tensor(b, i);
        assert_string_equal(s.name, t.name);
        assert_int_equal(s.rows, t.rows);
        assert_int_equal(s.cols, t.cols);
        for (size_t k = 0; k < numbers(&s); k++) {
            bool forgets = strstr(s.name, "bias_ih") && k / hidden == 1;
            if (forgets ? fabs((double)s.data[k] - (double)t.data[k]) > ulps * 0x1p-23 : memcmp(s.data + k, t.data + k, sizeof(float)) != 0)
                fail_msg("%s differs at place %zu: %g, %g", s.name, k, (double)s.data[k], (double)t.data[k]);
        }
        free_tensor(s);
        free_tensor(t);
    }
}

static const weir_config shapes[] = {
    {.inputs = 1, .hidden = 1},
    {.inputs = 3, .hidden = 5, .layers = 3},
    {.inputs = 3, .hidden = 5, .layers = 2, .direction = WEIR_BOTH},
    {.inputs = 4, .hidden = 6, .layers = 2, .projection = 4},
    {.inputs = 7, .hidden = 6, .layers = 3, .projection = 2, .direction = WEIR_BOTH, .outputs = 3},
    {.inputs = 10, .hidden = 5, .layers = 12, .outputs = 2, .dense_layers = 1, .dense = {{4, {.id = WEIR_SELU}}}, .output = WEIR_GAUSSIAN},
    {.tokens = 9, .hidden = 5, .outputs = 9, .output = WEIR_SOFTMAX, .readout = WEIR_FINAL_STATE, .notes = "{\"a\": 1.5}"},
    {.inputs = 2, .hidden = 5, .direction = WEIR_REVERSE},
    {.inputs = 2, .hidden = 5, .cell_clip = 1.5f},
    {.inputs = 2, .hidden = 17, .layers = 2, .outputs = 3, .weights = WEIR_WEIGHTS_INT8},
};

/* Exports every model to every layout that has a place for it, and reads it again: with the metadata the same file of Weir. */
static void every_layout_goes_there_and_back(void **state)
{
    (void)state;
    size_t there = 0, refused = 0;
    const char *name;
    for (size_t l = 0; (name = weir_layout_name(l)); l++)
        for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
            weir_config config = shapes[i / 2];
            config.no_peepholes = i % 2;
            weir_model *model = make(&config), *again;
            weir_error err;
            weir_layout layout = {.name = name};
            weir_status status = weir_model_export(model, "out.safetensors", &layout, &err);
            if (status == WEIR_E_UNSUPPORTED) {
                assert_non_null(strstr(err.text, name));
                refused++;
            } else {
                assert_int_equal(status, WEIR_OK);
                there++;
                file f = read_file("out.safetensors");
                if (import(&f, &layout, NULL, &again, &err))
                    fail_msg("%s", err.text);
                bool adds = weir__layout_find(name, NULL)->forget_bias != 0;
                assert_same_weights(model, again, adds ? 1 : 0);
                if (!adds) {
                    assert_int_equal(weir_model_save(model, "one.weir", NULL), WEIR_OK);
                    assert_int_equal(weir_model_save(again, "two.weir", NULL), WEIR_OK);
                    file one = read_file("one.weir"), two = read_file("two.weir");
                    assert_int_equal(one.size, two.size);
                    assert_memory_equal(one.bytes, two.bytes, one.size);
                    free(one.bytes);
                    free(two.bytes);
                }
                weir_model_free(again);
                free(f.bytes);
            }
            weir_model_free(model);
        }
    assert_true(there > 60 && refused > 20);
}

/* Names and shapes alone tell the network. */
static void sizes_come_from_the_weights(void **state)
{
    (void)state;
    const char *name;
    for (size_t l = 0; (name = weir_layout_name(l)); l++)
        for (int both = 0; both < 2; both++) {
            weir_config config = {.inputs = 3, .hidden = 5, .layers = 2, .outputs = 2, .direction = both ? WEIR_BOTH : WEIR_FORWARD};
            config.no_peepholes = !strcmp(name, "keras");
            config.projection = config.no_peepholes || !strncmp(name, "tf-", 3) ? 0 : 2;
            file f = exported(&config, name), plain = without_metadata(&f);
            weir_model *model;
            weir_error err;
            if (import(&plain, &(weir_layout){.name = name}, NULL, &model, &err))
                fail_msg("%s", err.text);
            const weir_config *c = weir_model_config(model);
            assert_int_equal(c->inputs, 3);
            assert_int_equal(c->hidden, 5);
            assert_int_equal(c->layers, 2);
            assert_int_equal(c->outputs, 2);
            assert_int_equal(c->projection, config.projection);
            assert_int_equal(c->direction, config.direction);
            assert_int_equal(c->no_peepholes, config.no_peepholes);
            weir_model_free(model);
            free(f.bytes);
            free(plain.bytes);
        }
}

static void names_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *layout, *name, *array, *key;
        bool backward, marked;
    } cases[] = {
        {"pytorch", "weight_ih_l0", "weight_ih", "_l0", false, false},
        {"pytorch", "a.b.bias_hh_l12_reverse", "bias_hh", "a.b._l12", true, true},
        {"pytorch", "a.xweight_ih_l0", NULL, NULL, false, false},
        {"pytorch", "a.weight_ih_l", NULL, NULL, false, false},
        {"pytorch", "a.weight_ih_l0_revers", NULL, NULL, false, false},
        {"pytorch", "a.weight_ih_l0.x", NULL, NULL, false, false},
        {"keras", "lstm_1/lstm_cell/recurrent_kernel", "recurrent_kernel", "lstm_1/lstm_cell/", false, false},
        {"keras", "m/bidirectional/backward_lstm/lstm_cell/kernel", "kernel", "m/bidirectional/lstm/lstm_cell/", true, true},
        {"keras", "dense/kernel", NULL, NULL, false, false},
        {"tf1", "rnn/basic_lstm_cell/kernel", "kernel", "rnn/basic_lstm_cell/", false, false},
        {"tf1", "bidirectional_rnn/bw/lstm_cell/projection/kernel", "projection/kernel", "bidirectional_rnn/lstm_cell/", true, true},
        {"tflite", "bw_cell_bias", "cell_gate_bias|cell_bias", "", true, true},
        {"tflite", "lstm/fw_input_to_input_weights", "input_to_input_weights", "lstm/", false, true},
        {"kaldi-nnet1", "lstm/backward/w_r_m_", "w_r_m_", "lstm/", true, true},
        {"onednn", "weights_iter", "weights_iter", "", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const weir__layout *layout = weir__layout_find(cases[i].layout, NULL);
        weir__name parts;
        bool found = weir__layout_read_name(layout, layout->arrays, cases[i].name, &parts);
        assert_int_equal(found, cases[i].array != NULL);
        if (!found)
            continue;
        assert_string_equal(parts.array->names, cases[i].array);
        assert_string_equal(parts.key, cases[i].key);
        assert_int_equal(parts.backward, cases[i].backward);
        assert_int_equal(parts.marked, cases[i].marked);
    }
}

/* ---- Broken files ---- */

/* Two layers of both directions with a head, in PyTorch's layout, without metadata. */
static file small_file(void)
{
    weir_config config = {.inputs = 2, .hidden = 3, .projection = 2, .outputs = 1, .layers = 2, .direction = WEIR_BOTH, .no_peepholes = true};
    file whole = exported(&config, "pytorch"), plain = without_metadata(&whole);
    free(whole.bytes);
    return plain;
}

static const weir_layout pytorch = {.name = "pytorch"};

static void every_rule_of_the_container_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
        weir_status status;
    } cases[] = {
        {"\"F32\"", "\"I32\"", "lstm.weight_ih_l0 must have the dtype F64, F32, F16 or BF16", WEIR_E_FORMAT},
        {"\"F32\"", "\"\"", "lstm.weight_ih_l0 must have the dtype", WEIR_E_FORMAT},
        {"\"F32\"", "32", "lstm.weight_ih_l0 must have the dtype", WEIR_E_FORMAT},
        {"\"F32\"", "\"I8\"", "lstm.weight_ih_l0 has a shape of 24 bytes", WEIR_E_FORMAT},
        {"\"F32\"", "\"F16\"", "lstm.weight_ih_l0 has a shape of 48 bytes", WEIR_E_FORMAT},
        {"\"F32\"", "\"BF16\"", "lstm.weight_ih_l0 has a shape of 48 bytes", WEIR_E_FORMAT},
        {"\"F32\"", "\"F64\"", "lstm.weight_ih_l0 has a shape of 192 bytes", WEIR_E_FORMAT},
        {"\"F32\"", "\"f32\"", "lstm.weight_ih_l0 must have the dtype", WEIR_E_FORMAT},
        {"\"F32\"", "null", "lstm.weight_ih_l0 must have the dtype", WEIR_E_FORMAT},
        {"\"dtype\":\"F32\",", "", "lstm.weight_ih_l0 must have just dtype", WEIR_E_FORMAT},
        {"\"dtype\":\"F32\",", "\"dtype\":\"F32\",\"dtype\":\"F32\",", "duplicate object key", WEIR_E_FORMAT},
        {"\"dtype\":\"F32\",", "\"dtype\":\"F32\",\"strides\":[1],", "lstm.weight_ih_l0 must have just dtype", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[2,12]", "lstm.weight_ih_l0 has the shape (2, 12)", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[24]", "lstm.weight_ih_l0 has 1 dimensions, but must have 2", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[12,2,1]", "lstm.weight_ih_l0 has 3 dimensions, but must have 2", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[12,2,1,1,1]", "lstm.weight_ih_l0 has 5 dimensions", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[12,2,1,1,1,1]", "lstm.weight_ih_l0 has 6 dimensions", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[]", "lstm.weight_ih_l0 has a shape of 4 bytes", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":24", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":{}", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[0,2]", "lstm.weight_ih_l0 has a shape of 0 bytes", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[-12,-2]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[12,-2]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[12.0,2]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[\"12\",2]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[12,null]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[4611686018427387904,4]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[4611686018427387910,4]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[4294967296,4294967296]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[4294967296,1073741824]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[9223372036854775807,1]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[9223372036854775808,2]", "no valid JSON", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[1e2,2]", "lstm.weight_ih_l0 must have a shape", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[1000000,1000000]", "lstm.weight_ih_l0 has a shape of 4000000000000 bytes", WEIR_E_FORMAT},
        {"\"shape\":[12,2]", "\"shape\":[[12],2]", "deeper", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[4,100]", "lstm.weight_ih_l0 must begin at byte 0", WEIR_E_FORMAT},
        {"\"data_offsets\":[96,192]", "\"data_offsets\":[0,96]", "lstm.weight_hh_l0 must begin at byte 96", WEIR_E_FORMAT},
        {"\"data_offsets\":[96,192]", "\"data_offsets\":[100,196]", "lstm.weight_hh_l0 must begin at byte 96", WEIR_E_FORMAT},
        {"\"data_offsets\":[96,192]", "\"data_offsets\":[92,188]", "lstm.weight_hh_l0 must begin at byte 96", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0,92]", "lstm.weight_ih_l0 has a shape of 96 bytes", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[96,0]", "lstm.weight_ih_l0 has a shape of 96 bytes", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0,-96]", "lstm.weight_ih_l0 must have two data_offsets", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0,96,96]", "lstm.weight_ih_l0 must have two data_offsets", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0]", "lstm.weight_ih_l0 must have two data_offsets", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":96", "lstm.weight_ih_l0 must have two data_offsets", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0,96.0]", "lstm.weight_ih_l0 must have two data_offsets", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[9223372036854775711,9223372036854775807]", "must begin at byte", WEIR_E_FORMAT},
        {"\"data_offsets\":[0,96]", "\"data_offsets\":[0,9223372036854775807]", "lstm.weight_ih_l0 has a shape of 96 bytes", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_ih_l0", "duplicate object key", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_xx_l0", "lstm.weight_xx_l0 has no place in the layout pytorch", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_hh_l00", "lstm.weight_hh_l00 stands without the weight_ih", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_hh_l2", "lstm.weight_hh_l2 stands without the weight_ih", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_hh_l", "lstm.weight_hh_l has no place", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_hh_l-1", "lstm.weight_hh_l-1 has no place", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_hh_l99999999999999999999", "stands without the weight_ih", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "other.weight_hh_l0", "other.weight_hh_l0 stands without the weight_ih", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "", "tensor  has no place", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "\\u001b[2J", "tensor ?[2J has no place", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_hh_l0\\u0000", "NUL", WEIR_E_FORMAT},
        {"lstm.weight_hh_l0", "lstm.weight_hh_l0\xff", "unable to decode byte 0xff", WEIR_E_FORMAT},
        {"lstm.weight_ih_l0\"", "lstm.weight_ih_l2\"", "lstm.weight_ih_l0_reverse is of one direction alone", WEIR_E_FORMAT},
        {"lstm.weight_ih_l0\"", "lstm.weight_ih_l1\"", "duplicate object key", WEIR_E_FORMAT},
        {"lstm.weight_ih_l0_reverse", "lstm.weight_ih_l0_backward", "lstm.weight_ih_l0_backward has no place", WEIR_E_FORMAT},
        {"lstm.weight_ih_l0_reverse", "gru.weight_ih_l0_reverse",
         "lstm.weight_ih_l0 is not of the layer behind that of gru.weight_ih_l0_reverse", WEIR_E_FORMAT},
        {"lstm.bias_hh_l0\"", "lstm.bias_xx_l0\"", "lstm.bias_xx_l0 has no place", WEIR_E_FORMAT},
        {"lstm.weight_hr_l1\"", "lstm.peephole_l1\"", "lstm.peephole_l0 is missing", WEIR_E_FORMAT},
        {"head.0.bias", "head.1.bias", "head.0.weight has no bias beside it", WEIR_E_FORMAT},
        {"head.0.bias", "head.bias", "head.bias has no place in the layout pytorch: no weight", WEIR_E_FORMAT},
        {"head.0.weight", "head.1.weight", "head.0.bias has no place in the layout pytorch: no weight", WEIR_E_FORMAT},
        {"\"shape\":[1,4]", "\"shape\":[4,1]", "head.0.weight has the shape (4, 1), but must have (1, 4)", WEIR_E_FORMAT},
        {"\"shape\":[1,4]", "\"shape\":[4]", "head.0.weight has the shape (4), but must have (1, 4)", WEIR_E_FORMAT},
        {"{\"lstm", "{\"__metadata__\":1,\"lstm", "__metadata__ is no JSON object", WEIR_E_FORMAT},
        {"{\"lstm", "{\"__metadata__\":{\"a\":1},\"lstm", "strings only", WEIR_E_FORMAT},
        {"{\"lstm", "{\"__metadata__\":{},\"__metadata__\":{},\"lstm", "duplicate object key", WEIR_E_FORMAT},
        {"{\"lstm", "{\"__metadata__\":{\"layout\":\"keras\"},\"lstm", "its layout is keras, not pytorch", WEIR_E_FORMAT},
        {"{\"lstm", "{\"__metadata__\":{\"weir\":\"\"},\"lstm", "configuration is no valid JSON", WEIR_E_FORMAT},
        {"{\"lstm", "{\"__metadata__\":{\"weir\":\"[]\"},\"lstm", "configuration is no JSON object", WEIR_E_FORMAT},
        {"{\"lstm", "{\"__metadata__\":{\"weir\":\"{}\"},\"lstm", "format must be 1", WEIR_E_FORMAT},
#define SETTINGS(text) "{\"__metadata__\":{\"weir\":\"{\\\"format\\\":1," text "}\"},\"lstm"
        {"{\"lstm", SETTINGS("\\\"hiden\\\":3"), "unknown field hiden", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"hidden\\\":4"), "make hidden 3, but the settings say 4", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"inputs\\\":3"), "make inputs 2, but the settings say 3", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"tokens\\\":3"), "make tokens 2, but the settings say 3", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"layers\\\":1"), "make layers 2, but the settings say 1", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"projection\\\":1"), "make projection 2, but the settings say 1", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"outputs\\\":2"), "make outputs 1, but the settings say 2", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"output\\\":\\\"gaussian\\\""), "head.0.bias has a shape that no head", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"output\\\":\\\"softmax\\\""), "a softmax needs at least 2 outputs", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"direction\\\":\\\"reverse\\\""), "both directions, but the settings say reverse", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"cell_clip\\\":-1"), "cell_clip", WEIR_E_FORMAT},
        {"{\"lstm", SETTINGS("\\\"gate\\\":{\\\"name\\\":\\\"exp\\\"}"), "gate", WEIR_E_FORMAT},
        {"head.0.weight", "check.z", "check.z is none of", WEIR_E_FORMAT},
        {"head.0.weight", "check.y", "head.0.bias has no place", WEIR_E_FORMAT},
        {"head.0.weight", "check.x", "head.0.bias has no place", WEIR_E_FORMAT},
        {"\"head.0.bias\"", "\"a.peephole_l0\"", "stands without the weight_ih", WEIR_E_FORMAT},
        {"{", "[", "no valid JSON", WEIR_E_FORMAT},
        {"{", "{{", "deeper", WEIR_E_FORMAT},
        {"{", "", "no valid JSON", WEIR_E_FORMAT},
        {"{", "{} {", "no valid JSON", WEIR_E_FORMAT},
        {"{", "{\"a\":[[[[]]]],", "deeper", WEIR_E_FORMAT},
        {"{", "{\"a\":1,", "tensor a must have just dtype", WEIR_E_FORMAT},
        {"{", "{\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},", "must begin at byte 8", WEIR_E_FORMAT},
        {"{", "{\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,0]},", "tensor a has no place", WEIR_E_FORMAT},
    };
    file f = small_file();
    weir_model *model;
    weir_error err;
    if (import(&f, &pytorch, NULL, &model, &err))
        fail_msg("%s", err.text);
    weir_model_free(model);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file broken = edit(&f, cases[i].from, cases[i].to);
        assert_refused(&broken, &pytorch, cases[i].status, cases[i].says);
        free(broken.bytes);
    }
    free(f.bytes);
}

/* Other layouts: the first `from` of a valid file becomes `to`. */
static void every_layout_has_its_rules(void **state)
{
    (void)state;
    static const struct {
        const char *layout, *from, *to, *says;
    } cases[] = {
        {"keras", "lstm/lstm_cell/kernel", "lstm/cell/kernel", "lstm/cell/kernel has no bias beside it"},
        {"keras", "lstm/lstm_cell/recurrent_kernel", "lstm/gru_cell/recurrent_kernel", "lstm/gru_cell/recurrent_kernel has no place"},
        {"keras", "lstm_1/lstm_cell/recurrent_kernel", "lstm_3/lstm_cell/recurrent_kernel",
         "lstm_3/lstm_cell/recurrent_kernel is not of the layer behind"},
        {"keras", "\"lstm/lstm_cell/bias\"", "\"lstm/lstm_cell/beta\"", "lstm/lstm_cell/beta has no place"},
        {"keras", "\"shape\":[5,20]", "\"shape\":[20,5]", "recurrent_kernel has the shape (20, 5)"},
        {"keras", "\"shape\":[5,20]", "\"shape\":[4,25]", "recurrent_kernel has the shape (4, 25), which no LSTM can have"},
        {"keras", "\"shape\":[5,20]", "\"shape\":[2,50]", "recurrent_kernel"},
        {"keras", "dense/kernel", "dense/weights", "dense/weights has no place in the layout keras"},
        {"tf1", "cell_0/lstm_cell/kernel", "cell_0/gru_cell/kernel", "cell_0/lstm_cell/w_i_diag stands without the kernel"},
        {"tf1", "cell_0/lstm_cell/bias", "cell_0/lstm_cell/offset", "cell_0/lstm_cell/offset has no place"},
        {"tf1", "cell_0/lstm_cell/w_f_diag", "cell_0/lstm_cell/w_g_diag", "cell_0/lstm_cell/w_g_diag has no place"},
        {"tf1", "cell_1/lstm_cell/projection/kernel", "cell_1/lstm_cell/proj", "cell_1/lstm_cell/proj has no place"},
        {"tf1", "\"shape\":[5,20]", "\"shape\":[20,5]", "kernel has the shape (20, 5)"},
        {"tf1", "\"shape\":[5,20]", "\"shape\":[2,50]", "kernel has the shape (2, 50), which no LSTM can have"},
        {"tf1", "\"shape\":[5,20]", "\"shape\":[1,100]", "kernel has the shape (1, 100)"},
        {"tf-block", "\"lstm/w\"", "\"lstm_2/w\"", "lstm/b stands without the w"},
        {"tf-block", "\"lstm/wci\"", "\"lstm/wcx\"", "lstm/wcx has no place"},
        {"tf-block", "\"lstm_1/wco\"", "\"x/kernel\"", "x/kernel has no bias beside it"},
        {"tf-block-v2", "\"lstm/b\"", "\"lstm/d\"", "lstm/d has no place"},
        {"tf-block-v2", "\"shape\":[8,20]", "\"shape\":[10,16]", "lstm/b has the shape (20), but must have (16)"},
        {"tflite", "\"lstm/input_to_input_weights\"", "\"lstm/input_to_inputs\"", "lstm/input_to_inputs has no place"},
        {"tflite", "\"lstm/cell_to_output_weights\"", "\"lstm/projection_bias\"", "lstm/projection_bias cannot be read"},
        {"tflite", "\"lstm/cell_to_output_weights\"", "\"lstm/output_layer_norm_coefficients\"", "no layer normalisation"},
        {"tflite", "\"lstm/cell_to_output_weights\"", "\"lstm/cell_bias\"", "is there a second time"},
        {"tflite", "\"lstm/input_to_forget_weights\"", "\"lstm/fw_input_to_forget_weights\"", "of one direction alone"},
        {"tflite", "\"lstm/input_to_forget_weights\"", "\"lstm/bw_input_to_forget_weights\"", "of one direction alone"},
        {"onednn", "\"shape\":[1,1,3,4,5]", "\"shape\":[1,1,3,5,4]", "weights_layer has the shape (1, 1, 3, 5, 4), but must have (1, 1, 3, 4, 4)"},
        {"onednn", "\"shape\":[1,1,3,4,5]", "\"shape\":[1,3,1,4,5]", "weights_layer has 3 directions"},
        {"onednn", "\"shape\":[1,1,3,4,5]", "\"shape\":[3,1,1,4,5]", "weights_layer"},
        {"onednn", "\"shape\":[1,1,3,4,5]", "\"shape\":[1,3,4,5]", "weights_layer has 4 dimensions, but must have 5"},
        {"onednn", "\"shape\":[1,1,4,5]", "\"shape\":[1,1,5,4]", "bias has the shape (1, 1, 5, 4), but must have (1, 1, 4, 5)"},
        {"onednn", "\"shape\":[1,1,3,5]", "\"shape\":[1,1,5,3]", "weights_peephole has the shape (1, 1, 5, 3)"},
        {"onednn", "\"lstm/bias\"", "\"lstm/biases\"", "lstm/biases has no place"},
        {"onednn", "\"lstm_1/weights_iter\"", "\"lstm_2/weights_iter\"", "lstm_2/weights_iter stands without the weights_layer"},
        {"onednn", "\"lstm/weights_layer\"", "\"a/weights_layer\"", "lstm/weights_iter stands without the weights_layer"},
        {"kaldi-nnet1", "\"lstm/w_gifo_r_\"", "\"lstm/w_gifo_\"", "lstm/w_gifo_ has no place"},
        {"kaldi-nnet1", "\"lstm/peephole_i_c_\"", "\"lstm/peephole_g_c_\"", "lstm/peephole_g_c_ has no place"},
        {"kaldi-nnet1", "\"lstm_1/w_r_m_\"", "\"lstm_2/w_r_m_\"", "lstm_2/w_r_m_ stands without the w_gifo_x_"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_layout layout = {.name = cases[i].layout};
        weir_config config = {.inputs = 3, .hidden = 5, .layers = 2, .outputs = 1};
        config.no_peepholes = !strcmp(layout.name, "keras");
        config.projection = config.no_peepholes || !strncmp(layout.name, "tf-", 3) ? 0 : 2;
        file whole = exported(&config, layout.name), plain = without_metadata(&whole), broken = edit(&plain, cases[i].from, cases[i].to);
        assert_refused(&broken, &layout, WEIR_E_FORMAT, cases[i].says);
        free(broken.bytes);
        free(plain.bytes);
        free(whole.bytes);
    }
}

/* The file without the arrays whose names have `word` in them. */
static file without(const file *f, const char *word)
{
    char *header = strndup((const char *)f->bytes + 8, f->header);
    json_t *json = json_loads(header, 0, NULL), *record;
    const char *name;
    void *next;
    unsigned char *data = malloc(f->size);
    size_t size = 0;
    json_object_foreach_safe(json, next, name, record)
    {
        json_t *offsets = json_object_get(record, "data_offsets");
        if (!offsets)
            continue;
        size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0)), end = (size_t)json_integer_value(json_array_get(offsets, 1));
        if (strstr(name, word)) {
            json_object_del(json, name);
            continue;
        }
        memcpy(data + size, f->bytes + 8 + f->header + begin, end - begin);
        json_array_set_new(offsets, 0, json_integer((json_int_t)size));
        json_array_set_new(offsets, 1, json_integer((json_int_t)(size += end - begin)));
    }
    char *text = json_dumps(json, JSON_COMPACT);
    file less = compose(text, data, size);
    free(text);
    free(data);
    json_decref(json);
    free(header);
    return less;
}

/* What the settings in the metadata have is missed when it is not there, even where it could be absent otherwise. */
static void a_written_file_is_whole(void **state)
{
    (void)state;
    static const struct {
        const char *word, *says;
    } cases[] = {
        {"peephole", "stands without peepholes"}, {"bias_hh", "bias_hh_l0 is missing"}, {"bias", "head.0.weight has no bias"},
        {"lstm.bias", "stands without biases"},   {"weight_hr", "projection"},           {"head.1", "a head of 2 layers, but the file has tensors of 1"},
        {"head.0", "a head of 2 layers"},         {"head", "a head of 2 layers"},        {"_l1", "make layers 1, but the settings say 2"},
        {"_l0", "is not of layer 0"},             {"reverse", "of one direction"},       {"weight_ih", "there is no LSTM"},
    };
    weir_config config = {.inputs = 2, .hidden = 3, .layers = 2, .projection = 2, .direction = WEIR_BOTH, .outputs = 1, .dense_layers = 1,
                          .dense = {{4, {.id = WEIR_RELU}}}};
    file f = exported(&config, "pytorch");
    assert_int_equal(import(&f, &pytorch, NULL, NULL, NULL), WEIR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file less = without(&f, cases[i].word);
        assert_refused(&less, &pytorch, WEIR_E_FORMAT, cases[i].says);
        free(less.bytes);
    }
    free(f.bytes);
}

static char *replace_all(const char *text, const char *from, const char *to)
{
    char *out = malloc(strlen(text) * (strlen(to) + 1) + 1), *at = out;
    for (const char *next; (next = strstr(text, from)); text = next + strlen(from))
        at += sprintf(at, "%.*s%s", (int)(next - text), text, to);
    strcpy(at, text);
    return out;
}

static void more_than_one_lstm_needs_a_choice(void **state)
{
    (void)state;
    weir_config config = {.inputs = 2, .hidden = 3, .no_peepholes = true};
    file whole = exported(&config, "pytorch"), f = without_metadata(&whole);
    size_t data = f.size - 8 - f.header;
    char *header = strndup((const char *)f.bytes + 8, f.header), *second = replace_all(header, "lstm.", "b.");
    /* {"lstm...": ..., "b...": ...}, the second behind the first */
    json_t *one = json_loads(header, 0, NULL), *two = json_loads(second, 0, NULL), *record;
    const char *name;
    json_object_foreach(two, name, record)
    {
        json_t *offsets = json_object_get(record, "data_offsets");
        for (size_t i = 0; i < 2; i++)
            json_array_set_new(offsets, i, json_integer(json_integer_value(json_array_get(offsets, i)) + (json_int_t)data));
    }
    json_object_update(one, two);
    char *text = json_dumps(one, JSON_COMPACT);
    unsigned char *doubled = malloc(2 * data);
    memcpy(doubled, f.bytes + 8 + f.header, data);
    memcpy(doubled + data, f.bytes + 8 + f.header, data);
    file both = compose(text, doubled, 2 * data);
    assert_refused(&both, &pytorch, WEIR_E_FORMAT, "if both are LSTMs, choose one by its prefix");
    assert_int_equal(import(&both, &(weir_layout){.name = "pytorch", .prefix = "b."}, NULL, NULL, NULL), WEIR_OK);
    assert_int_equal(import(&both, &(weir_layout){.name = "pytorch", .prefix = "lstm.w"}, NULL, NULL, NULL), WEIR_OK); /* no biases */
    assert_refused(&both, &(weir_layout){.name = "pytorch", .prefix = "c."}, WEIR_E_FORMAT, "there is no LSTM in the layout pytorch");
    assert_refused(&both, &(weir_layout){.name = "keras"}, WEIR_E_FORMAT, "no tensor has a name such as lstm/lstm_cell/recurrent_kernel");
    free(doubled);
    free(text);
    json_decref(one);
    json_decref(two);
    free(second);
    free(header);
    free(f.bytes);
    free(whole.bytes);
    free(both.bytes);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    file f = small_file();
    weir_error err;
    weir_model *model;
    write_file(&f);
    assert_int_equal(weir_model_import(&model, "in.safetensors", &(weir_layout){.name = "theano"}, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "there is no layout theano; choose one of pytorch, keras"));
    weir_layout bad = {.name = "pytorch", .set_forget_bias = true, .forget_bias = INFINITY};
    assert_int_equal(weir_model_import(&model, "in.safetensors", &bad, NULL, &err), WEIR_E_ARGUMENT);
    assert_int_equal(weir_model_import(&model, "missing.safetensors", &pytorch, NULL, &err), WEIR_E_IO);
    assert_non_null(strstr(err.text, "missing.safetensors"));
    assert_int_equal(weir_model_import(&model, "in.safetensors", &pytorch, &(weir_config){.cell_clip = -1}, &err), WEIR_E_ARGUMENT);
    assert_int_equal(weir_model_import(&model, "in.safetensors", &pytorch, &(weir_config){.hidden = 7}, &err), WEIR_E_FORMAT);
    assert_null(model);
    assert_int_equal(weir_model_import(&model, "in.safetensors", &pytorch, &(weir_config){.tokens = 2, .output = WEIR_LOGISTIC}, NULL), WEIR_OK);
    assert_int_equal(weir_model_config(model)->tokens, 2);
    assert_int_equal(weir_model_export(model, "no/such/place.safetensors", &pytorch, &err), WEIR_E_IO);
    assert_int_equal(weir_model_export(model, "x.safetensors", &bad, &err), WEIR_E_ARGUMENT);
    assert_int_equal(weir_model_export(model, "x.safetensors", &(weir_layout){.name = "x"}, &err), WEIR_E_ARGUMENT);
    assert_int_not_equal(access("x.safetensors", F_OK), 0);
    weir_model_free(model);
    free(f.bytes);
}

static void what_a_framework_lacks_is_refused(void **state)
{
    (void)state;
    static const struct {
        weir_config config;
        const char *layout, *says;
    } cases[] = {
        {{.inputs = 1, .hidden = 2}, "keras", "peepholes"},
        {{.inputs = 1, .hidden = 2, .projection = 1, .no_peepholes = true}, "keras", "a projection"},
        {{.inputs = 1, .hidden = 2, .projection = 1}, "tf-block", "a projection"},
        {{.inputs = 1, .hidden = 2, .coupled = true}, "pytorch", "coupled gates"},
        {{.inputs = 1, .hidden = 2, .no_forget_gate = true}, "tf1", "a cell without forget gate"},
        {{.inputs = 1, .hidden = 2, .activation_clip = 1}, "tflite", "a clip of the activations' arguments"},
        {{.inputs = 1, .hidden = 2, .cell_clip = 1}, "onednn", "a clip of the cell"},
        {{.inputs = 1, .hidden = 2, .gate = {.id = WEIR_HARD_SIGMOID}}, "pytorch", "activations other than"},
        {{.inputs = 1, .hidden = 2, .candidate = {.id = WEIR_RELU}}, "kaldi-nnet1", "activations other than"},
        {{.inputs = 1, .hidden = 2, .candidate = {.id = WEIR_PRELU}}, "tf1", "learned slopes"},
        {{.inputs = 1, .hidden = 2, .outputs = 1, .dense_layers = 1, .dense = {{2, {.id = WEIR_PRELU}}}}, "pytorch", "learned slopes"},
        {{.inputs = 1, .hidden = 2, .direction = WEIR_REVERSE}, "pytorch", "the reverse direction alone"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_model *model = make(&cases[i].config);
        weir_error err;
        assert_int_equal(weir_model_export(model, "lacks.safetensors", &(weir_layout){.name = cases[i].layout}, &err), WEIR_E_UNSUPPORTED);
        if (!strstr(err.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
        assert_int_not_equal(access("lacks.safetensors", F_OK), 0);
        weir_model_free(model);
    }
}

/* ---- Numbers ---- */

static void half_precision_is_read_exactly(void **state)
{
    (void)state;
    static const struct {
        weir__dtype dtype;
        uint16_t bits;
        double value;
    } cases[] = {
        {WEIR__F16, 0x3c00, 1},          {WEIR__F16, 0xc000, -2},          {WEIR__F16, 0x7bff, 65504},   {WEIR__F16, 0x0001, 0x1p-24},
        {WEIR__F16, 0x83ff, -0x3ffp-24}, {WEIR__F16, 0x0400, 0x1p-14},     {WEIR__F16, 0x3555, 0x555p-12}, {WEIR__BF16, 0x3f80, 1},
        {WEIR__BF16, 0xc0a0, -5},        {WEIR__BF16, 0x0001, 0x1p-133},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got;
        weir__to_doubles(cases[i].dtype, (const unsigned char *)&cases[i].bits, 1, &got);
        assert_true(got == cases[i].value);
    }
    double zero, infinity, nan;
    weir__to_doubles(WEIR__F16, (const unsigned char *)&(uint16_t){0x8000}, 1, &zero);
    weir__to_doubles(WEIR__F16, (const unsigned char *)&(uint16_t){0xfc00}, 1, &infinity);
    weir__to_doubles(WEIR__F16, (const unsigned char *)&(uint16_t){0x7c01}, 1, &nan);
    assert_true(zero == 0 && signbit(zero) && infinity == -(double)INFINITY && isnan(nan));
}

/* One layer of one unit in F64 whose first bias is `first` and second `second`. */
static weir_status import_biases(double first, double second, float *bias, weir_error *err)
{
    double data[4 + 4 + 4 + 4] = {0.5, 0.25, -0.5, 1, 1, 2, 3, 4, first, first, first, first, second, second, second, second};
    file f = compose("{\"a.weight_ih_l0\":{\"dtype\":\"F64\",\"shape\":[4,1],\"data_offsets\":[0,32]},"
                     "\"a.weight_hh_l0\":{\"dtype\":\"F64\",\"shape\":[4,1],\"data_offsets\":[32,64]},"
                     "\"a.bias_ih_l0\":{\"dtype\":\"F64\",\"shape\":[4],\"data_offsets\":[64,96]},"
                     "\"a.bias_hh_l0\":{\"dtype\":\"F64\",\"shape\":[4],\"data_offsets\":[96,128]}}",
                     data, sizeof data);
    weir_model *model;
    weir_status status = import(&f, &pytorch, NULL, &model, err);
    for (size_t i = 0; !status && i < weir_model_tensor_count(model); i++) {
        weir_tensor t = whole_tensor(model, i);
        if (!strcmp(t.name, "lstm.bias_ih_l0"))
            *bias = t.data[0];
        free_tensor(t);
    }
    weir_model_free(model);
    free(f.bytes);
    return status;
}

static void biases_are_added_and_stay_finite(void **state)
{
    (void)state;
    float bias;
    weir_error err;
    assert_int_equal(import_biases(0.1, 0.2, &bias, NULL), WEIR_OK);
    assert_true(bias == (float)((double)0.1f + 0.2));
    assert_int_equal(import_biases(-0.0, 0, &bias, NULL), WEIR_OK);
    assert_true(bias == 0 && signbit(bias));
    assert_int_equal(import_biases(1e-300, 0, &bias, NULL), WEIR_OK);
    assert_true(bias == 0);
    assert_int_equal(import_biases(3e38, 3e38, &bias, &err), WEIR_E_NONFINITE);
    assert_non_null(strstr(err.text, "tensor a.bias_hh_l0 and what is added to it"));
    assert_int_equal(import_biases(1e39, 0, &bias, &err), WEIR_E_NONFINITE);
    assert_non_null(strstr(err.text, "tensor a.bias_ih_l0 holds 1e+39 at place 0"));
    assert_int_equal(import_biases(0, (double)NAN, &bias, &err), WEIR_E_NONFINITE);
    assert_non_null(strstr(err.text, "tensor a.bias_hh_l0"));
    assert_int_equal(import_biases((double)INFINITY, 0, &bias, &err), WEIR_E_NONFINITE);
}

static void every_number_must_be_finite(void **state)
{
    (void)state;
    file f = small_file();
    for (size_t at = 8 + f.header; at < f.size; at += sizeof(float)) {
        unsigned char before[sizeof(float)];
        memcpy(before, f.bytes + at, sizeof before);
        memcpy(f.bytes + at, at % 8 ? &(float){NAN} : &(float){-INFINITY}, sizeof(float));
        weir_error err;
        assert_int_equal(import(&f, &pytorch, NULL, NULL, &err), WEIR_E_NONFINITE);
        assert_int_equal(err.offset, at);
        assert_non_null(strstr(err.text, "tensor "));
        memcpy(f.bytes + at, before, sizeof before);
    }
    free(f.bytes);
}

/* ---- Damage ---- */

static void every_truncation_is_refused(void **state)
{
    (void)state;
    const char *name;
    for (size_t l = 0; (name = weir_layout_name(l)); l++) {
        weir_config config = {.inputs = 1, .hidden = 2, .no_peepholes = !strcmp(name, "keras")};
        file f = exported(&config, name);
        weir_layout layout = {.name = name};
        for (size_t size = 0, whole = f.size; size < whole; size++) {
            f.size = size;
            weir_error err;
            assert_int_equal(import(&f, &layout, NULL, NULL, &err), WEIR_E_FORMAT);
            assert_true(err.offset <= size);
        }
        free(f.bytes);
    }
}

/* A flipped bit is refused in a sentence or gives another file that is as good, such as one with another prefix. */
static void every_flipped_bit_of_the_header_is_safe(void **state)
{
    (void)state;
    file f = small_file();
    size_t accepted = 0, bits = 8 * (8 + f.header);
    for (size_t bit = 0; bit < bits; bit++) {
        f.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        weir_error err;
        weir_status status = import(&f, &pytorch, NULL, NULL, &err);
        if (status != WEIR_OK && (status != WEIR_E_FORMAT || !strstr(err.text, "in.safetensors: ")))
            fail_msg("status %d after flipping bit %zu of byte %zu: %s", status, bit % 8, bit / 8, err.text);
        accepted += status == WEIR_OK;
        f.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(accepted < bits / 50);
    free(f.bytes);
}

static char *repeat(const char *head, const char *each, size_t times, const char *tail)
{
    char *text = malloc(strlen(head) + times * (strlen(each) + 20) + strlen(tail) + 1), *at = stpcpy(text, head);
    for (size_t i = 0; i < times; i++) {
        const char *hole = strchr(each, '#');
        at += sprintf(at, "%.*s%zx%s", (int)(hole - each), each, i, hole + 1);
    }
    stpcpy(at, tail);
    return text;
}

static void huge_counts_are_refused(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 100, 900, 1000, 1179, 2000, 5000, 13000, 100000};
    static const char *const each[] = {
        "\"#\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},",
        "\"weight_ih_l#\":{\"dtype\":\"F32\",\"shape\":[0,0],\"data_offsets\":[0,0]},",
        "\"#.weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},", "\"weight_ih_l#\":[],", "\"#\":{\"a\":[],\"b\":{}},",
    };
    for (size_t s = 0; s < sizeof each / sizeof *each; s++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            char *text = repeat("{", each[s], counts[i], "\"__metadata__\":{}}");
            file f = compose(text, NULL, 0);
            assert_refused(&f, &pytorch, WEIR_E_FORMAT, "in.safetensors");
            free(text);
            free(f.bytes);
        }
    file f = compose("{}", "data", 4);
    assert_refused(&f, &pytorch, WEIR_E_FORMAT, "the tensors need 0 bytes");
    for (int byte = 0; byte < 8; byte++) {
        f.bytes[byte] = 0xff;
        assert_refused(&f, &pytorch, WEIR_E_FORMAT, "cut off");
    }
    free(f.bytes);
    f = compose("{}", NULL, 0);
    assert_refused(&f, &pytorch, WEIR_E_FORMAT, "there is no LSTM");
    free(f.bytes);
}

/* The largest files that are read: many arrays, and weights of half the size of those in memory. */
static void memory_is_bounded_by_the_file(void **state)
{
    (void)state;
    weir_config deep = {.inputs = 1, .hidden = 2, .projection = 1, .layers = WEIR_MAX_LAYERS, .direction = WEIR_BOTH, .outputs = 1};
    file f = exported(&deep, "pytorch");
    weir_error err;
    if (import(&f, &pytorch, NULL, NULL, &err))
        fail_msg("%s", err.text);
    free(f.bytes);

    enum { HIDDEN = 512 };
    size_t numbers = 4 * HIDDEN * (HIDDEN + 1);
    char header[256];
    snprintf(header, sizeof header,
             "{\"weight_ih_l0\":{\"dtype\":\"F16\",\"shape\":[%d,1],\"data_offsets\":[0,%d]},"
             "\"weight_hh_l0\":{\"dtype\":\"F16\",\"shape\":[%d,%d],\"data_offsets\":[%d,%zu]}}",
             4 * HIDDEN, 8 * HIDDEN, 4 * HIDDEN, HIDDEN, 8 * HIDDEN, 2 * numbers);
    void *zeros = calloc(numbers, 2);
    f = compose(header, zeros, 2 * numbers);
    if (import(&f, &pytorch, NULL, NULL, &err))
        fail_msg("%s", err.text);
    free(zeros);
    free(f.bytes);
}

/* Data may stand in another order than the header. */
static void any_order_is_read(void **state)
{
    (void)state;
    file f = small_file();
    char *header = strndup((const char *)f.bytes + 8, f.header);
    json_t *json = json_loads(header, 0, NULL), *turned = json_object();
    const char *names[64];
    size_t n = 0;
    for (void *i = json_object_iter(json); i; i = json_object_iter_next(json, i))
        names[n++] = json_object_iter_key(i);
    while (n-- > 0)
        json_object_set(turned, names[n], json_object_get(json, names[n]));
    char *text = json_dumps(turned, JSON_COMPACT);
    file other = compose(text, f.bytes + 8 + f.header, f.size - 8 - f.header);
    weir_model *a, *b;
    assert_int_equal(import(&f, &pytorch, NULL, &a, NULL), WEIR_OK);
    assert_int_equal(import(&other, &pytorch, NULL, &b, NULL), WEIR_OK);
    assert_same_weights(a, b, 0);
    weir_model_free(a);
    weir_model_free(b);
    free(text);
    json_decref(json);
    json_decref(turned);
    free(header);
    free(other.bytes);
    free(f.bytes);
}

/* ---- Checks ---- */

/* One layer of one unit with a check of the given shape and numbers; `notes` (may be NULL) is JSON text, escaped. */
static file file_with_check(const char *check, const char *notes)
{
    char header[1024];
    snprintf(header, sizeof header,
             "{%s%s%s\"weight_ih_l0\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[0,16]},"
             "\"weight_hh_l0\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[16,32]},%s}",
             notes ? "\"__metadata__\":{\"notes\":\"" : "", notes ? notes : "", notes ? "\"}," : "", check);
    const float data[8 + 2 + 2] = {1, 2, 3, 4, 5, 6, 7, 8, 0.1f, -2, 0.5f, 3};
    return compose(header, data, sizeof data);
}

#define X "\"check.x\":{\"dtype\":\"F32\",\"shape\":[2,1,1],\"data_offsets\":[32,40]},"
#define Y "\"check.y\":{\"dtype\":\"F32\",\"shape\":[2,1,1],\"data_offsets\":[40,48]}"

static void a_check_is_kept_in_the_notes(void **state)
{
    (void)state;
    file f = file_with_check(X Y, "{\\\"task\\\": \\\"x\\\", \\\"mean\\\": 0.1}");
    weir_model *model;
    weir_error err;
    if (import(&f, &pytorch, NULL, &model, &err))
        fail_msg("%s", err.text);
    json_t *notes = json_loads(weir_model_config(model)->notes, 0, NULL), *check = json_object_get(notes, "check");
    assert_string_equal(json_string_value(json_object_get(notes, "task")), "x");
    assert_true(json_real_value(json_object_get(notes, "mean")) == 0.1);
    assert_int_equal(json_object_size(check), 2);
    json_t *x = json_object_get(check, "x"), *y = json_object_get(check, "y");
    assert_int_equal(json_array_size(json_object_get(x, "shape")), 3);
    assert_true((float)json_real_value(json_array_get(json_object_get(x, "data"), 0)) == 0.1f);
    assert_true(json_real_value(json_array_get(json_object_get(y, "data"), 1)) == 3);
    json_decref(notes);
    weir_model_free(model);
    free(f.bytes);

    static const struct {
        const char *check, *notes, *says;
    } cases[] = {
        {X Y, "plain text", "check.x has no place in the notes, which are no JSON object"},
        {X Y, "[1]", "check.x has no place in the notes"},
        {"\"check.y\":{\"dtype\":\"F32\",\"shape\":[2,2,1],\"data_offsets\":[32,48]}", NULL, "check.y stands without check.x"},
        {"\"check.x\":{\"dtype\":\"F32\",\"shape\":[2,1,2],\"data_offsets\":[32,48]}", NULL,
         "check.x has the shape (2, 1, 2), but must have (2, 1, 1)"},
        {"\"check.x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[32,48]}", NULL, "check.x has the shape (4)"},
        {"\"check.x\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[32,48]}", NULL, "check.x has the shape (4, 1)"},
        {"\"check.x\":{\"dtype\":\"F32\",\"shape\":[0,1,1],\"data_offsets\":[32,32]},"
         "\"check.y\":{\"dtype\":\"F32\",\"shape\":[4,1,1],\"data_offsets\":[32,48]}",
         NULL, "check.x has the shape (0, 1, 1)"},
        {"\"check.x\":{\"dtype\":\"I32\",\"shape\":[4,1,1],\"data_offsets\":[32,48]}", NULL, "check.x must have the dtype"},
        {X "\"check.y\":{\"dtype\":\"F32\",\"shape\":[1,2,1],\"data_offsets\":[40,48]}", NULL, "check.y has the shape (1, 2, 1)"},
        {X "\"check.h0\":{\"dtype\":\"F32\",\"shape\":[2,1,1],\"data_offsets\":[40,48]}", NULL, "check.h0 has the shape (2, 1, 1)"},
        {X "\"check.c0\":{\"dtype\":\"F32\",\"shape\":[1,1,2],\"data_offsets\":[40,48]}", NULL, "check.c0 has the shape (1, 1, 2)"},
        {X "\"check.lengths\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[40,48]}", NULL,
         "check.lengths has the shape (2), but must have (1)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f = file_with_check(cases[i].check, cases[i].notes);
        assert_refused(&f, &pytorch, WEIR_E_FORMAT, cases[i].says);
        free(f.bytes);
    }
}

static void a_check_has_a_largest_size(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        char header[512];
        size_t n = 4096 + more;
        snprintf(header, sizeof header,
                 "{\"weight_ih_l0\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[0,16]},"
                 "\"weight_hh_l0\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[16,32]},"
                 "\"check.x\":{\"dtype\":\"F32\",\"shape\":[%zu,1,1],\"data_offsets\":[32,%zu]}}",
                 n, 32 + 4 * n);
        void *zeros = calloc(8 + n, 4);
        file f = compose(header, zeros, 4 * (8 + n));
        if (more)
            assert_refused(&f, &pytorch, WEIR_E_FORMAT, "check.x makes the check too long; it may have 4096 numbers");
        else
            assert_int_equal(import(&f, &pytorch, NULL, NULL, NULL), WEIR_OK);
        free(zeros);
        free(f.bytes);
    }
}

/* ---- Memory that runs out ---- */

static size_t granted;

static void *scarce_malloc(size_t size)
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
    weir_config config = {.allocator = &scarce};
    file f = file_with_check(X Y, "{\\\"a\\\": 1}");
    write_file(&f);
    json_set_alloc_funcs(scarce_malloc, free);
    weir_model *model;
    weir_error err;
    size_t failures = 0;
    for (weir_status status = WEIR_E_NOMEM; status; failures++) {
        granted = failures;
        status = weir_model_import(&model, "in.safetensors", &pytorch, &config, &err);
        /* jansson without memory may say that the text is wrong */
        assert_true(status == WEIR_OK || status == WEIR_E_NOMEM || status == WEIR_E_FORMAT);
        assert_true((status == WEIR_OK) == (model != NULL));
    }
    assert_true(failures > 50);
    failures = 0;
    for (weir_status status = WEIR_E_NOMEM; status; failures++) {
        unlink("scarce.safetensors");
        granted = failures;
        status = weir_model_export(model, "scarce.safetensors", &pytorch, &err);
        assert_int_equal(access("scarce.safetensors", F_OK) == 0, status == WEIR_OK);
    }
    assert_true(failures > 50);
    json_set_alloc_funcs(malloc, free);
    granted = SIZE_MAX;
    weir_model_free(model);
    free(f.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_goes_there_and_back),
        cmocka_unit_test(sizes_come_from_the_weights),
        cmocka_unit_test(names_are_taken_apart),
        cmocka_unit_test(every_rule_of_the_container_is_kept),
        cmocka_unit_test(every_layout_has_its_rules),
        cmocka_unit_test(a_written_file_is_whole),
        cmocka_unit_test(more_than_one_lstm_needs_a_choice),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(what_a_framework_lacks_is_refused),
        cmocka_unit_test(half_precision_is_read_exactly),
        cmocka_unit_test(biases_are_added_and_stay_finite),
        cmocka_unit_test(every_number_must_be_finite),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_of_the_header_is_safe),
        cmocka_unit_test(huge_counts_are_refused),
        cmocka_unit_test(memory_is_bounded_by_the_file),
        cmocka_unit_test(any_order_is_read),
        cmocka_unit_test(a_check_is_kept_in_the_notes),
        cmocka_unit_test(a_check_has_a_largest_size),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, place_file, NULL);
}
