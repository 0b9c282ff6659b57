/* SPDX-License-Identifier: MIT */
#include "format/checkpoint_json.h"
#include "format/json_fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 16 << 10 };

/* ---- Fields ---- */

static const char *const optimizers[] = {"adam", "adamw", "rmsprop", "sgd", NULL};
static const char *const schedules[] = {"constant", "cosine", "plateau", NULL};

typedef enum kind { COUNT, SIZE, U64, FLAG, REAL, DOUBLE, WORD } kind;

struct field {
    const char *name;
    kind kind;
    size_t offset;
    const char *const *words; /* of WORD: index = value of the enum */
};

struct fields {
    const struct field *list;
    size_t count;
};
#define FIELDS(list) {list, sizeof list / sizeof *list}

/* clang-format off */
#define FIELD(type, name, kind) {#name, kind, offsetof(type, name), NULL}
#define CHOICE(type, name, words) {#name, WORD, offsetof(type, name), words}
/* clang-format on */

static const struct field train_list[] = {
    FIELD(weir_train_config, rows, COUNT),
    FIELD(weir_train_config, steps, COUNT),
    CHOICE(weir_train_config, optimizer, optimizers),
    FIELD(weir_train_config, rate, REAL),
    FIELD(weir_train_config, momentum, REAL),
    FIELD(weir_train_config, beta1, REAL),
    FIELD(weir_train_config, beta2, REAL),
    FIELD(weir_train_config, epsilon, REAL),
    FIELD(weir_train_config, weight_decay, REAL),
    FIELD(weir_train_config, clip, REAL),
    CHOICE(weir_train_config, schedule, schedules),
    FIELD(weir_train_config, warmup, U64),
    FIELD(weir_train_config, total_updates, U64),
    FIELD(weir_train_config, plateau, COUNT),
    FIELD(weir_train_config, dropout, REAL),
    FIELD(weir_train_config, head_dropout, REAL),
    FIELD(weir_train_config, seed, U64),
};

static const struct field state_list[] = {
    FIELD(struct weir__training_state, updates, U64),
    FIELD(struct weir__training_state, power1, DOUBLE),
    FIELD(struct weir__training_state, power2, DOUBLE),
    FIELD(struct weir__training_state, plateau_factor, DOUBLE),
    FIELD(struct weir__training_state, carried_rows, SIZE),
    FIELD(struct weir__training_state, weighted, FLAG),
};

static const struct field fit_list[] = {
    FIELD(struct weir__fit_state, begun, FLAG),
    FIELD(struct weir__fit_state, planned, FLAG),
    FIELD(struct weir__fit_state, any_best, FLAG),
    FIELD(struct weir__fit_state, sum.sum, DOUBLE),
    FIELD(struct weir__fit_state, sum.count, U64),
    FIELD(struct weir__fit_state, sum.weight, DOUBLE),
    FIELD(struct weir__fit_state, best_loss, DOUBLE),
    FIELD(struct weir__fit_state, since_best, COUNT),
};

static const struct field progress_list[] = {
    FIELD(weir_progress, epoch, COUNT),
    FIELD(weir_progress, epochs, COUNT),
    FIELD(weir_progress, batch, SIZE),
    FIELD(weir_progress, batches, SIZE),
    FIELD(weir_progress, train_loss, DOUBLE),
    FIELD(weir_progress, valid_loss, DOUBLE),
    FIELD(weir_progress, rate, DOUBLE),
    FIELD(weir_progress, epoch_done, FLAG),
    FIELD(weir_progress, best, FLAG),
};

/* The parts of a state, each an object of its own. The first name is longer than any number: jansson's reader aborts if its buffer must
 * grow inside of a number and there is no memory, but not inside of a string. */
static const struct part {
    const char *name;
    size_t offset;
    struct fields fields;
} parts[] = {
    {"training_configuration", offsetof(struct weir__training_state, train), FIELDS(train_list)},
    {"state", 0, FIELDS(state_list)},
    {"fit", offsetof(struct weir__training_state, fit), FIELDS(fit_list)},
    {"now", offsetof(struct weir__training_state, fit.now), FIELDS(progress_list)},
    {"best", offsetof(struct weir__training_state, fit.best), FIELDS(progress_list)},
};
enum { PARTS = sizeof parts / sizeof *parts };

_Static_assert(sizeof(weir_optimizer) == sizeof(unsigned) && sizeof(weir_schedule) == sizeof(unsigned),
               "an enum of weir_train_config has another size than unsigned");

/* ---- To JSON ---- */

static json_t *field_to_json(const struct field *field, const char *base)
{
    const void *at = base + field->offset;
    switch (field->kind) {
    case COUNT:
        return json_integer(*(const uint32_t *)at);
    case SIZE:
        return weir__u64_to_json(*(const size_t *)at);
    case U64:
        return weir__u64_to_json(*(const uint64_t *)at);
    case FLAG:
        return json_boolean(*(const bool *)at);
    case REAL:
        return weir__double_to_json((double)*(const float *)at);
    case DOUBLE:
        return weir__double_to_json(*(const double *)at);
    case WORD:
        return json_string(field->words[*(const unsigned *)at]);
    }
    return NULL;
}

static json_t *fields_to_json(const struct fields *fields, const char *base)
{
    json_t *json = json_object();
    for (size_t i = 0; json && i < fields->count; i++)
        if (json_object_set_new(json, fields->list[i].name, field_to_json(fields->list + i, base))) {
            json_decref(json);
            json = NULL;
        }
    return json;
}

