/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_FAIL_H
#define WEIR_CLI_FAIL_H

#include <weir.h>

/* Fills err with one sentence and returns status. */
weir_status data_fail(weir_error *err, weir_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
weir_status data_no_memory(weir_error *err);
/* Reads a whole file, with a 0 byte behind it. Free with free(). Refuses folders. */
weir_status data_read_file(const char *path, unsigned char **bytes, size_t *size, weir_error *err);

#endif
