/* The reader of ONNX files: protocol buffers by nanopb's functions for the wire, and the memory of the graph.
 * SPDX-License-Identifier: MIT */
#include "format/onnx_reader.h"

#include <stdarg.h>
#include <stdio.h>

enum { CHUNK = 8 << 10 };

/* ---- Texts ---- */

bool weir__text_is(weir__text text, const char *word)
{
    return text.size == strlen(word) && !memcmp(text.bytes, word, text.size);
}

bool weir__text_equal(weir__text a, weir__text b)
{
    return a.size == b.size && (!a.size || !memcmp(a.bytes, b.bytes, a.size));
}

const char *weir__text_show(char room[WEIR__SHOWN], weir__text text)
{
    size_t n = text.size < WEIR__SHOWN ? text.size : WEIR__SHOWN - 1;
    for (size_t i = 0; i < n; i++)
        room[i] = text.bytes[i];
    for (size_t i = 0; i < n; i++)
        if (room[i] < ' ' || room[i] > '~')
            room[i] = '?';
    room[n] = 0;
    return room;
}

/* ---- The wire ---- */

weir__walk weir__walk_over(weir__text message)
{
    return (weir__walk){.stream = pb_istream_from_buffer((const pb_byte_t *)message.bytes, message.size), .message = message};
}

static bool read_string(weir__walk *w, weir__field *f)
{
    uint64_t size;
    if (!pb_decode_varint(&w->stream, &size) || size > w->stream.bytes_left)
        return false;
    f->bytes = (weir__text){w->message.bytes + (w->message.size - w->stream.bytes_left), (size_t)size};
    return pb_read(&w->stream, NULL, (size_t)size);
}

static bool read_fixed32(pb_istream_t *stream, uint64_t *bits)
{
    uint32_t word;
    bool good = pb_decode_fixed32(stream, &word);
    *bits = good ? word : 0;
    return good;
}

static bool read_payload(weir__walk *w, weir__field *f)
{
    switch (f->wire) {
    case PB_WT_VARINT:
        return pb_decode_varint(&w->stream, &f->number);
    case PB_WT_64BIT:
        return pb_decode_fixed64(&w->stream, &f->number);
    case PB_WT_32BIT:
        return read_fixed32(&w->stream, &f->number);
    case PB_WT_STRING:
        return read_string(w, f);
    default:
        return false;
    }
}

bool weir__next_field(weir__walk *w, weir__field *f)
{
    bool end;
    *f = (weir__field){.tag = 0};
    if (!pb_decode_tag(&w->stream, &f->wire, &f->tag, &end)) {
        w->broken = w->stream.bytes_left != 0 || !end;
        return false;
    }
    w->broken = !f->tag || !read_payload(w, f);
    return !w->broken;
}

weir__numbers weir__numbers_of(weir__text message, uint32_t tag, pb_wire_type_t wire)
{
    return (weir__numbers){.fields = weir__walk_over(message), .tag = tag, .wire = wire, .packed = pb_istream_from_buffer(NULL, 0)};
}

static bool read_packed(pb_istream_t *packed, pb_wire_type_t wire, uint64_t *bits)
{
    return wire == PB_WT_VARINT ? pb_decode_varint(packed, bits)
           : wire == PB_WT_64BIT ? pb_decode_fixed64(packed, bits)
                                 : read_fixed32(packed, bits);
}

bool weir__next_number(weir__numbers *n, uint64_t *bits)
{
    weir__field f;
    while (!n->packed.bytes_left && weir__next_field(&n->fields, &f)) {
        if (f.tag != n->tag)
            continue;
        if (f.wire == n->wire) {
            *bits = f.number;
            return true;
        }
        n->packed = pb_istream_from_buffer((const pb_byte_t *)f.bytes.bytes, f.bytes.size);
    }
    return n->packed.bytes_left && read_packed(&n->packed, n->wire, bits);
}

/* ---- Messages: their fields ---- */

