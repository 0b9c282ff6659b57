/* Proof of the activations: every float through every function and derivative, in both forms, against the truth.
 *
 *     exhaustive [--isa NAME] [--step N] [--form exact|fast] [--threads N] [--products] [--parameters] [--bits] [NAME...]
 *
 * --step N tries every Nth bit pattern only. --products tries the exact derivatives times all sorts of dy, --parameters other
 * parameters than the defaults. --bits prints hashes of the results only. Prints a table in Markdown; exits with 1 if a result of the
 * exact form is not correctly rounded, one of the fast form is further from the truth than its record says, or a rule is broken.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernel/activation_info.h"
#include "truth.h"

enum { CHUNK = 1 << 13, SHOWN = 4, MOST_THREADS = 64 };

typedef struct options {
    weir_isa isa;
    uint32_t step;
    unsigned threads;
    bool exact, fast, products, parameters, bits;
} options;

/* One function in one form. */
typedef struct job {
    weir_activation a; /* resolved */
    weir_form form;
    bool slope;
} job;

typedef struct result {
    uint64_t inputs, decided;      /* by MPFR */
    double worst;                  /* error in units in the last place */
    float worst_at;
    uint64_t misrounded;
    float misrounded_at[SHOWN];
    uint64_t not_finite;           /* NaN or infinity where the truth is finite */
    uint64_t wrong_sign, lost;     /* lost: 0 where there are floats as small as the truth */
    uint64_t nan_lost;             /* inputs that are NaN and results that are not the one NaN */
    uint64_t falls, asymmetric;    /* neighbours in the wrong order; f(-x) that does not mirror f(x) */
    float least, most;
    uint64_t hash;
} result;

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint64_t mixed(uint64_t z) /* splitmix64 */
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* ---- What must hold for which function ---- */

static bool rises(const job *j)
{
    switch (j->a.id) {
    case WEIR_GELU:
    case WEIR_GELU_TANH:
    case WEIR_SILU:
    case WEIR_MISH:
    case WEIR_ERFC:
        return false;
    default:
        return !j->slope && j->a.alpha >= 0 && j->a.beta >= 0;
    }
}

static bool is_odd(const job *j)
{
    weir_activation_id id = j->a.id;
    return !j->slope && (id == WEIR_IDENTITY || id == WEIR_TANH || id == WEIR_SCALED_TANH || id == WEIR_SOFTSIGN || id == WEIR_ERF);
}

static bool is_even(const job *j)
{
    weir_activation_id id = j->a.id;
    return j->slope && (id == WEIR_SIGMOID || id == WEIR_TANH || id == WEIR_SCALED_TANH || id == WEIR_SOFTSIGN || id == WEIR_ERF ||
                        id == WEIR_ERFC);
}

static double allowed(const job *j)
{
    const weir_activation_info *info = weir_activation_get(j->a.id);
    return j->form == WEIR_EXACT ? 0.5 : (double)(j->slope ? info->grad_error : info->error);
}

/* ---- One chunk: positive floats and their mirror images ---- */

typedef struct chunk {
    float x[2 * CHUNK], dy[2 * CHUNK], y[2 * CHUNK];
    double truth[2 * CHUNK], error[2 * CHUNK]; /* of dy f' where there is a dy */
    double per_ulp[2 * CHUNK];                 /* floats per unit there */
    float want[2 * CHUNK];                     /* the correctly rounded result */
} chunk;

static void evaluate(const job *j, const options *o, size_t n, const float *x, const float *dy, float *y)
{
    if (j->slope)
        weir_activation_grad(&j->a, j->form, o->isa, n, x, dy, y, NULL);
    else
        weir_activation_apply(&j->a, j->form, o->isa, n, x, y, NULL);
}

/* How many floats there are per unit at y: 1 / ulp. Subnormals are 2^-149 apart. */
static double per_ulp(double y)
{
    uint64_t bits, exponent;
    memcpy(&bits, &y, sizeof bits);
    exponent = bits >> 52 & 0x7FF;
    if (exponent < 1023 - 126)
        exponent = 1023 - 126;
    bits = (2046 - exponent + 23) << 52;
    memcpy(&y, &bits, sizeof y);
    return y;
}

