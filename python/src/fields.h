/* Configurations as dictionaries of Python: each field by its name, how it is read and how it is written. SPDX-License-Identifier: MIT */
#ifndef WEIR_PYTHON_FIELDS_H
#define WEIR_PYTHON_FIELDS_H

#include <string>

#include "bind.h"

template <class C> struct Field {
    const char *name;
    std::string takes; /* what a value must be */
    void (*set)(C &config, nb::handle value);
    nb::object (*get)(const C &config);
};

/* What a member of a class is. */
template <class M> struct MemberOf;
template <class C, class T> struct MemberOf<T C::*> {
    using Owner = C;
    using Type = T;
};

template <auto M> using OwnerOf = typename MemberOf<decltype(M)>::Owner;
template <auto M> using TypeOf = typename MemberOf<decltype(M)>::Type;

/* A number or a bool. */
template <auto M> Field<OwnerOf<M>> plain(const char *name)
{
    using C = OwnerOf<M>;
    using T = TypeOf<M>;
    const char *takes = std::is_same_v<T, bool> ? "True or False" : std::is_integral_v<T> ? "a whole number from 0 up" : "a number";
    return {name, takes, [](C &c, nb::handle v) { c.*M = nb::cast<T>(v); }, [](const C &c) { return nb::cast(c.*M); }};
}

/* A bool that weir.h states the other way round. */
template <auto M> Field<OwnerOf<M>> negated(const char *name)
{
    using C = OwnerOf<M>;
    return {name, "True or False", [](C &c, nb::handle v) { c.*M = !nb::cast<bool>(v); }, [](const C &c) { return nb::cast(!(c.*M)); }};
}

/* The value of the enumeration whose names are `names`, ended by NULL, in order. Throws nb::cast_error. */
int find_name(const char *const *names, nb::handle value);
/* "one of a, b, c" */
std::string one_of(const char *const *names);

/* A value of an enumeration, by name. */
template <auto M, const char *const *names> Field<OwnerOf<M>> named(const char *name)
{
    using C = OwnerOf<M>;
    using T = TypeOf<M>;
    return {name, one_of(names), [](C &c, nb::handle v) { c.*M = static_cast<T>(find_name(names, v)); },
            [](const C &c) -> nb::object { return nb::str(names[c.*M]); }};
}

/* The activation that is meant by "name", ("name", alpha) or ("name", alpha, beta). Throws nb::cast_error. */
weir_activation activation_of(nb::handle value);
/* The same backwards: "name" where the parameters are the defaults. */
nb::object activation_name(const weir_activation &a);

template <auto M> Field<OwnerOf<M>> activation(const char *name)
{
    using C = OwnerOf<M>;
    return {name, "the name of an activation, or (name, alpha), or (name, alpha, beta)",
            [](C &c, nb::handle v) { c.*M = activation_of(v); }, [](const C &c) { return activation_name(c.*M); }};
}

/* Sets the field if the value is what it takes. */
template <class C> bool fits(const Field<C> &field, C &config, nb::handle value)
{
    try {
        field.set(config, value);
        return true;
    } catch (const nb::cast_error &) {
        return false;
    } catch (const nb::python_error &e) {
        if (!e.matches(PyExc_TypeError))
            throw;
        return false;
    }
}

/* Sets the fields that `values` names. Throws for a name or a value that does not fit. */
template <class C, class Table> void set_fields(C &config, const Table &fields, const nb::dict &values)
{
    for (auto [key, value] : values) {
        const Field<C> *field = nullptr;
        for (const Field<C> &f : fields) {
            if (nb::cast<std::string>(nb::str(key)) == f.name)
                field = &f;
        }
        if (!field)
            fail(WEIR_E_ARGUMENT, "there is no setting %.60s", nb::str(key).c_str());
        if (!fits(*field, config, value))
            fail(WEIR_E_ARGUMENT, "%s must be %.150s, not %.60s", field->name, field->takes.c_str(), nb::repr(value).c_str());
    }
}

/* The isa of a name. */
weir_isa isa_of(nb::handle name);
extern const char *const isa_names[];

#endif
