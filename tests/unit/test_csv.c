/* Reading tables: what is a number, what is missing, what is refused and at which line.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/columns.h"
#include "data/csv.h"

static const char path[] = "table.csv";

static weir_status read_bytes(const char *bytes, size_t size, table **t, weir_error *err)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    return table_read(t, path, err);
}

static table *read_good(const char *text)
{
    table *t;
    weir_error err;
    if (read_bytes(text, strlen(text), &t, &err))
        fail_msg("%s", err.text);
    return t;
}

static void refuse(const char *text, const char *sentence)
{
    table *t;
    weir_error err;
    assert_int_equal(read_bytes(text, strlen(text), &t, &err), WEIR_E_FORMAT);
    assert_null(t);
    if (!strstr(err.text, sentence))
        fail_msg("\"%s\" is not in \"%s\"", sentence, err.text);
}

static void columns_have_kinds(void **state)
{
    (void)state;
    table *t = read_good("\xEF\xBB\xBF" "a,b,\"c, d\",e\r\n1,x,NA,\r\n-2.5e3,\"y \"\"z\"\"\",?,nan\r\n\r\n+.5,,null,None");
    assert_int_equal(t->rows, 3);
    assert_int_equal(t->columns, 4);
    assert_string_equal(t->column[0].name, "a");
    assert_string_equal(t->column[2].name, "c, d");
    assert_int_equal(t->column[0].kind, TABLE_NUMBER);
    assert_true(t->column[0].number[0] == 1 && t->column[0].number[1] == -2500 && t->column[0].number[2] == 0.5);
    assert_int_equal(t->column[1].kind, TABLE_TEXT);
    assert_string_equal(table_text(t, 1, 1), "y \"z\"");
    assert_int_equal(t->column[1].missing, 1);
    assert_int_equal(t->column[2].kind, TABLE_MISSING);
    assert_int_equal(t->column[3].kind, TABLE_MISSING);
    assert_int_equal(table_find(t, "e"), 3);
    assert_int_equal(table_find(t, "nothing"), SIZE_MAX);
    table_free(t);
}

static void rows_can_be_sorted_and_cut_out(void **state)
{
    (void)state;
    static const size_t order[] = {2, 0, 3, 1};
    table *t = read_good("a,b\n1,x\n2,\n\n3,z\n,w\n"), *sorted, slice;
    weir_error err;
    assert_int_equal(table_in_order(&sorted, t, order, &err), WEIR_OK);
    assert_int_equal(sorted->rows, 4);
    assert_string_equal(sorted->column[1].name, "b");
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(sorted->column[0].number + i, t->column[0].number + order[i], sizeof(double));
        assert_string_equal(table_text(sorted, 1, i), table_text(t, 1, order[i]));
        assert_int_equal(table_line(sorted, i), table_line(t, order[i]));
    }
    assert_true(table_slice(&slice, sorted, 1, 3));
    assert_int_equal(slice.rows, 2);
    assert_string_equal(table_text(&slice, 1, 0), "x");
    assert_true(slice.column[0].number[0] == 1 && isnan(slice.column[0].number[1]));
    assert_int_equal(table_line(&slice, 1), 6);
    free(slice.column);
    table_free(sorted);
    table_free(t);
}

/* The short way of reading decimals gives what strtod gives. */
static void decimals_are_the_nearest_numbers(void **state)
{
    (void)state;
    static char text[200000];
    size_t used = (size_t)sprintf(text, "a\n-0\n.5\n5.\n123456789012345\n0.00000000000001\n999999999999999\n1234567890123456\n1e5\n+007\n");
    uint32_t noise = 5;
    for (int i = 0; i < 5000; i++) {
        noise = noise * 1664525 + 1013904223;
        used += (size_t)sprintf(text + used, "%s%u.%0*u\n", noise & 1 ? "-" : "", noise >> 14, (int)(noise >> 8 & 7) + 1, noise >> 22);
    }
    table *t = read_good(text);
    assert_int_equal(t->column[0].kind, TABLE_NUMBER);
    for (size_t i = 0; i < t->rows; i++) {
        double right = strtod(table_text(t, 0, i), NULL);
        if (memcmp(&right, t->column[0].number + i, sizeof right) != 0)
            fail_msg("%s gives %.17g", table_text(t, 0, i), t->column[0].number[i]);
    }
    table_free(t);
}

static void words_and_infinities_are_no_numbers(void **state)
{
    (void)state;
    static const char *const words[] = {"inf", "0x10", "1e999", "1,5", "1 2", "--1", "1e", "e", "+"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[64];
        snprintf(text, sizeof text, "a,b\n\"%s\",1\n", words[i]);
        table *t = read_good(text);
        assert_int_equal(t->column[0].kind, TABLE_TEXT);
        table_free(t);
    }
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        skip(); /* no locale with a decimal comma here */
    table *t = read_good("a\n1.5\n2.5\n");
    setlocale(LC_ALL, "C");
    assert_true(t->column[0].kind == TABLE_NUMBER && t->column[0].number[0] == 1.5);
    table_free(t);
}

