/* Weir: stacked LSTM networks with peepholes, run and trained with the same bits everywhere.
 *
 * SPDX-License-Identifier: MIT
 *
 * Conventions
 *   Shapes     row-major; T steps, B rows (sequences side by side), I inputs, H hidden units, P projected units (P = H
 *              without projection), L layers, D directions (1 or 2), O values of output per step.
 *   Gates      i, f, g, o (input, forget, candidate, output); peepholes i, f, o.
 *   Zero       means "the default" in every field of every configuration, so designated initialisers read well.
 *   Errors     a function that can fail returns weir_status and fills `err` (may be NULL) with one sentence. On failure an
 *              output pointer is set to NULL and nothing is changed.
 *   Ownership  what a `_new` or `_load` gives belongs to the caller, who frees it with the `_free` of its type; `_free(NULL)` is
 *              allowed. A returned `const char *` belongs to the library or to the object asked.
 *   Threads    a weir_model is immutable and may be shared; a weir_stream, a weir_trainer or a weir_tape serves one thread at a time.
 *              The library has no global state and reads no environment variable.
 */
#ifndef WEIR_H
#define WEIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined _WIN32
#define WEIR_API
#else
#define WEIR_API __attribute__((visibility("default")))
#endif

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

/* The library's version as "major.minor.patch". */
WEIR_API const char *weir_version(void);

/* ---- Errors ------------------------------------------------------------------------------------------------------- */

typedef enum weir_status {
    WEIR_OK = 0,
    WEIR_E_NOMEM = -1,       /* the allocator gave no memory */
    WEIR_E_ARGUMENT = -2,    /* a value that the caller passed is out of its range */
    WEIR_E_IO = -3,          /* the operating system refused to read or write */
    WEIR_E_FORMAT = -4,      /* a file breaks the rules of its format */
    WEIR_E_UNSUPPORTED = -5, /* valid, but not something this model or this CPU can do */
    WEIR_E_NONFINITE = -6    /* a NaN or an infinity where a finite number is needed */
} weir_status;

typedef struct weir_error {
    weir_status status;
    size_t offset;  /* byte in the file where reading stopped, else 0 */
    char text[256]; /* one sentence: the thing and what to do */
} weir_error;

/* Short name of a status, such as "out of memory". */
WEIR_API const char *weir_status_name(weir_status status);

/* ---- Hooks: memory, threads, instruction sets ------------------------------------------------------------------- */

/* `alloc` gives `size` bytes at a multiple of `align` (a power of two) or NULL; `free` gets the same size back. */
typedef struct weir_allocator {
    void *(*alloc)(void *ctx, size_t size, size_t align);
    void (*free)(void *ctx, void *ptr, size_t size);
    void *ctx;
} weir_allocator;

/* `run` calls task(arg, i) once for each i in [0, n), in any order, on any threads, and returns when all are done.
 * `threads` says how many it has; results never depend on it. The library itself creates no thread. */
typedef struct weir_parallel {
    void (*run)(void *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg);
    void *ctx;
    unsigned threads;
} weir_parallel;

/* How a model that runs holds the numbers of its weight matrices. Narrow ones cost accuracy, take less memory and time, and cannot be
 * trained; vectors (biases, peepholes, slopes) stay float32, as do all sums, gates and states. Same bits on every instruction set. */
typedef enum weir_weights {
    WEIR_WEIGHTS_F32,
    /* All matrices rounded to bfloat16, the upper half of a float32, ties to even; inputs and arithmetic in float32. */
    WEIR_WEIGHTS_BF16,
    /* weight_ih and weight_hh in 8 bits: q = rint(w / s) in [-127, 127] with one s for each row, max |w| / 127 rounded up to 16 bits of
     * fraction. x and h of each step are rounded to rint(127 x / max |x|), one maximum for each vector; the sums of the products are exact
     * integers. The other matrices stay float32. Not with WEIR_ISA_REF64. */
    WEIR_WEIGHTS_INT8
} weir_weights;

typedef enum weir_isa {
    WEIR_ISA_BEST = 0, /* the fastest that this CPU has */
    WEIR_ISA_SCALAR,
    WEIR_ISA_AVX2,   /* x86-64 with AVX2 and FMA */
    WEIR_ISA_AVX512, /* x86-64 with AVX-512 F, DQ, BW, VL */
    WEIR_ISA_NEON,   /* AArch64 */
    WEIR_ISA_REF64   /* the reference: double precision and libm, slow; its bits are not part of the contract */
} weir_isa;

/* Name ("best", "scalar", "avx2", "avx512", "neon", "ref64"), or NULL if there is none such. */
WEIR_API const char *weir_isa_name(weir_isa isa);
/* True if this build and this CPU can run it. */
WEIR_API bool weir_isa_available(weir_isa isa);

/* ---- Activations ------------------------------------------------------------------------------------------------ */

/* One record each in src/kernel/activation.def; formulas and sources: docs/activations.md. */
typedef enum weir_activation_id {
    WEIR_ACTIVATION_DEFAULT = 0, /* what the place uses: sigmoid for gates, tanh for candidate and output, identity in the head */
    WEIR_IDENTITY,
    WEIR_RELU,
    WEIR_LEAKY_RELU,
    WEIR_PRELU, /* the slope is learned, one per unit; alpha is its start */
    WEIR_SIGMOID,
    WEIR_TANH,
    WEIR_ELU,
    WEIR_SELU,
    WEIR_GELU,
    WEIR_GELU_TANH,
    WEIR_SILU,
    WEIR_MISH,
    WEIR_SOFTPLUS,
    WEIR_SCALED_TANH,
    WEIR_HARD_SIGMOID,
    WEIR_SOFTSIGN,
    WEIR_EXP, /* EXP to ERFC are building blocks: array functions, not activations of a network */
    WEIR_EXPM1,
    WEIR_LOG1P,
    WEIR_ERF,
    WEIR_ERFC
} weir_activation_id;

