/* What a checkpoint keeps of the epochs, and logs that are continued.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

static progress with_epochs(uint32_t epochs)
{
    progress p = {.history = calloc(epochs, sizeof *p.history), .epochs = epochs, .epoch_start = progress_clock() - 2};
    for (uint32_t i = 0; i < epochs; i++)
        p.history[i] = (epoch_record){{.epoch = i + 1, .train_loss = 1 / (i + 3.0), .valid_loss = i % 2 ? (double)NAN : 1 / (i + 7.0),
                                       .rate = 0.1, .epoch_done = true, .best = i % 3 == 0},
                                      i * 0.25};
    return p;
}

static void epochs_come_back_exactly(void **state)
{
    (void)state;
    for (uint32_t epochs = 0; epochs <= 200000; epochs = epochs * 5 + 1) {
        progress p = with_epochs(epochs), q = {0};
        weir_progress now = {.epoch = epochs + 1, .epochs = epochs + 9, .batch = 1, .batches = 4};
        json_t *json = progress_to_json(&p);
        char *text = json_dumps(json, JSON_COMPACT);
        assert_true(strlen(text) < 7 << 20); /* notes have 8 MiB */
        json_decref(json);
        json = json_loads(text, 0, NULL);
        assert_true(progress_from_json(&q, json, &now));
        assert_true(q.elapsed >= 2 && q.elapsed < 600 && q.before == epochs + 0.25);
        assert_true(q.epochs == epochs || (epochs > 65536 && q.epochs <= 65536 && q.epochs > 32768));
        for (size_t i = 0; i < q.epochs; i++) {
            const epoch_record *a = q.history + i, *b = p.history + a->at.epoch - 1;
            assert_true(a->at.train_loss == b->at.train_loss && a->seconds == b->seconds && a->at.best == b->at.best);
            assert_true(a->at.valid_loss == b->at.valid_loss || (isnan(a->at.valid_loss) && isnan(b->at.valid_loss)));
            assert_true(i == 0 || a->at.epoch > a[-1].at.epoch);
        }
        assert_true(!epochs || q.history[q.epochs - 1].at.epoch == epochs);
        json_decref(json);
        free(text);
        progress_free(&p);
        progress_free(&q);
    }
}

static void other_json_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "[]", "{\"elapsed\": -1, \"epochs\": []}", "{\"elapsed\": 1, \"epochs\": {}}",
                                        "{\"elapsed\": 1, \"epochs\": [[1, 2, 3]]}", "{\"elapsed\": 1, \"epochs\": [1]}"};
    weir_progress now = {.epoch = 1, .epochs = 2, .batches = 4};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        progress p = {0};
        json_t *json = json_loads(texts[i], 0, NULL);
        assert_false(progress_from_json(&p, json, &now));
        json_decref(json);
        progress_free(&p);
    }
}

static char *log_after(const char *before, uint32_t epochs, int expected)
{
    static char text[4096];
    progress p = with_epochs(epochs);
    FILE *f = fopen("log.jsonl", "w");
    fputs(before, f);
    fclose(f);
    assert_int_equal(progress_open_log(&p, "log.jsonl", true), expected);
    assert_int_equal(progress_close_log(&p, "log.jsonl"), 0);
    progress_free(&p);
    f = fopen("log.jsonl", "r");
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

#define FIRST "{\"epoch\": 1, \"train_loss\": 0.333333333, \"valid_loss\": 0.142857143, \"seconds\": 0, \"rate\": 0.1, \"best\": true}\n"
#define SECOND "{\"epoch\": 2, \"train_loss\": 0.25, \"valid_loss\": null, \"seconds\": 0.25, \"rate\": 0.1, \"best\": false}\n"
#define LATER "{\"epoch\": 3, \"train_loss\": 77, \"valid_loss\": 1}\n"

static void logs_are_continued(void **state)
{
    (void)state;
    assert_string_equal(log_after("", 2, 0), FIRST SECOND);
    assert_string_equal(log_after(FIRST, 2, 0), FIRST SECOND);
    assert_string_equal(log_after(FIRST SECOND, 2, 0), FIRST SECOND);
    assert_string_equal(log_after(FIRST SECOND LATER, 2, 0), FIRST SECOND LATER); /* of the run that was killed */
    const char second[] = SECOND;
    for (size_t cut = 1; cut < sizeof second - 1; cut++) {
        char torn[1024];
        snprintf(torn, sizeof torn, FIRST "%.*s", (int)cut, second);
        assert_string_equal(log_after(torn, 2, 0), FIRST SECOND);
    }
    static const char *const strange[] = {"diary\n", SECOND FIRST, FIRST FIRST, LATER SECOND, FIRST "\n" SECOND,
                                          "{\"epoch\": 1, \"train_loss\": 0.4, \"valid_loss\": 0.142857143}\n",
                                          "{\"epoch\": 1, \"train_loss\": 0.333333333, \"valid_loss\": null}\n",
                                          "{\"epoch\": 99999999999, \"train_loss\": 1, \"valid_loss\": 1}\n"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_string_equal(log_after(strange[i], 2, 1), strange[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_come_back_exactly),
        cmocka_unit_test(other_json_is_refused),
        cmocka_unit_test(logs_are_continued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
