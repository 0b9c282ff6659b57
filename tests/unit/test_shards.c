/* Shards: losses, gradients and weights depend on their number, never on how many processes and threads share them.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#include "train/trainer.h"

/* ---- Processes played by threads, which leave each other parcels ---- */

enum { MOST_RANKS = 8 };

struct post {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    const weir_parcel *box[MOST_RANKS][MOST_RANKS]; /* [from][to] */
};

struct member {
    struct post *post;
    weir_cluster cluster;
    char name[16];
};

static weir_status exchange(void *ctx, const weir_parcel *out, size_t outs, const weir_parcel *in, size_t ins, weir_error *err)
{
    struct member *m = ctx;
    struct post *p = m->post;
    (void)err;
    pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < outs; i++)
        p->box[m->cluster.rank][out[i].rank] = out + i;
    pthread_cond_broadcast(&p->moved);
    for (size_t i = 0; i < ins; i++) {
        const weir_parcel **box = &p->box[in[i].rank][m->cluster.rank];
        while (!*box)
            pthread_cond_wait(&p->moved, &p->mutex);
        if ((*box)->size != in[i].size)
            abort();
        memcpy(in[i].data, (*box)->data, in[i].size);
        *box = NULL;
        pthread_cond_broadcast(&p->moved);
    }
    for (size_t i = 0; i < outs; i++)
        while (p->box[m->cluster.rank][out[i].rank])
            pthread_cond_wait(&p->moved, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
    return WEIR_OK;
}

/* ---- What a rank does ---- */

enum { STEPS = 7, ROWS = 11, INPUTS = 5, OUTPUTS = 3, MOST_WEIGHTS = 40000, MOST_LANES = 4, UPDATES = 4 };

struct task {
    weir_config model;
    weir_train_config train;
    bool lengths, carry, initial;
};

/* All that training gave, to be compared bit by bit. */
struct result {
    weir_loss backward, steps[UPDATES], evaluated;
    weir_status failed;
    weir_error error;
    float gradient[MOST_WEIGHTS], weights[MOST_WEIGHTS];
    float state[2][MOST_LANES * ROWS * 40];
};

static float numbers[STEPS * ROWS * 64], poisoned[STEPS * ROWS * 64];
static uint32_t tokens[STEPS * ROWS], classes[STEPS * ROWS];
static const uint32_t some_lengths[ROWS] = {7, 3, 0, 7, 5, 1, 7, 2, 7, 6, 4};

static void make_numbers(void)
{
    uint32_t noise = 7;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        poisoned[i] = numbers[i] = (float)((noise = noise * 1664525 + 1013904223) >> 8) / (1 << 23) - 1;
    for (size_t i = 0; i < STEPS * ROWS; i++) {
        tokens[i] = (noise = noise * 1664525 + 1013904223) >> 24;
        classes[i] = tokens[i] % (OUTPUTS + 1); /* some are not counted */
    }
    poisoned[(ROWS - 1) * INPUTS] = INFINITY;
}

/* Batch n: of all rows, then of fewer, so that some shards have none. */
static weir_batch batch_of(const struct task *t, size_t n)
{
    weir_batch b = {.steps = STEPS, .rows = n == 1 && !t->carry ? 2 : ROWS};
    b.x = numbers + n * 8;
    if (t->model.tokens)
        b.tokens = tokens;
    b.lengths = t->lengths ? some_lengths : NULL;
    if (t->model.output == WEIR_SOFTMAX)
        b.classes = classes;
    else
        b.targets = numbers + n * 16;
    b.carry = t->carry && n;
    b.h0 = t->initial && !b.carry ? numbers : NULL;
    return b;
}

