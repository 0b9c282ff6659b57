// SPDX-License-Identifier: MIT
#include <cmath>
#include <cstdio>
#include <weir.h>

int main()
{
    weir_error err;
    weir_model *model;
    weir_config config{};
    config.tokens = 4;
    config.hidden = 8;
    config.outputs = 4;
    config.output = WEIR_SOFTMAX;
    if (weir_model_new(&model, &config, nullptr, 0, &err)) {
        std::fprintf(stderr, "consumer: %s\n", err.text);
        return 1;
    }
    const uint32_t tokens[3] = {0, 3, 1};
    float y[12];
    weir_batch batch{};
    batch.steps = 3;
    batch.rows = 1;
    batch.tokens = tokens;
    if (weir_model_run(model, &batch, y, nullptr, nullptr, nullptr, &err)) {
        std::fprintf(stderr, "consumer: %s\n", err.text);
        return 1;
    }
    weir_model_free(model);
    std::printf("C++, Weir %s: %g\n", weir_version(), static_cast<double>(y[0]));
    return std::fabs(y[0] + y[1] + y[2] + y[3] - 1) > 1e-6f;
}
