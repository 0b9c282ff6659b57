/* A cluster over MPI, of the standard's functions alone: compiled once for each implementation.
 * SPDX-License-Identifier: MIT */
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "weir_mpi.h"

enum {
    TAG = 7,
    PIECE = 1 << 30,    /* bytes of one message: MPI counts with int */
    EAGER_LOOKS = 4000, /* before a rank that waits gives its processor to others */
    NAP = 50000,        /* nanoseconds */
    PATIENCE = 300,     /* milliseconds that a rank asked to stop waits before it says for whom */
    NAME = MPI_MAX_PROCESSOR_NAME + 32,
};

struct world {
    MPI_Comm comm;
    int rank, ranks;
    char (*names)[NAME];   /* [ranks] "rank 2 on node7" */
    MPI_Request *requests; /* [room] */
    int *peers;            /* [room]: the rank that a request waits for */
    size_t room;
    int (*interrupted)(void);
    bool told, broken; /* broken: an exchange failed, and no other can be matched any more */
};

/* ---- Sentences ---- */

static weir_status fail(weir_error *err, const struct world *w, int peer, int code)
{
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length;
    if (err) {
        MPI_Error_string(code, text, &length);
        *err = (weir_error){.status = WEIR_E_IO};
        snprintf(err->text, sizeof err->text, "%.60s cannot exchange with %.60s: %.100s", w->names[w->rank], w->names[peer],
                 text);
    }
    return WEIR_E_IO;
}

static weir_status no_memory(weir_error *err)
{
    if (err) {
        *err = (weir_error){.status = WEIR_E_NOMEM};
        snprintf(err->text, sizeof err->text, "no memory for the messages between the processes");
    }
    return WEIR_E_NOMEM;
}

/* ---- Waiting: not so that processes that share a processor keep each other from working ---- */

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static void tell_who_is_missing(struct world *w, int peer)
{
    fprintf(stderr, "weir: %s was asked to stop and still waits for %s, which has ended or is busy with its batch\n",
            w->names[w->rank], w->names[peer]);
    w->told = true;
}

/* What a rank does between two looks at its requests: first nothing, then it lets others have its processor. */
static void give_way(size_t looks)
{
    if (looks > EAGER_LOOKS)
        sched_yield();
    if (looks > 2 * EAGER_LOOKS)
        nanosleep(&(struct timespec){.tv_nsec = NAP}, NULL);
}

/* Takes the requests in their order; a look at one moves all of them on. */
static weir_status wait_all(struct world *w, size_t n, weir_error *err)
{
    double asked = 0;
    size_t looks = 0;
    for (size_t i = 0; i < n;) {
        int done, code = MPI_Test(w->requests + i, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS)
            return fail(err, w, w->peers[i], code);
        if (done) {
            i++;
            continue;
        }
        give_way(++looks);
        if (w->told || !w->interrupted())
            continue;
        if (asked == 0)
            asked = milliseconds();
        else if (milliseconds() - asked > PATIENCE)
            tell_who_is_missing(w, w->peers[i]);
    }
    return WEIR_OK;
}

/* ---- The exchange ---- */

static size_t pieces_of(const weir_parcel *list, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += list[i].size / PIECE + (list[i].size % PIECE > 0);
    return sum;
}

static bool make_room(struct world *w, size_t n)
{
    if (n <= w->room)
        return true;
    MPI_Request *requests = realloc(w->requests, n * sizeof *requests);
    w->requests = requests ? requests : w->requests;
    int *peers = realloc(w->peers, n * sizeof *peers);
    w->peers = peers ? peers : w->peers;
    w->room = requests && peers ? n : w->room;
    return requests && peers;
}

