/* What the processes of a cluster exchange while they train: losses, gradients in slices, carried states.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLUSTER_H
#define WEIR_CLUSTER_H

#include "shards.h"

/* Each rank sums its own shards as far as the tree joins them; what is left are its nodes, known to all by rule. A slice of the gradient
 * belongs to each rank: it receives that part of all nodes, adds them in the tree's order, and gives the sum to all. */
struct weir__exchange {
    weir_cluster cluster;     /* of one rank, if there is none */
    struct weir__rows shards; /* this rank's */
    struct weir__rows slice;  /* of the gradient, in reals */
    size_t buffers;           /* gradients that are held at once while the shards are worked on */
    size_t nodes_count, most_nodes; /* of all ranks, and the most of one; 0 with one rank */
    size_t spare_reals, received_reals;
    void *spare;              /* [buffers - 1][reals] */
    void *received;           /* [nodes of the others][slice] */
    struct weir__sum *nodes;  /* [nodes_count], rank by rank */
    weir_loss *losses;        /* [nodes_count] */
    size_t *begin;            /* [ranks + 1] each rank's first node */
    weir_parcel *parcels;     /* [2 * ranks] */
};

/* The slice of n reals that a rank adds, in whole vectors. */
static inline struct weir__rows weir__slice(size_t n, const weir_cluster *c, uint32_t rank)
{
    struct weir__rows units = weir__part(n / WEIR__UNITS, c->ranks, rank);
    return (struct weir__rows){units.first * WEIR__UNITS, units.count * WEIR__UNITS};
}

/* The rows of a batch that a rank works on: those of its shards. */
static inline struct weir__rows weir__rank_rows(size_t rows, size_t shards, const weir_cluster *c, uint32_t rank)
{
    struct weir__rows own = weir__part(shards, c->ranks, rank);
    size_t first = weir__part(rows, shards, own.first).first;
    struct weir__rows last = weir__part(rows, shards, own.first + own.count - 1);
    return (struct weir__rows){first, last.first + last.count - first};
}

/* Sets what follows from the configuration, without memory; false if size_t cannot count it. */
bool weir__exchange_plan(struct weir__exchange *x, const weir_train_config *config, const weir_cluster *cluster, size_t reals);
/* Fills the lists, once the arrays are there. */
void weir__exchange_begin(struct weir__exchange *x, const struct weir__kernels *k, size_t shards);
/* The loss and the mean's gradient over all ranks, from the nodes of this one; own->list[0].gradient is `gradient`, [whole->n]. gradient
 * NULL: the loss alone. */
weir_status weir__exchange_join(struct weir__exchange *x, const struct weir__adder *whole, struct weir__sums *own, void *gradient, weir_loss *loss,
                                weir_error *err);
/* Gives every rank all rows of state[lanes][rows][row_size bytes], of which each has those of its shards. */
weir_status weir__exchange_rows(struct weir__exchange *x, size_t shards, size_t lanes, size_t rows, size_t row_size, void *state, weir_error *err);

#endif