/* Every function and derivative comes in two forms. Both keep tails, subnormals and signs, and have the same bits on every CPU, at every
 * place of an array and for every length. */
typedef enum weir_form {
    WEIR_EXACT = 0, /* correctly rounded: computed in double, and in double-double where double leaves a doubt */
    WEIR_FAST       /* computed in float, within weir_activation_info.error units in the last place; what networks run with */
} weir_form;

/* An activation with its parameters; a parameter of 0 means the default of weir_activation_info. */
typedef struct weir_activation {
    weir_activation_id id;
    float alpha, beta;
} weir_activation;

typedef struct weir_activation_info {
    weir_activation_id id;
    const char *name;       /* "leaky_relu": the name in files and on the command line */
    const char *onnx;       /* operator of ONNX, or "" where it has none */
    bool block;             /* a building block: no network can use it */
    float alpha, beta;      /* defaults; 0 where the parameter has no meaning */
    float error, grad_error; /* largest errors of the fast form over all 2^32 floats, default parameters, in units in the last place */
    const char *formula;    /* "max(x, 0)" */
    const char *derivative; /* as a formula */
    const char *pros, *cons, *use; /* one line each */
    const char *source;     /* who proposed it, or the standard that defines it */
} weir_activation_info;

/* The record of `id`, or NULL; ids run from 1 to weir_activation_count(). */
WEIR_API const weir_activation_info *weir_activation_get(weir_activation_id id);
WEIR_API size_t weir_activation_count(void);
/* The id of a name, or WEIR_ACTIVATION_DEFAULT if there is none such. */
WEIR_API weir_activation_id weir_activation_find(const char *name);

/* y[i] = f(x[i]); y may be x; any n, any alignment. A NaN gives the NaN 0x7FC00000; edges: docs/activations.md.
 * Fails for an unknown id or form, a parameter outside its range (alpha: finite; beta: finite, of softplus and SELU above 0), or an instruction
 * set that this CPU lacks. */
WEIR_API weir_status weir_activation_apply(const weir_activation *a, weir_form form, weir_isa isa, size_t n, const float *x, float *y,
                                           weir_error *err);
/* dx[i] = dy[i] f'(x[i]), in the exact form rounded once, after the product; dx may be x or dy. Fails like weir_activation_apply. */
WEIR_API weir_status weir_activation_grad(const weir_activation *a, weir_form form, weir_isa isa, size_t n, const float *x, const float *dy,
                                          float *dx, weir_error *err);

/* The same by name, with default parameters, on the best instruction set; these cannot fail:
 *     void weir_gelu(size_t n, const float *x, float *y)              void weir_gelu_grad(size_t n, const float *x, const float *dy, float *dx)
 *     void weir_gelu_fast(size_t n, const float *x, float *y)         void weir_gelu_grad_fast(...) */
#define WEIR_BY_NAME(name)                                                                        \
    WEIR_API void weir_##name(size_t n, const float *x, float *y);                                \
    WEIR_API void weir_##name##_fast(size_t n, const float *x, float *y);                         \
    WEIR_API void weir_##name##_grad(size_t n, const float *x, const float *dy, float *dx);       \
    WEIR_API void weir_##name##_grad_fast(size_t n, const float *x, const float *dy, float *dx);
WEIR_BY_NAME(identity)
WEIR_BY_NAME(relu)
WEIR_BY_NAME(leaky_relu)
WEIR_BY_NAME(prelu)
WEIR_BY_NAME(sigmoid)
WEIR_BY_NAME(tanh)
WEIR_BY_NAME(elu)
WEIR_BY_NAME(selu)
WEIR_BY_NAME(gelu)
WEIR_BY_NAME(gelu_tanh)
WEIR_BY_NAME(silu)
WEIR_BY_NAME(mish)
WEIR_BY_NAME(softplus)
WEIR_BY_NAME(scaled_tanh)
WEIR_BY_NAME(hard_sigmoid)
WEIR_BY_NAME(softsign)
WEIR_BY_NAME(exp)
WEIR_BY_NAME(expm1)
WEIR_BY_NAME(log1p)
WEIR_BY_NAME(erf)
WEIR_BY_NAME(erfc)
#undef WEIR_BY_NAME

/* PReLU with learned slopes on `rows` rows of n values (He, Zhang, Ren & Sun 2015): slope[n], one per channel, or with `shared` slope[1].
 * y may be x. */
WEIR_API void weir_prelu_rows(size_t rows, size_t n, const float *slope, bool shared, const float *x, float *y);
/* dx = dy times 1 or the slope; dslope, like slope, becomes the sum of dy min(x, 0) over the rows (shared: over everything), summed in
 * double in one fixed order and rounded once. dx may be x or dy; dx or dslope may be NULL. */
WEIR_API void weir_prelu_rows_grad(size_t rows, size_t n, const float *slope, bool shared, const float *x, const float *dy, float *dx,
                                   float *dslope);

/* ---- Models ----------------------------------------------------------------------------------------------------- */

typedef enum weir_direction { WEIR_FORWARD = 0, WEIR_REVERSE, WEIR_BOTH } weir_direction;

/* What the network's last layer means; it fixes the loss too. n is weir_config.outputs. */
typedef enum weir_output {
    WEIR_LINEAR = 0, /* O = n   values; loss: mean squared error */
    WEIR_SOFTMAX,    /* O = n   class probabilities; loss: cross-entropy in nats */
    WEIR_LOGISTIC,   /* O = n   independent probabilities (n = 1: binary); loss: binary cross-entropy in nats */
    WEIR_GAUSSIAN,   /* O = 2 n the n means, then the n standard deviations, softplus + 1e-4; loss: -log density in nats */
    WEIR_STUDENT_T,  /* O = 3 n the n locations, the n scales s, softplus + 1e-4, the n degrees of freedom nu, softplus + 2.01 (so that the
                        variance s^2 nu / (nu - 2) exists); loss: -log density in nats (Lange, Little & Taylor 1989) */
    WEIR_NEGATIVE_BINOMIAL /* O = 2 n the n means m, then the n shapes a, both softplus + 1e-4; of counts, variance m + a m^2; loss:
                              -log probability in nats (Salinas et al. 2020, "DeepAR", section 3.1) */
} weir_output;

