"""Bias, activation, dropout and residual in one, beside PyTorch's own with the same mask."""
import unittest

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import cudrop
import cudrop.torch
from cudrop.torch._operators import HAS_OPERATORS
from cudrop import Activation
from test_torch import MASK, bits, differentiate, leaf, scale_of

ACTIVATIONS = {
    Activation.IDENTITY: lambda z: z,
    Activation.RELU: functional.relu,
    Activation.GELU: functional.gelu,
    Activation.SILU: functional.silu,
}
if torch.__version__ >= "2":
    ACTIVATIONS[Activation.GELU_TANH] = lambda z: functional.gelu(z, approximate="tanh")

ROWS, COLS = 6, 40


def reference(x, bias, residual, activation, mask):
    """PyTorch's, computed in float."""
    x, bias, residual = (each.float() for each in (x, bias, residual))
    y = ACTIVATIONS[activation](x + bias)
    return residual + (y if mask is None else y * scale_of(mask, x.shape))


def leaves(dtype=torch.float32):
    return leaf(ROWS, COLS, dtype=dtype), leaf(COLS, dtype=dtype, seed=2), leaf(
        ROWS, COLS, dtype=dtype, seed=3)


class Fused(unittest.TestCase):
    def test_values_and_gradients_are_those_of_pytorchs_formula(self):
        for dtype, bound in ((torch.float32, 2e-5), (torch.bfloat16, 0.05), (torch.float16, 0.01)):
            for activation in ACTIVATIONS:
                for mask in (MASK, None, MASK.share(0)):
                    with self.subTest(dtype=dtype, activation=activation, mask=mask):
                        inputs = leaves(dtype)
                        got = differentiate(lambda x, bias, residual: cudrop.torch.fused(
                            x, bias=bias, activation=activation, mask=mask, residual=residual),
                            inputs)
                        want = differentiate(
                            lambda *inputs: reference(*inputs, activation, mask), inputs)
                        for mine, theirs in zip(got, want):
                            self.assertEqual(mine.dtype, dtype)
                            torch.testing.assert_close(mine.float(), theirs.float(), rtol=bound,
                                                       atol=bound)

    def test_gradients_that_nobody_wants_are_left_out(self):
        x, bias, residual = leaves()
        for wanted in ((x,), (bias,), (residual,)):
            inputs = [each if any(each is one for one in wanted) else each.detach()
                      for each in (x, bias, residual)]
            y = cudrop.torch.fused(inputs[0], bias=inputs[1], activation=Activation.GELU, mask=MASK,
                                   residual=inputs[2])
            self.assertEqual(len(torch.autograd.grad(y.sum(), wanted)), 1)
        y = cudrop.torch.fused(x, mask=MASK)
        self.assertEqual(bits(y), bits(cudrop.torch.dropout(x, MASK)))
        self.assertEqual(bits(torch.autograd.grad(y.sum(), x)[0]),
                         bits(cudrop.torch.dropout(torch.ones(ROWS, COLS), MASK)))

    def test_rows_that_are_not_dense_are_copied(self):
        x, bias, residual = leaf(COLS, ROWS), *leaves()[1:]
        y = cudrop.torch.fused(x.t(), bias=bias, mask=MASK, residual=residual)
        want = cudrop.torch.fused(x.t().contiguous(), bias=bias, mask=MASK, residual=residual)
        self.assertEqual(bits(y), bits(want))
        y.sum().backward()  # whose gradient repeats one element

    def test_x_is_saved_for_an_activation_and_else_nothing_but_the_bias(self):
        for activation, elements in ((Activation.IDENTITY, COLS),
                                     (Activation.GELU, COLS + ROWS * COLS)):
            saved, (x, bias, residual) = [], leaves()
            with torch.autograd.graph.saved_tensors_hooks(
                    lambda t: saved.append(t) or t, lambda t: t):
                cudrop.torch.fused(x, bias=bias, activation=activation, mask=MASK,
                                   residual=residual)
            self.assertEqual(sum(each.numel() for each in saved), elements)

    def test_the_module_is_the_function_and_evaluation_drops_nothing(self):
        layer, (x, bias, residual) = cudrop.torch.FusedDropout(0.4, Activation.RELU), leaves()
        torch.manual_seed(7)
        y = layer(x, bias=bias, residual=residual)
        torch.manual_seed(7)
        seed, offset = cudrop.torch.draw(torch.default_generator)
        mask = cudrop.Mask(seed, offset, 0.4)
        self.assertEqual(bits(y), bits(cudrop.torch.fused(
            x, bias=bias, activation=Activation.RELU, mask=mask, residual=residual)))
        self.assertEqual(bits(layer.eval()(x, bias=bias)), bits(functional.relu(x + bias)))
        self.assertEqual(repr(layer), "FusedDropout(p=0.4, activation=RELU)")

    def test_negated_views_keep_their_sign(self):
        x = torch.complex(*(leaf(ROWS, COLS, seed=seed).detach() for seed in (1, 2))).conj().imag
        self.assertTrue(x.is_neg())
        self.assertEqual(bits(cudrop.torch.fused(x, mask=MASK)),
                         bits(cudrop.torch.fused(x.resolve_neg(), mask=MASK)))
        with self.assertRaisesRegex(TypeError, "x has PyTorch's negative bit"):
            cudrop.fused(x, mask=MASK)

    def test_a_residual_of_another_type_is_added_as_by_pytorch(self):
        x, bias, _ = leaves(torch.bfloat16)
        for dtype in (torch.float32, torch.float16, torch.float64):
            for type_of_bias in (torch.bfloat16, torch.float32):
                with self.subTest(dtype=dtype, type_of_bias=type_of_bias):
                    residual = leaf(ROWS, COLS, dtype=dtype, seed=3)
                    inputs = (x, bias.detach().to(type_of_bias).requires_grad_(), residual)
                    got = differentiate(lambda x, bias, residual: cudrop.torch.fused(
                        x, bias=bias, mask=MASK, residual=residual), inputs)
                    want = differentiate(lambda x, bias, residual: cudrop.torch.fused(
                        x, bias=bias, mask=MASK).add(residual), inputs)
                    self.assertEqual(got[0].dtype, torch.promote_types(dtype, torch.bfloat16))
                    for mine, theirs in zip(got, want):
                        self.assertEqual(bits(mine), bits(theirs))

    def test_an_f32_residual_stream_beside_autocast_has_pytorchs_type(self):
        x, linear = leaf(ROWS, COLS), torch.nn.Linear(COLS, COLS)
        layer = cudrop.torch.FusedDropout(0.25)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            branch = linear(x)
            self.assertEqual(branch.dtype, torch.bfloat16)
            y = layer(branch, residual=x)
            self.assertEqual(y.dtype, functional.dropout(branch, 0.25).add(x).dtype)
            self.assertEqual(layer.eval()(branch, residual=x).dtype, torch.float32)
        gradient, = torch.autograd.grad(y.sum(), x)
        self.assertEqual(gradient.dtype, torch.float32)

    def test_activations_that_are_none_are_listed(self):
        with self.assertRaisesRegex(ValueError, "'gelu' is not .*: it is one of .*GELU_TANH"):
            cudrop.torch.fused(leaf(ROWS, COLS), activation="gelu")

    def test_a_state_without_a_mask_is_refused(self):
        with self.assertRaisesRegex(ValueError, "mask is None"):
            cudrop.torch.fused(leaf(ROWS, COLS), state=cudrop.torch.make_state(1, 2))

    def test_what_the_library_refuses_it_says(self):
        with self.assertRaisesRegex(cudrop.Error, "cudrop_fused_forward: residual"):
            cudrop.torch.fused(leaf(ROWS, COLS), residual=leaf(ROWS, COLS + 1))


