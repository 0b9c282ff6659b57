/* Reads the weights of other frameworks: names and shapes give the network, then the numbers are read piece by piece to their places.
 * SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "format/config_json.h"
#include "format/layout.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECK_NUMBERS = 4096, DENSE_LAYERS = WEIR_MAX_DENSE + 1, PIECE = 4096 };

/* The arrays of one layer, or of several where an array holds them. */
typedef struct group {
    char key[WEIR__NAME_SIZE];
    const weir__entry *entry[2][WEIR__LAYOUT_ARRAYS]; /* by direction and array; NULL: absent */
    weir__name parts;                                 /* of the name of the first array */
    bool marked;                                      /* some name tells a direction */
    size_t layers;
} group;

/* A dense layer of the head. */
typedef struct dense {
    char key[WEIR__NAME_SIZE];
    const weir__entry *entry[2]; /* weight, bias */
} dense;

static const char *const check_names[] = {"x", "h0", "c0", "lengths", "y"};
enum { CHECK_X, CHECK_H0, CHECK_C0, CHECK_LENGTHS, CHECK_Y, CHECKS };

/* What the file holds, by place. */
typedef struct found {
    size_t groups, dense_layers;
    group group[WEIR_MAX_LAYERS];
    dense dense[DENSE_LAYERS];
    const weir__entry *check[CHECKS];
    bool has[WEIR__DENSE_WEIGHT]; /* by kind: some array of it is there */
} found;

typedef struct import {
    weir_allocator allocator;
    const weir__layout *layout;
    const char *prefix;
    float forget_bias;
    weir__file file;
    weir__safetensors st;
    found *found;
    weir_config config;
    bool whole;        /* the file's settings are those of a whole model, written by weir_model_export */
    weir__sizes sizes; /* of the first layer */
    size_t directions;
    struct weir__params params;
    weir_tensor *tensors;
    float *numbers; /* of all tensors, in the order of params */
    char *notes;    /* from jansson, or NULL */
    weir_error *err;
} import;

static weir_status refuse(const import *im, const char *name, const char *format, ...) WEIR__PRINTF(3, 4);

/* An error of the array `name`, at its place in the header. */
static weir_status refuse(const import *im, const char *name, const char *format, ...)
{
    char reason[180];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return weir__fail_at(im->err, WEIR_E_FORMAT, weir__safetensors_where(&im->st, name), "tensor %.70s %s", name, reason);
}

/* ---- Names ---- */

/* True if the name begins as the caller wants: by one of the prefixes between commas. */
static bool is_chosen(const import *im, const char *name)
{
    for (const char *prefix = im->prefix; prefix; prefix = strchr(prefix, ',')) {
        prefix += *prefix == ',';
        size_t n = strcspn(prefix, ",");
        if (n && !strncmp(name, prefix, n))
            return true;
    }
    return !im->prefix || !*im->prefix;
}

static group *find_group(found *f, const char *key)
{
    for (size_t i = 0; i < f->groups; i++)
        if (!strcmp(f->group[i].key, key))
            return &f->group[i];
    return NULL;
}

/* The layer's first array makes its group. */
static weir_status add_group(import *im, const weir__entry *entry, const weir__name *parts)
{
    found *f = im->found;
    if (find_group(f, parts->key))
        return WEIR_OK;
    if (f->groups == WEIR_MAX_LAYERS)
        return refuse(im, entry->name, "is of layer %d; more cannot be", WEIR_MAX_LAYERS + 1);
    group *g = &f->group[f->groups++];
    strcpy(g->key, parts->key);
    return WEIR_OK;
}

static weir_status add_to_group(import *im, group *g, const weir__entry *entry, const weir__name *parts)
{
    if (!parts->array->axes)
        return refuse(im, entry->name, "cannot be read: %s", parts->array->reason);
    size_t index = (size_t)(parts->array - im->layout->arrays);
    const weir__entry **place = &g->entry[parts->backward][index];
    if (*place)
        return refuse(im, entry->name, "is there a second time, as %.60s", (*place)->name);
    *place = entry;
    g->marked |= parts->marked;
    im->found->has[parts->array->kind] = true;
    if (!index && !parts->backward)
        g->parts = *parts;
    return WEIR_OK;
}

static weir_status add_dense(import *im, const weir__entry *entry, const weir__name *parts)
{
    found *f = im->found;
    size_t i = 0;
    while (i < f->dense_layers && strcmp(f->dense[i].key, parts->key))
        i++;
    if (i == DENSE_LAYERS)
        return refuse(im, entry->name, "is of one dense layer more than the %d that a head can have", (int)DENSE_LAYERS);
    strcpy(f->dense[i].key, parts->key);
    f->dense[i].entry[parts->array - im->layout->dense] = entry;
    f->dense_layers += i == f->dense_layers;
    return WEIR_OK;
}

