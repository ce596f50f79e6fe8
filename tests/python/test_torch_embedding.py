"""embedding(), beside PyTorch's own composition with the same mask."""
import unittest

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise unittest.SkipTest(f"there is no PyTorch: {error}")

import cudrop
import cudrop.torch
from cudrop.torch._operators import HAS_OPERATORS, write_mask
from test_torch import MASK, bits, differentiate, leaf, scale_of

BATCH, TOKENS, COLS, VOCABULARY = 3, 5, 24, 11
BOUNDS = {torch.float32: 2e-6, torch.float16: 5e-3, torch.bfloat16: 4e-2}


def make_ids(dtype=torch.int64):
    """Ids of which some repeat, and 10 is none."""
    return (torch.arange(BATCH * TOKENS).reshape(BATCH, TOKENS).square() % 10).to(dtype)


def leaves(dtype=torch.float32, tables=None):
    return (leaf(VOCABULARY, COLS, dtype=tables or dtype),
            leaf(TOKENS, COLS, dtype=tables or dtype, seed=2))


def reference(ids, tokens, positions=None, mask=None):
    """PyTorch's composition in double."""
    y = functional.embedding(ids.long(), tokens.double())
    if positions is not None:
        y = y + positions.double()[:ids.size(-1)]
    return y if mask is None else y * scale_of(mask, y.shape, torch.float64)


class Embedding(unittest.TestCase):
    def compare(self, call, formula, inputs, dtype):
        got, want = differentiate(call, inputs), differentiate(formula, inputs)
        for mine, theirs, kind in zip(got, want, (dtype, *(each.dtype for each in inputs))):
            self.assertEqual((mine.dtype, mine.shape), (kind, theirs.shape))
            torch.testing.assert_close(mine.double(), theirs.double(), rtol=BOUNDS[dtype],
                                       atol=4 * BOUNDS[dtype])

    def test_values_and_gradients_are_those_of_pytorchs_formula(self):
        for dtype in BOUNDS:
            for kind in (torch.int32, torch.int64):
                for mask in (MASK, None, MASK.share(-1)):
                    with self.subTest(dtype=dtype, ids=kind, mask=mask):
                        self.compare(
                            lambda tokens, positions: cudrop.torch.embedding(
                                make_ids(kind), tokens, positions=positions, mask=mask),
                            lambda *tables: reference(make_ids(), *tables, mask),
                            leaves(dtype), dtype)

    def test_tables_of_f32_give_rows_of_another_type(self):
        for dtype in (torch.float16, torch.bfloat16):
            self.compare(lambda tokens, positions: cudrop.torch.embedding(
                make_ids(), tokens, positions=positions, mask=MASK, dtype=dtype),
                lambda *tables: reference(make_ids(), *tables, MASK), leaves(dtype, torch.float32),
                dtype)
            tables = leaves(torch.float32)
            y = cudrop.torch.embedding(make_ids(), tables[0], positions=tables[1], mask=MASK,
                                       dtype=dtype)
            for mine, theirs in zip(  # sums that the type of y could not hold
                    torch.autograd.grad(y.sum(), tables),
                    torch.autograd.grad(reference(make_ids(), *tables, MASK).sum(), tables)):
                torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)

    def test_positions_may_be_left_out_or_be_more_than_tokens(self):
        tokens, _ = leaves()
        self.compare(lambda tokens: cudrop.torch.embedding(make_ids(), tokens, mask=MASK),
                     lambda tokens: reference(make_ids(), tokens, mask=MASK), (tokens,),
                     torch.float32)
        positions = leaf(TOKENS + 3, COLS, seed=2)
        self.compare(lambda *tables: cudrop.torch.embedding(make_ids(), tables[0],
                                                            positions=tables[1], mask=MASK),
                     lambda *tables: reference(make_ids(), *tables, MASK), (tokens, positions),
                     torch.float32)

    def test_ids_may_have_any_shape_and_strides(self):
        for see in (lambda ids: ids.t(), lambda ids: ids[:, ::2], lambda ids: ids[0],
                    lambda ids: ids[None, :, None], lambda ids: ids[:, :0]):
            ids = see(make_ids())
            tokens, _ = leaves()
            positions = leaf(ids.size(-1), COLS, seed=2)
            self.compare(lambda *tables: cudrop.torch.embedding(ids, tables[0], positions=tables[1],
                                                                mask=MASK),
                         lambda *tables: reference(ids, *tables, MASK), (tokens, positions),
                         torch.float32)

    def test_each_table_may_be_the_only_one_that_learns(self):
        for learns in (0, 1):
            tables = [x if i == learns else x.detach() for i, x in enumerate(leaves())]
            got, want = (torch.autograd.grad(call.sum(), tables[learns])[0] for call in (
                cudrop.torch.embedding(make_ids(), tables[0], positions=tables[1], mask=MASK),
                reference(make_ids(), *tables, MASK)))
            torch.testing.assert_close(got, want, rtol=2e-6, atol=8e-6)

    def test_ids_out_of_range_give_zeros_and_no_gradient(self):
        tokens, positions = leaves()
        ids = make_ids()
        outside = torch.zeros_like(ids, dtype=torch.bool)
        outside[0, 1] = outside[2, 4] = True
        for beyond in (-1, VOCABULARY, 1 << 40):
            y = cudrop.torch.embedding(ids.masked_fill(outside, beyond), tokens,
                                       positions=positions, mask=MASK)
            want = reference(ids, tokens, positions, MASK) * ~outside[..., None]
            torch.testing.assert_close(y.double(), want, rtol=2e-6, atol=2e-6)
            for mine, theirs in zip(torch.autograd.grad(y.sum(), (tokens, positions)),
                                    torch.autograd.grad(want.sum(), (tokens, positions))):
                torch.testing.assert_close(mine, theirs, rtol=2e-6, atol=8e-6)

    def test_ids_alone_are_saved_so_that_a_step_may_change_tables(self):
        saved, (tokens, positions) = [], leaves()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            y = cudrop.torch.embedding(make_ids(), tokens, positions=positions, mask=MASK)
        self.assertEqual([each.shape for each in saved], [(BATCH, TOKENS)])
        with torch.no_grad():
            tokens.add_(1)
        y.sum().backward()

    def test_a_gradient_of_a_gradient_is_refused(self):
        functions = [cudrop.torch.embedding]
        if HAS_OPERATORS:
            functions.append(torch.compile(cudrop.torch.embedding, backend="eager"))
        for function in functions:
            tokens, _ = leaves()
            y = function(make_ids(), tokens, mask=MASK)
            gradient, = torch.autograd.grad(y.square().sum(), tokens, create_graph=True)
            with self.assertRaisesRegex(RuntimeError, "embedding is differentiable once"):
                gradient.sum().backward()

    def test_what_does_not_fit_is_refused_in_words(self):
        tokens, _ = leaves()
        ids = make_ids()
        for arguments, words in (
                ({"ids": ids.short()}, "ids is of torch.int16, and ids are int32 or int64"),
                ({"ids": ids.double()}, "ids is of torch.float64"),
                ({"ids": [1, 2]}, "ids is a list"), ({"tokens": tokens[0]}, "has 1 dimensions"),
                ({"tokens": leaf(4, 8, dtype=torch.float64)}, "F64"),
                ({"positions": leaf(TOKENS - 1, COLS)}, "positions has"),
                ({"positions": leaf(TOKENS, COLS + 1)}, "positions has"),
                ({"positions": leaf(TOKENS, COLS, dtype=torch.bfloat16)}, "positions is BF16"),
                ({"dtype": torch.int32}, "y has dtype"), ({"mask": 0.1}, "mask is a float"),
                ({"state": cudrop.torch.make_state(1, 2)}, "mask is None")):
            with self.subTest(words=words), self.assertRaisesRegex(
                    (cudrop.Error, TypeError, ValueError), words):
                cudrop.torch.embedding(**{"ids": ids, "tokens": tokens, **arguments})


