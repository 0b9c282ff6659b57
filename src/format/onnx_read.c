/* The reader of ONNX files: attributes, values and their names, nodes, the graph.
 * SPDX-License-Identifier: MIT */
#include "format/onnx_reader.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- Messages ---- */

enum { MODEL_IR = 1, MODEL_GRAPH = 7, MODEL_OPSETS = 8 };
WEIR__MESSAGE(model_kind, "model", {MODEL_IR, PB_WT_VARINT, false, "ir_version"}, {MODEL_GRAPH, PB_WT_STRING, false, "graph"},
     {MODEL_OPSETS, PB_WT_STRING, true, "opset_import"})

enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
WEIR__MESSAGE(opset_import_kind, "opset_import", {OPSET_DOMAIN, PB_WT_STRING, false, "domain"}, {OPSET_VERSION, PB_WT_VARINT, false, "version"})

enum { GRAPH_NODES = 1, GRAPH_TENSORS = 5, GRAPH_INPUTS = 11, GRAPH_OUTPUTS = 12, GRAPH_SPARSE = 15 };
WEIR__MESSAGE(graph_kind, "graph", {GRAPH_NODES, PB_WT_STRING, true, "node"}, {GRAPH_TENSORS, PB_WT_STRING, true, "initializer"},
              {GRAPH_INPUTS, PB_WT_STRING, true, "input"}, {GRAPH_OUTPUTS, PB_WT_STRING, true, "output"},
              {GRAPH_SPARSE, PB_WT_STRING, true, "sparse_initializer"})

enum { NODE_INPUTS = 1, NODE_OUTPUTS = 2, NODE_NAME = 3, NODE_TYPE = 4, NODE_ATTRIBUTES = 5, NODE_DOMAIN = 7 };
WEIR__MESSAGE(node_kind, "node", {NODE_INPUTS, PB_WT_STRING, true, "input"}, {NODE_OUTPUTS, PB_WT_STRING, true, "output"},
              {NODE_NAME, PB_WT_STRING, false, "name"}, {NODE_TYPE, PB_WT_STRING, false, "op_type"},
              {NODE_ATTRIBUTES, PB_WT_STRING, true, "attribute"}, {NODE_DOMAIN, PB_WT_STRING, false, "domain"})

enum {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F = 2,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_S = 4,
    ATTRIBUTE_T = 5,
    ATTRIBUTE_G = 6,
    ATTRIBUTE_FLOATS = 7,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_STRINGS = 9,
    ATTRIBUTE_TENSORS = 10,
    ATTRIBUTE_GRAPHS = 11,
    ATTRIBUTE_TP = 14,
    ATTRIBUTE_TYPES = 15,
    ATTRIBUTE_KIND = 20,
    ATTRIBUTE_REFERENCE = 21,
    ATTRIBUTE_SPARSE = 22,
    ATTRIBUTE_SPARSES = 23
};
WEIR__MESSAGE(attribute_kind, "attribute", {ATTRIBUTE_NAME, PB_WT_STRING, false, "name"}, {ATTRIBUTE_F, PB_WT_32BIT, false, "f"},
              {ATTRIBUTE_I, PB_WT_VARINT, false, "i"}, {ATTRIBUTE_S, PB_WT_STRING, false, "s"}, {ATTRIBUTE_T, PB_WT_STRING, false, "t"},
              {ATTRIBUTE_FLOATS, PB_WT_32BIT, true, "floats"}, {ATTRIBUTE_INTS, PB_WT_VARINT, true, "ints"},
              {ATTRIBUTE_STRINGS, PB_WT_STRING, true, "strings"}, {ATTRIBUTE_KIND, PB_WT_VARINT, false, "type"},
              {ATTRIBUTE_REFERENCE, PB_WT_STRING, false, "ref_attr_name"}, {ATTRIBUTE_G, PB_WT_STRING, false, "g"},
              {ATTRIBUTE_TENSORS, PB_WT_STRING, true, "tensors"}, {ATTRIBUTE_GRAPHS, PB_WT_STRING, true, "graphs"},
              {ATTRIBUTE_TP, PB_WT_STRING, false, "tp"}, {ATTRIBUTE_TYPES, PB_WT_STRING, true, "type_protos"},
              {ATTRIBUTE_SPARSE, PB_WT_STRING, false, "sparse_tensor"}, {ATTRIBUTE_SPARSES, PB_WT_STRING, true, "sparse_tensors"})

