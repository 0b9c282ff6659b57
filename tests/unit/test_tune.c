/* The parts of weir tune: what is tried, the log, the median rule, the range test's pick.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tune_log.h"

/* ---- What is tried ---- */

static training usual(void)
{
    training t = training_defaults();
    t.model.hidden = 128;
    t.model.layers = 2;
    t.train.rate = 0.004f;
    t.train.rows = 15;
    t.train.steps = 64;
    return t;
}

static const char *find(const tune_draw *d, const char *option)
{
    for (size_t i = 0; i < d->count; i++)
        if (strncmp(d->argument[i], option, strlen(option)) == 0)
            return d->argument[i];
    return NULL;
}

static void the_first_trial_is_the_defaults(void **state)
{
    (void)state;
    tune_draw d;
    training given = training_defaults(), base = usual();
    tune_draw_trial(&d, 1, 0, TASK_TEXT, &given, &base);
    assert_int_equal(d.count, 0);
}

static void a_trial_is_fixed_by_seed_and_number(void **state)
{
    (void)state;
    training given = training_defaults(), base = usual();
    for (uint32_t trial = 1; trial < 50; trial++) {
        tune_draw a, b, other_trial, other_seed;
        tune_draw_trial(&a, 7, trial, TASK_TEXT, &given, &base);
        tune_draw_trial(&b, 7, trial, TASK_TEXT, &given, &base);
        tune_draw_trial(&other_trial, 7, trial + 1, TASK_TEXT, &given, &base);
        tune_draw_trial(&other_seed, 8, trial, TASK_TEXT, &given, &base);
        assert_memory_equal(&a, &b, sizeof a);
        assert_true(memcmp(&a, &other_trial, sizeof a) != 0);
        assert_true(memcmp(&a, &other_seed, sizeof a) != 0);
    }
}

/* Draws many trials: each setting comes in all its values, and rates from a sixth to six times the usual, half of them below it. */
static void trials_cover_the_space(void **state)
{
    (void)state;
    enum { TRIALS = 2000 };
    training given = training_defaults(), base = usual();
    unsigned layers[4] = {0}, hidden[257] = {0}, schedules[3] = {0}, bare = 0, low = 0;
    for (uint32_t trial = 1; trial <= TRIALS; trial++) {
        tune_draw d;
        tune_draw_trial(&d, 1, trial, TASK_TEXT, &given, &base);
        double rate = strtod(find(&d, "--rate=") + strlen("--rate="), NULL);
        assert_true(rate >= 0.004 / 6 * 0.95 && rate <= 0.004 * 6 * 1.05);
        low += rate < 0.004;
        layers[strtoul(find(&d, "--layers=") + strlen("--layers="), NULL, 10)]++;
        hidden[strtoul(find(&d, "--hidden=") + strlen("--hidden="), NULL, 10)]++;
        bare += find(&d, "--no-peepholes") != NULL;
        for (size_t i = 0; i < 3; i++)
            schedules[i] += strcmp(find(&d, "--schedule=") + strlen("--schedule="), schedule_names[i]) == 0;
    }
    assert_in_range(low, TRIALS * 9 / 20, TRIALS * 11 / 20);
    assert_in_range(bare, TRIALS * 9 / 20, TRIALS * 11 / 20);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(layers[i + 1], TRIALS * 3 / 10, TRIALS * 2 / 5);
        assert_in_range(schedules[i], TRIALS * 3 / 10, TRIALS * 2 / 5);
    }
    static const unsigned units[] = {64, 96, 128, 192, 256};
    for (size_t i = 0; i < 5; i++)
        assert_in_range(hidden[units[i]], TRIALS * 3 / 20, TRIALS / 4);
}

static void what_is_given_is_not_tried_and_changes_nothing_else(void **state)
{
    (void)state;
    training given = training_defaults(), some = given, base = usual();
    some.model.hidden = 40;
    some.train.rate = 0.01f;
    some.train.dropout = 0;
    for (uint32_t trial = 1; trial < 20; trial++) {
        tune_draw all, rest;
        tune_draw_trial(&all, 1, trial, TASK_TEXT, &given, &base);
        tune_draw_trial(&rest, 1, trial, TASK_TEXT, &some, &base);
        assert_null(find(&rest, "--hidden"));
        assert_null(find(&rest, "--rate"));
        assert_null(find(&rest, "--dropout"));
        assert_int_equal(rest.count + 3, all.count);
        for (size_t i = 0; i < rest.count; i++)
            assert_non_null(find(&all, rest.argument[i]));
    }
}

static void labels_keep_whole_sequences(void **state)
{
    (void)state;
    tune_draw d;
    training given = training_defaults(), base = usual();
    tune_draw_trial(&d, 1, 1, TASK_LABELS, &given, &base);
    assert_null(find(&d, "--steps"));
}

