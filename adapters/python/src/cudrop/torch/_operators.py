"""What PyTorch's operators, for torch.compile, have in common: a mask in the types of a schema.

Seed and offset are a tensor on the CPU, so that a graph that was compiled for one offset serves the
next; p and the index map are numbers.
"""
from typing import Optional

import torch
from torch import Tensor

from ..mask import Mask, require_word

WORD = (1 << 64) - 1

# As a part of a schema, and how many arguments that is.
MASK_SCHEMA = ("float p, SymInt[]? whole, SymInt[]? start, int[] shared, SymInt index_base, "
               "SymInt[]? index_stride")
MASK_ARGUMENTS = 6
NO_MASK = Mask(0, 0, 0.0)  # of an operator whose state is None

HAS_OPERATORS = hasattr(torch.library, "register_autograd")  # since PyTorch 2.4


def is_compiling() -> bool:
    """Whether torch.compile or torch.export is looking on."""
    return HAS_OPERATORS and torch.compiler.is_compiling()


def takes_operators(x: Tensor) -> bool:
    """Whether a call with x must be an operator: under torch.compile, for a fake tensor or another
    subclass that dispatches, and for one without data. Else a Function does, whose call takes a
    fifth of the time."""
    is_plain = type(x) in (Tensor, torch.nn.Parameter) and x.device.type != "meta"
    return HAS_OPERATORS and (torch.compiler.is_compiling() or not is_plain)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def make_state(seed: int, offset: int) -> Tensor:
    """Seed and offset as a tensor, for the argument `state` of dropout() and its kin."""
    words = require_word("seed", seed), require_word("offset", offset)
    return torch.tensor([_signed(word) for word in words], dtype=torch.int64, device="cpu")


def write_mask(mask: Mask):
    """What MASK_SCHEMA has of a mask."""
    return (mask.p, mask.whole, mask.start, mask.shared, mask.index_base, mask.index_stride)


def read_mask(state: Tensor, p, whole, start, shared, index_base, index_stride) -> Mask:
    """The mask of a state and of what write_mask() wrote."""
    seed, offset = (word & WORD for word in state.tolist())
    whole, start, stride = (None if each is None else tuple(each)
                            for each in (whole, start, index_stride))
    return Mask(seed, offset, p, whole, start, tuple(shared), index_base, stride)


def read_state(state: Optional[Tensor], written) -> Optional[Mask]:
    """The same of an operator that may have no mask: its state is None then."""
    return None if state is None else read_mask(state, *written)


def with_state(mask: Mask, state: Optional[Tensor]) -> Mask:
    """The mask, or with a state that stands for its seed and offset another."""
    return mask if state is None else read_mask(state, *write_mask(mask))
