/* SPDX-License-Identifier: MIT */
#include "base.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRINGIZE_(x) #x
#define STRINGIZE(x) STRINGIZE_(x)

const char *weir_version(void)
{
    return STRINGIZE(WEIR_VERSION_MAJOR) "." STRINGIZE(WEIR_VERSION_MINOR) "." STRINGIZE(WEIR_VERSION_PATCH);
}

/* ---- Errors ---- */

const char *weir_status_name(weir_status status)
{
    switch (status) {
    case WEIR_OK:
        return "ok";
    case WEIR_E_NOMEM:
        return "out of memory";
    case WEIR_E_ARGUMENT:
        return "bad argument";
    case WEIR_E_IO:
        return "input or output failed";
    case WEIR_E_FORMAT:
        return "broken file";
    case WEIR_E_UNSUPPORTED:
        return "not supported";
    case WEIR_E_NONFINITE:
        return "not finite";
    }
    return "unknown status";
}

static weir_status fill(weir_error *err, weir_status status, size_t offset, const char *format, va_list args)
    WEIR__PRINTF(4, 0);

static weir_status fill(weir_error *err, weir_status status, size_t offset, const char *format, va_list args)
{
    if (err) {
        err->status = status;
        err->offset = offset;
        vsnprintf(err->text, sizeof err->text, format, args);
    }
    return status;
}

weir_status weir__fail(weir_error *err, weir_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, 0, format, args);
    va_end(args);
    return status;
}

weir_status weir__fail_at(weir_error *err, weir_status status, size_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, offset, format, args);
    va_end(args);
    return status;
}

weir_status weir__ok(weir_error *err)
{
    if (err)
        *err = (weir_error){.status = WEIR_OK};
    return WEIR_OK;
}

/* ---- Memory ---- */

static void *alloc_libc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return aligned_alloc(align, weir__round_up(size, align));
}

static void free_libc(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)size;
    free(ptr);
}

weir_allocator weir__allocator(const weir_allocator *user)
{
    return user ? *user : (weir_allocator){alloc_libc, free_libc, NULL};
}

void *weir__alloc(const weir_allocator *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    void *ptr = a->alloc(a->ctx, weir__alloc_size(size), WEIR__ALIGN);
    return ptr ? memset(ptr, 0, weir__alloc_size(size)) : NULL;
}

void weir__free(const weir_allocator *a, void *ptr, size_t size)
{
    if (ptr)
        a->free(a->ctx, ptr, weir__alloc_size(size));
}

bool weir__size_mul(size_t *out, size_t a, size_t b)
{
    if (b && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

bool weir__size_add(size_t *out, size_t a, size_t b)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

/* ---- Random numbers ---- */

void weir__random_block(const weir__random *r, uint64_t counter, uint32_t out[4])
{
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)r->stream, (uint32_t)(r->stream >> 32)};
    uint32_t k0 = (uint32_t)r->key, k1 = (uint32_t)(r->key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k0, (uint32_t)p1, (uint32_t)(p0 >> 32) ^ c[3] ^ k1, (uint32_t)p0};
        memcpy(c, next, sizeof c);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

double weir__random_uniform(const weir__random *r, uint64_t index)
{
    uint32_t w[4];
    weir__random_block(r, index / 2, w);
    const uint32_t *pair = w + 2 * (index % 2);
    uint64_t bits = ((uint64_t)pair[0] << 32 | pair[1]) >> 11;
    return ((double)bits + 0.5) * 0x1p-53;
}

double weir__random_normal(const weir__random *r, uint64_t index)
{
    double u = weir__random_uniform(r, 2 * index), v = weir__random_uniform(r, 2 * index + 1);
    return sqrt(-2.0 * weir__log(u)) * weir__cospi(2.0 * v); /* sqrt is correctly rounded in every libm */
}

double weir_random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return weir__random_uniform(&(weir__random){.key = seed, .stream = stream}, index);
}

double weir_random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    return weir__random_normal(&(weir__random){.key = seed, .stream = stream}, index);
}

/* ---- Two functions of double ---- */

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1)/(m + 1), |s| < 0.1716, by its Taylor series. */
double weir__log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFu) | 0x3FF0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        e++;
    }
    double s = (m - 1.0) / (m + 1.0), z = s * s, p = 0.0;
    for (int k = 21; k >= 3; k -= 2)
        p = p * z + 1.0 / k;
    const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45; /* e * ln2_high is exact */
    return e * ln2_high + (2.0 * s + (2.0 * s * z * p + e * ln2_low));
}

/* Taylor series of cos and sin on [0, pi/4], after reducing x by the symmetries of cos(pi x). */
double weir__cospi(double x)
{
    const double pi = 3.14159265358979323846;
    if (x > 1.0)
        x = 2.0 - x;
    double sign = 1.0;
    if (x > 0.5) {
        x = 1.0 - x;
        sign = -1.0;
    }
    bool sine = x > 0.25;
    double a = pi * (sine ? 0.5 - x : x), z = a * a, p = 1.0;
    for (int k = sine ? 19 : 18; k >= 2; k -= 2)
        p = 1.0 - p * z / (k * (k - 1));
    return sign * (sine ? a * p : p);
}

/* ---- Parallel loops ---- */

void weir__parallel_for(const weir_parallel *parallel, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    if (parallel && parallel->run && n > 1)
        parallel->run(parallel->ctx, n, task, arg);
    else
        for (size_t i = 0; i < n; i++)
            task(arg, i);
}
