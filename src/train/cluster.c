/* Several processes: agreement, and the exchange of what their shards gave.
 * SPDX-License-Identifier: MIT */
#include "cluster.h"

#include <string.h>

#include "trainer.h"

/* ---- Agreement ---- */

/* The largest word of all ranks, by rounds in which each hears from the rank 1, 2, 4 ... before it (Hensgen, Finkel & Manber 1988). */
static weir_status largest(const weir_cluster *c, uint64_t *word, weir_error *err)
{
    for (uint64_t far = 1; far < c->ranks; far *= 2) {
        uint64_t mine = *word, other = 0;
        weir_parcel out = {(uint32_t)((c->rank + far) % c->ranks), sizeof mine, &mine};
        weir_parcel in = {(uint32_t)((c->rank + c->ranks - far) % c->ranks), sizeof other, &other};
        TRY(c->exchange(c->ctx, &out, 1, &in, 1, err));
        *word = other > *word ? other : *word;
    }
    return WEIR_OK;
}

/* How the lowest failed rank tells the others why; from it along the same rounds. */
struct reason {
    int64_t status;
    uint64_t offset;
    char text[sizeof((weir_error *)0)->text];
};

static weir_status spread(const weir_cluster *c, uint32_t from, struct reason *why, weir_error *err)
{
    uint64_t place = (c->rank + c->ranks - from) % c->ranks;
    for (uint64_t far = 1; far < c->ranks; far *= 2) {
        weir_parcel out = {(uint32_t)((c->rank + far) % c->ranks), sizeof *why, why};
        weir_parcel in = {(uint32_t)((c->rank + c->ranks - far) % c->ranks), sizeof *why, why};
        bool sends = place < far && place + far < c->ranks, hears = place >= far && place < 2 * far;
        TRY(c->exchange(c->ctx, &out, sends, &in, hears, err));
    }
    return WEIR_OK;
}

static weir_status fail_all(const weir_cluster *c, uint32_t rank, weir_status status, weir_error *err)
{
    struct reason why = {.status = status};
    if (rank == c->rank) {
        weir_error named;
        weir__fail(&named, status, "%s: %s", c->name ? c->name : "another process",
                   err && *err->text ? err->text : weir_status_name(status));
        memcpy(why.text, named.text, sizeof why.text);
        why.offset = err ? err->offset : 0;
    }
    TRY(spread(c, rank, &why, err));
    why.text[sizeof why.text - 1] = 0;
    return weir__fail_at(err, (weir_status)why.status, (size_t)why.offset, "%s", why.text);
}

weir_status weir_cluster_agree(const weir_cluster *c, weir_status status, bool *stop, weir_error *err)
{
    if (!c || c->ranks < 2)
        return status;
    const uint64_t failed = (uint64_t)1 << 63; /* the lowest rank that failed makes the largest word */
    uint64_t word = status ? failed + (c->ranks - c->rank) : stop && *stop;
    TRY(largest(c, &word, err));
    if (word >= failed)
        return fail_all(c, (uint32_t)(c->ranks - (word - failed)), status, err);
    if (stop)
        *stop = word;
    return WEIR_OK;
}

/* ---- What is planned ---- */

bool weir__exchange_plan(struct weir__exchange *x, const weir_train_config *config, const weir_cluster *cluster, size_t reals)
{
    struct weir__sums sums;
    *x = (struct weir__exchange){.cluster = {.ranks = 1}};
    if (cluster)
        x->cluster = *cluster;
    const weir_cluster *c = &x->cluster;
    x->shards = weir__part(config->shards, c->ranks, c->rank);
    x->buffers = weir__sums_of(x->shards, &sums);
    size_t own = sums.n;
    for (uint32_t r = 0; r < c->ranks && c->ranks > 1; r++) {
        weir__sums_of(weir__part(config->shards, c->ranks, r), &sums);
        x->nodes_count += sums.n;
        x->most_nodes = sums.n > x->most_nodes ? sums.n : x->most_nodes;
    }
    x->slice = weir__slice(reals, c, c->rank);
    size_t foreign = x->nodes_count ? x->nodes_count - own : 0;
    return weir__size_mul(&x->spare_reals, x->buffers - 1, reals) && weir__size_mul(&x->received_reals, foreign, x->slice.count);
}

