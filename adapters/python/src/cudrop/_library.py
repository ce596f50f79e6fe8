"""Finding libcudrop, and its calls as its headers declare them.

`library.cudrop_forward(...)` and the like take ctypes' arguments; a status that is not OK
becomes an Error.
"""
import ctypes
import os
import sys
from ctypes import (POINTER, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint32, c_uint64,
                    c_void_p)
from typing import Tuple

from . import _structs
from ._structs import MaskStruct, Status, Tensor

VERSION = (0, 2)  # of the headers that this module is written after
SONAME = f"libcudrop.so.{VERSION[0]}.{VERSION[1]}"  # the major version alone from 1.0 on

_TENSOR = POINTER(Tensor)
_MASK = POINTER(MaskStruct)
_SIZES = POINTER(c_int64)
_QUERY = [c_int64, c_int64, POINTER(c_size_t)]  # rows, cols and the bytes


class Error(Exception):
    """A call that was refused or failed.

    status  which of Status
    detail  the function, the value and the rule, as in "cudrop_forward: p = 1.5 is outside
            [0, 1]"
    """

    def __init__(self, status: Status, detail: str):
        super().__init__(f"CUDROP_{status.name}: {detail}")
        self.status = status
        self.detail = detail

    def __reduce__(self):
        return type(self), (self.status, self.detail)


# Calls that return a status, by name and arguments.
CHECKED = {
    "cudrop_device_count": [c_int, POINTER(c_int)],
    "cudrop_device_name": [c_int, c_int, c_char_p, c_size_t],
    "cudrop_create": [POINTER(c_void_p), c_int, c_int],
    "cudrop_destroy": [POINTER(c_void_p)],
    "cudrop_get_backend": [c_void_p, POINTER(c_int)],
    "cudrop_set_stream": [c_void_p, c_void_p],
    "cudrop_set_threads": [c_void_p, c_int],
    "cudrop_synchronize": [c_void_p],
    "cudrop_alloc": [c_void_p, c_size_t, POINTER(c_void_p)],
    "cudrop_free": [c_void_p, POINTER(c_void_p)],
    "cudrop_upload": [c_void_p, c_void_p, c_void_p, c_size_t],
    "cudrop_download": [c_void_p, c_void_p, c_void_p, c_size_t],
    "cudrop_mask_shard": [_MASK, c_int, _SIZES, _SIZES],
    "cudrop_mask_share": [_MASK, c_int, _SIZES, _SIZES, c_uint32],
    "cudrop_offset": [c_uint64, c_uint64, c_uint64, c_uint64, c_uint64, POINTER(c_uint64)],
    "cudrop_forward": [c_void_p, _TENSOR, _MASK, _TENSOR],
    "cudrop_backward": [c_void_p, _TENSOR, _MASK, _TENSOR],
    "cudrop_backward_accumulate": [c_void_p, _TENSOR, _MASK, _TENSOR],
    "cudrop_alpha_forward": [c_void_p, _TENSOR, _MASK, _TENSOR],
    "cudrop_alpha_backward": [c_void_p, _TENSOR, _MASK, _TENSOR],
    "cudrop_export_bits": [c_void_p, _MASK, c_int, _SIZES, c_void_p],
    "cudrop_export_bytes": [c_void_p, _MASK, _TENSOR],
    "cudrop_export_scale": [c_void_p, _MASK, _TENSOR],
    "cudrop_count_kept": [c_void_p, _MASK, c_int, _SIZES, POINTER(c_uint64)],
    "cudrop_apply_bytes": [c_void_p, _TENSOR, _TENSOR, c_double, _TENSOR],
    "cudrop_apply_bits": [c_void_p, _TENSOR, c_void_p, c_double, _TENSOR],
    "cudrop_prepared_create": [c_void_p, _MASK, POINTER(c_void_p)],
    "cudrop_prepared_destroy": [c_void_p, POINTER(c_void_p)],
    "cudrop_prepare": [c_void_p, _MASK, c_void_p],
    "cudrop_advance": [c_void_p, c_void_p, c_uint64],
    "cudrop_fused_forward": [c_void_p, POINTER(_structs.FusedForward)],
    "cudrop_fused_backward": [c_void_p, POINTER(_structs.FusedBackward)],
    "cudrop_fused_backward_workspace": _QUERY,
    "cudrop_norm_forward": [c_void_p, POINTER(_structs.NormForward)],
    "cudrop_norm_backward": [c_void_p, POINTER(_structs.NormBackward)],
    "cudrop_norm_backward_workspace": _QUERY,
    "cudrop_attention_forward": [c_void_p, POINTER(_structs.AttentionForward)],
    "cudrop_attention_reapply": [c_void_p, POINTER(_structs.AttentionReapply)],
    "cudrop_attention_backward": [c_void_p, POINTER(_structs.AttentionBackward)],
    "cudrop_embedding_forward": [c_void_p, POINTER(_structs.EmbeddingForward)],
    "cudrop_embedding_backward": [c_void_p, POINTER(_structs.EmbeddingBackward)],
    "cudrop_embedding_backward_workspace": _QUERY,
    "cudrop_attend_forward": [c_void_p, POINTER(_structs.AttendForward)],
    "cudrop_attend_backward": [c_void_p, POINTER(_structs.AttendBackward)],
    "cudrop_attend_backward_workspace": _QUERY,
}

