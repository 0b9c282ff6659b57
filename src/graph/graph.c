/* Loading and running: the file's nodes become steps, each checked against its operator's record; what only moves constants is done at once.
 * SPDX-License-Identifier: MIT */
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"

enum {
    LOAD_SPARE = 256 << 10,      /* what a graph keeps is at most what its file's nodes leave of the reader's bound, and this */
    RUN_SPARE = 1 << 30,         /* a run's working memory: this, and RUN_TIMES the bytes of inputs and constants */
    RUN_TIMES = 64,
    LABEL = 112
};

struct kept {
    struct kept *next;
    size_t size;
};

struct weir_graph {
    weir_allocator allocator;
    weir_isa isa;
    struct kept *kept;
    uint32_t slot_count, step_count, input_count, output_count;
    weir__step *steps;
    weir__data **constants; /* of each slot, or NULL; of an input: its default */
    uint32_t *uses;         /* how many steps and outputs read each slot */
    weir_port *inputs, *outputs;
    int32_t *input_slots, *output_slots;
    size_t constant_bytes;
};

/* ---- Elements ---- */

static const struct {
    const char *name;
    size_t size;
    weir__onnx_type type;
} elements[] = {[WEIR_FLOAT32] = {"float32", 4, WEIR__ONNX_F32},
                [WEIR_INT32] = {"int32", 4, WEIR__ONNX_I32},
                [WEIR_INT64] = {"int64", 8, WEIR__ONNX_I64},
                [WEIR_BOOL] = {"bool", 1, WEIR__ONNX_BOOL}};
enum { ELEMENTS = sizeof elements / sizeof *elements };

const char *weir_element_name(weir_element element)
{
    return (size_t)element < ELEMENTS ? elements[element].name : NULL;
}

size_t weir_element_size(weir_element element)
{
    return (size_t)element < ELEMENTS ? elements[element].size : 0;
}

/* WEIR_ELEMENT_ANY for types that do not run. */
static weir_element element_of(weir__onnx_type type)
{
    for (size_t i = 1; i < ELEMENTS; i++)
        if (elements[i].type == type)
            return (weir_element)i;
    return WEIR_ELEMENT_ANY;
}

/* ---- Arrays ---- */

static bool count_of(size_t *count, uint32_t rank, const size_t *dims)
{
    *count = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (!weir__size_mul(count, *count, dims[i]))
            return false;
    return *count <= SIZE_MAX / 16;
}

static size_t header_size(void)
{
    return weir__round_up(sizeof(weir__data), WEIR__ALIGN);
}

/* A new array of zeros; NULL and *refused if it has no room, NULL without memory. */
static weir__data *new_data(const weir_allocator *a, size_t *room, weir_element element, uint32_t rank, const size_t *dims, bool *refused)
{
    size_t count, bytes;
    *refused = !count_of(&count, rank, dims) || !weir__size_add(&bytes, count * weir_element_size(element), header_size()) || bytes > *room;
    weir__data *d = *refused ? NULL : weir__alloc(a, bytes);
    if (!d)
        return NULL;
    *room -= bytes;
    *d = (weir__data){.element = element, .rank = rank, .count = count, .data = (char *)d + header_size(), .size = bytes};
    if (rank)
        memcpy(d->dims, dims, rank * sizeof *dims);
    return d;
}

static void free_data(const weir_allocator *a, weir__data *d)
{
    if (d && d->size)
        weir__free(a, d, d->size);
}

int64_t weir__int_at(const weir__data *d, size_t i)
{
    return d->element == WEIR_INT64   ? ((const int64_t *)d->data)[i]
           : d->element == WEIR_INT32 ? ((const int32_t *)d->data)[i]
                                      : ((const unsigned char *)d->data)[i] != 0;
}

bool weir__axis(int64_t axis, uint32_t rank, uint32_t *out)
{
    int64_t n = rank;
    *out = (uint32_t)(axis < 0 ? axis + n : axis);
    return axis >= -n && axis < n;
}

/* ---- What operators see of a run ---- */

