/* ONNX files, good and bad. Files are written here byte by byte, so that they can be wrong in every way.
 * SPDX-License-Identifier: MIT */
#include "format/onnx.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- Protocol buffers ---- */

typedef struct bytes {
    unsigned char at[1536];
    size_t n;
} bytes;

static void put(bytes *b, uint64_t byte)
{
    assert_true(b->n < sizeof b->at);
    b->at[b->n++] = (unsigned char)byte;
}

static void put_varint(bytes *b, uint64_t x)
{
    for (; x > 127; x >>= 7)
        put(b, (x & 127) | 128);
    put(b, x);
}

static bytes number(unsigned tag, int64_t value)
{
    bytes b = {.n = 0};
    put_varint(&b, tag << 3);
    put_varint(&b, (uint64_t)value);
    return b;
}

static bytes block(unsigned tag, const void *from, size_t size)
{
    bytes b = {.n = 0};
    put_varint(&b, tag << 3 | 2);
    put_varint(&b, size);
    assert_true(b.n + size <= sizeof b.at);
    if (size)
        memcpy(b.at + b.n, from, size);
    b.n += size;
    return b;
}

static bytes text(unsigned tag, const char *word)
{
    return block(tag, word, strlen(word));
}

static bytes message(unsigned tag, bytes of)
{
    return block(tag, of.at, of.n);
}

static bytes real(unsigned tag, float value)
{
    bytes b = {.n = 0};
    put_varint(&b, tag << 3 | 5);
    memcpy(b.at + b.n, &value, sizeof value);
    b.n += sizeof value;
    return b;
}

static bytes join(const bytes *parts, size_t count)
{
    bytes all = {.n = 0};
    for (size_t i = 0; i < count; i++) {
        assert_true(all.n + parts[i].n <= sizeof all.at);
        memcpy(all.at + all.n, parts[i].at, parts[i].n);
        all.n += parts[i].n;
    }
    return all;
}
#define CAT(...) join((const bytes[]){__VA_ARGS__}, sizeof((const bytes[]){__VA_ARGS__}) / sizeof(bytes))

/* ---- ONNX ---- */

static const bytes nothing = {.n = 0};

static bytes opset(int64_t version)
{
    return message(8, CAT(text(1, ""), number(2, version)));
}

/* The graph is last, so that a file cut anywhere is broken. */
static bytes model_of(int64_t version, bytes graph)
{
    return CAT(number(1, 8), opset(version), message(7, graph));
}

static bytes model(bytes graph)
{
    return model_of(14, graph);
}

static bytes dims_of(const int64_t *dims, size_t rank)
{
    bytes b = {.n = 0};
    for (size_t i = 0; i < rank; i++)
        b = CAT(b, number(1, dims[i]));
    return b;
}
#define DIMS(...) dims_of((const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static bytes tensor_of(const char *name, int type, bytes dims, bytes data)
{
    return CAT(dims, number(2, type), text(8, name), data);
}

/* Floats 0.1, 0.2 ... as raw_data. */
static bytes raw(size_t count)
{
    float numbers[64];
    for (size_t i = 0; i < count; i++)
        numbers[i] = 0.1f * (float)(i + 1);
    return block(9, numbers, count * sizeof *numbers);
}

static bytes initializer(const char *name, bytes dims, size_t count)
{
    return message(5, tensor_of(name, 1, dims, raw(count)));
}

