"""Memory of a GPU for tests, as the library gives it; streams and graphs where they can be had."""
import ctypes
import os
import sys
import types
import unittest

import numpy as np

import cudrop
import stand_ins
from cudrop._context import Place, get_context
from cudrop._library import library
from cudrop._structs import Backend


def require_gpu():
    """Skip the test's file where there is none, unless CUDROP_REQUIRE_GPU=1 says that there is."""
    try:
        cudrop.device_count(Backend.CUDA)
    except cudrop.Error as error:
        if os.environ.get("CUDROP_REQUIRE_GPU") == "1":
            raise
        raise unittest.SkipTest(f"no CUDA device: {error.detail}") from error


class Memory:
    """Bytes on a GPU, with a copy of an array's."""

    def __init__(self, array: np.ndarray, device: int = 0):
        self.context = get_context(Place(Backend.CUDA, device))
        self.array, self.pointer = array, ctypes.c_void_p()
        library.cudrop_alloc(self.context.handle, array.nbytes, ctypes.byref(self.pointer))
        library.cudrop_upload(self.context.handle, self.pointer, array.ctypes.data, array.nbytes)

    def __del__(self):
        library.cudrop_free(self.context.handle, ctypes.byref(self.pointer))

    @property
    def address(self) -> int:
        return self.pointer.value or 0

    def read(self) -> np.ndarray:
        host = np.empty_like(self.array)
        self.context.synchronize()
        library.cudrop_download(self.context.handle, host.ctypes.data, self.pointer, host.nbytes)
        return host


TYPESTRS = {"float32": "<f4", "float16": "<f2", "float64": "<f8", "uint8": "|u1", "bool": "|b1",
            "int32": "<i4"}


def place(array: np.ndarray, see=lambda view: view, device: int = 0, **described):
    """A copy of an array on a GPU, and see() of it, with the CUDA array interface."""
    dense = np.ascontiguousarray(array)
    memory, seen = Memory(dense, device), see(dense)
    shift = seen.ctypes.data - dense.ctypes.data
    placed = stand_ins.CudaArray(memory.address + shift, seen.shape, TYPESTRS[array.dtype.name],
                                 seen.strides, **described)
    placed.memory, placed.device, placed.see = memory, device, see
    return placed


def fetch(placed) -> np.ndarray:
    """What it holds now."""
    return placed.see(placed.memory.read())


# ---- a library with a current stream ------------------------------------------------------


class CupyArray(stand_ins.DLPackArray):
    """CuPy's array, as far as cudrop looks at it."""

    def __init__(self, array):
        self.memory, self.dtype = Memory(np.ascontiguousarray(array)), array.dtype.name
        bits = 8 * array.itemsize
        code = stand_ins.UINT if array.dtype == np.uint8 else stand_ins.FLOAT
        super().__init__(self.memory.address, array.shape, code=code, bits=bits,
                         device=(stand_ins.CUDA, 0))
        self.device = FakeDevice()


class FakeDevice:
    """CuPy's, which is a context manager."""

    entered = 0

    def __enter__(self):
        FakeDevice.entered += 1

    def __exit__(self, *_):
        pass


CupyArray.__module__ = "cupy"


class fake_cupy:  # pylint: disable=invalid-name
    """While it is entered there is a module cupy, whose current stream is `stream`."""

    def __init__(self, stream: int = 0):
        self.module = types.ModuleType("cupy")
        self.module.float32, self.module.uint8 = "float32", "uint8"
        self.module.empty = lambda shape, dtype: CupyArray(np.zeros(shape, dtype))
        self.module.cuda = types.SimpleNamespace(
            get_current_stream=lambda device: types.SimpleNamespace(ptr=stream))

    def __enter__(self):
        sys.modules["cupy"] = self.module
        return self.module

    def __exit__(self, *_):
        del sys.modules["cupy"]


# ---- streams of the emulated runtime ------------------------------------------------------


def make_stream() -> int:
    """A stream's handle; the emulated library alone exports its runtime."""
    if not hasattr(library, "cudaStreamCreate"):
        raise unittest.SkipTest("no runtime in this library to make a stream with")
    stream = ctypes.c_void_p()
    assert library.cudaStreamCreate(ctypes.byref(stream)) == 0
    return stream.value


class captured:  # pylint: disable=invalid-name
    """What is queued on a stream meanwhile is recorded, and not done until run()."""

    def __init__(self, stream: int):
        self.stream, self.graph = ctypes.c_void_p(stream), ctypes.c_void_p()

    def __enter__(self):
        relaxed = 2
        assert library.cudaStreamBeginCapture(self.stream, relaxed) == 0
        return self

    def __exit__(self, *_):
        assert library.cudaStreamEndCapture(self.stream, ctypes.byref(self.graph)) == 0

    def run(self):
        ready = ctypes.c_void_p()
        assert library.cudaGraphInstantiate(ctypes.byref(ready), self.graph,
                                            ctypes.c_ulonglong(0)) == 0
        assert library.cudaGraphLaunch(ready, self.stream) == 0
        assert library.cudaStreamSynchronize(self.stream) == 0
