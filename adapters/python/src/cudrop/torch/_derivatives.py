"""Operators under autograd, forward mode and torch.func's transforms.

torch.library.register_autograd() knows no forward mode: under torch.func.jvp an operator of its
kind has tangents of 0, in silence. What is registered here is the kernel that it would make, with
a jvp.
"""
import torch
from torch import Tensor

from ._operators import HAS_OPERATORS

if HAS_OPERATORS:
    from torch._functorch.utils import enable_single_level_autograd_function
    from torch.autograd.forward_ad import _set_fwd_grad_enabled
    _LIBRARY = torch.library.Library("cudrop", "FRAGMENT")  # kernels live as long as it does


def register_kernel(name: str, run, keys=("CPU", "CUDA"), **options) -> None:
    """Register what the operator cudrop::`name` does, by default with tensors' data. Where a graph
    is broken, and the operator is called from Python, torch.compile must not trace it."""
    for key in keys:
        _LIBRARY.impl(name, torch._disable_dynamo(run), key, **options)


def register_derivatives(name: str, save, backward, jvp) -> None:
    """Register how the operator cudrop::`name` is differentiated.

    save      save(ctx, inputs, output), as PyTorch's setup_context
    backward  backward(ctx, *gradients): the gradients of all inputs
    jvp       jvp(ctx, *tangents): that of the output; a tangent is None where an input has none
    """
    operator = getattr(torch.ops.cudrop, name).default

    class Node(torch.autograd.function._SingleLevelFunction):  # the transforms are around it
        """An operator's node in a graph."""

        @staticmethod
        def forward(ctx, *arguments):
            *inputs, keys, modes = arguments
            ctx.has_forward_mode = modes[1]
            with torch.set_grad_enabled(modes[0]), _set_fwd_grad_enabled(modes[1]), \
                    torch._C._AutoDispatchBelowAutograd():
                output = operator.redispatch(keys & torch._C._after_autograd_keyset, *inputs)
            save(ctx, inputs, output)
            return output

        @staticmethod
        def backward(ctx, *gradients):
            return (*backward(ctx, *gradients), None, None)

        @staticmethod
        def jvp(ctx, *tangents):
            # PyTorch turns forward mode off here; a tangent may have a tangent of its own.
            with _set_fwd_grad_enabled(ctx.has_forward_mode):
                return jvp(ctx, *tangents[:-2])

    def differentiate(keys, *inputs):
        # In forward() the modes are off, and transforms around this one want them as they are.
        modes = torch.is_grad_enabled(), torch._C._is_fwd_grad_enabled()
        with enable_single_level_autograd_function():
            return Node.apply(*inputs, keys, modes)

    Node.__name__ = Node.__qualname__ = f"cudrop_{name}"
    register_kernel(name, differentiate, ("Autograd",), with_keyset=True)


def save_tensors(ctx, *tensors) -> None:
    """Save for backward and for jvp."""
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _take(argument, dim, index: int):
    return argument.select(dim, index) if isinstance(argument, Tensor) and dim is not None \
        else argument


def register_slices(name: str) -> None:
    """Register that torch.vmap runs the operator cudrop::`name` on one slice after the other."""
    operator = getattr(torch.ops.cudrop, name)

    def run(info, in_dims, *inputs):
        slices = [operator(*(_take(x, dim, index) for x, dim in zip(inputs, in_dims)))
                  for index in range(info.batch_size)]
        if isinstance(slices[0], Tensor):
            return torch.stack(slices), 0
        return tuple(map(torch.stack, zip(*slices))), (0,) * len(slices[0])

    register_vmap(name, run)


def register_vmap(name: str, rule) -> None:
    """torch.library.register_vmap(); PyTorch 2.4 has none, and runs slices by itself."""
    if hasattr(torch.library, "register_vmap"):
        torch.library.register_vmap(f"cudrop::{name}", torch._disable_dynamo(rule))