/* Dimensions below 0 have no value. */
static bytes port_of(unsigned tag, const char *name, int type, const int64_t *dims, size_t rank)
{
    bytes shape = {.n = 0};
    for (size_t i = 0; i < rank; i++)
        shape = CAT(shape, message(1, dims[i] < 0 ? nothing : number(1, dims[i])));
    return message(tag, CAT(text(1, name), message(2, message(1, CAT(number(1, type), message(2, shape))))));
}
#define PORT(tag, name, type, ...) \
    port_of(tag, name, type, (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define IN(name) PORT(11, name, 1, -1)
#define OUT(name) PORT(12, name, 1, -1)

/* Names apart by spaces; "-" for the empty one. */
static bytes names(unsigned tag, const char *list)
{
    bytes b = {.n = 0};
    char copy[200], *rest = copy;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *word = strtok_r(rest, " ", &rest); word; word = strtok_r(rest, " ", &rest))
        b = CAT(b, text(tag, strcmp(word, "-") ? word : ""));
    return b;
}

static bytes node(const char *type, const char *name, const char *inputs, const char *outputs, bytes attributes)
{
    return message(1, CAT(names(1, inputs), names(2, outputs), text(3, name), text(4, type), attributes));
}

static bytes int_attribute(const char *name, int64_t value)
{
    return message(5, CAT(text(1, name), number(3, value), number(20, 2)));
}

static bytes float_attribute(const char *name, float value)
{
    return message(5, CAT(text(1, name), real(2, value), number(20, 1)));
}

static bytes string_attribute(const char *name, const char *value)
{
    return message(5, CAT(text(1, name), text(4, value), number(20, 3)));
}

/* x -> Relu -> y */
static bytes relu(void)
{
    return CAT(node("Relu", "relu", "x", "y", nothing), IN("x"), OUT("y"));
}

/* One cell of one unit with all that an LSTM can have; extra attributes behind those that are there. */
static bytes lstm_with(bytes w, bytes r, bytes b, bytes p, bytes attributes)
{
    return CAT(w, r, b, p, node("LSTM", "cell", "x W R B - - - P", "y - -", attributes), PORT(11, "x", 1, -1, 1, 2), OUT("y"));
}

static bytes lstm(bytes attributes)
{
    return lstm_with(initializer("W", DIMS(1, 4, 2), 8), initializer("R", DIMS(1, 4, 1), 4), initializer("B", DIMS(1, 8), 8),
                     initializer("P", DIMS(1, 3), 3), CAT(int_attribute("hidden_size", 1), attributes));
}

/* ---- Memory and time ---- */

typedef struct account {
    size_t now, most, granted; /* granted: allocations that may yet be made */
} account;

static void *count_alloc(void *ctx, size_t size, size_t align)
{
    account *a = ctx;
    if (!a->granted)
        return NULL;
    a->granted--;
    a->now += size;
    a->most = a->now > a->most ? a->now : a->most;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void count_free(void *ctx, void *ptr, size_t size)
{
    ((account *)ctx)->now -= size;
    free(ptr);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Parses from a heap block of just that size, so that a sanitizer sees every read past its end. Beside the block itself, memory
 * is at most once the file and 1 MiB. */
static weir_status parse_bytes(const void *at, size_t size, weir_graph **graph, account *a, weir_error *err)
{
    const weir_allocator counting = {count_alloc, count_free, a};
    void *exact = malloc(size ? size : 1);
    memcpy(exact, at, size);
    double start = seconds();
    weir_status status = weir_graph_parse(graph, exact, size, WEIR_ISA_BEST, &counting, err);
    double took = seconds() - start;
    free(exact);
#if defined __SANITIZE_ADDRESS__
    took /= 10;
#endif
    if (took > 0.1)
        fail_msg("a file of %zu bytes took %g s", size, took);
    if (a->most > size + (1 << 20))
        fail_msg("a file of %zu bytes took %zu bytes of memory", size, a->most);
    return status;
}

/* ---- Bad files ---- */

static unsigned cases;

/* The file must be refused in this way, with these words in the sentence. */
static void refuse_bytes(const char *what, const void *at, size_t size, weir_status status, const char *words)
{
    account a = {.granted = SIZE_MAX};
    weir_graph *graph;
    weir_error err;
    cases++;
    weir_status got = parse_bytes(at, size, &graph, &a, &err);
    if (got != status || !strstr(err.text, words))
        fail_msg("%s: status %d, \"%s\"; wanted %d and \"%s\"", what, (int)got, got ? err.text : "accepted", (int)status, words);
    assert_null(graph);
    assert_int_equal(a.now, 0);
    assert_true(err.offset <= size);
    for (const char *c = err.text; *c; c++)
        assert_true(*c >= ' ' && *c <= '~');
}

static void refuse(const char *what, bytes file, weir_status status, const char *words)
{
    refuse_bytes(what, file.at, file.n, status, words);
}
#define BROKEN(what, file, words) refuse(what, file, WEIR_E_FORMAT, words)
#define UNKNOWN(what, file, words) refuse(what, file, WEIR_E_UNSUPPORTED, words)

static void accept(const char *what, bytes file)
{
    account a = {.granted = SIZE_MAX};
    weir_graph *graph;
    weir_error err;
    if (parse_bytes(file.at, file.n, &graph, &a, &err))
        fail_msg("%s: %s", what, err.text);
    weir_graph_free(graph);
    assert_int_equal(a.now, 0);
}

static void bad_models(void **state)
{
    (void)state;
    accept("a plain model", model(relu()));
    refuse_bytes("an empty file", "", 0, WEIR_E_FORMAT, "empty");
    refuse_bytes("a text", "just some text", 14, WEIR_E_FORMAT, "damaged");
    BROKEN("no graph", CAT(number(1, 8), opset(14)), "no graph");
    BROKEN("no ir_version", CAT(opset(14), message(7, relu())), "ir_version");
    BROKEN("ir_version 0", CAT(number(1, 0), opset(14), message(7, relu())), "ir_version");
    BROKEN("ir_version -1", CAT(number(1, -1), opset(14), message(7, relu())), "ir_version");
    BROKEN("two ir_versions", CAT(number(1, 8), number(1, 8), opset(14), message(7, relu())), "twice");
    BROKEN("two graphs", CAT(number(1, 8), opset(14), message(7, relu()), message(7, relu())), "twice");
    BROKEN("no opset", CAT(number(1, 8), message(7, relu())), "opset_import");
    BROKEN("opsets of other domains only", CAT(number(1, 8), message(8, CAT(text(1, "ai.onnx.ml"), number(2, 3))), message(7, relu())),
           "opset_import");
    accept("an old file without opset", CAT(number(1, 2), message(7, CAT(node("Softplus", "s", "x", "y", nothing), IN("x"), OUT("y")))));
    BROKEN("two opsets", CAT(number(1, 8), opset(14), opset(13), message(7, relu())), "twice");
    BROKEN("one opset by two names", CAT(number(1, 8), opset(14), message(8, CAT(text(1, "ai.onnx"), number(2, 14))), message(7, relu())), "twice");
    BROKEN("opset 0", model_of(0, relu()), "version 0");
    BROKEN("opset -3", model_of(-3, relu()), "version -3");
    UNKNOWN("opset 99", model_of(99, relu()), "version 99");
    UNKNOWN("an opset of 63 bits", model_of(INT64_MAX, relu()), "9223372036854775807");
    BROKEN("the graph as a number", CAT(number(1, 8), opset(14), number(7, 3)), "graph");
    BROKEN("ir_version as a text", CAT(text(1, "8"), opset(14), message(7, relu())), "ir_version");
    BROKEN("field 0", CAT(number(0, 1), number(1, 8), opset(14), message(7, relu())), "damaged");
    BROKEN("a group", CAT(number(1, 8), (bytes){{0x13}, 1}, opset(14), message(7, relu())), "damaged");
    BROKEN("a number of 11 bytes", CAT((bytes){{8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 12}, opset(14), message(7, relu())),
           "damaged");
    BROKEN("a length beyond the end", CAT(number(1, 8), opset(14), (bytes){{0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f}, 6}), "damaged");
    BROKEN("a length of 64 bits", CAT(number(1, 8), opset(14), (bytes){{0x3a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 11}), "damaged");
    accept("unknown fields", CAT(number(1, 8), number(99, 1), text(77, "new"), opset(14), message(7, CAT(relu(), number(55, 1)))));
    BROKEN("an empty graph", model(nothing), "no output");
    BROKEN("no output", model(CAT(node("Relu", "relu", "x", "y", nothing), IN("x"))), "no output");
    UNKNOWN("sparse initializers", model(CAT(relu(), message(15, nothing))), "sparse");
}

static void bad_names(void **state)
{
    (void)state;
    BROKEN("two inputs of a name", model(CAT(relu(), IN("x"))), "name x");
    BROKEN("two outputs of a name", model(CAT(relu(), OUT("y"))), "output y");
    BROKEN("two initializers of a name", model(CAT(relu(), initializer("w", DIMS(1), 1), initializer("w", DIMS(1), 1))), "name w");
    BROKEN("a default given twice", model(CAT(relu(), initializer("x", DIMS(1), 1), initializer("x", DIMS(1), 1))), "name x");
    accept("an input with a default", model(CAT(relu(), initializer("x", DIMS(1), 1))));
    BROKEN("an output that is an input", model(CAT(node("Relu", "relu", "x", "x", nothing), IN("x"), OUT("x"))), "name x");
    BROKEN("an output that is an initializer",
           model(CAT(node("Relu", "relu", "x", "w", nothing), initializer("w", DIMS(1), 1), IN("x"), OUT("w"))), "name w");
    BROKEN("two nodes make one value", model(CAT(node("Relu", "a", "x", "y", nothing), node("Tanh", "b", "x", "y", nothing), IN("x"), OUT("y"))),
           "name y");
    BROKEN("a node makes one value twice", model(CAT(node("Split", "a", "x", "y y", nothing), IN("x"), OUT("y"))), "name y");
    BROKEN("an input without a name", model(CAT(relu(), IN(""))), "input");
    BROKEN("an output without a name", model(CAT(relu(), OUT(""))), "output");
    BROKEN("an initializer without a name", model(CAT(relu(), initializer("", DIMS(1), 1))), "initializer has no name");
    BROKEN("an output that nothing makes", model(CAT(relu(), OUT("z"))), "output z");
    BROKEN("a missing input", model(CAT(node("Relu", "relu", "nowhere", "y", nothing), IN("x"), OUT("y"))),
           "node relu (Relu) needs the value nowhere");
    BROKEN("a missing second input", model(CAT(node("Add", "sum", "x nowhere", "y", nothing), IN("x"), OUT("y"))), "nowhere");
    BROKEN("a node that feeds itself", model(CAT(node("Add", "loop", "x y", "y", nothing), IN("x"), OUT("y"))), "makes itself");
    BROKEN("a circle of two", model(CAT(node("Add", "a", "x v", "u", nothing), node("Relu", "b", "u", "v", nothing), IN("x"), OUT("v"))),
           "node a (Add) needs the value v");
    BROKEN("a circle of three",
           model(CAT(node("Add", "a", "x w", "u", nothing), node("Relu", "b", "u", "v", nothing), node("Relu", "c", "v", "w", nothing), IN("x"),
                     OUT("w"))),
           "circle");
    BROKEN("nodes out of order", model(CAT(node("Relu", "b", "u", "y", nothing), node("Relu", "a", "x", "u", nothing), IN("x"), OUT("y"))),
           "out of order");
    BROKEN("a circle that no output needs",
           model(CAT(relu(), node("Relu", "a", "v", "u", nothing), node("Relu", "b", "u", "v", nothing))), "node a (Relu)");
    BROKEN("an input left out", model(CAT(node("Relu", "relu", "-", "y", nothing), IN("x"), OUT("y"))), "node relu (Relu) lacks its input");
    BROKEN("one of many inputs left out", model(CAT(node("Sum", "sum", "x - x", "y", nothing), IN("x"), OUT("y"))), "lacks its input number 1");
    BROKEN("a 0 byte in an input's name",
           model(CAT(node("Relu", "relu", "x", "y", nothing), message(11, CAT(block(1, "q\0r", 3))), IN("x"), OUT("y"))), "0 byte");
    bytes strange = CAT(message(1, CAT(text(1, "\x1b[2J\n\xff"), text(2, "y"), text(4, "Relu"))), IN("x"), OUT("y"));
    BROKEN("a name that a terminal would obey", model(strange), "needs the value ?[2J??");
}

static void bad_tensors(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int type;
        int64_t dims[3];
        size_t rank, bytes;
        weir_status status;
        const char *words;
    } sizes[] = {
        {"too few bytes", 1, {4}, 1, 12, WEIR_E_FORMAT, "12 bytes"},
        {"too many bytes", 1, {2}, 1, 12, WEIR_E_FORMAT, "12 bytes"},
        {"half a number", 1, {3}, 1, 11, WEIR_E_FORMAT, "11 bytes"},
        {"bytes for no numbers", 1, {0}, 1, 4, WEIR_E_FORMAT, "4 bytes"},
        {"no bytes for one number", 1, {0}, 0, 0, WEIR_E_FORMAT, "0 bytes"},
        {"int64 in 4 bytes", 7, {1}, 1, 4, WEIR_E_FORMAT, "need 8"},
        {"int32 in 8 bytes", 6, {1}, 1, 8, WEIR_E_FORMAT, "need 4"},
        {"bool in 4 bytes", 9, {1}, 1, 4, WEIR_E_FORMAT, "need 1"},
        {"float16 in 4 bytes", 10, {1}, 1, 4, WEIR_E_FORMAT, "need 2"},
        {"bfloat16 in 4 bytes", 16, {1}, 1, 4, WEIR_E_FORMAT, "need 2"},
        {"float64 in 4 bytes", 11, {1}, 1, 4, WEIR_E_FORMAT, "need 8"},
        {"a negative dimension", 1, {-1}, 1, 4, WEIR_E_FORMAT, "-1"},
        {"two negative dimensions", 1, {-1, -4}, 2, 16, WEIR_E_FORMAT, "-1"},
        {"the least dimension", 1, {INT64_MIN}, 1, 4, WEIR_E_FORMAT, "negative"},
        {"dimensions of 2^64", 1, {1LL << 32, 1LL << 32}, 2, 4, WEIR_E_FORMAT, "counted"},
        {"dimensions of 2^66 with 0 behind", 1, {1LL << 33, 1LL << 33, 0}, 3, 0, WEIR_E_FORMAT, "counted"},
        {"dimensions of 2^63", 1, {INT64_MAX}, 1, 4, WEIR_E_FORMAT, "counted"},
        {"bytes of 2^64", 1, {1LL << 62}, 1, 4, WEIR_E_FORMAT, "counted"},
        {"a thousand million numbers", 1, {1000000000}, 1, 8, WEIR_E_FORMAT, "need 4000000000"},
        {"no type", 0, {1}, 1, 4, WEIR_E_FORMAT, "type 0"},
        {"strings", 8, {1}, 1, 4, WEIR_E_UNSUPPORTED, "type 8"},
        {"uint8", 2, {1}, 1, 1, WEIR_E_UNSUPPORTED, "type 2"},
        {"int8", 3, {1}, 1, 1, WEIR_E_UNSUPPORTED, "type 3"},
        {"complex64", 14, {1}, 1, 8, WEIR_E_UNSUPPORTED, "type 14"},
        {"float8", 17, {1}, 1, 1, WEIR_E_UNSUPPORTED, "type 17"},
        {"a type of no meaning", 4711, {1}, 1, 1, WEIR_E_UNSUPPORTED, "type 4711"},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bytes t = tensor_of("w", sizes[i].type, dims_of(sizes[i].dims, sizes[i].rank), block(9, (const char[64]){0}, sizes[i].bytes));
        refuse(sizes[i].what, model(CAT(relu(), message(5, t))), sizes[i].status, "tensor w");
        refuse(sizes[i].what, model(CAT(relu(), message(5, t))), sizes[i].status, sizes[i].words);
        /* the same as the attribute of a node */
        bytes a = message(5, CAT(text(1, "value"), message(5, t), number(20, 4)));
        refuse(sizes[i].what, model(CAT(node("Constant", "c", "", "y", a), IN("x"), OUT("y"))), sizes[i].status, sizes[i].words);
    }
    bytes nine = DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1);
    UNKNOWN("nine dimensions", model(CAT(relu(), initializer("w", nine, 1))), "9 dimensions");
    UNKNOWN(
        "numbers in another file",
        model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), CAT(message(13, CAT(text(1, "location"), text(2, "/etc/passwd"))), number(14, 1)))))),
        "tensor w has its numbers in another file");
    UNKNOWN("another file, without saying so", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), message(13, nothing))))), "another file");
    UNKNOWN("a place of no meaning", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), CAT(raw(1), number(14, 7)))))), "another file");
    UNKNOWN("a segment", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), CAT(raw(1), message(3, nothing)))))), "segment");
    BROKEN("two kinds of data", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), CAT(raw(1), real(4, 1)))))), "float_data");
    BROKEN("data of another type", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), number(7, 1))))), "int64_data");
    BROKEN("texts as data", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), text(6, "1"))))), "string_data");
    BROKEN("raw_data twice", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), CAT(raw(1), raw(1)))))), "twice");
    BROKEN("a type twice", model(CAT(relu(), message(5, CAT(tensor_of("w", 1, DIMS(1), raw(1)), number(2, 1))))), "twice");
    BROKEN("float_data too short", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(3), CAT(real(4, 1), real(4, 2)))))), "2 numbers");
    BROKEN("packed float_data too long", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), block(4, "01234567", 8))))), "2 numbers");
    BROKEN("packed float_data of 7 bytes", model(CAT(relu(), message(5, tensor_of("w", 1, DIMS(1), block(4, "0123456", 7))))), "float_data");
    BROKEN("packed int64_data cut off", model(CAT(relu(), message(5, tensor_of("w", 7, DIMS(2), block(7, "\x01\x80", 2))))), "int64_data");
    BROKEN("dims as a text that is no list", model(CAT(relu(), message(5, tensor_of("w", 1, block(1, "\xff", 1), raw(1))))), "dims");
    BROKEN("an initializer that is none", model(CAT(relu(), block(5, "\xff\xff\xff", 3))), "tensor");
    UNKNOWN("weights of float64",
            model(CAT(node("Relu", "r", "w", "y", nothing), message(5, tensor_of("w", 11, DIMS(1), block(9, "01234567", 8))), OUT("y"))), "float64");
}