static weir_status add_check(import *im, const weir__entry *entry)
{
    for (size_t i = 0; i < CHECKS; i++)
        if (!strcmp(entry->name + 6, check_names[i])) {
            im->found->check[i] = entry;
            return WEIR_OK;
        }
    return refuse(im, entry->name, "is none of check.x, check.h0, check.c0, check.lengths and check.y");
}

static weir_status add_entry(import *im, const weir__entry *entry)
{
    weir__name parts;
    if (!strncmp(entry->name, "check.", 6))
        return add_check(im, entry);
    if (!is_chosen(im, entry->name))
        return WEIR_OK;
    bool is_known = weir__layout_read_name(im->layout, im->layout->arrays, entry->name, &parts);
    group *g = is_known ? find_group(im->found, parts.key) : NULL;
    if (g)
        return add_to_group(im, g, entry, &parts);
    if (weir__layout_read_name(im->layout, im->layout->dense, entry->name, &parts))
        return add_dense(im, entry, &parts);
    if (is_known)
        return refuse(im, entry->name, "stands without the %s of its layer", im->layout->arrays[0].names);
    return refuse(im, entry->name, "has no place in the layout %s; if it is no part of the LSTM, a prefix leaves it out", im->layout->name);
}

/* Layers in the order of the numbers in their names. */
static int by_number(const void *a, const void *b)
{
    return weir__layout_compare(((const group *)a)->key, ((const group *)b)->key);
}

static int by_dense_number(const void *a, const void *b)
{
    return weir__layout_compare(((const dense *)a)->key, ((const dense *)b)->key);
}

/* The name of a group's first array, for errors. */
static const char *name_of(const group *g)
{
    return (g->entry[0][0] ? g->entry[0][0] : g->entry[1][0])->name;
}

static weir_status check_order(import *im)
{
    found *f = im->found;
    qsort(f->group, f->groups, sizeof *f->group, by_number);
    if (im->layout->indexed && weir__layout_last_number(f->group[0].key))
        return refuse(im, name_of(&f->group[0]), "is not of layer 0, which is missing");
    for (size_t i = 1; i < f->groups; i++)
        if (!weir__layout_follows(im->layout, f->group[i - 1].key, f->group[i].key))
            return refuse(im, name_of(&f->group[i]), "is not of the layer behind that of %.60s; if both are LSTMs, choose one by its prefix",
                          name_of(&f->group[i - 1]));
    qsort(f->dense, f->dense_layers, sizeof *f->dense, by_dense_number);
    return WEIR_OK;
}

static weir_status find_arrays(import *im)
{
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < im->st.count && !status; i++) {
        const weir__entry *entry = &im->st.entries[i];
        weir__name parts;
        if (is_chosen(im, entry->name) && weir__layout_read_name(im->layout, im->layout->arrays, entry->name, &parts) && parts.array == im->layout->arrays)
            status = add_group(im, entry, &parts);
    }
    if (!status && !im->found->groups) {
        char name[WEIR__NAME_SIZE];
        weir__layout_write_name(im->layout, im->layout->one, im->layout->arrays, 0, 0, name);
        return weir__fail_at(im->err, WEIR_E_FORMAT, 8, "there is no LSTM in the layout %s: no tensor has a name such as %s", im->layout->name,
                             name);
    }
    for (size_t i = 0; i < im->st.count && !status; i++)
        status = add_entry(im, &im->st.entries[i]);
    return status ? status : check_order(im);
}

/* ---- Sizes ---- */

static weir_status fail_shape(const import *im, const weir__entry *entry, const weir__layout_array *array, const weir__sizes *sizes)
{
    size_t dims[WEIR__RANK_LIMIT];
    size_t rank = weir__layout_dims(array, sizes, dims);
    char has[WEIR__SHAPE_SIZE], must[WEIR__SHAPE_SIZE];
    return refuse(im, entry->name, "has the shape %.60s, but must have %.60s", weir__shape_text(entry->rank, entry->dims, has),
                  weir__shape_text(rank, dims, must));
}

/* Dimension `axis` of an array, without the product with g; 0 if it is none of an LSTM. */
static size_t axis_size(const weir__entry *entry, const char *axes, const char *axis)
{
    size_t place = 0;
    for (const char *c = axes; c < axis; c++)
        place += *c == ',';
    size_t size = place < entry->rank ? entry->dims[place] : 0;
    if (axis > axes && axis[-1] == 'g')
        return size % 4 ? 0 : size / 4;
    return size;
}

