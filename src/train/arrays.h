/* Lists of arrays, walked to count their bytes, to make them and to free them.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ARRAYS_H
#define WEIR_ARRAYS_H

#include "../base/base.h"

/* What an array is for, as in weir_memory. */
enum weir__part { WEIR__WEIGHTS, WEIR__PACKED, WEIR__HEAD, WEIR__BACKWARD, WEIR__PARTS };

struct weir__array {
    void *place; /* address of the pointer to it, whatever it points to */
    size_t count, size;
    enum weir__part part;
};

/* Adds each array's bytes to its part; false if there cannot be so many. */
bool weir__arrays_count(const struct weir__array *list, size_t n, size_t parts[WEIR__PARTS]);
/* False if there is no memory for one; the others are to be freed then too. */
bool weir__arrays_make(const struct weir__array *list, size_t n, const weir_allocator *a);
/* Those that were not made are NULL. */
void weir__arrays_free(const struct weir__array *list, size_t n, const weir_allocator *a);

#endif
