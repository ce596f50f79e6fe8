#!/usr/bin/env python3
"""nan.py DEVICE - what PyTorch's dropout makes of a NaN and an infinity that it drops."""
import torch

from command import read_command


def main():
    device = read_command(__doc__).device
    print(f"PyTorch {torch.__version__}, {device}")
    worst = 0
    for name, value in (("NaN", float("nan")), ("infinity", float("inf"))):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            ones = torch.ones(1 << 16, device=device, dtype=dtype)
            torch.manual_seed(1)
            dropped = torch.nn.functional.dropout(ones, 0.5) == 0
            torch.manual_seed(1)
            y = torch.nn.functional.dropout(ones * value, 0.5)
            still = int(torch.isnan(y[dropped]).sum())
            print(f"{str(dtype):15} {name:8} dropped {int(dropped.sum())}, NaN among them {still}")
            worst = max(worst, still)
    print("seen: what is dropped can be NaN" if worst else "not seen: what is dropped is finite")


if __name__ == "__main__":
    main()
