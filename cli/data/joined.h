/* Files read as one, by windows: nothing of them is kept in memory.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_JOINED_H
#define WEIR_CLI_JOINED_H

#include <weir.h>

typedef struct joined_file {
    const char *path;     /* the caller's */
    int fd;               /* negative: opened for each read */
    uint64_t first, size; /* its place in the whole */
    bool copied;          /* what can only be read once is copied to a temporary file */
} joined_file;

/* Begins as {0}. */
typedef struct joined {
    joined_file *file;
    size_t count;
    uint64_t size;
} joined;

/* Takes the sizes of the files, which must stay as they are. joined_close in any case. */
weir_status joined_open(joined *j, char *const *paths, size_t count, weir_error *err);
/* Reads the bytes [from, from + n), all of which must be there. Fails if a file has changed its size since it was opened. */
weir_status joined_read(const joined *j, uint64_t from, size_t n, unsigned char *bytes, weir_error *err);
/* Fails if a file has another size than when it was opened. */
weir_status joined_check(const joined *j, weir_error *err);
void joined_close(joined *j);

#endif
