/* Layer 5: functions of one variable that exporters write as several elementwise operators, brought into one form and recognised as
 * activations: x Sigmoid(x) is SiLU, 0.5 x (1 + Erf(x / sqrt 2)) is GELU.
 *
 * Everything is allocated from the graph's own memory, and lives as long as it.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_TERM_H
#define WEIR_ONNX_TERM_H

#include "format/onnx_constant.h"

enum { WEIR__FACTORS = 4, WEIR__TERM_DEPTH = 8 };

/* scale times the product of the factors; without factors a constant. */
typedef struct weir__term {
    double scale;
    uint32_t count, depth;
    const struct weir__factor *factors[WEIR__FACTORS];
} weir__term;

/* The variable x, a function of a term, first + second + constant, or whether first is more than the constant. */
typedef struct weir__factor {
    enum { WEIR__VARIABLE, WEIR__FUNCTION, WEIR__SUM, WEIR__STEP } kind;
    weir_activation function;    /* parameters filled in */
    const weir__constant *slope; /* of PReLU */
    weir__term first, second;
    double constant;
} weir__factor;

weir__term weir__term_x(void);
weir__term weir__term_constant(double value);
/* These fail where the result has no such form, or there is no memory: false. */
bool weir__term_multiply(const weir__term *a, const weir__term *b, weir__term *out);
bool weir__term_divide(const weir__term *a, const weir__term *b, weir__term *out);
bool weir__term_add(weir__onnx *graph, const weir__term *a, const weir__term *b, weir__term *out);
bool weir__term_apply(weir__onnx *graph, weir_activation function, const weir__constant *slope, const weir__term *a, weir__term *out);
bool weir__term_more_than(weir__onnx *graph, const weir__term *a, double constant, weir__term *out);
/* Where `more` is b x > constant: x, else `other`. This is Softplus(b x) / b, if `other` is and the constant is so large that float32 cannot tell it
 * from x there: PyTorch has 20. */
bool weir__term_choose(const weir__term *more, const weir__term *linear, const weir__term *other, weir__term *out);

/* The activation that it is; slope is set for PReLU. */
bool weir__term_activation(const weir__term *t, weir_activation *activation, const weir__constant **slope);
/* softplus(x) + 1e-4: the standard deviations of WEIR_GAUSSIAN */
bool weir__term_is_deviation(const weir__term *t);

/* The activation of an operator of ONNX with these parameters: a parameter of 0 means 0 there, and the default in Weir. False where a
 * network cannot have it. */
bool weir__activation_from_onnx(weir_activation_id id, float alpha, float beta, weir_activation *out);

#endif
