/* Writes a model's weights as another framework names them and lays them out.
 * SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "format/config_json.h"
#include "format/layout.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What a framework cannot express ---- */

static bool has_kind(const weir__layout *layout, enum weir__param_kind kind)
{
    for (const weir__layout_array *a = layout->arrays; a->names; a++)
        if (a->axes && a->kind == kind)
            return true;
    return false;
}

static bool is_standard(const weir_config *c)
{
    return c->gate.id == WEIR_SIGMOID && c->candidate.id == WEIR_TANH && c->output_activation.id == WEIR_TANH;
}

/* What of the model the framework does not have, or NULL. */
static const char *find_obstacle(const weir_config *c, const weir__layout *layout)
{
    if (!c->no_peepholes && !has_kind(layout, WEIR__PEEPHOLE))
        return "peepholes";
    if (c->projection && !has_kind(layout, WEIR__WEIGHT_HR))
        return "a projection";
    if (c->coupled)
        return "coupled gates, f = 1 - i";
    if (c->no_forget_gate)
        return "a cell without forget gate";
    if (c->activation_clip != 0)
        return "a clip of the activations' arguments";
    if (c->cell_clip != 0 && !(layout->settings & WEIR__SETS_CELL_CLIP))
        return "a clip of the cell";
    if (!is_standard(c) && !(layout->settings & WEIR__SETS_ACTIVATIONS))
        return "activations other than sigmoid and tanh";
    if (c->direction == WEIR_REVERSE && !(layout->settings & WEIR__SETS_REVERSE))
        return "a network of the reverse direction alone";
    if (weir__cell_has_slopes(c))
        return "learned slopes of PReLU";
    for (size_t i = 0; i < c->dense_layers; i++)
        if (c->dense[i].activation.id == WEIR_PRELU)
            return "learned slopes of PReLU";
    return NULL;
}

/* ---- Arrays ---- */

/* A file in the making. */
typedef struct export {
    const weir__layout *layout;
    const weir_config *config;
    struct weir__params params;
    float forget_bias;
    float *weights;    /* all tensors, each at its offset of params */
    float *room;       /* the next array's numbers go here */
    weir__array *list; /* NULL while arrays and numbers are counted only */
    size_t count, numbers;
} export;

/* One array being filled. */
typedef struct filling {
    const export *ex;
    const weir__layout_array *array;
    size_t layer;
    float *to;
} filling;

static bool write_run(void *ctx, const weir__run *run)
{
    filling *f = ctx;
    const struct weir__param *p = weir__params_find(&f->ex->params, run->kind, f->layer + run->layer, run->direction);
    const float *from = f->ex->weights + p->offset + run->at;
    bool adds = run->kind == WEIR__BIAS && run->gate == 'f' && f->ex->forget_bias != 0;
    for (size_t i = 0; i < run->count; i++, from += run->step, f->to++)
        if (!f->array->second) /* else it stays 0 */
            *f->to = adds ? (float)((double)*from - (double)f->ex->forget_bias) : *from;
    return true;
}

/* `number`: the layer's in the name; `layer`: the array's first in the model. */
static void add_array(export *ex, const char *pattern, const weir__layout_array *array, const weir__sizes *sizes, size_t number, size_t layer,
                      size_t direction)
{
    weir__array made = {.dtype = WEIR__F32, .data = ex->room};
    made.rank = weir__layout_dims(array, sizes, made.dims);
    size_t numbers = 1;
    for (size_t i = 0; i < made.rank; i++)
        numbers *= made.dims[i];
    if (ex->list) {
        weir__layout_write_name(ex->layout, pattern, array, number, direction, made.name);
        filling f = {ex, array, layer, ex->room};
        weir__layout_walk(ex->layout, array, sizes, direction, write_run, &f);
        ex->list[ex->count] = made;
        ex->room += numbers;
    }
    ex->count++;
    ex->numbers += numbers;
}

static bool is_wanted(const weir_config *c, const weir__layout_array *array)
{
    return array->axes && !(array->kind == WEIR__PEEPHOLE && c->no_peepholes) && !(array->kind == WEIR__WEIGHT_HR && !c->projection);
}

/* Layers of one array, from `layer` on: all of the same inputs where the layout joins layers, else one. */
static size_t joined_layers(const export *ex, size_t layer)
{
    const weir_config *c = ex->config;
    if (ex->layout->arrays[0].axes[0] != 'l')
        return 1;
    bool alike = layer || c->layers == 1 || weir__layer_inputs(c, 0) == weir__layer_inputs(c, 1);
    return alike ? c->layers - layer : 1;
}

