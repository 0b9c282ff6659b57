# SPDX-License-Identifier: MIT
"""weir.torch beside torch.nn, and its gradients against differences in double precision."""

import copy
import io
import itertools
import os
import pickle
import re
import threading
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is absent: weir.torch is not tested")

from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence  # noqa: E402

import weir  # noqa: E402
import weir.torch as wt  # noqa: E402

NEAR = 1e-5
NO, YES = False, True


def pair(dtype=torch.float32, **config):
    """torch.nn.LSTM, and ours without peepholes with the same weights."""
    torch.manual_seed(3)
    theirs = torch.nn.LSTM(dtype=dtype, **config)
    ours = wt.LSTM(dtype=dtype, peephole=False, **config)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def tensors_of(result):
    y, (h, c) = result
    return [y.data if isinstance(y, PackedSequence) else y, h, c]


def compare(theirs, ours, x, state):
    torch.manual_seed(4)
    with torch.no_grad():
        weigh = [torch.randn_like(y) for y in tensors_of(theirs(x, state))]
    results = []
    for module in (theirs, ours):
        module.zero_grad()
        data = x.data.detach().clone().requires_grad_()
        given = PackedSequence(data, *x[1:]) if isinstance(x, PackedSequence) else data
        start = None if state is None else tuple(s.detach().clone().requires_grad_() for s in state)
        outputs = tensors_of(module(given, start))
        sum((y * w).sum() for y, w in zip(outputs, weigh)).backward()
        found = {"y": outputs[0], "h_n": outputs[1], "c_n": outputs[2], "dx": data.grad}
        found.update({} if start is None else {"dh0": start[0].grad, "dc0": start[1].grad})
        found.update({"d" + name: p.grad for name, p in module.named_parameters()})
        results.append(found)
    assert results[0].keys() == results[1].keys()
    for name, wanted in results[0].items():
        scale = max(1.0, float(wanted.detach().abs().max()))
        assert results[1][name].shape == wanted.shape, name
        assert float((results[1][name] - wanted).detach().abs().max()) <= NEAR * scale, name
    with torch.no_grad():  # the same outputs where nothing is kept
        for y, wanted in zip(tensors_of(ours(x, state)), [results[1][n] for n in ("y", "h_n", "c_n")]):
            assert torch.equal(y, wanted)


@pytest.mark.parametrize(
    "layers, both, proj, bias, batch_first, given", list(itertools.product([1, 3], [NO, YES], [0, 5], [YES, NO], [NO, YES], [NO, YES]))
)
def test_equals_nn_lstm(layers, both, proj, bias, batch_first, given):
    config = dict(input_size=7, hidden_size=19, num_layers=layers, bidirectional=both, proj_size=proj, bias=bias, batch_first=batch_first)
    theirs, ours = pair(**config)
    lanes = layers * (2 if both else 1)
    x = torch.randn((4, 9, 7) if batch_first else (9, 4, 7))
    state = (torch.randn(lanes, 4, proj or 19), torch.randn(lanes, 4, 19)) if given else None
    compare(theirs, ours, x, state)


@pytest.mark.parametrize("hidden, rows, steps", [(1, 1, 1), (64, 1, 30), (64, 16, 5), (130, 3, 20)])
def test_equals_nn_lstm_at_other_sizes(hidden, rows, steps):
    theirs, ours = pair(input_size=hidden, hidden_size=hidden, num_layers=2)
    compare(theirs, ours, torch.randn(steps, rows, hidden), None)


