/* Checkpoints: a training that stops anywhere and goes on ends with the bytes of one that never stopped; broken files are refused.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#include "base/base.h"
#include "format/checksum.h"
#include "train/trainer.h"

enum { T = 8, B = 5, INPUTS = 3, TOKENS = 6, VALUES = 2, BATCHES = 4, MOST_REPORTS = 200 };

/* ---- Trainings of every kind ---- */

struct kind {
    const char *name;
    weir_config model;
    weir_train_config train;
    uint32_t epochs, patience;
    bool carry, lengths, no_valid;
};

static const struct kind kinds[] = {
    {"text with a carried state, Adam",
     {.tokens = TOKENS, .hidden = 12, .layers = 2, .outputs = TOKENS, .output = WEIR_SOFTMAX},
     {.rate = 0.02f},
     .epochs = 4,
     .carry = true},
    {"series, RMSprop, plateau, patience",
     {.inputs = INPUTS, .hidden = 9, .outputs = VALUES, .output = WEIR_GAUSSIAN},
     {.optimizer = WEIR_RMSPROP, .rate = 0.05f, .momentum = 0.5f, .schedule = WEIR_PLATEAU, .plateau = 1},
     .epochs = 12,
     .patience = 3},
    {"dropout, AdamW, a planned cosine",
     {.inputs = INPUTS,
      .hidden = 8,
      .layers = 3,
      .outputs = VALUES,
      .dense_layers = 1,
      .dense = {{.units = 7, .activation = {.id = WEIR_SELU}}}},
     {.optimizer = WEIR_ADAMW,
      .weight_decay = 0.01f,
      .dropout = 0.3f,
      .head_dropout = 0.2f,
      .schedule = WEIR_COSINE,
      .warmup = 3},
     .epochs = 4},
    {"both directions, projection, final state, lengths, SGD",
     {.inputs = INPUTS,
      .hidden = 10,
      .projection = 6,
      .layers = 2,
      .direction = WEIR_BOTH,
      .outputs = 3,
      .output = WEIR_SOFTMAX,
      .readout = WEIR_FINAL_STATE},
     {.optimizer = WEIR_SGD, .rate = 0.1f, .momentum = 0.9f, .dropout = 0.1f},
     .epochs = 3,
     .lengths = true},
    {"no validation, no clip, a given cosine",
     {.tokens = TOKENS, .hidden = 17, .outputs = TOKENS, .output = WEIR_LOGISTIC, .candidate = {.id = WEIR_PRELU}},
     {.schedule = WEIR_COSINE, .total_updates = 40, .clip = INFINITY},
     .epochs = 3,
     .carry = true,
     .no_valid = true},
    {"doubles",
     {.tokens = TOKENS, .hidden = 5, .layers = 2, .outputs = TOKENS, .output = WEIR_SOFTMAX, .isa = WEIR_ISA_REF64},
     {.rate = 0.01f, .schedule = WEIR_PLATEAU},
     .epochs = 3,
     .carry = true},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- Batches that are the same whenever they are asked for ---- */

struct numbers {
    const struct kind *kind;
    uint64_t part; /* training and validation differ */
    float x[T * B * INPUTS], targets[T * B * TOKENS];
    uint32_t tokens[T * B], classes[T * B], lengths[B];
};

static weir_status get_batch(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
{
    (void)err;
    struct numbers *n = ctx;
    weir__random random = {.key = n->part,
                           .stream = n->kind->carry ? index : epoch * 100 + index}; /* a text is the same in every epoch */
    uint64_t at = 0;
    for (size_t i = 0; i < T * B * INPUTS; i++)
        n->x[i] = (float)weir__random_normal(&random, at++);
    for (size_t i = 0; i < T * B; i++) {
        n->tokens[i] = (uint32_t)(weir__random_uniform(&random, 1000 + i) * TOKENS);
        n->classes[i] = (uint32_t)(n->kind->model.tokens ? (n->tokens[i] + i) % TOKENS : i % 3);
    }
    for (size_t i = 0; i < T * B * TOKENS; i++)
        n->targets[i] = n->kind->model.tokens ? (float)(i % 2) : n->x[i % (T * B)] * 0.5f;
    for (size_t i = 0; i < B; i++)
        n->lengths[i] = (uint32_t)(1 + (index + i) % T);
    bool short_one = !n->kind->carry && index == BATCHES - 1;
    *batch = (weir_batch){
        .steps = T,
        .rows = short_one ? B - 2 : B,
        .x = n->x,
        .tokens = n->tokens,
        .lengths = n->kind->lengths ? n->lengths : NULL,
        .carry = n->kind->carry && index > 0,
        .targets = n->targets,
        .classes = n->classes,
    };
    return WEIR_OK;
}

/* ---- Trainings that are stopped ---- */

/* Everything that was reported, and when to stop. */
struct diary {
    weir_progress seen[MOST_REPORTS];
    size_t count, stop_at; /* stop after so many reports; 0: never */
    weir_trainer *trainer; /* saved from within the report that stops */
    const char *path;
};

static bool write_down(void *ctx, const weir_progress *now)
{
    struct diary *d = ctx;
    assert_true(d->count < MOST_REPORTS);
    d->seen[d->count++] = *now;
    if (d->count != d->stop_at)
        return true;
    weir_error err;
    if (d->path && weir_trainer_save(d->trainer, d->path, "from within", &err))
        fail_msg("%s", err.text);
    return false;
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void assert_same_diary(const struct diary *a, const struct diary *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const weir_progress *x = a->seen + i, *y = b->seen + i;
        if (x->epoch != y->epoch || x->batch != y->batch || x->epoch_done != y->epoch_done || x->best != y->best ||
            !same_number(x->train_loss, y->train_loss) || !same_number(x->valid_loss, y->valid_loss) ||
            !same_number(x->rate, y->rate))
            fail_msg("report %zu differs: epoch %u batch %zu, epoch %u batch %zu", i, x->epoch, x->batch, y->epoch, y->batch);
    }
}

typedef struct file {
    unsigned char *bytes;
    size_t size;
} file;

static file read_file(const char *path)
{
    file f = {malloc(1 << 20), 0};
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    f.size = fread(f.bytes, 1, 1 << 20, in);
    fclose(in);
    return f;
}

/* All that a trainer holds, as the bytes of its checkpoint. */
static file state_of(const weir_trainer *t)
{
    weir_error err;
    if (weir_trainer_save(t, "state", "", &err))
        fail_msg("%s", err.text);
    return read_file("state");
}

static void assert_same_state(const weir_trainer *a, const weir_trainer *b)
{
    file x = state_of(a), y = state_of(b);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.bytes, y.bytes, x.size);
    free(x.bytes);
    free(y.bytes);
}

/* Three "threads" that take their tasks from the last one on. */
static void run_backwards(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    (void)ctx;
    while (n-- > 0)
        task(arg, n);
}
static const weir_parallel backwards = {run_backwards, NULL, 3};

struct setting {
    struct numbers train, valid;
    weir_source train_source, valid_source;
    weir_fit fit;
};

static void set_up(struct setting *s, const struct kind *k, struct diary *d)
{
    s->train = (struct numbers){.kind = k, .part = 1};
    s->valid = (struct numbers){.kind = k, .part = 2};
    s->train_source = (weir_source){BATCHES, get_batch, &s->train};
    s->valid_source = (weir_source){2, get_batch, &s->valid};
    s->fit = (weir_fit){.epochs = k->epochs,
                        .patience = k->patience,
                        .train = &s->train_source,
                        .valid = k->no_valid ? NULL : &s->valid_source,
                        .report = write_down,
                        .ctx = d};
}

static weir_trainer *trainer_of(const struct kind *k, weir_isa isa)
{
    weir_model *m;
    weir_trainer *t = NULL;
    weir_error err;
    weir_config c = k->model;
    weir_train_config train = k->train;
    c.isa = c.isa ? c.isa : isa;
    c.notes = "the model's notes";
    train.rows = B;
    train.steps = T;
    if (weir_model_new(&m, &c, NULL, 0, &err) || weir_trainer_new(&t, m, &train, &err))
        fail_msg("%s: %s", k->name, err.text);
    weir_model_free(m);
    return t;
}

static weir_trainer *resume(const char *path, weir_isa isa, const weir_parallel *parallel)
{
    weir_checkpoint *c;
    weir_trainer *t = NULL;
    weir_error err;
    if (weir_checkpoint_load(&c, path, NULL, &err) || weir_trainer_resume(&t, c, isa, parallel, NULL, &err))
        fail_msg("%s", err.text);
    weir_checkpoint_free(c);
    return t;
}

/* How a stopped training comes back. */
enum way { SAVED_WITHIN, SAVED_AFTER, IN_MEMORY, WAYS };

static weir_isa other_isa(const struct kind *k, size_t stops)
{
    return k->model.isa ? WEIR_ISA_BEST : stops % 2 ? WEIR_ISA_SCALAR : WEIR_ISA_BEST;
}

/* What a stopped trainer is asked in between must change nothing. */
static void look_around(weir_trainer *t, struct setting *s)
{
    weir_batch batch;
    weir_model *m;
    get_batch(&s->valid, 77, 0, &batch, NULL);
    assert_int_equal(weir_trainer_evaluate(t, &batch, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_model(t, &m, NULL, NULL), WEIR_OK);
    weir_model_free(m);
}

static weir_trainer *fit_with_stops(const struct kind *k, enum way way, size_t every, struct diary *d, weir_progress *best)
{
    struct setting s;
    weir_error err;
    weir_trainer *t = trainer_of(k, WEIR_ISA_BEST);
    set_up(&s, k, d);
    for (size_t stops = 0;; stops++) {
        d->stop_at = d->count + 1 + (every + stops * 5) % 7;
        d->trainer = t;
        d->path = way == SAVED_WITHIN ? "checkpoint" : NULL;
        if (weir_trainer_fit(t, &s.fit, best, &err))
            fail_msg("%s: %s", k->name, err.text);
        if (d->count < d->stop_at)
            return t;
        look_around(t, &s);
        if (way == IN_MEMORY)
            continue;
        if (way == SAVED_AFTER && weir_trainer_save(t, "checkpoint", NULL, &err))
            fail_msg("%s: %s", k->name, err.text);
        weir_trainer_free(t);
        t = resume("checkpoint", other_isa(k, stops), stops % 3 ? &backwards : NULL);
        look_around(t, &s);
    }
}

static void a_training_that_stops_anywhere_ends_with_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        static struct diary whole, parts;
        struct setting s;
        weir_error err;
        weir_progress best, best_of_parts;
        weir_trainer *t = trainer_of(kinds + i, WEIR_ISA_BEST);
        memset(&whole, 0, sizeof whole);
        set_up(&s, kinds + i, &whole);
        if (weir_trainer_fit(t, &s.fit, &best, &err))
            fail_msg("%s: %s", kinds[i].name, err.text);
        assert_true(whole.count > 8);
        for (int way = 0; way < WAYS; way++)
            for (size_t every = 0; every < (way == IN_MEMORY ? 7 : 2); every++) { /* files are synced, which takes time */
                memset(&parts, 0, sizeof parts);
                weir_trainer *u = fit_with_stops(kinds + i, (enum way)way, every, &parts, &best_of_parts);
                assert_same_diary(&whole, &parts);
                assert_same_state(t, u);
                assert_int_equal(best.epoch, best_of_parts.epoch);
                assert_true(same_number(best.train_loss, best_of_parts.train_loss) &&
                            same_number(best.valid_loss, best_of_parts.valid_loss));
                weir_trainer_free(u);
            }
        weir_trainer_free(t);
    }
}

