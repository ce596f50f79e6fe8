"""What operators that are differentiable once have in common."""
from typing import Callable, Optional

import torch
from torch import Tensor

from ..mask import Mask
from ._operators import HAS_OPERATORS, takes_operators


def refuse_others(name: str, instead: str) -> Callable:
    """What stands for derivatives that are not there: of a gradient, and forward mode's. PyTorch's
    once_differentiable would let a second derivative pass as 0 where the gradient that comes in has
    no gradient itself, though other inputs have one."""
    def refuse(*_):
        raise RuntimeError(f"cudrop.torch.{name} is differentiable once, and in reverse: for other "
                           f"derivatives compose {instead}")

    return refuse


if HAS_OPERATORS:
    _LIBRARY = torch.library.Library("cudrop", "FRAGMENT")  # kernels live as long as it does


def register_once(name: str, save: Callable, backward: Callable, refuse: Callable) -> None:
    """Register how the operator cudrop::`name` is differentiated: in reverse alone.

    save      save(ctx, inputs, output), as PyTorch's setup_context
    backward  backward(ctx, *gradients): the gradients of all inputs
    refuse    what refuse_others() made

    torch.library.register_autograd() would give tangents of 0 in silence under torch.func.jvp, and
    refuse torch.func.grad.
    """
    from torch._functorch.utils import enable_single_level_autograd_function
    from torch.autograd.forward_ad import _set_fwd_grad_enabled
    operator = getattr(torch.ops.cudrop, name).default

    class Node(torch.autograd.function._SingleLevelFunction):  # transforms are around the operator
        """The operator's node in a graph."""

        @staticmethod
        def forward(ctx, *inputs):
            *inputs, keys, has_gradients, has_tangents = inputs
            with torch.set_grad_enabled(has_gradients), _set_fwd_grad_enabled(has_tangents), \
                    torch._C._AutoDispatchBelowAutograd():
                output = operator.redispatch(keys & torch._C._after_autograd_keyset, *inputs)
            save(ctx, inputs, output)
            return output

        @staticmethod
        def backward(ctx, *gradients):
            return (*backward(ctx, *gradients), None, None, None)

        @staticmethod
        def jvp(ctx, *tangents):  # pylint: disable=unused-argument
            return refuse()

    def differentiate(keys, *inputs):
        # In forward() both modes are off, and transforms around this one want them as they are.
        with enable_single_level_autograd_function():
            return Node.apply(*inputs, keys, torch.is_grad_enabled(),
                              torch._C._is_fwd_grad_enabled())

    Node.__name__ = Node.__qualname__ = f"cudrop_{name}"
    _LIBRARY.impl(name, differentiate, "Autograd", with_keyset=True)


def dispatches(x: Tensor) -> bool:
    """takes_operators(), and under the transforms of torch.func too, which operators know."""
    return takes_operators(x) or HAS_OPERATORS and torch._C._are_functorch_transforms_active()


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
