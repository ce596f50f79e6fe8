"""Masks as values, and the seeds and offsets that they are made of."""
import ctypes
import operator
from dataclasses import dataclass, fields
from typing import Optional, Sequence, Tuple

from ._library import library
from ._structs import MAX_RANK, MaskStruct

_LIMIT = 1 << 64


def _require_integer(name: str, value: int) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} = {value!r} is a {type(value).__name__}, and not an "
                        "integer") from None


def require_word(name: str, value: int) -> int:
    """The value as an int, if it is one of 64 bits: ctypes would cut it."""
    word = _require_integer(name, value)
    if not 0 <= word < _LIMIT:
        raise ValueError(f"{name} = {word} is outside [0, 2^64)")
    return word


def require_int(name: str, value: int, bits: int = 64) -> int:
    """The same for signed integers: C's int64_t, or with 32 bits its int."""
    number = _require_integer(name, value)
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise ValueError(f"{name} = {number} is outside [-2^{bits - 1}, 2^{bits - 1})")
    return number


def require_number(name: str, value: float) -> float:
    """The value, if a C double can be made of it and no gradient is lost by that."""
    if isinstance(value, (float, int)):
        return value
    if getattr(value, "requires_grad", False):
        raise TypeError(f"{name} is a tensor that requires grad, and cudrop has no gradient for "
                        f"it: give {name}.item() for a fixed number")
    if not hasattr(value, "__float__"):
        raise TypeError(f"{name} = {value!r} is a {type(value).__name__}, and not a number")
    return value


def require_probability(p: float, name: str = "p") -> float:
    """p, if it is a number in [0, 1]."""
    if not 0 <= require_number(name, p) <= 1:
        raise ValueError(f"{name} = {p} is outside [0, 1]")
    return p


