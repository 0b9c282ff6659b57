/* SPDX-License-Identifier: MIT */
#include "format/onnx_cell.h"

#include <ctype.h>

const size_t weir__onnx_gates[] = {0, 3, 1, 2}, weir__onnx_peepholes[] = {0, 2, 1};

static const weir__cell_activation records[] = {
    {"Sigmoid", WEIR_SIGMOID, false, false, true, 0, 0},
    {"Tanh", WEIR_TANH, false, false, true, 0, 0},
    {"Relu", WEIR_RELU, false, false, true, 0, 0},
    {"Affine", WEIR_IDENTITY, true, true, false, 1, 0}, /* alpha x + beta */
    {"LeakyRelu", WEIR_LEAKY_RELU, true, false, true, 0.01f, 0},
    {"Elu", WEIR_ELU, true, false, true, 1, 0},
    {"ScaledTanh", WEIR_SCALED_TANH, true, true, false, 0, 0},
    {"HardSigmoid", WEIR_HARD_SIGMOID, true, true, true, 0.2f, 0.5f},
    {"Softsign", WEIR_SOFTSIGN, false, false, true, 0, 0},
    {"Softplus", WEIR_SOFTPLUS, false, false, true, 0, 1},
};

const weir__cell_activation *weir__cell_activation_get(weir_activation_id id)
{
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        if (records[i].id == id)
            return records + i;
    return NULL;
}

static bool same_word(weir__text text, const char *word)
{
    size_t i = 0;
    while (i < text.size && word[i] && tolower((unsigned char)text.bytes[i]) == tolower((unsigned char)word[i]))
        i++;
    return i == text.size && !word[i];
}

const weir__cell_activation *weir__cell_activation_find(weir__text name)
{
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        if (same_word(name, records[i].name))
            return records + i;
    return NULL;
}

bool weir__cell_activation_fits(const weir_activation *a)
{
    return weir__cell_activation_get(a->id) && (a->id != WEIR_SOFTPLUS || a->beta == 1);
}