@pytest.mark.parametrize("both, proj, ordered, given", list(itertools.product([NO, YES], [0, 4], [NO, YES], [NO, YES])))
def test_packed_sequences(both, proj, ordered, given):
    theirs, ours = pair(input_size=6, hidden_size=11, num_layers=2, bidirectional=both, proj_size=proj)
    lengths = [8, 5, 5, 2, 1] if ordered else [5, 1, 8, 2, 5]
    packed = pack_padded_sequence(torch.randn(8, 5, 6), torch.tensor(lengths), enforce_sorted=ordered)
    lanes = 4 if both else 2
    state = (torch.randn(lanes, 5, proj or 11), torch.randn(lanes, 5, 11)) if given else None
    compare(theirs, ours, packed, state)
    y, _ = ours(packed, state)
    wanted, _ = theirs(packed, state)
    assert torch.equal(y.batch_sizes, wanted.batch_sizes)
    for mine, other in ((y.sorted_indices, wanted.sorted_indices), (y.unsorted_indices, wanted.unsorted_indices)):
        assert (mine is None and other is None) or torch.equal(mine, other)


def test_unbatched_input():
    for batch_first in (False, True):
        theirs, ours = pair(input_size=6, hidden_size=11, num_layers=2, batch_first=batch_first)
        compare(theirs, ours, torch.randn(5, 6), None)
        compare(theirs, ours, torch.randn(5, 6), (torch.randn(2, 11), torch.randn(2, 11)))


@pytest.mark.parametrize("peephole, layers, both, proj, packed", list(itertools.product([NO, YES], [1, 2], [NO, YES], [0, 2], [NO, YES])))
def test_gradcheck(peephole, layers, both, proj, packed):
    torch.manual_seed(5)
    lstm = wt.LSTM(3, 4, layers, bidirectional=both, proj_size=proj, dtype=torch.float64, peephole=peephole)
    names = [name for name, _ in lstm.named_parameters()]
    weights = [(p.detach() + 0.3 * torch.randn_like(p)).requires_grad_() for p in lstm.parameters()]
    lanes = layers * (2 if both else 1)
    x = torch.randn(4, 3, 3, dtype=torch.float64, requires_grad=True)
    h0 = torch.randn(lanes, 3, proj or 4, dtype=torch.float64, requires_grad=True)
    c0 = torch.randn(lanes, 3, 4, dtype=torch.float64, requires_grad=True)

    def run(x, h0, c0, *weights):
        for name, w in zip(names, weights):
            delattr(lstm, name)
            setattr(lstm, name, w)
        given = pack_padded_sequence(x, torch.tensor([2, 4, 3]), enforce_sorted=False) if packed else x
        return tuple(tensors_of(lstm(given, (h0, c0))))

    assert torch.autograd.gradcheck(run, (x, h0, c0, *weights), fast_mode=layers == 2)


def test_peepholes_are_the_equations():
    torch.manual_seed(6)
    lstm = wt.LSTM(3, 5, dtype=torch.float64)
    torch.nn.init.normal_(lstm.peephole_l0)
    x, h, c = torch.randn(6, 2, 3, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    y, (hn, cn) = lstm(x, (h[None], c[None]))
    p_i, p_f, p_o = lstm.peephole_l0
    for t in range(6):
        z = x[t] @ lstm.weight_ih_l0.T + h @ lstm.weight_hh_l0.T + lstm.bias_ih_l0 + lstm.bias_hh_l0
        i, f, g, o = z.chunk(4, 1)
        i, f = torch.sigmoid(i + p_i * c), torch.sigmoid(f + p_f * c)
        c = f * c + i * torch.tanh(g)
        h = torch.sigmoid(o + p_o * c) * torch.tanh(c)
        assert torch.allclose(y[t], h, atol=1e-12)
    assert torch.allclose(hn[0], h, atol=1e-12) and torch.allclose(cn[0], c, atol=1e-12)


def test_state_dicts_go_both_ways():
    theirs = torch.nn.LSTM(4, 6, 2, bidirectional=True, proj_size=3)
    ours = wt.LSTM(4, 6, 2, bidirectional=True, proj_size=3)
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert sorted(missing) == sorted(f"peephole_l{k}{r}" for k in range(2) for r in ("", "_reverse")) and not unexpected
    x = torch.randn(5, 2, 4)
    assert torch.allclose(ours(x)[0], theirs(x)[0], atol=NEAR)  # peepholes start at 0
    plain = wt.LSTM(4, 6, 2, bidirectional=True, proj_size=3, peephole=False)
    assert list(plain.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(plain.state_dict())
    assert torch.allclose(plain(x)[0], theirs(x)[0], atol=NEAR)
    assert ours.peephole_l0.shape == (3, 6)


def test_the_same_seed_gives_the_weights_of_nn_lstm():
    for peephole in (False, True):
        torch.manual_seed(8)
        theirs = torch.nn.LSTM(4, 6, 2, bidirectional=True, proj_size=3)
        torch.manual_seed(8)
        ours = wt.LSTM(4, 6, 2, bidirectional=True, proj_size=3, peephole=peephole).state_dict()
        assert all(torch.equal(ours[name], w) for name, w in theirs.state_dict().items())


def test_a_peephole_lstm_trains():
    """The gap between two spikes decides when the third is to come: the task of Gers, Schraudolph and Schmidhuber 2002, in small."""
    torch.manual_seed(9)
    lstm, head = wt.LSTM(1, 12), torch.nn.Linear(12, 1)
    optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()], 0.02)
    losses = []
    for _ in range(360):
        gap = torch.randint(2, 7, (16,))
        x, target = torch.zeros(16, 16, 1), torch.zeros(16, 16, 1)
        rows = torch.arange(16)
        x[0, rows], x[gap, rows], target[2 * gap, rows] = 1.0, 1.0, 1.0
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(lstm(x)[0]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) / 10 < 0.05  # that of a constant guess is 0.23
    assert float(lstm.peephole_l0.detach().abs().max()) > 0.01


