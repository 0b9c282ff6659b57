/* Arrays that may be larger than memory: small ones live in memory, large ones in an unlinked temporary file that is mapped, so that the
 * system can take their pages away.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_BIG_H
#define WEIR_CLI_BIG_H

#include <weir.h>

enum { BIG_IN_MEMORY = 32 << 20 }; /* bytes: what is larger goes to a file, in the folder TMPDIR or /tmp */

/* A file without a name in that folder, or a negative number. `what` is for an error: "the rows of x.csv". */
int data_temporary(const char *what, weir_error *err);
/* The sentence for such a file that cannot hold so many bytes. */
weir_status data_temporary_full(const char *what, uint64_t bytes, int reason, weir_error *err);

/* Begins as {0}. Its place changes when it grows. */
typedef struct big {
    void *data;
    size_t size; /* bytes that are used */
    size_t room; /* the rest is private */
    bool mapped, growing;
    int fd; /* of the file, while it grows */
} big;

/* Makes room for `more` bytes beyond size, which does not change. `what` is named in an error: "the rows of x.csv". */
weir_status big_reserve(big *b, size_t more, const char *what, weir_error *err);
/* Reserves and appends. */
weir_status big_append(big *b, const void *bytes, size_t n, const char *what, weir_error *err);
/* Makes `size` zeros of an empty array, which does not grow. */
weir_status big_zeros(big *b, size_t size, const char *what, weir_error *err);
/* Gives back what is not used; it does not grow again. */
void big_finish(big *b);
void big_free(big *b);

#endif
