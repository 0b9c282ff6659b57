/* Layer 5: what an ONNX graph means as a model of Weir. The graph is run once, node after node, over descriptions instead of numbers: a value is a
 * constant, a shape, a tensor of one repeated number, or data, of which is known where it comes from and what its axes are. A rule for each
 * operator (onnx_match.c has the table) says what becomes of it. What no rule knows is refused by the node's name.
 *
 * Everything is allocated from the graph's own memory, and lives as long as it.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_MATCH_H
#define WEIR_ONNX_MATCH_H

#include "format/onnx_axes.h"
#include "format/onnx_term.h"

enum { WEIR__MOST_LANES = 2 * WEIR_MAX_LAYERS };

/* An initial state: an input of the graph, or rows of one. */
typedef struct weir__state_source {
    int32_t input; /* WEIR__ONNX_NONE: 0 */
    int64_t begin; /* its first row */
    bool cut;      /* it is not the whole input */
} weir__state_source;

/* One direction of an LSTM operator; its gates in ONNX's order i, o, f, c, its peepholes i, o, f. */
typedef struct weir__lane {
    const weir__onnx_node *node;
    const struct weir__stage *below;
    bool reverse, coupled;
    uint32_t hidden;
    size_t inputs;
    const weir__constant *w, *r; /* (1, 4H, I), (1, 4H, H) */
    const weir__constant *b, *p; /* (1, 8H), (1, 3H), or NULL */
    weir_activation gate, candidate, output;
    float clip;      /* 0: none */
    int32_t lengths; /* the input of the graph that tells them, or WEIR__ONNX_NONE */
    weir__state_source h0, c0;
    uint32_t direction, directions; /* its place in the operator's states */
    uint8_t steps, rows;            /* atoms, WEIR__ATOMS for a size of 1 */
} weir__lane;

/* A part of a model, on top of another. */
typedef struct weir__stage {
    enum weir__stage_kind {
        WEIR__STAGE_INPUT,  /* real numbers */
        WEIR__STAGE_TOKENS, /* indices, as rows of a table or one-hot vectors */
        WEIR__STAGE_LAYER,  /* of one or two lanes */
        WEIR__STAGE_LAST,   /* of the steps below, the last one */
        WEIR__STAGE_DENSE,
        WEIR__STAGE_ACTIVATION,
        WEIR__STAGE_SOFTMAX,
        WEIR__STAGE_GAUSSIAN
    } kind;
    const struct weir__stage *below;
    const weir__onnx_node *node;
    int64_t units;
    int32_t input;                       /* of INPUT and TOKENS */
    const weir__constant *table;         /* of TOKENS: (vocabulary, units), or NULL: one-hot */
    const weir__lane *lanes[2];          /* of LAYER; the second may be NULL */
    const weir__constant *weight, *bias; /* of DENSE: (inputs, units); (units) or NULL */
    weir_activation activation;
    const weir__constant *slope;         /* of PReLU */
} weir__stage;

typedef struct weir__flow {
    enum weir__flow_kind { WEIR__FLOW_INPUT, WEIR__FLOW_STEPS, WEIR__FLOW_FINAL_H, WEIR__FLOW_FINAL_C, WEIR__FLOW_HEAD } kind;
    weir__axes axes;
    const weir__stage *stage;         /* of INPUT and HEAD */
    const weir__lane *const *lanes;   /* of the others */
    uint32_t lane_count;
    uint8_t cut;                      /* an atom of which elements begin .. end - 1 are left; WEIR__ATOMS: whole */
    int64_t begin, end;
    weir__term term;                  /* of HEAD: a function of the stage's values */
} weir__flow;

/* Numbers that shapes are computed with. */
typedef struct weir__shape {
    bool vector;
    uint32_t count;
    weir__extent sizes[WEIR__ONNX_RANK];
} weir__shape;

typedef struct weir__meaning {
    enum weir__meaning_kind {
        WEIR__OPEN, /* a shape that is computed in a way not followed here; `node` computes it */
        WEIR__CONSTANT,
        WEIR__SHAPE,
        WEIR__FILL, /* `fill` everywhere */
        WEIR__FLOW
    } kind;
    union {
        const weir__onnx_node *node;
        const weir__constant *constant;
        const weir__shape *shape;
        const weir__flow *flow;
        double fill;
    } is;
} weir__meaning;

typedef struct weir__matcher {
    weir__onnx *graph;
    weir__meaning *meanings; /* of each value */
    weir__extent sizes[WEIR__ATOMS];
    uint32_t atoms;          /* of inputs, so far */
    struct weir__layer_list *layers;
    const weir__onnx_node *node; /* at work */
    weir_error *err;
} weir__matcher;

