/* Activations as functions of arrays, for any record of the library. SPDX-License-Identifier: MIT */
#include "arrays.h"
#include "fields.h"

/* Fewer numbers than this are done before another thread could have got the interpreter lock. */
static constexpr size_t UNLOCK_FROM = 1 << 14;

static nb::list records()
{
    nb::list list;
    for (size_t id = 1; id <= weir_activation_count(); id++) {
        const weir_activation_info *info = weir_activation_get(static_cast<weir_activation_id>(id));
        nb::dict d;
        d["id"] = id;
        d["name"] = info->name;
        d["onnx"] = info->onnx;
        d["block"] = info->block;
        d["alpha"] = info->alpha;
        d["beta"] = info->beta;
        d["error"] = info->error;
        d["grad_error"] = info->grad_error;
        d["formula"] = info->formula;
        d["derivative"] = info->derivative;
        d["pros"] = info->pros;
        d["cons"] = info->cons;
        d["use"] = info->use;
        d["source"] = info->source;
        list.append(d);
    }
    return list;
}

/* `out`, or a new array, of the shape of x. */
static nb::object output_like(const Array &x, nb::handle out, Array &to)
{
    nb::object y = nb::borrow(out);
    if (out.is_none()) {
        nb::object shape = nb::steal(PyTuple_New(x.dimensions()));
        for (int i = 0; i < x.dimensions(); i++)
            PyTuple_SET_ITEM(shape.ptr(), i, PyLong_FromSize_t(x.size(i)));
        y = new_floats(shape);
    }
    to.write_floats(y, "out");
    if (!to.same_shape(x))
        fail(WEIR_E_ARGUMENT, "out must have the shape of x");
    return y;
}

/* Runs `work` without the interpreter lock where it takes long. */
template <class Work> static void unlocked(size_t n, Work work)
{
    if (n < UNLOCK_FROM) {
        work();
        return;
    }
    nb::gil_scoped_release unlock;
    work();
}

static nb::object apply(int id, float alpha, float beta, bool fast, nb::handle isa_name, nb::handle x, nb::handle out)
{
    weir_activation a = {static_cast<weir_activation_id>(id), alpha, beta};
    weir_isa isa = isa_of(isa_name);
    Array in, to;
    in.read_floats(x, "x");
    nb::object y = output_like(in, out, to);
    weir_error err;
    unlocked(in.count(), [&] {
        check(weir_activation_apply(&a, fast ? WEIR_FAST : WEIR_EXACT, isa, in.count(), in.floats(), to.floats(), &err), err);
    });
    return y;
}

static nb::object grad(int id, float alpha, float beta, bool fast, nb::handle isa_name, nb::handle x, nb::handle dy, nb::handle out)
{
    weir_activation a = {static_cast<weir_activation_id>(id), alpha, beta};
    weir_isa isa = isa_of(isa_name);
    Array in, by, to;
    in.read_floats(x, "x");
    by.read_floats(dy, "dy");
    if (!by.same_shape(in))
        fail(WEIR_E_ARGUMENT, "dy must have the shape of x");
    nb::object dx = output_like(in, out, to);
    weir_error err;
    unlocked(in.count(), [&] {
        check(weir_activation_grad(&a, fast ? WEIR_FAST : WEIR_EXACT, isa, in.count(), in.floats(), by.floats(), to.floats(), &err), err);
    });
    return dx;
}

/* ---- PReLU with learned slopes ---- */

struct Rows {
    size_t rows, n;
    bool shared;
};

/* x (..., n), slope (n) or (1). */
static Rows rows_of(const Array &x, const Array &slope)
{
    if (!x.dimensions())
        fail(WEIR_E_ARGUMENT, "x is one number; PReLU with slopes takes rows of channels");
    size_t n = x.size(x.dimensions() - 1);
    bool shared = slope.has_shape({1});
    if (!shared)
        expect(slope, "slope", {{n, 0}});
    return {n ? x.count() / n : 0, n, shared};
}

static nb::object prelu_rows(nb::handle x, nb::handle slope, nb::handle out)
{
    Array in, slopes, to;
    in.read_floats(x, "x");
    slopes.read_floats(slope, "slope");
    Rows r = rows_of(in, slopes);
    nb::object y = output_like(in, out, to);
    unlocked(in.count(), [&] { weir_prelu_rows(r.rows, r.n, slopes.floats(), r.shared, in.floats(), to.floats()); });
    return y;
}

static nb::tuple prelu_rows_grad(nb::handle x, nb::handle dy, nb::handle slope)
{
    Array in, by, slopes, to, to_slopes;
    in.read_floats(x, "x");
    by.read_floats(dy, "dy");
    slopes.read_floats(slope, "slope");
    if (!by.same_shape(in))
        fail(WEIR_E_ARGUMENT, "dy must have the shape of x");
    Rows r = rows_of(in, slopes);
    nb::object dx = output_like(in, nb::none(), to), dslope = output_like(slopes, nb::none(), to_slopes);
    unlocked(in.count(), [&] {
        weir_prelu_rows_grad(r.rows, r.n, slopes.floats(), r.shared, in.floats(), by.floats(), to.floats(), to_slopes.floats());
    });
    return nb::make_tuple(dx, dslope);
}

void bind_activations(nb::module_ &m)
{
    m.def("activation_records", records, nb::sig("def activation_records() -> list[dict[str, typing.Any]]"));
    m.def("activation_apply", apply, nb::arg("id"), nb::arg("alpha"), nb::arg("beta"), nb::arg("fast"), nb::arg("isa"), nb::arg("x"),
          nb::arg("out").none(),
          nb::sig("def activation_apply(id: int, alpha: float, beta: float, fast: bool, isa: str, x: " LIKE ", out: " FLOATS
                  " | None) -> " FLOATS));
    m.def("activation_grad", grad, nb::arg("id"), nb::arg("alpha"), nb::arg("beta"), nb::arg("fast"), nb::arg("isa"), nb::arg("x"),
          nb::arg("dy"), nb::arg("out").none(),
          nb::sig("def activation_grad(id: int, alpha: float, beta: float, fast: bool, isa: str, x: " LIKE ", dy: " LIKE ", out: " FLOATS
                  " | None) -> " FLOATS));
    m.def("prelu_rows", prelu_rows, nb::arg("x"), nb::arg("slope"), nb::arg("out") = nb::none(),
          nb::sig("def prelu_rows(x: " LIKE ", slope: " LIKE ", out: " FLOATS " | None = None) -> " FLOATS),
          "PReLU with learned slopes (He, Zhang, Ren & Sun 2015): x (..., n), slope (n), one per channel, or (1).");
    m.def(
        "prelu_rows_grad", prelu_rows_grad, nb::arg("x"), nb::arg("dy"), nb::arg("slope"),
        nb::sig("def prelu_rows_grad(x: " LIKE ", dy: " LIKE ", slope: " LIKE ") -> tuple[" FLOATS ", " FLOATS "]"),
        "(dx, dslope): dx is dy times 1 or the slope; dslope, like slope, the sum of dy min(x, 0) over the rows, summed in double in one\n"
        "fixed order and rounded once.");
}