/* Which steps reach the head. */
typedef enum weir_readout {
    WEIR_EVERY_STEP = 0,
    WEIR_FINAL_STATE /* one output per sequence, from the last hidden states of the top layer */
} weir_readout;

typedef enum weir_init {
    WEIR_INIT_GLOROT = 0, /* Glorot & Bengio 2010 uniform, recurrent weights orthogonal (Saxe 2014), peepholes and biases 0 */
    WEIR_INIT_PYTORCH,    /* all uniform in +-1/sqrt(H), in the head +-1/sqrt(inputs) */
    WEIR_INIT_LECUN,      /* normal of variance 1/inputs (Klambauer 2017, for SELU), recurrent orthogonal */
    WEIR_INIT_HE,         /* normal of variance 2/inputs (He 2015, for ReLU), recurrent orthogonal */
    WEIR_INIT_UNIFORM     /* all uniform in +-init_scale (Gers 2002: 0.1) */
} weir_init;

enum { WEIR_MAX_LAYERS = 64, WEIR_MAX_DENSE = 8, WEIR_MAX_UNITS = 65536, WEIR_MAX_TOKENS = 1 << 20 };

/* A dense layer of the head: y = activation(W x + b). */
typedef struct weir_dense {
    uint32_t units;
    weir_activation activation;
} weir_dense;

/* Everything that defines a network's function, and how its weights start. The cell (Gers, Schraudolph, Schmidhuber 2002),
 * with c' and h' the state of the step before:
 *
 *     i = gate(W_i x + R_i h' + p_i * c' + b_i)       f = gate(W_f x + R_f h' + p_f * c' + b_f)
 *     g = candidate(W_g x + R_g h' + b_g)             c = f * c' + i * g
 *     o = gate(W_o x + R_o h' + p_o * c + b_o)        h = o * output(c)          with projection: h = W_r (o * output(c))
 */
typedef struct weir_config {
    uint32_t inputs; /* real inputs per step; or */
    uint32_t tokens; /* size of the vocabulary, one token per step: just one of the two is set */

    uint32_t layers;     /* default 1 */
    uint32_t hidden;     /* H; default 128 */
    uint32_t projection; /* P, less than H; default none */
    weir_direction direction;
    bool no_peepholes;
    bool no_forget_gate; /* f = 1 (Hochreiter & Schmidhuber 1997) */
    bool coupled;        /* f = 1 - i, as ONNX's input_forget */
    weir_activation gate, candidate, output_activation;
    float activation_clip; /* arguments of gate, candidate and output activation are held in +-clip, as ONNX; default none */
    float cell_clip;       /* c is held in +-clip before the output gate sees it, as TensorFlow; default none */

    uint32_t dense_layers;            /* dense layers between stack and output; default 0 */
    weir_dense dense[WEIR_MAX_DENSE];
    uint32_t outputs;                 /* n of the output; 0: no head, the output is the top layer's h, O = D*P */
    weir_output output;
    weir_readout readout;

    weir_init init;
    float init_scale;      /* of WEIR_INIT_UNIFORM; default 0.1 */
    bool set_gate_bias;    /* start the biases of i, f, g, o from gate_bias, else from 0, 1, 0, 0 (forget bias: Jozefowicz 2015) */
    float gate_bias[4];
    uint64_t seed;         /* default 1 */

    const char *notes;     /* text of the application, kept with the model and in its file; at most 1 MiB; copied; default "" */

    weir_isa isa;
    weir_weights weights;
    const weir_allocator *allocator; /* copied; what it points to must outlive the model */
    uint64_t reserved[4];            /* must be 0 */
} weir_config;

/* A named array of a model. `data` holds rows*cols floats, row by row; a vector has rows = 0. */
typedef struct weir_tensor {
    char name[48]; /* PyTorch's: "lstm.weight_ih_l0", "lstm.peephole_l0", "head.0.weight", ... */
    size_t rows, cols;
    const float *data;
} weir_tensor;

typedef struct weir_model weir_model;
typedef struct weir_stream weir_stream;
typedef struct weir_trainer weir_trainer;

/* Makes a model. `tensors` NULL: weights start as config->init and config->seed say; else exactly the tensors that
 * weir_model_tensor lists, in any order, finite, copied. */
WEIR_API weir_status weir_model_new(weir_model **out, const weir_config *config, const weir_tensor *tensors, size_t count, weir_error *err);
WEIR_API void weir_model_free(weir_model *model);
/* Makes a model with the same configuration, notes and weights, these in another form, in memory of the same allocator. To float32 no
 * weight changes: what narrowing lost does not come back. Errors: WEIR_E_ARGUMENT for an unknown form or a weight too large for it,
 * WEIR_E_UNSUPPORTED for WEIR_WEIGHTS_INT8 with WEIR_ISA_REF64, WEIR_E_NOMEM. */
WEIR_API weir_status weir_model_convert(weir_model **out, const weir_model *model, weir_weights weights, weir_error *err);

/* The configuration with every default filled in; allocator and notes point into the model. */
WEIR_API const weir_config *weir_model_config(const weir_model *model);
WEIR_API size_t weir_model_tensor_count(const weir_model *model);
/* Name and shape of tensor `index` of the model's fixed list, without data. index < weir_model_tensor_count(). */
WEIR_API weir_tensor weir_model_tensor(const weir_model *model, size_t index);
/* Writes the numbers of tensor `index`, row by row, to `out`. The model holds them in the layout of its instruction set only. */
WEIR_API void weir_model_weights(const weir_model *model, size_t index, float *out);
/* Values per step of the output, O. */
WEIR_API size_t weir_model_outputs(const weir_model *model);
/* Number of weights. */
WEIR_API size_t weir_model_parameters(const weir_model *model);
/* Bytes that the model holds; `weights` (may be NULL): those of its weights, packed. docs/memory.md has the formulas. */
WEIR_API size_t weir_model_memory(const weir_model *model, size_t *weights);

