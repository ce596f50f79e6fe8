#!/usr/bin/env python3
"""compare.py - cudrop beside other dropouts, on this machine and in one run.

    bench/peers/compare.py BUILD [--operators dropout,fused] [--n 2^20,2^24] [--p 0.1]
                                 [--repeats 11] [--json FILE] [--csv FILE]

BUILD is a build folder that has `cudrop` and the programs of bench/peers. A training step is
forward and backward with the same mask; what is timed is the same call again and again, warm.
Peers that are not installed are named and left out; each one's share of kept elements is looked
at before its figures count, and cudrop's results are verified. One thread everywhere on the host.
With a GPU, what can use it is measured there as well, beside `cudrop bench --backend cuda`.
"""
import argparse
import csv
import datetime
import json
import os
import platform
import re
import subprocess
import sys

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# pylint: disable=wrong-import-position
import with_jax
import with_numpy
import with_programs
import with_torch
import with_triton
from peer import BYTES, OPERATORS, Missing, Task

FAMILIES = (with_programs, with_torch, with_triton, with_jax, with_numpy)
COLUMNS = ("backend", "operator", "dtype", "n", "peer", "forward_ns", "backward_ns",
           "state_bytes", "peak_bytes")


def read_size(word):
    if not re.fullmatch(r"[1-9]\d*|2\^\d+", word):
        raise argparse.ArgumentTypeError(f"'{word}' is no number above 0 and no power like 2^20")
    size = 2 ** int(word[2:]) if word.startswith("2^") else int(word)
    if size > 2**40:
        raise argparse.ArgumentTypeError(f"'{word}' is more than 2^40")
    return size


def read_sizes(words):
    return [read_size(word) for word in words.split(",")]


def read_arguments():
    parser = argparse.ArgumentParser(description="cudrop beside other dropouts")
    parser.add_argument("build")
    parser.add_argument("--operators", default="dropout", help=", ".join(OPERATORS))
    parser.add_argument("--dtypes", default="F32,BF16")
    parser.add_argument("--n", type=read_sizes, default="2^18,2^20,2^24",
                        help="elements: numbers, or powers of 2 as in 2^20")
    parser.add_argument("--cols", type=int, default=1024, help="elements of a row")
    parser.add_argument("--p", type=float, default=0.1)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--json", help="write all there")
    parser.add_argument("--csv", help="write the rows there, for a plot")
    arguments = parser.parse_args()
    if not 0 <= arguments.p < 1:
        parser.error("--p: a rate from 0 up to but not 1")
    if arguments.repeats < 3 or arguments.cols < 1:
        parser.error("--repeats: 3 at least; --cols: 1 at least")
    if not os.path.exists(f"{arguments.build}/cudrop"):
        parser.error(f"there is no {arguments.build}/cudrop: build it first, or use script/compare")
    for name in ("operators", "dtypes"):
        words = getattr(arguments, name).split(",")
        wrong = set(words) - set(OPERATORS if name == "operators" else BYTES)
        if wrong:
            parser.error(f"there is no {', '.join(sorted(wrong))} among the {name}")
        setattr(arguments, name, words)
    return arguments


def describe_machine(build):
    """What the figures hold for."""
    versions = {}
    for name in ("torch", "triton", "jax", "numpy"):
        module = sys.modules.get(name)
        if module is not None:
            versions[name] = module.__version__
    info = subprocess.run([f"{build}/cudrop", "info"], capture_output=True, text=True,
                          check=False).stdout
    return {"python": platform.python_version(), "versions": versions, "info": info,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": read_commit(), "processor": read_processor()}


def read_commit():
    """Of the sources beside this file, where git knows."""
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                          text=True, check=False, cwd=os.path.dirname(os.path.abspath(__file__)))
    return said.stdout.strip() or "unknown"


def read_processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line[:10] == "model name")
    except (OSError, StopIteration):
        return "unknown"


def has_gpu(build):
    info = describe_machine(build)["info"]
    return re.search(r"^\s*cuda\s+device 0", info, re.MULTILINE) is not None


def compare(tasks):
    """Rows, and for each peer that was left out the reason, once."""
    rows, missing = [], {}
    for task in tasks:
        for family in FAMILIES:
            for name, run in family.list_peers(task.backend):
                try:
                    result = run(task)
                except Missing as reason:
                    missing.setdefault((name, task.backend, str(reason)), None)
                    continue
                except Exception as error:  # pylint: disable=broad-exception-caught
                    # One peer's failure, on a machine that is lent for minutes, is only its own.
                    reason = f"failed: {type(error).__name__}: {str(error).splitlines()[:1]}"
                    missing.setdefault((name, task.backend, reason), None)
                    continue
                rows.append({"backend": task.backend, "operator": task.operator,
                             "dtype": task.dtype, "n": task.n, "peer": name, **vars(result)})
    return rows, list(missing)


def list_tasks(arguments):
    backends = ["host"] + (["cuda"] if has_gpu(arguments.build) else [])
    return [Task(operator, backend, dtype, n, arguments.cols, arguments.p, arguments.repeats,
                 os.path.abspath(arguments.build))
            for backend in backends for operator in arguments.operators
            for n in arguments.n for dtype in arguments.dtypes]


def show(rows):
    """A line a peer; the last column says how long its step takes beside cudrop's."""
    print(f"{'':4} {'':9} {'n':>10} {'type':4} {'':20} {'forward us':>11} {'backward us':>12} "
          f"{'kept bytes':>12} {'step':>8}")
    ours = {}
    for row in rows:
        step = row["forward_ns"] + row["backward_ns"]
        key = tuple(row[name] for name in COLUMNS[:4])
        if row["peer"] == "cudrop":
            ours[key] = step
        beside = f"{step / ours[key]:7.2f}x" if key in ours else ""
        print(f"{row['backend']:4} {row['operator']:9} {row['n']:10} {row['dtype']:4} "
              f"{row['peer']:20} {row['forward_ns'] / 1e3:11.1f} "
              f"{row['backward_ns'] / 1e3:12.1f} {row['state_bytes']:12} {beside}")


def write(arguments, rows, missing):
    if arguments.json:
        document = {"p": arguments.p, "cols": arguments.cols, "repeats": arguments.repeats,
                    **describe_machine(arguments.build),
                    "left_out": [list(entry) for entry in missing], "rows": rows}
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
    if arguments.csv:
        with open(arguments.csv, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)


def main():
    arguments = read_arguments()
    rows, missing = compare(list_tasks(arguments))
    show(rows)
    for name, backend, reason in missing:
        print(f"left out: {name}, {backend}: {reason}")
    print(f"({sys.executable}; PYTHON=... script/compare takes another interpreter)")
    write(arguments, rows, missing)
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
