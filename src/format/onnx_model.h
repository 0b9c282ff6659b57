/* Layer 5: a model from an ONNX file (docs/onnx-models.md).
 * SPDX-License-Identifier: MIT */
#ifndef WEIR_ONNX_MODEL_H
#define WEIR_ONNX_MODEL_H

#include "base/base.h"

/* As weir_model_parse. WEIR_E_UNSUPPORTED for graphs that are no model of Weir, naming the node and the reason. */
weir_status weir__onnx_model(weir_model **out, const void *bytes, size_t size, weir_isa isa, const weir_allocator *allocator, weir_error *err);

#endif
