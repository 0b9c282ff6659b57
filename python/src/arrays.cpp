/* Arrays by Python's buffer protocol: the quickest way to the numbers of a NumPy array, and no header of NumPy's is needed.
 * SPDX-License-Identifier: MIT */
#include <string>

#include "arrays.h"

Array::~Array()
{
    if (view_.obj)
        PyBuffer_Release(&view_);
}

/* Whether `source` has a C-contiguous, aligned buffer of `format`, which is then held. */
bool Array::look(nb::handle source, char format, int flags)
{
    if (PyObject_GetBuffer(source.ptr(), &view_, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | flags)) {
        PyErr_Clear();
        view_ = {};
        return false;
    }
    bool right = view_.itemsize == 4 && view_.format && view_.format[0] == format && !view_.format[1] &&
                 reinterpret_cast<uintptr_t>(view_.buf) % 4 == 0;
    if (!right) {
        PyBuffer_Release(&view_);
        view_ = {};
    }
    return right;
}

void Array::read_floats(nb::handle source, const char *name)
{
    if (!look(source, 'f', 0) && !look(nb::module_::import_("weir._convert").attr("floats")(source, name), 'f', 0))
        fail(WEIR_E_ARGUMENT, "%s cannot be read as an array of float32", name);
}

void Array::read_whole(nb::handle source, const char *name)
{
    if (!look(source, 'I', 0) && !look(nb::module_::import_("weir._convert").attr("whole")(source, name), 'I', 0))
        fail(WEIR_E_ARGUMENT, "%s cannot be read as an array of uint32", name);
}

void Array::write_floats(nb::handle target, const char *name)
{
    if (!look(target, 'f', PyBUF_WRITABLE))
        fail(WEIR_E_ARGUMENT, "%s must be a contiguous array of float32 that can be written", name);
}

bool Array::has_shape(std::initializer_list<size_t> shape) const
{
    if (static_cast<size_t>(dimensions()) != shape.size())
        return false;
    int i = 0;
    for (size_t size_wanted : shape) {
        if (size(i++) != size_wanted)
            return false;
    }
    return true;
}

bool Array::same_shape(const Array &other) const
{
    bool same = dimensions() == other.dimensions();
    for (int i = 0; same && i < dimensions(); i++)
        same = size(i) == other.size(i);
    return same;
}

/* "(5, 3)", "(5,)", as Python writes it */
template <class Part> static std::string shape_text(size_t n, Part part)
{
    std::string text = "(";
    for (size_t i = 0; i < n; i++)
        text += (i ? ", " : "") + part(i);
    return text + (n == 1 ? ",)" : ")");
}

void expect(const Array &array, const char *name, std::initializer_list<Dimension> shape)
{
    const Dimension *wanted = shape.begin();
    size_t n = static_cast<size_t>(array.dimensions());
    bool right = n == shape.size();
    for (size_t i = 0; right && i < n; i++)
        right = wanted[i].size == Dimension::ANY || wanted[i].size == array.size(static_cast<int>(i));
    if (right)
        return;
    std::string has = shape_text(n, [&](size_t i) { return std::to_string(array.size(static_cast<int>(i))); });
    std::string takes = shape_text(shape.size(), [&](size_t i) {
        return wanted[i].size == Dimension::ANY ? std::string(1, wanted[i].letter) : std::to_string(wanted[i].size);
    });
    fail(WEIR_E_ARGUMENT, "%s has the shape %.90s, but must have %.90s", name, has.c_str(), takes.c_str());
}

nb::object new_floats(nb::handle shape)
{
    static PyObject *empty, *dtype; /* set under the interpreter lock, and kept to the end */
    if (!empty) {
        nb::module_ numpy = nb::module_::import_("numpy");
        dtype = numpy.attr("dtype")("float32").release().ptr();
        empty = nb::object(numpy.attr("empty")).release().ptr();
    }
    PyObject *arguments[] = {shape.ptr(), dtype};
    PyObject *made = PyObject_Vectorcall(empty, arguments, 2, nullptr);
    if (!made)
        throw nb::python_error();
    return nb::steal(made);
}

nb::object new_floats(std::initializer_list<size_t> shape)
{
    nb::object sizes = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
    Py_ssize_t i = 0;
    for (size_t size : shape)
        PyTuple_SET_ITEM(sizes.ptr(), i++, PyLong_FromSize_t(size));
    return new_floats(sizes);
}