static void check_ok(weir_status status, const weir_error *err)
{
    if (status) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

static size_t count_of(weir_tensor t)
{
    return (t.rows ? t.rows : 1) * t.cols;
}

static void read_gradient(const weir_model *m, const weir_trainer *t, float *out)
{
    for (size_t i = 0; i < weir_model_tensor_count(m); out += count_of(weir_model_tensor(m, i)), i++)
        weir_trainer_gradient(t, i, out);
}

static void read_weights(const weir_trainer *t, float *out)
{
    weir_model *m;
    weir_error err;
    check_ok(weir_trainer_model(t, &m, NULL, &err), &err);
    for (size_t i = 0; i < weir_model_tensor_count(m); out += count_of(weir_model_tensor(m, i)), i++)
        weir_model_weights(m, i, out);
    weir_model_free(m);
}

static void read_state(weir_trainer *t, struct result *r)
{
    const weir_config *c = &t->net.config;
    size_t lanes = c->layers * weir__directions(c) * t->carried_rows;
    check_ok(weir_trainer_gather(t, &r->error), &r->error);
    memcpy(r->state[0], t->work.state_h, lanes * weir__projected(c) * sizeof(float));
    memcpy(r->state[1], t->work.state_c, lanes * c->hidden * sizeof(float));
}

static void train(const struct task *task, const weir_train_config *how, struct result *r)
{
    weir_model *m;
    weir_trainer *t;
    weir_error err;
    memset(r, 0, sizeof *r);
    check_ok(weir_model_new(&m, &task->model, NULL, 0, &err), &err);
    if (weir_model_parameters(m) > MOST_WEIGHTS)
        abort();
    check_ok(weir_trainer_new(&t, m, how, &err), &err);
    weir_batch b = batch_of(task, 0);
    check_ok(weir_trainer_backward(t, &b, &r->backward, &err), &err);
    read_gradient(m, t, r->gradient);
    for (size_t i = 0; i < UPDATES; i++) {
        b = batch_of(task, i);
        check_ok(weir_trainer_step(t, &b, r->steps + i, &err), &err);
    }
    b = batch_of(task, UPDATES);
    check_ok(weir_trainer_evaluate(t, &b, &r->evaluated, &err), &err);
    read_state(t, r);
    if (!task->model.tokens) {
        b = batch_of(task, 0);
        b.x = poisoned;
        b.lengths = NULL;
        r->failed = weir_trainer_step(t, &b, NULL, &r->error);
    }
    read_weights(t, r->weights);
    weir_trainer_free(t);
    weir_model_free(m);
}

/* Two threads as one hook sees them: the tasks run from the last to the first. */
static void run_backwards(void *ctx, size_t n, void (*run)(void *arg, size_t i), void *arg)
{
    (void)ctx;
    while (n-- > 0)
        run(arg, n);
}

struct rank_job {
    const struct task *task;
    weir_train_config how;
    struct result *result;
};

static void *work(void *arg)
{
    struct rank_job *job = arg;
    train(job->task, &job->how, job->result);
    return NULL;
}

static void train_together(const struct task *task, uint32_t shards, uint32_t ranks, unsigned threads, struct result *results)
{
    struct post post = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {{0}}};
    struct member members[MOST_RANKS];
    struct rank_job jobs[MOST_RANKS];
    pthread_t ids[MOST_RANKS];
    weir_parallel two = {run_backwards, NULL, 2};
    for (uint32_t r = 0; r < ranks; r++) {
        members[r] = (struct member){
            .post = &post, .cluster = {.rank = r, .ranks = ranks, .name = members[r].name, .exchange = exchange, .ctx = members + r}};
        jobs[r] = (struct rank_job){task, task->train, results + r};
        jobs[r].how.rows = ROWS;
        jobs[r].how.steps = STEPS;
        jobs[r].how.shards = shards;
        jobs[r].how.cluster = &members[r].cluster;
        jobs[r].how.parallel = threads > 1 ? &two : NULL;
        assert_int_equal(pthread_create(ids + r, NULL, work, jobs + r), 0);
    }
    for (uint32_t r = 0; r < ranks; r++)
        pthread_join(ids[r], NULL);
}

/* ---- The same bits ---- */

static const struct task tasks[] = {
    {.model = {.inputs = INPUTS, .hidden = 20, .layers = 2, .outputs = OUTPUTS}, .train = {.dropout = 0.3f}, .carry = true},
    {.model = {.inputs = INPUTS, .hidden = 33, .outputs = OUTPUTS, .output = WEIR_SOFTMAX, .readout = WEIR_FINAL_STATE, .direction = WEIR_BOTH},
     .train = {.head_dropout = 0.2f}, .lengths = true},
    {.model = {.tokens = 200, .hidden = 18, .layers = 2, .outputs = OUTPUTS, .output = WEIR_SOFTMAX}, .lengths = true, .carry = true},
    {.model = {.inputs = INPUTS, .hidden = 40, .projection = 9, .outputs = OUTPUTS, .output = WEIR_GAUSSIAN, .dense_layers = 1,
               .dense = {{.units = 17, .activation = {.id = WEIR_PRELU}}}},
     .train = {.optimizer = WEIR_SGD, .momentum = 0.5f}, .lengths = true},
    {.model = {.inputs = INPUTS, .hidden = 12, .layers = 2, .outputs = OUTPUTS, .output = WEIR_LOGISTIC}, .initial = true},
};
enum { TASKS = sizeof tasks / sizeof *tasks };

