/* SPDX-License-Identifier: MIT */
#include "data/npy.h"

#include <stdlib.h>
#include <string.h>

#include "data/fail.h"

static const char magic[] = "\x93NUMPY";
enum { MAGIC = sizeof magic - 1, ALIGN = 64 };

static const struct {
    const char *name;
    weir_element element;
    size_t width; /* bytes in the file */
} types[] = {{"<f4", WEIR_FLOAT32, 4}, {"<i4", WEIR_INT32, 4}, {"<i8", WEIR_INT64, 8}, {"|b1", WEIR_BOOL, 1}, {"<f8", WEIR_FLOAT32, 8}};
enum { TYPES = sizeof types / sizeof *types };

/* ---- The header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } ---- */

typedef struct header {
    size_t type; /* in `types` */
    char type_name[8];
    bool has_type, has_order, has_shape, fortran;
    size_t rank, dims[WEIR_MAX_RANK];
} header;

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " \t\n");
}

/* Behind `word`, or NULL if it does not stand there. */
static const char *pass(const char *at, const char *word)
{
    at = skip_spaces(at);
    size_t n = strlen(word);
    return strncmp(at, word, n) == 0 ? at + n : NULL;
}

static const char *read_type(const char *at, header *h)
{
    at = skip_spaces(at);
    size_t n = *at == '\'' ? strcspn(at + 1, "'") : 0;
    if (!n || n >= sizeof h->type_name || at[1 + n] != '\'')
        return NULL;
    memcpy(h->type_name, at + 1, n);
    while (h->type < TYPES && strcmp(types[h->type].name, h->type_name) != 0)
        h->type++;
    h->has_type = true;
    return at + n + 2;
}

static const char *read_order(const char *at, header *h)
{
    const char *no = pass(at, "False"), *yes = pass(at, "True");
    h->fortran = yes != NULL;
    h->has_order = true;
    return no ? no : yes;
}

static const char *read_dim(const char *at, size_t *size)
{
    *size = 0;
    if (*at < '0' || *at > '9')
        return NULL;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (*size > (SIZE_MAX - 9) / 10)
            return NULL;
        *size = *size * 10 + (size_t)(*at - '0');
    }
    return at;
}

/* "()", "(3,)", "(3, 4)" */
static const char *read_shape(const char *at, header *h)
{
    at = pass(at, "(");
    for (bool comma = true; at && *(at = skip_spaces(at)) != ')'; comma = *(at = skip_spaces(at)) == ',', at += comma) {
        if (!comma || h->rank == WEIR_MAX_RANK)
            return NULL;
        at = read_dim(at, &h->dims[h->rank++]);
        if (!at)
            return NULL;
    }
    h->has_shape = true;
    return at ? at + 1 : NULL;
}

static const char *read_entry(const char *at, header *h)
{
    const char *value;
    if ((value = pass(at, "'descr'")) && !h->has_type)
        return (value = pass(value, ":")) ? read_type(value, h) : NULL;
    if ((value = pass(at, "'fortran_order'")) && !h->has_order)
        return (value = pass(value, ":")) ? read_order(value, h) : NULL;
    if ((value = pass(at, "'shape'")) && !h->has_shape)
        return (value = pass(value, ":")) ? read_shape(value, h) : NULL;
    return NULL;
}

static bool read_header(const char *text, header *h)
{
    const char *at = pass(text, "{");
    *h = (header){.type = 0};
    while (at && *(at = skip_spaces(at)) != '}') {
        at = read_entry(at, h);
        if (at && *(at = skip_spaces(at)) == ',')
            at++;
        else if (at && *at != '}')
            at = NULL;
    }
    return at && *skip_spaces(at + 1) == 0 && h->has_type && h->has_order && h->has_shape;
}

/* ---- Reading ---- */

