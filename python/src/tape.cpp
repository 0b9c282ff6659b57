/* Tapes for weir.torch, on arrays that Python names by address. Nothing here can check an address, so Tape is no part of the package's
 * interface: weir/torch.py makes sure that each array is contiguous, of the right size and type, and alive. 0 stands for NULL.
 * SPDX-License-Identifier: MIT */
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "threads.h"

namespace
{

using address = uintptr_t;

template <class T = void> T *at(address a)
{
    return reinterpret_cast<T *>(a);
}

std::vector<void *> all_at(const std::vector<address> &addresses)
{
    std::vector<void *> pointers;
    for (address a : addresses)
        pointers.push_back(at(a));
    return pointers;
}

class Tape
{
  public:
    Tape(uint32_t inputs, uint32_t hidden, uint32_t layers, uint32_t projection, bool both, bool peephole, bool reference,
         float dropout, bool run_only, bool no_input_gradient, uint32_t most_steps, uint32_t most_rows)
        : steps(most_steps), rows(most_rows)
    {
        weir_config config = {};
        config.inputs = inputs;
        config.hidden = hidden;
        config.layers = layers;
        config.projection = projection;
        config.direction = both ? WEIR_BOTH : WEIR_FORWARD;
        config.no_peepholes = !peephole;
        config.isa = reference ? WEIR_ISA_REF64 : WEIR_ISA_BEST;
        weir_tape_config how = {};
        how.steps = steps;
        how.rows = rows;
        how.dropout = dropout;
        how.run_only = run_only;
        how.no_input_gradient = no_input_gradient;
        weir_error error;
        check(weir_tape_new(&tape, &config, &how, &error), error);
    }
    ~Tape()
    {
        weir_tape_free(tape);
    }
    Tape(const Tape &) = delete;
    Tape &operator=(const Tape &) = delete;

    void forward(const std::vector<address> &weights, size_t t, size_t b, address x, address lengths, address h0, address c0,
                 uint64_t seed, address y, address hn, address cn, unsigned threads)
    {
        std::vector<void *> tensors = all_at(weights);
        weir_tape_batch batch = {};
        batch.steps = t;
        batch.rows = b;
        batch.x = at(x);
        batch.lengths = at<uint32_t>(lengths);
        batch.h0 = at(h0);
        batch.c0 = at(c0);
        batch.seed = seed;
        want_threads(pool, threads, true);
        weir_error error;
        nb::gil_scoped_release release;
        check(weir_tape_weights(tape, tensors.data(), pool->parallel(), &error), error);
        check(weir_tape_forward(tape, &batch, at(y), at(hn), at(cn), pool->parallel(), &error), error);
    }

    void backward(address dy, address dhn, address dcn, address dx, address dh0, address dc0, const std::vector<address> &tensors,
                  unsigned threads)
    {
        std::vector<void *> list = all_at(tensors);
        weir_tape_gradients g = {at(dy), at(dhn), at(dcn), at(dx), at(dh0), at(dc0), list.empty() ? nullptr : list.data()};
        want_threads(pool, threads, true);
        weir_error error;
        nb::gil_scoped_release release;
        check(weir_tape_backward(tape, &g, pool->parallel(), &error), error);
    }

    const uint32_t steps, rows;

  private:
    weir_tape *tape;
    std::shared_ptr<Threads> pool;
};

} // namespace

void bind_tape(nb::module_ &m)
{
    using namespace nb::literals;
    nb::set_leak_warnings(false); /* modules that live until the interpreter ends keep their tapes: nothing to warn of */
    nb::class_<Tape>(m, "Tape")
        .def(nb::init<uint32_t, uint32_t, uint32_t, uint32_t, bool, bool, bool, float, bool, bool, uint32_t, uint32_t>(),
             "inputs"_a, "hidden"_a, "layers"_a, "projection"_a, "both"_a, "peephole"_a, "reference"_a, "dropout"_a, "run_only"_a,
             "no_input_gradient"_a, "steps"_a, "rows"_a)
        .def_ro("steps", &Tape::steps)
        .def_ro("rows", &Tape::rows)
        .def("forward", &Tape::forward)
        .def("backward", &Tape::backward);
}