/* Sets the size of a letter from the first layer's arrays that have it; *from is the one that tells. */
static weir_status find_size(import *im, char letter, const weir__entry **from)
{
    const group *g = &im->found->group[0];
    for (size_t a = 0; im->layout->arrays[a].names; a++) {
        const weir__layout_array *array = &im->layout->arrays[a];
        const weir__entry *entry = g->entry[0][a];
        const char *axis = entry ? strchr(array->axes, letter) : NULL;
        if (!axis || (axis > array->axes && axis[-1] == '+')) /* the state's part of a sum is known from elsewhere */
            continue;
        size_t size = axis_size(entry, array->axes, axis), commas = 0;
        for (const char *c = array->axes; *c; c++)
            commas += *c == ',';
        if (entry->rank != commas + 1)
            return refuse(im, entry->name, "has %zu dimensions, but must have %zu", entry->rank, commas + 1);
        if (axis[1] == '+')
            size = size > im->sizes.of['h' - 'a'] ? size - im->sizes.of['h' - 'a'] : 0;
        if (!size || size > (letter == 'i' ? (size_t)WEIR_MAX_TOKENS : (size_t)WEIR_MAX_UNITS)) {
            char shape[WEIR__SHAPE_SIZE];
            return refuse(im, entry->name, "has the shape %.60s, which no LSTM can have", weir__shape_text(entry->rank, entry->dims, shape));
        }
        *weir__size_of(&im->sizes, letter) = size;
        *from = entry;
        return WEIR_OK;
    }
    return WEIR_OK;
}

static weir_status find_projection(import *im)
{
    const weir__entry *from = NULL;
    size_t units = im->sizes.of['o' - 'a'];
    *weir__size_of(&im->sizes, 'p') = units;
    TRY(find_size(im, 'p', &from));
    size_t projected = im->sizes.of['p' - 'a'];
    if (from && projected >= units)
        return refuse(im, from->name, "projects to %zu units, but Weir's projection must have fewer than the cell's %zu", projected, units);
    *weir__size_of(&im->sizes, 'h') = projected;
    return WEIR_OK;
}

/* Directions are told by the names or, where an array holds both, by its shape. */
static weir_status find_directions(import *im)
{
    const weir__entry *from = NULL;
    const group *g = im->found->group;
    *weir__size_of(&im->sizes, 'd') = 1;
    TRY(find_size(im, 'd', &from));
    im->directions = from ? im->sizes.of['d' - 'a'] : g->entry[1][0] ? 2 : 1;
    if (im->directions > 2)
        return refuse(im, from->name, "has %zu directions; there are two", im->directions);
    for (size_t i = 0; i < im->found->groups; i++, g++)
        if (!from && (!g->entry[0][0] || !g->entry[1][0]) && (g->marked || im->directions == 2))
            return refuse(im, name_of(g), "is of one direction alone; the other one is missing");
    return WEIR_OK;
}

/* The first layer tells all sizes but the number of layers. */
static weir_status find_sizes(import *im)
{
    const weir__entry *from = NULL;
    TRY(find_directions(im));
    TRY(find_size(im, 'o', &from));
    TRY(find_projection(im));
    return find_size(im, 'i', &from);
}

/* The number of layers in a group, by its first array. */
static weir_status count_layers(import *im, size_t *layers)
{
    *layers = 0;
    for (size_t i = 0; i < im->found->groups; i++) {
        group *g = &im->found->group[i];
        bool many = im->layout->arrays[0].axes[0] == 'l';
        g->layers = many ? g->entry[0][0]->dims[0] : 1;
        if (!g->layers || g->layers > WEIR_MAX_LAYERS - *layers)
            return refuse(im, name_of(g), "brings more layers than the %d that can be", (int)WEIR_MAX_LAYERS);
        *layers += g->layers;
    }
    return WEIR_OK;
}

/* ---- Settings ---- */

/* What the weights do not tell, from a file of weir_model_export. */
static weir_status read_metadata(import *im)
{
    json_t *metadata = im->st.metadata;
    const char *settings = json_string_value(json_object_get(metadata, "weir")),
               *layout = json_string_value(json_object_get(metadata, "layout")),
               *notes = json_string_value(json_object_get(metadata, "notes"));
    if (layout && strcmp(layout, im->layout->name))
        return weir__fail_at(im->err, WEIR_E_FORMAT, weir__safetensors_where(&im->st, "layout"),
                             "the file's metadata say that its layout is %.40s, not %s", layout, im->layout->name);
    if (settings) {
        char field[WEIR__FIELD_SIZE];
        weir_status status = weir__config_from_text(&im->config, settings, strlen(settings), field, im->err);
        if (status) {
            if (im->err)
                im->err->offset = weir__safetensors_where(&im->st, *field ? field : "weir");
            return status;
        }
        im->whole = im->config.hidden != 0;
    }
    im->config.notes = notes;
    return WEIR_OK;
}

