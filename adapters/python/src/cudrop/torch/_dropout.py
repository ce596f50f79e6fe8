"""dropout() and alpha_dropout() for autograd."""
from typing import Optional

import torch
from torch import Tensor

from .. import _dlpack
from .._context import HOST, Place, get_context
from .._library import library
from .._structs import MAX_RANK, Backend, DType
from ..mask import Mask, resolve
from ._operators import (HAS_OPERATORS, MASK_ARGUMENTS, MASK_SCHEMA, make_state, read_mask,
                         takes_operators, with_state, write_mask)

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


# Tensors are read without DLPack's capsules, which take longer than a small tensor's dropout.
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
    x = x.resolve_neg()
    y = torch.empty_like(x)
    _OPERATORS[operator][0](_context_of(x).handle, _view(x, "x"), resolve(mask, x.shape),
                            _view(y, "y"))
    return y


class MaskedFunction(torch.autograd.Function):
    """Without torch.compile: the mask is an attribute of the graph's node; no tensor is saved."""

    @staticmethod
    def forward(ctx, x, mask, operator):  # pylint: disable=arguments-differ
        ctx.mask, ctx.derivative = mask, _OPERATORS[operator][1]
        return _run(operator, x, mask)

    @staticmethod
    def backward(ctx, dy):  # pylint: disable=arguments-differ
        return MaskedFunction.apply(dy, ctx.mask, ctx.derivative), None, None


def _register(name: str) -> None:
    qualified = f"cudrop::{name}"

    def run(x, state, *mask):
        return _run(name, x, read_mask(state, *mask))

    def save(ctx, inputs, output):  # pylint: disable=unused-argument
        ctx.save_for_backward(inputs[1])
        ctx.mask = inputs[2:]

    def backward(ctx, dy):
        derivative = getattr(torch.ops.cudrop, _OPERATORS[name][1])
        return derivative(dy, *ctx.saved_tensors, *ctx.mask), None, *(None,) * MASK_ARGUMENTS

    torch.library.define(qualified, f"(Tensor x, Tensor state, {MASK_SCHEMA}) -> Tensor")
    torch.library.impl(qualified, ("cpu", "cuda"), run)
    torch.library.register_fake(qualified, lambda x, *_: torch.empty_like(x))
    torch.library.register_autograd(qualified, backward, setup_context=save)


if HAS_OPERATORS:
    for _name in _OPERATORS:
        _register(_name)


def _apply(operator: str, x: Tensor, mask: Mask, state: Optional[Tensor]) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}, and not a tensor of PyTorch's: "
                        "cudrop.dropout() takes other arrays")
    if takes_operators(x):
        state = make_state(mask.seed, mask.offset) if state is None else state
        return getattr(torch.ops.cudrop, operator)(x, state, *write_mask(mask))
    return MaskedFunction.apply(x, with_state(mask, state), operator)


def dropout(x: Tensor, mask: Mask, state: Optional[Tensor] = None) -> Tensor:
    """x * 1 / (1 - p) where the mask keeps, 0 where it drops; the gradient is dropped alike.

    state  stands in place of the mask's seed and offset: a tensor of make_state()'s. To
           torch.compile it is an input, so that a graph serves every offset; a Mask's numbers are
           compiled in, and a new offset may compile anew.
    """
    return _apply("dropout", x, mask, state)


def alpha_dropout(x: Tensor, mask: Mask, state: Optional[Tensor] = None) -> Tensor:
    """Alpha dropout, for networks of SELU units."""
    return _apply("alpha_dropout", x, mask, state)
