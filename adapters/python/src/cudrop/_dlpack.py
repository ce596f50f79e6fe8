"""DLPack's exchange of Python objects: views of what __dlpack__() gives."""
import ctypes
from typing import NamedTuple

from ._structs import MAX_RANK, Backend, DType, Tensor
from ._context import HOST, Place


class _Device(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("id", ctypes.c_int32)]


class _Type(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", _Device), ("ndim", ctypes.c_int32),
                ("dtype", _Type), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _DLTensor), ("context", ctypes.c_void_p),
                ("deleter", ctypes.c_void_p)]


class _ManagedVersioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32),
                ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", _DLTensor)]


_READ_ONLY = 1  # a bit of flags

# Kinds of device, and where their memory lies for cudrop: kDLCPU and kDLCUDAHost (pinned),
# kDLCUDA and kDLCUDAManaged.
_ON_HOST, _ON_GPU = (1, 3), (2, 13)

# Code and bits of an element; a bool (6) is a byte mask.
_TYPES = {(2, 32): DType.F32, (2, 16): DType.F16, (4, 16): DType.BF16, (2, 64): DType.F64,
          (1, 8): DType.U8, (6, 8): DType.U8, (10, 8): DType.F8E4M3, (12, 8): DType.F8E5M2,
          (0, 32): DType.I32, (0, 64): DType.I64}

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]


class Exported(NamedTuple):
    """A tensor, and the capsule that must live while it is used."""

    tensor: Tensor
    is_writable: bool
    capsule: object


def find_place(array, name: str) -> Place:
    kind, device = (int(part) for part in array.__dlpack_device__())
    if kind in _ON_HOST:
        return HOST
    if kind in _ON_GPU:
        return Place(Backend.CUDA, device)
    raise TypeError(f"{name} is on a device of DLPack's kind {kind}, which cudrop cannot reach")


def export(array, name: str, place: Place, stream: int) -> Exported:
    """The tensor that an array with __dlpack__() is, ready for work on `stream`.

    The capsule keeps its name, and so frees itself.
    """
    # 1 is CUDA's legacy default stream, which is 0 elsewhere.
    arguments = {} if place.backend == Backend.HOST else {"stream": stream or 1}
    try:
        capsule = array.__dlpack__(max_version=(1, 0), **arguments)
    except TypeError:  # from before DLPack had versions
        capsule = array.__dlpack__(**arguments)
    if _is_valid(capsule, b"dltensor_versioned"):
        managed = _ManagedVersioned.from_address(_pointer(capsule, b"dltensor_versioned"))
        if managed.major != 1:
            raise TypeError(f"{name} is of DLPack {managed.major}, which cudrop does not know")
        is_writable = not managed.flags & _READ_ONLY
    else:
        managed = _Managed.from_address(_pointer(capsule, b"dltensor"))
        is_writable = True
    return Exported(_read(managed.tensor, name), is_writable, capsule)


def _read(source: _DLTensor, name: str) -> Tensor:
    dtype = _TYPES.get((source.dtype.code, source.dtype.bits))
    if dtype is None or source.dtype.lanes != 1:
        raise TypeError(f"{name} has elements of DLPack's code {source.dtype.code}, "
                        f"{source.dtype.bits} bits and {source.dtype.lanes} lanes, which cudrop "
                        "does not have" + advise_type(source.dtype.code in (0, 1)))
    if source.ndim > MAX_RANK:
        raise ValueError(f"{name} has {source.ndim} dimensions, and there are at most {MAX_RANK}")
    shape = source.shape[:source.ndim] if source.ndim else []
    strides = source.strides[:source.ndim] if source.ndim and source.strides else None
    data = source.data + source.byte_offset if source.data else None
    return make_tensor(data, dtype, shape, strides)


def advise_type(is_integer: bool) -> str:
    """What to do about an element type that is refused, as the end of the sentence."""
    return ": ids and lengths are int32 or int64, masks uint8 or bool" if is_integer else ""


def make_tensor(data, dtype: DType, shape, strides=None) -> Tensor:
    """A cudrop_tensor_t; strides count elements, None is row-major."""
    tensor = Tensor(data=data, dtype=dtype, rank=len(shape))
    step = 1
    for d in reversed(range(len(shape))):
        tensor.shape[d] = shape[d]
        tensor.stride[d] = step if strides is None else strides[d]
        step *= shape[d]
    return tensor
