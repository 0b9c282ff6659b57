/* What weir tune shows of its trials.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_TUNE_REPORT_H
#define WEIR_CLI_TUNE_REPORT_H

#include "tune_log.h"

/* A table on stdout, the lowest validation loss first; of the settings, those that differ between trials. */
int tune_print(const tune_log *l);
/* Loss against each of these settings, and the best so far over the time. */
int tune_plot(const tune_log *l, const char *picture, bool quiet);

#endif
