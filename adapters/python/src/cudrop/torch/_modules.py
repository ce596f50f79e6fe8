"""Modules, which draw a mask at every call."""
import copy
from typing import Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from .._structs import Activation
from ..mask import Mask, require_probability
from ._dropout import alpha_dropout, dropout
from ._fused import fused
from ._generators import draw_mask


class Dropout(nn.Module):
    """Dropout in training, nothing in evaluation; each call draws a mask of its own.

    p          the probability to drop
    shared     dimensions that are dropped together: (-2, -1) is Dropout2d
    child      which child of the generator's seed: give ranks that drop differently their number
    generator  in place of the default generator of x's device; not under torch.compile

    torch.utils.checkpoint saves and repeats the default generators alone: a module with a generator
    of its own drops anew when it is computed again, and its gradient is wrong. Nor does a
    state_dict hold that generator: save generator.get_state() yourself.

    A copy (copy.deepcopy) draws from the same generator, and so other masks. Pickling clones it,
    and so does a worker of a DataLoader, which is another process: give each a generator with a
    seed of its own, else all draw the same masks.
    """

    _function = staticmethod(dropout)

    def __init__(self, p: float = 0.5, shared: Sequence[int] = (), child: int = 0,
                 generator: Optional[torch.Generator] = None):
        super().__init__()
        self.p, self.shared = require_probability(p), tuple(shared)
        self.child, self.generator = child, generator

    def __deepcopy__(self, memo):
        memo[id(self.generator)] = self.generator  # a clone would draw the same masks again
        copied = memo[id(self)] = type(self).__new__(type(self))
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def _shared_of(self, x: Tensor) -> Tuple[int, ...]:  # pylint: disable=unused-argument
        return self.shared

    def _draw(self, x: Tensor) -> Tuple[Mask, Optional[Tensor]]:
        return draw_mask(x, self.p, self._shared_of(x), self.child, self.generator)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mask, state = self._draw(x)
        return self._function(x, mask, state)

    def extra_repr(self) -> str:
        return f"p={self.p}" + (f", shared={self.shared}" if self.shared else "")


class AlphaDropout(Dropout):
    """Alpha dropout, for networks of SELU units."""

    _function = staticmethod(alpha_dropout)


class DropPath(Dropout):
    """Stochastic depth: whole samples, along the first dimension, are kept or dropped."""

    def _shared_of(self, x: Tensor) -> Tuple[int, ...]:
        return tuple(range(1, x.dim()))


class FusedDropout(Dropout):
    """residual + drop(act(x + bias)) in one pass; in evaluation without the dropout.

        layer = cudrop.torch.FusedDropout(0.1, activation=cudrop.Activation.GELU)
        y = layer(x, bias=linear.bias)
    """

    def __init__(self, p: float = 0.5, activation: Activation = Activation.IDENTITY, **options):
        super().__init__(p, **options)
        self.activation = Activation(activation)

    # pylint: disable-next=arguments-differ
    def forward(self, x: Tensor, bias: Optional[Tensor] = None,
                residual: Optional[Tensor] = None) -> Tensor:
        mask, state = self._draw(x) if self.training else (None, None)
        return fused(x, bias=bias, activation=self.activation, mask=mask, residual=residual,
                     state=state)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={self.activation.name}"
