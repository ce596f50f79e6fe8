"""attention() of scores, beside PyTorch's own composition with the same mask."""
import unittest

try:
    import torch
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import cudrop
import cudrop.torch
from cudrop import Causal
from cudrop.torch._operators import HAS_OPERATORS, write_mask
from test_torch import MASK, bits, differentiate, leaf, scale_of

SHAPE = (2, 3, 5, 7)
BOUNDS = {torch.float32: 2e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}


class Weights(unittest.TestCase):
    def seen(self, causal=Causal.NOT_CAUSAL, query_offset=0, window=0, lengths=None):
        """Which keys each query sees, from the header's words."""
        queries, keys = SHAPE[-2:]
        key = torch.arange(keys)
        last = torch.arange(queries)[:, None] + (
            keys - queries if causal == Causal.CAUSAL_LAST else query_offset)
        seen = key <= last if causal else torch.ones(queries, keys, dtype=torch.bool)
        if window:
            seen = seen & (key > last - window)
        return seen if lengths is None else seen & (key < lengths[:, None, None, None])

    def reference(self, scores, mask, scale=1.0, **options):
        seen = self.seen(**options)
        weights = (scores.double() * scale).masked_fill(~seen, -1e300).softmax(-1) * seen
        return weights if mask is None else weights * scale_of(mask, SHAPE, torch.float64)

    def test_values_and_gradients_are_those_of_pytorchs_formula(self):
        for dtype, bound in BOUNDS.items():
            for mask in (MASK, None, MASK.share(0, 1)):
                for options in ({}, {"causal": True}, {"causal": Causal.CAUSAL_LAST, "window": 2},
                                {"lengths": torch.tensor([7, 3])}, {"scale": -0.3},
                                {"causal": Causal.CAUSAL, "query_offset": 1, "scale": 0.5,
                                 "lengths": torch.tensor([2, 6], dtype=torch.int32)}):
                    with self.subTest(dtype=dtype, mask=mask, **options):
                        results = [differentiate(lambda x: call(x, mask=mask, **options),
                                                 (leaf(*SHAPE, dtype=dtype),))
                                   for call in (cudrop.torch.attention, self.reference)]
                        for mine, theirs in zip(*results):
                            self.assertEqual(mine.dtype, dtype)
                            torch.testing.assert_close(mine.double(), theirs.double(), rtol=bound,
                                                       atol=bound)

    def test_weights_alone_are_saved(self):
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            cudrop.torch.attention(leaf(*SHAPE), mask=MASK, causal=True)
        self.assertEqual([each.shape for each in saved], [SHAPE])

    def test_a_gradient_of_a_gradient_is_refused(self):
        scores = leaf(*SHAPE)
        y = cudrop.torch.attention(scores, mask=MASK)
        dscores, = torch.autograd.grad(y.square().sum(), scores, create_graph=True)
        with self.assertRaisesRegex(RuntimeError, "cudrop.torch.attention is differentiable once"):
            dscores.sum().backward()

    def test_what_does_not_fit_is_refused_in_words(self):
        scores = leaf(*SHAPE)
        for arguments, words in (
                ({"lengths": torch.ones(3, dtype=torch.int64)}, "lengths has"),
                ({"lengths": torch.ones(2)}, "lengths has dtype"), ({"window": 2}, "window"),
                ({"scale": 0.0}, "scale = 0.0 is 0"), ({"causal": 3}, "it is one of Causal"),
                ({"scores": leaf(5)}, "rank"), ({"scores": None}, "scores is a NoneType")):
            with self.subTest(words=words), self.assertRaisesRegex(
                    (cudrop.Error, TypeError, ValueError), words):
                cudrop.torch.attention(**{"scores": scores, **arguments})


@unittest.skipUnless(HAS_OPERATORS, "operators take PyTorch 2.4")
class Operators(unittest.TestCase):
    def test_pytorchs_own_checks_pass(self):
        mask, scores = (cudrop.torch.make_state(42, 3), *write_mask(MASK)), leaf(*SHAPE)
        for options in ((1.0, 0, 0, 0, None), (0.5, 1, 1, 2, torch.tensor([2, 3]))):
            torch.library.opcheck(torch.ops.cudrop.attention.default, (scores, *options, *mask))
            torch.library.opcheck(torch.ops.cudrop.attention_backward.default,
                                  (scores.detach(), scores.detach(), *options, *mask))

    def test_compiled_bytes_are_equal(self):
        def call(x, lengths):
            return cudrop.torch.attention(x * 1, mask=MASK, causal=True, scale=0.5, lengths=lengths)

        compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
        for lengths in (None, torch.tensor([2, 6])):
            mine, theirs = (differentiate(lambda x: each(x, lengths), (leaf(*SHAPE),))
                            for each in (compiled, call))
            for got, wanted in zip(mine, theirs):
                self.assertEqual(bits(got), bits(wanted))


if __name__ == "__main__":
    unittest.main()
