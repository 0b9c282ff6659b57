/* SPDX-License-Identifier: MIT */
#include "narrow.h"

#include <float.h>
#include <math.h>
#include <string.h>

weir_weights weir__form_of(const weir_config *config, const struct weir__param *p)
{
    bool of_gates = p->kind == WEIR__WEIGHT_IH || p->kind == WEIR__WEIGHT_HH;
    if (config->weights == WEIR_WEIGHTS_INT8)
        return of_gates ? WEIR_WEIGHTS_INT8 : WEIR_WEIGHTS_F32;
    return weir__param_is_matrix(p) ? config->weights : WEIR_WEIGHTS_F32;
}

float weir__largest_weight(weir_weights form)
{
    switch (form) {
    case WEIR_WEIGHTS_BF16:
        return 0x1.FEp127f;
    case WEIR_WEIGHTS_INT8:
        return 0x1p127f;
    default:
        return FLT_MAX;
    }
}

uint16_t weir__to_bf16(float w)
{
    uint32_t bits;
    memcpy(&bits, &w, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float weir__from_bf16(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float w;
    memcpy(&w, &bits, sizeof w);
    return w;
}

float weir__int8_step(const float *row, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = most < fabsf(row[i]) ? fabsf(row[i]) : most;
    float step = most / 127;
    uint32_t bits;
    memcpy(&bits, &step, sizeof bits);
    bits = (bits + 0xFF) & ~0xFFu;
    memcpy(&step, &bits, sizeof step);
    return step;
}

int8_t weir__to_int8(float w, float step)
{
    return (int8_t)(step > 0 ? rintf(w / step) : 0);
}
