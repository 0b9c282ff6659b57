/* Settings by the amount of data, and what is said of them.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "defaults.h"

static const double sizes[] = {0, 1, 115, 18e3, 90e3, 270e3, 1.0038546e6, 1e7, 4.3e9};

static void every_text_gets_settings_that_training_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        training t = training_defaults();
        defaults_text(&t, sizes[i]);
        assert_in_range(t.model.hidden, 16, 1024);
        assert_in_range(t.model.layers, 1, 3);
        assert_in_range(t.batch, 8, 64);
        assert_in_range(t.steps, 16, 256);
        assert_in_range(t.epochs, 1, 30);
        assert_true(t.train.rate > 0 && t.train.rate < 0.1f);
        assert_true(t.train.dropout >= 0 && t.train.dropout < 1 && t.train.head_dropout >= 0 && t.train.head_dropout < 1);
        assert_int_equal(t.train.schedule, WEIR_COSINE);
    }
}

static void longer_texts_get_larger_batches_and_fewer_passes(void **state)
{
    (void)state;
    training before = training_defaults();
    defaults_text(&before, sizes[0]);
    for (size_t i = 1; i < sizeof sizes / sizeof *sizes; i++) {
        training t = training_defaults();
        defaults_text(&t, sizes[i]);
        assert_true(t.batch >= before.batch && t.epochs <= before.epochs && t.train.dropout <= before.train.dropout);
        before = t;
    }
}

/* Where neither rule is at its end: 50 sqrt(s) rows for 10 / sqrt(s) passes over s MB. */
static void texts_get_about_the_same_number_of_updates(void **state)
{
    (void)state;
    for (double bytes = 1.2e5; bytes < 1.6e6; bytes *= 1.1) {
        training t = training_defaults();
        defaults_text(&t, bytes);
        double updates = bytes * t.epochs / (t.batch * t.steps);
        assert_true(updates > 2700 && updates < 3600);
    }
}

static training all_given(void)
{
    training t = training_defaults();
    t.model.hidden = 24;
    t.model.layers = 1;
    t.batch = 4;
    t.steps = 16;
    t.epochs = 3;
    t.patience = 2;
    t.train.rate = 0.01f;
    t.train.schedule = WEIR_CONSTANT;
    t.train.dropout = t.train.head_dropout = t.train.weight_decay = 0;
    return t;
}

static void what_is_given_stays(void **state)
{
    (void)state;
    training given = all_given(), t = given;
    defaults_text(&t, 90e3);
    assert_memory_equal(&t, &given, sizeof t);
}

static void only_what_was_picked_is_told(void **state)
{
    (void)state;
    char told[1024];
    training given = training_defaults(), picked;
    given.model.layers = 1;
    given.epochs = 3;
    picked = given;
    defaults_text(&picked, 90e3);
    picked.train.rows = picked.batch;
    picked.train.steps = picked.steps;
    defaults_explain(told, sizeof told, TASK_TEXT, 90e3, &given, &picked);
    assert_non_null(strstr(told, "hidden "));
    assert_non_null(strstr(told, "batch 15, steps 64: "));
    assert_non_null(strstr(told, "90 kB"));
    assert_null(strstr(told, "layers"));
    assert_null(strstr(told, "epochs 3"));
    assert_true(told[strlen(told) - 1] != '\n');

    given = all_given();
    defaults_explain(told, sizeof told, TASK_TEXT, 90e3, &given, &given);
    assert_string_equal(told, "");
}

static void a_rate_to_be_found_is_not_said_to_be_picked(void **state)
{
    (void)state;
    char told[1024];
    training given = training_defaults();
    given.find_rate = true;
    training picked = given;
    defaults_text(&picked, 90e3);
    defaults_explain(told, sizeof told, TASK_TEXT, 90e3, &given, &picked);
    assert_null(strstr(told, "rate 0.0"));
}

static void the_recipes_of_tables_are_told_in_one_line(void **state)
{
    (void)state;
    char told[1024];
    training given = training_defaults(), picked = all_given();
    defaults_explain(told, sizeof told, TASK_SERIES, 500, &given, &picked);
    assert_non_null(strstr(told, "hidden 24, layers 1"));
    assert_non_null(strstr(told, "500 rows"));
    assert_null(strchr(told, '\n'));
    defaults_explain(told, sizeof told, TASK_LABELS, 60, &given, &picked);
    assert_non_null(strstr(told, "patience 2"));
}

static void a_text_too_short_for_the_sentences_is_ended(void **state)
{
    (void)state;
    char told[40];
    training given = training_defaults(), picked = given;
    defaults_text(&picked, 90e3);
    memset(told, 'x', sizeof told);
    defaults_explain(told, 16, TASK_TEXT, 90e3, &given, &picked);
    assert_true(strlen(told) < 16);
    assert_int_equal(told[16], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_gets_settings_that_training_accepts),
        cmocka_unit_test(longer_texts_get_larger_batches_and_fewer_passes),
        cmocka_unit_test(texts_get_about_the_same_number_of_updates),
        cmocka_unit_test(what_is_given_stays),
        cmocka_unit_test(only_what_was_picked_is_told),
        cmocka_unit_test(a_rate_to_be_found_is_not_said_to_be_picked),
        cmocka_unit_test(the_recipes_of_tables_are_told_in_one_line),
        cmocka_unit_test(a_text_too_short_for_the_sentences_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