/* Posts the pieces of a parcel behind the *n requests that are under way. */
static weir_status post(struct world *w, const weir_parcel *p, bool out, size_t *n, weir_error *err)
{
    for (size_t at = 0; at < p->size; at += PIECE) {
        int count = (int)(p->size - at < PIECE ? p->size - at : PIECE), peer = (int)p->rank;
        char *data = (char *)p->data + at;
        int code = out ? MPI_Isend(data, count, MPI_BYTE, peer, TAG, w->comm, w->requests + *n)
                       : MPI_Irecv(data, count, MPI_BYTE, peer, TAG, w->comm, w->requests + *n);
        if (code != MPI_SUCCESS)
            return fail(err, w, peer, code);
        w->peers[(*n)++] = peer;
    }
    return WEIR_OK;
}

static weir_status exchange(void *ctx, const weir_parcel *out, size_t outs, const weir_parcel *in, size_t ins, weir_error *err)
{
    struct world *w = ctx;
    size_t n = 0;
    weir_status status = WEIR_OK;
    if (w->broken)
        return fail(err, w, w->rank, MPI_ERR_OTHER);
    if (!make_room(w, pieces_of(out, outs) + pieces_of(in, ins)))
        status = no_memory(err);
    for (size_t i = 0; i < ins && !status; i++) /* those that come first have a place to go at once */
        status = post(w, in + i, false, &n, err);
    for (size_t i = 0; i < outs && !status; i++)
        status = post(w, out + i, true, &n, err);
    if (!status)
        status = wait_all(w, n, err);
    w->broken = status != WEIR_OK;
    return status;
}

/* ---- Begin and end ---- */

static void free_world(struct world *w)
{
    if (!w)
        return;
    free(w->names);
    free(w->requests);
    free(w->peers);
    free(w);
}

static void close_world(void *ctx)
{
    struct world *w = ctx;
    if (w->broken)
        MPI_Abort(w->comm, 1);
    MPI_Comm_free(&w->comm);
    MPI_Finalize();
    free_world(w);
}

/* Every rank learns the names of all. */
static void name_ranks(struct world *w)
{
    char host[MPI_MAX_PROCESSOR_NAME] = "", name[NAME] = "";
    int length;
    MPI_Get_processor_name(host, &length);
    snprintf(name, sizeof name, "rank %d on %s", w->rank, host);
    MPI_Allgather(name, NAME, MPI_CHAR, w->names, NAME, MPI_CHAR, w->comm);
}

static uint32_t ranks_here(const struct world *w)
{
    MPI_Comm local;
    int size = 1;
    if (MPI_Comm_split_type(w->comm, MPI_COMM_TYPE_SHARED, w->rank, MPI_INFO_NULL, &local) == MPI_SUCCESS) {
        MPI_Comm_size(local, &size);
        MPI_Comm_free(&local);
    }
    return (uint32_t)size;
}

__attribute__((visibility("default"))) weir_mpi_open_function weir_mpi_open;

weir_status weir_mpi_open(weir_mpi *out, int (*interrupted)(void), weir_error *err)
{
    int provided;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    struct world *w = calloc(1, sizeof *w);
    if (w) {
        MPI_Comm_dup(MPI_COMM_WORLD, &w->comm);
        MPI_Comm_set_errhandler(w->comm, MPI_ERRORS_RETURN);
        MPI_Comm_rank(w->comm, &w->rank);
        MPI_Comm_size(w->comm, &w->ranks);
        w->names = calloc((size_t)w->ranks, NAME);
        w->interrupted = interrupted;
    }
    if (!w || !w->names) { /* the others wait for this one: it ends them */
        fputs("weir: there is no memory for the names of the processes\n", stderr);
        MPI_Abort(MPI_COMM_WORLD, 1);
        return no_memory(err);
    }
    name_ranks(w);
    *out = (weir_mpi){
        .version = WEIR_MPI_VERSION,
        .cluster =
            {.rank = (uint32_t)w->rank, .ranks = (uint32_t)w->ranks, .name = w->names[w->rank], .exchange = exchange, .ctx = w},
        .local_ranks = ranks_here(w),
        .close = close_world,
    };
    return WEIR_OK;
}
