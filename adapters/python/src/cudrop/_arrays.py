"""Arrays of any library as tensors of cudrop's, and new arrays like them.

Taken are NumPy's arrays, and what has __dlpack__() or __cuda_array_interface__. Nothing is copied,
whatever the strides.
"""
import sys
from typing import Any, NamedTuple, Optional

import numpy

from . import _dlpack
from ._context import HOST, Context, Place, get_context
from ._structs import MAX_RANK, Backend, DType, Tensor

# NumPy's names of element types; bfloat16 and the float8 types are those of ml_dtypes.
_NUMPY_TYPES = {"float32": DType.F32, "float16": DType.F16, "float64": DType.F64,
                "uint8": DType.U8, "bool": DType.U8, "int32": DType.I32,
                "int64": DType.I64, "bfloat16": DType.BF16, "float8_e4m3fn": DType.F8E4M3,
                "float8_e5m2": DType.F8E5M2}

# Names of those that outputs of their own type have, the same in NumPy, PyTorch and CuPy.
_NAMES = {DType.F32: "float32", DType.U8: "uint8"}

# The CUDA array interface's.
_TYPESTRS = {"<f4": DType.F32, "<f2": DType.F16, "<f8": DType.F64, "|u1": DType.U8,
             "|b1": DType.U8, "<i4": DType.I32, "<i8": DType.I64}

_LEGACY_STREAM = 1  # in both exchanges; 0 as a cudaStream_t

# Libraries whose arrays may not be written to, though DLPack does not say so.
_IMMUTABLE = ("jax", "jaxlib")


class View(NamedTuple):
    """An array as a call takes it."""

    name: str
    tensor: Tensor
    place: Place
    stream: Optional[int]  # on which its contents are in order; None: on any
    owner: Any  # what must live while the tensor is used

    @property
    def shape(self):
        return tuple(self.tensor.shape[:self.tensor.rank])


def view(array, name: str, is_output: bool = False) -> View:
    """The view of an array; `name` is what errors call it.

    A TypeError says what is wrong with it, a ValueError that an output is read-only.
    """
    if isinstance(array, numpy.ndarray):
        seen, is_writable = _view_numpy(array, name), array.flags.writeable
    elif hasattr(array, "__dlpack__"):
        if _library_of(array) == "torch" and array.is_neg():
            raise TypeError(f"{name} has PyTorch's negative bit, which DLPack would lose: give "
                            f"{name}.resolve_neg()")
        if _library_of(array) == "torch" and array.requires_grad:
            raise TypeError(f"{name} is a tensor that requires grad, and functions of cudrop have "
                            "no gradient: those of cudrop.torch have one")
        place = _dlpack.find_place(array, name)
        stream = None if place == HOST else current_stream(array, place.device)
        exported = _dlpack.export(array, name, place, stream or 0)
        is_writable = exported.is_writable and _library_of(array) not in _IMMUTABLE
        seen = View(name, exported.tensor, place, stream, (array, exported.capsule))
    else:
        require_array(array, name)
        seen, is_writable = _view_cuda(array, name)
    if is_output and not is_writable:
        raise ValueError(f"{name} is an output, and read-only")
    return seen


def require_array(array, name: str) -> None:
    """A TypeError for what view() would not take."""
    if not (isinstance(array, numpy.ndarray) or hasattr(array, "__dlpack__")
            or hasattr(array, "__cuda_array_interface__")):
        raise TypeError(f"{name} is a {type(array).__name__}, and not an array of NumPy, DLPack or "
                        "the CUDA array interface")


def _library_of(array) -> str:
    return type(array).__module__.partition(".")[0]


# ---- NumPy --------------------------------------------------------------------------------


def _view_numpy(array, name: str) -> View:
    if isinstance(array, numpy.ma.MaskedArray):
        raise TypeError(f"{name} has a mask of missing elements, which cudrop does not take")
    dtype = _NUMPY_TYPES.get(array.dtype.name)
    if dtype is None or not array.dtype.isnative:
        raise TypeError(f"{name} has dtype {array.dtype}, which cudrop does not have"
                        + _dlpack.advise_type(array.dtype.kind in "iu"))
    tensor = _make_tensor(name, array.ctypes.data, dtype, array.dtype.itemsize, array.shape,
                          array.strides)
    return View(name, tensor, HOST, None, array)


