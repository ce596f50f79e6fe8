"""The modules of examples/choosing/choosing_torch.py, which docs/choosing.md quotes."""
import unittest

try:
    import torch
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import cudrop
from examples import load

B, T, H, D = 3, 5, 2, 16
C = H * D


class ChoosingTest(unittest.TestCase):
    """choosing_torch.py"""

    def setUp(self):
        self.choosing = load("choosing_torch")
        torch.manual_seed(1)

    def test_a_block_of_a_gpt(self):
        block = self.choosing.GPTBlock(C, H, 0.5)
        x = torch.randn(B, T, C, requires_grad=True)

        def run():
            torch.manual_seed(7)
            return block(x)

        y = run()
        y.sum().backward()
        self.assertEqual(x.grad.shape, x.shape)
        self.assertTrue(torch.equal(y, run()))
        self.assertFalse(torch.equal(y, block(x)))
        block.eval()
        self.assertTrue(torch.equal(block(x), block(x)))
        self.assertTrue(torch.equal(block(x)[:, :3], block(x[:, :3])))  # causal

    def test_what_is_shared(self):
        choosing_torch = self.choosing
        paths = choosing_torch.vit_drop_path(0.5)(torch.ones(64, T, C))
        self.assertEqual(paths.flatten(1).unique(dim=1).shape, (64, 1))
        channels = choosing_torch.cnn_dropout2d(0.5)(torch.ones(8, 8, 4, 4))
        self.assertEqual(channels.flatten(2).unique(dim=2).shape, (8, 8, 1))
        locked = choosing_torch.rnn_locked(0.5)(torch.ones(8, T, C))
        self.assertEqual(locked.unique(dim=1).shape, (8, 1, C))
        for y in (paths, channels, locked):
            self.assertEqual(sorted(y.unique().tolist()), [0.0, 2.0])

    def test_a_shortcut_of_a_bert(self):
        layer = self.choosing.bert_shortcut(C, 0.5)
        x, residual, bias = torch.randn(B, T, C), torch.randn(B, T, C), torch.randn(C)
        y, h = layer(x, residual, bias)
        branch = h - residual
        kept = branch != 0
        self.assertTrue(0.3 < kept.float().mean() < 0.7)
        torch.testing.assert_close(branch, kept * 2 * (x + bias))
        torch.testing.assert_close(y, torch.nn.functional.layer_norm(h, (C,), eps=1e-12))

    def test_lengths_hide_keys(self):
        q, k, v = torch.randn(3, B, H, T, D)
        lengths = torch.tensor([5, 2, 3])
        y = self.choosing.bert_attention(q, k, v, lengths, 0.0)
        v[1, :, 2:] = 1e9
        self.assertTrue(torch.equal(y, self.choosing.bert_attention(q, k, v, lengths, 0.0)))

    def test_weights_are_dropped_once(self):
        layer = self.choosing.WeightDrop(C, 8, 0.5)
        layer.draw()
        x = torch.randn(4, C)
        y = layer(x)
        self.assertTrue(torch.equal(y, layer(x)))
        y.sum().backward()
        gradient = layer.linear.weight.grad
        self.assertTrue(torch.equal(gradient == 0, layer.dropped == 0))
        layer.draw()
        self.assertFalse(torch.equal(y, layer(x)))

    def test_samples(self):
        y = self.choosing.draw_samples(torch.ones(4, C), 9, cudrop.Mask(42, 0, 0.5))
        self.assertEqual(y.shape, (9, 4, C))
        self.assertEqual(len({tuple(sample.flatten().tolist()) for sample in y}), 9)


if __name__ == "__main__":
    unittest.main()