const weir__data *weir__in(const weir__run *r, const weir__step *s, uint32_t k)
{
    return k < s->in_count && s->in[k] != WEIR__ONNX_NONE ? r->slots[s->in[k]] : NULL;
}

bool weir__wants(const weir__step *s, uint32_t k)
{
    return k < s->out_count && s->out[k] != WEIR__ONNX_NONE;
}

weir__data *weir__out(const weir__run *r, const weir__step *s, uint32_t k)
{
    return r->slots[s->out[k]];
}

weir_status weir__stop(const weir__run *r, const weir__step *s, weir_status status, const char *format, ...)
{
    char sentence[sizeof r->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return weir__fail(r->err, status, "%.110s %s", s->label, sentence);
}

weir_status weir__make(weir__run *r, const weir__step *s, uint32_t k, weir_element element, uint32_t rank, const size_t *dims)
{
    bool refused;
    if (rank > WEIR_MAX_RANK)
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "would make an array of %u dimensions; there are at most %d", (unsigned)rank, WEIR_MAX_RANK);
    weir__data *d = new_data(r->allocator, &r->room, element, rank, dims, &refused);
    if (refused)
        return weir__stop(r, s, WEIR_E_UNSUPPORTED, "would make an array larger than what is allowed for such a graph and its inputs");
    if (!d)
        return weir__stop(r, s, WEIR_E_NOMEM, "has no memory for its output");
    r->slots[s->out[k]] = d;
    return WEIR_OK;
}

/* ---- What operators see at load ---- */

static weir_status no_room(const weir__build *b)
{
    return weir__fail(b->err, WEIR_E_UNSUPPORTED, "the graph needs more memory to load than twice the file's %zu bytes and 1 MiB",
                      b->file->file.size);
}

void *weir__keep(weir__build *b, size_t size)
{
    size_t bytes;
    if (!weir__size_add(&bytes, size, weir__round_up(sizeof(struct kept), 16)) || bytes > b->room) {
        no_room(b);
        return NULL;
    }
    struct kept *kept = weir__alloc(&b->graph->allocator, bytes);
    if (!kept) {
        weir__fail(b->err, WEIR_E_NOMEM, "no memory for a graph");
        return NULL;
    }
    *kept = (struct kept){b->graph->kept, bytes};
    b->graph->kept = kept;
    b->room -= bytes;
    return (char *)kept + weir__round_up(sizeof *kept, 16);
}

weir_isa weir__build_isa(const weir__build *b)
{
    return b->graph->isa;
}

const weir_allocator *weir__build_allocator(const weir__build *b)
{
    return &b->graph->allocator;
}

int64_t weir__attribute_int(const weir__build *b, const char *name, int64_t usual)
{
    const weir__onnx_attribute *a = weir__onnx_find(b->node, name);
    return a ? a->is.i : usual;
}

float weir__attribute_float(const weir__build *b, const char *name, float usual)
{
    const weir__onnx_attribute *a = weir__onnx_find(b->node, name);
    return a ? a->is.f : usual;
}

const weir__data *weir__known(const weir__build *b, int32_t slot)
{
    return slot == WEIR__ONNX_NONE || b->file->values[slot].input != WEIR__ONNX_NONE ? NULL : b->graph->constants[slot];
}

weir_status weir__new_constant(weir__build *b, int32_t slot, weir_element element, uint32_t rank, const size_t *dims)
{
    bool refused;
    weir__data *d = new_data(&b->graph->allocator, &b->room, element, rank, dims, &refused);
    if (refused)
        return no_room(b);
    if (!d)
        return weir__fail(b->err, WEIR_E_NOMEM, "no memory for the constants of a graph");
    b->graph->constants[slot] = d;
    return WEIR_OK;
}

