"""block.py - a training step of one block of GPT-2 124M in PyTorch, with its dropout and with cudrop's.

    CUDROP_LIBRARY=build/compare/libcudrop.so PYTHONPATH=adapters/python/src \\
        python3 bench/peers/block.py [--tokens 1024] [--threads 1] [--repeats 7]

Three blocks with the same weights run in turns: PyTorch's; the same under override_dropout(); and one
of cudrop's functions, which fuse bias, activation, dropout, residual and norm. Times are medians of
forward and backward. Kept is what autograd holds between forward and backward, without parameters.
The results of the last two are compared: they drop the same elements.
"""
import argparse
import statistics
import time

import torch
from torch import nn

import cudrop
import cudrop.torch

WIDTH, HEADS, P = 768, 12, 0.1


class Block(nn.Module):
    """As GPT-2 has it: norm first, dropout of the weights and at both ends of a shortcut."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.drop1, self.drop2 = nn.Dropout(P), nn.Dropout(P)

    def attend(self, x, function):
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        o = function(q, k, v, dropout_p=P, is_causal=True)
        return o.transpose(1, 2).reshape(batch, tokens, WIDTH)

    def forward(self, x):
        attention = nn.functional.scaled_dot_product_attention
        x = x + self.drop1(self.out(self.attend(self.norm1(x), attention)))
        return x + self.drop2(self.down(nn.functional.gelu(self.up(self.norm2(x)))))


class FusedBlock(Block):
    """The same of cudrop's modules and functions; state_dicts are those of Block."""

    def __init__(self):
        super().__init__()
        self.norm2 = cudrop.torch.DropoutAddLayerNorm(WIDTH, P)
        self.drop2 = cudrop.torch.FusedDropout(P)

    def forward(self, x):
        o = self.attend(self.norm1(x), cudrop.torch.scaled_dot_product_attention)
        y, h = self.norm2(nn.functional.linear(o, self.out.weight), x, self.out.bias)
        z = cudrop.torch.fused(nn.functional.linear(y, self.up.weight), bias=self.up.bias,
                               activation=cudrop.Activation.GELU)
        return self.drop2(nn.functional.linear(z, self.down.weight), self.down.bias, h)


def count_kept(block, x):
    """The bytes that autograd holds after forward, each piece of memory once."""
    held = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = block(x)
    for parameter in block.parameters():
        held.pop(parameter.untyped_storage().data_ptr(), None)
    held.pop(x.untyped_storage().data_ptr(), None)
    del y
    return sum(held.values())


def step(block, x, dy):
    torch.manual_seed(1)
    block.zero_grad(set_to_none=True)
    begin = time.perf_counter()
    y = block(x)
    middle = time.perf_counter()
    y.backward(dy)
    return middle - begin, time.perf_counter() - middle, y.detach()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    cudrop.set_threads(words.threads)
    torch.manual_seed(0)
    x, dy = torch.randn(1, words.tokens, WIDTH), torch.randn(1, words.tokens, WIDTH)
    plain, fused = Block(), FusedBlock()
    fused.load_state_dict(plain.state_dict())

    def overridden(function, *arguments):
        with cudrop.torch.override_dropout():
            return function(plain, *arguments)

    rows = {"PyTorch": lambda function, *arguments: function(plain, *arguments),
            "override_dropout()": overridden,
            "cudrop's functions": lambda function, *arguments: function(fused, *arguments)}
    times = {name: [] for name in rows}
    results = {}
    for _ in range(words.repeats + 1):  # the first of each warms up
        for name, run in rows.items():
            forward, backward, results[name] = run(step, x, dy)
            times[name].append((forward, backward))
    torch.testing.assert_close(results["override_dropout()"], results["cudrop's functions"],
                               rtol=1e-4, atol=1e-4)
    print(f"{'':20} forward ms  backward ms  kept MiB")
    for name, run in rows.items():
        forward, backward = (statistics.median(column) * 1e3 for column in zip(*times[name][1:]))
        print(f"{name:20} {forward:10.1f} {backward:12.1f} {run(count_kept, x) / 2**20:9.1f}")


if __name__ == "__main__":
    main()
