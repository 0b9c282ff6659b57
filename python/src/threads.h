/* Threads for the library's parallel-for hook. SPDX-License-Identifier: MIT */
#ifndef WEIR_PYTHON_THREADS_H
#define WEIR_PYTHON_THREADS_H

#include "bind.h"

/* A pool of threads. A child of fork() has no threads of its parent: it does all the work itself. */
struct Threads {
    unsigned count;
    bool shared; /* those of the process's OpenMP, if it has one: a second pool would take the cores of threads that spin between their loops */

    /* Under the interpreter lock; warns where this build has no pool. count 0: as many as there are processors. */
    Threads(unsigned count, bool shared);
    ~Threads();
    Threads(const Threads &) = delete;
    Threads &operator=(const Threads &) = delete;

    /* NULL for one thread. Lives as long as this. */
    const weir_parallel *parallel() const { return pool_ || loop_ ? &parallel_ : nullptr; }

  private:
    weir_parallel parallel_;
    void *pool_ = nullptr;
    void (*loop_)(void (*body)(void *), void *data, unsigned threads, unsigned flags) = nullptr; /* GOMP_parallel */
    long process_ = 0;

    static void run(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg);
    static void run_shared(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg);
};

/* Makes `threads` of `count` threads, unless they are. */
void want_threads(std::shared_ptr<Threads> &threads, unsigned count, bool shared);

/* Whether this build has a pool. */
extern const bool has_threads;

#endif
