#!/usr/bin/env python3
"""compare.py - cudrop beside other dropouts, on this machine and in one run.

    bench/peers/compare.py BUILD [--n 2^20,2^24] [--p 0.1] [--repeats 11] [--json FILE]

BUILD is a build folder that has `cudrop` and `bench/peers/plain_loop`. A training step is
forward and backward with the same mask. Peers that are not installed are named and left out;
each one's share of kept elements is looked at before its figures count. One thread everywhere
on the host. With a GPU that PyTorch can use, PyTorch is measured there as well, beside
`cudrop bench --backend cuda`.
"""
import argparse
import importlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

BYTES = {"F32": 4, "BF16": 2}


def parse():
    parser = argparse.ArgumentParser(description="cudrop beside other dropouts")
    parser.add_argument("build")
    parser.add_argument("--n", default="2^18,2^20,2^24", help="elements, as powers of 2")
    parser.add_argument("--p", type=float, default=0.1)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--json", help="write the rows there")
    arguments = parser.parse_args()
    arguments.sizes = [eval_size(word) for word in arguments.n.split(",")]
    return arguments


def eval_size(word):
    base, _, exponent = word.partition("^")
    return int(base) ** int(exponent) if exponent else int(base)


class Missing(Exception):
    """Why a peer cannot be measured here."""


def take_module(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"Python has no {name}") from error


def measure(repeats, forward, backward, kept, p, wait=lambda: None):
    """Median nanoseconds of both, after a call whose result is looked at."""
    forward()
    backward()
    wait()
    share = kept()
    if abs(share - (1 - p)) > 0.02:
        raise Missing(f"it kept {share:.4f} of the elements, and not {1 - p:g}")
    times = ([], [])
    for _ in range(repeats):
        for call, series in zip((forward, backward), times):
            start = time.perf_counter_ns()
            call()
            wait()
            series.append(time.perf_counter_ns() - start)
    return [statistics.median(series) for series in times]


# ---- The peers: each gives (forward ns, backward ns, bytes kept in between) --------------


def run_cudrop(arguments, backend, dtype, n):
    with tempfile.NamedTemporaryFile("r") as document:
        subprocess.run(
            [f"{arguments.build}/cudrop", "bench", "--backend", backend,
             "--operators", "forward,backward", "--dtypes", dtype, "--n", str(n),
             "--p", str(arguments.p), "--repeats", str(arguments.repeats),
             "--json", document.name],
            check=True, stdout=subprocess.DEVNULL)
        cases = json.load(document)["cases"]
    if not all(case["verified"] for case in cases):
        raise Missing("a result was wrong")
    by_operator = {case["operator"]: case["warm"]["ns"]["median"] for case in cases}
    return by_operator["forward"], by_operator["backward"], 16


def run_plain_loop(arguments, dtype, n):
    program = f"{arguments.build}/bench/peers/plain_loop"
    if dtype != "F32":
        raise Missing("it is written for F32")
    if not os.path.exists(program):
        raise Missing(f"there is no {program}")
    output = subprocess.run([program, str(n), str(arguments.p), str(arguments.repeats)],
                            check=True, capture_output=True, text=True).stdout.split()
    share = float(output[2])  # twice dropped, with the same mask
    if abs(share - (1 - arguments.p)) > 0.02:
        raise Missing(f"it kept {share:.4f} of the elements")
    return float(output[0]), float(output[1]), n


def run_numpy(arguments, dtype, n, generator):
    numpy = take_module("numpy")
    if dtype != "F32":
        raise Missing("NumPy has no BF16")
    rng = numpy.random.Generator(getattr(numpy.random, generator)(42))
    x = rng.random(n, dtype=numpy.float32) + numpy.float32(0.5)
    y, dx = numpy.empty_like(x), numpy.empty_like(x)
    scale = numpy.float32(1 / (1 - arguments.p))
    state = {}

    def forward():
        state["mask"] = rng.random(n, dtype=numpy.float32) >= arguments.p
        numpy.multiply(x, state["mask"], out=y)
        numpy.multiply(y, scale, out=y)

    def backward():
        numpy.multiply(x, state["mask"], out=dx)
        numpy.multiply(dx, scale, out=dx)

    def kept():
        return numpy.count_nonzero(dx) / n

    return *measure(arguments.repeats, forward, backward, kept, arguments.p), n


