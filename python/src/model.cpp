/* weir.Model: made, read, run and written. SPDX-License-Identifier: MIT */
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <vector>

#include "batch.h"
#include "fields.h"
#include "threads.h"

/* ---- Configuration ---- */

static constexpr const char *direction_names[] = {"forward", "reverse", "both", nullptr};
static constexpr const char *output_names[] = {"linear", "softmax", "logistic", "gaussian", "student_t", "negative_binomial", nullptr};
static constexpr const char *readout_names[] = {"every_step", "final_state", nullptr};
static constexpr const char *init_names[] = {"glorot", "pytorch", "lecun", "he", "uniform", nullptr};
static constexpr const char *weights_names[] = {"f32", "bf16", "int8", nullptr};

static void set_dense(weir_config &c, nb::handle value)
{
    c.dense_layers = 0;
    for (nb::handle layer : nb::cast<nb::iterable>(value)) {
        if (c.dense_layers == WEIR_MAX_DENSE)
            fail(WEIR_E_ARGUMENT, "dense has more than %d layers", static_cast<int>(WEIR_MAX_DENSE));
        nb::tuple pair = nb::tuple(nb::borrow<nb::object>(layer));
        if (pair.size() != 2)
            throw nb::cast_error();
        c.dense[c.dense_layers++] = {nb::cast<uint32_t>(pair[0]), activation_of(pair[1])};
    }
}

static nb::object get_dense(const weir_config &c)
{
    nb::list layers;
    for (uint32_t i = 0; i < c.dense_layers; i++)
        layers.append(nb::make_tuple(c.dense[i].units, activation_name(c.dense[i].activation)));
    return layers;
}

static void set_gate_bias(weir_config &c, nb::handle value)
{
    c.set_gate_bias = !value.is_none();
    if (!c.set_gate_bias)
        return;
    std::vector<float> bias = nb::cast<std::vector<float>>(value);
    if (bias.size() != 4)
        throw nb::cast_error();
    std::copy(bias.begin(), bias.end(), c.gate_bias);
}

static nb::object get_gate_bias(const weir_config &c)
{
    if (!c.set_gate_bias)
        return nb::none();
    return nb::make_tuple(c.gate_bias[0], c.gate_bias[1], c.gate_bias[2], c.gate_bias[3]);
}

/* The keywords of weir.LSTM, all but `tensors`. */
static const std::vector<Field<weir_config>> &config_fields()
{
    using C = weir_config;
    static const std::vector<Field<C>> fields = {
        plain<&C::inputs>("inputs"),
        plain<&C::tokens>("tokens"),
        plain<&C::layers>("layers"),
        plain<&C::hidden>("hidden"),
        plain<&C::projection>("projection"),
        named<&C::direction, direction_names>("direction"),
        negated<&C::no_peepholes>("peepholes"),
        negated<&C::no_forget_gate>("forget_gate"),
        plain<&C::coupled>("coupled"),
        activation<&C::gate>("gate"),
        activation<&C::candidate>("candidate"),
        activation<&C::output_activation>("output_activation"),
        plain<&C::activation_clip>("activation_clip"),
        plain<&C::cell_clip>("cell_clip"),
        {"dense", "a list of (units, activation)", set_dense, get_dense},
        plain<&C::outputs>("outputs"),
        named<&C::output, output_names>("output"),
        named<&C::readout, readout_names>("readout"),
        named<&C::init, init_names>("init"),
        plain<&C::init_scale>("init_scale"),
        {"gate_bias", "None or four numbers, for i, f, g, o", set_gate_bias, get_gate_bias},
        plain<&C::seed>("seed"),
        /* The text lives as long as the dictionary that holds it; the library copies it. */
        {"notes", "a text", [](C &c, nb::handle v) { c.notes = nb::cast<const char *>(v); },
         [](const C &c) -> nb::object { return nb::str(c.notes); }},
        named<&C::isa, isa_names>("isa"),
        named<&C::weights, weights_names>("weights"),
    };
    return fields;
}

