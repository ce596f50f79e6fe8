"""Seeds and offsets from PyTorch's generators."""
import math
import threading
from typing import Optional, Sequence, Tuple

import torch
from torch import Tensor

from .._library import library
from ..mask import Mask, plain_mask, require_probability, require_word
from ._derivatives import register_kernel
from ._operators import HAS_OPERATORS, WORD, is_compiling, make_state, takes_operators


_scratch = threading.local()  # a new tensor takes longer than a random number


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
    is_default = generator is torch.default_generator  # whose device takes as long as its numbers
    if is_default or generator.device.type != "cuda":
        word = _scratch.__dict__.get("word")
        if word is None:
            word = _scratch.word = torch.empty((), dtype=torch.int64, device="cpu")
        if is_default:
            word.random_(-(1 << 63), None)
        else:
            word.random_(-(1 << 63), None, generator=generator)
        return library.cudrop_child_seed(word.item() & WORD, require_word("child", child)), 0
    position = generator.get_offset()
    generator.set_offset(position + 4)
    seed = generator.initial_seed() & WORD
    return library.cudrop_child_seed(seed, require_word("child", child)), position // 4


def default_generator(x: Tensor):
    """That of the device that x is on."""
    if x.is_cuda:
        return torch.cuda.default_generators[x.device.index]
    return torch.default_generator


def _draw_states(like: Tensor, child: int, sizes: Sequence[int] = ()) -> Tensor:
    generator = default_generator(like)
    states = [make_state(*draw(generator, child)) for _ in range(math.prod(sizes))]
    return torch.stack(states).reshape(*sizes, 2) if sizes else states[0]


def _draw_in_vmap(like: Tensor, child: int, sizes: Sequence[int]) -> Tensor:
    """What torch.vmap's randomness asks for: a refusal, a draw for all slices, or one for each."""
    interpreter = torch._functorch.pyfunctorch.retrieve_current_functorch_interpreter()
    randomness, level = interpreter.randomness(), interpreter.level()
    if randomness == "error":
        raise RuntimeError("vmap: a dropout of cudrop draws a mask while randomness='error': call "
                           "torch.vmap with randomness='same' or 'different', or give a Mask")
    like, _ = torch._C._functorch._unwrap_batched(like, level)
    is_same = randomness == "same"
    with torch._C._ExcludeDispatchKeyGuard(_VMAP_MODE):
        states = torch.ops.cudrop.draw(
            like, child, sizes if is_same else [interpreter.batch_size(), *sizes])
    return states if is_same else torch._C._functorch._add_batch_dim(states, 0, level)


def _register() -> None:
    # `like` says whose generator, `sizes` how many draws: the result is [*sizes, 2]. The tag keeps
    # two calls from becoming one, and one from two.
    torch.library.define("cudrop::draw", "(Tensor like, int child, SymInt[] sizes) -> Tensor",
                         tags=(torch.Tag.nondeterministic_seeded,))
    register_kernel("draw", _draw_states)
    register_kernel("draw", _draw_in_vmap, ("FuncTorchVmapMode",))  # even if `like` is one for all
    torch.library.register_fake(
        "cudrop::draw", lambda like, child, sizes: torch.empty((*sizes, 2), dtype=torch.int64,
                                                               device="cpu"))


def _are_kept_apart() -> bool:
    """Whether two draws in a graph stay two: PyTorch 2.4 merges equal calls whatever their tag."""
    try:
        from torch._functorch.compile_utils import fx_graph_cse
    except ImportError:
        return False
    graph = torch.fx.Graph()
    like = graph.placeholder("like")
    draws = [graph.call_function(torch.ops.cudrop.draw.default, (like, 0, [])) for _ in range(2)]
    graph.output(tuple(draws))
    return len(fx_graph_cse(graph).nodes) == len(graph.nodes)


def draw_in_graph(like: Tensor, child: int) -> Tensor:
    """The state of a draw from the default generator by an operator, which torch.compile, modes
    and torch.func's transforms see; outside, where the graph breaks, if PyTorch would not keep it
    apart from others in a graph."""
    if is_compiling() and not _KEPT_APART:
        return _outside(like, child)
    return torch.ops.cudrop.draw(like, child, [])


def draw_mask(x: Tensor, p: float, shared: Sequence[int] = (), child: int = 0,
              generator: Optional[torch.Generator] = None) -> Tuple[Mask, Optional[Tensor]]:
    """A mask for x, and where it is drawn in a graph the state that stands for its numbers."""
    x = x.values() if x.is_nested else x
    if generator is None and takes_operators(x):
        return Mask(0, 0, p, shared=tuple(shared)), draw_in_graph(x, child)
    if torch._C._is_tracing():
        raise RuntimeError("torch.jit.trace would make one mask a constant: trace in evaluation, "
                           "or use torch.compile")
    seed, offset = draw(generator or default_generator(x), child)
    if shared:
        return Mask(seed, offset, p, shared=tuple(shared)), None
    return plain_mask(seed, offset, float(require_probability(p))), None


_KEPT_APART = False
if HAS_OPERATORS:
    _VMAP_MODE = torch._C.DispatchKeySet(torch._C.DispatchKey.FuncTorchVmapMode)
    _register()
    _KEPT_APART = _are_kept_apart()
    _outside = torch._disable_dynamo(_draw_states)
