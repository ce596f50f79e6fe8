"""torch.func's transforms, forward mode and tracing, with torch.compile and without."""
import unittest

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")
if not hasattr(torch.library, "register_vmap"):
    raise unittest.SkipTest(f"PyTorch {torch.__version__} has no vmap of operators: it takes 2.5")

from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx

import cudrop
import cudrop.torch
from cudrop import Activation
from test_torch import MASK, leaf, scale_of

attend = cudrop.torch.scaled_dot_product_attention
LINEAR = {"dropout": cudrop.torch.dropout, "alpha_dropout": cudrop.torch.alpha_dropout}
SLICED = {"dense": MASK, "shared": MASK.share(-1), "sharded": MASK.shard((9, 20), (1, 8)),
          "mapped": cudrop.Mask(1, 2, 0.5, index_base=3, index_stride=(0, 1))}


def plain(*shape, seed=1):
    return leaf(*shape, seed=seed).detach()


def eager(function):
    return function


def compiled(function):
    return torch.compile(function, fullgraph=True, backend="aot_eager")


class Case(unittest.TestCase):
    def setUp(self):
        torch._dynamo.reset()

    def close(self, got, want, **options):
        torch.testing.assert_close(got, want, **options)


class Derivatives(Case):
    def test_forward_mode_is_the_mask(self):
        x, t = plain(6, 8), plain(6, 8, seed=2)
        for name, drop in LINEAR.items():
            slope = drop(torch.ones(6, 8), MASK) - drop(torch.zeros(6, 8), MASK)
            with forward_ad.dual_level():
                dual = forward_ad.unpack_dual(drop(forward_ad.make_dual(x, t), MASK))
            for run in (eager, compiled):
                with self.subTest(function=name, run=run.__name__):
                    y, pushed = run(lambda x, t: jvp(lambda x: drop(x, MASK), (x,), (t,)))(x, t)
                    self.assertTrue(torch.equal(y, drop(x, MASK)))
                    self.close(pushed, t * slope)
                    self.assertTrue(torch.equal(dual.tangent, pushed))

    def test_derivatives_of_derivatives_are_those_of_a_product(self):
        x, scale = plain(8), scale_of(MASK, (8,))
        drop = lambda x: (cudrop.torch.dropout(x, MASK) ** 3).sum()
        wanted = torch.diag(6 * x * scale**3)
        for outer, inner in ((jacfwd, jacrev), (jacrev, jacfwd), (jacfwd, jacfwd),
                             (jacrev, jacrev)):
            self.close(outer(inner(drop))(x), wanted)
        self.close(compiled(lambda x: hessian(drop)(x))(x), wanted)

    def test_a_drawn_mask_is_that_of_its_tangent(self):
        layer, ones = cudrop.torch.Dropout(0.5), torch.ones(500)
        for run in (eager, compiled):
            y, pushed = run(lambda x, t: jvp(layer, (x,), (t,)))(ones, ones)
            self.assertTrue(torch.equal(y, pushed))
            self.assertEqual(set(y.tolist()), {0, 2})

    def test_no_grad_inside_is_respected(self):
        x = plain(8)

        def half(x):
            with torch.no_grad():
                y = cudrop.torch.dropout(x, MASK)
            return (x * y).sum()

        self.close(grad(half)(x), cudrop.torch.dropout(x, MASK))

    def test_batched_gradients_are_rows_of_the_jacobian(self):
        functions = {"dropout": lambda x: cudrop.torch.dropout(x, MASK),
                     "fused": lambda x: cudrop.torch.fused(x, bias=x[0].detach(), mask=MASK,
                                                           activation=Activation.GELU),
                     "attention": lambda x: attend(x, x, x, mask=MASK)}
        for name, function in functions.items():
            with self.subTest(function=name):
                x = leaf(2, 8)
                y = function(x)
                step = lambda dy: torch.autograd.grad(y, x, dy, retain_graph=True)[0]
                basis = torch.eye(16).reshape(16, 2, 8)
                loop = torch.stack([step(dy) for dy in basis])
                self.close(vmap(step)(basis), loop)
                rows, = torch.autograd.grad(y, x, basis, is_grads_batched=True)
                self.close(rows, loop)


