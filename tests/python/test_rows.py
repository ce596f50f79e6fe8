"""Operators on rows beside their formulas, computed by NumPy in double.

That the library computes them to the bit is for its own suites; here arguments, outputs and
workspaces come from Python.
"""
import math
import unittest

import numpy as np

import cudrop
from cudrop import Activation, Norm
from test_numpy import MASK, numbers

ROWS, COLS = 6, 40


def keep_scale(shape, mask=MASK):
    if mask is None:
        return np.ones(shape)
    return cudrop.export_scale(mask, np.empty(shape, np.float64))


def near(test, got, want):
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-5)


ACTIVATIONS = {
    Activation.IDENTITY: lambda z: z,
    Activation.RELU: lambda z: np.maximum(z, 0),
    Activation.GELU: lambda z: z * np.vectorize(lambda v: (1 + math.erf(v / 2**0.5)) / 2)(z),
    Activation.GELU_TANH:
        lambda z: z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))) / 2,
    Activation.SILU: lambda z: z / (1 + np.exp(-z)),
}


def slope(function, z, h=1e-6):
    return (function(z + h) - function(z - h)) / (2 * h)


class Fused(unittest.TestCase):
    def test_it_is_its_formula_forward_and_backward(self):
        x, bias, residual = numbers(ROWS, COLS), numbers(COLS, seed=2), numbers(ROWS, COLS, seed=3)
        dy, scale = numbers(ROWS, COLS, seed=4), keep_scale((ROWS, COLS))
        for activation, act in ACTIVATIONS.items():
            with self.subTest(activation=activation):
                z = x.astype(float) + bias
                y = cudrop.fused(x, bias=bias, activation=activation, mask=MASK, residual=residual)
                near(self, y, residual + act(z) * scale)
                got = cudrop.fused_backward(dy, x=x, bias=bias, activation=activation, mask=MASK)
                want = slope(act, z) * dy * scale
                near(self, got.dx, want)
                near(self, got.dbias, want.sum(axis=0))

    def test_parts_are_off_and_outputs_are_given_or_left_out(self):
        x, out = numbers(ROWS, COLS), np.zeros((ROWS, COLS), np.float32)
        self.assertIs(cudrop.fused(x, y=out), out)
        np.testing.assert_array_equal(out, x)
        dx, dbias = cudrop.fused_backward(x, mask=MASK, dbias=False)
        self.assertIsNone(dbias)
        np.testing.assert_array_equal(dx, cudrop.dropout(x, MASK))
        total = np.ones(COLS, np.float32)
        dx, dbias = cudrop.fused_backward(x, mask=MASK, dx=False, dbias=total,
                                          accumulate_parameters=True)
        self.assertIsNone(dx)
        self.assertIs(dbias, total)
        near(self, total, 1 + cudrop.dropout(x, MASK).sum(axis=0))

    def test_a_wrong_argument_is_named(self):
        with self.assertRaises(cudrop.Error) as caught:
            cudrop.fused(numbers(ROWS, COLS), bias=numbers(COLS + 1))
        self.assertEqual(caught.exception.status, cudrop.Status.ERROR_SHAPE)
        self.assertIn("cudrop_fused_forward: bias", caught.exception.detail)
        with self.assertRaisesRegex(TypeError, "bias is a list"):
            cudrop.fused(numbers(ROWS, COLS), bias=[0.0] * COLS)


class Norms(unittest.TestCase):
    def norm(self, h, kind, gamma, beta):
        mean = h.mean(-1, keepdims=True) if kind == Norm.LAYER_NORM else 0
        rstd = 1 / np.sqrt(((h - mean) ** 2).mean(-1, keepdims=True) + 1e-5)
        return (h - mean) * rstd * gamma + beta, mean, rstd

    def test_it_is_its_formula_forward_and_backward(self):
        x, bias, residual = numbers(ROWS, COLS), numbers(COLS, seed=2), numbers(ROWS, COLS, seed=3)
        gamma, beta = numbers(COLS, seed=4), numbers(COLS, seed=5)
        dy, dh, scale = numbers(ROWS, COLS, seed=6), numbers(ROWS, COLS, seed=7), keep_scale(
            (ROWS, COLS))
        for kind in Norm:
            with self.subTest(kind=kind):
                got = cudrop.norm(x, bias=bias, mask=MASK, residual=residual, kind=kind,
                                  gamma=gamma, beta=beta)
                h = residual + (x.astype(float) + bias) * scale
                y, mean, rstd = self.norm(h, kind, gamma, beta)
                near(self, got.h, h)
                near(self, got.y, y)
                near(self, got.rstd, rstd[:, 0])
                if kind == Norm.LAYER_NORM:
                    near(self, got.mean, mean[:, 0])
                else:
                    self.assertIsNone(got.mean)

                hhat, g = (h - mean) * rstd, dy.astype(float) * gamma
                inner = g - g.mean(-1, keepdims=True) * (kind == Norm.LAYER_NORM)
                dresidual = dh + (inner - hhat * (g * hhat).mean(-1, keepdims=True)) * rstd
                back = cudrop.norm_backward(dy, h=got.h, mean=got.mean, rstd=got.rstd, dh=dh,
                                            gamma=gamma, kind=kind, mask=MASK)
                near(self, back.dresidual, dresidual)
                near(self, back.dx, dresidual * scale)
                near(self, back.dbias, (dresidual * scale).sum(0))
                near(self, back.dgamma, (dy * hhat).sum(0))
                near(self, back.dbeta, dy.sum(0))


