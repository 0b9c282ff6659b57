/* SPDX-License-Identifier: MIT */
#include "format/layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- The layouts ---- */

/* clang-format off */
#define LINEAR(weight, axes_, bias) \
    {{.names = weight, .axes = axes_, .kind = WEIR__DENSE_WEIGHT}, {.names = bias, .axes = "o", .kind = WEIR__DENSE_BIAS}}
#define GATE(names_, kind_, axes_, gate_) {.names = names_, .axes = axes_, .kind = kind_, .gate = gate_}
#define PEEPHOLE(names_, gate_) {.names = names_, .axes = "o", .kind = WEIR__PEEPHOLE, .gate = gate_, .optional = true}
#define REFUSED(names_, reason_) {.names = names_, .reason = reason_}
#define COUPLED "without it TFLite computes i = 1 - f, but Weir's coupled gates are f = 1 - i"
#define NORMALISED "Weir's cell has no layer normalisation"

/* The sources are named in docs/interop.md. */
static const weir__layout layouts[] = {
    {.name = "pytorch", .gates = "ifgo", .peepholes = "ifo",
     .one = "lstm.%n_l%l%d", .two = "lstm.%n_l%l%d", .head = "head.%l.%n", .forward = "", .backward = "_reverse", .indexed = true,
     .arrays = {{.names = "weight_ih", .axes = "go,i", .kind = WEIR__WEIGHT_IH},
                {.names = "weight_hh", .axes = "go,h", .kind = WEIR__WEIGHT_HH},
                {.names = "bias_ih", .axes = "go", .kind = WEIR__BIAS, .optional = true},
                {.names = "bias_hh", .axes = "go", .kind = WEIR__BIAS, .optional = true, .second = true},
                {.names = "peephole", .axes = "g,o", .kind = WEIR__PEEPHOLE, .optional = true}, /* not nn.LSTM's */
                {.names = "weight_hr", .axes = "p,o", .kind = WEIR__WEIGHT_HR, .optional = true}},
     .dense = LINEAR("weight", "o,i", "bias")},

    {.name = "keras", .gates = "ifgo",
     .one = "lstm%k/lstm_cell/%n", .two = "bidirectional%k/%dlstm%k/lstm_cell/%n", .head = "dense%k/%n",
     .forward = "forward_", .backward = "backward_", .cell = "lstm_cell",
     .settings = WEIR__SETS_ACTIVATIONS | WEIR__SETS_REVERSE,
     .arrays = {{.names = "recurrent_kernel", .axes = "h,go", .kind = WEIR__WEIGHT_HH},
                {.names = "kernel", .axes = "i,go", .kind = WEIR__WEIGHT_IH},
                {.names = "bias", .axes = "go", .kind = WEIR__BIAS, .optional = true}},
     .dense = LINEAR("kernel", "i,o", "bias")},

    {.name = "tf1", .gates = "igfo", .forget_bias = 1,
     .one = "rnn/multi_rnn_cell/cell_%l/lstm_cell/%n", .two = "stack_bidirectional_rnn/cell_%l/bidirectional_rnn/%d/lstm_cell/%n",
     .head = "dense%k/%n", .forward = "/fw", .backward = "/bw", .cell = "lstm",
     .settings = WEIR__SETS_ACTIVATIONS | WEIR__SETS_CELL_CLIP | WEIR__SETS_REVERSE,
     .arrays = {{.names = "kernel", .axes = "i+h,go", .kind = WEIR__WEIGHT_IH},
                {.names = "bias", .axes = "go", .kind = WEIR__BIAS},
                PEEPHOLE("w_i_diag", 'i'), PEEPHOLE("w_f_diag", 'f'), PEEPHOLE("w_o_diag", 'o'),
                {.names = "projection/kernel", .axes = "o,p", .kind = WEIR__WEIGHT_HR, .optional = true}},
     .dense = LINEAR("kernel", "i,o", "bias")},

    {.name = "tf-block", .gates = "igfo", .forget_bias = 1,
     .one = "lstm%k/%n", .two = "lstm%k/%d/%n", .head = "dense%k/%n", .forward = "/fw", .backward = "/bw", .indexed = true,
     .settings = WEIR__SETS_CELL_CLIP,
     .arrays = {{.names = "w", .axes = "i+h,go", .kind = WEIR__WEIGHT_IH},
                {.names = "b", .axes = "go", .kind = WEIR__BIAS},
                PEEPHOLE("wci", 'i'), PEEPHOLE("wcf", 'f'), PEEPHOLE("wco", 'o')},
     .dense = LINEAR("kernel", "i,o", "bias")},

    {.name = "tf-block-v2", .gates = "ifgo",
     .one = "lstm%k/%n", .two = "lstm%k/%d/%n", .head = "dense%k/%n", .forward = "/fw", .backward = "/bw", .indexed = true,
     .settings = WEIR__SETS_CELL_CLIP,
     .arrays = {{.names = "w", .axes = "i+h,go", .kind = WEIR__WEIGHT_IH},
                {.names = "b", .axes = "go", .kind = WEIR__BIAS},
                PEEPHOLE("wci", 'i'), PEEPHOLE("wcf", 'f'), PEEPHOLE("wco", 'o')},
     .dense = LINEAR("kernel", "i,o", "bias")},

    {.name = "tflite",
     .one = "lstm%k/%n", .two = "lstm%k/%d%n", .head = "dense%k/%n", .forward = "fw_", .backward = "bw_", .indexed = true,
     .settings = WEIR__SETS_CELL_CLIP,
     .arrays = {GATE("input_to_forget_weights", WEIR__WEIGHT_IH, "o,i", 'f'),
                {.names = "input_to_input_weights", .axes = "o,i", .kind = WEIR__WEIGHT_IH, .gate = 'i', .reason = COUPLED},
                GATE("input_to_cell_weights", WEIR__WEIGHT_IH, "o,i", 'g'),
                GATE("input_to_output_weights", WEIR__WEIGHT_IH, "o,i", 'o'),
                {.names = "recurrent_to_input_weights", .axes = "o,h", .kind = WEIR__WEIGHT_HH, .gate = 'i', .reason = COUPLED},
                GATE("recurrent_to_forget_weights", WEIR__WEIGHT_HH, "o,h", 'f'),
                GATE("recurrent_to_cell_weights", WEIR__WEIGHT_HH, "o,h", 'g'),
                GATE("recurrent_to_output_weights", WEIR__WEIGHT_HH, "o,h", 'o'),
                PEEPHOLE("cell_to_input_weights", 'i'), PEEPHOLE("cell_to_forget_weights", 'f'), PEEPHOLE("cell_to_output_weights", 'o'),
                {.names = "input_gate_bias", .axes = "o", .kind = WEIR__BIAS, .gate = 'i', .reason = COUPLED},
                GATE("forget_gate_bias", WEIR__BIAS, "o", 'f'),
                GATE("cell_gate_bias|cell_bias", WEIR__BIAS, "o", 'g'),
                GATE("output_gate_bias", WEIR__BIAS, "o", 'o'),
                {.names = "projection_weights", .axes = "p,o", .kind = WEIR__WEIGHT_HR, .optional = true},
                REFUSED("projection_bias", "Weir's projection has no bias"),
                REFUSED("input_layer_norm_coefficients|forget_layer_norm_coefficients", NORMALISED),
                REFUSED("cell_layer_norm_coefficients|output_layer_norm_coefficients", NORMALISED)},
     .dense = LINEAR("weights", "o,i", "bias")},

    {.name = "onednn", .gates = "ifgo", .peepholes = "ifo",
     .one = "lstm%k/%n", .two = "lstm%k/%n", .head = "dense%k/%n", .forward = "", .backward = "", .indexed = true,
     .settings = WEIR__SETS_REVERSE,
     .arrays = {{.names = "weights_layer", .axes = "l,d,i,g,o", .kind = WEIR__WEIGHT_IH},
                {.names = "weights_iter", .axes = "l,d,h,g,o", .kind = WEIR__WEIGHT_HH},
                {.names = "bias", .axes = "l,d,g,o", .kind = WEIR__BIAS},
                {.names = "weights_peephole", .axes = "l,d,g,o", .kind = WEIR__PEEPHOLE, .optional = true},
                {.names = "weights_projection", .axes = "l,d,o,p", .kind = WEIR__WEIGHT_HR, .optional = true}},
     .dense = LINEAR("weights", "o,i", "bias")},

    {.name = "kaldi-nnet1", .gates = "gifo",
     .one = "lstm%k/%n", .two = "lstm%k/%d/%n", .head = "affine%k/%n", .forward = "/forward", .backward = "/backward", .indexed = true,
     .settings = WEIR__SETS_CELL_CLIP,
     .arrays = {{.names = "w_gifo_x_", .axes = "go,i", .kind = WEIR__WEIGHT_IH},
                {.names = "w_gifo_r_", .axes = "go,h", .kind = WEIR__WEIGHT_HH},
                {.names = "bias_", .axes = "go", .kind = WEIR__BIAS},
                PEEPHOLE("peephole_i_c_", 'i'), PEEPHOLE("peephole_f_c_", 'f'), PEEPHOLE("peephole_o_c_", 'o'),
                {.names = "w_r_m_", .axes = "p,o", .kind = WEIR__WEIGHT_HR, .optional = true}},
     .dense = LINEAR("linearity_", "o,i", "bias_")},
};
/* clang-format on */
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