/* Integers narrower than those of the reader. */
static weir_status narrow_ints(const weir__build *b, const weir__onnx_tensor *t, weir__data *d)
{
    size_t size = t->count * sizeof(int64_t);
    int64_t *wide = weir__alloc(&b->graph->allocator, size);
    if (!wide)
        return weir__fail(b->err, WEIR_E_NOMEM, "no memory for the constants of a graph");
    weir__onnx_ints(t, wide);
    for (size_t i = 0; i < t->count; i++)
        if (d->element == WEIR_INT32)
            ((int32_t *)d->data)[i] = (int32_t)wide[i];
        else
            ((unsigned char *)d->data)[i] = wide[i] != 0;
    weir__free(&b->graph->allocator, wide, size);
    return WEIR_OK;
}

weir_status weir__set_constant(weir__build *b, int32_t slot, const weir__onnx_tensor *t)
{
    weir_element element = element_of(t->type);
    char label[WEIR__SHOWN];
    size_t dims[WEIR_MAX_RANK];
    if (!element)
        return weir__fail_at(b->err, WEIR_E_UNSUPPORTED, (size_t)(t->message.bytes - b->file->file.bytes),
                             "tensor %s has numbers of type %s; a graph runs on float32, int32, int64 and bool",
                             weir__text_show(label, b->file->values[slot].name), weir__onnx_type_name(t->type));
    for (uint32_t i = 0; i < t->rank; i++)
        dims[i] = (size_t)t->dims[i];
    TRY(weir__new_constant(b, slot, element, t->rank, dims));
    weir__data *d = b->graph->constants[slot];
    if (element == WEIR_FLOAT32)
        weir__onnx_floats(t, d->data);
    else if (element == WEIR_INT64)
        weir__onnx_ints(t, d->data);
    else
        return narrow_ints(b, t, d);
    return WEIR_OK;
}

/* ---- Loading: nodes ---- */

static weir_status find_operator(const weir__build *b, const weir__operator **out)
{
    const weir__operator *op, *other = NULL;
    char domain[WEIR__SHOWN];
    if (b->node->domain.size)
        return WEIR__REFUSE(b, "is of the domain %s; only ONNX's own operators are known", weir__text_show(domain, b->node->domain));
    for (size_t i = 0; (op = weir__operator_at(i)); i++) {
        if (!weir__text_is(b->node->type, op->name))
            continue;
        other = op;
        if (b->file->opset >= op->first && (!op->last || b->file->opset <= op->last)) {
            *out = op;
            return WEIR_OK;
        }
    }
    if (!other)
        return WEIR__REFUSE(b, "is of an operator that is not known; docs/onnx.md lists those that are");
    return WEIR__REFUSE(b, "is of an operator that is known at other opsets than %lld; docs/onnx.md lists them", (long long)b->file->opset);
}

static bool kind_fits(const weir__onnx_attribute *a, char kind)
{
    static const char letters[] = "?fist?FIS"; /* by weir__onnx_kind */
    return a->kind != WEIR__ONNX_OTHER && (size_t)a->kind < sizeof letters && letters[a->kind] == kind;
}

static weir_status check_attribute(const weir__build *b, const weir__operator *op, const weir__onnx_attribute *a)
{
    char name[WEIR__SHOWN];
    weir__text_show(name, a->name);
    for (const char *at = op->attributes; (at = strchr(at, ' '));) {
        const char *colon = strchr(++at, ':');
        if ((size_t)(colon - at) == a->name.size && !memcmp(at, a->name.bytes, a->name.size))
            return kind_fits(a, colon[1]) ? WEIR_OK : WEIR__BREAKS(b, "has the attribute %s, whose value is of the wrong type", name);
    }
    return WEIR__REFUSE(b, "has the attribute %s, which is not known for this operator", name);
}

static weir_status check_node(const weir__build *b, const weir__operator *op)
{
    const weir__onnx_node *node = b->node;
    if (node->input_count < op->least || node->input_count > op->most)
        return WEIR__BREAKS(b, "has %u inputs; it must have from %u to %u", (unsigned)node->input_count, (unsigned)op->least, (unsigned)op->most);
    if (op->outputs && node->output_count > op->outputs)
        return WEIR__BREAKS(b, "has %u outputs; it must have at most %u", (unsigned)node->output_count, (unsigned)op->outputs);
    for (uint32_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] == WEIR__ONNX_NONE && (i < op->least || op->most == WEIR__ANY))
            return WEIR__BREAKS(b, "lacks its input number %u", (unsigned)i);
    for (uint32_t i = 0; i < node->attribute_count; i++)
        TRY(check_attribute(b, op, &node->attributes[i]));
    return WEIR_OK;
}