/* ---- Running ---------------------------------------------------------------------------------------------------- */

/* Sequences side by side: the input of a run and of a training step. */
typedef struct weir_batch {
    size_t steps, rows;      /* T, B */
    const float *x;          /* (T, B, I), for models of reals */
    const uint32_t *tokens;  /* (T, B), for models of tokens; an id outside the vocabulary is an all-zero one-hot */
    const uint32_t *lengths; /* (B) real steps of each row, at most T; NULL: all T. Later steps are ignored, their output is 0, and
                                the final state is that of the last real step; length 0 keeps the initial state. */
    const float *h0, *c0;    /* (L*D, B, P), (L*D, B, H) initial state, layer-major as in PyTorch; NULL: 0 */

    /* Training and evaluation only */
    bool carry;              /* start from the final state of the trainer's batch before, row by row, instead of h0 and c0 */
    const float *targets;    /* (T, B, n), with WEIR_FINAL_STATE (B, n); NaN: not counted. All outputs but softmax. With
                                WEIR_NEGATIVE_BINOMIAL whole numbers from 0 on. */
    const uint32_t *classes; /* (T, B), with WEIR_FINAL_STATE (B); softmax only; >= n: not counted. */
    const float *scales;     /* shaped as targets; WEIR_NEGATIVE_BINOMIAL only: the mean of a target is its scale, positive, times the output's,
                                for series of different levels in one network; NULL: 1 */
} weir_batch;

/* Runs whole sequences. y (T, B, O), with WEIR_FINAL_STATE (B, O); hn (L*D, B, P) and cn (L*D, B, H) may be NULL.
 * `parallel` NULL: this thread alone. Allocates working memory and frees it before returning. */
WEIR_API weir_status weir_model_run(const weir_model *model, const weir_batch *batch, float *y, float *hn, float *cn,
                                    const weir_parallel *parallel, weir_error *err);
/* Bytes that weir_model_run allocates for such a batch; 0 if it has no steps or no rows, or size_t cannot count them. */
WEIR_API size_t weir_run_memory(const weir_model *model, uint32_t steps, uint32_t rows);

/* Bytes that a stream of `rows` rows needs; 0 if there can be none (a reverse direction, or a final-state head). */
WEIR_API size_t weir_stream_size(const weir_model *model, uint32_t rows);
/* Places a stream in `size` bytes at `memory` (any alignment), state 0. Model and memory must outlive it; nothing is to be freed. */
WEIR_API weir_status weir_stream_init(weir_stream **out, void *memory, size_t size, const weir_model *model, uint32_t rows, weir_error *err);
/* Shares the units of a step among threads, in layers of at least 2^18 recurrent multiply-adds (4 H P B); smaller ones would wait longer
 * than they compute, and stay on the caller's thread. Copied; NULL: one thread, as at first. A hook whose threads spin for a while before
 * they sleep answers fastest. */
WEIR_API void weir_stream_parallel(weir_stream *stream, const weir_parallel *parallel);
/* One step of all rows: x (B, I) or tokens (B), y (B, O), may be NULL, or x itself where I = O. Allocates nothing, takes no lock, cannot fail. */
WEIR_API void weir_stream_step(weir_stream *stream, const float *x, float *y);
WEIR_API void weir_stream_step_tokens(weir_stream *stream, const uint32_t *tokens, float *y);
/* Sets the state to 0. */
WEIR_API void weir_stream_reset(weir_stream *stream);
/* The state: h (L, B, P), c (L, B, H). */
WEIR_API void weir_stream_get_state(const weir_stream *stream, float *h, float *c);
WEIR_API void weir_stream_set_state(weir_stream *stream, const float *h, const float *c);

/* ---- Training --------------------------------------------------------------------------------------------------- */

typedef enum weir_optimizer {
    WEIR_ADAM = 0, /* Kingma & Ba 2015; weight decay is added to the gradient */
    WEIR_ADAMW,    /* Loshchilov & Hutter 2019: decoupled weight decay */
    WEIR_RMSPROP,  /* Tieleman & Hinton 2012, as PyTorch, with optional momentum */
    WEIR_SGD       /* with optional momentum, as PyTorch */
} weir_optimizer;

typedef enum weir_schedule {
    WEIR_CONSTANT = 0,
    WEIR_COSINE, /* linear warm-up over `warmup` updates, then half a cosine to 0 at `total_updates` (Loshchilov & Hutter 2017) */
    WEIR_PLATEAU /* halved when the validation loss has not improved for `plateau` epochs */
} weir_schedule;

/* Bytes for another rank, or from it. */
typedef struct weir_parcel {
    uint32_t rank;
    size_t size;
    void *data;
} weir_parcel;

/* Processes that train one model together, each with the same model, settings and batches, and each on its share of the batch's rows. What
 * they do together they do at the same calls in the same order: weir_trainer_step, _evaluate, _backward, _fit, _gather, weir_cluster_agree. In a
 * fit all stop when one does, and what one source fails with all return. */
typedef struct weir_cluster {
    uint32_t rank, ranks; /* this process, from 0, and how many there are */
    const char *name;     /* of this process in sentences, such as "rank 2 on node7" */
    /* Sends `outs` parcels and waits until `ins` have come, at most one to and from each rank; the other side names the same size. An error
     * ends the training: the ranks are apart then. */
    weir_status (*exchange)(void *ctx, const weir_parcel *out, size_t outs, const weir_parcel *in, size_t ins, weir_error *err);
    void *ctx;
} weir_cluster;