/* Steps and evaluations in a loop of the user's own. */
static void work_by_hand(weir_trainer *t, struct setting *s, size_t begin, size_t end)
{
    weir_error err;
    for (size_t i = begin; i < end; i++) {
        weir_batch batch;
        get_batch(&s->train, 1, i % BATCHES, &batch, NULL);
        batch.rows = B;
        batch.carry = i > 0;
        if (i % 4 == 3 ? weir_trainer_evaluate(t, &batch, NULL, &err) : weir_trainer_step(t, &batch, NULL, &err))
            fail_msg("%s", err.text);
    }
}

static void loops_of_the_user_go_on_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].train.schedule == WEIR_COSINE && !kinds[i].train.total_updates)
            continue;
        struct setting s;
        set_up(&s, kinds + i, NULL);
        weir_trainer *t = trainer_of(kinds + i, WEIR_ISA_BEST);
        work_by_hand(t, &s, 0, 15);
        for (size_t at = i % 4; at < 15; at += 4) {
            weir_trainer *u = trainer_of(kinds + i, WEIR_ISA_BEST), *v;
            work_by_hand(u, &s, 0, at);
            assert_int_equal(weir_trainer_save(u, "checkpoint", NULL, NULL), WEIR_OK);
            v = resume("checkpoint", other_isa(kinds + i, at), &backwards);
            assert_same_state(u, v);
            work_by_hand(v, &s, at, 15);
            assert_same_state(t, v);
            weir_trainer_free(u);
            weir_trainer_free(v);
        }
        weir_trainer_free(t);
    }
}

