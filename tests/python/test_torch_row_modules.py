"""DropoutAddLayerNorm and its kin, beside the functions, and beside PyTorch's in evaluation."""
import copy
import unittest

try:
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.checkpoint import checkpoint
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import cudrop
import cudrop.torch
from cudrop import Norm
from cudrop.torch._operators import HAS_OPERATORS
from test_torch import bits, leaf

ROWS, COLS, VOCABULARY, TOKENS = 6, 40, 11, 5
IDS = torch.tensor([[1, 4, 10, 4, 0], [2, 2, 9, 3, 7]])


def drawn(p, seed=7):
    """The mask that a module draws first after torch.manual_seed(seed)."""
    torch.manual_seed(seed)
    return cudrop.Mask(*cudrop.torch.draw(torch.default_generator), p)


def learned(module):
    """The module, with parameters that are not those of the begin."""
    for i, parameter in enumerate(module.parameters()):
        parameter.data.copy_(leaf(*parameter.shape, seed=20 + i).detach())
    return module


class RowModules(unittest.TestCase):
    def test_norms_are_the_function_with_the_mask_that_is_drawn(self):
        x, residual, bias = leaf(ROWS, COLS), leaf(ROWS, COLS, seed=2), leaf(COLS, seed=3)
        for kind, make in ((Norm.LAYER_NORM, cudrop.torch.DropoutAddLayerNorm),
                           (Norm.RMS_NORM, cudrop.torch.DropoutAddRMSNorm)):
            layer = learned(make(COLS, 0.4, epsilon=1e-3))
            mask = drawn(0.4)
            torch.manual_seed(7)
            y, h = layer(x, residual=residual, bias=bias)
            want = cudrop.torch.norm(x, bias=bias, mask=mask, residual=residual, kind=kind,
                                     gamma=layer.weight, beta=layer.bias, epsilon=1e-3)
            self.assertEqual((bits(y), bits(h)), (bits(want.y), bits(want.h)))
            self.assertNotEqual(bits(layer(x, residual=residual, bias=bias).h), bits(h))

    def test_evaluation_and_a_p_of_0_drop_and_draw_nothing(self):
        x, residual = leaf(ROWS, COLS), leaf(ROWS, COLS, seed=2)
        before = torch.get_rng_state()
        for layer in (cudrop.torch.DropoutAddLayerNorm(COLS, 0.4).eval(),
                      cudrop.torch.DropoutAddLayerNorm(COLS, 0.0)):
            y, h = learned(layer)(x, residual=residual)
            torch.testing.assert_close(h, x + residual)
            torch.testing.assert_close(y, functional.layer_norm(h, (COLS,), layer.weight,
                                                                layer.bias), rtol=1e-5, atol=1e-5)
        table = cudrop.torch.DropoutEmbedding(VOCABULARY, COLS, p=1.0, device="meta").to_empty(
            device="cpu")
        table = learned(table).eval()
        torch.testing.assert_close(table(IDS), functional.embedding(IDS, table.weight))
        self.assertTrue(torch.equal(before, torch.get_rng_state()))

    def test_state_dicts_fit_those_of_pytorchs_modules(self):
        pairs = [(cudrop.torch.DropoutAddLayerNorm(COLS), nn.LayerNorm(COLS)),
                 (cudrop.torch.DropoutEmbedding(VOCABULARY, COLS), nn.Embedding(VOCABULARY, COLS))]
        if hasattr(nn, "RMSNorm"):
            pairs.append((cudrop.torch.DropoutAddRMSNorm(COLS), nn.RMSNorm(COLS)))
        for mine, theirs in pairs:
            mine.load_state_dict(learned(theirs).state_dict())
            for name, parameter in mine.state_dict().items():
                self.assertTrue(torch.equal(parameter, theirs.state_dict()[name]))
            theirs.load_state_dict(mine.state_dict())

    def test_embedding_is_the_function_with_the_mask_that_is_drawn(self):
        table = learned(
            cudrop.torch.DropoutEmbedding(VOCABULARY, COLS, positions=TOKENS + 2, p=0.4))
        mask = drawn(0.4)
        torch.manual_seed(7)
        y = table(IDS)
        self.assertEqual(bits(y), bits(cudrop.torch.embedding(
            IDS, table.weight, positions=table.positions, mask=mask)))
        y.sum().backward()
        self.assertEqual(table.positions.grad[TOKENS:].abs().sum(), 0)
        self.assertGreater(table.positions.grad[:TOKENS].abs().sum(), 0)

    def test_checkpointing_repeats_the_mask(self):
        layer, x = learned(cudrop.torch.DropoutAddRMSNorm(COLS, 0.4)), leaf(ROWS, COLS)
        gradients = []
        for call in (layer, lambda *each: checkpoint(layer, *each, use_reentrant=False)):
            torch.manual_seed(7)
            y, h = call(x, x * 2)
            gradients.append(torch.autograd.grad((y * h).sum(), (x, layer.weight)))
        for mine, theirs in zip(*gradients):
            self.assertEqual(bits(mine), bits(theirs))

    def test_they_say_what_they_are_and_are_copied(self):
        for make, said in (
                (lambda: cudrop.torch.DropoutAddLayerNorm(COLS),
                 "DropoutAddLayerNorm(40, p=0.1, epsilon=1e-05)"),
                (lambda: cudrop.torch.DropoutEmbedding(VOCABULARY, COLS, positions=3, p=0.5),
                 "DropoutEmbedding(11, 40, positions=3, p=0.5)")):
            self.assertEqual(repr(copy.deepcopy(make())), said)
        with self.assertRaisesRegex(ValueError, "p = 1.5 is outside"):
            cudrop.torch.DropoutAddRMSNorm(COLS, 1.5)

    @unittest.skipUnless(HAS_OPERATORS, "operators take PyTorch 2.4")
    def test_vmap_draws_one_mask_or_one_for_each_slice_as_it_is_told(self):
        layer, x = cudrop.torch.DropoutAddLayerNorm(COLS, 0.4), torch.ones(2, ROWS, COLS)
        for randomness, is_same in (("same", True), ("different", False)):
            h = torch.func.vmap(lambda x: layer(x).h, randomness=randomness)(x)
            self.assertEqual(bits(h[0]) == bits(h[1]), is_same)
        with self.assertRaisesRegex(RuntimeError, "randomness='error'"):
            torch.func.vmap(layer)(x)

    @unittest.skipUnless(HAS_OPERATORS, "operators take PyTorch 2.4")
    def test_a_compiled_block_draws_as_an_eager_one(self):
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = cudrop.torch.DropoutEmbedding(VOCABULARY, COLS, positions=TOKENS)
                self.linear = nn.Linear(COLS, COLS)
                self.norm = cudrop.torch.DropoutAddLayerNorm(COLS, 0.4)

            def forward(self, ids):
                h = self.embed(ids)
                y, h = self.norm(self.linear(h), residual=h)
                return y + h

        block = Block()
        results = []
        for call in (block, torch.compile(block, backend="aot_eager")):
            torch.manual_seed(7)
            y = call(IDS)
            block.zero_grad()
            y.square().sum().backward()
            results.append((bits(y), [bits(x.grad) for x in block.parameters()]))
            self.assertNotEqual(bits(call(IDS)), bits(y))
        self.assertEqual(*results)


if __name__ == "__main__":
    unittest.main()
