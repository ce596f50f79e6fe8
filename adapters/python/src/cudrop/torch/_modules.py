"""Modules, which draw a mask at every call."""
import copy
from typing import Optional, Sequence

import torch
from torch import Tensor, nn

from .._structs import Activation
from ..mask import require_number, require_probability
from ._fused import fused
from ._generators import draw_mask
from ._sites import drop_samples, drop_site

for _site in ("drop_samples", "drop_site"):  # torch.fx.symbolic_trace() looks no further
    torch.fx.wrap(_site)


class Drawing:
    """What modules that draw have in common. The attributes are the class's, so that a module that
    replace_dropout() has swapped has them."""

    child = 0
    generator: Optional[torch.Generator] = None

    def _set_source(self, child: int, generator: Optional[torch.Generator]) -> None:
        if child:
            self.child = child
        if generator is not None:
            self.generator = generator

    def _drops(self, p: float) -> bool:
        """Whether elements are dropped: in evaluation, and if p is 0, there is nothing to draw."""
        return self.training and (p != 0 or require_number("p", p) != 0)

    def __deepcopy__(self, memo):
        memo[id(self.generator)] = self.generator  # a clone would draw the same masks again
        copied = memo[id(self)] = type(self).__new__(type(self))
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied


class Dropout(Drawing, nn.Dropout):
    """Dropout in training, nothing in evaluation; each call draws a mask of its own.

    p          the probability to drop; with 0 nothing is drawn, and the result is x itself
    inplace    write to x, and return it
    shared     dimensions that are dropped together: (-2, -1) is Dropout2d
    child      which child of the generator's seed: give ranks that drop differently their number
    generator  in place of the default generator of x's device; not under torch.compile

    torch.utils.checkpoint saves and repeats the default generators alone: a module with a generator
    of its own drops anew when it is computed again, and its gradient is wrong. Nor does a
    state_dict hold that generator: save generator.get_state() yourself.

    Under torch.vmap randomness="different" draws for each slice, as a loop would, and "same" once;
    a generator of one's own has "same" alone.

    A copy (copy.deepcopy) draws from the same generator, and so other masks. Pickling clones it,
    and so does a worker of a DataLoader, which is another process: give each a generator with a
    seed of its own, else all draw the same masks.
    """

    _kind = "dropout"
    shared: Sequence[int] = ()

    def __init__(self, p: float = 0.5, inplace: bool = False, *, shared: Sequence[int] = (),
                 child: int = 0, generator: Optional[torch.Generator] = None):
        super().__init__(require_probability(p), inplace)
        self._set_source(child, generator)
        if shared:
            self.shared = tuple(shared)

    def forward(self, input: Tensor) -> Tensor:  # pylint: disable=redefined-builtin
        if not self._drops(self.p):
            return input
        return drop_site(self._kind, input, self.p, self.shared, self.child, self.generator,
                         self.inplace)

    def extra_repr(self) -> str:
        return (f"p={self.p}" + (", inplace=True" if self.inplace else "")
                + (f", shared={self.shared}" if self.shared else ""))


class _Kind(Drawing):
    """A Dropout that says itself which dimensions are shared."""

    _kind = ""

    def __init__(self, p: float = 0.5, inplace: bool = False, *, child: int = 0,
                 generator: Optional[torch.Generator] = None):
        super().__init__(require_probability(p), inplace)
        self._set_source(child, generator)

    def forward(self, input: Tensor) -> Tensor:  # pylint: disable=redefined-builtin
        if not self._drops(self.p):
            return input
        return drop_site(self._kind, input, self.p, (), self.child, self.generator, self.inplace)


class Dropout1d(_Kind, nn.Dropout1d):
    """Channels of [N, C, L] or [C, L] are kept or dropped whole; the rest is as in Dropout."""

    _kind = "dropout1d"


class Dropout2d(_Kind, nn.Dropout2d):
    """Channels of [N, C, ...] are kept or dropped whole; the rest is as in Dropout."""

    _kind = "dropout2d"


class Dropout3d(_Kind, nn.Dropout3d):
    """Channels of [N, C, D, H, W] or [C, ...] are kept or dropped whole; the rest is as in
    Dropout."""

    _kind = "dropout3d"


class AlphaDropout(_Kind, nn.AlphaDropout):
    """Alpha dropout, for networks of SELU units; `inplace` writes to x, which nn.AlphaDropout
    does not."""

    _kind = "alpha_dropout"


class FeatureAlphaDropout(_Kind, nn.FeatureAlphaDropout):
    """Alpha dropout of whole channels of [N, C, ...]; `inplace` as in AlphaDropout."""

    _kind = "feature_alpha_dropout"


class DropPath(Drawing, nn.Module):
    """Stochastic depth: whole samples, along the first dimension, are kept or dropped.

    drop_prob      the probability to drop; with 0, or None, nothing is drawn
    scale_by_keep  whether samples that are kept are scaled by 1 / (1 - drop_prob)

    child and generator are as in Dropout.
    """

    scale_by_keep = True

    def __init__(self, drop_prob: Optional[float] = 0.0, scale_by_keep: bool = True, *,
                 child: int = 0, generator: Optional[torch.Generator] = None):
        super().__init__()
        if drop_prob is not None:
            require_probability(drop_prob, "drop_prob")
        self.drop_prob = drop_prob
        self.scale_by_keep = scale_by_keep
        self._set_source(child, generator)

    def forward(self, x: Tensor) -> Tensor:
        if self.drop_prob is None or not self._drops(self.drop_prob):
            return x
        return drop_samples(x, self.drop_prob, self.scale_by_keep, self.child, self.generator)

    def extra_repr(self) -> str:
        return f"drop_prob={self.drop_prob}"


class FusedDropout(Dropout):
    """residual + drop(act(x + bias)) in one pass; in evaluation without the dropout.

        layer = cudrop.torch.FusedDropout(0.1, activation=cudrop.Activation.GELU)
        y = layer(x, bias=linear.bias)
    """

    def __init__(self, p: float = 0.5, activation: Activation = Activation.IDENTITY, *,
                 shared: Sequence[int] = (), child: int = 0,
                 generator: Optional[torch.Generator] = None):
        super().__init__(p, shared=shared, child=child, generator=generator)
        self.activation = Activation(activation)

    # pylint: disable-next=arguments-differ
    def forward(self, x: Tensor, bias: Optional[Tensor] = None,
                residual: Optional[Tensor] = None) -> Tensor:
        mask, state = None, None
        if self._drops(self.p):
            mask, state = draw_mask(x, self.p, self.shared, self.child, self.generator)
        return fused(x, bias=bias, activation=self.activation, mask=mask, residual=residual,
                     state=state)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={self.activation.name}"