/* What the caller sets goes before. */
static void take_settings(weir_config *to, const weir_config *from)
{
#define TAKE(field, set) \
    if (set)             \
    to->field = from->field
    TAKE(inputs, from->inputs);
    TAKE(tokens, from->tokens);
    TAKE(layers, from->layers);
    TAKE(hidden, from->hidden);
    TAKE(projection, from->projection);
    TAKE(direction, from->direction);
    TAKE(no_forget_gate, from->no_forget_gate);
    TAKE(coupled, from->coupled);
    TAKE(gate, from->gate.id);
    TAKE(candidate, from->candidate.id);
    TAKE(output_activation, from->output_activation.id);
    TAKE(activation_clip, from->activation_clip != 0);
    TAKE(cell_clip, from->cell_clip != 0);
    TAKE(outputs, from->outputs);
    TAKE(output, from->output);
    TAKE(readout, from->readout);
    TAKE(weights, from->weights);
    TAKE(notes, from->notes);
#undef TAKE
    if (from->dense_layers) {
        to->dense_layers = from->dense_layers;
        memcpy(to->dense, from->dense, sizeof to->dense);
    }
    to->isa = from->isa;
}

static weir_status agree(const import *im, uint32_t *setting, size_t size, const char *what)
{
    if (*setting && *setting != size)
        return refuse(im, name_of(&im->found->group[0]), "and its like make %s %zu, but the settings say %u", what, size, (unsigned)*setting);
    *setting = (uint32_t)size;
    return WEIR_OK;
}

static weir_status fit_direction(import *im)
{
    weir_config *c = &im->config;
    const char *name = name_of(&im->found->group[0]);
    if (im->directions == 2 && c->direction == WEIR_REVERSE)
        return refuse(im, name, "is of a network of both directions, but the settings say reverse");
    if (im->directions == 1 && c->direction == WEIR_BOTH)
        return refuse(im, name, "is of a network of one direction, but the settings say both");
    if (im->directions == 2)
        c->direction = WEIR_BOTH;
    return WEIR_OK;
}

/* The head is what its layers' units are; what stands between two of them the weights do not tell. */
static weir_status fit_head(import *im)
{
    weir_config *c = &im->config;
    const found *f = im->found;
    size_t n = f->dense_layers;
    for (size_t i = 0; i < n; i++) {
        const dense *d = &f->dense[i];
        if (!d->entry[0])
            return refuse(im, d->entry[1]->name, "has no place in the layout %s: no weight stands beside it", im->layout->name);
        if (!d->entry[1])
            return refuse(im, d->entry[0]->name, "has no bias beside it, so it is no linear head; a prefix leaves it out");
        if (i && (!c->dense_layers || !weir__layout_follows(im->layout, f->dense[i - 1].key, d->key)))
            return refuse(im, d->entry[0]->name, "and %.60s are two dense layers, where the head can be one; a prefix leaves them out",
                          f->dense[i - 1].entry[0]->name);
    }
    if (c->outputs || c->dense_layers ? n != c->dense_layers + 1 : n > 1)
        return weir__fail_at(im->err, WEIR_E_FORMAT, 8, "the settings have a head of %u layers, but the file has tensors of %zu",
                             (unsigned)c->dense_layers + 1, n);
    if (!n)
        return WEIR_OK;
    const weir__entry *last = f->dense[n - 1].entry[1];
    size_t units = last->rank == 1 ? last->dims[0] : 0, per = weir__values_each(c->output);
    if (!units || units > WEIR_MAX_TOKENS || units % per)
        return refuse(im, last->name, "has a shape that no head of this output can have");
    return agree(im, &c->outputs, units / per, "outputs");
}