/* Where the two ends of the error round to different floats, or the truth is too near to 0 for its error, MPFR decides. */
static uint64_t find_truth_of(const job *j, size_t begin, size_t n, chunk *c)
{
    uint64_t decided = 0;
    bool ambiguous[CHUNK];
    truth_array(&j->a, j->slope, n, c->x + begin, c->truth + begin, c->error + begin);
    for (size_t i = begin; i < begin + n; i++) {
        double t = j->slope ? c->truth[i] * (double)c->dy[i] : c->truth[i];
        double e = j->slope ? c->error[i] * fabs((double)c->dy[i]) : c->error[i];
        c->truth[i] = t;
        c->want[i] = (float)t;
        ambiguous[i - begin] = (float)(t - e) != (float)(t + e) || e > 0x1p-30 * fabs(t);
    }
    for (size_t i = begin; i < begin + n; i++)
        if (ambiguous[i - begin] && isfinite(c->truth[i]) && c->truth[i] != 0) {
            float dy = j->slope ? c->dy[i] : 1;
            c->want[i] = truth_decide(&j->a, j->slope, c->x[i], dy);
            c->truth[i] = truth_double(&j->a, j->slope, c->x[i]) * (double)dy;
            decided++;
        }
    for (size_t i = begin; i < begin + n; i++) {
        c->per_ulp[i] = per_ulp(c->truth[i]);
        if (isnan(c->want[i]))
            c->want[i] = of_bits(0x7FC00000u); /* the one NaN */
    }
    return decided;
}

/* Inputs begin to begin + n, neighbours on one side of 0. Further out than 64 and nearer to 0 than 2^-20 every function and derivative is
 * monotonous, so that one result at both ends is the result everywhere between them. */
static uint64_t find_truth(const job *j, const options *o, size_t begin, size_t n, chunk *c)
{
    size_t last = begin + n - 1;
    float least = fabsf(c->x[begin]), most = fabsf(c->x[last]);
    if (o->products || !(least >= 64 || most <= 0x1p-20f) || !isfinite(most) || n < 3)
        return find_truth_of(j, begin, n, c);
    uint64_t decided = find_truth_of(j, begin, 1, c) + find_truth_of(j, last, 1, c);
    double gap = fabs(c->truth[begin] - c->truth[last]);
    if (bits_of(c->want[begin]) != bits_of(c->want[last]) || !(gap * c->per_ulp[begin] < 0x1p-20))
        return find_truth_of(j, begin, n, c);
    for (size_t i = begin; i < last; i++) {
        c->truth[i] = c->truth[begin];
        c->want[i] = c->want[begin];
        c->per_ulp[i] = c->per_ulp[begin];
    }
    return decided;
}

/* A result that is not the correctly rounded one. */
static void judge_one(const job *j, float x, float y, float want, double truth, result *r)
{
    if (isnan(x) || isnan(want)) {
        r->nan_lost++;
        return;
    }
    if (isfinite(want) ? !isfinite(y) : y != want) {
        r->not_finite++;
        return;
    }
    r->wrong_sign += want != 0 && y != 0 && (y < 0) != (want < 0);
    r->lost += fabs(truth) >= 0x1p-149 && y == 0;
    if (y == 0 && want == 0 && j->form == WEIR_FAST)
        return; /* the sign of a 0 */
    if (r->misrounded < SHOWN)
        r->misrounded_at[r->misrounded] = x;
    r->misrounded++;
}

