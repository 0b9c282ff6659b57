/* SPDX-License-Identifier: MIT */
#include "trainer.h"

#include <math.h>
#include <string.h>

/* ---- Configuration ---- */

static weir_status check_field(bool good, const char *field, const char *range, weir_error *err)
{
    return good ? WEIR_OK : weir__fail(err, WEIR_E_ARGUMENT, "%s must be %s", field, range);
}

static weir_status check_rate(float rate, weir_error *err)
{
    return check_field(rate > 0 && isfinite(rate), "rate", "a positive number", err);
}

static void fill_defaults(weir_train_config *c)
{
    if (c->rate == 0)
        c->rate = 0.002f;
    if (c->beta1 == 0)
        c->beta1 = 0.9f;
    if (c->beta2 == 0)
        c->beta2 = c->optimizer == WEIR_RMSPROP ? 0.99f : 0.999f;
    if (c->epsilon == 0)
        c->epsilon = 1e-8f;
    if (c->clip == 0)
        c->clip = 5;
    if (!c->plateau)
        c->plateau = 2;
    if (!c->seed)
        c->seed = 1;
    if (!c->shards)
        c->shards = 1;
}

static weir_status check_cluster(const weir_train_config *c, weir_error *err)
{
    TRY(check_field(c->shards <= WEIR__MOST_SHARDS, "shards", "at most 65536", err));
    TRY(check_field(c->shards <= c->rows, "shards", "at most the rows of a batch", err));
    const weir_cluster *cluster = c->cluster;
    if (!cluster)
        return WEIR_OK;
    TRY(check_field(cluster->ranks > 0 && cluster->rank < cluster->ranks, "rank", "below ranks", err));
    TRY(check_field(cluster->exchange || cluster->ranks == 1, "exchange", "set where there are several ranks", err));
    if (cluster->ranks > c->shards)
        return weir__fail(err, WEIR_E_ARGUMENT, "%u processes cannot share %u shards; set shards to a multiple of the processes, or start fewer",
                          (unsigned)cluster->ranks, (unsigned)c->shards);
    return WEIR_OK;
}

weir_status weir__train_config_resolve(const weir_train_config *config, weir_train_config *c, weir_error *err)
{
    *c = *config;
    fill_defaults(c);
    TRY(check_field(c->rows > 0, "rows", "at least 1: memory is planned from it", err));
    TRY(check_field(c->steps > 0, "steps", "at least 1: memory is planned from it", err));
    TRY(check_field((int)c->optimizer >= 0 && c->optimizer <= WEIR_SGD, "optimizer", "a weir_optimizer", err));
    TRY(check_field((int)c->schedule >= 0 && c->schedule <= WEIR_PLATEAU, "schedule", "a weir_schedule", err));
    TRY(check_rate(c->rate, err));
    TRY(check_field(c->momentum >= 0 && c->momentum < 1, "momentum", "from 0 to below 1", err));
    TRY(check_field(c->beta1 > 0 && c->beta1 < 1, "beta1", "between 0 and 1", err));
    TRY(check_field(c->beta2 > 0 && c->beta2 < 1, "beta2", "between 0 and 1", err));
    TRY(check_field(c->epsilon > 0 && isfinite(c->epsilon), "epsilon", "a positive number", err));
    TRY(check_field(c->weight_decay >= 0 && isfinite(c->weight_decay), "weight_decay", "0 or a positive number", err));
    TRY(check_field(c->clip > 0, "clip", "a positive number, or INFINITY for none", err));
    TRY(check_field(c->dropout >= 0 && c->dropout < 1, "dropout", "from 0 to below 1", err));
    TRY(check_field(c->head_dropout >= 0 && c->head_dropout < 1, "head_dropout", "from 0 to below 1", err));
    TRY(check_cluster(c, err));
    for (size_t i = 0; i < sizeof c->reserved / sizeof *c->reserved; i++)
        TRY(check_field(c->reserved[i] == 0, "reserved fields of weir_train_config", "0", err));
    return WEIR_OK;
}

static weir_status check_class_weights(const weir_config *c, const float *weights, weir_error *err)
{
    if (weights && c->output != WEIR_SOFTMAX && c->output != WEIR_LOGISTIC)
        return weir__fail(err, WEIR_E_ARGUMENT, "class_weights go with a softmax or a logistic output; this model has another one");
    for (size_t i = 0; weights && i < c->outputs; i++)
        if (!(weights[i] >= 0 && isfinite(weights[i])))
            return weir__fail(err, WEIR_E_ARGUMENT, "class_weights[%zu] must be 0 or a positive number", i);
    return WEIR_OK;
}

