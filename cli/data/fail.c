/* SPDX-License-Identifier: MIT */
#include "data/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

weir_status data_fail(weir_error *err, weir_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->status = status;
    err->offset = 0;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

weir_status data_no_memory(weir_error *err)
{
    return data_fail(err, WEIR_E_NOMEM, "there is no memory left");
}

weir_status data_read_file(const char *path, unsigned char **bytes, size_t *size, weir_error *err)
{
    enum { PIECE = 1 << 16 };
    struct stat st;
    FILE *f = fopen(path, "rb");
    *bytes = NULL;
    *size = 0;
    if (!f || fstat(fileno(f), &st)) {
        int reason = errno;
        if (f)
            fclose(f);
        return data_fail(err, WEIR_E_IO, "%s cannot be read: %s", path, strerror(reason));
    }
    if (S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) { /* devices may never end */
        fclose(f);
        return data_fail(err, WEIR_E_IO, "%s is a %s; name a file", path, S_ISDIR(st.st_mode) ? "folder" : "device");
    }
    weir_status status = WEIR_OK;
    for (size_t got = PIECE; got == PIECE && !status;) {
        unsigned char *more = realloc(*bytes, *size + PIECE + 1);
        if (!more)
            status = data_no_memory(err);
        else {
            *bytes = more;
            got = fread(more + *size, 1, PIECE, f);
            *size += got;
            more[*size] = 0;
        }
    }
    if (!status && ferror(f))
        status = data_fail(err, WEIR_E_IO, "%s cannot be read: %s", path, strerror(errno));
    fclose(f);
    if (status) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}
