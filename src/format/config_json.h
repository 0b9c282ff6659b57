/* Layer 5: a model's configuration as JSON (docs/format.md): every field of weir_config under its own name, enums as words.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CONFIG_JSON_H
#define WEIR_CONFIG_JSON_H

#include <jansson.h>

#include "base/base.h"

/* Longer texts are refused before they become a tree. */
enum { WEIR__CONFIG_FORMAT = 1 };

/* NULL without memory. notes, isa and allocator are no part of it. */
json_t *weir__config_to_json(const weir_config *config);
/* What a file says of a model beside its weights: {"weir": the configuration as text, "notes": ...}; without notes where there are none.
 * NULL without memory, or if the notes are no UTF-8. */
json_t *weir__metadata_to_json(const weir_config *config);

/* Reads `size` bytes of JSON, at most 8 KiB. Fields that are absent stay 0, the default. WEIR_E_FORMAT for what is no such text, an unknown field or a
 * wrong type; `field` is then its name, for the place, or "". Ranges are checked by whoever makes a model of it. */
enum { WEIR__FIELD_SIZE = 64 };
weir_status weir__config_from_text(weir_config *config, const char *text, size_t size, char field[WEIR__FIELD_SIZE], weir_error *err);

#endif