class Attention(unittest.TestCase):
    def test_it_is_its_formula_forward_and_backward(self):
        scores = numbers(2, 3, 5, 7)
        dy, scale = numbers(2, 3, 5, 7, seed=2), keep_scale((2, 3, 5, 7))
        lengths = np.array([4, 7], np.int32)
        query, key = np.arange(5)[:, None], np.arange(7)
        seen = (key < lengths[:, None, None, None]) & (key <= query + 1)
        exponents = np.where(seen, np.exp(0.5 * scores.astype(float)), 0)
        weights = exponents / exponents.sum(-1, keepdims=True)

        dirty = [np.full((2, 3, 5, 7), np.nan, np.float32) for _ in range(8)]
        del dirty  # so that new memory is not zeros by chance
        options = cudrop.Attention(scale=0.5, causal=True, query_offset=1, lengths=lengths,
                                   mask=MASK)
        got = cudrop.attention(scores, options)
        near(self, got.weights, weights)
        near(self, got.y, weights * scale)
        np.testing.assert_array_equal(cudrop.attention_reapply(got.weights, options), got.y)
        dweights = dy * scale * seen
        want = 0.5 * weights * (dweights - (dweights * weights).sum(-1, keepdims=True))
        near(self, cudrop.attention_backward(dy, got.weights, options), want)
        for each in (lengths.astype(np.int64), np.repeat(lengths, 3).reshape(2, 3)):
            np.testing.assert_array_equal(
                cudrop.attention(scores, options._replace(lengths=each)).y, got.y)
        self.assertIsNone(cudrop.attention(scores, cudrop.Attention(), weights=False).weights)

    def test_the_last_query_may_be_the_one_that_sees_all_keys(self):
        last = cudrop.Attention(causal=cudrop.Causal.CAUSAL_LAST)
        for queries, keys in ((5, 7), (7, 5)):
            seen = np.tri(queries, keys, keys - queries, bool)
            weights = cudrop.attention(numbers(2, queries, keys), last).weights
            np.testing.assert_array_equal(weights != 0, np.broadcast_to(seen, weights.shape))
            near(self, weights.sum(-1), np.broadcast_to(seen.any(-1), weights.shape[:-1]))

    def test_a_window_ends_with_the_query_itself(self):
        options = cudrop.Attention(causal=True, query_offset=1, window=3)
        seen = np.tri(5, 7, 1, bool) & ~np.tri(5, 7, 1 - 3, bool)
        weights = cudrop.attention(numbers(2, 5, 7), options).weights
        np.testing.assert_array_equal(weights != 0, np.broadcast_to(seen, weights.shape))
        near(self, weights.sum(-1), np.ones((2, 5)))