/* Called by all ranks. If one of them brings a status other than WEIR_OK, all get that of the lowest such rank, with its sentence after its
 * name. Else *stop (may be NULL) becomes true for all if it was for one. cluster NULL: gives the status back. */
WEIR_API weir_status weir_cluster_agree(const weir_cluster *cluster, weir_status status, bool *stop, weir_error *err);

typedef struct weir_train_config {
    uint32_t rows, steps; /* the largest batch that will come, B and T: memory is planned from them; required */
    weir_optimizer optimizer;
    float rate;           /* default 0.002 */
    float momentum;       /* SGD, RMSprop; default 0 */
    float beta1, beta2;   /* Adam's 0.9, 0.999; beta2 is RMSprop's smoothing, default there 0.99 */
    float epsilon;        /* default 1e-8 */
    float weight_decay;   /* on weight matrices only, not on biases, peepholes and slopes; default 0 */
    float clip;           /* largest norm of the whole gradient; default 5; INFINITY: none */
    weir_schedule schedule;
    uint64_t warmup, total_updates; /* cosine; fit() fills in total_updates if 0 */
    uint32_t plateau;     /* default 2 */
    float dropout;        /* share of h dropped between layers, in [0, 1) */
    float head_dropout;   /* and before each dense and output layer; after SELU as AlphaDropout (Klambauer 2017) */
    uint64_t seed;        /* of dropout; default 1 */
    uint32_t shards;      /* contiguous parts of a batch's rows whose losses and gradients are summed apart, then added in a fixed tree
                             (docs/reproducibility.md); memory is planned for one of them. At most rows; default 1. Another number gives
                             other bits; ranks and threads do not. */
    const weir_cluster *cluster;     /* copied, but for its name; at most `shards` ranks; NULL: this process alone */
    const weir_parallel *parallel;   /* copied; NULL: one thread */
    const weir_allocator *allocator; /* copied; NULL: malloc */
    const float *class_weights;      /* (n) of a softmax or logistic output, each finite and not negative; copied; NULL: unweighted.
                                        Softmax: the loss of a row counts w[class] times, and the mean is over the sum of these weights, as PyTorch's
                                        CrossEntropyLoss(weight=w). Logistic: a target t of output j has the loss
                                        -(w[j] t log p + (1 - t) log(1 - p)), and the mean is over the number of targets, as
                                        BCEWithLogitsLoss(pos_weight=w). */
    uint64_t reserved[4];            /* must be 0 */
} weir_train_config;

/* A sum of losses over the targets that counted. Mean loss: sum / weight. */
typedef struct weir_loss {
    double sum;
    uint64_t count; /* targets */
    double weight;  /* their class weights, added up; without class weights, and for a logistic output, count */
} weir_loss;

/* A trainer starts from a copy of the model's weights; the model is not changed. */
WEIR_API weir_status weir_trainer_new(weir_trainer **out, const weir_model *model, const weir_train_config *config, weir_error *err);
WEIR_API void weir_trainer_free(weir_trainer *trainer);

/* One update by back-propagation through the batch's T steps (truncated at its start: Williams & Peng 1990).
 * WEIR_E_NONFINITE if loss or gradient is not finite; weights are then as before. */
WEIR_API weir_status weir_trainer_step(weir_trainer *trainer, const weir_batch *batch, weir_loss *loss, weir_error *err);
/* Sets the rate of the updates to come, which the schedule multiplies, in place of weir_train_config.rate: for schedules of one's own.
 * WEIR_E_ARGUMENT unless it is positive and finite; the rate is then as before. */
WEIR_API weir_status weir_trainer_set_rate(weir_trainer *trainer, float rate, weir_error *err);
/* The loss without dropout and without an update; carries the state as weir_trainer_step does. */
WEIR_API weir_status weir_trainer_evaluate(weir_trainer *trainer, const weir_batch *batch, weir_loss *loss, weir_error *err);
/* The gradient of the mean loss without an update and without dropout, to be read by weir_trainer_gradient. */
WEIR_API weir_status weir_trainer_backward(weir_trainer *trainer, const weir_batch *batch, weir_loss *loss, weir_error *err);
/* Called by all ranks of a cluster before one of them saves the trainer: gives each the carried state of all rows, of which it has those of
 * its shards. Without a cluster there is nothing to do. */
WEIR_API weir_status weir_trainer_gather(weir_trainer *trainer, weir_error *err);
/* Writes gradient `index`, in the order and shape of weir_model_tensor, to `out`. */
WEIR_API void weir_trainer_gradient(const weir_trainer *trainer, size_t index, float *out);
/* A new model with the trainer's weights and these notes (NULL: the first model's). */
WEIR_API weir_status weir_trainer_model(const weir_trainer *trainer, weir_model **out, const char *notes, weir_error *err);
/* The bytes that it holds. */
WEIR_API size_t weir_trainer_memory(const weir_trainer *trainer);

/* Bytes that a trainer holds, by what they are for. */
typedef struct weir_memory {
    size_t weights;  /* the weights, their gradient, the optimiser's two moments, the best epoch's weights; with shards, sums of gradients */
    size_t packed;   /* as the kernels read them: the weights, transposed too, where each comes from, and their gradient */
    size_t tape;     /* what the forward pass leaves for the backward one: inputs, h, c and the gates' arguments of each step */
    size_t backward; /* gradients by the layers' inputs and states */
    size_t head;     /* the head's inputs, outputs and gradients, targets and losses */
    size_t rest;     /* names, notes, the object */
    size_t total;    /* of the six */
    size_t model;    /* more, while weir_trainer_model makes a model: that model, and a copy of the weights */
} weir_memory;
/* What weir_trainer_new would allocate, without doing it; fails as it does. */
WEIR_API weir_status weir_trainer_plan(weir_memory *out, const weir_model *model, const weir_train_config *config, weir_error *err);