static void broken_tables_are_refused(void **state)
{
    (void)state;
    refuse("", "table.csv is empty");
    refuse("\n\n", "table.csv is empty");
    refuse("a,b\n", "one line only");
    refuse("a,b\n1,2\n3\n", "line 3: 1 fields where the header has 2");
    refuse("a,b\n1,2,3\n", "line 2: 3 fields");
    refuse("a,a\n1,2\n", "two columns have the name \"a\"");
    refuse("a,b\n1,\"2\n", "does not end");
    refuse("a,b\n1,\"2\"3\n", "line 2");
    table *t;
    weir_error err;
    assert_int_equal(read_bytes("a\n1\0002\n", 6, &t, &err), WEIR_E_FORMAT);
    assert_non_null(strstr(err.text, "binary"));
    assert_int_equal(table_read(&t, "/nowhere/table.csv", &err), WEIR_E_IO);
    assert_int_equal(table_read(&t, "/", &err), WEIR_E_IO);
    assert_non_null(strstr(err.text, "folder"));
}

/* ---- Columns ---- */

static void inputs_follow_the_rules(void **state)
{
    (void)state;
    table *t = read_good("no,date,year,flow,gap,same,wind,name\n"
                         "1,2020-01-30,2020,1,5,7,north,ann\n"
                         "2,2020-01-31,2020,3,,7,south,bob\n"
                         "3,2020-02-01,2020,NA,9,7,north,cyd\n"
                         "4,2020-02-02,2020,900,9,8,west,dan\n");
    columns c;
    weir_error err;
    const bool trains[4] = {true, true, true, false};
    assert_int_equal(columns_choose(&c, t, NULL, 0, trains, &err), WEIR_OK);
    assert_int_equal(c.label, 0); /* the counter labels the rows */
    static const char *const names[] = {"flow", "gap", "wind", "name"};
    assert_int_equal(c.count, 5); /* date and name are text of few values */
    size_t found = 0;
    for (size_t i = 0; i < c.count; i++)
        for (size_t k = 0; k < 4; k++)
            found += strcmp(c.input[i].name, names[k]) == 0;
    assert_int_equal(found, 4);
    for (size_t i = 0; i < c.count; i++)
        if (strcmp(c.input[i].name, "flow") == 0) {
            assert_true(c.input[i].mean == 2 && c.input[i].deviation == 1 && c.input[i].flag); /* row 4 has no say */
        }
    float x[4 * 32];
    assert_true(c.width <= 32);
    columns_fill(&c, t, true, x, c.width);
    size_t flow = 0;
    while (strcmp(c.input[flow].name, "flow") != 0)
        flow++;
    size_t at = 0;
    for (size_t i = 0; i < flow; i++)
        at += c.input[i].value ? c.input[i].values : 1 + (size_t)c.input[i].flag;
    assert_true(x[at] == -1 && x[c.width + at] == 1 && x[2 * c.width + at] == 1); /* carried on */
    assert_true(x[c.width + at + 1] == 0 && x[2 * c.width + at + 1] == 1);        /* and said to be missing */

    json_t *notes = columns_json(&c);
    columns again;
    assert_int_equal(columns_read(&again, notes, t, &err), WEIR_OK);
    float y[4 * 32];
    assert_int_equal(again.width, c.width);
    columns_fill(&again, t, true, y, again.width);
    assert_memory_equal(x, y, 4 * c.width * sizeof *x);
    json_decref(notes);
    columns_free(&again);
    columns_free(&c);
    table_free(t);
}

static void dates_go_on(void **state)
{
    (void)state;
    static const struct {
        const char *before, *last, *next;
        size_t ahead;
    } cases[] = {
        {"2019-11", "2019-12", "2020-02", 2},          {"2020-02-27", "2020-02-28", "2020-02-29", 1},
        {"2020-01-15", "2020-02-15", "2020-04-15", 2}, {"2020-01-01", "2020-01-08", "2020-01-22", 2},
        {"1998", "1999", "2001", 2},                   {"monday", "tuesday", "+3", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "when,x\n%s,1\n%s,2\n", cases[i].before, cases[i].last);
        table *t = read_good(text);
        columns c;
        weir_error err;
        const bool trains[2] = {true, true};
        assert_int_equal(columns_choose(&c, t, NULL, 0, trains, &err), WEIR_OK);
        char *next = columns_next_label(&c, t, cases[i].ahead);
        assert_string_equal(next, cases[i].next);
        free(next);
        columns_free(&c);
        table_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_have_kinds),         cmocka_unit_test(rows_can_be_sorted_and_cut_out),
        cmocka_unit_test(decimals_are_the_nearest_numbers),
        cmocka_unit_test(words_and_infinities_are_no_numbers),
        cmocka_unit_test(the_locale_does_not_matter), cmocka_unit_test(broken_tables_are_refused),
        cmocka_unit_test(inputs_follow_the_rules),    cmocka_unit_test(dates_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
