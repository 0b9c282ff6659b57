/* Layer 5: how other frameworks name the arrays of an LSTM and lay out the numbers in them. One record each; what reads and writes weights
 * (weights_import.c, weights_export.c) knows no framework. docs/interop.md has the table for users.
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_LAYOUT_H
#define WEIR_LAYOUT_H

#include "format/safetensors.h"
#include "model/params.h"

enum { WEIR__LAYOUT_ARRAYS = 24 };

typedef struct weir__layout_array {
    const char *names; /* without prefix, layer and direction; alternatives between bars, of which the first is written. NULL ends a list */
    /* Dimensions between commas, outermost first; two letters in one stand for a dimension that is their product:
     *   l layers   d directions   g gates (4, in peepholes 3)   o units   i inputs   h the state fed back, P   p projected units, P
     * "i+h" is a dimension with the inputs first and the state behind. Of a dense layer o and i are units and inputs. NULL: an array that
     * Weir's cell has no place for. */
    const char *axes;
    enum weir__param_kind kind; /* of "i+h" WEIR__WEIGHT_IH, which stands for both */
    char gate;                  /* the only one of "ifgo" that it holds, or 0 */
    bool optional;              /* its kind may be absent, but then in all layers */
    bool second;                /* a bias that is added to the one before it; written as zeros */
    const char *reason;         /* without axes: why; else what it means that it is missing, or NULL */
} weir__layout_array;

/* What the framework has settings for, beside the weights. */
enum { WEIR__SETS_ACTIVATIONS = 1, WEIR__SETS_CELL_CLIP = 2, WEIR__SETS_REVERSE = 4 };

typedef struct weir__layout {
    const char *name;
    const char *gates, *peepholes; /* the order of "ifgo" and of "ifo" along g */
    float forget_bias;             /* what the framework adds to the forget gate's bias while it runs */
    /* How names are written for one direction and for two, and those of the head: %n the array's name, %l the layer's number, %k the same
     * behind _ and nothing for 0, %d the direction. When a name is read, anything may stand before %n, if the rest agrees. */
    const char *one, *two, *head;
    const char *forward, *backward; /* %d */
    const char *cell;               /* what the part of a name before %n has in it, which tells an LSTM from a dense layer; or NULL */
    bool indexed;                   /* layers count from 0 by the last number in their names; else any numbers in a row will do */
    unsigned settings;
    weir__layout_array arrays[WEIR__LAYOUT_ARRAYS]; /* the first is one that every layer has */
    weir__layout_array dense[3];                    /* weight and bias */
} weir__layout;

/* The record of a name, or NULL with a sentence that lists them. */
const weir__layout *weir__layout_find(const char *name, weir_error *err);

/* ---- Names ---- */

/* A name taken apart. */
typedef struct weir__name {
    const weir__layout_array *array;
    char key[WEIR__NAME_SIZE]; /* the name without array and direction: the same for all arrays of a layer */
    bool backward, marked;     /* marked: the name tells a direction */
} weir__name;

/* Takes a name apart by the longest array's name of the list that it agrees with; false if there is none. */
bool weir__layout_read_name(const weir__layout *layout, const weir__layout_array *arrays, const char *name, weir__name *out);
/* Writes the name of an array into `out`; `pattern` is one, two or head. */
void weir__layout_write_name(const weir__layout *layout, const char *pattern, const weir__layout_array *array, size_t layer, size_t direction,
                             char out[WEIR__NAME_SIZE]);
/* The name that `array` would have beside the array of the name `near`, which was taken apart into `parts`. */
void weir__layout_name_beside(const weir__layout *layout, const char *near, const weir__name *parts, const weir__layout_array *array,
                              char out[WEIR__NAME_SIZE]);
/* The order of two keys: that of the numbers in them. */
int weir__layout_compare(const char *a, const char *b);
/* True if b is the layer behind a: their keys differ in numbers only, each the same or one more. */
bool weir__layout_follows(const weir__layout *layout, const char *a, const char *b);
/* The last number in a key, 0 without one. */
size_t weir__layout_last_number(const char *key);

/* ---- Numbers ---- */

/* The size that each letter of axes stands for. */
typedef struct weir__sizes {
    size_t of[26];
} weir__sizes;
static inline size_t *weir__size_of(weir__sizes *sizes, char letter)
{
    return &sizes->of[letter - 'a'];
}

/* The shape of an array; returns its rank. */
size_t weir__layout_dims(const weir__layout_array *array, const weir__sizes *sizes, size_t dims[WEIR__RANK_LIMIT]);

/* A run of an array's numbers, in the order in which they stand, and where they stand in a tensor of Weir: the first at `at`, each `step`
 * behind the one before. */
typedef struct weir__run {
    enum weir__param_kind kind;
    size_t layer, direction; /* layer: counted from the array's first */
    char gate;               /* of "ifgo"; of a tensor without gates 0 */
    size_t count, at, step;
} weir__run;

/* Calls `visit` for all runs of an array, until it returns false. `direction`: that of an array without d. */
void weir__layout_walk(const weir__layout *layout, const weir__layout_array *array, const weir__sizes *sizes, size_t direction,
                       bool (*visit)(void *ctx, const weir__run *run), void *ctx);

#endif
