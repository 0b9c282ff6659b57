/* weir.Trainer. SPDX-License-Identifier: MIT */
#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <nanobind/stl/string.h>
#include <vector>

#include "batch.h"
#include "fields.h"
#include "threads.h"

static constexpr const char *optimizer_names[] = {"adam", "adamw", "rmsprop", "sgd", nullptr};
static constexpr const char *schedule_names[] = {"constant", "cosine", "plateau", nullptr};

/* The keywords of weir.Trainer, all but `model` and `threads`. */
static const std::vector<Field<weir_train_config>> &train_fields()
{
    using C = weir_train_config;
    static const std::vector<Field<C>> fields = {
        plain<&C::rows>("rows"),
        plain<&C::steps>("steps"),
        named<&C::optimizer, optimizer_names>("optimizer"),
        plain<&C::rate>("rate"),
        plain<&C::momentum>("momentum"),
        plain<&C::beta1>("beta1"),
        plain<&C::beta2>("beta2"),
        plain<&C::epsilon>("epsilon"),
        plain<&C::weight_decay>("weight_decay"),
        plain<&C::clip>("clip"),
        named<&C::schedule, schedule_names>("schedule"),
        plain<&C::warmup>("warmup"),
        plain<&C::total_updates>("total_updates"),
        plain<&C::plateau>("plateau"),
        plain<&C::dropout>("dropout"),
        plain<&C::head_dropout>("head_dropout"),
        plain<&C::seed>("seed"),
        plain<&C::shards>("shards"),
    };
    return fields;
}

/* ---- Sources of batches ---- */

/* What a batch of Python names. */
struct BatchArguments {
    nb::object x, targets, h0 = nb::none(), c0 = nb::none(), lengths = nb::none(), carry = nb::bool_(false);

    explicit BatchArguments(nb::handle item)
    {
        struct {
            const char *name;
            nb::object *value;
        } known[] = {{"x", &x}, {"targets", &targets}, {"h0", &h0}, {"c0", &c0}, {"lengths", &lengths}, {"carry", &carry}};
        if (!nb::isinstance<nb::dict>(item))
            fail(WEIR_E_ARGUMENT, "a batch is a dictionary with x, targets and, if wanted, h0, c0, lengths, carry");
        for (auto [key, value] : nb::borrow<nb::dict>(item)) {
            auto *end = std::end(known);
            auto *found = std::find_if(known, end, [&](auto &k) { return nb::cast<std::string>(nb::str(key)) == k.name; });
            if (found == end)
                fail(WEIR_E_ARGUMENT, "a batch has x, targets, h0, c0, lengths and carry, but no %.60s", nb::str(key).c_str());
            *found->value = nb::borrow(value);
        }
        if (!x.is_valid() || !targets.is_valid())
            fail(WEIR_E_ARGUMENT, "a batch needs x and targets");
    }
};

/* The first exception of a callback; it ends the training and is thrown again after it. Holds Python objects. */
struct Interruption {
    std::exception_ptr exception;
    void keep() { exception = std::current_exception(); }
    void rethrow() const
    {
        if (exception)
            std::rethrow_exception(exception);
    }
};

/* Batches by index: an object with len() and [index], or with len() and .batch(epoch, index). */
struct Source {
    nb::object batches, get; /* get: .batch, if there is one */
    Sizes sizes;
    Interruption &interruption;
    std::unique_ptr<Batch> now; /* lives until the next is asked for */
    weir_source source = {};

    Source(nb::object from, const Sizes &s, Interruption &i) : batches(from), sizes(s), interruption(i)
    {
        if (nb::hasattr(from, "batch"))
            get = from.attr("batch");
        source = {nb::len(from), next, this};
    }

    static weir_status next(void *ctx, uint32_t epoch, size_t index, weir_batch *batch, weir_error *err)
    {
        Source *self = static_cast<Source *>(ctx);
        nb::gil_scoped_acquire lock;
        try {
            BatchArguments a(self->get.is_valid() ? self->get(epoch, index) : self->batches[index]);
            self->now = std::make_unique<Batch>();
            self->now->input(self->sizes, a.x, a.h0, a.c0, a.lengths);
            self->now->targets(self->sizes, a.targets);
            self->now->batch.carry = nb::cast<bool>(a.carry);
            *batch = self->now->batch;
            return WEIR_OK;
        } catch (...) {
            self->interruption.keep();
            *err = {WEIR_E_ARGUMENT, 0, "the source of batches failed"};
            return WEIR_E_ARGUMENT;
        }
    }
};

/* ---- The trainer ---- */

class Trainer {
  public:
    Trainer(const Model &m, const nb::dict &settings, unsigned count) : model_(m.model), sizes_(m.model.get()), threads_(count, false)
    {
        weir_train_config config = {};
        set_fields(config, train_fields(), settings);
        config.parallel = threads_.parallel();
        weir_error err;
        check(weir_trainer_new(&trainer_, model_.get(), &config, &err), err);
    }
    ~Trainer() { weir_trainer_free(trainer_); }
    Trainer(const Trainer &) = delete;
    Trainer &operator=(const Trainer &) = delete;

