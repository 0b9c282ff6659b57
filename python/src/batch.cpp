/* A weir_batch from arguments of Python: the shapes, which the library cannot see. SPDX-License-Identifier: MIT */
#include "batch.h"

Sizes::Sizes(const weir_model *model)
{
    const weir_config *c = weir_model_config(model);
    inputs = c->tokens ? 0 : c->inputs;
    lanes = static_cast<size_t>(c->layers) * (c->direction == WEIR_BOTH ? 2 : 1);
    hidden = c->hidden;
    projected = c->projection ? c->projection : c->hidden;
    targets = c->outputs;
    classes = c->output == WEIR_SOFTMAX;
    final_state = c->readout == WEIR_FINAL_STATE;
}

void Batch::input(const Sizes &s, nb::handle x, nb::handle h0, nb::handle c0, nb::handle lengths)
{
    if (s.inputs) {
        x_.read_floats(x, "x");
        expect(x_, "x", {{Dimension::ANY, 'T'}, {Dimension::ANY, 'B'}, {s.inputs, 'I'}});
        batch.x = x_.floats();
    } else {
        x_.read_whole(x, "x");
        expect(x_, "x", {{Dimension::ANY, 'T'}, {Dimension::ANY, 'B'}});
        batch.tokens = x_.whole();
    }
    batch.steps = x_.size(0);
    batch.rows = x_.size(1);
    if (!h0.is_none()) {
        h0_.read_floats(h0, "h0");
        expect(h0_, "h0", {{s.lanes, 0}, {batch.rows, 0}, {s.projected, 0}});
        batch.h0 = h0_.floats();
    }
    if (!c0.is_none()) {
        c0_.read_floats(c0, "c0");
        expect(c0_, "c0", {{s.lanes, 0}, {batch.rows, 0}, {s.hidden, 0}});
        batch.c0 = c0_.floats();
    }
    if (!lengths.is_none()) {
        lengths_.read_whole(lengths, "lengths");
        expect(lengths_, "lengths", {{batch.rows, 0}});
        batch.lengths = lengths_.whole();
    }
}

/* (T, B, n), or (B, n) where the model answers once per sequence. */
static void read_values(Array &to, nb::handle from, const char *name, const Sizes &s, const weir_batch &b)
{
    to.read_floats(from, name);
    if (s.final_state)
        expect(to, name, {{b.rows, 0}, {s.targets, 0}});
    else
        expect(to, name, {{b.steps, 0}, {b.rows, 0}, {s.targets, 0}});
}

void Batch::targets(const Sizes &s, nb::handle targets)
{
    if (s.classes) {
        targets_.read_whole(targets, "targets");
        if (s.final_state)
            expect(targets_, "targets", {{batch.rows, 0}});
        else
            expect(targets_, "targets", {{batch.steps, 0}, {batch.rows, 0}});
        batch.classes = targets_.whole();
    } else {
        read_values(targets_, targets, "targets", s, batch);
        batch.targets = targets_.floats();
    }
}

void Batch::scales(const Sizes &s, nb::handle scales)
{
    if (scales.is_none())
        return;
    if (s.classes)
        fail(WEIR_E_ARGUMENT, "classes have no scales");
    read_values(scales_, scales, "scales", s, batch);
    batch.scales = scales_.floats();
}
