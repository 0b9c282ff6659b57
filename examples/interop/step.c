/* Steps a model from C: reads inputs from stdin, the numbers of a step after each other, and prints a line of outputs for each step.
 *     cc step.c $(pkg-config --cflags --libs weir-format weir) -o step && ./step model.weir <inputs.txt
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

static bool read_step(float *x, size_t inputs)
{
    for (size_t i = 0; i < inputs; i++)
        if (scanf("%f", x + i) != 1)
            return false;
    return true;
}

static void print_step(const float *y, size_t outputs)
{
    for (size_t i = 0; i < outputs; i++)
        printf("%s%.9g", i ? " " : "", y[i]);
    putchar('\n');
}

int main(int argc, char **argv)
{
    weir_error err;
    weir_model *model;
    weir_stream *stream;
    if (argc != 2) {
        fprintf(stderr, "usage: step MODEL <INPUTS\n");
        return 2;
    }
    if (weir_model_load(&model, argv[1], WEIR_ISA_BEST, NULL, &err)) {
        fprintf(stderr, "step: %s\n", err.text);
        return 1;
    }
    size_t inputs = weir_model_config(model)->inputs, outputs = weir_model_outputs(model), size = weir_stream_size(model, 1);
    float *x = malloc(inputs * sizeof *x), *y = malloc(outputs * sizeof *y);
    void *memory = malloc(size);
    if (!x || !y || !memory || weir_stream_init(&stream, memory, size, model, 1, &err)) {
        fprintf(stderr, "step: %s\n", x && y && memory ? err.text : "no memory");
        return 1;
    }
    while (read_step(x, inputs)) {
        weir_stream_step(stream, x, y);
        print_step(y, outputs);
    }
    free(memory);
    free(x);
    free(y);
    weir_model_free(model);
    return 0;
}
