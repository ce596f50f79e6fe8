#!/usr/bin/env python3
"""compare.py - cudrop beside other dropouts, on this machine and in one run.

    bench/peers/compare.py BUILD [--backends host,cuda] [--operators dropout,fused]
                                 [--n 2^20,2^24] [--p 0.1] [--threads 1] [--repeats 11]
                                 [--json FILE] [--csv FILE] [--budget S] [--peer-limit S] [--plan]

BUILD is a build folder that has `cudrop` and the programs of bench/peers. A training step is
forward and backward with the same mask; what is timed is the same call again and again, warm.
Peers that are not installed are named and left out; each one's share of kept elements is looked
at before its figures count, and cudrop's results are verified. One thread everywhere on the host,
but that attend takes --threads; its n weights are those of n / cols^2 heads, of cols tokens with
64 elements each. With a GPU it is that alone, unless --backends says otherwise. Each row is
printed and written as soon as it is there.
"""
import argparse
import csv
import datetime
import json
import math
import os
import platform
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace as replace_fields

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
BACKENDS = ("host", "cuda")
COLUMNS = ("backend", "operator", "dtype", "n", "peer", "forward_ns", "backward_ns",
           "state_bytes", "peak_bytes")


def read_size(word):
    if not re.fullmatch(r"[1-9]\d*|2\^\d+", word):
        raise argparse.ArgumentTypeError(f"'{word}' is no number above 0 and no power like 2^20")
    size = 2 ** int(word[2:]) if word.startswith("2^") else int(word)
    if size > 2**40:
        raise argparse.ArgumentTypeError(f"'{word}' is more than 2^40")
    return size


def read_seconds(word):
    if not re.fullmatch(r"[1-9]\d*", word):
        raise argparse.ArgumentTypeError(f"'{word}' is no number of seconds above 0")
    return int(word)


def read_sizes(words):
    return [read_size(word) for word in words.split(",")]


def read_arguments():
    parser = argparse.ArgumentParser(description="cudrop beside other dropouts",
                                     allow_abbrev=False)
    parser.add_argument("build")
    parser.add_argument("--backends", help="host, cuda (cuda where there is a GPU, else host)")
    parser.add_argument("--operators", default="dropout", help=", ".join(OPERATORS))
    parser.add_argument("--dtypes", default="F32,BF16")
    parser.add_argument("--n", type=read_sizes, default="2^18,2^20,2^24",
                        help="elements: numbers, or powers of 2 as in 2^20")
    parser.add_argument("--cols", type=int, default=1024, help="elements of a row")
    parser.add_argument("--p", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=1, help="of attend on the host")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--json", help="write all there")
    parser.add_argument("--csv", help="write the rows there, for a plot")
    parser.add_argument("--budget", type=read_seconds, default=math.inf, metavar="S",
                        help="begin no peer after so many seconds")
    parser.add_argument("--peer-limit", type=read_seconds, default=math.inf, metavar="S",
                        help="give up a peer after so many seconds")
    parser.add_argument("--plan", action="store_true",
                        help="read the options, say what would be measured, and no more")
    arguments = parser.parse_args()
    if not 0 <= arguments.p < 1:
        parser.error("--p: a rate from 0 up to but not 1")
    if arguments.threads < 1:
        parser.error("--threads: 1 at least")
    if not 3 <= arguments.repeats <= 1000 or arguments.cols < 1:
        parser.error("--repeats: 3 to 1000; --cols: 1 at least")
    for name, known in (("operators", OPERATORS), ("dtypes", BYTES), ("backends", BACKENDS)):
        words = (getattr(arguments, name) or "").split(",")
        wrong = set(words) - set(known)
        if wrong and getattr(arguments, name) is not None:
            parser.error(f"there is no {', '.join(map(repr, sorted(wrong)))} among the {name}")
        setattr(arguments, name, words)
    if not arguments.plan and not os.path.exists(f"{arguments.build}/cudrop"):
        parser.error(f"there is no {arguments.build}/cudrop: build it first, or use script/compare")
    return arguments


# ---- the machine --------------------------------------------------------------------------

def ask_cudrop(build):
    """What `cudrop info` says."""
    return subprocess.run([f"{build}/cudrop", "info"], capture_output=True, text=True,
                          check=False, env=with_programs.make_env()).stdout


def has_gpu(info):
    return re.search(r"^\s*cuda\s+device 0", info, re.MULTILINE) is not None


def describe_machine(info):
    """What the figures hold for."""
    return {"python": platform.python_version(), "info": info,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": read_commit(), "processor": read_processor()}


def list_versions():
    """Of the modules that have been asked for so far."""
    names = [name for name in ("torch", "triton", "jax", "numpy") if name in sys.modules]
    return {name: getattr(sys.modules[name], "__version__", "unknown") for name in names}


def read_commit():
    """Of the sources beside this file, where git knows; else what the caller says."""
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                          text=True, check=False, cwd=os.path.dirname(os.path.abspath(__file__)))
    return os.environ.get("CUDROP_COMMIT") or said.stdout.strip() or "unknown"


def read_processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line[:10] == "model name")
    except (OSError, StopIteration):
        return "unknown"


