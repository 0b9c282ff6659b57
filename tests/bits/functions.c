/* One hash per activation function, derivative and form over a fixed set of inputs that covers all exponents, NaN included.
 *
 *     functions small|full ISA        small: 2^16 inputs, full: 2^24; exits with 77 if this CPU lacks ISA
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

enum { PIECE = 1 << 12 };

/* Input i of n = 2^k: the floats of all signs and exponents in order, the lowest bits mixed. */
static float input(uint32_t i, uint32_t n)
{
    uint32_t step = (uint32_t)((UINT64_C(1) << 32) / n), bits = i * step + (i * 2654435769u) % step;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A sum with an odd weight for each place. */
static uint64_t hash_of(const float *y, size_t n, uint64_t first)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, y + i, sizeof bits);
        sum += bits * ((first + i) * UINT64_C(0x9E3779B97F4A7C15) | 1);
    }
    return sum;
}

static weir_isa find_isa(const char *name)
{
    for (int i = 0; weir_isa_name((weir_isa)i); i++)
        if (!strcmp(weir_isa_name((weir_isa)i), name))
            return (weir_isa)i;
    fprintf(stderr, "functions: there is no instruction set %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: functions small|full ISA\n");
        return 2;
    }
    static const char *const forms[] = {"exact", "fast"};
    static float x[PIECE], dy[PIECE], y[PIECE];
    uint32_t n = !strcmp(argv[1], "full") ? 1u << 24 : 1u << 16;
    weir_isa isa = find_isa(argv[2]);
    if (!weir_isa_available(isa))
        return 77;
    for (size_t id = 1; id <= weir_activation_count(); id++)
        for (int form = 0; form < 2; form++) {
            weir_activation a = {.id = (weir_activation_id)id};
            uint64_t values = 0, grads = 0;
            for (uint32_t i = 0; i < n; i += PIECE) {
                for (uint32_t j = 0; j < PIECE; j++) {
                    x[j] = input(i + j, n);
                    dy[j] = 1 + (float)(j * 40503u % 65536) / 65536;
                }
                weir_activation_apply(&a, (weir_form)form, isa, PIECE, x, y, NULL);
                values += hash_of(y, PIECE, i);
                weir_activation_grad(&a, (weir_form)form, isa, PIECE, x, dy, y, NULL);
                grads += hash_of(y, PIECE, i);
            }
            printf("%s %s %s %016" PRIx64 " %016" PRIx64 "\n", argv[1], weir_activation_get(a.id)->name, forms[form], values, grads);
        }
    return 0;
}
