"""norm(), beside PyTorch's own composition with the same mask."""
import unittest

try:
    import torch
    import torch.autograd.forward_ad
    from torch.nn import functional
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import cudrop
import cudrop.torch
from cudrop import Norm
from cudrop.torch._operators import HAS_OPERATORS, write_mask
from test_torch import MASK, bits, leaf, scale_of

ROWS, COLS = 6, 40
BOUNDS = {torch.float32: 2e-5, torch.float16: 1e-2, torch.bfloat16: 8e-2}
PARTS = ("bias", "residual", "gamma", "beta")


def reference(x, bias=None, residual=None, gamma=None, beta=None, mask=None, kind=Norm.LAYER_NORM,
              epsilon=1e-5):
    """PyTorch's composition in double, but that h is rounded to its type as norm() rounds it."""
    stream = x.dtype if residual is None else residual.dtype
    x, bias, residual, gamma, beta = (None if each is None else each.double()
                                      for each in (x, bias, residual, gamma, beta))
    h = x if bias is None else x + bias
    h = h if mask is None else h * scale_of(mask, x.shape, torch.float64)
    h = h if residual is None else residual + h
    h = h + (h.to(stream).double() - h).detach()
    if kind == Norm.LAYER_NORM:
        return functional.layer_norm(h, h.shape[-1:], gamma, beta, epsilon), h
    y = h * (h.square().mean(-1, keepdim=True) + epsilon).rsqrt()
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta, h


def leaves(dtype=torch.float32, stream=None, parameters=None):
    stream, parameters = stream or dtype, parameters or dtype
    return {"x": leaf(ROWS, COLS, dtype=dtype), "bias": leaf(COLS, dtype=parameters, seed=2),
            "residual": leaf(ROWS, COLS, dtype=stream, seed=3),
            "gamma": leaf(COLS, dtype=parameters, seed=4),
            "beta": leaf(COLS, dtype=parameters, seed=5)}


def weigh(results):
    """The sum of all elements of y and h, each with a weight of its own."""
    return sum((each.double() * torch.linspace(-1, 1 + i, each.numel()).view(each.shape)).sum()
               for i, each in enumerate(results))


def differentiate(function, inputs):
    """y, h and the gradients of all inputs."""
    results = function(**inputs)
    return (*results, *torch.autograd.grad(weigh(results), list(inputs.values())))