/* Where batches come from. `get` fills batch `index` (0 .. batches-1, asked in order); its arrays must live until the next call.
 * Returns WEIR_OK or an error, with `err` filled, that ends the training. */
typedef struct weir_source {
    size_t batches;
    weir_status (*get)(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err);
    void *ctx;
} weir_source;

typedef struct weir_progress {
    uint32_t epoch, epochs; /* epoch counts from 1 */
    size_t batch, batches;  /* done in this epoch */
    double train_loss;      /* mean of this epoch so far */
    double valid_loss;      /* NaN until the epoch has ended, or without a validation source */
    double rate;            /* of the last update */
    bool epoch_done;
    bool best;              /* the epoch has ended and is the best so far */
} weir_progress;

typedef struct weir_fit {
    uint32_t epochs;   /* default 10 */
    uint32_t patience; /* stop after so many epochs without a better validation loss; default never */
    const weir_source *train, *valid; /* valid may be NULL: then the training loss decides what is best */
    bool (*report)(void *ctx, const weir_progress *now); /* after each batch and each epoch; false: stop now; may be NULL */
    void *ctx;
    bool fresh;        /* begin at epoch 1 with the weights as they are, even if a fit was stopped */
} weir_fit;

/* Trains by epochs and leaves the best epoch's weights in the trainer (stopped inside the first epoch: the newest weights).
 * `best` (may be NULL): where that was. A fit that was stopped by its report or by an error, or whose trainer came out of a checkpoint,
 * goes on at its next batch, and ends with the bytes of one that was never stopped; the sources must give the same batches again, and have as
 * many of them. More or fewer epochs (0: as many as before) and another patience may be asked for then, but no other epochs where they
 * planned a cosine schedule. Any weir_trainer_step in between gives the stopped fit up. */
WEIR_API weir_status weir_trainer_fit(weir_trainer *trainer, const weir_fit *fit, weir_progress *best, weir_error *err);

/* ---- Random numbers -------------------------------------------------------------------------------------------- */

/* Number `index` of sequence `stream` of `seed`, by counter (Philox4x32-10: Salmon, Moraes, Dror & Shaw 2011): it does not depend on who asks, or
 * when. Uniform in (0, 1), 53 bits; standard normal (Box & Muller 1958). For drawing from what a model forecasts. */
WEIR_API double weir_random_uniform(uint64_t seed, uint64_t stream, uint64_t index);
WEIR_API double weir_random_normal(uint64_t seed, uint64_t stream, uint64_t index);

/* ---- Gradients inside other frameworks ---------------------------------------------------------------------------- */

/* The stack of layers alone, for a framework that has weights, losses and optimisers of its own (python/weir/torch.py is one such use): a
 * forward pass that keeps a tape, and the backward pass over it (Werbos 1990), with gradients by the weights, the inputs and the states.
 *
 * Numbers   every array is of floats, with WEIR_ISA_REF64 of doubles, which `void` stands for here; aligned as its numbers, contiguous, row by row.
 *           They may be NaN or infinite, and what follows from them then is too. The bits are those of a trainer, for any number of threads.
 * Weights   the tensors of weir_tape_tensor, in that order: those of a model with the same configuration. Its one bias is the sum of
 *           PyTorch's two. */
typedef struct weir_tape weir_tape;

typedef struct weir_tape_config {
    uint32_t steps, rows;   /* the largest batch that will come, T and B: memory is planned from them; required */
    float dropout;          /* share of h dropped between layers, in [0, 1); the rest is scaled by 1 / (1 - dropout) */
    bool run_only;          /* no backward pass will come: no tape, and less memory */
    bool no_input_gradient; /* none by x: the first layer's weights are packed once instead of twice */
    uint64_t reserved[4];   /* must be 0 */
} weir_tape_config;

/* Plans a tape for a configuration and allocates all that its passes need. The configuration has outputs = 0, every step read out, and float32
 * weights; how weights start and the notes do not count. Errors: WEIR_E_ARGUMENT, WEIR_E_UNSUPPORTED, WEIR_E_NOMEM. */
WEIR_API weir_status weir_tape_new(weir_tape **out, const weir_config *config, const weir_tape_config *tape, weir_error *err);
WEIR_API void weir_tape_free(weir_tape *tape);
/* What weir_tape_new would allocate, without doing it; fails as it does. Of weir_memory, weights, head and model are 0. */
WEIR_API weir_status weir_tape_plan(weir_memory *out, const weir_config *config, const weir_tape_config *tape, weir_error *err);
/* The bytes that it holds. */
WEIR_API size_t weir_tape_memory(const weir_tape *tape);
WEIR_API size_t weir_tape_tensor_count(const weir_tape *tape);
/* Name and shape of tensor `index` of the fixed list, without data. index < weir_tape_tensor_count(). */
WEIR_API weir_tensor weir_tape_tensor(const weir_tape *tape, size_t index);

/* Packs the weights, one array for each tensor; the arrays are not needed after. To be called when weights have changed; a forward pass
 * must follow before the next backward pass. Costs a read and two writes of all weights. WEIR_E_ARGUMENT if an array is NULL. */
WEIR_API weir_status weir_tape_weights(weir_tape *tape, const void *const *tensors, const weir_parallel *parallel, weir_error *err);

typedef struct weir_tape_batch {
    size_t steps, rows;      /* T, B */
    const void *x;           /* (T, B, I), for models of reals; read again by the backward pass, so it must live unchanged until then */
    const uint32_t *tokens;  /* (T, B), for models of tokens */
    const uint32_t *lengths; /* (B), as in weir_batch; NULL: all T */
    const void *h0, *c0;     /* (L*D, B, P), (L*D, B, H); NULL: 0 */
    uint64_t seed, counter;  /* of dropout: the same two give the same mask, another counter another one */
} weir_tape_batch;

