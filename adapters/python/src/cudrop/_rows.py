"""How operators on rows are called: the struct of a call, filled from arrays."""
import ctypes
import math
from ctypes import byref, pointer
from typing import Any, Dict, Optional, Tuple, Union

import numpy

from ._arrays import context_of, empty_like, view
from ._context import HOST
from ._library import library
from ._structs import DType
from .mask import Mask, resolve

_MOST_ROWS = (1 << 63) - 1  # in an int64_t; with more a dy has no columns, or too many elements


class Call:
    """The arguments of one operator, gathered by the names that the headers give them.

        call = Call("cudrop_fused_forward", _structs.FusedForward)
        call.read(x=x)
        call.write(y=y)
        call.share("fused", _structs.Fused(activation=activation), mask, "x", bias=bias)
        call.run()
    """

    def __init__(self, name: str, structure):
        self._name = name
        self._arguments = structure()
        self._views: Dict[str, Any] = {}

    def read(self, **arrays) -> None:
        """Inputs; None leaves one out."""
        self._take(self._arguments, arrays, is_output=False)

    def write(self, **arrays) -> None:
        """Outputs; None leaves one out."""
        self._take(self._arguments, arrays, is_output=True)

    def _take(self, struct, arrays, is_output: bool) -> None:
        for name, array in arrays.items():
            if array is not None:
                seen = view(array, name, is_output)
                self._views[name] = seen
                setattr(struct, name, pointer(seen.tensor))

    def set(self, **values) -> None:
        """Members that are numbers."""
        for name, value in values.items():
            setattr(self._arguments, name, value)

    def set_mask(self, mask: Optional[Mask], full: str) -> None:
        """The mask of tensors that have the shape of the argument `full`; None keeps everything."""
        self._put_mask(self._arguments, mask, full)

    def _put_mask(self, struct, mask: Optional[Mask], full: Union[str, Tuple[int, ...]]) -> None:
        if mask is not None:
            shape = self._views[full].shape if isinstance(full, str) else full
            struct.mask = pointer(resolve(mask, shape))

    def share(self, name: str, struct, mask: Optional[Mask], full: Union[str, Tuple[int, ...]],
              **arrays) -> None:
        """The member that forward and backward have in common: a struct whose numbers are set, and
        that gets its mask and its arrays here. `full` is the mask's shape, or an argument that has
        it."""
        self._take(struct, arrays, is_output=False)
        self._put_mask(struct, mask, full)
        setattr(self._arguments, name, pointer(struct))

    def run(self, like=None, leader: str = "dy") -> None:
        """Do it. `like` is an array whose library makes the workspace for the argument `leader`,
        where one is needed on a GPU; on the host NumPy does, also for arrays of libraries that
        cannot (JAX)."""
        context = context_of(*self._views.values())
        if like is not None:
            bytes_needed = ctypes.c_size_t()
            *outer, cols = self._views[leader].shape or (1,)
            rows = min(math.prod(outer), _MOST_ROWS)
            getattr(library, self._name + "_workspace")(rows, cols, byref(bytes_needed))
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
