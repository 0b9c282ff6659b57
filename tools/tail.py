#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The coefficients of v_scaled_tail in src/kernel/twofold.h: python3 tools/tail.py (needs mpmath).

H(t) = erfcx(a / sqrt 2) (a + 4) / 2, a = 4 (1 + t) / (1 - t), interpolated at Chebyshev's points of 0 <= a <= 20, each
coefficient as two doubles, highest first.
"""
from mpmath import cos, erfc, exp, log, mp, mpf, pi, polyval, sqrt

mp.prec = 600
DEGREE = 46
END = mpf(20 - 4) / (20 + 4)  # t at a = 20


def h(t):
    a = 4 * (1 + t) / (1 - t)
    return exp(a * a / 2) * erfc(a / sqrt(2)) / 2 * (a + 4)


def product(p, q):
    r = [mpf(0)] * (len(p) + len(q) - 1)
    for i, x in enumerate(p):
        for j, y in enumerate(q):
            r[i + j] += x * y
    return r


def interpolate():
    """The polynomial in t, lowest coefficient first, by Newton's divided differences."""
    middle, half = (END - 1) / 2, (END + 1) / 2
    at = [middle + half * cos(pi * (k + mpf(1) / 2) / (DEGREE + 1)) for k in range(DEGREE + 1)]
    d = [h(t) for t in at]
    for j in range(1, DEGREE + 1):
        for i in range(DEGREE, j - 1, -1):
            d[i] = (d[i] - d[i - 1]) / (at[i] - at[i - j])
    p = [d[DEGREE]]
    for i in range(DEGREE - 1, -1, -1):
        p = product(p, [-at[i], mpf(1)])
        p[0] += d[i]
    return p


p = interpolate()
parts = [(float(c), float(c - mpf(float(c)))) for c in p]
rounded = [mpf(hi) + mpf(lo) for hi, lo in reversed(parts)]
points = [-1 + (END + 1) * mpf(i) / 2000 for i in range(2001)]
worst = max(abs(polyval(rounded, t) / h(t) - 1) for t in points)
for hi, lo in reversed(parts):
    print("        {%s, %s}," % (hi.hex(), lo.hex()))
print("relative error 2^%.1f" % float(log(worst, 2)))
