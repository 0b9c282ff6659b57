/* Arrays of NumPy in files: format versions 1.0 and 2.0 (numpy.lib.format).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_NPY_H
#define WEIR_CLI_NPY_H

#include <stdio.h>
#include <weir.h>

/* Reads an array of <f4, <f8 (rounded to float32), <i4, <i8 or |b1 in C order into *a, whose name is left as it is; free(a->data).
 * WEIR_E_IO if the system refuses, WEIR_E_FORMAT for what is no such file, WEIR_E_UNSUPPORTED for other types and Fortran order. */
weir_status npy_read(const char *path, weir_array *a, weir_error *err);
/* Prints the array as such a file, for write_file. */
void npy_write(FILE *f, const void *array);

#endif