class Attend(unittest.TestCase):
    def test_it_is_its_formula_forward_and_backward(self):
        q, dout = numbers(2, 4, 5, 16), numbers(2, 4, 5, 16, seed=2)
        k, v = numbers(2, 2, 7, 16, seed=3), numbers(2, 2, 7, 16, seed=4)
        scale = keep_scale((2, 4, 5, 7))
        options = cudrop.Attention(scale=0.25, causal=True, query_offset=1, window=4, mask=MASK)
        got = cudrop.attend(q, k, v, options)

        wide_k, wide_v = (np.repeat(a.astype(float), 2, axis=1) for a in (k, v))
        scores = 0.25 * np.einsum("bhqd,bhkd->bhqk", q.astype(float), wide_k)
        exponents = np.exp(scores) * (np.tri(5, 7, 1) - np.tri(5, 7, 1 - 4))
        weights = exponents / exponents.sum(-1, keepdims=True)
        o = np.einsum("bhqk,bhkd->bhqd", weights * scale, wide_v)
        near(self, got.o, o)
        near(self, got.lse, np.log(exponents.sum(-1)))

        back = cudrop.attend_backward(dout, q, k, v, got.o, got.lse, options)
        dweights = np.einsum("bhqd,bhkd->bhqk", dout, wide_v) * scale
        delta = (dout * o).sum(-1, keepdims=True)
        dscores = 0.25 * weights * (dweights - delta)
        near(self, back.dq, np.einsum("bhqk,bhkd->bhqd", dscores, wide_k))
        near(self, back.dk, np.einsum("bhqk,bhqd->bhkd", dscores, q)
             .reshape(2, 2, 2, 7, 16).sum(2))
        near(self, back.dv, np.einsum("bhqk,bhqd->bhkd", weights * scale, dout)
             .reshape(2, 2, 2, 7, 16).sum(2))

    def test_outputs_and_gradients_may_be_left_out_and_added_to(self):
        q, k, v = (numbers(3, 4, 8, seed=seed) for seed in (1, 2, 3))
        options = cudrop.Attention(mask=MASK)
        o, lse = cudrop.attend(q, k, v, options)
        self.assertIsNone(cudrop.attend(q, k, v, options, lse=False).lse)
        back = cudrop.attend_backward(q, q, k, v, o, lse, options)
        alone = cudrop.attend_backward(q, q, k, v, o, lse, options, dq=False, dv=False)
        np.testing.assert_array_equal(alone.dk, back.dk)
        self.assertEqual((alone.dq, alone.dv), (None, None))
        old = np.ones_like(back.dk)
        cudrop.attend_backward(q, q, k, v, o, lse, options, dq=False, dk=old, dv=False,
                               accumulate_data=True)
        np.testing.assert_array_equal(old, 1 + back.dk)


class Embedding(unittest.TestCase):
    def test_it_is_its_formula_forward_and_backward(self):
        ids = np.array([[3, 0, -1, 3], [9, 3, 1, 0]], np.int32)
        tokens, positions = numbers(10, COLS), numbers(4, COLS, seed=2)
        dy, scale = numbers(2, 4, COLS, seed=3), keep_scale((2, 4, COLS))
        known = (ids >= 0)[..., None]
        y = cudrop.embedding(ids, tokens, positions=positions, mask=MASK)
        near(self, y, (tokens[ids].astype(float) + positions) * scale * known)
        wide = ids.astype(np.int64)
        np.testing.assert_array_equal(
            cudrop.embedding(wide, tokens, positions=positions, mask=MASK), y)

        got = cudrop.embedding_backward(ids, dy, vocabulary=10, mask=MASK)
        gradient, dtokens = dy * scale * known, np.zeros((10, COLS))
        np.add.at(dtokens, ids, gradient)
        near(self, got.dtokens, dtokens)
        near(self, got.dpositions, gradient.sum(0))
        for mine, theirs in zip(
                cudrop.embedding_backward(wide, dy, vocabulary=10, mask=MASK), got):
            np.testing.assert_array_equal(mine, theirs)
        once_more = cudrop.embedding_backward(ids, dy, mask=MASK, dtokens=got.dtokens.copy(),
                                              dpositions=False, accumulate_parameters=True)
        near(self, once_more.dtokens, 2 * dtokens)
        self.assertIsNone(once_more.dpositions)
        with self.assertRaisesRegex(ValueError, "give vocabulary, or dtokens"):
            cudrop.embedding_backward(ids, dy)


class Accumulation(unittest.TestCase):
    def test_nothing_is_added_to_an_output_that_is_made(self):
        dy, ids, total = numbers(ROWS, COLS), np.zeros(ROWS, np.int32), np.zeros(COLS, np.float32)
        rstd = np.ones(ROWS, np.float32)
        for text, call in (
                ("dx", lambda: cudrop.fused_backward(dy, accumulate_data=True)),
                ("dbias", lambda: cudrop.fused_backward(dy, accumulate_parameters=True)),
                ("dresidual", lambda: cudrop.norm_backward(
                    dy, h=dy, rstd=rstd, mean=rstd, dx=dy.copy(), accumulate_data=True)),
                ("dgamma", lambda: cudrop.norm_backward(
                    dy, h=dy, rstd=rstd, mean=rstd, dbias=total, accumulate_parameters=True)),
                ("dpositions", lambda: cudrop.embedding_backward(
                    ids, dy, dtokens=dy.copy(), accumulate_parameters=True))):
            with self.assertRaisesRegex(ValueError, f"adds to {text}, which is not given"):
                call()


if __name__ == "__main__":
    unittest.main()
