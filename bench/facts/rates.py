#!/usr/bin/env python3
"""rates.py DEVICE [DRAWS] - how much PyTorch's dropout drops where p is small.

Draws 2^31 elements for each p unless told otherwise. The count of what is dropped is binomial; z
is its distance from what p says, in standard deviations.
"""
import math

import torch

from command import read_command


def count_dropped(device, dtype, p, draws):
    n = 1 << 26
    ones = torch.ones(n, device=device, dtype=dtype)
    dropped = 0
    for _ in range(draws // n):
        y = torch.nn.functional.dropout(ones, p)
        dropped += n - int(torch.count_nonzero(y))
    return dropped


def main():
    arguments = read_command(__doc__, "draws")
    device, draws = arguments.device, arguments.draws or 1 << 31
    print(f"PyTorch {torch.__version__}, {device}, {draws} draws for each")
    torch.manual_seed(1)
    worst = 0.0
    for dtype in (torch.float32, torch.bfloat16):
        for p in (1e-3, 1e-6, 1e-8):
            dropped = count_dropped(device, dtype, p, draws)
            expected = draws * p
            z = (dropped - expected) / math.sqrt(expected * (1 - p))
            print(f"{str(dtype):15} p = {p:g}: dropped {dropped}, expected {expected:.1f}, "
                  f"ratio {dropped / expected:.4f}, z = {z:.2f}")
            worst = max(worst, abs(z))
    print("seen: a rate that p does not say" if worst > 6
          else "not seen: all within 6 standard deviations")


if __name__ == "__main__":
    main()
