/* Time of an exchange between two processes through a plugin of weir: mpirun -n 2 exchange libweir-mpi-NAME.so
 * Prints bytes each way and the least seconds of an exchange, in which both send and receive.
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "weir_mpi.h"

static int never(void)
{
    return 0;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    enum { MOST = 1 << 24, TRIES = 40 };
    weir_mpi mpi;
    weir_error err;
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL, *symbol = plugin ? dlsym(plugin, "weir_mpi_open") : NULL;
    weir_mpi_open_function *open_mpi;
    memcpy(&open_mpi, &symbol, sizeof open_mpi);
    char *out = calloc(1, MOST), *in = calloc(1, MOST);
    if (!symbol || !out || !in || open_mpi(&mpi, never, &err) || mpi.cluster.ranks != 2) {
        fprintf(stderr, "usage: mpirun -n 2 exchange libweir-mpi-NAME.so\n");
        return 1;
    }
    const weir_cluster *c = &mpi.cluster;
    for (size_t size = 8; size <= MOST; size *= 8) {
        double least = 1e9;
        for (int i = 0; i < TRIES; i++) {
            weir_parcel to = {1 - c->rank, size, out}, from = {1 - c->rank, size, in};
            double begin = seconds();
            if (c->exchange(c->ctx, &to, 1, &from, 1, &err))
                return 1;
            double took = seconds() - begin;
            least = took < least ? took : least;
        }
        if (c->rank == 0)
            printf("%zu %.3g\n", size, least);
    }
    mpi.close(c->ctx);
    return 0;
}
