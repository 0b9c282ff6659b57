/* SPDX-License-Identifier: MIT */
#include "format/onnx_term.h"

#include <float.h>
#include <math.h>

/* Exporters write sqrt 2 and the like as float32, and fold products of them. */
static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

/* ---- Making ---- */

weir__term weir__term_x(void)
{
    static const weir__factor x = {.kind = WEIR__VARIABLE};
    return (weir__term){.scale = 1, .count = 1, .depth = 0, .factors = {&x}};
}

weir__term weir__term_constant(double value)
{
    return (weir__term){.scale = value};
}

bool weir__term_multiply(const weir__term *a, const weir__term *b, weir__term *out)
{
    if (a->count + b->count > WEIR__FACTORS)
        return false;
    weir__term product = *a;
    product.scale *= b->scale;
    product.depth = a->depth > b->depth ? a->depth : b->depth;
    for (uint32_t i = 0; i < b->count; i++)
        product.factors[product.count++] = b->factors[i];
    *out = product;
    return true;
}

bool weir__term_divide(const weir__term *a, const weir__term *b, weir__term *out)
{
    weir__term inverse = weir__term_constant(1 / b->scale);
    return b->count == 0 && b->scale != 0 && weir__term_multiply(a, &inverse, out);
}

/* A term of one factor. */
static bool wrap(weir__onnx *graph, const weir__factor *factor, weir__term *out)
{
    uint32_t depth = 1 + (factor->first.depth > factor->second.depth ? factor->first.depth : factor->second.depth);
    weir__factor *made = depth <= WEIR__TERM_DEPTH ? weir__onnx_take(graph, sizeof *made) : NULL;
    if (!made)
        return false;
    *made = *factor;
    *out = (weir__term){.scale = 1, .count = 1, .depth = depth, .factors = {made}};
    return true;
}

bool weir__term_add(weir__onnx *graph, const weir__term *a, const weir__term *b, weir__term *out)
{
    if (a->count == 0 && b->count == 0) {
        *out = weir__term_constant(a->scale + b->scale);
        return true;
    }
    weir__factor sum = {.kind = WEIR__SUM, .first = a->count ? *a : *b};
    if (a->count && b->count)
        sum.second = *b;
    else
        sum.constant = a->count ? b->scale : a->scale;
    return wrap(graph, &sum, out);
}

bool weir__term_apply(weir__onnx *graph, weir_activation function, const weir__constant *slope, const weir__term *a, weir__term *out)
{
    return wrap(graph, &(weir__factor){.kind = WEIR__FUNCTION, .function = function, .slope = slope, .first = *a}, out);
}

bool weir__term_more_than(weir__onnx *graph, const weir__term *a, double constant, weir__term *out)
{
    return wrap(graph, &(weir__factor){.kind = WEIR__STEP, .first = *a, .constant = constant}, out);
}

/* ---- Recognising ---- */

/* beta x */
static bool is_scaled_x(const weir__term *t, double *beta)
{
    *beta = t->scale;
    return t->count == 1 && t->factors[0]->kind == WEIR__VARIABLE;
}

static bool is_multiple_of_x(const weir__term *t, double scale)
{
    double beta;
    return is_scaled_x(t, &beta) && near(beta, scale);
}

/* The only factor, if the scale is 1. */
static const weir__factor *single(const weir__term *t)
{
    return t->count == 1 && t->scale == 1 ? t->factors[0] : NULL;
}

static bool is_function(const weir__factor *f, weir_activation_id id)
{
    return f && f->kind == WEIR__FUNCTION && f->function.id == id;
}

/* id(x), with default parameters */
static bool is_function_of_x(const weir__term *t, weir_activation_id id)
{
    const weir__factor *f = single(t);
    return is_function(f, id) && (id != WEIR_SOFTPLUS || f->function.beta == 1) && is_multiple_of_x(&f->first, 1);
}

/* x + 0.044715 x^3 */
static bool is_gelu_cubic(const weir__factor *f)
{
    if (!f || f->kind != WEIR__SUM || f->constant != 0)
        return false;
    const weir__term *cube = f->first.count == 3 ? &f->first : &f->second, *linear = cube == &f->first ? &f->second : &f->first;
    bool cubic = cube->count == 3 && near(cube->scale, 0.044715);
    for (uint32_t i = 0; cubic && i < 3; i++)
        cubic = cube->factors[i]->kind == WEIR__VARIABLE;
    return cubic && is_multiple_of_x(linear, 1);
}

