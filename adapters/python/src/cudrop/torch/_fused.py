"""fused() for autograd: bias, activation, dropout and residual in one pass each way."""
from typing import Optional

import torch
from torch import Tensor

from .. import transformer
from .._structs import Activation
from ..mask import Mask
from ._operators import (HAS_OPERATORS, MASK_ARGUMENTS, MASK_SCHEMA, NO_MASK, make_state,
                         read_state, takes_operators, with_state, write_mask)


def dense_rows(x: Optional[Tensor]) -> Optional[Tensor]:
    """A tensor as a call on rows takes it: without autograd, and dense along the last dimension."""
    if x is None:
        return None
    x = x.detach().resolve_neg()
    return x if x.dim() == 0 or x.size(-1) < 2 or x.stride(-1) == 1 else x.contiguous()


def _forward(x, bias, residual, activation: int, mask: Optional[Mask]) -> Tensor:
    return transformer.fused(dense_rows(x), bias=dense_rows(bias), activation=activation, mask=mask,
                             residual=dense_rows(residual))


def _backward(dy, x, bias, activation: int, mask: Optional[Mask], wants_dx: bool,
              wants_dbias: bool):
    """dx and dbias, empty where they are not wanted. Without an activation x is not needed."""
    dy = dense_rows(dy)
    dx = dy.new_empty(dy.shape if wants_dx else (0,))
    dbias = (dy if bias is None else bias).new_empty(bias.shape if wants_dbias else (0,))
    if wants_dx or wants_dbias:
        transformer.fused_backward(
            dy, x=dense_rows(x), bias=dense_rows(bias) if activation else None,
            activation=activation, mask=mask, dx=dx if wants_dx else False,
            dbias=dbias if wants_dbias else False)
    return dx, dbias


def _wanted(gradient: Tensor, is_wanted: bool) -> Optional[Tensor]:
    return gradient if is_wanted else None


class FusedFunction(torch.autograd.Function):
    """Without torch.compile. Saved are the bias, and for an activation x: both are there anyway."""

    @staticmethod
    def forward(ctx, x, bias, residual, activation, mask):  # pylint: disable=arguments-differ
        ctx.save_for_backward(x if activation else None, bias)
        ctx.activation, ctx.mask = activation, mask
        return _forward(x, bias, residual, activation, mask)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy):  # pylint: disable=arguments-differ
        wants_dx, wants_dbias, wants_dresidual = ctx.needs_input_grad[:3]
        dx, dbias = _backward(dy, *ctx.saved_tensors, ctx.activation, ctx.mask, wants_dx,
                              wants_dbias)
        return (_wanted(dx, wants_dx), _wanted(dbias, wants_dbias), _wanted(dy, wants_dresidual),
                None, None)


def _register() -> None:
    torch.library.define(
        "cudrop::fused", "(Tensor x, Tensor? bias, Tensor? residual, int activation, "
        f"Tensor? state, {MASK_SCHEMA}) -> Tensor")
    torch.library.define(
        "cudrop::fused_backward", "(Tensor dy, Tensor? x, Tensor? bias, int activation, "
        f"bool wants_dx, bool wants_dbias, Tensor? state, {MASK_SCHEMA}) -> (Tensor, Tensor)")

    def forward(x, bias, residual, activation, state, *mask):
        return _forward(x, bias, residual, activation, read_state(state, mask))

    def backward(dy, x, bias, activation, wants_dx, wants_dbias, state, *mask):
        return _backward(dy, x, bias, activation, read_state(state, mask), wants_dx, wants_dbias)

    def fake_backward(dy, _x, bias, _activation, wants_dx, wants_dbias, *_):
        dbias = dy if bias is None else bias
        return (dy.new_empty(dy.shape if wants_dx else (0,)),
                dbias.new_empty(dbias.shape if wants_dbias else (0,)))

    def save(ctx, inputs, output):  # pylint: disable=unused-argument
        x, bias, _, ctx.activation, state, *ctx.mask = inputs
        ctx.save_for_backward(x if ctx.activation else None, bias, state)

    def differentiate(ctx, dy):
        x, bias, state = ctx.saved_tensors
        wants_dx, wants_dbias, wants_dresidual = ctx.needs_input_grad[:3]
        dx, dbias = torch.ops.cudrop.fused_backward(dy, x, bias, ctx.activation, wants_dx,
                                                    wants_dbias, state, *ctx.mask)
        return (_wanted(dx, wants_dx), _wanted(dbias, wants_dbias), _wanted(dy, wants_dresidual),
                None, None, *(None,) * MASK_ARGUMENTS)

    for name, run in (("fused", forward), ("fused_backward", backward)):
        torch.library.impl(f"cudrop::{name}", ("cpu", "cuda"), run)
    torch.library.register_fake("cudrop::fused", lambda x, *_: x.new_empty(x.shape))
    torch.library.register_fake("cudrop::fused_backward", fake_backward)
    torch.library.register_autograd("cudrop::fused", differentiate, setup_context=save)


if HAS_OPERATORS:
    _register()


def fused(x: Tensor, *, bias: Optional[Tensor] = None,
          activation: Activation = Activation.IDENTITY, mask: Optional[Mask] = None,
          residual: Optional[Tensor] = None, state: Optional[Tensor] = None) -> Tensor:
    """residual + drop(act(x + bias)), in F32, F16 or BF16.

    bias has the size of the last dimension, and x's type or F32; parts that are None are off, and
    a mask that is None keeps everything. For backward x is kept if there is an activation, and
    nothing of what lies between. `state` is as in dropout().

    A residual of another type than x, such as an F32 residual stream beside a BF16 branch under
    autocast, is added by PyTorch in a pass of its own, with the type that PyTorch's sum has: the
    branch is rounded to x's type first, as by torch.nn.functional.dropout(x).add(residual).
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}, and not a tensor of PyTorch's: "
                        "cudrop.fused() takes other arrays")
    if residual is not None and residual.dtype != x.dtype:
        return residual + fused(x, bias=bias, activation=activation, mask=mask, state=state)
    if not isinstance(activation, Activation):
        activation = Activation(activation)
    if mask is None and state is not None:
        raise ValueError("state stands for a mask's seed and offset, and mask is None")
    if takes_operators(x):
        if mask is not None and state is None:
            state = make_state(mask.seed, mask.offset)
        return torch.ops.cudrop.fused(x, bias, residual, int(activation),
                                      None if mask is None else state,
                                      *write_mask(NO_MASK if mask is None else mask))
    mask = None if mask is None else with_state(mask, state)
    return FusedFunction.apply(x, bias, residual, int(activation), mask)
