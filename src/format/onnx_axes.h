/* Layer 5: the axes of a tensor that flows through a graph, as what they are made of: steps, rows, directions, units. Exporters move axes about,
 * merge and split them; what an axis means is known as long as its atoms are.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_AXES_H
#define WEIR_ONNX_AXES_H

#include "format/onnx.h"

/* A size: n times the sizes of some free axes of the graph's inputs. */
typedef struct weir__extent {
    int64_t n;
    uint32_t free; /* a bit for each free atom */
    bool unknown;
} weir__extent;

static inline weir__extent weir__extent_of(int64_t n)
{
    return (weir__extent){n, 0, false};
}
bool weir__extent_equal(weir__extent a, weir__extent b);
weir__extent weir__extent_mul(weir__extent a, weir__extent b);

/* What axes are made of. Atoms of size 1 are left out: an axis without atoms has size 1. */
enum {
    WEIR__ATOM_INPUTS = 32, /* atoms below are axes of inputs of the graph */
    WEIR__ATOM_LANES = WEIR__ATOM_INPUTS, /* directions, or layers and directions */
    WEIR__ATOM_UNITS,
    WEIR__ATOMS,
    WEIR__ATOMS_OF_AXIS = 4
};

typedef struct weir__axes {
    uint8_t rank, count[WEIR__ONNX_RANK], atoms[WEIR__ONNX_RANK][WEIR__ATOMS_OF_AXIS]; /* the first atom varies slowest */
} weir__axes;

/* sizes[WEIR__ATOMS]: of each atom. */
weir__extent weir__axes_extent(const weir__axes *a, const weir__extent *sizes, uint32_t axis);
/* Puts an axis at the end: of one atom, or of none if its size is 1. */
void weir__axes_push(weir__axes *a, uint8_t atom, weir__extent size);
/* Is this axis made of just these atoms? */
bool weir__axes_are(const weir__axes *a, uint32_t axis, const uint8_t *atoms, uint32_t count);
bool weir__axes_equal(const weir__axes *a, const weir__axes *b, uint32_t axis);
/* The atom, if the axis has just one; WEIR__ATOMS if it has none or more. */
uint8_t weir__axes_atom(const weir__axes *a, uint32_t axis);
/* Takes an atom away wherever it is. */
void weir__axes_drop(weir__axes *a, uint8_t atom);
void weir__axes_insert(weir__axes *a, uint32_t at);
void weir__axes_remove(weir__axes *a, uint32_t at);
void weir__axes_permute(weir__axes *a, const uint32_t *order);
/* The same atoms in the same order, as axes of these sizes; `rest` is the axis that takes what is left, or rank. False where an axis would
 * begin or end inside an atom. */
bool weir__axes_regroup(weir__axes *a, const weir__extent *sizes, const weir__extent *targets, uint32_t rank, uint32_t rest);

#endif