/* A copy of the header's text with a 0 behind it; *begin: where the numbers begin. NULL if the file is too short or no .npy. */
static char *header_text(const unsigned char *bytes, size_t size, size_t *begin)
{
    size_t length = 0, fields = 0;
    if (size < MAGIC + 4 || memcmp(bytes, magic, MAGIC) != 0 || (bytes[MAGIC] != 1 && bytes[MAGIC] != 2) || bytes[MAGIC + 1] != 0)
        return NULL;
    fields = bytes[MAGIC] == 1 ? 2 : 4;
    if (size < MAGIC + 2 + fields)
        return NULL;
    for (size_t i = fields; i-- > 0;)
        length = length << 8 | bytes[MAGIC + 2 + i];
    *begin = MAGIC + 2 + fields;
    if (length > size - *begin || memchr(bytes + *begin, 0, length))
        return NULL;
    char *text = malloc(length + 1);
    if (text) {
        memcpy(text, bytes + *begin, length);
        text[length] = 0;
        *begin += length;
    }
    return text;
}

static bool count_numbers(const header *h, size_t *count)
{
    *count = 1;
    for (size_t i = 0; i < h->rank; i++) {
        if (h->dims[i] && *count > SIZE_MAX / 16 / h->dims[i])
            return false;
        *count *= h->dims[i];
    }
    return true;
}

static void copy_numbers(const unsigned char *from, size_t type, size_t count, void *to)
{
    if (types[type].width == weir_element_size(types[type].element)) {
        memcpy(to, from, count * types[type].width);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double wide;
        memcpy(&wide, from + i * sizeof wide, sizeof wide);
        ((float *)to)[i] = (float)wide;
    }
}

static weir_status read_array(const char *path, const unsigned char *bytes, size_t size, weir_array *a, weir_error *err)
{
    size_t begin, count;
    header h;
    char *text = header_text(bytes, size, &begin);
    bool good = text && read_header(text, &h);
    free(text);
    if (!good)
        return data_fail(err, WEIR_E_FORMAT, "%s is no array of NumPy (.npy, version 1.0 or 2.0, up to %d dimensions)", path, WEIR_MAX_RANK);
    if (h.type == TYPES)
        return data_fail(err, WEIR_E_UNSUPPORTED, "%s has numbers of type %s; <f4, <f8, <i4, <i8 and |b1 can be read", path, h.type_name);
    if (h.fortran)
        return data_fail(err, WEIR_E_UNSUPPORTED, "%s is in Fortran order; save numpy.ascontiguousarray of it", path);
    if (!count_numbers(&h, &count) || size - begin != count * types[h.type].width)
        return data_fail(err, WEIR_E_FORMAT, "%s has %zu bytes of numbers, which do not fit its shape", path, size - begin);
    a->element = types[h.type].element;
    a->rank = h.rank;
    memcpy(a->dims, h.dims, sizeof a->dims);
    a->data = malloc(count * weir_element_size(a->element) + 1);
    if (!a->data)
        return data_no_memory(err);
    copy_numbers(bytes + begin, h.type, count, a->data);
    return WEIR_OK;
}

weir_status npy_read(const char *path, weir_array *a, weir_error *err)
{
    unsigned char *bytes;
    size_t size;
    a->data = NULL;
    weir_status status = data_read_file(path, &bytes, &size, err);
    if (!status)
        status = read_array(path, bytes, size, a, err);
    free(bytes);
    return status;
}

/* ---- Writing ---- */

void npy_write(FILE *f, const void *array)
{
    const weir_array *a = array;
    char text[256];
    size_t count = 1, type = 0;
    while (types[type].element != a->element)
        type++;
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].name);
    for (size_t i = 0; i < a->rank; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, i + 1 < a->rank ? "%zu, " : a->rank == 1 ? "%zu," : "%zu", a->dims[i]);
        count *= a->dims[i];
    }
    n += snprintf(text + n, sizeof text - (size_t)n, "), }");
    size_t begin = MAGIC + 4, padded = (begin + (size_t)n + 1 + ALIGN - 1) / ALIGN * ALIGN - begin;
    fwrite(magic, 1, MAGIC, f);
    fputc(1, f);
    fputc(0, f);
    fputc((int)(padded & 255), f);
    fputc((int)(padded >> 8), f);
    fprintf(f, "%s%*s\n", text, (int)(padded - (size_t)n - 1), "");
    fwrite(a->data, weir_element_size(a->element), count, f);
}