@dataclass(frozen=True)
class Mask:
    """Which elements are dropped: a value that is kept between forward and backward.

    seed    names the experiment, offset the call; each is any integer of 64 bits. Give every
            dropout an offset of its own: offset() numbers them.
    p       the probability to drop.
    whole   the shape of the tensor that the array is a part of, and `start` the coordinates at
            which it begins there: all parts together drop what the whole would.
    shared  dimensions along which elements are kept or dropped together, negative ones from the
            end: (2, 3) of [N, C, H, W] is Dropout2d, (1, 2, 3) DropPath.
    index_base, index_stride
            in place of whole, start and shared: the index map itself, as in cudrop.h.

        mask = cudrop.Mask(seed=42, offset=step, p=0.1)
        y = cudrop.dropout(x, mask)
        dx = cudrop.dropout_backward(dy, mask)
    """

    seed: int
    offset: int
    p: float
    whole: Optional[Tuple[int, ...]] = None
    start: Optional[Tuple[int, ...]] = None
    shared: Tuple[int, ...] = ()
    index_base: int = 0
    index_stride: Optional[Tuple[int, ...]] = None

    def __post_init__(self):
        for name in ("seed", "offset", "index_base"):
            require_word(name, getattr(self, name))
        p = require_probability(self.p)
        if not isinstance(p, (float, int)):  # such as a tensor, whose number may change
            object.__setattr__(self, "p", float(p))
        for name in ("whole", "start", "index_stride", "shared"):
            sizes = getattr(self, name)
            if sizes is not None and not isinstance(sizes, tuple):
                raise TypeError(f"{name} = {sizes} is not a tuple")
            if sizes is not None and len(sizes) > MAX_RANK:
                raise ValueError(f"{name} has {len(sizes)} dimensions, and there are at most "
                                 f"{MAX_RANK}")
        if (self.whole is None) != (self.start is None):
            raise ValueError("whole and start come together")
        if self.whole is not None and len(self.whole) != len(self.start):
            raise ValueError(f"whole = {self.whole} and start = {self.start} differ in length")
        has_map = self.index_stride is not None or self.index_base != 0
        if has_map and (self.whole is not None or self.shared):
            raise ValueError("an index map stands in place of whole, start and shared")

    def shard(self, whole: Sequence[int], start: Sequence[int]) -> "Mask":
        """The same mask for a part of a tensor of shape `whole` that begins at `start`."""
        return Mask(self.seed, self.offset, self.p, tuple(whole), tuple(start), self.shared,
                    self.index_base, self.index_stride)

    def share(self, *dims: int) -> "Mask":
        """The same mask with elements along these dimensions kept or dropped together, in place of
        those that were shared before."""
        return Mask(self.seed, self.offset, self.p, self.whole, self.start, tuple(dims),
                    self.index_base, self.index_stride)

    def resolve(self, shape: Sequence[int]) -> MaskStruct:
        """The cudrop_mask_t for arrays of a shape."""
        mask = library.cudrop_mask(int(self.seed), int(self.offset), self.p)
        if self.index_stride is not None:
            mask.index_rank = len(self.index_stride)
            mask.index_stride[:mask.index_rank] = sizes("index_stride", self.index_stride)
        mask.index_base = int(self.index_base)
        if self.whole is None and not self.shared:
            return mask
        whole = shape if self.whole is None else self.whole
        start = (0,) * len(whole) if self.start is None else self.start
        self._require_inside(shape)
        dims = {self._find_dim(dim, len(whole)) for dim in self.shared}  # 1 and -1 may be the same
        bits = sum(1 << dim for dim in dims)
        library.cudrop_mask_share(ctypes.byref(mask), len(whole), sizes("whole", whole),
                                  sizes("start", start), bits)
        return mask

    def _require_inside(self, shape: Sequence[int]) -> None:
        """Beyond its whole a part would get the mask of the next row."""
        if self.whole is None:
            return
        if len(shape) != len(self.whole):
            raise ValueError(f"the shape {tuple(shape)} has not as many dimensions as "
                             f"whole = {self.whole}")
        if any(begin + size > limit
               for begin, size, limit in zip(self.start, shape, self.whole)):
            raise ValueError(f"the shape {tuple(shape)} at start = {self.start} is not inside "
                             f"whole = {self.whole}")

    @staticmethod
    def _find_dim(dim: int, rank: int) -> int:
        if not -rank <= dim < rank:
            raise ValueError(f"shared has dimension {dim} of {rank}")
        return dim % rank


_DEFAULTS = {field.name: field.default for field in fields(Mask)}


def plain_mask(seed: int, offset: int, p: float) -> Mask:
    """Mask(seed, offset, p) of numbers that are known to be right, in a fourth of its time."""
    mask = object.__new__(Mask)
    mask.__dict__.update(_DEFAULTS, seed=seed, offset=offset, p=p)
    return mask


def resolve(mask: Mask, shape: Sequence[int]) -> MaskStruct:
    """mask.resolve(), or a TypeError for what is no mask, such as a p."""
    if not isinstance(mask, Mask):
        raise TypeError(f"mask is a {type(mask).__name__}, and not a cudrop.Mask")
    return mask.resolve(shape)


def sizes(name: str, values: Sequence[int]):
    """A C array of int64_t."""
    return (ctypes.c_int64 * len(values))(*(require_int(name, value) for value in values))


def offset(step: int, site: int = 0, sites: int = 1, microbatch: int = 0,
           microbatches: int = 1) -> int:
    """(step * microbatches + microbatch) * sites + site: an offset for each dropout of a training,
    from a formula in place of a counter, so that recomputing and resuming need no state."""
    result = ctypes.c_uint64()
    words = [require_word(name, value) for name, value in (
        ("step", step), ("microbatches", microbatches), ("microbatch", microbatch),
        ("sites", sites), ("site", site))]
    library.cudrop_offset(*words, ctypes.byref(result))
    return result.value


def child_seed(seed: int, id: int) -> int:  # pylint: disable=redefined-builtin
    """The seed of child `id`, a hash: of a rank that drops differently, of another experiment."""
    return library.cudrop_child_seed(require_word("seed", seed), require_word("id", id))
