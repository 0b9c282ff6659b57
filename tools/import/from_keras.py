#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Keras 3 model of LSTM layers (Bidirectional too) and at most one Dense layer behind them, as weights for weir convert --layout keras:

    python3 tools/import/from_keras.py model.keras weights.safetensors
    python3 tools/import/from_keras.py model.weights.h5 weights.safetensors

Needs Keras 3 (a .keras or .h5 file: settings and check come from the model) or h5py alone (a .weights.h5 file, which has neither: give
activations and directions to weir convert)."""

import argparse
import re

import numpy as np
import weights

PARTS = ("kernel", "recurrent_kernel", "bias")


def stem_of(number, direction, both):
    """lstm_1/lstm_cell/, or bidirectional_1/forward_lstm_1/lstm_cell/"""
    lstm = weights.numbered("lstm", number)
    way = ("forward_", "backward_")[direction]
    return f"{weights.numbered('bidirectional', number)}/{way}{lstm}/lstm_cell/" if both else f"{lstm}/lstm_cell/"


# ---- A model ----


def activation_of(function, where):
    return weights.activation(function if isinstance(function, str) else function.__name__, where)


def check_lstm(layer, first, last):
    """Weir's stack has one setting for all layers, and its layers hand on every step."""
    if not layer.return_sequences and not last:
        raise SystemExit(f"{layer.name} hands on its last step alone (return_sequences=False), but is not the last LSTM")
    if layer.go_backwards and not first:
        raise SystemExit(f"{layer.name} has go_backwards; Weir can do that of a whole stack, which here means of its first layer")


def cells_of(keras, layer, first, last):
    """The forward and the backward LSTM of a layer, or one LSTM."""
    if isinstance(layer, keras.layers.LSTM):
        check_lstm(layer, first, last)
        return [layer]
    if layer.merge_mode != "concat":
        raise SystemExit(f"{layer.name} merges its directions by {layer.merge_mode}; Weir puts them side by side (concat)")
    return [layer.forward_layer, layer.backward_layer]


def settings_of(lstms):
    gates = {(str(l.recurrent_activation), str(l.activation)) for l in lstms}
    if len(gates) > 1:
        raise SystemExit("the LSTM layers have different activations; Weir's layers have the same")
    one = lstms[0]
    candidate = activation_of(one.activation, one.name)
    return {"gate": activation_of(one.recurrent_activation, one.name), "candidate": candidate, "output_activation": candidate}


def read_model(path):
    """Tensors, settings and check."""
    import keras

    model = keras.saving.load_model(path, compile=False)
    silent = (keras.layers.InputLayer, keras.layers.Dropout)
    layers = [layer for layer in model.layers if not isinstance(layer, silent)]
    recurrent = [layer for layer in layers if isinstance(layer, (keras.layers.LSTM, keras.layers.Bidirectional))]
    heads = layers[len(recurrent) :]
    if layers[: len(recurrent)] != recurrent or not recurrent or len(heads) > 1 or not all(isinstance(h, keras.layers.Dense) for h in heads):
        raise SystemExit(f"{path} is no stack of LSTM layers with at most one Dense layer: {', '.join(layer.name for layer in layers)}")
    tensors, every = {}, []
    for k, layer in enumerate(recurrent):
        lstms = cells_of(keras, layer, k == 0, k == len(recurrent) - 1)
        every += lstms
        for d, lstm in enumerate(lstms):
            for part, value in zip(PARTS, lstm.get_weights()):
                tensors[stem_of(k, d, len(lstms) == 2) + part] = value
    settings = settings_of(every)
    backwards = len(recurrent) == len(every) and every[0].go_backwards
    if backwards:
        settings["direction"] = "reverse"
    if heads:
        values = heads[0].get_weights()
        tensors["dense/kernel"], tensors["dense/bias"] = values[0], values[1] if len(values) > 1 else np.zeros(values[0].shape[1], np.float32)
        name = heads[0].activation.__name__
        outputs = {"linear": "linear", "softmax": "softmax", "sigmoid": "logistic"}
        if name not in outputs:
            raise SystemExit(f"{heads[0].name}: Weir's output is linear, softmax or sigmoid, not {name}")
        settings["output"] = outputs[name]
    final = not (every[0] if len(every) == 1 else recurrent[-1]).return_sequences
    if final:
        settings["readout"] = "final_state"
    x = weights.draw_input(recurrent[0].input.shape[-1])
    y = np.asarray(model(np.swapaxes(x, 0, 1)))
    if not final:
        y = np.swapaxes(y, 0, 1)
        # the steps come in the order of processing; Weir gives them in the order of time
        y = y[::-1] if backwards else y
    return tensors, settings, {"x": x, "y": y}


# ---- Weights alone ----


def by_numbers(path):
    return [int(n) for n in re.findall(r"\d+", path)]


def read_weights(path):
    """layers/lstm_1/cell/vars/0, layers/bidirectional/forward_layer/cell/vars/0, layers/dense/vars/0: kernel, recurrent kernel, bias."""
    import h5py

    found, tensors = {}, {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None)
    stems = sorted({name.rsplit("/", 1)[0] for name in found}, key=lambda name: (by_numbers(name), name))
    layers = {re.sub("/(forward|backward)_layer", "", s): None for s in stems if s.endswith("cell/vars")}
    for s in stems:
        values = [found[f"{s}/{i}"] for i in range(sum(name.rsplit("/", 1)[0] == s for name in found))]
        if s.endswith("cell/vars"):
            number = list(layers).index(re.sub("/(forward|backward)_layer", "", s))
            stem, names = stem_of(number, "backward_layer" in s, "ward_layer" in s), PARTS
        elif "dense" in s:
            stem, names = "dense/", ("kernel", "bias")
        else:
            continue  # optimizers, seeds of dropout
        tensors |= {stem + name: value for name, value in zip(names, values)}
    return tensors, {}, None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("out")
    options = parser.parse_args()
    read = read_weights if options.model.endswith(".weights.h5") else read_model
    tensors, settings, check = read(options.model)
    weights.write(options.out, "keras", tensors, settings, check)


if __name__ == "__main__":
    main()
