/* The command: finds the subcommand and calls it.
 * SPDX-License-Identifier: MIT */
#include <signal.h>
#include <string.h>

#include "cli.h"

static const struct command {
    const char *name, *what;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"train", "train a model on a text or a CSV", cmd_train},
    {"tune", "search for the settings of train", cmd_tune},
    {"eval", "measure a model on data", cmd_eval},
    {"generate", "write text with a text model", cmd_generate},
    {"forecast", "forecast a series, with intervals", cmd_forecast},
    {"classify", "label sequences", cmd_classify},
    {"convert", "write a model with narrower weights, or as another format", cmd_convert},
    {"run", "run a model or an ONNX file on arrays", cmd_run},
    {"info", "show a model's tensors and settings", cmd_info},
    {"activations", "list the activation functions", cmd_activations},
    {"plot", "draw activation functions", cmd_plot},
    {"study", "measure what is said about activation functions", cmd_study},
    {"bench", "measure speed", cmd_bench},
};

static void usage(FILE *to)
{
    fprintf(to, "usage: weir COMMAND [OPTION...]\n\nStacked LSTM networks with peepholes.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].what);
    fprintf(to, "\nweir COMMAND --help shows the options of a command; weir --version the version.\n");
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe and a file that may not grow are errors of writing like any other */
    signal(SIGXFSZ, SIG_IGN);
    argp_err_exit_status = USAGE;
    if (argc < 2) {
        usage(stderr);
        return USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return finish_output();
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("weir %s\n", weir_version());
        return finish_output();
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[32];
            snprintf(name, sizeof name, "weir %s", commands[i].name);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    fprintf(stderr, "weir: there is no command \"%s\"; weir --help lists them\n", argv[1]);
    return USAGE;
}