static weir_status fit_config(import *im, const weir_config *given)
{
    weir_config *c = &im->config;
    const found *f = im->found;
    size_t layers;
    TRY(count_layers(im, &layers));
    TRY(agree(im, &c->layers, layers, "layers"));
    TRY(agree(im, &c->hidden, im->sizes.of['o' - 'a'], "hidden"));
    if (f->has[WEIR__WEIGHT_HR])
        TRY(agree(im, &c->projection, im->sizes.of['p' - 'a'], "projection"));
    else if (c->projection)
        return refuse(im, name_of(&f->group[0]), "stands without a projection, which the settings have");
    TRY(agree(im, c->tokens ? &c->tokens : &c->inputs, im->sizes.of['i' - 'a'], c->tokens ? "tokens" : "inputs"));
    TRY(fit_direction(im));
    TRY(fit_head(im));
    if (im->whole && c->no_peepholes == f->has[WEIR__PEEPHOLE])
        return refuse(im, name_of(&f->group[0]), "stands %s peepholes, other than the settings say", c->no_peepholes ? "with" : "without");
    if (im->whole && !f->has[WEIR__BIAS])
        return refuse(im, name_of(&f->group[0]), "stands without biases, which belong to it");
    c->no_peepholes = !f->has[WEIR__PEEPHOLE];
    c->allocator = &im->allocator;
    weir_config resolved;
    bool blame_caller = given && !json_object_get(im->st.metadata, "weir");
    if (weir__config_resolve(c, &resolved, im->err))
        return blame_caller ? WEIR_E_ARGUMENT : WEIR_E_FORMAT;
    *c = resolved;
    return WEIR_OK;
}

/* ---- Shapes of all arrays ---- */

static weir_status check_array(const import *im, const weir__entry *entry, const weir__layout_array *array, const weir__sizes *sizes)
{
    size_t dims[WEIR__RANK_LIMIT], rank = weir__layout_dims(array, sizes, dims);
    if (entry->dtype == WEIR__I8 || entry->dtype == WEIR__DTYPES)
        return refuse(im, entry->name, "must have the dtype F64, F32, F16 or BF16");
    if (entry->rank != rank || memcmp(entry->dims, dims, rank * sizeof *dims))
        return fail_shape(im, entry, array, sizes);
    return WEIR_OK;
}

/* Sizes of the arrays of a group whose first layer is `layer`. */
static weir__sizes sizes_of(const import *im, const group *g, size_t layer)
{
    weir__sizes sizes = im->sizes;
    *weir__size_of(&sizes, 'i') = weir__layer_inputs(&im->config, layer);
    *weir__size_of(&sizes, 'l') = g->layers;
    return sizes;
}

static weir_status fail_missing(const import *im, const group *g, size_t direction, const weir__layout_array *array)
{
    char name[WEIR__NAME_SIZE];
    const weir__entry *near = g->entry[direction][0];
    weir__layout_name_beside(im->layout, near->name, &g->parts, array, name);
    return weir__fail_at(im->err, WEIR_E_FORMAT, weir__safetensors_where(&im->st, near->name), "tensor %.70s is missing%s%s", name,
                         array->reason ? ": " : "", array->reason ? array->reason : "");
}

static weir_status check_group(const import *im, const group *g, size_t layer)
{
    weir__sizes sizes = sizes_of(im, g, layer);
    bool joined = strchr(im->layout->arrays[0].axes, 'd') != NULL;
    if (g->layers > 1 && layer == 0 && weir__layer_inputs(&im->config, 1) != sizes.of['i' - 'a'])
        return refuse(im, name_of(g), "holds layers of %zu inputs, but the second has %zu", sizes.of['i' - 'a'],
                      weir__layer_inputs(&im->config, 1));
    for (size_t d = 0; d < (joined ? 1 : im->directions); d++)
        for (size_t a = 0; im->layout->arrays[a].names; a++) {
            const weir__layout_array *array = &im->layout->arrays[a];
            const weir__entry *entry = g->entry[d][a];
            if (entry)
                TRY(check_array(im, entry, array, &sizes));
            else if (array->axes && (!array->optional || im->found->has[array->kind]))
                return fail_missing(im, g, d, array);
        }
    return WEIR_OK;
}

static weir__sizes dense_sizes(const import *im, size_t i)
{
    weir__sizes sizes = {{0}};
    *weir__size_of(&sizes, 'o') = weir__dense_units(&im->config, i);
    *weir__size_of(&sizes, 'i') = weir__dense_inputs(&im->config, i);
    return sizes;
}

static weir_status check_shapes(const import *im)
{
    size_t layer = 0;
    for (size_t i = 0; i < im->found->groups; layer += im->found->group[i++].layers)
        TRY(check_group(im, &im->found->group[i], layer));
    for (size_t i = 0; i < im->found->dense_layers; i++)
        for (size_t a = 0; a < 2; a++) {
            weir__sizes sizes = dense_sizes(im, i);
            TRY(check_array(im, im->found->dense[i].entry[a], &im->layout->dense[a], &sizes));
        }
    return WEIR_OK;
}

/* ---- Numbers ---- */

