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

const struct weir__kernels KERNELS = {
    .isa = ISA,
    .real_size = sizeof(real),
    .lanes = LANES,
#ifdef EXACT
    .exact = &EXACT,
#endif
    .activate = activate,
    .activate_grad = activate_grad,
    .activate_rows = activate_rows,
    .activate_rows_grad = activate_rows_grad,
    .from_float = from_float,
    .to_float = to_float,
    .product = product,
    .quantize = quantize,
    .cell_forward = cell_forward,
    .cell_backward = cell_backward,
    .look_up = look_up,
    .look_up_grad = look_up_grad,
    .peephole_grad = peephole_grad,
    .add = add,
    .affine = affine,
    .output = output,
    .loss = loss,
    .sum_of_squares = sum_of_squares,
    .scale = scale,
    .update = update,
};
