"""with_numpy.py - dropout as programs with NumPy write it."""
from peer import Missing, Result, look_at, take_module, time_steps


def run(task, generator):
    numpy = take_module("numpy")
    if task.operator != "dropout":
        raise Missing("written for dropout alone")
    if task.dtype != "F32":
        raise Missing("NumPy has no BF16")
    rng = numpy.random.Generator(getattr(numpy.random, generator)(42))
    x = rng.random(task.n, dtype=numpy.float32) + numpy.float32(0.5)
    y, dx = numpy.empty_like(x), numpy.empty_like(x)
    scale = numpy.float32(1 / (1 - task.p))
    state = {}

    def forward():
        state["mask"] = rng.random(task.n, dtype=numpy.float32) >= task.p
        numpy.multiply(x, state["mask"], out=y)
        numpy.multiply(y, scale, out=y)

    def backward():
        numpy.multiply(x, state["mask"], out=dx)
        numpy.multiply(dx, scale, out=dx)

    forward()
    backward()
    look_at(task, numpy.count_nonzero(dx) / task.n)
    return Result(*time_steps(task.repeats, forward, backward), state["mask"].nbytes)


def list_peers(task):
    if task.backend != "host":
        return []
    return [(f"NumPy {name}", lambda task, name=name: run(task, name))
            for name in ("Philox", "PCG64")]