/* ---- Memory: one list of arrays, walked to make them and to free them ---- */

enum { MOST_ARRAYS = 21 + WEIR__MAX_HEAD + WEIR__STACK_ARRAYS };

/* Every array of a trainer with its size; counts cannot overflow where the network's own packing has succeeded and work has. */
static size_t list_arrays(weir_trainer *t, struct weir__array list[MOST_ARRAYS])
{
    const weir_config *c = &t->net.config;
    size_t real = t->net.k->real_size, B = t->config.rows, ranks = t->exchange.cluster.ranks;
    size_t R = t->work.rows * (c->readout == WEIR_FINAL_STATE ? 1 : t->config.steps), heads = weir__dense_count(c), widest = 0;
    size_t lanes = c->layers * weir__directions(c);
    size_t n = weir__stack_arrays(&t->stack, &t->work, list);
    bool softmax = c->output == WEIR_SOFTMAX;
#define ARRAY(field, elements, bytes) list[n++] = (struct weir__array){&(field), (elements), (bytes), part}
    enum weir__part part = WEIR__WEIGHTS;
    ARRAY(t->weights, t->net.params.size, real);
    ARRAY(t->gradient, t->net.params.size, real);
    ARRAY(t->moment1, t->net.params.size, real);
    ARRAY(t->moment2, t->net.params.size, real);
    ARRAY(t->best, t->net.params.size, real);
    ARRAY(t->exchange.spare, t->exchange.spare_reals, real);
    ARRAY(t->exchange.received, t->exchange.received_reals, real);
    ARRAY(t->squares, t->net.params.count, sizeof(double));
    part = WEIR__HEAD;
    ARRAY(t->losses, R, sizeof(double));
    ARRAY(t->counts, R, sizeof(uint64_t));
    ARRAY(t->targets, softmax ? 0 : R * c->outputs, sizeof(float));
    ARRAY(t->scales, c->output == WEIR_NEGATIVE_BINOMIAL ? R * c->outputs : 0, sizeof(float));
    ARRAY(t->classes, softmax ? R : 0, sizeof(uint32_t));
    ARRAY(t->class_weights, t->config.class_weights ? c->outputs : 0, sizeof(float));
    for (size_t i = 0; i < heads; i++) {
        ARRAY(t->head_d[i], R * weir__columns_row(t->net.head[i].inputs), real);
        if (t->net.head[i].activation.id == WEIR_PRELU && weir__columns_row(t->net.head[i].units) > widest)
            widest = weir__columns_row(t->net.head[i].units);
    }
    ARRAY(t->head_slopes, R * widest, real);
    part = WEIR__BACKWARD;
    ARRAY(t->kept_h, lanes * B * weir__projected(c), real);
    ARRAY(t->kept_c, lanes * B * c->hidden, real);
    if (ranks > 1) {
        ARRAY(t->exchange.nodes, t->exchange.nodes_count, sizeof *t->exchange.nodes);
        ARRAY(t->exchange.losses, t->exchange.nodes_count, sizeof *t->exchange.losses);
        ARRAY(t->exchange.begin, ranks + 1, sizeof *t->exchange.begin);
        ARRAY(t->exchange.parcels, 2 * ranks, sizeof *t->exchange.parcels);
    }
#undef ARRAY
    return n;
}

/* Adds up what a planned trainer of this model holds; false if there cannot be so many bytes. */
static bool count_memory(weir_trainer *t, const weir_model *model)
{
    struct weir__array list[MOST_ARRAYS];
    size_t parts[WEIR__PARTS] = {[WEIR__PACKED] = weir__network_packed_bytes(&t->net), [WEIR__HEAD] = t->work.head_bytes};
    if (!weir__arrays_count(list, list_arrays(t, list), parts))
        return false;
    size_t tape = t->work.bytes - t->work.head_bytes, total = sizeof *t + strlen(model->notes) + 1;
    size_t names = weir__network_bytes(&t->net) - weir__network_packed_bytes(&t->net), rest = total + names;
    size_t of_tensor = sizeof(weir_tensor) + sizeof(float *); /* weir_trainer_model's list, and weir_model_new's */
    t->memory = (weir_memory){
        .weights = parts[WEIR__WEIGHTS],
        .packed = parts[WEIR__PACKED],
        .tape = tape,
        .backward = parts[WEIR__BACKWARD],
        .head = parts[WEIR__HEAD],
        .rest = rest,
        .model = weir_model_memory(model, NULL) + t->net.params.size * sizeof(float) + t->net.params.count * of_tensor,
    };
    const size_t all[] = {rest, tape, parts[WEIR__WEIGHTS], parts[WEIR__PACKED], parts[WEIR__BACKWARD], parts[WEIR__HEAD]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!weir__size_add(&t->memory.total, t->memory.total, all[i]))
            return false;
    return true;
}