static weir_status fill_step(weir__build *b, weir__step *s, const weir__operator *op)
{
    const weir__onnx_node *node = b->node;
    char label[LABEL], word[WEIR__SHOWN];
    if (node->name.size)
        snprintf(label, sizeof label, "node %.63s (%s)", weir__text_show(word, node->name), op->name);
    else
        snprintf(label, sizeof label, "node number %zu (%s)", (size_t)(node - b->file->nodes), op->name);
    size_t text = weir__round_up(strlen(label) + 1, 8), in = node->input_count * sizeof *s->in, out = node->output_count * sizeof *s->out;
    char *room = weir__keep(b, text + in + out);
    if (!room)
        return b->err ? b->err->status : WEIR_E_NOMEM;
    strcpy(room, label);
    *s = (weir__step){.op = op, .label = room, .in_count = node->input_count, .out_count = node->output_count};
    int32_t *slots = (int32_t *)(void *)(room + text);
    s->in = slots;
    s->out = slots + node->input_count;
    for (uint32_t i = 0; i < node->input_count; i++)
        *slots++ = node->inputs[i];
    for (uint32_t i = 0; i < node->output_count; i++)
        *slots++ = node->outputs[i] != WEIR__ONNX_NONE && b->file->values[node->outputs[i]].uses ? node->outputs[i] : WEIR__ONNX_NONE;
    return WEIR_OK;
}

/* Makes the array of an initializer that is needed. */
static weir_status need_constant(weir__build *b, int32_t slot)
{
    if (slot == WEIR__ONNX_NONE || b->graph->constants[slot] || b->file->values[slot].tensor == WEIR__ONNX_NONE)
        return WEIR_OK;
    return weir__set_constant(b, slot, &b->file->tensors[b->file->values[slot].tensor]);
}

static bool all_known(const weir__build *b, const weir__step *s)
{
    for (uint32_t i = 0; i < s->in_count; i++)
        if (s->in[i] != WEIR__ONNX_NONE && !weir__known(b, s->in[i]))
            return false;
    return true;
}

static void drop_uses(weir_graph *g, const weir__step *s, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end && i < s->in_count; i++)
        if (s->in[i] != WEIR__ONNX_NONE)
            g->uses[s->in[i]]--;
}

/* Runs a step whose inputs are all constant. Without room for its output it stays a step. */
static weir_status fold(weir__build *b, const weir__step *s, bool *done)
{
    weir_graph *g = b->graph;
    weir_error error;
    weir__run r = {.allocator = &g->allocator, .isa = g->isa, .err = &error, .slots = g->constants, .room = b->room};
    weir_status status = s->op->run(&r, s);
    *done = !status;
    b->room = r.room;
    if (!status)
        drop_uses(g, s, 0, s->in_count);
    for (uint32_t k = 0; status && k < s->out_count; k++)
        if (s->out[k] != WEIR__ONNX_NONE) {
            free_data(&g->allocator, g->constants[s->out[k]]);
            g->constants[s->out[k]] = NULL;
        }
    if (!status || status == WEIR_E_UNSUPPORTED)
        return WEIR_OK;
    return weir__fail(b->err, status == WEIR_E_ARGUMENT ? WEIR_E_FORMAT : status, "%s", error.text); /* the arguments are the file's */
}