weir_status weir__reader_refuse(const weir__reader *r, weir__text where, weir_status status, const char *format, ...)
{
    char sentence[sizeof r->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return weir__fail_at(r->err, status, (size_t)(where.bytes - r->graph->file.bytes), "%s", sentence);
}

const weir__rule *weir__find_rule(const weir__message_kind *kind, uint32_t tag)
{
    for (size_t i = 0; i < kind->count; i++)
        if (kind->rules[i].tag == tag)
            return &kind->rules[i];
    return NULL;
}

/* How many numbers a packed field has; false if it is broken. */
static bool count_packed(const weir__field *f, pb_wire_type_t wire, uint32_t *count)
{
    pb_istream_t packed = pb_istream_from_buffer((const pb_byte_t *)f->bytes.bytes, f->bytes.size);
    uint64_t bits;
    size_t width = wire == PB_WT_64BIT ? 8 : 4;
    if (wire != PB_WT_VARINT) {
        *count += (uint32_t)(f->bytes.size / width);
        return f->bytes.size % width == 0;
    }
    for (; packed.bytes_left; ++*count)
        if (!pb_decode_varint(&packed, &bits))
            return false;
    return true;
}

weir_status weir__check_fields(const weir__reader *r, const weir__message_kind *kind, weir__text message, uint32_t counts[WEIR__TAGS])
{
    weir__field f;
    weir__walk w = weir__walk_over(message);
    memset(counts, 0, WEIR__TAGS * sizeof *counts);
    while (weir__next_field(&w, &f)) {
        const weir__rule *known = weir__find_rule(kind, f.tag);
        if (!known)
            continue;
        bool packed = known->many && known->wire != PB_WT_STRING && f.wire == PB_WT_STRING;
        if (packed ? !count_packed(&f, known->wire, &counts[f.tag]) : f.wire != known->wire)
            return weir__reader_refuse(r, message, WEIR_E_FORMAT, "the field %s of a message of %s is not encoded as it must be", known->name,
                                       kind->name);
        if (!packed && counts[f.tag]++ && !known->many)
            return weir__reader_refuse(r, message, WEIR_E_FORMAT, "the field %s of a message of %s is there twice", known->name, kind->name);
    }
    if (w.broken)
        return weir__reader_refuse(r, message, WEIR_E_FORMAT, "a message of %s ends inside a field, or is none: the file is cut off or damaged",
                                   kind->name);
    return WEIR_OK;
}

weir__text weir__onnx_property(const weir__onnx *graph, const char *key)
{
    enum { MODEL_PROPERTY = 14, PROPERTY_KEY = 1, PROPERTY_VALUE = 2 };
    weir__walk model = weir__walk_over(graph->file);
    for (weir__field entry; weir__next_field(&model, &entry);) {
        weir__text name = {"", 0}, value = {"", 0};
        weir__walk property = weir__walk_over(entry.bytes);
        for (weir__field f; entry.tag == MODEL_PROPERTY && weir__next_field(&property, &f);)
            *(f.tag == PROPERTY_KEY ? &name : &value) = f.bytes;
        if (entry.tag == MODEL_PROPERTY && weir__text_is(name, key))
            return value;
    }
    return (weir__text){NULL, 0};
}

/* ---- Memory ---- */

struct weir__onnx_chunk {
    struct weir__onnx_chunk *next;
    size_t size, used; /* bytes, this header included */
};

static size_t chunk_header(void)
{
    return weir__round_up(sizeof(struct weir__onnx_chunk), 16);
}

static weir_status add_chunk(const weir__reader *r, size_t bytes)
{
    weir__onnx *g = r->graph;
    size_t size = chunk_header() + bytes;
    if (size < CHUNK && CHUNK <= g->room)
        size = CHUNK;
    if (bytes >= WEIR__ONNX_FILE_LIMIT || size > g->room)
        return weir__fail(r->err, WEIR_E_UNSUPPORTED, "the graph's nodes and names need more memory than the file's %zu bytes and %d KiB; "
                          "it has too many for a file of its size", g->file.size, WEIR__ONNX_SPARE >> 10);
    struct weir__onnx_chunk *chunk = weir__alloc(&g->allocator, size);
    if (!chunk)
        return weir__fail(r->err, WEIR_E_NOMEM, "no memory for the graph of an ONNX file");
    *chunk = (struct weir__onnx_chunk){g->chunks, size, chunk_header()};
    g->chunks = chunk;
    g->room -= size;
    return WEIR_OK;
}

weir_status weir__reader_take(const weir__reader *r, size_t n, size_t size, void *out)
{
    weir__onnx *g = r->graph;
    size_t bytes;
    bytes = weir__size_mul(&bytes, n, size) && bytes < WEIR__ONNX_FILE_LIMIT ? weir__round_up(bytes, 8) : WEIR__ONNX_FILE_LIMIT;
    if (!g->chunks || g->chunks->size - g->chunks->used < bytes)
        TRY(add_chunk(r, bytes));
    void *place = (char *)g->chunks + g->chunks->used;
    g->chunks->used += bytes;
    memcpy(out, &place, sizeof place);
    return WEIR_OK;
}

void *weir__onnx_take(weir__onnx *graph, size_t bytes)
{
    void *place = NULL;
    weir_status status = weir__reader_take(&(weir__reader){.graph = graph}, 1, bytes, &place);
    if (status)
        graph->lack = status;
    return place;
}

weir_status weir__onnx_lacks(const weir__onnx *graph, weir_error *err)
{
    if (graph->lack == WEIR_E_NOMEM)
        return weir__fail(err, WEIR_E_NOMEM, "no memory to make a model of an ONNX file");
    return weir__fail(err, WEIR_E_UNSUPPORTED, "to make a model of the graph takes more memory than there may be for a file of %zu bytes; "
                      "layers that share weights and large tables of tokens are not unfolded; weir run can run the file as it is", graph->file.size);
}

void weir__onnx_close(weir__onnx *graph)
{
    for (struct weir__onnx_chunk *chunk = graph->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        weir__free(&graph->allocator, chunk, chunk->size);
    }
    graph->chunks = NULL;
}
