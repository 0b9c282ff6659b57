/* SPDX-License-Identifier: MIT */
#include "format/json_fields.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool weir__json_count(const json_t *json, uint32_t *out)
{
    json_int_t value = json_integer_value(json);
    if (!json_is_integer(json) || value < 0 || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

bool weir__json_real(const json_t *json, float *out)
{
    double value = json_number_value(json);
    if (!json_is_number(json) || fabs(value) > (double)FLT_MAX)
        return false;
    *out = (float)value;
    return true;
}

bool weir__json_word(const json_t *json, const char *const *words, unsigned *out)
{
    for (*out = 0; json_is_string(json) && words[*out]; ++*out)
        if (!strcmp(json_string_value(json), words[*out]))
            return true;
    return false;
}

json_t *weir__u64_to_json(uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return json_string(digits);
}

bool weir__json_u64(const json_t *json, uint64_t *out)
{
    const char *digits = json_string_value(json); /* NULL for what is no string */
    if (!digits || !*digits || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    unsigned long long value = strtoull(digits, NULL, 10);
    *out = value;
    return errno == 0;
}

json_t *weir__double_to_json(double value)
{
    if (isnan(value))
        return json_null();
    return isinf(value) ? json_string(value > 0 ? "inf" : "-inf") : json_real(value);
}

bool weir__json_double(const json_t *json, double *out)
{
    static const char *const words[] = {"inf", "-inf", NULL};
    unsigned word;
    *out = (double)NAN;
    if (weir__json_word(json, words, &word))
        *out = word ? -(double)INFINITY : (double)INFINITY;
    else if (json_is_number(json))
        *out = json_number_value(json);
    else
        return json_is_null(json);
    return true;
}
