"""Dropout, masks written out, and masks from elsewhere: sections 7 to 10 of cudrop.h.

Arrays are NumPy's, or of any library with DLPack or the CUDA array interface, with any strides; an
array that is given as `out` is written to and returned, and may be the input itself. On a GPU the
work is queued on the library's current stream.
"""
import ctypes
from ctypes import byref
from typing import Any, Sequence

import numpy

from ._arrays import context_of, empty_like, require_array, view
from ._context import HOST, get_context
from ._library import library
from ._structs import DType
from .mask import Mask, require_number, resolve, sizes

Array = Any


def _map(function, x: Array, mask: Mask, out) -> Array:
    """out = function(x) under a mask."""
    require_array(x, "x")
    if out is None:
        out = empty_like(x)
    source, target = view(x, "x"), view(out, "out", is_output=True)
    context = context_of(source, target)
    function(context.handle, byref(source.tensor), byref(resolve(mask, source.shape)),
             byref(target.tensor))
    return out


def dropout(x: Array, mask: Mask, out=None) -> Array:
    """x * 1 / (1 - p) where the mask keeps, 0 where it drops."""
    return _map(library.cudrop_forward, x, mask, out)


def dropout_backward(dy: Array, mask: Mask, out=None, accumulate: bool = False) -> Array:
    """The gradient of x from that of y, with the mask of the forward call; with `accumulate` it is
    added to `out`."""
    if not accumulate:
        return _map(library.cudrop_backward, dy, mask, out)
    if out is None:
        raise ValueError("accumulate adds to out, which is not given")
    return _map(library.cudrop_backward_accumulate, dy, mask, out)


def alpha_dropout(x: Array, mask: Mask, out=None) -> Array:
    """Alpha dropout, for networks of SELU units: it keeps mean 0 and variance 1."""
    return _map(library.cudrop_alpha_forward, x, mask, out)


def alpha_dropout_backward(dy: Array, mask: Mask, out=None) -> Array:
    """The gradient of alpha_dropout()."""
    return _map(library.cudrop_alpha_backward, dy, mask, out)


# ---- masks written out --------------------------------------------------------------------


def export_scale(mask: Mask, out: Array) -> Array:
    """Write 1 / (1 - p) where the mask keeps and 0 where it drops; returns `out`."""
    return _export(library.cudrop_export_scale, mask, out)


def export_bytes(mask: Mask, out: Array) -> Array:
    """Write 1 where the mask keeps and 0 where it drops, to an array of uint8 or bool."""
    return _export(library.cudrop_export_bytes, mask, out)


def _export(function, mask: Mask, out: Array) -> Array:
    target = view(out, "out", is_output=True)
    function(context_of(target).handle, byref(resolve(mask, target.shape)), byref(target.tensor))
    return out


def export_bits(mask: Mask, shape: Sequence[int], out=None) -> Array:
    """Keep bits, packed: element e of an array of this shape, counted row-major, is bit e & 7 of
    byte e >> 3. `out`, if it is given, is a dense vector of uint8 for (n + 7) / 8 bytes."""
    if out is None:
        out = numpy.empty(_bit_bytes(shape), numpy.uint8)
    target = _view_bits(out, "out", shape, is_output=True)
    library.cudrop_export_bits(context_of(target).handle, byref(resolve(mask, shape)), len(shape),
                               sizes("shape", shape), target.tensor.data)
    return out


def count_kept(mask: Mask, shape: Sequence[int]) -> int:
    """How many elements of an array of this shape are kept; counted on the host."""
    kept = ctypes.c_uint64()
    library.cudrop_count_kept(get_context(HOST).handle, byref(resolve(mask, shape)), len(shape),
                              sizes("shape", shape), byref(kept))
    return kept.value


def _bit_bytes(shape) -> int:
    n = 1
    for size in shape:
        n *= size
    return (n + 7) // 8


def _view_bits(array, name: str, shape, is_output: bool = False):
    """The view of packed bits, which a call takes as an address and trusts."""
    seen = view(array, name, is_output)
    wanted = _bit_bytes(shape)
    if seen.tensor.dtype != DType.U8 or seen.shape != (wanted,) or (
            wanted > 1 and seen.tensor.stride[0] != 1):
        raise ValueError(f"{name} is not a dense vector of {wanted} uint8: the bits of {shape}")
    return seen


# ---- masks from elsewhere -----------------------------------------------------------------


def apply_bytes(x: Array, keep: Array, p: float, out=None) -> Array:
    """x * 1 / (1 - p) where keep, of uint8 or bool and of x's shape, is not 0; else 0."""
    require_array(x, "x")
    if out is None:
        out = empty_like(x)
    source, target = view(x, "x"), view(out, "out", is_output=True)
    kept = view(keep, "keep")
    library.cudrop_apply_bytes(context_of(source, kept, target).handle, byref(source.tensor),
                               byref(kept.tensor), require_number("p", p), byref(target.tensor))
    return out


def apply_bits(x: Array, bits: Array, p: float, out=None) -> Array:
    """The same with keep bits as export_bits() writes them."""
    require_array(x, "x")
    if out is None:
        out = empty_like(x)
    source, target = view(x, "x"), view(out, "out", is_output=True)
    kept = _view_bits(bits, "bits", source.shape)
    library.cudrop_apply_bits(context_of(source, kept, target).handle, byref(source.tensor),
                              kept.tensor.data, require_number("p", p), byref(target.tensor))
    return out
