/* SPDX-License-Identifier: MIT */
#include "special.h"

#include "../base/base.h"

enum { FAR = 10 }; /* from here on the series are as good as a double */

double weir__log1p(double x)
{
    double y = 1 + x; /* log(y) x / (y - 1): the rounding of y is in both factors (Goldberg 1991, theorem 4) */
    return y == 1 ? x : y - 1 > 0x1p60 ? weir__log(y) : weir__log(y) * (x / (y - 1));
}

/* sum of c[k] z^k */
static double polynomial(const double *c, int n, double z)
{
    double p = 0;
    for (int k = n - 1; k >= 0; k--)
        p = p * z + c[k];
    return p;
}

double weir__log_gamma(double x)
{
    static const double c[] = {1.0 / 12,   -1.0 / 360,      1.0 / 1260, -1.0 / 1680,
                               1.0 / 1188, -691.0 / 360360, 1.0 / 156,  -3617.0 / 122400};
    double product = 1, y = x;
    for (; y < FAR; y += 1)
        product *= y;
    double r = 1 / y, far = (y - 0.5) * weir__log(y) - y + 0.91893853320467274178 + polynomial(c, 8, r * r) * r;
    return x < FAR ? far - weir__log(product) : far;
}

double weir__digamma(double x)
{
    static const double c[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12, -3617.0 / 8160};
    double sum = 0, y = x;
    for (; y < FAR; y += 1)
        sum += 1 / y;
    double r = 1 / y, z = r * r;
    return weir__log(y) - 0.5 * r - polynomial(c, 8, z) * z - sum;
}

double weir__half_step(double x)
{
    static const double c[] = {-1.0 / 8,      1.0 / 192,      -1.0 / 640,       17.0 / 14336,
                               -31.0 / 18432, 691.0 / 180224, -5461.0 / 425984, 929569.0 / 15728640};
    double above = 1, below = 1, y = x;
    for (; y < FAR; y += 1) {
        above *= y;
        below *= y + 0.5;
    }
    double r = 1 / y, far = 0.5 * weir__log(y) + polynomial(c, 8, r * r) * r;
    return x < FAR ? far + weir__log(above / below) : far;
}

double weir__half_step_slope(double x)
{
    static const double c[] = {1.0 / 8,       -3.0 / 192,       5.0 / 640,        -119.0 / 14336,
                               279.0 / 18432, -7601.0 / 180224, 70993.0 / 425984, -13943535.0 / 15728640};
    double sum = 0, y = x;
    for (; y < FAR; y += 1)
        sum += 0.5 / (y * (y + 0.5));
    double r = 1 / y, z = r * r;
    return 0.5 * r + polynomial(c, 8, z) * z + sum;
}