    using Pass = weir_status (*)(weir_trainer *, const weir_batch *, weir_loss *, weir_error *);

    weir_loss pass(Pass function, nb::handle x, nb::handle targets, nb::handle h0, nb::handle c0, nb::handle lengths, bool carry)
    {
        Lease lease(use_, "trainer");
        Batch b;
        b.input(sizes_, x, h0, c0, lengths);
        b.targets(sizes_, targets);
        b.batch.carry = carry;
        weir_loss loss;
        weir_error err;
        nb::gil_scoped_release unlock;
        check(function(trainer_, &b.batch, &loss, &err), err);
        return loss;
    }

    weir_progress fit(nb::object train, nb::object valid, uint32_t epochs, uint32_t patience, nb::object report, bool resume)
    {
        Lease lease(use_, "trainer");
        Interruption interruption;
        Source train_source(train, sizes_, interruption);
        std::unique_ptr<Source> valid_source;
        if (!valid.is_none())
            valid_source = std::make_unique<Source>(valid, sizes_, interruption);
        Reporter reporter = {this, report, interruption};
        weir_fit fit = {epochs, patience, &train_source.source, valid_source ? &valid_source->source : nullptr, Reporter::tell, &reporter, !resume};
        weir_progress best;
        weir_error err;
        weir_status status;
        {
            nb::gil_scoped_release unlock;
            status = weir_trainer_fit(trainer_, &fit, &best, &err);
        }
        interruption.rethrow();
        check(status, err);
        return best;
    }

    /* Reading holds the interpreter lock, so that a callback's return waits for it. */
    Model model(nb::handle notes)
    {
        expect_readable();
        weir_model *made;
        weir_error err;
        check(weir_trainer_model(trainer_, &made, notes.is_none() ? nullptr : nb::cast<const char *>(notes), &err), err);
        return own(made);
    }

    nb::dict gradients()
    {
        expect_readable();
        auto read = [](const void *trainer, size_t i, float *out) {
            weir_trainer_gradient(static_cast<const weir_trainer *>(trainer), i, out);
        };
        return tensor_arrays(model_.get(), read, trainer_);
    }

    size_t memory() const { return weir_trainer_memory(trainer_); }

  private:
    void expect_readable() const
    {
        if (use_ == Use::computing)
            fail(WEIR_E_ARGUMENT, "this trainer is at work for another thread; wait until it is done");
    }

    struct Reporter {
        Trainer *trainer;
        nb::object report;
        Interruption &interruption;

        static bool tell(void *ctx, const weir_progress *now)
        {
            Reporter *self = static_cast<Reporter *>(ctx);
            nb::gil_scoped_acquire lock;
            self->trainer->use_ = Use::reporting;
            bool go_on = false;
            try {
                if (PyErr_CheckSignals()) /* Ctrl-C */
                    throw nb::python_error();
                go_on = self->report.is_none() || !self->report(*now).is(nb::bool_(false));
            } catch (...) {
                self->interruption.keep();
            }
            self->trainer->use_ = Use::computing;
            return go_on;
        }
    };

    ModelPointer model_;
    Sizes sizes_;
    Threads threads_;
    Use use_ = Use::free;
    weir_trainer *trainer_ = nullptr;
};

static nb::dict plan(const Model &m, const nb::dict &settings)
{
    weir_train_config config = {};
    set_fields(config, train_fields(), settings);
    weir_memory bytes;
    weir_error err;
    check(weir_trainer_plan(&bytes, m.model.get(), &config, &err), err);
    nb::dict d;
    d["weights"] = bytes.weights;
    d["packed"] = bytes.packed;
    d["tape"] = bytes.tape;
    d["backward"] = bytes.backward;
    d["head"] = bytes.head;
    d["rest"] = bytes.rest;
    d["total"] = bytes.total;
    d["model"] = bytes.model;
    return d;
}

/* ---- Binding ---- */

static double mean(const weir_loss &loss)
{
    return loss.count ? loss.sum / static_cast<double>(loss.count) : std::nan("");
}

static std::string describe_loss(const weir_loss &loss)
{
    return "<weir.Loss: " + std::to_string(mean(loss)) + ", the mean of " + std::to_string(loss.count) + ">";
}

static std::string describe_progress(const weir_progress &p)
{
    return "<weir.Progress: epoch " + std::to_string(p.epoch) + " of " + std::to_string(p.epochs) + ", batch " + std::to_string(p.batch) +
           " of " + std::to_string(p.batches) + ", training loss " + std::to_string(p.train_loss) + ", validation loss " +
           std::to_string(p.valid_loss) + ">";
}

#define PASS(name)                                                                                                                      \
    nb::sig("def " name "(self, x: " LIKE ", targets: " LIKE ", h0: " LIKE " | None = None, c0: " LIKE " | None = None, lengths: " LIKE \
            " | None = None, carry: bool = False) -> Loss")

