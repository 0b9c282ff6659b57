/* SPDX-License-Identifier: MIT */
#include "data/big.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/fail.h"

static const char *folder(void)
{
    const char *wanted = getenv("TMPDIR");
    return wanted && *wanted ? wanted : "/tmp";
}

int data_temporary(const char *what, weir_error *err)
{
    size_t length = strlen(folder()) + sizeof "/weir-XXXXXX";
    char *name = malloc(length);
    if (!name) {
        data_no_memory(err);
        return -1;
    }
    snprintf(name, length, "%s/weir-XXXXXX", folder());
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name); /* the file lives as long as it is open or mapped */
    else
        data_fail(err, WEIR_E_IO, "there can be no temporary file for %s in %s: %s; set TMPDIR to another folder", what, folder(),
                  strerror(errno));
    free(name);
    return fd;
}

weir_status data_temporary_full(const char *what, uint64_t bytes, int reason, weir_error *err)
{
    return data_fail(err, WEIR_E_IO, "the temporary file for %s cannot hold %llu MiB in %s: %s; set TMPDIR to a folder with room",
                     what, (unsigned long long)(bytes >> 20), folder(), strerror(reason));
}

/* Blocks are taken before they are mapped: a page that a full disk could not hold would end the program. */
static weir_status extend_file(big *b, size_t room, const char *what, weir_error *err)
{
    int reason;
    while ((reason = posix_fallocate(b->fd, 0, (off_t)room)) == EINTR)
        ;
    return reason ? data_temporary_full(what, room, reason, err) : WEIR_OK;
}

/* From memory, or from a smaller map, to a map of `room` bytes. */
static weir_status grow_file(big *b, size_t room, const char *what, weir_error *err)
{
    if (!b->growing) {
        b->fd = data_temporary(what, err);
        if (b->fd < 0)
            return WEIR_E_IO;
        b->growing = true;
    }
    weir_status status = extend_file(b, room, what, err);
    if (status)
        return status;
    void *map = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
    if (map == MAP_FAILED)
        return data_fail(err, WEIR_E_NOMEM, "%s cannot be mapped: %s", what, strerror(errno));
    if (b->mapped)
        munmap(b->data, b->room);
    else {
        if (b->size)
            memcpy(map, b->data, b->size);
        free(b->data);
    }
    b->mapped = true;
    b->data = map;
    b->room = room;
    return WEIR_OK;
}

weir_status big_reserve(big *b, size_t more, const char *what, weir_error *err)
{
    if (more <= b->room - b->size)
        return WEIR_OK;
    if (more > SIZE_MAX / 4 || b->size > SIZE_MAX / 4)
        return data_no_memory(err);
    size_t needed = b->size + more, room = needed + needed / 4 + 4096;
    if (needed > BIG_IN_MEMORY)
        return grow_file(b, b->size ? room : needed, what, err); /* the first time all of it may be known */
    room = room < BIG_IN_MEMORY ? room : BIG_IN_MEMORY;
    void *data = realloc(b->data, room);
    if (!data)
        return data_no_memory(err);
    b->data = data;
    b->room = room;
    return WEIR_OK;
}

weir_status big_append(big *b, const void *bytes, size_t n, const char *what, weir_error *err)
{
    weir_status status = big_reserve(b, n, what, err);
    if (status)
        return status;
    if (n)
        memcpy((char *)b->data + b->size, bytes, n);
    b->size += n;
    return WEIR_OK;
}

weir_status big_zeros(big *b, size_t size, const char *what, weir_error *err)
{
    weir_status status = big_reserve(b, size, what, err);
    if (status)
        return status;
    if (!b->mapped && size)
        memset(b->data, 0, size);
    b->size = size;
    big_finish(b);
    return WEIR_OK;
}

void big_finish(big *b)
{
    if (!b->growing)
        return;
    if (b->size && ftruncate(b->fd, (off_t)b->size) == 0) { /* what is behind the end is never looked at */
        size_t page = (size_t)sysconf(_SC_PAGESIZE), kept = (b->size + page - 1) / page * page;
        if (kept < b->room && munmap((char *)b->data + kept, b->room - kept) == 0)
            b->room = kept;
    }
    close(b->fd);
    b->growing = false;
}

void big_free(big *b)
{
    if (b->growing)
        close(b->fd);
    if (b->mapped)
        munmap(b->data, b->room);
    else
        free(b->data);
    *b = (big){0};
}