static void bad_ports(void **state)
{
    (void)state;
    BROKEN("a negative dimension",
           model(CAT(node("Relu", "r", "x", "y", nothing),
                     message(11, CAT(text(1, "x"), message(2, message(1, CAT(number(1, 1), message(2, message(1, number(1, -5)))))))), OUT("y"))),
           "input x has a dimension of -5");
    UNKNOWN("an input of strings", model(CAT(node("Relu", "r", "x", "y", nothing), PORT(11, "x", 8, 1), OUT("y"))), "input x");
    UNKNOWN("an input of float64", model(CAT(node("Relu", "r", "x", "y", nothing), PORT(11, "x", 11, 1), OUT("y"))),
            "input x has numbers of type float64");
    UNKNOWN("an output of float16", model(CAT(node("Relu", "r", "x", "y", nothing), IN("x"), PORT(12, "y", 10, 1))),
            "output y has numbers of type float16");
    UNKNOWN("an input that is a sequence",
            model(CAT(node("Relu", "r", "x", "y", nothing), message(11, CAT(text(1, "x"), message(2, message(4, nothing)))), OUT("y"))),
            "sequence_type");
    UNKNOWN("an input that is a map",
            model(CAT(node("Relu", "r", "x", "y", nothing), message(11, CAT(text(1, "x"), message(2, message(5, nothing)))), OUT("y"))), "map_type");
    UNKNOWN("an output that is optional",
            model(CAT(node("Relu", "r", "x", "y", nothing), IN("x"), message(12, CAT(text(1, "y"), message(2, message(9, nothing)))))),
            "optional_type");
    UNKNOWN("an input of nine dimensions", model(CAT(node("Relu", "r", "x", "y", nothing), PORT(11, "x", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), OUT("y"))),
            "9 dimensions");
    accept("an input without a type", model(CAT(node("Relu", "r", "x", "y", nothing), message(11, text(1, "x")), OUT("y"))));
}

