/* The shards of a batch, and the one tree in which what they give is added: on one process or on several, in the same order.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_SHARDS_H
#define WEIR_SHARDS_H

#include "../model/network.h"

/* Part `i` of `n` things cut into `parts` contiguous parts as equal as can be: floor(i n / parts) is its first. The rule for the rows of a
 * shard, for the shards of a process and for the slices of the gradient. */
static inline struct weir__rows weir__part(size_t n, size_t parts, size_t i)
{
    size_t first = (size_t)((uint64_t)n * i / parts), end = (size_t)((uint64_t)n * (i + 1) / parts);
    return (struct weir__rows){first, end - first};
}

/* A node of the tree: the sum over the shards [first, first + count). count is a power of two and divides first. */
struct weir__sum {
    size_t first, count;
    weir_loss loss;
    void *gradient; /* NULL: losses alone are added */
};

/* Nodes side by side that wait for their neighbours to the right: at most two of each size. */
enum { WEIR__MOST_SHARDS = 65536, WEIR__MOST_SUMS = 34 };
struct weir__sums {
    size_t n;
    struct weir__sum list[WEIR__MOST_SUMS];
};

/* How gradients are added: n reals each. */
struct weir__adder {
    const struct weir__kernels *k;
    size_t n;
    const weir_parallel *parallel;
};

/* Puts a node to the right of the others, and adds what the tree adds: a node whose sibling stands to its left goes into it, and so on
 * upwards. Sums take the place of their left part. */
void weir__sums_add(const struct weir__adder *a, struct weir__sums *s, struct weir__sum sum);
/* The root: nodes that have no sibling, where there are not 2^n shards, are added from right to left. */
struct weir__sum weir__sums_root(const struct weir__adder *a, struct weir__sums *s);
/* The nodes that the shards [first, first + count) become; returns the most that stand side by side on the way. */
size_t weir__sums_of(struct weir__rows shards, struct weir__sums *out);
/* x *= factor */
void weir__scale_all(const struct weir__adder *a, double factor, void *x);

#endif