def _make_tensor(name, data, dtype, itemsize, shape, byte_strides) -> Tensor:
    if len(shape) > MAX_RANK:
        raise ValueError(f"{name} has {len(shape)} dimensions, and there are at most {MAX_RANK}")
    if byte_strides is None:
        return _dlpack.make_tensor(data, dtype, shape)
    if any(stride % itemsize for stride, size in zip(byte_strides, shape) if size > 1):
        raise TypeError(f"{name} has strides of {byte_strides} bytes, which are not whole elements")
    return _dlpack.make_tensor(data, dtype, shape, [step // itemsize for step in byte_strides])


# ---- the CUDA array interface -------------------------------------------------------------


def _view_cuda(array, name: str):
    described = array.__cuda_array_interface__
    dtype = _TYPESTRS.get(described["typestr"])
    if dtype is None:
        raise TypeError(f"{name} has typestr {described['typestr']!r}, which cudrop does not have"
                        + _dlpack.advise_type(described["typestr"][1] in "iu"))
    if described.get("mask") is not None:
        raise TypeError(f"{name} has a mask of missing elements, which cudrop does not take")
    data, is_read_only = described["data"]
    itemsize = int(described["typestr"][2:])
    tensor = _make_tensor(name, data or None, dtype, itemsize, described["shape"],
                          described.get("strides"))
    stream = described.get("stream")
    if stream == _LEGACY_STREAM:
        stream = 0
    place = Place(Backend.CUDA, _device_number(array))
    return View(name, tensor, place, stream, array), not is_read_only


def _device_number(array) -> int:
    """The interface does not say on which GPU; some arrays do, and for others it is the first."""
    device = getattr(array, "device", 0)
    device = getattr(device, "id", device)
    return device if isinstance(device, int) else 0


# ---- what other libraries have of their own -----------------------------------------------


def current_stream(array, device: int) -> int:
    """The stream on which the array's library works now; of one that has none, the default."""
    library = _library_of(array)
    if library == "torch":
        return sys.modules["torch"].cuda.current_stream(device).cuda_stream
    if library == "cupy":
        return sys.modules["cupy"].cuda.get_current_stream(device).ptr
    return 0


def empty_like(array, shape=None, dtype: Optional[DType] = None):
    """A new array of the library, the device and (unless others are given) the shape and the type
    of `array`; made by NumPy, PyTorch or CuPy."""
    name = None if dtype is None else _NAMES[dtype]
    if isinstance(array, numpy.ndarray):
        if shape is None or tuple(shape) == array.shape:
            return numpy.empty_like(array, dtype=name, subok=False)
        return numpy.empty(shape, dtype=name or array.dtype)
    library = _library_of(array)
    if library not in ("torch", "cupy"):
        raise TypeError(f"cudrop cannot make arrays of {library}'s: bring the output")
    module = sys.modules[library]
    kind = array.dtype if name is None else getattr(module, name)
    shape = tuple(array.shape if shape is None else shape)
    if library == "torch":
        return module.empty(shape, dtype=kind, device=array.device)
    with array.device:
        return module.empty(shape, dtype=kind)


# ---- together -----------------------------------------------------------------------------


def context_of(*views: View) -> Context:
    """The context for a call on these: they are in one place and, on a GPU, on one stream."""
    first = views[0]
    stream = None
    for each in views:
        if each.place != first.place:
            raise ValueError(f"{first.name} is on {first.place} and {each.name} is on "
                             f"{each.place}")
        if each.stream is not None and stream is not None and each.stream != stream:
            raise ValueError(f"{each.name} is on stream {each.stream:#x} and others on "
                             f"{stream:#x}: let one wait for the other, and name one stream")
        if each.stream is not None:
            stream = each.stream
    return get_context(first.place, stream or 0)
