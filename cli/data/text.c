/* SPDX-License-Identifier: MIT */
#include "data/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/fail.h"
#include "data/joined.h"

/* A part of the text as streams: stream r holds the bytes [r * length, (r + 1) * length] of the part, and is read by windows. */
typedef struct streams {
    const joined *bytes;
    const uint32_t *token_of;
    uint64_t begin, length; /* of the part in the whole; predictions of a stream */
    uint32_t rows, steps;
    uint32_t *x, *y;       /* [steps][rows] of the batch at work */
    size_t room;           /* of a window */
    unsigned char *window; /* [rows][room] */
    uint64_t from, end;    /* what all windows hold now, counted from the beginning of their streams */
} streams;

struct text {
    joined bytes;
    uint32_t token_of[256], vocabulary;
    unsigned char byte_of[256];
    streams train, valid;
    weir_source train_source, valid_source;
    char summary[256];
};

/* ---- One pass over all bytes ---- */

/* How often each byte occurs from `begin` on. `report` (may be NULL) is told how much of a long text is done. */
static weir_status count_bytes(const joined *j, uint64_t begin, uint64_t count[256], void (*report)(double share),
                               weir_error *err)
{
    enum { PIECE = 1 << 20, REPORT = 64 << 20 };
    unsigned char *piece = malloc(PIECE);
    weir_status status = piece ? WEIR_OK : data_no_memory(err);
    memset(count, 0, 256 * sizeof *count);
    for (uint64_t at = begin; at < j->size && !status;) {
        size_t n = j->size - at < PIECE ? (size_t)(j->size - at) : PIECE;
        status = joined_read(j, at, n, piece, err);
        for (size_t i = 0; i < n && !status; i++)
            count[piece[i]]++;
        at += n;
        if (report && !status && j->size - begin > REPORT && ((at - begin) % REPORT == 0 || at == j->size))
            report((double)(at - begin) / (double)(j->size - begin));
    }
    free(piece);
    return status;
}

static void find_vocabulary(text *t, const uint64_t count[256])
{
    for (int b = 0; b < 256; b++) {
        t->token_of[b] = count[b] ? t->vocabulary : UINT32_MAX;
        if (count[b])
            t->byte_of[t->vocabulary++] = (unsigned char)b;
    }
}

/* ---- Streams ---- */

/* `bytes` and `token_of` must outlive the streams of the bytes [begin, begin + size). */
static bool streams_make(streams *s, const joined *bytes, const uint32_t *token_of, uint64_t begin, uint64_t size, uint32_t rows,
                         uint32_t steps)
{
    enum { WINDOW = 64 << 10, ALL_WINDOWS = 8 << 20 };
    while (rows > 1 && (size - 1) / rows < steps) /* short texts: fewer, longer streams */
        rows--;
    *s = (streams){.bytes = bytes, .token_of = token_of, .begin = begin, .rows = rows, .length = (size - 1) / rows};
    s->steps = s->length < steps ? (uint32_t)s->length : steps;
    s->room = ALL_WINDOWS / rows < WINDOW ? ALL_WINDOWS / rows : WINDOW;
    if (s->room < (size_t)s->steps + 1)
        s->room = (size_t)s->steps + 1;
    if (s->room > s->length + 1)
        s->room = (size_t)s->length + 1;
    s->x = malloc((size_t)s->rows * s->steps * sizeof *s->x);
    s->y = malloc((size_t)s->rows * s->steps * sizeof *s->y);
    s->window = malloc(s->rows * s->room);
    return s->x && s->y && s->window;
}

static size_t streams_batches(const streams *s)
{
    return (size_t)((s->length + s->steps - 1) / s->steps);
}

/* Lets the windows hold the bytes [first, end) of every stream. */
static weir_status move_windows(streams *s, uint64_t first, uint64_t end, weir_error *err)
{
    if (first >= s->from && end <= s->end)
        return WEIR_OK;
    uint64_t left = s->length + 1 - first;
    size_t n = left < s->room ? (size_t)left : s->room;
    s->end = 0; /* nothing, should a read fail */
    for (size_t r = 0; r < s->rows; r++) {
        weir_status status = joined_read(s->bytes, s->begin + r * s->length + first, n, s->window + r * s->room, err);
        if (status)
            return status;
    }
    s->from = first;
    s->end = first + n;
    return WEIR_OK;
}

static weir_status streams_get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)epoch;
    streams *s = ctx;
    uint64_t first = (uint64_t)index * s->steps, left = s->length - first;
    size_t steps = left < s->steps ? (size_t)left : s->steps;
    weir_status status = index == 0 ? joined_check(s->bytes, err) : WEIR_OK; /* the windows may hold all of a short text */
    if (!status)
        status = move_windows(s, first, first + steps + 1, err);
    if (status)
        return status;
    for (size_t r = 0; r < s->rows; r++) {
        const unsigned char *at = s->window + r * s->room + (first - s->from);
        for (size_t t = 0; t < steps; t++) {
            s->x[t * s->rows + r] = s->token_of[at[t]];
            s->y[t * s->rows + r] = s->token_of[at[t + 1]];
        }
    }
    *batch = (weir_batch){.steps = steps, .rows = s->rows, .tokens = s->x, .classes = s->y, .carry = index > 0};
    return WEIR_OK;
}