static bool make_arrays(weir_trainer *t)
{
    struct weir__array list[MOST_ARRAYS];
    return weir__arrays_make(list, list_arrays(t, list), &t->allocator);
}

static void free_arrays(weir_trainer *t)
{
    struct weir__array list[MOST_ARRAYS];
    weir__arrays_free(list, list_arrays(t, list), &t->allocator);
}

/* ---- Life ---- */

/* The model's tensor i as reals. */
static weir_status take_weights(weir_trainer *t, const weir_model *model, size_t i, weir_error *err)
{
    const struct weir__param *p = t->net.params.list + i;
    float *numbers = weir__alloc(&t->allocator, p->count * sizeof *numbers);
    if (!numbers)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for a copy of tensor %s", p->name);
    weir_model_weights(model, i, numbers);
    t->net.k->from_float(p->count, numbers, weir__at(t->net.k, t->weights, p->offset));
    weir__free(&t->allocator, numbers, p->count * sizeof *numbers);
    return WEIR_OK;
}

static bool drops(const weir_trainer *t)
{
    return t->config.dropout > 0 || t->config.head_dropout > 0;
}

static weir_status no_memory(const weir_trainer *t, weir_error *err)
{
    return weir__fail(err, WEIR_E_NOMEM, "no memory to train %zu weights on batches of %u steps of %u rows", t->net.params.weights,
                      (unsigned)t->config.steps, (unsigned)t->config.rows);
}

/* Memory is planned for the largest shard; the carried state is that of the whole batch. */
static struct weir__room room_of(const weir_trainer *t)
{
    const weir_train_config *c = &t->config;
    size_t rows = c->rows / c->shards + (c->rows % c->shards > 0);
    return (struct weir__room){.steps = c->steps, .rows = rows, .batch_rows = c->rows, .tape = true, .dropout = drops(t)};
}

static weir_status build(weir_trainer *t, const weir_model *model, weir_error *err)
{
    size_t notes = strlen(model->notes) + 1;
    t->notes = weir__alloc(&t->allocator, notes);
    if (!t->notes)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for the notes");
    memcpy(t->notes, model->notes, notes);
    weir_config c = model->config;
    c.notes = t->notes;
    c.allocator = &t->allocator;
    TRY(weir__network_new(&t->net, &c, model->net.k, WEIR__FOR_GRADIENTS, err));
    struct weir__room room = room_of(t);
    TRY(weir__work_new(&t->work, &t->net, &room, err));
    if (!weir__exchange_plan(&t->exchange, &t->config, t->config.cluster, t->net.params.size) || !count_memory(t, model) || !make_arrays(t))
        return no_memory(t, err);
    if (t->config.class_weights) {
        memcpy(t->class_weights, t->config.class_weights, t->net.config.outputs * sizeof *t->class_weights);
        t->config.class_weights = t->class_weights;
    }
    weir__exchange_begin(&t->exchange, t->net.k, t->config.shards);
    t->config.cluster = NULL;
    for (size_t i = 0; i < t->net.params.count; i++)
        TRY(take_weights(t, model, i, err));
    weir__network_pack(&t->net, t->weights, weir__trainer_parallel(t));
    t->power1 = t->power2 = t->plateau_factor = 1;
    return WEIR_OK;
}

static weir_status check(const weir_model *model, const weir_train_config *config, weir_train_config *resolved, weir_error *err)
{
    TRY(weir__train_config_resolve(config, resolved, err));
    if (!model->config.outputs)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "this model has no output to compare with targets; set outputs in its configuration");
    if (model->config.weights != WEIR_WEIGHTS_F32)
        return weir__fail(err, WEIR_E_UNSUPPORTED, "narrow weights cannot be trained; train the float32 model and convert it after");
    return check_class_weights(&model->config, resolved->class_weights, err);
}