static void other_epochs_are_taken_where_they_change_no_rate(void **state)
{
    (void)state;
    struct diary d = {0}, whole = {0};
    struct setting s;
    weir_error err;
    weir_progress best;
    struct kind k = kinds[1];
    k.patience = 0;
    k.epochs = 5;
    weir_trainer *t = trainer_of(&k, WEIR_ISA_BEST), *u;
    set_up(&s, &k, &whole);
    assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, &err), WEIR_OK);

    k.epochs = 2; /* stopped by the report of the last epoch of two */
    u = trainer_of(&k, WEIR_ISA_BEST);
    set_up(&s, &k, &d);
    d.stop_at = 2 * (BATCHES + 1);
    assert_int_equal(weir_trainer_fit(u, &s.fit, NULL, &err), WEIR_OK);
    assert_int_equal(weir_trainer_save(u, "checkpoint", NULL, &err), WEIR_OK);
    weir_trainer_free(u);
    u = resume("checkpoint", WEIR_ISA_BEST, NULL);
    s.fit.epochs = 5;
    assert_int_equal(weir_trainer_fit(u, &s.fit, &best, &err), WEIR_OK);
    assert_int_equal(best.epochs, 5);
    for (size_t i = 0; i < d.count; i++)
        d.seen[i].epochs = 5;
    assert_same_diary(&whole, &d);
    assert_same_state(t, u);
    weir_trainer_free(u);

    u = resume("checkpoint", WEIR_ISA_BEST, NULL); /* nothing is left to do */
    s.fit.epochs = 0;
    size_t before = d.count;
    assert_int_equal(weir_trainer_fit(u, &s.fit, &best, &err), WEIR_OK);
    assert_int_equal(d.count, before);
    assert_int_equal(best.epochs, 2);
    weir_trainer_free(u);
    weir_trainer_free(t);

    t = trainer_of(kinds + 2, WEIR_ISA_BEST);
    d = (struct diary){.stop_at = 3};
    set_up(&s, kinds + 2, &d);
    assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, &err), WEIR_OK);
    s.fit.epochs++;
    assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, &err), WEIR_E_ARGUMENT);
    assert_string_equal(err.text, "the cosine schedule was planned for 4 epochs and cannot go on with 5");
    s.fit.epochs = 0;
    s.train_source.batches++;
    assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "has 4 batches an epoch, not 5"));
    weir_trainer_free(t);
}

