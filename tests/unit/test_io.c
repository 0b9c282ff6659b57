/* SPDX-License-Identifier: MIT */
#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static weir_allocator heap;

/* Each test runs in an empty folder of its own. */
static int enter(void **state)
{
    heap = weir__allocator(NULL);
    char *folder = strdup("io-XXXXXX");
    if (!mkdtemp(folder) || chdir(folder))
        return -1;
    *state = folder;
    return 0;
}

static int leave(void **state)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    free(*state);
    return chdir("..") || system(command);
}

static size_t files_here(void)
{
    size_t n = 0;
    DIR *here = opendir(".");
    for (struct dirent *entry; (entry = readdir(here));)
        n += entry->d_name[0] != '.';
    closedir(here);
    return n;
}

static void assert_written(const char *path, const void *bytes, size_t size)
{
    weir_error err;
    if (weir__file_write(path, bytes, size, &err))
        fail_msg("%s", err.text);
    assert_int_equal(err.status, WEIR_OK);
}

static void assert_content(const char *path, const void *bytes, size_t size)
{
    weir_error err;
    void *got;
    size_t got_size;
    if (weir__file_read(&heap, path, size, &got, &got_size, &err))
        fail_msg("%s", err.text);
    assert_int_equal(got_size, size);
    if (size)
        assert_memory_equal(got, bytes, size);
    weir__free(&heap, got, got_size);
}

static void assert_unreadable(const char *path, size_t limit, weir_status status, const char *says)
{
    weir_error err;
    void *bytes = &err;
    size_t size = 1;
    assert_int_equal(weir__file_read(&heap, path, limit, &bytes, &size, &err), status);
    assert_null(bytes);
    assert_int_equal(size, 0);
    assert_int_equal(err.status, status);
    assert_non_null(strstr(err.text, path));
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
}

static void assert_unwritable(const char *path, const void *bytes, size_t size, const char *says)
{
    weir_error err;
    size_t before = files_here();
    assert_int_equal(weir__file_write(path, bytes, size, &err), WEIR_E_IO);
    assert_int_equal(err.status, WEIR_E_IO);
    assert_non_null(strstr(err.text, path));
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    assert_int_equal(files_here(), before);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    enum { LARGEST = 300000 };
    unsigned char *bytes = malloc(LARGEST);
    for (size_t i = 0; i < LARGEST; i++)
        bytes[i] = (unsigned char)(i * i >> 3);
    const size_t sizes[] = {0, 1, 4096, LARGEST, 17};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_written("file", bytes, sizes[i]);
        assert_content("file", bytes, sizes[i]);
        assert_int_equal(files_here(), 1);
    }
    free(bytes);
}

static void reading_has_a_bound(void **state)
{
    (void)state;
    assert_written("file", "0123456789", 10);
    assert_content("file", "0123456789", 10);
    assert_unreadable("file", 9, WEIR_E_FORMAT, "at most 9");
}

static void pieces_are_read(void **state)
{
    (void)state;
    assert_written("file", "0123456789", 10);
    weir__file f;
    weir_error err;
    char piece[4] = "";
    assert_int_equal(weir__file_open(&f, "file", 10, &err), WEIR_OK);
    assert_int_equal(f.size, 10);
    assert_int_equal(weir__file_read_at(&f, 6, piece, 4, &err), WEIR_OK);
    assert_memory_equal(piece, "6789", 4);
    assert_int_equal(weir__file_read_at(&f, 10, piece, 0, &err), WEIR_OK);
    assert_int_equal(weir__file_read_at(&f, 7, piece, 4, &err), WEIR_E_IO);
    assert_non_null(strstr(err.text, "file changed its size"));
    weir__file_close(&f);
    weir__file_close(&f);
    assert_int_equal(weir__file_open(&f, "file", 9, &err), WEIR_E_FORMAT);
    assert_int_equal(weir__file_open(&f, ".", 9, &err), WEIR_E_IO);
    assert_int_equal(f.fd, -1);
}

static void only_regular_files_are_read(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(mkfifo("pipe", 0666), 0);
    assert_unreadable("missing", 100, WEIR_E_IO, "No such file");
    assert_unreadable("folder", 100, WEIR_E_IO, "not a regular file");
    assert_unreadable("pipe", 100, WEIR_E_IO, "not a regular file");
    assert_unreadable("/dev/zero", 100, WEIR_E_IO, "not a regular file");
}

