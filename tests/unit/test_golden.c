/* Files that earlier versions wrote, and this one, load and give what they gave: tests/golden/README.md.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../golden/outputs.h"

#define GOLDEN WEIR_SOURCE_DIR "/tests/golden"

static void check_model(const char *path, weir_isa isa, struct golden_hashes expected)
{
    weir_model *model;
    weir_error err;
    struct golden_hashes found;
    if (weir_model_load(&model, path, isa, NULL, &err) || golden_hashes_of(model, &found, &err))
        fail_msg("%s: %s", path, err.text);
    if (found.weights != expected.weights || found.outputs != expected.outputs)
        fail_msg("%s gives %016" PRIx64 " %016" PRIx64 " on %s, not %016" PRIx64 " %016" PRIx64, path, found.weights, found.outputs,
                 weir_isa_name(isa), expected.weights, expected.outputs);
    weir_model_free(model);
}

static size_t models_in(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += strstr(entry->d_name, ".weir") != NULL;
    closedir(dir);
    return count;
}

/* Returns how many models it has. */
static size_t check_version(const char *version)
{
    char path[4096], name[64];
    snprintf(path, sizeof path, GOLDEN "/%s/hashes.txt", version);
    FILE *list = fopen(path, "r");
    if (!list)
        fail_msg("%s cannot be read", path);
    size_t lines = 0;
    struct golden_hashes expected;
    while (fscanf(list, "%63s %" SCNx64 " %" SCNx64, name, &expected.weights, &expected.outputs) == 3) {
        snprintf(path, sizeof path, GOLDEN "/%s/%s.weir", version, name);
        for (weir_isa isa = WEIR_ISA_BEST; isa < WEIR_ISA_REF64; isa++)
            if (weir_isa_available(isa))
                check_model(path, isa, expected);
        lines++;
    }
    assert_true(feof(list));
    fclose(list);
    snprintf(path, sizeof path, GOLDEN "/%s", version);
    if (lines != models_in(path))
        fail_msg("%s has %zu models, and hashes of %zu", path, models_in(path), lines);
    return lines;
}

static void test_every_version(void **state)
{
    (void)state;
    DIR *dir = opendir(GOLDEN);
    size_t models = 0;
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
            models += check_version(entry->d_name);
    closedir(dir);
    assert_true(models > 0);
}

static void test_this_version_has_its_models(void **state)
{
    (void)state;
    char version[32];
    snprintf(version, sizeof version, "%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR);
    assert_true(check_version(version) >= 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_version),
        cmocka_unit_test(test_this_version_has_its_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