weir_status weir_trainer_new(weir_trainer **out, const weir_model *model, const weir_train_config *config, weir_error *err)
{
    *out = NULL;
    weir_train_config resolved;
    TRY(check(model, config, &resolved, err));
    weir_allocator a = weir__allocator(config->allocator);
    weir_trainer *t = weir__alloc(&a, sizeof *t);
    if (!t)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for a trainer");
    t->allocator = a;
    t->config = resolved;
    if (config->parallel)
        t->parallel = *config->parallel;
    t->config.parallel = NULL;
    t->config.allocator = NULL;
    weir_status status = build(t, model, err);
    if (status) {
        weir_trainer_free(t);
        return status;
    }
    *out = t;
    return weir__ok(err);
}

void weir_trainer_free(weir_trainer *t)
{
    if (!t)
        return;
    weir_allocator a = t->allocator;
    if (t->net.k) {
        free_arrays(t);
        weir__work_free(&t->work);
        weir__network_free(&t->net);
    }
    if (t->notes)
        weir__free(&a, t->notes, strlen(t->notes) + 1);
    weir__free(&a, t, sizeof *t);
}

size_t weir_trainer_memory(const weir_trainer *t)
{
    return t->memory.total;
}

weir_status weir_trainer_plan(weir_memory *out, const weir_model *model, const weir_train_config *config, weir_error *err)
{
    *out = (weir_memory){0};
    weir_trainer t = {.allocator = weir__allocator(config->allocator)};
    TRY(check(model, config, &t.config, err));
    weir_config c = model->config;
    c.allocator = &t.allocator;
    TRY(weir__network_plan(&t.net, &c, model->net.k, WEIR__FOR_GRADIENTS, err));
    struct weir__room room = room_of(&t);
    bool fits = weir__work_plan(&t.work, &t.net, &room) &&
                weir__exchange_plan(&t.exchange, &t.config, t.config.cluster, t.net.params.size) && count_memory(&t, model);
    weir_status status = fits ? weir__ok(err) : no_memory(&t, err);
    weir__network_free(&t.net);
    if (fits)
        *out = t.memory;
    return status;
}

/* ---- Updates ---- */

static const struct weir__param *tensor(const weir_trainer *t, size_t i)
{
    return t->net.params.list + i;
}

static void square_tensor(void *arg, size_t i)
{
    weir_trainer *t = arg;
    t->squares[i] = t->net.k->sum_of_squares(tensor(t, i)->count, weir__at(t->net.k, t->gradient, tensor(t, i)->offset));
}

/* The norm of the whole gradient, tensors added in the order of the list. */
static double gradient_norm(weir_trainer *t)
{
    double sum = 0;
    weir__parallel_for(weir__trainer_parallel(t), t->net.params.count, square_tensor, t);
    for (size_t i = 0; i < t->net.params.count; i++)
        sum += t->squares[i];
    return sqrt(sum);
}

weir_status weir_trainer_set_rate(weir_trainer *t, float rate, weir_error *err)
{
    TRY(check_rate(rate, err));
    t->config.rate = rate;
    return weir__ok(err);
}

double weir__rate(const weir_trainer *t)
{
    const weir_train_config *c = &t->config;
    double rate = (double)c->rate * t->plateau_factor;
    if (c->schedule != WEIR_COSINE)
        return rate;
    if (t->updates < c->warmup)
        return rate * (double)(t->updates + 1) / (double)c->warmup;
    uint64_t done = t->updates - c->warmup, all = c->total_updates > c->warmup ? c->total_updates - c->warmup : 1;
    return done < all ? rate * 0.5 * (1 + weir__cospi((double)done / (double)all)) : 0;
}

struct update_job {
    weir_trainer *t;
    struct weir__update update;
};

static void update_tensor(void *arg, size_t i)
{
    const struct update_job *job = arg;
    const weir_trainer *t = job->t;
    const struct weir__kernels *k = t->net.k;
    const struct weir__param *p = tensor(t, i);
    struct weir__update u = job->update;
    if (!weir__param_is_matrix(p))
        u.decay = 0;
    size_t padded = weir__round_up(p->count, WEIR__UNITS);
    k->update(&u, padded, weir__at(k, t->weights, p->offset), weir__at(k, t->gradient, p->offset),
              weir__at(k, t->moment1, p->offset), weir__at(k, t->moment2, p->offset));
}