class Slices(Case):
    def test_a_mask_is_that_of_every_slice(self):
        x = plain(3, 5, 6)
        for name, mask in SLICED.items():
            for dims in (0, 1, 2):
                with self.subTest(mask=name, dims=dims):
                    got = vmap(lambda each: cudrop.torch.dropout(each, mask), in_dims=dims)(x)
                    self.assertTrue(torch.equal(got, torch.stack(
                        [cudrop.torch.dropout(each, mask) for each in x.unbind(dims)])))
        many = plain(2, *(1,) * 7, 5)  # with the slices' a ninth dimension
        got = vmap(lambda each: cudrop.torch.dropout(each, MASK))(many)
        self.assertTrue(torch.equal(got[1], cudrop.torch.dropout(many[1], MASK)))

    def test_randomness_is_pytorchs(self):
        layer, x = cudrop.torch.Dropout(0.5), torch.ones(4, 50)
        for run in (eager, compiled):
            torch.manual_seed(7)
            loop = torch.stack([layer(each) for each in x])
            torch.manual_seed(7)
            different = run(lambda x: vmap(layer, randomness="different")(x))(x)
            self.assertTrue(torch.equal(different, loop))
            torch.manual_seed(7)
            same = run(lambda x: vmap(layer, randomness="same")(x))(x)
            self.assertTrue(torch.equal(same, loop[:1].expand(4, 50)))
        torch._dynamo.reset()
        for run in (eager, torch.compile):
            with self.assertRaisesRegex(RuntimeError, "draws a mask while randomness='error'"):
                run(lambda x: vmap(layer)(x))(x)

    def test_an_input_that_all_slices_share_is_dropped_so_too(self):
        layer, ones = cudrop.torch.Dropout(0.5), torch.ones(50)
        for randomness, rows in (("different", 3), ("same", 1)):
            y = vmap(lambda _: layer(ones), randomness=randomness)(torch.zeros(3))
            self.assertEqual(len(set(map(tuple, y.tolist()))), rows)

    def test_slices_of_slices_have_the_randomness_of_each(self):
        layer, x = cudrop.torch.Dropout(0.5), torch.ones(2, 3, 50)
        for outer, inner in (("same", "different"), ("different", "same"),
                             ("different", "different"), ("same", "same")):
            y = vmap(vmap(layer, randomness=inner), randomness=outer)(x)
            self.assertEqual(torch.equal(y[0], y[1]), outer == "same")
            self.assertEqual(torch.equal(y[:, 0], y[:, 1]), inner == "same")

    def test_gradients_per_sample_are_those_of_a_loop(self):
        layer, weight, x = cudrop.torch.Dropout(0.5), plain(8), plain(4, 8, seed=2)
        step = grad(lambda weight, x: (layer(weight * x) ** 2).sum())
        torch.manual_seed(7)
        loop = torch.stack([step(weight, each) for each in x])
        for run in (eager, compiled):
            torch.manual_seed(7)
            self.close(run(lambda w, x: vmap(step, (None, 0), randomness="different")(w, x))(
                weight, x), loop)

    def test_a_generator_of_ones_own_gives_one_mask_or_is_refused(self):
        layer = cudrop.torch.Dropout(0.5, generator=torch.Generator().manual_seed(1))
        y = vmap(layer, randomness="same")(torch.ones(2, 50))
        self.assertTrue(torch.equal(y[0], y[1]))
        for randomness in ("different", "error"):
            with self.assertRaisesRegex(RuntimeError, "randomness"):
                vmap(layer, randomness=randomness)(torch.ones(2, 50))


