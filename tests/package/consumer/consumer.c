/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

int main(int argc, char **argv)
{
    weir_error err;
    weir_model *model, *loaded;
    weir_config config = {.inputs = 2, .hidden = 8, .outputs = 1};
    if (argc != 2 || weir_model_new(&model, &config, NULL, 0, &err) || weir_model_save(model, argv[1], &err) ||
        weir_model_load(&loaded, argv[1], WEIR_ISA_BEST, NULL, &err)) {
        fprintf(stderr, "consumer: %s\n", argc == 2 ? err.text : "usage: consumer FILE");
        return 1;
    }
    const float x[6] = {1, 2, 3, 4, 5, 6};
    float y[3], z[3];
    weir_batch batch = {.steps = 3, .rows = 1, .x = x};
    if (weir_model_run(model, &batch, y, NULL, NULL, NULL, &err) || weir_model_run(loaded, &batch, z, NULL, NULL, NULL, &err)) {
        fprintf(stderr, "consumer: %s\n", err.text);
        return 1;
    }
    weir_model_free(model);
    weir_model_free(loaded);
    printf("C, Weir %s: %g\n", weir_version(), (double)y[2]);
    return !(isfinite(y[2]) && y[2] != 0 && memcmp(y, z, sizeof y) == 0);
}
