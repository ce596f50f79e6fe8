#!/usr/bin/env python3
"""limits.py - what limits each kernel on a Hopper GPU, by arithmetic.

    bench/limits.py [--copy 4300] [--multiprocessors 132] [--mhz 1980]

No measurement of ours. Of dense kernels the instructions are those of a turn of the loop, from
tests/data/kernels.txt; of operators on rows, and dense kernels again, those that a thread executes
from its first to its last, for 8 elements, from tests/data/executed.txt. Both are for sm_90. The
throughputs are those of the CUDA programming guide for compute capability 9.0: a multiprocessor
issues 4 instructions of a warp a clock, its integer units take 64 lanes, for multiplications and
for the rest alike, and its special functions 16; its tensor cores make 1,024 products of 16 bits
and sums a clock in each of the four. GB/s of a copy, multiprocessors and clock are those of an
H200, as it is described to us, or what the options say.

The share of the copy is what is left where a unit, and not memory, is the limit: 100 % where it is
not. The roof of `attend` is that of its tensor cores. An operator of several kernels takes the time
of each, one after another. Latency is left out.
"""
import argparse
import pathlib
import re

DATA = pathlib.Path(__file__).parent.parent / "tests" / "data"
SIZES = {"f8e4m3": 1, "f8e5m2": 1, "bf16": 2, "f16": 2, "f32": 4, "f64": 8}
SLOTS = 4  # warps that a multiprocessor can issue an instruction of in a clock
UNITS = 2  # clocks for which an integer unit of one of the four is busy with a warp
SPECIAL = 8  # the same of a special function
TENSOR = 4  # the same of a product of 16 x 8 x 16
# What one element moves, in elements of its type: read and written.
TRAFFIC = {"scale": 2, "affine": 2, "accumulate": 3, "fill": 1}
# The same, of the kernels of an operator, whose name begins with the word. Vectors along a row and
# numbers of a row are left out. Of attend are q, k, v, o and their gradients, each once, for 1,024
# queries and keys: D / 1,024 elements a score for each. Half as many rows of tokens as of dy.
MOVED = {
    "forward": {"dense": 2}, "alpha_forward": {"dense": 2}, "accumulate": {"dense": 3},
    "apply_bits": {"dense": 2}, "fused_forward": {"fused": 3}, "fused_backward/none": {"fused": 2},
    "fused_backward": {"fused": 3}, "norm_forward": {"norm": 4},
    "norm_backward": {"norm_gradient": 5}, "attention_forward": {"attention": 3},
    "attention_reapply": {"attention": 2}, "attention_backward": {"attention": 3},
    "embedding_forward": {"embedding": 2}, "embedding_backward": {"embedding_gradient": 2.5},
    "attend_forward/64": {"attend_tensor": 4 / 16}, "attend_forward/128": {"attend_tensor": 4 / 8},
    "attend_backward/64": {"attend_delta": 2 / 16, "attend_keys": 6 / 16, "attend_queries": 5 / 16},
    "attend_backward/128": {"attend_delta": 2 / 8, "attend_keys": 6 / 8, "attend_queries": 5 / 8},
}


def read_kernels():
    """(walk, operator, type, instructions, multiplications, others) of dense kernels."""
    for line in (DATA / "kernels.txt").read_text(encoding="utf-8").splitlines():
        words = line.split()
        found = re.fullmatch(r"dense_(drawn|prepared|bits)<(\w+)<(\w+)>>", words[0])
        if found and found[2] in TRAFFIC and words[4] != "-":
            yield (*found.groups(), *(int(word) for word in words[4:7]))


def read_executed():
    """{(operator, type): {kernel: numbers}}"""
    rows = {}
    for line in (DATA / "executed.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            operator, dtype, kernel, *numbers = line.split()
            rows.setdefault((operator, dtype), {})[kernel] = [float(word) for word in numbers]
    return rows


def count_bytes(operator, dtype, kernel):
    """What a kernel moves for an element."""
    moved = MOVED.get(operator) or MOVED[operator.split("/")[0]]
    elements = next((moved[word] for word in moved if kernel.startswith(word)), 0)
    return elements * SIZES[dtype] + (1 / 8 if operator == "apply_bits" else 0)


def print_header(first, last):
    print(f"| {first} | memory | issue | multiply | other integer | {last} |")
    print("|" + "---|" * (f"{first}|{last}".count("|") + 5))


def print_loops(bytes_a_clock):
    print_header("kernel | type | elements", "limit | % of copy")
    for walk, operator, dtype, issue, multiply, other in read_kernels():
        elements = 16 if SIZES[dtype] == 1 else 8
        traffic = TRAFFIC[operator] * SIZES[dtype] + (1 / 8 if walk == "bits" else 0)
        clocks = {"memory": 32 * elements * traffic / bytes_a_clock, "issue": issue,
                  "multiply": UNITS * multiply, "other integer": UNITS * other}
        limit = max(clocks, key=clocks.get)
        print(f"| {operator}, {walk} | {dtype} | {elements} | "
              + " | ".join(f"{value:.0f}" for value in clocks.values())
              + f" | {limit} | {100 * clocks['memory'] / clocks[limit]:.0f} |")


def find_clocks(operator, dtype, kernel, numbers, bytes_a_clock):
    """{unit: clocks for a warp's 8 elements a lane}"""
    issue, multiply, other, special, tensor, _ = numbers
    memory = 32 * 8 * count_bytes(operator, dtype, kernel) / bytes_a_clock
    return {"memory": memory, "issue": issue, "multiply": UNITS * multiply,
            "other integer": UNITS * other, "special": SPECIAL * special, "tensor": TENSOR * tensor}


def print_executed(bytes_a_clock):
    print_header("operator | type", "special | tensor | limit | % of roof")
    for (operator, dtype), kernels in read_executed().items():
        every = [find_clocks(operator, dtype, kernel, numbers, bytes_a_clock)
                 for kernel, numbers in kernels.items()]
        sums = {unit: sum(clocks[unit] for clocks in every) for unit in every[0]}
        takes = sum(max(clocks.values()) for clocks in every)
        roof = sum(max(clocks["memory"], clocks["tensor"]) for clocks in every)
        slowest = max(every, key=lambda clocks: max(clocks.values()))
        print(f"| {operator} | {dtype} | " + " | ".join(f"{value:.0f}" for value in sums.values())
              + f" | {max(slowest, key=slowest.get)} | {100 * roof / takes:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--copy", type=float, default=4300, help="GB/s of a copy")
    parser.add_argument("--multiprocessors", type=int, default=132)
    parser.add_argument("--mhz", type=float, default=1980)
    options = parser.parse_args()
    bytes_a_clock = options.copy * 1e3 / options.mhz / options.multiprocessors / SLOTS
    print("clocks of a quarter of a multiprocessor, for a warp's turn through the loop\n")
    print_loops(bytes_a_clock)
    print("\nthe same for 8 elements a lane, of all that a thread executes\n")
    print_executed(bytes_a_clock)


if __name__ == "__main__":
    main()