class Norms(unittest.TestCase):
    def compare(self, inputs, bound=None, function=cudrop.torch.norm, **options):
        got = differentiate(lambda **x: function(**x, **options), inputs)
        want = differentiate(lambda **x: reference(**x, **options), inputs)
        stream = inputs.get("residual", inputs["x"]).dtype
        types = (inputs["x"].dtype, stream, *(each.dtype for each in inputs.values()))
        bound = bound or BOUNDS[inputs["x"].dtype]
        for mine, theirs, dtype in zip(got, want, types):
            self.assertEqual((mine.dtype, mine.shape), (dtype, theirs.shape))
            torch.testing.assert_close(mine.double(), theirs.double(), rtol=bound,
                                       atol=bound * float(theirs.detach().abs().max() + 1))

    def test_values_and_gradients_are_those_of_pytorchs_formula(self):
        for dtype in BOUNDS:
            for kind in Norm:
                for mask in (MASK, None, MASK.share(0)):
                    with self.subTest(dtype=dtype, kind=kind, mask=mask):
                        self.compare(leaves(dtype), kind=kind, mask=mask, epsilon=1e-3)

    def test_each_part_may_be_left_out(self):
        for absent in (*((part,) for part in PARTS), PARTS, ("bias", "residual")):
            for kind in Norm:
                for mask in (MASK, None):
                    with self.subTest(absent=absent, kind=kind, mask=mask):
                        inputs = {name: x for name, x in leaves().items() if name not in absent}
                        self.compare(inputs, kind=kind, mask=mask)

    def test_an_f32_stream_passes_by_a_branch_of_16_bits(self):
        for dtype in (torch.float16, torch.bfloat16):
            for parameters in (dtype, torch.float32):
                with self.subTest(dtype=dtype, parameters=parameters):
                    self.compare(leaves(dtype, torch.float32, parameters), mask=MASK)
        inputs = leaves(torch.bfloat16, torch.float32, torch.float32)
        y, _ = cudrop.torch.norm(**inputs, mask=MASK)
        weights = torch.tensor([1, 2**-8] + [0] * (ROWS - 2), dtype=y.dtype)
        dbeta, = torch.autograd.grad((y * weights[:, None]).sum(), inputs["beta"])
        self.assertEqual(dbeta.tolist(), [1 + 2**-8] * COLS)  # which the branch could not hold

        x, linear = leaf(ROWS, COLS), torch.nn.Linear(COLS, COLS)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y, h = cudrop.torch.norm(linear(x), residual=x, mask=MASK)
        self.assertEqual((y.dtype, h.dtype), (torch.bfloat16, torch.float32))
        self.assertEqual(torch.autograd.grad(weigh((y, h)), x)[0].dtype, torch.float32)

    def test_h_is_what_fused_makes_and_y_alone_or_h_alone_has_a_gradient(self):
        inputs = leaves()
        y, h = cudrop.torch.norm(**inputs, mask=MASK)
        self.assertEqual(bits(h), bits(cudrop.torch.fused(
            inputs["x"], bias=inputs["bias"], mask=MASK, residual=inputs["residual"])))
        for i in range(2):
            mine, theirs = (torch.autograd.grad(weigh(results[i:i + 1]), inputs["x"])[0]
                            for results in ((y, h), reference(**inputs, mask=MASK)))
            torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)
            y, h = cudrop.torch.norm(**inputs, mask=MASK)

    def test_gradients_that_nobody_wants_are_left_out(self):
        for wanted in leaves():
            inputs = {name: x if name == wanted else x.detach() for name, x in leaves().items()}
            got, want = (torch.autograd.grad(weigh(function(**inputs, mask=MASK)), inputs[wanted])
                         for function in (cudrop.torch.norm, reference))
            torch.testing.assert_close(got, want, rtol=2e-5, atol=2e-4)

    def test_rows_that_are_not_dense_are_copied_and_tensors_may_have_any_rank(self):
        x = leaf(COLS, ROWS)
        y, h = cudrop.torch.norm(x.t(), mask=MASK)
        want = cudrop.torch.norm(x.t().contiguous(), mask=MASK)
        self.assertEqual((bits(y), bits(h)), (bits(want.y), bits(want.h)))
        y.sum().backward()  # whose gradient repeats one element
        for shape in ((COLS,), (2, 1, 3, COLS), (0, COLS)):
            y, h = cudrop.torch.norm(leaf(*shape), mask=MASK)
            self.assertEqual((y.shape, h.shape), (shape, shape))
            torch.testing.assert_close(y.double(), reference(leaf(*shape), mask=MASK)[0],
                                       rtol=2e-5, atol=2e-5)

    def test_what_is_saved_is_h_gamma_and_two_floats_a_row(self):
        for kind, floats in ((Norm.LAYER_NORM, 2), (Norm.RMS_NORM, 1)):
            saved, inputs = [], leaves()
            with torch.autograd.graph.saved_tensors_hooks(
                    lambda t: saved.append(t) or t, lambda t: t):
                cudrop.torch.norm(**inputs, kind=kind, mask=MASK)
            self.assertEqual(sum(each.numel() for each in saved),
                             ROWS * COLS + COLS + floats * ROWS)

    def test_a_gradient_of_a_gradient_is_refused(self):
        functions = [cudrop.torch.norm]
        if HAS_OPERATORS:
            functions.append(torch.compile(cudrop.torch.norm, backend="eager"))
        for function in functions:
            inputs = leaves()
            y, _ = function(**inputs, mask=MASK)
            dx, = torch.autograd.grad(y.sum(), inputs["x"], create_graph=True)
            with self.assertRaisesRegex(RuntimeError, "cudrop.torch.norm is differentiable once"):
                torch.autograd.grad(dx.sum(), inputs["gamma"])

    def test_forward_mode_is_refused(self):
        x = leaf(ROWS, COLS).detach()
        with torch.autograd.forward_ad.dual_level(), self.assertRaisesRegex(
                RuntimeError, "norm is differentiable once, and in reverse"):
            cudrop.torch.norm(torch.autograd.forward_ad.make_dual(x, x), mask=MASK)

    def test_what_does_not_fit_is_refused_in_words(self):
        x = leaf(ROWS, COLS)
        for arguments, words in (
                ({"residual": leaf(ROWS, COLS + 1)}, "cudrop_norm_forward: residual has"),
                ({"residual": leaf(ROWS, COLS, dtype=torch.bfloat16)}, "residual is BF16 and x"),
                ({"gamma": leaf(COLS - 1)}, "gamma has"),
                ({"beta": leaf(COLS, dtype=torch.float16)}, "beta is F16 and x is F32"),
                ({"epsilon": 0.0}, "epsilon = 0 must be"),
                ({"x": leaf(ROWS, COLS, dtype=torch.float64)}, "x has dtype"),
                ({"x": [1.0]}, "x is a list"), ({"mask": 0.1}, "mask is a float"),
                ({"kind": "rms"}, "it is one of Norm.LAYER_NORM"),
                ({"state": cudrop.torch.make_state(1, 2)}, "mask is None")):
            with self.subTest(words=words), self.assertRaisesRegex(
                    (cudrop.Error, TypeError, ValueError), words):
                cudrop.torch.norm(**{"x": x, **arguments})