static bytes one_node(const char *type, const char *inputs, bytes attributes)
{
    return CAT(node(type, "it", inputs, "y", attributes), IN("x"), initializer("w", DIMS(2), 2), OUT("y"));
}

static void bad_nodes(void **state)
{
    (void)state;
    static const char *const strangers[] = {"Conv", "GRU", "RNN", "Loop", "Scan", "If", "relu", "LSTM2", "MaxPool", "LayerNormalization"};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        UNKNOWN(strangers[i], model(one_node(strangers[i], "x", nothing)), "node it (");
    BROKEN("no operator", model(one_node("", "x", nothing)), "no operator");
    bytes graph = message(5, CAT(text(1, "body"), message(6, relu()), number(20, 5)));
    UNKNOWN("a sub-graph", model(one_node("Loop", "x", graph)), "node it (Loop)");
    accept("a sub-graph that no output needs", model(CAT(relu(), node("Loop", "unused", "x", "z", graph))));
    UNKNOWN("another domain", model(CAT(message(1, CAT(text(1, "x"), text(2, "y"), text(4, "Relu"), text(7, "com.microsoft"))), IN("x"), OUT("y"))),
            "com.microsoft");
    accept("ONNX's domain by name", model(CAT(message(1, CAT(text(1, "x"), text(2, "y"), text(4, "Relu"), text(7, "ai.onnx"))), IN("x"), OUT("y"))));
    UNKNOWN("Gelu before opset 20", model_of(19, one_node("Gelu", "x", nothing)), "opsets than 19");
    UNKNOWN("Swish before opset 24", model_of(23, one_node("Swish", "x", nothing)), "opsets than 23");
    UNKNOWN("Relu at opset 5", model_of(5, one_node("Relu", "x", nothing)), "opsets than 5");
    BROKEN("too many inputs", model(one_node("Relu", "x x", nothing)), "2 inputs");
    BROKEN("too few inputs", model(one_node("Add", "x", nothing)), "1 inputs");
    BROKEN("no inputs", model(one_node("Relu", "", nothing)), "0 inputs");
    BROKEN("too many outputs", model(CAT(node("Relu", "it", "x", "y z", nothing), IN("x"), OUT("y"))), "2 outputs");
    UNKNOWN("an attribute that Relu has not", model(one_node("Relu", "x", float_attribute("alpha", 1))), "attribute alpha");
    UNKNOWN("Squeeze with axes at opset 13", model_of(13, one_node("Squeeze", "x", int_attribute("axes", 0))), "attribute axes");
    BROKEN("an attribute of the wrong type", model(one_node("LeakyRelu", "x", int_attribute("alpha", 1))), "attribute alpha");
    BROKEN("an attribute twice", model(one_node("LeakyRelu", "x", CAT(float_attribute("alpha", 1), float_attribute("alpha", 1)))), "alpha");
    BROKEN("an attribute without a name", model(one_node("LeakyRelu", "x", float_attribute("", 1))), "no name");
    BROKEN("an attribute of two types", model(one_node("LeakyRelu", "x", message(5, CAT(text(1, "alpha"), real(2, 1), number(3, 1), number(20, 1))))),
           "alpha");
    BROKEN("an attribute of no known type", model(one_node("LeakyRelu", "x", message(5, CAT(text(1, "alpha"), number(20, 77))))), "alpha");
    BROKEN("an attribute of a function", model(one_node("LeakyRelu", "x", message(5, CAT(text(1, "alpha"), text(21, "slope"), number(20, 1))))),
           "function");
    BROKEN("a tensor that is missing", model(one_node("ConstantOfShape", "x", message(5, CAT(text(1, "value"), number(20, 4))))), "lacks its tensor");
    accept("an attribute that does not say its type", model(one_node("LeakyRelu", "x", message(5, CAT(text(1, "alpha"), real(2, 0.5f))))));
    UNKNOWN("an infinite slope", model(one_node("LeakyRelu", "x", float_attribute("alpha", INFINITY))), "alpha");
    UNKNOWN("Celu with alpha 0", model(one_node("Celu", "x", float_attribute("alpha", 0))), "alpha 0");
    BROKEN("Gelu of a third kind", model_of(20, one_node("Gelu", "x", string_attribute("approximate", "sigmoid"))), "approximate");
    UNKNOWN("a cast to strings", model(one_node("Cast", "x", int_attribute("to", 8))), "type 8");
    UNKNOWN("a cast to nothing", model(one_node("Cast", "x", nothing)), "type 0");
    BROKEN("Concat without an axis", model(one_node("Concat", "x x", nothing)), "axis");
    BROKEN("a perm with a number twice",
           model(one_node("Transpose", "x", message(5, CAT(text(1, "perm"), number(8, 0), number(8, 0), number(20, 7))))), "perm");
    BROKEN("a perm out of range", model(one_node("Transpose", "x", message(5, CAT(text(1, "perm"), number(8, 5), number(20, 7))))), "perm");
    UNKNOWN("Dropout in training",
            model(CAT(node("Dropout", "it", "x - train", "y", nothing), message(5, tensor_of("train", 9, nothing, block(9, "\x01", 1))), IN("x"),
                      OUT("y"))),
            "training");
    BROKEN("a constant of nothing", model(CAT(node("Constant", "it", "", "y", nothing), IN("x"), OUT("y"))), "0 attributes");
    BROKEN("a transposed constant of the wrong rank",
           model(CAT(node("Transpose", "it", "w", "v", message(5, CAT(text(1, "perm"), number(8, 1), number(8, 0), number(20, 7)))),
                     node("Relu", "r", "v", "y", nothing), initializer("w", DIMS(2), 2), OUT("y"))),
           "node it (Transpose) turns 2 dimensions");
}