static void judge(const job *j, const options *o, size_t n, const chunk *c, result *r)
{
    double worst = 0;
    float least = r->least, most = r->most;
    for (size_t i = 0; i < 2 * n; i++) {
        double off = fabs((double)c->y[i] - c->truth[i]) * c->per_ulp[i];
        worst = off > worst && off < (double)INFINITY ? off : worst;
        least = c->y[i] < least ? c->y[i] : least;
        most = c->y[i] > most ? c->y[i] : most;
    }
    r->least = least;
    r->most = most;
    if (worst > r->worst) {
        r->worst = worst;
        for (size_t i = 0; i < 2 * n; i++)
            if (fabs((double)c->y[i] - c->truth[i]) * c->per_ulp[i] == worst)
                r->worst_at = c->x[i];
    }
    if (memcmp(c->y, c->want, 2 * n * sizeof *c->y))
        for (size_t i = 0; i < 2 * n; i++)
            if (bits_of(c->y[i]) != bits_of(c->want[i]))
                judge_one(j, c->x[i], c->y[i], c->want[i], c->truth[i], r);
    bool odd = is_odd(j), even = is_even(j) && !o->products;
    uint64_t falls = 0, asymmetric = 0;
    for (size_t i = 1; rises(j) && i < n; i++)
        falls += (uint64_t)(c->y[i] < c->y[i - 1]) + (uint64_t)(c->y[n + i] > c->y[n + i - 1]);
    for (size_t i = 0; (odd || even) && i < n; i++)
        asymmetric += !isnan(c->y[i]) && bits_of(c->y[n + i]) != (bits_of(c->y[i]) ^ (odd ? 0x80000000u : 0));
    r->falls += falls;
    r->asymmetric += asymmetric;
}

static void run_chunk(const job *jobs, size_t count, const options *o, uint64_t first, chunk *c, result *results)
{
    size_t n = 0;
    for (uint64_t bits = first * o->step; n < CHUNK && bits <= 0x7FFFFFFFu; bits += o->step, n++)
        c->x[n] = of_bits((uint32_t)bits);
    for (size_t i = 0; i < n; i++)
        c->x[n + i] = of_bits(bits_of(c->x[i]) ^ 0x80000000u);
    for (size_t i = 0; i < 2 * n; i++)
        c->dy[i] = o->products ? of_bits((uint32_t)mixed(first * CHUNK * 2 + i)) : 1;
    uint64_t decided = 0;
    for (size_t k = 0; k < count; k++) {
        const job *j = jobs + k;
        result *r = results + k;
        if (!o->bits && (k == 0 || j[-1].slope != j->slope))
            decided = find_truth(j, o, 0, n, c) + find_truth(j, o, n, n, c);
        evaluate(j, o, 2 * n, c->x, c->dy, c->y);
        r->inputs += 2 * n;
        for (size_t i = 0; o->bits && i < 2 * n; i++) /* a sum with an odd weight for each place */
            r->hash += bits_of(c->y[i]) * ((2 * first + i) * UINT64_C(0x9E3779B97F4A7C15) | 1);
        if (!o->bits) {
            r->decided += decided;
            judge(j, o, n, c, r);
        }
    }
}

/* ---- All chunks, on all threads ---- */

enum { MOST_JOBS = 4 };

typedef struct crew {
    const options *o;
    const job *jobs;
    size_t count;
    uint64_t positions, chunks;
    atomic_uint_fast64_t next;
    pthread_mutex_t lock;
    result results[MOST_JOBS];
} crew;

static void merge(result *to, const result *from)
{
    for (uint64_t i = 0; i < SHOWN && i < from->misrounded && to->misrounded + i < SHOWN; i++)
        to->misrounded_at[to->misrounded + i] = from->misrounded_at[i];
    to->inputs += from->inputs;
    to->decided += from->decided;
    if (from->worst > to->worst) {
        to->worst = from->worst;
        to->worst_at = from->worst_at;
    }
    to->misrounded += from->misrounded;
    to->not_finite += from->not_finite;
    to->wrong_sign += from->wrong_sign;
    to->lost += from->lost;
    to->nan_lost += from->nan_lost;
    to->falls += from->falls;
    to->asymmetric += from->asymmetric;
    to->least = from->least < to->least ? from->least : to->least;
    to->most = from->most > to->most ? from->most : to->most;
    to->hash += from->hash;
}

static void *work(void *arg)
{
    crew *w = arg;
    chunk *c = malloc(sizeof *c);
    result mine[MOST_JOBS];
    if (!c) {
        fprintf(stderr, "exhaustive: no memory\n");
        exit(1);
    }
    memset(mine, 0, sizeof mine);
    for (size_t k = 0; k < w->count; k++)
        mine[k].least = INFINITY, mine[k].most = -INFINITY;
    for (uint64_t i; (i = atomic_fetch_add(&w->next, 1)) < w->chunks;) {
        /* chunks overlap by one input, so that all neighbours are compared */
        run_chunk(w->jobs, w->count, w->o, i * (CHUNK - 1), c, mine);
        if (isatty(2) && i % 4096 == 0)
            fprintf(stderr, "\r%s %3.0f %%", weir_activation_get(w->jobs->a.id)->name, 100.0 * (double)i / (double)w->chunks);
    }
    pthread_mutex_lock(&w->lock);
    for (size_t k = 0; k < w->count; k++)
        merge(&w->results[k], &mine[k]);
    pthread_mutex_unlock(&w->lock);
    free(c);
    return NULL;
}