def test_dropout_is_for_training_and_follows_the_generator():
    lstm = wt.LSTM(4, 32, 2, dropout=0.5)
    x = torch.randn(6, 3, 4)
    lstm.eval()
    assert torch.equal(lstm(x)[0], lstm(x)[0])
    lstm.train()
    torch.manual_seed(1)
    first, second = lstm(x)[0], lstm(x)[0]
    torch.manual_seed(1)
    assert torch.equal(lstm(x)[0], first) and not torch.equal(first, second)
    torch.manual_seed(1)
    with torch.no_grad():
        assert torch.equal(lstm(x)[0], first)
    double = wt.LSTM(2, 3, 3, dropout=0.4, dtype=torch.float64)

    def run(x):
        torch.manual_seed(2)
        return double(x)[0]

    assert torch.autograd.gradcheck(run, torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True))


def test_several_passes_wait_for_their_backward_passes():
    lstm = wt.LSTM(4, 6, 2)
    xs = [torch.randn(t, b, 4, requires_grad=True) for t, b in ((3, 2), (7, 1), (2, 5))]
    alone = [torch.autograd.grad(lstm(x)[0].sum(), [x, lstm.weight_hh_l0]) for x in xs]
    losses = [lstm(x)[0].sum() for x in xs]
    for loss, x, wanted in reversed(list(zip(losses, xs, alone))):
        for g, w in zip(torch.autograd.grad(loss, [x, lstm.weight_hh_l0]), wanted):
            assert torch.equal(g, w)