static void bad_cells(void **state)
{
    (void)state;
    bytes w = initializer("W", DIMS(1, 4, 2), 8), r = initializer("R", DIMS(1, 4, 1), 4), b = initializer("B", DIMS(1, 8), 8),
          p = initializer("P", DIMS(1, 3), 3), size = int_attribute("hidden_size", 1);
    accept("a cell", model(lstm(nothing)));
    BROKEN("W of two dimensions", model(lstm_with(initializer("W", DIMS(4, 2), 8), r, b, p, size)), "node cell (LSTM) needs W");
    BROKEN("W of three gates", model(lstm_with(initializer("W", DIMS(1, 3, 2), 6), r, b, p, size)), "needs W");
    BROKEN("W of two directions", model(lstm_with(initializer("W", DIMS(2, 4, 2), 16), r, b, p, size)), "needs W");
    BROKEN("W without inputs", model(lstm_with(initializer("W", DIMS(1, 4, 0), 0), r, b, p, size)), "needs W");
    BROKEN("R of two dimensions", model(lstm_with(w, initializer("R", DIMS(4, 1), 4), b, p, size)), "needs R");
    BROKEN("R that is not square", model(lstm_with(w, initializer("R", DIMS(1, 4, 2), 8), b, p, size)), "needs R");
    BROKEN("R without units", model(lstm_with(w, initializer("R", DIMS(1, 0, 0), 0), b, p, size)), "needs R");
    BROKEN("half of B", model(lstm_with(w, r, initializer("B", DIMS(1, 4), 4), p, size)), "needs B");
    BROKEN("B of three dimensions", model(lstm_with(w, r, initializer("B", DIMS(1, 1, 8), 8), p, size)), "needs B");
    BROKEN("P of four gates", model(lstm_with(w, r, b, initializer("P", DIMS(1, 4), 4), size)), "needs P");
    BROKEN("W of integers", model(lstm_with(message(5, tensor_of("W", 6, DIMS(1, 4, 2), raw(8))), r, b, p, size)), "needs W");
    BROKEN("another hidden_size", model(lstm_with(w, r, b, p, int_attribute("hidden_size", 2))), "hidden_size");
    BROKEN("hidden_size 0", model(lstm_with(w, r, b, p, int_attribute("hidden_size", 0))), "hidden_size 0");
    BROKEN("a negative hidden_size", model(lstm_with(w, r, b, p, int_attribute("hidden_size", -1))), "hidden_size -1");
    BROKEN("a hidden_size of 2^40", model(lstm_with(w, r, b, p, int_attribute("hidden_size", 1LL << 40))), "hidden_size");
    BROKEN("clip 0", model(lstm(float_attribute("clip", 0))), "clip 0");
    BROKEN("a negative clip", model(lstm(float_attribute("clip", -1))), "clip -1");
    BROKEN("a clip that is no number", model(lstm(float_attribute("clip", NAN))), "clip");
    BROKEN("a direction of no meaning", model(lstm(string_attribute("direction", "sideways"))), "sideways");
    BROKEN("both directions with weights of one", model(lstm(string_attribute("direction", "bidirectional"))), "needs R");
    BROKEN("layout 2", model(lstm(int_attribute("layout", 2))), "layout");
    BROKEN("input_forget 2", model(lstm(int_attribute("input_forget", 2))), "input_forget");
    UNKNOWN("layout at opset 7", model_of(7, lstm(int_attribute("layout", 0))), "layout");
    bytes two = message(5, CAT(text(1, "activations"), text(9, "Tanh"), text(9, "Tanh"), number(20, 8)));
    BROKEN("two activations", model(lstm(two)), "2 activations");
    static const char *const activations[] = {"Gelu", "Swish", "Selu", "", "AVeryLongNameOfAnActivationThatIsNone"};
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        bytes names_of = message(5, CAT(text(1, "activations"), text(9, activations[i]), text(9, "Tanh"), text(9, "Tanh"), number(20, 8)));
        UNKNOWN(activations[i], model(lstm(names_of)), "has the activation");
    }
    bytes affine = message(5, CAT(text(1, "activations"), text(9, "Affine"), text(9, "Tanh"), text(9, "Tanh"), number(20, 8)));
    bytes alpha = message(5, CAT(text(1, "activation_alpha"), real(7, 2), number(20, 6)));
    bytes beta = message(5, CAT(text(1, "activation_beta"), real(7, 1), number(20, 6)));
    BROKEN("Affine without its numbers", model(lstm(affine)), "Affine without");
    UNKNOWN("Affine that is not the identity", model(lstm(CAT(affine, alpha, beta))), "Affine with alpha 2 and beta 1");
    BROKEN("numbers that no activation takes", model(lstm(alpha)), "activation_alpha");
    float weights[8] = {0, 1, 2, NAN};
    refuse("a weight that is not finite",
           model(lstm_with(message(5, tensor_of("W", 1, DIMS(1, 4, 2), block(9, weights, sizeof weights))), r, b, p, size)), WEIR_E_NONFINITE,
           "node cell (LSTM)");
    assert_true(cases >= 120);
    print_message("%u bad files so far\n", cases);
}

