/* Layer 5: numbers and words in JSON, with their ranges: what configurations and checkpoints are made of.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_JSON_FIELDS_H
#define WEIR_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Each is false for JSON of another kind or out of range. */
bool weir__json_count(const json_t *json, uint32_t *out);
bool weir__json_real(const json_t *json, float *out);
/* The index of the word in a list that ends in NULL. */
bool weir__json_word(const json_t *json, const char *const *words, unsigned *out);

/* A string of digits: JSON's integers end before 2^64 does. */
json_t *weir__u64_to_json(uint64_t value);
bool weir__json_u64(const json_t *json, uint64_t *out);

/* Exact both ways. What JSON's numbers lack is null for NaN, "inf" and "-inf". */
json_t *weir__double_to_json(double value);
bool weir__json_double(const json_t *json, double *out);

#endif