class Fused(Case):
    def formula(self, activation):
        act = {Activation.IDENTITY: lambda z: z, Activation.RELU: torch.relu,
               Activation.GELU: functional.gelu, Activation.SILU: functional.silu,
               Activation.GELU_TANH: lambda z: functional.gelu(z, approximate="tanh")}[activation]
        scale = scale_of(MASK, (3, 8))
        return lambda x, bias, residual: residual + act(x + bias) * scale

    def fused(self, activation):
        return lambda x, bias, residual: cudrop.torch.fused(
            x, bias=bias, activation=activation, mask=MASK, residual=residual)

    def test_derivatives_of_every_kind_are_the_formulas(self):
        inputs = plain(3, 8), plain(8, seed=2), plain(3, 8, seed=3)
        tangents = plain(3, 8, seed=4), plain(8, seed=5), plain(3, 8, seed=6)
        batch = tuple(torch.stack([each, 1 - each]) for each in inputs)

        def double(drop):
            leaves = [each.clone().requires_grad_() for each in inputs]
            first = torch.autograd.grad((drop(*leaves) ** 2).sum(), leaves, create_graph=True)
            return torch.autograd.grad(sum((each**2).sum() for each in first), leaves)

        loss = lambda drop: lambda *inputs: (drop(*inputs) ** 2).sum()
        ways = {
            "double backward": double,
            "grad": lambda drop: grad(loss(drop), (0, 1, 2))(*inputs),
            "jvp": lambda drop: jvp(drop, inputs, tangents),
            "jvp of residual": lambda drop: jvp(lambda r: drop(*inputs[:2], r), inputs[2:],
                                                tangents[2:]),
            "hessian": lambda drop: hessian(loss(drop), (0, 1))(*inputs),
            "vmap": lambda drop: vmap(drop)(*batch),
            "vmap of grad": lambda drop: vmap(grad(loss(drop), (0, 1, 2)))(*batch),
            "compiled jvp": lambda drop: compiled(lambda *x: jvp(drop, x, tangents))(*inputs),
            "compiled hessian": lambda drop: compiled(lambda *x: hessian(loss(drop))(*x))(*inputs),
        }
        for activation in Activation:
            for name, way in ways.items():
                with self.subTest(activation=activation.name, way=name):
                    torch._dynamo.reset()
                    self.close(way(self.fused(activation)), way(self.formula(activation)),
                               rtol=1e-4, atol=1e-4)

    def test_the_operators_own_gradient_has_none_and_says_so(self):
        dy = leaf(3, 8)
        dx, _ = torch.ops.cudrop.fused_backward(dy, None, None, 0, True, False, None,
                                                *cudrop.torch._operators.write_mask(MASK))
        with self.assertRaisesRegex(RuntimeError, "fused_backward has no gradient"):
            dx.sum().backward()


class Attention(Case):
    def test_slices_and_their_gradients_are_pytorchs(self):
        inputs = [plain(2, 4, 8, seed=seed) for seed in range(3)]
        theirs = functional.scaled_dot_product_attention
        step = lambda function: grad(lambda q, k, v: (function(q, k, v) ** 2).sum(), (0, 1, 2))
        self.close(vmap(attend)(*inputs), vmap(theirs)(*inputs))
        wanted = vmap(step(theirs))(*inputs)
        for run in (eager, compiled):
            self.close(run(lambda *x: vmap(step(attend))(*x))(*inputs), wanted)

    def test_randomness_is_pytorchs(self):
        ones = torch.ones(3, 2, 16, 8)
        drop = lambda q: attend(q, q, q, dropout_p=0.5)
        torch.manual_seed(7)
        loop = torch.stack([drop(each) for each in ones])
        torch.manual_seed(7)
        self.assertTrue(torch.equal(vmap(drop, randomness="different")(ones), loop))
        torch.manual_seed(7)
        self.assertTrue(torch.equal(vmap(drop, randomness="same")(ones)[2], loop[0]))
        with self.assertRaisesRegex(RuntimeError, "randomness='error'"):
            vmap(drop)(ones)

    def test_forward_mode_and_second_derivatives_are_refused(self):
        q = plain(4, 8)
        push = lambda q: jvp(lambda q: attend(q, q, q), (q,), (q,))
        for run in (eager, compiled):
            with self.assertRaisesRegex(Exception, "has no forward mode|Observed exception"):
                run(push)(q)
        with forward_ad.dual_level(), self.assertRaisesRegex(RuntimeError, "has no forward mode"):
            attend(forward_ad.make_dual(q, q), q, q)
        with self.assertRaisesRegex(RuntimeError, "differentiable once"):
            jacrev(jacrev(lambda q: attend(q, q, q).sum()))(q)


