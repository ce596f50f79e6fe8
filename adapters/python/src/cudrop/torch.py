"""Dropout for PyTorch: functions that autograd knows, and modules.

    import cudrop.torch
    y = cudrop.torch.dropout(x, cudrop.Mask(seed=42, offset=step, p=0.1))
    layer = cudrop.torch.Dropout(0.1)  # draws a mask from PyTorch's generator at every call

Between forward and backward nothing is kept but the mask's value: a seed, an offset and p. Backward
is differentiable. Under torch.compile the functions are operators of PyTorch's, cudrop::dropout and
its kin (PyTorch 2.4 or later), and a compiled graph keeps 16 bytes, a tensor of seed and offset.

On a GPU the work goes to PyTorch's current stream. What was measured is the host; GPU code has not
yet run on one.
"""
from typing import Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from . import _dlpack
from ._context import HOST, Place, get_context
from ._library import library
from ._structs import MAX_RANK, Backend, DType
from .mask import Mask, child_seed

_WORD = (1 << 64) - 1

_TYPES = {torch.float32: DType.F32, torch.float16: DType.F16, torch.bfloat16: DType.BF16,
          torch.float64: DType.F64}
if hasattr(torch, "float8_e4m3fn"):
    _TYPES.update({torch.float8_e4m3fn: DType.F8E4M3, torch.float8_e5m2: DType.F8E5M2})

# What an operator calls, and the operator that is its derivative; each is linear, so that a
# derivative's derivative is itself.
_OPERATORS = {
    "dropout": (library.cudrop_forward, "dropout"),
    "alpha_dropout": (library.cudrop_alpha_forward, "alpha_dropout_backward"),
    "alpha_dropout_backward": (library.cudrop_alpha_backward, "alpha_dropout_backward"),
}


def _view(x: Tensor, name: str):
    dtype = _TYPES.get(x.dtype)
    if dtype is None or x.layout != torch.strided:
        raise TypeError(f"{name} is a {x.layout} tensor of {x.dtype}, which cudrop does not have")
    if x.dim() > MAX_RANK:
        raise ValueError(f"{name} has {x.dim()} dimensions, and there are at most {MAX_RANK}")
    return _dlpack.make_tensor(x.data_ptr() or None, dtype, x.shape, x.stride())


def _context_of(x: Tensor):
    if x.device.type == "cpu":
        return get_context(HOST)
    if x.device.type == "cuda":
        return get_context(Place(Backend.CUDA, x.device.index),
                           torch.cuda.current_stream(x.device).cuda_stream)
    raise TypeError(f"x is on {x.device}, which cudrop cannot reach")


def _run(operator: str, x: Tensor, mask: Mask) -> Tensor:
    x = x.resolve_neg() if hasattr(x, "resolve_neg") else x
    y = torch.empty_like(x)
    _OPERATORS[operator][0](_context_of(x).handle, _view(x, "x"), mask.resolve(x.shape),
                            _view(y, "y"))
    return y


# ---- autograd -----------------------------------------------------------------------------


class MaskedFunction(torch.autograd.Function):
    """Without torch.compile: the mask is an attribute of the graph's node; no tensor is saved."""

    @staticmethod
    def forward(ctx, x, mask, operator):  # pylint: disable=arguments-differ
        ctx.mask, ctx.derivative = mask, _OPERATORS[operator][1]
        return _run(operator, x, mask)

    @staticmethod
    def backward(ctx, dy):  # pylint: disable=arguments-differ
        return MaskedFunction.apply(dy, ctx.mask, ctx.derivative), None, None


# ---- operators for torch.compile ----------------------------------------------------------

# An operator takes a mask in the types that PyTorch's operators have. Seed and offset are a tensor
# on the CPU, so that a graph that was compiled for one offset serves the next.
_SCHEMA = ("(Tensor x, Tensor state, float p, SymInt[]? whole, SymInt[]? start, int[] shared, "
           "SymInt index_base, SymInt[]? index_stride) -> Tensor")
_HAS_OPERATORS = hasattr(torch.library, "register_autograd")


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def make_state(seed: int, offset: int) -> Tensor:
    """Seed and offset as a tensor, for the argument `state` of dropout() and alpha_dropout()."""
    return torch.tensor([_signed(seed), _signed(offset)], dtype=torch.int64, device="cpu")


def _mask_arguments(mask: Mask):
    return (mask.p, mask.whole, mask.start, mask.shared, mask.index_base, mask.index_stride)


def _read_mask(state, p, whole, start, shared, index_base, index_stride) -> Mask:
    seed, offset = (word & _WORD for word in state.tolist())
    whole, start, stride = (None if each is None else tuple(each)
                            for each in (whole, start, index_stride))
    return Mask(seed, offset, p, whole, start, tuple(shared), index_base, stride)


def _register(name: str) -> None:
    qualified = f"cudrop::{name}"
    torch.library.define(qualified, _SCHEMA)

    def run(x, state, *arguments):
        return _run(name, x, _read_mask(state, *arguments))

    def save(ctx, inputs, output):  # pylint: disable=unused-argument
        ctx.save_for_backward(inputs[1])
        ctx.arguments = inputs[2:]

    def backward(ctx, dy):
        derivative = getattr(torch.ops.cudrop, _OPERATORS[name][1])
        return derivative(dy, ctx.saved_tensors[0], *ctx.arguments), *(None,) * 7

    torch.library.impl(qualified, ("cpu", "cuda"), run)
    torch.library.register_fake(qualified, lambda x, *_: torch.empty_like(x))
    torch.library.register_autograd(qualified, backward, setup_context=save)


