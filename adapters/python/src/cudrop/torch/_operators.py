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

_PLAIN = (Tensor, torch.nn.Parameter)
HAS_OPERATORS = hasattr(torch.library, "register_autograd")  # since PyTorch 2.4


def is_compiling() -> bool:
    """Whether torch.compile or torch.export is looking on."""
    return HAS_OPERATORS and torch.compiler.is_compiling()


def takes_operators(x: Tensor) -> bool:
    """Whether a call with x must be an operator: under torch.compile and torch.func's transforms,
    while a mode such as make_fx's looks on, for a fake tensor or another subclass that dispatches,
    for one without data, and for gradients in a batch (is_grads_batched). Else a Function does,
    whose call takes a fifth of the time."""
    if not HAS_OPERATORS:
        return False
    return (torch.compiler.is_compiling() or type(x) not in _PLAIN or x.is_meta
            or torch._C._are_functorch_transforms_active()
            or torch._C._len_torch_dispatch_stack() > 0
            or torch._C._functorch.is_legacy_batchedtensor(x))


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def make_state(seed: int, offset: int) -> Tensor:
    """Seed and offset as a tensor, for the argument `state` of dropout() and its kin."""
    words = require_word("seed", seed), require_word("offset", offset)
    return torch.tensor([_signed(word) for word in words], dtype=torch.int64, device="cpu")


def write_state(mask: Optional[Mask], state: Optional[Tensor] = None):
    """The arguments of an operator for a mask, which may be None, and a state in place of its
    numbers."""
    if mask is None:
        return None, *write_mask(NO_MASK)
    return make_state(mask.seed, mask.offset) if state is None else state, *write_mask(mask)


def write_mask(mask: Mask):
    """What MASK_SCHEMA has of a mask."""
    return (mask.p, mask.whole, mask.start, mask.shared, mask.index_base, mask.index_stride)


def read_mask(state: Tensor, *written) -> Mask:
    """The mask of a state and of what write_mask() wrote."""
    return make_mask(state.tolist(), *written)


def make_mask(words, p, whole, start, shared, index_base, index_stride) -> Mask:
    """The mask of a state's numbers and of what write_mask() wrote."""
    seed, offset = (word & WORD for word in words)
    whole, start, stride = (None if each is None else tuple(each)
                            for each in (whole, start, index_stride))
    return Mask(seed, offset, p, whole, start, tuple(shared), index_base, stride)


def read_map(*written) -> Mask:
    """The mask of what write_mask() wrote, for a state to stand in for its numbers."""
    return make_mask((0, 0), *written)


def read_state(state: Optional[Tensor], written) -> Optional[Mask]:
    """The same of an operator that may have no mask: its state is None then."""
    return None if state is None else read_mask(state, *written)


def with_state(mask: Mask, state: Optional[Tensor]) -> Mask:
    """The mask, or with a state that stands for its seed and offset another."""
    return mask if state is None else read_mask(state, *write_mask(mask))
