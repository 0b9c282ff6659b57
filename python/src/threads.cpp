/* Threads by pthreadpool, where it was found at build, or by GNU's OpenMP, where the process has it. SPDX-License-Identifier: MIT */
#include <atomic>
#include <dlfcn.h>
#include <thread>
#include <unistd.h>

#include "threads.h"

static void run_alone(size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    for (size_t i = 0; i < n; i++)
        task(arg, i);
}

#ifdef WEIR_PYTHON_POOL
#include <pthreadpool.h>

const bool has_threads = true;

struct Call {
    void (*task)(void *arg, size_t i);
    void *arg;
};

static void run_one(void *context, size_t i)
{
    const Call *call = static_cast<const Call *>(context);
    call->task(call->arg, i);
}

void Threads::run(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    const Threads *t = static_cast<const Threads *>(ctx);
    if (getpid() != t->process_)
        return run_alone(n, task, arg);
    Call call = {task, arg};
    pthreadpool_parallelize_1d(static_cast<pthreadpool_t>(t->pool_), run_one, &call, n, PTHREADPOOL_FLAG_YIELD_WORKERS);
}

static void *new_pool(unsigned count)
{
    pthreadpool_t pool = pthreadpool_create(count);
    if (!pool)
        fail(WEIR_E_NOMEM, "%u threads could not be started; ask for fewer", count);
    return pool;
}

static void end_pool(void *pool)
{
    pthreadpool_destroy(static_cast<pthreadpool_t>(pool));
}

#else

const bool has_threads = false;

void Threads::run(void *, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    run_alone(n, task, arg);
}

static void *new_pool(unsigned)
{
    const char *text = "weir computes in one thread: this build has no pool of threads (libpthreadpool was not found when it was built)";
    if (PyErr_WarnEx(PyExc_RuntimeWarning, text, 1))
        throw nb::python_error();
    return nullptr;
}

static void end_pool(void *) {}

#endif

/* ---- OpenMP ---- */

struct Loop {
    void (*task)(void *arg, size_t i);
    void *arg;
    size_t n;
    std::atomic<size_t> next{0};
};

static void take_tasks(void *data)
{
    Loop *loop = static_cast<Loop *>(data);
    for (size_t i; (i = loop->next.fetch_add(1, std::memory_order_relaxed)) < loop->n;)
        loop->task(loop->arg, i);
}

void Threads::run_shared(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    const Threads *t = static_cast<const Threads *>(ctx);
    if (getpid() != t->process_)
        return run_alone(n, task, arg);
    Loop loop = {task, arg, n};
    t->loop_(take_tasks, &loop, t->parallel_.threads, 0);
}

/* The entry that gcc's code for `#pragma omp parallel` calls (GNU libgomp, part of its interface), if the process has loaded it. */
using OpenmpLoop = void (*)(void (*body)(void *), void *data, unsigned threads, unsigned flags);

static OpenmpLoop openmp_loop()
{
    void *library = dlopen("libgomp.so.1", RTLD_NOW | RTLD_NOLOAD);
    return library ? reinterpret_cast<OpenmpLoop>(dlsym(library, "GOMP_parallel")) : nullptr;
}

/* ---- Either ---- */

Threads::Threads(unsigned wanted, bool shares) : count(wanted), shared(shares), parallel_{run, this, 1}
{
    enum { MOST = 1024 };
    if (count > MOST)
        fail(WEIR_E_ARGUMENT, "threads is %u, but must be from 0 (one for each processor) to %u", count, static_cast<unsigned>(MOST));
    unsigned threads = count ? count : std::thread::hardware_concurrency();
    if (threads <= 1)
        return;
    loop_ = shares ? openmp_loop() : nullptr;
    if (loop_)
        parallel_.run = run_shared;
    else
        pool_ = new_pool(threads);
    process_ = getpid();
    parallel_.threads = threads;
}

Threads::~Threads()
{
    if (pool_ && getpid() == process_)
        end_pool(pool_);
}

void want_threads(std::shared_ptr<Threads> &threads, unsigned count, bool shared)
{
    if (!threads || threads->count != count || threads->shared != shared)
        threads = std::make_shared<Threads>(count, shared);
}