static void a_fit_begins_anew_when_asked_or_after_a_step(void **state)
{
    (void)state;
    for (int step = 0; step < 2; step++) {
        struct diary d = {.stop_at = 7};
        struct setting s;
        weir_trainer *t = trainer_of(kinds, WEIR_ISA_BEST);
        set_up(&s, kinds, &d);
        assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, NULL), WEIR_OK);
        if (step)
            work_by_hand(t, &s, 0, 1);
        s.fit.fresh = !step;
        assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, NULL), WEIR_OK);
        assert_int_equal(d.seen[7].epoch, 1);
        assert_int_equal(d.seen[7].batch, 1);
        assert_int_equal(d.count, 7 + 4 * (BATCHES + 1));
        weir_trainer_free(t);
    }
}

static void a_source_that_fails_can_be_tried_again(void **state)
{
    (void)state;
    struct diary whole = {0}, d = {0};
    struct setting s;
    weir_trainer *t = trainer_of(kinds, WEIR_ISA_BEST), *u = trainer_of(kinds, WEIR_ISA_BEST);
    set_up(&s, kinds, &whole);
    assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, NULL), WEIR_OK);
    set_up(&s, kinds, &d);
    for (uint32_t steps = T + 1; steps <= T + 3; steps++) { /* a batch that is too long, three times, at other places */
        weir_trainer *v = u;
        d.stop_at = d.count + 4;
        assert_int_equal(weir_trainer_fit(v, &s.fit, NULL, NULL), WEIR_OK);
        v->work.steps = T - 1;
        assert_int_equal(weir_trainer_fit(v, &s.fit, NULL, NULL), WEIR_E_ARGUMENT);
        v->work.steps = T;
    }
    d.stop_at = 0;
    assert_int_equal(weir_trainer_fit(u, &s.fit, NULL, NULL), WEIR_OK);
    assert_same_diary(&whole, &d);
    assert_same_state(t, u);
    weir_trainer_free(t);
    weir_trainer_free(u);
}

