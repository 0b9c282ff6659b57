/* SPDX-License-Identifier: MIT */
#include "data/labels_data.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/fail.h"

const char *const labels_heads[] = {"auto", "softmax", "binary", "multilabel", NULL};

/* ---- Columns ---- */

static size_t find_usual(const table *t, const char *const *usual)
{
    for (; *usual; usual++)
        for (size_t j = 0; j < t->columns; j++)
            if (strcasecmp(t->column[j].name, *usual) == 0)
                return j;
    return SIZE_MAX;
}

size_t labels_find_id(const table *t, const char *wanted)
{
    static const char *const usual[] = {"id", "sequence", "sequence_id", "series", "series_id", NULL};
    return wanted ? table_find(t, wanted) : find_usual(t, usual);
}

weir_status labels_need_column(const table *t, size_t j, const char *wanted, const char *what, weir_error *err)
{
    if (j != SIZE_MAX)
        return WEIR_OK;
    if (wanted)
        return data_fail(err, WEIR_E_FORMAT, "%s has no column \"%s\"", t->path, wanted);
    return data_fail(err, WEIR_E_FORMAT, "%s has no column of %ss; name it with --%s", t->path, what, what);
}

bool label_columns_add(label_columns *c, const table *t, const char *name)
{
    size_t *column = realloc(c->column, (c->count + 1) * sizeof *column);
    if (column)
        c->column = column;
    char **names = realloc(c->name, (c->count + 1) * sizeof *names);
    if (names)
        c->name = names;
    char *copy = strdup(name);
    if (!column || !names || !copy) {
        free(copy);
        return false;
    }
    c->column[c->count] = table_find(t, name);
    c->name[c->count++] = copy;
    return true;
}

void label_columns_free(label_columns *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->name[i]);
    free(c->name);
    free(c->column);
    *c = (label_columns){0};
}

/* The names between commas. */
static weir_status add_list(label_columns *c, const table *t, const char *wanted, weir_error *err)
{
    char *list = strdup(wanted), *rest = list, *name;
    weir_status status = list ? WEIR_OK : data_no_memory(err);
    while (!status && (name = strsep(&rest, ",")) != NULL) {
        status = labels_need_column(t, table_find(t, name), name, "label", err);
        for (size_t i = 0; i < c->count && !status; i++)
            if (strcmp(c->name[i], name) == 0)
                status = data_fail(err, WEIR_E_ARGUMENT, "--label names the column \"%s\" twice", name);
        if (!status && !label_columns_add(c, t, name))
            status = data_no_memory(err);
    }
    free(list);
    return status;
}

weir_status label_columns_find(label_columns *c, const table *t, const char *wanted, weir_error *err)
{
    static const char *const usual[] = {"label", "class", "target", "category", NULL};
    size_t column = wanted ? table_find(t, wanted) : find_usual(t, usual); /* a name may hold commas of its own */
    if (wanted && column == SIZE_MAX && strchr(wanted, ','))
        return add_list(c, t, wanted, err);
    weir_status status = labels_need_column(t, column, wanted, "label", err);
    if (!status && !label_columns_add(c, t, t->column[column].name))
        status = data_no_memory(err);
    return status;
}

/* ---- Sequences ---- */

void sequences_free(sequences *s)
{
    free(s->list);
    free(s->runs);
    *s = (sequences){0};
}

typedef struct tagged {
    const char *id;
    run run;
} tagged;

static int by_id(const void *a, const void *b)
{
    const tagged *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x->run.first > y->run.first) - (x->run.first < y->run.first);
}

static int by_first_row(const void *a, const void *b)
{
    const sequence *x = a, *y = b;
    return (x->run->first > y->run->first) - (x->run->first < y->run->first);
}

