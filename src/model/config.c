/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <math.h>
#include <string.h>

#include "../kernel/activation_info.h"

enum { MOST_NOTES = 1 << 20 };

static weir_status resolve_activation(weir_activation *a, weir_activation_id fallback, const char *field, weir_error *err)
{
    weir_activation chosen = *a;
    if (chosen.id == WEIR_ACTIVATION_DEFAULT)
        chosen.id = fallback;
    TRY(weir__activation_check(&chosen, field, err));
    const weir_activation_info *info = weir_activation_get(chosen.id);
    if (info->block)
        return weir__fail(err, WEIR_E_ARGUMENT, "%s: %s is a building block for arrays, not an activation of networks", field, info->name);
    *a = weir__activation_resolve(*a, fallback);
    return WEIR_OK;
}

static weir_status check_range(uint32_t value, uint32_t least, uint32_t most, const char *field, weir_error *err)
{
    if (value < least || value > most)
        return weir__fail(err, WEIR_E_ARGUMENT, "%s is %u, but must be from %u to %u", field, (unsigned)value, (unsigned)least,
                          (unsigned)most);
    return WEIR_OK;
}

static weir_status check_enum(int value, int last, const char *field, weir_error *err)
{
    if (value < 0 || value > last)
        return weir__fail(err, WEIR_E_ARGUMENT, "%s is %d, which has no meaning", field, value);
    return WEIR_OK;
}

static weir_status check_clip(float value, const char *field, weir_error *err)
{
    if (!(value >= 0) || !isfinite(value))
        return weir__fail(err, WEIR_E_ARGUMENT, "%s must be a positive finite number, or 0 for none", field);
    return WEIR_OK;
}

static weir_status resolve_sizes(weir_config *c, weir_error *err)
{
    if (!c->layers)
        c->layers = 1;
    if (!c->hidden)
        c->hidden = 128;
    if (!c->inputs == !c->tokens)
        return weir__fail(err, WEIR_E_ARGUMENT, "just one of inputs and tokens must be set, not %s", c->inputs ? "both" : "none");
    TRY(check_range(c->inputs, 0, WEIR_MAX_UNITS, "inputs", err));
    TRY(check_range(c->tokens, 0, WEIR_MAX_TOKENS, "tokens", err));
    TRY(check_range(c->layers, 1, WEIR_MAX_LAYERS, "layers", err));
    TRY(check_range(c->hidden, 1, WEIR_MAX_UNITS, "hidden", err));
    if (c->projection)
        TRY(check_range(c->projection, 1, c->hidden - 1, "projection", err));
    TRY(check_range(c->dense_layers, 0, WEIR_MAX_DENSE, "dense_layers", err));
    TRY(check_range(c->outputs, 0, c->output == WEIR_SOFTMAX ? (uint32_t)WEIR_MAX_TOKENS : (uint32_t)WEIR_MAX_UNITS, "outputs", err));
    if (c->dense_layers && !c->outputs)
        return weir__fail(err, WEIR_E_ARGUMENT, "dense_layers is set but outputs is 0: a head needs an output layer");
    if (c->output == WEIR_SOFTMAX && c->outputs == 1)
        return weir__fail(err, WEIR_E_ARGUMENT, "a softmax needs at least 2 outputs; use the logistic output for one");
    for (uint32_t i = 0; i < c->dense_layers; i++)
        TRY(check_range(c->dense[i].units, 1, WEIR_MAX_UNITS, "dense units", err));
    return WEIR_OK;
}

static weir_status resolve_activations(weir_config *c, weir_error *err)
{
    TRY(resolve_activation(&c->gate, WEIR_SIGMOID, "gate", err));
    TRY(resolve_activation(&c->candidate, WEIR_TANH, "candidate", err));
    TRY(resolve_activation(&c->output_activation, WEIR_TANH, "output_activation", err));
    for (uint32_t i = 0; i < WEIR_MAX_DENSE; i++)
        if (i < c->dense_layers)
            TRY(resolve_activation(&c->dense[i].activation, WEIR_IDENTITY, "dense activation", err));
        else
            c->dense[i] = (weir_dense){0};
    return WEIR_OK;
}

static weir_status resolve_start(weir_config *c, weir_error *err)
{
    static const float usual[4] = {0, 1, 0, 0};
    if (c->init_scale == 0)
        c->init_scale = 0.1f;
    if (!(c->init_scale > 0) || !isfinite(c->init_scale))
        return weir__fail(err, WEIR_E_ARGUMENT, "init_scale must be a positive finite number");
    if (!c->set_gate_bias)
        memcpy(c->gate_bias, usual, sizeof usual);
    for (int g = 0; g < 4; g++)
        if (!isfinite(c->gate_bias[g]))
            return weir__fail(err, WEIR_E_ARGUMENT, "gate_bias[%d] must be a finite number", g);
    if (!c->seed)
        c->seed = 1;
    if (!c->notes)
        c->notes = "";
    if (strlen(c->notes) > MOST_NOTES)
        return weir__fail(err, WEIR_E_ARGUMENT, "notes has more than %d bytes", (int)MOST_NOTES);
    return WEIR_OK;
}

weir_status weir__config_resolve(const weir_config *config, weir_config *c, weir_error *err)
{
    *c = *config;
    TRY(check_enum((int)c->direction, WEIR_BOTH, "direction", err));
    TRY(check_enum((int)c->output, WEIR_NEGATIVE_BINOMIAL, "output", err));
    TRY(check_enum((int)c->readout, WEIR_FINAL_STATE, "readout", err));
    TRY(check_enum((int)c->init, WEIR_INIT_UNIFORM, "init", err));
    TRY(check_enum((int)c->isa, WEIR_ISA_REF64, "isa", err));
    TRY(check_enum((int)c->weights, WEIR_WEIGHTS_INT8, "weights", err));
    TRY(resolve_sizes(c, err));
    TRY(resolve_activations(c, err));
    if (c->no_forget_gate && c->coupled)
        return weir__fail(err, WEIR_E_ARGUMENT, "no_forget_gate and coupled exclude each other: one has no forget gate, one ties it");
    TRY(check_clip(c->activation_clip, "activation_clip", err));
    TRY(check_clip(c->cell_clip, "cell_clip", err));
    TRY(resolve_start(c, err));
    for (size_t i = 0; i < sizeof c->reserved / sizeof *c->reserved; i++)
        if (c->reserved[i])
            return weir__fail(err, WEIR_E_ARGUMENT, "reserved fields of weir_config must be 0");
    return WEIR_OK;
}

size_t weir__dense_units(const weir_config *c, size_t i)
{
    if (i < c->dense_layers)
        return c->dense[i].units;
    return weir__values_each(c->output) * c->outputs;
}

size_t weir__dense_inputs(const weir_config *c, size_t i)
{
    return i ? c->dense[i - 1].units : weir__directions(c) * weir__projected(c);
}

size_t weir__output_values(const weir_config *c)
{
    return c->outputs ? weir__dense_units(c, c->dense_layers) : weir__directions(c) * weir__projected(c);
}

bool weir__cell_has_slopes(const weir_config *c)
{
    return c->gate.id == WEIR_PRELU || c->candidate.id == WEIR_PRELU || c->output_activation.id == WEIR_PRELU;
}
