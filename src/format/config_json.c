/* SPDX-License-Identifier: MIT */
#include "format/config_json.h"
#include "format/json_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 8 << 10 };

/* ---- Fields ---- */

static const char *const directions[] = {"forward", "reverse", "both", NULL};
static const char *const outputs[] = {"linear", "softmax", "logistic", "gaussian", "student_t", "negative_binomial", NULL};
static const char *const readouts[] = {"every_step", "final_state", NULL};
static const char *const forms[] = {"f32", "bf16", "int8", NULL};
static const char *const inits[] = {"glorot", "pytorch", "lecun", "he", "uniform", NULL};

typedef enum kind { COUNT, FLAG, REAL, FOUR_REALS, WORD, ACTIVATION, SEED, DENSE } kind;

static const struct field {
    const char *name;
    kind kind;
    size_t offset;
    const char *const *words; /* of WORD: index = value of the enum */
} fields[] = {
/* clang-format off */
#define FIELD(name, kind, words) {#name, kind, offsetof(weir_config, name), words}
    /* clang-format on */
    FIELD(inputs, COUNT, NULL),
    FIELD(tokens, COUNT, NULL),
    FIELD(layers, COUNT, NULL),
    FIELD(hidden, COUNT, NULL),
    FIELD(projection, COUNT, NULL),
    FIELD(direction, WORD, directions),
    FIELD(no_peepholes, FLAG, NULL),
    FIELD(no_forget_gate, FLAG, NULL),
    FIELD(coupled, FLAG, NULL),
    FIELD(gate, ACTIVATION, NULL),
    FIELD(candidate, ACTIVATION, NULL),
    FIELD(output_activation, ACTIVATION, NULL),
    FIELD(activation_clip, REAL, NULL),
    FIELD(cell_clip, REAL, NULL),
    FIELD(dense, DENSE, NULL),
    FIELD(outputs, COUNT, NULL),
    FIELD(output, WORD, outputs),
    FIELD(readout, WORD, readouts),
    FIELD(weights, WORD, forms),
    FIELD(init, WORD, inits),
    FIELD(init_scale, REAL, NULL),
    FIELD(set_gate_bias, FLAG, NULL),
    FIELD(gate_bias, FOUR_REALS, NULL),
    FIELD(seed, SEED, NULL),
#undef FIELD
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* A WORD is read and written as an unsigned. */
_Static_assert(sizeof(weir_direction) == sizeof(unsigned) && sizeof(weir_output) == sizeof(unsigned) &&
                   sizeof(weir_readout) == sizeof(unsigned) && sizeof(weir_weights) == sizeof(unsigned) &&
                   sizeof(weir_init) == sizeof(unsigned),
               "an enum of weir_config has another size than unsigned");

/* ---- To JSON ---- */

static json_t *activation_to_json(const weir_activation *activation)
{
    const weir_activation_info *info = weir_activation_get(activation->id);
    return json_pack("{ss sf sf}", "name", info ? info->name : "default", "alpha", (double)activation->alpha, "beta",
                     (double)activation->beta);
}

static json_t *reals_to_json(const float *reals)
{
    return json_pack("[ffff]", (double)reals[0], (double)reals[1], (double)reals[2], (double)reals[3]);
}

static json_t *dense_to_json(const weir_config *config)
{
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < config->dense_layers; i++) {
        json_t *layer = json_pack("{sI so}", "units", (json_int_t)config->dense[i].units, "activation",
                                  activation_to_json(&config->dense[i].activation));
        if (json_array_append_new(list, layer)) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *field_to_json(const struct field *field, const weir_config *config)
{
    const void *at = (const char *)config + field->offset;
    switch (field->kind) {
    case COUNT:
        return json_integer(*(const uint32_t *)at);
    case FLAG:
        return json_boolean(*(const bool *)at);
    case REAL:
        return json_real((double)*(const float *)at);
    case FOUR_REALS:
        return reals_to_json(at);
    case WORD:
        return json_string(field->words[*(const unsigned *)at]);
    case ACTIVATION:
        return activation_to_json(at);
    case SEED:
        return weir__u64_to_json(*(const uint64_t *)at);
    case DENSE:
        return dense_to_json(config);
    }
    return NULL;
}

json_t *weir__config_to_json(const weir_config *config)
{
    json_t *json = json_pack("{si}", "format", WEIR__CONFIG_FORMAT);
    for (size_t i = 0; json && i < FIELDS; i++)
        if (json_object_set_new(json, fields[i].name, field_to_json(&fields[i], config))) {
            json_decref(json);
            json = NULL;
        }
    return json;
}

json_t *weir__metadata_to_json(const weir_config *config)
{
    json_t *json = weir__config_to_json(config), *metadata = NULL;
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text)
        metadata = json_pack("{ss}", "weir", text);
    if (metadata && *config->notes && json_object_set_new(metadata, "notes", json_string(config->notes))) {
        json_decref(metadata);
        metadata = NULL;
    }
    free(text);
    json_decref(json);
    return metadata;
}

/* ---- From JSON ---- */

static bool get_reals(const json_t *json, float *out)
{
    return json_array_size(json) == 4 && weir__json_real(json_array_get(json, 0), out) && weir__json_real(json_array_get(json, 1), out + 1) &&
           weir__json_real(json_array_get(json, 2), out + 2) && weir__json_real(json_array_get(json, 3), out + 3);
}

/* {"name": ..., "alpha": ..., "beta": ...}; alpha and beta may be absent. */
static bool get_activation(const json_t *json, weir_activation *out)
{
    const json_t *name = json_object_get(json, "name"), *alpha = json_object_get(json, "alpha"),
                 *beta = json_object_get(json, "beta");
    if (!json_is_string(name) || json_object_size(json) != 1u + (alpha != NULL) + (beta != NULL))
        return false;
    out->id = weir_activation_find(json_string_value(name));
    return out->id != WEIR_ACTIVATION_DEFAULT && (!alpha || weir__json_real(alpha, &out->alpha)) &&
           (!beta || weir__json_real(beta, &out->beta));
}

static bool get_dense(const json_t *json, weir_config *out)
{
    if (!json_is_array(json) || json_array_size(json) > WEIR_MAX_DENSE)
        return false;
    out->dense_layers = (uint32_t)json_array_size(json);
    for (size_t i = 0; i < out->dense_layers; i++) {
        const json_t *layer = json_array_get(json, i), *activation = json_object_get(layer, "activation");
        if (json_object_size(layer) != 1u + (activation != NULL) ||
            !weir__json_count(json_object_get(layer, "units"), &out->dense[i].units) ||
            (activation && !get_activation(activation, &out->dense[i].activation)))
            return false;
    }
    return true;
}

static bool get_field(const struct field *field, const json_t *json, weir_config *config)
{
    void *at = (char *)config + field->offset;
    switch (field->kind) {
    case COUNT:
        return weir__json_count(json, at);
    case FLAG:
        *(bool *)at = json_is_true(json);
        return json_is_boolean(json);
    case REAL:
        return weir__json_real(json, at);
    case FOUR_REALS:
        return get_reals(json, at);
    case WORD:
        return weir__json_word(json, field->words, at);
    case ACTIVATION:
        return get_activation(json, at);
    case SEED:
        return weir__json_u64(json, at);
    case DENSE:
        return get_dense(json, config);
    }
    return false;
}

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (!strcmp(fields[i].name, name))
            return &fields[i];
    return NULL;
}