def _register_draw() -> None:
    # `like` says whose generator. The tag keeps two calls from becoming one, and one from two.
    torch.library.define("cudrop::draw", "(Tensor like, int child) -> Tensor",
                         tags=(torch.Tag.nondeterministic_seeded,))
    torch.library.impl("cudrop::draw", ("cpu", "cuda"),
                       lambda like, child: make_state(*draw(_default_generator(like), child)))
    torch.library.register_fake(
        "cudrop::draw",
        lambda like, child: torch.empty(2, dtype=torch.int64, device="cpu"))


if _HAS_OPERATORS:
    for _name in _OPERATORS:
        _register(_name)


def _is_compiling() -> bool:
    return _HAS_OPERATORS and torch.compiler.is_compiling()


def _apply(operator: str, x: Tensor, mask: Mask, state: Optional[Tensor]) -> Tensor:
    # Not a fake tensor or another subclass that dispatches, and not one without data.
    is_plain = type(x) in (Tensor, nn.Parameter) and x.device.type != "meta"
    if _is_compiling() or (_HAS_OPERATORS and not is_plain):
        state = make_state(mask.seed, mask.offset) if state is None else state
        return getattr(torch.ops.cudrop, operator)(x, state, *_mask_arguments(mask))
    if state is not None:
        mask = _read_mask(state, *_mask_arguments(mask))
    return MaskedFunction.apply(x, mask, operator)


def dropout(x: Tensor, mask: Mask, state: Optional[Tensor] = None) -> Tensor:
    """x * 1 / (1 - p) where the mask keeps, 0 where it drops; the gradient is dropped alike.

    state  stands in place of the mask's seed and offset: a tensor of make_state()'s. To
           torch.compile it is an input, so that a graph serves every offset; a Mask's numbers may
           be compiled in.
    """
    return _apply("dropout", x, mask, state)


def alpha_dropout(x: Tensor, mask: Mask, state: Optional[Tensor] = None) -> Tensor:
    """Alpha dropout, for networks of SELU units."""
    return _apply("alpha_dropout", x, mask, state)


# ---- seeds from PyTorch's generators ------------------------------------------------------


def draw(generator, child: int = 0) -> Tuple[int, int]:
    """A seed and an offset that no other draw from the generator has.

    A CUDA generator counts positions of Philox, the random numbers that dropout is made of: the
    offset is its position / 4, the position is advanced by 4, and the seed is child `child` of the
    generator's, whose own numbers are PyTorch's. A CPU generator counts nothing of the kind: it
    gives 64 random bits, which become the seed, and the offset is 0.

    Either way the generator's state decides the mask: torch.manual_seed() repeats it, and so does
    torch.utils.checkpoint. While a CUDA graph is captured a generator cannot be read, and PyTorch
    says so.
    """
    if generator.device.type != "cuda":
        word = torch.empty((), dtype=torch.int64).random_(-(1 << 63), None, generator=generator)
        return child_seed(word.item() & _WORD, child), 0
    position = generator.get_offset()
    generator.set_offset(position + 4)
    return child_seed(generator.initial_seed() & _WORD, child), position // 4


def _default_generator(x: Tensor):
    if x.device.type == "cuda":
        return torch.cuda.default_generators[x.device.index]
    return torch.default_generator


if _HAS_OPERATORS:
    _register_draw()


# ---- modules ------------------------------------------------------------------------------


class Dropout(nn.Module):
    """Dropout in training, nothing in evaluation; each call draws a mask of its own.

    p          the probability to drop
    shared     dimensions that are dropped together: (-2, -1) is Dropout2d
    child      which child of the generator's seed: give ranks that drop differently their number
    generator  in place of the default generator of x's device; not under torch.compile
    """

    _function = staticmethod(dropout)

    def __init__(self, p: float = 0.5, shared: Sequence[int] = (), child: int = 0,
                 generator: Optional[torch.Generator] = None):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p = {p} is outside [0, 1]")
        self.p, self.shared, self.child, self.generator = p, tuple(shared), child, generator

    def _shared_of(self, x: Tensor) -> Tuple[int, ...]:  # pylint: disable=unused-argument
        return self.shared

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        if _is_compiling() and self.generator is None:
            state = torch.ops.cudrop.draw(x, self.child)
            return self._function(x, Mask(0, 0, self.p, shared=self._shared_of(x)), state)
        seed, offset = draw(self.generator or _default_generator(x), self.child)
        return self._function(x, Mask(seed, offset, self.p, shared=self._shared_of(x)))

    def extra_repr(self) -> str:
        return f"p={self.p}" + (f", shared={self.shared}" if self.shared else "")


class AlphaDropout(Dropout):
    """Alpha dropout, for networks of SELU units."""

    _function = staticmethod(alpha_dropout)


class DropPath(Dropout):
    """Stochastic depth: whole samples, along the first dimension, are kept or dropped."""

    def _shared_of(self, x: Tensor) -> Tuple[int, ...]:
        return tuple(range(1, x.dim()))
