/* A weir_batch from arguments of Python. SPDX-License-Identifier: MIT */
#ifndef WEIR_PYTHON_BATCH_H
#define WEIR_PYTHON_BATCH_H

#include "arrays.h"

/* Sizes that shapes are checked against. */
struct Sizes {
    size_t inputs; /* 0 for a model of tokens */
    size_t lanes;  /* L*D */
    size_t hidden, projected;
    size_t targets; /* n of weir_config.outputs */
    bool classes;   /* the loss compares with classes, not with values */
    bool final_state;

    explicit Sizes(const weir_model *model);
};

/* The batch and the arrays behind it. */
struct Batch {
    weir_batch batch = {};

    /* x: reals (T, B, I), or tokens (T, B) where the model reads tokens. None where there is none. */
    void input(const Sizes &sizes, nb::handle x, nb::handle h0, nb::handle c0, nb::handle lengths);
    /* Values (T, B, n) or classes (T, B); without T where the model answers once per sequence. */
    void targets(const Sizes &sizes, nb::handle targets);
    /* Shaped as the values. None: 1. */
    void scales(const Sizes &sizes, nb::handle scales);

  private:
    Array x_, h0_, c0_, lengths_, targets_, scales_;
};

#endif
