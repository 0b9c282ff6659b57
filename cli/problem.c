/* SPDX-License-Identifier: MIT */
#include "problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Strings ---- */

static bool refuse(weir_error *err, const char *text, const char *why)
{
    snprintf(err->text, sizeof err->text, "\"%.64s\" is no problem: %s", text, why);
    return false;
}

/* The number behind the letter of a word such as H256; 0 if there is none from 1 to `most`. */
static uint32_t number_of(const char *word, uint32_t most)
{
    char *end;
    unsigned long n = word[0] && word[1] >= '0' && word[1] <= '9' ? strtoul(word + 1, &end, 10) : 0;
    return n && !*end && n <= most ? (uint32_t)n : 0;
}

/* In the order of weir_weights. */
static const char *const forms[] = {"f32", "bf16", "int8"};
static const double bytes_of_form[] = {4, 2, 1};

/* Takes one word; false if it means nothing. */
static bool read_word(const char *word, problem *p)
{
    for (int form = 0; form < 3; form++)
        if (strcmp(word, forms[form]) == 0) {
            p->weights = (weir_weights)form;
            return true;
        }
    if (strcmp(word, "peep") == 0)
        return p->peepholes = true;
    if (strcmp(word, "tiny") == 0)
        return p->tiny = true;
    switch (word[0]) {
    case 'L': return (p->layers = number_of(word, WEIR_MAX_LAYERS)) > 0;
    case 'H': return (p->hidden = number_of(word, WEIR_MAX_UNITS)) > 0;
    case 'I': return (p->inputs = number_of(word, WEIR_MAX_UNITS)) > 0;
    case 'T': return (p->steps = number_of(word, 1000000)) > 0;
    case 'B': return (p->rows = number_of(word, 1000000)) > 0;
    default: return false;
    }
}

static void write_text(problem *p)
{
    char inputs[16] = "";
    if (p->inputs != (p->kind == 1 ? 1 : p->hidden))
        snprintf(inputs, sizeof inputs, "-I%u", (unsigned)p->inputs);
    snprintf(p->text, sizeof p->text, "R%u-%s-L%u-H%u%s-T%u-B%u%s%s", (unsigned)p->kind, forms[p->weights], (unsigned)p->layers,
             (unsigned)p->hidden, inputs, (unsigned)p->steps, (unsigned)p->rows, p->peepholes ? "-peep" : "", p->tiny ? "-tiny" : "");
}

bool problem_read(const char *text, problem *p, weir_error *err)
{
    char copy[64];
    if (strlen(text) >= sizeof copy)
        return refuse(err, text, "it is too long");
    strcpy(copy, text);
    char *rest = copy, *word = strsep(&rest, "-");
    uint32_t kind = word[0] == 'R' ? number_of(word, 4) : 0;
    if (!kind)
        return refuse(err, text, "it begins with R1 (one stream), R2 (one row), R3 (a batch) or R4 (training)");
    *p = (problem){.kind = kind, .layers = kind == 1 ? 1 : 2, .hidden = 128, .steps = kind < 3 ? 1 : 64, .rows = kind < 3 ? 1 : 16};
    while ((word = strsep(&rest, "-")))
        if (!read_word(word, p))
            return refuse(err, text,
                          "after the kind come f32, bf16, int8, L, H, I, T or B with a number, peep or tiny, as in R2-f32-L2-H256-T1-B1-peep");
    if (kind == 4 && p->weights != WEIR_WEIGHTS_F32)
        return refuse(err, text, "only float32 weights can be trained");
    if (kind == 4 && p->tiny)
        return refuse(err, text, "only what runs can be tiny");
    if (!p->inputs)
        p->inputs = kind == 1 ? 1 : p->hidden;
    write_text(p);
    return true;
}

/* ---- Cost ---- */

static double inputs_of(const problem *p, uint32_t layer)
{
    return layer ? p->hidden : p->inputs;
}

double problem_flops(const problem *p)
{
    double sum = 0, H = p->hidden;
    for (uint32_t l = 0; l < p->layers; l++)
        sum += 8 * H * (inputs_of(p, l) + H);
    double cells = (double)p->steps * p->rows;
    return p->kind == 4 ? cells * (3 * sum - 8 * H * p->inputs) : cells * sum;
}

/* `rows` products with a matrix of K x 4H weights, all at once. */
static double product_limit(const problem *p, double rows, double K, double flops, double rate)
{
    double H = p->hidden, reading = 4 * H * K * bytes_of_form[p->weights] / rate;
    double compute = p->weights == WEIR_WEIGHTS_INT8 ? 0 : 8 * H * K * rows / flops;
    return compute > reading ? compute : reading;
}