static void ranks_and_threads_change_nothing(void **state)
{
    (void)state;
    static struct result wanted, results[MOST_RANKS];
    static const uint32_t shards[] = {1, 2, 3, 8}, ranks[] = {1, 2, 3, 4, 8};
    for (size_t i = 0; i < TASKS; i++)
        for (size_t s = 0; s < 4; s++) {
            train_together(tasks + i, shards[s], 1, 1, &wanted);
            for (size_t n = 0; n < 5 && ranks[n] <= shards[s]; n++)
                for (unsigned threads = 1; threads <= 2; threads++) {
                    train_together(tasks + i, shards[s], ranks[n], threads, results);
                    for (uint32_t r = 0; r < ranks[n]; r++)
                        if (memcmp(&wanted, results + r, sizeof wanted) != 0)
                            fail_msg("task %zu, %u shards: rank %u of %u with %u threads differs", i, shards[s], r, ranks[n], threads);
                }
            assert_true(isfinite(wanted.evaluated.sum) && wanted.evaluated.count > 0);
            assert_int_equal(wanted.failed, tasks[i].model.tokens ? WEIR_OK : WEIR_E_NONFINITE);
        }
}

/* One shard is training as it is without shards; more of them give nearly the same, in other bits. */
static void shards_sum_the_same_batch(void **state)
{
    (void)state;
    static struct result whole, parts;
    for (size_t i = 0; i < TASKS; i++) {
        struct task plain = tasks[i];
        plain.train.dropout = plain.train.head_dropout = 0;
        weir_train_config how = plain.train;
        how.rows = ROWS;
        how.steps = STEPS;
        train(&plain, &how, &whole);
        how.shards = 1;
        train(&plain, &how, &parts);
        assert_memory_equal(&whole, &parts, sizeof whole);
        how.shards = 4;
        train(&plain, &how, &parts);
        assert_int_equal(whole.backward.count, parts.backward.count);
        assert_true(fabs(whole.backward.sum - parts.backward.sum) < 1e-9 * fabs(whole.backward.sum));
        double difference = 0, size = 0;
        for (size_t j = 0; j < MOST_WEIGHTS; j++) {
            difference += pow((double)whole.gradient[j] - (double)parts.gradient[j], 2);
            size += pow((double)whole.gradient[j], 2);
        }
        assert_true(difference > 0 && sqrt(difference) < 1e-5 * sqrt(size));
    }
}

/* ---- The rule ---- */

/* The root of a tree of n numbers by the words of docs/reproducibility.md: whole blocks of 2^k, the largest first, then from right to left. */
static double root_of(const double *numbers_of, size_t n)
{
    size_t block = 1;
    while (block * 2 <= n)
        block *= 2;
    if (block < n)
        return root_of(numbers_of, block) + root_of(numbers_of + block, n - block);
    return n == 1 ? *numbers_of : root_of(numbers_of, n / 2) + root_of(numbers_of + n / 2, n / 2);
}

static void losses_are_added_in_the_tree(void **state)
{
    (void)state;
    const struct weir__adder none = {0};
    uint32_t noise = 3;
    for (size_t n = 1; n <= 70; n++) {
        double losses[70];
        struct weir__sums sums = {0};
        for (size_t i = 0; i < n; i++) {
            losses[i] = 1 / (double)((noise = noise * 1664525 + 1013904223) >> 8);
            weir__sums_add(&none, &sums, (struct weir__sum){.first = i, .count = 1, .loss = {.sum = losses[i], .count = 1}});
        }
        struct weir__sum root = weir__sums_root(&none, &sums);
        assert_true(root.loss.sum == root_of(losses, n) && root.loss.count == n && root.count == n);
    }
}

static void rows_are_cut_into_contiguous_parts(void **state)
{
    (void)state;
    static const struct weir__rows of_eleven[] = {{0, 2}, {2, 3}, {5, 3}, {8, 3}};
    for (size_t i = 0; i < 4; i++) {
        struct weir__rows part = weir__part(11, 4, i);
        assert_int_equal(part.first, of_eleven[i].first);
        assert_int_equal(part.count, of_eleven[i].count);
    }
    assert_int_equal(weir__part(2, 3, 0).count, 0);
}

/* ---- Agreement ---- */

struct agree_job {
    struct member member;
    weir_status brought, got;
    bool stop;
    weir_error err;
};

static void *agree(void *arg)
{
    struct agree_job *job = arg;
    snprintf(job->err.text, sizeof job->err.text, "sorrow %u", (unsigned)job->member.cluster.rank);
    job->got = weir_cluster_agree(&job->member.cluster, job->brought, &job->stop, &job->err);
    return NULL;
}