/* An array's numbers, read a piece at a time. */
typedef struct reader {
    const import *im;
    const weir__entry *entry;
    const weir__layout_array *array;
    size_t layer;             /* the array's first */
    size_t taken, held, used; /* numbers of the array that are read; of this piece; that are used */
    weir__run to;             /* the run whose tensor is `tensor` */
    float *tensor;
    unsigned char bytes[8 * PIECE];
    double piece[PIECE];
    weir_status status;
} reader;

static void begin(reader *r, const weir__entry *entry, const weir__layout_array *array, size_t layer)
{
    r->entry = entry;
    r->array = array;
    r->layer = layer;
    r->taken = r->held = r->used = 0;
    r->tensor = NULL;
}

static size_t count_of(const weir__entry *entry)
{
    return (entry->end - entry->begin) / weir__dtype_size(entry->dtype);
}

static bool read_piece(reader *r)
{
    size_t size = weir__dtype_size(r->entry->dtype), left = count_of(r->entry) - r->taken;
    r->held = left < PIECE ? left : PIECE;
    r->used = 0;
    r->status = weir__file_read_at(&r->im->file, r->entry->begin + r->taken * size, r->bytes, r->held * size, r->im->err);
    if (r->status)
        return false;
    weir__to_doubles(r->entry->dtype, r->bytes, r->held, r->piece);
    r->taken += r->held;
    return true;
}

/* The next number, or false after an error. Never asked for more than there are. */
static bool next(reader *r, double *number)
{
    if (r->used == r->held && !read_piece(r))
        return false;
    *number = r->piece[r->used++];
    if (isfinite(*number) && isfinite((float)*number))
        return true;
    size_t place = r->taken - r->held + r->used - 1;
    r->status = weir__fail_at(r->im->err, WEIR_E_NONFINITE, r->entry->begin + place * weir__dtype_size(r->entry->dtype),
                              "tensor %.70s holds %g at place %zu, where a finite float32 is needed", r->entry->name, *number, place);
    return false;
}

/* The tensor that a run goes to. */
static float *tensor_of(reader *r, const weir__run *run)
{
    const import *im = r->im;
    if (!r->tensor || run->kind != r->to.kind || run->layer != r->to.layer || run->direction != r->to.direction) {
        size_t index = (size_t)(weir__params_find(&im->params, run->kind, r->layer + run->layer, run->direction) - im->params.list);
        r->to = *run;
        r->tensor = im->numbers + (im->tensors[index].data - im->numbers);
    }
    return r->tensor;
}

/* A bias may be the sum of two, and of what the framework adds while it runs; each sum is rounded once, and a zero changes no bit. */
static bool read_run(void *ctx, const weir__run *run)
{
    reader *r = ctx;
    float *to = tensor_of(r, run) + run->at;
    double added = run->kind == WEIR__BIAS && run->gate == 'f' && !r->array->second ? (double)r->im->forget_bias : 0;
    for (size_t i = 0; i < run->count; i++, to += run->step) {
        double number;
        if (!next(r, &number))
            return false;
        if (r->array->second)
            number = number != 0 ? (double)*to + number : (double)*to;
        *to = (float)(added != 0 ? number + added : number);
        if (!isfinite(*to)) {
            r->status = weir__fail_at(r->im->err, WEIR_E_NONFINITE, r->entry->begin, "tensor %.70s and what is added to it are too large for float32",
                                      r->entry->name);
            return false;
        }
    }
    return true;
}

static weir_status read_array(reader *r, const weir__entry *entry, const weir__layout_array *array, const weir__sizes *sizes, size_t layer,
                              size_t direction)
{
    begin(r, entry, array, layer);
    weir__layout_walk(r->im->layout, array, sizes, direction, read_run, r);
    return r->status;
}

/* Without biases in the file there is still what the framework adds. */
static void set_forget_bias(const import *im)
{
    float *to = im->numbers;
    for (size_t i = 0; i < im->params.count; to += im->params.list[i++].count)
        for (size_t k = 0; im->params.list[i].kind == WEIR__BIAS && k < im->config.hidden; k++)
            to[im->config.hidden + k] = im->forget_bias;
}

