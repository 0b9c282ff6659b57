/* Gers, Schraudolph & Schmidhuber 2002, "Learning precise timing with LSTM recurrent networks", JMLR 3:115-143: one cell measures the delays
 * between spikes (MSD), makes spikes (GTS), or makes a function of a period (PFG), from no other input than time.
 * SPDX-License-Identifier: MIT */
#include "lab.h"

#include <math.h>
#include <stdlib.h>

typedef enum { MSD, GTS, PFG_COS, PFG_TRIANGLE, PFG_RECTANGLE } kind;

typedef struct timing {
    kind kind;
    uint32_t period; /* F */
    uint32_t longer; /* intervals are F + I steps, I uniform in 0 .. longer */
} timing;

enum {
    PIECE = 128,              /* steps of a stream between two updates, in the papers' way */
    TRAINING_INTERVALS = 100, /* of a stream that ends without an error */
    TEST_INTERVALS = 1000,
    UPDATES_TO_TEST = 50, /* in today's way */
    MOST_ROWS = 4
};

/* ---- The task ---- */

typedef struct stream {
    const timing *task;
    draws draws;
    uint32_t step, length; /* step 1 .. length of the interval now */
    uint32_t extra;        /* I */
    uint64_t intervals;    /* begun */
} stream;

static stream stream_start(const timing *task, draws d)
{
    return (stream){.task = task, .draws = d};
}

static float periodic(const timing *task, uint32_t step)
{
    float phase = (float)step / (float)task->period;
    if (task->kind == PFG_COS)
        return (float)(0.5 * (1 - cos(6.283185307179586 * (double)phase)));
    if (task->kind == PFG_TRIANGLE)
        return phase <= 0.5f ? 2 * phase : 2 - 2 * phase;
    return phase <= 0.5f ? 1 : 0;
}

/* The next input and target. MSD: x = 1 at the end of an interval, where I is to be told, else 0. GTS: x = I at its first step; 1 is to be
 * said at its last one, else 0. PFG: x = 0. */
static void stream_next(stream *s, float *x, float *target)
{
    const timing *task = s->task;
    if (s->step == s->length) {
        s->extra = task->longer ? draw_below(&s->draws, task->longer + 1) : 0;
        s->length = task->period + s->extra;
        s->step = 0;
        s->intervals++;
    }
    s->step++;
    float spike = s->step == s->length ? 1 : 0;
    if (task->kind == MSD) {
        *x = spike;
        *target = spike * (float)s->extra;
    } else if (task->kind == GTS) {
        *x = s->step == 1 ? (float)s->extra : 0;
        *target = spike;
    } else {
        *x = 0;
        *target = periodic(task, s->step);
    }
}

static float tolerance(const timing *task)
{
    return task->kind >= PFG_COS ? 0.3f : 0.49f;
}

/* ---- Test ---- */

typedef struct test {
    uint64_t right; /* intervals before the first error */
    double rmse;    /* over all */
} test;

/* A stream of TEST_INTERVALS, from which the network learns nothing; with `brief` it ends at the first error. */
static test test_stream(learner *l, const timing *task, uint64_t seed, bool brief)
{
    stream s = stream_start(task, draws_of(seed, FOR_TEST));
    float x[PIECE], target[PIECE], y[PIECE];
    test result = {TEST_INTERVALS, 0};
    bool wrong = false;
    uint64_t steps = 0;
    for (bool first = true; s.intervals <= TEST_INTERVALS && !(brief && wrong); first = false) {
        stream at = s;
        for (size_t t = 0; t < PIECE; t++)
            stream_next(&s, x + t, target + t);
        learner_run(l, &(weir_batch){.steps = PIECE, .rows = 1, .x = x, .carry = !first}, y, NULL);
        for (size_t t = 0; t < PIECE; t++) {
            float ignored[2], error = y[t] - target[t];
            stream_next(&at, ignored, ignored + 1);
            if (at.intervals > TEST_INTERVALS)
                break;
            result.rmse += (double)error * (double)error;
            steps++;
            if (!wrong && !(fabsf(error) <= tolerance(task))) {
                wrong = true;
                result.right = at.intervals - 1;
            }
        }
    }
    result.rmse = sqrt(result.rmse / (double)steps);
    return result;
}

/* ---- Training ---- */

typedef struct watch {
    const float *target;
    float tolerance;
    bool wrong;
} watch;