enum { PORT_NAME = 1, PORT_TYPE = 2 };
WEIR__MESSAGE(value_info_kind, "value_info", {PORT_NAME, PB_WT_STRING, false, "name"}, {PORT_TYPE, PB_WT_STRING, false, "type"})

enum { TYPE_TENSOR = 1, TYPE_SEQUENCE = 4, TYPE_MAP = 5, TYPE_OPAQUE = 7, TYPE_SPARSE = 8, TYPE_OPTIONAL = 9 };
WEIR__MESSAGE(type_kind, "type", {TYPE_TENSOR, PB_WT_STRING, false, "tensor_type"}, {TYPE_SEQUENCE, PB_WT_STRING, false, "sequence_type"},
              {TYPE_MAP, PB_WT_STRING, false, "map_type"}, {TYPE_OPAQUE, PB_WT_STRING, false, "opaque_type"},
              {TYPE_SPARSE, PB_WT_STRING, false, "sparse_tensor_type"}, {TYPE_OPTIONAL, PB_WT_STRING, false, "optional_type"})

enum { TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2 };
WEIR__MESSAGE(tensor_type_kind, "tensor_type", {TENSOR_TYPE_ELEMENT, PB_WT_VARINT, false, "elem_type"},
              {TENSOR_TYPE_SHAPE, PB_WT_STRING, false, "shape"})

enum { SHAPE_DIMS = 1 };
WEIR__MESSAGE(shape_kind, "shape", {SHAPE_DIMS, PB_WT_STRING, true, "dim"})

enum { DIM_VALUE = 1 };
WEIR__MESSAGE(dim_kind, "dim", {DIM_VALUE, PB_WT_VARINT, false, "dim_value"})

/* ---- Attributes ---- */

/* AttributeProto.AttributeType, and the field that holds each. */
static const uint8_t field_of_kind[] = {
    0, ATTRIBUTE_F, ATTRIBUTE_I, ATTRIBUTE_S, ATTRIBUTE_T, ATTRIBUTE_G, ATTRIBUTE_FLOATS, ATTRIBUTE_INTS, ATTRIBUTE_STRINGS, ATTRIBUTE_TENSORS,
    ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES, ATTRIBUTE_TP, ATTRIBUTE_TYPES};
enum { KINDS = sizeof field_of_kind, ATTRIBUTES = 64 };

static weir_status refuse_attribute(const weir__reader *r, const weir__onnx_node *node, const weir__onnx_attribute *a, const char *why)
{
    char label[WEIR__SHOWN];
    return weir__onnx_refuse(r->graph, node, WEIR_E_FORMAT, r->err, "has the attribute %s, which %s", weir__text_show(label, a->name), why);
}

/* Finds which kind it is, and wants no value of another one. Old files do not say; then its value tells. */
static weir_status find_kind(const weir__reader *r, const weir__onnx_node *node, weir__onnx_attribute *a, uint64_t said,
                             const uint32_t counts[WEIR__TAGS])
{
    uint64_t kind = said;
    if (kind >= KINDS)
        return refuse_attribute(r, node, a, "is of no known type");
    for (uint32_t k = 1; k < KINDS; k++)
        if (counts[field_of_kind[k]]) {
            if (!said && !kind)
                kind = k;
            if (kind != k)
                return refuse_attribute(r, node, a, "has a value that is not of its type");
        }
    bool known = kind == WEIR__ONNX_FLOAT || kind == WEIR__ONNX_INT || kind == WEIR__ONNX_STRING || kind == WEIR__ONNX_TENSOR ||
                 kind == WEIR__ONNX_FLOATS || kind == WEIR__ONNX_INTS || kind == WEIR__ONNX_STRINGS;
    a->kind = known ? (weir__onnx_kind)kind : WEIR__ONNX_OTHER;
    a->count = known ? counts[field_of_kind[kind]] : 0;
    if (a->kind == WEIR__ONNX_TENSOR && !a->count)
        return refuse_attribute(r, node, a, "lacks its tensor");
    return WEIR_OK;
}

