"""A peephole LSTM, trained in PyTorch by weir.torch.LSTM, for a C program to step.

The task is one that peepholes are for (Gers, Schraudolph & Schmidhuber 2002): to make a spike every PERIOD steps, with no input but a first mark.

    python3 peephole_from_pytorch.py [UPDATES]     writes model.weir, inputs.txt, and what PyTorch makes of them, outputs.txt
    ./step model.weir <inputs.txt                  the same outputs (step.c)

SPDX-License-Identifier: MIT
"""
import sys

import torch
import weir.torch

STEPS, PERIOD, HIDDEN = 40, 8, 12


class Timer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = weir.torch.LSTM(1, HIDDEN, peephole=True)
        self.head = torch.nn.Linear(HIDDEN, 1)

    def forward(self, x):  # (T, B, 1) -> (T, B, 1), as logits
        return self.head(self.lstm(x)[0])


def write_numbers(path, numbers):
    with open(path, "w") as f:
        f.writelines(f"{number:.9g}\n" for number in numbers)


torch.manual_seed(1)
timer = Timer()
x = torch.zeros(STEPS, 1, 1)
x[0] = 1
spikes = torch.zeros(STEPS, 1, 1)
spikes[PERIOD::PERIOD] = 1
optimizer = torch.optim.Adam(timer.parameters(), lr=0.01)
for update in range(int(sys.argv[1]) if len(sys.argv) > 1 else 400):
    loss = torch.nn.functional.binary_cross_entropy_with_logits(timer(x), spikes)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"cross-entropy {loss.item():.4f} nats a step")

with torch.no_grad():
    y = torch.sigmoid(timer(x))
timer.lstm.to_model(head=timer.head, output="logistic").save("model.weir")
write_numbers("inputs.txt", x.flatten().tolist())
write_numbers("outputs.txt", y.flatten().tolist())
