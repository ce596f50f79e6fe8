"""norm() for autograd: bias, dropout, residual and LayerNorm or RMSNorm in one pass each way."""
from typing import NamedTuple, Optional

import torch
from torch import Tensor

from .. import transformer
from .._structs import Norm
from ..mask import Mask, require_number
from ._derivatives import register_derivatives, register_kernel, register_slices
from ._fused import dense_rows
from ._gradients import define_gradient, pick, refuse_others, require_mask, require_tensor, type_of
from ._operators import (HAS_OPERATORS, MASK_ARGUMENTS, MASK_SCHEMA, read_state,
                         takes_operators, with_state, write_state)


def _is_x(bias, residual, mask) -> bool:
    """Whether h would be x itself; `mask` may be the state of one."""
    return bias is None and residual is None and mask is None


def _empty_results(x: Tensor, bias, residual, kind: int, mask):
    """y, h, mean and rstd. h is empty where h would be x, and so is RMSNorm's mean."""
    h = (x if residual is None else residual).new_empty(
        (0,) if _is_x(bias, residual, mask) else x.shape)
    mean, rstd = (x.new_empty(shape, dtype=torch.float32) for shape in (
        x.shape[:-1] if kind == Norm.LAYER_NORM else (0,), x.shape[:-1]))
    return x.new_empty(x.shape), h, mean, rstd


def _forward(x, bias, residual, gamma, beta, kind: int, epsilon: float, mask: Optional[Mask]):
    y, h, mean, rstd = _empty_results(x, bias, residual, kind, mask)
    transformer.norm(
        dense_rows(x), bias=dense_rows(bias), mask=mask, residual=dense_rows(residual),
        kind=Norm(kind), gamma=dense_rows(gamma), beta=dense_rows(beta), epsilon=epsilon, y=y,
        h=False if _is_x(bias, residual, mask) else h,
        mean=mean if kind == Norm.LAYER_NORM else False, rstd=rstd)
    return y, h, mean, rstd


def _empty_gradients(dy, h, has_dx: bool, has_dresidual: bool, *types):
    data = (dy.new_empty(dy.shape if has_dx else (0,)),
            h.new_empty(h.shape if has_dresidual else (0,)))
    return data + tuple(
        dy.new_empty((0,) if dtype is None else dy.shape[-1:],
                     dtype=dy.dtype if dtype is None else dtype) for dtype in types)


def _backward(dy, dh, h, mean, rstd, gamma, kind: int, mask: Optional[Mask], *wanted):
    """dx, dresidual, dbias, dgamma and dbeta; `wanted` says of the first two whether, and of the
    others in which type. Those that are not wanted are empty."""
    gradients = _empty_gradients(dy, h, *wanted)
    has = [is_wanted not in (None, False) for is_wanted in wanted]
    if any(has):
        dx, dresidual, dbias, dgamma, dbeta = (
            gradient if is_wanted else False for gradient, is_wanted in zip(gradients, has))
        transformer.norm_backward(
            dense_rows(dy), h=dense_rows(h), rstd=rstd, dh=dense_rows(dh),
            mean=mean if kind == Norm.LAYER_NORM else None, gamma=dense_rows(gamma),
            kind=Norm(kind), mask=mask, dx=dx, dresidual=dresidual, dbias=dbias, dgamma=dgamma,
            dbeta=dbeta)
    return gradients


_refuse = refuse_others("norm", "torch.nn.functional.layer_norm or rms_norm with "
                        "cudrop.torch.dropout, which has all derivatives")


NormGradient = define_gradient("NormGradient", _backward, _refuse, _refuse)


def _save(ctx, x, bias, residual, gamma, beta, mask, results):
    """What backward needs. h is there anyway, as the next residual or as x."""
    y, h, mean, rstd = results
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(mean, rstd)
    needs = ctx.needs_input_grad
    ctx.wanted = (needs[0], needs[2], type_of(bias, needs[1]), type_of(gamma, needs[3]),
                  type_of(beta, needs[4]))
    ctx.type_of_y, ctx.is_x = y.dtype, _is_x(bias, residual, mask)
    return x if ctx.is_x else h, mean, rstd, gamma


def _pick_all(ctx, gradients):
    dx, dresidual, dbias, dgamma, dbeta = map(pick, gradients, ctx.wanted)
    return dx, dbias, dresidual, dgamma, dbeta


def _find_incoming(ctx, dy, dh, h):
    """dy, or zeros where nothing was made of y, and dh, unless that h is empty."""
    return (torch.zeros_like(h, dtype=ctx.type_of_y) if dy is None else dy,
            None if ctx.is_x else dh)


class NormFunction(torch.autograd.Function):
    """Without torch.compile. Saved are h (or x, where h is x), mean, rstd and gamma."""

    jvp = staticmethod(_refuse)

    @staticmethod
    # pylint: disable-next=arguments-differ
    def forward(ctx, x, bias, residual, gamma, beta, kind, epsilon, mask):
        results = _forward(x, bias, residual, gamma, beta, kind, epsilon, mask)
        ctx.save_for_backward(*_save(ctx, x, bias, residual, gamma, beta, mask, results))
        ctx.kind, ctx.mask = kind, mask
        return results

    @staticmethod
    def backward(ctx, dy, dh, *_):  # pylint: disable=arguments-differ
        h, mean, rstd, gamma = ctx.saved_tensors
        dy, dh = _find_incoming(ctx, dy, dh, h)
        inputs = dy, dh, h, mean, rstd, gamma, ctx.kind
        if takes_operators(dy) or dh is not None and takes_operators(dh):
            gradients = torch.ops.cudrop.norm_backward(*inputs, *ctx.wanted,
                                                       *write_state(ctx.mask))
        else:
            gradients = NormGradient.apply(*inputs, ctx.mask, *ctx.wanted)
        return (*_pick_all(ctx, gradients), None, None, None)