static weir_status read_floats(const weir__reader *r, weir__onnx_attribute *a, weir__text message)
{
    float *list;
    TRY(weir__reader_take(r, a->count, sizeof *list, &list));
    a->is.floats = list;
    weir__numbers n = weir__numbers_of(message, ATTRIBUTE_FLOATS, PB_WT_32BIT);
    for (uint64_t bits; weir__next_number(&n, &bits);)
        *list++ = weir__float_of_bits((uint32_t)bits);
    return WEIR_OK;
}

static weir_status read_ints(const weir__reader *r, weir__onnx_attribute *a, weir__text message)
{
    int64_t *list;
    TRY(weir__reader_take(r, a->count, sizeof *list, &list));
    a->is.ints = list;
    weir__numbers n = weir__numbers_of(message, ATTRIBUTE_INTS, PB_WT_VARINT);
    for (uint64_t bits; weir__next_number(&n, &bits);)
        *list++ = (int64_t)bits;
    return WEIR_OK;
}

static weir_status read_strings(const weir__reader *r, weir__onnx_attribute *a, weir__text message)
{
    weir__text *list;
    TRY(weir__reader_take(r, a->count, sizeof *list, &list));
    a->is.strings = list;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == ATTRIBUTE_STRINGS)
            *list++ = f.bytes;
    return WEIR_OK;
}

static weir_status read_attribute_tensor(const weir__reader *r, weir__onnx_attribute *a, weir__text message)
{
    weir__onnx_tensor *t;
    TRY(weir__reader_take(r, 1, sizeof *t, &t));
    a->is.tensor = t;
    return weir__read_tensor(r, t, message);
}

static weir_status read_attribute_value(const weir__reader *r, weir__onnx_attribute *a, weir__text message)
{
    if (a->kind == WEIR__ONNX_FLOATS)
        return read_floats(r, a, message);
    if (a->kind == WEIR__ONNX_INTS)
        return read_ints(r, a, message);
    if (a->kind == WEIR__ONNX_STRINGS)
        return read_strings(r, a, message);
    if (a->kind == WEIR__ONNX_STRING)
        a->is.s = (weir__text){message.bytes, 0};
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (a->kind != WEIR__ONNX_OTHER && f.tag == field_of_kind[a->kind])
            switch (a->kind) {
            case WEIR__ONNX_FLOAT: a->is.f = weir__float_of_bits((uint32_t)f.number); break;
            case WEIR__ONNX_INT: a->is.i = (int64_t)f.number; break;
            case WEIR__ONNX_STRING: a->is.s = f.bytes; break;
            default: return read_attribute_tensor(r, a, f.bytes);
            }
    return WEIR_OK;
}

static weir_status read_attribute(const weir__reader *r, const weir__onnx_node *node, weir__onnx_attribute *a, weir__text message)
{
    uint32_t counts[WEIR__TAGS];
    uint64_t kind = 0;
    a->name = (weir__text){message.bytes, 0};
    TRY(weir__check_fields(r, &attribute_kind, message, counts));
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == ATTRIBUTE_NAME)
            a->name = f.bytes;
        else if (f.tag == ATTRIBUTE_KIND)
            kind = f.number;
    if (!a->name.size)
        return refuse_attribute(r, node, a, "has no name");
    if (counts[ATTRIBUTE_REFERENCE])
        return refuse_attribute(r, node, a, "refers to a function's attribute, but stands in no function");
    for (const weir__onnx_attribute *other = node->attributes; other < a; other++)
        if (weir__text_equal(other->name, a->name))
            return refuse_attribute(r, node, a, "is there twice");
    TRY(find_kind(r, node, a, kind, counts));
    return read_attribute_value(r, a, message);
}

/* ---- Ports ---- */

