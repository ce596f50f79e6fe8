"""What operators that are differentiable once have in common."""
from typing import Callable, Optional

import torch
from torch import Tensor

from ..mask import Mask


def refuse_others(name: str, instead: str) -> Callable:
    """What stands for derivatives that are not there: of a gradient, and forward mode's. PyTorch's
    once_differentiable would let a second derivative pass as 0 where the gradient that comes in has
    no gradient itself, though other inputs have one."""
    def refuse(*_):
        raise RuntimeError(f"cudrop.torch.{name} is differentiable once, and in reverse: for other "
                           f"derivatives compose {instead}")

    return refuse


def define_gradient(name: str, run, refuse, refuse_tangents) -> type:
    """The autograd Function `name`: a gradient, made by `run` of data, that has no derivatives."""
    return type(name, (torch.autograd.Function,), {
        "forward": staticmethod(lambda ctx, *arguments: run(*arguments)),
        "backward": staticmethod(refuse), "jvp": staticmethod(refuse_tangents)})


def require_tensor(x, name: str) -> None:
    """A TypeError for what is no tensor of PyTorch's."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}, and not a tensor of PyTorch's: functions "
                        "of cudrop take other arrays")


def require_mask(mask: Optional[Mask], state: Optional[Tensor]) -> None:
    """An error for what is no mask, and for a state that stands for none."""
    if mask is None and state is not None:
        raise ValueError("state stands for a mask's seed and offset, and mask is None")
    if mask is not None and not isinstance(mask, Mask):
        raise TypeError(f"mask is a {type(mask).__name__}, and not a cudrop.Mask")


def pick(gradient: Tensor, is_wanted) -> Optional[Tensor]:
    """A gradient that an operator returned, or None for one that it has left out."""
    return gradient if is_wanted else None


def type_of(x: Optional[Tensor], needs_gradient: bool) -> Optional[torch.dtype]:
    """The type of an input whose gradient is wanted; None of one whose gradient is not."""
    return x.dtype if x is not None and needs_gradient else None