/* ---- What a checkpoint says ---- */

static void the_file_says_where_the_training_stands(void **state)
{
    (void)state;
    struct diary d = {.stop_at = 7};
    struct setting s;
    weir_error err;
    weir_checkpoint *c;
    weir_checkpoint_info info;
    weir_model *m;
    weir_trainer *t = trainer_of(kinds, WEIR_ISA_BEST), *u;
    set_up(&s, kinds, &d);
    assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_save(t, "checkpoint", "notes \"with\" \xc3\xa4\n", NULL), WEIR_OK);
    assert_int_equal(weir_checkpoint_load(&c, "checkpoint", NULL, &err), WEIR_OK);
    weir_checkpoint_get(c, &info);
    assert_string_equal(info.notes, "notes \"with\" \xc3\xa4\n");
    assert_string_equal(info.model->notes, "the model's notes");
    assert_int_equal(info.model->hidden, 12);
    assert_int_equal(info.train->rows, B);
    assert_true(info.train->beta2 == 0.999f && info.train->rate == 0.02f);
    assert_int_equal(info.updates, 6);
    assert_true(info.fitting && !info.doubles);
    assert_int_equal(info.now.epoch, 2);
    assert_int_equal(info.now.batch, 2);
    assert_int_equal(info.best.epoch, 1);
    assert_int_equal(weir_trainer_resume(&u, c, WEIR_ISA_REF64, NULL, NULL, &err), WEIR_E_UNSUPPORTED);
    assert_null(u);
    assert_string_equal(err.text, "the checkpoint was written without ref64, whose numbers are doubles; go on without it");
    weir_checkpoint_free(c);

    assert_int_equal(weir_model_load(&m, "checkpoint", WEIR_ISA_BEST, NULL, &err), WEIR_E_UNSUPPORTED);
    assert_string_equal(err.text,
                        "checkpoint: the file is a checkpoint of a training, no model; weir train --resume goes on with it");
    assert_int_equal(weir_trainer_model(t, &m, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_model_save(m, "model", NULL), WEIR_OK);
    assert_int_equal(weir_checkpoint_load(&c, "model", NULL, &err), WEIR_E_UNSUPPORTED);
    assert_null(c);
    assert_string_equal(err.text, "model: the file is no checkpoint of a training, or its first bytes are damaged");
    assert_int_equal(weir_checkpoint_load(&c, "no such file", NULL, &err), WEIR_E_IO);
    weir_model_free(m);
    weir_trainer_free(t);
}

static void what_cannot_be_kept_is_not_written(void **state)
{
    (void)state;
    weir_error err;
    weir_trainer *t = trainer_of(kinds, WEIR_ISA_BEST);
    remove("checkpoint");
    assert_int_equal(weir_trainer_save(t, "checkpoint", "\xff", &err), WEIR_E_ARGUMENT);
    char *notes = calloc((8 << 20) + 2, 1);
    memset(notes, 'n', (8 << 20) + 1);
    assert_int_equal(weir_trainer_save(t, "checkpoint", notes, &err), WEIR_E_ARGUMENT);
    assert_string_equal(err.text, "notes of a checkpoint must have at most 8 MiB");
    notes[8 << 20] = 0;
    assert_int_equal(weir_trainer_save(t, "largest", notes, &err), WEIR_OK);
    weir_trainer_free(resume("largest", WEIR_ISA_BEST, NULL));
    remove("largest");
    free(notes);
    float *numbers[] = {t->weights, t->moment1, t->moment2, t->best};
    for (size_t i = 0; i < 4; i++) {
        numbers[i][3] = i % 2 ? NAN : INFINITY;
        assert_int_equal(weir_trainer_save(t, "checkpoint", NULL, &err), WEIR_E_NONFINITE);
        assert_string_equal(err.text, "array lstm.weight_ih_l0 of the checkpoint holds a number that is not finite");
        numbers[i][3] = 0;
    }
    assert_null(fopen("checkpoint", "rb"));
    assert_int_equal(weir_trainer_save(t, "no/such/folder", NULL, &err), WEIR_E_IO);
    weir_trainer_free(t);
}

