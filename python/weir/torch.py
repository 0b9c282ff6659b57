# SPDX-License-Identifier: MIT
# mypy: disable-error-code=import-not-found, allow-subclassing-any, no-warn-return-any
"""The peephole LSTM for PyTorch, and the activations as differentiable functions: CPU tensors, computed by Weir.

    lstm = weir.torch.LSTM(64, 128, num_layers=2)
    output, (h_n, c_n) = lstm(torch.randn(50, 8, 64))

Needs PyTorch 1.13 or newer, which is not installed with weir.
"""

from __future__ import annotations

import math
import threading
from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple, Union, cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from weir import _core, activations
from weir._lstm import LSTM as new_model

__all__ = ["LSTM", "activation", "prelu"]

State = Tuple[Tensor, Tensor]

_NO_SECOND = "{} has no second derivative; call backward without create_graph"


def _address(tensor: Optional[Tensor]) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _contiguous(tensor: Optional[Tensor]) -> Optional[Tensor]:
    return None if tensor is None else tensor.contiguous()


# ---- Tapes ----


class _Stack(NamedTuple):
    """What a tape is planned for, beside steps and rows: the first arguments of _core.Tape."""

    inputs: int
    hidden: int
    layers: int
    projection: int
    both: bool
    peephole: bool
    reference: bool
    dropout: float
    run_only: bool
    no_input_gradient: bool

    @property
    def lanes(self) -> int:
        """D * L"""
        return self.layers * (2 if self.both else 1)

    @property
    def projected(self) -> int:
        """P"""
        return self.projection or self.hidden


class _Tapes:
    """The tapes of one module that wait for work. They hold memory planned for a number of steps and rows, and serve smaller batches too."""

    def __init__(self) -> None:
        self._waiting: dict[_Stack, list[_core.Tape]] = {}
        self._lock = threading.RLock()  # a lease may end while the collector runs inside take()

    def __deepcopy__(self, memo: dict[int, Any]) -> _Tapes:
        return _Tapes()

    def __reduce__(self) -> tuple[type[_Tapes], tuple[()]]:
        return _Tapes, ()

    def take(self, stack: _Stack, steps: int, rows: int) -> _Lease:
        with self._lock:
            waiting = self._waiting.setdefault(stack, [])
            for i, tape in enumerate(waiting):
                if tape.steps >= steps and tape.rows >= rows:
                    return _Lease(self, stack, waiting.pop(i))
            if waiting:  # one of another shape gives way to one that serves both, if that is not much larger than each
                other = waiting.pop()
                most = 2 * max(steps * rows, other.steps * other.rows)
                both = max(steps, other.steps), max(rows, other.rows)
                if both[0] * both[1] <= most:
                    steps, rows = both
        return _Lease(self, stack, _core.Tape(*stack, steps=steps, rows=rows))

    def give(self, stack: _Stack, tape: _core.Tape) -> None:
        with self._lock:
            self._waiting.setdefault(stack, []).append(tape)


class _Lease:
    """A tape in use; it goes back when this object does."""

    __slots__ = ("_tapes", "_stack", "tape")

    def __init__(self, tapes: _Tapes, stack: _Stack, tape: _core.Tape) -> None:
        self._tapes, self._stack, self.tape = tapes, stack, tape

    def __del__(self) -> None:
        self._tapes.give(self._stack, self.tape)


