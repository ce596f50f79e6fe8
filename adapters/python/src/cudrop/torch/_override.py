"""override_dropout(): the functions of PyTorch, wherever they are called."""
import threading

import torch
from torch import Tensor

from ._attention import scaled_dot_product_attention
from ._dropout import dropout
from ._generators import draw_mask
from ._operators import HAS_OPERATORS
from ._sites import drop_site

# Where a call arrives: with autograd and without, and inside torch.func's transforms.
_KEYS = ("AutogradCPU", "AutogradCUDA", "CPU", "CUDA", "FuncTorchDynamicLayerFrontMode")
_ATEN = torch.ops.aten
_SITES = {"dropout": "dropout", "feature_dropout": "dropout2d", "alpha_dropout": "alpha_dropout",
          "feature_alpha_dropout": "feature_alpha_dropout"}
_MAX_COLS = 256  # of a head
_TAG = "cudrop.override_dropout"


def _make_site(name: str, kind: str, inplace: bool):
    own = getattr(_ATEN, name).default

    def run(x, p, train):
        if not train or p == 0:
            return own.decompose(x, p, train)  # as it is without an override
        return drop_site(kind, x, p, inplace=inplace)

    return run


def _native_dropout(x: Tensor, p: float, train):
    if train is False or p == 0:  # None is True there
        return x.clone(), torch.ones_like(x, dtype=torch.bool)
    mask, state = draw_mask(x, p)
    return dropout(x, mask, state), dropout(torch.ones_like(x), mask, state) != 0


def _is_taken(q: Tensor, k: Tensor, v: Tensor, attn_mask, scale, enable_gqa: bool) -> bool:
    """Whether attention has no more than cudrop's own takes."""
    return (attn_mask is None and scale != 0 and q.size(-1) > 0
            and q.dtype in (torch.float32, torch.float16, torch.bfloat16)
            and q.dtype == k.dtype == v.dtype and q.dim() == k.dim() == v.dim() >= 2
            and k.shape[:-1] == v.shape[:-1] and max(q.size(-1), v.size(-1)) <= _MAX_COLS
            and (q.shape[:-2] == k.shape[:-2] or enable_gqa and q.shape[:-3] == k.shape[:-3]))


def _attend(q: Tensor, k: Tensor, v: Tensor, attn_mask=None, dropout_p=0.0, is_causal=False, *,
            scale=None, enable_gqa=False) -> Tensor:
    options = {"scale": scale, "enable_gqa": enable_gqa}
    if dropout_p == 0:
        return _ATEN.scaled_dot_product_attention.default.decompose(
            q, k, v, attn_mask, dropout_p, is_causal, **options)
    if _is_taken(q, k, v, attn_mask, scale, enable_gqa):
        return scaled_dot_product_attention(q, k, v, None, dropout_p, is_causal, **options)
    if attn_mask is not None and attn_mask.dtype == torch.bool:  # which is added below
        attn_mask = torch.zeros_like(attn_mask, dtype=q.dtype).masked_fill(~attn_mask, -torch.inf)
    return _ATEN._scaled_dot_product_attention_math(  # which calls dropout
        q, k, v, attn_mask, dropout_p, is_causal, **options)[0]


def _register() -> torch.library.Library:
    library = torch.library.Library("aten", "IMPL")
    kernels = {"scaled_dot_product_attention": _attend}
    for name, kind in _SITES.items():
        kernels[name] = _make_site(name, kind, False)
        kernels[f"{name}_"] = _make_site(f"{name}_", kind, True)
    kernels["native_dropout"] = _native_dropout  # which has kernels of PyTorch's there
    for name, kernel in kernels.items():
        for key in _KEYS:
            library.impl(name, torch._disable_dynamo(kernel), key,
                         allow_override=name == "native_dropout")
    return library


def _forget_kernels(is_begun: bool) -> None:
    """Compiled graphs do not ask whose dropout they have: forget them, the kernels that tracing
    has looked up, and keep apart the graphs that caches on disk have."""
    config = torch.compiler.config
    config.cache_key_tag = _TAG + config.cache_key_tag if is_begun \
        else config.cache_key_tag.replace(_TAG, "", 1)
    for name in (*_SITES, *(f"{name}_" for name in _SITES), "native_dropout",
                 "scaled_dot_product_attention"):
        getattr(_ATEN, name).default._dispatch_cache.clear()
    torch._dynamo.reset()


class Override:
    """What override_dropout() has begun, until remove() or the end of its `with`. A second `with`
    of the same object begins once more, and ends what it began."""

    _library, _begun, _lock = None, 0, threading.Lock()

    def __init__(self):
        if not HAS_OPERATORS:
            raise RuntimeError("override_dropout() takes PyTorch 2.4 or later: use "
                               "replace_dropout()")
        self._begins, self._is_entered = 0, False
        self._begin()

    def _begin(self) -> None:
        with Override._lock:
            if Override._begun == 0:
                Override._library = _register()
                _forget_kernels(True)
            Override._begun += 1
            self._begins += 1

    def _end(self, begins: int) -> None:
        with Override._lock:
            begins = min(begins, self._begins)
            self._begins -= begins
            Override._begun -= begins
            if begins > 0 and Override._begun == 0:
                Override._library._destroy()
                Override._library = None
                _forget_kernels(False)

    def remove(self) -> None:
        """End it; a second call does nothing. PyTorch's own are back with the last override."""
        self._end(self._begins)

    def __enter__(self) -> "Override":
        if self._is_entered or self._begins == 0:
            self._begin()
        self._is_entered = True
        return self

    def __exit__(self, *_) -> None:
        self._end(1)


def override_dropout() -> Override:
    """Give PyTorch's functions of dropout the masks of cudrop, in models that one cannot edit.

        cudrop.torch.override_dropout()            # for the rest of the program
        with cudrop.torch.override_dropout(): ...  # or up to here, or .remove()

    Reached are torch.nn.functional.dropout, dropout1d, dropout2d, dropout3d, alpha_dropout and
    feature_alpha_dropout, torch.native_dropout and scaled_dot_product_attention with a dropout_p,
    whoever calls them on a CPU or a CUDA device: modules of torch.nn, nn.LSTM and its kin,
    nn.MultiheadAttention, C++; in torch.func's transforms, and in graphs that torch.compile makes.
    Attention with an attn_mask, in F64, or with heads of more than 256 columns is made of a matrix
    of weights, of which cudrop drops some, and never PyTorch's fused kernel; other attention is
    cudrop's own, which has no gradient of its gradient. In evaluation, and where p is 0, PyTorch's
    functions are what they were; integers are refused elsewhere.

    Not reached is what draws by other functions, as timm's DropPath does: see replace_dropout().
    On a GPU cuDNN's LSTM drops inside itself.

    A begin and an end make torch.compile forget its graphs: begin once, and not at every step.
    """
    return Override()
