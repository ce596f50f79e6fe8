"""Dropout under PyTorch's autograd, without torch.compile; test_torch_compile.py is with it."""
import unittest

try:
    import torch
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import numpy as np

import cudrop
import cudrop.torch

MASK = cudrop.Mask(seed=42, offset=3, p=0.3)
TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def scale_of(mask, shape, dtype=torch.float32):
    """The mask that PyTorch's own multiplication takes: 1 / (1 - p) or 0."""
    kind = np.float64 if dtype == torch.float64 else np.float32
    return torch.from_numpy(cudrop.export_scale(mask, np.empty(tuple(shape), kind)))


def reference(x, mask):
    """PyTorch's dropout with our mask: computed in float (or double), rounded once."""
    scale = scale_of(mask, x.shape, x.dtype)
    return (x.to(scale.dtype) * scale).to(x.dtype)


def leaf(*shape, dtype=torch.float32, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()


def differentiate(function, inputs):
    """The value, and the gradients of its elements' sum, each with a weight of its own."""
    y = function(*inputs)
    weights = torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y.dtype)
    return (y, *torch.autograd.grad((y * weights).sum(), inputs))


def bits(tensor):
    """Its bytes, but that -0, which a product makes of what is dropped, is 0."""
    return (tensor.detach() + 0).reshape(-1).contiguous().view(torch.uint8).tolist()


VIEWS = {"dense": lambda x: x, "transposed": lambda x: x.transpose(0, 1),
         "sliced": lambda x: x[1:, ::3], "expanded": lambda x: x[:1].expand(7, -1, -1),
         "empty": lambda x: x[:0], "scalar": lambda x: x[0, 0, 0]}


class Gradients(unittest.TestCase):
    def compare(self, see, dtype, mask):
        x, weights = leaf(8, 12, 5, dtype=dtype), leaf(8, 12, 5, dtype=dtype, seed=2)
        results = []
        for drop in (cudrop.torch.dropout, reference):
            y = drop(see(x), mask)
            y.backward(see(weights).detach())  # strides of any kind
            results.append((y, x.grad))
            x.grad = None
        (y, dx), (wanted_y, wanted_dx) = results
        self.assertEqual(bits(y), bits(wanted_y))
        self.assertEqual(bits(dx), bits(wanted_dx))
        self.assertEqual(y.dtype, dtype)

    def test_forward_and_backward_are_those_of_autograd_with_the_same_mask(self):
        for dtype in TYPES:
            for name, see in VIEWS.items():
                for p in (0.0, 0.3, 1.0):
                    with self.subTest(dtype=dtype, layout=name, p=p):
                        self.compare(see, dtype, cudrop.Mask(42, 3, p))

    def test_shared_and_sharded_masks_are_too(self):
        for mask in (MASK.share(1, 2), MASK.share(-1), MASK.shard((9, 20, 5), (1, 8, 0))):
            with self.subTest(mask=mask):
                self.compare(VIEWS["dense"], torch.float32, mask)

    def test_numerical_derivatives_agree(self):
        x = leaf(4, 5, dtype=torch.float64)
        for drop in (cudrop.torch.dropout, cudrop.torch.alpha_dropout):
            self.assertTrue(torch.autograd.gradcheck(lambda x: drop(x, MASK), x))
            self.assertTrue(torch.autograd.gradgradcheck(lambda x: drop(x**2, MASK), x))

    def test_a_wrong_mask_in_backward_would_be_noticed(self):
        class Wrong(cudrop.torch.MaskedFunction):
            @staticmethod
            def backward(ctx, dy):
                return cudrop.torch.dropout(dy, cudrop.Mask(42, 4, 0.3)), None, None

        with self.assertRaises(RuntimeError):
            torch.autograd.gradcheck(lambda x: Wrong.apply(x, MASK, "dropout"),
                                     leaf(4, 5, dtype=torch.float64))

    def test_alpha_dropout_is_that_of_numpy(self):
        x = leaf(30, 7)
        y = cudrop.torch.alpha_dropout(x, MASK)
        y.sum().backward()
        np.testing.assert_array_equal(y.detach().numpy(),
                                      cudrop.alpha_dropout(x.detach().numpy(), MASK))
        ones = np.ones((30, 7), np.float32)
        np.testing.assert_array_equal(x.grad.numpy(), cudrop.alpha_dropout_backward(ones, MASK))

    def test_no_tensor_is_saved(self):
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            x = leaf(64, 64)
            cudrop.torch.Dropout(0.1)(cudrop.torch.dropout(x, MASK)).sum().backward()
            self.assertEqual(saved, [])
            x = torch.nn.functional.dropout(leaf(64, 64), 0.1)  # which saves a mask
            self.assertGreater(sum(each.numel() for each in saved), 4000)

    def test_a_state_stands_for_seed_and_offset(self):
        for seed, offset in ((42, 3), (2**64 - 1, 2**63)):
            x = leaf(40)
            state = cudrop.torch.make_state(seed, offset)
            y = cudrop.torch.dropout(x, cudrop.Mask(0, 0, 0.3), state)
            self.assertEqual(bits(y), bits(cudrop.torch.dropout(x, cudrop.Mask(seed, offset, 0.3))))

    def test_a_state_is_not_cut(self):
        for wrong in ((2**64, 0), (0, -1)):
            with self.assertRaisesRegex(ValueError, "is outside"):
                cudrop.torch.make_state(*wrong)

    def test_tensors_that_the_library_lacks_are_refused(self):
        for wrong in (torch.ones(4, dtype=torch.int64), torch.ones(2, 2).to_sparse()):
            with self.assertRaisesRegex(TypeError, "which cudrop does not have"):
                cudrop.torch.dropout(wrong, MASK)
        with self.assertRaisesRegex(TypeError, "x is a ndarray, and not a tensor"):
            cudrop.torch.dropout(np.ones(4, np.float32), MASK)
        with self.assertRaisesRegex(ValueError, "9 dimensions"):
            cudrop.torch.dropout(torch.ones((1,) * 9), MASK)
        with self.assertRaisesRegex(TypeError, "mask is a float, and not a cudrop.Mask"):
            cudrop.torch.dropout(torch.ones(4), 0.5)