static weir_status config_from_json(weir_config *config, json_t *json, char field[WEIR__FIELD_SIZE], weir_error *err)
{
    strcpy(field, "format");
    if (!json_is_object(json))
        return weir__fail(err, WEIR_E_FORMAT, "the configuration is no JSON object");
    if (json_integer_value(json_object_get(json, "format")) != WEIR__CONFIG_FORMAT)
        return weir__fail(err, WEIR_E_FORMAT, "the configuration's field format must be %d", WEIR__CONFIG_FORMAT);
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value)
    {
        if (!strcmp(name, "format"))
            continue;
        snprintf(field, WEIR__FIELD_SIZE, "%s", name);
        const struct field *known = find_field(name);
        if (!known)
            return weir__fail(err, WEIR_E_FORMAT, "the configuration has an unknown field %.60s", name);
        if (!get_field(known, value, config))
            return weir__fail(err, WEIR_E_FORMAT, "the configuration's field %s has a value that it cannot have", name);
    }
    return WEIR_OK;
}

weir_status weir__config_from_text(weir_config *config, const char *text, size_t size, char field[WEIR__FIELD_SIZE], weir_error *err)
{
    *config = (weir_config){0};
    *field = 0;
    if (size > CONFIG_LIMIT)
        return weir__fail(err, WEIR_E_FORMAT, "the configuration has more than 8 KiB");
    json_error_t error;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return weir__fail(err, WEIR_E_FORMAT, "the configuration is no valid JSON: %s", error.text);
    weir_status status = config_from_json(config, json, field, err);
    json_decref(json);
    return status;
}