/* ---- Broken files ---- */

static file small_file(void)
{
    struct kind k = {.name = "small",
                     .model = {.tokens = TOKENS, .hidden = 2, .outputs = TOKENS, .output = WEIR_SOFTMAX},
                     .epochs = 3,
                     .carry = true};
    struct diary d = {.stop_at = 7};
    struct setting s;
    weir_trainer *t = trainer_of(&k, WEIR_ISA_BEST);
    set_up(&s, &k, &d);
    assert_int_equal(weir_trainer_fit(t, &s.fit, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_trainer_save(t, "small", "notes", NULL), WEIR_OK);
    weir_trainer_free(t);
    return read_file("small");
}

static weir_status parse(const void *bytes, size_t size, weir_error *err)
{
    weir_checkpoint *c;
    weir_status status = weir_checkpoint_parse(&c, bytes, size, NULL, err);
    assert_true((status == WEIR_OK) == (c != NULL));
    weir_checkpoint_free(c);
    return status;
}

static void every_cut_and_every_flipped_bit_is_refused(void **state)
{
    (void)state;
    file f = small_file();
    weir_error err;
    assert_int_equal(parse(f.bytes, f.size, &err), WEIR_OK);
    for (size_t size = 0; size < f.size; size++) {
        unsigned char *cut = malloc(size + 1);
        memcpy(cut, f.bytes, size);
        assert_int_not_equal(parse(cut, size, &err), WEIR_OK);
        assert_true(*err.text);
        free(cut);
    }
    for (size_t bit = 0; bit < 8 * f.size; bit++) {
        f.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (parse(f.bytes, f.size, &err) == WEIR_OK)
            fail_msg("bit %zu was flipped and the file loads", bit);
        f.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    free(f.bytes);
}

/* Puts the right checksum into a file that was changed. */
static void sign(file *f)
{
    weir__checksum sum;
    char digits[17];
    unsigned char *at = memmem(f->bytes, f->size, "\"checksum\":\"", 12);
    if (!at || (size_t)(at - f->bytes) + 28 > f->size)
        return;
    memset(at + 12, '0', 16);
    weir__checksum_begin(&sum);
    weir__checksum_add(&sum, f->bytes, f->size);
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)weir__checksum_end(&sum));
    memcpy(at + 12, digits, 16);
}

/* Replaces text in the header, whose length stays a multiple of 8. */
static file edited(const file *f, const char *from, const char *to)
{
    uint64_t header;
    memcpy(&header, f->bytes, 8);
    char *at = memmem(f->bytes + 8, header, from, strlen(from));
    if (!at)
        fail_msg("the header has no %s", from);
    size_t before = (size_t)((unsigned char *)at - f->bytes) - 8, after = header - before - strlen(from);
    size_t length = weir__round_up(before + strlen(to) + after, 8);
    file g = {calloc(1, 8 + length + f->size - 8 - header), 8 + length + f->size - 8 - header};
    memset(g.bytes + 8, ' ', length);
    memcpy(g.bytes + 8, f->bytes + 8, before);
    memcpy(g.bytes + 8 + before, to, strlen(to));
    memcpy(g.bytes + 8 + before + strlen(to), at + strlen(from), after);
    memcpy(g.bytes + 8 + length, f->bytes + 8 + header, f->size - 8 - header);
    memcpy(g.bytes, &(uint64_t){length}, 8);
    sign(&g);
    return g;
}

