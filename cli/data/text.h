/* Text as a stream of bytes: vocabulary, streams side by side, evaluation.
 *
 * SPDX-License-Identifier: MIT
 *
 * The vocabulary is the bytes that occur in the training text, in ascending order. The first `split` of the text trains, the rest
 * validates. Each part is cut into `batch` streams of equal length, read side by side in chunks of `steps`; the state is carried from
 * chunk to chunk. A byte outside the vocabulary is no token and is never a target.
 */
#ifndef WEIR_CLI_TEXT_H
#define WEIR_CLI_TEXT_H

#include <jansson.h>
#include <weir.h>

typedef struct text_options {
    double split;                 /* default 0.9 */
    uint32_t batch, steps;        /* default 50, 64; less where the text is short */
    void (*report)(double share); /* told how much of a long text is looked through; may be NULL */
} text_options;

typedef struct text text;

/* Joins the files. They are looked through once, and read by windows when batches are asked for; they must not change until text_free. The
 * paths must live as long. */
weir_status text_open(text **out, char *const *paths, size_t count, const text_options *options, weir_error *err);
void text_free(text *t);
/* Sets tokens, outputs, output of `model`; rows, steps of `train`; sources of `fit`. `t` must outlive the fit. */
void text_configure(text *t, weir_config *model, weir_train_config *train, weir_fit *fit);
const char *text_summary(const text *t);
/* Bytes that one epoch trains on. */
double text_symbols(const text *t);
/* {"task": "text", "vocabulary": [...]}; owned by the caller. */
json_t *text_notes(const text *t);

/* The token of each byte by a model's notes, UINT32_MAX for a byte outside; false if the notes are no text model's. bytes[token]. */
bool text_vocabulary(const json_t *notes, uint32_t token_of[256], unsigned char byte_of[256]);

typedef struct text_result {
    weir_loss loss;           /* nats */
    uint64_t bytes;           /* of the part that was read */
    uint64_t unknown;         /* bytes outside the vocabulary */
    unsigned char an_unknown; /* the smallest of them */
} text_result;

/* The loss over a file, from byte `first` (a share of the file, in [0, 1)) on. Fails if no byte of it is counted. */
weir_status text_evaluate(const weir_model *model, const json_t *notes, const char *path, double first,
                          const weir_parallel *parallel, text_result *result, weir_error *err);

#endif
