/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_FAIL_H
#define WEIR_CLI_FAIL_H

#include <weir.h>

/* Fills err with one sentence and returns status. */
weir_status data_fail(weir_error *err, weir_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
weir_status data_no_memory(weir_error *err);
/* Reads a whole file, with a 0 byte behind it. Free with free(). Refuses folders. */
weir_status data_read_file(const char *path, unsigned char **bytes, size_t *size, weir_error *err);

/* Opens a file for reading that is no folder and no device; *size: its bytes, or UINT64_MAX where only reading can tell (pipes). A negative
 * number on failure. */
int data_open(const char *path, uint64_t *size, weir_error *err);
/* Reads until `room` bytes are there or the file ends. */
weir_status data_read(int fd, const char *path, void *bytes, size_t room, size_t *got, weir_error *err);
/* Writes all n bytes; false, with errno, if that cannot be. */
bool data_write(int fd, const void *bytes, size_t n);
#endif