static weir_status load_node(weir__build *b)
{
    const weir__operator *op = NULL;
    weir_graph *g = b->graph;
    weir__step *s = &g->steps[g->step_count];
    bool done = false;
    TRY(find_operator(b, &op));
    TRY(check_node(b, op));
    for (uint32_t i = 0; i < b->node->input_count; i++)
        TRY(need_constant(b, b->node->inputs[i]));
    TRY(fill_step(b, s, op));
    if (op->prepare)
        TRY(op->prepare(b, s));
    if (!op->run) /* a constant: its prepare function did it all */
        return WEIR_OK;
    if (op->moves && all_known(b, s))
        TRY(fold(b, s, &done));
    g->step_count += !done;
    return WEIR_OK;
}

static weir_status load_nodes(weir__build *b)
{
    const weir__onnx *file = b->file;
    uint32_t used = 0;
    for (uint32_t k = 0; k < file->node_count; k++)
        used += file->nodes[k].used;
    b->graph->steps = weir__keep(b, used * sizeof *b->graph->steps);
    if (!b->graph->steps)
        return b->err->status;
    for (uint32_t k = 0; k < file->node_count; k++) {
        b->node = &file->nodes[k];
        if (b->node->used)
            TRY(load_node(b));
    }
    return WEIR_OK;
}

/* The weights of LSTM nodes are packed last, when the rest was accepted. */
static weir_status pack_weights(weir__build *b)
{
    weir_graph *g = b->graph;
    for (uint32_t k = 0; k < g->step_count; k++) {
        weir__step *s = &g->steps[k];
        if (!s->s.lstm)
            continue;
        TRY(weir__lstm_load(b, s));
        if (weir__lstm_packed(s)) {
            drop_uses(g, s, 1, 4);
            drop_uses(g, s, 7, 8);
        }
    }
    return WEIR_OK;
}

static void drop_constants(weir_graph *g)
{
    for (uint32_t i = 0; i < g->slot_count; i++)
        if (g->constants[i] && !g->uses[i]) {
            free_data(&g->allocator, g->constants[i]);
            g->constants[i] = NULL;
        } else if (g->constants[i]) {
            g->constant_bytes += weir__data_bytes(g->constants[i]);
        }
}

/* ---- Loading: inputs and outputs ---- */

static weir_status load_port(weir__build *b, const weir__onnx_port *from, weir_port *to, const char *what)
{
    const weir__onnx_value *v = &b->file->values[from->value];
    char label[WEIR__SHOWN];
    weir_element element = element_of(from->type);
    weir__text_show(label, v->name);
    if (from->type != WEIR__ONNX_UNTYPED && !element)
        return weir__fail_at(b->err, WEIR_E_UNSUPPORTED, (size_t)(v->name.bytes - b->file->file.bytes),
                             "%s %s has numbers of type %s; a graph runs on float32, int32, int64 and bool", what, label,
                             weir__onnx_type_name(from->type));
    if (memchr(v->name.bytes, 0, v->name.size))
        return weir__fail_at(b->err, WEIR_E_FORMAT, (size_t)(v->name.bytes - b->file->file.bytes), "%s %s has a 0 byte in its name", what, label);
    char *name = weir__keep(b, v->name.size + 1);
    if (!name)
        return b->err->status;
    memcpy(name, v->name.bytes, v->name.size);
    *to = (weir_port){.name = name, .element = element, .optional = v->tensor != WEIR__ONNX_NONE, .ranked = from->rank != WEIR__ONNX_NONE};
    to->rank = to->ranked ? (size_t)from->rank : 0;
    for (size_t i = 0; i < to->rank; i++)
        to->dims[i] = from->dims[i];
    return WEIR_OK;
}