static weir_status read_arrays(reader *r)
{
    const import *im = r->im;
    const found *f = im->found;
    if (!f->has[WEIR__BIAS])
        set_forget_bias(im);
    size_t layer = 0;
    for (size_t i = 0; i < f->groups; layer += f->group[i++].layers) {
        weir__sizes sizes = sizes_of(im, &f->group[i], layer);
        for (size_t d = 0; d < 2; d++)
            for (size_t a = 0; im->layout->arrays[a].names; a++)
                if (f->group[i].entry[d][a])
                    TRY(read_array(r, f->group[i].entry[d][a], &im->layout->arrays[a], &sizes, layer, d));
    }
    for (size_t i = 0; i < f->dense_layers; i++)
        for (size_t a = 0; a < 2; a++) {
            weir__sizes sizes = dense_sizes(im, i);
            TRY(read_array(r, f->dense[i].entry[a], &im->layout->dense[a], &sizes, i, 0));
        }
    return WEIR_OK;
}

/* ---- The check ---- */

/* Shapes of a check: those of a weir_batch and of what weir_model_run gives. */
static weir_status check_check(const import *im)
{
    const weir_config *c = &im->config;
    const weir__entry *const *check = im->found->check, *x = check[CHECK_X];
    size_t lanes = c->layers * im->directions, total = 0;
    for (size_t i = 0; i < CHECKS; i++) {
        if (check[i] && !x)
            return refuse(im, check[i]->name, "stands without check.x");
        if (check[i] && (check[i]->dtype == WEIR__I8 || check[i]->dtype == WEIR__DTYPES))
            return refuse(im, check[i]->name, "must have the dtype F64, F32, F16 or BF16");
        if (check[i] && count_of(check[i]) > CHECK_NUMBERS - total)
            return refuse(im, check[i]->name, "makes the check too long; it may have %d numbers", (int)CHECK_NUMBERS);
        total += check[i] ? count_of(check[i]) : 0;
    }
    if (!x)
        return WEIR_OK;
    size_t T = x->dims[0], B = x->dims[1], y_first = c->readout == WEIR_FINAL_STATE;
    const struct {
        size_t rank, dims[3];
    } shapes[CHECKS] = {{c->tokens ? 2 : 3, {T, B, c->inputs}},
                        {3, {lanes, B, weir__projected(c)}},
                        {3, {lanes, B, c->hidden}},
                        {1, {B}},
                        {y_first ? 2 : 3, {y_first ? B : T, y_first ? weir__output_values(c) : B, weir__output_values(c)}}};
    for (size_t i = 0; i < CHECKS; i++)
        if (check[i] && (check[i]->rank != shapes[i].rank || memcmp(check[i]->dims, shapes[i].dims, shapes[i].rank * sizeof(size_t)) ||
                         !count_of(check[i]))) {
            char has[WEIR__SHAPE_SIZE], must[WEIR__SHAPE_SIZE];
            return refuse(im, check[i]->name, "has the shape %.60s, but must have %.60s", weir__shape_text(check[i]->rank, check[i]->dims, has),
                          weir__shape_text(shapes[i].rank, shapes[i].dims, must));
        }
    return WEIR_OK;
}

/* {"shape": [...], "data": [...]}; NULL after an error. */
static json_t *array_to_json(reader *r, const weir__entry *entry)
{
    json_t *shape = json_array(), *data = json_array();
    for (size_t i = 0; i < entry->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)entry->dims[i]));
    begin(r, entry, NULL, 0);
    double number;
    for (size_t i = 0; i < count_of(entry) && next(r, &number); i++)
        json_array_append_new(data, json_real((double)(float)number));
    bool whole = !r->status && shape && json_array_size(shape) == entry->rank && json_array_size(data) == count_of(entry);
    json_t *object = whole ? json_pack("{sO sO}", "shape", shape, "data", data) : NULL;
    json_decref(shape);
    json_decref(data);
    return object;
}

/* Puts the check among the notes, which have to be a JSON object then. */
static weir_status keep_check(reader *r, import *im)
{
    if (!im->found->check[CHECK_X])
        return WEIR_OK;
    json_t *notes = *im->config.notes ? json_loads(im->config.notes, 0, NULL) : json_object(), *check = json_object();
    weir_status status = WEIR_OK;
    if (!json_is_object(notes))
        status = refuse(im, "check.x", "has no place in the notes, which are no JSON object");
    for (size_t i = 0; i < CHECKS && !status; i++)
        if (im->found->check[i] && json_object_set_new(check, check_names[i], array_to_json(r, im->found->check[i])))
            status = r->status ? r->status : weir__fail(im->err, WEIR_E_NOMEM, "no memory for the check");
    if (!status) {
        json_object_set(notes, "check", check);
        im->notes = json_dumps(notes, JSON_COMPACT);
        im->config.notes = im->notes;
        if (!im->notes)
            status = weir__fail(im->err, WEIR_E_NOMEM, "no memory for the notes");
    }
    json_decref(notes);
    json_decref(check);
    return status;
}

