/* What the command asks of an MPI. The MPI itself is in a plugin, libweir-mpi-NAME.so, one for each implementation, since their binary
 * interfaces differ: the command loads the one whose launcher started it. A plugin exports one function, weir_mpi_open.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_MPI_H
#define WEIR_MPI_H

#include <weir.h>

enum { WEIR_MPI_VERSION = 1 }; /* of this header */

typedef struct weir_mpi {
    unsigned version;
    weir_cluster cluster;
    uint32_t local_ranks;        /* ranks on this machine */
    void (*close)(void *ctx);    /* called by all ranks at their end; after a failed exchange it ends all of them. ctx is the cluster's */
} weir_mpi;

/* Joins the processes that the launcher started. `interrupted` says whether a signal asked this process to stop: a rank that then still
 * waits for another one says so on stderr. */
typedef weir_status weir_mpi_open_function(weir_mpi *out, int (*interrupted)(void), weir_error *err);

#endif