char *weir__state_to_text(const struct weir__training_state *state)
{
    json_t *json = json_pack("{si}", "format", WEIR__CHECKPOINT_FORMAT);
    for (size_t i = 0; json && i < PARTS; i++)
        if (json_object_set_new(json, parts[i].name, fields_to_json(&parts[i].fields, (const char *)state + parts[i].offset))) {
            json_decref(json);
            json = NULL;
        }
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

/* ---- From JSON ---- */

static bool get_real(const json_t *json, float *out)
{
    double value;
    bool good = weir__json_double(json, &value);
    *out = good ? (float)value : 0;
    return good && (double)*out == value; /* nothing is rounded, and no NaN comes in */
}

static bool get_field(const struct field *field, const json_t *json, char *base)
{
    void *at = base + field->offset;
    uint64_t size;
    switch (field->kind) {
    case COUNT:
        return weir__json_count(json, at);
    case SIZE:
        if (!weir__json_u64(json, &size) || size > SIZE_MAX)
            return false;
        *(size_t *)at = (size_t)size;
        return true;
    case U64:
        return weir__json_u64(json, at);
    case FLAG:
        *(bool *)at = json_is_true(json);
        return json_is_boolean(json);
    case REAL:
        return get_real(json, at);
    case DOUBLE:
        return weir__json_double(json, at);
    case WORD:
        return weir__json_word(json, field->words, at);
    }
    return false;
}

static weir_status part_from_json(struct weir__training_state *state, const struct part *part, const json_t *json, weir_error *err)
{
    if (json_object_size(json) != part->fields.count)
        return weir__fail(err, WEIR_E_FORMAT, "the checkpoint's %s must have just its %zu fields", part->name, part->fields.count);
    for (size_t i = 0; i < part->fields.count; i++) {
        const struct field *field = part->fields.list + i;
        const json_t *value = json_object_get(json, field->name);
        if (!value || !get_field(field, value, (char *)state + part->offset))
            return weir__fail(err, WEIR_E_FORMAT, "the checkpoint's %s lacks a good value of the field %s", part->name, field->name);
    }
    return WEIR_OK;
}

static weir_status state_from_json(struct weir__training_state *state, const json_t *json, weir_error *err)
{
    if (json_integer_value(json_object_get(json, "format")) != WEIR__CHECKPOINT_FORMAT)
        return weir__fail(err, WEIR_E_FORMAT, "the checkpoint's field format must be %d", WEIR__CHECKPOINT_FORMAT);
    if (json_object_size(json) != PARTS + 1)
        return weir__fail(err, WEIR_E_FORMAT, "the checkpoint must have just its %d parts and the format", PARTS);
    for (size_t i = 0; i < PARTS; i++)
        TRY(part_from_json(state, parts + i, json_object_get(json, parts[i].name), err));
    return WEIR_OK;
}

weir_status weir__state_from_text(struct weir__training_state *state, const char *text, weir_error *err)
{
    *state = (struct weir__training_state){0};
    if (strlen(text) > TEXT_LIMIT)
        return weir__fail(err, WEIR_E_FORMAT, "the checkpoint's state has more than 16 KiB");
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return weir__fail(err, WEIR_E_FORMAT, "the checkpoint's state is no valid JSON: %s", error.text);
    weir_status status = state_from_json(state, json, err);
    json_decref(json);
    return status;
}

/* ---- Ranges ---- */

static weir_status check(bool good, const char *what, weir_error *err)
{
    return good ? WEIR_OK : weir__fail(err, WEIR_E_FORMAT, "the checkpoint's %s is one that no training comes to", what);
}

static bool is_share(double x)
{
    return x >= 0 && x <= 1;
}

static weir_status check_progress(const weir_progress *p, const char *what, weir_error *err)
{
    TRY(check(p->epochs > 0 && p->batches > 0 && p->batch <= p->batches, what, err));
    TRY(check(!p->epoch_done || (p->batch == p->batches && p->epoch > 0), what, err));
    return check(p->epoch > 0 || p->batch == 0, what, err);
}

static weir_status check_fit(const struct weir__training_state *s, weir_error *err)
{
    const struct weir__fit_state *f = &s->fit;
    if (!f->begun)
        return WEIR_OK;
    TRY(check_progress(&f->now, "epoch or batch", err));
    TRY(check(isfinite(f->sum.sum), "sum of losses", err));
    TRY(check(f->sum.weight >= 0 && isfinite(f->sum.weight), "sum of class weights", err));
    TRY(check(isfinite(f->now.rate) && isfinite(f->best.rate), "rate", err));
    TRY(check(f->since_best <= f->now.epoch, "number of epochs since the best one", err));
    if (!f->any_best)
        return WEIR_OK;
    TRY(check_progress(&f->best, "best epoch", err));
    TRY(check(f->best.epoch_done && f->best.epoch <= f->now.epoch && f->best.batches == f->now.batches, "best epoch", err));
    return check(!isnan(f->best_loss), "best loss", err);
}

weir_status weir__state_check(const struct weir__training_state *s, weir_error *err)
{
    TRY(check(is_share(s->power1) && is_share(s->power2), "power of beta", err));
    TRY(check(is_share(s->plateau_factor), "plateau factor", err));
    TRY(check(s->carried_rows <= s->train.rows, "number of carried rows", err));
    return check_fit(s, err);
}
