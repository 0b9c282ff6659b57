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
        targets_.read_floats(targets, "targets");
        if (s.final_state)
            expect(targets_, "targets", {{batch.rows, 0}, {s.targets, 0}});
        else
            expect(targets_, "targets", {{batch.steps, 0}, {batch.rows, 0}, {s.targets, 0}});
        batch.targets = targets_.floats();
    }
}
