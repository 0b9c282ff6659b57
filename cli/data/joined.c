/* SPDX-License-Identifier: MIT */
#include "data/joined.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/big.h"
#include "data/fail.h"

enum { MOST_OPEN = 128, PIECE = 1 << 20 };

/* ---- Opening ---- */

/* Takes over the file's descriptor. */
static weir_status copy_to_temporary(joined_file *f, weir_error *err)
{
    unsigned char *piece = malloc(PIECE);
    int to = piece ? data_temporary(f->path, err) : -1;
    weir_status status = !piece ? data_no_memory(err) : to < 0 ? err->status : WEIR_OK;
    f->size = 0;
    for (size_t got = PIECE; got == PIECE && !status; f->size += got) {
        status = data_read(f->fd, f->path, piece, PIECE, &got, err);
        if (!status && !data_write(to, piece, got))
            status = data_temporary_full(f->path, f->size + got, errno, err);
    }
    free(piece);
    close(f->fd);
    f->fd = to;
    f->copied = true;
    return status;
}

static weir_status open_file(joined_file *f, const char *path, bool keep, weir_error *err)
{
    uint64_t size;
    *f = (joined_file){.path = path, .fd = data_open(path, &size, err)};
    if (f->fd < 0)
        return err->status;
    if (size == UINT64_MAX)
        return copy_to_temporary(f, err);
    f->size = size;
    if (!keep) {
        close(f->fd);
        f->fd = -1;
    }
    return WEIR_OK;
}

weir_status joined_open(joined *j, char *const *paths, size_t count, weir_error *err)
{
    j->file = calloc(count + 1, sizeof *j->file);
    if (!j->file)
        return data_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        weir_status status = open_file(j->file + i, paths[i], count <= MOST_OPEN, err);
        j->count++;
        if (status)
            return status;
        j->file[i].first = j->size;
        j->size += j->file[i].size;
    }
    return WEIR_OK;
}

void joined_close(joined *j)
{
    for (size_t i = 0; i < j->count; i++)
        if (j->file[i].fd >= 0)
            close(j->file[i].fd);
    free(j->file);
    *j = (joined){0};
}

/* ---- Reading ---- */

/* fd negative: whatever has the name now */
static weir_status check_size(const joined_file *f, int fd, weir_error *err)
{
    struct stat st;
    if (!f->copied && (fd < 0 ? stat(f->path, &st) : fstat(fd, &st)) == 0 && (uint64_t)st.st_size != f->size)
        return data_fail(err, WEIR_E_IO,
                         "%s has changed from %llu to %llu bytes while it is read; start again when it stays as it is", f->path,
                         (unsigned long long)f->size, (unsigned long long)st.st_size);
    return WEIR_OK;
}

weir_status joined_check(const joined *j, weir_error *err)
{
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < j->count && !status; i++)
        status = check_size(j->file + i, j->file[i].fd, err);
    return status;
}

static weir_status read_open(const joined_file *f, int fd, uint64_t from, size_t n, unsigned char *bytes, weir_error *err)
{
    weir_status status = check_size(f, fd, err);
    for (size_t done = 0; done < n && !status;) {
        ssize_t got = pread(fd, bytes + done, n - done, (off_t)(from + done));
        if (got > 0)
            done += (size_t)got;
        else if (got == 0) {
            status = check_size(f, fd, err);
            if (!status)
                status = data_fail(err, WEIR_E_IO, "%s ends before its %llu bytes", f->path, (unsigned long long)f->size);
        } else if (errno != EINTR)
            status = data_fail(err, WEIR_E_IO, "%s cannot be read: %s", f->path, strerror(errno));
    }
    return status;
}

static weir_status read_file(const joined_file *f, uint64_t from, size_t n, unsigned char *bytes, weir_error *err)
{
    if (f->fd >= 0)
        return read_open(f, f->fd, from, n, bytes, err);
    uint64_t size;
    int fd = data_open(f->path, &size, err);
    if (fd < 0)
        return err->status;
    weir_status status = read_open(f, fd, from, n, bytes, err);
    close(fd);
    return status;
}

/* The last file that begins at or before a place. */
static size_t file_at(const joined *j, uint64_t place)
{
    size_t from = 0, end = j->count;
    while (end - from > 1) {
        size_t middle = from + (end - from) / 2;
        if (j->file[middle].first <= place)
            from = middle;
        else
            end = middle;
    }
    return from;
}

weir_status joined_read(const joined *j, uint64_t from, size_t n, unsigned char *bytes, weir_error *err)
{
    weir_status status = WEIR_OK;
    for (size_t i = n ? file_at(j, from) : 0; n && !status; i++) {
        const joined_file *f = j->file + i;
        uint64_t left = f->first + f->size - from;
        size_t part = left < n ? (size_t)left : n;
        status = part ? read_file(f, from - f->first, part, bytes, err) : WEIR_OK;
        from += part;
        bytes += part;
        n -= part;
    }
    return status;
}