# The others: what they return, and their arguments.
PLAIN = {
    "cudrop_version": (c_int, []),
    "cudrop_build_info": (c_char_p, []),
    "cudrop_status_name": (c_char_p, [c_int]),
    "cudrop_status_text": (c_char_p, [c_int]),
    "cudrop_last_error": (c_char_p, []),
    "cudrop_dtype_bytes": (c_size_t, [c_int]),
    "cudrop_vector": (Tensor, [c_void_p, c_int, c_int64]),
    "cudrop_matrix": (Tensor, [c_void_p, c_int, c_int64, c_int64]),
    "cudrop_tensor": (Tensor, [c_void_p, c_int, c_int, _SIZES]),
    "cudrop_mask": (MaskStruct, [c_uint64, c_uint64, c_double]),
    "cudrop_child_seed": (c_uint64, [c_uint64, c_uint64]),
    "cudrop_prepared_mask": (MaskStruct, [c_void_p, c_uint64]),
}


def _find() -> Tuple[str, str]:
    """What to load, and where that is said: what the environment names, else the package's own
    library, else the system's."""
    named = os.environ.get("CUDROP_LIBRARY")
    if named:
        return named, f"CUDROP_LIBRARY={named}"
    folders = sys.modules[__package__].__path__  # two of an editable installation
    for path in (os.path.join(folder, SONAME) for folder in folders):
        if os.path.exists(path):
            return path, path
    return SONAME, f"{SONAME}, where the system looks"


def _open() -> ctypes.CDLL:
    path, tried = _find()
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cudrop: the library cannot be loaded ({tried}: {error}). In cudrop's checkout, "
            "pip install ./adapters/python builds the library and installs it with the module. Or "
            "build it there (cmake -B build -DCUDROP_BUILD_TESTS=OFF -DCUDROP_BUILD_EXAMPLES=OFF "
            "&& cmake --build build) and give its path in the environment: "
            f"CUDROP_LIBRARY=build/{SONAME}") from error


def _check_status(status, _function, _arguments):
    if status != Status.OK:
        raise Error(Status(status), library.cudrop_last_error().decode())
    return status


def _declare(opened: ctypes.CDLL) -> ctypes.CDLL:
    opened.cudrop_version.restype = c_int
    version = opened.cudrop_version()
    if (version // 10000, version // 100 % 100) != VERSION:
        raise ImportError(f"cudrop: the library is version {version // 10000}."
                          f"{version // 100 % 100}, and this module is for {VERSION[0]}."
                          f"{VERSION[1]}: install both from one checkout")
    for name in (*CHECKED, *PLAIN):
        if not hasattr(opened, name):
            raise ImportError(f"cudrop: the library lacks {name} and is not this module's: install "
                              "both from one checkout")
    for name, arguments in CHECKED.items():
        function = getattr(opened, name)
        function.restype, function.argtypes = c_int, arguments
        function.errcheck = _check_status
    for name, (result, arguments) in PLAIN.items():
        function = getattr(opened, name)
        function.restype, function.argtypes = result, arguments
    return opened


library = _declare(_open())