const char *weir_layout_name(size_t index)
{
    return index < LAYOUTS ? layouts[index].name : NULL;
}

const weir__layout *weir__layout_find(const char *name, weir_error *err)
{
    char all[160] = "";
    for (size_t i = 0, used = 0; i < LAYOUTS; i++) {
        if (!strcmp(layouts[i].name, name))
            return &layouts[i];
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", layouts[i].name);
    }
    weir__fail(err, WEIR_E_ARGUMENT, "there is no layout %.40s; choose one of %s", name, all);
    return NULL;
}

/* ---- Names ---- */

/* What stands behind the array's name. */
static const char *tail_of(const char *pattern)
{
    return strstr(pattern, "%n") + 2;
}

/* True if `text` is all of what a tail such as "_l%l%d" stands for. */
static bool agrees_with_tail(const weir__layout *layout, const char *tail, const char *text, size_t *key_length, bool *backward)
{
    const char *start = text;
    *key_length = strlen(text);
    for (; *tail; tail++) {
        if (*tail != '%') {
            if (*text++ != *tail)
                return false;
        } else if (*++tail == 'd') {
            *key_length = (size_t)(text - start);
            *backward = !strcmp(text, layout->backward);
            text += *backward ? strlen(text) : 0;
        } else { /* %l */
            size_t digits = strspn(text, "0123456789");
            if (!digits)
                return false;
            text += digits;
        }
    }
    return !*text;
}

