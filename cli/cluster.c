/* SPDX-License-Identifier: MIT */
#include "cluster.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

/* ---- Which MPI ---- */

enum { MPI_AUTO, MPI_OPENMPI, MPI_MPICH, MPI_NONE };
const char *const mpi_names[] = {"auto", "openmpi", "mpich", "none", NULL};

/* The variables by which a launcher tells a process how many there are and which it is: those of mpirun, and of Slurm's srun with --mpi=pmix or
 * --mpi=pmi2. PMIx leaves the number to the MPI. */
static const struct launcher {
    int mpi;
    const char *ranks, *rank;
} launchers[] = {
    {MPI_OPENMPI, "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {MPI_MPICH, "PMI_SIZE", "PMI_RANK"},
    {MPI_OPENMPI, NULL, "PMIX_RANK"},
};

static const struct launcher *find_launcher(void)
{
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
        if (getenv(launchers[i].rank))
            return launchers + i;
    return NULL;
}

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
    const char *text = variable ? getenv(variable) : NULL;
    return text ? strtoul(text, NULL, 10) : otherwise;
}

bool cluster_follows(void)
{
    const struct launcher *l = find_launcher();
    return l && number_of(l->rank, 0) > 0;
}

/* ---- The plugin: beside the command in a build, in its own folder where it is installed ---- */

static void *open_plugin(const char *name, char *why, size_t size)
{
    static const char *const folders[] = {"", WEIR_MPI_FOLDER "/"};
    char self[PATH_MAX], path[2 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        slash[1] = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%slibweir-mpi-%s.so", self, folders[i], name);
        if (access(path, F_OK) != 0)
            continue;
        void *plugin = dlopen(path, RTLD_NOW | RTLD_GLOBAL); /* the MPI's own plugins look for its symbols */
        if (!plugin)
            snprintf(why, size, "%.200s", dlerror());
        return plugin;
    }
    snprintf(why, size, "there is no libweir-mpi-%s.so in %.100s or %.100s%s", name, self, self, WEIR_MPI_FOLDER);
    return NULL;
}

static int load(cluster *c, const char *name)
{
    char why[512];
    weir_error err = {0};
    c->plugin = open_plugin(name, why, sizeof why);
    if (!c->plugin)
        return complain("to run as several processes, Weir must be built beside the headers of the MPI whose launcher is used, "
                        "or use --mpi: %s",
                        why);
    weir_mpi_open_function *open_mpi;
    void *symbol = dlsym(c->plugin, "weir_mpi_open");
    memcpy(&open_mpi, &symbol, sizeof open_mpi);
    if (!symbol || open_mpi(&c->mpi, progress_interrupted, &err) || c->mpi.version != WEIR_MPI_VERSION)
        return complain("libweir-mpi-%s.so is not of this version of Weir%s%s", name, *err.text ? ": " : "", err.text);
    return DONE;
}

/* ---- Life ---- */

static bool active(const cluster *c)
{
    return c->mpi.cluster.ranks > 1;
}

/* A task of several processes that cannot find each other would be done by each of them, into the same files. */
static int check_alone(void)
{
    unsigned long tasks = number_of("SLURM_STEP_NUM_TASKS", 1);
    if (tasks > 1)
        return complain("srun started %lu processes without telling them of each other; use srun --mpi=pmix (Open MPI), "
                        "--mpi=pmi2 (MPICH), or --mpi=none of weir "
                        "train to let each of them train alone",
                        tasks);
    return DONE;
}

int cluster_start(cluster *c, int mpi)
{
    *c = (cluster){0};
    const struct launcher *l = find_launcher();
    if (mpi == MPI_NONE)
        return DONE;
    if (mpi == MPI_AUTO && !l)
        return check_alone();
    if (mpi == MPI_AUTO && number_of(l->ranks, 2) < 2)
        return DONE;
    if (mpi == MPI_AUTO)
        mpi = l->mpi;
    if (cluster_follows())
        complain_into(&c->held);
    int status = load(c, mpi_names[mpi]);
    complain_into(status == DONE && active(c) ? &c->held : NULL);
    return status;
}

bool cluster_leads(const cluster *c)
{
    return c->mpi.cluster.rank == 0;
}

const weir_cluster *cluster_of(const cluster *c)
{
    return active(c) ? &c->mpi.cluster : NULL;
}

