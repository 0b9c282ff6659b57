/* SPDX-License-Identifier: MIT */
#ifndef PARK_H
#define PARK_H

#include "cli.h"

/* Sends Weir's workers to sleep, which spin on after a call for up to a million pauses. */
void park(const threads *t);

#endif
