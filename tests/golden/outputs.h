/* What a golden model must give: hashes of its weights and of its outputs on inputs that are the same for ever. Change nothing here: the
 * committed hashes of all versions rest on it.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_GOLDEN_OUTPUTS_H
#define WEIR_GOLDEN_OUTPUTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

enum { GOLDEN_STEPS = 7, GOLDEN_ROWS = 3 };

struct golden_hashes {
    uint64_t weights, outputs;
};

/* FNV-1a over the numbers' bytes, lowest first. */
static uint64_t golden_hash(uint64_t hash, const float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, numbers + i, sizeof bits);
        for (int byte = 0; byte < 4; byte++)
            hash = (hash ^ (bits >> 8 * byte & 0xFF)) * 1099511628211U;
    }
    return hash;
}

static uint32_t golden_noise(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* `count` numbers in [-1, 1), to be freed. */
static float *golden_numbers(uint32_t *state, size_t count)
{
    float *numbers = malloc((count + 1) * sizeof *numbers);
    for (size_t i = 0; numbers && i < count; i++)
        numbers[i] = ((float)(golden_noise(state) % (1 << 20)) - 524288) / 524288;
    return numbers;
}

static weir_status golden_weights(const weir_model *model, uint64_t *hash)
{
    *hash = 14695981039346656037U;
    for (size_t i = 0; i < weir_model_tensor_count(model); i++) {
        weir_tensor t = weir_model_tensor(model, i);
        size_t count = (t.rows ? t.rows : 1) * t.cols;
        float *numbers = malloc(count * sizeof *numbers);
        if (!numbers)
            return WEIR_E_NOMEM;
        weir_model_weights(model, i, numbers);
        *hash = golden_hash(*hash, numbers, count);
        free(numbers);
    }
    return WEIR_OK;
}

/* Three rows of 7, 4 and no steps, from an initial state that is not 0; tokens may be one outside of the vocabulary. */
static weir_status golden_outputs(const weir_model *model, uint64_t *hash, weir_error *err)
{
    const weir_config *c = weir_model_config(model);
    size_t lanes = c->layers * (c->direction == WEIR_BOTH ? 2 : 1), P = c->projection ? c->projection : c->hidden;
    size_t y_count = (c->readout == WEIR_FINAL_STATE ? 1 : (size_t)GOLDEN_STEPS) * GOLDEN_ROWS * weir_model_outputs(model);
    size_t h_count = lanes * GOLDEN_ROWS * P, c_count = lanes * GOLDEN_ROWS * c->hidden;
    const uint32_t lengths[GOLDEN_ROWS] = {GOLDEN_STEPS, 4, 0};
    uint32_t state = 2026, tokens[GOLDEN_STEPS * GOLDEN_ROWS];
    float *x = golden_numbers(&state, GOLDEN_STEPS * GOLDEN_ROWS * c->inputs), *h0 = golden_numbers(&state, h_count),
          *c0 = golden_numbers(&state, c_count), *y = calloc(y_count, sizeof *y), *hn = calloc(h_count, sizeof *hn),
          *cn = calloc(c_count, sizeof *cn);
    for (size_t i = 0; i < GOLDEN_STEPS * GOLDEN_ROWS; i++)
        tokens[i] = golden_noise(&state) % (c->tokens + 1);
    weir_batch batch = {.steps = GOLDEN_STEPS, .rows = GOLDEN_ROWS, .lengths = lengths, .h0 = h0, .c0 = c0};
    if (c->tokens)
        batch.tokens = tokens;
    else
        batch.x = x;
    weir_status status = x && h0 && c0 && y && hn && cn ? weir_model_run(model, &batch, y, hn, cn, NULL, err) : WEIR_E_NOMEM;
    *hash = golden_hash(golden_hash(golden_hash(14695981039346656037U, y, y_count), hn, h_count), cn, c_count);
    free(x);
    free(h0);
    free(c0);
    free(y);
    free(hn);
    free(cn);
    return status;
}

static weir_status golden_hashes_of(const weir_model *model, struct golden_hashes *hashes, weir_error *err)
{
    weir_status status = golden_weights(model, &hashes->weights);
    return status ? status : golden_outputs(model, &hashes->outputs, err);
}

#endif