def _register() -> None:
    torch.library.define(
        "cudrop::norm", "(Tensor x, Tensor? bias, Tensor? residual, Tensor? gamma, Tensor? beta, "
        f"int kind, float epsilon, Tensor? state, {MASK_SCHEMA}) -> "
        "(Tensor, Tensor, Tensor, Tensor)")
    torch.library.define(
        "cudrop::norm_backward", "(Tensor dy, Tensor? dh, Tensor h, Tensor mean, Tensor rstd, "
        "Tensor? gamma, int kind, bool has_dx, bool has_dresidual, ScalarType? dbias, "
        f"ScalarType? dgamma, ScalarType? dbeta, Tensor? state, {MASK_SCHEMA}) -> "
        "(Tensor, Tensor, Tensor, Tensor, Tensor)")

    def forward(x, bias, residual, gamma, beta, kind, epsilon, state, *mask):
        return _forward(x, bias, residual, gamma, beta, kind, epsilon, read_state(state, mask))

    def fake_forward(x, bias, residual, _gamma, _beta, kind, _epsilon, state, *_):
        return _empty_results(x, bias, residual, kind, state)

    def backward(dy, dh, h, mean, rstd, gamma, kind, *more):
        wanted, (state, *mask) = more[:5], more[5:]
        return _backward(dy, dh, h, mean, rstd, gamma, kind, read_state(state, mask), *wanted)

    def fake_backward(dy, _dh, h, _mean, _rstd, _gamma, _kind, *more):
        return _empty_gradients(dy, h, *more[:5])

    def save(ctx, inputs, output):
        ctx.kind, state, ctx.mask = inputs[5], inputs[7], inputs[8:]
        ctx.save_for_backward(*_save(ctx, *inputs[:5], state, output), state)

    def differentiate(ctx, dy, dh, *_):
        h, mean, rstd, gamma, state = ctx.saved_tensors
        gradients = torch.ops.cudrop.norm_backward(
            *_find_incoming(ctx, dy, dh, h), h, mean, rstd, gamma, ctx.kind, *ctx.wanted, state,
            *ctx.mask)
        return (*_pick_all(ctx, gradients), None, None, None, *(None,) * MASK_ARGUMENTS)

    for name, run in (("norm", forward), ("norm_backward", backward)):
        register_kernel(name, run)
    torch.library.register_fake("cudrop::norm", fake_forward)
    torch.library.register_fake("cudrop::norm_backward", fake_backward)
    register_derivatives("norm", save, differentiate, _refuse)
    register_derivatives("norm_backward", lambda *_: None, _refuse, _refuse)
    for name in ("norm", "norm_backward"):
        register_slices(name)


if HAS_OPERATORS:
    _register()


class NormResult(NamedTuple):
    """What norm() returns: h is the residual of the next block."""

    y: Tensor
    h: Tensor


def norm(x: Tensor, *, bias: Optional[Tensor] = None, mask: Optional[Mask] = None,
         residual: Optional[Tensor] = None, kind: Norm = Norm.LAYER_NORM,
         gamma: Optional[Tensor] = None, beta: Optional[Tensor] = None, epsilon: float = 1e-5,
         state: Optional[Tensor] = None) -> NormResult:
    """h = residual + drop(x + bias), y = (h - mean) * rstd * gamma + beta, along the last dimension

    x         [..., cols], in F32, F16 or BF16; y has this type
    residual  of x's shape, and of x's type or F32; h has this type. So an F32 residual stream
              passes by a BF16 branch, as under autocast. None: h has x's type
    bias, gamma, beta
              [cols], in x's type or F32, and so are their gradients
    kind      Norm.LAYER_NORM, or Norm.RMS_NORM, whose mean is 0
    epsilon   rstd = 1 / sqrt(variance + epsilon)
    mask      what is dropped of x + bias; None drops nothing. `state` is as in dropout()

    Parts that are None are off; h is x itself where all of bias, mask and residual are. Both
    results are differentiable. Kept for backward are h, gamma and two floats for each row (one
    with RMSNorm). A gradient of the gradient is refused.
    """
    require_tensor(x, "x")
    if not isinstance(kind, Norm):
        kind = Norm(kind)
    epsilon = require_number("epsilon", epsilon)
    require_mask(mask, state)
    tensors = (x, bias, residual, gamma, beta)
    if takes_operators(x):
        y, h, _, _ = torch.ops.cudrop.norm(*tensors, int(kind), epsilon, *write_state(mask, state))
    else:
        mask = None if mask is None else with_state(mask, state)
        y, h, _, _ = NormFunction.apply(*tensors, int(kind), epsilon, mask)
    return NormResult(y, x if _is_x(bias, residual, mask) else h)