static weir_status read_dim(const weir__reader *r, int64_t *size, weir__text message, const char *label)
{
    uint32_t counts[WEIR__TAGS];
    TRY(weir__check_fields(r, &dim_kind, message, counts));
    weir__walk w = weir__walk_over(message);
    *size = -1;
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == DIM_VALUE) {
            *size = (int64_t)f.number;
            if (*size < 0)
                return weir__reader_refuse(r, message, WEIR_E_FORMAT, "%s has a dimension of %lld; it must not be negative", label, (long long)*size);
        }
    return WEIR_OK;
}

static weir_status read_shape(const weir__reader *r, weir__onnx_port *port, weir__text message, const char *label)
{
    uint32_t counts[WEIR__TAGS];
    TRY(weir__check_fields(r, &shape_kind, message, counts));
    if (counts[SHAPE_DIMS] > WEIR__ONNX_RANK)
        return weir__reader_refuse(r, message, WEIR_E_UNSUPPORTED, "%s has %u dimensions; at most %d can be read", label,
                                   (unsigned)counts[SHAPE_DIMS], WEIR__ONNX_RANK);
    int64_t *dims;
    TRY(weir__reader_take(r, counts[SHAPE_DIMS], sizeof *dims, &dims));
    port->dims = dims;
    port->rank = (int32_t)counts[SHAPE_DIMS];
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == SHAPE_DIMS)
            TRY(read_dim(r, dims++, f.bytes, label));
    return WEIR_OK;
}

static weir_status read_tensor_type(const weir__reader *r, weir__onnx_port *port, weir__text message, const char *label)
{
    uint32_t counts[WEIR__TAGS];
    TRY(weir__check_fields(r, &tensor_type_kind, message, counts));
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == TENSOR_TYPE_SHAPE) {
            TRY(read_shape(r, port, f.bytes, label));
        } else if (f.tag == TENSOR_TYPE_ELEMENT && f.number) {
            port->type = weir__onnx_known_type(f.number);
            if (!port->type)
                return weir__reader_refuse(r, message, WEIR_E_UNSUPPORTED,
                              "%s has numbers of type %lld; float32, float64, float16, bfloat16, int32, int64 and bool can be read", label,
                              (long long)f.number);
        }
    return WEIR_OK;
}

static weir_status read_type(const weir__reader *r, weir__onnx_port *port, weir__text message, const char *label)
{
    uint32_t counts[WEIR__TAGS];
    TRY(weir__check_fields(r, &type_kind, message, counts));
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == TYPE_TENSOR)
            TRY(read_tensor_type(r, port, f.bytes, label));
        else if (weir__find_rule(&type_kind, f.tag))
            return weir__reader_refuse(r, message, WEIR_E_UNSUPPORTED, "%s is a %s; only tensors can be read", label,
                                       weir__find_rule(&type_kind, f.tag)->name);
    return WEIR_OK;
}

/* Reads the declaration of an input or output; its name goes to *name. */
static weir_status read_port(const weir__reader *r, weir__onnx_port *port, weir__text *name, const char *what, weir__text message)
{
    uint32_t counts[WEIR__TAGS];
    weir__text of_type = {NULL, 0};
    *port = (weir__onnx_port){.value = WEIR__ONNX_NONE, .rank = WEIR__ONNX_NONE};
    *name = (weir__text){message.bytes, 0};
    TRY(weir__check_fields(r, &value_info_kind, message, counts));
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == PORT_NAME)
            *name = f.bytes;
        else if (f.tag == PORT_TYPE)
            of_type = f.bytes;
    char shown[WEIR__SHOWN], label[WEIR__SHOWN + 16];
    snprintf(label, sizeof label, "%s %s", what, weir__text_show(shown, *name));
    if (!name->size)
        return weir__reader_refuse(r, message, WEIR_E_FORMAT, "an %s of the graph has no name", what);
    return of_type.bytes ? read_type(r, port, of_type, label) : WEIR_OK;
}

/* ---- Values and their names ---- */

static int compare_names(const weir__reader *r, uint32_t a, uint32_t b)
{
    weir__text x = r->values[a].name, y = r->values[b].name;
    size_t n = x.size < y.size ? x.size : y.size;
    int order = n ? memcmp(x.bytes, y.bytes, n) : 0;
    return order ? order : (x.size > y.size) - (x.size < y.size);
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t other = *a;
    *a = *b;
    *b = other;
}