def run_torch(arguments, dtype, n, device, compiles):
    torch = take_module("torch")
    if device == "cuda" and not torch.cuda.is_available():
        raise Missing("PyTorch sees no GPU")
    if compiles and not hasattr(torch, "compile"):
        raise Missing(f"PyTorch {torch.__version__} has no torch.compile")
    torch.set_num_threads(1)
    kind = {"F32": torch.float32, "BF16": torch.bfloat16}[dtype]
    x = (torch.rand(n, device=device) + 0.5).to(kind).requires_grad_()
    dy = torch.ones_like(x)
    drop = lambda value: torch.nn.functional.dropout(value, arguments.p, True)
    if compiles:
        drop = torch.compile(drop)
    state = {}

    def forward():
        state["y"] = drop(x)

    def backward():
        (state["dx"],) = torch.autograd.grad(state["y"], x, dy, retain_graph=True)

    def kept():
        return float((state["dx"] != 0).double().mean())

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    times = measure(arguments.repeats, forward, backward, kept, arguments.p, wait)
    return *times, None if compiles else n


def list_peers(backend):
    peers = [
        ("cudrop", lambda a, d, n: run_cudrop(a, backend, d, n)),
        (f"PyTorch, {backend}",
         lambda a, d, n: run_torch(a, d, n, "cuda" if backend == "cuda" else "cpu", False)),
        (f"torch.compile, {backend}",
         lambda a, d, n: run_torch(a, d, n, "cuda" if backend == "cuda" else "cpu", True)),
    ]
    if backend == "host":
        peers += [
            ("plain loop in C", run_plain_loop),
            ("NumPy, Philox", lambda a, d, n: run_numpy(a, d, n, "Philox")),
            ("NumPy, PCG64", lambda a, d, n: run_numpy(a, d, n, "PCG64")),
        ]
    return peers


# ---- The table ---------------------------------------------------------------------------


def compare(arguments, backend):
    rows, missing = [], {}
    for n in arguments.sizes:
        for dtype in ("F32", "BF16"):
            for name, run in list_peers(backend):
                try:
                    forward, backward, state = run(arguments, dtype, n)
                except Missing as reason:
                    missing[(name, str(reason))] = None
                    continue
                rows.append({"backend": backend, "n": n, "dtype": dtype, "peer": name,
                             "forward_ns": forward, "backward_ns": backward,
                             "state_bytes": state})
    return rows, list(missing)


def show(rows):
    print(f"{'n':>10} {'type':5} {'':24} {'forward us':>11} {'backward us':>12} "
          f"{'GB/s':>8} {'state bytes':>12} {'step':>9}")
    ours = {}
    for row in rows:
        step = row["forward_ns"] + row["backward_ns"]
        key = (row["backend"], row["n"], row["dtype"])
        if row["peer"] == "cudrop":
            ours[key] = step
        moved = 4 * row["n"] * BYTES[row["dtype"]]  # x and y, dy and dx
        state = "?" if row["state_bytes"] is None else row["state_bytes"]
        times = f"{step / ours[key]:8.1f}x" if key in ours else ""
        print(f"{row['n']:10} {row['dtype']:5} {row['peer']:24} "
              f"{row['forward_ns'] / 1e3:11.1f} {row['backward_ns'] / 1e3:12.1f} "
              f"{moved / step:8.2f} {state:>12} {times:>9}")


def main():
    arguments = parse()
    devices = subprocess.run([f"{arguments.build}/cudrop", "info"], capture_output=True,
                             text=True, check=False).stdout
    has_gpu = re.search(r"^\s*cuda\s+device 0", devices, re.MULTILINE)
    backends = ["host"] + (["cuda"] if has_gpu else [])
    all_rows = []
    for backend in backends:
        rows, missing = compare(arguments, backend)
        all_rows += rows
        show(rows)
        for name, reason in missing:
            print(f"left out: {name}: {reason}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"p": arguments.p, "repeats": arguments.repeats, "rows": all_rows},
                      file, indent=1)
    return 0 if all_rows else 1


if __name__ == "__main__":
    sys.exit(main())
