/* A small training for the tests of checkpoints, from the public header alone:
 *
 *     training begin FILE          trains 5 updates and writes FILE
 *     training go FILE             goes on from FILE for 4 updates and writes it anew; without FILE it begins
 *     training end FILE MODEL      goes on from FILE to the end and writes MODEL
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <weir.h>

enum { T = 8, B = 4, TOKENS = 5, BATCHES = 6 };

struct job {
    weir_trainer *trainer;
    const char *path; /* of the checkpoint; NULL: none is written */
    int updates;      /* until it is */
    weir_status saved;
    weir_error err;
};

static weir_status get(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    static uint32_t tokens[T * B], classes[T * B];
    (void)ctx;
    (void)epoch;
    (void)err;
    for (size_t i = 0; i < T * B; i++) {
        tokens[i] = (uint32_t)((index * 7 + i * i) % TOKENS);
        classes[i] = (uint32_t)((index + i) % TOKENS);
    }
    *batch = (weir_batch){.steps = T, .rows = B, .tokens = tokens, .classes = classes, .carry = index > 0};
    return WEIR_OK;
}

static bool report(void *ctx, const weir_progress *now)
{
    struct job *job = ctx;
    if (!job->path || now->epoch_done || --job->updates > 0)
        return true;
    job->saved = weir_trainer_save(job->trainer, job->path, "a small training", &job->err);
    return false;
}

static weir_status begin(weir_trainer **t, weir_error *err)
{
    const weir_config config = {.tokens = TOKENS, .hidden = 6, .outputs = TOKENS, .output = WEIR_SOFTMAX};
    const weir_train_config train = {.rows = B, .steps = T, .dropout = 0.1f};
    weir_model *m;
    weir_status status = weir_model_new(&m, &config, NULL, 0, err);
    if (!status)
        status = weir_trainer_new(t, m, &train, err);
    weir_model_free(m);
    return status;
}

static weir_status go_on(weir_trainer **t, const char *path, weir_error *err)
{
    weir_checkpoint *c;
    weir_status status = weir_checkpoint_load(&c, path, NULL, err);
    if (!status)
        status = weir_trainer_resume(t, c, WEIR_ISA_BEST, NULL, NULL, err);
    weir_checkpoint_free(c);
    return status;
}

static weir_status end(const weir_trainer *t, const char *path, weir_error *err)
{
    weir_model *m;
    weir_status status = weir_trainer_model(t, &m, NULL, err);
    if (!status)
        status = weir_model_save(m, path, err);
    weir_model_free(m);
    return status;
}

int main(int argc, char **argv)
{
    const weir_source source = {.batches = BATCHES, .get = get};
    struct job job = {.updates = argc > 1 && strcmp(argv[1], "begin") == 0 ? 5 : 4};
    weir_fit fit = {.epochs = 3, .train = &source, .valid = &source, .report = report, .ctx = &job};
    if (argc < 3)
        return 2;
    job.path = argc > 3 ? NULL : argv[2];
    weir_status status = strcmp(argv[1], "begin") == 0 ? begin(&job.trainer, &job.err) : go_on(&job.trainer, argv[2], &job.err);
    if (!status)
        status = weir_trainer_fit(job.trainer, &fit, NULL, job.path ? NULL : &job.err);
    if (!status && argc > 3)
        status = end(job.trainer, argv[3], &job.err);
    if (!status)
        status = job.saved;
    weir_trainer_free(job.trainer);
    if (status)
        fprintf(stderr, "training: %s\n", job.err.text);
    return status ? 1 : 0;
}
