/* The processes of one training, where a launcher of MPI started several. One process alone is a cluster too, whose calls do nothing.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_CLUSTER_H
#define WEIR_CLI_CLUSTER_H

#include <weir_mpi.h>

#include "cli.h"

/* "auto", "openmpi", "mpich", "none", NULL */
extern const char *const mpi_names[];

typedef struct cluster {
    weir_mpi mpi;
    void *plugin;
    weir_error held; /* what complain said since the ranks agreed last */
} cluster;

/* Whether a launcher's variables say that this process is none of the first: it says nothing then about wrong usage, since the first one
 * does. */
bool cluster_follows(void);
/* Joins the others, if the launcher's variables tell of others, or `mpi` names an implementation. From here to cluster_stop complain holds its
 * sentences back, until the ranks agree. DONE or FAILED, then without a cluster to stop. */
int cluster_start(cluster *c, int mpi);
/* True for the one process that writes files and speaks. */
bool cluster_leads(const cluster *c);
/* As weir_train_config has it; NULL for one process alone. */
const weir_cluster *cluster_of(const cluster *c);
/* All ranks bring a status. If one of them FAILED, all do, and the first rank prints the sentence of the lowest one that did. */
int cluster_agree(cluster *c, int status);
/* After a failure that all ranks have alike: the first one prints the sentence as it stands. */
void cluster_speak(cluster *c);
/* True for all if it is for one. */
bool cluster_any(cluster *c, bool yes);
/* FAILED if the options, or the version, are not those of the first rank. To be followed by cluster_agree. */
int cluster_same_settings(cluster *c, const json_t *arguments);
/* FAILED if a file of data_describe is not the same for this rank as for the first. To be followed by cluster_agree. */
int cluster_same_data(cluster *c, const json_t *described);
/* Threads for this rank, of `wanted`; 0: its share of the machine's. */
unsigned cluster_threads(const cluster *c, unsigned wanted);
void cluster_stop(cluster *c);

#endif
