"""replace_dropout(): the modules of a model that exists."""
from torch import nn

from . import _modules
from ..mask import require_word

_REPLACEMENTS = {getattr(nn, name): getattr(_modules, name)
                 for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout",
                              "FeatureAlphaDropout")}


def _find_replacement(module: nn.Module):
    kind = type(module)
    if kind.__name__.endswith("DropPath") and hasattr(module, "drop_prob") \
            and not isinstance(module, _modules.DropPath):
        return _modules.DropPath  # timm's, and those of the models that transformers has
    return _REPLACEMENTS.get(kind)


def replace_dropout(model: nn.Module, child: int = 0) -> int:
    """Make every dropout module of a model one of cudrop.torch's; returns how many there were.

        count = cudrop.torch.replace_dropout(model)

    A module stays the object that it is, with its p, inplace, mode and hooks, and gets another
    class: Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout or FeatureAlphaDropout for those
    of torch.nn, DropPath for classes whose name ends so and that have a drop_prob, as timm's have.
    inplace is turned off in alpha dropout, where torch.nn does not look at it. Classes that are
    derived from nn's stay. `child` is as in Dropout; modules that are cudrop.torch's already get
    it, too, and are not counted. state_dicts have no entry of a dropout, and fit before and after.

    torch.jit.script() does not compile these modules. torch.fx.symbolic_trace() looks into them
    and keeps the mode, training or evaluation, that they are traced in.

    Calls of functions are not reached, such as those of attention in the GPT-2 and BERT of
    transformers, which have a module there that they do not call; nor what nn.MultiheadAttention,
    nn.TransformerEncoderLayer and nn.LSTM drop themselves: see override_dropout().
    """
    require_word("child", child)
    replaced = 0
    for module in model.modules():
        replacement = _find_replacement(module)
        if replacement is not None:
            module.__class__ = replacement
            if isinstance(module, (nn.AlphaDropout, nn.FeatureAlphaDropout)):
                module.inplace = False
            replaced += 1
        if child and isinstance(module, _modules.Drawing):
            module.child = child
    return replaced
