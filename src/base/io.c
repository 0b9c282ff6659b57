/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static weir_status fail_errno(weir_error *err, const char *what, const char *path)
{
    return weir__fail(err, WEIR_E_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

/* ---- Reading ---- */

/* Reads until `size` bytes or the end; *got is how many there were. */
static bool read_fully(int fd, unsigned char *bytes, size_t size, size_t *got)
{
    for (*got = 0; *got < size;) {
        ssize_t n = read(fd, bytes + *got, size - *got);
        if (n == 0)
            return true;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static weir_status read_regular(int fd, const weir_allocator *a, const char *path, size_t limit, void **bytes, size_t *size,
                                weir_error *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return fail_errno(err, "read", path);
    if (!S_ISREG(st.st_mode))
        return weir__fail(err, WEIR_E_IO, "cannot read %s: it is not a regular file", path);
    if ((uintmax_t)st.st_size > limit)
        return weir__fail(err, WEIR_E_FORMAT, "%s has %jd bytes; at most %zu can be read", path, (intmax_t)st.st_size, limit);

    size_t expected = (size_t)st.st_size, got, more;
    unsigned char *buffer = weir__alloc(a, expected), beyond;
    if (!buffer)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for the %zu bytes of %s", expected, path);
    weir_status status = WEIR_OK;
    if (!read_fully(fd, buffer, expected, &got) || !read_fully(fd, &beyond, 1, &more))
        status = fail_errno(err, "read", path);
    else if (got != expected || more)
        status = weir__fail(err, WEIR_E_IO, "%s changed its size while it was read; try again", path);
    if (status) {
        weir__free(a, buffer, expected);
        return status;
    }
    *bytes = buffer;
    *size = expected;
    return weir__ok(err);
}

weir_status weir__file_read(const weir_allocator *a, const char *path, size_t limit, void **bytes, size_t *size, weir_error *err)
{
    *bytes = NULL;
    *size = 0;
    /* Without O_NONBLOCK a named pipe would hang here before it can be refused. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_errno(err, "open", path);
    weir_status status = read_regular(fd, a, path, limit, bytes, size, err);
    close(fd);
    return status;
}

/* ---- Writing ---- */

static bool write_fully(int fd, const unsigned char *bytes, size_t size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

/* Creates a file that was not there, beside `path`: "path.N.tmp". Writes its name into `name`. */
static int create_beside(const char *path, mode_t mode, char *name, size_t name_size)
{
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(name, name_size, "%s.%ld-%u.tmp", path, (long)getpid(), attempt);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Some file systems cannot sync a folder and say EINVAL; there the rename is as durable as it gets. */
static bool sync_folder_of(const char *path, char *scratch)
{
    strcpy(scratch, path);
    char *slash = strrchr(scratch, '/');
    strcpy(slash ? slash + (slash == scratch) : scratch, slash ? "" : ".");
    int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES; /* a folder that may be written but not read */
    bool good = fsync(fd) == 0 || errno == EINVAL;
    close(fd);
    return good;
}

/* Writes and syncs the temporary file and closes it in every case. */
static bool fill_file(int fd, const void *bytes, size_t size, const struct stat *old)
{
    bool good = write_fully(fd, bytes, size) && (!old || fchmod(fd, old->st_mode & 0777) == 0) && fsync(fd) == 0;
    int error = errno;
    if (close(fd) && good)
        return false;
    errno = error;
    return good;
}

weir_status weir__file_write(const char *path, const void *bytes, size_t size, weir_error *err)
{
    struct stat st;
    bool exists = lstat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        return weir__fail(err, WEIR_E_IO, "cannot write %s: it is a folder", path);
    if (exists && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return weir__fail(err, WEIR_E_IO, "cannot write %s: it is not a regular file", path);

    weir_allocator a = weir__allocator(NULL);
    size_t name_size = strlen(path) + 64;
    char *name = weir__alloc(&a, name_size);
    if (!name)
        return weir__fail(err, WEIR_E_NOMEM, "no memory for a file's name");
    weir_status status = WEIR_OK;
    int fd = create_beside(path, 0666, name, name_size);
    if (fd < 0) {
        status = fail_errno(err, "write", path);
    } else if (!fill_file(fd, bytes, size, exists && S_ISREG(st.st_mode) ? &st : NULL) || rename(name, path)) {
        status = fail_errno(err, "write", path);
        unlink(name);
    } else if (!sync_folder_of(path, name)) {
        status = fail_errno(err, "sync the folder of", path);
    }
    weir__free(&a, name, name_size);
    return status ? status : weir__ok(err);
}
