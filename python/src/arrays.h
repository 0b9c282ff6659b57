/* Arrays of Python as the library reads and writes them. SPDX-License-Identifier: MIT */
#ifndef WEIR_PYTHON_ARRAYS_H
#define WEIR_PYTHON_ARRAYS_H

#include <initializer_list>

#include "bind.h"

/* A C-contiguous array. One that has the wanted type and layout is used where it stands; another is converted by NumPy first. Holds the
 * object behind it; made and destroyed under the interpreter lock. */
class Array {
  public:
    Array() = default;
    ~Array();
    Array(const Array &) = delete;
    Array &operator=(const Array &) = delete;

    /* As float32, to read. `name` is for the sentences. */
    void read_floats(nb::handle source, const char *name);
    /* As uint32, to read. A whole number that is none becomes 2^32 - 1, which is outside of every vocabulary and every length. */
    void read_whole(nb::handle source, const char *name);
    /* float32, to write where it stands; nothing else will do. */
    void write_floats(nb::handle target, const char *name);

    explicit operator bool() const { return view_.obj != nullptr; }
    float *floats() const { return static_cast<float *>(view_.buf); }
    const uint32_t *whole() const { return static_cast<const uint32_t *>(view_.buf); }
    int dimensions() const { return view_.ndim; }
    size_t size(int dimension) const { return static_cast<size_t>(view_.shape[dimension]); }
    size_t count() const { return static_cast<size_t>(view_.len) / 4; }
    bool has_shape(std::initializer_list<size_t> shape) const;
    bool same_shape(const Array &other) const;

  private:
    bool look(nb::handle source, char format, int flags);
    Py_buffer view_ = {};
};

/* A dimension that must be checked: its size, or ANY and a letter. */
struct Dimension {
    enum : size_t { ANY = SIZE_MAX };
    size_t size;
    char letter;
};

/* Throws unless `array` has these dimensions. */
void expect(const Array &array, const char *name, std::initializer_list<Dimension> shape);

/* A new array of float32 of NumPy's, its numbers not set. */
nb::object new_floats(nb::handle shape);
nb::object new_floats(std::initializer_list<size_t> shape);

#endif
