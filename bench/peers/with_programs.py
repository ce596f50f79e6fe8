"""with_programs.py - cudrop, and the peers that are programs in C."""
import json
import os
import subprocess
import tempfile

from peer import BYTES, Missing, Result

OURS = {
    "dropout": ("forward", "backward"),
    "fused": ("fused_forward", "fused_backward"),
    "norm": ("norm_forward", "norm_backward"),
    "attention": ("attention_forward", "attention_backward"),
}


def make_env():
    """Where the programs find libraries; Python's modules have their own."""
    path = os.environ.get("CUDROP_LIBRARY_PATH")
    return {**os.environ, **({"LD_LIBRARY_PATH": path} if path else {})}


def count_state(task):
    """What cudrop's backward is given of forward's: a seed and an offset, and tensors."""
    tensor = task.n * BYTES[task.dtype]
    rows = task.n // task.cols
    return 16 + {
        "dropout": 0,
        "fused": tensor + task.cols * BYTES[task.dtype],  # x and bias
        "norm": tensor + 2 * rows * 4 + task.cols * BYTES[task.dtype],  # h, mean, rstd, gamma
        "attention": tensor,  # P
    }[task.operator]


def ask(task, name, *words):
    """What a program of this folder says, which verifies and measures as `cudrop bench` does."""
    program = f"{task.build}/bench/peers/{name}"
    if not os.path.exists(program):
        raise Missing(f"there is no {program}")
    ran = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False,
                         env=make_env())
    if ran.returncode != 0:
        raise Missing(ran.stderr.strip())
    return json.loads(ran.stdout)


def run_attend(task):
    heads, tokens, _ = task.shape
    said = ask(task, "attend", task.backend, task.dtype, heads, tokens, task.p,
               int(task.operator == "attend_causal"), task.threads, task.repeats)
    # The program knows the host's memory alone.
    peak = said["peak_bytes"] if task.backend == "host" else None
    return Result(said["forward_ns"], said["backward_ns"], said["state_bytes"], peak)


def run_cudrop(task):
    if task.is_attend:
        return run_attend(task)
    names = OURS[task.operator]
    with tempfile.NamedTemporaryFile("r") as document:
        subprocess.run(
            [f"{task.build}/cudrop", "bench", "--backend", task.backend,
             "--operators", ",".join(names), "--dtypes", task.dtype, "--n", str(task.n),
             "--cols", str(task.cols), "--p", str(task.p), "--repeats", str(task.repeats),
             "--json", document.name],
            check=True, stdout=subprocess.DEVNULL, env=make_env())
        cases = json.load(document)["cases"]
    if not all(case["verified"] for case in cases):
        raise Missing("a result was wrong")
    medians = {case["operator"]: case["warm"]["ns"]["median"] for case in cases}
    return Result(medians[names[0]], medians[names[1]], count_state(task))


def run_program(task, name):
    """A program around another dropout (peer.c)."""
    if task.operator != "dropout":
        raise Missing("it has no such operator")
    said = ask(task, name, task.dtype, task.n, task.p, task.repeats)
    return Result(said["forward_ns"], said["backward_ns"], said["state_bytes"])


def list_peers(task):
    peers = [("cudrop", run_cudrop)]
    if task.backend == "host":
        peers.append(("plain loop in C", lambda task: run_program(task, "plain_loop")))
    else:
        peers += [("cuDNN", lambda task: run_program(task, "cudnn_dropout")),
                  ("cuRAND and a kernel", lambda task: run_program(task, "curand_dropout"))]
    return peers
