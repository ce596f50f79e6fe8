"""The functions of examples/choosing, which docs/choosing.md quotes: each drops what the document
says, by the bytes of a mask over the elements that have a fate of their own."""
import unittest

import numpy

import cudrop
from examples import load

choosing = load("choosing")
B, T, H, D = 3, 5, 2, 16
C = H * D


def random(*shape, seed=1):
    return numpy.random.default_rng(seed).standard_normal(shape).astype("f4")


def scale(mask, shape):
    """1 / (1 - p) or 0 for each element of a shape."""
    return cudrop.export_scale(mask, numpy.empty(shape, "f4"))


def layer_norm(h, gamma, beta, epsilon):
    h = h.astype("f8")
    centred = h - h.mean(-1, keepdims=True)
    return centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * gamma + beta


def attention(q, k, v, seen, factor):
    scores = q.astype("f8") @ k.astype("f8").swapaxes(-1, -2) / numpy.sqrt(D)
    weights = numpy.where(seen, numpy.exp(scores), 0)
    return weights / weights.sum(-1, keepdims=True) * factor @ v


class NumPyTest(unittest.TestCase):
    """choosing.py"""

    def setUp(self):
        self.mask = choosing.find_mask(42, 3, 7, 2, 0.3)
        self.bias, self.gamma, self.beta = (random(C, seed=s) for s in (2, 3, 4))
        self.x, self.h = random(B, T, C, seed=5), random(B, T, C, seed=6)
        self.ids = numpy.arange(B * T, dtype="i4").reshape(B, T) % 7
        self.words, self.positions = random(7, C, seed=7), random(T, C, seed=8)

    def near(self, actual, expected):
        numpy.testing.assert_allclose(actual, expected, atol=2e-5, rtol=2e-5)

    def test_a_site_has_an_offset(self):
        self.assertEqual(self.mask, cudrop.Mask(42, 3 * 7 + 2, 0.3))

    def test_the_embedding_of_a_gpt(self):
        y = choosing.gpt_embedding(self.mask, self.ids, self.words, self.positions)
        plain = self.words[self.ids] + self.positions
        self.near(y, plain * scale(self.mask, plain.shape))

    def test_attention(self):
        q, k, v = (random(B, H, T, D, seed=s) for s in (1, 2, 3))
        factor = scale(self.mask, (B, H, T, T))
        causal = numpy.tril(numpy.ones((T, T), bool))
        self.near(choosing.gpt_attention(self.mask, q, k, v).o,
                  attention(q, k, v, causal, factor))
        lengths = numpy.array([5, 2, 3], "i4")
        seen = numpy.arange(T) < lengths[:, None, None, None]
        self.near(choosing.bert_attention(self.mask, lengths, q, k, v).o,
                  attention(q, k, v, seen, factor))

    def test_shortcuts(self):
        factor = scale(self.mask, self.x.shape)
        h = self.h + (self.x + self.bias) * factor
        forward = choosing.gpt_shortcut(self.mask, self.x, self.bias, self.gamma, self.beta,
                                        stream := self.h.copy())
        self.near(stream, h)
        self.near(forward.y, layer_norm(h, self.gamma, self.beta, 1e-5))
        dy, dh = random(B, T, C, seed=9), random(B, T, C, seed=10)
        gradients = choosing.gpt_shortcut_backward(self.mask, dy, dh, forward, self.gamma)
        self.near(gradients.dx, dh * factor)
        self.near(gradients.dbeta, dy.sum((0, 1)))
        forward = choosing.bert_shortcut(self.mask, self.x, self.bias, self.h, self.gamma,
                                         self.beta)
        self.near(forward.y, layer_norm(h, self.gamma, self.beta, 1e-12))

    def test_the_embedding_of_a_bert(self):
        segments, kinds = self.ids % 2, random(2, C, seed=11)
        forward = choosing.bert_embedding(self.mask, self.ids, self.words, self.positions,
                                          segments, kinds, self.gamma, self.beta)
        h = self.words[self.ids] + self.positions + kinds[segments]
        self.near(forward.h, h)
        self.near(forward.y,
                  layer_norm(h, self.gamma, self.beta, 1e-12) * scale(self.mask, h.shape))

    def test_drop_path(self):
        h = self.h.copy()
        choosing.vit_shortcut(self.mask, self.x, self.bias, h)
        self.near(h, self.h + (self.x + self.bias) * scale(self.mask, (B, 1, 1)))

    def test_channels_and_blocks(self):
        shape, side = (2, 3, 7, 6), 3
        x = random(*shape)
        self.near(choosing.cnn_dropout2d(self.mask, x.copy()), x * scale(self.mask, (2, 3, 1, 1)))

        seeds = cudrop.Mask(42, 1, choosing.cnn_seed_rate(shape, side, 0.3))
        fallen = cudrop.export_bytes(seeds, numpy.empty((2, 3, 5, 4), "u1")) == 0
        held, dropped = numpy.zeros(shape), numpy.zeros(shape, bool)
        for row in range(5):
            for col in range(4):
                square = (..., slice(row, row + side), slice(col, col + side))
                held[square] += 1
                dropped[square] |= fallen[:, :, row, col, None, None]
        self.assertTrue(dropped.any() and not dropped.all())
        self.near(choosing.cnn_drop_block(seeds, side, x.copy()),
                  numpy.where(dropped, 0, x / (1 - seeds.p)**held))
        self.near(choosing.cnn_drop_block_by_share(seeds, side, x.copy()),
                  numpy.where(dropped, 0, x / (1 - dropped.mean())))

    def test_a_recurrent_network(self):
        self.near(choosing.rnn_locked(self.mask, self.x.copy()),
                  self.x * scale(self.mask, (B, 1, C)))
        weights = random(8, C)
        self.near(choosing.rnn_weights(self.mask, weights),
                  weights * scale(self.mask, weights.shape))

    def test_samples(self):
        y = choosing.draw_samples(self.mask, 9, self.x)
        self.near(y, self.x * scale(self.mask, (9,) + self.x.shape))

    def test_gaussian_dropout(self):
        ones = numpy.ones(1 << 20, "f4")
        noise = choosing.gaussian_dropout(self.mask, ones)
        deviation = numpy.sqrt(0.3 / 0.7)
        self.assertLess(abs(noise.mean() - 1), 5 * deviation / 1024)
        self.assertLess(abs(noise.std() / deviation - 1), 5 / 1024)
        self.near(choosing.gaussian_dropout(self.mask, 2 * ones), 2 * noise)


if __name__ == "__main__":
    unittest.main()