static void add_arrays(export *ex)
{
    const weir_config *c = ex->config;
    const weir__layout *layout = ex->layout;
    weir__sizes sizes = {{0}};
    size_t directions = weir__directions(c), count;
    *weir__size_of(&sizes, 'd') = directions;
    *weir__size_of(&sizes, 'o') = c->hidden;
    *weir__size_of(&sizes, 'h') = *weir__size_of(&sizes, 'p') = weir__projected(c);
    for (size_t layer = 0, number = 0; layer < c->layers; layer += count, number++) {
        count = joined_layers(ex, layer);
        *weir__size_of(&sizes, 'l') = count;
        *weir__size_of(&sizes, 'i') = weir__layer_inputs(c, layer);
        bool joined = strchr(layout->arrays[0].axes, 'd') != NULL;
        for (size_t d = 0; d < (joined ? 1 : directions); d++)
            for (const weir__layout_array *a = layout->arrays; a->names; a++)
                if (is_wanted(c, a))
                    add_array(ex, directions == 2 ? layout->two : layout->one, a, &sizes, number, layer, d);
    }
    for (size_t i = 0; i < weir__dense_count(c); i++) {
        *weir__size_of(&sizes, 'o') = weir__dense_units(c, i);
        *weir__size_of(&sizes, 'i') = weir__dense_inputs(c, i);
        for (size_t a = 0; a < 2; a++)
            add_array(ex, layout->head, &layout->dense[a], &sizes, i, i, 0);
    }
}

/* ---- The file ---- */

/* A model's metadata, and the name of the layout; NULL without memory, or if the notes are no UTF-8. */
static json_t *build_metadata(const export *ex)
{
    json_t *metadata = weir__metadata_to_json(ex->config);
    if (metadata && json_object_set_new(metadata, "layout", json_string(ex->layout->name))) {
        json_decref(metadata);
        metadata = NULL;
    }
    return metadata;
}

static weir_status check_bytes(const void *bytes, size_t size, weir_error *err)
{
    weir__safetensors check;
    weir_status status = weir__safetensors_open(&check, bytes, size, WEIR__OF_SAFETENSORS, err);
    weir__safetensors_close(&check);
    return status;
}

static weir_status write_arrays(export *ex, const weir_allocator *a, const char *path, weir_error *err)
{
    json_t *metadata = build_metadata(ex);
    if (!metadata)
        return weir__fail(err, WEIR_E_ARGUMENT, "the model's notes are no valid UTF-8, which a file needs");
    void *bytes;
    size_t size;
    weir_status status = weir__safetensors_write(a, metadata, ex->list, ex->count, &bytes, &size, err);
    json_decref(metadata);
    if (status)
        return status;
    status = check_bytes(bytes, size, err);
    if (!status)
        status = weir__file_write(path, bytes, size, err);
    weir__free(a, bytes, size);
    return status;
}

static weir_status fill_and_write(export *ex, const weir_model *model, const weir_allocator *a, const char *path, weir_error *err)
{
    add_arrays(ex); /* counts */
    size_t list_size = ex->count * sizeof *ex->list, room_size = ex->numbers * sizeof(float), weights_size = ex->params.size * sizeof(float);
    ex->list = weir__alloc(a, list_size);
    ex->weights = weir__alloc(a, weights_size);
    float *room = ex->room = weir__alloc(a, room_size);
    weir_status status = WEIR_OK;
    if (ex->list && ex->weights && room) {
        for (size_t i = 0; i < ex->params.count; i++)
            weir_model_weights(model, i, ex->weights + ex->params.list[i].offset);
        ex->count = 0;
        add_arrays(ex);
        status = write_arrays(ex, a, path, err);
    } else
        status = weir__fail(err, WEIR_E_NOMEM, "no memory for a copy of the weights");
    weir__free(a, room, room_size);
    weir__free(a, ex->weights, weights_size);
    weir__free(a, ex->list, list_size);
    return status;
}

weir_status weir_model_export(const weir_model *model, const char *path, const weir_layout *layout, weir_error *err)
{
    const weir_config *config = weir_model_config(model);
    export ex = {.layout = weir__layout_find(layout->name, err), .config = config};
    if (!ex.layout)
        return WEIR_E_ARGUMENT;
    const char *obstacle = find_obstacle(config, ex.layout);
    if (obstacle)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "the model has %s, for which the layout %s has no place", obstacle, ex.layout->name);
    ex.forget_bias = layout->set_forget_bias ? layout->forget_bias : ex.layout->forget_bias;
    if (!isfinite(ex.forget_bias))
        return weir__fail(err, WEIR_E_ARGUMENT, "forget_bias must be a finite number");
    TRY(weir__params_new(&ex.params, config, config->allocator, err));
    weir_status status = fill_and_write(&ex, model, config->allocator, path, err);
    weir__params_free(&ex.params, config->allocator);
    return status;
}
