# SPDX-License-Identifier: MIT
"""Models: made, run, written and read, with the bits of the C library."""

import copy
import ctypes
import inspect
import json
import os
import pickle
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import weir
from conftest import same_bits

CASES = [
    dict(inputs=3, hidden=20),
    dict(inputs=3, hidden=20, layers=2, outputs=2, peepholes=False),
    dict(inputs=5, hidden=33, projection=7, direction="both", outputs=3, output="softmax"),
    dict(inputs=1, hidden=8, direction="reverse", coupled=True, outputs=1, output="logistic"),
    dict(inputs=2, hidden=16, forget_gate=False, outputs=2, output="gaussian", dense=[(9, "gelu"), (4, ("elu", 0.5))]),
    dict(inputs=4, hidden=16, readout="final_state", outputs=3, candidate=("scaled_tanh", 2, 0.5), activation_clip=3, cell_clip=1),
    dict(inputs=4, hidden=16, gate="hard_sigmoid", gate_bias=[0.5, -1, 0, 2], init="uniform", init_scale=0.3, seed=7),
    dict(tokens=11, hidden=16, layers=2, outputs=11, output="softmax", init="pytorch"),
]


def c_model(c_library, fields):
    fields = dict(fields)
    for ours, theirs in (("peepholes", "no_peepholes"), ("forget_gate", "no_forget_gate")):
        if ours in fields:
            fields[theirs] = not fields.pop(ours)
    return c_library.Model(**fields)


def some_input(fields, numbers, steps=7, rows=5):
    if "tokens" in fields:
        return (np.abs(numbers(steps, rows)) * 1000 % (fields["tokens"] + 1)).astype(np.uint32)
    return numbers(steps, rows, fields["inputs"])


@pytest.mark.parametrize("fields", CASES)
@pytest.mark.parametrize("threads", [1, 2])
def test_runs_give_the_bits_of_the_c_library(c_library, numbers, fields, threads):
    ours, theirs = weir.LSTM(**fields), c_model(c_library, fields)
    assert {n: a.shape for n, a in ours.tensors().items()} == {n: a.shape for n, a in theirs.weights().items()}
    assert all(same_bits(a, theirs.weights()[n]) for n, a in ours.tensors().items())
    x = some_input(fields, numbers)
    _, (h, c) = ours(x)
    arrays = dict(lengths=[7, 0, 3, 7, 1], h0=numbers(*h.shape), c0=numbers(*c.shape))
    for given in ({}, arrays):
        y, (hn, cn) = ours(x, threads=threads, **given)
        expected = theirs.run(**{"tokens" if "tokens" in fields else "x": x}, **given)
        assert all(same_bits(a, b) for a, b in zip((y, hn, cn), expected))


def test_config_is_what_lstm_takes():
    keywords = [name for name in inspect.signature(weir.LSTM).parameters if name != "tensors"]
    config = weir.LSTM(inputs=2, hidden=3).config
    assert list(config) == keywords
    assert config.hidden == config["hidden"] == 3
    with pytest.raises(AttributeError, match="no_such"):
        config.no_such


def test_defaults_are_those_of_the_c_library(c_library):
    """The signature's defaults, written out, give the same configuration as leaving everything out in C."""
    ours, theirs = weir.LSTM(inputs=2).config, c_library.Model(inputs=2).config
    plain = ("layers", "hidden", "projection", "coupled", "activation_clip", "cell_clip", "outputs", "init_scale", "seed")
    assert {n: ours[n] for n in plain} == {n: getattr(theirs, n) for n in plain}
    for name in ("gate", "candidate", "output_activation"):
        assert ours[name] == c_library.ACTIVATIONS[getattr(theirs, name).id]
    assert (ours.peepholes, ours.forget_gate) == (not theirs.no_peepholes, not theirs.no_forget_gate)


@pytest.mark.parametrize("fields", CASES)
def test_config_and_tensors_make_the_model_again(numbers, fields):
    model, x = weir.LSTM(notes="für später", **fields), some_input(fields, numbers)
    again = weir.LSTM(**{**model.config, "seed": 99}, tensors=model.tensors())
    assert same_bits(model(x)[0], again(x)[0])
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.config == model.config and other.notes == "für später"
        assert same_bits(model(x)[0], other(x)[0])