template <Trainer::Pass function>
static weir_loss pass(Trainer &t, nb::handle x, nb::handle targets, nb::handle h0, nb::handle c0, nb::handle lengths, bool carry)
{
    return t.pass(function, x, targets, h0, c0, lengths, carry);
}

template <Trainer::Pass function, class Sig> static void def_pass(nb::class_<Trainer> &c, const char *name, const Sig &sig, const char *doc)
{
    c.def(name, pass<function>, nb::arg("x"), nb::arg("targets"), nb::arg("h0") = nb::none(), nb::arg("c0") = nb::none(),
          nb::arg("lengths") = nb::none(), nb::arg("carry") = false, sig, doc);
}

static void bind_records(nb::module_ &m)
{
    nb::class_<weir_loss>(m, "Loss", "A sum of losses over the targets that counted.")
        .def_ro("sum", &weir_loss::sum)
        .def_ro("count", &weir_loss::count)
        .def_prop_ro("mean", mean, "sum / count; NaN where nothing counted.")
        .def("__float__", mean)
        .def("__repr__", describe_loss);
    nb::class_<weir_progress>(m, "Progress", "Where a training stands.")
        .def_ro("epoch", &weir_progress::epoch, "From 1 to epochs.")
        .def_ro("epochs", &weir_progress::epochs)
        .def_ro("batch", &weir_progress::batch, "Batches done in this epoch.")
        .def_ro("batches", &weir_progress::batches)
        .def_ro("train_loss", &weir_progress::train_loss, "Mean of this epoch so far.")
        .def_ro("valid_loss", &weir_progress::valid_loss, "NaN until the epoch has ended, or without validation batches.")
        .def_ro("rate", &weir_progress::rate, "Learning rate of the last update.")
        .def_ro("epoch_done", &weir_progress::epoch_done)
        .def_ro("best", &weir_progress::best, "The epoch has ended and is the best so far.")
        .def("__repr__", describe_progress);
}

void bind_trainer(nb::module_ &m)
{
    bind_records(m);
    nb::class_<Trainer> c(m, "Trainer");
    c.def(
        "__init__",
        [](Trainer *self, const Model &model, const nb::dict &settings, unsigned threads) { new (self) Trainer(model, settings, threads); },
        nb::arg("model"), nb::arg("settings"), nb::arg("threads"),
        nb::sig("def __init__(self, model: Model, settings: dict[str, typing.Any], threads: int) -> None"));
    def_pass<weir_trainer_step>(
        c, "step", PASS("step"),
        "One update by back-propagation through the batch's T steps; gives the loss before it.\n\n"
        "x, h0, c0, lengths: as of Model.__call__.\n"
        "targets: (T, B, n), NaN is not counted; of softmax whole numbers (T, B), one of n or more (or below 0) is not\n"
        "counted. With readout=\"final_state\" without T.\n"
        "carry: start from the final state of the batch before, row by row, instead of h0 and c0.\n\n"
        "Raises NonfiniteError if loss or gradient is not finite; the weights are then as before. The interpreter lock is\n"
        "released; contiguous arrays of float32 (whole numbers: uint32) are read where they stand.");
    def_pass<weir_trainer_evaluate>(c, "evaluate", PASS("evaluate"), "The loss without dropout and without an update; else as step.");
    def_pass<weir_trainer_backward>(c, "backward", PASS("backward"),
                                    "The loss and, for gradients(), its gradient, without an update and without dropout; else as step.");
    c.def("gradients", &Trainer::gradients, nb::sig("def gradients(self) -> dict[str, " FLOATS "]"),
          "Copies of the gradients of the mean loss that backward computed, by the names of Model.tensors.")
        .def("fit", &Trainer::fit, nb::arg("train"), nb::arg("valid") = nb::none(), nb::arg("epochs") = 10, nb::arg("patience") = 0,
             nb::arg("report") = nb::none(), nb::arg("resume") = false,
             "Trains by epochs and leaves the best epoch's weights in the trainer; gives the progress of that epoch.\n\n"
             "train, valid: something with len() and [index], such as a list, whose items are dictionaries of step's arguments; or with\n"
             "len() and batch(epoch, index), which is asked in order, epoch from 1. Without valid the training loss decides what is best.\n"
             "patience: stop after so many epochs without a better validation loss; 0: never.\n"
             "report: called with a Progress after each batch and each epoch; returning False stops. It may call model() and\n"
             "gradients().\n"
             "resume: go on with a fit that was stopped, at its next batch, as if it had not been; else begin with epoch 1.\n\n"
             "An exception in a callback, Ctrl-C too, ends the training and comes out of here.")
        .def("model", &Trainer::model, nb::arg("notes") = nb::none(), nb::sig("def model(self, notes: str | None = None) -> Model"),
             "A new model with the trainer's weights and these notes (default: the first model's).")
        .def_prop_ro("memory", &Trainer::memory, "The bytes that it holds.");
    m.def("plan", plan, nb::arg("model"), nb::arg("settings"),
          nb::sig("def plan(model: Model, settings: dict[str, typing.Any]) -> dict[str, int]"));
}
