/* SPDX-License-Identifier: MIT */
#include "data/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"

/* A part of the text as streams: stream r holds the tokens [r * length, (r + 1) * length] of the part. */
typedef struct streams {
    const uint32_t *tokens;
    size_t length; /* predictions of a stream */
    uint32_t rows, steps;
    uint32_t *x, *y; /* [steps][rows] of the batch at work */
} streams;

struct text {
    uint32_t *tokens;
    size_t size;
    uint32_t token_of[256], vocabulary;
    unsigned char byte_of[256];
    streams train, valid;
    weir_source train_source, valid_source;
    char summary[256];
};

/* ---- Reading ---- */

/* Appends a file's bytes to *bytes. */
static weir_status append_file(const char *path, unsigned char **bytes, size_t *size, weir_error *err)
{
    unsigned char *part;
    size_t n;
    weir_status status = data_read_file(path, &part, &n, err);
    if (status)
        return status;
    unsigned char *more = realloc(*bytes, *size + n + 1);
    if (more) {
        memcpy(more + *size, part, n);
        *bytes = more;
        *size += n;
    }
    free(part);
    return more ? WEIR_OK : data_no_memory(err);
}

static void find_vocabulary(text *t, const unsigned char *bytes)
{
    bool seen[256] = {false};
    for (size_t i = 0; i < t->size; i++)
        seen[bytes[i]] = true;
    for (int b = 0; b < 256; b++) {
        t->token_of[b] = seen[b] ? t->vocabulary : UINT32_MAX;
        if (seen[b])
            t->byte_of[t->vocabulary++] = (unsigned char)b;
    }
}

/* ---- Streams ---- */

static bool streams_make(streams *s, const uint32_t *tokens, size_t size, uint32_t rows, uint32_t steps)
{
    while (rows > 1 && (size - 1) / rows < steps) /* short texts: fewer, longer streams */
        rows--;
    *s = (streams){.tokens = tokens, .rows = rows, .length = (size - 1) / rows};
    s->steps = s->length < steps ? (uint32_t)s->length : steps;
    s->x = malloc((size_t)s->rows * s->steps * sizeof *s->x);
    s->y = malloc((size_t)s->rows * s->steps * sizeof *s->y);
    return s->x && s->y;
}

static size_t streams_batches(const streams *s)
{
    return (s->length + s->steps - 1) / s->steps;
}

static weir_status streams_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)epoch;
    (void)err;
    streams *s = ctx;
    size_t first = index * s->steps, left = s->length - first, steps = left < s->steps ? left : s->steps;
    for (size_t t = 0; t < steps; t++)
        for (size_t r = 0; r < s->rows; r++) {
            const uint32_t *at = s->tokens + r * s->length + first + t;
            s->x[t * s->rows + r] = at[0];
            s->y[t * s->rows + r] = at[1];
        }
    *batch = (weir_batch){.steps = steps, .rows = s->rows, .tokens = s->x, .classes = s->y, .carry = index > 0};
    return WEIR_OK;
}

static void streams_free(streams *s)
{
    free(s->x);
    free(s->y);
}

/* ---- Training ---- */

static weir_status split(text *t, const text_options *o, const char *name, weir_error *err)
{
    enum { LEAST_BYTES = 128 };
    uint32_t rows = o->batch ? o->batch : 50, steps = o->steps ? o->steps : 64;
    size_t cut = (size_t)((o->split > 0 ? o->split : 0.9) * (double)t->size);
    if (t->size == 0)
        return data_fail(err, WEIR_E_FORMAT, "%s is empty", name);
    if (t->size < LEAST_BYTES || t->size - cut < 2 || cut < 2)
        return data_fail(err, WEIR_E_FORMAT, "%s has only %zu bytes of text; at least %d are needed to train and to validate", name, t->size,
                    (int)LEAST_BYTES);
    if (t->vocabulary < 2)
        return data_fail(err, WEIR_E_FORMAT, "%s repeats one single byte; there is nothing to learn", name);
    if (!streams_make(&t->train, t->tokens, cut, rows, steps) ||
        !streams_make(&t->valid, t->tokens + cut, t->size - cut, rows, t->train.steps))
        return data_fail(err, WEIR_E_NOMEM, "there is no memory for batches of %u streams", (unsigned)rows);
    t->train_source = (weir_source){streams_batches(&t->train), streams_get, &t->train};
    t->valid_source = (weir_source){streams_batches(&t->valid), streams_get, &t->valid};
    snprintf(t->summary, sizeof t->summary, "text: %zu bytes, %u different; %zu train in %u streams of %u steps, %zu validate", t->size,
             (unsigned)t->vocabulary, cut, (unsigned)t->train.rows, (unsigned)t->train.steps, t->size - cut);
    return WEIR_OK;
}

weir_status text_open(text **out, char *const *paths, size_t count, const text_options *options, weir_error *err)
{
    *out = NULL;
    unsigned char *bytes = NULL;
    text *t = calloc(1, sizeof *t);
    weir_status status = t ? WEIR_OK : data_no_memory(err);
    for (size_t i = 0; i < count && !status; i++)
        status = append_file(paths[i], &bytes, &t->size, err);
    if (!status) {
        find_vocabulary(t, bytes);
        t->tokens = malloc((t->size + 1) * sizeof *t->tokens);
        for (size_t i = 0; t->tokens && i < t->size; i++)
            t->tokens[i] = t->token_of[bytes[i]];
        status = t->tokens ? split(t, options, paths[0], err) : data_fail(err, WEIR_E_NOMEM, "%s does not fit in memory", paths[0]);
    }
    free(bytes);
    if (status)
        text_free(t);
    else
        *out = t;
    return status;
}