void cluster_speak(cluster *c)
{
    if (active(c) && cluster_leads(c) && *c->held.text) {
        complain_into(NULL);
        complain("%s", c->held.text);
        complain_into(&c->held);
    }
    c->held = (weir_error){0};
}

int cluster_agree(cluster *c, int status)
{
    if (!active(c))
        return status;
    weir_status all = weir_cluster_agree(&c->mpi.cluster, status == DONE ? WEIR_OK : WEIR_E_ARGUMENT, NULL, &c->held);
    if (all)
        cluster_speak(c);
    return all ? FAILED : DONE;
}

bool cluster_any(cluster *c, bool yes)
{
    if (active(c) && weir_cluster_agree(&c->mpi.cluster, WEIR_OK, &yes, &c->held))
        return true; /* the processes are apart: what comes next says so */
    return yes;
}

void cluster_stop(cluster *c)
{
    if (active(c)) {
        cluster_speak(c);
        complain_into(NULL);
    }
    if (c->mpi.close)
        c->mpi.close(c->mpi.cluster.ctx);
    *c = (cluster){0}; /* the plugin stays: an MPI leaves handlers behind */
}

/* ---- The same data for all ---- */

struct print {
    uint64_t bytes;
    char sum[24];
};

/* The first rank's bytes, to all. */
static weir_status from_first(const weir_cluster *c, void *bytes, size_t size, weir_error *err)
{
    weir_parcel one = {0, size, bytes};
    if (c->rank)
        return c->exchange(c->ctx, NULL, 0, &one, 1, err);
    weir_status status = WEIR_OK;
    for (one.rank = 1; one.rank < c->ranks && !status; one.rank++)
        status = c->exchange(c->ctx, &one, 1, NULL, 0, err);
    return status;
}

static int same_file_for_all(cluster *c, const json_t *file)
{
    const char *path = json_string_value(json_object_get(file, "path")), *sum = json_string_value(json_object_get(file, "sum"));
    struct print mine = {.bytes = (uint64_t)json_integer_value(json_object_get(file, "bytes"))}, first;
    snprintf(mine.sum, sizeof mine.sum, "%s", sum ? sum : "");
    first = mine;
    if (from_first(&c->mpi.cluster, &first, sizeof first, &c->held))
        return FAILED;
    if (!sum)
        return complain("%s is no regular file, so the processes cannot each read it", path);
    if (first.bytes != mine.bytes || strcmp(first.sum, mine.sum) != 0)
        return complain("%s is another file here than for rank 0; give all processes the same data", path);
    return DONE;
}

int cluster_same_data(cluster *c, const json_t *described)
{
    int status = DONE;
    for (size_t i = 0; i < json_array_size(described) && active(c); i++)
        if (same_file_for_all(c, json_array_get(described, i)))
            status = FAILED;
    return status;
}

/* The first rank's text; NULL without memory or after a failed exchange. Free with free(). */
static char *text_of_first(cluster *c, const char *mine)
{
    uint64_t size = strlen(mine) + 1;
    if (from_first(&c->mpi.cluster, &size, sizeof size, &c->held))
        return NULL;
    char *text = calloc(1, (size_t)size);
    if (text && cluster_leads(c))
        memcpy(text, mine, (size_t)size);
    if (text && from_first(&c->mpi.cluster, text, (size_t)size, &c->held) == WEIR_OK)
        return text;
    free(text);
    return NULL;
}

int cluster_same_settings(cluster *c, const json_t *arguments)
{
    if (!active(c))
        return DONE;
    json_t *all = json_pack("[s, O]", weir_version(), arguments);
    char *mine = json_dumps(all, JSON_COMPACT), *first = mine ? text_of_first(c, mine) : NULL;
    int status = DONE;
    if (!first)
        status = complain("there is no memory left");
    else if (strcmp(first, mine) != 0)
        status = complain("its options or its version of weir are not those of rank 0; start all processes by the same command");
    json_decref(all);
    free(first);
    free(mine);
    return status;
}

unsigned cluster_threads(const cluster *c, unsigned wanted)
{
    if (wanted || !active(c))
        return wanted;
    long online = sysconf(_SC_NPROCESSORS_ONLN), here = (long)c->mpi.local_ranks;
    unsigned share = online > here ? (unsigned)(online / here) : 1, mine = processors();
    return share < mine ? share : mine;
}
