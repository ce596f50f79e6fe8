"""embedding() for autograd: tokens, positions and dropout in one pass each way."""
from typing import Optional

import torch
from torch import Tensor

from .. import transformer
from ..mask import Mask
from ._derivatives import register_derivatives, register_kernel, register_slices
from ._fused import dense_rows
from ._gradients import define_gradient, pick, refuse_others, require_mask, require_tensor, type_of
from ._operators import (HAS_OPERATORS, MASK_ARGUMENTS, MASK_SCHEMA, read_state,
                         takes_operators, with_state, write_state)

_ID_TYPES = (torch.int32, torch.int64)


def _empty_result(ids, tokens, dtype: torch.dtype) -> Tensor:
    return tokens.new_empty((*ids.shape, tokens.shape[-1]), dtype=dtype)


def _forward(ids, tokens, positions, dtype: torch.dtype, mask: Optional[Mask]) -> Tensor:
    return transformer.embedding(ids.detach(), dense_rows(tokens), positions=dense_rows(positions),
                                 mask=mask, y=_empty_result(ids, tokens, dtype))


def _empty_gradients(ids, dy, vocabulary: int, *types):
    rows = vocabulary, ids.size(-1) if ids.dim() else 1
    return tuple(dy.new_empty((0,)) if dtype is None else
                 dy.new_empty((count, dy.shape[-1]), dtype=dtype)
                 for count, dtype in zip(rows, types))


def _backward(ids, dy, vocabulary: int, of_tokens, of_positions, mask: Optional[Mask]):
    """dtokens and dpositions in the types that are given; None leaves one out, empty."""
    gradients = _empty_gradients(ids, dy, vocabulary, of_tokens, of_positions)
    dtokens, dpositions = (False if dtype is None else gradient
                           for dtype, gradient in zip((of_tokens, of_positions), gradients))
    if of_tokens is not None or of_positions is not None:
        transformer.embedding_backward(ids.detach(), dense_rows(dy), vocabulary=vocabulary,
                                       mask=mask, dtokens=dtokens, dpositions=dpositions)
    return gradients


_refuse = refuse_others("embedding", "torch.nn.functional.embedding with "
                        "cudrop.torch.dropout, which has all derivatives")


EmbeddingGradient = define_gradient("EmbeddingGradient", _backward, _refuse, _refuse)


def _note(ctx, tokens, positions) -> None:
    """What backward needs beside the ids: sizes and types, and none of the tables."""
    ctx.vocabulary = tokens.shape[0]
    ctx.wanted = (type_of(tokens, ctx.needs_input_grad[1]),
                  type_of(positions, ctx.needs_input_grad[2]))


def _pick_both(ctx, gradients):
    return tuple(pick(gradient, dtype is not None)
                 for gradient, dtype in zip(gradients, ctx.wanted))


class EmbeddingFunction(torch.autograd.Function):
    """Without torch.compile. Saved are the ids alone."""

    jvp = staticmethod(_refuse)

    @staticmethod
    def forward(ctx, ids, tokens, positions, dtype, mask):  # pylint: disable=arguments-differ
        _note(ctx, tokens, positions)
        ctx.mask = mask
        ctx.save_for_backward(ids)
        return _forward(ids, tokens, positions, dtype, mask)

    @staticmethod
    def backward(ctx, dy):  # pylint: disable=arguments-differ
        inputs = *ctx.saved_tensors, dy, ctx.vocabulary, *ctx.wanted
        if takes_operators(dy):
            gradients = torch.ops.cudrop.embedding_backward(*inputs, *write_state(ctx.mask))
        else:
            gradients = EmbeddingGradient.apply(*inputs, ctx.mask)
        return None, *_pick_both(ctx, gradients), None, None