/* Ties go by the values' order. */
static bool is_before(const weir__reader *r, uint32_t a, uint32_t b)
{
    int order = compare_names(r, a, b);
    return order ? order < 0 : a < b;
}

static void sift_down(const weir__reader *r, size_t root, size_t count)
{
    uint32_t *heap = r->order;
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && is_before(r, heap[child], heap[child + 1]))
            child++;
        if (!is_before(r, heap[root], heap[child]))
            return;
        swap(&heap[root], &heap[child]);
    }
}

/* A heap sort: its time and memory do not depend on what the names are. */
static void sort_names(const weir__reader *r)
{
    size_t count = r->graph->value_count;
    for (size_t i = 0; i < count; i++)
        r->order[i] = (uint32_t)i;
    for (size_t i = count / 2; i-- > 0;)
        sift_down(r, i, count);
    for (size_t last = count; last-- > 1;) {
        swap(&r->order[0], &r->order[last]);
        sift_down(r, 0, last);
    }
}

static int32_t find_value(const weir__reader *r, weir__text name)
{
    size_t low = 0, high = r->graph->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        weir__text here = r->values[r->order[middle]].name;
        size_t n = here.size < name.size ? here.size : name.size;
        int order = n ? memcmp(here.bytes, name.bytes, n) : 0;
        if (!order && here.size == name.size)
            return (int32_t)r->order[middle];
        if (order < 0 || (!order && here.size < name.size))
            low = middle + 1;
        else
            high = middle;
    }
    return WEIR__ONNX_NONE;
}

static weir__onnx_value *add_value(const weir__reader *r, weir__text name)
{
    weir__onnx_value *v = &r->values[r->graph->value_count++];
    *v = (weir__onnx_value){.name = name, .producer = WEIR__ONNX_NONE, .input = WEIR__ONNX_NONE, .tensor = WEIR__ONNX_NONE};
    return v;
}

/* Takes out the values without a name. */
static void close_ranks(const weir__reader *r)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->graph->value_count; i++)
        if (r->values[i].name.size)
            r->values[kept++] = r->values[i];
    if (kept < r->graph->value_count) {
        r->graph->value_count = kept;
        sort_names(r);
    }
}

/* Each name may be given once; only an input's default has the name of the input. */
static weir_status join_names(const weir__reader *r)
{
    sort_names(r);
    for (size_t i = 1; i < r->graph->value_count; i++) {
        weir__onnx_value *first = &r->values[r->order[i - 1]], *second = &r->values[r->order[i]];
        char label[WEIR__SHOWN];
        if (compare_names(r, r->order[i - 1], r->order[i]))
            continue;
        if (first->input == WEIR__ONNX_NONE || first->tensor != WEIR__ONNX_NONE || second->tensor == WEIR__ONNX_NONE)
            return weir__reader_refuse(r, second->name, WEIR_E_FORMAT, "the name %s is given to two values; each must have its own",
                          weir__text_show(label, second->name));
        first->tensor = second->tensor;
        r->order[i] = r->order[i - 1];
        second->name.size = 0;
    }
    close_ranks(r);
    return WEIR_OK;
}

/* ---- Nodes ---- */

/* Lists the values that the outputs of node `index` make. */
static void add_outputs(const weir__reader *r, int32_t index, weir__text message)
{
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == NODE_OUTPUTS && f.bytes.size)
            add_value(r, f.bytes)->producer = index;
}

static weir_status find_input(const weir__reader *r, const weir__onnx_node *node, weir__text name, int32_t *value)
{
    char label[WEIR__SHOWN];
    int32_t index = (int32_t)(node - r->nodes);
    *value = name.size ? find_value(r, name) : WEIR__ONNX_NONE;
    if (!name.size)
        return WEIR_OK;
    weir__text_show(label, name);
    if (*value == WEIR__ONNX_NONE)
        return weir__onnx_refuse(r->graph, node, WEIR_E_FORMAT, r->err, "needs the value %s, which nothing in the graph gives", label);
    if (r->values[*value].producer < index)
        return WEIR_OK;
    return weir__onnx_refuse(r->graph, node, WEIR_E_FORMAT, r->err,
                             r->values[*value].producer == index
                                 ? "needs the value %s, which it makes itself"
                                 : "needs the value %s, which only a later node makes: the nodes are out of order or go in a circle",
                             label);
}

