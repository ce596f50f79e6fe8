"""Dropout for PyTorch: functions that autograd knows, and modules.

    import cudrop.torch
    y = cudrop.torch.dropout(x, cudrop.Mask(seed=42, offset=step, p=0.1))
    layer = cudrop.torch.Dropout(0.1)  # draws a mask from PyTorch's generator at every call

    y = cudrop.torch.fused(x, bias=b, activation=cudrop.Activation.GELU, mask=m, residual=r)
    y, h = cudrop.torch.norm(x, mask=m, residual=h, gamma=g, beta=b)
    y = cudrop.torch.embedding(ids, tokens, positions=positions, mask=m)
    y = cudrop.torch.scaled_dot_product_attention(q, k, v, dropout_p=0.1, is_causal=True)

In a model that is there, all at once:

    cudrop.torch.replace_dropout(model)  # its modules, of torch.nn and timm; returns how many
    cudrop.torch.override_dropout()      # calls of functions, in any model, eager and compiled

Between forward and backward nothing is kept of a mask but its value: a seed, an offset and p.
Backward of dropout(), alpha_dropout() and fused() is differentiable, and they have forward mode and
torch.func's transforms. The others have torch.func.grad and torch.vmap, and refuse forward mode and
second derivatives. Under torch.compile functions are operators of PyTorch's, cudrop::dropout and
its kin (PyTorch 2.4 or later), and a compiled graph keeps 16 bytes, a tensor of seed and offset.
What draws breaks the graph where PyTorch would merge two draws into one, as 2.4 does.

On a GPU the work goes to PyTorch's current stream. That has not yet been run on one.
"""
from ._attend import AttendFunction
from ._attention import scaled_dot_product_attention
from ._attention_weights import attention
from ._dropout import MaskedFunction, alpha_dropout, dropout
from ._embedding import embedding
from ._fused import FusedFunction, fused
from ._generators import draw
from ._modules import (AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, DropPath,
                       FeatureAlphaDropout, FusedDropout)
from ._norm import NormResult, norm
from ._operators import make_state
from ._override import Override, override_dropout
from ._replace import replace_dropout
from ._row_modules import DropoutAddLayerNorm, DropoutAddRMSNorm, DropoutEmbedding
