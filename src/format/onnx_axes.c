/* SPDX-License-Identifier: MIT */
#include "format/onnx_axes.h"

#include <string.h>

bool weir__extent_equal(weir__extent a, weir__extent b)
{
    return !a.unknown && !b.unknown && a.n == b.n && a.free == b.free;
}

weir__extent weir__extent_mul(weir__extent a, weir__extent b)
{
    int64_t most = INT64_MAX / (a.n ? a.n < 0 ? -a.n : a.n : 1);
    bool fits = a.n > INT64_MIN && b.n <= most && b.n >= -most, squares = a.free & b.free;
    return (weir__extent){fits ? a.n * b.n : 0, a.free | b.free, a.unknown || b.unknown || !fits || squares};
}

weir__extent weir__axes_extent(const weir__axes *a, const weir__extent *sizes, uint32_t axis)
{
    weir__extent product = weir__extent_of(1);
    for (uint32_t i = 0; i < a->count[axis]; i++)
        product = weir__extent_mul(product, sizes[a->atoms[axis][i]]);
    return product;
}

void weir__axes_push(weir__axes *a, uint8_t atom, weir__extent size)
{
    uint32_t axis = a->rank++;
    a->count[axis] = !weir__extent_equal(size, weir__extent_of(1));
    a->atoms[axis][0] = atom;
}

bool weir__axes_are(const weir__axes *a, uint32_t axis, const uint8_t *atoms, uint32_t count)
{
    return a->count[axis] == count && !memcmp(a->atoms[axis], atoms, count);
}

bool weir__axes_equal(const weir__axes *a, const weir__axes *b, uint32_t axis)
{
    return weir__axes_are(a, axis, b->atoms[axis], b->count[axis]);
}

uint8_t weir__axes_atom(const weir__axes *a, uint32_t axis)
{
    return a->count[axis] == 1 ? a->atoms[axis][0] : WEIR__ATOMS;
}

void weir__axes_drop(weir__axes *a, uint8_t atom)
{
    for (uint32_t i = 0; i < a->rank; i++) {
        uint8_t kept = 0;
        for (uint32_t k = 0; k < a->count[i]; k++)
            if (a->atoms[i][k] != atom)
                a->atoms[i][kept++] = a->atoms[i][k];
        a->count[i] = kept;
    }
}

static void move(weir__axes *a, uint32_t to, uint32_t from)
{
    uint32_t count = a->rank - (from > to ? from : to);
    memmove(a->count + to, a->count + from, count * sizeof *a->count);
    memmove(a->atoms + to, a->atoms + from, count * sizeof *a->atoms);
}

void weir__axes_insert(weir__axes *a, uint32_t at)
{
    a->rank++;
    move(a, at + 1, at);
    a->count[at] = 0;
}

void weir__axes_remove(weir__axes *a, uint32_t at)
{
    move(a, at, at + 1);
    a->rank--;
}

void weir__axes_permute(weir__axes *a, const uint32_t *order)
{
    weir__axes old = *a;
    for (uint32_t i = 0; i < a->rank; i++) {
        a->count[i] = old.count[order[i]];
        memcpy(a->atoms[i], old.atoms[order[i]], sizeof *a->atoms);
    }
}

/* How many atoms, from the front or from the back, make up a size; -1: none do. */
static int32_t atoms_of(const uint8_t *atoms, uint32_t count, bool back, const weir__extent *sizes, weir__extent target)
{
    weir__extent product = weir__extent_of(1);
    uint32_t n = 0;
    while (!weir__extent_equal(product, target)) {
        if (n == count)
            return -1;
        product = weir__extent_mul(product, sizes[atoms[back ? count - 1 - n : n]]);
        n++;
    }
    return (int32_t)n;
}

static bool fill_axis(weir__axes *a, uint32_t axis, const uint8_t *atoms, uint32_t count)
{
    if (count > WEIR__ATOMS_OF_AXIS)
        return false;
    a->count[axis] = (uint8_t)count;
    memcpy(a->atoms[axis], atoms, count);
    return true;
}

bool weir__axes_regroup(weir__axes *a, const weir__extent *sizes, const weir__extent *targets, uint32_t rank, uint32_t rest)
{
    uint8_t all[WEIR__ONNX_RANK * WEIR__ATOMS_OF_AXIS];
    uint32_t front = 0, back = 0;
    for (uint32_t i = 0; i < a->rank; back += a->count[i++])
        memcpy(all + back, a->atoms[i], a->count[i]);
    weir__axes made = {.rank = (uint8_t)rank};
    for (uint32_t i = 0; i < rest; i++) {
        int32_t n = atoms_of(all + front, back - front, false, sizes, targets[i]);
        if (n < 0 || !fill_axis(&made, i, all + front, (uint32_t)n))
            return false;
        front += (uint32_t)n;
    }
    for (uint32_t i = rank; i-- > rest + 1;) {
        int32_t n = atoms_of(all + front, back - front, true, sizes, targets[i]);
        if (n < 0 || !fill_axis(&made, i, all + back - n, (uint32_t)n))
            return false;
        back -= (uint32_t)n;
    }
    if (rest < rank ? !fill_axis(&made, rest, all + front, back - front) : front != back)
        return false;
    *a = made;
    return true;
}