static void read_node_words(weir__onnx_node *node, weir__text message)
{
    node->name = node->type = node->domain = (weir__text){message.bytes, 0};
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        switch (f.tag) {
        case NODE_NAME: node->name = f.bytes; break;
        case NODE_TYPE: node->type = f.bytes; break;
        case NODE_DOMAIN: node->domain = f.bytes; break;
        default: break;
        }
    if (weir__text_is(node->domain, "ai.onnx"))
        node->domain.size = 0;
}

static weir_status read_node(const weir__reader *r, weir__onnx_node *node, weir__text message)
{
    int32_t *inputs, *outputs;
    weir__onnx_attribute *attributes;
    if (!node->type.size)
        return weir__onnx_refuse(r->graph, node, WEIR_E_FORMAT, r->err, "has no operator");
    if (node->attribute_count > ATTRIBUTES)
        return weir__onnx_refuse(r->graph, node, WEIR_E_UNSUPPORTED, r->err, "has %u attributes; at most %d can be read",
                                 (unsigned)node->attribute_count, ATTRIBUTES);
    TRY(weir__reader_take(r, node->input_count, sizeof *inputs, &inputs));
    TRY(weir__reader_take(r, node->output_count, sizeof *outputs, &outputs));
    TRY(weir__reader_take(r, node->attribute_count, sizeof *attributes, &attributes));
    node->inputs = inputs;
    node->outputs = outputs;
    node->attributes = attributes;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == NODE_INPUTS)
            TRY(find_input(r, node, f.bytes, inputs++));
        else if (f.tag == NODE_OUTPUTS)
            *outputs++ = f.bytes.size ? find_value(r, f.bytes) : WEIR__ONNX_NONE;
        else if (f.tag == NODE_ATTRIBUTES)
            TRY(read_attribute(r, node, attributes++, f.bytes));
    return WEIR_OK;
}

/* ---- Graph ---- */

/* Nodes are in order, so one pass from the last to the first finds what the outputs need. */
static void mark_used(const weir__reader *r)
{
    const weir__onnx *g = r->graph;
    for (uint32_t i = 0; i < g->output_count; i++)
        r->values[g->outputs[i].value].uses++;
    for (uint32_t k = g->node_count; k-- > 0;) {
        weir__onnx_node *node = &r->nodes[k];
        for (uint32_t i = 0; i < node->output_count; i++)
            node->used = node->used || (node->outputs[i] != WEIR__ONNX_NONE && r->values[node->outputs[i]].uses);
        for (uint32_t i = 0; node->used && i < node->input_count; i++)
            if (node->inputs[i] != WEIR__ONNX_NONE)
                r->values[node->inputs[i]].uses++;
    }
}

static weir_status read_inputs(const weir__reader *r, weir__text message)
{
    weir__onnx *g = r->graph;
    weir__onnx_port *port;
    int32_t index = 0;
    TRY(weir__reader_take(r, g->input_count, sizeof *port, &port));
    g->inputs = port;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);) {
        weir__text name;
        if (f.tag != GRAPH_INPUTS)
            continue;
        TRY(read_port(r, port, &name, "input", f.bytes));
        port++->value = index;
        add_value(r, name)->input = index++;
    }
    return WEIR_OK;
}

static weir_status read_initializers(const weir__reader *r, weir__text message)
{
    weir__onnx_tensor *t = r->tensors;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);) {
        if (f.tag != GRAPH_TENSORS)
            continue;
        TRY(weir__read_tensor(r, t, f.bytes));
        if (!t->name.size)
            return weir__reader_refuse(r, f.bytes, WEIR_E_FORMAT, "an initializer has no name");
        add_value(r, t->name)->tensor = (int32_t)(t - r->tensors);
        t++;
    }
    return WEIR_OK;
}