double problem_limit(const problem *p, double flops, double (*bandwidth)(void *ctx, double bytes), void *ctx)
{
    double H = p->hidden, T = p->steps, B = p->rows, all = 0, sum = 0, bytes = 4 * H * bytes_of_form[p->weights];
    for (uint32_t l = 0; l < p->layers; l++)
        all += bytes * (inputs_of(p, l) + H);
    if (p->kind == 4)
        return problem_flops(p) / flops;
    double rate = bandwidth(ctx, all), own = bandwidth(ctx, bytes * H);
    for (uint32_t l = 0; l < p->layers; l++)
        if (T > 1) /* the input products of all steps at once, then the recurrent matrix again and again */
            sum += product_limit(p, T * B, inputs_of(p, l), flops, rate) + T * product_limit(p, B, H, flops, own);
        else
            sum += product_limit(p, B, inputs_of(p, l) + H, flops, rate);
    return sum;
}

/* ---- Weir at work ---- */

struct workload {
    weir_model *model;
    weir_stream *stream;
    weir_trainer *trainer;
    weir_parallel parallel;
    weir_batch batch;
    void *memory;
    float *x, *y, *targets;
};

static float *random_floats(size_t n)
{
    float *x = malloc(n * sizeof *x);
    uint64_t state = 1;
    for (size_t i = 0; x && i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
    return x;
}

static weir_status make_model(workload *w, const problem *p, weir_isa isa, weir_error *err)
{
    weir_config config = {
        .inputs = p->inputs,
        .hidden = p->hidden,
        .layers = p->layers,
        .no_peepholes = !p->peepholes,
        .outputs = p->kind == 4, /* a loss needs a head; one output is the least */
        .init = p->tiny ? WEIR_INIT_PYTORCH : WEIR_INIT_UNIFORM,
        .init_scale = 0.1f,
        .set_gate_bias = p->tiny,
        .gate_bias = {0, 0, 1e-40f, 0},
        .isa = isa,
        .weights = p->weights,
    };
    return weir_model_new(&w->model, &config, NULL, 0, err);
}

static weir_status make_stream(workload *w, const problem *p, weir_error *err)
{
    size_t size = weir_stream_size(w->model, p->rows);
    w->memory = malloc(size);
    weir_status status = weir_stream_init(&w->stream, w->memory, w->memory ? size : 0, w->model, p->rows, err);
    if (!status)
        weir_stream_parallel(w->stream, &w->parallel);
    return status;
}

static weir_status make_trainer(workload *w, const problem *p, weir_error *err)
{
    weir_train_config config = {.rows = p->rows, .steps = p->steps, .parallel = &w->parallel};
    w->targets = random_floats((size_t)p->steps * p->rows);
    w->batch.targets = w->targets;
    return weir_trainer_new(&w->trainer, w->model, &config, err);
}

workload *workload_new(const problem *p, weir_isa isa, const weir_parallel *parallel, weir_error *err)
{
    size_t cells = (size_t)p->steps * p->rows;
    workload *w = calloc(1, sizeof *w);
    if (w) {
        w->x = p->tiny ? calloc(cells * p->inputs, sizeof *w->x) : random_floats(cells * p->inputs);
        w->y = malloc(cells * p->hidden * sizeof *w->y);
    }
    if (!w || !w->x || !w->y) {
        snprintf(err->text, sizeof err->text, "there is no memory for %s", p->text);
        workload_free(w);
        return NULL;
    }
    if (parallel)
        w->parallel = *parallel;
    w->batch = (weir_batch){.steps = p->steps, .rows = p->rows, .x = w->x};
    weir_status status = make_model(w, p, isa, err);
    if (!status && p->kind == 4)
        status = make_trainer(w, p, err);
    else if (!status && p->steps == 1)
        status = make_stream(w, p, err);
    if (status) {
        workload_free(w);
        return NULL;
    }
    return w;
}

void workload_free(workload *w)
{
    if (!w)
        return;
    weir_trainer_free(w->trainer);
    weir_model_free(w->model);
    free(w->memory);
    free(w->x);
    free(w->y);
    free(w->targets);
    free(w);
}

const weir_stream *workload_stream(const workload *w)
{
    return w->stream;
}

/* Nothing here can fail once the first pass has worked but for lack of memory, which shows as a time of 0. */
void workload_pass(workload *w)
{
    weir_error err;
    if (w->stream)
        weir_stream_step(w->stream, w->x, w->y);
    else if (w->trainer)
        weir_trainer_backward(w->trainer, &w->batch, NULL, &err);
    else
        weir_model_run(w->model, &w->batch, w->y, NULL, NULL, &w->parallel, &err);
}

double workload_time(workload *w, long passes)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < passes; i++)
        workload_pass(w);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9) / (double)passes;
}
