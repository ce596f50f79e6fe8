"""attention() for autograd: softmax and dropout of scores in one pass each way."""
from typing import Optional, Union

import torch
from torch import Tensor

from .. import transformer
from .._structs import Causal
from ..mask import Mask
from ._attention import require_scale
from ._derivatives import register_derivatives, register_kernel, register_slices
from ._fused import dense_rows
from ._gradients import define_gradient, pick, refuse_others, require_mask, require_tensor
from ._operators import (HAS_OPERATORS, MASK_ARGUMENTS, MASK_SCHEMA, read_state,
                         takes_operators, with_state, write_state)

# What forward and backward both know, beside the mask; attention()'s docstring has it.
_SHARED = "float scale, int causal, SymInt query_offset, SymInt window, Tensor? lengths"


def _options(scale, causal, query_offset, window, lengths, mask) -> transformer.Attention:
    return transformer.Attention(scale, Causal(causal), query_offset, window, lengths, mask)


def _forward(scores, *options):
    """y and the weights."""
    return tuple(transformer.attention(dense_rows(scores), _options(*options)))


def _backward(dy, weights, *options) -> Tensor:
    return transformer.attention_backward(dense_rows(dy), weights, _options(*options))


_refuse = refuse_others("attention", "torch.softmax with cudrop.torch.dropout, which has "
                        "all derivatives")


AttentionGradient = define_gradient("AttentionGradient", _backward, _refuse, _refuse)


class AttentionFunction(torch.autograd.Function):
    """Without torch.compile. Saved are the weights before dropout."""

    jvp = staticmethod(_refuse)

    @staticmethod
    def forward(ctx, scores, *options):  # pylint: disable=arguments-differ
        y, weights = _forward(scores, *options)
        *ctx.numbers, lengths, ctx.mask = options
        ctx.save_for_backward(weights, lengths)
        return y

    @staticmethod
    def backward(ctx, dy):  # pylint: disable=arguments-differ
        weights, lengths = ctx.saved_tensors
        inputs = dy, weights, *ctx.numbers, lengths
        if takes_operators(dy):
            dscores = torch.ops.cudrop.attention_backward(*inputs, *write_state(ctx.mask))
        else:
            dscores = AttentionGradient.apply(*inputs, ctx.mask)
        return dscores, *(None,) * 6


def _register() -> None:
    torch.library.define(
        "cudrop::attention",
        f"(Tensor scores, {_SHARED}, Tensor? state, {MASK_SCHEMA}) -> (Tensor, Tensor)")
    torch.library.define(
        "cudrop::attention_backward",
        f"(Tensor dy, Tensor weights, {_SHARED}, Tensor? state, {MASK_SCHEMA}) -> Tensor")

    def forward(scores, *more):
        options, (state, *mask) = more[:5], more[5:]
        return _forward(scores, *options, read_state(state, mask))

    def backward(dy, weights, *more):
        options, (state, *mask) = more[:5], more[5:]
        return _backward(dy, weights, *options, read_state(state, mask))

    def save(ctx, inputs, output):
        _, *ctx.numbers, lengths, state = inputs[:7]
        ctx.mask = inputs[7:]
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1], lengths, state)

    def differentiate(ctx, dy, _dweights):
        weights, lengths, state = ctx.saved_tensors
        dscores = torch.ops.cudrop.attention_backward(dy, weights, *ctx.numbers, lengths, state,
                                                      *ctx.mask)
        return (pick(dscores, ctx.needs_input_grad[0]), *(None,) * (6 + MASK_ARGUMENTS))

    for name, run in (("attention", forward), ("attention_backward", backward)):
        register_kernel(name, run)
    torch.library.register_fake(
        "cudrop::attention", lambda x, *_: (x.new_empty(x.shape), x.new_empty(x.shape)))
    torch.library.register_fake("cudrop::attention_backward", lambda dy, *_: dy.new_empty(dy.shape))
    register_derivatives("attention", save, differentiate, _refuse)
    register_derivatives("attention_backward", lambda *_: None, _refuse, _refuse)
    for name in ("attention", "attention_backward"):
        register_slices(name)


if HAS_OPERATORS:
    _register()


def attention(scores: Tensor, *, mask: Optional[Mask] = None, scale: float = 1.0,
              causal: Union[Causal, bool] = Causal.NOT_CAUSAL, query_offset: int = 0,
              window: int = 0, lengths: Optional[Tensor] = None,
              state: Optional[Tensor] = None) -> Tensor:
    """y = drop(softmax(scale * scores)) along the last dimension, the keys

    scores   [..., queries, keys], in F32, F16 or BF16; y has this type
    mask     of y; None drops nothing. `state` is as in dropout()
    scale    is not 0
    causal   Causal.CAUSAL or True: query q sees the keys up to q + query_offset alone;
             Causal.CAUSAL_LAST: the last query sees all keys
    window   if causal, how many keys a query sees at most; 0: all
    lengths  how many keys are seen, an int32 or int64 for each sequence, [batch], or of more of the
             first sizes of scores, up to [..., queries]

    y is 0 where a key is not seen. Kept for backward are the weights before dropout. A gradient of
    the gradient is refused. Where scores are a product that is made for this alone,
    scaled_dot_product_attention() needs no memory for them.
    """
    require_tensor(scores, "scores")
    require_mask(mask, state)
    options = (require_scale(scale), int(Causal(causal)), query_offset, window, lengths)
    if takes_operators(scores):
        y, _ = torch.ops.cudrop.attention(scores, *options, *write_state(mask, state))
        return y
    mask = None if mask is None else with_state(mask, state)
    return AttentionFunction.apply(scores, *options, mask)