# ---- what is reported ---------------------------------------------------------------------

class Report:
    """Rows, and for each peer that was left out the reason, once: all as it comes."""

    def __init__(self, arguments, info):
        self.arguments, self.ours = arguments, {}
        self.document = {"p": arguments.p, "cols": arguments.cols, "repeats": arguments.repeats,
                         "threads": arguments.threads, **describe_machine(info),
                         "versions": {}, "left_out": [], "rows": []}
        print(f"{'':4} {'':13} {'n':>10} {'type':4} {'':20} {'forward us':>11} "
              f"{'backward us':>12} {'kept bytes':>12} {'step':>8} {'peak MB':>8}",
              flush=True)
        self.write()

    def add(self, task, name, result):
        row = {"backend": task.backend, "operator": task.operator, "dtype": task.dtype,
               "n": task.n, "peer": name, **vars(result)}
        self.document["rows"].append(row)
        self.show(row)
        self.write()

    def leave_out(self, name, backend, reason):
        entry = [name, backend, reason]
        if entry in self.document["left_out"]:
            return
        self.document["left_out"].append(entry)
        print(f"left out: {name}, {backend}: {reason}", flush=True)
        self.write()

    def show(self, row):
        """A line, with how long the step takes beside cudrop's; and its peak, where it is known."""
        step = row["forward_ns"] + row["backward_ns"]
        key = tuple(row[name] for name in COLUMNS[:4])
        if row["peer"] == "cudrop":
            self.ours[key] = step
        beside = f"{step / self.ours[key]:7.2f}x" if key in self.ours else ""
        peak = "" if row["peak_bytes"] is None else f" {row['peak_bytes'] / 1e6:8.1f}"
        print(f"{row['backend']:4} {row['operator']:13} {row['n']:10} {row['dtype']:4} "
              f"{row['peer']:20} {row['forward_ns'] / 1e3:11.1f} "
              f"{row['backward_ns'] / 1e3:12.1f} {row['state_bytes']:12} "
              f"{beside}{peak}", flush=True)

    def write(self):
        self.document["versions"] = list_versions()
        if self.arguments.json:
            replace(self.arguments.json, self.write_json)
        if self.arguments.csv:
            replace(self.arguments.csv, self.write_csv)

    def write_json(self, file):
        json.dump(self.document, file, indent=1)
        file.write("\n")

    def write_csv(self, file):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(self.document["rows"])


def replace(path, write):
    """A file by another in one step, where that can be; so there is a whole one at any time."""
    is_special = os.path.exists(path) and not os.path.isfile(path)
    with open(path if is_special else f"{path}.new", "w", encoding="utf-8", newline="") as file:
        write(file)
    if not is_special:
        os.replace(f"{path}.new", path)


# ---- the comparison -----------------------------------------------------------------------

def give_up(*_):
    raise Missing("over --peer-limit")


def run_peer(run, task, limit):
    """A peer's result, or why there is none."""
    if limit < math.inf:  # and again, should what runs have caught the first
        signal.setitimer(signal.ITIMER_REAL, limit, 2.0)
    try:
        return run(task), None
    except Missing as reason:
        return None, str(reason)
    except Exception as error:  # pylint: disable=broad-exception-caught
        # One peer's failure, on a machine that is lent for minutes, is only its own.
        return None, f"failed: {type(error).__name__}: {str(error).splitlines()[:1]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def compare(tasks, arguments, report):
    end = time.monotonic() + arguments.budget
    signal.signal(signal.SIGALRM, give_up)
    for task in tasks:
        for name, run in (peer for family in FAMILIES for peer in family.list_peers(task)):
            if time.monotonic() > end:
                report.leave_out(name, task.backend,
                                 f"{arguments.budget} seconds are over, at {task.operator} "
                                 f"{task.n} {task.dtype}")
                continue
            result, reason = run_peer(run, task, arguments.peer_limit)
            if result is None:
                report.leave_out(name, task.backend, reason)
            else:
                report.add(task, name, result)


def list_tasks(arguments, backends):
    tasks = [Task(operator, backend, dtype, n, arguments.cols, arguments.p, arguments.repeats,
                  os.path.abspath(arguments.build))
             for backend in backends for operator in arguments.operators
             for n in arguments.n for dtype in arguments.dtypes]
    return [replace_fields(task, threads=arguments.threads) if task.is_attend else task
            for task in tasks]


def main():
    arguments = read_arguments()
    if arguments.plan:
        for task in list_tasks(arguments, arguments.backends):
            print(task.backend, task.operator, task.n, task.dtype)
        return 0
    info = ask_cudrop(arguments.build)
    backends = arguments.backends
    if backends == [""]:
        backends = ["cuda"] if has_gpu(info) else ["host"]
    if "cuda" in backends and not has_gpu(info):
        print("compare.py: --backends cuda: cudrop sees no GPU", file=sys.stderr)
        return 1
    try:
        report = Report(arguments, info)
        compare(list_tasks(arguments, backends), arguments, report)
    except OSError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 1
    print(f"({sys.executable}; PYTHON=... script/compare takes another interpreter)")
    return 0 if report.document["rows"] else 1


if __name__ == "__main__":
    sys.exit(main())