/* ---- Damage ---- */

static const float x_numbers[] = {0.5f, -1, 2, 0.25f};

/* Runs a graph that survived damage; whatever it says, it must not crash or leak. */
static void try_to_run(const weir_graph *graph)
{
    weir_array x = {.name = "x", .element = WEIR_FLOAT32, .rank = 3, .dims = {2, 1, 2}, .data = (void *)(uintptr_t)x_numbers}, outputs[4];
    weir_error err;
    if (weir_graph_outputs(graph) > 4)
        return;
    if (weir_graph_inputs(graph) == 1)
        x.name = weir_graph_input(graph, 0).name;
    if (!weir_graph_run(graph, &x, 1, outputs, NULL, &err))
        weir_graph_release(graph, outputs);
}

/* A small network: cell, squeeze, product, sum, softmax, with typed data and attributes. */
static bytes network(void)
{
    bytes axes = message(5, tensor_of("axes", 7, DIMS(1), number(7, 1)));
    bytes matrix = message(5, tensor_of("M", 1, DIMS(1, 2), CAT(real(4, 1.5f), real(4, -2))));
    return CAT(initializer("W", DIMS(1, 4, 2), 8), initializer("R", DIMS(1, 4, 1), 4), axes, matrix, initializer("c", DIMS(2), 2),
               node("LSTM", "cell", "x W R", "h", CAT(int_attribute("hidden_size", 1), string_attribute("direction", "reverse"))),
               node("Squeeze", "sq", "h axes", "s", nothing), node("MatMul", "mm", "s M", "m", nothing), node("Add", "plus", "m c", "a", nothing),
               node("Softmax", "soft", "a", "y", int_attribute("axis", -1)), PORT(11, "x", 1, -1, 1, 2), OUT("y"));
}