def _register() -> None:
    torch.library.define(
        "cudrop::embedding", "(Tensor ids, Tensor tokens, Tensor? positions, ScalarType dtype, "
        f"Tensor? state, {MASK_SCHEMA}) -> Tensor")
    torch.library.define(
        "cudrop::embedding_backward", "(Tensor ids, Tensor dy, SymInt vocabulary, "
        f"ScalarType? of_tokens, ScalarType? of_positions, Tensor? state, {MASK_SCHEMA}) -> "
        "(Tensor, Tensor)")

    def forward(ids, tokens, positions, dtype, state, *mask):
        return _forward(ids, tokens, positions, dtype, read_state(state, mask))

    def backward(ids, dy, vocabulary, of_tokens, of_positions, state, *mask):
        return _backward(ids, dy, vocabulary, of_tokens, of_positions, read_state(state, mask))

    def save(ctx, inputs, output):  # pylint: disable=unused-argument
        ids, tokens, positions, _, state, *ctx.mask = inputs
        _note(ctx, tokens, positions)
        ctx.save_for_backward(ids, state)

    def differentiate(ctx, dy):
        ids, state = ctx.saved_tensors
        gradients = torch.ops.cudrop.embedding_backward(ids, dy, ctx.vocabulary, *ctx.wanted, state,
                                                        *ctx.mask)
        return (None, *_pick_both(ctx, gradients), None, None, *(None,) * MASK_ARGUMENTS)

    for name, run in (("embedding", forward), ("embedding_backward", backward)):
        register_kernel(name, run)
    torch.library.register_fake(
        "cudrop::embedding",
        lambda ids, tokens, _, dtype, *_more: _empty_result(ids, tokens, dtype))
    torch.library.register_fake(
        "cudrop::embedding_backward",
        lambda ids, dy, vocabulary, *more: _empty_gradients(ids, dy, vocabulary, *more[:2]))
    register_derivatives("embedding", save, differentiate, _refuse)
    register_derivatives("embedding_backward", lambda *_: None, _refuse, _refuse)
    for name in ("embedding", "embedding_backward"):
        register_slices(name)


if HAS_OPERATORS:
    _register()


def _require_tables(ids, tokens, positions) -> None:
    for name, x in (("ids", ids), ("tokens", tokens), ("positions", positions)):
        if name != "positions" or x is not None:
            require_tensor(x, name)
    if ids.dtype not in _ID_TYPES:
        raise TypeError(f"ids is of {ids.dtype}, and ids are int32 or int64: give ids.long()")
    if tokens.dim() != 2:
        raise ValueError(f"tokens has {tokens.dim()} dimensions, and a table has 2")


def embedding(ids: Tensor, tokens: Tensor, *, positions: Optional[Tensor] = None,
              mask: Optional[Mask] = None, dtype: Optional[torch.dtype] = None,
              state: Optional[Tensor] = None) -> Tensor:
    """y = drop(tokens[id] + positions[t]), where t is the place along the last dimension of ids

    ids        [..., T], int32 or int64. An id that is out of range, such as -1 for padding, gives a
               row of zeros and gets no gradient; torch.nn.functional.embedding raises there
    tokens     [vocabulary, cols]
    positions  [T or more, cols], of which the first T rows are read; None: none are added
    mask       of y, [..., T, cols]; None drops nothing. `state` is as in dropout()
    dtype      y's type, F32, F16 or BF16; None: that of tokens. The tables have it, or F32

    The gradients are dense, in the types of the tables, and equal at every run: their sums have an
    order that the ids decide. Kept for backward are the ids alone. A gradient of the gradient is
    refused.
    """
    _require_tables(ids, tokens, positions)
    require_mask(mask, state)
    if positions is not None and ids.dim() and positions.size(0) > ids.size(-1):
        positions = positions[:ids.size(-1)]
    dtype = tokens.dtype if dtype is None else dtype
    if takes_operators(tokens):
        return torch.ops.cudrop.embedding(ids, tokens, positions, dtype,
                                          *write_state(mask, state))
    mask = None if mask is None else with_state(mask, state)
    return EmbeddingFunction.apply(ids, tokens, positions, dtype, mask)
