/* One instruction set's kernels: the files k_<isa>.c choose the vector header and include this text.
 *
 * SPDX-License-Identifier: MIT */

#include "inline.h"
#include "special.h"
#include "vmath.h"
#include "activation.h"
#include "product.h"
#include "cell.h"
#include "ops.h"
#include "losses.h"
#ifdef FAST
#include "fast_table.h"
#endif

/* A library for running alone leaves these out; the compiler still reads them. */
#ifdef WEIR_INFERENCE_ONLY
#define TRAINING(function) (1 ? NULL : (function))
#else
#define TRAINING(function) (function)
#endif

const struct weir__kernels KERNELS = {
    .isa = ISA,
    .real_size = sizeof(real),
    .lanes = LANES,
    .activate_rows = activate_rows,
    .activate_rows_grad = TRAINING(activate_rows_grad),
    .from_float = from_float,
    .to_float = to_float,
    .product = product,
    .quantize = quantize,
    .cell_forward = cell_forward,
    .cell_backward = TRAINING(cell_backward),
    .look_up = look_up,
    .look_up_grad = TRAINING(look_up_grad),
    .peephole_grad = TRAINING(peephole_grad),
    .add = TRAINING(add),
    .affine = affine,
    .output = output,
    .loss = TRAINING(loss),
    .sum_of_squares = TRAINING(sum_of_squares),
    .scale = TRAINING(scale),
    .update = TRAINING(update),
};
