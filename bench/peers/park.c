/* SPDX-License-Identifier: MIT */
#include "park.h"

#include <pthreadpool.h>

static void nothing(void *context, size_t i)
{
    (void)context;
    (void)i;
}

void park(const threads *t)
{
    if (t->pool)
        pthreadpool_parallelize_1d(t->pool, nothing, NULL, pthreadpool_get_threads_count(t->pool), PTHREADPOOL_FLAG_YIELD_WORKERS);
}