static void streams_free(streams *s)
{
    free(s->x);
    free(s->y);
    free(s->window);
}

/* ---- Training ---- */

static weir_status split(text *t, const text_options *o, const char *name, weir_error *err)
{
    enum { LEAST_BYTES = 128 };
    uint32_t rows = o->batch ? o->batch : 50, steps = o->steps ? o->steps : 64;
    uint64_t size = t->bytes.size, cut = (uint64_t)((o->split > 0 ? o->split : 0.9) * (double)size);
    if (size == 0)
        return data_fail(err, WEIR_E_FORMAT, "%s is empty", name);
    if (size < LEAST_BYTES || size - cut < 2 || cut < 2)
        return data_fail(err, WEIR_E_FORMAT, "%s has only %llu bytes of text; at least %d are needed to train and to validate",
                         name, (unsigned long long)size, (int)LEAST_BYTES);
    if (t->vocabulary < 2)
        return data_fail(err, WEIR_E_FORMAT, "%s repeats one single byte; there is nothing to learn", name);
    if (!streams_make(&t->train, &t->bytes, t->token_of, 0, cut, rows, steps) ||
        !streams_make(&t->valid, &t->bytes, t->token_of, cut, size - cut, rows, t->train.steps))
        return data_fail(err, WEIR_E_NOMEM, "there is no memory for batches of %u streams", (unsigned)rows);
    t->train_source = (weir_source){streams_batches(&t->train), streams_get, &t->train};
    t->valid_source = (weir_source){streams_batches(&t->valid), streams_get, &t->valid};
    snprintf(t->summary, sizeof t->summary, "text: %llu bytes, %u different; %llu train in %u streams of %u steps, %llu validate",
             (unsigned long long)size, (unsigned)t->vocabulary, (unsigned long long)cut, (unsigned)t->train.rows,
             (unsigned)t->train.steps, (unsigned long long)(size - cut));
    return WEIR_OK;
}

weir_status text_open(text **out, char *const *paths, size_t count, const text_options *options, weir_error *err)
{
    *out = NULL;
    uint64_t seen[256];
    text *t = calloc(1, sizeof *t);
    weir_status status = t ? joined_open(&t->bytes, paths, count, err) : data_no_memory(err);
    if (!status)
        status = count_bytes(&t->bytes, 0, seen, options->report, err);
    if (!status) {
        find_vocabulary(t, seen);
        status = split(t, options, paths[0], err);
    }
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
    joined_close(&t->bytes);
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
            sum->weight++;
        }
}

/* Running takes less than a trainer, and narrow weights have none. The network is a softmax over the tokens, at every step. */
static weir_status evaluate_streams(const weir_model *model, streams *s, const weir_parallel *parallel, weir_loss *sum,
                                    weir_error *err)
{
    const weir_config *c = weir_model_config(model);
    size_t n = c->outputs, of_state = (size_t)c->layers * (c->direction == WEIR_BOTH ? 2 : 1) * s->rows;
    float *p = malloc((size_t)s->rows * s->steps * n * sizeof *p);
    float *h = calloc(of_state * (c->projection ? c->projection : c->hidden), sizeof *h);
    float *cell = calloc(of_state * c->hidden, sizeof *cell);
    weir_status status = p && h && cell ? WEIR_OK : data_no_memory(err);
    for (size_t i = 0; i < streams_batches(s) && !status; i++) {
        weir_batch batch;
        status = streams_get(s, 1, i, &batch, err);
        if (status)
            break;
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

weir_status text_evaluate(const weir_model *model, const json_t *notes, const char *path, double first,
                          const weir_parallel *parallel, text_result *result, weir_error *err)
{
    uint32_t token_of[256];
    unsigned char byte_of[256];
    uint64_t seen[256];
    *result = (text_result){0};
    if (!text_vocabulary(notes, token_of, byte_of) ||
        !predicts(weir_model_config(model), json_array_size(json_object_get(notes, "vocabulary"))))
        return data_fail(err, WEIR_E_FORMAT, "the model's vocabulary does not fit its network");
    joined j = {0};
    streams s = {0};
    weir_status status = joined_open(&j, &(char *){(char *)path}, 1, err);
    uint64_t begin = (uint64_t)(first * (double)j.size);
    result->bytes = j.size - begin;
    if (!status && result->bytes < 2)
        status = data_fail(err, WEIR_E_FORMAT, "%s has only %llu bytes to measure; at least 2 are needed", path,
                           (unsigned long long)result->bytes);
    if (!status)
        status = count_bytes(&j, begin, seen, NULL, err);
    for (int b = 0; b < 256 && !status; b++)
        if (token_of[b] == UINT32_MAX && seen[b]) {
            if (!result->unknown)
                result->an_unknown = (unsigned char)b;
            result->unknown += seen[b];
        }
    if (!status && !streams_make(&s, &j, token_of, begin, result->bytes, 50, 64))
        status = data_no_memory(err);
    if (!status)
        status = evaluate_streams(model, &s, parallel, &result->loss, err);
    if (!status && !result->loss.count)
        status = data_fail(err, WEIR_E_FORMAT, "%s: none of its %llu bytes occurred in the training text", path,
                           (unsigned long long)result->bytes);
    streams_free(&s);
    joined_close(&j);
    return status;
}
