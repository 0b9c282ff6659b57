/* Layer 5: the numbers of a training's state as JSON (docs/format.md).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CHECKPOINT_JSON_H
#define WEIR_CHECKPOINT_JSON_H

#include <jansson.h>

#include "model/training_state.h"

enum { WEIR__CHECKPOINT_FORMAT = 1 };

/* All but the model, the notes and the arrays. NULL without memory. Free with free(). */
char *weir__state_to_text(const struct weir__training_state *state);
/* At most 16 KiB; every field must be there, and no other. WEIR_E_FORMAT names the field. Ranges are checked by weir__state_check. */
weir_status weir__state_from_text(struct weir__training_state *state, const char *text, weir_error *err);
/* Refuses counters and numbers that no training comes to: WEIR_E_FORMAT. */
weir_status weir__state_check(const struct weir__training_state *state, weir_error *err);

#endif
