/* A network packed for the kernels, and its forward pass over a batch: used by running and by training alike.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_NETWORK_H
#define WEIR_NETWORK_H

#include "../kernel/layer.h"
#include "pack.h"
#include "params.h"

enum { WEIR__MAX_HEAD = WEIR_MAX_DENSE + 1 };

/* What a network is for. */
enum {
    WEIR__FOR_GRADIENTS = 1, /* the transposed weights are packed too, but not those of the first layer, */
    WEIR__FOR_INPUT = 2,     /* and these too, for the gradient by the first layer's input */
    WEIR__BARE = 4           /* the stack alone: x, the states and the outputs are the caller's, in the table's reals */
};

/* Packed weights of a resolved configuration. Both the weights and their gradients use the layout of `arrays`. */
struct weir__network {
    const struct weir__kernels *k;
    weir_config config;
    weir_allocator allocator;
    struct weir__params params;
    struct weir__lstm *lstm; /* [layers * directions] */
    struct weir__dense head[WEIR__MAX_HEAD];
    void *packed;             /* forward weights, then the transposed ones when training, then constants */
    size_t packed_size, forward_size;
    struct weir__packed *arrays; /* [array_count], the forward ones first */
    size_t array_count, forward_count;
    unsigned uses;
};

weir_status weir__network_new(struct weir__network *net, const weir_config *resolved, const struct weir__kernels *k, unsigned uses,
                              weir_error *err);
void weir__network_free(struct weir__network *net);
/* The same without the packed arrays, so that their sizes can be asked; to be freed too. */
weir_status weir__network_plan(struct weir__network *net, const weir_config *resolved, const struct weir__kernels *k, unsigned uses,
                               weir_error *err);
/* Bytes of the packed arrays, and of all that a network holds. */
size_t weir__network_packed_bytes(const struct weir__network *net);
size_t weir__network_bytes(const struct weir__network *net);
/* Sets the weights of a network that runs: the data of each tensor of the list. */
void weir__network_set(struct weir__network *net, const float *const *tensors);
/* Gives tensor `index` of the list. */
void weir__network_get(const struct weir__network *net, size_t index, float *out);
/* Packs the weights of a network that trains, `params.size` reals in the order of the list. */
void weir__network_pack(struct weir__network *net, const void *weights, const weir_parallel *parallel);
/* The way back for packed numbers, such as gradients, of the forward weights. */
void weir__network_unpack(const struct weir__network *net, const void *packed, void *weights, const weir_parallel *parallel);
/* The same from and to an array of reals for each tensor of the list; NULL: not wanted. */
void weir__network_pack_each(struct weir__network *net, const void *const *tensors, const weir_parallel *parallel);
void weir__network_unpack_each(const struct weir__network *net, const void *packed, void *const *tensors, const weir_parallel *parallel);
/* One direction of one layer. */
static inline const struct weir__lstm *weir__network_lstm(const struct weir__network *net, size_t layer, size_t direction)
{
    return net->lstm + layer * weir__directions(&net->config) + direction;
}

/* Inputs of the widest layer that multiplies them. */
static inline size_t weir__widest_input(const struct weir__network *net)
{
    size_t most = 1;
    for (size_t i = 0; i < net->config.layers; i++) {
        const struct weir__lstm *l = weir__network_lstm(net, i, 0);
        most = !l->tokens && l->inputs > most ? l->inputs : most;
    }
    return most;
}

struct weir__dropout {
    double between_layers, head;
    weir__random random;
    uint64_t update; /* which update: other masks each time */
    uint32_t shard;  /* which part of the batch: other masks for each */
};

/* The rows of the caller's batch that a pass takes: `count` of them, from `first` on. */
struct weir__rows {
    size_t first, count;
};

static inline struct weir__rows weir__all_rows(const weir_batch *batch)
{
    return (struct weir__rows){0, batch->rows};
}

/* One direction of one layer at work. */
struct weir__lane {
    void *x;                /* [S][B][I]; NULL for tokens, and where it is read where it stands */
    uint32_t *tokens;       /* [S][B] */
    void *h, *c, *m, *z;    /* as in weir__lstm_run */
    struct weir__quantized q;
};

