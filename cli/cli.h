/* What the commands share.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_H
#define WEIR_CLI_H

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <weir.h>

/* Exit statuses: done, failed, wrong usage; a command ended by a signal exits with 128 + its number. */
enum { DONE = 0, FAILED = 1, USAGE = 2 };

/* Prints "weir: " and the sentence on stderr; returns FAILED. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* While err is not NULL, complain puts the first sentence into err->text instead, if that is empty. */
void complain_into(weir_error *err);
/* Prints a status line on stderr, unless quiet. */
void say(bool quiet, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Flushes stdout and notices a full disk or a closed pipe: DONE or FAILED. */
int finish_output(void);

/* A number of JSON, null where it is not finite. */
json_t *number_json(double x);
/* The other way round: NaN for what is no number. */
double json_number(const json_t *value);
/* Prints the object on stdout and frees it: DONE or FAILED. */
int finish_json(json_t *object);

/* Numbers of options; a bad one ends the command with a usage error. */
double option_number(const struct argp_state *state, const char *option, const char *text, double least, double most);
uint32_t option_count(const struct argp_state *state, const char *option, const char *text, uint32_t least, uint32_t most);
/* An activation by "gelu", "elu(1.5)" or "scaled_tanh(2, 0.5)"; false with a sentence in err->text. */
bool find_activation(const char *text, weir_activation *a, weir_error *err);
weir_activation option_activation(const struct argp_state *state, const char *option, const char *text);
/* The name of a picture: it ends in .svg or .png. */
const char *option_picture(const struct argp_state *state, const char *option, const char *text);
/* Index of text among NULL-ended names. */
int option_name(const struct argp_state *state, const char *option, const char *text, const char *const *names);
/* The instruction set of a name that this CPU has. */
weir_isa option_isa(const struct argp_state *state, const char *text);

extern const char *const direction_names[], *const output_names[], *const init_names[], *const optimizer_names[],
    *const schedule_names[], *const isa_names[];

/* A pool of threads behind the library's hook; 0 threads: as many as processors. Between calls its threads sleep; with `spin` they first
 * look out for work for some milliseconds, which suits calls that follow each other closely. */
typedef struct threads {
    weir_parallel parallel;
    void *pool;
} threads;
threads threads_start(unsigned count, bool spin);
void threads_stop(threads *t);
/* Processors that this process may use. */
unsigned processors(void);

/* Loads a model and reads its notes, which must be a JSON object of this task (NULL: any). */
int load_model(const char *path, weir_isa isa, const char *task, weir_model **model, json_t **notes);

/* True if both names lead to one regular file. */
bool same_file(const char *a, const char *b);
/* Finds out before the work that a file could not be written in this place: DONE or FAILED. */
int check_output(const char *path);
/* Writes a whole file beside the path and renames it over it; `write` prints the content. What is no plain file, such as a device, a pipe
 * or a link, is written in place. */
int write_file(const char *path, void (*write)(FILE *f, const void *what), const void *what);
/* One field of a CSV, before + text + after, quoted where it must be. */
void write_field(FILE *f, const char *before, const char *text, const char *after);
/* Text as a shell reads it back. */
void write_quoted(FILE *f, const char *text);

int cmd_train(int argc, char **argv);
int cmd_tune(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_forecast(int argc, char **argv);
int cmd_classify(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_activations(int argc, char **argv);
int cmd_plot(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_study(int argc, char **argv);

#endif
