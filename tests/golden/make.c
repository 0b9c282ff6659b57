/* Writes the golden models of this version into a folder and prints their hashes: README.md.
 *
 *     golden-make FOLDER > FOLDER/hashes.txt
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "outputs.h"

/* clang-format off */
static const struct golden {
    const char *name;
    weir_config config;
} models[] = {
    {"peepholes", {.inputs = 3, .hidden = 5, .layers = 2, .outputs = 2}},
    {"no-peepholes", {.inputs = 3, .hidden = 5, .layers = 2, .no_peepholes = true, .outputs = 2}},
    {"no-head", {.inputs = 2, .hidden = 17}},
    {"projection", {.inputs = 3, .hidden = 9, .projection = 4, .layers = 2, .outputs = 1}},
    {"both-directions", {.inputs = 2, .hidden = 4, .layers = 2, .direction = WEIR_BOTH, .outputs = 2}},
    {"reverse-final-state", {.inputs = 2, .hidden = 4, .direction = WEIR_REVERSE, .readout = WEIR_FINAL_STATE, .outputs = 3,
                             .output = WEIR_SOFTMAX}},
    {"coupled", {.inputs = 2, .hidden = 6, .coupled = true, .outputs = 1}},
    {"no-forget-gate", {.inputs = 2, .hidden = 6, .no_forget_gate = true, .cell_clip = 3, .outputs = 1}},
    {"clips", {.inputs = 2, .hidden = 6, .activation_clip = 0.75f, .cell_clip = 0.5f, .outputs = 1}},
    {"tokens-softmax", {.tokens = 11, .hidden = 8, .layers = 2, .outputs = 11, .output = WEIR_SOFTMAX}},
    {"gaussian", {.inputs = 2, .hidden = 6, .outputs = 2, .output = WEIR_GAUSSIAN}},
    {"logistic", {.inputs = 2, .hidden = 6, .outputs = 3, .output = WEIR_LOGISTIC}},
    {"prelu", {.inputs = 2, .hidden = 5, .candidate = {WEIR_PRELU, 0.3f, 0}, .output_activation = {WEIR_PRELU, 0.1f, 0}, .dense_layers = 2,
               .dense = {{7, {WEIR_PRELU, 0, 0}}, {3, {WEIR_PRELU, 0.5f, 0}}}, .outputs = 1}},
    {"cell-activations", {.inputs = 2, .hidden = 5, .gate = {WEIR_HARD_SIGMOID, 0.25f, 0.5f}, .candidate = {WEIR_SOFTSIGN, 0, 0},
                          .output_activation = {WEIR_SCALED_TANH, 1.5f, 0.5f}, .outputs = 1}},
    {"dense-1", {.inputs = 2, .hidden = 4, .dense_layers = 7,
                 .dense = {{4, {WEIR_RELU, 0, 0}}, {4, {WEIR_LEAKY_RELU, 0.2f, 0}}, {4, {WEIR_SIGMOID, 0, 0}}, {4, {WEIR_TANH, 0, 0}},
                           {4, {WEIR_ELU, 0.5f, 0}}, {4, {WEIR_SELU, 0, 0}}, {4, {WEIR_IDENTITY, 0, 0}}}, .outputs = 2}},
    {"dense-2", {.inputs = 2, .hidden = 4, .dense_layers = 5,
                 .dense = {{4, {WEIR_GELU, 0, 0}}, {4, {WEIR_GELU_TANH, 0, 0}}, {4, {WEIR_SILU, 0, 0}}, {4, {WEIR_MISH, 0, 0}},
                           {4, {WEIR_SOFTPLUS, 0, 2}}}, .outputs = 2}},
    {"bf16", {.inputs = 3, .hidden = 18, .layers = 2, .dense_layers = 1, .dense = {{5, {WEIR_TANH, 0, 0}}}, .outputs = 2,
              .weights = WEIR_WEIGHTS_BF16}},
    {"int8", {.inputs = 3, .hidden = 18, .layers = 2, .dense_layers = 1, .dense = {{5, {WEIR_TANH, 0, 0}}}, .outputs = 2,
              .weights = WEIR_WEIGHTS_INT8}},
    {"int8-tokens-projection", {.tokens = 9, .hidden = 12, .projection = 6, .no_peepholes = true, .outputs = 9, .output = WEIR_SOFTMAX,
                                .weights = WEIR_WEIGHTS_INT8}},
};
/* clang-format on */

/* All weights in +-1/2, so that biases, peepholes and slopes are none of them 0. */
static weir_status make(const struct golden *golden, const char *folder, uint64_t seed, weir_error *err)
{
    weir_config config = golden->config;
    config.init = WEIR_INIT_UNIFORM;
    config.init_scale = 0.5f;
    config.seed = seed;
    config.notes = "a golden model of Weir \xC3\xA4\xE2\x82\xAC\n";
    weir_model *model, *narrow = NULL;
    config.weights = WEIR_WEIGHTS_F32;
    weir_status status = weir_model_new(&model, &config, NULL, 0, err);
    if (!status)
        status = weir_model_convert(&narrow, model, golden->config.weights, err);
    struct golden_hashes hashes;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.weir", folder, golden->name);
    if (!status)
        status = golden_hashes_of(narrow, &hashes, err);
    if (!status)
        status = weir_model_save(narrow, path, err);
    if (!status)
        printf("%s %016" PRIx64 " %016" PRIx64 "\n", golden->name, hashes.weights, hashes.outputs);
    weir_model_free(model);
    weir_model_free(narrow);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: golden-make FOLDER >FOLDER/hashes.txt\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        weir_error err = {.text = "no memory"};
        if (make(models + i, argv[1], i + 1, &err)) {
            fprintf(stderr, "golden-make: %s: %s\n", models[i].name, err.text);
            return 1;
        }
    }
    return 0;
}
