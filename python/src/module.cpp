/* The extension weir._core. SPDX-License-Identifier: MIT */
#include "bind.h"

NB_MODULE(_core, m)
{
    m.doc() = "Weir's library as Python sees it; use it through the package weir.";
    m.attr("version") = weir_version();
    bind_errors(m);
    bind_activations(m);
    nb::class_<Model> model = bind_model(m);
    bind_stream(m, model);
    bind_trainer(m);
    bind_tape(m);
}
