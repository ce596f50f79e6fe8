"""Dropout whose mask is a value and not a tensor.

    import cudrop, numpy
    mask = cudrop.Mask(seed=42, offset=0, p=0.1)
    y = cudrop.dropout(numpy.ones((4, 8), numpy.float32), mask)
    dx = cudrop.dropout_backward(numpy.ones_like(y), mask)  # drops the same elements

Arrays are NumPy's, or of any library with DLPack or the CUDA array interface, on the host or on a
GPU; no array is copied. The C library is the one that the environment variable CUDROP_LIBRARY names,
else the one that was installed with this module, else the system's libcudrop.so.0.2. For PyTorch's
autograd: cudrop.torch.
"""
from ._context import build_info, device_count, device_name, set_threads
from ._library import Error
from ._structs import Activation, Backend, Causal, DType, Norm, Status
from .elementwise import (alpha_dropout, alpha_dropout_backward, apply_bits, apply_bytes,
                          count_kept, dropout, dropout_backward, export_bits, export_bytes,
                          export_scale)
from .mask import Mask, child_seed, offset
from .transformer import (Attention, attend, attend_backward, attention, attention_backward,
                          attention_reapply, embedding, embedding_backward, fused,
                          fused_backward, norm, norm_backward)

__version__ = "0.2.0"

# Without which help(cudrop) would show none of them.
__all__ = [
    "Activation", "Attention", "Backend", "Causal", "DType", "Error", "Mask", "Norm", "Status",
    "alpha_dropout", "alpha_dropout_backward", "apply_bits", "apply_bytes", "attend",
    "attend_backward", "attention", "attention_backward", "attention_reapply", "build_info",
    "child_seed", "count_kept", "device_count", "device_name", "dropout", "dropout_backward",
    "embedding", "embedding_backward", "export_bits", "export_bytes", "export_scale", "fused",
    "fused_backward", "norm", "norm_backward", "offset", "set_threads",
]