@pytest.mark.parametrize("weights", ["bf16", "int8"])
def test_narrow_models_keep_their_bits_in_pickles_and_files(numbers, tmp_path, weights):
    model, x = weir.LSTM(inputs=3, hidden=40, layers=2, outputs=2).convert(weights), numbers(9, 2, 3)
    assert model.config.weights == weights
    model.save(tmp_path / "narrow.weir")
    for other in (pickle.loads(pickle.dumps(model)), weir.load(tmp_path / "narrow.weir")):
        assert same_bits(model(x)[0], other(x)[0])


def test_the_command_converts_as_the_package_does(tmp_path, numbers):
    if "WEIR" not in os.environ:
        pytest.skip("WEIR does not name the command")
    model, x = weir.LSTM(inputs=3, hidden=40, outputs=2, notes="{}"), numbers(9, 2, 3)
    model.save(tmp_path / "model.weir")
    subprocess.run([os.environ["WEIR"], "convert", "model.weir", "narrow.weir", "--weights", "int8"], cwd=tmp_path, check=True)
    assert same_bits(weir.load(tmp_path / "narrow.weir")(x)[0], model.convert("int8")(x)[0])
    told = subprocess.run([os.environ["WEIR"], "info", "model.weir"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert str(model.parameters) in told.replace(",", "").replace(" ", "")


def test_files_are_those_of_the_c_library(c_library, tmp_path, numbers):
    if "WEIR_FORMAT_LIBRARY" not in os.environ:
        pytest.skip("WEIR_FORMAT_LIBRARY does not name the shared library")
    files = ctypes.CDLL(os.environ["WEIR_FORMAT_LIBRARY"])
    fields = CASES[2]
    ours, theirs, x = weir.LSTM(**fields), c_model(c_library, fields), some_input(fields, numbers)
    ours.save(tmp_path / "ours.weir")
    c_library.call(files.weir_model_save, theirs.handle, os.fsencode(tmp_path / "theirs.weir"))
    assert (tmp_path / "ours.weir").read_bytes() == (tmp_path / "theirs.weir").read_bytes()
    read = ctypes.c_void_p()
    c_library.call(files.weir_model_load, ctypes.byref(read), os.fsencode(tmp_path / "ours.weir"), 0, None)
    y = c_library.Model(handle=read).run(x=x)[0]
    for model in (weir.load(str(tmp_path / "theirs.weir")), weir.load(os.fsencode(tmp_path / "theirs.weir")),
                  weir.parse((tmp_path / "theirs.weir").read_bytes()), weir.load(tmp_path / "theirs.weir", isa="scalar")):
        assert same_bits(model(x)[0], y)


def test_names_and_sizes():
    model = weir.LSTM(inputs=2, hidden=3, outputs=4, output="gaussian", notes=json.dumps({"unit": "°C"}))
    assert model.outputs == 8 and json.loads(model.notes) == {"unit": "°C"}
    assert model.parameters == sum(a.size for a in model.tensors().values()) == sum(a.size for a in model.state_dict().values())
    assert model.memory > 4 * model.parameters
    assert "1 layer of 3 units" in repr(model)


def test_versions_agree():
    from importlib.metadata import version

    assert weir.__version__ == version("weir")


def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch, numbers):
    page = Path(os.environ.get("WEIR_SOURCE_DIR", Path(__file__).parents[2])) / "docs" / "python.md"
    examples = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(examples) >= 7
    monkeypatch.chdir(tmp_path)
    weir.LSTM(inputs=3, hidden=8, outputs=1).save("model.weir")
    names = {"x": numbers(100, 8, 3), "targets": numbers(100, 8, 1)}
    for example in examples:
        exec(example, names)
    assert weir.load("trained.weir").notes == "second try"
    assert not names["small"].tensors()["lstm.bias_ih_l0"].any()
