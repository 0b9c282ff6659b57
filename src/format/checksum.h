/* Layer 5: a checksum of 64 bits over bytes that come in pieces. Any change within 8 bytes that stand at a multiple of 8 is found for certain,
 * any other one but for a chance of 2^-64; it is no protection against intent.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CHECKSUM_H
#define WEIR_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct weir__checksum {
    uint64_t hash, length;
    unsigned char rest[8]; /* bytes that do not make a word yet: length % 8 */
} weir__checksum;

void weir__checksum_begin(weir__checksum *sum);
void weir__checksum_add(weir__checksum *sum, const void *bytes, size_t size);
uint64_t weir__checksum_end(weir__checksum *sum);

#endif
