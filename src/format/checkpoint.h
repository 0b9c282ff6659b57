/* Layer 5: checkpoints, told from models.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CHECKPOINT_H
#define WEIR_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a file with these bytes is a checkpoint, sound or not. */
bool weir__checkpoint_is(const void *bytes, size_t size);

#endif
