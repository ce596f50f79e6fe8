"""Attention for autograd: no tensor of queries times keys, forward or backward."""
from typing import Optional

import torch
from torch import Tensor

from .. import transformer
from .._structs import Causal
from ..mask import Mask
from ._fused import dense_rows
from ._derivatives import register_derivatives, register_kernel, register_slices
from ._gradients import define_gradient
from ._operators import (HAS_OPERATORS, MASK_ARGUMENTS, MASK_SCHEMA, read_state,
                         takes_operators, with_state, write_state)


def _empty_rows(x: Tensor) -> Tensor:
    """A new tensor of x's shape and layout, so that heads that were a view of tokens are one again,
    with rows that are dense."""
    y = torch.empty_like(dense_rows(x))
    return y if y.stride(-1) == 1 else x.new_empty(x.shape)


def _options(scale: float, is_causal: bool, lengths, mask: Optional[Mask]):
    return transformer.Attention(scale, Causal.CAUSAL if is_causal else Causal.NOT_CAUSAL,
                                 lengths=lengths, mask=mask)


def _forward(q, k, v, scale: float, is_causal: bool, lengths, mask: Optional[Mask]):
    q, k, v = (dense_rows(x) for x in (q, k, v))
    return transformer.attend(q, k, v, _options(scale, is_causal, lengths, mask), o=_empty_rows(q))


def _empty_gradients(q, k, v, wants_dq: bool, wants_dk: bool, wants_dv: bool):
    return tuple(_empty_rows(x) if is_wanted else x.new_empty((0,))
                 for x, is_wanted in ((q, wants_dq), (k, wants_dk), (v, wants_dv)))


def _backward(dout, q, k, v, o, lse, scale: float, is_causal: bool, lengths,
              mask: Optional[Mask], *wanted: bool):
    """dq, dk and dv, empty where they are not wanted."""
    dout, q, k, v, o, lse = (dense_rows(x) for x in (dout, q, k, v, o, lse))
    gradients = _empty_gradients(q, k, v, *wanted)
    if any(wanted):
        dq, dk, dv = (gradient if is_wanted else False
                      for gradient, is_wanted in zip(gradients, wanted))
        transformer.attend_backward(dout, q, k, v, o, lse,
                                    _options(scale, is_causal, lengths, mask), dq=dq, dk=dk, dv=dv)
    return gradients


def _pick(gradients, wanted):
    return tuple(gradient if is_wanted else None
                 for gradient, is_wanted in zip(gradients, wanted))


def _refuse(*_):
    """The derivative of a derivative. PyTorch's once_differentiable would let it pass as 0 where
    dout itself has no gradient, though q, k and v are in it."""
    raise RuntimeError("cudrop.torch.scaled_dot_product_attention is differentiable once: for a "
                       "gradient of its gradient keep PyTorch's function, under "
                       "torch.nn.attention.sdpa_kernel(SDPBackend.MATH)")


def _refuse_tangents(*_):
    raise RuntimeError("cudrop.torch.scaled_dot_product_attention has no forward mode: keep "
                       "PyTorch's function, under "
                       "torch.nn.attention.sdpa_kernel(SDPBackend.MATH)")


AttendGradient = define_gradient("AttendGradient", _backward, _refuse, _refuse_tangents)


class AttendFunction(torch.autograd.Function):
    """Without torch.compile. Saved are q, k, v, o and lse, a float for each query."""

    @staticmethod
    def forward(ctx, q, k, v, scale, is_causal, lengths, mask):  # pylint: disable=arguments-differ
        o, lse = _forward(q, k, v, scale, is_causal, lengths, mask)
        ctx.save_for_backward(q, k, v, o, lse, lengths)
        ctx.scale, ctx.is_causal, ctx.mask = scale, is_causal, mask
        return o

    jvp = staticmethod(_refuse_tangents)

    @staticmethod
    def backward(ctx, dout):  # pylint: disable=arguments-differ
        *saved, lengths = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        if takes_operators(dout):
            gradients = torch.ops.cudrop.attend_backward(
                dout, *saved, ctx.scale, ctx.is_causal, lengths, *wanted, *write_state(ctx.mask))
        else:
            gradients = AttendGradient.apply(dout, *saved, ctx.scale, ctx.is_causal, lengths,
                                             ctx.mask, *wanted)
        return (*_pick(gradients, wanted), None, None, None, None)


