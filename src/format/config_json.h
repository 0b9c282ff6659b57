/* Layer 5: a model's configuration as JSON (docs/format.md): every field of weir_config under its own name, enums as words.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CONFIG_JSON_H
#define WEIR_CONFIG_JSON_H

#include <jansson.h>

#include "base/base.h"

/* Longer texts are refused before they become a tree. */
enum { WEIR__CONFIG_FORMAT = 1, WEIR__CONFIG_LIMIT = 8 << 10 };

/* NULL without memory. notes, isa and allocator are no part of it. */
json_t *weir__config_to_json(const weir_config *config);
/* What a file says of a model beside its weights: {"weir": the configuration as text, "notes": ...}; without notes where there are none.
 * NULL without memory, or if the notes are no UTF-8. */
json_t *weir__metadata_to_json(const weir_config *config);

/* Fields that are absent stay 0, the default. WEIR_E_FORMAT for an unknown field or a wrong type; *field is then its name, for the
 * place. Ranges are checked by whoever makes a model of it. */
weir_status weir__config_from_json(weir_config *config, json_t *json, const char **field, weir_error *err);

#endif
