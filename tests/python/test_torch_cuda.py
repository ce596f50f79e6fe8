"""cudrop.torch on a GPU's tensors. It has the label gpu, and has not yet been run on one."""
import unittest

try:
    import torch
    from torch.utils.checkpoint import checkpoint
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")
if not torch.cuda.is_available():
    raise unittest.SkipTest("no CUDA device that PyTorch can use")

import cudrop
import cudrop.torch
from test_torch import MASK, TYPES, VIEWS, bits, leaf


class Cuda(unittest.TestCase):
    def test_values_and_gradients_have_the_bytes_of_the_host(self):
        for dtype in TYPES:
            for name, see in VIEWS.items():
                with self.subTest(dtype=dtype, layout=name):
                    results = []
                    for device in ("cpu", "cuda"):
                        x = leaf(8, 12, 5, dtype=dtype).detach().to(device).requires_grad_()
                        y = cudrop.torch.dropout(see(x), MASK)
                        y.backward(torch.ones_like(y))
                        results.append((bits(y.cpu()), bits(x.grad.cpu())))
                    self.assertEqual(*results)

    def test_a_module_takes_its_mask_from_the_generator_of_the_device(self):
        x, generator = torch.ones(1000, device="cuda"), torch.cuda.default_generators[0]
        torch.manual_seed(7)
        torch.rand(10, device="cuda")  # which advances the position
        position = generator.get_offset()
        y = cudrop.torch.Dropout(0.4)(x)
        self.assertEqual(generator.get_offset(), position + 4)
        mask = cudrop.Mask(cudrop.child_seed(7, 0), position // 4, 0.4)
        self.assertEqual(bits(y.cpu()), bits(cudrop.torch.dropout(x.cpu(), mask)))

    def test_work_is_on_the_current_stream(self):
        stream, x = torch.cuda.Stream(), torch.ones(1 << 20, device="cuda")
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            torch.cuda._sleep(100_000_000)  # what is not behind this reads ones
            x.fill_(2)
            y = cudrop.torch.dropout(x, MASK)
        stream.synchronize()
        twos = torch.full((1 << 20,), 2.0)
        self.assertTrue(torch.equal(y.cpu(), cudrop.torch.dropout(twos, MASK)))

    def test_checkpointing_and_compiling_repeat_the_mask(self):
        layer = cudrop.torch.Dropout(0.4)
        calls = [lambda x: checkpoint(lambda v: layer(v) ** 2, x, use_reentrant=False)]
        if hasattr(torch.library, "register_autograd"):
            calls.append(torch.compile(lambda x: layer(x) ** 2))
        for call in calls:
            x = leaf(500).detach().cuda().requires_grad_()
            y = call(x)
            y.sum().backward()
            slope = torch.where(y == 0, torch.zeros_like(y), 2 * x.detach() / 0.36)
            torch.testing.assert_close(x.grad, slope)


if __name__ == "__main__":
    unittest.main()
