"""with_jax.py - dropout as Flax and others write it for JAX, compiled."""
import os

from peer import Missing, Result, look_at, take_module, time_steps


def make_step(jax, task):
    numpy, lax = jax.numpy, jax.lax

    def drop(key, x):
        keep = jax.random.bernoulli(key, 1 - task.p, x.shape)
        return lax.select(keep, x / (1 - task.p), numpy.zeros_like(x))

    def compute(key, x, *rest):
        if task.operator == "dropout":
            return drop(key, x)
        if task.operator == "fused":
            bias, residual = rest
            return residual + drop(key, jax.nn.gelu(x + bias, approximate=False))
        queries, keys = task.shape[1:]
        seen = numpy.tri(queries, keys, keys - queries, dtype=bool)
        return drop(key, jax.nn.softmax(numpy.where(seen, x * 0.125, -numpy.inf), axis=-1))

    # What backward needs comes out of the one compiled call and goes into the other.
    forward = jax.jit(lambda key, *inputs: jax.vjp(lambda *x: compute(key, *x), *inputs))
    backward = jax.jit(lambda pullback, dy: pullback(dy))
    return forward, backward


def take_jax(task):
    """JAX, and a device of the task's backend: one process measures on both."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax = take_module("jax")
    try:
        return jax, jax.devices("cuda" if task.backend == "cuda" else "cpu")[0]
    except RuntimeError as error:
        raise Missing("JAX sees no GPU") from error


def run(task):
    if task.operator == "norm" or task.is_attend:
        raise Missing("written for dropout, fused and attention")
    jax, device = take_jax(task)
    with jax.default_device(device):
        return measure(jax, task)


def measure(jax, task):
    dtype = {"F32": jax.numpy.float32, "BF16": jax.numpy.bfloat16}[task.dtype]
    key = jax.random.key(42)
    shapes = [task.shape]
    if task.operator == "fused":
        shapes += [task.shape[-1:], task.shape]
    inputs = [jax.random.uniform(key, shape, dtype, 0.5, 1.5) for shape in shapes]
    forward, backward = make_step(jax, task)
    state = {}

    def run_forward():
        state["y"], state["pullback"] = forward(key, *inputs)
        jax.block_until_ready(state["y"])

    def run_backward():
        state["dx"] = backward(state["pullback"], inputs[0])
        jax.block_until_ready(state["dx"])

    run_forward()
    run_backward()
    looked_at = state["y"] if task.operator == "attention" else state["dx"][0]
    kept = float((looked_at != 0).astype(jax.numpy.float32).mean())
    look_at(task, kept / task.visible_share)
    saved = sum(leaf.nbytes for leaf in jax.tree.leaves(state["pullback"]))
    return Result(*time_steps(task.repeats, run_forward, run_backward), saved)


def list_peers(task):
    del task
    return [("JAX jit", run)]