/* The last place of `word` among the first `length` characters, or NULL. */
static const char *find_last(const char *text, size_t length, const char *word)
{
    size_t n = strlen(word);
    for (size_t at = length + 1; n && at-- > 0;)
        if (at + n <= length && !memcmp(text + at, word, n))
            return text + at;
    return NULL;
}

/* The part between the last two slashes or points has the layout's word for a cell in it. */
static bool is_in_cell(const weir__layout *layout, const char *name, size_t length)
{
    if (!layout->cell)
        return true;
    size_t end = length && strchr("/.", name[length - 1]) ? length - 1 : length, begin = end;
    while (begin && !strchr("/.", name[begin - 1]))
        begin--;
    return find_last(name + begin, end - begin, layout->cell) != NULL;
}

/* Cuts the direction out of what stands before the array's name, `length` characters. */
static void read_prefix(const weir__layout *layout, const char *name, size_t length, weir__name *out)
{
    const char *f = find_last(name, length, layout->forward), *b = find_last(name, length, layout->backward), *at = b && b > f ? b : f;
    size_t before = at ? (size_t)(at - name) : length;
    out->marked = at != NULL;
    out->backward = at && at == b;
    memcpy(out->key, name, before);
    if (at) {
        const char *behind = at + strlen(out->backward ? layout->backward : layout->forward);
        size_t rest = length - (size_t)(behind - name);
        memcpy(out->key + before, behind, rest);
        before += rest;
    }
    out->key[before] = 0;
}

/* Takes the name apart if the `n` characters of `word` stand at `at`. */
static bool read_at(const weir__layout *layout, const weir__layout_array *array, const char *name, size_t at, size_t n, weir__name *out)
{
    const char *tail = tail_of(array->kind >= WEIR__DENSE_WEIGHT ? layout->head : layout->one);
    size_t key_length;
    bool backward = false, bound = !at || strchr("/.:", name[at - 1]);
    for (size_t i = 0; i < 2 && !bound; i++) {
        const char *marker = i ? layout->backward : layout->forward;
        size_t m = strlen(marker);
        bound = m && at >= m && !memcmp(name + at - m, marker, m);
    }
    if (!bound || !agrees_with_tail(layout, tail, name + at + n, &key_length, &backward))
        return false;
    if (array->kind < WEIR__DENSE_WEIGHT && !is_in_cell(layout, name, at))
        return false;
    out->array = array;
    read_prefix(layout, name, at, out);
    if (*tail) {
        size_t used = strlen(out->key);
        memcpy(out->key + used, name + at + n, key_length);
        out->key[used + key_length] = 0;
        out->backward = out->marked = backward;
    }
    return true;
}