def test_backward_twice_with_a_retained_graph():
    lstm = wt.LSTM(4, 6, 2, dropout=0.3)
    x = torch.randn(5, 2, 4, requires_grad=True)
    y, (h, c) = lstm(x)
    first = torch.autograd.grad(y.sum() + c.sum(), [x, lstm.peephole_l1], retain_graph=True)
    second = torch.autograd.grad(y.sum() + c.sum(), [x, lstm.peephole_l1], retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    with torch.no_grad():
        lstm.weight_ih_l0.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_only_what_is_wanted():
    lstm = wt.LSTM(4, 6, 2)
    for p in lstm.parameters():
        p.requires_grad_(False)
    x = torch.randn(5, 2, 4, requires_grad=True)
    lstm(x)[0].sum().backward()
    wanted = x.grad.clone()
    lstm.bias_hh_l1.requires_grad_(True)
    x.grad = None
    lstm(x)[1][1].sum().backward()  # by c_n alone
    assert lstm.bias_hh_l1.grad is not None and lstm.bias_ih_l1.grad is None and lstm.weight_hh_l0.grad is None
    x.grad = None
    lstm(x)[0].sum().backward()
    assert torch.equal(x.grad, wanted)


def test_arrays_that_are_not_contiguous():
    lstm = wt.LSTM(4, 6)
    x = torch.randn(2, 4, 5)
    a, b = x.permute(2, 0, 1), x.permute(2, 0, 1).contiguous()
    with torch.no_grad():
        assert torch.equal(lstm(a)[0], lstm(b)[0])
    lstm.weight_hh_l0 = torch.nn.Parameter(torch.randn(6, 24).T)
    y = lstm(a)[0]
    (g,) = torch.autograd.grad(y, lstm.weight_hh_l0, torch.randn(2, 6, 5).permute(2, 0, 1))
    assert g.shape == (24, 6)


def test_copies_and_pickles():
    lstm = wt.LSTM(4, 6, 2)
    x = torch.randn(5, 2, 4)
    y = lstm(x)[0]
    y.sum().backward()
    for other in (copy.deepcopy(lstm), pickle.loads(pickle.dumps(lstm))):
        assert torch.equal(other(x)[0], y)
    file = io.BytesIO()
    torch.save(lstm.state_dict(), file)
    file.seek(0)
    fresh = wt.LSTM(4, 6, 2)
    fresh.load_state_dict(torch.load(file))
    assert torch.equal(fresh(x)[0], y)
    assert repr(wt.LSTM(4, 6, 2, peephole=False, dropout=0.5)) == "LSTM(4, 6, num_layers=2, dropout=0.5, peephole=False)"


def test_threads():
    lstm = wt.LSTM(16, 64, 2)
    x = torch.randn(20, 16, 16)
    wanted, before = lstm(x)[0], torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        y = lstm(x)[0]
        assert torch.equal(y, wanted)
    finally:
        torch.set_num_threads(before)
    results = [None] * 4

    def work(i):
        for _ in range(5):
            y = lstm(x)[0]
            (g,) = torch.autograd.grad(y.sum(), lstm.weight_hh_l0)
        results[i] = y, g

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(torch.equal(y, wanted) and torch.equal(g, results[0][1]) for y, g in results)


def test_what_is_refused():
    lstm = wt.LSTM(4, 6, 2)
    x = torch.randn(5, 2, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match="computes on the CPU"):
        lstm(torch.empty(5, 2, 4, device="meta"))
    with pytest.raises(TypeError, match="float32 or float64"):
        lstm(x.half())
    with pytest.raises(TypeError, match="weights"):
        lstm(x.double())
    with pytest.raises(ValueError, match="input_size"):
        lstm(torch.randn(5, 2, 3))
    with pytest.raises(ValueError, match="dimensions"):
        lstm(torch.randn(4))
    with pytest.raises(ValueError, match="h_0"):
        lstm(x, (torch.zeros(1, 2, 6), torch.zeros(2, 2, 6)))
    with pytest.raises(ValueError, match="c_0"):
        lstm(x, (torch.zeros(2, 2, 6), torch.zeros(2, 3, 6)))
    with pytest.raises(ValueError, match="no steps or no rows"):
        lstm(torch.randn(0, 2, 4))
    with pytest.raises(ValueError, match="no steps or no rows"):
        lstm(torch.randn(2, 0, 4))
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(lstm(x)[0].sum(), x, create_graph=True)
    for wrong in (dict(hidden_size=0), dict(num_layers=-1), dict(proj_size=6), dict(dropout=1.0), dict(dtype=torch.float16)):
        with pytest.raises((ValueError, TypeError)):
            wt.LSTM(**{**dict(input_size=4, hidden_size=6), **wrong})
    lstm(x)[0].sum().backward()  # it still works


def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch):
    page = Path(os.environ.get("WEIR_SOURCE_DIR", Path(__file__).parents[2])) / "docs" / "python.md"
    examples = re.findall(r"```py\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(examples) == 2
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples:
        exec(example, names)
    x = torch.randn(5, 2, 3)
    with torch.no_grad():
        wanted = names["lstm"](x)[0]
    assert abs(weir.load("from_torch.weir")(x.numpy())[0] - wanted.numpy()).max() < 1e-6


# ---- Activations ----

THEIRS = {
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "elu": torch.nn.functional.elu,
    "selu": torch.nn.functional.selu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "softplus": torch.nn.functional.softplus,
    "softsign": torch.nn.functional.softsign,
    "exp": torch.exp,
    "erf": torch.erf,
    "erfc": torch.erfc,
}


@pytest.mark.parametrize("name", sorted(THEIRS))
@pytest.mark.parametrize("suffix", ["", "_fast"])
def test_activations(name, suffix):
    x = (8 * torch.rand(3, 40, 5) - 4).transpose(0, 1).requires_grad_()
    y = getattr(wt, name + suffix)(x)
    wide = x.detach().double().requires_grad_()
    wanted = THEIRS[name](wide)
    dy = torch.randn(40, 3, 5)
    y.backward(dy)
    wanted.backward(dy.double())
    assert y.shape == x.shape and torch.allclose(y.double(), wanted, rtol=1e-6, atol=1e-7)
    assert torch.allclose(x.grad.double(), wide.grad, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape, slopes", [((7,), 1), ((5, 3), 1), ((5, 3), 3), ((5, 3, 4), 3), ((2, 3, 4, 5), 3), ((2, 3, 4), 1)])
def test_prelu(shape, slopes):
    x = torch.randn(shape, requires_grad=True)
    slope = torch.rand(slopes, requires_grad=True)
    dy = torch.randn(shape)
    results = [(y, *torch.autograd.grad(y, [x, slope], dy)) for y in (wt.prelu(x, slope), torch.nn.functional.prelu(x, slope))]
    for mine, wanted in zip(*results):
        assert mine.shape == wanted.shape and torch.allclose(mine, wanted, atol=1e-5)
    with pytest.raises(ValueError, match="slope for each"):
        wt.prelu(x, torch.rand(9))


def test_every_activation_is_a_function():
    assert {"gelu_tanh", "scaled_tanh", "hard_sigmoid", "prelu", "identity", "expm1_fast", "log1p"} <= set(wt.__all__)
    assert "correctly rounded" in wt.gelu.__doc__
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    assert torch.equal(wt.leaky_relu(x, alpha=0.5), torch.tensor([-0.5, 2.0]))
    assert torch.equal(wt.activation("elu_fast", x), wt.elu_fast(x))
    with pytest.raises(TypeError, match="float32"):
        wt.gelu(x.double())
    with pytest.raises(ValueError, match="no activation"):
        wt.activation("glue", x)
    with pytest.raises(ValueError, match="alpha"):
        wt.elu(x, alpha=float("nan"))
    for y in (wt.gelu(x), wt.prelu(x, torch.ones(1))):
        with pytest.raises(RuntimeError, match="no second derivative"):
            torch.autograd.grad(y.sum(), x, create_graph=True)


@pytest.mark.parametrize("settings", [{}, {"bidirectional": True}, {"proj_size": 5, "num_layers": 2}, {"bias": False}, {"peephole": False}])
def test_a_module_becomes_a_model(settings):
    torch.manual_seed(3)
    lstm = weir.torch.LSTM(4, 9, **settings)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.uniform_(-0.5, 0.5)
    x = torch.randn(7, 3, 4)
    y, (h, c) = lstm(x)
    model_y, (model_h, model_c) = lstm.to_model()(x.numpy())
    for ours, theirs in ((y, model_y), (h, model_h), (c, model_c)):
        assert (ours.detach().numpy() == theirs).all()
    head = torch.nn.Linear(y.shape[2], 2)
    logistic = lstm.to_model(head=head, output="logistic")(x.numpy())[0]
    assert abs(torch.sigmoid(head(y)).detach().numpy() - logistic).max() < 1e-6
