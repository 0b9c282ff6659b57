/* One pass of a problem of weir bench, for counts.sh to count: pass PROBLEM
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "problem.h"

/* Callgrind collects while this function runs. */
__attribute__((noinline)) void counted_pass(workload *w);

void counted_pass(workload *w)
{
    workload_pass(w);
}

static int complain(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return 1;
}

int main(int argc, char **argv)
{
    problem p;
    weir_error err;
    if (argc != 2)
        return complain("usage: pass PROBLEM");
    if (!weir_isa_available(WEIR_ISA_AVX2))
        return 77;
    if (!problem_read(argv[1], &p, &err))
        return complain(err.text);
    workload *w = workload_new(&p, WEIR_ISA_AVX2, NULL, &err);
    if (!w)
        return complain(err.text);
    workload_pass(w); /* the first pass finds an empty state and cold paths */
    counted_pass(w);
    workload_free(w);
    return 0;
}
