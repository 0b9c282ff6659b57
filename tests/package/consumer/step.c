/* A program that only runs a network: weights from arrays, one step at a time, no file, no allocation after the start. It prints a hash of the
 * outputs, which is the same on every machine: docs/footprint.md has its size.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

enum { INPUTS = 3, HIDDEN = 24, OUTPUTS = 2, STEPS = 100 };

static float numbers[8192];
static unsigned char memory[16 * 1024];

/* `count` numbers in [-1/4, 1/4). */
static const float *weights(size_t count)
{
    static uint32_t state = 1;
    static size_t used;
    float *start = numbers + used; /* 7586 in all */
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        start[i] = ((float)(state >> 12) - 524288) / 2097152;
    }
    used += count;
    return start;
}

static weir_tensor tensor(const char *name, size_t rows, size_t cols)
{
    weir_tensor t = {.rows = rows, .cols = cols, .data = weights((rows ? rows : 1) * cols)};
    strcpy(t.name, name);
    return t;
}

int main(void)
{
    const weir_config config = {.inputs = INPUTS, .hidden = HIDDEN, .layers = 2, .outputs = OUTPUTS};
    const weir_tensor tensors[] = {
        tensor("lstm.weight_ih_l0", 4 * HIDDEN, INPUTS), tensor("lstm.weight_hh_l0", 4 * HIDDEN, HIDDEN),
        tensor("lstm.bias_ih_l0", 0, 4 * HIDDEN),           tensor("lstm.peephole_l0", 3, HIDDEN),
        tensor("lstm.weight_ih_l1", 4 * HIDDEN, HIDDEN), tensor("lstm.weight_hh_l1", 4 * HIDDEN, HIDDEN),
        tensor("lstm.bias_ih_l1", 0, 4 * HIDDEN),           tensor("lstm.peephole_l1", 3, HIDDEN),
        tensor("head.0.weight", OUTPUTS, HIDDEN),        tensor("head.0.bias", 0, OUTPUTS),
    };
    weir_error err;
    weir_model *model;
    weir_stream *stream;
    if (weir_model_new(&model, &config, tensors, sizeof tensors / sizeof *tensors, &err) ||
        weir_stream_init(&stream, memory, sizeof memory, model, 1, &err)) {
        puts(err.text);
        return 1;
    }
    uint32_t hash = 2166136261u; /* FNV-1a over the outputs' bits, lowest byte first */
    for (int t = 0; t < STEPS; t++) {
        const float x[INPUTS] = {(float)(t % 7) / 8, (float)(t % 5) / 4 - 0.5f, (float)(t % 3)};
        float y[OUTPUTS];
        weir_stream_step(stream, x, y);
        for (int i = 0; i < OUTPUTS; i++) {
            uint32_t bits;
            memcpy(&bits, y + i, sizeof bits);
            for (int byte = 0; byte < 4; byte++)
                hash = (hash ^ (bits >> 8 * byte & 0xFF)) * 16777619u;
        }
    }
    weir_model_free(model);
    char text[9] = "00000000";
    for (int i = 7; i >= 0; i--, hash >>= 4)
        text[i] = "0123456789abcdef"[hash & 15];
    puts(text);
    return 0;
}