static weir_status load_ports(weir__build *b)
{
    weir_graph *g = b->graph;
    uint32_t ports = b->file->input_count + b->file->output_count;
    g->inputs = weir__keep(b, ports * sizeof *g->inputs);
    g->input_slots = g->inputs ? weir__keep(b, ports * sizeof *g->input_slots) : NULL;
    if (!g->input_slots)
        return b->err->status;
    g->outputs = g->inputs + b->file->input_count;
    g->output_slots = g->input_slots + b->file->input_count;
    for (uint32_t i = 0; i < b->file->input_count; i++) {
        TRY(load_port(b, &b->file->inputs[i], &g->inputs[i], "input"));
        g->input_slots[g->input_count++] = b->file->inputs[i].value;
        TRY(need_constant(b, b->file->inputs[i].value));
    }
    for (uint32_t i = 0; i < b->file->output_count; i++) {
        TRY(load_port(b, &b->file->outputs[i], &g->outputs[i], "output"));
        g->output_slots[g->output_count++] = b->file->outputs[i].value;
        g->outputs[i].optional = false;
        TRY(need_constant(b, b->file->outputs[i].value));
    }
    return WEIR_OK;
}

static weir_status load_graph(weir__build *b)
{
    weir_graph *g = b->graph;
    if (b->file->opset > WEIR__NEWEST_OPSET)
        return weir__fail(b->err, WEIR_E_UNSUPPORTED, "the file uses version %lld of ONNX's operators; the newest known here is %d",
                          (long long)b->file->opset, WEIR__NEWEST_OPSET);
    uint32_t slots = b->file->value_count;
    g->constants = weir__keep(b, slots * sizeof(weir__data *));
    g->uses = g->constants ? weir__keep(b, slots * sizeof *g->uses) : NULL;
    if (!g->uses)
        return b->err->status;
    g->slot_count = slots;
    for (uint32_t i = 0; i < slots; i++)
        g->uses[i] = b->file->values[i].uses;
    TRY(load_ports(b));
    TRY(load_nodes(b));
    TRY(pack_weights(b));
    drop_constants(g);
    return WEIR_OK;
}

/* ---- Loading: the file ---- */

void weir_graph_free(weir_graph *g)
{
    if (!g)
        return;
    weir_allocator a = g->allocator;
    for (uint32_t k = 0; k < g->step_count; k++)
        weir__lstm_free(g->steps[k].s.lstm);
    for (uint32_t i = 0; i < g->slot_count; i++)
        free_data(&a, g->constants[i]);
    for (struct kept *kept = g->kept, *next; kept; kept = next) {
        next = kept->next;
        weir__free(&a, kept, kept->size);
    }
    weir__free(&a, g, sizeof *g);
}

weir_status weir_graph_parse(weir_graph **out, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator, weir_error *err)
{
    weir_error local;
    weir__onnx file;
    err = err ? err : &local;
    *out = NULL;
    weir_status status = weir_isa_available(isa)
                             ? weir__onnx_open(&file, bytes, size, allocator, err)
                             : weir__fail(err, WEIR_E_UNSUPPORTED, "this CPU or this build has no such instruction set; use WEIR_ISA_BEST");
    if (!weir_isa_available(isa))
        return status;
    weir_allocator a = file.allocator;
    weir_graph *g = status ? NULL : weir__alloc(&a, sizeof *g);
    if (!status && !g)
        status = weir__fail(err, WEIR_E_NOMEM, "no memory for a graph");
    if (!status) {
        g->allocator = a;
        g->isa = isa;
        weir__build b = {.graph = g, .file = &file, .err = err, .room = file.room + LOAD_SPARE};
        status = load_graph(&b);
    }
    weir__onnx_close(&file);
    if (status) {
        weir_graph_free(g);
        return status;
    }
    *out = g;
    return weir__ok(err);
}

weir_status weir_graph_load(weir_graph **out, const char *path, weir_isa isa, const weir_allocator *allocator, weir_error *err)
{
    *out = NULL;
    weir_allocator a = weir__allocator(allocator);
    void *bytes;
    size_t size;
    TRY(weir__file_read(&a, path, SIZE_MAX / 4, &bytes, &size, err));
    weir_error why;
    weir_status status = weir_graph_parse(out, bytes, size, isa, allocator, &why);
    weir__free(&a, bytes, size);
    return status ? weir__fail_at(err, status, why.offset, "%s: %s", path, why.text) : weir__ok(err);
}

size_t weir_graph_inputs(const weir_graph *g)
{
    return g->input_count;
}

