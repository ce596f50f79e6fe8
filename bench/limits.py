#!/usr/bin/env python3
"""limits.py - what limits each dense kernel on a Hopper GPU, by arithmetic.

    bench/limits.py [--copy 4300] [--multiprocessors 132] [--mhz 1980]

No measurement of ours: the instructions of a kernel's loop are those of tests/data/kernels.txt,
for sm_90; the throughputs are those of the CUDA programming guide for compute capability 9.0 (a
multiprocessor issues 4 instructions of a warp a clock, and its integer units take 64 lanes, for
multiplications and for the rest alike); GB/s of a copy, multiprocessors and clock are those of an
H200, as it is described to us, or what the options say. The share of the copy is what is left
where a unit, and not memory, is the limit: 100 % where it is not.
"""
import argparse
import pathlib
import re

TABLE = pathlib.Path(__file__).parent.parent / "tests" / "data" / "kernels.txt"
SIZES = {"f8e4m3": 1, "f8e5m2": 1, "bf16": 2, "f16": 2, "f32": 4, "f64": 8}
SLOTS = 4  # warps that a multiprocessor can issue an instruction of in a clock
UNITS = 2  # clocks for which an integer unit of one of the four is busy with a warp
# What one element moves, in elements of its type: read and written.
TRAFFIC = {"scale": 2, "affine": 2, "accumulate": 3, "fill": 1}


def read_kernels():
    """(walk, operator, type, instructions, multiplications, others) of dense kernels."""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        words = line.split()
        found = re.fullmatch(r"dense_(drawn|prepared|bits)<(\w+)<(\w+)>>", words[0])
        if found and found[2] in TRAFFIC and words[4] != "-":
            yield (*found.groups(), *(int(word) for word in words[4:7]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--copy", type=float, default=4300, help="GB/s of a copy")
    parser.add_argument("--multiprocessors", type=int, default=132)
    parser.add_argument("--mhz", type=float, default=1980)
    options = parser.parse_args()
    bytes_a_clock = options.copy * 1e3 / options.mhz / options.multiprocessors / SLOTS
    print("clocks of a quarter of a multiprocessor, for a warp's turn through the loop\n")
    print("| kernel | type | elements | memory | issue | multiply | other integer | limit | "
          "% of copy |")
    print("|---|---|---|---|---|---|---|---|---|")
    for walk, operator, dtype, issue, multiply, other in read_kernels():
        elements = 16 if SIZES[dtype] == 1 else 8
        traffic = TRAFFIC[operator] * SIZES[dtype] + (1 / 8 if walk == "bits" else 0)
        clocks = {"memory": 32 * elements * traffic / bytes_a_clock, "issue": issue,
                  "multiply": UNITS * multiply, "other integer": UNITS * other}
        limit = max(clocks, key=clocks.get)
        print(f"| {operator}, {walk} | {dtype} | {elements} | "
              + " | ".join(f"{value:.0f}" for value in clocks.values())
              + f" | {limit} | {100 * clocks['memory'] / clocks[limit]:.0f} |")


if __name__ == "__main__":
    main()
