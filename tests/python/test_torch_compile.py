"""Dropout under torch.compile: the operators cudrop::dropout and its kin."""
import shutil
import unittest

try:
    import torch
    from torch.utils.checkpoint import checkpoint
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")
if not hasattr(torch.library, "register_autograd"):
    raise unittest.SkipTest(f"PyTorch {torch.__version__} has no custom operators: it takes 2.4")

import cudrop
import cudrop.torch
from test_torch import MASK, TYPES, bits, leaf

KEPT_APART = cudrop.torch._generators._KEPT_APART  # whether modules can draw inside a graph
OPERATORS = ("dropout", "alpha_dropout", "alpha_dropout_backward")
BACKEND = "aot_eager"  # traces as inductor does, and compiles nothing; one test below compiles


def arguments(x, mask=MASK):
    return (x, cudrop.torch.make_state(mask.seed, mask.offset),
            *cudrop.torch._operators.write_mask(mask))


class Operators(unittest.TestCase):
    def test_pytorchs_own_checks_pass(self):
        masks = (MASK, MASK.share(1), MASK.shard((9, 20), (1, 8)),
                 cudrop.Mask(1, 2, 0.5, index_base=3, index_stride=(0, 1)))
        for name in OPERATORS:
            operator = getattr(torch.ops.cudrop, name).default
            for mask in masks:
                torch.library.opcheck(operator, arguments(leaf(6, 8), mask))
            torch.library.opcheck(operator, arguments(leaf(6, 8).t()))

    def test_numerical_derivatives_agree(self):
        x = leaf(4, 5, dtype=torch.float64)
        for name in OPERATORS:
            operator = getattr(torch.ops.cudrop, name)
            call = lambda x: operator(*arguments(x))
            self.assertTrue(torch.autograd.gradcheck(call, x))
            self.assertTrue(torch.autograd.gradgradcheck(lambda x: call(x**2), x))

    def test_fake_tensors_are_taken(self):
        from torch._subclasses.fake_tensor import FakeTensorMode
        with FakeTensorMode():
            y = cudrop.torch.dropout(torch.ones(3, 5), MASK)
        self.assertEqual(y.shape, (3, 5))
        y = cudrop.torch.dropout(torch.ones(3, 5, device="meta"), MASK)
        self.assertEqual((y.shape, y.device.type), ((3, 5), "meta"))

    @unittest.skipUnless(KEPT_APART, "draws break the graph of this PyTorch")
    def test_a_module_can_be_exported(self):
        program = torch.export.export(cudrop.torch.Dropout(0.4).train(), (torch.ones(2, 8),))
        called = [node.target for node in program.graph.nodes if node.op == "call_function"]
        self.assertEqual(called, [torch.ops.cudrop.draw.default, torch.ops.cudrop.dropout.default])


