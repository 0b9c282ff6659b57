/* Constant tensors of ONNX files.
 * SPDX-License-Identifier: MIT */
#include "format/onnx_reader.h"

#if !defined __BYTE_ORDER__ || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "ONNX files hold little-endian numbers, which are read as they stand: this needs a little-endian machine"
#endif

enum {
    TENSOR_DIMS = 1,
    TENSOR_TYPE = 2,
    TENSOR_SEGMENT = 3,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_STRINGS = 6,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_UINT64S = 11,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14
};
WEIR__MESSAGE(tensor_kind, "tensor", {TENSOR_DIMS, PB_WT_VARINT, true, "dims"}, {TENSOR_TYPE, PB_WT_VARINT, false, "data_type"},
              {TENSOR_SEGMENT, PB_WT_STRING, false, "segment"}, {TENSOR_FLOATS, PB_WT_32BIT, true, "float_data"},
              {TENSOR_INT32S, PB_WT_VARINT, true, "int32_data"}, {TENSOR_STRINGS, PB_WT_STRING, true, "string_data"},
              {TENSOR_INT64S, PB_WT_VARINT, true, "int64_data"}, {TENSOR_NAME, PB_WT_STRING, false, "name"},
              {TENSOR_RAW, PB_WT_STRING, false, "raw_data"}, {TENSOR_DOUBLES, PB_WT_64BIT, true, "double_data"},
              {TENSOR_UINT64S, PB_WT_VARINT, true, "uint64_data"}, {TENSOR_EXTERNAL, PB_WT_STRING, true, "external_data"},
              {TENSOR_LOCATION, PB_WT_VARINT, false, "data_location"})

static const struct {
    weir__onnx_type type;
    const char *name;
    size_t width;        /* bytes of a number in raw_data */
    uint32_t field;      /* or the field of its numbers */
    pb_wire_type_t wire; /* of that field */
} types[] = {
    {WEIR__ONNX_F32, "float32", 4, TENSOR_FLOATS, PB_WT_32BIT}, {WEIR__ONNX_I32, "int32", 4, TENSOR_INT32S, PB_WT_VARINT},
    {WEIR__ONNX_I64, "int64", 8, TENSOR_INT64S, PB_WT_VARINT},  {WEIR__ONNX_BOOL, "bool", 1, TENSOR_INT32S, PB_WT_VARINT},
    {WEIR__ONNX_F16, "float16", 2, TENSOR_INT32S, PB_WT_VARINT}, {WEIR__ONNX_F64, "float64", 8, TENSOR_DOUBLES, PB_WT_64BIT},
    {WEIR__ONNX_BF16, "bfloat16", 2, TENSOR_INT32S, PB_WT_VARINT},
};
enum { TYPES = sizeof types / sizeof *types };

/* Place in `types`, or TYPES. */
static size_t find_type(uint64_t type)
{
    size_t i = 0;
    while (i < TYPES && (uint64_t)types[i].type != type)
        i++;
    return i;
}

weir__onnx_type weir__onnx_known_type(uint64_t type)
{
    size_t i = find_type(type);
    return i < TYPES ? types[i].type : WEIR__ONNX_UNTYPED;
}

const char *weir__onnx_type_name(weir__onnx_type type)
{
    size_t i = find_type((uint64_t)type);
    return i < TYPES ? types[i].name : NULL;
}

/* dims, and count = their product. */
static weir_status read_dims(const weir__reader *r, weir__onnx_tensor *t, uint32_t rank, const char *label)
{
    if (rank > WEIR__ONNX_RANK)
        return weir__reader_refuse(r, t->message, WEIR_E_UNSUPPORTED, "tensor %s has %u dimensions; at most %d can be read", label, (unsigned)rank,
                      WEIR__ONNX_RANK);
    int64_t *dims;
    TRY(weir__reader_take(r, rank, sizeof *dims, &dims));
    weir__numbers n = weir__numbers_of(t->message, TENSOR_DIMS, PB_WT_VARINT);
    t->rank = rank;
    t->dims = dims;
    t->count = 1;
    for (uint64_t bits; weir__next_number(&n, &bits); dims++) {
        *dims = (int64_t)bits;
        if (*dims < 0)
            return weir__reader_refuse(r, t->message, WEIR_E_FORMAT, "tensor %s has a dimension of %lld; it must not be negative", label,
                                       (long long)*dims);
        if (!weir__size_mul(&t->count, t->count, (size_t)*dims) || t->count > SIZE_MAX / 16)
            return weir__reader_refuse(r, t->message, WEIR_E_FORMAT, "tensor %s has more numbers than can be counted", label);
    }
    return WEIR_OK;
}

/* The bytes of float_data or double_data if they are one packed field. */
static const void *one_piece(weir__text message, uint32_t tag)
{
    const void *piece = NULL;
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);) {
        if (f.tag != tag)
            continue;
        if (piece || f.wire != PB_WT_STRING)
            return NULL;
        piece = f.bytes.bytes;
    }
    return piece;
}