void weir__exchange_begin(struct weir__exchange *x, const struct weir__kernels *k, size_t shards)
{
    const weir_cluster *c = &x->cluster;
    size_t at = 0, foreign = 0;
    for (uint32_t r = 0; r < c->ranks && c->ranks > 1; r++) {
        struct weir__sums sums;
        weir__sums_of(weir__part(shards, c->ranks, r), &sums);
        x->begin[r] = at;
        for (size_t i = 0; i < sums.n; i++, at++) {
            x->nodes[at] = sums.list[i];
            if (r != c->rank)
                x->nodes[at].gradient = weir__at(k, x->received, foreign++ * x->slice.count);
        }
        x->begin[r + 1] = at;
    }
}

/* ---- Parcels ---- */

/* Parcels to and from every other rank; fill(job, rank, out, in) sets their data and sizes. */
static weir_status with_all(struct weir__exchange *x, void (*fill)(void *job, uint32_t rank, weir_parcel *out, weir_parcel *in),
                            void *job, weir_error *err)
{
    const weir_cluster *c = &x->cluster;
    weir_parcel *out = x->parcels, *in = x->parcels + c->ranks;
    size_t outs = 0, ins = 0;
    for (uint32_t i = 1; i < c->ranks; i++) {
        uint32_t r = (c->rank + i) % c->ranks; /* so that not all begin with the same one */
        out[outs] = in[ins] = (weir_parcel){.rank = r};
        fill(job, r, out + outs, in + ins);
        outs += out[outs].size > 0;
        ins += in[ins].size > 0;
    }
    return c->exchange(c->ctx, out, outs, in, ins, err);
}

static void fill_losses(void *job, uint32_t rank, weir_parcel *out, weir_parcel *in)
{
    struct weir__exchange *x = job;
    size_t own = x->begin[x->cluster.rank], theirs = x->begin[rank];
    out->data = x->losses + own;
    out->size = (x->begin[x->cluster.rank + 1] - own) * sizeof *x->losses;
    in->data = x->losses + theirs;
    in->size = (x->begin[rank + 1] - theirs) * sizeof *x->losses;
}

struct slices {
    struct weir__exchange *x;
    const struct weir__adder *whole; /* the gradient's length and kernels */
    const struct weir__sums *own;
    void *gradient;
    size_t node; /* each rank's, in this round */
};

static void fill_parts(void *job, uint32_t rank, weir_parcel *out, weir_parcel *in)
{
    const struct slices *s = job;
    const struct weir__kernels *k = s->whole->k;
    const struct weir__exchange *x = s->x;
    struct weir__rows theirs = weir__slice(s->whole->n, &x->cluster, rank);
    if (s->node < s->own->n) {
        out->data = weir__at(k, s->own->list[s->node].gradient, theirs.first);
        out->size = theirs.count * k->real_size;
    }
    if (s->node < x->begin[rank + 1] - x->begin[rank]) {
        in->data = x->nodes[x->begin[rank] + s->node].gradient;
        in->size = x->slice.count * k->real_size;
    }
}

static void fill_whole(void *job, uint32_t rank, weir_parcel *out, weir_parcel *in)
{
    const struct slices *s = job;
    const struct weir__kernels *k = s->whole->k;
    const struct weir__exchange *x = s->x;
    struct weir__rows theirs = weir__slice(s->whole->n, &x->cluster, rank);
    out->data = weir__at(k, s->gradient, x->slice.first);
    out->size = x->slice.count * k->real_size;
    in->data = weir__at(k, s->gradient, theirs.first);
    in->size = theirs.count * k->real_size;
}

/* ---- The sum over all ranks ---- */

