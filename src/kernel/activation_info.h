/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ACTIVATION_INFO_H
#define WEIR_ACTIVATION_INFO_H

#include <weir.h>

/* Fails if id or parameters are not allowed, with `field` in front. */
weir_status weir__activation_check(const weir_activation *a, const char *field, weir_error *err);

/* Fills in a default id and default parameters; a.id must be known. */
weir_activation weir__activation_resolve(weir_activation a, weir_activation_id fallback);

#endif
