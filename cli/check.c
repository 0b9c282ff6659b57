/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "data/fail.h"

enum { MOST_DIMENSIONS = 3 };

/* An array of the check; data is NULL if it is absent. */
typedef struct array {
    size_t rank, dims[MOST_DIMENSIONS], count;
    float *data;
} array;

static weir_status broken(weir_error *err, const char *name, const char *why)
{
    return data_fail(err, WEIR_E_FORMAT, "the check in the model's notes is broken: %s %s", name, why);
}

/* {"shape": [...], "data": [...]}. Free data. */
static weir_status read_array(const json_t *check, const char *name, array *a, weir_error *err)
{
    const json_t *object = json_object_get(check, name), *shape = json_object_get(object, "shape"), *data = json_object_get(object, "data");
    *a = (array){.rank = json_array_size(shape), .count = 1};
    if (!object)
        return WEIR_OK;
    size_t numbers = json_array_size(data);
    for (size_t i = 0; i < a->rank && i < MOST_DIMENSIONS; i++) {
        json_int_t size = json_integer_value(json_array_get(shape, i));
        if (size < 1 || (uintmax_t)size > numbers / a->count)
            return broken(err, name, "has another shape than numbers");
        a->dims[i] = (size_t)size;
        a->count *= a->dims[i];
    }
    if (!a->rank || a->rank > MOST_DIMENSIONS || a->count != numbers)
        return broken(err, name, "has another shape than numbers");
    a->data = malloc(numbers * sizeof *a->data);
    if (!a->data)
        return data_no_memory(err);
    for (size_t i = 0; i < numbers; i++) {
        a->data[i] = (float)json_number_value(json_array_get(data, i));
        if (!json_is_number(json_array_get(data, i)) || !isfinite(a->data[i]))
            return broken(err, name, "holds what is no finite number");
    }
    return WEIR_OK;
}

static bool has_shape(const array *a, size_t rank, size_t first, size_t second, size_t third)
{
    return a->rank == rank && a->dims[0] == first && (rank < 2 || a->dims[1] == second) && (rank < 3 || a->dims[2] == third);
}

/* Whole numbers up to `most`, of tokens and of lengths. Free them. */
static uint32_t *whole_numbers(const array *a, uint32_t most)
{
    uint32_t *whole = malloc(a->count * sizeof *whole);
    for (size_t i = 0; whole && i < a->count; i++) {
        if (!(a->data[i] >= 0 && a->data[i] <= (float)most && a->data[i] == floorf(a->data[i]))) {
            free(whole);
            return NULL;
        }
        whole[i] = (uint32_t)a->data[i];
    }
    return whole;
}

typedef struct check {
    array x, h0, c0, lengths, y;
    uint32_t *tokens, *steps;
} check;

static weir_status read_check(const json_t *json, check *k, weir_error *err)
{
    weir_status status = read_array(json, "x", &k->x, err);
    if (!status)
        status = read_array(json, "h0", &k->h0, err);
    if (!status)
        status = read_array(json, "c0", &k->c0, err);
    if (!status)
        status = read_array(json, "lengths", &k->lengths, err);
    return status ? status : read_array(json, "y", &k->y, err);
}

static void free_check(check *k)
{
    free(k->x.data);
    free(k->h0.data);
    free(k->c0.data);
    free(k->lengths.data);
    free(k->y.data);
    free(k->tokens);
    free(k->steps);
}

/* Makes a batch of the check; its arrays are the check's. */
static weir_status make_batch(const weir_model *model, check *k, weir_batch *batch, weir_error *err)
{
    const weir_config *c = weir_model_config(model);
    size_t T = k->x.dims[0], B = k->x.dims[1], O = weir_model_outputs(model);
    size_t lanes = c->layers * (c->direction == WEIR_BOTH ? 2u : 1u), P = c->projection ? c->projection : c->hidden;
    if (!k->x.data || !has_shape(&k->x, c->tokens ? 2 : 3, T, B, c->inputs))
        return broken(err, "x", "does not fit the model");
    if (k->h0.data && !has_shape(&k->h0, 3, lanes, B, P))
        return broken(err, "h0", "does not fit the model");
    if (k->c0.data && !has_shape(&k->c0, 3, lanes, B, c->hidden))
        return broken(err, "c0", "does not fit the model");
    if (k->lengths.data && !has_shape(&k->lengths, 1, B, 0, 0))
        return broken(err, "lengths", "does not fit the model");
    if (!(c->readout == WEIR_FINAL_STATE ? has_shape(&k->y, 2, B, O, 0) : has_shape(&k->y, 3, T, B, O)))
        return broken(err, "y", "does not fit the model");
    if (c->tokens && !(k->tokens = whole_numbers(&k->x, c->tokens)))
        return broken(err, "x", "holds what is no token");
    if (k->lengths.data && !(k->steps = whole_numbers(&k->lengths, (uint32_t)T)))
        return broken(err, "lengths", "holds what is no length");
    *batch = (weir_batch){.steps = T,
                          .rows = B,
                          .x = c->tokens ? NULL : k->x.data,
                          .tokens = k->tokens,
                          .lengths = k->steps,
                          .h0 = k->h0.data,
                          .c0 = k->c0.data};
    return WEIR_OK;
}

static double largest_difference(const float *a, const float *b, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        largest = isfinite(d) ? fmax(largest, d) : (double)INFINITY;
    }
    return largest;
}

static weir_status compare(const weir_model *model, check *k, const weir_parallel *parallel, double *difference, weir_error *err)
{
    weir_batch batch;
    weir_status status = make_batch(model, k, &batch, err);
    if (status)
        return status;
    float *y = malloc(k->y.count * sizeof *y);
    status = y ? weir_model_run(model, &batch, y, NULL, NULL, parallel, err) : data_no_memory(err);
    if (!status)
        *difference = largest_difference(y, k->y.data, k->y.count);
    free(y);
    return status;
}

weir_status check_run(const weir_model *model, const json_t *notes, const weir_parallel *parallel, double *difference, size_t *numbers,
                      weir_error *err)
{
    const json_t *json = json_object_get(notes, "check");
    if (!json)
        return data_fail(err, WEIR_E_UNSUPPORTED, "the model carries no check, so there is nothing to compare it with");
    if (!json_object_get(json, "y"))
        return data_fail(err, WEIR_E_UNSUPPORTED, "the model's check has no output of the source, so there is nothing to compare it with");
    check k = {0};
    weir_status status = read_check(json, &k, err);
    if (!status)
        status = compare(model, &k, parallel, difference, err);
    *numbers = k.y.count;
    free_check(&k);
    return status;
}