/* y (T, B, D*P), 0 past the end of a row; hn (L*D, B, P) and cn (L*D, B, H). Each may be NULL. `parallel` NULL: this thread alone. Allocates
 * nothing. WEIR_E_ARGUMENT for a batch that does not fit, or if the weights were never set. */
WEIR_API weir_status weir_tape_forward(weir_tape *tape, const weir_tape_batch *batch, void *y, void *hn, void *cn,
                                       const weir_parallel *parallel, weir_error *err);

typedef struct weir_tape_gradients {
    const void *dy, *dhn, *dcn; /* in: of the loss by y, hn, cn, shaped as these; NULL: 0 */
    void *dx, *dh0, *dc0;       /* out: by x, h0, c0; NULL: not wanted */
    void *const *tensors;       /* out: one array for each tensor; one that is NULL is not wanted; NULL: none is */
} weir_tape_gradients;

/* The gradients of the forward pass before. Uses the tape up: a second call needs another forward pass first, else WEIR_E_ARGUMENT; so does a
 * tape of run_only, and dx with no_input_gradient or tokens. Results overwrite what the arrays held. Allocates nothing. */
WEIR_API weir_status weir_tape_backward(weir_tape *tape, const weir_tape_gradients *gradients, const weir_parallel *parallel, weir_error *err);

/* ---- Files: libweir-format -------------------------------------------------------------------------------------- */

/* Reads a model file (safetensors with the configuration in its metadata; docs/format.md). `isa` and `allocator` as in weir_config.
 * err->offset says where a broken file breaks its rules. */
WEIR_API weir_status weir_model_load(weir_model **out, const char *path, weir_isa isa, const weir_allocator *allocator, weir_error *err);
/* The same from `size` bytes in memory. */
WEIR_API weir_status weir_model_parse(weir_model **out, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator,
                                      weir_error *err);
/* Writes the file beside `path`, syncs it, and renames it over `path`: readers see the old file or the new one, never a part. */
WEIR_API weir_status weir_model_save(const weir_model *model, const char *path, weir_error *err);

/* A checkpoint: all that a training needs to go on to the same bytes, on any instruction set (those of ref64 on ref64 alone), with any number
 * of threads: weights, moments, the best epoch's weights, the carried state, counters, schedule, and where a fit stands (docs/checkpoints.md). */
typedef struct weir_checkpoint weir_checkpoint;

/* Writes the trainer's checkpoint as weir_model_save writes models; after any weir_trainer_step, from within the report of a fit, and after a
 * fit was stopped. `notes`: text of the application in UTF-8, such as where its data come from, at most 8 MiB; NULL: "". Holds no copy of
 * the weights meanwhile. Errors: WEIR_E_NONFINITE if a weight, a moment or a carried state is not finite; WEIR_E_IO, WEIR_E_ARGUMENT (notes),
 * WEIR_E_NOMEM. On failure the file that was there is as before. */
WEIR_API weir_status weir_trainer_save(const weir_trainer *trainer, const char *path, const char *notes, weir_error *err);
/* Reads and checks a checkpoint, whose bytes it keeps. WEIR_E_UNSUPPORTED for a file that is none, WEIR_E_FORMAT for one that is broken: a
 * checksum finds every change. */
WEIR_API weir_status weir_checkpoint_load(weir_checkpoint **out, const char *path, const weir_allocator *allocator, weir_error *err);
/* The same from `size` bytes in memory, which are copied. */
WEIR_API weir_status weir_checkpoint_parse(weir_checkpoint **out, const void *bytes, size_t size, const weir_allocator *allocator,
                                           weir_error *err);
WEIR_API void weir_checkpoint_free(weir_checkpoint *checkpoint);

/* What a checkpoint says. The pointers live as long as it does. */
typedef struct weir_checkpoint_info {
    const weir_config *model;       /* with the first model's notes */
    const weir_train_config *train; /* without cluster, parallel and allocator */
    const char *notes;              /* of weir_trainer_save */
    size_t parameters;              /* number of weights */
    uint64_t updates;
    bool doubles;                   /* written with ref64 */
    bool fitting;                   /* a fit stands at: */
    weir_progress now, best;        /* best.epoch is 0 where there is none */
} weir_checkpoint_info;
WEIR_API void weir_checkpoint_get(const weir_checkpoint *checkpoint, weir_checkpoint_info *info);

/* A trainer that goes on where the saved one stood, in memory of the checkpoint's allocator; the checkpoint is not needed after. A fit that had
 * begun stands as one that was stopped: weir_trainer_model gives its best weights, weir_trainer_fit goes on with it; other trainers go on with
 * the next weir_trainer_step. The gradient is 0. The shards are those of the saved one; parallel and cluster as in weir_train_config.
 * WEIR_E_UNSUPPORTED for another isa's numbers; WEIR_E_ARGUMENT for more ranks than shards; WEIR_E_NOMEM. */
WEIR_API weir_status weir_trainer_resume(weir_trainer **out, const weir_checkpoint *checkpoint, weir_isa isa, const weir_parallel *parallel,
                                         const weir_cluster *cluster, weir_error *err);

/* Weights of other frameworks: a safetensors file whose arrays have the names, shapes and orders of gates of a layout. docs/interop.md says
 * what each one looks like and what is lost. */
typedef struct weir_layout {
    const char *name;   /* "pytorch", "keras", "tf1", ...: weir_layout_name */
    const char *prefix; /* Import: only arrays whose names begin so are read, the others left out; several with commas between them. NULL:
                           all arrays, and each must have a place. */
    bool set_forget_bias; /* what the framework adds to the forget gate's bias while it runs; else as the layout has it: */
    float forget_bias;    /* 1 for tf1 and tf-block, 0 for the others */
} weir_layout;

