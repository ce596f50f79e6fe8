"""The enums and structs of the public headers, for ctypes.

`tests/python/test_layout.py` compares every name, value, offset and size with the headers.
"""
import ctypes
import enum

MAX_RANK = 8
RESERVED = 4


class Status(enum.IntEnum):
    """What a call answers; the texts are cudrop_status_text()'s."""

    OK = 0
    ERROR_INVALID_ARGUMENT = 1
    ERROR_NULL_POINTER = 2
    ERROR_DTYPE = 3
    ERROR_SHAPE = 4
    ERROR_OVERLAP = 5
    ERROR_OVERFLOW = 6
    ERROR_OUT_OF_MEMORY = 7
    ERROR_NOT_BUILT = 8
    ERROR_NO_DEVICE = 9
    ERROR_WRONG_MEMORY = 10
    ERROR_CUDA = 11
    ERROR_WORKSPACE = 12


class Backend(enum.IntEnum):
    """Where a context works."""

    AUTO = 0
    HOST = 1
    CUDA = 2


class DType(enum.IntEnum):
    """Element types."""

    F32 = 1
    F16 = 2
    BF16 = 3
    F64 = 4
    U8 = 5
    F8E4M3 = 6
    F8E5M2 = 7
    I32 = 8
    I64 = 9


class _Choice(enum.IntEnum):
    """Values of an argument; what is none of them is refused with a list of their names."""

    @classmethod
    def _missing_(cls, value):
        names = ", ".join(f"{cls.__name__}.{each.name}" for each in cls)
        raise ValueError(f"{value!r} is not a valid {cls.__name__}: it is one of {names}")


class Activation(_Choice):
    """act(z) of fused()."""

    IDENTITY = 0
    RELU = 1
    GELU = 2
    GELU_TANH = 3
    SILU = 4


class Norm(_Choice):
    """The norm of norm()."""

    LAYER_NORM = 0
    RMS_NORM = 1


class Causal(_Choice):
    """Which keys a query sees: all, those up to its own place counted from the first query and key
    (True stands for it), or counted from the last ones."""

    NOT_CAUSAL = 0
    CAUSAL = 1
    CAUSAL_LAST = 2


class Accumulate(enum.IntFlag):
    """Which gradients are added to what is there."""

    DATA = 1
    PARAMETERS = 2


class Tensor(ctypes.Structure):
    """cudrop_tensor_t"""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int),
        ("rank", ctypes.c_int),
        ("shape", ctypes.c_int64 * MAX_RANK),
        ("stride", ctypes.c_int64 * MAX_RANK),
    ]


class MaskStruct(ctypes.Structure):
    """cudrop_mask_t"""

    _fields_ = [
        ("seed", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("p", ctypes.c_double),
        ("index_base", ctypes.c_uint64),
        ("index_rank", ctypes.c_int),
        ("index_stride", ctypes.c_int64 * MAX_RANK),
        ("prepared", ctypes.c_void_p),
    ]


# Members of one type, as in a declaration of C.
def _fields(kind, names):
    return [(name, kind) for name in names.split()]


def _tensors(names):
    return _fields(ctypes.POINTER(Tensor), names)


_MASK = [("mask", ctypes.POINTER(MaskStruct))]
_WORKSPACE = [("workspace", ctypes.c_void_p), ("workspace_bytes", ctypes.c_size_t)]
_ACCUMULATE = [("accumulate", ctypes.c_uint32)]
_RESERVED = [("reserved", ctypes.c_uint64 * RESERVED)]


class Fused(ctypes.Structure):
    """cudrop_fused_t"""

    _fields_ = _tensors("bias") + [("activation", ctypes.c_int)] + _MASK + _RESERVED


_FUSED = [("fused", ctypes.POINTER(Fused))]


class FusedForward(ctypes.Structure):
    """cudrop_fused_forward_t"""

    _fields_ = _FUSED + _tensors("x residual y") + _RESERVED


class FusedBackward(ctypes.Structure):
    """cudrop_fused_backward_t"""

    _fields_ = _FUSED + _tensors("dy x dx dbias") + _ACCUMULATE + _WORKSPACE + _RESERVED


class NormStruct(ctypes.Structure):
    """cudrop_norm_t"""

    _fields_ = (_tensors("bias") + [("epsilon", ctypes.c_float), ("kind", ctypes.c_int)]
                + _tensors("gamma beta") + _MASK + _RESERVED)


_NORM = [("norm", ctypes.POINTER(NormStruct))]


class NormForward(ctypes.Structure):
    """cudrop_norm_forward_t"""

    _fields_ = _NORM + _tensors("x residual h y mean rstd") + _RESERVED


class NormBackward(ctypes.Structure):
    """cudrop_norm_backward_t"""

    _fields_ = (_NORM + _tensors("dy dh h mean rstd dx dresidual dbias dgamma dbeta")
                + _ACCUMULATE + _WORKSPACE + _RESERVED)


class Attention(ctypes.Structure):
    """cudrop_attention_t"""

    _fields_ = ([("scale", ctypes.c_float), ("causal", ctypes.c_int),
                 ("query_offset", ctypes.c_int64), ("window", ctypes.c_int64)]
                + _tensors("lengths") + _MASK
                + [("bits", ctypes.c_void_p), ("p", ctypes.c_double)] + _RESERVED)


_ATTENTION = [("attention", ctypes.POINTER(Attention))]


class AttentionForward(ctypes.Structure):
    """cudrop_attention_forward_t"""

    _fields_ = _ATTENTION + _tensors("scores weights y") + _RESERVED


class AttentionReapply(ctypes.Structure):
    """cudrop_attention_reapply_t"""

    _fields_ = _ATTENTION + _tensors("weights y") + _RESERVED


class AttentionBackward(ctypes.Structure):
    """cudrop_attention_backward_t"""

    _fields_ = _ATTENTION + _tensors("dy weights dscores") + _RESERVED


class AttendForward(ctypes.Structure):
    """cudrop_attend_forward_t"""

    _fields_ = _ATTENTION + _tensors("q k v o lse") + _RESERVED


class AttendBackward(ctypes.Structure):
    """cudrop_attend_backward_t"""

    _fields_ = (_ATTENTION + _tensors("q k v o lse dout dq dk dv") + _ACCUMULATE + _WORKSPACE
                + _RESERVED)


class EmbeddingForward(ctypes.Structure):
    """cudrop_embedding_forward_t"""

    _fields_ = (_tensors("ids tokens positions") + _MASK + _tensors("y")
                + [("out_of_range", ctypes.c_void_p)] + _RESERVED)


class EmbeddingBackward(ctypes.Structure):
    """cudrop_embedding_backward_t"""

    _fields_ = (_tensors("ids dy") + _MASK + _tensors("dtokens dpositions")
                + [("vocabulary", ctypes.c_int64)] + _ACCUMULATE + _WORKSPACE + _RESERVED)
