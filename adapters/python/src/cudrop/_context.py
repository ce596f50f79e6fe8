"""Contexts: one for each thread, backend and device, made when it is first needed."""
import ctypes
import threading
from typing import NamedTuple

from ._library import library
from ._structs import Backend
from .mask import require_int


class Place(NamedTuple):
    """Where memory lies, and so where the work on it is done."""

    backend: Backend
    device: int

    def __str__(self):
        return "the host" if self.backend == Backend.HOST else f"GPU {self.device}"


HOST = Place(Backend.HOST, 0)


class Context:
    """A cudrop_context_t, which serves one thread at a time."""

    def __init__(self, place: Place):
        self.handle = ctypes.c_void_p()
        library.cudrop_create(ctypes.byref(self.handle), place.backend, place.device)

    def __del__(self):
        if self.handle and library is not None:  # at the interpreter's end it may be gone
            library.cudrop_destroy(ctypes.byref(self.handle))

    def synchronize(self):
        library.cudrop_synchronize(self.handle)


_contexts = threading.local()


def get_context(place: Place, stream: int = 0) -> Context:
    """This thread's context for a place, whose later calls run on `stream`, a cudaStream_t."""
    context = _contexts.__dict__.get(place)
    if context is None:
        context = Context(place)
        _contexts.__dict__[place] = context
    if place.backend == Backend.CUDA:
        library.cudrop_set_stream(context.handle, stream)
    return context


def set_threads(threads: int) -> None:
    """Let the calling thread's work on the host use up to `threads` threads; 0: all processors.

    Until then it is 1. Results do not depend on it.
    """
    library.cudrop_set_threads(get_context(HOST).handle,
                               require_int("threads", threads, 32))


def device_count(backend: Backend) -> int:
    """How many devices a backend has; an Error says why CUDA has none."""
    count = ctypes.c_int()
    library.cudrop_device_count(backend, ctypes.byref(count))
    return count.value


def device_name(backend: Backend, device: int = 0) -> str:
    """What a device is called, as in "NVIDIA H200" or "host, avx2"."""
    name = ctypes.create_string_buffer(256)
    library.cudrop_device_name(backend, require_int("device", device, 32), name, len(name))
    return name.value.decode()


def build_info() -> str:
    """How the library was built: compiler and backends."""
    return library.cudrop_build_info().decode()