/* Name of layout `index`, or NULL behind the last. */
WEIR_API const char *weir_layout_name(size_t index);
/* Makes a model of the weights at `path`: F64 (rounded), F32, F16 or BF16. Sizes, directions, peepholes and the head, one linear layer, come
 * from names and shapes. `config` (may be NULL) has what they do not tell: allocator, isa, notes, a reverse direction, activations, clips,
 * tokens, output and readout; sizes that it has must be those of the file. Files of weir_model_export tell all that themselves; what `config`
 * sets goes before. Arrays check.x (T, B, I) or (T, B) tokens, check.y and, if wanted, check.h0, check.c0, check.lengths, at most 4096
 * numbers in all, are kept in the notes: {"check": {"x": {"shape": [...], "data": [...]}, ...}}. Every error names the array. */
WEIR_API weir_status weir_model_import(weir_model **out, const char *path, const weir_layout *layout, const weir_config *config,
                                       weir_error *err);
/* Writes the model's weights in a layout, float32, as weir_model_save writes. WEIR_E_UNSUPPORTED for what the framework does not have; what
 * it has settings for stands in the file's metadata. */
WEIR_API weir_status weir_model_export(const weir_model *model, const char *path, const weir_layout *layout, weir_error *err);

/* How a model becomes an ONNX file. */
typedef struct weir_onnx_options {
    uint32_t unroll;      /* T: basic operators for just so many steps, which can express every model; T L D is at most 65536.
                             0: LSTM operators, any number of steps */
    bool states;          /* inputs h0 (L*D, B, P) and c0 (L*D, B, H) for the initial state; else it is 0 */
    uint64_t reserved[4]; /* must be 0 */
} weir_onnx_options;

/* Writes an ONNX file as weir_model_save writes its own (docs/onnx-models.md). Inputs: x (T, B, I), or tokens (T, B) of int64; outputs: y, hn
 * and cn in the shapes of weir_model_run. `options` NULL: all 0. Narrow weights are written as the float32 numbers that they stand for.
 * Errors: WEIR_E_UNSUPPORTED for what LSTM operators cannot express (projection, cells without a forget gate, clip of the cell, some
 * activations of the cell), unless it is unrolled; WEIR_E_ARGUMENT, WEIR_E_IO, WEIR_E_NOMEM. */
WEIR_API weir_status weir_model_save_onnx(const weir_model *model, const char *path, const weir_onnx_options *options, weir_error *err);

/* ---- ONNX graphs: libweir-format ------------------------------------------------------------------------------- */

typedef enum weir_element { WEIR_ELEMENT_ANY = 0, WEIR_FLOAT32, WEIR_INT32, WEIR_INT64, WEIR_BOOL } weir_element;

/* "float32", "int32", "int64", "bool", or NULL. */
WEIR_API const char *weir_element_name(weir_element element);
/* Bytes of a number: 4, 4, 8, 1; else 0. */
WEIR_API size_t weir_element_size(weir_element element);

enum { WEIR_MAX_RANK = 8 };

/* Numbers in `rank` dimensions, row-major; rank 0: one number. bool: a byte each, 0 or 1. */
typedef struct weir_array {
    const char *name; /* that of the graph's input or output */
    weir_element element;
    size_t rank;
    size_t dims[WEIR_MAX_RANK];
    void *data;
} weir_array;

/* What a graph says of an input or an output. */
typedef struct weir_port {
    const char *name;
    weir_element element;        /* WEIR_ELEMENT_ANY: the file does not say */
    bool optional;               /* an input with a default */
    bool ranked;                 /* whether rank and dims are known */
    size_t rank;
    int64_t dims[WEIR_MAX_RANK]; /* -1: any */
} weir_port;

/* An ONNX model ready to run, immutable as a weir_model. docs/onnx.md lists the operators, their versions, and what is chosen where
 * implementations differ. */
typedef struct weir_graph weir_graph;

/* Reads an ONNX file. What it cannot do is refused here, not when it runs: WEIR_E_FORMAT for what breaks ONNX's rules, WEIR_E_UNSUPPORTED for
 * what is not in docs/onnx.md; the sentence names node or tensor, err->offset its byte. Nodes that no output needs are passed over. Weights of
 * LSTM nodes that are constant are packed here once; as a model's they must be finite (WEIR_E_NONFINITE). */
WEIR_API weir_status weir_graph_load(weir_graph **out, const char *path, weir_isa isa, const weir_allocator *allocator, weir_error *err);
/* The same from `size` bytes in memory, which are not needed any more afterwards. */
WEIR_API weir_status weir_graph_parse(weir_graph **out, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator,
                                      weir_error *err);
WEIR_API void weir_graph_free(weir_graph *graph);

/* Inputs and outputs, in the file's order; index below the count. */
WEIR_API size_t weir_graph_inputs(const weir_graph *graph);
WEIR_API size_t weir_graph_outputs(const weir_graph *graph);
WEIR_API weir_port weir_graph_input(const weir_graph *graph, size_t index);
WEIR_API weir_port weir_graph_output(const weir_graph *graph, size_t index);

/* Runs the graph on `count` inputs, in any order, found by name. outputs[weir_graph_outputs()] are filled in, in the graph's order; their data
 * belongs to the caller, who frees it with weir_graph_release. `parallel` NULL: this thread alone; results never depend on it. Working
 * memory is at most 1 GiB and 64 times the bytes of inputs and constants. Errors: WEIR_E_ARGUMENT for an input that is missing, unknown or of
 * another shape or type than declared, and for shapes that a node cannot work on; WEIR_E_NOMEM. On failure all outputs are empty. */
WEIR_API weir_status weir_graph_run(const weir_graph *graph, const weir_array *inputs, size_t count, weir_array *outputs,
                                    const weir_parallel *parallel, weir_error *err);
/* Frees the data of all outputs of a run; of those whose data is NULL there is nothing to free. */
WEIR_API void weir_graph_release(const weir_graph *graph, weir_array *outputs);

#ifdef __cplusplus
}
#endif
#endif