@unittest.skipUnless(HAS_OPERATORS, "operators take PyTorch 2.4")
class Operators(unittest.TestCase):
    STATE, WRITTEN = cudrop.torch.make_state(42, 3), write_mask(MASK)

    def test_pytorchs_own_checks_pass(self):
        norm, backward = torch.ops.cudrop.norm.default, torch.ops.cudrop.norm_backward.default
        x, *parts = leaves().values()
        branch = leaf(ROWS, COLS, dtype=torch.bfloat16)
        for arguments in ((x, *parts, 0, 1e-5, self.STATE), (x, None, None, parts[2], None, 1, 1.0,
                                                             None),
                          (branch, *parts, 1, 1e-5, self.STATE),
                          (x, None, None, None, parts[3], 0, 1e-5, self.STATE)):
            torch.library.opcheck(norm, (*arguments, *self.WRITTEN))
        dy, h, rows = x.detach(), parts[1].detach(), torch.ones(ROWS)
        for wanted in ((True, True, torch.float32, torch.float32, torch.float32),
                       (True, False, None, torch.float32, None)):
            torch.library.opcheck(backward, (dy, h, h, rows, rows, None, 0, *wanted, self.STATE,
                                             *self.WRITTEN))

    def test_compiled_bytes_are_equal(self):
        for kind in Norm:
            def call(**inputs):
                return cudrop.torch.norm(**inputs, kind=kind, mask=MASK)

            for inputs in (leaves(), {"x": leaf(ROWS, COLS)},
                           leaves(torch.bfloat16, torch.float32)):
                compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
                for mine, theirs in zip(differentiate(compiled, inputs),
                                        differentiate(call, inputs)):
                    self.assertEqual(bits(mine), bits(theirs))

    def test_transforms_are_right_or_refused_in_words(self):
        def loss(norm):
            return lambda x, gamma: norm(x, gamma)[0].square().sum()

        x, gamma = leaf(ROWS, COLS).detach(), leaf(COLS, seed=4).detach()
        mine = loss(lambda x, gamma: cudrop.torch.norm(x, gamma=gamma, mask=MASK))
        theirs = loss(lambda x, gamma: reference(x, gamma=gamma, mask=MASK))
        wanted = torch.func.grad(theirs, (0, 1))(x, gamma)
        slices = torch.stack((x, x / 2, -x))
        for got, one in zip(torch.func.grad(mine, (0, 1))(x, gamma), wanted):
            torch.testing.assert_close(got, one, rtol=1e-4, atol=1e-4)
        each = torch.func.vmap(torch.func.grad(mine), (0, None))(slices, gamma)
        for got, x in zip(each, slices):
            torch.testing.assert_close(got, torch.func.grad(theirs)(x, gamma), rtol=1e-4, atol=1e-4)
        for transform in (lambda: torch.func.jvp(lambda x: mine(x, gamma), (x,), (x,)),
                          lambda: torch.func.jacfwd(mine)(x, gamma),
                          lambda: torch.func.hessian(mine)(x, gamma),
                          lambda: torch.func.grad(lambda x: torch.func.grad(mine)(x, gamma).sum())(
                              x)):
            with self.assertRaisesRegex(RuntimeError, "norm is differentiable once"):
                transform()

    def test_gradients_come_in_batches(self):
        inputs, weights = leaves(), leaf(3, ROWS, COLS, seed=9).detach()
        results, learn = cudrop.torch.norm(**inputs, mask=MASK), list(inputs.values())
        for used in (results, results[:1], results[1:]):
            def differentiate(weight, **options):
                return torch.autograd.grad(used, learn, (weight,) * len(used), retain_graph=True,
                                           allow_unused=True, **options)

            batch = differentiate(weights, is_grads_batched=True)
            for i, weight in enumerate(weights):
                for got, one in zip(batch, differentiate(weight)):
                    self.assertEqual(bits(got[i]), bits(one))

    def test_one_graph_serves_every_state_and_length(self):
        call = torch.compile(lambda x, state: cudrop.torch.norm(x, mask=MASK, state=state),
                             fullgraph=True, dynamic=True, backend="aot_eager")
        with torch._dynamo.config.patch(error_on_recompile=True):
            for step, rows in ((3, 4), (9, 4), (1 << 40, 7)):
                x = leaf(rows, COLS)
                y, _ = call(x, cudrop.torch.make_state(42, step))
                wanted, _ = cudrop.torch.norm(x, mask=cudrop.Mask(42, step, MASK.p))
                self.assertEqual(bits(y), bits(wanted))


if __name__ == "__main__":
    unittest.main()