void text_free(text *t)
{
    if (!t)
        return;
    streams_free(&t->train);
    streams_free(&t->valid);
    free(t->tokens);
    free(t);
}

void text_configure(text *t, weir_config *model, weir_train_config *train, weir_fit *fit)
{
    model->tokens = model->outputs = t->vocabulary;
    model->output = WEIR_SOFTMAX;
    train->rows = t->train.rows > t->valid.rows ? t->train.rows : t->valid.rows;
    train->steps = t->train.steps > t->valid.steps ? t->train.steps : t->valid.steps;
    fit->train = &t->train_source;
    fit->valid = &t->valid_source;
}

const char *text_summary(const text *t)
{
    return t->summary;
}

double text_symbols(const text *t)
{
    return (double)t->train.length * t->train.rows;
}

json_t *text_notes(const text *t)
{
    json_t *bytes = json_array();
    for (uint32_t i = 0; i < t->vocabulary; i++)
        json_array_append_new(bytes, json_integer(t->byte_of[i]));
    return json_pack("{s:s, s:o}", "task", "text", "vocabulary", bytes);
}

/* ---- Using a model ---- */

bool text_vocabulary(const json_t *notes, uint32_t token_of[256], unsigned char byte_of[256])
{
    const json_t *bytes = json_object_get(notes, "vocabulary");
    size_t n = json_array_size(bytes);
    for (int b = 0; b < 256; b++)
        token_of[b] = UINT32_MAX;
    if (n < 2 || n > 256)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(bytes, i);
        json_int_t byte = json_integer_value(item);
        if (!json_is_integer(item) || byte < 0 || byte > 255 || token_of[byte] != UINT32_MAX)
            return false;
        token_of[byte] = (uint32_t)i;
        byte_of[i] = (unsigned char)byte;
    }
    return true;
}

/* Adds -ln p of the class that came, for each that is one of the n. */
static void add_loss(const float *p, const uint32_t *classes, size_t count, size_t n, weir_loss *sum)
{
    for (size_t i = 0; i < count; i++)
        if (classes[i] < n) {
            float q = p[i * n + classes[i]];
            sum->sum -= log((double)(q < FLT_TRUE_MIN ? FLT_TRUE_MIN : q)); /* it may be too small for a float; a NaN stays one */
            sum->count++;
        }
}

/* Running takes less than a trainer, and narrow weights have none. The network is a softmax over the tokens, at every step. */
static weir_status evaluate_streams(const weir_model *model, streams *s, const weir_parallel *parallel, weir_loss *sum, weir_error *err)
{
    const weir_config *c = weir_model_config(model);
    size_t n = c->outputs, of_state = (size_t)c->layers * (c->direction == WEIR_BOTH ? 2 : 1) * s->rows;
    float *p = malloc((size_t)s->rows * s->steps * n * sizeof *p);
    float *h = calloc(of_state * (c->projection ? c->projection : c->hidden), sizeof *h);
    float *cell = calloc(of_state * c->hidden, sizeof *cell);
    weir_status status = p && h && cell ? WEIR_OK : data_no_memory(err);
    for (size_t i = 0; i < streams_batches(s) && !status; i++) {
        weir_batch batch;
        streams_get(s, 1, i, &batch, err);
        batch.carry = false;
        batch.h0 = h;
        batch.c0 = cell;
        status = weir_model_run(model, &batch, p, h, cell, parallel, err);
        if (!status)
            add_loss(p, batch.classes, batch.steps * batch.rows, n, sum);
    }
    free(p);
    free(h);
    free(cell);
    return status;
}

/* The network reads tokens of this vocabulary and gives the probabilities of the next one. */
static bool predicts(const weir_config *c, size_t vocabulary)
{
    return c->tokens == vocabulary && c->outputs == vocabulary && c->output == WEIR_SOFTMAX && c->readout == WEIR_EVERY_STEP;
}

weir_status text_evaluate(const weir_model *model, const json_t *notes, const char *path, double first, const weir_parallel *parallel,
                          text_result *result, weir_error *err)
{
    uint32_t token_of[256];
    unsigned char byte_of[256], *bytes = NULL;
    size_t size = 0;
    *result = (text_result){0};
    if (!text_vocabulary(notes, token_of, byte_of) || !predicts(weir_model_config(model), json_array_size(json_object_get(notes, "vocabulary"))))
        return data_fail(err, WEIR_E_FORMAT, "the model's vocabulary does not fit its network");
    weir_status status = append_file(path, &bytes, &size, err);
    size_t begin = (size_t)(first * (double)size);
    result->bytes = size - begin;
    uint32_t *tokens = malloc((result->bytes + 1) * sizeof *tokens);
    streams s = {0};
    if (!status && result->bytes < 2)
        status = data_fail(err, WEIR_E_FORMAT, "%s has only %zu bytes to measure; at least 2 are needed", path, result->bytes);
    if (!status && !tokens)
        status = data_fail(err, WEIR_E_NOMEM, "%s does not fit in memory", path);
    for (size_t i = 0; i < result->bytes && !status; i++) {
        unsigned char b = bytes[begin + i];
        tokens[i] = token_of[b];
        if (tokens[i] == UINT32_MAX && !result->unknown++)
            result->first_unknown = b;
    }
    if (!status && !streams_make(&s, tokens, result->bytes, 50, 64))
        status = data_no_memory(err);
    if (!status)
        status = evaluate_streams(model, &s, parallel, &result->loss, err);
    if (!status && !result->loss.count)
        status = data_fail(err, WEIR_E_FORMAT, "%s: none of its %zu bytes occurred in the training text", path, result->bytes);
    streams_free(&s);
    free(tokens);
    free(bytes);
    return status;
}
