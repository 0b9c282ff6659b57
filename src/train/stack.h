/* Back-propagation through time (Werbos 1990) over the stack of LSTM layers after a forward pass with a tape: the one definition, for the
 * trainer and for gradients inside other frameworks.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_H
#define WEIR_STACK_H

#include "../model/network.h"
#include "arrays.h"

/* Memory of the backward pass over a planned work. `row` is the widest gradient by a layer's input or by the top layer's output, rounded up as
 * weir__columns_row. */
struct weir__stack {
    const struct weir__work *work;
    void *packed_gradient; /* [net.forward_size] */
    void *upper;           /* [S][B][row] gradient by a layer's output, in the caller's time, where dx is not */
    void *turned;          /* the same in a direction's own time */
    void *dx[2];           /* [S][B][row] gradient by a layer's input, of each direction */
    void *dh_state, *dc_state, *dh_total, *dm, *slopes; /* as in weir__lstm_back */
};

enum { WEIR__STACK_ARRAYS = 10 };
/* Lists its arrays for a work that is planned; returns how many there are. */
size_t weir__stack_arrays(struct weir__stack *s, const struct weir__work *w, struct weir__array list[WEIR__STACK_ARRAYS]);

/* What comes from outside, and what goes there. The work's rows are sorted by length; the caller's are in the caller's order. */
struct weir__stack_ends {
    const void *dy; /* [S][B][dy_row] gradient by the top layer's output, in the work's rows; NULL: 0 */
    size_t dy_row;
    const void
        *last; /* [B][last_row] gradient by the top layer's last hidden states, D * P numbers, in the work's rows; NULL: 0 */
    size_t last_row;
    const void *dhn, *dcn; /* [L * D][B][P], [L * D][B][H] gradient by the final states, in the caller's rows; NULL: 0 */
    void *dh0, *dc0;       /* the same by the initial states; NULL: not wanted */
    bool dropped;          /* the forward pass had dropout */
    bool weights;          /* the gradient of the weights is wanted, in packed_gradient */
};

/* Room for the gradient by the top layer's output, rows of weir__columns_row(D * P), where it does not come as it is needed. Without a
 * direction that turns, only networks that are bare or read the final state have it. */
void *weir__stack_room(const struct weir__stack *s);
/* All layers, from the top down. Gives the gradient by the first layer's input, [S][B][columns row of I] in the caller's time and the
 * work's rows, if the network was made to have one, else NULL. The tape is used up. */
const void *weir__stack_backward(struct weir__stack *s, const struct weir__stack_ends *ends, const weir_parallel *parallel);

/* Where the gradient of a packed array is. */
void *weir__gradient_of(const struct weir__stack *s, const void *packed);
/* d[rows][d_row] *= factor[rows][n], the gradient of dropout. */
void weir__undrop(const struct weir__kernels *k, size_t rows, size_t n, const void *factor, size_t factor_row, void *d,
                  size_t d_row);

#endif