static void numbers_that_no_training_comes_to_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } edits[] = {
        {"\\\"carried_rows\\\":\\\"5\\\"", "\\\"carried_rows\\\":\\\"6\\\"", "number of carried rows"},
        {"\\\"carried_rows\\\":\\\"5\\\"", "\\\"carried_rows\\\":\\\"4\\\"", "must be state.h, F32 of shape (1, 4, 2)"},
        {"\\\"carried_rows\\\":\\\"5\\\"", "\\\"carried_rows\\\":\\\"-5\\\"", "field carried_rows"},
        {"\\\"updates\\\":\\\"6\\\"", "\\\"updates\\\":6", "field updates"},
        {"\\\"updates\\\":\\\"6\\\"", "\\\"updates\\\":\\\"99999999999999999999\\\"", "field updates"},
        {"\\\"plateau_factor\\\":1.0", "\\\"plateau_factor\\\":1.5", "plateau factor"},
        {"\\\"power1\\\":0", "\\\"power1\\\":7", "power of beta"},
        {"\\\"epochs\\\":3", "\\\"epochs\\\":0", "epoch or batch"},
        {"\\\"batch\\\":\\\"2\\\"", "\\\"batch\\\":\\\"9\\\"", "epoch or batch"},
        {"\\\"batch\\\":\\\"2\\\"", "\\\"batch\\\":\\\"3\\\",\\\"more\\\":1", "just its 9 fields"},
        {"\\\"since_best\\\":0", "\\\"since_best\\\":70000", "since the best one"},
        {"\\\"best_loss\\\":", "\\\"best_loss\\\":null,\\\"x\\\":", "fit must have just its 7 fields"},
        {"\\\"begun\\\":true", "\\\"begun\\\":\\\"yes\\\"", "field begun"},
        {"\\\"optimizer\\\":\\\"adam\\\"", "\\\"optimizer\\\":\\\"atom\\\"", "field optimizer"},
        {"\\\"rows\\\":5", "\\\"rows\\\":0", "rows must be at least 1"},
        {"\\\"clip\\\":5.0", "\\\"clip\\\":null", "field clip"},
        {"\\\"clip\\\":5.0", "\\\"clip\\\":-1", "clip must be a positive number"},
        {"\\\"epsilon\\\":", "\\\"epsilon\\\":0.1234567890123,\\\"epsilon\\\":", "no valid JSON"},
        {"{\\\"format\\\":1,\\\"training_configuration\\\"", "{\\\"format\\\":2,\\\"training_configuration\\\"",
         "field format must be 1"},
        {"{\\\"format\\\":1,\\\"training_configuration\\\"", "{\\\"format\\\":1,\\\"extra\\\":1,\\\"training_configuration\\\"",
         "just its 5 parts"},
        {"\\\"hidden\\\":2", "\\\"hidden\\\":3", "must be lstm.weight_ih_l0, F32 of shape (4, 12, 6)"},
        {"\\\"hidden\\\":2", "\\\"hidden\\\":60000", "more than 2^32 weights"},
        {"\\\"hidden\\\":2", "\\\"hidden\\\":0", "must be"},
        {"\\\"hidden\\\":2", "\\\"hidden\\\":-2", "field hidden"},
        {"\"notes\":\"notes\"", "\"note\":\"notes\"", "lacks the key notes"},
        {"\"notes\":\"notes\"", "\"notes\":\"notes\",\"more\":\"\"", "more keys"},
        {"\"model\":", "\"weir\":", "lacks the key model"},
        {"\"lstm.bias_ih_l0\"", "\"lstm.bias_ih_l1\"", "must be lstm.bias_ih_l0"},
        {"\"state.h\"", "\"state.x\"", "must be state.h"},
        {"[4,8,6]", "[4,6,8]", "must be lstm.weight_ih_l0, F32 of shape (4, 8, 6)"},
        {"[4,8,6]", "[4,48]", "must be lstm.weight_ih_l0, F32 of shape (4, 8, 6)"},
        {"\"F32\"", "\"I32\"", "must be lstm.weight_ih_l0"},
    };
    file f = small_file();
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        weir_error err = {0};
        file g = edited(&f, edits[i].from, edits[i].to);
        weir_status status = parse(g.bytes, g.size, &err);
        if ((status != WEIR_E_FORMAT && status != WEIR_E_UNSUPPORTED) || !strstr(err.text, edits[i].says))
            fail_msg("%s instead of %s: %s", edits[i].to, edits[i].from, status ? err.text : "it was accepted");
        free(g.bytes);
    }
    uint64_t header;
    memcpy(&header, f.bytes, 8);
    for (size_t at = 8 + header; at + 4 <= f.size; at += 4) { /* every number, one after the other */
        float was;
        weir_error err;
        memcpy(&was, f.bytes + at, 4);
        memcpy(f.bytes + at, &(float){at % 8 ? NAN : -INFINITY}, 4);
        sign(&f);
        assert_int_equal(parse(f.bytes, f.size, &err), WEIR_E_NONFINITE);
        memcpy(f.bytes + at, &was, 4);
    }
    free(f.bytes);
}

