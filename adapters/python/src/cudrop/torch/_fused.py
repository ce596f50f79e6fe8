"""fused() for autograd: bias, activation, dropout and residual in one pass each way."""
from typing import Optional

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from .. import transformer
from .._structs import Activation
from ..mask import Mask
from ._derivatives import register_derivatives, register_kernel, register_slices, save_tensors
from ._dropout import dropout
from ._operators import (HAS_OPERATORS, MASK_ARGUMENTS, MASK_SCHEMA, read_map, read_state,
                         takes_operators, with_state, write_state)

# act'(z) times t.
_SLOPES = {
    Activation.RELU: lambda t, z: torch.where(z > 0, t, 0.0),
    Activation.GELU: torch.ops.aten.gelu_backward,
    Activation.GELU_TANH: lambda t, z: torch.ops.aten.gelu_backward(t, z, approximate="tanh"),
    Activation.SILU: lambda t, z: t * z.sigmoid() * (1 + z * (1 - z.sigmoid())),
}


def dense_rows(x: Optional[Tensor]) -> Optional[Tensor]:
    """A tensor as a call on rows takes it: without autograd, and dense along the last dimension."""
    if x is None:
        return None
    x = x.detach().resolve_neg()
    if x.numel() == 0:  # contiguous() would keep its strides
        return x.new_empty(x.shape)
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


def _linearize(t: Tensor, x, bias, activation: int, mask: Optional[Mask], state=None) -> Tensor:
    """drop(act'(x + bias) t) in float, of operators that have derivatives of their own."""
    t = t.float()
    if mask is not None:
        t = dropout(t, mask, state)
    if activation == Activation.IDENTITY:
        return t
    z = x.float() if bias is None else x.float() + bias.float()
    return _SLOPES[activation](t, z)


def _backward_with_graph(dy, x, bias, activation: int, mask: Optional[Mask], state=None):
    """dx and dbias, for a gradient of theirs."""
    dz = _linearize(dy, x, bias, activation, mask, state)
    dbias = None if bias is None else dz.reshape(-1, dz.size(-1)).sum(0).to(bias.dtype)
    return dz.to(dy.dtype), dbias


def _push(tangents, like, x, bias, activation: int, mask: Optional[Mask], state=None) -> Tensor:
    """The tangent of the result, whose shape and type are `like`, from those of x, bias and
    residual."""
    shape, dtype = like
    inner = [each.float() for each in tangents[:2] if each is not None]
    pushed = 0
    if inner:
        pushed = _linearize(sum(inner).expand(shape), x, bias, activation, mask, state)
    return (pushed if tangents[2] is None else pushed + tangents[2].float()).to(dtype)


class FusedFunction(torch.autograd.Function):
    """Without torch.compile. Saved are the bias, and for an activation x: both are there anyway."""

    @staticmethod
    def forward(ctx, x, bias, residual, activation, mask):  # pylint: disable=arguments-differ
        save_tensors(ctx, x if activation else None, bias)
        ctx.activation, ctx.mask, ctx.like = activation, mask, (x.shape, x.dtype)
        return _forward(x, bias, residual, activation, mask)

    @staticmethod
    def jvp(ctx, *tangents):  # pylint: disable=arguments-differ
        return _push(tangents, ctx.like, *ctx.saved_tensors, ctx.activation, ctx.mask)

    @staticmethod
    def backward(ctx, dy):  # pylint: disable=arguments-differ
        wants_dx, wants_dbias, wants_dresidual = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():
            dx, dbias = _backward_with_graph(dy, *ctx.saved_tensors, ctx.activation, ctx.mask)
        elif takes_operators(dy):
            dx, dbias = torch.ops.cudrop.fused_backward(
                dy, *ctx.saved_tensors, ctx.activation, wants_dx, wants_dbias,
                *write_state(ctx.mask))
        else:
            dx, dbias = _backward(dy, *ctx.saved_tensors, ctx.activation, ctx.mask, wants_dx,
                                  wants_dbias)
        return (_wanted(dx, wants_dx), _wanted(dbias, wants_dbias), _wanted(dy, wants_dresidual),
                None, None)


def _refuse(*_):
    raise RuntimeError("torch.ops.cudrop.fused_backward has no gradient: cudrop.torch.fused has "
                       "one that has a gradient itself")


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
        ctx.like = x.shape, x.dtype
        save_tensors(ctx, x if ctx.activation else None, bias, state)

    def find_mask(ctx):
        return None if ctx.saved_tensors[2] is None else read_map(*ctx.mask)

    def differentiate(ctx, dy):
        x, bias, state = ctx.saved_tensors
        wants_dx, wants_dbias, wants_dresidual = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():
            dx, dbias = _backward_with_graph(dy, x, bias, ctx.activation, find_mask(ctx), state)
        else:
            dx, dbias = torch.ops.cudrop.fused_backward(dy, x, bias, ctx.activation, wants_dx,
                                                        wants_dbias, state, *ctx.mask)
        return (_wanted(dx, wants_dx), _wanted(dbias, wants_dbias), _wanted(dy, wants_dresidual),
                None, None, *(None,) * MASK_ARGUMENTS)

    def push(ctx, *tangents):
        x, bias, state = ctx.saved_tensors
        # With tangents of outer transforms, and without those that are pushed here.
        x, bias = (None if t is None else unpack_dual(t, level=0).primal for t in (x, bias))
        return _push(tangents, ctx.like, x, bias, ctx.activation, find_mask(ctx), state)

    for name, run in (("fused", forward), ("fused_backward", backward)):
        register_kernel(name, run)
    torch.library.register_fake("cudrop::fused", lambda x, *_: x.new_empty(x.shape))
    torch.library.register_fake("cudrop::fused_backward", fake_backward)
    register_derivatives("fused", save, differentiate, push)
    register_derivatives("fused_backward", lambda *_: None, _refuse, _refuse)
    register_slices("fused")
    register_slices("fused_backward")


if HAS_OPERATORS:
    _register()


def fused(x: Tensor, *, bias: Optional[Tensor] = None,
          activation: Activation = Activation.IDENTITY, mask: Optional[Mask] = None,
          residual: Optional[Tensor] = None, state: Optional[Tensor] = None) -> Tensor:
    """residual + drop(act(x + bias)), in F32, F16 or BF16.

    Gradients under create_graph, and tangents, are made of PyTorch's operators and dropout(), in
    float, so that each has derivatives of every order.

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
        return torch.ops.cudrop.fused(x, bias, residual, int(activation),
                                      *write_state(mask, state))
    mask = None if mask is None else with_state(mask, state)
    return FusedFunction.apply(x, bias, residual, int(activation), mask)
