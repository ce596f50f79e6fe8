"""dropout() and alpha_dropout() for autograd."""
import functools
import itertools
import math
from typing import Optional

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .. import _dlpack
from .._context import HOST, Place, get_context
from .._library import library
from .._structs import MAX_RANK, Backend, DType, MaskStruct
from .._structs import Tensor as TensorStruct
from ..mask import Mask, resolve
from ._derivatives import register_derivatives, register_kernel, register_vmap, save_tensors
from ._operators import (HAS_OPERATORS, MASK_ARGUMENTS, MASK_SCHEMA, make_mask, read_mask,
                         takes_operators, with_state, write_state)

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


@functools.lru_cache(maxsize=512)
def _make_layout(dtype: DType, shape, strides):
    return _dlpack.make_tensor(None, dtype, shape, strides)


# Tensors are read without DLPack's capsules, which take longer than a small tensor's dropout, and
# so does filling in a struct.
def _view(x: Tensor, name: str):
    dtype = _TYPES.get(x.dtype)
    if dtype is None or x.layout is not torch.strided:
        raise TypeError(f"{name} is a {x.layout} tensor of {x.dtype}, which cudrop does not have")
    if x.dim() > MAX_RANK:
        raise ValueError(f"{name} has {x.dim()} dimensions, and there are at most {MAX_RANK}")
    view = TensorStruct.from_buffer_copy(_make_layout(dtype, x.shape, x.stride()))
    view.data = x.data_ptr() or None
    return view


def _context_of(x: Tensor):
    if x.is_cpu:
        return get_context(HOST)
    if x.is_cuda:
        return get_context(Place(Backend.CUDA, x.device.index),
                           torch.cuda.current_stream(x.device).cuda_stream)
    raise TypeError(f"x is on {x.device}, which cudrop cannot reach")


def _run(operator: str, x: Tensor, struct: MaskStruct, is_inplace: bool = False) -> Tensor:
    if x.is_neg():
        x = x.resolve_neg()
    y = x if is_inplace else torch.empty_like(x)
    source = _view(x, "x")
    if x.is_contiguous():  # and so is y
        target = TensorStruct.from_buffer_copy(source)
        target.data = y.data_ptr() or None
    else:
        target = _view(y, "y")
    _OPERATORS[operator][0](_context_of(x).handle, source, struct, target)
    return y


def _is_recorded(x: Tensor) -> bool:
    """Whether autograd wants to know of an operator with x, backward or forward."""
    return x.requires_grad and torch.is_grad_enabled() or forward_ad._current_level >= 0


class MaskedFunction(torch.autograd.Function):
    """Without torch.compile: the mask is an attribute of the graph's node; no tensor is saved."""

    @staticmethod
    def forward(ctx, x, mask, operator, is_inplace=False):  # pylint: disable=arguments-differ
        ctx.mask, ctx.derivative, ctx.is_inplace = mask, _OPERATORS[operator][1], is_inplace
        ctx.struct = struct = resolve(mask, x.shape)
        if is_inplace:
            ctx.mark_dirty(x)
        return _run(operator, x, struct, is_inplace)

    @staticmethod
    def backward(ctx, dy):  # pylint: disable=arguments-differ
        if _is_recorded(dy) or takes_operators(dy):
            return _apply(ctx.derivative, dy, ctx.mask, None), None, None, None
        return _run(ctx.derivative, dy, ctx.struct), None, None, None

    @staticmethod
    def jvp(ctx, dx, *_):  # pylint: disable=arguments-differ
        pushed = _apply(ctx.derivative, dx, ctx.mask, None)
        return dx.copy_(pushed) if ctx.is_inplace else pushed


def _resolve_for_all(mask: Mask, shape, leading: int):
    """The mask's struct for `leading` dimensions before those of `shape`, along which each element
    has the mask of the first."""
    struct = resolve(mask, shape)
    strides = struct.index_stride[:struct.index_rank] or [math.prod(shape[dim + 1:])
                                                          for dim in range(len(shape))]
    struct.index_rank = leading + len(shape)
    struct.index_stride[:struct.index_rank] = [0] * leading + list(strides)
    return struct


def _run_slices(operator: str, x: Tensor, states: Tensor, mask) -> Tensor:
    """_run() of every slice x[i] with the state states[i], i being indices of all dimensions of
    states but the last: in one call if the states are equal."""
    leading, words = states.dim() - 1, states.reshape(-1, 2).tolist()
    x = x.resolve_neg()
    y, shape = torch.empty_like(x), x.shape[leading:]
    if all(pair == words[0] for pair in words) and x.dim() <= MAX_RANK:
        if words:
            struct = _resolve_for_all(make_mask(words[0], *mask), shape, leading)
            _OPERATORS[operator][0](_context_of(x).handle, _view(x, "x"), struct, _view(y, "y"))
        return y
    for index, pair in zip(itertools.product(*map(range, x.shape[:leading])), words):
        _OPERATORS[operator][0](_context_of(x).handle, _view(x[index], "x"),
                                resolve(make_mask(pair, *mask), shape), _view(y[index], "y"))
    return y


