"""Modules that draw masks, without torch.compile."""
import copy
import unittest

try:
    import torch
    from torch.utils.checkpoint import checkpoint
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import cudrop
import cudrop.torch
from test_torch import leaf


class Modules(unittest.TestCase):
    def test_training_drops_anew_and_evaluation_nothing(self):
        layer, x = cudrop.torch.Dropout(0.4), torch.ones(10_000)
        torch.manual_seed(7)
        first, second = layer(x), layer(x)
        self.assertNotEqual(first.tolist(), second.tolist())
        torch.manual_seed(7)
        self.assertEqual(layer(x).tolist(), first.tolist())
        self.assertLess(abs((first == 0).double().mean().item() - 0.4), 0.03)  # 6 sigma
        self.assertIs(layer.eval()(x), x)

    def test_a_generator_of_ones_own_is_used(self):
        x, generator = torch.ones(1000), torch.Generator().manual_seed(5)
        layer = cudrop.torch.Dropout(0.4, generator=generator)
        before = torch.get_rng_state()
        first = layer(x)
        generator.manual_seed(5)
        self.assertEqual(layer(x).tolist(), first.tolist())
        self.assertTrue(torch.equal(torch.get_rng_state(), before))

    def test_copies_of_a_module_share_its_generator(self):
        x, generator = torch.ones(1000), torch.Generator().manual_seed(5)
        layer = cudrop.torch.Dropout(0.4, shared=(-1,), generator=generator)
        copied = copy.deepcopy(torch.nn.Sequential(layer, torch.nn.Linear(2, 2)))[0]
        self.assertIs(copied.generator, generator)
        self.assertIsNot(copied, layer)
        self.assertEqual((copied.p, copied.shared, copied.training), (0.4, (-1,), True))
        layer.shared = copied.shared = ()
        self.assertNotEqual(layer(x).tolist(), copied(x).tolist())
        copied.eval()
        self.assertTrue(layer.training)

    def test_tracing_is_refused_where_it_would_keep_a_mask(self):
        layer = cudrop.torch.Dropout(0.4)
        with self.assertRaisesRegex(RuntimeError, "would make one mask a constant"):
            torch.jit.trace(layer, torch.ones(4))
        torch.jit.trace(layer.eval(), torch.ones(4))

    def test_children_drop_differently(self):
        x, results = torch.ones(1000), []
        for child in range(3):
            torch.manual_seed(7)
            results.append(tuple(cudrop.torch.Dropout(0.4, child=child)(x).tolist()))
        self.assertEqual(len(set(results)), 3)

    def test_dropout2d_and_drop_path_share(self):
        x = torch.ones(64, 8, 3, 3)
        channels = cudrop.torch.Dropout(0.4, shared=(-2, -1))(x)
        self.assertTrue(torch.equal(channels, channels[:, :, :1, :1] * x))
        self.assertGreater(len(channels[0, :, 0, 0].unique()) + len(channels[1, :, 0, 0].unique()),
                           2)
        samples = cudrop.torch.DropPath(0.4)(x)
        self.assertTrue(torch.equal(samples, samples[:, :1, :1, :1] * x))
        self.assertEqual(len(samples.unique()), 2)

    def test_checkpointing_computes_the_same_mask_again(self):
        for options in ({"use_reentrant": True}, {"use_reentrant": False}):
            with self.subTest(**options):
                layer, x, seen = cudrop.torch.Dropout(0.4), leaf(500), []

                def block(value):
                    y = layer(value)
                    seen.append(y.detach().clone())
                    return y**2  # whose gradient has y in it

                y = checkpoint(block, x, **options)
                y.sum().backward()
                self.assertEqual(len(seen), 2)
                self.assertTrue(torch.equal(*seen))
                scale = (seen[0] != 0) / (1 - torch.tensor(0.4))
                torch.testing.assert_close(x.grad, 2 * x.detach() * scale**2)

    def test_a_module_can_be_copied_and_printed(self):
        layer = cudrop.torch.Dropout(0.4, shared=(-1,))
        self.assertEqual(repr(layer), "Dropout(p=0.4, shared=(-1,))")
        self.assertEqual(copy.deepcopy(layer).p, 0.4)
        for p in (-0.1, 1.1, float("nan")):
            with self.assertRaisesRegex(ValueError, "outside"):
                cudrop.torch.Dropout(p)


if __name__ == "__main__":
    unittest.main()
