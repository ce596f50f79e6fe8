"""A dropout that draws its mask, at one site of a model; modules and override_dropout() call it."""
from typing import Optional, Sequence

import torch
from torch import Tensor

from .._structs import MAX_RANK
from ._dropout import apply, apply_inplace, dropout
from ._generators import draw_mask

# The operator of a kind, and how many dimensions come before those that are dropped together.
# A number that is None is every dimension's; of a function the argument is the rank.
_KINDS = {
    "dropout": ("dropout", None),
    "dropout1d": ("dropout", lambda rank: rank - 1),
    "dropout2d": ("dropout", lambda rank: 2),
    "dropout3d": ("dropout", lambda rank: 2 if rank == 5 else 1),
    "alpha_dropout": ("alpha_dropout", None),
    "feature_alpha_dropout": ("alpha_dropout", lambda rank: 2),
    "drop_path": ("dropout", lambda rank: 1),
}


def _find_shared(kind: str, rank: int, shared: Sequence[int]):
    count = _KINDS[kind][1]
    if count is None:
        return tuple(shared)
    if kind == "dropout1d" and rank not in (2, 3) or count(rank) > rank:
        wanted = "2 or 3" if kind == "dropout1d" else f"{count(rank)} or more"
        raise RuntimeError(f"{kind}: x has {rank} dimensions, and channels have {wanted}")
    return tuple(range(count(rank), rank))


def drop_site(kind: str, x: Tensor, p: float, shared: Sequence[int] = (), child: int = 0,
              generator: Optional[torch.Generator] = None, inplace: bool = False) -> Tensor:
    """x with elements, channels or samples dropped, as the functions of torch.nn.functional that
    are called so drop them. With inplace the result is x itself, overwritten."""
    shared = _find_shared(kind, x.dim(), shared)
    if x.dim() > MAX_RANK and not shared and not inplace:  # row-major, elements have one mask
        return drop_site(kind, x.reshape(-1), p, (), child, generator).reshape(x.shape)
    mask, state = draw_mask(x, p, shared, child, generator)
    return (apply_inplace if inplace else apply)(_KINDS[kind][0], x, mask, state)


def drop_samples(x: Tensor, p: float, scale_by_keep: bool, child: int = 0,
                 generator: Optional[torch.Generator] = None) -> Tensor:
    """Stochastic depth, as timm's drop_path(): samples are scaled on demand."""
    if scale_by_keep:
        return drop_site("drop_path", x, p, (), child, generator)
    first = x.new_ones(x.shape[:1] + (1,) * (x.dim() - 1))
    mask, state = draw_mask(x, p, (), child, generator)
    return torch.where(dropout(first, mask, state) != 0, x, 0.0)
