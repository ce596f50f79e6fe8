"""scaled_dot_product_attention(), with the arguments that PyTorch's has."""
import math
from typing import Optional

import torch
from torch import Tensor

from ..mask import Mask, require_number, require_probability
from ._attend import attend, count_seen
from ._generators import draw_mask
from ._operators import HAS_OPERATORS

_SMALLEST_SCALE = 2.0**-149  # in the library's float; 0 stands for 1 there


def _require_shapes(query: Tensor, key: Tensor, value: Tensor, enable_gqa: bool) -> None:
    """Refuse what zeros that pad would hide, and heads that PyTorch shares on demand alone; the
    library refuses the rest."""
    for name, x in (("query", query), ("key", key), ("value", value)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} is a {type(x).__name__}, and not a tensor of PyTorch's: "
                            "cudrop.attend() takes other arrays")
        if x.dim() < 2:
            raise ValueError(f"{name} has {x.dim()} dimensions, and attention takes 2 or more")
    if key.size(-1) != query.size(-1):
        raise ValueError(f"key has rows of {key.size(-1)}, and query of {query.size(-1)}")
    if min(query.dim(), key.dim()) > 2 and key.size(-3) != query.size(-3) and not enable_gqa:
        raise ValueError(f"key has {key.size(-3)} heads, and query {query.size(-3)}: "
                         "enable_gqa=True lets several heads of query share one of key")


def _cast(*tensors: Tensor):
    """In the type of autocast, where PyTorch's function casts."""
    kind = tensors[0].device.type
    if kind not in ("cpu", "cuda") or not HAS_OPERATORS or not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(x.to(dtype) if x.is_floating_point() and x.dtype != torch.float64 else x
                 for x in tensors)


def require_scale(scale: float) -> float:
    """The scale, if it is a number that the library does not take for 1."""
    if abs(require_number("scale", scale)) < _SMALLEST_SCALE:
        raise ValueError(f"scale = {scale} is 0 in float32, which cudrop does not have")
    return scale


def _find_scale(scale: Optional[float], cols: int) -> float:
    return 1 / math.sqrt(max(cols, 1)) if scale is None else require_scale(scale)


def _pad(x: Tensor, cols: int) -> Tensor:
    return x if x.size(-1) == cols else torch.nn.functional.pad(x, (0, cols - x.size(-1)))


def _find_lengths(query: Tensor, key: Tensor, attn_mask: Optional[Tensor],
                  lengths: Optional[Tensor], is_causal: bool) -> Optional[Tensor]:
    """`lengths`, or those that say what attn_mask does."""
    if attn_mask is None:
        return lengths
    if lengths is not None or is_causal:
        other = "is_causal" if lengths is None else "lengths"
        raise ValueError(f"attn_mask and {other} are both given: lengths and is_causal=True go "
                         "together, attn_mask stands alone")
    if not isinstance(attn_mask, Tensor) or attn_mask.dtype != torch.bool:
        kind = getattr(attn_mask, "dtype", type(attn_mask).__name__)
        raise TypeError(f"attn_mask is of {kind}, and cudrop adds nothing to scores: give a "
                        "boolean one, True for the first keys and False for the last, or lengths, "
                        "or keep torch.nn.functional.scaled_dot_product_attention there")
    attn_mask = attn_mask.expand(*attn_mask.shape[:-1], key.size(-2))
    seen = count_seen(attn_mask)
    seen = seen[(None,) * (query.dim() - 1 - seen.dim())]
    while seen.dim() > 1 and seen.size(-1) == 1:
        seen = seen.squeeze(-1)
    return seen.expand(query.shape[:seen.dim()]).contiguous()


def _find_mask(query: Tensor, mask: Optional[Mask], state: Optional[Tensor], dropout_p: float):
    """The mask and its state, drawn if there is none and dropout_p wants one."""
    require_probability(dropout_p, "dropout_p")
    if mask is None:
        if state is not None:
            raise ValueError("state stands for a mask's seed and offset, and mask is None")
        return draw_mask(query, dropout_p) if dropout_p else (None, None)
    if not isinstance(mask, Mask):
        raise TypeError(f"mask is a {type(mask).__name__}, and not a cudrop.Mask")
    if dropout_p not in (0, mask.p):
        raise ValueError(f"dropout_p = {dropout_p} and mask.p = {mask.p} differ: leave out "
                         "dropout_p, the mask has its own")
    return mask, state


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor,
                                 attn_mask: Optional[Tensor] = None, dropout_p: float = 0.0,
                                 is_causal: bool = False, scale: Optional[float] = None,
                                 enable_gqa: bool = False, *, mask: Optional[Mask] = None,
                                 lengths: Optional[Tensor] = None,
                                 state: Optional[Tensor] = None) -> Tensor:
    """drop(softmax(scale * query key^T)) value, as torch.nn.functional has it, in F32, F16 or BF16;
    no tensor of [queries, keys] is made, forward or backward.

    query      [..., heads, queries, D]; key and value are [..., heads, keys, D], with enable_gqa of
               fewer heads, which divide those of query. Strides may be any. What is copied: rows
               that are not dense, and rows that zeros pad because their D is no multiple of 8.
    attn_mask  a boolean one alone, of which each row is True for the first keys and False for the
               others, as [batch, 1, 1, keys] is for padding. It is read at every call, for which a
               GPU is waited for: `lengths` are faster.
    dropout_p  draws a mask from PyTorch's generator, as Dropout(dropout_p) does, at every call
    is_causal  query q sees the keys up to q alone ("top left")
    scale      1 / sqrt(D) if it is None
    mask       in place of dropout_p names what is dropped: what cudrop.attention() drops of scores
               [..., heads, queries, keys]. `state` is as in dropout().
    lengths    how many keys are seen, an int32 or int64 for each sequence, [batch], or of more of
               the first sizes of query, up to [..., heads, queries]; is_causal may come with them

    A query that sees no key has zeros. Under autocast the types are those of PyTorch's function
    (PyTorch 2.4 or later). Kept for backward are query, key, value, the result, and a float for
    each query; backward is not differentiable, and says so.
    """
    _require_shapes(query, key, value, enable_gqa)
    scale = _find_scale(scale, query.size(-1))
    mask, state = _find_mask(query, mask, state, dropout_p)
    lengths = _find_lengths(query, key, attn_mask, lengths, is_causal)
    cols = max(query.size(-1), value.size(-1))
    cols += -cols % 8
    q, k, v = (_pad(x, cols) for x in _cast(query, key, value))
    o = attend(q, k, v, scale, bool(is_causal), lengths, mask, state)
    return o if value.size(-1) == cols else o[..., :value.size(-1)]
