/* What the parts of the extension share. SPDX-License-Identifier: MIT */
#ifndef WEIR_PYTHON_BIND_H
#define WEIR_PYTHON_BIND_H

#include <memory>
#include <nanobind/nanobind.h>
#include <weir.h>

namespace nb = nanobind;

/* ---- Errors ---- */

/* A status that is not WEIR_OK on its way to Python, where it becomes an exception of weir.errors. */
struct Failure {
    weir_error error;
};

/* Throws Failure unless `status` is WEIR_OK. */
void check(weir_status status, const weir_error &error);

/* Throws Failure with a sentence, as printf makes it. */
[[noreturn]] void fail(weir_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Models and threads ---- */

using ModelPointer = std::shared_ptr<weir_model>;

struct Threads;

/* Python's weir.Model. */
struct Model {
    ModelPointer model;
    std::shared_ptr<Threads> threads; /* of the call before, kept for the next */
};

/* A model for Python, which becomes its owner. */
Model own(weir_model *model);
/* Arrays by the names and in the shapes of the model's tensors; `read` writes number `index`. */
nb::dict tensor_arrays(const weir_model *model, void (*read)(const void *from, size_t index, float *out), const void *from);

/* One object that computes for one Python thread at a time. Changed under the interpreter lock only. */
enum class Use { free, computing, reporting };

/* Takes an object for as long as it lives, or throws because another thread has it. */
class Lease {
  public:
    Lease(Use &use, const char *what) : use_(use)
    {
        if (use != Use::free)
            fail(WEIR_E_ARGUMENT, "this %s is at work for another thread or in a callback; give each thread one of its own", what);
        use = Use::computing;
    }
    ~Lease() { use_ = Use::free; }
    Lease(const Lease &) = delete;
    Lease &operator=(const Lease &) = delete;

  private:
    Use &use_;
};

/* Types in the signatures that Python shows: arrays that are given, and that are taken. */
#define FLOATS "numpy.typing.NDArray[numpy.float32]"
#define LIKE "numpy.typing.ArrayLike"

/* Each part of the extension adds its names to the module. */
void bind_errors(nb::module_ &m);
void bind_activations(nb::module_ &m);
nb::class_<Model> bind_model(nb::module_ &m);
void bind_stream(nb::module_ &m, nb::class_<Model> &model);
void bind_trainer(nb::module_ &m);
void bind_tape(nb::module_ &m);

#endif
