/* Telling checkpoints from models, which libraries without training do too.
 * SPDX-License-Identifier: MIT */
#include "format/checkpoint.h"
#include "format/safetensors.h"

#include <string.h>

/* Inside of a string a quote has a backslash, so this is the key. */
static const char checksum_key[] = "\"checksum\":\"";

size_t weir__checkpoint_digits(const unsigned char *front, size_t size)
{
    const size_t key = sizeof checksum_key - 1;
    for (size_t i = 8; i + key + WEIR__CHECKSUM_DIGITS < size; i++)
        if (front[i] == '"' && !memcmp(front + i, checksum_key, key))
            return i + key;
    return 0;
}

bool weir__checkpoint_is(const void *bytes, size_t size)
{
    size_t front = weir__safetensors_head(bytes, size);
    return front <= size && weir__checkpoint_digits(bytes, front) > 0;
}