class Compiled(unittest.TestCase):
    def setUp(self):
        torch._dynamo.reset()

    def run_both(self, function, x, *more, backend=BACKEND, **options):
        """The results and gradients of a function as it is, and compiled without a break."""
        results = []
        for call in (function, torch.compile(function, fullgraph=True, backend=backend, **options)):
            taken = x.detach().clone().requires_grad_()
            y = call(taken, *more)
            (y * torch.arange(y.numel()).reshape(y.shape)).sum().backward()
            results.append((bits(y), bits(taken.grad)))
        return results

    def test_forward_and_backward_have_the_same_bytes(self):
        def block(x, weight):
            return cudrop.torch.dropout(x @ weight, MASK).relu() * 2

        for dtype in TYPES:
            plain, compiled = self.run_both(block, leaf(6, 8, dtype=dtype),
                                            leaf(8, 10, dtype=dtype).detach())
            self.assertEqual(plain, compiled)

    def test_they_have_with_inductor(self):
        def block(x):
            return cudrop.torch.dropout(x * 2, MASK.share(1)).relu()

        if shutil.which("g++") is None:
            self.skipTest("inductor wants a C++ compiler")
        plain, compiled = self.run_both(block, leaf(6, 8), backend="inductor")
        self.assertEqual(plain, compiled)

    def test_a_state_compiles_once_for_all_offsets(self):
        def block(x, state):
            return cudrop.torch.dropout(x, cudrop.Mask(0, 0, 0.3), state)

        compiled, x = torch.compile(block, fullgraph=True, backend=BACKEND), leaf(50)
        results = set()
        with torch._dynamo.config.patch(error_on_recompile=True):
            for offset in (0, 1, 2**40, 2**64 - 1):
                y = compiled(x, cudrop.torch.make_state(42, offset))
                wanted = cudrop.torch.dropout(x, cudrop.Mask(42, offset, 0.3))
                self.assertEqual(bits(y), bits(wanted))
                results.add(tuple(y.tolist()))
        self.assertEqual(len(results), 4)

    def test_a_mask_made_inside_has_the_step_of_the_caller(self):
        def block(x, step):
            return cudrop.torch.dropout(x, cudrop.Mask(42, step, 0.3))

        compiled, x = torch.compile(block, fullgraph=True, backend=BACKEND), leaf(50)
        for step in range(4):
            self.assertEqual(bits(compiled(x, step)),
                             bits(cudrop.torch.dropout(x, cudrop.Mask(42, step, 0.3))))

    def test_shapes_may_be_dynamic(self):
        def block(x):
            return cudrop.torch.dropout(x, MASK.share(-1))

        compiled = torch.compile(block, fullgraph=True, backend=BACKEND, dynamic=True)
        for rows in (3, 5, 8):
            x = leaf(rows, 6)
            self.assertEqual(bits(compiled(x)), bits(block(x)))

    def test_modules_draw_at_every_call(self):
        layer = cudrop.torch.Dropout(0.4)
        both = torch.compile(lambda x: (layer(x), layer(x)), fullgraph=KEPT_APART,
                             backend=BACKEND)
        x = torch.ones(500, requires_grad=True)
        seen = {tuple(y.tolist()) for _ in range(3) for y in both(x)}
        self.assertEqual(len(seen), 6)
        torch.manual_seed(7)
        first = [y.tolist() for y in both(x)]
        torch.manual_seed(7)
        self.assertEqual([y.tolist() for y in both(x)], first)
        torch.manual_seed(7)
        self.assertEqual(layer(x).tolist(), first[0])  # as without torch.compile

    def test_backward_drops_what_a_drawn_mask_dropped(self):
        for backend in (BACKEND, "aot_eager_decomp_partition"):  # the latter recomputes
            for layer in (cudrop.torch.Dropout(0.4), cudrop.torch.DropPath(0.4),
                          cudrop.torch.Dropout(0.4, shared=(-1,))):
                step = torch.compile(lambda x: layer(x.exp()), fullgraph=KEPT_APART,
                                     backend=backend)
                x = leaf(40, 10)
                y = step(x)
                y.sum().backward()
                self.assertEqual(bits(x.grad), bits(y))  # exp is its own derivative
                self.assertEqual({0, 1}, set((y == 0).int().unique().tolist()))

    def test_no_mask_is_saved(self):
        for backend in (BACKEND, "aot_eager_decomp_partition"):
            layer, saved = cudrop.torch.Dropout(0.4), []
            step = torch.compile(lambda x: layer(x) * 3, fullgraph=KEPT_APART, backend=backend)
            step(leaf(64, 64))  # tracing saves fake tensors
            with torch.autograd.graph.saved_tensors_hooks(
                    lambda t: saved.append(t) or t, lambda t: t):
                step(leaf(64, 64)).sum().backward()
            self.assertLessEqual(sum(each.numel() for each in saved), 2)

    @unittest.skipUnless(KEPT_APART, "draws break the graph of this PyTorch")
    def test_checkpointing_computes_the_same_mask_again(self):
        layer = cudrop.torch.Dropout(0.4)
        for backend in (BACKEND, "aot_eager_decomp_partition"):
            step = torch.compile(
                lambda x: checkpoint(lambda v: layer(v.sin()) ** 2, x, use_reentrant=False),
                fullgraph=True, backend=backend)
            x = leaf(500)
            y = step(x)
            y.sum().backward()
            slope = torch.tensor(1 / 0.6) ** 2 * 2 * x.detach().sin() * x.detach().cos()
            torch.testing.assert_close(x.grad, torch.where(y == 0, torch.zeros(()), slope))


if __name__ == "__main__":
    unittest.main()
