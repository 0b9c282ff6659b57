/* Names and activations in configurations. SPDX-License-Identifier: MIT */
#include <cstring>
#include <nanobind/stl/string.h>

#include "fields.h"

const char *const isa_names[] = {"best", "scalar", "avx2", "avx512", "neon", "ref64", nullptr};

int find_name(const char *const *names, nb::handle value)
{
    std::string wanted = nb::cast<std::string>(value);
    for (int i = 0; names[i]; i++) {
        if (wanted == names[i])
            return i;
    }
    throw nb::cast_error();
}

std::string one_of(const char *const *names)
{
    std::string text = "one of ";
    for (int i = 0; names[i]; i++)
        text += (i ? ", " : "") + std::string(names[i]);
    return text;
}

static weir_activation_id activation_id(nb::handle name)
{
    weir_activation_id id = weir_activation_find(nb::cast<std::string>(name).c_str());
    if (id == WEIR_ACTIVATION_DEFAULT)
        throw nb::cast_error();
    return id;
}

weir_activation activation_of(nb::handle value)
{
    if (nb::isinstance<nb::str>(value))
        return {activation_id(value), 0, 0};
    nb::tuple parts = nb::isinstance<nb::list>(value) ? nb::tuple(value) : nb::cast<nb::tuple>(value);
    if (parts.size() < 1 || parts.size() > 3)
        throw nb::cast_error();
    weir_activation a = {activation_id(parts[0]), 0, 0};
    if (parts.size() > 1)
        a.alpha = nb::cast<float>(parts[1]);
    if (parts.size() > 2)
        a.beta = nb::cast<float>(parts[2]);
    return a;
}

nb::object activation_name(const weir_activation &a)
{
    const weir_activation_info *info = weir_activation_get(a.id);
    bool alpha = a.alpha != 0 && a.alpha != info->alpha, beta = a.beta != 0 && a.beta != info->beta;
    if (!alpha && !beta)
        return nb::str(info->name);
    return nb::make_tuple(info->name, a.alpha, a.beta);
}

weir_isa isa_of(nb::handle name)
{
    try {
        return static_cast<weir_isa>(find_name(isa_names, name));
    } catch (const nb::cast_error &) {
        fail(WEIR_E_ARGUMENT, "isa must be %s, not %.60s", one_of(isa_names).c_str(), nb::repr(name).c_str());
    }
}
