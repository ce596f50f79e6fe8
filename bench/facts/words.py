#!/usr/bin/env python3
"""words.py DEVICE - whether two dropouts in a row share random words.

Two calls draw masks m1 and m2 of one tensor. If the second one's words begin inside those that
the first one has used, then m2 agrees with m1, shifted, far more often than chance. A shift is
tried for every multiple of 1 to 8 elements a thread.
"""
import sys

import torch

from command import read_command


def draw_two(device, dtype, n):
    ones = torch.ones(n, device=device, dtype=dtype)
    torch.manual_seed(1)
    return [(torch.nn.functional.dropout(ones, 0.5) != 0).float() for _ in range(2)]


def correlate(one, other, shift):
    a, b = one[shift:], other[:one.numel() - shift]
    return abs(float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std())))


def find_worst(one, other):
    n = one.numel()
    worst = (0.0, 0)
    shifts = {0, *range(1, 65), *(k * 256 * 2**j for k in range(1, 17) for j in range(0, 12))}
    for shift in sorted(shift for shift in shifts if shift < n // 2):
        for a, b in ((one, other), (other, one)):
            worst = max(worst, (correlate(a, b, shift), shift))
    return worst


def find_threads(one, other):
    """How far from 1/2 elements agree, position by position within each thread's eight."""
    n = one.numel()
    best = (0.0, 0, 0)
    for width in (4, 8, 16):
        a, b = one[:n // width * width].view(-1, width), other[:n // width * width].view(-1, width)
        for i in range(width):
            for j in range(width):
                agree = abs(float((a[:, i] == b[:, j]).double().mean()) - 0.5)
                best = max(best, (agree, width, i * 100 + j))
    return best


def look(name, one, other):
    n = one.numel()
    worst, shift = find_worst(one, other)
    agree, width, place = find_threads(one, other)
    bounds = 7 / n**0.5, 3.5 / (n / width)**0.5  # of chance, over all that is tried
    print(f"{name:24} n = {n}: strongest correlation {worst:.4f} at shift {shift} (chance: below "
          f"{bounds[0]:.4f}); within {width} elements {agree:.4f}, elements {place // 100} and "
          f"{place % 100} (chance: below {bounds[1]:.4f})")
    return worst > bounds[0] or agree > bounds[1]


def main():
    device = read_command(__doc__).device
    print(f"PyTorch {torch.__version__}, {device}")
    seen = False
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for n in (1 << 16, 1 << 20):
            seen = look(str(dtype), *draw_two(device, dtype, n)) or seen
    one, other = draw_two(device, torch.float32, 1 << 16)
    other.view(-1, 8)[:, :4] = one.view(-1, 8)[:, 4:]
    if not look("control, half shared", one, other):
        sys.exit("the control was not noticed: this says nothing")
    print("seen: random words are shared" if seen else "not seen: the two masks look independent")


if __name__ == "__main__":
    main()
