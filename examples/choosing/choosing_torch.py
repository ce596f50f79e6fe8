"""Which module stands at which site of a network in PyTorch: what docs/choosing.md quotes."""
import torch
from torch import nn

import cudrop.torch

# ---- a GPT --------------------------------------------------------------------------------


class GPTBlock(nn.Module):
    """A block of a GPT: h = h + drop(attention(norm(h))), h = h + drop(mlp(norm(h)))."""

    def __init__(self, width, heads, p):
        super().__init__()
        self.heads, self.p = heads, p
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width, bias=False)
        self.bias_1, self.bias_2 = (nn.Parameter(torch.zeros(width)) for _ in range(2))
        self.drop = cudrop.torch.FusedDropout(p)

    def forward(self, h):
        qkv = self.qkv(self.norm_1(h)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        o = cudrop.torch.scaled_dot_product_attention(
            *qkv, dropout_p=self.p if self.training else 0.0, is_causal=True)
        h = self.drop(self.projection(o.transpose(1, 2).flatten(2)), self.bias_1, residual=h)
        z = nn.functional.gelu(self.up(self.norm_2(h)))
        return self.drop(self.down(z), self.bias_2, residual=h)


# ---- other networks -----------------------------------------------------------------------


def bert_attention(q, k, v, lengths, p):
    return cudrop.torch.scaled_dot_product_attention(q, k, v, dropout_p=p, lengths=lengths)


def bert_shortcut(width, p):
    return cudrop.torch.DropoutAddLayerNorm(width, p, epsilon=1e-12)  # y, h = it(x, residual, bias)


def vit_drop_path(p):
    return cudrop.torch.DropPath(p)  # h = h + vit_drop_path(p)(branch)


def cnn_dropout2d(p):
    return cudrop.torch.Dropout2d(p)


def rnn_locked(p):
    return cudrop.torch.Dropout(p, shared=(1,))  # [batch, time, features]


class WeightDrop(nn.Module):
    """A linear layer whose weights are dropped: draw() once for a sequence, then every step."""

    def __init__(self, inputs, outputs, p):
        super().__init__()
        self.linear, self.drop = nn.Linear(inputs, outputs), cudrop.torch.Dropout(p)
        self.dropped = None

    def draw(self):
        self.dropped = self.drop(self.linear.weight)

    def forward(self, x):
        return nn.functional.linear(x, self.dropped, self.linear.bias)


def draw_samples(x, samples, mask):
    return cudrop.torch.dropout(x.expand(samples, *x.shape), mask)