@unittest.skipUnless(HAS_OPERATORS, "operators take PyTorch 2.4")
class Operators(unittest.TestCase):
    def test_pytorchs_own_checks_pass(self):
        state, mask = cudrop.torch.make_state(42, 3), write_mask(MASK)
        ids, (tokens, positions) = make_ids(), leaves()
        for arguments in ((tokens, positions, torch.float32, state),
                          (tokens, None, torch.bfloat16, state),
                          (tokens.detach(), positions, torch.float32, None)):
            torch.library.opcheck(torch.ops.cudrop.embedding.default, (ids, *arguments, *mask))
        dy = leaf(BATCH, TOKENS, COLS, dtype=torch.bfloat16).detach()
        for types in ((torch.float32, torch.bfloat16), (None, torch.float32),
                      (torch.bfloat16, None)):
            torch.library.opcheck(torch.ops.cudrop.embedding_backward.default,
                                  (ids, dy, VOCABULARY, *types, state, *mask))

    def test_compiled_bytes_are_equal(self):
        def call(tokens, positions):
            return cudrop.torch.embedding(make_ids(), tokens * 1, positions=positions, mask=MASK)

        compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
        for mine, theirs in zip(differentiate(compiled, leaves()), differentiate(call, leaves())):
            self.assertEqual(bits(mine), bits(theirs))

    def test_one_graph_serves_every_state_and_length(self):
        tokens, positions = leaves()
        call = torch.compile(lambda ids, state: cudrop.torch.embedding(
            ids, tokens, positions=positions, mask=MASK, state=state), fullgraph=True, dynamic=True,
            backend="aot_eager")
        with torch._dynamo.config.patch(error_on_recompile=True):
            for step, count in ((3, 4), (9, 4), (1 << 40, 3)):
                ids = make_ids()[:, :count].contiguous()
                y = call(ids, cudrop.torch.make_state(42, step))
                wanted = cudrop.torch.embedding(ids, tokens, positions=positions,
                                                mask=cudrop.Mask(42, step, MASK.p))
                self.assertEqual(bits(y), bits(wanted))


if __name__ == "__main__":
    unittest.main()