def _register(name: str) -> None:
    qualified = f"cudrop::{name}"

    def run(x, state, *mask):
        if state.dim() > 1:  # of torch.vmap
            return _run_slices(name, x, state, mask)
        return _run(name, x, resolve(read_mask(state, *mask), x.shape))

    def save(ctx, inputs, output):  # pylint: disable=unused-argument
        save_tensors(ctx, inputs[1])
        ctx.mask = inputs[2:]

    def differentiate(ctx, dy, *_):
        derivative = getattr(torch.ops.cudrop, _OPERATORS[name][1])
        return derivative(dy, *ctx.saved_tensors, *ctx.mask)

    def vmap(info, in_dims, x, state, *mask):
        x, state = (each.expand(info.batch_size, *each.shape) if dim is None
                    else each.movedim(dim, 0) for each, dim in zip((x, state), in_dims))
        return getattr(torch.ops.cudrop, name)(x, state, *mask), 0

    torch.library.define(qualified, f"(Tensor x, Tensor state, {MASK_SCHEMA}) -> Tensor")
    register_kernel(name, run)
    torch.library.register_fake(qualified, lambda x, *_: torch.empty_like(x))
    register_derivatives(
        name, save, lambda ctx, dy: (differentiate(ctx, dy), None, *(None,) * MASK_ARGUMENTS),
        differentiate)
    register_vmap(name, vmap)


if HAS_OPERATORS:
    for _name in _OPERATORS:
        _register(_name)


def _drop_jagged(operator: str, x: Tensor, mask: Mask, state: Optional[Tensor]) -> Tensor:
    """Of a jagged nested tensor the values, [tokens, ...], have a mask."""
    if x.layout != torch.jagged or mask.shared or mask.whole is not None \
            or mask.index_stride is not None:
        raise TypeError("x is a nested tensor, of which cudrop has those of the layout "
                        "torch.jagged, with masks that share nothing")
    return torch.nested.nested_tensor_from_jagged(
        apply(operator, x.values(), mask, state), x.offsets(), x.lengths())


def _apply(operator: str, x: Tensor, mask: Mask, state: Optional[Tensor]) -> Tensor:
    if takes_operators(x):
        return getattr(torch.ops.cudrop, operator)(x, *write_state(mask, state))
    mask = with_state(mask, state)
    if _is_recorded(x):
        return MaskedFunction.apply(x, mask, operator)
    return _run(operator, x, resolve(mask, x.shape))


def apply(operator: str, x: Tensor, mask: Mask, state: Optional[Tensor]) -> Tensor:
    """dropout() or alpha_dropout(), by name."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}, and not a tensor of PyTorch's: "
                        "cudrop.dropout() takes other arrays")
    if x.is_nested:
        return _drop_jagged(operator, x, mask, state)
    if x.is_complex():  # what is added to the real part is the real part's
        return torch.complex(_apply(operator, x.real, mask, state),
                             _apply(_OPERATORS[operator][1], x.imag, mask, state))
    return _apply(operator, x, mask, state)


def apply_inplace(operator: str, x: Tensor, mask: Mask, state: Optional[Tensor]) -> Tensor:
    """The same, written to x, which is returned."""
    if x.requires_grad and x.is_leaf and torch.is_grad_enabled():
        raise RuntimeError("x is a leaf that requires grad, and cannot be dropped in place")
    if takes_operators(x) or x.is_neg() or x.is_complex() or x.is_nested:
        return x.copy_(apply(operator, x, mask, state))
    return MaskedFunction.apply(x, with_state(mask, state), operator, True)


def dropout(x: Tensor, mask: Mask, state: Optional[Tensor] = None) -> Tensor:
    """x * 1 / (1 - p) where the mask keeps, 0 where it drops; the gradient is dropped alike.

    state  stands in place of the mask's seed and offset: a tensor of make_state()'s. To
           torch.compile it is an input, so that a graph serves every offset; a Mask's numbers are
           compiled in, and a new offset may compile anew.

    A complex element is kept or dropped whole. Of a jagged nested tensor the values are dropped.
    Forward mode and torch.func know the function; under torch.vmap every slice has the one mask.
    """
    return apply("dropout", x, mask, state)


def alpha_dropout(x: Tensor, mask: Mask, state: Optional[Tensor] = None) -> Tensor:
    """Alpha dropout, for networks of SELU units; the rest is as in dropout()."""
    return apply("alpha_dropout", x, mask, state)