/* Finds the numbers, in raw_data or in the field of their type, and wants just as many as the dimensions say. */
static weir_status find_numbers(const weir__reader *r, weir__onnx_tensor *t, size_t type, weir__text raw, const uint32_t counts[WEIR__TAGS],
                                const char *label)
{
    static const uint32_t data[] = {TENSOR_FLOATS, TENSOR_INT32S, TENSOR_STRINGS, TENSOR_INT64S, TENSOR_DOUBLES, TENSOR_UINT64S};
    uint32_t right = types[type].field, has = counts[right];
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        if (counts[data[i]] && (data[i] != right || counts[TENSOR_RAW]))
            return weir__reader_refuse(r, t->message, WEIR_E_FORMAT, "tensor %s of %s has numbers in %s, where none belong", label, types[type].name,
                          weir__find_rule(&tensor_kind, data[i])->name);
    if (counts[TENSOR_RAW]) {
        if (raw.size != t->count * types[type].width)
            return weir__reader_refuse(r, t->message, WEIR_E_FORMAT, "tensor %s has %zu bytes of data, but its dimensions need %zu", label, raw.size,
                          t->count * types[type].width);
        t->raw = raw.bytes;
    } else {
        if (has != t->count)
            return weir__reader_refuse(r, t->message, WEIR_E_FORMAT, "tensor %s has %u numbers, but its dimensions need %zu", label, (unsigned)has,
                                       t->count);
        if (types[type].wire != PB_WT_VARINT)
            t->raw = one_piece(t->message, right);
    }
    return WEIR_OK;
}

weir_status weir__read_tensor(const weir__reader *r, weir__onnx_tensor *t, weir__text message)
{
    uint32_t counts[WEIR__TAGS];
    char label[WEIR__SHOWN];
    uint64_t type = 0, location = 0;
    weir__text raw = {NULL, 0};
    *t = (weir__onnx_tensor){.message = message, .name = {message.bytes, 0}};
    TRY(weir__check_fields(r, &tensor_kind, message, counts));
    weir__walk w = weir__walk_over(message);
    for (weir__field f; weir__next_field(&w, &f);)
        switch (f.tag) {
        case TENSOR_NAME: t->name = f.bytes; break;
        case TENSOR_TYPE: type = f.number; break;
        case TENSOR_RAW: raw = f.bytes; break;
        case TENSOR_LOCATION: location = f.number; break;
        default: break;
        }
    weir__text_show(label, t->name);
    if (location || counts[TENSOR_EXTERNAL])
        return weir__reader_refuse(r, message, WEIR_E_UNSUPPORTED, "tensor %s has its numbers in another file; save the model as one file", label);
    if (counts[TENSOR_SEGMENT])
        return weir__reader_refuse(r, message, WEIR_E_UNSUPPORTED, "tensor %s is a segment of another one; save it whole", label);
    size_t known = find_type(type);
    if (known == TYPES)
        return weir__reader_refuse(r, message, type ? WEIR_E_UNSUPPORTED : WEIR_E_FORMAT,
                      "tensor %s has numbers of type %lld; float32, float64, float16, bfloat16, int32, int64 and bool can be read", label,
                      (long long)type);
    t->type = types[known].type;
    TRY(read_dims(r, t, counts[TENSOR_DIMS], label));
    return find_numbers(r, t, known, raw, counts, label);
}

/* A tensor's number `i` as it stands in the file, or the next one of its field. */
static uint64_t bits_of(const weir__onnx_tensor *t, size_t type, weir__numbers *n, size_t i)
{
    uint64_t bits = 0;
    if (t->raw)
        memcpy(&bits, (const char *)t->raw + i * types[type].width, types[type].width);
    else
        weir__next_number(n, &bits);
    return bits;
}

/* All finite halves and the subnormal ones are floats: h = (-1)^s 2^(e - 15) (1 + m / 1024). */
static float float_of_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return weir__float_of_bits(sign | 0x7F800000u | fraction << 13);
    if (exponent)
        return weir__float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float small = (float)fraction * 0x1p-24f;
    return sign ? -small : small;
}

static float float_of_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

bool weir__onnx_floats(const weir__onnx_tensor *t, float *out)
{
    size_t type = find_type((uint64_t)t->type);
    if (t->type != WEIR__ONNX_F32 && t->type != WEIR__ONNX_F64 && t->type != WEIR__ONNX_F16 && t->type != WEIR__ONNX_BF16)
        return false;
    if (t->type == WEIR__ONNX_F32 && t->raw) {
        memcpy(out, t->raw, t->count * sizeof *out);
        return true;
    }
    weir__numbers n = weir__numbers_of(t->message, types[type].field, types[type].wire);
    for (size_t i = 0; i < t->count; i++) {
        uint64_t bits = bits_of(t, type, &n, i);
        out[i] = t->type == WEIR__ONNX_F64    ? float_of_double(bits)
                 : t->type == WEIR__ONNX_F16  ? float_of_half((uint32_t)bits & 0xFFFF)
                 : t->type == WEIR__ONNX_BF16 ? weir__float_of_bits((uint32_t)bits << 16)
                                              : weir__float_of_bits((uint32_t)bits);
    }
    return true;
}

bool weir__onnx_ints(const weir__onnx_tensor *t, int64_t *out)
{
    size_t type = find_type((uint64_t)t->type);
    if (t->type != WEIR__ONNX_I32 && t->type != WEIR__ONNX_I64 && t->type != WEIR__ONNX_BOOL)
        return false;
    weir__numbers n = weir__numbers_of(t->message, types[type].field, types[type].wire);
    for (size_t i = 0; i < t->count; i++) {
        uint64_t bits = bits_of(t, type, &n, i);
        out[i] = t->type == WEIR__ONNX_BOOL ? (uint32_t)bits != 0 : t->type == WEIR__ONNX_I32 ? (int32_t)(uint32_t)bits : (int64_t)bits;
    }
    return true;
}
