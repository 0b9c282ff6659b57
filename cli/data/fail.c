/* SPDX-License-Identifier: MIT */
#include "data/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int data_open(const char *path, uint64_t *size, weir_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        int reason = errno;
        if (fd >= 0)
            close(fd);
        data_fail(err, WEIR_E_IO, "%s cannot be read: %s", path, strerror(reason));
        return -1;
    }
    if (S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) { /* devices may never end */
        close(fd);
        data_fail(err, WEIR_E_IO, "%s is a %s; name a file", path, S_ISDIR(st.st_mode) ? "folder" : "device");
        return -1;
    }
    *size = S_ISREG(st.st_mode) && st.st_size > 0 ? (uint64_t)st.st_size : UINT64_MAX; /* files of /proc have the size 0 */
    return fd;
}

weir_status data_read(int fd, const char *path, void *bytes, size_t room, size_t *got, weir_error *err)
{
    *got = 0;
    while (*got < room) {
        ssize_t n = read(fd, (char *)bytes + *got, room - *got);
        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return data_fail(err, WEIR_E_IO, "%s cannot be read: %s", path, strerror(errno));
    }
    return WEIR_OK;
}

bool data_write(int fd, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t written = write(fd, (const char *)bytes + done, n - done);
        if (written > 0)
            done += (size_t)written;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

weir_status data_read_file(const char *path, unsigned char **bytes, size_t *size, weir_error *err)
{
    enum { PIECE = 1 << 16 };
    uint64_t told;
    *bytes = NULL;
    *size = 0;
    int fd = data_open(path, &told, err);
    if (fd < 0)
        return err->status;
    weir_status status = WEIR_OK;
    for (size_t got = PIECE; got == PIECE && !status;) {
        unsigned char *more = realloc(*bytes, *size + PIECE + 1);
        if (!more)
            status = data_no_memory(err);
        else {
            *bytes = more;
            status = data_read(fd, path, more + *size, PIECE, &got, err);
            *size += got;
            more[*size] = 0;
        }
    }
    close(fd);
    if (status) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}