static bool is_wrong(void *ctx, size_t t, const float *y)
{
    watch *w = ctx;
    w->wrong = !(fabsf(*y - w->target[t]) <= w->tolerance);
    return w->wrong;
}

/* A stream up to its first error; true if there was none. */
static bool train_stream(learner *l, const timing *task, draws *d)
{
    stream s = stream_start(task, draws_of(draw(d), FOR_TRAINING));
    float x[PIECE], target[PIECE];
    watch w = {target, tolerance(task), false};
    for (bool first = true; s.intervals <= TRAINING_INTERVALS && !w.wrong; first = false) {
        for (size_t t = 0; t < PIECE; t++)
            stream_next(&s, x + t, target + t);
        learner_train(l, &(weir_batch){.steps = PIECE, .rows = 1, .x = x, .targets = target, .carry = !first}, is_wrong, &w,
                      NULL);
    }
    return !w.wrong;
}

/* A batch of streams in one piece, each up to its first error. */
static void train_batch(learner *l, const timing *task, draws *d, const weir_train_config *size, float *x, float *target,
                        float *y)
{
    size_t steps = size->steps, rows = size->rows;
    uint32_t lengths[MOST_ROWS];
    for (size_t r = 0; r < rows; r++) {
        stream s = stream_start(task, draws_of(draw(d), FOR_TRAINING));
        for (size_t t = 0; t < steps; t++)
            stream_next(&s, x + t * rows + r, target + t * rows + r);
    }
    weir_batch batch = {.steps = steps, .rows = rows, .x = x, .targets = target};
    learner_run(l, &batch, y, NULL);
    for (size_t r = 0; r < rows; r++) {
        size_t t = 0;
        while (t + 1 < steps && fabsf(y[t * rows + r] - target[t * rows + r]) <= tolerance(task))
            t++;
        lengths[r] = (uint32_t)t + 1;
    }
    batch.lengths = lengths;
    learner_train(l, &batch, NULL, NULL, NULL);
}

static outcome run_timing(const trial *row, uint64_t seed, uint64_t budget)
{
    const timing *task = row->task;
    learner *l = learner_new(&row->net, seed);
    size_t steps = row->net.train.steps, rows = row->net.train.rows;
    float *x = room(steps * rows, sizeof *x), *target = room(steps * rows, sizeof *target), *y = room(steps * rows, sizeof *y);
    draws d = draws_of(seed, FOR_TRAINING);
    outcome r = {.weights = learner_weights(l)};
    bool pfg = task->kind >= PFG_COS;
    for (uint64_t updates = 1; r.sequences < budget && !r.solved && !learner_diverged(l); updates++) {
        bool ready;
        if (row->net.classic)
            ready = train_stream(l, task, &d);
        else {
            train_batch(l, task, &d, &row->net.train, x, target, y);
            ready = updates % UPDATES_TO_TEST == 0;
        }
        r.sequences += rows;
        r.solved = ready && test_stream(l, task, seed, true).right == TEST_INTERVALS;
    }
    test result = test_stream(l, task, seed, !pfg);
    r.measure = pfg ? result.rmse : (double)result.right;
    free(x);
    free(target);
    free(y);
    learner_free(l);
    return r;
}

/* ---- The table: 17 weights with peepholes, 14 without ---- */

/* clang-format off */
#define CELL(without, kind_of_output, f)                                                                                   \
    .model = {.inputs = 1, .hidden = 1, .outputs = 1, .output = kind_of_output, .no_peepholes = without,                   \
              .candidate = {WEIR_IDENTITY, 0, 0}, .output_activation = {WEIR_IDENTITY, 0, 0}, .init = WEIR_INIT_UNIFORM,   \
              .init_scale = 0.1f, .set_gate_bias = true, .gate_bias = {0, f, 0, 2}},                                       \
    .f_bias = {f}, .o_bias = {2}
#define PAPER(name, label, without, F, kind_, longer_, output, f, momentum_, measure_, more_)                              \
    {name, label, "paper", measure_, run_timing, &(const timing){kind_, F, longer_},                                       \
     {CELL(without, output, f), .classic = true,                                                                           \
      .train = {.rows = 1, .steps = PIECE, .rate = 1e-5f, .momentum = momentum_}},                                         \
     100000, 0, 0, more_}
#define ADAM(name, label, without, F, kind_, longer_, output, measure_, more_, quick_, bound)                              \
    {name, label, "adam", measure_, run_timing, &(const timing){kind_, F, longer_},                                        \
     {CELL(without, output, 2),                                                                                            \
      .train = {.rows = longer_ ? MOST_ROWS : 1, .steps = 12 * F, .rate = 0.003f, .clip = 1}},                             \
     longer_ ? 80000 : 20000, quick_, bound, more_}