class CudaGenerator:
    """What draw() asks of a torch.Generator on a GPU."""

    device = torch.device("cuda", 0) if hasattr(torch, "device") else None

    def __init__(self, seed, position):
        self.seed, self.position = seed, position

    def initial_seed(self):
        return self.seed

    def get_offset(self):
        return self.position

    def set_offset(self, position):
        self.position = position


class Seeds(unittest.TestCase):
    def test_a_cuda_generator_gives_its_position_and_is_advanced_by_four(self):
        generator = CudaGenerator(42, 8)
        draws = [cudrop.torch.draw(generator, 1) for _ in range(3)]
        self.assertEqual(draws, [(cudrop.child_seed(42, 1), 2 + k) for k in range(3)])
        self.assertEqual(generator.position, 20)

    def test_draws_between_pytorchs_own_do_not_overlap(self):
        generator, draws = CudaGenerator(7, 0), set()
        for advance in (4, 8, 400, 4, 12):
            draws.update(cudrop.torch.draw(generator) for _ in range(5))
            generator.position += advance  # of a kernel of PyTorch's
        self.assertEqual(len(draws), 25)
        self.assertNotIn(7, {seed for seed, _ in draws})  # the seed of PyTorch's own numbers

    def test_a_cpu_generator_gives_64_random_bits(self):
        generator = torch.Generator().manual_seed(3)
        draws = [cudrop.torch.draw(generator) for _ in range(200)]
        self.assertEqual(len(set(draws)), 200)
        self.assertTrue(all(offset == 0 for _, offset in draws))
        for bit in range(64):  # each is 0 in some and 1 in others
            self.assertEqual({seed >> bit & 1 for seed, _ in draws}, {0, 1})
        self.assertEqual(cudrop.torch.draw(generator.manual_seed(3)), draws[0])
        self.assertNotEqual(cudrop.torch.draw(generator.manual_seed(3), 1), draws[0])


class Tensors(unittest.TestCase):
    """cudrop's own functions on PyTorch's tensors, by way of DLPack."""

    def test_tensors_go_in_and_come_out(self):
        for dtype in TYPES:
            x = leaf(6, 8, dtype=dtype).detach()
            y = cudrop.dropout(x.t(), MASK)
            self.assertIsInstance(y, torch.Tensor)
            self.assertEqual(bits(y), bits(reference(x.t(), MASK)))

    def test_gradients_are_not_lost_in_silence(self):
        with self.assertRaisesRegex(TypeError, "x is a tensor that requires grad, .*cudrop.torch"):
            cudrop.dropout(leaf(4), MASK)
        p = torch.tensor(0.5, requires_grad=True)
        for call in (lambda: cudrop.Mask(1, 0, p), lambda: cudrop.torch.Dropout(p),
                     lambda: cudrop.torch.AlphaDropout(p), lambda: cudrop.torch.Dropout2d(p),
                     lambda: cudrop.torch.FusedDropout(torch.nn.Parameter(p.detach())),
                     lambda: cudrop.apply_bytes(np.ones(4, np.float32), np.ones(4, bool), p)):
            with self.assertRaisesRegex(TypeError, "p is a tensor that requires grad, and cudrop "
                                        "has no gradient for it: give p.item()"):
                call()
        with self.assertRaisesRegex(TypeError, "drop_prob is a tensor that requires grad"):
            cudrop.torch.DropPath(p)
        mask = cudrop.Mask(1, 0, p.detach())  # a number that PyTorch holds
        self.assertEqual(bits(cudrop.torch.dropout(torch.ones(9), mask)),
                         bits(cudrop.torch.dropout(torch.ones(9), cudrop.Mask(1, 0, 0.5))))


if __name__ == "__main__":
    unittest.main()
