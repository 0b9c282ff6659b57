/* Layer 0: errors, memory, checked sizes, random numbers, parallel loops.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <weir.h>

#if defined __GNUC__
#define WEIR__PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define WEIR__PRINTF(format, first)
#endif

/* Fills err (may be NULL) and returns status, so that a caller writes `return weir__fail(err, ...)`. The sentence names the thing and
 * what to do, without a full stop at its end. */
weir_status weir__fail(weir_error *err, weir_status status, const char *format, ...) WEIR__PRINTF(3, 4);
/* The same for a file that breaks its rules at byte `offset`. */
weir_status weir__fail_at(weir_error *err, weir_status status, size_t offset, const char *format, ...) WEIR__PRINTF(4, 5);
/* Sets err to "no error" and returns WEIR_OK. */
weir_status weir__ok(weir_error *err);
/* Returns from the calling function if `call` failed. */
#define TRY(call)                       \
    do {                                \
        weir_status status_ = (call);   \
        if (status_)                    \
            return status_;             \
    } while (0)

/* malloc-backed when `user` is NULL. */
weir_allocator weir__allocator(const weir_allocator *user);
enum { WEIR__ALIGN = 64 };
/* `size` zeroed bytes at a multiple of WEIR__ALIGN, or NULL; a size of 0 gives a valid pointer. */
void *weir__alloc(const weir_allocator *a, size_t size);
/* What it asks the allocator for. */
static inline size_t weir__alloc_size(size_t size)
{
    return size ? size : 1;
}
void weir__free(const weir_allocator *a, void *ptr, size_t size);

/* *out = a * b, a + b; false if that is more than SIZE_MAX. The only place where sizes are computed from outside numbers. */
bool weir__size_mul(size_t *out, size_t a, size_t b);
bool weir__size_add(size_t *out, size_t a, size_t b);
static inline size_t weir__round_up(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): four random words from a key and a counter, the same for any order of asking. */
typedef struct weir__random {
    uint64_t key;
    uint64_t stream; /* which sequence of numbers */
} weir__random;
void weir__random_block(const weir__random *r, uint64_t counter, uint32_t out[4]);
/* Number `index` of the sequence: uniform in (0, 1), 53 bits. */
double weir__random_uniform(const weir__random *r, uint64_t index);
/* Standard normal, by Box and Muller 1958 from uniforms 2*index and 2*index + 1. */
double weir__random_normal(const weir__random *r, uint64_t index);

/* Natural logarithm of x > 0 finite normal, and cos(pi x) for 0 <= x <= 2: double, from + - * / alone, so that no libm can change a
 * bit of an initial weight or of a learning rate. Relative error of log below 4e-16, absolute error of cospi below 4e-16. */
double weir__log(double x);
double weir__cospi(double x);

void weir__parallel_for(const weir_parallel *parallel, size_t n, void (*task)(void *arg, size_t i), void *arg);
/* How many tasks can run at once: at least 1. */
static inline unsigned weir__parallel_threads(const weir_parallel *parallel)
{
    return parallel && parallel->run && parallel->threads ? parallel->threads : 1;
}

#endif