bool weir__layout_read_name(const weir__layout *layout, const weir__layout_array *arrays, const char *name, weir__name *out)
{
    size_t longest = 0, length = strlen(name);
    for (const weir__layout_array *array = arrays; array->names; array++)
        for (const char *word = array->names; *word; word += strcspn(word, "|"), word += *word == '|') {
            size_t n = strcspn(word, "|");
            for (size_t at = 0; n > longest && at + n <= length; at++)
                if (!memcmp(name + at, word, n) && read_at(layout, array, name, at, n, out))
                    longest = n;
        }
    return longest > 0;
}

/* Follows a pattern; %n, %l and %k come from the arguments. */
static void follow_pattern(const char *pattern, const char *direction, const weir__layout_array *array, size_t layer, char *out)
{
    size_t used = 0;
    for (; *pattern; pattern++) {
        size_t room = WEIR__NAME_SIZE - used;
        if (*pattern != '%')
            used += (size_t)snprintf(out + used, room, "%c", *pattern);
        else if (*++pattern == 'n')
            used += (size_t)snprintf(out + used, room, "%.*s", (int)strcspn(array->names, "|"), array->names);
        else if (*pattern == 'd')
            used += (size_t)snprintf(out + used, room, "%s", direction);
        else if (*pattern == 'l' || layer)
            used += (size_t)snprintf(out + used, room, *pattern == 'l' ? "%zu" : "_%zu", layer);
    }
}

void weir__layout_write_name(const weir__layout *layout, const char *pattern, const weir__layout_array *array, size_t layer, size_t direction,
                             char out[WEIR__NAME_SIZE])
{
    const char *mark = direction ? layout->backward : layout->forward;
    /* "lstm/%d/w" with the mark "/fw" */
    if (*mark == '/')
        mark++;
    follow_pattern(pattern, mark, array, layer, out);
}

void weir__layout_name_beside(const weir__layout *layout, const char *near, const weir__name *parts, const weir__layout_array *array,
                              char out[WEIR__NAME_SIZE])
{
    const char *tail = tail_of(array->kind >= WEIR__DENSE_WEIGHT ? layout->head : layout->one), *old = parts->array->names;
    size_t length = strlen(near), behind = *tail ? 2 : 0, word = 0;
    if (*tail) /* "_l0_reverse" */
        while (behind < length && memcmp(near + length - behind, "_l", 2))
            behind++;
    for (; *old && !word; old += strcspn(old, "|"), old += *old == '|') {
        size_t n = strcspn(old, "|");
        if (n + behind <= length && !memcmp(near + length - behind - n, old, n))
            word = n;
    }
    snprintf(out, WEIR__NAME_SIZE, "%.*s%.*s%s", (int)(length - behind - word), near, (int)strcspn(array->names, "|"), array->names,
             near + length - behind);
}

/* A number in a key: "12" or "_12"; *at moves behind it. What is none counts as 0, and nothing is moved over. */
static bool take_number(const char **at, size_t *number)
{
    const char *digits = **at == '_' ? *at + 1 : *at;
    *number = 0;
    if (!isdigit((unsigned char)*digits))
        return false;
    for (; isdigit((unsigned char)*digits); digits++)
        *number = *number < 100000000 ? *number * 10 + (size_t)(*digits - '0') : *number;
    *at = digits;
    return true;
}

/* How two keys differ. */
typedef struct difference {
    bool related;    /* but for numbers they are the same */
    int order;       /* of the first numbers, or else characters, that differ */
    size_t numbers;  /* that differ */
    bool by_one;     /* each of them is one more in b */
    bool last;       /* the last number differs */
} difference;

static difference compare(const char *a, const char *b)
{
    difference d = {.related = true, .by_one = true};
    for (;;) {
        size_t m, n;
        bool in_a = take_number(&a, &m), in_b = take_number(&b, &n);
        if (in_a || in_b) {
            d.order = d.order ? d.order : (m > n) - (m < n);
            d.last = m != n;
            d.numbers += m != n;
            d.by_one &= m == n || n == m + 1;
        }
        if (*a != *b) {
            d.related = false;
            d.order = d.order ? d.order : (*a > *b) - (*a < *b);
            return d;
        }
        if (!*a)
            return d;
        a++;
        b++;
    }
}

int weir__layout_compare(const char *a, const char *b)
{
    return compare(a, b).order;
}

bool weir__layout_follows(const weir__layout *layout, const char *a, const char *b)
{
    difference d = compare(a, b);
    return d.related && d.numbers && d.by_one && (!layout->indexed || (d.numbers == 1 && d.last));
}