static void agree_all(struct agree_job *jobs, uint32_t ranks)
{
    struct post post = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {{0}}};
    pthread_t ids[MOST_RANKS];
    for (uint32_t r = 0; r < ranks; r++) {
        struct member *m = &jobs[r].member;
        snprintf(m->name, sizeof m->name, "rank %u", (unsigned)r);
        m->post = &post;
        m->cluster = (weir_cluster){.rank = r, .ranks = ranks, .name = m->name, .exchange = exchange, .ctx = m};
        assert_int_equal(pthread_create(ids + r, NULL, agree, jobs + r), 0);
    }
    for (uint32_t r = 0; r < ranks; r++)
        pthread_join(ids[r], NULL);
}

static void ranks_agree(void **state)
{
    (void)state;
    static struct agree_job jobs[MOST_RANKS];
    for (uint32_t ranks = 1; ranks <= MOST_RANKS; ranks++)
        for (uint32_t r = 0; r < ranks; r++) {
            memset(jobs, 0, sizeof jobs);
            jobs[r].stop = true;
            agree_all(jobs, ranks);
            for (uint32_t i = 0; i < ranks; i++)
                assert_true(jobs[i].got == WEIR_OK && jobs[i].stop);
            memset(jobs, 0, sizeof jobs);
            jobs[r].brought = WEIR_E_IO;
            jobs[ranks - 1].brought = r < ranks - 1 ? WEIR_E_NOMEM : WEIR_E_IO; /* the lowest counts */
            agree_all(jobs, ranks);
            char sentence[32];
            snprintf(sentence, sizeof sentence, "rank %u: sorrow %u", (unsigned)r, (unsigned)r);
            for (uint32_t i = 0; i < ranks; i++) {
                assert_int_equal(jobs[i].got, WEIR_E_IO);
                if (ranks > 1)
                    assert_string_equal(jobs[i].err.text, sentence);
            }
        }
}

/* ---- Fits ---- */

enum { EPOCHS = 3, BATCHES = 5, SHARDS = 4 };

/* What a rank's fit goes through: a source that fails, or a report that stops, at some batch of the second epoch; 0: none. */
struct fit_job {
    weir_cluster *cluster;
    size_t fails_at, stops_at, seen;
    bool goes_on;
    weir_status status, again;
    weir_error err;
    weir_progress best, stopped;
    size_t reported;
    float weights[MOST_WEIGHTS];
};

static weir_status get_batch(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    struct fit_job *job = ctx;
    if (epoch == 2 && job->fails_at && index + 1 == job->fails_at) {
        job->fails_at = 0;
        snprintf(err->text, sizeof err->text, "the disk of this rank is broken");
        return err->status = WEIR_E_IO;
    }
    *batch = batch_of(tasks, index);
    return WEIR_OK;
}

static bool count_report(void *ctx, const weir_progress *now)
{
    struct fit_job *job = ctx;
    job->reported++;
    bool stop = now->epoch == 2 && job->stops_at && now->batch == job->stops_at;
    if (stop)
        job->stops_at = 0;
    return !stop;
}

static void *fit(void *arg)
{
    struct fit_job *job = arg;
    weir_model *m;
    weir_trainer *t;
    weir_error err;
    check_ok(weir_model_new(&m, &tasks[0].model, NULL, 0, &err), &err);
    weir_train_config how = {.rows = ROWS, .steps = STEPS, .shards = SHARDS, .dropout = 0.2f, .cluster = job->cluster};
    check_ok(weir_trainer_new(&t, m, &how, &err), &err);
    weir_source source = {.batches = BATCHES, .get = get_batch, .ctx = job};
    weir_fit f = {.epochs = EPOCHS, .train = &source, .valid = &source, .report = count_report, .ctx = job};
    job->status = weir_trainer_fit(t, &f, &job->stopped, &job->err);
    size_t before = job->reported;
    if (job->goes_on)
        job->again = weir_trainer_fit(t, &f, &job->best, &err);
    else
        job->best = job->stopped;
    job->seen = before;
    read_weights(t, job->weights);
    weir_trainer_free(t);
    weir_model_free(m);
    return NULL;
}

static void fit_all(struct fit_job *jobs, uint32_t ranks)
{
    struct post post = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {{0}}};
    struct member members[MOST_RANKS];
    pthread_t ids[MOST_RANKS];
    for (uint32_t r = 0; r < ranks; r++) {
        members[r] = (struct member){
            .post = &post, .cluster = {.rank = r, .ranks = ranks, .name = members[r].name, .exchange = exchange, .ctx = members + r}};
        snprintf(members[r].name, sizeof members[r].name, "rank %u", (unsigned)r);
        jobs[r].cluster = &members[r].cluster;
        assert_int_equal(pthread_create(ids + r, NULL, fit, jobs + r), 0);
    }
    for (uint32_t r = 0; r < ranks; r++)
        pthread_join(ids[r], NULL);
}

