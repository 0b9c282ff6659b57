/* Texts read by windows: every batch is that of the whole text in memory; files that change, pipes, many files.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/big.h"
#include "data/joined.h"
#include "data/text.h"

enum { SIZE = 900001 };

static unsigned char whole[SIZE];

static int make_bytes(void **state)
{
    (void)state;
    uint32_t noise = 7;
    for (size_t i = 0; i < SIZE; i++) {
        noise = noise * 1664525 + 1013904223;
        whole[i] = (unsigned char)(noise >> 24) % 97 * 2; /* bytes 0, 2 .. 192 */
    }
    return 0;
}

static void write_file(const char *path, size_t from, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(whole + from, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* The batches of a part of the text, against the rule in text.h. */
static void compare_part(const weir_source *source, size_t begin, size_t size, uint32_t rows, uint32_t steps)
{
    weir_error err;
    size_t length = (size - 1) / rows;
    assert_int_equal(source->batches, (length + steps - 1) / steps);
    for (size_t i = 0; i < source->batches; i++) {
        weir_batch b;
        if (source->get(source->ctx, 1, i, &b, &err))
            fail_msg("%s", err.text);
        size_t left = length - i * steps;
        assert_int_equal(b.steps, left < steps ? left : steps);
        assert_int_equal(b.rows, rows);
        assert_int_equal(b.carry, i > 0);
        for (size_t t = 0; t < b.steps; t++)
            for (size_t r = 0; r < rows; r++) {
                const unsigned char *at = whole + begin + r * length + i * steps + t;
                if (b.tokens[t * rows + r] != at[0] / 2u || b.classes[t * rows + r] != at[1] / 2u)
                    fail_msg("batch %zu, step %zu, stream %zu differs", i, t, r);
            }
    }
}

static void compare(char **paths, size_t count, uint32_t rows, uint32_t steps)
{
    weir_error err;
    text *t;
    weir_config model = {0};
    weir_train_config train = {0};
    weir_fit fit = {0};
    if (text_open(&t, paths, count, &(text_options){.split = 0.7, .batch = rows, .steps = steps}, &err))
        fail_msg("%s", err.text);
    text_configure(t, &model, &train, &fit);
    assert_int_equal(model.tokens, 97);
    size_t cut = (size_t)(0.7 * SIZE);
    compare_part(fit.train, 0, cut, rows, steps);
    compare_part(fit.valid, cut, SIZE - cut, rows, steps);
    compare_part(fit.train, 0, cut, rows, steps); /* the next epoch */
    text_free(t);
}

static void batches_are_those_of_the_whole(void **state)
{
    (void)state;
    char *one[] = {"whole"}, *parts[] = {"part1", "part2", "part3", "part4"};
    write_file("whole", 0, SIZE);
    write_file("part1", 0, 1);
    write_file("part2", 1, 200000);
    write_file("part3", 200001, 0);
    write_file("part4", 200001, SIZE - 200001);
    static const uint32_t shapes[][2] = {{1, 64}, {3, 1000}, {2, 70000}, {50, 64}, {700, 3}, {5, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        compare(one, 1, shapes[i][0], shapes[i][1]);
        compare(parts, 4, shapes[i][0], shapes[i][1]);
    }
}

static void many_files_are_opened_when_they_are_read(void **state)
{
    (void)state;
    enum { FILES = 300 };
    char names[FILES][24], *paths[FILES];
    mkdir("many", 0777);
    for (size_t i = 0; i < FILES; i++) {
        size_t from = i * (SIZE / FILES);
        snprintf(names[i], sizeof names[i], "many/%zu", i);
        paths[i] = names[i];
        write_file(names[i], from, i + 1 == FILES ? SIZE - from : SIZE / FILES);
    }
    compare(paths, FILES, 7, 500);
}

static void refuse_changed(size_t size)
{
    weir_error err;
    text *t;
    weir_config model = {0};
    weir_train_config train = {0};
    weir_fit fit = {0};
    weir_batch b;
    char *path[] = {"changing"};
    write_file("changing", 0, SIZE);
    assert_int_equal(text_open(&t, path, 1, &(text_options){.batch = 2}, &err), WEIR_OK);
    text_configure(t, &model, &train, &fit);
    assert_int_equal(fit.train->get(fit.train->ctx, 1, 0, &b, &err), WEIR_OK);
    assert_int_equal(truncate("changing", (off_t)size), 0);
    size_t i = 1;
    while (i < fit.train->batches && !fit.train->get(fit.train->ctx, 1, i, &b, &err))
        i++;
    assert_true(i < fit.train->batches);
    char sentence[128];
    snprintf(sentence, sizeof sentence, "changing has changed from %d to %zu bytes while it is read", (int)SIZE, size);
    if (!strstr(err.text, sentence))
        fail_msg("%s", err.text);
    assert_int_equal(fit.train->get(fit.train->ctx, 1, i, &b, &err), WEIR_E_IO); /* it stays so */
    text_free(t);
}

static void a_file_that_changes_is_noticed(void **state)
{
    (void)state;
    refuse_changed(SIZE + 1);
    refuse_changed(SIZE / 2);
    refuse_changed(0);
}

/* ---- Arrays larger than memory ---- */

static void big_arrays_go_to_a_file(void **state)
{
    (void)state;
    weir_error err;
    big b = {0};
    for (uint32_t i = 0; i < 3 * BIG_IN_MEMORY / 256; i++) {
        uint32_t words[64];
        for (uint32_t j = 0; j < 64; j++)
            words[j] = 64 * i + j;
        if (big_append(&b, words, sizeof words, "the numbers", &err))
            fail_msg("%s", err.text);
        assert_int_equal(b.mapped, b.size > BIG_IN_MEMORY);
    }
    big_finish(&b);
    for (uint32_t i = 0; i < b.size / 4; i++)
        if (((uint32_t *)b.data)[i] != i)
            fail_msg("number %u is %u", i, ((uint32_t *)b.data)[i]);
    big_free(&b);
    assert_int_equal(big_zeros(&b, (size_t)2 * BIG_IN_MEMORY + 1, "the zeros", &err), WEIR_OK);
    assert_true(b.mapped);
    for (size_t i = 0; i < b.size; i++)
        assert_true(((char *)b.data)[i] == 0);
    big_free(&b);
}

static void a_folder_that_is_missing_or_full_is_named(void **state)
{
    (void)state;
    weir_error err;
    big b = {0};
    setenv("TMPDIR", "/nowhere", 1);
    assert_int_equal(big_zeros(&b, (size_t)2 * BIG_IN_MEMORY, "the rows of x.csv", &err), WEIR_E_IO);
    assert_non_null(strstr(
        err.text, "there can be no temporary file for the rows of x.csv in /nowhere: No such file or directory; set TMPDIR"));
    setenv("TMPDIR", ".", 1);
    assert_int_equal(big_zeros(&b, SIZE_MAX / 8, "the rows of x.csv", &err), WEIR_E_IO);
    assert_non_null(strstr(err.text, "the temporary file for the rows of x.csv cannot hold 2199023255551 MiB in .: "));
    assert_non_null(strstr(err.text, "; set TMPDIR to a folder with room"));
    assert_int_equal(big_zeros(&b, SIZE_MAX / 2, "the rows of x.csv", &err), WEIR_E_NOMEM);
    unsetenv("TMPDIR");
    big_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_those_of_the_whole),
        cmocka_unit_test(many_files_are_opened_when_they_are_read),
        cmocka_unit_test(a_file_that_changes_is_noticed),
        cmocka_unit_test(big_arrays_go_to_a_file),
        cmocka_unit_test(a_folder_that_is_missing_or_full_is_named),
    };
    return cmocka_run_group_tests(tests, make_bytes, NULL);
}