const trial gers2002_trials[] = {
    PAPER("gts", "peepholes F=10", false, 10, GTS, 0, WEIR_LOGISTIC, -2, 0.999f, "spikes right of 1000", true),
    PAPER("gts", "no peepholes F=10", true, 10, GTS, 0, WEIR_LOGISTIC, -2, 0.999f, "spikes right of 1000", true),
    PAPER("gts", "peepholes F=10 f=+2", false, 10, GTS, 0, WEIR_LOGISTIC, 2, 0.999f, "spikes right of 1000", true),
    PAPER("gts", "no peepholes F=10 f=+2", true, 10, GTS, 0, WEIR_LOGISTIC, 2, 0.999f, "spikes right of 1000", true),
    ADAM("gts", "peepholes F=10", false, 10, GTS, 0, WEIR_LOGISTIC, "spikes right of 1000", true, 12000, 1000),
    ADAM("gts", "no peepholes F=10", true, 10, GTS, 0, WEIR_LOGISTIC, "spikes right of 1000", true, 0, 0),
    ADAM("gts", "peepholes F=20", false, 20, GTS, 0, WEIR_LOGISTIC, "spikes right of 1000", true, 0, 0),
    ADAM("gts", "no peepholes F=20", true, 20, GTS, 0, WEIR_LOGISTIC, "spikes right of 1000", true, 0, 0),
    ADAM("gts", "peepholes F=10 I=0,1", false, 10, GTS, 1, WEIR_LOGISTIC, "spikes right of 1000", true, 0, 0),
    ADAM("gts", "no peepholes F=10 I=0,1", true, 10, GTS, 1, WEIR_LOGISTIC, "spikes right of 1000", true, 0, 0),
    PAPER("pfg", "peepholes cos F=10", false, 10, PFG_COS, 0, WEIR_LINEAR, -2, 0.99f, "RMSE of 1000 periods", false),
    PAPER("pfg", "no peepholes cos F=10", true, 10, PFG_COS, 0, WEIR_LINEAR, -2, 0.99f, "RMSE of 1000 periods", false),
    ADAM("pfg", "peepholes cos F=10", false, 10, PFG_COS, 0, WEIR_LINEAR, "RMSE of 1000 periods", false, 12000, 0.2),
    ADAM("pfg", "no peepholes cos F=10", true, 10, PFG_COS, 0, WEIR_LINEAR, "RMSE of 1000 periods", false, 0, 0),
    ADAM("pfg", "peepholes triangle F=10", false, 10, PFG_TRIANGLE, 0, WEIR_LINEAR, "RMSE of 1000 periods", false, 0, 0),
    ADAM("pfg", "no peepholes triangle F=10", true, 10, PFG_TRIANGLE, 0, WEIR_LINEAR, "RMSE of 1000 periods", false, 0, 0),
    ADAM("pfg", "peepholes rectangle F=10", false, 10, PFG_RECTANGLE, 0, WEIR_LINEAR, "RMSE of 1000 periods", false, 0, 0),
    ADAM("pfg", "no peepholes rectangle F=10", true, 10, PFG_RECTANGLE, 0, WEIR_LINEAR, "RMSE of 1000 periods", false, 0, 0),
    ADAM("pfg", "peepholes cos F=25", false, 25, PFG_COS, 0, WEIR_LINEAR, "RMSE of 1000 periods", false, 0, 0),
    ADAM("pfg", "no peepholes cos F=25", true, 25, PFG_COS, 0, WEIR_LINEAR, "RMSE of 1000 periods", false, 0, 0),
    PAPER("msd", "peepholes F=10 I=0,1", false, 10, MSD, 1, WEIR_LOGISTIC, -2, 0.9999f, "spikes right of 1000", true),
    PAPER("msd", "no peepholes F=10 I=0,1", true, 10, MSD, 1, WEIR_LOGISTIC, -2, 0.9999f, "spikes right of 1000", true),
    ADAM("msd", "peepholes F=10 I=0,1", false, 10, MSD, 1, WEIR_LOGISTIC, "spikes right of 1000", true, 0, 0),
    ADAM("msd", "no peepholes F=10 I=0,1", true, 10, MSD, 1, WEIR_LOGISTIC, "spikes right of 1000", true, 24000, 1000),
    {0},
};
/* clang-format on */
