/* Layer 0: whole files, read with a bound and written all or nothing.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_IO_H
#define WEIR_IO_H

#include "base.h"

/* Reads the regular file `path`, of at most `limit` bytes. *bytes belongs to the caller: weir__free(a, *bytes, *size).
 * WEIR_E_IO if the system refuses, if it is no regular file, or if its size changes meanwhile; WEIR_E_FORMAT above the limit. */
weir_status weir__file_read(const weir_allocator *a, const char *path, size_t limit, void **bytes, size_t *size, weir_error *err);

/* A regular file of which pieces are read, under the same conditions. `path` must live as long. */
typedef struct weir__file {
    int fd;
    const char *path;
    size_t size;
} weir__file;
weir_status weir__file_open(weir__file *f, const char *path, size_t limit, weir_error *err);
/* Reads `size` bytes from `offset` on; WEIR_E_IO if the file has become shorter. */
weir_status weir__file_read_at(const weir__file *f, size_t offset, void *bytes, size_t size, weir_error *err);
void weir__file_close(weir__file *f);

/* Writes `path` so that readers, and a machine that loses power, see the old file or the new one, never a part: temporary file in the
 * same folder, sync, rename, sync of the folder. A symbolic link at `path` is replaced, not followed. An existing file's permissions are
 * kept, a new file's follow the umask. On failure the temporary file is removed and `path` is as before. */
weir_status weir__file_write(const char *path, const void *bytes, size_t size, weir_error *err);

/* The same of a file whose bytes lie in pieces. */
typedef struct weir__piece {
    const void *bytes;
    size_t size;
} weir__piece;
weir_status weir__file_write_pieces(const char *path, const weir__piece *pieces, size_t count, weir_error *err);

#endif
