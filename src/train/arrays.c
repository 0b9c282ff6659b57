/* SPDX-License-Identifier: MIT */
#include "arrays.h"

#include <string.h>

bool weir__arrays_count(const struct weir__array *list, size_t n, size_t parts[WEIR__PARTS])
{
    for (size_t i = 0; i < n; i++) {
        size_t *part = parts + list[i].part, bytes;
        if (!weir__size_mul(&bytes, list[i].count, list[i].size) || !weir__size_add(part, *part, weir__alloc_size(bytes)))
            return false;
    }
    return true;
}

bool weir__arrays_make(const struct weir__array *list, size_t n, const weir_allocator *a)
{
    for (size_t i = 0; i < n; i++) {
        void *made = weir__alloc(a, list[i].count * list[i].size);
        if (!made)
            return false;
        memcpy(list[i].place, &made, sizeof made);
    }
    return true;
}

void weir__arrays_free(const struct weir__array *list, size_t n, const weir_allocator *a)
{
    for (size_t i = 0; i < n; i++) {
        void *made;
        memcpy(&made, list[i].place, sizeof made);
        weir__free(a, made, list[i].count * list[i].size);
    }
}