size_t weir_graph_outputs(const weir_graph *g)
{
    return g->output_count;
}

weir_port weir_graph_input(const weir_graph *g, size_t index)
{
    return g->inputs[index];
}

weir_port weir_graph_output(const weir_graph *g, size_t index)
{
    return g->outputs[index];
}

/* ---- Running ---- */

static weir_status check_input(const weir_port *port, const weir_array *given, size_t *count, weir_error *err)
{
    if (!weir_element_size(given->element) || (port->element && given->element != port->element))
        return weir__fail(err, WEIR_E_ARGUMENT, "input %.60s is of type %s, but must be of type %s", port->name,
                          weir_element_name(given->element) ? weir_element_name(given->element) : "nothing",
                          port->element ? weir_element_name(port->element) : "float32, int32, int64 or bool");
    if (given->rank > WEIR_MAX_RANK || (port->ranked && given->rank != port->rank))
        return weir__fail(err, WEIR_E_ARGUMENT, "input %.60s has %zu dimensions, but must have %zu", port->name, given->rank,
                          port->ranked ? port->rank : (size_t)WEIR_MAX_RANK);
    for (size_t i = 0; port->ranked && i < given->rank; i++)
        if (port->dims[i] >= 0 && given->dims[i] != (uint64_t)port->dims[i])
            return weir__fail(err, WEIR_E_ARGUMENT, "input %.60s has %zu in dimension %zu, but must have %lld", port->name, given->dims[i], i,
                              (long long)port->dims[i]);
    if (!count_of(count, (uint32_t)given->rank, given->dims))
        return weir__fail(err, WEIR_E_ARGUMENT, "input %.60s has more numbers than can be counted", port->name);
    if (*count && !given->data)
        return weir__fail(err, WEIR_E_ARGUMENT, "input %.60s has no data", port->name);
    return WEIR_OK;
}

/* Input `index` of the graph among those given; none, a NULL. Given twice is an error of the caller's. */
static weir_status find_given(const weir_graph *g, uint32_t index, const weir_array *inputs, size_t count, const weir_array **out, weir_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!inputs[i].name || strcmp(inputs[i].name, g->inputs[index].name) != 0)
            continue;
        if (*out)
            return weir__fail(err, WEIR_E_ARGUMENT, "input %.60s is given twice", inputs[i].name);
        *out = &inputs[i];
    }
    if (!*out && !g->inputs[index].optional)
        return weir__fail(err, WEIR_E_ARGUMENT, "input %.60s is missing; the graph has %u inputs", g->inputs[index].name, (unsigned)g->input_count);
    return WEIR_OK;
}

/* Puts the inputs into their slots; room for their records is at `records`. */
static weir_status place_inputs(const weir_graph *g, weir__run *r, weir__data *records, const weir_array *inputs, size_t count)
{
    size_t bytes = g->constant_bytes;
    for (size_t i = 0; i < count; i++) {
        uint32_t known = 0;
        while (known < g->input_count && inputs[i].name && strcmp(inputs[i].name, g->inputs[known].name) != 0)
            known++;
        if (known == g->input_count)
            return weir__fail(r->err, WEIR_E_ARGUMENT, "the graph has no input %.60s", inputs[i].name ? inputs[i].name : "without a name");
    }
    for (uint32_t i = 0; i < g->input_count; i++) {
        const weir_array *given;
        weir__data *d = &records[i];
        TRY(find_given(g, i, inputs, count, &given, r->err));
        if (!given)
            continue;
        *d = (weir__data){.element = given->element, .rank = (uint32_t)given->rank, .data = given->data};
        TRY(check_input(&g->inputs[i], given, &d->count, r->err));
        memcpy(d->dims, given->dims, given->rank * sizeof *d->dims);
        r->slots[g->input_slots[i]] = d;
        bytes += weir__data_bytes(d) < SIZE_MAX / 256 ? weir__data_bytes(d) : SIZE_MAX / 256;
    }
    r->room = bytes < SIZE_MAX / 256 ? RUN_SPARE + RUN_TIMES * bytes : SIZE_MAX / 2;
    return WEIR_OK;
}

