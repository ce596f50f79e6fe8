"""Dropout for PyTorch: functions that autograd knows, and modules.

    import cudrop.torch
    y = cudrop.torch.dropout(x, cudrop.Mask(seed=42, offset=step, p=0.1))
    layer = cudrop.torch.Dropout(0.1)  # draws a mask from PyTorch's generator at every call

    y = cudrop.torch.fused(x, bias=b, activation=cudrop.Activation.GELU, mask=m, residual=r)
    y, h = cudrop.torch.norm(x, mask=m, residual=h, gamma=g, beta=b)
    y = cudrop.torch.embedding(ids, tokens, positions=positions, mask=m)
    y = cudrop.torch.scaled_dot_product_attention(q, k, v, dropout_p=0.1, is_causal=True)

Between forward and backward nothing is kept of a mask but its value: a seed, an offset and p.
Backward of dropout() and alpha_dropout() is differentiable. Under torch.compile functions are
operators of PyTorch's, cudrop::dropout and its kin (PyTorch 2.4 or later), and a compiled graph
keeps 16 bytes, a tensor of seed and offset. What draws breaks the graph where PyTorch would merge
two draws into one, as 2.4 does.

On a GPU the work goes to PyTorch's current stream. That has not yet been run on one.
"""
from ._attend import AttendFunction
from ._attention import scaled_dot_product_attention
from ._attention_weights import attention
from ._dropout import MaskedFunction, alpha_dropout, dropout
from ._embedding import embedding
from ._fused import FusedFunction, fused
from ._generators import draw
from ._modules import AlphaDropout, Dropout, DropPath, FusedDropout
from ._norm import NormResult, norm
from ._operators import make_state
from ._row_modules import DropoutAddLayerNorm, DropoutAddRMSNorm, DropoutEmbedding