static weir_status exchange_losses(struct weir__exchange *x, const struct weir__sums *own, weir_error *err)
{
    for (size_t i = 0; i < own->n; i++)
        x->losses[x->begin[x->cluster.rank] + i] = own->list[i].loss;
    TRY(with_all(x, fill_losses, x, err));
    for (size_t i = 0; i < x->nodes_count; i++)
        x->nodes[i].loss = x->losses[i];
    return WEIR_OK;
}

static weir_status exchange_parts(struct slices *s, weir_error *err)
{
    struct weir__exchange *x = s->x;
    for (s->node = 0; s->node < x->most_nodes; s->node++)
        TRY(with_all(x, fill_parts, s, err));
    for (size_t i = 0; i < s->own->n; i++)
        x->nodes[x->begin[x->cluster.rank] + i].gradient = weir__at(s->whole->k, s->own->list[i].gradient, x->slice.first);
    return WEIR_OK;
}

/* The root over all nodes, of this rank's slice or of the losses alone. */
static struct weir__sum root_of(const struct weir__exchange *x, const struct weir__adder *a, bool gradients)
{
    struct weir__sums all = {0};
    for (size_t i = 0; i < x->nodes_count; i++) {
        struct weir__sum node = x->nodes[i];
        if (!gradients)
            node.gradient = NULL;
        weir__sums_add(a, &all, node);
    }
    return weir__sums_root(a, &all);
}

static double one_over(double weight)
{
    return weight > 0 ? 1 / weight : 0;
}

static weir_status join_ranks(struct weir__exchange *x, const struct weir__adder *whole, struct weir__sums *own, void *gradient,
                              weir_loss *loss, weir_error *err)
{
    TRY(exchange_losses(x, own, err));
    if (!gradient) {
        *loss = root_of(x, whole, false).loss;
        return WEIR_OK;
    }
    struct slices s = {.x = x, .whole = whole, .own = own, .gradient = gradient};
    struct weir__adder mine = *whole;
    mine.n = x->slice.count;
    TRY(exchange_parts(&s, err));
    struct weir__sum root = root_of(x, &mine, true);
    weir__scale_all(&mine, one_over(root.loss.weight), root.gradient);
    memmove(weir__at(whole->k, gradient, x->slice.first), root.gradient, mine.n * whole->k->real_size);
    *loss = root.loss;
    return with_all(x, fill_whole, &s, err);
}

weir_status weir__exchange_join(struct weir__exchange *x, const struct weir__adder *whole, struct weir__sums *own, void *gradient,
                                weir_loss *loss, weir_error *err)
{
    if (x->cluster.ranks > 1)
        return join_ranks(x, whole, own, gradient, loss, err);
    *loss = weir__sums_root(whole, own).loss;
    if (gradient)
        weir__scale_all(whole, one_over(loss->weight), gradient);
    return WEIR_OK;
}

/* ---- The carried state ---- */

struct rows_job {
    const struct weir__exchange *x;
    size_t shards, rows, number_size; /* number_size: bytes of a row */
    char *lane;
};

static void fill_rows(void *job, uint32_t rank, weir_parcel *out, weir_parcel *in)
{
    const struct rows_job *j = job;
    struct weir__rows mine = weir__rank_rows(j->rows, j->shards, &j->x->cluster, j->x->cluster.rank);
    struct weir__rows theirs = weir__rank_rows(j->rows, j->shards, &j->x->cluster, rank);
    out->data = j->lane + mine.first * j->number_size;
    out->size = mine.count * j->number_size;
    in->data = j->lane + theirs.first * j->number_size;
    in->size = theirs.count * j->number_size;
}

weir_status weir__exchange_rows(struct weir__exchange *x, size_t shards, size_t lanes, size_t rows, size_t row_size, void *state,
                                weir_error *err)
{
    struct rows_job job = {.x = x, .shards = shards, .rows = rows, .number_size = row_size, .lane = state};
    for (size_t i = 0; i < lanes && x->cluster.ranks > 1; i++, job.lane += rows * row_size)
        TRY(with_all(x, fill_rows, &job, err));
    return WEIR_OK;
}
