/* The check that a converted model carries in its notes: a small input, and what the source made of it.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_CHECK_H
#define WEIR_CLI_CHECK_H

#include <jansson.h>
#include <weir.h>

/* Runs the model on the input of notes["check"] (weir_model_import in weir.h has its form) and compares. *difference: the largest one of a
 * number, infinite if one is not finite; *numbers: how many were compared. WEIR_E_UNSUPPORTED if there is no check or no output in it,
 * WEIR_E_FORMAT if it does not fit the model. */
weir_status check_run(const weir_model *model, const json_t *notes, const weir_parallel *parallel, double *difference, size_t *numbers,
                      weir_error *err);

/* Runs the ONNX file that a model of reals was made of on a small input, and gives a check of it: the input, and the output that comes closest to
 * the model's, *difference being the largest one of a number. The graph's x may be (T, B, I) or (B, T, I), and so its output. NULL if the file is no
 * ONNX graph that runs, or none of its outputs has the size of the model's. */
json_t *check_of_onnx(const char *path, const weir_model *model, double *difference);

#endif