/* ---- All together ---- */

/* Reads no more of the file than its header. */
static weir_status open_header(import *im, void **head, size_t *head_size)
{
    unsigned char eight[8];
    if (im->file.size >= sizeof eight)
        TRY(weir__file_read_at(&im->file, 0, eight, sizeof eight, im->err));
    size_t size = weir__safetensors_head(eight, im->file.size);
    *head_size = size == SIZE_MAX ? (im->file.size < 8 ? im->file.size : 8) : size;
    *head = weir__alloc(&im->allocator, *head_size);
    if (!*head)
        return weir__fail(im->err, WEIR_E_NOMEM, "no memory for the header");
    TRY(weir__file_read_at(&im->file, 0, *head, *head_size, im->err));
    return weir__safetensors_open(&im->st, *head, im->file.size, WEIR__OF_SAFETENSORS, im->err);
}

static weir_status allocate_tensors(import *im)
{
    TRY(weir__params_new(&im->params, &im->config, &im->allocator, im->err));
    im->tensors = weir__alloc(&im->allocator, im->params.count * sizeof *im->tensors);
    im->numbers = weir__alloc(&im->allocator, im->params.weights * sizeof *im->numbers);
    if (!im->tensors || !im->numbers)
        return weir__fail(im->err, WEIR_E_NOMEM, "no memory for %zu weights", im->params.weights);
    float *room = im->numbers;
    for (size_t i = 0; i < im->params.count; i++) {
        const struct weir__param *p = &im->params.list[i];
        im->tensors[i] = (weir_tensor){.rows = p->rows, .cols = p->cols, .data = room};
        strcpy(im->tensors[i].name, p->name);
        room += p->count;
    }
    return WEIR_OK;
}

static weir_status read_numbers(import *im)
{
    reader *r = weir__alloc(&im->allocator, sizeof *r);
    if (!r)
        return weir__fail(im->err, WEIR_E_NOMEM, "no memory to read the weights");
    r->im = im;
    weir_status status = read_arrays(r);
    if (!status)
        status = keep_check(r, im);
    weir__free(&im->allocator, r, sizeof *r);
    return status;
}

static weir_status read_file(import *im, const weir_config *config, void **head, size_t *head_size)
{
    TRY(open_header(im, head, head_size));
    TRY(read_metadata(im));
    if (config)
        take_settings(&im->config, config);
    im->found = weir__alloc(&im->allocator, sizeof *im->found);
    if (!im->found)
        return weir__fail(im->err, WEIR_E_NOMEM, "no memory for the list of arrays");
    TRY(find_arrays(im));
    TRY(find_sizes(im));
    TRY(fit_config(im, config));
    TRY(check_shapes(im));
    TRY(check_check(im));
    TRY(allocate_tensors(im));
    return read_numbers(im);
}

static void close_import(import *im)
{
    const weir_allocator *a = &im->allocator;
    json_free_t free_json;
    json_get_alloc_funcs(NULL, &free_json);
    free_json(im->notes);
    weir__free(a, im->numbers, im->params.weights * sizeof *im->numbers);
    weir__free(a, im->tensors, im->params.count * sizeof *im->tensors);
    weir__params_free(&im->params, a);
    weir__free(a, im->found, sizeof *im->found);
    weir__safetensors_close(&im->st);
    weir__file_close(&im->file);
}

weir_status weir_model_import(weir_model **out, const char *path, const weir_layout *layout, const weir_config *config, weir_error *err)
{
    *out = NULL;
    weir_error why = {.status = WEIR_OK};
    import im = {.file = {.fd = -1}, .err = &why};
    im.layout = weir__layout_find(layout->name, err);
    if (!im.layout)
        return WEIR_E_ARGUMENT;
    im.prefix = layout->prefix;
    im.forget_bias = layout->set_forget_bias ? layout->forget_bias : im.layout->forget_bias;
    if (!isfinite(im.forget_bias))
        return weir__fail(err, WEIR_E_ARGUMENT, "forget_bias must be a finite number");
    im.allocator = weir__allocator(config ? config->allocator : NULL);
    TRY(weir__file_open(&im.file, path, SIZE_MAX / 4, err));
    void *head = NULL;
    size_t head_size = 0;
    weir_status status = read_file(&im, config, &head, &head_size);
    weir__free(&im.allocator, head, head_size);
    if (!status)
        status = weir_model_new(out, &im.config, im.tensors, im.params.count, &why);
    close_import(&im);
    if (!status)
        return weir__ok(err);
    weir__make_printable(&why);
    return weir__fail_at(err, status, why.offset, "%s: %s", path, why.text);
}
