"""Which call stands at which site of a network, with NumPy: what docs/choosing.md quotes.

On a GPU the same calls take CuPy's arrays, or those of any library with DLPack.
"""
import math

import numpy

import cudrop

# ---- all networks -------------------------------------------------------------------------


def find_mask(seed, step, sites, site, p):
    """The mask of a site in a step: of one seed, and an offset that no other site or step has."""
    return cudrop.Mask(seed, cudrop.offset(step, site=site, sites=sites), p)


# ---- a GPT --------------------------------------------------------------------------------


def gpt_embedding(mask, ids, words, positions):
    return cudrop.embedding(ids, words, positions=positions, mask=mask)


def gpt_attention(mask, q, k, v):
    scale = 1 / math.sqrt(q.shape[-1])  # [batch, heads, tokens, D]
    return cudrop.attend(q, k, v, cudrop.Attention(scale, causal=True, mask=mask))


def gpt_shortcut(mask, x, bias, gamma, beta, h):
    return cudrop.norm(x, bias=bias, mask=mask, residual=h, gamma=gamma, beta=beta, h=h)


def gpt_shortcut_backward(mask, dy, dh, forward, gamma):
    return cudrop.norm_backward(dy, dh=dh, h=forward.h, mean=forward.mean, rstd=forward.rstd,
                                gamma=gamma, mask=mask, dresidual=dh)


# ---- a BERT -------------------------------------------------------------------------------


def bert_embedding(mask, ids, words, positions, segments, kinds, gamma, beta):
    h = cudrop.embedding(ids, words, positions=positions)
    forward = cudrop.norm(cudrop.embedding(segments, kinds), residual=h, gamma=gamma, beta=beta,
                          epsilon=1e-12, h=h)
    cudrop.dropout(forward.y, mask, out=forward.y)
    return forward


def bert_attention(mask, lengths, q, k, v):
    scale = 1 / math.sqrt(q.shape[-1])
    return cudrop.attend(q, k, v, cudrop.Attention(scale, lengths=lengths, mask=mask))


def bert_shortcut(mask, x, bias, residual, gamma, beta):
    return cudrop.norm(x, bias=bias, mask=mask, residual=residual, gamma=gamma, beta=beta,
                       epsilon=1e-12)


# ---- a vision transformer -----------------------------------------------------------------


def vit_shortcut(mask, x, bias, h):
    return cudrop.fused(x, bias=bias, mask=mask.share(1, 2), residual=h, y=h)


# ---- a convolutional network --------------------------------------------------------------


def cnn_dropout2d(mask, x):
    return cudrop.dropout(x, mask.share(2, 3), out=x)


def cnn_seed_rate(shape, side, p):
    """The rate of the seeds with which about p of the elements are dropped."""
    height, width = shape[2:]
    return p / side**2 * height * width / ((height - side + 1) * (width - side + 1))


def cnn_drop_block(seeds, side, x):
    height, width = x.shape[2] - side + 1, x.shape[3] - side + 1
    for row in range(side):
        for col in range(side):
            view = x[:, :, row:row + height, col:col + width]
            cudrop.dropout(view, seeds, out=view)
    return x


def cnn_drop_block_by_share(seeds, side, x):
    keep = cnn_drop_block(seeds, side, numpy.ones_like(x)) > 0
    return cudrop.apply_bytes(x, keep, 1 - keep.sum() / keep.size, out=x)


# ---- a recurrent network ------------------------------------------------------------------


def rnn_locked(mask, x):
    return cudrop.dropout(x, mask.share(1), out=x)


def rnn_weights(mask, weights):
    return cudrop.dropout(weights, mask)


# ---- Monte-Carlo samples ------------------------------------------------------------------


def draw_samples(mask, samples, x):
    y = numpy.empty((samples,) + x.shape, x.dtype)
    return cudrop.dropout(numpy.broadcast_to(x, y.shape), mask, out=y)


# ---- Gaussian dropout ---------------------------------------------------------------------


def gaussian_dropout(mask, x):
    seed = cudrop.child_seed(cudrop.child_seed(mask.seed, 1), mask.offset)
    normal = numpy.random.Generator(numpy.random.PCG64(seed)).standard_normal(x.shape)
    return (x * (1 + math.sqrt(mask.p / (1 - mask.p)) * normal)).astype(x.dtype)
