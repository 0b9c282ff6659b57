#!/bin/bash
# SPDX-License-Identifier: MIT
# The Python package: builds its wheel with pip in a fresh environment, installs it there with NumPy alone, and runs its tests against the
# command and the C library of this build. weir.torch is tested beside the system's PyTorch.
set -eu
skip() {
    echo "skipped: $*"
    [ "${CI:-}" != true ] || exit 1
    exit 77
}
python=${WEIR_PACKAGE_PYTHON:-/usr/bin/python3}
command -v "$python" >/dev/null || skip "there is no $python"
[ -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || skip "Python's headers are missing (python3-dev)"
command -v c++ >/dev/null || skip "there is no C++ compiler"
certificates=$WEIR_SOURCE_DIR/build/certificates.pem
[ ! -s "$certificates" ] || export PIP_CERT="$certificates"
export PIP_DISABLE_PIP_VERSION_CHECK=1

rm -rf venv wheel
"$python" -m venv venv || skip "$python cannot make an environment (python3-venv)"
venv/bin/pip install -q -r "$WEIR_SOURCE_DIR/python/tests/requirements.txt" || skip "pip could not fetch what the tests need"
sed -n 's/^requires = //p' "$WEIR_SOURCE_DIR/python/pyproject.toml" | grep -o '"[^"]*"' | tr -d '"' >needs.txt
venv/bin/pip download -q --no-deps -d needs -r needs.txt || skip "pip could not fetch the build's needs"

# The build's folder is kept, so that a second run is short.
venv/bin/pip wheel -v --no-deps -w wheel --config-settings=build-dir="$PWD/build" "$WEIR_SOURCE_DIR/python" >wheel.log 2>&1 || {
    tail -n 40 wheel.log >&2
    exit 1
}
if grep -E 'warning: |CMake Warning' wheel.log; then
    echo "python: the wheel does not build without warnings" >&2
    exit 1
fi
venv/bin/pip install -q wheel/weir-*.whl
venv/bin/pip check
rm -rf tests
cp -r "$WEIR_SOURCE_DIR/python/tests" tests # apart from the sources, so that the installed package is what is tested
export PYTHONPATH=$WEIR_SOURCE_DIR/tests/oracle
venv/bin/python -m pytest -q -p no:cacheprovider --ignore=tests/test_torch.py tests

"$python" -c 'import torch' 2>/dev/null || {
    [ "${CI:-}" != true ] || { echo "$python has no PyTorch" >&2; exit 1; }
    echo "$python has no PyTorch: weir.torch is not tested"
    exit 0
}
rm -rf venv-torch
"$python" -m venv --system-site-packages venv-torch
venv-torch/bin/pip install -q 'pytest>=7' || skip "pip could not fetch pytest"
venv-torch/bin/pip install -q --no-deps wheel/weir-*.whl
venv-torch/bin/python -m pytest -q -p no:cacheprovider tests/test_torch.py

# The example of docs/interop.md that trains in PyTorch and steps from C.
if [ -n "${WEIR_LIBRARY:-}" ]; then
    "${CC:-cc}" -std=c11 -I"$WEIR_SOURCE_DIR/include" "$WEIR_SOURCE_DIR/examples/interop/step.c" "$WEIR_FORMAT_LIBRARY" "$WEIR_LIBRARY" -o step
    venv-torch/bin/python "$WEIR_SOURCE_DIR/examples/interop/peephole_from_pytorch.py" 40
    LD_LIBRARY_PATH=$(dirname "$WEIR_LIBRARY") ./step model.weir <inputs.txt >stepped.txt
    venv-torch/bin/python - <<'PYTHON_END'
stepped, outputs = ([float(line) for line in open(path)] for path in ("stepped.txt", "outputs.txt"))
assert len(stepped) == len(outputs) == 40 and max(abs(a - b) for a, b in zip(stepped, outputs)) < 1e-6
PYTHON_END
fi
