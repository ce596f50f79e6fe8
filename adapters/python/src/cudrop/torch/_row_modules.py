"""Modules of operators on rows, which draw a mask at every call in training."""
from typing import Optional

import torch
from torch import Tensor, nn

from .._structs import Norm
from ..mask import require_probability
from ._embedding import embedding
from ._generators import draw_mask
from ._norm import NormResult, norm


class _Drawing(nn.Module):
    """What draws from the default generator; `p` and `child` are those of cudrop.torch.Dropout."""

    def __init__(self, p: float, child: int):
        super().__init__()
        self.p, self.child = require_probability(p), child

    def _draw(self, like: Tensor):
        """A mask and its state; none in evaluation, and where p is 0."""
        if not self.training or not self.p:
            return None, None
        return draw_mask(like, self.p, child=self.child)


class DropoutAddLayerNorm(_Drawing):
    """h = residual + drop(x + bias), y = LayerNorm(h): the end of one block and the begin of the
    next, in one pass each way.

        self.drop_norm = cudrop.torch.DropoutAddLayerNorm(768, p=0.1)
        y, h = self.drop_norm(branch, residual=h)

    cols     the size of the last dimension
    p        the probability to drop; in evaluation nothing is dropped
    epsilon  as torch.nn.LayerNorm's eps
    child    which child of the generator's seed, as in cudrop.torch.Dropout

    The parameters are called weight and bias, as in torch.nn.LayerNorm, whose state_dict fits.
    """

    _kind, _has_bias = Norm.LAYER_NORM, True

    def __init__(self, cols: int, p: float = 0.1, *, epsilon: float = 1e-5, child: int = 0,
                 device=None, dtype=None):
        super().__init__(p, child)
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(cols, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros_like(self.weight)) if self._has_bias else None

    def forward(self, x: Tensor, residual: Optional[Tensor] = None,
                bias: Optional[Tensor] = None) -> NormResult:
        """y and h; `bias` is that of the layer that makes x."""
        mask, state = self._draw(x)
        return norm(x, bias=bias, mask=mask, residual=residual, kind=self._kind, gamma=self.weight,
                    beta=self.bias, epsilon=self.epsilon, state=state)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, p={self.p}, epsilon={self.epsilon}"


class DropoutAddRMSNorm(DropoutAddLayerNorm):
    """h = residual + drop(x + bias), y = RMSNorm(h): DropoutAddLayerNorm with another norm. The
    parameter is called weight, as in torch.nn.RMSNorm, whose state_dict fits."""

    _kind, _has_bias = Norm.RMS_NORM, False


class DropoutEmbedding(_Drawing):
    """y = drop(tokens[id] + positions[t]), in one pass each way.

        self.embed = cudrop.torch.DropoutEmbedding(50257, 768, positions=1024, p=0.1)
        h = self.embed(ids)  # [batch, T] to [batch, T, 768]

    vocabulary, cols  the sizes of the table of tokens, the parameter `weight` as in
                      torch.nn.Embedding, whose state_dict fits if there are no positions
    positions         how many there are, as the parameter `positions`; 0: none are added
    p                 the probability to drop; in evaluation nothing is dropped
    child             which child of the generator's seed, as in cudrop.torch.Dropout

    An id that is out of range, such as -1 for padding, gives a row of zeros.
    """

    def __init__(self, vocabulary: int, cols: int, *, positions: int = 0, p: float = 0.1,
                 child: int = 0, device=None, dtype=None):
        super().__init__(p, child)
        self.weight = nn.Parameter(torch.randn(vocabulary, cols, device=device, dtype=dtype))
        self.positions = nn.Parameter(
            torch.randn(positions, cols, device=device, dtype=dtype)) if positions else None

    def forward(self, ids: Tensor) -> Tensor:
        mask, state = self._draw(self.weight)
        return embedding(ids, self.weight, positions=self.positions, mask=mask, state=state)

    def extra_repr(self) -> str:
        count = 0 if self.positions is None else self.positions.size(0)
        return f"{self.weight.size(0)}, {self.weight.size(1)}, positions={count}, p={self.p}"