static weir_status read_outputs(const weir__reader *r, weir__text message)
{
    weir__onnx *g = r->graph;
    weir__onnx_port *port;
    char label[WEIR__SHOWN];
    TRY(weir__reader_take(r, g->output_count, sizeof *port, &port));
    g->outputs = port;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);) {
        weir__text name;
        if (f.tag != GRAPH_OUTPUTS)
            continue;
        TRY(read_port(r, port, &name, "output", f.bytes));
        weir__text_show(label, name);
        port->value = find_value(r, name);
        if (port->value == WEIR__ONNX_NONE)
            return weir__reader_refuse(r, f.bytes, WEIR_E_FORMAT, "the output %s of the graph is made by nothing in it", label);
        if (r->values[port->value].uses++)
            return weir__reader_refuse(r, f.bytes, WEIR_E_FORMAT, "the output %s of the graph is there twice", label);
        port++;
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        r->values[g->outputs[i].value].uses = 0;
    return WEIR_OK;
}

/* Counts what the nodes have, and all values. */
static weir_status count_nodes(const weir__reader *r, weir__text message, uint32_t *values)
{
    weir__onnx_node *node = r->nodes;
    uint32_t counts[WEIR__TAGS];
    *values = r->graph->input_count + r->graph->tensor_count;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);) {
        if (f.tag != GRAPH_NODES)
            continue;
        TRY(weir__check_fields(r, &node_kind, f.bytes, counts));
        *node =
            (weir__onnx_node){.input_count = counts[NODE_INPUTS], .output_count = counts[NODE_OUTPUTS], .attribute_count = counts[NODE_ATTRIBUTES]};
        read_node_words(node++, f.bytes);
        *values += counts[NODE_OUTPUTS];
    }
    return WEIR_OK;
}

static void list_outputs(const weir__reader *r, weir__text message)
{
    int32_t index = 0;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == GRAPH_NODES)
            add_outputs(r, index++, f.bytes);
}

static weir_status read_nodes(const weir__reader *r, weir__text message)
{
    weir__onnx_node *node = r->nodes;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == GRAPH_NODES)
            TRY(read_node(r, node++, f.bytes));
    return WEIR_OK;
}

static weir_status read_graph(weir__reader *r, weir__text message)
{
    weir__onnx *g = r->graph;
    uint32_t counts[WEIR__TAGS], values;
    TRY(weir__check_fields(r, &graph_kind, message, counts));
    if (counts[GRAPH_SPARSE])
        return weir__reader_refuse(r, message, WEIR_E_UNSUPPORTED, "the graph has sparse initializers; save them as plain tensors");
    if (!counts[GRAPH_OUTPUTS])
        return weir__reader_refuse(r, message, WEIR_E_FORMAT, "the graph has no output");
    g->node_count = counts[GRAPH_NODES];
    g->tensor_count = counts[GRAPH_TENSORS];
    g->input_count = counts[GRAPH_INPUTS];
    g->output_count = counts[GRAPH_OUTPUTS];
    TRY(weir__reader_take(r, g->node_count, sizeof *r->nodes, &r->nodes));
    TRY(weir__reader_take(r, g->tensor_count, sizeof *r->tensors, &r->tensors));
    g->nodes = r->nodes;
    g->tensors = r->tensors;
    TRY(count_nodes(r, message, &values));
    TRY(weir__reader_take(r, values, sizeof *r->values, &r->values));
    TRY(weir__reader_take(r, values, sizeof *r->order, &r->order));
    g->values = r->values;
    TRY(read_inputs(r, message));
    TRY(read_initializers(r, message));
    list_outputs(r, message);
    TRY(join_names(r));
    TRY(read_nodes(r, message));
    TRY(read_outputs(r, message));
    mark_used(r);
    return WEIR_OK;
}

/* ---- Model ---- */