static nb::object config_of(const Model &m)
{
    const weir_config *c = weir_model_config(m.model.get());
    nb::dict values;
    for (const Field<weir_config> &field : config_fields())
        values[field.name] = field.get(*c);
    return nb::module_::import_("weir._lstm").attr("Config")(values);
}

/* ---- Making ---- */

Model own(weir_model *model)
{
    return {ModelPointer(model, weir_model_free), nullptr};
}

static nb::dict dictionary(nb::handle mapping)
{
    PyObject *made = PyObject_CallOneArg(reinterpret_cast<PyObject *>(&PyDict_Type), mapping.ptr());
    if (!made)
        throw nb::python_error();
    return nb::steal<nb::dict>(made);
}

/* Tensors from a dictionary by name; `arrays` must outlive them. */
static std::vector<weir_tensor> tensors_of(const nb::dict &named_arrays, std::vector<Array> &arrays)
{
    std::vector<weir_tensor> tensors;
    for (auto [key, value] : named_arrays) {
        weir_tensor t = {};
        std::string name = nb::cast<std::string>(nb::str(key));
        if (name.size() >= sizeof t.name)
            fail(WEIR_E_ARGUMENT, "no tensor is named %.60s", name.c_str());
        name.copy(t.name, name.size());
        Array &a = arrays[tensors.size()];
        a.read_floats(value, name.c_str());
        if (a.dimensions() != 1 && a.dimensions() != 2)
            fail(WEIR_E_ARGUMENT, "%s has %d dimensions; a tensor has one or two", name.c_str(), a.dimensions());
        t.rows = a.dimensions() == 2 ? a.size(0) : 0;
        t.cols = a.size(a.dimensions() - 1);
        t.data = a.floats();
        tensors.push_back(t);
    }
    return tensors;
}

static Model new_model(const nb::dict &config, nb::object tensors)
{
    weir_config c = {};
    set_fields(c, config_fields(), config);
    nb::dict named_arrays = tensors.is_none() ? nb::dict() : dictionary(tensors);
    std::vector<Array> arrays(named_arrays.size());
    std::vector<weir_tensor> list = tensors_of(named_arrays, arrays);
    static const weir_tensor none = {};
    const weir_tensor *first = tensors.is_none() ? nullptr : list.empty() ? &none : list.data();
    weir_model *model;
    weir_error err;
    {
        nb::gil_scoped_release unlock;
        check(weir_model_new(&model, &c, first, list.size(), &err), err);
    }
    return own(model);
}

/* A path as the bytes that the operating system takes. */
static nb::bytes path_bytes(nb::handle path)
{
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path.ptr(), &bytes))
        throw nb::python_error();
    return nb::steal<nb::bytes>(bytes);
}

static Model load(nb::handle path, nb::handle isa_name)
{
    nb::bytes bytes = path_bytes(path);
    weir_isa isa = isa_of(isa_name);
    weir_model *model;
    weir_error err;
    {
        nb::gil_scoped_release unlock;
        check(weir_model_load(&model, bytes.c_str(), isa, nullptr, &err), err);
    }
    return own(model);
}

static Model parse(nb::bytes bytes, nb::handle isa_name)
{
    weir_isa isa = isa_of(isa_name);
    weir_model *model;
    weir_error err;
    {
        nb::gil_scoped_release unlock;
        check(weir_model_parse(&model, bytes.c_str(), bytes.size(), isa, nullptr, &err), err);
    }
    return own(model);
}

static void save(const Model &m, nb::handle path)
{
    nb::bytes bytes = path_bytes(path);
    weir_error err;
    nb::gil_scoped_release unlock;
    check(weir_model_save(m.model.get(), bytes.c_str(), &err), err);
}