/* The table's runs, each of one id. Free with free(); NULL without memory. */
static tagged *find_runs(const table *t, size_t id, size_t *count)
{
    tagged *all = NULL;
    size_t room = 0;
    *count = 0;
    for (size_t row = 0; row < t->rows; row++) {
        const char *now = table_text(t, id, row);
        if (*count && strcmp(now, all[*count - 1].id) == 0) {
            all[*count - 1].run.rows++;
            continue;
        }
        if (*count == room) {
            room = room ? 2 * room : 64;
            tagged *more = realloc(all, room * sizeof *more);
            if (!more) {
                free(all);
                return NULL;
            }
            all = more;
        }
        all[(*count)++] = (tagged){now, {row, 1}};
    }
    return all;
}

weir_status sequences_find(sequences *s, const table *t, size_t id, weir_error *err)
{
    size_t n;
    tagged *all = find_runs(t, id, &n);
    if (all)
        qsort(all, n, sizeof *all, by_id);
    size_t different = 0;
    for (size_t i = 0; all && i < n; i++)
        different += i == 0 || strcmp(all[i].id, all[i - 1].id) != 0;
    s->list = malloc((different + 1) * sizeof *s->list);
    s->runs = malloc((n + 1) * sizeof *s->runs);
    if (!all || !s->list || !s->runs) {
        free(all);
        return data_no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        s->runs[i] = all[i].run;
        if (i == 0 || strcmp(all[i].id, all[i - 1].id) != 0)
            s->list[s->count++] = (sequence){.id = all[i].id, .run = s->runs + i};
        sequence *last = s->list + s->count - 1;
        last->runs++;
        last->rows += all[i].run.rows;
        if (last->rows > s->longest)
            s->longest = last->rows;
    }
    free(all);
    qsort(s->list, s->count, sizeof *s->list, by_first_row);
    return WEIR_OK;
}

void sequences_put(const sequence *list, const size_t *pick, size_t count, size_t steps, const float *data, size_t width,
                   float *x, uint32_t *lengths)
{
    memset(x, 0, steps * count * width * sizeof *x);
    for (size_t w = 0; w < count; w++) {
        const sequence *s = list + pick[w];
        size_t step = 0;
        lengths[w] = (uint32_t)s->rows;
        for (size_t i = 0; i < s->runs; i++)
            for (size_t k = 0; k < s->run[i].rows; k++, step++)
                memcpy(x + (step * count + w) * width, data + (s->run[i].first + k) * width, width * sizeof *x);
    }
}

/* ---- Names ---- */

enum { MOST_CLASSES = 1000 };

void class_names_free(class_names *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->name[i]);
    free(c->name);
    *c = (class_names){0};
}

/* Where a name of `size` bytes is, or belongs, in the sorted list. */
static size_t place_of(const class_names *c, const char *name, size_t size, bool *there)
{
    size_t from = 0, end = c->count;
    while (from < end) {
        size_t middle = from + (end - from) / 2;
        int order = strncmp(c->name[middle], name, size);
        if (order == 0 && c->name[middle][size])
            order = 1;
        if (order == 0) {
            *there = true;
            return middle;
        }
        if (order < 0)
            from = middle + 1;
        else
            end = middle;
    }
    *there = false;
    return from;
}

static bool insert(class_names *c, size_t at, const char *name, size_t size)
{
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 16;
        char **more = realloc(c->name, room * sizeof *more);
        if (!more)
            return false;
        c->name = more;
        c->room = room;
    }
    char *copy = strndup(name, size);
    if (!copy)
        return false;
    memmove(c->name + at + 1, c->name + at, (c->count - at) * sizeof *c->name);
    c->name[at] = copy;
    c->count++;
    return true;
}

/* ---- Items ---- */

static const char separators[] = ";|";

/* Walks over the labels of a value: the next one and its size, or NULL. Blanks around it do not count. */
static const char *next_label(const char **rest, size_t *size)
{
    while (**rest) {
        const char *from = *rest + strspn(*rest, " ");
        size_t n = strcspn(from, separators);
        *rest = from + n + (from[n] != 0);
        while (n && from[n - 1] == ' ')
            n--;
        *size = n;
        if (n)
            return from;
    }
    return NULL;
}

