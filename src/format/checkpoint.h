/* Layer 5: checkpoints, told from models.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CHECKPOINT_H
#define WEIR_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

enum { WEIR__CHECKSUM_DIGITS = 16 };

/* Where the checksum's digits stand in the bytes in front of a file's data, or 0. */
size_t weir__checkpoint_digits(const unsigned char *front, size_t size);
/* Whether a file with these bytes is a checkpoint, sound or not. */
bool weir__checkpoint_is(const void *bytes, size_t size);

#endif