static void apply_gradient(weir_trainer *t, double norm)
{
    const weir_train_config *c = &t->config;
    t->power1 *= (double)c->beta1;
    t->power2 *= (double)c->beta2;
    struct update_job job = {
        .t = t,
        .update = {
            .optimizer = c->optimizer,
            .rate = weir__rate(t),
            .scale = norm > (double)c->clip ? (double)c->clip / norm : 1,
            .momentum = (double)c->momentum,
            .beta1 = (double)c->beta1,
            .beta2 = (double)c->beta2,
            .epsilon = (double)c->epsilon,
            .decay = (double)c->weight_decay,
            .correction1 = 1 - t->power1,
            .correction2 = 1 - t->power2,
        },
    };
    weir__parallel_for(weir__trainer_parallel(t), t->net.params.count, update_tensor, &job);
    weir__network_pack(&t->net, t->weights, weir__trainer_parallel(t));
    t->updates++;
}

void weir__keep_state(weir_trainer *t, bool back)
{
    const weir_config *c = &t->net.config;
    size_t lanes = c->layers * weir__directions(c) * t->carried_rows, real = t->net.k->real_size;
    size_t h = lanes * weir__projected(c) * real, cells = lanes * c->hidden * real;
    memcpy(back ? t->work.state_h : t->kept_h, back ? t->kept_h : t->work.state_h, h);
    memcpy(back ? t->work.state_c : t->kept_c, back ? t->kept_c : t->work.state_c, cells);
}

weir_status weir_trainer_step(weir_trainer *t, const weir_batch *batch, weir_loss *loss, weir_error *err)
{
    weir_loss mine;
    if (!t->fitting)
        weir__fit_forget(t);
    if (t->config.schedule == WEIR_COSINE && !t->config.total_updates)
        return weir__fail(err, WEIR_E_ARGUMENT, "the cosine schedule needs total_updates to know where it ends");
    size_t carried_rows = t->carried_rows;
    weir__keep_state(t, false);
    weir_status status = weir__loss_and_gradient(t, batch, true, &mine, err);
    double norm = status ? 0 : gradient_norm(t);
    if (!status && loss)
        *loss = mine;
    if (!status && (!isfinite(mine.sum) || !isfinite(norm)))
        status = weir__fail(err, WEIR_E_NONFINITE, "the %s is not finite; look for NaN in the data, or lower the learning rate",
                            isfinite(mine.sum) ? "gradient" : "loss");
    if (status) {
        t->carried_rows = carried_rows;
        weir__keep_state(t, true);
        return status;
    }
    apply_gradient(t, norm);
    return weir__ok(err);
}

weir_status weir_trainer_evaluate(weir_trainer *t, const weir_batch *batch, weir_loss *loss, weir_error *err)
{
    weir_loss mine;
    TRY(weir__loss(t, batch, &mine, err));
    if (loss)
        *loss = mine;
    return weir__ok(err);
}

weir_status weir_trainer_backward(weir_trainer *t, const weir_batch *batch, weir_loss *loss, weir_error *err)
{
    weir_loss mine;
    TRY(weir__loss_and_gradient(t, batch, false, &mine, err));
    if (loss)
        *loss = mine;
    return weir__ok(err);
}

void weir_trainer_gradient(const weir_trainer *t, size_t index, float *out)
{
    t->net.k->to_float(tensor(t, index)->count, weir__at(t->net.k, t->gradient, tensor(t, index)->offset), out);
}

weir_status weir_trainer_model(const weir_trainer *t, weir_model **out, const char *notes, weir_error *err)
{
    *out = NULL;
    size_t n = t->net.params.count, size = t->net.params.size * sizeof(float);
    weir_tensor *tensors = weir__alloc(&t->allocator, n * sizeof *tensors);
    float *weights = weir__alloc(&t->allocator, size);
    weir_status status = WEIR_E_NOMEM;
    if (tensors && weights) {
        t->net.k->to_float(t->net.params.size, t->weights, weights);
        for (size_t i = 0; i < n; i++) {
            tensors[i] = weir__param_tensor(tensor(t, i));
            tensors[i].data = weights + tensor(t, i)->offset;
        }
        weir_config config = t->net.config;
        config.notes = notes ? notes : t->notes;
        status = weir_model_new(out, &config, tensors, n, err);
    } else
        weir__fail(err, WEIR_E_NOMEM, "no memory for a copy of the weights");
    weir__free(&t->allocator, tensors, n * sizeof *tensors);
    weir__free(&t->allocator, weights, size);
    return status;
}