static Model convert(const Model &m, nb::handle weights)
{
    weir_config c = {};
    nb::dict wanted;
    wanted["weights"] = weights;
    set_fields(c, config_fields(), wanted);
    weir_model *model;
    weir_error err;
    {
        nb::gil_scoped_release unlock;
        check(weir_model_convert(&model, m.model.get(), c.weights, &err), err);
    }
    return own(model);
}

/* ---- Weights ---- */

nb::dict tensor_arrays(const weir_model *model, void (*read)(const void *from, size_t index, float *out), const void *from)
{
    nb::dict arrays;
    for (size_t i = 0; i < weir_model_tensor_count(model); i++) {
        weir_tensor t = weir_model_tensor(model, i);
        nb::object array = t.rows ? new_floats({t.rows, t.cols}) : new_floats({t.cols});
        Array out;
        out.write_floats(array, t.name);
        read(from, i, out.floats());
        arrays[t.name] = array;
    }
    return arrays;
}

static nb::dict tensors(const Model &m)
{
    auto read = [](const void *model, size_t i, float *out) { weir_model_weights(static_cast<const weir_model *>(model), i, out); };
    return tensor_arrays(m.model.get(), read, m.model.get());
}

static nb::object rebuild_with(const Model &m)
{
    return nb::make_tuple(nb::module_::import_("weir._lstm").attr("_rebuild"), nb::make_tuple(config_of(m), tensors(m)));
}

/* ---- Running ---- */

static nb::tuple run(Model &m, nb::handle x, nb::handle h0, nb::handle c0, nb::handle lengths, unsigned threads)
{
    const weir_model *model = m.model.get();
    Sizes s(model);
    Batch b;
    b.input(s, x, h0, c0, lengths);
    want_threads(m.threads, threads, false);
    std::shared_ptr<Threads> held = m.threads; /* another call may want other threads while this one computes */

    size_t T = b.batch.steps, B = b.batch.rows, O = weir_model_outputs(model);
    nb::object y = s.final_state ? new_floats({B, O}) : new_floats({T, B, O});
    nb::object hn = new_floats({s.lanes, B, s.projected}), cn = new_floats({s.lanes, B, s.hidden});
    Array y_out, hn_out, cn_out;
    y_out.write_floats(y, "y");
    hn_out.write_floats(hn, "hn");
    cn_out.write_floats(cn, "cn");
    weir_error err;
    {
        nb::gil_scoped_release unlock;
        check(weir_model_run(model, &b.batch, y_out.floats(), hn_out.floats(), cn_out.floats(), held->parallel(), &err), err);
    }
    return nb::make_tuple(y, nb::make_tuple(hn, cn));
}

/* ---- Binding ---- */

static std::string describe(const Model &m)
{
    const weir_config *c = weir_model_config(m.model.get());
    std::string text = "<weir.Model: " + std::to_string(c->layers) + (c->layers == 1 ? " layer of " : " layers of ") +
                       std::to_string(c->hidden) + " units, ";
    text += c->tokens ? std::to_string(c->tokens) + " tokens" : std::to_string(c->inputs) + " inputs";
    text += ", " + std::to_string(weir_model_outputs(m.model.get())) + " outputs, ";
    return text + std::to_string(weir_model_parameters(m.model.get())) + " weights>";
}

