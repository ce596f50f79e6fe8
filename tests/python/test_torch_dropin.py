"""Modules with torch.nn's arguments, and models whose dropout is replaced or overridden."""
import copy
import threading
import unittest

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")
if not hasattr(torch.library, "register_vmap"):
    raise unittest.SkipTest(f"PyTorch {torch.__version__} has no vmap of operators: it takes 2.5")

import cudrop.torch
from test_torch import leaf

KINDS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")
PLAIN = ("Dropout", "AlphaDropout")
SHAPE = {"Dropout1d": (6, 5, 40), "Dropout3d": (6, 5, 4, 5, 2)}


class TimmsDropPath(nn.Module):  # what of timm's is read
    def __init__(self, drop_prob=0.0, scale_by_keep=True):
        super().__init__()
        self.drop_prob, self.scale_by_keep = drop_prob, scale_by_keep


class Net(nn.Module):
    """Sites of both kinds: modules and calls."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.drop = nn.Dropout(0.5)
        self.same = self.drop
        self.alpha = nn.Sequential(nn.AlphaDropout(0.5), nn.Linear(8, 8), TimmsDropPath(0.5))
        self.alpha[2].forward = None

    def forward(self, x):
        return functional.dropout(self.drop(self.first(x)), 0.5, self.training)


def ones(kind):
    return torch.ones(SHAPE.get(kind, (6, 5, 8, 5)))


def count(function):
    """How many masks cudrop draws in a call."""
    calls, draw = [], cudrop.torch._generators.draw
    cudrop.torch._generators.draw = lambda *more: calls.append(1) or draw(*more)
    try:
        function()
    finally:
        cudrop.torch._generators.draw = draw
    return len(calls)


class Values(unittest.TestCase):
    def test_a_p_that_changes_later_changes_no_mask(self):
        layer, x = cudrop.torch.Dropout(torch.tensor(0.5)), leaf(1000)
        y = layer(x)
        layer.p.fill_(0.1)
        y.sum().backward()
        self.assertTrue(torch.equal(y != 0, x.grad != 0))
        p = torch.tensor(0.5)
        mask = cudrop.Mask(1, 2, p)
        p.fill_(0.1)
        self.assertEqual(mask.p, 0.5)

    def test_rows_of_an_empty_batch_have_gradients(self):
        mask = cudrop.Mask(1, 2, 0.5)
        for call in (lambda x: cudrop.torch.fused(x, mask=mask),
                     lambda x: cudrop.torch.norm(x, mask=mask)[0],
                     lambda x: cudrop.torch.attention(x, mask=mask),
                     lambda x: cudrop.torch.scaled_dot_product_attention(x, x, x, mask=mask)):
            x = torch.ones(0, 8, requires_grad=True)
            call(x).sum().backward()
            self.assertEqual(x.grad.shape, (0, 8))

    def test_no_probability_is_no_drop_path(self):
        x = torch.ones(4, 2)
        self.assertIs(cudrop.torch.DropPath(None)(x), x)


class Modules(unittest.TestCase):
    def test_they_are_torchs_with_its_arguments(self):
        for kind in KINDS:
            mine, theirs = getattr(cudrop.torch, kind), getattr(nn, kind)
            layer = mine(0.25, True)
            self.assertIsInstance(layer, theirs)
            self.assertEqual((layer.p, layer.inplace, layer.training), (0.25, True, True))
            self.assertFalse(mine(p=0.25, inplace=False).inplace)
            for p in (-0.1, 1.1):
                with self.assertRaisesRegex(ValueError, "outside"):
                    mine(p)

    def test_elements_and_channels_are_dropped_as_torchs(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                torch.manual_seed(7)
                x = ones(kind)
                mine = getattr(cudrop.torch, kind)(0.5)(x)
                theirs = getattr(nn, kind)(0.5)(x)
                torch.testing.assert_close(mine.unique(), theirs.unique())
                whole = (mine == mine.flatten(2)[..., 0].reshape(6, 5, *(1,) * (x.dim() - 2))).all()
                self.assertEqual(whole.item(), kind not in PLAIN)
                self.assertGreater(len(mine.flatten(2)[..., 0].unique(dim=0)), 1)

    def test_ranks_without_a_batch_are_torchs(self):
        for kind, shape, channels in (("Dropout1d", (64, 5), 64), ("Dropout2d", (8, 8, 5), 64),
                                      ("Dropout2d", (8, 8), 64), ("Dropout3d", (64, 2, 3, 4), 64),
                                      ("Dropout3d", (64, 2, 3), 64),
                                      ("FeatureAlphaDropout", (8, 8), 64)):
            y = getattr(cudrop.torch, kind)(0.5)(torch.ones(shape)).reshape(channels, -1)
            self.assertTrue(torch.equal(y, y[:, :1].expand(y.shape)))
            self.assertEqual(len(y.unique()), 2)
        for kind, shape in (("Dropout1d", (2, 3, 4, 5)), ("Dropout1d", (3,)), ("Dropout2d", (3,)),
                            ("FeatureAlphaDropout", (3,))):
            with self.assertRaisesRegex(RuntimeError, "channels have"):
                getattr(cudrop.torch, kind)(0.5)(torch.ones(shape))

    def test_in_place_is_in_place_and_has_the_gradient(self):
        for kind in KINDS:
            for see in (lambda x: x * 1, lambda x: (x * 1).t() if x.dim() == 2 else x * 2):
                layer, x = getattr(cudrop.torch, kind)(0.5), ones(kind).requires_grad_()
                torch.manual_seed(7)
                want = layer(see(x))
                slope, = torch.autograd.grad((want**2).sum(), x)
                layer.inplace = True
                torch.manual_seed(7)
                value = see(x)
                got = layer(value)
                self.assertIs(got, value)
                self.assertTrue(torch.equal(got, want))
                got_slope, = torch.autograd.grad((got**2).sum(), x)
                self.assertTrue(torch.equal(got_slope, slope))

    def test_in_place_reaches_views_and_what_is_traced_and_refuses_leaves(self):
        layer = cudrop.torch.Dropout(0.5, inplace=True)
        x = torch.ones(4, 50)
        layer(x[1:3])
        self.assertEqual([(row == 1).all().item() for row in x], [True, False, False, True])
        negated = torch._neg_view(torch.ones(50))
        layer(negated)
        self.assertEqual(set(negated.tolist()), {0, -2})
        grown = leaf(50)
        before = grown.detach().clone()
        with self.assertRaisesRegex(RuntimeError, "a leaf that requires grad"):
            layer(grown)
        self.assertTrue(torch.equal(grown, before))
        step = torch.compile(lambda x: layer(x * 1) + 0, fullgraph=True, backend="aot_eager")
        self.assertEqual(set(step(torch.ones(50)).tolist()), {0, 2})
        saved = (torch.ones(50, requires_grad=True) * 1).exp()  # which saves its result
        layer(saved)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            saved.sum().backward()
        y, pushed = torch.func.jvp(lambda x: layer(x * 1), (torch.ones(50),), (torch.ones(50),))
        self.assertTrue(torch.equal(y, pushed))
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(torch.ones(50), torch.ones(50)) * 1
            y, pushed = torch.autograd.forward_ad.unpack_dual(layer(dual))
            self.assertTrue(torch.equal(y, pushed))

    def test_nothing_is_drawn_with_p_0_or_in_evaluation(self):
        for make in (*(getattr(cudrop.torch, kind) for kind in KINDS), cudrop.torch.DropPath):
            for layer in (make(0), make(0.0), make(0.5).eval()):
                x, before = torch.ones(3, 5, 4), torch.get_rng_state()
                self.assertIs(layer(x), x)
                self.assertTrue(torch.equal(torch.get_rng_state(), before))
        learning = cudrop.torch.Dropout(0.5)
        learning.p = torch.tensor(0.0, requires_grad=True)
        with self.assertRaisesRegex(TypeError, "p is a tensor that requires grad"):
            learning(torch.ones(3))

    def test_drop_path_has_timms_arguments(self):
        x = leaf(200, 3, 2)
        scaled, kept = (cudrop.torch.DropPath(drop_prob=0.5, scale_by_keep=scale)
                        for scale in (True, False))
        torch.manual_seed(7)
        y = scaled(x)
        torch.manual_seed(7)
        z = kept(x)
        self.assertTrue(torch.equal(y, 2 * z))
        self.assertTrue(0 < (z.flatten(1) == 0).all(1).sum() < 200)
        z.sum().backward()
        self.assertTrue(torch.equal(x.grad, (z != 0).float()))
        none = cudrop.torch.DropPath()
        self.assertEqual((none.drop_prob, none.scale_by_keep), (0.0, True))

    def test_more_dimensions_than_the_library_has_are_dropped(self):
        y = cudrop.torch.Dropout(0.5)(torch.ones((2,) * 9))
        self.assertEqual((y.shape, len(y.unique())), ((2,) * 9, 2))

    def test_symbolic_trace_keeps_the_draw(self):
        for layer in (cudrop.torch.Dropout(0.5), cudrop.torch.Dropout1d(0.5),
                      cudrop.torch.DropPath(0.5)):
            traced, x = torch.fx.symbolic_trace(layer), torch.ones(20, 5, 4)
            torch.manual_seed(7)
            want = layer(x)
            torch.manual_seed(7)
            self.assertTrue(torch.equal(traced(x), want))
            self.assertFalse(torch.equal(traced(x), want))


class Replaced(unittest.TestCase):
    def test_modules_are_swapped_where_they_are(self):
        net = Net().eval()
        objects = list(net.modules())
        self.assertEqual(cudrop.torch.replace_dropout(net), 3)  # drop and same are one
        self.assertEqual([id(each) for each in net.modules()], [id(each) for each in objects])
        self.assertEqual([type(net.drop), type(net.alpha[0]), type(net.alpha[2])],
                         [cudrop.torch.Dropout, cudrop.torch.AlphaDropout, cudrop.torch.DropPath])
        self.assertFalse(net.drop.training)
        self.assertEqual(cudrop.torch.replace_dropout(net), 0)
        self.assertEqual(cudrop.torch.replace_dropout(nn.Dropout(0.5)), 1)

        class Mine(nn.Dropout):
            pass

        self.assertEqual(cudrop.torch.replace_dropout(Mine(0.5)), 0)

    def test_a_child_is_given_to_what_is_swapped_already_and_alpha_is_not_in_place(self):
        net = nn.Sequential(cudrop.torch.Dropout(0.5), nn.Dropout(0.5), nn.AlphaDropout(0.5, True))
        self.assertEqual(cudrop.torch.replace_dropout(net, child=3), 2)
        self.assertEqual([layer.child for layer in net], [3, 3, 3])
        x = torch.ones(64)
        net[2](x)
        self.assertEqual(set(x.tolist()), {1})

    def test_what_is_swapped_draws_and_may_be_copied(self):
        for kind in KINDS:
            layer = getattr(nn, kind)(0.5)
            hooked = []
            layer.register_forward_hook(lambda *_: hooked.append(1))
            self.assertEqual(cudrop.torch.replace_dropout(layer, child=3), 1)
            wanted = getattr(cudrop.torch, kind)(0.5, child=3)
            for each in (layer, copy.deepcopy(layer)):
                torch.manual_seed(7)
                y = each(ones(kind))
                torch.manual_seed(7)
                self.assertTrue(torch.equal(y, wanted(ones(kind))))
            self.assertEqual(len(hooked), 2)
            self.assertEqual(count(lambda: layer(ones(kind))), 1)

    def test_evaluation_and_state_dicts_are_what_they_were(self):
        theirs, mine = Net(), Net()
        cudrop.torch.replace_dropout(mine)
        mine.load_state_dict(theirs.state_dict())
        theirs.load_state_dict(mine.state_dict())
        x = leaf(4, 8)
        self.assertTrue(torch.equal(mine.eval()(x), theirs.eval()(x)))
        monte_carlo = [each for each in mine.modules() if isinstance(each, nn.Dropout)]
        self.assertEqual(len(monte_carlo), 1)
        monte_carlo[0].train()
        self.assertFalse(torch.equal(mine(x), mine(x)))


class Overridden(unittest.TestCase):
    def setUp(self):
        torch._dynamo.reset()

    def sites(self):
        x = torch.ones(2, 6, 8)
        attend = functional.scaled_dot_product_attention
        hidden = torch.eye(6, dtype=torch.bool)
        return {
            "dropout": (1, lambda: functional.dropout(x)),
            "dropout in place": (1, lambda: functional.dropout(x.clone(), inplace=True)),
            "module": (1, lambda: nn.Dropout(0.5)(x)),
            "dropout1d": (1, lambda: functional.dropout1d(x)),
            "dropout2d": (1, lambda: functional.dropout2d(x.unsqueeze(0))),
            "dropout3d": (1, lambda: functional.dropout3d(x.unsqueeze(0))),
            "alpha": (1, lambda: functional.alpha_dropout(x, training=True)),
            "feature alpha": (1, lambda: functional.feature_alpha_dropout(x, training=True)),
            "native": (1, lambda: torch.native_dropout(x, 0.5, True)),
            "attention": (1, lambda: attend(x, x, x, dropout_p=0.5)),
            "attention with a mask": (1, lambda: attend(x, x, x, hidden, dropout_p=0.5)),
            "attention in F64": (1, lambda: attend(*(x.double(),) * 3, dropout_p=0.5)),
            "LSTM": (1, lambda: nn.LSTM(8, 8, 2, dropout=0.5)(x)),
            "multi-head": (1, lambda: nn.MultiheadAttention(8, 2, dropout=0.5)(x, x, x)),
            "transformer": (4, lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5)(x)),
            "evaluation": (0, lambda: functional.dropout(x, training=False)),
            "p = 0": (0, lambda: functional.dropout(x, 0.0)),
            "attention without dropout": (0, lambda: attend(x, x, x)),
            "vmap": (2, lambda: torch.vmap(functional.dropout, randomness="different")(x)),
            "vmap of attention": (1, lambda: torch.vmap(lambda x: attend(x, x, x, dropout_p=0.5),
                                                        randomness="same")(x)),
            "grad": (1, lambda: torch.func.grad(lambda x: functional.dropout(x).sum())(x)),
        }

    def test_calls_reach_cudrop_and_end_to(self):
        for name, (draws, call) in self.sites().items():
            with self.subTest(site=name):
                self.assertEqual(count(call), 0)
                with cudrop.torch.override_dropout():
                    self.assertEqual(count(call), draws)
                    with torch.inference_mode():
                        self.assertEqual(count(call), draws)
                self.assertEqual(count(call), 0)

    def test_values_are_those_of_modules(self):
        x = leaf(6, 5, 8)
        pairs = ((functional.dropout, cudrop.torch.Dropout),
                 (functional.dropout1d, cudrop.torch.Dropout1d),
                 (lambda x, p: functional.alpha_dropout(x, p, True), cudrop.torch.AlphaDropout),
                 (lambda x, p: functional.feature_alpha_dropout(x, p, True),
                  cudrop.torch.FeatureAlphaDropout))
        with cudrop.torch.override_dropout():
            for function, module in pairs:
                results = []
                for call in (lambda: function(x, 0.3), lambda: module(0.3)(x)):
                    torch.manual_seed(7)
                    y = call()
                    results.append((y, *torch.autograd.grad((y**2).sum(), x)))
                self.assertTrue(all(map(torch.equal, *results)))
            y, kept = torch.native_dropout(x, 0.3, True)
            self.assertTrue(torch.equal(y != 0, kept))
            rejoined = functional.scaled_dot_product_attention(x, x, x, torch.zeros(5, 5),
                                                               dropout_p=1.0)
            self.assertTrue(torch.equal(rejoined, torch.zeros(6, 5, 8)))

    def test_compiled_calls_draw_and_graphs_are_made_anew(self):
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
        x = leaf(2, 6, 8)
        for backend in ("aot_eager", "inductor"):
            step = torch.compile(layer, backend=backend, fullgraph=True)
            self.assertEqual(count(lambda: step(x)), 0)
            with cudrop.torch.override_dropout():
                self.assertEqual(count(lambda: step(x).sum().backward()), 4)
                torch.manual_seed(7)
                first = step(x)
                torch.manual_seed(7)
                torch.testing.assert_close(first, layer(x))
            self.assertEqual(count(lambda: step(x)), 0)

    def test_attention_with_a_mask_sees_the_keys_that_it_shows(self):
        q, k, v = (leaf(2, 3, 8, 16, seed=seed).detach() for seed in (1, 2, 3))
        shown = torch.ones(8, 8, dtype=torch.bool).tril()
        added = torch.zeros(8, 8).masked_fill(~shown, -torch.inf)
        attend = functional.scaled_dot_product_attention
        with cudrop.torch.override_dropout():
            torch.manual_seed(7)
            y = attend(q, k, v, shown, dropout_p=0.5)
            torch.manual_seed(7)
            torch.testing.assert_close(y, attend(q, k, v, added, dropout_p=0.5))
            torch.testing.assert_close(attend(q, k, v, shown, dropout_p=1e-9),
                                       attend(q, k, v, shown))

    def test_native_dropout_of_no_mode_drops(self):
        with cudrop.torch.override_dropout():
            y, kept = torch.native_dropout(torch.ones(64), 0.5, None)
        self.assertEqual(set(y.tolist()), {0, 2})
        self.assertTrue(torch.equal(y != 0, kept))

    def test_an_override_may_be_entered_again(self):
        def is_on():
            torch.manual_seed(7)
            y = functional.dropout(torch.ones(64))
            torch.manual_seed(7)
            return torch.equal(y, cudrop.torch.Dropout()(torch.ones(64)))

        override = cudrop.torch.override_dropout()
        with override:
            with override:
                pass
            self.assertTrue(is_on())
        self.assertFalse(is_on())
        with override:
            self.assertTrue(is_on())
        override.remove()
        self.assertFalse(is_on())

    def test_overrides_begin_and_end_in_threads(self):
        errors = []

        def work():
            try:
                for _ in range(5):
                    with cudrop.torch.override_dropout():
                        functional.dropout(torch.ones(8))
            except Exception as error:  # pylint: disable=broad-exception-caught
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def test_overrides_may_be_nested_and_removed_twice(self):
        call = lambda: functional.dropout(torch.ones(5))
        outer, inner = cudrop.torch.override_dropout(), cudrop.torch.override_dropout()
        inner.remove()
        inner.remove()
        self.assertEqual(count(call), 1)
        outer.remove()
        self.assertEqual(count(call), 0)
        self.assertEqual(torch.compiler.config.cache_key_tag, "")


if __name__ == "__main__":
    unittest.main()