/* Frees an array that this run made. */
static void clear_slot(const weir_graph *g, weir__run *r, int32_t slot)
{
    weir__data *d = r->slots[slot];
    if (!d || !d->size || d == g->constants[slot])
        return;
    r->room += d->size;
    free_data(r->allocator, d);
    r->slots[slot] = NULL;
}

static weir_status run_steps(const weir_graph *g, weir__run *r, uint32_t *left)
{
    for (uint32_t k = 0; k < g->step_count; k++) {
        const weir__step *s = &g->steps[k];
        TRY(s->op->run(r, s));
        for (uint32_t i = 0; i < s->in_count; i++)
            if (s->in[i] != WEIR__ONNX_NONE && --left[s->in[i]] == 0)
                clear_slot(g, r, s->in[i]);
    }
    return WEIR_OK;
}

static weir_status copy_output(const weir_graph *g, const weir__run *r, uint32_t index, weir_array *out)
{
    const weir__data *d = r->slots[g->output_slots[index]];
    *out = (weir_array){.name = g->outputs[index].name, .element = d->element, .rank = d->rank};
    memcpy(out->dims, d->dims, d->rank * sizeof *d->dims);
    out->data = weir__alloc(&g->allocator, weir__data_bytes(d));
    if (!out->data)
        return weir__fail(r->err, WEIR_E_NOMEM, "no memory for output %.60s", out->name);
    if (d->count)
        memcpy(out->data, d->data, weir__data_bytes(d));
    return WEIR_OK;
}

void weir_graph_release(const weir_graph *g, weir_array *outputs)
{
    for (uint32_t i = 0; i < g->output_count; i++) {
        size_t count;
        if (outputs[i].data && count_of(&count, (uint32_t)outputs[i].rank, outputs[i].dims))
            weir__free(&g->allocator, outputs[i].data, count * weir_element_size(outputs[i].element));
        outputs[i] = (weir_array){.name = g->outputs[i].name};
    }
}

static weir_status run_graph(const weir_graph *g, weir__run *r, weir__data *records, uint32_t *left, const weir_array *inputs, size_t count,
                             weir_array *outputs)
{
    memcpy(r->slots, g->constants, g->slot_count * sizeof *r->slots);
    memcpy(left, g->uses, g->slot_count * sizeof *left);
    TRY(place_inputs(g, r, records, inputs, count));
    TRY(run_steps(g, r, left));
    for (uint32_t i = 0; i < g->output_count; i++)
        TRY(copy_output(g, r, i, &outputs[i]));
    return WEIR_OK;
}

weir_status weir_graph_run(const weir_graph *g, const weir_array *inputs, size_t count, weir_array *outputs, const weir_parallel *parallel,
                           weir_error *err)
{
    const weir_allocator *a = &g->allocator;
    size_t records_size = g->input_count * sizeof(weir__data), left_size = g->slot_count * sizeof(uint32_t);
    size_t slots_size = g->slot_count * sizeof(weir__data *);
    for (uint32_t i = 0; i < g->output_count; i++)
        outputs[i] = (weir_array){.name = g->outputs[i].name};
    weir__data *records = weir__alloc(a, records_size);
    uint32_t *left = weir__alloc(a, left_size);
    weir__run r = {.allocator = a, .parallel = parallel, .isa = g->isa, .err = err, .slots = weir__alloc(a, slots_size)};
    weir_status status = records && left && r.slots ? run_graph(g, &r, records, left, inputs, count, outputs)
                                                    : weir__fail(err, WEIR_E_NOMEM, "no memory to run a graph");
    for (uint32_t i = 0; r.slots && i < g->slot_count; i++)
        clear_slot(g, &r, (int32_t)i);
    weir__free(a, r.slots, slots_size);
    weir__free(a, left, left_size);
    weir__free(a, records, records_size);
    if (status)
        weir_graph_release(g, outputs);
    return status ? status : weir__ok(err);
}