/* One rank stops, or cannot read: all stop at the same batch, and go on to the bytes of a fit that was not stopped. */
static void fits_stop_and_go_on_together(void **state)
{
    (void)state;
    static struct fit_job alone, jobs[MOST_RANKS];
    memset(&alone, 0, sizeof alone);
    fit_all(&alone, 1);
    assert_int_equal(alone.status, WEIR_OK);
    assert_int_equal(alone.reported, EPOCHS * (BATCHES + 1));
    for (uint32_t ranks = 1; ranks <= SHARDS; ranks++)
        for (size_t way = 0; way < 2 * BATCHES; way++) {
            memset(jobs, 0, sizeof jobs);
            for (uint32_t r = 0; r < ranks; r++)
                jobs[r].goes_on = true;
            size_t at = way / 2 + 1;
            *(way % 2 ? &jobs[ranks - 1].fails_at : &jobs[ranks - 1].stops_at) = at;
            fit_all(jobs, ranks);
            for (uint32_t r = 0; r < ranks; r++) {
                assert_int_equal(jobs[r].status, way % 2 ? WEIR_E_IO : WEIR_OK);
                assert_int_equal(jobs[r].seen, BATCHES + 1 + (way % 2 ? at - 1 : at));
                assert_int_equal(jobs[r].again, WEIR_OK);
                assert_memory_equal(jobs[r].weights, alone.weights, sizeof alone.weights);
                assert_true(jobs[r].best.valid_loss == alone.best.valid_loss);
                char sentence[64];
                snprintf(sentence, sizeof sentence, "rank %u: the disk of this rank is broken", (unsigned)ranks - 1);
                if (way % 2 && ranks > 1)
                    assert_string_equal(jobs[r].err.text, sentence);
            }
        }
}

/* ---- What is refused, and what it takes ---- */

static void bad_clusters_are_refused(void **state)
{
    (void)state;
    weir_model *m;
    weir_trainer *t;
    weir_error err;
    check_ok(weir_model_new(&m, &tasks[0].model, NULL, 0, &err), &err);
    struct member alone = {.cluster = {.ranks = 3, .exchange = exchange}};
    weir_train_config how = {.rows = ROWS, .steps = STEPS, .shards = 2, .cluster = &alone.cluster};
    assert_int_equal(weir_trainer_new(&t, m, &how, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "3 processes cannot share 2 shards"));
    how.shards = ROWS + 1;
    assert_int_equal(weir_trainer_new(&t, m, &how, &err), WEIR_E_ARGUMENT);
    how.shards = 8;
    alone.cluster.rank = 3;
    assert_int_equal(weir_trainer_new(&t, m, &how, &err), WEIR_E_ARGUMENT);
    weir_model_free(m);
}

/* The tape is that of a shard: 8 shards take less than a quarter of it. */
static void memory_is_planned_for_a_shard(void **state)
{
    (void)state;
    weir_model *m;
    weir_error err;
    weir_memory whole, parts;
    weir_config c = {.inputs = 16, .hidden = 64, .layers = 2, .outputs = 4};
    check_ok(weir_model_new(&m, &c, NULL, 0, &err), &err);
    weir_train_config how = {.rows = 64, .steps = 50};
    check_ok(weir_trainer_plan(&whole, m, &how, &err), &err);
    how.shards = 8;
    check_ok(weir_trainer_plan(&parts, m, &how, &err), &err);
    assert_true(parts.tape * 4 < whole.tape && parts.backward * 4 < whole.backward && parts.head * 4 < whole.head);
    assert_int_equal((parts.weights - whole.weights) / weir_model_parameters(m) / sizeof(float), 3); /* a level of the tree each */
    weir_trainer *t;
    check_ok(weir_trainer_new(&t, m, &how, &err), &err);
    assert_int_equal(weir_trainer_memory(t), parts.total);
    weir_trainer_free(t);
    weir_model_free(m);
}

int main(void)
{
    make_numbers();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_and_threads_change_nothing),
        cmocka_unit_test(shards_sum_the_same_batch),
        cmocka_unit_test(losses_are_added_in_the_tree),
        cmocka_unit_test(rows_are_cut_into_contiguous_parts),
        cmocka_unit_test(ranks_agree),
        cmocka_unit_test(fits_stop_and_go_on_together),
        cmocka_unit_test(bad_clusters_are_refused),
        cmocka_unit_test(memory_is_planned_for_a_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