/* ---- The log ---- */

static json_t *search_of(const char *what)
{
    return json_pack("{s:s}", "data", what);
}

static tune_trial trial_of(uint32_t number, double valid, uint32_t epochs, const double *curve)
{
    tune_trial t = {.number = number, .valid = valid, .train = valid / 2, .epochs = epochs, .best_epoch = 1, .seconds = 1.5};
    snprintf(t.model, sizeof t.model, "abcdef0123456789");
    t.curve = malloc((epochs + (size_t)1) * sizeof *t.curve);
    memcpy(t.curve, curve, epochs * sizeof *t.curve);
    snprintf(t.draw.argument[t.draw.count++], TUNE_ARGUMENT, "--rate=0.00%u", (unsigned)number + 1);
    for (size_t i = 0; i < TUNE_SETTINGS; i++)
        t.values[i] = (double)i / 3;
    return t;
}

static void write_log(const char *path, const json_t *search)
{
    tune_log l;
    remove(path);
    assert_int_equal(tune_log_open(&l, path, search), DONE);
    tune_trial a = trial_of(0, 1.0 / 3, 3, (const double[]){1, 0.5, 1.0 / 3}), b = trial_of(1, 0.25, 2, (const double[]){2, 0.25});
    assert_int_equal(tune_log_add(&l, &a), DONE);
    assert_int_equal(tune_log_cut(&l, 4), DONE);
    assert_int_equal(tune_log_add(&l, &b), DONE);
    tune_log_close(&l);
}

static long size_of(const char *path)
{
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    fclose(f);
    return size;
}

static void a_log_is_read_as_it_was_written(void **state)
{
    (void)state;
    json_t *search = search_of("a");
    write_log("a.jsonl", search);
    tune_log l;
    assert_int_equal(tune_log_open(&l, "a.jsonl", search), DONE);
    assert_int_equal(l.count, 2);
    assert_true(l.trials[0].valid == 1.0 / 3 && l.trials[0].values[7] == 7.0 / 3 && l.trials[0].curve[2] == 1.0 / 3);
    assert_true(l.trials[1].epochs == 2);
    assert_string_equal(l.trials[1].model, "abcdef0123456789");
    assert_string_equal(l.trials[1].draw.argument[0], "--rate=0.002");
    assert_int_equal(tune_log_best(&l)->number, 1);
    assert_true(tune_log_seconds(&l) == 1.5 + 4 + 1.5);
    tune_log_close(&l);
    json_decref(search);
}

/* Wherever it is cut, a log gives the trials whose lines are whole, and can be added to. */
static void a_log_cut_anywhere_goes_on(void **state)
{
    (void)state;
    json_t *search = search_of("a");
    char bytes[4096];
    write_log("cut.jsonl", search);
    FILE *f = fopen("cut.jsonl", "rb");
    size_t size = fread(bytes, 1, sizeof bytes, f), whole = 2;
    fclose(f);
    assert_true(size < sizeof bytes);
    for (size_t off = 0; off <= size; off += 5) {
        size_t cut = size - off;
        tune_log l;
        f = fopen("cut.jsonl", "wb");
        assert_int_equal(fwrite(bytes, 1, cut, f), cut);
        fclose(f);
        assert_int_equal(tune_log_open(&l, "cut.jsonl", search), DONE);
        size_t count = l.count;
        tune_log_close(&l);
        assert_true(off == 0 ? count == 2 : count <= whole);
        whole = count;
        if (off % 250)
            continue;
        tune_trial t = trial_of((uint32_t)count, 0.125, 1, (const double[]){0.125});
        assert_int_equal(tune_log_open(&l, "cut.jsonl", search), DONE);
        assert_int_equal(tune_log_add(&l, &t), DONE);
        tune_log_close(&l);
        assert_int_equal(tune_log_open(&l, "cut.jsonl", search), DONE);
        assert_int_equal(l.count, count + 1);
        tune_log_close(&l);
    }
    assert_int_equal(whole, 0);
    json_decref(search);
}

static void other_logs_are_refused_and_left_alone(void **state)
{
    (void)state;
    json_t *search = search_of("a"), *other = search_of("b");
    static const char *const foreign[] = {"no log", "{\"epoch\": 1}\n", "\n"};
    tune_log l;
    write_log("b.jsonl", search);
    long size = size_of("b.jsonl");
    assert_int_equal(tune_log_open(&l, "b.jsonl", other), FAILED);
    tune_log_close(&l);
    assert_int_equal(size_of("b.jsonl"), size);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        FILE *f = fopen("foreign.jsonl", "w");
        fputs(foreign[i], f);
        fclose(f);
        assert_int_equal(tune_log_open(&l, "foreign.jsonl", search), FAILED);
        tune_log_close(&l);
        assert_int_equal(size_of("foreign.jsonl"), strlen(foreign[i]));
    }
    json_decref(search);
    json_decref(other);
}