size_t weir__layout_last_number(const char *key)
{
    size_t last = 0, number;
    while (*key)
        if (take_number(&key, &number))
            last = number;
        else
            key++;
    return last;
}

/* ---- Numbers ---- */

static size_t size_of(const weir__layout_array *array, const weir__sizes *sizes, char letter)
{
    return letter != 'g' ? sizes->of[letter - 'a'] : array->kind == WEIR__PEEPHOLE ? 3 : 4;
}

size_t weir__layout_dims(const weir__layout_array *array, const weir__sizes *sizes, size_t dims[WEIR__RANK_LIMIT])
{
    size_t rank = 0;
    dims[0] = 1;
    for (const char *axis = array->axes; *axis; axis++)
        if (*axis == ',')
            dims[++rank] = 1;
        else if (*axis == '+')
            dims[rank] += size_of(array, sizes, *++axis);
        else
            dims[rank] *= size_of(array, sizes, *axis);
    return rank + 1;
}

/* The axes one by one, outermost first; x is inputs and state together. */
typedef struct odometer {
    size_t count, size[8];
    char letter[8];
} odometer;

static odometer read_axes(const weir__layout_array *array, const weir__sizes *sizes)
{
    odometer o = {0};
    for (const char *axis = array->axes; *axis; axis++)
        if (*axis == '+') {
            o.letter[o.count - 1] = 'x';
            o.size[o.count - 1] += size_of(array, sizes, *++axis);
        } else if (*axis != ',') {
            o.letter[o.count] = *axis;
            o.size[o.count++] = size_of(array, sizes, *axis);
        }
    return o;
}

/* Row and column of a tensor of Weir, as letters. */
static const struct {
    char row, column;
    const char *gates;
} tensors[] = {
    [WEIR__WEIGHT_IH] = {'o', 'i', "ifgo"}, [WEIR__WEIGHT_HH] = {'o', 'h', "ifgo"},  [WEIR__BIAS] = {'o', 0, "ifgo"},
    [WEIR__PEEPHOLE] = {'o', 0, "ifo"},     [WEIR__WEIGHT_HR] = {'p', 'o', NULL},    [WEIR__DENSE_WEIGHT] = {'o', 'i', NULL},
    [WEIR__DENSE_BIAS] = {'o', 0, NULL},
};

/* Fills in where the run at these values of the letters stands; `last` is the letter that runs. */
static void find_place(const weir__layout *layout, const weir__layout_array *array, const weir__sizes *sizes, weir__sizes *value, char last,
                       weir__run *run)
{
    size_t inputs = sizes->of['i' - 'a'], joined = *weir__size_of(value, 'x');
    run->kind = array->kind;
    if (joined >= inputs && strchr(array->axes, '+')) {
        run->kind = WEIR__WEIGHT_HH;
        *weir__size_of(value, 'h') = joined - inputs;
    } else if (strchr(array->axes, '+'))
        *weir__size_of(value, 'i') = joined;
    char row = tensors[run->kind].row, column = tensors[run->kind].column;
    const char *gates = tensors[run->kind].gates, *order = run->kind == WEIR__PEEPHOLE ? layout->peepholes : layout->gates;
    size_t columns = column ? sizes->of[column - 'a'] : 1, index = *weir__size_of(value, row);
    run->gate = !gates ? 0 : array->gate ? array->gate : order[*weir__size_of(value, 'g')];
    if (gates)
        index += (size_t)(strchr(gates, run->gate) - gates) * sizes->of['o' - 'a'];
    run->at = index * columns + (column ? *weir__size_of(value, column) : 0);
    run->step = last == row ? columns : 1;
}

void weir__layout_walk(const weir__layout *layout, const weir__layout_array *array, const weir__sizes *sizes, size_t direction,
                       bool (*visit)(void *ctx, const weir__run *run), void *ctx)
{
    odometer o = read_axes(array, sizes);
    size_t outer = 1, last = o.count - 1;
    for (size_t k = 0; k < last; k++)
        outer *= o.size[k];
    for (size_t index = 0; index < outer; index++) {
        weir__sizes value = {{0}};
        size_t rest = index;
        for (size_t k = last; k-- > 0; rest /= o.size[k])
            *weir__size_of(&value, o.letter[k]) = rest % o.size[k];
        weir__run run = {.count = o.size[last]};
        find_place(layout, array, sizes, &value, o.letter[last], &run);
        run.layer = *weir__size_of(&value, 'l');
        run.direction = strchr(array->axes, 'd') ? *weir__size_of(&value, 'd') : direction;
        if (!visit(ctx, &run))
            return;
    }
}
