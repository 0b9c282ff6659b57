/* Statuses as exceptions. SPDX-License-Identifier: MIT */
#include <cstdarg>
#include <cstdio>

#include "bind.h"

void check(weir_status status, const weir_error &error)
{
    if (status != WEIR_OK)
        throw Failure{error};
}

void fail(weir_status status, const char *format, ...)
{
    Failure failure{{status, 0, ""}};
    va_list args;
    va_start(args, format);
    vsnprintf(failure.error.text, sizeof failure.error.text, format, args);
    va_end(args);
    throw failure;
}

/* weir.errors chooses the class. */
static void raise_in_python(const weir_error &error)
{
    try {
        nb::str text = nb::steal<nb::str>(PyUnicode_DecodeUTF8(error.text, static_cast<Py_ssize_t>(strlen(error.text)), "replace"));
        nb::module_::import_("weir.errors").attr("_raise")(static_cast<int>(error.status), text, error.offset);
    } catch (nb::python_error &e) {
        e.restore();
    }
}

void bind_errors(nb::module_ &m)
{
    nb::register_exception_translator([](const std::exception_ptr &p, void *) {
        try {
            std::rethrow_exception(p);
        } catch (const Failure &failure) {
            raise_in_python(failure.error);
        }
    });
    m.def(
        "status_name", [](int status) { return weir_status_name(static_cast<weir_status>(status)); }, nb::arg("status"));
}
