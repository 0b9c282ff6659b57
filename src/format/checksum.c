/* SPDX-License-Identifier: MIT */
#include "format/checksum.h"

#include <string.h>

/* One to one in `hash` and in `word`: the factor is odd, and h ^ h >> 32 can be undone. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0xD6E8FEB86659FD93u;
    return hash ^ hash >> 32;
}

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

void weir__checksum_begin(weir__checksum *sum)
{
    *sum = (weir__checksum){.hash = 0x9E3779B97F4A7C15u};
}

void weir__checksum_add(weir__checksum *sum, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    size_t used = sum->length % 8, missing = 8 - used;
    sum->length += size;
    if (used) {
        size_t taken = size < missing ? size : missing;
        memcpy(sum->rest + used, from, taken);
        if (taken < missing)
            return;
        sum->hash = mix(sum->hash, word_at(sum->rest));
        from += taken;
        size -= taken;
    }
    for (; size >= 8; size -= 8, from += 8)
        sum->hash = mix(sum->hash, word_at(from));
    memcpy(sum->rest, from, size);
}

uint64_t weir__checksum_end(weir__checksum *sum)
{
    size_t used = sum->length % 8;
    memset(sum->rest + used, 0, 8 - used);
    return mix(mix(sum->hash, word_at(sum->rest)), sum->length);
}
