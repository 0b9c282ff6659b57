/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_SPLITMIX_H
#define WEIR_CLI_SPLITMIX_H

#include <stdint.h>

/* The finaliser of splitmix64 (Steele, Lea & Flood 2014): one to one, and every bit of the result depends on all of z. */
static inline uint64_t splitmix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
