"""with_triton.py - a dropout in Triton that draws its mask again in backward."""
from peer import Missing, Result, look_at, take_module
from with_torch import time_on_gpu

BLOCK = 1024


def make_kernel(triton, language):
    @triton.jit
    def drop(x, y, n, p, seed, BLOCK: language.constexpr):
        at = language.program_id(0).to(language.int64) * BLOCK + language.arange(0, BLOCK)
        inside = at < n
        value = language.load(x + at, mask=inside)
        keep = language.rand(seed, at) >= p
        language.store(y + at, language.where(keep, value / (1 - p), 0.0), mask=inside)

    return drop


def run(task):
    torch = take_module("torch")
    if not torch.cuda.is_available():
        raise Missing("PyTorch sees no GPU")
    triton = take_module("triton")
    if task.operator != "dropout":
        raise Missing("written for dropout alone")
    # The kernel's text is read again, with its names: they are this module's.
    globals()["language"] = take_module("triton.language")
    drop = make_kernel(triton, globals()["language"])
    dtype = {"F32": torch.float32, "BF16": torch.bfloat16}[task.dtype]
    x = (torch.rand(task.n, device="cuda") + 0.5).to(dtype)
    y = torch.empty_like(x)
    grid = ((task.n + BLOCK - 1) // BLOCK,)

    def call():
        drop[grid](x, y, task.n, task.p, 42, BLOCK=BLOCK)

    call()
    look_at(task, float((y != 0).double().mean()))
    return Result(*time_on_gpu(torch, task.repeats, call, call), 8)


def list_peers(task):
    return [("Triton", run)] if task.backend == "cuda" else []
