"""scaled_dot_product_attention(), beside PyTorch's own and beside a softmax with the same mask."""
import unittest

try:
    import torch
    from torch.nn import functional
    from torch.utils.checkpoint import checkpoint
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import numpy as np

import cudrop
import cudrop.torch
from cudrop.torch._operators import HAS_OPERATORS
from cudrop.torch import scaled_dot_product_attention as attend
from test_torch import MASK, bits, differentiate, leaf, scale_of

BATCH, HEADS, QUERIES, KEYS, D = 2, 4, 5, 7, 16
SCORES = (BATCH, HEADS, QUERIES, KEYS)
BOUNDS = {torch.float32: 5e-6, torch.float16: 5e-3, torch.bfloat16: 4e-2}


def leaves(dtype=torch.float32, heads=HEADS, cols=D, cols_of_value=D):
    return (leaf(BATCH, HEADS, QUERIES, cols, dtype=dtype),
            leaf(BATCH, heads, KEYS, cols, dtype=dtype, seed=2),
            leaf(BATCH, heads, KEYS, cols_of_value, dtype=dtype, seed=3))


def reference(q, k, v, seen=None, mask=None, scale=None):
    """The formula in double, with keys that a boolean `seen` shows; heads of k and v repeat."""
    q, k, v = (each.double() for each in (q, k, v))
    k, v = (each.repeat_interleave(q.size(-3) // each.size(-3), -3) for each in (k, v))
    scores = q @ k.transpose(-1, -2) * (q.size(-1) ** -0.5 if scale is None else scale)
    if seen is not None:
        scores = scores.masked_fill(~seen, -1e300)
    weights = scores.softmax(-1)
    if seen is not None:
        weights = weights * seen
    return (weights if mask is None else weights * scale_of(mask, weights.shape)) @ v


CAUSAL = torch.ones(QUERIES, KEYS, dtype=torch.bool).tril()
LENGTHS = torch.tensor([3, 6])


def shown(lengths):
    return (torch.arange(KEYS) < lengths[..., None])[:, None, None]


class Attend(unittest.TestCase):
    def compare(self, call, formula, inputs):
        dtype = inputs[0].dtype
        for mine, theirs in zip(differentiate(call, inputs), differentiate(formula, inputs)):
            self.assertEqual((mine.dtype, mine.shape), (dtype, theirs.shape))
            torch.testing.assert_close(mine.double(), theirs.double(), rtol=BOUNDS[dtype],
                                       atol=BOUNDS[dtype])

    @unittest.skipUnless(hasattr(functional, "scaled_dot_product_attention"), "PyTorch 2 has it")
    def test_without_dropout_it_is_pytorchs(self):
        theirs = functional.scaled_dot_product_attention
        for dtype in BOUNDS:
            for options in ({}, {"is_causal": True}, {"attn_mask": shown(LENGTHS)}):
                with self.subTest(dtype=dtype, **options):
                    self.compare(lambda *x: attend(*x, **options), lambda *x: theirs(*x, **options),
                                 leaves(dtype))

    def test_it_is_its_formula_with_dropout_and_without(self):
        for dtype in BOUNDS:
            for mask in (None, MASK, MASK.share(0, 1)):
                for seen, options in ((None, {}), (CAUSAL, {"is_causal": True}),
                                      (shown(LENGTHS), {"lengths": LENGTHS}),
                                      (shown(LENGTHS) & CAUSAL,
                                       {"lengths": LENGTHS.int(), "is_causal": True}),
                                      (None, {"scale": -0.4})):
                    for heads in (HEADS, 2, 1):
                        with self.subTest(dtype=dtype, mask=mask, heads=heads, **options):
                            self.compare(
                                lambda *x: attend(*x, mask=mask, enable_gqa=heads < HEADS,
                                                  **options),
                                lambda *x: reference(*x, seen, mask, options.get("scale")),
                                leaves(dtype, heads))

    def test_rows_of_any_length_are_padded(self):
        for cols, cols_of_value in ((1, 1), (12, 12), (16, 20), (20, 3)):
            with self.subTest(cols=cols, cols_of_value=cols_of_value):
                self.compare(lambda *x: attend(*x, mask=MASK),
                             lambda *x: reference(*x, mask=MASK),
                             leaves(cols=cols, cols_of_value=cols_of_value))

    def test_queries_alone_are_one_head_and_batches_may_have_several_dimensions(self):
        for outer in ((), (3,), (2, 1, 3, 2)):
            inputs = [leaf(*outer, rows, D, seed=rows) for rows in (QUERIES, KEYS, KEYS)]
            inputs[2] = inputs[2].detach().mul(2).requires_grad_()
            if outer:
                self.compare(lambda *x: attend(*x, mask=MASK),
                             lambda *x: reference(*x, mask=MASK), inputs)
            else:
                want = reference(*(x[None] for x in inputs), mask=MASK)[0]
                torch.testing.assert_close(attend(*inputs, mask=MASK).double(), want, rtol=0,
                                           atol=1e-5)

    def test_numerical_derivatives_agree(self):
        step, inputs = 1e-2, leaves()
        directions = [torch.sign(leaf(*x.shape, seed=9).detach()) for x in inputs]
        for i, direction in enumerate(directions):
            def loss(distance):
                moved = [x.detach() for x in inputs]
                moved[i] = moved[i] + distance * direction
                y = attend(*moved, mask=MASK, is_causal=True).double()
                return (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum()

            gradient = differentiate(lambda *x: attend(*x, mask=MASK, is_causal=True),
                                     inputs)[1 + i]
            slope = (8 * (loss(step) - loss(-step)) - loss(2 * step) + loss(-2 * step)) / 12 / step
            torch.testing.assert_close((gradient * direction).double().sum(), slope, rtol=1e-3,
                                       atol=1e-3)

    def test_it_drops_what_attention_drops(self):
        q, k = leaf(3, 40, 8).detach(), leaf(3, 8, 8, seed=2).detach()
        v = torch.eye(8).expand(3, 8, 8)  # so that what comes out are the weights
        for options in ({}, {"causal": True}):
            y = cudrop.attention(q @ k.transpose(-1, -2), cudrop.Attention(mask=MASK, **options)).y
            got = attend(q, k, v, mask=MASK, scale=1, is_causal=bool(options))
            np.testing.assert_array_equal((got == 0).numpy(), (y == 0).numpy())
            torch.testing.assert_close(got, y)

    def test_ranks_that_have_some_heads_drop_what_the_whole_drops(self):
        q, k, v = (x.detach() for x in leaves())
        part = attend(q[:, 1:3], k[:, 1:3], v[:, 1:3], mask=MASK.shard(SCORES, (0, 1, 0, 0)))
        self.assertEqual(bits(part), bits(attend(q, k, v, mask=MASK)[:, 1:3]))

    def test_heads_that_are_views_of_tokens_are_not_copied(self):
        projected = leaf(BATCH, QUERIES, 3 * HEADS * D)
        q, k, v = (x.reshape(BATCH, QUERIES, HEADS, D).transpose(1, 2)
                   for x in projected.split(HEADS * D, dim=-1))
        dy = leaf(BATCH, QUERIES, HEADS, D, seed=2).detach().transpose(1, 2)
        with torch.autograd.profiler.profile() as profiler:
            y = attend(q, k, v, mask=MASK, is_causal=True)
            gradients = torch.autograd.grad(y, (q, k, v), dy)
        seen = [event.name for event in profiler.function_events]
        self.assertIn("aten::empty_like", seen)
        self.assertEqual([name for name in seen if "clone" in name or "copy" in name], [])
        for each in (y, *gradients):
            self.assertTrue(each.transpose(1, 2).is_contiguous())
        want = attend(*(x.contiguous() for x in (q, k, v)), mask=MASK, is_causal=True)
        self.assertEqual(bits(y), bits(want))

    def test_other_strides_change_nothing(self):
        x = leaf(BATCH, HEADS, 8, 8).detach()
        for see in (lambda x: x.transpose(-1, -2), lambda x: x[..., ::2], lambda x: x[:, :1, 2:3]
                    .expand(-1, HEADS, 8, 8), lambda x: x.flatten(-2)[..., :10].unfold(-1, 8, 1)):
            views = [see(x).detach().requires_grad_() for _ in range(3)]
            dense = [each.detach().contiguous().requires_grad_() for each in views]
            for y, want in zip(differentiate(lambda *x: attend(*x, mask=MASK), views),
                               differentiate(lambda *x: attend(*x, mask=MASK), dense)):
                self.assertEqual(bits(y), bits(want))

    def test_nothing_of_queries_times_keys_is_saved(self):
        saved, inputs = [], leaves()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            y = attend(*inputs, mask=MASK)
        self.assertEqual(sum(x.numel() for x in saved),
                         sum(x.numel() for x in (*inputs, y)) + BATCH * HEADS * QUERIES)

    def test_gradients_that_nobody_wants_are_left_out(self):
        want = differentiate(lambda *x: attend(*x, mask=MASK), leaves())
        for i in range(3):
            inputs = [x if i == j else x.detach() for j, x in enumerate(leaves())]
            y, gradient = differentiate(lambda x: attend(*inputs, mask=MASK), (inputs[i],))
            self.assertEqual(bits(y), bits(want[0]))
            self.assertEqual(bits(gradient), bits(want[1 + i]))

    def test_a_gradient_of_a_gradient_is_refused(self):
        calls = [lambda *x: attend(*x, mask=MASK)]
        if HAS_OPERATORS:
            calls.append(lambda *x: torch.ops.cudrop.attend(*arguments(*x))[0])
        for call in calls:
            q, k, v = leaves()
            y = call(q, k, v)
            dq, = torch.autograd.grad(y.sum(), q, create_graph=True)
            with self.assertRaisesRegex(RuntimeError, "is differentiable once: .*MATH"):
                (y.sum() + dq.pow(2).sum()).backward()  # a penalty that would be left out

    def test_no_queries_and_no_keys_give_zeros(self):
        for queries, keys in ((0, KEYS), (QUERIES, 0), (0, 0)):
            q, k, v = (leaf(BATCH, HEADS, rows, D) for rows in (queries, keys, keys))
            for each in differentiate(lambda *x: attend(*x, mask=MASK), (q, k, v)):
                self.assertEqual(each.count_nonzero().item(), 0)
        y, *gradients = differentiate(lambda *x: attend(*x, lengths=torch.tensor([0, KEYS])),
                                      leaves())
        for each in (y, *gradients):
            self.assertEqual(each[0].count_nonzero().item(), 0)
            self.assertTrue(each.isfinite().all())

    def test_negated_views_keep_their_sign(self):
        q = torch.complex(*(leaf(2, 3, 8, seed=seed).detach() for seed in (1, 2))).conj().imag
        self.assertTrue(q.is_neg())
        self.assertEqual(bits(attend(q, q, q)), bits(attend(*[q.resolve_neg()] * 3)))


class Masks(unittest.TestCase):
    def test_dropout_p_draws_from_pytorchs_generator(self):
        inputs = leaves()
        torch.manual_seed(7)
        first, second = (attend(*inputs, dropout_p=0.3) for _ in range(2))
        self.assertNotEqual(bits(first), bits(second))
        torch.manual_seed(7)
        seed, offset = cudrop.torch.draw(torch.default_generator)
        self.assertEqual(bits(first), bits(attend(*inputs, mask=cudrop.Mask(seed, offset, 0.3))))
        before = torch.get_rng_state()
        attend(*inputs)
        attend(*inputs, mask=MASK, dropout_p=MASK.p)
        self.assertTrue(torch.equal(torch.get_rng_state(), before))

    def test_checkpointing_draws_the_same_mask_again(self):
        results = []
        for call in (lambda block, *x: block(*x),
                     lambda block, *x: checkpoint(block, *x, use_reentrant=False)):
            torch.manual_seed(7)
            results.append(differentiate(
                lambda *x: call(lambda *x: attend(*x, dropout_p=0.3) ** 2, *x), leaves()))
        for plain, again in zip(*results):
            self.assertEqual(bits(plain), bits(again))

    def test_a_state_stands_for_seed_and_offset(self):
        inputs = leaves()
        y = attend(*inputs, mask=cudrop.Mask(0, 0, 0.3), state=cudrop.torch.make_state(42, 3))
        self.assertEqual(bits(y), bits(attend(*inputs, mask=MASK)))

    def test_attn_mask_is_lengths_of_any_shape(self):
        inputs = [x.detach() for x in leaves()]
        lengths = torch.arange(BATCH * HEADS * QUERIES).reshape(SCORES[:-1]) % (KEYS + 1)
        for seen, lengths in (
                (shown(LENGTHS), LENGTHS), (shown(LENGTHS)[:1], torch.tensor([3, 3])),
                (torch.arange(KEYS) < 4, torch.tensor([4, 4])),
                (torch.ones(QUERIES, 1, dtype=torch.bool), torch.tensor([KEYS, KEYS])),
                (CAUSAL, torch.arange(1, QUERIES + 1).repeat(BATCH, HEADS, 1)),
                (torch.arange(KEYS) < lengths[..., None], lengths)):
            with self.subTest(shape=seen.shape):
                self.assertEqual(bits(attend(*inputs, seen, mask=MASK)),
                                 bits(attend(*inputs, lengths=lengths, mask=MASK)))

    def test_autocast_casts_as_for_pytorchs(self):
        if not HAS_OPERATORS:
            self.skipTest("PyTorch 2.4 says what autocast's type is")
        q, k, v = leaves()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = attend(q, k.detach().half(), v.detach().bfloat16(), mask=MASK)
            theirs = functional.scaled_dot_product_attention(q, k, v)
            with self.assertRaisesRegex(cudrop.Error, "q has dtype = 4 .F64"):
                attend(*(x.double() for x in (q, k, v)))
        self.assertEqual((y.dtype, theirs.dtype), (torch.bfloat16,) * 2)
        want = attend(*(x.bfloat16() for x in (q, k.half(), v)), mask=MASK)
        self.assertEqual(bits(y), bits(want))
        self.assertEqual(torch.autograd.grad(y.float().sum(), q)[0].dtype, torch.float32)


class Refusals(unittest.TestCase):
    def test_what_is_refused_says_what_to_do(self):
        q, k, v = leaves()
        holes = shown(LENGTHS).flip(-1)
        for error, text, options in (
                (ValueError, "hides a key before one .*: keep torch.nn.func", {"attn_mask": holes}),
                (TypeError, "attn_mask is of torch.float32, .*: give a boolean one, .* or lengths, "
                 "or keep torch.nn.functional", {"attn_mask": holes.float()}),
                (TypeError, "attn_mask is of list", {"attn_mask": [True]}),
                (ValueError, "attn_mask and is_causal are both given", {
                    "attn_mask": shown(LENGTHS), "is_causal": True}),
                (ValueError, "attn_mask and lengths are both given", {
                    "attn_mask": shown(LENGTHS), "lengths": LENGTHS}),
                (ValueError, "dropout_p = 1.5 is outside", {"dropout_p": 1.5}),
                (ValueError, "dropout_p = 0.1 and mask.p = 0.3 differ: leave out dropout_p", {
                    "dropout_p": 0.1, "mask": MASK}),
                (TypeError, "mask is a float, and not a cudrop.Mask", {"mask": 0.3}),
                (ValueError, "mask is None", {"state": cudrop.torch.make_state(1, 2)}),
                (ValueError, "scale = 0.0 is 0 in float32", {"scale": 0.0}),
                (ValueError, "scale = 1e-60 is 0 in float32", {"scale": 1e-60}),
                (TypeError, "give scale.item", {"scale": torch.ones((), requires_grad=True)}),
                (cudrop.Error, "scale = nan", {"scale": float("nan")}),
                (cudrop.Error, "lengths has shape", {"lengths": torch.ones(3, dtype=torch.int32)})):
            with self.subTest(**options), self.assertRaisesRegex(error, text):
                attend(q, k, v, **options)

    def test_shapes_and_types_that_do_not_fit_are_refused(self):
        q, k, v = leaves()
        wide = leaf(2, 2, 3, 257)
        for error, text, inputs in (
                (TypeError, "query is a ndarray, and not a tensor", (np.ones((2, 8)), k, v)),
                (ValueError, "value has 1 dimensions", (q, k, v[0, 0, 0])),
                (ValueError, "key has rows of 8, and query of 16", (q, k[..., :8], v)),
                (ValueError, "key has 2 heads, and query 4: enable_gqa=True", (q, k[:, :2], v)),
                (cudrop.Error, "cudrop_attend_forward: v has shape", (q, k, v[:, :, :6])),
                (cudrop.Error, "k has rank", (q, k[0], v[0])),
                (cudrop.Error, "k is F16 and q is F32", (q, k.half(), v)),
                (cudrop.Error, "no multiple of 8 from 8 to 256", (wide, wide, wide))):
            with self.subTest(text=text), self.assertRaisesRegex(error, text):
                attend(*inputs)
        with self.assertRaisesRegex(cudrop.Error, "3 heads, which does not divide"):
            attend(q, k[:, :3], v[:, :3], enable_gqa=True)

    def test_tracing_is_refused_where_it_would_keep_a_mask(self):
        with self.assertRaisesRegex(RuntimeError, "would make one mask a constant"):
            torch.jit.trace(lambda *x: attend(*x, dropout_p=0.3),
                            tuple(x.detach() for x in leaves()))


# ---- under torch.compile ------------------------------------------------------------------


def arguments(q, k, v, lengths=None, mask=MASK):
    """Those of the operator cudrop::attend."""
    state = None if mask is None else cudrop.torch.make_state(mask.seed, mask.offset)
    written = cudrop.torch._operators.write_mask(mask or cudrop.Mask(0, 0, 0.0))
    return (q, k, v, 0.25, True, lengths, state, *written)


@unittest.skipUnless(HAS_OPERATORS, "operators take PyTorch 2.4")
class Compiled(unittest.TestCase):
    kept_apart = cudrop.torch._generators._KEPT_APART

    def setUp(self):
        torch._dynamo.reset()

    def test_pytorchs_own_checks_pass(self):
        operator, backward = (getattr(torch.ops.cudrop, name).default
                              for name in ("attend", "attend_backward"))
        q, k, v = leaves(heads=2)
        tokens = leaf(BATCH, QUERIES, HEADS, D).transpose(1, 2)
        for inputs in (arguments(q, k, v), arguments(q, k, v, LENGTHS, None),
                       arguments(tokens.detach().requires_grad_(), k, v.detach()),
                       arguments(leaf(BATCH, HEADS, D, QUERIES).transpose(-1, -2), k, v)):
            torch.library.opcheck(operator, inputs)
        inputs = [x.detach() if torch.is_tensor(x) else x for x in arguments(q, k, v, LENGTHS)]
        saved = (*inputs[:3], *operator(*inputs))
        for wanted in ((True, True, True), (False, True, False)):
            torch.library.opcheck(backward, (saved[0], *saved, *inputs[3:6], *wanted, *inputs[6:]))
        torch.library.opcheck(torch.ops.cudrop.count_seen.default, (shown(LENGTHS),))

    def compare(self, function, inputs, **options):
        compiled = torch.compile(function, **{"fullgraph": True, "backend": "aot_eager", **options})
        results = []
        for call in (function, compiled):
            torch.manual_seed(7)
            results.append(differentiate(call, inputs))
        for plain, mine in zip(*results):
            self.assertEqual(bits(plain), bits(mine))
            self.assertEqual(plain.stride(), mine.stride())

    def test_compiled_bytes_are_equal(self):
        for options in ({"mask": MASK, "is_causal": True}, {"lengths": LENGTHS, "scale": 0.3},
                        {"attn_mask": shown(LENGTHS), "mask": MASK.share(0)}):
            for dynamic in (None, True):
                with self.subTest(dynamic=dynamic, **options):
                    self.compare(lambda *x: attend(*x, **options) * 2, leaves(), dynamic=dynamic)
        self.compare(lambda q, k, v: attend(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask=MASK).transpose(1, 2),
            [leaf(BATCH, rows, HEADS, 12, seed=rows) for rows in (QUERIES, KEYS, KEYS)])

    def test_a_drawn_mask_is_that_of_the_call_without(self):
        for backend in ("aot_eager", "aot_eager_decomp_partition"):  # the latter recomputes
            self.compare(lambda *x: attend(*x, dropout_p=0.3).exp(), leaves(), backend=backend,
                         fullgraph=self.kept_apart)

    def test_each_call_draws(self):
        def both(*x):
            return attend(*x, dropout_p=0.3), attend(*x, dropout_p=0.3)

        compiled = torch.compile(both, fullgraph=self.kept_apart, backend="aot_eager")
        inputs = leaves()
        self.assertEqual(len({tuple(bits(y)) for _ in range(2) for y in compiled(*inputs)}), 4)

    def test_a_state_compiles_once_for_all_offsets(self):
        compiled = torch.compile(lambda state, *x: attend(*x, mask=cudrop.Mask(0, 0, 0.3),
                                                          state=state),
                                 fullgraph=True, backend="aot_eager")
        inputs = leaves()
        with torch._dynamo.config.patch(error_on_recompile=True):
            for offset in (0, 1, 2**64 - 1):
                y = compiled(cudrop.torch.make_state(42, offset), *inputs)
                self.assertEqual(bits(y), bits(attend(*inputs, mask=cudrop.Mask(42, offset, 0.3))))

    def test_shapes_may_be_dynamic(self):
        compiled = torch.compile(lambda *x: attend(*x, mask=MASK, is_causal=True), fullgraph=True,
                                 backend="aot_eager", dynamic=True)
        for rows, cols in ((3, 8), (5, 16), (9, 12)):
            inputs = [leaf(2, 3, rows, cols, seed=seed) for seed in range(3)]
            self.assertEqual(bits(compiled(*inputs)),
                             bits(attend(*inputs, mask=MASK, is_causal=True)))

    def test_nothing_of_queries_times_keys_is_saved(self):
        inputs = [leaf(1, 1, 64, 8, seed=seed) for seed in range(3)]
        step = torch.compile(lambda *x: attend(*x, dropout_p=0.3), fullgraph=self.kept_apart,
                             backend="aot_eager")
        step(*inputs)  # tracing saves fake tensors
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            step(*inputs)
        self.assertLessEqual(sum(each.numel() for each in saved), 4 * 64 * 8 + 64 + 2)

    def test_a_mask_with_holes_is_refused_when_it_is_read(self):
        compiled = torch.compile(lambda seen, *x: attend(*x, seen), fullgraph=True,
                                 backend="aot_eager")
        with self.assertRaisesRegex(ValueError, "hides a key before one that it shows"):
            compiled(shown(LENGTHS).flip(-1), *leaves())

    def test_autocast_casts_there_too(self):
        compiled, inputs = torch.compile(lambda *x: attend(*x, mask=MASK), fullgraph=True,
                                         backend="aot_eager"), leaves()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y, want = compiled(*inputs), attend(*inputs, mask=MASK)
        self.assertEqual(y.dtype, torch.bfloat16)
        self.assertEqual(bits(y), bits(want))

    def test_fake_tensors_are_taken(self):
        q = torch.empty(2, 3, 5, 12, device="meta")
        self.assertEqual(attend(q, q, q, dropout_p=0.3).shape, q.shape)


if __name__ == "__main__":
    unittest.main()
