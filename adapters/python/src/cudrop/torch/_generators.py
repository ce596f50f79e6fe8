"""Seeds and offsets from PyTorch's generators."""
from typing import Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..mask import Mask, child_seed
from ._operators import HAS_OPERATORS, WORD, is_compiling, make_state


def draw(generator, child: int = 0) -> Tuple[int, int]:
    """A seed and an offset that no other draw from the generator has.

    A CUDA generator counts positions of Philox, the random numbers that dropout is made of: the
    offset is its position / 4, the position is advanced by 4, and the seed is child `child` of the
    generator's, whose own numbers are PyTorch's. torch.manual_seed() gives all GPUs one seed and one
    position, so that equal calls on several GPUs draw equal masks, as tensor parallel copies must:
    where they are to differ, give each its own `child`. A CPU generator counts nothing of the kind:
    it gives 64 random bits, which become the seed, and the offset is 0.

    Either way the generator's state decides the mask: torch.manual_seed() repeats those of the
    default generators, and so does torch.utils.checkpoint; a generator of one's own is saved and
    repeated by nobody. While a CUDA graph is captured a generator cannot be read, and PyTorch
    says so.
    """
    if generator.device.type != "cuda":
        word = torch.empty((), dtype=torch.int64, device="cpu")
        word.random_(-(1 << 63), None, generator=generator)
        return child_seed(word.item() & WORD, child), 0
    position = generator.get_offset()
    generator.set_offset(position + 4)
    return child_seed(generator.initial_seed() & WORD, child), position // 4


def default_generator(x: Tensor):
    """That of the device that x is on."""
    if x.device.type == "cuda":
        return torch.cuda.default_generators[x.device.index]
    return torch.default_generator


def _draw_state(like: Tensor, child: int) -> Tensor:
    return make_state(*draw(default_generator(like), child))


def _register() -> None:
    # `like` says whose generator. The tag keeps two calls from becoming one, and one from two.
    torch.library.define("cudrop::draw", "(Tensor like, int child) -> Tensor",
                         tags=(torch.Tag.nondeterministic_seeded,))
    torch.library.impl("cudrop::draw", ("cpu", "cuda"), _draw_state)
    torch.library.register_fake(
        "cudrop::draw",
        lambda like, child: torch.empty(2, dtype=torch.int64, device="cpu"))


def _are_kept_apart() -> bool:
    """Whether two draws in a graph stay two: PyTorch 2.4 merges equal calls whatever their tag."""
    try:
        from torch._functorch.compile_utils import fx_graph_cse
    except ImportError:
        return False
    graph = torch.fx.Graph()
    like = graph.placeholder("like")
    draws = [graph.call_function(torch.ops.cudrop.draw.default, (like, 0)) for _ in range(2)]
    graph.output(tuple(draws))
    return len(fx_graph_cse(graph).nodes) == len(graph.nodes)


def draw_in_graph(like: Tensor, child: int) -> Tensor:
    """The state of a draw from the default generator, while torch.compile is looking on: by an
    operator where PyTorch keeps it apart from others, else outside, where the graph breaks."""
    return torch.ops.cudrop.draw(like, child) if _KEPT_APART else _outside(like, child)


def draw_mask(x: Tensor, p: float, shared: Sequence[int] = (), child: int = 0,
              generator: Optional[torch.Generator] = None) -> Tuple[Mask, Optional[Tensor]]:
    """A mask for x, and where it is drawn in a graph the state that stands for its numbers."""
    if is_compiling() and generator is None:
        return Mask(0, 0, p, shared=tuple(shared)), draw_in_graph(x, child)
    if torch.jit.is_tracing():
        raise RuntimeError("torch.jit.trace would make one mask a constant: trace in evaluation, "
                           "or use torch.compile")
    seed, offset = draw(generator or default_generator(x), child)
    return Mask(seed, offset, p, shared=tuple(shared)), None


_KEPT_APART = False
if HAS_OPERATORS:
    _register()
    _KEPT_APART = _are_kept_apart()
    _outside = torch.compiler.disable(_draw_state)
