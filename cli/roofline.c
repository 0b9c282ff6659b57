/* SPDX-License-Identifier: MIT */
#include "roofline.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHAINS = 12, PASSES = 5, READ_TURN = 512 }; /* chains: latency times units of today's CPUs, 8 to 10; of several passes the best counts */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- Loops, for each instruction set ---- */

/* name##_chains: CHAINS chains of fused multiply-adds x <- x + one * step. name##_read: eight running sums over `bytes` bytes, a
 * multiple of READ_TURN. The results keep the compiler from leaving the work out. */
#define LOOPS(name, vector, attribute, set, fma)                                                                                 \
    attribute static float name##_chains(long turns, float one, float step)                                                     \
    {                                                                                                                            \
        vector x[CHAINS], a = set(one), b = set(step);                                                                           \
        for (int i = 0; i < CHAINS; i++)                                                                                         \
            x[i] = set((float)i);                                                                                                \
        for (long t = 0; t < turns; t++)                                                                                         \
            _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) x[i] = fma(a, b, x[i]);                                    \
        for (int i = 1; i < CHAINS; i++)                                                                                         \
            x[0] = fma(a, x[0], x[i]);                                                                                           \
        return ((const float *)&x[0])[0];                                                                                        \
    }                                                                                                                            \
    attribute static float name##_read(const char *p, size_t bytes)                                                              \
    {                                                                                                                            \
        vector x[8], one = set(1);                                                                                               \
        for (int i = 0; i < 8; i++)                                                                                              \
            x[i] = set(0);                                                                                                       \
        for (const char *end = p + bytes; p < end; p += sizeof x)                                                                \
            _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++) x[i] = fma(one, ((const vector *)(const void *)p)[i], x[i]);     \
        for (int i = 1; i < 8; i++)                                                                                              \
            x[0] = fma(one, x[0], x[i]);                                                                                         \
        return ((const float *)&x[0])[0];                                                                                        \
    }

struct loops {
    double lanes;
    float (*chains)(long turns, float one, float step);
    float (*read)(const char *p, size_t bytes);
};

#if defined __x86_64__
#include <immintrin.h>
LOOPS(avx2, __m256, __attribute__((target("avx2,fma"))), _mm256_set1_ps, _mm256_fmadd_ps)
LOOPS(avx512, __m512, __attribute__((target("avx512f"))), _mm512_set1_ps, _mm512_fmadd_ps)

static struct loops widest(void)
{
    if (weir_isa_available(WEIR_ISA_AVX512))
        return (struct loops){16, avx512_chains, avx512_read};
    return weir_isa_available(WEIR_ISA_AVX2) ? (struct loops){8, avx2_chains, avx2_read} : (struct loops){0};
}
#elif defined __aarch64__
#include <arm_neon.h>
#define NEON_FMA(a, b, x) vfmaq_f32(x, a, b)
LOOPS(neon, float32x4_t, , vdupq_n_f32, NEON_FMA)

static struct loops widest(void)
{
    return (struct loops){4, neon_chains, neon_read};
}
#else
static struct loops widest(void)
{
    return (struct loops){0};
}
#endif

/* ---- Measuring ---- */

static void run(const weir_parallel *parallel, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    if (parallel && parallel->run)
        parallel->run(parallel->ctx, n, task, arg);
    else
        task(arg, 0);
}

static size_t threads_of(const weir_parallel *parallel)
{
    return parallel && parallel->run ? parallel->threads : 1;
}

struct job {
    struct loops loops;
    long times;
    const char *memory;
    size_t each; /* bytes of a thread */
    volatile float sink;
};

static void run_chains(void *arg, size_t i)
{
    struct job *job = arg;
    job->sink = job->loops.chains(job->times, 1, (float)(i + 1));
}

static void run_read(void *arg, size_t i)
{
    struct job *job = arg;
    for (long t = 0; t < job->times; t++)
        job->sink = job->loops.read(job->memory + i * job->each, job->each);
}

/* The best rate of several passes of `work` operations or bytes by each thread. */
static double best_rate(const weir_parallel *parallel, double work, void (*task)(void *arg, size_t i), struct job *job)
{
    double best = 0, n = (double)threads_of(parallel);
    for (int pass = 0; pass < PASSES; pass++) {
        double from = now();
        run(parallel, threads_of(parallel), task, job);
        double rate = work * n / (now() - from);
        best = rate > best ? rate : best;
    }
    return best;
}

double roofline_flops(const weir_parallel *parallel)
{
    struct job job = {.loops = widest(), .times = 2000000};
    return job.loops.chains ? best_rate(parallel, 2 * job.loops.lanes * CHAINS * (double)job.times, run_chains, &job) : 0;
}

double roofline_bandwidth(const weir_parallel *parallel, double bytes)
{
    size_t n = threads_of(parallel), each = ((size_t)bytes / n + READ_TURN) / READ_TURN * READ_TURN;
    struct job job = {.loops = widest(), .each = each, .times = 1 + (long)(2e8 / (double)(each * n))};
    char *memory = job.loops.read ? aligned_alloc(READ_TURN, each * n) : NULL;
    if (!memory)
        return 0;
    memset(memory, 0, each * n);
    job.memory = memory;
    double rate = best_rate(parallel, (double)each * (double)job.times, run_read, &job);
    free(memory);
    return rate;
}
