"""How operators on rows are called: the struct of a call, filled from arrays."""
import ctypes
from ctypes import byref, pointer
from typing import Any, Dict, Optional

import numpy

from ._arrays import context_of, empty_like, view
from ._context import HOST
from ._library import library
from ._structs import Attention, DType
from .mask import Mask, require_int, require_number, resolve


class Call:
    """The arguments of one operator, gathered by the names that transformer.h gives them.

        call = Call("cudrop_fused_forward", _structs.FusedForward)
        call.read(x=x, bias=bias)
        call.write(y=y)
        call.set_mask(mask, "x")
        call.run()
    """

    def __init__(self, name: str, structure):
        self._name = name
        self._arguments = structure()
        self._views: Dict[str, Any] = {}

    def read(self, **arrays) -> None:
        """Inputs; None leaves one out."""
        self._take(arrays, is_output=False)

    def write(self, **arrays) -> None:
        """Outputs; None leaves one out."""
        self._take(arrays, is_output=True)

    def _take(self, arrays, is_output: bool) -> None:
        for name, array in arrays.items():
            if array is not None:
                seen = view(array, name, is_output)
                self._views[name] = seen
                setattr(self._arguments, name, pointer(seen.tensor))

    def set(self, **values) -> None:
        """Members that are numbers."""
        for name, value in values.items():
            setattr(self._arguments, name, value)

    def set_mask(self, mask: Optional[Mask], full: str) -> None:
        """The mask of the tensors that have the shape of `full`; None keeps everything."""
        if mask is not None:
            self._arguments.mask = pointer(resolve(mask, self._views[full].shape))

    def set_attention(self, options, full: str) -> None:
        """The transformer.Attention of the scores or weights `full`."""
        attention = Attention(require_number("scale", options.scale), options.causal,
                              require_int("query_offset", options.query_offset))
        if options.lengths is not None:
            self._views["lengths"] = view(options.lengths, "lengths", False)
            attention.lengths = pointer(self._views["lengths"].tensor)
        if options.mask is not None:
            attention.mask = pointer(resolve(options.mask, self._views[full].shape))
        self._arguments.attention = pointer(attention)

    def run(self, like=None) -> None:
        """Do it. `like` is an array whose library makes the workspace, where one is needed on a
        GPU; on the host NumPy does, also for arrays of libraries that cannot (JAX)."""
        context = context_of(*self._views.values())
        if like is not None:
            bytes_needed = ctypes.c_size_t()
            getattr(library, self._name + "_workspace")(byref(self._arguments),
                                                        byref(bytes_needed))
            is_on_host = next(iter(self._views.values())).place == HOST
            shape = (bytes_needed.value,)
            workspace = (numpy.empty(shape, numpy.uint8) if is_on_host
                         else empty_like(like, shape, DType.U8))
            self._arguments.workspace = view(workspace, "workspace", True).tensor.data
            self._arguments.workspace_bytes = bytes_needed.value
        getattr(library, self._name)(context.handle, byref(self._arguments))


def made(wanted, like, shape=None, dtype=None):
    """An output that is asked for: True makes one, False and None leave it out, an array is it."""
    if wanted is True:
        return empty_like(like, shape, dtype)
    return None if wanted is False else wanted


def require_given(accumulates: bool, **outputs) -> None:
    """A ValueError for an output that is to be added to, and would be made: it holds nothing."""
    for name, wanted in outputs.items():
        if accumulates and wanted is True:
            raise ValueError(f"accumulate adds to {name}, which is not given: give it, or False")