@unittest.skipUnless(HAS_OPERATORS, "operators take PyTorch 2.4")
class Operators(unittest.TestCase):
    def test_pytorchs_own_checks_pass(self):
        state = cudrop.torch.make_state(42, 3)
        x, bias, residual = leaves()
        mask = cudrop.torch._operators.write_mask(MASK)
        fused, backward = (getattr(torch.ops.cudrop, name).default
                           for name in ("fused", "fused_backward"))
        for arguments in ((x, bias, residual, 2, state), (x, None, None, 0, state),
                          (x, bias.detach(), residual, 4, None)):
            torch.library.opcheck(fused, (*arguments, *mask))
        for arguments in ((x, x, bias, 2, True, True), (x, None, bias, 0, False, True),
                          (x, None, None, 0, True, False)):
            detached = [each.detach() if torch.is_tensor(each) else each for each in arguments]
            torch.library.opcheck(backward, (*detached, state, *mask))

    def test_compiled_bytes_are_equal(self):
        for activation in ACTIVATIONS:
            def call(x, bias, residual):
                return cudrop.torch.fused(x * 1, bias=bias, activation=activation, mask=MASK,
                                          residual=residual)

            compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
            inputs = leaves()
            for mine, theirs in zip(differentiate(compiled, inputs), differentiate(call, inputs)):
                self.assertEqual(bits(mine), bits(theirs))

    def test_a_compiled_module_draws_at_every_call(self):
        layer = cudrop.torch.FusedDropout(0.4, Activation.GELU)
        compiled = torch.compile(layer, backend="aot_eager")
        x, bias, residual = leaves()
        torch.manual_seed(7)
        first, second = compiled(x, bias, residual), compiled(x, bias, residual)
        self.assertNotEqual(bits(first), bits(second))
        torch.manual_seed(7)
        self.assertEqual(bits(layer(x, bias, residual)), bits(first))


if __name__ == "__main__":
    unittest.main()
