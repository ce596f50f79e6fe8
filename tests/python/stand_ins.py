"""Objects that offer their memory as other libraries do, so that each way in can be tested without
those libraries."""
import ctypes
import struct

import numpy

CPU, CUDA, PINNED, ROCM = 1, 2, 3, 10  # DLPack's kinds of device
FLOAT, UINT, BFLOAT = 2, 1, 4  # and of elements
READ_ONLY = 1

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class DLPackArray:
    """An array with __dlpack__(), whose DLTensor is written here byte by byte.

    strides None is a NULL; max_version tells whether the producer knows DLPack 1. `streams` are
    those that it was asked to be ready on.
    """

    def __init__(self, address, shape, strides=None, code=FLOAT, bits=32, lanes=1, device=(CPU, 0),
                 byte_offset=0, flags=0, knows_versions=True, major=1):
        self._shape = (ctypes.c_int64 * len(shape))(*shape)
        self._strides = None if strides is None else (ctypes.c_int64 * len(strides))(*strides)
        self._tensor = struct.pack(
            "PiiiBBHPPQ", address, *device, len(shape), code, bits, lanes,
            ctypes.addressof(self._shape),
            0 if strides is None else ctypes.addressof(self._strides), byte_offset)
        self._device, self._flags = device, flags
        self._knows_versions, self._major = knows_versions, major
        self.streams = []
        self.shape = tuple(shape)

    def __dlpack_device__(self):
        return self._device

    def __dlpack__(self, **arguments):
        if not self._knows_versions and "max_version" in arguments:
            raise TypeError("unexpected keyword argument 'max_version'")
        self.streams.append(arguments.get("stream"))
        if self._knows_versions:
            name = b"dltensor_versioned"
            managed = struct.pack("IIPPQ", self._major, 0, 0, 0, self._flags) + self._tensor
        else:
            name, managed = b"dltensor", self._tensor + struct.pack("PP", 0, 0)
        self._managed = ctypes.create_string_buffer(managed, len(managed))
        self._name = ctypes.create_string_buffer(name)
        return _new_capsule(ctypes.addressof(self._managed), self._name, None)


def wrap(array: numpy.ndarray, **arguments) -> DLPackArray:
    """A NumPy array of float32 by way of DLPack."""
    wrapped = DLPackArray(array.ctypes.data, array.shape,
                          [step // array.itemsize for step in array.strides], **arguments)
    wrapped.array = array
    return wrapped


class CudaArray:
    """An array with __cuda_array_interface__."""

    def __init__(self, address, shape, typestr="<f4", strides=None, is_read_only=False,
                 stream=None, **more):
        self.__cuda_array_interface__ = {
            "shape": tuple(shape), "typestr": typestr, "data": (address, is_read_only),
            "strides": strides, "stream": stream, "version": 3, **more}
        self.shape = tuple(shape)
