/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("weir-experiments: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void check(weir_status status, const weir_error *err)
{
    if (status)
        die("%s", err->text);
}

void *room(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        die("no memory for %zu things of %zu bytes", count, size);
    return p;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

draws draws_of(uint64_t seed, uint64_t purpose)
{
    return (draws){.key = mix(mix(seed) + purpose)};
}

uint64_t draw(draws *d)
{
    return mix(d->key + ++d->counter * 0x9E3779B97F4A7C15u);
}

uint32_t draw_below(draws *d, uint32_t n)
{
    return (uint32_t)((draw(d) >> 32) * n >> 32);
}

float draw_between(draws *d, float low, float high)
{
    return low + (high - low) * ((float)(draw(d) >> 40) / 16777216.0f);
}