/* Memory of a forward pass over up to `steps` steps of up to `rows` rows: planned once. */
struct weir__work {
    const struct weir__network *net;
    size_t steps, rows;      /* most */
    size_t batch_rows;       /* most rows of a batch, of which a pass takes `rows` */
    bool tape;
    size_t S, B;             /* at work */
    size_t all;              /* rows of the caller's batch */
    size_t z_steps;
    bool sorted;             /* the caller's rows stand in another order, or end early */
    const void *input;       /* [S][B][I] of the first layer, the forward direction */
    size_t *order;           /* [B] the caller's row of each row, longest first */
    size_t *length;          /* [B] sorted */
    size_t *active;          /* [S] */
    size_t *buckets;         /* [S + 2] */
    struct weir__lane *lanes; /* [layers * directions] */
    void **below;            /* [layers]: with dropout, [S][B][I] factors of that layer's input */
    void *turn;              /* [S][B][D * P] a layer's input in the caller's time, when some direction turns it round */
    void *top;               /* [R][top_row] input of the head, D * P numbers each; R = S * B, or B for the final state */
    size_t top_row;
    void *top_memory;        /* NULL where the top layer's h is read where it stands */
    void *head_in[WEIR__MAX_HEAD];     /* input of each dense layer after dropout; without dropout the output before */
    void *head_factor[WEIR__MAX_HEAD]; /* factors of dropout */
    void *head_z[WEIR__MAX_HEAD], *head_y[WEIR__MAX_HEAD];
    void *state_h, *state_c; /* [L * D][all][P], [L * D][all][H] in the caller's order: before and after a batch */
    void *memory;
    size_t bytes, head_bytes; /* of all arrays, and of those of the head */
};

/* The largest passes to come. */
struct weir__room {
    size_t steps, rows;
    size_t batch_rows; /* of the batch that the rows are taken from; 0: just these */
    bool tape;         /* a backward pass follows */
    bool dropout;      /* with its factors */
};

weir_status weir__work_new(struct weir__work *w, const struct weir__network *net, const struct weir__room *room, weir_error *err);
void weir__work_free(struct weir__work *w);
/* Sets w->bytes and w->head_bytes as weir__work_new does, and allocates nothing; false if there cannot be so many. */
bool weir__work_plan(struct weir__work *w, const struct weir__network *net, const struct weir__room *room);

/* Checks a batch against the network and the room of the work. */
weir_status weir__batch_check(const struct weir__work *w, const weir_batch *batch, weir_error *err);
/* Sets state_h, state_c from the batch: its h0 and c0, or 0; carry leaves them as they are. */
void weir__state_begin(struct weir__work *w, const weir_batch *batch);
/* The forward pass of these rows from state_h, state_c, which afterwards hold their final state. dropout NULL: none. */
void weir__forward(struct weir__work *w, const weir_batch *batch, struct weir__rows rows, const struct weir__dropout *dropout,
                   const weir_parallel *parallel);

/* One direction of one layer of the batch at work: what the backward pass walks over. */
struct weir__lstm_run weir__work_run(const struct weir__work *w, size_t layer, size_t direction);
/* Moves an array [S][B][I] between the caller's time and a direction's own time; the forward direction's are the same. */
void weir__work_turn(const struct weir__work *w, size_t direction, size_t I, const void *from, void *to);
/* Rows of the head: S * B, or B for the final state. */
size_t weir__head_rows(const struct weir__work *w);
/* The arguments of the output function [R][columns row of O]; without a head the top layer's h. */
void *weir__head_out(const struct weir__work *w, size_t *row);
/* The outputs [S][B][D * P] of a bare network, in the caller's rows; 0 past a row's end. */
void weir__work_outputs(const struct weir__work *w, void *y);
/* Where row r of the head stands in the caller's arrays, or SIZE_MAX if it is past the row's length. */
size_t weir__caller_row(const struct weir__work *w, size_t r);

#endif
