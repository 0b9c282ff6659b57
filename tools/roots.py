#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The polynomials of src/kernel/vmath.h beside the zeros of derivatives: python3 tools/roots.py (needs mpmath).

f'(x) = (x - root) R(x - root) for |x - root| <= WIDTH, R interpolated at Chebyshev's points, coefficients as floats.
"""
import struct

from mpmath import cos, erfc, exp, findroot, log, mp, mpf, pi, polyval, sqrt, tanh

mp.prec = 300
WIDTH = mpf(1) / 2
DEGREE = 9


def single(x):
    return struct.unpack("f", struct.pack("f", float(x)))[0]


def sigma(x):
    return 1 / (1 + exp(-x))


def gelu(x):
    return erfc(-x / sqrt(mpf(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi)


def gelu_tanh(x):
    k, c = 2 * sqrt(2 / pi), mpf("0.044715")
    s = sigma(k * (x + c * x**3))
    return s + x * s * (1 - s) * k * (1 + 3 * c * x * x)


def silu(x):
    s = sigma(x)
    return s * (1 + x * (1 - s))


def mish(x):
    w = tanh(log(1 + exp(x)))
    return w + x * (1 - w * w) * sigma(x)


def interpolate(f, points):
    d = [f(t) for t in points]
    for j in range(1, len(points)):
        for i in range(len(points) - 1, j - 1, -1):
            d[i] = (d[i] - d[i - 1]) / (points[i] - points[i - j])
    p = [d[-1]]
    for i in range(len(points) - 2, -1, -1):
        p = [mpf(0)] + p
        for k in range(len(p) - 1):
            p[k] -= points[i] * p[k + 1]
        p[0] += d[i]
    return p


for name, f, near in [("gelu", gelu, "-0.75"), ("gelu_tanh", gelu_tanh, "-0.75"), ("silu", silu, "-1.28"), ("mish", mish, "-1.19")]:
    root = findroot(f, mpf(near))
    hi = single(root)
    points = [WIDTH * cos(pi * (k + mpf(1) / 2) / (DEGREE + 1)) for k in range(DEGREE + 1)]
    p = [single(c) for c in interpolate(lambda d: f(root + d) / d, points)]
    tries = [WIDTH * (mpf(2) * i / 999 - 1) for i in range(1000)]
    worst = max(abs(polyval([mpf(c) for c in reversed(p)], d) * d / f(root + d) - 1) for d in tries)
    print("%s' near %s + %s: relative error 2^%.1f" % (name, hi.hex(), single(root - hi).hex(), float(log(worst, 2))))
    print("   ", ", ".join(c.hex() for c in p))