/* 1 + erf(x / sqrt 2), 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)) */
static bool is_gelu_factor(const weir__factor *f, weir_activation_id *id)
{
    const weir__factor *inner = f->kind == WEIR__SUM && f->constant == 1 && f->second.count == 0 ? single(&f->first) : NULL;
    if (is_function(inner, WEIR_ERF)) {
        *id = WEIR_GELU;
        return is_multiple_of_x(&inner->first, 0.70710678118654752);
    }
    *id = WEIR_GELU_TANH;
    return is_function(inner, WEIR_TANH) && inner->first.count == 1 && near(inner->first.scale, 0.79788456080286536) &&
           is_gelu_cubic(inner->first.factors[0]);
}

/* scale x f(x) */
static bool is_gated(const weir__term *t, weir_activation *activation)
{
    const weir__factor *f = t->factors[t->factors[0]->kind == WEIR__VARIABLE];
    if (t->factors[0]->kind != WEIR__VARIABLE && t->factors[1]->kind != WEIR__VARIABLE)
        return false;
    *activation = (weir_activation){.id = WEIR_SILU};
    if (t->scale == 1 && is_function(f, WEIR_SIGMOID))
        return is_multiple_of_x(&f->first, 1);
    activation->id = WEIR_MISH;
    if (t->scale == 1 && is_function(f, WEIR_TANH))
        return is_function_of_x(&f->first, WEIR_SOFTPLUS);
    return near(t->scale, 0.5) && is_gelu_factor(f, &activation->id);
}

bool weir__term_activation(const weir__term *t, weir_activation *activation, const weir__constant **slope)
{
    *slope = NULL;
    if (t->count == 2)
        return is_gated(t, activation);
    if (t->count != 1)
        return false;
    const weir__factor *f = t->factors[0];
    *activation = (weir_activation){.id = WEIR_IDENTITY};
    if (f->kind == WEIR__VARIABLE)
        return t->scale == 1;
    double beta;
    if (f->kind != WEIR__FUNCTION || !is_scaled_x(&f->first, &beta))
        return false;
    *activation = f->function;
    *slope = f->slope;
    if (f->function.id == WEIR_ERF)
        return false;
    if (beta == 1 && t->scale == 1)
        return true;
    if (f->function.id == WEIR_TANH)
        return weir__activation_from_onnx(WEIR_SCALED_TANH, (float)t->scale, (float)beta, activation);
    if (f->function.id == WEIR_SOFTPLUS && beta > 0 && near(t->scale * beta, 1)) {
        activation->beta = (float)beta;
        return true;
    }
    return false;
}

bool weir__term_choose(const weir__term *more, const weir__term *linear, const weir__term *other, weir__term *out)
{
    enum { INVISIBLE = 17 }; /* log(1 + exp(-17)) is 4e-8, less than half a unit in the last place of 17 */
    const weir__factor *step = single(more);
    weir_activation activation;
    const weir__constant *slope;
    double beta;
    bool softplus = step && step->kind == WEIR__STEP && weir__term_activation(other, &activation, &slope) && activation.id == WEIR_SOFTPLUS;
    if (!softplus || !is_scaled_x(&step->first, &beta) || !(beta > 0) || !is_multiple_of_x(linear, 1) ||
        step->constant / beta * (double)activation.beta < INVISIBLE)
        return false;
    *out = *other;
    return true;
}

bool weir__term_is_deviation(const weir__term *t)
{
    const weir__factor *f = single(t);
    return f && f->kind == WEIR__SUM && f->second.count == 0 && near(f->constant, 1e-4) && is_function_of_x(&f->first, WEIR_SOFTPLUS);
}

bool weir__activation_from_onnx(weir_activation_id id, float alpha, float beta, weir_activation *out)
{
    const weir_activation_info *info = weir_activation_get(id);
    *out = (weir_activation){.id = id, .alpha = alpha, .beta = beta};
    if ((id == WEIR_LEAKY_RELU || id == WEIR_ELU) && alpha == 0) {
        *out = (weir_activation){.id = WEIR_RELU};
        return true;
    }
    if (id == WEIR_IDENTITY) {
        *out = (weir_activation){.id = id};
        return alpha == 1 && beta == 0; /* Affine */
    }
    if (id == WEIR_HARD_SIGMOID && beta == 0)
        out->beta = FLT_TRUE_MIN; /* as near to 0 as can be said */
    return isfinite(alpha) && isfinite(beta) && (info->alpha == 0 || alpha != 0) && (info->beta == 0 || out->beta != 0) &&
           (id != WEIR_SELU || beta > 0);
}