/* /proc's files say that they have 0 bytes and then have some. */
static void a_file_that_grows_is_refused(void **state)
{
    (void)state;
    if (access("/proc/self/status", R_OK))
        skip();
    assert_unreadable("/proc/self/status", 1 << 20, WEIR_E_IO, "changed its size");
}

static void only_regular_files_are_written(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(mkfifo("pipe", 0666), 0);
    assert_written("file", "x", 1);
    assert_unwritable("folder", "new", 3, "it is a folder");
    assert_unwritable("pipe", "new", 3, "not a regular file");
    assert_unwritable("/dev/full", "new", 3, "not a regular file");
    assert_unwritable("file/below", "new", 3, "Not a directory");
    assert_unwritable("missing/below", "new", 3, "No such file");
    assert_unwritable("", "new", 3, "");
    assert_content("file", "x", 1);
}

/* A disk that fills up half-way, by the limit on a file's size. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    static const unsigned char zeros[20000];
    assert_written("file", "old", 3);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){10000, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_unwritable("file", zeros, sizeof zeros, "File too large");
    assert_unwritable("new", zeros, sizeof zeros, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_content("file", "old", 3);
    assert_int_equal(files_here(), 1);
}

static void a_link_is_replaced_not_followed(void **state)
{
    (void)state;
    assert_written("target", "safe", 4);
    assert_int_equal(symlink("target", "link"), 0);
    assert_written("link", "new", 3);
    assert_content("link", "new", 3);
    assert_content("target", "safe", 4);
    struct stat st;
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void permissions_are_kept(void **state)
{
    (void)state;
    mode_t mask = umask(027);
    assert_written("file", "a", 1);
    assert_int_equal(mode_of("file"), 0640);
    assert_int_equal(chmod("file", 0604), 0);
    assert_written("file", "b", 1);
    assert_int_equal(mode_of("file"), 0604);
    umask(mask);
}

/* Who has the old file open keeps it whole. */
static void an_open_old_file_stays_as_it_was(void **state)
{
    (void)state;
    assert_written("file", "old content", 11);
    int fd = open("file", O_RDONLY);
    assert_written("file", "new", 3);
    char bytes[32];
    assert_int_equal(read(fd, bytes, sizeof bytes), 11);
    assert_memory_equal(bytes, "old content", 11);
    close(fd);
}

static void a_reader_sees_one_version_or_the_other(void **state)
{
    (void)state;
    enum { SIZE = 50000 };
    static char versions[2][SIZE];
    memset(versions[0], 'a', SIZE);
    memset(versions[1], 'b', SIZE);
    assert_written("file", versions[0], SIZE);
    pid_t writer = fork();
    if (writer == 0) {
        for (int i = 0; i < 200; i++)
            if (weir__file_write("file", versions[i % 2], SIZE - (size_t)(i % 2), NULL))
                _exit(1);
        _exit(0);
    }
    int status = 0;
    while (waitpid(writer, &status, WNOHANG) == 0) {
        void *bytes;
        size_t size;
        assert_int_equal(weir__file_read(&heap, "file", SIZE, &bytes, &size, NULL), WEIR_OK);
        const char *version = versions[((char *)bytes)[0] == 'b'];
        assert_int_equal(size, version == versions[1] ? SIZE - 1 : SIZE);
        assert_memory_equal(bytes, version, size);
        weir__free(&heap, bytes, size);
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(files_here(), 1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_written_is_read),          IN_FOLDER(reading_has_a_bound),
        IN_FOLDER(only_regular_files_are_read),      IN_FOLDER(a_file_that_grows_is_refused),
        IN_FOLDER(only_regular_files_are_written),   IN_FOLDER(a_full_disk_leaves_the_old_file),
        IN_FOLDER(a_link_is_replaced_not_followed),  IN_FOLDER(permissions_are_kept),
        IN_FOLDER(an_open_old_file_stays_as_it_was), IN_FOLDER(a_reader_sees_one_version_or_the_other),
        IN_FOLDER(pieces_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