static void a_network_runs(void **state)
{
    (void)state;
    bytes file = model(network());
    account a = {.granted = SIZE_MAX};
    weir_graph *graph;
    weir_error err;
    if (parse_bytes(file.at, file.n, &graph, &a, &err))
        fail_msg("%s", err.text);
    weir_array x = {.name = "x", .element = WEIR_FLOAT32, .rank = 3, .dims = {2, 1, 2}, .data = (void *)(uintptr_t)x_numbers}, y;
    if (weir_graph_run(graph, &x, 1, &y, NULL, &err))
        fail_msg("%s", err.text);
    assert_string_equal(y.name, "y");
    assert_int_equal(y.rank, 3);
    assert_int_equal(y.dims[0], 2);
    assert_int_equal(y.dims[1], 1);
    assert_int_equal(y.dims[2], 2);
    const float *numbers = y.data;
    for (size_t t = 0; t < 2; t++)
        assert_true(fabsf(numbers[2 * t] + numbers[2 * t + 1] - 1) < 1e-6f);
    weir_graph_release(graph, &y);
    assert_null(y.data);
    /* what the caller can do wrong */
    weir_array wrong = x;
    wrong.name = "z";
    assert_int_equal(weir_graph_run(graph, &wrong, 1, &y, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "no input z"));
    assert_int_equal(weir_graph_run(graph, NULL, 0, &y, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "input x is missing"));
    assert_int_equal(weir_graph_run(graph, (const weir_array[]){x, x}, 2, &y, NULL, &err), WEIR_E_ARGUMENT);
    wrong = x;
    wrong.dims[2] = 1;
    assert_int_equal(weir_graph_run(graph, &wrong, 1, &y, NULL, &err), WEIR_E_ARGUMENT);
    wrong = x;
    wrong.rank = 2;
    assert_int_equal(weir_graph_run(graph, &wrong, 1, &y, NULL, &err), WEIR_E_ARGUMENT);
    wrong = x;
    wrong.element = WEIR_INT32;
    assert_int_equal(weir_graph_run(graph, &wrong, 1, &y, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "int32"));
    assert_null(y.data);
    weir_graph_free(graph);
    assert_int_equal(a.now, 0);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    bytes file = model(network());
    for (size_t size = 0; size < file.n; size++)
        refuse_bytes("a file cut off", file.at, size, WEIR_E_FORMAT, "");
}

static void every_flipped_bit_is_safe(void **state)
{
    (void)state;
    bytes file = model(network());
    unsigned refused = 0;
    for (size_t i = 0; i < 8 * file.n; i++) {
        account a = {.granted = SIZE_MAX};
        weir_graph *graph;
        weir_error err = {.status = WEIR_OK};
        file.at[i / 8] ^= (unsigned char)(1u << i % 8);
        if (parse_bytes(file.at, file.n, &graph, &a, &err)) {
            refused++;
            assert_true(err.status == WEIR_E_FORMAT || err.status == WEIR_E_UNSUPPORTED || err.status == WEIR_E_NONFINITE ||
                        err.status == WEIR_E_ARGUMENT);
            assert_true(strlen(err.text) > 10);
        } else {
            try_to_run(graph);
            weir_graph_free(graph);
        }
        assert_int_equal(a.now, 0);
        file.at[i / 8] ^= (unsigned char)(1u << i % 8);
    }
    assert_true(refused > 4 * file.n);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    bytes file = model(network());
    weir_status status = WEIR_E_NOMEM;
    size_t granted = 0;
    for (; status; granted++) {
        account a = {.granted = granted};
        weir_graph *graph;
        weir_error err;
        status = parse_bytes(file.at, file.n, &graph, &a, &err);
        if (status)
            assert_int_equal(status, WEIR_E_NOMEM);
        else
            weir_graph_free(graph);
        assert_int_equal(a.now, 0);
    }
    assert_true(granted > 10);
    account a = {.granted = SIZE_MAX};
    weir_graph *graph;
    weir_array x = {.name = "x", .element = WEIR_FLOAT32, .rank = 3, .dims = {2, 1, 2}, .data = (void *)(uintptr_t)x_numbers}, y;
    weir_error err;
    assert_int_equal(parse_bytes(file.at, file.n, &graph, &a, &err), WEIR_OK);
    size_t before = a.now;
    status = WEIR_E_NOMEM;
    for (granted = 0; status; granted++) {
        a.granted = granted;
        status = weir_graph_run(graph, &x, 1, &y, NULL, &err);
        if (status)
            assert_int_equal(status, WEIR_E_NOMEM);
        else
            weir_graph_release(graph, &y);
        assert_int_equal(a.now, before);
    }
    assert_true(granted > 8);
    weir_graph_free(graph);
    assert_int_equal(a.now, 0);
}

/* ---- Many of something ---- */

typedef struct large {
    unsigned char *at;
    size_t n, room;
} large;

static void append(large *l, bytes b)
{
    if (l->n + b.n > l->room)
        l->at = realloc(l->at, l->room = 2 * (l->room + b.n));
    memcpy(l->at + l->n, b.at, b.n);
    l->n += b.n;
}

/* A model whose graph is what was appended. */
static large enclose(const large *graph)
{
    large file = {NULL, 0, 0};
    append(&file, CAT(number(1, 8), opset(14)));
    bytes head = {.n = 0};
    put_varint(&head, 7 << 3 | 2);
    put_varint(&head, graph->n);
    append(&file, head);
    file.at = realloc(file.at, file.room = file.n + graph->n);
    memcpy(file.at + file.n, graph->at, graph->n);
    file.n += graph->n;
    return file;
}

/* 20,000 of `many(i)`, before a Relu; refused or not, within its bounds of memory and time. */
static weir_status parse_many(bytes (*many)(unsigned i), weir_error *err)
{
    large graph = {NULL, 0, 0};
    for (unsigned i = 0; i < 20000; i++)
        append(&graph, many(i));
    append(&graph, relu());
    large file = enclose(&graph);
    account a = {.granted = SIZE_MAX};
    weir_graph *g;
    weir_status status = parse_bytes(file.at, file.n, &g, &a, err);
    weir_graph_free(g);
    assert_int_equal(a.now, 0);
    free(graph.at);
    free(file.at);
    return status;
}

static bytes tiny_node(unsigned i)
{
    (void)i;
    return message(1, text(4, "R"));
}

static bytes tiny_tensor(unsigned i)
{
    char name[16];
    snprintf(name, sizeof name, "%x", i);
    return message(5, tensor_of(name, 9, nothing, block(9, "\x01", 1)));
}

static bytes tiny_input(unsigned i)
{
    char name[16];
    snprintf(name, sizeof name, "%x", i);
    return message(11, text(1, name));
}

static bytes same_input(unsigned i)
{
    (void)i;
    return message(11, text(1, "same"));
}

/* Names that a poor hash or a plain sort would stumble over: each a beginning of the next, then the other way round. */
static bytes long_node(unsigned i)
{
    char name[48];
    memset(name, 'a', sizeof name);
    snprintf(name + 32, sizeof name - 32, "%08u", i * 7919u % 20000u);
    return node("Relu", "", i % 2 ? "x" : "", name, nothing);
}

static bytes unknown_field(unsigned i)
{
    return number(1000 + i % 7, i);
}