static void a_log_serves_one_search_at_a_time(void **state)
{
    (void)state;
    json_t *search = search_of("a");
    tune_log first, second;
    remove("one.jsonl");
    assert_int_equal(tune_log_open(&first, "one.jsonl", search), DONE);
    assert_int_equal(tune_log_open(&second, "one.jsonl", search), FAILED);
    tune_log_close(&second);
    tune_log_close(&first);
    assert_int_equal(tune_log_open(&second, "one.jsonl", search), DONE);
    tune_log_close(&second);
    json_decref(search);
}

/* ---- The median rule ---- */

static void a_trial_worse_than_most_is_stopped(void **state)
{
    (void)state;
    static const double curves[][4] = {{4, 3, 2, 1}, {5, 4, 3, 2}, {6, 5, 4, 3}};
    tune_trial trials[4];
    for (uint32_t i = 0; i < 3; i++)
        trials[i] = trial_of(i, curves[i][3], 4, curves[i]);
    tune_log l = {.trials = trials, .count = 3};
    assert_true(tune_poor(&l, (const double[]){9, 8}, 2, 4));
    assert_true(tune_poor(&l, (const double[]){9, 4.5}, 2, 4));       /* two of three were better */
    assert_false(tune_poor(&l, (const double[]){9, 3.5}, 2, 4));      /* one was */
    assert_false(tune_poor(&l, (const double[]){3.5, 9}, 2, 4));      /* its best counts */
    assert_false(tune_poor(&l, (const double[]){9, 9}, 2, 12));       /* not in the first quarter */
    l.count = 2;
    assert_false(tune_poor(&l, (const double[]){9, 8}, 2, 4)); /* nor by two others */
    l.count = 3;
    trials[0].stopped = true; /* says nothing of later epochs */
    trials[0].epochs = 1;
    assert_false(tune_poor(&l, (const double[]){9, 8}, 2, 4));
    trials[0].stopped = false; /* while one that came to its own end does */
    assert_true(tune_poor(&l, (const double[]){9, 8}, 2, 4));
    for (uint32_t i = 0; i < 3; i++)
        free(trials[i].curve);
}

/* ---- The range test ---- */

/* A loss that is 4 up to the rate 1e-4, falls in proportion to the rate's logarithm to 2 at 1e-2, and rises after. */
static range valley(void)
{
    range r = {0};
    for (size_t i = 0; i < RANGE_MOST; i++) {
        double exponent = -5 + (double)i / RANGE_A_DECADE;
        r.rate[i] = pow(10, exponent);
        r.loss[i] = exponent < -4 ? 4 : exponent < -2 ? 4 - (exponent + 4) : 2 + 2 * (exponent + 2);
        r.updates++;
    }
    return r;
}

static void the_pick_lies_between_fall_and_lowest(void **state)
{
    (void)state;
    range r = valley();
    range_pick(&r);
    assert_true(r.rate[r.begin] > 1e-4 && r.rate[r.begin] < 2.5e-4);
    assert_true(r.rate[r.lowest] > 6e-3 && r.rate[r.lowest] < 1.2e-2);
    assert_true(r.pick > 9e-4f && r.pick < 1.6e-3f);
}

static void a_loss_that_never_falls_gives_no_pick(void **state)
{
    (void)state;
    range r = valley();
    for (size_t i = 0; i < r.updates; i++)
        r.loss[i] = 2 + 0.01 * (double)(i % 3);
    range_pick(&r);
    assert_true(r.pick == 0);
    r.updates = 0;
    range_pick(&r);
    assert_true(r.pick == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_trial_is_the_defaults),
        cmocka_unit_test(a_trial_is_fixed_by_seed_and_number),
        cmocka_unit_test(trials_cover_the_space),
        cmocka_unit_test(what_is_given_is_not_tried_and_changes_nothing_else),
        cmocka_unit_test(labels_keep_whole_sequences),
        cmocka_unit_test(a_log_is_read_as_it_was_written),
        cmocka_unit_test(a_log_cut_anywhere_goes_on),
        cmocka_unit_test(other_logs_are_refused_and_left_alone),
        cmocka_unit_test(a_log_serves_one_search_at_a_time),
        cmocka_unit_test(a_trial_worse_than_most_is_stopped),
        cmocka_unit_test(the_pick_lies_between_fall_and_lowest),
        cmocka_unit_test(a_loss_that_never_falls_gives_no_pick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