/* What a column says of a sequence, the same in all its rows; "": nothing. */
static weir_status text_of(const table *t, const sequence *s, size_t column, const char **text, weir_error *err)
{
    *text = "";
    for (size_t i = 0; i < s->runs; i++)
        for (size_t row = s->run[i].first; row < s->run[i].first + s->run[i].rows; row++) {
            const char *now = table_text(t, column, row);
            if (*now && **text && strcmp(now, *text) != 0)
                return data_fail(
                    err, WEIR_E_FORMAT,
                    "%s, line %zu: sequence \"%s\" has the label \"%s\" here and \"%s\" before; if each row has a label of its "
                    "own, say --each-row",
                    t->path, table_line(t, row), s->id, now, *text);
            if (*now)
                *text = now;
        }
    return WEIR_OK;
}

/* Calls `take` with the text of every item in one column of labels. */
static weir_status walk(truth *y, const table *t, const sequences *s, size_t k,
                        weir_status (*take)(truth *y, const table *t, size_t k, size_t item, const char *text, weir_error *err),
                        weir_error *err)
{
    size_t column = y->columns.column[k], items = y->each_row ? t->rows : s->count;
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < items && !status; i++) {
        const char *text = y->each_row ? table_text(t, column, i) : "";
        if (!y->each_row)
            status = text_of(t, s->list + i, column, &text, err);
        if (!status)
            status = take(y, t, k, i, text, err);
    }
    return status;
}

static weir_status add_name(truth *y, const table *t, const char *name, size_t size, weir_error *err)
{
    bool there;
    size_t at = place_of(&y->names, name, size, &there);
    if (there)
        return WEIR_OK;
    if (y->names.count == MOST_CLASSES)
        return data_fail(err, WEIR_E_FORMAT, "%s has more than %d different labels in column \"%s\"", t->path, (int)MOST_CLASSES,
                         y->columns.name[0]);
    return insert(&y->names, at, name, size) ? WEIR_OK : data_no_memory(err);
}

static weir_status take_whole(truth *y, const table *t, size_t k, size_t item, const char *text, weir_error *err)
{
    (void)k;
    (void)item;
    return *text ? add_name(y, t, text, strlen(text), err) : WEIR_OK;
}

static weir_status take_parts(truth *y, const table *t, size_t k, size_t item, const char *text, weir_error *err)
{
    (void)k;
    (void)item;
    size_t size;
    weir_status status = WEIR_OK;
    for (const char *rest = text, *label; !status && (label = next_label(&rest, &size)) != NULL;)
        status = add_name(y, t, label, size, err);
    return status;
}

static weir_status names_of_columns(truth *y, const table *t, weir_error *err)
{
    for (size_t k = 0; k < y->columns.count; k++) {
        const table_column *c = t->column + y->columns.column[k];
        if (c->kind == TABLE_TEXT)
            return data_fail(err, WEIR_E_FORMAT,
                             "%s: column \"%s\" holds other things than 0 and 1, which several columns of labels must hold",
                             t->path, c->name);
        if (!insert(&y->names, k, c->name, strlen(c->name)))
            return data_no_memory(err);
    }
    return WEIR_OK;
}

static bool any_separator(const class_names *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (strpbrk(c->name[i], separators))
            return true;
    return false;
}

