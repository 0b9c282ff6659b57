/* weir generate
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "data/splitmix.h"
#include "data/text.h"

typedef struct options {
    const char *model, *prompt;
    uint32_t n, top_k, seed;
    double temperature;
    weir_isa isa;
} options;

enum { KEY_PROMPT = 256, KEY_TEMPERATURE, KEY_TOP_K, KEY_SEED, KEY_ISA };

static const struct argp_option option_list[] = {
    {"prompt", KEY_PROMPT, "TEXT", 0, "Begin with this text", 0},
    {0, 'n', "N", 0, "Bytes to write after the prompt (500)", 0},
    {"temperature", KEY_TEMPERATURE, "X", 0, "1: as learned; below: safer; 0: always the likeliest (1)", 0},
    {"top-k", KEY_TOP_K, "K", 0, "Draw among the K likeliest bytes only; 0: among all (0)", 0},
    {"seed", KEY_SEED, "N", 0, "Fixes the draws (1)", 0},
    {"isa", KEY_ISA, "NAME", 0, "Instruction set", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_PROMPT: o->prompt = arg; break;
    case 'n': o->n = option_count(state, "n", arg, 0, 2000000000); break;
    case KEY_TEMPERATURE: o->temperature = option_number(state, "temperature", arg, 0, 1000); break;
    case KEY_TOP_K: o->top_k = option_count(state, "top-k", arg, 0, 256); break;
    case KEY_SEED: o->seed = option_count(state, "seed", arg, 0, UINT32_MAX); break;
    case KEY_ISA: o->isa = option_isa(state, arg); break;
    case ARGP_KEY_ARG:
        if (o->model)
            argp_error(state, "one model is enough");
        o->model = arg;
        break;
    case ARGP_KEY_NO_ARGS: argp_error(state, "name the model"); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* splitmix64: uniform in [0, 1). */
static double uniform(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    return (double)(splitmix(*state) >> 11) * 0x1p-53;
}

/* The probability that a token must reach to be among the k likeliest. */
static float kth_largest(const float *p, uint32_t n, uint32_t k)
{
    float sorted[256];
    memcpy(sorted, p, n * sizeof *p);
    for (uint32_t i = 0; i < k; i++) { /* k steps of selection sort: n is at most 256 */
        uint32_t best = i;
        for (uint32_t j = i + 1; j < n; j++)
            if (sorted[j] > sorted[best])
                best = j;
        float swap = sorted[i];
        sorted[i] = sorted[best];
        sorted[best] = swap;
    }
    return sorted[k - 1];
}

static uint32_t likeliest(const float *p, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (p[i] > p[best])
            best = i;
    return best;
}

/* Draws a token from p^(1/temperature), among the top k. */
static uint32_t draw(const float *p, uint32_t n, const options *o, uint64_t *state)
{
    if (o->temperature == 0)
        return likeliest(p, n);
    float least = o->top_k && o->top_k < n ? kth_largest(p, n, o->top_k) : 0;
    double weight[256], sum = 0, top = (double)p[likeliest(p, n)];
    for (uint32_t i = 0; i < n; i++) {
        weight[i] = p[i] >= least && p[i] > 0 ? pow((double)p[i] / top, 1 / o->temperature) : 0;
        sum += weight[i];
    }
    double at = uniform(state) * sum;
    for (uint32_t i = 0; i < n; i++) {
        at -= weight[i];
        if (at < 0 && weight[i] > 0)
            return i;
    }
    return likeliest(p, n);
}

static int write_text(weir_stream *stream, const options *o, const uint32_t token_of[256], const unsigned char byte_of[256], uint32_t n)
{
    enum { FLUSH = 32 };
    float p[256];
    uint64_t state = o->seed;
    uint32_t token = UINT32_MAX; /* without a prompt the network begins with no token at all */
    size_t unknown = 0;
    for (const char *c = o->prompt; *c; c++) {
        token = token_of[(unsigned char)*c];
        unknown += token == UINT32_MAX;
        weir_stream_step_tokens(stream, &token, p);
    }
    if (unknown)
        fprintf(stderr, "weir: %zu bytes of the prompt did not occur in the training text\n", unknown);
    if (!*o->prompt)
        weir_stream_step_tokens(stream, &token, p);
    fputs(o->prompt, stdout);
    for (uint32_t i = 0; i < o->n; i++) {
        token = draw(p, n, o, &state);
        putchar(byte_of[token]);
        if (i % FLUSH == FLUSH - 1 && fflush(stdout))
            break;
        weir_stream_step_tokens(stream, &token, p);
    }
    return finish_output();
}

int cmd_generate(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "MODEL", "Writes text with a text model, byte by byte as it is drawn.", 0, 0, 0};
    options o = {.prompt = "", .n = 500, .temperature = 1, .seed = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    weir_model *model;
    json_t *notes;
    uint32_t token_of[256];
    unsigned char byte_of[256];
    if (load_model(o.model, o.isa, "text", &model, &notes))
        return FAILED;
    const weir_config *c = weir_model_config(model);
    int status;
    if (!text_vocabulary(notes, token_of, byte_of) || c->tokens != json_array_size(json_object_get(notes, "vocabulary")) ||
        c->tokens != c->outputs || c->output != WEIR_SOFTMAX)
        status = complain("%s: its vocabulary does not fit its network", o.model);
    else {
        size_t size = weir_stream_size(model, 1);
        void *memory = malloc(size ? size : 1);
        weir_stream *stream;
        weir_error err;
        status = weir_stream_init(&stream, memory, size, model, 1, &err) ? complain("%s", err.text)
                                                                         : write_text(stream, &o, token_of, byte_of, c->tokens);
        free(memory);
    }
    weir_model_free(model);
    json_decref(notes);
    return status;
}
