/* Plots: data and a gnuplot script are written beside the picture and kept; gnuplot draws it if it is installed.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_PLOT_H
#define WEIR_CLI_PLOT_H

#include <stdbool.h>
#include <stdio.h>

/* Writes STEM.dat and STEM.gp for the picture STEM.svg or STEM.png and draws it. `script` prints the plot commands after terminal and output are
 * set; it names the data by the quoted string that it is given. `quiet`: nothing is said unless something fails. */
int plot_draw(const char *picture, bool quiet, void (*data)(FILE *f, const void *what),
              void (*script)(FILE *f, const char *data_file, const void *what), const void *what);

/* The same with a size in points; plot_draw's is 960 by 540. */
int plot_draw_sized(const char *picture, unsigned width, unsigned height, bool quiet, void (*data)(FILE *f, const void *what),
                    void (*script)(FILE *f, const char *data_file, const void *what), const void *what);

/* Whether gnuplot can be found. */
bool plot_has_gnuplot(void);

#endif