weir_status truth_names(truth *y, const table *t, const sequences *s, weir_error *err)
{
    if (y->columns.count > 1) {
        if (y->head != LABELS_AUTO && y->head != LABELS_MULTI)
            return data_fail(err, WEIR_E_ARGUMENT,
                             "several columns of labels need --head multilabel; for another head name one column");
        y->head = LABELS_MULTI;
        return names_of_columns(y, t, err);
    }
    weir_status status = walk(y, t, s, 0, y->head == LABELS_MULTI ? take_parts : take_whole, err);
    if (!status && y->head == LABELS_AUTO && any_separator(&y->names)) {
        y->head = LABELS_MULTI;
        class_names_free(&y->names);
        status = walk(y, t, s, 0, take_parts, err);
    }
    if (status)
        return status;
    if (y->names.count < (y->head == LABELS_MULTI ? 1u : 2u))
        return data_fail(err, WEIR_E_FORMAT, "%s has %zu different labels in column \"%s\"; at least %d needed", t->path,
                         y->names.count, y->columns.name[0], y->head == LABELS_MULTI ? 1 : 2);
    if (y->head == LABELS_BINARY && y->names.count != 2)
        return data_fail(err, WEIR_E_FORMAT, "--head binary takes two different labels; %s has %zu in column \"%s\"", t->path,
                         y->names.count, y->columns.name[0]);
    if (y->head == LABELS_AUTO)
        y->head = y->names.count == 2 ? LABELS_BINARY : LABELS_SOFTMAX;
    return WEIR_OK;
}

static void note_unknown(truth *y, const char *text)
{
    if (!y->unknown++)
        y->first_unknown = text;
}

static weir_status read_class(truth *y, const table *t, size_t k, size_t item, const char *text, weir_error *err)
{
    (void)t;
    (void)k;
    (void)err;
    bool there;
    size_t at = place_of(&y->names, text, strlen(text), &there);
    y->class[item] = there ? (uint32_t)at : UINT32_MAX;
    if (!there && *text)
        note_unknown(y, text);
    return WEIR_OK;
}

static weir_status read_parts(truth *y, const table *t, size_t k, size_t item, const char *text, weir_error *err)
{
    (void)t;
    (void)k;
    (void)err;
    signed char *flag = y->flag + item * y->names.count;
    size_t size;
    memset(flag, *text ? 0 : -1, y->names.count);
    for (const char *rest = text, *label; (label = next_label(&rest, &size)) != NULL;) {
        bool there;
        size_t at = place_of(&y->names, label, size, &there);
        if (there)
            flag[at] = 1;
        else
            note_unknown(y, text);
    }
    return WEIR_OK;
}

static weir_status read_flag(truth *y, const table *t, size_t k, size_t item, const char *text, weir_error *err)
{
    double value = *text ? strtod(text, NULL) : 0;
    if (*text && (t->column[y->columns.column[k]].kind != TABLE_NUMBER || (value != 0 && value != 1)))
        return data_fail(err, WEIR_E_FORMAT, "%s: column \"%s\" holds \"%s\"; several columns of labels must hold 0 and 1",
                         t->path, y->columns.name[k], text);
    y->flag[item * y->names.count + k] = (signed char)(*text ? (int)value : -1);
    return WEIR_OK;
}

weir_status truth_read(truth *y, const table *t, const sequences *s, weir_error *err)
{
    bool multi = y->head == LABELS_MULTI, by_columns = y->columns.count > 1;
    size_t items = y->each_row ? t->rows : s->count, n = y->names.count;
    weir_status status = big_zeros(&y->class_memory, items * sizeof *y->class, t->path, err);
    if (!status)
        status = big_zeros(&y->flag_memory, multi ? items * n : 0, t->path, err);
    if (status)
        return status;
    y->class = y->class_memory.data;
    y->flag = y->flag_memory.data;
    memset(y->class, 0xff, items * sizeof *y->class);
    if (multi)
        memset(y->flag, -1, items * n);
    for (size_t k = 0; k < y->columns.count && !status; k++)
        if (y->columns.column[k] != SIZE_MAX)
            status = walk(y, t, s, k, by_columns ? read_flag : multi ? read_parts : read_class, err);
    return status;
}

void truth_free(truth *y)
{
    class_names_free(&y->names);
    label_columns_free(&y->columns);
    big_free(&y->class_memory);
    big_free(&y->flag_memory);
    *y = (truth){0};
}
