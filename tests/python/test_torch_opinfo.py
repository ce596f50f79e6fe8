"""The samples of PyTorch's own tests of dropout, OpInfo's, while cudrop.torch is in its place."""
import collections
import itertools
import sys
import types
import unittest
import warnings

try:
    import torch
    from torch.autograd import gradcheck, gradgradcheck
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")
if torch.__version__ < "2.5":
    raise unittest.SkipTest(f"PyTorch {torch.__version__} has no overrides: it takes 2.5")

import cudrop.torch
from torch._subclasses import FakeTensorMode

# torch.testing imports it for a base class of test cases, and nothing here is one.
sys.modules.setdefault("expecttest", types.SimpleNamespace(TestCase=unittest.TestCase))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.common_utils import noncontiguous_like

NAMES = tuple(f"nn.functional.{name}" for name in (
    "dropout", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "scaled_dot_product_attention", "multi_head_attention_forward"))
GOAL = 4430  # of 4,444 with PyTorch 2.15, whose own dropout passes 4,440

# What may fail, and why: (name, check) to (how many, a part of the error's text).
EXCEPTIONS = {
    # PyTorch's kernel, which the samples without dropout_p reach, has no second derivative.
    ("scaled_dot_product_attention", "gradgradcheck"):
        (4, "_scaled_dot_product_flash_attention_for_cpu_backward is not implemented"),
}


class Sample:
    """One of an operator's samples, in one type, and the checks of it."""

    def __init__(self, op, dtype, sample):
        self.op, self.dtype, self.sample, self.x = op, dtype, sample, sample.input
        self.is_big = "attention" in op.name

    def call(self, x, *more):
        torch.manual_seed(42)
        return self.op.op(x, *more, *self.sample.args, **self.sample.kwargs)

    def same(self, x, y):
        torch.testing.assert_close(x, y, equal_nan=True)

    def check_forward(self):
        y = self.call(self.x.clone())
        assert (y[0] if isinstance(y, tuple) else y).dtype == self.dtype

    def check_seed_repeats(self):
        self.same(self.call(self.x.clone()), self.call(self.x.clone()))

    def check_noncontiguous(self):
        self.same(self.call(self.x.clone()), self.call(noncontiguous_like(self.x)))

    def check_meta(self):
        assert self.call(self.x.to("meta")).shape == self.x.shape

    def check_fake(self):
        with FakeTensorMode() as mode:
            assert self.call(mode.from_tensor(self.x)).shape == self.x.shape

    def check_inplace(self):
        x = self.x.clone()
        torch.manual_seed(42)
        y = self.op.inplace_variant(x, *self.sample.args, **self.sample.kwargs)
        assert y is x or y.data_ptr() == x.data_ptr()
        self.same(x, self.call(self.x.clone()))

    def check_neg_view(self):
        x = torch._neg_view(-self.x) if self.dtype.is_floating_point else self.x
        self.same(self.call(self.x.clone()), self.call(x))

    def check_vmap(self):
        torch.vmap(self.call_unseeded, randomness="different")(torch.stack([self.x, self.x]))

    def call_unseeded(self, x):
        return self.op.op(x, *self.sample.args, **self.sample.kwargs)

    def leaf(self):
        return self.x.clone().requires_grad_()

    def check_gradcheck(self):
        assert gradcheck(self.call, (self.leaf(),), fast_mode=True)

    def check_gradgradcheck(self):
        assert gradgradcheck(self.call, (self.leaf(),), fast_mode=True)

    def check_batched_grad(self):
        if self.x.numel() <= 30:
            assert gradcheck(self.call, (self.leaf(),), check_batched_grad=True)

    def check_forward_ad(self):
        assert gradcheck(self.call, (self.leaf(),), check_forward_ad=True,
                         check_backward_ad=False, fast_mode=True)

    def check_func_grad(self):
        assert torch.func.grad(lambda x: self.call(x).sum())(self.x).shape == self.x.shape

    def list_checks(self):
        names = ["forward", "seed_repeats"]
        if not self.is_big:
            names += ["noncontiguous", "meta", "fake", "neg_view"]
            names += ["inplace"] if self.op.inplace_variant is not None else []
            names += ["vmap"] if self.dtype == torch.float32 else []
        if self.dtype == torch.float64 and (self.x.numel() < 200 or not self.is_big):
            names += ["gradcheck", "gradgradcheck"]
            names += [] if self.is_big else ["batched_grad", "forward_ad", "func_grad"]
        return names


def list_samples(name: str, dtypes):
    is_big = "attention" in name
    if is_big:
        dtypes = (torch.float32, torch.float64)
    for op in (each for each in op_db if each.name == name):
        for dtype in sorted(op.dtypes if dtypes is None else dtypes, key=str):
            samples = list(op.sample_inputs("cpu", dtype, requires_grad=False))
            for sample in samples[:12] if is_big else samples:
                yield Sample(op, dtype, sample)


def run(name: str, dtypes=None):
    """How many checks passed, and of those that failed the texts, by check."""
    passed, failed = 0, collections.defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in list_samples(name, dtypes):
            for check in sample.list_checks():
                try:
                    getattr(sample, f"check_{check}")()
                    passed += 1
                except Exception as error:  # pylint: disable=broad-exception-caught
                    failed[check].append(f"{type(error).__name__}: {error}")
    return passed, dict(failed)


class Samples(unittest.TestCase):
    def test_samples_pass_but_for_those_that_are_named(self):
        total, draws, draw = 0, [], cudrop.torch._generators.draw
        cudrop.torch._generators.draw = lambda *more: draws.append(1) or draw(*more)
        self.addCleanup(setattr, cudrop.torch._generators, "draw", draw)
        for name in NAMES:
            before = len(draws)
            with self.subTest(name=name), cudrop.torch.override_dropout():
                passed, failed = run(name)
                total += passed
                self.assertGreater(len(draws), before)  # it was cudrop's dropout
                for check, texts in failed.items():
                    allowed, text = EXCEPTIONS.get((name[len("nn.functional."):], check), (0, ""))
                    self.assertLessEqual(len(texts), allowed, (name, check, texts[0]))
                    self.assertTrue(all(text in each for each in texts), texts)
        print(f"{total} checks passed, ", end="")
        self.assertGreaterEqual(total, GOAL)

    def test_a_wrong_dropout_fails_them(self):
        apply = cudrop.torch._sites.apply
        self.addCleanup(setattr, cudrop.torch._sites, "apply", apply)
        wrongs = {  # and the checks that notice
            "always another mask": (lambda operator, x, mask, state: apply(
                operator, x, cudrop.Mask(1, next(counter), mask.p), None),
                ("seed_repeats", "gradcheck")),
            "no gradient": (lambda *more: apply(*more).detach(), ("gradcheck", "forward_ad")),
            "another type": (lambda *more: apply(*more).double(), ("forward",)),
            "numbers of one's own": (lambda operator, x, mask, state: torch.from_numpy(
                cudrop.dropout(x.detach().numpy(), mask)), ("fake", "vmap", "forward_ad")),
        }
        counter = itertools.count()
        for wrong, (broken, noticed) in wrongs.items():
            cudrop.torch._sites.apply = broken
            with self.subTest(wrong=wrong), cudrop.torch.override_dropout():
                _, failed = run("nn.functional.dropout", (torch.float32, torch.float64))
                self.assertLessEqual(set(noticed), set(failed))


if __name__ == "__main__":
    unittest.main()