/* What a graph computes. */
typedef struct weir__match {
    const weir__stage *top;   /* of the output that is the model's */
    bool final;               /* that output is the top layer's last hidden state */
    weir__matcher matcher;
} weir__match;

/* Fails with WEIR_E_UNSUPPORTED for what no model of Weir is. */
weir_status weir__match_graph(weir__onnx *graph, weir__match *match, weir_error *err);

/* ---- For rules ---- */

typedef weir_status weir__rule(weir__matcher *m);

/* What ends a sentence about a graph that a runner may run. */
#define AS_IT_IS "weir run can run the file as it is"
#define REFUSE(m, ...) weir__onnx_refuse((m)->graph, (m)->node, WEIR_E_UNSUPPORTED, (m)->err, __VA_ARGS__)
weir_status weir__match_no_room(weir__matcher *m);
/* NULL for an input that is left out or not there. */
const weir__meaning *weir__match_input(const weir__matcher *m, uint32_t i);
bool weir__match_is(const weir__meaning *meaning, enum weir__meaning_kind kind);
/* Input i as a shape or a constant of integers; fails if it is neither, or computed in a way not followed. */
weir_status weir__match_shape(weir__matcher *m, uint32_t i, weir__shape *shape);
/* Integers that are known: of an attribute, up to version `until - 1`, and from then on of input i; both may be absent: *count = 0. */
weir_status weir__match_integers(weir__matcher *m, const char *attribute, int until, uint32_t i, int64_t *values, uint32_t *count);
/* A constant of float32; what else input i may be is refused. */
weir_status weir__match_weight(weir__matcher *m, uint32_t i, const char *what, const weir__constant **constant);
/* The number, if the input is a constant of just one, or the same number everywhere. */
bool weir__match_number(const weir__meaning *meaning, double *number);
weir_status weir__match_int(weir__matcher *m, const char *attribute, int64_t fallback, int64_t *value);
weir_status weir__match_float(weir__matcher *m, const char *attribute, float fallback, float *value);
/* An axis, counted from the end if negative. */
weir_status weir__match_axis(weir__matcher *m, int64_t given, uint32_t rank, uint32_t *axis);

void weir__match_set(weir__matcher *m, uint32_t output, weir__meaning meaning);
weir_status weir__match_set_flow(weir__matcher *m, uint32_t output, const weir__flow *data);
weir_status weir__match_set_shape(weir__matcher *m, uint32_t output, const weir__shape *shape);
weir_status weir__match_set_constant(weir__matcher *m, uint32_t output, const weir__constant *constant);
/* The rule of an operator that is not known here: data it may not touch; shapes it may compute, as long as nobody needs them. */
weir_status weir__match_other(weir__matcher *m);
/* Passes input 0 on, whatever it is. */
weir_status weir__match_pass(weir__matcher *m);

/* The sizes of all atoms, as they are in this data. */
void weir__match_sizes(const weir__matcher *m, const weir__flow *data, weir__extent sizes[WEIR__ATOMS]);
/* Is this axis made of all units, those of the first lane in front? */
bool weir__match_is_features(const weir__flow *data, uint32_t axis);
/* Elements begin .. end - 1 of an axis; end of INT64_MAX: all; of steps, the last one is begin -1. */
weir_status weir__match_cut(weir__matcher *m, weir__flow *data, uint32_t axis, weir__extent begin, weir__extent end);
/* The stage that these lanes are, made or found. */
weir_status weir__match_layer(weir__matcher *m, const weir__flow *data, const weir__stage **stage);
/* The stage of data of the head, its function included. */
weir_status weir__match_settle(weir__matcher *m, const weir__flow *data, const weir__stage **stage);
/* The layer below a stage of the head. */
const weir__stage *weir__stage_layer(const weir__stage *stage);
weir_status weir__match_stage(weir__matcher *m, const weir__stage *stage, const weir__stage **made);

weir__rule weir__rule_transpose, weir__rule_reshape, weir__rule_flatten, weir__rule_squeeze, weir__rule_unsqueeze, weir__rule_slice,
    weir__rule_gather, weir__rule_concat, weir__rule_split, weir__rule_lstm, weir__rule_matmul, weir__rule_gemm, weir__rule_arithmetic,
    weir__rule_power, weir__rule_function, weir__rule_gelu, weir__rule_swish, weir__rule_prelu, weir__rule_softmax, weir__rule_one_hot,
    weir__rule_greater, weir__rule_where;

#endif
