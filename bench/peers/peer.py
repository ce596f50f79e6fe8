"""peer.py - what a peer is asked for, what it answers, and how Python's calls are timed."""
import importlib
import statistics
import time
from dataclasses import dataclass

BYTES = {"F32": 4, "BF16": 2}

# What is computed, forward and backward: PyTorch's names for what cudrop does in one call each.
OPERATORS = {
    "dropout": "y = drop(x)",
    "fused": "y = residual + drop(gelu(x + bias)); dx and dbias",
    "norm": "h = residual + drop(x + bias), y = layer_norm(h); dx, dresidual, dbias, dgamma, dbeta",
    "attention": "y = drop(softmax(causal(scale * S))); dS",
    "attend": "O = drop(softmax(scale * Q K^T)) V; dQ, dK, dV; of n weights, cols a query",
    "attend_causal": "the same, causal",
}

HEAD = 64  # the size of a head of attend


@dataclass(frozen=True)
class Task:
    """A training step: forward, and backward with the same mask."""

    operator: str
    backend: str  # host or cuda
    dtype: str
    n: int
    cols: int  # elements of a row, for all but dropout
    p: float
    repeats: int
    build: str
    threads: int = 1  # on the host

    @property
    def shape(self):
        if self.operator == "dropout":
            return (self.n,)
        if self.is_attend:
            return (max(1, self.n // self.cols**2), self.cols, HEAD)
        if self.operator == "attention":
            return (max(1, self.n // self.cols**2), min(self.cols, self.n // self.cols), self.cols)
        return (self.n // self.cols, self.cols)

    @property
    def is_attend(self):
        return self.operator in ("attend", "attend_causal")

    @property
    def visible_share(self):
        """Of the elements, those that a causal attention sees."""
        if self.operator != "attention":
            return 1.0
        queries, keys = self.shape[1:]
        return (queries * (keys - queries) + queries * (queries + 1) / 2) / (queries * keys)


@dataclass
class Result:
    """Medians of a call; all that lies in memory between forward and backward."""

    forward_ns: float
    backward_ns: float
    state_bytes: int
    peak_bytes: int | None = None  # in a step, beyond what there was before


class Missing(Exception):
    """Why a peer cannot be measured here."""


def take_module(name):
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise Missing(f"Python has no {name}") from error


def look_at(task, kept):
    """A peer whose share of kept elements is wrong computes something else."""
    if not abs(kept - (1 - task.p)) <= 0.02:  # NaN is wrong, too
        raise Missing(f"it kept {kept:.4f} of the elements, and not {1 - task.p:g}")


def time_steps(repeats, forward, backward):
    """Median nanoseconds of both, in turns, on the host's clock."""
    times = ([], [])
    for _ in range(repeats):
        for call, series in zip((forward, backward), times):
            start = time.perf_counter_ns()
            call()
            series.append(time.perf_counter_ns() - start)
    return [statistics.median(series) for series in times]


def read_memory(name):
    """A number of /proc/self/status in bytes: VmRSS, or VmHWM, the most so far; None: unknown."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))
    except (OSError, StopIteration):
        return None


def measure_host_peak(step):
    """The most bytes that a step takes beyond what there was before; None: unknown."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # VmHWM becomes VmRSS
    except OSError:
        return None
    before = read_memory("VmRSS")
    step()
    most = read_memory("VmHWM")
    return None if before is None or most is None else most - before