nb::class_<Model> bind_model(nb::module_ &m)
{
    nb::class_<Model> model(
        m, "Model",
        "A network: its configuration and its weights, neither of which changes. Threads may share it.\n\n"
        "Made by weir.LSTM, weir.load, weir.parse, Model.convert and Trainer.model. Pickles and copies keep every bit.\n\n"
        "Letters in shapes: T steps, B rows (sequences side by side), I inputs, H hidden units, P projected units (H without\n"
        "projection), L layers, D directions (1 or 2), n the configured outputs, O outputs per step.");
    model
        .def("__call__", run, nb::arg("x"), nb::arg("h0") = nb::none(), nb::arg("c0") = nb::none(), nb::arg("lengths") = nb::none(),
             nb::arg("threads") = 1,
             nb::sig("def __call__(self, x: " LIKE ", h0: " LIKE " | None = None, c0: " LIKE " | None = None, lengths: " LIKE
                     " | None = None, threads: int = 1) -> tuple[" FLOATS ", tuple[" FLOATS ", " FLOATS "]]"),
             "Runs whole sequences; gives (y, (hn, cn)), as torch.nn.LSTM does.\n\n"
             "x: (T, B, I), or whole numbers (T, B) for a model of tokens; a token outside the vocabulary is an all-zero one-hot.\n"
             "h0, c0: initial state (L*D, B, P) and (L*D, B, H); default 0.\n"
             "lengths: (B) real steps of each row, at most T; default all. Later outputs are 0.\n"
             "threads: 0 is one for each processor. The results never depend on it.\n\n"
             "y: (T, B, O), with readout=\"final_state\" (B, O). hn: (L*D, B, P), cn: (L*D, B, H).\n"
             "Contiguous arrays of float32 (tokens, lengths: uint32) are read where they stand, others are converted. The interpreter\n"
             "lock is released.")
        .def("tensors", tensors, nb::sig("def tensors(self) -> dict[str, " FLOATS "]"),
             "Copies of the weights by PyTorch's names (\"lstm.weight_ih_l0\", \"lstm.peephole_l0\", \"head.0.weight\", ...): matrices\n"
             "(rows, columns) and vectors, gates in the order i, f, g, o, peepholes i, f, o.")
        .def("state_dict", tensors, nb::sig("def state_dict(self) -> dict[str, " FLOATS "]"), "The same as tensors().")
        .def("save", save, nb::arg("path"), nb::sig("def save(self, path: str | bytes | os.PathLike[str]) -> None"),
             "Writes a model file. Readers see the old file or the new one, never a part.")
        .def("convert", convert, nb::arg("weights"), nb::sig("def convert(self, weights: str) -> Model"),
             "A new model with the weights in another form: \"f32\", \"bf16\" or \"int8\". Narrow ones take less memory and time, cost\n"
             "accuracy, and cannot be trained.")
        .def_prop_ro("config", config_of,
                     "The configuration with every default filled in: the keywords of weir.LSTM, as a dictionary and as attributes.")
        .def_prop_ro(
            "notes", [](const Model &self) { return nb::str(weir_model_config(self.model.get())->notes); },
            "The text that is kept with the model.")
        .def_prop_ro(
            "outputs", [](const Model &self) { return weir_model_outputs(self.model.get()); },
            "Values per step of the output, O: 2 n where the output is \"gaussian\" or \"negative_binomial\", 3 n for \"student_t\", D*P without a head.")
        .def_prop_ro(
            "parameters", [](const Model &self) { return weir_model_parameters(self.model.get()); }, "The number of weights.")
        .def_prop_ro(
            "memory", [](const Model &self) { return weir_model_memory(self.model.get(), nullptr); }, "The bytes that it holds.")
        .def("__repr__", describe)
        .def("__reduce__", rebuild_with, nb::sig("def __reduce__(self) -> tuple[typing.Any, ...]"));

    m.def("new_model", new_model, nb::arg("config"), nb::arg("tensors").none(),
          nb::sig("def new_model(config: dict[str, typing.Any], tensors: collections.abc.Mapping[str, " LIKE "] | None) -> Model"));
    m.def("load", load, nb::arg("path"), nb::arg("isa") = "best",
          nb::sig("def load(path: str | bytes | os.PathLike[str], isa: str = 'best') -> Model"),
          "Reads a model file. isa: the instruction set to compute with: \"best\", \"scalar\", \"avx2\", \"avx512\", \"neon\" or\n"
          "\"ref64\"; the results are the same on all but the last.");
    m.def("parse", parse, nb::arg("data"), nb::arg("isa") = "best", nb::sig("def parse(data: bytes, isa: str = 'best') -> Model"),
          "Reads a model from the bytes of a model file.");
    m.attr("has_threads") = has_threads;
    return model;
}
