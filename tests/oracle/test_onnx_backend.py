# SPDX-License-Identifier: MIT
"""The ONNX project's own backend node tests, from the installed package onnx, through `weir run`: every case of LSTM and of each activation
operator, those that are written out in simpler operators included, and those of the operators between layers that Weir knows.

All cases of the first kind must pass; one that is refused there fails the test. Of the others a refusal is told with its reason."""

import os
import subprocess
import sys

import libweir as weir
import numpy as np

try:
    import onnx
    from onnx import numpy_helper
    from onnx.backend.test.loader import load_model_tests
except ImportError as missing:
    weir.skip(missing)
if "WEIR" not in os.environ:
    weir.skip("WEIR does not name the command")

MUST = set("lstm relu leakyrelu prelu sigmoid tanh elu selu gelu swish mish softplus hardsigmoid hardswish softsign celu thresholdedrelu softmax "
           "logsoftmax".split())
KNOWN = {"LSTM", "Relu", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "Elu", "Selu", "Gelu", "Swish", "Mish", "Softplus", "HardSigmoid", "HardSwish",
         "Softsign", "Celu", "ThresholdedRelu", "Softmax", "LogSoftmax", "Exp", "Erf", "Log", "Sqrt", "Abs", "Neg", "Gemm", "MatMul", "Add", "Sub",
         "Mul", "Div", "Pow", "Max", "Min", "Sum", "Less", "Where", "ReduceSum", "ReduceMean", "ReduceMax", "Identity", "Dropout", "Cast", "CastLike",
         "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Concat", "Slice", "Split", "Gather", "OneHot", "Shape", "Expand", "ConstantOfShape",
         "Constant"}


def arrays(folder, kind, ports):
    """The arrays of a data set by the ports' names; None for what is no tensor."""
    found = {}
    for i, port in enumerate(ports):
        path = os.path.join(folder, f"{kind}_{i}.pb")
        if not os.path.exists(path):
            return None
        tensor = onnx.TensorProto()
        with open(path, "rb") as f:
            try:
                tensor.ParseFromString(f.read())
                found[port.name] = numpy_helper.to_array(tensor)
            except Exception:
                return None
    return found


def run(case, model, folder):
    """None, or why the case was refused or failed: ('refused', reason) or ('failed', reason)."""
    inputs, expected = (arrays(folder, kind, ports) for kind, ports in (("input", model.graph.input), ("output", model.graph.output)))
    if inputs is None or expected is None:
        return "refused", "its data are no tensors"
    command = [os.environ["WEIR"], "run", os.path.join(case.model_dir, "model.onnx"), "--threads", "1"]
    for i, (name, value) in enumerate(inputs.items()):
        np.save(f"in{i}.npy", np.asarray(value, order="C"))
        command += ["--input", f"{name}=in{i}.npy"]
    for i, name in enumerate(expected):
        command += ["--output", f"{name}=out{i}.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return "refused" if done.returncode == 1 else "failed", done.stderr.strip().split("\n")[0]
    for i, (name, value) in enumerate(expected.items()):
        got = np.load(f"out{i}.npy")
        if got.shape != value.shape or got.dtype != value.dtype:
            return "failed", f"{name} is {got.dtype} {got.shape}, not {value.dtype} {value.shape}"
        # the tolerances of the backend tests themselves
        if not np.allclose(got, value, rtol=case.rtol, atol=case.atol, equal_nan=True):
            return "failed", f"{name} differs by {np.abs(got.astype(float) - value).max():.3g}"
    return None


passed, failed, results = 0, 0, []
for case in sorted(load_model_tests(kind="node"), key=lambda c: c.name):
    must = case.name.split("_")[1] in MUST
    model = onnx.load(os.path.join(case.model_dir, "model.onnx"))
    if not must and not {node.op_type for node in model.graph.node} <= KNOWN:
        continue
    result = run(case, model, os.path.join(case.model_dir, "test_data_set_0"))
    if result is None:
        passed += must
        results.append((case.name, "passed", ""))
    else:
        failed += must or result[0] == "failed"
        results.append((case.name, *result))
for kind in "passed", "refused", "failed":
    chosen = [r for r in results if r[1] == kind]
    print(f"\n{kind}: {len(chosen)}")
    for name, _, reason in chosen:
        print(f"  {name}" + (f": {reason[reason.rfind('model.onnx') + 12:] if 'model.onnx' in reason else reason}" if reason else ""))
print(f"\nLSTM and activations: {passed} cases passed; {failed} failed")
if not any(name.startswith("test_lstm") and kind == "passed" for name, kind, _ in results):
    print("no case of LSTM was found")
    failed += 1
sys.exit(failed > 0)