class Traced(Case):
    def test_modules_draw_for_fake_tensors_without_data(self):
        with FakeTensorMode() as mode:
            for layer in (cudrop.torch.Dropout(0.5), cudrop.torch.AlphaDropout(0.5),
                          cudrop.torch.DropPath(0.5), cudrop.torch.FusedDropout(0.5)):
                self.assertEqual(layer(mode.from_tensor(torch.ones(3, 5))).shape, (3, 5))

    def test_a_traced_graph_draws_at_every_call(self):
        layer, x = cudrop.torch.Dropout(0.5), torch.ones(50)
        step = grad(lambda x: (layer(x) ** 2).sum())
        for mode in ("real", "fake", "symbolic"):
            graph = make_fx(step, tracing_mode=mode)(x)
            torch.manual_seed(7)
            self.close(graph(x), (torch.manual_seed(7), step(x))[1])
            self.assertNotEqual(graph(x).tolist(), graph(x).tolist())

    def test_an_exported_program_has_gradients(self):
        program = torch.export.export(cudrop.torch.Dropout(0.5), (torch.ones(50),)).module()
        x = leaf(50)
        y = program(x)
        y.sum().backward()
        self.assertTrue(torch.equal(x.grad != 0, y != 0))


class Nested(Case):
    def test_tangents_have_tangents(self):
        scale = cudrop.torch.dropout(torch.ones(3, 8, dtype=torch.float64), MASK)
        x = plain(3, 8).double()
        twice = lambda f: jvp(lambda y: jvp(lambda z: f(z * z), (y,), (x,))[1], (x,), (x,))[1]
        self.assertTrue(torch.equal(twice(lambda z: cudrop.torch.dropout(z, MASK)),
                                    twice(lambda z: z * scale)))
        square = lambda x: torch.sin(cudrop.torch.dropout(x * x, MASK)).sum()
        self.close(torch.func.jacfwd(torch.func.jacfwd(square))(x), torch.func.hessian(square)(x))

    def test_tangents_of_fused_have_tangents(self):
        scale = cudrop.torch.dropout(torch.ones(2, 8), MASK)
        loss = lambda x: cudrop.torch.fused(x, activation=Activation.GELU, mask=MASK).square().sum()
        formula = lambda x: (torch.nn.functional.gelu(x) * scale).square().sum()
        twice = torch.func.jacfwd(torch.func.jacfwd(loss))(plain(2, 8))
        self.close(twice, hessian(formula)(plain(2, 8)))


class Elements(Case):
    def test_a_complex_element_is_kept_or_dropped_whole(self):
        real, imaginary = plain(7, 9), plain(7, 9, seed=2)
        for name, mask in SLICED.items():
            for see in (lambda x: x, lambda x: x.conj(), lambda x: x.t().contiguous().t()):
                with self.subTest(mask=name):
                    y = cudrop.torch.dropout(see(torch.complex(real, imaginary)), mask)
                    kept = cudrop.torch.dropout(torch.ones(7, 9), mask)
                    self.close(y, see(torch.complex(real, imaginary)) * kept)
        x = torch.complex(real.double(), imaginary.double()).requires_grad_()
        drop = lambda x: cudrop.torch.dropout(x, MASK)
        self.assertTrue(torch.autograd.gradcheck(drop, x, check_forward_ad=True))
        self.assertTrue(torch.autograd.gradgradcheck(drop, x))

    def test_alpha_dropout_of_complex_elements_is_pytorchs(self):
        x = torch.complex(plain(7, 9), plain(7, 9, seed=2))
        shift = cudrop.torch.alpha_dropout(torch.zeros(7, 9), MASK)  # a real number
        scale = cudrop.torch.alpha_dropout(torch.ones(7, 9), MASK) - shift
        self.close(cudrop.torch.alpha_dropout(x, MASK), x * scale + shift)

    def test_values_of_jagged_tensors_are_dropped(self):
        parts = [plain(2, 3).requires_grad_(), plain(4, 3).requires_grad_()]
        x = torch.nested.as_nested_tensor(parts, layout=torch.jagged)
        y = cudrop.torch.dropout(x, MASK)
        self.assertTrue(torch.equal(y.values(), cudrop.torch.dropout(x.values(), MASK)))
        y.values().sum().backward()
        self.close(torch.cat([each.grad for each in parts]), scale_of(MASK, (6, 3)))
        layer = cudrop.torch.Dropout(0.5)
        self.assertNotEqual(layer(x).values().tolist(), layer(x).values().tolist())
        for wrong in (lambda: cudrop.torch.dropout(x, MASK.share(-1)), lambda: cudrop.torch.dropout(
                torch.nested.nested_tensor(parts, layout=torch.strided), MASK)):
            with self.assertRaisesRegex(TypeError, "x is a nested tensor, of which"):
                wrong()


if __name__ == "__main__":
    unittest.main()
