/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ACTIVATION_INFO_H
#define WEIR_ACTIVATION_INFO_H

#include <weir.h>

/* Fills in a default id and default parameters; a.id must be known. */
weir_activation weir__activation_resolve(weir_activation a, weir_activation_id fallback);

#endif