static void run_jobs(const options *o, const job *jobs, size_t count, result *results)
{
    crew w = {.o = o, .jobs = jobs, .count = count, .lock = PTHREAD_MUTEX_INITIALIZER};
    w.positions = (UINT64_C(0x7FFFFFFF) + o->step) / o->step;
    w.chunks = (w.positions + CHUNK - 2) / (CHUNK - 1);
    for (size_t k = 0; k < count; k++)
        w.results[k].least = INFINITY, w.results[k].most = -INFINITY;
    pthread_t others[MOST_THREADS];
    unsigned started = 0;
    while (started + 1 < o->threads && !pthread_create(&others[started], NULL, work, &w))
        started++;
    work(&w);
    for (unsigned i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    memcpy(results, w.results, count * sizeof *results);
}

/* ---- Report ---- */

static void print_heads(const options *o)
{
    if (o->bits)
        return;
    printf("| function | form | inputs | by MPFR | largest error, ulp | at | not correctly rounded | range | falls | asymmetric | faults |\n");
    printf("|---|---|---|---|---|---|---|---|---|---|---|\n");
}

static void print_count(bool meaningful, uint64_t count)
{
    if (meaningful)
        printf(" %" PRIu64 " |", count);
    else
        printf(" - |");
}

static void print_name(const job *j)
{
    const weir_activation_info *info = weir_activation_get(j->a.id);
    printf("%s%s", info->name, j->slope ? "'" : "");
    if (j->a.alpha != info->alpha || j->a.beta != info->beta) {
        printf("(%.9g", (double)j->a.alpha);
        if (info->beta != 0)
            printf(", %.9g", (double)j->a.beta);
        printf(")");
    }
}

static bool report(const options *o, const job *j, const result *r)
{
    static const char *const forms[] = {"exact", "fast"};
    if (o->bits) {
        print_name(j);
        printf(" %s %016" PRIx64 "\n", forms[j->form], r->hash);
        return true;
    }
    uint64_t faults = r->not_finite + r->wrong_sign + r->lost + r->nan_lost;
    bool default_parameters = j->a.alpha == weir_activation_get(j->a.id)->alpha && j->a.beta == weir_activation_get(j->a.id)->beta;
    bool good = faults == 0 && r->asymmetric == 0 && (j->form == WEIR_FAST ? r->worst <= allowed(j) || !default_parameters
                                                                          : r->misrounded == 0 && r->falls == 0);
    printf("| %s`", good ? "" : "**FAILED** ");
    print_name(j);
    printf("` | %s | %" PRIu64 " | %" PRIu64 " | %.4f | %a | %" PRIu64, forms[j->form], r->inputs, r->decided, r->worst,
           (double)r->worst_at, r->misrounded);
    for (uint64_t i = 0; j->form == WEIR_EXACT && i < SHOWN && i < r->misrounded; i++)
        printf(" %a", (double)r->misrounded_at[i]);
    printf(" | [%.9g, %.9g] |", (double)r->least, (double)r->most);
    print_count(rises(j), r->falls);
    print_count(is_odd(j) || (is_even(j) && !o->products), r->asymmetric);
    if (faults)
        printf(" %" PRIu64 " not finite, %" PRIu64 " of wrong sign, %" PRIu64 " lost, %" PRIu64 " NaN |\n", r->not_finite, r->wrong_sign,
               r->lost, r->nan_lost);
    else
        printf(" 0 |\n");
    fflush(stdout);
    return good;
}

/* All jobs of one function with its parameters; true if all is well. */
static bool prove(const options *o, weir_activation a)
{
    job jobs[MOST_JOBS];
    result results[MOST_JOBS];
    size_t count = 0;
    for (int slope = o->products; slope < 2; slope++)
        for (int form = 0; form < 2; form++)
            if (form == WEIR_EXACT ? o->exact : o->fast)
                jobs[count++] = (job){.a = a, .form = (weir_form)form, .slope = slope};
    run_jobs(o, jobs, count, results);
    if (isatty(2))
        fprintf(stderr, "\r%40s\r", "");
    bool good = true;
    for (size_t k = 0; k < count; k++)
        good &= report(o, jobs + k, results + k);
    return good;
}

static const weir_activation others[] = {
    {WEIR_LEAKY_RELU, 0.3f, 0},       {WEIR_LEAKY_RELU, -0.2f, 0},       {WEIR_LEAKY_RELU, 1e-30f, 0},
    {WEIR_PRELU, 0.7f, 0},            {WEIR_PRELU, -1.5f, 0},            {WEIR_PRELU, 3, 0},
    {WEIR_ELU, 0.5f, 0},              {WEIR_ELU, 1.5f, 0},               {WEIR_ELU, 1e-3f, 0},
    {WEIR_SELU, 1.5f, 0.5f},          {WEIR_SELU, 1, 1},                 {WEIR_SELU, 1.75809934f, 1.05f},
    {WEIR_SOFTPLUS, 0, 0.5f},         {WEIR_SOFTPLUS, 0, 3},             {WEIR_SOFTPLUS, 0, 20},
    {WEIR_SCALED_TANH, 2, 0.5f},      {WEIR_SCALED_TANH, 1.5f, 1},       {WEIR_SCALED_TANH, 1, 7},
    {WEIR_HARD_SIGMOID, 1.0f / 6, 0}, {WEIR_HARD_SIGMOID, 0.25f, 0.25f}, {WEIR_HARD_SIGMOID, 1, 0.5f},
};

static bool chosen(int argc, char **argv, weir_activation_id id)
{
    for (int i = 0; i < argc; i++)
        if (weir_activation_find(argv[i]) == id)
            return true;
    return argc == 0;
}

static unsigned long number(const char *text)
{
    char *end;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;
    if (!text || *end || n == 0 || n > 1u << 30) {
        fprintf(stderr, "exhaustive: %s is not a positive number\n", text ? text : "nothing");
        exit(2);
    }
    return n;
}

static weir_isa isa_of(const char *name)
{
    for (int i = 0; name && weir_isa_name((weir_isa)i); i++)
        if (!strcmp(name, weir_isa_name((weir_isa)i)))
            return (weir_isa)i;
    fprintf(stderr, "exhaustive: there is no instruction set %s\n", name ? name : "without a name");
    exit(2);
}

int main(int argc, char **argv)
{
    options o = {.step = 1, .threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN), .exact = true, .fast = true};
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *name = argv[at];
        if (!strcmp(name, "--isa"))
            o.isa = isa_of(argv[++at]);
        else if (!strcmp(name, "--step"))
            o.step = (uint32_t)number(argv[++at]);
        else if (!strcmp(name, "--threads"))
            o.threads = (unsigned)number(argv[++at]);
        else if (!strcmp(name, "--form")) {
            const char *form = argv[++at];
            o.exact = form && !strcmp(form, "exact");
            o.fast = !o.exact;
        } else if (!strcmp(name, "--products"))
            o.products = true, o.fast = false;
        else if (!strcmp(name, "--parameters"))
            o.parameters = true;
        else if (!strcmp(name, "--bits"))
            o.bits = true;
        else {
            fprintf(stderr, "exhaustive: there is no option %s\n", name);
            return 2;
        }
    }
    if (!weir_isa_available(o.isa)) {
        printf("skipped: this CPU has no %s\n", weir_isa_name(o.isa));
        return 77;
    }
    if (o.threads > MOST_THREADS)
        o.threads = MOST_THREADS;
    bool good = true;
    print_heads(&o);
    if (o.parameters) {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (chosen(argc - at, argv + at, others[i].id))
                good &= prove(&o, weir__activation_resolve(others[i], others[i].id));
    } else
        for (size_t i = 1; i <= weir_activation_count(); i++)
            if (chosen(argc - at, argv + at, (weir_activation_id)i))
                good &= prove(&o, weir__activation_resolve((weir_activation){.id = (weir_activation_id)i}, (weir_activation_id)i));
    return good ? 0 : 1;
}