static void changes_under_a_right_checksum_never_crash(void **state)
{
    (void)state;
    file f = small_file();
    uint64_t header;
    memcpy(&header, f.bytes, 8);
    size_t loaded = 0, refused = 0;
    weir__random random = {.key = 5};
    for (uint64_t i = 0; i < 4000; i++) {
        file g = {malloc(f.size), f.size};
        memcpy(g.bytes, f.bytes, f.size);
        uint32_t words[4];
        weir__random_block(&random, i, words);
        g.bytes[words[0] % (8 + header)] ^= (unsigned char)(1u << words[1] % 8);
        if (i % 2)
            g.bytes[words[2] % f.size] = (unsigned char)words[3];
        sign(&g);
        weir_checkpoint *c;
        weir_trainer *t = NULL;
        weir_error err;
        weir_status status = weir_checkpoint_parse(&c, g.bytes, g.size, NULL, &err);
        if (!status)
            status = weir_trainer_resume(&t, c, WEIR_ISA_BEST, NULL, NULL, &err);
        loaded += status == WEIR_OK;
        refused += status != WEIR_OK && *err.text;
        weir_trainer_free(t);
        weir_checkpoint_free(c);
        free(g.bytes);
    }
    assert_int_equal(loaded + refused, 4000);
    assert_true(loaded > 10 && refused > 1000);
    free(f.bytes);
}

/* ---- Memory ---- */

static long granted, live;

static void *scarce_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    if (granted == 0)
        return NULL;
    granted--;
    live++;
    return aligned_alloc(align, weir__round_up(size, align));
}

static void counted_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)size;
    live--;
    free(ptr);
}

static void *scarce_json_alloc(size_t size)
{
    if (granted == 0)
        return NULL;
    granted--;
    return malloc(size);
}

static const weir_allocator scarce = {scarce_alloc, counted_free, NULL};

/* Loads, goes on, steps, saves. */
static weir_status round_trip(weir_error *err)
{
    weir_checkpoint *c;
    weir_trainer *t = NULL;
    weir_status status = weir_checkpoint_load(&c, "small", &scarce, err);
    if (!status)
        status = weir_trainer_resume(&t, c, WEIR_ISA_BEST, NULL, NULL, err);
    if (!status)
        status = weir_trainer_save(t, "scarce", "notes", err);
    weir_trainer_free(t);
    weir_checkpoint_free(c);
    return status;
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    file f = small_file(), g;
    weir_error err;
    json_set_alloc_funcs(scarce_json_alloc, free);
    long allowed = 0;
    for (weir_status status = WEIR_E_NOMEM; status; allowed++) {
        remove("scarce");
        granted = allowed;
        err = (weir_error){0};
        status = round_trip(&err);
        granted = -1;
        assert_int_equal(live, 0);
        if (status && !*err.text)
            fail_msg("allocation %ld failed and nothing was said", allowed);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(allowed > 100);
    g = read_file("scarce");
    assert_int_equal(f.size, g.size);
    assert_memory_equal(f.bytes, g.bytes, f.size); /* a checkpoint that is loaded and saved at once is the same file */
    free(f.bytes);
    free(g.bytes);
}

static void the_checksum_does_not_depend_on_the_pieces(void **state)
{
    (void)state;
    unsigned char bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        weir__checksum whole, parts;
        weir__checksum_begin(&whole);
        weir__checksum_add(&whole, bytes, size);
        uint64_t sum = weir__checksum_end(&whole);
        for (size_t piece = 1; piece < 20; piece++) {
            weir__checksum_begin(&parts);
            for (size_t at = 0; at < size; at += piece)
                weir__checksum_add(&parts, bytes + at, size - at < piece ? size - at : piece);
            assert_true(weir__checksum_end(&parts) == sum);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_that_stops_anywhere_ends_with_the_same_bytes),
        cmocka_unit_test(loops_of_the_user_go_on_too),
        cmocka_unit_test(other_epochs_are_taken_where_they_change_no_rate),
        cmocka_unit_test(a_fit_begins_anew_when_asked_or_after_a_step),
        cmocka_unit_test(a_source_that_fails_can_be_tried_again),
        cmocka_unit_test(the_file_says_where_the_training_stands),
        cmocka_unit_test(what_cannot_be_kept_is_not_written),
        cmocka_unit_test(every_cut_and_every_flipped_bit_is_refused),
        cmocka_unit_test(numbers_that_no_training_comes_to_are_refused),
        cmocka_unit_test(changes_under_a_right_checksum_never_crash),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(the_checksum_does_not_depend_on_the_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
