"""A character model of a text with PyTorch, by the recipe of weir train: charlm.py TEXT LOG.jsonl [THREADS [EPOCHS]]

One-hot characters, 2 x 128 torch.nn.LSTM, a linear head, cross-entropy; 50 streams side by side with their state carried over, 64 steps a
gradient, Adam with 0.002, the gradient's norm at most 5; the first 90 % of the text train, the rest validates. Writes a line of JSON an
epoch, as weir train does, and prints the seconds from the first look at the text to the last loss.

SPDX-License-Identifier: MIT
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

HIDDEN, LAYERS, STREAMS, STEPS, RATE, CLIP = 128, 2, 50, 64, 0.002, 5.0


class Model(torch.nn.Module):
    def __init__(self, symbols):
        super().__init__()
        self.symbols = symbols
        self.lstm, self.head = torch.nn.LSTM(symbols, HIDDEN, LAYERS), torch.nn.Linear(HIDDEN, symbols)
        with torch.no_grad():
            for k in range(LAYERS):
                getattr(self.lstm, f"bias_hh_l{k}").zero_()
                getattr(self.lstm, f"bias_ih_l{k}").zero_()[HIDDEN : 2 * HIDDEN] = 1

    def forward(self, x, state):
        y, state = self.lstm(F.one_hot(x, self.symbols).float(), state)
        return self.head(y), tuple(s.detach() for s in state)


def streams(symbols):
    """Inputs and targets, (length, STREAMS)."""
    length = (len(symbols) - 1) // STREAMS
    return [part[: length * STREAMS].view(STREAMS, length).t().contiguous() for part in (symbols, symbols[1:])]


def pass_over(model, data, optimizer=None):
    """The mean loss; with an optimizer, training."""
    x, y = data
    state, losses = None, []
    for t in range(0, len(x) - STEPS + 1, STEPS):
        out, state = model(x[t : t + STEPS], state)
        loss = F.cross_entropy(out.view(-1, model.symbols), y[t : t + STEPS].reshape(-1))
        if optimizer:
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def main():
    path, log = sys.argv[1:3]
    threads, epochs = (int(a) for a in (sys.argv[3:] + ["1", "10"][len(sys.argv) - 3 :]))
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    begin = time.time()
    text = open(path, "rb").read()
    place = {byte: i for i, byte in enumerate(sorted(set(text)))}
    symbols = torch.tensor([place[byte] for byte in text])
    cut = int(0.9 * len(symbols))
    training, validation = streams(symbols[:cut]), streams(symbols[cut:])
    model = Model(len(place))
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    with open(log, "w") as f:
        for epoch in range(1, epochs + 1):
            start = time.time()
            train_loss = pass_over(model, training, optimizer)
            with torch.no_grad():
                valid_loss = pass_over(model, validation)
            line = {"epoch": epoch, "train_loss": train_loss, "valid_loss": valid_loss, "seconds": time.time() - start}
            print(json.dumps(line), file=f, flush=True)
    print(f"{time.time() - begin:.2f}")


main()
