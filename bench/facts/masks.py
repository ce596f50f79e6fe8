#!/usr/bin/env python3
"""masks.py DEVICE - whether one seed gives PyTorch's dropout one mask.

Compares masks between element types, alignments and lengths, and prints digests that another
device's can be laid beside: there the seed and the call are the same.
"""
import hashlib

import torch

from command import read_command


def draw(device, dtype, n, skip=0, dims=1):
    ones = torch.ones(n + skip, device=device, dtype=dtype)[skip:]
    if dims == 2:  # the same elements, in columns
        ones = ones.view(64, -1).t()
    torch.manual_seed(1)
    return (torch.nn.functional.dropout(ones, 0.5) != 0).cpu()


def describe(name, one, other):
    equal = bool(torch.equal(one, other))
    share = float((one == other).double().mean())
    print(f"{name}: {'equal' if equal else 'different'} ({share:.4f} of the elements agree)")
    return not equal


def main():
    device = read_command(__doc__).device
    print(f"PyTorch {torch.__version__}, {device}")
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        print(f"{properties.name}, {properties.multi_processor_count} multiprocessors")
    n = 1 << 20
    whole = draw(device, torch.float32, n)
    seen = [
        describe("float32 and float64", whole, draw(device, torch.float64, n)),
        describe("float32 and bfloat16", whole, draw(device, torch.bfloat16, n)),
        describe("float32, one element off", whole, draw(device, torch.float32, n, 1)),
        describe("the first half of a tensor twice as long", whole,
                 draw(device, torch.float32, 2 * n)[:n]),
        describe("the same tensor, transposed in memory", whole.view(64, -1).t(),
                 draw(device, torch.float32, n, 0, 2)),
    ]
    for size in (40960, 40961, 1 << 20, 1 << 24):
        bits = draw(device, torch.float32, size)[:40960].numpy().tobytes()
        print(f"digest of the first 40960 of {size}: {hashlib.sha256(bits).hexdigest()[:16]}")
    print("seen: the mask depends on more than seed and place" if any(seen)
          else "not seen: one mask in all of these")


if __name__ == "__main__":
    main()