static weir_status read_opset(const weir__reader *r, weir__text message, bool *found)
{
    uint32_t counts[WEIR__TAGS];
    weir__text domain = {message.bytes, 0};
    int64_t version = 0;
    TRY(weir__check_fields(r, &opset_import_kind, message, counts));
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == OPSET_DOMAIN)
            domain = f.bytes;
        else if (f.tag == OPSET_VERSION)
            version = (int64_t)f.number;
    if (domain.size && !weir__text_is(domain, "ai.onnx"))
        return WEIR_OK;
    if (*found)
        return weir__reader_refuse(r, message, WEIR_E_FORMAT, "the file imports ONNX's operators twice");
    if (version < 1)
        return weir__reader_refuse(r, message, WEIR_E_FORMAT, "the file imports version %lld of ONNX's operators; versions begin with 1",
                                   (long long)version);
    r->graph->opset = version;
    *found = true;
    return WEIR_OK;
}

static weir_status read_model(weir__reader *r)
{
    uint32_t counts[WEIR__TAGS];
    int64_t ir = 0;
    weir__text body = {NULL, 0}, file = r->graph->file;
    bool found = false;
    TRY(weir__check_fields(r, &model_kind, file, counts));
    weir__walk w = weir__walk_over(file);
    for (weir__field f; weir__next_field(&w, &f);)
        if (f.tag == MODEL_IR)
            ir = (int64_t)f.number;
        else if (f.tag == MODEL_GRAPH)
            body = f.bytes;
        else if (f.tag == MODEL_OPSETS)
            TRY(read_opset(r, f.bytes, &found));
    if (ir < 1)
        return weir__reader_refuse(r, file, WEIR_E_FORMAT, "the file has no valid ir_version: not an ONNX model");
    if (!body.bytes)
        return weir__reader_refuse(r, file, WEIR_E_FORMAT, "the file has no graph: not an ONNX model");
    if (!found && ir >= 3)
        return weir__reader_refuse(r, file, WEIR_E_FORMAT, "the file does not say which version of ONNX's operators it uses (opset_import)");
    if (!found)
        r->graph->opset = 1;
    return read_graph(r, body);
}

bool weir__onnx_is(const void *bytes, size_t size)
{
    static const char keys[] = {MODEL_IR << 3, 2 << 3 | 2, 3 << 3 | 2, 4 << 3 | 2, 5 << 3, 6 << 3 | 2, MODEL_GRAPH << 3 | 2, MODEL_OPSETS << 3 | 2};
    const char *c = bytes;
    bool safetensors = size > 8 && c[8] == '{';
    return size && !safetensors && memchr(keys, c[0], sizeof keys);
}

weir_status weir__onnx_open(weir__onnx *g, const void *bytes, size_t size, const weir_allocator *allocator, weir_error *err)
{
    *g = (weir__onnx){.allocator = weir__allocator(allocator), .file = {bytes, size}, .room = size + WEIR__ONNX_SPARE};
    if (!size)
        return weir__fail(err, WEIR_E_FORMAT, "the file is empty");
    if (size > WEIR__ONNX_FILE_LIMIT)
        return weir__fail(err, WEIR_E_FORMAT, "the file has %zu bytes; an ONNX file has at most 2^31 - 1", size);
    weir__reader r = {.graph = g, .err = err};
    TRY(read_model(&r));
    return weir__ok(err);
}

/* ---- For those who use the graph ---- */

const weir__onnx_attribute *weir__onnx_find(const weir__onnx_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->attribute_count; i++)
        if (weir__text_is(node->attributes[i].name, name))
            return &node->attributes[i];
    return NULL;
}

const weir__onnx_tensor *weir__onnx_constant(const weir__onnx *g, int32_t value)
{
    if (value == WEIR__ONNX_NONE || g->values[value].input != WEIR__ONNX_NONE || g->values[value].tensor == WEIR__ONNX_NONE)
        return NULL;
    return &g->tensors[g->values[value].tensor];
}

weir_status weir__onnx_refuse(const weir__onnx *g, const weir__onnx_node *node, weir_status status, weir_error *err, const char *format, ...)
{
    char sentence[160], name[WEIR__SHOWN], operator[WEIR__SHOWN];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (node->name.size)
        snprintf(name, sizeof name, "%.40s", weir__text_show(operator, node->name));
    else
        snprintf(name, sizeof name, "number %zu", (size_t)(node - g->nodes));
    weir__text_show(operator, node->type);
    return weir__fail_at(err, status, (size_t)(node->type.bytes - g->file.bytes), "node %s (%.30s) %s", name, operator, sentence);
}
