/* weir.Stream: one step at a time. SPDX-License-Identifier: MIT */
#include <vector>

#include "batch.h"
#include "threads.h"

/* A step of fewer multiply-adds than this keeps the interpreter lock: it takes less time (some 10 microseconds) than another thread may need
 * to give the lock back. */
static constexpr size_t UNLOCK_FROM = 1 << 18;

class Stream {
  public:
    Stream(const Model &m, uint32_t rows, unsigned count)
        : model_(m.model), sizes_(m.model.get()), rows_(rows), outputs_(weir_model_outputs(m.model.get())),
          memory_(weir_stream_size(m.model.get(), rows)), threads_(count, true),
          unlock_(weir_model_parameters(m.model.get()) * static_cast<size_t>(rows) >= UNLOCK_FROM)
    {
        weir_error err;
        check(weir_stream_init(&stream_, memory_.data(), memory_.size(), model_.get(), rows, &err), err);
        weir_stream_parallel(stream_, threads_.parallel());
        shape_ = nb::make_tuple(rows_, outputs_);
        flat_shape_ = nb::make_tuple(outputs_);
    }

    nb::object step(nb::handle x, nb::handle out)
    {
        Lease lease(use_, "stream");
        Array in;
        bool flat = sizes_.inputs ? read_reals(in, x) : read_tokens(in, x);
        nb::object y = out.is_none() ? new_floats(flat ? flat_shape_ : shape_) : nb::borrow(out);
        Array to;
        to.write_floats(y, "out");
        if (!out.is_none() && !(flat ? to.has_shape({outputs_}) : to.has_shape({rows_, outputs_})))
            expect(to, "out", {{rows_, 0}, {outputs_, 0}});
        if (unlock_) {
            nb::gil_scoped_release unlock;
            compute(in, to);
        } else {
            compute(in, to);
        }
        return y;
    }

    void reset()
    {
        Lease lease(use_, "stream");
        weir_stream_reset(stream_);
    }

    nb::tuple state()
    {
        Lease lease(use_, "stream");
        nb::object h = new_floats({sizes_.lanes, rows_, sizes_.projected}), c = new_floats({sizes_.lanes, rows_, sizes_.hidden});
        Array h_out, c_out;
        h_out.write_floats(h, "h");
        c_out.write_floats(c, "c");
        weir_stream_get_state(stream_, h_out.floats(), c_out.floats());
        return nb::make_tuple(h, c);
    }

    void set_state(nb::tuple state)
    {
        Lease lease(use_, "stream");
        if (state.size() != 2)
            fail(WEIR_E_ARGUMENT, "the state is a pair (h, c)");
        Array h, c;
        h.read_floats(state[0], "h");
        c.read_floats(state[1], "c");
        expect(h, "h", {{sizes_.lanes, 0}, {rows_, 0}, {sizes_.projected, 0}});
        expect(c, "c", {{sizes_.lanes, 0}, {rows_, 0}, {sizes_.hidden, 0}});
        weir_stream_set_state(stream_, h.floats(), c.floats());
    }

    uint32_t rows() const { return rows_; }

  private:
    /* (B, I); or, of one row, (I): then true. */
    bool read_reals(Array &in, nb::handle x)
    {
        in.read_floats(x, "x");
        if (rows_ == 1 && in.has_shape({sizes_.inputs}))
            return true;
        if (!in.has_shape({rows_, sizes_.inputs}))
            expect(in, "x", {{rows_, 0}, {sizes_.inputs, 0}});
        return false;
    }

    /* (B); or, of one row, a number: then true. */
    bool read_tokens(Array &in, nb::handle x)
    {
        in.read_whole(x, "x");
        if (rows_ == 1 && in.has_shape({}))
            return true;
        if (!in.has_shape({rows_}))
            expect(in, "x", {{rows_, 0}});
        return false;
    }

    void compute(const Array &in, const Array &to)
    {
        if (sizes_.inputs)
            weir_stream_step(stream_, in.floats(), to.floats());
        else
            weir_stream_step_tokens(stream_, in.whole(), to.floats());
    }

    ModelPointer model_;
    Sizes sizes_;
    uint32_t rows_;
    size_t outputs_;
    std::vector<char> memory_;
    Threads threads_;
    bool unlock_;
    Use use_ = Use::free;
    weir_stream *stream_;
    nb::tuple shape_, flat_shape_;
};

void bind_stream(nb::module_ &m, nb::class_<Model> &model)
{
    nb::class_<Stream>(m, "Stream",
                       "A network that is stepped; it keeps the state of B rows. Made by Model.stream. Serves one thread at a time.\n\n"
                       "Steps give the same bits as a run over the whole sequence.")
        .def(
            "__init__", [](Stream *self, const Model &of, uint32_t batch, unsigned threads) { new (self) Stream(of, batch, threads); },
            nb::arg("model"), nb::arg("batch") = 1, nb::arg("threads") = 1)
        .def("step", &Stream::step, nb::arg("x"), nb::arg("out") = nb::none(),
             nb::sig("def step(self, x: " LIKE ", out: " FLOATS " | None = None) -> " FLOATS),
             "One step of all rows; gives y (B, O).\n\n"
             "x: (B, I), or tokens (B). A stream of one row takes (I) or one token too, and then gives (O).\n"
             "out: a contiguous array of float32 of y's shape, which is filled and returned. With it, and x contiguous float32, a step\n"
             "copies and allocates nothing. May be x itself where I = O.\n"
             "Releases the interpreter lock in networks of at least 2^18 weights times rows.")
        .def("reset", &Stream::reset, "Sets the state to 0.")
        .def_prop_rw("state", &Stream::state, &Stream::set_state,
                     nb::for_getter(nb::sig("def state(self) -> tuple[" FLOATS ", " FLOATS "]")),
                     nb::for_setter(nb::sig("def state(self, state: tuple[" LIKE ", " LIKE "], /) -> None")),
                     "The state, copied: (h, c), h (L, B, P), c (L, B, H).")
        .def_prop_ro("batch", &Stream::rows, "The rows, B.");

    model.def(
        "stream", [](const Model &self, uint32_t batch, unsigned threads) { return new Stream(self, batch, threads); },
        nb::arg("batch") = 1, nb::arg("threads") = 1,
        "A stream of `batch` rows, its state 0. Raises UnsupportedError for a model that reads backwards or answers once per\n"
        "sequence. threads: share the units of wide layers (from 2^18 recurrent multiply-adds a step).");
}