def _count_seen(attn_mask: Tensor) -> Tensor:
    """How many keys each row of a boolean mask shows, if those are the first."""
    seen = attn_mask.sum(-1)
    if not torch.equal(attn_mask, torch.arange(attn_mask.size(-1), device=attn_mask.device)
                       < seen.unsqueeze(-1)):
        raise ValueError("attn_mask hides a key before one that it shows, and cudrop hides last "
                         "keys alone: keep torch.nn.functional.scaled_dot_product_attention there")
    return seen


def _register() -> None:
    torch.library.define(
        "cudrop::attend", "(Tensor q, Tensor k, Tensor v, float scale, bool is_causal, "
        f"Tensor? lengths, Tensor? state, {MASK_SCHEMA}) -> (Tensor, Tensor)")
    torch.library.define(
        "cudrop::attend_backward", "(Tensor dout, Tensor q, Tensor k, Tensor v, Tensor o, "
        "Tensor lse, float scale, bool is_causal, Tensor? lengths, bool wants_dq, bool wants_dk, "
        f"bool wants_dv, Tensor? state, {MASK_SCHEMA}) -> (Tensor, Tensor, Tensor)")
    torch.library.define("cudrop::count_seen", "(Tensor attn_mask) -> Tensor")

    def forward(q, k, v, scale, is_causal, lengths, state, *mask):
        o, lse = _forward(q, k, v, scale, is_causal, lengths, read_state(state, mask))
        return o, lse

    def backward(dout, q, k, v, o, lse, scale, is_causal, lengths, wants_dq, wants_dk, wants_dv,
                 state, *mask):
        return _backward(dout, q, k, v, o, lse, scale, is_causal, lengths, read_state(state, mask),
                         wants_dq, wants_dk, wants_dv)

    def fake_backward(_dout, q, k, v, _o, _lse, _scale, _is_causal, _lengths, *more):
        return _empty_gradients(q, k, v, *more[:3])

    def save(ctx, inputs, output):
        q, k, v, ctx.scale, ctx.is_causal, lengths, state, *ctx.mask = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(q, k, v, *output, lengths, state)

    def differentiate(ctx, dout, _dlse):
        *saved, lengths, state = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        gradients = torch.ops.cudrop.attend_backward(dout, *saved, ctx.scale, ctx.is_causal,
                                                     lengths, *wanted, state, *ctx.mask)
        return (*_pick(gradients, wanted), None, None, None, None, *(None,) * MASK_ARGUMENTS)

    for name, run in (("attend", forward), ("attend_backward", backward),
                      ("count_seen", _count_seen)):
        register_kernel(name, run)
    torch.library.register_fake(
        "cudrop::attend", lambda q, *_: (_empty_rows(q), q.new_empty(q.shape[:-1],
                                                                     dtype=torch.float32)))
    torch.library.register_fake("cudrop::attend_backward", fake_backward)
    torch.library.register_fake("cudrop::count_seen",
                                lambda x: x.new_empty(x.shape[:-1], dtype=torch.int64))
    register_derivatives("attend", save, differentiate, _refuse_tangents)
    register_derivatives("attend_backward", lambda *_: None, _refuse, _refuse_tangents)
    for name in ("attend", "attend_backward", "count_seen"):
        register_slices(name)


if HAS_OPERATORS:
    _register()


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float, is_causal: bool,
           lengths: Optional[Tensor], mask: Optional[Mask], state: Optional[Tensor]) -> Tensor:
    """cudrop.attend() for autograd, with a D and a scale that the library takes."""
    if takes_operators(q):
        o, _ = torch.ops.cudrop.attend(q, k, v, scale, is_causal, lengths,
                                       *write_state(mask, state))
        return o
    mask = None if mask is None else with_state(mask, state)
    return AttendFunction.apply(q, k, v, scale, is_causal, lengths, mask)


def count_seen(attn_mask: Tensor) -> Tensor:
    """How many keys each row of a boolean mask shows, if those are the first; else a ValueError."""
    return (torch.ops.cudrop.count_seen if takes_operators(attn_mask) else _count_seen)(attn_mask)
