/* What this machine can do at most, measured: multiply-adds a second, and bytes read a second from an array of some size.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ROOFLINE_H
#define WEIR_ROOFLINE_H

#include <weir.h>

/* Operations (two a multiply-add) a second of all threads together, floats in the widest registers. 0 where it cannot be measured:
 * a CPU without fused multiply-adds on vectors. */
double roofline_flops(const weir_parallel *parallel);
/* Bytes a second of all threads together, each reading its share of `bytes` over and over. 0 without memory. */
double roofline_bandwidth(const weir_parallel *parallel, double bytes);

#endif