class _Call(NamedTuple):
    """One pass of a module: what does not change between forward and backward, beside the tensors."""

    tapes: _Tapes
    stack: _Stack
    biases: bool
    lengths: Optional[Tensor]  # (B) int32
    seed: int

    def lane_size(self, weights: Sequence[Optional[Tensor]]) -> int:
        """Tensors of one direction of one layer."""
        return len(weights) // self.stack.lanes

    def tensors(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The module's weights as the library lists them: its one bias is the sum of the two, or 0."""
        n = self.lane_size(weights)
        listed: list[Tensor] = []
        for i in range(0, len(weights), n):
            w_ih, w_hh, *rest = weights[i : i + n]
            bias = rest[0] + rest[1] if self.biases else w_hh.new_zeros(w_hh.shape[0])
            listed += [w_ih, w_hh, bias, *(rest[2:] if self.biases else rest)]
        return [w.contiguous() for w in listed]

    def forward(
        self, tape: _core.Tape, x: Tensor, h0: Optional[Tensor], c0: Optional[Tensor], weights: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """y, h_n, c_n"""
        stack, (steps, rows, _) = self.stack, x.shape
        y = x.new_empty((steps, rows, stack.lanes // stack.layers * stack.projected))
        hn, cn = x.new_empty((stack.lanes, rows, stack.projected)), x.new_empty((stack.lanes, rows, stack.hidden))
        tensors = self.tensors(weights)
        tape.forward(
            [w.data_ptr() for w in tensors], steps, rows, _address(x), _address(self.lengths), _address(h0), _address(c0), self.seed,
            _address(y), _address(hn), _address(cn), torch.get_num_threads(),
        )  # fmt: skip
        return y, hn, cn

    def gradients(self, weights: Sequence[Tensor], wanted: Sequence[bool]) -> tuple[list[Optional[Tensor]], list[int]]:
        """Room for the gradients of the weights that are wanted, and addresses in the order of the library's list. Both biases have one gradient."""
        n = self.lane_size(weights)
        grads = [torch.empty_like(w, memory_format=torch.contiguous_format) if want else None for w, want in zip(weights, wanted)]
        addresses: list[int] = []
        for i in range(0, len(weights), n):
            w_ih, w_hh, *rest = grads[i : i + n]
            bias = (rest[0] if rest[0] is not None else rest[1]) if self.biases else None
            addresses += [_address(g) for g in (w_ih, w_hh, bias, *(rest[2:] if self.biases else rest))]
        return grads, addresses if any(wanted) else []

    def share_biases(self, grads: list[Optional[Tensor]]) -> None:
        n = self.lane_size(grads)
        for i in range(0, len(grads) if self.biases else 0, n):
            first, second = grads[i + 2], grads[i + 3]
            if first is not None and second is not None:
                second.copy_(first)


class _Layers(torch.autograd.Function):
    """All layers at once."""

    @staticmethod
    def forward(ctx: Any, call: _Call, x: Tensor, h0: Optional[Tensor], c0: Optional[Tensor], *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.call = call
        ctx.set_materialize_grads(False)
        x, h0, c0 = x.contiguous(), _contiguous(h0), _contiguous(c0)
        ctx.lease = call.tapes.take(call.stack, x.shape[0], x.shape[1])
        ctx.x = x.detach()  # the tape reads it where it stands, whatever becomes of what is saved
        ctx.save_for_backward(x, h0, c0, *weights)
        return call.forward(ctx.lease.tape, x, h0, c0, weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Optional[Tensor]) -> tuple[Optional[Tensor], ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(_NO_SECOND.format("weir.torch.LSTM"))
        call = ctx.call
        x, h0, c0, *weights = ctx.saved_tensors
        lease, ctx.lease, ctx.x = ctx.lease, None, None
        if lease is None:  # backward for the second time: a tape serves once
            lease = call.tapes.take(call.stack, x.shape[0], x.shape[1])
            call.forward(lease.tape, x, h0, c0, weights)
        dy, dhn, dcn = map(_contiguous, gradients)
        dx, dh0, dc0 = (torch.empty_like(t) if want else None for t, want in zip((x, h0, c0), ctx.needs_input_grad[1:4]))
        grads, addresses = call.gradients(weights, ctx.needs_input_grad[4:])
        lease.tape.backward(
            _address(dy), _address(dhn), _address(dcn), _address(dx), _address(dh0), _address(dc0), addresses, torch.get_num_threads()
        )
        call.share_biases(grads)
        return (None, dx, dh0, dc0, *grads)


# ---- The module ----


class LSTM(torch.nn.Module):
    """torch.nn.LSTM with peepholes (Gers, Schraudolph, Schmidhuber 2002), forward and backward by Weir.

    Arguments, inputs, outputs and the names of the weights are those of torch.nn.LSTM, and without peepholes its results are too. With them each
    layer and direction has one tensor more, peephole_l{k} and peephole_l{k}_reverse, (3, hidden_size): rows of the input, the forget and the
    output gate. They start at 0, so that the module is a torch.nn.LSTM until it learns: the state dict of one loads with strict=False.

        i = sigma(W_i x + R_i h' + p_i * c' + b_i)      f = sigma(W_f x + R_f h' + p_f * c' + b_f)
        g =  tanh(W_g x + R_g h' + b_g)                 c = f * c' + i * g
        o = sigma(W_o x + R_o h' + p_o * c + b_o)       h = o * tanh(c), or with proj_size W_r (o * tanh(c))

    Tensors are on the CPU and of one type: float32, with the same bits on every CPU and for any number of threads, or float64, by a slow
    reference, for checks. Dropout between the layers takes its seed from PyTorch's generator. There is no second derivative. A module
    keeps its working memory from call to call. Threads: torch.get_num_threads().
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Union[torch.device, str, None] = None,
        dtype: Optional[torch.dtype] = None,
        peephole: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive whole number, not {value!r}")
        if not isinstance(proj_size, int) or not 0 <= proj_size < hidden_size:
            raise ValueError(f"proj_size must be a whole number from 0 (none) to below hidden_size, not {proj_size!r}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, not {dropout!r}")
        self.input_size, self.hidden_size, self.num_layers, self.proj_size = input_size, hidden_size, num_layers, proj_size
        self.bias, self.batch_first, self.bidirectional, self.peephole = bool(bias), bool(batch_first), bool(bidirectional), bool(peephole)
        self.dropout = float(dropout)
        self._names: list[str] = []
        self._tapes = _Tapes()
        for layer in range(num_layers):
            for suffix in (f"_l{layer}", f"_l{layer}_reverse")[: self._directions]:
                for stem, shape in self._shapes(layer):
                    self._names.append(stem + suffix)
                    setattr(self, stem + suffix, torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self._check_type(self.weight_hh_l0, "the weights are")
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _projected(self) -> int:
        return self.proj_size or self.hidden_size

    def _shapes(self, layer: int) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of one direction's tensors."""
        gates, inputs = 4 * self.hidden_size, self._directions * self._projected if layer else self.input_size
        shapes: list[tuple[str, tuple[int, ...]]] = [("weight_ih", (gates, inputs)), ("weight_hh", (gates, self._projected))]
        if self.bias:
            shapes += [("bias_ih", (gates,)), ("bias_hh", (gates,))]
        if self.peephole:
            shapes.append(("peephole", (3, self.hidden_size)))
        if self.proj_size:
            shapes.append(("weight_hr", (self.proj_size, self.hidden_size)))
        return shapes

    def reset_parameters(self) -> None:
        """Peepholes 0, all else uniform in +-1/sqrt(hidden_size), with the same numbers as torch.nn.LSTM after the same seed."""
        limit = 1.0 / math.sqrt(self.hidden_size)
        for name in self._names:
            if name.startswith("peephole"):
                torch.nn.init.zeros_(getattr(self, name))
            else:
                torch.nn.init.uniform_(getattr(self, name), -limit, limit)

    def flatten_parameters(self) -> None:
        """Does nothing; programs call it on torch.nn.LSTM for cuDNN's sake."""

    def extra_repr(self) -> str:
        usual = {
            "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False, "proj_size": 0, "peephole": True,
        }  # fmt: skip
        others = [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}"] + others)

    def to_model(self, head: Optional[torch.nn.Linear] = None, output: str = "linear") -> _core.Model:
        """A weir.Model with copies of these weights, to save, to step, and to run from C.

        head: the layer that reads every step's hidden state, and `output` what it gives: "linear", or with a sigmoid or softmax behind it
        "logistic" or "softmax" (weir.LSTM). The model has no dropout, and takes (T, B, I) also where this module is batch_first.
        """

        def array(tensor: Tensor) -> Any:
            return tensor.detach().to(torch.float32).numpy()

        tensors = {}
        for name in self._names:
            if name.startswith("bias_ih"):  # Weir has one bias, the sum
                tensors["lstm." + name] = array(getattr(self, name) + getattr(self, name.replace("bias_ih", "bias_hh")))
            elif not name.startswith("bias_hh"):
                tensors["lstm." + name] = array(getattr(self, name))
            if name.startswith("weight_hh") and not self.bias:
                tensors["lstm." + name.replace("weight_hh", "bias_ih")] = array(torch.zeros(4 * self.hidden_size))
        if head is not None:
            bias = torch.zeros(head.out_features) if head.bias is None else head.bias
            tensors.update({"head.0.weight": array(head.weight), "head.0.bias": array(bias)})
        return new_model(
            self.input_size,
            hidden=self.hidden_size,
            layers=self.num_layers,
            projection=self.proj_size,
            direction="both" if self.bidirectional else "forward",
            peepholes=self.peephole,
            outputs=0 if head is None else head.out_features,
            output=output,
            tensors=tensors,
        )

    # ---- Checks ----

    @staticmethod
    def _check_type(tensor: Tensor, what: str) -> None:
        if tensor.device.type != "cpu":
            raise RuntimeError(f"weir.torch.LSTM computes on the CPU, but {what} on {tensor.device}; move them by .cpu()")
        if tensor.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"weir.torch.LSTM computes in float32 or float64, but {what} of {tensor.dtype}; convert them by .float()")

    def _check_like_weights(self, tensor: Tensor, what: str) -> None:
        self._check_type(tensor, what)
        if tensor.dtype != self.weight_hh_l0.dtype:
            raise TypeError(f"{what} of {tensor.dtype}, but the weights of {self.weight_hh_l0.dtype}; convert one to the other")

    def _check_state(self, state: State, rows: int) -> State:
        lanes = self.num_layers * self._directions
        h0, c0 = state
        for tensor, name, units in ((h0, "h_0", self._projected), (c0, "c_0", self.hidden_size)):
            self._check_like_weights(tensor, f"the numbers of {name} are")
            if tuple(tensor.shape) != (lanes, rows, units):
                raise ValueError(f"{name} has the shape {tuple(tensor.shape)}, but must have {(lanes, rows, units)}")
        return h0, c0

    # ---- Forward ----

    def forward(
        self, input: Union[Tensor, PackedSequence], hx: Optional[State] = None
    ) -> Union[Tuple[Tensor, State], Tuple[PackedSequence, State]]:
        """input: (T, B, I), with batch_first (B, T, I), or without a batch (T, I), or packed. hx: (h_0, c_0), (D * L, B, P) and (D * L, B, H), or
        without a batch (D * L, P) and (D * L, H); None: 0. Gives the output, shaped as the input with D * P in the place of I, and the final
        (h_n, c_n), shaped as hx."""
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(f"the input must have 3 dimensions, or 2 without a batch, not {input.dim()}")
        if input.dim() == 2:
            if hx is not None:
                hx = hx[0].unsqueeze(1), hx[1].unsqueeze(1)
            y, (hn, cn) = self._run(input.unsqueeze(1), hx, None)
            return y.squeeze(1), (hn.squeeze(1), cn.squeeze(1))
        if self.batch_first:
            y, state = self._run(input.transpose(0, 1), hx, None)
            return y.transpose(0, 1), state
        return self._run(input, hx, None)

    def _forward_packed(self, input: PackedSequence, hx: Optional[State]) -> Tuple[PackedSequence, State]:
        data, sizes, order, back = input
        x, lengths = pad_packed_sequence(PackedSequence(data, sizes))
        if hx is not None and order is not None:
            hx = hx[0].index_select(1, order), hx[1].index_select(1, order)
        y, (hn, cn) = self._run(x, hx, lengths)
        if back is not None:
            hn, cn = hn.index_select(1, back), cn.index_select(1, back)
        return PackedSequence(pack_padded_sequence(y, lengths).data, sizes, order, back), (hn, cn)

    def _run(self, x: Tensor, hx: Optional[State], lengths: Optional[Tensor]) -> Tuple[Tensor, State]:
        """x (T, B, I), lengths (B)."""
        self._check_like_weights(x, "the numbers of the input are")
        if x.shape[2] != self.input_size:
            raise ValueError(f"the input has {x.shape[2]} numbers a step, but input_size is {self.input_size}")
        if not x.shape[0] or not x.shape[1]:
            raise ValueError(f"the input has no steps or no rows: its shape is {tuple(x.shape)}")
        h0, c0 = (None, None) if hx is None else self._check_state(hx, x.shape[1])
        weights = [getattr(self, name) for name in self._names]
        dropout = self.dropout if self.training and self.num_layers > 1 else 0.0
        learns = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, h0, c0, *weights))
        call = _Call(
            tapes=self._tapes,
            stack=_Stack(
                inputs=self.input_size,
                hidden=self.hidden_size,
                layers=self.num_layers,
                projection=self.proj_size,
                both=self.bidirectional,
                peephole=self.peephole,
                reference=x.dtype == torch.float64,
                dropout=dropout,
                run_only=not learns,
                no_input_gradient=not (learns and x.requires_grad),
            ),
            biases=self.bias,
            lengths=None if lengths is None else lengths.to(torch.int32),
            seed=int(torch.randint(2**63 - 1, ())) if dropout else 0,
        )
        if learns:
            y, hn, cn = _Layers.apply(call, x, h0, c0, *weights)
        else:
            lease = self._tapes.take(call.stack, x.shape[0], x.shape[1])
            y, hn, cn = call.forward(lease.tape, x.contiguous(), _contiguous(h0), _contiguous(c0), weights)
        return y, (hn, cn)


# ---- Activations ----


def _array(tensor: Tensor) -> Any:
    """Its numbers as an array of NumPy, where they stand."""
    return tensor.detach().numpy()


def _check_floats(x: Tensor, name: str) -> None:
    if x.device.type != "cpu" or x.dtype != torch.float32:
        raise TypeError(f"weir.torch.{name} takes float32 on the CPU, not {x.dtype} on {x.device}; convert it by .float().cpu()")


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, name: str, suffix: str, parameters: dict[str, float]) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x)
        ctx.how = name, suffix, parameters
        y = torch.empty_like(x)
        getattr(activations, name + suffix)(_array(x), _array(y), **parameters)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Optional[Tensor], ...]:
        name, suffix, parameters = ctx.how
        if torch.is_grad_enabled():
            raise RuntimeError(_NO_SECOND.format(f"weir.torch.{name}{suffix}"))
        (x,), (dy,) = ctx.saved_tensors, gradients
        dx = torch.empty_like(x)
        getattr(activations, f"{name}_grad{suffix}")(_array(x), _array(dy.contiguous()), _array(dx), **parameters)
        return dx, None, None, None