static void many_of_something(void **state)
{
    (void)state;
    weir_error err;
    bytes (*const kinds[])(unsigned) = {tiny_node, tiny_tensor, tiny_input, same_input, long_node};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        weir_status status = parse_many(kinds[i], &err);
        assert_true(status == WEIR_E_UNSUPPORTED || status == WEIR_E_FORMAT || status == WEIR_OK);
    }
    assert_int_equal(parse_many(tiny_node, &err), WEIR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "too many"));
    assert_int_equal(parse_many(unknown_field, &err), WEIR_OK);
}

/* A constant that would be made of a shape: the file is small, the array is not. It is refused when it runs. */
static void large_arrays_are_refused(void **state)
{
    (void)state;
    bytes shape = message(5, tensor_of("shape", 7, DIMS(2), CAT(number(7, 1 << 20), number(7, 1 << 20))));
    bytes file = model(CAT(shape, node("ConstantOfShape", "huge", "shape", "y", nothing), OUT("y")));
    account a = {.granted = SIZE_MAX};
    weir_graph *graph;
    weir_array y;
    weir_error err;
    assert_int_equal(parse_bytes(file.at, file.n, &graph, &a, &err), WEIR_OK);
    assert_int_equal(weir_graph_run(graph, NULL, 0, &y, NULL, &err), WEIR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "node huge (ConstantOfShape)"));
    assert_true(a.most < 1 << 20);
    weir_graph_free(graph);
}

/* ---- Numbers of tensors ---- */

static void numbers_are_read(void **state)
{
    (void)state;
    static const uint16_t halves[] = {0x3C00, 0xC000, 0x0001, 0x8001, 0x7BFF, 0x7C00, 0x3555}, brains[] = {0x3F80, 0xC000, 0x0001};
    static const double doubles[] = {0.1, -3, 1e300};
    static const int32_t ints[] = {-5, 7, INT32_MIN};
    static const int64_t longs[] = {-5, INT64_MAX};
    bytes packed = {.n = 0};
    put_varint(&packed, (uint64_t)-5);
    put_varint(&packed, 300);
    bytes file = model(CAT(relu(), message(5, tensor_of("f16", 10, DIMS(7), block(9, halves, sizeof halves))),
                           message(5, tensor_of("bf16", 16, DIMS(3), block(9, brains, sizeof brains))),
                           message(5, tensor_of("f64", 11, DIMS(3), block(10, doubles, sizeof doubles))),
                           message(5, tensor_of("i32", 6, DIMS(3), block(9, ints, sizeof ints))),
                           message(5, tensor_of("i64", 7, DIMS(2), block(9, longs, sizeof longs))),
                           message(5, tensor_of("p32", 6, DIMS(2), block(5, packed.at, packed.n))),
                           message(5, tensor_of("u32", 6, DIMS(2), CAT(number(5, -5), number(5, 300)))),
                           message(5, tensor_of("t16", 10, DIMS(2), CAT(number(5, 0x3C00), number(5, 0xC000)))),
                           message(5, tensor_of("f32", 1, block(1, "\x02\x01", 2), CAT(real(4, 0.5f), block(4, "\0\0\0\x40", 4)))),
                           message(5, tensor_of("b", 9, nothing, number(5, 2)))));
    weir__onnx g;
    weir_error err;
    if (weir__onnx_open(&g, file.at, file.n, NULL, &err))
        fail_msg("%s", err.text);
    float f[8];
    int64_t n[8];
    assert_true(weir__onnx_floats(&g.tensors[0], f));
    assert_true(f[0] == 1 && f[1] == -2 && f[2] == 0x1p-24f && f[3] == -0x1p-24f && f[4] == 65504 && f[5] == INFINITY && f[6] == 0x1.554p-2f);
    assert_true(weir__onnx_floats(&g.tensors[1], f));
    assert_true(f[0] == 1 && f[1] == -2 && f[2] == 0x1p-133f);
    assert_true(weir__onnx_floats(&g.tensors[2], f));
    assert_true(f[0] == 0.1f && f[1] == -3 && f[2] == INFINITY);
    assert_false(weir__onnx_ints(&g.tensors[2], n));
    assert_true(weir__onnx_ints(&g.tensors[3], n));
    assert_true(n[0] == -5 && n[1] == 7 && n[2] == INT32_MIN);
    assert_false(weir__onnx_floats(&g.tensors[3], f));
    assert_true(weir__onnx_ints(&g.tensors[4], n));
    assert_true(n[0] == -5 && n[1] == INT64_MAX);
    for (size_t i = 5; i < 7; i++) {
        assert_true(weir__onnx_ints(&g.tensors[i], n));
        assert_true(n[0] == -5 && n[1] == 300);
    }
    assert_true(weir__onnx_floats(&g.tensors[7], f));
    assert_true(f[0] == 1 && f[1] == -2);
    assert_int_equal(g.tensors[8].rank, 2);
    assert_true(weir__onnx_floats(&g.tensors[8], f));
    assert_true(f[0] == 0.5f && f[1] == 2);
    assert_true(weir__onnx_ints(&g.tensors[9], n));
    assert_true(n[0] == 1 && g.tensors[9].count == 1);
    assert_int_equal(g.value_count, 12);
    assert_int_equal(g.opset, 14);
    weir__onnx_close(&g);
}

static void files_are_told_apart(void **state)
{
    (void)state;
    bytes file = model(relu());
    assert_true(weir__onnx_is(file.at, file.n));
    assert_false(weir__onnx_is("\x08\0\0\0\0\0\0\0{}      ", 16));
    assert_false(weir__onnx_is("", 0));
    assert_false(weir__onnx_is("just some text", 14));
    weir_graph *graph;
    weir_error err;
    assert_int_equal(weir_graph_load(&graph, "missing.onnx", WEIR_ISA_BEST, NULL, &err), WEIR_E_IO);
    assert_non_null(strstr(err.text, "missing.onnx"));
    assert_null(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(files_are_told_apart),
        cmocka_unit_test(a_network_runs),
        cmocka_unit_test(bad_models),
        cmocka_unit_test(bad_names),
        cmocka_unit_test(bad_tensors),
        cmocka_unit_test(bad_ports),
        cmocka_unit_test(bad_nodes),
        cmocka_unit_test(bad_cells),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_safe),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(many_of_something),
        cmocka_unit_test(large_arrays_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
