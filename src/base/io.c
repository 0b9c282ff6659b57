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

/* Reads from `offset` until `size` bytes or the end; *got is how many there were. */
static bool read_fully(int fd, size_t offset, unsigned char *bytes, size_t size, size_t *got)
{
    for (*got = 0; *got < size;) {
        ssize_t n = pread(fd, bytes + *got, size - *got, (off_t)(offset + *got));
        if (n == 0)
            return true;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static weir_status fail_changed(weir_error *err, const char *path)
{
    return weir__fail(err, WEIR_E_IO, "%s changed its size while it was read; try again", path);
}

static weir_status check_regular(weir__file *f, size_t limit, weir_error *err)
{
    struct stat st;
    if (fstat(f->fd, &st))
        return fail_errno(err, "read", f->path);
    if (!S_ISREG(st.st_mode))
        return weir__fail(err, WEIR_E_IO, "cannot read %s: it is not a regular file", f->path);
    if ((uintmax_t)st.st_size > limit)
        return weir__fail(err, WEIR_E_FORMAT, "%s has %jd bytes; at most %zu can be read", f->path, (intmax_t)st.st_size, limit);
    f->size = (size_t)st.st_size;
    return weir__ok(err);
}

weir_status weir__file_open(weir__file *f, const char *path, size_t limit, weir_error *err)
{
    /* Without O_NONBLOCK a named pipe would hang here before it can be refused. */
    *f = (weir__file){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), .path = path};
    if (f->fd < 0)
        return fail_errno(err, "open", path);
    weir_status status = check_regular(f, limit, err);
    if (status)
        weir__file_close(f);
    return status;
}

void weir__file_close(weir__file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

weir_status weir__file_read_at(const weir__file *f, size_t offset, void *bytes, size_t size, weir_error *err)
{
    size_t got;
    if (!read_fully(f->fd, offset, bytes, size, &got))
        return fail_errno(err, "read", f->path);
    return got == size ? weir__ok(err) : fail_changed(err, f->path);
}

static weir_status read_whole(const weir__file *f, void *bytes, weir_error *err)
{
    unsigned char beyond;
    size_t more;
    TRY(weir__file_read_at(f, 0, bytes, f->size, err));
    if (!read_fully(f->fd, f->size, &beyond, 1, &more))
        return fail_errno(err, "read", f->path);
    return more ? fail_changed(err, f->path) : weir__ok(err);
}

weir_status weir__file_read(const weir_allocator *a, const char *path, size_t limit, void **bytes, size_t *size, weir_error *err)
{
    *bytes = NULL;
    *size = 0;
    weir__file f;
    TRY(weir__file_open(&f, path, limit, err));
    void *buffer = weir__alloc(a, f.size);
    weir_status status = buffer ? read_whole(&f, buffer, err)
                                : weir__fail(err, WEIR_E_NOMEM, "no memory for the %zu bytes of %s", f.size, path);
    weir__file_close(&f);
    if (status) {
        weir__free(a, buffer, f.size);
        return status;
    }
    *bytes = buffer;
    *size = f.size;
    return WEIR_OK;
}

/* ---- Writing ---- */

/* A signal may end a call early that would succeed the next time. */
#define AGAIN_AFTER_SIGNALS(result, call) \
    do                                    \
        (result) = (call);                \
    while ((result) < 0 && errno == EINTR)

static bool write_fully(int fd, const unsigned char *bytes, size_t size)
{
    while (size) {
        ssize_t n;
        AGAIN_AFTER_SIGNALS(n, write(fd, bytes, size));
        if (n <= 0 || (size_t)n > size) {
            errno = n < 0 ? errno : EIO;
            return false;
        }
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool sync_fully(int fd)
{
    int result;
    AGAIN_AFTER_SIGNALS(result, fsync(fd));
    return result == 0;
}

static bool rename_fully(const char *from, const char *to)
{
    int result;
    AGAIN_AFTER_SIGNALS(result, rename(from, to));
    return result == 0;
}

/* Writes the pieces, and sees that the system took as much as it said. */
static bool write_pieces(int fd, const weir__piece *pieces, size_t count)
{
    struct stat st;
    uintmax_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (!write_fully(fd, pieces[i].bytes, pieces[i].size))
            return false;
        size += pieces[i].size;
    }
    if (fstat(fd, &st))
        return false;
    errno = EIO;
    return (uintmax_t)st.st_size == size;
}

/* Creates a file that was not there, beside `path`: "path.N.tmp". Writes its name into `name`. */
static int create_beside(const char *path, mode_t mode, char *name, size_t name_size)
{
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(name, name_size, "%s.%ld-%u.tmp", path, (long)getpid(), attempt);
        int fd;
        AGAIN_AFTER_SIGNALS(fd, open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
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
    int fd;
    AGAIN_AFTER_SIGNALS(fd, open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return errno == EACCES; /* a folder that may be written but not read */
    bool good = sync_fully(fd) || errno == EINVAL;
    close(fd);
    return good;
}

/* Writes and syncs the temporary file and closes it in every case. */
static bool fill_file(int fd, const weir__piece *pieces, size_t count, const struct stat *old)
{
    bool good = write_pieces(fd, pieces, count) && (!old || fchmod(fd, old->st_mode & 0777) == 0) && sync_fully(fd);
    int error = errno;
    if (close(fd) && good && errno != EINTR) /* it is closed then too, and its bytes are on the disk */
        return false;
    errno = error;
    return good;
}

weir_status weir__file_write(const char *path, const void *bytes, size_t size, weir_error *err)
{
    return weir__file_write_pieces(path, &(weir__piece){bytes, size}, 1, err);
}

weir_status weir__file_write_pieces(const char *path, const weir__piece *pieces, size_t count, weir_error *err)
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
    } else if (!fill_file(fd, pieces, count, exists && S_ISREG(st.st_mode) ? &st : NULL) || !rename_fully(name, path)) {
        status = fail_errno(err, "write", path);
        unlink(name);
    } else if (!sync_folder_of(path, name)) {
        status = fail_errno(err, "sync the folder of", path);
    }
    weir__free(&a, name, name_size);
    return status ? status : weir__ok(err);
}