class _PReLU(torch.autograd.Function):
    """Channels last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        x, slope = x.contiguous(), slope.contiguous()
        ctx.save_for_backward(x, slope)
        y = torch.empty_like(x)
        activations.prelu_rows(_array(x), _array(slope), _array(y))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Optional[Tensor], ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(_NO_SECOND.format("weir.torch.prelu"))
        (x, slope), (dy,) = ctx.saved_tensors, gradients
        dx, dslope = activations.prelu_rows_grad(_array(x), _array(dy.contiguous()), _array(slope))
        return torch.from_numpy(dx), torch.from_numpy(dslope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """torch.nn.functional.prelu: x where x > 0, else the slope times x, with one slope for all or one for each channel, the input's second
    dimension (its only one, if it has one); differentiable once by both."""
    _check_floats(input, "prelu")
    _check_floats(weight, "prelu")
    channels = 1 if weight.numel() == 1 else input.shape[min(1, input.dim() - 1)] if input.dim() else 0
    if weight.dim() != 1 or weight.numel() != channels:
        raise ValueError(f"weight has the shape {tuple(weight.shape)}, but must have (1,) or one slope for each of the input's channels")
    if input.dim() < 3:
        return cast(Tensor, _PReLU.apply(input.reshape(-1, input.shape[-1] if input.dim() else 1), weight)).reshape(input.shape)
    return cast(Tensor, _PReLU.apply(input.transpose(1, -1), weight)).transpose(1, -1)


def activation(name: str, input: Tensor, **parameters: float) -> Tensor:
    """The function `name` of weir.activations, such as "gelu" (exact) or "gelu_fast", of each number of a CPU tensor of float32; differentiable
    once. Each is a function of this module too: gelu(x). Parameters: alpha, beta; what is left out is the default."""
    plain = name[: -len("_fast")] if name.endswith("_fast") else name
    if plain not in activations.records:
        raise ValueError(f"there is no activation {name!r}; weir.activations.names has them all")
    _check_floats(input, name)
    return cast(Tensor, _Activation.apply(input, plain, name[len(plain) :], parameters))


def _function(name: str, document: str) -> Callable[..., Tensor]:
    def function(input: Tensor, **parameters: float) -> Tensor:
        return activation(name, input, **parameters)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = document
    return function


for _name in [name + suffix for name in activations.names for suffix in ("", "_fast")]:
    if _name not in ("prelu", "prelu_fast"):  # whose slope is learned
        globals()[_name] = _function(_name, getattr(activations, _name).__doc__)
        __all__.append(_name)
